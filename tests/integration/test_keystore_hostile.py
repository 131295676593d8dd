"""KeyStore against those who mean harm: other tenants, and whoever can write to the database."""
import concurrent.futures
import sqlite3
import time

import pytest

from lib import milter, patience, stores, verify
from lib.daemon import Daemon

pytestmark = pytest.mark.signpost("a KeyStore is ours")

DATE = "Date: Tue, 01 Sep 2026 10:00:00 +0000\r\n"
BOB = {b"{auth_type}": b"PLAIN", b"{auth_authen}": b"bob@bolt.test"}


def message(sender, before=""):
    return f"{before}From: {sender}\r\nTo: t@sink.test\r\nSubject: x\r\n{DATE}\r\nHello.\r\n".encode()


def world(keys):
    rsa, ed = keys["rsa2048"].path, keys["ed25519"].path
    return f"""tenant acme
tenant bolt
domain acme acme.test subdomains=yes
domain bolt bolt.test subdomains=yes
domain bolt xn--bcher-kva.test
key acme acme.test r1 {rsa} active=now
key acme acme.test e1 {ed} active=now
key bolt bolt.test b1 {rsa} active=now
key bolt xn--bcher-kva.test b2 {rsa} active=now
rule acme news address news@elsewhere.test acme.test
binding client:192.0.2.1 acme
binding client:mx.acme.test acme
binding login:@acme.test acme
binding login:bob@bolt.test bolt
binding listener:bolt bolt
"""


@pytest.fixture
def store(folder, shared_keys):
    if stores.missing():
        pytest.skip(stores.missing())
    one = stores.sqlite_store(folder)
    one.load(world(shared_keys))
    return one


def domains_of(daemon, sender, before="", **more):
    """The d= of the signatures on a message, or "later" or "refused"."""
    result, delivered = one(daemon, message(sender, before), **more)
    if result.verdict in ("tempfail", "reply", "reject"):
        return "refused" if result.verdict == "reject" or result.text.startswith("5") else "later"
    assert result.verdict in ("accept", "continue"), (result, daemon.log()[-1000:])
    return sorted(set(verify.signature_domains(delivered)))


def one(daemon, data, daemon_name=b"mta.test", client="192.0.2.66", host="[192.0.2.66]", macros=None, mail_macros=None, envelope="a@example.test"):
    try:
        with milter.Session(daemon.address, timeout=patience.seconds(30)) as session:
            answer = session.hello(host=host, client=client, daemon=daemon_name, macros=macros)
            answer = answer or session.message(data, sender=envelope, macros=mail_macros)
            return answer, session.apply(data, answer)
    except (milter.Closed, ConnectionError) as error:
        return milter.Result("lost", repr(error)), data


def login(name):
    return {b"{auth_type}": b"PLAIN", b"{auth_authen}": name}


STRANGE_LOGINS = [
    b"bob@bolt.test ", b" bob@bolt.test", b"bob@bolt.test.", b"bob%40bolt.test", b"'bob@bolt.test'", b"bob@bolt.test\xff", b"\xc3\xa9@bolt.test",
    b"bob@bolt.test\n", b"bob@bolt.test' OR '1'='1", b"%", b"_", b"*", b"login:bob@bolt.test", b"listener:bolt", b"client:192.0.2.1/32",
    b"x" * 498 + b"@bolt.test", b"\xef\xbc\xa2ob@bolt.test", b"b\xc5\x8fb@bolt.test", b"@bolt.test", b"@", b"b\xe2\x84\xaa@bolt.test",
    b"bob@acme.test@bolt.test", b"<bob@bolt.test>", b"bob@bolt.test,", b"\xff\xfe"]


def test_logins(program, folder, store):
    """No spelling of a login speaks for a tenant that it is not bound to."""
    with Daemon(program, folder, store.settings(InternalHosts="0.0.0.0/0,::/0")) as daemon:
        for name in (b"bob@bolt.test", b"BOB@BOLT.TEST"):
            assert domains_of(daemon, "x@bolt.test", mail_macros=login(name)) == ["bolt.test"], daemon.log()
            assert domains_of(daemon, "x@acme.test", mail_macros=login(name)) == []
        for name in STRANGE_LOGINS:
            for domain in ("bolt.test", "acme.test"):
                assert domains_of(daemon, f"x@{domain}", mail_macros=login(name)) == [], (name, daemon.log()[-600:])
        # a login is all there is: not the network, nor a name
        assert domains_of(daemon, "x@acme.test", client="192.0.2.1", mail_macros=login(b"x")) == []
        for name in (b"x" * 502 + b"@acme.test", b"a@acme.test", b"a@b@acme.test"):
            assert domains_of(daemon, "x@acme.test", mail_macros=login(name)) == ["acme.test"], name
        for name in (b"x" * 503 + b"@acme.test", b"x" * 5000 + b"@bolt.test"):
            assert domains_of(daemon, "x@acme.test", mail_macros=login(name)) == "later", "it is not cut"
        assert daemon.process.poll() is None


