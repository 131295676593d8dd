"""Verification while clients leave, DNS goes away and comes back, and the daemon is reloaded and stopped: keys are being
asked for all the time, and each answer must find its message, or nobody.
"""
import os
import random
import signal
import threading
import time
from collections import Counter

import pytest

from lib import dnsservers, keys, milter, patience, procs, verifying
from lib.verifying import MESSAGE, OUTSIDE, Verifier, sign, verdicts

DELAY = 0.25    # seconds until the DNS answers
AMPLE = int(min(120, patience.seconds(30)))       # DNSTimeout where it answers, however slow the machine is
pytestmark = [pytest.mark.signpost("it waits for no DNS answer with a thread"),
              pytest.mark.skipif((verifying.missing() or dnsservers.missing("named")) is not None,
                                 reason=str(verifying.missing() or dnsservers.missing("named")))]


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return keys.make_key("rsa1024", tmp_path_factory.mktemp("keys") / "rsa1024")


@pytest.fixture
def slow(key):
    with dnsservers.Scripted(lambda query: dnsservers.response(query, [key.record], ttl=0), delay=DELAY) as server:
        yield server


@pytest.fixture
def daemon(program, folder, slow):
    with Verifier(program, folder, None, {"Nameservers": slow.address, "DNSTimeout": AMPLE}) as running:
        yield running
        assert running.process.poll() is None
        assert "died" not in running.log() and "Sanitizer" not in running.log(), running.log()[-3000:]


class Mail:
    """Messages whose key nobody has asked for yet: the same signature, a selector that the DNS does not care about."""

    def __init__(self, key):
        self.key, self.number, self.lock = key, 0, threading.Lock()
        self.message = MESSAGE

    def fresh(self, body=b""):
        with self.lock:
            self.number += 1
            number = self.number
        return sign(self.key, self.message + body, selector=f"s{number}")[0]


def expect_pass(daemon, mail):
    result, _ = daemon.send(mail.fresh())
    assert [word for word, _ in verdicts(result)] == ["pass"], result


def test_clients_that_leave_while_keys_are_asked_for(daemon, slow, key):
    mail, rnd = Mail(key), random.Random(3)
    messages = [mail.fresh(b"x" * rnd.choice([0, 100, 70000]) + b"\r\n") for _ in range(240)]
    before = daemon.tree()

    def leave(numbers):
        for number in numbers:
            headers, body = milter.split_message(messages[number])
            session = milter.Session(daemon.address)
            session.hello(**OUTSIDE)
            session.envelope()
            session.headers(headers)
            how = number % 6
            if how >= 1:
                session.body(body)
            if how == 2:
                session.abort()
                session.envelope()
            if how >= 3:
                session.send(b"E")
            time.sleep(rnd.random() * 2 * DELAY if how % 2 else 0)
            if how == 4:
                session.abort()
            if how == 5:
                session.quit_nc()
            session.close()

    pool = [threading.Thread(target=leave, args=(range(n, len(messages), 24),)) for n in range(24)]
    for t in pool:
        t.start()
    join(pool)
    time.sleep(2 * DELAY)    # the last answers come to nobody
    expect_pass(daemon, mail)
    assert daemon.tree() == before


def test_a_message_after_one_that_was_given_up(daemon, key):
    """On one connection: the answer for the first must not be taken for the second."""
    mail = Mail(key)
    with milter.Session(daemon.address) as session:
        session.hello(**OUTSIDE)
        for round_ in range(6):
            headers, body = milter.split_message(mail.fresh())
            session.envelope()
            session.headers(headers)
            session.body(body)
            session.abort()
            data = mail.fresh()
            if round_ % 2:
                data = data.replace(b"a letter.", b"an invoice.")
            result = session.message(data)
            assert [word for word, _ in verdicts(result)] == ["fail" if round_ % 2 else "pass"]


def many(daemon, messages, threads=40):
    """Counter of what became of them: dkim words, or the verdict where there is none."""
    counts, lock, left = Counter(), threading.Lock(), list(messages)

    def work():
        while True:
            with lock:
                if not left:
                    return
                data = left.pop()
            result, _ = daemon.send(data)
            words = [word for word, _ in verdicts(result)]
            with lock:
                counts[words[0] if words else "tempfail" if result.text.startswith("4") else result.verdict] += 1

    pool = [threading.Thread(target=work) for _ in range(threads)]
    for t in pool:
        t.start()
    return pool, counts


def join(pool):
    for t in pool:
        t.join(patience.seconds(120))
        assert not t.is_alive()


def test_reloads_cut_no_message_short(daemon, key):
    mail = Mail(key)
    pool, counts = many(daemon, [mail.fresh() for _ in range(400)])
    for _ in range(4):
        time.sleep(DELAY * 1.3)
        daemon.process.signal(signal.SIGUSR1)
    join(pool)
    assert counts == Counter({"pass": 400})


def test_a_stop_waits_for_what_is_under_way(program, folder, key):
    """The answers come when all keys have been asked for and nobody is taken any more."""
    mail = Mail(key)
    with dnsservers.Held(lambda query: dnsservers.response(query, [key.record]), cold=b"_domainkey") as server, \
            Verifier(program, folder, None, {"Nameservers": server.address, "DNSTimeout": AMPLE}) as daemon:
        pool, counts = many(daemon, [mail.fresh() for _ in range(20)])
        assert procs.wait_until(lambda: len(server.waiting) >= 20), len(server.waiting)
        daemon.process.signal(signal.SIGTERM)
        procs.wait_until(lambda: not procs.listens(daemon.address), 1.5)      # not longer: libunbound gives up after five
        server.release()
        join(pool)
        assert daemon.process.wait() == 0
    assert counts == Counter({"pass": 20})


def test_dns_goes_and_comes_back(program, folder, key):
    def answer(query):
        return dnsservers.response(query, [key.record], ttl=0)

    mail = Mail(key)
    server = dnsservers.Scripted(answer).start()
    with Verifier(program, folder, None, {"Nameservers": server.address, "DNSTimeout": 4}) as daemon:
        expect_pass(daemon, mail)
        server.stop()
        result, _ = daemon.send(mail.fresh())
        assert result.verdict == "tempfail" or result.text[:3] == "451", result
        with dnsservers.Scripted(answer, port=server.port):
            assert procs.wait_until(lambda: verdicts(daemon.send(mail.fresh())[0]) == [("pass", verifying.DOMAIN)], step=0.3)


def test_a_front_end_that_dies_with_questions_open(daemon, key):
    mail = Mail(key)
    pool, counts = many(daemon, [mail.fresh() for _ in range(200)], threads=20)
    time.sleep(DELAY)
    victims = [pid for pid in daemon.tree() if procs.comm(pid) == "sp-frontend"]
    assert victims
    os.kill(victims[0], signal.SIGKILL)
    join(pool)
    assert counts["pass"] >= 100 and set(counts) <= {"pass", "lost"}, counts
    expect_pass(daemon, mail)
