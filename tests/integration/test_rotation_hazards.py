"""What can go wrong in the life of keys, with everything real (lib/lifecycle.py): programs killed, stopped and cut off, name
servers that fail or remember, records of others, a clock that is set back, a backup put back, a key that is stolen. Whatever
it is: no message that does not verify, and none without a signature that had one before.
"""
import contextlib
import json
import re
import signal
import sqlite3
import subprocess
import time

import pytest

from lib import authorities, cutlink, dnsservers, lifecycle, mariadb, patience, procs, publishing, stores
from lib.gateways import Gateways, waits

NAME = "a.example.com"
REPORTS = {"GatewayReport": "yes", "GatewayReportInterval": 1}
MISSING = dnsservers.missing() or stores.missing() or (None if lifecycle.program() else "signpost-admind is not built")
pytestmark = [pytest.mark.skipif(MISSING is not None, reason=str(MISSING)), pytest.mark.signpost("the life of keys")]

# ---- the rows, whether signpost-admind runs or not ----

TIMES = ("destroyed", "removed", "revoked", "compromised", "failed", "held", "revoking", "retiring", "active", "loaded", "proven",
         "published", "publishing")


def rows(store, names=(NAME,)):
    """[(domain, selector, state, row)] of an SQLite store."""
    with contextlib.closing(sqlite3.connect(f"file:{store.folder}/store.db?mode=ro", uri=True, timeout=30)) as base:
        base.row_factory = sqlite3.Row
        found = [dict(row) for row in base.execute("SELECT * FROM keys")]
    def state(row):
        return next((t.upper() for t in TIMES if row[t]), "PREPARED").replace("REVOKING", "RETIRING")
    return [(row["domain"], row["selector"], state(row), row) for row in found if row["domain"] in names]


def selectors(store, *states, name=NAME):
    return [selector for _, selector, state, _ in rows(store, (name,)) if state in states]


def settled(store, name=NAME):
    """One signs, one stands by, and nothing is on its way."""
    states = sorted(state for _, _, state, _ in rows(store, (name,)) if state not in ("DESTROYED", "FAILED"))
    return states == ["ACTIVE", "LOADED"]


def until(condition, seconds, *told):
    """TOLD: functions whose texts say what was going on."""
    assert procs.wait_until(condition, patience.seconds(seconds), step=0.05), "\n".join(str(one()) for one in told)


def rotating(admin, name=NAME):
    """One was asked for that has not ended: it may not have begun, so that the rows of keys do not tell."""
    return any(r["state"] == "open" for r in admin.cli("rotation", "list", name)["result"]["rotations"])


def until_settled(admin, name=NAME, seconds=90):
    until(lambda: settled(admin.store, name) and not rotating(admin, name) and settled(admin.store, name), seconds,
          lambda: [r[:3] for r in rows(admin.store, (name,))], lambda: admin.log()[-4000:])


def only_known_records(world, store, name=NAME):
    """Nothing is left in DNS but what the rows have."""
    found = set(world.keys_in(name)) - {"*"}
    assert found == set(selectors(store, "ACTIVE", "LOADED", name=name)), (found, [r[:3] for r in rows(store, (name,))])


def no_faults(mail):
    print(f"# {mail.say()}")
    assert not mail.faults, mail.faults[:5]
    assert mail.signed > 0


# ---- the process is killed, or stopped for longer than its lease ----

def crash_points():
    """All but those of mirrors, of which test_mirror.py is."""
    points = subprocess.run([lifecycle.program(), "--crash-points"], capture_output=True, text=True, check=True).stdout.split()
    return [point for point in points if not point.endswith("-mirror")]


def test_killed_at_every_place(program, folder):
    """Twice each: on the way to the first keys, and while one is replaced, revoked and removed."""
    store = stores.sqlite_store(folder)
    with lifecycle.World(folder, [NAME], late=0) as world:
        admin = lifecycle.Admin(store, world)
        with admin:
            lifecycle.provide(admin, [NAME])
        # Gateways that report would be heard first after each start.
        with Gateways(program, folder, store.settings(), [], 2) as gateways, lifecycle.Mail(world, gateways, [NAME]) as mail:
            for _ in range(2):
                left = crash_points()
                while left:
                    left.remove(killed_at(admin, left))
                with admin:
                    until_settled(admin)
        no_faults(mail)
        only_known_records(world, store)
        assert len(selectors(store, "DESTROYED")) >= 1 and len(mail.selectors[NAME]) >= 2


