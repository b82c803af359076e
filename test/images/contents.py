"""What is in each fixture image; see test/images/build for how they are made and kept.

IMAGES maps a repository to its builder.  A builder takes the folder of .deb files (by package) and
returns tag -> Image, or tag -> [Image, …] for an index.
"""

import os
import random
import struct
import subprocess

import debs
import layer
import oci

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SECOND = 10**9


def file_capability(*bits):
    """security.capability, revision 2, permitted and effective."""
    mask = sum(1 << b for b in bits)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    return {"security.capability": struct.pack("<5I", 0x02000001, low, 0, high, 0)}


CAP_NET_RAW = 13
PASSWD = b"demo:x:1000:1000:Demo User,,,:/home/demo:/bin/bash\n" \
         b"builder:x:12345:54321::/srv/app:/bin/sh\n"
GROUP = b"demo:x:1000:\nbuilders:x:54321:demo\nextra:x:2000:demo,builder\n"
PAM = {"auth": b"auth sufficient pam_unix.so nullok\nauth required pam_deny.so\n",
       "account": b"account required pam_unix.so\n",
       "password": b"password required pam_unix.so yescrypt\n",
       "session": b"session required pam_unix.so\n"}


def add_packages(w, packages, files):
    """Unpacks packages into a layer and records them in dpkg's database."""
    for package in packages:
        entries = debs.read(files[package])
        for e in entries:
            if e.type != oci.DIR or e.name not in (w.entries.keys() | w.stack.dirs.keys()):
                w.add(e)
        listed = b"".join(b"/" + e.name + b"\n" for e in entries)
        w.file(f"var/lib/dpkg/info/{package}.list", b"/.\n" + listed)


def dpkg_status(w, packages, files):
    w.file("var/lib/dpkg/status", b"".join(debs.status(files[p]) for p in sorted(set(packages))))


def debian_base(stack, files):
    with stack.layer("debian: base packages") as w:
        w.add(oci.Entry(b"./", oci.DIR, 0o755), name=b"./")
        for name in ("bin", "sbin", "lib", "lib64"):
            w.symlink(name, "usr/" + name)
        add_packages(w, debs.BASE, files)
        for name in (b"bin", b"sbin", b"lib", b"lib64"):
            w.dir(b"usr/" + name)
        dpkg_status(w, debs.BASE, files)
        got = {n: e.data for n, e in w.entries.items()}
        w.file("etc/passwd", got[b"usr/share/base-passwd/passwd.master"].replace(b":*:", b":x:"))
        w.file("etc/group", got[b"usr/share/base-passwd/group.master"].replace(b":*:", b":x:"))
        w.file("etc/shadow", b"root:*:19675:0:99999:7:::\n", 0o640, gid=42)
        w.file("etc/nsswitch.conf", got[b"usr/share/libc-bin/nsswitch.conf"])
        w.file("etc/profile", got[b"usr/share/base-files/profile"])
        w.file("root/.bashrc", got[b"usr/share/base-files/dot.bashrc"])
        w.file("root/.profile", got[b"usr/share/base-files/dot.profile"])
        w.symlink("usr/bin/awk", "/etc/alternatives/awk")
        w.symlink("etc/alternatives/awk", "/usr/bin/mawk")
        w.symlink("etc/localtime", "/usr/share/zoneinfo/Etc/UTC")
        for name, text in PAM.items():
            w.file(f"etc/pam.d/common-{name}", text)
        w.file("etc/pam.d/common-session-noninteractive", PAM["session"])


def debian_tools(stack, files):
    with stack.layer("debian: network, process and language tools") as w:
        add_packages(w, debs.TOOLS, files)
        dpkg_status(w, debs.BASE + debs.TOOLS, files)
        w.symlink("usr/bin/python", "python3")
        w.symlink("usr/bin/nc", "/etc/alternatives/nc")
        w.symlink("etc/alternatives/nc", "/bin/nc.openbsd")
        ping = w.entries[b"usr/bin/ping"]
        w.file("usr/local/bin/ping-cap", ping.data, 0o755, xattrs=file_capability(CAP_NET_RAW))


