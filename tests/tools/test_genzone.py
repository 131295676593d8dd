#!/usr/bin/env python3
"""signpost genzone: its text, what BIND makes of it, and updates into a real server. Prints TAP."""
import os
import re
import shutil
import subprocess
import sys

import common
from common import Skip, answers, drop_in, joined, make_key, read, run, servers, write

SBIN = "/usr/sbin:/usr/bin:/sbin:/bin"


def need(*programs):
    for name in programs:
        if not shutil.which(name, path=SBIN):
            raise Skip(f"{name} is not installed")


def keys(d, prefix="", kind="file"):
    """A KeyTable of an RSA and an Ed25519 key of example.com and one key of example.net: (dataset, records by name)."""
    records = {}
    lines = []
    for selector, domain, options in (("rsa", "example.com", ["-b", "4096"]), ("ed", "example.com", ["--ed25519"]),
                                      ("net", "example.net", ["-b", "2048"])):
        path, record = make_key(d, selector, "-h", "", *options, domain=domain)
        records[f"{selector}._domainkey.{domain}."] = record
        lines.append(f"{prefix}{selector} {domain}:{selector}:{path}\n")
    write(d + "/KeyTable", "".join(lines))
    return f"{kind}:{d}/KeyTable", records


def records_of(zone):
    """owner -> value of the TXT records of a zone file's text"""
    found = {}
    for match in re.finditer(r"^(\S+)\t(?:\d+\t)?IN\tTXT\t\((.*?)\)$", zone, re.MULTILINE | re.DOTALL):
        assert match.group(1) not in found, match.group(1)
        found[match.group(1)] = joined(match.group(2))
    return found


def test_names(d):
    dataset, records = keys(d)
    full = records_of(answers(0, "genzone", "-F", dataset).stdout)
    assert full == records, full
    short = records_of(answers(0, "genzone", "-d", "example.com", dataset).stdout)
    assert list(short) == ["rsa", "ed"], short
    suffix = records_of(answers(0, "genzone", "-D", "-d", "example.com", dataset).stdout)
    assert list(suffix) == ["rsa._domainkey", "ed._domainkey"], suffix
    assert "\trsa" not in short and all(v.startswith("v=DKIM1; k=") for v in full.values())


def test_patterns(d):
    dataset, records = keys(d, kind="refile")
    assert records_of(answers(0, "genzone", "-F", dataset).stdout) == records


def test_list(d):
    path, record = make_key(d, "s1", "--ed25519", "-h", "")
    result = answers(0, "genzone", "-F", f"csl:k=example.com:s1:{path}")
    assert records_of(result.stdout) == {"s1._domainkey.example.com.": record}


def test_inline_key(d):
    path, record = make_key(d, "s1", "--ed25519", "-h", "")
    pem = "".join(read(path).split("\n")[1:-2])
    write(d + "/KeyTable", f"k example.com:s1:{pem}\n")
    result = answers(0, "genzone", "-F", f"file:{d}/KeyTable")
    assert records_of(result.stdout) == {"s1._domainkey.example.com.": record}
    assert pem not in result.stdout


def test_domains(d):
    dataset, _ = keys(d)
    path, _ = make_key(d, "sub", "--ed25519", domain="mail.example.com")
    with open(d + "/KeyTable", "a", encoding="ascii") as f:
        f.write(f"sub mail.example.com:sub:{path}\n")
    def names(*options):
        return sorted(records_of(answers(0, "genzone", "-F", *options, dataset).stdout))
    assert names("-d", "EXAMPLE.net") == ["net._domainkey.example.net."]
    assert names("-d", "example.com") == ["ed._domainkey.example.com.", "rsa._domainkey.example.com."]
    assert len(names("-d", "example.com", "-s")) == 3
    assert names("-d", "other.example") == []


def test_ttl_and_mail_only(d):
    dataset, _ = keys(d)
    out = answers(0, "genzone", "-F", "-t", "300", "-M", dataset).stdout
    assert out.count("\t300\tIN\tTXT\t") == 3 and out.count("s=email; ") == 3, out


def test_soa_and_name_servers(d):
    dataset, _ = keys(d)
    out = answers(0, "genzone", "-S", "-N", "ns1.example.com, ns2.example.com.", "-C", "first.last@example.com", "-E", "1",
                  "-r", "2", "-R", "3", "-T", "4", "-D", "-d", "example.com", dataset).stdout
    assert "@\tIN\tSOA\tns1.example.com.\tfirst\\.last.example.com.\t(" in out, out
    assert re.search(r"20\d{8} +; Serial.*\n\t2 +; Refresh\n\t3 +; Retry\n\t1 +; Expire\n\t4 +\) ; Default", out), out
    assert "@\tIN\tNS\tns1.example.com.\n@\tIN\tNS\tns2.example.com.\n" in out, out
    defaults = answers(0, "genzone", "-S", dataset, "-F").stdout
    assert re.search(r"\t10800 .*\n\t1800 .*\n\t604800 .*\n\t86400 ", defaults), defaults


