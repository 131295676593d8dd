"""dsn: data sets: tables as PostfixAdmin, Modoboa and OpenDKIM's README.SQL have them, in MariaDB and in SQLite.

The server is one of the test's own. It is killed, stopped and restarted under load; passwords, names and certificates are
wrong; nothing hangs, nothing is lost, and no password is in a log.
"""
import signal
import sqlite3
import subprocess
import time

import pytest

from lib import mariadb, milter, patience, procs, verify
from lib.daemon import Daemon
from lib.load import Load

pytestmark = pytest.mark.signpost("opendkim's dsn: needs OpenDBX")

PASSWORD = "Se/cr@et:?+=3d'\"\\x"
DOMAINS = [f"d{n}.test" for n in range(5)]
THREADS = 4         # of Load
ANSWER_S = 3        # SQL_ANSWER_TIMEOUT_S: what a thread waits that asks a silent server
MANY = 400          # mail that is tempfailed at once: were each to wait, it would take five minutes


def coded(text):
    return "".join(c if c.isalnum() else "".join(f"={o:02X}" for o in c.encode()) for c in text)


def message(domain, user="alice"):
    return (f"From: {user}@{domain}\r\nTo: t@sink.test\r\nSubject: hello\r\nDate: Tue, 01 Sep 2026 10:00:00 +0000\r\n\r\n"
            "Hello.\r\n").encode()


def query(program, spec, *names):
    """What -Q prints for each name."""
    done = subprocess.run([program, "-Q"], input="\n".join((spec,) + names) + "\n", capture_output=True, text=True,
                          timeout=patience.seconds(120))
    prompt = "enter query/n to query, EOF to end\n> "
    return [part.strip() for part in done.stdout.split(prompt)[1:-1]], done.stderr


@pytest.fixture(scope="module")
def server(module_folder):
    if mariadb.missing():
        pytest.skip(mariadb.missing())
    one = mariadb.MariaDB(module_folder).start()
    one.run(f"CREATE DATABASE mail CHARACTER SET utf8mb4; CREATE USER 'opendkim'@'127.0.0.1' IDENTIFIED BY "
            f"{mariadb.quote(PASSWORD)}; GRANT SELECT ON mail.* TO 'opendkim'@'127.0.0.1';")
    yield one
    one.stop()


def dsn(server, table, key, data, filter=None, password=PASSWORD, database="mail"):
    more = f"?filter={filter}" if filter else ""
    return (f"dsn:mysql://opendkim:{coded(password)}@{server.port}+127.0.0.1/{database}/"
            f"table={table}?keycol={key}?datacol={data}{more}")


POSTFIXADMIN = """
CREATE TABLE IF NOT EXISTS dkim(id INT AUTO_INCREMENT PRIMARY KEY, domain_name varchar(255) NOT NULL, description varchar(255)
 DEFAULT '', selector varchar(63) NOT NULL DEFAULT 'default', private_key text, public_key text, INDEX(domain_name, description));
CREATE TABLE IF NOT EXISTS dkim_signing(id INT AUTO_INCREMENT PRIMARY KEY, author varchar(255) NOT NULL DEFAULT '',
 dkim_id INT NOT NULL, INDEX(author));
DELETE FROM dkim; DELETE FROM dkim_signing;
"""


@pytest.fixture
def postfixadmin(server, shared_keys):
    pem = shared_keys["rsa1024"].path.read_text()
    sql = POSTFIXADMIN
    for n, domain in enumerate(DOMAINS, 1):
        sql += (f"INSERT INTO dkim(id, domain_name, selector, private_key) VALUES ({n}, '{domain}', 's1', {mariadb.quote(pem)});"
                f"INSERT INTO dkim_signing(author, dkim_id) VALUES ('{domain}', {n});")
    server.run(sql, "mail")
    return {"SigningTable": dsn(server, "dkim_signing", "author", "dkim_id"),
            "KeyTable": dsn(server, "dkim", "id", "domain_name,selector,private_key"),
            "InternalHosts": "127.0.0.1", "Mode": "s", "CacheTTL": 0}


