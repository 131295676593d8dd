/*
 * key_audit.c - the audit of one DKIM key record.
 * Called by signpost check for each selector. It must never call a key good with which signatures
 * fail.
 */
#include "lib/crypto/public_key.h"
#include "lib/dkim/keyrecord.h"
#include "lib/dkim/tags.h"
#include "lib/mailauth/key_audit.h"

struct audit {
	struct span about;
	struct findings *findings;
};

/* The classic of panels that add quotes and escapes of their own. In a record that can be read they
 * are in its notes. */
static bool
check_text(const struct audit *audit, struct span text, bool readable)
{
	bool quotes = span_find(text, '"') != SIZE_MAX, slashes = span_find(text, '\\') != SIZE_MAX;

	if (!quotes && !slashes)
		return true;
	findings_add(audit->findings, readable ? SEVERITY_WARNING : SEVERITY_ERROR, audit->about,
	    "there are %s inside the value of the key record; enter the value without them, the "
	    "panel of the DNS service adds its own",
	    quotes && slashes ? "quotes and backslashes"
	    : quotes          ? "quotes"
			      : "backslashes");
	return false;
}

/* Blanks in p= are allowed, and not every reader takes them. */
static void
check_blanks(const struct audit *audit, struct span text)
{
	struct tag_list tags;
	struct span value;

	if (tags_parse(text, &tags, NULL) != ST_OK || !tags_find(&tags, "p", &value))
		return;
	for (size_t i = 0; i < value.n; i++)
		if (ascii_blank(value.p[i])) {
			findings_add(audit->findings, SEVERITY_WARNING, audit->about,
			    "there are blanks inside p=; the grammar allows them, some verifiers "
			    "do not, so join the parts without blanks");
			return;
		}
}

static void
check_flags(const struct audit *audit, const struct keyrecord *record)
{
	if (!record->version)
		findings_add(audit->findings, SEVERITY_NOTE, audit->about,
		    "the key record has no v=DKIM1; it may be missing, but put it first");
	if (!record->sha256)
		findings_add(audit->findings, SEVERITY_ERROR, audit->about,
		    "h= does not allow sha256, so every signature fails; write h=sha256 or take h= "
		    "away");
	if (!record->email)
		findings_add(audit->findings, SEVERITY_ERROR, audit->about,
		    "s= does not allow email, so every signature fails; write s=email or take s= "
		    "away");
	if (record->testing)
		findings_add(audit->findings, SEVERITY_WARNING, audit->about,
		    "t=y says that the domain only tests DKIM, and verifiers may treat its mail as "
		    "unsigned; take it away when signing works");
	if (record->same_domain)
		findings_add(audit->findings, SEVERITY_NOTE, audit->about,
		    "t=s: signatures with an i= of a subdomain do not verify");
}

static void
rate_bits(const struct audit *audit, int bits)
{
	if (bits < KEY_BITS_BROKEN)
		findings_add(audit->findings, SEVERITY_ERROR, audit->about,
		    "an RSA key of %d bits is broken, and verifiers fail its signatures (RFC "
		    "8301); replace it now with one of %d",
		    bits, KEY_BITS_GOOD);
	else if (bits < KEY_BITS_GOOD)
		findings_add(audit->findings, SEVERITY_WARNING, audit->about,
		    "an RSA key of %d bits is weak; replace it with one of %d", bits,
		    KEY_BITS_GOOD);
	else if (bits > KEY_BITS_ACCEPTED)
		findings_add(audit->findings, SEVERITY_WARNING, audit->about,
		    "verifiers need not accept an RSA key of %d bits (RFC 8301); %d is enough",
		    bits, KEY_BITS_GOOD);
	else
		findings_add(audit->findings, SEVERITY_OK, audit->about,
		    "the record is an RSA key of %d bits", bits);
}

/* The head of a SEQUENCE of DER: its octets in all, head included; *head_out: of the head. 0: none.
 */
static size_t
der_sequence(struct span der, size_t *head_out)
{
	unsigned char first = der.n >= 2 ? (unsigned char)der.p[1] : 0xff;
	size_t length_octets = first < 0x80 ? 0 : first & 0x7fu, length = first;

	*head_out = 2 + length_octets;
	if (der.n < *head_out || length_octets > 2 || der.p[0] != '0')
		return 0;
	if (length_octets > 0)
		length = 0;
	for (size_t i = 0; i < length_octets; i++)
		length = length << 8 | (unsigned char)der.p[2 + i];
	return *head_out + length;
}

/* Two mistakes that have a name: p= is the private key (it begins with a version, 0), or its end
 * is missing. */
static bool
check_der(const struct audit *audit, struct span der)
{
	size_t head, all = der_sequence(der, &head);

	if (all == 0)
		return false;
	if (span_starts(span_from(der, head), SPAN_LIT("\2\1\0"))) {
		findings_add(audit->findings, SEVERITY_ERROR, audit->about,
		    "p= is a private key, which everybody can read now; take the record away, make "
		    "a new key with a new selector, and publish what genkey or genzone writes");
		return true;
	}
	if (der.n >= all)
		return false;
	findings_add(audit->findings, SEVERITY_ERROR, audit->about,
	    "p= is cut off: it has %zu of %zu octets; publish the whole record, in several quoted "
	    "strings where the DNS service takes no more than 255 octets in one",
	    der.n, all);
	return true;
}

static void
check_key(const struct audit *audit, const struct keyrecord *record)
{
	struct public_key *key = NULL;
	struct err err = ERR_NONE;

	if (!record->known_type) {
		findings_add(audit->findings, SEVERITY_ERROR, audit->about,
		    "k=%.*s is no type of key that verifiers know; write rsa or ed25519",
		    SHOWN(record->type));
		return;
	}
	if (public_key_parse(record->algorithm, record->key, &key, &err) != ST_OK) {
		if (check_der(audit, record->key))
			return;
		findings_add(audit->findings, SEVERITY_ERROR, audit->about,
		    "p= is no %s key (%s); publish the record again as genkey or genzone writes it",
		    record->algorithm == KEY_RSA_SHA256 ? "RSA" : "Ed25519", err.text);
		return;
	}
	if (record->algorithm == KEY_RSA_SHA256)
		rate_bits(audit, public_key_bits(key));
	else
		findings_add(audit->findings, SEVERITY_OK, audit->about,
		    "the record is an Ed25519 key; not every verifier knows them yet, so sign with "
		    "an RSA key besides");
	public_key_free(key);
}

void
key_audit(struct span text, struct span about, struct findings *findings)
{
	const struct audit audit = {about, findings};
	struct keyrecord record;
	struct err err = ERR_NONE;
	struct arena arena;
	enum status status;

	arena_init(&arena, 2 * KEYRECORD_BYTES_MAX);
	status = keyrecord_parse(text, &arena, &record, &err);
	if (check_text(&audit, text, status == ST_OK) || status == ST_OK) {
		if (status != ST_OK) {
			findings_add(findings, SEVERITY_ERROR, about,
			    "this is no key record (%s); publish it as genkey or genzone writes it",
			    err.text);
		} else if (record.revoked) {
			findings_add(findings, SEVERITY_WARNING, about,
			    "the key is revoked (p= is empty), so its signatures fail; sign with "
			    "another selector");
		} else {
			check_flags(&audit, &record);
			check_blanks(&audit, text);
			check_key(&audit, &record);
		}
	}
	arena_free(&arena);
}
