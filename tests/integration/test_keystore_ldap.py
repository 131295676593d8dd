"""The key store in a directory: every question and every write, hostile names, and servers that lie, stop, come late, are
replicas, lack the schema or hide what is in them.

The server is a slapd of our own with ldif/'s schema, rights and indexes; keystore_driver asks it.
"""
import base64
import re
import subprocess
import threading
import time

import pytest

from lib import keys, ldapstore, milter, patience, procs, slapd, stores, verify
from lib.daemon import Daemon
from lib.ldapstore import ADMIN, ADMIN_PASSWORD, BASE, GATEWAY, LDIF, Directory, Driver
from test_ldap import BOUND, Authority, Liar

pytestmark = [pytest.mark.signpost("a KeyStore is ours"),
              pytest.mark.skipif(ldapstore.missing() is not None, reason=str(ldapstore.missing()))]

NOW = 1_790_000_000


def key(domain, selector, tenant="acme", **more):
    return {"id": f"K-{domain}-{selector}".replace(".", "_"), "tenant": tenant, "domain": domain, "selector": selector,
            "algorithm": "rsa-sha256", "private_key": "spk1:1:AAAA", "revision": 1, "created": 1_600_000_000, **more}


WORLD = [
    ("add", "tenant", {"name": "acme", "failure": "no-key=tempfail"}), ("add", "tenant", {"name": "bolt", "enabled": 0}),
    ("add", "policy", {"tenant": "acme", "name": "std", "signature_ttl_s": 99, "failure": "no-key=reject", "plan": "{}"}),
    ("add", "domain", {"name": "a.test", "tenant": "acme", "policy": "std", "subdomains": 1}),
    ("add", "domain", {"name": "alias.test", "tenant": "acme", "signs_as": "a.test"}),
    ("add", "domain", {"name": "b.test", "tenant": "bolt"}),
    ("add", "key", key("a.test", "s1", active=1_700_000_000, retiring=1_700_000_100)),
    ("add", "key", key("a.test", "s2", active=1_700_000_100, bits=2048, public_key="MIIB", sign_until=1_999_999_999)),
    ("add", "key", key("a.test", "s3")), ("add", "key", key("a.test", "s0", active=1_600_000_000, revoked=1_650_000_000)),
    ("add", "rule", {"id": "r1", "tenant": "acme", "kind": "address", "subject": "news@else.test", "domain": "a.test"}),
    ("add", "rule", {"id": "r2", "tenant": "acme", "kind": "domain", "subject": "else.test", "domain": "a.test", "priority": -7}),
    ("add", "rule", {"id": "r3", "tenant": "acme", "kind": "suffix", "subject": ".else.test", "domain": "a.test",
                     "identity": "@a.test", "enabled": 0}),
    ("add", "rule", {"id": "r4", "tenant": "acme", "kind": "pattern", "subject": "*-bounce@*", "domain": "a.test", "priority": 3}),
    ("add", "rule", {"id": "r5", "tenant": "acme", "kind": "pattern", "subject": "else.test", "domain": "a.test", "priority": 2}),
    ("add", "binding", {"subject": "login:@a.test", "tenant": "acme"}),
    ("add", "binding", {"subject": "*", "tenant": "bolt"}),
]


def fill(one):
    with one.admin() as admin:
        assert admin.ask("init").ok
        answer = admin.apply(*WORLD)
        assert answer.ok, answer


def made(folder, start=True, **more):
    one = Directory(folder, **more)
    one.load(ldapstore.top())
    if start:
        one.start()
        fill(one)
    return one


@pytest.fixture(scope="module")
def authority(module_folder):
    (module_folder / "ca").mkdir()
    return Authority(module_folder / "ca")


@pytest.fixture(scope="module", params=["schema", "ldif"])
def shared(request, module_folder, authority):
    """Read only, once for each form of the schema."""
    one = made(module_folder, name=f"shared-{request.param}", form=request.param, tls=authority.good)
    yield one
    one.stop()


@pytest.fixture
def own(folder):
    """One that a test may change and kill."""
    one = made(folder)
    yield one
    one.stop()


def names(answer, kind, field="name"):
    return [row[field] for row in answer.of(kind)]


def test_both_forms_of_the_schema_say_the_same():
    def definitions(name):
        text = re.sub(r"\s+", " ", re.sub(r"(?m)^#.*\n", "", (LDIF / name).read_text()))
        found = re.split(r"(?i) ?(?:attributetype|objectclass|olcattributetypes:|olcobjectclasses:) (?=\()", text)[1:]
        return [f.split(" olc")[0].strip() for f in found]
    one, two = definitions("signpost.schema"), definitions("signpost.ldif")
    assert one == two and len(one) > 50


# ---- questions ----

def test_senders(shared):
    with shared.gateway() as gateway:
        answer = gateway.ask("senders", "a.test", "test")
        assert names(answer, "domain") == ["a.test"] and names(answer, "tenant") == ["acme"], answer
        assert answer.of("domain")[0] == {"name": "a.test", "tenant": "acme", "policy": "std", "failure": "no-key=reject",
                                          "signature_ttl_s": "99", "subdomains": "1", "enabled": "1", "revision": "2"}
        assert int(answer.value("epoch")) >= 2, "the epoch of the store, as cn=store was made first"
        answer = gateway.ask("senders", "else.test", "test")
        assert names(answer, "rule", "id") == ["r2"] and "address_rules" in answer.last, "r5 is a pattern with the same text"
        assert names(answer, "tenant") == ["acme"]
        answer = gateway.ask("senders", "x.y.else.test", "y.else.test", "else.test", "test")
        assert names(answer, "rule", "id") == ["r3"] and answer.of("rule")[0].get("enabled") is None
        assert "address_rules" not in answer.last
        answer = gateway.ask("senders", "b.test")
        assert answer.of("tenant") == [{"name": "bolt", "revision": "2"}], "what is disabled is an answer too"
        answer = gateway.ask("senders", "alias.test", "test")
        assert answer.of("domain")[0]["signs_as"] == "a.test"
        assert gateway.ask("senders", "nowhere.test", "test").rows == []


def test_keys_newest_first(shared):
    with shared.gateway() as gateway:
        answer = gateway.ask("keys", "a.test")
        assert names(answer, "key", "selector") == ["s2", "s1"], "neither what was never active nor what is revoked"
        assert answer.of("key")[0] == {
            "id": "K-a_test-s2", "tenant": "acme", "domain": "a.test", "selector": "s2", "algorithm": "rsa-sha256",
            "public_key": "MIIB", "private_key": "spk1:1:AAAA", "bits": "2048", "revision": "1", "row_revision": "2",
            "created": "1600000000", "active": "1700000100", "sign_until": "1999999999"}
        assert names(answer, "domain") == ["a.test"] and names(answer, "tenant") == ["acme"]
        assert gateway.ask("keys", "nowhere.test").rows == []


def test_address_patterns_bindings(shared):
    with shared.gateway() as gateway:
        answer = gateway.ask("address", "news@else.test")
        assert names(answer, "rule", "id") == ["r1"] and names(answer, "tenant") == ["acme"]
        assert gateway.ask("address", "other@else.test").rows == []
        answer = gateway.ask("patterns", "acme")
        assert names(answer, "rule", "id") == ["r5", "r4"] and names(answer, "tenant") == ["acme"], "by priority"
        assert names(gateway.ask("patterns", "bolt"), "tenant") == ["bolt"]
        answer = gateway.ask("bindings", "login:x@a.test", "login:@a.test", "*")
        assert sorted(names(answer, "binding", "subject")) == ["*", "login:@a.test"]
        assert gateway.ask("bindings", "login:@b.test").rows == []


