"""KeyStore in the hands of an operator at 3 a.m.: files gone, torn, put back, two at once, killed in the middle, clocks."""
import collections
import os
import random
import shutil
import sqlite3
import subprocess
import time

import pytest

from lib import mariadb, milter, patience, procs, stores
from lib.daemon import Daemon
from lib.load import Load

pytestmark = pytest.mark.signpost("a KeyStore is ours")

DATE = "Date: Tue, 01 Sep 2026 10:00:00 +0000\r\n"


def message(domain):
    return f"From: x@{domain}\r\nTo: t@sink.test\r\nSubject: x\r\n{DATE}\r\nHello.\r\n".encode()


@pytest.fixture
def store(folder, shared_keys):
    if stores.missing():
        pytest.skip(stores.missing())
    one = stores.sqlite_store(folder)
    one.load(f"tenant acme\ndomain acme acme.test\nkey acme acme.test r1 {shared_keys['rsa2048'].path} active=now\nbinding * acme\n")
    return one


@pytest.fixture(scope="module")
def server(module_folder):
    if mariadb.missing():
        pytest.skip(mariadb.missing())
    one = mariadb.MariaDB(module_folder).start()
    yield one
    one.stop()


@pytest.fixture
def on_server(folder, server, shared_keys):
    one = stores.mysql_store(server, folder)
    one.load(f"tenant acme\ndomain acme acme.test\nkey acme acme.test r1 {shared_keys['rsa2048'].path} active=now\nbinding * acme\n"
             + "".join(f"domain acme n{n}.test signs-as=acme.test\n" for n in range(500)))
    return one


def sent(daemon, domain="acme.test"):
    """"signed", "later" or "unsigned"."""
    result, _ = milter.one_shot(daemon.address, message(domain))
    return "signed" if result.signed else "later" if result.verdict == "tempfail" or result.text[:1] == "4" else "unsigned"


def copy_of(store, name="copy.db"):
    path = store.folder / name
    source, copy = sqlite3.connect(store.folder / "store.db"), sqlite3.connect(path)
    source.backup(copy)
    source.close()
    copy.close()
    return path


def remove(store):
    for suffix in ("", "-wal", "-shm"):
        (store.folder / f"store.db{suffix}").unlink(missing_ok=True)


def says(daemon, words):
    return procs.wait_until(lambda: words in daemon.log(), patience.seconds(20))


def test_deleted_made_anew_and_put_back(program, folder, store):
    """An empty store in place of a full one is not believed, and never lets known mail out unsigned."""
    with Daemon(program, folder, store.settings()) as daemon:
        # What it was told before it heard of changes for the first time it does not use without the store.
        for name in ("first.test", "second.test"):
            assert sent(daemon) == "signed" and sent(daemon, name) == "unsigned"
            store.load(f"domain acme {name} signs-as=acme.test\n")
            assert procs.wait_until(lambda name=name: sent(daemon, name) == "signed", patience.seconds(30)), daemon.log()
        assert sent(daemon) == "signed"
        copy = copy_of(store)
        remove(store)
        assert says(daemon, "put a backup back") and sent(daemon) == "signed" and sent(daemon, "other.test") == "later", daemon.log()
        assert store.run("load", "-", text="tenant x\n", good=False).returncode == 69
        store.run("init")
        assert says(daemon, "is at epoch 1, and 4 was seen before") and sent(daemon) == "signed" and sent(daemon, "other.test") == "later", daemon.log()
        remove(store)
        shutil.copyfile(copy, folder / "store.db")
        store.run("status")
        assert procs.wait_until(lambda: sent(daemon, "other.test") == "unsigned", patience.seconds(20)), daemon.log()[-800:]
        assert sent(daemon) == "signed"


def test_a_change_in_a_file_is_heard_at_once(program, folder, store):
    """The next question for changes would come in an hour."""
    with Daemon(program, folder, store.settings(KeyStorePollInterval=3600)) as daemon:
        for name in ("a.test", "b.test", "c.test"):
            assert sent(daemon) == "signed" and sent(daemon, name) == "unsigned"
            store.load(f"domain acme {name} signs-as=acme.test\n")
            assert procs.wait_until(lambda name=name: sent(daemon, name) == "signed", patience.seconds(30)), daemon.log()[-800:]


