"""The milter protocol from the MTA's side, by our own client: every version, every order, every rudeness.

After each rudeness a well-behaved session must still be served and signed by the same daemon.
"""
import os
import random
import socket
import struct
import threading

import pytest

from lib import milter, patience, procs, verify
from lib.daemon import Daemon, is_sanitized
from lib.milter import Closed, Session

MESSAGE = (b"From: alice@example.test\r\nTo: t@sink.test\r\nSubject: hello\r\n"
           b"Date: Tue, 01 Sep 2026 10:00:00 +0000\r\nX-Other: one\r\n\r\nHello.\r\nThere.\r\n")
RECORD = "sel._domainkey.example.test"


@pytest.fixture(scope="module")
def settings(shared_keys):
    return {"Domain": "example.test", "KeyFile": shared_keys["rsa2048"].path, "Selector": "sel", "Mode": "sv",
            "Canonicalization": "relaxed/simple"}


@pytest.fixture(scope="module")
def keeper_of_daemon(program, module_folder, settings):
    """A list with the daemon of this module; a test that kills it gets the blame, the next one a new daemon."""
    running = []
    yield running
    for one in running:
        one.kill()


@pytest.fixture
def daemon(keeper_of_daemon, program, module_folder, settings):
    if not keeper_of_daemon:
        keeper_of_daemon.append(Daemon(program, module_folder, settings).start())
    one = keeper_of_daemon[0]
    yield one
    status = one.process.poll()
    if status is not None:
        keeper_of_daemon.clear()
        one.stop()
        pytest.fail(f"the daemon ended with {status}\n{one.log()[-2000:]}")


def verified(delivered, shared_keys):
    return verify.VERIFIERS[0].verify({"m": delivered}, {RECORD: shared_keys["rsa2048"].record})["m"]


def assert_alive(daemon):
    result, _ = milter.one_shot(daemon.address, MESSAGE)
    assert result.signed, (result, daemon.log()[-2000:])
    assert daemon.process.poll() is None


def closed_or_refused(session):
    """True if the peer closes (or answers) rather than leaving us to wait, which ends after a minute (FRESH_TIMEOUT_MS)."""
    session.sock.settimeout(patience.below(60))
    try:
        while session.sock.recv(65536):
            pass
        return True
    except ConnectionError:
        return True
    except socket.timeout:
        return False


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6])
def test_versions(daemon, version, shared_keys):
    with Session(daemon.address, version) as session:
        assert session.version <= version
        assert session.actions & ~session.offer[1] == 0
        assert session.protocol & ~session.offer[2] == 0
        assert session.hello() is None
        result = session.message(MESSAGE)
        assert result.signed
        delivered = session.apply(MESSAGE, result)
    assert verified(delivered, shared_keys) == [("example.test", "pass")]


@pytest.mark.parametrize("version", [0, 1])
def test_too_old_versions_are_refused(daemon, version):
    session = Session(daemon.address, negotiate=False)
    session.send(b"O", struct.pack(">III", version, 0x3F, 0x7F))
    assert closed_or_refused(session)
    session.close()
    assert_alive(daemon)


def test_newer_version_is_answered_with_ours(daemon):
    session = Session(daemon.address, negotiate=False)
    session.send(b"O", struct.pack(">III", 9, 0x1FF, 0x1FFFFF))
    command, data = session.recv()
    assert command == b"O" and 2 <= struct.unpack(">I", data[:4])[0] <= 9
    session.quit()


@pytest.mark.signpost("libmilter asks for NOHELO even when it was not offered")
def test_nothing_beyond_the_offer(daemon):
    """An MTA that offers no protocol flags at all still gets its mail signed."""
    with Session(daemon.address, 6, protocol=0) as session:
        assert session.protocol == 0
        assert session.hello() is None
        assert session.message(MESSAGE).signed


def test_each_step_is_answered_without_no_reply_flags(daemon):
    with Session(daemon.address, 6, protocol=milter.OFFER_PROTOCOL[6] & ~milter.NR_ALL) as session:
        assert session.protocol & milter.NR_ALL == 0
        assert session.hello() is None
        for _ in range(3):
            assert session.message(MESSAGE).signed


@pytest.mark.signpost("opendkim does not use the no-reply flags for headers and body")
def test_pipelining_uses_no_reply_flags(daemon):
    with Session(daemon.address, 6) as session:
        wanted = milter.NR_CONN | milter.NR_HDR | milter.NR_MAIL | milter.NR_RCPT
        assert session.protocol & wanted == wanted


