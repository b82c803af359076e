"""Images that are wrong on purpose, made in memory; `build(name)` gives what a registry serves.

    name                what is wrong with it
"""

FAULTS = {
    "ok": "nothing: one OCI image of one small layer",
    "ok-schema2": "nothing: the same as Docker schema 2",
    "ok-index": "nothing: an OCI index with this platform and a foreign one",
    "ok-duplicate-layers": "nothing: the same layer three times",
    "manifest-malformed": "the manifest is cut in the middle of its JSON",
    "manifest-empty": "the manifest is zero bytes",
    "manifest-deep": "100,000 nested arrays",
    "manifest-huge": "a valid manifest with 64 MiB of annotations",
    "manifest-wrong-types": "numbers where strings belong, and the reverse",
    "manifest-no-config": "no config member",
    "manifest-no-layers": "no layers member",
    "manifest-null": "the document is null",
    "manifest-schema1": "Docker schema 1",
    "manifest-unknown-type": "an unknown manifest media type",
    "manifest-negative-size": "a layer of -1 bytes",
    "manifest-enormous-size": "a layer of 2^63-1 bytes",
    "manifest-size-too-large": "a layer's size is one more than the blob has",
    "manifest-size-too-small": "a layer's size is one less than the blob has",
    "manifest-digest-path": "a layer's digest is sha256:../../../../etc/passwd",
    "manifest-digest-algorithm": "a layer's digest is of an unknown algorithm",
    "manifest-digest-upper": "a layer's digest is in upper case",
    "manifest-many-layers": "10,000 layers",
    "manifest-bad-utf8": "a manifest with bytes that are not UTF-8",
    "index-no-platform": "an index without our platform",
    "index-empty": "an index of nothing",
    "index-nested": "an index whose only entry is an index, 20 deep",
    "index-missing": "an index that names a manifest nobody has",
    "config-malformed": "the config is not JSON",
    "config-few-diff-ids": "the config has fewer diff_ids than there are layers",
    "config-wrong-diff-id": "the layer does not decompress to its diff_id",
    "config-huge": "a config of 64 MiB",
    "config-hostile-strings": "newlines, NULs and 100 KiB strings in Env, Cmd and User",
    "config-many-values": "a config of 20,001 short strings",
    "config-wrong-types": "Labels is a map of numbers",
    "config-foreign": "the config says s390x although no index was asked",
    "layer-unknown-type": "a layer of unknown media type",
    "layer-foreign": "a foreign layer with a URL elsewhere",
    "layer-missing": "a layer whose blob is not there",
    "layer-not-gzip": "the type says gzip, the bytes are a plain tar",
    "layer-noise": "random bytes",
    "layer-empty": "a blob of zero bytes",
    "gzip-truncated": "the gzip stream ends early",
    "gzip-bad-crc": "the gzip trailer is wrong",
    "gzip-trailing": "garbage after the gzip stream",
    "gzip-bomb": "10 MiB that become one file of 10 GiB",
    "tar-truncated": "the tar ends in the middle of a file",
    "tar-no-end": "the tar has no closing blocks (allowed)",
    "tar-bad-checksum": "a header's checksum is wrong",
    "tar-unknown-member": "a member of unknown type",
    "tar-size-beyond": "a member claims 1 GiB, a hundred bytes follow",
    "tar-size-negative": "a member of negative size",
    "tar-size-enormous": "a member of 2^63-1 bytes",
    "tar-size-pax-lies": "pax and header disagree about the size",
    "tar-dotdot": "members named ../x and a/../../x",
    "tar-absolute": "members with absolute names",
    "tar-symlink-escape": "a link out of the tree, then a file through it",
    "tar-symlink-chain": "the same by two links, one of them relative",
    "tar-hardlink-outside": "hard links to ../../etc/passwd and /etc/passwd",
    "tar-hardlink-symlink": "a hard link whose target goes through a link out of the tree",
    "tar-hardlink-missing": "a hard link to nothing",
    "tar-devices": "devices and a fifo (allowed in a layer)",
    "tar-long-name": "a name of 100,000 bytes (pax)",
    "tar-long-component": "one path component of 256 bytes",
    "tar-long-link": "a link target of 100,000 bytes",
    "tar-deep": "a path of 1,000 directories",
    "tar-nul-name": "a name with a NUL in it",
    "tar-empty-name": "a name of no bytes",
    "tar-dot-names": "members named . and ./ and a/./b and a//b",
    "tar-pax-huge": "a pax header of 64 MiB",
    "tar-pax-malformed": "a pax record with a wrong length",
    "tar-sparse-bomb": "a sparse file of 2^62 bytes",
    "tar-sparse-malformed": "a sparse map that overlaps and runs backwards",
    "tar-file-storm": "200,000 empty files",
    "tar-file-as-parent": "a file, then a file inside it",
    "tar-twice": "one name three times, as file, directory and link",
    "tar-xattr-huge": "an extended attribute of 1 MiB",
    "tar-xattr-foreign": "attributes in namespaces a layer must not set",
    "tar-owner-negative": "negative owner and group",
    "tar-time-extreme": "times far outside of what any file system keeps",
    "whiteout-root": "whiteouts of . and .. and an empty name",
    "whiteout-opaque-root": "an opaque marker in the root: hides all below (allowed)",
    "whiteout-escape": "a whiteout below a link out of the tree",
    "whiteout-aufs": "aufs' own .wh..wh.plnk and .wh..wh.aufs (to be skipped)",
}

