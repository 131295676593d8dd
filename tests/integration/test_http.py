"""The HTTP server of signpost-admind, without what it serves: limits, times, hostile octets, streams, events.

tests/tools/http_driver answers what it was asked. TLS: test_http_tls.py."""
import os
import random
import select
import socket
import stat
import threading
import time

import pytest

from lib import patience, procs
from lib.httpdriver import Answer, Driver, many_descriptors, read_all, request, resident_kib

BODY_MAX = 1024 * 1024
PIECE = 65536


@pytest.fixture
def driver(folder):
    with Driver(folder, tcp=True) as made:
        yield made


# ---- what is ordinary ----

def test_what_was_asked_is_what_the_handler_gets(driver):
    answer = driver.ask("/echo?a=b%20c&d", "PUT", ["X-One: 1"], b"some body", tcp=driver.port)
    assert (answer.status, answer.body) == (200, b"some body")
    assert answer.fields["x-method"] == "PUT" and answer.fields["x-path"] == "/echo"
    assert answer.fields["x-query"] == "a=b%20c&d" and answer.fields["x-peer"] == "127.0.0.1"


def test_every_answer_has_its_fields(driver):
    ids = set()
    for target, status in (("/echo", 200), ("/nope", 404), ("/refused", 401), ("/%00", 400)):
        answer = driver.ask(target)
        assert answer.status == status
        assert answer.fields["cache-control"] == "no-store" and answer.fields["x-content-type-options"] == "nosniff"
        assert "date" in answer.fields and "content-length" in answer.fields
        ids.add(answer.fields["x-request-id"])
        if status != 200:
            assert answer.problem()["request_id"] in ids
    assert len(ids) == 4


def test_the_unix_socket_tells_who_asks(driver):
    mode = os.stat(driver.path)
    assert stat.S_IMODE(mode.st_mode) == 0o660
    answer = driver.ask()
    assert answer.fields["x-peer"] == "unix"
    assert (int(answer.fields["x-user"]), int(answer.fields["x-process"])) == (os.getuid(), os.getpid())


def test_a_stale_socket_is_replaced_and_a_living_one_is_not(folder):
    with Driver(folder) as first:
        second = Driver(folder)
        with pytest.raises(AssertionError, match="another program listens"):
            second.__enter__()
        second.__exit__()
        first.process.kill()
        first.process.wait()
        with Driver(folder) as third:
            assert third.ask().status == 200
            third.stop()
    assert not os.path.exists(folder / "http.sock")


def test_head_is_get_without_a_body(driver):
    octets = driver.ask_raw(request("/big?n=1000", "HEAD"))
    answer = Answer(octets, head_only=True)
    assert answer.status == 200 and answer.fields["content-length"] == "1000" and answer.rest == b""


def test_http_1_0_is_answered_and_closed(driver):
    answer = Answer(driver.ask_raw(b"GET /hello HTTP/1.0\r\n\r\n"))
    assert (answer.status, answer.body) == (200, b"hello\n")


def test_requests_one_behind_the_other(driver):
    octets = driver.ask_raw(request(close=False) + request("/echo", "POST", body=b"abc", close=False) +
                            request("/nope", close=False) + request("/hello"))
    for status, body in ((200, b""), (200, b"abc"), (404, None), (200, b"hello\n")):
        answer = Answer(octets)
        assert answer.status == status and body in (None, answer.body)
        octets = answer.rest
    assert octets == b""


def test_methods_that_nobody_knows_are_given_on(driver):
    assert driver.ask(method="BREW").fields["x-method"] == "BREW"


def test_an_idle_connection_is_closed(folder):
    with Driver(folder, idle_s=1) as driver, driver.connect() as sock:
        sock.sendall(request("/hello", close=False))
        assert Answer(read_all(sock)).body == b"hello\n"
        driver.until(lambda c: c["timeouts"] == 1 and c["open"] == 0)


# ---- torn and hostile ----

