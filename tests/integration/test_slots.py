"""CNAME delegation with slots, with everything real: BIND or Knot with the provider's zone, another Knot with the customer's, a
caching resolver, key stores, signpost-admind (killed now and then), gateways that sign all the while, and dkimpy, which judges
each signature. `pytest -s` prints the timelines, and what a customer is told.
"""
import json
import time

import pytest

from lib import delegation, dnsservers, keys, ldapstore, lifecycle, mariadb, patience, procs, publishing, stores
from lib.delegation import CUSTOMER, DELEGATION, SLOTS
from lib.gateways import Gateways

PLAN = {"delegation": DELEGATION, "slots": SLOTS}
MISSING = (dnsservers.missing("named", "unbound", "knotd") or stores.missing() or
           (None if lifecycle.program() else "signpost-admind is not built"))
pytestmark = [pytest.mark.skipif(MISSING is not None, reason=str(MISSING)), pytest.mark.signpost("CNAME delegation with slots")]


@pytest.fixture(scope="module")
def database(module_folder):
    one = mariadb.MariaDB(module_folder).start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def directory(module_folder):
    one = ldapstore.Directory(module_folder)
    one.load(ldapstore.top())
    one.start()
    yield one
    one.stop()


def keys_of(admin):
    """{slot: (id, state)} of all that are not destroyed."""
    return {key["selector"]: (key["id"], key["state"]) for key in admin.cli("key", "list", CUSTOMER)["result"]["keys"]}


def in_state(admin, state):
    return [selector for selector, (_, found) in keys_of(admin).items() if found == state]


def drift_of(admin):
    """What `signpost drift` says, which is not content if something has drifted."""
    done = admin.cli("drift", CUSTOMER, good=False)
    found = json.loads(done.stdout)["result"]
    assert (done.returncode == 0) == (found["drifted"] == []), done
    return found


def timeline_of(admin):
    """Each key by its slot and id, as a slot has many of them."""
    known = {}

    def look():
        try:
            known.update({(CUSTOMER, f"{selector} {identity[:8]}"): state for selector, (identity, state) in keys_of(admin).items()})
        except (AssertionError, OSError):  # it was killed just now
            pass
        return dict(known)
    return lifecycle.Timeline(look)


def killed(admin):
    admin.kill()
    admin.socket.unlink(missing_ok=True)
    admin.start().ready()


def settled(admin):
    return len(in_state(admin, "ACTIVE")) == 1 and len(in_state(admin, "LOADED")) == 1


def wait(admin, condition):
    assert procs.wait_until(condition, patience.seconds(120)), f"{keys_of(admin)}\n{admin.log()[-5000:]}"


def rotate(admin):
    """The next key takes over, and one more stands by, sooner or later. signpost-admind is killed meanwhile."""
    wait(admin, lambda: settled(admin))
    slot = in_state(admin, "ACTIVE")[0]
    before = keys_of(admin)[slot][0]
    admin.cli("rotate", "--reason", "a test", CUSTOMER)
    killed(admin)
    wait(admin, lambda: in_state(admin, "ACTIVE") not in ([], [slot]))
    killed(admin)
    # Its slot has another key, or none.
    wait(admin, lambda: keys_of(admin).get(slot, (None,))[0] != before)
    killed(admin)
    wait(admin, lambda: settled(admin))
    return before


def turn_around(program, folder, store, world, count=2):
    """Four keys and more, in three slots; each message can be verified, when it is sent and later."""
    world.set_all()
    with lifecycle.Admin(store, world) as admin:
        lifecycle.provide(admin, [CUSTOMER], PLAN)
        with Gateways(program, folder, store.settings(), [], count) as gateways, timeline_of(admin) as timeline, \
                lifecycle.Mail(world, gateways, [CUSTOMER]) as mail:
            wait(admin, lambda: settled(admin))
            used = [rotate(admin) for _ in range(3)]
            wait(admin, lambda: settled(admin))
            used += [identity for identity, _ in keys_of(admin).values()]
            time.sleep(lifecycle.PLAN["signature_life"])
        timeline.say()
        print(f"# {mail.say()}")
        assert not mail.faults, mail.faults[:5]
        assert mail.signed > 50 and mail.bad == 0 and mail.unsigned == 0
        assert len(set(used)) >= 5
        assert sorted(set(mail.selectors[CUSTOMER])) == ["sp1", "sp2", "sp3"]
        # What is there now is what the keys say; all else is gone.
        for slot in range(1, SLOTS + 1):
            assert len(world.at_target(slot)) == (1 if f"sp{slot}" in keys_of(admin) else 0)
        found = drift_of(admin)
        assert found["drifted"] == [] and found["keys"] >= SLOTS


