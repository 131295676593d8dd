"""Signatures as no signer writes them, by arithmetic of dkimpy's and openssl's: every tag in our hands. LEGAL: what
RFC 6376 allows, must verify. ILLEGAL: good arithmetic under a field or a record that breaks a rule; must not. DISPUTED:
it depends on how one reads the rule.

An oddity is a function (plan, random) that changes a Plan before it is signed.
"""
import base64
import hashlib
import re
import subprocess
import time
from dataclasses import dataclass

import dkim
from dkim.canonicalization import CanonicalizationPolicy
from dkim.crypto import RSASSA_PKCS1_v1_5_sign, parse_pem_private_key
import nacl.encoding
import nacl.signing

DAY = 86400
LEGAL, ILLEGAL, DISPUTED = [], [], []
PRIVATE = {}  # path of a key -> what dkimpy makes of it


def legal(function):
    LEGAL.append(function)
    return function


def illegal(function):
    ILLEGAL.append(function)
    return function


def disputed(function):
    DISPUTED.append(function)
    return function


@dataclass
class Plan:
    key: object
    canon: str            # what is done; c= may say it otherwise
    tags: dict            # in order; "bh" and "b" are filled in
    record: str
    names: list           # what is hashed; h= may write it otherwise
    body_length: object = None
    digest: object = hashlib.sha256
    separator: str = "; "
    fold_b: int = 0       # octets a line
    end: str = ""
    records: object = None  # texts, when there is not just one

    def put(self, name, value, before=None):
        """A tag in front of another, or at the end."""
        items = [(k, v) for k, v in self.tags.items() if k != name]
        at = next((i for i, (k, _) in enumerate(items) if k == before), len(items))
        self.tags = dict(items[:at] + [(name, value)] + items[at:])

    def drop(self, name):
        self.tags.pop(name)


def private_key(key):
    if key.path not in PRIVATE:
        if key.kind == "ed25519":
            der = subprocess.run(["openssl", "pkey", "-in", key.path, "-outform", "DER"], check=True, capture_output=True)
            PRIVATE[key.path] = nacl.signing.SigningKey(der.stdout[-32:])
        else:
            pem = subprocess.run(["openssl", "pkey", "-in", key.path, "-traditional"], check=True, capture_output=True)
            PRIVATE[key.path] = parse_pem_private_key(pem.stdout)
    return PRIVATE[key.path]


def arithmetic(plan, octets):
    if plan.key.kind == "ed25519":
        return private_key(plan.key).sign(plan.digest(octets).digest()).signature
    return RSASSA_PKCS1_v1_5_sign(dkim.HashThrough(plan.digest(octets)), private_key(plan.key))


def field_value(plan, signature):
    text = base64.b64encode(signature).decode()
    if plan.fold_b and text:
        text = "\r\n\t".join(text[i:i + plan.fold_b] for i in range(0, len(text), plan.fold_b))
    parts = [f"{name}={text if name == 'b' else value}" for name, value in plan.tags.items()]
    return " " + plan.separator.join(parts) + plan.end


def chosen_fields(headers, names):
    """The fields that h= means: of equal names the lowest first, each once. RFC 6376 5.4.2."""
    left = list(headers)
    for name in names:
        for at in range(len(left) - 1, -1, -1):
            if left[at][0].lower() == name.lower():
                yield left.pop(at)
                break


def sign_plan(plan, message):
    policy = CanonicalizationPolicy.from_c_value(plan.canon.encode())
    headers, body = dkim.rfc822_parse(message)
    body = policy.canonicalize_body(body)
    if plan.body_length is not None:
        body = body[:plan.body_length]
    if plan.tags.get("bh") == "":
        plan.tags["bh"] = base64.b64encode(plan.digest(body).digest()).decode()
    bare = field_value(plan, b"").encode()
    fields = list(chosen_fields(policy.canonicalize_headers(headers), [n.encode() for n in plan.names]))
    last = policy.canonicalize_headers([(b"DKIM-Signature", bare + b"\r\n")])[0]
    octets = b"".join(n + b":" + v for n, v in fields) + last[0] + b":" + last[1].removesuffix(b"\r\n")
    return b"DKIM-Signature:" + field_value(plan, arithmetic(plan, octets)).encode() + b"\r\n" + message