def test_names_that_would_break_the_zone(d):
    dataset, _ = keys(d)
    rows = [("-C", c) for c in ("a b@example.com", "a;b@example.com", 'a"b@example.com', "a(b@example.com", "a\\b@example.com",
                                "a\nb@example.com", "@example.com", "a@", "", "a@b..c", "a@b@c", "a" * 64 + "@b.c")]
    rows += [("-N", n) for n in ("ns 1.example.com", "ns;1.example.com", "a..b", "ns1.example.com,n\"s", "ns\n1")]
    for option, value in rows:
        result = answers(64, "genzone", "-S", "-F", option, value, dataset)
        assert result.stderr.startswith(f"signpost genzone: {option}: ") and not result.stdout, (value, result)
    answers(64, "genzone", "-u", "-N", "a\nupdate delete example.com", dataset)
    assert "server 2001:db8::1\n" in answers(0, "genzone", "-u", "-N", "2001:db8::1", dataset).stdout
    assert "\ta\\.b.mail.example.com.\t" in answers(0, "genzone", "-S", "-C", "a.b@mail.example.com.", dataset, "-F").stdout


def test_named_checkzone_takes_it(d):
    need("named-checkzone")
    dataset, records = keys(d)
    out = d + "/zone"
    answers(0, "genzone", "-S", "-N", "ns.other.example", "-D", "-d", "example.com", "-o", out, dataset)
    result = run(shutil.which("named-checkzone", path=SBIN), "-D", "example.com", out)
    assert result.returncode == 0, result.stdout + result.stderr
    for name, record in records.items():
        if name.endswith("example.com."):
            line = [x for x in result.stdout.splitlines() if x.startswith(name)][0]
            assert joined(line) == record


def test_update_text(d):
    dataset, records = keys(d)
    out = answers(0, "genzone", "-u", dataset).stdout
    assert out.count("send\nanswer\n") == 2, out  # one transaction for each domain
    for name, record in records.items():
        line = [x for x in out.splitlines() if x.startswith(f"update add {name} 86400 TXT ")][0]
        assert joined(line) == record and f"update delete {name} TXT\n" in out
    one = answers(0, "genzone", "-u", "-d", "example.com", "-N", "ns1.example.com", "-t", "60", dataset).stdout
    assert one.startswith("server ns1.example.com\nzone example.com\nupdate delete "), one
    assert " 60 TXT " in one and "example.net" not in one


def test_update_of_a_real_server(d):
    need("named", "nsupdate")
    dnsservers = servers()
    import dns.resolver
    dataset, records = keys(d)
    zones = {name: dnsservers.zone(name, 'ed._domainkey TXT "v=DKIM1; k=rsa; p=old"' if name == "example.com" else "")
             for name in ("example.com", "example.net")}
    allow = {name: "allow-update { any; };" for name in zones}
    with dnsservers.Named(d, zones, update=allow) as server:
        for options in (("-t", "60"), ("-d", "example.com")):
            text = answers(0, "genzone", "-u", "-N", "127.0.0.1", *options, dataset).stdout
            result = run(shutil.which("nsupdate", path=SBIN), "-p", server.port, stdin=text)
            assert result.returncode == 0, (text, result.stdout, result.stderr)
            assert result.stdout.count("status: NOERROR") == (2 if "-t" in options else 1), result.stdout
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.port
        for name, record in records.items():
            found = [b"".join(r.strings).decode() for r in resolver.resolve(name, "TXT")]
            assert found == [record], (name, found)  # what stood there is gone


def test_output_file_is_whole_or_untouched(d):
    dataset, records = keys(d)
    out = write(d + "/zone", "precious")
    os.chmod(out, 0o640)
    answers(0, "genzone", "-F", "-o", out, dataset)
    assert records_of(read(out)) == records
    assert os.stat(out).st_mode & 0o777 == 0o640
    with open(d + "/KeyTable", "a", encoding="ascii") as f:
        f.write(f"gone example.com:gone:{d}/missing\n")
    before = read(out)
    result = answers(1, "genzone", "-F", "-o", out, dataset)
    assert "left as it was" in result.stderr and "key 'gone' left out" in result.stderr, result.stderr
    assert read(out) == before
    assert not [name for name in os.listdir(d) if name.startswith("zone.")], os.listdir(d)
    assert records_of(answers(1, "genzone", "-F", dataset).stdout) == records
    assert "/missing/zone" in answers(1, "genzone", "-o", d + "/missing/zone", "-d", "example.net", dataset).stderr


