"""Processes and ports for the tests: start, wait until ready, keep the log, always clean up.

Used by every test through conftest.py. Nothing here knows mail. Only processes started here are ever killed.
"""
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from . import patience


GIVEN = set()  # what is chosen now is often listened on much later


def free_ports(count=1):
    """COUNT different ports that the kernel says are free now on 127.0.0.1, none of them twice in this process."""
    socks, ports = [], []
    while len(ports) < count:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
        socks.append(s)
        port = s.getsockname()[1]
        if port not in GIVEN or len(GIVEN) > 20000:
            GIVEN.add(port)
            ports.append(port)
    for s in socks:
        s.close()
    return ports


def free_port():
    return free_ports(1)[0]


def make_dir(label):
    """A new folder that other users may enter (an MTA drops to its own user)."""
    path = Path(tempfile.mkdtemp(prefix=f"signpost-it-{label}-"))
    path.chmod(0o755)
    return path


def remove_dir(path):
    if os.environ.get("KEEP_TMP"):
        return
    shutil.rmtree(path, ignore_errors=True)


def connect(address, timeout=None):
    """ADDRESS is ("127.0.0.1", port) or the path of a UNIX socket. TIMEOUT: of this and of what is done with it later."""
    timeout = patience.seconds(60) if timeout is None else timeout
    if isinstance(address, tuple):
        s = socket.create_connection(address, timeout=timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(timeout)
    s.connect(str(address))
    return s


def listens(address):
    try:
        connect(address).close()
        return True
    except (ConnectionRefusedError, ConnectionResetError, FileNotFoundError):
        return False       # reset: it was being closed


def wait_connect(address, timeout=None, proc=None):
    """Wait until something listens at ADDRESS; RuntimeError if PROC ends before that."""
    timeout = patience.seconds(60) if timeout is None else timeout
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if proc is not None and proc.poll() is not None:
            raise RuntimeError(f"exited with {proc.returncode} before it listened at {address}")
        try:
            connect(address, 5.0).close()
            return
        except OSError:
            time.sleep(0.03)
    raise RuntimeError(f"nothing listens at {address} after {timeout} s")


def listens_itself(pid, port):
    """Does the process have the socket that listens on this port of IPv4? Another one may have been faster."""
    wanted = f":{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table]
    inodes = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and row[1].endswith(wanted)}
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{fd}") in inodes for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def wait_until(condition, timeout=None, step=0.03):
    """True as soon as CONDITION() is; False when TIMEOUT seconds have gone: without one, when it will never be."""
    deadline = time.monotonic() + (patience.seconds(60) if timeout is None else timeout)
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(step)
    return bool(condition())


def children(pid):
    """All descendants of PID, PID first, from /proc."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                text = Path(f"/proc/{entry}/stat").read_text()
                parents.setdefault(int(text.rsplit(")", 1)[1].split()[1]), []).append(int(entry))
            except (OSError, IndexError):
                continue
    found, todo = [], [pid]
    while todo:
        one = todo.pop(0)
        found.append(one)
        todo.extend(sorted(parents.get(one, [])))
    return found


def stopped(pid):
    """Waits until all threads of PID, which was sent SIGSTOP, have stopped: it takes a moment."""
    def states():
        return {Path(f"/proc/{pid}/task/{task}/stat").read_text().rsplit(") ", 1)[1][0] for task in os.listdir(f"/proc/{pid}/task")}
    assert wait_until(lambda: states() == {"T"}), states()


def syscall(pid):
    """Which call of the system the first thread of PID is in, and on what; "running" when in none."""
    return " ".join(Path(f"/proc/{pid}/syscall").read_text().split()[:2])


def until_it_waits(pid, ask):
    """ASK gives a question to PID, which waits for one; over when it waits for something else, an answer."""
    assert wait_until(lambda: syscall(pid) != "running")
    idle = syscall(pid)
    ask()
    assert wait_until(lambda: syscall(pid) not in ("running", idle)), "it does not wait for a server"


def comm(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def cpu_seconds(pids):
    """Of the processor, by all of PIDS until now: what something costs, whoever else is busy meanwhile."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except (OSError, IndexError):
                pass
    return total / 1e9


def rss_kib(pids):
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total


def die_with_parent():
    """In the child: TERM when the test run is killed, so that nothing is left behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Process:
    """One supervised process in a session of its own; its output goes to a file."""

    def __init__(self, argv, log, cwd=None, env=None, executable=None):
        self.log = Path(log)
        self.file = open(self.log, "ab")
        self.popen = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=self.file,
                                      stderr=self.file, cwd=cwd, env=env, executable=executable,
                                      start_new_session=True, preexec_fn=die_with_parent)
        self.pid = self.popen.pid

    def poll(self):
        return self.popen.poll()

    @property
    def returncode(self):
        return self.popen.returncode

    def output(self):
        return self.log.read_text(errors="replace")

    def signal(self, number):
        """After SIGSTOP all of its threads have stopped: the kernel tells them one after the other."""
        self.popen.send_signal(number)
        if number == signal.SIGSTOP:
            assert wait_until(lambda: set(self.thread_states()) <= set("TtZX")), self.thread_states()

    def thread_states(self):
        """A letter for each thread, as proc(5) has them."""
        states = ""
        for task in Path(f"/proc/{self.pid}/task").glob("*/stat"):
            try:
                states += task.read_text().rpartition(")")[2].split()[0]
            except OSError:  # it has ended
                pass
        return states

    def wait(self, timeout=None):
        return self.popen.wait(patience.seconds(60) if timeout is None else timeout)

    def kill(self):
        """End it at once, for what has nothing to finish."""
        self.popen.kill()
        return self.stop(0.1)

    def stop(self, timeout=None):
        """TERM, then KILL of what is left of the process group we made. Answers the exit status."""
        timeout = patience.seconds(45) if timeout is None else timeout
        tree = children(self.pid)
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(timeout)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        for pid in tree[1:]:
            try:
                if os.getsid(pid) == self.pid:
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        self.popen.wait()
        self.file.close()
        return self.popen.returncode
