# Nothing is lost when anything is killed: output, exit codes and state are right afterwards, and no VM,
# tap, folder, name or filter rule is left over.
# bats file_tags=alone
load common

teardown() {
    gate_close
    VIC_HOST=$(vch_field .docker_host)
    [ ! -e "$SUITE/vchs/sweep" ] || machine delete --force --name sweep >&2
    hand_started || virtlogd -d 3>&- 4>&-
    machine start --name "$VCH" >&2
    remove_all kill-
}

pid_of() { vch_field ".daemons.\"$1\".pid" "${2:-$VCH}"; }
died() { [ "$(pid_of "$@")" = 0 ]; }
kill_daemon() { # NAME [VCH]: returns when it is dead
    local pid
    pid=$(pid_of "$@")
    [ "$pid" -gt 1 ] && kill -KILL "$pid" && wait_for 60 died "$@" # 0 would be us all
}
domains() { virsh -q -c qemu:///system list --name; }
domain() { echo "vic-$(vch_field .id)-$(dk inspect -f '{{.Id}}' "$1" | cut -c1-12)"; }
gone() { ! domains | grep -q "$1"; }
refused() { # PID: our child's exit code is not 0
    local code=0
    wait "$1" || code=$?
    [ "$code" -ne 0 ]
}
# False where virtlogd is ours to bring back and does not run.
hand_started() { [ -d /run/systemd/system ] || pgrep -x virtlogd >/dev/null; }

@test "either daemon killed in the middle of a run: wait, logs and inspect are right" {
    for daemon in vic-docker vic-portlayer; do
        dk run -d --name "kill-$daemon" busybox sh -c 'echo before; until [ -e /go ]; do sleep 0.1; done; echo after; exit 9'
        kill_daemon "$daemon"
        machine start --name "$VCH"
        wait_for 20 eval 'equal "running 0" "$(state "kill-$daemon")"'
        dk exec -d "kill-$daemon" touch /go
        equal 9 "$(dk wait "kill-$daemon")"
        equal "before after" "$(dk logs "kill-$daemon" | xargs)"
        equal "exited 9" "$(state "kill-$daemon")"
    done
}

@test "a container is paused after a kill of the daemons if it was, whatever its record says" {
    dk run -d --name kill-paused busybox sh -c 'while :; do echo tick; sleep 0.2; done'
    record=$SUITE/vchs/$VCH/containers/$(dk inspect -f '{{.Id}}' kill-paused)/container.json
    dk pause kill-paused
    kill_daemon vic-docker
    kill_daemon vic-portlayer
    sed -i 's/"status": *"paused"/"status":"running"/' "$record"
    machine start --name "$VCH"
    wait_for 20 eval 'equal "paused 0" "$(state kill-paused)"'
    had=$(dk logs kill-paused | wc -l)
    dk unpause kill-paused
    wait_for 20 eval '[ "$(dk logs kill-paused | wc -l)" -gt "$had" ]'
    dk stop -t 0 kill-paused
}

@test "the port layer killed while a VM naps: what was copied is on the disk, and the container starts" {
    dk create --name kill-nap busybox sh -c 'exit "$(cat /code)"'
    echo 3 >"$BATS_TEST_TMPDIR/code"
    dk cp "$BATS_TEST_TMPDIR/code" kill-nap:/code
    mkfifo "$BATS_TEST_TMPDIR/unread" # what is copied into it keeps the VM awake
    exec {unread}<>"$BATS_TEST_TMPDIR/unread"
    head -c 30000000 /dev/zero >"$BATS_TEST_TMPDIR/large"
    dk cp "$BATS_TEST_TMPDIR/large" kill-nap:/large
    dk cp kill-nap:/large - >"$BATS_TEST_TMPDIR/unread" 3>&- {unread}>&- &
    client=$!
    wait_for 20 read -t 1 -rn 1 -u "$unread"
    name=$(domain kill-nap)
    kill_daemon vic-portlayer
    domains | grep "$name"
    exec {unread}>&-
    wait "$client" || :
    machine start --name "$VCH"
    wait_for 20 gone "$name"
    equal "created 0" "$(state kill-nap)"
    run -3 dk start -a kill-nap
}

@test "the API killed under an attached run: the container runs on, and its output is whole" {
    dk run --name kill-attached busybox sh -c 'echo one; sleep 5; echo two; exit 6' >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
    client=$!
    wait_for 60 grep -q one "$BATS_TEST_TMPDIR/out"
    kill_daemon vic-docker
    refused "$client"
    machine start --name "$VCH"
    equal 6 "$(dk wait kill-attached)"
    equal "one two" "$(dk logs kill-attached | xargs)"
}

@test "a container that ends while no daemon of ours runs keeps its output and exit code" {
    gate=$(gate)
    dk run -d --name kill-alone busybox sh -c "$gate; head -c 1000000 /dev/zero; exit 5"
    name=$(domain kill-alone)
    kill_daemon vic-docker
    kill_daemon vic-portlayer
    domains | grep "$name"
    gate_open "$gate"
    wait_for 60 gone "$name"
    machine start --name "$VCH"
    equal "exited 5" "$(state kill-alone)"
    equal 1000000 "$(dk logs kill-alone | wc -c)"
}

@test "output passes its limit while the port layer is dead, is within it when that is back, and stays readable" {
    gate=$(gate)
    dk run -d --name kill-limit --log-opt max-size=500k busybox sh -c "$gate; seq 1 400000; echo end; sleep 600"
    file=$(echo "$SUITE"/vchs/"$VCH"/containers/"$(dk inspect -f '{{.Id}}' kill-limit)"/output.1.log)
    kill_daemon vic-docker
    kill_daemon vic-portlayer
    gate_open "$gate"
    written() { tail -c 4 "$file" | grep end; }
    wait_for 60 written
    room() { du -B1 "$file" | cut -f1; }
    [ "$(room)" -gt 2000000 ]
    machine start --name "$VCH"
    bounded() { [ "$(room)" -le 550000 ]; }
    wait_for 20 bounded
    kept=$(dk logs kill-limit | sha256sum)
    equal "399999 400000 end" "$(dk logs --tail 3 kill-limit | xargs)"
    [ "$(dk logs kill-limit | wc -c)" -gt 200000 ]
    kill_daemon vic-portlayer
    machine start --name "$VCH"
    equal "running 0" "$(state kill-limit)"
    equal "$kept" "$(dk logs kill-limit | sha256sum)"
    dk rm -f kill-limit
}

@test "--rm is kept by the port layer when it was dead as the container ended" {
    gate=$(gate)
    dk run -d --rm --name kill-rm busybox sh -c "$gate"
    name=$(domain kill-rm)
    kill_daemon vic-portlayer
    gate_open "$gate"
    wait_for 60 gone "$name"
    machine start --name "$VCH"
    removed() { ! dk inspect kill-rm; }
    wait_for 20 removed
}

# virtlogd is the host's: it is killed only where nobody else can need it.
only_our_vms() { ! domains | grep -v "^vic-$(vch_field .id)-" | grep -q .; }

@test "100 MB of output do not depend on virtlogd" {
    dk run -d --name kill-log busybox sh -c 'head -c 50000000 /dev/urandom | tee /copy; sleep 3; cat /copy; sha256sum </copy >&2'
    file=$(echo "$SUITE"/vchs/"$VCH"/containers/"$(dk inspect -f '{{.Id}}' kill-log)"/output.*.log)
    holders=$(find /proc/[0-9]*/fd -lname "$file" -printf '%h\n' 2>/dev/null | cut -d/ -f3 | sort -u)
    for pid in $holders; do [ "$(cat "/proc/$pid/comm")" != virtlogd ]; done
    for pid in $holders; do cat "/proc/$pid/comm"; done | grep qemu
    if ! [ -d /run/systemd/system ] && only_our_vms; then
        pkill -KILL -x virtlogd
    fi
    equal 0 "$(DK_TIMEOUT=240 dk wait kill-log)"
    equal 100000000 "$(dk logs kill-log 2>/dev/null | wc -c)"
    equal "$(dk logs kill-log 2>&1 >/dev/null)" "$(dk logs kill-log 2>/dev/null | head -c 50000000 | sha256sum)"
}

@test "a VM destroyed behind our back is an exit with 137" {
    dk run -d --name kill-vm busybox sleep 600
    virsh -q -c qemu:///system destroy "$(domain kill-vm)"
    equal 137 "$(dk wait kill-vm)"
    equal "exited 137" "$(state kill-vm)"
    run -0 dk start kill-vm
    equal "running 0" "$(state kill-vm)"
}

@test "a VM that went with its host is an exit with 255" {
    dk run -d --name kill-host busybox sleep 600
    name=$(domain kill-host)
    record=$SUITE/vchs/$VCH/containers/$(dk inspect -f '{{.Id}}' kill-host)/container.json
    machine stop --name "$VCH"
    virsh -q -c qemu:///system destroy "$name"
    jq '.state.boot_id = "00000000-0000-4000-8000-000000000000"' "$record" >"$BATS_TEST_TMPDIR/record"
    cp "$BATS_TEST_TMPDIR/record" "$record"
    rm -r "/run/vic/$(vch_field .id)" # a tmpfs
    machine start --name "$VCH"
    equal "exited 255" "$(state kill-host)"
    run -0 dk start kill-host
    equal "running 0" "$(state kill-host)"
}

@test "a record that cannot be read costs its container nothing: the VM and its address are kept, and info says so" {
    machine stop --name "$VCH"
    machine start --name "$VCH" # it gives the lowest free address first now
    dk run -d --name kill-record busybox sleep 600
    id=$(dk inspect -f '{{.Id}}' kill-record)
    name=$(domain kill-record)
    address=$(dk inspect -f '{{.NetworkSettings.IPAddress}}' kill-record)
    record=$SUITE/vchs/$VCH/containers/$id/container.json
    machine stop --name "$VCH"
    mv "$record" "$BATS_TEST_TMPDIR/record"
    head -c 100 "$BATS_TEST_TMPDIR/record" >"$record"
    machine start --name "$VCH"
    run -0 --separate-stderr dk info -f '{{json .Warnings}}'
    [[ $output == *"record of container ${id:0:12} cannot be read"* ]]
    domains | grep "$name"
    dk run -d --name kill-other busybox sleep 600
    other=$(dk inspect -f '{{.NetworkSettings.IPAddress}}' kill-other)
    [ -n "$other" ]
    [ "$other" != "$address" ]
    machine stop --name "$VCH"
    cp "$BATS_TEST_TMPDIR/record" "$record"
    machine start --name "$VCH"
    equal "running 0" "$(state kill-record)"
    domains | grep "$name"
}

@test "output is whole, whatever its size, attached and in the logs, under load" {
    timeout 300 nice -n 5 sh -c 'while :; do :; done' 3>&- & # it ends even if we are killed
    load=$!
    for tty in '' -t; do
        for size in 0 1 65 65535 65536 65537; do
            [ -z "$tty" ] || [ "$size" -gt 60 ] || continue
            name=kill-size$tty-$size
            # shellcheck disable=SC2086 # none or one word
            dk run $tty --name "$name" busybox sh -c "head -c $size /dev/zero | tr '\\0' x" >"$BATS_TEST_TMPDIR/out" || break 2
            equal "$size" "$(wc -c <"$BATS_TEST_TMPDIR/out")" || break 2
            equal "$size" "$(dk logs "$name" | wc -c)" || break 2
            dk rm "$name"
            done_sizes=$((${done_sizes:-0} + 1))
        done
    done
    kill "$load"
    equal 10 "$done_sizes"
}

memory_kib() { # anonymous memory of both daemons
    awk '/^Anonymous:/ { sum += $2 } END { print sum }' "/proc/$(pid_of vic-docker)/smaps_rollup" "/proc/$(pid_of vic-portlayer)/smaps_rollup"
}
@test "clients that stall cost nothing: the container writes 50 MB and ends, the daemons' memory stays flat" {
    dk create --name kill-stall busybox sh -c 'sleep 2; head -c 50000000 /dev/zero; echo end >&2'
    staller POST '/v1.41/containers/kill-stall/attach?stream=1&stdout=1&stderr=1' >"$BATS_TEST_TMPDIR/attach" &
    attach=$!
    wait_for 20 grep 101 "$BATS_TEST_TMPDIR/attach"
    dk start kill-stall
    staller GET '/v1.41/containers/kill-stall/logs?follow=1&stdout=1&stderr=1' >"$BATS_TEST_TMPDIR/logs" &
    logs=$!
    wait_for 20 grep 200 "$BATS_TEST_TMPDIR/logs"
    before=$(memory_kib)
    equal 0 "$(DK_TIMEOUT=240 dk wait kill-stall)"
    after=$(memory_kib)
    echo "daemons: $before KiB before, $after KiB after" >&2
    [ $((after - before)) -lt 8192 ]
    kill "$attach" "$logs"
    equal 50000000 "$(dk logs kill-stall 2>/dev/null | wc -c)"
}

# What a VCH without containers has left on the host.
expect_nothing_of() { # NAME
    local id
    id=$(vch_field .id "$1")
    equal "" "$(domains | grep "$id" || :)"
    equal "" "$(ls "$SUITE/vchs/$1/containers")"
    equal "" "$(ls "/run/vic/$id/c")"
    run -0 nft list table bridge "vic_$id"
    [[ $output != *elements* ]]
    run -0 virsh -q -c qemu:///system net-dumpxml "vic-$id-bridge"
    [[ $output != *"<host "* ]]
    bridge=$(grep -o "bridge name='[^']*" <<<"$output" | cut -d\' -f2)
    equal "" "$(ip -o link show master "$bridge")"
}

@test "the port layer killed at any moment of create, start, stop and rm leaves a container that works, or none" {
    machine create --local --name sweep --iso "$VIC_ISO"
    VIC_HOST=$(vch_field .docker_host sweep)
    dk pull -q "$(image busybox)"
    new() { dk create --name kill-sweep "$(image busybox)" sh -c 'echo hi; exec sleep 600'; }
    # The step that is cut off, and how many tenths of a second it may take.
    for try in create:4 create:4 start:8 start:20 start:40 start:60 stop:20 stop:40 rm:10 rm:30; do
        delay=$(awk -v most="${try#*:}" -v r="$RANDOM" 'BEGIN { printf "%.2f", most / 10 * r / 32767 }')
        echo "${try%:*}: killed after $delay s" >&2
        case $try in
        create:*) new >&2 3>&- & ;;
        start:*)
            new
            dk start kill-sweep >&2 3>&- &
            ;;
        stop:*)
            new
            dk start kill-sweep
            dk stop -t 1 kill-sweep >&2 3>&- &
            ;;
        rm:*)
            new
            dk start kill-sweep
            dk rm -f kill-sweep >&2 3>&- &
            ;;
        esac
        client=$!
        sleep "$delay"
        kill_daemon vic-portlayer sweep
        wait "$client" || :
        machine start --name sweep
        run dk inspect -f '{{.State.Status}}' kill-sweep
        if [ "$status" != 0 ]; then
            [[ $output == *"No such"* ]] # and not: it could not be asked
        elif [ "$output" = removing ]; then # which goes on
            wait_for 60 eval '[[ $(dk inspect kill-sweep 2>&1) == *"No such"* ]]'
        else
            [[ $output =~ ^(created|running|exited)$ ]]
            run -0 dk start kill-sweep
            equal running "$(dk inspect -f '{{.State.Status}}' kill-sweep)"
            run -0 dk rm -f kill-sweep
        fi
        expect_nothing_of sweep
    done
}

