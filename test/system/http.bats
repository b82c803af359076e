# What a hostile or broken client sends: each gets its status, and the endpoint goes on.
load common

raw() { # prints the status line(s) answered to the bytes of stdin, within 10 s
    timeout 10 socat -t 5 - "UNIX-CONNECT:${VIC_HOST#unix://}" | tr -d '\r' | grep -a '^HTTP/' || :
}
teardown() {
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
    for path in /v1.50/containers/json%00x /v1.50/containers/x%00y/json /_ping%00; do
        run -0 api GET "$path"
        [[ ${lines[-1]} =~ ^40[04]$ ]]
    done
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
    while read -r name value; do
        body="\"$name\":$value"
        [[ $name != HostConfig.* ]] || body="\"HostConfig\":{\"${name#*.}\":$value}"
        run -0 api POST /v1.50/containers/create -H 'Content-Type: application/json' --data-binary "{\"Image\":\"busybox\",$body}"
        equal 501 "${lines[-1]}"
        expect "$name"
        expect "is not served here: "
    done <<'END'
HostConfig.Binds ["/a:/b"]
HostConfig.Privileged true
HostConfig.PublishAllPorts true
HostConfig.PortBindings {"80/tcp":[{"HostPort":"8080"}]}
HostConfig.Links ["a:b"]
HostConfig.NetworkMode "host"
HostConfig.Mounts [{"Type":"volume","Target":"/x"}]
HostConfig.Memory 268435456
HostConfig.CapAdd ["SYS_ADMIN"]
HostConfig.RestartPolicy {"Name":"always"}
Volumes {"/x":{}}
Healthcheck {"Test":["CMD","true"]}
END
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
