# docker cp: both ways, links, owners, streams, hostile archives.
load common

setup_file() {
    dk run -d --name copy-main busybox sleep 3600
}
teardown_file() {
    dk rm -f copy-main
}
teardown() { remove_all copy-x; }

sh_in() { dk exec copy-main sh -c "$1"; }

@test "a file and a tree go in and come out as they were" {
    cd "$BATS_TEST_TMPDIR"
    mkdir -p tree/sub tree/empty
    head -c 3000000 /dev/urandom >tree/random
    ln -s random tree/link
    ln tree/random tree/sub/hard
    touch -d 2001-02-03T04:05:06 tree/sub
    chmod 2750 tree/empty
    dk cp tree copy-main:/var/tmp
    dk cp copy-main:/var/tmp/tree back
    listing() { (cd "$1" && find . -printf '%P %y %m %U:%G %n %l %TY-%Tm-%TdT%TH:%TM:%.2TS\n' | sort); }
    equal "$(listing tree)" "$(listing back)"
    cmp tree/random back/random
    [ back/random -ef back/sub/hard ]
    dk cp tree/random copy-main:/var/tmp/renamed
    equal "$(sha256sum <tree/random)" "$(dk exec copy-main sha256sum /var/tmp/renamed | sed 's| .*|  -|')"
}

@test "where it lands is as Docker has it" {
    cd "$BATS_TEST_TMPDIR"
    mkdir -p d && echo 1 >d/f
    sh_in 'mkdir -p /c/dir && echo old >/c/file && ln -s dir /c/link'
    dk cp d/. copy-main:/c/dir
    equal 1 "$(sh_in 'cat /c/dir/f')"
    dk cp d copy-main:/c/new
    equal 1 "$(sh_in 'cat /c/new/f')"
    dk cp d copy-main:/c/link # through the link
    equal 1 "$(sh_in 'cat /c/dir/d/f')"
    run -1 dk cp d copy-main:/c/file
    expect "cannot copy"
    run -1 dk cp d/f copy-main:/c/nowhere/f
    expect "Could not find the file /c/nowhere in container copy-main"
    run -1 dk cp copy-main:/c/absent .
    expect "Could not find the file /c/absent in container copy-main"
    run -1 dk cp copy-none:/c .
    expect "No such container: copy-none"
    dk cp copy-main:/c/link ./as-link
    [ -L as-link ]
    dk cp -L copy-main:/c/link ./as-dir
    [ -d as-dir ]
    [ ! -L as-dir ]
}

@test "stdin and stdout are tar streams" {
    cd "$BATS_TEST_TMPDIR"
    mkdir -p s && echo streamed >s/f
    tar -cf - s | dk cp - copy-main:/var/tmp
    equal streamed "$(sh_in 'cat /var/tmp/s/f')"
    sh_in 'rm -r /var/tmp/s'
    tar -czf s.tar.gz s
    run -0 api PUT "/v1.50/containers/copy-main/archive?path=/var/tmp" -T s.tar.gz
    equal 200 "${lines[-1]}"
    equal streamed "$(sh_in 'cat /var/tmp/s/f')"
    equal s/f "$(dk cp copy-main:/var/tmp/s - | tar -tf - | grep f)"
}

@test "stat says what Docker says" {
    sh_in 'ln -sf /etc/passwd /var/tmp/to-passwd'
    run -0 api HEAD "/v1.50/containers/copy-main/archive?path=/var/tmp/to-passwd" -I
    stat=$(tr -d '\r' <<<"$output" | sed -n 's/^[Xx]-[Dd]ocker-[Cc]ontainer-[Pp]ath-[Ss]tat: //p' | base64 -d)
    equal "to-passwd /etc/passwd 134218239" "$(jq -r '"\(.name) \(.linkTarget) \(.mode)"' <<<"$stat")"
    run -0 api GET "/v1.50/containers/copy-main/archive"
    equal 400 "${lines[-1]}"
    expect "path cannot be empty"
}

@test "-a gives everything to the container's user" {
    cd "$BATS_TEST_TMPDIR"
    dk run -d --name copy-x-user -u 1234:1235 busybox sleep 600
    echo 1 >f && chown 77:78 f
    dk cp f copy-x-user:/var/tmp/plain
    dk cp -a f copy-x-user:/var/tmp/owned
    equal "77:78 1234:1235" "$(dk exec copy-x-user stat -c %u:%g /var/tmp/plain /var/tmp/owned | xargs)"
}