def test_clients(program, folder, store):
    """Addresses, names and listeners that look like those that are bound."""
    with Daemon(program, folder, store.settings(InternalHosts="0.0.0.0/0,::/0")) as daemon:
        assert domains_of(daemon, "x@acme.test", client="192.0.2.1") == ["acme.test"], daemon.log()
        for bad in (dict(client="192.0.2.10"), dict(client="192.0.2.1", daemon_name=b"BOLT"), dict(host="192.0.2.1/32"), dict(host="mx.acme.test.evil.test"),
                    dict(host="acme.test"), dict(client="::ffff:192.0.2.1"), dict(client="::ffff:192.0.2.2"), dict(client="2001:db8::1"),
                    dict(host="192.0.2.1"), dict(client="garbage"), dict(client="192.0.2.1 "), dict(client="192.0.2.1/32"), dict(client="")):
            assert domains_of(daemon, "x@acme.test", **bad) == [], bad
        assert domains_of(daemon, "x@acme.test", host="MX.Acme.Test.") == ["acme.test"]
        assert domains_of(daemon, "x@bolt.test", daemon_name=b"BOLT") == ["bolt.test"]
        assert domains_of(daemon, "x@bolt.test", client="192.0.2.1") == []


SENDERS = [
    # From as a tenant may write it -> what bolt gets at most
    ("x@bolt.test, x@acme.test", ["bolt.test"]), ("x@acme.test, x@bolt.test", ["bolt.test"]),
    ("Group: x@acme.test, x@bolt.test;", ["bolt.test"]), ("a: x@bolt.test; , x@acme.test", ["bolt.test"]),
    ('"x@bolt.test" <x@acme.test>', []), ("x@acme.test (x@bolt.test)", []), ("(x@bolt.test) x@acme.test", []),
    ("<x@bolt.test> <x@acme.test>", ["bolt.test"]), ("<@bolt.test:x@acme.test>", []), ("x@ACME.TEST", []), ("x@acme.test.", []), ("x@acme.test..", []),
    ("x@BOLT.test", ["bolt.test"]), ("x@sub.bolt.test", ["bolt.test"]), ("x@bolt.test.", ["bolt.test"]),
    ("x@b\u00fccher.test", ["xn--bcher-kva.test"]), ("x@B\u00dcCHER.test", ["xn--bcher-kva.test"]), ("x@xn--bcher-kva.test", ["xn--bcher-kva.test"]),
    ("x@acme\u3002test", []), ("x@\uff41cme.test", []), ("x@acme.test@bolt.test", ["bolt.test"]), ("x@bolt.test@acme.test", []),
    ("x@bolt.test%acme.test", []), ("x@[acme.test]", []), ("x@acme.test\r\n @bolt.test", ["bolt.test"]),
    ("x@" + "a." * 250 + "bolt.test", ["bolt.test"]), ("x@" + "a." * 100 + "bolt.test", ["bolt.test"]), ("x@" + "a" * 300 + ".bolt.test", []),
    ("x@.bolt.test", []), ("x@.acme.test", []), ("x@a..acme.test", []), ("news@elsewhere.test", []), ("NEWS@elsewhere.test", []), ("x@", []), ("", []), ("x", []),
    ("'; DROP TABLE keys; --@bolt.test", ["bolt.test"]), ("x@'; DROP TABLE keys;--", []), ("x@test", []), ("x@_.test", []), ("x@%.test", []), ("x@acm_.test", []),
]


OTHER_FIELDS = ("", "Sender: x@acme.test\r\n", "From: x@acme.test\r\n", "Resent-From: x@acme.test\r\n", "from : x@acme.test\r\n")


