"""The life of keys with everything real: BIND (a primary that takes updates, a secondary whose transfers are late), a caching
resolver, key stores, signpost-admind, gateways that sign all the while, and dkimpy, which judges each signature when it is made
and some seconds later. `pytest -s` prints the timelines.
"""
import os
import shutil
import time

import pytest

from lib import dnsservers, ldapstore, lifecycle, mariadb, patience, procs, publishing, stores
from lib.gateways import Gateways

NAMES = ["a.example.com", "b.example.com"]
MISSING = dnsservers.missing() or stores.missing() or (None if lifecycle.program() else "signpost-admind is not built")
pytestmark = [pytest.mark.skipif(MISSING is not None, reason=str(MISSING)), pytest.mark.signpost("the life of keys")]


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


def in_state(states, name, state):
    return [selector for (domain, selector), found in states.items() if domain == name and found == state]


def settled(admin, names=NAMES):
    """One key signs, one stands by, of each."""
    states = admin.states(names)
    return all(len(in_state(states, name, "ACTIVE")) == 1 and len(in_state(states, name, "LOADED")) == 1 for name in names)


def rotate_once(admin, names, log=""):
    before = {name: in_state(admin.states(names), name, "ACTIVE")[0] for name in names}
    for name in names:
        admin.cli("rotate", "--reason", "a test", name)
    assert procs.wait_until(lambda: all(in_state(admin.states(names), name, "ACTIVE") not in ([], [before[name]]) for name in names),
                            patience.seconds(60)), f"{admin.states(names)}\n{admin.log()[-4000:]}"
    # The old ones go the whole way.
    def gone():
        states = admin.states(names)
        return all(states.get((name, before[name])) in (None, "DESTROYED") for name in names)
    assert procs.wait_until(gone, patience.seconds(90)), f"{admin.states(names)}\n{admin.log()[-4000:]}"
    return before


def whole_life(program, folder, store, world, gateways_settings=None, count=2):
    with lifecycle.Admin(store, world) as admin:
        lifecycle.provide(admin, NAMES)
        run_life(program, folder, admin, gateways_settings or {}, count)


def run_life(program, folder, admin, gateways_settings, count):
    world, store = admin.world, admin.store
    with Gateways(program, folder, store.settings(**gateways_settings), [], count) as gateways, \
            lifecycle.Timeline(lambda: admin.states(NAMES)) as timeline, \
            lifecycle.Mail(world, gateways, NAMES) as mail:
        assert procs.wait_until(lambda: settled(admin), patience.seconds(120)), f"{admin.states(NAMES)}\n{admin.log()[-5000:]}"
        before = rotate_once(admin, NAMES)
        time.sleep(lifecycle.PLAN["signature_life"])
        assert len(os.listdir(f"/proc/{admin.process.pid}/fd")) < 150, "connections are not given back"
    timeline.say()
    print(f"# {mail.say()}")
    assert not mail.faults, mail.faults[:5]
    assert mail.signed > 50 and mail.bad == 0 and mail.unsigned == 0
    for name in NAMES:
        assert len(mail.selectors[name]) == 2 and mail.selectors[name][0] == before[name]
        for selector in before.values():
            assert world.ask(f"{selector}._domainkey.{name}") == []


REPORTS = {"GatewayReport": "yes", "GatewayReportInterval": 1}


def test_sqlite_and_bind_with_a_late_secondary(program, folder):
    """And gateways that report: they are waited for."""
    with lifecycle.World(folder, NAMES, late=3) as world:
        whole_life(program, folder, stores.sqlite_store(folder), world, REPORTS)


@pytest.mark.skipif(mariadb.missing() is not None, reason=str(mariadb.missing()))
@pytest.mark.skipif(not publishing.PowerDns.schema(), reason="pdns-backend-sqlite3 is not installed")
def test_mariadb_and_the_api_of_powerdns(program, folder, database):
    with lifecycle.World(folder, NAMES, kind=publishing.PowerDnsApi) as world:
        whole_life(program, folder, stores.mysql_store(database, folder), world)


@pytest.mark.skipif(ldapstore.missing() is not None, reason=str(ldapstore.missing()))
def test_directory_and_knot(program, folder, directory):
    with lifecycle.World(folder, NAMES, kind=publishing.Knot) as world:
        whole_life(program, folder, stores.ldap_store(directory, folder), world)


def test_a_customer_who_publishes_by_hand(program, folder):
    """What is shown, what is said of each mistake, and that the right record is found without anybody saying so."""
    name = NAMES[0]
    with lifecycle.World(folder, [name]) as world, lifecycle.Admin(stores.sqlite_store(folder), world) as admin:
        lifecycle.provide(admin, [name], {"publisher": "manual"})
        assert procs.wait_until(lambda: "PUBLISHING" in admin.states([name]).values(), patience.seconds(60)), admin.log()[-3000:]
        selector = in_state(admin.states([name]), name, "PUBLISHING")[0]
        at = f"{selector}._domainkey.{name}"
        shown = admin.text("key", "show", name, selector)
        print(shown)
        assert f"waits until somebody adds the TXT record of {at}" in shown and "v=DKIM1; k=rsa; p=" in shown
        value = admin.text("key", "record", "--notation", "single", name, selector).strip().splitlines()[-1].strip('"')
        assert value.startswith("v=DKIM1; k=rsa; p=") and len(value) > 255

        def said(what):
            """The words of `signpost key verify` when they have WHAT in them."""
            found = []

            def look():
                found[:] = [admin.text("key", "verify", name, selector)]
                return what in found[0]
            assert procs.wait_until(look, patience.seconds(30)), f"{what!r} is not in\n{found}"
            print(found[0])

        world.update(name, at, [value[:255]])
        said("cut off")
        assert in_state(admin.states([name]), name, "PUBLISHING") == [selector]
        world.update(name, at, [value[255:], value[:255]])
        said("wrong order")
        world.update(name, at)
        world.update(name, f"{at}.{name}", [value[:255], value[255:]])
        said("twice")
        world.update(name, f"{at}.{name}")
        world.update(name, at, [value[:255], value[255:]])
        assert procs.wait_until(lambda: in_state(admin.states([name]), name, "ACTIVE") == [selector], patience.seconds(60)), \
            f"{admin.states([name])}\n{admin.log()[-3000:]}"


def test_a_hook_and_a_zone_file(program, folder):
    """One domain by a program of the operator's, which speaks to the server in its own way, another one by a fragment that the
    server includes."""
    with lifecycle.World(folder, NAMES, late=None, static=NAMES[1:]) as world:
        hook, fragment = world.hook(), world.fragments()
        with world.publishers.open("a") as file:
            file.write(f"hook exec:{hook}\nfile zonefile:{fragment}/%z?run={world.reloader()}\n")
        with lifecycle.Admin(stores.sqlite_store(folder), world) as admin:
            lifecycle.provide(admin, [NAMES[0]], {"publisher": "hook"}, "by-hook")
            lifecycle.provide(admin, [NAMES[1]], {"publisher": "file"}, "by-file", "acme", new=False)
            run_life(program, folder, admin, {}, 1)
