"""A private slapd with the schema, the rights and the indexes of ldif/, as an administrator sets them up, and the driver
of key stores (tests/conformance/keystore_driver) that asks it.

cn=config is made from a slapd.conf. The schema comes as signpost.schema with it, or as signpost.ldif afterwards.
"""
import base64
import os
import re
import signal
import subprocess
import urllib.parse
from pathlib import Path

from . import procs, slapd

ROOT = Path(__file__).resolve().parents[3]
LDIF = ROOT / "ldif"
BUILD = Path(os.environ.get("SIGNPOST_BUILD") or os.environ.get("BUILDDIR") or ".").resolve()
DRIVER = BUILD / "tests/conformance/keystore_driver"
TOP, BASE = "dc=example,dc=com", "ou=signpost,dc=example,dc=com"
ADMIN, GATEWAY = f"cn=signpost-admin,{TOP}", f"cn=signpost-gateway,{TOP}"
ADMIN_PASSWORD, GATEWAY_PASSWORD = "secret-of-the-admin", "secret-of-the-gateway"
ROOT_DN, ROOT_PASSWORD = f"cn=root,{TOP}", "root-secret"


def missing():
    if slapd.program() is None:
        return "slapd is not installed"
    return None if DRIVER.exists() else f"{DRIVER} is not built"


def words(**fields):
    return " ".join(f"{n}={encode(v)}" for n, v in fields.items())


def encode(value):
    data = value if isinstance(value, bytes) else str(value).encode()
    return "".join(chr(c) if 0x21 <= c < 0x7f and c not in b"%=" else f"%{c:02x}" for c in data) or "-"


def decode(text):
    return urllib.parse.unquote_to_bytes(text).decode("utf-8", "surrogateescape")


class Answer:
    def __init__(self, lines):
        self.last = lines[-1][2:]
        self.status = self.last.split(" at=")[0].split(":")[0].split(" epoch=")[0].split(" ")[0]
        self.rows = []
        for line in lines[:-1]:
            kind, *pairs = line.split(" ")
            self.rows.append((kind, {p.split("=", 1)[0]: decode(p.split("=", 1)[1]) for p in pairs}))

    @property
    def ok(self):
        return self.status == "ok"

    def of(self, kind):
        return [row for name, row in self.rows if name == kind]

    def value(self, name):
        return next(w.split("=", 1)[1] for w in self.last.split() if w.startswith(name + "="))

    def __repr__(self):
        return f"{self.rows} = {self.last}"


class Driver:
    def __init__(self, spec, write=False, **options):
        args = [DRIVER] + (["-w"] if write else [])
        for name, value in options.items():
            args += ["-o", f"{name}={value}"]
        self.process = subprocess.Popen([*map(str, args), spec], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, errors="surrogateescape")

    def send(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def take(self):
        lines = []
        while not lines or not lines[-1].startswith("= "):
            line = self.process.stdout.readline()
            assert line, f"the driver ended: {lines} {self.process.stderr.read()[-2000:]}"
            lines.append(line.rstrip("\n"))
        return Answer(lines)

    def ask(self, *parts):
        self.send(" ".join([parts[0], *(encode(p) for p in parts[1:])]))
        return self.take()

    def apply(self, *writes):
        """WRITES: ("add", "domain", {...}), ..."""
        for how, kind, fields in writes:
            self.send(f"{how} {kind} {words(**fields)}")
        self.send("apply")
        return self.take()

    def rss_kib(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1])
        return 0

    def close(self):
        self.process.stdin.close()
        code = self.process.wait(30)
        said = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return code, said

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        code, said = self.close()
        assert kind is not None or code == 0, f"the driver ended with {code}: {said[-2000:]}"


def account(dn, cn, password):
    return slapd.ldif(dn, [("objectClass", "organizationalRole"), ("objectClass", "simpleSecurityObject"), ("cn", cn),
                           ("userPassword", password)])


def top():
    return (slapd.ldif(TOP, [("objectClass", "dcObject"), ("objectClass", "organization"), ("dc", "example"), ("o", "x")])
            + account(ADMIN, "signpost-admin", ADMIN_PASSWORD) + account(GATEWAY, "signpost-gateway", GATEWAY_PASSWORD)
            + account(f"cn=gw2,{TOP}", "gw2", GATEWAY_PASSWORD)
            + slapd.ldif(f"cn=signpost-gateways,{TOP}", [("objectClass", "groupOfNames"), ("cn", "signpost-gateways"),
                                                         ("member", f"cn=gw2,{TOP}")])
            + slapd.ldif(BASE, [("objectClass", "organizationalUnit"), ("ou", "signpost")]))


ADMIN_INDEXES = "SecretHash|TokenTenant|ProviderTenant|QuotaTenant|ReplyAt|AuditSeq|AuditTenant|Actor|Object"


