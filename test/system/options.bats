# What a container's processes may do and see, as the options of `docker run` have it.
load common

teardown() { remove_all opt-; }

# shellcheck disable=SC2016 # for the container's shell
@test "capabilities are added and dropped, new privileges forbidden" {
    dk run -d --name opt-caps --cap-drop ALL --cap-add NET_ADMIN --cap-add cap_chown \
        --security-opt no-new-privileges --security-opt seccomp=unconfined busybox sleep 1000
    run -0 dk exec opt-caps sh -c 'grep -E "CapEff|CapBnd|NoNewPrivs" /proc/1/status /proc/self/status | cut -d: -f2,3 | sort | uniq -c | tr -s " \t" " "'
    equal " 2 CapBnd: 0000000000001001
 2 CapEff: 0000000000001001
 2 NoNewPrivs: 1" "$output"
    dk exec opt-caps ip link set lo down
    run -1 dk exec opt-caps chroot / true
    equal '["ALL"] ["no-new-privileges","seccomp=unconfined"]' \
        "$(dk inspect -f '{{json .HostConfig.CapDrop}} {{json .HostConfig.SecurityOpt}}' opt-caps)"
    run -125 dk run --rm --cap-add NO_SUCH busybox true
    expect 'unknown capability: "CAP_NO_SUCH"'
    run -125 dk run --rm --security-opt apparmor=docker-default busybox true
    expect "HostConfig.SecurityOpt apparmor=docker-default is not served here"
}

@test "privileged is the VM's own: capabilities, devices, nothing hidden" {
    dk run -d --name opt-priv --privileged busybox sleep 1000
    equal 000001ffffffffff "$(dk exec opt-priv sed -n 's/CapEff:[[:space:]]*//p' /proc/1/status)"
    dk exec opt-priv sh -c 'head -c 1024 /dev/vda >/dev/null && mount -t tmpfs none /tmp && echo 1 >/proc/sys/vm/swappiness && test -w /sys/fs/cgroup'
    # The VM's ways to the host are tether's, whatever the container may open: it cannot put garbage there.
    run -0 dk exec opt-priv sh -c 'ls /dev/vport*p* && for p in /dev/vport*p*; do echo garbage >"$p" && echo written; done; true'
    expect "/dev/vport"
    [[ $output != *written* ]]
    equal works "$(dk exec opt-priv echo works)"
    equal "true null" "$(dk inspect -f '{{.HostConfig.Privileged}} {{json .HostConfig.MaskedPaths}}' opt-priv)"
    run -0 dk run --rm --security-opt systempaths=unconfined busybox sh -c 'cut -d" " -f5 /proc/self/mountinfo | grep -c ^/proc; head -c 1 /dev/vda || echo no device'
    equal 1 "${lines[0]}"
    expect "no device"
}

@test "a read-only root, tmpfs and the size of /dev/shm" {
    dk run -d --name opt-ro --read-only --tmpfs /run:size=64k,mode=1770,exec --shm-size 1m busybox sleep 1000
    run -1 dk exec opt-ro touch /x
    expect "Read-only file system"
    dk exec opt-ro touch /run/x /dev/shm/x
    equal "1770 64 1024" "$(dk exec opt-ro sh -c 'stat -c %a /run; df -k /run /dev/shm | tail -n 2 | tr -s " " | cut -d" " -f2' | xargs)"
    equal 'true {"/run":"size=64k,mode=1770,exec"} 1048576' \
        "$(dk inspect -f '{{.HostConfig.ReadonlyRootfs}} {{json .HostConfig.Tmpfs}} {{.HostConfig.ShmSize}}' opt-ro)"
    run -1 dk cp "$BATS_TEST_FILENAME" opt-ro:/
    expect "container rootfs is marked read-only"
    run -0 api PUT "/v1.50/containers/opt-ro/archive?path=/" --data-binary x
    equal 403 "${lines[-1]}"
    run -125 dk run --rm --tmpfs /run:size=much busybox true
    expect 'invalid tmpfs option "size=much"'
}

