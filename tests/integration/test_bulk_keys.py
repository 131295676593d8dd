"""key.import of many keys that sign elsewhere, by `signpost bulk`: each one is proven by what the authoritative servers say, and those are
asked for many at once.
"""
import json
import re
import subprocess

import pytest

from lib import dnsservers, keys, lifecycle, patience, stores

ZONE, COUNT = "moves.test", 60
MISSING, WRONG, ELSEWHERE = f"d3.{ZONE}", f"d4.{ZONE}", "d5.nowhere.test"
pytestmark = [pytest.mark.signpost("it is signpost's own"),
              pytest.mark.skipif(lifecycle.program() is None or not stores.SIGNPOST.exists(), reason="no signpost-admind in this build")]


@pytest.fixture
def world(folder):
    if dnsservers.missing("named", "unbound"):
        pytest.skip(dnsservers.missing("named", "unbound"))
    with lifecycle.World(folder, [ZONE], late=None) as one:
        yield one


@pytest.fixture
def admin(folder, world):
    with lifecycle.Admin(stores.sqlite_store(folder), world) as one:
        one.cli("tenant", "add", "acme")
        yield one


def names():
    return [f"d{i}.{ZONE}" for i in range(COUNT)] + [ELSEWHERE]


def line(operation, **arguments):
    return json.dumps({"operation": operation, "arguments": arguments})


def bulk(admin, lines, *options, code):
    done = subprocess.run([stores.SIGNPOST.resolve(), "bulk", "--socket", admin.socket, *options, "-"], input="\n".join(lines),
                          capture_output=True, text=True, timeout=patience.seconds(120))
    assert done.returncode == code, f"{done.stdout}{done.stderr}{admin.log()[-2000:]}"
    return done.stdout + done.stderr


def questions(world, name, kind):
    asked = re.compile(rf"query: {re.escape(name)} IN {kind} ", re.IGNORECASE)
    return len(asked.findall(world.primary.output()))


def test_many_keys_are_proven_at_once(folder, world, admin):
    made = [keys.make_key("ed25519", folder / f"{i}.private") for i in range(3)]
    for i, name in enumerate(names()):
        record = made[i % 2].record
        if i % 3 == 0:  # as opendkim-genkey writes it
            record = record.replace("v=DKIM1; ", "v=DKIM1; h=sha256; ")
        if name == WRONG:
            record = made[2].record
        if name not in (MISSING, ELSEWHERE):
            world.update(ZONE, f"old._domainkey.{name}", [record])
    bulk(admin, [line("domain.add", domain=name, tenant="acme") for name in names()], code=0)
    lines = [line("key.import", domain=name, selector="old", pem=made[i % 2].path.read_text(), active=True)
             for i, name in enumerate(names())]
    # A line that is none, and another operation between them: each in its turn.
    lines[10:10] = ["{", line("domain.set", domain=f"d9.{ZONE}", subdomains=True)]
    before = questions(world, ZONE, "NS")
    said = bulk(admin, lines, code=1)
    assert len(re.findall(r": line \d+: ", said)) == 4, said
    assert re.search(r": line 4: dns-unproven", said) and re.search(r": line 5: dns-conflict", said), said
    assert re.search(r": line 11: validation", said) and re.search(rf": line {COUNT + 3}: dns-unproven", said), said
    states = admin.states(names())
    assert len(states) == COUNT - 2 and set(states.values()) == {"ACTIVE"}, states
    # The servers of the zone were looked for some times, and not for each of its keys.
    assert 0 < questions(world, ZONE, "NS") - before < 15, questions(world, ZONE, "NS") - before
    assert all(questions(world, f"old._domainkey.{name}", "TXT") >= 1 for name in names() if name != ELSEWHERE)


def test_the_same_text_again(folder, world, admin):
    """Cut off between the lines of one look: those that were done are not done again, and no answer of before serves for others."""
    key = keys.make_key("ed25519", folder / "key.private")
    some = names()[:8]
    bulk(admin, [line("domain.add", domain=name, tenant="acme") for name in some], code=0)
    lines = [line("key.import", domain=name, selector="old", pem=key.path.read_text(), active=True) for name in some]
    for name in some[:5]:
        world.update(ZONE, f"old._domainkey.{name}", [key.record])
    said = bulk(admin, lines, "--idempotency-key=one", code=1)
    assert [int(n) for n in re.findall(r": line (\d+): dns-unproven", said)] == [6, 7, 8], said
    for name in some[5:]:
        world.update(ZONE, f"old._domainkey.{name}", [key.record])
    asked = [questions(world, f"old._domainkey.{name}", "TXT") for name in some]
    bulk(admin, lines, "--idempotency-key=one", code=0)
    assert [questions(world, f"old._domainkey.{name}", "TXT") > count for name, count in zip(some, asked)] == [False] * 5 + [True] * 3
    assert set(admin.states(some).values()) == {"ACTIVE"} and len(admin.states(some)) == len(some)
