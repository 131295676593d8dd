"""10,000 requests that nobody should send, made from admin-api/openapi.json by a seed that is printed (SIGNPOST_API_SEED: another
one; SIGNPOST_API_REQUESTS: more): no answer is a 5xx or one that the document does not know, the program lives, and nothing of
another tenant is ever seen."""
import http.client
import os
import threading

import pytest

from lib import api, contract, lifecycle, procs, stores
from lib.hostile import Hostile

pytestmark = pytest.mark.skipif(lifecycle.program() is None or stores.missing() is not None, reason="signpost-admind or signpost is not built")
SEED = int(os.environ.get("SIGNPOST_API_SEED", "20261122"))
COUNT = int(os.environ.get("SIGNPOST_API_REQUESTS", "10000"))
# Requests may have the names of the tenant and of its domain; that which these have in them, none has.
TENANT, DOMAIN, MARK = "hidden-7f3a91", "hidden-7f3a91.example", "marker-c04d5e"
NAMES = {"tenant": [*["acme"] * 4, TENANT, "nothere"], "domain": [*["a.example", "b.example"] * 3, DOMAIN, "nothere.example"],
         "policy": ["std", "other"], "selector": ["s1", "s2"], "gateway": ["gw1"], "token": ["t_x"]}


def furnish(service):
    """Two tenants; all that the second one has carries its mark."""
    service.cli("tenant", "add", "acme")
    service.cli("tenant", "add", TENANT)
    for tenant, domains, policy, selectors in (("acme", ["a.example", "b.example"], "std", ["s1", "s2"]), (TENANT, [DOMAIN], MARK, [MARK])):
        client = service.client(service.token("role:owner keys:unsafe", tenant))
        client.good("PUT", f"/v1/tenants/{tenant}/policies/{policy}", {"plan": {"manage": False}}, fields=[("If-None-Match", "*")])
        for domain in domains:
            client.good("POST", f"/v1/tenants/{tenant}/domains", {"domain": domain})
            for selector in selectors:
                client.good("POST", f"/v1/tenants/{tenant}/domains/{domain}/keys", {"selector": selector, "algorithm": "ed25519-sha256"})
        if tenant == TENANT:
            client.good("POST", "/v1/tokens", {"scopes": "keys:read", "name": MARK}, key=None)


def mend(client):
    """What hostile requests have removed of acme, is there again."""
    client.ask("PUT", "/v1/tenants/acme/policies/std", {"plan": {"manage": False}}, fields=[("If-None-Match", "*")])
    for domain in ("a.example", "b.example"):
        client.ask("POST", "/v1/tenants/acme/domains", {"domain": domain}, key=api.new_key())
        for selector in ("s1", "s2"):
            client.ask("POST", f"/v1/tenants/acme/domains/{domain}/keys", {"selector": selector, "algorithm": "ed25519-sha256"}, key=api.new_key())


class Sender(threading.Thread):
    """Sends its part over connections that it keeps."""

    def __init__(self, service, hostile, count, number):
        super().__init__()
        self.hostile, self.count, self.faults, self.counts = hostile, count, [], {}
        self.number, self.service = number, service

    def run(self):
        for i in range(self.count):
            # Wrong tokens make an address wait: each has many.
            if i % 60 == 0:
                mend(self.service.client(self.hostile.tokens[0], keep=True, check=False))
                client = self.service.client(source=f"127.{20 + self.number}.{i // 60 // 250}.{1 + i // 60 % 250}", keep=True, check=False)
            request = self.hostile.request()
            try:
                self.look(request, client.ask(request[0], request[1], request[2], fields=request[3], kind=request[4]))
            except (OSError, http.client.HTTPException) as error:
                client.close()
                if self.service.process.poll() is not None:
                    self.faults.append((request, f"the program ended: {error!r}"))
                    return
                self.counts["cut"] = self.counts.get("cut", 0) + 1
        client.close()

    def look(self, request, answer):
        self.counts[answer.status] = self.counts.get(answer.status, 0) + 1
        if answer.status >= 500 and answer.status != 501:
            self.faults.append((request, answer))
        try:
            contract.record(answer)
        except AssertionError as error:
            if request[0] in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                self.faults.append((request, f"{error}"[:1500]))
        text = answer.octets.decode(errors="replace") + repr(answer.fields)
        # Of a line of many, what was wrong with it stands in an answer of 200.
        if MARK in text or (answer.status < 300 and TENANT in text and not answer.target.startswith("/v1/bulk")):
            self.faults.append((request, answer))


def test_ten_thousand_hostile_requests(folder):
    attack(stores.sqlite_store(folder), COUNT)


def attack(store, count):
    """count requests by four at once."""
    print(f"\n# seed {SEED}, {count} requests")
    with api.Service(store) as service:
        furnish(service)
        tokens = [service.token("role:owner keys:unsafe", "acme") for _ in range(24)]
        senders = [Sender(service, Hostile(SEED + i, tokens[i * 6:i * 6 + 6], NAMES), count // 4, i) for i in range(4)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        faults = [fault for sender in senders for fault in sender.faults]
        counts = {status: sum(s.counts.get(status, 0) for s in senders) for status in sorted({k for s in senders for k in s.counts}, key=str)}
        print(f"# {counts}")
        assert not faults, f"seed {SEED}: {len(faults)} faults, the first: {faults[0]}\n{service.log()[-3000:]}"
        assert service.process.poll() is None and sum(counts.values()) == count // 4 * 4
        assert counts.get(200, 0) + counts.get(201, 0) > count // 100, "hardly anything was let in: this tests nothing"
        # All that is not of acme is what it was.
        hidden = service.client(service.token("role:owner", TENANT))
        assert [d["domain"] for d in hidden.good("GET", "/v1/domains")["domains"]] == [DOMAIN]
        assert [k["selector"] for k in hidden.good("GET", f"/v1/tenants/{TENANT}/domains/{DOMAIN}/keys")["keys"]] == [MARK]
    assert service.process.returncode == 0, service.log()[-3000:]
    assert "Sanitizer" not in service.process.output()
