#!/usr/bin/env python3
"""signpost testmsg: signs, verifies, and says why not; signpostd -t. Prints TAP."""
import json
import os
import sys

import common
from common import SIGNPOSTD, Skip, answers, drop_in, make_key, run, write

try:
    import dkim
except ImportError:
    dkim = None

MESSAGE = ("From: Alice <alice@example.com>\r\nTo: bob@example.net\r\nSubject: hello\r\n"
           "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n\r\nHello,\r\n\r\n  Bob.  \r\n\r\n\r\n")
UNIX = MESSAGE.replace("\r\n", "\n")


def setup(d, *options, selector="s1"):
    path, record = make_key(d, selector, *(options or ["--ed25519"]))
    with open(d + "/dns", "a", encoding="ascii") as f:
        f.write(f"{selector}._domainkey.example.com {record}\n")
    return ["-d", "example.com", "-s", selector, "-k", path], record


def signed(d, words, *more, message=MESSAGE):
    return answers(0, "testmsg", *words, *more, stdin=message.encode()).stdout.decode()


def verify(d, code, message, *more):
    return answers(code, "testmsg", "--dns-file", d + "/dns", *more, stdin=message.encode()).stdout.decode()


def test_signs_and_verifies(d):
    for selector, options, bits in (("rsa", ["-b", "2048"], 2048), ("ed", ["--ed25519"], 256)):
        words, _ = setup(d, *options, selector=selector)
        for canon in ("simple", "relaxed", "simple/relaxed", "relaxed/relaxed", "simple/simple", "relaxed/simple"):
            text = signed(d, words, "-c", canon)
            assert text.endswith("\r\n" + MESSAGE) and text.count("\n") == text.count("\r\n")
            want = f"signpost testmsg: (stdin): pass (d=example.com, s={selector}, {bits}-bit key)\n"
            assert verify(d, 0, text) == want


def test_defaults_and_tags(d):
    words, _ = setup(d)
    text = signed(d, words)
    assert "a=ed25519-sha256; c=relaxed/simple; d=example.com; s=s1;" in " ".join(text.split()), text
    assert "x=" not in text.split("bh=")[0]
    text = signed(d, words, "-i", "alice@mail.example.com", "--ttl", "3600", "-a", "ed25519-sha256")
    assert "i=alice@mail.example.com" in text and "x=" in text, text
    verify(d, 0, text)


def test_line_ends(d):
    words, _ = setup(d)
    text = signed(d, words, message=UNIX)
    assert "\r" not in text and text.endswith(UNIX)
    verify(d, 0, text)
    verify(d, 0, text.replace("\n", "\r\n"))
    text = signed(d, words, "-C", message=UNIX)
    head = text[:-len(UNIX)]
    assert text.endswith(UNIX) and head.count("\n") == head.count("\r\n") > 2
    verify(d, 0, text.replace("\r", ""))


def test_dkimpy_verifies(d):
    if dkim is None:
        raise Skip("python3-dkim is not installed")
    words, record = setup(d, "-b", "2048")
    for message in (MESSAGE, UNIX):
        text = signed(d, words, message=message).replace("\r\n", "\n").replace("\n", "\r\n").encode()
        assert dkim.verify(text, dnsfunc=lambda name, timeout=5: record.encode())


def test_verify_reasons(d):
    words, record = setup(d)
    text = signed(d, words)
    cases = {
        "body hash mismatch": text.replace("Bob.", "Rob."),
        "fail (d=example.com, s=s1, 256-bit key): ": text.replace("Subject: hello", "Subject: hallo"),
        "s=s2": text.replace("s=s1;", "s=s2;"),
        "message not signed": MESSAGE,
    }
    for words_wanted, message in cases.items():
        result = verify(d, 65, message)
        assert words_wanted in result, (words_wanted, result)
    write(d + "/dns", "s1._domainkey.example.com !SERVFAIL\n")
    assert "temperror" in verify(d, 65, text)
    write(d + "/dns", "s1._domainkey.example.com !BOGUS\n")
    assert "pass" not in verify(d, 65, text)
    write(d + "/dns", f"s1._domainkey.example.com !SECURE {record}\n")
    assert "secure" in verify(d, 0, text)


