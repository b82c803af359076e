# Debian's docker-registry on a free loopback port; sourced by bats files, quickstart and benches.
#
#   registry_start DIR [PORT]   starts it with config, storage, log and pid in DIR; sets REGISTRY
#   registry_stop DIR           ends it; safe to call twice, in a trap, or when it never started

_registry_pid() { # prints the pid only while it is still our registry
    local pid
    pid=$(cat "$1/registry.pid" 2>/dev/null) || return 1
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$1/registry.yml" || return 1
    echo "$pid"
}

_registry_port() { # the kernel chose the port: nobody else can have taken it in between
    ss -Hltnp 2>/dev/null | sed -n "s/.* 127\.0\.0\.1:\([0-9]*\) .*pid=$1,.*/\1/p" | head -n1
}

_registry_wait() { # DIR PID
    local port deadline=$((SECONDS + 60))
    while ((SECONDS < deadline)) && _registry_pid "$1" >/dev/null; do
        port=$(_registry_port "$2")
        # shellcheck disable=SC2034 # for the caller
        if [ -n "$port" ] &&
            curl -fsS --noproxy '*' --max-time 20 -o /dev/null "http://127.0.0.1:$port/v2/" 2>/dev/null; then
            REGISTRY=127.0.0.1:$port
            return 0
        fi
        sleep 0.05
    done
    return 1
}

registry_start() {
    local dir pid
    mkdir -p "$1/storage" || return
    dir=$(cd "$1" && pwd) || return
    registry_stop "$dir"
    cat >"$dir/registry.yml" <<END
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: $dir/storage}
  delete: {enabled: true}
  maintenance: {uploadpurging: {enabled: false}}
http: {addr: "127.0.0.1:${2:-0}"}
END
    # Descriptor 3 is bats' own: a daemon that keeps it keeps bats waiting.
    env -u HTTP_PROXY -u http_proxy docker-registry serve "$dir/registry.yml" \
        </dev/null >"$dir/registry.log" 2>&1 3>&- 4>&- &
    pid=$!
    echo "$pid" >"$dir/registry.pid"
    # A child that has not reached exec yet still has our own command line.
    until _registry_pid "$dir" >/dev/null || ! kill -0 "$pid" 2>/dev/null; do
        sleep 0.01
    done
    _registry_wait "$dir" "$pid" && return 0
    echo "docker-registry did not come up:" >&2
    cat "$dir/registry.log" >&2
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    rm -f "$dir/registry.pid"
    return 1
}

registry_stop() {
    local dir pid deadline=$((SECONDS + 5))
    dir=$(cd "$1" 2>/dev/null && pwd) || return 0
    if pid=$(_registry_pid "$dir"); then
        kill "$pid" 2>/dev/null || :
        while ((SECONDS < deadline)) && _registry_pid "$dir" >/dev/null; do sleep 0.02; done
        if _registry_pid "$dir" >/dev/null; then kill -KILL "$pid" 2>/dev/null || :; fi
        wait "$pid" 2>/dev/null || :
    fi
    rm -f "$dir/registry.pid"
}