@test "ulimits, sysctls, groups and the OOM score" {
    dk run -d --name opt-limits --ulimit nofile=50:60 --ulimit core=0 --sysctl net.ipv4.ip_forward=1 \
        --sysctl kernel.msgmax=4321 --group-add 77 --oom-score-adj 500 busybox sleep 1000
    equal "50 60 0 1 4321 500" "$(dk exec opt-limits sh -c 'ulimit -Sn; ulimit -Hn; ulimit -c; cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax /proc/1/oom_score_adj' | xargs)"
    run -0 dk exec opt-limits id -G
    expect 77
    equal '{"kernel.msgmax":"4321","net.ipv4.ip_forward":"1"} ["77"] 500' \
        "$(dk inspect -f '{{json .HostConfig.Sysctls}} {{json .HostConfig.GroupAdd}} {{.HostConfig.OomScoreAdj}}' opt-limits)"
    run -0 api POST /v1.50/containers/create -H 'Content-Type: application/json' \
        -d '{"Image":"busybox","Cmd":["true"],"HostConfig":{"Sysctls":{"vm.swappiness":"1"}}}'
    equal 400 "${lines[-1]}"
    expect 'is not in a separate kernel namespace'
    run dk run --name opt-nogroup --group-add nobody-knows busybox true
    [ "$status" -ne 0 ]
    expect "unable to find group nobody-knows: no matching entries in group file"
}

@test "--init is PID 1, and the program beside it ends by its signals" {
    dk run -d --name opt-init --init busybox sleep 1000
    equal "/sbin/docker-init -- sleep 1000" "$(dk exec opt-init sh -c 'tr "\0" " " </proc/1/cmdline' | sed 's/ $//')"
    equal true "$(dk inspect -f '{{.HostConfig.Init}}' opt-init)"
    dk stop -t 600 opt-init # sleep as PID 1 would not hear it
    equal "exited 143" "$(state opt-init)"
    run -7 dk run --rm --init busybox sh -c 'exit 7'
    run -127 dk run --rm --init busybox no-such-command
}

# BODY...: updates of opt-at-once at the same moment
update_at_once() { timeout 90 python3 "$BATS_TEST_DIRNAME/at_once.py" "${VIC_HOST#unix://}" /v1.50/containers/opt-at-once/update "$@"; }

@test "what is updated at once is all kept" {
    local i many=()
    dk run -d --name opt-at-once --label "long=$(head -c 30000 /dev/zero | tr '\0' x)" busybox sleep 1000
    for i in 1 2 3 4 5 6 7 8; do
        equal "200 200 200 200 200 200" "$(update_at_once '{}' "{\"Memory\":$((64 + i << 20)),\"MemorySwap\":-1}" '{}' \
            "{\"PidsLimit\":$((40 + i))}" "{\"CpuPeriod\":100000,\"CpuQuota\":$((40000 + i))}" '{}')"
        equal "$((64 + i << 20)) $((40 + i)) $((40000 + i))" "$(dk inspect -f \
            '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.CpuQuota}}' opt-at-once)"
        equal "$((64 + i << 20)) $((40 + i)) $((40000 + i))" \
            "$(dk exec opt-at-once sh -c 'cd /sys/fs/cgroup; cat memory.max pids.max; cut -d " " -f1 cpu.max' | xargs)"
    done
    for i in $(seq 100); do many+=("{\"PidsLimit\":$i}"); done
    # So many that some are refused: none is done while the VM stands still.
    vm=vic-$(vch_field .id)-$(dk inspect -f '{{.Id}}' opt-at-once | cut -c1-12)
    virsh -q -c qemu:///system suspend "$vm"
    update_at_once "${many[@]}" >"$BATS_TEST_TMPDIR/statuses" 2>"$BATS_TEST_TMPDIR/as-they-come" 3>&- &
    client=$!
    wait_for 20 eval '[ "$(grep -c 503 "$BATS_TEST_TMPDIR/as-they-come")" = 36 ]'
    virsh -q -c qemu:///system resume "$vm"
    wait "$client"
    equal "64 200 36 503" "$(tr ' ' '\n' <"$BATS_TEST_TMPDIR/statuses" | sort | uniq -c | xargs)"
    dk rm -f opt-at-once
    run -0 --separate-stderr update_at_once '{}' '{"PidsLimit":1}'
    equal "404 404" "$output"
}

