"""For moving.py: a site that OpenDKIM signs for, as it is found: three gateways, each with a part of the domains, an opendkim.conf
and an opendkim of its own. One has flat files and RSA keys, one patterns (refile:) and Ed25519 keys, one its tables in MariaDB
(dsn:) with Ed25519 keys in the rows. The keys are of a pool; where keys are files, each domain has its own.

Debian's opendkim comes without drivers of databases: that of the third part is given files with the same rows.
"""
import os

from storedata import mariadb  # it has set the path
from lib import daemon, keys, lifecycle

OPENDKIM = "/usr/sbin/opendkim"
DATABASE = "mail"
RECORD_TTL = 5
SELECTORS = 5


def missing():
    return None if os.access(OPENDKIM, os.X_OK) else "opendkim is not installed"


def in_zone_file(text):
    """A TXT record is strings of 255 octets."""
    return " ".join(f'"{text[at:at + 255]}"' for at in range(0, len(text), 255))


class World(lifecycle.World):
    """The zones have the records of the site: {name: text}."""

    def __init__(self, folder, zones, records):
        super().__init__(folder, zones, late=None)
        self.records = records

    def _zone(self, name):
        return super()._zone(name) + "".join(f"{owner}. {RECORD_TTL} IN TXT {in_zone_file(text)}\n"
                                             for owner, text in self.records.items() if owner.endswith(f".{name}"))


class Part:
    """rows: (domain, name of the key, selector, key). What is common to all kinds of tables."""
    name, kind = "flat", "rsa2048"

    def __init__(self, folder, domains, pool):
        self.folder = folder / self.name
        self.folder.mkdir()
        self.domains = domains
        self.rows = [(domain, f"k{n:06d}", f"s{n % SELECTORS}", pool[n % len(pool)]) for n, domain in enumerate(domains)]
        self.paths = {domain: self.own_file(domain, selector, key) for domain, _, selector, key in self.rows}
        self.conf = self.folder / "opendkim.conf"
        self.conf.write_text(daemon.config_text(self.settings()))
        self.old = daemon.Daemon(OPENDKIM, self.folder, self.for_opendkim(), name="old")

    def own_file(self, domain, selector, key):
        place = self.folder / "keys" / domain
        place.mkdir(parents=True)
        path = place / f"{selector}.private"
        path.write_text(key.path.read_text(encoding="ascii"), encoding="ascii")
        path.chmod(0o600)
        return path

    def records(self):
        return {f"{selector}._domainkey.{domain}": key.record for domain, _, selector, key in self.rows}

    def table(self, name, lines):
        path = self.folder / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
        return path

    def key_table(self, other=()):
        """OTHER: domains whose selector is another one there."""
        lines = [f"{k} {d}:{s}{'x' if d in other else ''}:{self.paths[d]}" for d, k, s, _ in self.rows]
        return f"file:{self.table('KeyTable', lines)}"

    def signing_table(self):
        return f"file:{self.table('SigningTable', [f'{d} {k}' for d, k, _, _ in self.rows])}"

    def common(self):
        return {"Mode": "s", "Canonicalization": "relaxed/simple", "OversignHeaders": "From", "RequireSafeKeys": False,
                "SignatureAlgorithm": "ed25519-sha256" if self.kind == "ed25519" else "rsa-sha256"}

    def settings(self):
        return {**self.common(), "KeyTable": self.key_table(), "SigningTable": self.signing_table()}

    def for_opendkim(self):
        return self.settings()


class Refile(Part):
    name, kind = "refile", "ed25519"

    def signing_table(self):
        return f"refile:{self.table('SigningTable', [f'*@{d} {k}' for d, k, _, _ in self.rows])}"


class Sql(Part):
    name, kind = "sql", "ed25519"

    def __init__(self, folder, domains, pool, server):
        self.server = server
        super().__init__(folder, domains, pool)
        self.fill()

    def fill(self):
        def insert(table, rows):
            values = ",".join("(" + ",".join(mariadb.quote(one) for one in row) + ")" for row in rows)
            return f"INSERT INTO {table} VALUES {values};" if values else ""

        self.server.run(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4; CREATE USER 'opendkim'@'127.0.0.1' IDENTIFIED BY 'pw';"
                        f"GRANT SELECT ON {DATABASE}.* TO 'opendkim'@'127.0.0.1';")
        self.server.run("CREATE TABLE keys_of(name VARCHAR(99) PRIMARY KEY, domain VARCHAR(255), selector VARCHAR(99), pem TEXT);"
                        "CREATE TABLE signs(author VARCHAR(255) PRIMARY KEY, name VARCHAR(99));" +
                        insert("keys_of", [(k, d, s, key.path.read_text(encoding="ascii")) for d, k, s, key in self.rows]) +
                        insert("signs", [(d, k) for d, k, _, _ in self.rows]), DATABASE)

    def settings(self):
        at = f"dsn:mysql://opendkim:pw@{self.server.port}+127.0.0.1/{DATABASE}"
        return {**self.common(), "KeyTable": f"{at}/table=keys_of?keycol=name?datacol=domain,selector,pem",
                "SigningTable": f"{at}/table=signs?keycol=author?datacol=name"}

    def for_opendkim(self):
        return super().settings()


def build(folder, names, rsa, pool, server):
    """The parts: the first RSA of the names, then halves of the others."""
    place = folder / "pool"
    place.mkdir()
    made = {kind: [keys.make_key(kind, place / f"{kind}-{n}") for n in range(pool)] for kind in ("rsa2048", "ed25519")}
    middle = rsa + (len(names) - rsa) // 2
    return [Part(folder, names[:rsa], made["rsa2048"]), Refile(folder, names[rsa:middle], made["ed25519"]),
            Sql(folder, names[middle:], made["ed25519"], server)]
