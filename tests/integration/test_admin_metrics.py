"""signpost-admind's /healthz, /readyz and /metrics as they come over HTTP: who hears what, numbers that are those of the
store, and a store that goes away. And what signpostd says of its stores."""
import contextlib
import http.client
import json
import signal

import pytest

from lib import lifecycle, mariadb, procs, stores
from lib.daemon import Daemon
from lib.lifecycle import Admin

pytestmark = [pytest.mark.signpost("OpenDKIM has no administration"),
              pytest.mark.skipif(lifecycle.program() is None, reason="signpost-admind is not built")]
DOMAINS = 12
WORLD = "tenant acme\n" + "".join(f"domain acme d{n}.example.com\n" for n in range(DOMAINS))


@contextlib.contextmanager
def listening(store):
    port = procs.free_port()
    with Admin(store, None, AdminListen=f"127.0.0.1:{port}") as running:
        running.port = port
        procs.wait_connect(("127.0.0.1", port), proc=running.process)
        yield running


@pytest.fixture
def admin(folder):
    store = stores.sqlite_store(folder)
    store.load(WORLD)
    with listening(store) as running:
        yield running


def get(admin, path, token=None):
    """Status, type, text."""
    connection = http.client.HTTPConnection("127.0.0.1", admin.port, timeout=60)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers["Content-Type"], text


def token(admin, *words):
    """The secret of a new one."""
    return admin.cli("token", "add", *words)["result"]["secret"]


def numbers(text):
    """{'name{label="value"}': number}"""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_who_hears_what(admin):
    monitor = token(admin, "--scopes", "metrics:read")
    other = token(admin, "--scopes", "keys:read")
    tenants = token(admin, "--scopes", "metrics:read", "--tenant", "acme")
    assert get(admin, "/healthz") == (200, "text/plain; charset=utf-8", "ok\n")
    assert procs.wait_until(lambda: get(admin, "/readyz")[0] == 200)
    assert json.loads(get(admin, "/readyz")[2]) == {"ready": True}
    assert json.loads(get(admin, "/readyz", other)[2]) == {"ready": True}
    said = json.loads(get(admin, "/readyz", monitor)[2])["components"]
    assert said["store"]["state"] == "up" and said["site_key"]["state"] == "open", said
    assert get(admin, "/readyz", "spt_" + "A" * 43)[0] == 401
    for secret, status in ((None, 401), (other, 403), (tenants, 403), (monitor, 200)):
        code, kind, text = get(admin, "/metrics", secret)
        assert code == status, (secret, code)
        assert ("signpost_store_up" in text) == (status == 200)
    assert kind == "text/plain; version=0.0.4"
    assert get(admin, "/metrics?x=1", monitor)[0] == 400


def test_numbers_are_those_of_the_store(admin):
    monitor = token(admin, "--scopes", "metrics:read")

    def now():
        return numbers(get(admin, "/metrics", monitor)[2])

    assert procs.wait_until(lambda: now().get("signpost_domains") == DOMAINS)
    admin.cli("domain", "add", "new.example.org", "acme")
    admin.cli("key", "generate", "new.example.org", "--algorithm", "ed25519-sha256")
    assert procs.wait_until(lambda: now().get("signpost_domains") == DOMAINS + 1
                            and sum(n for name, n in now().items() if name.startswith("signpost_key_state")) == 1)
    found = now()
    assert found['signpost_store_up{store="keystore"}'] == 1
    assert found["signpost_reconciler_leader"] == 1 and found["signpost_reconciler_frozen"] == 0
    assert found["signpost_site_key"] == 1 and found["signpost_rotation_stuck"] == 0
    assert found['signpost_http_answers_total{class="2xx"}'] >= 1
    heads = [name for name in found if name.startswith("signpost_audit_head_info")]
    assert len(heads) == 1 and 'seq="' in heads[0]
    assert "example" not in get(admin, "/metrics", monitor)[2]


@pytest.mark.skipif(mariadb.missing() is not None, reason="no MariaDB")
def test_a_store_that_goes_away(program, folder):
    (folder / "sql").mkdir()
    server = mariadb.MariaDB(folder / "sql").start()
    try:
        store = stores.mysql_store(server, folder)
        store.load(WORLD)
        with listening(store) as admin, Daemon(
                program, folder, store.settings(MetricsFile=f"{folder}/metrics", MetricsInterval=1)):

            def up():
                path = folder / "metrics"
                return numbers(path.read_text()).get('signpost_store_up{store="keystore"}') if path.exists() else None

            assert procs.wait_until(lambda: get(admin, "/readyz")[0] == 200 and up() == 1)
            server.signal(signal.SIGSTOP)
            assert procs.wait_until(lambda: get(admin, "/readyz")[0] == 503 and up() == 0)
            assert get(admin, "/healthz")[0] == 200
            assert "127.0.0.1" not in get(admin, "/readyz")[2]
            server.signal(signal.SIGCONT)
            assert procs.wait_until(lambda: get(admin, "/readyz")[0] == 200 and up() == 1)
    finally:
        server.stop()