def tempfailed(result):
    return result.verdict == "tempfail" or result.text.startswith("4")


def check_signed(key, delivered, domain, selector="s1"):
    named = {"m": delivered}
    assert verify.VERIFIERS[0].verify(named, {f"{selector}._domainkey.{domain}": key.record}) == {"m": [(domain, "pass")]}


def send_until(daemon, domain, verdict_signed):
    """The seconds until a message is signed (or not). Usual are at most three (BREAKER_MOST_MS) when a server is back."""
    began = time.monotonic()
    while True:
        result, delivered = milter.one_shot(daemon.address, message(domain))
        if bool(result.signed) == verdict_signed:
            return time.monotonic() - began, delivered
        assert time.monotonic() - began < patience.seconds(60), f"{result.verdict} {result.text} {daemon.log()[-1500:]}"
        time.sleep(0.05)


def test_postfixadmin(program, folder, server, postfixadmin, shared_keys):
    with Daemon(program, folder, postfixadmin) as daemon:
        for domain in DOMAINS:
            result, delivered = milter.one_shot(daemon.address, message(domain))
            assert result.signed, daemon.log()
            check_signed(shared_keys["rsa1024"], delivered, domain)
        result, _ = milter.one_shot(daemon.address, message("other.test"))
        assert not result.signed and result.verdict in ("accept", "continue"), result
        server.run("INSERT INTO dkim_signing(author, dkim_id) VALUES ('new.test', 1)", "mail")
        assert milter.one_shot(daemon.address, message("new.test"))[0].signed, "a new row counts at once"
        assert "Se/cr" not in daemon.log() and coded(PASSWORD) not in daemon.log()


@pytest.mark.parametrize("kind", ["mysql", "sqlite3"])
def test_modoboa_and_readme(program, folder, server, shared_keys, kind):
    """Modoboa: a path in the table. README.SQL: one table for both, the domain's row is its key."""
    path = shared_keys["rsa1024"].path
    pem = path.read_text()
    sql = ["DROP TABLE IF EXISTS modoboa", "DROP TABLE IF EXISTS readme",
           "CREATE TABLE modoboa(id INTEGER PRIMARY KEY, name VARCHAR(100), dkim_key_selector VARCHAR(30), "
           "dkim_private_key_path VARCHAR(254), enable_dkim INT)",
           f"INSERT INTO modoboa VALUES (1,'m.test','modoboa','{path}',1),(2,'off.test','modoboa','{path}',0)",
           "CREATE TABLE readme(id INTEGER PRIMARY KEY, domain_name VARCHAR(255), selector VARCHAR(63), private_key TEXT)",
           "INSERT INTO readme VALUES (7,'r.test','s1'," + (mariadb.quote(pem) if kind == "mysql" else f"'{pem}'") + ")"]
    if kind == "mysql":
        server.run(";".join(sql), "mail")
        make = lambda *a: dsn(server, *a)  # noqa: E731
    else:
        db = sqlite3.connect(folder / "mail.db")
        for one in sql:
            db.execute(one)
        db.commit()
        make = lambda t, k, d, f=None: (f"dsn:sqlite3://{folder}/mail.db/table={t}?keycol={k}?datacol={d}"  # noqa: E731
                                        + (f"?filter={f}" if f else ""))
    tables = {"modoboa": ("id", "name", "name,dkim_key_selector,dkim_private_key_path", "enable_dkim=3D1", "m.test", "modoboa"),
              "readme": ("id", "domain_name", "domain_name,selector,private_key", None, "r.test", "s1")}
    for table, (ident, name, columns, only, domain, selector) in tables.items():
        settings = {"SigningTable": make(table, name, ident, only), "KeyTable": make(table, ident, columns), "Mode": "s"}
        with Daemon(program, folder, settings, name=table) as daemon:
            result, delivered = milter.one_shot(daemon.address, message(domain))
            assert result.signed, daemon.log()
            check_signed(shared_keys["rsa1024"], delivered, domain, selector)
            assert not milter.one_shot(daemon.address, message("off.test"))[0].signed