def test_one_of_two_passes(d):
    words, _ = setup(d)
    other, _ = setup(d, "--ed25519", selector="s2")
    text = signed(d, words, message=signed(d, other)).replace("s=s1;", "s=s9;")
    result = verify(d, 0, text).splitlines()
    assert len(result) == 2 and "pass (d=example.com, s=s2" in result[1] and "pass" not in result[0], result


def test_files(d):
    words, _ = setup(d)
    one = write(d + "/one", signed(d, words))
    two = write(d + "/two", MESSAGE)
    result = answers(0, "testmsg", "--dns-file", d + "/dns", one)
    assert f"{one}: pass" in result.stdout
    result = answers(65, "testmsg", "--dns-file", d + "/dns", one, two)
    assert f"{one}: pass" in result.stdout and f"{two}: message not signed" in result.stdout
    result = answers(71, "testmsg", "--dns-file", d + "/dns", one, d + "/missing")
    assert "/missing" in result.stderr
    assert answers(0, "testmsg", *words, two).stdout.endswith(UNIX)  # text mode: line ends become LF


def test_json(d):
    words, _ = setup(d)
    text = signed(d, words)
    value = json.loads(verify(d, 0, text, "--json"))
    assert (value["result"], value["domain"], value["selector"], value["bits"]) == ("pass", "example.com", "s1", 256)
    assert value["body_octets"] == value["body_signed"] > 0
    assert json.loads(verify(d, 65, MESSAGE, "--json")) == {"file": "(stdin)", "result": "none"}
    value = json.loads(answers(0, "testmsg", *words, "--json", stdin=MESSAGE).stdout)
    verify(d, 0, value["name"] + ":" + value["value"] + "\r\n" + MESSAGE)


def test_authres(d):
    words, _ = setup(d)
    out = verify(d, 0, signed(d, words), "--authres=mx.example.org")
    assert out.startswith("Authentication-Results: mx.example.org; dkim=pass "), out
    assert "header.d=example.com" in out and "header.s=s1" in out
    assert "dkim=none" in verify(d, 65, MESSAGE, "--authres")


def test_usage_is_78(d):
    words, _ = setup(d)
    for bad in (["-d", "example.com"], words[:4], ["-Z"], [*words, "-c", "nonsense"], [*words, "--ttl", "0"],
                [*words, "-a", "rsa-sha1"], ["-a", "rsa-sha256"], ["-i", "x@example.com"], [*words, "a", "b"],
                ["--dns-file", d + "/missing"], ["--nameserver", "nonsense"]):
        result = answers(78, "testmsg", *bad, stdin=MESSAGE)
        assert result.stderr and result.stdout == "", bad


def test_other_exit_codes(d):
    words, _ = setup(d)
    answers(65, "testmsg", *words, "-a", "rsa-sha256", stdin=MESSAGE)
    answers(71, "testmsg", *words[:4], "-k", d + "/missing", stdin=MESSAGE)
    answers(71, "testmsg", *words, d + "/missing")
    answers(70, "testmsg", *words[:4], "-k", write(d + "/bad", "no key"), stdin=MESSAGE)
    for text in ("", "no header\r\n\r\nx", "Subject: no sender\r\n\r\nx"):
        result = answers(70, "testmsg", *words, stdin=text)
        assert result.stdout == "" and result.stderr, text
    answers(70, "testmsg", *words, "-i", "x@other.example", stdin=MESSAGE)
    answers(70, "testmsg", "--dns-file", d + "/dns", stdin="no header\r\n\r\nx")


def test_accepts_the_options_of_opendkim_testmsg(d):
    words, _ = setup(d)
    program = drop_in(d, "opendkim-testmsg")
    result = run(program, *words, "-K", "-t", d, "-C", stdin=MESSAGE.encode())
    assert result.returncode == 0, result
    text = result.stdout.decode()
    result = run(program, "--dns-file", d + "/dns", stdin=text)
    assert result.returncode == 0 and result.stdout.startswith("opendkim-testmsg: (stdin): pass"), result
    assert run(program, "-d", "x", stdin=MESSAGE).returncode == 78


