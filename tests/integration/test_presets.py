"""The tables of panels, by preset=NAME: their columns as they create them, in MariaDB and in SQLite."""
import sqlite3

import pytest

from lib import mariadb, milter, postfix, smtpc, verify
from lib.daemon import Daemon

pytestmark = pytest.mark.signpost("a preset is ours")

TEXT = "Subject: hello\r\nDate: Tue, 01 Sep 2026 10:00:00 +0000\r\n\r\nHello.\r\n"


def message(domain, user="alice"):
    return f"From: {user}@{domain}\r\nTo: t@sink.test\r\n{TEXT}".encode()


# preset: (tables, rows, {sender domain: selector}, sender domains that are not signed); {pem} and {path} are of the key
PANELS = {
    "postfixadmin": (
        ["CREATE TABLE pa_dkim(id INTEGER PRIMARY KEY, domain_name varchar(255) NOT NULL, description varchar(255) DEFAULT '', "
         "selector varchar(63) NOT NULL DEFAULT 'default', private_key text, public_key text)",
         "CREATE TABLE pa_dkim_signing(id INTEGER PRIMARY KEY, author varchar(255) NOT NULL DEFAULT '', dkim_id INT NOT NULL)"],
        ["INSERT INTO pa_dkim(id, domain_name, selector, private_key) VALUES (1, 'p.test', 's1', {pem})",
         "INSERT INTO pa_dkim(id, domain_name, selector, private_key) VALUES (2, 'nokey.test', 's1', NULL)",
         "INSERT INTO pa_dkim_signing(author, dkim_id) VALUES ('p.test', 1), ('bob@q.test', 1), ('nokey.test', 2)"],
        {"p.test": "s1"}, ["q.test"]),
    "ispconfig": (
        ["CREATE TABLE mail_domain(domain_id INTEGER PRIMARY KEY, server_id INT DEFAULT 0, domain varchar(255) NOT NULL DEFAULT '', "
         "dkim varchar(1) NOT NULL DEFAULT 'n', dkim_selector varchar(63) NOT NULL DEFAULT 'default', dkim_private mediumtext, "
         "dkim_public mediumtext, active varchar(1) NOT NULL DEFAULT 'n')"],
        ["INSERT INTO mail_domain(domain, dkim, dkim_private, active) VALUES ('i.test', 'y', {pem}, 'y'), "
         "('off.test', 'n', {pem}, 'y'), ('gone.test', 'y', {pem}, 'n')"],
        {"i.test": "default"}, ["off.test", "gone.test"]),
    "froxlor": (
        ["CREATE TABLE panel_domains(id INTEGER PRIMARY KEY, domain varchar(255) NOT NULL, dkim INT NOT NULL DEFAULT 0, "
         "dkim_id INT, dkim_privkey text, dkim_pubkey text)"],
        ["INSERT INTO panel_domains(domain, dkim, dkim_id, dkim_privkey) VALUES ('f.test', 1, 42, {pem}), ('off.test', 0, 43, {pem})"],
        {"f.test": "dkim42"}, ["off.test"]),
    "modoboa": (
        ["CREATE TABLE admin_domain(id INTEGER PRIMARY KEY, name varchar(100), enable_dkim INT, dkim_key_selector varchar(30) "
         "DEFAULT 'modoboa', dkim_key_length INT, dkim_public_key text, dkim_private_key_path varchar(254))"],
        ["INSERT INTO admin_domain(name, enable_dkim, dkim_private_key_path) VALUES ('m.test', 1, {path}), ('off.test', 0, {path})"],
        {"m.test": "modoboa"}, ["off.test"]),
    "opendkim": (
        ["CREATE TABLE dkim(id INTEGER PRIMARY KEY, domain_name varchar(255) NOT NULL, selector varchar(63) NOT NULL, "
         "private_key text, public_key text)"],
        ["INSERT INTO dkim(id, domain_name, selector, private_key) VALUES (7, 'o.test', 's7', {pem})"],
        {"o.test": "s7"}, ["other.test"]),
}


