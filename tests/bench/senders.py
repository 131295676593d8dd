"""For bench.py, group "senders": 100,000 domains, each with a key of its own, whose messages follow Zipf's law, against a
single domain that sends everything; the keeper has room for some 10,000 keys (KeyCacheSize as it is).

A few pairs of keys serve all domains, but nothing sees that: in a table each domain has a text of its own, in a key store
each row has an owner of its own. So 100,000 names want to be parsed, and each has a first signature, which costs more than the next.

What is measured is a gateway that has run for a while. 60,000 messages by Zipf's law fill the parsed keys, but come from 20,000
domains only; the rows of a KeyStore are kept until they change, and so are in its cache before long, as far as there is room. Each
domain sends once before for that. Rows of a table are there for CacheTTL only, and nothing fills them but the load itself.

The hits of each cache are printed besides.
"""
import contextlib
import os
import re
import sqlite3
import time
from pathlib import Path

from keystoredata import TENANT, signing_domain, use_programs_of
from lib import mariadb, stores as teststores  # keystoredata has set the path
from measure import Load
from servers import KEY_POOL, make_tables, new_folder, start
from storedata import DATABASE, Sql, key_paths, key_texts, missing, said_by_bench
from stores import TRIES

DOMAINS = 100000
CONNECTIONS = 64
WARM_UP = 60000  # messages until the parsed keys are as many as they get
FIRST_WARM_UP = 10**8  # by their number: none that is measured is sent before
GOAL = 0.85
TIGHT = ["CacheSize 67108864"]  # a KeyStore is asked for every fourth message
MINUTE = ["CacheTTL 60"]
WARM_UP_MINUTE = 450000  # about what is sent in that time
STORE = "store_keys"
CACHES = ("rules", "keys", "table", "parsed")


class Tables(Sql):
    """A table of a MariaDB."""
    name = "dsn-mysql"
    keeps = False

    def __init__(self, stack, folder):
        super().__init__(stack, folder)
        self.add("dkim", DOMAINS, pem=True)
        # What stands before the PEM is no part of the key, but of the text.
        self.server.run("UPDATE dkim SET private_key = CONCAT(domain_name, '\\n', private_key);", DATABASE)

    def conf(self, table="dkim"):
        return super().conf(table)


class Store:
    """A KeyStore: a row with a key for each domain. The rows are copies of a few that signpost store load makes, with keys
    that are not sealed: a seal belongs to one row."""

    keeps = True  # rows are kept as long as nothing changes

    def load(self, folder, store):
        paths = key_paths(folder)
        lines = [f"tenant {TENANT}\n", f"binding client:127.0.0.1/32 {TENANT}\n"]
        for i, path in enumerate(paths):
            lines += [f"domain {TENANT} {signing_domain(i)}\n", f"key {TENANT} {signing_domain(i)} bench {path} active=now\n"]
        store.load("".join(lines))
        self.store = store
        return key_texts(folder, pem=True)

    def conf(self):
        return [f"KeyStore {self.store.spec}", f"SiteKeyFile {self.store.site_key}", "SelfVerify 0"]


def statements_of_copies(columns, keys, texts, name, key_id):
    """Domains and keys for all numbers of the table numbers (n). NAME, KEY_ID: expressions of a domain's name and a key's."""
    one_of = " ".join(f"WHEN {i} THEN {mariadb.quote(text)}" for i, text in enumerate(texts))
    which = " ".join(f"WHEN {i} THEN '{signing_domain(i)}'" for i in range(len(texts)))
    other = {"id": key_id, "domain": name, "private_key": f"CASE n % {len(texts)} {one_of} END"}
    wanted = ", ".join(other.get(column, f"k.{column}") for column in columns)
    yield f"INSERT INTO domains (name, tenant, revision) SELECT {name}, '{TENANT}', 1 FROM numbers"
    yield (f"INSERT INTO {keys} ({', '.join(columns)}) SELECT {wanted} FROM numbers JOIN {keys} k "
           f"ON k.domain = CASE n % {len(texts)} {which} END")


class StoreMysql(Sql, Store):
    name = "store-mysql"

    def __init__(self, stack, folder):
        Sql.__init__(self, stack, folder)
        place = Path(folder) / "store"
        place.mkdir()
        texts = self.load(folder, teststores.mysql_store(self.server, place, database=STORE))
        columns = self.server.run("SELECT column_name FROM information_schema.columns "
                                  f"WHERE table_schema = '{STORE}' AND table_name = 'keys'").split()
        copies = statements_of_copies(columns, "`keys`", texts, "CONCAT('d', LPAD(n, 6, '0'), '.example')", "CONCAT('own', n)")
        self.server.run("SET SESSION foreign_key_checks = 0, unique_checks = 0; CREATE TEMPORARY TABLE numbers AS "
                        f"SELECT seq AS n FROM seq_0_to_{DOMAINS - 1}; {'; '.join(copies)}; ANALYZE TABLE domains, `keys`;", STORE)

    conf = Store.conf


