"""For stores.py and storesize.py: the same domains in MariaDB, in SQLite and in slapd, in private servers. Domain N is
dNNNNNN.example, as in servers.make_tables; a few keys serve all domains, as PEM or as paths.

The tables are that of OpenDKIM's README.SQL and the schema of OpenDKIM's contrib folder, which Zimbra has too.
"""
import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from servers import KEY_POOL, BenchError

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from lib import mariadb, slapd  # noqa: E402  pylint: disable=wrong-import-position

SQLITE_PAGES_MB = 2.1  # of a connection, SQLite's default; each thread of the keeper has one for each of the two tables
USER, PASSWORD, DATABASE = "bench", "bench", "mail"
COLUMNS = "id, domain_name, selector, private_key"
CREATE = """CREATE TABLE {table} (id INTEGER PRIMARY KEY, domain_name VARCHAR(255) NOT NULL, selector VARCHAR(63) NOT NULL,
 private_key TEXT, public_key TEXT)"""
LDAP_SIGNING = "/?DKIMSelector?sub?(DKIMIdentity=$d)"
LDAP_KEYS = "/?DKIMDomain,DKIMSelector,DKIMKey?sub?(DKIMSelector=$d)"


@contextlib.contextmanager
def said_by_bench(what):
    """What the private servers cannot do is a BenchError, and the other groups go on."""
    try:
        yield
    except (AssertionError, RuntimeError, OSError, sqlite3.Error, subprocess.SubprocessError) as error:
        raise BenchError(f"{what}: {error}") from error


def key_paths(folder):
    paths = [os.path.join(folder, f"key{i}.pem") for i in range(KEY_POOL)]
    return [path for path in paths if os.path.exists(path)]


def key_texts(folder, pem):
    """What stands in the column of the key: PEM, or a path."""
    return [Path(path).read_text(encoding="ascii") if pem else path for path in key_paths(folder)]


def tables_conf(signing, keys):
    return [f"SigningTable {signing}", f"KeyTable {keys}"]


class Sql:
    """A MariaDB. add() makes a table of so many domains; conf() is what a milter says to use it."""
    name = "mariadb"
    pages_mb = 0
    for_opendkim = True

    def __init__(self, stack, folder):
        self.folder = Path(folder)
        place = self.folder / "mariadb"
        place.mkdir()
        self.server = mariadb.MariaDB(place).start("--innodb-buffer-pool-size=512M", "--max-connections=300",
                                                   "--innodb-log-file-size=256M")
        stack.callback(self.server.stop)
        self.pid = self.server.process.pid
        self.server.run(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4; "
                        f"CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'; "
                        f"GRANT SELECT ON {DATABASE}.* TO '{USER}'@'127.0.0.1';")

    def add(self, table, domains, pem):
        """Rows are made inside of the server: nothing else is as fast."""
        texts = key_texts(self.folder, pem)
        keys = ", ".join(f"({i}, {mariadb.quote(text)})" for i, text in enumerate(texts))
        self.server.run(
            f"{CREATE.format(table=table)}; CREATE TEMPORARY TABLE pool (id INT PRIMARY KEY, text TEXT); "
            f"INSERT INTO pool VALUES {keys}; "
            f"INSERT INTO {table} ({COLUMNS}) SELECT seq + 1, CONCAT('d', LPAD(seq, 6, '0'), '.example'), 'bench', "
            f"text FROM seq_0_to_{domains - 1} JOIN pool ON pool.id = seq MOD {len(texts)}; "
            f"CREATE INDEX {table}_name ON {table} (domain_name); ANALYZE TABLE {table};", DATABASE)

    def questions(self):
        """Statements so far, those of prepared ones included, preparing and pings not."""
        return int(self.server.run("SHOW GLOBAL STATUS LIKE 'Questions'").split()[1])

    def dsn(self, table, key, data):
        return (f"dsn:mysql://{USER}:{PASSWORD}@{self.server.port}+127.0.0.1/{DATABASE}/"
                f"table={table}?keycol={key}?datacol={data}")

    def signing(self, table):
        return self.dsn(table, "domain_name", "id")

    def conf(self, table):
        return tables_conf(self.signing(table), self.dsn(table, "id", "domain_name,selector,private_key"))


class Sqlite:
    """The same in one file per table."""
    name = "sqlite"
    pages_mb = SQLITE_PAGES_MB * 2 * os.cpu_count()
    for_opendkim = False  # it could, but SQLite is not what is compared
    pid = None

    def __init__(self, _stack, folder):
        self.folder = folder

    def add(self, table, domains, pem):
        texts = key_texts(self.folder, pem)
        with contextlib.closing(sqlite3.connect(self.path(table))) as database:
            database.execute("PRAGMA journal_mode = OFF")
            database.execute(CREATE.format(table=table))
            database.execute("CREATE TEMPORARY TABLE pool (id INTEGER PRIMARY KEY, text TEXT)")
            database.executemany("INSERT INTO pool VALUES (?, ?)", list(enumerate(texts)))
            database.execute(
                f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {domains - 1}) "
                f"INSERT INTO {table} ({COLUMNS}) SELECT i + 1, printf('d%06d.example', i), 'bench', "
                f"(SELECT text FROM pool WHERE id = i % {len(texts)}) FROM n")
            database.execute(f"CREATE INDEX {table}_name ON {table} (domain_name)")
            database.commit()

    def path(self, table):
        return os.path.join(self.folder, f"{table}.db")

    def signing(self, table):
        return f"dsn:sqlite3://{self.path(table)}/table={table}?keycol=domain_name?datacol=id"

    def conf(self, table):
        keys = self.signing(table).split("?")[0] + "?keycol=id?datacol=domain_name,selector,private_key"
        return tables_conf(self.signing(table), keys)


class Directory:
    """One slapd per table. A selector is the name of a key, so each domain has one of its own."""
    name = "slapd"
    pages_mb = 0
    for_opendkim = True

    def __init__(self, stack, folder):
        self.stack, self.folder, self.servers = stack, folder, {}

    @staticmethod
    def questions():
        return 0  # slapd does not say

    def entries(self, domains, pem):
        texts = key_texts(self.folder, pem)
        yield slapd.ldif("dc=example", [("objectClass", "dcObject"), ("objectClass", "organization"), ("o", "example"),
                                        ("dc", "example")])
        for i in range(domains):
            yield slapd.domain_entry(f"d{i:06d}.example", f"s{i:06d}", texts[i % len(texts)])

    @property
    def pid(self):
        return next(iter(self.servers.values())).process.pid

    def add(self, table, domains, pem):
        server = slapd.Slapd(self.folder, zimbra=False, name=f"slapd-{table}", maxsize_bytes=2 << 30)
        server.load(self.entries(domains, pem))
        self.stack.callback(server.stop)
        self.servers[table] = server.start()

    def signing(self, table):
        return self.servers[table].url + LDAP_SIGNING

    def conf(self, table):
        return tables_conf(self.signing(table), self.servers[table].url + LDAP_KEYS)


def missing(kind):
    """Why this store cannot be measured, or None."""
    if issubclass(kind, Sql):
        return mariadb.missing()
    if kind is Directory and not slapd.program():
        return "slapd is not installed"
    return None
