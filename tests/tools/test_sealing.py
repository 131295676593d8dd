#!/usr/bin/env python3
"""Sealed keys and shared answers between this program and another library: each opens what the other
sealed. Prints TAP."""
import base64
import os
import random
import subprocess
import sys

from common import BUILD, Skip, answers, main, read, write

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))
try:
    import sealing
    from cryptography.exceptions import InvalidTag
except ImportError as missing:
    sealing = None
    REASON = missing

DRIVER = os.path.join(BUILD, "tests/tools/seal_driver")
SHARED_DRIVER = os.path.join(BUILD, "tests/tools/shared_driver")
SITE = ("# two\n1 " + base64.b64encode(bytes(range(32))).decode() + "\n9 "
        + base64.b64encode(b"\xff" * 32).decode() + "\ncurrent {}\n")
OWNERS = [("acme", "example.com", "s1", "k-1", 7), ("a", "Xn--BCHER-kva.example", "S.two", "K_9", 0),
          ("t" * 63, "d" * 63 + ".example", "s" * 63, "i" * 64, 2**64 - 1), ("", "", "", "", 1)]


def driver(path, questions, program=DRIVER):
    if sealing is None:
        raise Skip(f"no other library: {REASON}")
    text = "".join("\t".join(str(word) for word in q) + "\n" for q in questions)
    done = subprocess.run([program, path], input=text, capture_output=True, text=True, timeout=120,
                          check=True)
    return done.stdout.splitlines()


def plains():
    chance = random.Random(6376)
    return [b"x", b"-----BEGIN PRIVATE KEY-----\n", chance.randbytes(1700), chance.randbytes(40000)]


def test_it_opens_what_we_seal(d):
    for current in (1, 9):
        site = SITE.format(current)
        path = write(f"{d}/site", site)
        asked = [(owner, plain) for owner in OWNERS for plain in plains()]
        sealed = driver(path, [("seal", *owner, base64.b64encode(plain).decode())
                               for owner, plain in asked])
        for (owner, plain), text in zip(asked, sealed, strict=True):
            assert text.startswith(f"spk1:{current}:"), text
            assert sealing.unseal(site, owner, text) == plain
            try:
                sealing.unseal(site, owner[:4] + (owner[4] ^ 1,), text)
            except InvalidTag:
                continue
            raise AssertionError("another revision opens")


def test_we_open_what_it_seals(d):
    for current in (1, 9):
        site = SITE.format(current)
        path = write(f"{d}/site", site)
        asked = [(owner, plain) for owner in OWNERS for plain in plains()]
        texts = driver(path, [("open", *owner, sealing.seal(site, owner, plain))
                              for owner, plain in asked])
        for (_, plain), text in zip(asked, texts, strict=True):
            assert base64.b64decode(text) == plain
        wrong = driver(path, [("open", *owner[:3], owner[3] + "x", owner[4],
                               sealing.seal(site, owner, plain)) for owner, plain in asked])
        assert all(line.startswith("! denied the key does not open") for line in wrong), wrong


def test_it_reads_our_site_key_file(d):
    answers(0, "store", "sitekey", "new", f"{d}/site")
    answers(0, "store", "sitekey", "add", f"{d}/site")
    keys, current = sealing.site_keys(read(f"{d}/site")) if sealing else ({1: b"", 2: b""}, 1)
    sealed = driver(f"{d}/site", [("seal", *OWNERS[0], "eA==")])
    assert sorted(keys) == [1, 2] and current == 1
    assert all(len(key) == 32 for key in keys.values()) and keys[1] != keys[2]
    assert sealing.unseal(read(f"{d}/site"), OWNERS[0], sealed[0]) == b"x"


# (purpose, scope, name)
QUESTIONS = [(1, b"store", b"s" + b"a.example\0example"), (2, b"store", b"ka.example"), (3, b"", b""),
             (4, b"dns", b"s1._domainkey.a.example"), (1, b"sto", b"res" + b"a.example\0example"),
             (3, b"dsn:x", b"u@\xc3\xbc.example" * 200)]
UTC = 1_800_000_000_000


def answers_to_share():
    """(tenant, epoch, asked, not after, plain)"""
    return [("acme", 7, UTC - 1234, 0, b"plain"), ("t" * 63, 2**64 - 1, UTC, UTC + 3_600_000, b""),
            ("", 0, UTC - 10**9, UTC + 20_000, random.Random(5).randbytes(30000))]


def b64(octets):
    return base64.b64encode(octets).decode()


def sites(d):
    """(what the other library is given, what the driver is given)"""
    for current in (1, 9):
        yield SITE.format(current), write(f"{d}/site{current}", SITE.format(current))
    yield bytes(range(32)), "own"


def sharing(site, purpose):
    return purpose == 4 or not isinstance(site, bytes)


def test_it_opens_what_we_share(d):
    for site, path in sites(d):
        asked = [(q, a) for q in QUESTIONS for a in answers_to_share()]
        told = driver(path, [("put", q[0], b64(q[1]), b64(q[2]), *a[:4], b64(a[4])) for q, a in asked],
                      SHARED_DRIVER)
        for (question, answer), line in zip(asked, told, strict=True):
            if not sharing(site, question[0]):
                assert line == "nothing", line
                continue
            name, value = line.split("\t")
            assert name == sealing.shared_name(site, *question)
            assert sealing.unshare(site, question, base64.b64decode(value)) == answer
            try:
                sealing.unshare(site, (question[0], question[1], question[2] + b"x"),
                                base64.b64decode(value))
            except InvalidTag:
                continue
            raise AssertionError("another name opens")


def test_we_open_what_it_shares(d):
    for site, path in sites(d):
        asked = [(q, a) for q in QUESTIONS for a in answers_to_share()]
        if sealing is None:
            raise Skip(f"no other library: {REASON}")
        told = driver(path, [("get", q[0], b64(q[1]), b64(q[2]), sealing.shared_name(site, *q),
                              b64(sealing.share(site, q, a))) for q, a in asked], SHARED_DRIVER)
        for (question, answer), line in zip(asked, told, strict=True):
            if not sharing(site, question[0]):
                assert line == "absent", line
                continue
            tenant, epoch, asked_ms, not_after, plain = line.split("\t")
            assert (tenant, int(epoch), int(asked_ms), int(not_after),
                    base64.b64decode(plain)) == answer


if __name__ == "__main__":
    sys.exit(main(globals()))
