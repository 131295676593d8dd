"""Servers that are no memcached, or a bad one: each connection is answered as the test says, and everything is counted."""
import socket
import threading
import time

from . import patience


class FakeMemcached:
    """ANSWER(names) gives the octets of an answer, or a list of (seconds to wait before, octets); None: close the
    connection. The question of the gateway whether this server is back is answered with PROBE(): by default as a
    memcached would."""

    def __init__(self, answer, probe=lambda: b"END\r\n"):
        self.answer, self.probe = answer, probe
        self.lock = threading.Lock()
        self.questions, self.probes, self.connections, self.stored = [], 0, 0, []
        self.over = threading.Event()
        self.open = []
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        while not self.over.is_set():
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            s.settimeout(patience.seconds(60))
            with self.lock:
                self.connections += 1
                self.open.append(s)
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        try:
            with s, s.makefile("rb") as lines:
                for line in lines:
                    words = line.split()
                    if words[:1] == [b"set"]:
                        self.take(words, lines)
                    elif words[:1] == [b"get"]:
                        if not self.reply(s, words[1:]):
                            return
                    else:
                        return
        except OSError:
            pass

    def take(self, words, lines):
        value = lines.read(int(words[4]) + 2)
        with self.lock:
            self.stored.append((words[1].decode(), value[:-2], int(words[3])))

    def reply(self, s, names):
        is_probe = names == [b"signpost-is-it-there"]
        with self.lock:
            if is_probe:
                self.probes += 1
            else:
                self.questions.append([n.decode() for n in names])
        octets = self.probe() if is_probe else self.answer([n.decode() for n in names])
        if octets is None:
            return False
        for wait, piece in [(0, octets)] if isinstance(octets, bytes) else octets:
            if self.over.wait(wait):
                return False
            s.sendall(piece)
        return True

    def counts(self):
        with self.lock:
            return len(self.questions), self.probes

    def close(self):
        self.over.set()
        self.listener.close()
        with self.lock:
            for s in self.open:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def values(pairs):
    """An answer as a memcached gives it."""
    return b"".join(b"VALUE %s 0 %d\r\n%s\r\n" % (n.encode(), len(v), v) for n, v in pairs) + b"END\r\n"


def dribble(octets, seconds):
    """One octet after the other, so that no single wait is long."""
    return [(seconds, octets[i:i + 1]) for i in range(len(octets))]
