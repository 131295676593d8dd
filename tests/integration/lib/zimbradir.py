"""A directory as Zimbra has it: the DKIM class on the entries of domains, selectors that are unique in all of it, an
administrator who may write, the user of the MTA who may read all but DKIMPublicKey.

    directory = ZimbraDirectory(folder); directory.load(directory.domain("a.example.com")); directory.start()

The numbers of what is not DKIM are the tests' own: only names matter to who asks.
"""
import base64
import re
import subprocess

from . import patience, slapd
from .slapd import ldif

ADMIN_DN, ADMIN_PASSWORD = "uid=zimbra,cn=admins,cn=zimbra", "secret & <of> the admin"
MTA_DN, MTA_PASSWORD = slapd.BIND_DN, slapd.BIND_PASSWORD
DKIM = ("DKIMSelector", "DKIMDomain", "DKIMKey", "DKIMPublicKey", "DKIMIdentity")

TEXT = "EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26"
SCHEMA = "".join(f"attributetype ( 1.3.6.1.4.1.29426.2.2.1.{n} NAME '{name}' {TEXT} SINGLE-VALUE )\n" for n, name in
                 ((91, "zimbraDomainName"), (92, "zimbraId"), (93, "zimbraDomainType"), (94, "zimbraDomainAliasTargetID"))) + (
    "objectclass ( 1.3.6.1.4.1.29426.2.2.2.91 NAME 'zimbraDomain' SUP top AUXILIARY\n"
    "  MUST ( zimbraDomainName $ zimbraId ) MAY ( zimbraDomainType $ zimbraDomainAliasTargetID ) )\n")


class ZimbraDirectory(slapd.Slapd):
    def __init__(self, folder, sizelimit="unlimited", **more):
        """sizelimit: what the server gives to one question, in all its pages."""
        super().__init__(folder, zimbra=True, **more)
        with open(self.folder / "dkim.schema", "a", encoding="ascii") as file:
            file.write(SCHEMA)
        conf = (self.folder / "slapd.conf").read_text()
        conf = conf.replace("moduleload back_mdb\n", "moduleload back_mdb\nmoduleload unique\n")
        conf = conf.replace("sizelimit unlimited", f"sizelimit {sizelimit}")
        conf = conf[:conf.index("index objectClass eq")]
        (self.folder / "slapd.conf").write_text(conf + f"""index objectClass eq
index DKIMIdentity,DKIMSelector,zimbraDomainName,zimbraDomainAliasTargetID eq
overlay unique
unique_uri ldap:///?DKIMSelector?sub
access to attrs=userPassword by anonymous auth by * none
access to attrs=DKIMIdentity,DKIMSelector,DKIMDomain,DKIMKey by dn.children="cn=admins,cn=zimbra" write by dn.exact="{MTA_DN}" read by * none
access to attrs=DKIMPublicKey by dn.children="cn=admins,cn=zimbra" write by * none
access to * by dn.children="cn=admins,cn=zimbra" write by users read by * none
""")

    @staticmethod
    def accounts():
        role = [("objectClass", "organizationalRole")]
        admin = role + [("objectClass", "uidObject"), ("objectClass", "simpleSecurityObject"), ("cn", "zimbra"),
                        ("uid", "zimbra"), ("userPassword", ADMIN_PASSWORD)]
        top = [("objectClass", "dcObject"), ("objectClass", "organization")]
        return (slapd.Slapd.accounts() + ldif("cn=admins,cn=zimbra", role + [("cn", "admins")]) + ldif(ADMIN_DN, admin)
                + ldif("dc=com", top + [("o", "com"), ("dc", "com")])
                + ldif("dc=example,dc=com", top + [("o", "example"), ("dc", "example")]))

    @staticmethod
    def dn(name):
        return ",".join(f"dc={label}" for label in name.split("."))

    @classmethod
    def domain(cls, name, alias_of=None, dkim=None):
        """dkim: (selector, private key, what genkey wrote)"""
        pairs = [("objectClass", c) for c in ("dcObject", "organization", "zimbraDomain") + (("DKIM",) if dkim else ())]
        pairs += [("o", name), ("dc", name.split(".")[0]), ("zimbraDomainName", name), ("zimbraId", f"id-of-{name}"),
                  ("zimbraDomainType", "alias" if alias_of else "local")]
        if alias_of:
            pairs.append(("zimbraDomainAliasTargetID", f"id-of-{alias_of}"))
        if dkim:
            values = zip(DKIM, (dkim[0], name, dkim[1], dkim[2], name))
            pairs += [(n, v) for n, v in values if v is not None]
        return ldif(cls.dn(name), pairs)

    def localconfig(self, path, user=ADMIN_DN, password=ADMIN_PASSWORD, urls=None, start_tls=0):
        def key(name, value):
            value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            return f'  <key name="{name}">\n    <value>{value}</value>\n  </key>\n'
        path.write_text('<?xml version="1.0" encoding="UTF-8"?>\n\n<localconfig>\n' + key("zimbra_home", "/opt/zimbra")
                        + key("ldap_master_url", urls or self.url) + key("ldap_url", self.url)
                        + key("ldap_starttls_supported", str(start_tls)) + key("zimbra_ldap_userdn", user)
                        + key("zimbra_ldap_password", password) + "</localconfig>\n")
        path.chmod(0o600)
        return path

    def entry(self, name):
        """{attribute: values} of a domain, as the administrator sees it."""
        done = subprocess.run(["ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", self.url, "-D", ADMIN_DN, "-w",
                               ADMIN_PASSWORD, "-b", self.dn(name), "-s", "base"], capture_output=True, text=True,
                              timeout=patience.seconds(60))
        assert done.returncode == 0, done.stderr
        found = {}
        for attribute, coded, value in re.findall(r"^(\w+):(:?) (.*)$", done.stdout, re.M):
            found.setdefault(attribute, []).append(base64.b64decode(value).decode() if coded else value)
        return found