@pytest.mark.signpost("MilterPipelining is a parameter of signpostd")
def test_pipelining_off(program, folder, settings):
    with Daemon(program, folder, {**settings, "MilterPipelining": False}) as running:
        with Session(running.address, 6) as session:
            assert session.protocol & milter.NR_ALL == 0
            assert session.hello() is None
            assert session.message(MESSAGE).signed


def test_several_messages_and_aborts(daemon, shared_keys):
    with Session(daemon.address) as session:
        assert session.hello() is None
        for number in range(25):
            data = MESSAGE.replace(b"hello", b"hello %d" % number)
            result = session.message(data, queue_id=b"Q%d" % number)
            assert result.signed
            if number % 2:
                session.abort()
            if number % 12 == 5:
                assert verified(session.apply(data, result), shared_keys) == [("example.test", "pass")]


STOPS = ["negotiated", "connected", "mail", "rcpt", "half the headers", "headers", "half the body", "body"]


def go_to(session, stop):
    """A message that ends at STOP."""
    headers, body = milter.split_message(MESSAGE)
    at = STOPS.index(stop)
    if at >= 1:
        session.hello()
    if at >= 2:
        session.envelope(recipients=() if at == 2 else ("t@sink.test",))
    if at >= 4:
        for name, value in headers[:2] if at == 4 else headers:
            session.step(b"L", name + b"\0" + session.header_value(value) + b"\0")
    if at >= 5:
        session.step(b"N")
    if at >= 6:
        session.step(b"B", body[:5])
    if at >= 7:
        session.step(b"B", body[5:])


@pytest.mark.parametrize("stop", [pytest.param(STOPS[0], marks=pytest.mark.signpost("libmilter waits for ever"))] + STOPS[1:])
def test_abort_at_each_point_then_a_message(daemon, stop, shared_keys):
    with Session(daemon.address) as session:
        go_to(session, stop)
        session.abort()
        if stop == "negotiated":
            session.hello()
        result = session.message(MESSAGE)
        assert result.signed
        assert verified(session.apply(MESSAGE, result), shared_keys) == [("example.test", "pass")]


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("ending", ["quit", "close", "reset", "half"])
def test_peer_goes_at_each_point(daemon, stop, ending):
    session = Session(daemon.address)
    go_to(session, stop)
    if ending == "quit":
        session.send(b"Q")
        assert closed_or_refused(session)
    elif ending == "half":
        session.sock.shutdown(socket.SHUT_WR)
        assert closed_or_refused(session)
    elif ending == "reset":
        session.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    session.close()
    if ending == "half":
        assert_alive(daemon)


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("command", [pytest.param("E", marks=pytest.mark.signpost("opendkim 2.11 crashes (SIGSEGV)"))]
                         + list("CHMRTLNBUDAKOx\0\xff"))
def test_each_command_at_each_point(daemon, stop, command):
    """Any command at any point: an answer, a closed connection or silence, and never harm to the others."""
    session = Session(daemon.address)
    try:
        go_to(session, stop)
        session.sock.settimeout(0.02)
        session.send(command.encode("latin-1"), b"")
        session.send(command.encode("latin-1"), b"\0\0\0junk")
        session.sock.recv(4096)
    except (OSError, Closed):
        pass
    session.close()
    if command in "\xff" or stop == "body":
        assert_alive(daemon)


@pytest.mark.signpost("opendkim does not answer the connect after QUIT_NC")
def test_quit_nc_starts_anew(daemon):
    """SMFIC_QUIT_NC: the MTA goes on with a new SMTP client on the same connection, without a negotiation."""
    with Session(daemon.address) as session:
        assert session.hello() is None
        assert session.message(MESSAGE).signed
        session.quit_nc()
        assert session.hello(client="192.0.2.1", host="outside.test") is None
        result = session.message(MESSAGE)
        assert not (isinstance(result, milter.Result) and result.signed), "a stranger's mail was signed after QUIT_NC"
        session.quit_nc()
        assert session.hello() is None
        assert session.message(MESSAGE).signed


def test_unknown_smtp_command(daemon):
    with Session(daemon.address) as session:
        assert session.hello() is None
        session.step(b"U", b"FOOBAR x\0")
        assert session.message(MESSAGE).signed


def test_connect_and_close(daemon):
    for _ in range(200):
        procs.connect(daemon.address).close()
    assert_alive(daemon)


