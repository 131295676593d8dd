"""The life cycle of keys in a directory: what its administration writes and asks, leases that two want, leaders that were
deposed, reports of gateways and who may write them, directories with the schema of before, replicas.

The server is a slapd of our own with ldif/'s schema, rights and indexes; keystore_driver asks it.
"""
import re
import socket
import threading
import time

import pytest

from lib import ldapstore, patience, procs
from lib.ldapstore import BASE, GATEWAY_PASSWORD, ROOT_DN, ROOT_PASSWORD, TOP, Directory, Driver, words
from test_keystore_ldap import NOW, fill, key, made, names

pytestmark = [pytest.mark.signpost("a KeyStore is ours"),
              pytest.mark.skipif(ldapstore.missing() is not None, reason=str(ldapstore.missing()))]

STORE = f"cn=store,{BASE}"
OPERATIONS = (("due", 1, 1), ("lives", "a.test"), ("loading", 0, 1), ("gateways",), ("forget", "gw9"), ("lease", "reconciler", "x", 9),
              ("fenced", "reconciler", "x", 1))


@pytest.fixture(params=["ldif", "schema"])
def both(request, folder):
    one = made(folder, form=request.param)
    yield one
    one.stop()


@pytest.fixture
def own(folder):
    one = made(folder)
    yield one
    one.stop()


def row_of(store, domain, selector):
    return next(r for r in store.ask("lives", domain).of("key") if r["selector"] == selector)


def life_of(row, **more):
    """A write of the life cycle of this key as it was seen, with some things changed."""
    kept = {n: v for n, v in row.items() if n not in ("private_key", "public_key", "algorithm", "bits", "revision", "enabled")}
    return "key", {**kept, **more}


def life(store, *writes, under=None):
    for kind, fields in writes:
        store.send(f"life {kind} {words(**fields)}")
    return store.ask("fenced", *under) if under else store.ask("apply")


def due_of(store, domain, **more):
    row = store.ask("lives", domain).of("domain")[0]
    return "domain", {"name": domain, "tenant": row["tenant"], "revision": row["revision"], **more}


def epoch_of(store):
    return int(store.ask("changes", 0).value("epoch"))


def told(store, since):
    return {r["subject"] for r in store.ask("changes", since).of("change") if int(r["epoch"]) > since}


def report(store, node, **more):
    store.send("report " + words(node=node, version="9", epoch=3, tested=2, **more))
    return store.take()


# ---- what is written ----

def test_the_life_of_a_key(both):
    with both.admin() as admin, both.gateway() as gateway:
        row = row_of(admin, "a.test", "s3")
        before = epoch_of(admin)
        answer = life(admin, life_of(row, publishing=1_700_000_000, life='{"tries":1,"why":"\u00e9 \\"x\\""}', lease_s=3600, loading="now"),
                      due_of(admin, "a.test", life="{}", due=1_700_000_000))
        assert answer.ok, answer
        assert epoch_of(admin) == before + 1
        seen = row_of(admin, "a.test", "s3")
        assert (seen["publishing"], seen["lease_s"], seen["loading"]) == ("1700000000", "3600", str(before + 1))
        assert seen["life"] == '{"tries":1,"why":"\u00e9 \\"x\\""}' and int(seen["row_revision"]) > int(row["row_revision"])
        assert {n: seen[n] for n in ("private_key", "revision", "algorithm", "created")} == {
            n: row[n] for n in ("private_key", "revision", "algorithm", "created")}
        assert told(admin, before) == {"d:a.test"}
        # listings have it, too; who signs is told the lease, and not what is known of the key
        assert admin.ask("find", "key", "a.test s3").of("key") == [seen]
        assert admin.ask("list", "domain", "-").of("domain")[0]["due"] == "1700000000"
        assert life(admin, life_of(seen, active=1_700_000_000)).ok
        signing = next(r for r in gateway.ask("keys", "a.test").of("key") if r["selector"] == "s3")
        assert signing["lease_s"] == "3600" and "life" not in signing and "loading" not in signing
        # other writers leave it as it is
        assert admin.apply(("change", "key", key("a.test", "s3", active=1_700_000_000)),
                           ("change", "domain", {"name": "a.test", "tenant": "acme", "policy": "std"})).ok
        again = row_of(admin, "a.test", "s3")
        assert (again["life"], again["lease_s"]) == (seen["life"], "3600")
        assert admin.ask("due", 1_800_000_000, 9).of("domain")[0]["due"] == "1700000000"
        # a domain alone: nobody is told
        before = epoch_of(admin)
        assert life(admin, due_of(admin, "a.test", due=0)).ok
        assert told(admin, before) == set() and epoch_of(admin) == before + 1
        assert admin.ask("due", 1_800_000_000, 9).rows == []
        # destroyed: the private key is gone, and the key is not asked for any more
        assert life(admin, life_of(again, destroyed=1_700_000_500, lease_s=0)).ok
        gone = admin.ask("find", "key", "a.test s3").of("key")[0]
        assert "private_key" not in gone and "lease_s" not in gone and gone["destroyed"] == "1700000500"
        assert "s3" not in names(admin.ask("lives", "a.test"), "key", "selector")


