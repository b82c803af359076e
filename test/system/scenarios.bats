# What containers went through in vSphere Integrated Containers' own tests, where no other file here does the same.
load common

setup_file() {
    dk run -d --name scene-main busybox sh -c 'trap "echo hup" HUP; sh -c "trap \"echo child\" HUP; while :; do sleep 0.1; done" &
        while :; do sleep 0.1; done'
}
teardown_file() { remove_all scene-; }

address() { dk inspect -f '{{.NetworkSettings.IPAddress}}' "$1"; }
domain() { echo "vic-$(vch_field .id)-$(dk inspect -f '{{.Id}}' "$1" | cut -c1-12)"; }
is_state() { [ "$(state "$1")" = "$2" ]; }

@test "the VM is named after the container, whose folder has its id" {
    id=$(dk inspect -f '{{.Id}}' scene-main)
    virsh -q -c qemu:///system list --name | grep -qx "vic-$(vch_field .id)-${id:0:12}"
    [ -f "$SUITE/vchs/$VCH/containers/$id/container.json" ]
}

@test "create without a HostConfig, without a command, of what is not there, and after the last one went" {
    run -0 api POST "/v1.50/containers/create?name=scene-plain" -H 'Content-Type: application/json' -d '{"Image":"busybox","Cmd":["true"]}'
    equal 201 "${lines[-1]}"
    dk rm scene-plain
    dk create --name scene-plain busybox true
    run -1 dk create --name scene-none no.such.host.invalid/image
    run -0 api POST /v1.50/containers/create -H 'Content-Type: application/json' -d '{"Image":"busybox","Cmd":[],"Entrypoint":[""]}'
    equal 400 "${lines[-1]}"
    expect "no command specified"
}

@test "a host name with a domain, labels, ports of both kinds; inspect by type" {
    dk create --name scene-said --hostname web.example.com -l tier=front --expose 80 --expose 53/udp busybox hostname
    equal web.example.com "$(dk start -a scene-said)"
    equal '{"53/udp":{},"80/tcp":{}}' "$(dk inspect -f '{{json .Config.ExposedPorts}}' scene-said)"
    equal '{"tier":"front"}' "$(dk inspect -f '{{json .Config.Labels}}' scene-said)"
    equal tier=front "$(dk ps -a --filter name=scene-said --format '{{.Labels}}')"
    equal /scene-said "$(dk inspect --type container -f '{{.Name}}' scene-said)"
    run -1 dk inspect --type image scene-said
    expect "No such image: scene-said"
    run -1 dk inspect --type container busybox
    expect "No such container: busybox"
    run -1 dk inspect scene-nothing
    expect "No such object: scene-nothing"
    dk rm scene-said
}

@test "a name that begins like another's id is its own" {
    prefix=$(dk inspect -f '{{.Id}}' scene-main | cut -c1-12)
    dk create --name "${prefix:0:4}" busybox true
    equal "/${prefix:0:4}" "$(dk inspect -f '{{.Name}}' "${prefix:0:4}")"
    equal /scene-main "$(dk inspect -f '{{.Name}}' "$prefix")"
    dk rm "${prefix:0:4}"
}

@test "rename: unknown, empty, taken, of one that runs and of one that does not" {
    dk create --name scene-renamed busybox true
    run -1 dk rename scene-unknown scene-x
    expect "No such container: scene-unknown"
    run -1 dk rename scene-renamed scene-main
    expect "already in use"
    run -0 api POST "/v1.50/containers/scene-renamed/rename?name="
    equal 400 "${lines[-1]}"
    expect "Neither old nor new names may be empty"
    dk rename scene-renamed scene-again && dk rename scene-main scene-moved && dk rename scene-moved scene-main
    equal created "$(dk inspect -f '{{.State.Status}}' scene-again)"
}

@test "a signal goes to the main process alone; bad ones and unknown containers are refused" {
    dk kill -s HUP scene-main
    wait_for 20 eval '[ -n "$(dk logs scene-main)" ]'
    dk exec scene-main true # time for another line, if there were one
    equal hup "$(dk logs scene-main)"
    run -1 dk kill -s NOSUCH scene-main
    expect "invalid signal: NOSUCH"
    run -1 dk kill scene-unknown
    expect "No such container: scene-unknown"
}

@test "five at once start, while one is inspected without pause, and each keeps its address over a restart" {
    for i in 1 2 3 4 5; do dk create --name "scene-five$i" busybox sleep 1000; done
    (until [ -e "$BATS_TEST_TMPDIR/over" ]; do dk inspect scene-five1 >/dev/null || touch "$BATS_TEST_TMPDIR/failed"; done) 3>&- &
    watcher=$!
    dk start scene-five1 scene-five2 scene-five3 & pids=($!)
    dk start scene-five4 scene-five5 & pids+=($!)
    for pid in "${pids[@]}"; do wait "$pid"; done
    touch "$BATS_TEST_TMPDIR/over"
    wait "$watcher"
    [ ! -e "$BATS_TEST_TMPDIR/failed" ]
    for i in 1 2 3 4 5; do equal "running 0" "$(state "scene-five$i")"; done
    equal 5 "$(for i in 1 2 3 4 5; do address "scene-five$i"; done | sort -u | wc -l)"
    before=$(address scene-five1)
    dk restart -t 0 scene-five1
    equal "$before" "$(address scene-five1)"
    dk stop -t 0 scene-five1
    dk restart scene-five1
    equal "$before" "$(address scene-five1)"
    dk create --name scene-five6 busybox sleep 1000
    dk restart scene-five6
    before=$(address scene-five6)
    [ -n "$before" ]
    dk restart -t 0 scene-five6
    equal "$before" "$(address scene-five6)"
    dk rm -f scene-five{1..6}
}

