# The Docker API over a port layer that answers from memory: what needs no VM.
bats_require_minimum_version 1.5.0

setup_file() {
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    BIN=${VIC_BIN:-$(realpath -m "${O:-$ROOT/build}")/bin}
    export ROOT BIN DIR="$BATS_FILE_TMPDIR"
    . "$ROOT/test/lib/personality.bash"
    . "$ROOT/test/lib/fake.bash"
    personality_start "$DIR/vch"
    fake_start "$DIR/fake"
    export API FAKE
}

teardown_file() {
    . "$ROOT/test/lib/personality.bash"
    . "$ROOT/test/lib/fake.bash"
    personality_stop "$DIR/vch"
    fake_stop "$DIR/fake"
}

setup() {
    . "$ROOT/test/lib/personality.bash"
    . "$ROOT/test/lib/fake.bash"
    fake_reset
}
teardown() {
    [ "$(api GET /_ping | head -n 1)" = OK ]
    personality_stop "$BATS_TEST_TMPDIR/own"
}

# A port layer and a personality of the test's own: the fake keeps blobs.
own_vch() { personality_start "$BATS_TEST_TMPDIR/own"; }
pull() { api POST "/v1.50/images/create?fromImage=$FAKE/$1&tag=${2:-latest}"; }
asked() { fake_log | jq -e --arg part "$1" 'any(.path | contains($part))' >/dev/null; }
until_asked() { # PART: a request whose path holds it has come
    local deadline=$((SECONDS + 30))
    until asked "$1"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}
layer_digest() { # of the image that every wire fault serves
    curl -fsS --noproxy '*' "http://$FAKE/v2/ok/manifests/latest" | jq -r '.layers[0].digest'
}

# The last `run`: its status line, and text that its body holds.
# shellcheck disable=SC2154 # run sets them
answers() {
    if [ "${lines[-1]}" != "$1" ] || [[ $output != *"$2"* ]]; then
        printf 'expected %s with: %s\nhad: %s\n' "$1" "$2" "$output" >&2
        return 1
    fi
}
equal() { # WANTED HAD
    if [ "$1" != "$2" ]; then
        printf 'expected: %s\nhad:      %s\n' "$1" "$2" >&2
        return 1
    fi
}
create() { api POST "/v1.50/containers/create$2" -H 'Content-Type: application/json' --data-binary "$1"; }

@test "an image's configuration is asked of the image, not of the list" {
    run -0 api GET /v1.50/images/busybox/json
    answers 200 '"Env":["PATH=/bin"]'
    run -0 api GET /v1.50/images/busybox/history
    answers 200 '"CreatedBy":"ADD"'
    run -0 api GET /v1.50/images/nosuch/json
    answers 404 'No such image: nosuch:latest'
    run -0 api GET '/v1.50/images/json?filters={"label":["from=image"]}' -g
    answers 200 '"Labels":{"from":"image"}'
    run -0 create '{"Image":"busybox"}' '?name=configured'
    answers 201 '"Id"'
    run -0 api GET /v1.50/containers/configured/json
    answers 200 '"Cmd":["sh"]'
    run -0 create '{"Image":"nosuch"}' ''
    answers 404 'No such image: nosuch:latest'
}

@test "an expression that could take for ever is refused, naming its filter" {
    for value in '((((a{1,99}){1,99}){1,99}){1,99})' '(a)\\1'; do
        for list in 'containers/json?all=1&' 'networks?'; do
            run -0 api GET "/v1.50/${list}filters=$(jq -rn --arg v "{\"name\":[\"$value\"]}" '$v | @uri')"
            answers 400 "invalid filter 'name=["
        done
    done
}

@test "a pull does not wait for a blob from a registry that it did not ask" {
    own_vch
    layer=$(layer_digest)
    pull stall-layer >"$BATS_TEST_TMPDIR/stalled" 3>&- &
    stalled=$!
    until_asked "stall-layer/blobs/$layer"
    run -0 pull ok
    answers 200 'Status: Downloaded newer image'
    kill "$stalled" # fails if it has ended, and with it what could have been waited for
}

@test "a manifest that lies about a size does not fail another pull of that blob" {
    own_vch
    layer=$(layer_digest)
    pull two-sizes lie >"$BATS_TEST_TMPDIR/lie" 3>&- &
    lie=$!
    until_asked "two-sizes/blobs/$layer"
    run -0 pull two-sizes honest
    answers 200 'Status: Downloaded newer image'
    wait "$lie"
    grep -q '"error":.*bytes, the manifest says' "$BATS_TEST_TMPDIR/lie"
}

