# libvirt on hosts without systemd: started when nothing answers, stopped only if started here.
#
#   libvirt_ensure DIR          qemu:///system answers afterwards; pids of what was started in DIR
#   libvirt_stop_if_ours DIR    ends what libvirt_ensure started from DIR; safe to call twice

_libvirt_answers() { timeout 5 virsh -q -c qemu:///system version >/dev/null 2>&1; }

libvirt_ensure() {
    local dir deadline=$((SECONDS + 30))
    if _libvirt_answers; then return 0; fi
    mkdir -p "$1" || return
    dir=$(cd "$1" && pwd) || return
    if ! [ -S /run/libvirt/virtlogd-sock ] || ! _libvirt_pid_of virtlogd /run/virtlogd.pid >/dev/null; then
        virtlogd -d </dev/null >"$dir/virtlogd.log" 2>&1 3>&- 4>&- || return
        cp /run/virtlogd.pid "$dir/virtlogd.pid" || return
    fi
    # tini adopts and reaps the QEMUs: without it each destroy waits for a zombie (1.4 s and more).
    tini -s -- libvirtd </dev/null >"$dir/libvirtd.log" 2>&1 3>&- 4>&- &
    echo $! >"$dir/libvirtd.pid"
    while ((SECONDS < deadline)); do
        if [ -S /run/libvirt/libvirt-sock ] && _libvirt_answers; then return 0; fi
        _libvirt_pid_of tini "$dir/libvirtd.pid" >/dev/null || kill -0 "$!" 2>/dev/null || break
        sleep 0.1
    done
    echo "libvirtd did not come up:" >&2
    cat "$dir/libvirtd.log" >&2
    libvirt_stop_if_ours "$dir"
    return 1
}

_libvirt_pid_of() { # NAME PIDFILE: the pid, if that program still runs under it; a zombie does not
    local pid
    pid=$(cat "$2" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] &&
        ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null && echo "$pid"
}

libvirt_stop_if_ours() {
    local name pid deadline
    for name in libvirtd:tini virtlogd:virtlogd; do
        pid=$(_libvirt_pid_of "${name#*:}" "$1/${name%:*}.pid") || continue
        kill "$pid" 2>/dev/null || :
        deadline=$((SECONDS + 10))
        while ((SECONDS < deadline)) && _libvirt_pid_of "${name#*:}" "$1/${name%:*}.pid" >/dev/null; do
            sleep 0.05
        done
        if _libvirt_pid_of "${name#*:}" "$1/${name%:*}.pid" >/dev/null; then kill -KILL "$pid" 2>/dev/null || :; fi
        wait "$pid" 2>/dev/null || :
    done
    rm -f "$1/libvirtd.pid" "$1/virtlogd.pid"
}
