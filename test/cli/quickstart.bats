# quickstart cut short and taken back, where what it changes is a copy: the host's users and files stay as
# they are.  With VMs: test/system/quickstart.bats.

setup() {
    bats_require_minimum_version 1.5.0
    [ "$(id -u)" = 0 ] || skip "only root runs quickstart"
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    T=$BATS_TEST_TMPDIR
    mkdir "$T/bin"
    fake make <<<'exit 1' # the step after those that change the host
}

fake() { # NAME: a program that stands before the real one; its script on stdin
    { echo '#!/bin/bash'; cat; } >"$T/bin/$1"
    chmod 755 "$T/bin/$1"
}

# Runs the script on stdin with an /etc and a /run of its own, without users of ours, and alone on the host.
elsewhere() {
    cat >"$T/script"
    export ROOT T
    # shellcheck disable=SC2016 # expanded there
    PATH="$T/bin:$PATH" QUICKSTART_ROOT=$T/lib/quickstart O=$T/build timeout 120 \
        unshare --mount --pid --fork --mount-proc bash -euc '
        mkdir "$T/etc"
        cp -a /etc/. "$T/etc"
        mount --bind "$T/etc" /etc
        mount -t tmpfs run /run
        for user in vic-docker vic-layer; do userdel "$user" 2>/dev/null || :; done
        quickstart() { "$ROOT/quickstart" "$@"; }
        cut_short() { if quickstart; then exit 1; fi; }
        users() { getent passwd vic-docker vic-layer | cut -d: -f1 | xargs; }
        same() { [ "$1" = "$2" ] || { echo "expected: $1, had: $2" >&2; exit 1; }; }
        . "$T/script"' 3>&-
}

@test "what a run that is cut short has made is taken back, and nothing else" {
    elsewhere <<'END'
useradd --system vic-layer # somebody else's
cp -a /etc/passwd "$T/before"
cut_short
same "vic-docker vic-layer" "$(users)"
quickstart --undo
same vic-layer "$(users)"
cmp /etc/passwd "$T/before"
[ ! -e "$T/lib" ]
[ ! -e /run/vic ]
quickstart --undo # again: nothing
same vic-layer "$(users)"
END
}

@test "packages are noted before they are installed, with what they bring in" {
    fake dpkg-query <<'END'
/usr/bin/dpkg-query "$@" | grep -v '^lz4 '
[ ! -e "$T/installed" ] || printf '%s install ok installed\n' lz4 liblz4-tool
END
    fake apt-get <<'END'
case " $* " in
*' -s '*) printf 'Inst %s\n' 'liblz4-tool (1)' 'gcc [12] (13)' 'lz4 (1)' ;;
*' install '*)
    touch "$T/installed"
    exit 100 # cut short
    ;;
esac
END
    fake dpkg <<'END'
echo "$@" >>"$T/dpkg"
END
    elsewhere <<'END'
cut_short
quickstart --undo
same "--purge liblz4-tool lz4" "$(cat "$T/dpkg")"
END
}

@test "--undo keeps what another virtual container host uses, until that is gone" {
    mkdir -p "$T/lib/other"
    elsewhere <<'END'
cut_short
touch "$T/lib/other/vch.json" # of a VCH below the same root
quickstart --undo | grep 'another virtual container host'
same "vic-docker vic-layer" "$(users)"
rm "$T/lib/other/vch.json"
mkdir -p /run/vic/0123
touch /run/vic/0123/docker.json # of one with a root of its own
quickstart --undo
same "vic-docker vic-layer" "$(users)"
rm -r /run/vic/0123
quickstart --undo
same "" "$(users)"
[ ! -e "$T/lib/quickstart" ]
[ -d "$T/lib/other" ]
END
}

@test "--undo leaves a build folder that was there before, and removes one that was not" {
    elsewhere <<'END'
mkdir "$T/build"
touch "$T/build/mine"
cut_short
mkdir "$T/build/iso" # as the build would
quickstart --undo
same mine "$(ls "$T/build")"
rm -r "$T/build"
cut_short
mkdir "$T/build"
quickstart --undo
[ ! -e "$T/build" ]
END
}

@test "--undo sets /dev/kvm and forwarding back to what they were" {
    elsewhere <<'END'
mount -t tmpfs dev /dev
ln -s /proc/self/fd /dev/fd
mknod -m 666 /dev/null c 1 3
mknod -m 640 /dev/kvm c 1 3
cut_short
chown 0:7 /dev/kvm # as vic-machine would
chmod 660 /dev/kvm
quickstart --undo
same "0 0 640" "$(stat -c '%u %g %a' /dev/kvm)"
END
}

@test "--undo ends no libvirtd that is not its own" {
    elsewhere <<'END'
daemon() { # as libvirtd is found: by its name and its pid file
    cp /bin/sleep "$T/libvirtd"
    "$T/libvirtd" 600 &
    echo "$!" >/run/libvirtd.pid
    until [ "$(cat "/proc/$!/comm")" = libvirtd ]; do sleep 0.01; done
}
daemon
cut_short
quickstart --undo
kill "$!" # which was there before
wait "$!" || rm /run/libvirtd.pid
cut_short
daemon
quickstart --undo
if kill -0 "$!"; then exit 1; fi
END
}

@test "--undo keeps libvirtd while it has VMs of others" {
    fake virsh <<'END'
cat "$T/vms" 2>/dev/null
END
    elsewhere <<'END'
cut_short
cp /bin/sleep "$T/libvirtd"
"$T/libvirtd" 600 &
echo "$!" >/run/libvirtd.pid
until [ "$(cat "/proc/$!/comm")" = libvirtd ]; do sleep 0.01; done
printf 'theirs\n\n' >"$T/vms"
quickstart --undo | grep 'another VM'
kill -0 "$!"
same "vic-docker vic-layer" "$(users)"
rm "$T/vms"
quickstart --undo
if kill -0 "$!"; then exit 1; fi
same "" "$(users)"
END
}
