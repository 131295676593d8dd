"""Test keys by the openssl command, and the TXT records that belong to them."""
import base64
import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Key:
    kind: str          # rsa1024, rsa2048, rsa4096, ed25519
    path: Path         # PEM of the private key
    record: str        # what the TXT record says

    @property
    def algorithm(self):
        return "ed25519-sha256" if self.kind == "ed25519" else "rsa-sha256"


def openssl(*args):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True).stdout


def make_key(kind, path):
    """A new private key in PATH (mode 0600)."""
    path = Path(path)
    if kind == "ed25519":
        openssl("genpkey", "-algorithm", "ed25519", "-out", path)
    else:
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{kind[3:]}", "-out", path)
    path.chmod(0o600)
    der = openssl("pkey", "-in", path, "-pubout", "-outform", "DER")
    if kind == "ed25519":
        record = "v=DKIM1; k=ed25519; p=" + base64.b64encode(der[-32:]).decode()
    else:
        record = "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()
    return Key(kind, path, record)


def der_items(der):
    """The INTEGER and OCTET STRING contents of a DER blob, flat, in order (enough for private keys)."""
    items, todo = [], [der]
    while todo:
        data, at = todo.pop(0), 0
        inner = []
        while at + 2 <= len(data):
            tag, length, at = data[at], data[at + 1], at + 2
            if length & 0x80:
                n = length & 0x7F
                length, at = int.from_bytes(data[at:at + n], "big"), at + n
            body = data[at:at + length]
            at += length
            if tag == 0x30:
                inner.append(body)
            elif tag == 0x04:
                items.append(body)
                if body[:1] == b"\x30" or body[:1] == b"\x04":
                    inner.append(body)
            elif tag == 0x02:
                items.append(body)
        todo = inner + todo
    return items


def secrets(key):
    """name -> big-endian octets of what must stay secret in KEY."""
    der = openssl("pkey", "-in", key.path, "-outform", "DER")
    items = der_items(der)
    if key.kind == "ed25519":
        seed = [i for i in items if len(i) == 32][-1]
        return {"seed": seed, "expanded seed": hashlib.sha512(seed).digest()}
    numbers = [int.from_bytes(i, "big") for i in items]
    at = numbers.index(65537)
    names = dict(zip(("d", "p", "q", "dp", "dq", "qinv"), numbers[at + 1:at + 7]))
    assert names["p"] * names["q"] == numbers[at - 1], "the DER of the key was not understood"
    return {n: v.to_bytes((v.bit_length() + 7) // 8, "big") for n, v in names.items()}
