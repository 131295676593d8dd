"""What a gateway says of itself in the KeyStore, the keys it tries before mail needs them, and for how long it signs without
a word of the store: with SQLite, a private MariaDB and a private slapd."""
import os
import sqlite3
import time
from pathlib import Path

import pytest

from lib import keystores, ldapstore, mariadb, milter, patience, procs, stores
from lib.daemon import Daemon

pytestmark = pytest.mark.signpost("a KeyStore is ours")

DATE = "Date: Tue, 01 Sep 2026 10:00:00 +0000\r\n"
TIMES = ("created", "publishing", "published", "proven", "loaded", "active", "retiring", "revoking", "revoked", "removed",
         "destroyed", "held", "compromised", "failed", "sign_until")
REPORTER = ("sp_gateway", "gateway-secret")


class Place:
    """One store of a kind, and what stops it and starts it again."""

    def __init__(self, store, driver, report, stop, start):
        self.store, self.driver, self.report, self.stop, self.start = store, driver, report, stop, start

    def ask(self, *words):
        with keystores.Store(self.driver, write=True) as store:
            answer = store.ask(*words)
        assert answer.status == "ok", answer
        return answer

    def gateways(self):
        return {row["node"]: row for row in self.ask("gateways").of("gateway")}

    def keys(self, domain="acme.test"):
        return {row["selector"]: row for row in self.ask("lives", domain).of("key")}

    def change_key(self, selector, domain="acme.test", **fields):
        """What the life cycle would write."""
        row = self.keys(domain)[selector]
        kept = {name: row[name] for name in ("id", "tenant", "domain", "selector", "row_revision", "lease_s", "loading", *TIMES)
                if name in row}
        with keystores.Store(self.driver, write=True) as store:
            store.must(("life", "key", {**kept, **fields}))


@pytest.fixture(scope="module")
def server(module_folder):
    if mariadb.missing():
        pytest.skip(mariadb.missing())
    one = mariadb.MariaDB(module_folder).start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def directory(module_folder):
    if ldapstore.missing():
        pytest.skip(ldapstore.missing())
    one = ldapstore.Directory(module_folder)
    one.load(ldapstore.top())
    one.start()
    yield one
    one.stop()


def on_sqlite(request, folder):
    store = stores.sqlite_store(folder)
    files = [folder / f"store.db{suffix}" for suffix in ("", "-wal", "-shm")]

    def move(away):
        for file in files:
            aside = file.with_name(f"aside-{file.name}")
            source, target = (file, aside) if away else (aside, file)
            if source.exists():
                source.rename(target)

    return Place(store, store.spec, "yes", lambda: move(True), lambda: move(False))


def on_mysql(request, folder):
    server = request.getfixturevalue("server")
    store = stores.mysql_store(server, folder)
    user, password = REPORTER
    server.run(f"CREATE OR REPLACE USER '{user}'@'127.0.0.1' IDENTIFIED BY '{password}';"
               f"GRANT SELECT ON signpost.* TO '{user}'@'127.0.0.1';"
               f"GRANT INSERT, UPDATE ON signpost.gateways TO '{user}'@'127.0.0.1'")
    report = f"mysql://{user}:{password}@127.0.0.1:{server.port}/signpost"

    def start():
        server.start()

    return Place(store, store.writer, report, server.kill, start)


def on_ldap(request, folder):
    directory = request.getfixturevalue("directory")
    store = stores.ldap_store(directory, folder)
    driver = ["-o", f"user={ldapstore.ADMIN}", "-o", f"password={ldapstore.ADMIN_PASSWORD}", store.spec]
    place = Place(store, driver, "yes", directory.kill, directory.start)
    with keystores.Store(driver, write=True) as probe:
        if probe.ask("gateways").status != "ok":
            pytest.skip("gateways cannot report to a directory in this build")
    return place


KINDS = {"sqlite": on_sqlite, "mysql": on_mysql, "ldap": on_ldap}


@pytest.fixture(params=list(KINDS))
def place(request, folder, shared_keys):
    if stores.missing() or not keystores.program():
        pytest.skip(stores.missing() or "tests/conformance/keystore_driver is not built")
    one = KINDS[request.param](request, folder)
    one.store.load(f"tenant acme\ndomain acme acme.test\nkey acme acme.test r1 {shared_keys['rsa2048'].path} active=now\n"
                   "binding * acme\n")
    return one


def message(domain="acme.test"):
    return f"From: x@{domain}\r\nTo: t@sink.test\r\nSubject: x\r\n{DATE}\r\nHello.\r\n".encode()


def sent(daemon, domain="acme.test"):
    """"signed", "later" or "unsigned"."""
    result, _ = milter.one_shot(daemon.address, message(domain))
    return "signed" if result.signed else "later" if result.verdict == "tempfail" or result.text[:1] == "4" else "unsigned"


def gateway(program, folder, place, name="gw1", **more):
    pairs = {"GatewayName": name, "GatewayReport": place.report, "GatewayReportInterval": 1, **more}
    return Daemon(program, folder, place.store.settings(**pairs), name=name)