def killed_at(admin, points):
    """The first of POINTS; another one when nothing more would happen on the way there: then a rotation is asked for."""
    admin.start(SIGNPOST_CRASH_AT=f"{points[0]}:1")
    asked = False

    def ended():
        nonlocal asked
        if admin.process.poll() is not None:
            return True
        if not asked and settled(admin.store) and admin.socket.exists():
            # The socket may be that of the one before, and this one may be killed before it can answer: then again.
            asked = admin.cli("rotate", "--reason", "a test", NAME, good=False).returncode == 0
        return False

    until(ended, 90, lambda: points, lambda: [r[:3] for r in rows(admin.store)], lambda: admin.log()[-4000:])
    assert admin.process.wait() == -signal.SIGKILL, admin.log()[-4000:]
    admin.process.stop()
    return points[0]


def leads(admin):
    return admin.cli("status")["result"]["reconciler"]["leader"]


class Sleeper:
    """Between the publishers and the primary: when it is armed, whoever leads falls asleep in the midst of its next update,
    until another one leads; only then is the update passed on, and it wakes up."""

    def __init__(self, port, *admins):
        self.admins, self.armed, self.slept = admins, False, []
        self.proxy = publishing.Proxy(port, self.seen)

    def seen(self, _):
        if not self.armed:
            return
        self.armed = False
        leader, other = sorted(self.admins, key=leads, reverse=True)
        leader.process.signal(signal.SIGSTOP)
        try:
            over = procs.wait_until(lambda: leads(other), patience.seconds(60))
            self.slept.append((leader, over))
            time.sleep(1)   # the other one is at work
        finally:
            leader.process.signal(signal.SIGCONT)

    def once(self):
        before = len(self.slept)
        self.armed = True
        until(lambda: len(self.slept) > before, 90, *(admin.log for admin in self.admins))
        leader, over = self.slept[-1]
        assert over, [admin.log()[-2000:] for admin in self.admins]
        until(lambda: "the lease is lost" in leader.log() and not leads(leader), 60, leader.log)


def test_a_leader_that_slept(program, folder):
    """Stopped in the midst of an update of DNS, for longer than its lease, and continued: what came of it it does not write."""
    store = stores.sqlite_store(folder)
    with lifecycle.World(folder, [NAME], late=0) as world, \
            lifecycle.Admin(store, world, "one") as one, lifecycle.Admin(store, world, "two") as two:
        sleeper = Sleeper(world.port, one, two)
        world.publishers.write_text(world.publishers.read_text().replace(f":{world.port}?", f":{sleeper.proxy.port}?"))
        for admin in (one, two):
            admin.stop()
            admin.start().ready()
        with sleeper.proxy, Gateways(program, folder, store.settings(**REPORTS), [], 2) as gateways, \
                lifecycle.Mail(world, gateways, [NAME]) as mail:
            lifecycle.provide(one, [NAME])
            sleeper.once()
            until_settled(one)
            old = selectors(store, "ACTIVE")
            two.cli("rotate", "--reason", "a test", NAME)
            until(lambda: selectors(store, "RETIRING") == old and selectors(store, "LOADED"), 60, one.log, two.log)
            sleeper.once()      # the old one is revoked
            until_settled(one)
        no_faults(mail)
        only_known_records(world, store)
        # The first, the stand-by, and one for the rotation: none was made twice.
        assert sorted(r[2] for r in rows(store)) == ["ACTIVE", "DESTROYED", "LOADED"], [r[:3] for r in rows(store)]
        fences = [int(f) for f in re.findall(r"this is the leader now \(fence (\d+)\)", one.log() + two.log())]
        assert len(fences) == len(set(fences)) >= 3, fences


# ---- gateways and the store ----

@pytest.fixture(scope="module")
def database(module_folder):
    if mariadb.missing():
        pytest.skip(mariadb.missing())
    one = mariadb.MariaDB(module_folder).start()
    yield one
    one.stop()


class SomeWait(lifecycle.Mail):
    """A gateway of which messages may be deferred: `may_wait`, by its name."""

    def __init__(self, *words, may_wait, **more):
        super().__init__(*words, **more)
        self.may_wait = may_wait
        self.by = {}        # name of the gateway: [selector or None if it was deferred]

    def _take(self, gateway, name, result, message):
        if gateway == self.may_wait and waits(result) and (gateway, name) in self.first:
            self.by.setdefault(gateway, []).append(None)
            return
        super()._take(gateway, name, result, message)
        if result.signed:
            self.by.setdefault(gateway, []).append(re.search(rb"[;\s]s=([^;\s]+)", message).group(1).decode())


