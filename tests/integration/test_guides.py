"""The guides of doc/guides: each command line in them is run, in their order, on a machine of their own (lib/machine.py), with
the paths, ports and programs that stand there, and what is printed is compared with what is shown. What a guide leads to is
judged by mail: sent through a real MTA, received elsewhere, and verified by dkimpy with the keys that DNS has.

What is not as in the guides stands in the tables at the beginning.
"""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib import guide, lifecycle, machine, mariadb, panels, patience, postfix, procs, sendmail, slapd, stores, zimbradir

GUIDES = Path(__file__).resolve().parents[2] / "doc/guides"
BUILD = Path(os.environ.get("SIGNPOST_BUILD") or os.environ.get("BUILDDIR", "."))
# Months are seconds, as in the other tests of rotations.
QUICK = {"ttl": 2, "negative_floor": 1, "lease": 4, "signature_life": 3, "clock_error": 1, "tombstone": 600, "activation_wait": 0, "proofs": 2,
         "proof_interval": 1, "timed_ack": 5, "retry": 1, "retry_max": 2}
# Commands that only look: what they print is waited for.
LOOKS = ("signpost status", "signpost key list", "signpost key verify", "signpost drift", "signpost domain selftest", "signpost resolve",
         "signpost gateway list", "journalctl", "zmdkimkeyutil -q", "zmdkimkeyutil --all", "grep")
# Command lines that are not run, and why. A line of a guide that is not run and not here is a failure; so is one here that no guide has.
NOT_RUN = {
    "su - zimbra -c 'zmprov ms $(zmhostname) -zimbraServiceEnabled opendkim && zmopendkimctl stop'": "there is no Zimbra, but its directory and files",
    "su - zimbra -c 'zmprov ms $(zmhostname) +zimbraServiceEnabled opendkim && zmopendkimctl start'": "the same",
    "scp -q /etc/signpost/site.key root@10.0.0.21:/root/": "there is no sshd: the test copies the file",
    "scp -q /etc/signpost/site.key root@10.0.0.22:/root/": "the same",
    "nft add table inet signpost": "nftables is not among what the tests need",
    "nft add chain inet signpost input '{ type filter hook input priority 0; }'": "the same",
    "nft add rule inet signpost input tcp dport '{ 3306, 11211 }' ip saddr != '{ 10.0.0.10, 10.0.0.21, 10.0.0.22 }' drop": "the same",
    "systemctl restart amavis": "there is no amavisd, but a filter in its place",
}
MISSING = (machine.missing() or stores.missing() or (None if lifecycle.program() else "signpost-admind is not built"))
pytestmark = [pytest.mark.skipif(MISSING is not None, reason=str(MISSING)), pytest.mark.signpost("the guides are about it")]


