"""MetricsFile: what became of messages is counted, over all processes, over their deaths and over reloads."""
import os
import signal

import pytest

from lib import keys, milter, procs
from lib.daemon import Daemon

pytestmark = pytest.mark.signpost("OpenDKIM counts nothing")
OUTSIDE = "192.0.2.9"


def message(domain, headers=b""):
    return (b"From: alice@%s\r\nTo: t@sink.test\r\nSubject: hello\r\nDate: Tue, 01 Sep 2026 10:00:00 +0000\r\n%s\r\n"
            b"Hello.\r\n" % (domain.encode(), headers))


def send(daemon, data, client="127.0.0.1"):
    with milter.Session(daemon.address) as session:
        session.hello(client=client)
        return session.message(data)


def read(path):
    """{'name{label="value"}': number}"""
    lines = path.read_text().splitlines() if path.exists() else []
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


@pytest.fixture
def site(program, folder):
    key = keys.make_key("rsa2048", folder / "key.private")
    (folder / "KeyTable").write_text(f"good good.test:s1:{key.path}\nlost lost.test:s1:{folder}/nothing\n")
    (folder / "SigningTable").write_text("*@good.test good\n*@lost.test lost\n")
    (folder / "dns").write_text("")
    daemon = Daemon(program, folder, {
        "Mode": "sv", "KeyTable": f"file:{folder}/KeyTable", "SigningTable": f"refile:{folder}/SigningTable",
        "MetricsFile": f"{folder}/metrics", "MetricsInterval": 1, "TestPublicKeys": f"{folder}/dns",
        "AuthservID": "mx.test"})
    with daemon:
        yield daemon


def counted(daemon, expected):
    path = daemon.folder / "metrics"
    procs.wait_until(lambda: expected.items() <= read(path).items())
    found = read(path)
    assert {name: found.get(name) for name in expected} == expected


EXPECTED = {
    'signpost_messages_total{action="signed"}': 2,
    'signpost_messages_total{action="verified"}': 3,
    'signpost_messages_total{action="tempfailed"}': 1,
    'signpost_sign_total{alg="rsa-sha256",result="ok"}': 2,
    'signpost_sign_seconds_count': 2,
    'signpost_tempfail_total{reason="key"}': 1,
    'signpost_unsigned_total{reason="not_ours"}': 2,
    'signpost_unsigned_total{reason="no_rule"}': 1,
    'signpost_verify_total{result="none"}': 2,
    'signpost_verify_total{result="fail"}': 1,
    'signpost_authres_removed_total': 1,
    'signpost_dns_total{result="absent"}': 1,
    'signpost_dns_seconds_count': 1,
    'signpost_connections': 0,
}
SIGNED = (b"DKIM-Signature: v=1; a=rsa-sha256; d=other.test; s=s; c=relaxed/relaxed; h=From; "
          b"bh=2jmj7l5rSw0yVb/vlWAYkK/YBwkAAAAAAAAAAAAAAAA=; b=AAAA\r\n")


def all_kinds(daemon):
    send(daemon, message("good.test"))
    send(daemon, message("good.test"))
    assert send(daemon, message("lost.test")).verdict == "reply"
    send(daemon, message("else.test"))
    send(daemon, message("good.test", b"Authentication-Results: mx.test; dkim=pass\r\n"), OUTSIDE)
    send(daemon, message("good.test", SIGNED), OUTSIDE)


def test_everything_is_counted_once(site):
    all_kinds(site)
    counted(site, EXPECTED)
    text = (site.folder / "metrics").read_text()
    assert "# TYPE signpost_messages_total counter" in text
    assert "# TYPE signpost_connections gauge" in text


def test_counts_outlive_processes_and_reloads(site):
    all_kinds(site)
    held = milter.Session(site.address)
    counted(site, EXPECTED | {'signpost_connections': 1})
    for name in ("sp-frontend", "sp-keeper"):
        for pid in site.tree():
            if procs.comm(pid) == name:
                os.kill(pid, signal.SIGKILL)
    held.close()
    counted(site, EXPECTED)
    os.kill(site.pid, signal.SIGUSR1)
    procs.wait_until(lambda: "configuration reloaded" in site.log())
    assert send(site, message("good.test")).signed
    counted(site, {'signpost_messages_total{action="signed"}': 3})


def test_a_place_that_cannot_be_written_is_said_once(program, folder):
    with Daemon(program, folder, {"Mode": "s", "MetricsFile": f"{folder}/none/metrics", "MetricsInterval": 1}) as daemon:
        procs.wait_until(lambda: "MetricsFile" in daemon.log())
        (folder / "none").mkdir()
        procs.wait_until(lambda: (folder / "none/metrics").exists())
        assert daemon.log().count("MetricsFile") == 1
        assert read(folder / "none/metrics")['signpost_connections'] == 0
