# Images through the docker CLI: pull, list, tag, inspect, history, remove; and what a store keeps.
load common

@test "pull shows progress, and says when it is up to date" {
    dk rmi "$(image manylayers)" >/dev/null 2>&1 || :
    run -0 dk pull "$(image manylayers)"
    expect "Status: Downloaded newer image"
    expect "Digest: sha256:"
    expect "Pull complete"
    run -0 dk pull "$(image manylayers)"
    expect "Image is up to date"
    run -0 dk rmi "$(image manylayers)"
    expect "Untagged:"
    expect "Deleted: sha256:"
}

@test "the image's id and size are those its registry's documents give" {
    id=$(skopeo inspect --raw --tls-verify=false "docker://$(image busybox:latest)" | jq -r .config.digest)
    equal "$id" "$(dk inspect -f '{{.Id}}' busybox)"
    run -0 dk images --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}' busybox:latest
    equal "$id busybox:latest" "$output"
}

@test "pull by digest, and several tags share one image" {
    digest=$(dk inspect -f '{{index .RepoDigests 0}}' "$(image busybox)")
    run -0 dk pull "$digest"
    dk tag busybox busybox:second
    equal "$(dk inspect -f '{{.Id}}' busybox)" "$(dk inspect -f '{{.Id}}' busybox:second)"
    run -0 dk rmi busybox:second
    equal "Untagged: busybox:second" "$output"
}

@test "an index is resolved to this platform; a manifest of either kind is kept byte for byte" {
    for tag in latest schema2; do
        raw=$BATS_TEST_TMPDIR/$tag
        skopeo inspect --raw --tls-verify=false "docker://$(image "multi:$tag")" >"$raw.list"
        mine=$(jq -r '.manifests[] | select(.platform.architecture == "amd64").digest' "$raw.list")
        skopeo inspect --raw --tls-verify=false "docker://$(image "multi@$mine")" >"$raw.manifest"
        run -0 dk pull "$(image "multi:$tag")"
        expect "Digest: sha256:$(sha256sum <"$raw.list" | cut -d' ' -f1)"
        run -0 dk inspect -f '{{.Architecture}} {{.Id}}' "$(image "multi:$tag")"
        equal "amd64 $(jq -r .config.digest "$raw.manifest")" "$output"
        equal "$mine" "sha256:$(sha256sum <"$raw.manifest" | cut -d' ' -f1)"
        cmp "$raw.manifest" "$SUITE/vchs/$VCH/content/blobs/sha256/${mine#sha256:}"
    done
    equal application/vnd.docker.distribution.manifest.v2+json "$(jq -r .mediaType "$raw.manifest")"
    run -0 dk rmi "$(image multi:latest)" "$(image multi:schema2)"
}

@test "five clients pull one image at once" {
    dk rmi "$(image manylayers)" >/dev/null 2>&1 || :
    for i in 1 2 3 4 5; do
        dk pull -q "$(image manylayers)" 3>&- &
        pids[i]=$!
    done
    for i in 1 2 3 4 5; do wait "${pids[i]}"; done
    run -0 dk run --rm "$(image manylayers)" true
    run -0 dk rmi "$(image manylayers)"
}

@test "what does not exist is told as Docker tells it" {
    run -1 dk pull "$(image busybox:nosuchtag)"
    expect "manifest unknown"
    run -1 dk pull "$(image nosuchrepo)"
    expect "nosuchrepo"
    run -1 dk pull Bad_Name
    expect "invalid reference format"
    run -1 dk inspect nosuchimage
    run -1 dk rmi nosuchimage
    expect "No such image"
    run -125 dk run --rm "$(image nosuchrepo)" true
    run -1 dk pull 127.0.0.1:1/x
    expect "127.0.0.1:1"
}

@test "an image in use is not removed" {
    dk pull -q "$(image manylayers)"
    dk create --name images-user "$(image manylayers)" true
    run -1 dk rmi "$(image manylayers)"
    expect "conflict: unable to remove repository reference \"$(image manylayers)\" (must force) - container"
    dk rm images-user
    run -0 dk rmi "$(image manylayers)"
}

@test "the content store is an OCI layout that others read" {
    store=$SUITE/vchs/$VCH/content
    run -0 jq -r .imageLayoutVersion "$store/oci-layout"
    equal 1.0.0 "$output"
    (cd "$store/blobs/sha256" && for f in *; do echo "$f  $f"; done | sha256sum --check --quiet --strict)
}

# What find and sha256sum say of a tree, in a form that does not depend on who asks.
listing() { # ROOT: run by a shell in the container and on the host alike
    cd "$1" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./etc/hosts -o -path ./etc/hostname \
        -o -path ./etc/resolv.conf \) -prune -o -printf '%P %y %m %U %G %l %n' \( -type f -printf ' %s %T@' -o -true \) -printf '\n' | LC_ALL=C sort
    find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./etc/hosts -o -path ./etc/hostname \
        -o -path ./etc/resolv.conf \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
}

@test "a booted container sees what umoci unpacks of the same image: names, modes, owners, links, bytes" {
    umoci unpack --image "$VIC_IMAGES/debian-demo:latest" "$BATS_TEST_TMPDIR/bundle" >&2
    listing "$BATS_TEST_TMPDIR/bundle/rootfs" >"$BATS_TEST_TMPDIR/umoci"
    dk run --rm debian-demo bash -c "$(declare -f listing); listing /" >"$BATS_TEST_TMPDIR/container"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/umoci")" -gt 10000 ]
    # Mount points that a container gets, and the root, are not the image's.
    ours='^(|etc|dev|proc|sys|dev/.*) d '
    diff <(grep -aEv "$ours" "$BATS_TEST_TMPDIR/umoci") <(grep -aEv "$ours" "$BATS_TEST_TMPDIR/container")
}
