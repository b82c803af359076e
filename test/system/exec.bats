# docker exec: processes beside a container's own, in one container that all tests but the last use.
load common

setup_file() {
    . "$BATS_TEST_DIRNAME/../lib/vch.bash"
    dk run -d --name exec-box -e OF=container -w /tmp busybox sleep 100000
}
teardown_file() {
    . "$BATS_TEST_DIRNAME/../lib/vch.bash"
    dk rm -f exec-box
}
teardown() { remove_all exec-own; }

ids() { dk inspect -f '{{json .ExecIDs}}' "$1"; }
new_exec() { # BODY: the id
    api POST /v1.50/containers/exec-box/exec -H 'Content-Type: application/json' -d "$1" | head -n 1 | jq -r .Id
}
exec_field() { api GET "/v1.50/exec/$1/json" | head -n 1 | jq -r "$2"; }
exec_is() { [ "$(exec_field "$1" "$2")" = "$3" ]; } # ID FIELD VALUE

@test "stdout, stderr and the exit code are the process's" {
    run -7 dk exec exec-box sh -c 'echo out; echo err >&2; exit 7'
    dk exec exec-box sh -c 'echo out; echo err >&2' >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
    equal out "$(cat "$BATS_TEST_TMPDIR/out")"
    equal err "$(cat "$BATS_TEST_TMPDIR/err")"
    equal "" "$(dk logs exec-box)"
    for code in 0 1 42 255; do
        run -"$code" dk exec exec-box sh -c "exit $code"
    done
    run -137 dk exec exec-box sh -c 'kill -9 $$'
}

@test "it is in the container: its processes, files, host name and network" {
    run -0 dk exec exec-box sh -c 'cat /proc/1/cmdline | tr "\0" " "; hostname; cat /etc/hostname; [ $(readlink /proc/self/ns/pid) = $(readlink /proc/1/ns/pid) ] && echo same; touch /made; ls /init 2>&1 || :'
    equal "sleep 100000 $(dk inspect -f '{{.Config.Hostname}}' exec-box)" "${lines[0]}"
    equal "$(dk inspect -f '{{.Config.Hostname}}' exec-box)" "${lines[1]}"
    equal same "${lines[2]}"
    expect "No such file"
    run -0 dk exec exec-box ls /made
    run -0 dk exec exec-box ip -o address
    expect "$(dk inspect -f '{{.NetworkSettings.IPAddress}}' exec-box)"
}

@test "environment, user and working directory are honoured, else the container's" {
    equal "container /tmp 0" "$(dk exec exec-box sh -c 'echo $OF $(pwd) $(id -u)')"
    equal "mine b /etc 1234 1235" "$(dk exec -e OF=mine -e A=b -w /etc -u 1234:1235 exec-box sh -c 'echo $OF $A $(pwd) $(id -u) $(id -g)')"
    run dk exec -u nobody-knows exec-box true
    [ "$status" -ne 0 ]
    expect "unable to find user nobody-knows: no matching entries in passwd file"
    run dk exec -w /not/there exec-box true
    [ "$status" -ne 0 ]
    expect 'chdir to cwd ("/not/there") set in config.json failed: no such file or directory'
}

@test "a command that does not exist is 127, one that cannot be executed 126" {
    run -127 dk exec exec-box no-such-command
    expect 'OCI runtime exec failed: exec failed: unable to start container process: exec: "no-such-command": executable file not found in $PATH: unknown'
    run -127 dk exec -t exec-box no-such-command
    run -126 dk exec exec-box /etc/passwd
    expect "permission denied"
    equal null "$(ids exec-box)"
}

@test "a user that is not there is 126, a working directory 127, and so says inspect" {
    run -126 dk exec -u nosuch exec-box true
    expect "unable to find user nosuch"
    run -127 dk exec -w /nosuch/file exec-box true
    expect "/nosuch/file"
}

@test "stdin reaches the process, and its end too" {
    equal "one two" "$(echo one two | dk exec -i exec-box cat)"
    head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/random"
    equal "$(sha256sum <"$BATS_TEST_TMPDIR/random")" "$(dk exec -i exec-box sha256sum <"$BATS_TEST_TMPDIR/random")"
    equal "$(sha256sum <"$BATS_TEST_TMPDIR/random")" "$(dk exec -i exec-box cat <"$BATS_TEST_TMPDIR/random" | sha256sum)"
    equal /dev/null "$(echo not read | dk exec exec-box readlink /proc/self/fd/0)"
}

