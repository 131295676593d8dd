"""Publishers against BIND, Knot and PowerDNS as they are installed, against a hook and a zone file: records are added, replaced
and removed; what is not ours is never touched; what was lost is found again by the next try.

tests/tools/publish_driver is one publisher_apply() behind a pipe."""
import json
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from lib import dnsservers, patience, procs, publishing

ZONE = "example.com"
TOMBSTONE = "v=DKIM1; p="
FOREIGN = "v=spf1 -all"
RECORDS = {ZONE: f"""
foreign._domainkey TXT "{FOREIGN}"
two._domainkey TXT "v=DKIM1; p=one"
two._domainkey TXT "v=DKIM1; p=two"
alias._domainkey CNAME elsewhere.example.net.
odd._domainkey TXT "v=DK" "IM1" "; p=AB" "CD"
"""}
KINDS = {"bind": publishing.Bind, "knot": publishing.Knot, "pdns": publishing.PowerDns, "pdns-api": publishing.PowerDnsApi}
PROGRAMS = {"bind": "named", "knot": "knotd", "pdns": "pdns_server", "pdns-api": "pdns_server"}
SIGNED = ["bind", "knot", "pdns"]


def driver():
    build = os.environ.get("SIGNPOST_BUILD") or os.environ.get("BUILDDIR") or "."
    path = Path(build) / "tests/tools/publish_driver"
    if not path.exists():
        pytest.skip("tests/tools/publish_driver is not built")
    return path


def value(text="AAAA"):
    return f"v=DKIM1; k=rsa; p={text}"


def name(selector, zone=ZONE):
    return f"{selector}._domainkey.{zone}"


def add(selector, text, zone=ZONE, ttl=300):
    return {"how": "add", "name": name(selector, zone), "value": text, "ttl": ttl}


def replace(selector, old, text, zone=ZONE, ttl=300):
    return {"how": "replace", "name": name(selector, zone), "value": text, "old": old, "ttl": ttl}


def remove(selector, old, zone=ZONE):
    return {"how": "remove", "name": name(selector, zone), "old": old}


class Publisher:
    def __init__(self, folder, line):
        self.file = Path(folder) / f"publishers-{procs.free_port()}"
        self.file.write_text(f"# of a test\n\n{line}\n")
        self.file.chmod(0o600)
        self.name = line.split()[0]

    def start(self, *changes, zone=ZONE):
        process = subprocess.Popen([driver(), self.file, self.name, zone], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        return process, json.dumps(changes)

    @staticmethod
    def end(started):
        out, err = started[0].communicate(started[1], timeout=patience.seconds(240))
        assert started[0].returncode == 0, err
        return json.loads(out)

    def results(self, *changes, zone=ZONE):
        return self.end(self.start(*changes, zone=zone))

    def apply(self, *changes, zone=ZONE):
        return [r["effect"] for r in self.results(*changes, zone=zone)]


def make_server(kind, folder, zones=(ZONE,), records=None, **options):
    why = dnsservers.missing(PROGRAMS[kind])
    if why or (kind.startswith("pdns") and not publishing.PowerDns.schema()):
        pytest.skip(why or "pdns-backend-sqlite3 is not installed")
    return KINDS[kind](folder, zones, records=RECORDS if records is None else records, **options)


@pytest.fixture(scope="module", params=list(KINDS))
def server(request, module_folder):
    with make_server(request.param, module_folder) as one:
        yield one


@pytest.fixture
def publisher(server, folder):
    return Publisher(folder, server.publisher("p"))


@pytest.fixture(scope="module")
def keys():
    """The texts of records of real keys."""
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    import base64
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    def spki(key):
        return base64.b64encode(key.public_key().public_bytes(serialization.Encoding.DER,
                                                              serialization.PublicFormat.SubjectPublicKeyInfo)).decode()
    raw = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"rsa2048": value(spki(rsa.generate_private_key(65537, 2048))),
            "rsa4096": value(spki(rsa.generate_private_key(65537, 4096))),
            "ed25519": "v=DKIM1; k=ed25519; p=" + base64.b64encode(raw).decode()}


# ---- what every server has to do ----

