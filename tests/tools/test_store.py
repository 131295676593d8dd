#!/usr/bin/env python3
"""signpost store against SQLite: site key files, load, check, reseal; and what each says when
something is wrong. Prints TAP."""
import contextlib
import json
import os
import random
import re
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import time

from common import SIGNPOST, Skip, answers, joined, main, make_key, read, tool, write

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))
try:
    import sealing
except ImportError:
    sealing = None

LIST = """
# what the gateway signs
tenant acme failure="no-key=tempfail store=stale"
policy acme strict signature-ttl=864000 failure=no-key=reject
domain acme Example.COM subdomains=yes policy=strict
domain acme example.net signs-as=example.com
rule acme r1 address joe@other.example example.com identity=@example.com priority=5
rule acme r2 pattern joe*@other.example example.com
key acme example.com s1 generate:rsa-2048 active=now
key acme example.com s2 generate:ed25519 id=k-2   # the stand-by key
binding login:@example.com acme
"""


def older(path):
    """The schema as 001.sql alone makes it."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("DROP TABLE quotas; DROP TABLE providers; DROP TABLE tokens; DROP TABLE replies; DROP TABLE audit; DROP TABLE audit_head; "
                         "DROP TABLE gateways; DROP TABLE leases; DROP INDEX domains_due; DROP INDEX keys_loading; "
                         "ALTER TABLE domains DROP COLUMN life; ALTER TABLE domains DROP COLUMN due; "
                         "ALTER TABLE keys DROP COLUMN life; ALTER TABLE keys DROP COLUMN loading; "
                         "BEGIN; CREATE TABLE was (id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, last_change INTEGER NOT NULL, "
                         "trimmed INTEGER NOT NULL); INSERT INTO was SELECT id, epoch, last_change, trimmed FROM epoch; "
                         "DROP TABLE epoch; ALTER TABLE was RENAME TO epoch; DELETE FROM migrations WHERE version < 0; COMMIT")


class Store:
    def __init__(self, d, site=True):
        self.d, self.db, self.site, self.conf = d, f"{d}/db", f"{d}/site", f"{d}/conf"
        # The folders of tests are below one that everybody writes to.
        text = f"KeyStore sqlite:{self.db}\nRequireSafeKeys no\n"
        if site:
            answers(0, "store", "sitekey", "new", self.site)
            text += f"SiteKeyFile {self.site}\n"
        write(self.conf, text)
        result = tool("store", "init", "-x", self.conf)
        if "no kind of store of this build" in result.stderr:
            raise Skip("this build was configured --without-sqlite")
        assert result.returncode == 0, result.stderr

    def run(self, code, word, *more, stdin=""):
        return answers(code, "store", word, "-x", self.conf, *more, stdin=stdin)

    def load(self, text, code=0, *more):
        """The summary, and the texts of bad lines by number."""
        result = self.run(code, "load", "--json", "-", *more, stdin=text)
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        return rows[-1], {row["line"]: row["error"] for row in rows[:-1]}

    def counts(self, text, code=0, *more):
        done = self.load(text, code, *more)[0]
        return tuple(done[k] for k in ("added", "changed", "removed", "unchanged", "failed"))

    def check(self, code=0):
        """The summary, and {(kind, name, second): {codes}}."""
        rows = [json.loads(line) for line in self.run(code, "check", "--json").stdout.splitlines()]
        found = {}
        for row in rows[:-1]:
            found.setdefault((row["kind"], row["name"], row.get("second")), set()).add(row["code"])
        return rows[-1], found

    def epoch(self):
        return json.loads(self.run(0, "status", "--json").stdout)["epoch"]

    def sql(self, statement, *values):
        with contextlib.closing(sqlite3.connect(self.db)) as db, db:
            return db.execute(statement, values).fetchall()

    def key(self, selector, columns="private_key, revision, row_revision, active"):
        return self.sql(f"SELECT {columns} FROM keys WHERE selector = ?", selector)[0]


def test_a_new_site_key_file_is_ours_alone(d):
    path = f"{d}/site"
    os.umask(0)
    answers(0, "store", "sitekey", "new", path)
    os.umask(0o022)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    before = read(path)
    result = answers(65, "store", "sitekey", "new", path)
    assert "is not overwritten" in result.stderr, result.stderr
    assert read(path) == before
    assert os.listdir(d) == ["site"]


def test_versions_are_added_and_activated(d):
    path = f"{d}/site"
    answers(0, "store", "sitekey", "new", path)
    one = read(path).splitlines()
    os.chmod(path, 0o640)
    answers(0, "store", "sitekey", "add", path)
    two = read(path).splitlines()
    assert two[:3] == one and two[3].startswith("2 ")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
    done = json.loads(answers(0, "store", "sitekey", "activate", "--json", path).stdout)
    assert done == {"versions": [1, 2], "current": 2}
    assert read(path).splitlines()[1] == "current 2"
    assert "seals already" in answers(65, "store", "sitekey", "activate", path).stderr
    assert os.listdir(d) == ["site"]
    for line in read(path).splitlines()[2:]:
        assert line.split()[1] not in answers(0, "store", "sitekey", "show", path).stdout


def test_site_key_files_that_cannot_be_changed(d):
    path = f"{d}/site"
    answers(0, "store", "sitekey", "new", path)
    text = read(path)
    os.symlink(path, f"{d}/link")
    assert "symbolic link" in answers(65, "store", "sitekey", "add", f"{d}/link").stderr
    for cut in range(len(text)):
        write(path, text[:cut])
        result = answers(65, "store", "sitekey", "add", path)
        assert "half-written" in result.stderr or "empty" in result.stderr, result.stderr
        assert read(path) == text[:cut]
    answers(65, "store", "sitekey", "show", path)
    assert "store sitekey new" in answers(65, "store", "sitekey", "add", f"{d}/none").stderr
    answers(71, "store", "sitekey", "new", f"{d}/no/folder")
    for words in (["new"], [], ["make", path], ["new", path, path]):
        answers(64, "store", "sitekey", *words)


def test_two_who_add_at_once(d):
    path = f"{d}/site"
    answers(0, "store", "sitekey", "new", path)
    running = [subprocess.Popen([SIGNPOST, "store", "sitekey", "add", path],
                                stdout=subprocess.DEVNULL) for _ in range(8)]
    assert [p.wait() for p in running] == [0] * 8
    assert json.loads(answers(0, "store", "sitekey", "show", "-j", path).stdout)["versions"] == \
        list(range(1, 10))


def test_words_and_options(d):
    assert "reseal" in answers(0, "store", "--help").stdout
    for words in ([], ["frob"], ["load"], ["load", "a", "b"], ["check", "x"], ["init", "--frob"], ["renew", "x"]):
        answers(64, "store", *words)
    for word in ("init", "status", "renew", "load", "check", "reseal", "sitekey"):
        assert "usage: signpost store " + word in answers(0, "store", word, "--help").stdout
        assert "signpost store" in answers(0, "store", word, "-V").stdout
    store = Store(d)
    answers(66, "store", "load", "-x", store.conf, f"{d}/none")
    answers(78, "store", "status", "-s", "frob:x")
    write(f"{d}/empty", "")
    assert "KeyStore" in answers(78, "store", "check", "-x", f"{d}/empty").stderr
    write(f"{d}/bad", f"KeyStore sqlite:{d}/db\nSiteKeyFile {d}/nosite\nRequireSafeKeys no\n")
    assert "there is no site key file" in answers(78, "store", "check", "-x", f"{d}/bad").stderr
    result = tool("store", "status", "-s", f"sqlite:{d}/none/db")
    assert result.returncode in (69, 78) and result.stderr, result
    # Named on the command line, without a configuration.
    answers(0, "store", "status", "--store", f"sqlite:{store.db}")


def test_init_is_repeated_in_peace(d):
    store = Store(d)
    done = json.loads(store.run(0, "init", "--json").stdout)
    assert done["from"] == done["to"] > 0
    status = json.loads(store.run(0, "status", "--json").stdout)
    assert status["epoch"] >= 1 and abs(status["clock_ahead_s"]) <= 1
    assert status["schema"] == done["to"] and re.fullmatch("[0-9a-f]{32}", status["identity"])
    said = store.run(0, "status").stdout
    assert f"schema {done['to']}, identity {status['identity']};" in said, said


def test_renew(d):
    """Another identity and epoch; what is in the store stays as it is."""
    store = Store(d)
    store.counts(LIST)
    rows = store.sql("SELECT * FROM keys ORDER BY id")
    before = json.loads(store.run(0, "status", "-j").stdout)
    done = json.loads(store.run(0, "renew", "--json").stdout)
    assert done["epoch"] == before["epoch"] + 10**9 and done["identity"] != before["identity"]
    after = json.loads(store.run(0, "status", "-j").stdout)
    assert (after["epoch"], after["identity"]) == (done["epoch"], done["identity"])
    assert store.sql("SELECT * FROM keys ORDER BY id") == rows
    said = store.run(0, "renew").stdout
    assert "KeyStorePollInterval" in said and done["identity"] not in said, said
    store.run(0, "check")
    # Another store has another one, and so has a copy when it is renewed.
    os.mkdir(f"{d}/other")
    other = Store(f"{d}/other")
    assert json.loads(other.run(0, "status", "-j").stdout)["identity"] not in (before["identity"], done["identity"])
    # Whoever may not write may not do that either.
    answers(69, "store", "renew", "-s", f"sqlite:{d}/none")


def test_a_schema_of_before_is_told(d):
    store = Store(d)
    store.counts(LIST)
    older(store.db)
    status = json.loads(store.run(0, "status", "-j").stdout)
    assert (status["schema"], status["identity"]) == (1, "")
    said = store.run(0, "status")
    assert "schema 1, no identity" in said.stdout and "signpost store init" in said.stderr, said
    assert "signpost store init" in store.run(69, "renew").stderr
    assert store.counts(LIST + "tenant more\n") == (1, 0, 0, 9, 0)
    assert json.loads(store.run(0, "init", "-j").stdout) == {"from": 1, "to": 6}
    assert len(json.loads(store.run(0, "status", "-j").stdout)["identity"]) == 32
    assert store.counts(LIST) == (0, 0, 0, 9, 0)


def test_load_is_idempotent(d):
    store = Store(d)
    assert store.counts(LIST, 0, "--dry-run") == (9, 0, 0, 0, 0)
    assert store.epoch() == 1
    assert store.counts(LIST) == (9, 0, 0, 0, 0)
    epoch, keys = store.epoch(), store.sql("SELECT * FROM keys ORDER BY id")
    for _ in range(2):
        assert store.counts(LIST) == (0, 0, 0, 9, 0)
    assert store.epoch() == epoch and store.sql("SELECT * FROM keys ORDER BY id") == keys
    assert store.key("s1")[0].startswith("spk1:1:") and store.key("s1")[1] == 1
    assert abs(store.key("s1")[3] - time.time()) < 60 and store.key("s2")[3] == 0
    assert store.key("s2", "id, algorithm, bits") == ("k-2", "ed25519-sha256", 256)
    done, found = store.check()
    assert not found and done["keys"] == 2 and done["site_key_versions"] == {"1": 2}, found


def test_load_changes_what_differs(d):
    store = Store(d)
    store.load(LIST)
    changes = [("tenant acme enabled=no", "SELECT enabled, failure FROM tenants", (0, "")),
               ("domain acme example.com", "SELECT subdomains, policy FROM domains "
                "WHERE name = 'example.com'", (0, None)),
               ("rule acme r1 domain other.example example.net",
                "SELECT kind, priority, identity FROM rules WHERE id = 'r1'", (1, 0, "")),
               ("policy acme strict", "SELECT signature_ttl, failure FROM policies", (-1, "")),
               ("key acme example.com s2 generate:ed25519 active=1700000000 "
                "sign-until=2100-01-01T00:00:00Z", "SELECT active, sign_until, revision "
                "FROM keys WHERE id = 'k-2'", (1700000000, 4102444800, 1)),
               ("key acme example.com s1 generate:rsa-2048 retiring=5",
                "SELECT retiring FROM keys WHERE selector = 's1'", (5,))]
    for line, question, expected in changes:
        assert store.counts(line) == (0, 1, 0, 0, 0), line
        assert store.sql(question) == [expected], (line, store.sql(question))
        assert store.counts(line) == (0, 0, 0, 1, 0), line
    assert store.counts("tenant other\nbinding login:@example.com other") == (1, 1, 0, 0, 0)
    # Keys still open: only times were changed. Now it is the other one that signs.
    assert store.check()[1] == {}


def test_bad_lines(d):
    store = Store(d)
    store.load(LIST)
    bad = [("tenant", "too few words"), ("tenant ACME", "no name of a tenant"),
           ("tenant a b=c", "no option"), ("tenant a failure=x", "not cause=action"),
           ("tenant a enabled=maybe", "not yes or no"), ("tenant a enabled=no enabled=no", "twice"),
           ('tenant "a', "quote"), ("tenant a\x07", "control"), ("tenant " + "a" * 9000, "longer"),
           ("tenant" + " a" * 30, "more than"), ("domain acme a..b", "is no domain"),
           ("domain nobody nobody.example", "tenant"), ("domain acme x.example policy=none", "policy"),
           ("domain acme x.example signs-as=none.example", "x.example"),
           ("domain acme x.example signs-as=x.example", "itself"),
           ("policy acme p signature-ttl=x", "no number"), ("rule acme r9 kind a b", "kind"),
           ("rule acme r9 address nobody example.com", "no address"),
           ("rule acme r9 pattern (((*@x example.com", "pattern"),
           ("rule acme r9 suffix other.example example.com", "no suffix"),
           ("rule acme r9 domain o.example nothere.example", "r9"),
           ("rule acme r/9 domain o.example example.com", "no id"),
           ("key acme example.com s1 generate:rsa-4096", "another length"),
           ("key acme example.com s1 generate:ed25519", "another algorithm"),
           ("key acme example.com s2 generate:ed25519 id=k-3", "another id"),
           ("key acme example.com s9 generate:rsa-512", "1024 to"),
           ("key acme example.com s9 generate:dsa", "generate:"),
           ("key acme example.com s9 /nonexistent/key", "/nonexistent/key"),
           ("key acme example.com s9 generate:ed25519 active=tomorrow", "tomorrow"),
           ("key acme example.com s9 generate:ed25519 id=k-2", "s9"),
           ("key acme none.example s9 generate:ed25519", "none.example"),
           ("binding foo acme", "subject"), ("binding * nobody", "tenant"), ("frob a", "frob"),
           ("remove", "remove"), ("remove frob a", "frob"), ("remove tenant acme", "hangs"),
           ("remove tenant x y", "no option"), ("\xff\xfe", "is not tenant")]
    lines = [line for line, _ in bad]
    done, told = store.load("\n".join(lines) + "\ntenant fine", 65)
    for number, (line, says) in enumerate(bad, 1):
        assert says in told.get(number, ""), (line[:80], told.get(number))
    assert done["added"] == 1 and done["failed"] == len(bad), done
    for line in lines:
        assert store.counts(line, 65) == (0, 0, 0, 0, 1), line


def test_refused_lines_leave_the_others(d):
    store = Store(d)
    lines = ["tenant acme"] + [f"domain {'nobody' if i % 7 == 3 else 'acme'} d{i}.example"
                               for i in range(2500)]
    refused = sum(i % 7 == 3 for i in range(2500))
    done, told = store.load("\n".join(lines), 65)
    assert done["failed"] == refused and done["added"] == 2501 - refused, done
    assert sorted(told) == [i + 2 for i in range(2500) if i % 7 == 3]
    done, told = store.load("\n".join(reversed(lines)), 65, "--strict")
    assert done["failed"] == 1 and len(told) == 1, done
    assert store.sql("SELECT count(*) FROM domains") == [(2500 - refused,)]


def test_the_last_line_about_a_row_wins(d):
    store = Store(d)
    text = "tenant a\ndomain a x.example\ndomain a x.example subdomains=yes\ndomain a x.example\n"
    assert store.counts(text) == (2, 2, 0, 0, 0)
    assert store.sql("SELECT subdomains FROM domains") == [(0,)]
    assert store.counts("remove domain a x.example\nremove tenant a\ntenant a") == (1, 0, 2, 0, 0)
    assert store.counts("remove domain a x.example\nremove tenant b") == (0, 0, 0, 2, 0)


def test_rows_of_another_tenant_are_not_touched(d):
    store = Store(d)
    store.load(LIST + "tenant evil\n")
    before = store.sql("SELECT * FROM domains"), store.sql("SELECT * FROM keys")
    for line in ("domain evil example.com", "remove domain evil example.com",
                 "key evil example.com s1 generate:rsa-2048", "remove key evil example.com s2"):
        done, told = store.load(line, 65)
        assert "belongs to tenant" in told[1], told
    assert before == (store.sql("SELECT * FROM domains"), store.sql("SELECT * FROM keys"))


def test_a_key_that_is_not_proven(d):
    """The life cycle put another key into the slot of a line: the line does not let it sign."""
    store = Store(d)
    store.load("tenant a\ndomain a example.com")
    line = "key a example.com slot1 generate:rsa-2048 active=2026-01-01T00:00:00Z"
    assert store.counts(line) == (1, 0, 0, 0, 0)
    old = store.key("slot1", "id, private_key")
    store.sql("UPDATE keys SET id = 'k-new', revision = 2, active = 0, life = '{}' WHERE selector = 'slot1'")
    before = store.key("slot1")
    for times in ("active=2026-01-01T00:00:00Z", "active=now"):
        done, told = store.load(f"key a example.com slot1 generate:rsa-2048 {times}", 65)
        assert "not proven" in told[1], told
    done, told = store.load(f"key a example.com slot1 generate:rsa-2048 id={old[0]}", 65)
    assert "a selector is used once" in told[1], told
    assert store.counts("key a example.com slot1 generate:rsa-2048") == (0, 0, 0, 1, 0)
    assert store.key("slot1") == before
    # What was sealed for the one before is not the new one's.
    done, found = store.check(65)
    assert "foreign" in found[("key", "example.com", "slot1")], found
    store.sql("UPDATE keys SET proven = 5 WHERE selector = 'slot1'")
    assert store.counts(line) == (0, 1, 0, 0, 0)


def test_remove(d):
    store = Store(d)
    store.load(LIST)
    gone = """remove rule acme r1
