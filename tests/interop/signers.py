"""Signers that share no code with Signpost: dkimpy, Mail::DKIM, OpenDKIM, rspamd, and one of our own for what none of
them would write. Each signer answers missing() with the reason why it cannot run here, or None, and jobs(keys, count)
with Signed messages. Keys are made by the test; records are what the DNS would say.
"""
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from lib import corpus, milter, procs
from lib.daemon import Daemon

import odd

HERE = Path(__file__).resolve().parent
CANONS = ("simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed")
DAY = 86400


@dataclass
class Signed:
    """One message with its signatures; notes say what is special about it."""
    signer: str
    shape: str
    notes: str
    data: bytes
    records: dict
    signatures: int = 1

    @property
    def name(self):
        return f"{self.signer}, {self.shape}, {self.notes}"


def messages(count, domains, seed, skip=()):
    """Messages of the corpus; those of the shapes in SKIP are left out."""
    found = []
    while len(found) < count:
        found += [m for m in corpus.make(count * 2, domains, seed, big=0) if m.shape not in skip]
        seed += 1000
    return found[:count]


def private_der(key):
    return subprocess.run(["openssl", "pkey", "-in", key.path, "-outform", "DER"], check=True, capture_output=True).stdout


def seed_of(key):
    """The 32 octets of an Ed25519 key."""
    return private_der(key)[-32:]


def dkimpy_key(key):
    if key.kind == "ed25519":
        return base64.b64encode(seed_of(key))
    return subprocess.run(["openssl", "pkey", "-in", key.path, "-traditional"], check=True, capture_output=True).stdout