def test_life_of_a_record(server, publisher):
    text = value("life")
    assert publisher.apply(add("life", text)) == ["done"]
    assert server.texts(name("life")) == [text]
    assert publisher.apply(add("life", text)) == ["done"], "the same once more"
    assert publisher.apply(replace("life", text, TOMBSTONE)) == ["done"]
    assert server.texts(name("life")) == [TOMBSTONE]
    assert publisher.apply(replace("life", text, TOMBSTONE)) == ["done"], "the same once more"
    assert publisher.apply(add("life", text)) == ["conflict"], "what was revoked does not come back"
    assert publisher.apply(remove("life", TOMBSTONE)) == ["done"]
    assert server.texts(name("life")) == []
    assert publisher.apply(remove("life", TOMBSTONE)) == ["done"], "the same once more"
    assert publisher.apply(replace("life", text, TOMBSTONE)) == ["conflict"], "nothing there to replace"


def test_what_is_not_ours_is_not_touched(server, publisher):
    names = [name(s) for s in ("foreign", "two", "alias")]
    before = [server.texts(n) for n in names]
    assert before[0] == [FOREIGN] and len(before[1]) == 2 and before[2][0].startswith("CNAME")
    for selector in ("foreign", "two", "alias"):
        for change in (add(selector, value()), replace(selector, value(), TOMBSTONE), remove(selector, value())):
            result = publisher.results(change)[0]
            assert result["effect"] == "conflict" and name(selector) in result["why"], (change, result)
    assert [server.texts(n) for n in names] == before


def test_one_conflict_does_not_hinder_the_others(server, publisher):
    wanted = [f"b{i}" for i in range(20)]
    assert publisher.apply(add("b3", value("b3")), add("b11", value("b11"))) == ["done"] * 2
    changes = [add(s, value(s)) for s in wanted]
    changes[5:5] = [add("foreign", value()), add("alias", value())]
    effects = publisher.apply(*changes)
    assert effects[5:7] == ["conflict"] * 2 and set(effects[:5] + effects[7:]) == {"done"}
    assert all(server.texts(name(s)) == [value(s)] for s in wanted)
    mixed = [remove("foreign", value())] + [replace(s, value(s), TOMBSTONE) for s in wanted[:10]] + \
        [remove(s, value(s)) for s in wanted[10:]] + [add("b20", value("b20"))]
    effects = publisher.apply(*mixed)
    assert effects == ["conflict"] + ["done"] * 21
    assert all(server.texts(name(s)) == [TOMBSTONE] for s in wanted[:10])
    assert all(server.texts(name(s)) == [] for s in wanted[10:])
    assert server.texts(name("foreign")) == [FOREIGN]


def test_strings_that_are_split_elsewhere(server, publisher):
    """Somebody wrote our text as other strings: it is the same text."""
    assert publisher.apply(add("odd", "v=DKIM1; p=ABCD")) == ["done"]
    assert publisher.apply(replace("odd", "v=DKIM1; p=ABCD", value("new"))) == ["done"]
    assert server.texts(name("odd")) == [value("new")]
    assert publisher.apply(replace("odd", value("new"), "v=DKIM1; p=ABCD")) == ["done"]


def test_long_keys(server, publisher, keys):
    assert publisher.apply(*[add(kind, text) for kind, text in keys.items()]) == ["done"] * 3
    for kind, text in keys.items():
        assert server.texts(name(kind)) == [text]
    assert publisher.apply(*[replace(kind, text, TOMBSTONE) for kind, text in keys.items()]) == ["done"] * 3
    assert publisher.apply(*[remove(kind, TOMBSTONE) for kind in keys]) == ["done"] * 3


def test_octets_that_mean_something(server, publisher):
    text = 'v=DKIM1; n=say "no" \\ ; $ORIGIN @ ( ) ${x} %{y}; p=AAAA'
    assert publisher.apply(add("quotes", text)) == ["done"]
    assert server.texts(name("quotes")) == [text]
    assert publisher.apply(add("quotes", text)) == ["done"]
    assert publisher.apply(remove("quotes", text)) == ["done"]
    bad = [add("a\nb", value()), add('a"b', value()), add("a b", value()), add("a..b", value()), add("a" * 64, value()),
           add("a", "v=\x01"), add("a", "v=\u00e9"), add("a", ""), add("a", "x" * 4097), add("a\\b", value()), add("*", value())]
    assert publisher.apply(*bad) == ["refused"] * len(bad)
    assert publisher.apply({"how": "add", "name": "s._domainkey.example.net", "value": value(), "ttl": 1}) == ["refused"]


