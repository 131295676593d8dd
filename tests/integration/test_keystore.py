"""KeyStore: tenants, sealed keys, failure policies; a store that is away, slow, behind, or has lost its site key."""
import signal
import sqlite3
import time

import pytest

from lib import ldapstore, mariadb, milter, patience, postfix, procs, slapd, smtpc, stores, verify
from lib.daemon import Daemon
from lib.load import Load

pytestmark = pytest.mark.signpost("a KeyStore is ours")

DATE = "Date: Tue, 01 Sep 2026 10:00:00 +0000\r\n"


def message(domain, user="alice"):
    return f"From: {user}@{domain}\r\nTo: t@sink.test\r\nSubject: x\r\n{DATE}\r\nHello.\r\n".encode()


def world(keys):
    """Two tenants; each key is that of its algorithm and size."""
    rsa, ed = keys["rsa2048"].path, keys["ed25519"].path
    return f"""tenant acme
tenant bolt
domain acme acme.test subdomains=yes
domain acme alias.test signs-as=acme.test
domain acme empty.test
domain bolt bolt.test
key acme acme.test r1 {rsa} active=now
key acme acme.test e1 {ed} active=now
key bolt bolt.test b1 {rsa} active=now
rule acme news address news@elsewhere.test acme.test
binding client:127.0.0.1/32 acme
binding login:bob@bolt.test bolt
binding listener:bolt bolt
"""


@pytest.fixture(scope="module")
def server(module_folder):
    if mariadb.missing():
        pytest.skip(mariadb.missing())
    one = mariadb.MariaDB(module_folder).start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def directory(module_folder):
    if slapd.program() is None:
        pytest.skip("slapd is not installed")
    one = ldapstore.Directory(module_folder)
    one.load(ldapstore.top())
    one.start()
    yield one
    one.stop()


@pytest.fixture(params=["sqlite", "mysql", "ldap"])
def store(request, folder, shared_keys):
    if stores.missing():
        pytest.skip(stores.missing())
    if request.param == "sqlite":
        one = stores.sqlite_store(folder)
    elif request.param == "mysql":
        one = stores.mysql_store(request.getfixturevalue("server"), folder)
    else:
        one = stores.ldap_store(request.getfixturevalue("directory"), folder)
    one.load(world(shared_keys))
    return one


@pytest.fixture
def sqlite(folder, shared_keys):
    if stores.missing():
        pytest.skip(stores.missing())
    one = stores.sqlite_store(folder)
    one.load(world(shared_keys))
    return one


RECORDS = {"r1._domainkey.acme.test": "rsa2048", "e1._domainkey.acme.test": "ed25519", "b1._domainkey.bolt.test": "rsa2048"}


def verdicts(delivered, shared_keys):
    return verify.VERIFIERS[0].verify({"m": delivered}, {n: shared_keys[k].record for n, k in RECORDS.items()})["m"]


def metric(daemon, name):
    """The value of a line of MetricsFile."""
    path = daemon.folder / "metrics"
    lines = path.read_text().splitlines() if path.exists() else []
    return next((float(line.split()[-1]) for line in lines if line.startswith(name + " ")), 0.0)


def test_tenants(program, folder, store, shared_keys):
    with Daemon(program, folder, store.settings(MetricsFile=folder / "metrics", MetricsInterval=1)) as daemon:
        def send(domain, user="alice", **more):
            return milter.one_shot(daemon.address, message(domain, user), **more)

        result, delivered = send("acme.test")
        assert result.signed, daemon.log()
        assert sorted(verdicts(delivered, shared_keys)) == [("acme.test", "pass"), ("acme.test", "pass")]
        for domain, user in (("sub.acme.test", "x"), ("alias.test", "x"), ("elsewhere.test", "news")):
            result, delivered = send(domain, user)
            assert result.signed and verify.signature_domains(delivered) == ["acme.test", "acme.test"], (domain, daemon.log())
        # another tenant's, and nobody's
        result, delivered = send("bolt.test")
        assert not result.signed and verify.signature_domains(delivered) == []
        assert "tenant 'acme' may not send as alice@bolt.test" in daemon.log()
        assert not send("elsewhere.test", "other")[0].signed
        # a login speaks for its tenant, and not for the network it is in
        login = {b"{auth_type}": b"PLAIN", b"{auth_authen}": b"Bob@Bolt.test"}
        result, delivered = send("bolt.test", macros=login)
        assert result.signed and verdicts(delivered, shared_keys) == [("bolt.test", "pass")]
        assert not send("acme.test", macros=login)[0].signed
        stranger = {b"{auth_type}": b"PLAIN", b"{auth_authen}": b"eve@example.test"}
        assert not send("acme.test", macros=stranger)[0].signed
        result, _ = send("empty.test")
        assert result.verdict == "tempfail" or result.text.startswith("4"), "a domain without a key waits"
        assert procs.wait_until(lambda: metric(daemon, 'signpost_unsigned_total{reason="tenant"}') == 3)


