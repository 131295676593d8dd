"""Memcached: what one gateway has read costs the store nothing at the others; a change is in force at all of them; and a
memcached that is silent, killed, empty, wrong or hostile changes no signature, and holds no key that anybody could read.

Counted where it arrives: the statements of a MariaDB, the values of a memcached, the counters of each gateway.
"""
import asyncio
import contextlib
import random
import resource
import signal
import socket
import sqlite3
import threading
import time

import pytest

from lib import daemon as daemon_module
from lib import dnsservers, gateways, keys, keystores, manymail, mariadb, memcached, milter, procs, stores, verify
from lib.gateways import Gateways, StoreLog, message, selectors, stored, until_stored, waits
from lib.load import Load

pytestmark = [pytest.mark.signpost("a KeyStore is ours"),
              pytest.mark.skipif(memcached.program() is None, reason="memcached is not installed")]

DOMAINS = 60                        # of acme, each with a key of its own name
OTHERS = 8                          # of bolt
ALIASES = 1200                      # of acme: names that nobody has asked for yet
BOLT = "127.0.0.2"                  # speaks for bolt
NOBODYS = [f"nobody{n}.example.com" for n in range(4)]
KINDS = ("rsa2048", "ed25519", "rsa1024")


def acme(count=DOMAINS):
    return [f"a{n:03d}.example.com" for n in range(count)]


def bolt(count=OTHERS):
    return [f"b{n:03d}.example.com" for n in range(count)]


def aliases(first, count):
    return [f"x{n:03d}.example.com" for n in range(first, first + count)]


def kind_of(domain):
    """Neighbours have different keys, and so have the tenants' domains of the same number."""
    return KINDS[(int(domain[1:4]) + (domain[0] == "b")) % len(KINDS)]


def world(shared_keys):
    lines = ["tenant acme", "tenant bolt", "binding client:127.0.0.1/32 acme", f"binding client:{BOLT}/32 bolt"]
    for tenant, names in (("acme", acme()), ("bolt", bolt())):
        for name in names:
            lines += [f"domain {tenant} {name}", f"key {tenant} {name} s1 {shared_keys[kind_of(name)].path} active=now"]
    lines += [f"domain acme {name} signs-as=a000.example.com" for name in aliases(0, ALIASES)]
    return "\n".join(lines) + "\n"


def records(shared_keys, more=()):
    """Each name has the record of its own key only. MORE: (selector, domain, kind)."""
    every = [("s1", name, kind_of(name)) for name in acme() + bolt()] + list(more)
    return {f"{selector}._domainkey.{name}": shared_keys[kind].record for selector, name, kind in every}


def check(delivered, known):
    """DELIVERED: [(sender's domain, message)]. One signature each, of that domain, and dkimpy passes it."""
    verdicts = verify.VERIFIERS[0].verify({f"m{n}": data for n, (_, data) in enumerate(delivered)}, known)
    wrong = [(name, verdicts[f"m{n}"]) for n, (name, _) in enumerate(delivered)
             if verdicts[f"m{n}"] != [("a000.example.com" if name.startswith("x") else name, "pass")]]
    assert not wrong, f"{len(wrong)} of {len(delivered)}: {wrong[:5]}"


@pytest.fixture(scope="module")
def server(module_folder):
    if mariadb.missing():
        pytest.skip(mariadb.missing())
    one = mariadb.MariaDB(module_folder).start("--max-connections=200")
    yield one
    one.stop()


@pytest.fixture
def servers(folder):
    """Two memcached."""
    both = [memcached.Memcached(folder, f"memcached{n}").start() for n in range(2)]
    yield both
    for one in both:
        one.stop()


@pytest.fixture
def log(server):
    one = StoreLog(server)
    yield one
    one.close()


def mysql_world(server, folder, shared_keys):
    if stores.missing():
        pytest.skip(stores.missing())
    one = stores.mysql_store(server, folder)
    one.load(world(shared_keys))
    return one


@pytest.fixture
def mysql(server, folder, shared_keys):
    return mysql_world(server, folder, shared_keys)


