"""Two MariaDB servers in replication, the reader 10 seconds behind: a key is changed at the writer under mail, and not one
message is unsigned or signed with a key whose record is not there."""
import time

import pytest

from lib import mariadb, milter, patience, stores, verify
from lib.daemon import Daemon
from lib.load import Load

pytestmark = pytest.mark.signpost("a KeyStore is ours")

BEHIND_S = 10
MESSAGE = b"From: alice@acme.test\r\nTo: t@sink.test\r\nSubject: x\r\nDate: Tue, 01 Sep 2026 10:00:00 +0000\r\n\r\nHello.\r\n"


@pytest.fixture
def pair(folder):
    """(writer, reader): the reader applies each change BEHIND_S after it was made."""
    if mariadb.missing() or stores.missing():
        pytest.skip(mariadb.missing() or stores.missing())
    servers = []
    try:
        for number, name in enumerate(("writer", "reader"), 1):
            (folder / name).mkdir()
            servers.append(mariadb.MariaDB(folder / name).start(f"--server-id={number}", "--log-bin=bin", "--binlog-format=ROW",
                                                                f"--relay-log={name}-relay"))
        writer, reader = servers
        writer.run("CREATE USER 'copy'@'127.0.0.1' IDENTIFIED BY 'copy-secret'; GRANT REPLICATION SLAVE ON *.* TO 'copy'@'127.0.0.1'")
        reader.run(f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={writer.port}, MASTER_USER='copy', "
                   f"MASTER_PASSWORD='copy-secret', MASTER_USE_GTID=slave_pos; START SLAVE; SET GLOBAL read_only=ON")
        yield writer, reader
    finally:
        for server in servers:
            server.stop()


def caught_up(writer, reader):
    wanted = writer.run("SELECT @@gtid_binlog_pos").strip()
    end = time.monotonic() + patience.seconds(60)
    while wanted not in reader.run("SELECT @@gtid_slave_pos"):
        assert time.monotonic() < end, reader.run("SHOW SLAVE STATUS")
        time.sleep(0.1)


def test_reader_behind(program, folder, pair, shared_keys):
    writer, reader = pair
    store = stores.mysql_store(writer, folder)
    store.load("tenant acme\ndomain acme acme.test\n"
               f"key acme acme.test old {shared_keys['rsa2048'].path} active=now\nbinding client:127.0.0.1/32 acme\n")
    caught_up(writer, reader)
    reader.run(f"STOP SLAVE; CHANGE MASTER TO MASTER_DELAY={BEHIND_S}; START SLAVE")
    store.spec = store.spec.replace(str(writer.port), str(reader.port))
    with Daemon(program, folder, store.settings()) as daemon:
        assert milter.one_shot(daemon.address, MESSAGE)[0].signed, daemon.log()
        with Load(daemon.address, [MESSAGE], threads=2) as load:
            before = time.monotonic()
            store.load(f"key acme acme.test old {shared_keys['rsa2048'].path} active=now retiring=now\n"
                       f"key acme acme.test new {shared_keys['rsa1024'].path} active=now\n")
            while not any(b"s=new" in sample for sample in [milter.one_shot(daemon.address, MESSAGE)[1]]):
                assert time.monotonic() - before < BEHIND_S + patience.seconds(60), daemon.log()[-2000:]
                time.sleep(0.2)
            took = time.monotonic() - before
        load.report(f"a reader {BEHIND_S} s behind")
    print(f"the new key signs {took:.1f} s after the change at the writer")
    assert took > BEHIND_S / 2, "the reader was not behind: nothing was tested"
    assert not any(load.counts[what] for what in ("tempfailed", "lost", "broken", "timed out")), dict(load.counts)
    records = {"old._domainkey.acme.test": shared_keys["rsa2048"].record, "new._domainkey.acme.test": shared_keys["rsa1024"].record}
    sample = {str(n): m for n, m in enumerate(load.samples[::max(1, len(load.samples) // 200)])}
    assert all(found == [("acme.test", "pass")] for found in verify.VERIFIERS[0].verify(sample, records).values())
