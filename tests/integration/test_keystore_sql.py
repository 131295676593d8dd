"""KeyStore sqlite: and mysql: by the same questions, the rights of three roles, indexes, and a server that is away.

The server is one of the test's own.
"""
import contextlib
import itertools
import re
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest

from lib import keystores, mariadb, patience, procs
from lib.keystores import Store, key, populate

TOP = Path(__file__).resolve().parents[2]
PASSWORD = "Se/cr@et:?+%3d'\"\\x"
USERS = {"owner": "signpost_owner", "writer": "signpost_writer", "reader": "signpost_reader", "gateway": "signpost_gateway"}


class Durable(mariadb.MariaDB):
    """What it has answered is there after a kill -9."""

    def start(self, *more):
        return super().start("--innodb-flush-log-at-trx-commit=1", *more)


@pytest.fixture(scope="module")
def server(module_folder):
    if mariadb.missing() or not keystores.program():
        pytest.skip(mariadb.missing() or "tests/conformance/keystore_driver is not built")
    one = Durable(module_folder).start()
    for user in USERS:
        one.run(f"CREATE USER '{user}'@'%' IDENTIFIED BY {mariadb.quote(PASSWORD)};")
    yield one
    one.stop()


def spec(server, user="owner", database="signpost", password=PASSWORD, more=""):
    coded = "".join(f"%{c:02x}" for c in password.encode())
    return f"mysql://{user}:{coded}@127.0.0.1:{server.port}/{database}{more}"


@pytest.fixture
def made(server):
    """An empty database "signpost" with its tables and roles."""
    server.run("DROP DATABASE IF EXISTS signpost; CREATE DATABASE signpost CHARACTER SET latin1; "
               "CREATE ROLE IF NOT EXISTS signpost_owner; GRANT ALL ON signpost.* TO owner@'%';")
    with Store(spec(server), write=True) as store:
        answer = store.ask("init")
        assert answer.text == "from=0 to=6", answer
    server.run((TOP / "sql/mysql/grants.sql").read_text())
    for user, role in USERS.items():
        server.run(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {user}@'%'; GRANT {role} TO {user}@'%'; "
                   f"SET DEFAULT ROLE {role} FOR {user}@'%';")
    return server


class Place:
    def __init__(self, write, read, owner=None, rows=None, gateway=None):
        self.write, self.read = write, read
        self.gateway = gateway or write  # a gateway's, which reports
        self.owner = owner or write     # who may make tables
        self.rows = rows                # runs statements; the rows of the last one, as texts


@pytest.fixture(params=["sqlite", "mysql"])
def place(request, folder):
    if request.param == "mysql":
        made = request.getfixturevalue("made")
        return Place(spec(made, "writer"), spec(made, "reader"), spec(made, "owner"),
                     lambda sql: [line.split("\t") for line in made.run(sql, "signpost").splitlines()], spec(made, "gateway"))
    if not keystores.program():
        pytest.skip("tests/conformance/keystore_driver is not built")
    path = f"sqlite:{folder}/keys.db"
    with Store(path, write=True) as store:
        assert store.ask("init").text == "from=0 to=6"
    return Place(path, path, rows=lambda sql: sqlite_rows(folder / "keys.db", sql))


def sqlite_rows(path, sql):
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        for one in sql.split(";"):
            cursor = db.execute(one)
        return [[str(value) for value in row] for row in cursor.fetchall()]


@pytest.fixture
def writer(place):
    with Store(place.write, write=True) as store:
        populate(store)
        yield store


@pytest.fixture
def reader(place, writer):
    with Store(place.read) as store:
        yield store


def names(rows, field="name"):
    return sorted(row[field] for row in rows)


