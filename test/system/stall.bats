# A datastore that is full: the containers that need room wait for it, and go on when there is some.
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
