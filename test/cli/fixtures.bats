# The fixtures themselves: real images in a real registry, the lying registry, the CLI helpers.

setup_file() {
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    export ROOT DIR="$BATS_FILE_TMPDIR"
    export IMAGES="${VIC_IMAGES:-$ROOT/build/images}"
    . "$ROOT/test/lib/registry.bash"
    . "$ROOT/test/lib/fake.bash"
    "$ROOT/test/images/build" "$IMAGES" >&2
    registry_start "$DIR/registry"
    fake_start "$DIR/fake"
    export REGISTRY FAKE FAKE_OTHER
    "$ROOT/test/images/push" "$IMAGES" "$REGISTRY"
}

teardown_file() {
    . "$ROOT/test/lib/registry.bash"
    . "$ROOT/test/lib/fake.bash"
    registry_stop "$DIR/registry"
    fake_stop "$DIR/fake"
}

setup() { . "$ROOT/test/lib/fake.bash"; }

inspect() { skopeo --insecure-policy inspect --tls-verify=false "$@"; }
status() { curl -s --noproxy '*' -o "$BATS_TEST_TMPDIR/body" -w '%{http_code}' "$@"; }

@test "a second build does nothing" {
    before=$(stat -c %Y.%i "$IMAGES"/*/index.json)
    run "$ROOT/test/images/build" "$IMAGES"
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    [ "$before" = "$(stat -c %Y.%i "$IMAGES"/*/index.json)" ]
}

@test "the same inputs give the same bytes" {
    "$ROOT/test/images/build" "$BATS_TEST_TMPDIR/again" busybox manylayers multi
    for image in busybox manylayers multi; do
        cmp "$IMAGES/$image/index.json" "$BATS_TEST_TMPDIR/again/$image/index.json"
    done
}

@test "build refuses an image it does not know" {
    run "$ROOT/test/images/build" "$IMAGES" no-such
    [ "$status" -ne 0 ]
    [[ $output == *no-such* ]]
}

@test "debian-demo has five layers and shares four with v2" {
    inspect "docker://$REGISTRY/debian-demo:latest" | jq -e '.Layers | length == 5'
    inspect "docker://$REGISTRY/debian-demo:latest" | jq -c '.Layers[:4]' >"$BATS_TEST_TMPDIR/a"
    inspect "docker://$REGISTRY/debian-demo:v2" | jq -c '.Layers[:4]' >"$BATS_TEST_TMPDIR/b"
    cmp "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b"
    inspect --config "docker://$REGISTRY/debian-demo:latest" |
        jq -e '.config.Cmd == ["bash"] and (.config.User // "") == ""'
}

