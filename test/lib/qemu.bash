# Bare QEMU for tests, without libvirt: software emulation, so that it runs on every host.
#
#   qemu_start NAME ARGS...   starts a VM with both ports of doc/tether.md; its files are $BATS_TEST_TMPDIR/NAME.*
#   qemu_sync NAME SECONDS    sends the sync line of lib/rpc/sync.h; succeeds when tether acknowledges it
#   qemu_stop_all             ends every VM started here; for teardown

qemu_start() {
    local base=$BATS_TEST_TMPDIR/$1
    shift
    qemu-system-x86_64 -accel tcg -cpu max -M q35 -m 256 -no-reboot -display none -nodefaults \
        -no-user-config -serial "file:$base.serial" \
        -chardev "socket,id=tether,path=$base.sock,server=on,wait=off" \
        -device virtio-serial-pci \
        -device virtserialport,chardev=tether,name=vic.tether.0 \
        -chardev "file,id=output,path=$base.output,append=on" \
        -device virtserialport,chardev=output,name=vic.output.0 \
        "$@" </dev/null >"$base.log" 2>&1 3>&- &
    echo $! >"$base.pid"
}

qemu_sync() {
    local base=$BATS_TEST_TMPDIR/$1
    python3 - "$base.sock" "$2" "$(cat "$base.pid")" <<'EOF' && return
import os, select, socket, sys, time

path, pid = sys.argv[1], int(sys.argv[3])
deadline = time.monotonic() + float(sys.argv[2])


def until(action):
    """Repeats action until it returns something; fails when QEMU is gone or time is up."""
    while time.monotonic() < deadline:
        os.kill(pid, 0)
        done = action()
        if done is not None:
            return done
        select.select([], [], [], 0.01)
    sys.exit("no answer from tether in time")


def connect():
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(path)
        return s
    except OSError:
        s.close()


nonce = os.urandom(16).hex().encode()
s = until(connect)
s.sendall(b"VIC-SYNC " + nonce + b"\n")
s.setblocking(False)
got = b""


def acknowledged():
    global got
    try:
        data = s.recv(4096)
    except BlockingIOError:
        return None
    if not data:
        sys.exit("QEMU closed the port")
    got = (got + data)[-4096:]
    return True if b"VIC-ACK " + nonce + b"\n" in got else None


until(acknowledged)
EOF
    cat "$base.log" "$base.serial" >&2
    return 1
}

qemu_stop_all() {
    local file pid
    for file in "$BATS_TEST_TMPDIR"/*.pid; do
        [ -f "$file" ] || continue
        pid=$(cat "$file")
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
        rm -f "$file"
    done
}