def sign(message, key, canon, oddity, rnd):
    """(octets, {name: record or list of records}) of the message signed by a plan that ODDITY has changed."""
    now = int(time.time())
    names = ["from", "to", "subject", "date", "from"]
    tags = {"v": "1", "a": key.algorithm, "c": canon, "d": "odd.test", "s": f"s-{key.kind}", "t": str(now - 5),
            "h": ":".join(names), "bh": "", "b": ""}
    plan = Plan(key, canon, tags, key.record, names)
    oddity(plan, rnd)
    data = sign_plan(plan, message)
    said = {name.strip(): value.strip() for name, value in plan.tags.items()}
    name = f"{said['s']}._domainkey.{said['d']}".lower()
    return data, {re.sub(r"\s", "", name): plan.record if plan.records is None else plan.records}


# What is allowed.

@legal
def plain(_plan, _rnd):
    pass


@legal
def tags_in_any_order(plan, rnd):
    items = list(plan.tags.items())
    rnd.shuffle(items)
    plan.tags = dict(items)


@legal
def version_last(plan, _rnd):
    plan.tags = {k: v for k, v in plan.tags.items() if k != "v"} | {"v": "1"}


@legal
def blanks_everywhere(plan, _rnd):
    plan.tags = {(k if k in ("b", "bh") else f"{k} "): (v if k in ("b", "bh") else f"\t{v}\r\n ")
                 for k, v in plan.tags.items()}
    plan.separator = ";\r\n\t "


@legal
def no_blanks(plan, _rnd):
    plan.separator = ";"


@legal
def semicolon_at_the_end(plan, _rnd):
    plan.end = ";"


@legal
def blanks_after_the_last_semicolon(plan, _rnd):
    plan.end = "; \r\n\t"
    if plan.canon.startswith("simple"):
        plan.end = ";\t"


@legal
def b_folded(plan, _rnd):
    plan.fold_b = 10
    plan.separator = ";\r\n "


@legal
def b_in_the_middle(plan, _rnd):
    plan.put("b", "", before="h")
    plan.fold_b = 64


@legal
def unknown_tags(plan, _rnd):
    plan.put("zz", "any thing: at all, = even this", before="bh")
    plan.put("r9_x", "", before="d")


@legal
def names_in_capitals(plan, _rnd):
    plan.tags["h"] = "FROM:To:sUBJECT:Date:From"


@legal
def blanks_in_names(plan, _rnd):
    plan.tags["h"] = "from : to:\r\n\tsubject\t: date :from"


@legal
def many_names(plan, _rnd):
    plan.names = plan.names + [f"x-absent-{i}" for i in range(150)]
    plan.tags["h"] = ":".join(plan.names)


@legal
def odd_names(plan, _rnd):
    plan.names = plan.names + ["x!#$%&'*+-^_`{|}~y", "9"]
    plan.tags["h"] = ":".join(plan.names)


@legal
def no_canonicalization(plan, _rnd):
    plan.canon = "simple/simple"
    plan.drop("c")


@legal
def canonicalization_of_one_word(plan, _rnd):
    plan.canon = plan.canon.split("/")[0] + "/simple"
    plan.tags["c"] = plan.canon.split("/")[0]


@legal
def no_time(plan, _rnd):
    plan.drop("t")


@legal
def expires_tomorrow(plan, _rnd):
    plan.put("x", str(int(time.time()) + DAY), before="h")


@legal
def identity_below(plan, rnd):
    plan.put("i", rnd.choice(["@odd.test", "user@odd.test", "@a.odd.test", "user+x@a.b.odd.test"]), before="h")


@legal
def identity_quoted(plan, _rnd):
    plan.put("i", "user=2Btag=3D@odd.test", before="h")


@legal
def identity_in_capitals(plan, _rnd):
    plan.put("i", "User@A.ODD.Test", before="h")


