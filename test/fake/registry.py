#!/usr/bin/env python3
"""A registry that lies on demand: the first part of the repository's name picks the fault.

registry.py [--list]: serves on a free loopback port, printed as line 1; line 2 is the port of a
second host for redirects.  GET /_log answers every request so far; POST /_reset forgets them.
Any name of images.py is a repository too, and any tag of it answers.

    name                what the wire does
"""

FAULTS = {
    "wrong-blob": "blobs have the right length and one wrong byte",
    "wrong-manifest": "a manifest asked for by digest is another one",
    "wrong-header-digest": "Docker-Content-Digest does not match the manifest",
    "length-larger": "Content-Length is 100 more than what follows",
    "length-smaller": "Content-Length is 10 less than what follows",
    "no-length": "nothing: a blob without Content-Length, ended by closing",
    "chunked": "nothing: a blob in chunks",
    "chunked-truncated": "chunks without the last one",
    "close-early": "closes in the middle of every blob",
    "close-early-once": "closes in the middle of a blob, the first time",
    "close-at-once": "closes without any answer",
    "endless-blob": "a chunked blob that never ends (1 GiB)",
    "endless-manifest": "a chunked manifest that never ends (1 GiB)",
    "endless-headers": "response headers that never end (64 MiB)",
    "not-http": "an answer that is not HTTP",
    "slow-drip": "a byte every 100 ms",
    "stall": "half of a blob, then silence for 60 s",
    "stall-layer": "half of a layer, then silence for 60 s",
    "two-sizes": "tag lie: a layer's size is 1 too large; its first request waits for a second",
    "redirect-forever": "every redirect leads to another",
    "redirect-self": "a redirect to the same place",
    "redirect-other": "nothing: blobs come from another port; see its log for credentials",
    "redirect-file": "a redirect to file:///etc/passwd",
    "redirect-nowhere": "a redirect without Location",
    "redirect-refused": "a redirect to a port where nobody listens",
    "auth-bearer": "nothing: 401 with a challenge, a token endpoint that works",
    "auth-bearer-other": "nothing: the same, and blobs redirect to another port",
    "auth-basic": "401 asking for Basic",
    "auth-none": "401 without a challenge",
    "auth-no-realm": "a Bearer challenge without realm",
    "auth-file-realm": "a realm of file:///etc/passwd",
    "auth-huge-realm": "a challenge of 48,000 bytes",
    "auth-unterminated": "a challenge whose quote never closes",
    "auth-unknown": "a challenge of an unknown scheme",
    "auth-self": "the realm is the manifest that asks for it",
    "auth-token-refused": "the token endpoint answers 401",
    "auth-token-garbage": "the token endpoint answers what is not JSON",
    "auth-token-injection": "a token with CR LF and a header in it",
    "auth-token-huge": "a token of 16 MiB",
    "auth-token-useless": "the token is never accepted",
    "status-403": "403 with Docker's DENIED",
    "status-404": "404 with MANIFEST_UNKNOWN",
    "status-404-blob": "404 for blobs",
    "status-429": "429 for ever, Retry-After: 1",
    "status-429-once": "429 the first time, Retry-After: 1",
    "status-429-forever": "429 with Retry-After: 999999999",
    "status-500": "500 for ever",
    "status-500-twice": "500 for the first two requests of each path",
    "status-500-blob-once": "500 for the first request of each blob",
    "status-html": "502 with a page of HTML",
    "status-huge": "500 with a body of 64 MiB",
    "status-hostile": "400 whose JSON message has control characters",
    "type-html": "200 and a login page where the manifest belongs",
}

import http.server  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import images  # noqa: E402
from images import oci  # noqa: E402

