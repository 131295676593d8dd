/*
 * record.c - the name and the text of a key's TXT record.
 * Called by the reconciler before it publishes or looks, and by the operations that show a record.
 * It must never write a text that depends on anything but the row: what is compared with DNS years
 * later has to come out the same. Nor may it take a record for a key's that a verifier would not
 * use for its signatures.
 */
#include <string.h>

#include "admin-api/record.h"
#include "lib/dkim/keyrecord.h"

#define ARENA_BYTES 16384U

void
record_name(struct span selector, struct span domain, struct buf *out)
{
	buf_add(out, selector);
	buf_add_str(out, "._domainkey.");
	buf_add(out, domain);
}

void
record_value(struct span algorithm, struct span public_key, struct buf *out)
{
	bool ed25519 = span_eq_str(algorithm, "ed25519-sha256");

	buf_add_fmt(out, "v=DKIM1; k=%s; p=", ed25519 ? "ed25519" : "rsa");
	buf_add(out, public_key);
}

void
record_of_key(const struct store_key *row, const struct key_life *life, struct buf *out)
{
	if (life == NULL || life->head[0] == '\0') {
		record_value(row->algorithm, row->public_key, out);
		return;
	}
	buf_add_str(out, life->head);
	buf_add(out, row->public_key);
	buf_add_str(out, life->tail);
}

/* ---- records of others ---- */

/* Why verifiers would not use it for this key; NULL: they do. */
static const char *
what_is_wrong(const struct keyrecord *there, const struct keyrecord *ours)
{
	if (there->revoked)
		return "is that of a key that was revoked";
	if (!there->known_type || there->algorithm != ours->algorithm)
		return "is that of another kind of key (k=)";
	if (!span_eq(there->key, ours->key))
		return "is that of another key";
	if (!there->sha256)
		return "does not allow SHA-256 (h=)";
	return there->email ? NULL : "is not for mail (s=)";
}

static enum status
compare(struct span text, const struct store_key *row, struct err *err)
{
	struct keyrecord there, ours;
	struct err why = ERR_NONE;
	struct arena arena;
	struct buf value;
	const char *wrong = "cannot be read";

	arena_init(&arena, ARENA_BYTES);
	buf_init(&value, KEYRECORD_BYTES_MAX);
	record_value(row->algorithm, row->public_key, &value);
	if (keyrecord_parse(text, &arena, &there, &why) != ST_OK)
		err_set(err, "is no key record: %s", why.text);
	else if (buf_status(&value) != ST_OK ||
		 keyrecord_parse(buf_span(&value), &arena, &ours, &why) != ST_OK)
		err_set(err, "%s", wrong);
	else if ((wrong = what_is_wrong(&there, &ours)) != NULL)
		err_set(err, "%s", wrong);
	buf_free(&value);
	arena_free(&arena);
	return wrong == NULL ? ST_OK : ST_INVALID;
}

/* What is kept comes out the same, octet by octet. */
static bool
is_plain(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < ' ' || text.p[i] > '~')
			return false;
	return true;
}

enum status
record_adopt(struct span text, const struct store_key *row, struct key_life *life, struct err *err)
{
	const char *at = text.n == 0 || row->public_key.n == 0
			     ? NULL
			     : memmem(text.p, text.n, row->public_key.p, row->public_key.n);
	struct span head, tail;

	if (compare(text, row, err) != ST_OK)
		return ST_INVALID;
	if (at == NULL || !is_plain(text)) {
		err_set(err, "has blanks in p=, or octets that are no ASCII");
		return ST_INVALID;
	}
	head = span_of(text.p, (size_t)(at - text.p));
	tail = span_from(text, head.n + row->public_key.n);
	if (head.n > LIFE_TAGS_MAX || tail.n > LIFE_TAGS_MAX) {
		err_set(err, "has more than %u octets of other tags", LIFE_TAGS_MAX);
		return ST_INVALID;
	}
	memcpy(life->head, head.p, head.n);
	life->head[head.n] = '\0';
	memcpy(life->tail, tail.p, tail.n);
	life->tail[tail.n] = '\0';
	return ST_OK;
}
