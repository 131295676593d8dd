"""A memcached of our own: a port of the kernel's or a socket in a folder, no system service.

It forgets everything when it stops. Octets are put and read here with a few lines of the text protocol, so that a test
sees what is really there.
"""
import os
import shutil
import signal
import time
from pathlib import Path

from . import patience, procs


def program():
    return shutil.which("memcached") or next((p for p in ("/usr/bin/memcached", "/usr/sbin/memcached") if os.access(p, os.X_OK)), None)


class Memcached:
    """start() and stop() any number of times; the address stays. SOCKET: a UNIX socket instead of a port."""

    def __init__(self, folder, name="memcached", socket=False, megabytes=64, options=()):
        self.folder = Path(folder) / name
        self.folder.mkdir(parents=True)
        self.socket = self.folder / "socket" if socket else None
        self.port = None
        self.megabytes = megabytes
        self.options = list(options)
        self.process = None

    @property
    def address(self):
        """As it is written in the configuration."""
        return str(self.socket) if self.socket else f"127.0.0.1:{self.port}"

    @property
    def where(self):
        """As procs.connect() takes it."""
        return self.socket or ("127.0.0.1", self.port)

    def launch(self):
        place = ["-s", self.socket, "-a", "0666"] if self.socket else ["-l", "127.0.0.1", "-p", self.port, "-U", "0"]
        user = ["-u", "root"] if os.geteuid() == 0 else []
        argv = [program(), *place, *user, "-m", self.megabytes, "-t", "2", *self.options]
        self.process = procs.Process(argv, self.folder / "memcached.log", cwd=self.folder)

    def ready(self):
        """Does it listen itself? Somebody else may have been faster to take the port."""
        if self.process.poll() is not None:
            return True
        return procs.listens(self.socket) if self.socket else procs.listens_itself(self.process.pid, self.port)

    def start(self):
        first = self.port is None
        deadline = time.monotonic() + patience.seconds(60)
        while True:
            if first and not self.socket:
                self.port = procs.free_port()
            self.launch()
            assert procs.wait_until(self.ready), "memcached neither listens nor ends"
            if self.process.poll() is None:
                return self
            self.process.stop()
            if time.monotonic() > deadline:
                raise RuntimeError(f"memcached: {self.process.output()[-2000:]}")
            time.sleep(0.1)

    def stop(self):
        """Whether it runs, is paused or does not run."""
        if self.process and self.process.poll() is None:
            self.process.kill()

    kill = stop

    def pause(self):
        """It accepts (its kernel does) and never answers, until resume()."""
        self.process.signal(signal.SIGSTOP)
        procs.stopped(self.process.pid)

    def resume(self):
        self.process.signal(signal.SIGCONT)

    def ask(self, request, end):
        """One request in the text protocol; the answer until one of END, a tuple of octets, is its end."""
        with procs.connect(self.where) as s:
            s.sendall(request)
            answer = b""
            while not answer.endswith(end):
                more = s.recv(1 << 16)
                assert more, f"memcached closed after {answer!r}"
                answer += more
            return answer

    def flush(self):
        """Everything is forgotten."""
        assert self.ask(b"flush_all\r\n", (b"\r\n",)) == b"OK\r\n"

    def get(self, name):
        """The value, or None."""
        with procs.connect(self.where) as s, s.makefile("rwb") as f:
            f.write(f"get {name}\r\n".encode())
            f.flush()
            head = f.readline()
            return None if head == b"END\r\n" else f.read(int(head.split()[3]))

    def set(self, name, value, seconds=0):
        head = f"set {name} 0 {seconds} {len(value)}\r\n".encode()
        answer = self.ask(head + value + b"\r\n", (b"\r\n",))
        assert answer == b"STORED\r\n", answer

    def delete(self, name):
        """Was it there?"""
        return self.ask(f"delete {name}\r\n".encode(), (b"\r\n",)) == b"DELETED\r\n"

    def stats(self):
        lines = self.ask(b"stats\r\n", (b"END\r\n",)).decode().splitlines()
        return dict(line.split(" ", 2)[1:] for line in lines if line.startswith("STAT "))

    def names(self):
        """Of all values that are there (it may take a second until a new one is seen)."""
        text = self.ask(b"lru_crawler metadump all\r\n", (b"END\r\n", b"\r\nERROR\r\n", b"BUSY")).decode()
        return [line.split()[0][4:].replace("%3A", ":") for line in text.splitlines() if line.startswith("key=")]
