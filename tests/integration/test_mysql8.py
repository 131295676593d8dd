"""Logging in as MySQL 8 and later want it (caching_sha2_password), to a server of lib/fakemysql.py: Debian has no MySQL.

The password itself is only given over TLS: not to whoever sends a key for it.
"""
import os

import pytest

from lib import mariadb, milter, sources
from lib.daemon import Daemon
from lib.fakemysql import NATIVE, SHA2, FakeMySQL

pytestmark = [pytest.mark.signpost("opendkim's dsn: needs OpenDBX"),
              pytest.mark.skipif(sources.missing() is not None, reason=str(sources.missing()))]
PASSWORD = "an-0rdinary-password"
NEITHER = {"password", "rsa"}


@pytest.fixture(scope="module")
def authority(module_folder):
    one = mariadb.Authority(module_folder)
    one.pair = one.certificate("good")
    one.stranger = mariadb.Authority(module_folder, "wrong").certificate("stranger")
    return one


def coded(word):
    return "".join(c if c.isalnum() else f"={ord(c):02X}" for c in word)


def dsn(server, password=PASSWORD, user="mail", key="k", data="v"):
    return f"dsn:mysql://{user}:{coded(password)}@{server.port}+127.0.0.1/mail/table=t?keycol={key}?datacol={data}"


def ask(server, *options, name="a.test", **how):
    with sources.Client([sources.TABLE_DRIVER, *options, dsn(server, **how)], False) as client:
        answer = client.look(name)
        said = client.close()
    assert not server.errors, server.errors
    assert PASSWORD not in answer.text + said
    print(f"  {answer.text}")
    return answer


# (how the server is, what it has seen of the client)
WAYS = {
    "short": ({}, ["scramble"]),
    "short, switched": ({"method": NATIVE, "switch_to": SHA2}, ["scramble"]),
    "native, switched": ({"switch_to": NATIVE}, ["scramble"]),
}


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_logged_in(folder, authority, way, tls):
    how, seen = WAYS[way]
    with FakeMySQL(folder, PASSWORD, authority.pair if tls else None, **how) as server:
        server.rows = {"a.test": ("va",), "b.test": ("k" * 70000,)}
        options = ["-c", authority.path] if tls else []
        assert ask(server, *options).value == "va"
        assert ask(server, *options, name="b.test").value == "k" * 70000
        assert ask(server, *options, name="c.test").status == "absent"
        assert [s for s in server.seen if s != "tls"] == seen * 3 and ("tls" in server.seen) == tls


@pytest.mark.parametrize("method", [SHA2, NATIVE])
def test_long_way(folder, authority, method):
    """The server does not know the password yet: it is given over TLS."""
    with FakeMySQL(folder, PASSWORD, authority.pair, method=method, switch_to=SHA2, long_way=True) as server:
        server.rows = {"a.test": ("va",)}
        assert ask(server, "-c", authority.path).value == "va"
        assert server.seen == ["tls", "scramble", "password"]


@pytest.mark.parametrize("method", [SHA2, NATIVE])
def test_no_password_without_tls(folder, method):
    """Whoever sits on the way could send a key of his own for it: neither the password nor the question for a key is sent."""
    with FakeMySQL(folder, PASSWORD, method=method, switch_to=SHA2, long_way=True) as server:
        answer = ask(server)
        assert answer.status == "unavailable" and "SQLTLS yes" in answer.text and f"127.0.0.1:{server.port}" in answer.text, answer
        assert "caching_sha2_password" in answer.text
        assert not NEITHER & set(server.seen) and server.logged_in == 0


@pytest.mark.parametrize("method", ["sha256_password", "mysql_clear_password", "dialog"])
def test_methods_that_give_the_password(folder, method):
    with FakeMySQL(folder, PASSWORD, switch_to=method) as server:
        answer = ask(server)
        assert answer.status == "unavailable" and "the way this user logs in" in answer.text and answer.text.isascii(), answer
        assert server.seen == []


def test_no_password_to_a_stranger(folder, authority):
    """TLS with a certificate of somebody else ends before anything is said."""
    with FakeMySQL(folder, PASSWORD, authority.stranger, long_way=True) as server:
        answer = ask(server, "-c", authority.path)
        assert answer.status == "unavailable" and "SQLTLSCAFile" in answer.text, answer
        assert not (NEITHER | {"scramble"}) & set(server.seen)


@pytest.mark.parametrize("long_way", [False, True])
@pytest.mark.parametrize("method", [SHA2, NATIVE])
def test_wrong_password(folder, authority, method, long_way):
    with FakeMySQL(folder, PASSWORD, authority.pair, switch_to=method, long_way=long_way) as server:
        for how in ({"password": "wr0ng-pass"}, {"user": "somebody"}):
            answer = ask(server, "-c", authority.path, **how)
            assert answer.status == "unavailable" and "check user and password" in answer.text and "wr0ng" not in answer.text, answer


def message(domain):
    return (f"From: alice@{domain}\r\nTo: t@sink.test\r\nSubject: hello\r\nDate: Tue, 01 Sep 2026 10:00:00 +0000\r\n\r\n"
            "Hello.\r\n").encode()


@pytest.mark.parametrize("rooted", [False, True])
def test_daemon(program, folder, authority, shared_keys, rooted):
    """A daemon that signs, also in a root of its own, where no plugin of the library is."""
    if rooted and os.geteuid() != 0:
        pytest.skip("chroot needs root")
    with FakeMySQL(folder, PASSWORD, authority.pair, long_way=True) as server:
        server.rows = {"a.test": ("a.test", "s1", shared_keys["rsa1024"].path.read_text())}
        root = folder / "root"
        root.mkdir()
        (root / "ca.pem").write_bytes(authority.path.read_bytes())
        (root / "ca.pem").chmod(0o644)
        settings = {"SigningTable": "csl:a.test=a.test", "KeyTable": dsn(server, data="d,s,p"), "Mode": "s", "SQLTLS": True,
                    "SQLTLSCAFile": "/ca.pem" if rooted else root / "ca.pem", "UserID": "nobody"}
        if rooted:
            settings["ChangeRootDirectory"] = root
        with Daemon(program, folder, settings) as daemon:
            result, _ = milter.one_shot(daemon.address, message("a.test"))
            assert result.signed, daemon.log()
            assert "password" in server.seen and not server.errors
            assert PASSWORD not in daemon.log()
