"""What gateways share through memcached: real servers that die, stall, come late and forget everything, and servers that
lie. A question costs at most 10 ms, once; the others cost nothing until the server is back.

On a busy machine any server may be away for a moment: what has to be found is asked for until it is, and what was put is
put again. Time is only looked at where a question that waits would take many times as long.
"""
import os
import subprocess
import time
from pathlib import Path

import pytest

from lib import daemon, patience, procs
from lib.fakememcached import FakeMemcached, dribble, values
from lib.memcached import Memcached, program

pytestmark = [pytest.mark.signpost("memcached is asked by one program only"),
              pytest.mark.skipif(program() is None, reason="memcached is not installed")]

PATIENCE_S = 0.010     # of a question
ANSWER_S = 0.250       # of the thread that talks to a server; a question must not wait for it


def driver_program():
    folder = os.environ.get("SIGNPOST_BUILD") or os.environ.get("BUILDDIR") or "."
    return Path(folder) / "tests/conformance/shared_driver"


class Driver:
    """The shared cache of one gateway."""

    def __init__(self, folder, *servers, separator=","):
        self.log = Path(folder) / "driver.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([driver_program(), separator.join(servers)], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log, text=True)
        self.first = self.process.stdout.readline().strip()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def get(self, *names):
        """Microseconds, and for each name the octets (the first 32), None, or False: unavailable."""
        words = self.ask("get " + " ".join(names))
        took, answers = int(words.pop(0)), []
        while words:
            word = words.pop(0)
            if word == "ok":
                length, text = int(words.pop(0)), words.pop(0)
                answers.append(b"" if text == "-" else bytes.fromhex(text) + b"..." * (length > 32))
            else:
                answers.append({"absent": None, "unavailable": False}[word])
        assert len(answers) == len(names)
        return took, answers

    def value(self, name):
        return self.get(name)[1][0]

    def put(self, name, text, seconds=60):
        assert self.ask(f"put {name} {seconds} {text}") == ["put"]

    def store(self, server, name, text, verb="put"):
        """Put until it is there: what is put while the server is away is dropped."""
        def stored():
            assert self.ask(f"{verb} {name} 600 {text}") == ["put"]
            return procs.wait_until(lambda: server.get(name) is not None, 0.5)
        self.until(stored)

    def becomes(self, *expected, names=("a",)):
        self.until(lambda: self.get(*names)[1] == list(expected))

    def until(self, condition):
        assert procs.wait_until(condition), self.log.read_text()

    def is_back(self, *names):
        self.until(lambda: False not in self.get(*names)[1])

    def storm(self, threads, times, name):
        """found, absent, unavailable, microseconds of the slowest."""
        return [int(word) for word in self.ask(f"storm {threads} {times} {name}")]

    def close(self):
        """Ends it; whether it could be asked until then."""
        self.process.stdin.close()
        assert self.process.stdout.read() == "closed\n", self.log.read_text()
        assert self.process.wait(patience.seconds(60)) == 0, self.log.read_text()
        return self.log.read_text()


@pytest.fixture
def folder(tmp_path_factory):
    path = procs.make_dir("memcached")
    yield path
    procs.remove_dir(path)


@pytest.fixture
def server(folder):
    server = Memcached(folder).start()
    yield server
    server.stop()


@pytest.fixture
def driver(folder):
    drivers = []

    def new(*servers, **options):
        drivers.append(Driver(folder, *servers, **options))
        assert drivers[-1].first == "open", drivers[-1].first
        return drivers[-1]
    yield new
    for one in drivers:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        one.process.stdout.close()


# ---------------------------------------------------------------------------------------------
# A memcached as it should be


