# What one sees of containers: logs with their options, ps and its filters, inspect, events, wait.
load common

teardown() { remove_all obs-; }

three_lines() { # NAME: a container that wrote a line a second, numbered, the second on stderr
    dk run --name "$1" busybox sh -c 'echo one; sleep 1; echo two >&2; sleep 1; echo three' >&2
}

@test "logs: tail, since, until, timestamps, details and both streams" {
    three_lines obs-logs
    equal "one three" "$(dk logs obs-logs 2>/dev/null | xargs)"
    equal two "$(dk logs obs-logs 2>&1 >/dev/null)"
    equal "two three" "$(dk logs --tail 2 obs-logs 2>&1 | sort -r | xargs)"
    equal "" "$(dk logs --tail 0 obs-logs 2>&1)"
    run -0 dk logs -t --tail 1 obs-logs
    [[ $output =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z\ three$ ]]
    at=${output% three}
    equal three "$(dk logs --since "$at" obs-logs 2>&1)"
    run -0 dk logs --until "$at" obs-logs
    expect one
    equal "one three two" "$(dk logs --details obs-logs 2>&1 | sort | xargs)"
    run -1 dk logs obs-nobody
    expect "No such container"
}

@test "logs -f follows to the end of the run, over the restart before it too" {
    dk run -d --name obs-follow busybox sh -c 'for i in 1 2 3 4 5; do echo $i; sleep 0.5; done'
    equal "1 2 3 4 5" "$(dk logs -f obs-follow | xargs)"
    dk start obs-follow
    equal "1 2 3 4 5 1 2 3 4 5" "$(dk logs -f obs-follow | xargs)"
}

@test "binary output is kept byte for byte" {
    dk run --name obs-binary busybox sh -c 'head -c 2000000 /dev/urandom >/copy; cat /copy' >"$BATS_TEST_TMPDIR/out"
    equal "$(sha256sum <"$BATS_TEST_TMPDIR/out")" "$(dk logs obs-binary | sha256sum)"
}

names() { dk ps -a --filter "name=obs-" --format '{{.Names}}' "$@" | sort | xargs; }

