/*
 * keyrecord.c - the TXT record of a selector into a structure (RFC 6376 3.6.1). Called by the
 * verifying half for every answer of the DNS, and by tools that check what was published. Its
 * octets are a stranger's: it must never take a record for a key record that another reader would
 * read differently.
 */
#include "lib/dkim/keyrecord.h"

#include "lib/dkim/tags.h"

static enum status
invalid(struct err *err, const char *why)
{
	err_set(err, "%s", why);
	return ST_INVALID;
}

/* Is word among the words of value, separated by colons? */
static bool
words_have(struct span value, const char *word)
{
	bool more = true;
	struct span one;

	while (more) {
		more = span_cut(&value, ':', &one);
		if (span_ieq_str(span_trim(one), word))
			return true;
	}
	return false;
}

/* v= may be missing, but stands first and is DKIM1 if it is there. */
static enum status
version_read(const struct tag_list *tags, struct keyrecord *out, struct err *err)
{
	struct span value;

	out->version = tags_find(tags, "v", &value);
	if (!out->version)
		return ST_OK;
	if (!span_eq_str(value, "DKIM1"))
		return invalid(err, "v= is not DKIM1");
	if (!span_eq_str(tags->tags[0].name, "v"))
		return invalid(err, "v= is not the first tag");
	return ST_OK;
}

static void
type_read(const struct tag_list *tags, struct keyrecord *out)
{
	out->algorithm = KEY_RSA_SHA256;
	out->known_type = true;
	if (!tags_find(tags, "k", &out->type) || span_ieq_str(out->type, "rsa"))
		return;
	out->known_type = span_ieq_str(out->type, "ed25519");
	if (out->known_type)
		out->algorithm = KEY_ED25519_SHA256;
}

static void
rules_read(const struct tag_list *tags, struct keyrecord *out)
{
	struct span value;

	if (tags_find(tags, "t", &value)) {
		out->testing = words_have(value, "y");
		out->same_domain = words_have(value, "s");
	}
	out->email =
	    !tags_find(tags, "s", &value) || words_have(value, "*") || words_have(value, "email");
	out->sha256 = !tags_find(tags, "h", &value) || words_have(value, "sha256");
	(void)tags_find(tags, "n", &out->note);
}

static enum status
key_read(const struct tag_list *tags, struct arena *arena, struct keyrecord *out, struct err *err)
{
	struct span value;
	char *room;
	size_t n;

	if (!tags_find(tags, "p", &value))
		return invalid(err, "there is no p=");
	out->revoked = value.n == 0;
	if (out->revoked)
		return ST_OK;
	room = arena_alloc(arena, value.n / 4 * 3 + 3);
	if (room == NULL) {
		err_set(err, "no room for the key");
		return ST_TOO_BIG;
	}
	if (base64_decode(value, room, &n) != ST_OK || n == 0)
		return invalid(err, "p= is not base64");
	out->key = span_of(room, n);
	return ST_OK;
}

enum status
keyrecord_parse(struct span text, struct arena *arena, struct keyrecord *out, struct err *err)
{
	struct tag_list tags;
	enum status st;

	*out = (struct keyrecord){.version = false};
	if (text.n > KEYRECORD_BYTES_MAX) {
		err_set(err, "the record is longer than %u octets", KEYRECORD_BYTES_MAX);
		return ST_TOO_BIG;
	}
	st = tags_parse(text, &tags, err);
	if (st == ST_OK)
		st = version_read(&tags, out, err);
	if (st != ST_OK)
		return st;
	type_read(&tags, out);
	rules_read(&tags, out);
	return key_read(&tags, arena, out, err);
}