def test_list(shared):
    with shared.admin() as admin:
        for kind, fields, expected in (
                ("tenant", ["name"], ["acme", "bolt"]), ("domain", ["name"], ["a.test", "alias.test", "b.test"]),
                ("policy", ["tenant", "name"], ["acme std"]), ("rule", ["tenant", "id"], [f"acme r{n}" for n in range(1, 6)]),
                ("key", ["domain", "selector"], [f"a.test s{n}" for n in range(4)]),
                ("binding", ["subject"], ["*", "login:@a.test"])):
            for size in (1, 2, 1000):
                found, after = [], ""
                while True:
                    answer = admin.ask("list", kind, after, size)
                    assert answer.ok and len(answer.rows) <= size, answer
                    if not answer.rows:
                        break
                    found += [" ".join(row[f] for f in fields) for _, row in answer.rows]
                    after = found[-1]
                assert found == expected, (kind, size)
        assert admin.ask("list", "domain", "", 1).of("domain")[0]["failure"] == "no-key=reject"
        owners = {row["name"]: row["tenant"] for row in admin.ask("list", "domain", "", 9).of("domain")}
        for tenant in ("acme", "bolt", "nobody"):
            for size in (1, 2, 1000):
                found, after = [], ""
                while (page := admin.ask("domains_of", tenant, after, size).of("domain")):
                    assert len(page) <= size
                    found += [row["name"] for row in page]
                    after = found[-1]
                assert found == sorted(name for name, owner in owners.items() if owner == tenant), (tenant, size)


def test_find(shared):
    with shared.admin() as admin:
        for kind, fields, known in (
                ("tenant", ["name"], ["bolt", "acme"]), ("domain", ["name"], ["b.test", "a.test", "alias.test"]),
                ("policy", ["tenant", "name"], ["acme std"]), ("rule", ["tenant", "id"], ["acme r5", "acme r1"]),
                ("key", ["domain", "selector"], ["a.test s3", "a.test s0", "a.test s1"]), ("binding", ["subject"], ["*", "login:@a.test"])):
            def find(*wanted):
                answer = admin.ask("find", kind, *wanted)
                assert answer.ok, answer
                return [" ".join(row[f] for f in fields) for _, row in answer.rows]
            assert find(*known) == known and find(known[0], known[0] + "x") == known[:1], kind
            assert find(*[f"n{n} s" for n in range(70)], *known, *[f"n{n} s" for n in range(70)]) == known, "more than one search"
            # the directory overlooks case and blanks
            for name in (known[0].upper(), " " + known[0], known[0] + " ", known[0].replace(" ", "  "), "*)(objectClass=*", "x"):
                assert find(name) == ([name] if name in known else []), (kind, name)
        assert admin.ask("find", "domain", "a.test").of("domain")[0]["failure"] == "no-key=reject", "with its policy"
        for name in ("", "\udcff", "a.test\0"):
            assert admin.ask("find", "domain", name.encode("utf-8", "surrogateescape")).status == "invalid", name


NASTY = ["*", "a*", "*)(signpostDomainName=*", "(", ")", "\\", "\\2a", "a.test)(objectClass=*", "'", '"', "é.test",
         "\udcff\udcfe", "x" * 1000, "a.test\\00", "a.test\0", "&", "|", "!", "a.test,dc=test", "a.test,ou=domains", "A.TEST",
         "ａ.test", "a.test ", " a.test", "#", "+", ";", "<", ">", "=", "cn=store"]


def test_hostile_names_are_names(shared):
    with shared.gateway() as gateway:
        for name in NASTY:
            data = name.encode("utf-8", "surrogateescape")
            for question in ("senders", "address", "patterns", "keys", "bindings"):
                answer = gateway.ask(question, data)
                rows = [r for r in answer.rows if not (question == "bindings" and name == "*")]
                assert answer.ok and rows == [], (question, name, answer)
        for name in ("ｎews@else.test", "NEWS@else.test", "news@else.test ", "news @else.test"):
            assert gateway.ask("address", name.encode()).rows == [], "the directory may hold it for equal, we do not"


def test_hostile_subjects_are_kept(own):
    subjects = ['o\'br"ien@x.test', "a*b@x.test", "(c)@x.test", "d\\e@x.test", "é@x.test", "f,g=h+i;<j>@x.test", "#k@x.test",
                "a\\2ab@x.test", "x" * 490 + "@x.test"]
    with own.admin() as admin:
        writes = [("add", "rule", {"id": f"h{n}", "tenant": "acme", "kind": "address", "subject": s, "domain": "a.test"})
                  for n, s in enumerate(subjects)]
        writes += [("add", "binding", {"subject": f"login:{s}", "tenant": "acme"}) for s in subjects]
        assert admin.apply(*writes).ok
        for n, subject in enumerate(subjects):
            assert names(admin.ask("address", subject), "rule", "id") == [f"h{n}"], subject
            assert names(admin.ask("bindings", f"login:{subject}"), "binding", "subject") == [f"login:{subject}"]
        assert admin.apply(*[("remove", "binding", {"subject": f"login:{s}", "tenant": "acme"}) for s in subjects]).ok
        assert admin.ask("bindings", f"login:{subjects[0]}").rows == []


def test_long_values(own):
    text = "spk1:1:" + "A" * (65536 - 7)
    with own.admin() as admin:
        assert admin.apply(("add", "key", key("a.test", "long", active=1_750_000_000, private_key=text, public_key="B" * 65536))).ok
        rows = admin.ask("keys", "a.test").of("key")
        assert rows[0]["private_key"] == text and rows[0]["public_key"] == "B" * 65536
        answer = admin.apply(("put", "key", key("a.test", "longer", private_key=text + "A")))
        assert answer.status == "invalid" and "at=0" in answer.last, answer


# ---- writes ----