def test_tenant_map_and_open_sessions(program, folder, sqlite):
    """TenantMap is asked first; without RequireTenant the owner of the sender signs."""
    with Daemon(program, folder, sqlite.settings(TenantMap="csl:client:127.0.0.1/32=bolt", InternalHosts="0.0.0.0/0")) as daemon:
        assert milter.one_shot(daemon.address, message("bolt.test"))[0].signed
        assert not milter.one_shot(daemon.address, message("acme.test"))[0].signed
        assert not milter.one_shot(daemon.address, message("acme.test"), client="192.0.2.9", host="x.test")[0].signed
    with Daemon(program, folder, sqlite.settings(RequireTenant="no", InternalHosts="0.0.0.0/0"), name="open") as daemon:
        for domain in ("acme.test", "bolt.test"):
            assert milter.one_shot(daemon.address, message(domain), client="192.0.2.9", host="x.test")[0].signed, daemon.log()


def test_through_postfix(program, folder, store, shared_keys, sink):
    if postfix.missing():
        pytest.skip(postfix.missing())
    with Daemon(program, folder, store.settings()) as daemon:
        with postfix.Postfix(folder, sink.port, [f"inet:127.0.0.1:{daemon.port}"]) as mta:
            client = smtpc.Client(mta.ports[0])
            client.send("alice@acme.test", ["t@sink.test"], message("acme.test"))
            client.quit()
            assert sink.wait_for(1), mta.log()[-2000:]
    (delivered,) = sink.take()
    assert sorted(verdicts(delivered.data, shared_keys)) == [("acme.test", "pass"), ("acme.test", "pass")]


def test_a_change_is_in_force(program, folder, store, shared_keys):
    """A key retired and another made active by one load: within the poll the new one signs, and never none."""
    with Daemon(program, folder, store.settings()) as daemon:
        assert milter.one_shot(daemon.address, message("bolt.test"), macros={
            b"{auth_type}": b"PLAIN", b"{auth_authen}": b"bob@bolt.test"})[0].signed
        store.load(f"key bolt bolt.test b1 {shared_keys['rsa2048'].path} active=now retiring=now\n"
                   f"key bolt bolt.test b2 {shared_keys['rsa2048'].path} active=now\n")
        began, seen = time.monotonic(), b""
        while b"s=b2" not in seen:
            result, seen = milter.one_shot(daemon.address, message("bolt.test"), macros={
                b"{auth_type}": b"PLAIN", b"{auth_authen}": b"bob@bolt.test"})
            assert result.signed, daemon.log()
            assert time.monotonic() - began < patience.seconds(60), "KeyStorePollInterval is 1"
            time.sleep(0.05)
        print(f"the new key signs {time.monotonic() - began:.1f} s after the change (polled every second)")


@pytest.mark.parametrize("policy, verdict", [("no-key=reject", "5"), ("no-key=unsigned", ""), ("no-key=tempfail", "4")])
def test_failure_policy(program, folder, sqlite, policy, verdict):
    with Daemon(program, folder, sqlite.settings(FailurePolicy=policy)) as daemon:
        result, delivered = milter.one_shot(daemon.address, message("empty.test"))
        assert not result.signed and verify.signature_domains(delivered) == []
        if verdict:
            assert result.text.startswith(verdict) or result.verdict == {"4": "tempfail", "5": "reject"}[verdict], result
        else:
            assert result.verdict in ("accept", "continue") and "message goes unsigned" in daemon.log()


