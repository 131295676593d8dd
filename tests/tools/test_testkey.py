#!/usr/bin/env python3
"""signpost testkey: one key and whole tables, against answers from a file and from real servers. Prints TAP."""
import json
import os
import sys
import time

import common
from common import answers, drop_in, make_key, run, servers, write


def dns_file(d, *lines):
    return "--dns-file=" + write(d + "/dns", "".join(line + "\n" for line in lines))


def key_and_file(d, *options):
    path, record = make_key(d, "s1", *options)
    return path, record, dns_file(d, f"s1._domainkey.example.com {record}")


ONE = ("-d", "example.com", "-s", "s1")


def test_key_ok(d):
    for options in (["-b", "1024"], ["--ed25519"]):
        sub = f"{d}/{len(options)}{options[0]}"
        os.mkdir(sub, 0o700)
        path, _, dns = key_and_file(sub, *options)
        quiet = answers(0, "testkey", *ONE, "-k", path, dns)
        assert quiet.stdout == "", quiet
        loud = answers(0, "testkey", *ONE, "-k", path, dns, "-vvv")
        assert loud.stdout == "signpost testkey: key OK\n", loud
        assert f"key loaded from {path}" in loud.stderr
        assert "checking key 's1._domainkey.example.com'" in loud.stderr


def test_record_alone(d):
    _, _, dns = key_and_file(d, "--ed25519")
    answers(0, "testkey", *ONE, dns)


def test_pkcs1_record_is_the_same_key(d):
    path, record, _ = key_and_file(d, "-b", "2048")
    dns = dns_file(d, "s1._domainkey.example.com " + common.rsa_in_pkcs1(record))
    answers(0, "testkey", *ONE, "-k", path, dns)


def test_mismatch_is_65(d):
    path, _, _ = key_and_file(d, "-b", "1024")
    for options in (["-b", "1024"], ["--ed25519"]):
        _, other = make_key(d, "other" + options[0].strip("-"), *options)
        result = answers(65, "testkey", *ONE, "-k", path, dns_file(d, f"s1._domainkey.example.com {other}"))
        assert "keys do not match" in result.stdout, result


def test_record_faults_are_69(d):
    path, record, _ = key_and_file(d, "--ed25519")
    name = "s1._domainkey.example.com"
    cases = {
        "record not found": ["other.example.com v=DKIM1"],
        "2 TXT records": [f"{name} {record}", f"{name} {record}"],
        "query failed": [f"{name} !SERVFAIL"],
        "no key record": [f"{name} v=DKIM1\\; k=ed25519\\; p=x"],
        "revoked": [f"{name} v=DKIM1; k=ed25519; p="],
        "k=dsa": [f"{name} v=DKIM1; k=dsa; p=AAAA"],
        "sha256": [f"{name} " + record.replace("; k=", "; h=sha1; k=").replace("h=sha256; ", "")],
        "email": [f"{name} " + record.replace("; k=", "; s=tlsrpt; k=")],
        "DNSSEC validation failed": [f"{name} !BOGUS"],
    }
    for words, lines in cases.items():
        result = answers(69, "testkey", *ONE, "-k", path, dns_file(d, *lines))
        assert words in result.stderr, (words, result.stderr)


def test_testing_flag_is_said(d):
    path, record, _ = key_and_file(d, "--ed25519")
    dns = dns_file(d, "s1._domainkey.example.com " + record.replace("; k=", "; t=y; k="))
    assert "t=y" in answers(0, "testkey", *ONE, "-k", path, dns).stderr


def test_dnssec_status(d):
    path, record, _ = key_and_file(d, "--ed25519")
    dns = dns_file(d, f"s1._domainkey.example.com !SECURE {record}")
    assert "key secure" in answers(0, "testkey", *ONE, "-k", path, dns, "-v").stderr
    assert "key secure" not in answers(0, "testkey", *ONE, "-k", path, dns).stderr


def test_key_file_faults_are_71(d):
    _, _, dns = key_and_file(d, "--ed25519")
    assert "/missing" in answers(71, "testkey", *ONE, "-k", d + "/missing", dns).stderr
    answers(71, "testkey", *ONE, "-k", d, dns)
    answers(71, "testkey", *ONE, "-k", write(d + "/bad", "no key\n"), dns)


