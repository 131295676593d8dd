"""Verifying under load and out of luck: resolvers that are silent, slow or killed, MTAs that go away, processes that die,
strangers who want the resolver for themselves. Every message gets its verdict in time, and nothing is kept of it.
"""
import asyncio
import base64
import hashlib
import itertools
import os
import signal
import threading
import time

import pytest

from lib import dnsservers, keys, manymail, milter, patience, procs, verifying
from lib.daemon import is_sanitized
from lib.manymail import message_packets

pytestmark = [pytest.mark.signpost("OpenDKIM's limits are others"),
              pytest.mark.skipif(dnsservers.missing() is not None or verifying.missing() is not None,
                                 reason=str(dnsservers.missing() or verifying.missing()))]
TIMEOUT = 2      # DNSTimeout where keys are not to come
AMPLE = min(120, patience.seconds(30))        # where they are to come, however slow the machine is
GIVES_UP = 4.8   # seconds after which libunbound gives up a name by itself: a key must be there before, whatever DNSTimeout says
SILENT = b"\x06silent\x07example"   # as it is on the wire
INTERNAL = "127.0.0.1"
MESSAGES = int(os.environ.get("SIGNPOST_MESSAGES", "20000"))
MESSAGES_SANITIZED = 4000       # memory is not judged then, and each message costs a multiple
NUMBER = itertools.count()
GROWTH_MAX = 0.05
BODY_HASH = base64.b64encode(hashlib.sha256(milter.split_message(verifying.MESSAGE)[1]).digest())
NOBODYS = (b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=%s; s=%s; h=From;\r\n"
           b"\tbh=" + BODY_HASH + b"; b=AAAA\r\n")


def selector():
    return f"s{next(NUMBER)}"


def unsound(domains):
    """A message whose signatures are by nobody, one for each of DOMAINS; packets."""
    fields = b"".join(NOBODYS % (domain.encode(), selector().encode()) for domain in domains)
    return message_packets(fields + verifying.MESSAGE)


@pytest.fixture(scope="module")
def key(shared_keys):
    return shared_keys["ed25519"]


def signed(key, domain=verifying.DOMAIN):
    """A message with a good signature and a name of its own; packets."""
    return message_packets(verifying.sign(key, domain=domain, selector=selector())[0])


def known_everywhere(key):
    def answer(query):
        return dnsservers.response(query, [key.record] if query.question[0].rdtype == 16 else [])
    return answer


def authority(key, **options):
    """It answers for each name but those below silent.example."""
    return dnsservers.Scripted(known_everywhere(key), deaf=SILENT, **options)


class Cache(dnsservers.Scripted):
    """Has everything but names with "cold" in them: those it knows SECONDS after the first question, and not sooner."""

    def __init__(self, answer, seconds):
        super().__init__(answer)
        self.seconds, self.first = seconds, {}

    def _later(self, send, *args):
        name, left = self._answers_name(send, args), 0.0
        if b"cold" in name:
            left = self.first.setdefault(name, time.monotonic()) + self.seconds - time.monotonic()
        if left <= 0:
            send(*args)
            return
        timer = threading.Timer(left, send, args)
        timer.daemon = True
        timer.start()


def verifier(program, folder, server, settings=None, **options):
    base = {"Mode": "sv", "Nameservers": server.address, "DNSTimeout": int(AMPLE), "SyslogSuccess": False, "LogWhy": False,
            "Frontends": 1}
    return verifying.Verifier(program, folder, None, {**base, **(settings or {})}, **options)


def signing(folder, key):
    (folder / "KeyTable").write_text(f"own own.example.org:s1:{key.path}\n")
    (folder / "SigningTable").write_text("*@own.example.org own\n")
    return {"KeyTable": f"file:{folder}/KeyTable", "SigningTable": f"refile:{folder}/SigningTable"}


OWN = message_packets(verifying.MESSAGE.replace(b"signer.example.net", b"own.example.org"))


def of_name(daemon, name):
    return [pid for pid in daemon.tree() if procs.comm(pid) == name]


def front_end(daemon):
    assert procs.wait_until(lambda: len(of_name(daemon, "sp-frontend")) == 1)
    return of_name(daemon, "sp-frontend")[0]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def at_rest(daemon, before):
    """Descriptors of the front-end, when they are BEFORE again or will not be."""
    procs.wait_until(lambda: descriptors(front_end(daemon)) <= before, step=0.1)
    return descriptors(front_end(daemon))


