#!/usr/bin/env python3
"""signpost over TLS, with a token or a client certificate, against the API without a reconciler (tests/tools/admin_driver.c),
on SQLite. Prints TAP."""
import os
import shutil
import subprocess
import sys

from common import SIGNPOST, Skip, main, run, tool, write
from test_admin_cli import Daemon, Fake, http, with_admin


def openssl(*words):
    if shutil.which("openssl") is None:
        raise Skip("the openssl command is not installed")
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def authority(d, name="ca"):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", f"/CN={name}",
            "-keyout", f"{d}/{name}.key", "-out", f"{d}/{name}.pem")
    return f"{d}/{name}.pem"


def certificate(d, ca, name, names="IP:127.0.0.1"):
    key, request, out = f"{d}/{name}.key", f"{d}/{name}.csr", f"{d}/{name}.pem"
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
    write(f"{d}/{name}.ext", f"subjectAltName={names}\n")
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca.replace(".pem", ".key"), "-CAcreateserial", "-days", "20",
            "-extfile", f"{d}/{name}.ext", "-out", out)
    return out, key


class Remote(Daemon):
    """One that also listens with TLS."""

    def __init__(self, d):
        with_admin()
        self.ca = authority(d)
        self.pair = certificate(d, self.ca, "server")
        super().__init__(d, *self.words())
        self.url = f"https://127.0.0.1:{self.port}"

    def words(self):
        return 0, 0, -1, "127.0.0.1:0", *self.pair, self.ca

    def token(self, *words, name="token"):
        secret = self.json("token", "add", *words)["result"]["secret"]
        path = write(f"{self.d}/{name}", secret + "\n")
        os.chmod(path, 0o600)
        return path

    def far(self, *words, **more):
        return tool(*words, "--url", self.url, "--ca", self.ca, **more)


