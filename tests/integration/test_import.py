"""signpost import and export: a site of OpenDKIM that moves into a store, through signpost-admind, and out of it again.

The old configuration is signed with by Debian's opendkim, the new store by signpostd; d= and s= have to be the same, and
dkimpy has to find both good. This opendkim has no OpenDBX: the tables of databases are given to it as files of the same rows.
"""
import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import keys, lifecycle, mariadb, milter, patience, procs, stores, verify
from lib.adminhttp import AdminHttp
from lib.daemon import Daemon

OPENDKIM = "/usr/sbin/opendkim"
COUNT = 60  # domains of each of the five sites
pytestmark = [pytest.mark.signpost("it is signpost's own"),
              pytest.mark.skipif(lifecycle.program() is None or not stores.SIGNPOST.exists(), reason="no signpost-admind in this build")]


@pytest.fixture(scope="module")
def made(module_folder):
    """Keys, one for each domain of a site; sites share them, under other names."""
    folder = module_folder / "made"
    folder.mkdir()
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda i: keys.make_key("rsa1024", folder / f"{i}.private"), range(COUNT)))


@pytest.fixture
def admin(folder):
    with AdminHttp(folder) as one:
        yield one


def message(sender):
    return f"From: <{sender}>\r\nTo: <t@sink.test>\r\nSubject: moved\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nA body.\r\n".encode()


def signer(address, senders):
    """{sender: (d=, s=), message as delivered}; None: it was not signed."""
    found = {}
    with milter.Session(address) as session:
        session.hello(host="localhost", client="127.0.0.1")
        for sender in senders:
            data = message(sender)
            result = session.message(data, sender=sender)
            assert result.verdict in ("accept", "continue"), (sender, result)
            delivered = session.apply(data, result)
            head = re.sub(rb"\r\n(?=[ \t])", b"", delivered.split(b"\r\n\r\n")[0]).decode()
            field = [line for line in head.split("\r\n") if line.lower().startswith("dkim-signature:")]
            tags = [tuple(re.search(rf"[;:\s]{tag}=([^;\s]+)", one).group(1) for tag in "ds") for one in field]
            found[sender] = (tags, delivered)
    return found


class Site:
    """One opendkim.conf. rows: what its SigningTable says, [(pattern, key name)]; keys: name -> (domain, selector, path)."""

    def __init__(self, folder, name, made):
        self.folder, self.name = folder / name, name
        self.folder.mkdir()
        self.domains = [f"d{i}.{name}.test" for i in range(COUNT)]
        self.keys = {f"k{i}": (domain, f"s{i % 7}", made[i].path) for i, domain in enumerate(self.domains)}
        self.rows = [(domain, f"k{i}") for i, domain in enumerate(self.domains)]
        self.records = {f"s{i % 7}._domainkey.{domain}": made[i].record for i, domain in enumerate(self.domains)}

    def file(self, name, lines):
        path = self.folder / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def key_table(self):
        return f"file:{self.file('KeyTable', [f'{n} {d}:{s}:{p}' for n, (d, s, p) in self.keys.items()])}"

    def signing_table(self):
        return f"file:{self.file('SigningTable', [f'{p} {k}' for p, k in self.rows])}"

    def settings(self):
        return {"SigningTable": self.signing_table(), "KeyTable": self.key_table(), "Mode": "s", "RequireSafeKeys": "no"}

    def for_opendkim(self):
        return self.settings()

    def conf(self):
        return self.file("opendkim.conf", [f"{n} {v}" for n, v in self.settings().items()])

    def senders(self):
        return [f"user@{domain}" for domain in self.domains]

    def close(self):
        pass


class Csl(Site):
    def signing_table(self):
        return "csl:" + ",".join(f"{p}={k}" for p, k in self.rows)


