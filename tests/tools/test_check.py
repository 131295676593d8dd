#!/usr/bin/env python3
"""signpost check: each mistake of a domain gets its sentence, its severity and the exit status. Prints TAP."""
import json
import os
import sys

import common
from common import answers, make_key, servers, write

GOOD = {
    "example.com": ["v=spf1 mx -all"],
    "_dmarc.example.com": ["v=DMARC1; p=reject; rua=mailto:d@example.com"],
}
HOSTS = ["example.com !MX 10 mail.example.com\n", "example.com !A 192.0.2.1\n", "mail.example.com !A 192.0.2.1\n"]
_keys = {}


def key(d, *options):
    """A key record; each kind is made once."""
    if options not in _keys:
        _keys[options] = make_key(d, "k" + str(len(_keys)), "-h", "", *options)[1]
    return _keys[options]


def check(d, code, records, *words, domain="example.com"):
    lines = [f"{name} {text}\n" for name, texts in records.items() for text in texts] + HOSTS
    return answers(code, "check", domain, "--dns-file", write(d + "/dns", "".join(lines)), *words).stdout


def says(out, severity, words):
    return any(line.startswith(severity.ljust(8)) and words in line for line in out.splitlines())


def cases(d, rows, changed):
    """ROWS: (what is published at CHANGED, exit status, severity, words)"""
    for texts, code, severity, words in rows:
        out = check(d, code, {**GOOD, changed: texts})
        assert says(out, severity, words), (texts, severity, words, out)


def test_good_domain(d):
    records = {**GOOD, "s1._domainkey.example.com": [key(d, "-b", "2048")],
               "s2._domainkey.example.com": ["!SECURE " + key(d, "--ed25519")]}
    out = check(d, 0, records, "-s", "s1", "--selector", "s2")
    assert says(out, "ok", "RSA key of 2048 bits") and says(out, "ok", "Ed25519")
    assert says(out, "ok", "SPF record is well-formed") and says(out, "ok", "DMARC record is well-formed")
    assert not says(out, "warning", "") and not says(out, "error", ""), out


def test_selectors(d):
    name = "s1._domainkey.example.com"
    ed = key(d, "--ed25519")
    rows = [
        ([], 65, "error", "no key record"),
        ([key(d, "-b", "1024")], 0, "warning", "1024 bits is weak"),
        ([key(d, "-b", "8192")], 0, "warning", "8192 bits"),
        ([ed, ed], 65, "error", "2 TXT records"),
        ([ed.replace("; k=", "; t=y; k=")], 0, "warning", "t=y"),
        ([ed.replace("; k=", "; h=sha1; k=")], 65, "error", "sha256"),
        (["v=DKIM1; k=rsa; p="], 0, "warning", "revoked"),
        ([ed.replace(";", "\\;")], 65, "error", "backslashes"),
        (['"\\"' + ed.replace("; ", '; \\" \\"') + '\\""'], 65, "error", "quotes"),
        ([ed[:-8] + " " + ed[-8:]], 0, "warning", "blanks inside p="),
        ([" ".join(f'"{ed[i:i + 20]}"' for i in range(0, len(ed), 20))], 0, "note", "strings"),
        (["v=spf1 -all"], 65, "error", "no key record"),
        (["!SERVFAIL"], 69, "warning", "cannot be asked"),
        (["!BOGUS"], 65, "error", "DNSSEC"),
    ]
    for texts, code, severity, words in rows:
        out = check(d, code, {**GOOD, name: texts}, "-s", "s1")
        assert says(out, severity, words), (texts, severity, words, out)
    assert says(check(d, 65, GOOD, "-s", "s 1"), "error", "no name")


def test_spf(d):
    cases(d, [
        (["hello"], 0, "warning", "no SPF record"),
        (["v=spf1 -all", "v=spf1 mx -all"], 65, "error", "2 SPF records"),
        (["hello", "v=spf1 mx -all"], 0, "ok", "well-formed"),
        (["v=spf1 mx +all"], 65, "error", "every host"),
        (["v=spf1 ipv4:192.0.2.1 -all"], 65, "error", "no mechanism"),
        (["v=spf1 " + "a " * 11 + "-all"], 65, "error", "11 look-ups"),
        (["v=spf1 ptr -all"], 0, "warning", "5.5"),
        (['"v=spf1 include:a.example" "include:b.example -all"'], 65, "error", "where two strings of the record are joined"),
        (["v=spf1; mx -all"], 65, "error", "looks like SPF"),
        (['"\\"v=spf1 mx -all\\""'], 65, "error", "without the quotes"),
        (["v=spf1 a a a a a a a a a a -all a"], 0, "warning", "never looked at"),
        (["v=spf1 redirect=a.example -all"], 0, "warning", "never used"),
        (["v=spf1 -all include:a.example"], 0, "warning", "never looked at"),
        (["!SERVFAIL"], 69, "warning", "try again"),
        (["!SECURE v=spf1 mx -all"], 0, "ok", "DNSSEC protects"),
        (["!BOGUS"], 65, "error", "DNSSEC validation failed"),
    ], "example.com")


