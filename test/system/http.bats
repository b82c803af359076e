# What a hostile or broken client sends: each gets its status, and the endpoint goes on.
load common

raw() { # prints the status line(s) answered to the bytes of stdin, within 10 s
    timeout 10 socat -t 5 - "UNIX-CONNECT:${VIC_HOST#unix://}" | tr -d '\r' | grep -a '^HTTP/' || :
}
teardown() {
    equal OK "$(api GET /_ping | head -n 1)"
}

@test "unknown paths and wrong methods are 404 or 405" {
    for request in 'GET /nothing' 'GET /v1.50/nothing' 'PUT /v1.50/containers/json' 'GET /v1.50/containers/../../etc/passwd'; do
        # shellcheck disable=SC2086 # method and path
        run -0 api $request --path-as-is
        [[ ${lines[-1]} =~ ^40[45]$ ]]
    done
}

@test "a path with %00 or with encoded dots is refused, not cut" {
    run -0 api GET '/v1.50/containers/json%00x'
    [[ ${lines[-1]} =~ ^40[04]$ ]]
    run -0 api GET '/v1.50/containers/x%00y/json'
    [[ ${lines[-1]} =~ ^40[04]$ ]]
    run -0 api GET '/v1.50/containers/%2e%2e/json' --path-as-is
    [[ ${lines[-1]} =~ ^40[04]$ ]]
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
    run api POST /v1.50/containers/create -H 'Content-Type: application/json' -H Expect: --data-binary "@$BATS_TEST_TMPDIR/big" --max-time 30
    [[ $output == *413* || $output == *400* || $status -eq 55 || $status -eq 56 ]]
}

@test "a header storm, a truncated chunk and garbage do not disturb others" {
    { printf 'GET /_ping HTTP/1.1\r\nHost: x\r\n'; for i in $(seq 1 20000); do printf 'X-%s: %s\r\n' "$i" aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done; printf '\r\n'; } >"$BATS_TEST_TMPDIR/storm"
    run raw <"$BATS_TEST_TMPDIR/storm"
    [[ $output != *" 200 "* ]]
    run raw < <(printf 'POST /v1.50/containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nff\r\n{"Ima')
    [[ $output != *" 201 "* ]]
    run raw < <(head -c 100000 /dev/urandom)
    [[ $output != *" 200 "* ]]
}

@test "unserved options are refused with 501 that names the field" {
    for field in '"HostConfig":{"Binds":["/a:/b"]}' '"HostConfig":{"Privileged":true}' '"HostConfig":{"PublishAllPorts":true}' \
        '"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"8080"}]}}' '"HostConfig":{"Links":["a:b"]}' \
        '"HostConfig":{"NetworkMode":"host"}' '"HostConfig":{"Mounts":[{"Type":"volume","Target":"/x"}]}' '"Volumes":{"/x":{}}'; do
        name=$(sed 's/.*"\([A-Z][A-Za-z]*\)":[^{].*/\1/; s/.*{"\([A-Z][A-Za-z]*\)".*/\1/; s/^"\([A-Z][a-z]*\)".*/\1/' <<<"$field")
        run -0 api POST /v1.50/containers/create -H 'Content-Type: application/json' --data-binary "{\"Image\":\"busybox\",$field}"
        equal 501 "${lines[-1]}"
        expect "$name"
    done
    for request in 'POST /v1.50/build' 'GET /v1.50/containers/x/attach/ws' 'POST /v1.50/volumes/create' 'POST /v1.50/networks/create'; do
        # shellcheck disable=SC2086
        run -0 api $request -H 'Content-Type: application/json' -d '{}'
        equal 501 "${lines[-1]}"
    done
}

@test "API versions outside 1.24 to 1.50 are refused with Docker's words" {
    run -0 api GET /v1.23/version
    equal 400 "${lines[-1]}"
    expect "too old"
    run -0 api GET /v9.99/version
    equal 400 "${lines[-1]}"
    expect "too new"
    run -0 api GET /v1.24/version
    equal 200 "${lines[-1]}"
}