def test_questions(writer, reader):
    answer = reader.ask("senders", "a.test", "test")
    assert answer.status == "ok" and answer.value("epoch") == 2 and "address_rules" not in answer.text
    assert answer.of("domain") == [{"name": "a.test", "tenant": "acme", "policy": "std", "signature_ttl_s": "600", "enabled": "1",
                                    "revision": "2"}]
    assert answer.of("tenant") == [{"name": "acme", "failure": "store=stale", "enabled": "1", "revision": "2"}]
    writer.must(("add", "rule", {"id": "r1", "tenant": "acme", "kind": "suffix", "subject": ".a.test", "domain": "a.test"}),
                ("add", "rule", {"id": "r2", "tenant": "acme", "kind": "domain", "subject": "b.a.test", "domain": "a.test"}),
                ("add", "rule", {"id": "r3", "tenant": "other", "kind": "address", "subject": "x@b.a.test", "domain": "o.test"}),
                ("add", "rule", {"id": "p2", "tenant": "acme", "kind": "pattern", "subject": "*@x*", "domain": "a.test", "priority": -3}),
                ("add", "rule", {"id": "p1", "tenant": "acme", "kind": "pattern", "subject": "*@y*", "domain": "a.test", "priority": -3}),
                ("add", "rule", {"id": "p0", "tenant": "acme", "kind": "pattern", "subject": "*@z*", "domain": "a.test"}))
    answer = reader.ask("senders", "b.a.test", "a.test", "test")
    assert names(answer.of("rule"), "id") == ["r1", "r2"] and names(answer.of("domain")) == ["a.test"]
    assert "address_rules" in answer.text and answer.value("epoch") == 3
    answer = reader.ask("address", "x@b.a.test")
    assert names(answer.of("rule"), "id") == ["r3"] and names(answer.of("tenant")) == ["other"]
    assert [r["id"] for r in reader.ask("patterns", "acme").of("rule")] == ["p1", "p2", "p0"]
    assert reader.ask("patterns", "nobody").rows == []
    answer = reader.ask("bindings", "login:nobody", "*")
    assert answer.of("binding") == [{"subject": "*", "tenant": "acme"}]
    deep = ".".join("x" * 30) + ".a.test"
    parents = [deep.split(".", n)[-1] for n in range(1, 32)]
    assert names(reader.ask("senders", deep, *parents).of("domain")) == ["a.test"]
    assert abs(reader.ask("now").value("now") - time.time()) < 5


def test_keys(writer, reader):
    big = "k" * 65536
    writer.must(("add", "key", key("a.test", "s2", active=300, private_key=big, bits=4096)),
                ("add", "key", key("a.test", "s3", active=200)), ("add", "key", key("a.test", "s4", active=400, revoked=500)),
                ("add", "key", key("a.test", "s5", loaded=400)))
    rows = reader.ask("keys", "a.test").of("key")
    assert [r["selector"] for r in rows] == ["s2", "s3", "s1"] and rows[0]["private_key"] == big and rows[0]["bits"] == "4096"
    assert reader.ask("keys", "nothing.test").rows == []
    # The row's revision is the epoch; what it is sealed with stays.
    writer.must(("change", "key", key("a.test", "s3", active=200, retiring=600)))
    row = [r for r in reader.ask("keys", "a.test").of("key") if r["selector"] == "s3"][0]
    assert row["revision"] == "1" and row["row_revision"] == "4" and row["retiring"] == "600"
    answer = writer.apply(("change", "key", key("a.test", "s3", row_revision=3)))
    assert answer.status == "denied" and "its revision is 4 now" in answer.text


REFUSED = [
    (("add", "tenant", {"name": "acme"}), "denied", "there already"),
    (("change", "tenant", {"name": "nobody"}), "absent", "there is none"),
    (("remove", "tenant", {"name": "acme"}), "denied", "hangs on it"),
    (("remove", "domain", {"name": "a.test", "tenant": "acme"}), "denied", "hangs on it"),
    (("remove", "policy", {"name": "std", "tenant": "acme"}), "denied", "hangs on it"),
    (("add", "domain", {"name": "b.test", "tenant": "nobody"}), "absent", "not there"),
    (("add", "domain", {"name": "b.test", "tenant": "acme", "signs_as": "o.test"}), "absent", "no such"),
    (("add", "domain", {"name": "b.test", "tenant": "other", "policy": "std"}), "absent", "no such"),
    (("add", "domain", {"name": "a.test", "tenant": "other"}), "denied", "another tenant's"),
    (("put", "domain", {"name": "a.test", "tenant": "other"}), "denied", "another tenant's"),
    (("change", "domain", {"name": "a.test", "tenant": "other"}), "denied", "another tenant's"),
    (("remove", "domain", {"name": "a.test", "tenant": "other"}), "denied", "another tenant's"),
    (("change", "domain", {"name": "a.test", "tenant": "acme", "revision": 77}), "denied", "changed meanwhile"),
    (("add", "domain", {"name": "B.test", "tenant": "acme"}), "invalid", "domain"),
    (("add", "key", key("a.test", "s1")), "denied", "there already"),
    (("add", "key", key("a.test", "s9", tenant="other")), "absent", "no such"),
    (("remove", "key", key("a.test", "s1")), "denied", "was published"),
    (("change", "key", key("a.test", "s1", revision=0)), "denied", "sealed anew"),
    (("add", "rule", {"id": "r", "tenant": "other", "kind": "domain", "subject": "x.test", "domain": "a.test"}), "absent", "no such"),
    (("add", "rule", {"id": "r", "tenant": "acme", "kind": "domain", "subject": "x.test", "domain": "no.test"}), "absent", "no such"),
    (("add", "binding", {"subject": "*", "tenant": "other"}), "denied", "there already"),
]


