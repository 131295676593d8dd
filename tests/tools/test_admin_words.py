#!/usr/bin/env python3
"""signpost bulk, events, operations, unsigned, verify and gateway against the API without a reconciler
(tests/tools/admin_driver.c), on SQLite: over its unix socket, and over TLS with a token. Prints TAP."""
import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time

from common import SIGNPOST, main, run, tool, write
from test_admin_cli import Daemon, Fake, http, with_admin
from test_admin_remote import Remote

from lib import patience, procs
from lib.daemon import is_sanitized

UNSIGNED = b"From: joe@example.org\r\nSubject: x\r\n\r\nHello\r\n"


def add(name, tenant="acme", **more):
    return json.dumps({"operation": "domain.add", "arguments": {"domain": name, "tenant": tenant, **more}})


def lines(path, *rows):
    return write(path, "".join(row + "\n" for row in rows))


def key_of(result):
    return re.search(r"--idempotency-key=(\S+)", result.stderr).group(1)


# ---- bulk ----

def test_what_failed_is_named_by_its_line(d):
    with Daemon(d) as daemon:
        daemon.run("tenant", "add", "acme")
        path = lines(f"{d}/many", add("a.example"), add("b.example", "nobody"), add("c.example", frob=1), "{", add("d.example"))
        result = daemon.run("bulk", path, code=1)
        said = result.stdout.splitlines()
        assert said[0].startswith(f"signpost bulk: {path}: line 2: not-found: "), said
        assert said[1].startswith(f"signpost bulk: {path}: line 3: validation: ") and "/arguments/frob" in said[1], said
        assert said[2].startswith(f"signpost bulk: {path}: line 4: validation: "), said
        assert said[3:] == [f"signpost bulk: {path}: 5 lines: 2 done, 0 done before, 3 failed, 0 not run"], said
        # Under the same key nothing is done twice; the lines that failed may go well now.
        daemon.run("tenant", "add", "nobody")
        again = daemon.run("bulk", path, "--idempotency-key", key_of(result), code=1)
        assert "5 lines: 1 done, 2 done before, 2 failed, 0 not run" in again.stdout and "if this is cut off" not in again.stderr, again
        assert daemon.sql("SELECT COUNT(*) FROM audit WHERE action = 'domain.add'") == [(3,)]
        # From standard input, and nothing that fails.
        result = daemon.run("bulk", "-", stdin=add("e.example") + "\n")
        assert result.stdout == "signpost bulk: -: 1 lines: 1 done, 0 done before, 0 failed, 0 not run\n", result
        rows = [json.loads(row) for row in daemon.run("bulk", path, "--json", code=1).stdout.splitlines()]
        assert [row.get("line") for row in rows] == [1, 3, 4, 5, None] and rows[-1]["summary"]["failed"] == 2, rows


def test_a_dry_run_of_many(d):
    with Daemon(d) as daemon:
        daemon.run("tenant", "add", "acme")
        path = lines(f"{d}/many", *(add(f"d{i}.example") for i in range(500)))
        before = daemon.dump()
        result = daemon.run("bulk", path, "--dry-run")
        assert "500 lines: 500 would be done, 0 done before, 0 failed" in result.stdout and "idempotency" not in result.stderr, result
        assert daemon.dump() == before


def test_what_cannot_be_sent(d):
    with Daemon(d) as daemon:
        assert f"{d}/absent: cannot be read: No such file" in daemon.run("bulk", f"{d}/absent", code=66).stderr
        assert "cannot be read: Is a directory" in daemon.run("bulk", d, code=66).stderr
        for key in ("", "a b", "a\nX: y", "é", "x" * 256):
            assert "--idempotency-key" in daemon.run("bulk", "/dev/null", "--idempotency-key", key, code=64).stderr, key
        daemon.run("bulk", code=64)
        daemon.run("bulk", "/dev/null")
    assert "cannot be reached" in tool("bulk", "/dev/null", "--socket", f"{d}/none").stderr
    assert tool("bulk", "/dev/null", "--socket", f"{d}/none").returncode == 69


def domains(daemon):
    return daemon.sql("SELECT COUNT(*) FROM domains")[0][0]