@legal
def domain_in_capitals(plan, _rnd):
    plan.tags["d"] = "Odd.TEST"


@legal
def selector_with_dots(plan, _rnd):
    plan.tags["s"] = "mar-2026.gateway-3.x9"


@legal
def selector_with_underscore(plan, _rnd):
    plan.tags["s"] = "_under_score"


@legal
def query_method(plan, _rnd):
    plan.put("q", "dns/txt", before="h")


@legal
def copied_fields(plan, _rnd):
    plan.put("z", "From:foo@odd.test|To:joe@x.test|\r\n Subject:demo=20run|Date:July=205,=202005=203:44:08=20PM=20-0700",
             before="b")


@legal
def length_nothing(plan, _rnd):
    plan.put("l", "0", before="bh")
    plan.body_length = 0


@legal
def length_of_one(plan, _rnd):
    plan.put("l", "1", before="bh")
    plan.body_length = 1


@legal
def length_with_zeros(plan, _rnd):
    plan.put("l", "0000000002", before="bh")
    plan.body_length = 2


@legal
def record_without_version(plan, _rnd):
    plan.record = plan.record.replace("v=DKIM1; ", "")


@legal
def record_without_type(plan, _rnd):
    plan.record = plan.record.replace("k=rsa; ", "")


@legal
def record_with_blanks(plan, _rnd):
    head, value = plan.record.split("p=")
    value = " ".join(value[i:i + 40] for i in range(0, len(value), 40))
    plan.record = " " + head.replace("; ", " ;\t").replace("=", " = ") + "p = " + value + " ; "


@legal
def record_with_everything(plan, _rnd):
    plan.record = plan.record.replace("; p=", "; h=sha1:sha256; s=email; t=s; n=note=20here; x-y=?; p=").replace(
        "; x-y=?", "; xy=?")


@legal
def record_for_all_services(plan, _rnd):
    plan.record += "; s=*"


@legal
def record_of_services(plan, _rnd):
    plan.record = plan.record.replace("; p=", "; s=other : email; p=")


@legal
def record_testing(plan, _rnd):
    plan.record += "; t=y"


@legal
def record_unknown_flags(plan, _rnd):
    plan.record += "; t=q:zz"


@legal
def record_sha256_only(plan, _rnd):
    plan.record = plan.record.replace("; p=", "; h = sha256 ; p=")


@legal
def record_type_last(plan, _rnd):
    parts = plan.record.split("; ")
    plan.record = "; ".join([parts[0], parts[2], parts[1]])


# What is not. The comment names the rule.

def again(plan, name, value):
    """The tag twice: the second under a name that differs by a blank."""
    plan.put(name + " ", value)


@illegal
def version_2(plan, _rnd):  # RFC 6376 3.5, 6.1.1
    plan.tags["v"] = "2"


@illegal
def version_1_0(plan, _rnd):  # RFC 6376 3.5: compared as a string
    plan.tags["v"] = "1.0"


@illegal
def no_version(plan, _rnd):  # RFC 6376 3.5
    plan.drop("v")


@illegal
def no_from(plan, _rnd):  # RFC 6376 3.5, 5.4, 6.1.1
    plan.names = ["to", "subject", "date"]
    plan.tags["h"] = "to:subject:date"


@illegal
def no_names(plan, _rnd):  # RFC 6376 3.5: h= must not be empty
    plan.names = []
    plan.tags["h"] = ""


@illegal
def identity_elsewhere(plan, _rnd):  # RFC 6376 3.5, 6.1.1
    plan.put("i", "user@elsewhere.test", before="h")


@illegal
def identity_above(plan, _rnd):  # RFC 6376 6.1.1
    plan.put("i", "user@test", before="h")


@illegal
def identity_ends_alike(plan, _rnd):  # RFC 6376 6.1.1: a subdomain, not a longer label
    plan.put("i", "user@notodd.test", before="h")


@illegal
def identity_without_at(plan, _rnd):  # RFC 6376 3.5: [ Local-part ] "@" domain-name
    plan.put("i", "odd.test", before="h")