def test_usage_is_78(d):
    empty = ["-x", write(d + "/empty", "")]
    for words in (empty, ["-d", "example.com", *empty], ["-s", "s1", *empty], ["-Z"], ["word"], ["-x", d + "/missing"],
                  ["-x", write(d + "/conf", "Nonsense yes\n")], [*ONE, "--dns-file", d + "/missing"],
                  [*ONE, "--nameserver", "nonsense"], ["-d", "exa mple.com", "-s", "s1"]):
        result = answers(78, "testkey", *words)
        assert result.stderr, words


def test_unsafe_key_is_said(d):
    path, _, dns = key_and_file(d, "--ed25519")
    os.chmod(path, 0o644)
    result = answers(0, "testkey", *ONE, "-k", path, dns)
    assert "WARNING" in result.stderr, result.stderr


def test_configuration_of_one_key(d):
    path, record, _ = key_and_file(d, "--ed25519")
    write(d + "/keys", f"s1._domainkey.example.com {record}\n")
    conf = write(d + "/conf", f"Domain example.com\nSelector s1\nKeyFile {path}\nTestPublicKeys {d}/keys\n")
    assert "key OK" in answers(0, "testkey", "-x", conf, "-vvv").stdout
    answers(69, "testkey", "-x", conf, "-s", "s2")


def table(d, kind="file", extra=""):
    """A configuration with four keys: two good ones, one mismatch, one without a record."""
    lines, dns = [], []
    for number, options in enumerate((["-b", "1024"], ["--ed25519"], ["--ed25519"], ["--ed25519"])):
        path, record = make_key(d, f"s{number}", *options)
        lines.append(f"key{number} example.com:s{number}:{path}\n")
        dns.append(f"s{number}._domainkey.example.com {record}\n")
    dns[2] = dns[2].split(" ")[0] + " " + dns[1].split(" ", 1)[1]
    write(d + "/KeyTable", "".join(lines) + extra)
    write(d + "/keys", "".join(dns[:3]))
    return write(d + "/conf", f"KeyTable {kind}:{d}/KeyTable\nTestPublicKeys {d}/keys\n")


def test_table(d):
    for kind in ("file", "refile"):
        sub = d + "/" + kind
        os.mkdir(sub, 0o700)
        result = answers(65, "testkey", "-x", table(sub, kind), "-v")
        assert result.stdout == "signpost testkey: 4 keys checked; 2 pass, 2 fail\n", result.stdout
        assert "key key2: keys do not match" in result.stderr
        assert "key key3: 's3._domainkey.example.com' record not found" in result.stderr
        assert "key0" not in result.stderr
        loud = answers(65, "testkey", "-x", sub + "/conf", "-vvv")
        assert "key key0: OK" in loud.stdout and "key key1: OK" in loud.stdout


def test_table_bad_rows_hurt_only_themselves(d):
    conf = table(d, extra=f"bad\nnofile example.com:s:{d}/missing\nalg example.com:s0:{d}/s0.private:ed25519-sha256\n"
                          "name exa/mple.com:s:x\ninline example.com:s:MII\n"
                          f"long {'.'.join(['d' * 60] * 4)}:{'s' * 60}:x\n")
    result = answers(65, "testkey", "-x", conf, "-v")
    for words in ("nofile: ", "key alg: the KeyTable says", "key name: ", "key inline: ", "key long: "):
        assert words in result.stderr, (words, result.stderr)
    assert "10 keys checked; 2 pass, 8 fail" in result.stdout, result.stdout


def test_table_lines_that_are_not_used_fail(d):
    path, record = make_key(d, "s1", "--ed25519")
    dns = write(d + "/dns", f"s1._domainkey.example.com {record}\n")
    good = f"good example.com:s1:{path}\n"
    for bad in ("x" * 5000 + f" example.com:s2:{path}\n", f"x\0y example.com:s2:{path}\n"):
        conf = write(d + "/conf", f"KeyTable file:{write(d + '/keys', bad + good)}\n")
        result = answers(65, "testkey", "-x", conf, "--dns-file", dns, "-v")
        assert "2 keys checked; 1 pass, 1 fail" in result.stdout and "not used" in result.stderr, result
        write(d + "/zone", "old")
        assert "left as it was" in answers(1, "genzone", "-x", conf, "-o", d + "/zone").stderr
        assert common.read(d + "/zone") == "old"
    conf = write(d + "/conf", f"KeyTable file:{write(d + '/keys', bad * 20 + good)}\n")
    assert "12 more lines" in answers(65, "testkey", "-x", conf, "--dns-file", dns).stderr


