"""Public keys that one gateway has asked the DNS for and another one takes from memcached; and what whoever owns memcached
can do with them, which must never be a verdict.

A gateway waits for memcached and its keeper no longer than some 20 ms and asks the DNS then. So no test says that this
message costs no question: it says that of many there is one, and that no verdict depends on it.
"""
import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter

import pytest

from lib import dnsservers, keys, memcached, patience, procs, verifying
from lib.stores import signpost
from lib.verifying import DOMAIN, MESSAGE, Verifier, sign, verdicts

SHORT = 16      # seconds: of this a gateway that shares it uses six, for clocks may differ by ten
AMPLE = int(min(120, patience.seconds(30)))       # DNSTimeout where it answers, however slow the machine is
WHY_NOT = (verifying.missing() or dnsservers.missing("named") or
           (None if memcached.program() else "memcached is not installed"))
pytestmark = [pytest.mark.signpost("it shares nothing between gateways"),
              pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))]


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return keys.make_key("rsa1024", tmp_path_factory.mktemp("keys") / "rsa1024")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return keys.make_key("rsa1024", tmp_path_factory.mktemp("keys") / "other")


def absent(query, ttl):
    import dns.rcode
    import dns.rrset
    answer = dnsservers.response(query, rcode=dns.rcode.NXDOMAIN)
    answer.authority.append(dns.rrset.from_text(f"{DOMAIN}.", ttl, "IN", "SOA", f"ns.{DOMAIN}. h.{DOMAIN}. 1 3600 600 86400 {ttl}"))
    return answer


class World:
    """A DNS server that counts, a memcached, and gateways. The first letter of a selector says what its record is: g the
    right key, w another one, n none; a second letter s: for a SHORT time only. gone: those there are no more."""

    def __init__(self, program, folder, key, other):
        self.program, self.folder, self.key, self.other = program, folder, key, other
        self.number, self.lock, self.gone, self.running = 0, threading.Lock(), set(), []
        self.site_key = folder / "site.key"
        signpost("store", "sitekey", "new", self.site_key)
        self.dns = dnsservers.Scripted(self.answer).start()
        self.memcached = memcached.Memcached(folder).start()

    def answer(self, query):
        selector = query.question[0].name.to_text().split(".")[0].lower()
        ttl = SHORT if selector[1:2] == "s" else 300
        if selector[0] == "n" or selector in self.gone:
            return absent(query, ttl)
        if selector[0] not in "gw":
            return dnsservers.response(query, [])
        return dnsservers.response(query, [(self.key if selector[0] == "g" else self.other).record], ttl=ttl)

    def gateway(self, name, **settings):
        base = {"Nameservers": self.dns.address, "DNSTimeout": AMPLE, "Memcached": self.memcached.address, "Frontends": 1,
                "SiteKeyFile": self.site_key, "On-DNSError": "tempfail"}
        base.update(settings)
        one = Verifier(self.program, self.folder, None, base, name=name).start()
        self.running.append(one)
        return one

    def stop(self):
        for one in self.running:
            one.stop()
            assert "Sanitizer" not in one.log() and "malformed" not in one.log() and "wants to share" not in one.log(), one.log()[-3000:]
        self.memcached.stop()
        self.dns.stop()

    def fresh(self, kind="g"):
        with self.lock:
            self.number += 1
            return f"{kind}{self.number}"

    def asked(self, selector):
        return sum(n.lower() == f"{selector}._domainkey.{DOMAIN}" for n in list(self.dns.names))

    def count(self):
        return int(self.memcached.stats()["curr_items"])

    def verify(self, gateway, selector):
        """dkim= of a message with this selector, and whether the DNS was asked for it."""
        before = self.asked(selector)
        result, _ = gateway.send(sign(self.key, MESSAGE, selector=selector)[0])
        words = [word for word, _ in verdicts(result)]
        assert len(words) == 1, (selector, result, gateway.log()[-2000:])
        return words[0], self.asked(selector) > before

    def expect(self, gateway, selector):
        word, asked = self.verify(gateway, selector)
        assert word == RESULT[selector[0]], (selector, word)
        return asked

    def give(self, gateway, selector):
        """GATEWAY asks; true when memcached has one value more then, as it usually has soon."""
        before = self.count()
        self.expect(gateway, selector)
        return procs.wait_until(lambda: self.count() > before, 2)

    def share(self, giver, taker, kind="g"):
        """A selector that GIVER has asked for and TAKER has not."""
        deadline = time.monotonic() + patience.seconds(120)
        while time.monotonic() < deadline:
            selector = self.fresh(kind)
            if self.give(giver, selector) and not self.expect(taker, selector):
                assert self.asked(selector) == 1
                return selector
            time.sleep(1)       # a gateway that was kept waiting asks nobody for a second
        raise AssertionError(f"nothing is shared: {self.memcached.stats()}\n{giver.log()[-1500:]}\n{taker.log()[-1500:]}")


    def share_and_keep(self, giver, taker, kind):
        """share(), and what memcached has of it: {name: value}. A new name is seen late in its list: one of a selector that
        was tried before is there earlier, and all of them are waited for. Where one never comes, or is over, all begins anew."""
        deadline = time.monotonic() + patience.seconds(120)
        while time.monotonic() < deadline:
            before, number = set(self.memcached.names()), self.number
            selector = self.share(giver, taker, kind)

            def new():
                return set(self.memcached.names()) - before
            procs.wait_until(lambda: len(new()) == self.number - number, 5)
            kept = {name: self.memcached.get(name) for name in new()}
            if len(kept) == self.number - number and all(kept.values()):
                return selector, kept
        raise AssertionError(f"it is never seen as a whole: {self.memcached.stats()}")


