"""One key store, asked through tests/conformance/keystore_driver: the same words for every backend."""
import os
import subprocess
from pathlib import Path


def program():
    path = Path(os.environ.get("SIGNPOST_BUILD", ".")) / "tests/conformance/keystore_driver"
    return path if os.access(path, os.X_OK) else None


def coded(text):
    """A word of the driver: %XX for what would end it."""
    data = text if isinstance(text, bytes) else str(text).encode()
    return "".join(chr(c) if 0x20 < c < 0x7f and c not in b"%=" else f"%{c:02x}" for c in data) or "-"


def decoded(text):
    out, i = bytearray(), 0
    while i < len(text):
        if text[i] == "%":
            out.append(int(text[i + 1:i + 3], 16))
            i += 3
        else:
            out.append(ord(text[i]))
            i += 1
    return out.decode()


class Answer:
    """status: "ok", "absent", ...; text: the sentence, or what else the last line has; rows: [(kind, {field: value})]."""

    def __init__(self, lines):
        last = lines[-1][2:]
        self.status, _, self.text = last.partition(": ") if not last.startswith("ok") else ("ok", "", last[2:].strip())
        self.status, _, at = self.status.partition(" at=")
        self.at = int(at) if at else None
        self.status, _, epoch = self.status.partition(" epoch=")
        self.text = self.text or f"epoch={epoch}"
        self.rows = []
        for line in lines[:-1]:
            kind, *fields = line.split(" ")
            self.rows.append((kind, {k: decoded(v) for k, _, v in (f.partition("=") for f in fields)}))

    def of(self, kind):
        return [row for k, row in self.rows if k == kind]

    def value(self, name):
        """name=NUMBER of the last line."""
        return float(dict(w.split("=") for w in self.text.split() if "=" in w)[name])

    def __repr__(self):
        return f"<{self.status} {self.at} {self.text!r} {self.rows}>"


class Store:
    def __init__(self, spec, write=False, ca=None):
        arguments = [program()] + (["-w"] if write else []) + (["-c", ca] if ca else [])
        arguments += spec if isinstance(spec, list) else [spec]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """What it said on stderr; "" when it is closed already."""
        if self.process.stderr.closed:
            return ""
        if self.process.poll() is None:
            self.process.stdin.close()
        errors = self.process.stderr.read()
        self.process.wait(30)
        self.process.stdout.close()
        self.process.stderr.close()
        return errors

    def send(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def receive(self):
        lines = []
        while not lines or not lines[-1].startswith("= "):
            line = self.process.stdout.readline()
            assert line, f"the driver ended with {self.process.wait(30)}: {self.process.stderr.read()}"
            lines.append(line.rstrip("\n"))
        return Answer(lines)

    def ask(self, command, *words):
        self.send(" ".join([command] + [coded(w) for w in words]))
        return self.receive()

    def apply(self, *writes):
        """writes: (how, kind, {field: value})."""
        for how, kind, fields in writes:
            self.send(" ".join([how, kind] + [f"{k}={coded(v)}" for k, v in fields.items()]))
        self.send("apply")
        return self.receive()

    def fenced(self, lease, *writes):
        """lease: (name, owner, fence)."""
        for how, kind, fields in writes:
            self.send(" ".join([how, kind] + [f"{k}={coded(v)}" for k, v in fields.items()]))
        return self.ask("fenced", *lease)

    def lease(self, owner, ttl, name="reconciler"):
        """(status, owner, fence, expires)."""
        answer = self.ask("lease", name, owner, ttl)
        words = dict(w.split("=") for w in answer.status.split()[1:] + answer.text.split() if "=" in w)
        return answer.status.split()[0], words.get("owner"), int(words.get("fence", 0)), int(words.get("expires", 0))

    def report(self, **fields):
        self.send(" ".join(["report"] + [f"{k}={coded(v)}" for k, v in fields.items()]))
        return self.receive()

    def must(self, *writes):
        answer = self.apply(*writes)
        assert answer.status == "ok", answer
        return answer


def key(domain, selector, tenant="acme", **more):
    return dict({"id": f"{selector}-{domain.replace('.', '-')}", "tenant": tenant, "domain": domain, "selector": selector,
                 "algorithm": "rsa-sha256", "private_key": "spk1:1:AAAA", "revision": 1, "created": 10}, **more)


def populate(store):
    """Two tenants; acme has a.test, with a key that signs."""
    store.must(("add", "tenant", {"name": "acme", "failure": "store=stale"}), ("add", "tenant", {"name": "other"}),
               ("add", "policy", {"tenant": "acme", "name": "std", "signature_ttl_s": 600, "plan": "{}"}),
               ("add", "domain", {"name": "a.test", "tenant": "acme", "policy": "std"}),
               ("add", "domain", {"name": "o.test", "tenant": "other"}),
               ("add", "key", key("a.test", "s1", active=100)), ("add", "binding", {"subject": "*", "tenant": "acme"}))
