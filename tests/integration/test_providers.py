"""DNS providers of tenants: made by the HTTP API, tried, and used: a real BIND and a real PowerDNS behind them. A domain whose
records go to its tenant's own server lives from its first key to the end of it; a wrong secret, and the right one again; two
tenants with providers of one name and different servers; and the secrets, which are nowhere."""
import re
import sqlite3

import pytest

from lib import api, dnsservers, lifecycle, patience, procs, publishing, stores

pytestmark = pytest.mark.skipif(lifecycle.program() is None or stores.missing() is not None, reason="signpost-admind or signpost is not built")
ZONE, OTHER = "a.example", "b.example"
ACME, BETA = "/v1/tenants/acme", "/v1/tenants/beta"
WRONG = "d3JvbmctZm9yLXN1cmUtd3JvbmctZm9yLXN1cmUtd3I="
INSIDE = ["127.0.0.1:53", "127.1", "0x7f000001", "2130706433", "localhost", "ns.localhost.", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254",
          "100.64.0.1", "224.0.0.1", "0.0.0.0", "[::1]:53", "[::]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[fe80::1]", "[fd00::1]", "[ff02::1]",
          "[64:ff9b::a00:1]", "[2002:7f00:1::1]", "192.0.2.1,10.0.0.1"]


@pytest.fixture(scope="module")
def world(module_folder):
    if dnsservers.missing("named", "unbound"):
        pytest.skip(dnsservers.missing("named", "unbound"))
    with lifecycle.World(module_folder, [ZONE, OTHER], late=None) as one:
        one.publishers.write_text("")  # the operator has none: only "manual" is there
        yield one


@pytest.fixture(scope="module")
def service(module_folder, world):
    with api.Service(stores.sqlite_store(module_folder), world) as one:
        for name in ("acme", "beta"):
            one.cli("tenant", "add", name)
        yield one


@pytest.fixture(scope="module")
def root(service):
    return service.client(service.token("*"))


@pytest.fixture(scope="module")
def acme(service):
    return service.client(service.token("role:owner", "acme"))


@pytest.fixture(scope="module")
def beta(service):
    return service.client(service.token("role:owner", "beta"))


def refused(answer, status, code, *words):
    assert (answer.status, answer.code) == (status, code), answer
    for word in words:
        assert word in answer.octets.decode(), (word, answer)
    return answer


def address(world, key="signpost", port=None):
    return f"127.0.0.1:{port or world.port}?key={key}&algorithm=hmac-sha256"


def add(client, tenant, name, **fields):
    return client.post(f"{tenant}/dns-providers", {"provider": name, **fields})


def change(client, target, body, etag=None):
    return client.ask("PATCH", target, body, etag=etag or client.get(target).etag)


def test_what_a_tenant_cannot_have(acme, root, world):
    """Nothing that runs or names files, and no host inside."""
    for kind in ("exec", "zonefile", "fragment"):
        refused(add(acme, ACME, "x", kind=kind, address="/usr/bin/true"), 400, "validation", "/kind")
        refused(add(root, ACME, "x", kind=kind, address="/usr/bin/true"), 400, "validation", "/kind")
    for where in (f"192.0.2.1?key=k&secretfile=/etc/shadow", "192.0.2.1?key=k&timeout=600", "192.0.2.1?what=x", "", "a b"):
        refused(add(root, ACME, "x", kind="rfc2136", address=where, secret=WRONG), 400, "validation", "/address")
    refused(add(root, ACME, "x", kind="powerdns", address="https://192.0.2.1?keyfile=/etc/shadow", secret="k"), 400, "validation", "/address")
    refused(add(root, ACME, "x", kind="powerdns", address="https://192.0.2.1"), 400, "validation", "/secret")
    refused(add(root, ACME, "x", kind="rfc2136", address="192.0.2.1?key=k"), 400, "validation", "/secret")
    refused(add(root, ACME, "x", kind="rfc2136", address="192.0.2.1?key=k", secret="not base64!"), 400, "validation", "/secret")
    refused(add(root, ACME, "x", kind="manual", secret="x"), 400, "validation", "/secret")
    refused(add(root, ACME, "manual", kind="manual"), 400, "validation", "/provider")
    refused(add(root, ACME, "a/b", kind="manual"), 400, "validation", "/provider")
    for where in INSIDE:
        refused(add(acme, ACME, "x", kind="rfc2136", address=f"{where}?key=k", secret=WRONG), 400, "validation", "host inside")
        refused(add(root, ACME, "x", kind="rfc2136", address=f"{where}?key=k", secret=WRONG), 400, "validation", "host inside")
        if ":" not in where.strip("[]").replace("::", "") or where.startswith("["):
            refused(add(acme, ACME, "x", kind="powerdns", address=f"http://{where.split(',')[-1]}/?insecure=yes", secret="k"), 400, "validation")
    refused(add(acme, ACME, "x", kind="rfc2136", address=address(world), secret=lifecycle.SECRET, allow_private=True), 403, "forbidden")
    assert [p["provider"] for p in acme.good("GET", f"{ACME}/dns-providers")["providers"]] == ["manual"]