remove rule acme r2
remove binding login:@Example.com
remove key acme example.com s2
remove domain acme example.net
"""
    assert store.counts(gone) == (0, 0, 5, 0, 0)
    assert store.counts(gone) == (0, 0, 0, 5, 0)
    # A key that was active stays: its selector was seen.
    assert store.counts("remove key acme example.com s1", 65) == (0, 0, 0, 0, 1)


def test_subjects_are_what_sessions_ask_for(d):
    store = Store(d)
    good = {"client:192.0.2.9": "client:192.0.2.9/32", "client:192.0.2.9/24": "client:192.0.2.0/24",
            "client:10.1.2.3/0": "client:0.0.0.0/0", "client:2001:DB8:0::9": "client:2001:db8::9/128",
            "client:2001:db8:ffff::/36": "client:2001:db8:f000::/36", "client:::1/0": "client:::/0",
            "client:MX.Example.com": "client:mx.example.com", "client:.Example.com":
            "client:.example.com", "LOGIN:Joe@Example.com": "login:joe@example.com", "*": "*",
            "listener:Smtp-In": "listener:smtp-in"}
    lines = "tenant a\n" + "".join(f"binding {subject} a\n" for subject in good)
    assert store.counts(lines) == (1 + len(good), 0, 0, 0, 0)
    assert {row[0] for row in store.sql("SELECT subject FROM bindings")} == set(good.values())
    assert store.counts(lines) == (0, 0, 0, 1 + len(good), 0)
    for bad in ("client:", "client:192.0.2.0/33", "client:192.0.2.0/x", "client:2001:db8::/33",
                "client:a/24", "client:a..b", "client:[192.0.2.1]", "login:", "listener:", "**"):
        assert store.counts(f"binding {bad} a", 65) == (0, 0, 0, 0, 1), bad
    assert store.counts("remove binding client:192.0.2.77/24") == (0, 0, 1, 0, 0)


def test_keys_from_files(d):
    store = Store(d)
    first, record = make_key(d, "one", "-b", "2048")
    other, _ = make_key(d, "two", "-b", "1024")
    store.load("tenant a\ndomain a example.com")
    line = f"key a example.com s1 {first} active=now"
    assert store.counts(line) == (1, 0, 0, 0, 0)
    assert store.key("s1", "public_key")[0] == record.split("p=")[1]
    assert store.counts(line) == (0, 0, 0, 1, 0)
    # Its public half was left out by whoever wrote the row: the private one tells.
    store.sql("UPDATE keys SET public_key = ''")
    assert store.counts(line) == (0, 0, 0, 1, 0)
    done, told = store.load(f"key a example.com s1 {other}", 65)
    assert "a selector is used once" in told[1], told
    result = store.run(0, "load", "-", stdin=f"key a example.com weak {other}")
    assert "1024 bits" in result.stderr, result.stderr
    write(f"{d}/half", read(first)[:300])
    assert "half" in store.load(f"key a example.com s3 {d}/half", 65)[1][1]
    done, found = store.check()
    assert found == {("key", "example.com", "s1"): {"no-public"},
                     ("key", "example.com", "weak"): {"weak"}}, found


def test_plain_keys_only_when_asked_for(d):
    store = Store(d, site=False)
    done, told = store.load(LIST, 65)
    assert done["failed"] == 2 and all("--plain" in text for text in told.values()), told
    assert store.counts(LIST, 0, "--plain") == (2, 0, 0, 7, 0)
    assert store.key("s1")[0].startswith("-----BEGIN PRIVATE KEY-----\n")
    done, found = store.check()
    assert done["plain"] == 2 and done["warnings"] == 2, done
    answers(78, "store", "reseal", "-x", store.conf)
    answers(0, "store", "sitekey", "new", store.site)
    write(store.conf, read(store.conf) + f"SiteKeyFile {store.site}\n")
    done, found = store.check(65)
    assert all(codes == {"plain"} for codes in found.values()) and done["errors"] == 2, found
    assert json.loads(store.run(0, "reseal", "-j").stdout)["plain"] == 2
    assert json.loads(store.run(0, "reseal", "-j", "--seal-plain", "-n").stdout)["sealed"] == 2
    assert json.loads(store.run(0, "reseal", "-j", "--seal-plain").stdout)["sealed"] == 2
    assert store.key("s1")[0].startswith("spk1:1:") and store.key("s1")[1] == 2
    assert store.check()[0]["errors"] == 0


def test_check_finds_what_is_wrong(d):
    store = Store(d)
    weak, _ = make_key(d, "weak", "-b", "1024")
    store.load(LIST + f"""