def test_senders(program, folder, store):
    """However From is written, and whatever else the message says: bolt signs as bolt at most."""
    with Daemon(program, folder, store.settings(InternalHosts="0.0.0.0/0,::/0")) as daemon:
        for sender, most in SENDERS:
            for before in OTHER_FIELDS:
                got = domains_of(daemon, sender, before, mail_macros=BOB, envelope="x@acme.test")
                assert got in ([], most, "later", "refused"), (sender, before, got, daemon.log()[-500:])
        assert daemon.process.poll() is None


# ---- whoever can write to the database ----

def change(store, sql, *values):
    """As somebody who has the file; the epoch grows, so that it is seen."""
    db = sqlite3.connect(store.folder / "store.db", timeout=60)
    db.execute("PRAGMA foreign_keys=0")
    with db:
        for one in sql.split(";; "):
            db.execute(one, values if "?" in one else ())
        db.execute("UPDATE epoch SET epoch = epoch + 1")
        db.execute("INSERT INTO changes (epoch, subject, at) SELECT epoch, 'b:', 0 FROM epoch")
        for table in ("domains", "tenants"):
            db.execute(f"INSERT INTO changes (epoch, subject, at) SELECT e.epoch, '{table[0]}:' || t.name, 0 FROM epoch e, {table} t")
    db.close()


HOSTILE = {
    "the row of a key given to another tenant": "UPDATE keys SET tenant = 'bolt', domain = 'bolt.test' WHERE selector = 'r1'",
    "a domain given to another tenant": "UPDATE domains SET tenant = 'bolt' WHERE name = 'acme.test'",
    "a domain and its keys given to another tenant": "UPDATE domains SET tenant = 'bolt' WHERE name = 'acme.test';; UPDATE keys SET tenant = 'bolt' WHERE domain = 'acme.test'",
    "texts swapped": "UPDATE keys SET private_key = (SELECT k.private_key FROM keys k WHERE k.selector = 'r1') WHERE tenant = 'bolt'",
    "signs as another's": "UPDATE domains SET signs_as = 'acme.test'  WHERE name = 'bolt.test'",
    "a rule to another's": "INSERT INTO rules VALUES ('bolt', 'x', 1, 'bolt.test', 'bolt.test', 'acme.test', '', 0, 1, 1, 0)",
    "a rule for another's sender": "INSERT INTO rules VALUES ('bolt', 'x', 1, 'acme.test', 'acme.test', 'bolt.test', '', 0, 1, 1, 0)",
    "an identity of another's": "INSERT INTO rules VALUES ('bolt', 'x', 1, 'bolt.test', 'bolt.test', 'bolt.test', 'ceo@acme.test', 0, 1, 1, 0)",
    "an identity with a line": "INSERT INTO rules VALUES ('bolt', 'x', 1, 'bolt.test', 'bolt.test', 'bolt.test', 'a' || char(13,10) || 'X: y@bolt.test', 0, 1, 1, 0)",
    "an identity with a tag": "INSERT INTO rules VALUES ('bolt', 'x', 1, 'bolt.test', 'bolt.test', 'bolt.test', 'a; d=acme.test; x=y@bolt.test', 0, 1, 1, 0)",
    "a selector with a tag": "UPDATE keys SET selector = 'b; d=acme.test' WHERE tenant = 'bolt'",
    "a selector with a NUL": "UPDATE keys SET selector = 'b' || char(0) || 'x' WHERE tenant = 'bolt'",
    "an algorithm": "UPDATE keys SET algorithm = 'rsa-sha256; d=acme.test' WHERE tenant = 'bolt'",
    "revisions lowered": "UPDATE keys SET revision = 0, row_revision = 0",
    "revisions raised": "UPDATE keys SET revision = 9223372036854775807, row_revision = 9223372036854775807",
    "negative numbers": "UPDATE keys SET revision = -1;; UPDATE domains SET revision = -1;; UPDATE tenants SET revision = -1",
    "words for numbers": "UPDATE keys SET active = 'yes', bits = 'x'",
    "numbers with fractions": "UPDATE keys SET active = 1.5",
    "numbers that are too large": "UPDATE keys SET active = 1e300",
    "times before the beginning": "UPDATE keys SET active = -9223372036854775808",
    "times after the end": "UPDATE keys SET retiring = 9223372036854775807, sign_until = 9223372036854775807",
    "no texts": "UPDATE keys SET private_key = ''",
    "NULs in texts": "UPDATE keys SET private_key = private_key || char(0) || 'x'",
    "a huge text": "UPDATE keys SET private_key = private_key || printf('%.*c', 5000000, 'x')",
    "a text that nothing may be as long as": "UPDATE keys SET private_key = zeroblob(20000000)",
    "a huge name": "UPDATE keys SET id = printf('%.*c', 60000, 'x') WHERE selector = 'b1'",
    "a huge failure policy": "UPDATE tenants SET failure = printf('%.*c', 60000, 'x')",
    "a failure policy with formats": "UPDATE tenants SET failure = '%s%n%s%n'",
    "a tenant's name": "UPDATE tenants SET name = 'acme ' WHERE name = 'bolt';; UPDATE domains SET tenant = 'acme ' WHERE tenant = 'bolt'",
    "a binding to nobody": "UPDATE bindings SET tenant = 'ACME'",
    "a binding with a NUL": "UPDATE bindings SET tenant = 'bolt' || char(0) || 'acme'",
    "many rules": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
                  "INSERT INTO rules SELECT 'bolt', 'x' || i, 1, 'bolt.test', 'bolt.test', 'bolt.test', '', 0, 1, 1, 0 FROM n",
    "many patterns": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
                     "INSERT INTO rules SELECT 'bolt', 'x' || i, 3, 'x' || i || '*', '', 'bolt.test', '', 0, 1, 1, 0 FROM n",
    "patterns that never end": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
                     "INSERT INTO rules SELECT 'bolt', 'x' || i, 3, '((a|aa){1,}){1,}(' || i || '|@nowhere.tes[uv])', '', 'bolt.test', '', 0, 1, 1, 0 FROM n",
    "many keys": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
                 "INSERT INTO keys (id, tenant, domain, selector, algorithm, public_key, private_key, revision, row_revision, active) "
                 "SELECT 'x' || i, 'bolt', 'bolt.test', 'x' || i, 'rsa-sha256', '', printf('%.*c', 60000, 'x'), 1, 1, 1 FROM n",
    "an epoch before": "UPDATE epoch SET epoch = 1",
    "no epoch": "DELETE FROM epoch",
    "an epoch at the end": "UPDATE epoch SET epoch = 9223372036854775806",
    "no tables": "DROP TABLE bindings",
    "a schema of later": "UPDATE migrations SET version = 99 WHERE version = 1",
    "no version": "DELETE FROM migrations",
}


