#!/usr/bin/env python3
"""signpost genkey from the outside: its files, its record, what it refuses. Prints TAP."""
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import traceback

SIGNPOST = os.path.join(os.environ.get("BUILDDIR", "."), "tools/signpost")
try:
    import dkim
except ImportError:
    dkim = None


class Skip(Exception):
    pass


def genkey(directory, *options, program=None):
    command = [program] if program else [SIGNPOST, "genkey"]
    return subprocess.run(command + ["-D", directory, *options], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=600)


def made(directory, *options):
    result = genkey(directory, *options)
    assert result.returncode == 0, result.stderr
    return result


def read(directory, name):
    with open(os.path.join(directory, name), encoding="ascii") as f:
        return f.read()


def record_of(zone):
    """The record as DNS would serve it: the quoted strings joined."""
    strings = re.findall(r'"([^"]*)"', zone)
    assert all(len(s) <= 255 for s in strings), [len(s) for s in strings]
    return "".join(strings)


def tags_of(record):
    pairs = [part.split("=", 1) for part in record.split(";") if part.strip()]
    return {name.strip(): value.strip() for name, value in pairs}


def shape(zone):
    """The zone line without the key's own letters."""
    return re.sub(r'p=[A-Za-z0-9+/=]*"(\s+"[A-Za-z0-9+/=]*")*', 'p=KEY"', zone)


def test_files_and_modes(d):
    old = os.umask(0o022)
    try:
        made(d, "-d", "example.com", "-s", "one")
    finally:
        os.umask(old)
    assert sorted(os.listdir(d)) == ["one.private", "one.txt"], os.listdir(d)
    assert stat.S_IMODE(os.stat(d + "/one.private").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(d + "/one.txt").st_mode) == 0o644
    assert read(d, "one.private").startswith("-----BEGIN PRIVATE KEY-----\n")
    assert read(d, "one.private").endswith("-----END PRIVATE KEY-----\n")


def test_private_mode_with_umask_zero(d):
    old = os.umask(0)
    try:
        made(d, "-s", "one")
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(d + "/one.private").st_mode) == 0o600


def test_defaults(d):
    made(d)
    zone = read(d, "default.txt")
    assert zone.startswith('default._domainkey\tIN\tTXT\t( "v=DKIM1; h=sha256; k=rsa; "\n\t  "p='), zone
    assert zone.endswith('" )  ; ----- DKIM key default for localhost\n'), zone


def test_every_tag(d):
    made(d, "-d", "example.com", "-s", "one", "-n", 'a; "b\\c"=\t\u00e9 d', "-r", "-t", "-S", "-a")
    zone = read(d, "one.txt")
    assert zone.startswith("one._domainkey.example.com.\tIN\tTXT\t( "), zone
    tags = tags_of(record_of(zone))
    assert tags["n"] == "a=3B =22b=5Cc=22=3D=09=C3=A9 d", tags
    assert (tags["v"], tags["h"], tags["k"], tags["t"], tags["s"]) == (
        "DKIM1", "sha256", "rsa", "y:s", "email"), tags


def test_long_note_is_chunked(d):
    made(d, "-s", "one", "-n", "n" * 1000)
    assert tags_of(record_of(read(d, "one.txt")))["n"] == "n" * 1000


def test_long_options(d):
    made(d, "--append-domain", "--bits=1024", "--domain=example.com", "--hash-algorithms=sha256",
         "--note=hello", "--restrict", "--selector=one", "--nosubdomains", "--testmode", "--verbose")
    short = made(d, "-a", "-b", "1024", "-d", "example.com", "-h", "sha256", "-n", "hello", "-r",
                 "-s", "two", "-S", "-t", "-v")
    assert shape(read(d, "one.txt")).replace("one", "two") == shape(read(d, "two.txt"))
    assert "two.private" in short.stderr and "two.txt" in short.stderr


def test_opposites(d):
    made(d, "-S", "--subdomains", "-t", "--notestmode", "-h", "")
    tags = tags_of(record_of(read(d, "default.txt")))
    assert "t" not in tags and "h" not in tags, tags


