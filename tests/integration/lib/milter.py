"""A raw client of the milter protocol, versions 2 to 6: the MTA's side, written for the tests.

Session sends a command and reads what the negotiated flags say it must read. message() sends a whole message and
answers a Result; apply() does to the message what an MTA would.
"""
import select
import socket
import struct
from dataclasses import dataclass, field

from . import procs

NOCONNECT, NOHELO, NOMAIL, NORCPT, NOBODY, NOHDRS, NOEOH = 1, 2, 4, 8, 0x10, 0x20, 0x40
NR_HDR, NOUNKNOWN, NODATA, SKIP, RCPT_REJ = 0x80, 0x100, 0x200, 0x400, 0x800
NR_CONN, NR_HELO, NR_MAIL, NR_RCPT, NR_DATA, NR_UNKN, NR_EOH, NR_BODY = (
    0x1000, 0x2000, 0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000)
LEADSPC = 0x100000
NR_ALL = NR_HDR | NR_CONN | NR_HELO | NR_MAIL | NR_RCPT | NR_DATA | NR_UNKN | NR_EOH | NR_BODY
OFFER_ACTIONS = {2: 0x3F, 3: 0x3F, 4: 0x3F, 5: 0x1FF, 6: 0x1FF}
OFFER_PROTOCOL = {2: 0x7F, 3: 0xFF, 4: 0x3FF, 5: 0x3FF, 6: 0x1FFFFF}
CHUNK = 65535
# command -> (flag "do not send", flag "no reply")
STEPS = {b"C": (NOCONNECT, NR_CONN), b"H": (NOHELO, NR_HELO), b"M": (NOMAIL, NR_MAIL), b"R": (NORCPT, NR_RCPT),
         b"T": (NODATA, NR_DATA), b"L": (NOHDRS, NR_HDR), b"N": (NOEOH, NR_EOH), b"B": (NOBODY, NR_BODY),
         b"U": (NOUNKNOWN, NR_UNKN)}


class Closed(Exception):
    """The milter closed the connection."""


@dataclass
class Result:
    verdict: str                                   # accept, continue, reject, tempfail, reply, discard, lost
    text: str = ""
    changes: list = field(default_factory=list)    # ("insert", index, name, value) ("add", name, value) ("change", ...)

    @property
    def signed(self):
        return any(c[-2].lower() == b"dkim-signature" for c in self.changes if c[0] in ("insert", "add"))


VERDICTS = {b"c": "continue", b"a": "accept", b"r": "reject", b"t": "tempfail", b"y": "reply", b"d": "discard"}


def split_message(data):
    """Octets with CRLF -> ([(name, value with LF inside, leading blank kept)], body or b"")."""
    head, _, body = data.partition(b"\r\n\r\n")
    if data.startswith(b"\r\n"):
        head, body = b"", data[2:]
    headers = []
    for line in head.rstrip(b"\r\n").split(b"\r\n") if head else []:
        if line[:1] in (b" ", b"\t") and headers:
            headers[-1][1] += b"\n" + line
        else:
            name, _, value = line.partition(b":")
            headers.append([name, value])
    return [tuple(h) for h in headers], body


