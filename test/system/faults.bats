# Containers that do their worst: they meet their own limits, the others carry on, and they can be stopped and removed.
load common

setup_file() {
    . "$BATS_TEST_DIRNAME/../lib/vch.bash"
    machine create --local --name faults --iso "$VIC_ISO" --default-memory 256m --disk-size 1g >&2
    VIC_HOST=$(vch_field .docker_host faults)
    export VIC_HOST
    dk pull -q "$(image busybox)" >&2
    dk tag "$(image busybox)" busybox
    dk run -d --name beside busybox sh -c 'while :; do date +%s >/t; mv /t /tick; sleep 0.2; done' >&2
}
teardown_file() {
    . "$BATS_TEST_DIRNAME/../lib/vch.bash"
    machine delete --force --name faults >&2
}
teardown() { remove_all worst-; }

tick() { dk exec beside cat /tick; }
goes_on() { # the other container does
    local before now
    before=$(tick)
    [ -n "$before" ]
    wait_for 30 eval 'now=$(tick) && [ -n "$now" ] && [ "$now" != "$before" ]'
}
# It can be looked at, stopped and removed.
ends() { # NAME
    equal running "$(dk inspect -f '{{.State.Status}}' "$1")"
    goes_on
    dk stop -t 2 "$1"
    equal exited "$(dk inspect -f '{{.State.Status}}' "$1")"
    dk rm "$1"
}

@test "a fork bomb" {
    dk run -d --name worst-bomb busybox sh -c 'sh -c "f() { f | f & }; while :; do f; done" & exec sleep 1000'
    ends worst-bomb
}

@test "a container that fills its disk is told so, and can be copied from and removed" {
    run -0 dk run --name worst-full busybox sh -c 'fallocate -l 800m /reserved; dd if=/dev/zero of=/fill bs=1M; echo "$?"; sync; ls /bin/busybox'
    expect "No space left on device"
    expect $'\n1\n/bin/busybox'
    goes_on
    dk cp worst-full:/bin/busybox - | tar -xO | cmp - <(dk cp beside:/bin/busybox - | tar -xO)
    echo more >"$BATS_TEST_TMPDIR/more"
    run -1 dk cp "$BATS_TEST_TMPDIR/more" worst-full:/more
    expect "No space left on device"
    run -0 dk start -a worst-full
    dk rm worst-full
}

@test "one that eats the memory of its VM, without a limit of its own" {
    run -137 dk run --name worst-hungry busybox tail /dev/zero
    equal "true 137" "$(dk inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' worst-hungry)"
    goes_on
    # Its /dev/shm is memory too, and no process is to blame.
    dk run -d --name worst-shm --shm-size 1g busybox sh -c 'dd if=/dev/zero of=/dev/shm/fill bs=1M; sleep 1000'
    wait_for 60 eval '[ "$(state worst-shm | cut -d " " -f 1)" != running ] || ! dk exec worst-shm pgrep dd'
    dk rm -f worst-shm
    goes_on
}

@test "one that closes all its descriptors, and one that kills all it sees" {
    dk run -d --name worst-closed busybox sh -c 'exec 0<&- 1>&- 2>&-; exec sleep 1000'
    equal works "$(dk exec worst-closed echo works)"
    ends worst-closed
    dk run -d --name worst-killer busybox sh -c 'sleep 1000 & trap "" TERM HUP INT; kill -9 -1; echo alive; sleep 1000'
    wait_for 30 eval '[ "$(dk logs worst-killer)" = alive ]'
    run -137 dk exec worst-killer sh -c 'sleep 1000 & kill -9 $$'
    dk exec worst-killer sh -c 'kill -9 -1' || : # all but itself and the first
    ends worst-killer
}

@test "one that executes over its entrypoint, or has none of its programs left" {
    dk run -d --name worst-over busybox sh -c 'mkdir /new; cp /bin/busybox /new/sh; cp /bin/busybox /new/sleep; exec /new/sh -c "exec /new/sleep 1000"'
    wait_for 30 eval '[ "$(dk exec worst-over readlink /proc/1/exe)" = /new/sleep ]'
    equal works "$(dk exec worst-over echo works)"
    ends worst-over
    dk run -d --name worst-bare busybox sh -c 'rm -rf /bin /lib /usr /etc /sbin 2>/dev/null; while :; do read -t 1 x </dev/zero; done'
    gone() { ! dk exec worst-bare true; }
    wait_for 30 gone
    run -127 dk exec worst-bare true
    expect "executable file not found"
    dk cp "$BATS_TEST_FILENAME" worst-bare:/in
    dk cp worst-bare:/in - | tar -xO | cmp - "$BATS_TEST_FILENAME"
    ends worst-bare
}

@test "a program of another machine" {
    dk run -d --name worst-arch busybox sh -c 'cp /bin/busybox /wrong; printf "\267" | dd of=/wrong bs=1 seek=18 conv=notrunc; exec sleep 1000'
    wait_for 30 dk exec worst-arch sh -c '[ "$(dd if=/wrong bs=1 skip=18 count=1 2>/dev/null | od -An -tx1 | xargs)" = b7 ]'
    run -126 dk exec worst-arch /wrong
    expect "exec format error"
    ends worst-arch
}

@test "a guest that cannot be set up says why at once, and runs when it can" {
    dk create --name worst-blank busybox sleep 1000
    disk=$SUITE/vchs/faults/containers/$(dk inspect -f "{{.Id}}" worst-blank)/disk.qcow2
    cp -a "$disk" "$BATS_TEST_TMPDIR/disk"
    qemu-img create -q -f qcow2 "$disk" 64M # without a file system
    run -1 dk start worst-blank
    expect "mount"
    equal "created 128" "$(state worst-blank)"
    cp -a "$BATS_TEST_TMPDIR/disk" "$disk"
    dk start worst-blank
    ends worst-blank
}
