# What one sees of a running container from outside: its processes, what it uses, its whole disk.
load common

setup_file() {
    dk run -d --name watch-main busybox sleep 3600
}
teardown_file() {
    dk rm -f watch-main
}
teardown() { remove_all watch-x; }

sh_in() { dk exec watch-main sh -c "$1"; }
# Another process of the container, known by a file: not a child of its first one, which reaps nothing.
beside() { # FILE COMMAND
    dk exec -d watch-main sh -c "echo \$\$ >$1; exec $2"
    wait_for 20 dk exec watch-main test -s "$1"
}
end_beside() { # FILE
    sh_in "kill \$(cat $1)"
    wait_for 20 is_alone
}
is_alone() { [ "$(dk top watch-main | wc -l)" = 2 ]; }

@test "diff tells what was changed of the image, of a container that runs and of one that does not" {
    equal "" "$(dk diff watch-main)"
    sh_in 'mkdir -p /srv/a && echo 1 >/srv/a/f && rm /bin/vi && chmod 700 /bin && mv /bin/wc /srv/wc'
    want='C /bin
D /bin/vi
D /bin/wc
A /srv
A /srv/a
A /srv/a/f
A /srv/wc'
    equal "$want" "$(dk diff watch-main)"
    dk pause watch-main
    equal "$want" "$(dk diff watch-main)"
    dk unpause watch-main
    equal '{"Path":"/srv/a/f","Kind":1}' "$(api GET /v1.50/containers/watch-main/changes | sed '$d' | jq -c '.[5]')"
    sh_in 'chmod 755 /bin && mv /srv/wc /bin && rm -r /srv'
    equal "C /bin
D /bin/vi" "$(dk diff watch-main)"
    dk create --name watch-x busybox true
    echo in >"$BATS_TEST_TMPDIR/in"
    dk cp "$BATS_TEST_TMPDIR/in" watch-x:/in
    equal "A /in" "$(dk diff watch-x)"
    run -1 dk diff watch-none
    expect "No such container: watch-none"
}

@test "an export is what the container's own find sees, and the container's name for it" {
    cd "$BATS_TEST_TMPDIR"
    sh_in 'mkdir -p /var/tmp/a/b && echo 1 >/var/tmp/a/b/.c && ln -s b /var/tmp/a/l && ln /var/tmp/a/b/.c /var/tmp/a/h'
    dk export -o all.tar watch-main
    # Docker's mounts and the files laid over the image's are not on the disk.
    sh_in 'find / -xdev' | grep -vE '^/((dev|proc|sys)|etc/(hosts|hostname|resolv.conf))?$' | sed 's|^/||' | sort >found
    tar -tf all.tar | sed 's|/$||' | grep -vE '^((dev|proc|sys)|etc/(hosts|hostname|resolv.conf))$' | sort >exported
    diff found exported
    mkdir x && tar -xf all.tar -C x var/tmp/a
    equal 1 "$(cat x/var/tmp/a/l/.c)"
    [ x/var/tmp/a/h -ef x/var/tmp/a/b/.c ]
    [ "$(tar -tf all.tar | grep -c '^[./]')" = 0 ]
}

@test "top lists what runs, as ps would" {
    beside /var/tmp/sleeper "sleep 1234"
    wait_for 20 sh -c "$DOCKER -H $VIC_HOST top watch-main -o pid,args | grep -q 'sleep 1234'"
    run -0 dk top watch-main
    [[ ${lines[0]} =~ ^UID\ +PID\ +PPID\ +C\ +STIME\ +TTY\ +TIME\ +CMD$ ]]
    [[ $output =~ root\ +[0-9]+\ +[0-9]+\ +[0-9]+\ +[A-Za-z0-9:]+\ +\?\ +00:00:0[0-9]\ +"sleep 3600" ]]
    equal 2 "$(dk top watch-main -o pid,args | grep -c 'sleep [13]')"
    run -0 dk top watch-main aux
    [[ ${lines[0]} =~ ^USER\ +PID\ +%CPU\ +%MEM\ +VSZ\ +RSS\ +TTY\ +STAT\ +START\ +TIME\ +COMMAND$ ]]
    equal 3 "${#lines[@]}"
    end_beside /var/tmp/sleeper
    run -1 dk top watch-main -o comm
    expect "Couldn't find PID field"
    run -1 dk top watch-main -H
    expect "'-H' of ps is not served here"
}

