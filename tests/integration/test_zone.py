"""signpost zone: a domain with MX and addresses alone gets the rest, in each notation, into real servers; then signpost check
is content, dkimpy verifies, and of each record that is broken check says which, and what to do."""
import json
import os
import subprocess

import pytest

from lib import dnsservers, keys, patience, procs, publishing, stores
from lib import verify as verifiers

ZONE = "example.com"
RECORDS = """
@ MX 10 mail
@ TXT "a-site-verification=1234"
mail A 192.0.2.1
mail AAAA 2001:db8::1
out A 192.0.2.2
"""
SENDS = ("--sending-host", "out.example.com", "--sending-address", "198.51.100.0/24", "--spf-all=-all",
         "--dmarc-policy=quarantine", "--dmarc-rua=reports@example.com")
SPF = "v=spf1 mx a:out.example.com ip4:198.51.100.0/24 -all"
DMARC = "v=DMARC1; p=quarantine; rua=mailto:reports@example.com"
ERROR = 65
MESSAGE = ("From: Alice <alice@example.com>\r\nTo: bob@example.net\r\nSubject: hello\r\n"
           "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nHello.\r\n").encode()


@pytest.fixture(scope="module", autouse=True)
def needed():
    reason = dnsservers.missing("named", "named-checkzone", "nsupdate")
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return {"r1": keys.make_key("rsa2048", folder / "r1"), "e1": keys.make_key("ed25519", folder / "e1")}


def run(*argv, code=0, stdin=None):
    done = subprocess.run([str(a) for a in argv], input=stdin, capture_output=True, timeout=patience.seconds(120),
                          env={**os.environ, "PATH": dnsservers.SBIN})
    assert done.returncode == code, (argv, done.returncode, done.stdout.decode(), done.stderr.decode())
    return done.stdout.decode()


def sources(pair, port):
    return [*(f"--key-file={selector}={key.path}" for selector, key in pair.items()), f"--nameserver=127.0.0.1@{port}", *SENDS]


def zone(pair, port, notation, *more, code=0):
    return run(stores.SIGNPOST.resolve(), "zone", *sources(pair, port), f"--format={notation}", *more, ZONE, code=code)


def findings(pair, port, code=0):
    """[(severity, name, text)] of signpost check."""
    out = json.loads(run(stores.SIGNPOST.resolve(), "check", *sources(pair, port), "--json", ZONE,
                         code=code))
    return [(f["severity"], f["name"], f["text"]) for f in out["findings"]]


def content(pair, port):
    said = findings(pair, port)
    right = [name for severity, name, text in said if severity == "ok" and "as it should be" in text]
    assert right == ["r1._domainkey.example.com", "e1._domainkey.example.com", "example.com", "_dmarc.example.com"], said
    assert not [f for f in said if f[0] in ("error", "warning")], said


def published(port, pair):
    """What is there now is what was wanted, and what others had is still there."""
    assert publishing.ask(port, ZONE) == sorted(["a-site-verification=1234", SPF])
    assert publishing.ask(port, "_dmarc." + ZONE) == [DMARC]
    for selector, key in pair.items():
        assert publishing.ask(port, f"{selector}._domainkey.{ZONE}") == [key.record]


def verified(tmp_path, port, pair):
    """dkimpy with the records that the server gives."""
    dkimpy = verifiers.Dkimpy()
    if dkimpy.missing():
        pytest.skip(dkimpy.missing())
    texts = {f"{s}._domainkey.{ZONE}": publishing.ask(port, f"{s}._domainkey.{ZONE}")[0] for s in pair}
    signed = {s: run(stores.SIGNPOST.resolve(), "testmsg", "-d", ZONE, "-s", s, "-k", key.path, stdin=MESSAGE).encode()
              for s, key in pair.items()}
    assert dkimpy.verify(signed, texts) == {s: [(ZONE, "pass")] for s in pair}


def test_zone_file(tmp_path, pair):
    text = dnsservers.zone(ZONE, RECORDS)
    with dnsservers.Named(tmp_path, {ZONE: text}) as server:
        assert len([f for f in findings(pair, server.port, ERROR) if f[0] == "error" and "is missing" in f[2]]) == 4
        lines = zone(pair, server.port, "bind")
        path = tmp_path / "checked"
        path.write_text(text + lines)
        assert "OK" in run("named-checkzone", ZONE, path)
        (tmp_path / "second").mkdir()
        with dnsservers.Named(tmp_path / "second", {ZONE: text + lines}) as second:
            published(second.port, pair)
            content(pair, second.port)
            verified(tmp_path, second.port, pair)
            again = zone(pair, second.port, "bind")
            assert all(line.startswith(";") for line in again.splitlines()), again


def update(server, text, code=0):
    keyfile = server.folder / "nsupdate.key"
    keyfile.write_text(f'key "{publishing.KEY}" {{ algorithm {server.algorithm}; secret "{publishing.SECRET}"; }};\n')
    return run("nsupdate", "-v", "-k", keyfile, stdin=f"server 127.0.0.1 {server.port}\n{text}".encode(), code=code)


