"""signpost zimbra: the options and texts of zmdkimkeyutil against a directory like Zimbra's, with keys that signpost-admind
looks after: BIND, a caching resolver and slapd, all real. Time is compressed by the plan.

What is written into the directory when a key becomes ACTIVE is the mirror's work: test_mirror.py.
"""
import json
import os
import re
import shutil
import subprocess

import pytest

from lib import dnsservers, keys, lifecycle, patience, procs, slapd, stores, zimbradir
from lib.zimbradir import DKIM, ZimbraDirectory
from test_ldap import Authority

ZONE = "example.com"
OLD = "0E9F184A-9577-11E1-AD0E-2A2FBBAC6BCB"
MISSING = (dnsservers.missing() or stores.missing() or (None if lifecycle.program() else "signpost-admind is not built")
           or (None if slapd.program() and shutil.which("ldapsearch") else "slapd is not installed"))
pytestmark = [pytest.mark.skipif(MISSING is not None, reason=str(MISSING)), pytest.mark.signpost("it is one of our tools")]


class Zimbra:
    """The tool, with what it needs."""

    def __init__(self, folder, directory, admin=None):
        self.folder, self.directory, self.admin = folder, directory, admin
        self.conf = directory.localconfig(folder / "localconfig.xml")

    def run(self, *words, code=0, conf=None, name=None):
        program = name or stores.SIGNPOST.resolve()
        where = ["--localconfig", conf or self.conf] if "--ldap-url" not in words else []
        socket = ["--socket", self.admin.socket if self.admin else self.folder / "nobody.sock"]
        done = subprocess.run([program, *([] if name else ["zimbra"]), *map(str, [*where, *socket, *words])], capture_output=True,
                              text=True, timeout=patience.seconds(120))
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def json(self, *words, **more):
        return [json.loads(line) for line in self.run("--json", *words, **more).stdout.splitlines()]


@pytest.fixture(scope="module")
def old_key(module_folder):
    """What the stock tool has made: private key, and the line of the zone."""
    stores.signpost("genkey", "-h", "", "-b", "2048", "-d", "old.example.com", "-s", OLD.lower(), "-D", module_folder)
    return ((module_folder / f"{OLD.lower()}.private").read_text(), (module_folder / f"{OLD.lower()}.txt").read_text())


@pytest.fixture(scope="module")
def directory(module_folder, old_key):
    one = ZimbraDirectory(module_folder)
    names = ["new.example.com", "twin.example.com", "bare.example.com", "plain.example.com", "retire.example.com"]
    one.load([one.domain(n) for n in names] + [
        one.domain("old.example.com", dkim=(OLD, *old_key)),
        one.domain("strip.example.com", dkim=("STRIP", old_key[0], "text\x1b]0;x\x07 of it")),
        one.domain("broken.example.com", dkim=("BROKEN", "no key", "x")),
        one.domain("main.example.com")] + [one.domain(f"alias{i}.example.com", alias_of="main.example.com") for i in range(2)]
        + [one.domain(f"many{i}.example.com") for i in range(1000)])
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def world(module_folder, old_key):
    with lifecycle.World(module_folder, [ZONE], late=None) as dns:
        yield dns


@pytest.fixture(scope="module")
def admin(module_folder, world):
    with lifecycle.Admin(stores.sqlite_store(module_folder), world) as one:
        # What signs no more stays RETIRING for longer than any test takes.
        lifecycle.provide(one, [], {"lease": 3600, "signature_life": 3600}, name="zimbra", tenant="zimbra")
        yield one


@pytest.fixture
def zimbra(folder, directory, admin):
    return Zimbra(folder, directory, admin)


@pytest.fixture
def reading(folder, directory):
    """Without a signpost-admind."""
    return Zimbra(folder, directory)


def state(admin, domain, selector):
    return admin.states([domain]).get((domain, selector))


# ---- showing ----

