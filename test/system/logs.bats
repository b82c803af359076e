# Log options: limits on what is kept, while it is followed and over restarts; drivers; details.
load common

teardown_file() { remove_all logs-; }

# The datastore's own idea of what a container's output takes, in KiB.
kept_kib() {
    local id
    id=$(dk inspect -f '{{.Id}}' "$1")
    du -k -c "$SUITE"/vchs/*/containers/"$id"/output.*.log | tail -n 1 | cut -f 1
}
small() { [ "$(kept_kib "$1")" -le "$2" ]; }
is_over() { [ "$(state "$1")" = "exited 0" ]; }
# Lines "0 padding" ... as seq makes them: without a hole among them, up to the last.
ends_whole() { # LAST
    awk -v last="$1" 'NR == 1 { n = $1 } $1 != n { exit 1 } { n++ } END { exit n != last + 1 }'
}

@test "a limit bounds what is kept, and what is left is whole; who follows misses nothing" {
    dk create --name logs-limited --log-opt max-size=100k --log-opt max-file=2 busybox sh -c \
        'yes "0123456789012345678901234567890123456789" | head -n 60000 | awk "{ print NR, \$0 }"'
    dk start -a logs-limited >"$BATS_TEST_TMPDIR/attached"
    wait_for 60 is_over logs-limited
    equal 60000 "$(wc -l <"$BATS_TEST_TMPDIR/attached")"
    ends_whole 60000 <"$BATS_TEST_TMPDIR/attached"
    wait_for 10 small logs-limited 210
    dk logs logs-limited >"$BATS_TEST_TMPDIR/left"
    ends_whole 60000 <"$BATS_TEST_TMPDIR/left"
    [ "$(wc -c <"$BATS_TEST_TMPDIR/left")" -gt 100000 ]
    equal "60000 59999" "$(dk logs --tail 2 logs-limited | cut -d' ' -f1 | sort -rn | xargs)"
    equal '{json-file map[max-file:2 max-size:100k]}' "$(dk inspect -f '{{.HostConfig.LogConfig}}' logs-limited)"

    # The next run pushes the one before out.
    dk start logs-limited
    wait_for 60 is_over logs-limited
    wait_for 10 small logs-limited 210
    dk logs logs-limited | ends_whole 60000
}

@test "without options all is kept" {
    dk run --name logs-all busybox seq 30000 >"$BATS_TEST_TMPDIR/out"
    dk start logs-all
    wait_for 60 is_over logs-all
    equal 60000 "$(dk logs logs-all | wc -l)"
}

@test "the driver none: attached clients get the output, logs refuses; others are refused" {
    equal "3 lines here" "$(dk run --name logs-none --log-driver none busybox echo 3 lines here)"
    run -1 dk logs logs-none
    expect "configured logging driver does not support reading"
    equal none "$(dk inspect -f '{{.HostConfig.LogConfig.Type}}' logs-none)"
    run -125 dk run --log-driver syslog busybox true
    expect "use json-file, local or none"
    run -125 dk run --log-opt max-sizes=1 busybox true
    expect "unknown log opt 'max-sizes' for json-file log driver"
}

@test "details are the labels and variables that were asked for" {
    dk run --name logs-details --label a=1 --label b=2 -e X=y --log-opt labels=b --log-opt env=X busybox echo hello
    equal "b=2,X=y hello" "$(dk logs --details logs-details)"
    equal "hello" "$(dk logs logs-details)"
}

@test "who says much and is read as fast as it can be holds up no other: the quiet one's line comes while it writes" {
    dk run -d --name logs-loud --log-opt max-size=10m busybox sh -c 'until [ -e /stop ]; do cat /bin/busybox; done'
    dk run -d -i --name logs-quiet busybox sh -c 'while read x; do echo "got $x"; done'
    dk logs -f logs-loud >/dev/null 3>&- &
    loud=$!
    dk logs -f logs-quiet >"$BATS_TEST_TMPDIR/quiet" 3>&- &
    quiet=$!
    wait_for 40 said_more_than 20000000
    for word in one two three; do
        echo "$word" | dk attach --sig-proxy=false logs-quiet >/dev/null 3>&- &
        wait_for 20 grep -q "got $word" "$BATS_TEST_TMPDIR/quiet"
    done
    wait_for 20 said_more_than "$(said)"
    kill -0 "$loud"
    kill "$loud" "$quiet"
}
said() { stat -c %s "$SUITE"/vchs/*/containers/"$(dk inspect -f '{{.Id}}' logs-loud)"/output.1.log; }
said_more_than() { [ "$(said)" -gt "$1" ]; }

@test "who follows until a time is let go then, whatever there was to read first" {
    dk run -d --name logs-until busybox sh -c 'head -c 3000000 /dev/zero | tr "\0" x; sleep 1000'
    wait_for 60 eval '[ "$(dk logs logs-until | wc -c)" = 3000000 ]'
    run -0 bash -c "'$DOCKER' -H '$VIC_HOST' logs -f --until $(($(date +%s) + 4)) logs-until | wc -c"
    equal 3000000 "$output"
}
