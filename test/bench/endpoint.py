"""The smallest HTTP that the benches need: requests on a unix socket, and an endpoint that has its answers ready."""

import json
import re
import socket
import threading

HEAD_END = b"\r\n\r\n"


def unix_path(url):
    if not url.startswith("unix://"):
        raise ValueError(f"not a unix socket: {url}")
    return url[len("unix://"):]


def read_message(s):
    """One head and, by its Content-Length, its body; empty when the peer is gone."""
    data = b""
    while HEAD_END not in data:
        more = s.recv(65536)
        if not more:
            return b"", b""
        data += more
    head, body = data.split(HEAD_END, 1)
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    length = int(found.group(1)) if found and not head.startswith(b"HEAD ") else 0
    while len(body) < length:
        more = s.recv(65536)
        if not more:
            raise OSError("the answer was cut short")
        body += more
    return head, body


def get(s, path):
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    head, body = read_message(s)
    if not head.startswith(b"HTTP/1.1 200 "):
        raise OSError(f"GET {path}: {head[:80]!r}")
    return body


def read_chunks(s, data):
    """A chunked body, of which data has come already."""
    body = b""
    while True:
        while b"\r\n" not in data:
            data += s.recv(65536)
        size, data = data.split(b"\r\n", 1)
        length = int(size, 16)
        while len(data) < length + 2:
            more = s.recv(65536)
            if not more:
                raise OSError("the answer was cut short")
            data += more
        body, data = body + data[:length], data[length + 2:]
        if length == 0:
            return body


def post(s, path, doc):
    body = json.dumps(doc).encode()
    s.sendall(f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
              f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    head, answer = read_message(s)
    if not head.startswith(b"HTTP/1.1 20"):
        raise OSError(f"POST {path}: {head[:80]!r} {answer!r}")
    return read_chunks(s, answer) if b"chunked" in head.lower() else answer


class Replay:
    """Answers every request for the list of containers as the endpoint at `path` did once, and pings."""

    def __init__(self, listen_on, path):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            self.body = get(s, "/containers/json")
            s.sendall(b"GET /_ping HTTP/1.1\r\nHost: bench\r\n\r\n")
            self.ping = read_message(s)[0]
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(listen_on)
        self.listener.listen(16)

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.answer, args=(client,), daemon=True).start()

    def answer(self, client):
        with client:
            while True:
                head, _ = read_message(client)
                if not head:
                    return
                if head.startswith(b"HEAD "):
                    client.sendall(self.ping + HEAD_END)
                elif b"/_ping " in head:
                    client.sendall(self.ping + HEAD_END + b"OK")
                else:
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                                   + str(len(self.body)).encode() + HEAD_END + self.body)
