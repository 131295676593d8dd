#!/usr/bin/env python3
"""Measures signpostd side by side with OpenDKIM, with the least that a filter can be, and with the arithmetic.

  signpostd  the server under test: parent, keeper, front-ends, all their CPU time together
  opendkim   Debian's, with the same configuration, tables and keys
  bare       tests/bench/bare.c: one process, one key, no tables, no rules, no log; what the kernel, the protocol and
             the arithmetic cost on this machine. Its signatures verify. Nobody can run mail through it.
  floor      tests/bench/floor.c: one warm signature (or verification) and SHA-256 of the body, no input or output at all.
             It is checked against `openssl speed` in the same run; both are printed.

All run at the same time, idle ones asleep; measurements alternate (A B C A B C ...), each with the floor taken just
before it, after a warm-up; the median of the rounds is reported. One SCHED_IDLE spinner per core keeps virtual cores
awake, since waking one costs more than a message; latencies are also taken without them (the group "latency"). The
load generator checks that every message was signed.

What a reader must not conclude:
- From a time or a rate alone: the speed of a virtual machine drifts by half within minutes. Only ratios taken in one
  run count, and they scatter by some 15 %. On a busy machine rates and latencies mean nothing and ratios little.
- That a rate is what a machine can do: generator and server share its cores. CPU time per message tells more.
- That "x floor" is a speed-up: 1.00 cannot be reached, since a message must also be read. `bare` shows how near one
  can come. With 4 KiB and Ed25519 most of the time is the kernel's, not the server's.
- That CPU over the floor is comparable between RSA and Ed25519: the floors differ by ten.
- That a p99 beside spinners is the server's: they take slices of their own. The group "latency" shows it both ways,
  and bare beside it: what bare has as well is the kernel's.
- That opendkim is slow in the same measure elsewhere: here it only signs, its keys are files, its tables are small;
  or it only verifies, and all keys are in its cache (see verifying.py).
- That bare's distance to signpostd could be saved: it is the price of tables, rules, and keys in another process.
- That the rates of the group "stores" are what a database or a directory can do: mariadbd and slapd run on the same cores
  as the server and the generator, with a few settings only, all in memory, reached by loopback. Over a network the server
  without a cache waits longer for each answer, and more KeeperThreads do more. opendkim asks there with one connection
  for each table, by its design; nothing was set against it.
- That a warm cache costs nothing: every few seconds it asks again (CacheTTL), which a run of seconds hardly shows; and that
  "zipf" is a hit rate: what is asked twice within CacheTTL depends on the rate of the mail.
- That a look-up of the group "stores-size" stays flat on a server whose index does not fit in memory: here it does. The
  1,000 and the 1,000,000 domains there sign with the same few keys, whose paths are in the table.
- That the rate through Postfix is Postfix's best: its configuration here is plain, its queue is on this disk, and
  source and sink run on the same cores. Only the ratio to the rate without a milter says something.

    make bench BENCH_FLAGS="--quick"
    bench.py --programs BUILD/tests/bench --server BUILD/signpostd --json out.json
"""
import argparse
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True  # the source tree may be read-only, and stays clean
# pylint: disable=wrong-import-position
from goals import Goals  # noqa: E402
from measure import HEAD, Bench, Load  # noqa: E402
from servers import Bare, BenchError, make_tables, new_folder, run, start  # noqa: E402
import latency  # noqa: E402
import stores  # noqa: E402
import storesize  # noqa: E402
import throughmta  # noqa: E402
import verifying  # noqa: E402

OTHER_DOMAINS_MAX = 1000  # OpenDKIM needs 145 ms a message and 2 GB with 100,000
MANY_DOMAINS = 100000
MANY_ACTIVE = 100
READY_ROUNDS = 3
CROWD = 1000  # connections
CROWD_MESSAGES = 100000
ALLOCATION_MIN = 32  # octets; glibc's smallest piece: one lost in every message would be so much
MTA_MESSAGES = 1600
FILES = 8192

