"""POST /v1/bulk on SQLite, MariaDB and a directory: a daemon that is killed, a store that goes away, two that send the same, bodies
that are torn. What was done is done once, and nothing is lost."""
import contextlib
import json
import os
import sqlite3
import subprocess

import pytest

from lib import api, bulk, ldapstore, lifecycle, mariadb, procs, slapd, stores
from lib.bulk import add, counts

COUNT = 2000
pytestmark = [pytest.mark.skipif(lifecycle.program() is None or stores.missing() is not None, reason="no signpost-admind in this build")]


class OnSqlite:
    def __init__(self, folder):
        self.store = stores.sqlite_store(folder)

    def names(self):
        with contextlib.closing(sqlite3.connect(self.store.folder / "store.db", timeout=60)) as db:
            return [name for name, in db.execute("SELECT name FROM domains")]

    def stop(self):
        pass


class OnMariadb:
    def __init__(self, folder):
        (folder / "sql").mkdir()
        self.server = mariadb.MariaDB(folder / "sql").start()
        self.store = stores.mysql_store(self.server, folder)
        self.start, self.stop = self.server.start, self.server.stop

    def names(self):
        return self.server.run("SELECT name FROM domains", "signpost").split()


class OnDirectory:
    def __init__(self, folder):
        self.server = ldapstore.Directory(folder)
        self.server.load(ldapstore.top())
        self.server.start()
        self.store = stores.ldap_store(self.server, folder)
        self.start, self.stop = self.server.start, self.server.stop

    def names(self):
        found = self.server.search("(objectClass=signpostDomain)", "signpostDomainName", dn=ldapstore.ROOT_DN, password=ldapstore.ROOT_PASSWORD)
        return [line.split(":", 1)[1].strip() for line in found.splitlines() if line.startswith("signpostDomainName:")]


KINDS = {"sqlite": (OnSqlite, lambda: None), "mariadb": (OnMariadb, mariadb.missing), "directory": (OnDirectory, lambda: None if slapd.program() else "slapd is not installed")}


class Place:
    """A store, its daemon, and a client that may do everything in the tenant acme."""

    def __init__(self, folder, kind):
        self.kind, self.on = kind, KINDS[kind][0](folder)
        self.names = self.on.names
        self.service = api.Service(self.on.store).start().ready()
        self.service.cli("tenant", "add", "acme")
        self.service.cli("tenant", "add", "hidden")
        self.token = self.service.token("role:owner", "acme")
        self.root = self.service.token("*")

    def client(self, service=None, token=None):
        return (service or self.service).client(token or self.token)

    def again(self):
        """The daemon, after it was killed."""
        self.service.stop()
        self.service.start().ready()

    def audited(self):
        """Of each domain.add its object; the chain is whole."""
        said = json.loads(stores.signpost("audit", "verify", "-x", self.on.store.admin, "--json").stdout)
        assert said["ok"], said
        client, target, rows = self.client(token=self.root), "/v1/audit?limit=500", []
        while target:
            answer = client.get(target)
            rows += answer.json["audit"]
            target = answer.field("Link")[1:].split(">")[0] if answer.field("Link") else None
        return sorted(row["object"] for row in rows if row["action"] == "domain.add" and row["result"] == "ok")

    def check(self, names):
        """Exactly these are there, each of them once in the audit. A directory has no transactions: what somebody was about to
        do when he was killed, or another one was faster, is in it, too (ldif/README)."""
        assert sorted(self.names()) == sorted(names)
        found = self.audited()
        assert (sorted(set(found)) if self.kind == "directory" else found) == sorted(names)

    def stop(self):
        self.service.stop()
        self.on.stop()


@pytest.fixture(params=KINDS)
def place(request, folder):
    missing = KINDS[request.param][1]()
    if missing is not None:
        pytest.skip(missing)
    one = Place(folder, request.param)
    yield one
    one.stop()


def names(count, word="d"):
    return [f"{word}{i}.example" for i in range(count)]


def lines(some):
    return [add(name) for name in some]


