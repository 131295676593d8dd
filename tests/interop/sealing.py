"""Sealed private keys (lib/store/sealedkey.h, sitekey.h) written with another library, from the
comments of those headers. python3-cryptography."""
import base64
import os
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def field(octets):
    return struct.pack(">I", len(octets)) + octets


def tenant_key(site_key, tenant, purpose="key"):
    info = field(b"signpost tenant key v1") + field(purpose.encode()) + field(tenant.encode())
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(site_key)


def context(tenant, domain, selector, key_id, revision):
    names = (tenant, domain.lower(), selector.lower(), key_id)
    return (field(b"signpost sealed key v1") + b"".join(field(name.encode()) for name in names)
            + field(struct.pack(">Q", revision)))


def site_keys(text):
    """({version: key}, current version) of a site key file."""
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    keys = {int(a): base64.b64decode(b, validate=True) for a, b in lines if a != "current"}
    current = [int(b) for a, b in lines if a == "current"]
    return keys, (current or [max(keys)])[0]


def seal(text, owner, plain, nonce=None):
    """owner: (tenant, domain, selector, id, revision). With a nonce given only for fixed examples."""
    keys, current = site_keys(text)
    nonce = nonce or os.urandom(12)
    sealed = AESGCM(tenant_key(keys[current], owner[0])).encrypt(nonce, plain, context(*owner))
    return f"spk1:{current}:{base64.b64encode(nonce + sealed).decode()}"


def unseal(text, owner, sealed):
    prefix, version, octets = sealed.split(":")
    assert prefix == "spk1"
    octets = base64.b64decode(octets, validate=True)
    key = tenant_key(site_keys(text)[0][int(version)], owner[0])
    return AESGCM(key).decrypt(octets[:12], octets[12:], context(*owner))