def test_garbage(daemon):
    rnd = random.Random(7)
    for number in range(150):
        sock = procs.connect(daemon.address)
        try:
            if number % 3 == 0:
                sock.sendall(rnd.randbytes(rnd.randint(1, 4000)))
            elif number % 3 == 1:
                sock.sendall(struct.pack(">I", rnd.choice([0, 1, 5, 2 ** 31, 2 ** 32 - 1, 70000])) + b"O" + rnd.randbytes(12))
            else:
                sock.sendall(struct.pack(">I", 13) + b"O" + struct.pack(">III", 6, 0x1FF, 0x1FFFFF)
                             + rnd.randbytes(rnd.randint(1, 2000)))
        except OSError:
            pass
        sock.close()
    assert_alive(daemon)


def test_octets_one_by_one(daemon):
    with Session(daemon.address) as session:
        raw, send = session.sock, session.send

        def drip(command, data=b""):
            for octet in struct.pack(">I", len(data) + 1) + command + data:
                raw.sendall(bytes([octet]))
        session.send = drip
        assert session.hello() is None
        assert session.message(MESSAGE).signed
        session.send = send


def test_small_and_odd_chunks(daemon, shared_keys):
    body = b"".join(b"line %d  \r\n" % n for n in range(300)) + b"\r\n\r\n"
    data = MESSAGE.split(b"\r\n\r\n")[0] + b"\r\n\r\n" + body
    with Session(daemon.address) as session:
        assert session.hello() is None
        kept = {}
        for chunk in (1, 2, 3, 7, 100, 65535):
            result = session.message(data, chunk=chunk)
            kept[chunk] = session.apply(data, result)
    for chunk, delivered in kept.items():
        assert verified(delivered, shared_keys) == [("example.test", "pass")], chunk


def test_hundred_megabyte_header_block(program, folder, settings):
    """Memory stays bounded whatever the size of the header block, and others are served meanwhile."""
    with Daemon(program, folder, settings) as running:
        assert_alive(running)
        before = procs.rss_kib(running.tree())
        most, verdict = before, "accepted all"
        value = b" " + b"x" * 60000 + b"\0"
        session = Session(running.address)
        session.hello()
        session.envelope()
        try:
            for number in range(100 * 1024 * 1024 // len(value)):
                answer = session.step(b"L", b"X-Huge-%d\0" % number + value)
                if number % 100 == 0:
                    most = max(most, procs.rss_kib(running.tree()))
                if answer is not None:
                    verdict = answer.verdict
                    break
            else:
                verdict = str(session.step(b"N") or session.end())
        except (OSError, Closed):
            verdict = "connection closed"
        most = max(most, procs.rss_kib(running.tree()))
        session.close()
        assert_alive(running)
    print(f"\n100 MB of headers: {verdict[:80]}; resident {before} KiB before, {most} KiB at most")
    assert most - before < (64 if is_sanitized(program) else 16) * 1024


def test_peer_that_does_not_read(daemon):
    """A peer that sends and never reads must not hold up others nor make the daemon's memory grow."""
    session = Session(daemon.address, protocol=0)
    session.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    before = procs.rss_kib(daemon.tree())
    session.sock.settimeout(0.5)
    try:
        for _ in range(200000):
            session.send(b"C", b"localhost\0" + b"4\x10\x00127.0.0.1\0")
    except OSError:
        pass
    for _ in range(5):
        assert_alive(daemon)
    assert procs.rss_kib(daemon.tree()) - before < 32 * 1024
    session.close()


def test_many_idle_connections(daemon):
    idle = [Session(daemon.address) for _ in range(300)]
    assert_alive(daemon)
    for session in idle:
        session.close()


def test_parallel_sessions(daemon):
    failures = []

    def run():
        with Session(daemon.address) as session:
            session.hello()
            failures.extend(1 for _ in range(20) if not session.message(MESSAGE).signed)
    threads = [threading.Thread(target=run) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_stranger_is_not_signed(daemon):
    result, delivered = milter.one_shot(daemon.address, MESSAGE, client="192.0.2.1", host="outside.test")
    assert not result.signed and result.verdict in ("accept", "continue")


def test_login_makes_internal(daemon):
    result, _ = milter.one_shot(daemon.address, MESSAGE, client="192.0.2.1", host="outside.test",
                                macros={b"{auth_type}": b"PLAIN", b"{auth_authen}": b"alice@example.test"})
    assert result.signed


def test_no_descriptor_leak(daemon):
    def count():
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in daemon.tree())
    assert_alive(daemon)
    before = count()
    for _ in range(100):
        session = Session(daemon.address)
        go_to(session, STOPS[random.Random(_).randrange(len(STOPS))])
        session.close()
    assert procs.wait_until(lambda: count() <= before + 4), (before, count())