def odd_names(w):
    w.file(b"odd/name/" + b"n" * 120, "longer than ustar's field\n")
    w.file(b"odd/name/" + b"m" * 255, "as long as a name may be\n")
    w.file(b"odd/name/" + b"/".join([b"d" * 60] * 6) + b"/deep", "a path of 370 bytes\n")
    w.file(b"odd/name/not-utf8-\xff\xfe\x80", "Latin-1 or worse\n")
    w.file("odd/name/zażółć-日本語-🚀", "unicode, composed\n")
    w.file("odd/name/e\u0301-decomposed", "a combining accent\n")
    for name in ("with space", " leading", "trailing ", "tab\there", "back\\slash", "quote'\"", "*?[",
                 "-rf", "%41", "$HOME", "..hidden", "...", ".wh", "semi;colon"):
        w.file("odd/name/" + name, name)


def odd_files(w):
    """Everything a layer may hold that a naive unpacker gets wrong."""
    w.file("odd/mode/setuid", "#!/bin/sh\nid -u\n", 0o4755)
    w.file("odd/mode/setgid", "x", 0o2711, gid=54321)
    w.file("odd/mode/none", "nobody reads me\n", 0)
    w.file("odd/mode/other-only", "x", 0o007)
    w.dir("odd/mode/sticky", 0o1777)
    w.dir("odd/mode/setgid-dir", 0o2775, gid=54321)
    w.dir("odd/mode/closed", 0o000)
    w.dir("odd/empty")
    w.file("odd/owner/builder", "x", uid=12345, gid=54321)
    w.file("odd/owner/huge", "x", uid=2000000000, gid=2000000001)
    w.dir("odd/owner/dir", 0o750, uid=1000, gid=1000)
    for name, ns in (("nanoseconds", 1234567890123456789), ("epoch", 0), ("before", -86400 * SECOND),
                     ("before-with-fraction", -1500000000), ("year-2040", 2208988800 * SECOND)):
        w.file("odd/time/" + name, "x", mtime_ns=ns)
    w.dir("odd/time/dir", mtime_ns=1000000000000000001)
    w.file("odd/time/dir/child", "the folder keeps its own time\n")
    w.node("odd/node/null", oci.CHR, 0o666, 1, 3)
    w.node("odd/node/big-minor", oci.CHR, 0o600, 259, 70000)
    w.node("odd/node/loop0", oci.BLK, 0o660, 7, 0, gid=6)
    w.node("odd/node/fifo", oci.FIFO, 0o620)
    w.symlink("odd/link/absolute", "/etc/hostname")
    w.symlink("odd/link/relative", "../mode/setuid")
    w.symlink("odd/link/dangling", "nowhere/at/all")
    w.symlink("odd/link/up", "../../../../../../etc/passwd")
    w.symlink("odd/link/long", "../name/" + "n" * 120)
    w.symlink("odd/link/loop", "loop")
    w.symlink("odd/link/owned", "relative", uid=1000, gid=1000)
    w.file("odd/hard/a", "one inode, many names\n", uid=1000)
    w.hardlink("odd/hard/b", "odd/hard/a", uid=1000)
    w.hardlink("odd/hard/sub/c", "odd/hard/a", uid=1000)
    w.file("odd/size/three-megabytes", random.Random(3).randbytes(3 << 20))
    w.file("odd/size/zeros", bytes(1 << 20))
    w.file("odd/size/empty")
    w.add(oci.sparse(b"odd/size/sparse", 10 << 20,
                     [(0, b"first block".ljust(4096, b"\0")), (8 << 20, b"S" * 4096)]),
          name=b"odd/size/sparse")
    w.file("odd/xattr/text", "x", xattrs={"user.note": b"hello"})
    w.file("odd/xattr/binary", "x", xattrs={"user.bin": b"\0\1\xff=\n", "user.empty": b""})
    w.file("odd/xattr/large", "x", xattrs={"user.large": b"v" * 2000})
    w.dir("odd/xattr/dir", xattrs={"user.dir": b"on a directory"})
    w.file("odd/xattr/capability", "#!/bin/true\n", 0o755, xattrs=file_capability(CAP_NET_RAW, 38))


def to_be_changed(w):
    """Targets for the layers above."""
    for name in ("delete-me", "file2dir", "file2link", "metadata-only", "deleted-then-back"):
        w.file("change/" + name, "from the config layer\n")
    for name in ("delete-dir", "opaque", "opaque-last", "dir2file", "dir2link", "dir2node", "replaced"):
        w.file(f"change/{name}/old", "old\n")
        w.file(f"change/{name}/sub/older", "older\n")
    w.symlink("change/link2dir", "opaque")
    w.symlink("change/link2file", "replaced/old")
    w.dir("change/mode-only", 0o755)
    w.file("change/mode-only/kept", "kept\n")


