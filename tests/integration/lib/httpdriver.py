"""tests/tools/http_driver: the HTTP server of signpost-admind with a handler that answers what it was asked."""
import json
import os
import re
import resource
import socket
import subprocess
from pathlib import Path

import pytest

from . import patience, procs


def program():
    build = os.environ.get("SIGNPOST_BUILD") or os.environ.get("BUILDDIR") or "."
    path = Path(build) / "tests/tools/http_driver"
    if not os.access(path, os.X_OK):
        pytest.skip("tests/tools/http_driver is not built")
    return path


def many_descriptors(count):
    """Room for COUNT connections in this process; skips where there is none."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count and hard < count:
        pytest.skip(f"at most {hard} descriptors")
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


class Answer:
    """One answer, taken from the octets that came: status, fields (names in small letters), body, and what is behind it."""

    def __init__(self, octets, head_only=False):
        head, found, rest = octets.partition(b"\r\n\r\n")
        assert found, f"no answer: {octets[:200]!r}"
        lines = head.decode("ascii").split("\r\n")
        self.version, status, self.reason = (lines[0].split(" ", 2) + [""])[:3]
        self.status = int(status)
        self.fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            assert name.lower() not in self.fields, f"twice: {name}"
            self.fields[name.lower()] = value.strip()
        self.body, self.rest = b"", rest
        self.chunked = self.fields.get("transfer-encoding") == "chunked"
        if self.chunked and not head_only:
            self.take_chunks()
        elif not head_only and self.status >= 200:
            n = int(self.fields.get("content-length", 0))
            assert len(rest) >= n, f"cut after {len(rest)} of {n} octets"
            self.body, self.rest = rest[:n], rest[n:]

    def take_chunks(self):
        while True:
            size, found, rest = self.rest.partition(b"\r\n")
            assert found, "cut within chunks"
            n = int(size, 16)
            assert len(rest) >= n + 2, "cut within a chunk"
            self.body, self.rest = self.body + rest[:n], rest[n + 2:]
            if n == 0:
                return

    def problem(self):
        assert self.fields["content-type"] == "application/problem+json"
        found = json.loads(self.body)
        assert found["status"] == self.status and found["title"] and found["detail"]
        assert found["type"] == "urn:signpost:problem:" + found["code"]
        assert found["request_id"] == self.fields["x-request-id"]
        return found


def request(target="/echo", method="GET", fields=(), body=None, version="1.1", close=True):
    lines = [f"{method} {target} HTTP/{version}", "Host: test"]
    if close:
        lines.append("Connection: close")
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, *fields, "", ""]).encode() + (body or b"")


def read_all(sock):
    """Until the end; what came before a reset counts."""
    octets = b""
    try:
        while True:
            more = sock.recv(65536)
            if not more:
                return octets
            octets += more
    except (ConnectionResetError, BrokenPipeError):
        return octets


class Driver:
    def __init__(self, folder, tcp=False, **words):
        self.path = str(folder / "http.sock")
        words = {"unix": self.path, **({"listen": "127.0.0.1:0"} if tcp else {}), **words}
        self.log = open(folder / "http_driver.log", "ab+")
        self.process = subprocess.Popen(
            [program(), *(f"{name}={value}" for name, value in words.items() if value is not None)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        self.ready = line.startswith("ready ")
        self.port = int(line.split()[1]) if self.ready else 0

    def __enter__(self):
        assert self.ready, self.errors()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()

    @property
    def pid(self):
        return self.process.pid

    def errors(self):
        self.process.wait(timeout=patience.seconds(60))
        self.log.seek(0)
        return self.log.read().decode()

    def connect(self, tcp=None):
        return procs.connect(("127.0.0.1", tcp) if tcp else self.path)

    def ask_raw(self, octets, tcp=None):
        """All that comes until the server closes."""
        with self.connect(tcp) as sock:
            try:
                sock.sendall(octets)
            except (BrokenPipeError, ConnectionResetError):
                pass
            return read_all(sock)

    def ask(self, *args, tcp=None, **kwargs):
        return Answer(self.ask_raw(request(*args, **kwargs), tcp))

    def say(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def counts(self):
        return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", self.say("counts"))}

    def until(self, condition):
        procs.wait_until(lambda: condition(self.counts()), timeout=patience.seconds(60), step=0.1)

    def stop(self):
        """Ends it; what it says of all requests."""
        self.process.stdin.close()
        text = self.process.stdout.read()
        assert self.process.wait(timeout=patience.seconds(60)) == 0, self.errors()
        counts = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", text)}
        assert counts["begun"] == counts["ended"] and counts["sources_begun"] == counts["sources_ended"]
        return counts


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


def tls_connect(driver, context):
    sock = socket.create_connection(("127.0.0.1", driver.port), timeout=patience.seconds(60))
    try:
        return context.wrap_socket(sock, server_hostname="127.0.0.1")
    except BaseException:
        sock.close()
        raise