def test_refused_writes(own):
    with own.admin() as admin, own.gateway() as gateway:
        row, before = row_of(admin, "a.test", "s3"), epoch_of(admin)
        good = due_of(admin, "a.test", due=5)
        assert life(admin, good, life_of(row, row_revision=int(row["row_revision"]) + 1)).last.startswith("denied at=1")
        assert life(admin, good, life_of(row, row_revision=0)).last.startswith("invalid at=1")
        assert life(admin, good, life_of(row, selector="s99")).last.startswith("absent at=1")
        assert life(admin, good, life_of(row, tenant="bolt")).last.startswith("denied at=1")
        assert life(gateway, good).status == "denied"
        assert epoch_of(admin) == before and "due" not in admin.ask("lives", "a.test").of("domain")[0]


def test_due(own):
    with own.admin() as admin:
        domains = [f"d{n}.test" for n in range(30)]
        assert admin.apply(*[("add", "domain", {"name": d, "tenant": "acme"}) for d in domains]).ok
        assert life(admin, *[due_of(admin, d, due=1000 + (7 * n) % 30) for n, d in enumerate(domains)]).ok
        rows = admin.ask("due", 1019, 100).of("domain")
        assert [int(r["due"]) for r in rows] == list(range(1000, 1020)) and {r["tenant"] for r in rows} == {"acme"}
        assert len(admin.ask("due", 1019, 5).rows) == 5 and admin.ask("due", 999, 5).rows == []
        assert len(admin.ask("due", (1 << 63) - 1, 100).rows) == 30
        some = admin.ask("due", 1029, 3).of("domain")
        assert [r["due"] for r in some] == sorted(r["due"] for r in some)
        assert life(admin, due_of(admin, "d0.test", due=(1 << 63) - 1)).ok, "as late as can be written"
        assert "d0.test" not in names(admin.ask("due", 95617583998, 100), "domain")


def test_lives(own):
    with own.admin() as admin:
        domains = [f"l{n}.test" for n in range(100)]
        assert admin.apply(*[("add", "policy", {"tenant": "acme", "name": f"p{n}", "plan": f'{{"n":{n}}}'}) for n in range(70)],
                           *[("add", "domain", {"name": d, "tenant": "acme", "policy": f"p{n % 70}"}) for n, d in enumerate(domains)],
                           *[("add", "key", key(d, f"s{n}")) for d in domains[:9] for n in range(3)]).ok
        answer = admin.ask("lives", *domains)
        assert sorted(names(answer, "domain")) == sorted(domains) and names(answer, "tenant") == ["acme"]
        assert sorted(names(answer, "policy")) == sorted(f"p{n}" for n in range(70)) and len(answer.of("key")) == 27
        assert answer.of("key")[0]["private_key"] == "spk1:1:AAAA"
        assert admin.ask("lives", *domains, "one.test").status == "too"
        assert admin.ask("lives", "nothing.test").ok and admin.ask("lives", "nothing.test").rows == []
        both = admin.ask("lives", "a.test", "nothing.test", "b.test")
        assert sorted(names(both, "domain")) == ["a.test", "b.test"] and sorted(names(both, "tenant")) == ["acme", "bolt"]
        assert admin.apply(*[("add", "key", key("l9.test", f"k{n}", destroyed=5)) for n in range(70)],
                           *[("add", "key", key("l9.test", f"m{n}")) for n in range(64)]).ok
        assert len(admin.ask("lives", "l9.test").of("key")) == 64
        assert admin.apply(("add", "key", key("l9.test", "one"))).ok
        answer = admin.ask("lives", "l8.test", "l9.test")
        assert answer.status == "too" and "l9.test" in answer.last, answer


# ---- keys that gateways try ----

def ask_to_try(admin, domain, count, first=0):
    rows = [row_of(admin, domain, f"t{n}") for n in range(first, first + count)]
    assert life(admin, *[life_of(r, loading="now") for r in rows]).ok
    return epoch_of(admin)


