"""What people have done to verifiers, and what dkim=pass must never be said to: one test each, through a real signpostd in
mode v. The signatures are good where that is the point, so that only the rule can refuse them.
"""
import base64
import random
import time

import pytest

from lib import dnsservers, keys, milter, patience, procs, verifying
from lib.verifying import ID, MESSAGE, Verifier, own_results, results_fields, sign, verdicts

pytestmark = [pytest.mark.signpost("mode v without OpenDKIM's faults"),
              pytest.mark.skipif(verifying.missing() is not None, reason=str(verifying.missing()))]

FORGED = "dkim=pass header.d=bank.test header.i=@bank.test"
COST_SECONDS = 1       # of the processor, for what is one message to us and very much to somebody who does not count
AMPLE = int(min(120, patience.seconds(30)))     # DNSTimeout where the DNS answers, however slow the machine is


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return keys.make_key("rsa2048", tmp_path_factory.mktemp("keys") / "rsa2048")


@pytest.fixture
def verifier(program, folder):
    """verifier(records, settings): a running one; all end with the test, and must have lived until then."""
    running = []

    def start(records=None, settings=None):
        one = Verifier(program, procs.make_dir("attack"), records, settings).start()
        running.append(one)
        return one

    yield start
    alive = [one.process.poll() is None for one in running]
    for one in running:
        one.stop()
        log = one.log()
        procs.remove_dir(one.folder)
        assert "died" not in log and "Sanitizer" not in log, log[-3000:]
    assert all(alive)


def check(start, signed, settings=None, **options):
    """(verdicts, Result, delivered) of one message that was signed by sign()."""
    data, records = signed
    result, delivered = start(records, settings).send(data, **options)
    return verdicts(result), result, delivered


def check_cost(daemon):
    """What DAEMON has used of the processor since its start."""
    cost, limit = procs.cpu_seconds(daemon.tree()), patience.seconds(COST_SECONDS)
    print(f"\n{cost:.3f} s of the processor")
    assert 0 < cost < limit, f"{cost:.2f} s of the processor; usual are 0.02 s, 0.04 s with a sanitizer"


def passes(found):
    return [domain for word, domain in found if word == "pass"]


# The message that is used below verifies; all else would prove nothing.

def test_a_good_message_passes(verifier, key):
    found, result, _ = check(verifier, sign(key))
    assert found == [("pass", "signer.example.net")]
    assert result.verdict in ("accept", "continue")
    assert own_results(result)[0].startswith(ID + ";")


def test_a_changed_message_does_not(verifier, key):
    data, records = sign(key)
    found, _, _ = check(verifier, (data.replace(b"letter.\r\n", b"invoice.\r\n"), records))
    assert [word for word, _ in found] == ["fail"]


# From: what the user sees and what was signed

def test_a_second_from_on_top_does_not_pass(verifier, key):
    """The signature covers the lower From; many programs show the upper one."""
    data, records = sign(key, names=["from", "to", "subject"])
    found, result, _ = check(verifier, (b"From: ceo@bank.test\r\n" + data, records))
    assert not passes(found) or result.verdict in ("reject", "reply"), (found, result)


def test_a_second_from_below_does_not_pass(verifier, key):
    data, records = sign(key, names=["from", "to", "subject"])
    head, body = data.split(b"\r\n\r\n", 1)
    found, _, _ = check(verifier, (head + b"\r\nFrom: ceo@bank.test\r\n\r\n" + body, records))
    assert not passes(found)


def test_oversigned_from_cannot_be_doubled(verifier, key):
    data, records = sign(key, names=["from", "to", "subject", "from"])
    found, _, _ = check(verifier, (b"From: ceo@bank.test\r\n" + data, records))
    assert not passes(found)


def test_several_addresses_in_from_say_nothing_about_the_first(verifier, key):
    message = MESSAGE.replace(b"Alice <alice@signer.example.net>", b"ceo@bank.test, alice@signer.example.net")
    found, result, _ = check(verifier, sign(key, message))
    assert passes(found) in ([], ["signer.example.net"])
    assert "bank" not in " ".join(own_results(result))