def test_a_name_twice(server, publisher):
    assert publisher.apply(add("twice", value("1")), add("TWICE", value("2"))) == ["done", "unavailable"]
    assert server.texts(name("twice")) == [value("1")]
    assert publisher.apply(remove("twice", value("1"))) == ["done"]


@pytest.mark.parametrize("kind", list(KINDS))
def test_wildcard(kind, folder):
    """A question sees the wildcard's text at every name; it hinders nothing."""
    records = {ZONE: f'*._domainkey TXT "{FOREIGN}"\n'}
    with make_server(kind, folder, records=records) as server:
        publisher = Publisher(folder, server.publisher("p"))
        assert server.texts(name("w0")) == [FOREIGN]
        assert publisher.apply(add("w1", value("w1"))) == ["done"]
        assert publisher.apply(add("w1", value("w1")), add("w2", value("w2"))) == ["done"] * 2
        assert server.texts(name("w1")) == [value("w1")] and server.texts(name("w2")) == [value("w2")]
        assert publisher.apply(remove("w1", value("w1"))) == ["done"]
        assert publisher.apply(remove("w1", value("w1"))) == ["done"], "it is gone, whatever the wildcard shows"
        assert publisher.apply(replace("w1", value("w1"), TOMBSTONE)) == ["conflict"]
        assert server.texts(name("w0")) == [FOREIGN]


@pytest.mark.parametrize("kind", list(KINDS))
def test_no_such_zone(kind, folder):
    with make_server(kind, folder) as server:
        publisher = Publisher(folder, server.publisher("p"))
        result = publisher.results(add("a", value(), "example.net"), zone="example.net")[0]
        assert result["effect"] == "refused" and result["why"], result


# ---- RFC 2136 ----

@pytest.mark.parametrize("kind", SIGNED)
@pytest.mark.parametrize("algorithm", ["hmac-sha256", "hmac-sha384", "hmac-sha512"])
def test_algorithms(kind, algorithm, folder):
    with make_server(kind, folder, algorithm=algorithm) as server:
        publisher = Publisher(folder, server.publisher("p"))
        assert publisher.apply(add("a", value())) == ["done"]
        assert publisher.apply(replace("a", value(), TOMBSTONE)) == ["done"]


@pytest.mark.parametrize("kind", SIGNED)
def test_wrong_key(kind, folder):
    with make_server(kind, folder) as server:
        server.secret_file.write_text("bm90IHRoZSBzZWNyZXQgb2YgdGhpcyBzZXJ2ZXIgICA=\n")
        result = Publisher(folder, server.publisher("p")).results(add("a", value()))[0]
        assert result["effect"] == "refused" and result["why"], result
        if kind != "pdns":
            assert "BADSIG" in result["why"]
        line = server.publisher("p").replace("key=signpost", "key=nobody")
        results = Publisher(folder, line).results(add("a", value()), add("b", value()), remove("c", value()))
        assert [r["effect"] for r in results] == ["refused"] * 3, results
        unsigned = Publisher(folder, f"p rfc2136:127.0.0.1:{server.port}").results(add("a", value()))[0]
        assert unsigned["effect"] == "refused" and ("REFUSED" in unsigned["why"] or "signature" in unsigned["why"]), unsigned
        assert server.texts(name("a")) == []


def test_secret_that_others_can_read(folder):
    with make_server("bind", folder) as server:
        server.secret_file.chmod(0o644)
        result = Publisher(folder, server.publisher("p")).results(add("a", value()))[0]
        assert result["effect"] == "refused" and str(server.secret_file) in result["why"]


def test_answer_that_somebody_changed(folder):
    """NOERROR in place of what the server said, or one octet of its signature."""
    with make_server("bind", folder) as server:
        for change in (lambda a: a[:3] + bytes([a[3] ^ 1]) + a[4:], lambda a: a[:-20] + bytes([a[-20] ^ 1]) + a[-19:]):
            with publishing.Proxy(server.port, change=change) as proxy:
                result = Publisher(folder, server.publisher("p", proxy.port)).results(add("a", value("c")))[0]
                assert result["effect"] == "unavailable", result
        assert Publisher(folder, server.publisher("p")).apply(add("a", value("c"))) == ["done"]


