"""Quotas of tenants: what the API refuses when a tenant would have too much, with its rows in SQLite, MariaDB and slapd. Two
servers and many requests at once are not one too many; what was refused leaves nothing; a store without room for quotas.

The answers themselves are held against the document in test_api.py; the rows: test_adminrows.py; time: tests/unit/test_quota.c.
"""
import json
import re
import sqlite3

import pytest

from lib import api, ldapstore, lifecycle, mariadb, patience, procs, stores

pytestmark = pytest.mark.skipif(lifecycle.program() is None or stores.missing() is not None, reason="signpost-admind or signpost is not built")
LINES = {"kind": "application/x-ndjson"}


def make_store(kind, folder):
    """The store, and the server that is to be stopped."""
    if kind == "sqlite":
        return stores.sqlite_store(folder), None
    if kind == "mariadb":
        if mariadb.missing():
            pytest.skip(mariadb.missing())
        server = mariadb.MariaDB(folder).start()
        return stores.mysql_store(server, folder), server
    if ldapstore.missing():
        pytest.skip(ldapstore.missing())
    server = ldapstore.Directory(folder)
    server.load(ldapstore.top())
    server.start()
    return stores.ldap_store(server, folder), server


@pytest.fixture(scope="module", params=["sqlite", "mariadb", "slapd"])
def service(request, module_folder):
    place = module_folder / request.param
    place.mkdir()
    store, server = make_store(request.param, place)
    with api.Service(store) as one:
        yield one
    if server:
        server.stop()


@pytest.fixture(scope="module")
def root(service):
    return service.client(service.token("*"))


def tenant(service, name, **limits):
    """A new tenant with these limits, and a client of its owner."""
    words = [word for limit, value in limits.items() for word in (f"--max-{limit}", value)]
    service.cli("tenant", "add", name, *words)
    return service.client(service.token("role:owner", name))


def refused(answer, *words):
    assert (answer.status, answer.code, answer.json["retryable"]) == (403, "quota-exceeded", False), answer.octets
    for word in words:
        assert word in answer.json["detail"], answer
    return answer


def domains(client, name):
    return f"/v1/tenants/{name}/domains"


def add(client, name, domain, **words):
    return client.post(domains(client, name), {"domain": domain}, **words)


def usage(root, name):
    return root.good("GET", f"/v1/tenants/{name}")["tenant"].get("usage")


def audited(root, name):
    return [(r["action"], r["object"]) for r in root.good("GET", f"/v1/audit?tenant={name}&limit=500")["audit"] if r["action"] != "token.add"]


def test_what_a_tenant_is_given(service, root):
    made = root.good("POST", "/v1/tenants", {"tenant": "given", "quota": {"domains": 3, "keys": None}})["tenant"]
    assert made["quota"] == {"domains": 3, "keys": None, "rotations_per_day": None, "requests_per_minute": None}
    shown = root.get("/v1/tenants/given")
    assert shown.json["tenant"]["quota"] == made["quota"] and shown.json["tenant"]["usage"] == {"domains": 0, "keys": 0, "rotations_today": 0}
    # What is not named stays; each change of it is one of the tenant.
    changed = root.ask("PATCH", "/v1/tenants/given", {"quota": {"requests_per_minute": 600, "domains": 4}}, etag=shown.etag)
    assert changed.status == 200 and changed.json["tenant"]["quota"] == {"domains": 4, "keys": None, "rotations_per_day": None, "requests_per_minute": 600}
    stale = root.ask("PATCH", "/v1/tenants/given", {"quota": {"domains": 5}}, etag=shown.etag)
    assert (stale.status, stale.code) == (412, "precondition-failed"), stale
    assert root.ask("PATCH", "/v1/tenants/given", {"enabled": False}, etag="*").json["tenant"]["quota"]["domains"] == 4
    for wrong in ({"domains": -1}, {"domains": "3"}, {"domains": 1.5}, {"domains": 1000000001}, {"requests_per_minute": 0}, {"nope": 1}, {"keys": True}):
        answer = root.ask("PATCH", "/v1/tenants/given", {"quota": wrong}, etag="*")
        assert (answer.status, answer.code) == (400, "validation") and answer.json["errors"][0]["pointer"] == "/quota", answer
    for wrong in (3, [], None, "x"):
        assert root.ask("PATCH", "/v1/tenants/given", {"quota": wrong}, etag="*").status == 400
    assert root.good("GET", "/v1/tenants/given")["tenant"]["quota"]["domains"] == 4
    # Its owner sees it, and cannot help himself.
    owner = service.client(service.token("* tenants:write", "given"))
    assert owner.good("GET", "/v1/tenants/given")["tenant"]["quota"]["domains"] == 4
    answer = owner.ask("PATCH", "/v1/tenants/given", {"quota": {"domains": 99}}, etag="*")
    assert (answer.status, answer.code) == (403, "forbidden"), answer
    # Without limits it has no quota, and goes as one that never had one.
    none = dict.fromkeys(made["quota"])
    assert "quota" not in root.ask("PATCH", "/v1/tenants/given", {"quota": none}, etag="*").json["tenant"]
    assert usage(root, "given") is None
    assert root.ask("PATCH", "/v1/tenants/given", {"quota": {"keys": 7}}, etag="*").status == 200
    assert [a for a, _ in audited(root, "given")].count("tenant.set") == 4


