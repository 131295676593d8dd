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
awake, since waking one costs more than a message; latencies are also taken without them (the group "latency"), and
databases and directories only without (the groups "stores" to "keystores-size"; stores.py and storesize.py). The
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
import time

sys.dont_write_bytecode = True  # the source tree may be read-only, and stays clean
# pylint: disable=wrong-import-position
from goals import Goals  # noqa: E402
from measure import HEAD, Bench, Load  # noqa: E402
from servers import BenchError, run  # noqa: E402
import bulk  # noqa: E402
import httprate  # noqa: E402
import moving  # noqa: E402
import probes  # noqa: E402
import rotation  # noqa: E402
import selfverify  # noqa: E402
import senders  # noqa: E402
import shared  # noqa: E402
import stores  # noqa: E402
import storesize  # noqa: E402
import verifying  # noqa: E402

OTHER_DOMAINS_MAX = 1000  # OpenDKIM needs 145 ms a message and 2 GB with 100,000
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
    (Load("rsa-domains-100k-all", domains=probes.MANY_DOMAINS, active=probes.MANY_DOMAINS), "all"),
    (Load("ed25519-domains-20k-cold", "ed25519", domains=20000, active=20000), "all"),
]


def same_tables(loads):
    groups = {}
    for load in loads:
        groups.setdefault((load.algorithm, load.domains, load.canonicalization, load.cold), []).append(load)
    return groups.values()


def measure_loads(bench, loads):
    with contextlib.ExitStack() as stack:
        servers = probes.start_all(bench, stack, loads[0])
        if not servers:
            print(f"# {', '.join(load.name for load in loads)}: left out, no server can do it")
        for load in loads if servers else ():
            bench.alternate(servers, load)


# name, function, must signpostd be there
GROUPS = [("domains", probes.measure_many_domains, True), ("passage", probes.measure_passage, True),
          ("crowd", probes.measure_crowd, True), ("verify", verifying.measure_verify, True),
          ("flight", verifying.measure_flight, True), ("selfverify", selfverify.measure_selfverify, True), ("postfix", probes.measure_through_mta, False)]
# The first starts and stops spinners itself. In the others an answer takes three processes, each of which would wait for
# the slice of a spinner, slapd's threads most of all; and there is always one that keeps a core awake.
GROUPS_WITHOUT_SPINNERS = [("latency", probes.measure_latency, False), ("stores", stores.measure_stores, True),
                           ("stores-size", storesize.measure_size, True), ("keystores", stores.measure_key_stores, True),
                           ("senders", senders.measure_senders, True),
                           ("keystores-size", storesize.measure_key_store_size, True),
                           ("shared", shared.measure_shared, True), ("rotation", rotation.measure_rotation, True), ("moving", moving.measure_moving, True),
                           ("http", httprate.measure_http, False), ("bulk", bulk.measure_bulk, True)]


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
    parser.add_argument("--shared-size", metavar="DOMAINS,MESSAGES,SECONDS,KEYS",
                        help="of the group shared: seconds of the outage, and different keys (100000,200000,120,2000)")
    parser.add_argument("--rotation-size", metavar="DOMAINS,ALGORITHM,STORE",
                        help="of the group rotation; the store is mysql or sqlite (10000,ed25519,mysql)")
    parser.add_argument("--moving-size", metavar="DOMAINS,RSA", help="of the group moving; the second: how many have RSA keys (10000,500)")
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
    with probes.spinning(bench):
        check_floor(bench)
        if loads or [group for group in groups if group[0] in ("domains", "passage", "verify", "selfverify") or "stores" in group[0]]:
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