def test_single_dash_long_options_as_perl_takes_them(d):
    made(d, "-selector=one", "-domain", "example.com", "-b1024")
    assert "DKIM key one for example.com" in read(d, "one.txt")


def test_same_text_as_opendkim_genkey(d):
    theirs = shutil.which("opendkim-genkey") or shutil.which("opendkim-genkey", path="/usr/sbin:/usr/bin")
    if theirs is None:
        raise Skip("opendkim-genkey is not installed")
    cases = [["-a"], ["-r", "-t", "-S"], ["-n", "hello"], ["-b", "4096"], ["-S"], ["-t"]]
    for number, options in enumerate(cases):
        common = ["-d", "example.com", "-h", "sha256", "-s", "sel", *options]
        for name in ("theirs", "ours"):
            os.mkdir(f"{d}/{name}{number}")
        result = genkey(f"{d}/theirs{number}", *common, program=theirs)
        assert result.returncode == 0, result.stderr
        made(f"{d}/ours{number}", *common)
        ours, want = read(f"{d}/ours{number}", "sel.txt"), read(f"{d}/theirs{number}", "sel.txt")
        # The Perl tool writes a note as n=\"hello\"; quotes inside a tag are not part of its grammar.
        want = want.replace('n=\\"hello\\"', "n=hello")
        assert shape(ours) == shape(want), (ours, want)
        lengths = [[len(s) for s in re.findall(r'"([^"]*)"', text)] for text in (ours, want)]
        if "-n" not in options:
            assert lengths[0] == lengths[1], lengths


def test_called_as_opendkim_genkey(d):
    link = os.path.join(d, "opendkim-genkey")
    os.symlink(os.path.abspath(SIGNPOST), link)
    result = genkey(d, "-s", "one", program=link)
    assert result.returncode == 0, result.stderr
    assert os.path.exists(d + "/one.private")
    version = subprocess.run([link, "-V"], capture_output=True, text=True)
    assert re.fullmatch(r"opendkim-genkey v[0-9.]+\n", version.stdout), version


def test_never_overwrites(d):
    for there, absent in (("one.private", "one.txt"), ("two.txt", "two.private")):
        with open(os.path.join(d, there), "w", encoding="ascii") as f:
            f.write("precious")
        result = genkey(d, "-s", there.split(".")[0])
        assert result.returncode == 1
        assert there in result.stderr and "not overwritten" in result.stderr, result.stderr
        assert read(d, there) == "precious"
        assert not os.path.lexists(os.path.join(d, absent))
    os.symlink("nowhere", d + "/three.txt")
    assert genkey(d, "-s", "three").returncode == 1
    assert sorted(os.listdir(d)) == ["one.private", "three.txt", "two.txt"], os.listdir(d)


def test_two_at_once_give_one_pair(d):
    command = [SIGNPOST, "genkey", "-D", d, "-s", "one", "--ed25519", "--json"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for _ in range(8)]
    outputs = [(p.communicate()[0], p.returncode) for p in running]
    winners = [out for out, status in outputs if status == 0]
    assert len(winners) == 1, outputs
    assert record_of(read(d, "one.txt")) == json.loads(winners[0])["record"]
    assert sorted(os.listdir(d)) == ["one.private", "one.txt"], os.listdir(d)


def test_bits(d):
    for bits in ("512", "1023", "8193", "0", "-1", "2048x", "", "99999999999999999999"):
        result = genkey(d, "-b", bits)
        assert result.returncode == 1, (bits, result)
    assert os.listdir(d) == []
    weak = made(d, "-b", "1024", "-s", "weak")
    assert "warning" in weak.stderr and "2048" in weak.stderr, weak.stderr
    assert made(d, "-b", "2048", "-s", "good").stderr == ""


def test_bad_names(d):
    cases = [("-s", "../x"), ("-s", "a/b"), ("-s", ""), ("-s", "a..b"), ("-s", "a b"), ("-s", "x" * 64),
             ("-d", "bad_name!"), ("-d", "b\u00fccher.example"), ("-d", 'a";b'), ("-d", "."),
             ("-h", "sha1"), ("-h", "rsa-sha256"), ("-h", "sha256;x"), ("-n", "n" * 2000),
             ("-d", ".".join(["x" * 60] * 4))]
    for options in cases:
        result = genkey(d, *options)
        assert result.returncode == 1 and result.stderr, (options, result)
    assert os.listdir(d) == []