def test_loading(own):
    with own.admin() as admin:
        assert admin.apply(*[("add", "key", key("b.test", f"t{n}", tenant="bolt")) for n in range(9)]).ok
        epochs = [ask_to_try(admin, "b.test", 3, n) for n in (0, 3, 6)]
        answer = admin.ask("loading", 0, 100)
        assert [int(r["loading"]) for r in answer.of("key")] == sorted(epochs * 3) and int(answer.value("epoch")) == epochs[-1]
        assert answer.of("key")[0]["private_key"] == "spk1:1:AAAA"
        for most, there in ((1, 3), (3, 3), (4, 6), (7, 9), (9, 9)):
            assert len(admin.ask("loading", 0, most).rows) == there, most
        assert {r["loading"] for r in admin.ask("loading", epochs[0], 1).of("key")} == {str(epochs[1])}
        assert admin.ask("loading", epochs[-1], 9).rows == []
        assert life(admin, life_of(row_of(admin, "b.test", "t0"), destroyed=5), life_of(row_of(admin, "b.test", "t1"), loading=0)).ok
        assert len(admin.ask("loading", 0, 2).rows) == 4, "the rest of the epoch of the second"


def test_loading_of_more_than_a_server_gives(own):
    """A gateway may have 2000 entries; the lowest come first all the same, and all of them in the end."""
    with own.admin() as admin:
        domains = [f"m{n}.test" for n in range(50)]
        assert admin.apply(*[("add", "domain", {"name": d, "tenant": "acme"}) for d in domains]).ok
        selectors = [(d, f"s{n}") for d in domains for n in range(60)]
        for at in range(0, 3000, 1000):
            assert admin.apply(*[("add", "key", key(d, s)) for d, s in selectors[at:at + 1000]]).ok
        rows = {(r["domain"], r["selector"]): r for d in domains for r in admin.ask("lives", d).of("key")}
        for at in range(0, 3000, 750):
            assert life(admin, *[life_of(rows[name], loading="now") for name in reversed(selectors[at:at + 750])]).ok
        since, got, turns = 0, [], 0
        while True:
            found = admin.ask("loading", since, 1000).of("key")
            if not found:
                break
            assert min(int(r["loading"]) for r in found) > since
            got += found
            since, turns = int(found[-1]["loading"]), turns + 1
        assert len(got) == 3000 and [int(r["loading"]) for r in got] == sorted(int(r["loading"]) for r in got) and turns >= 3


def test_nothing_is_tried_before_a_writer_has_ended(own):
    """What he has said, and what he died with, keeps the epoch that is answered where he began; the next leader ends that."""
    with own.admin() as admin:
        assert admin.apply(*[("add", "key", key("b.test", f"t{n}", tenant="bolt")) for n in range(2)]).ok
        begun = epoch_of(admin)
        own.modify(f"dn: {STORE}\nchangetype: modify\nadd: signpostPending\nsignpostPending: {time.strftime('%Y%m%d%H%M%SZ', time.gmtime())} "
                   f"0123456789abcdef/{begun}/1/reconciler d:b.test\n")
        ended = ask_to_try(admin, "b.test", 2)
        answer = admin.ask("loading", 0, 9)
        assert ended > begun and answer.rows == [] and int(answer.value("epoch")) == begun, answer
        assert int(admin.ask("loading", ended, 9).value("epoch")) == ended, "who had tried them before has"
        assert admin.ask("lease", "reconciler", "one", 600).value("fence") == "1"
        assert life(admin, due_of(admin, "b.test", due=5), under=("reconciler", "one", 1)).ok
        assert admin.ask("loading", 0, 9).rows == [], "it may be his own"
        assert admin.ask("lease", "reconciler", "one", 0).ok and admin.ask("lease", "reconciler", "two", 600).value("fence") == "2"
        assert life(admin, due_of(admin, "b.test", due=6), under=("reconciler", "two", 2)).ok
        answer = admin.ask("loading", 0, 9)
        assert len(answer.rows) == 2 and int(answer.value("epoch")) == epoch_of(admin), answer
        assert "d:b.test" in {r["subject"] for r in admin.ask("changes", ended + 1).of("change")}, "what he began is told"
        assert "signpostPending" not in own.entry(STORE)