@pytest.mark.parametrize("by_socket", [False, True])
def test_what_was_put_is_there(folder, driver, by_socket):
    server = Memcached(folder, socket=by_socket).start()
    try:
        d = driver(server.address)
        d.becomes(None, None, None, names="abc")
        d.store(server, "a", "one")
        d.store(server, "b", "-")
        d.becomes(b"one", b"", None, names="abc")
        assert server.get("a") == b"one"
        server.delete("a")
        d.store(server, "a", "two")
        d.becomes(b"two", b"two", names="aa")
        d.close()
    finally:
        server.stop()


def test_values_and_names_that_are_too_long(server, driver):
    d = driver(server.address)
    longest = "n" * 120
    assert d.ask("fill more 60 524289") == ["put"]
    assert d.ask(f"put {longest}n 60 x") == ["put"]
    d.put("day", "x", 0)
    d.put("month", "x", 30 * 86400 + 1)
    d.store(server, longest, "524288", "fill")
    d.store(server, "last", "x")
    assert len(server.get(longest)) == 524288
    d.becomes(b"x" * 32 + b"...", None, None, None, None, names=(longest, "more", longest + "n", "day", "month"))
    # Somebody else's value under our name: as if it were not there, and what comes behind it is found.
    server.set("more", b"z" * 600000)
    d.becomes(None, b"x", names=("more", "last"))
    d.close()


def test_it_forgets_at_the_time_it_was_told(driver):
    with FakeMemcached(lambda names: values([])) as fake:
        d = driver(fake.address)

        def stored(name, seconds):
            d.put(name, "x", seconds)
            return procs.wait_until(lambda: (name, b"x", seconds) in fake.stored, 0.5)
        d.until(lambda: stored("short", 1))
        d.until(lambda: stored("long", 30 * 86400))
        d.close()


def test_everything_is_evicted(server, driver):
    d = driver(server.address)
    d.store(server, "a", "x")
    d.becomes(b"x")
    server.flush()
    d.becomes(None)
    d.close()


def test_names_are_spread_and_stay_where_they_are(folder, driver):
    """By the list as it is written: two gateways agree, and a server that is away moves nobody's names."""
    servers = [Memcached(folder, name=f"m{n}", socket=n == 2).start() for n in range(3)]
    try:
        addresses = [s.address for s in servers]
        one, other = driver(*addresses), driver(*addresses, separator=" , ")
        names = [f"sp:key:{n}" for n in range(96)]

        def found(d):
            return [v for at in range(0, 96, 16) for v in d.get(*names[at:at + 16])[1]]

        def all_there():
            for name in names:
                one.put(name, "v-" + name)
            return procs.wait_until(lambda: found(other) == [b"v-" + n.encode() for n in names], 1)
        one.until(all_there)
        shares = [int(s.stats()["curr_items"]) for s in servers]
        assert sum(shares) == 96 and min(shares) > 10, shares
        servers[1].kill()
        gone = []
        other.until(lambda: gone.append(found(other)) or gone[-1].count(False) == shares[1])
        assert len([v for v in gone[-1] if v]) == shares[0] + shares[2]
        for at, value in enumerate(gone[-1]):
            if value is False:
                other.put(names[at], "elsewhere")
        assert [int(servers[n].stats()["curr_items"]) for n in (0, 2)] == [shares[0], shares[2]]
        servers[1].start()
        other.is_back(*names[:16])
        one.is_back(*names[:16])
        one.close()
        other.close()
    finally:
        for s in servers:
            s.stop()


def test_many_threads(server, driver):
    d = driver(server.address)
    d.store(server, "a", "x")
    d.becomes(b"x")
    found, absent, unavailable, _ = d.storm(16, 1000, "a")
    assert found + unavailable == 16000 and absent == 0 and found > 0
    d.becomes(b"x")
    d.close()


# ---------------------------------------------------------------------------------------------
# A memcached that is away


def news(log, address):
    """Away and back by turns, each with the name of the server; not once for each question."""
    lines = [line for line in log.splitlines() if address in line]
    words = ["does not answer" in line for line in lines]
    assert lines and words == [n % 2 == 0 for n in range(len(words))] and len(words) < 100, log


