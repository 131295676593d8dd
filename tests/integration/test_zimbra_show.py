"""A Zimbra site as a whole: its directory (slapd: schema, indexes, unique overlay, who may read and who may write), Debian's opendkim on it, BIND,
signpost-admind with a mirror, and what the administrator types. Domains are added, asked for, rotated and removed; opendkim
signs with the key of the directory before, during and after, and dkimpy judges each message. The timeline is printed (pytest -s).
"""
import contextlib
import os
import re
import subprocess
import time

import pytest

from lib import dnsservers, lifecycle, patience, procs, slapd, stores, zimbra, zimbradir
from test_zimbra import OLD, Zimbra

NEW, TAKEN, OTHER = "new.example.com", "old.example.com", "other.example.com"
MISSING = (dnsservers.missing() or stores.missing() or (None if lifecycle.program() else "signpost-admind is not built")
           or (None if slapd.program() and os.access(zimbra.OPENDKIM, os.X_OK) else "slapd or opendkim is not installed"))
pytestmark = [pytest.mark.skipif(MISSING is not None, reason=str(MISSING)), pytest.mark.signpost("mirrors of keys")]


class Site:
    def __init__(self, folder, world):
        self.folder, self.world, self.began = folder, world, time.monotonic()
        # As zmdkimkeyutil -S has it published: h=sha256 of opendkim-genkey, and t=s.
        stores.signpost("genkey", "-S", "-b", "2048", "-d", TAKEN, "-s", OLD.lower(), "-D", folder)
        self.old_pem = (folder / f"{OLD.lower()}.private").read_text()
        record = (folder / f"{OLD.lower()}.txt").read_text()
        self.old_record = re.findall(r'"([^"]*)"', record)
        assert "h=sha256" in self.old_record[0] and "t=s" in self.old_record[0]
        world.update("example.com", f"{OLD.lower()}._domainkey.{TAKEN}", self.old_record)
        one = self.directory = zimbradir.ZimbraDirectory(folder)
        one.load([one.domain(NEW), one.domain(OTHER), one.domain(TAKEN, dkim=(OLD, self.old_pem, record))])
        one.start()
        secret, mirrors = folder / "zimbra.secret", folder / "mirrors"
        secret.write_text(zimbradir.ADMIN_PASSWORD + "\n")
        mirrors.write_text(f"zimbra zimbra:{one.url}/?binddn={zimbradir.ADMIN_DN}&secretfile={secret}\n")
        for path in (secret, mirrors):
            path.chmod(0o600)
        store = stores.sqlite_store(folder)
        store.init()
        self.admin = lifecycle.Admin(store, world, KeyMirrors=mirrors).start().ready()
        lifecycle.provide(self.admin, [], {"mirror": "zimbra", "algorithms": ["rsa-2048"]}, name="zimbra", tenant="zimbra")
        self.tool = Zimbra(folder, one, self.admin)
        self.mta = one.localconfig(folder / "mta.xml", user=zimbradir.MTA_DN, password=zimbradir.MTA_PASSWORD)

    def tell(self, *words):
        print(f"# {time.monotonic() - self.began:6.1f} s  {' '.join(words)}")

    def type(self, *words, **more):
        """As the administrator does."""
        done = self.tool.run(*words, **more)
        self.tell("zmdkimkeyutil", *map(str, words), f"-> {done.returncode}")
        for line in done.stderr.splitlines():
            print(f"#             {line}")
        return done

    def shown(self, name):
        return self.directory.entry(name).get("DKIMSelector", [None])[0]

    def states(self, name):
        return {selector: state for (_, selector), state in self.admin.states([name]).items()}

    def until(self, what, words):
        assert procs.wait_until(what, patience.seconds(60)), f"{words}: {self.states(NEW)} {self.states(TAKEN)}\n{self.admin.log()[-3000:]}"
        self.tell(words)

    def close(self):
        self.admin.stop()
        self.directory.stop()


@pytest.fixture
def site(folder):
    with lifecycle.World(folder, ["example.com"], late=None) as world:
        one = Site(folder, world)
        yield one
        one.close()


