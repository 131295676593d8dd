"""The command line: exit statuses and what they say. 0, 64 usage, 65 no such user, 69 socket, 78 configuration."""
import os
import socket
import subprocess

import pytest

from lib import patience, procs
from lib.daemon import config_text

USAGE, NO_USER, UNAVAILABLE, CONFIG = 64, 65, 69, 78


def run(program, *args):
    done = subprocess.run([str(program), *map(str, args)], capture_output=True, text=True, timeout=patience.seconds(60),
                          stdin=subprocess.DEVNULL, errors="replace")
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def good(shared_keys):
    return {"Domain": "example.test", "KeyFile": shared_keys["rsa2048"].path, "Selector": "sel", "Syslog": False,
            "RequireSafeKeys": False, "Socket": f"inet:{procs.free_port()}@127.0.0.1"}


def conf(folder, settings, extra=""):
    path = folder / "test.conf"
    path.write_text("# a comment\n" + config_text(settings) + extra)
    return path


def test_version(program):
    status, said = run(program, "-V")
    assert status == 0 and " v" in said and "rsa-sha256" in said and "relaxed" in said


def test_check_of_a_good_configuration(program, folder, good):
    status, said = run(program, "-n", "-x", conf(folder, good))
    assert status == 0, said


def test_check_needs_no_socket(program, folder, good):
    del good["Socket"]
    assert run(program, "-n", "-x", conf(folder, good))[0] == 0


# text that follows a good configuration -> words that the message must hold (for signpostd also the nearest name)
MISTAKES = {
    "unknown parameter": ("Canonicalisation relaxed/simple\n", ["line 8"], ["Canonicalization"]),
    "unknown parameter, typing error": ("SigningTabel file:/x\n", ["line 8"], ["SigningTable"]),
    "no value": ("Mode\n", ["line 8"], ["Mode"]),
    "bad boolean": ("SubDomains perhaps\n", ["line 8"], ["SubDomains"]),
    "bad number": ("MinimumKeyBits many\n", [], ["line 8", "MinimumKeyBits"]),
    "bad canonicalization": ("Canonicalization loose/simple\n", [], ["Canonicalization"]),
    "bad algorithm": ("SignatureAlgorithm rsa-md5\n", [], ["SignatureAlgorithm", "rsa-sha256"]),
    "bad mode": ("Mode q\n", [], ["Mode"]),
    "missing key file": ("KeyFile /nonexistent/key.private\n", ["/nonexistent/key.private"], []),
    "missing table": ("SigningTable refile:/nonexistent/table\nKeyTable file:/nonexistent/keys\n", ["nonexistent"], []),
    "signing table without key table": ("SigningTable csl:example.test=x\n", ["KeyTable"], []),
    "unknown table type": ("InternalHosts strange:/x\n", [], ["strange", "InternalHosts"]),
    "include of nothing": ("Include /nonexistent/more.conf\n", ["/nonexistent/more.conf"], []),
}
OPENDKIM_SILENT = {"bad mode", "bad number"}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(program, folder, good, name, request):
    signpost = "signpostd" in program.resolve().name
    if not signpost and name in OPENDKIM_SILENT:
        pytest.skip("not with opendkim: it takes this value or says something else")
    extra, words, better = MISTAKES[name]
    path = conf(folder, good, extra)
    status, said = run(program, "-n", "-x", path)
    assert status == CONFIG, (status, said)
    missing = [w for w in words + (better if signpost else []) if w not in said]
    assert not missing, f"{missing} not in: {said}"
    status, said = run(program, "-f", "-x", path)
    assert status == CONFIG, (status, said)


def test_broken_key_file(program, folder, good):
    (folder / "bad.private").write_text("-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n")
    status, said = run(program, "-n", "-x", conf(folder, {**good, "KeyFile": folder / "bad.private"}))
    if "signpostd" not in program.resolve().name:
        pytest.skip("not with opendkim: it notices a bad key only when it signs")
    assert status == CONFIG and "bad.private" in said


def test_missing_configuration_file(program):
    status, said = run(program, "-n", "-x", "/nonexistent/x.conf")
    assert status == CONFIG and "/nonexistent/x.conf" in said


def test_no_socket(program, folder, good):
    del good["Socket"]
    status, said = run(program, "-f", "-x", conf(folder, good))
    assert status in (USAGE, CONFIG) and "ocket" in said, (status, said)


def test_unknown_option(program):
    assert run(program, "-j")[0] == USAGE


def test_socket_in_use(program, folder, good):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings = {**good, "Socket": f"inet:{other.getsockname()[1]}@127.0.0.1"}
        status, said = run(program, "-f", "-x", conf(folder, settings))
    assert status == UNAVAILABLE, (status, said)


def test_unix_socket_in_use_and_stale(program, folder, good):
    path = folder / "milter.sock"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    settings = {**good, "Socket": f"local:{path}"}
    assert run(program, "-f", "-x", conf(folder, settings))[0] == UNAVAILABLE
    listening.close()
    assert path.exists()
    one = procs.Process([program, "-f", "-x", conf(folder, settings)], folder / "log")
    try:
        procs.wait_connect(path, proc=one)
    finally:
        one.kill()


def test_socket_that_cannot_be_made(program, folder, good):
    settings = {**good, "Socket": "local:/nonexistent/folder/milter.sock"}
    status, said = run(program, "-f", "-x", conf(folder, settings))
    assert status == UNAVAILABLE, (status, said)


@pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")
def test_unknown_user(program, folder, good):
    status, said = run(program, "-f", "-x", "/dev/null", "-p", "inet:1@127.0.0.1", "-u", "no-such-user-here")
    assert status == NO_USER and "no-such-user-here" in said, (status, said)
    status, said = run(program, "-f", "-x", conf(folder, {**good, "UserID": "no-such-user-here"}))
    assert status in (NO_USER, CONFIG) and "no-such-user-here" in said, (status, said)      # 78 with opendkim


def test_query_of_a_value(program, folder, good):
    path = conf(folder, {**good, "Canonicalization": "relaxed/simple"})
    status, said = run(program, "-x", path, "-e", "Canonicalization")
    assert status == 0 and "relaxed/simple" in said
    assert run(program, "-x", path, "-e", "NoSuchName")[0] == 65
    assert run(program, "-x", path, "-e", "SigningTable")[0] == CONFIG


def test_called_opendkim(program, folder, good):
    link = folder / "opendkim"
    link.symlink_to(program)
    status, said = run(link, "-V")
    assert status == 0
    assert run(link, "-n", "-x", conf(folder, good))[0] == 0


def test_pid_file_and_background(program, folder, good):
    """Without -f it goes to the background; the pid file says where; TERM ends it and removes the file."""
    pidfile = folder / "milter.pid"
    port = procs.free_port()
    settings = {**good, "Socket": f"inet:{port}@127.0.0.1", "PidFile": pidfile}
    try:
        status, said = run(program, "-x", conf(folder, settings))     # waits for the end of its output, as a script does
        assert status == 0, said
        procs.wait_connect(("127.0.0.1", port))
        assert procs.wait_until(lambda: pidfile.exists() and pidfile.read_text().strip().isdigit())
        pid = int(pidfile.read_text())
        assert os.path.exists(f"/proc/{pid}")
    finally:
        if pidfile.exists():
            os.kill(int(pidfile.read_text()), 15)
    assert procs.wait_until(lambda: not os.path.exists(f"/proc/{pid}"))
    assert procs.wait_until(lambda: not pidfile.exists())
