"""What the tests of signpost(1)'s commands share: run the program, make keys, print TAP."""
import base64
import os
import re
import subprocess
import sys
import tempfile
import traceback

BUILD = os.environ.get("BUILDDIR", ".")
SIGNPOST = os.path.abspath(os.path.join(BUILD, "tools/signpost"))
SIGNPOSTD = os.path.abspath(os.path.join(BUILD, "signpostd"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))


class Skip(Exception):
    pass


def run(*command, stdin="", cwd=None, timeout=600):
    """stdin: str or bytes; the result's texts are of the same type."""
    text = isinstance(stdin, str)
    return subprocess.run([str(word) for word in command], input=stdin, capture_output=True, text=text,
                          cwd=cwd, timeout=timeout, check=False)


def tool(*words, **more):
    return run(SIGNPOST, *words, **more)


def answers(code, *words, **more):
    """Runs a command that must answer CODE."""
    result = tool(*words, **more)
    assert result.returncode == code, (result.returncode, words, result.stdout, result.stderr)
    return result


def drop_in(d, name):
    """The program under another name."""
    link = os.path.join(d, name)
    if not os.path.lexists(link):
        os.symlink(SIGNPOST, link)
    return link


def write(path, text):
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)
    return path


def read(path):
    with open(path, encoding="utf-8", newline="") as f:
        return f.read()


def joined(zone):
    """The quoted strings of a text in one piece."""
    strings = re.findall(r'"([^"]*)"', zone)
    assert strings and all(len(s) <= 255 for s in strings), [len(s) for s in strings]
    return "".join(strings)


def make_key(d, selector, *options, domain="example.com"):
    """(path of the private key, the record's value)"""
    answers(0, "genkey", "-D", d, "-d", domain, "-s", selector, *options)
    return f"{d}/{selector}.private", joined(read(f"{d}/{selector}.txt"))


def rsa_in_pkcs1(record):
    """The record with p= as RSAPublicKey, which RFC 6376 asks for and nobody publishes."""
    der = base64.b64decode(record.split("p=")[1])
    at = der.index(b"\x03\x82") + 5 if b"\x03\x82" in der else der.index(b"\x03\x81") + 4
    return record.split("p=")[0] + "p=" + base64.b64encode(der[at:]).decode()


def servers():
    """The module of private DNS servers, where they and the program's resolver are there."""
    try:
        from lib import dnsservers
    except ImportError as reason:
        raise Skip(f"no DNS servers: {reason}") from None
    if dnsservers.missing() is not None:
        raise Skip(dnsservers.missing())
    if "--without-unbound" in tool("check", "--nameserver", "127.0.0.1", "invalid.example").stderr:
        raise Skip("this build was configured --without-unbound")
    return dnsservers


def main(tests):
    """Runs the functions named test_*, each with a directory of its own."""
    found = [(name, function) for name, function in tests.items() if name.startswith("test_")]
    only = sys.argv[1:]
    if only:
        found = [(name, function) for name, function in found if any(word in name for word in only)]
    failed = 0
    print(f"1..{len(found)}")
    for number, (name, function) in enumerate(found, 1):
        with tempfile.TemporaryDirectory(prefix="signpost-tools.") as parent:
            directory = os.path.join(parent, "d")
            os.mkdir(directory, 0o700)
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
