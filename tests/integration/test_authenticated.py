"""Mail of authenticated clients from outside is signed: Postfix really says {auth_type}, by XCLIENT LOGIN, without SASL."""
import pytest

from lib import milter, postfix, smtpc, verify
from lib.daemon import Daemon

DATA = b"From: alice@example.test\r\nTo: t@sink.test\r\nSubject: x\r\nDate: Tue, 01 Sep 2026 10:00:00 +0000\r\n\r\nbody\r\n"
OUTSIDE = "192.0.2.77"


@pytest.fixture
def daemon(program, folder, shared_keys):
    settings = {"Domain": "example.test", "KeyFile": shared_keys["rsa2048"].path, "Selector": "sel", "Mode": "s"}
    with Daemon(program, folder, settings) as running:
        yield running


@pytest.mark.parametrize("macros, signed", [({}, False), ({b"{auth_type}": b""}, False), ({b"{auth_type}": b"PLAIN"}, True),
                                            ({b"{auth_authen}": b"alice"}, False)])
def test_macro(daemon, macros, signed):
    result, _ = milter.one_shot(daemon.address, DATA, client=OUTSIDE, host="outside.test", macros=macros)
    assert result.signed == signed


def test_postfix(daemon, folder, sink):
    if postfix.missing():
        pytest.skip(postfix.missing())
    with postfix.Postfix(folder, sink.port, [f"inet:127.0.0.1:{daemon.port}"], {"mynetworks": "0.0.0.0/0"}) as mta:
        for number, login in enumerate(("", " LOGIN=alice")):
            client = smtpc.Client(mta.ports[0])
            try:
                client.command(f"XCLIENT ADDR={OUTSIDE} NAME=outside.test{login}", 220)
            except smtpc.SmtpError as error:
                pytest.skip(f"this Postfix has no XCLIENT LOGIN without SASL: {error}")
            client.command("EHLO client.test", 250)
            client.send("alice@example.test", [f"t{number}@sink.test"], DATA)
            client.quit()
        assert sink.wait_for(2), mta.log()[-2000:]
    signed = {d.recipients[0]: verify.signature_domains(d.data) for d in sink.take()}
    assert signed == {"t0@sink.test": [], "t1@sink.test": ["example.test"]}