def test_failure_policy_of_a_tenant_and_fallback(program, folder, sqlite, shared_keys):
    sqlite.load('tenant acme failure="no-key=fallback:spare"\n')
    table = folder / "keytable"
    table.write_text(f"acme/spare provider.test:sp:{shared_keys['rsa2048'].path}\n")
    with Daemon(program, folder, sqlite.settings(KeyTable=f"file:{table}")) as daemon:
        result, delivered = milter.one_shot(daemon.address, message("empty.test"))
        assert result.signed and verify.signature_domains(delivered) == ["provider.test"], daemon.log()
        assert "signed with key 'acme/spare' instead" in daemon.log()


def test_store_down_at_start_and_back(program, folder, server, shared_keys):
    store = stores.mysql_store(server, folder)
    store.load(world(shared_keys))
    server.stop()
    try:
        with Daemon(program, folder, store.settings()) as daemon:
            result, _ = milter.one_shot(daemon.address, message("acme.test"))
            assert result.verdict == "tempfail" or result.text.startswith("4"), daemon.log()
            server.start()
            began = time.monotonic()
            while not milter.one_shot(daemon.address, message("acme.test"))[0].signed:
                assert time.monotonic() - began < patience.seconds(60), daemon.log()[-2000:]
                time.sleep(0.1)
            print(f"signed {time.monotonic() - began:.1f} s after the server's return")
    finally:
        if server.process is None or server.process.poll() is not None:
            server.start()


class Away:
    """A server that is taken away, killed or silent, and given back."""

    def __init__(self, server, how):
        self.server, self.how = server, how

    def __enter__(self):
        if self.how == "killed":
            self.server.kill()
        elif isinstance(self.server, ldapstore.Directory):
            self.server.pause()
        else:
            self.server.signal(signal.SIGSTOP)
            procs.stopped(self.server.process.pid)

    def __exit__(self, *_):
        if self.how == "killed":
            self.server.start()
        elif isinstance(self.server, ldapstore.Directory):
            self.server.go_on()
        else:
            self.server.signal(signal.SIGCONT)


def waits(result):
    return not result.signed and (result.verdict == "tempfail" or result.text.startswith("4"))


@pytest.mark.parametrize("how", ["killed", "silent"])
@pytest.mark.parametrize("kind", ["mysql", "ldap"])
def test_store_away_under_load(request, program, folder, shared_keys, kind, how):
    """What was asked before goes on being signed, without one tempfail; what was not waits, and nothing hangs."""
    server = request.getfixturevalue({"mysql": "server", "ldap": "directory"}[kind])
    store = {"mysql": stores.mysql_store, "ldap": stores.ldap_store}[kind](server, folder)
    store.load(world(shared_keys) + "".join(f"domain acme n{n}.test signs-as=acme.test\n" for n in range(20)))
    with Daemon(program, folder, store.settings()) as daemon:
        known = [message("acme.test"), message("sub.acme.test"), message("alias.test"), message("elsewhere.test", "news")]
        for data in known:
            assert milter.one_shot(daemon.address, data)[0].signed, daemon.log()
        with Load(daemon.address, known) as load:
            with Away(server, how):
                end = time.monotonic() + 10
                while time.monotonic() < end:
                    assert waits(milter.one_shot(daemon.address, message("n1.test"))[0])
                    time.sleep(0.2)
            began = time.monotonic()
            for name in ("n2.test", "n1.test"):      # never asked before; and the one that had to wait
                while not milter.one_shot(daemon.address, message(name))[0].signed:
                    assert time.monotonic() - began < patience.seconds(60), daemon.log()[-2000:]
                    time.sleep(0.1)
            took = time.monotonic() - began
        load.report(f"{kind} {how} for 10 s")
        print(f"{kind} {how}: names that were not known are signed {took:.1f} s after its return")
        assert load.counts["signed"] > 50
        assert not any(load.counts[what] for what in ("tempfailed", "lost", "broken", "timed out")), dict(load.counts)