# Load, when: "quick" always, "run" unless --quick, "all" only with --all or --only. Loads with the same tables share
# their servers. A name that ends in -cold: every domain has a key of its own and sends once, so each message is the
# first with its key; otherwise a few key files serve all domains.
LOADS = [
    (Load("rsa-4k-c16"), "quick"),
    (Load("rsa-4k-c64", connections=64), "run"),
    (Load("rsa-4k-c16-m100", per_connection=100), "run"),
    (Load("rsa-4k-c1", connections=1), "all"),
    (Load("rsa-1m-c16", body=1 << 20), "run"),
    (Load("ed25519-4k-c16", "ed25519"), "quick"),
    (Load("ed25519-4k-c16-m100", "ed25519", per_connection=100), "run"),
    (Load("rsa-1m-c16-relaxed", body=1 << 20, canonicalization="relaxed/relaxed"), "all"),
    (Load("rsa-domains-1k", domains=1000, active=100), "all"),
    (Load("rsa-domains-100k-all", domains=MANY_DOMAINS, active=MANY_DOMAINS), "all"),
    (Load("ed25519-domains-20k-cold", "ed25519", domains=20000, active=20000), "all"),
]


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


def same_tables(loads):
    groups = {}
    for load in loads:
        groups.setdefault((load.algorithm, load.domains, load.canonicalization, load.cold), []).append(load)
    return groups.values()


def measure_loads(bench, loads):
    with contextlib.ExitStack() as stack:
        servers = start_all(bench, stack, loads[0])
        if not servers:
            print(f"# {', '.join(load.name for load in loads)}: left out, no server can do it")
        for load in loads if servers else ():
            bench.alternate(servers, load)


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


# name, function, must signpostd be there
GROUPS = [("domains", measure_many_domains, True), ("passage", measure_passage, True),
          ("crowd", measure_crowd, True), ("verify", verifying.measure_verify, True),
          ("flight", verifying.measure_flight, True), ("postfix", measure_through_mta, False),
          ("stores", stores.measure_stores, True), ("stores-size", storesize.measure_size, True),
          ("keystores", stores.measure_key_stores, True),
          ("keystores-size", storesize.measure_key_store_size, True)]
# These start and stop spinners themselves.
GROUPS_WITHOUT_SPINNERS = [("latency", measure_latency, False)]


def print_ratios(rows):
    """Another server's CPU, each over its own floor, and its rate, against signpostd's in the same scenario."""
    by_key = {(row["scenario"], row["server"]): row for row in rows}
    names = [name for name in dict.fromkeys(row["scenario"] for row in rows)
             if (name, "signpostd") in by_key and len([key for key in by_key if key[0] == name]) > 1]
    head = False
    for name in names:
        ours = by_key[name, "signpostd"]
        for label in ("opendkim", "bare"):
            theirs = by_key.get((name, label))
            if not theirs:
                continue
            if not head:
                print(f"\n{'signpostd against':<34} {'rate x':>8} {'CPU x':>8} {'p50 x':>8} {'p99 x':>8}")
                head = True
            print(f"{name:<22} {label:<11} {ours['messages_per_s'] / theirs['messages_per_s']:>8.2f} "
                  f"{ours['x_floor'] / theirs['x_floor']:>8.3f} {ours['p50_us'] / max(1, theirs['p50_us']):>8.2f} "
                  f"{ours['p99_us'] / max(1, theirs['p99_us']):>8.2f}")