def soon(condition, what):
    """The last answer of condition, which is true."""
    last = []

    def is_so():
        last[:] = [condition()]
        return last[0]

    assert procs.wait_until(is_so, patience.seconds(30), step=0.2), what()
    return last[0]


def row_of(place, test, name="gw1"):
    """The gateway's row, as soon as it is as the test wants it."""
    seen = {}

    def is_so():
        seen.clear()
        seen.update(place.gateways().get(name, {}))
        return seen and test(seen)

    soon(is_so, lambda: f"{seen}")
    return dict(seen)


def number(row, name):
    return int(row.get(name, 0))


def said(row, *kinds):
    """The lines of these kinds."""
    return [line for line in row.get("failed", "").splitlines() if line.split()[1] in kinds]


def of_keys(row):
    """What is said of keys: all but the lines about mail."""
    return [line for line in row.get("failed", "").splitlines() if not line.startswith("=! ")]


def test_what_it_has_and_what_it_can_use(program, folder, place, shared_keys):
    with gateway(program, folder, place) as daemon:
        row = row_of(place, lambda r: number(r, "epoch") > 0 and number(r, "tested") == number(r, "epoch"))
        assert row["version"] and not of_keys(row) and number(row, "at") > 0, row
        assert abs(number(row, "offset_ms")) < 60000 and number(row, "started") > time.time() - patience.seconds(300), row
        # A change is in force, and said to be.
        place.store.load("domain acme other.test\n")
        later = row_of(place, lambda r: number(r, "epoch") > number(row, "epoch"))
        # A key that waits is tried.
        place.store.load(f"key acme acme.test r2 {shared_keys['ed25519'].path}\n")
        place.change_key("r2", loading="now")
        loading = number(place.keys()["r2"], "loading")
        assert loading > number(later, "epoch")
        row = row_of(place, lambda r: number(r, "tested") >= loading)
        assert not of_keys(row) and number(row, "epoch") >= loading, row
        # One that was sealed with another site key is named, with a reason, and nothing else suffers.
        (folder / "other").mkdir()
        other = stores.Store(folder / "other", place.store.spec, place.store.conf, writer=place.store.writer,
                             writer_conf=None if place.store.writer != place.store.spec or not place.store.conf else
                             {"LDAPBindUser": ldapstore.ADMIN, "LDAPBindPassword": ldapstore.ADMIN_PASSWORD})
        other.load(f"key acme acme.test r3 {shared_keys['rsa1024'].path}\n")
        place.change_key("r3", loading="now")
        key = place.keys()["r3"]
        row = row_of(place, lambda r: number(r, "tested") >= number(key, "loading"))
        (line,) = of_keys(row)
        named, _, why = line.partition(" ")
        assert named == key["id"] and len(why) > 10 and "\n" not in why, row
        assert f"(r3 of acme.test) waits to be used, and cannot be: {why}" in daemon.log()
        assert sent(daemon) == "signed"
    assert place.gateways()["gw1"]["epoch"], "what was said stays when it ends"


def test_mail_that_is_not_signed(program, folder, place):
    """By tenant and cause, beside what was there before; a message that is signed adds nothing but what the gateway is like,
    and what it has signed for the domain."""
    place.store.load("domain acme empty.test\n")
    with gateway(program, folder, place) as daemon:
        row_of(place, lambda r: number(r, "epoch") > 0)
        assert sent(daemon) == "signed"
        row = row_of(place, lambda r: "=! figures " in r.get("failed", ""))
        assert len(said(row, "figures")) == 1 and not said(row, "unsigned", "deferred"), row
        assert [sent(daemon, "empty.test") for _ in range(3)] == ["later"] * 3
        row = row_of(place, lambda r: "=! deferred acme key 3" in r.get("failed", "").splitlines())
        assert sent(daemon, "nobody.test") == "unsigned"
        row = row_of(place, lambda r: "=! unsigned acme no_rule 1" in r.get("failed", "").splitlines())
        assert len(said(row, "figures", "unsigned", "deferred")) == 3, row


def test_mail_by_domain(program, folder, place):
    """What signs it, not what sends it; a message that is not ours counts for nobody; a store that is away is the sender's."""
    place.store.load("domain acme empty.test\nrule acme news address x@else.test acme.test\n")
    with gateway(program, folder, place) as daemon:
        row_of(place, lambda r: said(r, "counted") and not said(r, "domain"))
        assert [sent(daemon) for _ in range(4)] + [sent(daemon, "else.test")] == ["signed"] * 5
        row_of(place, lambda r: said(r, "domain") == ["=! domain acme.test 5 0 - 0 - 0"])
        assert [sent(daemon, "empty.test") for _ in range(3)] == ["later"] * 3
        assert sent(daemon, "nobody.test") == "unsigned"
        row = row_of(place, lambda r: len(said(r, "domain")) == 2)
        assert said(row, "domain") == ["=! domain empty.test 0 0 - 3 key 0", "=! domain acme.test 5 0 - 0 - 0"], row
        (_, _, seconds, more), = [line.split() for line in said(row, "counted")]
        assert 0 <= int(seconds) <= 3600 and more == "0", row


