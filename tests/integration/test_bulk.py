"""POST /v1/bulk of signpost-admind: many domains in one request, cut off and taken up again, and bodies that nobody should send."""
import contextlib
import json
import sqlite3
import time

import pytest

from lib import daemon, lifecycle, stores
from lib.adminhttp import AdminHttp, add, results

COUNT = 20000
pytestmark = [pytest.mark.skipif(lifecycle.program() is None or not stores.SIGNPOST.exists(), reason="no signpost-admind in this build")]


@pytest.fixture
def admin(folder):
    with AdminHttp(folder) as one:
        yield one


def counts(summary):
    return tuple(summary[name] for name in ("lines", "done", "replayed", "failed"))


def rows(admin, statement):
    with contextlib.closing(sqlite3.connect(admin.db, timeout=60)) as db:
        return db.execute(statement).fetchall()


def domains(admin):
    return rows(admin, "SELECT COUNT(*) FROM domains")[0][0]


def audit_is_whole(admin):
    said = json.loads(admin.tool("audit", "verify", "-x", admin.conf, "--json"))
    assert said["ok"], said
    return said


def test_lines_and_results(admin):
    plan = {"manage": False}
    lines = [add("a.example"), add("b.example", policy="none"),
             json.dumps({"operation": "policy.set", "arguments": {"tenant": "acme", "policy": "std", "plan": plan}}),
             add("b.example", policy="std"), add("A.example"), add("a.example"), add("a.example", subdomains=True),
             json.dumps({"operation": "domain.set", "arguments": {"domain": "a.example", "policy": "std"}}),
             add("c.example", "other"), add("d.example", frob=1), "", "{", "[]", json.dumps({"operation": "tenant.list", "arguments": {}}),
             json.dumps({"operation": "rotate", "arguments": {}}), json.dumps({"operation": "domain.add", "arguments": {}}),
             '{"operation":"domain.add","operation":"domain.add","arguments":{}}', add("e.example")]
    found, summary = admin.bulk(lines)
    said = [row["code"] + ("+" if row.get("replayed") else "") for row in found]
    assert said == ["ok", "not-found", "ok", "ok", "ok+", "ok+", "exists", "ok", "not-found", "validation", "validation", "validation",
                    "validation", "validation", "validation", "validation", "validation", "ok"], found
    assert counts(summary) == (18, 5, 2, 11) and summary["complete"] and not summary["dry_run"]
    assert all(row["ok"] == (row["code"] == "ok") and (row["ok"] or row["detail"]) for row in found)
    assert found[9]["errors"][0]["pointer"] == "/arguments/frob"
    assert [row[0] for row in rows(admin, "SELECT name FROM domains ORDER BY name")] == ["a.example", "b.example", "e.example"]
    # Each of them is in the audit once.
    assert [row[0] for row in rows(admin, "SELECT object FROM audit WHERE action = 'domain.add' ORDER BY object")] == ["a.example", "b.example", "e.example"]
    audit_is_whole(admin)
    # The same again does nothing again; what failed may go well now.
    found, summary = admin.bulk(lines)
    assert [row["code"] for row in found][:8] == ["exists", "not-found", "ok", "ok", "exists", "exists", "exists", "ok"], found
    assert summary["done"] == 0 and domains(admin) == 3
    # Another line in its place under the same key is not run.
    found, _ = admin.bulk([*lines[:2], json.dumps({"operation": "policy.set", "arguments": {"tenant": "acme", "policy": "two", "plan": plan}})])
    assert found[2]["code"] == "validation" and "Idempotency-Key" in found[2]["detail"]


def test_who_may(admin):
    """Each line is run as who asks: scopes, tenant, and domains."""
    admin.cli("tenant", "add", "other")
    reader = admin.new_token("--scopes", "domains:read", "--tenant", "acme")
    status, _, text = admin.post((add("a.example") + "\n").encode(), "r", token=reader)
    assert status == 403 and json.loads(text)["code"] == "forbidden"
    rotator = admin.new_token("--scopes", "keys:rotate", "--tenant", "acme")
    found, summary = admin.bulk([add("a.example")], token=rotator)
    assert found[0]["code"] == "forbidden" and counts(summary) == (1, 0, 0, 1)
    narrow = admin.new_token("--scopes", "domains:write", "--tenant", "acme", "--domains", "*.a.example")
    found, _ = admin.bulk([add("x.a.example"), add("x.b.example"), add("y.a.example", "other")], token=narrow)
    assert [row["code"] for row in found] == ["ok", "forbidden", "not-found"]
    other = admin.new_token("--scopes", "role:owner", "--tenant", "other")
    found, _ = admin.bulk([add("x.a.example", "other"), add("x.a.example")], token=other)
    assert [row["code"] for row in found] == ["domain-owned-elsewhere", "not-found"]
    assert domains(admin) == 1