def test_an_encoded_from_says_nothing(verifier, key):
    message = MESSAGE.replace(b"Alice", b"=?utf-8?Q?ceo=40bank.test=00?=")
    found, result, _ = check(verifier, sign(key, message))
    assert passes(found) == ["signer.example.net"]
    assert "bank" not in " ".join(own_results(result))


def test_no_from_does_not_pass(verifier, key):
    message = MESSAGE.replace(b"From: Alice <alice@signer.example.net>\r\n", b"")
    found, _, _ = check(verifier, sign(key, message))
    assert not passes(found)


def test_from_that_is_not_signed_does_not_pass(verifier, key):
    found, _, _ = check(verifier, sign(key, names=["to", "subject"]))
    assert [word for word, _ in found] == ["permerror"]


# Names that are none

@pytest.mark.parametrize("domain", [
    "signer.example.net(.bank.test", "signer.example.net (bank.test)", "signer.example.net\tbank.test", "si gner.example.net",
    "signer.example.net;x", "signer.example.net\"", "signer.example.net.", ".signer.example.net", "signer..example.net",
    "signer.example.net/../bank.test", "%s%n.test", "a" * 64 + ".test", "a." * 130 + "test", "*.test"])
def test_names_in_d_are_validated(verifier, key, domain):
    """CVE-2020-12272: what is not a name must neither be asked nor be written into the result."""
    found, result, _ = check(verifier, sign(key, domain=domain))
    assert not passes(found)
    for value in own_results(result):
        assert "bank.test" not in value and "%n" not in value


def test_names_in_other_scripts_are_asked_for_in_a_labels(verifier, key):
    """RFC 8616; OpenDKIM #139, #217."""
    data, records = sign(key, domain="b\u00fccher.example.net", change=lambda plan: plan.put("i", "\u00fc@b\u00fccher.example.net",
                                                                                         before="h"))
    found, result, _ = check(verifier, (data, {"sel._domainkey.xn--bcher-kva.example.net": list(records.values())[0]}))
    assert found == [("pass", "xn--bcher-kva.example.net")]
    assert own_results(result)[0].isascii()


@pytest.mark.parametrize("selector", ["s;l", "s l", "s(l)", "..", "s/l", "a" * 64, "s\"l"])
def test_names_in_s_are_validated(verifier, key, selector):
    found, result, _ = check(verifier, sign(key, selector=selector))
    assert not passes(found)


def test_a_nul_ends_no_name(verifier, key):
    """An MTA cannot give it to a milter; what is behind it is lost, and so is the signature."""
    data, records = sign(key)
    found, _, _ = check(verifier, (data.replace(b"d=signer.example.net", b"d=signer.example.net\0.bank.test"), records))
    assert not passes(found)


@pytest.mark.parametrize("identity", [
    "@bank.test", "user@bank.test", "x@signer.example.net.bank.test", "a b@signer.example.net", "(c)@signer.example.net",
    "x=0D=0AX-Injected:=20yes@signer.example.net", "=22;dkim=3Dpass=22@signer.example.net",
    "x=3B=20dkim=3Dpass=20header.d=3Dbank.test@signer.example.net"])
def test_identities_cannot_say_more_than_they_are(verifier, key, identity):
    found, result, delivered = check(verifier, sign(key, change=lambda plan: plan.put("i", identity, before="h")))
    values = own_results(result)
    assert len(values) == 1
    assert not any(domain != "signer.example.net" for domain in passes(found))
    assert b"\nX-Injected" not in delivered and "bank.test" not in values[0].replace('"', "") or not passes(found)


# Bodies

def test_text_behind_l_is_not_covered_when_all_must_be(verifier, key):
    def half(plan):
        plan.body_length = 12
        plan.put("l", "12", before="bh")

    data, records = sign(key, change=half)
    found, result, _ = check(verifier, (data + b"<b>buy this</b>\r\n", records), {"Minimum": "100%"})
    assert not passes(found), own_results(result)


def test_l_beyond_the_body_does_not_pass(verifier, key):
    found, _, _ = check(verifier, sign(key, change=lambda plan: plan.put("l", "99999", before="bh")))
    assert not passes(found)