def test_refusals(writer, reader):
    for write, status, text in REFUSED:
        answer = writer.apply(("put", "tenant", {"name": "third"}), write)
        assert (answer.status, answer.at) == (status, 1) and text in answer.text, (write, answer)
        if "another" in text:
            assert "acme" not in answer.text
    answer = reader.ask("changes", 0)
    assert answer.value("epoch") == 2, "nothing of a refused transaction is left"
    assert writer.ask("list", "tenant", "", 100).of("tenant")[-1]["name"] == "other"
    assert reader.apply(("put", "tenant", {"name": "third"})).status == "denied"


def test_a_group_with_a_bad_row(writer):
    many = [("add", "domain", {"name": f"d{n}.test", "tenant": "acme"}) for n in range(70)]
    answer = writer.apply(*many[:41], ("add", "domain", {"name": "o.test", "tenant": "acme"}), *many[41:])
    assert (answer.status, answer.at) == ("denied", 41), answer
    writer.must(*many)
    assert len(writer.ask("list", "domain", "", 100).of("domain")) == 72


def test_changes(writer, reader):
    writer.must(("change", "key", key("a.test", "s1", active=101)))
    writer.must(("add", "rule", {"id": "r", "tenant": "acme", "kind": "suffix", "subject": ".x.test", "domain": "a.test"}))
    writer.must(("change", "rule", {"id": "r", "tenant": "acme", "kind": "address", "subject": "u@y.test", "domain": "a.test"}),
                ("put", "binding", {"subject": "*", "tenant": "other"}))
    seen = [(r["epoch"], r["subject"]) for r in reader.ask("changes", 2).of("change")]
    assert seen == [("3", "d:a.test"), ("4", "d:x.test"), ("4", "t:acme"), ("5", "b:"), ("5", "d:x.test"), ("5", "d:y.test"),
                    ("5", "t:acme")]
    answer = reader.ask("changes", 5)
    assert answer.rows == [] and answer.value("epoch") == 5
    assert reader.ask("changes", 2, 3).status == "too big" and reader.ask("changes", 6).status == "too big"


def test_changes_are_trimmed(place, writer, reader):
    answer = writer.ask("load", "domains", "acme", 104000, "t")
    print(f"{place.write.split(':')[0]}: {answer.value('rows_per_s'):.0f} domains/s")
    answer = reader.ask("changes", 2, 1000)
    epoch = 2 + 104
    assert answer.status == "too big" and answer.value("epoch") == epoch
    assert reader.ask("changes", epoch).status == "ok"
    answer = reader.ask("time", "keys", 500, "a.test")
    print(f"{place.write.split(':')[0]}: {answer.value('us'):.0f} us for the keys of a domain, "
          f"{reader.ask('time', 'senders', 500, 'a.test', 'test').value('us'):.0f} us for a sender, one thread")


HOSTILE = ["'", "'or'1'='1", '"', "\\", "%", "_", "login:%@a", "`", "?", ";--", "\u00e1", "a\u0300", "\U0001f600", "{now}", "[?]", "x" * 512]


def test_hostile_names(writer, reader):
    writer.must(("add", "binding", {"subject": "a.test", "tenant": "acme"}))
    for subject in HOSTILE + ["a.test ", "x" * 1000]:
        assert reader.ask("bindings", subject).rows == [], subject
    for subject in HOSTILE:
        writer.must(("add", "binding", {"subject": subject, "tenant": "acme"}))
        assert reader.ask("bindings", subject).of("binding") == [{"subject": subject, "tenant": "acme"}]
    assert len(writer.ask("list", "binding", "", 100).of("binding")) == len(HOSTILE) + 2
    for subject in ["a.test ", "x" * 513, b"\xff", b"a\0b"]:
        assert writer.apply(("add", "binding", {"subject": subject, "tenant": "acme"})).status == "invalid", subject
        answer = writer.apply(("remove", "binding", {"subject": subject, "tenant": "acme"}))
        assert answer.status == "absent", (subject, answer)
    assert writer.ask("list", "binding", b"\xff", 10).status == "invalid"


def test_pages(writer):
    writer.must(*[("add", "key", key("a.test", f"p{n}")) for n in range(5)], ("add", "key", key("o.test", "q", tenant="other")))
    for step in (1, 2, 3, 100):
        seen, after = [], ""
        while True:
            rows = writer.ask("list", "key", after, step).of("key")
            if not rows:
                break
            assert len(rows) <= step
            seen += [f"{r['domain']} {r['selector']}" for r in rows]
            after = seen[-1]
        assert seen == [f"a.test p{n}" for n in range(5)] + ["a.test s1", "o.test q"]
    assert writer.ask("list", "policy", "", 9).of("policy")[0]["plan"] == "{}"


