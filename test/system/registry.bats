# Registries that lie and layers that attack, through docker pull and run: each ends in Docker's words and
# in bounded time, and leaves no blob, layer, VM, network or record; the daemons go on, no larger than before.
load common
# shellcheck source=test/lib/fake.bash
. "$BATS_TEST_DIRNAME/../lib/fake.bash"

setup_file() {
    fake_start "$BATS_FILE_TMPDIR/fake"
    export FAKE FAKE_OTHER
    vch_field '.daemons | map_values(.pid) | tostring' >"$BATS_FILE_TMPDIR/pids"
}
teardown_file() { fake_stop "$BATS_FILE_TMPDIR/fake"; }

# What this VCH has: files (its journal and logs grow), VMs, networks, packet filters.
left() {
    local id
    id=$(vch_field .id)
    (cd "$SUITE/vchs/$VCH" && find . -path ./log -prune -o -type f ! -name events.log -printf '%p %s\n' | sort)
    virsh -q -c qemu:///system list --all --name | grep -F "$id" || :
    virsh -q -c qemu:///system net-list --all --name | grep -F "$id" || :
    nft list tables | grep -F "$id" || :
    find "/run/vic/$id" -printf '%p\n' | sort
}
nothing_new() {
    left >"$BATS_TEST_TMPDIR/after"
    cmp -s "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}
small() { # the daemons' largest resident sets so far, in KiB
    local pid size
    for pid in $(vch_field '.daemons[].pid'); do
        ! grep -q libasan "/proc/$pid/maps" || continue # whose memory is another matter
        size=$(awk '/^VmHWM:/ { print $2 }' "/proc/$pid/status")
        [ "$size" -le 49152 ] || { echo "process $pid has had $size KiB" >&2; return 1; }
    done
}
setup() { left >"$BATS_TEST_TMPDIR/before"; }
teardown() { # where a failure does not stop what follows
    if ! wait_for 30 nothing_new; then
        diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after" >&2
        return 1
    fi
    [ ! -e /tmp/vic-escaped ] || return 1
    equal "$(cat "$BATS_FILE_TMPDIR/pids")" "$(vch_field '.daemons | map_values(.pid) | tostring')" || return 1
    small
}

# FAULT WORDS: the pull fails with words that match the extended regex.  A line tells what was otherwise.
one_fault() {
    local out status
    out=$(timeout 240 "$DOCKER" -H "$VIC_HOST" pull "$FAKE/$1" 2>&1)
    status=$?
    [ "$status" -eq 1 ] || echo "$1: exit status $status: $(tail -n1 <<<"$out")"
    tail -n1 <<<"$out" | grep -qE "$2" || echo "$1: said: $(tail -n1 <<<"$out")"
    ! tail -n1 <<<"$out" | LC_ALL=C grep -q '[^ -~]' || echo "$1: control characters"
}
export -f one_fault
faults() { # lines of FAULT WORDS; 6 at a time
    run bash -c 'xargs -P 6 -d "\n" -I{} bash -c '\''one_fault "${1%% *}" "${1#* }"'\'' _ {}'
    equal "" "$output"
    equal 0 "$status"
}

@test "a registry that lies about digest or length, stops, or leads astray" {
    faults <<'END'
wrong-blob verification failed for digest sha256:
wrong-header-digest manifest verification failed for digest sha256:0000
length-larger closed in the middle|has [0-9]+ bytes, the manifest says
length-smaller verification failed|has [0-9]+ bytes, the manifest says
chunked-truncated closed in the middle
close-early closed in the middle
close-at-once closed without an answer
endless-blob larger than 4194304 bytes|sends more than
endless-manifest larger than 4194304 bytes
endless-headers response headers larger than
not-http does not speak HTTP
slow-drip no answer within the time limit
stall no answer within the time limit
redirect-forever stopped after 5 redirects
redirect-self stopped after 5 redirects
redirect-file not an http or https URL
redirect-nowhere without a usable Location
redirect-refused cannot be reached
type-html malformed JSON
END
}

@test "401, 403, 404, 429 and 500 become Docker's words" {
    faults <<'END'
auth-none pull access denied for .*, repository does not exist or may require 'docker login': unauthorized
auth-basic user name and password
auth-no-realm names no realm
auth-file-realm realm of its challenge is not
auth-huge-realm WWW-Authenticate header larger than
auth-token-refused no token for you
auth-token-injection no usable token
auth-token-huge larger than 65536 bytes
auth-token-useless pull access denied
status-403 pull access denied for .*: denied: requested access to the resource is denied
status-404 manifest for .*:latest not found: manifest unknown: manifest unknown
status-404-blob blob unknown
status-429 answered 429: toomanyrequests: rate limit exceeded
status-429-forever try again in 999999999 s
status-500 answered 500: unknown: something broke
status-html answered 502
status-huge answered 500
status-hostile answered 400
no-such-repository pull access denied for .*name unknown: repository name not known to registry
END
}

@test "the API's statuses before the first byte of progress are Docker's" {
    while read -r fault wanted; do
        run -0 api POST "/v1.50/images/create?fromImage=$FAKE/$fault&tag=latest"
        equal "$fault $wanted" "$fault ${lines[-1]}"
        expect '{"message":"'
    done <<'END'
auth-none 404
status-403 404
status-404 404
status-429-forever 500
status-500 500
close-at-once 500
manifest-malformed 500
END
}

@test "documents that are wrong" {
    faults <<'END'
manifest-malformed malformed JSON
manifest-empty malformed JSON
manifest-deep nested deeper
manifest-huge larger than 4194304 bytes
manifest-wrong-types expected an integer
manifest-no-config config: expected
manifest-no-layers layers: expected
manifest-schema1 schema 1 is not supported
manifest-negative-size layers\[0\].size
manifest-enormous-size layers\[0\].size
manifest-digest-path layers\[0\].digest
manifest-many-layers found 10000
index-no-platform no matching manifest
index-nested nested deeper than 4
index-missing manifest unknown
config-malformed malformed JSON
config-few-diff-ids diff_ids
config-huge config.size: larger
config-hostile-strings NUL
config-many-values more than 20000 values
config-wrong-types config.Labels.a: expected a string
config-foreign platform \(linux/s390x\) does not match this host's \(linux/amd64\)
layer-unknown-type no layer type known here
layer-foreign may not be distributed
layer-missing blob unknown
END
}

@test "sizes in the manifest that the blob does not have" {
    faults <<'END'
manifest-size-too-large 126 bytes, the manifest says 127
manifest-size-too-small 126 bytes, the manifest says 125
END
}

@test "layers that attack are not unpacked" {
    faults <<'END'
tar-dotdot ^failed to register layer: .*breakout
tar-hardlink-outside ^failed to register layer: .*breakout
tar-hardlink-symlink ^failed to register layer: .*does not exist
tar-long-name ^failed to register layer: .*longer than 4096 bytes
tar-long-component ^failed to register layer: .*longer than 255 bytes
tar-long-link ^failed to register layer: .*target of 100000 bytes
tar-truncated ^failed to register layer: .*Truncated
tar-size-beyond ^failed to register layer: .*Truncated
tar-size-negative ^failed to register layer: .*negative size
tar-size-enormous ^failed to register layer: .*overflow
tar-size-pax-lies ^failed to register layer: .*Truncated
tar-bad-checksum ^failed to register layer: .*bad tar
tar-sparse-bomb ^failed to register layer: .*too large
tar-pax-huge ^failed to register layer: .*too large
tar-file-as-parent ^failed to register layer: .*not a directory
whiteout-root ^failed to register layer: .*whiteout
config-wrong-diff-id ^failed to register layer: .*unpacks to
layer-noise ^failed to register layer: .*not valid gzip
gzip-truncated ^failed to register layer: .*ends early
gzip-bad-crc ^failed to register layer: .*gzip
END
}

@test "a gzip bomb costs time and no memory" {
    faults <<<'gzip-bomb ^failed to register layer: .*incorrect data check'
}

@test "what a layer may hold is taken: devices, absolute names, links that lead out but are not followed" {
    for fault in tar-devices tar-absolute tar-symlink-escape tar-symlink-chain tar-dot-names whiteout-opaque-root \
        whiteout-escape; do
        run -0 dk pull -q "$FAKE/$fault"
        run -0 dk rmi "$FAKE/$fault"
    done
}

@test "what a registry may do is accepted, a passing failure is tried again" {
    for fault in ok ok-schema2 ok-index ok-duplicate-layers no-length chunked redirect-other auth-bearer \
        auth-bearer-other close-early-once status-429-once status-500-twice status-500-blob-once; do
        run -0 dk pull -q "$FAKE/$fault"
        run -0 dk rmi "$FAKE/$fault"
    done
}

@test "a failed pull leaves what others use, also while they pull" {
    dk pull -q "$FAKE/ok"
    faults <<'END'
tar-dotdot ^failed to register layer
tar-truncated ^failed to register layer
END
    for _ in 1 2 3; do
        dk pull -q "$FAKE/ok-schema2" 3>&- &
        good=$!
        run -1 dk pull "$FAKE/tar-dotdot"
        wait "$good"
        run -0 dk rmi "$FAKE/ok-schema2"
    done
    run -0 dk rmi "$FAKE/ok"
}

@test "run and create of what cannot be pulled or found: 125, Docker's words, no container" {
    run -125 dk run --rm "$FAKE/tar-dotdot" true
    expect breakout
    run -125 dk run --rm "$FAKE/status-403" true
    expect "pull access denied"
    run -125 dk run --rm 127.0.0.1:1/x true
    expect "127.0.0.1:1"
    run -125 dk run --rm -d --name x busybox true
    expect "Invalid container name (x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    run -125 dk run --pull never nosuchimage true
    expect "No such image: nosuchimage:latest"
    run -127 dk run --rm busybox no-such-command
    expect "executable file not found in \$PATH"
    [[ $output != *"Error waiting for container"* ]]
    for verb in start stop kill restart rm logs wait attach inspect 'rename new-name' port; do
        # shellcheck disable=SC2086 # a verb and what follows the name
        set -- $verb
        run -1 dk "$1" nosuchcontainer ${2:+"$2"}
        grep -qi "no such" <<<"$output"
    done
    dk create --name registry-taken busybox true
    run -125 dk run --name registry-taken busybox true
    expect 'Conflict. The container name "/registry-taken" is already in use by container "'
    run -0 dk rm registry-taken
}

@test "an image of another architecture is refused where it would run" {
    run -0 dk pull -q --platform linux/arm64 "$FAKE/ok-index"
    run -0 api POST /v1.50/containers/create -H 'Content-Type: application/json' -d "{\"Image\":\"$FAKE/ok-index\"}"
    equal 400 "${lines[-1]}"
    expect "(linux/arm64) does not match this host's (linux/amd64)"
    run -0 dk rmi "$FAKE/ok-index"
}