def test_many_lengths_over_a_long_body_are_cheap(verifier, key):
    """Each l= is another hash of the same body."""
    data, records = MESSAGE + b"x" * 76 * 20000 + b"\r\n", {}
    for number in range(60):
        def change(plan, octets=1000000 + number):
            plan.body_length = octets
            plan.put("l", str(octets), before="bh")
        data, more = sign(key, data, selector=f"s{number}", change=change)
        records.update(more)
    one = verifier(records, {"MaximumSignaturesToVerify": 1000, "MaximumHeaders": 0})
    result, _ = one.send(data)
    assert verdicts(result)
    check_cost(one)


# Authentication-Results of others

def with_fields(data, fields):
    """FIELDS put between the message's own, one after another, and the rest on top."""
    own, body = milter.split_message(data)
    mixed = [fields[0]]
    for number, field in enumerate(own):
        mixed.append(field)
        if number + 1 < len(fields):
            mixed.append(fields[number + 1])
    mixed += fields[len(own) + 1:]
    return b"".join(n + b":" + v.replace(b"\n", b"\r\n") + b"\r\n" for n, v in mixed) + b"\r\n" + body


def results(*values):
    return [(b"Authentication-Results", value.encode()) for value in values]


def test_eight_results_of_which_half_claim_to_be_ours(verifier, key):
    """CVE-2022-48521: deleting from the front moves those behind."""
    data, records = sign(key)
    ours = [f" {ID}; {FORGED} header.s=forged{i}" for i in range(4)]
    others = [f" other{i}.test; dkim=pass header.d=elsewhere{i}.test" for i in range(4)]
    mixed = [x for pair in zip(ours, others) for x in pair]
    for number, order in enumerate((mixed, mixed[::-1], ours + others, others + ours)):
        one = verifier(records) if number == 0 else one  # noqa: F821
        result, delivered = one.send(with_fields(data, results(*order)))
        left = results_fields(delivered)
        assert verdicts(result) == [("pass", "signer.example.net")]
        assert left[0] == own_results(result)[0], "ours stands on top"
        assert left[1:] == [verifying.unfold(x.encode()) for x in order if "other" in x], order


