#!/usr/bin/env python3
"""signpost zone: where keys come from, what is made of hosts, what is refused; answers of DNS from a file. Prints TAP."""
import contextlib
import json
import sqlite3
import sys

from common import Skip, answers, main, make_key, tool, write

HOSTS = """example.com !SOA ns.example.com
example.com !MX 10 mail.example.com
example.com !MX 20 out.example.com
mail.example.com !A 192.0.2.1
mail.example.com !AAAA 2001:db8::1
out.example.com !A 192.0.2.2
other.example.com !A 203.0.113.9
"""


def zone(d, code, *words, dns="", hosts=HOSTS, domain="example.com"):
    return answers(code, "zone", "--dns-file", write(d + "/dns", hosts + dns), *words, domain)


def made(d, *words, **more):
    """name -> record"""
    result = zone(d, 0, "--format=json", *words, **more)
    return {r["name"]: r for r in json.loads(result.stdout)["records"]}


def spf(d, *words, **more):
    return made(d, "--no-keys", *words, **more)["example.com"]


def test_keys_of_files(d):
    (a, record_a), (b, record_b) = make_key(d, "a", "-h", ""), make_key(d, "b", "--ed25519", "-h", "")
    records = made(d, f"--key-file=a={a}", f"--key-file=b.c={b}", "--ttl=60")
    assert records["a._domainkey.example.com"]["value"] == record_a and records["b.c._domainkey.example.com"]["value"] == record_b
    assert {r["ttl"] for r in records.values()} == {60}
    assert all(len(s) <= 255 for r in records.values() for s in r["strings"])
    result = zone(d, 65, f"--key-file=a={a}", f"--key-file=a={b}")
    assert "two different keys have this name" in result.stderr and not result.stdout
    assert "none.private" in zone(d, 65, f"--key-file=a={d}/none.private").stderr
    for wrong in ("a", "a=", "=x", "a b=x", "a..b=x"):
        assert "SELECTOR=FILE" in zone(d, 64, "--key-file", wrong).stderr
    private = open(a, encoding="ascii").read().split("\n")[1]
    assert private not in result.stderr + zone(d, 0, f"--key-file=a={a}").stdout


def test_keys_of_a_configuration(d):
    (a, _), (b, _), (c, _) = (make_key(d, s, "--ed25519") for s in "abc")
    write(d + "/kt", f"k1 example.com:a:{a}\nk2 other.example:b:{b}\nk3 %:c:{c}\n")
    conf = write(d + "/conf", f"KeyTable file:{d}/kt\nSigningTable csl:example.com=k1\nRequireSafeKeys no\n")
    assert set(made(d, "-x", conf)) == {"a._domainkey.example.com", "c._domainkey.example.com", "example.com", "_dmarc.example.com"}
    write(d + "/kt", f"k1 example.com:a:{a}\nk2 example.com:b:{d}/gone\n")
    assert "gone" in zone(d, 65, "-x", conf).stderr
    conf = write(d + "/conf", f"Domain other.example, Example.com\nSelector b\nKeyFile {b}\n")
    assert "b._domainkey.example.com" in made(d, "-x", conf)
    assert "no key of this domain" in zone(d, 65, "-x", write(d + "/conf", "Syslog no\n")).stderr


def test_keys_of_a_store(d):
    if "no kind of store of this build" in tool("store", "init", "-s", f"sqlite:{d}/db").stderr:
        raise Skip("this build was configured --without-sqlite")
    conf = write(d + "/conf", f"KeyStore sqlite:{d}/db\nRequireSafeKeys no\n")
    states = {"prepared": "", "active": "active=now", "retiring": "active=2026-01-01T00:00:00Z", "revoking": "active=now",
              "revoked": "active=now", "compromised": "active=now", "failed": "", "removed": "", "destroyed": ""}
    text = "tenant t\ndomain t example.com\ndomain t example.com.other\nkey t example.com.other x generate:ed25519\n" + "".join(
        f"key t example.com {s} generate:ed25519 {times}\n" for s, times in states.items())
    answers(0, "store", "load", "--plain", "-x", conf, "-", stdin=text)
    with contextlib.closing(sqlite3.connect(d + "/db")) as db, db:
        for state in ("retiring", "revoking", "revoked", "compromised", "failed", "removed", "destroyed"):
            db.execute(f"UPDATE keys SET {state} = 1767225600 WHERE selector = ?", [state])
    there = {name.split(".")[0] for name in made(d, "-x", conf, "--no-spf", "--no-dmarc")}
    assert there == {"prepared", "active", "retiring"}, there
    zone(d, 69, "-x", write(d + "/conf", f"KeyStore sqlite:{d}/none/db\n"))