def test_table_all_good_is_0_and_only_dns_is_69(d):
    conf = table(d)
    good = common.read(d + "/keys").splitlines()[:2]
    keys = common.read(d + "/KeyTable").splitlines()[:2]
    write(d + "/KeyTable", "\n".join(keys) + "\n")
    result = answers(0, "testkey", "-x", conf, "-v")
    assert "2 keys checked; 2 pass, 0 fail" in result.stdout
    write(d + "/keys", good[0] + "\ns1._domainkey.example.com !SERVFAIL\n")
    assert "1 pass, 1 fail" in answers(69, "testkey", "-x", conf, "-v").stdout


def test_table_that_cannot_be_read_is_78(d):
    conf = write(d + "/conf", f"KeyTable file:{d}/missing\nTestPublicKeys {write(d + '/keys', '')}\n")
    assert "KeyTable" in answers(78, "testkey", "-x", conf).stderr


def test_domain_of_the_author(d):
    for kind, pattern in (("file", "*@%s"), ("refile", "*@%s")):
        sub = d + "/" + kind
        os.mkdir(sub, 0o700)
        path, record = make_key(sub, "s1", "--ed25519")
        os.mkdir(sub + "/per", 0o700)
        for name in ("a.example", "b.example"):
            os.link(path, f"{sub}/per/{name}")
        # OpenDKIM's ladder has no "*@domain" in flat files; a bare domain is its form there.
        rules = [pattern % "a.example" if kind == "refile" else "a.example", "x@b.example", "y@b.example"]
        write(sub + "/SigningTable", "".join(f"{rule} all\n" for rule in rules) + "nobody@* all\n")
        write(sub + "/KeyTable", f"all %:s1:{sub}/per/%\nunused %:s1:{path}\n")
        write(sub + "/keys", f"s1._domainkey.a.example {record}\n")
        conf = write(sub + "/conf", f"KeyTable {kind}:{sub}/KeyTable\nSigningTable {kind}:{sub}/SigningTable\n"
                                    f"TestPublicKeys {sub}/keys\n")
        result = answers(65, "testkey", "-x", conf, "-v")
        assert "2 keys checked; 1 pass, 1 fail" in result.stdout, (kind, result)
        assert "'s1._domainkey.b.example' record not found" in result.stderr
        assert "key unused: not checked" in result.stderr and "key all: not checked" not in result.stderr
    write(d + "/file/conf", f"KeyTable file:{d}/file/KeyTable\nSigningTable file:{d}/missing\nTestPublicKeys {d}/file/keys\n")
    result = answers(69, "testkey", "-x", d + "/file/conf", "-v")
    assert "key all: not checked" in result.stderr and "/missing" in result.stderr, result.stderr


def test_json(d):
    result = answers(65, "testkey", "-x", table(d), "--json", "-v")
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert {o["key"]: o["result"] for o in objects} == {
        "key0": "ok", "key1": "ok", "key2": "mismatch", "key3": "record"}, objects
    assert "PRIVATE" not in result.stdout


def test_json_of_any_name(d):
    path, record = make_key(d, "s1", "--ed25519")
    dns = write(d + "/dns", f"s1._domainkey.example.com {record}\n")
    names = ['a"b\\c', "\x01\x1b[31m", "b\u00fccher", "\u65e5\u672c", "\U0001f600"]
    octets = {b"\xff": "\ufffd", b"\xc3": "\ufffd", b"\xc0\xaf": "\ufffd\ufffd", b"\xed\xa0\x80": "\ufffd" * 3,
              b"a\xe6\x97": "a\ufffd\ufffd", b"\xf4\x90\x80\x80": "\ufffd" * 4}
    with open(d + "/keys", "wb") as f:
        for name in [n.encode() for n in names] + list(octets):
            f.write(name + f" example.com:s1:{path}\n".encode())
    conf = write(d + "/conf", f"KeyTable file:{d}/keys\n")
    out = answers(0, "testkey", "-x", conf, "--dns-file", dns, "--json").stdout
    assert out.isascii() and [json.loads(line)["key"] for line in out.splitlines()] == names + list(octets.values()), out


