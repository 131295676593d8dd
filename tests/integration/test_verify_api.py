"""POST /v1/verify and :selftest of signpost-admind, with real DNS: messages that dkimpy has signed, as they are and changed on
their way. The verdict has to be dkimpy's; what is said to have happened has to be what was done.
"""
import json
import re
import subprocess

import pytest

from lib import api, lifecycle, patience, procs, stores

dkim = pytest.importorskip("dkim")
pytestmark = pytest.mark.skipif(lifecycle.program() is None or stores.missing() is not None, reason="signpost-admind or signpost is not built")
ZONE, MANAGED = "v.example", "m.example"
MESSAGE = (b"From: Alice <alice@v.example>\r\nTo: bob@other.example\r\nSubject: Minutes of the meeting\r\n"
           b"Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@v.example>\r\nContent-Transfer-Encoding: 8bit\r\n"
           b"\r\nHello,\r\n\r\nFrom here on  it is short.\r\n.dot\r\nBye\r\n")
NAMES = [b"from", b"to", b"subject", b"date", b"message-id", b"content-transfer-encoding", b"cc", b"from"]


@pytest.fixture(scope="module")
def world(module_folder):
    with lifecycle.World(module_folder, [ZONE, MANAGED], late=None) as one:
        yield one


@pytest.fixture(scope="module")
def service(module_folder, world):
    with api.Service(stores.sqlite_store(module_folder), world) as one:
        for name in ("acme", "beta"):
            one.cli("tenant", "add", name)
        yield one


@pytest.fixture(scope="module")
def acme(service):
    return service.client(service.token("role:owner", "acme"))