@test "memory, processors and processes are bounded, and running out of memory is told" {
    dk run -d --name opt-size -m 64m --memory-reservation 32m --cpus 0.5 --pids-limit 20 busybox sleep 1000
    equal "67108864 33554432 20 50000 100000 1" \
        "$(dk exec opt-size sh -c 'cd /sys/fs/cgroup; cat memory.max memory.low pids.max cpu.max; nproc' | xargs)"
    equal "67108864 33554432 500000000 20" \
        "$(dk inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemoryReservation}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}' opt-size)"
    run dk exec opt-size sh -c 'for i in $(seq 30); do sleep 1000 & done'
    expect "Resource temporarily unavailable"
    equal opt-size "$(dk update -m 48m --memory-reservation 24m --cpus 0.25 --pids-limit 50 opt-size)"
    equal "50331648 25165824 50 25000 100000" \
        "$(dk exec opt-size sh -c 'cd /sys/fs/cgroup; cat memory.max memory.low pids.max cpu.max' | xargs)"
    equal "50331648 250000000 50" "$(dk inspect -f '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}' opt-size)"
    run -1 dk update -m 1g opt-size
    expect "needs a virtual machine of"
    expect "stop the container first"
    run -1 dk update -m 5m opt-size
    expect "Minimum memory limit allowed is 6MB"
    run -1 dk update --cpu-shares 5 opt-size
    expect "CpuShares is not served here"
    run -1 dk update --cpu-quota 50000 opt-size
    expect "CPU Quota cannot be updated as NanoCPUs has already been set"
    dk stop -t 0 opt-size
    dk update -m 256m --pids-limit -1 opt-size
    dk start opt-size
    equal 268435456 "$(dk exec opt-size cat /sys/fs/cgroup/memory.max)"
    [ "$(dk exec opt-size cat /sys/fs/cgroup/pids.max)" -gt 100 ]
    run -137 dk run --name opt-oom -m 16m busybox tail /dev/zero
    equal "true 137" "$(dk inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' opt-oom)"
    equal "false 268435456" "$(dk inspect -f '{{.State.OOMKilled}} {{.HostConfig.Memory}}' opt-size)"
    run -0 dk events --since 1 --until "$(($(date +%s) + 1))" --filter container=opt-oom --filter event=oom \
        --filter event=die --format '{{.Action}}'
    equal "oom die" "$(xargs <<<"$output")"
    # A child's end counts too, and memory of the VM that runs out.
    run -3 dk run --name opt-oom-child busybox sh -c 'tail /dev/zero; exit 3'
    equal "true 3" "$(dk inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' opt-oom-child)"
    equal "true true false" "$(dk info -f '{{.MemoryLimit}} {{.PidsLimit}} {{.SwapLimit}}')"
    run -0 dk run --rm -m 6m --cpuset-cpus 0 busybox cat /sys/fs/cgroup/cpuset.cpus
    expect 0
    equal "2 2" "$(dk run --rm --cpuset-cpus 0,1 busybox sh -c 'nproc; grep -c ^processor /proc/cpuinfo' | xargs)"
    run -125 dk run --rm --cpuset-cpus 1000 busybox true
    expect "Requested CPUs are not available"
    run -125 dk run --rm -m 5m busybox true
    expect "Minimum memory limit allowed is 6MB"
}