def counts(outcomes):
    found = {}
    for one in outcomes:
        what = "pass" if one.passed else "tempfail" if one.tempfailed else one.verdict
        found[what] = found.get(what, 0) + 1
    return found


def healthy(daemon):
    assert daemon.process.poll() is None
    for sign_of_death in ("died", "killed", "was ended by", "Sanitizer"):
        assert sign_of_death not in daemon.log(), daemon.log()[-3000:]


# ---- a resolver that is silent, or slow ----

async def sign_meanwhile(daemon, seconds):
    """Latencies of mail that is signed, one message after the other."""
    taken, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        one = await manymail.one(daemon.address, OWN, INTERNAL)
        assert one.signed, one
        taken.append(one.seconds)
        await asyncio.sleep(0.01)
    return sorted(taken)


async def silent_round(daemon, messages):
    verified, latencies = await asyncio.gather(manymail.all_at_once(daemon.address, messages),
                                               sign_meanwhile(daemon, TIMEOUT + 0.5))
    assert counts(verified) == {"tempfail": len(messages)}
    patience.check(max(one.seconds for one in verified), TIMEOUT, len(messages) * TIMEOUT, "waiting for keys one after the other")
    assert all("4.7.5" in one.text for one in verified), verified[0]
    return latencies


ROUNDS = 6