@pytest.fixture(scope="module")
def installed(module_folder):
    """What README's "make install" leaves."""
    done = subprocess.run(["make", "-s", "-C", BUILD, "install", f"DESTDIR={module_folder}/installed"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return module_folder / "installed"


@pytest.fixture
def make(folder, installed):
    """make(zones): a machine, with Debian's Postfix as it is installed, but for its name."""
    made = []

    def make_one(zones=(), layers=(), **more):
        one = machine.Machine(folder, [installed, *layers], zones, **more).__enter__()
        made.append(one)
        one.run(f"postconf -e myhostname={one.name} inet_protocols=ipv4 inet_interfaces=127.0.0.1 'mydestination=$myhostname, localhost'")
        return one
    yield make_one
    for one in made:
        one.__exit__()


class Reader:
    """Somebody who does what a guide says. before: {beginning of a command: what happens before it is run}."""

    def __init__(self, name, host, before=None, hosts=None):
        self.name, self.host, self.before, self.hosts = name, host, before or {}, hosts or {}
        self.steps = guide.read(GUIDES / name)

    def follow(self):
        for step in self.steps:
            try:
                for name in step.hosts or [""]:  # on each machine it is for
                    self.host = self.hosts.get(name, self.host)
                    self.do(step)
            except AssertionError as error:
                raise AssertionError(f"doc/guides/{self.name}, line {step.line}: {step.command}\n{error}") from None
        assert not self.before, f"no such command in {self.name}: {list(self.before)}"
        return self

    def do(self, step):
        for start in [start for start in self.before if step.command.startswith(start)]:
            self.before.pop(start)()
        if step.kind == "run":
            self.run(step)
        else:
            self.put(step)

    def put(self, step):
        text = json.dumps({**json.loads(step.text), **QUICK}) if step.command.endswith("plan.json") else step.text
        self.host.run(f"mkdir -p {os.path.dirname(step.command)}; cat {'>>' if step.kind == 'append' else '>'} {step.command}", text)

    def run(self, step):
        if step.command in NOT_RUN:
            return
        looks = step.command.startswith(LOOKS)
        deadline = patience.seconds(60)

        def good():
            self.done = self.host.ask(step.command)
            return self.done.returncode == 0 and (not step.shown or guide.is_shown(step.shown, self.done.stdout))
        assert procs.wait_until(good, deadline if looks else 0, 0.5), (
            f"exit {self.done.returncode}, printed:\n{self.done.stdout}{self.host.logs()}")


def key_files(host, domains, selector="mail", where="/etc/dkimkeys"):
    """A key for each of DOMAINS, where opendkim-genkey would have put it, and its record in DNS."""
    for domain in domains:
        host.run(f"mkdir -p {where}/{domain}; signpost genkey -a -D {where}/{domain} -d {domain} -s {selector}")
        host.publish(host.run(f"cat {where}/{domain}/{selector}.txt"))


# ---- notation ----

def test_every_line_is_run_or_named():
    """What is in NOT_RUN is in a guide; and all guides are run here."""
    steps = {name: guide.read(GUIDES / name) for name in names()}
    lines = {step.command for found in steps.values() for step in found}
    assert set(NOT_RUN) <= lines, set(NOT_RUN) - lines
    here = Path(__file__).read_text(encoding="utf-8")
    for name in names():
        assert steps[name] and (f'Reader("{name}"' in here or name.endswith(".ja")), f"{name} is not run"


@pytest.mark.parametrize("name", sorted(path.name for path in GUIDES.glob("*.ja")))
def test_a_translation_has_the_same_commands(name):
    ours, theirs = ([step.same() for step in guide.read(GUIDES / one)] for one in (name, name.removesuffix(".ja")))
    assert ours == theirs


def names():
    return sorted(path.name for path in GUIDES.iterdir() if path.suffix in ("", ".ja"))


def test_what_is_shown_is_compared():
    assert guide.is_shown(["a ... c", "...", "d"], "a  b   c\nx\ny\n\nd\n") and guide.is_shown(["a", "...", "d"], "a\nd\n")
    assert not guide.is_shown(["a"], "a\nb\n") and not guide.is_shown(["a", "b"], "a\n") and not guide.is_shown(["a.c"], "abc")


# ---- guides ----

def opendkim_site(host, domains):
    """A site as tutorials make it: Debian's opendkim, two tables, Postfix."""
    key_files(host, domains)
    rows = "".join(f"*@{d} mail._domainkey.{d}\n" for d in domains)
    table = "".join(f"mail._domainkey.{d} {d}:mail:/etc/dkimkeys/{d}/mail.private\n" for d in domains)
    host.write("/etc/opendkim/SigningTable", rows)
    host.write("/etc/opendkim/KeyTable", table)
    host.write("/etc/opendkim/TrustedHosts", "127.0.0.1\n::1\nlocalhost\n")
    host.run("chown -R opendkim: /etc/dkimkeys; chmod -R go-rwx /etc/dkimkeys")
    host.write("/etc/opendkim.conf", "Syslog yes\nSyslogSuccess yes\nCanonicalization relaxed/simple\nMode sv\nOversignHeaders From\nUserID opendkim\n"
               "UMask 007\nSocket inet:8891@127.0.0.1\nPidFile /run/opendkim/opendkim.pid\nKeyTable file:/etc/opendkim/KeyTable\n"
               "SigningTable refile:/etc/opendkim/SigningTable\nInternalHosts /etc/opendkim/TrustedHosts\n")
    host.run("postconf -e smtpd_milters=inet:127.0.0.1:8891 non_smtpd_milters=inet:127.0.0.1:8891 milter_default_action=tempfail")
    host.run("systemctl start opendkim postfix")


@pytest.mark.skipif(not os.access("/usr/sbin/opendkim", os.X_OK) or postfix.missing() is not None, reason="opendkim or postfix is not installed")
def test_opendkim(make):
    domains = ["example.com", "example.org"]
    host = make(domains)
    opendkim_site(host, domains)

    def mail():
        for domain in domains:
            assert host.signed(f"alice@{domain}") == ["mail"]
    mail()

    def rotated():
        assert procs.wait_until(lambda: host.signed("alice@example.com") not in ([], ["mail"]), patience.seconds(60), 0.5), host.logs()
        assert host.signed("alice@example.org") == ["mail"]

    def switched():
        host.run("systemctl stop opendkim")
        mail()
        host.run("systemctl start opendkim")
    Reader("opendkim", host, before={"signpost shadow": mail, "signpost rotate": switched, "journalctl": rotated}).follow()
    assert host.signed("alice@example.com") not in ([], ["mail"]) and host.signed("bob@example.org") == ["mail"]
    assert "signpostd" not in host.run("ps ax")


def published(host, path="/etc/signpost/keys/s2026.txt"):
    return {"runuser -u signpost -- signpost testkey": lambda: host.publish(host.run(f"cat {path}"))}


@pytest.mark.skipif(postfix.missing() is not None, reason="postfix is not installed")
def test_postfix(make):
    host = make(["example.com"])
    host.run("systemctl start postfix")
    assert host.signed("alice@example.com") == []

    def mail():
        assert host.next_mail() and host.signed("alice@example.com") == ["s2026"]
        host.run("printf 'From: alice@example.com\nTo: someone@far.example\n\nA line.\n' | sendmail -f alice@example.com -t")
        assert [line.endswith("good") for line in host.judge(host.next_mail())] == [True]
    Reader("postfix", host, before={**published(host), "journalctl": lambda: None, "postconf -X": mail}).follow()
    assert host.signed("alice@example.com") == []
    loopback(host)


def loopback(host):
    """The other guide, on the machine of the first one."""
    host.run("postconf -e smtpd_milters=inet:127.0.0.1:8891")
    for port, back in ((10024, 10025), (10026, 10028)):
        host.spawn([sys.executable, machine.HERE / "machine_filter.py", port, back], f"filter{port}")
        host.until(f"swaks -q connect -s 127.0.0.1 -p {port}")

    def seen():
        found = {("forged" if b"From: forged" in mail else "alice"): host.judge(mail) for mail in (host.next_mail(), host.next_mail())}
        assert found["forged"] == ["there is no DKIM-Signature"] and [line.endswith("good") for line in found["alice"]] == [True], found
    Reader("loopback-trap", host, before={"journalctl": seen}).follow()


def database(host, address="127.0.0.1", *more):
    """Debian's MariaDB, with nothing in it."""
    host.run("rm -rf /var/lib/mysql; install -d -o mysql /var/lib/mysql /run/mysqld; mariadb-install-db --user=mysql --skip-test-db > /dev/null")
    host.spawn(["mariadbd", "--user=mysql", f"--bind-address={address}", *more], "mariadb")
    host.until("mariadb -e 'SELECT 1'")


@pytest.mark.skipif(postfix.missing() is not None or mariadb.missing() is not None, reason="postfix or mariadb is not installed")
def test_postfixadmin(make):
    """PostfixAdmin itself is its tables, as its upgrade.php makes them."""
    host = make(["example.com"])
    host.run("systemctl start postfix")
    database(host)
    host.run("mariadb -e 'CREATE DATABASE postfixadmin CHARACTER SET utf8mb4'")
    host.run("mariadb postfixadmin", f"{panels.PostfixAdmin.tables}; INSERT INTO domain(domain) VALUES ('example.com')")

    def key():
        host.run("openssl genrsa -out /root/k 2048 2>/dev/null; openssl rsa -in /root/k -pubout -out /root/p 2>/dev/null")
        private, public = (mariadb.quote(host.run(f"cat /root/{name}")) for name in "kp")
        host.run("mariadb postfixadmin", f"INSERT INTO dkim(domain_name, private_key, public_key) VALUES ('example.com', {private}, {public})")

    def signing():
        text = host.done_text.strip()
        host.publish(f'default._domainkey.example.com. IN TXT "{text[:200]}" "{text[200:]}"')
        host.run("mariadb postfixadmin -e \"INSERT INTO dkim_signing(author, dkim_id) SELECT domain_name, id FROM dkim\"")

    def mail():
        assert host.next_mail() and host.signed("alice@example.com") == ["default"]
    def rotated():
        assert procs.wait_until(lambda: host.signed("alice@example.com") not in ([], ["default"]), patience.seconds(60), 0.5), \
            host.run("signpost status example.com") + host.logs()
        shown = host.run("mariadb -N postfixadmin -e 'SELECT author, selector, description FROM dkim_signing JOIN dkim ON dkim.id = dkim_id'").split()
        assert shown == ["example.com", *host.signed("alice@example.com"), "Signpost"]
    reader = Reader("postfixadmin", host)
    reader.before = {"mariadb -N": key, "signpost resolve": lambda: (setattr(host, "done_text", reader.done.stdout), signing()),
                     "mariadb -e \"CREATE USER 'signpostmirror'": mail, "signpost status": rotated}
    reader.follow()


@pytest.mark.skipif(sendmail.missing() is not None, reason=str(sendmail.missing()))
def test_sendmail(make):
    """Debian's packages, unpacked over Postfix; what their installation would do is done here."""
    host = make(["example.com"], [sendmail.tree()])
    host.run("groupadd -f smmsp; useradd -r -g smmsp smmsp; groupadd -f smmta; useradd -r -g smmta smmta; rm -f /usr/sbin/sendmail;"
             "ln -s /usr/libexec/sendmail/sendmail /usr/sbin/sendmail; cp /usr/share/sendmail/cf/debian/sendmail.mc /etc/mail/;"
             "mkdir -p /var/spool/mqueue /etc/mail/m4 /run/sendmail/mta; touch /etc/mail/m4/dialup.m4 /etc/mail/m4/provider.m4 /etc/mail/local-host-names;"
             "chmod 700 /var/spool/mqueue; m4 /etc/mail/sendmail.mc > /etc/mail/sendmail.cf; echo > /etc/mail/access; makemap hash /etc/mail/access < /etc/mail/access")

    def mail():
        assert host.next_mail() and host.signed("alice@example.com") == ["s2026"]
    Reader("sendmail", host, before={**published(host), "sed -i": mail}).follow()
    assert host.signed("alice@example.com") == []


# ---- Zimbra ----

class Zimbra(zimbradir.ZimbraDirectory):
    """A directory as Zimbra's, at ldap.example.net with TLS, and the files below /opt/zimbra that matter here."""

    def __init__(self, host):
        self.host = host
        (host.folder / "ca").mkdir()
        authority = mariadb.Authority(host.folder / "ca")
        super().__init__(host.folder, tls=(authority.path, *authority.certificate("ldap", host="DNS:ldap.example.net")))
        self.port = 389
        host.run(f"echo 127.0.0.1 ldap.example.net >> /etc/hosts; adduser --quiet --system --group zimbra; install -D -m 644 {authority.path} /opt/zimbra/conf/ca/ca.pem")
        self.localconfig(host.folder / "localconfig.xml", urls="ldap://ldap.example.net:389", start_tls=1)
        host.run(f"install -o zimbra -m 600 {host.folder}/localconfig.xml /opt/zimbra/conf/")
        host.write("/opt/zimbra/conf/opendkim-localnets.conf", "127.0.0.0/8\n[::1]/128\n")
        url = "ldap://ldap.example.net:389/?"
        host.write("/opt/zimbra/conf/opendkim.conf", f"""UserID zimbra:zimbra
UMask 022
Socket inet:8465@127.0.0.1
PidFile /run/zimbra-opendkim.pid
LDAPBindUser {zimbradir.MTA_DN}
LDAPBindPassword {zimbradir.MTA_PASSWORD}
LDAPUseTLS yes
LDAPTimeout 30
SigningTable {url}DKIMSelector?sub?(DKIMIdentity=$d)
KeyTable {url}DKIMDomain,DKIMSelector,DKIMKey,?sub?(DKIMSelector=$d)
Canonicalization relaxed/relaxed
SignHeaders message-id,date,from,mime-version,to
Mode s
MultipleSignatures no
SignatureAlgorithm rsa-sha256
InternalHosts file:/opt/zimbra/conf/opendkim-localnets.conf
Syslog yes
LogWhy yes
""")

    @staticmethod
    def accounts():
        top = [("objectClass", "dcObject"), ("objectClass", "organization")]
        entry = slapd.ldif("dc=example,dc=com", top + [("o", "example"), ("dc", "example")])
        return zimbradir.ZimbraDirectory.accounts().replace(entry, slapd.ldif("dc=org", top + [("o", "org"), ("dc", "org")]))

    def start(self):
        self.host.spawn([slapd.program(), "-d", "0", "-h", "ldap://127.0.0.1:389/", "-f", self.folder / "slapd.conf"], "slapd")
        self.host.until("ldapsearch -x -H ldap://127.0.0.1 -s base > /dev/null")


@pytest.mark.skipif(postfix.missing() is not None or slapd.program() is None, reason="postfix or slapd is not installed")
def test_zimbra(make):
    host = make(["example.com", "example.org"])
    directory = Zimbra(host)
    host.run("signpost genkey -a -h '' -D /root -d example.com -s 0e9f184a-9577-11e1-ad0e-2a2fbbac6bcb")
    made = [host.run(f"cat /root/0e9f184a-9577-11e1-ad0e-2a2fbbac6bcb.{end}") for end in ("private", "txt")]
    host.publish(made[1])
    directory.load([directory.domain("example.com", dkim=("0E9F184A-9577-11E1-AD0E-2A2FBBAC6BCB", *made)),
                    directory.domain("example.org"), directory.domain("alias.example.org", alias_of="example.org")])
    directory.start()
    # Its Postfix: 25 comes from outside, 10030 is where users' mail comes back to.
    for port, name in ((25, "BACK"), (10030, "ORIGINATING")):
        where = "smtp" if port == 25 else "127.0.0.1:10030"
        host.run(f"postconf -M '{where}/inet={where} inet n - y - - smtpd' && postconf -P {where}/inet/smtpd_milters=inet:127.0.0.1:8465 "
                 f"{where}/inet/milter_macro_daemon_name={name}")
    host.run("systemctl start postfix")

    def rotated():
        """By now the directory has a key of signpost-admind."""
        assert procs.wait_until(lambda: "0E9F" not in host.run("zmdkimkeyutil -q -d example.com --ca /opt/zimbra/conf/ca/ca.pem")), host.logs()
        assert host.signed("boss@example.com") == [], "a forged one"
        assert procs.wait_until(lambda: len(host.signed("boss@example.com", "-p 10030")) == 1, patience.seconds(60), 0.5), host.logs()
        assert procs.wait_until(lambda: len(host.signed("boss@example.org", "-p 10030")) == 1, patience.seconds(60), 0.5), host.logs()
    Reader("zimbra", host, before={"signpost status": rotated}).follow()


# ---- several machines ----

def wire(hosts):
    """The machines of HOSTS ({name: (machine, address)}) in one network, behind a bridge of the first one."""
    first, address = next(iter(hosts.values()))
    first.run(f"ip link add br0 type bridge; ip addr add {address}/24 dev br0; ip link set br0 up")
    for name, (one, address) in list(hosts.items())[1:]:
        done = subprocess.run(["nsenter", "-t", str(first.init), "-n", "sh", "-ec", f"ip link add {name} type veth peer name eth0 netns {one.init}; "
                               f"ip link set {name} master br0 up"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        one.run(f"ip addr add {address}/24 dev eth0; ip link set eth0 up")


@pytest.mark.skipif(postfix.missing() is not None or mariadb.missing() is not None or not machine.shutil.which("memcached"), reason="a server is not installed")
def test_isp(make):
    db, gw1, gw2 = (make(["example.com"] if name == "db1" else [], name=f"{name}.example.net", dns=name == "db1") for name in ("db1", "gw1", "gw2"))
    hosts = {"db1": (db, "10.0.0.10"), "gw1": (gw1, "10.0.0.21"), "gw2": (gw2, "10.0.0.22")}
    wire(hosts)
    (db.folder / "ca").mkdir()
    authority = mariadb.Authority(db.folder / "ca")
    certificate, key = authority.certificate("db", host="IP:10.0.0.10")
    db.run(f"install -o mysql {certificate} {key} /etc/mysql/")
    database(db, "10.0.0.10", f"--ssl-cert=/etc/mysql/{certificate.name}", f"--ssl-key=/etc/mysql/{key.name}", f"--ssl-ca={authority.path}")
    for one, _ in hosts.values():
        one.run(f"install -D -m 644 {authority.path} /etc/signpost/db-ca.pem")
    # The gateways know one name server, that of db1, which listens anew for its address.
    db.run("rndc reconfig 2>/dev/null || :")
    for one in (gw1, gw2):
        one.run("ip addr del 192.0.2.53/32 dev lo; ip addr del 192.0.2.25/32 dev lo; ip route add default via 10.0.0.10; echo nameserver 192.0.2.53 > /etc/resolv.conf;"
                "systemctl start postfix")
        one.mail = db.mail

    def copied():
        for one in (gw1, gw2):
            one.write("/root/site.key", db.run("cat /etc/signpost/site.key"))

    def mail():
        for one in (gw1, gw2):
            def good():
                one.seen = len(list(db.mail.glob("*.eml")))
                return len(one.signed("alice@example.com")) == 1
            assert procs.wait_until(good, patience.seconds(60), 0.5), one.logs()
    Reader("isp", db, hosts={name: one for name, (one, _) in hosts.items()},
           before={"install -m 600 /root/site.key": copied, "signpost gateway forget": lambda: None, "postconf -X": mail}).follow()


# ---- iRedMail ----

@pytest.mark.skipif(postfix.missing() is not None, reason="postfix is not installed")
def test_iredmail(make):
    """iRedMail is its files of keys, amavisd's configuration and its Postfix; amavisd is a filter."""
    host = make(["example.com"])
    host.run("install -d /var/lib/dkim /etc/amavis/conf.d; openssl genrsa -traditional -out /var/lib/dkim/example.com.pem 2048 2>/dev/null;"
             "chmod 400 /var/lib/dkim/example.com.pem")
    public = "".join(host.run("openssl rsa -in /var/lib/dkim/example.com.pem -pubout 2>/dev/null").splitlines()[1:-1])
    host.publish(f'dkim._domainkey.example.com. IN TXT "v=DKIM1; p=" "{public[:200]}" "{public[200:]}"')
    host.write("/etc/amavis/conf.d/50-user", '$enable_dkim_signing = 1;\ndkim_key("example.com", "dkim", "/var/lib/dkim/example.com.pem");\n')
    for back in (10025, 10028):
        where = f"127.0.0.1:{back}/inet"
        host.run(f"postconf -M '{where}=127.0.0.1:{back} inet n - y - - smtpd' && postconf -P {where}/content_filter= {where}/smtpd_milters= "
                 f"{where}/receive_override_options=no_unknown_recipient_checks,no_milters")
    for port, back in ((10024, 10025), (10026, 10028)):
        host.spawn([sys.executable, machine.HERE / "machine_filter.py", port, back], f"filter{port}")
        host.until(f"swaks -q connect -s 127.0.0.1 -p {port}")
    host.run("postconf -M 'submission/inet=submission inet n - y - - smtpd' && postconf -P submission/inet/content_filter=smtp:[127.0.0.1]:10026 &&"
             "postconf -e content_filter=smtp:[127.0.0.1]:10024 && systemctl start postfix")

    def mail():
        assert host.signed("boss@example.com") == [] and host.signed("boss@example.com", "-p 587") == ["dkim"]
    reader = Reader("iredmail", host)
    reader.before = {"signpost status": mail}
    reader.follow()
    assert host.signed("boss@example.com", "-p 587") == []
