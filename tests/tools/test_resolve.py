#!/usr/bin/env python3
"""signpost resolve: what would sign, and why not, from tables and from a key store."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common  # noqa: E402  pylint: disable=wrong-import-position
from common import answers, tool, write  # noqa: E402  pylint: disable=wrong-import-position


def store(d):
    conf = write(os.path.join(d, "s.conf"), f"KeyStore sqlite:{d}/store.db\nSiteKeyFile {d}/site.key\nRequireSafeKeys no\n")
    answers(0, "store", "sitekey", "new", f"{d}/site.key")
    answers(0, "store", "init", "-x", conf)
    answers(0, "store", "load", "-x", conf, "-", stdin="""tenant acme
tenant bolt
domain acme a.test subdomains=yes
domain bolt b.test
domain acme empty.test
key acme a.test s1 generate:ed25519 active=now
key bolt b.test b1 generate:ed25519 active=now
binding client:192.0.2.0/24 acme
binding login:bob@b.test bolt
""")
    return conf


def test_key_store(d):
    conf = store(d)
    result = answers(0, "resolve", "-x", conf, "-c", "192.0.2.7", "x@a.test", "y@deep.a.test")
    assert "x@a.test: session: acme\n" in result.stdout and "d=a.test s=s1, ed25519-sha256, ACTIVE" in result.stdout, result.stdout
    assert result.stdout.count("d=a.test s=s1") == 2
    result = answers(65, "resolve", "-x", conf, "-c", "192.0.2.7", "x@b.test")
    assert "tenant bolt's" in result.stdout and "key:" not in result.stdout
    assert "s=b1" in answers(0, "resolve", "-x", conf, "-l", "Bob@b.test", "x@b.test").stdout
    assert "s=b1" in answers(0, "resolve", "-x", conf, "-t", "bolt", "x@b.test").stdout
    assert "no tenant" in answers(65, "resolve", "-x", conf, "x@a.test").stdout
    assert "no key" in answers(65, "resolve", "-x", conf, "-t", "acme", "x@empty.test").stdout
    assert answers(65, "resolve", "-x", conf, "-t", "acme", "x@nowhere.test").stdout


def test_tables(d):
    write(os.path.join(d, "keys"), "k1 t.test:s1:/keys/k1\nlost\n")
    write(os.path.join(d, "signing"), "t.test k1\nbad.test nobody\n")
    conf = write(os.path.join(d, "t.conf"), f"KeyTable file:{d}/keys\nSigningTable file:{d}/signing\nRequireSenderMatch domain\n")
    result = answers(0, "resolve", "-x", conf, "Alice <alice@T.test>")
    assert "alice@t.test: SigningTable: line 1: key k1\n" in result.stdout and "d=t.test s=s1, /keys/k1" in result.stdout
    assert "unknown key" in answers(65, "resolve", "-x", conf, "x@bad.test").stdout
    assert "no line" in answers(65, "resolve", "-x", conf, "x@other.test").stdout
    assert "RequireSenderMatch" in answers(65, "resolve", "-x", conf, "-l", "eve@else.test", "x@t.test").stdout
    answers(0, "resolve", "-x", conf, "-l", "eve@t.test", "x@t.test")


def test_wrong(d):
    conf = write(os.path.join(d, "t.conf"), "Mode v\n")
    answers(64, "resolve", "-x", conf)
    answers(64, "resolve", "-x", conf, "nobody")
    answers(65, "resolve", "-x", conf, "x@t.test")
    answers(78, "resolve", "-x", conf + ".none", "x@t.test")
    away = write(os.path.join(d, "a.conf"), f"KeyStore sqlite:{d}/none/store.db\nSiteKeyFile /k\n")
    answers(69, "resolve", "-x", away, "x@t.test")
    assert tool("resolve", "--help").returncode == 0


if __name__ == "__main__":
    sys.exit(common.main(globals()))