HOSTILE = ["'", "' OR '1'='1", '"', "\\", "%", "_", "*", "a.test ", "a.test\\", "\u00e1.test", "a.test'", "a.test;--", "A.test\t",
           "x" * 1000, "5x", "a\u0300.test", "`", "?", "\U0001f600"]


def test_hostile_names(program, server):
    server.run("DROP TABLE IF EXISTS hostile; CREATE TABLE hostile(k VARCHAR(200), n INT, v MEDIUMTEXT); "
               "INSERT INTO hostile VALUES ('a.test', 5, 'found:with:colons'), ('null.test', 6, NULL), ('', 7, 'of nothing')", "mail")
    answers, _ = query(program, dsn(server, "hostile", "k", "v,n"), *HOSTILE, "a.test", "A.TEST/2", "null.test/2")
    assert answers[:len(HOSTILE)] == ["record not found"] * len(HOSTILE)
    assert answers[len(HOSTILE):] == ["'found:with:colons'", "'found:with:colons'\n'5'", "<absent>\n'6'"]
    answers, _ = query(program, dsn(server, "hostile", "n", "k"), "5", "5x", "5.0", "6")
    assert answers == ["'a.test'", "record not found", "record not found", "'null.test'"]


def test_long_values(program, server):
    server.run("DROP TABLE IF EXISTS longs; CREATE TABLE longs(k VARCHAR(20), v LONGTEXT); "
               "INSERT INTO longs VALUES ('short', REPEAT('s',256)), ('more', REPEAT('m',257)), ('key', REPEAT('k',70000)), "
               "('most', REPEAT('x',1048576)), ('over', REPEAT('y',1048577))", "mail")
    answers, _ = query(program, dsn(server, "longs", "k", "v"), "short", "more", "key", "most", "over", "short")
    assert answers[:3] == [f"'{'s' * 256}'", f"'{'m' * 257}'", f"'{'k' * 70000}'"]
    assert answers[3] == f"'{'x' * 1048576}'" and "more than 1048576 octets" in answers[4]
    assert answers[5] == answers[0]


def test_wrong_settings(program, server, postfixadmin):
    """Each is said in a sentence, the table is unavailable, and no sentence has a password."""
    cases = [(dsn(server, "dkim", "id", "selector", password="wr0ng-pass"), "check user and password"),
             (dsn(server, "dkim", "id", "selector", database="nosuch"), "check"),
             (dsn(server, "nosuch", "id", "selector"), "check table"),
             (dsn(server, "dkim", "nosuch", "selector"), "check table"),
             (dsn(server, "dkim", "id", "nosuch"), "check table"),
             (dsn(server, "dkim", "id", "selector", "id) OR (=271=27=3D=271=27 --"), "check table"),
             (f"dsn:mysql://u:wr0ng-pass@{procs.free_port()}+127.0.0.1/m/table=a?keycol=b?datacol=c", "is the server running")]
    for spec, says in cases:
        answers, errors = query(program, spec, "1")
        assert answers[0].startswith("error: mysql://127.0.0.1:") and says in answers[0], (spec, answers)
        assert "wr0ng" not in answers[0] + errors and "Se/cr" not in answers[0] + errors


@pytest.fixture
def loaded(program, folder, server, postfixadmin):
    with Daemon(program, folder, postfixadmin) as daemon:
        yield daemon


def tempfailed_at_once(daemon, load):
    """Mail is answered while the server is away: the first may wait for it, one thread may try again, the others do not wait."""
    return load.wait(MANY, "tempfailed", patience.below(MANY / THREADS * ANSWER_S), daemon.log)


def test_server_killed_under_load(server, loaded, shared_keys):
    with Load(loaded.address, [message(d) for d in DOMAINS]) as load:
        for _ in range(3):
            load.wait(20, log=loaded.log)
            server.kill()
            tempfailed_at_once(loaded, load)
            server.start()
            print(f"signed again {load.wait(20, log=loaded.log):.1f} s after the server's return")
    load.report("kill -9 of mariadbd, 3 times")
    load.check(loaded)
    assert load.counts["broken"] == 0
    assert "answers again" in loaded.log()