@test "debian-demo unpacks with umoci, with its deletions, links and capability" {
    [ "$(id -u)" -eq 0 ] || skip "unpacking devices needs root"
    umoci raw unpack --image "$IMAGES/debian-demo:latest" "$BATS_TEST_TMPDIR/root"
    cd "$BATS_TEST_TMPDIR/root"
    [ "$(find . | wc -l)" -ge 5000 ]
    [ ! -e change/delete-me ]
    [ ! -e change/delete-dir ]
    [ ! -e change/opaque/old ]
    [ -f change/dir2file ]
    [ -d change/file2dir ]
    [ -d change/link2dir ]
    [ ! -L change/link2dir ]
    [ "$(cat change/deleted-then-back)" = "back again" ]
    [ "$(stat -c %h odd/hard/a)" -eq 3 ]
    [ odd/hard/a -ef odd/hard/lower ]
    [[ $(getcap usr/local/bin/ping-cap) == *cap_net_raw* ]]
    [ "$(stat -c %.Y odd/time/before-with-fraction)" = -1.500000000 ]
    [ "$(stat -c %s odd/size/sparse)" -eq 10485760 ]
    [ "$(chroot . /bin/bash -c '. /etc/os-release; echo $ID; ip -V >&2; python3 -c "print(6*7)"')" = "debian
42" ]
    run chroot . /bin/bash -c 'for f in /usr/bin/* /usr/sbin/*; do
        /lib64/ld-linux-x86-64.so.2 --list "$f" 2>&1; done'
    [[ $output == *libc.so* ]]
    [[ $output != *"cannot open shared"* ]]
}

@test "busybox:user carries every setting" {
    inspect --config "docker://$REGISTRY/busybox:user" | jq -e '.config |
        .User == "1000:1000" and .WorkingDir == "/home/app" and (.Entrypoint | length) == 2 and
        (.ExposedPorts | length) == 2 and (.Volumes | has("/data"))'
}

@test "each kind of manifest is what it says" {
    type() { inspect --raw "docker://$REGISTRY/$1" | jq -r .mediaType; }
    [ "$(type busybox:latest)" = application/vnd.oci.image.manifest.v1+json ]
    [ "$(type debian-demo:schema2)" = application/vnd.docker.distribution.manifest.v2+json ]
    [ "$(type multi:latest)" = application/vnd.oci.image.index.v1+json ]
    [ "$(type multi:schema2)" = application/vnd.docker.distribution.manifest.list.v2+json ]
    inspect "docker://$REGISTRY/manylayers:latest" | jq -e '.Layers | length >= 40'
    inspect --raw "docker://$REGISTRY/zstd:latest" | jq -e '.layers[0].mediaType | endswith("+zstd")'
}

@test "a registry that was stopped leaves nothing and starts again on a given port" {
    . "$ROOT/test/lib/registry.bash"
    for _ in 1 2 3 4 5; do
        registry_start "$BATS_TEST_TMPDIR/r"
        first=$REGISTRY pid=$(cat "$BATS_TEST_TMPDIR/r/registry.pid")
        registry_stop "$BATS_TEST_TMPDIR/r"
        if kill -0 "$pid" 2>/dev/null; then false; fi
        # In between the port is anybody's.
        if registry_start "$BATS_TEST_TMPDIR/r" "${first#*:}"; then break; fi
        grep 'address already in use' "$BATS_TEST_TMPDIR/r/registry.log"
    done
    again=$REGISTRY
    registry_stop "$BATS_TEST_TMPDIR/r"
    registry_stop "$BATS_TEST_TMPDIR/r"
    [ "$first" = "$again" ]
}

@test "a port that is taken is an error, and leaves no process" {
    . "$ROOT/test/lib/registry.bash"
    run registry_start "$BATS_TEST_TMPDIR/r" "${FAKE#*:}"
    [ "$status" -ne 0 ]
    [ ! -e "$BATS_TEST_TMPDIR/r/registry.pid" ]
}

@test "skopeo pulls what the fake registry serves honestly" {
    for name in ok ok-schema2 ok-duplicate-layers no-length chunked redirect-other; do
        skopeo --insecure-policy copy -q --src-tls-verify=false "docker://$FAKE/$name:latest" \
            "dir:$BATS_TEST_TMPDIR/$name"
    done
}

@test "a token opens the repository, and the redirect's target sees the path taken" {
    fake_reset
    url=http://$FAKE/v2/auth-bearer-other
    [ "$(status "$url/manifests/latest")" = 401 ]
    token=$(curl -fsS --noproxy '*' "http://$FAKE/token/auth-bearer-other" | jq -r .token)
    curl -fsS --noproxy '*' -L -H "Authorization: Bearer $token" "$url/manifests/latest" >"$BATS_TEST_TMPDIR/m"
    blob=$(jq -r '.layers[0].digest' "$BATS_TEST_TMPDIR/m")
    curl -fsS --noproxy '*' -L -H "Authorization: Bearer $token" "$url/blobs/$blob" |
        sha256sum | grep -q "${blob#sha256:}"
    fake_log | jq -e --argjson port "${FAKE_OTHER#*:}" 'any(.[]; .port == $port)'
}

@test "skopeo refuses what the fake registry lies about" {
    for name in wrong-blob length-larger close-early redirect-forever auth-token-refused \
        status-403 status-404-blob manifest-malformed gzip-truncated not-http; do
        run timeout 20 skopeo --insecure-policy copy -q --src-tls-verify=false --format oci \
            --dest-decompress "docker://$FAKE/$name:latest" "dir:$BATS_TEST_TMPDIR/$name"
        [ "$status" -ne 0 ] || { echo "$name was accepted" && false; }
    done
}

@test "statuses, retries and unknown names" {
    fake_reset
    [ "$(status "http://$FAKE/v2/no-such-fault/manifests/x")" = 404 ]
    [ "$(status "http://$FAKE/v2/status-429/manifests/x")" = 429 ]
    [ "$(status "http://$FAKE/v2/status-500-twice/manifests/x")" = 500 ]
    [ "$(status "http://$FAKE/v2/status-500-twice/manifests/x")" = 500 ]
    [ "$(status "http://$FAKE/v2/status-500-twice/manifests/x")" = 200 ]
    fake_log | jq -e 'length == 5'
}

@test "every fault answers or hangs up, and the registry survives them all" {
    while read -r name _; do
        curl -s --noproxy '*' --max-time 1 --max-filesize 1000000 -o /dev/null \
            "http://$FAKE/v2/$name/manifests/latest" || :
    done < <("$ROOT/test/fake/registry.py" --list | grep -v -e huge -e endless -e storm -e slow)
    [ "$(status "http://$FAKE/v2/ok/manifests/latest")" = 200 ]
    [ ! -s "$DIR/fake/fake.log" ]
}

@test "a docker CLI on PATH is the one used" {
    . "$ROOT/test/lib/docker.bash"
    mkdir "$BATS_TEST_TMPDIR/bin"
    printf '#!/bin/sh\n' >"$BATS_TEST_TMPDIR/bin/docker"
    chmod 755 "$BATS_TEST_TMPDIR/bin/docker"
    PATH=$BATS_TEST_TMPDIR/bin:$PATH docker_cli "$BATS_TEST_TMPDIR/cli"
    [ "$DOCKER" = "$BATS_TEST_TMPDIR/bin/docker" ]
    [ ! -e "$BATS_TEST_TMPDIR/cli" ]
}