def test_eight_threads(writer, reader):
    answer = reader.ask("threads", 8, 500, "a.test")
    print(answer.text)
    assert answer.value("answered") == 4000


def test_two_writers(place, writer):
    """Their transactions follow each other, and each has an epoch of its own."""
    with Store(place.write, write=True) as second:
        for n in range(50):
            for store, name in ((writer, "first"), (second, "second")):
                store.send(f"put tenant name={name} failure=store=stale")
                store.send("apply")
            for store in (writer, second):
                answer = store.receive()
                assert answer.status == "ok", answer
    assert writer.ask("changes", 102).value("epoch") == 102


def test_rules_of_one_subject(writer, reader):
    """A thousand are read by everybody's mail with that subject; one more is refused, whosever it is and however it comes."""
    def rule(n, tenant="acme", kind="domain", subject="x.test"):
        return {"id": f"r{n}", "tenant": tenant, "kind": kind, "subject": subject, "domain": "a.test" if tenant == "acme" else "o.test"}

    writer.must(*[("add", "rule", rule(n)) for n in range(999)])
    # Of the batch that is refused nothing is written; the second of these is one too many.
    answer = writer.apply(*[("add", "rule", rule(f"o{n}", "other")) for n in range(40)])
    assert answer.status == "denied" and answer.at == 1, answer
    assert "1000 rules with the subject x.test" in answer.text, answer
    assert len(reader.ask("senders", "x.test", "test").of("rule")) == 999
    writer.must(("add", "rule", rule("last", "other")))
    for how, row in (("add", rule("more")), ("put", rule("more", "other"))):
        answer = writer.apply((how, "rule", row))
        assert (answer.status, answer.at) == ("denied", 0), answer
    # One that is there may be changed; one that has another subject may not come to it.
    writer.must(("change", "rule", dict(rule(1), enabled=0)), ("add", "rule", rule("else", kind="suffix", subject=".x.test")))
    assert writer.apply(("change", "rule", rule("else"))).status == "denied"
    assert len(reader.ask("senders", "x.test", "test").of("rule")) == 1000
    # Those of others are of no matter, and one that goes makes room.
    writer.must(("add", "rule", rule("y", subject="y.test")), ("remove", "rule", {"tenant": "acme", "id": "r5"}))
    writer.must(("add", "rule", rule("z")))


def test_identity(place, writer, reader):
    """Made with the store; another one, and another epoch, when it is renewed; else it stays."""
    def state(store):
        words = dict(word.split("=") for word in store.ask("changes", 0).text.split())
        return int(words["epoch"]), words["identity"]

    epoch, identity = state(reader)
    assert re.fullmatch("[0-9a-f]{32}", identity)
    writer.must(("put", "tenant", {"name": "acme"}))
    assert state(reader) == (epoch + 1, identity)
    with Store(place.owner, write=True) as owner:
        assert owner.ask("init").status == "ok"
    assert state(reader) == (epoch + 1, identity)
    answer = writer.ask("renew")
    assert answer.status == "ok", answer
    after, renewed = state(reader)
    assert after == epoch + 1 + 10**9 and renewed != identity and f"epoch={after} " in answer.text and renewed in answer.text
    assert re.fullmatch("[0-9a-f]{32}", renewed)
    assert reader.ask("renew").status == "denied"
    assert [row["tenant"] for row in reader.ask("bindings", "*").of("binding")] == ["acme"]


# ---- schemas of before ----

# What the first version asks each time; it goes on with a store whose second column is 1.
ASKED_BEFORE = "SELECT e.epoch, (SELECT MAX(version) FROM migrations), e.trimmed, NULL, NULL FROM epoch e WHERE e.id = 1"


def make_older(place, schema=1):
    """The tables as 001.sql makes them, or the first two or three scripts."""
    sqlite = place.write.startswith("sqlite")
    for table, column in (("domains", "due"), ("keys", "loading")) if schema < 3 else ():
        if sqlite:
            place.rows(f"DROP INDEX {table}_{column}")
        for name in (column, "life"):
            place.rows(f"ALTER TABLE `{table}` DROP COLUMN {name}")
    for table in ("quotas", "providers", "tokens", "replies", "audit", "audit_head") + (() if schema == 3 else ("gateways", "leases")):
        place.rows(f"DROP TABLE {table}")
    place.rows(f"DELETE FROM migrations WHERE version < -{schema}")
    if schema > 1:
        return
    if sqlite:
        place.rows("CREATE TABLE was (id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, last_change INTEGER NOT NULL, "
                   "trimmed INTEGER NOT NULL); INSERT INTO was SELECT id, epoch, last_change, trimmed FROM epoch; "
                   "DROP TABLE epoch; ALTER TABLE was RENAME TO epoch")
    else:
        place.rows("ALTER TABLE epoch DROP COLUMN identity")