def test_a_gateway_asks_a_replica(folder, own):
    """It believes an epoch when it has seen it for some time, as the replica may show it before the keys."""
    copy = Directory(folder, name="copy", consumer_of=own)
    copy.start()
    try:
        with copy.gateway() as gateway, own.admin() as admin:
            assert procs.wait_until(lambda: gateway.ask("loading", 0, 9).ok)
            assert admin.apply(("add", "key", key("b.test", "t0", tenant="bolt"))).ok
            epoch = ask_to_try(admin, "b.test", 1)
            answer = gateway.ask("loading", 0, 9)
            assert answer.ok and int(answer.value("epoch")) < epoch, answer
            assert procs.wait_until(lambda: int(gateway.ask("loading", 0, 9).value("epoch")) == epoch, patience.seconds(40))
            assert names(gateway.ask("loading", 0, 9), "key", "selector") == ["t0"]
            assert admin.ask("lease", "reconciler", "one", 600).ok
            with copy.admin() as other:
                answer = other.ask("lease", "reconciler", "two", 600)
                assert answer.status == "unavailable" and "is it a replica?" in answer.last, answer
    finally:
        copy.stop()


# ---- leases ----

def test_leases(both):
    with both.admin() as one, both.admin() as two:
        answer = one.ask("lease", "reconciler", "one", 600)
        assert answer.ok and (answer.value("owner"), answer.value("fence")) == ("one", "1")
        assert abs(int(answer.value("expires")) - 600 - time.time()) < 60
        answer = two.ask("lease", "reconciler", "two", 600)
        assert answer.status == "denied" and (answer.value("owner"), answer.value("fence")) == ("one", "1")
        assert one.ask("lease", "reconciler", "one", 600).value("fence") == "1"
        assert two.ask("lease", "reconciler", "two", 0).status == "denied"
        assert two.ask("lease", "other", "two", 600).value("fence") == "1", "another name is another lease"
        assert one.ask("lease", "reconciler", "one", 0).ok and one.ask("lease", "reconciler", "one", 0).ok
        answer = two.ask("lease", "reconciler", "two", 1)
        assert answer.ok and answer.value("fence") == "2"
        assert procs.wait_until(lambda: one.ask("lease", "reconciler", "one", 600).value("owner") == "one", patience.seconds(20))
        assert one.ask("lease", "reconciler", "one", 600).value("fence") == "3"
        assert one.ask("lease", "a b", "one", 1).status == one.ask("lease", "x", "", 1).status == "invalid"
        assert both.entry(STORE)["signpostLeaseHolder"].count("reconciler 3 one") == 1 and len(both.entry(STORE)["signpostLeaseHolder"]) == 2
    with both.gateway() as gateway:
        assert gateway.ask("lease", "reconciler", "three", 1).status == "unavailable"


def test_a_race_of_leaders(own):
    """Each holds it alone: what one counts is never lost, and no fence is given twice."""
    with own.admin() as setup:
        setup.ask("lives", "a.test")
        drivers = [own.admin() for _ in range(4)]
        for n, driver in enumerate(drivers):
            driver.send(f"race reconciler leader{n} 10 a.test")
        answers = [driver.take() for driver in drivers]
        for driver in drivers:
            driver.close()
        assert all(a.ok for a in answers), answers
        fences = sorted(int(r["fence"]) for a in answers for r in a.of("held"))
        assert fences == list(range(1, 41)), fences
        assert setup.ask("lives", "a.test").of("domain")[0]["life"] == "40"


def test_a_deposed_leader_is_refused(own):
    with own.admin() as one, own.admin() as two:
        assert one.ask("lease", "reconciler", "one", 1).ok
        assert procs.wait_until(lambda: two.ask("lease", "reconciler", "two", 600).ok, patience.seconds(20))
        before = own.entry(STORE)
        for under in (("reconciler", "one", 1), ("reconciler", "one", 2), ("reconciler", "two", 1), ("other", "two", 2)):
            answer = life(one, due_of(one, "a.test", due=5), under=under)
            assert answer.status == "denied" and "at=1" in answer.last and "is not held" in answer.last, answer
        after = own.entry(STORE)
        assert {n: v for n, v in after.items() if n != "signpostTouched"} == {n: v for n, v in before.items() if n != "signpostTouched"}
        assert life(two, due_of(two, "a.test", due=5), under=("reconciler", "two", 2)).ok
        assert two.ask("lease", "reconciler", "two", 0).ok
        assert life(two, due_of(two, "a.test", due=6), under=("reconciler", "two", 2)).status == "denied", "given back"


