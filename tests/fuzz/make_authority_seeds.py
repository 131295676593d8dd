#!/usr/bin/env python3
"""Writes tests/fuzz/seeds/authority_answer/: answers of name servers, whole and broken. It needs python3-dnspython."""
import os
import sys

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "seeds", "authority_answer")
NAME = "s._domainkey.a.example."
SOA = "ns.a.example. h.a.example. 1 2 3 4 300"


def reply(kind="TXT", answer=(), authority=(), additional=(), rcode=0, flags=dns.flags.AA, name=NAME):
    """ANSWER and the others: (owner, ttl, type, data...)."""
    message = dns.message.make_response(dns.message.make_query(name, kind, id=0x1234))
    message.flags |= flags
    message.set_rcode(rcode)
    for section, records in zip((message.answer, message.authority, message.additional), (answer, authority, additional)):
        for owner, ttl, rdtype, *data in records:
            section.append(dns.rrset.from_text(owner, ttl, "IN", rdtype, *data))
    return message.to_wire()


def seeds():
    right = reply(answer=[(NAME, 300, "TXT", '"v=DKIM1; k=rsa; " "p=MIGf"')])
    yield "right", right
    yield "several", reply(answer=[(NAME, 300, "TXT", *[f'"text {i}"' for i in range(20)])])
    yield "revoked", reply(answer=[(NAME, 300, "TXT", '"v=DKIM1; p="')])
    yield "quoted", reply(answer=[(NAME, 300, "TXT", '"\\"v=DKIM1; k=rsa; p=MIGf\\""')])
    yield "binary", reply(answer=[(NAME, 300, "TXT", '"\\000\\001\\255\\200"')])
    yield "nxdomain", reply(authority=[("a.example.", 900, "SOA", SOA)], rcode=dns.rcode.NXDOMAIN)
    yield "nodata", reply(authority=[("a.example.", 900, "SOA", SOA)])
    yield "servfail", reply(rcode=dns.rcode.SERVFAIL, flags=0)
    yield "alias", reply(answer=[(NAME, 60, "CNAME", "s1.b.example."), ("s1.b.example.", 60, "TXT", '"x"')])
    yield "alias_odd", reply(answer=[(NAME, 60, "CNAME", "a\\.b\\000.example.")])
    yield "referral", reply(flags=0, authority=[("_domainkey.a.example.", 60, "NS", "ns1.a.example.", "ns2.b.example.")],
                            additional=[("ns1.a.example.", 60, "A", "192.0.2.1"), ("ns1.a.example.", 60, "AAAA", "2001:db8::1")])
    yield "servers", reply("NS", name="a.example.", answer=[("a.example.", 60, "NS", *[f"ns{i}.a.example." for i in range(40)])])
    yield "start", reply("SOA", name="a.example.", answer=[("a.example.", 60, "SOA", SOA)])
    yield "signer", reply("DS", name="a.example.", answer=[("a.example.", 60, "DS", "1 13 2 " + "ab" * 32)])
    yield "addresses", reply("A", name="ns.a.example.", answer=[("ns.a.example.", 60, "CNAME", "n.b.example."),
                                                               ("n.b.example.", 60, "A", "192.0.2.2", "192.0.2.3")])
    at = right.index(b"\0", 12) + 5
    yield "loop", right[:at] + (0xc000 | at).to_bytes(2, "big") + right[at + 2:]
    yield "forward", right[:at] + b"\xc0\xff" + right[at + 2:]
    yield "torn", right[:-5]
    yield "header", right[:12]
    yield "empty", b""


def main():
    os.makedirs(FOLDER, exist_ok=True)
    for name, octets in seeds():
        with open(os.path.join(FOLDER, name), "wb") as f:
            f.write(octets)
    return 0


if __name__ == "__main__":
    sys.exit(main())
