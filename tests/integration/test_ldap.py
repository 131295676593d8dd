"""Tables in a directory: found, absent and unavailable, over every kind of connection, with a server that dies,
stops, comes late, is the second of two, or is Zimbra's.

The server is slapd in a folder of its own, on ports of the kernel; the system's is never touched.
"""
import os
import pwd
import shutil
import socket
import subprocess
import threading
import time

import pytest

from lib import keys, milter, patience, procs, slapd, verify
from lib.daemon import Daemon
from lib.load import Load

pytestmark = [pytest.mark.signpost("the tables of the others differ"),
              pytest.mark.skipif(slapd.program() is None or shutil.which("ldapmodify") is None,
                                 reason="slapd or ldap-utils are not installed")]

DOMAINS = [f"d{n}.test" for n in range(5)]
FIELDS = "DKIMDomain,DKIMSelector,DKIMKey,"
SIGNING, KEYS = "/?DKIMSelector?sub?(DKIMIdentity=$d)", f"/?{FIELDS}?sub?(DKIMSelector=$d)"


def message(domain, number=0):
    return (b"From: alice@%s\r\nTo: t@sink.test\r\nSubject: hello %d\r\nDate: Tue, 01 Sep 2026 10:00:00 +0000\r\n\r\n"
            b"Hello.\r\n" % (domain.encode(), number) + b"body of the message\r\n" * 20)


MESSAGES = [message(d, n) for n in range(10) for d in DOMAINS]


