"""KeyStore sqlite: and mysql: what the life cycle of keys asks and writes, who leads, what gateways say of themselves.

Those that take place, writer and reader are for every kind of store.
"""
import re
import threading
import time

from lib import patience, procs
from lib.keystores import Store, key, populate
from test_keystore_sql import (Durable, denied, make_older, made, place, reader, server, spec, statements, writer)  # noqa: F401

LEASE = "reconciler"


def life_of(store, domain):
    """(row of the domain, its keys)."""
    answer = store.ask("lives", domain)
    assert answer.status == "ok", answer
    return answer.of("domain")[0], answer.of("key")


def epoch_of(store):
    return int(store.ask("changes", 0).value("epoch"))


def domain_life(row, **more):
    return "life", "domain", dict({k: row[k] for k in ("name", "tenant", "revision")}, **more)


def key_life(row, **more):
    kept = {k: v for k, v in row.items() if k not in ("public_key", "private_key", "algorithm", "bits", "revision")}
    return "life", "key", dict(kept, **more)


# ---- lives ----

def test_lives(writer, reader):
    domain, keys = life_of(writer, "a.test")
    answer = writer.ask("lives", "a.test", "o.test", "nothing.test")
    assert sorted(r["name"] for r in answer.of("domain")) == ["a.test", "o.test"]
    assert sorted(r["name"] for r in answer.of("tenant")) == ["acme", "other"]
    assert [(r["name"], r["plan"], r["signature_ttl_s"]) for r in answer.of("policy")] == [("std", "{}", "600")]
    assert keys[0]["private_key"] == "spk1:1:AAAA" and "life" not in keys[0]
    before = epoch_of(writer)
    text = '{"trouble":"\u00e4 \u2014 \U0001f600 \'; DROP TABLE leases"}'
    writer.must(domain_life(domain, life="D" * 60000, due=77), key_life(keys[0], life=text, lease_s=604800, loading="now", sign_until=900))
    domain, keys = life_of(writer, "a.test")
    assert domain["life"] == "D" * 60000 and domain["due"] == "77" and domain["policy"] == "std"
    assert keys[0]["life"] == text and keys[0]["loading"] == str(before + 1) and keys[0]["private_key"] == "spk1:1:AAAA"
    row = reader.ask("keys", "a.test").of("key")[0]
    assert row["lease_s"] == "604800" and row["sign_until"] == "900" and row["revision"] == "1" and row["row_revision"] == str(before + 1)
    assert [r["subject"] for r in reader.ask("changes", before).of("change")] == ["d:a.test"]
    assert writer.ask("list", "key", "", 9).of("key")[0]["life"] == text
    assert writer.ask("list", "domain", "", 9).of("domain")[0]["due"] == "77"
    # Nobody is told of a domain's.
    writer.must(domain_life(domain, due=78))
    assert reader.ask("changes", before + 1).rows == [] and epoch_of(reader) == before + 2
    # What others write of it leaves it as it is.
    writer.must(("put", "domain", {"name": "a.test", "tenant": "acme"}), ("change", "key", key("a.test", "s1", active=100)))
    domain, keys = life_of(writer, "a.test")
    assert domain["due"] == "78" and keys[0]["life"] == text and keys[0]["lease_s"] == "604800"


def test_old_revisions(writer):
    domain, keys = life_of(writer, "a.test")
    writer.must(key_life(keys[0], life="theirs"))
    before = epoch_of(writer)
    answer = writer.apply(domain_life(domain, due=5), key_life(keys[0], life="mine"))
    assert (answer.status, answer.at) == ("denied", 1) and "changed meanwhile" in answer.text, answer
    domain, keys = life_of(writer, "a.test")
    assert "due" not in domain and keys[0]["life"] == "theirs" and epoch_of(writer) == before
    for write in (key_life(keys[0], row_revision=0), domain_life(domain, revision=0)):
        assert writer.apply(write).status == "invalid"
    assert writer.apply(domain_life(domain, name="no.test")).status == "absent"
    assert writer.apply(domain_life(domain, tenant="other")).status == "denied"


