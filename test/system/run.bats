# docker run, create, start, attach, wait: the life of a container through the docker CLI.
load common

teardown() { remove_all run-; }

@test "run prints the container's output and its own kernel" {
    run -0 dk run --rm debian-demo sh -c 'cat /proc/sys/kernel/random/boot_id; uname -r; . /etc/os-release; echo $ID'
    expect debian
    expect "$(cat "$VIC_ISO/kernel-version")"
    [ "$(cat /proc/sys/kernel/random/boot_id)" != "${lines[0]}" ]
}

@test "exit codes are the process's" {
    for code in 0 42 255; do
        run -"$code" dk run --rm busybox sh -c "exit $code"
    done
    run -137 dk run --rm busybox sh -c 'sh -c "kill -9 \$\$"; exit $?'
}

@test "the end is heard of with input left that nobody reads" {
    for _ in 1 2 3; do
        run -5 bash -c "yes | '$DOCKER' -H '$VIC_HOST' run --rm -i busybox sh -c 'head -n 1; exit 5'"
        equal y "$output"
    done
    dk run -d --name run-fed busybox sleep 1000
    for _ in 1 2 3; do
        run -6 bash -c "yes | '$DOCKER' -H '$VIC_HOST' exec -i run-fed sh -c 'head -n 1; exit 6'"
        equal y "$output"
    done
}

@test "a command that does not exist is 127, one that cannot be executed 126" {
    run -127 dk run --rm busybox no-such-command
    expect "executable file not found in \$PATH"
    run -127 dk run --rm busybox /no/such/file
    expect "no such file or directory"
    run -126 dk run --rm busybox /etc/passwd
    expect "permission denied"
}

@test "a failed start leaves a created container with the reason" {
    run -127 dk run --name run-bad busybox no-such-command
    equal "created 127" "$(state run-bad)"
    run -0 dk inspect -f '{{.State.Error}}' run-bad
    expect "no-such-command"
}

@test "stdout and stderr are kept apart" {
    dk run --name run-two busybox sh -c 'echo out; echo err >&2' >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
    equal out "$(cat "$BATS_TEST_TMPDIR/out")"
    equal err "$(cat "$BATS_TEST_TMPDIR/err")"
    equal out "$(dk logs run-two 2>/dev/null)"
    equal err "$(dk logs run-two 2>&1 >/dev/null)"
}

@test "stdin reaches the process, and its end too" {
    equal "one two" "$(echo one two | dk run -i --rm busybox cat)"
    head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/random"
    equal "$(sha256sum <"$BATS_TEST_TMPDIR/random")" \
        "$(dk run -i --rm busybox sha256sum <"$BATS_TEST_TMPDIR/random")"
}

@test "-t gives a terminal of the client's size" {
    run -0 on_terminal 33 101 run --rm -it busybox sh -c 'tty; until stty size | grep "33 101"; do sleep 0.1; done'
    expect /dev/pts/0
    expect "33 101"
}

@test "user, environment, working directory, hostname and entrypoint are honoured" {
    run -0 dk run --rm -u 1234:1235 -e A=b -w /var/tmp -h box.example.org --entrypoint sh busybox \
        -c 'id -u; id -g; echo $A; pwd; hostname; cat /etc/hostname; grep box /etc/hosts'
    equal "1234 1235 b /var/tmp" "${lines[*]:0:4}"
    expect box.example.org
    dk pull -q "$(image busybox:user)"
    run -0 dk run --rm --entrypoint id "$(image busybox:user)" -u
    expect "the image's volume /data lives on the container's own disk"
    equal 1000 "${lines[-1]}"
    run -0 dk rmi "$(image busybox:user)"
}

@test "an unknown user is refused with Docker's words" {
    run -125 dk run --rm -u nobody-knows busybox true
    expect "unable to find user nobody-knows: no matching entries in passwd file"
}

