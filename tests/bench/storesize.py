"""For bench.py: what the number of domains costs when they are in MariaDB, in SQLite or in slapd: 1,000 of them and many
more in the same server (two slapd), nothing kept (CacheTTL 0, CacheSize 0), by every message another domain.

ready: from exec to the first signed message.
memory: of all processes, after as many messages with many domains as with few; what SQLite keeps of its file is allowed for.
look-up: one question of bench_lookup after another, in an order that jumps about, the server's answer included.
"""
import contextlib
import json
import statistics

from keystoredata import KeySql, KeySqlite, use_programs_of
from measure import Load
from servers import make_tables, new_folder, run, start
from storedata import KEY_POOL, Directory, Sql, Sqlite, missing, said_by_bench
from stores import NO_CACHE, TRIES

FEW = 1000
READY_ROUNDS = 3
LOOKUP_ROUNDS = 9
QUESTIONS = 4000
MESSAGES = 5000
ACTIVE_MAX = 20000  # spread over all domains, so that neighbours in an index are not asked together
KINDS = [(Sql, 1000000), (Sqlite, 1000000), (Directory, 100000)]
KEY_STORES = [(KeySql, 1000000), (KeySqlite, 1000000)]


def start_times(bench, stack, folder, conf):
    """Sorted seconds from exec to the first signed message."""
    times = []
    for _ in range(READY_ROUNDS):
        server = start(bench, stack, "signpostd-first", bench.args.server, folder, "rsa", conf)
        times.append(server.wait(bench.program("miltergen")))
        server.stop()
    return sorted(times)


def measure_lookups(bench, store, domains):
    """Medians of microseconds of few and of many, by turns."""
    questions = QUESTIONS // (4 if bench.args.quick else 1)
    cases = {"few": FEW, "many": domains}
    rounds = {table: [] for table in cases}
    for _ in range(LOOKUP_ROUNDS):
        for table, count in cases.items():
            line = run([bench.program("bench_lookup"), store.signing(table), str(count), str(questions)])
            rounds[table].append(json.loads(line))
    return {table: {key: statistics.median(found[key] for found in results) for key in results[0]}
            for table, results in rounds.items()}


def load_of(store, domains):
    name = f"{store.name}-{domains // 1000}k" + ("" if domains == FEW else "-cold")
    return Load(name, per_connection=100, domains=domains, active=min(domains, ACTIVE_MAX), tries=TRIES)


def measure_messages(bench, stack, folder, store, domains):
    """RSS and PSS after the same number of messages; then rows of both, by turns."""
    pairs, memory = [], {}
    for table, count in (("few", FEW), ("many", domains)):
        server = start(bench, stack, f"signpostd-{table}", bench.args.server, folder, "rsa", store.conf(table) + NO_CACHE)
        server.wait(bench.program("miltergen"))
        load = load_of(store, count)
        bench.generate(server, load, MESSAGES // (4 if bench.args.quick else 1))
        memory[table] = server.memory_mb()
        pairs.append((server, load))
    few, many = bench.alternate_pairs(pairs)
    return memory, many["x_floor"] / few["x_floor"]


def judge(goals, store, domains, times, lookups, memory):
    what = f"{store.name}, {domains:,} domains"
    goals.below(f"{what}: first signed message after", times[len(times) // 2], 1, "s")
    # A database inside of the process keeps pages, so much and no more.
    goals.at_most(f"{what}: RSS more than with {FEW:,}", memory["many"][0] - memory["few"][0],
                  round(0.1 * memory["few"][0] + store.pages_mb, 1), "MB")
    goals.at_most(f"{what}: look-up over that with {FEW:,}", lookups["many"]["wall_us"] / lookups["few"]["wall_us"], 1.5)


def measure_kind(bench, goals, stack, kind, domains):
    folder = new_folder(stack)
    make_tables(folder, "rsa", KEY_POOL)
    store = kind(stack, folder)
    store.add("few", FEW, pem=False)
    store.add("many", domains, pem=False)
    times = start_times(bench, stack, folder, store.conf("many"))
    lookups = measure_lookups(bench, store, domains)
    memory, cpu_ratio = measure_messages(bench, stack, folder, store, domains)
    bench.facts[f"size_{store.name}"] = {"domains": domains, "ready_s": times, "lookups": lookups,
                                         "rss_pss_mb": memory, "message_cpu_ratio": cpu_ratio}
    few, many = lookups["few"], lookups["many"]
    print(f"# {store.name}, {domains:,} domains against {FEW:,}: ready after {', '.join(f'{t:.2f}' for t in times)} s; "
          f"look-up {many['wall_us']:.1f} against {few['wall_us']:.1f} us, of it own CPU {many['cpu_us']:.1f} against "
          f"{few['cpu_us']:.1f}; CPU of a message {cpu_ratio:.2f} times; RSS {memory['many'][0]:.1f} against "
          f"{memory['few'][0]:.1f} MB, PSS {memory['many'][1]:.1f} against {memory['few'][1]:.1f} (all processes)")
    judge(goals, store, domains, times, lookups, memory)


def measure_kinds(bench, goals, kinds):
    for kind, domains in kinds:
        why_not = missing(kind)
        if why_not:
            print(f"# stores-size, {kind.name}: left out, {why_not}")
            continue
        with said_by_bench(f"stores-size, {kind.name}"), bench.rounds_of(bench.args.store_rounds), \
                contextlib.ExitStack() as stack:
            measure_kind(bench, goals, stack, kind, domains // (10 if bench.args.quick else 1))


def measure_size(bench, goals):
    measure_kinds(bench, goals, KINDS)


def measure_key_store_size(bench, goals):
    use_programs_of(bench)
    measure_kinds(bench, goals, KEY_STORES)
