"""Faults under load: killed processes, signals, keys and tables replaced, broken configurations, an orderly end.

No message may be lost: each is signed rightly, or tempfailed, or the connection breaks and the MTA tempfails it.
"""
import os
import signal
import time

import pytest

from lib import keys, milter, procs, verify
from lib.daemon import Daemon, is_signpost
from lib.load import Load

DOMAINS = [f"d{n}.test" for n in range(5)]
FRONT, KEEPER = "sp-frontend", "sp-keeper"


def message(domain, number=0):
    return (b"From: alice@%s\r\nTo: t@sink.test\r\nSubject: hello %d\r\nDate: Tue, 01 Sep 2026 10:00:00 +0000\r\n\r\n"
            b"Hello.\r\n" % (domain.encode(), number) + b"body of the message\r\n" * 50)


MESSAGES = [message(d, n) for n in range(10) for d in DOMAINS]


class Site:
    """A daemon with a KeyTable and a SigningTable; records grows with every key ever used."""

    def __init__(self, program, folder, key):
        self.folder, self.records = folder, {}
        self.key = key
        (folder / "keys").mkdir()
        for domain in DOMAINS:
            (folder / f"keys/{domain}.private").write_bytes(key.path.read_bytes())
        self.write_tables("s1")
        self.settings = {"KeyTable": f"file:{folder}/KeyTable", "SigningTable": f"refile:{folder}/SigningTable",
                         "Mode": "sv", "Canonicalization": "relaxed/simple"}
        self.daemon = Daemon(program, folder, self.settings)

    def replace(self, name, text):
        new = self.folder / (name + ".new")
        new.write_text(text)
        new.rename(self.folder / name)

    def write_tables(self, selector, bad_lines=""):
        self.replace("KeyTable", "".join(f"key-{d} {d}:{selector}:{self.folder}/keys/{d}.private\n" for d in DOMAINS) + bad_lines)
        self.replace("SigningTable", "".join(f"*@{d} key-{d}\n" for d in DOMAINS))
        for domain in DOMAINS:
            self.records.setdefault(f"{selector}._domainkey.{domain}", self.key.record)

    def verify(self, samples):
        """Each sample has one signature and dkimpy passes it."""
        if not samples:
            return
        some = samples[:: max(1, len(samples) // 150)] + samples[-20:]
        named = {f"m{n}": m for n, m in enumerate(some)}
        wrong = {n: v for n, v in verify.VERIFIERS[0].verify(named, self.records).items() if [x for _, x in v] != ["pass"]}
        assert not wrong, list(wrong.items())[:3]


@pytest.fixture
def site(program, folder, shared_keys):
    one = Site(program, folder, shared_keys["rsa1024"])
    one.daemon.start()
    yield one
    one.daemon.stop() if is_signpost(program) else one.daemon.kill()


def children_named(daemon, name):
    """Children of the daemon by comm, or by a command line that says `signpostd: ...`."""
    title = {FRONT: b"signpostd: front-end", KEEPER: b"signpostd: keeper"}[name]
    found = []
    for pid in daemon.tree()[1:]:
        try:
            line = open(f"/proc/{pid}/cmdline", "rb").read()
        except OSError:
            continue
        if procs.comm(pid).startswith(name) or title in line:
            found.append(pid)
    return found


def settle(load, more=50):
    """Wait until MORE messages have been signed from now on."""
    load.wait(more)


@pytest.mark.signpost("opendkim is one process")
@pytest.mark.parametrize("name", [FRONT, KEEPER])
def test_kill_a_child(site, name):
    parent = site.daemon.pid
    with Load(site.daemon.address, MESSAGES) as load:
        settle(load)
        for _ in range(5):
            victims = children_named(site.daemon, name)
            assert victims, f"no {name} below {parent}: {[(p, procs.comm(p)) for p in site.daemon.tree()]}"
            os.kill(victims[0], signal.SIGKILL)
            settle(load)
            assert procs.wait_until(lambda: len(children_named(site.daemon, name)) >= len(victims))
    load.report(f"kill -9 of {name}, 5 times")
    assert site.daemon.process.poll() is None
    load.check(site.daemon)
    site.verify(load.samples)


@pytest.mark.parametrize("number", [signal.SIGUSR1, pytest.param(signal.SIGHUP, marks=pytest.mark.signpost("SIGHUP ends opendkim 2.11"))])
def test_hundred_reloads(site, number):
    with Load(site.daemon.address, MESSAGES) as load:
        settle(load)
        for _ in range(100):
            os.kill(site.daemon.pid, number)
            time.sleep(0.03)
        settle(load)
    load.report(f"{signal.Signals(number).name} 100 times")
    assert site.daemon.process.poll() is None
    load.check(site.daemon)
    if is_signpost(site.daemon.program):
        assert load.counts["broken"] == 0 and load.counts["tempfailed"] == 0, "a reload must cut no session short"
    site.verify(load.samples)


@pytest.mark.signpost("opendkim has one process that accepts")
def test_a_reload_leaves_no_connection_waiting(site):
    """One client at a time: a connection that woke a process about to be replaced is taken by somebody at once."""
    slowest, broken = 0.0, []
    for _ in range(100):
        os.kill(site.daemon.pid, signal.SIGHUP)
        until = time.monotonic() + 0.02
        while time.monotonic() < until:
            begun = time.monotonic()
            try:
                milter.Session(site.daemon.address).quit()      # left waiting, it would wait for ever: nobody else comes
            except (milter.Closed, OSError) as error:
                broken.append(repr(error))
            slowest = max(slowest, time.monotonic() - begun)
    print(f"\nlongest wait for the answer to a negotiation during 100 reloads: {slowest:.3f} s, broken {len(broken)}")
    assert not broken, broken[:5]


def test_key_and_tables_replaced(site):
    """New key files by rename, each with its selector: tables and keys change together, under load."""
    with Load(site.daemon.address, MESSAGES) as load:
        settle(load)
        for turn in range(2, 7):
            key = keys.make_key("rsa1024", site.folder / f"turn{turn}.pem")
            for domain in DOMAINS:
                (site.folder / f"keys/{domain}.{turn}.private").write_bytes(key.path.read_bytes())
                site.records[f"s{turn}._domainkey.{domain}"] = key.record
            site.replace("KeyTable", "".join(f"key-{d} {d}:s{turn}:{site.folder}/keys/{d}.{turn}.private\n" for d in DOMAINS))
            os.kill(site.daemon.pid, signal.SIGUSR1)
            settle(load, 100)
    load.report("KeyTable with new keys, 5 times")
    load.check(site.daemon)
    assert procs.wait_until(lambda: b"s=s6;" in milter.one_shot(site.daemon.address, message(DOMAINS[0]))[1], step=0.1)
    site.verify(load.samples)


def test_key_file_replaced(site):
    """The same path, another key, by rename: used soon, without a signal; never a half-read file."""
    key = keys.make_key("rsa1024", site.folder / "other.pem")
    path = site.folder / f"keys/{DOMAINS[0]}.private"

    def one():
        result, delivered = milter.one_shot(site.daemon.address, message(DOMAINS[0]))
        assert result.signed, result
        verdict = verify.VERIFIERS[0].verify({"m": delivered}, {f"s1._domainkey.{DOMAINS[0]}": key.record})
        return verdict["m"] == [(DOMAINS[0], "pass")]

    assert not one()
    with Load(site.daemon.address, MESSAGES) as load:
        settle(load)
        (site.folder / "next.private").write_bytes(key.path.read_bytes())
        (site.folder / "next.private").rename(path)
        assert procs.wait_until(one, step=0.3), "the new key is not used though the file was replaced"
        settle(load)
    load.report("one key file replaced")
    load.check(site.daemon)


@pytest.mark.signpost("opendkim reads tables only at a reload")
def test_table_edited_without_a_signal(site):
    """A new domain works by itself; a bad line hurts only itself."""
    with Load(site.daemon.address, MESSAGES) as load:
        settle(load)
        (site.folder / "keys/new.test.private").write_bytes(site.key.path.read_bytes())
        site.replace("KeyTable", (site.folder / "KeyTable").read_text()
                     + f"broken-line-without-fields\nkey-new new.test:s1:{site.folder}/keys/new.test.private\n")
        site.replace("SigningTable", (site.folder / "SigningTable").read_text() + "*@novalue.test\n*@new.test key-new\n")
        signed = procs.wait_until(lambda: milter.one_shot(site.daemon.address, message("new.test"))[0].signed, step=0.3)
        settle(load)
    load.report("tables edited")
    assert signed, "the new domain is not signed though the tables were edited"
    load.check(site.daemon)
    assert site.daemon.process.poll() is None


@pytest.mark.parametrize("broken", ["NoSuchParameter yes\n", "Canonicalization strange/simple\n", "KeyTable file:/nonexistent/table\n"])
def test_broken_configuration_keeps_the_old(site, broken):
    with Load(site.daemon.address, MESSAGES) as load:
        settle(load)
        site.daemon.conf.write_text(site.daemon.conf.read_text() + broken)
        os.kill(site.daemon.pid, signal.SIGUSR1)
        settle(load)
        os.kill(site.daemon.pid, signal.SIGUSR1)
        settle(load)
    load.report("broken configuration at a reload")
    assert site.daemon.process.poll() is None
    assert load.counts["lost"] == 0 and load.counts["tempfailed"] == 0 and load.counts["timed out"] == 0, load.lost[:5]
    site.verify(load.samples)


@pytest.mark.signpost("a new Canonicalization shows that the reload happened under load and all at once")
def test_reload_takes_effect(site):
    with Load(site.daemon.address, MESSAGES) as load:
        settle(load)
        site.daemon.write({**site.settings, "Canonicalization": "simple/relaxed"})
        os.kill(site.daemon.pid, signal.SIGHUP)

        def changed():
            _, delivered = milter.one_shot(site.daemon.address, message(DOMAINS[0]))
            return b"c=simple/relaxed" in delivered
        assert procs.wait_until(changed, step=0.1)
        settle(load)
    load.report("reload with another canonicalization")
    assert load.counts["lost"] == 0 and load.counts["broken"] == 0, load.lost[:5]
    site.verify(load.samples)


def test_term_drains(site):
    """SIGTERM: messages in hand are finished, the exit status is 0, nothing listens afterwards."""
    session = milter.Session(site.daemon.address)
    session.hello()
    headers, body = milter.split_message(message(DOMAINS[1]))
    session.envelope()
    session.headers(headers)
    with Load(site.daemon.address, MESSAGES) as load:
        settle(load)
        site.daemon.process.popen.send_signal(signal.SIGTERM)
        result = None
        if is_signpost(site.daemon.program):
            assert procs.wait_until(lambda: not procs.listens(site.daemon.address)), "it still takes connections"
            session.body(body)
            result = session.end()
        load.stopping.set()
    load.report("SIGTERM")
    session.quit()
    assert site.daemon.process.wait() == 0, site.daemon.log()[-1500:]
    assert load.counts["lost"] == 0, load.lost[:5]
    assert load.counts["timed out"] == 0 or not is_signpost(site.daemon.program), \
        "connections were taken (or left in the backlog) and never answered while the daemon drained"
    assert result is None or result.signed, "a message in hand at SIGTERM was not finished"
    assert procs.children(site.daemon.pid) == [site.daemon.pid], "children outlive the parent"
    site.verify(load.samples)


@pytest.mark.signpost("opendkim is one process")
def test_parent_killed_takes_the_children_along(site):
    pids = site.daemon.tree()[1:]
    assert pids
    os.kill(site.daemon.pid, signal.SIGKILL)
    assert procs.wait_until(lambda: not [p for p in pids if os.path.exists(f"/proc/{p}")]), "children stay without a parent"