@pytest.fixture(scope="module")
def pem(module_folder):
    return subprocess.run(["openssl", "genrsa", "-traditional", "2048"], capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def here(acme, world, pem):
    """The domain, its key s1 with the record in DNS, which also stands at the name "other"."""
    public = subprocess.run(["openssl", "rsa", "-pubout"], input=pem, capture_output=True, check=True).stdout.decode()
    record = "v=DKIM1; k=rsa; p=" + "".join(public.splitlines()[1:-1])
    for selector in ("s1", "other"):
        world.update(ZONE, f"{selector}._domainkey.{ZONE}", [record[i:i + 200] for i in range(0, len(record), 200)])
    world.update(ZONE, f"gone._domainkey.{ZONE}", ["v=DKIM1; p="])
    path = f"/v1/tenants/acme/domains/{ZONE}"
    acme.good("POST", "/v1/tenants/acme/domains", {"domain": ZONE}, status=201)
    acme.good("POST", f"{path}/keys", {"selector": "s1", "pem": pem.decode(), "published": True}, status=201)
    return path


def signed(pem, message=MESSAGE, selector=b"s1", canon=b"relaxed/relaxed", **more):
    pair = tuple(canon.split(b"/"))
    return dkim.sign(message, selector, ZONE.encode(), pem, canonicalize=pair, include_headers=more.pop("names", NAMES), **more) + message


def verify(client, message, status=200, **words):
    answer = client.post("/v1/verify", message, key=None, kind="message/rfc822", **words)
    assert answer.status == status, answer
    return answer.json


def by_dkimpy(world, message):
    def ask(name, timeout=5):
        found = world.ask(name.decode().rstrip("."))
        return found[0].encode() if found else None

    try:
        return dkim.verify(message, dnsfunc=ask)
    except dkim.DKIMException:
        return False


def test_one_that_passes(acme, here, world, pem):
    message = signed(pem)
    answer = verify(acme, message)
    one, = answer["signatures"]
    assert (one["result"], one["reason"], one["differs"]) == ("pass", None, []), one
    assert (one["domain"], one["selector"], one["algorithm"], one["bits"], one["canonicalization"]) == (
        ZONE, "s1", "rsa-sha256", 2048, "relaxed/relaxed")
    assert one["key"]["matches_store"] is True and one["key"]["record"].startswith("v=DKIM1"), one
    assert one["body"]["hash_signed"] == one["body"]["hash_computed"] and one["body"]["length"] > 0
    names = {row["name"]: row for row in one["headers"]}
    assert (names["from"]["signed"], names["from"]["present"], names["cc"]["present"], names["cc"]["line"]) == (2, 1, 0, None)
    lines = message.split(b"\r\n")
    assert lines[names["subject"]["line"] - 1].startswith(b"Subject:"), names
    assert (answer["from"], answer["aligned"], answer["line_ends"]) == (["alice@v.example"], True, "crlf")
    assert by_dkimpy(world, message)
    # The same with LF, and as a mailbox has it.
    answer = verify(acme, message.replace(b"\r\n", b"\n"))
    assert (answer["signatures"][0]["result"], answer["line_ends"]) == ("pass", "lf")
    answer = verify(acme, b"From alice@v.example Mon Nov  2 10:00:00 2026\r\n" + message)
    assert answer["signatures"][0]["result"] == "pass"
    row = next(row for row in answer["signatures"][0]["headers"] if row["name"] == "subject")
    assert row["line"] == names["subject"]["line"] + 1


CHANGES = {
    "footer": ("relaxed/relaxed", [(b"Bye\r\n", b"Bye\r\n-- \r\nFOOT\r\n")], {"body-footer"}),
    "banner": ("relaxed/simple", [(b"\r\n\r\nHello", b"\r\n\r\n[EXTERNAL]\r\nHello")], {"body-banner"}),
    "trailing blanks": ("relaxed/simple", [(b"Bye\r\n", b"Bye  \r\n")], {"body-trailing-blanks"}),
    "mbox": ("relaxed/relaxed", [(b"\r\nFrom here", b"\r\n>From here")], {"body-mbox-from"}),
    "dots": ("simple/simple", [(b"\r\n.dot", b"\r\n..dot")], {"body-dots"}),
    "list": ("relaxed/relaxed", [(b"Subject: ", b"Subject: [list] "), (b"Bye\r\n", b"Bye\r\n____\r\nlist\r\n")], {"header-subject", "body-footer"}),
    "rewritten From": ("relaxed/relaxed", [(b"From: Alice <alice@v.example>", b"From: Alice via list <l@list.example>\r\nX-Original-From: Alice <alice@v.example>")],
                       {"header-from"}),
    "second From": ("relaxed/relaxed", [(b"To: bob", b"From: eve@evil.example\r\nTo: bob")], {"header-added"}),
    "Cc": ("relaxed/relaxed", [(b"To: bob", b"Cc: eve@evil.example\r\nTo: bob")], {"header-added"}),
    "fold": ("simple/simple", [(b"Minutes of", b"Minutes\r\n of")], {"header-folding"}),
    "encoding": ("relaxed/relaxed", [(b"Encoding: 8bit", b"Encoding: base64")], {"header-transfer-encoding"}),
    "a word": ("relaxed/relaxed", [(b"short", b"long")], {"body-changed"}),
    "a receiver": ("relaxed/relaxed", [(b"bob@", b"rob@")], {"header-changed"}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_broke_it(acme, here, world, pem, name):
    canon, changes, expected = CHANGES[name]
    message = signed(pem, canon=canon.encode())
    at = message.index(b"\r\nFrom: ")
    head, rest = message[:at], message[at:]
    for before, after in changes:
        assert before in rest
        rest = rest.replace(before, after, 1)
    changed = head + rest
    assert not by_dkimpy(world, changed)
    answer = verify(acme, changed)
    one, = answer["signatures"]
    assert one["result"] == "fail" and answer["aligned"] is False and answer["all_tried"], answer
    assert one["reason"] == ("body-hash" if any(what.startswith("body") for what in expected) else "signature")
    found = {row["what"]: row for row in one["differs"]}
    assert expected <= set(found), one["differs"]
    assert all(found[what]["certain"] is (what not in ("body-changed", "header-changed")) for what in expected), found
    if "body-footer" in expected:
        lines = changed.split(b"\r\n")
        assert lines[found["body-footer"]["line"] - 1] in (b"-- ", b"____"), found


def test_copied_fields(acme, here, world, pem):
    """z= is in nobody's dkimpy: a field with it is made by hand, and signed by none."""
    message = signed(pem)
    message = re.sub(rb";\s*b=", b"; z=To:=20bob@other.example|Subject:=20Minutes=20of=20the=20meeting; b=", message, count=1)
    message = message.replace(b"bob@", b"rob@", 1)
    one, = verify(acme, message)["signatures"]
    assert (one["result"], one["reason"]) == ("fail", "signature")
    row, = [row for row in one["differs"] if row["what"] == "header-changed"]
    assert "bob@other.example" in row["detail"] and "rob@other.example" in row["detail"] and not row["certain"], one


def test_keys(acme, here, world, pem):
    for selector, result, reason in ((b"nowhere", "permerror", "key-missing"), (b"gone", "fail", "key-revoked")):
        message = signed(pem, selector=selector)
        one, = verify(acme, message)["signatures"]
        assert (one["result"], one["reason"]) == (result, reason), one
        assert not by_dkimpy(world, message)
    # A record that is right, of a key that the store does not have.
    one, = verify(acme, signed(pem, selector=b"other"))["signatures"]
    assert (one["result"], one["key"]["matches_store"]) == ("pass", False), one
    message, count = re.subn(rb";\s*t=\d+", b"; t=1000000000; x=1000000100", signed(pem), count=1)
    assert count == 1
    one, = verify(acme, message)["signatures"]
    assert (one["result"], one["reason"], one["expires"]) == ("permerror", "expired", "2001-09-09T01:48:20Z"), one


def test_another_tenant_learns_nothing(service, acme, here, pem):
    for client in (service.client(service.token("mail:check", "beta")), service.client(service.token("mail:check", "acme", domains="x.example"))):
        one, = verify(client, signed(pem))["signatures"]
        assert (one["result"], one["key"]["matches_store"]) == ("pass", None), one
    answer = service.client(service.token("keys:read", "acme")).post("/v1/verify", MESSAGE, key=None, kind="message/rfc822")
    assert (answer.status, answer.code) == (403, "forbidden"), answer


def test_messages_of_all_kinds(service, acme, here, pem):
    words = {"key": None, "kind": "message/rfc822"}
    for body, status, code in ((b"no field at all\r\n\r\n", 400, "validation"), (b"\r\n\r\n", 400, "validation"),
                               (bytes(range(256)) * 16, 400, "validation")):
        answer = acme.post("/v1/verify", body, **words)
        assert (answer.status, answer.code) == (status, code), answer
    answer = acme.ask("POST", "/v1/verify", b"", kind="message/rfc822")
    assert (answer.status, answer.code) == (400, "validation"), answer
    for kind in ("application/json", "text/plain", None):
        answer = acme.post("/v1/verify", MESSAGE, key=None, kind=kind)
        assert (answer.status, answer.code) == (415, "unsupported-media-type"), answer
    assert verify(acme, MESSAGE)["summary"] == "the message is not signed"
    answer = verify(acme, b"Subject: no From\n\nx")
    assert (answer["from"], answer["signatures"], answer["line_ends"]) == ([], [], "lf")
    # Octets of all kinds in a body and a field; JSON has to be JSON still.
    answer = verify(acme, b"From: \xff\x00 <a@v.example>\r\nDKIM-Signature: v=1; \xfe\x00\r\n\r\n" + bytes(range(256)) * 100)
    assert [(one["result"], one["reason"]) for one in answer["signatures"]] == [("permerror", "syntax")]
    many = b"DKIM-Signature: v=1; a=rsa-sha256; d=v.example; s=s1; h=from; bh=" + b"A" * 43 + b"=; b=AAAA\r\n"
    answer = verify(acme, many * 1500 + MESSAGE)
    assert (len(answer["signatures"]), answer["more_signatures"]) == (20, 1480)
    assert acme.post("/v1/verify", many * 6000 + MESSAGE, **words).code == "validation"
    big = verify(acme, signed(pem, MESSAGE + b"a\r\n" * 300000) + b"foot\r\n")
    assert "body-footer" in {row["what"] for row in big["signatures"][0]["differs"]}, big["signatures"][0]["differs"]
    assert acme.get("/v1/audit").status in (200, 403)
    assert b"Minutes of" not in service.log().encode()


def test_sign_and_ask_dns(service, acme, world):
    """The daemon makes and publishes a key by itself; then somebody changes its record by hand."""
    lifecycle.provide(service, [MANAGED], {"algorithms": ["ed25519"]}, new=False)
    path = f"/v1/tenants/acme/domains/{MANAGED}:selftest"
    assert procs.wait_until(lambda: "ACTIVE" in service.states([MANAGED]).values()), service.log()[-2000:]
    assert procs.wait_until(lambda: acme.good("POST", path, key=None)["passes"])
    answer = acme.good("POST", path, key=None)
    one, = answer["keys"]
    assert one["passes"] and one["resolver"]["passes"] and one["authoritative"]["seen"] == "right", answer
    assert one["resolver"]["record"].startswith("v=DKIM1; k=ed25519") and one["resolver"]["reason"] is None, one
    gone = acme.post(path.replace(MANAGED, "nothere.example"), key=None)
    assert (gone.status, gone.code) == (404, "not-found")
    world.update(MANAGED, f"{one['selector']}._domainkey.{MANAGED}", ["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="])
    answer = acme.good("POST", path, key=None)
    assert not answer["passes"] and answer["keys"][0]["authoritative"]["seen"] == "foreign", answer
    # The resolver has it when its answer is as old as its TTL.
    assert procs.wait_until(lambda: acme.good("POST", path, key=None)["keys"][0]["resolver"]["reason"] == "signature")
    assert "PRIVATE" not in json.dumps(answer)


# ---- for people at a terminal ----

def tool(service, *words, stdin=b""):
    return subprocess.run([stores.SIGNPOST.resolve(), *map(str, words), "--socket", service.socket], input=stdin, capture_output=True,
                          check=False, timeout=patience.seconds(120))


def test_signpost_verify(service, world, here, pem, folder):
    """Its table says what the API says, and its exit status is dkimpy's verdict."""
    message = signed(pem)
    (folder / "good").write_bytes(message)
    done = tool(service, "verify", folder / "good")
    row = [line.split() for line in done.stdout.decode().splitlines() if ZONE in line and "rsa-sha256" in line]
    assert done.returncode == 0 and by_dkimpy(world, message), done
    assert row[0][2:7] == [ZONE, "s1", "rsa-sha256", "2048", "pass"] and row[0][-1] == "yes", done.stdout
    changed = message + b"-- \r\nThis list is brought to you by nobody\r\n"
    done = tool(service, "verify", "-", stdin=changed)
    assert done.returncode == 1 and not by_dkimpy(world, changed), done
    assert b" body-hash " in done.stdout and re.search(rb"\n0 +body-footer +\d+ +yes ", done.stdout), done.stdout
    answer = json.loads(tool(service, "verify", "-", "--json", stdin=changed).stdout)
    assert answer["ok"] and answer["result"]["signatures"][0]["reason"] == "body-hash"


def test_signpost_domain_selftest(service, here):
    done = tool(service, "domain", "selftest", ZONE)
    answer = json.loads(tool(service, "domain", "selftest", ZONE, "--json").stdout)["result"]
    assert done.returncode == (0 if answer["passes"] else 1), (done, answer)
    text = done.stdout.decode()
    assert f"domain: {ZONE}\npasses: {'yes' if answer['passes'] else 'no'}\n" in text, text
    assert len([line for line in text.splitlines() if "-sha256 " in line]) == len(answer["keys"]), text
