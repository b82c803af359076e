"""One image's file tree as a stack of layers: names what changes, emits parents, keeps order."""

import os

import oci


def _bytes(path):
    return path if isinstance(path, bytes) else path.encode()


class Stack:
    """Remembers each directory's last owner, mode and times, so later layers repeat them."""

    def __init__(self):
        self.dirs = {}
        self.layers = []

    def layer(self, created_by, fmt="pax", compression="gzip"):
        return LayerWriter(self, created_by, fmt, compression)

    def copy(self):
        """A stack that shares the layers so far, for another tag."""
        other = Stack()
        other.dirs, other.layers = dict(self.dirs), list(self.layers)
        return other


class LayerWriter:
    """Collects the entries of one layer; leaving the `with` block packs them."""

    def __init__(self, stack, created_by, fmt, compression):
        self.stack, self.created_by = stack, created_by
        self.fmt, self.compression = fmt, compression
        self.entries = {}

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stack.layers.append(self._pack())

    def _pack(self):
        for name in list(self.entries):
            parent = os.path.dirname(name)
            while parent and parent not in self.entries:
                self.entries[parent] = self.stack.dirs.get(
                    parent, oci.Entry(parent, oci.DIR, 0o755))
                parent = os.path.dirname(parent)
        self.stack.dirs.update({n: e for n, e in self.entries.items() if e.type == oci.DIR})
        order = sorted(self.entries, key=lambda n: (self.entries[n].rank,
                                                    self.entries[n].type == oci.HARD, n))
        raw = oci.tar([self.entries[n] for n in order], self.fmt)
        return oci.Layer.of(raw, self.created_by, self.compression)

    def add(self, entry, name=None):
        self.entries[name or entry.name] = entry

    def dir(self, name, mode=0o755, **kw):
        self.add(oci.Entry(_bytes(name), oci.DIR, mode, **kw))

    def file(self, name, data=b"", mode=0o644, **kw):
        self.add(oci.Entry(_bytes(name), oci.REG, mode, data=_bytes(data), **kw))

    def symlink(self, name, target, **kw):
        self.add(oci.Entry(_bytes(name), oci.SYM, 0o777, link=_bytes(target), **kw))

    def hardlink(self, name, target, **kw):
        self.add(oci.Entry(_bytes(name), oci.HARD, link=_bytes(target), **kw))

    def node(self, name, kind, mode=0o644, major=0, minor=0, **kw):
        self.add(oci.Entry(_bytes(name), kind, mode, major=major, minor=minor, **kw))

    def whiteout(self, name):
        """Hides a lower layer's file or whole directory."""
        head, tail = os.path.split(_bytes(name))
        self.file(os.path.join(head, b".wh." + tail), mode=0)

    def opaque(self, name, last=False):
        """Hides everything the lower layers have in a directory; the marker may come last."""
        self.file(os.path.join(_bytes(name), b".wh..wh..opq"), mode=0, rank=1 if last else 0)
