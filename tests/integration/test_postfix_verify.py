"""Out and in again through a real Postfix: one smtpd signs what comes from inside, another gets the same message from a
stranger (XCLIENT) and has it verified, with keys in zones of a private BIND behind a private unbound: signed zones and
unsigned ones, broken signatures, keys revoked, missing, out of reach.
"""
import itertools
import re

import pytest

from lib import dnsservers, keys, postfix, procs, smtpc, verifying
from lib.sink import Sink
from lib.verifying import ID, Verifier

pytestmark = pytest.mark.signpost("On-DNSError, and results removed from the last to the first")

STRANGER = "192.0.2.25"
# domain: (key of the signature, what the zone holds as s1, is the zone signed)
DOMAINS = {
    "secure.example.net": ("rsa2048", "own", True),
    "secure-ed.example.net": ("ed25519", "own", True),
    "plain.example.net": ("rsa2048", "own", False),
    "plain-ed.example.net": ("ed25519", "own", False),
    "revoked.example.net": ("rsa2048", "revoked", True),
    "missing.example.net": ("rsa2048", "nothing", True),
    "other.example.net": ("rsa2048", "another key", False),
    "bogus.example.net": ("rsa2048", "own", "broken"),
    "dead.example.net": ("rsa2048", "no zone", False),
}


class World:
    """All of it running: named, unbound, signpostd in mode sv, Postfix with an inner and an outer smtpd, the sink."""

    def __init__(self, program, folder):
        self.folder, self.sink = folder, Sink()
        self.keys = {kind: keys.make_key(kind, folder / kind) for kind in ("rsa2048", "ed25519")}
        self.other = keys.make_key("rsa2048", folder / "other")
        self.anchors, self.numbers = [], itertools.count()
        self.named = dnsservers.Named(folder, dict(self.zones()))
        self.unbound = dnsservers.Unbound(folder, forward=self.named)
        (folder / "anchors").write_text("".join(line + "\n" for line in self.anchors))
        (folder / "keytable").write_text("".join(f"{d} {d}:s1:{folder / kind}\n" for d, (kind, _, _) in DOMAINS.items()))
        (folder / "signingtable").write_text("".join(f"*@{d} {d}\n" for d in DOMAINS))
        self.daemon = Verifier(program, folder, None, {
            "Mode": "sv", "KeyTable": f"file:{folder / 'keytable'}", "SigningTable": f"refile:{folder / 'signingtable'}",
            "Nameservers": self.unbound.address, "TrustAnchorFile": folder / "anchors", "DNSTimeout": 20,
            "AlwaysAddARHeader": True})
        milter = f"inet:127.0.0.1:{self.daemon.port}"
        self.mta = postfix.Postfix(folder, self.sink.port, [milter, milter], {"mynetworks": "0.0.0.0/0"})

    def zones(self):
        for domain, (kind, holds, signed) in DOMAINS.items():
            if holds == "no zone":
                continue
            record = {"own": self.keys[kind].record, "revoked": "v=DKIM1; k=rsa; p=", "nothing": None,
                      "another key": self.other.record}[holds]
            text = dnsservers.zone(domain, f"s1._domainkey {dnsservers.txt(record)}" if record else "")
            if signed:
                text, anchor = dnsservers.sign(self.folder, domain, text)
                self.anchors.append(anchor)
            if signed == "broken":
                text = dnsservers.break_signatures(text, f"s1._domainkey.{domain}")
            yield domain, text

    def start(self):
        assert self.sink.ready()
        for one in (self.named, self.unbound, self.daemon, self.mta):
            one.start()
        return self

    def stop(self):
        for one in (self.mta, self.daemon, self.unbound, self.named):
            one.stop()
        self.sink.close()

    def send(self, data, sender, stranger=False):
        """The message as it was delivered; SmtpError when it was not taken."""
        recipient = f"t{next(self.numbers)}@sink.test"
        client = smtpc.Client(self.mta.ports[1 if stranger else 0])
        try:
            if stranger:
                client.xclient(STRANGER, "mail.stranger.test")
            client.send(sender, [recipient], data)
        finally:
            client.quit()
        delivered = self.sink.wait_for_mail_to(recipient)
        assert delivered, self.mta.log()[-3000:]
        return delivered.data

    def signed_mail(self, domain):
        data = verifying.MESSAGE.replace(verifying.DOMAIN.encode(), domain.encode())
        delivered = self.send(data, f"alice@{domain}")
        assert re.search(rb"^DKIM-Signature:", delivered, re.MULTILINE), self.daemon.log()[-3000:]
        return delivered


