# imagec pull: real images from a real registry, and every way a registry can lie.

setup_file() {
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    export ROOT DIR="$BATS_FILE_TMPDIR"
    export IMAGES="${VIC_IMAGES:-$ROOT/build/images}"
    IMAGEC=${VIC_BIN:-$(realpath -m "${O:-$ROOT/build}")/bin}/imagec
    export IMAGEC
    . "$ROOT/test/lib/registry.bash"
    . "$ROOT/test/lib/fake.bash"
    "$ROOT/test/images/build" "$IMAGES" >&2
    registry_start "$DIR/registry"
    fake_start "$DIR/fake"
    export REGISTRY FAKE FAKE_OTHER
    "$ROOT/test/images/push" "$IMAGES" "$REGISTRY" busybox multi debian-demo
}

teardown_file() {
    . "$ROOT/test/lib/registry.bash"
    . "$ROOT/test/lib/fake.bash"
    registry_stop "$DIR/registry"
    fake_stop "$DIR/fake"
}

setup() {
    . "$ROOT/test/lib/fake.bash"
    L=$BATS_TEST_TMPDIR/layout
}

pull() { run timeout 150 "$IMAGEC" pull --root "$L" "$@"; }
left() { find "$L" 2>/dev/null | wc -l; }

# FAULT EXPECTED: "ok" or an extended regex of the error.  A line tells what was otherwise.
one_fault() {
    local dir=$DIR/faults/$1 status size
    mkdir -p "$dir"
    /usr/bin/time -f %M -o "$dir/rss" timeout 150 "$IMAGEC" pull --root "$dir/layout" "$FAKE/$1" \
        >"$dir/out" 2>"$dir/err"
    status=$?
    size=$(tail -n1 "$dir/rss")
    [ "${VIC_SANITIZED:-0}" = 1 ] || [ "$size" -le 40000 ] || echo "$1: $size KiB"
    if [ "$2" = ok ]; then
        [ "$status" -eq 0 ] || echo "$1: failed: $(tail -n1 "$dir/err")"
        return
    fi
    [ "$status" -eq 1 ] || echo "$1: exit status $status"
    grep -qE "^imagec: .*($2)" "$dir/err" || echo "$1: said: $(tail -n1 "$dir/err")"
    [ ! -e "$dir/layout" ] || echo "$1: left $(find "$dir/layout")"
    ! LC_ALL=C grep -q '[^ -~]' "$dir/err" || echo "$1: control characters"
}
export -f one_fault

