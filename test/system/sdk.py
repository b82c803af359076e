#!/usr/bin/python3
"""Each operation on containers by Docker's own Python client: sdk.py HOST IMAGE.

One container lives through most of it; a few others run once.  Prints a line for each group that went well.
"""

import io
import sys
import tarfile
import time

import docker
from docker.errors import APIError, NotFound
from docker.types import Healthcheck, LogConfig

HOST, IMAGE = sys.argv[1:]
NAME = "sdk-main"
client = docker.DockerClient(base_url=HOST, version="auto", timeout=120)
api = client.api


def equal(wanted, had):
    if wanted != had:
        raise AssertionError(f"expected {wanted!r}, had {had!r}")


def refused(status, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except APIError as e:
        equal(status, e.status_code)
        return e.explanation
    raise AssertionError(f"{call.__name__} was not refused")


def wait_for(what, seconds=60):
    ends = time.monotonic() + seconds
    is_last = False  # one more look: it may be us who stood still
    while not what():
        if is_last:
            raise AssertionError("waited in vain")
        is_last = time.monotonic() > ends
        time.sleep(0.1)


def create():
    """Options arrive where they belong."""
    c = client.containers.create(
        IMAGE, ["sh", "-c", 'trap "exit 9" TERM; echo out; echo err >&2; while :; do sleep 0.1; done'], name=NAME,
        environment={"A": "b"}, labels={"sdk": "1"}, hostname="sdk-host", working_dir="/tmp", user="1000:1000",
        mem_limit="128m", pids_limit=50, tmpfs={"/scratch": "size=1m"}, stop_signal="SIGTERM", read_only=False,
        log_config=LogConfig(type="json-file", config={"max-size": "1m"}), cap_drop=["NET_RAW"],
        healthcheck=Healthcheck(test=["CMD", "true"], interval=300000000), ulimits=[
            docker.types.Ulimit(name="nofile", soft=512, hard=1024)])
    attrs = api.inspect_container(c.id)
    equal("created", attrs["State"]["Status"])
    equal(["A=b"], [e for e in attrs["Config"]["Env"] if e.startswith("A=")])
    equal(134217728, attrs["HostConfig"]["Memory"])
    equal({"sdk": "1"}, attrs["Config"]["Labels"])
    refused(409, client.containers.create, IMAGE, "true", name=NAME)
    refused(404, client.containers.create, "no-such-image", "true")
    return c


def start(c):
    c.start()
    c.start()  # it runs: 304 is no error
    c.reload()
    equal("running", c.status)
    wait_for(lambda: b"err" in c.logs())
    wait_for(lambda: api.inspect_container(c.id)["State"]["Health"]["Status"] == "healthy")


def lists(c):
    for filters in ({"label": "sdk=1"}, {"name": NAME}, {"status": "running", "id": c.id[:12]}, {"health": "healthy"}):
        equal([c.id], [x.id for x in client.containers.list(filters={**filters, "name": "sdk-"})])
    equal([], client.containers.list(filters={"label": "sdk=2"}))
    equal(c.id, client.containers.get(NAME).id)
    assert api.containers(filters={"name": NAME}, size=True)[0]["SizeRw"] >= 0


def execs(c):
    code, (out, err) = c.exec_run(["sh", "-c", "id -u; pwd; hostname; echo no >&2; exit 4"], demux=True)
    equal((4, b"1000\n/tmp\nsdk-host\n", b"no\n"), (code, out, err))
    equal((0, b"root\n"), c.exec_run("whoami", user="root"))
    one = api.exec_create(c.id, ["cat"], stdin=True)
    s = api.exec_start(one["Id"], socket=True)
    s._sock.sendall(b"typed\n")
    s._sock.shutdown(1)
    data = b""
    while part := s._sock.recv(4096):
        data += part
    assert data.endswith(b"typed\n"), data
    s.close()
    wait_for(lambda: not api.exec_inspect(one["Id"])["Running"])
    equal(0, api.exec_inspect(one["Id"])["ExitCode"])
    tty = api.exec_create(c.id, ["sleep", "1000"], tty=True)
    api.exec_start(tty["Id"], detach=True)
    api.exec_resize(tty["Id"], height=10, width=20)
    refused(404, api.exec_inspect, "0" * 64)


def first_bytes(c):
    """It reads the head of an answer by a buffer, and the rest from the bare socket."""
    for _ in range(10):
        code, out = c.exec_run(["no-such-program"])
        equal(127, code)
        assert b"no-such-program" in out, out
        equal(b"out\nerr\n", c.attach(logs=True, stream=False))


def logs(c):
    equal(b"out\n", c.logs(stderr=False))
    equal(b"err\n", c.logs(stdout=False, tail=1))
    assert c.logs(timestamps=True).startswith(b"20")
    equal(b"", c.logs(since=int(time.time()) + 100))
    equal([b"out\n", b"err\n"], sorted(c.logs(stream=True, follow=False), reverse=True))


def copies(c):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        entry = tarfile.TarInfo("in")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"bytes"))
    assert c.put_archive("/tmp", data.getvalue())
    stream, stat = c.get_archive("/tmp/in")
    equal(("in", 5), (stat["name"], stat["size"]))
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        equal(b"bytes", tar.extractfile("in").read())
    try:
        c.get_archive("/no/such")
        raise AssertionError("found what is not there")
    except NotFound:
        pass
    paths = {d["Path"]: d["Kind"] for d in c.diff()}
    equal((1, 0), (paths["/tmp/in"], paths.get("/tmp", 0)))
    with tarfile.open(fileobj=io.BytesIO(b"".join(c.export()))) as tar:
        assert "tmp/in" in tar.getnames()