@pytest.fixture(params=["mysql", "sqlite"])
def store(request, folder, shared_keys):
    if stores.missing():
        pytest.skip(stores.missing())
    if request.param == "mysql":
        return request.getfixturevalue("mysql")
    one = stores.sqlite_store(folder)
    one.load(world(shared_keys))
    return one


def settings(store, **more):
    return store.settings(InternalHosts="127.0.0.0/8", **more)


TRIES = 8


def warm(gateway, servers, names=None, others=True):
    """All that the gateway asks for these is in memcached then. What is too late to be stored is not: then again."""
    for _ in range(TRIES):
        answers = gateway.must_sign(names or acme())
        if others:
            answers.update(gateway.must_sign(bolt(), BOLT))
        if until_stored(servers, 2 * len(answers), 5):     # rules and keys of each
            return list(answers.items())
        gateway.restart()
    pytest.skip("memcached never takes all within its 10 ms: the machine is too busy")


def restarted(gate, act, before=lambda: None, ready=lambda: None):
    """(ACT(), metrics) of a gateway that knows nothing, and that memcached answered in time each time: 10 ms are little on a
    busy machine. BEFORE() it is started, READY() then."""
    for _ in range(TRIES):
        before()
        gate.restart()
        ready()
        answer = act()
        told = gate.metrics()
        if told.of("memcached_unavailable_total") == 0:
            return answer, told
    pytest.skip("memcached never answers each time within 10 ms: the machine is too busy")


# ---- what it is for ----

def test_what_one_has_read_all_know(program, folder, mysql, servers, log, shared_keys):
    count, asked, newest = DOMAINS + OTHERS, [], []

    def everything():
        asked[:] = [log.lookups()]
        return list(gate.must_sign(acme()).items()) + list(gate.must_sign(bolt(), BOLT).items())

    with Gateways(program, folder, settings(mysql), servers, count=3) as gates:
        delivered = warm(gates[0], servers)
        first = log.lookups()
        assert first["senders"] >= count and first["keys"] >= count, f"the log does not show what is asked: {first}"
        # Two that never asked for them, and the one that did, with a keeper that knows nothing.
        for gate in (gates[1], gates[2], gates[0]):
            signed, told = restarted(gate, everything, before=lambda: newest.append(log.newest()), ready=lambda: log.until_polled(newest[-1]))
            delivered += signed
            looked_up = told.of("key_cache_misses_total", cache="rules") + told.of("key_cache_misses_total", cache="keys")
            reached = sum(log.lookups().values()) - sum(asked[0].values())
            print(f"{gate.name}: {looked_up} look-ups, {reached} of them in the store")
            assert looked_up >= 2 * count and reached * 100 <= looked_up
            assert told.of("memcached_hits_total", cache="rules") >= count and told.of("memcached_hits_total", cache="keys") >= count
            assert told.of("memcached_refused_total") == 0
    check(delivered, records(shared_keys))


def test_sqlite_too(program, folder, servers, shared_keys):
    """One file, two gateways; what they say themselves."""
    if stores.missing():
        pytest.skip(stores.missing())
    store = stores.sqlite_store(folder)
    store.load(world(shared_keys))
    with Gateways(program, folder, settings(store), servers) as gates:
        delivered = warm(gates[0], servers)
        answers, told = restarted(gates[1], lambda: gates[1].must_sign(acme()))
        delivered += list(answers.items())
        for cache in ("rules", "keys"):
            hits, missed = told.of("memcached_hits_total", cache=cache), told.of("memcached_misses_total", cache=cache)
            assert hits + missed >= DOMAINS and missed <= 2, (cache, hits, missed)     # the first message may be faster than the first poll
    check(delivered, records(shared_keys))


