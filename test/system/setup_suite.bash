# One VCH for all system tests; files that need one of their own make it with `machine create`.
setup_suite() {
    # shellcheck source=test/lib/vch.bash
    . "$BATS_TEST_DIRNAME/../lib/vch.bash"
    suite_up spine
    for name in busybox debian-demo; do
        dk pull -q "$(image $name)" >&2
    done
    dk tag "$(image busybox)" busybox
    dk tag "$(image debian-demo)" debian-demo
}
teardown_suite() {
    suite_down
}
