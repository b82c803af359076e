# The lying registry test/fake/registry.py for shell tests.
#
#   fake_start DIR   sets FAKE=127.0.0.1:PORT and FAKE_OTHER (where redirects lead); pid in DIR
#   fake_stop DIR    ends it; safe to call twice, in a trap, or when it never started
#   fake_log         prints the requests so far as a JSON list
#   fake_reset       forgets them, and which faults already happened "once"

_fake_program=$(cd "$(dirname "${BASH_SOURCE[0]}")/../fake" && pwd)/registry.py

_fake_pid() {
    local pid
    pid=$(cat "$1/fake.pid" 2>/dev/null) || return 1
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF registry.py || return 1
    echo "$pid"
}

fake_start() {
    local dir=$1 pid deadline=$((SECONDS + 60))
    mkdir -p "$dir" || return
    fake_stop "$dir"
    : >"$dir/fake.out"
    # Descriptor 3 is bats' own: a daemon that keeps it keeps bats waiting.
    python3 "$_fake_program" </dev/null >"$dir/fake.out" 2>"$dir/fake.log" 3>&- 4>&- &
    pid=$!
    echo "$pid" >"$dir/fake.pid"
    while ((SECONDS < deadline)) && kill -0 "$pid" 2>/dev/null; do
        if [ "$(wc -l <"$dir/fake.out")" -ge 2 ]; then
            # shellcheck disable=SC2034 # for the caller
            { FAKE=127.0.0.1:$(sed -n 1p "$dir/fake.out"); FAKE_OTHER=127.0.0.1:$(sed -n 2p "$dir/fake.out"); }
            return 0
        fi
        sleep 0.05
    done
    echo "the fake registry did not come up:" >&2
    cat "$dir/fake.log" >&2
    kill -KILL "$pid" 2>/dev/null
    rm -f "$dir/fake.pid"
    return 1
}

fake_stop() {
    local pid deadline=$((SECONDS + 5))
    if pid=$(_fake_pid "$1"); then
        kill "$pid" 2>/dev/null || :
        while ((SECONDS < deadline)) && _fake_pid "$1" >/dev/null; do sleep 0.02; done
        if _fake_pid "$1" >/dev/null; then kill -KILL "$pid" 2>/dev/null || :; fi
        wait "$pid" 2>/dev/null || :
    fi
    rm -f "$1/fake.pid"
}

fake_log() { curl -fsS --noproxy '*' "http://$FAKE/_log"; }
fake_reset() { curl -fsS --noproxy '*' -X POST "http://$FAKE/_reset"; }
