"""What `signpostd -n` says: one configuration for each kind of mistake, its exit status and the sentence that helps.

Each sentence names the file, the line and the thing, and says what to do. `pytest -s` prints all of them.
"""
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from lib import patience, procs
from lib.daemon import is_signpost

CONFIG = 78
SINGLE = "Syslog no\nRequireSafeKeys no\nDomain example.test\nSelector sel\n"     # 4 lines; KeyFile is the fifth
TABLES = "Syslog no\nRequireSafeKeys no\nKeyTable file:{dir}/kt\nSigningTable refile:{dir}/st\n"
SAFE = SINGLE.replace("RequireSafeKeys no\n", "")
KEY = "KeyFile {dir}/good.private\n"
AT6 = "{dir}/t.conf: configuration error at line 6: "
KT, ST = "k1 example.test:sel:{dir}/good.private\n", "*@example.test k1\n"

# name -> (configuration, exit status, sentences that must be said, other files)
CASES = {
    "nothing is wrong": (SINGLE + KEY, 0, [], {}),
    "nothing is wrong, tables": (TABLES, 0, [], {"kt": KT, "st": ST}),
    "unknown parameter": (SINGLE + KEY + "Canonicalisation relaxed/simple\n", CONFIG,
                          [AT6 + 'unrecognized parameter "Canonicalisation" (did you mean "Canonicalization"?)'], {}),
    "no value": (SINGLE + KEY + "Mode\n", CONFIG, [AT6 + 'required value missing for "Mode"'], {}),
    "bad boolean": (SINGLE + KEY + "SubDomains perhaps\n", CONFIG,
                    [AT6 + 'illegal value "perhaps" for "SubDomains": yes or no is needed'], {}),
    "bad integer": (SINGLE + KEY + "MinimumKeyBits many\n", CONFIG,
                    [AT6 + 'illegal value "many" for "MinimumKeyBits": an integer is needed'], {}),
    "integer out of range": (SINGLE + KEY + "SignatureTTL -5\n", CONFIG,
                             [AT6 + 'illegal value "-5" for "SignatureTTL": it must be 0 to'], {}),
    "include loop": (SINGLE + KEY + "Include {dir}/a.conf\n", CONFIG,
                     ["{dir}/b.conf: configuration error at line 1: {dir}/a.conf includes itself, here or by way of others; "
                      "remove this line"], {"a.conf": "Include {dir}/b.conf\n", "b.conf": "Include {dir}/a.conf\n"}),
    "include of nothing": (SINGLE + KEY + "Include {dir}/none.conf\n", CONFIG,
                           [AT6 + "error reading configuration file {dir}/none.conf: No such file"], {}),
    "SigningTable without KeyTable": (SINGLE + KEY + "SigningTable csl:example.test=x\n", CONFIG,
                                      [AT6 + "use of SigningTable requires KeyTable: add KeyTable"], {}),
    "KeyTable without SigningTable": ("Syslog no\nRequireSafeKeys no\n#\n#\n#\nKeyTable file:{dir}/kt\n", CONFIG,
                                      [AT6 + "KeyTable requires either SigningTable or SetupPolicyScript: add SigningTable"],
                                      {"kt": KT}),
    "Selector without KeyFile": (SINGLE, CONFIG, ["line 4: KeyFile and Selector must both be defined or both be undefined: "
                                                  "add KeyFile"], {}),
    "missing key file": (SINGLE + "KeyFile {dir}/none.private\n", CONFIG,
                         ["KeyFile: {dir}/none.private: No such file or directory; make the key with signpost-genkey or "
                          "correct the path"], {}),
    "key file that is a folder": (SINGLE + "KeyFile {dir}\n", CONFIG, ["KeyFile: {dir}: is not a regular file but a directory; "
                                                                       "put a private key there"], {}),
    "unsafe key file": (SAFE + "KeyFile {dir}/open.private\n", CONFIG,
                        ["KeyFile: {dir}/open.private: key data is not secure: everybody can read or write it; "
                         "run: chmod o-rw {dir}/open.private"], {"open.private": "GOOD"}),
    "safe key file below a folder open to all": (SAFE + "KeyFile {open}/good.private\n", CONFIG,
                                                 ["KeyFile: {open}: key data is not secure: everybody can make files here; "
                                                  "move the key to a folder that only its owner can change"], {}),
    "bad key": (SINGLE + "KeyFile {dir}/bad.private\n", CONFIG,
                ["KeyFile: {dir}/bad.private: it is not an unencrypted private key in PEM form or base64 DER",
                 "; put a private key there, as signpost-genkey makes it"],
                {"bad.private": "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n"}),
    "empty key file": (SINGLE + "KeyFile {dir}/empty.private\n", CONFIG, ["KeyFile: {dir}/empty.private: the key file is empty; "
                                                                         "put a private key there"], {"empty.private": ""}),
    "unknown table type": (SINGLE + KEY + "InternalHosts strange:/x\n", CONFIG,
                           ['InternalHosts: Unknown database type "strange"; if this is a list', "write csl: in front of it"], {}),
    "table type of another build": (SINGLE + KEY + "InternalHosts erlang:u:secret@h/db\n", CONFIG,
                                    ['InternalHosts: table type "erlang" is not in this build', "convert the data to file:"], {}),
    "user of a memcached": (SINGLE + KEY + "InternalHosts memcache:u:secret@h/db\n", CONFIG,
                            ["InternalHosts: a memcached server is host:port or /path, without a user and a '@'"], {}),
    "password in a URL": (SINGLE + KEY + "InternalHosts ldap://u:secret@h/db\n", CONFIG,
                          ["InternalHosts: the URL names a user; that is for LDAPBindUser and LDAPBindPassword"], {}),
    "missing table": (TABLES, CONFIG, ["SigningTable: {dir}/st: No such file or directory"], {"kt": KT}),
    "SigningTable names an unknown key": (TABLES, CONFIG, ["SigningTable {dir}/st line 2: signing table references unknown key "
                                                           "'k9'; add it to KeyTable {dir}/kt"],
                                          {"kt": KT, "st": ST + "*@other.test k9\n"}),
    "SigningTable line without a value": (TABLES, CONFIG, ["SigningTable {dir}/st line 2: nothing stands behind the first word; "
                                                           "write a key name there"], {"kt": KT, "st": ST + "*@other.test\n"}),
    "KeyTable line that is too short": (TABLES, CONFIG, ["SigningTable {dir}/st line 2: KeyTable entry for 'k2' corrupt: it has "
                                                         "one field, selector and key are missing ({dir}/kt line 2); write "
                                                         "domain:selector:key"],
                                        {"kt": KT + "k2 two.test\n", "st": ST + "*@two.test k2\n"}),
    "KeyTable line with a missing key file": (TABLES, CONFIG, ["SigningTable {dir}/st line 2, KeyTable {dir}/kt line 2: "
                                                               "{dir}/none.private: No such file or directory; make the key "
                                                               "with signpost-genkey or correct the path"],
                                              {"kt": KT + "k2 two.test:sel:{dir}/none.private\n", "st": ST + "*@two.test k2\n"}),
    "bad regular expression": (TABLES, CONFIG, ["SigningTable {dir}/st line 2: the pattern is not used: a '[' that is not closed as it should be"],
                               {"kt": KT, "st": ST + "*@[abc.test k1\n"}),
    "bad Canonicalization": (SINGLE + KEY + "Canonicalization loose/simple\n", CONFIG,
                             [AT6 + 'illegal value "loose/simple" for "Canonicalization": HEADER/BODY is needed, each "simple" '
                              'or "relaxed"'], {}),
    "rsa-sha1": (SINGLE + KEY + "SignatureAlgorithm rsa-sha1\n", CONFIG,
                 [AT6 + 'illegal value "rsa-sha1" for "SignatureAlgorithm": RFC 8301 forbids signing with SHA-1; '
                  "write rsa-sha256"], {}),
    "bad On-InternalError": (SINGLE + KEY + "On-InternalError explode\n", CONFIG,
                             [AT6 + 'illegal value "explode" for "On-InternalError": accept, discard, quarantine, reject or '
                              "tempfail is needed"], {}),
    "bad Mode": (SINGLE + KEY + "Mode q\n", CONFIG, [AT6 + 'illegal value "q" for "Mode": s (sign), v (verify) or both'], {}),
    "unknown UserID": (SINGLE + KEY + "UserID no-such-user-here\n", CONFIG,
                       ['{dir}/t.conf:6: UserID: no such user: "no-such-user-here"; create it or correct the name'], {}),
    "unknown group": (SINGLE + KEY + "UserID daemon:no-such-group\n", CONFIG,
                      ['{dir}/t.conf:6: UserID: no such group: "no-such-group"; create it or correct the name'], {}),
    "missing BaseDirectory": (SINGLE + KEY + "BaseDirectory {dir}/none\n", CONFIG, ["BaseDirectory {dir}/none: No such file"], {}),
    "parameter twice": (SINGLE + KEY + "Mode s\nMode sv\n", 0,
                        ['{dir}/t.conf: warning at line 7: "Mode" was "s" at {dir}/t.conf:6; the value of this line wins, '
                         "remove one of them"], {}),
    "parameter that the tables make void": (TABLES + "Domain example.test\n", 0,
                                            ['{dir}/t.conf: warning at line 5: "Domain" is ignored because KeyTable is set: '
                                             "remove one of them"], {"kt": KT, "st": ST}),
}


