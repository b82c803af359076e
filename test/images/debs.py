"""Debian packages as tar entries: fetched by apt-get, read by dpkg-deb, never installed."""

import hashlib
import os
import re
import subprocess
import tarfile
from urllib.parse import unquote

import oci

# Everything the demo image holds, dependencies included: no resolver runs, the tests run each tool.
BASE = """
base-files base-passwd bash bsdutils coreutils dash debianutils diffutils findutils gcc-12-base grep
gzip hostname init-system-helpers libacl1 libattr1 libaudit-common libaudit1 libblkid1 libbz2-1.0
libc-bin libc6 libcap-ng0 libcap2 libcrypt1 libdb5.3 libdebconfclient0 libgcc-s1 libgcrypt20 libgmp10 libgpg-error0 liblz4-1
liblzma5 libmd0 libmount1 libpam-modules libpam-modules-bin libpam-runtime libpam0g libpcre2-8-0
libselinux1 libsemanage-common libsemanage2 libsepol2 libsmartcols1 libssl3 libsystemd0 libtinfo6
libudev1 libuuid1 libzstd1 login mawk mount ncurses-base ncurses-bin passwd perl-base sed sysvinit-utils
tar util-linux util-linux-extra dpkg zlib1g
""".split()
TOOLS = """
iproute2 iputils-ping procps netcat-openbsd libcap2-bin libbpf1 libelf1 libmnl0 libxtables12 libbsd0
libidn2-0 libunistring2 libproc2-0 libncursesw6 libtirpc3 libtirpc-common libgssapi-krb5-2 libkrb5-3
libk5crypto3 libkrb5support0 libkeyutils1 libcom-err2 python3-minimal python3.11-minimal
libpython3.11-minimal libpython3.11-stdlib libexpat1 libffi8 libreadline8 libsqlite3-0 libuuid1
media-types readline-common tzdata
""".split()

MERGED = (b"bin", b"sbin", b"lib", b"lib64")  # directories that became links into /usr
APT = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download"]


def resolve(packages):
    """What apt would fetch: package -> (file name, SHA256).  Reads apt's lists, no network."""
    shown = subprocess.run([APT[0], "--print-uris", *APT[1:], *packages], text=True, check=True,
                           stdout=subprocess.PIPE).stdout
    found = {}
    for line in shown.splitlines():
        m = re.match(r"'(\S+)' (\S+) \d+ SHA256:([0-9a-f]{64})", line)
        if m:
            found[m[2].split("_")[0]] = (m[2], m[3])
    missing = set(packages) - set(found)
    if missing:
        raise SystemExit(f"apt does not know {sorted(missing)}; run apt-get update")
    return found


def _is_good(path, sha256):
    try:
        with open(path, "rb") as f:
            return hashlib.file_digest(f, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False


def fetch(found, folder):
    """Makes every resolved package present in folder; only what is missing is downloaded."""
    os.makedirs(folder, exist_ok=True)
    want = [p for p, (name, sha) in found.items() if not _is_good(os.path.join(folder, name), sha)]
    if want:
        subprocess.run([*APT, *want], cwd=folder, check=True, stdin=subprocess.DEVNULL)
    for name, sha in found.values():
        if not _is_good(os.path.join(folder, name), sha):
            raise SystemExit(f"{unquote(name)}: not what apt's lists promise")


def _placed(raw):
    """A path inside a package, where the merged /usr puts it."""
    path = raw.removeprefix(b"./").strip(b"/")
    return b"usr/" + path if path.split(b"/")[0] in MERGED else path


def _entry(member, read):
    name = _placed(os.fsencode(member.name))
    kinds = {tarfile.REGTYPE: oci.REG, tarfile.LNKTYPE: oci.HARD, tarfile.SYMTYPE: oci.SYM,
             tarfile.DIRTYPE: oci.DIR}
    link = os.fsencode(member.linkname)
    return oci.Entry(name, kinds[member.type], member.mode, member.uid, member.gid,
                     int(member.mtime) * 10**9, read if member.isreg() else b"",
                     _placed(link) if member.islnk() else link)


def read(path):
    """The entries of one package and the paths it would list in dpkg's database."""
    entries = []
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", path], stdout=subprocess.PIPE) as p:
        with tarfile.open(fileobj=p.stdout, mode="r|") as t:
            for m in t:
                entries.append(_entry(m, t.extractfile(m).read() if m.isreg() else b""))
    if p.returncode:
        raise SystemExit(f"{path}: dpkg-deb failed")
    return [e for e in entries if e.name]


def status(path):
    """The package's paragraph in /var/lib/dpkg/status."""
    control = subprocess.run(["dpkg-deb", "-f", path], check=True, stdout=subprocess.PIPE).stdout
    first, rest = control.split(b"\n", 1)
    return first + b"\nStatus: install ok installed\n" + rest.strip(b"\n") + b"\n\n"


def all_packages():
    return sorted(set(BASE + TOOLS + ["busybox-static"]))