def test_nsupdate(tmp_path, pair):
    with publishing.Bind(tmp_path, [ZONE], records={ZONE: RECORDS}) as server:
        script = zone(pair, server.port, "nsupdate")
        update(server, script)
        published(server.port, pair)
        content(pair, server.port)
        update(server, script, code=2)           # what was seen is not there any more
        assert "send" not in zone(pair, server.port, "nsupdate")
        update(server, 'update delete example.com. TXT "a-site-verification=1234"\nsend\n')
        update(server, f'update delete example.com. TXT "{SPF}"\nupdate add example.com. 60 TXT "v=spf1 a:out.example.com ~all"\n'
                       'update add example.com. 60 TXT "a-site-" "verification=1234"\nsend\n')
        update(server, zone(pair, server.port, "nsupdate"))      # a record in two strings is kept, as one
        found = publishing.ask(server.port, ZONE)
        assert sorted(found) == ["a-site-verification=1234", "v=spf1 a:out.example.com mx ip4:198.51.100.0/24 -all"], found


def test_powerdns(tmp_path, pair):
    reason = dnsservers.missing("pdns_server", "pdnsutil")
    if reason or publishing.PowerDns.schema() is None:
        pytest.skip(reason or "there is no schema for SQLite")
    with publishing.PowerDns(tmp_path, [ZONE], records={ZONE: RECORDS}) as server:
        script = zone(pair, server.port, "powerdns").replace("pdnsutil ", f"pdnsutil --config-dir={server.folder} ")
        run("sh", "-e", "-c", script)
        server.stop()                            # and with it what it has kept of before
        server.run()
        published(server.port, pair)
        content(pair, server.port)


