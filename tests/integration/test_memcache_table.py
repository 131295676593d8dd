"""Tables in memcached, as OpenDKIM has them: found, absent, unavailable; mail that is signed with a key of them, and
tempfailed while the server is away."""
import os
import subprocess
import time
from pathlib import Path

import pytest

from lib import milter, patience, procs, verify
from lib.daemon import Daemon
from lib.fakememcached import FakeMemcached, dribble, values
from lib.keystores import coded
from lib.memcached import Memcached, program as memcached_program

DRIVER = Path(os.environ.get("SIGNPOST_BUILD") or os.environ.get("BUILDDIR") or ".") / "tests/conformance/table_driver"

pytestmark = [pytest.mark.signpost("memcache: tables of opendkim abort at the start"),
              pytest.mark.skipif(memcached_program() is None, reason="memcached is not installed")]

ANSWER_S = 3   # what a table waits for a server


class Table:
    def __init__(self, spec, *options):
        self.process = subprocess.Popen([DRIVER, *options, spec], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.DEVNULL)

    def ask(self, *words):
        """The lines of values, and the last line without "= "."""
        self.process.stdin.write(" ".join([words[0], *(coded(w) for w in words[1:])]) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self):
        lines = []
        while True:
            line = self.process.stdout.readline().rstrip("\n")
            if line.startswith("= ") or not line:
                return lines, line[2:]
            lines.append(line)

    def lookup(self, key):
        lines, end = self.ask("lookup", key)
        return lines[0].split("text=", 1)[1] if lines else end.split(":")[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(patience.seconds(60)) in (0, 1)


@pytest.fixture
def server(folder):
    server = Memcached(folder).start()
    yield server
    server.stop()


@pytest.mark.parametrize("options", [(), ("-s",)])
def test_found_absent_and_together(server, options):
    server.set("p:a", b"one")
    server.set("p:B", b"two:three")
    server.set("p:empty", b"")
    server.set("p:long", b"x" * 100000)
    server.set("q:a", b"another table's")
    with Table(f"memcache:{server.address}/p", *options) as table:
        assert [table.lookup(k) for k in ("a", "none", "B", "b", "empty")] == ["one", "absent", "two:three", "absent", ""]
        assert table.lookup("long") == "x" * 100000
        lines, end = table.ask("many", "none", "B", "x", "a")
        assert [line.split("text=")[1] for line in lines] == ["two:three", "one"] and end.startswith("ok"), (lines, end)
        lines, _ = table.ask("many", *(f"k{n}" for n in range(15)), "a")
        assert [line.split("text=")[1] for line in lines] == ["one"]


def test_without_case(server):
    """As it is written, and if that is not there, in lower case."""
    server.set("p:user@a.test", b"lower")
    server.set("p:User@b.test", b"as-written")
    server.set("p:user@b.test", b"lower")
    with Table(f"memcache:{server.address}/p", "-i") as table:
        assert [table.lookup(k) for k in ("USER@a.test", "User@b.test", "user@b.test", "USER@b.test", "X@b.test")] == \
            ["lower", "as-written", "lower", "lower", "absent"]
        lines, _ = table.ask("many", "USER@a.test", "User@b.test", "X@b.test")
        assert [line.split("text=")[1] for line in lines] == ["lower", "as-written"]


def test_hostile_keys_are_absent_and_not_asked():
    """What is in a From field is a part of one name, or nobody is asked."""
    with FakeMemcached(lambda names: values([])) as fake, Table(f"memcache:{fake.address}/p") as table:
        fake_before = fake.counts()[0]
        nasty = ["a b", "a\r\nflush_all\r\n", "a\tb", "a\nget x", "\x7f", "\x01", "x" * 249, "y" * 4000, " "]
        assert [table.lookup(k) for k in nasty] == ["absent"] * len(nasty)
        assert fake.counts()[0] == fake_before
        assert table.lookup("x" * 248) == "absent"
        assert fake.questions == [["p:" + "x" * 248]]


@pytest.mark.parametrize("spec", ["memcache:", "memcache:host", "memcache:host/", "memcache:/prefix", "memcache:ho st:x/p",
                                  "memcache:host:0/p", "memcache:host/pre fix", "memcache:host/" + "p" * 249])
def test_specifications_that_are_refused(spec):
    with Table(spec) as table:
        lines, end = table.answer()
        assert lines == [] and end.startswith("invalid: ") and "KeyTable" in end, end


def test_specifications_of_sockets_and_several_servers(folder):
    servers = [Memcached(folder, name="a").start(), Memcached(folder, name="b", socket=True).start()]
    try:
        for server in servers:
            for n in range(20):
                server.set(f"pre:fix:{n}", b"%d" % n)
        for spec in (f"{servers[0].address}/pre:fix", f"{servers[1].address}/pre:fix", f"unix:{servers[1].address}/pre:fix",
                     f"{servers[0].address},{servers[1].address}/pre:fix"):
            with Table(f"memcache:{spec}") as table:
                assert [table.lookup(str(n)) for n in range(20)] == [str(n) for n in range(20)]
    finally:
        for server in servers:
            server.stop()


def test_unavailable_is_not_absent(server):
    with Table(f"memcache:{server.address}/p") as table:
        assert table.lookup("a") == "absent"
        server.kill()
        lines, end = table.ask("lookup", "a")
        assert lines == [] and end.startswith("unavailable: ") and server.address in end
        lines, end = table.ask("many", "a", "b")
        assert lines == [] and end.startswith("unavailable: ")
        server.start()
        server.set("p:a", b"one")
        assert procs.wait_until(lambda: table.lookup("a") == "one")


def test_stalled_is_waited_for_once(server):
    server.set("p:a", b"one")
    with Table(f"memcache:{server.address}/p") as table:
        assert table.lookup("a") == "one"
        server.pause()
        began = time.monotonic()
        assert table.lookup("a") == "unavailable"
        assert time.monotonic() - began > patience.below(ANSWER_S)
        began = time.monotonic()
        _, end = table.ask("threads", "4", "5", "a")
        assert "unavailable=20" in end, end
        patience.check(time.monotonic() - began, 0, 5 * ANSWER_S, "20 look-ups of a server that is known to be away")
        server.resume()
        assert procs.wait_until(lambda: table.lookup("a") == "one")


@pytest.mark.parametrize("lie", [b"VERSION\r\n", b"VALUE p:b 0 1\r\nx\r\nEND\r\n", b"VALUE p:a 0 99999999999\r\n", b"SERVER_ERROR no\r\n", None])
def test_lies_are_unavailable(lie):
    with FakeMemcached(lambda names: lie) as fake, Table(f"memcache:{fake.address}/p") as table:
        assert [table.lookup("a") for _ in range(3)] == ["unavailable"] * 3


def test_a_trickle_ends():
    """An octet every second: within the time limit as a whole."""
    with FakeMemcached(lambda names: dribble(values([("p:a", b"x" * 100)]), 1)) as fake, Table(f"memcache:{fake.address}/p") as table:
        began = time.monotonic()
        assert table.lookup("a") == "unavailable"
        patience.check(time.monotonic() - began, ANSWER_S, 100, "an answer that trickles")


# ---------------------------------------------------------------------------------------------
# Mail


def message(domain):
    return (b"From: alice@%s\r\nTo: t@sink.test\r\nSubject: hello\r\nDate: Tue, 01 Sep 2026 10:00:00 +0000\r\n\r\n"
            b"Hello.\r\n" % domain.encode())


def is_tempfail(result):
    return result.verdict == "tempfail" or (result.verdict == "reply" and result.text[:1] == "4")


def store(server, key):
    server.set("sign:d1.test", b"k1")
    server.set("sign:d2.test", b"gone")
    server.set("keys:k1", b"d1.test:s1:" + key.path.read_bytes())


def test_mail_is_signed_and_tempfailed_while_it_is_away(program, folder, server, shared_keys):
    key = shared_keys["rsa1024"]
    store(server, key)
    settings = {"SigningTable": f"memcache:{server.address}/sign", "KeyTable": f"memcache:{server.address}/keys", "Mode": "s",
                "CacheTTL": 0}
    with Daemon(program, folder, settings) as daemon:
        def sent(domain):
            return milter.one_shot(daemon.address, message(domain))
        result, delivered = sent("d1.test")
        assert result.signed, (result, daemon.log()[-1500:])
        verdicts = verify.VERIFIERS[0].verify({"m": delivered}, {"s1._domainkey.d1.test": key.record})
        assert [x for _, x in verdicts["m"]] == ["pass"], verdicts
        result, _ = sent("other.test")
        assert result.verdict in ("accept", "continue") and not result.signed, result
        assert is_tempfail(sent("d2.test")[0])
        server.kill()
        assert is_tempfail(sent("d1.test")[0])
        assert is_tempfail(sent("other.test")[0])
        server.start()
        store(server, key)
        assert procs.wait_until(lambda: sent("d1.test")[0].signed), daemon.log()[-1500:]
        log = daemon.log()
    assert "PRIVATE KEY" not in log
    assert daemon.process.returncode == 0


def test_it_starts_while_the_server_is_away(program, folder, server, shared_keys):
    server.kill()
    settings = {"SigningTable": f"memcache:{server.address}/sign", "KeyTable": f"memcache:{server.address}/keys", "Mode": "s",
                "CacheTTL": 0}
    with Daemon(program, folder, settings) as daemon:
        assert is_tempfail(milter.one_shot(daemon.address, message("d1.test"))[0])
        assert procs.wait_until(lambda: daemon.log().count("does not answer, and") == 2), daemon.log()
        server.start()
        store(server, shared_keys["rsa1024"])
        assert procs.wait_until(lambda: milter.one_shot(daemon.address, message("d1.test"))[0].signed), daemon.log()[-1500:]
        assert daemon.log().count("answers again") == 2 and daemon.log().count("does not answer, and") == 2


def test_keys_of_the_cache_outlive_the_server(program, folder, server, shared_keys):
    """What was looked up is kept for CacheTTL, as of every table far away."""
    store(server, shared_keys["rsa1024"])
    settings = {"SigningTable": f"memcache:{server.address}/sign", "KeyTable": f"memcache:{server.address}/keys", "Mode": "s",
                "CacheTTL": 3600}
    with Daemon(program, folder, settings) as daemon:
        assert milter.one_shot(daemon.address, message("d1.test"))[0].signed
        server.kill()
        assert milter.one_shot(daemon.address, message("d1.test"))[0].signed