REFUSED = [
    ("add", "tenant", {"name": "acme"}, "denied"), ("change", "tenant", {"name": "none"}, "absent"),
    ("change", "tenant", {"name": "acme", "revision": 7}, "denied"), ("remove", "tenant", {"name": "acme"}, "denied"),
    ("remove", "tenant", {"name": "none"}, "absent"), ("remove", "tenant", {"name": "No,ne=\\"}, "absent"),
    # the directory overlooks blanks and case in the names of entries
    ("remove", "tenant", {"name": "ACME"}, "absent"), ("remove", "binding", {"subject": "* ", "tenant": "bolt"}, "absent"),
    ("remove", "binding", {"subject": " *", "tenant": "bolt"}, "absent"), ("remove", "rule", {"id": "r1 ", "tenant": "acme"}, "absent"),
    ("remove", "rule", {"id": " r1", "tenant": "acme"}, "absent"), ("remove", "key", key("a.test ", "s3"), "absent"),
    ("remove", "key", key("a.test", "S3"), "absent"), ("remove", "domain", {"name": "B.TEST", "tenant": "bolt"}, "absent"),
    ("add", "tenant", {"name": "Upper"}, "invalid"), ("add", "domain", {"name": "n.test", "tenant": "none"}, "absent"),
    ("add", "domain", {"name": "a.test", "tenant": "bolt"}, "denied"), ("put", "domain", {"name": "a.test", "tenant": "bolt"}, "denied"),
    ("put", "domain", {"name": "n.test", "tenant": "bolt", "signs_as": "a.test"}, "absent"),
    ("put", "domain", {"name": "n.test", "tenant": "bolt", "policy": "std"}, "absent"),
    ("remove", "domain", {"name": "a.test", "tenant": "acme"}, "denied"),
    ("remove", "domain", {"name": "b.test", "tenant": "acme"}, "denied"),
    ("remove", "policy", {"tenant": "acme", "name": "std"}, "denied"), ("remove", "policy", {"tenant": "bolt", "name": "std"}, "absent"),
    ("add", "rule", {"id": "n", "tenant": "bolt", "kind": "domain", "subject": "n.test", "domain": "a.test"}, "absent"),
    ("add", "rule", {"id": "n", "tenant": "acme", "kind": "domain", "subject": "n.test", "domain": "none.test"}, "absent"),
    ("add", "rule", {"id": "r1", "tenant": "acme", "kind": "domain", "subject": "n.test", "domain": "a.test"}, "denied"),
    ("add", "key", key("a.test", "s1"), "denied"), ("add", "key", key("b.test", "n", tenant="acme"), "absent"),
    ("add", "key", key("none.test", "n"), "absent"), ("add", "key", key("a.test", "n", id="K-a_test-s1"), "denied"),
    ("change", "key", key("a.test", "s1", id="other"), "denied"), ("change", "key", key("a.test", "s1", row_revision=9), "denied"),
    ("change", "key", key("a.test", "s1", revision=0), "denied"), ("remove", "key", key("a.test", "s1"), "denied"),
    ("remove", "key", key("a.test", "s0"), "denied"), ("remove", "key", key("a.test", "none"), "absent"),
    ("add", "binding", {"subject": "*", "tenant": "acme"}, "denied"), ("remove", "binding", {"subject": "*", "tenant": "acme"}, "denied"),
    ("add", "binding", {"subject": "login:n", "tenant": "none"}, "absent"), ("change", "binding", {"subject": "login:n", "tenant": "acme"}, "absent"),
]


def test_refused_writes_write_nothing(shared):
    before = shared.search(dn=ADMIN, password=ADMIN_PASSWORD)
    with shared.admin() as admin:
        for how, kind, fields, status in REFUSED:
            answer = admin.apply(("add", "tenant", {"name": "first"}), (how, kind, fields))
            assert answer.status == status and "at=1" in answer.last, (how, kind, fields, answer)
    assert len(before) > 2000 and shared.search(dn=ADMIN, password=ADMIN_PASSWORD) == before
    with shared.gateway() as gateway:
        answer = gateway.apply(("add", "tenant", {"name": "first"}))
        assert answer.status == "denied" and "opened for reading" in answer.last


def test_changed_put_and_removed(own):
    with own.admin() as admin:
        assert admin.apply(("change", "domain", {"name": "a.test", "tenant": "acme", "revision": 2, "enabled": 0}),
                           ("put", "tenant", {"name": "acme", "enabled": 1}), ("put", "tenant", {"name": "new"}),
                           ("change", "rule", {"id": "r1", "tenant": "acme", "kind": "pattern", "subject": "x*", "domain": "a.test"}),
                           ("change", "binding", {"subject": "*", "tenant": "acme"})).ok
        row = admin.ask("senders", "a.test").of("domain")[0]
        assert row == {"name": "a.test", "tenant": "acme", "signature_ttl_s": "-1", "revision": "3"}, "all fields are those of the row"
        assert admin.ask("address", "news@else.test").rows == []
        assert "r1" in names(admin.ask("patterns", "acme"), "rule", "id")
        assert "address_rules" not in admin.ask("senders", "else.test").last
        assert admin.ask("bindings", "*").of("binding")[0]["tenant"] == "acme"
        assert admin.apply(("change", "key", key("a.test", "s2", active=1_700_000_100, retiring=NOW, revision=2, row_revision=2))).ok
        row = admin.ask("keys", "a.test").of("key")[0]
        assert (row["revision"], row["row_revision"], row["retiring"], row.get("sign_until")) == ("2", "4", str(NOW), None)
        # a whole tenant, in any order
        answer = admin.apply(("remove", "tenant", {"name": "bolt"}), ("remove", "domain", {"name": "b.test", "tenant": "bolt"}))
        assert answer.status == "denied", "the batch is looked at in its order"
        assert admin.apply(("remove", "domain", {"name": "b.test", "tenant": "bolt"}), ("remove", "tenant", {"name": "bolt"}),
                           ("remove", "tenant", {"name": "new"}), ("remove", "key", key("a.test", "s3"))).ok
        assert admin.ask("senders", "b.test").rows == [] and names(admin.ask("list", "tenant", "", 9), "tenant") == ["acme"]
        # twice in one batch
        assert admin.apply(("add", "tenant", {"name": "two"}), ("change", "tenant", {"name": "two", "failure": "no-key=reject"}),
                           ("remove", "tenant", {"name": "two"}), ("add", "tenant", {"name": "two"})).ok
        assert admin.ask("list", "tenant", "acme", 9).of("tenant")[0]["name"] == "two"


def test_two_writers(own):
    """Each raises its epoch; of two changes of one revision one is refused."""
    results = []

    def write(number):
        with own.admin() as admin:
            for n in range(15):
                results.append(admin.apply(("add", "domain", {"name": f"w{number}-{n}.test", "tenant": "acme"})).status)
                results.append(admin.apply(("change", "tenant", {"name": "acme"})).status)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert set(results) <= {"ok", "denied"} and results.count("ok") >= 45 + 15, results
    with own.admin() as admin:
        epoch = int(admin.ask("senders", "a.test").value("epoch"))
        assert epoch >= 2 + results.count("ok"), "each change has an epoch of its own"
        rows = admin.ask("changes", 2).of("change")
        assert {f"d:w{n}-{k}.test" for n in range(3) for k in range(15)} <= {r["subject"] for r in rows}
        a, b = ({"name": "acme", "revision": r, "failure": "no-key=unsigned"} for r in
                [int(admin.ask("list", "tenant", "", 1).of("tenant")[0]["revision"])] * 2)
        assert admin.apply(("change", "tenant", a)).ok and admin.apply(("change", "tenant", b)).status == "denied"
    assert "signpostPending" not in own.entry(f"cn=store,{BASE}")


def test_an_activation_signs_in_the_order_that_leaves_nothing_unsigned(own):
    """The batch retires first; the directory gets the new key first."""
    done = []

    def look():
        with own.gateway() as gateway:
            while not done:
                rows = gateway.ask("keys", "a.test").of("key")
                signing = [r["selector"] for r in rows if "retiring" not in r]
                assert signing, "in the middle of an activation nothing signs"
                seen.add(tuple(signing))

    seen = set()
    with own.admin() as admin:
        thread = threading.Thread(target=look)
        thread.start()
        last = "s2"
        for n in range(40):
            old = key("a.test", last, active=1_700_000_100 + n, retiring=1_700_001_000)
            new = key("a.test", f"n{n}", active=1_700_000_101 + n)
            assert admin.apply(("change", "key", old), ("add", "key", new)).ok
            last = f"n{n}"
        done.append(True)
        thread.join()
    print(f"{len(seen)} different sets of signing keys were seen: {sorted(seen)[:5]} ...")
    assert len(seen) > 3