def test_tried(acme, root, world):
    made = add(root, ACME, "own", kind="rfc2136", address=address(world), secret=lifecycle.SECRET, allow_private=True)
    assert made.status == 201 and made.field("Location") == f"{ACME}/dns-providers/own", made
    here = made.field("Location")
    assert made.json["provider"] == {"provider": "own", "tenant": "acme", "kind": "rfc2136", "address": address(world), "has_secret": True,
                                     "allow_private": True, "operator": False, "revision": 1}
    refused(add(root, ACME, "own", kind="manual"), 409, "exists")
    dry = acme.ask("POST", f"{here}:test", {"zone": ZONE}, dry=True)
    assert dry.status == 200 and dry.json["dry_run"] and not dry.json["steps"]
    tried = acme.post(f"{here}:test", {"zone": ZONE}, key=None)
    assert tried.status == 200 and tried.json["works"], tried
    assert [(s["step"], s["done"]) for s in tried.json["steps"]] == [("write", True), ("see", True), ("remove", True)]
    assert re.fullmatch(rf"_signpost-test-[a-z0-9]{{8}}\.{re.escape(ZONE)}", tried.json["record"]) and world.ask(tried.json["record"]) == []
    tried = acme.post(f"{here}:test", {"zone": "elsewhere.example"}, key=None)
    assert tried.status == 200 and not tried.json["works"] and tried.json["steps"][0]["why"], tried
    some = acme.post("/v1/tokens", {"scopes": "role:owner", "domains": f"*.{OTHER}"}, key=None).json["secret"]
    narrow = api.Client(acme.port, some)
    refused(narrow.post(f"{here}:test", {"zone": ZONE}, key=None), 403, "forbidden")
    refused(change(narrow, here, {"secret": WRONG}), 403, "forbidden")
    rows = [r for r in acme.good("GET", "/v1/audit?object=acme%20own")["audit"]]
    assert [r["action"] for r in rows] == ["provider.add", "provider.test", "provider.test"], rows


def test_what_the_operator_allowed_is_of_one_address(acme, root, world):
    here = f"{ACME}/dns-providers/own"
    refused(change(acme, here, {"allow_private": False}), 403, "forbidden")
    refused(change(acme, here, {"address": "192.0.2.7?key=k"}), 400, "validation", "given anew")
    refused(change(acme, here, {"address": address(world, port=9), "secret": WRONG}), 400, "validation", "host inside")
    refused(change(acme, here, {"secret": ""}), 400, "validation", "/secret")
    refused(change(acme, here, {"kind": "manual"}), 400, "validation")
    refused(acme.ask("PATCH", here, {"secret": WRONG}), 428, "precondition-required")
    refused(acme.ask("PATCH", here, {"secret": WRONG}, etag='"r7"'), 412, "precondition-failed")
    moved = change(acme, here, {"address": "192.0.2.7?key=k", "secret": WRONG})
    assert moved.status == 200 and not moved.json["provider"]["allow_private"], moved
    refused(change(acme, here, {"address": address(world), "secret": lifecycle.SECRET}), 400, "validation", "host inside")
    back = change(root, here, {"address": address(world), "secret": lifecycle.SECRET, "allow_private": True})
    assert back.status == 200 and back.json["provider"]["revision"] == 3, back


