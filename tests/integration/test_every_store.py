"""One message through Postfix signed with a key of each kind of store, verified by a program that is not ours: key stores in
SQLite, MariaDB over TLS, slapd over StartTLS, ldaps and ldapi; Zimbra's schema in slapd; PostfixAdmin's tables in MariaDB."""
import contextlib

import pytest

from lib import ldapstore, mariadb, postfix, slapd, smtpc, stores, verify
from lib.daemon import Daemon

pytestmark = pytest.mark.signpost("a KeyStore is ours")

DATE = "Date: Tue, 01 Sep 2026 10:00:00 +0000\r\n"
KINDS = ("sqlite", "mysql", "starttls", "ldaps", "ldapi", "zimbra", "postfixadmin")


def message(domain):
    return f"From: alice@{domain}\r\nTo: t@sink.test\r\nSubject: from a store\r\n{DATE}\r\nHello.\r\n".encode()


def fill(store, domain, key):
    """A tenant of its own in each, and a sealed key."""
    store.load(f"tenant {domain.split('.')[0]}\ndomain {domain.split('.')[0]} {domain}\n"
               f"key {domain.split('.')[0]} {domain} s1 {key.path} active=now\nbinding client:127.0.0.1/32 {domain.split('.')[0]}\n")
    return store.settings()


def directory(folder, authority):
    one = ldapstore.Directory(folder, tls=(authority.path, *authority.certificate("slapd", "IP:127.0.0.1")))
    one.load(ldapstore.top())
    return one.start()


def ldap_settings(one, authority, kind, folder):
    """(KeyStore, parameters of the gateway, of the administrator)."""
    url = {"starttls": one.url, "ldaps": one.tls_url, "ldapi": one.local_url}[kind]
    reach = {"LDAPTLSCAFile": authority.path, "LDAPUseTLS": kind == "starttls" and "yes" or "no"}
    gateway = {**reach, "LDAPBindUser": ldapstore.GATEWAY, "LDAPBindPassword": ldapstore.GATEWAY_PASSWORD}
    if kind == "ldapi":
        gateway = {"LDAPAuthMechanism": "EXTERNAL"}
    admin = {**reach, "LDAPBindUser": ldapstore.ADMIN, "LDAPBindPassword": ldapstore.ADMIN_PASSWORD}
    (folder / kind).mkdir()
    return stores.Store(folder / kind, f"{url}/{ldapstore.BASE}", gateway, writer_conf=admin)


def zimbra_settings(folder, domain, key, stack):
    one = slapd.Slapd(folder)
    above = slapd.ldif("dc=test", [("objectClass", "dcObject"), ("objectClass", "organization"), ("dc", "test"), ("o", "test")])
    one.load(above + slapd.domain_entry(domain, "zs", key.path.read_text(), public=key.record))
    stack.callback(one.stop)
    one.start()
    url = f"ldap://127.0.0.1:{one.port}/?"
    return {"SigningTable": url + "DKIMSelector?sub?(DKIMIdentity=$d)",
            "KeyTable": url + "DKIMDomain,DKIMSelector,DKIMKey?sub?(DKIMSelector=$d)", "Mode": "s"}


def postfixadmin_settings(server, domain, key):
    server.run("CREATE DATABASE panel CHARACTER SET utf8mb4; CREATE USER 'panel'@'127.0.0.1' IDENTIFIED BY 'secret'; "
               "GRANT SELECT ON panel.* TO 'panel'@'127.0.0.1'")
    server.run("CREATE TABLE dkim(id INT AUTO_INCREMENT PRIMARY KEY, domain_name varchar(255) NOT NULL, selector varchar(63), "
               "private_key text, public_key text); CREATE TABLE dkim_signing(id INT AUTO_INCREMENT PRIMARY KEY, "
               "author varchar(255) NOT NULL, dkim_id INT NOT NULL, INDEX(author)); "
               f"INSERT INTO dkim(domain_name, selector, private_key) VALUES ('{domain}', 'ps', {mariadb.quote(key.path.read_text())}); "
               f"INSERT INTO dkim_signing(author, dkim_id) VALUES ('{domain}', 1)", "panel")
    spec = f"dsn:mysql://panel:secret@{server.port}+127.0.0.1/panel/preset=postfixadmin"
    return {"SigningTable": spec, "KeyTable": spec, "Mode": "s", "SQLTLS": False}


def test_one_message_from_each(program, folder, sink, shared_keys):
    for absent in (stores.missing(), mariadb.missing(), ldapstore.missing(), postfix.missing()):
        if absent:
            pytest.skip(absent)
    key = shared_keys["rsa2048"]
    with contextlib.ExitStack() as stack:
        authority = mariadb.Authority(folder)
        certificate, private = authority.certificate("mysql")
        (folder / "sql").mkdir()
        server = mariadb.MariaDB(folder / "sql").start(f"--ssl-cert={certificate}", f"--ssl-key={private}")
        stack.callback(server.stop)
        one = directory(folder, authority)
        stack.callback(one.stop)
        settings = {}
        for kind in KINDS:
            domain = f"{kind}.test"
            (folder / f"d-{kind}").mkdir()
            if kind == "sqlite":
                settings[kind] = fill(stores.sqlite_store(folder / f"d-{kind}"), domain, key)
            elif kind == "mysql":
                tls = {"SQLTLS": "yes", "SQLTLSCAFile": authority.path}
                settings[kind] = fill(stores.mysql_store(server, folder / f"d-{kind}", conf=tls), domain, key)
            elif kind == "zimbra":
                settings[kind] = zimbra_settings(folder / f"d-{kind}", domain, key, stack)
            elif kind == "postfixadmin":
                settings[kind] = postfixadmin_settings(server, domain, key)
            else:
                store = ldap_settings(one, authority, kind, folder / f"d-{kind}")
                one.clear()  # one store after the other in the same tree
                settings[kind] = fill(store.init(), domain, key)
            if kind in ("starttls", "ldaps", "ldapi"):
                send_one(program, folder, sink, {kind: settings[kind]})
        send_one(program, folder, sink, {k: s for k, s in settings.items() if k not in ("starttls", "ldaps", "ldapi")})
    found = {m.sender.split("@")[1]: m.data for m in sink.take()}
    assert sorted(found) == sorted(f"{kind}.test" for kind in KINDS)
    selectors = {"zimbra": "zs", "postfixadmin": "ps"}
    for kind in KINDS:
        record = {f"{selectors.get(kind, 's1')}._domainkey.{kind}.test": key.record}
        assert verify.VERIFIERS[0].verify({"m": found[f"{kind}.test"]}, record)["m"] == [(f"{kind}.test", "pass")], kind


def send_one(program, folder, sink, settings):
    """Each through a daemon of its own, all through one Postfix."""
    before = len(sink.messages)
    with contextlib.ExitStack() as stack:
        daemons = {kind: stack.enter_context(Daemon(program, folder, pairs, name=kind)) for kind, pairs in settings.items()}
        mta = stack.enter_context(postfix.Postfix(folder / f"d-{next(iter(settings))}", sink.port,
                                                  [f"inet:127.0.0.1:{d.port}" for d in daemons.values()]))
        for port, (kind, daemon) in zip(mta.ports, daemons.items()):
            client = smtpc.Client(port)
            client.send(f"alice@{kind}.test", ["t@sink.test"], message(f"{kind}.test"))
            client.quit()
            assert daemon.process.poll() is None
        assert sink.wait_for(before + len(settings)), mta.log()[-2000:] + "".join(d.log() for d in daemons.values())[-2000:]