def test_two_gateways_and_a_reload(program, folder, place):
    with gateway(program, folder, place) as one, gateway(program, folder, place, "GW2") as two:
        first = row_of(place, lambda r: number(r, "epoch") > 0)
        row_of(place, lambda r: number(r, "epoch") > 0, "gw2")
        assert set(place.gateways()) == {"gw1", "gw2"}
        time.sleep(1.1)     # "started" is in seconds
        one.process.signal(1)
        row_of(place, lambda r: number(r, "started") > number(first, "started"))
        place.store.load("domain acme other.test\n")
        row_of(place, lambda r: number(r, "epoch") > number(first, "epoch"))
        for _ in range(5):
            assert number(place.gateways()["gw1"], "started") > number(first, "started"), "the old keeper speaks, too"
            time.sleep(0.3)
        assert sent(one) == sent(two) == "signed"
        assert "another gateway" not in one.log() + two.log()


def test_a_store_that_goes_and_comes(program, folder, place):
    with gateway(program, folder, place) as daemon:
        row = row_of(place, lambda r: number(r, "epoch") > 0)
        assert sent(daemon) == "signed"
        place.stop()
        soon(lambda: "cannot report" in daemon.log(), daemon.log)
        assert sent(daemon) == "signed"
        place.start()
        place.store.load("domain acme other.test\n")
        row_of(place, lambda r: number(r, "epoch") > number(row, "epoch"))
        log = daemon.log()
        assert log.count("GatewayReport") == 1 and "reports to KeyStore" in log, log


def test_a_gateway_that_is_cut_off(program, folder, place):
    """It stops by itself when the lease of its key is over, and by FailurePolicy."""
    lease_s = 4
    place.change_key("r1", lease_s=lease_s)
    with gateway(program, folder, place) as daemon:
        row_of(place, lambda r: number(r, "epoch") == number(r, "tested") > 0)
        assert sent(daemon) == "signed"
        time.sleep(lease_s + 1)     # the store renews it
        assert sent(daemon) == "signed"
        place.stop()
        stopped = time.monotonic()
        soon(lambda: sent(daemon) == "later", daemon.log)
        # By the program's own clock: known a poll before, at most.
        assert time.monotonic() - stopped > lease_s - 2.5, "the lease was over too early"
        assert "without a word of the KeyStore" in daemon.log()
        place.start()
        soon(lambda: sent(daemon) == "signed", daemon.log)
        assert "unsigned" not in daemon.log()


def test_no_right_to_report(program, folder, server, shared_keys):
    """One line, and silence: whoever rotates keys waits in another way."""
    if stores.missing() or not keystores.program():
        pytest.skip(stores.missing() or "tests/conformance/keystore_driver is not built")
    place = on_mysql(type("Request", (), {"getfixturevalue": staticmethod(lambda name: server)}), folder)
    place.store.load(f"tenant acme\ndomain acme acme.test\nkey acme acme.test r1 {shared_keys['rsa2048'].path} active=now\n"
                     "binding * acme\n")
    with gateway(program, folder, place, GatewayReport="yes") as daemon:
        soon(lambda: "no right to report" in daemon.log(), daemon.log)
        for n in range(4):
            place.store.load(f"domain acme d{n}.test\n")
            time.sleep(0.7)
        assert sent(daemon) == "signed"
        log = daemon.log()
        assert log.count("GatewayReport") == 1, log
        assert "secret" not in log, "a password"
    assert place.gateways() == {}


def test_nothing_is_written_unless_it_is_wanted(program, folder, shared_keys):
    if stores.missing():
        pytest.skip(stores.missing())
    store = stores.sqlite_store(folder)
    store.load(f"tenant acme\ndomain acme acme.test\nkey acme acme.test r1 {shared_keys['rsa2048'].path} active=now\n"
               "binding * acme\n")
    with Daemon(program, folder, store.settings()) as daemon:
        assert sent(daemon) == "signed"
        time.sleep(2)
        assert "GatewayReport" not in daemon.log()
    reader = sqlite3.connect(f"file:{Path(folder) / 'store.db'}?mode=ro", uri=True)
    assert reader.execute("SELECT count(*) FROM gateways").fetchone() == (0,)
    reader.close()


def test_counted(program, folder, shared_keys):
    if stores.missing():
        pytest.skip(stores.missing())
    store = stores.sqlite_store(folder)
    store.load(f"tenant acme\ndomain acme acme.test\nkey acme acme.test r1 {shared_keys['rsa2048'].path} active=now\n"
               "binding * acme\n")
    metrics = folder / "metrics"
    settings = store.settings(GatewayName="gw1", GatewayReport="yes", GatewayReportInterval=1, MetricsFile=metrics,
                              MetricsInterval=1)
    with Daemon(program, folder, settings):
        def values():
            text = metrics.read_text() if os.path.exists(metrics) else ""
            return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line[:1] not in "#"}

        soon(lambda: values().get('signpost_gateway_reports_total{result="ok"}', 0) >= 1, lambda: f"{values()}")
        soon(lambda: values().get("signpost_gateway_epoch", 0) > 0 and
             values()["signpost_gateway_tested_epoch"] == values()["signpost_gateway_epoch"], lambda: f"{values()}")
