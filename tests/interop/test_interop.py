#!/usr/bin/env python3
"""Signpost's verifier against the world: messages of four foreign signers and of an odd one of ours must verify; then
each mutation of them is judged by Signpost, dkimpy and Mail::DKIM, and who passes a signature must be the same, or be
explained in explained.py. Prints TAP. BUILDDIR names the build folder; -v prints every difference.

Messages and mutations are the same in each run; keys and times are not.
"""
import argparse
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]
# pylint: disable=wrong-import-position
from lib import corpus, keys, procs  # noqa: E402

SEED = int(os.environ.get("INTEROP_SEED", "20260901"))
KINDS = ("rsa1024", "rsa2048", "rsa4096", "ed25519")
MESSAGES_MIN = 500
MUTATIONS_MIN = 2000
PER_CLASS = int(os.environ.get("INTEROP_PER_CLASS", "26"))
ILLEGAL_PER_CLASS = 4
BASE_OCTETS_MAX = 20000


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def result(self, good, title, notes=()):
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {title}")
        for note in notes:
            print(f"# {note}")
        sys.stdout.flush()

    def skip(self, title, reason):
        self.count += 1
        print(f"ok {self.count} - {title} # SKIP {reason}")

    def plan(self):
        print(f"1..{self.count}")


def short(text, most=300):
    text = text.encode("ascii", "backslashreplace").decode().replace("#", "")
    return text if len(text) <= most else text[:most] + "..."


def sign_all(tap, ours, made, rnd):
    """One result per signer. Answers what was signed."""
    import signers  # pylint: disable=import-outside-toplevel
    found = []
    for signer in signers.SIGNERS:
        title = f"what {signer.name} signs verifies"
        reason = signer.missing()
        if reason:
            tap.skip(title, reason)
            continue
        done, faults = 0, []
        for signed in signer.jobs(made, signers.COUNTS[signer.name], rnd):
            done += 1
            passes, why = ours.judge(signed.data, signed.records)
            if passes != signed.signatures:
                faults.append(short(f"{signed.name}: {why}"))
            found.append(signed)
        tap.result(not faults, f"{title}: {done - len(faults)} of {done} messages", faults[:40])
    return found


def bases_of(found, differing):
    """Messages with one signature, not too long, of which all judges think the same."""
    return [s for s in found if s.signatures == 1 and len(s.records) == 1 and len(s.data) <= BASE_OCTETS_MAX
            and s.shape != "old_signature" and s.name not in differing]


def mutated(mutation, bases, rnd):
    """(octets, records, name of the base) of up to PER_CLASS cases."""
    import mutate  # pylint: disable=import-outside-toplevel
    done = 0
    for _ in range(PER_CLASS * 10):
        base = rnd.choice(bases)
        parts = mutate.parts_of(base.data, base.records)
        if mutation(parts, rnd) is False or (parts.octets == base.data and parts.record == list(base.records.values())[0]):
            continue
        yield parts.octets, {parts.record_name: parts.record}, base.name
        done += 1
        if done == PER_CLASS:
            return


def odd_ones(oddity, made, rnd):
    import odd  # pylint: disable=import-outside-toplevel
    for number, message in enumerate(corpus.make(ILLEGAL_PER_CLASS * 2, ["odd.test"], 77, big=0)):
        if number == ILLEGAL_PER_CLASS or message.shape in ("no_body", "empty_body"):
            return
        kind = ("rsa2048", "ed25519")[number % 2]
        canon = ("relaxed/relaxed", "relaxed/simple", "simple/simple")[number % 3]
        try:
            data, records = odd.sign(message.data, made[kind], canon, oddity, rnd)
        except ValueError:
            continue
        yield data, records, f"odd, {message.shape}, {kind} {canon}"


