"""The group "bulk" of bench.py: POST /v1/bulk of signpost-admind on SQLite and on MariaDB.

  beside   a signpostd signs at full rate from the store into which domains are imported. By turns alone and beside the import:
           messages a second, and CPU time of all processes of signpostd for a message. On few cores the load generator, the
           daemon, the import and the server of the database take turns: the rate falls by what the others use, of which the
           cores that each used tell. If CPU time for a message grew, or the rate fell by more than the cores that were taken, the
           import would hold signing up in another way: by locks of the store, say.
  memory   100,000 domains (--quick: 10,000) whose policy has a plan, killed in the middle and taken up again: the memory of
           the daemon in the middle of each request and at its end, while it makes the keys that the plan asks for.
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
from lib import api, bulk, daemon, lifecycle, mariadb, procs, stores  # storedata has set the path

DOMAINS, QUICK = 100000, 10000
BESIDE, BESIDE_QUICK = 30000, 8000  # domains of one import beside signing
ROUNDS = 3
ALONE_S = 4.0
PAGES = 200  # times that each page is asked for
TOTAL = 1000  # messages of one run of the load generator
LIST = ("tenant acme\nbinding client:127.0.0.1/32 acme\ndomain acme d000000.example\n"
        "key acme d000000.example s1 generate:ed25519 active=now\n")
PLAN = {"manage": True, "publisher": "manual", "algorithms": ["ed25519"]}


class Signing:
    """Messages of one domain, again and again."""

    def __init__(self, bench, gate):
        self.program, self.gate, self.stopping, self.runs, self.fault = bench.program("miltergen"), gate, threading.Event(), [], None

    def once(self):
        done = subprocess.run([self.program, "--json", "--socket", self.gate.spec, "--total", str(TOTAL), "--connections", "16", "--messages",
                               "20", "--timeout", "20000"], capture_output=True, text=True, check=False)
        found = json.loads(done.stdout) if done.stdout else {}
        if found.get("signed") != TOTAL:
            raise BenchError(f"not all are signed: {done.stdout}{done.stderr}")

    def run(self):
        try:
            while not self.stopping.is_set():
                self.once()
                self.runs.append(time.monotonic())
        except (BenchError, OSError, ValueError) as error:
            self.fault = error

    def count(self, since, until):
        return TOTAL * sum(since < at <= until for at in self.runs)

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
        self.service = api.Service(self.store).start().ready()
        stack.callback(self.service.stop)
        self.client = self.service.client(self.service.token("role:owner", "acme"))

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

    def bulk(self, names, key, **more):
        """The summary, and the memory in the middle."""
        running, middle = bulk.Running(self.client, key, [bulk.add(name, **more) for name in names]), []
        while running.is_alive():
            running.join(0.5)
            middle.append(self.rss_mb())
        _, summary = running.results()
        if summary["done"] + summary["replayed"] != len(names):
            raise BenchError(f"not all were added: {summary}")
        return summary, middle[len(middle) // 2]


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
        return {"rate": count / took, "us": (self.cpu() - self.ours) * 1e6 / max(1, count), "cores": (self.cpu() - self.ours) / took,
                "import_cores": (self.site.cpu() - self.theirs) / took, "s": took}


def by_turns(site, gate, signing, count):
    alone, beside = [], []
    for number in range(ROUNDS):
        span = Span(site, gate, signing)
        time.sleep(ALONE_S)
        alone.append(span.end())
        span = Span(site, gate, signing)
        site.bulk([f"r{number}m{i}.example" for i in range(count)], f"round{number}")
        beside.append(span.end())
    return [{name: statistics.median(one[name] for one in many) for name in many[0]} for many in (alone, beside)]


def measure_beside(bench, kind, count):
    with contextlib.ExitStack() as stack:
        site = Site(kind, stack)
        gate = stack.enter_context(daemon.Daemon(daemon.find_program(), site.store.folder, site.store.settings(LogWhy=False, SyslogSuccess=False)))
        with Signing(bench, gate) as signing:
            procs.wait_until(lambda: len(signing.runs) > 3)
            alone, beside = by_turns(site, gate, signing, count)
        print(f"# bulk, {kind}: signing beside it {beside['rate']:.0f} messages/s, alone {alone['rate']:.0f}: x {beside['rate'] / max(1, alone['rate']):.2f}; "
              f"CPU of signpostd {beside['us']:.0f} us a message, alone {alone['us']:.0f}: x {beside['us'] / max(1, alone['us']):.2f}")
        print(f"# bulk, {kind}: {count / beside['s']:.0f} domains/s beside it; cores used by signpostd {beside['cores']:.2f}, alone {alone['cores']:.2f}; "
              f"by the import {beside['import_cores']:.2f} of {os.cpu_count()}", flush=True)
        return {"domains_per_s": count / beside["s"], "alone": alone, "beside": beside}


# ---- memory, and being cut off ----

def cut_off(site, names, policy):
    """The memory in the middle, when it is killed."""
    running = bulk.Running(site.client, "all", [bulk.add(name, policy=policy) for name in names])
    while running.is_alive() and site.counted() < len(names) // 2:
        time.sleep(0.2)
    middle = site.rss_mb()
    site.service.process.kill()
    running.join()
    site.service.stop()
    site.service.start().ready()
    site.client = site.service.client(site.client.token)
    return middle


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


def measure_many(count):
    with contextlib.ExitStack() as stack:
        site = Site("sqlite", stack)
        done = site.client.ask("PUT", "/v1/tenants/acme/policies/std", {"plan": PLAN}, fields=[("If-None-Match", "*")])
        if done.status != 200:
            raise BenchError(f"the policy is refused: {done}")
        names = [f"m{i}.example" for i in range(count)]
        site.bulk(names[:1000], "warm", policy="std")
        warm = site.rss_mb()
        killed = cut_off(site, names, "std")
        left, began = site.counted() - 1, time.monotonic()
        summary, middle = site.bulk(names, "all", policy="std")
        took, end = time.monotonic() - began, site.rss_mb()
        if summary["replayed"] != left or site.counted() != count + 1:
            raise BenchError(f"killed with {left} domains, then {summary}")
        print(f"# bulk: {count} domains of a policy with a plan, killed with {left}, taken up: {left} replayed and {count - left} added in {took:.1f} s; "
              f"memory after 1,000 {warm:.0f} MB, when killed {killed:.0f}, then in the middle {middle:.0f}, at the end {end:.0f}")
        (first, last), seen = pages(site)
        print(f"# bulk: a page of 100 of {seen} domains: the first {first * 1000:.2f} ms, the last {last * 1000:.2f} ms: x {last / first:.2f}", flush=True)
        return {"domains": count, "killed_at": left, "taken_up_s": took, "warm_mb": warm, "killed_mb": killed, "middle_mb": middle, "end_mb": end,
                "first_page_s": first, "last_page_s": last}


def measure_bulk(bench, _goals):
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
            facts[kind] = measure_beside(bench, kind, BESIDE_QUICK if quick else BESIDE)
        facts["many"] = measure_many(QUICK if quick else DOMAINS)
        bench.facts["bulk"] = facts
