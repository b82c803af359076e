# A VCH of its own for a suite of tests, with a registry and the fixture images; nothing stays behind.
#
#   suite_up NAME     makes SUITE (a folder), starts a registry, pushes the images, creates a VCH;
#                     sets SUITE, REGISTRY, VCH, VIC_HOST, DOCKER; exports them for the tests
#   suite_down        takes all of it back
#   machine ARGS      vic-machine on the suite's folder of VCHs
#   dk ARGS           the docker CLI on the suite's VCH, bounded in time; says what it can when time is up
#   on_terminal ROWS COLUMNS ARGS  the same, on a terminal of its own
#   image NAME[:TAG]  the registry's name of a fixture image
#
# A sanitizer's report from any program, daemon or not, fails suite_down, which shows it.
#
# Killed tests are cleaned up after too: a janitor outlives the suite and waits for its end.

VCH_LIB=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
VCH_TOP=$(realpath "$VCH_LIB/../..")
: "${O:=$VCH_TOP/build}"
VIC_BIN=${VIC_BIN:-$(realpath -m "$O")/bin}
VIC_ISO=${VIC_ISO:-$(realpath -m "$VCH_TOP/build")/iso}
VIC_IMAGES=${VIC_IMAGES:-$VCH_TOP/build/images}

# shellcheck source=test/lib/registry.bash
. "$VCH_LIB/registry.bash"
# shellcheck source=test/lib/docker.bash
. "$VCH_LIB/docker.bash"

machine() {
    local command=$1
    shift
    timeout 120 "$VIC_BIN/vic-machine" "$command" --root "$SUITE/vchs" "$@"
}
dk() {
    local rc=0
    timeout "${DK_TIMEOUT:-90}" "$DOCKER" -H "$VIC_HOST" "$@" || rc=$?
    [ "$rc" -ne 124 ] || why_late >&2
    return "$rc"
}
# What can be known of VMs and daemons when something did not come in time.
why_late() {
    local pid task domain
    echo "--- not in time; the port layers' last words:"
    tail -n 15 "$SUITE"/vchs/*/log/vic-portlayer.log
    for domain in $(timeout 10 virsh -q -c qemu:///system list --all --name); do
        pid=$(cat "/run/libvirt/qemu/$domain.pid") || continue
        echo "--- $domain: $(tr '\0' ' ' <"/proc/$pid/cmdline" | grep -o 'guest=[^,]*')"
        for task in "/proc/$pid"/task/*; do # name, state, CPU time of its own and of the kernel, where it waits
            echo "$(<"$task/comm") $(cut -d ' ' -f 3,14,15 <(sed 's/(.*)/x/' "$task/stat")) $(cat "$task/wchan")"
        done
        timeout 10 virsh -c qemu:///system qemu-monitor-command --hmp "$domain" 'info registers -a' | grep -E 'CPU#|RIP'
    done
}
# The bound is around script: timeout makes a process group, and one that is not in the terminal's
# foreground is stopped as soon as it sets a mode of the terminal.
on_terminal() {
    local size="stty rows $1 cols $2" command
    shift 2
    printf -v command '%q ' "$DOCKER" -H "$VIC_HOST" "$@"
    SHELL=/bin/bash timeout -k 5 "${DK_TIMEOUT:-90}" script -qec "$size; exec $command" /dev/null
}
image() { echo "$REGISTRY/$1"; }
vch_field() { machine inspect --name "${2:-$VCH}" | jq -r "$1"; }

# wait_for SECONDS COMMAND...: until it succeeds; fails (and says so) when it does not in time.
wait_for() {
    local deadline=$((SECONDS + $1)) is_last=0
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "$is_last" = 1 ]; then
            echo "did not come true: $*" >&2
            return 1
        fi
        ((SECONDS < deadline)) || is_last=1 # one more look: it may be us who stood still
        sleep 0.1
    done
}

suite_up() {
    SUITE=$(mktemp -d /var/tmp/vic-test.XXXXXX) || return # where QEMU's user may search
    chmod 755 "$SUITE"
    VCH=$1
    unset DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_API_VERSION DOCKER_CERT_PATH
    export DOCKER_CONFIG=$SUITE/docker-config SUITE VCH VIC_BIN VIC_ISO VIC_IMAGES
    mkdir -p "$DOCKER_CONFIG" "$SUITE/vchs"
    chmod 711 "$SUITE/vchs"
    sanitizers_report_to "$SUITE/reports"
    setsid "$VCH_LIB/janitor" "$$" "$SUITE" "$VIC_BIN" </dev/null >/dev/null 2>&1 3>&- 4>&- &
    docker_cli "$VCH_TOP/build/cli" || return
    "$VCH_TOP/test/images/build" "$VIC_IMAGES" || return
    registry_start "$SUITE/registry" || return
    "$VCH_TOP/test/images/push" "$VIC_IMAGES" "$REGISTRY" || return
    machine create --local --name "$VCH" --iso "$VIC_ISO" || return
    VIC_HOST=$(vch_field .docker_host) || return
    export REGISTRY DOCKER VIC_HOST
}

# Programs built without sanitizers take no notice.  The daemons' users must be able to write there.
sanitizers_report_to() { # FOLDER
    mkdir -m 1777 "$1" || return
    export ASAN_OPTIONS=log_path=$1/report:detect_stack_use_after_return=1
    export UBSAN_OPTIONS=log_path=$1/report:print_stacktrace=1
}
no_reports() { # FOLDER
    local report found=0
    for report in "$1"/report.*; do
        [ -e "$report" ] || continue
        echo "sanitizer report ${report##*/}:" >&2
        head -n 60 "$report" >&2
        found=1
    done
    return "$found"
}

# suite_wipe SUITE VIC_BIN: also for the janitor, which has nothing else.
suite_wipe() {
    local vch left=0 failed=0
    for vch in "$1"/vchs/*/vch.json; do
        [ -e "$vch" ] || continue
        vch=$(basename "$(dirname "$vch")")
        timeout 300 "$2/vic-machine" delete --force --root "$1/vchs" --name "$vch" || left=1
    done
    registry_stop "$1/registry"
    no_reports "$1/reports" || failed=1
    [ "$left" = 1 ] || rm -rf "$1"
    [ "$left$failed" = 00 ]
}

suite_down() {
    suite_wipe "$SUITE" "$VIC_BIN"
}
