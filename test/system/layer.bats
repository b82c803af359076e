# vic-layer and the layer code on real images, without the daemons: what umoci makes of an image is what
# the layers hold, every layer is clean, and whatever is wrong leaves nothing behind.  O names the build folder,
# VIC_IMAGES that of the fixture images.

load common

setup_file() {
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    BIN=$(realpath "${O:-$ROOT/build}/bin")
    IMAGES=${VIC_IMAGES:-$ROOT/build/images}
    # Another user works in it, which bats's own folder does not allow.
    STORE=$(mktemp -d /var/tmp/vic-layer-test.XXXXXX)
    chmod 0711 "$STORE"
    WORKER=nobody
    getent passwd vic-layer >/dev/null && WORKER=vic-layer
    export ROOT BIN IMAGES STORE WORKER
    "$ROOT/test/images/build" "$IMAGES" debian-demo >&2
}
teardown_file() { rm -rf "$STORE"; }

tools() { python3 "$ROOT/test/system/layer_tools.py" "$@"; }
apply() { timeout 300 "$BIN/layer-apply" --datastore "$STORE" --libexec "$BIN" --user "$WORKER" "$@"; }
raw() { qemu-img convert -f qcow2 -O raw "$1" "$STORE/raw"; }
diff_id() { echo "sha256:$(sha256sum <"$1" | cut -d' ' -f1)"; }
nothing_left() { # no temporary file, no process
    [ -z "$(find "$STORE/layers" -name 'tmp-*')" ]
    [ -z "$(pgrep -f "$STORE/layers/tmp-")" ]
}
# Writes a tar with python; the code sees t and add(name, type=…, data=…, **fields).
make_tar() { # FILE CODE
    FILE=$1 python3 -c "
import io, os, tarfile
t = tarfile.open(os.environ['FILE'], 'w', format=tarfile.PAX_FORMAT)
def add(name, type=tarfile.REGTYPE, data=b'', **fields):
    i = tarfile.TarInfo(name)
    i.type, i.size = type, len(data)
    for k, v in fields.items():
        setattr(i, k, v)
    t.addfile(i, io.BytesIO(data))
$2
t.close()"
}

@test "an image's layers hold what umoci unpacks, to the last attribute" {
    # shellcheck disable=SC2046 # one word per layer
    apply $(tools operands "$IMAGES/debian-demo" latest) >"$BATS_TEST_TMPDIR/chains"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/chains")" -ge 5 ]
    nothing_left
    umoci unpack --image "$IMAGES/debian-demo:latest" "$BATS_TEST_TMPDIR/bundle" >&2
    tools tree "$BATS_TEST_TMPDIR/bundle/rootfs" >"$BATS_TEST_TMPDIR/umoci"
    top=$(tail -n1 "$BATS_TEST_TMPDIR/chains" | cut -d' ' -f1)
    raw "$STORE/layers/${top#sha256:}.qcow2"
    tools image "$STORE/raw" >"$BATS_TEST_TMPDIR/ours"
    diff "$BATS_TEST_TMPDIR/umoci" "$BATS_TEST_TMPDIR/ours"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/ours")" -ge 5000 ]
    grep -q security.capability "$BATS_TEST_TMPDIR/ours"
    grep -q '"links"' "$BATS_TEST_TMPDIR/ours"
}