def test_a_tenant_goes_with_its_quota(service, root):
    service.cli("tenant", "add", "goes", "--max-domains", 3)
    assert root.ask("DELETE", "/v1/tenants/goes", etag="*", dry=True).status == 200
    assert root.ask("DELETE", "/v1/tenants/goes", etag="*").status == 200
    service.cli("tenant", "add", "goes")
    assert usage(root, "goes") is None


def test_domains(service, root):
    owner = tenant(service, "few", domains=2)
    assert add(owner, "few", "few1.example").status == 201
    assert add(owner, "few", "few2.example", dry=True).status == 200 and add(owner, "few", "few2.example").status == 201
    before = audited(root, "few")
    for words in ({}, {"dry": True}):
        refused(add(owner, "few", "few3.example", **words), "few", "domains is 2", "1 more")
    put = owner.ask("PUT", f"{domains(owner, 'few')}/few3.example", {}, fields=[("If-None-Match", "*")])
    refused(put, "domains is 2")
    # The operator is held to it as well; the same as before is no more than before.
    refused(add(root, "few", "few3.example"), "domains is 2")
    assert owner.ask("PUT", f"{domains(owner, 'few')}/few2.example", {"enabled": True}, etag="*").status == 200
    assert owner.get(f"{domains(owner, 'few')}/few3.example").status == 404
    assert [row for row in audited(root, "few") if row[0] != "domain.put"] == before
    # One goes, another one comes, at once.
    assert owner.ask("DELETE", f"{domains(owner, 'few')}/few1.example", etag="*").status == 200
    assert add(owner, "few", "few3.example").status == 201
    refused(add(owner, "few", "few1.example"))
    service.cli("tenant", "set", "few", "--max-domains", 3)
    assert add(owner, "few", "few1.example").status == 201
    refused(add(owner, "few", "few4.example"))
    service.cli("tenant", "set", "few", "--max-domains", 1)
    refused(add(owner, "few", "few4.example"), "domains is 1", "3")
    service.cli("tenant", "set", "few", "--max-domains", "none")
    assert add(owner, "few", "few4.example").status == 201
    assert "quota" not in root.good("GET", "/v1/tenants/few")["tenant"]


def test_the_same_request_again(service, root):
    """What was done is answered again, also when it could not be done any more."""
    owner, key = tenant(service, "again", domains=1), api.new_key()
    assert add(owner, "again", "again1.example", key=key).status == 201
    refused(add(owner, "again", "again2.example"))
    replayed = add(owner, "again", "again1.example", key=key)
    assert replayed.status == 201 and replayed.field("Idempotency-Replayed") == "true"


def test_keys(service, root):
    owner = tenant(service, "keyed", keys=3)
    assert add(owner, "keyed", "k1.example").status == 201 and add(owner, "keyed", "k2.example").status == 201
    place = [f"{domains(owner, 'keyed')}/k{n}.example/keys" for n in (1, 2)]
    for n in range(3):
        assert owner.post(place[n % 2], {"algorithm": "ed25519-sha256", "selector": f"s{n}"}).status == 201
    refused(owner.post(place[1], {"algorithm": "ed25519-sha256", "selector": "s3"}), "keys is 3", "1 more")
    assert usage(root, "keyed") == {"domains": 2, "keys": 3, "rotations_today": 0}
    # A key that is destroyed does not count; its row stays.
    assert owner.ask("DELETE", f"{place[0]}/s0", etag="*").status in (200, 202)
    assert owner.post(place[1], {"algorithm": "ed25519-sha256", "selector": "s3"}).status == 201
    refused(owner.post(place[0], {"algorithm": "ed25519-sha256", "selector": "s4"}))