def test_stalled_costs_one_question(server, driver):
    d = driver(server.address)
    d.store(server, "a", "x")
    took_us, rounds = 0, 10
    for _ in range(rounds):
        d.becomes(b"x")
        server.pause()
        took, answers = d.get("a", "b")
        assert answers == [False, False]
        took_us += took
        began = time.monotonic()
        assert d.storm(1, 2000, "a")[:3] == [0, 0, 2000]
        patience.check(time.monotonic() - began, 0.01, 2000 * PATIENCE_S, "2000 questions to a server that is away")
        server.resume()
        d.is_back("a")
    patience.check(took_us / 1e6, rounds * PATIENCE_S, rounds * ANSWER_S, f"the first question of {rounds} times")
    d.close()


def test_stalled_for_long(server, driver):
    """Nobody waits, nothing is kept, and the log says it once."""
    d = driver(server.address)
    d.store(server, "a", "x")
    server.pause()
    d.until(lambda: d.value("a") is False and "does not answer" in d.log.read_text())
    for n in range(5000):
        d.put(f"name{n}", "y" * 5000)
    server.resume()
    d.is_back("a")
    d.becomes(b"x")
    d.store(server, "z", "z")
    d.becomes(b"z", names="z")
    news(d.close(), server.address)


def test_stalled_while_many_ask(server, driver):
    """Those who asked at the same time as the first wait as long as it, together."""
    d = driver(server.address)
    d.becomes(None)
    server.pause()
    began = time.monotonic()
    assert d.storm(16, 500, "a")[:3] == [0, 0, 8000]
    patience.check(time.monotonic() - began, 0.05, 500 * PATIENCE_S, "500 questions of each of 16 threads")
    server.resume()
    d.is_back("a")
    d.close()


def test_killed_and_back(server, driver):
    d = driver(server.address)
    d.store(server, "a", "x")
    d.becomes(b"x")
    server.kill()
    assert d.value("a") is False
    assert d.storm(4, 1000, "a")[:3] == [0, 0, 4000]
    d.until(lambda: "does not answer" in d.log.read_text())
    server.start()
    d.is_back("a")
    d.becomes(None)
    d.store(server, "a", "y")
    d.becomes(b"y")
    news(d.close(), server.address)


def test_put_behind_a_restart(server, driver):
    """What was stored after the first question to a server that was started anew is stored at that one."""
    d = driver(server.address)
    for n in range(5):
        d.store(server, "a", f"x{n}")
        server.kill()
        server.start()
        d.becomes(None)
    d.close()


def test_restarted_between_two_questions(server, driver):
    """A connection that was lost meanwhile is made anew; nobody notices."""
    d = driver(server.address)
    answers = []

    def once():
        d.becomes(None)
        server.kill()
        server.start()
        answers.append(d.value("a"))
        return len(answers) >= 10 and None in answers
    d.until(once)
    assert set(answers) <= {None, False}
    d.close()


def test_not_there_at_the_start(folder, driver):
    server = Memcached(folder).start()
    server.kill()
    d = driver(server.address)
    assert d.value("a") is False
    d.put("a", "x")
    server.start()
    d.store(server, "a", "x")
    d.becomes(b"x")
    d.close()
    server.stop()


def test_one_of_two_is_stalled(folder, driver):
    servers = [Memcached(folder, name=f"m{n}").start() for n in range(2)]
    try:
        d = driver(servers[0].address, servers[1].address)
        names = [f"n{n}" for n in range(16)]

        def both():
            for name in names:
                d.put(name, "x")
            return procs.wait_until(lambda: d.get(*names)[1] == [b"x"] * 16, 1)
        d.until(both)
        share = int(servers[0].stats()["curr_items"])
        assert 0 < share < 16
        servers[0].pause()
        answers = d.get(*names)[1]
        assert answers.count(False) >= share and answers.count(b"x") == 16 - answers.count(False)
        d.until(lambda: sorted(map(str, d.get(*names)[1])) == ["False"] * share + [str(b"x")] * (16 - share))
        servers[0].resume()
        d.until(lambda: d.get(*names)[1] == [b"x"] * 16)
        d.close()
    finally:
        for s in servers:
            s.stop()


