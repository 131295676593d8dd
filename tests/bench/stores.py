"""For bench.py: the rate with 100,000 domains in a database and in a directory, beside flat files and beside opendkim.

cold: the senders rotate, nothing is kept (CacheTTL 0, CacheSize 0), so every message asks the server twice or more;
      opendkim has no cache at all.
warm: 100 domains send, and what was read is kept as signpostd does by default.
zipf: all domains send, the Nth most frequent 1/N as often as the first; against the same with one sender.

Groups: "stores" asks MariaDB and slapd as tables (dsn, ldap), "keystores" a KeyStore in MariaDB and in SQLite, which opendkim
has not; there warm means that nothing is asked again while nothing changes.

The server under test, the generator, and mariadbd or slapd share the cores; what the latter took is printed.
"""
import contextlib
import os

from keystoredata import KeySql, KeySqlite, use_programs_of
from measure import Load
from servers import BenchError, cpu_seconds, make_tables, new_folder, start
from storedata import Directory, Sql, missing, said_by_bench

DOMAINS = 100000
WARM = 100
CONNECTIONS = 64
COST_MESSAGES = 1000
TRIES = 5  # a server on a crowded machine may let a question wait too long; such a message is sent again, and counted
NO_CACHE = ["CacheTTL 0", "CacheSize 0", "CacheNegativeTTL 0"]
MANY_THREADS = 4 * os.cpu_count()


def load_of(name, active, **more):
    return Load(name, connections=CONNECTIONS, domains=DOMAINS, active=active, tries=TRIES, **more)


def start_servers(bench, stack, folder, store):
    """By what they are: flat, asks (without a cache), waits (with more threads besides), cached, opendkim."""
    conf = store.conf("dkim")
    ours = [("flat", "signpostd-flat", []), ("asks", "signpostd-0", conf + NO_CACHE),
            ("waits", f"signpostd-0-t{MANY_THREADS}", [*conf, *NO_CACHE, f"KeeperThreads {MANY_THREADS}"]),
            ("cached", "signpostd", conf)]
    servers = {what: start(bench, stack, label, bench.args.server, folder, "rsa", lines) for what, label, lines in ours}
    for server in servers.values():
        server.wait(bench.program("miltergen"))
    if bench.args.opendkim and store.for_opendkim:
        other = start(bench, stack, "opendkim", bench.args.opendkim, folder, "rsa", conf)
        try:
            print(f"# {store.name}: opendkim serves after {other.wait(bench.program('miltergen')):.1f} s")
            servers["opendkim"] = other
        except BenchError as error:
            print(f"# {store.name}: opendkim is left out, it does not start: {error}")
    return servers


def alternate(bench, servers, load, names):
    """Rows by what the servers are. opendkim is left out when it cannot do it."""
    chosen = {name: servers[name] for name in names if name in servers}
    try:
        rows = bench.alternate(list(chosen.values()), load)
    except BenchError as error:
        if "opendkim" not in chosen or "opendkim" not in str(error).split(":")[0]:
            raise
        print(f"# {load.name}: opendkim is left out: {error}")
        del chosen["opendkim"]
        rows = bench.alternate(list(chosen.values()), load)
    return {name: rows[server.label] for name, server in chosen.items()}


def store_cost(bench, store, servers, load):
    """CPU microseconds of mariadbd or slapd for each message: what a server leaves to others."""
    for name in ("asks", "cached", "opendkim"):
        if name in servers:
            before, asked = cpu_seconds(store.pid), store.questions()
            result = bench.generate(servers[name], load, COST_MESSAGES)
            cost = (cpu_seconds(store.pid) - before) * 1e6 / COST_MESSAGES
            asked = (store.questions() - asked) / COST_MESSAGES
            bench.facts[f"{load.name}_{servers[name].label}_store"] = {"us": cost, "questions": asked}
            print(f"# {load.name}, {servers[name].label}: {store.name} took {cost:.0f} us CPU a message besides"
                  + (f" for {asked:.2f} statements" if asked else "") + f"; {result['retried']} messages were sent again")


def judge(goals, name, cold, warm):
    flat = cold["flat"]["messages_per_s"]
    for what, words in (("asks", "without a cache"), ("waits", f"the same, {MANY_THREADS} threads")):
        rate = cold[what]["messages_per_s"]
        if "opendkim" in cold:
            goals.at_least(f"{name}: rate {words}, over opendkim's", rate / cold["opendkim"]["messages_per_s"], 4)
        goals.at_least(f"{name}: rate {words}, over flat files'", rate / flat, 0.6)
    cached, flat = warm["cached"], warm["flat"]
    goals.at_most(f"{name}: CPU with a warm cache, over flat files'", cached["x_floor"] / flat["x_floor"], 1.05)
    goals.at_most(f"{name}: rate of flat files over that with a warm cache",
                  flat["messages_per_s"] / cached["messages_per_s"], 1.05)


def measure_zipf(bench, store, servers):
    one, all_send = load_of(f"{store.name}-100k-one", 1), load_of(f"{store.name}-100k-zipf", DOMAINS, zipf=True)
    flat, cached = servers["flat"], servers["cached"]
    rows = bench.alternate_pairs([(flat, one), (flat, all_send), (cached, one), (cached, all_send)])
    for (first, zipf), words in ((rows[:2], "flat files"), (rows[2:], f"{store.name} with the cache")):
        print(f"# {words}: senders by Zipf's law against a single one: "
              f"rate {zipf['messages_per_s'] / first['messages_per_s']:.2f}, CPU {zipf['x_floor'] / first['x_floor']:.2f}")


def measure_store(bench, goals, stack, kind):
    folder = new_folder(stack)
    make_tables(folder, "rsa", DOMAINS)
    store = kind(stack, folder)
    store.add("dkim", DOMAINS, pem=True)
    servers = start_servers(bench, stack, folder, store)
    cold_load, warm_load = load_of(f"{kind.name}-100k-cold", DOMAINS), load_of(f"{kind.name}-100k-warm", WARM)
    cold = alternate(bench, servers, cold_load, ("flat", "asks", "waits", "opendkim"))
    if store.pid:
        store_cost(bench, store, servers, cold_load)
    warm = alternate(bench, servers, warm_load, ("flat", "cached"))
    judge(goals, kind.name, cold, warm)
    if kind is Sql:
        measure_zipf(bench, store, servers)


def measure_kinds(bench, goals, kinds):
    for kind in kinds:
        why_not = missing(kind)
        if why_not:
            print(f"# stores, {kind.name}: left out, {why_not}")
            continue
        with said_by_bench(f"stores, {kind.name}"), bench.rounds_of(bench.args.store_rounds), \
                contextlib.ExitStack() as stack:
            measure_store(bench, goals, stack, kind)


def measure_stores(bench, goals):
    measure_kinds(bench, goals, (Sql, Directory))


def measure_key_stores(bench, goals):
    use_programs_of(bench)
    measure_kinds(bench, goals, (KeySql, KeySqlite))