@pytest.mark.parametrize("kind", SIGNED)
def test_thousand_names(kind, folder):
    with make_server(kind, folder) as server, publishing.Proxy(server.port) as proxy:
        publisher = Publisher(folder, server.publisher("p", proxy.port))
        text = {f"k{i}": value("A" * 380 + str(i)) for i in range(1000)}
        assert publisher.apply(*[add(s, t) for s, t in text.items()]) == ["done"] * 1000
        clean, proxy.updates, proxy.questions = proxy.updates, 0, 0
        assert clean <= 10 and proxy.octets <= 65535
        assert all(server.texts(name(s)) == [text[s]] for s in list(text)[::50])
        assert publisher.apply(*[add(s, t) for s, t in text.items()]) == ["done"] * 1000
        again, questions = proxy.updates, proxy.questions
        proxy.updates, proxy.questions = 0, 0
        assert again <= 10 and questions <= 1000, "all are there already: no update for each of them"
        assert publisher.apply(*[replace(s, t, TOMBSTONE) for s, t in text.items()]) == ["done"] * 1000
        print(f"\n{kind}: 1,000 names: {clean} updates; all there already: {again} updates, {questions} questions; "
              f"revoked: {proxy.updates} updates, {proxy.questions} questions; largest {proxy.octets} octets")


@pytest.mark.parametrize("kind", SIGNED)
def test_answer_that_is_lost(kind, folder):
    with make_server(kind, folder) as server, publishing.Proxy(server.port, cut=True) as proxy:
        publisher = Publisher(folder, server.publisher("p", proxy.port))
        changes = [add(f"l{i}", value(str(i))) for i in range(10)]
        assert publisher.apply(*changes) == ["unavailable"] * 10
        assert server.texts(name("l3")) == [value("3")], "the update was carried out"
        proxy.cut = False
        assert publisher.apply(*changes) == ["done"] * 10
        proxy.cut = True
        gone = [remove(f"l{i}", value(str(i))) for i in range(10)]
        assert "unavailable" in publisher.apply(*gone)
        proxy.cut = False
        assert publisher.apply(*gone) == ["done"] * 10
        assert server.texts(name("l3")) == []


@pytest.mark.parametrize("kind", SIGNED)
def test_server_killed_in_the_middle(kind, folder):
    with make_server(kind, folder) as server:
        def kill(count):
            if count == 3:
                server.kill()
        with publishing.Proxy(server.port, seen=kill) as proxy:
            publisher = Publisher(folder, server.publisher("p", proxy.port))
            changes = [add(f"m{i}", value("B" * 380 + str(i))) for i in range(500)]
            effects = publisher.apply(*changes)
            assert "done" in effects and "unavailable" in effects and set(effects) == {"done", "unavailable"}
            server.run()
            assert publisher.apply(*changes) == ["done"] * 500
        assert server.texts(name("m499")) == [value("B" * 380 + "499")]