def test_a_leader_of_another_history(own):
    """A backup was put back that does not know his lease: whoever has his name now is another leader."""
    step = 10**9
    with own.admin() as one, own.admin() as two:
        assert one.ask("lease", "reconciler", "one", 600).ok and one.ask("lease", "second", "one", 0).ok
        assert one.ask("renew").ok
        entry = own.entry(STORE)
        assert entry["signpostLeaseHolder"] == [f"reconciler {step + 1}"] and "signpostLeaseUntil" not in entry
        assert life(one, due_of(one, "a.test", due=5), under=("reconciler", "one", 1)).status == "denied"
        assert two.ask("lease", "reconciler", "one", 600).value("fence") == str(step + 2)
        for fence in (1, 2):
            assert life(one, due_of(one, "a.test", due=5), under=("reconciler", "one", fence)).status == "denied"
        assert two.ask("lease", "second", "two", 600).value("fence") == str(step + 1), "the backup is older than this lease"
        assert life(two, due_of(two, "a.test", due=5), under=("reconciler", "one", step + 2)).ok


def test_a_lease_that_is_over_but_nobody_elses(own):
    with own.admin() as one:
        assert one.ask("lease", "reconciler", "one", 1).ok
        assert procs.wait_until(lambda: life(one, due_of(one, "a.test", due=5), under=("reconciler", "one", 1)).status == "denied",
                                patience.seconds(20))


class Between:
    """Passes on what a program and slapd say to each other; the first time that the program says OCTETS, MEANWHILE happens first."""

    def __init__(self, one, octets, meanwhile):
        self.port, self.octets, self.meanwhile = one.port, octets, meanwhile
        self.door = socket.create_server(("127.0.0.1", 0))
        self.url = f"ldap://127.0.0.1:{self.door.getsockname()[1]}"
        threading.Thread(target=self.open, daemon=True).start()

    def open(self):
        while True:
            try:
                near = self.door.accept()[0]
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.port))
            threading.Thread(target=self.carry, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self.carry, args=(far, near, False), daemon=True).start()

    def carry(self, source, to, watched):
        try:
            while data := source.recv(65536):
                if watched and self.meanwhile and self.octets in data:
                    happens, self.meanwhile = self.meanwhile, None
                    happens()
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_deposed_in_the_middle(own):
    """The rows that were written stay, gateways take what was begun for changed, and the next leader ends that."""
    depose = (f"dn: {STORE}\nchangetype: modify\ndelete: signpostLeaseHolder\nsignpostLeaseHolder: reconciler 1 one\n-\n"
              "add: signpostLeaseHolder\nsignpostLeaseHolder: reconciler 2 two\n")
    between = Between(own, b"20231114221320Z", lambda: own.modify(depose))
    with own.admin(between.url) as one, own.admin() as two:
        names_of = [f"m{n}.test" for n in range(400)]
        assert one.apply(*[("add", "domain", {"name": d, "tenant": "acme"}) for d in names_of],
                         *[("add", "key", key(d, "s")) for d in names_of]).ok
        rows = [row_of(one, d, "s") for d in names_of]
        assert one.ask("lease", "reconciler", "one", 600).ok
        before = epoch_of(one)
        for kind, fields in [life_of(r, published=1_700_000_000) for r in rows]:
            one.send(f"life {kind} {words(**fields)}")
        one.send("fenced reconciler one 1")

        def written():
            return own.search("(signpostPublishedAt=*)", "1.1", dn=ROOT_DN, password=ROOT_PASSWORD).count("dn:")
        answer = one.take()
        assert answer.status == "denied" and "at=400" in answer.last and "is not held" in answer.last, answer
        assert epoch_of(one) == before and len(own.entry(STORE)["signpostPending"]) == 400 and written() == 400
        assert between.meanwhile is None
        assert {r["subject"] for r in one.ask("changes", before - 1).of("change")} >= {f"d:{d}" for d in names_of}
        assert life(two, due_of(two, "a.test", due=5), under=("reconciler", "two", 2)).ok
        assert {r["subject"] for r in two.ask("changes", before).of("change")} >= {f"d:{d}" for d in names_of}
        assert "signpostPending" not in own.entry(STORE)
    between.door.close()


# ---- gateways ----

