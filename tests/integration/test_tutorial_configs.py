"""Three configurations of the kind people copy from tutorials, run by a program called `opendkim`.

The text is ours, in the usual style: comments, blanks, tabs, parameters in odd case. Each signs what it should and
leaves alone what it should not.
"""
import re

import pytest

from lib import milter, postfix, smtpc, verify
from lib.daemon import Daemon
from lib.keys import make_key

SINGLE = """\
# This is a basic configuration for signing and verifying.
# Log to syslog
Syslog\t\t\tno
SyslogSuccess\t\tyes
LogWhy yes

# Required to use local socket with MTAs that access the socket as a non-
# privileged user (e.g. Postfix)
UMask                   002

# Sign for example.com with key in the keys folder
Domain                  example.com
KeyFile                 {dir}/keys/mail.private
Selector                mail

# Commonly-used options; the commented-out versions show the defaults.
Canonicalization        relaxed/simple
Mode                    sv
SubDomains              no
#ADSPAction             continue
AutoRestart             no
Background              no
DNSTimeout              5
SignatureAlgorithm      rsa-sha256
RequireSafeKeys         false

# Always oversign From (sign using actual From and a null From to prevent
# malicious signatures header fields (From and/or others) between the signer
# and the verifier.
OversignHeaders         From

Socket                  inet:{port}@localhost   # what the MTA talks to
"""

TABLES = """\
Syslog                  no
LogWhy                  Yes
Canonicalization        relaxed/simple
ExternalIgnoreList      refile:{dir}/TrustedHosts
InternalHosts           refile:{dir}/TrustedHosts
KeyTable                refile:{dir}/KeyTable
SigningTable            refile:{dir}/SigningTable
Mode                    sv
SignatureAlgorithm      rsa-sha256
Socket                  inet:{port}@127.0.0.1
OversignHeaders         From
RequireSafeKeys         no
Background              no
"""
TRUSTED_HOSTS = "127.0.0.1\nlocalhost\n192.168.0.0/24\n\n# the office\n*.office.example.com\n203.0.113.5\n"
KEY_TABLE = """\
mail._domainkey.example.com example.com:mail:{dir}/keys/mail.private
# second customer
s2026._domainkey.example.org\texample.org:s2026:{dir}/keys/other.private
"""
SIGNING_TABLE = """\
*@example.com mail._domainkey.example.com
*@*.example.com mail._domainkey.example.com
newsletter@example.org\ts2026._domainkey.example.org
"""

GATEWAY = """\
## gateway: everything that our own networks send is signed, the rest is verified
syslog                no
MODE                  sv
Domain                example.com, example.net
KeyFile               {dir}/keys/mail.private
Selector              gw1
SubDomains            yes
Canonicalization      relaxed/relaxed
InternalHosts         {dir}/internal
ExternalIgnoreList    {dir}/external
SignatureTTL          604800
MinimumKeyBits        1024
On-Default            accept
LogWhy                1
RequireSafeKeys       F
Background            no
Socket                inet:{port}@127.0.0.1
"""
INTERNAL = "10.0.0.0/8\n!10.9.0.0/16   # the guests\n.inside.example.com\n2001:db8::/32\n"
EXTERNAL = "192.0.2.77\n"


def message(author, extra=b""):
    return (b"From: " + author.encode() + b"\r\nTo: t@sink.test\r\nSubject: hello\r\n"
            b"Date: Tue, 01 Sep 2026 10:00:00 +0000\r\n" + extra + b"\r\nHello there.\r\n")


def write(folder, files):
    for name, text in files.items():
        (folder / name).write_text(text.replace("{dir}", str(folder)))


def keep_keys(folder):
    (folder / "keys").mkdir()
    return make_key("rsa2048", folder / "keys/mail.private"), make_key("rsa1024", folder / "keys/other.private")


def start(program, folder, text):
    return Daemon(program, folder, text=text.replace("{dir}", str(folder)), argv0="opendkim", name="opendkim-conf")


def outcomes(daemon, cases):
    """[(author, client, host, d= or None)] -> what came out instead, as text; empty when all is right."""
    wrong, kept = [], {}
    for number, (author, client, host, expected) in enumerate(cases):
        result, delivered = milter.one_shot(daemon.address, message(author), client=client, host=host,
                                            sender=author)
        domains = verify.signature_domains(delivered)
        if result.verdict not in ("accept", "continue") or domains != ([expected] if expected else []):
            wrong.append(f"{author} from {host} [{client}]: {result.verdict} {result.text}, d={domains}, not {expected}")
        if domains:
            kept[f"m{number}"] = delivered
    return wrong, kept


def verify_all(kept, records):
    for checker in verify.VERIFIERS:
        if checker.missing():
            continue
        for name, verdicts in checker.verify(kept, records).items():
            assert [v for _, v in verdicts] == [verify.PASS], (checker.name, name, verdicts)