def in_state(admin, *states):
    return [selector for (_, selector), state in admin.states([NAME]).items() if state in states]


def is_settled(admin):
    return len(in_state(admin, "ACTIVE")) == len(in_state(admin, "LOADED")) == 1


def test_a_gateway_cut_off_and_a_clock_set_back(program, folder, database):
    """Three leases long a gateway does not reach the store, and a rotation goes on without it. Then the store's clock."""
    store = stores.mysql_store(database, folder)
    lease = 4
    with cutlink.CutLink(database.port) as link, lifecycle.World(folder, [NAME], late=0) as world, \
            lifecycle.Admin(store, world) as admin:
        lifecycle.provide(admin, [NAME], {"lease": lease})
        far = store.settings(KeyStore=store.spec.replace(f":{database.port}/", f":{link.port}/"))
        with Gateways(program, folder, store.settings(), [], 2) as gateways:
            gateways[0].stop()
            gateways[0] = type(gateways[0])(program, folder, far, "far")
            gateways[0].start()
            with SomeWait(world, gateways, [NAME], may_wait="far") as mail:
                until(lambda: is_settled(admin), 90, lambda: admin.states([NAME]), lambda: admin.log()[-3000:])
                first = in_state(admin, "ACTIVE")[0]
                until(lambda: first in mail.by.get("far", []), 30, mail.say)
                link.cut()
                cut = time.monotonic()
                began = len(mail.by["far"])
                admin.cli("rotate", "--reason", "a test", NAME)
                until(lambda: first not in in_state(admin, "ACTIVE"), 60, lambda: admin.log()[-3000:])
                second = in_state(admin, "ACTIVE")[0]
                until(lambda: mail.by["far"][-1] is None, 60, mail.say, lambda: gateways[0].log()[-2000:])
                until(lambda: time.monotonic() > cut + 3 * lease, 60)
                assert set(mail.by["far"][began:]) == {first, None} and mail.by["far"][-1] is None
                link.mend()
                until(lambda: mail.by["far"][-1] == second, 60, mail.say, lambda: gateways[0].log()[-2000:])
                set_back(database, admin)
                until(lambda: first not in in_state(admin, "ACTIVE", "RETIRING", "REVOKED", "REMOVED") and is_settled(admin), 90,
                      lambda: admin.states([NAME]), lambda: admin.log()[-3000:])
        no_faults(mail)


def everybody_anew(database):
    """All connections are made again, and have the clock that the server gives new ones."""
    for number in database.run("SELECT id FROM information_schema.processlist WHERE user = 'sp_admin'").split():
        database.ask(f"KILL {number}")


def set_back(database, admin):
    """For all that the administrator's connections see it is 100 s earlier, and a rotation is asked for; then it is not."""
    before = {key: state for key, state in admin.states([NAME]).items()}
    database.run("SET GLOBAL init_connect='SET timestamp=UNIX_TIMESTAMP()-100'")
    everybody_anew(database)
    try:
        until(lambda: "went back" in (admin.cli("status")["result"]["reconciler"]["frozen"] or ""), 30, lambda: admin.log()[-3000:])
        frozen = admin.states([NAME])
        time.sleep(2)
        # Nothing is activated, revoked or made (who is RETIRING is so by the clock that is wrong).
        assert set(admin.states([NAME])) == set(frozen) == set(before), (before, frozen)
    finally:
        database.run("SET GLOBAL init_connect=''")
        everybody_anew(database)
    until(lambda: not admin.cli("status")["result"]["reconciler"]["frozen"], 60, lambda: admin.log()[-3000:])


def copy(source, target):
    with contextlib.closing(sqlite3.connect(source)) as one, contextlib.closing(sqlite3.connect(target)) as other:
        one.backup(other)