def test_a_token_from_a_file(d):
    with Remote(d) as daemon:
        daemon.world()
        token = daemon.token("--scopes=role:owner", "--tenant=acme")
        result = daemon.far("domain", "show", "example.org", "--token-file", token)
        assert result.returncode == 0 and "example.org" in result.stdout, result
        result = daemon.far("rotate", "example.org", "-r", "far", "--token-file", token)
        assert result.returncode == 0, result
        # Before the command, and from the environment.
        result = run(SIGNPOST, "--url", daemon.url, f"--token-file={token}", "--ca", daemon.ca, "domain", "list")
        assert result.returncode == 0 and "example.org" in result.stdout, result
        environment = {**os.environ, "SIGNPOST_URL": daemon.url + "/", "SIGNPOST_TOKEN_FILE": token, "SIGNPOST_CA": daemon.ca}
        result = subprocess.run([SIGNPOST, "policy", "list"], env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0 and "std" in result.stdout, result
        # --socket goes before the environment.
        result = subprocess.run([SIGNPOST, "tenant", "list", "--socket", f"{d}/none"], env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 69 and f"{d}/none" in result.stderr, result
        # What the token may not do, and what is another tenant's.
        daemon.run("tenant", "add", "other")
        daemon.run("domain", "add", "other.example", "other")
        result = daemon.far("domain", "show", "other.example", "--token-file", token)
        assert result.returncode == 1 and "not-found" in result.stderr, result
        result = daemon.far("rotate", "--due", "-r", "x", "--token-file", daemon.token("--scopes=keys:read", name="less"))
        assert result.returncode == 1 and "forbidden" in result.stderr, result
        name = [row["token"] for row in daemon.json("token", "list")["result"]["tokens"] if row["tenant"] == "acme"][0]
        daemon.run("token", "revoke", name)
        daemon.sql("UPDATE tokens SET revoked = revoked - 100 WHERE revoked > 0")
        daemon.stop()
        daemon.start(*daemon.words())
        daemon.url = f"https://127.0.0.1:{daemon.port}"
        result = daemon.far("domain", "list", "--token-file", token)
        assert result.returncode == 1 and "unauthorized" in result.stderr, result


def test_an_expired_token(d):
    with Remote(d) as daemon:
        token = daemon.token("--scopes=role:owner")
        daemon.sql("UPDATE tokens SET expires = 1000")
        result = daemon.far("tenant", "list", "--token-file", token)
        assert result.returncode == 1 and "unauthorized" in result.stderr, result


def test_a_client_certificate(d):
    with Remote(d) as daemon:
        daemon.run("token", "add", "--scopes=role:owner", "--certificate=panel.example")
        pem, key = certificate(d, daemon.ca, "panel", "DNS:panel.example")
        result = daemon.far("tenant", "list", "--cert", pem, "--key", key)
        assert result.returncode == 0, result
        stranger, its_key = certificate(d, authority(d, "another"), "stranger", "DNS:panel.example")
        result = daemon.far("tenant", "list", "--cert", stranger, "--key", its_key)
        assert result.returncode in (1, 69) and not result.stdout, result


def test_whom_it_does_not_believe(d):
    with Remote(d) as daemon:
        token = daemon.token("--scopes=role:owner")
        wrong = authority(d, "wrong")
        for ca in (["--ca", wrong], [], ["--ca", f"{d}/absent"]):
            result = tool("tenant", "list", "--url", daemon.url, "--token-file", token, *ca)
            assert result.returncode == 69 and "cannot be reached" in result.stderr and not result.stdout, result
        # Of another name.
        daemon.stop()
        daemon.pair = certificate(d, daemon.ca, "named", "DNS:admin.example")
        daemon.start(*daemon.words())
        result = tool("tenant", "list", "--url", f"https://127.0.0.1:{daemon.port}", "--ca", daemon.ca, "--token-file", token)
        assert result.returncode == 69 and not result.stdout, result


def test_tokens_that_others_can_read(d):
    with_admin()
    token = write(f"{d}/token", "spt_" + "A" * 43 + "\n")
    good = ["tenant", "list", "--url", "https://127.0.0.1:1", "--token-file"]
    for mode in (0o644, 0o604, 0o602, 0o620, 0o601):
        os.chmod(token, mode)
        result = tool(*good, token)
        assert result.returncode == 77 and "others" in result.stderr and "spt_" not in result.stderr, (oct(mode), result)
    os.chmod(token, 0o640)
    assert "cannot be reached" in tool(*good, token).stderr
    for text in ("", "x", "spt_" + "A" * 42, "spt_" + "A" * 44, "spt_" + "A" * 43 + "\nX: y", "spt_" + "A" * 42 + "\r", "spt_" + "A" * 42 + "\0"):
        write(token, text)
        result = tool(*good, token)
        assert result.returncode == 77 and "no token in it" in result.stderr, (text, result)
    assert tool(*good, f"{d}/absent").returncode == 77 and tool(*good, d).returncode == 77


def test_where_nothing_is_sent(d):
    with_admin()
    token = write(f"{d}/token", "spt_" + "A" * 43 + "\n")
    os.chmod(token, 0o600)
    for url in ("http://192.0.2.1:8080", "http://example.org", "http://127.0.0.1.example.org", "http://127.0.0.256", "ftp://127.0.0.1",
                "127.0.0.1:8443", "https://user@127.0.0.1", "https://u:p@127.0.0.1", "https://127.0.0.1/v1", "https://127.0.0.1/?x",
                "https://127.0.0.1/#x", "https://", "file:///etc/passwd"):
        result = tool("tenant", "list", "--url", url, "--token-file", token)
        assert result.returncode == 64 and "spt_" not in result.stderr, (url, result)
    for url in ("http://127.0.0.1:1", "http://[::1]:1/", "http://localhost:1"):
        assert tool("tenant", "list", "--url", url, "--token-file", token).returncode == 69, url
    assert "--token-file" in tool("tenant", "list", "--url", "https://127.0.0.1:1").stderr
    assert tool("tenant", "list", "--url", "https://127.0.0.1:1", "--socket", "/x").returncode == 64


def test_the_token_is_no_ones_argument(d):
    """It goes to where it belongs alone: a socket is asked without it."""
    with_admin()
    token = write(f"{d}/token", "spt_" + "A" * 43 + "\n")
    os.chmod(token, 0o600)
    with Fake(f"{d}/fake", http('{"ok":true,"result":{"tenants":[]}}\n')) as fake:
        tool("tenant", "list", "--socket", f"{d}/fake", "--token-file", token)
        assert b"spt_" not in fake.asked[0] and b"Authorization" not in fake.asked[0], fake.asked


if __name__ == "__main__":
    sys.exit(main({name: value for name, value in globals().items() if getattr(value, "__module__", "") == "__main__"}))