TOKEN = "good-token"
CHUNK = 64 << 10


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves images.build(name); a wire fault may answer in its place or change the answer."""

    protocol_version = "HTTP/1.1"
    timeout = 120
    wbufsize = -1

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_POST(self):
        self.rfile.read(min(int(self.headers.get("Content-Length") or 0), 1 << 20))
        if self.path == "/_reset":
            self.farm.forget()
            return self.answer(200, b"")
        self.answer(405, b"")

    def do_GET(self):
        try:
            self.route()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def route(self):
        if self.path == "/_log":
            return self.answer(200, json.dumps(self.farm.log).encode(), "application/json")
        self.farm.note(self.server.server_port, self)
        path = self.path.split("?")[0]
        if path.startswith("/token/"):
            return self.token(path.split("/")[2])
        if path == "/v2/":
            return self.answer(200, b"{}", "application/json")
        m = re.fullmatch(r"/v2/(([^/]+)(?:/.+)?)/(manifests|blobs)/([^/]+)", path)
        if not m:
            return self.error(404, "NAME_UNKNOWN", "no such route")
        self.name, self.fault, self.kind, self.ref = m.groups()
        self.content = self.farm.content(self.fault)
        if self.content is None:
            return self.error(404, "NAME_UNKNOWN", "repository name not known to registry")
        self.wire()

    def wire(self):
        for prefix in ("status", "auth", "redirect"):
            if self.fault.startswith(prefix + "-"):
                return getattr(self, "fault_" + prefix)(self.fault[len(prefix) + 1:])
        fault = getattr(self, "fault_" + self.fault.replace("-", "_"), None)
        if fault and self.fault in FAULTS:
            return fault()
        self.serve()

    # -- the honest registry --

    def lookup(self):
        """The bytes and type asked for, or None."""
        c = self.content
        if self.kind == "blobs":
            return (c.blobs[self.ref], "application/octet-stream") if self.ref in c.blobs else None
        if not self.ref.startswith("sha256:") or self.ref == oci.digest(c.manifest):
            return c.manifest, c.media_type
        return c.manifests.get(self.ref)

    def serve(self, change=None):
        found = self.lookup()
        if found is None:
            code = "BLOB_UNKNOWN" if self.kind == "blobs" else "MANIFEST_UNKNOWN"
            return self.error(404, code, self.kind[:-1] + " unknown")
        data, media = found
        self.answer(200, change(data) if change else data, media,
                    {"Docker-Content-Digest": oci.digest(data)})

    def answer(self, status, data, media="text/plain", headers=None, length=None):
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def error(self, status, code, message, headers=None):
        body = {"errors": [{"code": code, "message": message, "detail": None}]}
        self.answer(status, json.dumps(body).encode(), "application/json", headers)

    def first(self, times=1):
        """True for the first `times` requests of this path."""
        return self.farm.count(self.path) <= times

    def start(self, *headers):
        """Status line and headers with no length; the connection ends the body."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", self.lookup()[1] if self.lookup() else "text/plain")
        for key, value in headers:
            self.send_header(key, value)
        self.end_headers()

    def chunk(self, data):
        self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n")

    def endless(self, kind, first):
        if self.kind != kind:
            return self.serve()
        self.start(("Transfer-Encoding", "chunked"))
        self.chunk(first)
        for _ in range((1 << 30) // CHUNK):
            self.chunk(b" " * CHUNK)

    # -- faults of transport --

    def fault_wrong_blob(self):
        flip = (lambda d: d[:-1] + bytes([d[-1] ^ 1])) if self.kind == "blobs" else None
        self.serve(flip)

    def fault_wrong_manifest(self):
        """Asked by tag it names a digest, asked for that digest it gives another document."""
        self.serve((lambda d: d + b" ") if self.kind == "manifests" and ":" in self.ref else None)

    def fault_wrong_header_digest(self):
        data, media = self.lookup() or (b"", "")
        self.answer(200, data, media, {"Docker-Content-Digest": "sha256:" + "0" * 64})

    def fault_length_larger(self):
        data, media = self.lookup() or (b"", "")
        self.close_connection = True
        self.answer(200, data, media, length=len(data) + 100 * (self.kind == "blobs"))

    def fault_length_smaller(self):
        data, media = self.lookup() or (b"", "")
        self.close_connection = True
        self.answer(200, data, media, length=len(data) - 10 * (self.kind == "blobs"))

    def fault_no_length(self):
        self.start(("Connection", "close"))
        self.wfile.write((self.lookup() or (b"",))[0])

    def fault_chunked(self, end=True):
        data = (self.lookup() or (b"",))[0]
        self.start(("Transfer-Encoding", "chunked"))
        for at in range(0, len(data), 100):
            self.chunk(data[at:at + 100])
        if end or self.kind == "manifests":
            self.chunk(b"")

    def fault_chunked_truncated(self):
        self.fault_chunked(end=False)

    def fault_close_early(self):
        if self.kind == "manifests":
            return self.serve()
        data, media = self.lookup() or (b"", "")
        self.close_connection = True
        self.answer(200, data[:len(data) // 2], media, length=len(data))

    def fault_close_early_once(self):
        return self.fault_close_early() if self.first() else self.serve()

    def fault_close_at_once(self):
        self.close_connection = True

    def fault_endless_blob(self):
        self.endless("blobs", (self.lookup() or (b" ",))[0])

    def fault_endless_manifest(self):
        self.endless("manifests", b'{"schemaVersion":2,')

    def fault_endless_headers(self):
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for n in range((64 << 20) // 1024):
            self.wfile.write(b"X-%08d: " % n + b"h" * 1010 + b"\r\n")

    def fault_not_http(self):
        self.close_connection = True
        self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n" + bytes(range(256)))

    def fault_slow_drip(self):
        data = (self.lookup() or (b"",))[0]
        self.start(("Content-Length", str(len(data))))
        for byte in data:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            self.farm.sleep(0.1)

    def fault_stall(self):
        if self.kind == "manifests":
            return self.serve()
        data = (self.lookup() or (b"",))[0]
        self.start(("Content-Length", str(len(data))))
        self.wfile.write(data[:len(data) // 2])
        self.wfile.flush()
        self.farm.sleep(60)

    def layer(self):
        """The descriptor of the first layer if that is asked for, else None."""
        layer = json.loads(self.content.manifest)["layers"][0]
        return layer if self.kind == "blobs" and self.ref == layer["digest"] else None

    def fault_stall_layer(self):
        return self.fault_stall() if self.layer() else self.serve()

    def fault_two_sizes(self):
        if self.kind == "manifests" and self.ref == "lie":
            manifest = json.loads(self.content.manifest)
            manifest["layers"][0]["size"] += 1
            data = json.dumps(manifest).encode()
            return self.answer(200, data, self.content.media_type)
        while self.layer() and self.farm.count(self.path) < 2 and not self.farm.ending.is_set():
            self.farm.sleep(0.02)
        self.serve()

    def fault_type_html(self):
        self.answer(200, b"<html><body>Please log in</body></html>", "text/html")

    # -- redirects --

    def fault_redirect(self, how):
        if self.server.server_port == self.farm.other_port or self.kind == "manifests":
            return self.serve()
        other = f"http://127.0.0.1:{self.farm.other_port}{self.path}"
        step = int((re.search(r"step=(\d+)", self.path) or [0, 0])[1])
        to = {"forever": f"{self.path.split('?')[0]}?step={step + 1}", "self": self.path,
              "other": other, "file": "file:///etc/passwd", "nowhere": None,
              "refused": "http://127.0.0.1:1/gone"}[how]
        self.answer(307, b"", headers={"Location": to} if to else {})

    # -- authentication --

    def realm(self):
        return f"http://127.0.0.1:{self.farm.port}/token/{self.fault}"

    def fault_auth(self, how):
        other = self.server.server_port == self.farm.other_port
        if other:
            return self.serve()
        good = self.headers.get("Authorization") == "Bearer " + TOKEN
        if good and how in ("bearer", "bearer-other"):
            return self.fault_redirect("other") if how == "bearer-other" else self.serve()
        tail = f'service="fake",scope="repository:{self.name}:pull"'
        normal = f'Bearer realm="{self.realm()}",{tail}'
        challenge = {"basic": 'Basic realm="fake"', "none": None, "no-realm": "Bearer " + tail,
                     "file-realm": f'Bearer realm="file:///etc/passwd",{tail}',
                     "huge-realm": f'Bearer realm="{self.realm()}?{"x" * 48000}",{tail}',
                     "unterminated": f'Bearer realm="{self.realm()},{tail[:-1]}',
                     "unknown": 'Negotiate oRQwEqADCgEBoQsGCSqGSIb3EgECAg==',
                     "self": f'Bearer realm="http://127.0.0.1:{self.farm.port}{self.path}",{tail}',
                     }.get(how, normal)
        headers = {"WWW-Authenticate": challenge} if challenge else {}
        self.error(401, "UNAUTHORIZED", "authentication required", headers)

    def token(self, fault):
        if fault == "auth-token-refused":
            return self.error(401, "UNAUTHORIZED", "no token for you")
        if fault == "auth-token-garbage":
            return self.answer(200, b"<html>token</html>", "text/html")
        word = {"auth-token-injection": TOKEN + "\r\nX-Injected: yes",
                "auth-token-huge": "t" * (16 << 20), "auth-token-useless": "useless"}
        body = {"token": word.get(fault, TOKEN), "expires_in": 300}
        self.answer(200, json.dumps(body).encode(), "application/json")

    # -- statuses --

    def fault_status(self, how):
        blob = self.kind == "blobs"
        later = {"Retry-After": "999999999" if how == "429-forever" else "1"}
        passes = (how in ("429-once", "500-blob-once") and not self.first()) or (
            how == "500-twice" and not self.first(2)) or ("blob" in how and not blob)
        if passes:
            return self.serve()
        if how == "html":
            return self.answer(502, b"<html><h1>Bad Gateway</h1></html>", "text/html")
        if how == "huge":
            return self.answer(500, b"x" * (64 << 20), "application/json")
        if how == "hostile":
            return self.error(400, "BAD\r\nX", "\x1b[31mred\x07\0\n\u202e" + "m" * 100000)
        code, word, text = {
            "403": (403, "DENIED", "requested access to the resource is denied"),
            "404": (404, "MANIFEST_UNKNOWN", "manifest unknown"),
            "404-blob": (404, "BLOB_UNKNOWN", "blob unknown to registry"),
        }.get(how) or ((429, "TOOMANYREQUESTS", "rate limit exceeded") if how.startswith("429")
                       else (500, "UNKNOWN", "something broke"))
        self.error(code, word, text, later if code == 429 else {})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_):
        pass  # clients that hang up are the point of many tests


class Registry:
    """Two listeners over one set of answers; use as a context manager or start() and stop()."""

    def __init__(self):
        self.log, self.counts, self.made = [], {}, {}
        self.lock, self.ending = threading.RLock(), threading.Event()
        handler = type("BoundHandler", (Handler,), {"farm": self})
        self.servers = [Server(("127.0.0.1", 0), handler) for _ in range(2)]
        self.port, self.other_port = (s.server_port for s in self.servers)

    def note(self, port, request):
        with self.lock:
            self.log.append({"port": port, "method": request.command, "path": request.path,
                             "headers": dict(request.headers.items()), "time": time.time()})
            key = request.path
            self.counts[key] = self.counts.get(key, 0) + 1

    def count(self, path):
        return self.counts.get(path, 0)

    def forget(self):
        with self.lock:
            self.log.clear()
            self.counts.clear()

    def content(self, fault):
        """The image behind a fault; wire faults are told about a good one."""
        name = "ok" if fault in FAULTS else fault
        if name not in images.FAULTS:
            return None
        with self.lock:
            if name not in self.made:
                self.made = {k: v for k, v in self.made.items() if k == "ok"}  # some are large
                self.made[name] = images.build(name)
            return self.made[name]

    def sleep(self, seconds):
        self.ending.wait(seconds)

    def start(self):
        for s in self.servers:
            threading.Thread(target=s.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.ending.set()
        for s in self.servers:
            s.shutdown()
            s.server_close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


def main():
    if "--list" in sys.argv:
        for name, doc in (FAULTS | images.FAULTS).items():
            print(f"{name:28}{doc}")
        return
    with Registry() as r:
        print(r.port, r.other_port, sep="\n", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
