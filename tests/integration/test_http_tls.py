"""TLS of signpost-admind's HTTP server: versions, certificates, their renewal, and clients' certificates."""
import os
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from lib import patience
from lib.httpdriver import Answer, Driver, read_all, request, tls_connect

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")


def openssl(*words, **kwargs):
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, **kwargs)


class Authority:
    def __init__(self, folder, name="authority"):
        self.folder, self.name = folder, name
        self.pem = folder / f"{name}.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                f"/CN={name}", "-keyout", folder / f"{name}.key", "-out", self.pem)

    def make(self, name, names="IP:127.0.0.1", subject="/CN=test", use="serverAuth,clientAuth", days=20):
        """NAME.pem and NAME.key; the paths."""
        pem, key, request_file, extra = (self.folder / f"{name}.{end}" for end in ("pem", "key", "csr", "ext"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject, "-keyout", key,
                "-out", request_file)
        extra.write_text(f"extendedKeyUsage={use}\n" + (f"subjectAltName={names}\n" if names else ""))
        openssl("x509", "-req", "-in", request_file, "-CA", self.pem, "-CAkey", self.folder / f"{self.name}.key",
                "-CAcreateserial", "-days", days, "-extfile", extra, "-out", pem)
        key.chmod(0o600)
        return pem, key


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def server(folder, authority):
    pem, key = authority.make("server")
    with Driver(folder, tcp=True, certificate=pem, key=key, client_ca=authority.pem) as made:
        yield made


def context(authority, pair=None, version=None):
    made = ssl.create_default_context(cafile=str(authority.pem))
    if pair:
        made.load_cert_chain(*map(str, pair))
    if version:
        made.minimum_version = made.maximum_version = version
    return made


def ask(driver, made, *args, **kwargs):
    with tls_connect(driver, made) as sock:
        sock.sendall(request(*args, **kwargs))
        return Answer(read_all(sock))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_that_are_spoken(server, authority, version):
    answer = ask(server, context(authority, version=version), "/echo", "POST", body=b"a" * 300000)
    assert answer.status == 200 and len(answer.body) == 300000 and answer.fields["x-tls"] == "1"


@pytest.mark.parametrize("words", [["-tls1"], ["-tls1_1"], ["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"],
                                   ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"]])
def test_what_is_not_spoken(server, words):
    cipher = [] if "-cipher" in words else ["-cipher", "DEFAULT:@SECLEVEL=0"]
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", *words, *cipher],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience.seconds(60))
    assert done.returncode != 0 or "Cipher is (NONE)" in done.stdout


def test_plain_http_is_not_answered_where_tls_is(server):
    assert b"HTTP" not in server.ask_raw(request(), server.port)
    assert server.ask().status == 200, "the unix socket has no TLS"


def test_bodies_that_are_refused_or_streamed(server, authority):
    made = context(authority)
    assert ask(server, made, "/echo", "POST", body=bytes(2000000)).problem()["code"] == "too-large"
    assert ask(server, made, "/refused", "POST", body=bytes(1000)).status == 401
    assert ask(server, made, "/stream", "POST", body=bytes(3000000)).body.startswith(b"3000000 octets, 46 pieces")
    assert ask(server, made, "/stream?stop=70000", "POST", body=bytes(3000000)).status == 422
    assert ask(server, made, "/events?n=3&ms=1").body.endswith(b"data: 2\n\n")
    server.stop()


def test_800_handshakes_that_stand_still_stop_nobody(folder, authority):
    pem, key = authority.make("standstill")
    with Driver(folder, tcp=True, certificate=pem, key=key, request_s=int(patience.seconds(10))) as driver:
        socks = []
        for _ in range(800):
            socks.append(driver.connect(driver.port))
            socks[-1].sendall(b"\x16\x03\x01\x00\xa5\x01")
        for _ in range(20):
            assert ask(driver, context(authority), "/hello").status == 200
        driver.until(lambda c: c["timeouts"] == 800 and c["open"] == 0)
        for sock in socks:
            sock.close()
        driver.stop()


# ---- clients ----

NAMES = [("a DNS name", "DNS:panel.example", "/CN=other", "panel.example"),
         ("a URI", "URI:spiffe://example/panel", "/CN=other", "spiffe://example/panel"),
         ("the first of several", "IP:192.0.2.1,URI:urn:a,DNS:b.example", "/CN=other", "urn:a"),
         ("a common name", None, "/O=x/CN=panel", "panel")]


@pytest.mark.parametrize("names, subject, name", [case[1:] for case in NAMES], ids=[case[0] for case in NAMES])
def test_who_a_client_is(server, authority, names, subject, name):
    pair = authority.make("client", names, subject)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert ask(server, context(authority, pair, version)).fields["x-certificate"] == name


def test_no_certificate_is_no_name(server, authority):
    assert ask(server, context(authority)).fields.get("x-certificate", "") == ""


@pytest.mark.parametrize("how", ["foreign", "of a server", "no name", "a blank in the name"])
def test_certificates_of_clients_that_are_refused(server, authority, folder, how):
    if how == "foreign":
        pair = Authority(folder, "foreign").make("client", "DNS:panel.example")
    elif how == "of a server":
        pair = authority.make("client", "DNS:panel.example", use="serverAuth")
    elif how == "no name":
        pair = authority.make("client", None, "/O=panel")
    else:
        pair = authority.make("client", None, "/CN=two words")
    try:
        answer = ask(server, context(authority, pair))
        assert answer.status == 403 and answer.problem()["code"] == "certificate-refused"
    except (ssl.SSLError, ConnectionError):
        assert how == "foreign"
    assert ask(server, context(authority)).status == 200


# ---- renewal ----

def serial(driver, authority):
    with tls_connect(driver, context(authority)) as sock:
        return sock.getpeercert()["serialNumber"]


def test_certificates_are_read_again_and_nobody_is_cut(folder, authority):
    pem, key = (shutil.copy(path, folder / f"server.{path.suffix}") for path in authority.make("first"))
    os.chmod(key, 0o600)
    with Driver(folder, tcp=True, certificate=pem, key=key) as driver:
        first = serial(driver, authority)
        with tls_connect(driver, context(authority)) as kept:
            kept.sendall(request("/slow?ms=300", close=False))
            for new, path in zip(authority.make("second"), (pem, key)):
                shutil.copy(new, path)
            assert driver.say("reload") == "reloaded"
            assert serial(driver, authority) != first
            kept.sendall(request("/hello"))
            came = read_all(kept)
            assert came.count(b"200 OK") == 2 and came.endswith(b"hello\n")
        driver.stop()


def test_what_cannot_be_used_is_not_taken(folder, authority):
    pem, key = (shutil.copy(path, folder / f"server.{path.suffix}") for path in authority.make("first"))
    os.chmod(key, 0o600)
    with Driver(folder, tcp=True, certificate=pem, key=key) as driver:
        first = serial(driver, authority)
        shutil.copy(authority.make("second")[0], pem)
        assert "not the key of the certificate" in driver.say("reload")
        with open(pem, "w") as file:
            file.write("no certificate")
        assert driver.say("reload").startswith("not reloaded: ")
        os.chmod(key, 0o644)
        assert "others can read or write this key" in driver.say("reload")
        os.unlink(key)
        assert driver.say("reload").startswith("not reloaded: ")
        assert serial(driver, authority) == first
        driver.stop()


def test_reloads_beneath_many_handshakes(folder, authority):
    pem, key = authority.make("busy")
    ends = threading.Event()
    faults = []

    def ask_on(driver):
        made = context(authority)
        while not ends.is_set():
            answer = ask(driver, made, "/hello")
            if answer.status != 200:
                faults.append(answer.status)

    with Driver(folder, tcp=True, certificate=pem, key=key) as driver:
        clients = [threading.Thread(target=ask_on, args=(driver,)) for _ in range(6)]
        for client in clients:
            client.start()
        for _ in range(30):
            assert driver.say("reload") == "reloaded"
        ends.set()
        for client in clients:
            client.join()
        assert not faults
        driver.stop()


@pytest.mark.parametrize("fault, said", [("others", "others can read"), ("group", "others can read"),
                                         ("absent", "no such file"), ("unnamed", "is not named"), ("mixed", "not the key")])
def test_keys_with_which_it_does_not_begin(folder, authority, fault, said):
    pem, key = authority.make("refused")
    if fault == "others":
        key.chmod(0o604)
    elif fault == "group":
        key.chmod(0o660)
    elif fault == "absent":
        key = folder / "nothing"
    elif fault == "unnamed":
        key = None
    else:
        key = authority.make("another")[1]
    driver = Driver(folder, tcp=True, certificate=pem, key=key)
    assert not driver.ready and said in driver.errors()
    driver.__exit__()


def test_with_tls_every_address_may_be_listened_on(folder, authority):
    pem, key = authority.make("everywhere")
    with Driver(folder, listen="0.0.0.0:0", certificate=pem, key=key) as driver:
        assert ask(driver, context(authority)).status == 200
        with socket.create_connection(("127.0.0.1", driver.port)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        driver.stop()
