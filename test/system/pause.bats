# docker pause: the container's processes stand still, and all that does not need them works.
load common

setup_file() {
    dk run -d --name pause-main busybox sh -c 'trap "exit 7" TERM; trap "echo usr" USR1
        while :; do echo . >>/ticks; sleep 0.1; done'
    wait_for 60 grew 1 # it listens to signals
    dk exec -d pause-main sh -c 'while :; do echo . >>/beside; sleep 0.1; done'
}
teardown_file() { remove_all pause-; }

take() { dk cp "pause-main:$1" - | tar -xO; }
grew() { [ "$(take /ticks 2>/dev/null | wc -c)" -gt "$1" ]; }

@test "a paused container stands still, is seen as such, and goes on" {
    since=$(date +%s)
    wait_for 60 eval '[ -n "$(take /beside)" ]'
    equal pause-main "$(dk pause pause-main)"
    before=$(take /ticks | wc -c) beside=$(take /beside | wc -c)
    run -0 dk ps --filter name=pause-main --format '{{.Status}}'
    expect "(Paused)"
    equal "paused true true" "$(dk inspect -f '{{.State.Status}} {{.State.Running}} {{.State.Paused}}' pause-main)"
    equal 1 "$(dk info -f '{{.ContainersPaused}}')"
    echo in >"$BATS_TEST_TMPDIR/in"
    dk cp "$BATS_TEST_TMPDIR/in" pause-main:/in
    equal in "$(take /in)"
    run -0 dk top pause-main -o pid,args
    expect "echo . >>/ticks"
    [ "$(dk stats --no-stream --format '{{.PIDs}}' pause-main)" -ge 2 ]
    dk logs pause-main
    dk rename pause-main pause-renamed && dk rename pause-renamed pause-main
    run -1 dk pause pause-main
    expect "is already paused"
    run -1 dk exec pause-main true
    expect "is paused, unpause the container before exec"
    run -1 dk attach pause-main
    expect "You cannot attach to a paused container, unpause it first"
    run -1 dk start pause-main
    expect "cannot start a paused container, try unpause instead"
    run -1 dk rm pause-main
    expect "container is paused and must be unpaused first"
    dk kill -s USR1 pause-main # heard when it goes on
    equal "$before $beside" "$(take /ticks | wc -c) $(take /beside | wc -c)"
    equal "" "$(dk logs pause-main)"
    equal pause-main "$(dk unpause pause-main)"
    wait_for 60 grew "$before"
    equal usr "$(dk logs pause-main)"
    run -1 dk unpause pause-main
    expect "is not paused"
    run -0 dk events --since "$since" --until "$(($(date +%s) + 1))" --filter container=pause-main --filter event=pause \
        --filter event=unpause --format '{{.Action}}'
    equal "pause unpause" "$(xargs <<<"$output")"
}

@test "a VM that somebody suspends is not paused: it hangs until it is resumed" {
    dk run -d --name pause-hung busybox sleep 1000
    domain=vic-$(vch_field .id)-$(dk inspect -f '{{.Id}}' pause-hung | cut -c1-12)
    virsh -q -c qemu:///system suspend "$domain"
    equal "running false" "$(dk inspect -f '{{.State.Status}} {{.State.Paused}}' pause-hung)"
    run -1 dk unpause pause-hung
    expect "is not paused"
    virsh -q -c qemu:///system resume "$domain"
    dk exec pause-hung true
    dk rm -f pause-hung
}

@test "the end of a paused container: stop in its own way, kill, restart, forced removal" {
    dk pause pause-main
    dk stop -t 60 pause-main
    equal "exited 7" "$(state pause-main)"
    run -1 dk pause pause-main
    expect "is not running"
    dk start pause-main
    had=$(take /ticks | wc -c)
    wait_for 60 grew "$had"
    dk pause pause-main
    dk restart -t 60 pause-main
    equal "running 0" "$(state pause-main)"
    dk pause pause-main
    dk kill pause-main
    equal 137 "$(dk wait pause-main)"
    dk start pause-main
    dk pause pause-main
    dk rm -f pause-main
    run -1 dk inspect pause-main
}