def test_a_backup_is_put_back(program, folder):
    """Nothing is touched, mail goes on, and `signpost store renew` ends it."""
    store = stores.sqlite_store(folder)
    file, backup = folder / "store.db", folder / "backup.db"
    with lifecycle.World(folder, [NAME], late=0) as world:
        admin = lifecycle.Admin(store, world)
        with Gateways(program, folder, store.settings(**REPORTS), [], 2) as gateways, lifecycle.Mail(world, gateways, [NAME]) as mail:
            with admin:
                lifecycle.provide(admin, [NAME], {"lease": 120})
                until_settled(admin)
                copy(file, backup)
                old = selectors(store, "ACTIVE")
                admin.cli("rotate", "--reason", "a test", NAME)
                until(lambda: settled_but_one(store), 60, lambda: [r[:3] for r in rows(store)], lambda: admin.log()[-3000:])
                new = selectors(store, "ACTIVE")
                assert new != old
                until(lambda: new[0] in mail.selectors[NAME], 30, mail.say)
            before = world.keys_in(NAME)
            with contextlib.closing(sqlite3.connect(backup)) as base, base:
                # It is of long ago: the gateways seem to be gone, and a rotation that was asked for is due.
                base.execute("UPDATE gateways SET at = at - 86400")
                base.execute("UPDATE domains SET due = 1, life = ?", [json.dumps({"rotate_asked": int(time.time())})])
            copy(backup, file)
            with admin:
                until(lambda: "safe mode" in (admin.cli("status")["result"]["reconciler"]["frozen"] or ""), 60,
                      lambda: admin.log()[-3000:], lambda: gateways[0].log()[-2000:])
                refused = admin.cli("rotate", "--reason", "a test", NAME, good=False)
                time.sleep(2)
                assert selectors(store, "ACTIVE") == old and len(rows(store)) == 2, [r[:3] for r in rows(store)]
                assert world.keys_in(NAME) == before
                print(f"# {refused.stdout}")
                store.run("renew")
                until(lambda: not admin.cli("status")["result"]["reconciler"]["frozen"], 60, lambda: admin.log()[-3000:])
                signed = mail.signed
                until(lambda: mail.signed > signed + 4, 30, mail.say)
        print(f"# {mail.say()}")
        for gateway in gateways:
            print("".join(f"# {line}\n" for line in gateway.log().splitlines() if "tempfailed" in line and "ever active" not in line))
        # A message that asks for what is not known any more while the store is behind may have to wait.
        assert mail.bad == mail.unsigned == 0 and len(mail.faults) == mail.deferred, mail.faults[:5]


def settled_but_one(store):
    states = sorted(state for _, _, state, _ in rows(store))
    return states == ["ACTIVE", "LOADED", "RETIRING"]


# ---- DNS ----

def test_a_wildcard_that_is_remembered(program, folder):
    """A TXT record at *._domainkey with a TTL that is longer than all others, the secondary is late, and a resolver has been
    asked for the name of the first key before that was published, and remembers what it was told."""
    store = stores.sqlite_store(folder)
    ttl = 7
    with lifecycle.World(folder, [NAME], late=2, wildcard=ttl) as world, contextlib.ExitStack() as stack:
        admin = lifecycle.Admin(store, world)
        stack.callback(admin.stop)
        admin.start(SIGNPOST_CRASH_AT="before-publish").ready()
        lifecycle.provide(admin, [NAME])
        until(lambda: admin.process.poll() is not None, 60, lambda: admin.log()[-3000:])
        admin.process.stop()
        host, _, port = world.resolver.address.partition(":")
        (selector,) = [r[1] for r in rows(store)]
        assert world.ask(f"{selector}._domainkey.{NAME}", host, int(port)) == ["v=spf1 -all"]
        admin.socket.unlink()
        admin.start().ready()
        with Gateways(program, folder, store.settings(**REPORTS), [], 2) as gateways, \
                lifecycle.Mail(world, gateways, [NAME]) as mail:
            until_settled(admin)
            assert selectors(store, "ACTIVE") == [selector]
            admin.cli("rotate", "--reason", "a test", NAME)
            until(lambda: selectors(store, "ACTIVE") not in ([], [selector]), 60, lambda: admin.log()[-3000:])
        no_faults(mail)
        for _, one, _, row in rows(store):
            if row["proven"]:
                assert row["proven"] >= row["published"] + ttl, (one, dict(row))


