"""1,000 messages at once of a domain that is in no cache yet: the key store in MariaDB is asked once for each thing, and the
key is parsed once.

The server writes down what it executes (general_log). The store is asked for changes so rarely that this is not in it.
By the load generator of tests/bench (make tests/bench/miltergen).
"""
import json
import resource
import subprocess
from collections import Counter

import pytest

from lib import mariadb, patience, procs, stores
from lib.daemon import Daemon
from test_many_connections import generator

pytestmark = pytest.mark.signpost("only signpostd has key stores")

MESSAGES = 1000
FILES = 2 * MESSAGES + 200
DOMAIN = "d000000.example"  # the generator's first one
TENANT = "flight"


@pytest.fixture(scope="module")
def server(module_folder):
    if mariadb.missing() or stores.missing() or not generator().exists():
        pytest.skip(mariadb.missing() or stores.missing() or "no load generator: make tests/bench/miltergen")
    one = mariadb.MariaDB(module_folder).start("--max-connections=300", "--log-output=TABLE")
    yield one
    one.stop()


@pytest.fixture
def many_files():
    """A connection is a file of the generator's and one of the daemon's."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < FILES:
        pytest.skip(f"no more than {before[1]} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], FILES), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def send_all_at_once(daemon):
    argv = [generator(), "--json", "--socket", daemon.spec.replace("local:", "unix:"), "--connections", MESSAGES, "--messages", 1,
            "--total", MESSAGES, "--domains", 1, "--body", 500, "--timeout", int(patience.seconds(120) * 1000)]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=patience.seconds(300))
    assert done.returncode == 0, (done.stdout[-500:], done.stderr[-500:], daemon.log()[-1000:])
    return json.loads(done.stdout.splitlines()[-1])


def executed(server):
    """statement -> how often, with the values in it; what opens a connection left out."""
    rows = server.run("SELECT CONVERT(argument USING utf8mb4) FROM general_log "
                      "WHERE command_type = 'Execute' AND user_host LIKE '%sp\\_reader%'", "mysql").splitlines()
    return Counter(" ".join(row.split()) for row in rows)


def keys_in_memory(path):
    """As the metrics have it; None as long as they are not written."""
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith('signpost_parsed_keys{alg="rsa-2048"}'):
            return int(line.split()[-1])
    return None


def test_one_look_up_for_all(program, folder, server, shared_keys, many_files):
    store = stores.mysql_store(server, folder)
    store.load(f"tenant {TENANT}\ndomain {TENANT} {DOMAIN}\n"
               f"key {TENANT} {DOMAIN} sel {shared_keys['rsa2048'].path} active=now\n"
               f"binding client:127.0.0.1/32 {TENANT}\n")
    settings = store.settings(KeyStorePollInterval=3600, KeeperThreads=64, MetricsFile=folder / "metrics", MetricsInterval=1)
    with Daemon(program, folder, settings) as daemon:
        server.run("TRUNCATE general_log; SET GLOBAL general_log = ON", "mysql")
        result = send_all_at_once(daemon)
        server.run("SET GLOBAL general_log = OFF")
        assert result["signed"] == MESSAGES, (result, daemon.log()[-1000:])
        asked = executed(server)
        assert [statement for statement in asked if DOMAIN in statement], asked
        assert set(asked.values()) == {1}, asked
        # One key, whoever waited for it.
        assert procs.wait_until(lambda: keys_in_memory(folder / "metrics") == 1), keys_in_memory(folder / "metrics")