def test_a_name_that_leads_inside(root, acme):
    """It is looked at again when it is used. (This machine's own name: its address is one inside, or there is none.)"""
    import socket
    name = socket.gethostname()
    made = add(acme, ACME, "named", kind="rfc2136", address=f"{name}?key=k&timeout=2", secret=WRONG)
    if made.status == 400:
        pytest.skip("this machine is called localhost")
    steps = acme.post(f"{ACME}/dns-providers/named:test", {"zone": ZONE}, key=None).json["steps"]
    assert not steps[0]["done"] and ("host inside" in steps[0]["why"] or "has no address" in steps[0]["why"]), steps
    made = add(acme, ACME, "named2", kind="powerdns", address=f"https://{name}:1/?timeout=2", secret="not-a-key")
    assert made.status == 201, made
    steps = acme.post(f"{ACME}/dns-providers/named2:test", {"zone": ZONE}, key=None).json["steps"]
    assert not steps[0]["done"] and steps[0]["why"], steps
    for one in ("named", "named2"):
        assert acme.ask("DELETE", f"{ACME}/dns-providers/{one}", etag="*").status == 200


def state_of(client, tenant, domain):
    return {k["selector"]: k["state"] for k in client.good("GET", f"{tenant}/domains/{domain}/keys?destroyed=true")["keys"]}


def active(client, tenant, domain):
    return {s for s, state in state_of(client, tenant, domain).items() if state == "ACTIVE"}


def manage(client, tenant, domain, **plan):
    answer = client.ask("PUT", f"{tenant}/policies/std", {"plan": {**lifecycle.PLAN, "publisher": "own", **plan}}, fields=[("If-None-Match", "*")])
    assert answer.status == 200, answer
    client.good("POST", f"{tenant}/domains", {"domain": domain, "policy": "std"}, status=201)
    return f"{tenant}/domains/{domain}"


def test_a_domain_of_it_to_its_end(service, world, acme, root):
    here = manage(acme, ACME, ZONE, retry=2, retry_max=3600)
    assert procs.wait_until(lambda: active(acme, ACME, ZONE), step=0.2), acme.get(here)
    first = active(acme, ACME, ZONE)
    acme.good("POST", f"{here}/rotations", {"reason": "a test"})
    assert procs.wait_until(lambda: active(acme, ACME, ZONE) and not active(acme, ACME, ZONE) & first, step=0.2), acme.get(here)
    assert procs.wait_until(lambda: state_of(acme, ACME, ZONE).get(min(first), "DESTROYED") == "DESTROYED", step=0.3), state_of(acme, ACME, ZONE)
    refused(acme.ask("DELETE", f"{ACME}/dns-providers/own", etag="*"), 409, "in-use", "policy std")


def test_a_wrong_secret_and_the_right_one(service, world, acme, root):
    here, provider = f"{ACME}/domains/{ZONE}", f"{ACME}/dns-providers/own"
    assert procs.wait_until(lambda: active(acme, ACME, ZONE))
    was = active(acme, ACME, ZONE)
    assert change(acme, provider, {"secret": WRONG}).status == 200
    tried = acme.post(f"{provider}:test", {"zone": ZONE}, key=None).json
    assert not tried["works"] and "127.0.0.1" in tried["steps"][0]["why"], tried
    acme.good("POST", f"{here}/rotations", {"reason": "with a wrong secret"})

    def stuck():
        return [k for k in acme.good("GET", f"{here}/keys")["keys"] if k.get("trouble") and k["state"] in ("PUBLISHING", "RETIRING")]

    assert procs.wait_until(stuck, step=0.2), acme.get(here)
    key = stuck()[0]
    assert key["publisher"] == "own" and key["tries"] >= 1 and "127.0.0.1" in key["trouble"], key
    # It is in the middle of a try, or waits for the next one, and says so.
    assert key["next"]["blocked_by"] in (["Retry"], []), key
    assert change(acme, provider, {"secret": lifecycle.SECRET}).status == 200
    assert procs.wait_until(lambda: active(acme, ACME, ZONE) and not active(acme, ACME, ZONE) & was, step=0.2), acme.get(here)
    assert procs.wait_until(lambda: not stuck(), step=0.2), stuck()