def test_a_store_of_before_is_brought_up_to_date(program, folder, store):
    """Nothing waits for it: before, meanwhile and after it is signed, and the notice comes once."""
    db = sqlite3.connect(folder / "store.db")
    db.executescript("DROP TABLE quotas; DROP TABLE providers; DROP TABLE tokens; DROP TABLE replies; DROP TABLE audit; DROP TABLE audit_head; "
                     "DROP TABLE gateways; DROP TABLE leases; DROP INDEX domains_due; DROP INDEX keys_loading; "
                     "ALTER TABLE domains DROP COLUMN life; ALTER TABLE domains DROP COLUMN due; "
                     "ALTER TABLE keys DROP COLUMN life; ALTER TABLE keys DROP COLUMN loading; "
                     "BEGIN; CREATE TABLE was (id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, last_change INTEGER NOT NULL, "
                     "trimmed INTEGER NOT NULL); INSERT INTO was SELECT id, epoch, last_change, trimmed FROM epoch; "
                     "DROP TABLE epoch; ALTER TABLE was RENAME TO epoch; DELETE FROM migrations WHERE version < 0; COMMIT")
    db.close()
    with Daemon(program, folder, store.settings(KeyStorePollInterval=1)) as daemon:
        assert sent(daemon) == "signed" and says(daemon, "has no identity")
        store.load("domain acme a.test signs-as=acme.test\n")
        assert procs.wait_until(lambda: sent(daemon, "a.test") == "signed", patience.seconds(20)), daemon.log()[-800:]
        store.run("init")
        assert sent(daemon) == "signed"
        store.load("domain acme b.test signs-as=acme.test\n")
        assert procs.wait_until(lambda: sent(daemon, "b.test") == "signed", patience.seconds(20)), daemon.log()[-800:]
        store.run("renew")
        store.load("domain acme c.test signs-as=acme.test\n")
        assert procs.wait_until(lambda: sent(daemon, "c.test") == "signed", patience.seconds(20)), daemon.log()[-800:]
        assert sent(daemon) == "signed" and daemon.log().count("has no identity") == 1, daemon.log()


@pytest.mark.parametrize("octets", [0, 100, 4096, 20000])
def test_truncated(program, folder, store, octets):
    with Daemon(program, folder, store.settings()) as daemon:
        assert sent(daemon) == "signed"
        db = sqlite3.connect(folder / "store.db")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        os.truncate(folder / "store.db", octets)
        assert says(daemon, "cannot be asked for changes")
        assert sent(daemon) == "signed" and sent(daemon, "other.test") == "later", daemon.log()[-800:]
        for words in (["check"], ["status"], ["load", "-"]):
            done = store.run(*words, text="tenant x\n", good=False)
            assert done.returncode == 69 and "store.db: " in done.stderr, (words, done)
            assert octets == 0 or "put a backup back" in done.stderr


def test_copy_that_only_others_can_open(program, folder, store):
    """A copy put back by root has no log yet, and the daemon may not make one."""
    if os.geteuid() != 0:
        pytest.skip("not root")
    copy = copy_of(store)
    for path, mode in ((folder, 0o755), (copy, 0o644)):
        path.chmod(mode)
    os.chown(store.site_key, 65534, 65534)
    with Daemon(program, folder, store.settings(KeyStore=f"sqlite:{copy}", UserID="nobody")) as daemon:
        assert sent(daemon) == "later" and "signpost store status" in daemon.log()
        stores.signpost("store", "status", "-s", f"sqlite:{copy}")
        assert procs.wait_until(lambda: sent(daemon) == "signed", patience.seconds(20)), daemon.log()[-800:]


def test_clock_set_back(program, folder, store):
    with Daemon(program, folder, store.settings(), extra=["-F", str(int(time.time()) - 86400)]) as daemon:
        assert sent(daemon) == "later" and " s by our clock" in daemon.log(), daemon.log()[-500:]