def test_restart_between_messages(server, loaded):
    """The connections are dead and nobody has noticed: the question is asked again, nothing is tempfailed."""
    assert milter.one_shot(loaded.address, message(DOMAINS[0]))[0].signed
    server.kill()
    server.start()
    for domain in DOMAINS:
        assert milter.one_shot(loaded.address, message(domain))[0].signed, loaded.log()[-1500:]
    server.run("KILL USER 'opendkim'@'127.0.0.1'")
    assert milter.one_shot(loaded.address, message(DOMAINS[0]))[0].signed, loaded.log()[-1500:]


def test_server_stopped_under_load(server, loaded):
    """It is there and silent: a few messages wait a few seconds, all others are answered at once."""
    with Load(loaded.address, [message(d) for d in DOMAINS]) as load:
        load.wait(20, log=loaded.log)
        server.signal(signal.SIGSTOP)
        try:
            print(f"{MANY} messages tempfailed {tempfailed_at_once(loaded, load):.1f} s after the server fell silent")
            time.sleep(ANSWER_S + 1)        # somebody tries again meanwhile
            tempfailed_at_once(loaded, load)
        finally:
            server.signal(signal.SIGCONT)
        print(f"signed again {load.wait(20, log=loaded.log):.1f} s after the server went on")
    load.report("SIGSTOP of mariadbd")
    load.check(loaded)


def test_slow_server(server, loaded):
    """The server is well and the table is locked: nobody waits for the lock, only as long as a question may take."""
    with Load(loaded.address, [message(d) for d in DOMAINS]) as load:
        load.wait(20, log=loaded.log)
        with server.holding("LOCK TABLES dkim WRITE", "mail"):
            print(f"{MANY} messages tempfailed {tempfailed_at_once(loaded, load):.1f} s after the table was locked")
            assert tempfailed(milter.one_shot(loaded.address, message(DOMAINS[0]))[0])
        print(f"signed again {load.wait(20, log=loaded.log):.1f} s after the lock was gone")
    load.report("table locked")
    load.check(loaded)


def test_table_gone_and_back(server, loaded):
    server.run("RENAME TABLE dkim TO dkim_away", "mail")
    result, _ = milter.one_shot(loaded.address, message(DOMAINS[0]))
    assert not result.signed and tempfailed(result), result
    assert "check table" in loaded.log()
    server.run("RENAME TABLE dkim_away TO dkim", "mail")
    send_until(loaded, DOMAINS[0], True)


@pytest.mark.parametrize("soft", [True, False])
def test_started_without_the_server(program, folder, server, postfixadmin, soft):
    server.kill()
    try:
        with Daemon(program, folder, dict(postfixadmin, SoftStart=soft)) as daemon:
            result, _ = milter.one_shot(daemon.address, message(DOMAINS[0]))
            assert tempfailed(result), result
            assert "is the server running" in daemon.log()
            server.start()
            took, _ = send_until(daemon, DOMAINS[0], True)
            print(f"signed {took:.1f} s after the server came")
    finally:
        if server.process.poll() is not None:
            server.start()


def test_started_with_a_silent_server(program, folder, server, postfixadmin):
    server.signal(signal.SIGSTOP)
    try:
        with Daemon(program, folder, postfixadmin) as daemon:       # which listens, or the start would fail
            assert tempfailed(milter.one_shot(daemon.address, message(DOMAINS[0]))[0])
            server.signal(signal.SIGCONT)
            send_until(daemon, DOMAINS[0], True)
    finally:
        server.signal(signal.SIGCONT)


