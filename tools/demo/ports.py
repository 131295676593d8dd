#!/usr/bin/env python3
"""Ports of an address that the kernel finds free for UDP and TCP.

    ports.py ADDRESS COUNT"""
import socket
import sys


def hold(address):
    """A port and the two sockets that keep it ours until all are found."""
    for _ in range(100):
        tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        tcp.bind((address, 0))
        try:
            udp.bind(tcp.getsockname())
            return tcp, udp
        except OSError:
            tcp.close()
            udp.close()
    sys.exit(f"demo: no port of {address} is free")


held = [hold(sys.argv[1]) for _ in range(int(sys.argv[2]))]
print(*(tcp.getsockname()[1] for tcp, _ in held))