import dataclasses  # noqa: E402
import os  # noqa: E402
import random  # noqa: E402
import sys  # noqa: E402
import zlib  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import oci  # noqa: E402
from oci import Entry  # noqa: E402

OUTSIDE = b"../../../../../../../../tmp/vic-escaped"  # a test looks for it afterwards


@dataclasses.dataclass
class Served:
    """What a repository answers: any tag gives `manifest`; blobs and further manifests by digest."""

    manifest: bytes
    media_type: str
    blobs: dict
    manifests: dict = dataclasses.field(default_factory=dict)  # digest -> (bytes, media type)


def served(image, **change):
    out = Served(image.manifest, image.media_type, dict(image.blobs))
    return dataclasses.replace(out, **change)


def hello():
    return [Entry(b"etc/", oci.DIR, 0o755), Entry(b"etc/hello", data=b"hello\n")]


def image(*layers, **kw):
    return oci.Image.of(list(layers) or [good_layer()], {"Cmd": ["/bin/sh"]}, **kw)


def good_layer():
    return oci.Layer.of(oci.tar(hello()))


def of_tar(entries):
    """A normal image whose second layer holds these members."""
    return served(image(good_layer(), oci.Layer.of(oci.tar(entries))))


def of_raw(raw):
    return served(image(good_layer(), oci.Layer.of(raw)))


def of_blob(blob, raw=b"", media=oci.OCI_LAYER + "+gzip"):
    """An image whose second layer's blob is given as it is."""
    return served(image(good_layer(), oci.Layer(blob, oci.digest(raw), media)))


def edited(change, base=None):
    """A good image whose manifest document is changed by `change(document)`."""
    import json
    base = base or image()
    document = json.loads(base.manifest)
    change(document)
    return served(base, manifest=oci.dump(document))


def with_layer(**members):
    return edited(lambda d: d["layers"][0].update(members))


def with_config(config):
    """A good layer under a config of any bytes."""
    def change(d):
        d["config"] = oci.descriptor(config, oci.OCI_CONFIG)
    out = edited(change)
    out.blobs[oci.digest(config)] = config
    return out


def of_index(document, *images):
    out = Served(document, oci.OCI_INDEX, {})
    for x in images:
        out.manifests[oci.digest(x.manifest)] = (x.manifest, x.media_type)
        out.blobs |= x.blobs
    return out


def nested_index():
    inner = image()
    out = of_index(inner.manifest, inner)
    data, media = inner.manifest, inner.media_type
    for _ in range(20):
        one = oci.descriptor(data, media, platform=inner.platform)
        data, media = oci.dump({"schemaVersion": 2, "mediaType": oci.OCI_INDEX,
                                "manifests": [one]}), oci.OCI_INDEX
        out.manifests[oci.digest(data)] = (data, media)
    out.manifest = data
    return out


def index_with_foreign():
    ours, other = image(), image(arch="arm64")
    return of_index(oci.index([other, ours]), ours, other)