@illegal
def expired(plan, _rnd):  # RFC 6376 3.5, 6.1.1
    plan.tags["t"] = str(int(time.time()) - 9 * DAY)
    plan.put("x", str(int(time.time()) - 2 * DAY), before="h")


@illegal
def expires_before_it_is_made(plan, _rnd):  # RFC 6376 3.5: x= must be greater than t=
    plan.tags["t"] = str(int(time.time()) + 100)
    plan.put("x", str(int(time.time()) + 50), before="h")


@illegal
def made_in_the_future(plan, _rnd):  # RFC 6376 3.5
    plan.tags["t"] = str(int(time.time()) + 9 * DAY)


@illegal
def time_no_number(plan, _rnd):  # RFC 6376 3.5
    plan.tags["t"] = "yesterday"


@illegal
def time_negative(plan, _rnd):  # RFC 6376 3.5: 1*12DIGIT
    plan.tags["t"] = "-5"


@illegal
def canonicalization_unknown(plan, _rnd):  # RFC 6376 6.1.1 (3.3.3: unknown are ignored)
    plan.tags["c"] = "nowsp/" + plan.canon.split("/")[1]


@disputed
def canonicalization_in_capitals(plan, _rnd):  # RFC 6376 3.2: values are case-sensitive
    plan.tags["c"] = plan.canon.upper()


@disputed
def algorithm_in_capitals(plan, _rnd):  # RFC 6376 3.2
    plan.tags["a"] = plan.tags["a"].upper()


@illegal
def algorithm_unknown(plan, _rnd):  # RFC 6376 6.1.1
    plan.tags["a"] = plan.tags["a"].replace("sha256", "sha512")


@illegal
def sha1(plan, _rnd):  # RFC 8301 3.1
    if plan.key.kind == "ed25519":
        plan.tags["a"] = "ed25519-sha1"
    else:
        plan.tags["a"] = "rsa-sha1"
    plan.digest = hashlib.sha1


@illegal
def algorithm_of_the_other_key(plan, _rnd):  # RFC 6376 6.1.2
    plan.tags["a"] = "rsa-sha256" if plan.key.kind == "ed25519" else "ed25519-sha256"


@illegal
def query_unknown(plan, _rnd):  # RFC 6376 3.5
    plan.put("q", "finger/plan", before="h")


@illegal
def length_beyond_the_body(plan, _rnd):  # RFC 6376 3.5, 6.1.1
    plan.put("l", "999999999", before="bh")


@illegal
def length_no_number(plan, _rnd):  # RFC 6376 3.5
    plan.put("l", "12x", before="bh")
    plan.body_length = 12


@illegal
def length_empty(plan, _rnd):  # RFC 6376 3.5: 1*76DIGIT
    plan.put("l", "", before="bh")


@illegal
def length_of_80_digits(plan, _rnd):  # RFC 6376 3.5: 1*76DIGIT
    plan.put("l", "0" * 79 + "1", before="bh")
    plan.body_length = 1


@illegal
def domain_empty(plan, _rnd):  # RFC 6376 3.5
    plan.tags["d"] = ""


@illegal
def domain_with_comment(plan, _rnd):  # RFC 6376 3.5: domain-name
    plan.tags["d"] = "odd.test(.good.test"


@illegal
def domain_with_final_dot(plan, _rnd):  # RFC 6376 3.5: sub-domain 1*("." sub-domain)
    plan.tags["d"] = "odd.test."


@disputed
def domain_of_one_label(plan, _rnd):  # RFC 6376 3.5: 1*("." sub-domain)
    plan.tags["d"] = "test"


@illegal
def selector_empty(plan, _rnd):  # RFC 6376 3.1
    plan.tags["s"] = ""


@illegal
def selector_with_empty_label(plan, _rnd):  # RFC 6376 3.1
    plan.tags["s"] = "a..b"


@illegal
def tag_twice(plan, _rnd):  # RFC 6376 3.2: the whole list is not valid
    again(plan, "s", plan.tags["s"])


@illegal
def unknown_tag_twice(plan, _rnd):  # RFC 6376 3.2
    plan.put("zz", "1", before="h")
    again(plan, "zz", "2")