@pytest.fixture(scope="module")
def server(module_folder):
    if mariadb.missing():
        pytest.skip(mariadb.missing())
    one = mariadb.MariaDB(module_folder).start()
    one.run("CREATE USER 'panel'@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT SELECT ON *.* TO 'panel'@'127.0.0.1'")
    yield one
    one.stop()


def make(kind, server, folder, preset, key):
    """The dsn: of the panel's tables with their rows."""
    tables, rows, _, _ = PANELS[preset]
    pem, path = key.path.read_text(), str(key.path)
    prefix = "?prefix=pa_" if preset == "postfixadmin" else ""
    if kind == "mysql":
        sql = [t.replace("INTEGER PRIMARY KEY", "INT AUTO_INCREMENT PRIMARY KEY") for t in tables]
        sql += [r.format(pem=mariadb.quote(pem), path=mariadb.quote(path)) for r in rows]
        server.run(f"DROP DATABASE IF EXISTS {preset}; CREATE DATABASE {preset} CHARACTER SET utf8mb4")
        server.run(";".join(sql), preset)
        return f"dsn:mysql://panel:secret@{server.port}+127.0.0.1/{preset}/preset={preset}{prefix}"
    db = sqlite3.connect(folder / "panel.db")
    for statement in tables + [r.format(pem=f"'{pem}'", path=f"'{path}'") for r in rows]:
        db.execute(statement)
    db.commit()
    db.close()
    return f"dsn:sqlite3://{folder}/panel.db/preset={preset}{prefix}"


@pytest.mark.parametrize("kind", ["mysql", "sqlite3"])
@pytest.mark.parametrize("preset", sorted(PANELS))
def test_preset(program, folder, server, shared_keys, preset, kind):
    key = shared_keys["rsa2048"]
    spec = make(kind, server, folder, preset, key)
    _, _, signed, unsigned = PANELS[preset]
    with Daemon(program, folder, {"SigningTable": spec, "KeyTable": spec, "Mode": "s"}) as daemon:
        for domain, selector in signed.items():
            result, delivered = milter.one_shot(daemon.address, message(domain))
            assert result.signed, daemon.log()
            assert verify.VERIFIERS[0].verify({"m": delivered}, {f"{selector}._domainkey.{domain}": key.record}) == {
                "m": [(domain, "pass")]}
        for domain in unsigned:
            result, _ = milter.one_shot(daemon.address, message(domain))
            assert not result.signed and result.verdict in ("accept", "continue"), (domain, result)
        if preset == "postfixadmin":
            assert milter.one_shot(daemon.address, message("q.test", "bob"))[0].signed
            result, _ = milter.one_shot(daemon.address, message("nokey.test"))
            assert not result.signed and "corrupt" in daemon.log(), "a row without a key is said, and mail waits"


def test_postfixadmin_through_postfix(program, folder, server, shared_keys, sink):
    if postfix.missing():
        pytest.skip(postfix.missing())
    key = shared_keys["rsa2048"]
    spec = make("mysql", server, folder, "postfixadmin", key)
    with Daemon(program, folder, {"SigningTable": spec, "KeyTable": spec, "Mode": "s", "InternalHosts": "127.0.0.1"}) as daemon:
        with postfix.Postfix(folder, sink.port, [f"inet:127.0.0.1:{daemon.port}"]) as mta:
            client = smtpc.Client(mta.ports[0])
            client.send("alice@p.test", ["t@sink.test"], message("p.test"))
            client.quit()
            assert sink.wait_for(1), mta.log()[-2000:]
    (delivered,) = sink.take()
    found = verify.VERIFIERS[0].verify({"m": delivered.data}, {"s1._domainkey.p.test": key.record})
    assert found == {"m": [("p.test", "pass")]}