@test "output is complete to the last byte" {
    for size in 0 1 65535 65536 65537 10000000; do
        dk exec exec-box sh -c "head -c $size /dev/urandom | tee /copy" >"$BATS_TEST_TMPDIR/bytes"
        equal "$size" "$(stat -c %s "$BATS_TEST_TMPDIR/bytes")"
        equal "$(sha256sum <"$BATS_TEST_TMPDIR/bytes")" "$(dk exec exec-box sh -c 'cat /copy' | sha256sum)"
    done
}

@test "-it gives a terminal of the client's size, of its own" {
    run -0 on_terminal 33 101 exec -it exec-box sh -c 'tty; until stty size | grep "33 101"; do sleep 0.1; done; test -t 0 && echo terminal; echo $TERM'
    expect /dev/pts/0
    expect "33 101"
    expect terminal
    expect xterm
}

@test "a terminal can be given its size before and after it begins" {
    id=$(new_exec '{"Cmd":["sh","-c","while ! [ -e /go ]; do sleep 0.1; done; stty size; rm /go"],"Tty":true,"AttachStdout":true}')
    run -0 api POST "/v1.50/exec/$id/resize?h=20&w=70"
    equal 200 "${lines[-1]}"
    api POST "/v1.50/exec/$id/start" -H 'Content-Type: application/json' -d '{"Tty":true,"ConsoleSize":[10,10]}' >"$BATS_TEST_TMPDIR/out" 3>&- &
    wait_for 20 exec_is "$id" .Running true
    run -0 dk exec exec-box sh -c 'stty size </dev/pts/0'
    equal "20 70" "$output"
    run -0 api POST "/v1.50/exec/$id/resize?h=22&w=77"
    equal 200 "${lines[-1]}"
    dk exec exec-box touch /go
    wait $!
    equal "22 77" "$(head -n 1 "$BATS_TEST_TMPDIR/out" | tr -d '\r')"
    run -0 api POST "/v1.50/exec/$id/resize?h=22&w=77"
    equal 409 "${lines[-1]}"
    run -0 api POST "/v1.50/exec/$id/resize?h=x&w=77"
    equal 400 "${lines[-1]}"
    id=$(new_exec '{"Cmd":["stty","size"],"Tty":true,"AttachStdout":true,"ConsoleSize":[12,34]}')
    run -0 api POST "/v1.50/exec/$id/start" -H 'Content-Type: application/json' -d '{"Tty":true}'
    expect "12 34"
}