@illegal
def tag_without_name(plan, _rnd):  # RFC 6376 3.2
    plan.put("", "1", before="h")


@illegal
def tag_name_with_hyphen(plan, _rnd):  # RFC 6376 3.2: ALPHA *ALNUMPUNC, "_" only
    plan.put("x-y", "1", before="h")


@illegal
def empty_tag(plan, _rnd):  # RFC 6376 3.2: a tag-spec has a name
    plan.separator = ";;"


@illegal
def body_hash_cut(plan, _rnd):  # RFC 6376 3.5
    plan.tags["bh"] = "47DEQpj8HBSa+/TImW+5JA=="


@illegal
def body_hash_other(plan, _rnd):  # RFC 6376 6.1.3
    plan.tags["bh"] = base64.b64encode(hashlib.sha256(b"something else").digest()).decode()


@illegal
def record_revoked(plan, _rnd):  # RFC 6376 3.6.1
    plan.record = plan.record.split("p=")[0] + "p="


@illegal
def record_without_key(plan, _rnd):  # RFC 6376 3.6.1: p= is required
    plan.record = plan.record.split("; p=")[0]


@illegal
def record_version_2(plan, _rnd):  # RFC 6376 3.6.1
    plan.record = plan.record.replace("DKIM1", "DKIM2")


@illegal
def record_version_not_first(plan, _rnd):  # RFC 6376 3.6.1
    parts = plan.record.split("; ")
    plan.record = "; ".join(parts[1:] + parts[:1])


@illegal
def record_version_in_lower_case(plan, _rnd):  # RFC 6376 3.6.1: the string, 3.2 case-sensitive
    plan.record = plan.record.replace("DKIM1", "dkim1")


@illegal
def record_type_unknown(plan, _rnd):  # RFC 6376 3.6.1
    plan.record = re.sub("k=[a-z0-9]+", "k=dsa", plan.record)


@disputed
def record_type_in_capitals(plan, _rnd):  # RFC 6376 3.2
    plan.record = plan.record.replace("k=" + plan.record.split("k=")[1].split(";")[0],
                                      "k=" + plan.record.split("k=")[1].split(";")[0].upper())


@illegal
def record_sha1_only(plan, _rnd):  # RFC 6376 3.6.1, 6.1.2
    plan.record = plan.record.replace("; p=", "; h=sha1; p=")


@illegal
def record_other_service(plan, _rnd):  # RFC 6376 3.6.1
    plan.record = plan.record.replace("; p=", "; s=other; p=")


@illegal
def record_strict_and_identity_below(plan, _rnd):  # RFC 6376 3.6.1: t=s
    plan.record = plan.record.replace("; p=", "; t=s; p=")
    plan.put("i", "user@below.odd.test", before="h")


@illegal
def record_strict_among_flags(plan, _rnd):  # RFC 6376 3.6.1: t=y:s
    plan.record = plan.record.replace("; p=", "; t=y : s; p=")
    plan.put("i", "@below.odd.test", before="h")


@illegal
def record_tag_twice(plan, _rnd):  # RFC 6376 3.6.1 (tag-list of 3.2)
    plan.record += "; k=" + plan.record.split("k=")[1].split(";")[0]


@illegal
def record_not_base64(plan, _rnd):  # RFC 6376 3.6.1
    plan.record = plan.record.split("p=")[0] + "p=*" + plan.record.split("p=")[1]


@illegal
def record_key_cut(plan, _rnd):  # RFC 6376 3.6.1
    head, value = plan.record.split("p=")
    plan.record = head + "p=" + value[:len(value) // 8 * 4]


@illegal
def record_key_with_octets_behind(plan, _rnd):  # DER
    head, value = plan.record.split("p=")
    plan.record = head + "p=" + base64.b64encode(base64.b64decode(value) + b"\0\1\2").decode()


@illegal
def record_is_text(plan, _rnd):  # RFC 6376 3.6.2.2
    plan.record = "v=spf1 -all"


@illegal
def no_record(plan, _rnd):  # RFC 6376 6.1.2
    plan.records = []