@test "stats are those of the container: CPU, memory, processes, disk, network" {
    equal "0.00% 1" "$(dk stats --no-stream --format '{{.CPUPerc}} {{.PIDs}}' watch-main | sed 's/^0\.[0-9]*/0.00/')"
    memory() { api GET "/v1.50/containers/watch-main/stats?stream=0&one-shot=1" | head -1 | jq .memory_stats.usage; }
    before=$(memory)
    sh_in 'head -c 50000000 /dev/zero >/dev/shm/x'
    beside /var/tmp/busy "sh -c 'while :; do :; done'"
    grown=$(($(memory) - before))
    [ "$grown" -gt 48000000 ]
    [ "$grown" -lt 60000000 ]
    run -0 api GET "/v1.50/containers/watch-main/stats?stream=0"
    end_beside /var/tmp/busy
    sh_in 'rm /dev/shm/x'
    doc=${lines[0]}
    jq -e '(.cpu_stats.cpu_usage.total_usage - .precpu_stats.cpu_usage.total_usage)
        / (.cpu_stats.system_cpu_usage - .precpu_stats.system_cpu_usage) * .cpu_stats.online_cpus
        | . > 0.8 and . < 1.05' <<<"$doc"
    jq -e '.pids_stats.current == 2 and .pids_stats.limit > 100 and .name == "/watch-main"' <<<"$doc"
    jq -e '.memory_stats.stats.shmem >= 50000000 and .memory_stats.limit > .memory_stats.usage' <<<"$doc"
    jq -e '[.blkio_stats.io_service_bytes_recursive[] | select(.op == "read").value] | add > 0' <<<"$doc"
    jq -e '.networks.eth0.tx_packets > 0 and .vm_stats.memory_usage > .memory_stats.usage' <<<"$doc"
    run -0 api GET "/v1.50/containers/watch-main/stats?one-shot=1"
    equal 400 "${lines[-1]}"
}

@test "a stream of stats goes on until its client leaves, and follows what starts" {
    curl -sN -m 60 --unix-socket "${VIC_HOST#unix://}" "http://d/v1.50/containers/watch-main/stats" \
        >"$BATS_TEST_TMPDIR/stream" 3>&- &
    stats=$!
    wait_for 50 eval '[ "$(wc -l <"$BATS_TEST_TMPDIR/stream")" -ge 2 ]'
    kill "$stats"
    sed -n 2p "$BATS_TEST_TMPDIR/stream" | jq -e '.preread != "0001-01-01T00:00:00Z"'
    timeout 60 "$DOCKER" -H "$VIC_HOST" stats >"$BATS_TEST_TMPDIR/all" 3>&- &
    stats=$!
    wait_for 20 grep -q watch-main "$BATS_TEST_TMPDIR/all"
    dk run -d --name watch-x-late busybox sleep 600
    wait_for 20 grep -q watch-x-late "$BATS_TEST_TMPDIR/all"
    kill "$stats"
    dk create --name watch-x-not busybox true
    equal "0.00% 0B / 0B" "$(dk stats --no-stream --format '{{.CPUPerc}} {{.MemUsage}}' watch-x-not)"
    run -0 api GET "/v1.50/containers/watch-none/stats"
    equal 404 "${lines[-1]}"
}

@test "a client of an export that stalls or leaves costs nothing" {
    sh_in 'head -c 20000000 /dev/urandom >/var/tmp/large'
    clients=()
    for _ in $(seq 16); do # as many as may be at once
        curl -sN --unix-socket "${VIC_HOST#unix://}" --limit-rate 1k -m 3 -o /dev/null \
            "http://d/v1.50/containers/watch-main/export" 3>&- &
        clients+=("$!")
    done
    for client in "${clients[@]}"; do wait "$client" || [ $? = 28 ]; done # their time is over
    equal "$(sh_in 'sha256sum </var/tmp/large')" "$(dk export watch-main | tar -xOf - var/tmp/large | sha256sum)"
}

@test "of a container that does not run, or is not there, it says so" {
    dk create --name watch-x-created busybox true
    run -0 api GET "/v1.50/containers/watch-x-created/top" # stats of it are zeros
    equal 409 "${lines[-1]}"
    expect "is not running"
    dk export watch-x-created | tar -tf - etc/passwd
    for what in export top; do
        run -0 api GET "/v1.50/containers/watch-none/$what"
        equal 404 "${lines[-1]}"
        expect "No such container: watch-none"
    done
}
