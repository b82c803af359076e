# vic-machine: VCHs side by side, created at once, stopped, started, deleted without a trace.
load common

# A VCH of this file's own, beside the suite's.
with() { # NAME COMMAND [ARG]...
    VIC_HOST=$(vch_field .docker_host "$1") dk "${@:2}"
}
# Nothing on this host names the VCH any more.
expect_nothing_of() { # NAME ID
    [ ! -e "$SUITE/vchs/$1" ]
    [ ! -e "/run/vic/$2" ]
    run -0 virsh -q -c qemu:///system list --all --name
    [[ $output != *"$2"* ]]
    run -0 virsh -q -c qemu:///system net-list --all --name
    [[ $output != *"$2"* ]]
    run -0 nft list tables
    [[ $output != *"$2"* ]]
    run -0 ls /var/log/libvirt/qemu
    [[ $output != *"$2"* ]]
    run pgrep -fa "$SUITE/vchs/$1/|/run/vic/$2/"
    equal "" "$output"
}
teardown() {
    for name in other first second; do
        [ ! -e "$SUITE/vchs/$name" ] || machine delete --force --name "$name" >&2
    done
}

@test "create refuses what it cannot do and says so, all at once, and leaves nothing" {
    run -2 machine create --local --name bad --iso /nonexistent --listen tcp://0.0.0.0:2375 --acceleration warp
    expect certificates
    expect acceleration
    expect "make iso"
    [ ! -e "$SUITE/vchs/bad" ]
    run -2 machine create --local --name 'bad/name'
    run -2 machine create --name bad
    run -2 machine create --local --name "$(printf 'x%.0s' {1..32})"
    run -1 machine create --local --name "$VCH" --iso "$VIC_ISO"
    expect exists
    run -2 machine create --local --nmae bad
    expect "--nmae"
    run -1 machine inspect --name nobody
    expect "no virtual container host 'nobody'"
}

@test "two VCHs created at the same moment are separate, and delete leaves nothing of one" {
    machine create --local --name first --iso "$VIC_ISO" 3>&- &
    one=$!
    machine create --local --name second --iso "$VIC_ISO" 3>&- &
    wait "$one"
    wait "$!"
    with first pull -q "$(image busybox)"
    with second pull -q "$(image busybox)"
    with first run -d --name same "$(image busybox)" sleep 600
    with second run -d --name same "$(image busybox)" sleep 600
    equal 1 "$(with first ps -q | wc -l)"
    run -0 machine ls
    expect first
    expect second
    id=$(vch_field .id first)
    bridge=$(ip -o link | grep -o 'vb[0-9a-f]\{8\}' | sort -u | wc -l)
    [ "$bridge" -ge 3 ]
    run -1 machine delete --name first
    expect "still run"
    run -0 machine delete --force --name first
    expect_nothing_of first "$id"
    equal 1 "$(with second ps -q | wc -l)"
}

@test "stop leaves containers running, start brings the endpoint back, both may be said twice" {
    machine create --local --name other --iso "$VIC_ISO"
    with other pull -q "$(image busybox)"
    with other run -d --name runs-on "$(image busybox)" sleep 600
    domain=$(vch_field .id other)
    run -0 machine stop --name other
    run -0 machine stop --name other
    run -0 virsh -q -c qemu:///system list --name
    expect "$domain"
    run -0 machine start --name other
    run -0 machine start --name other
    wait_for 20 eval 'equal running "$(with other inspect -f "{{.State.Status}}" runs-on)"'
}

@test "the daemons keep none of their caller's descriptors" {
    local mine
    exec {mine}>"$BATS_TEST_TMPDIR/mine"
    machine create --local --name other --iso "$VIC_ISO"
    exec {mine}>&-
    for daemon in vic-docker vic-portlayer; do
        pid=$(vch_field ".daemons.\"$daemon\".pid" other)
        [ -d "/proc/$pid/fd" ]
        equal "" "$(find "/proc/$pid/fd" -lname "$BATS_TEST_TMPDIR/mine")"
    done
}

