"""Who judges a message: Signpost's lib/dkim/verify.h (through tests/tools/verify_driver), dkimpy, Mail::DKIM. No DNS:
records are given. judge(data, records) answers how many signatures pass, and why the others do not.
"""
import json
import subprocess
import time
from pathlib import Path

import dkim

HERE = Path(__file__).resolve().parent


def record_lines(records):
    """{name: text or list of texts} as octets, one line a record."""
    lines = []
    for name, texts in records.items():
        for text in [texts] if isinstance(texts, (str, bytes)) else texts:
            octets = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
            lines.append(name.encode() + b" " + octets.replace(b"\n", b" ") + b"\n")
    return b"".join(lines)


class Ours:
    name = "Signpost"

    def __init__(self, driver):
        self.child = subprocess.Popen([driver], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, data, records, now=None):
        """What the driver says: a list of {"result", "reason", "detail", ...}, or one with "error"."""
        lines = record_lines(records)
        self.child.stdin.write(b"%d %d %d\n" % (now or int(time.time()), len(data), len(lines)) + data + lines)
        self.child.stdin.flush()
        answer = self.child.stdout.readline()
        if not answer:
            raise RuntimeError(f"verify_driver ended with status {self.child.wait()}")
        said = json.loads(answer)
        return said.get("signatures") or [{"result": "error", "reason": said.get("error", "no signature"), "detail": ""}]

    def judge(self, data, records):
        said = self.ask(data, records)
        return (sum(s["result"] == "pass" for s in said),
                "; ".join(f"{s['result']}: {s['reason']}{', ' + s['detail'] if s['detail'] else ''}" for s in said))

    def close(self):
        self.child.stdin.close()
        return self.child.wait()


class Dkimpy:
    name = "dkimpy"

    @staticmethod
    def lookup(records):
        """dkimpy's own DNS function joins what one answer has; it never chooses."""
        texts = {}
        for line in record_lines(records).splitlines():
            name, _, text = line.partition(b" ")
            texts.setdefault(name.lower(), text)
        return lambda name, timeout=5: texts.get(name.rstrip(b".").lower())

    def judge(self, data, records):
        passes, why = 0, []
        lookup = self.lookup(records)
        try:
            count = sum(n.lower() == b"dkim-signature" for n, _ in dkim.DKIM(data).headers)
        except Exception as error:  # pylint: disable=broad-except
            return 0, f"message: {error}"
        for index in range(min(count, 20)):
            try:
                good = dkim.DKIM(data, minkey=1024).verify(idx=index, dnsfunc=lookup)
                passes += bool(good)
                why.append("pass" if good else "fail")
            except Exception as error:  # pylint: disable=broad-except
                why.append(f"{type(error).__name__}: {error}"[:150])
        return passes, "; ".join(why)

    def close(self):
        return 0


class MailDkim:
    name = "Mail::DKIM"

    def __init__(self):
        self.child = subprocess.Popen(["perl", str(HERE / "judge_maildkim.pl")], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def judge(self, data, records):
        lines = record_lines(records)
        self.child.stdin.write(b"%d %d\n" % (len(data), len(lines)) + data + lines)
        self.child.stdin.flush()
        answer = self.child.stdout.readline()
        if not answer:
            raise RuntimeError(f"Mail::DKIM ended with status {self.child.wait()}")
        said = answer.decode("utf-8", "replace").rstrip("\n").split("\t")
        return said.count("pass"), "; ".join(said)

    def close(self):
        self.child.stdin.close()
        return self.child.wait()
