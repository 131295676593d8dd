"""Shadow mode behind Debian's opendkim, both asked by one real Postfix: what Signpost says of the two, and that it never
does anything to a message, whatever breaks."""
import json
import os
import signal
import sqlite3
import subprocess

import pytest

from lib import gateways, keys, patience, postfix, procs, sendmail, smtpc, verify
from lib.daemon import Daemon

OPENDKIM = "/usr/sbin/opendkim"
pytestmark = pytest.mark.signpost("shadow mode")


def message(domain, label="x", extra=""):
    return (f"From: A <a@{domain}>\r\nTo: b@far.test\r\nSubject:  {label} \r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
            f"{extra}Message-ID: <{label}@x.test>\r\n\r\nSome  words \r\n.\r\nand more\r\n\r\n\r\n").encode()


def tables(folder, name, rows):
    """rows: domain -> (selector, key). Settings that name them."""
    (folder / f"{name}.keys").write_text("".join(f"{d} {d}:{s}:{k.path}\n" for d, (s, k) in rows.items()))
    (folder / f"{name}.rules").write_text("".join(f"*@{d} {d}\n" for d in rows))
    return {"KeyTable": f"file:{folder / name}.keys", "SigningTable": f"refile:{folder / name}.rules", "Mode": "s",
            "Canonicalization": "relaxed/simple", "SignHeaders": "From,To,Subject,Date"}