def test_refused_as_a_whole(admin):
    body = (add("a.example") + "\n").encode()
    for status, code, more in ((401, "", {"key": "k", "token": "spt_wrong"}), (400, "idempotency-key-required", {}),
                               (415, "unsupported-media-type", {"key": "k", "Content-Type": "application/json"}),
                               (400, "validation", {"key": "k", "query": "?frob=1"}), (400, "validation", {"key": "k", "query": "?dry_run=1"}),
                               (400, "validation", {"key": "k" * 256})):
        got, head, text = admin.post(body, **more)
        problem = json.loads(text)
        assert got == status and head["Content-Type"] == "application/problem+json" and code in problem["code"], (got, text)
    assert domains(admin) == 0
    found, summary = admin.bulk([], key="empty")
    assert found == [] and counts(summary) == (0, 0, 0, 0)


def test_dry_run(admin):
    lines = [add(f"d{i}.example") for i in range(900)] + [add("d1.example", "none")]
    found, summary = admin.bulk(lines, key=None, query="?dry_run=true")
    assert counts(summary) == (901, 900, 0, 1) and summary["dry_run"] and found[900]["code"] == "not-found"
    assert domains(admin) == 0


def test_hostile(admin):
    deep = b'{"operation":"domain.add","arguments":' + b'{"a":' * 5000 + b"1" + b"}" * 5001
    long = b'{"operation":"domain.add","arguments":{"domain":"' + b"x" * 300000 + b'"}}'
    lines = [deep, long, b"\xff\xfe\x00", b"\x00" * 70000, b'"' * 66000, b"null", b"1e999", b"{}", b'{"operation":null,"arguments":null}',
             b'{"operation":"domain.add","arguments":"x"}', b'{"operation":"domain.add","arguments":{"domain":["a"],"tenant":"acme"}}',
             b'{"operation":"domain.add","arguments":{"domain":"' + b"a." * 200 + b'","tenant":"acme"}}',
             b'{"operation":"domain.add","arguments":{"domain":"a\\u0000b","tenant":"acme"}}',
             b'{"operation":"domain.add","arguments":{"domain":"x.example","tenant":"acme"},"dry_run":true}',
             b'{"operation":"domain.add","arguments":{"domain":"x.example","tenant":"acme"},"more":1}',
             b'{"operation":"emergency","arguments":{"domain":"x.example"}}', b"\r"]
    body = b"\n".join(lines) + b"\n" + add("good.example").encode()  # without an end of line
    for step in (1 << 20, 65536, 4093):
        status, _, text = admin.post((body[i:i + step] for i in range(0, len(body), step)), f"h{step}")
        found, summary = results(text)
        assert status == 200 and len(found) == len(lines) + 1, text[:2000]
        assert {row["code"] for row in found[:-1]} == {"validation"}, found
        assert found[-1]["ok"] and summary["complete"]
    assert domains(admin) == 1
    # More failures than have a sentence, and results that change with each line.
    many = [add(f"f{i}.example", "acme" if i % 2 else "none") for i in range(3000)]
    found, summary = admin.bulk(many, key="many")
    assert [row["ok"] for row in found] == [bool(i % 2) for i in range(3000)]
    assert counts(summary) == (3000, 1500, 0, 1500) and sum("detail" in row for row in found) == 500
    assert admin.process.poll() is None and "runtime error" not in admin.log()


def test_many_killed_and_taken_up(admin):
    """Exactly so many domains, each once in the audit, whatever happened in between; and memory that does not grow."""
    lines = [add(f"d{i}.example") for i in range(COUNT)]
    first, _ = admin.bulk(lines[:2000], key="warm")
    assert all(row["ok"] for row in first)
    admin.cut_off(lines[:COUNT * 3 // 4], "all", lambda: domains(admin) >= COUNT // 3)
    left = domains(admin)
    assert 2000 <= left < COUNT, left
    audit_is_whole(admin)
    admin.start()
    admin.bulk(lines[:1000], key="again")
    before = admin.rss_kib()
    begun = time.monotonic()
    found, summary = admin.bulk(lines, key="all")
    took = time.monotonic() - begun
    grown = admin.rss_kib() - before
    print(f"{COUNT - left} of {COUNT} domains in {took:.1f} s: {(COUNT - left) / took:.0f} a second; {grown} KiB more")
    assert len(found) == COUNT and counts(summary) == (COUNT, COUNT - left, left, 0) and summary["complete"]
    assert domains(admin) == COUNT
    assert rows(admin, "SELECT COUNT(*), COUNT(DISTINCT object) FROM audit WHERE action = 'domain.add'") == [(COUNT, COUNT)]
    audit_is_whole(admin)
    # A body of 120 MB: usual are 45 MB more, of all caches and threads, after whatever it is.
    found, summary = admin.bulk([line + " " * 6000 for line in lines], key="long")
    assert counts(summary) == (COUNT, 0, COUNT, 0)
    grown = admin.rss_kib() - before
    print(f"{grown} KiB more after a body of 120 MB")
    assert daemon.is_sanitized(lifecycle.program()) or grown < 96 * 1024, grown
