"""A directory server of our own (OpenLDAP's slapd): its files in a folder, its ports from the kernel, no system service.

Two schemas are written here from the facts of their attributes: that of OpenDKIM's contrib folder, and Zimbra's with
one attribute more. The suffix is empty, as Zimbra's is, so that any base can be searched.
"""
import base64
import os
import shutil
import signal
import subprocess
import urllib.parse
from pathlib import Path

from . import procs

ATTRIBUTES = ("DKIMSelector", "DKIMKey", "DKIMIdentity", "DKIMDomain")
ROOT_DN, ROOT_PASSWORD = "cn=root", "root-secret"
BIND_DN, BIND_PASSWORD = "uid=zmpostfix,cn=appaccts,cn=zimbra", "s3cret-of-the-bind"


def program():
    return shutil.which("slapd") or next((p for p in ("/usr/sbin/slapd", "/usr/libexec/slapd") if os.access(p, os.X_OK)), None)


def schema(zimbra):
    oid = "1.3.6.1.4.1.29426.2.2"
    names = ATTRIBUTES + (("DKIMPublicKey",) if zimbra else ())
    text = "".join(f"attributetype ( {oid}.1.{n} NAME '{name}' EQUALITY caseExactIA5Match\n"
                   "  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 SINGLE-VALUE )\n" for n, name in enumerate(names, 1))
    must = "DKIMSelector $ DKIMKey" + (" $ DKIMPublicKey" if zimbra else "")
    # A looser class stands for entries that lack what they should have.
    return text + (f"objectclass ( {oid}.2.1 NAME 'DKIM' SUP top AUXILIARY\n  MUST ( {must} )\n"
                   "  MAY ( DKIMIdentity $ DKIMDomain ) )\n"
                   f"attributetype ( {oid}.1.90 NAME 'looseBlob' SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )\n"
                   f"objectclass ( {oid}.2.90 NAME 'looseRecord' SUP top AUXILIARY\n"
                   "  MAY ( DKIMSelector $ DKIMKey $ DKIMIdentity $ DKIMDomain $ looseBlob ) )\n")


def ldif(dn, attributes):
    """ATTRIBUTES: pairs; every value is base64, so that any octet may be in it."""
    def line(name, value):
        data = value if isinstance(value, bytes) else str(value).encode()
        return f"{name}:: {base64.b64encode(data).decode()}\n"
    return line("dn", dn) + "".join(line(n, v) for n, v in attributes) + "\n"


def domain_entry(domain, selector, key, identity=None, public=None, kind="DKIM"):
    """An entry as zmdkimkeyutil leaves it: the class on the entry of the domain, dc=..."""
    dn = ",".join(f"dc={label}" for label in domain.split("."))
    pairs = [("objectClass", "top"), ("objectClass", "dcObject"), ("objectClass", "organization"), ("objectClass", kind),
             ("o", domain), ("dc", domain.split(".")[0])]
    values = {"DKIMSelector": selector, "DKIMKey": key, "DKIMDomain": domain,
              "DKIMIdentity": domain if identity is None else identity, "DKIMPublicKey": public}
    return ldif(dn, pairs + [(n, v) for n, v in values.items() if v is not None])


class Slapd:
    """start() and stop() any number of times; the ports and the data stay."""

    def __init__(self, folder, zimbra=True, tls=None, name="slapd", anonymous=True, maxsize_bytes=1 << 29):
        """TLS: (ca, certificate, key) paths. Without ANONYMOUS only BIND_DN may read keys."""
        self.folder = Path(folder) / name
        (self.folder / "db").mkdir(parents=True)
        self.tls = tls
        self.port, self.tls_port = procs.free_ports(2)
        self.socket = self.folder / "ldapi"
        self.process = None
        self.debug = 0
        reader = "*" if anonymous else f'dn.exact="{BIND_DN}"'
        (self.folder / "dkim.schema").write_text(schema(zimbra))
        certificates = ""
        if tls:
            certificates = f"TLSCACertificateFile {tls[0]}\nTLSCertificateFile {tls[1]}\nTLSCertificateKeyFile {tls[2]}\n"
        (self.folder / "slapd.conf").write_text(
            "include /etc/ldap/schema/core.schema\n"
            f"include {self.folder}/dkim.schema\n"
            f"pidfile {self.folder}/slapd.pid\nargsfile {self.folder}/slapd.args\n"
            "modulepath /usr/lib/ldap\nmoduleload back_mdb\nsizelimit unlimited\n"
            f"sockbuf_max_incoming_auth 16777216\n{certificates}"
            "authz-regexp gidNumber=.*,cn=peercred,cn=external,cn=auth " + BIND_DN + "\n"
            f"database mdb\nsuffix \"\"\nmaxsize {maxsize_bytes}\nenvflags nosync nometasync\n"
            f"rootdn {ROOT_DN}\nrootpw {ROOT_PASSWORD}\ndirectory {self.folder}/db\n"
            "index objectClass eq\nindex DKIMIdentity,DKIMSelector eq\n"
            f"access to attrs=userPassword by anonymous auth by * none\n"
            f"access to attrs=DKIMSelector,DKIMDomain,DKIMKey,DKIMIdentity by {reader} read by * none\n"
            "access to * by * read\n")

    @property
    def url(self):
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls_url(self):
        return f"ldaps://127.0.0.1:{self.tls_port}"

    @property
    def local_url(self):
        return "ldapi://" + urllib.parse.quote(str(self.socket), safe="")

    @staticmethod
    def accounts():
        role = [("objectClass", "organizationalRole")]
        reader = role + [("objectClass", "uidObject"), ("objectClass", "simpleSecurityObject"), ("cn", "zmpostfix"),
                         ("uid", "zmpostfix"), ("userPassword", BIND_PASSWORD)]
        return (ldif("cn=zimbra", role + [("cn", "zimbra")])
                + ldif("cn=appaccts,cn=zimbra", role + [("cn", "appaccts")]) + ldif(BIND_DN, reader))

    def load(self, entries):
        """ENTRIES: text, or pieces of it that need not fit in memory. Only while it does not run."""
        text = self.folder / "load.ldif"
        with open(text, "w") as out:
            out.write(self.accounts())
            out.writelines([entries] if isinstance(entries, str) else entries)
        done = subprocess.run([program(), "-T", "add", "-q", "-f", self.folder / "slapd.conf", "-l", text],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self):
        where = f"{self.url}/ {self.local_url}/" + (f" ldaps://127.0.0.1:{self.tls_port}/" if self.tls else "")
        self.process = procs.Process([program(), "-d", str(self.debug), "-h", where, "-f", self.folder / "slapd.conf"],
                                     self.folder / "slapd.log", cwd=self.folder)
        try:
            procs.wait_connect(("127.0.0.1", self.port), proc=self.process)
        except RuntimeError as error:
            raise RuntimeError(f"slapd: {error}\n{self.process.output()[-2000:]}") from None
        return self

    def kill(self):
        self.process.kill()

    def stop(self):
        if self.process:
            self.process.stop()

    def pause(self):
        self.process.signal(signal.SIGSTOP)
        procs.stopped(self.process.pid)

    def go_on(self):
        self.process.signal(signal.SIGCONT)

    def modify(self, text):
        """LDIF of changes, as the root of the directory."""
        done = subprocess.run(["ldapmodify", "-x", "-H", self.url, "-D", ROOT_DN, "-w", ROOT_PASSWORD], input=text,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