def debian_config(stack, files):
    with stack.layer("debian: users and configuration") as w:
        base = {n: e.data for n, e in debian_master(files).items()}
        w.file("etc/passwd", base[b"passwd"] + PASSWD)
        w.file("etc/group", base[b"group"] + GROUP)
        w.file("etc/shadow", "root:*:19675:0:99999:7:::\ndemo:!:19675:0:99999:7:::\n", 0o640, gid=42)
        w.file("etc/hostname", "debian-demo\n")
        w.dir("home/demo", 0o750, uid=1000, gid=1000)
        w.file("home/demo/.bashrc", "PS1='demo$ '\n", 0o600, uid=1000, gid=1000)
        odd_names(w)
        odd_files(w)
        to_be_changed(w)


def debian_master(files):
    """base-passwd's tables as image files."""
    found = {e.name: e for e in debs.read(files["base-passwd"])}
    out = {}
    for name in (b"passwd", b"group"):
        e = found[b"usr/share/base-passwd/" + name + b".master"]
        out[name] = oci.Entry(b"etc/" + name, data=e.data.replace(b":*:", b":x:"))
    return out


def debian_app(stack):
    """Deletes, replaces and links what lies below.  Old GNU headers, for variety."""
    with stack.layer("app: with deletions", fmt="gnu") as w:
        for n in range(200):
            w.file(f"srv/app/data/{n % 10}/{n:03}", f"record {n}\n" * n, uid=12345, gid=54321)
        w.file("srv/app/run", "#!/bin/sh\nexec cat /etc/os-release\n", 0o755, uid=12345, gid=54321)
        w.file("srv/app/tmp/scratch", "gone in the next layer\n")
        w.file(b"srv/app/" + b"g" * 140, "GNU long name\n")
        w.file(b"srv/app/latin1-\xe9", "raw bytes in an old header\n")
        w.symlink("srv/app/long-link", "/" + "x/" * 90 + "end")
        w.file("srv/app/old-time", "x", mtime_ns=-3600 * SECOND)
        w.file("srv/app/huge-owner", "x", uid=3000000, gid=3000000)
        for name in ("delete-me", "delete-dir", "never-existed", "deleted-then-back"):
            w.whiteout("change/" + name)
        w.whiteout("usr/share/doc/tzdata")
        w.opaque("change/opaque")
        w.file("change/opaque/new", "new\n")
        w.file("change/opaque-last/fresh/new", "new\n")
        w.opaque("change/opaque-last", last=True)
        w.opaque("change/replaced")
        w.file("change/dir2file", "was a directory\n")
        w.symlink("change/dir2link", "mode-only")
        w.node("change/dir2node", oci.FIFO)
        w.file("change/file2dir/child", "was a file\n")
        w.symlink("change/file2link", "mode-only/kept")
        w.file("change/link2dir/child", "was a symbolic link\n")
        w.file("change/link2file", "was a symbolic link\n")
        w.dir("change/mode-only", 0o700, uid=1000)
        w.file("change/metadata-only", "from the config layer\n", 0o600, uid=1000)
        w.whiteout("odd/hard/b")
        w.hardlink("odd/hard/lower", "odd/hard/a")
        w.file("srv/app/linked", "two names in this layer\n")
        w.hardlink("srv/app/linked-too", "srv/app/linked")


def debian_final(stack, version):
    with stack.layer(f"final: {version}") as w:
        w.file("etc/demo-version", version + "\n")
        w.file("etc/motd", f"debian-demo {version}\n")
        w.file("usr/local/bin/demo", "#!/bin/sh\nuname -a\ncat /etc/os-release\n", 0o755)
        w.file("change/deleted-then-back", "back again\n")
        w.file("change/opaque/newer", "newer\n")
        w.whiteout("change/opaque/new")
        w.whiteout("srv/app/tmp")
        w.whiteout("srv/app/data/9")
        w.hardlink("srv/app/data/0/lower-link", "srv/app/data/1/001")
        w.file("home/demo/final", version + "\n", uid=1000, gid=1000)


def debian_demo(files):
    stack = layer.Stack()
    debian_base(stack, files)
    debian_tools(stack, files)
    debian_config(stack, files)
    debian_app(stack)
    out = {}
    for tag in ("latest", "v2"):
        top = stack.copy()
        debian_final(top, tag)
        run = {"Env": [PATH, "DEMO_VERSION=" + tag], "Cmd": ["bash"],
               "Labels": {"org.opencontainers.image.title": "debian-demo", "demo.version": tag}}
        out[tag] = oci.Image.of(top.layers, run, files["arch"],
                                empty_history=['CMD ["bash"]', f"LABEL demo.version={tag}"])
    return out


