"""For bench.py: the rate through a private Postfix without a milter and with each of them. smtp-source (16 sessions,
a new one for each message) -> smtpd, milter, queue -> smtp -> smtp-sink. The clock stops when the queue is empty, so
that all that a message costs on this machine is in the figure."""
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from servers import BenchError

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from lib import postfix, procs  # noqa: E402  pylint: disable=wrong-import-position

SESSIONS = 16
DRAIN_SECONDS = 60


def missing():
    for tool in ("smtp-source", "smtp-sink"):
        if not os.access(f"/usr/sbin/{tool}", os.X_OK):
            return f"{tool} is not there"
    return postfix.missing()


def send(port, total, sender="alice@d000000.example"):
    subprocess.run(["/usr/sbin/smtp-source", "-s", str(SESSIONS), "-m", str(total), "-l", "4096", "-f", sender,
                    "-t", "bob@destination.example", f"inet:127.0.0.1:{port}"],
                   check=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Through:
    def __init__(self, folder, labels, milters):
        self.folder, self.labels = folder, labels
        self.sink_port = procs.free_port()
        self.postfix = postfix.Postfix(folder, self.sink_port, milters)
        self.dumps = os.path.join(folder, "dumps")
        os.mkdir(self.dumps)
        shutil.chown(self.dumps, "postfix")  # smtp-sink does not stay root

    @contextlib.contextmanager
    def sink(self, dump=False):
        # with -d every message becomes a file, named by the time and a number
        options = ["-d", os.path.join(self.dumps, "%s.")] if dump else []
        sink = procs.Process(["/usr/sbin/smtp-sink", "-u", "postfix", *options, f"127.0.0.1:{self.sink_port}", "256"],
                             os.path.join(self.folder, "sink.log"))
        try:
            procs.wait_connect(("127.0.0.1", self.sink_port), 10, sink)
            yield
        finally:
            sink.stop()

    def drain(self):
        queue = self.postfix.root / "queue"
        deadline = time.monotonic() + DRAIN_SECONDS
        while any(name for part in ("incoming", "active") for name in os.listdir(queue / part)):
            if time.monotonic() > deadline:
                raise BenchError(f"the queue does not drain: {self.postfix.log()[-2000:]}")
            time.sleep(0.01)
        if os.listdir(queue / "deferred"):
            raise BenchError(f"mail was deferred: {self.postfix.log()[-2000:]}")

    def is_signed(self, port):
        send(port, 1)
        self.drain()
        signed = False
        for name in os.listdir(self.dumps):
            path = os.path.join(self.dumps, name)
            with open(path, encoding="utf-8", errors="replace") as mail:
                signed = signed or "\ndkim-signature:" in mail.read().lower()
            os.unlink(path)
        return signed

    def check(self):
        """A figure for a milter that was not asked would be a good one."""
        with self.sink(dump=True):
            for label, port in zip(self.labels, self.postfix.ports):
                if self.is_signed(port) != (label != "no milter"):
                    raise BenchError(f"through Postfix, {label}: the signature is not as expected")

    def measure(self, port, total):
        begin = time.monotonic()
        send(port, total)
        accepted = time.monotonic() - begin
        self.drain()
        return {"accepted_per_s": total / accepted, "messages_per_s": total / (time.monotonic() - begin)}

    def rounds(self, count, total):
        results = {label: [] for label in self.labels}
        with self.sink():
            for port in self.postfix.ports:
                self.measure(port, max(SESSIONS, total // 5))
            for _ in range(count):
                for label, port in zip(self.labels, self.postfix.ports):
                    results[label].append(self.measure(port, total))
        return results


def through_postfix(servers, rounds, total):
    """SERVERS listen on inet sockets and have the key of d000000.example. {label: row}."""
    labels = ["no milter"] + [server.label for server in servers]
    milters = [""]
    for server in servers:
        port, host = server.address[len("inet:"):].split("@")
        milters.append(f"inet:{host}:{port}")
    with tempfile.TemporaryDirectory(prefix="signpost-bench-mta-") as folder:
        os.chmod(folder, 0o755)
        through = Through(folder, labels, milters)
        try:
            with through.postfix:
                through.check()
                results = through.rounds(rounds, total)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            raise BenchError(f"through Postfix: {error}\n{through.postfix.log()[-2000:]}") from None
    return {label: {"server": label, "rounds": found, "messages": total * rounds,
                    "messages_per_s": statistics.median(r["messages_per_s"] for r in found),
                    "accepted_per_s": statistics.median(r["accepted_per_s"] for r in found)}
            for label, found in results.items()}