class Files(Site):
    """With addresses, domains that are signed as another one, and what is below a domain."""

    def __init__(self, *more):
        super().__init__(*more)
        self.rows += [("news@plain.files.test", "k1"), ("alias.files.test", "k2"), (f".{self.domains[3]}", "k3"), (".other.files.test", "k4")]

    def senders(self):
        return super().senders() + ["news@plain.files.test", "x@alias.files.test", f"x@deep.{self.domains[3]}", "x@a.b.other.files.test",
                                    "x@plain.files.test", "x@other.files.test", f"x@deep.{self.domains[5]}"]


class Refile(Site):
    def __init__(self, *more):
        super().__init__(*more)
        self.rows = [("list@lists.refile.test", "k0")] + [(f"*@{p}", k) for p, k in self.rows] + [(f"*@*.{self.domains[7]}", "k7"),
                                                                                                 ("*@sister.refile.test", "k9")]

    def signing_table(self):
        return "re" + super().signing_table()

    def senders(self):
        return super().senders() + ["list@lists.refile.test", f"x@y.{self.domains[7]}", "x@sister.refile.test"]


def sql_text(name, lines):
    return lines and f"INSERT INTO {name} VALUES " + ",".join("(" + ",".join(mariadb.quote(str(one)) for one in line) + ")" for line in lines) + ";"


class Sqlite(Site):
    """Private keys in the rows."""
    kind = "sqlite3"

    def fill(self):
        path = self.folder / "tables.db"
        if not path.exists():
            with contextlib.closing(sqlite3.connect(path)) as db:
                db.executescript(self.script())
        return f"dsn:sqlite3://{path}"

    def script(self):
        return ("CREATE TABLE keys_of(name VARCHAR(99), domain VARCHAR(99), selector VARCHAR(99), pem TEXT);"
                "CREATE TABLE signs(author VARCHAR(99), name VARCHAR(99));" +
                sql_text("keys_of", [(n, d, s, p.read_text()) for n, (d, s, p) in self.keys.items()]) + sql_text("signs", self.rows))

    def settings(self):
        here = self.fill()
        return {"SigningTable": f"{here}/table=signs?keycol=author?datacol=name",
                "KeyTable": f"{here}/table=keys_of?keycol=name?datacol=domain,selector,pem", "Mode": "s", "RequireSafeKeys": "no"}

    def for_opendkim(self):
        return super().settings()


class Mysql(Sqlite):
    def __init__(self, *more):
        super().__init__(*more)
        self.server = None

    def fill(self):
        if self.server is None:
            self.server = mariadb.MariaDB(self.folder).start()
            self.server.run("CREATE DATABASE mail CHARACTER SET utf8mb4; CREATE USER 'opendkim'@'127.0.0.1' IDENTIFIED BY 'pw';"
                            "GRANT SELECT ON mail.* TO 'opendkim'@'127.0.0.1';")
            self.server.run(self.script(), "mail")
        return f"dsn:mysql://opendkim:pw@{self.server.port}+127.0.0.1/mail"

    def close(self):
        if self.server:
            self.server.stop()


def importing(admin, *words, codes=(0,), start=False):
    argv = [stores.SIGNPOST.resolve(), "import", *map(str, words), "--socket", str(admin.socket)]
    if start:
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=patience.seconds(120))
    assert done.returncode in codes, f"{words}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done


def report(done):
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return ([row for row in rows if "sender" in row], {row["finding"] for row in rows if "finding" in row},
            [row["summary"] for row in rows if "summary" in row][0])


def rows_of(admin):
    with contextlib.closing(sqlite3.connect(admin.db, timeout=60)) as db:
        return {name: db.execute(f"SELECT COUNT(*) FROM `{name}`").fetchone()[0] for name in ("domains", "keys", "rules", "audit", "tenants")
                if db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone()}


def gateway(program, admin):
    return Daemon(program, admin.folder, {"KeyStore": f"sqlite:{admin.db}", "SiteKeyFile": admin.folder / "site", "Mode": "s",
                                          "KeyStorePollInterval": 1, "SelfVerify": 0, "TenantMap": "csl:*=acme"}, name="gateway")