def test_query_shows_what_is_there_and_no_private_key(reading, old_key):
    shown = reading.run("-q", "-d", "old.example.com").stdout
    heads = re.findall(r"^DKIM [A-Z].*:$", shown, re.M)
    assert heads == ["DKIM Domain:", "DKIM Selector:", "DKIM Private Key:", "DKIM Public signature:", "DKIM Identity:"], shown
    assert "PRIVATE KEY" not in shown.replace("DKIM Private Key", "") and old_key[1].strip() in shown and OLD in shown
    assert reading.run("-q", "-s", OLD).stdout == shown
    assert old_key[0] in reading.run("-q", "-d", "OLD.example.COM", "--show-private-key").stdout
    for words in (["-q", "-d", "old.example.com", "-s", "OTHER"], ["-q", "-d", "bare.example.com"]):
        assert "No DKIM Information for domain" in reading.run(*words, code=1).stdout
    assert reading.run("-q", "-s", "nothing", code=1).stdout == "No DKIM Information for Selector nothing\n"
    assert reading.run("-q", "-d", "no.example.com", code=1).stdout == "Domain no.example.com not found.\n"


def test_query_as_the_mta_derives_the_public_key(reading, folder, directory, old_key):
    conf = directory.localconfig(folder / "mta.xml", user=zimbradir.MTA_DN, password=zimbradir.MTA_PASSWORD)
    shown, = reading.json("-q", "-d", "old.example.com", conf=conf)
    value = "".join(re.findall(r'"([^"]*)"', shown["public"]))
    theirs = "".join(re.findall(r'"([^"]*)"', old_key[1]))
    assert value.split("p=")[1] == theirs.split("p=")[1] and value.startswith("v=DKIM1; k=rsa; p=")
    assert all(len(s) <= 255 for s in re.findall(r'"([^"]*)"', shown["public"]))
    assert shown["selector"] == OLD and shown["dkim"] == "enabled" and "private_key" not in shown
    assert "is no key" in reading.run("-q", "-d", "broken.example.com", conf=conf, code=1).stderr


def test_nothing_of_a_directory_reaches_the_terminal(reading):
    shown = reading.run("-q", "-d", "strip.example.com").stdout
    assert "\x1b" not in shown and "\x07" not in shown and "\\x1b]0;x\\x07" in shown


def test_names_are_values_and_no_filters(reading):
    for name in ("*", "old.example.com)(objectClass=*", "(|(a=*))", "old.example.com\\2a", "old.example.com\n", "\xfc.example.com", "a" * 5000):
        assert "not found." in reading.run("-q", "-d", name, code=1).stdout
    for name in ("*", "0E9F*", ")(DKIMSelector=*"):
        assert "No DKIM Information for Selector" in reading.run("-q", "-s", name, code=1).stdout


def test_all_domains(reading):
    rows = reading.json("--all")
    found = {row["domain"]: row for row in rows}
    assert len(rows) == len(found) and sum(n.startswith("many") for n in found) == 1000
    assert found["old.example.com"]["dkim"] == "enabled" and found["bare.example.com"]["dkim"] == "none"
    assert found["alias1.example.com"]["type"] == "alias"
    text = reading.run("--all", "-q").stdout
    assert len(text.splitlines()) == len(rows) and re.search(rf"^old\.example\.com +enabled +local +{OLD}$", text, re.M)


def test_a_server_that_does_not_give_all_of_them(folder, reading):
    one = ZimbraDirectory(folder, sizelimit=40, name="limited")
    one.load([one.domain(f"m{i}.example.com") for i in range(60)])
    one.start()
    try:
        said = reading.run("--all", conf=one.localconfig(folder / "limited.xml"), code=69)
        assert "limit" in said.stderr and len(said.stdout.splitlines()) <= 40
    finally:
        one.stop()


def test_servers_that_do_not_answer(reading, folder, directory):
    dead = f"ldap://127.0.0.1:{procs.free_port()}"
    conf = directory.localconfig(folder / "two.xml", urls=f"{dead} {directory.url}")
    assert OLD in reading.run("-q", "-d", "old.example.com", conf=conf).stdout
    conf = directory.localconfig(folder / "dead.xml", urls=dead)
    assert "cannot be reached" in reading.run("-q", "-d", "old.example.com", conf=conf, code=69).stderr
    conf = directory.localconfig(folder / "wrong.xml", password="wrong-password-x")
    said = reading.run("-q", "-d", "old.example.com", conf=conf, code=69)
    assert "refuses the bind" in said.stderr and "LDAPBind" not in said.stderr and "wrong-password-x" not in said.stdout + said.stderr
    assert "localconfig" in reading.run("-q", "-d", "a", conf=folder / "none.xml", code=78).stderr
    conf.write_text('<localconfig>\n<key name="ldap_url">\n<value>ldap://x</value>\n</localconfig>')
    assert "line 4" in reading.run("-q", "-d", "a", conf=conf, code=78).stderr