def test_a_store_of_before(place, writer, reader):
    """Whoever is upgraded first, gateway or store: both go on."""
    make_older(place)
    for _ in range(2):
        assert reader.ask("keys", "a.test").of("key")[0]["selector"] == "s1"
        answer = reader.ask("changes", 0)
        assert answer.text.endswith(" schema=1 identity="), answer
        writer.must(("put", "tenant", {"name": "acme"}))
    answer = writer.ask("renew")
    assert answer.status == "unavailable" and "signpost store init" in answer.text, answer
    epoch = int(place.rows(ASKED_BEFORE)[0][0])
    with Store(place.owner, write=True) as owner:
        assert owner.ask("init").text == "from=1 to=6"
        assert owner.ask("init").text == "from=6 to=6"
    assert place.rows(ASKED_BEFORE)[0][:2] == [str(epoch), "1"]
    # The statements that were prepared before it see it.
    assert re.search(rf"epoch={epoch} schema=6 identity=[0-9a-f]{{32}}$", reader.ask("changes", 0).text)
    assert reader.ask("keys", "a.test").of("key")[0]["selector"] == "s1"
    writer.must(("put", "tenant", {"name": "acme"}))
    assert writer.ask("renew").status == "ok"
    # Said once by whoever asks, while there is none.
    with Store(place.read) as later:
        assert later.ask("changes", 0).status == "ok"
        assert "no identity" not in later.close()
    make_older(place)
    with Store(place.read) as later:
        assert later.ask("changes", 0).status == later.ask("changes", 0).status == "ok"
        assert later.close().count("no identity") == 1


def test_many_bring_it_up_to_date(place, writer):
    """At once, and none is refused; there is one identity."""
    make_older(place)
    stores = [Store(place.owner, write=True) for _ in range(6)]
    for store in stores:
        store.send("init")
    answers = [store.receive() for store in stores]
    assert {answer.text for answer in answers} <= {"from=1 to=6", "from=6 to=6"}, answers
    seen = {store.ask("changes", 0).text for store in stores}
    assert len(seen) == 1 and len(seen.pop().split("identity=")[1]) == 32
    for store in stores:
        store.close()
    assert place.rows("SELECT version FROM migrations ORDER BY version") == [["-6"], ["-5"], ["-4"], ["-3"], ["-2"], ["1"]]


def test_an_interrupted_migration(place, writer, reader):
    """What was done is not done again: the column is there and not recorded, or recorded and without an identity."""
    for lost in (["DELETE FROM migrations WHERE version < 0", "UPDATE epoch SET identity = ''"], ["UPDATE epoch SET identity = ''"]):
        if place.write.startswith("sqlite") and len(lost) > 1:
            continue    # there it is one transaction
        for sql in lost:
            place.rows(sql)
        assert reader.ask("changes", 0).text.endswith(" identity=")
        with Store(place.owner, write=True) as owner:
            assert owner.ask("init").status == "ok"
        assert re.search("schema=6 identity=[0-9a-f]{32}$", reader.ask("changes", 0).text)
    # One of later that only adds something is no reason not to go on, for whoever reads, writes or looks after it.
    place.rows("INSERT INTO migrations VALUES (-7, 'x', 0)")
    assert reader.ask("keys", "a.test").status == "ok" and " schema=7 " in reader.ask("changes", 0).text
    writer.must(("put", "tenant", {"name": "acme"}))
    with Store(place.owner, write=True) as owner:
        assert owner.ask("init").text == "from=7 to=7"


# ---- statements ----

def statements(now, by, slots=1):
    """name -> (text, indexes), as in sql/STATEMENTS."""
    found, name = {}, None
    for line in (TOP / "sql/STATEMENTS").read_text().split("\n"):
        if line.startswith("\t"):
            found[name][0].append(line.strip())
        elif re.match(r"[a-z_]+:", line):
            name, _, indexes = line.partition(":")
            found[name] = ([], indexes.strip())
    primary = by if isinstance(by, str) else ""
    return {n: (re.sub(r"\{constraint (\w+)\}", primary, re.sub(r"\{by (\w+)\}", by, re.sub(r"\[(.*?)\]", lambda m: ",".join([m.group(1)] * slots), " ".join(t))))
                .replace("{now}", now), i) for n, (t, i) in found.items()}


