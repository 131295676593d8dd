"""lib/dns/authority against real BIND on several loopback addresses, and against servers that lie or keep silent.

tests/tools/authority_probe asks and prints what it found.
"""
import json
import os
import resource
import subprocess
import time

import pytest

from lib import authorities, dnsservers, patience

BUILD = os.environ.get("SIGNPOST_BUILD") or os.environ.get("BUILDDIR") or "."
PROBE = os.path.join(BUILD, "tests", "tools", "authority_probe")
AMPLE_MS = int(patience.seconds(20)) * 1000     # one try, where there is an answer, however slow the machine is
SHORT_MS = 400                                  # one try, where there is none

KEY = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA" + "x7Jd0sQ2" * 40 + "QIDAQAB"
VALUE = "v=DKIM1; k=rsa; p=" + KEY
LONG = "v=DKIM1; k=rsa; p=" + "".join(chr(ord("A") + (i * 7 + i // 26) % 26) for i in range(736))
OTHER = "v=DKIM1; p="
WILD = "v=spf1 -all"

TWO = {"ns1.customer.example": "127.0.0.11", "ns2.customer.example": "127.0.0.12"}
HOST3 = {"ns.host.example": "127.0.0.13"}


@pytest.fixture(scope="module", autouse=True)
def needed():
    reason = dnsservers.missing()
    if reason is None and not os.path.exists(PROBE):
        subprocess.run(["make", "-s", "-C", BUILD, "tests/tools/authority_probe"], capture_output=True)
    if reason is None and not os.path.exists(PROBE):
        reason = f"there is no {PROBE}"
    if reason:
        pytest.skip(reason)


def probe(tree, *names, ms=AMPLE_MS, options=(), files=None):
    """The answers in their order, and how long it took in milliseconds."""
    argv = [PROBE, "-n", tree.resolver.address, "-p", str(tree.port), "-t", str(ms), "-6", *options, *names]
    limit = None if files is None else lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    done = subprocess.run(argv, capture_output=True, text=True, timeout=patience.seconds(240), preexec_fn=limit)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines[:-1], lines[-1]["ms"]


def ask(tree, name, value=VALUE, **options):
    found = probe(tree, f"{name}={value}", **options)[0]
    assert len(found) == 1
    return found[0]


def recursive(tree, name, value=VALUE, options=()):
    return probe(tree, f"{name}={value}", options=("-r", *options))[0][0]


def at(label, value, ttl=""):
    return f"{label} {ttl} IN {dnsservers.txt(value)}\n"


class World:
    """example: customer (primary and secondary), wild (wildcard), and what host.example serves."""

    def __init__(self, folder):
        self.tree = tree = authorities.Tree(folder)
        records = "".join([
            at("right._domainkey", VALUE), at("long._domainkey", LONG, 1200), at("short._domainkey", LONG[:255]),
            at("other._domainkey", OTHER), at("foreign._domainkey", "v=DKIM1; p=AAAA"),
            'quoted._domainkey IN TXT "\\"' + VALUE[:100] + '\\"" "' + VALUE[100:300] + '" "' + VALUE[300:] + '"\n',
            'swapped._domainkey IN TXT "' + LONG[255:510] + '" "' + LONG[:255] + '" "' + LONG[510:] + '"\n',
            'two._domainkey IN TXT "one"\ntwo._domainkey IN TXT "two"\n',
            at("twice._domainkey.customer.example", VALUE), at("bare", VALUE), at("deep.sub", "a"),
            at("up._domainkey", VALUE), "_domainkey.sub2 IN NS ns.host.example.\n",
            "slot._domainkey IN CNAME slot1.keys.provider.example.\n",
            "empty._domainkey IN CNAME none.keys.provider.example.\n",
            "loop._domainkey IN CNAME loop.keys.provider.example.\n",
            "inside._domainkey IN CNAME right._domainkey\n",
        ])
        wild = at("*._domainkey", WILD, 4000) + at("real._domainkey", VALUE) + at("else._domainkey", "v=DKIM1; p=BBBB")
        tree.serve("127.0.0.10", {"example": authorities.zone("example", {"ns.example": "127.0.0.10"}, "".join([
            authorities.delegation("customer.example", TWO),
            authorities.delegation("host.example", HOST3),
            authorities.delegation("wild.example", {"ns1.customer.example": None}),
            authorities.delegation("provider.example", HOST3),
            authorities.delegation("half.example", {"ns1.customer.example": None, "ns.silent.example": "127.0.0.20"}),
            authorities.delegation("lame.example", {"ns1.customer.example": None, "ns.host.example": None}),
            authorities.delegation("down.example", {"ns1.customer.example": None, "ns.down.example": "127.0.0.21"}),
            authorities.delegation("hidden.example", {"ns1.customer.example": None}),
            authorities.delegation("six.example", {"ns1.customer.example": None, "ns.six.example": None}),
            "ns.six.example. IN AAAA 2001:db8::1\n", authorities.delegation("both.example", {"ns.both.example": "127.0.0.11"}),
            "ns.both.example. IN AAAA 2001:db8::1\n",
            authorities.delegation("lost.example", {"ns.lost.example": None}),
        ]))})
        half = at("right._domainkey", VALUE)
        one = {"ns1.customer.example": None}
        tree.serve("127.0.0.11", {
            "customer.example": authorities.zone("customer.example", TWO, records),
            "wild.example": authorities.zone("wild.example", one, wild),
            "half.example": authorities.zone("half.example", {**one, "ns.silent.example": None}, half),
            "lame.example": authorities.zone("lame.example", {**one, "ns.host.example": None}, half),
            "down.example": authorities.zone("down.example", {**one, "ns.down.example": "127.0.0.21"}, half),
            "six.example": authorities.zone("six.example", {**one, "ns.six.example": None},
                                            "ns IN AAAA 2001:db8::1\n" + half),
            "both.example": authorities.zone("both.example", {"ns.both.example": "127.0.0.11"},
                                             "ns IN AAAA 2001:db8::1\n" + half),
            # The parent names one server, the zone itself another one too.
            "hidden.example": authorities.zone("hidden.example", {**one, "ns.host.example": None}, half),
        })
        tree.serve("127.0.0.12", {"customer.example": "127.0.0.11"})
        tree.serve("127.0.0.13", {
            "host.example": authorities.zone("host.example", HOST3),
            "hidden.example": authorities.zone("hidden.example", {**one, "ns.host.example": None}),
            "_domainkey.sub2.customer.example": authorities.zone("_domainkey.sub2.customer.example", HOST3, at("sel", VALUE)),
            "provider.example": authorities.zone("provider.example", HOST3, at("slot1.keys", VALUE, 700) +
                                                 "loop.keys IN CNAME loop._domainkey.customer.example.\n", minimum=7777,
                                                 soa_ttl=5555)})
        self.silent = tree.fake("127.0.0.20", lambda query, tcp: None)
        tree.where.pop("hidden.example")
        tree.where.update({"hidden.example": ["127.0.0.11"]})


@pytest.fixture(scope="module")
def world(module_folder):
    one = World(module_folder)
    one.tree.start()
    yield one
    one.tree.stop()


@pytest.fixture(scope="module")
def tree(world):
    return world.tree


# ---- what there is ----

def test_every_server_has_it(tree):
    found = ask(tree, "right._domainkey.customer.example")
    assert found["seen"] == "RIGHT" and found["zone"] == "customer.example"
    assert (found["servers"], found["right"], found["ttl"], found["neg"]) == (2, 2, 300, 400)
    assert found["why"] == "all 2 servers have it" and not found["signed"]


def test_nobody_has_it(tree):
    found = ask(tree, "none._domainkey.customer.example")
    assert (found["seen"], found["servers"], found["right"], found["neg"]) == ("ABSENT", 2, 0, 400)
    assert found["why"] == "none of 2 servers has it"


def test_a_domain_that_does_not_exist_at_all(tree):
    found = ask(tree, "sel._domainkey.not.yet.customer.example")
    assert (found["seen"], found["zone"]) == ("ABSENT", "customer.example")
    found = ask(tree, "sel._domainkey.nobody.example")
    assert (found["seen"], found["zone"]) == ("ABSENT", "example")


def test_the_other_text(tree):
    found = ask(tree, "other._domainkey.customer.example", options=("-o", OTHER))
    assert found["seen"] == "OTHER" and found["text0"] == OTHER


def test_foreign_records(tree):
    def why(label, value):
        found = ask(tree, f"{label}._domainkey.customer.example", value)
        assert found["seen"] == "FOREIGN" and found["texts"] >= 1, found
        assert "127.0.0.1" in found["why"] and ".customer.example (" in found["why"]
        return found["why"]
    assert "another key" in why("foreign", VALUE)
    assert "cut off after 255 of 754" in why("short", LONG)
    assert "quotation marks" in why("quoted", VALUE)
    assert "wrong order" in why("swapped", LONG)
    assert "2 TXT records" in why("two", VALUE)


def test_answers_that_need_tcp(tree):
    found = ask(tree, "long._domainkey.customer.example", LONG)
    assert (found["seen"], found["ttl"]) == ("RIGHT", 1200)
    big = LONG + "A" * 3000
    tree.update("127.0.0.11", "customer.example", add=[("big._domainkey", big)])
    tree.notify("127.0.0.12", "customer.example")
    found = ask(tree, "big._domainkey.customer.example", big)
    assert (found["seen"], found["right"]) == ("RIGHT", 2)
    assert any("big._domainkey" in line.lower() and " -T" in line.split(" TXT ")[1] or "TXT -E(0)T" in line
               for line in tree.servers["127.0.0.11"].asked() if "big._domainkey" in line.lower())


def test_a_secondary_that_lags(tree):
    name = "late._domainkey.customer.example"
    assert ask(tree, name)["seen"] == "ABSENT"
    tree.update("127.0.0.11", "customer.example", add=[("late._domainkey", VALUE)])
    found = ask(tree, name)
    assert (found["seen"], found["right"], found["servers"]) == ("MIXED", 1, 2)
    assert found["why"] == "ns2.customer.example (127.0.0.12) answers NXDOMAIN, 1 of 2 servers have it"
    tree.notify("127.0.0.12", "customer.example")
    assert ask(tree, name)["seen"] == "RIGHT"


# ---- wildcards ----

def test_a_wildcard_is_nothing_of_that_name(tree):
    found = ask(tree, "any._domainkey.wild.example")
    assert (found["seen"], found["ttl"], found["text0"]) == ("WILDCARD", 4000, WILD)
    assert WILD in found["why"]
    assert ask(tree, "any._domainkey.wild.example", options=("-o", WILD))["seen"] == "WILDCARD"


def test_a_record_beside_a_wildcard(tree):
    found = ask(tree, "real._domainkey.wild.example")
    assert (found["seen"], found["ttl"]) == ("RIGHT", 4000)     # what the wildcard made may still be known
    assert ask(tree, "else._domainkey.wild.example")["seen"] == "FOREIGN"


# ---- delegations and aliases ----

def test_domainkey_is_delegated(tree):
    found = ask(tree, "sel._domainkey.sub2.customer.example")
    assert (found["seen"], found["zone"], found["servers"]) == ("RIGHT", "_domainkey.sub2.customer.example", 1)
    assert ask(tree, "no._domainkey.sub2.customer.example")["seen"] == "ABSENT"


def test_an_alias_into_another_zone(tree):
    found = ask(tree, "slot._domainkey.customer.example")
    assert (found["seen"], found["zone"], found["alias"]) == ("RIGHT", "provider.example", "slot1.keys.provider.example")
    assert (found["neg"], found["ttl"], found["servers"]) == (5555, 700, 1)     # the longest of both zones
    found = ask(tree, "empty._domainkey.customer.example")
    assert found["seen"] == "ABSENT" and "none.keys.provider.example" in found["why"]


def test_an_alias_inside_the_zone_and_a_loop(tree):
    assert ask(tree, "inside._domainkey.customer.example")["seen"] == "RIGHT"
    found = ask(tree, "loop._domainkey.customer.example")
    assert found["seen"] == "UNAVAILABLE" and "loop" in found["why"]


def test_a_secondary_that_lags_with_an_alias(tree):
    """It has the record where the alias leads, but not the alias."""
    tree.update("127.0.0.11", "customer.example", add=[("fresh._domainkey", "CNAME right._domainkey.customer.example.")])
    found = ask(tree, "fresh._domainkey.customer.example")
    assert (found["seen"], found["right"], found["servers"]) == ("MIXED", 2, 3), found
    assert "ns2.customer.example (127.0.0.12) answers NXDOMAIN" in found["why"]
    tree.notify("127.0.0.12", "customer.example")
    assert ask(tree, "fresh._domainkey.customer.example")["seen"] == "RIGHT"


def test_servers_that_only_the_zone_itself_names(tree):
    found = ask(tree, "right._domainkey.hidden.example")
    assert (found["seen"], found["right"], found["servers"]) == ("MIXED", 1, 2)
    assert "ns.host.example (127.0.0.13)" in found["why"]


# ---- put in the wrong place ----

def test_the_wrong_name(tree):
    why = ask(tree, "twice._domainkey.customer.example")["why"]
    assert "twice._domainkey.customer.example.customer.example: the domain is in the name twice" in why
    why = ask(tree, "bare._domainkey.customer.example")["why"]
    assert "bare.customer.example" in why and "_domainkey" in why
    why = ask(tree, "up._domainkey.mail.customer.example")["why"]
    assert "up._domainkey.customer.example: the subdomain is missing" in why


# ---- servers that are no help ----

def test_a_silent_server(world, tree):
    begun = time.monotonic()
    found = ask(tree, "right._domainkey.half.example", ms=SHORT_MS)
    took = time.monotonic() - begun
    assert (found["seen"], found["servers"], found["right"]) == ("UNAVAILABLE", 2, 1)
    assert found["why"] == "ns.silent.example (127.0.0.20) does not answer; 1 of 2 servers have it"
    patience.check(took, 1.5, 60, "asking a server that is silent")
    names = [f"s{i}._domainkey.half.example={VALUE}" for i in range(200)]
    answers, ms = probe(tree, *names, ms=SHORT_MS)
    assert {a["seen"] for a in answers} == {"UNAVAILABLE"}
    patience.check(ms / 1000, 1.5, 200 / 64 * 3 * SHORT_MS * 10 / 1000, "many questions to a server that is silent")


def test_a_lame_server(tree):
    found = ask(tree, "right._domainkey.lame.example")
    assert found["seen"] == "UNAVAILABLE" and "ns.host.example (127.0.0.13) answers REFUSED" in found["why"]


def test_a_server_that_is_down(tree):
    found = ask(tree, "right._domainkey.down.example")
    assert found["seen"] == "UNAVAILABLE"
    assert found["why"].startswith("ns.down.example (127.0.0.21) refuses connections")


def test_no_route_to_ipv6(tree):
    """An address of IPv6 counts as not there; a server that has nothing else does not."""
    found = ask(tree, "right._domainkey.both.example")
    assert (found["seen"], found["servers"], found["right"]) == ("RIGHT", 1, 1), found
    found = ask(tree, "right._domainkey.six.example")
    assert found["seen"] == "UNAVAILABLE" and found["why"].startswith("ns.six.example has only addresses"), found


def test_no_address_at_all(tree):
    found = ask(tree, "sel._domainkey.lost.example", ms=SHORT_MS)
    assert found["seen"] == "UNAVAILABLE" and "address" in found["why"] and "lost.example" in found["why"]


# ---- many at once ----

def test_a_thousand_names(tree):
    for at_once in (range(i, i + 100) for i in range(0, 1000, 100)):
        tree.update("127.0.0.11", "customer.example", add=[(f"k._domainkey.d{i}", VALUE) for i in at_once])
    tree.notify("127.0.0.12", "customer.example")
    answers, ms = probe(tree, *[f"k._domainkey.d{i}.customer.example={VALUE}" for i in range(1000)])
    assert [a["seen"] for a in answers] == ["RIGHT"] * 1000
    assert all(a["right"] == 2 for a in answers)
    print(f"1,000 names at 2 servers: {ms} ms")
    names = [f"k._domainkey.d{i}.customer.example={VALUE}" for i in range(100)]
    answers, _ = probe(tree, *names, files=24)      # fewer sockets than there are questions
    assert [a["seen"] for a in answers] == ["RIGHT"] * 100


# ---- the resolver is not asked ----

def test_the_resolver_knows_nothing_of_it(tree):
    """Of all that was asked so far, nothing is at or below a _domainkey, nor where an alias leads."""
    for name in ("right._domainkey.customer", "none._domainkey.customer", "slot._domainkey.customer", "sel._domainkey.nobody",
                 "empty._domainkey.customer", "sel._domainkey.sub2.customer", "any._domainkey.wild"):
        ask(tree, f"{name}.example")
    asked = tree.resolver.asked_for()
    assert ("example", "NS") in asked and ("ns1.customer.example", "A") in asked    # it is the log that is read
    wrong = [(name, kind) for name, kind in asked if "_domainkey" in name or "keys.provider" in name or kind == "TXT"]
    assert [name for name, _ in wrong if name != "version.bind"] == []
    assert not [name for name, _ in asked if name.endswith("customer.example") and not name.startswith("ns")]
    assert not [name for name, _ in asked if name.endswith("nobody.example")]
    found = recursive(tree, "right._domainkey.customer.example")
    assert (found["resolvers"], found["right"], found["validated"], found["text"]) == (1, 1, False, VALUE)
    assert ("right._domainkey.customer.example", "TXT") in tree.resolver.asked_for()


@pytest.mark.parametrize("name, host", [("fresh._domainkey.customer", "fresh._domainkey"),
                                        ("fresh._domainkey.tomorrow.customer", "fresh._domainkey.tomorrow")])
def test_asking_leaves_no_absence_behind(tree, name, host):
    """BIND as the resolver: its own log and its cache. The name, or all of its domain, comes into being after it was asked for."""
    name, tag = f"x{name}.example", f"x{host}"
    with authorities.BindResolver(tree.folder, tree) as bind:
        options = ("-n", bind.address)
        assert ask(tree, name, options=options)["seen"] == "ABSENT"
        tree.update("127.0.0.11", "customer.example", add=[(tag, VALUE)])
        assert ask(tree, name, options=options)["seen"] == "MIXED"
        tree.notify("127.0.0.12", "customer.example")
        assert ask(tree, name, options=options)["seen"] == "RIGHT"
        asked = bind.asked_for()
        assert ("ns1.customer.example", "A") in asked and ("example", "NS") in asked
        assert not [one for one in asked if "_domainkey" in one[0] or "tomorrow" in one[0]]
        found = recursive(tree, name, options=options)
        assert (found["right"], found["why"]) == (1, "")
        assert (name, "TXT") in bind.asked_for()


def test_what_a_resolver_says(tree):
    found = recursive(tree, "none._domainkey.customer.example")
    assert found["right"] == 0 and "NXDOMAIN" in found["why"] and "127.0.0.1" in found["why"]
    found = recursive(tree, "short._domainkey.customer.example", LONG)
    assert found["right"] == 0 and "cut off after 255" in found["why"]
    found = recursive(tree, "slot._domainkey.customer.example")
    assert found["right"] == 1
    argv = [PROBE, "-n", f"{tree.resolver.address} 127.0.0.1:1", "-r", "-t", "300",
            f"right._domainkey.customer.example={VALUE}"]
    found = json.loads(subprocess.run(argv, capture_output=True, text=True).stdout.splitlines()[0])
    assert (found["resolvers"], found["right"]) == (2, 1) and "refuses" in found["why"]


# ---- signed zones ----

@pytest.fixture(scope="module")
def signed(module_folder):
    """example and safe.example are signed; open.example is not; half.safe.example is not, below a signed one."""
    folder = module_folder / "signed"
    folder.mkdir()
    two = {"ns1.safe.example": "127.0.0.11", "ns2.safe.example": "127.0.0.12"}
    safe, _ = dnsservers.sign(folder, "safe.example", authorities.zone("safe.example", two, "".join([
        at("sel._domainkey", VALUE), "slot._domainkey IN CNAME slot.open.example.\n",
        authorities.delegation("_domainkey.part.safe.example", {"ns1.safe.example": None})])))
    top, anchor = dnsservers.sign(folder, "example", authorities.zone("example", {"ns.example": "127.0.0.10"}, "".join([
        authorities.delegation("safe.example", two), authorities.delegation("open.example", {"ns1.safe.example": None})])),
        children=[folder / "sign-safe.example"])
    tree = authorities.Tree(folder, anchors=[anchor])
    tree.anchor_file = folder / "anchors"
    tree.anchor_file.write_text(anchor + "\n")
    tree.serve("127.0.0.10", {"example": top})
    one = {"ns1.safe.example": None}
    tree.serve("127.0.0.11", {
        "safe.example": safe,
        "_domainkey.part.safe.example": authorities.zone("_domainkey.part.safe.example", one, at("sel", VALUE)),
        "open.example": authorities.zone("open.example", one, at("sel._domainkey", VALUE) + at("slot", VALUE))})
    tree.serve("127.0.0.12", {"safe.example": "127.0.0.11"})
    tree.start()
    yield tree
    tree.stop()


def test_signed_zones(signed):
    def look(name):
        found = ask(signed, name)
        assert found["seen"] == "RIGHT", found
        return found["signed"]
    assert look("sel._domainkey.safe.example") is True
    assert look("sel._domainkey.open.example") is False
    assert look("slot._domainkey.safe.example") is False       # leads into one that is not
    assert look("sel._domainkey.part.safe.example") is False


def test_a_resolver_that_validates(signed):
    assert recursive(signed, "sel._domainkey.safe.example")["validated"] is True
    found = recursive(signed, "sel._domainkey.open.example")
    assert found["right"] == 1 and found["validated"] is False
    found = recursive(signed, "sel._domainkey.safe.example", options=("-a", signed.anchor_file))
    assert found["right"] == 1 and found["validated"] is True, found
    found = recursive(signed, "sel._domainkey.open.example", options=("-a", signed.anchor_file))
    assert found["right"] == 1 and found["validated"] is False, found


# ---- servers that lie ----

LIAR = "127.0.0.20"


class Liars:
    """liar.example is served by BIND and by a server of our own that plays what the test says."""

    def __init__(self, folder):
        self.play = None
        self.tree = tree = authorities.Tree(folder)
        both = {"ns.liar.example": "127.0.0.11", "bad.liar.example": LIAR}
        tree.serve("127.0.0.10", {"example": authorities.zone("example", {"ns.example": "127.0.0.10"},
                                                              authorities.delegation("liar.example", both))})
        self.text = authorities.zone("liar.example", both, at("sel._domainkey", VALUE))
        tree.serve("127.0.0.11", {"liar.example": self.text})
        self.fake = tree.fake(LIAR, self.answer)

    def honest(self, query, keep=True):
        import dns.flags
        import dns.message
        import dns.rrset
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA
        name, kind = query.question[0].name, query.question[0].rdtype
        text = name.to_text().lower()
        if kind == 16 and text == "sel._domainkey.liar.example.":
            reply.answer.append(dns.rrset.from_text(name, 300, "IN", "TXT", dnsservers.txt(VALUE)[4:]))
        elif text == "liar.example." and kind == 2:
            reply.answer.append(dns.rrset.from_text(name, 300, "IN", "NS", "ns.liar.example.", "bad.liar.example."))
        else:
            soa = "ns.liar.example. h.liar.example. 1 2 3 4 400"
            where = reply.answer if kind == 6 and text == "liar.example." else reply.authority
            where.append(dns.rrset.from_text("liar.example.", 600, "IN", "SOA", soa))
        return reply

    def answer(self, query, tcp):
        name = query.question[0].name.to_text().lower()
        if query.question[0].rdtype == 16 and name.startswith("sel.") and self.play is not None:
            return self.play(query, tcp)
        return self.honest(query)


@pytest.fixture(scope="module")
def liars(module_folder):
    folder = module_folder / "liars"
    folder.mkdir()
    one = Liars(folder)
    one.tree.start()
    yield one
    one.tree.stop()


def lie(liars, play, ms=AMPLE_MS):
    liars.play, liars.fake.asked = play, []
    return ask(liars.tree, "sel._domainkey.liar.example", ms=ms)


def test_an_honest_one(liars):
    found = lie(liars, None)
    assert (found["seen"], found["right"], found["servers"]) == ("RIGHT", 2, 2), found


def changed(wire, at_octet, octet):
    return wire[:at_octet] + bytes([octet]) + wire[at_octet + 1:]


def test_answers_to_other_questions_are_not_heard(liars):
    import dns.message
    import dns.flags
    import dns.rrset

    def wrong_id(query, tcp):
        wire = liars.honest(query).to_wire()
        return [changed(wire, 0, wire[0] ^ 1), changed(wire, 1, wire[1] ^ 1)]

    def wrong_question(query, tcp):
        other = dns.message.make_query("other._domainkey.liar.example", "TXT", id=query.id)
        reply = liars.honest(other)
        reply.answer.append(dns.rrset.from_text(query.question[0].name, 300, "IN", "TXT", '"lie"'))
        return reply

    def no_response(query, tcp):
        wire = liars.honest(query).to_wire()
        return changed(wire, 2, wire[2] & 0x7f)

    for play in (wrong_id, wrong_question, no_response):
        found = lie(liars, play, ms=SHORT_MS)
        assert (found["seen"], found["right"]) == ("UNAVAILABLE", 1), (play, found)
        assert f"bad.liar.example ({LIAR}) does not answer" in found["why"]

        def then_the_right_one(query, tcp, play=play):
            lies = play(query, tcp)
            return [*(lies if isinstance(lies, list) else [lies]), liars.honest(query)]
        assert lie(liars, then_the_right_one)["seen"] == "RIGHT"


def test_an_answer_from_another_address(liars):
    import socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.25", liars.tree.port))
        liars.fake.other = s
        try:
            found = lie(liars, None, ms=SHORT_MS)
        finally:
            liars.fake.other = None
    assert found["seen"] == "UNAVAILABLE" and "does not answer" in found["why"]


def test_the_spelling_is_not_kept(liars):
    """Then it is asked over TCP, where nobody can guess."""
    def small(query, tcp):
        wire = liars.honest(query).to_wire()
        end = wire.index(b"\0", 12)
        return wire[:12] + wire[12:end].lower() + wire[end:]
    assert lie(liars, small)["seen"] == "RIGHT"
    assert [tcp for name, kind, tcp in liars.fake.asked if kind == 16 and name.startswith("sel.")] == [False, True]


def test_compression_that_leads_nowhere(liars):
    def loop(query, tcp):
        wire = liars.honest(query).to_wire()
        end = wire.index(b"\0", 12) + 5
        return wire[:end] + (0xc000 | end).to_bytes(2, "big") + wire[end + 2:]

    def torn(query, tcp):
        return liars.honest(query).to_wire()[:-20]
    for play in (loop, torn):
        found = lie(liars, play)
        assert found["seen"] == "UNAVAILABLE" and "torn message" in found["why"], found


def test_big_answers_over_tcp(liars):
    import dns.flags
    import dns.message

    def big(query, tcp):
        reply = liars.honest(query)
        if not tcp:
            reply.answer = []
            reply.flags |= dns.flags.TC
            return reply
        reply.answer = [dns.rrset.from_text(query.question[0].name, 300, "IN", "TXT",
                                            *[f'"{i:03}{"x" * 250}"' for i in range(240)])]
        wire = reply.to_wire(max_size=65535)
        return wire + b"\0" * (65535 - len(wire))
    found = lie(liars, big)
    assert found["seen"] == "FOREIGN" and "240 TXT records" in found["why"]

    def no_tcp(query, tcp):
        return None if tcp else big(query, tcp)
    found = lie(liars, no_tcp)
    assert found["seen"] == "UNAVAILABLE" and "TCP" in found["why"]

    def endless(query, tcp):
        return b"" if tcp else big(query, tcp)
    assert lie(liars, endless)["seen"] == "UNAVAILABLE"


def test_errors_and_no_authority(liars):
    import dns.flags
    import dns.rcode

    def with_rcode(rcode):
        def play(query, tcp):
            reply = liars.honest(query)
            reply.answer = []
            reply.set_rcode(rcode)
            return reply
        return play

    def lame(query, tcp):
        reply = liars.honest(query)
        reply.flags &= ~dns.flags.AA
        return reply
    assert "answers SERVFAIL" in lie(liars, with_rcode(dns.rcode.SERVFAIL))["why"]
    assert "answers REFUSED" in lie(liars, with_rcode(dns.rcode.REFUSED))["why"]
    found = lie(liars, lame)
    assert found["seen"] == "UNAVAILABLE" and "lame" in found["why"]


def test_a_server_that_knows_no_edns(liars):
    import dns.rcode

    def old(query, tcp):
        reply = liars.honest(query)
        if query.edns >= 0:
            reply.answer = []
            reply.use_edns(-1)
            reply.set_rcode(dns.rcode.FORMERR)
        return reply
    assert lie(liars, old)["seen"] == "RIGHT"