def test_tls(program, folder, server, postfixadmin):
    """With a certificate of the right authority for this host messages are signed; else nobody logs in."""
    right, wrong = mariadb.Authority(folder, "right"), mariadb.Authority(folder, "wrong")
    good = right.certificate("good")
    bad = {"expired": right.certificate("expired", expired=True),
           "another host": right.certificate("elsewhere", host="IP:192.0.2.1"),
           "another authority": wrong.certificate("stranger")}
    settings = dict(postfixadmin, SQLTLS=True, SQLTLSCAFile=str(right.path))

    def restart(pair):
        server.stop()
        server.start(*([f"--ssl-cert={pair[0]}", f"--ssl-key={pair[1]}"] if pair else []))

    try:
        restart(good)
        server.run("ALTER USER 'opendkim'@'127.0.0.1' REQUIRE SSL")
        with Daemon(program, folder, settings) as daemon:
            assert milter.one_shot(daemon.address, message(DOMAINS[0]))[0].signed, daemon.log()
        with Daemon(program, folder, dict(settings, SQLTLS=False), name="plain") as daemon:
            assert tempfailed(milter.one_shot(daemon.address, message(DOMAINS[0]))[0]), daemon.log()
        for what, pair in bad.items():
            restart(pair)
            with Daemon(program, folder, settings, name="bad") as daemon:
                result, _ = milter.one_shot(daemon.address, message(DOMAINS[0]))
                assert tempfailed(result), (what, daemon.log())
                assert "SQLTLSCAFile" in daemon.log(), what
            with Daemon(program, folder, dict(settings, SQLTLSVerify=False), name="blind") as daemon:
                assert milter.one_shot(daemon.address, message(DOMAINS[0]))[0].signed, (what, daemon.log())
        restart(None)
        with Daemon(program, folder, settings, name="none") as daemon:
            assert tempfailed(milter.one_shot(daemon.address, message(DOMAINS[0]))[0]), "never without TLS"
    finally:
        restart(None)
        server.run("ALTER USER 'opendkim'@'127.0.0.1' REQUIRE NONE")


def test_passwords_are_not_shown(program, folder, postfixadmin):
    conf = folder / "shown.conf"
    conf.write_text("".join(f"{k} {v}\n" for k, v in postfixadmin.items()) + "Socket inet:1@127.0.0.1\n")
    for flags in (["-n"], ["-n", "-v"], ["-s"]):
        done = subprocess.run([program, *flags, "-x", conf], capture_output=True, text=True, timeout=patience.seconds(60))
        assert coded(PASSWORD) not in done.stdout + done.stderr and "Se/cr" not in done.stdout + done.stderr


def test_internal_hosts(program, folder, server, postfixadmin):
    server.run("DROP TABLE IF EXISTS hosts; CREATE TABLE hosts(host VARCHAR(200) PRIMARY KEY); "
               "INSERT INTO hosts VALUES ('192.0.2.0/24'), ('!192.0.2.9')", "mail")
    settings = dict(postfixadmin, InternalHosts=dsn(server, "hosts", "host", "host"))
    with Daemon(program, folder, settings) as daemon:
        assert milter.one_shot(daemon.address, message(DOMAINS[0]), client="192.0.2.1", host="x")[0].signed
        assert not milter.one_shot(daemon.address, message(DOMAINS[0]), client="192.0.2.9", host="x")[0].signed
        assert not milter.one_shot(daemon.address, message(DOMAINS[0]), client="2001:db8::1", host="x")[0].signed
        server.run("RENAME TABLE hosts TO hosts_away", "mail")
        assert tempfailed(milter.one_shot(daemon.address, message(DOMAINS[0]), client="192.0.2.1", host="x")[0])


class Sqlite:
    def __init__(self, folder, key, journal):
        self.folder, self.pem, self.journal = folder, key.path.read_text(), journal

    def make(self, name, domain):
        db = sqlite3.connect(self.folder / name, isolation_level=None)
        db.execute(f"PRAGMA journal_mode={self.journal}")
        db.execute("CREATE TABLE d(domain TEXT PRIMARY KEY, id INT, selector TEXT, pem TEXT)")
        self.add(db, 1, domain)
        return db

    def add(self, db, ident, domain):
        db.execute("INSERT INTO d VALUES (?, ?, 's1', ?)", (domain, ident, self.pem))

    def settings(self):
        spec = f"dsn:sqlite3://{self.folder}/keys.db/table=d?keycol="
        return {"SigningTable": spec + "domain?datacol=id", "KeyTable": spec + "id?datacol=domain,selector,pem", "Mode": "s",
                "CacheTTL": 0}