def test_called_as_opendkim_testkey(d):
    path, _, dns = key_and_file(d, "--ed25519")
    program = drop_in(d, "opendkim-testkey")
    result = run(program, *ONE, "-k", path, dns, "-vvv", "-x", write(d + "/conf", ""))
    assert (result.returncode, result.stdout) == (0, "opendkim-testkey: key OK\n"), result
    assert run(program, "-Z").returncode == 78
    assert run(program, "-V").stdout.startswith("opendkim-testkey v")


def test_many_keys_are_asked_at_once(d):
    """Answers that take 500 ms each: one after the other 400 of them would take 200 s."""
    path, record = make_key(d, "s0", "--ed25519")
    count = 400
    write(d + "/KeyTable", "".join(f"k{i} d{i}.example:s0:{path}\n" for i in range(count)))
    write(d + "/keys", "".join(f"s0._domainkey.d{i}.example !DELAY 500 {record}\n" for i in range(count)))
    conf = write(d + "/conf", f"KeyTable {d}/KeyTable\nTestPublicKeys {d}/keys\n")
    begin = time.monotonic()
    result = answers(0, "testkey", "-x", conf, "-v")
    took = time.monotonic() - begin
    assert f"{count} keys checked; {count} pass, 0 fail" in result.stdout, result.stdout
    assert took < 160, f"{took:.1f} s; usual is 1 s, and 200 s if one waited for the other"


# ---- real servers ----

def test_real_servers(d):
    lib = servers()
    path, record = make_key(d, "s1", "-b", "4096")
    zone = lib.zone("example.com", f"s1._domainkey {lib.txt(record, 100)}\nalias._domainkey CNAME s1._domainkey")
    with lib.Named(d, {"example.com": zone}) as server, lib.Unbound(d, forward=server) as cache:
        at = ("--nameserver", cache.address)
        answers(0, "testkey", *ONE, "-k", path, *at)
        answers(0, "testkey", "-d", "example.com", "-s", "alias", "-k", path, *at)
        result = answers(69, "testkey", "-d", "example.com", "-s", "none", "-k", path, *at)
        assert "record not found" in result.stderr, result.stderr
        conf = write(d + "/conf", f"Nameservers {cache.address}\nKeyTable csl:k=example.com:s1:{path}\n")
        assert "1 pass" in answers(0, "testkey", "-x", conf, "-v").stdout


def test_real_dnssec(d):
    lib = servers()
    path, record = make_key(d, "s1", "--ed25519")
    signed, anchor = lib.sign(d, "example.com", lib.zone(
        "example.com", f"s1._domainkey {lib.txt(record)}\nbad._domainkey {lib.txt(record)}"))
    signed = lib.break_signatures(signed, "bad._domainkey.example.com")
    plain = lib.zone("example.net", f"s1._domainkey {lib.txt(record)}")
    with lib.Named(d, {"example.com": signed, "example.net": plain}) as server, \
            lib.Unbound(d, forward=server, anchors=[anchor]) as cache:
        write(d + "/anchor", anchor + "\n")
        conf = write(d + "/conf", f"TrustAnchorFile {d}/anchor\nNameservers {cache.address}\n")
        one = ("-k", path, "-v", "-x", conf)
        assert "key secure" in answers(0, "testkey", *ONE, *one).stderr
        result = answers(0, "testkey", "-d", "example.net", "-s", "s1", *one)
        assert "key not secure" in result.stderr, result
        result = answers(69, "testkey", "-d", "example.com", "-s", "bad", *one)
        assert result.stderr, result


def test_silent_server_is_69(d):
    lib = servers()
    path, _ = make_key(d, "s1", "--ed25519")
    with lib.Scripted(lambda query: None) as silent:
        conf = write(d + "/conf", f"Nameservers {silent.address}\nDNSTimeout 1\n")
        result = answers(69, "testkey", *ONE, "-k", path, "-x", conf)
        assert "no answer in 1 s" in result.stderr, result      # and not what libunbound says when it gives up by itself


if __name__ == "__main__":
    sys.exit(common.main(globals()))