class Campaign:
    """All judges over the cases of one class after another."""

    def __init__(self, ours, others, verbose):
        self.ours, self.others, self.verbose = ours, others, verbose
        self.totals = Counter()
        self.explained = Counter()
        self.differing = set()   # names of messages of which the judges do not think the same

    def judges_for(self, name, records):
        """Debian's Mail::DKIM has no Ed25519."""
        return [j for j in self.others if j.name != "Mail::DKIM" or "ed25519" not in f"{name} {records}"]

    def run_class(self, tap, name, cases, must_fail=False):
        import explained  # pylint: disable=import-outside-toplevel
        counts, faults = Counter(), []
        for data, records, base in cases:
            mine = self.ours.judge(data, records)
            counts["cases"] += 1
            counts["passed"] += mine[0] > 0
            if must_fail and mine[0]:
                faults.append(short(f"{base}: must not pass"))
            for judge in self.judges_for(base, records):
                theirs = judge.judge(data, records)
                if mine[0] == theirs[0]:
                    counts["agreed"] += 1
                    continue
                self.differing.add(base)
                entry = explained.explain(name, judge.name, mine, theirs)
                if entry:
                    counts["explained"] += 1
                    self.explained[(name, judge.name, entry.rfc, entry.why)] += 1
                else:
                    faults.append(short(f"{base}: Signpost {mine[0]} ({mine[1]}), {judge.name} {theirs[0]} ({theirs[1]})"))
                    counts["unexplained"] += 1
                if self.verbose and not entry:
                    print("# " + repr(data[:1500]), records)
        self.totals.update(counts)
        tap.result(not faults, f"{name}: {counts['cases']} cases, {counts['passed']} pass, {counts['agreed']} agreements, "
                   f"{counts['explained']} explained", faults[:60])

    def report(self, unmutated):
        print(f"# {unmutated} messages as signed and {self.totals['cases']} mutations; {self.totals['passed']} pass; verdicts compared: "
              f"{self.totals['agreed'] + self.totals['explained'] + self.totals['unexplained']}, agreements "
              f"{self.totals['agreed']}, explained {self.totals['explained']}, unexplained {self.totals['unexplained']}")
        import explained  # pylint: disable=import-outside-toplevel
        for entry in explained.EXPLANATIONS:
            if not entry.used:
                print(f"# not needed in this run: {entry.judge}, {entry.rfc}: {entry.why}")
        for (name, judge, rfc, why), count in sorted(self.explained.items()):
            print(f"# explained {count:3} x {name}, {judge}: {rfc}: {why}")


def sanity(tap, judges, bases):
    """A judge that passes everything, or nothing, would agree with nobody's faults."""
    base = next(b for b in bases if "ed25519" not in b.notes and b.data.endswith(b"text\r\n") or "plain" == b.shape
                and "ed25519" not in b.notes and "l=" not in b.notes)
    broken = base.data[:-4] + b"x" + base.data[-3:]
    for judge in judges:
        good, bad = judge.judge(base.data, base.records), judge.judge(broken, base.records)
        tap.result(good[0] == 1 and bad[0] == 0, f"{judge.name} tells good from bad", [short(good[1]), short(bad[1])])


def run(tap, driver, made, verbose, only):
    import judges  # pylint: disable=import-outside-toplevel
    import mutate  # pylint: disable=import-outside-toplevel
    import odd  # pylint: disable=import-outside-toplevel
    rnd = random.Random(SEED)
    ours = judges.Ours(driver)
    others = [judges.Dkimpy(), judges.MailDkim()]
    found = sign_all(tap, ours, made, rnd)
    tap.result(len(found) >= MESSAGES_MIN, f"{len(found)} signed messages with {sum(s.signatures for s in found)} signatures")
    sanity(tap, [ours] + others, bases_of(found, ()))
    campaign = Campaign(ours, others, verbose)
    campaign.run_class(tap, "as_signed", ((s.data, s.records, s.name) for s in found))
    unmutated = campaign.totals.pop("cases")
    bases = bases_of(found, campaign.differing)
    for mutation in mutate.MUTATIONS:
        if only in mutation.__name__:
            campaign.run_class(tap, mutation.__name__, mutated(mutation, bases, random.Random(f"{SEED}{mutation.__name__}")))
    for kind, oddities in (("illegal", odd.ILLEGAL), ("disputed", odd.DISPUTED)):
        for oddity in oddities:
            name = f"{kind}_{oddity.__name__}"
            if only in name:
                campaign.run_class(tap, name, odd_ones(oddity, made, random.Random(name)), must_fail=kind == "illegal")
    if not only:
        tap.result(campaign.totals["cases"] >= MUTATIONS_MIN, f"{campaign.totals['cases']} mutations")
    campaign.report(unmutated)
    tap.result(all(j.close() == 0 for j in [ours] + others), "all judges lived to the end")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("--only", default="", help="classes of mutations with this in their name")
    parser.add_argument("--driver", default=str(Path(os.environ.get("BUILDDIR", ".")) / "tests/tools/verify_driver"))
    args = parser.parse_args()
    tap, begun = Tap(), time.monotonic()
    try:
        import dkim  # noqa: F401  pylint: disable=import-outside-toplevel,unused-import
        import nacl  # noqa: F401  pylint: disable=import-outside-toplevel,unused-import
    except ImportError as error:
        print(f"1..0 # SKIP {error}")
        return 0
    folder = procs.make_dir("interop")
    try:
        made = {kind: keys.make_key(kind, folder / f"{kind}.pem") for kind in KINDS}
        run(tap, args.driver, made, args.verbose, args.only)
    finally:
        procs.remove_dir(folder)
    tap.plan()
    print(f"# {time.monotonic() - begun:.1f} s")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