class Dkimpy:
    name = "dkimpy"

    def missing(self):
        try:
            import dkim  # noqa: F401  pylint: disable=import-outside-toplevel,unused-import
            import nacl  # noqa: F401  pylint: disable=import-outside-toplevel,unused-import
        except ImportError as error:
            return str(error)
        return None

    def jobs(self, keys, count, rnd):
        import dkim  # pylint: disable=import-outside-toplevel
        private = {kind: dkimpy_key(key) for kind, key in keys.items()}
        kinds = sorted(keys)
        for number, message in enumerate(messages(count, ["dp.test"], 11)):
            kind, canon = kinds[number % len(kinds)], CANONS[number // len(kinds) % 4]
            names = self.header_list(message.data, number, rnd)
            length = number % 7 == 3
            signer = dkim.DKIM(message.data)
            field = signer.sign(f"s-{kind}".encode(), b"dp.test", private[kind], keys[kind].algorithm.encode(),
                                canonicalize=tuple(x.encode() for x in canon.split("/")), include_headers=names,
                                length=length)
            notes = f"{kind} {canon}{' l=' if length else ''}{' ' + str(len(names)) + ' names' if names else ''}"
            yield Signed(self.name, message.shape, notes, field + message.data,
                         {f"s-{kind}._domainkey.dp.test": keys[kind].record})

    @staticmethod
    def header_list(data, number, rnd):
        """None: dkimpy's own choice; else all fields, some, or more than there are."""
        present = [name.lower() for name, _ in milter.split_message(data)[0]]
        unfit = {b"return-path", b"received", b"comments", b"keywords", b"bcc", b"resent-bcc", b"dkim-signature"}
        usable = [n for n in present if n not in unfit]
        if number % 3 == 0:
            return None
        if number % 3 == 1:
            return [b"from"] + rnd.sample(usable, min(len(usable), rnd.randint(0, 6)))
        return sorted(set(usable)) + [b"from", b"from", b"subject", b"x-absent", b"to", b"cc"]


class MailDkim:
    name = "Mail::DKIM"

    def missing(self):
        code = subprocess.run(["perl", "-MMail::DKIM::Signer", "-e", "1"], capture_output=True, check=False).returncode
        return "libmail-dkim-perl is not installed" if code else None

    def jobs(self, keys, count, rnd):
        kinds = [k for k in sorted(keys) if k != "ed25519"]
        now = int(time.time())
        with subprocess.Popen(["perl", str(HERE / "sign_maildkim.pl")], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as child:
            for number, message in enumerate(messages(count, ["md.test"], 22)):
                kind, canon = kinds[number % len(kinds)], CANONS[number // len(kinds) % 4]
                args = {"Method": canon, "Domain": "md.test", "Selector": f"s-{kind}", "KeyFile": keys[kind].path,
                        "Timestamp": now - 60}
                if number % 3 == 1:
                    args["Expiration"] = now + DAY
                if number % 4 == 2:
                    args["Identity"] = rnd.choice(["@md.test", "user@md.test", "user@below.md.test", "@a.b.md.test"])
                if number % 5 == 3:
                    args["Oversign"] = "From:To:Subject:Cc"
                line = "\t".join(f"{k}={v}" for k, v in args.items())
                child.stdin.write(f"{len(message.data)} {line}\n".encode() + message.data)
                child.stdin.flush()
                field = child.stdout.read(int(child.stdout.readline()))
                notes = f"{kind} {canon} " + " ".join(sorted(set(args) - {"Method", "Domain", "KeyFile", "Timestamp"}))
                yield Signed(self.name, message.shape, notes, field + b"\r\n" + message.data,
                             {f"s-{kind}._domainkey.md.test": keys[kind].record})
            child.stdin.close()


class OpenDkim:
    """Through its daemon. With simple header canonicalization its Ed25519 signatures do not verify: it folds the
    short b= otherwise than it has hashed it. They are left out."""
    name = "OpenDKIM"
    program = "/usr/sbin/opendkim"

    def missing(self):
        return None if os.access(self.program, os.X_OK) else "opendkim is not installed"

    def daemons(self, keys):
        for canon in CANONS:
            yield "rsa-sha256", canon, [k for k in sorted(keys) if k != "ed25519"]
        for canon in CANONS[2:]:
            yield "ed25519-sha256", canon, ["ed25519"]

    def jobs(self, keys, count, _rnd):
        plans = list(self.daemons(keys))
        for number, (algorithm, canon, kinds) in enumerate(plans):
            folder = procs.make_dir("opendkim")
            try:
                yield from self.one_daemon(folder, keys, algorithm, canon, kinds, -(-count // len(plans)), number)
            finally:
                procs.remove_dir(folder)

    def one_daemon(self, folder, keys, algorithm, canon, kinds, count, number):
        domains = [f"{k}.od.test" for k in kinds] + (["two.od.test"] if len(kinds) > 1 else [])
        (folder / "keys").write_text("".join(f"{k} %:s-{k}:{keys[k].path}\n" for k in kinds))
        rules = "".join(f"*@{k}.od.test {k}\n" for k in kinds)
        rules += "".join(f"*@two.od.test {k}\n" for k in kinds[:2])
        (folder / "rules").write_text(rules)
        settings = {"Mode": "s", "KeyTable": f"file:{folder}/keys", "SigningTable": f"refile:{folder}/rules",
                    "Canonicalization": canon, "SignatureAlgorithm": algorithm, "MultipleSignatures": True,
                    "MaximumHeaders": 0}
        if number % 2:
            settings.update({"OversignHeaders": "From,To,Subject,X-Absent", "SignatureTTL": DAY})
        with Daemon(self.program, folder, settings, name="signer") as running:
            for message in messages(count, domains, 33 + number):
                result, data = milter.one_shot(running.address, message.data, sender=message.sender)
                if not result.signed:
                    raise RuntimeError(f"opendkim does not sign: {result}\n{running.log()[-2000:]}")
                domain = message.sender.split("@")[1]
                used = kinds[:2] if domain.startswith("two.") else [domain.split(".")[0]]
                yield Signed(self.name, message.shape, f"{algorithm} {canon} {domain}", data,
                             {f"s-{k}._domainkey.{domain}": keys[k].record for k in used}, len(used))


class Rspamd:
    """A private rspamd with nothing but its signing module; /checkv2 answers the field."""
    name = "rspamd"
    plugin = "/usr/share/rspamd/plugins/dkim_signing.lua"

    def missing(self):
        found = shutil.which("rspamd") and os.access(self.plugin, os.R_OK)
        return None if found else "rspamd is not installed"

    def jobs(self, keys, count, _rnd):
        folder = procs.make_dir("rspamd")
        port = procs.free_port()
        (folder / "rspamd.conf").write_text(self.config(folder, port, keys))
        process = procs.Process(["rspamd", "-f", "-i", "-c", folder / "rspamd.conf", f"--var=DBDIR={folder}",
                                 f"--var=RUNDIR={folder}"], folder / "log", cwd=folder)
        try:
            procs.wait_connect(("127.0.0.1", port), proc=process)
            yield from self.ask_all(port, keys, count)
        finally:
            process.stop()
            procs.remove_dir(folder)

    def config(self, folder, port, keys):
        for kind, key in keys.items():
            path = folder / f"{kind}.key"
            if kind == "ed25519":
                public = base64.b64decode(key.record.split("p=")[1])
                path.write_bytes(base64.b64encode(seed_of(key) + public))
            else:
                path.write_bytes(key.path.read_bytes())
        one = 'selectors [ %s ]'
        item = '{ path = "%s/%s.key"; selector = "s-%s"; }'
        domains = "".join(f'"{k}.rs.test" {{ {one % (item % (folder, k, k))} }}\n' for k in sorted(keys))
        both = ", ".join(item % (folder, k, k) for k in ("rsa2048", "ed25519"))
        return f'''options {{ filters = "dkim"; dns {{ nameserver = ["127.0.0.1:{port}"]; timeout = 0.1s; }}
  pidfile = false; local_addrs = [127.0.0.0/8]; tempdir = "{folder}"; }}
logging {{ type = "console"; level = "info"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; mime = true; }}
modules {{ path = "{self.plugin}"; }}
dkim {{ }}
dkim_signing {{ allow_envfrom_empty = true; allow_hdrfrom_mismatch = true; allow_username_mismatch = true;
  sign_local = true; use_esld = false; try_fallback = false; use_domain = "header";
  domain {{ {domains} "two.rs.test" {{ {one % both} }} }} }}
'''

    def ask_all(self, port, keys, count):
        domains = [f"{k}.rs.test" for k in sorted(keys)] + ["two.rs.test"]
        for message in messages(count, domains, 44, SHAPES_RSPAMD_ALTERS):
            request = urllib.request.Request(f"http://127.0.0.1:{port}/checkv2", data=message.data,
                                             headers={"IP": "127.0.0.1", "From": message.sender})
            with urllib.request.urlopen(request, timeout=300) as answer:
                said = json.load(answer)
            fields = said.get("dkim-signature", [])
            fields = [fields] if isinstance(fields, str) else fields
            domain = message.sender.split("@")[1]
            used = ["rsa2048", "ed25519"] if domain.startswith("two.") else [domain.split(".")[0]]
            if len(fields) != len(used):
                raise RuntimeError(f"rspamd: {len(fields)} signatures for {domain}, {message.shape}: {said}")
            data = b"".join(b"DKIM-Signature: " + f.encode() + b"\r\n" for f in fields) + message.data
            yield Signed(self.name, message.shape, domain, data,
                         {f"s-{k}._domainkey.{domain}": keys[k].record for k in used}, len(used))


# What rspamd 3.4 signs so that none of three verifiers agrees: a field of which there are two (it takes the upper one
# first), control octets in a body (it takes some for blanks), a body of nothing but blanks under "relaxed".
SHAPES_RSPAMD_ALTERS = ("duplicates", "binary_ish", "body_only_blanks")


class Odd:
    """What RFC 6376 allows and nobody's signer writes."""
    name = "odd"

    def missing(self):
        return Dkimpy().missing()

    def jobs(self, keys, count, rnd):
        kinds = sorted(keys)
        for number, message in enumerate(messages(count, ["odd.test"], 55)):
            kind, canon = kinds[number % len(kinds)], CANONS[number // len(kinds) % 4]
            oddity = odd.LEGAL[number % len(odd.LEGAL)]
            data, records = odd.sign(message.data, keys[kind], canon, oddity, rnd)
            yield Signed(self.name, message.shape, f"{kind} {canon} {oddity.__name__}", data, records)


SIGNERS = [Dkimpy(), MailDkim(), OpenDkim(), Rspamd(), Odd()]
COUNTS = {"dkimpy": 192, "Mail::DKIM": 120, "OpenDKIM": 126, "rspamd": 80, "odd": 160}