def check_floor(bench):
    """openssl speed counts the same signatures in its own way; both were taken within seconds."""
    lines = run(["openssl", "speed", "-seconds", "1", "-mr", "rsa2048", "ed25519"], stderr=subprocess.DEVNULL)
    rates = {}
    for line in lines.splitlines():
        parts = line.split(":")
        if parts[0] == "+F2":
            rates["rsa"] = float(parts[3])
        elif parts[0] == "+F6":
            rates["ed25519"] = float(parts[4])
    for algorithm, rate in rates.items():
        ours = bench.floor(Load("", algorithm))["sign_us"]
        bench.facts[f"sign_us_{algorithm}"] = {"floor": ours, "openssl_speed": 1e6 / rate}
        print(f"# one {algorithm} signature: floor {ours:.1f} us, openssl speed {1e6 / rate:.1f} us "
              f"({ours * rate / 1e6:.2f})", flush=True)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, help="folder of miltergen, floor, bare and spin")
    parser.add_argument("--server", help="signpostd; called with -f -x CONF")
    parser.add_argument("--conf", action="append", default=[], metavar="LINE",
                        help="one more line for the configuration of --server (may be repeated)")
    parser.add_argument("--opendkim", default=shutil.which("opendkim", path=os.environ["PATH"] + ":/usr/sbin"),
                        help="path of opendkim, empty to leave it out")
    parser.add_argument("--opendkim-domains", type=int, default=OTHER_DOMAINS_MAX, metavar="N",
                        help="leave opendkim out of scenarios with more domains (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="the most telling scenarios, one round of 1 s; for a look")
    parser.add_argument("--all", action="store_true", help="rare scenarios as well")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this scenario or group (may be repeated)")
    parser.add_argument("--list", action="store_true", help="name the scenarios and groups and end")
    parser.add_argument("--rounds", type=int, help="rounds per server (5; 3 in the groups of stores)")
    parser.add_argument("--seconds", type=float, help="of each measurement (2)")
    parser.add_argument("--inet", action="store_true", help="TCP on loopback instead of UNIX sockets")
    parser.add_argument("--replies", action="store_true", help="the MTA refuses to go on without replies (no bare)")
    parser.add_argument("--no-spin", action="store_true", help="let idle cores sleep")
    parser.add_argument("--json", metavar="FILE", help="write all results there")
    args = parser.parse_args()
    args.store_rounds = args.rounds or (1 if args.quick else 3)
    args.rounds = args.rounds or (1 if args.quick else 5)
    args.seconds = args.seconds or (1.0 if args.quick else 2.0)
    return args


def names():
    return [load.name for load, _ in LOADS] + [group[0] for group in GROUPS + GROUPS_WITHOUT_SPINNERS]


def choose(args):
    """The loads and the groups of this run."""
    unknown = set(args.only or []) - set(names())
    if unknown:
        raise BenchError(f"no such scenario: {', '.join(sorted(unknown))}; see --list")
    when = {"quick"} if args.quick else {"quick", "run", "all"} if args.all else {"quick", "run"}
    loads = [load for load, part in LOADS if (load.name in args.only if args.only else part in when)]
    groups = [group for group in GROUPS + GROUPS_WITHOUT_SPINNERS if (not args.only or group[0] in args.only)]
    return loads, groups


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


def say_what_is_left_out(args):
    if not args.opendkim:
        print("# opendkim is not installed: left out")
    elif not os.access(args.opendkim, os.X_OK):
        raise BenchError(f"{args.opendkim} cannot be run")
    if not args.server:
        print("# no --server: signpostd is not measured")
    elif not os.access(args.server, os.X_OK):
        raise BenchError(f"{args.server} cannot be run")


def note_the_machine(bench, when):
    """A run on a busy machine must say so."""
    load = os.getloadavg()[0]
    bench.facts[f"load_{when}"] = load
    if when == "before" and load > 0.5 * os.cpu_count():
        print(f"# THE MACHINE IS BUSY (load {load:.1f} on {os.cpu_count()} cores): rates and latencies are worthless, "
              "ratios of CPU doubtful")


def more_files():
    """1,000 connections are 1,000 files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def attempt(bench, what, function, *arguments):
    """What fails is said and counted; the rest is still measured."""
    try:
        function(bench, *arguments)
    except BenchError as error:
        bench.failures.append(what)
        print(f"bench.py: {error}", file=sys.stderr, flush=True)


def measure_groups(bench, goals, groups):
    for name, function, needs_server in groups:
        if needs_server and not bench.args.server:
            print(f"# {name}: left out, no --server")
        else:
            attempt(bench, name, function, goals)


def measure_all(bench, goals, loads, groups):
    with spinning(bench):
        check_floor(bench)
        if loads or [group for group in groups if group[0] in ("domains", "passage", "verify") or "stores" in group[0]]:
            print(HEAD, flush=True)
        for members in same_tables(loads):
            attempt(bench, members[0].name, measure_loads, members)
        measure_groups(bench, goals, [group for group in groups if group in GROUPS])
    measure_groups(bench, goals, [group for group in groups if group in GROUPS_WITHOUT_SPINNERS])


def main():
    args = parse_args()
    if args.list:
        print("\n".join(names()))
        return 0
    bench, goals = Bench(args), Goals()
    begin = time.monotonic()
    try:
        loads, groups = choose(args)
        say_what_is_left_out(args)
        note_the_machine(bench, "before")
        more_files()
        measure_all(bench, goals, loads, groups)
    except BenchError as error:
        print(f"bench.py: {error}", file=sys.stderr)
        return 1
    note_the_machine(bench, "after")
    print_ratios(bench.rows)
    goals.judge_rows(bench.rows)
    goals.print()
    print(f"# {time.monotonic() - begin:.0f} s")
    if args.json:
        with open(args.json, "w", encoding="ascii") as out:
            json.dump({"failures": bench.failures, "rows": bench.rows, "goals": goals.lines, "facts": bench.facts},
                      out, indent=1)
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
