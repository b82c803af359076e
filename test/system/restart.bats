# Restart policies, on a VCH of this file's own: its daemons are killed.
load common

setup_file() {
    . "$BATS_TEST_DIRNAME/../lib/vch.bash"
    machine create --local --name again --iso "$VIC_ISO" >&2
    VIC_HOST=$(vch_field .docker_host again)
    export VIC_HOST
    dk pull -q "$(image busybox)" >&2
    dk tag "$(image busybox)" busybox
}
teardown_file() {
    . "$BATS_TEST_DIRNAME/../lib/vch.bash"
    machine delete --force --name again >&2
}
teardown() {
    gate_close
    machine start --name again >&2
    remove_all again-
}

field() { dk inspect -f "{{.$2}}" "$1"; } # NAME FIELD
is_state() { [ "$(state "$1")" = "$2" ]; }
has_restarted() { [ "$(field "$1" RestartCount)" -ge "$2" ]; } # NAME TIMES
says() { # TEXT COMMAND...: and fails
    local text=$1 said code=0
    shift
    said=$("$@" 2>&1 </dev/null) || code=$?
    [[ $code != 0 && $said == *"$text"* ]]
}
says_between() { wait_for 150 says "$@"; } # a container is between two runs again and again, and not for long
shows() { dk ps --filter "name=$1" --format '{{.Status}}' | grep -q "$2"; }
actions() { # NAME
    dk events --since 0 --until "$(date +%s.%N)" --filter "container=$1" --format '{{.Action}}' | xargs
}
record() { echo "$SUITE/vchs/again/containers/$(field "$1" Id)/container.json"; }

@test "always: it runs again and again, says so, and a stop ends it" {
    dk run -d --restart always --name again-always busybox sh -c 'echo run; [ ! -e /stay ] || exec sleep 1000; exit 3'
    wait_for 150 has_restarted again-always 3
    wait_for 120 shows again-always '^Restarting (3) '
    wait_for 120 is_state again-always "restarting 3"
    equal "create start die start die start die" "$(actions again-always | cut -d ' ' -f 1-7)"
    says_between "is restarting, wait until the container is running" dk exec again-always true
    says_between restarting timeout -k 5 20 "$DOCKER" -H "$VIC_HOST" attach again-always
    attach() { # as curl says it; false for 409
        run api POST "/v1.50/containers/again-always/attach?stream=1&stdout=1"
        echo "$output"
        [ "${lines[-1]}" != 409 ]
    }
    says_between "is restarting, wait until the container is running" attach
    says_between "container is restarting: stop the container before removing or force remove" dk rm again-always
    dk stop again-always
    equal "exited" "$(field again-always State.Status)"
    equal "false false" "$(field again-always State.Restarting) $(field again-always State.Running)"
    : >"$BATS_TEST_TMPDIR/stay"
    dk cp "$BATS_TEST_TMPDIR/stay" again-always:/stay
    dk start again-always
    equal 0 "$(field again-always RestartCount)"
    run -0 dk rm -f again-always
}

@test "on-failure: so many times, and not after success" {
    dk run -d --restart on-failure:1 --name again-failure busybox sh -c 'echo run; exit 4'
    dk run -d --restart on-failure --name again-success busybox sh -c 'echo run; [ -e /ran ] || { touch /ran; exit 1; }'
    wait_for 120 is_state again-failure "exited 4"
    equal 1 "$(field again-failure RestartCount)"
    equal "run run" "$(dk logs again-failure | xargs)"
    wait_for 120 is_state again-success "exited 0"
    equal 1 "$(field again-success RestartCount)"
    equal "on-failure 1" "$(field again-failure HostConfig.RestartPolicy.Name) $(field again-failure HostConfig.RestartPolicy.MaximumRetryCount)"
}

@test "kill is a wish for its end, another signal is none" {
    dk run -d --restart unless-stopped --name again-kill busybox sh -c 'trap "exit 7" HUP; echo ready; while :; do sleep 0.1; done'
    logged() { dk logs again-kill | grep -q ready; }
    wait_for 120 logged
    dk kill -s HUP again-kill
    wait_for 120 has_restarted again-kill 1
    wait_for 120 is_state again-kill "running 0"
    dk kill again-kill
    wait_for 120 is_state again-kill "exited 137"
}

