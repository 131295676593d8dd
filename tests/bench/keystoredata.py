"""For stores.py and storesize.py: the same domains in key stores (KeyStore, see signpostd.conf(5)), one for each table.

Tenant, keys (sealed) and binding are loaded by signpost store load. All domains sign as one of a few that have the keys:
a key of its own for each of a million would take the arithmetic of an hour and change nothing of what is measured. These
rows are made inside of the database, as storedata.py makes its own; how fast load is, is measured with some of them.
"""
import contextlib
import os
import sqlite3
import time
from pathlib import Path

from servers import BenchError
from storedata import Sql, Sqlite, key_paths
from lib import stores  # storedata has set the path

TENANT = "bench"
LOADED = 5000  # domains that are loaded by signpost store load
COLUMNS = "name, tenant, signs_as, revision"


def signing_domain(number):
    return f"k{number:02d}.example"


def lines_of(folder, domains):
    """For signpost store load."""
    yield f"tenant {TENANT}\n"
    paths = key_paths(folder)
    for number, path in enumerate(paths):
        yield f"domain {TENANT} {signing_domain(number)}\n"
        yield f"key {TENANT} {signing_domain(number)} bench {path} active=now\n"
    yield f"binding client:127.0.0.1/32 {TENANT}\n"
    for i in range(domains):
        yield f"domain {TENANT} d{i:06d}.example signs-as={signing_domain(i % len(paths))}\n"


def load(store, folder, domains):
    """The first domains, and the time of it."""
    begun = time.monotonic()
    store.load("".join(lines_of(folder, domains)))
    return domains / (time.monotonic() - begun)


class KeySql(Sql):
    """Databases of a MariaDB."""
    name = "store-mysql"
    for_opendkim = False

    def __init__(self, stack, folder):
        super().__init__(stack, folder)
        self.stores = {}

    def add(self, table, domains, pem):
        """PEM means nothing: keys are sealed."""
        place = self.folder / table
        place.mkdir()
        store = self.stores[table] = stores.mysql_store(self.server, place, database=f"store_{table}")
        # Its users were made anew.
        self.server.run("GRANT SELECT ON `store\\_%`.* TO 'sp_reader'@'127.0.0.1'")
        first = min(domains, LOADED)
        print(f"# {self.name}, {table}: signpost store load wrote {load(store, self.folder, first):.0f} domains a second")
        if domains > first:
            count = len(key_paths(self.folder))
            self.server.run(
                "SET SESSION foreign_key_checks = 0, unique_checks = 0; "
                f"INSERT INTO domains ({COLUMNS}) SELECT CONCAT('d', LPAD(seq, 6, '0'), '.example'), '{TENANT}', "
                f"CONCAT('k', LPAD(seq MOD {count}, 2, '0'), '.example'), 1 FROM seq_{first}_to_{domains - 1}; "
                "ANALYZE TABLE domains;", f"store_{table}")

    def signing(self, table):
        """What bench_lookup asks."""
        return self.stores[table].spec

    def conf(self, table):
        return [f"KeyStore {self.stores[table].spec}", f"SiteKeyFile {self.stores[table].site_key}", "SelfVerify 0"]


class KeySqlite(Sqlite):
    """Files."""
    name = "store-sqlite"
    for_opendkim = False

    def __init__(self, stack, folder):
        super().__init__(stack, folder)
        self.stores = {}

    def add(self, table, domains, pem):
        place = Path(self.folder) / table
        place.mkdir()
        store = self.stores[table] = stores.sqlite_store(place)
        first = min(domains, LOADED)
        print(f"# {self.name}, {table}: signpost store load wrote {load(store, self.folder, first):.0f} domains a second")
        if domains > first:
            count = len(key_paths(self.folder))
            with contextlib.closing(sqlite3.connect(place / "store.db")) as database:
                database.execute(
                    f"WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {domains - 1}) "
                    f"INSERT INTO domains ({COLUMNS}) SELECT printf('d%06d.example', i), '{TENANT}', "
                    f"printf('k%02d.example', i % {count}), 1 FROM n")
                database.commit()

    signing, conf = KeySql.signing, KeySql.conf


def use_programs_of(bench):
    """signpost of the build under test."""
    path = Path(bench.args.programs).resolve().parent.parent / "tools" / "signpost"
    if not os.access(path, os.X_OK):
        raise BenchError(f"{path} is not built")
    stores.SIGNPOST = path
