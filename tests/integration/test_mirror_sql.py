"""Mirrors in the tables of panels: PostfixAdmin's, with Debian's opendkim on them, and ISPConfig's, with signpostd. A real
MariaDB; each message is judged by dkimpy when it is made and some seconds later.
"""
import os
import signal
import subprocess

import pytest

from lib import api, dnsservers, lifecycle, mariadb, panels, patience, procs, stores
from lib.gateways import Gateway

ZONES = [f"{name}.{kind}.example" for name in ("sign", "kill", "away", "foreign", "off", "tenant", "moved", "none")
         for kind in ("postfixadmin", "ispconfig")]
MISSING = (dnsservers.missing() or stores.missing() or mariadb.missing() or
           (None if lifecycle.program() else "signpost-admind is not built") or
           (None if os.access(panels.OPENDKIM, os.X_OK) and os.path.exists(panels.ODBX) else "opendkim or libopendbx1-mysql is not installed"))
pytestmark = [pytest.mark.skipif(MISSING is not None, reason=str(MISSING)), pytest.mark.signpost("mirrors of keys")]
PLAN = {"proofs": 1}
KINDS = [panels.PostfixAdmin, panels.ISPConfig]


@pytest.fixture(scope="module")
def world(module_folder):
    with lifecycle.World(module_folder, ZONES, late=None) as one:
        yield one


@pytest.fixture(scope="module")
def server(module_folder):
    (module_folder / "sql").mkdir()
    one = mariadb.MariaDB(module_folder / "sql").start()
    yield one
    one.stop()


class Site:
    """A domain and its panel; signpost-admind, which may have another one, too."""

    def __init__(self, name, panel, admin):
        self.name, self.panel, self.admin = name, panel, admin

    def provide(self, plan=None, new=True):
        kind = self.panel.kind
        lifecycle.provide(self.admin, [self.name], {"mirror": kind, **PLAN, **(plan or {})}, name=kind, new=new)
        return self

    def keys(self, *states):
        return [key for key in self.admin.cli("key", "list", self.name)["result"]["keys"] if key["state"] in states]

    def selectors(self, *states):
        return [key["selector"] for key in self.keys(*states)]

    def until(self, what):
        assert procs.wait_until(what, patience.seconds(60)), \
            f"{self.keys(*[s.upper() for s in lifecycle.STATES])}\n{self.admin.log()[-4000:]}"

    def shown(self):
        return self.panel.shown(self.name)

    def settle(self, standby=1):
        self.until(lambda: self.selectors("ACTIVE") == [self.shown()] and len(self.selectors("LOADED")) >= standby)
        return self.shown()

    def rotate(self):
        self.admin.cli("rotate", "--reason", "a test", self.name)

    def switched(self, before):
        self.until(lambda: self.selectors("ACTIVE") not in ([], [before]) and self.selectors("ACTIVE") == [self.shown()])

    def rotated(self, before):
        """And the key before is revoked."""
        self.switched(before)
        self.until(lambda: before in self.selectors("REVOKED", "REMOVED", "DESTROYED"))


def write_lines(admin, *lines):
    path = admin.folder / "mirrors"
    path.write_text("".join(lines))
    path.chmod(0o600)


@pytest.fixture
def make(folder, world, server):
    made = []

    def sites(name, *kinds, more="", program=lifecycle.Admin):
        store = stores.sqlite_store(folder)
        store.init()
        admin = program(store, world, KeyMirrors=folder / "mirrors")
        made.append(admin)
        found = [Site(f"{name}.{kind.kind}.example", kind(server, folder), admin) for kind in kinds]
        for site in found:
            site.panel.add([site.name])
        write_lines(admin, *(site.panel.mirror(more=more) for site in found))
        admin.start().ready()
        return found

    yield sites
    for admin in made:
        admin.stop()


def judged(mail):
    print(f"# {mail.say()}")
    assert not mail.faults, mail.faults[:5]
    assert mail.signed > 10 and mail.bad == 0 and mail.unsigned == 0