@test "stopped while execs are in flight: each ends, and the container can be removed" {
    dk run -d --name scene-busy busybox sleep 1000
    for i in $(seq 15); do
        dk exec scene-busy sleep 1000 >"$BATS_TEST_TMPDIR/exec$i" 2>&1 3>&- &
        pids[i]=$!
    done
    wait_for 60 eval '[ "$(dk top scene-busy -o pid,args | grep -c "sleep 1000")" = 16 ]'
    dk stop -t 0 scene-busy
    for pid in "${pids[@]}"; do
        rc=0
        wait "$pid" || rc=$?
        [ "$rc" != 0 ]
        [ "$rc" != 124 ] # ended, and not by the clock
    done
    run -1 dk exec scene-busy true
    expect "is not running"
    dk rm scene-busy
}

@test "two that restart it without end and one that stops and starts it: the API goes on, and so does the container" {
    dk run -d --name scene-fought busybox sleep 1000
    for i in 1 2; do
        (until [ -e "$BATS_TEST_TMPDIR/over" ]; do dk restart -t 0 scene-fought >/dev/null 2>&1; done) 3>&- &
        pids[i]=$!
    done
    for _ in $(seq 10); do
        dk stop -t 0 scene-fought >/dev/null 2>&1 || :
        dk start scene-fought >/dev/null 2>&1 || :
        dk version >/dev/null
    done
    touch "$BATS_TEST_TMPDIR/over"
    for pid in "${pids[@]}"; do wait "$pid"; done
    dk start scene-fought
    wait_for 60 is_state scene-fought "running 0"
    equal works "$(dk exec scene-fought echo works)"
    dk rm -f scene-fought
}

@test "a VM that is switched off behind our back is an exit, and stop of it is none" {
    dk run -d --name scene-off busybox sleep 1000
    virsh -q -c qemu:///system destroy "$(domain scene-off)"
    wait_for 30 is_state scene-off "exited 137"
    equal scene-off "$(dk stop scene-off)"
    equal "" "$(dk ps -q --filter name=scene-off)"
    dk start scene-off
    equal "running 0" "$(state scene-off)"
    dk rm -f scene-off
}

# Asks again and again, over the end of the container's process, and prints which statuses there were.
ask_over_the_end() { # NAME METHOD PATH [BODY]
    dk run -d --name "$1" busybox sh -c 'trap "" USR1; echo x >/x; sleep 1; exit 3' >&2
    timeout 90 python3 -c '
import http.client, json, socket, sys
where, method, path, body, name = sys.argv[1:]
class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(where)
def ask(method, path, body=None):
    c = Connection("x")
    c.request(method, path, body, {"Content-Type": "application/json"})
    answer = c.getresponse()
    try:
        return answer.status, answer.read()
    except http.client.IncompleteRead:
        return answer.status, b""
statuses, is_over = set(), False
while not is_over:
    is_over = not json.loads(ask("GET", f"/v1.50/containers/{name}/json")[1])["State"]["Running"]
    status, text = ask(method, path, body or None)
    if status >= 500:
        print(text, file=sys.stderr)
    statuses.add(status)
print(*sorted(statuses))
' "${VIC_HOST#unix://}" "$2" "/v1.50/containers/$1/$3" "${4-}" "$1"
    dk rm -f "$1" >&2
}

@test "who asks while a process ends hears what it was before, or what it is afterwards" {
    equal "204 409" "$(ask_over_the_end scene-end POST 'kill?signal=USR1')"
    equal "200 409" "$(ask_over_the_end scene-end GET top)"
    equal 200 "$(ask_over_the_end scene-end GET 'stats?stream=0&one-shot=1')"
    equal 200 "$(ask_over_the_end scene-end GET 'archive?path=/x')"
    equal 200 "$(ask_over_the_end scene-end GET changes)"
    run -0 ask_over_the_end scene-end POST update '{"PidsLimit":50}'
    [[ ! ${lines[-2]} =~ (^| )5 ]]
}

@test "ps without a container shows its header only; -l, -n, -q and -s" {
    equal 1 "$(dk ps --filter name=scene-no-such | wc -l)"
    dk create --name scene-last busybox true
    equal scene-last "$(dk ps -l --format '{{.Names}}')"
    equal 2 "$(dk ps -a -n 2 -q | wc -l)"
    run -0 dk ps -a -s --filter name=scene-last --format '{{.Size}}'
    [[ $output =~ virtual ]]
}
