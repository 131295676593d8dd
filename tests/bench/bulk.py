"""The group "bulk" of bench.py: POST /v1/bulk of signpost-admind on SQLite and on MariaDB.

  beside   a signpostd signs at full rate from the store into which domains are imported. By turns alone and beside the import:
           messages a second, and CPU time of all processes of signpostd for a message. On few cores the load generator, the
           daemon, the import and the server of the database take turns: the rate falls by what the others use, of which the
           cores that each used tell. If CPU time for a message grew, or the rate fell by more than the cores that were taken, the
           import would hold signing up in another way.
  paced    the same with half of the messages that it signed alone, as a gateway has them that is not full: how many are signed,
           and how long one takes, from when it should have begun.
  cold     the same without any cache: each message asks the store into which the import writes. Locks of the store would show.
  memory   100,000 domains (--quick: 10,000) whose policy has a plan, killed in the middle and taken up again: the memory of
           the daemon in each quarter of them, median and most, while it makes the keys that the plan asks for.
  pages    the first and the last page of that list, as often one as the other: the ratio says whether a page costs more the
           further behind it is. Each is compared with the other in the same run.
"""
import contextlib
import json
import os
import sqlite3
import statistics
import subprocess
import threading
import time
from pathlib import Path

from keystoredata import use_programs_of
from servers import BenchError, cpu_seconds, new_folder
from storedata import said_by_bench
from lib import api, bulk, daemon, dnsservers, lifecycle, mariadb, procs, stores  # storedata has set the path

DOMAINS, QUICK = 100000, 10000
BESIDE, BESIDE_QUICK = ({"sqlite": 40000, "mariadb": 10000}, {"sqlite": 20000, "mariadb": 3000})  # domains of one import beside signing
ROUNDS = 3
ALONE_S = 4.0
PAGES = 200  # times that each page is asked for
TOTAL = 1000  # messages of one run of the load generator
SENDERS = 1000  # of which one signs, or, cold, all in turn
COLD_SHARE = 8  # of the messages that are signed alone, with a cache: so many are asked for without one
LIST = "tenant acme\nbinding client:127.0.0.1/32 acme\n" + "".join(
    f"domain acme d{i:06}.example\nkey acme d{i:06}.example s1 generate:ed25519 active=now\n" for i in range(SENDERS))
NO_CACHE = {"CacheSize": 0}
PLAN = {"manage": True, "publisher": "manual", "algorithms": ["ed25519"]}


class Signing:
    """Messages again and again, as fast as they are answered; with a pace, so many a second, a quarter of one in each run."""

    def __init__(self, bench, gate, pace=0, senders=1):
        self.total = pace // 4 or TOTAL
        self.command = [bench.program("miltergen"), "--json", "--socket", gate.spec, "--total", str(self.total), "--connections", "16",
                        "--messages", "20", "--timeout", "20000", "--domains", str(SENDERS), "--active", str(senders)]
        self.command += ["--pace", str(pace)] if pace else []
        self.stopping, self.runs, self.fault = threading.Event(), [], None

    def once(self):
        done = subprocess.run(self.command, capture_output=True, text=True, check=False)
        found = json.loads(done.stdout) if done.stdout else {}
        if found.get("signed") != self.total:
            raise BenchError(f"not all are signed: {done.stdout}{done.stderr}")
        return found

    def run(self):
        try:
            while not self.stopping.is_set():
                began = time.monotonic()
                self.runs.append((self.once(), began, time.monotonic()))
        except (BenchError, OSError, ValueError) as error:
            self.fault = error

    def count(self, since, until):
        return self.total * sum(since < at <= until for _, _, at in self.runs)

    def within(self, since, until):
        """What the runs said that lie within it as a whole."""
        return [found for found, began, ended in self.runs if since <= began and ended <= until]

    def __enter__(self):
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        if self.fault:
            raise BenchError(f"signing: {self.fault}")