RESULT = {"g": "pass", "w": "fail", "n": "permerror"}


@pytest.fixture
def world(program, folder, key, other):
    one = World(program, folder, key, other)
    yield one
    one.stop()


@pytest.mark.parametrize("kind", ["g", "w", "n"])
def test_what_one_has_asked_for_the_other_does_not(world, kind):
    first, second = world.gateway("first"), world.gateway("second")
    for giver, taker in ((first, second), (second, first)):
        selector = world.share(giver, taker, kind)
        for gateway in (first, second):     # out of the memory of each
            assert not world.expect(gateway, selector)


@pytest.mark.parametrize("kind", ["gs", "ns"])
def test_what_is_over_is_asked_for_again(world, kind):
    """Nobody has it for longer than the DNS said, and what is put back into memcached afterwards is nobody's either."""
    first, second, third = world.gateway("first"), world.gateway("second"), world.gateway("third")
    selector, kept = world.share_and_keep(first, second, kind)
    world.gone.add(selector) if kind == "gs" else None
    # A gateway that has to wait for memcached asks the DNS as well; what it asked then may come only now, and is no sign of
    # anything being over. By the clock it is: for whoever shares it.
    time.sleep(SHORT - 10 + 1)
    before = world.asked(selector)
    assert procs.wait_until(lambda: world.verify(second, selector)[1], patience.seconds(4 * SHORT), 0.5)
    assert world.asked(selector) == before + 1

    def back():
        return {name: world.memcached.get(name) for name in kept} == kept

    procs.wait_until(lambda: not back(), 5)     # what was asked just now is shared in its own time
    for name, value in kept.items():
        world.memcached.set(name, value)
    word, asked = world.verify(third, selector)
    assert word == "permerror"
    assert asked or not back()


def test_values_that_were_changed_are_no_verdict(world):
    """Octets changed anywhere, cut, lengthened, exchanged, nonsense: a message that fails fails and one that passes passes."""
    first, rnd = world.gateway("first"), random.Random(5)
    selectors = [world.fresh(kind) for _ in range(25) for kind in ("g", "w", "n")]
    for selector in selectors:
        world.expect(first, selector)
    assert procs.wait_until(lambda: len(world.memcached.names()) >= len(selectors) // 3, step=0.5), world.memcached.stats()
    names = world.memcached.names()
    values = {name: value for name, value in ((n, world.memcached.get(n)) for n in names) if value}
    rnd.shuffle(names)

    def flipped(value):
        at = rnd.randrange(len(value))
        return value[:at] + bytes([value[at] ^ 1 << rnd.randrange(8)]) + value[at + 1:]

    changes = [flipped, flipped, flipped, lambda v: v[:rnd.randrange(len(v))], lambda v: v + b"\0", lambda v: b"",
               lambda v: rnd.randbytes(len(v)), lambda v: values[rnd.choice(list(values))]]
    for number, (name, value) in enumerate(sorted(values.items())):
        world.memcached.set(name, changes[number % len(changes)](value))
    second = world.gateway("second")
    for selector in selectors:
        world.expect(second, selector)
    # All of them exchanged: each name has another's value.
    mixed = list(values)
    for name, value_of in zip(mixed, mixed[1:] + mixed[:1]):
        world.memcached.set(name, values[value_of])
    third = world.gateway("third")
    for selector in selectors:
        world.expect(third, selector)


def test_memcached_that_is_silent_or_gone(world):
    first, second = world.gateway("first"), world.gateway("second")
    world.share(first, second)
    world.memcached.pause()
    for kind in "gwn" * 3:
        selector = world.fresh(kind)
        for gateway in (first, second):
            world.expect(gateway, selector)
    world.memcached.resume()
    world.share(first, second)
    world.memcached.kill()
    for kind in "gwn" * 3:
        selector = world.fresh(kind)
        for gateway in (first, second):
            world.expect(gateway, selector)
    world.memcached.start()
    world.share(second, first)


def keeper_of(daemon):
    return [pid for pid in daemon.tree()[1:] if procs.comm(pid).startswith("sp-keeper")]


def test_the_keeper_is_killed_under_load(world):
    first, second = world.gateway("first"), world.gateway("second")
    selectors = [world.fresh(kind) for _ in range(120) for kind in ("g", "w")]
    messages = {s: sign(world.key, MESSAGE, selector=s)[0] for s in selectors}
    left, lock, counts, wrong = [s for s in selectors for _ in range(3)], threading.Lock(), Counter(), []
    random.Random(7).shuffle(left)

    def work(gateway):
        while True:
            with lock:
                if not left:
                    return
                selector = left.pop()
            result, _ = gateway.send(messages[selector])
            words = [word for word, _ in verdicts(result)]
            with lock:
                counts[words[0] if words else result.verdict] += 1
                if words != [RESULT[selector[0]]]:
                    wrong.append((selector, words, result))

    pool = [threading.Thread(target=work, args=(gateway,)) for gateway in (first, second) for _ in range(6)]
    for thread in pool:
        thread.start()
    for _ in range(6):
        for gateway in (first, second):
            assert procs.wait_until(lambda gateway=gateway: keeper_of(gateway))
            for pid in keeper_of(gateway):
                with contextlib.suppress(ProcessLookupError):     # the one of before, which was just buried
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.15)
    for thread in pool:
        thread.join(patience.seconds(120))
        assert not thread.is_alive()
    assert not wrong and counts == Counter({"pass": 360, "fail": 360}), (counts, wrong[:5])
    world.share(first, second)