def test_a_record_of_somebody_else_and_a_stolen_key(program, folder):
    """At the name of a key is a record that is not ours: it stays, and another selector is used. Then the key that signs is
    known to others: the one that stands by takes over at once; without one only by force."""
    store, foreign = stores.sqlite_store(folder), "v=DKIM1; k=rsa; p=c29tZWJvZHkgZWxzZQ=="
    with lifecycle.World(folder, [NAME], late=0) as world, lifecycle.Admin(store, world) as admin, \
            Gateways(program, folder, store.settings(**REPORTS), [], 1) as gateways:
        at = f"theirs._domainkey.{NAME}"
        world.update(NAME, at, [foreign])
        lifecycle.provide(admin, [])
        admin.cli("domain", "add", "--policy", "rotating", NAME, "acme")
        admin.cli("key", "generate", "-s", "theirs", NAME)
        until(lambda: selectors(store, "FAILED", "DESTROYED") == ["theirs"], 60, lambda: [r[:3] for r in rows(store)], lambda: admin.log()[-3000:])
        until_settled(admin)
        assert world.ask(at) == [foreign] == world.ask(at, "127.0.0.3")
        assert "theirs" not in selectors(store, "ACTIVE", "LOADED")
        assert "another key" in key_life(store, "theirs")["trouble"], key_life(store, "theirs")
        emergency(admin, gateways[0], world)
        assert world.ask(at) == [foreign]


def signed_by(gateway):
    (_, message), = gateway.send([NAME]).values()
    return re.search(rb"[;\s]s=([^;\s]+)", message).group(1).decode()


def emergency(admin, gateway, world):
    store = admin.store
    stolen, = selectors(store, "ACTIVE")
    ready, = selectors(store, "LOADED")
    until(lambda: signed_by(gateway) == stolen, 30, gateway.log)
    world.stop_secondary()      # no other key can be proven
    admin.cli("emergency", "--reason", "a laptop", NAME)
    assert selectors(store, "ACTIVE") == [ready] and stolen not in selectors(store, "ACTIVE", "RETIRING")
    # As long as a gateway polls; no wait for DNS is in it.
    until(lambda: signed_by(gateway) == ready, 30, gateway.log)
    until(lambda: world.ask(f"{stolen}._domainkey.{NAME}") in (["v=DKIM1; p="], []), 60, admin.log)
    refused = admin.cli("emergency", "--reason", "again", NAME, good=False)
    assert refused.returncode == 1 and "would-leave-unsigned" in refused.stdout + refused.stderr, refused
    assert selectors(store, "ACTIVE") == [ready]
    world.start_secondary()
    until_settled(admin)


def test_a_server_that_fails(program, folder):
    """One of the zone's servers says SERVFAIL, then nothing: no key is proven, and who asks is told which one it is."""
    import dns.message
    store = stores.sqlite_store(folder)

    def servfail(query, tcp):
        answer = dns.message.make_response(query)
        answer.set_rcode(2)
        return answer

    with lifecycle.World(folder, [NAME], late=0) as world, lifecycle.Admin(store, world) as admin, \
            Gateways(program, folder, store.settings(**REPORTS), [], 2) as gateways, lifecycle.Mail(world, gateways, [NAME]) as mail:
        lifecycle.provide(admin, [NAME])
        until_settled(admin)
        world.stop_secondary()
        fake = authorities.Fake("127.0.0.3", world.port, servfail).start()
        try:
            admin.cli("rotate", "--reason", "a test", NAME)
            until(lambda: selectors(store, "PUBLISHED", "PUBLISHING", "PREPARED"), 60, admin.log)
            new, = selectors(store, "PUBLISHED", "PUBLISHING", "PREPARED")
            until(lambda: "127.0.0.3" in admin.text("key", "show", NAME, new), 60, lambda: admin.text("key", "show", NAME, new))
            print(admin.text("key", "show", NAME, new))
        finally:
            fake.stop()
        looks = key_life(store, new)["tries"]
        until(lambda: key_life(store, new)["tries"] > looks, 60, lambda: key_life(store, new))  # and of one that is silent
        assert "127.0.0.3" in str(admin.cli("status")["result"]["stuck"])
        assert not selectors(store, "PROVEN", "LOADED"), [r[:3] for r in rows(store)]
        signing = selectors(store, "ACTIVE")
        world.start_secondary()
        until_settled(admin)
        assert selectors(store, "ACTIVE") == signing and selectors(store, "LOADED") == [new]
    no_faults(mail)


def key_life(store, selector):
    return {"tries": 0, "trouble": "", **json.loads(next(r[3]["life"] for r in rows(store) if r[1] == selector))}