def test_destroyed(writer, reader):
    _, keys = life_of(writer, "a.test")
    writer.must(key_life(keys[0], removed=400, destroyed=500, loading="now"))
    assert life_of(writer, "a.test")[1] == [] and reader.ask("loading", 0, 9).of("key") == []
    row = writer.ask("list", "key", "", 9).of("key")[0]
    assert "private_key" not in row and row["destroyed"] == "500" and row["selector"] == "s1"
    assert writer.apply(("add", "key", key("a.test", "s1", id="again"))).status == "denied"


def test_a_hundred_domains(writer):
    names = [f"n{n}.test" for n in range(100)]
    writer.must(*[("add", "domain", {"name": n, "tenant": "acme", "policy": "std"}) for n in names])
    writer.must(*[("add", "key", key(n, s)) for n in names for s in ("s1", "s2", "s3")])
    began = time.monotonic()
    answer = writer.ask("lives", *names)
    print(f"lives of 100 domains with 300 keys: {(time.monotonic() - began) * 1000:.1f} ms")
    assert len(answer.of("domain")) == 100 and len(answer.of("key")) == 300
    assert len(answer.of("policy")) == 1 and len(answer.of("tenant")) == 1
    assert writer.ask("lives", *names, "a.test").status == "too big"
    writer.must(*[("add", "key", key("a.test", f"x{n}")) for n in range(64)])
    assert writer.ask("lives", "o.test", "a.test").status == "too big"


def octets_of(place, folder, request):
    """All that the store keeps of its keys in files; not what a server may need to undo or repeat changes."""
    if place.write.startswith("sqlite"):
        return b"".join(path.read_bytes() for path in folder.glob("keys.db*") if not path.name.endswith("-shm"))
    server = request.getfixturevalue("made")
    server.run("FLUSH TABLES `keys` FOR EXPORT; UNLOCK TABLES", "signpost")
    return (server.folder / "data/signpost/keys.ibd").read_bytes()


def test_nothing_is_left_of_a_private_key(place, writer, reader, folder, request):
    """When its row says DESTROYED, neither pages nor logs of the database have a part of it."""
    sealed = {n: f"spk1:1:{n}" + f"{n}secret{n}" * 200 for n in "pqrs"}
    writer.must(("add", "domain", {"name": "c.test", "tenant": "acme"}))
    writer.must(*[("add", "key", dict(key("c.test", n), private_key=text)) for n, text in sealed.items()])
    rows = {r["selector"]: r for r in life_of(writer, "c.test")[1]}
    # Pages with it are written more than once.
    for row in rows.values():
        writer.must(key_life(row, life="x", active=1))
    rows = {r["selector"]: r for r in life_of(writer, "c.test")[1]}
    assert all(text[-40:].encode() in octets_of(place, folder, request) for text in sealed.values())
    assert reader.ask("keys", "c.test").status == "ok"
    writer.must(*[key_life(rows[n], destroyed=100, private_key=sealed[n]) for n in "pq"])
    writer.must(key_life(rows["r"], destroyed=100, private_key=sealed["r"]))
    assert [r["private_key"] for r in life_of(writer, "c.test")[1]] == [sealed["s"]]
    left = octets_of(place, folder, request)
    assert b"ssecrets" in left and not [n for n in "pqr" if f"{n}secret{n}".encode() in left]


# ---- due, loading ----

def test_due(writer):
    wanted = {"c.test": 30, "d.test": 10, "e.test": 20, "f.test": 0, "g.test": 31}
    writer.must(*[("add", "domain", {"name": n, "tenant": "acme"}) for n in wanted])
    rows = writer.ask("lives", *wanted).of("domain")
    writer.must(*[domain_life(row, due=wanted[row["name"]]) for row in rows])
    answer = writer.ask("due", 30, 100)
    assert [(r["name"], r["due"]) for r in answer.of("domain")] == [("d.test", "10"), ("e.test", "20"), ("c.test", "30")]
    assert all(r["tenant"] == "acme" and int(r["revision"]) > 0 for r in answer.of("domain"))
    assert answer.value("epoch") == epoch_of(writer)
    assert [r["name"] for r in writer.ask("due", 30, 2).of("domain")] == ["d.test", "e.test"]
    assert writer.ask("due", 9, 2).rows == []