@test "ps: filters, columns, limits" {
    dk run --name obs-ended --label kind=short busybox sh -c 'exit 3' || [ $? = 3 ]
    dk create --name obs-created --label kind=none debian-demo true
    dk run -d --name obs-running --label kind=long busybox sleep 600
    equal "obs-created obs-ended obs-running" "$(names)"
    equal obs-running "$(names --filter status=running)"
    equal obs-ended "$(names --filter exited=3)"
    equal obs-running "$(names --filter label=kind=long)"
    equal "obs-created obs-ended obs-running" "$(names --filter label=kind)"
    equal obs-created "$(names --filter ancestor=debian-demo)"
    equal "obs-created obs-running" "$(names --filter since=obs-ended)"
    equal obs-ended "$(names --filter before=obs-created)"
    equal obs-running "$(names --filter network=bridge --filter status=running)"
    equal obs-running "$(dk ps -l --format '{{.Names}}')"
    equal 2 "$(dk ps -n 2 -q | wc -l)"
    run -0 dk ps --no-trunc --filter name=obs-running --format '{{.Command}} {{.Status}} {{.Image}}'
    [[ $output =~ ^\"sleep\ 600\"\ Up\ .*\ busybox$ ]]
    run -0 dk ps -as --filter name=obs-ended --format '{{.Size}}'
    [[ $output =~ ^[1-9].*virtual\ [1-9] ]]
    run -1 dk ps --filter nonsense=1
    expect "invalid filter"
}

@test "ps shows the ports of what runs, and the image's id once its name means another" {
    dk tag busybox obs-moving:1
    dk run -d --name obs-moved --expose 80 --expose 53/udp obs-moving:1 sleep 600
    equal "obs-moving:1" "$(dk ps --filter name=obs-moved --format '{{.Image}}')"
    equal "53/udp 80/tcp" "$(dk ps --filter name=obs-moved --format '{{.Ports}}' | tr -d , | tr ' ' '\n' | sort | xargs)"
    dk tag debian-demo obs-moving:1
    equal "$(dk inspect -f '{{.Image}}' obs-moved | cut -c8-19)" "$(dk ps --filter name=obs-moved --format '{{.Image}}')"
    [[ $(dk ps --no-trunc) == *"$(dk inspect -f '{{.Image}}' obs-moved)"* ]] # without a filter too
    dk tag busybox obs-moving:1
    [[ $(dk ps) == *obs-moving:1* ]]
    equal obs-moving:1 "$(dk inspect -f '{{.Config.Image}}' obs-moved)"
    dk kill obs-moved
    equal "" "$(dk ps -a --filter name=obs-moved --format '{{.Ports}}')"
    dk rmi obs-moving:1
    run -1 dk ps --filter health=splendid
    expect "invalid value for health"
}

@test "prune removes what does not run, is old enough and has the labels" {
    since=$(date +%s.%N)
    dk create --name obs-kept --label prune=obs --label keep=1 busybox true
    gone=$(dk create --name obs-gone --label prune=obs busybox true)
    dk run -d --name obs-runs --label prune=obs busybox sleep 600
    run -0 dk container prune -f --filter label=prune=obs --filter until=1h
    expect "Total reclaimed space: 0B"
    equal "obs-gone obs-kept obs-runs" "$(names)"
    run -0 dk container prune -f --filter label=prune=obs --filter 'label!=keep=1' --filter until=0s
    expect "Deleted Containers:"
    equal "$gone" "${lines[1]}"
    equal "obs-kept obs-runs" "$(names)"
    run -1 dk container prune -f --filter until=soon
    expect "invalid time 'soon'"
    for kind in network volume builder; do
        dk "$kind" prune -f
    done
    run -0 dk events --since "$since" --until "$(($(date +%s) + 1))" --filter event=prune \
        --format '{{.Type}} {{.Actor.ID}}{{if .Actor.Attributes.reclaimed}}told{{end}}'
    equal "container told,container told,network told,volume told,builder told" "$(paste -sd, <<<"$output")"
}

@test "image prune removes what has no tag, or what no container uses and the filters name" {
    dk pull -q "$(image multi)"
    by_digest=$(dk inspect -f '{{index .RepoDigests 0}}' "$(image multi)")
    id=$(dk inspect -f '{{.Id}}' "$(image multi)")
    run -0 dk image prune -f
    dk inspect "$id" >/dev/null # it has a tag
    dk rmi "$(image multi)"
    dk pull -q "$by_digest"
    dk create --name obs-image "$by_digest" true
    run -0 dk image prune -f
    dk inspect "$id" >/dev/null # it has a container
    dk rm obs-image
    run -0 dk image prune -f --filter label=no-such-label
    expect "Total reclaimed space: 0B"
    run -0 dk image prune -f
    expect "deleted: $id"
    run -1 dk image inspect "$id"
    expect "No such image"
    run -1 dk image prune -f --filter dangling=maybe
    expect "invalid filter 'dangling"
}

@test "inspect: state, times, configuration, network, and an id's prefix" {
    id=$(dk run -d --name obs-inspect -e A=b --label l=1 -h box busybox sleep 600)
    equal "$id" "$(dk inspect -f '{{.Id}}' "${id:0:12}")"
    equal "$id" "$(dk inspect -f '{{.Id}}' "${id:0:7}")"
    run -0 dk inspect -f '{{.Name}} {{.Config.Hostname}} {{index .Config.Labels "l"}} {{json .Config.Cmd}} {{.State.Running}} {{.HostConfig.NetworkMode}}' obs-inspect
    equal '/obs-inspect box 1 ["sleep","600"] true bridge' "$output"
    [ "$(dk inspect -f '{{.State.Pid}}' obs-inspect)" -gt 0 ]
    dk kill obs-inspect
    run -0 dk inspect -f '{{.State.StartedAt}} {{.State.FinishedAt}}' obs-inspect
    read -r started finished <<<"$output"
    [[ $started < $finished ]]
    run -1 dk inspect obs-nobody
    expect "No such object"
}

@test "events: each once, in order, replayed for what happened while nobody listened" {
    since=$(date +%s)
    dk run --rm --cidfile "$BATS_TEST_TMPDIR/id" --name obs-events --label l=1 busybox true
    id=$(<"$BATS_TEST_TMPDIR/id")
    until=$(($(date +%s) + 1))
    run -0 dk events --since "$since" --until "$until" --filter container=obs-events --format '{{.Action}}'
    equal "create attach start die destroy" "$(xargs <<<"$output")"
    run -0 dk events --since "$since" --until "$until" --filter type=network \
        --format '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}} {{.Actor.Attributes.container}}'
    expect "connect bridge bridge $id"$'\n'"disconnect bridge bridge $id"
    run -0 api GET "/v1.50/events?until=$until&filters={\"container\":[\"$id\"]}" -g
    expect '"Action":"destroy"'
    run -0 api GET "/v1.50/events?since=2&until=1"
    equal 400 "${lines[-1]}"
    expect '`since` time (2) cannot be after `until` time (1)'
    run -0 dk events --since "$since" --until "$until" --filter container=obs-events --filter event=die \
        --format '{{.Actor.Attributes.exitCode}} {{.Actor.Attributes.execDuration}} {{.Actor.Attributes.name}} {{.Actor.Attributes.image}} {{.Actor.Attributes.l}}'
    [[ $output =~ ^0\ [0-9]+\ obs-events\ busybox\ 1$ ]]
}

@test "wait returns at the end of a run, for several containers" {
    dk run -d --name obs-w1 busybox sh -c 'sleep 2; exit 4'
    dk run -d --name obs-w2 busybox sh -c 'exit 5'
    equal "4 5" "$(dk wait obs-w1 obs-w2 | xargs)"
}