def test_indexes_of_sqlite(folder):
    if not keystores.program():
        pytest.skip("tests/conformance/keystore_driver is not built")
    with Store(f"sqlite:{folder}/keys.db", write=True) as store:
        store.ask("init")
        populate(store)
    db = sqlite3.connect(folder / "keys.db")
    checked = 0
    for name, (text, indexes) in statements("CAST(strftime('%s','now') AS INTEGER)", lambda m: "" if m.group(1) == "PRIMARY" else f"INDEXED BY {m.group(1)}").items():
        plan = [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + text, ["1"] * text.count("?"))]
        for step in plan:
            assert not re.match(r"SCAN (?!CONSTANT ROW|l$|older$|\(subquery)", step), (name, step)
            checked += step.startswith("SEARCH")
        if name == "list_domains_of":
            assert any(re.match(r"SEARCH d USING INDEX .* \(tenant=\? AND name>\?\)", step) for step in plan), plan
            assert not any("TEMP B-TREE" in step for step in plan), plan
        if indexes == "none":
            assert not any(step.startswith("SEARCH") for step in plan), (name, plan)
    assert checked > 60


def test_indexes_of_mariadb(made):
    """Whatever the server believes of sizes: with nothing in it, with many domains of one tenant, and after ANALYZE."""
    with Store(spec(made, "writer"), write=True) as store:
        populate(store)
        store.must(*[("add", "rule", {"id": f"r{n}", "tenant": "acme", "kind": "address", "subject": f"u{n}@a.test", "domain": "a.test"})
                     for n in range(300)])
        store.must(*[("add", "key", key("a.test", f"x{n}")) for n in range(300)])
        store.must(*[("add", "binding", {"subject": f"login:{n}", "tenant": "acme"}) for n in range(300)])
        assert store.ask("load", "domains", "acme", 5000, "e").status == "ok"
        assert store.ask("audit_load", 2000, 500).status == "ok"
        tenants = [("add", "tenant", {"name": f"t{n}"}) for n in range(3)]
        store.must(*tenants, *[("add", "domain", {"name": f"d{n:02}.test", "tenant": f"t{n % 3}"}) for n in range(30)])
        for size in (1, 4, 10, 100):
            found, after = [], ""
            while (page := store.ask("domains_of", "t1", after, size).of("domain")):
                assert len(page) <= size and {row["tenant"] for row in page} == {"t1"}
                found += [row["name"] for row in page]
                after = found[-1]
            assert found == [f"d{n:02}.test" for n in range(1, 30, 3)], size
        assert store.ask("domains_of", "nobody", "", 9).rows == []
    for when in ("before ANALYZE", "after ANALYZE"):
        for slots in (1, 4, 40):
            wrong = list(without_index(made, slots))
            assert not wrong, (when, slots, wrong)
        made.run("ANALYZE TABLE tenants, policies, domains, rules, `keys`, bindings, changes, epoch, migrations, "
                 "gateways, leases, tokens, providers, quotas, replies, audit, audit_head", "signpost")


TABLES = {"e": "epoch", "d": "domains", "t": "tenants", "p": "policies", "r": "rules", "k": "keys", "b": "bindings", "c": "changes", "g": "gateways",
          "dx": "domains", "kx": "keys", "tk": "tokens", "pr": "providers", "qu": "quotas", "re": "replies", "h": "audit_head"}


def without_index(server, slots):
    for name, (text, indexes) in statements("UNIX_TIMESTAMP()", r"FORCE INDEX (\1)", slots).items():
        if text.startswith("INSERT") or indexes == "none":
            continue
        asked = re.sub(r"LIMIT \?", "LIMIT 10", text)
        asked = re.sub(r"(\b(?:number|epoch|version|revision|row_revision|due|loading|fence|expires|seq) (?:>|<=|=|BETWEEN|\? AND)) \?", r"\1 5", asked)
        asked = re.sub(r"\?", lambda _, n=itertools.count(): "'acme'" if name == "patterns" else f"'a{next(n) or ''}.test'", asked)
        for line in server.run("EXPLAIN " + asked, "signpost").strip().split("\n"):
            _, _, table, kind, _, used, *_ = line.split("\t")
            real = TABLES.get(table, table)
            if table.startswith("<derived") or table == "NULL" or (kind, used) == ("const", "NULL"):
                continue
            if kind in ("ALL", "index") or not re.search(rf"\b{real} [a-zA-Z_ ]*\b{used}\b", indexes):
                yield name, line


# ---- rights ----

def denied(server, user, sql):
    done = subprocess.run([mariadb.CLIENT, "--no-defaults", "-h127.0.0.1", f"-P{server.port}", f"-u{user}", f"-p{PASSWORD}", "signpost",
                           "-e", sql], capture_output=True, text=True)
    return done.returncode != 0 and ("denied" in done.stderr or "READ ONLY" in done.stderr), done.stderr