def busybox_stack(files, compression="gzip"):
    binary = next(e for e in debs.read(files["busybox-static"]) if e.name.endswith(b"bin/busybox"))
    fd = os.memfd_create("busybox")
    with open(fd, "wb") as f:
        f.write(binary.data)
        f.flush()
        applets = subprocess.run(["busybox", "--list"], executable=f"/proc/self/fd/{fd}",
                                 pass_fds=[fd], stdout=subprocess.PIPE, check=True).stdout
    stack = layer.Stack()
    with stack.layer("busybox: static binary and its links", compression=compression) as w:
        w.file("bin/busybox", binary.data, 0o755)
        for name in set(applets.split()) - {b"busybox"}:
            w.hardlink(b"bin/" + name, "bin/busybox", mode=0o755)
        w.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"
               "nobody:x:65534:65534:nobody:/:/bin/false\n")
        w.file("etc/group", "root:x:0:\napp:x:1000:\naudio:x:29:app\nnogroup:x:65534:\n")
        w.dir("tmp", 0o1777)
        w.dir("root", 0o700)
        w.dir("home/app", 0o755, uid=1000, gid=1000)
        for name in ("dev", "proc", "sys", "etc", "var/tmp"):
            w.dir(name)
    return stack


def busybox(files):
    layers = busybox_stack(files).layers
    plain = {"Env": [PATH], "Cmd": ["sh"]}
    user = {"User": "1000:1000", "Env": [PATH, "APP=demo", "EMPTY=", "EQUALS=a=b"],
            "Entrypoint": ["/bin/echo", "entry"], "Cmd": ["hello"], "WorkingDir": "/home/app",
            "ExposedPorts": {"8080/tcp": {}, "53/udp": {}}, "Volumes": {"/data": {}},
            "StopSignal": "SIGINT", "Labels": {"demo.user": "yes"}}
    return {"latest": oci.Image.of(layers, plain, files["arch"]),
            "user": oci.Image.of(layers, user, files["arch"])}


def many_layers(files):
    stack = busybox_stack(files)
    for n in range(1, 46):
        with stack.layer(f"layer {n}") as w:
            w.file(f"layers/{n:02}", f"{n}\n")
            w.file("layers/last", f"{n}\n", mtime_ns=oci.EPOCH_NS + n * SECOND)
            if n % 5 == 0:
                w.whiteout(f"layers/{n - 1:02}")
            if n == 20:
                w.file("layers/new\nline", "a name of two lines\n")
    return {"latest": oci.Image.of(stack.layers, {"Env": [PATH], "Cmd": ["ls", "/layers"]},
                                   files["arch"])}


def multi(files):
    """The running platform and a foreign one, whose files say so but do not run."""
    here = files["arch"]
    foreign = "arm64" if here != "arm64" else "amd64"
    ours = busybox_stack(files)
    with ours.layer("platform marker") as w:
        w.file("etc/platform", here + "\n")
    other = layer.Stack()
    with other.layer("a foreign platform") as w:
        w.file("bin/sh", "not for this machine\n", 0o755)
        w.file("etc/platform", foreign + "\n")
    images = [oci.Image.of(other.layers, {"Cmd": ["sh"]}, foreign),
              oci.Image.of(ours.layers, {"Env": [PATH], "Cmd": ["cat", "/etc/platform"]}, here)]
    note = oci.Layer(b"{}", oci.digest(b"{}"), "application/vnd.in-toto+json")
    attested = oci.Image.of([note], arch="unknown")
    attested.platform["os"] = "unknown"
    return {"latest": images, "attested": [*images, attested], "foreign": images[:1]}


def zstd(files):
    return {"latest": oci.Image.of(busybox_stack(files, "zstd").layers,
                                   {"Env": [PATH], "Cmd": ["sh"]}, files["arch"])}


# repository -> (builder, packages, tags pushed also as Docker schema 2: tag -> source tag)
IMAGES = {
    "busybox": (busybox, ["busybox-static"], {"schema2": "latest"}),
    "debian-demo": (debian_demo, sorted(set(debs.BASE + debs.TOOLS)), {"schema2": "latest"}),
    "manylayers": (many_layers, ["busybox-static"], {}),
    "multi": (multi, ["busybox-static"], {"schema2": "latest"}),
    "zstd": (zstd, ["busybox-static"], {}),
}