HOME = ("127.0.0.1", "localhost")
SINGLE_CASES = [
    ("alice@example.com", *HOME, "example.com"), ("Bob <bob@Example.COM>", *HOME, "example.com"),
    ("alice@sub.example.com", *HOME, None), ("alice@example.org", *HOME, None),
    ("alice@example.com", "192.0.2.1", "outside.test", None), ("alice@badexample.com", *HOME, None),
    ("alice@example.com", "::1", "localhost", "example.com"),
]
TABLE_CASES = [
    ("alice@example.com", *HOME, "example.com"), ("alice@a.b.example.com", *HOME, "example.com"),
    ("newsletter@example.org", *HOME, "example.org"), ("NewsLetter@Example.org", *HOME, "example.org"),
    ("other@example.org", *HOME, None), ("alice@example.net", *HOME, None),
    ("alice@example.com", "192.168.0.77", "[192.168.0.77]", "example.com"),
    ("alice@example.com", "192.168.1.77", "[192.168.1.77]", None),
    ("alice@example.com", "203.0.113.5", "[203.0.113.5]", "example.com"),
    ("alice@example.com", "198.51.100.1", "pc1.office.example.com", None),     # "*" in a refile host list means NOT
    ("alice@example.com", "192.0.2.1", "outside.test", None),
]
GATEWAY_CASES = [
    ("alice@example.com", "10.1.2.3", "[10.1.2.3]", "example.com"), ("alice@x.example.net", "10.1.2.3", "[10.1.2.3]", "example.net"),
    ("alice@example.com", "10.9.2.3", "[10.9.2.3]", None), ("alice@example.com", "198.51.100.2", "pc.inside.example.com", "example.com"),
    ("alice@example.com", "198.51.100.2", "inside.example.com", None), ("alice@example.com", *HOME, None),
    ("alice@example.com", "2001:db8::25", "[2001:db8::25]", "example.com"), ("alice@example.com", "2001:db9::25", "[2001:db9::25]", None),
    ("alice@example.com", "192.0.2.77", "relay.test", None), ("alice@example.org", "10.1.2.3", "[10.1.2.3]", None),
]


def test_single_domain(program, folder):
    key, _ = keep_keys(folder)
    with start(program, folder, SINGLE) as daemon:
        wrong, kept = outcomes(daemon, SINGLE_CASES)
        log = daemon.log()
    assert not wrong, "\n".join(wrong) + "\n" + log[-2000:]
    assert all(b"s=mail" in m for m in kept.values())
    verify_all(kept, {"mail._domainkey.example.com": key.record})


def test_oversigned_from(program, folder):
    keep_keys(folder)
    with start(program, folder, SINGLE) as daemon:
        _, delivered = milter.one_shot(daemon.address, message("alice@example.com"))
    head = delivered.split(b"\r\n\r\n")[0].replace(b"\r\n\t", b"").replace(b"\r\n ", b"")
    h = [line for line in head.split(b"\r\n") if line.lower().startswith(b"dkim-signature")][0]
    listed = re.search(rb"[;\s]h=([^;]*)", h).group(1)
    assert listed.lower().replace(b" ", b"").split(b":").count(b"from") == 2


def test_tables(program, folder):
    key, other = keep_keys(folder)
    write(folder, {"TrustedHosts": TRUSTED_HOSTS, "KeyTable": KEY_TABLE, "SigningTable": SIGNING_TABLE})
    with start(program, folder, TABLES) as daemon:
        wrong, kept = outcomes(daemon, TABLE_CASES)
        log = daemon.log()
    assert not wrong, "\n".join(wrong) + "\n" + log[-2000:]
    verify_all(kept, {"mail._domainkey.example.com": key.record, "s2026._domainkey.example.org": other.record})


def test_gateway(program, folder):
    key, _ = keep_keys(folder)
    write(folder, {"internal": INTERNAL, "external": EXTERNAL})
    with start(program, folder, GATEWAY) as daemon:
        wrong, kept = outcomes(daemon, GATEWAY_CASES)
        log = daemon.log()
    assert not wrong, "\n".join(wrong) + "\n" + log[-2000:]
    assert all(b"x=" in m for m in kept.values())
    verify_all(kept, {"gw1._domainkey.example.com": key.record, "gw1._domainkey.example.net": key.record})


def test_outside_client_through_postfix(program, folder, sink):
    """The same decision with a real MTA: XCLIENT makes Postfix say that the client is a stranger, or an insider."""
    if postfix.missing():
        pytest.skip(postfix.missing())
    keep_keys(folder)
    write(folder, {"TrustedHosts": TRUSTED_HOSTS, "KeyTable": KEY_TABLE, "SigningTable": SIGNING_TABLE})
    relay_all = {"mynetworks": "0.0.0.0/0"}
    with start(program, folder, TABLES) as daemon, \
            postfix.Postfix(folder, sink.port, [f"inet:127.0.0.1:{daemon.port}"], relay_all) as mta:
        for number, address in enumerate((None, "192.0.2.1", "192.168.0.9")):
            client = smtpc.Client(mta.ports[0])
            if address:
                client.xclient(address)
            client.send("alice@example.com", [f"t{number}@sink.test"], message("alice@example.com"))
            client.quit()
        assert sink.wait_for(3), mta.log()[-2000:]
    signed = {d.recipients[0]: verify.signature_domains(d.data) for d in sink.take()}
    assert signed == {"t0@sink.test": ["example.com"], "t1@sink.test": [], "t2@sink.test": ["example.com"]}
