"""POST /v1/bulk by lib/api.py's clients: bodies that come slowly, or only in part, and what their results say.

    found, summary = bulk.ask(client, [bulk.add("a.example")], key="k")
"""
import json
import threading

from . import api, contract
from .adminhttp import add, results

KIND = "application/x-ndjson"
PIECE = 50000


def octets(lines):
    return b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)


def ask(client, lines, key, **more):
    """(results, one for each line, and the summary) of a request that has to be answered 200."""
    answer = client.post("/v1/bulk", octets(lines), key=key, kind=KIND, **more)
    assert answer.status == 200, answer
    return results(answer.octets)


def counts(summary):
    return tuple(summary[name] for name in ("lines", "done", "replayed", "failed"))


class Sending:
    """A request of which more is to come."""

    def __init__(self, client, key, lines=()):
        self.connection = client.connect()
        self.connection.putrequest("POST", "/v1/bulk")
        for name, value in (("Authorization", f"Bearer {client.token}"), ("Idempotency-Key", key), ("Content-Type", KIND),
                            ("Transfer-Encoding", "chunked")):
            self.connection.putheader(name, value)
        self.connection.endheaders()
        self.send(octets(lines))

    def send(self, body):
        for i in range(0, len(body), PIECE):
            piece = body[i:i + PIECE]
            self.connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))

    def end(self):
        self.connection.send(b"0\r\n\r\n")
        got = self.connection.getresponse()
        answer = api.Answer("POST", "/v1/bulk", got.status, got.getheaders(), got.read())
        self.cut()
        contract.record(answer)
        return answer

    def cut(self):
        self.connection.close()


class Running(threading.Thread):
    """A request that is sent as fast as it goes, beside what the test does; answer: None when it was cut off."""

    def __init__(self, client, key, lines):
        super().__init__()
        self.client, self.key, self.lines, self.answer = client, key, lines, None
        self.start()

    def run(self):
        try:
            self.answer = Sending(self.client, self.key, self.lines).end()
        except (OSError, api.http.client.HTTPException):
            pass

    def results(self):
        self.join()
        assert self.answer is not None and self.answer.status == 200, self.answer
        return results(self.answer.octets)


__all__ = ["Running", "Sending", "add", "ask", "counts", "octets", "results"]