def test_who_does_not_ask_the_same_servers_shares_nothing(world):
    first = world.gateway("first")
    elsewhere = world.gateway("elsewhere", Nameservers=world.dns.address6)
    prefixed = world.gateway("prefixed", MemcachedPrefix="site2")
    strange = world.folder / "strange.key"
    signpost("store", "sitekey", "new", strange)
    foreign = world.gateway("foreign", SiteKeyFile=strange)
    given, deadline = 0, time.monotonic() + patience.seconds(120)
    while given < 3 and time.monotonic() < deadline:
        selector = world.fresh()
        given += world.give(first, selector)
        for gateway in (elsewhere, prefixed, foreign):
            assert world.expect(gateway, selector)
    assert given == 3


def test_without_a_site_key(world):
    """What a gateway has left there is for itself: for the processes that come after a reload, and for nobody else."""
    alone, stranger = (world.gateway(name, SiteKeyFile=None) for name in ("alone", "stranger"))
    deadline = time.monotonic() + patience.seconds(120)
    found = False
    while not found and time.monotonic() < deadline:
        selector = world.fresh()
        if not world.give(alone, selector):
            time.sleep(1)
            continue
        assert world.expect(stranger, selector)
        old = alone.tree()[1:]
        alone.process.signal(signal.SIGUSR1)
        assert procs.wait_until(lambda old=old: not set(old) & set(alone.tree()))
        found = not world.expect(alone, selector)
    assert found


def test_dnssec(program, folder, key, other):
    """What was validated is shared as validated, what is bogus with nobody, and nothing between those who validate and those
    who do not."""
    zone = dnsservers.zone(DOMAIN, "\n".join(f"{selector}._domainkey {dnsservers.txt(key.record)}"
                                             for selector in ["bogus"] + [f"s{n}" for n in range(60)]))
    signed, anchor = dnsservers.sign(folder, DOMAIN, zone)
    signed = dnsservers.break_signatures(signed, f"bogus._domainkey.{DOMAIN}")
    anchors = folder / "anchors"
    anchors.write_text(anchor + "\n")
    later = folder / "anchors-later"
    later.write_text(f"; written by another program\n\n{anchor}  ;;lastchange=1\n".replace(" IN ", "  IN\t ", 1))
    world = World(program, folder, key, other)
    try:
        with dnsservers.Named(folder, {DOMAIN: signed}) as named:
            world.dns.stop()
            world.asked = lambda selector: named.queries(f"{selector}._domainkey.{DOMAIN}")
            settings = {"Nameservers": named.address, "UnprotectedKey": "fail"}
            first = world.gateway("first", TrustAnchorFile=anchors, **settings)
            second = world.gateway("second", TrustAnchorFile=later, **settings)
            plain = world.gateway("plain", Nameservers=named.address)
            shared = None
            for number in range(60):
                selector = f"s{number}"
                before = world.count()
                assert world.verify(first, selector)[0] == "pass"
                procs.wait_until(lambda: world.count() > before, 2)
                word, asked = world.verify(second, selector)
                assert word == "pass"
                if not asked:
                    shared = selector
                    break
                time.sleep(1)
            assert shared, world.memcached.stats()
            assert world.verify(plain, shared) == ("pass", True)
            # Nobody who might still put something is left, and nothing is there.
            for gateway in (first, second, plain):
                gateway.stop()
            world.memcached.stop()
            world.memcached.start()
            third = world.gateway("third", TrustAnchorFile=anchors, **settings)
            fourth = world.gateway("fourth", TrustAnchorFile=later, **settings)
            for gateway in (third, fourth, third):
                word, asked = world.verify(gateway, "bogus")
                assert word != "pass"
            assert not procs.wait_until(lambda: world.count() > 0, 1)
    finally:
        world.stop()


def test_query_cache_without_memcached(world):
    """Answers are kept by the front-end itself; the line comes every five minutes only, which tests/unit looks at."""
    alone = world.gateway("alone", Memcached=None, SiteKeyFile=None, QueryCache="yes")
    selector = world.fresh()
    assert world.expect(alone, selector)
    for _ in range(5):
        assert not world.expect(alone, selector)
    assert world.count() == 0
