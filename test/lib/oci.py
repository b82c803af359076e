"""Tar layers and OCI images made in memory: exact bytes, no privileges, the same bytes every time.

The tar writer is our own because tests need what tarfile refuses to write: raw names, nanosecond
and negative times, sizes that lie.  Used by test/images/build and by test/fake/registry.py.
"""

import dataclasses
import hashlib
import json
import os
import subprocess
import zlib

BLOCK = 512
EPOCH_NS = int(os.environ.get("SOURCE_DATE_EPOCH", "1700000000")) * 10**9
REG, HARD, SYM, CHR, BLK, DIR, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@dataclasses.dataclass
class Entry:
    """One tar member.  Times are nanoseconds since 1970 and may be negative."""

    name: bytes
    type: bytes = REG
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime_ns: int = EPOCH_NS
    data: bytes = b""
    link: bytes = b""
    major: int = 0
    minor: int = 0
    xattrs: dict = dataclasses.field(default_factory=dict)
    pax: dict = dataclasses.field(default_factory=dict)  # extra or lying records, as they are
    stated_size: int | None = None  # what the header claims, where it is not len(data)
    rank: int = 0  # sorts before the name; hard links must follow their targets


def _pax_record(key, value):
    body = b" " + key + b"=" + value + b"\n"
    size = len(body)
    while len(b"%d" % size) + len(body) != size:
        size = len(b"%d" % size) + len(body)
    return b"%d" % size + body


def _pad(data):
    return data + bytes(-len(data) % BLOCK)


def _number(value, width, fmt):
    """A numeric header field: octal where it fits, else GNU's base 256 (or 0, told by pax)."""
    if 0 <= value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    if fmt == "pax":
        return b"0" * (width - 1) + b"\0"
    field = bytearray((value % 256**width).to_bytes(width, "big"))
    field[0] |= 0x80
    return bytes(field)


def _header(e, name, link, size, fmt):
    mtime = e.mtime_ns // 10**9
    block = b"".join((
        name[:100].ljust(100, b"\0"), _number(e.mode, 8, fmt), _number(e.uid, 8, fmt),
        _number(e.gid, 8, fmt), _number(size, 12, fmt), _number(mtime, 12, fmt), b" " * 8, e.type,
        link[:100].ljust(100, b"\0"), b"ustar  \0" if fmt == "gnu" else b"ustar\00000",
        bytes(64), _number(e.major, 8, fmt), _number(e.minor, 8, fmt))).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _pax_time(ns):
    whole, frac = divmod(abs(ns), 10**9)
    return (b"-" if ns < 0 else b"") + b"%d.%09d" % (whole, frac)


def _pax_records(e, name, size):
    records = {}
    if len(name) > 100 or not name.isascii():
        records[b"path"] = name  # raw bytes, as Go writes them: no hdrcharset
    if len(e.link) > 100 or not e.link.isascii():
        records[b"linkpath"] = e.link
    for key, value, width in ((b"uid", e.uid, 8), (b"gid", e.gid, 8), (b"size", size, 12)):
        if not 0 <= value < 8 ** (width - 1):
            records[key] = b"%d" % value
    if e.mtime_ns % 10**9 or not 0 <= e.mtime_ns // 10**9 < 8**11:
        records[b"mtime"] = _pax_time(e.mtime_ns)
    for key, value in e.xattrs.items():
        records[b"SCHILY.xattr." + key.encode()] = value
    records.update(e.pax)
    return records


def tar_member(e, fmt="pax"):
    """Header, extension headers and padded data of one member, as pax or as old GNU tar."""
    name = e.name + b"/" if e.type == DIR and not e.name.endswith(b"/") else e.name
    size = len(e.data) if e.stated_size is None else e.stated_size
    out = b""
    if fmt == "gnu":
        assert not e.xattrs and not e.pax, "old GNU tar has no place for them"
        for kind, text in ((b"K", e.link), (b"L", name)):
            if len(text) > 100:
                extra = Entry(b"././@LongLink", kind, mode=0, mtime_ns=0)
                out += _header(extra, extra.name, b"", len(text) + 1, fmt) + _pad(text + b"\0")
    else:
        records = _pax_records(e, name, size)
        if records:
            body = b"".join(_pax_record(k, records[k]) for k in sorted(records))
            extra = Entry(b"PaxHeaders/" + os.path.basename(name.rstrip(b"/"))[:80], b"x")
            out += _header(extra, extra.name, b"", len(body), fmt) + _pad(body)
    return out + _header(e, name, e.link, size, fmt) + _pad(e.data)