@test "what ended while no daemon ran, and what went with its host, runs again; what was stopped does not; health is remembered" {
    dk run -d --restart unless-stopped --name again-host busybox sleep 600
    dk run -d --restart unless-stopped --name again-stopped busybox sleep 600
    dk run -d --name again-probed --health-cmd true --health-interval 4s busybox sleep 600
    dk run -d --restart always --name again-waits busybox sh -c 'exit 1'
    dk stop -t 0 again-stopped
    wait_for 150 has_restarted again-waits 2
    gate=$(gate)
    dk run -d --restart always --name again-alone busybox sh -c "$gate; exit 1"
    alone=vic-$(vch_field .id again)-$(field again-alone Id | cut -c1-12)
    host=vic-$(vch_field .id again)-$(field again-host Id | cut -c1-12)
    wait_for 60 eval '[ "$(field again-probed State.Health.Status)" = healthy ]'
    records=("$(record again-host)" "$(record again-alone)")
    machine stop --name again
    gone() { ! virsh -q -c qemu:///system list --name | grep -q "$1"; }
    gate_open "$gate"
    wait_for 120 gone "$alone"
    gate_close
    virsh -q -c qemu:///system destroy "$host"
    for file in "${records[@]}"; do
        jq '.state.boot_id = "00000000-0000-4000-8000-000000000000"' "$file" >"$BATS_TEST_TMPDIR/record"
        cp "$BATS_TEST_TMPDIR/record" "$file"
    done
    machine start --name again
    equal healthy "$(field again-probed State.Health.Status)" # remembered: the next probe comes later
    wait_for 120 is_state again-host "running 0"
    equal 1 "$(field again-host RestartCount)"
    wait_for 120 has_restarted again-alone 1
    wait_for 120 is_state again-alone "running 0"
    wait_for 120 has_restarted again-waits 3
    equal exited "$(field again-stopped State.Status)"
}

@test "update changes the policy, and nothing else" {
    dk run -d --name again-update busybox sh -c 'echo run; while ! [ -e /go ]; do sleep 0.1; done; rm /go; exit 2'
    equal "no 0" "$(field again-update HostConfig.RestartPolicy.Name) $(field again-update HostConfig.RestartPolicy.MaximumRetryCount)"
    equal again-update "$(dk update --restart on-failure:3 again-update)"
    equal "on-failure 3" "$(field again-update HostConfig.RestartPolicy.Name) $(field again-update HostConfig.RestartPolicy.MaximumRetryCount)"
    dk exec -d again-update touch /go
    wait_for 120 has_restarted again-update 1
    wait_for 120 is_state again-update "running 0"
    dk update --restart no again-update
    dk exec -d again-update touch /go
    wait_for 120 is_state again-update "exited 2"
    run -1 dk update --restart always:2 again-update
    expect "maximum retry count"
    run -1 dk update --restart always again-none
    expect "No such container: again-none"
    dk create --rm --name again-rm busybox true
    run -1 dk update --restart always again-rm
    expect "Restart policy cannot be updated because AutoRemove is enabled for the container"
}

@test "policies that make no sense are refused with Docker's words" {
    while read -r message body; do
        run -0 api POST /v1.50/containers/create?name=again-bad -H 'Content-Type: application/json' \
            -d "{\"Image\":\"busybox\",\"HostConfig\":$body}"
        equal 400 "${lines[-1]}"
        expect "${message//_/ }"
    done <<'END'
can't_create_'AutoRemove'_container_with_restart_policy {"AutoRemove":true,"RestartPolicy":{"Name":"always"}}
maximum_retry_count_can_only_be_used_with_'on-failure' {"RestartPolicy":{"Name":"always","MaximumRetryCount":2}}
maximum_retry_count_cannot_be_negative {"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":-2}}
unknown_policy_'sometimes' {"RestartPolicy":{"Name":"sometimes"}}
END
}
