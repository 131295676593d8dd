"""Every place that rules and keys may come from, in one shape: what is in it, how it is asked, and how it goes wrong.

A Source is filled with put(), asked through open() and broken by what its kind can have: pause(), kill() and start() of its
server, read_only(), expired(), and the ways open() can be told to be wrong (password, schema). A thing that a kind cannot have
is no attribute of it. World keeps the servers: one MariaDB and one slapd for all.
"""
import contextlib
import functools
import os
import shutil
import signal
import sqlite3
import subprocess
from pathlib import Path

from . import keystores, ldapstore, mariadb, memcached, procs, slapd

BUILD = Path(os.environ.get("SIGNPOST_BUILD") or os.environ.get("BUILDDIR") or ".")
TABLE_DRIVER = BUILD / "tests/conformance/table_driver"
PASSWORD = "Se/cr@et:?+=3d'\"\\x"
WRONG = "wr0ng-pass"
STRANGE = "dc=no,dc=such"


def missing():
    if not keystores.program() or not os.access(TABLE_DRIVER, os.X_OK):
        return "the drivers of tests/conformance are not built"
    return None


class Client(keystores.Store):
    """A driver that runs. The answers of data sets and of key stores have one form: ok, absent, unavailable, ...; value."""

    def __init__(self, arguments, store):
        self.store = store
        self.process = subprocess.Popen([*map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def close(self):
        """What it said on stderr, once. It ended as it should: no sanitizer has complained."""
        if self.process.stdin.closed:
            return ""
        said = super().close()
        assert self.process.returncode in (0, 1) and "Sanitizer" not in said and "runtime error" not in said, said
        return said

    def begin(self, name):
        """Asks and does not wait; the driver has taken the question when this is over."""
        procs.until_it_waits(self.process.pid, lambda: self.send(self.question(name)))

    def question(self, name):
        return ("keys " if self.store else "lookup ") + keystores.coded(name)

    def finish(self):
        answer = self.receive()
        found = answer.of("key" if self.store else "value")
        answer.value = None
        if answer.status == "ok" and not found:
            answer.status = "absent"
        elif answer.status == "ok":
            answer.value = found[0]["private_key" if self.store else "text"]
        return answer

    def look(self, name):
        self.send(self.question(name))
        return self.finish()

    def crowd(self, threads, count, name):
        """{"answered": N, "unavailable": N} of THREADS that ask COUNT times each."""
        text = self.ask("threads", threads, count, name).text
        return {word: int(number) for word, _, number in (w.partition("=") for w in text.split()) if number.isdigit()}


class Source:
    """place: what a sentence must name. long_bytes: the longest value that has to work."""
    place, long_bytes = None, 70000
    distant = True

    @staticmethod
    def missing():
        """Why this kind cannot be had here."""

    def __init__(self, world):
        self.world = world

    def client(self, spec, *options):
        return Client([TABLE_DRIVER, "-s", *options, spec], False)

    def holds(self, name):
        """Can NAME be the name of a row there?"""
        return b"\0" not in octets(name) and is_utf8(name)

    def put_names(self, names):
        """Any names, found again by find()."""
        self.put({name: f"v{n}" for n, name in enumerate(names)})

    def find(self, client, name):
        return client.look(name)


def octets(name):
    return name if isinstance(name, bytes) else name.encode()


def is_utf8(name):
    try:
        octets(name).decode()
        return True
    except UnicodeDecodeError:
        return False


# ---- in memory ----

class Csl(Source):
    distant = False

    def put(self, rows):
        self.rows = rows

    def open(self):
        return self.client("csl:" + ",".join(f"{name}={value}" for name, value in self.rows.items()))

    def holds(self, name):
        return super().holds(name) and not set(name) & set(",= ")


class File(Source):
    kind, odd, distant, without_file = "file", " #", False, "invalid"

    def __init__(self, world):
        super().__init__(world)
        self.path = self.place = world.folder / f"rows.{self.kind}"

    def put(self, rows):
        self.path.write_text("".join(f"{name} {value}\n" for name, value in rows.items()))

    def open(self):
        return self.client(f"{self.kind}:{self.path}")

    def open_without_file(self):
        return self.client(f"{self.kind}:{self.path}.none")

    def holds(self, name):
        return super().holds(name) and not set(name) & set(self.odd)


class Refile(File):
    """A row is a pattern, nearly an expression of PCRE."""
    kind, odd = "refile", " #*()[]\\?$|^{}"


class Sqlite(Source):
    locked_file, without_file = True, "unavailable"

    def __init__(self, world):
        super().__init__(world)
        self.path = self.place = world.folder / "rows.db"
        self.path.unlink(missing_ok=True)
        self.run("CREATE TABLE rows(k TEXT, v TEXT)")

    def run(self, sql, rows=()):
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            db.executemany(sql, rows) if rows else db.execute(sql)
            db.commit()

    def put(self, rows):
        self.run("DELETE FROM rows")
        self.run("INSERT INTO rows VALUES (?, ?)", list(rows.items()))

    def open(self, table="rows", path=None):
        return self.client(f"dsn:sqlite3://{path or self.path}/table={table}?keycol=k?datacol=v")

    def open_without_schema(self):
        return self.open(table="nosuch")

    def open_without_file(self):
        return self.open(path=f"{self.path}.none")

    @contextlib.contextmanager
    def silent(self):
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            db.execute("BEGIN EXCLUSIVE")
            yield


# ---- on a server ----

class OnMariaDB:
    limit_s = 3     # SQL_ANSWER_TIMEOUT_S
    impatient = {}
    passwords = True

    @staticmethod
    def missing():
        return mariadb.missing()

    @property
    def server(self):
        return self.world.mariadb

    @property
    def place(self):
        return f"127.0.0.1:{self.server.port}"

    @contextlib.contextmanager
    def silent(self):
        self.server.signal(signal.SIGSTOP)
        procs.stopped(self.server.process.pid)
        try:
            yield
        finally:
            self.server.signal(signal.SIGCONT)

    @contextlib.contextmanager
    def read_only(self):
        self.server.run("SET GLOBAL read_only = 1")
        try:
            yield
        finally:
            self.server.run("SET GLOBAL read_only = 0")

    @contextlib.contextmanager
    def expired(self):
        self.world.certificate_of_mariadb("expired")
        try:
            yield
        finally:
            self.world.certificate_of_mariadb("good")


class Mysql(OnMariaDB, Source):
    """Its texts compare without case."""
    def __init__(self, world):
        super().__init__(world)
        self.server.run("CREATE TABLE IF NOT EXISTS pairs(k VARCHAR(1100), v LONGTEXT)", "mail")

    def put(self, rows):
        values = ", ".join(f"({mariadb.quote(name)}, {mariadb.quote(value)})" for name, value in rows.items())
        self.server.run(f"DELETE FROM pairs; INSERT INTO pairs VALUES {values}", "mail")

    def open(self, password=PASSWORD, table="pairs"):
        word = "".join(c if c.isalnum() else "".join(f"={o:02X}" for o in c.encode()) for c in password)
        return self.client(f"dsn:mysql://conform:{word}@{self.server.port}+127.0.0.1/mail/table={table}?keycol=k?datacol=v",
                           "-c", self.world.authority.path)

    def open_without_schema(self):
        return self.open(table="nosuch")


class WithTls:
    @contextlib.contextmanager
    def expired(self):
        """By another server."""
        usual, tls = self.world.slapd, (self.world.authority.path, *self.world.certificates["expired"])
        self.world.slapd = slapd.Slapd(self.world.folder, tls=tls, name=f"expired-{type(self).__name__}").start()
        try:
            yield
        finally:
            self.world.slapd.stop()
            self.world.slapd = usual


class Ldap(Source):
    """Bound as a user, over TCP."""
    limit_s, impatient = 1, {"timeout": 1}      # LDAPTimeout where no answer will come; else it is ample
    starttls = False
    passwords = True

    @staticmethod
    def missing():
        return None if slapd.program() and shutil.which("ldapmodify") else "slapd or ldap-utils are not installed"

    @property
    def server(self):
        return self.world.slapd

    @property
    def url(self):
        return self.server.url

    @property
    def place(self):
        return self.url

    def put(self, rows):
        self.world.replace(rows)

    def open(self, password=slapd.BIND_PASSWORD, base="dc=rows", timeout=60):
        options = {"user": slapd.BIND_DN, "password": password, "timeout": timeout, "ca": self.world.authority.path,
                   "tls": int(self.starttls)}
        return self.client(f"{self.url}/{base}?DKIMKey?sub?(DKIMIdentity=$d)",
                           *(word for name, value in options.items() for word in ("-o", f"{name}={value}")))

    def holds(self, name):
        return octets(name).isascii() and b"\0" not in octets(name)      # the attribute is an IA5 string

    def open_without_schema(self):
        return self.open(base=STRANGE)

    @contextlib.contextmanager
    def silent(self):
        self.server.pause()
        try:
            yield
        finally:
            self.server.go_on()

    @contextlib.contextmanager
    def read_only(self):
        """As syncrepl makes it: this server takes no changes."""
        conf = self.server.folder / "slapd.conf"
        text = conf.read_text()
        self.server.stop()
        conf.write_text(text + "readonly on\n")
        self.server.start()
        try:
            yield
        finally:
            self.server.stop()
            conf.write_text(text)
            self.server.start()


class Starttls(WithTls, Ldap):
    starttls = True


class Ldaps(WithTls, Ldap):
    @property
    def url(self):
        return self.server.tls_url


class Ldapi(Ldap):
    @property
    def url(self):
        return self.server.local_url


class Memcache(Source):
    """It forgets everything when it is killed; who fills it fills it again, then."""
    limit_s, impatient = 3, {}      # ANSWER_MS of backends/memcache_table.c

    @staticmethod
    def missing():
        return None if memcached.program() else "memcached is not installed"

    @property
    def server(self):
        return self.world.memcached

    @property
    def place(self):
        return self.server.address

    def put(self, rows):
        self.server.flush()
        self.server.fill({f"rows:{name}": value.encode() for name, value in rows.items()})

    def open(self):
        return self.client(f"memcache:{self.server.address}/rows")

    def holds(self, name):
        return len(octets(name)) <= 245 and not any(o <= 32 or o == 127 for o in octets(name)) and is_utf8(name)

    @contextlib.contextmanager
    def silent(self):
        self.server.pause()
        try:
            yield
        finally:
            self.server.resume()


class Refilled(memcached.Memcached):
    """With the same in it after each start."""
    rows = {}

    def fill(self, rows):
        self.rows = rows
        for name, value in rows.items():
            self.set(name, value)

    def start(self):
        super().start()
        self.fill(self.rows)
        return self


# ---- key stores ----

class Keys:
    """A key store: a row is a domain with one key."""
    long_bytes = 65536      # KEYSTORE_TEXT_MAX

    def __init__(self, world):
        super().__init__(world)
        self.known = set()
        self.make()
        with self.write() as store:
            assert store.ask("init").text.startswith("from=0 to=")
            store.must(("add", "tenant", {"name": "acme"}))

    def client(self, spec, *options):
        return Client([keystores.program(), *options, spec], True)

    def put(self, rows):
        rows = {name: value for name, value in rows.items() if name not in self.known}
        self.known |= set(rows)
        with self.write() as store:
            for name, value in rows.items():
                store.must(("add", "domain", {"name": name, "tenant": "acme"}),
                           ("add", "key", keystores.key(name, "s1", active=100, private_key=value)))

    def holds(self, name):
        return super().holds(name) and len(octets(name)) <= 512 and " " not in name and name == name.lower()

    def put_names(self, names):
        with self.write() as store:
            for name in names:
                store.must(("put", "binding", {"subject": name, "tenant": "acme"}))

    def find(self, client, name):
        """The bindings of a NAME, which may be any text."""
        answer = client.ask("bindings", name)
        rows = answer.of("binding")
        answer.value = rows[0]["subject"] if rows else None
        if answer.status == "ok" and not rows:
            answer.status = "absent"
        return answer


class SqliteKeys(Keys, Source):
    without_file = "unavailable"

    def make(self):
        self.path = self.place = self.world.folder / "keys.db"

    def open(self, path=None):
        return self.client(f"sqlite:{path or self.path}")

    def write(self):
        return keystores.Store(f"sqlite:{self.path}", write=True)

    def open_without_schema(self):
        (self.world.folder / "empty.db").touch()
        sqlite3.connect(self.world.folder / "empty.db").execute("VACUUM")
        self.place = self.world.folder
        return self.open(self.world.folder / "empty.db")

    def open_without_file(self):
        return self.open(f"{self.path}.none")


class MysqlKeys(OnMariaDB, Keys, Source):
    """In the clear, where the case is not about TLS."""
    tls = False

    def make(self):
        self.server.run("DROP DATABASE IF EXISTS signpost; CREATE DATABASE signpost; CREATE DATABASE IF NOT EXISTS empty")

    def spec(self, password=PASSWORD, database="signpost"):
        word = "".join(f"%{c:02x}" for c in password.encode())
        return f"mysql://conform:{word}@127.0.0.1:{self.server.port}/{database}"

    def open(self, **how):
        """HOW: password, database."""
        return self.client(self.spec(**how), *(["-c", self.world.authority.path] if self.tls else []))

    def write(self):
        return keystores.Store(self.spec(), write=True, ca=self.world.authority.path)

    def open_without_schema(self):
        return self.open(database="empty")

    @contextlib.contextmanager
    def expired(self):
        self.tls = True
        try:
            with super().expired():
                yield
        finally:
            self.tls = False


class LdapKeys(Keys, Source):
    limit_s, impatient = Ldap.limit_s, Ldap.impatient
    passwords = True

    @staticmethod
    def missing():
        return ldapstore.missing() or Ldap.missing()

    @property
    def server(self):
        return self.world.directory

    @property
    def place(self):
        return self.server.tls_url

    def make(self):
        """The World makes its entry."""

    def arguments(self, user, password, timeout=60, base=ldapstore.BASE):
        options = {"user": user, "password": password, "timeout": timeout, "ca": self.world.authority.path}
        return [*(word for name, value in options.items() for word in ("-o", f"{name}={value}")), f"{self.place}/{base}"]

    def open(self, password=ldapstore.GATEWAY_PASSWORD, **how):
        return Client([keystores.program(), *self.arguments(ldapstore.GATEWAY, password, **how)], True)

    def write(self):
        return keystores.Store([str(word) for word in self.arguments(ldapstore.ADMIN, ldapstore.ADMIN_PASSWORD)], write=True)

    def open_without_schema(self):
        return self.open(base=f"ou=none,{ldapstore.TOP}")

    silent = Ldap.silent

    @contextlib.contextmanager
    def read_only(self):
        """As a replica is, without one."""
        self.set_read_only("TRUE")
        try:
            yield
        finally:
            self.set_read_only("FALSE")

    def set_read_only(self, value):
        self.server.modify(f"dn: olcDatabase={{1}}mdb,cn=config\nchangetype: modify\nreplace: olcReadOnly\nolcReadOnly: {value}\n",
                           "cn=config")

    @contextlib.contextmanager
    def expired(self):
        usual, tls = self.world.directory, (self.world.authority.path, *self.world.certificates["expired"])
        self.world.directory = ldapstore.Directory(self.world.folder, name="expired-store", tls=tls, rights=False).start()
        try:
            yield
        finally:
            self.world.directory.stop()
            self.world.directory = usual


KINDS = {"csl": Csl, "file": File, "refile": Refile, "dsn:sqlite3": Sqlite, "dsn:mysql": Mysql, "ldap": Ldap,
         "ldap, StartTLS": Starttls, "ldaps": Ldaps, "ldapi": Ldapi, "memcache": Memcache, "KeyStore sqlite": SqliteKeys, "KeyStore mysql": MysqlKeys,
         "KeyStore ldap": LdapKeys}


class World:
    """The servers, each started when it is first needed, and one Source of each kind."""

    def __init__(self, folder):
        self.folder, self.sources, self.started = folder, {}, []

    def source(self, name):
        if name not in self.sources:
            self.sources[name] = KINDS[name](self)
        return self.sources[name]

    @functools.cached_property
    def authority(self):
        one = mariadb.Authority(self.folder)
        self.certificates = {"good": one.certificate("good"), "expired": one.certificate("expired", expired=True)}
        return one

    @functools.cached_property
    def mariadb(self):
        (self.folder / "mariadb").mkdir()
        one = Durable(self.folder / "mariadb")
        self.certificate_of_mariadb("good", False)
        self.started.append(one.start())
        one.run(f"CREATE DATABASE mail CHARACTER SET utf8mb4; CREATE USER conform@'127.0.0.1' IDENTIFIED BY "
                f"{mariadb.quote(PASSWORD)}; GRANT ALL ON *.* TO conform@'127.0.0.1'; "
                "REVOKE SUPER, READ_ONLY ADMIN ON *.* FROM conform@'127.0.0.1'")
        return one

    def certificate_of_mariadb(self, name, running=True):
        self.authority
        for source, end in zip(self.certificates[name], ("pem", "key")):
            shutil.copy(source, self.folder / f"mariadb/server.{end}")
        if running:
            self.mariadb.run("FLUSH SSL")

    @functools.cached_property
    def slapd(self):
        one = slapd.Slapd(self.folder, tls=(self.authority.path, *self.certificates["good"]), anonymous=False)
        one.load(slapd.ldif("dc=rows", [("objectClass", "dcObject"), ("objectClass", "organization"), ("o", "rows"), ("dc", "rows")]))
        self.started.append(one.start())
        self.rows = 0
        return one

    @functools.cached_property
    def directory(self):
        one = ldapstore.Directory(self.folder, tls=(self.authority.path, *self.certificates["good"]))
        one.load(ldapstore.top())
        self.started.append(one.start())
        return one

    @functools.cached_property
    def memcached(self):
        one = Refilled(self.folder)
        self.started.append(one.start())
        return one

    def replace(self, rows):
        """The rows of the directory."""
        server = self.slapd
        text = "".join(f"dn: cn=r{n},dc=rows\nchangetype: delete\n\n" for n in range(self.rows))
        for n, (name, value) in enumerate(rows.items()):
            entry = slapd.ldif(f"cn=r{n},dc=rows", [("objectClass", "organizationalRole"), ("objectClass", "looseRecord"),
                                                    ("cn", f"r{n}"), ("DKIMIdentity", name), ("DKIMKey", value)])
            dn, _, rest = entry.partition("\n")
            text += f"{dn}\nchangetype: add\n{rest}"
        server.modify(text)
        self.rows = len(rows)

    def mend(self):
        """Whatever a case that failed has left dead or stopped."""
        for server in self.started:
            server.process.signal(signal.SIGCONT)
            if server.process.poll() is not None:
                server.start()

    def stop(self):
        for server in self.started:
            server.stop()


class Durable(mariadb.MariaDB):
    """With a certificate; and what it has answered is there after a kill -9."""

    def start(self, *more):
        return super().start("--innodb-flush-log-at-trx-commit=1", f"--ssl-cert={self.folder}/server.pem",
                             f"--ssl-key={self.folder}/server.key", *more)
