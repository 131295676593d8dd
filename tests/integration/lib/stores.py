"""Key stores of the tests: made and filled by `signpost store`, on SQLite, a private MariaDB or a private slapd."""
import os
import subprocess
from pathlib import Path

from . import ldapstore, mariadb

BUILD = os.environ.get("SIGNPOST_BUILD") or os.environ.get("BUILDDIR") or "."
SIGNPOST = next((p for p in (Path(BUILD) / "tools/signpost", Path(BUILD) / "bin/signpost") if p.exists()), None)


def missing():
    return None if SIGNPOST else "signpost is not built: set SIGNPOST_BUILD"


def signpost(*words, text=None, good=True):
    done = subprocess.run([SIGNPOST.resolve(), *map(str, words)], input=text, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 or not good, f"{words}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done


class Store:
    """spec is the value of KeyStore; conf more parameters that reach it; writer: the same for the administrator."""

    def __init__(self, folder, spec, conf=None, writer=None, writer_conf=None):
        self.folder, self.spec, self.conf = Path(folder), spec, dict(conf or {})
        self.writer = writer or spec
        self.site_key = self.folder / "site.key"
        self.admin = self.folder / "admin.conf"
        if not self.site_key.exists():
            signpost("store", "sitekey", "new", self.site_key)
        pairs = {"KeyStore": self.writer, "SiteKeyFile": self.site_key, "RequireSafeKeys": "no"}
        pairs.update(self.conf if writer_conf is None else writer_conf)
        self.admin.write_text("".join(f"{n} {v}\n" for n, v in pairs.items()))

    def run(self, *words, text=None, good=True):
        return signpost("store", words[0], "-x", self.admin, *words[1:], text=text, good=good)

    def init(self):
        self.run("init")
        return self

    def load(self, text, *flags):
        return self.run("load", *flags, "-", text=text)

    def settings(self, **more):
        """For Daemon."""
        pairs = {"KeyStore": self.spec, "SiteKeyFile": self.site_key, "Mode": "s", "KeyStorePollInterval": 1,
                 "SelfVerify": 0}       # nothing is asked of the DNS outside
        pairs.update(self.conf)
        pairs.update(more)
        return pairs


def sqlite_store(folder):
    return Store(folder, f"sqlite:{folder}/store.db").init()


def mysql_store(server, folder, database="signpost", conf=None):
    """Made by its owner, written by its administrator, read by the daemon, each with the rights of sql/mysql/grants.sql."""
    # What was committed has to outlive kill -9.
    server.run("SET GLOBAL innodb_flush_log_at_trx_commit=1")
    server.run(f"DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database} CHARACTER SET utf8mb4;"
               "CREATE OR REPLACE USER 'sp_admin'@'127.0.0.1' IDENTIFIED BY 'admin-secret';"
               f"GRANT ALL ON {database}.* TO 'sp_admin'@'127.0.0.1';"
               "CREATE OR REPLACE USER 'sp_reader'@'127.0.0.1' IDENTIFIED BY 'reader-secret';"
               f"GRANT SELECT ON {database}.* TO 'sp_reader'@'127.0.0.1'")
    at = f"127.0.0.1:{server.port}/{database}"
    return Store(folder, f"mysql://sp_reader:reader-secret@{at}", conf, writer=f"mysql://sp_admin:admin-secret@{at}").init()


def ldap_store(directory, folder):
    """In a slapd of ours, written by its administrator, read by a gateway, each with the rights of ldif/acl.ldif."""
    directory.clear()
    spec = f"{directory.url}/{ldapstore.BASE}"

    def who(dn, password):
        return {"LDAPBindUser": dn, "LDAPBindPassword": password}

    return Store(folder, spec, who(ldapstore.GATEWAY, ldapstore.GATEWAY_PASSWORD),
                 writer_conf=who(ldapstore.ADMIN, ldapstore.ADMIN_PASSWORD)).init()


__all__ = ["Store", "ldap_store", "mariadb", "missing", "mysql_store", "signpost", "sqlite_store"]
