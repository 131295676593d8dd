"""Many messages at the same time over the milter protocol, by one thread: what an MTA sends is put together beforehand
and goes out in one piece, as to a milter that answers only the end of a message.
"""
import asyncio
import struct
import time
from dataclasses import dataclass

from . import milter

LAST = {b"c": "continue", b"a": "accept", b"r": "reject", b"t": "tempfail", b"y": "reply", b"d": "discard"}


@dataclass
class Outcome:
    verdict: str          # of LAST, or "lost" when the connection ended before
    text: str             # of a reply: "451 4.7.5 ..."
    fields: list          # (name, value) that were put in
    seconds: float        # from just before it was sent to the verdict

    @property
    def tempfailed(self):
        return self.verdict == "tempfail" or (self.verdict == "reply" and self.text.startswith("4"))

    @property
    def results(self):
        return b" ".join(value for name, value in self.fields if name.lower() == b"authentication-results")

    @property
    def passed(self):
        return self.verdict in ("continue", "accept") and b"dkim=pass" in self.results

    @property
    def signed(self):
        return any(name.lower() == b"dkim-signature" for name, _ in self.fields)


def packet(command, data=b""):
    return struct.pack(">I", len(data) + 1) + command + data


def message_packets(data, queue_id=b"QID1", sender=b"bounce@outside.test"):
    """From MAIL to the end of the message, in one piece."""
    headers, body = milter.split_message(data)
    parts = [packet(b"D", b"Mi\0" + queue_id + b"\0"), packet(b"M", b"<" + sender + b">\0")]
    parts += [packet(b"L", name + b"\0" + value + b"\0") for name, value in headers]
    parts.append(packet(b"N"))
    parts += [packet(b"B", body[at:at + milter.CHUNK]) for at in range(0, len(body), milter.CHUNK)]
    return b"".join(parts + [packet(b"E")])


class Connection:
    """reader and writer of asyncio, negotiated, CONNECT sent."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, address, client="192.0.2.25"):
        opening = asyncio.open_connection(*address) if isinstance(address, tuple) else \
            asyncio.open_unix_connection(str(address))
        self = cls(*await opening)
        protocol = milter.OFFER_PROTOCOL[6]
        self.writer.write(packet(b"O", struct.pack(">III", 6, milter.OFFER_ACTIONS[6], protocol)))
        command, data = await self.packet()
        agreed = struct.unpack(">III", data[:12])[2]
        # NR_RCPT is agreed by who wants recipients; none are sent here.
        assert command == b"O" and (agreed | milter.NORCPT | milter.NR_RCPT) & milter.NR_ALL == milter.NR_ALL, hex(agreed)
        assert agreed & milter.LEADSPC
        self.writer.write(packet(b"D", b"Cj\0mx.receiver.test\0") +
                          packet(b"C", b"mail.outside.test\0" + b"4" + struct.pack(">H", 4000) + client.encode() + b"\0"))
        return self

    async def packet(self):
        length = struct.unpack(">I", await self.reader.readexactly(4))[0]
        data = await self.reader.readexactly(length)
        return data[:1], data[1:]

    async def outcome(self, begun=None):
        """Reads to the verdict of one message. BEGUN: when it was about to be sent."""
        fields, begun = [], begun or time.monotonic()
        try:
            while True:
                command, data = await self.packet()
                if command == b"i":
                    fields.append(tuple(data[4:].split(b"\0")[:2]))
                elif command in LAST:
                    return Outcome(LAST[command], data.rstrip(b"\0").decode(errors="replace"), fields,
                                   time.monotonic() - begun)
        except (asyncio.IncompleteReadError, ConnectionError):
            return Outcome("lost", "", fields, time.monotonic() - begun)

    async def send(self, packets):
        begun = time.monotonic()
        self.writer.write(packets)
        return await self.outcome(begun)

    async def close(self):
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except (ConnectionError, OSError):
            pass


async def one(address, packets, client="192.0.2.25", after=0.0):
    """One message on a connection of its own."""
    await asyncio.sleep(after)
    try:
        connection = await Connection.open(address, client)
    except (ConnectionError, asyncio.IncompleteReadError):
        return Outcome("lost", "", [], 0.0)
    try:
        return await connection.send(packets)
    finally:
        await connection.close()


async def all_at_once(address, messages, client="192.0.2.25"):
    """One outcome for each of MESSAGES (packets), each on a connection of its own."""
    return await asyncio.gather(*(one(address, packets, client) for packets in messages))
