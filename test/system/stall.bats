# VMs that stand still: their datastore is full, or they never answer.
load common

teardown() { remove_all stall-; }
is_suspended() { [ "$(virsh -q -c qemu:///system domstate --reason "$1")" = "paused (I/O error)" ]; }

@test "a container whose disk cannot grow is not paused, and goes on when there is room" {
    dk create --name stall-full busybox sleep 1000
    id=$(dk inspect -f '{{.Id}}' stall-full)
    disk=$SUITE/vchs/$VCH/containers/$id/disk.qcow2
    # This disk alone is on a small file system, which only QEMU and our ballast hold once they have it.
    room=$BATS_TEST_TMPDIR/room
    mkdir "$room"
    mount -t tmpfs -o size=40m,mode=0711 tmpfs "$room"
    exec {ballast}>"$room/ballast"
    head -c 30M /dev/zero >&"$ballast"
    cp -a "$disk" "$room/disk.qcow2"
    mount --bind "$room/disk.qcow2" "$disk"
    run dk start stall-full
    umount -l "$disk" "$room"
    equal 0 "$status"
    dk exec -d stall-full sh -c 'head -c 20000000 /dev/urandom >/large && sync && echo done >/done'
    wait_for 60 is_suspended "vic-$(vch_field .id)-${id:0:12}"
    equal "running 0" "$(state stall-full)"
    : >"/proc/$BASHPID/fd/$ballast"
    wait_for 60 dk exec stall-full test -s /done
    equal 20000000 "$(dk exec stall-full sh -c 'wc -c </large')"
}

domain() { echo "vic-$(vch_field .id)-$(dk inspect -f '{{.Id}}' "$1" | cut -c1-12)"; }
refused() { # PID: our child's exit code is not 0
    local code=0
    wait "$1" || code=$?
    [ "$code" -ne 0 ]
}

@test "a guest that never answers ends in a clear error in bounded time, and holds up nobody" {
    make() {
        dk create --name stall-hangs busybox sleep 1000
        name=$(domain stall-hangs)
        pid_file=/run/libvirt/qemu/$name.pid
    }
    boots() { virsh -q -c qemu:///system list --name --state-running | grep "$name"; }
    stop_booting() { # false: its process ran already
        DK_TIMEOUT=200 dk start stall-hangs >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
        client=$!
        wait_for 60 boots
        pid=$(cat "$pid_file")
        kill -STOP "$pid"
        [ "$(state stall-hangs)" != "running 0" ] || { kill -CONT "$pid"; wait "$client"; return 1; }
    }
    make
    until stop_booting; do
        dk rm -f stall-hangs
        make
    done
    run -4 dk run --rm --name stall-beside busybox sh -c 'exit 4'
    refused "$client"
    run -0 cat "$BATS_TEST_TMPDIR/out"
    expect "the virtual machine did not answer within"
    equal "created 128" "$(state stall-hangs)"
    [ ! -e "$pid_file" ]
    run -0 dk start stall-hangs
}