def test_the_server_is_verified(folder, directory, reading):
    (folder / "ca").mkdir()
    authority = Authority(folder / "ca")
    one = ZimbraDirectory(folder, tls=authority.good, name="tls")
    one.load(one.domain("bare.example.com"))
    one.start()
    try:
        conf = one.localconfig(folder / "tls.xml", start_tls=1)
        assert "start TLS" in reading.run("-q", "-d", "bare.example.com", conf=conf, code=69).stderr
        assert "No DKIM" in reading.run("-q", "-d", "bare.example.com", "--ca", authority.ca, conf=conf, code=1).stdout
        password = folder / "password"
        password.write_text(zimbradir.ADMIN_PASSWORD + "\n")
        words = ["-q", "-d", "bare.example.com", "--bind-dn", zimbradir.ADMIN_DN, "--bind-password-file", password]
        for url in (one.tls_url, one.url):
            assert "No DKIM" in reading.run("--ldap-url", url, "--ca", authority.ca, *words, code=1).stdout
        reading.run("--ldap-url", one.tls_url, *words, code=69)
    finally:
        one.stop()
    # A directory without TLS is not asked in clear because it has none.
    reading.run("--ldap-url", directory.url, *words, code=69)


# ---- options ----

def test_options_and_the_name_of_the_stock_tool(reading, folder):
    link = folder / "zmdkimkeyutil"
    os.symlink(stores.SIGNPOST.resolve(), link)
    assert OLD in reading.run("-q", "-d", "old.example.com", name=link).stdout
    assert "usage: " in reading.run("-h", name=link).stdout
    for words in ([], ["-a"], ["-a", "-q", "-d", "x"], ["-u"], ["-r", "-s", "x", "-d", "x"], ["-q"], ["--nope"], ["-q", "-d", "a", "b"],
                  ["-a", "-S", "-d", "x"], ["-q", "-d", "x", "--wait"], ["--all", "-d", "x"], ["-a", "-b", "many", "-d", "x"]):
        said = reading.run(*words, name=link, code=1)
        assert said.stderr, words
    said = reading.run("-a", "-b", "1024", "-d", "bare.example.com", code=1)
    assert said.stdout == "Bit size less than 2048 is not allowed, as it is insecure.\n"


# ---- keys ----

def test_add_is_published_and_proven_before_it_signs(zimbra, directory, admin, world):
    words = ["-a", "-d", "new.example.com", "-s", "first"]
    assert "would be made" in zimbra.run(*words, "--dry-run").stdout
    assert "new.example.com" not in str(admin.cli("domain", "list"))
    said = zimbra.run(*words, "-b", "3072", "--wait")
    assert "DKIM key made for domain new.example.com with selector first" in said.stdout
    assert "Public signature to enter into DNS" in said.stdout and "has no mirror" in said.stderr
    key = admin.cli("key", "show", "new.example.com", "first")["result"]["key"]
    assert key["state"] == "ACTIVE" and key["bits"] == 3072, key
    value = "".join(re.findall(r'"([^"]*)"', said.stdout))
    assert world.ask("first._domainkey.new.example.com") == [value]
    # Nothing says that the directory has it, since it has not: that is the mirror's.
    assert "LDAP is unchanged" in said.stdout and not set(DKIM) & set(directory.entry("new.example.com"))
    again = zimbra.run(*words, code=1)
    assert again.stdout == "Error: Domain new.example.com already has DKIM enabled.\n" and "ACTIVE" in again.stderr
    assert zimbra.run("-a", "-d", "old.example.com", code=1).stdout == "Error: Domain old.example.com already has DKIM enabled.\n"