def test_output_to_a_device(d):
    dataset, _ = keys(d)
    answers(0, "genzone", "-F", "-o", "/dev/null", dataset)
    assert not os.path.isfile("/dev/null")


def test_one_name_has_one_key(d):
    dataset, records = keys(d)
    with open(d + "/KeyTable", "a", encoding="ascii") as f:
        f.write(f"again EXAMPLE.com:rsa:{d}/rsa.private\n")
    assert records_of(answers(0, "genzone", "-F", dataset).stdout) == records
    with open(d + "/KeyTable", "a", encoding="ascii") as f:
        f.write(f"other example.com:rsa:{d}/ed.private\n")
    result = answers(1, "genzone", "-F", dataset)
    assert "key 'other' left out" in result.stderr and records_of(result.stdout) == records
    write(d + "/KeyTable", f"a example.com:s:{d}/ed.private\nb example.net:s:{d}/rsa.private\n")
    result = answers(1, "genzone", "-D", dataset)
    assert "use -F" in result.stderr, result.stderr


def test_domain_of_the_author(d):
    path, record = make_key(d, "s1", "--ed25519", "-h", "")
    write(d + "/KeyTable", f"all %:s1:{path}\n")
    write(d + "/SigningTable", "*@a.example all\nx@b.example all\n*@*.c.example all\n")
    conf = write(d + "/conf", f"KeyTable refile:{d}/KeyTable\nSigningTable refile:{d}/SigningTable\n")
    found = records_of(answers(0, "genzone", "-F", "-x", conf).stdout)
    assert found == {f"s1._domainkey.{name}.example.": record for name in "ab"}, found
    found = records_of(answers(0, "genzone", "-F", "-d", "z.example", f"refile:{d}/KeyTable").stdout)
    assert found == {"s1._domainkey.z.example.": record}, found
    result = answers(0, "genzone", "-F", "-x", write(d + "/empty", ""), f"file:{d}/KeyTable")
    assert "left out" in result.stderr and "-d" in result.stderr, result.stderr
    write(d + "/zone", "old")
    torn = write(d + "/torn", f"KeyTable refile:{d}/KeyTable\nSigningTable refile:{d}/missing\n")
    result = answers(1, "genzone", "-F", "-x", torn, "-o", d + "/zone")
    assert "left as it was" in result.stderr and "/missing" in result.stderr, result.stderr
    with open(d + "/zone", encoding="ascii") as f:
        assert f.read() == "old"


def test_exit_codes(d):
    dataset, _ = keys(d)
    for words in (["-Z"], [], [dataset, dataset], ["-t", "x", dataset], ["-E", "-1", dataset], ["-d", "a b", dataset]):
        assert answers(64, "genzone", "-x", write(d + "/conf", ""), *words).stderr, words
    answers(78, "genzone", "-x", d + "/missing", dataset)
    answers(78, "genzone", "-x", write(d + "/bad", "Nonsense yes\n"), dataset)
    answers(1, "genzone", f"file:{d}/nothing")
    answers(1, "genzone", "nonsense:x")
    assert "3 records written" in answers(0, "genzone", "-F", "-v", dataset).stderr


def test_same_records_as_opendkim_genzone(d):
    theirs = shutil.which("opendkim-genzone", path=SBIN)
    if theirs is None:
        raise Skip("opendkim-genzone is not installed")
    path, _ = make_key(d, "s1", "-b", "2048")
    write(d + "/KeyTable", f"k example.com:s1:{path}\n")
    for options in ([], ["-D"], ["-F"], ["-D", "-t", "300"], ["-F", "-M"]):
        want = subprocess.run([theirs, *options, d + "/KeyTable"], capture_output=True, text=True, check=True).stdout
        ours = answers(0, "genzone", *options, d + "/KeyTable").stdout
        # They escape ';' inside quotes, which need none, and put no blank behind it.
        want = {name: value.replace("\\;", ";") for name, value in records_of(want).items()}
        have = {name: value.replace("; ", ";") for name, value in records_of(ours).items()}
        assert sorted(want) == sorted(have), (options, want, have)
        for name, value in want.items():
            assert sorted(value.split(";")) == sorted(have[name].split(";")), (options, value, have[name])


def test_called_as_opendkim_genzone(d):
    dataset, records = keys(d)
    program = drop_in(d, "opendkim-genzone")
    result = run(program, "-F", "-x", write(d + "/conf", ""), dataset)
    assert result.returncode == 0 and records_of(result.stdout) == records
    assert "auto-generated by opendkim-genzone at" in result.stdout
    assert run(program, "-Z").returncode == 64


if __name__ == "__main__":
    sys.exit(common.main(globals()))
