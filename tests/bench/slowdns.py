#!/usr/bin/env python3
"""A DNS server whose every answer takes its time: TXT records from a file (lines "NAME RECORD"), UDP only, one process.
For bench.py: while answers are on their way, a verifier must go on with other messages.

    slowdns.py RECORDS MILLISECONDS      prints its port on 127.0.0.1, then answers until it is ended
"""
import asyncio
import socket
import struct
import sys


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.lower().split(".")) + b"\0"


def txt_data(text):
    octets = text.encode()
    parts = [octets[i:i + 255] for i in range(0, len(octets), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts)


def load(path):
    with open(path, encoding="ascii") as lines:
        return {wire_name(name): txt_data(record)
                for name, _, record in (line.rstrip("\n").partition(" ") for line in lines)}


class Server(asyncio.DatagramProtocol):
    def __init__(self, records, seconds):
        self.records, self.seconds, self.transport = records, seconds, None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        asyncio.get_running_loop().call_later(self.seconds, self.transport.sendto, self.answer(data), addr)

    def answer(self, packet):
        """The question comes back as it was; what it asks beside (EDNS) is left out."""
        end = packet.index(b"\0", 12) + 1
        question = packet[12:end + 4]
        kind = struct.unpack(">H", packet[end:end + 2])[0]
        data = self.records.get(packet[12:end].lower()) if kind == 16 else None
        flags, code = 0x8180, 0 if data else 3
        head = packet[:2] + struct.pack(">HHHHH", flags | code, 1, 1 if data else 0, 0, 0)
        body = b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, 3600, len(data)) + data if data else b""
        return head + question + body


async def serve(records, seconds):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.bind(("127.0.0.1", 0))
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Server(records, seconds), sock=sock)
    print(sock.getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(load(sys.argv[1]), int(sys.argv[2]) / 1000))
