"""What was begun (/v1/operations), what happens (/v1/events), and gateways (/v1/nodes), by real sockets: with a daemon that is
killed in between, with listeners that come back, that never read, that are too many, and that may not listen any more."""
import json
import os
import re
import socket
import sqlite3
import threading
import time

import pytest

from lib import api, contract, lifecycle, mariadb, patience, procs, stores

pytestmark = pytest.mark.skipif(lifecycle.program() is None or stores.missing() is not None,
                                reason="signpost-admind or signpost is not built")
ZONE = "a.example"
ACME, BETA = "/v1/tenants/acme", "/v1/tenants/beta"


class Listener(threading.Thread):
    """Reads events until it is closed, or the server ends it. events: (type, id, data) in their order; last: the last id."""

    def __init__(self, client, last=None, types=None, read=True):
        super().__init__(daemon=True)
        self.events, self.last, self.status, self.ended, self.comments = [], last, None, threading.Event(), 0
        self.connection = client.connect()
        self.connection.putrequest("GET", "/v1/events" + (f"?types={types}" if types else ""), skip_accept_encoding=True)
        self.connection.putheader("Authorization", f"Bearer {client.token}")
        if last is not None:
            self.connection.putheader("Last-Event-ID", last)
        self.connection.endheaders()
        self.answer = self.connection.getresponse()
        self.status, self.fields = self.answer.status, self.answer.getheaders()
        if self.status != 200:
            self.body = json.loads(self.answer.read())
            self.connection.close()
            self.ended.set()
        elif read:
            self.start()

    def run(self):
        kind, data, new = None, None, None
        try:
            for raw in self.answer:
                line = raw.decode().rstrip("\n")
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("id: "):
                    new = line[4:]
                elif line.startswith("data: "):
                    data = json.loads(line[6:])
                elif line.startswith(":"):
                    self.comments += 1
                elif line == "":
                    self.last = new if new is not None else self.last
                    if data is not None:
                        self.events.append((kind, new, data))
                    kind, data, new = None, None, None
        except (OSError, ValueError, AttributeError, api.http.client.HTTPException):
            pass
        self.ended.set()

    def types(self, domain=None):
        return [kind for kind, _, data in self.events if domain is None or data.get("domain") == domain]

    def close(self):
        try:
            self.connection.sock and self.connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        try:
            self.answer.fp and self.answer.fp.raw._sock.shutdown(socket.SHUT_RDWR)
        except (OSError, AttributeError):
            pass
        if self.is_alive():
            self.join(patience.seconds(30))
        self.connection.close()


def policy(client, tenant="acme"):
    assert client.ask("PUT", f"/v1/tenants/{tenant}/policies/std", {"plan": lifecycle.PLAN},
                      fields=[("If-None-Match", "*")]).status == 200


def active(client, here):
    return {k["selector"] for k in client.good("GET", f"{here}/keys?destroyed=true")["keys"] if k["state"] == "ACTIVE"}


def until(look, step=0.2):
    """What the look answers in the end."""
    last = [None]

    def once():
        last[0] = look()
        return bool(last[0])

    assert procs.wait_until(once, step=step), "it never came"
    return last[0]


def operation_of(answer):
    assert answer.status == 202 and answer.field("Location") == "/v1/operations/" + answer.json["operation"], answer
    return answer.field("Location")


@pytest.fixture(scope="module")
def world(module_folder):
    with lifecycle.World(module_folder, [ZONE], late=None) as one:
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
    client = service.client(service.token("role:owner keys:unsafe", "acme"))
    policy(client)
    return client


@pytest.fixture(scope="module")
def beta(service):
    return service.client(service.token("role:owner", "beta"))


# ---- operations and events of a rotation ----

