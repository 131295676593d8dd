"""Three verifiers that share no code with Signpost: dkimpy, Mail::DKIM and OpenDKIM. No DNS: records are given.

Each takes {name: octets of a message} and {record name: text} and answers {name: [(domain, verdict), ...]}, one entry a
signature. Each runs all messages in a few processes.
"""
import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import milter
from .daemon import Daemon

HERE = Path(__file__).resolve().parent
PASS = "pass"
PYTHON = "/usr/bin/python3"
SIGNATURE = re.compile(rb"^dkim-signature[ \t]*:", re.I)


def signature_domains(message):
    """d= of every DKIM-Signature, from the top."""
    head = message.split(b"\r\n\r\n", 1)[0]
    fields = re.sub(rb"\r\n(?=[ \t])", b"", head).split(b"\r\n")
    domains = []
    for field in fields:
        if SIGNATURE.match(field):
            found = re.search(rb"[;:\s]d=([^;\s]+)", field)
            domains.append(found.group(1).decode() if found else "")
    return domains


def run_lines(argv, folder, names):
    """Run ARGV with the list of files on stdin; answer lines `name TAB domain TAB verdict`."""
    done = subprocess.run(argv, input="\n".join(names) + "\n", capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]}: exit {done.returncode}: {done.stderr[-2000:]}")
    return [line.split("\t") for line in done.stdout.splitlines()]


def collect(rows):
    result = {}
    for name, domain, verdict in rows:
        if domain:
            result.setdefault(name, []).append((domain, verdict))
        else:
            result.setdefault(name, [])
    return result


def halves(names, parts=2):
    return [names[i::parts] for i in range(parts) if names[i::parts]]


class Verifier:
    name = ""
    ed25519 = False

    def missing(self):
        """A reason why it cannot run here, or None."""
        return None

    def run(self, folder, names):
        raise NotImplementedError

    def verify(self, messages, records):
        folder = Path(tempfile.mkdtemp(prefix="signpost-it-verify-"))
        try:
            (folder / "records").write_text("".join(f"{k} {v}\n" for k, v in sorted(records.items())))
            for name, data in messages.items():
                (folder / name).write_bytes(data)
            with ThreadPoolExecutor(2) as pool:
                rows = [row for part in pool.map(lambda names: self.run(folder, names), halves(sorted(messages)))
                        for row in part]
            return collect(rows)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class Dkimpy(Verifier):
    name = "dkimpy"
    ed25519 = True

    def missing(self):
        code = subprocess.run([PYTHON, "-c", "import dkim, nacl"], capture_output=True).returncode
        return "python3-dkim or python3-nacl is not installed" if code else None

    def run(self, folder, names):
        return run_lines([PYTHON, str(HERE / "verify_dkimpy.py"), "records"], folder, names)


class MailDkim(Verifier):
    name = "Mail::DKIM"

    def missing(self):
        code = subprocess.run(["perl", "-MMail::DKIM::Verifier", "-e", "1"], capture_output=True).returncode
        return "libmail-dkim-perl is not installed" if code else None

    def run(self, folder, names):
        return run_lines(["perl", str(HERE.parent / "verify_maildkim.pl"), "records"], folder, names)


class OpenDkim(Verifier):
    name = "OpenDKIM"
    ed25519 = True
    program = "/usr/sbin/opendkim"

    def missing(self):
        return None if os.access(self.program, os.X_OK) else "opendkim is not installed"

    def verify(self, messages, records):
        """Through a running opendkim and our milter client: `opendkim -t` drops the blanks after a header's colon."""
        folder = Path(tempfile.mkdtemp(prefix="signpost-it-opendkim-"))
        (folder / "records").write_text("".join(f"{k} {v}\n" for k, v in sorted(records.items())))
        settings = {"Mode": "v", "TestPublicKeys": folder / "records", "MaximumHeaders": 0, "AuthservID": "verifier.test",
                    "MaximumSignaturesToVerify": 20, "MinimumKeyBits": 1024, "AlwaysAddARHeader": True,
                    "On-Default": "accept", "SyslogSuccess": False, "LogWhy": False}
        rows = []
        try:
            with Daemon(self.program, folder, settings, name="verifier", unix=True) as running:
                with ThreadPoolExecutor(4) as pool:
                    parts = halves(sorted(messages), 4)
                    for part in pool.map(lambda names: self.ask(running.address, messages, names), parts):
                        rows += part
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return collect(rows)

    def ask(self, address, messages, names):
        rows = []
        with milter.Session(address) as session:
            session.hello(client="192.0.2.99", host="outside.test")
            for name in names:
                rows += self.rows_of(name, session.message(messages[name], sender="x@outside.test"))
        return rows

    @staticmethod
    def rows_of(name, result):
        value = b" ".join(c[-1] for c in result.changes if c[-2].lower() == b"authentication-results")
        found = re.findall(r"dkim=(\w+)((?:\s*\([^)]*\)|\s+reason=\"[^\"]*\")*)\s+header\.d=([^\s;]+)",
                           value.decode("utf-8", "replace"))
        if not found:
            return [(name, "", f"{result.verdict}: no result")]
        return [(name, domain, PASS if verdict == "pass" else (verdict + " " + " ".join(why.split())).strip())
                for verdict, why, domain in found]


VERIFIERS = [Dkimpy(), MailDkim(), OpenDkim()]