def missing():
    return postfix.missing() or dnsservers.missing("named", "unbound", "dnssec-signzone") or verifying.missing()


@pytest.fixture(scope="module")
def world(program):
    if missing():
        pytest.skip(missing())
    folder = procs.make_dir("postfix-verify")
    one = World(program, folder)
    try:
        yield one.start()
    finally:
        one.stop()
        procs.remove_dir(folder)


def ours(message):
    return [value for value in verifying.results_fields(message) if value.startswith(ID + ";")]


@pytest.mark.parametrize("domain, expected", [
    ("secure.example.net", r"dkim=pass \(2048-bit key; secure\) header.d=secure.example.net"),
    ("secure-ed.example.net", r"dkim=pass \(256-bit key; secure\) header.d=secure-ed.example.net"),
    ("plain.example.net", r"dkim=pass \(2048-bit key; unprotected\) header.d=plain.example.net"),
    ("plain-ed.example.net", r"dkim=pass \(256-bit key; unprotected\) header.d=plain-ed.example.net"),
    ("revoked.example.net", r'dkim=(permerror|fail) reason="[^"]*revoked[^"]*"'),
    ("missing.example.net", r'dkim=permerror reason="no key record"'),
    ("other.example.net", r'dkim=fail reason="[^"]*" \(2048-bit key; unprotected\)'),
    ("bogus.example.net", r'dkim=(fail|policy|permerror) reason="[^"]*"'),
])
def test_out_and_in_again(world, domain, expected):
    delivered = world.send(world.signed_mail(domain), f"alice@{domain}", stranger=True)
    (value,) = ours(delivered)
    assert re.search(re.escape(ID) + "; " + expected, value), value
    assert verifying.results_fields(delivered)[0] == value


def test_what_was_changed_on_the_way_fails(world):
    signed = world.signed_mail("secure.example.net")
    delivered = world.send(signed.replace(b"here is a letter", b"here is an invoice"), "alice@secure.example.net", True)
    assert re.search(r'dkim=fail reason="body hash', ours(delivered)[0])


def test_a_key_out_of_reach_is_tried_again_later(world):
    """SERVFAIL: the sender's MTA keeps the message."""
    with pytest.raises(smtpc.SmtpError) as refused:
        world.send(world.signed_mail("dead.example.net"), "alice@dead.example.net", stranger=True)
    assert refused.value.code == 451, refused.value


def test_unsigned_mail_of_a_stranger_is_not_signed(world):
    """Even when it says that it is from one of us."""
    data = verifying.MESSAGE.replace(verifying.DOMAIN.encode(), b"secure.example.net")
    delivered = world.send(data, "alice@secure.example.net", stranger=True)
    assert b"DKIM-Signature" not in delivered
    assert ours(delivered) == [f"{ID}; dkim=none"]


def test_forged_results_are_removed_by_a_real_mta(world):
    """CVE-2022-48521: indexes of deleted fields, as Postfix counts them; eight fields, four of which say they are ours."""
    signed = world.signed_mail("secure.example.net")
    names = (b"Authentication-Results", b"AUTHENTICATION-RESULTS", b"authentication-results", b"Authentication-Results ")
    forged = [name + b": " + f"{ID}; dkim=pass header.d=bank.test header.s=f{i}\r\n".encode() for i, name in enumerate(names)]
    others = [name + b": " + f"other{i}.test; dkim=pass header.d=elsewhere.test\r\n".encode() for i, name in enumerate(names)]
    for order in ([x for pair in zip(forged, others) for x in pair], others + forged, forged + others):
        head, body = signed.split(b"\r\n\r\n", 1)
        fields = re.split(rb"\r\n(?![ \t])", head)
        mixed = b"".join(order[:3]) + b"\r\n".join(fields[:2]) + b"\r\n" + b"".join(order[3:6]) + b"\r\n".join(fields[2:]) \
            + b"\r\n" + b"".join(order[6:]) + b"\r\n" + body
        delivered = world.send(mixed, "alice@secure.example.net", stranger=True)
        left = verifying.results_fields(delivered)
        assert len(left) == 5 and "dkim=pass (2048-bit key; secure)" in left[0], left
        assert [v.split(";")[0] for v in left[1:]] == [re.search(rb"other\d\.test", x).group().decode() for x in order
                                                       if b"other" in x]
