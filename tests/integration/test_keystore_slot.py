"""A slot is used again, in SQLite, MySQL and in a directory: the row of a destroyed key becomes that of another one, at once or
not at all.
"""
import contextlib
import os
import re
import signal
import sqlite3
import sys
import threading
from pathlib import Path

import pytest

from lib import keystores, ldapstore, milter, patience, procs, stores
from lib.daemon import Daemon
from lib.keystores import Store, key, populate
from lib.ldapstore import ADMIN, ADMIN_PASSWORD, BASE, GATEWAY, GATEWAY_PASSWORD, Directory
from test_keystore_sql import made, server, spec  # noqa: F401

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "interop"))
try:
    import sealing
except ImportError:
    sealing = None

pytestmark = pytest.mark.signpost("a KeyStore is ours")
NOW = 1_700_000_000


class Place:
    """What Store is opened with: for who writes, and for a gateway."""

    def __init__(self, write, read, directory=None):
        self.write, self.read, self.directory = write, read, directory


@pytest.fixture(params=["sqlite", "mysql", "ldap"])
def place(request, folder):
    if not keystores.program():
        pytest.skip("tests/conformance/keystore_driver is not built")
    if request.param == "mysql":
        there = request.getfixturevalue("made")
        yield Place(spec(there, "writer"), spec(there, "reader"))
    elif request.param == "sqlite":
        path = f"sqlite:{folder}/keys.db"
        with Store(path, write=True) as store:
            assert store.ask("init").text.startswith("from=0 to=")
        yield Place(path, path)
    else:
        if ldapstore.missing():
            pytest.skip(str(ldapstore.missing()))
        one = Directory(folder)
        one.load(ldapstore.top())
        one.start()
        try:
            options = [["-o", f"user={user}", "-o", f"password={password}", f"{one.url}/{BASE}"]
                       for user, password in ((ADMIN, ADMIN_PASSWORD), (GATEWAY, GATEWAY_PASSWORD))]
            with Store(options[0], write=True) as store:
                assert store.ask("init").status == "ok"
            yield Place(*options, one)
        finally:
            one.stop()


@pytest.fixture
def writer(place):
    """a.test has s1-a-test in s1, which signs, and x, destroyed, in k1."""
    with Store(place.write, write=True) as store:
        populate(store)
        store.must(("add", "key", key("a.test", "k1", id="x", public_key="OLDPUB", bits=2048)))
        destroy(store)
        yield store


@pytest.fixture
def reader(place, writer):
    with Store(place.read) as store:
        yield store


def epoch_of(store):
    return int(store.ask("changes", 0).value("epoch"))


def row_of(store, selector="k1"):
    return next(r for r in store.ask("list", "key", "", 99).of("key") if r["selector"] == selector)


def life(row, **more):
    kept = {k: v for k, v in row.items() if k not in ("public_key", "private_key", "algorithm", "bits", "revision")}
    return "life", "key", dict(kept, **more)


def destroy(store):
    store.must(life(row_of(store), active=NOW, retiring=NOW + 1, revoked=NOW + 2, removed=NOW + 3, destroyed=NOW + 4, sign_until=NOW + 5,
                    life="the former's", lease_s=60, loading="now"))


def slot(row, id, **more):
    """A write of a new key in the slot of this row."""
    return "slot", "key", {"id": id, "tenant": row["tenant"], "domain": row["domain"], "selector": row["selector"],
                           "algorithm": "ed25519-sha256", "public_key": f"PUB{id}", "private_key": f"spk1:1:{id}", "bits": 256,
                           "revision": int(row["revision"]) + 1, "row_revision": row["row_revision"], "created": NOW + 9, **more}