def is_good(signed, records):
    """All of {sender: (tags, message)} that are signed, by dkimpy."""
    named = {f"m{i}": data for i, (tags, data) in enumerate(signed.values()) if tags}
    found = verify.VERIFIERS[0].verify(named, records)
    return len(named) > 0 and all(found[name] and all(verdict == "pass" for _, verdict in found[name]) for name in named)


KINDS = {"csl": Csl, "files": Files, "refile": Refile, "sqlite": Sqlite, "mysql": Mysql}


def test_a_site_moves_in_and_out(program, folder, made, admin):
    if not os.access(OPENDKIM, os.X_OK) or mariadb.missing():
        pytest.skip(mariadb.missing() or "opendkim is not installed")
    before, records, sites = {}, {}, []
    with contextlib.ExitStack() as stack:
        for name, kind in KINDS.items():
            site = kind(folder, name, made)
            stack.callback(site.close)
            sites.append(site)
            records.update(site.records)
            with Daemon(OPENDKIM, site.folder, site.for_opendkim(), unix=True) as old:
                before.update(signer(old.address, site.senders()))
            conf = site.conf()
            counts = rows_of(admin)
            senders, _, said = report(importing(admin, "opendkim", conf, "--tenant=acme", "--no-dns", "--json"))
            assert said["errors"] == 0 and said["new_keys"] == COUNT and len(senders) == len(site.rows), said
            assert rows_of(admin) == counts, "a report changes nothing"
            importing(admin, "opendkim", conf, "--tenant=acme", "--no-dns", "--apply")
        counts = rows_of(admin)
        assert counts["domains"] == counts["keys"] == len(KINDS) * COUNT, counts
        for site in sites:      # once more: there is nothing to do
            assert "0 rows written, 0 refused" in importing(admin, "opendkim", site.conf(), "--tenant=acme", "--no-dns", "--apply").stderr
        assert rows_of(admin) == counts
    with gateway(program, admin) as new:
        after = signer(new.address, before)
    different = {sender: (before[sender][0], after[sender][0]) for sender in before if before[sender][0] != after[sender][0]}
    assert not different, different
    assert sum(1 for tags, _ in before.values() if not tags) == 3, "those that no table names"
    assert is_good(before, records) and is_good(after, records)
    # And out again.
    out = folder / "out"
    said = stores.signpost("export", "opendkim", "-x", admin.conf, out)
    assert f"{len(KINDS) * COUNT} keys written; 0 rows left out" in said.stdout, said.stdout + said.stderr
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (out / "keys").iterdir())
    assert (out / "keys").stat().st_mode & 0o777 == 0o700
    stores.signpost("export", "opendkim", "-x", admin.conf, out)
    with Daemon(OPENDKIM, procs_folder(folder), {"SigningTable": f"refile:{out}/SigningTable", "KeyTable": f"file:{out}/KeyTable", "Mode": "s"},
                unix=True) as back:
        again = signer(back.address, before)
    assert {sender: tags for sender, (tags, _) in again.items()} == {sender: tags for sender, (tags, _) in before.items()}
    assert is_good(again, records)


def procs_folder(folder):
    path = folder / "back"
    path.mkdir()
    return path


def directory(folder, made, count=COUNT * 8):
    """Keys as opendkim-genkey leaves them: more domains than one request has."""
    for i in range(count):
        place = folder / f"d{i}.dir.test"
        place.mkdir(parents=True)
        (place / "sel.private").write_text(made[i % COUNT].path.read_text())
        (place / "sel.private").chmod(0o600)
        (place / "sel.txt").write_text("its record\n")
    return folder