def test_a_rotation_is_watched_to_its_end(service, acme):
    """By its operation and by events at once; what they say is the same."""
    listener = Listener(acme)
    assert listener.status == 200 and dict(listener.fields)["Content-Type"] == "text/event-stream"
    here = f"{ACME}/domains/{ZONE}"
    acme.good("POST", f"{ACME}/domains", {"domain": ZONE, "policy": "std"}, status=201)
    assert procs.wait_until(lambda: active(acme, here), step=0.2)
    begun = acme.post(f"{here}/rotations", {"reason": "watched"})
    place = operation_of(begun)
    assert begun.field("Link") == f'<{here}/rotations/{begun.json["rotation"]["rotation"]}>; rel="about"' and begun.field("Retry-After")
    seen = set()

    def done():
        answer = acme.get(place)
        seen.add(answer.json["state"])
        assert answer.status == 200 and (answer.json["state"] == "running") == (answer.field("Retry-After") is not None), answer
        return answer.json["state"] != "running" and answer.json

    ended = until(done)
    assert ended["state"] == "done" and "running" in seen, (ended, seen)
    assert ended["about"] == f"{here}/rotations/{begun.json['rotation']['rotation']}"
    assert ended["result"]["rotation"]["state"] == "done" and all(step["state"] == "done" for step in ended["steps"])
    assert [step["name"] for step in ended["steps"]][:5] == ["generate", "publish", "prove", "load", "activate"]
    etag = acme.get(place).etag
    assert procs.wait_until(lambda: acme.get(place, fields=[("If-None-Match", acme.get(place).etag)]).status == 304), etag
    assert procs.wait_until(lambda: "rotation.finished" in listener.types(ZONE), step=0.2), listener.events
    told = listener.types(ZONE)
    order = ["domain.added", "key.generated", "key.published", "key.verified", "key.loaded", "key.activated", "rotation.started",
             "key.retired", "rotation.finished"]
    for first, then in zip(order, order[1:]):
        assert told.index(first) < len(told) - 1 - told[::-1].index(then), (first, then, told)
    finished = next(data for kind, _, data in listener.events if kind == "rotation.finished")
    assert finished["rotation"] == begun.json["rotation"]["rotation"] and finished["tenant"] == "acme"
    listener.close()