def test_many_at_once_ask_once(program, folder, mysql, servers, log):
    """While the store does not answer yet, all of them wait for one look-up."""
    count = 100 if daemon_module.is_sanitized(program) else 300
    name = "x000.example.com"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    with Gateways(program, folder, settings(mysql), servers, count=1) as (gate,):
        gate.must_sign(["a001.example.com"])                       # whose session it is, is known
        with stands_still(log.server):
            outcomes = asyncio.run(all_at_once_then(gate, message(name), count, log.server))
        assert all(outcome.signed for outcome in outcomes), f"{sum(o.signed for o in outcomes)} of {count}\n{gate.log()[-2000:]}"
        found = log.lookups(name)
        assert found["senders"] == 1 and sum(found.values()) == 1, found
        found = log.lookups("'a000.example.com'")
        assert found["keys"] == 1, found


@contextlib.contextmanager
def stands_still(server):
    server.signal(signal.SIGSTOP)
    procs.stopped(server.process.pid)
    try:
        yield
    finally:
        server.signal(signal.SIGCONT)


async def all_at_once_then(gate, data, count, server):
    """All messages are sent before the store answers."""
    begun = []

    async def one():
        connection = await manymail.Connection.open(gate.address, "127.0.0.1")
        try:
            connection.writer.write(manymail.message_packets(data))
            await connection.writer.drain()
            begun.append(1)
            if len(begun) == count:
                server.signal(signal.SIGCONT)
            return await connection.outcome()
        finally:
            await connection.close()
    return await asyncio.gather(*(one() for _ in range(count)))


# ---- changes ----

class Watched(Load):
    """Keeps the last messages only."""

    def count(self, result, data, delivered, session_number):
        super().count(result, data, delivered, session_number)
        with self.lock:
            del self.samples[:-400]

    def take(self):
        with self.lock:
            return list(self.samples)

    def forget(self):
        """What was begun before now is not among the samples then."""
        self.wait(2 * len(self.threads))
        with self.lock:
            self.samples.clear()


def senders_of(samples):
    return [(verify.signature_domains(data)[0], data) for data in samples]


@contextlib.contextmanager
def loads(gates, names):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Watched(gate.address, [message(name) for name in names], threads=1)) for gate in gates]


def nothing_but_signed(running, gates):
    for load, gate in zip(running, gates):
        load.check(gate)
        assert not any(load.counts[what] for what in ("tempfailed", "lost", "broken", "timed out")), (dict(load.counts), load.lost[:3])


def in_force(gates, is_so, what):
    """Until IS_SO(gateway) of each; then the time it took, which is said and not judged."""
    began = time.monotonic()
    for gate in gates:
        assert procs.wait_until(lambda gate=gate: is_so(gate)), f"{what}: not at {gate.name}\n{gate.log()[-2000:]}"
    print(f"{what}: at {len(gates)} gateways after {time.monotonic() - began:.1f} s (asked every {gateways.INTERVAL_S} s)")


def change_key(store, name, selector, **times):
    """What "signpost store load" cannot say of a key."""
    with keystores.Store(store.writer, write=True) as driver:
        rows = [row for row in driver.ask("list", "key", f"{name} ", 4).of("key") if row["domain"] == name and row["selector"] == selector]
        assert len(rows) == 1, rows
        fields = {key: value for key, value in rows[0].items() if value not in ("", "0")}
        driver.must(("change", "key", {**fields, **times}))


def test_a_change_is_in_force_everywhere(program, folder, store, servers, shared_keys):
    """Keys changed, ended, revoked, and a domain taken away, while all three sign for it."""
    names = acme(6)
    more = [("s2", names[0], "rsa1024")]
    with Gateways(program, folder, settings(store), servers, count=3) as gates:
        warm(gates[0], servers, names, others=False)
        with loads(gates, names[:2]) as running:
            for load in running:
                load.wait(20)
            store.load(f"key acme {names[0]} s1 {shared_keys[kind_of(names[0])].path} active=now retiring=now\n"
                       f"key acme {names[0]} s2 {shared_keys['rsa1024'].path} active=now\n", "--strict")
            before = [one for load in running for one in load.take()]
            in_force(gates, lambda gate: selectors(gate.must_sign(names[:1])[names[0]]) == ["s2"], "another key")
            for load in running:
                load.forget()
                load.wait(30)
            after = [one for load in running for one in load.take()]
            nothing_but_signed(running, gates)
        old = [data for data in after if verify.signature_domains(data) == [names[0]] and selectors(data) != ["s2"]]
        assert not old, f"{len(old)} of {len(after)} by the key before, after the last gateway had the new one"
        gates[1].restart()      # what memcached has of before is not taken for new
        after += [gates[1].must_sign(names[:1])[names[0]] for _ in range(3)]
        assert [selectors(data) for data in after[-3:]] == [["s2"]] * 3
        check(senders_of(before + after), records(shared_keys, more))
        withdraw(store, gates, names, shared_keys)


