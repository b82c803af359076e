"""Types at a terminal as a person does: waits for a text, types, waits for the next, until the other side ends.

typist.py COMMAND ARG... -- TEXT TYPED [TEXT TYPED]...          a command on a terminal of its own
typist.py unix:SOCKET PATH BODY -- TEXT TYPED [TEXT TYPED]...   POST of a stream, taken over from HTTP

TYPED knows Python's escapes.  What came goes to stdout; the exit status is the command's, or 0.
"""

import os
import pty
import select
import socket
import sys
import time

LIMIT_S = 60


def connect(path, target, body):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.sendall(
        f"POST {target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    return s.detach()


def run(command):
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    return pid, fd


def read(fd):
    try:
        return os.read(fd, 65536)
    except OSError:  # a terminal's end
        return b""


def talk(fd, steps):
    seen = b""
    deadline = time.monotonic() + LIMIT_S
    while True:
        while steps and steps[0][0] in seen:
            seen = seen[seen.index(steps[0][0]) + len(steps[0][0]) :]
            for byte in steps.pop(0)[1]:
                os.write(fd, bytes([byte]))
        if not select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]:
            sys.exit(f"typist: nothing more came; still to come: {steps}")
        got = read(fd)
        if not got:
            break
        sys.stdout.buffer.write(got)
        sys.stdout.flush()
        seen += got
    if steps:
        sys.exit(f"typist: the other side ended; still to come: {steps}")


def main():
    split = sys.argv.index("--")
    target, words = sys.argv[1:split], [w.encode().decode("unicode_escape").encode() for w in sys.argv[split + 1 :]]
    steps = list(zip(words[::2], words[1::2]))
    if target[0].startswith("unix:"):
        talk(connect(target[0][5:], *target[1:]), steps)
        return 0
    pid, fd = run(target)
    talk(fd, steps)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


sys.exit(main())