# ---- changes ----

def test_changes(own):
    with own.admin() as admin:
        first = admin.ask("changes", 1)
        assert first.ok and int(first.value("epoch")) == 2
        assert {r["subject"] for r in first.of("change")} == {"t:acme", "t:bolt", "d:a.test", "d:alias.test", "d:b.test", "d:else.test", "b:"}
        assert admin.ask("changes", 99).status == "too" and "epoch=2" in admin.ask("changes", 99).last, "an older store"
        assert admin.apply(("change", "tenant", {"name": "bolt"})).ok
        # what has just been seen is told again for a while: a replica may show cn=store first
        assert {r["subject"] for r in admin.ask("changes", 3).of("change")} >= {"t:bolt"}
    with own.gateway() as gateway:
        assert gateway.ask("changes", 3).of("change") == []
        # what a writer is about to change is told each time
        own.modify(f"dn: cn=store,{BASE}\nchangetype: modify\nadd: signpostPending\nsignpostPending: 20260101000000Z n1 d:dead.test\n")
        for _ in range(2):
            assert [r["subject"] for r in gateway.ask("changes", 3).of("change")] == ["d:dead.test"]
        assert gateway.ask("changes", 3, 0).status == "too"
    with own.admin() as admin:
        assert admin.apply(("change", "tenant", {"name": "bolt"})).ok
        answer = admin.ask("changes", 3)
        assert {"epoch": "4", "subject": "d:dead.test"} in answer.of("change"), "a writer that died long ago is ended"
    assert "signpostPending" not in own.entry(f"cn=store,{BASE}")


def test_the_list_of_changes_is_bounded(own):
    with own.admin() as admin:
        assert admin.ask("load", "domains", "acme", 1500, "many").ok
        store = own.entry(f"cn=store,{BASE}")
        assert len(store["signpostChange"]) <= 1000 and store["signpostEpoch"] == ["4"]
        assert admin.ask("changes", 2).status == "too"
        answer = admin.ask("changes", 3)
        assert answer.ok and len(answer.of("change")) == 500
        found, after = [], ""
        while page := names(admin.ask("list", "domain", after, 400), "domain"):
            found, after = found + page, page[-1]
        assert found == sorted([f"many{n}.example" for n in range(1500)] + ["a.test", "alias.test", "b.test"])


def test_now(own):
    with own.admin() as admin, own.gateway() as gateway:
        for one in (admin, gateway):
            assert abs(int(one.ask("now").value("now")) - time.time()) < 3


# ---- connections and rights ----

def test_every_way_in(shared, authority):
    ways = [shared.gateway(), shared.gateway(tls=1, ca=authority.ca), shared.gateway(shared.tls_url, ca=authority.ca),
            shared.gateway(shared.local_url), shared.gateway(shared.local_url, mechanism="EXTERNAL", user=None, password=None)]
    for one in ways:
        with one:
            assert names(one.ask("keys", "a.test"), "key", "selector") == ["s2", "s1"]


def test_a_gateway_of_the_group(shared):
    with shared.gateway(user=f"cn=gw2,{ldapstore.TOP}") as one:
        assert names(one.ask("keys", "a.test"), "key", "selector") == ["s2", "s1"]