def test_rights(made):
    """The other tests use writer and reader: what they may is enough. Here: what they may not."""
    for sql in ("INSERT INTO tenants(name, revision) VALUES ('x', 1)", "UPDATE epoch SET epoch = 1", "DELETE FROM `keys`",
                "SELECT plan FROM policies", "SELECT id FROM tokens", "SELECT name FROM providers", "SELECT tenant FROM quotas", "SELECT id FROM replies", "SELECT seq FROM audit",
                "SELECT seq FROM audit_head", "CREATE TABLE x(a INT)", "DROP TABLE domains", "ALTER TABLE domains ADD x INT"):
        assert denied(made, "reader", sql)[0], sql
    for sql in ("CREATE TABLE x(a INT)", "DROP TABLE domains", "ALTER TABLE domains ADD x INT", "TRUNCATE TABLE domains",
                "DELETE FROM migrations", "DELETE FROM epoch", "UPDATE audit SET actor = 'x'", "DELETE FROM audit", "DELETE FROM audit_head"):
        assert denied(made, "writer", sql)[0], sql
    assert not denied(made, "reader", "SELECT * FROM domains")[0]
    with Store(spec(made, "writer"), write=True) as store:
        answer = store.ask("init")
        assert answer.status == "unavailable" and "denied" in answer.text, answer
    with Store(spec(made, "owner"), write=True) as store:
        assert store.ask("init").text == "from=6 to=6"


def test_reader_sessions_are_read_only(made):
    """Also as a user that may write."""
    with Store(spec(made, "writer"), write=True) as store:
        populate(store)
    with Store(spec(made, "writer")) as store:
        store.ask("keys", "a.test")
        mode = made.run("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'writer'").strip()
        assert mode == "1"
        assert store.ask("init").status == "denied"


# ---- a server that is away ----

ANSWER_S = 3       # SQL_ANSWER_TIMEOUT_S


def timed(store, *words):
    began = time.monotonic()
    answer = store.ask(*words)
    return answer, time.monotonic() - began


@pytest.fixture
def live(made):
    with Store(spec(made, "writer"), write=True) as store:
        populate(store)
    with Store(spec(made, "reader")) as store:
        assert store.ask("keys", "a.test").status == "ok"
        yield store


def back(store):
    assert procs.wait_until(lambda: store.ask("keys", "a.test").status == "ok"), store.ask("keys", "a.test")


def unavailable_at_once(store, questions):
    began = time.monotonic()
    for _ in range(questions):
        answer = store.ask("keys", "a.test")
        assert answer.status == "unavailable", answer
    patience.check(time.monotonic() - began, 0.1, questions * ANSWER_S, f"{questions} questions that need not wait")


def test_killed_and_restarted(made, live):
    made.kill()
    unavailable_at_once(live, 20)
    made.start()
    back(live)
    # The connection is dead and nobody has noticed: it is asked again.
    made.kill()
    made.start()
    assert live.ask("keys", "a.test").status == "ok"
    made.run("KILL USER reader")
    assert live.ask("keys", "a.test").status == "ok"


def test_killed_in_the_middle_of_a_question(made, live):
    holder = threading.Thread(target=lambda: pytest.raises(AssertionError, made.run, "LOCK TABLES domains WRITE; DO SLEEP(20)", "signpost"))
    holder.start()
    try:
        assert procs.wait_until(lambda: "SLEEP" in made.run("SHOW PROCESSLIST"))
        live.send("keys a.test")
        time.sleep(0.3)
        made.kill()
        answer = live.receive()
        assert answer.status == "unavailable", answer
    finally:
        holder.join()
        made.start()
    back(live)


def test_slow(made, live):
    """Nobody waits longer than a question may take, and after it all are answered at once."""
    with made.holding("LOCK TABLES domains WRITE", "signpost"):
        answer, took = timed(live, "keys", "a.test")
        assert answer.status == "unavailable" and took > patience.below(ANSWER_S), (answer, took)
        unavailable_at_once(live, 5)
    back(live)


def test_silent(made, live):
    made.signal(signal.SIGSTOP)
    try:
        answer, took = timed(live, "keys", "a.test")
        assert answer.status == "unavailable" and took < patience.seconds(30), (answer, took)
        with Store(spec(made, "reader")) as fresh:
            answer, took = timed(fresh, "keys", "a.test")
            assert answer.status == "unavailable" and took < patience.seconds(30), took
    finally:
        made.signal(signal.SIGCONT)
    back(live)


def test_started_without_the_server(made, live):
    made.kill()
    with Store(spec(made, "reader")) as store:
        assert "is the server running" in store.ask("keys", "a.test").text
        made.start()
        back(store)


def test_read_only_replica(made, live):
    made.run("SET GLOBAL read_only = 1")
    try:
        assert live.ask("keys", "a.test").status == "ok"
        with Store(spec(made, "writer"), write=True) as store:
            answer = store.apply(("put", "tenant", {"name": "acme"}))
            assert answer.status == "unavailable" and "replica" in answer.text, answer
    finally:
        made.run("SET GLOBAL read_only = 0")