def watching(c):
    assert any("sleep" in " ".join(p) or "sh" in " ".join(p) for p in c.top()["Processes"])
    assert c.stats(stream=False)["memory_stats"]["usage"] > 0
    stream = c.stats(decode=True, stream=True)
    first, second = next(stream), next(stream)
    assert second["cpu_stats"]["cpu_usage"]["total_usage"] >= first["cpu_stats"]["cpu_usage"]["total_usage"]
    stream.close()


def changes(c):
    c.rename("sdk-other")
    equal(c.id, client.containers.get("sdk-other").id)
    c.rename(NAME)
    c.update(mem_limit="64m", memswap_limit="64m", restart_policy={"Name": "on-failure", "MaximumRetryCount": 2})
    equal((0, b"67108864\n"), c.exec_run("cat /sys/fs/cgroup/memory.max"))
    equal("on-failure", api.inspect_container(c.id)["HostConfig"]["RestartPolicy"]["Name"])
    c.update(restart_policy={"Name": "no"})
    c.pause()
    equal("paused", client.containers.get(NAME).status)
    refused(409, c.exec_run, "true")
    c.unpause()
    api.resize(c.id, 10, 20)  # it has no terminal: means nothing


def ends(c):
    c.stop(timeout=30)
    equal(9, c.wait()["StatusCode"])
    c.start()
    c.kill()
    equal(137, c.wait(condition="not-running")["StatusCode"])
    c.restart(timeout=0)
    refused(409, c.remove)
    c.remove(force=True)
    refused(404, api.inspect_container, c.id)


def runs():
    equal(b"hello\n", client.containers.run(IMAGE, "echo hello", remove=True, name="sdk-run"))
    try:
        client.containers.run(IMAGE, ["sh", "-c", "echo bad >&2; exit 3"], name="sdk-fails")
        raise AssertionError("exit 3 was no error")
    except docker.errors.ContainerError as e:
        equal((3, b"bad\n"), (e.exit_status, e.stderr))
    removed = client.containers.prune(filters={"until": "0s", "label!": ["kept"]})
    assert client.containers.list(all=True, filters={"name": "sdk-fails"}) == [], removed


def attached():
    """attach before start sees everything, and its input reaches the process."""
    c = client.containers.create(IMAGE, "cat", name="sdk-attached", stdin_open=True)
    s = c.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    c.start()
    s._sock.sendall(b"through\n")
    data = b""
    while not data.endswith(b"through\n"):
        data += s._sock.recv(4096)
    s.close()
    c.remove(force=True)


def events(since):
    told = [e["Action"] for e in client.events(since=since, until=int(time.time()) + 1, decode=True,
                                               filters={"container": NAME, "type": "container"})]
    for action in ("create", "start", "rename", "update", "pause", "unpause", "stop", "die", "kill", "restart",
                   "destroy", "top", "export", "extract-to-dir", "health_status: healthy"):
        assert action in told, (action, told)
    equal("create", told[0])
    equal("destroy", told[-1])


def main():
    since = int(time.time())
    c = create()
    print("ok create", flush=True)
    for step in (start, lists, execs, first_bytes, logs, copies, watching, changes, ends):
        step(c)
        print(f"ok {step.__name__}", flush=True)
    for step in (runs, attached):
        step()
        print(f"ok {step.__name__}", flush=True)
    events(since)
    print("ok events", flush=True)


main()