@test "-d returns at once; the process goes on, its output goes nowhere" {
    run -0 dk exec -d exec-box sh -c 'head -c 1000000 /dev/zero; echo $$ >/detached; exec sleep 1000'
    equal "" "$output"
    wait_for 20 dk exec exec-box test -s /detached
    [[ $(ids exec-box) =~ ^\[\"[0-9a-f]{64}\"\]$ ]]
    id=$(ids exec-box | jq -r '.[0]')
    equal true "$(exec_field "$id" .Running)"
    equal null "$(exec_field "$id" .ExitCode)"
    dk exec exec-box sh -c 'kill $(cat /detached)'
    wait_for 20 exec_is "$id" .ExitCode 143
    run dk exec -d exec-box no-such-command
    [ "$status" -ne 0 ]
    expect 'executable file not found in $PATH'
}

@test "--privileged has every capability, else Docker's set" {
    equal 00000000a80425fb "$(dk exec exec-box awk '/CapEff/ {print $2}' /proc/self/status)"
    full=$(dk exec --privileged exec-box awk '/CapEff/ {print $2}' /proc/self/status)
    [[ $full =~ ^0000[0-9a-f]{3}fffffffff$ ]]
    run -0 dk exec --privileged exec-box sh -c 'mkdir -p /m && mount -t tmpfs none /m && umount /m'
    run -1 dk exec exec-box mount -t tmpfs none /m
}

@test "events tell its creation, start and end" {
    since=$(date +%s.%N)
    run -3 dk exec exec-box sh -c 'exit 3'
    until=$(date +%s.%N)
    dk events --since "$since" --until "$until" --filter container=exec-box \
        --format '{{json .}}' | jq -r '"\(.Action) \(.Actor.Attributes.exitCode) \(.Actor.Attributes.execID | length)"' >"$BATS_TEST_TMPDIR/events"
    equal "exec_create: sh -c exit 3 null 64" "$(sed -n 1p "$BATS_TEST_TMPDIR/events")"
    equal "exec_start: sh -c exit 3 null 64" "$(sed -n 2p "$BATS_TEST_TMPDIR/events")"
    equal "exec_die 3 64" "$(sed -n 3p "$BATS_TEST_TMPDIR/events")"
    equal 1 "$(dk events --since "$since" --until "$until" --filter event=exec_start | wc -l)"
}

@test "what is asked of it is honoured or refused, and answered as by Docker" {
    while read -r code message body; do
        run -0 api POST /v1.50/containers/exec-box/exec -H 'Content-Type: application/json' -d "$body"
        equal "$body $code" "$body ${lines[-1]}"
        expect "${message//_/ }"
    done <<'END'
400 No_exec_command_specified {"Cmd":[]}
400 Cmd {"Cmd":[1]}
400 invalid_environment_variable {"Cmd":["a"],"Env":["=x"]}
400 absolute_path {"Cmd":["a"],"WorkingDir":"x"}
400 ConsoleSize {"Cmd":["a"],"ConsoleSize":[1]}
400 Invalid_escape_keys_(ctrl-xy)_provided {"Cmd":["a"],"DetachKeys":"ctrl-xy"}
201 Id {"Cmd":"a","DetachKeys":"ctrl-p,ctrl-q","Unknown":1}
END
    id=$(new_exec '{"Cmd":["cat"],"AttachStdin":true,"AttachStdout":true}')
    run -0 api POST "/v1.50/exec/$id/start" -H 'Content-Type: application/json' -d '{}'
    equal 400 "${lines[-1]}"
    expect "Upgrade: tcp"
    id=$(new_exec '{"Cmd":["echo","text"],"AttachStdout":true}')
    run -0 api POST "/v1.50/exec/$id/start" -H 'Content-Type: application/json' -d '{"Tty":true}'
    equal "text 200" "${lines[*]}"
    run -0 api POST "/v1.50/exec/$id/start" -H 'Content-Type: application/json' -d '{"Tty":true}'
    equal 409 "${lines[-1]}"
    expect "has already run"
    equal "0 false true false echo text" "$(exec_field "$id" '"\(.ExitCode) \(.Running) \(.OpenStdout) \(.OpenStderr) \(.ProcessConfig.entrypoint) \(.ProcessConfig.arguments[0])"')"
    for request in 'GET json' 'POST start' 'POST resize?h=1&w=1'; do
        run -0 api "${request% *}" "/v1.50/exec/nosuch/${request#* }"
        equal 404 "${lines[-1]}"
        expect "No such exec instance: nosuch"
    done
}

@test "50 at once in one container" {
    local pids=() before
    before=$(ids exec-box)
    for i in $(seq 50); do
        dk exec exec-box sh -c "sleep 2; echo $i" >"$BATS_TEST_TMPDIR/$i" 3>&- &
        pids+=("$!")
    done
    for i in $(seq 50); do
        wait "${pids[i - 1]}"
        equal "$i" "$(cat "$BATS_TEST_TMPDIR/$i")"
    done
    equal "$before" "$(ids exec-box)"
}

@test "a client that does not read holds up its own process only" {
    mkfifo "$BATS_TEST_TMPDIR/stalled"
    dk exec exec-box sh -c 'head -c 20000000 /dev/zero; echo end >/stalled-end' >"$BATS_TEST_TMPDIR/stalled" 3>&- &
    client=$!
    exec {reader}<"$BATS_TEST_TMPDIR/stalled"
    head -c 1 <&"$reader" >"$BATS_TEST_TMPDIR/first"
    equal 10000000 "$(dk exec exec-box head -c 10000000 /dev/zero | wc -c)"
    run -1 dk exec exec-box test -e /stalled-end
    equal $((20000000 - $(stat -c %s "$BATS_TEST_TMPDIR/first"))) "$(cat <&"$reader" | wc -c)"
    exec {reader}<&-
    wait "$client"
    run -0 dk exec exec-box cat /stalled-end
}

@test "a client that leaves ends the process's stdin, and nothing else" {
    mkfifo "$BATS_TEST_TMPDIR/in"
    dk exec -i exec-box sh -c 'cat; echo $$ >/left; exec sleep 1000' <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 3>&- &
    client=$!
    exec {writer}>"$BATS_TEST_TMPDIR/in"
    echo here >&"$writer"
    wait_for 20 grep -q here "$BATS_TEST_TMPDIR/out"
    kill -KILL "$(pgrep -P "$client" || echo "$client")"
    wait "$client" || :
    exec {writer}>&-
    wait_for 20 dk exec exec-box test -s /left
    run -0 dk exec exec-box sh -c 'kill $(cat /left)'
}

@test "a container that does not run has no exec, one that is gone neither" {
    dk create --name exec-own busybox sleep 1000
    run -1 dk exec exec-own true
    expect "container $(dk inspect -f '{{.Id}}' exec-own) is not running"
    run -0 api POST /v1.50/containers/exec-own/exec -H 'Content-Type: application/json' -d '{"Cmd":["true"]}'
    equal 409 "${lines[-1]}"
    dk rm exec-own
    run -0 api POST /v1.50/containers/exec-own/exec -H 'Content-Type: application/json' -d '{"Cmd":["true"]}'
    equal 404 "${lines[-1]}"
    expect "No such container: exec-own"
}

@test "it ends with its container, whose next run knows none of it" {
    for end in 'stop -t 1' kill; do
        dk run -d --name exec-own busybox sleep 1000
        out="$BATS_TEST_TMPDIR/${end%% *}"
        dk exec exec-own sh -c 'echo up; exec sleep 2000' >"$out" 3>&- &
        client=$!
        wait_for 20 grep -q up "$out"
        id=$(ids exec-own | jq -r '.[0]')
        # shellcheck disable=SC2086 # a command and its option
        dk $end exec-own
        code=0
        wait "$client" || code=$?
        equal 137 "$code"
        equal null "$(ids exec-own)"
        equal 137 "$(exec_field "$id" .ExitCode)"
        dk start exec-own
        run -0 api GET "/v1.50/exec/$id/json"
        equal 404 "${lines[-1]}"
        equal "sleep 1000" "$(dk exec exec-own sh -c 'tr "\0" " " </proc/1/cmdline' | xargs)"
        dk rm -f exec-own
    done
}

pid_of() { vch_field ".daemons.\"$1\".pid"; }
gone() { [ "$(pid_of "$1")" = 0 ]; }

@test "either daemon killed under an exec: the client's stream ends, the process goes on, new ones work" {
    mkfifo "$BATS_TEST_TMPDIR/silent" # somebody who types nothing, and is there as long as we are
    exec {silent}<>"$BATS_TEST_TMPDIR/silent"
    for daemon in vic-portlayer vic-docker; do
        dk run -d --name "exec-own-$daemon" busybox sleep 1000
        dk exec -i "exec-own-$daemon" sh -c 'echo up; cat; head -c 1000000 /dev/zero; echo $$ >/on; exec sleep 2000' \
            <&"$silent" >"$BATS_TEST_TMPDIR/$daemon" 2>&1 3>&- &
        client=$!
        wait_for 20 grep -q up "$BATS_TEST_TMPDIR/$daemon"
        pid=$(pid_of "$daemon")
        [ "$pid" -gt 1 ] # 0 would be us all
        kill -KILL "$pid"
        wait "$client" || :
        wait_for 10 gone "$daemon"
        machine start --name "$VCH"
        VIC_HOST=$(vch_field .docker_host)
        run -0 dk exec "exec-own-$daemon" echo again
        equal again "$output"
        wait_for 20 dk exec "exec-own-$daemon" test -s /on
        run -0 dk exec "exec-own-$daemon" sh -c 'kill $(cat /on)'
        dk stop -t 1 "exec-own-$daemon"
    done
}