def test_a_request_that_is_torn_at_every_octet(driver):
    octets = request("/echo?x=y", "POST", ["Transfer-Encoding: chunked"]) + b"5\r\nhello\r\n6\r\n there\r\n0\r\n\r\n"
    for at in range(1, len(octets)):
        with driver.connect() as sock:
            sock.sendall(octets[:at])
            if at % 3 == 0:
                time.sleep(0.002)
            sock.sendall(octets[at:])
            answer = Answer(read_all(sock))
            assert (answer.status, answer.body) == (200, b"hello there"), at


def test_a_request_that_ends_at_every_octet(driver):
    octets = request("/echo?x=y", "POST", body=b"hello")
    for at in range(len(octets)):
        with driver.connect() as sock:
            sock.sendall(octets[:at])
    driver.until(lambda c: c["open"] == 0)
    assert driver.ask().status == 200
    driver.stop()


def head(line="GET /echo HTTP/1.1", *lines):
    return "\r\n".join((line, "Host: x", "Connection: close", *lines, "", "")).encode("latin-1")


CHUNKED = "Transfer-Encoding: chunked"
HOSTILE = [  # what, octets, the status; 0: closed without a word
    ("a NUL in the path", head("GET /ec\0ho HTTP/1.1"), 400),
    ("a NUL at the end of a value", head("GET /echo HTTP/1.1", "X: a\0"), 400),
    ("a NUL in a value", head("GET /echo HTTP/1.1", "X: a\0b"), 400),
    ("a NUL in a name", head("GET /echo HTTP/1.1", "X\0Y: a"), 400),
    ("a NUL in the method", head("GE\0T /echo HTTP/1.1"), 400),
    ("a NUL in the last value", b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: y\0\r\n\r\n", 400),
    ("eight bits in the method", head("GE\xda /echo HTTP/1.1"), 400),
    ("a control character in a value", head("GET /echo HTTP/1.1", "X: a\x01b"), 400),
    ("a CR in a value", head("GET /echo HTTP/1.1", "X: a\rb"), 400),
    ("lines without CR", b"GET /echo HTTP/1.1\nHost: x\nConnection: close\n\n", 400),
    ("a field of two lines", head("GET /echo HTTP/1.1", "X: a", " b"), 400),
    ("a blank before the colon", head("GET /echo HTTP/1.1", "X : a"), 400),
    ("no colon", head("GET /echo HTTP/1.1", "Xa"), 400),
    ("no version", b"GET /echo\r\n\r\n", 400),
    ("version 2.0", head("GET /echo HTTP/2.0"), 505),
    ("no Host", b"GET /echo HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
    ("two Hosts", head("GET /echo HTTP/1.1", "Host: y"), 400),
    ("two Authorizations", head("GET /echo HTTP/1.1", "Authorization: a", "authorization: a"), 400),
    ("an absolute target", head("GET http://x/echo HTTP/1.1"), 400),
    ("no path", head("OPTIONS * HTTP/1.1"), 400),
    ("CONNECT", head("CONNECT x:1 HTTP/1.1"), 400),
    ("eight bits in the path", head("GET /ec\xc3\xa4 HTTP/1.1"), 400),
    ("a fragment", head("GET /echo#a HTTP/1.1"), 400),
    ("no digits behind a percent sign", head("GET /ec%zz HTTP/1.1"), 400),
    ("one digit behind a percent sign", head("GET /ec%4 HTTP/1.1"), 400),
    ("an encoded NUL", head("GET /ec%00 HTTP/1.1"), 400),
    ("an encoded DEL", head("GET /echo?%7F HTTP/1.1"), 400),
    ("a target of 4097 octets", head(f"GET /{'a' * 4096} HTTP/1.1"), 414),
    ("a target of 40,000 octets", head(f"GET /{'a' * 40000} HTTP/1.1"), 414),
    ("a head of 20,000 octets", head("GET /echo HTTP/1.1", "X: " + "a" * 20000), 431),
    ("a head of 100,000 octets", head("GET /echo HTTP/1.1", "X: " + "a" * 100000), 431),
    ("66 fields", head("GET /echo HTTP/1.1", *["X: a"] * 64), 431),
    ("5,000 fields", head("GET /echo HTTP/1.1", *["X: a"] * 5000), 431),
    ("a coding that is not known", head("POST /echo HTTP/1.1", "Transfer-Encoding: gzip"), 501),
    ("two codings", head("POST /echo HTTP/1.1", "Transfer-Encoding: gzip, chunked"), 501),
    ("chunks and a length", head("POST /echo HTTP/1.1", CHUNKED, "Content-Length: 3"), 400),
    ("chunks in HTTP/1.0", head("POST /echo HTTP/1.0", CHUNKED), 400),
    ("two lengths", head("POST /echo HTTP/1.1", "Content-Length: 3", "Content-Length: 3") + b"abc", 400),
    ("two lengths in one", head("POST /echo HTTP/1.1", "Content-Length: 3, 3") + b"abc", 400),
    ("a negative length", head("POST /echo HTTP/1.1", "Content-Length: -3") + b"abc", 400),
    ("a signed length", head("POST /echo HTTP/1.1", "Content-Length: +3") + b"abc", 400),
    ("a length beyond 64 bits", head("POST /echo HTTP/1.1", "Content-Length: " + "9" * 30) + b"abc", 413),
    ("a length beyond the limit", head("POST /echo HTTP/1.1", "Content-Length: 99999999999") + b"abc", 413),
    ("a bad chunk", head("POST /echo HTTP/1.1", CHUNKED) + b"zz\r\nabc", 400),
    ("a chunk that is longer than it says", head("POST /echo HTTP/1.1", CHUNKED) + b"3\r\nabcdef\r\n0\r\n\r\n", 400),
    ("an expectation that is not known", head("GET /echo HTTP/1.1", "Expect: 200-ok"), 417),
    ("a blank in the target", head("GET /ec ho HTTP/1.1"), 0),
]


@pytest.mark.parametrize("octets, status", [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_hostile_heads(driver, octets, status):
    came = driver.ask_raw(octets)
    if status == 0:
        assert came == b""
    else:
        answer = Answer(came)
        assert answer.status == status
        if b"problem+json" in came:
            answer.problem()
    assert driver.ask().status == 200
    driver.stop()


def test_what_nearly_is_too_much_is_fine(driver):
    assert driver.ask("/echo?" + "&" * 4090).status == 200
    assert driver.ask("/echo", fields=["X: " + "a" * 15000]).status == 200
    assert driver.ask("/echo", fields=["X: a"] * 62).fields["x-fields"] == "64"


def test_noise(folder):
    noise = random.Random(7)
    with Driver(folder, request_s=1) as driver:
        for _ in range(300):
            octets = bytearray(head("POST /echo?a=b HTTP/1.1", "Content-Length: 3", "X: y") + b"abc")
            for _ in range(noise.randrange(1, 6)):
                octets[noise.randrange(len(octets))] = noise.randrange(256)
            with driver.connect() as sock:
                sock.sendall(octets)
                sock.shutdown(socket.SHUT_WR)
                came = read_all(sock)
                assert not came or Answer(came, head_only=True).status in (200, 400, 404, 413, 417, 501, 505), octets
        driver.stop()


# ---- bodies ----

def chunks(octets, size=10000):
    parts = [octets[i:i + size] for i in range(0, len(octets), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_the_longest_body_and_one_octet_more(driver):
    longest = bytes(range(256)) * (BODY_MAX // 256)
    for tcp in (None, driver.port):
        assert driver.ask("/echo", "POST", body=longest, tcp=tcp).body == longest
        coded = request("/echo", "POST", [CHUNKED])
        assert Answer(driver.ask_raw(coded + chunks(longest), tcp)).body == longest
        for octets in (request("/echo", "POST", body=longest + b"x"), coded + chunks(longest + b"x"),
                       coded + chunks(longest * 3)):
            answer = Answer(driver.ask_raw(octets, tcp))
            assert answer.status == 413 and answer.problem()["code"] == "too-large"
    driver.stop()


def test_a_body_that_is_shorter_than_said(folder):
    with Driver(folder, request_s=int(patience.seconds(3))) as driver:
        with driver.connect() as sock:
            sock.sendall(request("/echo", "POST", ["Content-Length: 10"]) + b"abc")
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b""
        driver.until(lambda c: c["open"] == 0)
        assert driver.stop()["begun"] == 1


def test_a_client_that_waits_for_100_continue(driver):
    with driver.connect() as sock:
        sock.sendall(request("/echo", "POST", ["Expect: 100-continue", "Content-Length: 3"]))
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert Answer(read_all(sock)).body == b"abc"


@pytest.mark.parametrize("target, length, status", [("/refused", 3, 401), ("/echo", BODY_MAX + 1, 413)])
def test_what_is_refused_is_not_waited_for(driver, target, length, status):
    with driver.connect() as sock:
        sock.sendall(request(target, "POST", ["Expect: 100-continue", f"Content-Length: {length}"]))
        answer = Answer(read_all(sock))
        assert answer.status == status and answer.problem()
    with driver.connect() as sock:
        sock.sendall(request(target, "POST", [f"Content-Length: {length}"]))
        answer = Answer(read_all(sock)) if status == 413 else Answer(sock.recv(65536))
        assert answer.status == status and answer.problem() and answer.fields["connection"] == "close"
    driver.until(lambda c: c["open"] == 0)
    driver.stop()


# ---- streams ----

def test_200_megabytes_in_flat_memory(driver):
    block, count = os.urandom(1000) * 1000, 200
    driver.ask("/stream", "POST", body=block)
    before = resident_kib(driver.pid)
    most = before
    with driver.connect() as sock:
        sock.sendall(request("/stream", "POST", [f"Content-Length: {len(block) * count}"]))
        for _ in range(count):
            sock.sendall(block)
            most = max(most, resident_kib(driver.pid))
        answer = Answer(read_all(sock))
    assert answer.status == 200
    assert answer.body == b"%d octets, %d pieces, sum %d\n" % (len(block) * count, -(-len(block) * count // PIECE),
                                                                sum(block) * count)
    assert most - before < 8 * 1024, "of 200 MB not 8 may be held"
    driver.stop()


def test_a_stream_that_is_enough(driver):
    """The answer comes while the client still writes, and one that writes on can still read it."""
    for tcp in (None, driver.port):
        answer = driver.ask("/stream?stop=100000", "POST", body=bytes(5000000), tcp=tcp)
        assert answer.status == 422 and answer.problem()["code"] == "enough"
        answer = driver.ask("/stream?stop=100", "POST", body=bytes(100), tcp=tcp)
        assert answer.status == 422
    driver.stop()


def test_a_stream_that_is_slow_holds_no_thread(folder):
    with Driver(folder, threads=1) as driver, driver.connect() as slow:
        slow.sendall(request("/stream", "POST", ["Content-Length: 200000"]) + bytes(150000))
        for _ in range(20):
            assert driver.ask("/hello").status == 200
        slow.sendall(bytes(50000))
        assert Answer(read_all(slow)).body.startswith(b"200000 octets, 4 pieces")
        driver.stop()


# ---- time ----

def drip(socks, octets, until_s):
    """One octet for each of SOCKS each second. Those that the server ended are left out."""
    left = dict.fromkeys(socks, 0)
    while left and time.monotonic() < until_s:
        gone, _, _ = select_all(list(left), 0)
        for sock in gone:
            left.pop(sock)
        for sock, at in list(left.items()):
            try:
                sock.send(octets[at % len(octets):at % len(octets) + 1])
                left[sock] += 1
            except OSError:
                left.pop(sock)
        time.sleep(0.5)
    return left


def select_all(socks, timeout):
    poll = select.poll()
    by_fd = {sock.fileno(): sock for sock in socks}
    for fd in by_fd:
        poll.register(fd, select.POLLIN | select.POLLHUP)
    return [by_fd[fd] for fd, _ in poll.poll(timeout)], [], []


@pytest.mark.parametrize("beginning", [b"GET /echo HTTP/1.1\r\nHost: x\r\nX: ",
                                       request("/echo", "POST", ["Content-Length: 100000"])], ids=["heads", "bodies"])
def test_1000_slow_connections_stop_nobody_and_are_cut(folder, beginning):
    many_descriptors(4096)
    with Driver(folder, tcp=True, request_s=int(patience.seconds(10))) as driver:
        socks = []
        for _ in range(1000):
            socks.append(driver.connect(driver.port))
            socks[-1].sendall(beginning)
        dripper = threading.Thread(target=drip, args=(socks, b"a", time.monotonic() + patience.seconds(60)))
        dripper.start()
        for i in range(100):
            assert driver.ask("/hello", tcp=driver.port if i % 2 else None).status == 200
        assert driver.counts()["connections"] == 1100
        dripper.join()
        driver.until(lambda c: c["timeouts"] >= 1000 and c["open"] == 0)
        for sock in socks:
            sock.close()
        driver.stop()


def test_one_address_does_not_get_all_connections(folder):
    many_descriptors(4096)
    with Driver(folder, tcp=True) as driver:
        socks = [driver.connect(driver.port) for _ in range(1024)]
        driver.until(lambda c: c["open"] == 1024)
        answer = driver.ask("/hello", tcp=driver.port)
        assert answer.status == 503 and answer.fields["content-type"] == "application/problem+json"
        with socket.socket() as other:
            other.settimeout(patience.seconds(60))
            other.bind(("127.0.0.2", 0))
            other.connect(("127.0.0.1", driver.port))
            other.sendall(request("/hello"))
            assert Answer(read_all(other)).status == 200
        assert driver.ask("/hello").status == 200
        for sock in socks:
            sock.close()
        driver.until(lambda c: c["open"] == 0)
        assert driver.ask("/hello", tcp=driver.port).status == 200
        assert driver.counts()["refused"] == 1
        driver.stop()


def test_an_answer_that_nobody_reads(folder):
    with Driver(folder, request_s=int(patience.seconds(3))) as driver, driver.connect() as sock:
        sock.sendall(request("/big?n=400000"))
        driver.until(lambda c: c["timeouts"] == 1 and c["open"] == 0)
        assert 0 < len(read_all(sock)) < 400000
        driver.stop()


def test_clients_that_leave_amid_their_answer(driver):
    for i in range(60):
        with driver.connect(driver.port if i % 2 else None) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.sendall(request("/big?n=3000000") if i % 3 else request("/slow?ms=20"))
            if i % 3:
                sock.recv(1000)
    driver.until(lambda c: c["open"] == 0)
    assert driver.ask("/hello").status == 200
    driver.stop()


# ---- events ----

def test_events_come_and_end(driver):
    answer = driver.ask("/events?n=5&ms=5")
    assert answer.body == b"".join(b"data: %d\n\n" % i for i in range(5))
    driver.until(lambda c: c["sources"] == 0 and c["sources_ended"] == 1)


def test_a_reader_of_events_that_leaves_is_noticed(driver):
    with driver.connect() as sock, driver.connect(driver.port) as other:
        for one in (sock, other):
            one.sendall(request("/events?ms=100000"))
            assert b"200 OK" in one.recv(1000)
        driver.until(lambda c: c["sources"] == 2)
    driver.until(lambda c: c["sources"] == 0 and c["sources_ended"] == 2 and c["open"] == 0)


def test_a_reader_of_events_that_does_not_read_is_cut(folder):
    with Driver(folder, request_s=int(patience.seconds(3))) as driver, driver.connect() as sock:
        sock.sendall(request("/events?ms=0"))
        driver.until(lambda c: c["sources_begun"] == 1 and c["sources"] == 0)
        driver.stop()


def test_no_more_than_256_readers_of_events_and_no_pool_thread(folder):
    many_descriptors(1024)
    with Driver(folder, threads=1) as driver:
        socks = [driver.connect() for _ in range(256)]
        for sock in socks:
            sock.sendall(request("/events?ms=100000"))
        driver.until(lambda c: c["sources"] == 256)
        came = {sock: b"" for sock in socks}
        for sock in socks:
            while not came[sock].endswith(b"data: 0\n\n\r\n"):
                more = sock.recv(4096)
                assert more, came[sock]
                came[sock] += more
        answer = driver.ask("/events")
        assert answer.status == 503 and answer.problem()["code"] == "busy"
        assert driver.ask("/hello").status == 200
        socks.pop().close()
        driver.until(lambda c: c["sources"] == 255)
        assert driver.ask("/events?n=1&ms=1").status == 200
        counts = driver.stop()
        assert counts["sources_begun"] == counts["sources_ended"] == 258
        for sock in socks:
            assert Answer(came[sock] + read_all(sock)).body == b"data: 0\n\n"
            sock.close()


# ---- the end ----

def test_answers_of_requests_that_run_are_not_lost_when_it_stops(folder):
    """Each client asks again and again; each request that was begun is answered as a whole."""
    whole, cut = [], []

    def ask_on(driver):
        while True:
            try:
                with driver.connect() as sock:
                    sock.sendall(request("/slow?ms=100"))
                    came = read_all(sock)
            except OSError:
                return
            if came:
                (whole if Answer(came).status in (200, 503) else cut).append(came)
            elif driver.process.poll() is not None or not os.path.exists(driver.path):
                return

    with Driver(folder, threads=8) as driver:
        clients = [threading.Thread(target=ask_on, args=(driver,)) for _ in range(24)]
        for client in clients:
            client.start()
        procs.wait_until(lambda: len(whole) > 30, timeout=patience.seconds(60))
        counts = driver.stop()
        for client in clients:
            client.join()
    answered = sum(b"at last" in came for came in whole)
    assert not cut and answered == counts["begun"]


def test_it_stops_while_connections_are_idle_and_half_asked(driver):
    socks = [driver.connect() for _ in range(20)]
    for i, sock in enumerate(socks):
        sock.sendall(request("/echo", "POST", body=b"hello")[:i * 4])
    driver.stop()
    for sock in socks:
        sock.close()


# ---- what it does not begin with ----

@pytest.mark.parametrize("words, said", [
    ({"listen": "0.0.0.0:0"}, "only loopback"),
    ({"listen": "[::]:0"}, "only loopback"),
    ({"listen": "[::ffff:127.0.0.1]:0"}, "only loopback"),
    ({"listen": "127.0.0.1:0 192.0.2.1:80"}, "only loopback"),
    ({"listen": "localhost:80"}, "an address and a port"),
    ({"listen": "127.0.0.1"}, "an address and a port"),
    ({"listen": "127.0.0.1:99999"}, "an address and a port"),
    ({"listen": "::1:80"}, "an address and a port"),
    ({"unix": "relative"}, "absolute path"),
    ({"unix": None}, "no address"),
    ({"client_ca": "/nowhere"}, "client certificates need TLS"),
])
def test_configurations_that_are_refused(folder, words, said):
    driver = Driver(folder, **words)
    assert not driver.ready and said in driver.errors()
    driver.__exit__()


def test_an_address_that_is_taken(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        driver = Driver(folder, listen=f"127.0.0.1:{taken.getsockname()[1]}")
        assert not driver.ready and "cannot listen" in driver.errors()
        driver.__exit__()


def test_several_addresses(folder):
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6 here")
    port = procs.free_port()
    with Driver(folder, listen=f"127.0.0.1:0 [::1]:{port} 127.0.0.3:{port}") as driver:
        for address in (("127.0.0.1", driver.port), ("::1", port), ("127.0.0.3", port)):
            with socket.create_connection(address, timeout=patience.seconds(60)) as sock:
                sock.sendall(request())
                assert Answer(read_all(sock)).status == 200
        driver.stop()