def test_ends_while_a_server_is_silent(server, driver):
    d = driver(server.address)
    d.becomes(None)
    server.pause()
    assert d.value("a") is False
    d.close()


def test_a_name_that_does_not_resolve(folder, driver):
    d = driver("does-not-exist.invalid:11211")
    assert d.value("a") is False
    assert d.storm(2, 1000, "a")[:3] == [0, 0, 2000]
    d.close()


@pytest.mark.parametrize("spec, named", [("", "no memcached server"), ("127.0.0.1:1,x:y", '"x:y"'), ("::1", "[address]"),
                                         ("127.0.0.1:1 127.0.0.1:1", "already")])
def test_lists_that_are_refused(folder, spec, named):
    d = Driver(folder, spec)
    assert d.first.startswith("not open: ") and named in d.first
    assert d.process.wait(patience.seconds(60)) == 1
    d.process.stdin.close()
    d.process.stdout.close()


# ---------------------------------------------------------------------------------------------
# A memcached that is none

# Several of these end a process that lets libmemcached read them.
LIES = {
    "garbage": b"\x00\xff\x13\x37" * 1000 + b"\r\n",
    "another protocol": b"220 mail.example ESMTP\r\n",
    "version": b"VERSION\r\n",
    "empty line": b"\r\n",
    "error": b"ERROR\r\n",
    "server error": b"SERVER_ERROR out of memory writing get response\r\n",
    "endless line": b"VALUE " + b"k" * 100000,
    "endless name": b"VALUE " + b"k" * 330 + b" 0 3\r\nabc\r\nEND\r\n",
    "huge length": b"VALUE a 0 99999999999\r\nabc\r\nEND\r\n",
    "length that wraps": b"VALUE a 0 18446744073709551615\r\nabc\r\nEND\r\n",
    "negative length": b"VALUE a 0 -1\r\nabc\r\nEND\r\n",
    "no length": b"VALUE a 0\r\nabc\r\nEND\r\n",
    "another name": values([("b", b"forged")]),
    "another name first": values([("b", b"forged"), ("a", b"x")]),
    "twice": values([("a", b"x"), ("a", b"y")]),
    "length too small": b"VALUE a 0 2\r\nabc\r\nEND\r\n",
    "binary": b"\x81\x0b" + b"\0" * 6 + b"\0\0\x10\0" + b"\0" * 12 + b"A" * 4096,
    "nothing, and closed": None,
}


@pytest.mark.parametrize("lie", LIES)
def test_lies(driver, lie):
    """Nothing of it is taken, and it costs no wait. Afterwards it may be a memcached again."""
    truth = []
    with FakeMemcached(lambda names: values([(n, b"true") for n in names]) if truth else LIES[lie]) as fake:
        d = driver(fake.address)
        assert [d.value("a") for _ in range(10)] == [False] * 10
        d.until(lambda: d.value("a") is False and fake.counts()[0] > 2)
        truth.append(True)
        d.until(lambda: d.value("a") == b"true")
        d.close()


@pytest.mark.parametrize("lie", ["huge length", "endless line", "version", "binary"])
def test_lies_to_every_question(driver, lie):
    """Then it never is back, and is asked now and then only, by nobody who waits."""
    with FakeMemcached(lambda names: LIES[lie], probe=lambda: LIES[lie]) as fake:
        d = driver(fake.address)
        d.until(lambda: "does not answer" in d.log.read_text())
        before = fake.counts()[0]
        assert d.storm(4, 2000, "a")[:3] == [0, 0, 8000]
        assert fake.counts()[0] == before
        log = d.close()
        assert log.count("\n") == 1 and "does not speak as a memcached does" in log


