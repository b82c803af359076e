# The spine again with Debian's older docker CLI (20.10, API 1.41).
load common

setup_file() {
    . "$BATS_TEST_DIRNAME/../lib/vch.bash"
    docker_cli_debian "$SUITE/cli" # and not in the build folder, which quickstart.bats looks at
    export DOCKER=$DOCKER_DEBIAN
}
teardown() { remove_all old-; remove_all sdk-; }

@test "version negotiates 1.41" {
    run -0 dk version --format '{{.Client.APIVersion}} {{.Server.APIVersion}}'
    equal "1.41 1.50" "$output"
}

@test "info, pull, run, exit code, logs, ps, inspect, stop, rm" {
    run -0 dk info
    expect "Server Version"
    run -0 dk pull "$(image busybox)"
    run -4 dk run --name old-one busybox sh -c 'echo from 20.10; exit 4'
    expect "from 20.10"
    equal "from 20.10" "$(dk logs old-one)"
    run -0 dk ps -a --filter name=old-one --format '{{.Status}}'
    expect "Exited (4)"
    dk run -d --name old-two busybox sleep 600
    run -0 dk stop -t 1 old-two
    run -0 dk rm old-one old-two
    equal "piped" "$(echo piped | dk run -i --rm busybox cat)"
    run -127 dk run --rm busybox no-such-command
}

@test "the newest CLI here negotiates the lower of its version and 1.50, and runs" {
    docker_cli "$SUITE/cli" # the one on PATH; Debian's where there is none
    own=$(dk version --format '{{.Client.DefaultAPIVersion}}')
    run -0 dk version --format '{{.Client.APIVersion}} {{.Server.APIVersion}}'
    equal "$(printf '%s\n' "$own" 1.50 | sort -V | head -n 1) 1.50" "$output"
    run -4 dk run --name old-new busybox sh -c 'echo from the newest; exit 4'
    expect "from the newest"
    run -0 dk rm old-new
}

# bodies/: recorded from `docker run --rm busybox echo` of both CLIs, and from docker.containers.create().
@test "the zero and default values that clients send by themselves pass" {
    while read -r version body; do
        run -0 api POST "/v$version/containers/create?name=old-body" -H 'Content-Type: application/json' \
            --data-binary "@$BATS_TEST_DIRNAME/bodies/$body"
        equal 201 "${lines[-1]}"
        equal "[]" "$(jq -c .Warnings <<<"${lines[0]}")"
        run -0 api DELETE "/v$version/containers/old-body?v=False&link=False&force=True"
        equal 204 "${lines[-1]}"
    done <<'END'
1.50 docker-28.json
1.41 docker-20.10.json
1.50 python-docker-7.1.json
END
}

@test "what the Python SDK asks is answered" {
    id=$(dk create --name old-python busybox sh -c 'echo one; exit 3')
    run -0 api POST "/v1.50/containers/$id/start"
    equal 204 "${lines[-1]}"
    run -0 api POST "/v1.50/containers/$id/wait"
    equal 200 "${lines[-1]}"
    equal '{"StatusCode":3}' "$(jq -c . <<<"${lines[0]}")"
    run -0 api GET "/v1.50/containers/$id/logs?stderr=0&stdout=1&timestamps=0&follow=1&tail=all" --output "$BATS_TEST_TMPDIR/logs"
    equal 200 "${lines[-1]}"
    grep -qa one "$BATS_TEST_TMPDIR/logs"
    for path in '/version' '/v1.50/info' '/v1.50/images/json?only_ids=0&all=0' '/v1.50/networks?filters=%7B%7D' \
        '/v1.50/volumes' '/v1.50/system/df' '/v1.50/containers/json?limit=-1&all=1&size=0&trunc_cmd=0'; do
        run -0 api GET "$path"
        equal "$path 200" "$path ${lines[-1]}"
    done
    run -0 api POST "/v1.50/containers/$id/stop?t=1"
    equal 304 "${lines[-1]}"
    run -0 api DELETE "/v1.50/containers/$id?v=False&link=False&force=False"
    equal 204 "${lines[-1]}"
}

@test "Docker's Python SDK does each operation on containers" {
    run -0 timeout 300 /usr/bin/python3 -B "$BATS_TEST_DIRNAME/sdk.py" "$VIC_HOST" busybox
    equal 13 "$(grep -c '^ok ' <<<"$output")"
}
