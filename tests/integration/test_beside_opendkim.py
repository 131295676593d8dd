"""signpostd and Debian's opendkim beside each other in mode v, the same keys, the same mail: good signatures, mutations of
them, and the oddities of tests/interop. What passes, and what becomes of the message, must be the same, or be explained.
"""
import os
import random
import re
from collections import Counter

import pytest

from lib import corpus, keys, milter, procs, verifying
from lib.verifying import Verifier, verdicts

OPENDKIM = "/usr/sbin/opendkim"
PER_CLASS = 8
KINDS = ("rsa1024", "rsa2048", "rsa4096", "ed25519")
SETTINGS = {"MaximumHeaders": 0, "MaximumSignaturesToVerify": 20, "AlwaysAddARHeader": True}
# (class, does Signpost pass more signatures) -> why Signpost is right
EXPLAINED = [
    (r"b_cut|illegal_record_not_base64", False, "RFC 6376 3.5, 3.6.1: base64 is not what is left of other octets"),
    (r"field_name_with_blank", True, "RFC 5322 4.5: an obsolete blank in front of the colon makes From no other field"),
    (r"illegal_domain_with_final_dot|illegal_selector_with_empty_label", False, "RFC 6376 3.1, 3.5: no names"),
    (r"illegal_length_(empty|of_80_digits)", False, "RFC 6376 3.5: 1 to 76 digits"),
    (r"illegal_record_key_with_octets_behind", False, "octets behind the DER of a key"),
    (r"illegal_record_tag_twice|illegal_(unknown_)?tag_twice|tag_doubled", False, "RFC 6376 3.2: no tag twice"),
    (r"illegal_record_version_not_first", False, "RFC 6376 3.6.1"),
    (r"illegal_sha1", False, "RFC 8301 3.1"),
    (r"illegal_tag_name_with_hyphen|.*_bit", False, "RFC 6376 3.2: letters, digits and _"),
    (r"last_line_end_removed", True, "RFC 6376 3.4.3, 3.4.4: a missing CRLF at the end is added"),
    (r"(second_from|signed_field_doubled)_.*", False, "two From fields are no mail: RFC 6376 8.15"),
]


def explained(name, more):
    return any(re.fullmatch(pattern, name) and more == right for pattern, right, _ in EXPLAINED)


class Cases:
    """(class, octets) of all cases, and the records of all of them."""

    def __init__(self, folder):
        self.made = {kind: keys.make_key(kind, folder / kind) for kind in KINDS}
        self.records = {f"s-{k}._domainkey.odd.test": key.record for k, key in self.made.items()}
        self.rnd = random.Random(20261122)

    def signed(self):
        import signers  # pylint: disable=import-outside-toplevel
        found = []
        for signer in (signers.Dkimpy(), signers.MailDkim(), signers.OpenDkim(), signers.Odd()):
            if not signer.missing():
                found += [s for s in signer.jobs(self.made, 60, self.rnd) if not ("odd" == s.signer and "record" in s.notes)]
        for one in found:
            if one.signer != "odd":
                self.records.update(one.records)
        return [s for s in found if s.signer != "odd" or list(s.records)[0] in self.records]

    def mutations(self, bases):
        import mutate  # pylint: disable=import-outside-toplevel
        for mutation in mutate.MUTATIONS:
            done = 0
            for _ in range(0 if mutation.__name__.startswith("record") else PER_CLASS * 8):
                base = self.rnd.choice(bases)
                parts = mutate.parts_of(base.data, base.records)
                if mutation(parts, self.rnd) is not False and b"\0" not in parts.octets:
                    yield mutation.__name__, parts.octets
                    done += 1
                if done == PER_CLASS:
                    break

    def oddities(self):
        """Each with a selector of its own, so that its record can be another."""
        import odd  # pylint: disable=import-outside-toplevel
        message = corpus.make(1, ["odd.test"], 78, big=0)[0].data
        for label, group in (("legal", odd.LEGAL), ("illegal", odd.ILLEGAL), ("disputed", odd.DISPUTED)):
            for number, oddity in enumerate(group):
                def with_selector(plan, rnd, oddity=oddity, selector=f"{label}{number}"):
                    plan.tags["s"] = selector
                    oddity(plan, rnd)

                kind = ("rsa2048", "ed25519")[number % 2]
                data, records = odd.sign(message, self.made[kind], "relaxed/relaxed", with_selector, self.rnd)
                self.records.update({n: r for n, r in records.items() if re.fullmatch(r"[\w.-]+", n) and r})
                yield f"{label}_{oddity.__name__}", data

    def all(self):
        signed = self.signed()
        found = [("as_signed", s.data) for s in signed]
        found += self.mutations([s for s in signed if s.signatures == 1 and len(s.data) < 20000])
        return found + list(self.oddities())


def ask_all(address, cases):
    """[(verdict, dkim words)] over a few connections."""
    answers, session = [], None
    for number, (_, data) in enumerate(cases):
        if session is None:
            session = milter.Session(address)
            session.hello(host="mail.outside.test", client="192.0.2.25")
        result = session.message(data, sender="bounce@outside.test")
        answers.append((result.verdict.replace("continue", "accept"), [word for word, _ in verdicts(result)]))
        if number % 50 == 49 or result.verdict not in ("accept", "continue"):
            session.quit()
            session = None
    return answers


@pytest.mark.signpost("it is compared with opendkim")
def test_the_same_passes(program, folder):
    if verifying.missing() or not os.access(OPENDKIM, os.X_OK):
        pytest.skip(verifying.missing() or "opendkim is not installed")
    made = Cases(folder)
    cases = made.all()
    theirs_folder = procs.make_dir("opendkim")
    try:
        with Verifier(program, folder, made.records, SETTINGS) as ours, \
                Verifier(OPENDKIM, theirs_folder, made.records, SETTINGS, unix=True) as theirs:
            pairs = list(zip(cases, ask_all(ours.address, cases), ask_all(theirs.address, cases)))
    finally:
        procs.remove_dir(theirs_folder)
    counts, faults = Counter(), []
    for (name, _), mine, other in pairs:
        mine_passes, other_passes = mine[1].count("pass"), other[1].count("pass")
        if (mine[0], mine_passes) == (other[0], other_passes):
            counts["the same"] += 1
        elif mine[0] == other[0] and explained(name, mine_passes > other_passes):
            counts["explained"] += 1
        else:
            faults.append((name, mine, other))
    print(f"\n{len(cases)} messages beside opendkim: {dict(counts)}, {len(faults)} unexplained")
    assert len(cases) > 500
    assert not faults, faults[:20]
