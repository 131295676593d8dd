"""An SMTP server that keeps exactly what it was sent: octets after DATA, dots unstuffed, nothing else changed.

The last hop behind Postfix and Sendmail. One thread per connection; results are read through the lock.
"""
import contextlib
import socket
import socketserver
import threading
from dataclasses import dataclass, field

from . import patience, procs


@dataclass
class Delivered:
    sender: str
    recipients: list
    data: bytes
    peer: tuple = field(default=())


class Handler(socketserver.StreamRequestHandler):
    wbufsize = 0
    disable_nagle_algorithm = True

    def reply(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def read_data(self):
        lines = []
        for line in self.rfile:
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)
        return None

    def handle(self):
        self.reply("220 sink.test ESMTP")
        sender, recipients = None, []
        for line in self.rfile:
            verb = line.strip().upper()
            if verb.startswith(b"EHLO"):
                self.reply("250-sink.test\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n250 SIZE 200000000")
            elif verb.startswith(b"MAIL FROM:"):
                sender, recipients = line[10:].split(b"<", 1)[1].split(b">")[0].decode("utf-8", "replace"), []
                self.reply("250 ok")
            elif verb.startswith(b"RCPT TO:"):
                recipients.append(line[8:].split(b"<", 1)[1].split(b">")[0].decode("utf-8", "replace"))
                self.reply("250 ok")
            elif verb == b"DATA":
                self.reply("354 go on")
                data = self.read_data()
                if data is None:
                    return
                self.server.store(Delivered(sender, recipients, data, self.client_address))
                self.reply("250 kept")
            elif verb == b"QUIT":
                self.reply("221 bye")
                return
            elif verb in (b"RSET", b"NOOP") or verb.startswith(b"HELO"):
                self.reply("250 ok")
            else:
                self.reply("500 what?")


class Sink(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        self.cond = threading.Condition()
        self.messages = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def greets(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            return connection.recv(64).startswith(b"220")
        return False

    def ready(self):
        """Does it greet, within a while? An MTA that finds it silent comes back minutes later."""
        return procs.wait_until(self.greets, patience.seconds(90))

    def handle_error(self, request, client_address):
        pass

    def store(self, message):
        with self.cond:
            self.messages.append(message)
            self.cond.notify_all()

    def wait_for(self, count, timeout=None):
        """True once COUNT messages have arrived."""
        with self.cond:
            return self.cond.wait_for(lambda: len(self.messages) >= count, patience.seconds(120) if timeout is None else timeout)

    def wait_for_mail_to(self, recipient):
        """The message to RECIPIENT, taken out, once it has arrived; None: it did not. Others stay."""
        def is_there():
            return any(one.recipients == [recipient] for one in self.messages)

        with self.cond:
            if not self.cond.wait_for(is_there, patience.seconds(120)):
                return None
            found = next(one for one in self.messages if one.recipients == [recipient])
            self.messages.remove(found)
            return found

    def take(self):
        with self.cond:
            taken, self.messages = self.messages, []
            return taken

    def close(self):
        self.shutdown()
        self.server_close()
