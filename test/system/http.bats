# What a hostile or broken client sends: each gets its status, and the endpoint goes on.
load common

raw() { # sends the bytes of stdin, though they may be refused half-way; prints the status line of the answer
    timeout 20 python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
try:
    s.sendall(sys.stdin.buffer.read())
except BrokenPipeError:
    pass  # what was answered before is still there to be read
print(s.makefile("rb").readline().decode().rstrip())
' "${VIC_HOST#unix://}"
}
gives_up() { # sends the bytes of stdin and is gone
    python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.stdin.buffer.read())
' "${VIC_HOST#unix://}"
}
teardown() {
    remove_all http-
    equal OK "$(api GET /_ping | head -n 1)"
}

@test "unknown paths and wrong methods are 404, as from Docker" {
    for request in 'GET /nothing' 'GET /v1.50/nothing' 'PUT /v1.50/containers/json' 'DELETE /_ping'; do
        # shellcheck disable=SC2086 # method and path
        run -0 api $request
        equal 404 "${lines[-1]}"
        expect '{"message":"page not found"}'
    done
}

@test "a path with dots leads to the clean one, and out of nothing" {
    for path in /v1.50/containers/../../etc/passwd /v1.50/containers/%2e%2e/%2e%2e/etc/passwd //etc/passwd /../etc/passwd; do
        run -0 api GET "$path" --path-as-is -D -
        equal 301 "${lines[-1]}"
        grep -qi '^location: /etc/passwd' <<<"${output//$'\r'/}"
        run -0 api GET "$path" --path-as-is -L
        equal 404 "${lines[-1]}"
    done
}

@test "a path with %00 is refused, not cut" {
    while read -r path message; do
        run -0 api GET "$path"
        equal 404 "${lines[-1]}"
        expect "\"$message"
    done <<'END'
/v1.50/containers/json%00x page not found
/v1.50/containers/x%00y/json No such container: x
/_ping%00 page not found
END
}

@test "malformed JSON is 400 with a message; nothing is created" {
    before=$(dk ps -aq | wc -l)
    for body in '{' '[]' '{"Image":5}' '{"Image":"busybox","Cmd":{"a":1}}' '{"Image":"busybox"}x' ''; do
        run -0 api POST /v1.50/containers/create -H 'Content-Type: application/json' --data-binary "$body"
        equal 400 "${lines[-1]}"
        expect '"message"'
    done
    equal "$before" "$(dk ps -aq | wc -l)"
}

@test "deeply nested JSON is refused" {
    python3 -c 'print("{\"Image\":" + "[" * 100000 + "]" * 100000 + "}")' >"$BATS_TEST_TMPDIR/deep"
    run -0 api POST /v1.50/containers/create -H 'Content-Type: application/json' --data-binary "@$BATS_TEST_TMPDIR/deep"
    equal 400 "${lines[-1]}"
}

@test "a body over the cap is refused in bounded time" {
    truncate -s 1G "$BATS_TEST_TMPDIR/big"
    run api POST /v1.50/containers/create -H 'Content-Type: application/json' -T "$BATS_TEST_TMPDIR/big" --max-time 30
    [ "$status" -eq 0 ] || [ "$status" -eq 55 ] # curl may still be sending when the answer comes
    equal 413 "${lines[-1]}"
}

@test "a body over the cap whose length is not announced is refused too, and one below it is taken" {
    chunked() { # BYTES of blanks before the document
        { head -c "$1" /dev/zero | tr '\0' ' ' && echo '{"Image":"busybox"}'; } |
            api POST '/v1.50/containers/create?name=http-chunked' -H 'Content-Type: application/json' -T - --max-time 30
    }
    run -0 chunked 16777216
    expect "request body too large: at most 16777216 bytes are taken"
    equal 413 "${lines[-1]}"
    equal "" "$(dk ps -aq --filter name=http-chunked)"
    run -0 chunked 16777000
    equal 201 "${lines[-1]}"
}

@test "attach without an upgrade: 200 and the output; input cannot be had that way" {
    attach=/v1.50/containers/http-attach/attach?stream=1
    dk run -d --name http-attach -i busybox sh -c 'read line; echo "got $line"; echo err >&2; exit 3'
    run -0 api POST "$attach&stdin=1&stdout=1&stderr=1"
    equal 400 "${lines[-1]}"
    expect "attaching stdin needs a connection upgrade: send the headers 'Connection: Upgrade' and 'Upgrade: tcp'"
    api POST "$attach&stdout=1&stderr=1" -D "$BATS_TEST_TMPDIR/head" -o "$BATS_TEST_TMPDIR/body" \
        >"$BATS_TEST_TMPDIR/status" 3>&- &
    client=$!
    wait_for 20 grep '^HTTP/1.1 200' "$BATS_TEST_TMPDIR/head"
    echo hello | run -3 dk attach http-attach
    wait "$client"
    equal 200 "$(xargs <"$BATS_TEST_TMPDIR/status")"
    grep -i '^content-type: application/vnd.docker.multiplexed-stream' "$BATS_TEST_TMPDIR/head"
    # Frames of both streams: which comes first is not said.
    equal "err got hello" "$(tr -cd 'a-z \n' <"$BATS_TEST_TMPDIR/body" | sort | xargs)"
    equal 30 "$(stat -c %s "$BATS_TEST_TMPDIR/body")" # 10 and 4 bytes, 8 before each
}