@test "bodies of all connections together have a cap, beyond which is 503" {
    own_vch
    run -0 python3 - "$API" <<'END'
import fcntl, socket, struct, sys, termios, time

MIB = 1 << 20

def request(length):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    how = f"Content-Length: {length}" if length else "Transfer-Encoding: chunked"
    s.sendall(b"POST /v1.50/containers/create HTTP/1.1\r\nHost: x\r\n"
              b"Content-Type: application/json\r\n" + how.encode() + b"\r\n\r\n")
    return s

def status(s):
    data = b""
    while b"\r\n\r\n" not in data or not data.rstrip().endswith(b"}"):
        part = s.recv(65536)
        if not part:
            break
        data += part
    return data.split()[1].decode(), data.decode().rpartition("\r\n")[2].strip()

def until_read(s):  # what the daemon has not read does not count yet
    deadline = time.monotonic() + 30
    while struct.unpack("i", fcntl.ioctl(s, termios.TIOCOUTQ, bytes(4)))[0]:
        assert time.monotonic() < deadline, "the daemon does not read"
        time.sleep(0.01)

held = []
for _ in range(16):
    held.append(request(16 * MIB))
    held[-1].sendall(b" " * (16 * MIB - 1))
    until_read(held[-1])
print("announced", *status(request(16 * MIB)))
s = request(0)
for _ in range(8):
    s.sendall(b"100000\r\n" + b" " * MIB + b"\r\n")
s.sendall(b"0\r\n\r\n")
print("chunked", *status(s))
for h in held:
    h.close()
while True:
    s = request(16 * MIB)
    s.settimeout(30)
    try:
        s.sendall(b" " * 16 * MIB)
    except (BrokenPipeError, ConnectionResetError):
        pass  # answered before its end
    answer = status(s)
    if answer[0] != "503":
        break
    time.sleep(0.05)
print("later", *answer)
END
    [[ $output == *'announced 503 {"message":"too many request bodies at once'* ]]
    [[ $output == *'chunked 503 {"message":"too many request bodies at once'* ]]
    [[ $output == *'later 400 {"message":"invalid JSON'* ]]
}

@test "a body of very many values is refused before they are made" {
    python3 -c 'print("{\"Image\":\"busybox\",\"x\":[" + "0," * 50000 + "0]}")' >"$BATS_TEST_TMPDIR/many"
    run -0 create "@$BATS_TEST_TMPDIR/many" ''
    answers 400 'more than 50000 values'
}

@test "what a pull has brought is swept when its client leaves" {
    own_vch
    layer=$(layer_digest)
    (exec curl -sS -X POST --unix-socket "$API" \
        "http://localhost/v1.50/images/create?fromImage=$FAKE/stall-layer&tag=1" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- 4>&-) &
    client=$!
    until_asked "stall-layer/blobs/$layer"
    kill "$client"
    deadline=$((SECONDS + 30))
    until grep -qx "sweep $layer" "$BATS_TEST_TMPDIR/own/pl.log"; do
        ((SECONDS < deadline))
        sleep 0.05
    done
}

@test "disk usage: the types asked for, what is shared once, and a container with its image" {
    own_vch
    run -0 create '{"Image":"busybox"}' '?name=df'
    run -0 api GET /v1.50/system/df
    answers 200 '"LayersSize":5000'
    jq -e '.Images[0] | .SharedSize == 1024 and .Size == 4096 and .Containers == 1' <<<"${lines[0]}"
    jq -e '.Containers[0] | .SizeRw == 100 and .SizeRootFs == 4196' <<<"${lines[0]}"
    jq -e '.Volumes == [] and .BuildCache == []' <<<"${lines[0]}"
    run -0 api GET '/v1.50/system/df?type=container&type=volume'
    jq -e '.LayersSize == 0 and .Images == null and .BuildCache == null and .Volumes == []' <<<"${lines[0]}"
    jq -e '.Containers[0].SizeRootFs == 4196' <<<"${lines[0]}"
    run -0 api GET '/v1.41/system/df?type=container'
    jq -e '.Images[0].Size == 4096' <<<"${lines[0]}"
    run -0 api GET '/v1.50/system/df?type=image&type=moon'
    answers 400 'unknown object type: moon'
}

