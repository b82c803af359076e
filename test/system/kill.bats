# Nothing is lost when a daemon is killed: output, exit codes and state are right afterwards.
load common

teardown() {
    machine start --name "$VCH" >&2
    remove_all kill-
}

pid_of() { vch_field ".daemons.\"$1\".pid"; }
kill_daemon() { kill -KILL "$(pid_of "$1")"; }

@test "either daemon killed in the middle of a run: wait, logs and inspect are right" {
    for daemon in vic-docker vic-portlayer; do
        dk run -d --name "kill-$daemon" busybox sh -c 'echo before; sleep 6; echo after; exit 9'
        kill_daemon "$daemon"
        wait_for 10 test "$(pid_of "$daemon")" = 0
        machine start --name "$VCH"
        equal "running 0" "$(state "kill-$daemon")"
        equal 9 "$(dk wait "kill-$daemon")"
        equal "before after" "$(dk logs "kill-$daemon" | xargs)"
        equal "exited 9" "$(state "kill-$daemon")"
    done
}

@test "a container that ends while no daemon of ours runs keeps its output and exit code" {
    dk run -d --name kill-alone busybox sh -c 'sleep 3; head -c 1000000 /dev/zero; exit 5'
    uuid=$(vch_field .id)-$(dk inspect -f '{{.Id}}' kill-alone | cut -c1-12)
    kill_daemon vic-docker
    kill_daemon vic-portlayer
    gone() { ! virsh -q -c qemu:///system list --name | grep -q "$uuid"; }
    virsh -q -c qemu:///system list --name | grep "$uuid"
    wait_for 60 gone
    machine start --name "$VCH"
    equal "exited 5" "$(state kill-alone)"
    equal 1000000 "$(dk logs kill-alone | wc -c)"
}

@test "--rm is kept by the port layer when it was dead as the container ended" {
    dk run -d --rm --name kill-rm busybox sh -c 'sleep 3'
    kill_daemon vic-portlayer
    id=$(vch_field .id)
    gone() { ! virsh -q -c qemu:///system list --name | grep -q "$id"; }
    wait_for 60 gone
    machine start --name "$VCH"
    removed() { ! dk inspect kill-rm; }
    wait_for 20 removed
}

@test "100 MB of output survive a killed virtlogd" {
    dk run -d --name kill-log busybox sh -c 'head -c 50000000 /dev/urandom | tee /copy; sleep 3; cat /copy; sha256sum </copy >&2'
    pkill -KILL -x virtlogd
    wait_for 180 test "$(dk wait kill-log)" = 0
    equal 100000000 "$(dk logs kill-log 2>/dev/null | wc -c)"
    equal "$(dk logs kill-log 2>&1 >/dev/null)" "$(dk logs kill-log 2>/dev/null | head -c 50000000 | sha256sum)"
    [ -d /run/systemd/system ] || virtlogd -d 3>&- 4>&-
}

@test "a VM destroyed behind our back is an exit with 137" {
    dk run -d --name kill-vm busybox sleep 600
    domain=vic-$(vch_field .id)-$(dk inspect -f '{{.Id}}' kill-vm | cut -c1-12)
    virsh -q -c qemu:///system destroy "$domain"
    equal 137 "$(dk wait kill-vm)"
    equal "exited 137" "$(state kill-vm)"
    run -0 dk start kill-vm
    equal "running 0" "$(state kill-vm)"
}
