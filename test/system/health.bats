# Healthchecks: probes that run in the container, and what ps, inspect and events make of them.
load common

teardown_file() { remove_all health-; }

health() { dk inspect -f '{{.State.Health.Status}}' "$1"; }
is() { [ "$(health "$1")" = "$2" ]; }
last() { dk inspect -f '{{with .State.Health}}{{(index .Log '"$1"').ExitCode}} {{json (index .Log '"$1"').Output}}{{end}}' health-main; }

@test "probes make it healthy and unhealthy, by the file they look at" {
    since=$(date +%s)
    dk run -d --name health-main --health-cmd 'echo probe of $(id -u); test -e /tmp/ok' --health-interval 300ms \
        --health-retries 2 --health-timeout 20s -u 1000 busybox sh -c 'mkdir -p /tmp; sleep 1000'
    wait_for 60 is health-main unhealthy
    equal '1 "probe of 1000\n"' "$(last 0)"
    run -0 dk ps --filter name=health-main --filter health=unhealthy --format '{{.Status}}'
    expect "(unhealthy)"
    dk exec -u 0 health-main touch /tmp/ok
    wait_for 60 is health-main healthy
    run -0 dk ps --filter name=health-main --filter health=healthy --format '{{.Status}}'
    expect "(healthy)"
    equal "" "$(dk ps -q --filter name=health-main --filter health=starting)"
    equal 0 "$(dk inspect -f '{{.State.Health.FailingStreak}}' health-main)"
    [ "$(dk inspect -f '{{len .State.Health.Log}}' health-main)" -le 5 ]
    equal "" "$(dk logs health-main)"
    run -0 dk events --since "$since" --until "$(($(date +%s) + 1))" --filter container=health-main \
        --filter event=health_status --format '{{.Action}}'
    equal "health_status: unhealthy health_status: healthy" "$(xargs <<<"$output")"
    dk events --since "$since" --until "$(($(date +%s) + 1))" --filter container=health-main \
        --filter event=exec_die --format '{{.Actor.Attributes.exitCode}}' | grep -q '^1$'
}

@test "without probes it is not healthy: paused, stopped; it begins anew with a start" {
    dk pause health-main
    equal unhealthy "$(health health-main)" # nobody looks
    dk unpause health-main
    wait_for 60 is health-main healthy
    dk exec -u 0 health-main rm /tmp/ok
    wait_for 60 is health-main unhealthy
    dk stop -t 0 health-main
    equal unhealthy "$(health health-main)"
    dk start health-main
    wait_for 60 is health-main unhealthy
}

@test "a probe that takes too long has failed, and so has one that cannot be run" {
    dk run -d --name health-slow --health-cmd 'echo begun; exec sleep 1000' --health-interval 100ms --health-timeout 700ms \
        --health-retries 1 busybox sleep 1000
    run -0 api POST '/v1.50/containers/create?name=health-none' -H 'Content-Type: application/json' \
        -d '{"Image":"busybox","Cmd":["sleep","1000"],"Healthcheck":{"Test":["CMD","/no/such"],"Interval":100000000,"Retries":1}}'
    dk start health-none
    wait_for 60 is health-slow unhealthy
    run -0 dk inspect -f '{{json .State.Health.Log}}' health-slow
    expect '"ExitCode":-1,"Output":"Health check exceeded timeout (700ms)'
    wait_for 60 few_sleeps # what was late is killed
    wait_for 60 is health-none unhealthy
    run -0 dk inspect -f '{{json .State.Health.Log}}' health-none
    expect '"ExitCode":-1,"Output":"'
    expect '/no/such'
    equal 100ms "$(dk inspect -f '{{.Config.Healthcheck.Interval}}' health-none)"
}
few_sleeps() { [ "$(dk top health-slow -o pid,args | grep -c 'sleep 1000')" -le 2 ]; }

@test "what makes no sense is refused; without a probe there is no health" {
    run -125 dk run --health-cmd true --health-retries -1 busybox true
    run -125 dk run --health-cmd true --no-healthcheck busybox true
    run -0 api POST /v1.50/containers/create -H 'Content-Type: application/json' \
        -d '{"Image":"busybox","Cmd":["a"],"Healthcheck":{"Test":["curl","x"]}}'
    equal 400 "${lines[-1]}"
    expect "Unknown healthcheck type 'curl'"
    dk create --name health-without --no-healthcheck busybox true
    equal "<nil>" "$(dk inspect -f '{{.State.Health}}' health-without)"
    equal health-without "$(dk ps -a --filter name=health-without --filter health=none --format '{{.Names}}')"
}