def test_loading(place, writer):
    writer.must(*[("add", "key", key("o.test", f"l{n}", tenant="other")) for n in range(9)])
    first = epoch_of(writer)
    for turn in range(3):
        rows = [r for r in life_of(writer, "o.test")[1] if r["selector"] in [f"l{n}" for n in range(3 * turn, 3 * turn + 3)]]
        writer.must(*[key_life(row, loading="now") for row in rows])
    with Store(place.read) as gateway:
        for most in range(1, 11):
            answer = gateway.ask("loading", 0, most)
            assert [int(r["loading"]) for r in answer.of("key")] == ([first + 1] * 3 + [first + 2] * 3 + [first + 3] * 3)[:(most + 2) // 3 * 3]
            assert answer.value("epoch") == first + 3 and answer.of("key")[0]["private_key"] == "spk1:1:AAAA"
        assert len(gateway.ask("loading", first + 2, 2).of("key")) == 3
        answer = gateway.ask("loading", first + 3, 2)
        assert answer.rows == [] and answer.value("epoch") == first + 3


# ---- gateways ----

def test_reports(place, writer):
    before = epoch_of(writer)
    now = writer.ask("now").value("now")
    with Store(place.gateway, write=True) as gateway:
        for node in ("b.example", "a.example", "2001:db8::1"):
            answer = gateway.report(node=node, version="0.1", epoch=7, tested=6, failed="k1 cannot be opened\n", offset_ms=-12, started=1000, at=5)
            assert answer.status == "ok", answer
        assert gateway.report(node="a.example", version="0.2", epoch=9, tested=9).status == "ok"
        assert gateway.report(node="no name", epoch=9).status == "invalid"
    rows = {r["node"]: r for r in writer.ask("gateways").of("gateway")}
    assert len(rows) == 3 and rows["b.example"]["failed"] == "k1 cannot be opened\n" and rows["b.example"]["offset_ms"] == "-12"
    assert rows["a.example"]["version"] == "0.2" and "failed" not in rows["a.example"] and rows["a.example"]["tested"] == "9"
    assert all(now <= int(r["at"]) < now + patience.seconds(60) for r in rows.values())
    assert epoch_of(writer) == before and writer.ask("changes", before).rows == []
    assert writer.ask("forget", "a.example").status == "ok" and writer.ask("forget", "a.example").status == "absent"
    assert len(writer.ask("gateways").of("gateway")) == 2


def test_many_report_at_once(place, writer):
    """Two of one name too, which is somebody's mistake, and no reason to fail."""
    stores = [Store(place.gateway, write=True) for _ in range(6)]
    for turn in range(20):
        for n, store in enumerate(stores):
            store.send(f"report node=gw-{n // 2}-{turn % 5} epoch={turn + 1} tested={turn}")
        for store in stores:
            answer = store.receive()
            assert answer.status == "ok", answer
    for store in stores:
        store.close()
    assert len(writer.ask("gateways").of("gateway")) == 15


# ---- leases ----

def test_leases(place, writer):
    before = epoch_of(writer)
    with Store(place.write, write=True) as other:
        status, owner, fence, expires = writer.lease("one", 60)
        assert (status, owner, fence) == ("ok", "one", 1)
        assert abs(expires - 60 - writer.ask("now").value("now")) < patience.seconds(30)
        assert other.lease("two", 60) == ("denied", "one", 1, expires)
        assert other.lease("two", 0)[:2] == ("denied", "one")
        assert writer.lease("one", 600)[2] == 1 and other.lease("two", 60)[3] > expires
        assert writer.lease("one", 0) == ("ok", "one", 1, 0)
        assert other.lease("two", 60)[:3] == ("ok", "two", 2)
        assert other.lease("two", 600, "another")[:3] == ("ok", "two", 1)
        assert writer.ask("lease", LEASE, "one", -1).status == "invalid"
        assert writer.ask("lease", "no name", "one", 9).status == "invalid"
    assert epoch_of(writer) == before


def test_a_deposed_leader(place, writer):
    """Its lease ends by the store's clock, whatever it does meanwhile; then it writes nothing any more."""
    domain, _ = life_of(writer, "a.test")
    with Store(place.write, write=True) as other:
        assert writer.lease("one", 1)[:3] == ("ok", "one", 1)
        answer = writer.fenced((LEASE, "one", 1), domain_life(domain, life="first"))
        assert answer.status == "ok" or "not held" in answer.text, answer
        began = time.monotonic()
        assert procs.wait_until(lambda: other.lease("two", 600)[0] == "ok"), other.lease("two", 600)
        patience.check(time.monotonic() - began, 1, patience.seconds(60), "a lease of one second")
        domain, _ = life_of(writer, "a.test")
        before = epoch_of(writer)
        for lease in ((LEASE, "one", 1), (LEASE, "one", 2), (LEASE, "two", 1), ("nothing", "one", 1)):
            answer = writer.fenced(lease, domain_life(domain, life="late"), ("put", "tenant", {"name": "third"}))
            assert (answer.status, answer.at) == ("denied", 2) and "not held" in answer.text, answer
        assert writer.lease("one", 60)[:3] == ("denied", "two", 2)
        assert epoch_of(writer) == before
        assert other.fenced((LEASE, "two", 2), domain_life(domain, life="theirs")).status == "ok"
        answer = other.fenced((LEASE, "two", 2), domain_life(domain, life="again"))
        assert (answer.status, answer.at) == ("denied", 0) and "changed meanwhile" in answer.text
    assert life_of(writer, "a.test")[0]["life"] == "theirs"


def test_a_leader_of_another_history(place, writer):
    """A backup was put back that does not know his lease: whoever has his name now is another leader."""
    domain, _ = life_of(writer, "a.test")
    step = 10**9
    assert writer.lease("one", 600)[:3] == ("ok", "one", 1) and writer.ask("renew").status == "ok"
    with Store(place.write, write=True) as other:
        assert other.lease("one", 600)[:3] == ("ok", "one", step + 2)
        for fence in (1, 2):
            answer = writer.fenced((LEASE, "one", fence), domain_life(domain, life="late"))
            assert answer.status == "denied" and "not held" in answer.text, answer
        assert other.lease("two", 600, "another")[:3] == ("ok", "two", step + 1), "the backup is older than this lease"
        assert other.fenced((LEASE, "one", step + 2), domain_life(domain, life="ours")).status == "ok"
    assert life_of(writer, "a.test")[0]["life"] == "ours"


def test_a_race_for_a_lease(place, writer):
    """Each that has it counts in one row; if two had it at once, one of them would be refused."""
    domain, _ = life_of(writer, "a.test")
    writer.must(domain_life(domain, life="0"))
    stores = [Store(place.write, write=True) for _ in range(4)]
    for n, store in enumerate(stores):
        store.send(f"race {LEASE} owner{n} 15 a.test")
    seen = []
    for store in stores:
        answer = store.receive()
        assert answer.status == "ok", answer
        fences = [int(row["fence"]) for row in answer.of("held")]
        assert len(fences) == 15 and fences == sorted(fences)
        seen += fences
        store.close()
    assert sorted(seen) == list(range(1, 61))
    assert life_of(writer, "a.test")[0]["life"] == "60"


# ---- schemas of before ----

def test_a_schema_of_before(place, writer):
    """With data in it: gateways and writers go on with it, and while it is brought up to date; then the life cycle begins."""
    make_older(place, 2)
    writer.close()
    with Store(place.write, write=True) as old, Store(place.read) as gateway, Store(place.owner, write=True) as owner, \
            Store(place.gateway, write=True) as reporter:
        assert gateway.ask("keys", "a.test").of("key")[0]["selector"] == "s1"
        assert old.ask("list", "key", "", 9).of("key")[0]["selector"] == "s1" and len(old.ask("list", "domain", "", 9).of("domain")) == 2
        old.must(("change", "key", key("a.test", "s1", active=100)))
        row = {"name": "a.test", "tenant": "acme", "revision": 2}
        for answer in (old.ask("lives", "a.test"), old.ask("due", 9, 9), gateway.ask("loading", 0, 9), old.ask("gateways"),
                       old.ask("lease", LEASE, "one", 9), old.apply(domain_life(row)), old.ask("forget", "x"), reporter.report(node="x")):
            assert answer.status == "unavailable" and "signpost store init" in answer.text, answer
        gateway.send("threads 4 1500 a.test")
        assert owner.ask("init").text == "from=2 to=6"
        answer = gateway.receive()
        assert answer.value("unavailable") == 0 and answer.value("answered") == 6000, answer
        # What was open before sees it.
        domain, keys = life_of(old, "a.test")
        old.must(domain_life(domain, due=5), key_life(keys[0], lease_s=60))
        assert gateway.ask("keys", "a.test").of("key")[0]["lease_s"] == "60" and gateway.ask("loading", 0, 9).status == "ok"
        assert old.lease("one", 60)[2] == 1 and reporter.report(node="x").status == "ok"


def test_programs_of_before(place, writer):
    """What they read and write is there as it was: MAX(version), and rows without the columns that they do not know."""
    place.rows("INSERT INTO domains (name, tenant, signs_as, policy, subdomains, enabled, revision, changed) "
               "VALUES ('old.test', 'acme', NULL, NULL, 0, 1, 9, 0)")
    place.rows("INSERT INTO `keys` (id, tenant, domain, selector, algorithm, public_key, private_key, revision, row_revision, active, changed) "
               "VALUES ('old', 'acme', 'old.test', 's', 'rsa-sha256', '', 'spk1:1:AAAA', 1, 9, 7, 0)")
    assert place.rows("SELECT MAX(version) FROM migrations") == [["1"]]
    domain, keys = life_of(writer, "old.test")
    assert "due" not in domain and "life" not in domain and "loading" not in keys[0]
    writer.must(domain_life(domain, due=5), key_life(keys[0], life="x"))
    assert writer.ask("list", "key", "o.test", 1).of("key")[0]["life"] == "x"


# ---- MySQL and MariaDB ----

def test_rights_of_gateways(made):
    for sql in ("UPDATE `keys` SET life = 'x'", "DELETE FROM gateways", "UPDATE epoch SET epoch = 1", "SELECT * FROM leases",
                "INSERT INTO changes VALUES (1, 1, 'b:', 1)", "SELECT plan FROM policies"):
        assert denied(made, "gateway", sql)[0], sql
    assert denied(made, "reader", "INSERT INTO gateways VALUES ('x', '', 1, 1, '', 1, 1, 1)")[0]
    assert denied(made, "writer", "UPDATE gateways SET tested = 1")[0]
    for user in ("reader", "writer"):
        with Store(spec(made, user), write=True) as store:
            answer = store.report(node="gw", epoch=1)
            assert answer.status == "denied" and "signpost_gateway" in answer.text and "Se/cr" not in answer.text, answer
    with Store(spec(made, "gateway")) as store:
        assert store.ask("keys", "a.test").status == "ok" and store.ask("loading", 0, 9).status == "ok"
        assert store.report(node="gw", epoch=1).status == "denied"
    with Store(spec(made, "gateway"), write=True) as store:
        assert store.report(node="gw", epoch=1).status == "ok"


def test_who_waits_does_not_stand_in_the_way(made):
    """While the leader writes, others are told at once that it is the leader."""
    with Store(spec(made, "writer"), write=True) as store, Store(spec(made, "writer"), write=True) as other:
        assert store.lease("one", 600)[0] == "ok"
        with made.holding("BEGIN; UPDATE leases SET used = used + 1", "signpost"):
            began = time.monotonic()
            for _ in range(5):
                assert other.lease("two", 60)[:2] == ("denied", "one")
            patience.check(time.monotonic() - began, 0.1, 5 * 3, "5 questions that wait for nobody")
        assert store.lease("one", 600)[:3] == ("ok", "one", 1)


def test_nobody_takes_it_from_under_a_write(made):
    """The lease has ended, but what was begun under it has not: whoever takes it waits for that."""
    with Store(spec(made, "writer"), write=True) as store:
        assert store.lease("one", 600)[0] == "ok"
        with made.holding("BEGIN; UPDATE leases SET used = used + 1 WHERE expires > UNIX_TIMESTAMP(); UPDATE leases SET expires = 1",
                          "signpost"):
            # As the others see it, it is held.
            assert store.lease("two", 60)[:2] == ("denied", "one")
        made.run("UPDATE leases SET expires = 1", "signpost")
        store.send(f"lease {LEASE} two 60")
        assert store.receive().status.startswith("ok")
        made.run("UPDATE leases SET expires = 1", "signpost")
        taker = threading.Thread(target=made.run, args=("BEGIN; UPDATE leases SET used = used + 1; DO SLEEP(1); COMMIT", "signpost"))
        taker.start()
        assert procs.wait_until(lambda: "SLEEP" in made.run("SHOW PROCESSLIST"))
        assert store.lease("three", 60)[:3] == ("ok", "three", 3)
        assert "SLEEP" not in made.run("SHOW PROCESSLIST")
        taker.join()


def test_a_server_that_is_away(made):
    with Store(spec(made, "writer"), write=True) as store, Store(spec(made, "gateway"), write=True) as gateway:
        populate(store)
        assert store.lease("one", 6000)[:3] == ("ok", "one", 1) and gateway.report(node="gw", epoch=1).status == "ok"
        domain, _ = life_of(store, "a.test")
        made.kill()
        for _ in range(3):
            for answer in (store.ask("lives", "a.test"), store.ask("due", 9, 9), store.ask("lease", LEASE, "one", 60), store.ask("gateways"),
                           store.fenced((LEASE, "one", 1), domain_life(domain, due=5)), gateway.report(node="gw", epoch=2),
                           store.ask("loading", 0, 9), store.ask("forget", "gw")):
                assert answer.status == "unavailable", answer
        made.start()
        assert procs.wait_until(lambda: store.ask("lives", "a.test").status == "ok")
        assert store.lease("one", 6000)[:3] == ("ok", "one", 1)
        assert store.fenced((LEASE, "one", 1), domain_life(domain, due=5)).status == "ok"
        assert procs.wait_until(lambda: gateway.report(node="gw", epoch=2).status == "ok")
        # The connections are dead and nobody has noticed.
        made.kill()
        made.start()
        assert store.lease("one", 6000)[:3] == ("ok", "one", 1) and gateway.report(node="gw", epoch=3).status == "ok"
        assert re.fullmatch("3", store.ask("gateways").of("gateway")[0]["epoch"])


def test_nothing_is_sorted(made):
    """The texts of keys are in no temporary table of the server, and what is due is read in the order of its index."""
    with Store(spec(made, "writer"), write=True) as store:
        populate(store)
        store.must(*[("add", "key", key("a.test", f"x{n}")) for n in range(300)])
        assert store.ask("load", "domains", "acme", 2000, "e").status == "ok"
    made.run("UPDATE `keys` SET loading = 7; UPDATE domains SET due = 5", "signpost")
    asked = statements("UNIX_TIMESTAMP()", r"FORCE INDEX (\1)", 4)
    for name in ("due", "loading", "lives", "keys", "list_keys", "list_keys_of", "list_domains", "list_domains_of"):
        text = re.sub(r"\?", "'a.test'", re.sub(r"((?:due|loading) (?:>|<=)) \?", r"\1 5", re.sub(r"LIMIT \?", "LIMIT 10", asked[name][0])))
        plan = made.run("EXPLAIN " + text, "signpost")
        assert "filesort" not in plan and "temporary" not in plan, (name, plan)
