# tether in a bare QEMU, driven over its port: its life without libvirt, port layer or images.
# O names the build folder.

bats_require_minimum_version 1.5.0
load ../lib/qemu

setup_file() {
    cd "$BATS_TEST_DIRNAME/../.."
    export O=${O:-build}
    export VIC_ISO_CACHE=${VIC_ISO_CACHE:-$(realpath -m "$O")/iso/cache}
    make O="$O" iso "$O/bin/tether-drive"
    make_disk "$BATS_FILE_TMPDIR"
}

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    start_vm
}

teardown() {
    qemu_stop_all
}

make_disk() { # FOLDER: an ext4 disk of busybox in it
    local root=$1/root i
    mkdir -p "$root/bin" "$root/etc"
    cp /bin/busybox "$root/bin/"
    for i in $(/bin/busybox --list); do
        [ "$i" = busybox ] || ln -s busybox "$root/bin/$i"
    done
    echo root:x:0:0:root:/root:/bin/sh >"$root/etc/passwd"
    truncate -s 64M "$1/disk"
    /sbin/mke2fs -q -t ext4 -d "$root" "$1/disk"
}

start_vm() {
    qemu_start vm -kernel "$O/iso/vmlinux" -initrd "$O/iso/initrd.img" -append "$(cat "$O/iso/cmdline")" \
        -drive "if=none,id=d,file=$BATS_FILE_TMPDIR/disk,format=raw,snapshot=on" \
        -device virtio-blk-pci,drive=d,serial=rootfs \
        -netdev user,id=n,restrict=on -device virtio-net-pci,netdev=n,mac=52:54:00:12:34:56
    qemu_sync vm 60
}

drive() { # [METHOD PATH BODY]...
    timeout 60 "$O/bin/tether-drive" "$BATS_TEST_TMPDIR/vm.sock" "$@"
}

configure() {
    drive POST /v1/configure '{"hostname":"box","disk":"rootfs","interfaces":[{"mac":"52:54:00:12:34:56",
        "address":"10.0.2.15/24","gateway":"10.0.2.2"}]}' POST /v1/start "$1"
}

await_power_off() {
    timeout 60 tail --pid="$(cat "$BATS_TEST_TMPDIR/vm.pid")" -f /dev/null
}

# The output file's records: "stdout TEXT", "exit JSON", the number of pads; a bad one fails.
records() {
    python3 - "$BATS_TEST_TMPDIR/vm.output" <<'EOF'
import struct, sys

data, at, pads = open(sys.argv[1], "rb").read(), 0, 0
while at < len(data):
    magic, kind, _, length = struct.unpack_from("<4sIqI", data, at)
    assert magic == b"VREC", at
    payload, at = data[at + 20 : at + 20 + length], at + 20 + length
    pads += kind == 4
    if kind != 4:
        print({1: "stdout", 2: "stderr", 3: "exit"}[kind], payload.decode().rstrip("\n"))
print("pads", pads)
EOF
}

@test "a container runs in its own VM, with its name and address" {
    configure '{"args":["sh","-c","echo $$ $(hostname) $(ip -4 addr show eth0 | grep -c 10.0.2.15/24)"]}'
    await_power_off
    run -0 records
    [ "${lines[0]}" = "stdout 1 box 1" ]
    [ "${lines[1]}" = 'exit {"exit_code":0,"error":"","oom_killed":false}' ]
}

@test "an acknowledged end is not padded" {
    hello=()
    for _ in $(seq 300); do
        hello+=(GET /v1/hello '')
    done
    run -0 drive POST /v1/configure '{"disk":"rootfs"}' POST /v1/start '{"args":["true"]}' \
        "${hello[@]}" POST /v1/ack '{"exit":true}'
    await_power_off
    run -0 records
    [ "${lines[1]}" = "pads 0" ]
}

@test "with nobody connected the exit record is in the file before power-off" {
    configure '{"args":["sh","-c","sleep 1; echo bye; exit 9"]}'
    await_power_off
    run -0 records
    [ "${lines[0]}" = "stdout bye" ]
    [ "${lines[1]}" = 'exit {"exit_code":9,"error":"","oom_killed":false}' ]
    [ "${lines[2]}" = "pads 256" ]
}

@test "a host that comes and goes finds the container running, and an idle VM sleeps" {
    configure '{"args":["sh","-c","read l; echo got $l; sleep 1"],"stdin":true}'
    for _ in 1 2 3; do
        drive GET /v1/hello '' | grep running
    done
    ticks() { awk '{ print $14 + $15 }' "/proc/$(cat "$BATS_TEST_TMPDIR/vm.pid")/stat"; }
    before=$(ticks)
    sleep 1 # the time in which it must not spin
    [ $(($(ticks) - before)) -lt 50 ]
    drive IN - $'line\n'
    await_power_off
    run -0 records
    [ "${lines[0]}" = "stdout got line" ]
}

@test "memory that runs out is named in the exit record" {
    configure '{"args":["sh","-c","a=x; while :; do a=$a$a; done"]}'
    await_power_off
    run -0 records
    [ "${lines[0]}" = 'exit {"exit_code":137,"error":"","oom_killed":true}' ]
}

await_record() { # TEXT
    timeout 60 sh -c 'until grep -qa "$1" "$2"; do sleep 0.1; done' - "$1" "$BATS_TEST_TMPDIR/vm.output"
}

@test "a fork bomb meets a limit of its own; the guest answers, ends it and reports" {
    configure '{"args":["sh","-c","cat /sys/fs/cgroup/pids.max; f() { f | f & }; f; read line"],"stdin":true}'
    await_record "can't fork"
    drive GET /v1/hello ''
    drive POST /v1/signal '{"signal":9}' || drive GET /v1/hello '' | grep exited
    await_power_off
    records | grep '^stdout [1-9][0-9]*$'
    records | grep '^exit {"exit_code":137,'
}

@test "a container that kills all it can ends as it says" {
    configure '{"args":["sh","-c","sleep 600 & (kill -9 -1); echo alive; exit 5"]}'
    await_power_off
    run -0 records
    [ "${lines[0]}" = "stdout alive" ]
    [ "${lines[1]}" = 'exit {"exit_code":5,"error":"","oom_killed":false}' ]
}

@test "a container that has taken every file descriptor is served and reported" {
    configure '{"args":["sh","-c","i=10; while [ $i -lt 200000 ]; do command eval \"exec $i</dev/null\" || { echo full; read line; exit 6; }; i=$((i+1)); done"],"stdin":true}'
    await_record full
    drive GET /v1/hello '' | grep running
    drive IN - $'line\n'
    await_power_off
    run -0 records
    [[ $output == *'exit {"exit_code":6,'* ]]
}

@test "a container's root user opens no device of the VM" {
    configure '{"args":["sh","-c","mknod /dev/x b 254 0; cat /dev/x; echo $?; umount / 2>/dev/null; echo $?"]}'
    await_power_off
    records | grep -q "stderr cat: can't open '/dev/x': Operation not permitted"
    records | grep -q 'stdout 1'
}
