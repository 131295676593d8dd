#!/usr/bin/env python3
"""Verifies every DKIM signature of a message with dkimpy, which shares no code with Signpost.

    verify.py RESOLVER PORT < message

The keys come from DNS, as that resolver has them. Exit status: 0 when every signature is good, 1 when one
is not or there is none, 2 when this cannot be found out."""
import re
import sys

try:
    import dkim
    import dns.resolver
except ImportError as absent:
    print(f"demo: {absent.name} is not installed (python3-dkim, python3-dnspython)")
    sys.exit(2)


def asker(address, port):
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = [address], int(port), 20

    def text_of(name, timeout=5):
        try:
            found = resolver.resolve(name.decode() if isinstance(name, bytes) else name, "TXT")
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return None
        except dns.exception.DNSException as reason:
            print(f"demo: DNS: {reason}")
            sys.exit(2)
        return b"".join(found[0].strings)

    return text_of


def judge(message, index, text_of):
    try:
        return "good" if dkim.DKIM(message).verify(idx=index, dnsfunc=text_of) else "BAD"
    except Exception as reason:  # whatever dkimpy stumbles over is a failed signature
        return f"BAD ({str(reason).partition(' (')[0]})"


def main():
    text_of = asker(*sys.argv[1:3])
    message = sys.stdin.buffer.read()
    head = re.sub(rb"\r\n[ \t]+", b" ", message.partition(b"\r\n\r\n")[0])
    fields = re.findall(rb"(?im)^DKIM-Signature:(.*)$", head)
    bad = not fields
    for index, field in enumerate(fields):
        verdict = judge(message, index, text_of)
        tags = b" ".join(re.findall(rb"\b[asd]=[^;]*;", field)).decode()
        print(f"{tags} {verdict}")
        bad = bad or verdict != "good"
    if not fields:
        print("there is no DKIM-Signature")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
