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


def shared_keys(site, purpose, scope, name):
    """(version, HMAC for the name at the server, key of the value); site: the text of a site key file,
    or the octets of a gateway's own key; scope and name: octets."""
    version, secret = 0, site
    if isinstance(site, str):
        keys, version = site_keys(site)
        secret = keys[version]
    text = field(bytes([purpose])) + field(scope) + field(name)
    return version, *(hmac.digest(tenant_key(secret, "", what), text, hashlib.sha256)
                      for what in ("cache name", "cache"))


def shared_name(site, purpose, scope, name):
    """The name at the server."""
    digest = shared_keys(site, purpose, scope, name)[1]
    return "sc1:" + base64.urlsafe_b64encode(digest[:24]).decode()


def shared_context(scope, name, head):
    return field(b"signpost shared cache v1") + field(scope) + field(name) + field(head)


def share(site, question, answer, nonce=None):
    """question: (purpose, scope, name); answer: (tenant, epoch, asked, not after, plain). The value at
    the server. With a nonce given only for fixed examples."""
    purpose, scope, name = question
    tenant, epoch, asked, not_after, plain = answer
    version, _, key = shared_keys(site, *question)
    head = b"sc1" + struct.pack(">BIQQQ", purpose, version, epoch, asked, not_after)
    plain += tenant.encode() + bytes([len(tenant)])
    nonce = nonce or os.urandom(12)
    return head + nonce + AESGCM(key).encrypt(nonce, plain, shared_context(scope, name, head))


def unshare(site, question, value):
    """The answer, as share() takes it."""
    _, scope, name = question
    current, _, key = shared_keys(site, *question)
    head, nonce, sealed = value[:32], value[32:44], value[44:]
    magic, purpose, version, epoch, asked, not_after = struct.unpack(">3sBIQQQ", head)
    assert (magic, purpose, version) == (b"sc1", question[0], current), head
    plain = AESGCM(key).decrypt(nonce, sealed, shared_context(scope, name, head))
    end = len(plain) - 1 - plain[-1]
    return plain[end:-1].decode(), epoch, asked, not_after, plain[:end]