@test "libvirtd restarted: containers run on, are heard of, and can be stopped" {
    [ ! -d /run/systemd/system ] || run -0 systemctl is-active libvirtd
    dk run -d --name kill-libvirt busybox sh -c 'trap "exit 3" TERM; sleep 600 & wait'
    name=$(domain kill-libvirt)
    if [ -d /run/systemd/system ]; then
        systemctl restart libvirtd
    else
        killed=$(pgrep -x libvirtd)
        kill -KILL "$killed"
        is_dead() { ! grep -qs '^State:.[^Z]' "/proc/$killed/status"; }
        wait_for 60 is_dead
        answers() { virsh -q -c qemu:///system version; }
        local mine
        exec {mine}>"$BATS_TEST_TMPDIR/mine"
        machine start --name "$VCH" # starts it where there is none
        exec {mine}>&-
        wait_for 30 answers
        equal "" "$(find /proc/"$(pgrep -x libvirtd)"/fd -lname "$BATS_TEST_TMPDIR/mine")"
    fi
    equal "running 0" "$(state kill-libvirt)"
    wait_for 60 dk stop -t 60 kill-libvirt
    equal "exited 3" "$(state kill-libvirt)"
    wait_for 20 gone "$name"
    run -0 dk start kill-libvirt
    run -0 dk run --rm --name kill-after busybox true
}