def test_readers_sign_all_the_while(folder, world, program, make):
    """opendkim on the tables of PostfixAdmin, where a mailbox has a row of its own, and signpostd on ISPConfig's."""
    site, isp = make("sign", *KINDS)
    site.provide({"drift_interval": 2, "tombstone": 3600})
    isp.provide(new=False)
    before, isp_before = site.settle(), isp.settle()
    site.panel.server.run(f"INSERT INTO dkim_signing(author, dkim_id) SELECT 'bob@{site.name}', id FROM dkim WHERE "
                          f"selector = '{before}'", site.panel.name)
    settings = {"SigningTable": isp.panel.dsn(), "KeyTable": isp.panel.dsn(), "Mode": "s", "InternalHosts": "127.0.0.1", "CacheTTL": 1}
    with panels.OpenDKIM(folder, site.panel) as opendkim, Gateway(program, folder, settings, "reader") as gateway, \
            lifecycle.Mail(world, [opendkim], [site.name]) as mail, lifecycle.Mail(world, [gateway], [isp.name]) as other:
        site.until(lambda: mail.signed > 3 and other.signed > 3)
        site.rotate()
        isp.rotate()
        site.rotated(before)
        isp.rotated(isp_before)
        site.until(lambda: len(mail.selectors[site.name]) == len(other.selectors[isp.name]) == 2)
        (_, bob), = opendkim.send([site.name], user="bob").values()
        mail.judge(bob, "a mailbox of its own")
    judged(mail)
    judged(other)
    after = site.shown()
    assert f"s={after};".encode() in bob and site.panel.selectors(site.name) == [before, after]
    rows = site.panel.rows("SELECT domain_name, description, public_key FROM dkim ORDER BY id")
    assert rows[1][:2] == [site.name, "Signpost"] and rows[1][2].startswith("-----BEGIN PUBLIC KEY-----"), rows
    row, = isp.panel.rows("SELECT dkim, dkim_private, dkim_public FROM mail_domain")
    assert row[0] == "y" and "BEGIN PRIVATE KEY" in row[1] and row[2].startswith("-----BEGIN PUBLIC KEY-----"), row[2]
    site.panel.server.run(f"UPDATE dkim SET modified = '2026-01-01' WHERE selector = '{before}'", site.panel.name)
    site.until(lambda: site.panel.selectors(site.name) == [after])
    assert "PRIVATE KEY" not in site.admin.log() and panels.PASSWORD not in site.admin.log()


@pytest.mark.parametrize("kind", KINDS)
def test_killed(make, kind):
    site, = make("kill", kind)
    site.provide()
    for point in (("before-mirror", "after-mirror") if kind is panels.PostfixAdmin else ("after-mirror",)):
        before = site.settle()
        site.admin.stop()
        site.admin.start(SIGNPOST_CRASH_AT=point).ready()
        site.admin.cli("rotate", "--reason", "a test", site.name, good=False)     # it may be killed before it answers
        assert procs.wait_until(lambda: site.admin.process.poll() is not None, patience.seconds(60)), site.admin.log()[-3000:]
        shown = site.shown()
        assert (shown == before) == (point == "before-mirror")
        site.admin.start().ready()
        site.switched(before)
        assert point == "before-mirror" or site.shown() == shown
    if kind is panels.PostfixAdmin:     # nothing is there twice
        assert len(set(site.panel.selectors(site.name))) == 3 == len(site.panel.selectors(site.name))


def test_the_database_is_away(make, server):
    site, = make("away", panels.PostfixAdmin)
    site.provide()
    for leave, back in ((server.stop, server.start), (lambda: server.signal(signal.SIGSTOP), lambda: server.signal(signal.SIGCONT))):
        before, said = site.settle(), site.admin.log().count("mirror postfixadmin: mysql://127.0.0.1")
        leave()
        try:
            site.rotate()
            site.until(lambda: site.admin.log().count("mirror postfixadmin: mysql://127.0.0.1") > said)
            assert site.selectors("ACTIVE") == [before]
            # Between two tries; while it is tried it waits for nothing.
            site.until(lambda: ["Mirror"] in [key["next"]["blocked_by"] for key in site.keys("ACTIVE", "LOADED") if key["next"]])
        finally:
            back()
        site.switched(before)