def test_spf(d):
    assert spf(d)["value"] == "v=spf1 mx ~all"
    assert spf(d, "--sending-host=other.example.com", "--sending-address=2001:DB8::/48", "--spf-include=_spf.example.net",
               "--spf-all=-all", dns="_spf.example.net v=spf1 ip4:192.0.2.77 -all\n"
               )["value"] == "v=spf1 mx a:other.example.com ip6:2001:db8::/48 include:_spf.example.net -all"
    # What is there lets them through: nothing is added.
    for text in ("v=spf1 mx -all", "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 ~all", "v=spf1 include:_spf.example.net -all",
                 "v=spf1 redirect=_spf.example.net", "v=spf1 a:mail.example.com a:out.example.com -all", "v=spf1 a:mail.example.com/24//32 ?all"):
        record = spf(d, dns=f"example.com {text}\n_spf.example.net v=spf1 mx:example.com -all\n")
        assert (record["value"], record["published"]) == (text, "right"), record
    # What is not covered is added, and what is there stays.
    for text, result in (("v=spf1 ip4:192.0.2.1 -all", "v=spf1 ip4:192.0.2.1 mx -all"), ("v=spf1 -mx ~all", "v=spf1 -mx mx ~all"),
                         ("v=spf1 exists:%{i}.example.net -all", "v=spf1 exists:%{i}.example.net mx -all"),
                         ("v=spf1 include:example.com ?all", None), ("v=spf1 a:mail.example.com -a:out.example.com ip4:192.0.2.0/24 -all",
                                                                    "v=spf1 a:mail.example.com -a:out.example.com ip4:192.0.2.0/24 mx -all")):
        if result is None:
            assert "more than 10 look-ups" in zone(d, 65, "--no-keys", dns=f"example.com {text}\n").stderr      # a circle has an end
            continue
        record = spf(d, dns=f"example.com {text}\n")
        assert (record["value"], record["published"], record["replaces"]) == (result, "different", [text]), record
    two = spf(d, dns="example.com v=spf1 mx -all\nexample.com v=spf1 a:other.example.com ~all\nexample.com hello\n")
    assert two["value"] == "v=spf1 mx a:other.example.com -all" and len(two["replaces"]) == 2 and two["beside"] == ["hello"]
    bad = zone(d, 65, "--no-keys", dns="example.com v=spf1 ipv4:192.0.2.1 -all\n")
    assert "cannot be taken over" in bad.stderr and not bad.stdout
    assert spf(d, "--spf-new", dns="example.com v=spf1 ipv4:192.0.2.1 -all\n")["value"] == "v=spf1 mx ~all"


def test_spf_that_is_refused(d):
    for words, dns, says in (
            (["--sending-host=none.example.com"], "", "has no address"),
            (["--sending-address=192.0.2.1/24"], "", "the network is 192.0.2.0/24"),
            (["--sending-address=all"], "", "no address and no network"),
            (["--spf-include=none.example.net"], "", "has no SPF record"),
            ([f"--spf-include=s{i}.example.net" for i in range(11)], "", "look-ups"),
            ([], "example.com !MX 30 .\n", "null MX"),
            ([], "example.com v=spf1 a:n1.example a:n2.example a:n3.example -all\n", "3 names of the SPF record"),
            ([], "example.com !SERVFAIL\n", "")):
        result = zone(d, 69 if "SERVFAIL" in dns else 65, "--no-keys", *words, dns=dns)
        assert says in result.stderr and not result.stdout, (words, result.stderr)
    many = "".join(f"example.com !MX 10 h{i}.example.com\nh{i}.example.com !A 192.0.2.{i}\n" for i in range(11))
    assert "MX records, and mx takes 10" in zone(d, 65, "--no-keys", hosts="example.com !SOA ns.example.com\n" + many).stderr
    assert "nothing that sends mail" in zone(d, 65, "--no-keys", hosts="example.com !SOA ns.example.com\n").stderr
    for words in (["--sending-host=a b"], ["--spf-all=+all"], ["--ttl=0"], ["--ttl=x"], ["--format=x"], ["--spf-include=x;y"], []):
        zone(d, 64, *words, *([] if words else ["one", "two"]))


def test_dmarc(d):
    def dmarc(*words, **more):
        return made(d, "--no-keys", *words, **more)["_dmarc.example.com"]
    there = "_dmarc.example.com v=DMARC1; p=reject; rua=mailto:d@example.com\n"
    assert dmarc()["value"] == "v=DMARC1; p=none"
    assert (dmarc(dns=there)["value"], dmarc(dns=there)["published"]) == ("v=DMARC1; p=reject; rua=mailto:d@example.com", "right")
    assert dmarc("--dmarc-policy=none", dns=there)["published"] == "different"
    assert dmarc("--dmarc-policy=none", dns="_dmarc.example.com v=DMARC1; p=rejct\n")["replaces"] == ["v=DMARC1; p=rejct"]
    words = ["--no-keys", "--dmarc-rua=d@reports.example"]
    assert "example.com._report._dmarc.reports.example has no record" in zone(d, 0, *words).stderr
    assert "_report" not in zone(d, 0, *words, dns="example.com._report._dmarc.reports.example v=DMARC1\n").stderr
    assert "dmarc-policy" in zone(d, 65, "--no-keys", "--dmarc-policy=discard").stderr
    below = zone(d, 0, "--no-keys", "--no-spf", domain="sub.example.com")
    assert "is below example.com" in below.stderr