def test_sqlite_written_by_another(program, folder, shared_keys):
    """In WAL mode nobody waits for a writer."""
    site = Sqlite(folder, shared_keys["rsa1024"], "WAL")
    db = site.make("keys.db", "one.test")
    with Daemon(program, folder, site.settings()) as daemon:
        result, delivered = milter.one_shot(daemon.address, message("one.test"))
        assert result.signed, daemon.log()
        check_signed(shared_keys["rsa1024"], delivered, "one.test")
        db.execute("BEGIN IMMEDIATE")
        site.add(db, 2, "two.test")
        assert milter.one_shot(daemon.address, message("one.test"))[0].signed
        assert not milter.one_shot(daemon.address, message("two.test"))[0].signed
        db.execute("COMMIT")
        assert milter.one_shot(daemon.address, message("two.test"))[0].signed
        db.close()


def test_sqlite_replaced(program, folder, shared_keys):
    """Another file under the name is used at once; without a file the table is unavailable; then it is back."""
    site = Sqlite(folder, shared_keys["rsa1024"], "DELETE")
    site.make("keys.db", "one.test").close()
    with Daemon(program, folder, site.settings()) as daemon:
        assert milter.one_shot(daemon.address, message("one.test"))[0].signed, daemon.log()
        site.make("new.db", "three.test").close()
        (folder / "new.db").rename(folder / "keys.db")
        assert milter.one_shot(daemon.address, message("three.test"))[0].signed, daemon.log()
        assert not milter.one_shot(daemon.address, message("one.test"))[0].signed
        (folder / "keys.db").rename(folder / "away.db")
        assert tempfailed(milter.one_shot(daemon.address, message("three.test"))[0])
        (folder / "away.db").rename(folder / "keys.db")
        assert milter.one_shot(daemon.address, message("three.test"))[0].signed
        (folder / "keys.db").write_bytes(b"no database " * 1000)
        assert tempfailed(milter.one_shot(daemon.address, message("three.test"))[0]), daemon.log()


def test_known_rows_outlive_the_server(program, folder, server, postfixadmin):
    """With the cache, which is the default: senders that were seen go on being signed while the server is dead."""
    with Daemon(program, folder, {**postfixadmin, "CacheTTL": 1, "CacheNegativeTTL": 1}) as daemon:
        for domain in DOMAINS[:3]:
            assert milter.one_shot(daemon.address, message(domain))[0].signed, daemon.log()
        with Load(daemon.address, [message(d) for d in DOMAINS[:3]]) as load:
            server.kill()
            try:
                end = time.monotonic() + 6
                while time.monotonic() < end:
                    assert tempfailed(milter.one_shot(daemon.address, message(DOMAINS[4]))[0]), "it was never seen"
                    time.sleep(0.2)
            finally:
                server.start()
            send_until(daemon, DOMAINS[4], True)
        load.report("MariaDB dead for 6 s, rows cached")
        assert load.counts["signed"] > 50
        assert not any(load.counts[what] for what in ("tempfailed", "lost", "broken", "timed out")), dict(load.counts)


def test_a_changed_row_is_in_force(program, folder, server, postfixadmin):
    """CacheTTL later at the latest."""
    with Daemon(program, folder, {**postfixadmin, "CacheTTL": 1, "CacheNegativeTTL": 1}) as daemon:
        assert milter.one_shot(daemon.address, message(DOMAINS[0]))[0].signed
        assert not milter.one_shot(daemon.address, message("late.test"))[0].signed
        server.run(f"DELETE FROM dkim_signing WHERE author = '{DOMAINS[0]}'; "
                   "INSERT INTO dkim_signing(author, dkim_id) VALUES ('late.test', 2)", "mail")
        send_until(daemon, DOMAINS[0], False)
        send_until(daemon, "late.test", True)