class Session:
    def __init__(self, address, version=6, actions=None, protocol=None, timeout=None, negotiate=True):
        self.sock = procs.connect(address, timeout)
        self.offer = (version, OFFER_ACTIONS[version] if actions is None else actions,
                      OFFER_PROTOCOL[version] if protocol is None else protocol)
        self.version = self.actions = self.protocol = None
        self.symlist = b""
        if negotiate:
            self.negotiate()

    # packets
    def send(self, command, data=b""):
        self.sock.sendall(struct.pack(">I", len(data) + 1) + command + data)

    def read_exact(self, count):
        parts = b""
        while len(parts) < count:
            got = self.sock.recv(count - len(parts))
            if not got:
                raise Closed()
            parts += got
        return parts

    def recv(self):
        length = struct.unpack(">I", self.read_exact(4))[0]
        if not 0 < length < 2 ** 24:
            raise AssertionError(f"a reply of {length} octets")
        packet = self.read_exact(length)
        return packet[:1], packet[1:]

    def silent(self, seconds=0.05):
        """True if nothing arrives in that time."""
        return not select.select([self.sock], [], [], seconds)[0]

    def negotiate(self):
        self.send(b"O", struct.pack(">III", *self.offer))
        command, data = self.recv()
        if command != b"O":
            raise AssertionError(f"negotiation answered with {command!r}")
        self.version, self.actions, self.protocol = struct.unpack(">III", data[:12])
        self.symlist = data[12:]

    def macros(self, command, pairs):
        data = b"".join(k + b"\0" + v + b"\0" for k, v in pairs.items())
        self.send(b"D", command + data)

    def step(self, command, data=b""):
        """Send COMMAND unless it was negotiated away; read the reply unless none comes. None = go on."""
        skip, quiet = STEPS[command]
        if self.protocol & skip:
            return None
        self.send(command, data)
        if self.protocol & quiet:
            return None
        return self.final()

    def final(self, changes=None):
        """Read packets up to a verdict; None = continue, "skip" for the body, else a Result."""
        while True:
            command, data = self.recv()
            if command == b"p":
                continue
            if command == b"s":
                return "skip"
            if command in VERDICTS:
                text = data.rstrip(b"\0").decode(errors="replace")
                if command == b"c" and changes is None:
                    return None
                return Result(VERDICTS[command], text, changes or [])
            if changes is None:
                raise AssertionError(f"reply {command!r} before the end of the message")
            changes.append(self.change(command, data))

    @staticmethod
    def change(command, data):
        if command == b"i":
            name, value = data[4:].split(b"\0")[:2]
            return ("insert", struct.unpack(">I", data[:4])[0], name, value)
        if command == b"h":
            name, value = data.split(b"\0")[:2]
            return ("add", name, value)
        if command == b"m":
            name, value = data[4:].split(b"\0")[:2]
            return ("change", struct.unpack(">I", data[:4])[0], name, value)
        return ("other", command, data)

    # commands
    def hello(self, host="localhost", client="127.0.0.1", port=4000, helo="client.test", daemon=b"mta.test", macros=None):
        family = b"6" if ":" in client else b"4"
        self.macros(b"C", {b"j": b"mta.test", b"{daemon_name}": daemon, b"v": b"Test 1", **(macros or {})})
        info = host.encode() + b"\0" + family + struct.pack(">H", port) + client.encode() + b"\0"
        answer = self.step(b"C", info)
        if answer is None:
            answer = self.step(b"H", helo.encode() + b"\0")
        return answer

    def envelope(self, sender="a@example.test", recipients=("t@sink.test",), queue_id=b"QID1", macros=None):
        self.macros(b"M", {b"i": queue_id, **(macros or {})})
        answer = self.step(b"M", b"<" + sender.encode() + b">\0")
        for one in recipients:
            if answer is None:
                self.macros(b"R", {b"i": queue_id})
                answer = self.step(b"R", b"<" + one.encode() + b">\0")
        if answer is None:
            self.macros(b"T", {b"i": queue_id})
            answer = self.step(b"T")
        return answer

    def header_value(self, value):
        if self.protocol & LEADSPC:
            return value
        return value[1:] if value[:1] == b" " else value

    def headers(self, headers):
        for name, value in headers:
            answer = self.step(b"L", name + b"\0" + self.header_value(value) + b"\0")
            if answer is not None:
                return answer
        return self.step(b"N")

    def body(self, body, chunk=CHUNK):
        for at in range(0, len(body), chunk):
            answer = self.step(b"B", body[at:at + chunk])
            if answer == "skip":
                return None
            if answer is not None:
                return answer
        return None

    def end(self, queue_id=b"QID1"):
        self.macros(b"E", {b"i": queue_id})
        self.send(b"E")
        answer = self.final(changes=[])
        return answer

    def message(self, data, sender="a@example.test", recipients=("t@sink.test",), queue_id=b"QID1", chunk=CHUNK,
                macros=None):
        """One whole message after hello(). Answers a Result."""
        headers, body = split_message(data)
        answer = self.envelope(sender, recipients, queue_id, macros)
        answer = answer or self.headers(headers)
        answer = answer or self.body(body, chunk)
        return answer or self.end(queue_id)

    def abort(self):
        self.send(b"A")

    def quit(self):
        try:
            self.send(b"Q")
        except OSError:
            pass
        self.close()

    def quit_nc(self):
        self.send(b"K")

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.quit()

    def apply(self, data, result):
        """The message as an MTA would send it on."""
        headers, body = split_message(data)
        blank = b"" if self.protocol & LEADSPC else b" "
        for change in result.changes:
            if change[0] == "insert":
                headers.insert(change[1], (change[2], blank + change[3]))
            elif change[0] == "add":
                headers.append((change[1], blank + change[2]))
            elif change[0] == "change":
                headers = change_header(headers, change[1], change[2], blank + change[3] if change[3] else b"")
        lines = [name + b":" + value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for name, value in headers]
        return b"".join(x + b"\r\n" for x in lines) + b"\r\n" + body


def change_header(headers, index, name, value):
    """Names are compared as Postfix does: without case and without the obsolete blanks in front of the colon."""
    seen, kept = 0, []
    for one in headers:
        if one[0].strip().lower() == name.strip().lower():
            seen += 1
            if seen == index:
                if value:
                    kept.append((one[0], value))
                continue
        kept.append(one)
    return kept


def one_shot(address, data, client="127.0.0.1", host="localhost", version=6, **options):
    """Connect, send one message, quit: (Result, message as delivered). The verdict is "lost" if the peer closed."""
    try:
        with Session(address, version) as session:
            answer = session.hello(host=host, client=client)
            if answer is None:
                answer = session.message(data, **options)
            return answer, session.apply(data, answer)
    except (Closed, ConnectionError, socket.timeout) as error:
        return Result("lost", repr(error)), data


