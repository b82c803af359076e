#!/usr/bin/env python3
"""operands LAYOUT TAG: an image's layers as layer-apply wants them.
tree DIR: every path below DIR with all that a layer must keep, one JSON line each, sorted.
image RAW: the same, read from an ext4 image by debugfs, which shares no code with vic-layer's writer.
"""

import base64
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile


def operands(layout, tag):
    def blob(digest):
        return os.path.join(layout, "blobs", *digest.split(":"))

    with open(os.path.join(layout, "index.json")) as f:
        found = [m for m in json.load(f)["manifests"]
                 if m.get("annotations", {}).get("org.opencontainers.image.ref.name") == tag]
    with open(blob(found[0]["digest"])) as f:
        manifest = json.load(f)
    with open(blob(manifest["config"]["digest"])) as f:
        diff_ids = json.load(f)["rootfs"]["diff_ids"]
    for entry, diff_id in zip(manifest["layers"], diff_ids):
        kind = re.search(r"(gzip|zstd)?$", entry["mediaType"]).group(0) or "none"
        print(f"{kind}={diff_id}={blob(entry['digest'])}")


def record(path, mode, uid, gid, mtime_ns, **more):
    return {"path": path, "mode": oct(mode), "owner": [uid, gid], "mtime": mtime_ns, **more}