def test_reports(both):
    with both.admin() as admin, Driver(f"{both.url}/{BASE}", write=True, user=ldapstore.GATEWAY, password=GATEWAY_PASSWORD) as gateway:
        before = both.entry(STORE)
        assert admin.ask("gateways").ok and admin.ask("gateways").rows == []
        assert report(gateway, "gw1.example.com", failed="K1 no\nK2 \u00e9", offset_ms=-12, started=1_700_000_000).ok
        assert report(gateway, "gw-2", offset_ms=0).ok and report(gateway, "x" * 150).ok
        rows = {r["node"]: r for r in admin.ask("gateways").of("gateway")}
        assert set(rows) == {"gw1.example.com", "gw-2", "x" * 150}
        one = rows["gw1.example.com"]
        assert (one["failed"], one["offset_ms"], one["started"], one["version"], one["epoch"], one["tested"]) == (
            "K1 no\nK2 \u00e9", "-12", "1700000000", "9", "3", "2")
        assert abs(int(one["at"]) - time.time()) < 60
        at = int(one["at"])
        assert procs.wait_until(lambda: report(gateway, "gw1.example.com").ok and
                                int(next(r for r in admin.ask("gateways").of("gateway") if r["node"] == "gw1.example.com")["at"]) > at)
        again = next(r for r in admin.ask("gateways").of("gateway") if r["node"] == "gw1.example.com")
        assert "failed" not in again and "started" not in again
        assert both.entry(STORE) == before, "the store has not changed"
        assert report(gateway, "a b").status == report(gateway, "").status == "invalid"
        assert gateway.ask("now").ok, "its own clock"
        assert admin.ask("forget", "gw-2").ok and admin.ask("forget", "gw-2").status == "absent"
        assert len(admin.ask("gateways").rows) == 2 and report(gateway, "gw-2").ok
    with both.gateway() as reader:
        assert report(reader, "gw1").status == "denied" and reader.ask("forget", "gw-2").status == "denied"


HOSTILE = [("objectClass", "signpostKey"), ("objectClass", "extensibleObject"), ("signpostNode", "gw2"), ("signpostKeyId", "EVIL"),
           ("signpostKeyDomain", "a.test"), ("signpostOwner", "acme"), ("signpostSelector", "s1"), ("signpostAlgorithm", "rsa-sha256"),
           ("signpostPrivateKey", "spk1:1:EVIL"), ("signpostActiveAt", "20260101000000Z"), ("signpostDomainName", "evil.test"),
           ("signpostSubject", "else.test"), ("signpostRuleKind", "domain"), ("signpostRuleId", "r2"), ("signpostSigningDomain", "a.test")]


def test_a_gateway_writes_its_own_report_only(own):
    """cn=gw2 is one of the group."""
    account = f"cn=gw2,{TOP}"

    def change(text, good=True):
        done = own.modify_as(account, GATEWAY_PASSWORD, text)
        assert (done.returncode == 0) is good, done.stderr
        return done.stderr
    with own.admin() as admin, Driver(f"{own.url}/{BASE}", write=True, user=account, password=GATEWAY_PASSWORD) as gateway:
        assert report(gateway, "gw2").ok and report(gateway, "gw2", failed="K1 no").ok
        answer = report(gateway, "gw1")
        assert answer.status == "denied" and "ldif/acl.ldif" in answer.last, answer
        with Driver(f"{own.url}/{BASE}", write=True, user=ldapstore.GATEWAY, password=GATEWAY_PASSWORD) as common:
            assert report(common, "gw1").ok
        assert report(gateway, "gw1").status == "denied" and gateway.ask("forget", "gw1").status == "denied"
        for dn, attribute in ((STORE, "signpostEpoch"), (f"signpostTenantName=acme,ou=tenants,{BASE}", "signpostEnabled"),
                              (f"signpostSelector=s1,signpostDomainName=a.test,ou=domains,{BASE}", "signpostPrivateKey"),
                              (f"signpostNode=gw2,ou=gateways,{BASE}", "signpostKeyDomain")):
            change(f"dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}: 1\n", good=False)
        entry = "".join(f"{n}: {v}\n" for n, v in HOSTILE)
        for dn in (f"signpostNode=gw3,ou=gateways,{BASE}", f"signpostNode=gw2+signpostKeyId=EVIL,ou=gateways,{BASE}",
                   f"signpostSelector=s1,ou=gateways,{BASE}", f"signpostNode=gw3,signpostNode=gw2,ou=gateways,{BASE}"):
            its_own = entry.replace("signpostNode: gw2", "signpostNode: gw3") if "=gw3" in dn else entry
            assert "nsufficient access" in change(f"dn: {dn}\nchangetype: add\n" + its_own, good=False)
        change(f"dn: signpostNode=gw2,ou=gateways,{BASE}\nchangetype: delete\n")
        change(f"dn: signpostNode=gw2,ou=gateways,{BASE}\nchangetype: add\n" + entry, good=False)
        assert report(gateway, "gw2").ok and sorted(names(admin.ask("gateways"), "gateway", "node")) == ["gw1", "gw2"]