def test_used_again(writer, reader):
    old, before = row_of(writer), epoch_of(writer)
    writer.must(slot(old, "y"))
    row = row_of(writer)
    assert row == {"id": "y", "tenant": "acme", "domain": "a.test", "selector": "k1", "algorithm": "ed25519-sha256", "public_key": "PUBy",
                   "private_key": "spk1:1:y", "bits": "256", "revision": "2", "row_revision": str(before + 1), "created": str(NOW + 9)}
    assert epoch_of(writer) == before + 1 and [r["subject"] for r in reader.ask("changes", before).of("change")] == ["d:a.test"]
    assert [r["id"] for r in reader.ask("keys", "a.test").of("key")] == ["s1-a-test"] and reader.ask("loading", 0, 9).of("key") == []
    # The life cycle goes on with it, gateways are asked to try it, and it signs.
    seen = [r for r in writer.ask("lives", "a.test").of("key") if r["selector"] == "k1"]
    assert seen == [row]
    writer.must(life(row, loading="now", life="{}"))

    def tried():
        return [(r["id"], r["private_key"], r["revision"]) for r in reader.ask("loading", 0, 9).of("key")]
    assert procs.wait_until(lambda: tried() == [("y", "spk1:1:y", "2")]), tried()
    writer.must(life(row_of(writer), active=NOW + 10))
    assert {r["id"]: r["private_key"] for r in reader.ask("keys", "a.test").of("key")} == {"s1-a-test": "spk1:1:AAAA", "y": "spk1:1:y"}
    # Ordinary writes know it by its id, and the former one's is none.
    assert writer.apply(("change", "key", key("a.test", "k1", id="x", revision=9))).status in ("absent", "denied")
    assert writer.apply(("put", "key", key("a.test", "k1", id="x", revision=9))).status == "denied"
    writer.must(("change", "key", key("a.test", "k1", id="y", revision=2, active=NOW + 10)))
    # Once more; of the second one nothing stays, either.
    destroy(writer)
    writer.must(slot(row_of(writer), "z", life="mine", lease_s=9, loading="now", bits=0, public_key="-"))
    row = row_of(writer)
    assert (row["id"], row["revision"], row["life"], row["lease_s"], row["loading"]) == ("z", "3", "mine", "9", str(epoch_of(writer)))
    assert "bits" not in row and "public_key" not in row and "active" not in row and "destroyed" not in row and "sign_until" not in row


def test_refused(place, writer):
    old, before = row_of(writer), epoch_of(writer)
    for change, want in (({"row_revision": int(old["row_revision"]) + 1}, "denied"), ({"row_revision": int(old["row_revision"]) - 1}, "denied"),
                         ({"row_revision": 0}, "invalid"), ({"selector": "k9"}, "absent"), ({"domain": "no.test"}, "absent"),
                         ({"tenant": "other"}, "denied"), ({"id": "s1-a-test"}, "denied"), ({"id": "x"}, "denied"), ({"revision": 1}, "denied"),
                         ({"revision": 0}, "invalid"), ({"destroyed": NOW}, "invalid"), ({"algorithm": "-"}, "invalid"),
                         ({"created": -1}, "invalid"), ({"id": "no id"}, "invalid")):
        answer = writer.apply(("put", "tenant", {"name": "never"}), slot(old, **{"id": "y", **change}))
        assert (answer.status, answer.at) == (want, 1), (change, answer)
    # Its key signs, or is not destroyed yet.
    signs = row_of(writer, "s1")
    answer = writer.apply(slot(signs, "y"))
    assert answer.status == "denied" and "not destroyed" in answer.text, answer
    assert row_of(writer) == old and row_of(writer, "s1") == signs and epoch_of(writer) == before
    assert [r["name"] for r in writer.ask("list", "tenant", "", 9).of("tenant")] == ["acme", "other"]
    # Who lost the lease writes nothing; who has it does.
    with Store(place.write, write=True) as other:
        assert writer.lease("one", 600)[0] == "ok" and writer.lease("one", 0)[0] == "ok" and other.lease("two", 600)[0] == "ok"
        answer = writer.fenced(("reconciler", "one", 1), slot(old, "y"))
        assert (answer.status, answer.at) == ("denied", 1) and "is not held" in answer.text, answer
        assert row_of(writer) == old
        assert other.fenced(("reconciler", "two", 2), slot(old, "y")).status == "ok"
    answer = writer.apply(slot(old, "w"))
    assert answer.status == "denied" and "changed meanwhile" in answer.text, answer
    assert row_of(writer)["id"] == "y"


def test_gateways_write_none(place, writer):
    old = row_of(writer)
    with Store(place.read) as store:
        assert store.apply(slot(old, "y")).status == "denied"
    if place.directory:
        with Store(place.read, write=True) as store:
            assert store.apply(slot(old, "y")).status in ("denied", "unavailable")
    assert row_of(writer) == old