def foreign_index():
    other = image(arch="s390x")
    return of_index(oci.index([other]), other)


def hostile_strings():
    run = {"Env": ["A=1\nB=2", "NUL=\0", "=x", "LONG=" + "x" * (100 << 10)], "User": "../../0\n",
           "Cmd": ["\0", "x" * (100 << 10)], "WorkingDir": "../../../tmp"}
    return served(oci.Image.of([good_layer()], run))


def gzip_bomb(gib=10):
    """One deflate stream: a block of zeros between full flushes, repeated; only the CRC is wrong."""
    step = 64 << 20
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = oci.tar_member(Entry(b"bomb", stated_size=gib << 30))
    start = z.compress(head) + z.flush(zlib.Z_FULL_FLUSH)
    block = z.compress(bytes(step)) + z.flush(zlib.Z_FULL_FLUSH)
    repeats = (gib << 30) // step
    tail = z.compress(bytes(2 * oci.BLOCK)) + z.flush()
    return of_blob(oci.gzip(b"")[:10] + start + block * repeats + tail + bytes(8), head)


def bad_checksum():
    raw = bytearray(oci.tar(hello()))
    raw[148:154] = b"000001"
    return of_raw(bytes(raw))


def pax_malformed():
    raw = oci.tar([Entry(b"x", pax={b"comment": b"A" * 50})])
    return of_raw(raw.replace(b"62 comment=", b"99 comment="))


def symlink_then(*entries):
    return of_tar([Entry(b"out", oci.SYM, link=b"../../../../../../../../tmp"), *entries])


def sparse_malformed():
    chunks = [(8192, b"x" * 512), (0, b"y" * 512), (1 << 61, b"z" * 512)]
    return of_tar([oci.sparse(b"holes", 16384, chunks)])


def sized(size):
    return of_tar([Entry(b"claims", data=b"x" * 100, stated_size=size)])


def negative_size():
    """Base 256, as GNU writes large numbers, with the sign bit set."""
    return of_raw(oci.tar([Entry(b"claims", data=b"x" * 100, stated_size=-1024)], "gnu"))


def names(*paths):
    return of_tar([Entry(p, data=b"x") for p in paths])


def file_storm():
    one = oci.tar_member(Entry(b"storm/0000000"))
    zero = one.index(b"0000000")
    out = []
    for n in range(200000):
        text = b"%07d" % n
        block = bytearray(one)
        block[zero:zero + 7] = text
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        out.append(bytes(block))
    return of_raw(b"".join(out) + bytes(2 * oci.BLOCK))


def many_layers():
    base = image()
    return edited(lambda d: d.update(layers=d["layers"] * 10000), base)


def duplicate_layers():
    return served(image(good_layer(), good_layer(), good_layer()))


def missing_layer():
    base = image()
    gone = oci.digest(good_layer().blob)
    return served(base, blobs={d: b for d, b in base.blobs.items() if d != gone})


def annotated(size):
    return edited(lambda d: d.update(annotations={"a": "x" * size}))


def schema1():
    return Served(oci.dump({"schemaVersion": 1, "name": "x", "tag": "y", "fsLayers": [],
                            "history": [], "signatures": []}),
                  "application/vnd.docker.distribution.manifest.v1+prettyjws", {})


def typed(media):
    return edited(lambda d: d.update(mediaType=media))


def wrong_types(d):
    d.update(schemaVersion="two", layers={"digest": 7}, config=[1, "x"])


def big_config():
    return with_config(oci.dump({"architecture": "amd64", "os": "linux", "x": "y" * (64 << 20),
                                 "rootfs": {"type": "layers", "diff_ids": []}}))


def unknown_type():
    out = typed("application/x-unknown")
    return dataclasses.replace(out, media_type="application/x-unknown")


def flipped_crc():
    blob = bytearray(good_layer().blob)
    blob[-8] ^= 1
    return of_blob(bytes(blob), oci.tar(hello()))


