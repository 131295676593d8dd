"""A thousand messages through an MTA with sixteen milters behind it, and all verifiers over what was delivered."""
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from . import keys, verify
from .daemon import Daemon, is_signpost

KINDS = ("rsa1024", "rsa2048", "rsa4096", "ed25519")
CANON = ("simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed")


@dataclass
class Signer:
    domain: str
    selector: str
    canon: str
    key: keys.Key
    daemon: Daemon

    @property
    def record_name(self):
        return f"{self.selector}._domainkey.{self.domain}"


def make_signers(program, folder, kinds=KINDS, canons=CANON):
    """One daemon for each pair of canonicalization and kind of key."""
    signers = []
    for kind in kinds:
        key = keys.make_key(kind, Path(folder) / f"{kind}.private")
        for canon in canons:
            label = f"{kind}-{canon.replace('/', '-')}"
            settings = {"Domain": f"{label}.test", "KeyFile": key.path, "Selector": "sel", "Mode": "sv",
                        "Canonicalization": canon, "SignatureAlgorithm": key.algorithm, "MaximumHeaders": 0}
            signers.append(Signer(f"{label}.test", "sel", canon, key, Daemon(program, folder, settings, name=label)))
    return signers


def start_all(signers):
    for signer in signers:
        signer.daemon.start()


def stop_all(signers):
    """All are told first: libmilter takes up to five seconds to notice."""
    for signer in signers:
        if signer.daemon.process and signer.daemon.process.poll() is None:
            signer.daemon.process.popen.terminate()
    for signer in signers:
        signer.daemon.stop()


def records(signers):
    return {s.record_name: s.key.record for s in signers}


def known_fault(signer):
    """OpenDKIM 2.11 folds the short b= of ed25519 otherwise than it hashed it: simple header canonicalization fails."""
    return (not is_signpost(signer.daemon.program) and signer.key.kind == "ed25519"
            and signer.canon.startswith("simple/"))


def number_of(delivered):
    return int(delivered.recipients[0].split("@")[0][1:])


def check(messages, delivered, signers):
    """Verify all delivered messages with all verifiers. Answers (Counter of totals, list of failures)."""
    by_domain = {s.domain: s for s in signers}
    by_number = {number_of(d): d for d in delivered}
    expected = {m.number: by_domain[m.sender.split("@")[1]] for m in messages}
    totals, failures = Counter(sent=len(messages), delivered=len(by_number)), []
    for message in messages:
        if message.number not in by_number:
            failures.append((message.shape, expected[message.number].domain, "delivery", "lost"))
        elif expected[message.number].domain not in verify.signature_domains(by_number[message.number].data):
            failures.append((message.shape, expected[message.number].domain, "signer", "unsigned"))
    shapes = {m.number: m.shape for m in messages}
    for checker in verify.VERIFIERS:
        reason = checker.missing()
        if reason:
            totals[f"{checker.name}: skipped ({reason})"] = 1
            continue
        wanted = {f"m{n}": d.data for n, d in by_number.items()
                  if checker.ed25519 or expected[n].key.kind != "ed25519"}
        answers = checker.verify(wanted, records(signers))
        for name in wanted:
            number = int(name[1:])
            domain = expected[number].domain
            verdicts = [v for d, v in answers.get(name, []) if d == domain]
            if verdicts == [verify.PASS]:
                totals[f"{checker.name}: pass"] += 1
            elif known_fault(expected[number]):
                totals[f"{checker.name}: failed by the known ed25519 fault of opendkim"] += 1
            else:
                failures.append((shapes[number], domain, checker.name, "; ".join(verdicts) or "no signature seen"))
    return totals, failures


class Clock:
    """Seconds of each part, for the report."""

    def __init__(self):
        self.last, self.laps = time.monotonic(), {}

    def lap(self, name):
        now = time.monotonic()
        self.laps[name] = self.laps.get(name, 0) + now - self.last
        self.last = now

    def __str__(self):
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.laps.items())


def report(title, totals, failures, clock):
    print(f"\n{title}: " + ", ".join(f"{k} {v}" for k, v in totals.items()))
    print(f"   time: {clock}")
    print("   ed25519 is verified by: " + ", ".join(v.name for v in verify.VERIFIERS if v.ed25519)
          + "; not supported by: " + ", ".join(v.name for v in verify.VERIFIERS if not v.ed25519))
    for (shape, who, why), count in sorted(Counter((f[0], f[2], f[3].split('(got')[0][:100]) for f in failures).items()):
        print(f"   FAILED {count} x {shape}: {who}: {why}")