def sha256_of(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while data := f.read(1 << 20):
            h.update(data)
    return h.hexdigest()


def text(data):
    return data.decode("utf-8", "backslashreplace")


def tree_record(root, path, links):
    full = os.path.join(root, path) if path else root
    st = os.lstat(full)
    more = {}
    if stat.S_ISREG(st.st_mode):
        more = {"size": st.st_size, "sha256": sha256_of(full)}
    elif stat.S_ISLNK(st.st_mode):
        more = {"target": text(os.readlink(full))}
    elif stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
        more = {"device": [os.major(st.st_rdev), os.minor(st.st_rdev)]}
    if not stat.S_ISDIR(st.st_mode):
        links.setdefault(st.st_ino, []).append(text(path))
    xattrs = {n: base64.b64encode(os.getxattr(full, n, follow_symlinks=False)).decode()
              for n in os.listxattr(full, follow_symlinks=False)
              if not n.startswith("user.rootlesscontainers")}
    return st.st_ino, record(text(path), st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns,
                             xattrs=xattrs, **more)


def tree(root):
    root = os.fsencode(root)
    links, rows = {}, []
    for folder, dirs, files in os.walk(root):
        rel = os.path.relpath(folder, root)
        rel = b"" if rel == b"." else rel
        if rel == b"":
            rows.append(tree_record(root, b"", links))
        for name in dirs + files:
            rows.append(tree_record(root, os.path.join(rel, name), links))
    show(rows, links)


class Debugfs:
    def __init__(self, raw):
        self.raw = raw

    def run(self, commands):
        """Runs them all in one process; yields what each printed."""
        with tempfile.NamedTemporaryFile("w") as f:
            f.write("".join(c + "\n" for c in commands))
            f.flush()
            out = subprocess.run(["debugfs", "-f", f.name, self.raw], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, check=True).stdout
        parts = re.split(rb"^debugfs: (.*)\n", out, flags=re.M)
        answers = parts[2::2]
        assert len(answers) == len(commands), (len(answers), len(commands))
        return answers


ROW = re.compile(rb"^/(\d+)/(\d+)/\d+/\d+/(.*)/(\d*)/$", re.S)


def walk_image(fs):
    """(path, inode) of everything, level by level."""
    level = [(b"", 2)]
    yield b"", 2
    while level:
        deeper = []
        for (parent, _), out in zip(level, fs.run([f"ls -p <{i}>" for _, i in level])):
            for line in out.split(b"\n"):
                m = ROW.match(line)
                if not m or m[3] in (b".", b"..") or m[1] == b"0":
                    continue
                path = parent + b"/" + m[3] if parent else m[3]
                yield path, int(m[1])
                if stat.S_ISDIR(int(m[2], 8)):
                    deeper.append((path, int(m[1])))
        level = deeper


TYPES = {"regular": stat.S_IFREG, "directory": stat.S_IFDIR, "symlink": stat.S_IFLNK,
         "character special": stat.S_IFCHR, "block special": stat.S_IFBLK, "FIFO": stat.S_IFIFO}


def parse_stat(out):
    s = out.decode("utf-8", "replace")
    kind = re.search(r"Type: (.*?)\s+Mode:\s+(\d+)", s)
    user = re.search(r"User:\s+(\d+)\s+Group:\s+(\d+).*?Size: (\d+)", s, re.S)
    low, extra = re.search(r" mtime: 0x([0-9a-f]+):([0-9a-f]+)", s).groups()
    low, extra = int(low, 16), int(extra, 16)
    seconds = (low - (1 << 32) if low >> 31 else low) + ((extra & 3) << 32)
    dev = re.search(r"Device major/minor number: (\d+):(\d+)", s)
    fast = re.search(rb'Fast link dest: "(.*)"', out, re.S)
    return {"mode": TYPES[kind[1].strip()] | int(kind[2], 8), "uid": int(user[1]),
            "gid": int(user[2]), "size": int(user[3]),
            "mtime": seconds * 10**9 + (extra >> 2), "fast": fast[1] if fast else None,
            "links": int(re.search(r"Links: (\d+)", s)[1]),
            "device": [int(dev[1]), int(dev[2])] if dev else None,
            "xattrs": re.findall(r"^  ([a-z]+\.[^\s=]+) \(\d+\)", s, re.M)}


def image(raw):
    fs = Debugfs(raw)
    found = list(walk_image(fs))
    inodes = sorted({i for _, i in found})
    stats = {i: parse_stat(o) for i, o in zip(inodes, fs.run([f"stat <{i}>" for i in inodes]))}
    with tempfile.TemporaryDirectory() as folder:
        dumped = [i for i in inodes if stat.S_ISREG(stats[i]["mode"]) or
                  stat.S_ISLNK(stats[i]["mode"]) and stats[i]["fast"] is None]
        fs.run([f"dump <{i}> {folder}/{i}" for i in dumped])
        wanted = [(i, n) for i in inodes for n in stats[i]["xattrs"]]
        values = {}
        fs.run([f"ea_get -f {folder}/x{k} <{i}> {n}" for k, (i, n) in enumerate(wanted)])
        for k, (i, n) in enumerate(wanted):
            with open(f"{folder}/x{k}", "rb") as f:
                values.setdefault(i, {})[n] = base64.b64encode(f.read()).decode()
        rows, links = [], {}
        for path, i in found:
            s, more = stats[i], {}
            if stat.S_ISREG(s["mode"]):
                more = {"size": os.path.getsize(f"{folder}/{i}"), "sha256": sha256_of(f"{folder}/{i}")}
                assert more["size"] == s["size"], path
            elif stat.S_ISLNK(s["mode"]):
                target = s["fast"]
                if target is None:
                    with open(f"{folder}/{i}", "rb") as f:
                        target = f.read()
                more = {"target": text(target)}
            elif s["device"]:
                more = {"device": s["device"]}
            if not stat.S_ISDIR(s["mode"]):
                links.setdefault(i, []).append(text(path))
            rows.append((i, record(text(path), s["mode"], s["uid"], s["gid"], s["mtime"],
                                   xattrs=values.get(i, {}), **more)))
    for i, names in links.items():
        assert stats[i]["links"] == len(names), (names, stats[i]["links"])
    show(rows, links)


def show(rows, links):
    for inode, row in sorted(rows, key=lambda r: r[1]["path"]):
        names = links.get(inode, [])
        if len(names) > 1:
            row["links"] = sorted(names)
        print(json.dumps(row, sort_keys=True))


if __name__ == "__main__":
    {"operands": operands, "tree": tree, "image": image}[sys.argv[1]](*sys.argv[2:])
