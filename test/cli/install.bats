# make install: what it puts where, and that the programs run from there and find each other and the ISO.

setup() {
    bats_require_minimum_version 1.5.0
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    O=${O:-$ROOT/build}
    DEST=$BATS_TEST_TMPDIR/dest
}
build() { make -s -C "$ROOT" O="$O" "$@"; }
programs() { build print-programs | tr ' ' '\n'; }

@test "every program, its manual and the ISO are installed, and nothing else; the programs run" {
    local iso='bootstrap.iso vmlinux vmlinuz initrd.img cmdline kernel-version' file
    run -0 build install DESTDIR="$DEST"
    {
        # shellcheck disable=SC2046 # one word per program
        printf '755 usr/local/bin/%s\n' $(programs)
        # shellcheck disable=SC2086
        printf '644 usr/local/share/vic/%s\n' $iso
        (cd "$ROOT/doc/man" && for file in *.[18]; do echo "644 usr/local/share/man/man${file##*.}/$file"; done)
    } | sort >"$BATS_TEST_TMPDIR/wanted"
    find "$DEST" ! -type d -printf '%m %P\n' | sort | diff "$BATS_TEST_TMPDIR/wanted" -
    for file in $iso; do cmp "$O/iso/$file" "$DEST/usr/local/share/vic/$file"; done
    for file in $(programs); do
        cmp "$O/bin/$file" "$DEST/usr/local/bin/$file"
        run -0 env -C / "$DEST/usr/local/bin/$file" --help
        [ -n "$output" ]
        [ "$output" = "$("$O/bin/$file" --help)" ]
    done
}

@test "PREFIX is honoured, and vic-machine finds the ISO and the daemons beside it" {
    run -0 build install DESTDIR="$DEST" PREFIX=/opt/vic
    [ -x "$DEST/opt/vic/bin/vic-portlayer" ]
    [ ! -e "$DEST/usr" ]
    # An acceleration that there is not, so that nothing is made; all problems are told.
    run -2 "$DEST/opt/vic/bin/vic-machine" create --local --name installed --root "$BATS_TEST_TMPDIR/vchs" --acceleration warp
    [[ $output == *"--acceleration 'warp'"* ]]
    [[ $output != *"is missing"* ]]
    rm "$DEST/opt/vic/share/vic/cmdline"
    run -2 "$DEST/opt/vic/bin/vic-machine" create --local --name installed --root "$BATS_TEST_TMPDIR/vchs" --acceleration warp
    [[ $output == *"cmdline' is missing"* ]]
}