def withdraw(store, gates, names, shared_keys):
    """The last key of a domain ends, another is revoked, a domain goes: nobody signs for them any more."""
    for gate in gates:
        gate.must_sign(names[2:5] + aliases(0, 1))
    ended, revoked = names[2], names[3]
    now = int(time.time())
    store.load(f"key acme {ended} s1 {shared_keys[kind_of(ended)].path} active=now sign-until={now - 1}\n")
    if keystores.program():
        change_key(store, revoked, "s1", revoked=now - 1)
    store.load("remove domain acme x000.example.com\n")
    for name, what in ((ended, "sign-until has passed"), (revoked, "a key revoked"), ("x000.example.com", "a domain removed")):
        in_force(gates, lambda gate, name=name: not gate.send([name])[name][0].signed, what)
    gates[2].restart()
    for gate in gates:
        for name, (result, delivered) in gate.send([ended, revoked, "x000.example.com"]).items():
            assert not result.signed and not verify.signature_domains(delivered), (gate.name, name)
            assert waits(result) == (name != "x000.example.com"), (gate.name, name, result)
        gate.must_sign(names[4:5])


# ---- a memcached that is away or wrong ----

class Garbage(threading.Thread):
    """Listens where a memcached did, and answers what no memcached would, or another's answer."""
    ANSWERS = (b"VALUE sc1:another 0 5\r\nhello\r\nEND\r\n", b"STORED\r\n" * 50, b"SERVER_ERROR out of memory\r\n", b"\0" * 4000,
               bytes(range(256)) * 20, b"VALUE " + b"k" * 100 + b" 0 99999999\r\n" + b"v" * 5000, b"ERROR\r\n", b"END\r\n" * 100, None,
               b"\x81\0\0\0\0\0\0\0\xff\xff\xff\xff" + b"\0" * 12, b"HD\r\n" * 30, b"VA 10 \r\n0123456789\r\n", b"-ERR\r\n", b"\r\n")

    def __init__(self, port):
        super().__init__(daemon=True)
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(64)
        self.open, self.said = [], 0
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                one, _ = self.listener.accept()
                self.open.append(one)
                threading.Thread(target=self.serve, args=(one,), daemon=True).start()

    def serve(self, one):
        with contextlib.suppress(OSError):
            while one.recv(1 << 16):
                answer = self.ANSWERS[self.said % len(self.ANSWERS)]
                self.said += 1
                if answer is None:
                    break
                one.sendall(answer)
        one.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for one in self.open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.join()


@contextlib.contextmanager
def fault(how, one):
    if how == "silent":
        one.pause()
        yield
        one.resume()
    elif how == "killed":
        one.kill()
        yield
        one.start()
    elif how == "flushed":
        one.flush()
        yield
    elif how == "replaced":
        one.kill()
        one.start()
        yield
    else:
        one.kill()
        garbage = Garbage(one.port)
        yield
        asked = procs.wait_until(lambda: garbage.said > 0)
        garbage.close()
        assert asked, "nobody asked the one that answers garbage"
        one.start()