@test "the process is PID 1, sees no tether, and has Docker's mounts" {
    run -0 dk run --rm busybox sh -c 'echo $$; ps | wc -l; ls /init /lib/modules/load-order 2>&1; ls -d /dev/shm /dev/pts /proc /sys; touch /proc/sysrq-trigger 2>&1 || :'
    equal 1 "${lines[0]}"
    expect "No such file"
    expect /dev/shm
    expect "Read-only file system"
}

said() { [ "$(dk logs "$1" | xargs)" = "$2" ]; } # NAME WORDS

@test "create, start -a, restart, stop, kill, rename, wait and rm" {
    run -0 dk create --name run-life busybox sh -c 'echo hello; exec sleep 1000'
    equal "created 0" "$(state run-life)"
    run -0 dk start run-life
    equal "running 0" "$(state run-life)"
    wait_for 20 said run-life hello
    run -0 dk restart -t 1 run-life
    equal "running 0" "$(state run-life)"
    wait_for 20 said run-life "hello hello"
    run -0 dk rename run-life run-life2
    run -0 dk kill run-life2
    equal 137 "$(dk wait run-life2)"
    equal "exited 137" "$(state run-life2)"
    run -1 dk kill run-life2
    expect "is not running"
    run -0 dk rm run-life2
    run -1 dk rm run-life2
    expect "No such container"
}

@test "stop sends the stop signal, and kills what ignores it" {
    dk run -d --name run-stop1 busybox sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'
    wait_for 20 said run-stop1 ready
    run -0 dk stop -t 60 run-stop1
    equal "exited 7" "$(state run-stop1)"
    dk run -d --name run-stop2 --stop-signal USR1 busybox sh -c 'trap "exit 8" USR1; trap "" TERM; echo ready; while :; do sleep 0.1; done'
    wait_for 20 said run-stop2 ready
    run -0 dk stop -t 60 run-stop2
    equal "exited 8" "$(state run-stop2)"
    dk run -d --name run-stop3 busybox sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
    wait_for 20 said run-stop3 ready
    run -0 dk stop -t 1 run-stop3
    equal "exited 137" "$(state run-stop3)"
    dk start run-stop3
    wait_for 20 eval '[ "$(dk logs run-stop3 | wc -l)" = 2 ]'
    began=$SECONDS
    run -0 dk stop run-stop3 # without a time it has ten seconds
    [ $((SECONDS - began)) -ge 9 ]
    equal "exited 137" "$(state run-stop3)"
    run -0 dk stop run-stop3 # again: no error
}

@test "--rm leaves nothing" {
    before=$(dk ps -aq | wc -l)
    local pids=()
    for i in 1 2 3 4; do
        dk run --rm busybox true 3>&- &
        pids+=("$!")
    done
    for i in "${pids[@]}"; do wait "$i"; done
    there_are() { [ "$(dk ps -aq | wc -l)" = "$1" ]; }
    wait_for 10 there_are "$before"
}

@test "a file written stays over a restart, another container does not see it" {
    dk run --name run-disk busybox sh -c 'cat /kept 2>/dev/null || echo none; echo data >/kept'
    run -0 dk start -a run-disk
    equal data "${lines[0]}"
    run -0 dk run --rm busybox sh -c 'cat /kept || true'
    expect "No such file"
}

@test "ten creates of one name at once: exactly one wins" {
    local pids=()
    for i in 1 2 3 4 5 6 7 8 9 10; do
        { dk create --name run-race busybox true >/dev/null 2>"$BATS_TEST_TMPDIR/err.$i" && echo won || echo lost; } 3>&- &
        pids+=("$!")
    done >"$BATS_TEST_TMPDIR/results"
    wait "${pids[@]}" # by number: bats has a child of its own, which watches the time
    equal 1 "$(grep -c won "$BATS_TEST_TMPDIR/results")"
    equal 9 "$(grep -l 'is already in use by container' "$BATS_TEST_TMPDIR"/err.* | wc -l)"
}

