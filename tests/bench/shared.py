"""For bench.py: three signpostd, two memcached and one MariaDB with 100,000 domains, each with a key; the senders of
200,000 messages follow Zipf's law.

  levels   the same messages to gateways that begin with nothing: without any cache (CacheSize 0), with their own caches only,
           and with memcached besides: what each level answered, and what was left for the store.
  outage   200,000 messages, and in the middle of them the store is stopped for two minutes. Names that were sent before are
           sent on, at another gateway than before; one gateway is restarted meanwhile; names that nobody ever sent, too.
  restart  a keeper that knows nothing, while memcached knows all: how many of its look-ups the store sees.
  change   a key is changed under load: until the last gateway signs with the new one, and whether all signatures verify.
  crowd    1,000 messages at once of a domain that nobody asked for.
  stall    a memcached that accepts and never answers: what it costs, and when it is used again after its return.

All of it shares the cores of one machine, so that a rate says little and a ratio something; statements, hits, and what
became of messages are counts. Statements are those that MariaDB executed, the polls of three gateways included. "mc late"
are questions that memcached did not answer within 10 ms, or was not asked because it just had not; on a machine that is
busy with other things there are many, and what is "dropped" then is not shared: the goals are for one that is not.
"""
import asyncio
import concurrent.futures
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import threading
import time
from pathlib import Path

from keystoredata import use_programs_of
from servers import BenchError, cpu_seconds, make_key, new_folder, start
from storedata import said_by_bench
from verifying import record_of
from lib import gateways, manymail, mariadb, memcached, milter, procs, stores, verify  # storedata has set the path

GATEWAYS = 3
CONNECTIONS = 2          # to each gateway: memcached has 10 ms to answer, and here it shares the cores with all others
BODY = 4096
SPARE = 3000             # domains that nobody sends for until they are asked for by number
MEMCACHED_MB = 512
POLL_S = 2               # KeyStorePollInterval's default
CROWD = 1000
STALLS = 5
TENANT = "bench"
RUN_HEAD = (f"{'':<26} {'msg/s':>6} {'rules':>6} {'keys':>6} {'parsed':>6} {'mc rules':>8} {'mc keys':>8} {'look-ups':>8} "
            f"{'mc late':>7} {'dropped':>7} {'in the store':>12} {'a second':>8} {'a message':>9} {'CPU us':>7}")


class Size:
    """--quick, all, or --shared-size DOMAINS,MESSAGES,SECONDS,KEYS."""

    def __init__(self, args):
        given = args.shared_size or ("2000,10000,5,50" if args.quick else "100000,200000,120,2000")
        try:
            self.domains, self.messages, self.outage_s, self.keys = (int(number) for number in given.split(","))
        except ValueError as error:
            raise BenchError("--shared-size DOMAINS,MESSAGES,SECONDS,KEYS") from error
        self.part = self.messages // 5


def domain_of(number):
    return f"d{number:06d}.example"


# ---- the site ----

