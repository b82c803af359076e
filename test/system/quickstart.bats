# quickstart on a tree that is built, beside another VCH, and taken back.  Its undo where nothing else uses the
# host: test/cli/quickstart.bats.
load common

setup() {
    export QUICKSTART_ROOT=$SUITE/quickstart/state
}
teardown() {
    "$VCH_TOP/quickstart" --undo >&2 || return 1
    rm -rf "${QUICKSTART_ROOT%/*}"
    remove_all quick-
}

# What of this host it could change; what other tests make now is not among it.
host() {
    getent passwd && getent group
    cat /proc/sys/net/ipv4/ip_forward
    stat -c '%n %U:%G %a' /dev/kvm "$(realpath "$O")" 2>/dev/null || :
    head /run/libvirtd.pid /run/virtlogd.pid
    # shellcheck disable=SC2016 # dpkg's own variables
    dpkg-query -W -f '${Package} ${Status}\n'
    find /etc -path /etc/libvirt/qemu/networks -prune -o -newer "$BATS_TEST_TMPDIR/started" -type f -print
    find "$(realpath "$O")" "$VIC_IMAGES" -maxdepth 2 ! -name '.*' | sort
    find "$BATS_TEST_TMPDIR/home" -mindepth 1
}

@test "quickstart runs a container in a VM of its own; --undo leaves nothing, and the other VCH as it was" {
    dk run -d --name quick-other -i busybox sh -c 'read line; echo "got $line"; exit 7'
    mkdir "$BATS_TEST_TMPDIR/home"
    touch "$BATS_TEST_TMPDIR/started"
    host >"$BATS_TEST_TMPDIR/before"
    run -0 env -u DOCKER_CONFIG HOME="$BATS_TEST_TMPDIR/home" "$VCH_TOP/quickstart"
    expect "It works."
    expect "exit code: 0"
    id=$(jq -r .id "$QUICKSTART_ROOT/demo/vch.json")
    [ -d "/run/vic/$id" ]

    run -0 "$VCH_TOP/quickstart" --undo
    expect "another virtual container host"
    host >"$BATS_TEST_TMPDIR/after"
    diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
    equal undo "$(ls "$QUICKSTART_ROOT")" # its notes
    [ ! -e "/run/vic/$id" ]
    for list in 'virsh -q -c qemu:///system list --all --name' 'virsh -q -c qemu:///system net-list --all --name' \
        'nft list tables' 'ls /var/log/libvirt/qemu /var/lib/libvirt/dnsmasq /etc/libvirt/qemu/networks'; do
        # shellcheck disable=SC2086 # a command and its words
        run -0 $list
        [[ $output != *"$id"* ]]
    done
    run pgrep -fa "$QUICKSTART_ROOT/|/run/vic/$id/"
    equal "" "$output"

    echo it | dk attach quick-other || equal 7 "$?"
    equal 7 "$(dk wait quick-other)"
    equal "got it" "$(dk logs quick-other)"
}
