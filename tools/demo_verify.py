#!/usr/bin/env python3
"""Verifies every DKIM signature of a message with dkimpy, which shares no code with Signpost.

    demo_verify.py RECORD.txt... < message

The .txt files are what signpost genkey wrote; they stand in for DNS. Exit status: 0 when every
signature is good, 1 when one is not, 2 when dkimpy is not there."""
import re
import sys

try:
    import dkim
except ImportError:
    print("demo: dkimpy (python3-dkim) is not installed: the signatures cannot be verified")
    sys.exit(2)


def read_zone(path):
    with open(path, encoding="ascii") as f:
        text = f.read()
    name = text.split()[0].rstrip(".") + "."
    return name.encode(), "".join(re.findall(r'"([^"]*)"', text)).encode()


def main():
    zone = dict(read_zone(path) for path in sys.argv[1:])
    message = sys.stdin.buffer.read()
    head = re.sub(rb"\r\n[ \t]+", b" ", message.partition(b"\r\n\r\n")[0])
    fields = re.findall(rb"(?im)^DKIM-Signature:(.*)$", head)
    count = len(fields)
    failed = count == 0
    for index in range(count):
        try:
            verifier = dkim.DKIM(message)
            good = verifier.verify(idx=index, dnsfunc=lambda name, timeout=5: zone.get(
                name if isinstance(name, bytes) else name.encode()))
            why = "good" if good else "BAD"
        except Exception as reason:  # whatever dkimpy stumbles over is a failed signature
            good, why = False, f"BAD ({reason})"
        tags = b" ".join(re.findall(rb"\b[as]=[^;]*", fields[index])).decode()
        print(f"    signature {index + 1} of {count}, {tags}: {why}")
        failed = failed or not good
    if count == 0:
        print("the message has no DKIM signature")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
