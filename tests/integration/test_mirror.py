"""Mirrors: a foreign store of plain keys follows what Signpost does. Zimbra's directory (slapd) with Debian's opendkim on it,
which signs before, during and after a rotation; dkimpy judges each message when it is made and some seconds later.
"""
import os

import pytest

from lib import dnsservers, lifecycle, patience, procs, slapd, stores, zimbra

NAME = "a.example.com"
MISSING = (dnsservers.missing() or stores.missing() or (None if lifecycle.program() else "signpost-admind is not built")
           or (None if slapd.program() and os.access(zimbra.OPENDKIM, os.X_OK) else "slapd or opendkim is not installed"))
pytestmark = [pytest.mark.skipif(MISSING is not None, reason=str(MISSING)), pytest.mark.signpost("mirrors of keys")]
PLAN = {"mirror": "zimbra"}


@pytest.fixture
def world(folder):
    with lifecycle.World(folder, [NAME], late=None) as one:
        yield one


@pytest.fixture
def directory(folder):
    with zimbra.Directory(folder).fill([NAME]) as one:
        yield one


@pytest.fixture
def admin(folder, world, directory):
    """Not started."""
    mirrors = folder / "mirrors"
    mirrors.write_text(directory.mirror())
    mirrors.chmod(0o600)
    store = stores.sqlite_store(folder)
    store.init()
    one = lifecycle.Admin(store, world, KeyMirrors=mirrors)
    yield one
    one.stop()


def keys(admin, *states):
    return [key for key in admin.cli("key", "list", NAME)["result"]["keys"] if key["state"] in states]


def selectors(admin, *states):
    return [key["selector"] for key in keys(admin, *states)]


def until(admin, what):
    assert procs.wait_until(what, patience.seconds(60)), f"{keys(admin, *[s.upper() for s in lifecycle.STATES])}\n{admin.log()[-4000:]}"


def shown(directory):
    return directory.attributes(NAME).get("DKIMSelector")


def settle(admin, directory):
    until(admin, lambda: selectors(admin, "ACTIVE") == [shown(directory)] and len(selectors(admin, "LOADED")) == 1)
    return shown(directory)


def rotated(admin, directory, before):
    until(admin, lambda: selectors(admin, "ACTIVE") not in ([], [before]) and selectors(admin, "ACTIVE") == [shown(directory)])
    until(admin, lambda: before not in selectors(admin, "ACTIVE", "RETIRING", "REVOKED", "REMOVED"))


def judged(mail):
    print(f"# {mail.say()}")
    assert not mail.faults, mail.faults[:5]
    assert mail.signed > 10 and mail.bad == 0 and mail.unsigned == 0


def test_opendkim_signs_all_the_while(folder, world, directory, admin):
    admin.start().ready()
    lifecycle.provide(admin, [NAME], PLAN)
    before = settle(admin, directory)
    with zimbra.OpenDKIM(folder, directory) as opendkim, lifecycle.Mail(world, [opendkim], [NAME]) as mail:
        until(admin, lambda: mail.signed > 3)
        admin.cli("rotate", "--reason", "a test", NAME)
        rotated(admin, directory, before)
        until(admin, lambda: len(mail.selectors[NAME]) == 2)
    judged(mail)
    found = directory.attributes(NAME)
    assert found["DKIMIdentity"] == found["DKIMDomain"] == NAME and "DKIMPublicKey" in found
    assert "PRIVATE KEY" not in admin.log()


def test_the_directory_is_away(folder, world, directory, admin):
    admin.start().ready()
    lifecycle.provide(admin, [NAME], PLAN)
    before = settle(admin, directory)
    directory.stop()
    admin.cli("rotate", "--reason", "a test", NAME)
    until(admin, lambda: "mirror: " in admin.log())
    assert selectors(admin, "ACTIVE") == [before]
    directory.start()
    rotated(admin, directory, before)


@pytest.mark.parametrize("point", ["before-mirror", "after-mirror"])
def test_killed(folder, world, directory, admin, point):
    admin.start().ready()
    lifecycle.provide(admin, [NAME], PLAN)
    before = settle(admin, directory)
    admin.stop()
    admin.start(SIGNPOST_CRASH_AT=point).ready()
    with zimbra.OpenDKIM(folder, directory) as opendkim, lifecycle.Mail(world, [opendkim], [NAME]) as mail:
        admin.cli("rotate", "--reason", "a test", NAME, good=False)     # it may be killed before it answers
        assert procs.wait_until(lambda: admin.process.poll() is not None, patience.seconds(60)), admin.log()[-3000:]
        assert (shown(directory) == before) == (point == "before-mirror")
        admin.start().ready()
        rotated(admin, directory, before)
        until(admin, lambda: mail.signed > 10)
    judged(mail)


def test_what_readers_find_it_by_is_put_right(folder, world, directory, admin):
    """Without DKIMIdentity opendkim finds no key, whatever the others say."""
    admin.start().ready()
    lifecycle.provide(admin, [NAME], {**PLAN, "drift_interval": 2})
    settle(admin, directory)
    good = directory.attributes(NAME)
    for gone in ("DKIMIdentity", "DKIMDomain"):
        directory.modify(f"dn: {zimbra.dn_of(NAME)}\nchangetype: modify\ndelete: {gone}\n")
        assert gone not in directory.attributes(NAME) or directory.attributes(NAME) == good
        until(admin, lambda: directory.attributes(NAME) == good)


def test_a_foreign_key_is_not_touched(folder, world, directory, admin):
    pem = folder / "theirs.pem"
    import subprocess
    subprocess.run(["openssl", "genrsa", "-out", pem, "2048"], check=True, capture_output=True)
    text = "".join(f"add: {name}\n{slapd.ldif('x', [(name, value)]).splitlines()[1]}\n-\n" for name, value in
                   {"objectClass": "DKIM", "DKIMSelector": "theirs", "DKIMKey": pem.read_text(), "DKIMPublicKey": "x",
                    "DKIMIdentity": NAME, "DKIMDomain": NAME}.items())
    directory.modify(f"dn: {zimbra.dn_of(NAME)}\nchangetype: modify\n{text}")
    before = directory.attributes(NAME)
    admin.start().ready()
    lifecycle.provide(admin, [NAME], PLAN)
    until(admin, lambda: "that Signpost neither made nor imported" in admin.log())
    assert directory.attributes(NAME) == before and not selectors(admin, "ACTIVE")


def test_an_emergency_is_in_the_mirror(folder, world, directory, admin):
    admin.start().ready()
    lifecycle.provide(admin, [NAME], PLAN)
    before = settle(admin, directory)
    key = keys(admin, "ACTIVE")[0]
    admin.cli("emergency", "--reason", "a test", NAME)
    until(admin, lambda: shown(directory) not in (None, before))
    assert selectors(admin, "ACTIVE") == [shown(directory)], key


def test_a_domain_that_is_disabled(folder, world, directory, admin):
    admin.start().ready()
    lifecycle.provide(admin, [NAME], PLAN)
    settle(admin, directory)
    admin.cli("domain", "set", "--disable", NAME)
    until(admin, lambda: directory.attributes(NAME) == {})