def test_nobody_answers(program, folder, key):
    with dnsservers.Scripted(lambda query: None) as server, \
            verifier(program, folder, server, {**signing(folder, key), "DNSCacheSize": 262144, "DNSTimeout": TIMEOUT}) as daemon:
        assert asyncio.run(manymail.one(daemon.address, OWN, INTERNAL)).signed
        before, samples = descriptors(front_end(daemon)), []
        for n in range(ROUNDS):
            messages = [unsound([f"d{n}-{i}.silent.example"]) for i in range(200)]
            latencies = asyncio.run(silent_round(daemon, messages))
            samples.append((procs.rss_kib([front_end(daemon)]), round(latencies[len(latencies) * 99 // 100], 4)))
            patience.check(latencies[len(latencies) // 2], 0.01, TIMEOUT, "signing while keys are awaited (median)")
        open_now = at_rest(daemon, before)
        log = daemon.log()
        healthy(daemon)
    print(f"\n200 messages, silent resolver, a round each: RSS KiB and 99 % of signing latencies {samples}; "
          f"descriptors {before} -> {open_now}")
    assert open_now <= before + 1
    assert log.count(".silent.example: ") == 200 * ROUNDS
    # It is DNSTimeout that ends them, or libunbound, which does not ask a server again that has been silent for so long.
    assert log.count(f"no answer in {TIMEOUT} s") >= 200
    if not is_sanitized(program):
        # From the fourth round on, when libunbound holds as much as ever, to the last.
        assert samples[-1][0] <= samples[3][0] * 1.2


def test_slow_answers_are_awaited_together(program, folder, key):
    messages = [signed(key, f"d{i}.example.net") for i in range(200)]
    with authority(key, delay=0.2) as server, verifier(program, folder, server) as daemon:
        begun = time.monotonic()
        outcomes = asyncio.run(manymail.all_at_once(daemon.address, messages))
        seconds = time.monotonic() - begun
        healthy(daemon)
    print(f"\n200 messages, answers after 200 ms: all within {seconds:.2f} s")
    assert counts(outcomes) == {"pass": 200}, outcomes[0]
    assert min(one.seconds for one in outcomes) >= 0.2
    patience.check(seconds, 0.5, 200 * 0.2, "200 answers, awaited one after the other,")


# ---- who wants the resolver for himself ----

@pytest.mark.parametrize("most, asked", [(3, 3), (0, 20)])
def test_a_thousand_signatures(program, folder, key, most, asked):
    with authority(key) as server, verifier(program, folder, server, {"MaximumSignaturesToVerify": most, "MaximumHeaders": 262144}) as daemon:
        one = asyncio.run(manymail.one(daemon.address, unsound([f"d{i}.example.com" for i in range(1000)])))
        rss = procs.rss_kib([front_end(daemon)])
        names = {name.lower() for name in server.names if "_domainkey" in name}
        healthy(daemon)
    print(f"\n1,000 signatures, MaximumSignaturesToVerify {most}: {len(names)} names asked, {one.seconds:.3f} s, RSS {rss} KiB")
    assert one.verdict in ("accept", "continue"), one
    assert len(names) <= asked
    assert len(one.results) < 32768


ZONES = 8        # of honest mail: one may have the lane of silent.example (DNS_LANES, by a hash that nobody knows), not two


async def honest_under_attack(daemon, key, attackers, seconds):
    """Messages of honest strangers with keys that nobody knows yet, while others ask for what is never answered."""
    end = time.monotonic() + seconds

    async def attack():
        sent = 0
        while time.monotonic() < end:
            await manymail.one(daemon.address, unsound([f"{selector()}.silent.example" for _ in range(3)]))
            sent += 1
        return sent

    async def honest():
        await asyncio.sleep(1)
        outcomes = []
        while time.monotonic() < end:
            zone = len(outcomes) % ZONES
            outcomes.append((zone, await manymail.one(daemon.address, signed(key, f"{selector()}.honest{zone}.example"))))
        return outcomes

    *sent, outcomes = await asyncio.gather(*(attack() for _ in range(attackers)), honest())
    return sum(sent), outcomes


@pytest.mark.parametrize("attackers", [20, 800])
def test_silent_names_do_not_starve_others(program, folder, key, attackers):
    """Who is starved waits until the first silent names have had their time."""
    limit = 2 * TIMEOUT
    with authority(key) as server, verifier(program, folder, server, {"DNSTimeout": limit}) as daemon:
        sent, outcomes = asyncio.run(honest_under_attack(daemon, key, attackers, 10))
        healthy(daemon)
    taken = sorted(one.seconds for _, one in outcomes)
    starved = {zone for zone, one in outcomes if not one.passed}
    print(f"\n{attackers} at a time want {sent * 3} names that are never answered: honest mail {counts(one for _, one in outcomes)}, "
          f"median {taken[len(taken) // 2]:.3f} s, longest {taken[-1]:.3f} s")
    assert len({zone for zone, _ in outcomes}) == ZONES and len(starved) <= 1, starved
    patience.check(taken[len(taken) // 2], 0.05, limit - 1, "honest mail while others ask for silent names (median)")


async def cold_and_warm(daemon, key, seconds):
    """A message with a key that the cache must look for, while those of others come at once."""
    taken = []

    async def warm(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            taken.append(await manymail.one(daemon.address, signed(key, "warm.example.net")))
            await asyncio.sleep(0.03)

    await warm(1)
    cold, _ = await asyncio.gather(manymail.one(daemon.address, signed(key, f"{selector()}.cold.example.net")), warm(seconds + 1.5))
    return cold, taken


@pytest.mark.parametrize("seconds", [0.1, 1, 3])
def test_a_cache_may_take_its_time(program, folder, key, seconds):
    """What a cache has comes at once; that must not teach the resolver to give up early what it has not."""
    with Cache(known_everywhere(key), seconds) as server, \
            verifier(program, folder, server) as daemon:
        cold, warm = asyncio.run(cold_and_warm(daemon, key, seconds))
        healthy(daemon)
    print(f"\na key that the cache has after {seconds} s: {cold.verdict} after {cold.seconds:.2f} s, beside {len(warm)} others")
    assert counts(warm) == {"pass": len(warm)}
    assert cold.passed, cold


# ---- a server that dies ----

async def sent_steadily(daemon, key, found, stop, every=0.05):
    """Appends (when it was sent, outcome) to FOUND until STOP is set; each message has a key that nobody knows yet."""
    async def one(packets):
        begun = time.monotonic()
        found.append((begun, await manymail.one(daemon.address, packets)))

    under_way = []
    while not stop.is_set():
        under_way.append(asyncio.create_task(one(signed(key, f"{selector()}.example.net"))))
        await asyncio.sleep(every)
    await asyncio.gather(*under_way)


async def until(condition, limit=None):
    """The seconds until CONDITION(), or None when LIMIT seconds have gone."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > (limit or patience.seconds(60)):
            return None
        await asyncio.sleep(0.02)
    return time.monotonic() - begun


@pytest.mark.parametrize("how, down", [(signal.SIGKILL, 3), (signal.SIGSTOP, 12)])
def test_a_dead_server_is_alive_again_soon(program, folder, key, how, down):
    """libunbound asks a server that was silent again after three seconds, and not after a quarter of an hour (infra-host-ttl)."""
    zone = dnsservers.zone("example.net", "* TXT " + dnsservers.txt(key.record).split(" ", 1)[1])
    times, found, wait = {}, [], 2 * TIMEOUT

    def number(passed, since):
        return sum(one.passed == passed for begun, one in found if begun >= since)

    async def play(daemon, server, stop):
        assert await until(lambda: number(True, 0) >= 20), counts(one for _, one in found)
        server.process.signal(how)
        times["down"] = time.monotonic()
        await asyncio.sleep(down)
        assert await until(lambda: number(False, times["down"]) >= 5), "who should have answered?"
        if how == signal.SIGKILL:
            server.stop()
            await asyncio.to_thread(server.start)
        else:
            server.process.signal(signal.SIGCONT)
        times["up"] = time.monotonic()
        times["believed"] = await until(lambda: number(True, times["up"]) >= 20, patience.below(120))
        stop.set()

    async def both(daemon, server):
        stop = asyncio.Event()
        await asyncio.gather(sent_steadily(daemon, key, found, stop), play(daemon, server, stop))

    with dnsservers.Named(folder, {"example.net": zone}) as server, \
            verifier(program, folder, server, {"DNSTimeout": wait}) as daemon:
        asyncio.run(both(daemon, server))
        healthy(daemon)
    bad = [begun for begun, one in found if not one.passed]
    print(f"\n{how.name}: {len(found)} messages, the server down for {times['up'] - times['down']:.1f} s: {counts(one for _, one in found)}; "
          f"the last tempfailed one {bad[-1] - times['up']:+.1f} s from when it was up again")
    assert times["believed"] is not None, "not one of 20 messages passes, 96 s after the server came back (usual are 3)"
    assert set(counts(one for _, one in found)) == {"pass", "tempfail"}
    assert min(bad) >= times["down"] - wait - patience.seconds(3), "somebody was tempfailed while the server was well"


# ---- MTAs that do not wait, processes that end ----

@pytest.fixture
def awaiting(program, folder, key):
    """A daemon whose resolver keeps its answers for names with "cold" in them until .server.release(), and never answers some."""
    with dnsservers.Held(known_everywhere(key), deaf=SILENT) as server:
        with verifier(program, folder, server, signing(folder, key)) as daemon:
            daemon.key, daemon.server = key, server
            yield daemon


def fresh(daemon):
    return signed(daemon.key, f"{selector()}.cold.example.net")


def never():
    return unsound([f"{selector()}.silent.example"])


END = manymail.packet(b"E")


async def with_connection(daemon, play):
    connection = await manymail.Connection.open(daemon.address)
    try:
        return await play(connection)
    finally:
        await connection.close()


def test_abort_while_keys_are_asked(awaiting):
    """Nobody waits for the key of a message that was given up: it never comes."""
    async def play(connection):
        connection.writer.write(fresh(awaiting)[:-len(END)])
        await all_asked(awaiting, 1)
        connection.writer.write(manymail.packet(b"A"))
        return await connection.send(signed(awaiting.key, f"{selector()}.example.net"))

    one = asyncio.run(with_connection(awaiting, play))
    assert one.passed, one
    patience.check(one.seconds, 0.1, GIVES_UP, "a message behind one that was given up")
    healthy(awaiting)


def test_messages_without_waiting_for_verdicts(program, folder, key):
    """Each gets its verdict, in order, also behind an ABORT and a QUIT_NC."""
    def good():
        return signed(key, f"{selector()}.example.net")

    async def play(connection):
        connection.writer.write(never() + good() + manymail.packet(b"A") + never() + manymail.packet(b"K") +
                                manymail.packet(b"C", b"mail.outside.test\0004\x10\x00192.0.2.25\0") + good())
        return [await connection.outcome() for _ in range(4)]

    with authority(key) as server, verifier(program, folder, server, {"DNSTimeout": 2 * TIMEOUT}) as daemon:
        outcomes = asyncio.run(with_connection(daemon, play))
        assert [list(counts([one]))[0] for one in outcomes] == ["tempfail", "pass", "tempfail", "pass"], outcomes
        healthy(daemon)


async def all_asked(daemon, count):
    """Until the keys of COUNT fresh messages have been asked for."""
    assert await until(lambda: len(daemon.server.waiting) >= count), len(daemon.server.waiting)


def test_connections_that_close_while_keys_are_awaited(awaiting):
    async def hang_up(packets, more, go):
        connection = await manymail.Connection.open(awaiting.address)
        connection.writer.write(packets)
        await connection.writer.drain()
        await go.wait()
        connection.writer.write(more)
        await connection.close()

    async def play():
        go = asyncio.Event()
        endings = [b"", manymail.packet(b"Q"), never(), manymail.packet(b"A"), b"\0\0"]
        leaving = asyncio.gather(*(hang_up(never() if n % 2 else fresh(awaiting), endings[n % 5], go) for n in range(200)))
        await all_asked(awaiting, 100)
        go.set()
        await leaving
        awaiting.server.release()
        return await manymail.one(awaiting.address, fresh(awaiting))

    before = descriptors(front_end(awaiting))
    assert asyncio.run(play()).passed
    assert at_rest(awaiting, before) <= before + 1
    healthy(awaiting)


ASKED = 40       # messages: not so many that libunbound could give up the first before the last is asked for
SOON = 1.5       # seconds that an action gets before the keys come, for the same reason


async def in_the_middle(daemon, action):
    """Outcomes of ASKED messages; ACTION is done when all of them wait for their keys, and then these come."""
    messages = [fresh(daemon) for _ in range(ASKED)]
    outcomes = asyncio.gather(*(manymail.one(daemon.address, packets) for packets in messages))
    await all_asked(daemon, ASKED)
    action()
    daemon.server.release()
    return await outcomes


def test_reload_while_keys_are_awaited(awaiting):
    def reload():
        os.kill(awaiting.pid, signal.SIGUSR1)
        procs.wait_until(lambda: "configuration reloaded" in awaiting.log(), SOON)

    assert counts(asyncio.run(in_the_middle(awaiting, reload))) == {"pass": ASKED}
    assert procs.wait_until(lambda: "configuration reloaded" in awaiting.log())
    assert asyncio.run(manymail.one(awaiting.address, fresh(awaiting))).passed
    assert procs.wait_until(lambda: len(of_name(awaiting, "sp-frontend")) == 1)
    healthy(awaiting)


def test_an_orderly_end_while_keys_are_awaited(awaiting):
    def end():
        os.kill(awaiting.pid, signal.SIGTERM)
        procs.wait_until(lambda: not procs.listens(awaiting.address), SOON)

    assert counts(asyncio.run(in_the_middle(awaiting, end))) == {"pass": ASKED}
    assert awaiting.process.wait() == 0


def kill_and_wait(pid):
    os.kill(pid, signal.SIGKILL)
    assert procs.wait_until(lambda: procs.comm(pid) == "")


def test_a_killed_keeper_is_no_matter_to_keys(awaiting):
    def kill():
        kill_and_wait(of_name(awaiting, "sp-keeper")[0])

    assert counts(asyncio.run(in_the_middle(awaiting, kill))) == {"pass": ASKED}
    assert procs.wait_until(lambda: asyncio.run(manymail.one(awaiting.address, OWN, INTERNAL)).signed)
    assert awaiting.process.poll() is None


def test_a_killed_front_end_loses_what_it_had(awaiting):
    def kill():
        kill_and_wait(front_end(awaiting))

    assert counts(asyncio.run(in_the_middle(awaiting, kill))) == {"lost": ASKED}
    assert procs.wait_until(lambda: asyncio.run(manymail.one(awaiting.address, fresh(awaiting))).passed)
    assert awaiting.process.poll() is None


# ---- many ----

async def many(daemon, messages, count, connections=20):
    async def sender(mine):
        connection = await manymail.Connection.open(daemon.address)
        for n in range(mine):
            one = await connection.send(messages[n % len(messages)])
            assert one.passed, one
        await connection.close()

    await asyncio.gather(*(sender(count // connections) for _ in range(connections)))


def test_memory_after_many_messages(program, folder, key):
    messages = [signed(key, f"d{i}.example.net") for i in range(50)]
    total = min(MESSAGES, MESSAGES_SANITIZED) if is_sanitized(program) else MESSAGES
    with authority(key) as server, verifier(program, folder, server, unix=True) as daemon:
        asyncio.run(many(daemon, messages, total // 10))
        first, begun = procs.rss_kib([front_end(daemon)]), time.monotonic()
        asyncio.run(many(daemon, messages, total - total // 10))
        last, seconds = procs.rss_kib([front_end(daemon)]), time.monotonic() - begun
        healthy(daemon)
    print(f"\n{total} verified messages: RSS {first} KiB after a tenth, {last} KiB at the end; {total * 0.9 / seconds:.0f} a second")
    if not is_sanitized(program):
        assert last <= first * (1 + GROWTH_MAX)