def test_a_report_is_never_anything_else(own):
    """A server that lets a gateway write more than acl.ldif does: nobody takes its entry for a key, a domain or a rule."""
    with own.admin() as admin, own.gateway() as gateway:
        asked = [("keys", "a.test"), ("senders", "evil.test"), ("senders", "else.test")]
        before = [gateway.ask(*q).rows for q in asked], admin.ask("list", "key", "-").rows, admin.ask("lives", "a.test", "evil.test").rows
        own.modify(f"dn: signpostNode=gw2,ou=gateways,{BASE}\nchangetype: add\n" + "".join(f"{n}: {v}\n" for n, v in HOSTILE)
                   + "signpostLoading: 1\nsignpostDueAt: 20260101000000Z\n")
        assert own.entry(f"signpostNode=gw2,ou=gateways,{BASE}")["signpostKeyDomain"] == ["a.test"]
        assert ([gateway.ask(*q).rows for q in asked], admin.ask("list", "key", "-").rows,
                admin.ask("lives", "a.test", "evil.test").rows) == before
        assert admin.ask("find", "key", "a.test s1").of("key")[0]["private_key"] == "spk1:1:AAAA"
        assert admin.ask("due", NOW, 9).rows == [] and admin.ask("loading", 0, 9).rows == []
        assert admin.apply(("add", "domain", {"name": "evil.test", "tenant": "bolt"}), ("remove", "domain", {"name": "evil.test", "tenant": "bolt"})).ok


# ---- the schema of before ----

@pytest.mark.parametrize("older", [False, True])
def test_schema_of_before(folder, older):
    one = Directory(folder, older=older, lifeless=True)
    one.load(ldapstore.top())
    one.start()
    try:
        fill(one)
        one.modify(f"dn: ou=gateways,{BASE}\nchangetype: delete\n")
        with one.gateway() as gateway, one.admin() as admin:
            row = admin.ask("find", "key", "a.test s3").of("key")[0]
            keys = gateway.ask("keys", "a.test").rows
            assert len(keys) == 4 and admin.apply(("put", "tenant", {"name": "new"})).ok
            for store in (gateway, admin):
                answer = store.ask("loading", 0, 9)
                assert answer.status == "unavailable" and "ldif/lifecycle.ldif" in answer.last, answer
            for question in OPERATIONS:
                answer = admin.ask(*question)
                assert answer.status == "unavailable" and "ldif/lifecycle.ldif" in answer.last, (question, answer)
            epoch = epoch_of(admin)
            for answer in (life(admin, life_of(row, published=5)), report(admin, "gw1")):
                assert answer.status == "unavailable" and "ldif/lifecycle.ldif" in answer.last, answer
            assert epoch_of(admin) == epoch
            if older:
                one.upgrade("identity.ldif")
            one.upgrade("lifecycle.ldif")
            for question in (("gateways",), ("forget", "gw1")):
                assert admin.ask(*question).status in ("unavailable", "absent")
            answer = report(admin, "gw1")
            assert answer.status == "unavailable" and "signpost store init" in answer.last, answer
            assert admin.ask("init").last == "ok from=1 to=1"
            assert gateway.ask("keys", "a.test").rows == keys, "what is signed with stays"
            assert admin.ask("gateways").ok and report(admin, "gw1").ok and admin.ask("lease", "reconciler", "one", 9).ok
            assert life(admin, life_of(row_of(admin, "a.test", "s3"), life="{}", loading="now"), under=("reconciler", "one", 1)).ok
            assert names(admin.ask("loading", 0, 9), "key", "selector") == ["s3"]
            with Driver(f"{one.url}/{BASE}", write=True, user=f"cn=gw2,{TOP}", password=GATEWAY_PASSWORD) as other:
                assert report(other, "gw2").ok and report(other, "gw1").status == "denied"
    finally:
        one.stop()


# ---- indexes, and Zimbra ----

def looked_up(log, indexed):
    """Attributes of filters that slapd found in an index, or did not: what it says next, in the same thread, is that it reads one."""
    last, found = {}, set()
    for line in log.splitlines():
        thread, text = (line.split(" ", 2)[1:] + ["", ""])[:2]
        if thread in last and ("key_read" in text) is indexed:
            found.add(last[thread])
        last.pop(thread, None)
        asked = re.match(r"=> mdb_(?:equality|inequality|presence)_candidates \((\w+)\)", text)
        if asked:
            last[thread] = asked[1]
    return found