def test_killed_and_taken_up(place):
    """Whatever was done when the daemon was killed is not done again, and its lines say so."""
    wanted = names(COUNT)
    for part in (4, 2):  # killed twice
        running = bulk.Running(place.client(), "all", lines(wanted))
        assert procs.wait_until(lambda: len(place.names()) >= COUNT // part or running.answer is not None)
        place.service.process.kill()
        running.join()
        place.again()
    before = set(place.names())
    assert COUNT // 2 <= len(before), len(before)
    found, summary = bulk.ask(place.client(), lines(wanted), "all")
    assert counts(summary) == (COUNT, COUNT - len(before), len(before), 0) and summary["complete"], summary
    assert [bool(row.get("replayed")) for row in found] == [name in before for name in wanted]
    place.check(wanted)
    _, summary = bulk.ask(place.client(), lines(wanted), "all")
    assert counts(summary) == (COUNT, 0, COUNT, 0)
    place.check(wanted)


def test_the_store_goes_away(place):
    """What was not run is said, and runs when the same comes again."""
    if place.kind == "sqlite":
        pytest.skip("a file does not go away: see the next one")
    wanted = names(COUNT)
    sending = bulk.Sending(place.client(), "all", lines(wanted[:COUNT // 2]))
    assert procs.wait_until(lambda: place.names())
    place.on.stop()
    sending.send(bulk.octets(lines(wanted[COUNT // 2:])))
    found, summary = bulk.results(sending.end().octets)
    assert not summary["complete"] and summary["code"] == "store-unavailable" and summary["detail"], summary
    assert summary["not_run"] >= COUNT // 2 and len(found) + summary["not_run"] == COUNT and summary["failed"] == 0, summary
    place.on.start()
    before = set(place.names())
    assert len(before) >= summary["done"]  # what it did not hear of may have been done
    assert procs.wait_until(lambda: place.client().get("/v1/domains?limit=1").status == 200)
    found, summary = bulk.ask(place.client(), lines(wanted), "all")
    assert counts(summary) == (COUNT, COUNT - len(before), len(before), 0) and summary["complete"], summary
    place.check(wanted)


def test_the_disk_is_full(folder):
    """Of SQLite: what there was no room for, is said not to have been run."""
    small = folder / "small"
    small.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], capture_output=True).returncode != 0:
        pytest.skip("only root can make a small disk")
    try:
        place = Place(small, "sqlite")
        try:
            wanted = names(20000)
            found, summary = bulk.ask(place.client(), lines(wanted), "all")
            assert not summary["complete"] and summary["code"] == "store-unavailable", summary
            assert 0 < summary["done"] == len(found) < len(wanted) and summary["failed"] == 0, summary
            assert place.service.process.poll() is None
            subprocess.run(["mount", "-o", "remount,size=200m", small], check=True)
            there = len(place.names())
            assert there >= summary["done"]
            found, summary = bulk.ask(place.client(), lines(wanted), "all")
            assert counts(summary) == (len(wanted), len(wanted) - there, there, 0) and summary["complete"], summary
            place.check(wanted)
        finally:
            place.stop()
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_the_same_twice_at_once(place):
    """By one daemon: the second one is told to wait. By two of them on one store: each domain is added by one of the two."""
    wanted = names(400)
    held = bulk.Sending(place.client(), "twice", [*lines(wanted), " " * 60000, " " * 60000])
    assert procs.wait_until(lambda: len(place.names()) > 0)
    answer = place.client().post("/v1/bulk", bulk.octets(lines(wanted)), key="twice", kind=bulk.KIND)
    assert (answer.status, answer.code) == (409, "request-in-progress"), answer
    # Somebody else's key of the same name is another one.
    root = place.client(token=place.root).post("/v1/bulk", bulk.octets(lines(["x.example"])), key="twice", kind=bulk.KIND)
    assert root.status == 200, root
    assert held.end().status == 200
    _, summary = bulk.ask(place.client(), lines(wanted), "twice")
    assert counts(summary) == (400, 0, 400, 0)
    many = names(1000, "both")
    with api.Service(place.on.store, name="second") as second:
        pair = [bulk.Running(place.client(service), "both", lines(many)) for service in (place.service, second)]
        sums = [running.results()[1] for running in pair]
    assert sum(s["done"] for s in sums) == 1000 and sum(s["failed"] for s in sums) == 0, sums
    place.check([*wanted, "x.example", *many])


def test_torn_and_wrong(place):
    """A body that is cut in the middle of a line: that line is not run, however whole it looks. Lines that are wrong, many of them."""
    # It ends with a piece as the daemon takes them, so that all of it was seen; b.example is added when the next line has ended.
    begun = add("a.example") + "\n" + add("b.example") + "\n{\n" + add("c.example")
    torn = bulk.Sending(place.client(), "torn")
    torn.send((begun + " " * (65536 - len(begun)) + " ").encode())
    assert procs.wait_until(lambda: "b.example" in place.names())
    torn.cut()
    other = place.client(token=place.service.token("role:owner", "hidden"))
    bulk.ask(other, [add("theirs.example", "hidden")], "t")
    wrong = [add("theirs.example"), add("mine.example", "hidden"), b"\xff\xfe", b'{"operation":"domain.add","arguments":{"domain":"' + b"x" * (2 << 20) + b'"}}',
             *[add(f"wrong{i}.example", frob=i) for i in range(100)],
             json.dumps({"operation": "domain.set", "arguments": {"domain": "theirs.example", "enabled": False}}),
             json.dumps({"operation": "rotate", "arguments": {"domain": "theirs.example", "reason": "x"}}), add("last.example")]
    # The first one with this key has ended, or is about to.
    assert procs.wait_until(lambda: place.client().post("/v1/bulk", b"", key="torn", kind=bulk.KIND).status == 200)
    found, summary = bulk.ask(place.client(), [add("a.example"), add("b.example"), *wrong], "torn")
    assert [row["code"] for row in found] == ["ok", "ok", "domain-owned-elsewhere", "not-found", *["validation"] * 102, "not-found", "not-found", "ok"], found
    assert counts(summary) == (109, 1, 2, 106)
    # Whose it is, is not told.
    assert not any("hidden" in found[i]["detail"] for i in (2, 106, 107)), found
    place.check(["a.example", "b.example", "theirs.example", "last.example"])