@test "every layer is a clean file system in a sound, read-only qcow2" {
    n=0
    for f in "$STORE"/layers/*.qcow2; do
        qemu-img check -q "$f"
        [ "$(stat -c '%U %a' "$f")" = "root 444" ]
        raw "$f"
        e2fsck -fn "$STORE/raw" >&2
        n=$((n + 1))
    done
    [ "$n" -ge 6 ]
}

@test "the same layer gives the same bytes, however it is packed" {
    first=$(tools operands "$IMAGES/debian-demo" latest | head -n1)
    chain=${first#*=}
    chain=${chain%%=*}
    file=$STORE/layers/${chain#sha256:}.qcow2
    cp "$file" "$STORE/layers/copy.qcow2"
    apply "$first"
    qemu-img compare -q -f qcow2 -F qcow2 "$file" "$STORE/layers/copy.qcow2"
    zcat "${first##*=}" | zstd -q -o "$BATS_TEST_TMPDIR/zstd"
    apply "zstd=$chain=$BATS_TEST_TMPDIR/zstd"
    qemu-img compare -q -f qcow2 -F qcow2 "$file" "$STORE/layers/copy.qcow2"
    rm "$STORE/layers/copy.qcow2"
}

@test "the base is small and empty" {
    rm -f "$STORE"/layers/base-*
    apply
    [ "$(du -k "$STORE"/layers/base-*.qcow2 | cut -f1)" -lt 8192 ]
    raw "$STORE"/layers/base-*.qcow2
    [ "$(tools image "$STORE/raw" | wc -l)" -eq 1 ]
}

@test "sixty-six thousand directories, a 3 GiB file and a long name" {
    make_tar "$BATS_TEST_TMPDIR/t" "
for k in range(66000):
    add(f'many/{k}', tarfile.DIRTYPE)
add('x' * 255)
add('large', data=b'1\n3221225471\n1\n'.ljust(512, b'\0') + b'z',
    pax_headers={'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': 'large',
                 'GNU.sparse.realsize': '3221225472'})"
    id=$(diff_id "$BATS_TEST_TMPDIR/t")
    apply "none=$id=$BATS_TEST_TMPDIR/t"
    raw "$STORE/layers/${id#sha256:}.qcow2"
    e2fsck -fn "$STORE/raw" >&2
    debugfs -R 'stat /many' "$STORE/raw" 2>/dev/null | grep -q 'Links: 1 '
    debugfs -R 'stat /large' "$STORE/raw" 2>/dev/null | grep -q 'Size: 3221225472'
    rm -f "$STORE/layers/${id#sha256:}.qcow2"
}

refused() { # EXPECTED MEDIA FILE [DIFF_ID]
    run apply "$2=${4:-$(diff_id "$3")}=$3"
    [ "$status" -ne 0 ]
    if [[ $output != *"$1"* ]]; then
        echo "$output" >&2
        return 1
    fi
    nothing_left
}

@test "a layer that is wrong is refused, and leaves nothing" {
    t=$BATS_TEST_TMPDIR/t
    ls "$STORE/layers" >"$BATS_TEST_TMPDIR/before"
    make_tar "$t" "add('a', data=b'x' * 100000)"
    refused 'its image says' none "$t" "sha256:$(printf '%064d' 0)"
    truncate -s 5000 "$t"
    refused 'bad tar' none "$t"
    refused 'not valid gzip' gzip "$t"
    refused 'not valid zstd' zstd "$t"
    make_tar "$t" "add('../../etc/passwd')"
    refused breakout none "$t"
    make_tar "$t" "add('f'); add('x', tarfile.LNKTYPE, linkname='../../../etc/passwd')"
    refused breakout none "$t"
    make_tar "$t" "add('n' * 100000)"
    refused 'longer than' none "$t"
    make_tar "$t" "add('a', pax_headers={'size': '99999999999'})"
    refused 'bad tar' none "$t"
    ls "$STORE/layers" | diff "$BATS_TEST_TMPDIR/before" -
}

@test "a gzip bomb ends at the size of the disk" {
    head -c 300000000 /dev/zero | gzip -9 >"$BATS_TEST_TMPDIR/bomb"
    run timeout 60 "$BIN/layer-apply" --datastore "$STORE" --libexec "$BIN" --user "$WORKER" \
        --disk-size 268435456 "gzip=sha256:$(printf '%064d' 0)=$BATS_TEST_TMPDIR/bomb"
    [ "$status" -ne 0 ]
    [[ $output == *"layer larger than 268435456 bytes"* ]]
    nothing_left
}

@test "the worker holds no privilege while it reads, and dies with its starter" {
    mkfifo "$BATS_TEST_TMPDIR/blob"
    apply "none=sha256:$(printf '%064d' 1)=$BATS_TEST_TMPDIR/blob" 3>&- 2>/dev/null &
    starter=$!
    exec 9>"$BATS_TEST_TMPDIR/blob"
    applier=$(pgrep -f "^$BIN/layer-apply --datastore $STORE ")
    confined() {
        worker=$(pgrep -P "$applier" -f "^$BIN/vic-layer ") && grep -q '^Seccomp:.2' "/proc/$worker/status"
    }
    wait_for 30 confined
    status_of() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }
    nbd=$(pgrep -f "qemu-nbd .*$STORE/layers/tmp-")
    for pid in "$worker" "$nbd"; do
        [ "$(status_of "$pid" NoNewPrivs)" = 1 ]
        [ "$(status_of "$pid" CapEff)" = 0000000000000000 ]
        [ "$(status_of "$pid" CapPrm)" = 0000000000000000 ]
        [ "$(status_of "$pid" Uid | cut -f1)" = "$(id -u "$WORKER")" ]
        [ -z "$(status_of "$pid" Groups)" ]
    done
    [ "$(status_of "$worker" Seccomp)" = 2 ]
    grep -q '^Max file size *0 ' "/proc/$worker/limits"
    kill -9 "$applier"
    wait "$starter" || true
    # An orphan's zombie may stay where PID 1 does not look.
    have_ended() { ! grep -qs '^State:.[^Z]' "/proc/$worker/status" "/proc/$nbd/status"; }
    wait_for 30 have_ended
    exec 9>&-
    apply # removes what was left
    nothing_left
}

@test "a layer that would fill the datastore stops, and nothing is left" {
    # A file system that may fill by 100 MiB before what is kept is touched.
    make_tar "$STORE/large.tar" "
import random
for i in range(8):
    add('f%d' % i, data=random.Random(i).randbytes(64 << 20))"
    mkdir "$STORE/small"
    run unshare -m sh -c '
        mount -t tmpfs -o size=1124m,mode=0711 tmpfs "$2/small" || exit 9
        timeout 300 "$1/layer-apply" --datastore "$2/small" --libexec "$1" --user "$3" "none=$4=$2/large.tar"
        echo "status $?"
        find "$2/small/layers" -name "tmp-*"' sh "$BIN" "$STORE" "$WORKER" "$(diff_id "$STORE/large.tar")"
    rm -rf "$STORE/large.tar" "$STORE/small"
    echo "$output"
    [[ $output == *"no space left in the datastore"* && $output == *"status 1" ]]
    nothing_left
}