domain acme alone.example
domain acme off.example enabled=no
tenant other
domain other other.example
key other other.example o1 generate:ed25519 active=now
key acme alone.example weak {weak}
""")
    fine = {("domain", "alone.example", None): {"no-active-key"},
            ("key", "alone.example", "weak"): {"weak"}}
    assert store.check(65)[1] == fine
    s1, s2 = store.key("s1")[0], store.key("s2")[0]
    p1, p2 = store.key("s1", "public_key")[0], store.key("s2", "public_key")[0]
    key = ("key", "example.com", "s1")
    nothing_signs = {("domain", name, None): {"no-active-key"}
                     for name in ("example.com", "example.net")}
    turned = s1[:20] + ("A" if s1[20] != "A" else "B") + s1[21:]
    cases = [("private_key", s2, s1, {"foreign"}, True),  # another key of the same tenant
             ("private_key", turned, s1, {"foreign"}, True),
             ("private_key", s1[:-5], s1, {"unreadable"}, True),
             ("private_key", "spk1:7:" + s1[7:], s1, {"no-sitekey"}, True),
             ("private_key", "spk2:1:AAAA", s1, {"unreadable"}, True),
             ("private_key", "", s1, {"no-sitekey"}, True),
             ("revision", 2, 1, {"foreign"}, True),
             ("public_key", p2, p1, {"mismatch"}, False),
             ("bits", 4096, 2048, {"mismatch"}, False),
             ("algorithm", "ed25519-sha256", "rsa-sha256", {"mismatch"}, False),
             ("algorithm", "rsa-sha1", "rsa-sha256", {"invalid", "mismatch"}, False),
             ("sign_until", 5, 0, {"lease"}, True),
             ("retiring", 5, 0, None, True)]
    for column, value, before, codes, silent in cases:
        store.sql(f"UPDATE keys SET {column} = ? WHERE selector = 's1'", value)
        expected = dict(fine)
        expected.update(nothing_signs if silent else {})
        expected.update({key: codes} if codes else {})
        found = store.check(65)[1]
        assert found == expected, (column, value, found)
        store.sql(f"UPDATE keys SET {column} = ? WHERE selector = 's1'", before)
    # A destroyed key needs no private key.
    store.sql("UPDATE keys SET destroyed = 5, private_key = '' WHERE selector = 's2'")
    assert store.check(65)[1] == fine


def test_check_finds_tokens_that_cannot_be(d):
    store = Store(d)
    store.load(LIST)
    now, good = int(time.time()), "0123456789abcdef" * 4

    def token(name, tenant="acme", secret=good, expires=0, maker="uid:0 root"):
        columns = {"id": name, "tenant": tenant, "name": "a panel", "secret": secret[:60] + name[-1] * 4 if secret is good else secret,
                   "scopes": "keys:read", "domains": "", "networks": "", "maker": maker, "created": now - 86400 * 365, "expires": expires, "revoked": 0,
                   "revision": 1}
        store.sql(f"INSERT INTO tokens ({','.join(columns)}) VALUES ({','.join('?' * len(columns))})", *columns.values())

    token("t_a", expires=now + 1000)
    token("t_b", tenant="")
    token("t_c", expires=now - 86400 * 89)
    done, found = store.check()
    assert found == {} and done["tokens"] == 3, (done, found)
    token("t_d", expires=now - 86400 * 91)
    done, found = store.check()
    assert found == {("token", "t_d", None): {"expired"}} and done["warnings"] == 1, found
    token("t_e", tenant="gone")
    token("t_f", secret="0123")
    token("t_0", secret=good.upper())
    token("t_1", maker="x\x1b[2J")
    done, found = store.check(65)
    assert found == {("token", "t_d", None): {"expired"}, ("token", "t_e", None): {"no-tenant"}, ("token", "t_f", None): {"invalid"},
                     ("token", "t_0", None): {"invalid"}, ("token", "t_1", None): {"invalid"}}, found
    text = store.run(65, "check").stdout
    assert "\x1b" not in text and good.upper() not in text and "0123" not in text and "error: token t_e: no-tenant: " in text, text
    # More than a page of them, of all tenants and of one.
    for i in range(1500):
        token(f"m{i}", tenant="" if i % 2 else "acme", secret=f"{i:064x}")
    assert store.check(65)[0]["tokens"] == 1508


def test_check_finds_rows_that_hang_in_the_air(d):
    store = Store(d)
    store.load(LIST)
    cases = [("UPDATE keys SET tenant = 'evil' WHERE selector = 's1'",
              ("key", "example.com", "s1"), {"no-domain", "foreign"}),
             ("UPDATE keys SET domain = 'gone.example' WHERE selector = 's1'",
              ("key", "gone.example", "s1"), {"no-domain", "foreign"}),
             ("UPDATE rules SET domain = 'gone.example' WHERE id = 'r1'", ("rule", "acme", "r1"),
              {"no-domain"}),
             ("UPDATE domains SET signs_as = 'gone.example' WHERE name = 'example.net'",
              ("domain", "example.net", None), {"no-domain"}),
             ("UPDATE domains SET policy = 'gone' WHERE name = 'example.net'",
              ("domain", "example.net", None), {"no-policy"}),
             ("UPDATE bindings SET tenant = 'gone'", ("binding", "login:@example.com", None),
              {"no-tenant"}),
             ("UPDATE tenants SET failure = 'store=frob'", ("tenant", "acme", None), {"invalid"}),
             ("UPDATE rules SET subject = 'X' WHERE id = 'r1'", ("rule", "acme", "r1"),
              {"invalid"}),
             ("DELETE FROM domains WHERE name = 'example.com'", ("key", "example.com", "s1"),
              {"no-domain"}),
             ("DELETE FROM tenants", ("domain", "example.com", None), {"no-tenant"})]
    original = open(store.db, "rb").read()
    for statement, row, codes in cases:
        store.sql(statement)
        done, found = store.check(65)
        assert found.get(row) == codes, (statement, found)
        for name in os.listdir(d):
            if name.startswith("db-"):
                os.unlink(f"{d}/{name}")
        with open(store.db, "wb") as f:
            f.write(original)
    assert store.check()[1] == {}


def test_site_keys_that_do_not_fit(d):
    store = Store(d)
    store.load(LIST)
    text = read(store.site)
    os.unlink(store.site)
    answers(0, "store", "sitekey", "new", store.site)
    result = store.run(65, "check")
    assert "is not the site key that sealed it: compare the file" in result.stdout, result.stdout
    store.run(0, "reseal")  # they have the current version, it seems
    answers(0, "store", "sitekey", "add", store.site)
    answers(0, "store", "sitekey", "activate", store.site)
    assert "is not the site key that sealed it" in store.run(65, "reseal").stderr
    assert store.counts(LIST) == (0, 0, 0, 9, 0)  # what it says is there
    write(store.site, text.replace("\n1 ", "\n5 ").replace("current 1", "current 5"))
    result = store.run(65, "check")
    assert "has the version 5, and version 1 sealed the key: copy" in result.stdout, result.stdout
    write(store.site, text)
    store.run(0, "check")
    without = write(f"{d}/without", f"KeyStore sqlite:{store.db}\n")
    result = answers(65, "store", "check", "-x", without)
    assert "set SiteKeyFile" in result.stdout, result.stdout


def test_reseal(d):
    store = Store(d)
    store.load(LIST)
    before = store.key("s1")
    answers(0, "store", "sitekey", "add", store.site)
    assert json.loads(store.run(0, "reseal", "-j").stdout)["sealed"] == 0
    answers(0, "store", "sitekey", "activate", store.site)
    store.sql("UPDATE keys SET active = 77 WHERE selector = 's2'")
    bad = store.key("s2")[0]
    store.sql("UPDATE keys SET private_key = ? WHERE selector = 's2'", bad[:-8] + "AAAA" + bad[-4:])
    result = store.run(65, "reseal", "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows[0]["selector"] == "s2" and rows[1]["sealed"] == 1 and rows[1]["failed"] == 1, rows
    after = store.key("s1")
    assert after[0].startswith("spk1:2:") and after[1] == 2 and after[3] == before[3], after[1:]
    assert after[2] > before[2]
    store.sql("UPDATE keys SET private_key = ? WHERE selector = 's2'", bad)
    assert json.loads(store.run(0, "reseal", "-j").stdout)["sealed"] == 1
    assert store.key("s2")[3] == 77
    # The old version can go.
    lines = [line for line in read(store.site).splitlines(True) if not line.startswith("1 ")]
    write(store.site, "".join(lines))
    assert store.check()[0]["site_key_versions"] == {"2": 2}
    # The old text in the new row, as from an old backup.
    store.sql("UPDATE keys SET private_key = ? WHERE selector = 's1'", before[0])
    store.run(65, "check")
    if sealing is None:
        return
    owner = ("acme", "example.com", "s1", store.key("s1", "id")[0], 2)
    assert sealing.unseal(read(store.site), owner, after[0]).startswith(b"-----BEGIN PRIVATE KEY")


def many(count):
    return "tenant a\n" + "".join(f"domain a d{i}.example\nkey a d{i}.example s generate:ed25519 "
                                  "active=now\n" for i in range(count))


def test_reseal_beside_load(d):
    store = Store(d)
    store.load(many(600))
    for _ in range(2):
        answers(0, "store", "sitekey", "add", store.site)
    answers(0, "store", "sitekey", "activate", store.site)
    moved = many(600).replace("active=now", "active=now sign-until=4102444800")
    write(f"{d}/moved", moved)
    beside = subprocess.Popen([SIGNPOST, "store", "load", "-x", store.conf, f"{d}/moved"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    result = tool("store", "reseal", "-x", store.conf)
    said = beside.communicate()[1]
    assert beside.returncode in (0, 65) and result.returncode in (0, 65), (said, result.stderr)
    # Whatever was refused to one of them is done by running it again.
    store.run(0, "reseal")
    store.load(moved)
    assert store.check()[0]["site_key_versions"] == {"3": 600}
    assert store.sql("SELECT count(*) FROM keys WHERE sign_until = 4102444800") == [(600,)]


def test_killed_in_the_middle(d):
    store = Store(d)
    text = write(f"{d}/list", many(3000))
    chance = random.Random(8301)
    for _ in range(6):
        process = subprocess.Popen([SIGNPOST, "store", "load", "-x", store.conf, text],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.02, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
    done, _ = store.load(read(text))
    assert done["added"] + done["unchanged"] == 6001 and done["failed"] == 0, done
    answers(0, "store", "sitekey", "add", store.site)
    answers(0, "store", "sitekey", "activate", store.site)
    for _ in range(4):
        process = subprocess.Popen([SIGNPOST, "store", "reseal", "-x", store.conf],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.02, 0.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
    store.run(0, "reseal")
    done, found = store.check()
    assert done["keys"] == 3000 and done["site_key_versions"] == {"2": 3000} and not found, done


def most_memory(command):
    """Most resident kilobytes of a command that must answer 0."""
    script = ("import os, resource, subprocess, sys; "
              "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, "
              "stderr=subprocess.DEVNULL, "
              "env={**os.environ, 'ASAN_OPTIONS': 'quarantine_size_mb=1'}).returncode; "
              "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    result = subprocess.run([sys.executable, "-c", script, *command], capture_output=True, text=True,
                            timeout=600, check=True)
    code, kilobytes = result.stdout.split()
    assert code == "0", command
    return int(kilobytes)


def test_memory_does_not_grow_with_the_list(d):
    store = Store(d)
    sizes = []
    for count in (3000, 60000):
        path = write(f"{d}/list", "tenant a\n" + "".join(
            f"domain a d{i}.example policy=\n" for i in range(count)))
        sizes.append(most_memory([SIGNPOST, "store", "load", "-x", store.conf, path]))
        sizes.append(most_memory([SIGNPOST, "store", "load", "-x", store.conf, path]))
    assert max(sizes[2:]) - max(sizes[:2]) < 20000, sizes


def test_records(d):
    """What DNS has to say: what genkey said of the key, in strings of at most 255 octets."""
    store = Store(d)
    key, record = make_key(d, "f")
    store.load(LIST + f"domain acme other.example\nkey acme other.example s9 {key} active=now\n")
    lines = store.run(0, "records", "Example.com").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["s1._domainkey.example.com.", "s2._domainkey.example.com."], lines
    assert lines[0].endswith("; ACTIVE") and lines[1].endswith("; PREPARED") and "k=ed25519" in lines[1]
    records = [json.loads(line) for line in store.run(0, "records", "--json").stdout.splitlines()]
    assert [r["name"] for r in records] == [f"{n}._domainkey.{o}" for n, o in
                                            (("s1", "example.com"), ("s2", "example.com"), ("s9", "other.example"))]
    assert joined(store.run(0, "records", "other.example").stdout) == records[2]["value"]
    assert records[2]["value"].split("p=")[1] == record.split("p=")[1] and "k=rsa" in records[2]["value"]
    store.sql("UPDATE keys SET revoked = 1 WHERE selector = 's1'")
    store.sql("UPDATE keys SET revoked = 1, removed = 1 WHERE selector = 's2'")
    assert '"v=DKIM1; p="' in store.run(0, "records", "example.com").stdout
    assert len(store.run(0, "records", "example.com").stdout.splitlines()) == 1
    assert "no key" in store.run(65, "records", "example.net").stderr
    assert "no domain" in store.run(65, "records", "ex ample").stderr


def test_a_store_that_does_not_answer(d):
    store = Store(d)
    store.load(LIST)
    with contextlib.closing(sqlite3.connect(store.db, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        result = store.run(69, "load", "-", stdin=LIST + "tenant more\n")
        assert "run the same command again" in result.stderr, result.stderr
        db.execute("ROLLBACK")
    assert store.counts(LIST + "tenant more\n") == (1, 0, 0, 9, 0)
    with open(store.db, "r+b") as f:
        f.write(b"this is no database file any more")
    for word in (["check"], ["reseal"], ["status"], ["load", write(f"{d}/list", LIST)]):
        result = tool("store", word[0], "-x", store.conf, *word[1:])
        assert result.returncode in (69, 70, 78) and result.stderr, (word, result)


def test_names_of_others_do_nothing_to_a_terminal(d):
    store = Store(d)
    store.load(LIST)
    store.sql("PRAGMA foreign_keys = OFF")
    store.sql("INSERT INTO rules (tenant, id, kind, subject, subject_domain, domain, revision) "
              "VALUES ('acme', 'r\x1b[2J', 1, 'x\n.example', 'x', 'example.com', 1)")
    result = store.run(65, "check")
    assert "\x1b" not in result.stdout and "invalid" in result.stdout, result.stdout
    json.loads(store.run(65, "check", "-j").stdout.splitlines()[0])


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main(globals()))