@test "images: until, the size that is shared, and no manifests" {
    run -0 api GET /v1.50/images/json
    answers 200 '"SharedSize":-1'
    run -0 api GET '/v1.50/images/json?shared-size=1'
    answers 200 '"SharedSize":1024'
    run -0 api GET '/v1.50/images/json?manifests=1'
    answers 501 'manifests is not served here'
    run -0 api GET '/v1.50/images/json?filters={"until":["2026-01-02T03:04:06Z"]}' -g
    answers 200 busybox
    for until in 2026-01-02T03:04:05Z 1000000h; do # when it was made, and before
        run -0 api GET "/v1.50/images/json?filters={\"until\":[\"$until\"]}" -g
        equal '[]' "${lines[0]}"
    done
    run -0 api GET '/v1.50/images/json?filters={"until":["soon"]}' -g
    answers 400 "invalid time 'soon'"
}

@test "a forced removal by name only untags while a container runs" {
    own_vch
    run -0 create '{"Image":"busybox","Cmd":["sleep","1"]}' '?name=user'
    run -0 api POST /v1.50/containers/user/start
    run -0 api DELETE /v1.50/images/busybox
    answers 409 'unable to remove repository reference'
    run -0 api DELETE '/v1.50/images/1111?force=1'
    answers 409 'cannot be forced'
    run -0 api DELETE '/v1.50/images/busybox?force=1'
    answers 200 '[{"Untagged":"busybox:latest"},{"Untagged":"busybox@sha256:'
    [[ $output != *Deleted* ]]
    run -0 api POST /v1.50/containers/user/kill
    run -0 api DELETE '/v1.50/images/busybox?force=1'
    answers 200 '{"Deleted":"sha256:1111'
}

@test "null is no filter, older clients find what they know, and a bad flag is refused" {
    run -0 api GET '/v1.50/containers/json?filters=null'
    answers 200 '['
    run -0 api GET '/v1.43/images/json'
    answers 200 '"VirtualSize":'
    run -0 api GET '/v1.44/images/json'
    [[ $output != *VirtualSize* ]]
    run -0 api GET '/v1.50/networks/none?verbose=perhaps'
    answers 400 'invalid value for verbose'
}

@test "a paused container is told apart, in Docker's words" {
    own_vch
    run -0 create '{"Image":"busybox","Cmd":["sleep","1"]}' '?name=cold'
    run -0 api POST /v1.50/containers/cold/pause
    answers 409 'is not running'
    run -0 api POST /v1.50/containers/cold/unpause
    answers 500 'is not paused'
    run -0 api POST /v1.50/containers/cold/start
    run -0 api POST /v1.50/containers/cold/pause
    answers 204
    run -0 api POST /v1.50/containers/cold/pause
    answers 409 'is already paused'
    run -0 api GET /v1.50/containers/json
    answers 200 ' (Paused)"'
    run -0 api GET '/v1.50/containers/json?filters=%7B%22status%22:%5B%22running%22%5D%7D'
    answers 200 '[]'
    run -0 api GET /v1.50/containers/cold/json
    answers 200 '"Status":"paused","Running":true,"Paused":true'
    run -0 api POST '/v1.50/containers/cold/attach?stdout=1'
    answers 409 'is paused, unpause the container before attach'
    run -0 api POST /v1.50/containers/cold/exec -H 'Content-Type: application/json' --data-binary '{"Cmd":["true"]}'
    answers 409 'is paused, unpause the container before exec'
    run -0 api POST /v1.50/containers/cold/start
    answers 409 'cannot start a paused container, try unpause instead'
    run -0 api DELETE /v1.50/containers/cold
    answers 409 'container is paused and must be unpaused first'
    run -0 api POST /v1.50/containers/cold/unpause
    answers 204
    run -0 api POST /v1.50/containers/cold/unpause
    answers 500 'is not paused'
    run -0 api POST /v1.50/containers/nobody/pause
    answers 404 'No such container: nobody'
}

@test "a query of too many parameters is refused" {
    run -0 api GET "/v1.50/images/json?$(printf 'a=1&%.0s' {1..255})shared-size=1"
    answers 200 '"SharedSize":1024'
    run -0 api GET "/v1.50/images/json?$(printf 'a=1&%.0s' {1..256})shared-size=1"
    answers 400 'the query has more than 256 parameters'
}

@test "an architecture's other name is that architecture" { # the image says x86_64
    for platform in '' linux amd64 linux/amd64 linux/x86-64/v1; do
        run -0 create '{"Image":"busybox"}' "?platform=$platform"
        answers 201 '"Id"'
    done
    for platform in arm64 linux/arm64 windows windows/amd64; do
        run -0 create '{"Image":"busybox"}' "?platform=$platform"
        answers 404 'does not provide the specified platform'
    done
    run -0 create '{"Image":"busybox"}' "?platform=linux/amd64/v1/x"
    answers 400 'expected os/architecture[/variant]'
}