@contextlib.contextmanager
def mail(site):
    with zimbra.OpenDKIM(site.folder, site.directory) as opendkim, lifecycle.Mail(site.world, [opendkim], [NEW, TAKEN]) as one:
        yield one
    site.tell("opendkim:", one.say())
    assert not one.faults, one.faults[:5]
    assert one.bad == 0 and one.unsigned == 0 and one.deferred == 0


def as_user(directory, dn, password, text):
    return subprocess.run(["ldapmodify", "-x", "-H", directory.url, "-D", dn, "-w", password], input=text, text=True,
                          capture_output=True, timeout=patience.seconds(60))


def test_add_query_rotate_remove(site):
    before = site.directory.entry(TAKEN)
    with mail(site) as sent:
        site.until(lambda: sent.selectors.get(TAKEN) == [OLD], "opendkim signs with the key that Zimbra's tool has made")
        added(site, sent)
        queried(site)
        rotated(site, sent, before)
    removed(site)


def added(site, sent):
    site.type("-a", "-d", NEW, "-s", "first", "--wait")
    site.until(lambda: site.shown(NEW) == "first", "the directory has the new domain's key")
    site.until(lambda: sent.selectors.get(NEW) == ["first"], "opendkim signs with it")
    # In the directory a selector is one domain's: who comes second gets nothing, nor does anything stop.
    said = site.type("-a", "-d", OTHER, "-s", "first", code=1)
    assert "already in use" in said.stdout and site.shown(OTHER) is None


def queried(site):
    """The user of the MTA may read what signs, and write nothing."""
    record = site.world.ask(f"first._domainkey.{NEW}")[0]
    for conf in (None, site.mta):
        said = site.type("-q", "-d", NEW, conf=conf).stdout
        assert "".join(re.findall(r'"([^"]*)"', said)).split("p=")[1] == record.split("p=")[1] and "PRIVATE" not in said.replace("Private", "")
    text = f"dn: {site.directory.dn(NEW)}\nchangetype: modify\nreplace: DKIMSelector\nDKIMSelector: mine\n"
    refused = as_user(site.directory, zimbradir.MTA_DN, zimbradir.MTA_PASSWORD, text)
    assert refused.returncode == 50 and "nsufficient access" in refused.stderr
    assert site.shown(NEW) == "first"


def rotated(site, sent, before):
    """The key of the directory is taken over, and signs until the next one is in DNS and in the directory."""
    site.type("-u", "-d", TAKEN, code=75)
    assert site.directory.entry(TAKEN) == before, "nothing is switched yet"
    site.until(lambda: site.states(TAKEN).get(OLD.lower()) == "ACTIVE", "the key of the directory is ACTIVE")
    assert site.world.ask(f"{OLD.lower()}._domainkey.{TAKEN}") == ["".join(site.old_record)], "its record is not touched"
    for name in (TAKEN, NEW):
        old = site.shown(name)
        site.type("-u", "-d", name, "--wait")
        site.until(lambda n=name, o=old: site.shown(n) not in (None, o), f"the directory has another key of {name}")
        active = [selector for selector, state in site.states(name).items() if state == "ACTIVE"]
        assert active == [site.shown(name)]
        site.until(lambda n=name, o=old: sent.selectors[n] == [o, site.shown(n)], "opendkim signs with it, and with no other after")
        site.until(lambda n=name, o=old: site.states(n).get(o.lower()) in (None, "DESTROYED"), "the old one is destroyed")
    assert site.shown(TAKEN) != OLD and site.world.ask(f"{OLD.lower()}._domainkey.{TAKEN}") in (None, [])


def removed(site):
    selector = site.shown(NEW)
    site.type("-r", "-d", NEW)
    assert not set(zimbradir.DKIM) & set(site.directory.entry(NEW))
    site.until(lambda: site.states(NEW).get(selector) in (None, "DESTROYED"), "its key is destroyed, its record gone")
    assert site.world.ask(f"{selector}._domainkey.{NEW}") in (None, [])
    assert site.shown(TAKEN) is not None
    # The mirror does not bring it back, nor does it call that a fault.
    site.admin.stop()
    site.admin.start().ready()
    again = site.type("-q", "-d", NEW, code=1).stdout
    assert again == f"No DKIM Information for domain {NEW}\n"
    assert NEW not in str(site.admin.cli("drift")["result"]), site.admin.cli("drift")