def test_hostile_rows(program, folder, store):
    """Each in a copy of the store: signatures of the tenant's own, strangers without one, or a tempfail, and soon."""
    kept = store.site_key.read_text().split()[-1]

    def one_of_them(numbered):
        part = folder / str(numbered[0])
        part.mkdir()
        (part / "site.key").write_bytes(store.site_key.read_bytes())
        backup(folder / "store.db", part / "store.db")
        hostile_rows(program, stores.Store(part, f"sqlite:{part}/store.db"), numbered[1], kept)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for _ in pool.map(one_of_them, enumerate(HOSTILE)):
            pass


def backup(of, to):
    source, copy = sqlite3.connect(of), sqlite3.connect(to)
    source.backup(copy)
    copy.execute("PRAGMA journal_mode=WAL")
    source.close()
    copy.close()


def hostile_rows(program, store, what, kept):
    with Daemon(program, store.folder, store.settings(InternalHosts="0.0.0.0/0,::/0")) as daemon:
        assert domains_of(daemon, "x@bolt.test", mail_macros=BOB) == ["bolt.test"]
        pids = [daemon.pid, *daemon.tree()]
        change(store, HOSTILE[what])
        end = time.monotonic() + 1.5
        while time.monotonic() < end:      # before and after it was heard of
            for sender in ("x@bolt.test", "x@acme.test", "other@nowhere.test", "a" * 33 + "@nowhere.test"):
                began = time.monotonic()
                got = domains_of(daemon, sender, mail_macros=BOB)
                patience.check(time.monotonic() - began, 0.5, patience.seconds(20), what)
                assert got in (["bolt.test"], "later") if sender == "x@bolt.test" else got in ([], "later"), (what, sender, got, daemon.log()[-800:])
        log = daemon.log()
        assert kept not in log and "spk1:" not in log and "PRIVATE KEY" not in log, what
        assert daemon.process.poll() is None and pids == [daemon.pid, *daemon.tree()], (what, log[-800:])
