#!/usr/bin/env python3
"""signpost domain, key, policy, tenant, rotate, status, emergency, drift and gateway against the unix socket of
signpost-admind, without a reconciler (tests/tools/admin_driver.c), on SQLite. Prints TAP."""
import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

from common import BUILD, SIGNPOST, Skip, answers, main, make_key, read, run, tool, write

from lib import patience

DRIVER = os.path.abspath(os.path.join(BUILD, "tests/tools/admin_driver"))
PLAN = {"manage": True, "algorithms": ["rsa-1024"], "publisher": "manual"}


class Daemon:
    """The driver with a store of its own."""

    def __init__(self, d, *more):
        self.d, self.db, self.path, self.records = d, f"{d}/db", f"{d}/sock", f"{d}/records"
        if "--without-admin" in tool("tenant", "list").stderr:
            raise Skip("this build was configured --without-admin")
        if not os.path.exists(self.db):
            answers(0, "store", "sitekey", "new", f"{d}/site")
            result = tool("store", "init", "-s", f"sqlite:{self.db}")
            if "no kind of store of this build" in result.stderr:
                raise Skip("this build was configured --without-sqlite")
            assert result.returncode == 0, result.stderr
            write(self.records, "")
        self.start(*more)

    def start(self, *more, **environment):
        self.process = subprocess.Popen([DRIVER, f"sqlite:{self.db}", f"{self.d}/site", self.path, self.records,
                                         *map(str, more)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
        line = self.process.stdout.readline().split()
        assert line and line[0] == "ready", (line, self.process.stderr.read())
        self.port = int(line[1]) if len(line) > 1 else None

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=patience.seconds(60))
        self.log = err
        return self.process.returncode, out

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def run(self, *words, code=0, **more):
        return answers(code, *words, "--socket", self.path, **more)

    def json(self, *words, code=0, **more):
        return json.loads(self.run(*words, "--json", code=code, **more).stdout.splitlines()[-1])

    def refused(self, expected, *words, **more):
        """The sentence of a refusal with this code."""
        code = 64 if expected == "validation" else 1
        answer = self.json(*words, code=code, **more)
        assert answer["ok"] is False and answer["code"] == expected, answer
        return " ".join([answer["detail"], *(e["pointer"] + e["detail"] for e in answer.get("errors", []))])

    def sql(self, statement, *values):
        with contextlib.closing(sqlite3.connect(self.db)) as db, db:
            return db.execute(statement, values).fetchall()

    def dump(self):
        with contextlib.closing(sqlite3.connect(self.db)) as db:
            return "\n".join(db.iterdump())

    def set_key(self, selector, **times):
        """Times in seconds from now, as if somebody had done all that."""
        for name, ago in times.items():
            self.sql(f"UPDATE keys SET {name} = ?, row_revision = row_revision + 1 WHERE selector = ?",
                     int(time.time()) + ago if ago else 0, selector)

    def world(self):
        """A tenant, a policy, a domain with an ACTIVE key and a stand-by one."""
        self.run("tenant", "add", "acme")
        plan = write(f"{self.d}/plan.json", json.dumps(PLAN))
        self.run("policy", "set", "acme", "std", "--plan", plan)
        self.run("domain", "add", "example.org", "acme", "--policy=std")
        for selector in ("s1", "s2"):
            self.run("key", "generate", "example.org", "--selector", selector)
            self.set_key(selector, publishing=-90000, published=-90000, proven=-80000, loaded=-80000)
            self.sql("UPDATE keys SET life = ? WHERE selector = ?",
                     json.dumps({"publisher": "manual", "ttl": 3600, "neg": 300, "auth_first": int(time.time()) - 90000,
                                 "auth_last": int(time.time()) - 60, "proofs": 3, "looked": int(time.time()) - 60}),
                     selector)
        self.set_key("s1", active=-80000)

    def state(self, selector):
        rows = self.json("key", "list", "example.org", "--destroyed")["result"]["keys"]
        return {row["selector"]: row["state"] for row in rows}.get(selector)


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(patience.seconds(60))
    until = time.monotonic() + patience.seconds(60)
    while True:
        try:
            s.connect(path)
            return s
        except BlockingIOError:  # so many wait already
            assert time.monotonic() < until, "nobody takes connections"
            time.sleep(0.01)


def http(body, status="200 OK", kind="application/x-ndjson"):
    """An answer as it comes over the wire."""
    body = body if isinstance(body, bytes) else body.encode()
    return (f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode() + body


class Fake:
    """Something that is not signpost-admind, and answers whatever is asked with these octets, piece by piece."""

    def __init__(self, path, *pieces):
        self.pieces, self.asked = pieces, []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            with peer, contextlib.suppress(OSError):
                peer.settimeout(patience.seconds(60))
                self.asked.append(peer.recv(100000))
                for piece in self.pieces:
                    peer.sendall(piece)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(100000):
                    pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()


def with_admin():
    if "--without-admin" in tool("tenant", "list", "--socket=/nowhere").stderr:
        raise Skip("this build was configured --without-admin")


# ---- rows ----

def test_tenants(d):
    with Daemon(d) as daemon:
        assert daemon.run("tenant", "add", "acme", "--failure", "no-key=tempfail").stdout == "tenant acme: added\n"
        assert "already" in daemon.refused("exists", "tenant", "add", "acme")
        assert daemon.run("tenant", "list").stdout.split("\n")[:2] == ["TENANT  ENABLED  FAILURE",
                                                                     "acme    yes      no-key=tempfail"]
        assert "enabled yes -> no" in daemon.run("tenant", "set", "acme", "--disable").stdout
        assert daemon.json("tenant", "show", "acme")["result"]["tenant"]["enabled"] is False
        assert "sing" in daemon.refused("validation", "tenant", "set", "acme", "--failure", "no-key=sing")
        daemon.refused("validation", "tenant", "add", "Not A Name")
        daemon.refused("not-found", "tenant", "show", "nobody")
        daemon.run("domain", "add", "example.org", "acme")
        daemon.refused("in-use", "tenant", "remove", "acme")
        daemon.refused("in-use", "tenant", "remove", "acme", "--dry-run")
        daemon.run("domain", "remove", "example.org")
        assert daemon.run("tenant", "remove", "acme").stdout == "tenant acme: removed\n"
        assert daemon.json("tenant", "list")["result"]["tenants"] == []


def test_policies(d):
    with Daemon(d) as daemon:
        daemon.run("tenant", "add", "acme")
        good = write(f"{d}/good", json.dumps(PLAN))
        bad = write(f"{d}/bad", json.dumps({**PLAN, "intervall": "90d"}))
        assert "intervall" in daemon.refused("validation", "policy", "set", "acme", "std", "--plan", bad)
        daemon.refused("not-found", "policy", "set", "nobody", "std", "--plan", good)
        daemon.run("policy", "set", "acme", "std", "--plan", good, "--signature-ttl=864000")
        shown = daemon.json("policy", "show", "acme", "std")["result"]
        assert shown["policy"]["plan"] == PLAN and shown["policy"]["signature_ttl"] == 864000
        assert shown["in_full"]["interval"] == "180d"
        assert "in_full.interval: 180d" in daemon.run("policy", "show", "acme", "std").stdout
        daemon.run("policy", "set", "acme", "std", "--no-signature-ttl")
        assert daemon.json("policy", "show", "acme", "std")["result"]["policy"]["signature_ttl"] is None
        daemon.run("domain", "add", "example.org", "acme", "-p", "std")
        assert "std" in daemon.run("policy", "list", "-t", "acme").stdout
        assert "std" not in daemon.run("policy", "list", "-t", "other").stdout
        # Its domains are looked at anew.
        daemon.sql("UPDATE domains SET due = 0")
        assert daemon.json("policy", "set", "acme", "std", "--plan=-",
                           stdin=json.dumps({**PLAN, "interval": "90d"}))["result"]["domains"] == 1
        assert daemon.sql("SELECT due > 0 FROM domains") == [(1,)]
        daemon.refused("in-use", "policy", "remove", "acme", "std")
        daemon.run("domain", "set", "example.org", "--policy=")
        daemon.run("policy", "remove", "acme", "std")
        daemon.refused("not-found", "policy", "show", "acme", "std")


def test_domains(d):
    with Daemon(d) as daemon:
        daemon.run("tenant", "add", "acme")
        daemon.run("tenant", "add", "other")
        assert daemon.run("domain", "add", "B\u00fccher.Example", "acme").stdout == \
            "domain xn--bcher-kva.example: added\n"
        assert "acme" not in daemon.refused("domain-owned-elsewhere", "domain", "add", "xn--bcher-kva.example", "other")
        for wrong in ("no domain", "x..y", "a" * 300 + ".example"):
            daemon.refused("validation", "domain", "add", wrong, "acme")
        assert "no policy none" in daemon.refused("not-found", "domain", "add", "a.example", "acme", "-p", "none")
        daemon.refused("not-found", "domain", "add", "a.example", "nobody")
        shown = daemon.json("domain", "show", "b\u00fccher.example")["result"]
        assert shown["domain"]["domain"] == "xn--bcher-kva.example" and shown["keys"] == []
        assert shown["domain"]["due"] is not None, "the life cycle is not told of it"
        assert "enabled yes -> no" in daemon.run("domain", "set", "b\u00fccher.example", "--disable").stdout
        assert "paused" in daemon.run("domain", "set", "b\u00fccher.example", "--pause").stdout
        assert daemon.json("domain", "show", "b\u00fccher.example")["result"]["domain"]["paused"] is not None
        daemon.run("domain", "set", "b\u00fccher.example", "--resume", "--enable")
        daemon.refused("precondition-failed", "domain", "set", "b\u00fccher.example", "--disable", "--revision=1")
        assert "given twice" in daemon.run("domain", "set", "b\u00fccher.example", "--enable", "--disable",
                                           code=64).stderr
        with sqlite3.connect(daemon.db) as db:
            db.execute("INSERT INTO gateways VALUES ('mx1', '1', 1, 1, '=! domain xn--bcher-kva.example 12 3 no_key 0 - 0\n"
                       "=! counted 1800 0\n', 0, 1, CAST(strftime('%s', 'now') AS INTEGER) + 600)")
        stats = daemon.run("domain", "stats", "b\u00fccher.example").stdout
        assert "signed: 12\nunsigned: 3\nunsigned_cause: no_key\ndeferred: 0\n" in stats and "mx1" in stats, stats
        daemon.run("domain", "remove", "b\u00fccher.example")
        daemon.refused("not-found", "domain", "show", "b\u00fccher.example")
        daemon.refused("not-found", "domain", "stats", "b\u00fccher.example")


def test_lists_go_on_behind_a_page(d):
    with Daemon(d) as daemon:
        daemon.run("tenant", "add", "acme")
        lines = "".join(f"domain acme d{i:04}.example\n" for i in range(1203))
        write(f"{d}/conf", f"KeyStore sqlite:{daemon.db}\n")
        answers(0, "store", "load", "-x", f"{d}/conf", "-", stdin=lines)
        shown = daemon.run("domain", "list").stdout.splitlines()
        assert len(shown) == 1204 and shown[0].startswith("DOMAIN ") and shown[1203].startswith("d1202.example ")
        pages = [json.loads(line)["result"] for line in daemon.run("domain", "list", "--json").stdout.splitlines()]
        assert [len(page["domains"]) for page in pages] == [500, 500, 203]
        result = daemon.run("rotate", "--tenant=acme", "--reason=all")
        assert daemon.json("rotate", "--tenant=acme", "--reason=all")["result"]["asked"] == 0, "none is managed"
        assert result.returncode == 0
        # A policy is in force for all who have it at once.
        daemon.run("policy", "set", "acme", "std", "--plan=-", stdin=json.dumps(PLAN))
        daemon.sql("UPDATE domains SET policy = 'std', due = 0, revision = revision + 1 WHERE name <> 'd0001.example'")
        assert daemon.json("policy", "set", "acme", "std", "--failure=no-key=reject")["result"]["domains"] == 1202
        assert daemon.sql("SELECT count(*) FROM domains WHERE due > 0") == [(1202,)]
        assert daemon.json("rotate", "--tenant=acme", "--reason=all")["result"]["asked"] == 1202


def test_a_domain_with_published_keys_stays(d):
    with Daemon(d) as daemon:
        daemon.world()
        why = daemon.refused("in-use", "domain", "remove", "example.org")
        assert "disable" in why and "revoke" in why, why
        for selector in ("s1", "s2"):
            daemon.set_key(selector, active=0, retiring=-70000, revoking=-60000, revoked=-50000, removed=-40000,
                           destroyed=-30000)
        assert "selector again" in daemon.refused("in-use", "domain", "remove", "example.org")
        # One that never was in DNS goes with its domain.
        daemon.run("domain", "add", "new.example", "acme")
        daemon.run("key", "generate", "new.example", "-s", "never")
        assert daemon.run("domain", "remove", "new.example").stdout == \
            "key never of new.example: removed\ndomain new.example: removed\n"
        daemon.refused("not-found", "key", "list", "new.example")


# ---- keys ----

def test_a_key_is_made(d):
    with Daemon(d) as daemon:
        daemon.world()
        made = daemon.json("key", "generate", "example.org")["result"]["key"]
        assert made["state"] == "PREPARED" and made["bits"] == 1024 and made["selector"], made
        sealed, revision = daemon.sql("SELECT private_key, revision FROM keys WHERE id = ?", made["id"])[0]
        assert sealed[:5] in ("spk1:", b"spk1:") and revision == 1
        daemon.run("key", "generate", "example.org", "-s", "e1", "-a", "ed25519-sha256")
        assert "ed25519-sha256" in daemon.run("key", "list", "example.org").stdout
        daemon.refused("selector-exists", "key", "generate", "example.org", "-s", "e1")
        daemon.set_key("s2", retiring=-70000, revoking=-6, revoked=-5, removed=-4, destroyed=-3)
        assert "used once" in daemon.refused("selector-reused", "key", "generate", "example.org", "-s", "s2")
        daemon.refused("validation", "key", "generate", "example.org", "-b", "512")
        daemon.refused("validation", "key", "generate", "example.org", "-a", "rsa-sha1")
        daemon.refused("validation", "key", "generate", "example.org", "-s", "Not a selector")
        daemon.refused("not-found", "key", "generate", "nobody.example")
        # The store opens what was sealed here.
        write(f"{d}/conf", f"KeyStore sqlite:{daemon.db}\nSiteKeyFile {d}/site\nRequireSafeKeys no\n")
        checked = tool("store", "check", "-x", f"{d}/conf", "--json")
        rows = [json.loads(line) for line in checked.stdout.splitlines()]
        assert not [row for row in rows if row.get("kind") == "key" and row.get("name") == "example.org" and
                    row.get("second") == "e1" and row.get("code") in ("sealed", "unreadable")], rows


def test_a_key_is_imported(d):
    with Daemon(d) as daemon:
        daemon.world()
        path, record = make_key(d, "imp", domain="example.org")
        imported = daemon.json("key", "import", "example.org", "imp", path)["result"]["key"]
        assert imported["state"] == "PREPARED", imported
        assert daemon.json("key", "show", "example.org", "imp")["result"]["key"]["imported"] is True
        assert daemon.json("key", "record", "example.org", "imp")["result"]["record"]["value"].split("p=")[1] == \
            record.split("p=")[1]
        daemon.refused("selector-exists", "key", "import", "example.org", "imp", path)
        none = write(f"{d}/none", "this is no key\n")
        assert "no key" not in daemon.refused("validation", "key", "import", "example.org", "x", none)
        daemon.run("key", "import", "example.org", "x", f"{d}/absent", code=64)
        secret = "".join(read(path).splitlines()[1:-1])[:40]
        dumped = daemon.dump()
        assert secret not in dumped
        assert daemon.stop()[0] == 0
        assert secret not in daemon.log, "a private key is in the log"


def test_a_key_that_is_published_already(d):
    with Daemon(d) as daemon:
        daemon.world()
        path, record = make_key(d, "old", domain="example.org")
        # As the operations would have it: "v=DKIM1; k=rsa; p=..." in the order that the life cycle publishes.
        value = f"v=DKIM1; k=rsa; p={record.split('p=')[1]}"
        assert "NXDOMAIN" in daemon.refused("dns-unproven", "key", "import", "example.org", "old", path, "--published")
        write(daemon.records, f"old._domainkey.example.org\t{value[:100]}\n")
        daemon.refused("dns-conflict", "key", "import", "example.org", "old", path, "--published")
        assert daemon.state("old") is None
        for tags, why in (("h=sha1; ", "SHA-256"), ("s=other; ", "not for mail"), ("k=ed25519; ", "another kind"), ("n=" + "x" * 200 + "; ", "127")):
            write(daemon.records, f"old._domainkey.example.org\tv=DKIM1; {tags}p={value.split('p=')[1]}\n")
            assert why in daemon.refused("dns-conflict", "key", "import", "example.org", "old", path, "--published"), tags
        write(daemon.records, f"old._domainkey.example.org\t{value}\n")
        daemon.run("key", "import", "example.org", "old", path, "--published", "--dry-run")
        assert daemon.state("old") is None
        daemon.run("key", "import", "example.org", "old", path, "--published")
        shown = daemon.json("key", "show", "example.org", "old")["result"]["key"]
        assert shown["state"] == "PUBLISHED" and shown["imported"], shown
        assert daemon.json("key", "verify", "example.org", "old")["result"]["dns"]["seen"] == "right"


def test_a_record_with_tags_of_others(d):
    """As opendkim-genkey and others write it: it stays as it is, and what is shown of the key is that."""
    with Daemon(d) as daemon:
        daemon.world()
        path, record = make_key(d, "old", domain="example.net")
        daemon.run("domain", "add", "example.net", "acme")
        value = f"h=sha256;  s=email:x; t=y:s; n=a \\ b; p={record.split('p=')[1]} ; x=1;"
        write(daemon.records, f"old._domainkey.example.net\t{value}\n")
        daemon.run("key", "import", "example.net", "old", path, "--active")
        assert daemon.json("key", "show", "example.net", "old")["result"]["key"]["state"] == "ACTIVE"
        assert daemon.json("key", "verify", "example.net", "old")["result"]["dns"]["seen"] == "right"
        assert daemon.json("key", "record", "example.net", "old")["result"]["record"]["value"] == value
        assert daemon.json("drift", "example.net")["result"]["drifted"] == []
        write(daemon.records, f"old._domainkey.example.net\tv=DKIM1; k=rsa; p={record.split('p=')[1]}\n")
        assert daemon.json("key", "verify", "example.net", "old")["result"]["dns"]["seen"] == "foreign"


def test_a_key_that_signs_elsewhere(d):
    """It signs here at once, if its record is there and nothing else signs; nobody looks for who says so himself."""
    with Daemon(d) as daemon:
        daemon.world()
        path, record = make_key(d, "old", domain="example.net")
        daemon.run("domain", "add", "example.net", "acme")
        assert "NXDOMAIN" in daemon.refused("dns-unproven", "key", "import", "example.net", "old", path, "--active")
        daemon.refused("validation", "key", "import", "example.net", "old", path, "--unproven")
        assert daemon.state("old") is None
        write(daemon.records, f"old._domainkey.example.net\tv=DKIM1; k=rsa; p={record.split('p=')[1]}\n")
        daemon.run("key", "import", "example.net", "old", path, "--active", "--dry-run")
        assert daemon.state("old") is None
        daemon.run("key", "import", "example.net", "old", path, "--active")
        shown = daemon.json("key", "show", "example.net", "old")["result"]["key"]
        assert shown["state"] == "ACTIVE" and shown["signs"] and shown["imported"], shown
        other, _ = make_key(d, "other", domain="example.net")
        daemon.refused("illegal-transition", "key", "import", "example.net", "other", other, "--active", "--unproven")
        assert daemon.state("other") is None
        daemon.run("domain", "add", "example.com", "acme")
        daemon.run("key", "import", "example.com", "other", other, "--active", "--unproven")
        assert daemon.json("key", "show", "example.com", "other")["result"]["key"]["state"] == "ACTIVE"


def test_records_in_notations(d):
    with Daemon(d) as daemon:
        daemon.world()
        plain = daemon.run("key", "record", "example.org", "s1").stdout
        assert plain.startswith("v=DKIM1; k=rsa; p=") and plain.endswith("\n"), plain
        for notation, sign in (("rfc1035", "IN"), ("bind", "("), ("nsupdate", "update"), ("route53", "ChangeBatch"),
                               ("terraform", "resource"), ("json", "strings")):
            text = daemon.run("key", "record", "example.org", "s1", "-f", notation).stdout
            assert "s1._domainkey.example.org" in text and plain.strip()[-60:] in text.replace('" "', ""), text
            assert sign in text or notation in ("route53", "terraform"), (notation, text)
        daemon.refused("validation", "key", "record", "example.org", "s1", "-f", "html")
        daemon.refused("not-found", "key", "record", "example.org", "s9")


def test_what_a_key_waits_for(d):
    with Daemon(d) as daemon:
        daemon.world()
        daemon.run("key", "generate", "example.org", "-s", "s3")
        daemon.set_key("s3", publishing=-60, published=-60)
        daemon.run("key", "retire", "example.org", "s1", code=1)
        shown = daemon.json("key", "show", "example.org", "s3")["result"]["key"]
        assert shown["next"]["action"], shown
        text = daemon.run("key", "show", "example.org", "s3").stdout
        assert "state: PUBLISHED" in text and "next.action:" in text and "next.blocked_by:" in text, text
        assert "gateways.ack: timed" in text
        daemon.run("key", "activate", "example.org", "s2")
        waits = daemon.json("key", "show", "example.org", "s1")["result"]["key"]["next"]
        assert waits["earliest"] is not None, waits
        header = daemon.run("key", "list", "example.org").stdout.splitlines()[0].split()
        assert header == ["SELECTOR", "ALGORITHM", "BITS", "STATE", "SINCE", "NEXT", "EARLIEST", "BLOCKED-BY", "VERIFIED-BY",
                          "TROUBLE"]


def test_steps(d):
    with Daemon(d) as daemon:
        daemon.world()
        assert daemon.state("s1") == "ACTIVE" and daemon.state("s2") == "LOADED"
        daemon.refused("would-leave-unsigned", "key", "retire", "example.org", "s1")
        daemon.refused("would-leave-unsigned", "key", "revoke", "example.org", "s1")
        assert "PREPARED" not in daemon.run("key", "hold", "example.org", "s2", "-r", "wait").stdout
        assert daemon.state("s2") == "HELD"
        assert "HELD" in daemon.refused("illegal-transition", "key", "activate", "example.org", "s2")
        daemon.run("key", "release", "example.org", "s2")
        assert daemon.state("s2") == "LOADED"
        text = daemon.run("key", "activate", "example.org", "s2").stdout
        assert "key s1 of example.org: changed: state ACTIVE -> RETIRING" in text, text
        assert "key s2 of example.org: changed: state LOADED -> ACTIVE" in text, text
        daemon.refused("illegal-transition", "key", "revoke", "example.org", "s1")
        daemon.refused("illegal-transition", "key", "rollback", "example.org", "s1")
        daemon.run("key", "rollback", "example.org", "s2")
        assert daemon.state("s1") == "ACTIVE" and daemon.state("s2") == "HELD"
        daemon.refused("not-found", "key", "hold", "example.org", "s9")
        # By its id, too.
        name = daemon.json("key", "show", "example.org", "s2")["result"]["key"]["id"]
        daemon.run("key", "release", "example.org", name)
        # The reconciler is woken after each change, and each is in the log with who and why.
        code, out = daemon.stop()
        assert code == 0 and int(out.split()[1]) >= 8, (code, out)
        assert "key.hold domain=example.org selector=s2 reason=wait: ok" in daemon.log, daemon.log
        assert "uid:" in daemon.log and "key.show" not in daemon.log


def test_emergency(d):
    with Daemon(d) as daemon:
        daemon.world()
        assert "reason" in daemon.refused("validation", "emergency", "example.org")
        daemon.run("emergency", "example.org", "--reason=laptop stolen", "--dry-run")
        assert daemon.state("s1") == "ACTIVE"
        text = daemon.run("emergency", "example.org", "--reason=laptop stolen").stdout
        assert "ACTIVE -> COMPROMISED" in text and "LOADED -> ACTIVE" in text, text
        daemon.refused("would-leave-unsigned", "emergency", "example.org", "-s", "s2", "-r", "again")
        daemon.run("emergency", "example.org", "-s", "s2", "-r", "again", "--force")
        assert daemon.state("s2") == "COMPROMISED"


def test_rotation(d):
    with Daemon(d) as daemon:
        daemon.world()
        daemon.refused("validation", "rotate", "--reason=x")
        daemon.refused("validation", "rotate", "example.org", "--tenant=acme", "--reason=x")
        daemon.refused("validation", "rotate", "example.org")
        daemon.refused("validation", "rotate", "example.org", "-r", "x", "--not-before=tomorrow")
        daemon.refused("validation", "rotate", "example.org", "-r", "x", "--not-before=2026-02-30T00:00:00Z")
        daemon.refused("not-found", "rotate", "nobody.example", "-r", "x")
        assert daemon.json("rotate", "--due", "-r", "x")["result"]["asked"] == 0
        daemon.set_key("s1", active=-400 * 86400)
        assert daemon.json("rotate", "--due", "-r", "x", "--dry-run")["result"]["asked"] == 1
        daemon.run("rotate", "example.org", "-r", "yearly", "--not-before=2030-01-31T00:00:00Z")
        domain = daemon.json("domain", "show", "example.org")["result"]["domain"]
        assert domain["rotate_at"] == "2030-01-31T00:00:00Z" and domain["reason"] == "yearly", domain
        assert "yearly" in daemon.refused("rotation-in-progress", "rotate", "example.org", "-r", "again")
        refused = daemon.json("rotate", "--tenant=acme", "-r", "again")["result"]
        assert refused["refused"] == 1 and refused["domains"][0]["code"] == "rotation-in-progress"


def test_status_and_drift(d):
    with Daemon(d) as daemon:
        daemon.world()
        status = daemon.json("status")["result"]
        assert status["states"] == {"ACTIVE": 1, "LOADED": 1} and status["keys"] == 2, status
        assert status["store"]["schema"] >= 3 and status["reconciler"]["leader"] is False
        text = daemon.run("status").stdout
        assert "states.ACTIVE: 1" in text and "store.epoch:" in text, text
        assert "s1" in daemon.run("status", "example.org").stdout
        daemon.refused("validation", "status", "example.org", "--tenant=acme")
        drift = daemon.json("drift", code=1)["result"]
        assert len(drift["drifted"]) == 2 and drift["right"] == 0
        records = [daemon.json("key", "record", "example.org", s)["result"]["record"] for s in ("s1", "s2")]
        write(daemon.records, "".join(f"{r['name']}\t{r['value']}\n" for r in records))
        assert daemon.json("drift", "example.org")["result"]["right"] == 2
        write(daemon.records, f"{records[0]['name']}\t{records[0]['value'][:90]}\n"
                              f"{records[1]['name']}\t{records[1]['value']}\n")
        result = daemon.run("drift", "--tenant=acme", code=1)
        assert "foreign" in result.stdout and "s1._domainkey.example.org" in result.stdout
        assert "keys 2" in result.stderr, result.stderr
        assert "cut off" in daemon.run("key", "verify", "example.org", "s1").stdout


def test_gateways(d):
    with Daemon(d) as daemon:
        daemon.world()
        assert daemon.json("gateway", "list")["result"]["gateways"] == []
        columns = {row[1] for row in daemon.sql("PRAGMA table_info(gateways)")}
        values = {"node": "gw1.example", "version": "0.1", "epoch": 3, "tested": 0, "failed": "", "offset_ms": 5,
                  "started": int(time.time()), "at": int(time.time())}
        assert columns >= set(values), columns
        daemon.sql(f"INSERT INTO gateways ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
                   *values.values())
        assert "gw1.example" in daemon.run("gateway", "list").stdout
        shown = daemon.json("key", "show", "example.org", "s2")["result"]["key"]["gateways"]
        assert shown["live"] == 1 and shown["missing"] == ["gw1.example"] and shown["ack"] == "reported", shown
        daemon.run("gateway", "forget", "gw1.example", "--dry-run")
        assert len(daemon.json("gateway", "list")["result"]["gateways"]) == 1
        daemon.run("gateway", "forget", "gw1.example")
        daemon.refused("not-found", "gateway", "forget", "gw1.example")


def test_a_dry_run_changes_nothing(d):
    with Daemon(d) as daemon:
        daemon.world()
        plan = write(f"{d}/other.json", json.dumps({**PLAN, "interval": "30d"}))
        path, _ = make_key(d, "imp", domain="example.org")
        daemon.run("tenant", "add", "empty")
        daemon.run("policy", "set", "acme", "unused", "--plan", plan)
        daemon.run("domain", "add", "unused.example", "acme")
        daemon.set_key("s2", held=-5)
        before = daemon.dump()
        for words in (("tenant", "add", "new"), ("tenant", "set", "acme", "--disable"), ("tenant", "remove", "empty"),
                      ("policy", "set", "acme", "std", "--plan", plan), ("policy", "set", "acme", "n", "--plan", plan),
                      ("policy", "remove", "acme", "unused"), ("domain", "add", "new.example", "acme"),
                      ("domain", "set", "example.org", "--disable", "--pause"), ("domain", "remove", "unused.example"),
                      ("key", "generate", "example.org"), ("key", "import", "example.org", "imp", path),
                      ("key", "release", "example.org", "s2"), ("key", "hold", "example.org", "s1"),
                      ("rotate", "example.org", "-r", "x"), ("rotate", "--tenant=acme", "-r", "x"),
                      ("emergency", "example.org", "-r", "x", "--force")):
            result = run(SIGNPOST, *words, "--dry-run", "--socket", daemon.path)
            assert result.returncode in (0, 1), (words, result)
            if result.returncode == 0:
                assert "would be" in result.stdout, (words, result.stdout)
            answer = run(SIGNPOST, *words, "--dry-run", "--json", "--socket", daemon.path)
            if result.returncode == 0:
                assert json.loads(answer.stdout)["dry_run"] is True
            assert daemon.dump() == before, words
        result = daemon.run("key", "list", "example.org", "--dry-run", code=64)
        assert "unrecognized option" in result.stderr
        assert daemon.stop()[1].split()[1].isdigit()


# ---- the client ----

def test_bad_command_lines(d):
    for words in (("tenant",), ("tenant", "bake"), ("tenant", "show"), ("tenant", "show", "a", "b"), ("key", "show", "a"),
                  ("domain", "list", "--nothing"), ("domain", "set", "a", "--revision=x"),
                  ("policy", "set", "a", "b", "--plan", f"{d}/absent"), ("status", "a", "b")):
        result = tool(*words, "--socket", f"{d}/none") if len(words) > 1 else tool(*words)
        if "--without-admin" in result.stderr:
            raise Skip("this build was configured --without-admin")
        assert result.returncode == 64, (words, result)
    for command in ("domain", "drift", "emergency", "gateway", "key", "policy", "rotate", "status", "tenant"):
        assert f"signpost {command}" in answers(0, command, "--help").stdout
        assert answers(0, "help", command).stdout == answers(0, command, "--help").stdout
        answers(0, command, "--version")
    assert "--dry-run" in answers(0, "key", "activate", "--help").stdout


def test_no_daemon(d):
    result = tool("status", "--socket", f"{d}/none")
    if "--without-admin" in result.stderr:
        raise Skip("this build was configured --without-admin")
    assert result.returncode == 69 and "cannot be reached" in result.stderr, result
    conf = write(f"{d}/conf", f"AdminSocket {d}/other\n")
    assert f"{d}/other" in answers(69, "status", "--conf", conf).stderr
    assert "107 octets" in answers(69, "status", "--socket", "/" + "x" * 200).stderr


def test_the_daemon_is_killed_in_the_middle(d):
    with Daemon(d) as daemon:
        daemon.world()
        daemon.process.send_signal(signal.SIGSTOP)
        client = subprocess.Popen([SIGNPOST, "rotate", "example.org", "-r", "x", "--socket", daemon.path],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(0.3)
        daemon.stop(signal.SIGKILL)
        _, err = client.communicate(timeout=patience.seconds(60))
        assert client.returncode == 69 and "before it answered" in err, (client.returncode, err)
        # What it left of its socket is replaced.
        assert os.path.exists(daemon.path)
        daemon.start()
        daemon.run("status")
        code, _ = daemon.stop()
        assert code == 0 and not os.path.exists(daemon.path)


def test_what_answers_is_not_the_daemon(d):
    with_admin()
    good = '{"ok":true,"result":{}}\n'
    for i, reply in enumerate((
            b"hello\n", b"[]\n", b"", b"SSH-2.0-x\r\n", http(""), http("[]\n"), http("x\n"), http('{"progress":1}\n'), http('{"ok":true}\n'),
            http('{"ok":false}\n'), http(good + good), http(good + "x"), http(good[:-1]), http(good, kind="application/json"),
            http('{"code":"x"}', "404 Not Found", "application/problem+json"), http("{", "404 Not Found", "application/problem+json"),
            http("<html>oops</html>", "500 Internal Server Error", "text/html"), http("", "302 Found\r\nLocation: https://example.org/"),
            http('{"ok":true,"result":{' + '"a":{' * 5000 + "}" * 5000 + "}}\n"), b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200000,
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx")):
        with Fake(f"{d}/fake{i}", reply):
            result = tool("status", "--socket", f"{d}/fake{i}", timeout=patience.seconds(60))
            assert result.returncode == 69 and not result.stdout, (reply[:100], result)
            assert "not signpost-admind" in result.stderr or "before it answered" in result.stderr, (reply[:100], result.stderr)


def test_an_answer_without_end_is_not_kept(d):
    with_admin()
    with Fake(f"{d}/fake", b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n", *[b"x" * 1048576] * 80):
        result = tool("status", "--socket", f"{d}/fake", timeout=patience.seconds(120))
        assert result.returncode == 69 and "not signpost-admind" in result.stderr, result


def test_progress_is_told(d):
    with_admin()
    lines = '{"progress":{"keys":5,"at":"x\\u001b[0m"}}\n' + '{"ok":true,"result":{"a":"b"}}\n'
    whole = http(lines)
    with Fake(f"{d}/fake", *[whole[i:i + 1] for i in range(len(whole))]):
        result = tool("tenant", "show", "x", "--socket", f"{d}/fake")
        assert result.returncode == 0 and "a: b" in result.stdout and "keys 5, at x\\x1b[0m" in result.stderr, result
    # It ends while it tells.
    with Fake(f"{d}/cut", whole[:-20]) as fake:
        result = tool("key", "hold", "a.example", "s", "--socket", f"{d}/cut")
        assert result.returncode == 69 and "may have been done" in result.stderr and not result.stdout, result
        assert len(fake.asked) == 1, "what could be done twice is asked twice"
    with Fake(f"{d}/again", whole[:-20]) as fake:
        result = tool("rotate", "a.example", "-r", "x", "--socket", f"{d}/again")
        assert result.returncode == 69 and "may have been done" in result.stderr, result
        keys = [line for asked in fake.asked for line in asked.split(b"\r\n") if line.startswith(b"Idempotency-Key: ")]
        assert len(fake.asked) == 2 and len(keys) == 2 and len(set(keys)) == 1, fake.asked


def test_what_is_asked(d):
    """Method, path, fields and body of some commands."""
    with_admin()
    whole = http('{"ok":true,"result":{}}\n')
    for i, (words, line, more, less) in enumerate((
            (("tenant", "show", "a/b?c d"), b"GET /v1/tenants/a%2Fb%3Fc%20d HTTP/1.1", b"Accept: application/x-ndjson", b"If-Match"),
            (("tenant", "show", ".."), b"GET /v1/tenants/.. HTTP/1.1", b"", b"Idempotency-Key"),
            (("domain", "list", "-t", "acme"), b"GET /v1/tenants/acme/domains HTTP/1.1", b"", b"If-Match"),
            (("policy", "list"), b"GET /v1/tenants/-/policies HTTP/1.1", b"", b"If-Match"),
            (("domain", "set", "a.example", "--disable"), b"PATCH /v1/tenants/-/domains/a.example HTTP/1.1", b"If-Match: *", b"Idempotency-Key"),
            (("domain", "set", "a.example", "--disable", "-n"), b"PATCH /v1/tenants/-/domains/a.example?dry_run=true HTTP/1.1",
             b'{"enabled":false}', b"If-Match"),
            (("domain", "add", "a.example", "acme"), b"POST /v1/tenants/acme/domains HTTP/1.1", b'{"domain":"a.example"}', b"If-Match"),
            (("key", "hold", "a.example", "s1", "--revision=7"), b"POST /v1/tenants/-/domains/a.example/keys/s1:hold HTTP/1.1",
             b'{"revision":7}', b"Idempotency-Key"),
            (("rotate", "a.example", "-t", "acme", "-r", "x"), b"POST /v1/tenants/acme/rotations HTTP/1.1", b'"domain":"a.example"', b"If-Match"))):
        with Fake(f"{d}/fake{i}", whole) as fake:
            answers(0, *words, "--socket", f"{d}/fake{i}")
            assert fake.asked[0].startswith(line + b"\r\n") and more in fake.asked[0] and less not in fake.asked[0], (words, fake.asked)


def test_nothing_of_an_answer_reaches_a_terminal(d):
    with_admin()
    evil = "\\u001b]0;x\\u0007\\u00e9"
    bodies = (http(f'{{"ok":true,"result":{{"tenant":{{"a{evil}":"b{evil}"}},"rows":[{{"c{evil}":"d{evil}"}}]}}}}\n'),
              http(f'{{"code":"x{evil}","detail":"y{evil}","errors":[{{"pointer":"/{evil}","detail":"{evil}"}}]}}', "409 Conflict",
                   "application/problem+json"))
    for i, body in enumerate(bodies):
        with Fake(f"{d}/fake{i}", body):
            result = tool("tenant", "show", "x", "--socket", f"{d}/fake{i}")
            assert result.returncode == i, result
            assert all(c == "\n" or " " <= c <= "~" for c in result.stdout + result.stderr), result


def test_the_daemon_is_killed_between_effect_and_answer(d):
    with Daemon(d) as daemon:
        daemon.world()
        daemon.stop()
        daemon.start(SIGNPOST_CRASH_AT="after-operation:1")
        client = subprocess.Popen([SIGNPOST, "rotate", "example.org", "-r", "x", "--json", "--socket", daemon.path],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert daemon.process.wait(patience.seconds(60)) == -signal.SIGKILL
        daemon.start()
        out, err = client.communicate(timeout=patience.seconds(60))
        assert client.returncode == 0, (client.returncode, out, err)
        assert json.loads(out)["result"]["rotation"]["reason"] == "x"
        rotations = daemon.json("rotation", "list", "example.org")["result"]["rotations"]
        assert [r["reason"] for r in rotations].count("x") == 1, rotations


# ---- who, how many, and what ----

def test_another_user_is_refused(d):
    if os.getuid() != 0:
        raise Skip("only root can become another user")
    for path in (d, os.path.dirname(d)):
        os.chmod(path, 0o755)
    with Daemon(d) as daemon:
        def as_nobody():
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        command = [SIGNPOST, "tenant", "list", "--socket", daemon.path]
        if subprocess.run([SIGNPOST, "--version"], preexec_fn=as_nobody, capture_output=True, check=False).returncode:
            raise Skip("another user cannot run this build")
        result = subprocess.run(command, preexec_fn=as_nobody, capture_output=True, text=True, check=False)
        assert result.returncode == 69 and "Permission denied" in result.stderr, result
        # Whatever the file system says of it.
        os.chmod(daemon.path, 0o666)
        result = subprocess.run(command, preexec_fn=as_nobody, capture_output=True, text=True, check=False)
        assert result.returncode == 1 and "forbidden" in result.stderr, result
        assert daemon.run("tenant", "list").returncode == 0
    with Daemon(d, 0, 0, 65534) as daemon:
        assert os.stat(daemon.path).st_gid == 65534 and os.stat(daemon.path).st_mode & 0o777 == 0o660
        result = subprocess.run(command, preexec_fn=as_nobody, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result


def test_one_socket_has_one_daemon(d):
    with Daemon(d) as daemon:
        second = run(DRIVER, f"sqlite:{daemon.db}", f"{d}/site", daemon.path, daemon.records)
        assert second.returncode == 1 and "another program listens" in second.stderr, second
        daemon.run("status")
        plain = write(f"{d}/plain", "mine\n")
        second = run(DRIVER, f"sqlite:{daemon.db}", f"{d}/site", plain, daemon.records)
        assert second.returncode == 1 and "no socket" in second.stderr and read(plain) == "mine\n", second


def test_two_at_once(d):
    with Daemon(d) as daemon:
        daemon.world()
        revision = daemon.json("key", "show", "example.org", "s2")["result"]["key"]["revision"]
        daemon.run("key", "hold", "example.org", "s2", f"--revision={revision}")
        daemon.refused("precondition-failed", "key", "release", "example.org", "s2", f"--revision={revision}")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda i: tool("rotate", "example.org", "-r", f"r{i}", "--socket", daemon.path),
                                    range(8)))
        assert sorted(r.returncode for r in results) == [0] + [1] * 7, [r.stderr for r in results]
        assert all("rotation-in-progress" in r.stderr or "precondition-failed" in r.stderr for r in results
                   if r.returncode), [r.stderr for r in results]
        daemon.run("key", "release", "example.org", "s2")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda i: tool("key", "activate", "example.org", "s2", "--socket", daemon.path),
                                    range(8)))
        assert [r.returncode for r in results].count(0) == 1, [r.stderr for r in results]
        assert daemon.state("s1") == "RETIRING" and daemon.state("s2") == "ACTIVE"


def test_what_is_no_request(d):
    """The line protocol of older versions, and a key that stands where it cannot be read."""
    with Daemon(d) as daemon:
        daemon.run("tenant", "add", "acme")
        before = daemon.dump()
        pem = b'{"selector":"s","pem":"SECRET" oops'
        head = b"POST /v1/tenants/-/domains/a.example/keys HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
        for octets, status in ((b'{"operation":"tenant.list"}\n', b" 400 "), (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b" 404 "),
                               (head + b"Content-Length: %d\r\nIdempotency-Key: x\r\n\r\n" % len(pem) + pem, b" 400 ")):
            with connect(daemon.path) as s:
                s.sendall(octets)
                s.shutdown(socket.SHUT_WR)
                got = b"".join(iter(lambda s=s: s.recv(100000), b""))
                assert not got or status in got.split(b"\r\n")[0], (octets, got)
                assert b"SECRET" not in got and b"tenants" not in got.lower().replace(b"/v1/tenants", b""), got
        assert daemon.dump() == before
        daemon.run("tenant", "list")


def test_idle_connections_end(d):
    with Daemon(d, 1) as daemon, connect(daemon.path) as s:
        assert s.recv(10) == b""
        daemon.run("tenant", "list")


def test_an_operation_ends_when_nobody_listens(d):
    with Daemon(d) as daemon:
        daemon.run("tenant", "add", "acme")
        daemon.run("policy", "set", "acme", "std", "--plan=-", stdin=json.dumps(PLAN))
        lines = "".join(f"domain acme d{i:05}.example\n" for i in range(4000))
        write(f"{d}/conf", f"KeyStore sqlite:{daemon.db}\n")
        answers(0, "store", "load", "-x", f"{d}/conf", "-", stdin=lines)
        daemon.sql("UPDATE domains SET policy = 'std', revision = revision + 1")
        body = b'{"reason":"x"}'
        with connect(daemon.path) as s:
            s.sendall(b"POST /v1/tenants/acme/rotations HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\nIdempotency-Key: k\r\n"
                      b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            got = b""
            while b'{"progress":' not in got and b'"ok"' not in got:
                more = s.recv(100000)
                assert more, got
                got += more
            assert got.startswith(b"HTTP/1.1 202 ") and b"application/x-ndjson" in got, got
        # Whoever asks again hears what was done, or does what is left.
        daemon.run("status")
        assert daemon.json("rotate", "--tenant=acme", "-r", "y")["ok"] is True
        assert daemon.stop()[0] == 0


def test_it_ends_while_somebody_is_connected(d):
    with Daemon(d) as daemon, connect(daemon.path) as s:
        s.sendall(b'GET /v1/ten')
        assert daemon.stop()[0] == 0
        with contextlib.suppress(ConnectionResetError):
            assert s.recv(10) == b""
        assert not os.path.exists(daemon.path)


if __name__ == "__main__":
    sys.exit(main(globals()))