def test_dribbles(driver):
    """An octet every 9 ms: no single wait is long, and the question is not, either."""
    answer = values([("a", b"x" * 200)])
    with FakeMemcached(lambda names: dribble(answer, 0.009)) as fake:
        d = driver(fake.address)
        took, answers = d.get("a")
        assert answers == [False]
        patience.check(took / 1e6, PATIENCE_S, len(answer) * 0.009, "an answer that trickles")
        d.close()


def test_accepts_and_never_answers(driver):
    with FakeMemcached(lambda names: [(3600, b"")], probe=lambda: [(3600, b"")]) as fake:
        d = driver(fake.address)
        assert d.value("a") is False
        d.until(lambda: "does not answer" in d.log.read_text())
        assert d.storm(8, 500, "a")[:3] == [0, 0, 4000]
        assert fake.counts()[0] <= 1
        d.close()


def test_answers_after_it_was_given_up(driver):
    """A late answer is nobody's: neither of its own question nor of the next one."""
    late = []

    def answer(names):
        if not late:
            late.append(names)
            return [(0.1, values([(n, b"late") for n in names]))]
        return values([(n, b"in time") for n in names])
    with FakeMemcached(answer) as fake:
        d = driver(fake.address)
        assert d.value("a") is False
        seen = []
        d.until(lambda: seen.append(d.value("a")) or seen[-1] == b"in time")
        assert set(seen) <= {False, b"in time"}
        d.close()
    assert late == [["a"]]


def test_slow_but_in_time(driver):
    """A memcached 2 ms away is used."""
    with FakeMemcached(lambda names: [(0.002, values([(n, b"x") for n in names]))]) as fake:
        d = driver(fake.address)
        found = []
        d.until(lambda: found.append(d.value("a")) or found.count(b"x") == 50)
        d.close()


def test_too_slow_costs_once(driver):
    """20 ms for every question: it is away, and stays so while it does not answer faster."""
    fast = []

    def slow(octets):
        return octets if fast else [(0.02, octets)]
    with FakeMemcached(lambda names: slow(values([(n, b"x") for n in names])), probe=lambda: slow(b"END\r\n")) as fake:
        d = driver(fake.address)
        d.until(lambda: "it takes longer than " in d.log.read_text())
        before = fake.counts()[0]
        assert d.storm(4, 1000, "a")[:3] == [0, 0, 4000]
        assert fake.counts()[0] == before
        fast.append(True)
        d.is_back("a")
        d.close()


def test_closes_in_the_middle(driver):
    times = []

    def cut(s):
        times.append(1)
        s.sendall(b"VALUE a 0 10\r\n12345")
        return False
    with FakeMemcached(None) as fake:
        whole = fake.reply
        fake.reply = lambda s, names: whole(s, names) if names == [b"signpost-is-it-there"] else cut(s)
        d = driver(fake.address)
        d.until(lambda: d.value("a") is False and len(times) > 2)
        d.close()


def test_does_not_take_what_is_stored(driver):
    """It reads nothing, so that its window is full: storing costs no time and no memory, and asking goes on."""
    with FakeMemcached(lambda names: values([(n, b"x") for n in names])) as fake:
        fake.take = lambda words, lines: fake.over.wait()
        d = driver(fake.address)
        before = procs.rss_kib([d.process.pid])
        for n in range(200):
            assert d.ask(f"fill name{n} 60 500000") == ["put"]
        assert d.value("a") in (b"x", False)
        if not daemon.is_sanitized(driver_program()):                  # which keeps what was freed
            assert procs.rss_kib([d.process.pid]) - before < 60000      # 100000 KiB were given
        d.is_back("a")
        d.close()


def test_a_value_of_the_right_name_with_the_end_in_it(server, driver):
    hidden = b"1\r\nEND\r\nVALUE b 0 1\r\n2\r\nEND\r\n"
    server.set("a", hidden)
    server.set("b", b"real")
    d = driver(server.address)
    d.becomes(b"real", hidden, names="ba")
    d.close()