def test_memcached_away_or_wrong(program, folder, mysql, servers, shared_keys):
    """First one of two, then both. Names that gateway 1 has never asked for, so that it needs them or the store."""
    free = iter(range(0, ALIASES, 10))
    known = acme(10)
    delivered = []
    with Gateways(program, folder, settings(mysql), servers) as gates:
        warm(gates[0], servers, known, others=False)
        gates[1].must_sign(known)
        with loads(gates, known) as running:
            for how in ("silent", "killed", "flushed", "replaced", "garbage"):
                for broken in (servers[:1], servers):
                    names = aliases(next(free), 10)
                    gates[0].must_sign(names)
                    with contextlib.ExitStack() as stack:
                        for one in broken:
                            stack.enter_context(fault(how, one))
                        delivered += list(gates[1].must_sign(names).items())
                        delivered += list(gates[0].must_sign(aliases(next(free), 10)).items())
                recovered(gates, servers, free, how)
            nothing_but_signed(running, gates)
            delivered += senders_of([one for load in running for one in load.take()])
        refused = gates[0].metrics().of("memcached_refused_total") + gates[1].metrics().of("memcached_refused_total")
        away = gates[1].metrics().of("memcached_unavailable_total")
        print(f"refused: {refused}, unavailable: {away}")
        assert away > 0
    check(delivered, records(shared_keys))


def recovered(gates, servers, free, how):
    """Both serve both gateways again, without anybody's help."""
    def shared():
        names = aliases(next(free), 10)
        before = [sum(int(server.stats()["cmd_set"]) for server in servers), sum(int(server.stats()["get_hits"]) for server in servers)]
        for gate in gates:
            gate.must_sign(names)
        after = [sum(int(server.stats()["cmd_set"]) for server in servers), sum(int(server.stats()["get_hits"]) for server in servers)]
        time.sleep(0.2)
        return after[0] > before[0] and after[1] > before[1]
    assert procs.wait_until(shared, step=0.5), f"{how}: nothing is shared any more\n{gates[1].log()[-2000:]}"


# ---- a store that is away ----

def test_store_away_and_a_gateway_restarted(program, folder, server, mysql, servers, shared_keys):
    """What memcached has is enough for all that was ever asked for; what was not waits."""
    fresh = aliases(10, 20)
    delivered = []
    with Gateways(program, folder, settings(mysql), servers) as gates:
        warm(gates[0], servers)
        server.kill()
        try:
            with loads(gates[:1], acme(20)) as running:
                gates[1].restart()
                for gate in gates:
                    delivered += sooner_or_later(gate, acme()) + sooner_or_later(gate, bolt(), BOLT)
                    answers = gate.send(fresh)
                    assert all(waits(result) for result, _ in answers.values()), answers
                nothing_but_signed(running, gates)
                told = gates[1].metrics()
                assert told.of("memcached_stale_served_total") >= DOMAINS + OTHERS
                assert told.of("unsigned_total") == 0
        finally:
            server.start("--max-connections=200")
        for gate in gates:
            assert procs.wait_until(lambda gate=gate: all(r.signed for r, _ in gate.send(fresh).values())), gate.log()[-2000:]
        for gate in gates:
            delivered += list(gate.must_sign(fresh).items()) + list(gate.must_sign(acme()).items())
    check(delivered, records(shared_keys))


def sooner_or_later(gate, names, client="127.0.0.1"):
    """All of them are signed while the store is away. A memcached that takes more than 10 ms to answer makes mail wait."""
    signed = {}

    def all_signed():
        answers = gate.send([name for name in names if name not in signed], client)
        assert all(result.signed or waits(result) for result, _ in answers.values()), answers
        signed.update({name: delivered for name, (result, delivered) in answers.items() if result.signed})
        return len(signed) == len(names)
    assert procs.wait_until(all_signed), f"{len(names) - len(signed)} of {len(names)} at {gate.name} wait\n{gate.log()[-2000:]}"
    return list(signed.items())


# ---- a memcached that lies ----

def flipped(values):
    """In each another bit of another octet: of all octets of a value, beginning with its head."""
    out = []
    for number, (server, name, value) in enumerate(values):
        at = number * 7 % len(value) if number % 2 else number // 2 % min(len(value), 80)
        out.append((server, name, value[:at] + bytes([value[at] ^ 1 << number % 8]) + value[at + 1:]))
    return out


def exchanged(values):
    """Each has the value of the one after it in an order by chance: other names, tenants and kinds of questions."""
    order = values[:]
    random.Random(4).shuffle(order)
    return [(server, name, order[n - 1][2]) for n, (server, name, _) in enumerate(order)]


