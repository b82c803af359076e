# vic-docker in front of the tests' port layer: the API without VMs, for shell tests.
#
#   personality_start DIR   sets API to its socket; programs are those of BIN
#   personality_stop DIR    ends both; safe to call twice or when they never started
#   api METHOD PATH [CURL-ARG...]   prints the body, then the status on a line of its own

personality_start() {
    local dir=$1 deadline=$((SECONDS + 60))
    mkdir -p "$dir" || return
    API=$dir/api.sock
    rm -f "$dir"/*.sock
    printf '{"portlayer":"%s/pl.sock","insecure_registries":[]}\n' "$dir" >"$dir/docker.json"
    "$BIN/fake-portlayer" "$dir/pl.sock" </dev/null >"$dir/pl.log" 2>&1 3>&- 4>&- &
    echo "$!" >"$dir/pl.pid"
    # Listens as vic-machine does: the socket is descriptor 3 of the program.
    python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(64)
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])' "$API" "$BIN/vic-docker" --config "$dir/docker.json" \
        </dev/null >"$dir/docker.log" 2>&1 3>&- 4>&- &
    echo "$!" >"$dir/docker.pid"
    # Both answer: vic-docker asks the port layer for that.
    until [ "$(api GET /info 2>/dev/null | tail -n 1)" = 200 ]; do
        if ((SECONDS > deadline)); then
            cat "$dir"/*.log >&2
            personality_stop "$dir"
            return 1
        fi
        sleep 0.05
    done
}

personality_stop() {
    local pid file
    for file in "$1/docker.pid" "$1/pl.pid"; do
        pid=$(cat "$file" 2>/dev/null) || continue
        rm -f "$file"
        kill "$pid" 2>/dev/null || continue
        # Not a child where a test's teardown calls this: wait by looking.
        timeout 10 tail -f --pid="$pid" /dev/null || kill -KILL "$pid" 2>/dev/null || :
    done
}

api() {
    local method=$1 path=$2
    shift 2
    timeout 60 curl -sS -X "$method" --unix-socket "$API" -w '\n%{http_code}' "$@" "http://localhost$path"
}