def managed(service, name, folder):
    """A policy whose domains can be rotated."""
    (folder / "plan.json").write_text(json.dumps({"manage": True, "publisher": "manual", "algorithms": ["ed25519"]}))
    service.cli("policy", "set", name, "std", "--plan", folder / "plan.json")


def test_rotations(service, root, folder):
    owner = tenant(service, "turns", rotations=3)
    managed(service, "turns", folder)
    here = [f"{domains(owner, 'turns')}/t{n}.example" for n in range(5)]
    for n in range(5):
        assert owner.post(domains(owner, "turns"), {"domain": f"t{n}.example", "policy": "std"}).status == 201
    # Far away, so that none of them ends.
    when = {"reason": "a test", "not_before": "2099-01-01T00:00:00Z"}
    assert owner.post(f"{here[0]}/rotations", when, dry=True).status == 200 and usage(root, "turns")["rotations_today"] == 0
    assert owner.post(f"{here[0]}/rotations", when).status == 202 and usage(root, "turns")["rotations_today"] == 1
    assert owner.post(f"{here[0]}/rotations", when).code == "rotation-in-progress"
    # Of all of them as many as may be; the others are named.
    answer = owner.good("POST", "/v1/tenants/turns/rotations", when)
    assert (answer["asked"], answer["refused"]) == (2, 3), answer
    assert sorted(d["code"] for d in answer["domains"]) == ["ok", "ok", "quota-exceeded", "quota-exceeded", "rotation-in-progress"], answer
    assert usage(root, "turns")["rotations_today"] == 3
    left = [place for place in here if place.rsplit("/", 1)[1] in {d["domain"] for d in answer["domains"] if d["code"] == "quota-exceeded"}]
    refused(owner.post(f"{left[0]}/rotations", when), "rotations in a day (of UTC) is 3")
    refused(root.post(f"{left[0]}/rotations", when), "rotations in a day (of UTC) is 3")
    service.cli("tenant", "set", "turns", "--max-rotations", 4)
    assert owner.post(f"{left[0]}/rotations", when).status == 202
    refused(owner.post(f"{left[1]}/rotations", when), "rotations in a day (of UTC) is 4")


def test_many_at_once_are_not_one_too_many(service, root):
    """Two servers, eight requests at a time: exactly as many as may be."""
    owner = tenant(service, "crowd", domains=30)
    with api.Service(service.store, name="crowd-second") as second:
        clients = [one.client(owner.token, keep=True) for one in (service, second) for _ in range(4)]
        calls = [lambda c=client, n=n: [add(c, "crowd", f"crowd{n}-{i}.example") for i in range(6)] for n, client in enumerate(clients)]
        answers = [a for some in api.together(*calls) for a in some]
        for client in clients:
            client.close()
    good = [a for a in answers if a.status == 201]
    bad = [a for a in answers if a.status != 201]
    assert len(good) == 30, [(a.status, a.octets[:200]) for a in bad]
    for answer in bad:
        refused(answer, "domains is 30")
    assert usage(root, "crowd")["domains"] == 30
    assert [a for a, _ in audited(root, "crowd")].count("domain.add") == 30


def test_a_list_ends_where_the_quota_does(service, root):
    owner = tenant(service, "listed", domains=120)
    lines = [json.dumps({"operation": "domain.add", "arguments": {"domain": f"listed{n}.example", "tenant": "listed"}}) for n in range(300)]
    answer = owner.post("/v1/bulk", ("\n".join(lines) + "\n").encode(), **LINES)
    *found, last = [json.loads(each) for each in answer.octets.splitlines()]
    assert {f["code"] for f in found} == {"ok", "quota-exceeded"} and sum(f["count"] for f in found if f["code"] == "ok") == 120, found[:3]
    assert (last["summary"]["done"], last["summary"]["failed"]) == (120, 180), last
    assert usage(root, "listed")["domains"] == 120
    # With more room the rest of the same list is done.
    service.cli("tenant", "set", "listed", "--max-domains", 300)
    answer = owner.post("/v1/bulk", ("\n".join(lines) + "\n").encode(), **LINES)
    *found, last = [json.loads(each) for each in answer.octets.splitlines()]
    assert {f["code"] for f in found} == {"ok"} and (last["summary"]["done"], last["summary"]["replayed"]) == (180, 120), last