def begin(daemon, *words):
    return subprocess.Popen([SIGNPOST, *words, "--socket", daemon.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def test_killed_in_the_middle_and_taken_up_again(d):
    """First signpost itself, by kill -9, then the daemon: each line is done once."""
    with Daemon(d) as daemon:
        daemon.run("tenant", "add", "acme")
        rows = [add(f"d{i}.example") for i in range(3000)]
        path = lines(f"{d}/many", *rows)
        cut = begin(daemon, "bulk", "-")
        # A piece of 64 KiB is run as it comes; standard input is not closed, so it cannot end.
        cut.stdin.write("".join(row + "\n" for row in rows[:2000]))
        cut.stdin.flush()
        assert procs.wait_until(lambda: domains(daemon) > 0)
        cut.kill()
        _, said = cut.communicate()
        key = re.search(r"--idempotency-key=(\S+)", said).group(1)
        result = daemon.run("bulk", path, "--idempotency-key", key)
        done, before = map(int, re.search(r"3000 lines: (\d+) done, (\d+) done before, 0 failed", result.stdout).groups())
        assert done + before == 3000 and done > 0 and before > 0, result
        assert domains(daemon) == 3000 and daemon.sql("SELECT COUNT(*) FROM audit WHERE action = 'domain.add'") == [(3000,)]
        # The daemon goes while a file is sent, and comes back: sent again by itself.
        more = lines(f"{d}/more", *(add(f"m{i}.example") for i in range(20000)))
        sending = begin(daemon, "bulk", more)
        assert procs.wait_until(lambda: domains(daemon) > 3000)
        daemon.stop(signal.SIGKILL)
        daemon.start()
        out, said = sending.communicate(timeout=patience.seconds(120))
        assert sending.returncode == 0 and "sending all of it again" in said, (out, said)
        assert "20000 lines: " in out and " 0 failed, 0 not run" in out and domains(daemon) == 23000, out
        # What comes out of a pipe cannot be sent again: its key is said.
        sending = begin(daemon, "bulk", "-")
        sending.stdin.write("".join(add(f"p{i}.example") + "\n" for i in range(2000)))
        sending.stdin.flush()
        assert procs.wait_until(lambda: domains(daemon) > 23000)
        daemon.stop(signal.SIGKILL)
        with contextlib.suppress(BrokenPipeError):
            sending.stdin.write(add("last.example") + "\n")
        out, said = sending.communicate(timeout=patience.seconds(120))
        assert sending.returncode == 69 and "does nothing twice" in said.splitlines()[-1] and not out, (sending.returncode, out, said)
        daemon.start()


def test_a_large_file_is_not_held(d):
    """100 MiB of it through 80 MiB of address space for data; a sanitizer has memory of its own, and no limit."""
    with_admin()
    size = 100 << 20
    row = ("#" * 65535 + "\n").encode()
    with open(f"{d}/large", "wb") as f:
        for _ in range(size // len(row)):
            f.write(row)
    with Daemon(d) as daemon:
        limit = resource.RLIM_INFINITY if is_sanitized(SIGNPOST) else 80 << 20
        done = subprocess.run([SIGNPOST, "bulk", f"{d}/large", "--socket", daemon.path], capture_output=True, text=True, check=False,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)), timeout=patience.seconds(300))
        assert done.returncode == 1 and f"{size // len(row)} failed" in done.stdout, (done.returncode, done.stdout[-500:], done.stderr)


def test_what_answers_bulk_is_not_the_daemon(d):
    with_admin()
    path = lines(f"{d}/many", add("a.example"))
    summary = '{"summary":{"lines":1,"done":1,"replayed":0,"failed":0,"not_run":0,"results_left":0,"complete":true,"dry_run":false}}\n'
    for body, kind in ((summary, "text/html"), ("{}\n", "application/x-ndjson"), ('{"line":1,"count":1,"ok":true,"code":"ok"}\n', "application/x-ndjson"),
                       ("x", "application/x-ndjson"), (summary + summary, "application/x-ndjson"), ("", "application/x-ndjson")):
        with Fake(f"{d}/fake", http(body, kind=kind)):
            result = tool("bulk", path, "--socket", f"{d}/fake")
            assert result.returncode == 69 and "not signpost-admind" in result.stderr, (body, kind, result)
        os.unlink(f"{d}/fake")
    bad = summary.replace('"complete":true', '"complete":false,"code":"store-unavailable","detail":"\\u001b[2Jaway"')
    with Fake(f"{d}/fake", http(bad)) as fake:
        result = tool("bulk", path, "--idempotency-key", "one", "--socket", f"{d}/fake")
        assert result.returncode == 75 and "--idempotency-key=one" in result.stderr and "\x1b" not in result.stderr, result
        head = fake.asked[0].lower()
        assert b"content-type: application/x-ndjson" in head and b"idempotency-key: one\r\n" in head and b"transfer-encoding: chunked" in head


# ---- events ----

class Listening:
    """signpost events; what it printed so far, line by line."""

    def __init__(self, *words):
        self.lines = []
        self.process = subprocess.Popen([SIGNPOST, "events", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait(self, count):
        assert procs.wait_until(lambda: len(self.lines) >= count or self.process.poll() is not None), self.lines
        assert len(self.lines) >= count, (self.lines, self.process.stderr.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def test_events_go_on_where_they_were_lost(d):
    with Daemon(d) as daemon:
        daemon.run("tenant", "add", "acme")
        with Listening("--json", "--since", "0", "--socket", daemon.path) as one:
            one.wait(1)
            daemon.run("domain", "add", "a.example", "acme")
            one.wait(2)
            daemon.stop(signal.SIGKILL)
            daemon.start()
            daemon.run("domain", "add", "b.example", "acme")
            one.wait(3)
            daemon.run("domain", "remove", "a.example")
            one.wait(4)
            events = [json.loads(line) for line in one.lines]
            assert [(e["type"], e.get("domain")) for e in events] == [("tenant.added", None), ("domain.added", "a.example"),
                                                                      ("domain.added", "b.example"), ("domain.removed", "a.example")]
            assert one.process.poll() is None
        # Behind one of them, some types alone, for people.
        with Listening("--since", events[1]["id"], "--types", "domain.added", "--socket", daemon.path) as two:
            two.wait(1)
            daemon.run("domain", "add", "c.example", "acme")
            two.wait(2)
            assert [line.split()[1] for line in two.lines] == ["domain.added"] * 2
            assert "domain=b.example" in two.lines[0] and "domain=c.example" in two.lines[1], two.lines


def test_events_that_cannot_be(d):
    with Daemon(d) as daemon:
        assert "types" in daemon.run("events", "--types", "frob", code=64).stderr
        assert "Last-Event-ID" in daemon.run("events", "--since", "frob", code=64).stderr
        for since in ("", "a b", "a\r\nX: y", "x" * 101):
            assert "--since" in daemon.run("events", "--since", since, code=64).stderr
    assert tool("events", "--socket", f"{d}/none").returncode == 69
    for body in ("data: {\n\n", "data: []\n\n", "id: " + "x" * 101 + "\n\n", "data: " + "x" * 300000):
        with Fake(f"{d}/fake", http(body, kind="text/event-stream")):
            result = tool("events", "--socket", f"{d}/fake")
            assert result.returncode == 69 and "not signpost-admind" in result.stderr and not result.stdout, (body[:20], result)
        os.unlink(f"{d}/fake")


# ---- operations, unsigned, gateways, verify ----

def test_operations(d):
    with Daemon(d) as daemon:
        daemon.world()
        begun = daemon.json("rotate", "example.org", "-r", "test")["result"]["operation"]
        shown = daemon.run("operations", "list", "example.org").stdout.splitlines()
        assert shown[0].split()[:2] == ["OPERATION", "STATE"] and shown[1].split()[:2] == [begun, "open"], shown
        assert daemon.json("operations", "list", "example.org")["result"]["rotations"][0]["operation"] == begun
        result = daemon.json("operations", "show", begun)["result"]
        assert result["state"] == "running" and result["steps"], result
        waited = daemon.run("operations", "wait", begun, "--timeout", "0", code=75)
        assert "state: running" in waited.stdout and "not ended" in waited.stderr, waited
        waiting = begin(daemon, "operations", "wait", begun, "--json")
        daemon.run("operations", "cancel", begun)
        out, _ = waiting.communicate(timeout=patience.seconds(60))
        assert waiting.returncode == 1 and json.loads(out)["result"]["state"] == "cancelled", out
        daemon.refused("not-found", "operations", "show", "rotation~none.example~r1")
        daemon.refused("not-found", "operations", "wait", "rotation~none.example~r1")


def test_gateways_and_their_mail(d):
    with Daemon(d) as daemon:
        daemon.run("tenant", "add", "acme")
        now = int(time.time())
        columns = [row[1] for row in daemon.sql("PRAGMA table_info(gateways)")]
        values = {"node": "gw-1", "epoch": 7, "tested": 7, "failed": "", "offset_ms": 3, "started": now - 60, "at": now, "version": "1.2"}
        daemon.sql(f"INSERT INTO gateways ({','.join(name for name in columns if name in values)}) VALUES "
                   f"({','.join('?' for name in columns if name in values)})", *(values[name] for name in columns if name in values))
        shown = daemon.run("gateway", "list").stdout.splitlines()
        every = set(daemon.json("gateway", "list")["result"]["gateways"][0])
        assert {"CACHED-PER-MILLE", "SIGN-P99-US", "STARTED", "AT", "OFFSET-MS", "FAILING"} <= set(shown[0].split()), shown
        assert len(shown[0].split()) == len(every - {"failing"}), (every, shown)
        assert "gw-1" in daemon.run("gateway", "show", "gw-1").stdout
        mail = daemon.run("unsigned").stdout
        assert "unsigned: 0" in mail and "deferred: 0" in mail and "gateways: 1" in mail, mail
        assert daemon.json("unsigned", "--tenant", "acme")["result"]["mail"] == []


def test_messages_that_are_none(d):
    with Daemon(d) as daemon:
        for name, octets, code, word in (("empty", b"", 64, "empty"), ("large", b"x" * ((1 << 20) + 1), 64, "1 MiB")):
            with open(f"{d}/{name}", "wb") as f:
                f.write(octets)
            assert word in daemon.run("verify", f"{d}/{name}", code=code).stderr, name
        assert "cannot be read" in daemon.run("verify", f"{d}/absent", code=64).stderr
        assert "cannot be read" in daemon.run("verify", d, code=64).stderr
    # Octets as they are, of any kind.
    with Fake(f"{d}/fake", http('{"ok":true,"result":{"signatures":[],"summary":"none"}}\n')) as fake:
        octets = UNSIGNED + bytes(range(256))
        result = run(SIGNPOST, "verify", "-", "--socket", f"{d}/fake", stdin=octets)
        assert result.returncode == 1 and b"summary: none" in result.stdout, result
        assert fake.asked[0].startswith(b"POST /v1/verify HTTP/1.1\r\n") and fake.asked[0].endswith(b"\r\n\r\n" + octets), fake.asked
        assert b"content-type: message/rfc822" in fake.asked[0].lower()


def test_a_verdict_is_a_table(d):
    with_admin()
    def row(index, result, reason, differs):
        return {"index": index, "line": index + 1, "domain": "example.org", "selector": f"s{index}", "algorithm": "rsa-sha256", "bits": 2048,
                "result": result, "reason": reason, "detail": f"because {index}", "key": {"dnssec": "secure", "matches_store": True}, "differs": differs}
    footer = {"what": "body-footer", "certain": True, "line": 57, "detail": "4 lines\x1b[2J"}
    result = {"summary": "1 of 2", "from": ["joe@example.org"], "aligned": True, "line_ends": "crlf", "more_signatures": 0, "all_tried": True,
              "signatures": [row(0, "pass", None, []), row(1, "fail", "body-hash", [footer])]}
    message = write(f"{d}/message", UNSIGNED.decode())
    with Fake(f"{d}/fake", http(json.dumps({"ok": True, "result": result}) + "\n")):
        said = tool("verify", message, "--socket", f"{d}/fake")
    assert said.returncode == 0 and "\x1b" not in said.stdout, said
    table = [line.split() for line in said.stdout.splitlines()]
    assert ["1", "2", "example.org", "s1", "rsa-sha256", "2048", "fail", "body-hash", "secure", "yes"] in table, said.stdout
    assert ["1", "body-footer", "57", "yes", "4", "lines\\x1b[2J"] in table and ["signature", "1:", "because", "1"] in table, said.stdout


# ---- over TLS ----

def test_over_tls_with_a_token(d):
    with Remote(d) as daemon:
        daemon.world()
        token = daemon.token("--scopes=role:owner", "--tenant=acme")
        path = lines(f"{d}/many", *(add(f"d{i}.example") for i in range(2000)), add("x.example", "other"))
        result = daemon.far("bulk", path, "--token-file", token)
        assert result.returncode == 1 and "line 2001: not-found" in result.stdout and "2000 done" in result.stdout, result
        less = daemon.token("--scopes=keys:read", "--tenant=acme", name="less")
        result = daemon.far("bulk", path, "--token-file", less)
        assert result.returncode == 1 and "forbidden" in result.stderr, result
        begun = daemon.json("rotate", "example.org", "-r", "test")["result"]["operation"]
        result = daemon.far("operations", "show", begun, "--token-file", less)
        assert result.returncode == 0 and "state: running" in result.stdout, result
        # Only what this token may see.
        daemon.run("tenant", "add", "other")
        daemon.run("domain", "add", "other.example", "other")
        with Listening("--since", "0", "--types", "domain.*", "--url", daemon.url, "--ca", daemon.ca, "--token-file", token) as one:
            daemon.run("domain", "add", "last.example", "acme")
            one.wait(2002)
            assert "domain=last.example" in one.lines[-1] and not any("other.example" in line for line in one.lines)
        result = daemon.far("events", "--token-file", daemon.token("--scopes=domains:read", name="none"))
        assert result.returncode == 1 and "forbidden" in result.stderr, result


if __name__ == "__main__":
    sys.exit(main({name: value for name, value in globals().items() if getattr(value, "__module__", "") == "__main__"}))
