"""Sealed private keys (lib/store/sealedkey.h, sitekey.h) and shared answers (sharedcache.h) written
with another library, from the comments of those headers. python3-cryptography."""
import base64
import hashlib
import hmac
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


def shared_key(site, purpose, tenant=""):
    """(version, key); site: the text of a site key file, or the octets of a gateway's own key."""
    if isinstance(site, bytes):
        return 0, tenant_key(site, tenant, purpose)
    keys, current = site_keys(site)
    return current, tenant_key(keys[current], tenant, purpose)


def shared_name(site, purpose, scope, name):
    """The name at the server; scope and name: octets."""
    text = field(bytes([purpose])) + field(scope) + field(name)
    digest = hmac.digest(shared_key(site, "cache name")[1], text, hashlib.sha256)
    return "sc1:" + base64.urlsafe_b64encode(digest[:24]).decode()


def shared_context(scope, name, head):
    return field(b"signpost shared cache v1") + field(scope) + field(name) + field(head)


def share(site, question, answer, nonce=None):
    """question: (purpose, scope, name); answer: (tenant, epoch, asked, not after, plain). The value at
    the server. With a nonce given only for fixed examples."""
    purpose, scope, name = question
    tenant, epoch, asked, not_after, plain = answer
    version, key = shared_key(site, "cache", tenant)
    head = (b"sc1" + struct.pack(">BIQQQB", purpose, version, epoch, asked, not_after, len(tenant))
            + tenant.encode())
    nonce = nonce or os.urandom(12)
    return head + nonce + AESGCM(key).encrypt(nonce, plain, shared_context(scope, name, head))


def unshare(site, question, value):
    """The answer, as share() takes it."""
    _, scope, name = question
    magic, purpose, version, epoch, asked, not_after, n = struct.unpack(">3sBIQQQB", value[:33])
    tenant = value[33:33 + n].decode()
    current, key = shared_key(site, "cache", tenant)
    assert (magic, purpose, version) == (b"sc1", question[0], current), value[:33]
    head, nonce, sealed = value[:33 + n], value[33 + n:45 + n], value[45 + n:]
    plain = AESGCM(key).decrypt(nonce, sealed, shared_context(scope, name, head))
    return tenant, epoch, asked, not_after, plain
