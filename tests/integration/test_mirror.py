"""Mirrors: a foreign store of plain keys follows what Signpost does. Zimbra's directory (slapd) with Debian's opendkim on it,
which signs before, during and after a rotation; dkimpy judges each message when it is made and some seconds later.
"""
import os
import socket
import subprocess

import pytest

from lib import dnsservers, lifecycle, mariadb, patience, procs, slapd, stores, zimbra

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


def make_admin(folder, world, line):
    mirrors = folder / "mirrors"
    mirrors.write_text(line)
    mirrors.chmod(0o600)
    store = stores.sqlite_store(folder)
    store.init()
    return lifecycle.Admin(store, world, KeyMirrors=mirrors)


@pytest.fixture
def admin(folder, world, directory):
    """Not started."""
    one = make_admin(folder, world, directory.mirror())
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


# ---- how it is reached ----

BIND = f'BIND dn="{zimbra.ADMIN_DN}"'


@pytest.fixture(scope="module")
def authority(module_folder):
    (module_folder / "tls").mkdir()
    return mariadb.Authority(module_folder / "tls")


@pytest.mark.parametrize("way", ["ldaps", "starttls"])
def test_tls(folder, world, authority, way):
    """With the certificate of somebody who is not trusted no password is sent; with that of the right one all is well."""
    stranger = mariadb.Authority(folder, "stranger")
    trusted = folder / "trusted.pem"
    trusted.write_bytes(stranger.path.read_bytes())
    tls = (authority.path, *authority.certificate("server"))
    with zimbra.Directory(folder, tls=tls).fill([NAME]) as directory:
        url = directory.tls_url if way == "ldaps" else directory.url
        more = f"&cafile={trusted}" + ("&starttls=yes" if way == "starttls" else "")
        admin = make_admin(folder, world, directory.mirror(url=url, more=more))
        try:
            admin.start().ready()
            lifecycle.provide(admin, [NAME], PLAN)
            until(admin, lambda: f"mirror zimbra: {url} " in admin.log())
            assert "its issuer (cafile=) fit?" in admin.log() and "LDAP" not in admin.log().replace("LDAP server", "")
            assert "ACCEPT from" in directory.heard() and "BIND" not in directory.heard()
            assert not selectors(admin, "ACTIVE") and directory.attributes(NAME) == {}
            trusted.write_bytes(authority.path.read_bytes())
            settle(admin, directory)
            heard = directory.heard()
            assert 0 < heard.index("TLS established") < heard.index(BIND)
            assert ("STARTTLS" in heard) == (way == "starttls")
        finally:
            admin.stop()


def test_a_socket_of_this_machine(folder, world, directory):
    admin = make_admin(folder, world, directory.mirror(url=directory.local_url))
    try:
        admin.start().ready()
        lifecycle.provide(admin, [NAME], PLAN)
        settle(admin, directory)
    finally:
        admin.stop()


def test_the_password_is_wrong(folder, world, directory, admin):
    directory.secret.write_text("another\n")
    admin.start().ready()
    lifecycle.provide(admin, [NAME], PLAN)
    until(admin, lambda: "correct binddn= and the password in secretfile=" in admin.log())
    assert "mirror zimbra: " in admin.log() and "LDAPBind" not in admin.log() and "another" not in admin.log()
    directory.secret.write_text(zimbra.ADMIN_PASSWORD + "\n")
    settle(admin, directory)


# ---- who is in the way ----

def test_another_entry_has_the_selector(folder, world, directory, admin):
    """The directory says that selectors are unique in it: the key before signs on until there is room."""
    admin.start().ready()
    lifecycle.provide(admin, [NAME], PLAN)
    before = settle(admin, directory)
    good, wanted = directory.attributes(NAME), selectors(admin, "LOADED")[0]
    other = f"dn: {zimbra.dn_of('example.com')}\nchangetype: modify\n"
    lines = "".join(f"add: {name}\n{name}: {value}\n-\n" for name, value in
                    (("objectClass", "DKIM"), ("DKIMSelector", wanted), ("DKIMKey", "theirs"), ("DKIMPublicKey", "theirs")))
    directory.modify(other + lines)
    admin.cli("rotate", "--reason", "a test", NAME)
    said = f"mirror zimbra: DKIMSelector {wanted}: has another entry this selector? "
    until(admin, lambda: said in admin.log())
    assert "Constraint violation" in admin.log().split(said, 1)[1].splitlines()[0]
    assert selectors(admin, "ACTIVE") == [before] and directory.attributes(NAME) == good
    directory.modify(other + "".join(f"delete: {name}\n-\n" for name in ("DKIMSelector", "DKIMKey", "DKIMPublicKey"))
                     + "delete: objectClass\nobjectClass: DKIM\n-\n")
    rotated(admin, directory, before)
    assert selectors(admin, "ACTIVE") == [wanted]


def test_a_directory_that_is_silent_holds_nobody_else(folder):
    """It takes connections and never answers: domains without a mirror get on, and it is asked once for all its domains of a
    turn. When it answers nothing is lost."""
    held, free = [f"m{n}.example.com" for n in range(20)], [f"f{n}.example.com" for n in range(3)]
    directory = zimbra.Directory(folder).fill(held)
    with lifecycle.World(folder, held + free, late=None) as world, socket.create_server(("127.0.0.1", directory.port)) as silent:
        admin = make_admin(folder, world, directory.mirror())
        try:
            admin.start().ready()
            lifecycle.provide(admin, held, {**PLAN, "retry": 5, "retry_max": 5})
            told = [f"domain {name}: " for name in held]
            until(admin, lambda: all(any(t in line and ": mirror: mirror zimbra: " in line
                                         for line in admin.log().splitlines()) for t in told))
            lifecycle.provide(admin, free, name="alone", new=False)
            states = {name: lambda name=name: [k["state"] for k in admin.cli("key", "list", name)["result"]["keys"]]
                      for name in held + free}
            until(admin, lambda: all("ACTIVE" in states[name]() for name in free))
            assert not any("ACTIVE" in states[name]() for name in held)
            silent.setblocking(False)
            asked = 0
            try:
                while silent.accept():
                    asked += 1
            except BlockingIOError:
                pass
            troubles = admin.log().count(": mirror: mirror zimbra: ")
            assert 0 < asked and troubles >= len(held) and asked * 2 <= troubles, (asked, troubles)
            silent.close()
            with directory:
                until(admin, lambda: all("ACTIVE" in states[name]() for name in held))
                for name in held:
                    assert [k["selector"] for k in admin.cli("key", "list", name)["result"]["keys"] if k["state"] == "ACTIVE"] \
                        == [directory.attributes(name)["DKIMSelector"]]
        finally:
            admin.stop()