def test_powerdns_api(tmp_path, pair):
    import urllib.request
    reason = dnsservers.missing("pdns_server", "pdnsutil")
    if reason or publishing.PowerDns.schema() is None:
        pytest.skip(reason or "there is no schema for SQLite")
    with publishing.PowerDns(tmp_path, [ZONE], records={ZONE: RECORDS}) as server:
        procs.wait_connect(("127.0.0.1", server.web_port))
        request = urllib.request.Request(f"http://127.0.0.1:{server.web_port}/api/v1/servers/localhost/zones/{ZONE}.",
                                         data=zone(pair, server.port, "powerdns-json").encode(), method="PATCH",
                                         headers={"X-API-Key": publishing.API_KEY, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=patience.seconds(60)) as answer:
            assert answer.status == 204
        server.stop()
        server.run()
        published(server.port, pair)
        content(pair, server.port)


def test_route53_and_json(tmp_path, pair):
    import dns.rdata
    with dnsservers.Named(tmp_path, {ZONE: dnsservers.zone(ZONE, RECORDS)}) as server:
        batch = json.loads(zone(pair, server.port, "route53", "--ttl=300"))
        own = json.loads(zone(pair, server.port, "json", "--ttl=300"))
        form = zone(pair, server.port, "form", "--ttl=300")
    assert set(batch) == {"Comment", "Changes"} and len(batch["Changes"]) == 4
    sets = {}
    for change in batch["Changes"]:
        assert set(change) == {"Action", "ResourceRecordSet"} and change["Action"] == "UPSERT"
        rrset = change["ResourceRecordSet"]
        assert set(rrset) == {"Name", "Type", "TTL", "ResourceRecords"} and rrset["TTL"] == 300 and rrset["Type"] == "TXT"
        for record in rrset["ResourceRecords"]:
            assert set(record) == {"Value"}
            data = dns.rdata.from_text("IN", "TXT", record["Value"])        # strings of 255 octets at most
            sets.setdefault(rrset["Name"], []).append(b"".join(data.strings).decode())
    assert sets == {**{f"{s}._domainkey.{ZONE}.": [k.record] for s, k in pair.items()},
                    ZONE + ".": ["a-site-verification=1234", SPF], f"_dmarc.{ZONE}.": [DMARC]}
    assert [(r["relative"], r["published"]) for r in own["records"]] == [
        ("r1._domainkey", "absent"), ("e1._domainkey", "absent"), ("@", "absent"), ("_dmarc", "absent")]
    for key in pair.values():
        assert f"Value     {key.record}\n" in form
    assert "take" in form and "255" in form


def broken(pair):
    """what -> (records in place of, the name that is wrong, words)"""
    r1 = pair["r1"].record
    name = "r1._domainkey.example.com"
    return {
        "truncated key": ({"r1._domainkey": [r1[:250]]}, name, "cut off after 250"),
        "key of another": ({"e1._domainkey": [pair["r1"].record]}, "e1._domainkey.example.com", "another record is published"),
        "two keys": ({"r1._domainkey": [r1, pair["e1"].record]}, name, "there are 2 records"),
        "no key": ({"r1._domainkey": []}, name, "missing"),
        "two SPF records": ({"@": [SPF, "v=spf1 mx -all"]}, ZONE, "2 SPF records"),
        "no SPF": ({"@": []}, ZONE, "SPF: the record is missing"),
        "SPF without a host": ({"@": ["v=spf1 mx -all"]}, ZONE, "a:out.example.com ip4:198.51.100.0/24"),
        "SPF of eleven look-ups": ({"@": [SPF.replace("mx", "mx " + "a:mail.example.com/24 " * 9)]}, ZONE, "11 look-ups"),
        "SPF of what is not there": ({"@": [SPF.replace("-all", "a:no1.example.com a:no2.example.com mx:no3.example.com -all")]}, ZONE,
                                     "3 names of the SPF record"),
        "a wrong tag of DMARC": ({"_dmarc": ["v=DMARC1; p=quarantin"]}, "_dmarc.example.com", "not none, quarantine or reject"),
        "another policy": ({"_dmarc": ["v=DMARC1; p=none"]}, "_dmarc.example.com", "another record is published"),
        "no DMARC": ({"_dmarc": []}, "_dmarc.example.com", "missing"),
    }


def test_each_record_broken_in_turn(tmp_path, pair):
    right = {"r1._domainkey": [pair["r1"].record], "e1._domainkey": [pair["e1"].record], "@": [SPF], "_dmarc": [DMARC]}
    cases = broken(pair)
    zones = {}

    def text(records):
        lines = "\n".join(f"{owner} {dnsservers.txt(v)}" for owner, values in records.items() for v in values)
        return dnsservers.zone(ZONE, RECORDS + lines + "\n")
    with dnsservers.Named(tmp_path, {ZONE: text(right)}) as server:
        content(pair, server.port)
    for what, (records, _, _) in cases.items():
        zones[what] = text({**right, **records})
    for number, (what, (_, name, words)) in enumerate(cases.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        with dnsservers.Named(folder, {ZONE: zones[what]}) as server:
            said = findings(pair, server.port, ERROR)
        wrong = [f for f in said if f[0] == "error"]
        assert [f for f in wrong if f[1] == name and words in f[2]], (what, said)
        assert {f[1] for f in wrong} == {name}, (what, said)


def test_the_zone_is_found(tmp_path, pair):
    """A domain below its zone; keys in a zone of their own; a name that is no zone's."""
    text = dnsservers.zone(ZONE, RECORDS + "\nsub MX 10 mail\n")
    with dnsservers.Named(tmp_path, {ZONE: text, "_domainkey.cut." + ZONE: dnsservers.zone("_domainkey.cut." + ZONE),
                                     "cut." + ZONE: dnsservers.zone("cut." + ZONE, "@ MX 10 mail.example.com.")}) as server:
        argv = [stores.SIGNPOST.resolve(), "zone", *sources(pair, server.port), "--format=json"]
        below = json.loads(run(*argv, "sub.example.com"))
        assert below["zone"] == ZONE and below["records"][0]["relative"] == "r1._domainkey.sub"
        done = subprocess.run([*map(str, argv), "cut.example.com"], capture_output=True, text=True, timeout=patience.seconds(60))
        assert done.returncode == 0 and "_domainkey.cut.example.com: this is a zone of its own" in done.stderr
        run(*argv, "example.org", code=69)       # refused by the server: nobody knows
        run(*argv, "--zone=example.net", ZONE, code=64)


def test_no_mail(tmp_path):
    bare = dnsservers.zone(ZONE)
    signpost = stores.SIGNPOST.resolve()
    (tmp_path / "second").mkdir()
    with dnsservers.Named(tmp_path, {ZONE: bare}) as server:
        lines = run(signpost, "zone", "--no-mail", f"--nameserver=127.0.0.1@{server.port}", ZONE)
    with dnsservers.Named(tmp_path / "second", {ZONE: bare + lines}) as server:
        out = run(signpost, "check", "--no-mail", f"--nameserver=127.0.0.1@{server.port}", ZONE)
        assert out.count("as it should be") == 3, out
        run(signpost, "zone", f"--nameserver=127.0.0.1@{server.port}", "--no-keys", ZONE, code=ERROR)


def test_servers_that_do_not_answer(tmp_path, pair):
    conf = tmp_path / "conf"
    conf.write_text("DNSTimeout 1\n")       # nobody would answer later
    with dnsservers.Scripted(lambda query: None) as silent:
        run(stores.SIGNPOST.resolve(), "zone", *sources(pair, silent.port), "-x", conf, "--zone", ZONE, ZONE, code=69)
    offline = run(stores.SIGNPOST.resolve(), "zone", "--offline", *sources(pair, 1), "--zone", ZONE, ZONE)
    assert "v=spf1 a:out.example.com ip4:198.51.100.0/24 -all" in offline