def test_full_disk(folder, shared_keys):
    small = folder / "small"
    small.mkdir()
    if stores.missing() or os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", small], capture_output=True).returncode != 0:
        pytest.skip("no small file system can be mounted")
    try:
        store = stores.Store(small, f"sqlite:{small}/store.db").init()
        text = "".join(f"tenant t{n}\ndomain t{n} d{n}.test\n" for n in range(5000))
        done = store.run("load", "-", text=text, good=False)
        assert done.returncode == 69 and "disk is full; make room" in done.stderr and "run the same command again" in done.stderr
        with open(small / "filler", "wb", buffering=0) as filler, pytest.raises(OSError):
            while filler.write(b"x" * 4096):
                pass
        kept = store.site_key.read_bytes()
        assert stores.signpost("store", "sitekey", "add", store.site_key, good=False).returncode == 71
        assert store.site_key.read_bytes() == kept
        (small / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=20m", small], check=True)
        store.load(text)
        assert store.load(text).stdout.startswith("signpost store load: 10000 lines: 0 added, 0 changed, 0 removed, 10000 unchanged")
    finally:
        subprocess.run(["umount", small], check=True)


def start(store, *words):
    return subprocess.Popen([stores.SIGNPOST.resolve(), "store", words[0], "-x", store.admin, *words[1:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def all_well(processes):
    for one in processes:
        out, errors = one.communicate(timeout=patience.seconds(120))
        assert one.returncode == 0, (one.args, out, errors)


def test_init_at_once(folder):
    if stores.missing():
        pytest.skip(stores.missing())
    for n in range(20):
        (folder / str(n)).mkdir()
        store = stores.Store(folder / str(n), f"sqlite:{folder}/{n}/store.db")
        all_well([start(store, "init") for _ in range(8)])
        store.load("tenant acme\n")


def test_load_waits_for_another_writer(store):
    """For longer than a reader would."""
    other = sqlite3.connect(store.spec.removeprefix("sqlite:"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    (store.folder / "lines").write_text("tenant late\n")
    one = start(store, "load", store.folder / "lines")
    two = start(store, "status")
    assert two.wait(patience.seconds(60)) == 0
    time.sleep(4)
    assert one.poll() is None, one.communicate()
    other.execute("COMMIT")
    all_well([one])


def test_load_killed_and_run_again(folder, store):
    lines = folder / "lines"
    lines.write_text("".join(f"tenant t{n}\ndomain t{n} d{n}.test\nrule t{n} r domain x{n}.test d{n}.test\nbinding login:@d{n}.test t{n}\n" for n in range(5000)))
    for _ in range(6):
        one = start(store, "load", lines)
        time.sleep(random.random() * 0.3)
        one.kill()
        one.communicate()
    store.run("load", lines)
    assert "0 added, 0 changed, 0 removed, 20000 unchanged, 0 failed" in store.run("load", lines).stdout
    assert "5001 tenants, 0 policies, 5001 domains, 5000 rules, 5001 bindings, 1 keys" in store.run("check", good=False).stdout


def test_all_at_once_while_it_signs(program, folder, store):
    """Loads of the same lines, reseals with a new site key, and a gateway that signs with those keys."""
    store.load("".join(f"domain acme q{n}.test\nkey acme q{n}.test s generate:ed25519 active=now\n" for n in range(300)))
    lines = folder / "lines"
    lines.write_text("".join(f"tenant t{n}\ndomain t{n} d{n}.test\nkey t{n} d{n}.test s generate:ed25519 active=now\n" for n in range(300)))
    with Daemon(program, folder, store.settings()) as daemon:
        with Load(daemon.address, [message(f"q{n}.test") for n in range(300)]) as load:
            for _ in range(3):
                for word in ("add", "activate"):
                    stores.signpost("store", "sitekey", word, store.site_key)
                all_well([start(store, "load", lines), start(store, "load", lines), start(store, "reseal"), start(store, "reseal")])
            load.wait(300)
        assert load.counts["signed"] and not load.lost and not load.counts["tempfailed"], (dict(load.counts), daemon.log()[-800:])
    store.run("reseal")
    assert "version 4 of the site key: 601 keys (it seals now)" in store.run("check").stdout


def test_site_key_replaced_half_way(program, folder, store):
    """What was read goes on; a key that needs the new version waits until the file is whole."""
    with Daemon(program, folder, store.settings()) as daemon:
        assert sent(daemon) == "signed"
        for word in ("add", "activate"):
            stores.signpost("store", "sitekey", word, store.site_key)
        whole = store.site_key.read_bytes()
        store.load("domain acme new.test\nkey acme new.test s generate:ed25519 active=now\n")
        for octets in (0, 20, len(whole) // 2, len(whole) - 1):
            store.site_key.write_bytes(whole[:octets])
            time.sleep(1.1)     # it is looked at once in a second
            assert sent(daemon, "new.test") != "signed" and sent(daemon) == "signed", octets
        store.site_key.write_bytes(whole)
        assert procs.wait_until(lambda: sent(daemon, "new.test") == "signed", patience.seconds(20)), daemon.log()[-800:]
        for line in whole.decode().splitlines():
            assert all(word not in daemon.log() for word in line.split() if len(word) > 20)


@pytest.mark.parametrize("action, verdict", [("tempfail", "later"), ("reject", "refused"), ("unsigned", "unsigned")])
def test_what_was_known_is_not_wanted(program, folder, store, action, verdict):
    """A policy other than store=stale: what is known of a sender, that nothing is said about it too, counts no more."""
    store.load("domain acme nokey.test\ntenant bolt\ndomain bolt bolt.test\n")
    with Daemon(program, folder, store.settings(FailurePolicy=f"store={action} no-key=unsigned")) as daemon:
        known = {"acme.test": "signed", "other.test": "unsigned", "nokey.test": "unsigned", "bolt.test": "unsigned"}
        assert {domain: sent(daemon, domain) for domain in known} == known
        remove(store)
        assert says(daemon, "cannot be asked for changes")
        for domain in known:
            result, _ = milter.one_shot(daemon.address, message(domain))
            got = "later" if result.text[:1] == "4" else "refused" if result.text[:1] == "5" else "unsigned"
            assert got == verdict and not result.signed, (domain, result, daemon.log()[-500:])
        assert daemon.log().count("its policy is not to use what was known") == len(known)


# ---- a server ----

def test_a_thousand_ask_once(program, folder, server, on_server):
    """1,000 messages of one domain that nobody knows yet, all at their end at once: one question of each kind."""
    with Daemon(program, folder, on_server.settings(KeyStorePollInterval=3600)) as daemon:
        assert sent(daemon) == "signed"
        sessions = []
        for _ in range(1000):
            session = milter.Session(daemon.address, timeout=patience.seconds(60))
            session.hello()
            session.envelope()
            headers, body = milter.split_message(message("n1.test"))
            session.headers(headers)
            session.body(body)
            session.macros(b"E", {b"i": b"Q"})
            sessions.append(session)
        server.run("SET GLOBAL log_output='TABLE'; TRUNCATE mysql.general_log; SET GLOBAL general_log=1")
        for session in sessions:
            session.send(b"E")
        ends = collections.Counter(session.final(changes=[]).signed for session in sessions)
        assert ends == {True: 1000}, (ends, daemon.log()[-2000:])
        server.run("SET GLOBAL general_log=0")
        asked = server.run("SELECT COUNT(*) FROM mysql.general_log WHERE command_type='Execute' AND user_host LIKE '%sp_reader%'")
        assert asked.split() == ["1"], "senders; bindings and keys were known"
        for session in sessions:
            session.quit()


READERS = "SELECT id, info FROM information_schema.processlist WHERE user='sp_reader' "


def kill_readers(server):
    for line in server.run(READERS).splitlines():
        server.ask(f"KILL {line.split()[0]}")


def test_connections_killed(program, folder, server, on_server):
    """KILL of each connection, all the time: nobody notices, and no descriptor stays."""
    with Daemon(program, folder, on_server.settings(CacheSize=0)) as daemon:
        assert sent(daemon) == "signed"
        with Load(daemon.address, [message(f"n{n}.test") for n in range(500)]) as load:
            end = time.monotonic() + 5
            while time.monotonic() < end:
                kill_readers(server)
                time.sleep(0.2)
        assert load.counts["signed"] > 100 and not load.lost, dict(load.counts)
        assert load.counts["tempfailed"] * 20 < load.counts["signed"], (dict(load.counts), daemon.log()[-800:])
        assert sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in daemon.tree()) < 80


def test_refused_for_a_while(program, folder, server, on_server):
    """A lock of somebody else's and too many connections: the sentence says what to do, and it goes on by itself."""
    with Daemon(program, folder, on_server.settings(CacheSize=0)) as daemon:
        assert sent(daemon) == "signed"
        with server.holding("BEGIN; UPDATE epoch SET epoch = epoch", "signpost"):
            assert sent(daemon) == "signed", "readers do not wait for writers"
            done = on_server.run("load", "-", text="tenant late\n", good=False)
            assert done.returncode == 69 and "SHOW PROCESSLIST" in done.stderr, done
        on_server.load("tenant late\n")
        # Without a cache nobody asks while there is no mail.
        server.run("ALTER USER 'sp_reader'@'127.0.0.1' WITH MAX_USER_CONNECTIONS 1")
        kill_readers(server)
        holders = []

        def held():
            """Who was killed may be counted still, and the only place be taken: then once more."""
            if not holders or holders[-1].poll() is not None:
                holders.append(subprocess.Popen([mariadb.CLIENT, "--no-defaults", "-h127.0.0.1", f"-P{server.port}", "-usp_reader", "-preader-secret",
                                                 "-e", "SELECT SLEEP(1000)"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            return "SLEEP" in server.run(READERS)
        try:
            assert procs.wait_until(held, patience.seconds(20))
            assert procs.wait_until(lambda: sent(daemon) == "later" and "give this user more connections" in daemon.log(), patience.seconds(20)), daemon.log()[-800:]
        finally:
            for holder in holders:
                holder.kill()
                holder.wait()
            server.run("ALTER USER 'sp_reader'@'127.0.0.1' WITH MAX_USER_CONNECTIONS 0")
            kill_readers(server)
        assert procs.wait_until(lambda: sent(daemon) == "signed", patience.seconds(20)), daemon.log()[-800:]
