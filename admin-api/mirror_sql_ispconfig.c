/*
 * mirror_sql_ispconfig.c - the DKIM columns of ISPConfig's table mail_domain.
 * Called through mirror_ispconfig when a key is about to sign. Selector and keys change in one
 * statement that names the key that was there. It must never overwrite a key that is not ours, and
 * touches no other table: who reads key files that ISPConfig writes does not follow.
 */
#include <stdio.h>
#include <string.h>

#include "admin-api/mirror_sql.h"

#define HASH_BYTES 64U
#define SHOWN_MAX 64U

enum { S_LOOK, S_SET, S_CLEAR, S_COUNT };

/* What was there is compared by its hash, so that no second copy of a key is held. */
static const char *const statements[S_COUNT] = {
    [S_LOOK] = "SELECT domain_id, dkim, dkim_selector, dkim_private, dkim_public, "
	       "SHA2(COALESCE(dkim_private, ''), 256) FROM `{}mail_domain` WHERE domain = ? "
	       "FOR UPDATE",
    [S_SET] = "UPDATE `{}mail_domain` SET dkim = 'y', dkim_selector = ?, dkim_private = ?, "
	      "dkim_public = ? WHERE domain_id = ? AND SHA2(COALESCE(dkim_private, ''), 256) = ?",
    [S_CLEAR] = "UPDATE `{}mail_domain` SET dkim = 'n', dkim_selector = 'default', "
		"dkim_private = '', dkim_public = '' WHERE domain_id = ? AND "
		"SHA2(COALESCE(dkim_private, ''), 256) = ?",
};

struct there {
	const struct mirror_change *change;
	size_t rows;
	int64_t id;
	bool unfit, none, ours, wanted, right; /* right: all columns are as wanted */
	char hash[HASH_BYTES], selector[SHOWN_MAX];
};

static void
take_row(void *context, const struct span *columns, size_t count)
{
	struct there *there = context;
	bool long_key = count == 6 && columns[3].n > SQL_VALUE_MAX;
	struct span pem = count != 6 || long_key ? SPAN_EMPTY : columns[3];
	uint64_t id;

	if (++there->rows > 1)
		return;
	if (count != 6 || !span_number(columns[0], INT64_MAX, &id) || columns[5].n != HASH_BYTES) {
		there->unfit = true;
		return;
	}
	there->id = (int64_t)id;
	there->none = span_trim(pem).n == 0 && !long_key;
	there->ours = mirror_is_ours(there->change, columns[2], pem);
	there->wanted = mirror_is_wanted(there->change, columns[2], pem);
	there->right = there->wanted && span_ieq_str(columns[1], "y") &&
		       columns[4].n <= SQL_VALUE_MAX &&
		       mirror_sql_is_public_pem(columns[4], there->change->public_key);
	memcpy(there->hash, columns[5].p, HASH_BYTES);
	mirror_sql_show(columns[2], there->selector, sizeof(there->selector));
}

/* Seen what is there. true: it is to be written. */
static bool
compare(struct mirror_change *change, const struct there *there)
{
	bool put = change->pem.n > 0;

	if (!put && there->rows == 0) {
		mirror_effect(change, LIFE_DONE, NULL);
		return false;
	}
	if (there->rows != 1 || there->unfit) {
		mirror_effect(change, LIFE_REFUSED, "ISPConfig has %s of %.*s in mail_domain",
		    there->rows == 0  ? "no row"
		    : there->rows > 1 ? "more than one row"
				      : "an unfit row",
		    SPAN_ARG(change->domain));
		return false;
	}
	if (put ? there->right : there->none) {
		mirror_effect(change, LIFE_DONE, NULL);
		return false;
	}
	if (there->none || there->ours || there->wanted)
		return true;
	mirror_effect(change, LIFE_CONFLICT,
	    "ISPConfig has another key for %.*s (selector %.63s) that Signpost neither made nor "
	    "imported; it was not touched: import it, or remove it there",
	    SPAN_ARG(change->domain), there->selector);
	return false;
}

static void
write_row(struct mirror_session *session, struct mirror_change *change, const struct there *there)
{
	struct mirror_question question = {.statement = S_SET, .count = 5};
	struct sql_value id = MIRROR_SQL_NUMBER(there->id);
	struct sql_value hash = MIRROR_SQL_TEXT(span_of(there->hash, HASH_BYTES));
	uint64_t changed = 0;
	struct buf pem;
	bool good;

	question.changed_out = &changed;
	buf_init(&pem, MIRROR_SQL_PUBLIC_MAX);
	good = mirror_sql_public_pem(change->public_key, &pem) == ST_OK;
	if (change->pem.n > 0) {
		question.values[0] = MIRROR_SQL_TEXT(change->selector);
		question.values[1] = MIRROR_SQL_TEXT(change->pem);
		question.values[2] = MIRROR_SQL_TEXT(buf_span(&pem));
		question.values[3] = id;
		question.values[4] = hash;
	} else {
		question.statement = S_CLEAR;
		question.values[0] = id;
		question.values[1] = hash;
		question.count = 2;
	}
	if (!good)
		mirror_effect(change, LIFE_REFUSED, "the public key is too long");
	else if (mirror_sql_ask(session, change, &question))
		mirror_effect(change, changed == 1 ? LIFE_DONE : LIFE_UNAVAILABLE, "%s",
		    changed == 1 ? "" : "somebody else changed the row of mail_domain meanwhile");
	buf_free(&pem);
}

static void
change_columns(struct mirror_session *session, struct mirror_change *change)
{
	struct there there = {.change = change};
	struct mirror_question question = {.statement = S_LOOK,
	    .values = {MIRROR_SQL_TEXT(change->domain)},
	    .count = 1,
	    .row = take_row,
	    .context = &there};

	if (mirror_sql_ask(session, change, &question) && compare(change, &there))
		write_row(session, change, &there);
}

static const struct mirror_panel panel = {
    .kind = "ispconfig", .statements = statements, .count = S_COUNT, .change = change_columns};

static enum status
open_line(struct mirror *mirror, struct span value, struct err *err)
{
	return mirror_sql_open(mirror, &panel, value, err);
}

const struct mirror_ops mirror_ispconfig = {
    .kind = "ispconfig", .open = open_line, .close = mirror_sql_close, .apply = mirror_sql_apply};