def test_sqlite_and_bind(program, folder):
    with delegation.Delegated(folder) as world:
        turn_around(program, folder, stores.sqlite_store(folder), world)


@pytest.mark.skipif(ldapstore.missing() is not None, reason=str(ldapstore.missing()))
def test_directory_and_knot(program, folder, directory):
    with delegation.Delegated(folder, kind=publishing.Knot) as world:
        turn_around(program, folder, stores.ldap_store(directory, folder), world, 1)


@pytest.mark.skipif(mariadb.missing() is not None, reason=str(mariadb.missing()))
@pytest.mark.skipif(not publishing.PowerDns.schema(), reason="pdns-backend-sqlite3 is not installed")
def test_mariadb_and_the_api_of_powerdns(program, folder, database):
    with delegation.Delegated(folder, kind=publishing.PowerDnsApi) as world:
        turn_around(program, folder, stores.mysql_store(database, folder), world, 1)


# ---- the customer ----

OWN = f"sp1._domainkey.{CUSTOMER}"
TARGET = f"sp1.{CUSTOMER}.{DELEGATION}"
WANTED = f'the customer must set the record "{OWN}. CNAME {TARGET}."'


def said(admin, *what):
    """The first slot's row of `signpost key list` when its trouble has all of WHAT."""
    found = []

    def look():
        found[:] = [key for key in admin.cli("key", "list", CUSTOMER)["result"]["keys"] if key["selector"] == "sp1"]
        return found and all(words in found[0]["trouble"] for words in what)
    assert procs.wait_until(look, patience.seconds(60)), f"{what} is not in\n{found}\n{admin.log()[-3000:]}"
    print(f"# {found[0]['trouble']}")
    return found[0]


def mistakes(world):
    """What customers set in place of what they should, and what is said of it."""
    yield lambda: world.set_cname(1, f"sp2.{CUSTOMER}.{DELEGATION}."), "that is the target of another slot"
    yield lambda: world.set_cname(1, f"sp1.other.example.{DELEGATION}."), "that is the target of another domain"
    yield lambda: world.set_cname(1, f"{TARGET}.{CUSTOMER}."), "the dot at the end of its target is missing"
    yield lambda: world.set_cname(1, "elsewhere.example."), "leads to elsewhere.example"
    yield lambda: world.customer(OWN, "TXT", '"v=DKIM1; p=another"'), "there is a TXT record at that name, which must go"

    def doubled():
        world.take_cname(1)
        world.customer(f"{OWN}.{CUSTOMER}", "CNAME", f"{TARGET}.")
    yield doubled, "the domain is in the name twice"


def test_what_a_customer_is_told(program, folder):
    """The CNAMEs that are shown, what is said of each mistake, and that the right one is found without anybody saying so."""
    with delegation.Delegated(folder) as world, lifecycle.Admin(stores.sqlite_store(folder), world) as admin:
        lifecycle.provide(admin, [], PLAN)
        shown = admin.text("domain", "add", "--policy", "rotating", CUSTOMER, "acme")
        print(shown)
        assert all(f"sp{slot}._domainkey.{CUSTOMER}  {world.target(slot)[:-1]}" in shown for slot in range(1, SLOTS + 1))
        text = admin.text("domain", "show", "--notation", "rfc1035", CUSTOMER)
        assert f"{OWN}. {lifecycle.TTL} IN CNAME {TARGET}.\n" in text
        # While it is looked at once more, nothing is in the way.
        assert procs.wait_until(lambda: said(admin, WANTED, "there is none")["next"]["blocked_by"] == ["Customer"])
        assert said(admin, WANTED, "there is none")["state"] == "PUBLISHED"
        assert len(world.at_target(1)) == 1
        look = admin.text("domain", "show", "--look", CUSTOMER)
        print(look)
        assert WANTED in look
        for do, words in mistakes(world):
            do()
            said(admin, WANTED, words)
            assert keys_of(admin)["sp1"][1] == "PUBLISHED"
        # Nobody has asked the resolver, which would keep what is wrong.
        assert world.resolver.queries(OWN) == 0 and world.resolver.queries(TARGET) == 0
        world.customer(f"{OWN}.{CUSTOMER}")
        world.set_all()
        wait(admin, lambda: settled(admin))
        assert world.resolver.queries(OWN) > 0
        drift = drift_of(admin)
        assert drift["drifted"] == [] and drift["keys"] == SLOTS