def test_killed_in_the_middle(folder, made, admin):
    here, count = directory(folder / "keys", made), COUNT * 8
    words = ("directory", here, "--tenant=acme", "--no-dns", "--apply")
    running = importing(admin, *words, start=True)
    try:
        assert procs.wait_until(lambda: rows_of(admin)["keys"] > 0 or running.poll() is not None)
        running.send_signal(signal.SIGKILL)
    finally:
        running.communicate()
    # The same again, and the daemon is killed in the middle of it.
    running = importing(admin, *words, start=True)
    try:
        some = rows_of(admin)["keys"]
        procs.wait_until(lambda: rows_of(admin)["keys"] > some or running.poll() is not None)
        admin.process.kill()
    finally:
        running.communicate()
    admin.start()
    importing(admin, *words)
    assert rows_of(admin)["keys"] == rows_of(admin)["domains"] == count
    _, findings, said = report(importing(admin, *words[:-1], "--json"))
    assert said["new_keys"] == said["new_domains"] == said["errors"] == 0 and not findings & {"other-key", "refused", "does-not-sign"}, findings
    assert "0 rows written, 0 refused" in importing(admin, *words).stderr
    with contextlib.closing(sqlite3.connect(admin.db, timeout=60)) as db:
        assert db.execute("SELECT COUNT(*) FROM `keys` WHERE active > 0").fetchone()[0] == count


def test_conflicts(folder, made, admin):
    """Another key under a name that is taken, a domain of another tenant, two keys of one name: said, and nothing overwritten."""
    here = folder / "keys"
    here.mkdir()
    for name, number in (("a.test.s1.key", 0), ("b.test.s1.key", 1)):
        (here / name).write_text(made[number].path.read_text())
    importing(admin, "directory", here, "--tenant=acme", "--no-dns", "--apply")
    (here / "a.test.s1.key").write_text(made[2].path.read_text())
    (here / "b.test").mkdir()
    (here / "b.test" / "s1.private").write_text(made[3].path.read_text())
    (here / "c.test.s1.key").write_text("-----BEGIN PRIVATE KEY-----\nbm90aGluZw==\n-----END PRIVATE KEY-----\n")
    before = rows_of(admin)
    _, findings, said = report(importing(admin, "directory", here, "--tenant=acme", "--no-dns", "--json", codes=(1,)))
    assert {"other-key", "two-keys", "bad-key"} <= findings and said["new_keys"] == 0, (findings, said)
    importing(admin, "directory", here, "--tenant=acme", "--no-dns", "--apply", codes=(1,))
    assert rows_of(admin) == before
    admin.cli("tenant", "add", "other")
    _, findings, _ = report(importing(admin, "directory", here, "--tenant=other", "--no-dns", "--json", codes=(1,)))
    assert "other-owner" in findings


def test_what_dns_says(folder, made, admin):
    """A key whose record is missing or another one does not sign; the daemon looks itself at those that shall."""
    here = folder / "keys"
    here.mkdir()
    for name, number in (("missing.test", 0), ("differs.test", 1)):
        (here / f"{name}.s1.key").write_text(made[number].path.read_text())
        (here / f"{name}.s1.key").chmod(0o600)
    answers = folder / "answers"
    answers.write_text(f"s1._domainkey.differs.test {made[2].record}\n")
    words = ("directory", here, "--tenant=acme", f"--dns-file={answers}", "--json")
    rows, findings, _ = report(importing(admin, *words))
    assert {"dns-missing", "dns-differs"} <= findings and not any(row["signs"] for row in rows)
    importing(admin, *words, "--apply")
    assert {row["state"] for name in ("missing.test", "differs.test")
            for row in admin.cli("key", "list", name)["result"]["keys"]} == {"PREPARED"}