class Site:
    """A store with one domain that signs, and signpost-admind on it."""

    def __init__(self, kind, stack):
        folder = Path(new_folder(stack))
        self.kind, self.server = kind, None
        if kind == "mariadb":
            (folder / "sql").mkdir()
            self.server = mariadb.MariaDB(folder / "sql").start("--innodb-buffer-pool-size=256M")
            stack.callback(self.server.stop)
            self.store = stores.mysql_store(self.server, folder)
        else:
            self.store = stores.sqlite_store(folder)
        self.store.load(LIST)
        # Nobody answers there: each new key is asked about, and waits.
        self.service = api.Service(self.store, ProvingResolvers=f"127.0.0.1:{dnsservers.free_port()}").start().ready()
        stack.callback(self.service.stop)
        self.client = self.service.client(self.service.token("role:owner", "acme"))

    def settings(self, **more):
        return self.store.settings(LogWhy=False, SyslogSuccess=False, **more)

    def cpu(self):
        """CPU time of those who import: the daemon, and the server of the database."""
        pids = [self.service.process.pid] + ([self.server.process.pid] if self.server else [])
        return sum(cpu_seconds(pid) for pid in pids)

    def counted(self):
        """Domains that are there, in SQLite."""
        with contextlib.closing(sqlite3.connect(self.store.folder / "store.db", timeout=60)) as database:
            return database.execute("SELECT COUNT(*) FROM domains").fetchone()[0]

    def rss_mb(self):
        return procs.rss_kib([self.service.process.pid]) / 1024

    def bulk(self, names, key, look=None, **more):
        """The summary. look() is called again and again meanwhile."""
        running = bulk.Running(self.client, key, [bulk.add(name, **more) for name in names])
        while running.is_alive():
            running.join(0.2)
            if look:
                look()
        _, summary = running.results()
        if summary["done"] + summary["replayed"] != len(names):
            raise BenchError(f"not all were added: {summary}")
        return summary


# ---- signing beside it ----

class Span:
    """Of some seconds: messages, CPU time of signpostd and of the import."""

    def __init__(self, site, gate, signing):
        self.site, self.pids, self.signing = site, procs.children(gate.process.pid), signing
        self.began, self.ours, self.theirs = time.monotonic(), self.cpu(), site.cpu()

    def cpu(self):
        return sum(cpu_seconds(pid) for pid in self.pids)

    def end(self):
        ended = time.monotonic()
        took, count = ended - self.began, self.signing.count(self.began, ended)
        runs = self.signing.within(self.began, ended)
        if not runs:
            raise BenchError(f"no run of the load generator ended within {took:.1f} s")
        return {"rate": count / took, "us": (self.cpu() - self.ours) * 1e6 / max(1, count), "cores": (self.cpu() - self.ours) / took,
                "import_cores": (self.site.cpu() - self.theirs) / took, "s": took, "paced": statistics.median(one["messages_per_s"] for one in runs),
                "p50_ms": statistics.median(one["latency_us"]["p50"] for one in runs) / 1000,
                "p99_ms": statistics.median(one["latency_us"]["p99"] for one in runs) / 1000}


def by_turns(site, gate, signing, count, name):
    alone, beside = [], []
    with signing:
        procs.wait_until(lambda: len(signing.runs) > 3 or signing.fault)
        for number in range(ROUNDS):
            span = Span(site, gate, signing)
            time.sleep(ALONE_S)
            alone.append(span.end())
            span = Span(site, gate, signing)
            site.bulk([f"{name}{number}m{i}.example" for i in range(count)], f"{name}{number}")
            beside.append(span.end())
    return [{field: statistics.median(one[field] for one in many) for field in many[0]} for many in (alone, beside)]


def ratio(one, other, field):
    return one[field] / max(0.001, other[field])


def measure_full(bench, site, count):
    with daemon.Daemon(daemon.find_program(), site.store.folder, site.settings()) as gate:
        alone, beside = by_turns(site, gate, Signing(bench, gate), count, "full")
    print(f"# bulk, {site.kind}: signing beside it {beside['rate']:.0f} messages/s, alone {alone['rate']:.0f}: x {ratio(beside, alone, 'rate'):.2f}; "
          f"CPU of signpostd {beside['us']:.0f} us a message, alone {alone['us']:.0f}: x {ratio(beside, alone, 'us'):.2f}")
    print(f"# bulk, {site.kind}: {count / beside['s']:.0f} domains/s beside it; cores used by signpostd {beside['cores']:.2f}, alone {alone['cores']:.2f}; "
          f"by the import {beside['import_cores']:.2f} of {os.cpu_count()}", flush=True)
    return {"domains_per_s": count / beside["s"], "alone": alone, "beside": beside}


def measure_paced(bench, site, count, pace, name, senders=1, **more):
    """Messages that do not fill the gateway."""
    with daemon.Daemon(daemon.find_program(), site.store.folder, site.settings(**more)) as gate:
        alone, beside = by_turns(site, gate, Signing(bench, gate, pace, senders), count, name)
    print(f"# bulk, {site.kind}, {name}: of {pace} messages/s {beside['paced']:.0f} are signed beside it, alone {alone['paced']:.0f}: "
          f"x {ratio(beside, alone, 'paced'):.2f}; ms for one, median {beside['p50_ms']:.2f}, alone {alone['p50_ms']:.2f}, "
          f"99th of 100 {beside['p99_ms']:.2f}, alone {alone['p99_ms']:.2f}; {count / beside['s']:.0f} domains/s", flush=True)
    return {"pace": pace, "alone": alone, "beside": beside}