def test_rates(service, root):
    owner = tenant(service, "quick", requests=5)
    for left in range(4, -1, -1):
        answer = owner.get("/v1/tenants/quick")
        assert answer.status == 200 and answer.field("RateLimit-Policy") == '"requests";q=5;w=60', answer
        assert re.fullmatch(rf'"requests";r={left};t=\d+', answer.field("RateLimit")), answer
    for target, method in (("/v1/tenants/quick", "GET"), ("/v1/nowhere", "GET"), ("/v1/bulk", "POST")):
        answer = owner.ask(method, target, b"{}\n" if method == "POST" else None, key=api.new_key(), **(LINES if method == "POST" else {}))
        assert (answer.status, answer.code, answer.json["retryable"]) == (429, "rate-limited", True), answer
        assert 1 <= int(answer.field("Retry-After")) <= 12 and answer.field("RateLimit").startswith('"requests";r=0;t='), answer
    # Another token of it has no more; the operator, and other tenants, are not held to it.
    assert service.client(service.token("role:owner", "quick")).get("/v1/tenants/quick").status == 429
    assert root.get("/v1/tenants/quick").status == 200 and root.get("/v1/tenants/quick").field("RateLimit") is None
    other = tenant(service, "slow")
    assert other.get("/v1/tenants/slow").field("RateLimit") is None
    service.cli("tenant", "set", "quick", "--max-requests", "none")
    assert procs.wait_until(lambda: owner.get("/v1/tenants/quick").status == 200, patience.seconds(20))
    assert owner.get("/v1/tenants/quick").field("RateLimit") is None


def test_the_command_line(service):
    service.cli("tenant", "add", "cli", "--max-domains", 2, "--max-keys", 0, "--max-rotations", 4, "--max-requests", 1000)
    text = service.text("tenant", "show", "cli")
    assert {"quota.domains: 2", "quota.keys: 0", "quota.rotations_per_day: 4", "usage.rotations_today: 0"} <= set(text.splitlines()), text
    done = service.cli("tenant", "set", "cli", "--max-domains", "many", good=False)
    assert done.returncode == 64 and '"many" is no number' in done.stderr, done
    done = service.cli("tenant", "set", "cli", "--max-requests", 0, good=False)
    assert done.returncode != 0 and "requests_per_minute" in done.stdout + done.stderr, done


def test_a_new_day(folder):
    """Rotations of the day before do not count."""
    store = stores.sqlite_store(folder)
    with api.Service(store) as service:
        owner, root = tenant(service, "acme", rotations=1), service.client(service.token("*"))
        managed(service, "acme", folder)
        when = {"reason": "a test", "not_before": "2099-01-01T00:00:00Z"}
        for n in range(2):
            assert owner.post(domains(owner, "acme"), {"domain": f"a{n}.example", "policy": "std"}).status == 201
        assert owner.post("/v1/tenants/acme/domains/a0.example/rotations", when).status == 202
        refused(owner.post("/v1/tenants/acme/domains/a1.example/rotations", when))
        with sqlite3.connect(folder / "store.db", timeout=patience.seconds(30)) as db:
            assert db.execute("UPDATE quotas SET day = day - 1, revision = revision + 1 WHERE rotated = 1").rowcount == 1
        db.close()
        assert usage(root, "acme")["rotations_today"] == 0
        assert owner.post("/v1/tenants/acme/domains/a1.example/rotations", when).status == 202 and usage(root, "acme")["rotations_today"] == 1


def test_a_store_of_before(folder):
    """Nobody is held to anything, and that is said once; as soon as there is room it is found."""
    store = stores.sqlite_store(folder)
    with sqlite3.connect(folder / "store.db") as db:
        db.executescript("DROP TABLE quotas; DELETE FROM migrations WHERE version = -6")
    db.close()
    with api.Service(store) as service:
        owner = tenant(service, "acme")
        for n in range(3):
            assert add(owner, "acme", f"a{n}.example").status == 201
        assert service.log().count("no tenant is held to a quota") == 1, service.log()
        done = service.cli("tenant", "set", "acme", "--max-domains", 3, good=False)
        assert done.returncode != 0 and "signpost store init" in done.stdout + done.stderr, done
        assert add(owner, "acme", "a3.example").status == 201
    store.init()
    with api.Service(store, name="later") as service:
        service.cli("tenant", "set", "acme", "--max-domains", 4)
        refused(add(service.client(owner.token), "acme", "a4.example"), "domains is 4")
        assert "no tenant is held" not in service.log()