def test_a_selector_is_one_domain_s(zimbra, admin):
    said = zimbra.run("-a", "-d", "bare.example.com", "-s", OLD, code=1)
    assert said.stdout == f"Error: Failed to update LDAP: Selector {OLD} is already in use.\n"
    said = zimbra.run("-a", "-d", "bare.example.com", "-s", "NOT a selector", code=1)
    assert "selector" in said.stderr
    assert "bare.example.com" not in str(admin.cli("domain", "list")), "what could not be finished is left behind"


def test_an_interrupted_add_is_gone_on_with(zimbra, admin):
    admin.cli("domain", "add", "--policy", "zimbra", "--disable", "twin.example.com", "zimbra")
    admin.cli("key", "generate", "--selector", "halfway", "twin.example.com")
    shown, = zimbra.json("-a", "-d", "twin.example.com")
    assert shown["selector"] == "halfway" and not shown["mirror"] and shown["record"]["value"].startswith("v=DKIM1; k=rsa; p=")
    assert admin.cli("domain", "show", "twin.example.com")["result"]["domain"]["enabled"]
    assert len(admin.states(["twin.example.com"])) == 1


def test_a_record_that_verifiers_would_not_use(zimbra, directory, admin, world, old_key):
    name = f"{OLD.lower()}._domainkey.old.example.com"
    strings = re.findall(r'"([^"]*)"', old_key[1])
    world.update(ZONE, name, ["v=DKIM1; h=sha1; k=rsa; ", *strings[1:]])
    said = zimbra.run("-u", "-d", "old.example.com", code=1)
    assert "dns-conflict" in said.stderr and "does not allow SHA-256 (h=)" in said.stderr and "mend the record" in said.stderr
    assert "old.example.com" not in str(admin.cli("domain", "list"))


def test_update_takes_the_key_of_the_stock_tool_over(zimbra, directory, admin, world, old_key):
    before = directory.entry("old.example.com")
    assert "doesn't have DKIM enabled" in zimbra.run("-u", "-d", "plain.example.com", code=1).stdout
    name = f"{OLD.lower()}._domainkey.old.example.com"
    world.update(ZONE, name, re.findall(r'"([^"]*)"', old_key[1]))
    assert "would be rotated" in zimbra.run("-u", "-d", "old.example.com", "-n").stdout
    said = zimbra.run("-u", "-d", "old.example.com", code=75)
    assert "was imported, and goes on signing" in said.stderr and "PRIVATE" not in said.stdout + said.stderr
    assert procs.wait_until(lambda: state(admin, "old.example.com", OLD.lower()) == "ACTIVE"), admin.log()[-3000:]
    admin.cli("rotate", "--reason", "x", "--not-before", "2099-01-01T00:00:00Z", "old.example.com")
    keys_before = admin.states(["old.example.com"])
    said = zimbra.run("-u", "-d", "old.example.com", "-s", "second", code=1)
    assert "rotation-in-progress" in said.stderr
    after = admin.states(["old.example.com"])
    assert ("old.example.com", "second") not in after and "FAILED" not in after.values() and set(keys_before) <= set(after)
    rotation = admin.cli("rotation", "list", "old.example.com")["result"]["rotations"][0]["rotation"]
    admin.cli("rotation", "abort", "--reason", "x", "old.example.com", rotation)
    said = zimbra.run("-u", "-d", "old.example.com", "-s", "second", "--wait")
    assert state(admin, "old.example.com", "second") == "ACTIVE"
    assert state(admin, "old.example.com", OLD.lower()) == "RETIRING"
    # Each step is told.
    told = re.findall(r"key (\S+) is (\w+)", said.stderr)
    assert told[-1] == ("second", "ACTIVE") and len(told) > 1, told
    assert directory.entry("old.example.com") == before, "only the mirror writes keys"
    # The directory has the old key still, because nobody mirrors: that is said, and nothing is begun.
    assert "the mirror has not followed" in zimbra.run("-u", "-d", "old.example.com", code=1).stderr