class Site:
    """MariaDB with a key store, two memcached, and gateways that are started and stopped."""

    def __init__(self, bench, stack, size):
        self.bench, self.stack, self.size = bench, stack, size
        self.folder = Path(new_folder(stack))
        self.make_keys()
        (self.folder / "mariadb").mkdir()
        self.server = mariadb.MariaDB(self.folder / "mariadb")
        stack.callback(self.server.stop)
        self.start_store()
        self.store = stores.mysql_store(self.server, self.folder)
        begun = time.monotonic()
        self.load_all()
        print(f"# shared: signpost store load wrote {size.domains + SPARE} domains with keys in {time.monotonic() - begun:.0f} s")
        self.server.run("SET GLOBAL innodb_flush_log_at_trx_commit=0; ANALYZE TABLE domains, `keys`", "signpost")
        self.servers = [memcached.Memcached(self.folder, f"memcached{n}", megabytes=MEMCACHED_MB).start() for n in range(2)]
        for one in self.servers:
            stack.callback(one.stop)
        self.gates, self.started = [], 0

    def start_store(self):
        self.server.start("--innodb-buffer-pool-size=768M", "--max-connections=300", "--innodb-log-file-size=256M")

    def make_keys(self):
        self.paths = [str(self.folder / f"key{n}.pem") for n in range(self.size.keys)]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda path: make_key(path, "rsa"), self.paths))

    def key_of(self, number):
        return self.paths[number % len(self.paths)]

    def load_all(self):
        """By as many at once as there are cores: most of it is the arithmetic of keys."""
        self.store.load(f"tenant {TENANT}\nbinding client:127.0.0.1/32 {TENANT}\n")
        total, parts = self.size.domains + SPARE, os.cpu_count()
        ends = [total * n // parts for n in range(parts + 1)]
        with concurrent.futures.ThreadPoolExecutor(parts) as pool:
            list(pool.map(lambda n: self.store.load("".join(self.lines(range(ends[n], ends[n + 1])))), range(parts)))

    def lines(self, numbers):
        for number in numbers:
            yield f"domain {TENANT} {domain_of(number)}\nkey {TENANT} {domain_of(number)} s1 {self.key_of(number)} active=now\n"

    def gateway(self, number, conf):
        """Label by its place, so that a restarted one has its address again."""
        self.started += 1
        lines = [f"KeyStore {self.store.spec}", f"SiteKeyFile {self.store.site_key}", "MetricsInterval 1",
                 f"MetricsFile {self.folder}/metrics{self.started}", "SelfVerify 0", *conf]
        server = start(self.bench, self.stack, f"signpostd{number}", self.bench.args.server, str(self.folder), "rsa", lines)
        server.metrics_file = self.folder / f"metrics{self.started}"
        server.wait(self.bench.program("miltergen"))
        return server

    def shared_conf(self):
        return ["Memcached " + ",".join(one.address for one in self.servers)]

    def start_gates(self, conf):
        for one in self.servers:
            one.flush()
        self.gates = [self.gateway(number, conf) for number in range(GATEWAYS)]

    def stop_gates(self):
        for gate in self.gates:
            gate.stop()
        self.gates = []

    def restart(self, number, conf):
        self.gates[number].stop()
        self.gates[number] = self.gateway(number, conf)

    def executed(self):
        return int(self.server.run("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'").split()[1])


def metrics_of(gate):
    return gateways.Counts(gateways.fresh_metrics(gate.metrics_file, gate.last_words))


def metrics_of_all(gates):
    total = gateways.Counts()
    with concurrent.futures.ThreadPoolExecutor(len(gates)) as pool:
        for one in pool.map(metrics_of, gates):
            total.update(one)
    return total


# ---- mail ----

class Mail:
    """Messages from now on, of one generator for each gateway."""

    def __init__(self, site):
        self.site = site

    def generator(self, gate, total, first, zipf=True, connections=CONNECTIONS, more=()):
        size = self.site.size
        domains = size.domains if zipf else size.domains + SPARE
        command = [self.site.bench.program("miltergen"), "--json", "--socket", gate.address, "--total", str(total), "--first", str(first),
                   "--connections", str(connections), "--body", str(BODY), "--domains", str(domains), "--timeout", "20000",
                   *(["--zipf"] if zipf else []), *map(str, more)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @staticmethod
    def result(generator):
        out, errors = generator.communicate()
        if not out:
            raise BenchError(f"miltergen: {errors}")
        return json.loads(out)

    def send(self, gates, total, first, turn=0, **more):
        """TOTAL messages from FIRST on, a part for each; with TURN a part goes to another gateway than without."""
        part = total // len(gates)
        running = [self.generator(gate, part, first + (n + turn) % len(gates) * part, **more) for n, gate in enumerate(gates)]
        results = [self.result(one) for one in running]
        return {key: sum(result[key] for result in results) for key in ("done", "signed", "unsigned", "tempfail", "reject", "errors", "lost")}

    def must_sign(self, gates, total, first, **more):
        result = self.send(gates, total, first, **more)
        if result["signed"] != result["done"]:
            raise BenchError(f"not every message was signed: {result}; {gates[0].label} says:\n{gates[0].last_words()}")
        return result


def share(hits, others):
    return hits / (hits + others) if hits + others else float("nan")


class Run:
    """What happens between begin and end, by level."""

    def __init__(self, site, name, gates):
        self.site, self.name, self.gates = site, name, gates

    def __enter__(self):
        self.before = metrics_of_all(self.gates)
        self.executed = self.site.executed()
        self.cpu = cpu_seconds(self.site.server.process.pid)
        self.begun = time.monotonic()
        return self

    def __exit__(self, kind, *_):
        if kind:
            return
        self.seconds = time.monotonic() - self.begun
        self.executed = self.site.executed() - self.executed
        self.cpu = cpu_seconds(self.site.server.process.pid) - self.cpu
        self.grown = metrics_of_all(self.gates)
        self.grown.subtract(self.before)

    def level(self, cache):
        hits = self.grown.of("key_cache_hits_total", cache=cache) + self.grown.of("key_cache_negative_hits_total", cache=cache)
        return share(hits, self.grown.of("key_cache_misses_total", cache=cache))

    def shared(self, cache):
        others = sum(self.grown.of(f"memcached_{what}_total", cache=cache) for what in ("misses", "refused", "unavailable"))
        return share(self.grown.of("memcached_hits_total", cache=cache), others)

    def lookups(self):
        """Questions that the caches in front of the store were asked."""
        return sum(self.grown.of(f"key_cache_{what}_total", cache=cache) for what in ("hits", "negative_hits", "misses")
                   for cache in ("rules", "keys"))

    def fact(self, messages):
        return {"name": self.name, "messages": messages, "seconds": self.seconds, "messages_per_s": messages / self.seconds,
                "rules": self.level("rules"), "keys": self.level("keys"), "parsed": self.level("parsed"),
                "memcached_rules": self.shared("rules"), "memcached_keys": self.shared("keys"), "lookups": self.lookups(),
                "statements": self.executed, "statements_per_s": self.executed / self.seconds, "store_cpu_us": self.cpu * 1e6 / messages,
                "refused": self.grown.of("memcached_refused_total"), "unavailable": self.grown.of("memcached_unavailable_total"),
                "dropped": self.grown.of("memcached_dropped_total")}


def percent(value):
    return "-" if value != value else f"{100 * value:.1f}%"


def print_run(fact):
    print(f"{fact['name']:<26} {fact['messages_per_s']:>6.0f} {percent(fact['rules']):>6} {percent(fact['keys']):>6} "
          f"{percent(fact['parsed']):>6} {percent(fact['memcached_rules']):>8} {percent(fact['memcached_keys']):>8} "
          f"{fact['lookups'] or '-':>8} {fact['unavailable']:>7} {fact['dropped']:>7} {fact['statements']:>12} {fact['statements_per_s']:>8.0f} "
          f"{fact['statements'] / fact['messages']:>9.3f} {fact['store_cpu_us']:>7.0f}", flush=True)


# ---- the shows ----

class Show:
    def __init__(self, site, goals):
        self.site, self.goals, self.mail = site, goals, Mail(site)
        self.facts = site.bench.facts.setdefault("shared", {})
        self.sent = 0                      # of the row of Zipf's senders: all before are known
        self.spare = site.size.domains     # the next domain that nobody has asked for

    def take_spare(self, count):
        self.spare += count
        return self.spare - count

    def run(self, name, total, first, **more):
        with Run(self.site, name, self.site.gates) as run:
            result = self.mail.must_sign(self.site.gates, total, first, **more)
        fact = run.fact(result["done"])
        self.facts[name] = fact
        print_run(fact)
        return fact

    def levels(self):
        print(RUN_HEAD)
        part, found = self.site.size.part, {}
        for name, conf in (("no cache", ["CacheSize 0"]), ("own caches", []), ("and memcached", self.site.shared_conf())):
            self.site.start_gates(conf)
            found[name] = self.run(f"cold, {name}", part, 0)
            if name != "and memcached":
                self.site.stop_gates()
        self.sent = part
        per_message = {name: fact["statements"] / fact["messages"] for name, fact in found.items()}
        for name in ("no cache", "own caches"):
            print(f"# shared: statements of {name} over those with memcached: {per_message[name] / per_message['and memcached']:.1f}; "
                  f"rate with memcached over that of {name}: "
                  f"{found['and memcached']['messages_per_s'] / found[name]['messages_per_s']:.2f}")
        self.goals.below("shared: statements with memcached over own caches only", per_message["and memcached"] / per_message["own caches"], 1)

    def half(self, name):
        rest = self.site.size.messages // 2
        self.run(name, rest, self.sent)
        self.sent += rest

    # -- the store is away --

    def known_meanwhile(self, until, result):
        """Messages of before, at another gateway than before, until UNTIL is set."""
        turn = 1
        while not until.is_set():
            count = min(self.sent, GATEWAYS * 500)
            begin = (turn * count) % max(self.sent - count, 1)
            one = self.mail.send(self.site.gates, count, begin, turn=turn)
            for key, value in one.items():
                result[key] = result.get(key, 0) + value
            turn += 1

    def outage(self):
        size, known, unknown = self.site.size, {}, {}
        first, until = self.take_spare(500), threading.Event()
        self.site.server.signal(signal.SIGSTOP)
        procs.stopped(self.site.server.process.pid)
        stopped = time.monotonic()
        loader = threading.Thread(target=self.known_meanwhile, args=(until, known))
        loader.start()
        try:
            while time.monotonic() < stopped + size.outage_s:
                one = self.mail.send(self.site.gates[:1], 10, first, zipf=False, connections=5)
                for key, value in one.items():
                    unknown[key] = unknown.get(key, 0) + value
        finally:
            until.set()
            loader.join()
            restarted = self.restarted_meanwhile()
            self.site.server.signal(signal.SIGCONT)
        away = time.monotonic() - stopped
        back = self.until_all_ask()
        self.facts["outage"] = {"seconds": away, "known": known, "unknown": unknown, "restarted": restarted, "back_s": back}
        print(f"# shared: the store stopped for {away:.0f} s:")
        for name, one in (("known names", known), ("names never seen", unknown), ("known, a gateway restarted", restarted)):
            print(f"#   {name:<27} {one['done']:>7} messages: {one['signed']} signed, {one['unsigned']} unsigned, "
                  f"{one['tempfail']} tempfailed, {one['lost'] + one['errors'] + one['reject']} else")
        print(f"#   names never seen are signed {back:.1f} s after its return")
        self.goals.at_most("shared: store away: known names not signed", known["done"] - known["signed"], 0)
        self.goals.at_most("shared: store away: unsigned", known["unsigned"] + unknown["unsigned"] + restarted["unsigned"], 0)
        self.goals.at_most("shared: store away, restarted: known names not signed", restarted["done"] - restarted["signed"], 0)

    def until_all_ask(self):
        """Seconds until names that nobody asked for are signed at all gateways."""
        begun = time.monotonic()
        for gate in self.site.gates:
            while self.mail.send([gate], 10, self.take_spare(10), zipf=False, connections=5)["signed"] < 10:
                if time.monotonic() > begun + 60:
                    raise BenchError(f"{gate.label} does not sign after the store's return")
        return time.monotonic() - begun

    def restarted_meanwhile(self):
        """A gateway that begins with nothing while the store is away; it is asked for what the others have sent."""
        self.site.restart(2, self.site.shared_conf())
        return self.mail.send(self.site.gates[2:], min(self.sent, 2000), 0)

    # -- a cold keeper --

    def restart(self):
        self.site.restart(1, self.site.shared_conf())
        gate = self.site.gates[1:2]
        total = min(self.sent, self.site.size.part)
        with Run(self.site, "restarted, memcached warm", gate) as run:
            result = self.mail.must_sign(gate, total, 0)
        fact = run.fact(result["done"])
        polls = GATEWAYS * (run.seconds / POLL_S + 1)
        self.facts[run.name] = fact
        print(RUN_HEAD)
        print_run(fact)
        asked = sum(run.grown.of("key_cache_misses_total", cache=cache) for cache in ("rules", "keys"))
        reached = max(0, fact["statements"] - polls)
        print(f"# shared: a keeper restarted: {asked} look-ups that it could not answer, {reached:.0f} of them in the store "
              f"(and some {polls:.0f} polls)")
        self.goals.at_most("shared: restarted keeper: % of its look-ups in the store", 100 * reached / max(1, asked), 1, "%")

    # -- a key changes --

    def change(self):
        number, name = 0, domain_of(0)      # the most frequent sender
        other = self.site.key_of(1)
        saved = self.site.folder / "saved"
        saved.mkdir()
        every = 5 if self.site.size.messages <= 10000 else 50
        running = [self.mail.generator(gate, self.site.size.part // GATEWAYS, self.sent + n * self.site.size.part,
                                       more=("--save", saved, "--save-every", every))
                   for n, gate in enumerate(self.site.gates)]
        watches = [Watch(gate, name) for gate in self.site.gates]
        try:
            for watch in watches:
                watch.start()
            time.sleep(0.5)
            self.site.store.load(f"key {TENANT} {name} s1 {self.site.key_of(number)} active=now retiring=now\n"
                                 f"key {TENANT} {name} s2 {other} active=now\n", "--strict")
            changed = time.monotonic()
            if not procs.wait_until(lambda: all(watch.since("s2") for watch in watches), 60):
                raise BenchError("a gateway does not use the new key")
            time.sleep(1)
        finally:
            for watch in watches:
                watch.stop()
            results = [self.mail.result(one) for one in running]
        took = [max(0.0, watch.since("s2") - changed) for watch in watches]
        back = sum(watch.back() for watch in watches)
        bad, count = self.verify(saved, number, other, [data for watch in watches for data in watch.sample()])
        unsigned = sum(one["done"] - one["signed"] for one in results) + sum(watch.unsigned for watch in watches)
        self.facts["change"] = {"seconds": took, "unverifiable": bad, "verified": count, "unsigned": unsigned, "old_after_new": back}
        print(f"# shared: a key changed under load: in force after {', '.join(f'{one:.2f}' for one in took)} s "
              f"(KeyStorePollInterval {POLL_S}); {count - bad} of {count} signatures verify; {unsigned} messages not signed; "
              f"the old key after the new one {back} times")
        self.goals.at_most("shared: a changed key: the last gateway uses it after", max(took), 5, "s")
        self.goals.at_most("shared: a changed key: signatures that do not verify", bad, 0)
        self.goals.at_most("shared: a changed key: messages not signed", unsigned, 0)
        self.sent += GATEWAYS * self.site.size.part

    def verify(self, saved, number, other, samples):
        """dkimpy's judgement of what was saved and of the samples: (wrong, all)."""
        if verify.VERIFIERS[0].missing():
            print(f"# shared: not verified: {verify.VERIFIERS[0].missing()}")
            return 0, 0
        files = sorted(saved.iterdir())
        messages = {file.name: file.read_bytes() for file in files[::max(1, len(files) // 300)]}
        messages.update({f"sample{n}": data for n, data in enumerate(samples)})
        records = {f"s2._domainkey.{domain_of(number)}": record_of(other, "rsa")}
        for data in messages.values():
            for name in verify.signature_domains(data):
                key = f"s1._domainkey.{name}"
                records[key] = records.get(key) or record_of(self.site.key_of(int(name[1:7])), "rsa")
        verdicts = verify.VERIFIERS[0].verify(messages, records)
        shutil.rmtree(saved)
        wrong = [name for name in messages if [verdict for _, verdict in verdicts.get(name, [])] != ["pass"]]
        for name in wrong[:5]:
            print(f"# shared: {name}: {verdicts.get(name)}")
        return len(wrong), len(messages)

    # -- many at once --

    def crowd(self):
        name = domain_of(self.take_spare(1))
        log = gateways.StoreLog(self.site.server)
        self.site.restart(0, self.site.shared_conf())    # what is prepared before there is a log shows no values in it
        gate = self.site.gates[0]
        packets = manymail.message_packets(gateways.message(name))
        outcomes = asyncio.run(manymail.all_at_once(address_of(gate), [packets] * CROWD, "127.0.0.1"))
        found, signed = log.lookups(f"'{name}'"), sum(outcome.signed for outcome in outcomes)
        log.close()
        self.facts["crowd"] = {"signed": signed, "lookups": dict(found)}
        print(f"# shared: {CROWD} messages at once of a domain that nobody asked for: {signed} signed; "
              f"statements: {found['senders']} for the sender, {found['keys']} for its keys")
        self.goals.at_most(f"shared: {CROWD} at once: statements of a kind", max(found["senders"], found["keys"]), 1)
        self.goals.at_least(f"shared: {CROWD} at once: signed", signed, CROWD)

    # -- a memcached that does not answer --

    def timed(self, count):
        """Milliseconds of messages one after the other, each of a domain that nobody asked for."""
        gate, first, took = self.site.gates[0], self.take_spare(count), []
        with milter.Session(address_of(gate)) as session:
            session.hello()
            for number in range(first, first + count):
                begun = time.monotonic()
                if not session.message(gateways.message(domain_of(number))).signed:
                    raise BenchError(f"{domain_of(number)} is not signed; the gateway says:\n{gate.last_words()}")
                took.append((time.monotonic() - begun) * 1e3)
        return took

    def stall_once(self):
        """(the messages' milliseconds while one of two memcached is silent, seconds until it is used after its return)"""
        one = self.site.servers[0]
        one.pause()
        took = self.timed(100)
        one.resume()
        asked, begun = int(one.stats()["cmd_get"]), time.monotonic()
        while int(one.stats()["cmd_get"]) == asked:
            if time.monotonic() > begun + 60:
                raise BenchError("memcached is not used again after its return")
            self.timed(2)
            time.sleep(0.05)
        return took, time.monotonic() - begun

    def stall(self):
        usual = self.timed(100)
        rounds = [self.stall_once() for _ in range(STALLS)]
        middle = statistics.median(usual)
        first, second = (statistics.median(sorted(took)[-n] for took, _ in rounds) for n in (1, 2))
        back = max(seconds for _, seconds in rounds)
        stalled = statistics.median(ms for took, _ in rounds for ms in took)
        self.facts["stall"] = {"usual_ms": usual, "stalled_ms": [took for took, _ in rounds], "back_s": [one for _, one in rounds]}
        print(f"# shared: two memcached that answer: p50 {middle:.2f} ms, the longest of 100 {max(usual):.2f}; one of them silent, "
              f"{STALLS} times: p50 {stalled:.2f} ms, the longest {', '.join(f'{max(took):.2f}' for took, _ in rounds)}, the second "
              f"longest {', '.join(f'{sorted(took)[-2]:.2f}' for took, _ in rounds)}; used again {back:.1f} s after its return or before")
        self.goals.at_most("shared: silent memcached: the slowest message loses", first - middle, 10, "ms")
        self.goals.at_most("shared: silent memcached: the others over those before", second / max(usual), 1.2)
        self.goals.at_most("shared: silent memcached: used again after", back, 5, "s")


def address_of(server):
    """For the milter client."""
    kind, _, place = server.address.partition(":")
    return place if kind == "local" else ("127.0.0.1", int(place.partition("@")[0]))


class Watch(threading.Thread):
    """Sends for one domain again and again, and keeps which selector signed when."""

    def __init__(self, server, name):
        super().__init__(daemon=True)
        self.address, self.data = address_of(server), gateways.message(name)
        self.stopping, self.seen, self.unsigned = threading.Event(), [], 0

    def run(self):
        with milter.Session(self.address) as session:
            session.hello()
            while not self.stopping.wait(0.01):
                result = session.message(self.data)
                delivered = session.apply(self.data, result)
                self.unsigned += not result.signed
                self.seen.append((time.monotonic(), gateways.selectors(delivered), delivered))

    def since(self, selector):
        """When it signed first, or None."""
        return next((at for at, found, _ in list(self.seen) if found == [selector]), None)

    def back(self):
        """How often the key before signed after the new one."""
        at = self.since("s2")
        return sum(found != ["s2"] for when, found, _ in self.seen if when > at)

    def sample(self):
        return [data for _, found, data in self.seen[::max(1, len(self.seen) // 50)] if found]

    def stop(self):
        self.stopping.set()
        self.join()


def measure_shared(bench, goals):
    use_programs_of(bench)
    why_not = mariadb.missing() or (None if memcached.program() else "memcached is not installed")
    if why_not:
        print(f"# shared: left out, {why_not}")
        return
    with said_by_bench("shared"), contextlib.ExitStack() as stack:
        site = Site(bench, stack, Size(bench.args))
        stack.callback(site.stop_gates)
        show = Show(site, goals)
        show.levels()
        show.half("the first half")
        show.outage()
        print(RUN_HEAD)
        show.half("the second half")
        show.restart()
        show.change()
        show.crowd()
        show.stall()