def test_spf_includes(d):
    def spf(**more):
        return {**GOOD, **{name.replace("_", "."): [text] for name, text in more.items()}}
    out = check(d, 0, spf(example_com="v=spf1 mx include:a.example -all", a_example="v=spf1 a include:b.example. ~all",
                          b_example="v=spf1 redirect=c.example", c_example="v=spf1 ip4:192.0.2.0/24 -all"))
    assert says(out, "ok", "with what it includes the SPF record needs 5 of 10"), out
    out = check(d, 65, spf(example_com="v=spf1 include:a.example -all", a_example="v=spf1 include:example.com -all"))
    assert says(out, "error", "more than 10 look-ups"), out  # a circle has an end
    for text, words in (("hello", "has no SPF record"), ("v=spf1 exp=a.b exp=a.b", "has redirect= or exp= twice"), ("v=spf1 ipv4:192.0.2.1", "has an SPF record with a term")):
        out = check(d, 65, spf(example_com="v=spf1 include:a.example -all", a_example=text))
        assert says(out, "error", "a.example, which the SPF record includes, " + words), out
    out = check(d, 0, spf(example_com="v=spf1 include:%{d}.a.example -all"))
    assert "with what it includes" not in out and not says(out, "error", ""), out
    check(d, 69, spf(example_com="v=spf1 include:a.example -all", a_example="!TIMEOUT"))


def test_dmarc(d):
    cases(d, [
        ([], 0, "warning", "no DMARC record here or above"),
        (["v=DMARC1; p=none; rua=mailto:d@example.com"], 0, "note", "p=none"),
        (["v=DMARC1; p=reject", "v=DMARC1; p=none"], 65, "error", "2 DMARC records"),
        (["v=DMARC1; p=rejct"], 65, "error", "not none, quarantine or reject"),
        (["v=dmarc1; p=reject"], 65, "error", "capitals"),
        (["v=DMARC1; p=reject; rua=d@example.com"], 65, "error", "mailto:"),
        (["v=DMARC1; p=reject; rua=mailto:d@reports.example"], 0, "warning", "example.com._report._dmarc.reports.example"),
        (["v=DMARC1; p=reject; rua=mailto:d@mail.example.com"], 0, "ok", "well-formed"),
        (["hello", "v=DMARC1; p=reject; rua=mailto:d@example.com"], 0, "note", "\"hello\" is not DMARC"),
        (["hello"], 0, "warning", "no DMARC record here or above"),
        (["p=none; v=DMARC1"], 65, "error", "does not begin"),
        (['"\\"v=DMARC1; p=reject\\""'], 65, "error", "without the quotes"),
        (["!SERVFAIL"], 69, "warning", "try again"),
    ], "_dmarc.example.com")
    sibling = {"a.example.com": ["v=spf1 -all"],
               "_dmarc.a.example.com": ["v=DMARC1; p=reject; rua=mailto:d@b.example.com"]}
    out = check(d, 0, sibling, domain="a.example.com")
    assert says(out, "note", "of one organisational domain") and not says(out, "warning", ""), out
    records = {**GOOD, "_dmarc.example.com": ["v=DMARC1; p=reject; rua=mailto:d@reports.example"],
               "example.com._report._dmarc.reports.example": ["v=DMARC1"]}
    assert not says(check(d, 0, records), "warning", "")


def test_dmarc_of_a_domain_above(d):
    records = {**GOOD, "a.b.example.com": ["v=spf1 -all"]}
    out = check(d, 0, records, domain="a.b.example.com")
    assert says(out, "note", "that of example.com holds") and not says(out, "warning", ""), out
    out = check(d, 69, {**records, "_dmarc.b.example.com": ["!TIMEOUT"]}, domain="a.b.example.com")
    assert says(out, "warning", "try again")


def test_errors_weigh_more_than_silence(d):
    check(d, 65, {"example.com": ["v=spf1 +all"], "_dmarc.example.com": ["!SERVFAIL"]})