faults() { # lines of FAULT EXPECTED; 8 at a time
    run bash -c 'xargs -P 8 -d "\n" -I{} bash -c '\''one_fault "${1%% *}" "${1#* }"'\'' _ {}'
    echo "$output"
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "an image comes whole, and skopeo reads it" {
    pull "$REGISTRY/busybox:latest"
    [ "$status" -eq 0 ]
    skopeo --insecure-policy inspect "oci:$L:$REGISTRY/busybox:latest" >"$BATS_TEST_TMPDIR/ours"
    skopeo --insecure-policy inspect --tls-verify=false "docker://$REGISTRY/busybox:latest" \
        >"$BATS_TEST_TMPDIR/theirs"
    for f in ours theirs; do jq -cS '[.Digest, .Layers, .Env]' "$BATS_TEST_TMPDIR/$f" >"$BATS_TEST_TMPDIR/$f.cut"; done
    cmp "$BATS_TEST_TMPDIR/ours.cut" "$BATS_TEST_TMPDIR/theirs.cut"
}

@test "standard output is the registry's digest and nothing else" {
    out=$("$IMAGEC" pull --root "$L" "$REGISTRY/busybox:latest" 2>/dev/null)
    [ "$out" = "$(skopeo --insecure-policy inspect --tls-verify=false --format '{{.Digest}}' "docker://$REGISTRY/busybox:latest")" ]
    pull "$REGISTRY/busybox@$out"
    [ "$status" -eq 0 ]
}

@test "every blob of a five-layer image hashes to its name, and a second pull fetches none" {
    pull "$REGISTRY/debian-demo:latest"
    [ "$status" -eq 0 ]
    [[ $output == *Waiting* ]]
    [ "$(ls "$L/blobs/sha256" | wc -l)" -eq 7 ]
    (cd "$L/blobs/sha256" && for f in *; do echo "$f  $f"; done | sha256sum -c --quiet)
    pull "$REGISTRY/debian-demo:latest"
    [ "$status" -eq 0 ]
    [ "$(grep -c 'Already exists' <<<"$output")" -eq 5 ]
    [[ $output != *Downloading* ]]
}

@test "the platform is chosen from an index" {
    pull --platform linux/arm64 "$FAKE/ok-index"
    [ "$status" -eq 0 ]
    pull --platform linux/s390x "$FAKE/ok-index"
    [ "$status" -eq 1 ]
    [[ $output == *"no matching manifest for linux/s390x in the manifest list entries"* ]]
    pull --platform linux/arm64 "$FAKE/ok"
    [ "$status" -eq 1 ]
    [[ $output == *"does not match the specified platform: wanted linux/arm64, actual: linux/amd64"* ]]
}

@test "images of docker.io come from a mirror" {
    pull --registry-mirror "http://127.0.0.1:1" --registry-mirror "http://$FAKE" docker.io/ok/image
    [ "$status" -eq 0 ]
    jq -e '.manifests[0].annotations["org.opencontainers.image.ref.name"] == "docker.io/ok/image:latest"' "$L/index.json"
}

@test "a registry out of reach is named, for docker.io with the way out" {
    pull 127.0.0.1:1/x
    [ "$status" -eq 1 ]
    [[ $output == *"registry '127.0.0.1:1' cannot be reached"* ]]
    https_proxy=http://127.0.0.1:1 pull busybox
    [ "$status" -eq 1 ]
    [[ $output == *registry-1.docker.io*--registry-mirror* ]]
    [ "$(left)" -eq 0 ]
}

@test "a token is asked for once, and never leaves its registry" {
    fake_reset
    pull "$FAKE/auth-bearer-other"
    [ "$status" -eq 0 ]
    fake_log | jq -e --argjson other "${FAKE_OTHER#*:}" '
        ([.[] | select(.path | startswith("/token/"))] | length == 1) and
        ([.[] | select(.port == $other)] | length > 0 and all(.headers.Authorization == null))'
}

@test "the same layer three times is fetched once" {
    fake_reset
    pull "$FAKE/ok-duplicate-layers"
    [ "$status" -eq 0 ]
    fake_log | jq -e '[.[].path | select(contains("/blobs/"))] | length == 2'
}

@test "a broken blob is taken up where it stopped" {
    fake_reset
    pull "$FAKE/close-early-once"
    [ "$status" -eq 0 ]
    [[ $output == *Retrying* ]]
    fake_log | jq -e '[.[].headers.Range // empty | select(test("^bytes=[1-9][0-9]*-$"))] | length == 1'
}

@test "a manifest by digest must have that digest" {
    pull "$FAKE/wrong-manifest@$("$IMAGEC" pull --root "$BATS_TEST_TMPDIR/ok" "$FAKE/ok" 2>/dev/null)"
    [ "$status" -eq 1 ]
    [[ $output == *"manifest verification failed for digest sha256:"* ]]
    [ "$(left)" -eq 0 ]
}

@test "a failed pull leaves an older image as it was" {
    pull "$REGISTRY/busybox:latest"
    before=$(find "$L" -type f | sort | xargs sha256sum)
    pull "$FAKE/layer-missing"
    [ "$status" -eq 1 ]
    [ "$before" = "$(find "$L" -type f | sort | xargs sha256sum)" ]
}

@test "an interrupted pull leaves nothing" {
    "$IMAGEC" pull --root "$L" "$FAKE/stall" 3>&- &
    pid=$!
    until [ -e "$L" ]; do
        kill -0 $pid # a program that has ended makes no layout any more
        sleep 0.02
    done
    sleep 0.2
    kill -TERM $pid
    code=0
    wait "$pid" || code=$?
    [ "$code" -ne 0 ]
    [ "$(left)" -eq 0 ]
}

@test "two processes do not write to one layout at a time" {
    mkdir "$L"
    exec 8<"$L"
    flock 8
    pull "$FAKE/ok"
    exec 8<&-
    [ "$status" -eq 1 ]
    [[ $output == *"another imagec is writing"* ]]
}

@test "usage errors are 2 and say why" {
    pull
    [ "$status" -eq 2 ]
    pull UPPER
    [ "$status" -eq 2 ]
    [[ $output == *"repository name (UPPER) must be lowercase"* ]]
    pull --registry-mirror ftp://x busybox
    [ "$status" -eq 2 ]
    [[ $output == *"registry mirror 'ftp://x'"* ]]
    pull --platform linux busybox
    [ "$status" -eq 2 ]
    pull --no-such busybox
    [ "$status" -eq 2 ]
    [[ $output == *--no-such* ]]
    run "$IMAGEC" push x
    [ "$status" -eq 2 ]
    run "$IMAGEC" --help
    [ "$status" -eq 0 ]
    [[ $output == *--registry-mirror* ]]
}

@test "the manual names every option" {
    for o in $("$IMAGEC" --help | grep -o '^  --[a-z-]*'); do
        grep -qF -- "${o//-/\\-}" "$ROOT/doc/man/imagec.1"
    done
}

@test "what a registry may do is accepted" {
    printf '%s ok\n' ok ok-schema2 ok-index ok-duplicate-layers no-length chunked redirect-other auth-bearer \
        auth-bearer-other close-early-once status-429-once status-500-twice status-500-blob-once | faults
}

@test "faults of transport end in an error" {
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

@test "faults of authentication end in an error" {
    faults <<'END'
auth-basic user name and password
auth-none pull access denied for .*, repository does not exist or may require 'docker login': unauthorized
auth-no-realm names no realm
auth-file-realm realm of its challenge is not
auth-huge-realm WWW-Authenticate header larger than
auth-unterminated malformed WWW-Authenticate
auth-unknown pull access denied
auth-self pull access denied
auth-token-refused no token for you
auth-token-garbage malformed JSON
auth-token-injection no usable token
auth-token-huge larger than 65536 bytes
auth-token-useless pull access denied
END
}

@test "statuses become Docker's words" {
    faults <<'END'
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

@test "documents that are wrong are refused" {
    faults <<'END'
manifest-malformed malformed JSON
manifest-empty malformed JSON
manifest-deep nested deeper
manifest-huge larger than 4194304 bytes
manifest-wrong-types expected an integer
manifest-no-config config: expected
manifest-no-layers layers: expected
manifest-null expected an object
manifest-schema1 schema 1 is not supported
manifest-unknown-type application/x-unknown
manifest-negative-size layers\[0\].size
manifest-enormous-size layers\[0\].size
manifest-size-too-large 126 bytes, the manifest says 127
manifest-size-too-small 126 bytes, the manifest says 125
manifest-digest-path layers\[0\].digest
manifest-digest-algorithm layers\[0\].digest
manifest-digest-upper layers\[0\].digest
manifest-many-layers found 10000
index-no-platform no matching manifest
index-empty no matching manifest
index-nested nested deeper than 4
index-missing manifest unknown
config-malformed malformed JSON
config-few-diff-ids diff_ids
config-huge config.size: larger
config-hostile-strings NUL
config-many-values more than 20000 values
config-wrong-types config.Labels.a: expected a string
layer-unknown-type no layer type known here
layer-foreign may not be distributed
config-foreign platform \(linux/s390x\) does not match this host's \(linux/amd64\)
layer-missing blob unknown
END
}
