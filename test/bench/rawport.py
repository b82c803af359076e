"""A bare VM whose init moves bytes between a virtio-serial port and a file on its disk, by busybox dd: what `cp`
is held against."""

import os
import socket
import subprocess
import time

BLOCK = 64 << 10
PORT = "/dev/vport0p1"
BOOT_TIMEOUT_S = 120

# A line from the host is `in BLOCKS` (port to file) or `out` (file to port); `in` answers with a line.
INIT = f"""#!/bin/busybox sh
/bin/busybox mkdir -p /dev /proc /mnt
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
while read -r module; do /bin/busybox insmod $module; done </lib/modules/load-order
/bin/busybox mount -t ext4 -o noinit_itable /dev/vda /mnt
exec 3<>{PORT}
echo ready >&3
while read -r what blocks <&3; do
    case $what in
    in) /bin/busybox dd bs={BLOCK} count="$blocks" iflag=fullblock <&3 >/mnt/file 2>/dev/null; echo done >&3 ;;
    out) /bin/busybox dd bs={BLOCK} </mnt/file >&3 2>/dev/null ;;
    esac
done
"""


def make_initrd(work, iso):
    """The container VM's modules in their order, busybox, and the init above."""
    tree = os.path.join(work, "tree")
    os.makedirs(os.path.join(tree, "bin"))
    unpack = f"cpio --quiet -id 'lib/modules*' <'{iso}/initrd.img'"
    subprocess.run(unpack, shell=True, cwd=tree, check=True)
    with open("/bin/busybox", "rb") as f, open(os.path.join(tree, "bin/busybox"), "wb") as out:
        out.write(f.read())
    with open(os.path.join(tree, "init"), "w") as f:
        f.write(INIT)
    for name in "init", "bin/busybox":
        os.chmod(os.path.join(tree, name), 0o755)
    initrd = os.path.join(work, "initrd")
    subprocess.run(f"find . | cpio --quiet -o -H newc -R 0:0 >'{initrd}'", shell=True, cwd=tree, check=True)
    return initrd


def make_disk(work):
    raw, disk = os.path.join(work, "disk.raw"), os.path.join(work, "disk.qcow2")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1", raw, "4G"],
                   stdout=subprocess.DEVNULL, check=True)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, disk], check=True)
    os.unlink(raw)
    return disk


class RawPort:
    """bare(initrd): the command of a QEMU that boots it; the port and the disk are added here."""

    def __init__(self, work, iso, bare):
        os.makedirs(work)
        path = os.path.join(work, "port")
        self.vm = subprocess.Popen(bare(make_initrd(work, iso)) + [
            "-chardev", f"socket,id=port,path={path},server=on,wait=off", "-device", "virtio-serial",
            "-device", "virtserialport,chardev=port", "-drive",
            f"file={make_disk(work)},if=none,id=disk,format=qcow2,discard=unmap", "-device", "virtio-blk,drive=disk"],
            stdin=subprocess.DEVNULL)
        try:
            self.port = self._connect(path)
            self._expect(b"ready\n")
        except BaseException:
            self.close()
            raise

    def _connect(self, path):
        ends = time.monotonic() + BOOT_TIMEOUT_S
        while True:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(path)
            except OSError:
                s.close()
                if self.vm.poll() is not None or time.monotonic() > ends:
                    raise
                time.sleep(0.05)
                continue
            s.settimeout(BOOT_TIMEOUT_S)
            return s

    def _expect(self, line):
        got = b""
        while not got.endswith(b"\n"):
            more = self.port.recv(1)
            if not more:
                raise OSError("the bare VM is gone")
            got += more
        if got != line:
            raise OSError(f"the bare VM said {got!r}")

    def put(self, blocks):
        """Seconds for so many blocks from the host into the file."""
        data = os.urandom(BLOCK)
        began = time.monotonic()
        self.port.sendall(f"in {blocks}\n".encode())
        for _ in range(blocks):
            self.port.sendall(data)
        self._expect(b"done\n")
        return time.monotonic() - began

    def get(self, blocks):
        """Seconds for the file, which has so many blocks, to come out."""
        left = blocks * BLOCK
        began = time.monotonic()
        self.port.sendall(b"out\n")
        while left > 0:
            more = self.port.recv(BLOCK)
            if not more:
                raise OSError("the bare VM is gone")
            left -= len(more)
        return time.monotonic() - began

    def close(self):
        self.vm.kill()
        self.vm.wait()