CLAIMS = {
    "as it is": f" {ID}; {FORGED}",
    "no blank": f"{ID};{FORGED}",
    "in capitals": f" {ID.upper()}; {FORGED}",
    "with a final dot": f" {ID}.; {FORGED}",
    "with a job": f" {ID}/QID1; {FORGED}",
    "in quotes": f' "{ID}"; {FORGED}',
    "in quotes, with a backslash": f' "m\\x.receiver.test"; {FORGED}',
    "behind a comment": f" (hello) {ID}; {FORGED}",
    "comments in comments": f" (a (b) \\) c) {ID} (d); {FORGED}",
    "with a version": f" {ID} 1; {FORGED}",
    "folded": f"\n {ID}\n ;\n\t{FORGED}",
    "in capitals, dkim too": f" {ID}; DKIM=PASS header.d=bank.test",
    "among other methods": f" {ID}; spf=pass smtp.mailfrom=x@y.test; {FORGED}; dmarc=pass",
    "unparsable behind": f" {ID}; dkim=pass ((( header.d=bank.test",
    "a quote that does not end": f' {ID}; dkim=pass reason="header.d=bank.test',
    "no semicolon": f" {ID} dkim=pass header.d=bank.test",
    "5 KB": f" {ID}; {FORGED} (" + "x" * 5000 + ")",
    "20 KB": f" {ID}; {FORGED} (" + "x" * 20000 + ")",
    "20 KB of comment in front": " (" + "x" * 20000 + f") {ID}; {FORGED}",
    "many results": f" {ID}; " + "; ".join([FORGED] * 100),
    "octets above 127": f" {ID}; dkim=pass header.d=bänk.test",
    "old method": f" {ID}; domainkeys=pass header.from=bank.test",
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_no_result_that_claims_to_be_ours_survives(verifier, key, claim):
    data, records = sign(key)
    forged = (b"Authentication-Results", CLAIMS[claim].encode())
    other = (b"Authentication-Results", b" other.test; dkim=pass header.d=elsewhere.test")
    _, _, delivered = check(verifier, (with_fields(data, [forged, other, forged]), records), {"MaximumHeaders": 0})
    left = results_fields(delivered)
    assert not [value for value in left if "bank" in value or "b\u00e4nk" in value], left
    assert any("other.test" in value for value in left)


@pytest.mark.parametrize("name", [b"AUTHENTICATION-RESULTS", b"authentication-results", b"Authentication-Results "])
def test_the_name_of_the_field_has_no_case(verifier, key, name):
    data, records = sign(key)
    _, _, delivered = check(verifier, ((name + b": " + f"{ID}; {FORGED}\r\n".encode()) + data, records))
    assert not [v for v in results_fields(delivered) if "bank" in v]


@pytest.mark.parametrize("version", [2, 3, 4, 6])
def test_no_claim_survives_with_an_old_protocol(verifier, key, version):
    data, records = sign(key)
    forged = f"Authentication-Results: {ID}; {FORGED}\r\n".encode()
    found, _, delivered = check(verifier, (forged + forged + data, records), version=version)
    assert passes(found) == ["signer.example.net"]
    assert len(results_fields(delivered)) == 1 and "bank" not in results_fields(delivered)[0]


@pytest.mark.parametrize("version", [2, 6])
def test_no_claim_survives_beyond_the_limit(verifier, key, version):
    """65 KB of header are no way to get a result through, nor is a field that is too long to be kept."""
    data, records = sign(key)
    forged = f"Authentication-Results: {ID}; {FORGED}\r\n".encode()
    other = b"Authentication-Results: other.test; dkim=pass\r\n"
    padding = b"X-Padding: " + b"x" * 900 + b"\r\n"
    too_long = b"authentication-RESULTS: " + ID.encode() + b"; " + FORGED.encode() + b" (" + b"x" * 90000 + b")\r\n"
    message = forged + other + padding * 100 + forged + too_long + padding + too_long + forged + data
    settings = {"On-Security": "accept", "MaximumHeaders": 65536}
    _, result, delivered = check(verifier, (message, records), settings, version=version)
    assert result.verdict in ("accept", "continue")
    assert not [v for v in results_fields(delivered) if "bank" in v]
    assert [v for v in results_fields(delivered) if "other.test" in v]


def test_results_of_names_that_only_look_like_ours_stay(verifier, key):
    data, records = sign(key)
    values = [f" x{ID}; {FORGED}", f" {ID}.evil.test; {FORGED}", f" other.test; {FORGED} ({ID})",
              f' other.test; dkim=pass reason="{ID}"']
    _, _, delivered = check(verifier, (with_fields(data, results(*values)), records))
    assert results_fields(delivered)[1:] == [verifying.unfold(v.encode()) for v in values]


def test_without_an_id_of_ours_it_is_that_of_the_mta(verifier, key):
    """{j} says it only when a connection begins."""
    data, records = sign(key)
    one = verifier(records, {"AuthservID": None})
    result, delivered = one.send(with_fields(data, results(f" mta.test; {FORGED}", f" MTA.test.; {FORGED}")))
    assert own_results(result)[0].startswith("mta.test; dkim=pass")
    assert len(results_fields(delivered)) == 1


def test_results_of_others_go_when_the_operator_says_so(verifier, key):
    data, records = sign(key)
    fields = results(f" inner.test; {FORGED}", " other.test; dkim=pass", f" x.inner.test; {FORGED}", " INNER.test.; dkim=fail")
    one = verifier(records, {"RemoveARFrom": "inner.test"})
    _, delivered = one.send(with_fields(data, fields))
    assert [v.split(";")[0] for v in results_fields(delivered)[1:]] == ["other.test", "x.inner.test"]


def test_results_without_dkim_stay_unless_all_are_to_go(verifier, key):
    data, records = sign(key)
    mixed = with_fields(data, results(f" {ID}; spf=pass smtp.mailfrom=a@b.test", " other.test; dkim=pass"))
    _, delivered = verifier(records).send(mixed)
    assert [v.split(";")[0] for v in results_fields(delivered)[1:]] == [ID, "other.test"]
    _, delivered = verifier(records, {"RemoveARAll": True}).send(mixed)
    assert [v.split(";")[0] for v in results_fields(delivered)[1:]] == ["other.test"]


def test_forged_results_go_from_mail_without_signatures_too(verifier):
    for settings in ({}, {"AlwaysAddARHeader": True}):
        one = verifier({}, settings)
        _, delivered = one.send(with_fields(MESSAGE, results(f" {ID}; {FORGED}", " other.test; dkim=pass", f" {ID}; {FORGED}")))
        left = [v for v in results_fields(delivered) if "none" not in v]
        assert left == ["other.test; dkim=pass"]


def test_forged_results_go_from_mail_that_is_no_mail(verifier, key):
    """Two From fields: nothing is verified, and nobody else's word is left standing."""
    data, records = sign(key)
    one = verifier(records)
    _, delivered = one.send(with_fields(b"From: ceo@bank.test\r\n" + data, results(f" {ID}; {FORGED}", f" {ID}; {FORGED}")))
    assert not [v for v in results_fields(delivered) if "pass" in v]


def test_forged_results_go_from_mail_with_too_much_header(verifier, key):
    """OpenDKIM #143: MaximumHeaders."""
    data, records = sign(key)
    one = verifier(records, {"MaximumHeaders": 4000})
    filler = b"".join(b"X-Fill-%d: " % i + b"x" * 200 + b"\r\n" for i in range(60))
    result, delivered = one.send(with_fields(data, results(f" {ID}; {FORGED}", f" {ID}; {FORGED}")).replace(
        b"Subject:", filler + b"Subject:"))
    assert result.verdict in ("tempfail", "reject", "reply") or not [v for v in results_fields(delivered) if "bank" in v]


# Keys

def test_an_expired_signature_does_not_pass(verifier, key):
    def change(plan):
        plan.tags["t"] = str(int(time.time()) - 100000)
        plan.put("x", str(int(time.time()) - 50000), before="h")

    found, _, _ = check(verifier, sign(key, change=change))
    assert found and not passes(found)


def test_a_revoked_key_does_not_pass(verifier, key):
    def change(plan):
        plan.record = "v=DKIM1; p="

    found, _, _ = check(verifier, sign(key, change=change))
    assert [word for word, _ in found] in (["permerror"], ["fail"])


def test_a_missing_key_does_not_pass(verifier, key):
    data, _ = sign(key)
    found, _, _ = check(verifier, (data, {}))
    assert [word for word, _ in found] == ["permerror"]


def test_a_testing_key_is_no_trusted_pass(verifier, key):
    """RFC 6376 3.6.1: t=y is not to be treated otherwise than unsigned mail. VU#268267."""
    def change(plan):
        plan.record += "; t=y"

    found, result, _ = check(verifier, sign(key, change=change))
    assert result.verdict in ("accept", "continue")
    assert not passes(found) or "testing" in own_results(result)[0], own_results(result)


def test_a_bad_signature_with_a_testing_key_is_not_punished(verifier, key):
    def change(plan):
        plan.record += "; t=y"

    data, records = sign(key, change=change)
    found, result, _ = check(verifier, (data.replace(b"letter.\r\n", b"invoice.\r\n"), records),
                             {"On-BadSignature": "reject"})
    assert not passes(found)
    assert result.verdict in ("accept", "continue")


def der(tag, content):
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def der_number(number):
    octets = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return der(2, octets)


def rsa_record(modulus, exponent):
    inner = der(0x30, der_number(modulus) + der_number(exponent))
    kind = der(0x30, bytes.fromhex("06092a864886f70d010101") + b"\x05\x00")
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(der(0x30, kind + der(3, b"\0" + inner))).decode()


@pytest.mark.parametrize("bits, exponent", [(16384, 65537), (16384, (1 << 4000) + 1), (2048, (1 << 2047) + 1), (768, 65537),
                                            (512, 3)])
def test_keys_of_odd_sizes_neither_pass_nor_cost(verifier, key, bits, exponent):
    rnd = random.Random(bits)
    modulus = rnd.getrandbits(bits) | 1 | 1 << (bits - 1)

    def change(plan):
        plan.record = rsa_record(modulus, exponent)

    data, records = sign(key, change=change)
    head, rest = data.split(b"; b=", 1)
    value = base64.b64encode((modulus - rnd.getrandbits(64)).to_bytes(bits // 8, "big"))
    one = verifier(records)
    result, _ = one.send(head + b"; b=" + value + b"\r\n" + rest.split(b"\r\n", 1)[1])
    check_cost(one)
    assert verdicts(result) and not passes(verdicts(result))


# Much of everything

def test_a_thousand_signatures_cost_what_a_few_do(verifier, key):
    """OpenDKIM #271: each would be a DNS query to somebody's server and an RSA operation."""
    asked = []

    def answer(query):
        asked.append(query.question[0].name.to_text())
        return dnsservers.response(query, [key.record])

    if dnsservers.missing("named"):
        pytest.skip(dnsservers.missing("named"))
    field = sign(key)[0].split(b"From:")[0]
    fields = b"".join(field.replace(b"d=signer.example.net", b"d=d%d.example.net" % i) for i in range(1000))
    with dnsservers.Scripted(answer) as server:
        one = verifier(None, {"Nameservers": server.address, "MaximumHeaders": 0, "MaximumSignaturesToVerify": 1000,
                              "DNSTimeout": AMPLE})
        result, _ = one.send(fields + MESSAGE)
        check_cost(one)
    assert len(set(asked)) <= 20, len(set(asked))
    assert not passes(verdicts(result))
    assert len(verdicts(result)) <= 20


def test_only_so_many_signatures_as_said_are_verified(verifier, key):
    data, records = MESSAGE, {}
    for number in range(6):
        data, more = sign(key, data, domain=f"d{number}.test")
        records.update(more)
    found, _, _ = check(verifier, (data, records), {"MaximumSignaturesToVerify": 2})
    assert passes(found) == ["d5.test", "d4.test"]


def test_many_fields_and_many_names_are_cheap(verifier, key):
    """A thousand names in h= over a thousand fields of one name."""
    message = b"".join(b"X-Many: %d\r\n" % i for i in range(1200)) + MESSAGE
    signed = sign(key, message, names=["from"] + ["x-many"] * 990)
    one = verifier(signed[1], {"MaximumHeaders": 0})
    result, _ = one.send(signed[0])
    check_cost(one)
    assert verdicts(result)


@pytest.mark.parametrize("value", ["From:" + "=41" * 3000, "|" * 12000, "x:" + "a" * 20000, "%s%n" * 1000, "=" * 9000])
def test_long_copies_of_fields_do_no_harm(verifier, key, value):
    """z= of any length: OpenDKIM #433 copied it into 32 KB."""
    found, _, _ = check(verifier, sign(key, change=lambda plan: plan.put("z", value, before="b")), {"MaximumHeaders": 0})
    assert passes(found) in ([], ["signer.example.net"])


def test_a_field_that_must_be_signed_and_is_not(verifier, key):
    data, records = sign(key, names=["from", "to"])
    found, _, _ = check(verifier, (data, records), {"MustBeSigned": "Subject"})
    assert not passes(found)
    found, _, _ = check(verifier, (data.replace(b"Subject: a letter", b"Subject: another"), records))
    assert passes(found) == ["signer.example.net"], "not covered, and the A-R can only say who signed"


# DNS that lies

def dns_case(verifier, answer, data, settings=None):
    if dnsservers.missing("named"):
        pytest.skip(dnsservers.missing("named"))
    with dnsservers.Scripted(answer) as server:
        one = verifier(None, {"Nameservers": server.address, "DNSTimeout": 3, **(settings or {})})
        result, _ = one.send(data)
        return verdicts(result), result


def test_a_key_from_the_dns_verifies(verifier, key):
    found, _ = dns_case(verifier, lambda query: dnsservers.response(query, [key.record]), sign(key)[0], {"DNSTimeout": AMPLE})
    assert found == [("pass", "signer.example.net")]


def test_an_answer_too_long_for_udp_is_asked_for_again(verifier, tmp_path_factory):
    """OpenDKIM #44."""
    big = keys.make_key("rsa4096", tmp_path_factory.mktemp("big") / "rsa4096")
    if dnsservers.missing("named"):
        pytest.skip(dnsservers.missing("named"))
    with dnsservers.Scripted(lambda query: dnsservers.response(query, [big.record]), udp_size=512) as server:
        result, _ = verifier(None, {"Nameservers": server.address, "DNSTimeout": AMPLE}).send(sign(big)[0])
        assert verdicts(result) == [("pass", verifying.DOMAIN)]
        assert server.asked_tcp == 1


def test_a_record_of_60_kilobytes(verifier, key):
    """OpenDKIM #434: the length of the answer, and not that of the buffer."""
    found, result = dns_case(verifier, lambda query: dnsservers.response(query, [key.record + "; n=" + "x" * 60000]),
                             sign(key)[0])
    assert not passes(found)
    assert result.verdict in ("accept", "continue", "tempfail", "reply")


def test_many_records_of_one_name(verifier, key):
    found, _ = dns_case(verifier, lambda query: dnsservers.response(query, [key.record] + [f"v=x{i}" for i in range(300)]),
                        sign(key)[0])
    assert not passes(found)


def broken_answer(query, rdata):
    """An answer whose TXT data is RDATA, whatever that is."""
    wire = bytearray(dnsservers.response(query).to_wire())
    wire[6:8] = b"\0\1"
    end = 12 + len(query.question[0].name.to_wire()) + 4
    answer = b"\xc0\x0c\0\x10\0\1\0\0\1\x2c" + len(rdata).to_bytes(2, "big") + rdata
    return bytes(wire[:end]) + answer


@pytest.mark.parametrize("rdata", [b"\xffv=DKIM1; p=", b"\x05v=DKIM1; k=rsa; p=AAAA", b"", b"\0", b"\x0av=DKIM1; p\xc8x"])
def test_a_string_longer_than_its_record(verifier, key, rdata):
    found, _ = dns_case(verifier, lambda query: broken_answer(query, rdata), sign(key)[0])
    assert not passes(found)


def test_an_answer_to_another_question(verifier, key):
    def answer(query):
        wrong = bytearray(dnsservers.response(query, [key.record]).to_wire())
        wrong[13] ^= 1
        return bytes(wrong)

    found, result = dns_case(verifier, answer, sign(key)[0])
    assert not passes(found)


def test_silence_is_a_temporary_error(verifier, key):
    found, result = dns_case(verifier, lambda query: None, sign(key)[0], {"On-DNSError": "tempfail"})
    assert result.verdict == "tempfail" or (result.verdict == "reply" and result.text.startswith("4"))
    found, result = dns_case(verifier, lambda query: None, sign(key)[0], {"On-DNSError": "accept"})
    assert found == [("temperror", "signer.example.net")] and result.verdict in ("accept", "continue")


@pytest.mark.parametrize("other_on_top", [True, False])
@pytest.mark.parametrize("rcode, word", [(2, "temperror"), (3, "permerror")])
def test_a_signature_of_a_dead_domain_spoils_no_other(verifier, key, other_on_top, rcode, word):
    """Whoever handles a message can add a signature to it."""
    def answer(query):
        dead = b"dead" in query.question[0].name.to_wire()
        return dnsservers.response(query, [] if dead else [key.record], rcode=rcode if dead else 0)

    first, second = ("signer.example.net", "dead.example.org") if other_on_top else ("dead.example.org", "signer.example.net")
    data = sign(key, sign(key, domain=first)[0], domain=second)[0]
    found, result = dns_case(verifier, answer, data, {"On-DNSError": "reject", "On-KeyNotFound": "reject", "DNSTimeout": AMPLE})
    assert sorted(found) == sorted([("pass", "signer.example.net"), (word, "dead.example.org")])
    assert result.verdict in ("accept", "continue")


def test_an_alias_round_and_round(verifier, key):
    found, _ = dns_case(verifier, lambda query: dnsservers.response(query, [("CNAME", query.question[0].name.to_text())]),
                        sign(key)[0])
    assert not passes(found)