def test_all_since_the_last_one(service, acme):
    """From any event on: what is behind it, once, also in the middle of a row with many of them."""
    whole = Listener(acme, last="0")
    assert procs.wait_until(lambda: "rotation.finished" in whole.types(), step=0.1)
    ids = [i for _, i, _ in whole.events]
    assert len(set(ids)) == len(ids) and any("." in i for i in ids), ids
    for at in sorted({0, 1, len(ids) // 2, *[n for n, i in enumerate(ids) if "." in i][:4]}):
        again = Listener(acme, last=ids[at])
        assert procs.wait_until(lambda: len(again.events) >= len(ids) - at - 1, step=0.1), (ids[at], again.events)
        assert [i for _, i, _ in again.events][:len(ids) - at - 1] == ids[at + 1:]
        again.close()
    whole.close()
    some = Listener(acme, last="0", types="rotation.*,key.activated")
    assert procs.wait_until(lambda: "rotation.finished" in some.types(), step=0.1)
    assert set(some.types()) <= {"rotation.started", "rotation.finished", "rotation.stuck", "key.activated"}
    some.close()
    reset = Listener(acme, last="999999999")
    assert procs.wait_until(lambda: reset.types() == ["events.reset"], step=0.1), reset.events
    assert int(reset.last.split(".")[0]) < 999999999
    reset.close()


def test_killed_in_the_middle(folder, world):
    """kill -9 while a rotation goes on, twice; who comes back with the last id hears each event once, none is missing, and the
    operation is the same."""
    store = stores.sqlite_store(folder)
    zone = "killed." + ZONE
    service = api.Service(store, world).start().ready()
    try:
        service.cli("tenant", "add", "acme")
        token = service.token("role:owner", "acme")
        client = service.client(token)
        policy(client)
        here = f"{ACME}/domains/{zone}"
        first = Listener(client)
        client.good("POST", f"{ACME}/domains", {"domain": zone, "policy": "std"}, status=201)
        assert procs.wait_until(lambda: active(client, here), step=0.2)
        place = operation_of(client.post(f"{here}/rotations", {"reason": "killed"}))
        events, last = [], None
        for _ in range(2):
            assert procs.wait_until(lambda: first.events, step=0.05)
            service.process.kill()
            service.process.wait()
            assert first.ended.wait(patience.seconds(30))
            events, last = events + first.events, first.last
            service.stop()
            service = api.Service(store, world).start().ready()
            client = service.client(token)
            first = Listener(client, last=last)
        assert procs.wait_until(lambda: client.get(place).json["state"] == "done", step=0.2), client.get(place)
        assert procs.wait_until(lambda: "rotation.finished" in [kind for kind, _, _ in events + first.events], step=0.1), events + first.events
        first.close()
        events += first.events
        whole = Listener(client, last="0")
        ids = [i for _, i, _ in events]
        assert procs.wait_until(lambda: ids[-1] in [i for _, i, _ in whole.events], step=0.1)
        told = [i for _, i, _ in whole.events]
        assert ids == told[told.index(ids[0]):told.index(ids[-1]) + 1] and len(set(ids)) == len(ids)
        whole.close()
    finally:
        service.stop()


def test_many_rotations_have_one_operation(service, acme, beta):
    answer = acme.post(f"{ACME}/rotations", {"reason": "all"})
    place = operation_of(answer)
    assert answer.json["operation"].startswith("rotations~acme~") and answer.json["asked"] >= 1
    ended = until(lambda: (lambda a: a.json["state"] == "done" and a.json)(acme.get(place)))
    counts = ended["result"]
    assert counts["asked"] == answer.json["asked"] == counts["done"] and counts["open"] == counts["unknown"] == 0, ended
    assert beta.get(place).code == "not-found" and acme.get(place.replace("~acme~", "~~")).code == "not-found"
    assert acme.ask("DELETE", place, etag="*").code == "illegal-transition"


def test_cancelling(service, acme, beta):
    here = f"{ACME}/domains/cancel.{ZONE}"
    acme.good("POST", f"{ACME}/domains", {"domain": f"cancel.{ZONE}", "policy": "std"}, status=201)
    assert procs.wait_until(lambda: active(acme, here), step=0.2)
    place = operation_of(acme.post(f"{here}/rotations", {"reason": "not wanted", "not_before": "2099-01-01T00:00:00Z"}))
    assert acme.ask("DELETE", place).code == "precondition-required"
    assert acme.ask("DELETE", place, etag='"o-done.x"').code == "precondition-failed"
    assert beta.ask("DELETE", place, etag="*").code == "not-found"
    dry = acme.ask("DELETE", place, dry=True)
    assert dry.json["dry_run"] is True and acme.get(place).json["state"] == "running"
    done = acme.ask("DELETE", place, etag=acme.get(place).etag)
    assert done.status == 200 and done.json["state"] == "cancelled", done
    assert acme.get(place).json["state"] == "cancelled"
    again = acme.ask("DELETE", place, etag="*")
    assert again.code == "illegal-transition"
    listener = Listener(acme, last="0", types="rotation.aborted")
    assert procs.wait_until(lambda: listener.types(f"cancel.{ZONE}") == ["rotation.aborted"], step=0.1)
    listener.close()
    for name in ("nonsense", "rotation~nothere.example~r1", "rotation~" + ZONE + "~r99999999999", f"publish~{ZONE}~nothere", "rotations~beta~1~1",
                 f"rotation~{ZONE.upper()}~r1", "rotations~acme~01~1", "%7E", "x" * 400):
        assert acme.get("/v1/operations/" + name).code == "not-found", name
        assert acme.ask("DELETE", "/v1/operations/" + name, etag="*").code == "not-found", name


def test_waiting(service, acme):
    """Prefer: wait holds the answer until it ends, or the time is over; and no more than a few at once."""
    name = f"wait.{ZONE}"
    here = f"{ACME}/domains/{name}"
    acme.good("POST", f"{ACME}/domains", {"domain": name, "policy": "std"}, status=201)
    assert procs.wait_until(lambda: active(acme, here), step=0.2)
    answer = acme.post(f"{here}/rotations", {"reason": "waited for"}, fields=[("Prefer", "respond-async, wait=30")])
    assert answer.status in (200, 202) and answer.field("Preference-Applied") == "wait=30", answer
    place = answer.field("Content-Location") or answer.field("Location")
    ended = until(lambda: (lambda a: a.json["state"] == "done" and a)(acme.get(place, fields=[("Prefer", "wait=30")])))
    assert ended.field("Preference-Applied") == "wait=30"
    far = acme.post(f"{here}/rotations", {"reason": "far", "not_before": "2099-01-01T00:00:00Z"}, fields=[("Prefer", "wait=1")])
    assert far.status == 202 and far.field("Preference-Applied") == "wait=1", far

    def three():
        return api.together(*(lambda c=service.client(acme.token): c.get(operation_of(far), fields=[("Prefer", "wait=3")]) for _ in range(3)))

    # Of three at once two are held.
    answers = until(lambda: (lambda found: any(a.field("Preference-Applied") is None for a in found) and found)(three()))
    assert all(a.status == 200 and a.json["state"] == "running" for a in answers), answers
    assert any(a.field("Preference-Applied") == "wait=3" for a in answers), answers
    for preference in ("wait=x", "wait", "wait=-1", "wait=99999999999999999999", "", ",,;=", "handling=lenient"):
        assert acme.get(operation_of(far), fields=[("Prefer", preference)]).field("Preference-Applied") is None, preference
    assert acme.ask("DELETE", operation_of(far), etag="*").status == 200


def test_the_end_does_not_wait(folder):
    """A held answer and a listener do not keep the daemon from ending."""
    store = stores.sqlite_store(folder)
    service = api.Service(store).start().ready()
    service.cli("tenant", "add", "acme")
    client = service.client(service.token("role:owner", "acme"))
    policy(client)
    client.good("POST", f"{ACME}/domains", {"domain": "end.example", "policy": "std"}, status=201)
    place = operation_of(client.post(f"{ACME}/domains/end.example/rotations", {"reason": "end"}))
    listener, held = Listener(client), api.start(lambda: service.client(client.token).get(place, fields=[("Prefer", "wait=30")]))
    time.sleep(0.5)
    service.stop()
    assert listener.ended.wait(patience.seconds(20)) and all(a is None or a.json["state"] == "running" for a in held.end())


# ---- steps of keys ----

def test_steps_of_keys(service, acme):
    name = "steps.example"
    here = f"{ACME}/domains/{name}"
    acme.good("POST", f"{ACME}/domains", {"domain": name}, status=201)
    for selector in ("l", "r", "a"):
        acme.good("POST", f"{here}/keys", {"selector": selector, "algorithm": "ed25519-sha256"}, status=201)
    day = 86400
    with sqlite3.connect(service.folder / "store.db", timeout=patience.seconds(30)) as db:
        now = "CAST(strftime('%s','now') AS INTEGER)"
        past = ", ".join(f"{c} = {now} - {ago}" for c, ago in (("created", 99 * day), ("publishing", 98 * day), ("published", 97 * day),
                                                               ("proven", 96 * day), ("loaded", 95 * day)))
        db.execute(f"UPDATE keys SET {past} WHERE domain = ?", (name,))
        db.execute(f"UPDATE keys SET active = {now} - {94 * day}, retiring = {now} - {93 * day} WHERE domain = ? AND selector = 'r'", (name,))
        db.execute(f"UPDATE keys SET active = {now} - {93 * day} WHERE domain = ? AND selector = 'a'", (name,))
    listener = Listener(acme)
    held = acme.post(f"{here}/keys/l:hold", {"reason": "l: HELD to ACTIVE; r: RETIRING to ACTIVE"}, etag="*", key=None)
    done = acme.get(operation_of(held)).json
    assert (done["state"], done["kind"], done["about"]) == ("done", "hold", f"{here}/keys/l") and done["result"]["key"]["state"] == "HELD"
    begun = acme.post(f"{here}/keys/r:revoke", {"reason": "test"}, etag="*", key=None)
    # Nobody publishes for this domain: it waits.
    running = acme.get(operation_of(begun)).json
    assert (running["state"], running["kind"], running["result"]) == ("running", "revoke", None), running
    refused = acme.ask("DELETE", operation_of(begun), etag="*")
    assert refused.code == "illegal-transition" and "allowed" in refused.json["detail"]
    assert procs.wait_until(lambda: "key.held" in listener.types(name), step=0.1)
    time.sleep(1)
    # A reason is no step, whatever it looks like.
    assert "key.activated" not in listener.types(name), listener.events
    listener.close()


# ---- who hears what ----

def test_tenants_apart(service, root, acme, beta):
    narrow = service.client(service.token("role:owner", "acme", domains="*.narrow.example"))
    reader = service.client(service.token("keys:read", "acme"))
    listeners = {n: Listener(c, last="0") for n, c in (("root", root), ("acme", acme), ("beta", beta), ("narrow", narrow), ("reader", reader))}
    for client, path, name in ((acme, ACME, "apart.example"), (beta, BETA, "beta-only.example"), (acme, ACME, "x.narrow.example")):
        client.good("POST", f"{path}/domains", {"domain": name}, status=201)
        client.good("POST", f"{path}/domains/{name}/keys", {"selector": "s1", "algorithm": "ed25519-sha256"}, status=201)
    acme.good("POST", "/v1/tokens", {"scopes": "keys:read"}, key=None)
    assert procs.wait_until(lambda: listeners["root"].types("x.narrow.example") == ["domain.added", "key.generated"] and
                            "token.added" in [k for k, _, d in listeners["root"].events][-3:], step=0.1), listeners["root"].events[-5:]
    assert procs.wait_until(lambda: listeners["narrow"].events and listeners["reader"].types("x.narrow.example"), step=0.1)
    time.sleep(1)
    domains = {name: {data.get("domain") for _, _, data in one.events} - {None} for name, one in listeners.items()}
    assert {"apart.example", "beta-only.example", "x.narrow.example"} <= domains["root"]
    assert "beta-only.example" not in domains["acme"] and "apart.example" in domains["acme"]
    assert domains["beta"] == {"beta-only.example"} and domains["narrow"] == {"x.narrow.example"}
    assert "acme" not in json.dumps(listeners["beta"].events)
    assert set(listeners["reader"].types()) <= {k for k in listeners["root"].types() if k.startswith(("key.", "rotation.", "dns."))}
    assert set(listeners["narrow"].types()) == {"domain.added", "key.generated"}
    for one in listeners.values():
        one.close()


def test_refusals(service, acme):
    for target, fields in (("?types=nonsense", []), ("?types=key.activated&x=1", []), ("?x=1", []), ("?types=%zz", []), ("", [("Last-Event-ID", "x")]),
                           ("", [("Last-Event-ID", "-1")]), ("", [("Last-Event-ID", "1.2.3")]), ("", [("Last-Event-ID", "9" * 40)]),
                           ("", [("Last-Event-ID", "0.1")]), ("", [("Last-Event-ID", "")])):
        assert acme.get("/v1/events" + target, fields=fields).status == 400, (target, fields)
    assert service.client(service.token("metrics:read")).get("/v1/events").code == "forbidden"
    assert service.client(source="127.0.3.9").get("/v1/events").code == "unauthorized"


def test_a_token_that_ends(service, root, acme):
    """Revoked, with another secret, or over: its stream ends by itself."""
    now = int(root.good("GET", "/v1/audit?newest_first=true&limit=1") and time.time())
    made = [acme.good("POST", "/v1/tokens", {"scopes": "keys:read", **more}, key=None) for more in ({}, {}, {"expires": now + 10})]
    listeners = [Listener(service.client(one["secret"])) for one in made]
    assert [one.status for one in listeners] == [200] * 3
    assert acme.ask("DELETE", f"/v1/tokens/{made[0]['token']['token']}", etag="*").status == 200
    assert acme.ask("POST", f"/v1/tokens/{made[1]['token']['token']}:rotate", {}, etag="*").status == 200
    for one in listeners:
        assert one.ended.wait(patience.seconds(60))
    still = Listener(acme)
    time.sleep(3)
    assert not still.ended.is_set()
    still.close()


def test_too_many_and_one_that_never_reads(folder):
    """100 come, 64 of them are served, of one tenant and of one token no more than their share; the others hear of it. One that
    never reads holds up nobody."""
    with api.Service(stores.sqlite_store(folder)) as service:
        too_many(service, service.client(service.token("*")))


def too_many(service, root):
    tenants = ["many1", "many2", "many3"]
    for name in tenants:
        root.good("POST", "/v1/tenants", {"tenant": name}, status=201)
    clients = [service.client(service.token("role:owner", name)) for name in tenants for _ in range(2)]
    listeners = [Listener(c, read=n != 0) for c in clients[:4] for n in range(17)]
    assert [sum(o.status == 200 for o in listeners[i * 17:i * 17 + 17]) for i in range(4)] == [16] * 4
    more = [Listener(c) for c in clients[4:] for _ in range(16)]
    assert all(one.status == 503 and one.body["code"] == "busy" and dict(one.fields)["Retry-After"] for one in more)
    assert all(one.body["code"] == "busy" for one in listeners if one.status != 200)
    assert root.get("/v1/events").code == "busy"
    good = [one for one in listeners if one.status == 200 and one.is_alive()]
    names = [f"m{i}.example" for i in range(30)]
    for name in names:
        clients[0].good("POST", "/v1/tenants/many1/domains", {"domain": name}, status=201)
        clients[2].good("POST", "/v1/tenants/many2/domains", {"domain": "b" + name}, status=201)
    for one in good:
        assert procs.wait_until(lambda: one.types().count("domain.added") == len(names), step=0.1), len(one.events)
        heard = {data["domain"] for kind, _, data in one.events if kind == "domain.added"}
        assert heard in (set(names), {"b" + name for name in names})
    for one in listeners:
        if one.status == 200:
            one.close()
    assert procs.wait_until(lambda: _free(clients[5]), step=0.3)


def _free(client):
    one = Listener(client)
    one.close()
    return one.status == 200


# ---- nodes ----

def test_nodes(service, root, acme):
    def gateway(name, started):
        with sqlite3.connect(service.folder / "store.db", timeout=patience.seconds(30)) as db:
            db.execute("INSERT OR REPLACE INTO gateways VALUES (?, '1', 1, 1, '', 0, ?, 1)", (name, started))

    gateway("gw-a", 1000)
    assert acme.get("/v1/nodes/gw-a").code is None or acme.get("/v1/nodes/gw-a").code == "forbidden"
    shown = root.get("/v1/nodes/gw-a")
    assert shown.json["gateway"]["gateway"] == "gw-a" and root.get("/v1/nodes/nothere").code == "not-found"
    assert root.get("/v1/nodes/gw-a", fields=[("If-None-Match", shown.etag)]).status == 304
    assert root.ask("DELETE", "/v1/nodes/gw-a").code == "precondition-required"
    gateway("gw-a", 2000)
    # It began again since it was seen.
    assert root.ask("DELETE", "/v1/nodes/gw-a", etag=shown.etag).code == "precondition-failed"
    assert root.ask("DELETE", "/v1/nodes/gw-a", dry=True).json["plan"] and root.get("/v1/nodes/gw-a").status == 200
    listener = Listener(root)
    assert listener.status == 200
    assert root.ask("DELETE", "/v1/nodes/gw-a", etag=root.get("/v1/nodes/gw-a").etag).status == 200
    assert root.get("/v1/nodes/gw-a").code == "not-found"
    assert procs.wait_until(lambda: "node.removed" in listener.types(), step=0.1), listener.events
    listener.close()


def test_mail_that_was_not_signed(service, root, acme, beta):
    """What gateways say of it, to each what is his; nothing that nobody wanted signed; and not again for each message."""
    def say(text):
        with sqlite3.connect(service.folder / "store.db", timeout=patience.seconds(30)) as db:
            db.execute("DELETE FROM gateways")
            db.execute("INSERT INTO gateways VALUES ('m1', '1', 1, 1, ?, 0, 1, CAST(strftime('%s','now') AS INTEGER) + 3600)", (text,))

    def heard(listener):
        return [(data["tenant"], data["what"], data["cause"], data["messages"]) for kind, _, data in listener.events if kind == "unsigned.mail"]

    say("")
    some = service.client(service.token("role:owner", "acme", domains="*.a.example"))
    blind = service.client(service.token("keys:read", "acme"))
    everybody = all_of_it, ours, theirs, *nobody = [Listener(one) for one in (root, acme, beta, some, blind)]
    others = Listener(root, types="key.*")
    assert {one.status for one in (*everybody, others)} == {200}
    first, second = "=! unsigned acme no_key 3\n=! deferred - keeper 1\n", "=! unsigned - not_ours 50\n=! deferred beta lease 2\n"
    say(first)
    assert procs.wait_until(lambda: len(heard(all_of_it)) == 2 and heard(ours) == [("acme", "unsigned", "no_key", 3)], step=0.1), all_of_it.events
    assert sorted(heard(all_of_it), key=str) == [("acme", "unsigned", "no_key", 3), (None, "deferred", "keeper", 1)]
    # More of the first is told in a minute; what is new at once, and it is behind the look that saw both.
    say(first.replace("3", "4") + second)
    assert procs.wait_until(lambda: heard(theirs) == [("beta", "deferred", "lease", 2)], step=0.1), theirs.events
    assert len(heard(all_of_it)) == 3 and len(heard(ours)) == 1
    assert not [one for one in (*nobody, others) if heard(one)]
    # It has left the hour; when there is some again, that is new.
    second += "=! unsigned beta tenant 1\n"
    say(second)
    assert procs.wait_until(lambda: ("beta", "unsigned", "tenant", 1) in heard(theirs), step=0.1), theirs.events
    say("=! unsigned acme no_key 1\n" + second)
    assert procs.wait_until(lambda: heard(ours)[1:] == [("acme", "unsigned", "no_key", 1)], step=0.1), ours.events
    for one in (*everybody, others):
        one.close()
    say("")


# ---- another store, and none ----

@pytest.mark.skipif(mariadb.missing() is not None, reason="MariaDB is not installed")
def test_on_mariadb_by_two(folder, world):
    """Two daemons on one store: who listens at one, hears of the other, and goes on there. Then the store goes away and comes back."""
    (folder / "sql").mkdir()
    server = mariadb.MariaDB(folder / "sql").start()
    zone = "sql." + ZONE
    try:
        store = stores.mysql_store(server, folder)
        with api.Service(store, world) as one, api.Service(store, world, name="other") as two:
            one.cli("tenant", "add", "acme")
            token, all_of_it = one.token("role:owner", "acme"), one.token("*")
            client, other = one.client(token), two.client(token)
            policy(client)
            here = f"{ACME}/domains/{zone}"
            listener, root = Listener(other), Listener(two.client(all_of_it))
            client.good("POST", f"{ACME}/domains", {"domain": zone, "policy": "std"}, status=201)
            assert procs.wait_until(lambda: active(client, here), step=0.3)
            place = operation_of(client.post(f"{here}/rotations", {"reason": "two"}))
            assert procs.wait_until(lambda: other.get(place).json["state"] == "done", step=0.3)
            assert procs.wait_until(lambda: "rotation.finished" in listener.types(zone), step=0.1), listener.events
            listener.close()
            ids = [i for _, i, _ in listener.events]
            again = Listener(client, last=ids[2])
            assert procs.wait_until(lambda: [i for _, i, _ in again.events][:len(ids) - 3] == ids[3:], step=0.1), again.events
            server.stop()
            assert procs.wait_until(lambda: "store.degraded" in root.types(), step=0.2)
            assert client.get(place).code == "store-unavailable"
            server.start()
            assert procs.wait_until(lambda: "store.recovered" in root.types(), step=0.2)
            assert "store.degraded" not in again.types() and not again.ended.is_set()
            again.close()
            root.close()
    finally:
        server.stop()
