"""The life of keys with everything real: BIND (a primary that takes updates, a secondary whose transfers are late), a caching
resolver, key stores, signpost-admind, gateways that sign all the while, and dkimpy, which judges each signature when it is made
and some seconds later. `pytest -s` prints the timelines.
"""
import shutil
import time

import pytest

from lib import dnsservers, lifecycle, mariadb, patience, procs, slapd, stores
from lib.gateways import Gateways

NAMES = ["a.example.com", "b.example.com"]
MISSING = dnsservers.missing() or stores.missing() or (None if lifecycle.program() else "signpost-admind is not built")
pytestmark = [pytest.mark.skipif(MISSING is not None, reason=str(MISSING)), pytest.mark.signpost("the life of keys")]


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
    assert procs.wait_until(lambda: not any((name, before[name]) in admin.states(names) and
                                            admin.states(names)[name, before[name]] != "DESTROYED" for name in names),
                            patience.seconds(90)), f"{admin.states(names)}\n{admin.log()[-4000:]}"
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
    timeline.say()
    print(f"# {mail.say()}")
    assert not mail.faults, mail.faults[:5]
    assert mail.signed > 50 and mail.bad == 0 and mail.unsigned == 0
    for name in NAMES:
        assert len(mail.selectors[name]) == 2 and mail.selectors[name][0] == before[name]
        for selector in before.values():
            assert world.ask(f"{selector}._domainkey.{name}") == []


def test_sqlite_and_bind_with_a_late_secondary(program, folder):
    with lifecycle.World(folder, NAMES, late=3) as world:
        whole_life(program, folder, stores.sqlite_store(folder), world)
