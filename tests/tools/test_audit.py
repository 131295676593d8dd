#!/usr/bin/env python3
"""signpost audit verify on SQLite: a chain written here by hand, whole and broken. Prints TAP."""
import contextlib
import hashlib
import json
import os
import sqlite3
import subprocess
import sys

from common import SIGNPOST, Skip, answers, main, tool, write

COLUMNS = ("seq", "at", "actor", "method", "source", "tenant", "action", "object", "was", "became", "request", "idempotency", "detail", "result")
EMPTY = "0" * 64


class Audit:
    """A store whose audit is written without our programs."""

    def __init__(self, d, rows=0):
        self.db, self.conf = f"{d}/db", write(f"{d}/conf", f"KeyStore sqlite:{d}/db\n")
        self.hashes = [EMPTY]
        result = tool("store", "init", "-x", self.conf)
        if "no kind of store of this build" in result.stderr:
            raise Skip("this build was configured --without-sqlite")
        assert result.returncode == 0, result.stderr
        self.sql("DROP TRIGGER audit_stays", "DROP TRIGGER audit_is")
        self.add(rows)

    def sql(self, *statements):
        with contextlib.closing(sqlite3.connect(self.db, timeout=60)) as db, db:
            for statement in statements:
                db.execute(*statement) if isinstance(statement, tuple) else db.execute(statement)

    def add(self, count):
        todo = []
        for _ in range(count):
            seq = len(self.hashes)
            row = (seq, 1800000000 + seq, "token:t_1", "token", "192.0.2.1", "acme", "domain.add", f"d{seq}.example", "", "a" * 64, f"{seq:032x}", "", "é", "ok")
            text = b"".join(b"%d:%s," % (len(str(f).encode()), str(f).encode()) for f in row)
            self.hashes.append(hashlib.sha256(self.hashes[-1].encode() + text).hexdigest())
            todo.append((f"INSERT INTO audit ({', '.join(COLUMNS)}, prev, hash) VALUES ({', '.join('?' * 16)})", (*row, *self.hashes[-2:])))
        self.sql(*todo, ("UPDATE audit_head SET seq = ?, hash = ?", (len(self.hashes) - 1, self.hashes[-1])))

    def verify(self, code, *more):
        return answers(code, "audit", "verify", "-x", self.conf, *more)

    def broken(self, *more):
        """The first row that is wrong, and why."""
        row = json.loads(self.verify(65, "--json", *more).stdout)
        said = self.verify(65, *more).stderr
        assert row["ok"] is False and row["why"] in said and f"row {row['broken']} of" in said, (row, said)
        return row["broken"], row["why"]

    def head(self, seq):
        return f"{seq}:{self.hashes[seq]}"


def test_words(d):
    assert "verify" in answers(0, "audit", "--help").stdout or "--without-admin" in tool("audit").stderr
    assert "usage: signpost audit verify" in answers(0, "audit", "verify", "--help").stdout
    audit = Audit(d, 3)
    for wrong in ("x", "1", "1:", f"0:{EMPTY}", f"1:{'A' * 64}", f"-1:{EMPTY}", f"1:{EMPTY}0", f"1:{EMPTY[1:]}", ":" + EMPTY):
        for option in ("--from", "--known"):
            assert "64 digits" in audit.verify(64, f"{option}={wrong}").stderr
    audit.verify(64, "more")
    assert "behind" in audit.verify(64, "--from", audit.head(2), "--known", audit.head(2)).stderr
    answers(78, "audit", "verify", "-x", f"{d}/none")
    answers(78, "audit", "verify", "-s", "frob:x")


def test_whole(d):
    audit = Audit(d)
    assert json.loads(audit.verify(0, "-j").stdout) == {"ok": True, "seq": 0, "hash": EMPTY}
    audit.add(2500)  # more than two pages
    assert json.loads(audit.verify(0, "-j").stdout) == {"ok": True, "seq": 2500, "hash": audit.hashes[2500]}
    assert audit.head(2500) in audit.verify(0).stdout
    for seq in (1, 999, 1000, 1001, 2500):
        audit.verify(0, "--known", audit.head(seq))
        audit.verify(0, "--from", audit.head(seq))
    audit.verify(0, "--from", audit.head(7), "--known", audit.head(2500))


def test_heads_that_were_kept(d):
    audit = Audit(d, 30)
    at, why = audit.broken("--known", f"20:{'b' * 64}")
    assert at == 20 and "kept elsewhere" in why
    at, why = audit.broken("--known", f"31:{'b' * 64}")
    assert at == 31 and "missing" in why
    at, _ = audit.broken("--from", f"20:{'b' * 64}")
    assert at == 21
    # All of it was written anew: whole in itself, but not for who kept a head.
    kept = audit.head(25)
    audit.sql("DELETE FROM audit")
    audit.hashes = ["0" * 64]
    audit.sql("UPDATE audit_head SET seq = 0, hash = '%s'" % EMPTY)
    audit.add(24)
    audit.verify(0)
    assert audit.broken("--known", kept)[0] == 25


def test_broken(d):
    for number, (statement, at, why) in enumerate((
            ("UPDATE audit SET object = 'x.example' WHERE seq = 1500", 1500, "changed"),
            ("UPDATE audit SET at = at + 1 WHERE seq = 1", 1, "changed"),
            ("DELETE FROM audit WHERE seq = 1001", 1001, "missing"),
            ("DELETE FROM audit WHERE seq = 1", 1, "missing"),
            ("DELETE FROM audit WHERE seq > 1990", 1991, "missing"),
            ("UPDATE audit SET prev = hash WHERE seq = 1200", 1200, "follow"),
            ("UPDATE audit_head SET hash = prev FROM audit WHERE audit.seq = 2000", 2000, "another hash"))):
        os.mkdir(f"{d}/{number}")
        audit = Audit(f"{d}/{number}", 2000)
        if "FROM audit WHERE audit" in statement:
            statement = f"UPDATE audit_head SET hash = '{audit.hashes[1999]}'"
        audit.sql(statement)
        found, said = audit.broken()
        assert found == at and why in said, (statement, found, said)
        # What is behind a head that is trusted may be whole.
        if at < 1600 and "prev" not in statement:
            audit.verify(0, "--from", audit.head(1600))


def test_while_others_write(d):
    audit = Audit(d, 5000)
    running = [subprocess.Popen([SIGNPOST, "audit", "verify", "-x", audit.conf, "-j"], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    while any(p.poll() is None for p in running):
        audit.add(20)
    for process in running:
        said = json.loads(process.communicate()[0])
        assert process.returncode == 0 and said["ok"] and 5000 <= said["seq"] < len(audit.hashes), said
        assert said["hash"] == audit.hashes[said["seq"]]


def test_a_schema_without_it(d):
    audit = Audit(d, 1)
    audit.sql("DROP TABLE audit", "DROP TABLE audit_head")
    result = tool("audit", "verify", "-x", audit.conf)
    assert result.returncode in (69, 70) and result.stderr, result


if __name__ == "__main__":
    sys.exit(main(globals()))