def test_json(d):
    value = json.loads(check(d, 65, {"example.com": ['v=spf1 "x" +all']}, "--json"))
    assert value["domain"] == "example.com" and value["unavailable"] == 0
    assert value["errors"] == sum(f["severity"] == "error" for f in value["findings"]) > 0
    assert {"severity", "name", "text"} == set(value["findings"][0])


def test_hostile_octets_stay_in(d):
    out = check(d, 65, {"example.com": ['"v=spf1 \\027[31m -all"'], "_dmarc.example.com": ["v=DMARC1; p=\x1b]0;x"]})
    assert "\x1b" not in out and "\\x1b" in out, out


def test_names(d):
    out = check(d, 65, {}, "-s", "s1", domain="B\u00fccher.EXAMPLE.")
    assert "xn--bcher-kva.example" in out, out
    for bad in ("exa mple.com", "", "..", "a" * 64 + ".example"):
        answers(64, "check", bad)


def test_usage(d):
    for words in ([], ["a.example", "b.example"], ["-Z", "a.example"]):
        assert answers(64, "check", *words).stderr
    assert answers(78, "check", "a.example", "--dns-file", d + "/missing").stderr
    assert answers(78, "check", "a.example", "-x", d + "/missing").stderr
    assert "--selector" in answers(0, "check", "--help").stdout
    assert "check" in answers(0, "help").stdout


def test_output_that_cannot_be_written(d):
    records = {**GOOD, "k._domainkey.example.com": [make_key(d, "k", "--ed25519")[1]]}
    check(d, 0, records)
    write(d + "/mail", "From: a@example.com\nTo: b@example.com\n\nhello\n")
    write(d + "/keys", f"k example.com:k:{d}/k.private\n")
    write(d + "/conf", f"KeyTable file:{d}/keys\n")
    sign = f"testmsg -d example.com -s k -k {d}/k.private {d}/mail"
    write(d + "/signed", answers(0, *sign.split()).stdout)
    rows = [("--version", 74), ("genkey --help", 74), (f"check example.com --dns-file {d}/dns", 74),
            (f"check example.com --json --dns-file {d}/dns", 74), (f"testkey -x {d}/conf --dns-file {d}/dns -v", 74),
            (f"testkey -x {d}/conf --dns-file {d}/dns --json", 74), (f"genzone -x {d}/conf", 1),
            (f"genzone -u -x {d}/conf", 1), (sign, 71), (sign + " --json", 74),
            (f"testmsg --dns-file {d}/dns {d}/signed", 74), (f"genkey -D {d} -d example.com -s n --json", 74)]
    for words, code in rows:
        for to in (">/dev/full", ">&-"):
            result = common.run("/bin/sh", "-c", f"exec '{common.SIGNPOST}' {words} {to}")
            assert result.returncode == code, (words, to, result)
            assert result.stderr.count("output cannot be written") == 1, (words, to, result)
            for name in ("n.private", "n.txt"):
                if os.path.exists(f"{d}/{name}"):
                    os.unlink(f"{d}/{name}")


def test_real_servers(d):
    lib = servers()
    signed, anchor = lib.sign(d, "example.com", lib.zone(
        "example.com", f"@ {lib.txt('v=spf1 mx -all')}\ns1._domainkey CNAME s2._domainkey\n"
                       f"s2._domainkey {lib.txt(key(d, '-b', '2048'), 100)}\nmail A 192.0.2.1"))
    with lib.Named(d, {"example.com": signed}) as server, \
            lib.Unbound(d, forward=server, anchors=[anchor]) as cache:
        write(d + "/anchor", anchor + "\n")
        conf = write(d + "/conf", f"TrustAnchorFile {d}/anchor\nNameservers {cache.address}\n")
        out = answers(0, "check", "example.com", "-s", "s1", "-x", conf).stdout
        assert says(out, "note", "alias (CNAME) of s2._domainkey.example.com"), out
        assert says(out, "ok", "RSA key of 2048 bits") and says(out, "ok", "DNSSEC protects"), out
        out = answers(65, "check", "example.com", "-s", "none", "--nameserver", cache.address).stdout
        assert says(out, "error", "no key record"), out


def test_dead_server_is_69(d):
    with servers().Scripted(lambda query: None) as silent:
        conf = write(d + "/conf", f"Nameservers {silent.address}\nDNSTimeout 1\n")
        answers(69, "check", "example.com", "-x", conf)


if __name__ == "__main__":
    sys.exit(common.main(globals()))