def test_a_foreign_key_is_not_touched(folder, make):
    sites = make("foreign", *KINDS)
    pem = folder / "theirs.pem"
    subprocess.run(["openssl", "genrsa", "-out", pem, "2048"], check=True, capture_output=True)
    for site in sites:
        site.panel.add_key(site.name, "theirs", pem.read_text())
    before = [site.panel.all() for site in sites]
    for site in sites:
        site.provide(new=site is sites[0])
    for site in sites:
        site.until(lambda name=site.name: any(name in line and "that Signpost neither made nor imported" in line
                                              for line in site.admin.log().splitlines()))
        assert not site.selectors("ACTIVE")
    assert [site.panel.all() for site in sites] == before


def test_what_somebody_changed_and_what_is_taken_out(make):
    sites = make("off", *KINDS)
    for site in sites:
        site.provide({"drift_interval": 2}, new=site is sites[0])
    selectors = [site.settle(standby=0) for site in sites]
    sites[0].panel.server.run("DELETE FROM dkim_signing", sites[0].panel.name)
    sites[1].panel.server.run("UPDATE mail_domain SET dkim = 'n', dkim_public = 'x'", sites[1].panel.name)
    for site, selector in zip(sites, selectors):
        site.until(lambda site=site, selector=selector: site.shown() == selector)
    assert sites[1].panel.rows("SELECT dkim_public FROM mail_domain")[0][0].startswith("-----BEGIN PUBLIC KEY-----")
    for site in sites:
        site.admin.cli("domain", "set", "--disable", site.name)
    for site in sites:
        site.until(lambda site=site: site.shown() is None)
        assert "PRIVATE KEY" not in str(site.panel.all())


def test_a_domain_that_the_panel_does_not_have(make, server):
    site, = make("none", panels.PostfixAdmin)
    server.run("DELETE FROM domain", site.panel.name)
    site.provide()
    site.until(lambda: f"the panel has no domain {site.name}" in site.admin.log())
    site.panel.add([site.name])
    site.settle(standby=0)


def put(client, plan, etag=None):
    """etag None: a new policy."""
    fields = [] if etag else [("If-None-Match", "*")]
    return client.ask("PUT", "/v1/tenants/acme/policies/mine", {"plan": {**lifecycle.PLAN, **plan}}, etag=etag, fields=fields)


def refused(answer):
    assert (answer.status, answer.code) == (403, "mirror-forbidden"), answer


def test_whose_policies_may_name_a_mirror(make):
    """Where the line says nothing, an operator's word is needed."""
    site, = make("tenant", panels.PostfixAdmin, program=api.Service)
    site.provide()
    root = site.admin.client(site.admin.token("*", networks="127.0.0.0/8"))
    acme = site.admin.client(site.admin.token("role:owner", "acme"))
    for name in ("postfixadmin", "there-is-none"):
        refused(put(acme, {"mirror": name}))
    assert put(root, {"mirror": "postfixadmin"}).status == 200
    found = acme.get("/v1/tenants/acme/policies/mine")
    answer = put(acme, {"mirror": "postfixadmin", "interval": 86400 * 90}, found.etag)
    assert answer.status == 200, answer
    refused(put(acme, {"mirror": "another"}, answer.etag))
    assert put(acme, {}, answer.etag).status == 200


def test_a_list_of_tenants(make):
    """It binds operators, too, and policies that were there before."""
    site, = make("moved", panels.PostfixAdmin, more="&tenants=other,acme", program=api.Service)
    site.provide()
    before = site.settle()
    acme = site.admin.client(site.admin.token("role:owner", "acme"))
    answer = put(acme, {"mirror": "postfixadmin"})
    assert answer.status == 200, answer
    site.admin.stop()
    write_lines(site.admin, site.panel.mirror(more="&tenants=other"))
    site.admin.start().ready()
    refused(put(site.admin.client(site.admin.token("*", networks="127.0.0.0/8")), {"mirror": "postfixadmin"}, answer.etag))
    site.rotate()
    site.until(lambda: 'tenant acme may not have the mirror "postfixadmin"' in site.admin.log())
    assert site.shown() == before and site.selectors("ACTIVE") == [before]