def test_an_identity_that_the_record_refuses(folder, made, admin):
    """t=s: an i= of the domain itself is fine, one of a domain below it is refused by verifiers."""
    (folder / "KeyTable").write_text("".join(f"{name} {name}.test:s1:{made[0].path}\n" for name in ("strict", "lax")))
    (folder / "SigningTable").write_text("a@strict.test strict:a@sub.strict.test\nb@strict.test strict:b@strict.test\n"
                                         "a@lax.test lax:a@sub.lax.test\n")
    conf = folder / "strict.conf"
    conf.write_text(f"SigningTable file:{folder}/SigningTable\nKeyTable file:{folder}/KeyTable\nMode s\nRequireSafeKeys no\n")
    answers = folder / "strict.answers"
    answers.write_text(f"s1._domainkey.strict.test {made[0].record}; t=s\ns1._domainkey.lax.test {made[0].record}\n")
    done = importing(admin, "opendkim", "--tenant=acme", f"--dns-file={answers}", "--json", conf)
    found = [row for line in done.stdout.splitlines() if (row := json.loads(line)).get("finding") == "identity-below"]
    assert len(found) == 1 and "a@sub.strict.test" in done.stdout and "a@strict.test" in json.dumps(found[0]), found


def test_who_may_leave_dns_out(made, admin):
    """It needs a scope of its own, which not even a tenant's owner has by that."""
    line = json.dumps({"operation": "key.import", "arguments": {"domain": "a.test", "selector": "s", "pem": made[0].path.read_text(),
                                                               "active": True, "unproven": True}})
    admin.cli("domain", "add", "a.test", "acme")
    found, _ = admin.bulk([line])
    assert found[0]["code"] == "forbidden" and "keys:unsafe" in found[0]["detail"] and rows_of(admin)["keys"] == 0
    found, _ = admin.bulk([line], token=admin.new_token("--scopes", "keys:write keys:unsafe", "--tenant", "acme"))
    assert found[0]["code"] == "ok" and rows_of(admin)["keys"] == 1


def test_maps_and_redis_and_lines(folder, made, admin):
    """rspamd's maps and redis-cli's three forms become the same; so do the lines for signpost store load."""
    named = {"one.test": ("s1", 0), "two.test": ("s2", 1)}
    for name, (selector, number) in named.items():
        (folder / f"{name}.{selector}.key").write_text(made[number].path.read_text())
        (folder / f"{name}.{selector}.key").chmod(0o600)
    (folder / "paths").write_text(f"# of dkim_signing\none.test {folder}/$domain.$selector.key\ntwo.test {folder}/two.test.s2.key\n")
    (folder / "selectors").write_text("one.test s1\ntwo.test s2\n")
    maps = importing(admin, "rspamd", folder / "paths", folder / "selectors", "--tenant=acme", "--no-dns", "--json")
    pems = {f"{s}.{n}": made[i].path.read_text() for n, (s, i) in named.items()}
    flat = [text for pair in pems.items() for text in pair], [text for n, (s, _) in named.items() for text in (n, s)]

    def quoted(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

    forms = {"json": "".join(json.dumps(dict(zip(f[::2], f[1::2]))) + "\n" for f in flat),
             "csv": "".join(",".join(map(quoted, f)) + "\n" for f in flat),
             "shown": "".join(f"{i}) {quoted(text)}\n" for f in flat for i, text in enumerate(f, 1))}
    expected = [(row["domain"], row["selector"], row["kind"]) for row in report(maps)[0]]
    for name, text in forms.items():
        (folder / name).write_text(text)
        found = importing(admin, "redis", folder / name, "--tenant=acme", "--no-dns", "--json")
        assert [(row["domain"], row["selector"], row["kind"]) for row in report(found)[0]] == expected, name
        assert "PRIVATE KEY" not in found.stdout + found.stderr
    (folder / "to").mkdir()
    lines = importing(admin, "redis", folder / "csv", "--tenant=acme", "--no-dns", "--store-lines", f"--keys-to={folder}/to").stdout
    assert "PRIVATE KEY" not in lines and all(p.stat().st_mode & 0o777 == 0o600 for p in (folder / "to").iterdir())
    stores.signpost("store", "load", "-x", admin.conf, "-", text=lines)
    _, findings, said = report(importing(admin, "redis", folder / "csv", "--tenant=acme", "--no-dns", "--json"))
    assert said["new_keys"] == 0 and not findings & {"does-not-sign", "other-key"}, findings