def report(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(path, count):
    assert procs.wait_until(lambda: len(report(path)) >= count, patience.seconds(60)), path.read_text()
    return report(path)


def shadow(program, *args):
    tool = os.path.join(os.path.dirname(program), "tools", "signpost")
    return subprocess.run([tool, "shadow", *map(str, args)], capture_output=True, text=True)


def post(mta, mails, listener=0, client=None):
    """mails: [(domain, octets)]. One after the other, by one connection."""
    connection = smtpc.Client(mta.ports[listener])
    if client:
        connection.xclient(client)
    for domain, data in mails:
        connection.send(f"a@{domain}", ["b@far.test"], data)
    connection.quit()


def original(data):
    """What is left of a delivered message without the fields that Postfix and opendkim put on top."""
    head = data.index(b"From: ")
    return data[head:], data[:head]


@pytest.fixture(autouse=True)
def installed():
    if postfix.missing() or not os.access(OPENDKIM, os.X_OK):
        pytest.skip(postfix.missing() or "opendkim is not installed")


OPEN = {"smtpd_relay_restrictions": "check_client_access static:OK, reject"}
EXPECTED = {"same.test": "same", "selector.test": "other-selector", "key.test": "other-key",
            "ours.test": "not-signed-by-them", "theirs.test": "not-signed-by-us", "nobody.test": "neither",
            "ed25519.test": "other-algorithm"}


def test_what_differs(program, folder, sink):
    made = keys.make_key("rsa2048", folder / "one.private")
    other = keys.make_key("rsa2048", folder / "two.private")
    curve = keys.make_key("ed25519", folder / "three.private")
    theirs = {d: ("s", made) for d in ("same.test", "key.test", "theirs.test", "selector.test", "ed25519.test")}
    ours = {"same.test": ("s", made), "selector.test": ("t", made), "key.test": ("s", other), "ours.test": ("s", made),
            "ed25519.test": ("s", curve)}
    path = folder / "shadow.json"
    opendkim_settings = tables(folder, "theirs", theirs)
    changed = {**opendkim_settings, "SignHeaders": "From,To,Subject", "Canonicalization": "relaxed/simple"}
    canon = {**opendkim_settings, "Canonicalization": "simple/simple"}
    with Daemon(program, folder, {**tables(folder, "ours", ours), "ShadowReport": path, "MetricsFile": folder / "metrics",
                                  "MetricsInterval": 1}) as mine, \
            Daemon(OPENDKIM, folder, opendkim_settings, name="first") as first, \
            Daemon(OPENDKIM, folder, changed, name="second") as second, \
            Daemon(OPENDKIM, folder, canon, name="third") as third:
        specs = [f"inet:127.0.0.1:{one.port}, inet:127.0.0.1:{mine.port}" for one in (first, second, third)]
        with postfix.Postfix(folder, sink.port, [spec.replace(" ", "") for spec in specs], OPEN) as mta:
            sent = [(d, message(d, f"m{n}")) for n, d in enumerate(EXPECTED)]
            post(mta, sent)
            wait_for(path, len(sent))
            post(mta, [("same.test", message("same.test", "headers"))], listener=1)
            wait_for(path, len(sent) + 1)
            post(mta, [("same.test", message("same.test", "canon"))], listener=2)
            lines = wait_for(path, len(sent) + 2)
            # From outside, with a signature that says it is of this hop: a stranger's.
            forged = mta_signed_by_nobody()
            post(mta, [("same.test", forged)], client="192.0.2.25")
            lines = wait_for(path, len(sent) + 3)
            assert sink.wait_for(len(sent) + 3)
        counted = 'signpost_shadow_total{result="other-key"} 1'
        assert procs.wait_until(lambda: counted in (folder / "metrics").read_text(), patience.seconds(30))
    assert {line["domain"]: line["result"] for line in lines[:len(sent)]} == EXPECTED, lines
    assert [line["result"] for line in lines[len(sent):]] == ["other-headers", "other-canonicalization", "neither"]
    assert lines[-1]["strangers"] == 1 and lines[-1]["why"] == "not_ours"
    same = next(line for line in lines if line["domain"] == "same.test")["signatures"][0]
    assert same["theirs"]["our_key"] is True and same["theirs"]["body"] is True
    assert same["ours"]["h"].lower() == same["theirs"]["h"].lower() and same["ours"]["c"] == "relaxed/simple"
    bodies = {original(one.data)[0].rstrip(b"\r\n") for one in sink.take()}
    assert {data.rstrip(b"\r\n") for _, data in sent} <= bodies
    summed = shadow(program, path)
    assert summed.returncode == 1 and "10 messages, 3 alike, 7 different" in summed.stdout, summed.stdout
    assert "other-key" in summed.stdout and "key.test" in summed.stdout
    as_json = json.loads(shadow(program, "--json", path).stdout)
    assert as_json["different"] == 7 and {"result", "domain", "queue", "count", "time"} == set(as_json["differences"][0])
    assert "PRIVATE" not in path.read_text()


def mta_signed_by_nobody():
    return b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=same.test; s=s;\r\n\th=From:To; bh=" + b"A" * 43 + \
        b"=;\r\n\tb=" + b"A" * 342 + b"==\r\n" + message("same.test", "forged")


def test_all_alike(program, folder, sink):
    made = keys.make_key("rsa2048", folder / "one.private")
    path = folder / "shadow.json"
    rows = {f"d{n}.test": (f"s{n}", made) for n in range(10)}
    with Daemon(program, folder, {**tables(folder, "ours", rows), "ShadowReport": path}) as mine, \
            Daemon(OPENDKIM, folder, tables(folder, "theirs", rows), name="first") as first:
        with postfix.Postfix(folder, sink.port, [f"inet:127.0.0.1:{first.port},inet:127.0.0.1:{mine.port}"]) as mta:
            post(mta, [(f"d{n % 10}.test", message(f"d{n % 10}.test", f"m{n}")) for n in range(30)])
            lines = wait_for(path, 30)
            # Rotated: the old file is complete, the new one gets what follows.
            path.rename(folder / "old")
            mine.process.signal(signal.SIGHUP)
            assert procs.wait_until(path.exists, patience.seconds(30))
            assert procs.wait_until(lambda: "configuration reloaded" in mine.log(), patience.seconds(30))
            post(mta, [("d1.test", message("d1.test", "after"))])
            wait_for(path, 1)
    assert {line["result"] for line in lines} == {"same"}, lines
    summed = shadow(program, path, folder / "old")
    assert summed.returncode == 0 and "31 messages, 31 alike, 0 different" in summed.stdout
    (folder / "torn").write_text(path.read_text() + '{"shadow":1,"time":"x\n')
    assert shadow(program, folder / "torn").returncode == 65
    (folder / "empty").write_text("")
    assert shadow(program, folder / "empty").returncode == 65
    assert shadow(program, folder / "absent").returncode == 66


def test_the_wrong_order(program, folder, sink):
    """Signpost in front of the other signer: it cannot see what comes after it, says so, and hurts nobody."""
    made = keys.make_key("rsa2048", folder / "one.private")
    path = folder / "shadow.json"
    rows = {"a.test": ("s", made)}
    with Daemon(program, folder, {**tables(folder, "ours", rows), "ShadowReport": path}) as mine, \
            Daemon(OPENDKIM, folder, tables(folder, "theirs", rows), name="first") as theirs:
        with postfix.Postfix(folder, sink.port, [f"inet:127.0.0.1:{mine.port},inet:127.0.0.1:{theirs.port}"]) as mta:
            sent = [("a.test", message("a.test", f"m{n}")) for n in range(3)]
            post(mta, sent)
            lines = wait_for(path, len(sent))
            assert sink.wait_for(len(sent))
    assert {line["result"] for line in lines} == {"not-signed-by-them"}, lines
    taken = sink.take()
    assert all(one.data.lower().count(b"\r\ndkim-signature:") + one.data.lower().startswith(b"dkim-signature:") == 1 for one in taken)
    verdicts = verify.VERIFIERS[0].verify({str(n): one.data for n, one in enumerate(taken)}, {"s._domainkey.a.test": made.record})
    assert all([verdict for _, verdict in found] == ["pass"] for found in verdicts.values()), verdicts
    summed = shadow(program, path)
    assert summed.returncode == 1 and "not-signed-by-them" in summed.stdout
    assert "no message has a signature of the other signer" in summed.stderr, summed.stderr


def test_behind_sendmail(program, folder, sink):
    """Sendmail asks both, too, and the second one gets the message as the first one left it."""
    if sendmail.missing():
        pytest.skip(sendmail.missing())
    made = keys.make_key("rsa2048", folder / "one.private")
    other = keys.make_key("rsa2048", folder / "two.private")
    path = folder / "shadow.json"
    theirs = {d: ("s", made) for d in ("same.test", "key.test", "theirs.test")}
    ours = {"same.test": ("s", made), "key.test": ("s", other), "ours.test": ("s", made)}
    expected = {"same.test": "same", "key.test": "other-key", "ours.test": "not-signed-by-them", "theirs.test": "not-signed-by-us"}
    with Daemon(program, folder, {**tables(folder, "ours", ours), "ShadowReport": path}) as mine, \
            Daemon(OPENDKIM, folder, tables(folder, "theirs", theirs), name="first") as first:
        with TwoFilters(folder, sink.port, [first.address, mine.address]) as mta:
            post(mta, [(domain, message(domain, f"m{n}")) for n, domain in enumerate(expected)])
            lines = wait_for(path, len(expected))
            assert sink.wait_for(len(expected))
    assert {line["domain"]: line["result"] for line in lines} == expected, lines
    signed = {one.sender.partition("@")[2] for one in sink.take() if b"dkim-signature:" in one.data.lower()}
    assert signed == set(theirs), "what opendkim signs, and nothing else"


class TwoFilters(sendmail.Sendmail):
    """One daemon port, which asks all filters, one after the other."""

    def mc_text(self):
        return super().mc_text().replace("InputMailFilters=f0'", "InputMailFilters=f0;f1'")


def keeper_of(daemon):
    return next(pid for pid in daemon.tree() if procs.comm(pid) == "sp-keeper")


def delivered_unchanged(mta, sink, label, domain="a.test"):
    """One message goes through, by an MTA that would tempfail for a milter that fails."""
    data = message(domain, label)
    post(mta, [(domain, data)])
    assert sink.wait_for(1, patience.seconds(60)), mta.log()[-2000:]
    rest, top = original(sink.take()[0].data)
    assert rest == data and b"DKIM" not in top.upper() and b"\r\nAuthentication" not in top


def test_whatever_breaks(program, folder, sink):
    """A keeper that hangs, that is killed, a store that is away, a key that is none: mail goes on, at once and unchanged."""
    made = keys.make_key("rsa2048", folder / "one.private")
    (folder / "bad.private").write_text("no key\n")
    database = folder / "rules.sqlite"
    with sqlite3.connect(database) as link:
        link.execute("create table rules (sender text, name text)")
        link.executemany("insert into rules values (?, ?)", [("a.test", "a"), ("b.test", "b")])
    (folder / "k").write_text(f"a a.test:s:{made.path}\nb b.test:s:{folder / 'bad.private'}\n")
    path = folder / "shadow.json"
    settings = {"KeyTable": f"file:{folder / 'k'}", "Mode": "sv", "CacheTTL": 0, "Canonicalization": "relaxed/simple",
                "SigningTable": f"dsn:sqlite3://{database}/table=rules?keycol=sender?datacol=name",
                "SoftwareHeader": True, "AlwaysAddARHeader": True, "On-InternalError": "reject",
                "RequiredHeaders": True, "CheckSigningTable": False, "ShadowReport": path,
                "MetricsFile": folder / "metrics", "MetricsInterval": 1}
    with Daemon(program, folder, settings) as mine:
        with postfix.Postfix(folder, sink.port, [f"inet:127.0.0.1:{mine.port}"]) as mta:
            delivered_unchanged(mta, sink, "well")
            assert wait_for(path, 1)[0]["result"] == "not-signed-by-them"
            delivered_unchanged(mta, sink, "badkey", domain="b.test")
            assert wait_for(path, 2)[1]["result"] == "would-fail"
            with sqlite3.connect(database) as link:
                link.execute("drop table rules")
            delivered_unchanged(mta, sink, "nostore")
            line = wait_for(path, 3)[2]
            assert (line["result"], line["why"]) == ("would-fail", "store")
            keeper = keeper_of(mine)
            os.kill(keeper, signal.SIGSTOP)
            delivered_unchanged(mta, sink, "stopped")
            os.kill(keeper, signal.SIGKILL)
            delivered_unchanged(mta, sink, "killed")
            lines = wait_for(path, 5)
            # Nothing of it was deferred or left unsigned by us.
            found = gateways.fresh_metrics(folder / "metrics", mine.log)
            assert not [name for name, value in found.items() if value and name.startswith(("signpost_tempfail", "signpost_unsigned"))], found
    assert {line["result"] for line in lines[3:]} <= {"not-compared", "would-fail"}
    assert "shadow mode: nothing is signed" in mine.log()
    assert "message would be tempfailed" in mine.log() and "message tempfailed" not in mine.log()


def test_a_full_disk_loses_lines_only(program, folder, sink):
    made = keys.make_key("rsa2048", folder / "one.private")
    settings = {**tables(folder, "ours", {"a.test": ("s", made)}), "ShadowReport": "/dev/full",
                "MetricsFile": folder / "metrics", "MetricsInterval": 1}
    with Daemon(program, folder, settings) as mine:
        with postfix.Postfix(folder, sink.port, [f"inet:127.0.0.1:{mine.port}"]) as mta:
            for n in range(3):
                delivered_unchanged(mta, sink, f"m{n}")
            lost = "signpost_shadow_lines_lost_total 3"
            assert procs.wait_until(lambda: lost in (folder / "metrics").read_text(), patience.seconds(30))
        assert "ShadowReport /dev/full: No space left on device" in mine.log()
        assert mine.log().count("lines are lost") == 1


def test_a_report_that_cannot_be_opened(program, folder):
    made = keys.make_key("rsa2048", folder / "one.private")
    settings = {**tables(folder, "ours", {"a.test": ("s", made)}), "ShadowReport": folder / "no" / "such"}
    with pytest.raises(RuntimeError, match="ShadowReport .*No such file"):
        Daemon(program, folder, settings).start()