def test_two_tenants_with_one_name(module_folder, service, world, acme, beta, root):
    """Each has its own server, and its records go nowhere else; the one that does not answer holds up nobody."""
    if dnsservers.missing("pdns_server") or publishing.PowerDns.schema() is None:
        pytest.skip("PowerDNS is not installed")
    with publishing.PowerDnsApi(module_folder, [OTHER]) as server:
        made = add(root, BETA, "own", kind="powerdns", address=f"http://127.0.0.1:{server.web_port}?server=localhost", secret=publishing.API_KEY,
                   allow_private=True)
        assert made.status == 201, made
        tried = beta.post(f"{BETA}/dns-providers/own:test", {"zone": OTHER}, key=None).json
        assert tried["works"], tried
        refused(acme.get(f"{BETA}/dns-providers/own"), 404, "not-found")
        refused(acme.ask("PATCH", f"{BETA}/dns-providers/own", {"secret": "x"}, etag="*"), 404, "not-found")
        refused(acme.post(f"{BETA}/dns-providers/own:test", {"zone": OTHER}, key=None), 404, "not-found")
        refused(acme.get(f"{BETA}/dns-providers"), 404, "not-found")
        here = manage(beta, BETA, OTHER)
        assert procs.wait_until(lambda: state_of(beta, BETA, OTHER), step=0.2)

        def there():
            return [s for s in state_of(beta, BETA, OTHER) if server.texts(f"{s}._domainkey.{OTHER}")]

        assert procs.wait_until(there, step=0.2), beta.get(here)
        assert not world.ask(f"{there()[0]}._domainkey.{OTHER}")
        server.process.kill()
        rotation = active(acme, ACME, ZONE)
        acme.good("POST", f"{ACME}/domains/{ZONE}/rotations", {"reason": "beta's server is away"})
        assert procs.wait_until(lambda: active(acme, ACME, ZONE) and not active(acme, ACME, ZONE) & rotation, step=0.2)


def test_by_commands(service, world, module_folder):
    secret = module_folder / "provider.secret"
    secret.write_text(lifecycle.SECRET + "\n")
    secret.chmod(0o600)
    made = service.cli("provider", "add", "beta", "cli", "rfc2136", "--address", address(world), "--secret-file", secret, "--allow-private")
    assert made["result"]["provider"]["has_secret"], made
    assert service.cli("provider", "test", "beta", "cli", OTHER)["result"]["works"]
    assert "cli" in service.text("provider", "list", "beta") and lifecycle.SECRET not in service.text("provider", "show", "beta", "cli")
    service.cli("provider", "set", "beta", "cli", "--secret-file", secret)
    steps = service.text("provider", "test", "beta", "cli", "elsewhere.example")
    assert "write" in steps and "works" in steps, steps
    service.cli("provider", "remove", "beta", "cli")