class Authority:
    """A CA and certificates for 127.0.0.1, one of them expired."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test CA", "-days", "30",
                     "-keyout", "ca.key", "-out", "ca.pem")
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", "server.key",
                     "-out", "server.csr")
        (folder / "index").write_text("")
        (folder / "ca.conf").write_text(
            "[ca]\ndefault_ca = here\n[here]\nnew_certs_dir = .\ndatabase = index\nrand_serial = yes\n"
            "certificate = ca.pem\nprivate_key = ca.key\ndefault_md = sha256\npolicy = any\nunique_subject = no\n"
            "x509_extensions = names\n[any]\ncommonName = supplied\n[names]\nsubjectAltName = IP:127.0.0.1\n")
        self.good = self.certificate("good", "20200101000000Z", "20990101000000Z")
        self.expired = self.certificate("expired", "20200101000000Z", "20200201000000Z")

    def openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, capture_output=True)

    def certificate(self, name, start, end):
        self.openssl("ca", "-batch", "-config", "ca.conf", "-startdate", start, "-enddate", end, "-in", "server.csr",
                     "-out", f"{name}.pem", "-notext")
        return self.ca, self.folder / f"{name}.pem", self.folder / "server.key"


@pytest.fixture(scope="module")
def authority(module_folder):
    (module_folder / "ca").mkdir()
    return Authority(module_folder / "ca")


def parents():
    def one(dn, dc):
        return slapd.ldif(dn, [("objectClass", "dcObject"), ("objectClass", "organization"), ("o", dc), ("dc", dc)])
    return one("dc=test", "test") + one("dc=com", "com") + one("dc=odd,dc=test", "odd")


def odd(cn, **values):
    """An entry that may lack anything, and may have a name of any shape."""
    pairs = [("objectClass", "organizationalRole"), ("objectClass", "looseRecord"), ("cn", cn)]
    return slapd.ldif(f"cn={cn},dc=odd,dc=test", pairs + list(values.items()))


LONG = "M" * 70000


def entries(key):
    pem = key.path.read_text()
    text = parents() + "".join(slapd.domain_entry(d, f"sel-{d}", pem, public="unused") for d in DOMAINS)
    return (text + odd("long", DKIMIdentity="long.test", DKIMKey=LONG) + odd("blob", DKIMIdentity="blob.test", looseBlob=b"a\0b")
            + odd("nokey", DKIMIdentity="nokey.test", DKIMSelector="nokey", DKIMDomain="nokey.test")
            + odd("noselector", DKIMIdentity="noselector.test", DKIMDomain="noselector.test")
            + odd("twice1", DKIMIdentity="twice.test", DKIMSelector="twice")
            + odd("twice2", DKIMIdentity="twice.test", DKIMSelector="twice")
            + odd("star", DKIMIdentity="**", DKIMSelector="star")
            + odd("paren", DKIMIdentity="a(b)c\\d", DKIMSelector="paren")
            + odd("quote", DKIMIdentity="o'br\"ien@x.test", DKIMSelector="quote"))


@pytest.fixture(scope="module")
def directory(module_folder, shared_keys, authority):
    one = slapd.Slapd(module_folder, tls=authority.good, name="shared")
    one.load(entries(shared_keys["rsa1024"]))
    one.start()
    yield one
    one.stop()


@pytest.fixture
def own_directory(folder, shared_keys):
    """One that a test may kill."""
    one = slapd.Slapd(folder)
    one.load(entries(shared_keys["rsa1024"]))
    one.start()
    yield one
    one.stop()


def ask(program, folder, url, queries, settings=None):
    """What -Q answers to each query, and what it wrote to stderr."""
    conf = folder / "query.conf"
    conf.write_text("Mode v\n" + "".join(f"{n} {v}\n" for n, v in (settings or {}).items()))
    data = "\n".join([url, *queries]) + "\n"
    done = subprocess.run([program, "-Q", "-x", conf], input=data.encode("utf-8", "surrogateescape"), capture_output=True,
                          timeout=patience.seconds(120))
    answers = done.stdout.decode("utf-8", "replace").split("enter query/n to query, EOF to end\n> ")[1:-1]
    return [a.rstrip("\n") for a in answers], done.stderr.decode("utf-8", "replace")


def test_found_absent_and_fields(program, folder, directory):
    answers, said = ask(program, folder, f"{directory.url}/?DKIMDomain,DKIMSelector,DKIMPublicKey,?sub?(DKIMIdentity=$d)",
                        ["d1.test/3", "none.test", "D1.TEST", "d1.test/4"])
    assert answers[0].split("\n") == ["'d1.test'", "'sel-d1.test'", "'unused'"], said
    assert answers[1:3] == ["record not found"] * 2, said
    assert answers[3].endswith("<absent>"), "no fourth attribute was asked for"


def test_every_shape_of_url(program, folder, directory):
    for url in (f"{directory.url}/dc=test?DKIMSelector?one?(DKIMIdentity=$d)", f"{directory.url}/$D?DKIMSelector?base",
                f"{directory.url}/$D?DKIMSelector", f"{directory.url}/?DKIMSelector?sub?%28DKIMIdentity%3D$d%29",
                f"{directory.url}/dc=test?dkimselector,?SUB?(&(objectClass=DKIM)(DKIMDomain=$d))",
                f"{directory.local_url}/?DKIMSelector?sub?(DKIMIdentity=$d)"):
        answers, said = ask(program, folder, url, ["d1.test", "none.test", ".test", "d1..test"])
        assert answers == ["'sel-d1.test'"] + ["record not found"] * 3, (url, said)


@pytest.mark.parametrize("url, says", [
    ("ldap:x", "an LDAP URL is needed"), ("ldap://h/?a?near?(b=$d)", "scope"), ("ldap://h/dc=x", "names no attributes"),
    ("ldap://h:0/?a?sub?(b=$d)", "names no server"), ("ldap://h/?a?sub?(b=%zz)", "hexadecimal"),
    ("ldapi:///var/run/ldapi?a?sub?(b=$d)", "%2F"), ("ldap://h/?a?sub?(b=$d)?!x=1", "critical"),
    ("ldap://h/?a?sub?(b=$d) http://h", "no LDAP URL"), ("ldap://h/?a?sub?(b=$d)" + " ldap://h" * 8, "more than 8 URLs")])
def test_bad_urls_are_refused(program, folder, url, says):
    answers, said = ask(program, folder, url, ["x"])
    assert answers == [] and says in said, said


def test_hostile_names_are_names(program, folder, directory):
    """What is in a From field is compared, and never read as a filter."""
    url = f"{directory.url}/?DKIMSelector?sub?(DKIMIdentity=$d)"
    nasty = ["*", "d1*", "*)(DKIMIdentity=*", "(", ")", "\\", "\\2a", "d1.test)(objectClass=*", "'", '"',
             "é.test", "\udcff\udcfe", "$d", "$D", "x" * 1000, "d1.test\\00", "&", "|", "!", "d1.test,dc=test"]
    answers, said = ask(program, folder, url, nasty)
    assert answers == ["record not found"] * len(nasty), [n for n in zip(nasty, answers) if n[1] != "record not found"]
    answers, _ = ask(program, folder, url, ["**", "a(b)c\\d", "o'br\"ien@x.test"])
    assert answers == ["'star'", "'paren'", "'quote'"]
    answers, said = ask(program, folder, f"{directory.url}/$D?DKIMSelector?base", nasty)
    assert answers == ["record not found"] * len(nasty), said


def test_long_values_and_octets(program, folder, directory):
    answers, _ = ask(program, folder, f"{directory.url}/?DKIMKey?sub?(DKIMIdentity=$d)", ["long.test"])
    assert answers == [f"'{LONG}'"]
    answers, _ = ask(program, folder, f"{directory.url}/?looseBlob?sub?(DKIMIdentity=$d)", ["blob.test"])
    assert "looseBlob has a NUL octet" in answers[0]
    answers, _ = ask(program, folder, f"{directory.url}/?{FIELDS}?sub?(DKIMIdentity=$d)", ["noselector.test/3"])
    assert answers[0].split("\n") == ["'noselector.test'", "<absent>", "<absent>"]


def test_more_than_one_entry(program, folder, directory):
    answers, said = ask(program, folder, f"{directory.url}/?DKIMSelector?sub?(DKIMIdentity=$d)", ["twice.test"] * 3)
    assert answers == ["'twice'"] * 3 and said.count("more than one entry") == 1, said


def test_base_and_attribute_that_are_not_there(program, folder, directory):
    answers, _ = ask(program, folder, f"{directory.url}/dc=nowhere?DKIMSelector?sub?(DKIMIdentity=$d)", ["d1.test"])
    assert 'has no base "dc=nowhere"' in answers[0], "a wrong base is a mistake of ours, not an answer"
    answers, _ = ask(program, folder, f"{directory.url}/?noSuchAttribute?sub?(DKIMIdentity=$d)", ["d1.test"])
    assert answers == ["<absent>"]
    answers, _ = ask(program, folder, f"{directory.url}/?DKIMSelector?sub?(DKIMIdentity=$d", ["d1.test"])
    assert "the filter" in answers[0]


BOUND = bytes.fromhex("300c02010161070a010004000400")     # the answer to the bind: success


class Liar(threading.Thread):
    """Answers the bind, and the search with OCTETS, PIECE at a time with a pause; then it says nothing more."""

    def __init__(self, octets, piece=None, bound=BOUND):
        super().__init__(daemon=True)
        self.octets, self.piece, self.bound = octets, piece or len(octets) or 1, bound
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ldap://127.0.0.1:{self.listener.getsockname()[1]}"
        self.start()

    def run(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        try:
            peer.recv(4096)
            peer.sendall(self.bound)
            peer.recv(4096)
            for at in range(0, len(self.octets), self.piece):
                peer.sendall(self.octets[at:at + self.piece])
                time.sleep(0.1)
            while peer.recv(4096):
                pass
        except OSError:
            pass


@pytest.mark.parametrize("octets, piece", [
    (b"", None), (b"\x30", None), (b"\x30\x82\x10\x00\x02\x01\x02\x64", None), (b"\x30\x82\x01\x00" + b"\2" * 100, 1),
    (b"\x30\x84\x7f\xff\xff\xff\x02\x01\x02\x64", None), (b"HTTP/1.1 400 Bad Request\r\n\r\n", None),
    (bytes.fromhex("300c02010265070a010004000400")[:-3], None)],
   ids=["nothing", "one octet", "a head", "a trickle", "a huge length", "HTTP", "no end"])
def test_servers_that_lie_or_stop_in_the_middle(program, folder, octets, piece):
    """No octets keep a thread for longer than LDAPTimeout, and none of them is an answer."""
    liar = Liar(octets, piece)
    begun = time.monotonic()
    answers, said = ask(program, folder, f"{liar.url}/?x?sub?(y=$d)", ["a", "b"], {"LDAPTimeout": 1})
    took = time.monotonic() - begun
    liar.listener.close()
    assert len(answers) == 2 and all(a.startswith("error: ") for a in answers), (answers, said)
    # A trickle that began the limit anew at each octet would take ten seconds; the others would wait for ever.
    patience.check(took, 2, 20, "two look-ups with a limit of 1 s each")


def test_a_server_that_does_not_even_bind(program, folder):
    liar = Liar(b"", bound=b"\x30\x84\x00")
    begun = time.monotonic()
    answers, said = ask(program, folder, f"{liar.url}/?x?sub?(y=$d)", ["a"] * 60, {"LDAPTimeout": 1})
    took = time.monotonic() - begun
    liar.listener.close()
    assert len(answers) == 60 and all("does not answer" in a for a in answers), (answers, said)
    patience.check(took, 1, 60, "60 look-ups with a limit of 1 s, each of which waits")


def settings(url, **more):
    base = {"KeyTable": url + KEYS, "SigningTable": url + SIGNING, "Mode": "s", "Canonicalization": "relaxed/simple",
            "CacheTTL": 0}
    base.update(more)
    return base


def is_tempfail(result):
    return result.verdict == "tempfail" or (result.verdict == "reply" and result.text[:1] == "4")


def check_signature(delivered, key):
    records = {f"sel-{d}._domainkey.{d}": key.record for d in DOMAINS}
    verdicts = verify.VERIFIERS[0].verify({"m": delivered}, records)
    assert [x for _, x in verdicts["m"]] == ["pass"], verdicts


WAYS = {
    "ldap": ("url", {}), "ldapi": ("local_url", {}), "ldaps": ("tls_url", {"LDAPTLSCAFile": "CA"}),
    "simple": ("url", {"LDAPBindUser": slapd.BIND_DN, "LDAPBindPassword": slapd.BIND_PASSWORD}),
    "none": ("url", {"LDAPAuthMechanism": "none"}), "external": ("local_url", {"LDAPAuthMechanism": "EXTERNAL"}),
    "starttls": ("url", {"LDAPTLSCAFile": "CA", "LDAPUseTLS": True, "LDAPBindUser": slapd.BIND_DN,
                              "LDAPBindPassword": slapd.BIND_PASSWORD}),
}


@pytest.mark.parametrize("way", WAYS)
def test_signed_with_a_key_of_the_directory(program, folder, directory, authority, shared_keys, way):
    which, more = WAYS[way]
    url = getattr(directory, which)
    more = {name: authority.ca if value == "CA" else value for name, value in more.items()}
    with Daemon(program, folder, settings(url, **more)) as daemon:
        for domain in DOMAINS:
            result, delivered = milter.one_shot(daemon.address, message(domain))
            assert result.signed, (result, daemon.log()[-1500:])
            check_signature(delivered, shared_keys["rsa1024"])
        result, _ = milter.one_shot(daemon.address, message("other.test"))
        assert result.verdict in ("accept", "continue") and not result.signed, result
        log = daemon.log()
    assert slapd.BIND_PASSWORD not in log and "PRIVATE KEY" not in log


def refused_by(program, folder, url, **more):
    """The log of a daemon whose directory cannot be used; its mail is tempfailed."""
    with Daemon(program, folder, settings(url, **more)) as daemon:
        result, _ = milter.one_shot(daemon.address, message(DOMAINS[0]))
        assert is_tempfail(result) and not result.signed, result
        log = daemon.log()
    assert "-secret" not in log, "a password is in the log"
    return log


def test_certificates_are_verified(program, folder, directory, authority, shared_keys):
    assert "cannot be reached" in refused_by(program, folder, directory.tls_url)
    assert "does not start TLS" in refused_by(program, folder, directory.url, LDAPUseTLS=True)
    wrong_name = directory.tls_url.replace("127.0.0.1", "localhost")
    assert "cannot be reached" in refused_by(program, folder, wrong_name, LDAPTLSCAFile=authority.ca)
    with Daemon(program, folder, settings(directory.tls_url, LDAPTLSVerify=False)) as daemon:
        assert milter.one_shot(daemon.address, message(DOMAINS[0]))[0].signed
        assert "LDAPTLSVerify no" in daemon.log()
    old = slapd.Slapd(folder, tls=authority.expired, name="expired")
    old.load(entries(shared_keys["rsa1024"]))
    old.start()
    try:
        refused_by(program, folder, old.tls_url, LDAPTLSCAFile=authority.ca)
        refused_by(program, folder, old.url, LDAPTLSCAFile=authority.ca, LDAPUseTLS=True)
    finally:
        old.stop()


def test_no_tls_where_it_was_asked_for(program, folder, own_directory):
    """A server without TLS is not asked in the clear."""
    assert "does not start TLS" in refused_by(program, folder, own_directory.url, LDAPUseTLS=True)


def test_wrong_password_and_no_rights(program, folder, shared_keys):
    one = slapd.Slapd(folder, anonymous=False)
    one.load(entries(shared_keys["rsa1024"]))
    one.start()
    try:
        log = refused_by(program, folder, one.url, LDAPBindUser=slapd.BIND_DN, LDAPBindPassword="wrong-secret")
        assert "correct LDAPBindUser and LDAPBindPassword" in log
        with Daemon(program, folder, settings(one.url, LDAPBindUser=slapd.BIND_DN, LDAPBindPassword=slapd.BIND_PASSWORD)) as daemon:
            assert milter.one_shot(daemon.address, message(DOMAINS[0]))[0].signed, daemon.log()
    finally:
        one.stop()


def test_incomplete_entries_say_what_is_missing(program, folder, directory):
    with Daemon(program, folder, settings(directory.url)) as daemon:
        assert is_tempfail(milter.one_shot(daemon.address, message("nokey.test"))[0])
        assert "the third field, the key, is empty" in daemon.log() and FIELDS.strip(",") in daemon.log(), daemon.log()
        assert is_tempfail(milter.one_shot(daemon.address, message("noselector.test"))[0])
        assert "no key name" in daemon.log()


THREADS = 4         # of Load
MANY = 400          # mail that is answered at once; were each to wait, it would take minutes


def at_once(daemon, load, what, wait):
    """MANY messages are WHAT though somebody waits WAIT seconds for a server now and then."""
    return load.wait(MANY, what, patience.below(MANY / THREADS * wait), daemon.log)


def test_killed_under_load(program, folder, own_directory, shared_keys):
    """kill -9 of the server, three times: nothing hangs, nothing goes unsigned, it is used again soon."""
    with Daemon(program, folder, settings(own_directory.url)) as daemon:
        with Load(daemon.address, MESSAGES) as load:
            load.wait(100, log=daemon.log)
            for away_s in (0.2, 2.0, 4.0):
                own_directory.kill()
                at_once(daemon, load, "tempfailed", 5)
                time.sleep(away_s)
                own_directory.start()
                print(f"\nslapd was away {away_s} s, used again after {load.wait(1, log=daemon.log):.2f} s")
                load.wait(100, log=daemon.log)
        load.report("kill -9 of slapd, 3 times")
        load.check(daemon)
        assert load.counts["broken"] == 0
        check_signature(load.samples[-1], shared_keys["rsa1024"])
        assert "answers again" in daemon.log()


def test_stopped_server(program, folder, own_directory):
    """SIGSTOP: every thread waits LDAPTimeout once at most, then mail is tempfailed at once until it goes on."""
    with Daemon(program, folder, settings(own_directory.url, LDAPTimeout=2)) as daemon:
        with Load(daemon.address, MESSAGES) as load:
            load.wait(50, log=daemon.log)
            own_directory.pause()
            took = [at_once(daemon, load, "tempfailed", 2)]
            time.sleep(4)       # it is tried again meanwhile
            took.append(at_once(daemon, load, "tempfailed", 2))
            own_directory.go_on()
            print(f"\nused again {load.wait(1, log=daemon.log):.2f} s after SIGCONT; {MANY} tempfailed in {took} s while it was stopped")
        load.report("slapd stopped")
        load.check(daemon)
        assert load.counts["broken"] == 0


def test_slow_by_three_seconds(program, folder, own_directory):
    """A server that is stopped for less than the time limit costs a wait and no tempfail."""
    with Daemon(program, folder, settings(own_directory.url, LDAPTimeout=20)) as daemon:
        assert milter.one_shot(daemon.address, message(DOMAINS[0]))[0].signed
        own_directory.pause()
        with Load(daemon.address, MESSAGES, threads=2) as load:
            time.sleep(3)
            own_directory.go_on()
            load.wait(50, log=daemon.log)
        assert set(load.counts) == {"signed"}, dict(load.counts)


@pytest.mark.parametrize("dead", ["refuses", "silent"])
def test_first_url_is_dead(program, folder, directory, own_directory, dead):
    first = f"ldap://127.0.0.1:{procs.free_port()}"
    if dead == "silent":
        own_directory.pause()
        first = own_directory.url
    both = {"KeyTable": f"{first}{KEYS} {directory.url}{KEYS}", "SigningTable": f"{first}{SIGNING} {directory.url}{SIGNING}"}
    with Daemon(program, folder, settings(first, **both, LDAPTimeout=3)) as daemon:
        begun = time.monotonic()
        for _ in range(5):
            for domain in DOMAINS:
                result, _ = milter.one_shot(daemon.address, message(domain))
                assert result.signed, (result, daemon.log())
        patience.check(time.monotonic() - begun, 3, 5 * len(DOMAINS) * 3, "waiting for the first server with each message")
    if dead == "silent":
        own_directory.go_on()


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_second_url_takes_over(program, folder, directory, own_directory, how):
    both = {"KeyTable": f"{own_directory.url}{KEYS} {directory.url}{KEYS}",
            "SigningTable": f"{own_directory.url}{SIGNING} {directory.url}{SIGNING}"}
    with Daemon(program, folder, settings("ldap://unused", **both, LDAPTimeout=2)) as daemon:
        with Load(daemon.address, MESSAGES) as load:
            load.wait(50, log=daemon.log)
            own_directory.kill() if how == "killed" else own_directory.pause()
            print(f"\n{MANY} messages more after {at_once(daemon, load, 'signed', 2):.2f} s")
        load.report(f"the first of two URLs {how}")
        assert set(load.counts) <= {"signed", "tempfailed"}, dict(load.counts)
        assert how == "stopped" or load.counts["tempfailed"] == 0, dict(load.counts)
    own_directory.go_on() if how == "stopped" else None


def test_start_without_the_server(program, folder, own_directory):
    own_directory.stop()
    with Daemon(program, folder, settings(own_directory.url)) as daemon:
        assert "cannot be asked" in daemon.log()
        result, _ = milter.one_shot(daemon.address, message(DOMAINS[0]))
        assert is_tempfail(result), result
        own_directory.start()
        assert procs.wait_until(lambda: milter.one_shot(daemon.address, message(DOMAINS[0]))[0].signed), daemon.log()


def test_new_domain_is_signed_at_once(program, folder, own_directory, shared_keys):
    with Daemon(program, folder, settings(own_directory.url)) as daemon:
        assert not milter.one_shot(daemon.address, message("fresh.test"))[0].signed
        own_directory.modify("dn: dc=d0,dc=test\nchangetype: modify\nreplace: DKIMIdentity\nDKIMIdentity: fresh.test\n")
        assert milter.one_shot(daemon.address, message("fresh.test"))[0].signed
        assert not milter.one_shot(daemon.address, message("d0.test"))[0].signed


ZIMBRA = """\
# opendkim.conf as zmconfigd writes it
Syslog yes
SyslogFacility LOCAL0
SyslogSuccess no
LogWhy yes
UserID {user}
UMask 022
Socket inet:{{port}}@[127.0.0.1]
PidFile {folder}/log/opendkim.pid
AutoRestart yes
AutoRestartCount 20
AutoRestartRate 10/1h
Canonicalization relaxed/relaxed
ClockDrift 300
DNSTimeout 10
InternalHosts file:{folder}/conf/opendkim-localnets.conf
KeyTable {keys}
SigningTable {signing}
LDAPBindUser {bind}
LDAPBindPassword {password}
LDAPUseTLS {tls}
LDAPTimeout 30
LDAPKeepaliveIdle 240
LDAPKeepaliveProbes 10
LDAPKeepaliveInterval 30
MaximumHeaders 65536
Minimum 0
Mode s
MultipleSignatures no
On-BadSignature accept
On-DNSError tempfail
On-InternalError tempfail
On-NoSignature accept
On-Security tempfail
ReportAddress root
RequireSafeKeys Yes
SendReports no
SignatureAlgorithm rsa-sha256
SignHeaders message-id,date,from,mime-version,to
SoftwareHeader yes
SubDomains no
TemporaryDirectory {folder}/data/tmp
"""


@pytest.mark.parametrize("tls", ["0", "1"])
def test_zimbra(program, folder, authority, shared_keys, tls, monkeypatch):
    """Zimbra's generated file with its schema, its bind user and its two servers; the CA is in ldap.conf there."""
    one = slapd.Slapd(folder, tls=authority.good, anonymous=False)
    one.load(entries(shared_keys["rsa1024"]))
    one.start()
    for name in ("conf", "log", "data"):
        (folder / name).mkdir()
        (folder / name).chmod(0o777)
    (folder / "conf/opendkim-localnets.conf").write_text("127.0.0.0/8\n[::1]/128\n")
    (folder / "ldap.conf").write_text(f"TLS_CACERT {authority.ca}\n")
    monkeypatch.setenv("LDAPCONF", str(folder / "ldap.conf"))
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    urls = [one.url, f"ldap://127.0.0.1:{procs.free_port()}"]
    text = ZIMBRA.format(folder=folder, user=user, keys=" ".join(u + KEYS for u in urls), tls=tls,
                         signing=" ".join(u + SIGNING for u in urls), bind=slapd.BIND_DN, password=slapd.BIND_PASSWORD)
    try:
        with Daemon(program, folder, text=text) as daemon:
            for domain in DOMAINS:
                result, delivered = milter.one_shot(daemon.address, message(domain))
                assert result.signed, (result, daemon.log()[-1500:])
                check_signature(delivered, shared_keys["rsa1024"])
            assert not milter.one_shot(daemon.address, message("sub.d0.test"))[0].signed, "the identity is the bare domain"
    finally:
        one.stop()
