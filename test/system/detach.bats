# Keys that detach from a terminal, and who is attached to a container, in one container for most tests.
load common

setup_file() {
    . "$BATS_TEST_DIRNAME/../lib/vch.bash"
    dk run -dit --name detach-box busybox sh
}
teardown_file() {
    . "$BATS_TEST_DIRNAME/../lib/vch.bash"
    dk rm -f detach-box
}
teardown() { remove_all detach-own; }

typist() { timeout 90 python3 "$BATS_TEST_DIRNAME/typist.py" "$@"; }
cli() { # ARG... -- TEXT TYPED...
    typist "$DOCKER" -H "$VIC_HOST" "$@"
}
raw() { # PATH BODY -- TEXT TYPED...: no client that knows keys of its own
    typist "unix:${VIC_HOST#unix://}" "$@"
}
attach_to() { # NAME QUERY TEXT TYPED...
    raw "/v1.50/containers/$1/attach?stream=1&stdin=1&stdout=1&stderr=1&$2" "" -- "${@:3}"
}
events_since() { # TIME ACTION
    dk events --since "$1" --until "$(date +%s.%N)" --filter "event=$2" --filter container=detach-box --format '{{.Action}} {{index .Actor.Attributes "execID"}}'
}

@test "the client's keys detach, the container goes on, and attach joins it again" {
    # Newer clients leave attach with 0, older ones with 1.
    run cli attach detach-box -- "" 'A=kept; echo on$((1+1))e\r' on2e '\x10\x11'
    expect "read escape sequence"
    equal "running 0" "$(state detach-box)"
    run cli attach --detach-keys 'ctrl-x,y' detach-box -- "" 'echo $A-$((1+1))\r' kept-2 '\x10\x11\x18y'
    expect "read escape sequence"
    run cli exec -it detach-box sh -- "# " 'echo on$((1+1))e\r' on2e '\x10\x11'
    expect "read escape sequence"
    equal "running 0" "$(state detach-box)"
}

@test "the daemon finds the keys too, the default ones or those asked for, and tells of it" {
    since=$(date +%s.%N)
    run -0 attach_to detach-box "" "101" 'echo o\x10ne$((1+1))\r' ne2 '\x10\x11'
    equal "detach " "$(events_since "$since" detach)"
    run -0 attach_to detach-box "detachKeys=ctrl-a,b" "101" 'echo two$((1+1))\r' two2 '\x10\x11\x01b'
    equal 2 "$(events_since "$since" detach | wc -l)"
    equal "running 0" "$(state detach-box)"
}

@test "an exec's keys detach from it; it goes on with its terminal" {
    since=$(date +%s.%N)
    body='{"Cmd":["sh"],"Tty":true,"AttachStdin":true,"AttachStdout":true,"DetachKeys":"ctrl-],q"}'
    id=$(api POST /v1.50/containers/detach-box/exec -H 'Content-Type: application/json' -d "$body" | head -n 1 | jq -r .Id)
    run -0 raw "/v1.50/exec/$id/start" '{"Tty":true}' -- "# " 'echo in$((1+1))\r' in2 '\x1dq'
    equal "exec_detach $id" "$(events_since "$since" exec_detach)"
    equal true "$(api GET "/v1.50/exec/$id/json" | head -n 1 | jq .Running)"
}

@test "keys mean nothing without a terminal" {
    dk run -di --name detach-own-pipe busybox cat
    printf 'a\x10\x11b\n' | timeout 60 "$DOCKER" -H "$VIC_HOST" attach --detach-keys b detach-own-pipe >"$BATS_TEST_TMPDIR/out" 3>&- &
    wait_for 30 grep -q $'a\x10\x11b' "$BATS_TEST_TMPDIR/out"
    kill "$!"
}

@test "attached before the start, detached after it" {
    dk create -it --name detach-own-new busybox sh
    run -0 cli start -ai detach-own-new -- "# " 'echo on$((1+1))e\r' on2e '\x10\x11'
    equal "running 0" "$(state detach-own-new)"
    run -3 cli attach detach-own-new -- "" 'exit 3\r'
}

@test "several clients see all; one that detaches leaves the others" {
    attach_to detach-box "" "101" "" first1 'echo sec$((1+1))\r' sec2 '\x10\x11' >"$BATS_TEST_TMPDIR/first" 3>&- &
    first=$!
    wait_for 30 grep -q 101 "$BATS_TEST_TMPDIR/first"
    run -0 attach_to detach-box "" "101" 'echo first$((0+1))\r' first1 '\x10\x11'
    wait "$first"
    equal "running 0" "$(state detach-box)"
}

@test "a client of a terminal that reads nothing holds up neither the others nor the process" {
    local query='stream=1&stdin=1&stdout=1&stderr=1'
    dk run -dit --name detach-own-stall busybox sh
    stalled=()
    for headless in '' headless; do
        staller POST "/v1.50/containers/detach-own-stall/attach?$query" $headless >"$BATS_TEST_TMPDIR/stalled$headless" &
        stalled+=($!)
        wait_for 30 grep -q 101 "$BATS_TEST_TMPDIR/stalled$headless"
    done
    attach_to detach-own-stall "" "101" 'head -c 8000000 /dev/zero; echo e$((1+1))d\r' e2d '\x10\x11' \
        >"$BATS_TEST_TMPDIR/other"
    equal 8000000 "$(tr -dc '\0' <"$BATS_TEST_TMPDIR/other" | wc -c)"
    run -0 dk exec detach-own-stall echo "answers at once"
    for pid in "${stalled[@]}"; do kill "$pid"; done # they are there yet, and were not cut off for it
    equal "running 0" "$(state detach-own-stall)"
}

@test "a signal of the client reaches the process, unless --sig-proxy=false" {
    dk run -d --name detach-own-signal busybox sh -c 'trap "echo got" USR1; echo ready; while :; do sleep 0.1; done'
    attached() { [ "$(dk events --since 0 --until "$(date +%s.%N)" --filter event=attach --filter container=detach-own-signal | wc -l)" = "$1" ]; }
    logged() { dk logs detach-own-signal | grep -q "$1"; }
    killed() { dk events --since 0 --until "$(date +%s.%N)" --filter event=kill --filter container=detach-own-signal --format '{{.Actor.Attributes.signal}}'; }
    wait_for 30 logged ready
    "$DOCKER" -H "$VIC_HOST" attach --sig-proxy=false --no-stdin detach-own-signal >/dev/null 3>&- &
    wait_for 30 attached 1
    kill -USR1 "$!"
    run wait "$!"
    equal "" "$(killed)"
    "$DOCKER" -H "$VIC_HOST" attach --no-stdin detach-own-signal >/dev/null 3>&- &
    wait_for 30 attached 2
    kill -USR1 "$!"
    wait_for 30 logged got
    equal 10 "$(killed)"
    kill -9 "$!"
}

@test "what are no keys is refused" {
    for path in attach start; do
        run -0 api POST "/v1.50/containers/detach-box/$path?stream=1&stdout=1&detachKeys=ctrl-ab"
        equal 400 "${lines[-1]}"
        expect "Invalid detach keys (ctrl-ab) provided"
    done
    run -0 api POST "/v1.50/containers/detach-box/start?detachKeys=ctrl-a,b"
    equal 304 "${lines[-1]}"
}