def test_site_key_lost_changed_half_written(program, folder, sqlite):
    """What the operator reads, and that mail waits."""
    kept = sqlite.site_key.read_bytes()

    def look(name):
        with Daemon(program, folder, sqlite.settings(), name=name) as daemon:
            result, _ = milter.one_shot(daemon.address, message("acme.test"))
            assert not result.signed and (result.verdict == "tempfail" or result.text.startswith("4")), daemon.log()
            if name == "lost":
                sqlite.site_key.write_bytes(kept)
                sqlite.site_key.chmod(0o600)
                assert procs.wait_until(lambda: milter.one_shot(daemon.address, message("acme.test"))[0].signed), daemon.log()
            return daemon.log()

    sqlite.site_key.unlink()
    text = look("lost")
    assert "site.key" in text and "no sealed key opens" in text
    other = folder / "other.key"
    stores.signpost("store", "sitekey", "new", other)
    sqlite.site_key.write_bytes(other.read_bytes())
    text = look("changed")
    assert "key 'r1' of acme.test in the KeyStore" in text or "key 'e1' of acme.test in the KeyStore" in text
    sqlite.site_key.write_bytes(kept[:-10])
    text = look("half")
    assert "site.key" in text and "no sealed key opens" in text
    for secret in (kept.split()[-1].decode(), other.read_text().split()[-1]):
        assert secret not in text and secret[:12] not in text


def test_rows_that_were_moved(program, folder, sqlite):
    """A key's row given to another tenant, and one with another row's sealed text: neither opens."""
    db = sqlite3.connect(folder / "store.db")
    sealed = dict(db.execute("SELECT selector, private_key FROM keys"))
    assert all(text.startswith("spk1:") for text in sealed.values())
    db.execute("UPDATE keys SET private_key = ? WHERE selector = 'b1'", (sealed["r1"],))
    db.commit()
    db.close()
    macros = {b"{auth_type}": b"PLAIN", b"{auth_authen}": b"bob@bolt.test"}
    with Daemon(program, folder, sqlite.settings()) as daemon:
        assert milter.one_shot(daemon.address, message("acme.test"))[0].signed, "the owner's text is in the cache"
        result, delivered = milter.one_shot(daemon.address, message("bolt.test"), macros=macros)
        assert not result.signed and verify.signature_domains(delivered) == [], daemon.log()
        assert result.verdict == "tempfail" or result.text.startswith("4")


def test_sender_match(program, folder, shared_keys):
    """RequireSenderMatch, for plain tables."""
    base = {"Domain": "a.test,b.test", "KeyFile": shared_keys["rsa2048"].path, "Selector": "s", "Mode": "s"}
    alice = {b"{auth_type}": b"PLAIN", b"{auth_authen}": b"alice@a.test"}
    cases = {"no": ([("a.test", "alice"), ("a.test", "bob"), ("b.test", "bob")], []),
             "domain": ([("a.test", "alice"), ("a.test", "bob")], [("b.test", "bob")]),
             "address": ([("a.test", "alice")], [("a.test", "bob"), ("b.test", "alice")])}
    for match, (signed, unsigned) in cases.items():
        with Daemon(program, folder, {**base, "RequireSenderMatch": match}, name=match) as daemon:
            for domain, user in signed:
                assert milter.one_shot(daemon.address, message(domain, user), macros=alice)[0].signed, (match, domain)
            for domain, user in unsigned:
                assert not milter.one_shot(daemon.address, message(domain, user), macros=alice)[0].signed, (match, domain)
                assert "RequireSenderMatch" in daemon.log()
            assert milter.one_shot(daemon.address, message("b.test", "bob"))[0].signed, "without a login InternalHosts counts"
    with Daemon(program, folder, {**base, "RequireSenderMatch": "domain", "FailurePolicy": "tenant=reject"}, name="r") as daemon:
        result, _ = milter.one_shot(daemon.address, message("b.test", "alice"), macros=alice)
        assert result.verdict == "reject" or result.text.startswith("5"), result
