#!/usr/bin/env python3
"""Gives one message to a milter as an MTA does, and writes the message as the milter wants it.

    milter.py SOCKET < message > message-with-signatures

SOCKET is local:/path or inet:port@host. The message must have lines that end in CRLF. It is the
other end of the milter protocol (version 6) and no more of it than signing needs."""
import socket
import struct
import sys

ACTIONS_OFFERED = 0x1FF    # every change that a filter of version 6 may make
EVENTS_OFFERED = 0x0FFFFF  # every step it may leave out, and every answer
NO_STEP = {"C": 0x1, "H": 0x2, "M": 0x4, "R": 0x8, "B": 0x10, "L": 0x20, "N": 0x40, "T": 0x200}
NO_ANSWER = {"L": 0x80, "C": 0x1000, "H": 0x2000, "M": 0x4000, "R": 0x8000, "T": 0x10000,
             "N": 0x40000, "B": 0x80000}
CHUNK = 65535


class Milter:
    def __init__(self, where):
        kind, _, rest = where.partition(":")
        if kind == "inet":
            port, _, host = rest.partition("@")
            self.socket = socket.create_connection((host or "127.0.0.1", int(port)), timeout=30)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(30)
            self.socket.connect(rest)
        self.events = 0
        self.changes = []

    def write(self, command, data=b""):
        self.socket.sendall(struct.pack("!I", len(data) + 1) + command.encode() + data)

    def read_exactly(self, n):
        data = b""
        while len(data) < n:
            piece = self.socket.recv(n - len(data))
            if not piece:
                sys.exit("demo: the milter closed the connection")
            data += piece
        return data

    def read(self):
        (n,) = struct.unpack("!I", self.read_exactly(4))
        packet = self.read_exactly(n)
        return chr(packet[0]), packet[1:]

    def negotiate(self):
        self.write("O", struct.pack("!III", 6, ACTIONS_OFFERED, EVENTS_OFFERED))
        answer, data = self.read()
        if answer != "O":
            sys.exit("demo: the milter does not negotiate")
        self.events = struct.unpack("!III", data[:12])[2]

    def answer_to(self, command):
        """Reads until the verdict; collects the changes on the way."""
        while True:
            answer, data = self.read()
            if answer in "ca":
                return answer
            if answer in "trdy":
                sys.exit(f"demo: the milter refuses the message (answer {answer!r} to {command!r})")
            if answer in "ihm":
                self.changes.append((answer, data))

    def step(self, command, data=b"", macros=()):
        if self.events & NO_STEP.get(command, 0):
            return
        if macros:
            packed = b"".join(m.encode() + b"\0" for m in macros)
            self.write("D", command.encode() + packed)
        self.write(command, data)
        if not self.events & NO_ANSWER.get(command, 0):
            self.answer_to(command)


def unfold(header_block):
    fields = []
    for line in header_block.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += b"\n" + line
        elif line:
            fields.append(line)
    return [field.split(b":", 1) for field in fields]


def apply_changes(changes, fields):
    """Insertions count from the first field; an added field goes to the end."""
    for change, data in changes:
        if change == "i":
            name, value = data[4:].split(b"\0")[:2]
            fields.insert(struct.unpack("!I", data[:4])[0], [name, b" " + value])
        elif change == "h":
            name, value = data.split(b"\0")[:2]
            fields.append([name, b" " + value])
    return fields


def main():
    message = sys.stdin.buffer.read()
    head, _, body = message.partition(b"\r\n\r\n")
    fields = unfold(head)
    milter = Milter(sys.argv[1])
    milter.negotiate()
    milter.step("C", b"localhost\0" + b"4" + struct.pack("!H", 2525) + b"127.0.0.1\0",
                ["j", "mx.example.com", "{daemon_name}", "demo"])
    milter.step("H", b"client.example.com\0")
    milter.step("M", b"<alice@example.com>\0", ["i", "DEMO1"])
    milter.step("R", b"<bob@example.net>\0", ["i", "DEMO1"])
    milter.step("T", b"", ["i", "DEMO1"])
    for name, value in fields:
        milter.step("L", name + b"\0" + value.removeprefix(b" ") + b"\0")
    milter.step("N")
    for at in range(0, len(body), CHUNK):
        milter.step("B", body[at:at + CHUNK])
    milter.write("E")
    milter.answer_to("E")
    milter.write("Q")
    fields = apply_changes(milter.changes, fields)
    block = b"\n".join(name + b":" + value for name, value in fields)
    block = block.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    sys.stdout.buffer.write(block + b"\r\n\r\n" + body)


if __name__ == "__main__":
    main()
