"""For bench.py: the groups that measure something else than a load against servers beside each other, and the servers and
spinners that all groups share."""
import contextlib
import subprocess
import threading
import time

import latency
import throughmta
from measure import Load
from servers import Bare, BenchError, make_tables, new_folder, start

MANY_DOMAINS = 100000
MANY_ACTIVE = 100
READY_ROUNDS = 3
CROWD = 1000  # connections
CROWD_MESSAGES = 100000
ALLOCATION_MIN = 32  # octets; glibc's smallest piece: one lost in every message would be so much
MTA_MESSAGES = 1600


@contextlib.contextmanager
def spinning(bench, wanted=True):
    """Spinners end with us, whatever happens (they ask the kernel for it)."""
    if bench.args.no_spin or not wanted:
        yield
        return
    spinner = subprocess.Popen([bench.program("spin")], stdin=subprocess.DEVNULL)
    try:
        time.sleep(0.2)
        if spinner.poll() is not None:
            raise BenchError("spin does not run")
        yield
    finally:
        spinner.kill()
        spinner.wait()


def start_all(bench, stack, load, inet=None, others=True):
    """The servers that can do it, on one set of tables, ready."""
    folder = new_folder(stack)
    make_tables(folder, load.algorithm, load.domains, load.cold)
    conf = [f"Canonicalization {load.canonicalization}"]
    servers = []
    if bench.args.server:
        servers.append(start(bench, stack, "signpostd", bench.args.server, folder, load.algorithm, conf, inet=inet))
    if others and bench.args.opendkim and load.domains <= bench.args.opendkim_domains:
        servers.append(start(bench, stack, "opendkim", bench.args.opendkim, folder, load.algorithm, conf, inet=inet))
    if load.domains == 1 and load.canonicalization.endswith("simple") and not bench.args.replies:
        servers.append(start(bench, stack, "bare", bench.program("bare"), folder, load.algorithm, kind=Bare, inet=inet))
    for server in servers:
        server.wait(bench.program("miltergen"))
    return servers


def start_times(bench, stack, folder):
    """Seconds from exec to the first signed message with many domains; the last server goes on."""
    times = []
    for number in range(READY_ROUNDS):
        server = start(bench, stack, "signpostd-100k", bench.args.server, folder, "rsa")
        times.append(server.wait(bench.program("miltergen")))
        if number < READY_ROUNDS - 1:
            server.stop()
    return server, sorted(times)


