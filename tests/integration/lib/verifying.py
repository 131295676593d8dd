"""A milter that verifies, and messages with signatures of our choice for it. The signatures are those of
tests/interop/odd.py: any tag, any record, by arithmetic that is not Signpost's.
"""
import random
import re
import sys
from pathlib import Path

from . import milter
from .daemon import Daemon

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "interop"))

ID = "mx.receiver.test"
OUTSIDE = {"client": "192.0.2.25", "host": "mail.outside.test"}
DOMAIN = "signer.example.net"   # libunbound answers .test by itself
MESSAGE = (b"From: Alice <alice@signer.example.net>\r\nTo: bob@receiver.test\r\nSubject: a letter\r\n"
           b"Date: Tue, 01 Sep 2026 10:00:00 +0000\r\nMessage-ID: <1@signer.example.net>\r\n\r\n"
           b"Hello Bob,\r\nhere is a letter.\r\n")


def missing():
    """Why no message can be signed here, or None."""
    try:
        import dkim  # noqa: F401  pylint: disable=import-outside-toplevel,unused-import
        import nacl  # noqa: F401  pylint: disable=import-outside-toplevel,unused-import
    except ImportError as error:
        return str(error)
    return None


def sign(key, message=MESSAGE, domain=DOMAIN, selector="sel", canon="relaxed/relaxed", change=None, names=None):
    """(message with a signature on top, {record's name: record}). CHANGE(plan) may do anything to it before."""
    import odd  # pylint: disable=import-outside-toplevel

    def oddity(plan, _rnd):
        plan.tags["d"], plan.tags["s"] = domain, selector
        if names is not None:
            plan.names = list(names)
            plan.tags["h"] = ":".join(names)
        if change:
            change(plan)

    return odd.sign(message, key, canon, oddity, random.Random(1))


class Verifier(Daemon):
    """A daemon in mode v. records: {name: record or list of records} for TestPublicKeys, or None. settings: None: not set."""

    def __init__(self, program, folder, records=None, settings=None, **options):
        base = {"Mode": "v", "AuthservID": ID}
        if records is not None:
            path = Path(folder) / "public-keys"
            path.write_text("".join(f"{name} {one}\n" for name, texts in records.items()
                                    for one in ([texts] if isinstance(texts, str) else texts)))
            base["TestPublicKeys"] = path
        base.update(settings or {})
        super().__init__(program, folder, {k: v for k, v in base.items() if v is not None}, **options)

    def send(self, data, **options):
        """(Result, message as an MTA would deliver it) of a message from outside."""
        return milter.one_shot(self.address, data, **{**OUTSIDE, "sender": "bounce@outside.test", **options})


def unfold(value):
    return re.sub(r"\s+", " ", value.decode("utf-8", "replace")).strip()


def own_results(result):
    """The values of the Authentication-Results fields that the milter has put in, unfolded."""
    return [unfold(c[-1]) for c in result.changes
            if c[0] in ("insert", "add") and c[-2].lower() == b"authentication-results"]


def verdicts(result):
    """[(dkim result, d= or "")] of what the milter has put in."""
    found = []
    for value in own_results(result):
        for part in value.split(";")[1:]:
            word = re.search(r"\bdkim=(\w+)", part)
            domain = re.search(r"header\.d=([^\s;]+)", part)
            if word:
                found.append((word.group(1), domain.group(1) if domain else ""))
    return found


def results_fields(message):
    """All Authentication-Results values of a message, from the top, unfolded."""
    return [unfold(value) for name, value in milter.split_message(message)[0]
            if name.strip().lower() == b"authentication-results"]
