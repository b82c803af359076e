"""Sends requests with JSON bodies at the same moment, each on a connection of its own: at_once.py SOCKET PATH BODY...

Prints the statuses, in the bodies' order; and each as it comes to standard error.
"""

import socket
import sys
import threading


def connected(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(path)
    return s


def main():
    where, path, *bodies = sys.argv[1:]
    statuses = [""] * len(bodies)
    barrier = threading.Barrier(len(bodies))

    def post(i):
        with connected(where) as s:
            barrier.wait()
            s.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      f"Content-Length: {len(bodies[i])}\r\n\r\n{bodies[i]}".encode())
            statuses[i] = s.recv(4096).split(b" ", 2)[1].decode()
            print(statuses[i], file=sys.stderr, flush=True)

    threads = [threading.Thread(target=post, args=(i,)) for i in range(len(bodies))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(*statuses)


main()
