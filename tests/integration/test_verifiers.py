"""The verifiers themselves: each must see a good signature and must fail when one octet is flipped."""
import pytest

from lib import keys, verify




def sign_with_dkimpy(key, message):
    import base64

    import dkim
    if key.kind == "ed25519":
        private = base64.b64encode(keys.secrets(key)["seed"])
    else:
        private = keys.openssl("pkey", "-in", key.path, "-traditional")
    return dkim.sign(message, b"sel", b"control.test", private, canonicalize=(b"simple", b"simple"),
                     signature_algorithm=key.algorithm.encode()) + message


@pytest.mark.parametrize("kind", ["rsa2048", "ed25519"])
@pytest.mark.parametrize("checker", verify.VERIFIERS, ids=lambda v: v.name)
def test_flipped_octets_fail(checker, kind, shared_keys):
    pytest.importorskip("dkim")
    if checker.missing():
        pytest.skip(checker.missing())
    if kind == "ed25519" and not checker.ed25519:
        pytest.skip(f"{checker.name} does not support ed25519")
    key = shared_keys[kind]
    message = b"From: a@control.test\r\nTo: b@sink.test\r\nSubject:  Test \r\n\r\nThe body.\r\n"
    good = sign_with_dkimpy(key, message)
    cases = {"good": good, "body": good.replace(b"The body", b"The bodY"), "header": good.replace(b" Test ", b" test "),
             "blank": good.replace(b"  Test", b" Test"), "date": good.replace(b"; t=1", b"; t=2", 1)}
    answers = checker.verify(cases, {"sel._domainkey.control.test": key.record})
    verdicts = {name: [v for _, v in answers.get(name, [])] for name in cases}
    assert verdicts["good"] == [verify.PASS]
    assert all(verdicts[name] and verify.PASS not in verdicts[name] for name in cases if name != "good"), verdicts
    other = checker.verify({"good": good}, {"sel._domainkey.other.test": key.record})
    assert [v for _, v in other.get("good", [])] != [verify.PASS]