def test_the_sample(folder):
    """As it is, added by the administrator below an entry that is there."""
    one = Directory(folder)
    one.load(ldapstore.top())
    one.start()
    try:
        text = (LDIF / "sample.ldif").read_text()
        text = text.replace("dn: ou=signpost,dc=example,dc=com\nobjectClass: organizationalUnit\nou: signpost\n\n", "")
        done = subprocess.run(["ldapadd", "-x", "-H", one.url, "-D", ADMIN, "-w", ADMIN_PASSWORD], input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        with one.gateway() as gateway, one.admin() as admin:
            assert names(gateway.ask("senders", "x.acme.example", "acme.example"), "domain") == ["acme.example"]
            assert gateway.ask("senders", "acme.test").of("domain")[0]["signs_as"] == "acme.example"
            assert names(gateway.ask("address", "news@list.example"), "rule", "id") == ["newsletter"]
            assert "address_rules" in gateway.ask("senders", "list.example").last
            assert gateway.ask("keys", "acme.example").of("key") == [] and len(admin.ask("list", "key", "", 9).of("key")) == 1
            assert gateway.ask("bindings", "login:@acme.example").of("binding")[0]["tenant"] == "acme"
            assert admin.ask("init").last == "ok from=1 to=1"
            assert admin.apply(("change", "domain", {"name": "acme.test", "tenant": "acme", "signs_as": "acme.example", "revision": 1})).ok
    finally:
        one.stop()


def refused(one, *says):
    with one:
        for question in ("senders", "keys", "address", "patterns", "bindings"):
            answer = one.ask(question, "news@else.test" if question == "address" else "acme" if question == "patterns" else "a.test")
            assert answer.status == "unavailable" and answer.rows == [], answer
            assert any(s in answer.last for s in says), answer
        assert one.ask("changes", 0).status == "unavailable"
        assert "secret" not in one.ask("keys", "a.test").last


def test_wrong_password_base_and_nobody(shared):
    refused(shared.gateway(password="wrong-secret"), "correct LDAPBindUser and LDAPBindPassword")
    refused(shared.gateway(base="ou=other,dc=example,dc=com"), "has no base")
    refused(shared.gateway(user=None, password=None), "has no base", "no entry of class signpostStore")
    refused(shared.gateway(base="dc=example,dc=com", user=None, password=None), "no entry of class signpostStore")


def test_nobody_reads_a_key(shared):
    secret = "spk1:1:AAAA"
    assert secret in shared.search("(objectClass=signpostKey)", dn=GATEWAY, password=ldapstore.GATEWAY_PASSWORD)
    for query in ("(objectClass=signpostKey)", "(signpostSelector=*)", "(signpostPrivateKey=*)", "(objectClass=*)"):
        for base in (BASE, "dc=example,dc=com", f"signpostSelector=s1,signpostDomainName=a.test,ou=domains,{BASE}"):
            assert "signpost" not in shared.search(query, base=base).replace(BASE, "").replace("cn: signpost-", "").replace("cn=signpost-", "")
    for query in ("(signpostPrivateKey=spk1:1:AAAA)", "(signpostPrivateKey=spk*)"):
        found = shared.search(query, dn=GATEWAY, password=ldapstore.GATEWAY_PASSWORD)
        assert found == "", "it cannot be searched for, even by who may read it"
    done = subprocess.run(["ldapmodify", "-x", "-H", shared.url, "-D", GATEWAY, "-w", ldapstore.GATEWAY_PASSWORD], text=True,
                          input=f"dn: cn=store,{BASE}\nchangetype: modify\nreplace: signpostEpoch\nsignpostEpoch: 1\n", capture_output=True)
    assert done.returncode == 50, "a gateway writes nothing"


def test_certificates(folder, shared, authority):
    refused(shared.gateway(tls=1), "does not start TLS")
    refused(shared.gateway(shared.tls_url), "cannot be reached")
    old = made(folder, name="expired", tls=authority.expired)
    try:
        refused(old.gateway(tls=1, ca=authority.ca), "does not start TLS")
        refused(old.gateway(old.tls_url, ca=authority.ca), "cannot be reached")
        with old.gateway(old.tls_url, verify=0) as one:
            assert one.ask("keys", "a.test").ok
    finally:
        old.stop()


def test_schema_missing(folder):
    one = made(folder, start=False, with_schema=False)
    one.start()
    try:
        with Driver(f"{one.url}/{BASE}", write=True, user=ldapstore.ROOT_DN, password=ldapstore.ROOT_PASSWORD) as root:
            answer = root.ask("init")
            assert answer.status == "invalid" and "is the schema of ldif/ loaded?" in answer.last, answer
        refused(Driver(f"{one.url}/{BASE}"), "no entry of class signpostStore")
    finally:
        one.stop()


def identity_of(who):
    return re.fullmatch(r"(?:ok|too big) epoch=\d+ schema=0 identity=(.*)", who.ask("changes", 0).last)[1]


def test_schema_of_before(folder):
    """It works without an identity; the first who writes, or init, makes one as soon as there is room for it."""
    one = made(folder, older=True)
    try:
        with one.gateway() as gateway, one.admin() as admin:
            assert gateway.ask("keys", "a.test").of("key") != [] and identity_of(gateway) == ""
            assert admin.apply(("put", "tenant", {"name": "new"})).ok and admin.ask("init").last == "ok from=1 to=1"
            answer = admin.ask("renew")
            assert answer.status == "unavailable" and "is the schema of ldif/ loaded?" in answer.last, answer
            assert "the rows are written" not in answer.last, answer
            one.upgrade("identity.ldif")
            assert gateway.ask("keys", "a.test").of("key") != [] and identity_of(gateway) == ""
            assert admin.apply(("put", "tenant", {"name": "new"})).ok
            first = identity_of(gateway)
            assert re.fullmatch("[0-9a-f]{32}", first)
            assert admin.apply(("put", "tenant", {"name": "new"})).ok and admin.ask("init").ok
            assert identity_of(gateway) == identity_of(admin) == first
            assert admin.ask("renew").ok and identity_of(gateway) not in ("", first)
            one.modify(f"dn: cn=store,{BASE}\nchangetype: modify\ndelete: signpostStoreIdentity\n")
            assert identity_of(gateway) == "" and admin.ask("init").ok and len(identity_of(gateway)) == 32
    finally:
        one.stop()


def test_schemas_of_before_and_of_now_are_one():
    """identity.ldif and lifecycle.ldif make of the old forms what signpost.ldif is."""
    whole, identity, life = ((LDIF / name).read_text() for name in ("signpost.ldif", "identity.ldif", "lifecycle.ldif"))
    for more, text, count in ((identity, ldapstore.without_life(whole), 2), (life, whole, 16)):
        found = re.findall(r"\( signpost(?:Attributes|Classes):.*\n(?:  .*\n)+", more)
        assert len(found) == count and all(definition in text for definition in found)
    rights = {name: (LDIF / name).read_text() for name in ("acl.ldif", "indexes.ldif")}
    for line in life[life.index("olcDbIndex"):].splitlines():
        assert line in rights["acl.ldif"] + rights["indexes.ldif"] + "dn: olcDatabase={1}mdb,cn=config", line


@pytest.mark.parametrize("spec, says", [
    ("ldap:x", "an LDAP URL is needed"), ("ldap://h", "needs the name of its entry"), ("ldap://h/ou=x?a", "nothing may follow"),
    ("ldap://h:0/ou=x", "names no server"), ("ldap://u:p@h/ou=x", "names a user"), ("ldap://h/ou=%zz", "needs the name")])
def test_bad_specifications(spec, says):
    done = subprocess.run([ldapstore.DRIVER, spec], input="", capture_output=True, text=True)
    assert done.returncode == 1 and says in done.stdout and ":p@" not in done.stdout


# ---- servers in trouble ----

def test_start_without_a_server(folder):
    one = made(folder)
    one.stop()
    with one.gateway(timeout=2) as gateway:
        begun = time.monotonic()
        for _ in range(50):
            assert gateway.ask("keys", "a.test").status == "unavailable"
        patience.check(time.monotonic() - begun, 0.1, 50 * 2, "50 questions that are refused")
        one.start()
        assert procs.wait_until(lambda: gateway.ask("keys", "a.test").ok)
    one.stop()


def test_killed_and_restarted(own):
    with own.gateway() as gateway:
        assert gateway.ask("keys", "a.test").ok
        own.kill()
        assert gateway.ask("keys", "a.test").status == "unavailable"
        own.start()
        assert procs.wait_until(lambda: gateway.ask("keys", "a.test").ok)
        # between two questions: the connection that was idle is lost, and nobody notices
        own.kill()
        own.start()
        assert gateway.ask("keys", "a.test").ok


def test_killed_under_questions_of_many_threads(own):
    with own.gateway() as gateway:
        gateway.send("threads 8 3000 a.test")
        time.sleep(0.3)
        own.kill()
        time.sleep(0.2)
        own.start()
        answer = gateway.take()
        print(answer.last)
        assert int(answer.value("answered")) + int(answer.value("unavailable")) == 24000, "an answer that is neither"
        assert int(answer.value("answered")) > 100


def test_stopped_in_the_middle(own):
    with own.gateway(timeout=1) as gateway:
        assert gateway.ask("keys", "a.test").ok
        own.pause()
        begun = time.monotonic()
        answer = gateway.ask("keys", "a.test")
        assert answer.status == "unavailable" and "in time" in answer.last, answer
        assert 0.5 < time.monotonic() - begun < patience.seconds(30)
        begun = time.monotonic()
        for _ in range(10):
            assert gateway.ask("keys", "a.test").status == "unavailable"
        patience.check(time.monotonic() - begun, 0, 10 * 1, "10 questions to a server that is known to be silent")
        own.go_on()
        assert procs.wait_until(lambda: gateway.ask("keys", "a.test").ok)


@pytest.mark.parametrize("octets, piece", [
    (b"", None), (b"\x30\x82\x10\x00\x02\x01\x02\x64", None), (b"\x30\x82\x01\x00" + b"\2" * 100, 1),
    (b"\x30\x84\x7f\xff\xff\xff\x02\x01\x02\x64", None), (b"HTTP/1.1 400 Bad Request\r\n\r\n", None),
    (bytes.fromhex("300c02010265070a010004000400"), None)],
   ids=["nothing", "a head", "a trickle", "a huge length", "HTTP", "success without entries"])
def test_servers_that_lie(octets, piece):
    liar = Liar(octets, piece, BOUND)
    with Driver(f"{liar.url}/{BASE}", timeout=1) as one:
        begun = time.monotonic()
        for question in ("keys", "senders"):
            answer = one.ask(question, "a.test")
            assert answer.status == "unavailable" and answer.rows == [], answer
        assert time.monotonic() - begun < patience.seconds(30)
    liar.listener.close()


def test_second_server_takes_over(own, shared):
    with own.gateway(f"ldap://127.0.0.1:{procs.free_port()}", base=f"{BASE} {own.url} {shared.url}", timeout=2) as gateway:
        assert gateway.ask("keys", "a.test").ok
        own.kill()
        assert gateway.ask("keys", "a.test").ok, "the third"


def test_size_limit_is_no_answer(own):
    own.modify(f"dn: olcDatabase={{1}}mdb,cn=config\nchangetype: modify\nreplace: olcLimits\nolcLimits: dn.exact=\"{GATEWAY}\" size=2\n",
               "cn=config")
    with own.gateway() as gateway:
        answer = gateway.ask("keys", "a.test")
        assert answer.status in ("too", "unavailable") and answer.rows == [], answer
        assert "size limit" in answer.last.lower()
        assert gateway.ask("keys", "b.test").ok


def test_referral_is_no_answer(own):
    own.modify(f"dn: ou=elsewhere,ou=domains,{BASE}\nchangetype: add\nobjectClass: referral\nobjectClass: extensibleObject\n"
               "ou: elsewhere\nref: ldap://other.example.com/ou=elsewhere\n")
    with own.gateway() as gateway:
        answer = gateway.ask("keys", "a.test")
        assert answer.status == "unavailable" and "refers to another server" in answer.last, answer


@pytest.mark.parametrize("dn, attribute, value", [
    ("signpostDomainName=a.test,ou=domains", "signpostRevision", "-5"),
    ("signpostSelector=s2,signpostDomainName=a.test,ou=domains", "signpostActiveAt", "19690101000000Z"),
    ("signpostSelector=s2,signpostDomainName=a.test,ou=domains", "signpostKeyBits", "99999999999"),
    ("cn=store", "signpostEpoch", "-1")])
def test_bad_values_name_the_entry(own, dn, attribute, value):
    own.modify(f"dn: {dn},{BASE}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n")
    with own.gateway() as gateway:
        answer = gateway.ask("keys", "a.test")
        assert answer.status == "invalid" and attribute in answer.last and dn.split(",")[0] in answer.last, answer
        assert gateway.ask("keys", "b.test").ok or dn == "cn=store", "a bad row hurts only itself"


def test_replica(folder, own):
    """Reads from it, and writes nothing to it: a refusal is an error that says what to do."""
    copy = Directory(folder, name="copy", consumer_of=own)
    copy.start()
    try:
        with copy.gateway() as gateway, own.admin() as admin:
            assert procs.wait_until(lambda: gateway.ask("keys", "a.test").ok)
            assert procs.wait_until(lambda: names(gateway.ask("keys", "a.test"), "key", "selector") == ["s2", "s1"])
            assert admin.apply(("add", "key", key("a.test", "s9", active=1_750_000_000))).ok
            assert procs.wait_until(lambda: names(gateway.ask("keys", "a.test"), "key", "selector")[0] == "s9")
            assert "d:a.test" in {r["subject"] for r in gateway.ask("changes", 2).of("change")}
        with copy.admin() as admin:
            answer = admin.apply(("add", "tenant", {"name": "new"}))
            assert answer.status == "unavailable" and "is it a replica?" in answer.last, answer
            assert admin.ask("now").status == "unavailable"
    finally:
        copy.stop()


def test_killed_in_the_middle_of_a_batch(own):
    """Each entry is there as a whole or not at all, and what was begun is told to gateways."""
    with own.admin() as admin:
        for turn in range(20):
            before = int(admin.ask("changes", 0).value("epoch"))
            batch = [f"m{turn}x{n}.test" for n in range(900)]
            for name in batch:
                admin.send(f"add domain name={name} tenant=acme")
            admin.send("apply")
            time.sleep(0.15 / (turn + 1))
            own.kill()
            answer = admin.take()
            own.start()
            assert procs.wait_until(lambda: admin.ask("keys", "a.test").ok)
            if not answer.ok:
                break
        assert answer.status == "unavailable" and "at=900" in answer.last, answer
        there = [name for name in batch if admin.ask("senders", name).rows]
        print(f"{len(there)} of 900 rows were written when slapd was killed, in turn {turn}")
        if len(there) < 900:
            assert there == batch[:len(there)], "in the order of the batch"
        if there:
            changes = admin.ask("changes", before)
            told = {r["subject"] for r in changes.of("change")}
            assert changes.status == "too" or {f"d:{name}" for name in batch} <= told, "too many are all"
        assert admin.apply(*[("put", "domain", {"name": name, "tenant": "acme"}) for name in batch]).ok, "it ends what was begun"
        assert names(admin.ask("senders", batch[-1]), "domain") == [batch[-1]]


# ---- Zimbra ----

def test_zimbra_mirror(folder):
    one = made(folder, zimbra=True)
    dn = f"signpostDomainName=a.test,ou=domains,{BASE}"
    pem = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"
    try:
        with one.admin() as admin:
            assert admin.apply(("add", "key", key("a.test", "p1", active=1_700_000_200, mirror_pem=pem))).ok
            assert "DKIMKey" not in one.entry(dn), "only on request"
            one.modify(f"dn: {dn}\nchangetype: modify\nadd: signpostMirrorZimbra\nsignpostMirrorZimbra: TRUE\n")
            answer = admin.apply(("add", "key", key("a.test", "p2", active=1_700_000_300)))
            assert answer.status == "invalid" and "signpostMirrorZimbra" in answer.last, answer
            new = key("a.test", "p2", active=1_700_000_300, public_key="M" * 300, mirror_pem=pem)
            assert admin.apply(("add", "key", new)).ok
            entry = one.entry(dn)
            assert (entry["DKIMSelector"], entry["DKIMKey"], entry["DKIMDomain"], entry["DKIMIdentity"]) == (["p2"], [pem], ["a.test"], ["a.test"])
            assert "DKIM" in entry["objectClass"] and entry["DKIMPublicKey"][0].startswith("p2._domainkey\tIN\tTXT\t( \"v=DKIM1; k=rsa; \"")
            # a change of the domain leaves it alone; another algorithm is none of Zimbra's
            assert admin.apply(("change", "domain", {"name": "a.test", "tenant": "acme"}),
                               ("add", "key", {**key("a.test", "e1", active=1_700_000_400), "algorithm": "ed25519-sha256"})).ok
            assert one.entry(dn)["DKIMSelector"] == ["p2"]
            # rotated in one batch, whatever comes first
            old = {**new, "retiring": NOW - 1_000_000_000, "mirror_pem": ""}
            assert admin.apply(("change", "key", old), ("add", "key", key("a.test", "p3", active=1_700_000_500, mirror_pem=pem))).ok
            assert one.entry(dn)["DKIMSelector"] == ["p3"]
            assert admin.apply(("change", "key", key("a.test", "p3", active=1_700_000_500, compromised=NOW - 1_000_000_000))).ok
            entry = one.entry(dn)
            assert not [n for n in entry if n.startswith("DKIM")] and "DKIM" not in entry["objectClass"]
    finally:
        one.stop()


def test_what_is_shown_to_zimbra_stays(folder):
    """A key that signs and is only written anew takes no place, nor does an older one; a newer one does."""
    one = made(folder, zimbra=True)
    dn = f"signpostDomainName=b.test,ou=domains,{BASE}"

    def row(selector, active, **more):
        return key("b.test", selector, tenant="bolt", active=active, mirror_pem=f"PEM of {selector}", **more)

    def shown():
        return one.entry(dn).get("DKIMSelector")
    try:
        one.modify(f"dn: {dn}\nchangetype: modify\nadd: signpostMirrorZimbra\nsignpostMirrorZimbra: TRUE\n")
        with one.admin() as admin:
            assert admin.apply(("add", "key", row("m5", 1_700_000_500))).ok and shown() == ["m5"]
            older = row("m4", 1_700_000_400)
            assert admin.apply(("add", "key", {**older, "mirror_pem": ""})).ok and shown() == ["m5"], "it needs no PEM either"
            same = row("m3", 1_700_000_500)
            assert admin.apply(("add", "key", same), ("change", "key", {**older, "revision": 2})).ok and shown() == ["m5"]
            assert admin.apply(("add", "key", row("m6", 1_700_000_600))).ok and shown() == ["m6"]
            # what takes its place stands before it in the batch, or behind it, and is older
            for new, old, order in (("m3", "m6", 1), ("m4", "m3", -1)):
                began = {"m3": 1_700_000_500, "m4": 1_700_000_400, "m6": 1_700_000_600}
                revision = 2 if new == "m4" else 1
                writes = [("change", "key", row(old, began[old], retiring=NOW - 1_000_000_000)),
                          ("change", "key", row(new, began[new], revision=revision))]
                assert admin.apply(*writes[::order]).ok and shown() == [new], (new, old)
            # one who died left another key of this selector
            one.modify(f"dn: {dn}\nchangetype: modify\nreplace: DKIMPublicKey\nDKIMPublicKey: another\n-\n"
                       "replace: DKIMKey\nDKIMKey: another\n")
            m4 = row("m4", 1_700_000_400, revision=2)
            assert admin.apply(("change", "key", {**m4, "mirror_pem": ""})).ok and one.entry(dn)["DKIMKey"] == ["another"]
            assert admin.apply(("change", "key", m4)).ok and shown() == ["m4"] and one.entry(dn)["DKIMKey"] == ["PEM of m4"]
            assert one.entry(dn)["DKIMPublicKey"][0].startswith("m4._domainkey")
            answer = admin.apply(("change", "domain", {"name": "b.test", "tenant": "bolt"}),
                                 ("add", "key", {**row("m9", 1_700_000_900), "mirror_pem": ""}))
            assert answer.status == "invalid" and "at=1" in answer.last and shown() == ["m4"], answer
    finally:
        one.stop()


def zimbra_tables(one):
    """As Zimbra's opendkim.conf has them, without its empty base."""
    return {"SigningTable": f"{one.url}/{BASE}?DKIMSelector?sub?(DKIMIdentity=$d)",
            "KeyTable": f"{one.url}/{BASE}?DKIMDomain,DKIMSelector,DKIMKey,?sub?(DKIMSelector=$d)",
            "LDAPBindUser": GATEWAY, "LDAPBindPassword": ldapstore.GATEWAY_PASSWORD, "Mode": "s", "CacheTTL": 1}


class Shown:
    """What a domain's entry shows to Zimbra, and what `signpost store records` says of its keys."""

    def __init__(self, one, store, name):
        self.one, self.store, self.name = one, store, name
        self.dn = f"signpostDomainName={name},ou=domains,{BASE}"

    def attributes(self):
        return {n: v for n, v in self.one.entry(self.dn).items() if n.startswith("DKIM")}

    def records(self):
        found = {}
        for line in self.store.run("records", self.name).stdout.splitlines():
            name, _, rest = line.partition("\t")
            found[name.rstrip(".")] = "".join(re.findall(r'"([^"]*)"', rest)) or rest
        return found

    def check(self, selector):
        entry, record = self.attributes(), self.records()[f"{selector}._domainkey.{self.name}"]
        assert (entry["DKIMSelector"], entry["DKIMDomain"], entry["DKIMIdentity"]) == ([selector], [self.name], [self.name])
        line = entry["DKIMPublicKey"][0]
        assert line.startswith(f"{selector}._domainkey\tIN\tTXT\t(")
        assert "".join(re.findall(r'"([^"]*)"', line)).replace(" ", "") == record.replace(" ", ""), (line, record)
        path = self.store.folder / "shown.pem"
        path.write_text(entry["DKIMKey"][0])
        public = keys.openssl("rsa", "-in", path, "-pubout", "-outform", "DER")
        assert record.split("p=")[1] == base64.b64encode(public).decode(), "DKIMKey is the private half of it"
        path.unlink()


def test_zimbra_reads_what_load_writes(program, folder):
    """Rotated by the tool, read by signpostd as by Zimbra's own."""
    if stores.missing():
        pytest.skip(stores.missing())
    one = Directory(folder, zimbra=True)
    one.load(ldapstore.top())
    one.start()
    text = b"From: a@z.test\r\nTo: t@sink.test\r\nSubject: x\r\nDate: Tue, 01 Sep 2026 10:00:00 +0000\r\n\r\nHello.\r\n"
    try:
        store = stores.ldap_store(one, folder)
        shown = Shown(one, store, "z.test")
        store.load("tenant acme\ndomain acme z.test\nkey acme z.test z0 generate:rsa-2048\n", "--strict")
        one.modify(f"dn: {shown.dn}\nchangetype: modify\nadd: signpostMirrorZimbra\nsignpostMirrorZimbra: TRUE\n")
        store.load("domain acme z.test subdomains=yes\nkey acme z.test z0 generate:rsa-2048\n", "--strict")
        assert shown.attributes() == {}, "z0 is not active"
        store.load("key acme z.test z1 generate:rsa-2048 active=now\n", "--strict")
        shown.check("z1")
        with Daemon(program, folder, zimbra_tables(one)) as daemon:
            def signs_with(selector):
                began, delivered = time.monotonic(), b""
                while f"s={selector};".encode() not in delivered:
                    assert time.monotonic() - began < patience.seconds(60), daemon.log()[-2000:]
                    result, delivered = milter.one_shot(daemon.address, text)
                    assert result.signed, daemon.log()[-2000:]
                assert verify.VERIFIERS[0].verify({"m": delivered}, shown.records())["m"] == [("z.test", "pass")]
            signs_with("z1")
            # the key that is there already is opened; the new one is behind the old one, then in front of it
            store.load("key acme z.test z1 generate:rsa-2048 retiring=now\nkey acme z.test z0 generate:rsa-2048 active=now\n", "--strict")
            shown.check("z0")
            signs_with("z0")
            store.load("key acme z.test z2 generate:rsa-2048 active=now\nkey acme z.test z0 generate:rsa-2048 retiring=now\n", "--strict")
            shown.check("z2")
            signs_with("z2")
            # an older one beside it, an Ed25519 one, the same lines again, and all sealed anew: nothing of it changes
            before = shown.attributes()
            store.load("key acme z.test z3 generate:rsa-2048 active=2026-01-01T00:00:00Z\n"
                       "key acme z.test e1 generate:ed25519 active=now\nkey acme z.test z2 generate:rsa-2048 active=now\n", "--strict")
            assert shown.attributes() == before
            stores.signpost("store", "sitekey", "add", store.site_key)
            stores.signpost("store", "sitekey", "activate", store.site_key)
            said = store.run("reseal").stdout
            assert "5 keys: 5 sealed with version 2, 0 left plain, 0 failed" in said, said
            assert shown.attributes() == before
            shown.check("z2")
            signs_with("z2")
            # without the site key the key that takes over cannot be opened: all stays as it was
            kept = store.site_key.read_bytes()
            store.site_key.unlink()
            stores.signpost("store", "sitekey", "new", store.site_key)
            done = store.run("load", "--strict", "-", good=False, text="key acme z.test z2 generate:rsa-2048 retiring=now\n"
                             "key acme z.test z4 generate:rsa-2048\n")
            assert done.returncode == 0, done.stderr
            assert shown.attributes() == {}, "none is shown when the one that was ends"
            done = store.run("load", "--strict", "-", good=False, text="key acme z.test z3 generate:rsa-2048 active=now retiring=2099-01-01T00:00:00Z\n")
            assert done.returncode == 65 and "signpostMirrorZimbra" in done.stderr, done
            store.site_key.write_bytes(kept)
            store.load("key acme z.test z3 generate:rsa-2048 active=now retiring=2099-01-01T00:00:00Z\n", "--strict")
            shown.check("z3")
    finally:
        one.stop()


@pytest.mark.parametrize("shown_first", [1, 150])
def test_an_interrupted_rotation_shows_the_new_keys(folder, shown_first):
    """Slapd is killed while many domains are rotated; the same load again makes all of them right."""
    if stores.missing():
        pytest.skip(stores.missing())
    one = Directory(folder, zimbra=True)
    one.load(ldapstore.top())
    one.start()
    domains = [f"z{n}.test" for n in range(300)]
    try:
        store = stores.ldap_store(one, folder)
        old = keys.make_key("rsa1024", folder / "old.pem").path
        store.load("tenant acme\n" + "".join(f"domain acme {d}\n" for d in domains), "--strict")
        one.modify("".join(f"dn: signpostDomainName={d},ou=domains,{BASE}\nchangetype: modify\nadd: signpostMirrorZimbra\n"
                           "signpostMirrorZimbra: TRUE\n\n" for d in domains))
        store.load("".join(f"key acme {d} old {old} active=now\n" for d in domains), "--strict")
        # some are made by the run, and made again by the next one if it did not come to write them
        new = {d: "generate:rsa-1024" if n % 10 == 0 else old for n, d in enumerate(domains)}
        text = "".join(f"key acme {d} old {old} retiring=now\nkey acme {d} new {new[d]} active=now\n" for d in domains)
        done = []
        thread = threading.Thread(target=lambda: done.append(store.run("load", "--strict", "-", text=text, good=False)))
        thread.start()

        def shown():
            return one.search("(DKIMSelector=new)", "1.1", dn=ldapstore.ROOT_DN, password=ldapstore.ROOT_PASSWORD).count("dn:")
        procs.wait_until(lambda: shown() >= shown_first or not thread.is_alive(), patience.seconds(60))
        one.kill()
        thread.join()
        one.start()
        before, some = shown(), one.search("(DKIMSelector=*)", "1.1", dn=ldapstore.ROOT_DN, password=ldapstore.ROOT_PASSWORD)
        assert some.count("dn:") == len(domains), "none is without a key meanwhile"
        store.load(text, "--strict")
        assert shown() == len(domains)
        for domain in domains[::5]:
            Shown(one, store, domain).check("new")
        print(f"killed with {before} of {len(domains)} shown; that load ended with {done[0].returncode}")
    finally:
        one.stop()


# ---- many ----

def many(count):
    dn = BASE
    text = [ldapstore.top(), f"dn: cn=store,{dn}\nobjectClass: signpostStore\ncn: store\nsignpostEpoch: 5\nsignpostChangesFrom: 5\n\n"]
    text += [f"dn: ou={o},{dn}\nobjectClass: organizationalUnit\nou: {o}\n\n" for o in ("tenants", "domains", "bindings")]
    text.append(f"dn: signpostTenantName=acme,ou=tenants,{dn}\nobjectClass: signpostTenant\nsignpostTenantName: acme\n\n")
    for n in range(count):
        name = f"d{n}.test"
        text.append(f"dn: signpostDomainName={name},ou=domains,{dn}\nobjectClass: signpostDomain\nsignpostDomainName: {name}\n"
                    f"signpostOwner: acme\n\ndn: signpostSelector=s,signpostDomainName={name},ou=domains,{dn}\n"
                    f"objectClass: signpostKey\nsignpostSelector: s\nsignpostKeyId: K{n}\nsignpostKeyDomain: {name}\n"
                    f"signpostOwner: acme\nsignpostAlgorithm: rsa-sha256\nsignpostPrivateKey: spk1:1:{'A' * 1600}\n"
                    "signpostActiveAt: 20260901100000Z\n\n")
    return "".join(text)


def test_a_hundred_thousand_domains(folder):
    """Ready at once, nothing of them in memory, and a cold look-up costs what it costs among a thousand."""
    servers, gateways, ready = {}, {}, {}
    cost = {(count, kind): [] for count in (1000, 100_000) for kind in ("keys", "senders")}
    try:
        for count in (1000, 100_000):
            one = servers[count] = Directory(folder, name=f"many{count}").start()     # it gets its indexes
            one.stop()
            one.load(many(count))
            one.start()
            begun = time.monotonic()
            gateways[count] = one.gateway()
            assert names(gateways[count].ask("keys", f"d{count - 1}.test"), "key", "selector") == ["s"]
            ready[count] = time.monotonic() - begun
        for n in range(900):      # by turns, as other work on the machine comes and goes
            for count, kind in cost:
                name = f"d{n * 7919 % count}.test"
                begun = time.monotonic()
                assert gateways[count].ask(kind, name).of("domain"), name
                cost[count, kind].append(time.monotonic() - begun)
        rss = {count: gateway.rss_kib() for count, gateway in gateways.items()}
    finally:
        for one in [*gateways.values(), *servers.values()]:
            one.close() if isinstance(one, Driver) else one.stop()
    for kind in ("keys", "senders"):
        few, lots = (sorted(cost[count, kind])[450] * 1e6 for count in (1000, 100_000))
        print(f"\ncold {kind}, median: {few:.0f} us among 1,000 domains, {lots:.0f} us among 100,000: ratio {lots / few:.2f}")
    print(f"ready after {ready[100_000]:.3f} s; RSS {rss[1000]} KiB and {rss[100_000]} KiB")
    assert ready[100_000] < 1
    assert rss[100_000] < rss[1000] * 1.3 + 1000


def test_the_longest_names(own):
    """A server takes no name of an entry of more than some 220 octets; a domain may have 253."""
    long = ".".join(["d" * 63] * 3 + ["e" * 56, "test"])
    assert len(long) == 253
    row = key(long, long, id="long", active=1_700_000_000)
    with own.admin() as admin:
        assert admin.apply(("add", "domain", {"name": long, "tenant": "acme"}), ("add", "key", row)).ok
        assert names(admin.ask("keys", long), "key", "selector") == [long]
        assert admin.apply(("add", "domain", {"name": long, "tenant": "acme"})).status == "denied"
        assert admin.apply(("remove", "domain", {"name": long, "tenant": "acme"})).status == "denied"
        assert admin.apply(("change", "key", {**row, "row_revision": 3, "bits": 2048})).ok
        assert admin.ask("keys", long).of("key")[0]["bits"] == "2048"


def test_a_lost_connection_ends_no_program(own):
    """libldap writes to a socket whose other end is gone; a program that does not ignore SIGPIPE goes on too."""
    with own.gateway() as gateway:
        for _ in range(12):
            gateway.send("threads 4 30 a.test")
            own.kill()
            assert gateway.take().ok
            own.start()
            procs.wait_until(lambda: gateway.ask("keys", "a.test").ok)