def test_wrong_settings(made):
    cases = [(spec(made, "reader", password="wr0ng-pass"), "check user and password"),
             (spec(made, "nobody", password="wr0ng-pass"), "check user and password"),
             (spec(made, "owner", database="nosuch"), "check"),
             (f"mysql://u:wr0ng-pass@127.0.0.1:{procs.free_port()}/signpost", "is the server running"),
             (f"mysql://reader@127.0.0.1:{made.port}/signpost?passwordfile=/no/such", "/no/such")]
    for place, says in cases:
        store = Store(place)
        answer = store.ask("keys", "a.test")
        errors = store.close()
        assert answer.status == "unavailable" and says in answer.text, (place, answer)
        assert "wr0ng" not in answer.text + errors and "Se/cr" not in answer.text + errors


def test_password_file(made, folder):
    (folder / "password").write_text(PASSWORD + "\n")
    with Store(f"mysql://reader@127.0.0.1:{made.port}/signpost?passwordfile={folder}/password") as store:
        assert store.ask("keys", "a.test").status == "ok"
    made.run("CREATE OR REPLACE USER nobody@localhost IDENTIFIED BY 'x'; GRANT signpost_reader TO nobody@localhost; "
             "SET DEFAULT ROLE signpost_reader FOR nobody@localhost")
    with Store(f"mysql://nobody:x@/signpost?socket={made.socket}") as store:
        assert store.ask("keys", "a.test").status == "ok"


def test_schemas(made, live):
    made.run("CREATE DATABASE IF NOT EXISTS empty; GRANT ALL ON empty.* TO owner@'%'")
    with Store(spec(made, "owner", "empty")) as store:
        answer = store.ask("keys", "a.test")
        assert answer.status == "unavailable" and "signpost store init" in answer.text, answer
    made.run("INSERT INTO migrations VALUES (2, 'x', 0)", "signpost")
    answer = live.ask("keys", "a.test")
    assert answer.status == "unavailable" and "version 2" in answer.text
    made.run("DELETE FROM migrations", "signpost")
    assert "signpost store init" in live.ask("keys", "a.test").text
    # An interrupted migration is made again.
    made.run("DROP TABLE bindings", "signpost")
    with Store(spec(made, "owner"), write=True) as store:
        assert store.ask("init").text == "from=0 to=6"
    assert live.ask("keys", "a.test").status == "ok"
    # Tables of others with our names.
    made.run("DROP DATABASE empty; CREATE DATABASE empty; CREATE TABLE empty.bindings(a INT)")
    made.run("GRANT ALL ON empty.* TO owner@'%'")
    with Store(spec(made, "owner", "empty"), write=True) as store:
        answer = store.ask("init")
        assert answer.status == "unavailable" and "schema" in answer.text, answer


def test_deadlock(made):
    """The other one has the row, we have the epoch, and each wants both: we do it again."""
    with Store(spec(made, "writer"), write=True) as store:
        populate(store)
        other = threading.Thread(target=lambda: made_quietly(
            made, "BEGIN; UPDATE bindings SET changed = 7 WHERE subject = '*'; DO SLEEP(1); "
                  "UPDATE epoch SET epoch = epoch WHERE id = 1; COMMIT"))
        other.start()
        assert procs.wait_until(lambda: "SLEEP" in made.run("SHOW PROCESSLIST"))
        store.must(("put", "binding", {"subject": "*", "tenant": "other"}))
        other.join()
        assert store.ask("bindings", "*").of("binding")[0]["tenant"] == "other"


def made_quietly(server, sql):
    try:
        server.run(sql, "signpost")
    except AssertionError:
        pass


def test_tls(made, folder):
    authority, wrong = mariadb.Authority(folder, "right"), mariadb.Authority(folder, "wrong")
    pair = authority.certificate("good")
    try:
        made.stop()
        made.start(f"--ssl-cert={pair[0]}", f"--ssl-key={pair[1]}")
        made.run("ALTER USER reader@'%' REQUIRE SSL")
        with Store(spec(made, "reader"), ca=str(authority.path)) as store:
            assert store.ask("keys", "a.test").status == "ok"
        with Store(spec(made, "reader"), ca=str(wrong.path)) as store:
            answer = store.ask("keys", "a.test")
            assert answer.status == "unavailable" and "SQLTLSCAFile" in answer.text
        with Store(spec(made, "reader")) as store:
            assert store.ask("keys", "a.test").status == "unavailable"
    finally:
        made.stop()
        made.start()
        made.run("ALTER USER reader@'%' REQUIRE NONE")