def test_bad_directory_is_named(d):
    result = genkey(d + "/missing")
    assert result.returncode == 1 and "/missing" in result.stderr, result


def test_bad_options(d):
    for options in (["--nonsense"], ["-s"], ["word"]):
        assert genkey(d, *options).returncode == 1, options


def test_json(d):
    for options in ([], ["--ed25519"]):
        shutil.rmtree(d)
        os.mkdir(d)
        value = json.loads(made(d, "-d", "example.com", "-s", "one", "--json", *options).stdout)
        assert value["record"] == record_of(read(d, "one.txt")), value
        assert value["name"] == "one._domainkey.example.com"
        assert value["algorithm"] == ("ed25519-sha256" if options else "rsa-sha256")
        assert "PRIVATE" not in json.dumps(value)


MESSAGE = (b"From: Alice <alice@example.com>\r\nTo: bob@example.net\r\nSubject: hello\r\n"
           b"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nHello.\r\n")


def signs(d, *options, algorithm):
    if dkim is None:
        raise Skip("python3-dkim is not installed")
    made(d, "-d", "example.com", "-s", "one", *options)
    record = record_of(read(d, "one.txt")).encode()
    pem = read(d, "one.private").encode()
    if algorithm == b"ed25519-sha256":
        import base64
        der = base64.b64decode(b"".join(pem.split(b"\n")[1:-2]))
        pem = base64.b64encode(der[-32:])
    header = dkim.sign(MESSAGE, b"one", b"example.com", pem, signature_algorithm=algorithm)
    answers = {b"one._domainkey.example.com.": record}
    assert dkim.verify(header + MESSAGE, dnsfunc=lambda name, timeout=5: answers.get(
        name if isinstance(name, bytes) else name.encode()))


def test_dkimpy_signs_and_verifies_rsa(d):
    signs(d, algorithm=b"rsa-sha256")


def test_dkimpy_signs_and_verifies_ed25519(d):
    try:
        import nacl  # noqa: F401
    except ImportError:
        raise Skip("python3-nacl is not installed") from None
    signs(d, "--ed25519", algorithm=b"ed25519-sha256")


def test_openssl_finds_the_same_public_key(d):
    if shutil.which("openssl") is None:
        raise Skip("openssl(1) is not installed")
    made(d, "-s", "one")
    public = subprocess.run(["openssl", "pkey", "-in", d + "/one.private", "-pubout"],
                            capture_output=True, text=True, check=True).stdout
    want = "".join(public.split("\n")[1:-2])
    assert tags_of(record_of(read(d, "one.txt")))["p"] == want


def test_dispatcher(d):
    def run(*words):
        return subprocess.run([SIGNPOST, *words], capture_output=True, text=True, cwd=d)
    assert re.fullmatch(r"signpost [0-9.]+\n", run("--version").stdout)
    assert "genkey" in run("--help").stdout and run("--help").returncode == 0
    assert "--ed25519" in run("help", "genkey").stdout
    assert run("help", "genkey").stdout == run("genkey", "--help").stdout
    assert run().returncode == 64 and run("nonsense").returncode == 64
    assert run("help", "nonsense").returncode == 64


def main():
    tests = [(name, function) for name, function in globals().items() if name.startswith("test_")]
    failed = 0
    print(f"1..{len(tests)}")
    for number, (name, function) in enumerate(tests, 1):
        with tempfile.TemporaryDirectory(prefix="signpost-genkey.") as parent:
            directory = os.path.join(parent, "d")
            os.mkdir(directory)
            try:
                function(directory)
                print(f"ok {number} - {name[5:]}", flush=True)
            except Skip as reason:
                print(f"ok {number} - {name[5:]} # SKIP {reason}", flush=True)
            except Exception:
                failed += 1
                print(f"not ok {number} - {name[5:]}")
                for line in traceback.format_exc().splitlines():
                    print("# " + line, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
