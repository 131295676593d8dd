"""A small client of the HTTP API of signpost-admind, for its tests: real sockets, http.client. Every answer it gets is kept
(ANSWERS), and checked against the OpenAPI document by lib/contract.py.

    with Service(store) as service:
        client = service.client(service.token("role:owner", tenant="acme"))
        client.post("/v1/tenants/acme/domains", {"domain": "a.example"})
"""
import http.client
import itertools
import json
import os
import socket
import threading
from pathlib import Path

from . import contract, lifecycle, patience, procs

KEYS = itertools.count(1)


def new_key():
    return f"key-{os.getpid()}-{next(KEYS)}"


class Answer:
    def __init__(self, method, target, status, fields, octets):
        self.method, self.target, self.status, self.fields, self.octets = method, target, status, fields, octets
        kind = (self.field("Content-Type") or "").split(";")[0]
        self.json = json.loads(octets) if octets and kind in ("application/json", "application/problem+json") else None

    def field(self, name):
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(values) < 2, (name, values)
        return values[0] if values else None

    @property
    def etag(self):
        return self.field("ETag")

    @property
    def code(self):
        """Of a problem its code; else None."""
        return self.json.get("code") if self.field("Content-Type") == "application/problem+json" else None

    def __repr__(self):
        return f"{self.method} {self.target}: {self.status} {self.fields} {self.octets[:600]!r}"


class Client:
    """One connection after the other, or one that is kept (keep=True). source: the address from which it comes: those who
    fail are counted by it."""

    def __init__(self, port, token=None, source="127.0.0.1", keep=False, check=True):
        self.port, self.token, self.source, self.keep, self.check = port, token, source, keep, check
        self.kept = None

    def connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience.seconds(60), source_address=(self.source, 0))
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def close(self):
        if self.kept is not None:
            self.kept.close()
            self.kept = None

    def _exchange(self, method, target, body, fields):
        connection = self.kept or self.connect()
        self.kept = connection if self.keep else None
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in fields:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            got = connection.getresponse()
            endless = got.getheader("Content-Type") == "text/event-stream"
            octets = got.readline() if endless else got.read()  # a stream is left after its first line
            answer = Answer(method, target, got.status, [f for f in got.getheaders() if not endless or f[0] != "Transfer-Encoding"], octets)
            if got.will_close or endless:
                self.close()
            return answer
        except BaseException:
            self.close()
            raise
        finally:
            if not self.keep:
                connection.close()

    def ask(self, method, target, body=None, *, etag=None, key=None, dry=False, fields=(), kind="application/json"):
        """body: octets as they are, else made JSON. etag: for If-Match; key: for Idempotency-Key."""
        fields = list(fields)
        if self.token and not any(name.lower() == "authorization" for name, _ in fields):
            fields.append(("Authorization", f"Bearer {self.token}"))
        if etag is not None:
            fields.append(("If-Match", etag))
        if key is not None:
            fields.append(("Idempotency-Key", key))
        if body is not None:
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            if kind is not None:
                fields.append(("Content-Type", kind))
        if dry:
            target += ("&" if "?" in target else "?") + "dry_run=true"
        answer = self._exchange(method, target, body, fields)
        if self.check:
            contract.record(answer)
        return answer

    def get(self, target, **words):
        return self.ask("GET", target, **words)

    def post(self, target, body=None, **words):
        if "key" not in words and not words.get("dry"):
            words["key"] = new_key()
        return self.ask("POST", target, {} if body is None else body, **words)

    def good(self, method, target, body=None, status=None, **words):
        """The JSON of an answer that has to be a good one."""
        answer = (self.post(target, body, **words) if method == "POST" else self.ask(method, target, body, **words))
        assert answer.status == status if status else answer.status < 300, answer
        return answer.json


class Service(lifecycle.Admin):
    """signpost-admind with HTTP on loopback, at a port that the kernel chose."""

    def __init__(self, store, world=None, name="admin", **more):
        super().__init__(store, world, name, **{"AdminListen": "127.0.0.1:0", **more})
        self.port = None

    def start(self, **environment):
        log = self.folder / f"{self.name}.log"
        self.before = len(log.read_text()) if log.exists() else 0  # what the one before has said
        super().start(**environment)
        return self

    def ready(self):
        assert procs.wait_until(lambda: "HTTP: " in self.log()[self.before:] or self.process.poll() is not None), self.log()[-2000:]
        super().ready()
        self.port = int(self.log()[self.before:].rsplit("HTTP: ", 1)[1].split("port ", 1)[1].split()[0])
        return self

    def client(self, token=None, **words):
        return Client(self.port, token, **words)

    def token(self, scopes, tenant=None, **more):
        """The secret of a new token, made by the socket of local users."""
        return self.token_row(scopes, tenant, **more)["secret"]

    def token_row(self, scopes, tenant=None, **more):
        words = ["token", "add", "--scopes", scopes]
        if tenant:
            words += ["--tenant", tenant]
        for name, value in more.items():
            words += [f"--{name}", value]
        return self.cli(*words)["result"]

    def __enter__(self):
        return self.start().ready()

    def __exit__(self, *_):
        if self.process is not None:
            self.stop()


def together(*calls):
    """What the calls answer that are made at the same time, each by a thread of its own."""
    gate, answers = threading.Barrier(len(calls)), [None] * len(calls)

    def run(i, call):
        gate.wait(patience.seconds(60))
        answers[i] = call()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patience.seconds(120))
    return answers


class start:
    """Calls that run at the same time; what has been answered is in answers; end() waits for all of them."""

    def __init__(self, *calls):
        self.answers = [None] * len(calls)
        self.threads = [threading.Thread(target=self._run, args=pair) for pair in enumerate(calls)]
        for thread in self.threads:
            thread.start()

    def _run(self, i, call):
        self.answers[i] = call()

    def end(self):
        for thread in self.threads:
            thread.join(patience.seconds(120))
        return self.answers