def without_admin(text):
    """The schema as it was before there were tokens and an audit."""
    text, parts = re.subn(r"olcAttributeTypes: \( signpostAttributes:(?:6[5-9]|[789][0-9]|10[0-9]) .*\n(  .*\n)+", "", text)
    text, classes = re.subn(r"olcObjectClasses: \( signpostClasses:(?:9|1[0-4]) .*\n(  .*\n)+", "", text)
    assert (parts, classes) == (45, 6), (parts, classes)
    return text


def rights_without_admin(text):
    """acl.ldif and indexes.ldif as they were then."""
    text = re.sub(rf"(?m)^olcDbIndex: signpost({ADMIN_INDEXES}) eq\n", "", text)
    return re.sub(r"(?s)olcAccess: \{2\}to dn.children.*?olcAccess: \{4\}", "olcAccess: {2}", text)


def without_life(text):
    """The schema as it was before there was a life cycle of keys."""
    text = without_admin(text)
    text, parts = re.subn(r"olcAttributeTypes: \( signpostAttributes:(?:5[3-9]|6[0-4]) .*\n(  .*\n)+", "", text)
    text, classes = re.subn(r"olcObjectClasses: \( signpostClasses:8 .*\n(  .*\n)+", "", text)
    text, uses = re.subn(r" signpost(LeaseHolder|LeaseUntil|Life|DueAt|Lease|Loading) \$", "", text)
    assert (parts, classes, uses) == (12, 1, 7), (parts, classes, uses)
    return text


def rights_without_life(text):
    """acl.ldif and indexes.ldif as they were then."""
    text = re.sub(r"(?m)^olcDbIndex: signpost(DueAt|Loading) eq\n", "", rights_without_admin(text))
    text = re.sub(r"(?s)replace: olcAddContentAcl\n.*?\n-\n", "", text)
    return re.sub(r"(?s)olcAccess: \{0\}to dn.regex.*?olcAccess: \{2\}", "olcAccess: {0}", text)


def without_identity(text):
    """The schema as it was before there were identities."""
    text, parts = re.subn(r"olcAttributeTypes: \( signpostAttributes:52 .*\n(  .*\n)+", "", text)
    text, uses = re.subn(r"\n +signpostStoreIdentity \$", "", text)
    assert (parts, uses) == (1, 1), (parts, uses)
    return text