def measure_beside(bench, kind, count):
    with contextlib.ExitStack() as stack:
        site = Site(kind, stack)
        found = measure_full(bench, site, count)
        alone = int(found["alone"]["rate"])
        found["paced"] = measure_paced(bench, site, count, alone // 2, "paced")
        found["cold"] = measure_paced(bench, site, count, alone // COLD_SHARE, "cold", SENDERS, **NO_CACHE)
        return found


# ---- memory, and being cut off ----

class Memory:
    """MB that the daemon had in each part of the domains."""

    def __init__(self, site, count, parts=4):
        self.site, self.size, self.parts = site, count / parts, [[] for _ in range(parts)]

    def look(self):
        part = min(int(self.site.counted() / self.size), len(self.parts) - 1)
        self.parts[part].append(self.site.rss_mb())

    def medians(self):
        return [statistics.median(part) if part else 0.0 for part in self.parts]

    def most(self):
        return [max(part, default=0.0) for part in self.parts]


def cut_off(site, names, policy, look):
    """Killed in the middle, and there again."""
    running = bulk.Running(site.client, "all", [bulk.add(name, policy=policy) for name in names])
    while running.is_alive() and site.counted() < len(names) // 2:
        time.sleep(0.2)
        look()
    site.service.process.kill()
    running.join()
    site.service.stop()
    site.service.start().ready()
    site.client = site.service.client(site.client.token)


def pages(site):
    """Seconds for the first and for the last page."""
    target, last, seen = "/v1/domains?limit=100", None, 0
    client = site.service.client(site.client.token, keep=True, check=False)
    while target:
        answer = client.get(target)
        while answer.status == 429:
            time.sleep(1)
            answer = client.get(target)
        seen += len(answer.json["domains"])
        link = answer.field("Link")
        last, target = (target, link[1:].split(">")[0] if link else None)
    took = {"/v1/domains?limit=100": [], last: []}
    for _ in range(PAGES):
        for one, times in took.items():
            began = time.monotonic()
            if client.get(one).status != 200:
                raise BenchError("a page is not answered")
            times.append(time.monotonic() - began)
            time.sleep(0.01)  # a token may ask so often
    client.close()
    return [statistics.median(times) for times in took.values()], seen


def measure_many(count, goals):
    with contextlib.ExitStack() as stack:
        site = Site("sqlite", stack)
        done = site.client.ask("PUT", "/v1/tenants/acme/policies/std", {"plan": PLAN}, fields=[("If-None-Match", "*")])
        if done.status != 200:
            raise BenchError(f"the policy is refused: {done}")
        names = [f"m{i}.example" for i in range(count)]
        site.bulk(names[:1000], "warm", policy="std")
        warm, memory = site.rss_mb(), Memory(site, count)
        cut_off(site, names, "std", memory.look)
        left, began = site.counted() - SENDERS, time.monotonic()
        summary = site.bulk(names, "all", memory.look, policy="std")
        took, end = time.monotonic() - began, site.rss_mb()
        if summary["replayed"] != left or site.counted() != count + SENDERS:
            raise BenchError(f"killed with {left} domains, then {summary}")
        print(f"# bulk: {count} domains of a policy with a plan, killed with {left}, taken up: {left} replayed and {count - left} added in {took:.1f} s; "
              f"memory after 1,000 {warm:.0f} MB, in each quarter {', '.join(f'{mb:.0f}' for mb in memory.medians())}, "
              f"at most {', '.join(f'{mb:.0f}' for mb in memory.most())}, at the end {end:.0f}")
        if count == DOMAINS:
            goals.at_most("bulk: memory in the last quarter over the first", memory.medians()[-1] / memory.medians()[0], 1.5)
        (first, last), seen = pages(site)
        print(f"# bulk: a page of 100 of {seen} domains: the first {first * 1000:.2f} ms, the last {last * 1000:.2f} ms: x {last / first:.2f}", flush=True)
        return {"domains": count, "killed_at": left, "taken_up_s": took, "warm_mb": warm, "median_mb": memory.medians(), "most_mb": memory.most(), "end_mb": end,
                "first_page_s": first, "last_page_s": last}


def measure_bulk(bench, goals):
    use_programs_of(bench)
    os.environ["SIGNPOST_BUILD"] = str(Path(bench.args.server).resolve().parent)
    if lifecycle.program() is None:
        print("# bulk: left out, signpost-admind is not built")
        return
    quick = bench.args.quick
    with said_by_bench("bulk"):
        facts = {"load": os.getloadavg()[0]}
        print(f"# bulk: load of this machine before: {facts['load']:.1f}")
        for kind in ("sqlite", "mariadb"):
            if kind == "mariadb" and mariadb.missing():
                print(f"# bulk, mariadb: left out, {mariadb.missing()}")
                continue
            facts[kind] = measure_beside(bench, kind, (BESIDE_QUICK if quick else BESIDE)[kind])
        facts["many"] = measure_many(QUICK if quick else DOMAINS, goals)
        bench.facts["bulk"] = facts
