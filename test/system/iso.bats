# bootstrap.iso: the same bytes from the same input, and every way to boot it reaches tether.
# O names the build folder; TETHER another /init than its bin/tether.

bats_require_minimum_version 1.5.0
load ../lib/qemu

setup_file() {
    cd "$BATS_TEST_DIRNAME/../.."
    export O=${O:-build}
    export TETHER=${TETHER:-$O/bin/tether}
    export COPIER=$O/bin/tether-copy
    export VIC_ISO_CACHE=${VIC_ISO_CACHE:-$(realpath -m "$O")/iso/cache}
    make O="$O" TETHER="$TETHER" iso
}

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    iso=$O/iso
}

teardown() {
    qemu_stop_all
}

from_iso() { # PATH: that file of the ISO on stdout
    xorriso -osirrox on -indev "$iso/bootstrap.iso" -extract "$1" "$BATS_TEST_TMPDIR/extracted" 2>/dev/null
    cat "$BATS_TEST_TMPDIR/extracted"
    rm -f "$BATS_TEST_TMPDIR/extracted"
}

initrd_file() { # PATH: that file of the initrd on stdout
    cpio --quiet -i --to-stdout "$1" <"$iso/initrd.img"
}

@test "two builds in two folders have the same bytes" {
    iso/build "$BATS_TEST_TMPDIR/a" "$TETHER" "$COPIER"
    (umask 077 && TZ=Asia/Tokyo LANG=C.UTF-8 iso/build "$BATS_TEST_TMPDIR/b" "$TETHER" "$COPIER")
    diff -r -x .lock "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b"
    cmp "$BATS_TEST_TMPDIR/a/bootstrap.iso" "$iso/bootstrap.iso"
}

@test "a build with nothing changed does nothing" {
    touch "$BATS_TEST_TMPDIR/before"
    run iso/build "$iso" "$TETHER" "$COPIER"
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    [ -z "$(find "$iso" -maxdepth 1 -type f ! -name '.*' -newer "$BATS_TEST_TMPDIR/before")" ]
}

@test "a changed tether or a lost file is built again" {
    cp "$TETHER" "$BATS_TEST_TMPDIR/tether"
    iso/build "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/tether" "$COPIER"
    rm "$BATS_TEST_TMPDIR/a/initrd.img"
    iso/build "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/tether" "$COPIER"
    cmp "$BATS_TEST_TMPDIR/a/initrd.img" "$iso/initrd.img"

    gcc -xc -o "$BATS_TEST_TMPDIR/tether" - <<<'int main(void) { return 0; }'
    iso/build "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/tether" "$COPIER"
    run ! cmp -s "$BATS_TEST_TMPDIR/a/initrd.img" "$iso/initrd.img"
}

@test "a damaged download is refused and removed" {
    cp -r "$VIC_ISO_CACHE" "$BATS_TEST_TMPDIR/cache"
    deb=$(echo "$BATS_TEST_TMPDIR"/cache/isolinux_*.deb)
    echo junk >>"$deb"
    VIC_ISO_CACHE=$BATS_TEST_TMPDIR/cache run iso/build "$BATS_TEST_TMPDIR/a" "$TETHER" "$COPIER"
    [ "$status" -ne 0 ]
    [[ "$output" == *damaged* ]]
    [ ! -e "$deb" ]
    [ ! -e "$BATS_TEST_TMPDIR/a/bootstrap.iso" ]
}

@test "the loose files are those of the ISO, and MANIFEST names every input" {
    cmp <(from_iso /boot/vmlinuz) "$iso/vmlinuz"
    cmp <(from_iso /boot/initrd.img) "$iso/initrd.img"
    cmp <(from_iso /MANIFEST) "$iso/MANIFEST"
    from_iso /isolinux/isolinux.cfg | grep -qxF "  append $(cat "$iso/cmdline")"
    grep -q "^$(sha256sum <"$TETHER" | cut -d' ' -f1)  /init$" "$iso/MANIFEST"
    grep -q "_$(dpkg --print-architecture).deb$" "$iso/MANIFEST"
}

@test "vmlinux is the kernel of vmlinuz, unpacked" {
    [ "$(head -c 4 "$iso/vmlinux")" = $'\x7fELF' ]
    strings "$iso/vmlinux" | grep -q "^Linux version $(cat "$iso/kernel-version") "
}

@test "the initrd has each module before those that need it, and each library" {
    initrd_file lib/modules/load-order >"$BATS_TEST_TMPDIR/order"
    cpio --quiet -t <"$iso/initrd.img" | sed 's|^|/|' | sort >"$BATS_TEST_TMPDIR/files"
    [ -z "$(sort "$BATS_TEST_TMPDIR/order" | comm -23 - "$BATS_TEST_TMPDIR/files")" ]
    for lib in $(ldd "$TETHER" | grep -o '/[^ ]*'); do
        grep -qxF "$lib" "$BATS_TEST_TMPDIR/files"
    done

    : >"$BATS_TEST_TMPDIR/loaded"
    while read -r module; do
        initrd_file "${module#/}" >"$BATS_TEST_TMPDIR/module.ko"
        for needed in $(modinfo -F depends "$BATS_TEST_TMPDIR/module.ko" | tr ',' ' '); do
            grep -qxF "/lib/modules/$needed.ko" "$BATS_TEST_TMPDIR/loaded"
        done
        echo "$module" >>"$BATS_TEST_TMPDIR/loaded"
    done <"$BATS_TEST_TMPDIR/order"
}

@test "the ISO boots by BIOS and reaches tether" {
    qemu_start cd -cdrom "$iso/bootstrap.iso" -boot d
    qemu_sync cd 60
}

@test "direct boot of vmlinux reaches tether" {
    qemu_start elf -kernel "$iso/vmlinux" -initrd "$iso/initrd.img" -append "$(cat "$iso/cmdline")"
    qemu_sync elf 60
}

@test "direct boot of vmlinuz reaches tether" {
    qemu_start bz -kernel "$iso/vmlinuz" -initrd "$iso/initrd.img" -append "$(cat "$iso/cmdline")"
    qemu_sync bz 60
}
