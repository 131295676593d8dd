"""Starting where something is in the way: files, folders, sockets, users; and what the service becomes after it has begun."""
import grp
import os
import pwd
import shutil
import signal
import stat
import tempfile
from pathlib import Path

import pytest

from lib import milter, procs
from lib.daemon import Daemon, is_signpost
from test_cli import conf, run

UNAVAILABLE, OS_ERROR = 69, 71
DATA = b"From: a@example.test\r\nTo: b@sink.test\r\nSubject: x\r\n\r\nbody\r\n"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="users, chroot and full devices need root")


@pytest.fixture
def settings(program, folder, shared_keys):
    if not is_signpost(program):
        pytest.skip("not with opendkim: statuses and sentences are ours")
    key = folder / "key.private"
    key.write_bytes(shared_keys["rsa2048"].path.read_bytes())
    key.chmod(0o600)
    return {"Domain": "example.test", "KeyFile": key, "Selector": "sel", "Syslog": False, "RequireSafeKeys": False,
            "Socket": f"local:{folder}/milter.sock"}


def signs(address):
    return milter.one_shot(address, DATA)[0].signed


def ids(pid):
    """(real uid, real gid, supplementary groups) of PID."""
    lines = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status") if ":" in line)
    return int(lines["Uid"].split()[0]), int(lines["Gid"].split()[0]), set(map(int, lines["Groups"].split()))


@pytest.mark.parametrize("path, why", [("/dev/full", "No space left"), ("/nonexistent/x.pid", "No such file"),
                                       ("/proc/x.pid", "No such file"), ("/", "Is a directory")])
def test_pid_file_that_cannot_be_written(program, folder, settings, path, why):
    status, said = run(program, "-f", "-x", conf(folder, {**settings, "PidFile": path}))
    print(f"\n{said}", end="")
    assert status == OS_ERROR and f"cannot write PidFile {path}: {why}" in said
    assert not (folder / "milter.sock").exists()


@pytest.mark.parametrize("where, why", [("/proc", "No such file"), ("/nonexistent", "No such file"), ("/dev/null", "Not a directory")])
def test_socket_folder(program, folder, settings, where, why):
    status, said = run(program, "-f", "-x", conf(folder, {**settings, "Socket": f"local:{where}/milter.sock"}))
    print(f"\n{said}", end="")
    assert status == UNAVAILABLE and f"{where}/milter.sock" in said and why in said


def test_read_only_file_system(program, folder, settings):
    """A private mount namespace with a read-only folder for the socket, then for the pid file."""
    (folder / "ro").mkdir()
    mount = f"mount -t tmpfs -o ro none {folder}/ro && exec \"$0\" \"$@\""
    for changed, expected in (({"Socket": f"local:{folder}/ro/milter.sock"}, UNAVAILABLE), ({"PidFile": folder / "ro/x.pid"}, OS_ERROR)):
        path = conf(folder, {**settings, **changed})
        status, said = run("unshare", "--mount", "sh", "-c", mount, program, "-f", "-x", path)
        if "unshare:" in said or "unshare failed" in said or "mount:" in said:
            pytest.skip("no mount namespaces here")
        print(f"\n{said}", end="")
        assert status == expected and "Read-only file system" in said


def test_key_that_the_user_cannot_read(program, folder, settings):
    """Root could read it, UserID cannot: said at the start; the socket is removed where the user may do so."""
    os.chown(folder, pwd.getpwnam("nobody").pw_uid, 0)
    status, said = run(program, "-f", "-x", conf(folder, {**settings, "UserID": "nobody"}))
    print(f"\n{said}", end="")
    assert status == 78 and f"KeyFile: {settings['KeyFile']}: Permission denied" in said
    assert not (folder / "milter.sock").exists()


def test_second_on_the_same_socket(program, folder, settings):
    with Daemon(program, folder, settings, unix=True) as first:
        path = conf(folder, {**settings, "Socket": first.spec})
        status, said = run(program, "-f", "-x", path)
        print(f"\n{said}", end="")
        assert status == UNAVAILABLE and f"{first.address} is in use by another process" in said
        assert first.process.poll() is None and signs(first.address)