@test "a header storm, a truncated chunk and garbage do not disturb others" {
    { printf 'GET /_ping HTTP/1.1\r\nHost: x\r\n' && seq -f 'X-%.0f: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' 20000; } >"$BATS_TEST_TMPDIR/storm"
    equal "HTTP/1.1 431 Request Header Fields Too Large" "$(raw <"$BATS_TEST_TMPDIR/storm")"
    equal "HTTP/1.1 414 URI Too Long" "$(head -c 100000 /dev/zero | tr '\0' a | raw)"
    head='POST /v1.50/containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n'
    # shellcheck disable=SC2059 # a format
    equal "HTTP/1.1 400 Bad Request" "$(printf "${head}zz\r\n{}\r\n0\r\n\r\n" | raw)"
    before=$(dk ps -aq | wc -l)
    # shellcheck disable=SC2059
    printf "${head}ff\r\n{\"Image\":\"busybox\"}" | gives_up
    equal "$before" "$(dk ps -aq | wc -l)"
    { echo 'not HTTP' && head -c 100000 /dev/urandom; } >"$BATS_TEST_TMPDIR/noise"
    gives_up <"$BATS_TEST_TMPDIR/noise" || :
}

@test "unserved options are refused with 501 that names the field" {
    while read -r name value; do
        body="\"$name\":$value"
        [[ $name != HostConfig.* ]] || body="\"HostConfig\":{\"${name#*.}\":$value}"
        run -0 api POST /v1.50/containers/create -H 'Content-Type: application/json' --data-binary "{\"Image\":\"busybox\",$body}"
        equal 501 "${lines[-1]}"
        expect "$name"
        expect "is not served here: "
    done <<'END'
HostConfig.Binds ["/a:/b"]
HostConfig.PublishAllPorts true
HostConfig.PortBindings {"80/tcp":[{"HostPort":"8080"}]}
HostConfig.Links ["a:b"]
HostConfig.NetworkMode "host"
HostConfig.Mounts [{"Type":"volume","Target":"/x"}]
HostConfig.BlkioWeight 500
HostConfig.CpuShares 512
HostConfig.SecurityOpt ["seccomp={}"]
Volumes {"/x":{}}
END
    for request in 'POST /v1.50/build' 'GET /v1.50/containers/x/attach/ws' 'POST /v1.50/volumes/create' 'POST /v1.50/networks/create'; do
        # shellcheck disable=SC2086
        run -0 api $request -H 'Content-Type: application/json' -d '{}'
        equal 501 "${lines[-1]}"
    done
}

@test "API versions outside 1.24 to 1.50 are refused with Docker's words" {
    api HEAD /_ping -I | tr -d '\r' | grep -ix "api-version: 1.50\|swarm: inactive" | wc -l | grep -x 2
    run -0 api GET /v1.23/version
    equal 400 "${lines[-1]}"
    expect "too old"
    run -0 api GET /v9.99/version
    equal 400 "${lines[-1]}"
    expect "too new"
    run -0 api GET /v1.24/version
    equal 200 "${lines[-1]}"
}

@test "every operation of doc/api.md answers as it says there" {
    shopt -s extglob
    n=0
    while read -r method path operation verdict; do
        n=$((n + 1))
        path=${path//\{@(id|name)\}/nosuch}
        case $operation in
        SystemEvents) path="$path?since=1&until=2" ;;
        NetworkInspect) path=/networks/bridge ;;
        esac
        with=(-H 'Content-Type: application/json' -d '{}')
        [ "$method" != HEAD ] || with=(-I)
        run -0 api "$method" "/v1.50$path" "${with[@]}"
        case $verdict in
        served)
            if ! [[ ${lines[-1]} =~ ^(2..|400|404)$ ]] || [[ $output == *"page not found"* ]]; then
                echo "$operation: $output" >&2
                return 1
            fi
            ;;
        *)
            equal "$operation $verdict" "$operation ${lines[-1]}"
            [[ $output != *"page not found"* ]]
            [ "$verdict" != 501 ] || [ "$method" = HEAD ] || expect "$operation is not served here: "
            [ "$verdict" != 503 ] || expect "This node is not a swarm manager."
            ;;
        esac
    done < <(sed -n 's/^| \([A-Z]*\) \([^ ]*\) (\([A-Za-z]*\)) | \([a-z0-9]*\) |.*/\1 \2 \3 \4/p' "$VCH_TOP/doc/api.md")
    equal 107 "$n"
}