class Directory:
    """start() and stop() any number of times; the ports and the data stay."""

    def __init__(self, folder, name="store", form="ldif", tls=None, zimbra=False, rights=True, consumer_of=None,
                 with_schema=True, older=False, lifeless=False, adminless=False, debug="0"):
        """OLDER: the schema of 0.1. LIFELESS: the one after it, without the life cycle of keys. ADMINLESS: the next,
        without tokens and audit."""
        self.folder = Path(folder) / name
        self.config, self.data = self.folder / "slapd.d", self.folder / "db"
        for path in (self.config, self.data):
            path.mkdir(parents=True)
        self.tls, self.process, self.debug, self.lifeless = tls, None, debug, older or lifeless
        self.adminless = adminless
        self.port, self.tls_port = procs.free_ports(2)
        self.socket = self.folder / "ldapi"
        self.schema = (LDIF / "signpost.schema") if form == "schema" and with_schema else None
        (self.folder / "slapd.conf").write_text(self.text(zimbra, consumer_of))
        self.run("slaptest", "-n", "0", "-f", self.folder / "slapd.conf", "-F", self.config)
        if with_schema and form == "ldif":
            text = (LDIF / "signpost.ldif").read_text()
            path = self.folder / "schema.ldif"
            text = without_life(text) if self.lifeless else without_admin(text) if adminless else text
            path.write_text(without_identity(text) if older else text)
            self.run("slapadd", "-F", self.config, "-n", "0", "-l", path)
        self.rights = rights and with_schema

    def text(self, zimbra, consumer_of):
        lines = ["include /etc/ldap/schema/core.schema"]
        if zimbra:
            (self.folder / "dkim.schema").write_text(slapd.schema(True))
            lines.append(f"include {self.folder}/dkim.schema")
        if self.schema:
            lines.append(f"include {self.schema}")
        lines += [f"pidfile {self.folder}/slapd.pid", "modulepath /usr/lib/ldap", "moduleload back_mdb", "moduleload syncprov",
                  "sizelimit 500", "sockbuf_max_incoming_auth 16777216",
                  f"authz-regexp gidNumber=.*,cn=peercred,cn=external,cn=auth {GATEWAY}"]
        if self.tls:
            lines += [f"TLSCACertificateFile {self.tls[0]}", f"TLSCertificateFile {self.tls[1]}",
                      f"TLSCertificateKeyFile {self.tls[2]}"]
        lines += ["database config", "rootdn cn=config", f"rootpw {ROOT_PASSWORD}",
                  "database mdb", f"suffix {TOP}", f"rootdn {ROOT_DN}", f"rootpw {ROOT_PASSWORD}", f"directory {self.data}",
                  "maxsize 2147483648", "envflags nosync nometasync",
                  "access to attrs=userPassword by anonymous auth by * none", "access to * by * read"]
        if consumer_of:
            lines += [f"syncrepl rid=1 provider={consumer_of.url} type=refreshAndPersist retry=\"1 +\" searchbase={TOP}"
                      f" bindmethod=simple binddn={ROOT_DN} credentials={ROOT_PASSWORD}", f"updateref {consumer_of.url}"]
        else:
            lines.append("overlay syncprov")
        return "\n".join(lines) + "\n"

    @staticmethod
    def run(tool, *args):
        done = subprocess.run([slapd.program(), "-T", tool.replace("slap", ""), *map(str, args)], capture_output=True, text=True)
        assert done.returncode == 0, f"{tool} {args}: {done.stdout}{done.stderr}"

    @property
    def url(self):
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls_url(self):
        return f"ldaps://127.0.0.1:{self.tls_port}"

    @property
    def local_url(self):
        return "ldapi://" + urllib.parse.quote(str(self.socket), safe="")

    def load(self, text):
        """Only while it does not run."""
        path = self.folder / "load.ldif"
        path.write_text(text)
        self.run("slapadd", "-q", "-F", self.config, "-b", TOP, "-l", path)

    def start(self):
        where = f"{self.url}/ {self.local_url}/" + (f" ldaps://127.0.0.1:{self.tls_port}/" if self.tls else "")
        self.process = procs.Process([slapd.program(), "-d", self.debug, "-h", where, "-F", self.config], self.folder / "slapd.log",
                                     cwd=self.folder)
        procs.wait_connect(("127.0.0.1", self.port), 20, self.process)
        if self.rights:
            self.rights = False
            for name in ("indexes.ldif", "acl.ldif"):
                text = (LDIF / name).read_text()
                text = rights_without_life(text) if self.lifeless else rights_without_admin(text) if self.adminless else text
                self.modify(text, "cn=config")
        return self

    def upgrade(self, name):
        """identity.ldif or lifecycle.ldif, as an administrator loads it."""
        found = self.search("(cn=*signpost)", "dn", dn="cn=config", password=ROOT_PASSWORD, base="cn=schema,cn=config")
        self.modify((LDIF / name).read_text().replace("{1}signpost", re.search(r"(\{\d+\}signpost)", found)[1]), "cn=config")

    def stop(self):
        if self.process:
            self.process.stop()

    def kill(self):
        self.process.kill()

    def pause(self):
        self.process.signal(signal.SIGSTOP)
        procs.stopped(self.process.pid)

    def go_on(self):
        self.process.signal(signal.SIGCONT)

    def clear(self):
        """Nothing is left below BASE."""
        found = subprocess.run(["ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", self.url, "-D", ROOT_DN, "-w", ROOT_PASSWORD,
                                "-b", BASE, "(!(entryDN=" + BASE + "))", "1.1"], capture_output=True, text=True).stdout
        dns = [line for line in found.splitlines() if line.startswith("dn:")]
        if dns:
            self.modify("".join(f"{dn}\nchangetype: delete\n\n" for dn in sorted(dns, key=lambda d: -d.count(","))))

    def modify(self, text, dn=ROOT_DN, good=True):
        done = subprocess.run(["ldapmodify", "-x", "-H", self.url, "-D", dn, "-w", ROOT_PASSWORD], input=text,
                              capture_output=True, text=True)
        assert done.returncode == 0 or not good, done.stderr
        return done

    def modify_as(self, dn, password, text):
        return subprocess.run(["ldapmodify", "-x", "-H", self.url, "-D", dn, "-w", password], input=text, capture_output=True, text=True)

    def search(self, *args, dn=None, password=None, base=BASE):
        who = ["-D", dn, "-w", password] if dn else []
        done = subprocess.run(["ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", self.url, *who, "-b", base, *args],
                              capture_output=True, text=True)
        return done.stdout

    def entry(self, dn, *attributes):
        """The attributes of one entry, as root: {name: [values]}."""
        out = {}
        for line in self.search("-s", "base", "(objectClass=*)", *attributes, dn=ROOT_DN, password=ROOT_PASSWORD, base=dn).splitlines():
            name, _, value = line.partition(":")
            if name:
                value = base64.b64decode(value[1:]).decode("utf-8", "surrogateescape") if value.startswith(":") else value[1:]
                out.setdefault(name, []).append(value)
        return out

    def admin(self, url=None, **options):
        return Driver(f"{url or self.url}/{BASE}", write=True, user=ADMIN, password=ADMIN_PASSWORD, **options)

    def gateway(self, url=None, base=BASE, **options):
        options = {"user": GATEWAY, "password": GATEWAY_PASSWORD, **options}
        return Driver(f"{url or self.url}/{base}", **{n: v for n, v in options.items() if v is not None})