def test_a_cname_that_goes(program, folder):
    """That of the key that signs: an alarm, and it signs on. That of the other one: it is no stand-by key any more. That of a
    free slot: drift."""
    store = stores.sqlite_store(folder)
    with delegation.Delegated(folder) as world, lifecycle.Admin(store, world) as admin:
        world.set_all()
        lifecycle.provide(admin, [CUSTOMER], {**PLAN, "drift_interval": 2})
        wait(admin, lambda: settled(admin))
        free = ({f"sp{slot}" for slot in range(1, SLOTS + 1)} - set(keys_of(admin))).pop()
        world.take_cname(free[2:])
        drifted = drift_of(admin)["drifted"]
        assert [row["name"] for row in drifted] == [f"{free}._domainkey.{CUSTOMER}"]
        assert "the customer must set the record" in drifted[0]["why"]
        for slot in (1, 2):
            world.take_cname(slot)

        def noticed():
            rows = admin.cli("key", "list", CUSTOMER)["result"]["keys"]
            return all(f"{row['selector']}._domainkey.{CUSTOMER}. CNAME" in row["trouble"] for row in rows)
        wait(admin, noticed)
        assert sorted(state for _, state in keys_of(admin).values()) == ["ACTIVE", "PUBLISHED"]
        assert admin.cli("status")["result"]["drifted_keys"] == 1
        assert len(drift_of(admin)["drifted"]) == SLOTS
        with Gateways(program, folder, store.settings(), [], 1) as gateways:
            for gateway in gateways:
                assert all(result.signed for result, _ in gateway.send([CUSTOMER]).values())
        world.set_all()
        wait(admin, lambda: settled(admin))
        wait(admin, lambda: admin.cli("status")["result"]["drifted_keys"] == 0)
        # Both records are where they were all the time.
        assert [len(world.at_target(slot)) for slot in (1, 2)] == [1, 1]


def test_moving_to_slots(program, folder):
    """A key that signed before, whose record is in the customer's zone: it signs until the first slot takes over, and its
    record is theirs to remove."""
    old = keys.make_key("rsa2048", folder / "old.pem")
    at = f"old._domainkey.{CUSTOMER}"
    store = stores.sqlite_store(folder)
    with delegation.Delegated(folder) as world, lifecycle.Admin(store, world) as admin:
        world.customer(at, *dnsservers.txt(old.record).split(" ", 1))
        lifecycle.provide(admin, [CUSTOMER], PLAN)
        admin.cli("key", "import", "--published", CUSTOMER, "old", old.path)
        wait(admin, lambda: in_state(admin, "ACTIVE") == ["old"])
        with Gateways(program, folder, store.settings(), [], 1) as gateways, timeline_of(admin) as timeline, \
                lifecycle.Mail(world, gateways, [CUSTOMER]) as mail:
            wait(admin, lambda: keys_of(admin).get("sp1", ("", ""))[1] == "PUBLISHED")  # it waits for its CNAME
            world.set_all()
            wait(admin, lambda: settled(admin))
            admin.cli("rotate", "--reason", "to slots", CUSTOMER)
            wait(admin, lambda: in_state(admin, "ACTIVE") == ["sp1"])

            def asked():
                rows = admin.cli("key", "list", CUSTOMER)["result"]["keys"]
                return any(at in row["trouble"] and row["publisher"] == "manual" for row in rows)
            wait(admin, asked)
            print(admin.text("key", "list", CUSTOMER))
            world.customer(at)
            wait(admin, lambda: "old" not in keys_of(admin))
            time.sleep(lifecycle.PLAN["signature_life"])
        timeline.say()
        print(f"# {mail.say()}")
        assert not mail.faults, mail.faults[:5]
        assert mail.selectors[CUSTOMER] == ["old", "sp1"] and mail.bad == 0 and mail.unsigned == 0
