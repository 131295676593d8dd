"""SMTP clients that send numbered messages through an MTA until told to stop, and send again what was tempfailed.

Each message is offered until it gets its 250, so that every one of them must arrive exactly once. times holds, for each
number, when its last offer began and when it was taken: the key and tables in use lie between the two.
"""
import threading
import time
from collections import Counter

from . import patience, smtpc, verify

GIVE_UP_AFTER = 120         # seconds for one message, offers and pauses together; times patience
PAUSE = 0.05                # before the next offer


def number_of(delivered):
    return int(delivered.recipients[0].split("@")[0][1:])


class MtaLoad:
    def __init__(self, ports, domains, clients=6, per_connection=5, clock=time.monotonic):
        self.ports, self.domains, self.per_connection, self.clock = ports, domains, per_connection, clock
        self.counts, self.times, self.errors = Counter(), {}, []
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.next_number = 0
        self.threads = [threading.Thread(target=self.run, args=(n,), daemon=True) for n in range(clients)]

    def message(self, number):
        domain = self.domains[number % len(self.domains)]
        data = (f"From: Alice <alice@{domain}>\r\nTo: t@sink.test\r\nSubject: message {number}\r\n"
                f"Date: Tue, 01 Sep 2026 10:00:00 +0000\r\nMessage-ID: <{number}@client.test>\r\n\r\n"
                + "line of the body\r\n" * (number % 300)).encode()
        return f"bounce{number}@{domain}", f"t{number}@sink.test", data

    def take_number(self):
        with self.lock:
            self.next_number += 1
            self.counts["sent"] += 1
            return self.next_number - 1

    def add(self, what, error=None):
        with self.lock:
            self.counts[what] += 1
            if error and len(self.errors) < 20:
                self.errors.append(error)

    def offer(self, client, number):
        """True when it was taken. A refusal for now is counted, anything else is kept as an error."""
        sender, recipient, data = self.message(number)
        begun = self.clock()
        try:
            client.send(sender, [recipient], data)
        except smtpc.SmtpError as error:
            if 400 <= error.code < 500:
                self.add("tempfailed (4xx)")
                return False
            self.add("refused (5xx)", f"{number}: {error}")
            raise
        with self.lock:
            self.times[number] = (begun, self.clock())
        self.add("taken (250)")
        return True

    def deliver(self, port, client, number):
        """Offers until taken; answers the client to go on with."""
        give_up = self.clock() + patience.seconds(GIVE_UP_AFTER)
        while self.clock() < give_up:
            try:
                client = client or smtpc.Client(port)
                if self.offer(client, number):
                    return client
            except (smtpc.SmtpError, OSError) as error:
                self.add("connection lost", f"{number}: {error}")
            if client:
                client.close()
            client = None
            time.sleep(PAUSE)
        self.add("given up", f"{number}: not taken in {patience.seconds(GIVE_UP_AFTER)} s")
        return None

    def run(self, thread):
        port = self.ports[thread % len(self.ports)]
        while not self.stopping.is_set():
            client = None
            for _ in range(self.per_connection):
                client = self.deliver(port, client, self.take_number())
                if self.stopping.is_set():
                    break
            if client:
                client.quit()

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *exc):
        self.stopping.set()
        for t in self.threads:
            t.join(patience.seconds(GIVE_UP_AFTER + 5))

    def account(self, delivered):
        """Adds what became of the messages: {number: Delivered}, the counts complete."""
        seen = Counter(number_of(d) for d in delivered)
        by_number = {number_of(d): d for d in delivered}
        signed = {n for n, d in by_number.items() if len(verify.signature_domains(d.data)) == 1}
        self.counts["delivered signed"] = len(signed)
        self.counts["delivered unsigned"] = len(by_number) - len(signed)
        self.counts["lost"] = len(set(self.times) - set(by_number))
        self.counts["duplicated"] = sum(n - 1 for n in seen.values())
        return by_number

    def report(self, title):
        names = ("sent", "taken (250)", "tempfailed (4xx)", "refused (5xx)", "connection lost", "given up", "delivered signed",
                 "delivered unsigned", "lost", "duplicated")
        print(f"\n{title}: " + ", ".join(f"{name} {self.counts[name]}" for name in names))