def tar(entries, fmt="pax"):
    """A whole archive: members in the given order and the two closing blocks."""
    return b"".join([tar_member(e, fmt) for e in entries]) + bytes(2 * BLOCK)


def sparse(name, size, chunks, **kw):
    """A file with holes in GNU's sparse format 1.0; chunks are (offset, bytes), ascending."""
    chunks = list(chunks) + [(size, b"")]
    table = b"%d\n" % len(chunks) + b"".join(b"%d\n%d\n" % (o, len(d)) for o, d in chunks)
    pax = {b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.name": name,
           b"GNU.sparse.realsize": b"%d" % size}
    head, _, tail = name.rpartition(b"/")
    stored = (head + b"/" if head else b"") + b"GNUSparseFile.0/" + tail
    return Entry(stored, data=_pad(table) + b"".join(d for _, d in chunks), pax=pax, **kw)


def gzip(data, level=6):
    """gzip with no name and no time in its header."""
    z = zlib.compressobj(level, zlib.DEFLATED, 31)
    return z.compress(data) + z.flush()


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE,
                          check=True).stdout


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def dump(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


@dataclasses.dataclass
class Layer:
    """A compressed tar and the digest of what it decompresses to."""

    blob: bytes
    diff_id: str
    media_type: str = OCI_LAYER + "+gzip"
    created_by: str = ""

    @classmethod
    def of(cls, raw, created_by="", compression="gzip"):
        pack = {"gzip": gzip, "zstd": zstd, "": bytes}[compression]
        suffix = "+" + compression if compression else ""
        return cls(pack(raw), digest(raw), OCI_LAYER + suffix, created_by)


def descriptor(data, media_type, **extra):
    return {"mediaType": media_type, "digest": digest(data), "size": len(data), **extra}


@dataclasses.dataclass
class Image:
    """One platform's image: manifest bytes and every blob it names."""

    manifest: bytes
    media_type: str
    blobs: dict  # digest -> bytes, config included
    platform: dict

    @classmethod
    def of(cls, layers, run=None, arch="amd64", docker=False, empty_history=()):
        """From layers and an OCI `config` object; docker=True writes a schema 2 manifest."""
        when = "2023-11-14T22:13:20Z"
        history = [{"created": when, "created_by": c, "empty_layer": True} for c in empty_history]
        history += [{"created": when, "created_by": x.created_by} for x in layers]
        config = dump({"architecture": arch, "os": "linux", "created": when, "config": run or {},
                       "rootfs": {"type": "layers", "diff_ids": [x.diff_id for x in layers]},
                       "history": history})
        media = (DOCKER_MANIFEST, DOCKER_CONFIG) if docker else (OCI_MANIFEST, OCI_CONFIG)
        stack = [descriptor(x.blob, DOCKER_LAYER_GZIP if docker else x.media_type) for x in layers]
        manifest = dump({"schemaVersion": 2, "mediaType": media[0],
                         "config": descriptor(config, media[1]), "layers": stack})
        blobs = {digest(x.blob): x.blob for x in layers} | {digest(config): config}
        return cls(manifest, media[0], blobs, {"architecture": arch, "os": "linux"})

    def descriptor(self, **extra):
        return descriptor(self.manifest, self.media_type, platform=self.platform, **extra)


def index(images, docker=False, **more):
    """The bytes of an OCI index (or Docker manifest list) over images."""
    return dump({"schemaVersion": 2, "mediaType": DOCKER_LIST if docker else OCI_INDEX,
                 "manifests": [x.descriptor() for x in images], **more})


class Layout:
    """An OCI image layout in a folder; `tag` adds an Image, or a list of them as an index."""

    def __init__(self, folder):
        self.folder = folder
        self.tags = []
        os.makedirs(os.path.join(folder, "blobs", "sha256"))

    def _write(self, data):
        path = os.path.join(self.folder, "blobs", "sha256", digest(data)[len("sha256:"):])
        if not os.path.exists(path):
            with open(path, "wb") as f:
                f.write(data)

    def tag(self, name, what):
        images = what if isinstance(what, list) else [what]
        for image in images:
            for blob in (*image.blobs.values(), image.manifest):
                self._write(blob)
        named = {"annotations": {"org.opencontainers.image.ref.name": name}}
        if isinstance(what, list):
            data = index(images)
            self._write(data)
            self.tags.append(descriptor(data, OCI_INDEX, **named))
        else:
            self.tags.append(descriptor(what.manifest, what.media_type, **named))

    def finish(self):
        for name, document in (("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                               ("index.json", {"schemaVersion": 2, "manifests": self.tags})):
            with open(os.path.join(self.folder, name), "wb") as f:
                f.write(dump(document))
