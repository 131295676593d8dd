"""A small SMTP client that sends exact octets, several messages a connection, with RSET and strangers between."""
import threading
from queue import Empty, Queue

from . import patience, procs


class SmtpError(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code} {text}")
        self.code = code


class Client:
    def __init__(self, port, helo="client.test", timeout=None):
        self.sock = procs.connect(("127.0.0.1", port), timeout or patience.seconds(120))
        self.file = self.sock.makefile("rb")
        self.helo = helo
        self.expect(220)
        self.command(f"EHLO {helo}", 250)

    def read_reply(self):
        text = []
        while True:
            line = self.file.readline()
            if not line:
                raise SmtpError(421, "connection closed")
            text.append(line[4:].strip().decode(errors="replace"))
            if line[3:4] != b"-":
                return int(line[:3]), " / ".join(text)

    def expect(self, code):
        got, text = self.read_reply()
        if got != code:
            raise SmtpError(got, text)
        return text

    def command(self, line, code):
        self.sock.sendall(line.encode() + b"\r\n")
        return self.expect(code)

    def xclient(self, address, name="[UNAVAILABLE]"):
        self.command(f"XCLIENT ADDR={address} NAME={name}", 220)
        self.command(f"EHLO {self.helo}", 250)

    def mail(self, sender, recipients, eightbit=False):
        self.command(f"MAIL FROM:<{sender}>" + (" BODY=8BITMIME" if eightbit else ""), 250)
        for one in recipients:
            self.command(f"RCPT TO:<{one}>", 250)

    def data(self, message):
        """MESSAGE ends in CRLF; dots are stuffed here. Answers the text of the 250."""
        self.command("DATA", 354)
        stuffed = message.replace(b"\r\n.", b"\r\n..")
        if stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        self.sock.sendall(stuffed + b".\r\n")
        return self.expect(250)

    def send(self, sender, recipients, message, eightbit=False):
        self.mail(sender, recipients, eightbit)
        return self.data(message)

    def quit(self):
        try:
            self.command("QUIT", 221)
        except (SmtpError, OSError):
            pass
        self.close()

    def close(self):
        self.file.close()
        self.sock.close()


def send_all(jobs, threads=6, per_connection=7):
    """JOBS: list of (port, message). Several connections, several messages each, a RSET in the middle of every
    third. Answers the list of (message, error) for what was not taken."""
    queue = Queue()
    by_port = {}
    for port, message in jobs:
        by_port.setdefault(port, []).append(message)
    for port, messages in by_port.items():
        for at in range(0, len(messages), per_connection):
            queue.put((port, messages[at:at + per_connection]))
    failures, lock = [], threading.Lock()

    def run_batch(port, batch):
        client = None
        for number, message in enumerate(batch):
            try:
                client = client or Client(port)
                if number % 3 == 1:
                    client.mail(message.sender, [message.recipient])
                    client.command("RSET", 250)
                client.send(message.sender, [message.recipient], message.data, message.eightbit)
            except (SmtpError, OSError) as error:
                with lock:
                    failures.append((message, str(error)))
                if client:
                    client.close()
                client = None
        if client:
            client.quit()

    def worker():
        while True:
            try:
                port, batch = queue.get_nowait()
            except Empty:
                return
            run_batch(port, batch)

    pool = [threading.Thread(target=worker) for _ in range(threads)]
    for t in pool:
        t.start()
    for t in pool:
        t.join()
    return failures