def test_lists(acme, root):
    for n in range(5):
        assert add(acme, ACME, f"p{n}", kind="manual").status == 201
    page, names = acme.get(f"{ACME}/dns-providers?limit=2"), []
    while True:
        names += [p["provider"] for p in page.json["providers"]]
        if "next" not in page.json:
            break
        page = acme.get(f"{ACME}/dns-providers?limit=2&cursor={page.json['next']}")
    assert names == ["own", "p0", "p1", "p2", "p3", "p4", "manual"]
    operators = acme.good("GET", f"{ACME}/dns-providers/manual")["provider"]
    assert operators["operator"] and operators["tenant"] is None and operators["address"] is None
    assert root.good("GET", f"{ACME}/dns-providers/manual")["provider"]["address"] == "by hand"
    for method, body in (("PATCH", {"address": "x"}), ("DELETE", None)):
        refused(acme.ask(method, f"{ACME}/dns-providers/manual", body, etag="*"), 403, "forbidden")
    refused(acme.post(f"{ACME}/dns-providers/p0:test", {"zone": ZONE}, key=None), 409, "illegal-transition")
    for n in range(5):
        assert acme.ask("DELETE", f"{ACME}/dns-providers/p{n}", etag='"r1"').status == 200


def test_a_row_that_somebody_changed_in_the_store(service, world, acme, root):
    """Who can write to the store, and not more, does not get a secret by leading it elsewhere."""
    assert add(root, ACME, "led", kind="rfc2136", address=address(world), secret=lifecycle.SECRET, allow_private=True).status == 201
    with sqlite3.connect(service.folder / "store.db", timeout=patience.seconds(30)) as db:
        assert db.execute("UPDATE providers SET address = '127.0.0.1:9?key=signpost' WHERE name = 'led'").rowcount == 1
    refused(acme.post(f"{ACME}/dns-providers/led:test", {"zone": ZONE}, key=None), 409, "dns-provider-error", "does not open")
    assert acme.ask("DELETE", f"{ACME}/dns-providers/led", etag="*").status == 200


def test_secrets_are_nowhere(service, acme, root):
    """In no answer, log, row of the audit, nor anywhere in the store's files."""
    needles = [s.encode() for s in (lifecycle.SECRET, WRONG, publishing.API_KEY)]
    import base64
    needles += [base64.b64decode(lifecycle.SECRET), base64.b64decode(WRONG)]
    for target in (f"{ACME}/dns-providers", f"{ACME}/dns-providers/own", "/v1/audit?limit=500"):
        octets = root.get(target).octets
        assert not [n for n in needles if n in octets], target
    for path in sorted(service.folder.glob("store.db*")) + [service.folder / "admin.log"]:
        octets = path.read_bytes()
        assert not [n for n in needles if n in octets], path


def test_another_site_key(service, acme, world):
    """reseal and check know of the secrets: the old version can go, and all is used as before."""
    store, provider = service.store, f"{ACME}/dns-providers/own"
    stores.signpost("store", "sitekey", "add", store.site_key)
    stores.signpost("store", "sitekey", "activate", store.site_key)
    found = store.run("check", good=False).stdout
    assert "version 1" in found
    done = store.run("reseal")
    assert "secrets of DNS providers" in done.stdout + done.stderr, done
    lines = [line for line in store.site_key.read_text().splitlines() if not line.startswith("1 ")]
    was = store.site_key.read_text()
    store.site_key.write_text("\n".join(lines) + "\n")
    try:
        found = store.run("check", good=False)
        assert "provider" not in found.stdout + found.stderr, found
    finally:
        store.site_key.write_text(was)
    assert procs.wait_until(lambda: acme.post(f"{provider}:test", {"zone": ZONE}, key=None).json.get("works"))
    secrets = [row[0] for row in sqlite3.connect(service.folder / "store.db").execute("SELECT secret FROM providers WHERE secret <> ''")]
    assert secrets and all(s.startswith("spk1:2:") for s in secrets), secrets


def test_without_a_site_key(folder):
    store = stores.sqlite_store(folder)
    text = store.admin.read_text()
    store.admin.write_text("".join(line + "\n" for line in text.splitlines() if not line.startswith("SiteKeyFile")))
    with api.Service(store) as service:
        service.cli("tenant", "add", "acme")
        client = service.client(service.token("role:owner", "acme"))
        refused(add(client, ACME, "x", kind="powerdns", address="https://192.0.2.1", secret="k"), 403, "forbidden", "site key")
        assert add(client, ACME, "x", kind="manual").status == 201