@test "of two creates with one name at the same moment, one makes it" {
    machine create --local --name other --iso "$VIC_ISO" 2>"$BATS_TEST_TMPDIR/one" 3>&- &
    one=$!
    machine create --local --name other --iso "$VIC_ISO" 2>"$BATS_TEST_TMPDIR/two" 3>&- &
    two=$!
    won=0
    ! wait "$one" || won=$((won + 1))
    ! wait "$two" || won=$((won + 1))
    equal 1 "$won"
    grep -h exists "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two"
    run -0 with other version
}

@test "a create that fails late leaves nothing" {
    coproc TAKEN { python3 -c '
import socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1], flush=True)
sys.stdin.read()' 3>&-; }
    read -r -t 20 port <&"${TAKEN[0]}"
    name=late$$ # nobody else's
    run -1 machine create --local --name "$name" --iso "$VIC_ISO" --listen "tcp://127.0.0.1:$port"
    expect "port $port"
    [ ! -e "$SUITE/vchs/$name" ]
    run grep -ls "\"$name\"" /run/vic/*/docker.json
    equal "" "$output"
    run pgrep -fa "$SUITE/vchs/$name"
    equal "" "$output"
    run -0 machine create --local --name other --iso "$VIC_ISO"
}

@test "a create that is killed can be deleted" {
    local lock
    exec {lock}<>/run/vic/libvirtd.lock # which create takes once its configuration is written
    flock "$lock"
    machine create --local --name other --iso "$VIC_ISO" >&2 3>&- {lock}>&- &
    wait_for 30 test -e "$SUITE/vchs/other/vch.json"
    pkill -KILL -f -- "vic-machine create --root $SUITE/vchs --local --name other" # timeout's child too
    exec {lock}>&-
    wait "$!" || :
    id=$(vch_field .id other)
    run -0 machine delete --force --name other
    expect_nothing_of other "$id"
}

@test "a VCH whose daemons are dead is deleted, with its containers" {
    machine create --local --name other --iso "$VIC_ISO"
    with other pull -q "$(image busybox)"
    with other run -d --name orphan "$(image busybox)" sleep 600
    id=$(vch_field .id other)
    pid_of() { vch_field ".daemons.\"$1\".pid" other; }
    kill_daemons() {
        for daemon in vic-docker vic-portlayer; do
            pid=$(pid_of "$daemon")
            [ "$pid" -gt 1 ] # 0 would be us all
            kill -KILL "$pid"
            wait_for 60 eval '[ "$(pid_of "$daemon")" = 0 ]'
        done
    }
    kill_daemons
    run -1 machine delete --name other
    expect "still run"
    kill_daemons
    run -0 machine delete --force --name other
    expect_nothing_of other "$id"
}

@test "create warns of a packet filter that drops what containers send" {
    mkdir "$BATS_TEST_TMPDIR/bin" # a real one would cut off the containers of other tests
    cat >"$BATS_TEST_TMPDIR/bin/nft" <<'END'
#!/bin/sh
echo '{"nftables":[{"chain":{"family":"ip","table":"filter","name":"FORWARD","hook":"forward","policy":"drop"}}]}'
END
    chmod 755 "$BATS_TEST_TMPDIR/bin/nft"
    PATH=$BATS_TEST_TMPDIR/bin:$PATH run -0 machine create --local --name other --iso "$VIC_ISO"
    expect "warning: the packet filter 'ip filter FORWARD' drops"
}

@test "tcp on loopback is served" {
    free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
    for _ in 1 2 3 4 5; do
        port=$(free_port)
        run machine create --local --name other --iso "$VIC_ISO" --listen "tcp://127.0.0.1:$port"
        [[ $output == *"port $port: Address already in use"* ]] || break # another was faster
    done
    equal 0 "$status"
    run -0 with other version
    expect 1.50
}

@test "booting the ISO by firmware runs a container too" {
    machine create --local --name other --iso "$VIC_ISO" --boot iso
    with other pull -q "$(image busybox)"
    run -3 with other run --rm "$(image busybox)" sh -c 'exit 3'
}
