"""Load from the milter client: threads that send messages until told to stop, and count what became of each.

A message is `lost` when it was neither answered nor can an MTA know: the connection broke before the final answer. With
milter_default_action=tempfail an MTA makes a tempfail of it, so nothing is lost then: such breaks count as tempfailed
by the MTA (`broken`). Lost are messages accepted without the signature that they should have.
"""
import socket
import threading
import time
from collections import Counter

from . import milter, patience, procs


class Load:
    def __init__(self, address, messages, threads=4, per_connection=5, expect=None):
        """MESSAGES: list of octets. EXPECT(delivered) -> True if the signature is one that may be there."""
        self.address, self.messages, self.per_connection = address, messages, per_connection
        self.expect = expect
        self.counts, self.samples, self.lost = Counter(), [], []
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(n,), daemon=True) for n in range(threads)]

    def count(self, result, data, delivered, session_number):
        with self.lock:
            if result.signed:
                self.counts["signed"] += 1
                if len(self.samples) < 3000:
                    self.samples.append(delivered)
            elif result.verdict in ("tempfail", "reply") and (result.verdict == "tempfail" or result.text[:1] == "4"):
                self.counts["tempfailed"] += 1
            else:
                self.counts["lost"] += 1
                self.lost.append(f"{result.verdict} {result.text}")

    def run(self, thread):
        number = thread
        while not self.stopping.is_set():
            try:
                with milter.Session(self.address, timeout=patience.seconds(60)) as session:
                    answer = session.hello()
                    for _ in range(self.per_connection):
                        data = self.messages[number % len(self.messages)]
                        number += 1
                        result = answer or session.message(data)
                        self.count(result, data, session.apply(data, result), number)
                        if self.stopping.is_set() or answer:
                            break
            except socket.timeout:
                self.add("timed out")
            except (milter.Closed, OSError):
                self.add("broken")
                self.stopping.wait(0.01)

    def add(self, what):
        with self.lock:
            self.counts[what] += 1

    def total(self, what="signed"):
        with self.lock:
            return self.counts[what]

    def wait(self, more, what="signed", limit=None, log=lambda: ""):
        """Wait for MORE of WHAT from now on, LIMIT seconds at most. LOG() is shown when they do not come. Answers the seconds."""
        began, start = time.monotonic(), self.total(what)
        came = procs.wait_until(lambda: self.total(what) >= start + more, limit, 0.01)
        took = time.monotonic() - began
        assert came, f"{self.total(what) - start} of {more} more {what} in {took:.0f} s: {dict(self.counts)}\n{log()[-2000:]}"
        return took

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *exc):
        self.stopping.set()
        for t in self.threads:
            t.join(patience.seconds(90))

    def check(self, daemon):
        """Nothing lost, nobody left without an answer, no answer that came only because the keeper gave none."""
        assert self.counts["lost"] == 0 and self.counts["timed out"] == 0, (dict(self.counts), self.lost[:5])
        assert "the keeper did not answer in time" not in daemon.log(), daemon.log()[-2000:]

    def report(self, title):
        print(f"\n{title}: signed {self.counts['signed']}, tempfailed {self.counts['tempfailed']}, "
              f"connection broken (the MTA tempfails) {self.counts['broken']}, timed out {self.counts['timed out']}, "
              f"lost {self.counts['lost']}")