HALF = oci.gzip(oci.tar([Entry(b"noise", data=random.Random(1).randbytes(20000))]))
MAKERS = {
    "ok": lambda: served(image()),
    "ok-schema2": lambda: served(image(docker=True)),
    "ok-index": index_with_foreign,
    "ok-duplicate-layers": duplicate_layers,
    "manifest-malformed": lambda: served(image(), manifest=image().manifest[:-40]),
    "manifest-empty": lambda: served(image(), manifest=b""),
    "manifest-deep": lambda: served(image(), manifest=b"[" * 100000 + b"]" * 100000),
    "manifest-huge": lambda: annotated(64 << 20),
    "manifest-wrong-types": lambda: edited(wrong_types),
    "manifest-no-config": lambda: edited(lambda d: d.pop("config")),
    "manifest-no-layers": lambda: edited(lambda d: d.pop("layers")),
    "manifest-null": lambda: served(image(), manifest=b"null"),
    "manifest-schema1": schema1,
    "manifest-unknown-type": unknown_type,
    "manifest-negative-size": lambda: with_layer(size=-1),
    "manifest-enormous-size": lambda: with_layer(size=2**63 - 1),
    "manifest-size-too-large": lambda: with_layer(size=len(good_layer().blob) + 1),
    "manifest-size-too-small": lambda: with_layer(size=len(good_layer().blob) - 1),
    "manifest-digest-path": lambda: with_layer(digest="sha256:../../../../etc/passwd"),
    "manifest-digest-algorithm": lambda: with_layer(digest="rot13:" + "0" * 64),
    "manifest-digest-upper": lambda: with_layer(digest="sha256:" + "AB" * 32),
    "manifest-many-layers": many_layers,
    "manifest-bad-utf8": lambda: served(image(), manifest=image().manifest[:-1] + b',"\xff":1}'),
    "index-no-platform": foreign_index,
    "index-empty": lambda: of_index(oci.index([])),
    "index-nested": nested_index,
    "index-missing": lambda: of_index(oci.index([image()])),
    "config-malformed": lambda: with_config(b"{not json"),
    "config-few-diff-ids": lambda: with_config(oci.dump(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})),
    "config-wrong-diff-id": lambda: of_blob(oci.gzip(oci.tar(hello())), b"something else"),
    "config-huge": big_config,
    "config-hostile-strings": hostile_strings,
    "config-many-values": lambda: served(oci.Image.of([good_layer()], {"Env": ["A"] * 20001})),
    "config-wrong-types": lambda: served(oci.Image.of([good_layer()], {"Labels": {"a": 1}})),
    "config-foreign": lambda: served(image(arch="s390x")),
    "layer-unknown-type": lambda: with_layer(mediaType="application/x-layer"),
    "layer-foreign": lambda: with_layer(
        mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        urls=["http://127.0.0.1:1/elsewhere"]),
    "layer-missing": missing_layer,
    "layer-not-gzip": lambda: of_blob(oci.tar(hello()), oci.tar(hello())),
    "layer-noise": lambda: of_blob(random.Random(2).randbytes(10000)),
    "layer-empty": lambda: of_blob(b""),
    "gzip-truncated": lambda: of_blob(HALF[:len(HALF) // 2]),
    "gzip-bad-crc": flipped_crc,
    "gzip-trailing": lambda: of_blob(good_layer().blob + b"garbage" * 100, oci.tar(hello())),
    "gzip-bomb": gzip_bomb,
    "tar-truncated": lambda: of_raw(oci.tar([Entry(b"cut", data=b"x" * 5000)])[:3000]),
    "tar-no-end": lambda: of_raw(oci.tar_member(Entry(b"last", data=b"x"))),
    "tar-bad-checksum": bad_checksum,
    "tar-unknown-member": lambda: of_tar([Entry(b"odd", b"Z", data=b"x")]),
    "tar-size-beyond": lambda: sized(1 << 30),
    "tar-size-negative": negative_size,
    "tar-size-enormous": lambda: sized(2**63 - 1),
    "tar-size-pax-lies": lambda: of_tar([Entry(b"claims", data=b"x" * 100,
                                               pax={b"size": b"1000000"})]),
    "tar-dotdot": lambda: names(OUTSIDE, b"a/../../../../../../../../../tmp/vic-escaped"),
    "tar-absolute": lambda: names(b"/tmp/vic-escaped", b"//tmp//vic-escaped"),
    "tar-symlink-escape": lambda: symlink_then(Entry(b"out/vic-escaped", data=b"x")),
    "tar-symlink-chain": lambda: symlink_then(Entry(b"d", oci.DIR, 0o755),
                                              Entry(b"d/again", oci.SYM, link=b"../out"),
                                              Entry(b"d/again/vic-escaped", data=b"x")),
    "tar-hardlink-outside": lambda: of_tar([
        Entry(b"relative", oci.HARD, link=b"../../../../../../etc/passwd"),
        Entry(b"absolute", oci.HARD, link=b"/etc/passwd")]),
    "tar-hardlink-symlink": lambda: of_tar([Entry(b"out", oci.SYM, link=b"/etc"),
                                            Entry(b"stolen", oci.HARD, link=b"out/passwd")]),
    "tar-hardlink-missing": lambda: of_tar([Entry(b"to", oci.HARD, link=b"no/such/file")]),
    "tar-devices": lambda: of_tar([Entry(b"null", oci.CHR, 0o666, major=1, minor=3),
                                   Entry(b"disk", oci.BLK, 0o666, major=254, minor=0),
                                   Entry(b"pipe", oci.FIFO, 0o666)]),
    "tar-long-name": lambda: names(b"/".join([b"n" * 199] * 500)),
    "tar-long-component": lambda: names(b"n" * 256),
    "tar-long-link": lambda: of_tar([Entry(b"link", oci.SYM, link=b"l" * 100000)]),
    "tar-deep": lambda: names(b"d/" * 1000 + b"end"),
    "tar-nul-name": lambda: of_tar([Entry(b"x", pax={b"path": b"before\0after"})]),
    "tar-empty-name": lambda: names(b""),
    "tar-dot-names": lambda: of_tar([Entry(b".", oci.DIR, 0o755), Entry(b"./", oci.DIR, 0o755),
                                     Entry(b"a/./b", data=b"x"), Entry(b"a//c", data=b"x")]),
    "tar-pax-huge": lambda: of_tar([Entry(b"x", pax={b"comment": b"c" * (64 << 20)})]),
    "tar-pax-malformed": pax_malformed,
    "tar-sparse-bomb": lambda: of_tar([oci.sparse(b"holes", 2**62, [(0, b"x" * 512)])]),
    "tar-sparse-malformed": sparse_malformed,
    "tar-file-storm": file_storm,
    "tar-file-as-parent": lambda: names(b"file", b"file/inside"),
    "tar-twice": lambda: of_tar([Entry(b"name", data=b"x"), Entry(b"name", oci.DIR, 0o755),
                                 Entry(b"name/x", data=b"x"), Entry(b"name", oci.SYM, link=b"x")]),
    "tar-xattr-huge": lambda: of_tar([Entry(b"x", xattrs={"user.big": b"v" * (1 << 20)})]),
    "tar-xattr-foreign": lambda: of_tar([Entry(b"x", xattrs={
        "trusted.overlay.opaque": b"y", "system.nfs4_acl": b"x", "noname": b"x", "": b"x",
        "user." + "n" * 1000: b"x"})]),
    "tar-owner-negative": lambda: of_tar([Entry(b"x", pax={b"uid": b"-1", b"gid": b"-7"})]),
    "tar-time-extreme": lambda: of_tar([
        Entry(b"future", pax={b"mtime": b"9" * 30}), Entry(b"past", pax={b"mtime": b"-" + b"9" * 18}),
        Entry(b"nonsense", pax={b"mtime": b"1.2.3e9"})]),
    "whiteout-root": lambda: names(b".wh..", b".wh...", b".wh.", b"etc/.wh..", b"etc/.wh..."),
    "whiteout-opaque-root": lambda: names(b".wh..wh..opq", b"only-me"),
    "whiteout-escape": lambda: symlink_then(Entry(b"out/.wh.vic-precious")),
    "whiteout-aufs": lambda: of_tar([Entry(b".wh..wh.plnk", oci.DIR, 0o700),
                                     Entry(b".wh..wh.plnk/1.2", data=b"x"),
                                     Entry(b".wh..wh.aufs", data=b"x")]),
}
assert MAKERS.keys() == FAULTS.keys(), MAKERS.keys() ^ FAULTS.keys()


def build(name):
    """The answers of one repository, by the fault's name."""
    return MAKERS[name]()