class StoreSqlite(Store):
    name = "store-sqlite"

    def __init__(self, _stack, folder):
        place = Path(folder) / "store"
        place.mkdir()
        texts = self.load(folder, teststores.sqlite_store(place))
        with contextlib.closing(sqlite3.connect(place / "store.db")) as database:
            columns = [row[1] for row in database.execute("PRAGMA table_info(keys)")]
            database.execute(f"CREATE TEMPORARY TABLE numbers AS WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c "
                             f"WHERE n < {DOMAINS - 1}) SELECT n FROM c")
            for statement in statements_of_copies(columns, "keys", texts, "printf('d%06d.example', n)", "'own' || n"):
                database.execute(statement)
            database.commit()


def counters(path):
    """{(what, cache): count}, with the newest figures."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    deadline = time.monotonic() + 10
    while (not path.exists() or path.stat().st_mtime_ns == before) and time.monotonic() < deadline:
        time.sleep(0.05)
    found = {}
    for line in path.read_text(encoding="ascii").splitlines():
        match = re.match(r'signpost_key_cache_(\w+)_total\{cache="(\w+)"\} (\d+)', line)
        if match:
            found[match[1], match[2]] = int(match[3])
    return found


def say_hits(name, before, after):
    """Of all messages between the two, those with one sender too."""
    for cache in CACHES:
        count = {what: after.get((what, cache), 0) - before.get((what, cache), 0)
                 for what in ("hits", "negative_hits", "misses", "evictions")}
        asked = count["hits"] + count["negative_hits"] + count["misses"]
        if asked > 0:
            print(f"# {name}, {cache}: {asked} questions, {100 * (asked - count['misses']) / asked:.1f} % hits, "
                  f"{count['evictions']} evictions")


def measure_kind(bench, goals, stack, kind, more=(), called="", warm_up=WARM_UP):
    """more: lines of the configuration; called: what to say of them."""
    folder = new_folder(stack)
    make_tables(folder, "rsa", KEY_POOL)
    store = kind(stack, folder)
    metrics = Path(folder) / "metrics"
    server = start(bench, stack, "signpostd", bench.args.server, folder, "rsa",
                   [*store.conf(), *more, f"MetricsFile {metrics}", "MetricsInterval 1"])
    server.wait(bench.program("miltergen"))
    name = kind.name + called
    one = Load(f"{name}-own-one", connections=CONNECTIONS, domains=DOMAINS, tries=TRIES)
    zipf = Load(f"{name}-own-zipf", connections=CONNECTIONS, domains=DOMAINS, active=DOMAINS, zipf=True, tries=TRIES)
    if kind.keeps:
        each = Load(f"{name}-own-each", connections=CONNECTIONS, domains=DOMAINS, active=DOMAINS, tries=TRIES)
        bench.generate(server, each, DOMAINS)
    bench.generate(server, zipf, warm_up, first=FIRST_WARM_UP)
    before = counters(metrics)
    first, second = bench.alternate_pairs([(server, one), (server, zipf)])
    say_hits(zipf.name, before, counters(metrics))
    ratio = second["messages_per_s"] / first["messages_per_s"]
    print(f"# {zipf.name}: against a single sender: rate {ratio:.2f}, CPU {second['x_floor'] / first['x_floor']:.2f}, "
          f"{second['cpu_us'] - first['cpu_us']:.0f} us more a message")
    goals.at_least(f"{name}: rate of {DOMAINS} senders by Zipf's law over that of one", ratio, GOAL)


def measure_senders(bench, goals):
    """With the configuration as it is, and with little room for rows; there are 10,000 parsed keys in both. Rows of a table,
    which nobody tells of changes, also where they may be a minute old."""
    use_programs_of(bench)
    confs = [((), ""), (TIGHT, "-tight")]
    kinds = [(kind, *conf) for kind in (StoreSqlite, StoreMysql, Tables) for conf in confs]
    for kind, more, called, *warm_up in [*kinds, (Tables, MINUTE, "-minute", WARM_UP_MINUTE)]:
        why_not = missing(kind)
        if why_not:
            print(f"# senders, {kind.name}: left out, {why_not}")
            continue
        with said_by_bench(f"senders, {kind.name}{called}"), bench.rounds_of(bench.args.store_rounds), contextlib.ExitStack() as stack:
            measure_kind(bench, goals, stack, kind, more, called, *warm_up)