def test_update_of_a_key_that_is_not_in_dns(zimbra, directory, admin, world, old_key):
    directory.modify(f"dn: {directory.dn('plain.example.com')}\nchangetype: modify\nadd: objectClass\nobjectClass: DKIM\n-\n" + "".join(
        f"add: {n}\n{n}:: {slapd.base64.b64encode(v.encode()).decode()}\n-\n" for n, v in
        zip(DKIM, ("LOST", "plain.example.com", old_key[0], "x", "plain.example.com"))))
    said = zimbra.run("-u", "-d", "plain.example.com", "--wait")
    assert "is published first" in said.stderr
    # The old key was ACTIVE before the new one.
    told = re.findall(r"key (\S+) is (\w+)", said.stderr)
    assert ("lost", "ACTIVE") in told and told[-1][1] == "ACTIVE" and told[-1][0] != "lost", told
    assert state(admin, "plain.example.com", "lost") == "RETIRING"


def test_with_aliases(zimbra, admin):
    made = zimbra.json("-a", "-d", "main.example.com", "--with-aliases")
    assert [one["domain"] for one in made] == ["main.example.com", "alias0.example.com", "alias1.example.com"]
    assert len({one["selector"] for one in made}) == 3
    assert all(one["key"]["bits"] == 2048 and one["key"]["algorithm"] == "rsa-sha256" for one in made)
    zimbra.run("-r", "-d", "main.example.com", "--with-aliases")
    for one in made:
        shown = admin.cli("domain", "list")["result"]["domains"]
        assert not any(row["domain"] == one["domain"] and row["enabled"] for row in shown)


def test_remove(zimbra, directory, admin, world):
    assert "would be deleted" in zimbra.run("-r", "-d", "strip.example.com", "-n").stdout
    assert directory.entry("strip.example.com")["DKIMSelector"] == ["STRIP"]
    assert zimbra.run("-r", "-d", "strip.example.com").stdout == "DKIM Data deleted in LDAP for domain strip.example.com\n"
    left = directory.entry("strip.example.com")
    assert not set(DKIM) & set(left) and "DKIM" not in left["objectClass"] and "zimbraDomain" in left["objectClass"]
    assert zimbra.run("-q", "-d", "strip.example.com", code=1).stdout == "No DKIM Information for domain strip.example.com\n"
    assert zimbra.run("-r", "-d", "strip.example.com", code=1).stdout == "No DKIM Information for domain strip.example.com\n"
    assert zimbra.run("-r", "-d", "none.example.com", code=1).stdout == "Domain none.example.com not found.\n"


def test_remove_lets_keys_retire(zimbra, directory, admin, world):
    name = "retire.example.com"
    zimbra.run("-a", "-d", name, "-s", "going", "--wait")
    zimbra.run("-r", "-d", name)
    assert state(admin, name, "going") == "RETIRING" and world.ask(f"going._domainkey.{name}")
    assert not admin.cli("domain", "show", name)["result"]["domain"]["enabled"]
    assert zimbra.run("-a", "-d", name, "-s", "third").stdout
    assert admin.cli("domain", "show", name)["result"]["domain"]["enabled"]


def test_who_may_not_write(zimbra, folder, directory, admin):
    conf = directory.localconfig(folder / "mta.xml", user=zimbradir.MTA_DN, password=zimbradir.MTA_PASSWORD)
    before = directory.entry("broken.example.com")
    said = zimbra.run("-r", "-d", "broken.example.com", conf=conf, code=69)
    assert "ufficient access" in said.stderr and "LDAPBind" not in said.stderr and directory.entry("broken.example.com") == before


def test_no_signpost_admind_no_policy(reading, zimbra, directory):
    assert "cannot be reached" in reading.run("-a", "-d", "bare.example.com", code=69).stderr
    said = zimbra.run("-a", "-d", "bare.example.com", "--policy", "none", code=1)
    assert "has no policy none" in said.stderr
    said = zimbra.run("-a", "-d", "bare.example.com", "--tenant", "nobody", code=1)
    assert "policy" in said.stderr


def test_the_directory_is_stopped(folder, directory, admin):
    one = Zimbra(folder, directory, admin)
    directory.stop()
    try:
        for words in (["-q", "-d", "old.example.com"], ["-a", "-d", "bare.example.com"], ["--all"]):
            assert "cannot be reached" in one.run(*words, code=69).stderr
    finally:
        directory.start()