def cut(values):
    """Shorter ones, empty ones, longer ones."""
    out = []
    for number, (server, name, value) in enumerate(values):
        ends = [0, 1, 3, 4, 20, 40, len(value) // 2, len(value) - 17, len(value) - 16, len(value) - 1]
        choice = number % (len(ends) + 2)
        out.append((server, name, value[:ends[choice]] if choice < len(ends) else value + value[:1] if choice == len(ends) else value * 2))
    return out


def forge(values):
    for server, name, value in values:
        server.set(name, value)


def all_of(gate):
    """One message of every domain by whoever may, and of names that nobody has."""
    delivered = list(gate.must_sign(acme()).items()) + list(gate.must_sign(bolt(), BOLT).items())
    for name, (result, data) in gate.send(NOBODYS + bolt(3)).items():
        assert not result.signed and not waits(result) and not verify.signature_domains(data), (name, result)
    return delivered


def refused_of(told):
    return {reason: told.of("memcached_refused_total", reason=reason) for reason in ("form", "seal", "age", "epoch")}


def test_values_that_were_tampered_with(program, folder, mysql, servers, shared_keys):
    with Gateways(program, folder, settings(mysql), servers) as gates:
        delivered = warm(gates[0], servers) + all_of(gates[0])
        for how in (flipped, exchanged, cut):
            def tamper(how=how):
                until_stored(servers, 2 * (DOMAINS + OTHERS))
                forge(how(stored(servers)))
            signed, told = restarted(gates[1], lambda: all_of(gates[1]), before=tamper)
            delivered += signed
            refused = refused_of(told)
            print(f"{how.__name__}: refused {refused}")
            assert sum(refused.values()) - refused["epoch"] >= 2 * (DOMAINS + OTHERS)
            if how is exchanged:
                assert refused["seal"] >= 2 * (DOMAINS + OTHERS)
        check(delivered, records(shared_keys))
        put_back_old_ones(gates, mysql, servers, shared_keys)


def put_back_old_ones(gates, store, servers, shared_keys):
    """All domains get new keys; then memcached has all the values of before again."""
    old = stored(servers)
    assert len(old) >= 2 * (DOMAINS + OTHERS)
    lines = []
    for tenant, names in (("acme", acme()), ("bolt", bolt())):
        for name in names:
            lines += [f"key {tenant} {name} s1 {shared_keys[kind_of(name)].path} active=now retiring=now",
                      f"key {tenant} {name} s2 {shared_keys[next_kind(name)].path} active=now"]
    store.load("\n".join(lines) + "\n", "--strict")
    in_force(gates, lambda gate: all(selectors(data) == ["s2"] for data in gate.must_sign(acme()).values()), "all keys changed")
    forge(old)
    delivered = all_of(gates[0])        # whose own cache is warm
    signed, told = restarted(gates[1], lambda: all_of(gates[1]), before=lambda: forge(old))
    delivered += signed
    print(f"replayed: {len(old)} values, refused {refused_of(told)}")
    assert [name for name, data in delivered if selectors(data) != ["s2"]] == []
    assert told.of("memcached_refused_total", cache="keys", reason="epoch") >= (DOMAINS + OTHERS) * 0.9     # not by the first, of before the first poll
    check(delivered, {f"s2._domainkey.{name}": shared_keys[next_kind(name)].record for name in acme() + bolt()})


def next_kind(name):
    return KINDS[(KINDS.index(kind_of(name)) + 1) % len(KINDS)]


# ---- what can be read there ----

def texts_of(key):
    """Octets of a private key, as whoever looks for them would."""
    pem = key.path.read_bytes()
    body = b"".join(pem.splitlines()[1:-1])
    pieces = {f"base64 {at}": body[at:at + 24] for at in range(0, len(body) - 24, 24)} | {"PEM": b"PRIVATE KEY"}
    pieces.update({name: value[:16] for name, value in keys.secrets(key).items()})
    pieces.update({f"hex {name}": value[:16].hex().encode() for name, value in keys.secrets(key).items()})
    return pieces


def nothing_readable(values, used, names):
    for _, name, value in values:
        for key in used:
            for what, octets in texts_of(key).items():
                assert octets not in value, f"{what} of {key.path} in {name}"
        for text in names:
            assert text.encode() not in value and text not in name, f"{text} can be read in {name}"


def dsn_tables(folder, shared_keys):
    """KeyTable and SigningTable with keys in clear, in a database."""
    with contextlib.closing(sqlite3.connect(folder / "tables.db")) as database:
        database.execute("CREATE TABLE mail (id INTEGER PRIMARY KEY, domain TEXT, selector TEXT, pem TEXT)")
        database.executemany("INSERT INTO mail (domain, selector, pem) VALUES (?, 's1', ?)",
                             [(name, shared_keys[kind_of(name)].path.read_text()) for name in acme(20)])
        database.execute("CREATE INDEX mail_domain ON mail (domain)")
        database.commit()
    at = f"dsn:sqlite3://{folder}/tables.db/table=mail"
    return {"KeyTable": f"{at}?keycol=id?datacol=domain,selector,pem", "SigningTable": f"{at}?keycol=domain?datacol=id",
            "Mode": "sv", "InternalHosts": "127.0.0.0/8"}


def test_nothing_can_be_read_in_memcached(program, folder, mysql, servers, shared_keys):
    used = [shared_keys[kind] for kind in KINDS]
    with Gateways(program, folder, settings(mysql), servers, count=1) as (gate,):
        warm(gate, servers)
        values = stored(servers)
        assert len(values) >= 2 * (DOMAINS + OTHERS)
        nothing_readable(values, used, ["a001.example.com", "b001.example.com", "spk1", "s1._domainkey"])
    for one in servers:
        one.flush()
    tables = dsn_tables(folder, shared_keys)
    with Gateways(program, folder, {**tables, "SiteKeyFile": mysql.site_key}, servers) as gates:
        delivered = warm(gates[0], servers, acme(20), others=False)
        nothing_readable(stored(servers), used, ["a001.example.com"])
        answers, told = restarted(gates[1], lambda: gates[1].must_sign(acme(20)))
        delivered += list(answers.items())
        assert told.of("memcached_hits_total", cache="table") >= 2 * 20
    check(delivered, records(shared_keys))


def test_without_a_site_key_only_dns(program, folder, servers, shared_keys):
    """Public keys may be shared; of the tables, nothing."""
    if dnsservers.missing("openssl"):
        pytest.skip(dnsservers.missing("openssl"))
    zone = {f"s1._domainkey.{name}": shared_keys[kind_of(name)].record for name in acme(20)}
    with dnsservers.Scripted(answering(zone)) as dns:
        more = {"Nameservers": dns.address, "AuthservID": "mx.test"}
        with Gateways(program, folder, {**dsn_tables(folder, shared_keys), **more}, servers) as gates:
            delivered = gates[0].must_sign(acme(20))
            told = gates[0].metrics()
            assert told.of("memcached_stored_total") == 0 and told.of("memcached_hits_total") == 0
            assert stored(servers) == []
            for gate in gates:
                verified(gate, delivered)
            until_stored(servers, 1)
            values = stored(servers)
            assert values and all(value[:4] == b"sc1\x04" for _, _, value in values), [value[:8] for _, _, value in values]
            assert gates[0].metrics().of("memcached_stored_total", cache="dns") > 0
            assert all(gate.metrics().of("memcached_stored_total", cache=cache) == 0 for gate in gates for cache in ("table", "keys", "rules"))
    check(list(delivered.items()), records(shared_keys))


def answering(zone):
    def answer(query):
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        return dnsservers.response(query, [zone[name]]) if name in zone else dnsservers.response(query, rcode=3)
    return answer


def verified(gate, delivered):
    for name, data in delivered.items():
        result, _ = milter.one_shot(gate.address, data, client="192.0.2.9", host="outside.test")
        found = [change for change in result.changes if b"dkim=pass" in change[-1]]
        assert found, (name, result, gate.log()[-2000:])