@pytest.mark.parametrize("kind", SIGNED)
def test_two_at_once(kind, folder):
    """The same names with other texts, at the same time, several times: each name has one winner."""
    with make_server(kind, folder) as server:
        publishers = [Publisher(folder, server.publisher("p")) for _ in range(2)]
        for turn in range(5):
            selectors = [f"r{turn}-{i}" for i in range(20)]
            orders = [selectors, selectors[::-1]]
            started = [p.start(*[add(s, value(who)) for s in order])
                       for p, who, order in zip(publishers, ("one", "other"), orders)]
            ends = [None, None]

            def finish(i):
                ends[i] = Publisher.end(started[i])
            threads = [threading.Thread(target=finish, args=(i,)) for i in range(2)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            first = {s: r["effect"] for s, r in zip(orders[0], ends[0])}
            second = {s: r["effect"] for s, r in zip(orders[1], ends[1])}
            for s in selectors:
                assert {first[s], second[s]} <= {"done", "conflict", "unavailable"}
                assert [first[s], second[s]].count("done") == 1, (s, first[s], second[s])
                assert server.texts(name(s)) == [value("one" if first[s] == "done" else "other")]


def test_second_server(folder):
    """The first of two does not answer."""
    with make_server("bind", folder) as server:
        line = server.publisher("p").replace("rfc2136:", f"rfc2136:127.0.0.1:{procs.free_port()},")
        publisher = Publisher(folder, line)
        assert publisher.apply(*[add(f"s{i}", value()) for i in range(5)]) == ["done"] * 5
        assert publisher.apply(*[remove(f"s{i}", value()) for i in range(5)]) == ["done"] * 5
    result = publisher.results(add("a", value()), remove("b", value()))
    assert [r["effect"] for r in result] == ["unavailable"] * 2 and "127.0.0.1" in result[0]["why"]


def scripted(answer):
    why = dnsservers.missing("named")
    if why:
        pytest.skip(why)
    return dnsservers.Scripted(answer)


def test_server_that_is_silent(folder):
    """It takes the connection and says nothing: that is waited for a few times, and not for each name."""
    with scripted(lambda query: None) as server:
        publisher = Publisher(folder, f"p rfc2136:127.0.0.1:{server.port}?timeout=1")
        changes = [add(f"a{i}", value()) for i in range(100)] + [remove(f"r{i}", value()) for i in range(100)]
        begun = time.monotonic()
        results = publisher.results(*changes)
        took = time.monotonic() - begun
    assert {r["effect"] for r in results} == {"unavailable"} and "does not answer" in results[0]["why"]
    patience.check(took, 2, 14, "200 names at a server that is silent")


@pytest.mark.parametrize("rcode, effect", [(1, "refused"), (2, "unavailable"), (4, "refused"), (5, "refused"), (9, "refused"),
                                           (10, "refused"), (15, "refused")])
def test_what_a_server_may_say(folder, rcode, effect):
    with scripted(lambda query: dnsservers.response(query, rcode=rcode)) as server:
        publisher = Publisher(folder, f"p rfc2136:127.0.0.1:{server.port}")
        results = publisher.results(*[add(f"a{i}", value()) for i in range(10)])
        assert {r["effect"] for r in results} == {effect} and all(r["why"] for r in results), results
        assert server.asked_tcp <= 20


def test_answers_without_a_signature(folder):
    """Good news that nobody signed are not believed; a prerequisite that is said to fail neither."""
    secret = folder / "secret"
    secret.write_text(publishing.SECRET)
    secret.chmod(0o600)
    for rcode in (0, 7):
        with publishing.Unsigned(rcode) as server:
            publisher = Publisher(folder, f"p rfc2136:127.0.0.1:{server.port}?key=k&secretfile={secret}")
            result = publisher.results(add("a", value()))[0]
            assert result["effect"] == "unavailable" and "not signed" in result["why"], result


def test_policy_of_single_names(folder, monkeypatch):
    """The server lets us change some names only: those are changed."""
    monkeypatch.setattr(publishing.Bind, "policy",
                        f"update-policy {{ grant {publishing.KEY} subdomain ours._domainkey.{ZONE} TXT; }};")
    with make_server("bind", folder) as server:
        publisher = Publisher(folder, server.publisher("p"))
        changes = [add(f"s{i}.ours" if i % 4 else f"s{i}", value()) for i in range(12)]
        assert publisher.apply(*changes) == ["done" if i % 4 else "refused" for i in range(12)]
        assert set(publisher.apply(*[add(f"x{i}", value()) for i in range(100)])) == {"refused"}


def test_zone_option(folder):
    with make_server("bind", folder) as server:
        publisher = Publisher(folder, server.publisher("p", options=f"&zone={ZONE}"))
        assert publisher.apply(add("z", value(), f"sub.{ZONE}"), zone=f"sub.{ZONE}") == ["done"]
        assert server.texts(f"z._domainkey.sub.{ZONE}") == [value()]
        assert publisher.apply(add("z", value(), "example.net"), zone="example.net") == ["refused"]


# ---- the API of PowerDNS ----

def test_api_key(folder):
    with make_server("pdns-api", folder) as server:
        server.api_key_file.write_text("another\n")
        result = Publisher(folder, server.publisher("p")).results(add("a", value()), add("b", value()))
        assert [r["effect"] for r in result] == ["refused"] * 2 and "401" in result[0]["why"], result
        assert "another" not in json.dumps(result)
        server.api_key_file.unlink()
        assert Publisher(folder, server.publisher("p")).apply(add("a", value())) == ["refused"]
    result = Publisher(folder, server.publisher("p")).results(*[add(f"a{i}", value()) for i in range(50)])
    assert {r["effect"] for r in result} == {"refused"}, "the key is read before anything is asked"
    server.api_key_file.write_text("a\n")
    server.api_key_file.chmod(0o600)
    assert set(Publisher(folder, server.publisher("p")).apply(*[add(f"a{i}", value()) for i in range(50)])) == {"unavailable"}


def test_api_batch(folder):
    with make_server("pdns-api", folder) as server:
        publisher = Publisher(folder, server.publisher("p"))
        changes = [add(f"k{i}", value("A" * 380 + str(i))) for i in range(600)]
        assert publisher.apply(*changes) == ["done"] * 600
        assert server.texts(name("k599")) == [value("A" * 380 + "599")]
        assert publisher.apply(*changes) == ["done"] * 600


# ---- a hook, a zone file, a person ----

HOOK = """#!/usr/bin/python3
# A provider that is a file of JSON.
import json, os, sys
place = {place!r}
asked = json.load(sys.stdin)
open(place + ".asked", "w").write(json.dumps(asked))
open(place + ".world", "w").write(json.dumps([dict(os.environ), sorted(os.listdir("/proc/self/fd")), os.getcwd()]))
there = json.load(open(place)) if os.path.exists(place) else {{}}
results = []
for change in asked["changes"]:
    has, how = there.get(change["name"]), change["how"]
    wanted = None if how == "remove" else change["value"]
    assert wanted is None or "".join(change["strings"]) == wanted and max(map(len, change["strings"])) <= 255
    if has == wanted:
        result = "done"
    elif has == (None if how == "add" else change["old"]):
        result = "done"
        there[change["name"]] = wanted
    else:
        result = "conflict"
    results.append({{"id": change["id"], "result": result, "why": "" if result == "done" else "there is " + str(has)}})
json.dump({{n: v for n, v in there.items() if v}}, open(place, "w"))
print(json.dumps({{"results": results[::-1]}}))
"""


def hook(folder, text, options=""):
    path = Path(folder) / f"hook-{procs.free_port()}"
    path.write_text(text)
    path.chmod(0o755)
    return Publisher(folder, f"h exec:{path}{options}")


def test_hook(folder, keys):
    place = str(folder / "provider")
    Path(place).write_text(json.dumps({name("foreign"): FOREIGN}))
    publisher = hook(folder, HOOK.format(place=place))
    assert publisher.apply(add("a", keys["rsa4096"]), add("b", value()), add("foreign", value())) == ["done", "done", "conflict"]
    assert publisher.apply(add("a", keys["rsa4096"])) == ["done"]
    assert publisher.apply(replace("a", keys["rsa4096"], TOMBSTONE), remove("b", value())) == ["done"] * 2
    asked = json.loads(Path(place + ".asked").read_text())
    assert asked["version"] == 1 and asked["publisher"] == "h" and asked["zone"] == ZONE
    assert asked["changes"][0] == {"id": 0, "how": "replace", "name": name("a"), "ttl": 300, "value": TOMBSTONE,
                                   "strings": [TOMBSTONE], "old": keys["rsa4096"]}
    assert asked["changes"][1] == {"id": 1, "how": "remove", "name": name("b"), "ttl": 0, "old": value()}
    environment, descriptors, where = json.loads(Path(place + ".world").read_text())
    assert set(environment) <= {"PATH", "LC_ALL", "LC_CTYPE"} and where == "/"
    assert len(descriptors) <= 5, descriptors       # 0 1 2, what listdir has open, and the file that is written
    assert json.loads(Path(place).read_text()) == {name("a"): TOMBSTONE, name("foreign"): FOREIGN}


@pytest.mark.parametrize("text, why", [
    ("#!/bin/sh\necho the provider is closed >&2\nexit 3\n", "exited with 3: the provider is closed"),
    ("#!/bin/sh\nkill -9 $$\n", "signal 9"),
    ("#!/bin/sh\necho '{'\n", "JSON"),
    ("#!/bin/sh\necho '{\"results\": 1}'\n", "results"),
    ("#!/bin/sh\necho '{\"results\": [{\"id\": 7, \"result\": \"done\"}]}'\n", "id"),
    ("#!/bin/sh\necho '{\"results\": [{\"id\": 0, \"result\": \"done\"}, {\"id\": 0, \"result\": \"done\"}]}'\n", "two results"),
    ("#!/bin/sh\necho '{\"results\": [{\"id\": 0, \"result\": \"fine\"}]}'\n", "result"),
    ("#!/bin/sh\necho '{\"results\": []}'\n", "no result"),
    ("#!/bin/sh\nwhile :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done\n", "more than 1048576"),
    ("#!/nowhere/at/all\n", "cannot be run"),
])
def test_hook_that_fails(folder, text, why):
    result = hook(folder, text).results(add("a", value()))[0]
    assert result["effect"] == "unavailable" and why in result["why"], result


def test_hook_that_does_not_end(folder):
    """It, and what it started, is killed."""
    place = folder / "child"
    publisher = hook(folder, f"#!/bin/sh\nsleep 600 &\necho $! > {place}\nwait\n", "?timeout=1")
    result = publisher.results(add("a", value()))[0]
    assert result["effect"] == "unavailable" and "killed" in result["why"], result
    child = int(place.read_text())

    def is_gone():
        try:
            return Path(f"/proc/{child}/stat").read_text().rsplit(") ", 1)[1][0] == "Z"
        except OSError:
            return True
    assert procs.wait_until(is_gone)


def zone_texts(path, wanted):
    """What an RFC 1035 parser that is not ours reads."""
    import dns.zone
    text = f"$ORIGIN {ZONE}.\n$TTL 60\n@ IN SOA ns h 1 2 3 4 5\n@ IN NS ns\n" + Path(path).read_text()
    zone = dns.zone.from_text(text, ZONE, check_origin=False)
    rdataset = zone.get_rdataset(wanted + ".", "TXT")
    return sorted(b"".join(r.strings).decode() for r in rdataset) if rdataset else []


def test_zone_file(folder, keys):
    pytest.importorskip("dns.zone")
    calls, broken = folder / "calls", folder / "broken"
    program = folder / "reload"
    program.write_text(f'#!/bin/sh\n[ ! -e {broken} ] || exit 1\necho "$@" >> {calls}\n')
    program.chmod(0o755)
    path = folder / f"{ZONE}.zone"
    mine = f'foreign._domainkey IN TXT "{FOREIGN}" ; by hand\n; a remark\nmulti._domainkey 60 IN TXT ( "a"\n  "b" )\n'
    path.write_text(mine)
    path.chmod(0o640)
    publisher = Publisher(folder, f"z zonefile:{folder}/%z.zone?run={program}")
    assert publisher.apply(add("b", value("b")), add("a", keys["rsa4096"]), add("foreign", value()), add("multi", value()),
                           zone=ZONE.upper()) == ["done", "done", "conflict", "conflict"]
    text = path.read_text()
    assert mine in text and text.index(name("a")) < text.index(name("b")) and path.stat().st_mode & 0o777 == 0o640
    assert zone_texts(path, name("a")) == [keys["rsa4096"]] and zone_texts(path, name("foreign")) == [FOREIGN]
    assert zone_texts(path, name("multi")) == ["ab"]
    assert calls.read_text().splitlines() == [f"{ZONE} {path}"]
    assert publisher.apply(add("b", value("b"))) == ["done"]
    assert path.read_text() == text and len(calls.read_text().splitlines()) == 1, "nothing changed, nobody is told"
    broken.touch()
    assert publisher.apply(replace("b", value("b"), TOMBSTONE)) == ["unavailable"], "the server was not told"
    assert publisher.apply(replace("b", value("b"), TOMBSTONE)) == ["unavailable"], "nor now"
    broken.unlink()
    assert publisher.apply(replace("b", value("b"), TOMBSTONE)) == ["done"]
    assert len(calls.read_text().splitlines()) == 2 and zone_texts(path, name("b")) == [TOMBSTONE]
    assert publisher.apply(remove("b", TOMBSTONE), remove("a", keys["rsa4096"])) == ["done"] * 2
    assert mine in path.read_text() and "p=" not in path.read_text()
    assert sorted(p.name for p in folder.glob(f"{ZONE}.zone*")) == [f"{ZONE}.zone", f"{ZONE}.zone.lock"]


def test_zone_file_by_several(folder):
    """Ten at once: nobody's record is lost."""
    line = f"z zonefile:{folder}/%z.zone"
    started = [Publisher(folder, line).start(*[add(f"p{i}-{k}", value(f"{i}{k}")) for k in range(20)]) for i in range(10)]
    ends = [None] * 10

    def finish(i):
        ends[i] = Publisher.end(started[i])
    threads = [threading.Thread(target=finish, args=(i,)) for i in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(r["effect"] == "done" for end in ends for r in end), ends
    text = (folder / f"{ZONE}.zone").read_text()
    assert all(f"p{i}-{k}._domainkey" in text for i in range(10) for k in range(20))


def test_zone_file_nowhere(folder):
    result = Publisher(folder, f"z zonefile:{folder}/nowhere/%z").results(add("a", value()))[0]
    assert result["effect"] == "refused" and "nowhere" in result["why"]


def test_by_hand(folder):
    publisher = Publisher(folder, "h manual:")
    results = publisher.results(add("a", value()), replace("b", value(), TOMBSTONE), remove("c", TOMBSTONE))
    assert [r["effect"] for r in results] == ["pending"] * 3
    assert name("a") in results[0]["why"] and "removes" in results[2]["why"]


# ---- the notations, read by others ----

def written(notation, *record):
    return subprocess.run([driver(), "-w", notation, *record], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("notation", ["rfc1035", "bind"])
def test_notations_of_zone_files(folder, keys, notation):
    pytest.importorskip("dns.zone")
    for text in [*keys.values(), 'v=DKIM1; n=say "no" \\; p=A', "x" * 255, "x" * 256, "x" * 510, "x" * 511]:
        file = folder / "zone"
        file.write_text(written(notation, name("s"), text, "300"))
        assert zone_texts(file, name("s")) == [text]


def test_notation_of_nsupdate(folder, keys):
    """nsupdate itself reads it; the second time its prerequisite hinders it."""
    if not shutil.which("nsupdate"):
        pytest.skip("nsupdate is not installed")
    with make_server("bind", folder) as server:
        head = f"server 127.0.0.1 {server.port}\nkey hmac-sha256:{publishing.KEY} {publishing.SECRET}\n"
        text = written("nsupdate", name("n"), keys["rsa4096"], "300")
        done = [subprocess.run(["nsupdate"], input=head + text, capture_output=True, text=True, timeout=patience.seconds(60))
                for _ in range(2)]
        assert done[0].returncode == 0 and server.texts(name("n")) == [keys["rsa4096"]], done[0].stderr
        assert "YXRRSET" in done[1].stderr


def test_notations_of_json(keys):
    assert written("single", name("s"), keys["rsa2048"], "300") == keys["rsa2048"]
    record = json.loads(written("json", name("s"), keys["rsa2048"], "300"))
    assert record["name"] == name("s") and record["ttl"] == 300 and "".join(record["strings"]) == keys["rsa2048"]
    batch = json.loads(written("route53", name("s"), keys["rsa2048"], "300"))["Changes"][0]
    assert batch["Action"] == "CREATE" and batch["ResourceRecordSet"]["Name"] == name("s") + "."
    rdata = pytest.importorskip("dns.rdata")
    text = batch["ResourceRecordSet"]["ResourceRecords"][0]["Value"]
    assert b"".join(rdata.from_text("IN", "TXT", text).strings).decode() == keys["rsa2048"]
    terraform = written("terraform", name("s"), keys["rsa2048"], "300")
    line = next(one for one in terraform.splitlines() if "records" in one)
    text = '"' + json.loads(line.split("= ", 1)[1])[0] + '"'      # the provider puts the outer quotes
    assert text.replace('""', "").strip('"') == keys["rsa2048"]
