"""A directory as Zimbra has it (slapd, from the facts of its schema): domains, DKIM attributes, a selector unique over all of
it, who may read and write keys; and Debian's opendkim with the configuration that Zimbra writes.

    with Directory(folder).fill(["a.example"]) as directory, OpenDKIM(folder, directory) as opendkim: ...
"""
import subprocess
from pathlib import Path

from . import milter, procs
from .gateways import message
from .slapd import ATTRIBUTES, BIND_DN, BIND_PASSWORD, ROOT_DN, ROOT_PASSWORD, Slapd, ldif

OPENDKIM = "/usr/sbin/opendkim"
ADMIN_DN, ADMIN_PASSWORD = "uid=signpost,cn=admins,cn=zimbra", "s3cret-of-the-admin"
DOMAIN_SCHEMA = """attributetype ( 1.3.6.1.4.1.99999.1.1 NAME 'zimbraDomainName' EQUALITY caseIgnoreIA5Match
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.99999.2.1 NAME 'zimbraDomain' SUP top AUXILIARY MAY zimbraDomainName )
"""


def dn_of(domain):
    return ",".join(f"dc={label}" for label in domain.split("."))


class Directory(Slapd):
    def __init__(self, folder, name="zimbra", tls=None):
        super().__init__(folder, zimbra=True, name=name, anonymous=False, tls=tls)
        self.debug = 256    # a line for each connection and operation
        schema, conf = self.folder / "dkim.schema", self.folder / "slapd.conf"
        schema.write_text(schema.read_text() + DOMAIN_SCHEMA)
        head, _, tail = conf.read_text().partition("access to attrs=userPassword")
        head = head.replace("moduleload back_mdb\n", "moduleload back_mdb\nmoduleload unique\n")
        keys = ",".join(("DKIMSelector", "DKIMDomain", "DKIMKey", "DKIMIdentity"))
        conf.write_text(f"{head}index zimbraDomainName eq\naccess to attrs=userPassword by anonymous auth by * none\n"
                        f'access to attrs={keys} by dn.exact="{ADMIN_DN}" write by dn.exact="{BIND_DN}" read by * none\n'
                        f'access to attrs=DKIMPublicKey by dn.exact="{ADMIN_DN}" write by * none\n'
                        f'access to * by dn.exact="{ADMIN_DN}" write by * read\n'
                        "overlay unique\nunique_uri ldap:///?DKIMSelector?sub\n")
        self.secret = Path(folder) / f"{name}.secret"
        self.secret.write_text(ADMIN_PASSWORD + "\n")
        self.secret.chmod(0o600)

    def fill(self, domains):
        tops = {domain.split(".")[-1] for domain in domains} | {".".join(d.split(".")[-2:]) for d in domains}
        entries = ldif("cn=admins,cn=zimbra", [("objectClass", "organizationalRole"), ("cn", "admins")])
        entries += ldif(ADMIN_DN, [("objectClass", "organizationalRole"), ("objectClass", "uidObject"),
                                   ("objectClass", "simpleSecurityObject"), ("cn", "signpost"), ("uid", "signpost"),
                                   ("userPassword", ADMIN_PASSWORD)])
        for name in sorted(tops | set(domains), key=lambda n: n.count(".")):
            kinds = ["dcObject", "organization"] + ["zimbraDomain"] * (name in domains)
            names = [("o", name), ("dc", name.split(".")[0])] + [("zimbraDomainName", name)] * (name in domains)
            entries += ldif(dn_of(name), [("objectClass", kind) for kind in kinds] + names)
        self.load(entries)
        return self

    def mirror(self, name="zimbra", url=None, more=""):
        """A line of KeyMirrors."""
        return f"{name} zimbra:{url or self.url}/?binddn={ADMIN_DN}&secretfile={self.secret}{more}\n"

    def heard(self):
        """What it was asked, in order: lines of its log."""
        return self.process.output()

    def attributes(self, domain):
        """{attribute: value} of the DKIM attributes that a domain has."""
        names = (*ATTRIBUTES, "DKIMPublicKey")
        done = subprocess.run(["ldapsearch", "-LLL", "-x", "-o", "ldif-wrap=no", "-H", self.url, "-D", ROOT_DN, "-w",
                               ROOT_PASSWORD, "-s", "base", "-b", dn_of(domain), *names], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        pairs = (line.partition(":") for line in done.stdout.splitlines())
        return {name: value.strip(" :") for name, _, value in pairs if name in names}

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class OpenDKIM:
    """As a gateway of lib/gateways.py: send()."""

    def __init__(self, folder, directory, name="opendkim"):
        self.folder, self.name = Path(folder), name
        self.port = procs.free_ports(1)[0]
        self.address = ("127.0.0.1", self.port)
        self.conf = self.folder / f"{name}.conf"
        url = directory.url
        self.conf.write_text(f"""Socket inet:{self.port}@127.0.0.1
LDAPBindUser {BIND_DN}
LDAPBindPassword {BIND_PASSWORD}
LDAPTimeout 30
SigningTable {url}/?DKIMSelector?sub?(DKIMIdentity=$d)
KeyTable {url}/?DKIMDomain,DKIMSelector,DKIMKey,?sub?(DKIMSelector=$d)
Canonicalization relaxed/relaxed
SignHeaders message-id,date,from,mime-version,to
Mode s
SubDomains no
On-InternalError tempfail
On-Security tempfail
SignatureAlgorithm rsa-sha256
Minimum 0
Background no
Syslog no
""")

    def start(self):
        self.process = procs.Process([OPENDKIM, "-f", "-x", self.conf], self.folder / f"{self.name}.log", cwd=self.folder)
        procs.wait_connect(self.address, proc=self.process)
        return self

    def send(self, names, user="alice"):
        answers = {}
        with milter.Session(self.address) as session:
            session.hello(client="127.0.0.1")
            for name in names:
                data = message(name, user)
                result = session.message(data)
                answers[name] = (result, session.apply(data, result))
        return answers

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.process.stop()