def test_adsp_only_if_asked(d):
    assert not [n for n in made(d, "--no-keys") if "adsp" in n]
    result = zone(d, 0, "--no-keys", "--adsp=all")
    assert '_adsp._domainkey.example.com.\t3600\tIN\tTXT\t"dkim=all"' in result.stdout and "historic" in result.stderr
    zone(d, 65, "--no-keys", "--adsp=some")


def test_aliases(d):
    path, record = make_key(d, "a", "--ed25519", "-h", "")
    result = zone(d, 0, f"--key-file=a={path}", "--format=json", dns=f"a._domainkey.example.com {record}; n=note\n")
    assert json.loads(result.stdout)["records"][0]["published"] == "right"      # the same key


def test_no_mail(d):
    hosts = "example.com !SOA ns.example.com\n"
    records = made(d, "--no-mail", hosts=hosts)
    assert records["_dmarc.example.com"]["value"] == "v=DMARC1; p=reject"
    assert 'example.com.\t3600\tIN\tMX\t0 .\n' in zone(d, 0, "--no-mail", hosts=hosts).stdout
    assert "MX records" in zone(d, 65, "--no-mail").stderr


def test_the_zone(d):
    assert "--zone" in zone(d, 65, "--no-keys", domain="example.org").stderr
    zone(d, 64, "--no-keys", "--zone=example.net")
    assert made(d, "--no-keys", "--no-spf", domain="a.b.example.com")["_dmarc.a.b.example.com"]["relative"] == "_dmarc.a.b"
    cut = zone(d, 0, "--no-spf", f"--key-file=a={make_key(d, 'a', '--ed25519')[0]}", dns="_domainkey.example.com !SOA ns.example.com\n")
    assert "_domainkey.example.com: this is a zone of its own" in cut.stderr
    assert "--zone" in answers(64, "zone", "--offline", "--no-keys", "example.com").stderr


def test_hostile_octets_stay_in(d):
    hostile = r'"it'"'"r's \"x\"\010; $(reboot)\\" "\255 two"'
    for notation in ("bind", "nsupdate", "powerdns", "powerdns-json", "route53", "form", "json"):
        out = zone(d, 0, "--no-keys", f"--format={notation}", dns=f"example.com {hostile}\n_dmarc.example.com {hostile}\n").stdout
        assert all(32 <= ord(c) < 127 or c in "\n\t" for c in out), (notation, out)


def test_check(d):
    path, record = make_key(d, "a", "-b", "2048", "-h", "")
    words = ["check", "example.com", f"--key-file=a={path}", "--dns-file"]
    good = f"a._domainkey.example.com {record}\nexample.com v=spf1 mx -all\n_dmarc.example.com v=DMARC1; p=reject\n"
    out = answers(0, *words, write(d + "/dns", HOSTS + good)).stdout
    assert out.count("as it should be") == 3, out
    out = json.loads(answers(65, *words, write(d + "/dns", HOSTS + good.replace(record, record[:300])), "--json").stdout)
    assert out["errors"] == 1 and "cut off after 300 of" in [f["text"] for f in out["findings"] if f["severity"] == "error"][0]
    out = answers(65, *words, write(d + "/dns", HOSTS + good), "--adsp=all", "--no-spf", "--no-dmarc").stdout
    assert "_adsp._domainkey.example.com: ADSP (historic): the record is missing" in out
    answers(69, *words, write(d + "/dns", HOSTS + good.replace(record, "!SERVFAIL")))
    out = answers(65, *words, write(d + "/dns", HOSTS + good.replace("v=DKIM1; k=rsa", "v=DKIM1; h=sha1; k=rsa"))).stdout
    assert "a._domainkey.example.com: DKIM key a: the record is as it should be" in out and "sha256" in out     # the key, but not the record
    assert "compare" not in answers(0, "check", "example.com", "--dns-file", write(d + "/dns", HOSTS + good)).stdout


def test_admin(d):
    from test_admin_cli import Daemon
    with Daemon(d) as daemon:
        daemon.run("tenant", "add", "acme")
        daemon.run("domain", "add", "example.com", "acme")
        daemon.run("key", "generate", "example.com", "--selector=s1", "--algorithm=ed25519-sha256")
        records = made(d, f"--socket={daemon.path}")
        assert records["s1._domainkey.example.com"]["value"].startswith("v=DKIM1; k=ed25519; p="), records
        assert "nowhere" in zone(d, 65, f"--socket={daemon.path}", domain="nowhere.example.com").stderr
    zone(d, 69, f"--socket={daemon.path}")


if __name__ == "__main__":
    sys.exit(main(globals()))