def test_socket_left_by_kill_is_taken_over(program, folder, settings):
    first = Daemon(program, folder, settings, unix=True).start()
    os.kill(first.pid, signal.SIGKILL)
    first.process.popen.wait()
    assert first.address.exists() and first.address.is_socket()
    assert procs.wait_until(lambda: not [p for p in os.listdir("/proc") if p.isdigit() and first_of(p) == str(first.conf)])
    second = Daemon(program, folder, settings, name="second", unix=True)
    second.address, second.spec = first.address, first.spec
    second.write(settings)
    with second:
        assert signs(first.address)
    assert not first.address.exists()


def first_of(pid):
    """The configuration file on PID's command line."""
    try:
        words = open(f"/proc/{pid}/cmdline").read().split("\0")
        return words[words.index("-x") + 1]
    except (OSError, ValueError, IndexError):
        return ""


def test_file_in_the_way_of_the_socket(program, folder, settings):
    (folder / "milter.sock").write_text("precious")
    status, said = run(program, "-f", "-x", conf(folder, settings))
    assert status == UNAVAILABLE and "is not a socket" in said and (folder / "milter.sock").read_text() == "precious"


@pytest.mark.parametrize("given, group", [("daemon", None), ("daemon:mail", "mail"), ("1:8", "mail")])
def test_user_and_group(program, folder, settings, given, group):
    user = pwd.getpwnam("daemon")
    gid = grp.getgrnam(group).gr_gid if group else user.pw_gid
    os.chown(settings["KeyFile"], user.pw_uid, 0)
    with Daemon(program, folder, {**settings, "UserID": given, "UMask": "007"}, unix=True) as running:
        for pid in running.tree():
            uid, has, others = ids(pid)
            assert (uid, has) == (user.pw_uid, gid), (procs.comm(pid), uid, has)
            assert 0 not in others, "root's group is kept"
        about = os.stat(running.address)
        assert (about.st_uid, about.st_gid) == (user.pw_uid, gid)
        assert signs(running.address)


@pytest.mark.parametrize("mask, mode", [("000", 0o777), ("007", 0o770), ("0117", 0o660), ("077", 0o700), (None, None)])
def test_umask_of_the_socket(program, folder, settings, mask, mode):
    changed = {**settings, "UMask": mask} if mask else settings
    with Daemon(program, folder, changed, unix=True) as running:
        got = stat.S_IMODE(os.stat(running.address).st_mode)
        assert got == (mode if mode is not None else 0o777 & ~current_umask()), oct(got)


def current_umask():
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def test_change_root(program, shared_keys, settings):
    """After ChangeRootDirectory the paths of keys and tables are those inside; a reload finds them there."""
    root = Path(tempfile.mkdtemp(prefix="signpost-it-root-"))
    try:
        root.chmod(0o755)
        (root / "etc/keys").mkdir(parents=True)
        user = pwd.getpwnam("daemon")
        shutil.copy(shared_keys["rsa2048"].path, root / "etc/keys/key.private")
        os.chown(root / "etc/keys/key.private", user.pw_uid, 0)
        (root / "etc/KeyTable").write_text("k example.test:sel:/etc/keys/key.private\n")
        (root / "etc/SigningTable").write_text("*@example.test k\n")
        chosen = {"KeyTable": "file:/etc/KeyTable", "SigningTable": "refile:/etc/SigningTable", "UserID": "daemon",
                  "ChangeRootDirectory": root}
        with Daemon(program, root, chosen, unix=True) as running:
            assert all(os.readlink(f"/proc/{p}/root") == str(root) for p in running.tree())
            assert signs(running.address)
            os.kill(list(running.tree())[-1], signal.SIGKILL)      # what is forked later lives inside, too
            assert procs.wait_until(lambda: signs(running.address))
    finally:
        procs.remove_dir(root)