@test "a hostile archive stays in its container, and says why it is refused" {
    cd "$BATS_TEST_TMPDIR"
    python3 - <<'END'
import io, tarfile
def make(name, *members):
    with tarfile.open(name, "w") as t:
        for info, data in members:
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
def entry(name, type=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = type, link, 0o644
    return info
make("dots.tar", (entry("../../../escaped"), b"1"))
make("link.tar", (entry("l", tarfile.SYMTYPE, "/../../../.."), b""), (entry("l/through"), b"1"))
make("hard.tar", (entry("h", tarfile.LNKTYPE, "../../init"), b""))
END
    head -c 100000 /dev/urandom >noise.tar
    head -c 700 dots.tar >cut.tar
    for bad in dots hard noise cut; do
        run -1 dk cp - copy-main:/var/tmp <$bad.tar
        expect "bad tar"
    done
    dk cp - copy-main:/var/tmp <link.tar
    sh_in 'test -f /through' # the link led to the container's own root
    run -0 dk exec copy-main echo alive
    dk create --name copy-x-hostile busybox true # and of one that does not run, in its own VM
    for bad in dots hard; do
        run -1 dk cp - copy-x-hostile:/var/tmp <$bad.tar
        expect "bad tar"
    done
    dk cp - copy-x-hostile:/var/tmp <link.tar
    equal 1 "$(dk cp copy-x-hostile:/through - | tar -xO)"
    [ ! -e /through ]
    dk rm -f copy-x-hostile
}

@test "ten copies at once, in and out" {
    cd "$BATS_TEST_TMPDIR"
    for i in 0 1 2 3 4 5 6 7 8 9; do
        head -c $((i * 10000)) /dev/urandom >"in$i"
        dk cp "in$i" "copy-main:/in$i" 3>&- &
        pids[i]=$!
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
    for i in 0 1 2 3 4 5 6 7 8 9; do
        dk cp "copy-main:/in$i" "out$i" 3>&- &
        pids[i]=$!
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
    for i in 0 1 2 3 4 5 6 7 8 9; do cmp "in$i" "out$i"; done
}

@test "a client that stalls or leaves costs nothing, and others go on" {
    sh_in 'head -c 20000000 /dev/urandom >/var/tmp/large'
    timeout 3 curl -sN --unix-socket "${VIC_HOST#unix://}" --limit-rate 1k -o /dev/null \
        "http://d/v1.50/containers/copy-main/archive?path=/var/tmp/large" || [ $? = 124 ]
    for i in $(seq 20); do # one more than may be at once
        timeout 20 curl -sN --unix-socket "${VIC_HOST#unix://}" --max-filesize 1 -o /dev/null \
            "http://d/v1.50/containers/copy-main/archive?path=/var/tmp/large" | head -c 1 >/dev/null || :
    done
    equal "$(sh_in 'sha256sum </var/tmp/large')" "$(dk cp copy-main:/var/tmp/large - | tar -xOf - | sha256sum)"
}

events_of() { # NAME SINCE
    dk events --since "$2" --until "$(($(date +%s) + 1))" --filter "container=$1" --format '{{.Action}}' | xargs
}
no_vm() { ! virsh -q -c qemu:///system list --name | grep -q "$(dk inspect -f '{{.Id}}' "$1" | cut -c1-12)"; }

@test "a container that does not run is copied from and into, and stays what it is" {
    cd "$BATS_TEST_TMPDIR"
    since=$(date +%s)
    dk create --name copy-x-idle busybox sh -c 'cat /in && echo kept >/kept && exit 4'
    echo into >in
    dk cp in copy-x-idle:/
    equal "created 0" "$(state copy-x-idle)"
    dk cp copy-x-idle:/etc/passwd - | tar -xO | grep -q root: # of the same VM
    run -1 dk cp copy-x-idle:/absent -
    expect "Could not find the file /absent in container copy-x-idle"
    run -4 dk start -a copy-x-idle # waits for the end of that VM
    equal into "$output"
    equal "exited 4" "$(state copy-x-idle)"
    equal "$(printf 'kept\n' | sha256sum)" "$(dk cp copy-x-idle:/kept - | tar -xO | sha256sum)"
    equal "exited 4" "$(state copy-x-idle)"
    equal "create extract-to-dir archive-path attach start die archive-path" "$(events_of copy-x-idle "$since")"
    wait_for 60 no_vm copy-x-idle # by itself
    head -c 1000000 /dev/urandom >large
    dk cp large copy-x-idle:/large &
    first=$!
    dk cp copy-x-idle:/kept kept
    wait "$first"
    equal "$(sha256sum <large)" "$(dk cp copy-x-idle:/large - | tar -xO | sha256sum)"
    dk rm copy-x-idle
    equal "" "$(ls "$SUITE/vchs/$VCH/containers" | grep -v "$(dk inspect -f '{{.Id}}' copy-main)" || :)"
}