@pytest.fixture(scope="module")
def place():
    """A folder below folders that only root can change (/tmp is not one), with a folder that is open to all in it."""
    if os.geteuid() != 0:
        pytest.skip("a safe place for keys needs root")
    path = Path(tempfile.mkdtemp(prefix="signpost-it-check-", dir="/var/lib"))
    (path / "open").mkdir()
    (path / "open").chmod(0o1777)
    path.chmod(0o755)
    yield path
    procs.remove_dir(path)


@pytest.mark.parametrize("name", CASES)
def test_mistake(program, place, shared_keys, name):
    if not is_signpost(program):
        pytest.skip("not with opendkim: the sentences are ours")
    text, status, sentences, files = CASES[name]
    folder = place / "".join(c if c.isalnum() else "-" for c in name)
    folder.mkdir()
    names = {"{dir}": str(folder), "{open}": str(place / "open")}
    (place / "open/good.private").write_bytes(shared_keys["rsa2048"].path.read_bytes())
    (place / "open/good.private").chmod(0o600)

    def fill(text):
        for mark, path in names.items():
            text = text.replace(mark, path)
        return text

    good = shared_keys["rsa2048"].path.read_text()
    for path, contents in {"good.private": "GOOD", "t.conf": text, **files}.items():
        (folder / path).write_text(good if contents == "GOOD" else fill(contents))
        (folder / path).chmod(0o600 if path in ("good.private", "bad.private", "empty.private") else 0o644)
    done = subprocess.run([program, "-n", "-x", folder / "t.conf"], capture_output=True, text=True, timeout=patience.seconds(60),
                          stdin=subprocess.DEVNULL)
    said = done.stdout + done.stderr
    print(f"\n{name} (exit {done.returncode})\n" + "".join(f"    {line}\n" for line in said.replace(str(folder), "DIR").splitlines()), end="")
    assert done.returncode == status, said
    missing = [s for s in map(fill, sentences) if s not in said]
    assert not missing, f"{missing}\nnot in:\n{said}"
    assert len(said.splitlines()) == (1 if sentences else 0), f"one line for one event:\n{said}"
    assert good.splitlines()[5] not in said and "secret" not in said