def test_nothing_of_the_terminal(d):
    text = MESSAGE.replace("From:", "DKIM-Signature: v=1; a=rsa-sha256; d=ex\x1b[31m; s=\x07; b=x; bh=y; h=from\r\nFrom:", 1)
    out = verify(d, 65, text, "--dns-file", write(d + "/dns", "a.example x\n"))
    assert "\x1b" not in out and "\x07" not in out, out
    out = in_test_mode(d, 65, write(d + "/bad", text.replace("h=from", "h=fr\x1bom"))).stdout
    assert "\x1b" not in out and "\x07" not in out, out


# ---- signpostd -t ----

def in_test_mode(d, code, files, *options, conf="", stdin="", program=SIGNPOSTD):
    write(d + "/conf", f"TestPublicKeys {d}/dns\n" + conf)
    result = run(program, "-x", d + "/conf", "-t", files, *options, stdin=stdin)
    assert result.returncode == code, (result.returncode, result.stdout, result.stderr)
    return result


def test_signpostd_t(d):
    words, _ = setup(d, "-b", "2048")
    good = write(d + "/good", signed(d, words))
    bad = write(d + "/bad", signed(d, words).replace("Bob.", "Rob."))
    plain = write(d + "/plain", MESSAGE)
    line = "verification (s=s1, d=example.com, 2048-bit key)"
    assert in_test_mode(d, 0, good).stdout == f"signpostd: {good}: {line} succeeded\n"
    assert in_test_mode(d, 65, bad).stdout == f"signpostd: {bad}: {line} failed: body hash mismatch\n"
    assert in_test_mode(d, 0, plain).stdout == f"signpostd: {plain}: message not signed\n"
    both = in_test_mode(d, 65, f"{good},{bad},{plain}").stdout
    assert both.count("\n") == 3, both
    with open(good, encoding="ascii", newline="") as f:
        text = f.read()
    assert in_test_mode(d, 0, "-", stdin=text).stdout == f"signpostd: (stdin): {line} succeeded\n"
    assert in_test_mode(d, 0, "-", stdin=text.replace("\r\n", "\n")).returncode == 0
    for nothing in ("", ","):
        assert "no file" in in_test_mode(d, 64, nothing).stderr
    assert "/missing" in in_test_mode(d, 69, good + "," + d + "/missing").stderr
    assert in_test_mode(d, 65, write(d + "/none", "no header\n")).stderr


def test_signpostd_t_uses_the_configuration(d):
    words, _ = setup(d, "-b", "1024")
    good = write(d + "/good", signed(d, words, "--ttl", "100"))
    assert "succeeded" in in_test_mode(d, 0, good).stdout
    assert "failed" in in_test_mode(d, 65, good, conf="MinimumKeyBits 2048\n").stdout
    field = write(d + "/field", "X-Loud: yes\r\n" + common.read(good))
    in_test_mode(d, 0, field)
    assert "X-Loud" in in_test_mode(d, 65, field, conf="MustBeSigned X-Loud\n").stdout
    late = in_test_mode(d, 65, good, "-F", "4000000000").stdout
    assert "failed: " in late and "expired" in late, late
    assert "future" in in_test_mode(d, 65, good, "-F", "1000000000").stdout
    assert "Authentication-Results: mx.example.org; dkim=pass" in in_test_mode(
        d, 0, good, "-v", conf="AuthservID mx.example.org\n").stdout
    assert "Mode" not in in_test_mode(d, 0, good, conf="Mode s\n").stderr
    assert "-t verifies" in in_test_mode(d, 78, good, "-b", "s").stderr
    in_test_mode(d, 78, good, conf="Nonsense yes\n")


def test_signpostd_t_without_room_for_its_output(d):
    words, _ = setup(d)
    good = write(d + "/good", signed(d, words))
    in_test_mode(d, 0, good)
    result = common.run("/bin/sh", "-c", f"exec '{SIGNPOSTD}' -x {d}/conf -t {good} >/dev/full")
    assert result.returncode == 74 and "cannot be written" in result.stderr, result


def test_opendkim_t(d):
    words, _ = setup(d)
    good = write(d + "/good", signed(d, words))
    link = d + "/opendkim"
    os.symlink(SIGNPOSTD, link)
    out = in_test_mode(d, 0, good, program=link).stdout
    assert out == f"opendkim: {good}: verification (s=s1, d=example.com, 256-bit key) succeeded\n", out


if __name__ == "__main__":
    sys.exit(common.main(globals()))
