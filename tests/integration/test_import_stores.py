"""signpost import again and again: with MariaDB and a directory as the key store behind signpost-admind, and over TLS with a token.
The second time there is nothing to do; what was lost on the way is brought, and nothing else.
"""
import json
import os
import subprocess

import pytest

from lib import api, keys, mariadb, patience, stores
from test_bulk_stores import KINDS, pytestmark  # noqa: F401  pylint: disable=unused-import

COUNT = 60      # domains: more than import asks about one by one
POOL = 6


@pytest.fixture(scope="module")
def made(module_folder):
    return [keys.make_key("ed25519", module_folder / f"{i}.private").path.read_text() for i in range(POOL)]


@pytest.fixture(params=KINDS)
def place(request, folder):
    kind, missing = KINDS[request.param]
    if missing():
        pytest.skip(missing())
    one = kind(folder)
    yield one
    one.stop()


def site(folder, made, count=COUNT):
    """Keys as rspamd leaves them."""
    folder.mkdir(exist_ok=True)
    for i in range(count):
        path = folder / f"d{i}.moved.test.s{i % 3}.key"
        path.write_text(made[i % POOL])
        path.chmod(0o600)
    return folder


def importing(*words, code=0):
    done = subprocess.run([stores.SIGNPOST.resolve(), "import", "directory", "-t", "acme", "--no-dns", *map(str, words)], capture_output=True,
                          text=True, timeout=patience.seconds(180))
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done


def summary(*words):
    rows = [json.loads(line) for line in importing("--json", *words).stdout.splitlines()]
    return {row["finding"] for row in rows if "finding" in row}, [row["summary"] for row in rows if "summary" in row][0]


def comes_and_stays(service, here, where):
    """All, then nothing, then what was lost."""
    _, before = summary(*where, here)
    assert before["new_domains"] == before["new_keys"] == COUNT and before["errors"] == 0, before
    assert " 0 refused" in importing(*where, "--apply", here).stderr
    assert "0 rows written, 0 refused" in importing(*where, "--apply", here).stderr
    findings, after = summary(*where, here)
    assert after["new_domains"] == after["new_keys"] == after["errors"] == 0, after
    assert not findings & {"other-key", "other-owner", "signs-already", "refused", "does-not-sign"}, findings
    for number in (7, 51):  # keys that never were in DNS may go, and their domains with them
        service.cli("domain", "add", f"more{number}.moved.test", "acme")
        name = here / f"more{number}.moved.test.s.key"
        name.write_text((here / "d0.moved.test.s0.key").read_text())
        name.chmod(0o600)
    assert "2 rows written, 0 refused" in importing(*where, "--apply", here).stderr
    found = [key for i in range(COUNT) for key in service.cli("key", "list", f"d{i}.moved.test")["result"]["keys"]]
    assert len(found) == COUNT and all(key["signs"] for key in found)


def test_by_the_socket(folder, made, place):
    with api.Service(place.store) as service:
        comes_and_stays(service, site(folder / "keys", made), ("--socket", service.socket))


def test_over_tls_with_a_token(folder, made):
    if mariadb.missing():
        pytest.skip(mariadb.missing())
    authority = mariadb.Authority(folder)
    certificate, key = authority.certificate("admin")
    key.chmod(0o600)
    store = stores.sqlite_store(folder)
    with api.Service(store, AdminCertificateFile=certificate, AdminKeyFile=key) as service:
        service.cli("tenant", "add", "acme")
        secret = folder / "token"
        secret.write_text(service.token("role:owner keys:unsafe", "acme") + "\n")
        secret.chmod(0o600)
        here = site(folder / "keys", made)
        where = ("--url", f"https://127.0.0.1:{service.port}", "--ca", authority.path, "--token-file", secret)
        comes_and_stays(service, here, where)
        # What belongs to others is not there, and is not said whose it is.
        other = folder / "other"
        other.write_text(service.token("keys:read domains:read", "acme") + "\n")
        other.chmod(0o600)
        assert summary(*where[:-1], other, here)[1]["new_keys"] == 0
        path = here / "late.moved.test.s.key"
        path.write_text(made[0])
        path.chmod(0o600)
        refused = importing(*where[:-1], other, "--apply", here, code=1)
        assert "forbidden" in refused.stdout + refused.stderr and "PRIVATE" not in refused.stdout + refused.stderr
        assert os.path.exists(path)