@test "attach sees output from now on, and several clients may" {
    local in=$BATS_TEST_TMPDIR/in first=$BATS_TEST_TMPDIR/first second=$BATS_TEST_TMPDIR/second
    dk run -d --name run-attach -i busybox sh -c 'while read line; do echo "got $line"; done'
    mkfifo "$in"
    exec 8<>"$in"
    local pids=()
    dk attach run-attach <"$in" >"$first" 2>&1 3>&- 8>&- &
    pids+=("$!")
    dk attach --no-stdin run-attach >"$second" 2>&1 3>&- 8>&- &
    pids+=("$!")
    # Who attaches first is open: pings, until both have heard one, and from then on everything.
    both() { grep -q "$1" "$first" && grep -q "$1" "$second"; }
    ping() { echo ping >&8 && both "got ping"; }
    wait_for 20 ping
    echo two >&8
    wait_for 20 both "got two"
    exec 8>&-
    dk rm -f run-attach
    wait "${pids[@]}" || : # their exit codes are the killed container's
}

@test "attach with logs to what has ended sends them first, and then what comes" {
    attach="/v1.50/containers/run-past/attach?stdout=1&stderr=1"
    dk create --name run-past busybox sh -c 'n=$(cat /n); echo "run $n"; echo "$((n + 1))" >/n; [ "$n" -lt 3 ] || sleep 1000'
    printf 1 >"$BATS_TEST_TMPDIR/n"
    dk cp "$BATS_TEST_TMPDIR/n" run-past:/n
    dk start -a run-past
    run -0 api POST "$attach&logs=1"
    [[ $output == *"run 1"*200 ]]
    equal $'\n200' "$(api POST "$attach")"
    api POST "$attach&logs=1&stream=1" -N >"$BATS_TEST_TMPDIR/both" 3>&- &
    client=$!
    wait_for 20 grep -q "run 1" "$BATS_TEST_TMPDIR/both"
    dk start run-past
    wait "$client"
    said() { tr -cd 'a-z0-9 \n' <"$1" | xargs; }
    equal "run 1 run 2 200" "$(said "$BATS_TEST_TMPDIR/both")"
    # All runs, of one that runs too.
    equal "run 1 run 2 200" "$(said <(api POST "$attach&logs=1"))"
    dk start run-past
    wait_for 20 eval '[ "$(said <(api POST "$attach&logs=1"))" = "run 1 run 2 run 3 200" ]'
    api POST "$attach&logs=1&stream=1" -N >"$BATS_TEST_TMPDIR/all" 3>&- &
    client=$!
    wait_for 20 grep -q "run 3" "$BATS_TEST_TMPDIR/all"
    dk kill run-past
    wait "$client"
    equal "run 1 run 2 run 3 200" "$(said "$BATS_TEST_TMPDIR/all")"
}

@test "who reads the past slowly has all of it, and its end when the container is removed" {
    dk run --name run-slow busybox sh -c 'head -c 5000000 /dev/zero | tr "\0" x' >/dev/null
    mkfifo "$BATS_TEST_TMPDIR/slow"
    api POST "/v1.50/containers/run-slow/attach?stdout=1&logs=1&stream=1" -N >"$BATS_TEST_TMPDIR/slow" 3>&- &
    client=$!
    exec {reader}<"$BATS_TEST_TMPDIR/slow"
    head -c 1000 <&"$reader" >/dev/null # it is on its way, and goes no further
    dk rm run-slow
    run -0 bash -c "tr -dc x | wc -c" <&"$reader"
    [ "$output" -gt 4990000 ]
    exec {reader}<&-
    wait "$client"
}

@test "output is complete to the last byte" {
    for size in 0 65 10000000; do # more of them in kill.bats, and in test/soak/output
        dk run --name "run-bytes-$size" busybox sh -c "head -c $size /dev/urandom | tee /copy; exec 1>&-; :" >"$BATS_TEST_TMPDIR/bytes"
        equal "$size" "$(stat -c %s "$BATS_TEST_TMPDIR/bytes")"
        equal "$(sha256sum <"$BATS_TEST_TMPDIR/bytes")" "$(dk logs "run-bytes-$size" | sha256sum)"
    done
}