def measure_many_domains(bench, goals):
    """The same machine minute, the same mail: tables of one domain and of 100,000."""
    with contextlib.ExitStack() as stack:
        small, large = new_folder(stack), new_folder(stack)
        make_tables(small, "rsa", 1)
        make_tables(large, "rsa", MANY_DOMAINS)
        one = start(bench, stack, "signpostd", bench.args.server, small, "rsa")
        one.wait(bench.program("miltergen"))
        many, times = start_times(bench, stack, large)
        name = "rsa-domains-1-or-100k"
        one_row, many_row = bench.alternate_pairs(
            [(one, Load(name)), (many, Load(name, domains=MANY_DOMAINS, active=MANY_ACTIVE))])
        rss_mb, pss_mb = many.memory_mb()
    bench.facts["many_domains"] = {"ready_s": times, "rss_mb": rss_mb, "pss_mb": pss_mb}
    print(f"# 100,000 domains: ready after {', '.join(f'{t:.2f}' for t in times)} s; RSS {rss_mb:.1f} MB, "
          f"PSS {pss_mb:.1f} MB (all processes)")
    goals.at_most("100,000 domains: CPU over that with one domain",
                  many_row["x_floor"] / one_row["x_floor"], 1.1)
    goals.below("100,000 domains: start to first signed message, median", times[len(times) // 2], 2, "s")
    goals.below("100,000 domains: RSS, summed over processes", rss_mb, 200, "MB")


def measure_passage(bench, goals):
    """Front-end -> keeper -> front-end: messages that need one question (no rule matches) less those that need none
    (Mode v without tables: the front-end knows that it must not sign, and there is no signature to verify). Empty bodies,
    reused connections, nothing signed; what the keeper does to find no rule is in it, too, and so is the frame with the
    header."""
    with contextlib.ExitStack() as stack:
        folder = new_folder(stack)
        make_tables(folder, "ed25519", 1, first=900000)  # another domain than the one that sends
        asks = start(bench, stack, "signpostd-ask", bench.args.server, folder, "ed25519")
        none = start(bench, stack, "signpostd-not", bench.args.server, folder, "ed25519", ["Mode v"])
        for server in (asks, none):
            server.wait(bench.program("miltergen"), "unsigned")
        for connections in (1, 16):
            load = Load(f"passage-c{connections}-m100", "ed25519", body=0, connections=connections,
                        per_connection=100, expect="unsigned")
            rows = bench.alternate((asks, none), load)
            ask, no = rows["signpostd-ask"], rows["signpostd-not"]
            if connections == 1:
                goals.below("passage to the keeper and back: p50 latency, one at a time", ask["p50_us"] - no["p50_us"],
                            30, "us")
            goals.below(f"passage to the keeper and back: CPU, c{connections}", ask["cpu_us"] - no["cpu_us"], 30, "us")


class Watch(threading.Thread):
    """The largest PSS while something runs."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.peak_mb = server, 0.0
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.25):
            self.peak_mb = max(self.peak_mb, self.server.memory_mb()[1])


def measure_crowd(bench, goals):
    """1,000 connections at once, 100 messages on each, all of that twice: memory must not grow the second time."""
    load = Load(f"ed25519-4k-c{CROWD}-m100", "ed25519", connections=CROWD, per_connection=100)
    total = CROWD_MESSAGES // (5 if bench.args.quick else 1)
    with contextlib.ExitStack() as stack:
        folder = new_folder(stack)
        make_tables(folder, load.algorithm, 1)
        server = start(bench, stack, "signpostd", bench.args.server, folder, load.algorithm)
        server.wait(bench.program("miltergen"))
        begin_mb = server.memory_mb()[1]
        bench.generate(server, load, total)  # the heap grows to what so many connections ask for, and stays
        watch = Watch(server)
        watch.start()
        result = bench.generate(server, load, total)
        watch.over.set()
        watch.join()
    before, after = result["pss_before"] / 1e6, result["pss_after"] / 1e6
    bench.facts["crowd"] = {"result": result, "start_pss_mb": begin_mb, "peak_pss_mb": watch.peak_mb}
    print(f"# {CROWD} connections, {total} messages: {result['messages_per_s']:.0f} msg/s, PSS {begin_mb:.1f} at the "
          f"start, {before:.1f} MB after as many for warming up -> {after:.1f} MB, at most {watch.peak_mb:.1f} MB; "
          f"RSS {result['rss_before'] / 1e6:.1f} -> "
          f"{result['rss_after'] / 1e6:.1f} MB; p50 {result['latency_us']['p50'] / 1e3:.1f} ms, "
          f"p99 {result['latency_us']['p99'] / 1e3:.1f} ms, max {result['latency_us']['max'] / 1e3:.1f} ms")
    if bench.args.quick:
        return  # too few to be judged
    goals.below(f"{CROWD} connections: growth of PSS per message", (after - before) * 1e6 / total, ALLOCATION_MIN, "B")


def measure_through_mta(bench, goals):
    why_not = throughmta.missing()
    if why_not:
        print(f"# through Postfix: left out, {why_not}")
        return
    with contextlib.ExitStack() as stack:
        servers = start_all(bench, stack, Load("through-postfix"), inet=True)
        rounds = min(3, bench.args.rounds)
        rows = throughmta.through_postfix(servers, rounds, MTA_MESSAGES // (4 if bench.args.quick else 1))
    bench.facts["through_postfix"] = rows
    base = rows["no milter"]
    print(f"\n{'through Postfix, RSA':<22} {'delivered/s':>11} {'ratio':>6} {'accepted/s':>11} {'ratio':>6} {'n':>6}")
    for label, row in rows.items():
        print(f"{label:<22} {row['messages_per_s']:>11.0f} {row['messages_per_s'] / base['messages_per_s']:>6.2f} "
              f"{row['accepted_per_s']:>11.0f} {row['accepted_per_s'] / base['accepted_per_s']:>6.2f} "
              f"{row['messages']:>6}")
    if "signpostd" in rows:
        goals.at_least("through Postfix: rate over that without a milter",
                       rows["signpostd"]["messages_per_s"] / base["messages_per_s"], 0.75)


def measure_latency(bench, goals):
    print(latency.HEAD, flush=True)
    bench.facts["latency"] = []
    for load in (Load("ed25519-4k-c16", "ed25519"), Load("rsa-4k-c16")):
        with contextlib.ExitStack() as stack:
            servers = start_all(bench, stack, load, others=False)
            rows = latency.measure(bench, servers, load, spinning)
        bench.facts["latency"] += rows
        for row in rows:
            if row["server"] == "signpostd" and not row["spinners"]:
                goals.at_most(f"{load.name}: p99 over p50, without spinners", row["p99_p50"], 2.5)
