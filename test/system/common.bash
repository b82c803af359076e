# Loaded by every system test: `load common`.
bats_require_minimum_version 1.5.0
# shellcheck source=test/lib/vch.bash
. "$BATS_TEST_DIRNAME/../lib/vch.bash"

# expect TEXT: the last `run`'s output holds it.
# shellcheck disable=SC2154 # run sets output and status
expect() {
    if [[ $output != *"$1"* ]]; then
        printf 'expected: %s\nin status %s: %s\n' "$1" "$status" "$output" >&2
        return 1
    fi
}
equal() { # WANTED HAD
    if [ "$1" != "$2" ]; then
        printf 'expected: %s\nhad:      %s\n' "$1" "$2" >&2
        return 1
    fi
}
state() { dk inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$1"; }
api() { # METHOD PATH [CURL-ARG...]: body, then the status on a line of its own
    local method=$1 path=$2
    shift 2
    timeout 60 curl -sS -X "$method" --unix-socket "${VIC_HOST#unix://}" -w '\n%{http_code}' "$@" \
        "http://localhost$path"
}
# A gate in a container's way, which the test opens whether or not a daemon of ours is alive.
gate() { # prints the commands that wait at it
    local host
    host=$(dk network inspect -f '{{(index .IPAM.Config 0).Gateway}}' bridge) || return
    echo "until nc -w 1 $host 9 </dev/null; do sleep 0.1; done"
}
gate_open() { # GATE, as gate() printed it
    local host
    host=$(cut -d ' ' -f 5 <<<"$1")
    socat -u "TCP-LISTEN:9,bind=$host,fork,reuseaddr" /dev/null 3>&- 4>&- &
    GATEKEEPER=$!
}
gate_close() { # also when it was never open
    [ -z "${GATEKEEPER:-}" ] || kill "$GATEKEEPER" || :
    GATEKEEPER=
}
remove_all() { # PREFIX: the containers whose names begin with it
    local ids
    ids=$(dk ps -aq --filter "name=^/?$1") || return
    # shellcheck disable=SC2086 # one word per id
    [ -z "$ids" ] || dk rm -f $ids >/dev/null
}
# An HTTP client that asks and then reads nothing but the answer's head, or not even all of that; to be run with `&`.
staller() { # METHOD PATH [headless]
    exec python3 -c '
import signal, socket, sys
s = socket.socket(socket.AF_UNIX)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.connect(sys.argv[1])
s.sendall(f"{sys.argv[2]} {sys.argv[3]} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode())
head = s.recv(12)
while not sys.argv[4] and not head.endswith(b"\r\n\r\n"):
    head += s.recv(1)
print(head[:12], flush=True)
signal.pause()
' "${VIC_HOST#unix://}" "$1" "$2" "${3-}" 3>&-
}