def test_every_question_has_its_index(folder):
    one = made(folder, debug="1")
    try:
        with one.admin() as admin, one.gateway() as gateway:
            assert life(admin, life_of(row_of(admin, "a.test", "s3"), loading="now"), due_of(admin, "a.test", due=5)).ok
            assert report(admin, "gw1").ok and admin.ask("gateways").ok and admin.ask("forget", "gw1").ok
            assert admin.ask("due", 9, 9).rows and admin.ask("loading", 0, 9).rows and gateway.ask("loading", 0, 9).ok
            assert admin.ask("lease", "reconciler", "one", 9).ok
            one.search("(signpostRevision=9)", dn=ROOT_DN, password=ROOT_PASSWORD)
        assert {"signpostDueAt", "signpostLoading", "objectClass"} <= looked_up(one.process.output(), True)
        assert looked_up(one.process.output(), False) == {
            "signpostRevision", "signpostRuleKind"}, "that of rules stands beside a subject, which has one"
    finally:
        one.stop()


def test_the_mirror_of_zimbra(folder):
    """Activation and retirement show as they do with "signpost store load"."""
    one = made(folder, zimbra=True)
    dn = f"signpostDomainName=b.test,ou=domains,{BASE}"

    def shown():
        return one.entry(dn).get("DKIMSelector")
    try:
        one.modify(f"dn: {dn}\nchangetype: modify\nadd: signpostMirrorZimbra\nsignpostMirrorZimbra: TRUE\n")
        with one.admin() as admin:
            assert admin.apply(*[("add", "key", key("b.test", s, tenant="bolt", public_key="M" * 300)) for s in ("one", "two")],
                               ("add", "key", {**key("b.test", "ed", tenant="bolt"), "algorithm": "ed25519-sha256"})).ok

            def row(selector, **more):
                return life_of(row_of(admin, "b.test", selector), **more)
            answer = life(admin, row("ed", active=1_700_000_000), row("one", active=1_700_000_000))
            assert answer.status == "invalid" and "mirror_pem" in answer.last and "at=1" in answer.last and shown() is None
            assert life(admin, row("one", active=1_700_000_000, mirror_pem="PEM of one")).ok and shown() == ["one"]
            entry = one.entry(dn)
            assert entry["DKIMKey"] == ["PEM of one"] and "M" * 250 in entry["DKIMPublicKey"][0] and "k=rsa" in entry["DKIMPublicKey"][0]
            # what is noted of it meanwhile needs no key, and changes nothing there
            assert life(admin, row("one", life="{}"), row("two", proven=1_700_000_000)).ok and one.entry(dn) == {
                **entry, "signpostRevision": one.entry(dn)["signpostRevision"]}
            # both in one batch, whatever comes first
            assert life(admin, row("one", retiring=1_700_000_100), row("two", active=1_700_000_100, mirror_pem="PEM of two")).ok
            assert shown() == ["two"] and one.entry(dn)["DKIMKey"] == ["PEM of two"]
            assert life(admin, row("one", destroyed=1_700_000_200)).ok and shown() == ["two"]
            assert life(admin, row("two", compromised=1_700_000_200)).ok
            assert not [n for n in one.entry(dn) if n.startswith("DKIM")]
            # one that began to sign before the domain was marked: shown with the next write that brings the key
            assert admin.apply(("add", "key", key("b.test", "three", tenant="bolt"))).ok
            one.modify(f"dn: {dn}\nchangetype: modify\nreplace: signpostMirrorZimbra\nsignpostMirrorZimbra: FALSE\n")
            assert life(admin, row("three", active=1_700_000_300)).ok
            one.modify(f"dn: {dn}\nchangetype: modify\nreplace: signpostMirrorZimbra\nsignpostMirrorZimbra: TRUE\n")
            assert life(admin, row("three", life="{}")).ok and shown() is None, "a note is not refused for want of it"
            assert life(admin, row("three", mirror_pem="PEM")).ok and shown() == ["three"]
    finally:
        one.stop()


def test_two_threads_of_one_leader(own):
    """The lease is renewed while a batch is written under it."""
    with own.admin() as writer, own.admin() as renewer:
        assert renewer.ask("lease", "reconciler", "one", 600).ok
        row, done = due_of(writer, "a.test"), []
        thread = threading.Thread(target=lambda: [done.append(life(writer, due_of(writer, "a.test", due=n), under=("reconciler", "one", 1)))
                                                  for n in range(1, 30)])
        thread.start()
        while thread.is_alive():
            assert renewer.ask("lease", "reconciler", "one", 600).ok
        thread.join()
        assert row and len(done) == 29 and all(answer.ok for answer in done), done