def test_one_of_many_wins(place, writer):
    """However often; all of the row is the winner's."""
    stores = [Store(place.write, write=True) for _ in range(4)]
    for turn in range(8):
        old, answers = row_of(writer), {}
        start = threading.Barrier(len(stores))

        def race(n, store):
            how, kind, fields = slot(old, f"t{turn}n{n}")
            store.send(" ".join([how, kind] + [f"{k}={keystores.coded(v)}" for k, v in fields.items()]))
            start.wait(30)
            answers[n] = store.ask("apply")
        threads = [threading.Thread(target=race, args=pair) for pair in enumerate(stores)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        won = [n for n, answer in answers.items() if answer.status == "ok"]
        assert len(won) == 1 and all(a.status in ("ok", "denied") for a in answers.values()), answers
        row = row_of(writer)
        assert (row["id"], row["private_key"], row["public_key"]) == tuple(f"{w}t{turn}n{won[0]}" for w in ("", "spk1:1:", "PUB"))
        destroy(writer)
    for store in stores:
        store.close()


def test_killed(place, writer):
    """Whoever writes dies: the row is the former key's or the new one's, never a bit of both, and it goes on from there."""
    for turn in range(12):
        old = row_of(writer)
        with Store(place.write, write=True) as store:
            how, kind, fields = slot(old, f"t{turn}", life="n" * 3000)
            store.send(" ".join([how, kind] + [f"{k}={keystores.coded(v)}" for k, v in fields.items()]))
            assert store.ask("now").status == "ok"
            store.send("apply")
            for _ in range(turn % 4 * 200):
                os.getpid()
            os.kill(store.process.pid, signal.SIGKILL)
            store.process.wait(30)
        row = row_of(writer)
        if row != old:
            assert {k: row[k] for k in ("id", "private_key", "public_key", "life", "revision")} == {
                k: str(fields[k]) for k in ("id", "private_key", "public_key", "life", "revision")} and "destroyed" not in row, row
        else:
            writer.must((how, kind, fields))
        destroy(writer)


def test_the_mirror_of_zimbra(folder):
    """What the domain shows is never the former key of the slot."""
    if ldapstore.missing() or not keystores.program():
        pytest.skip(str(ldapstore.missing()))
    one = Directory(folder, zimbra=True)
    one.load(ldapstore.top())
    one.start()
    dn = f"signpostDomainName=a.test,ou=domains,{BASE}"

    def shown():
        entry = one.entry(dn)
        return entry.get("DKIMSelector"), entry.get("DKIMKey")
    try:
        with Store(["-o", f"user={ADMIN}", "-o", f"password={ADMIN_PASSWORD}", f"{one.url}/{BASE}"], write=True) as writer:
            assert writer.ask("init").status == "ok"
            populate(writer)
            writer.must(("add", "key", key("a.test", "k1", id="x", public_key="OLDPUB")))
            one.modify(f"dn: {dn}\nchangetype: modify\nadd: signpostMirrorZimbra\nsignpostMirrorZimbra: TRUE\n")
            writer.must(life(row_of(writer), active=NOW, mirror_pem="PEM of x"))
            assert shown() == (["k1"], ["PEM of x"])
            destroy(writer)
            assert shown() == (None, None)
            rsa = {"algorithm": "rsa-sha256"}
            writer.must(slot(row_of(writer), "y", mirror_pem="PEM of y", **rsa))
            assert shown() == (None, None), "it does not sign yet"
            writer.must(life(row_of(writer), active=NOW, mirror_pem="PEM of y"))
            assert shown() == (["k1"], ["PEM of y"]) and "PUBy" in one.entry(dn)["DKIMPublicKey"][0]
            # A new key that signs at once; and the domain shows the former one still, as somebody wrote it back.
            destroy(writer)
            one.modify(f"dn: {dn}\nchangetype: modify\nadd: objectClass\nobjectClass: DKIM\n-\nadd: DKIMSelector\nDKIMSelector: k1\n-\n"
                       "add: DKIMKey\nDKIMKey: PEM of y\n-\nadd: DKIMPublicKey\nDKIMPublicKey: PUBy\n")
            old = row_of(writer)
            answer = writer.apply(slot(old, "z", active=NOW, **rsa))
            assert answer.status == "invalid" and "mirror_pem" in answer.text and row_of(writer) == old, answer
            writer.must(slot(old, "z", active=NOW, mirror_pem="PEM of z", **rsa))
            assert shown() == (["k1"], ["PEM of z"]) and "PUBz" in one.entry(dn)["DKIMPublicKey"][0]
            # And one that does not sign takes away what is shown of it.
            one.modify(f"dn: signpostSelector=k1,{'signpostDomainName=a.test,ou=domains,' + BASE}\nchangetype: modify\n"
                       "add: signpostDestroyedAt\nsignpostDestroyedAt: 20231114221320Z\n")
            writer.must(slot(row_of(writer), "w", **rsa))
            assert shown() == (None, None)
    finally:
        one.stop()


def test_a_gateway(program, folder, shared_keys):
    """It signs with the new key when it hears of it, and never again with the former one, whoever puts that back."""
    if stores.missing() or not keystores.program() or sealing is None:
        pytest.skip(stores.missing() or "keystore_driver or python3-cryptography is not there")
    place = stores.sqlite_store(folder)
    place.load(f"tenant acme\ndomain acme a.test\nkey acme a.test k1 {shared_keys['rsa2048'].path} active=now\nbinding * acme\n")
    site = place.site_key.read_text()

    def algorithm(daemon):
        """Of the signature; None: there is none."""
        message = b"From: x@a.test\r\nTo: t@sink.test\r\nDate: Tue, 01 Sep 2026 10:00:00 +0000\r\n\r\nHello.\r\n"
        result, data = milter.one_shot(daemon.address, message)
        return re.search(r"\ba=([a-z0-9-]+);", str(data)).group(1) if result.signed else None

    def sql(*statements):
        with contextlib.closing(sqlite3.connect(folder / "store.db", timeout=60)) as db, db:
            for text, values in statements:
                db.execute(text, values)

    def put_back(row, row_revision):
        """As somebody does who may write the store."""
        names = ("id", "algorithm", "public_key", "private_key", "bits", "revision", "active")
        sql(("UPDATE epoch SET epoch = epoch + 1, last_change = last_change + 1", ()),
            ("INSERT INTO changes (number, epoch, subject, at) SELECT last_change, epoch, 'd:a.test', 5 FROM epoch", ()),
            (f"UPDATE keys SET {', '.join(f'{n} = ?' for n in names)}, row_revision = ?, destroyed = 0, retiring = 0 WHERE selector = 'k1'",
             (*(row.get(n, "") for n in names), row_revision)))

    with Daemon(program, folder, place.settings(KeyStorePollInterval=1)) as daemon, Store(place.writer, write=True) as writer:
        assert algorithm(daemon) == "rsa-sha256"
        first = row_of(writer)
        writer.must(life(first, retiring=NOW, destroyed=NOW))
        assert procs.wait_until(lambda: algorithm(daemon) is None), daemon.log()[-800:]
        sealed = sealing.seal(site, ("acme", "a.test", "k1", "k-y", 2), Path(shared_keys["ed25519"].path).read_bytes())
        writer.must(slot(row_of(writer), "k-y", private_key=sealed, public_key="-", active=NOW))
        assert procs.wait_until(lambda: algorithm(daemon) == "ed25519-sha256"), daemon.log()[-800:]
        second = row_of(writer)
        # The former row whole, with a number that looks new; its sealed text in the new row.
        for row in (first, {**second, "private_key": first["private_key"]}):
            put_back(row, int(second["row_revision"]) + 100)
            assert procs.wait_until(lambda: algorithm(daemon) is None, patience.seconds(20)), daemon.log()[-800:]
            assert algorithm(daemon) is None
            put_back(second, int(second["row_revision"]) + 200)
            assert procs.wait_until(lambda: algorithm(daemon) == "ed25519-sha256"), daemon.log()[-800:]
            second["row_revision"] = row_of(writer)["row_revision"]
        assert "under this selector" in daemon.log() and "was sealed for another" in daemon.log(), daemon.log()[-2000:]
