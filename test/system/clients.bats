# The spine again with Debian's older docker CLI (20.10, API 1.41).
load common

setup_file() {
    . "$BATS_TEST_DIRNAME/../lib/vch.bash"
    docker_cli_debian "$VCH_TOP/build/cli"
    export DOCKER=$DOCKER_DEBIAN
}
teardown() { remove_all old-; }

@test "version negotiates 1.41" {
    run -0 dk version --format '{{.Client.APIVersion}} {{.Server.Version}}'
    expect 1.41
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
