/*
 * mirror_sql_postfixadmin.c - the tables dkim and dkim_signing of PostfixAdmin, from which opendkim
 * takes who signs with what.
 * Called through mirror_postfixadmin when a key is about to sign. A reader asks two questions: the
 * row of the new key is there before a sender refers to it, and that of the old one stays for a
 * while after. It must never change what refers to a key that is not ours, nor such a key.
 */
#include <stdio.h>
#include <string.h>

#include "admin-api/mirror_sql.h"

#define ROWS_MAX 200U
#define SHOWN_MAX 64U

enum {
	S_KEYS,
	S_SIGNERS,
	S_ADD_KEY,
	S_ADD_SIGNER,
	S_MOVE_SIGNERS,
	S_LEAVE_KEY,
	S_DROP_SIGNERS,
	S_DROP_KEY,
	S_COUNT
};

/* A row to which nothing refers is removed when it is so for a minute: somebody may have read its
 * id, and not yet the row. */
static const char *const statements[S_COUNT] = {
    [S_KEYS] = "SELECT k.id, k.selector, k.private_key, (SELECT COUNT(*) FROM `{}dkim_signing` s "
	       "WHERE s.dkim_id = k.id), k.modified > CURRENT_TIMESTAMP - INTERVAL 60 SECOND "
	       "FROM `{}dkim` k WHERE k.domain_name = ? ORDER BY k.id FOR UPDATE",
    [S_SIGNERS] = "SELECT s.dkim_id, k.domain_name, k.selector FROM `{}dkim_signing` s LEFT JOIN "
		  "`{}dkim` k ON k.id = s.dkim_id WHERE s.author = ? FOR UPDATE",
    [S_ADD_KEY] = "INSERT INTO `{}dkim` (domain_name, description, selector, private_key, "
		  "public_key, created, modified) VALUES (?, 'Signpost', ?, ?, ?, "
		  "CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)",
    [S_ADD_SIGNER] = "INSERT INTO `{}dkim_signing` (author, dkim_id, created, modified) VALUES "
		     "(?, ?, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)",
    [S_MOVE_SIGNERS] = "UPDATE `{}dkim_signing` SET dkim_id = ?, modified = CURRENT_TIMESTAMP "
		       "WHERE dkim_id = ?",
    [S_LEAVE_KEY] = "UPDATE `{}dkim` SET modified = CURRENT_TIMESTAMP WHERE id = ?",
    [S_DROP_SIGNERS] = "DELETE FROM `{}dkim_signing` WHERE dkim_id = ?",
    [S_DROP_KEY] = "DELETE FROM `{}dkim` WHERE id = ?",
};

/* A row of dkim. */
struct row {
	int64_t id;
	bool ours, wanted, used, young;
};

struct there {
	const struct mirror_change *change;
	struct row rows[ROWS_MAX];
	size_t count;
	bool too_many, unfit;
	bool taken;     /* the selector that is wanted has another key */
	size_t signers; /* whose author is the domain itself */
	bool elsewhere; /* one of them refers to a key that is not ours: */
	char selector[SHOWN_MAX], owner[256];
};

/* ---- what is there ---- */

static bool
read_id(struct span text, int64_t *out)
{
	uint64_t number;
	bool good = span_number(text, INT64_MAX, &number);

	*out = good ? (int64_t)number : 0;
	return good;
}

static void
take_key(void *context, const struct span *columns, size_t count)
{
	struct there *there = context;
	struct row *row = &there->rows[there->count];
	struct span selector, pem;

	if (there->count == ROWS_MAX || count != 5) {
		there->too_many = true;
		return;
	}
	there->count++;
	selector = columns[1];
	pem = columns[2].n > SQL_VALUE_MAX ? SPAN_EMPTY : columns[2];
	there->unfit = !read_id(columns[0], &row->id) || there->unfit;
	row->ours = mirror_is_ours(there->change, selector, pem);
	row->wanted = mirror_is_wanted(there->change, selector, pem);
	row->used = !span_eq_str(columns[3], "0");
	row->young = span_eq_str(columns[4], "1");
	if (span_ieq(selector, there->change->selector) && !row->ours && !row->wanted)
		there->taken = true;
}

static void
take_signer(void *context, const struct span *columns, size_t count)
{
	struct there *there = context;
	bool ours = false;
	int64_t id;

	if (count != 3 || !read_id(columns[0], &id)) {
		there->unfit = true;
		return;
	}
	there->signers++;
	for (size_t i = 0; i < there->count; i++)
		if (there->rows[i].id == id)
			ours = there->rows[i].ours || there->rows[i].wanted;
	if (ours || there->elsewhere)
		return;
	there->elsewhere = true;
	mirror_sql_show(columns[1], there->owner, sizeof(there->owner));
	mirror_sql_show(columns[2], there->selector, sizeof(there->selector));
}

static bool
look(struct mirror_session *session, struct mirror_change *change, struct there *there)
{
	struct mirror_question keys = {.statement = S_KEYS,
	    .values = {MIRROR_SQL_TEXT(change->domain)},
	    .count = 1,
	    .row = take_key,
	    .context = there};
	struct mirror_question signers = keys;

	signers.statement = S_SIGNERS;
	signers.row = take_signer;
	*there = (struct there){.change = change};
	if (!mirror_sql_ask(session, change, &keys) || !mirror_sql_ask(session, change, &signers))
		return false;
	if (!there->too_many && !there->unfit)
		return true;
	mirror_effect(change, LIFE_REFUSED,
	    there->unfit ? "an id of the tables of PostfixAdmin is no number"
			 : "PostfixAdmin has more than 200 keys of %.*s",
	    SPAN_ARG(change->domain));
	return false;
}

static struct row *
find_wanted(struct there *there)
{
	for (size_t i = 0; i < there->count; i++)
		if (there->rows[i].wanted)
			return &there->rows[i];
	return NULL;
}

/* ---- what is written ---- */

static bool
say(struct mirror_session *session, struct mirror_change *change, unsigned statement, int64_t first,
    int64_t second)
{
	struct mirror_question question = {.statement = statement,
	    .values = {MIRROR_SQL_NUMBER(first), MIRROR_SQL_NUMBER(second)},
	    .count = statement == S_MOVE_SIGNERS ? 2 : 1};

	return mirror_sql_ask(session, change, &question);
}

static bool
add_key(struct mirror_session *session, struct mirror_change *change)
{
	struct mirror_question question = {.statement = S_ADD_KEY, .count = 4};
	struct buf pem;
	bool good;

	buf_init(&pem, MIRROR_SQL_PUBLIC_MAX);
	good = mirror_sql_public_pem(change->public_key, &pem) == ST_OK;
	question.values[0] = MIRROR_SQL_TEXT(change->domain);
	question.values[1] = MIRROR_SQL_TEXT(change->selector);
	question.values[2] = MIRROR_SQL_TEXT(change->pem);
	question.values[3] = MIRROR_SQL_TEXT(buf_span(&pem));
	if (!good)
		mirror_effect(change, LIFE_REFUSED, "the public key is too long");
	else
		good = mirror_sql_ask(session, change, &question);
	buf_free(&pem);
	return good;
}

static bool
add_signer(struct mirror_session *session, struct mirror_change *change, int64_t id)
{
	struct mirror_question question = {.statement = S_ADD_SIGNER,
	    .values = {MIRROR_SQL_TEXT(change->domain), MIRROR_SQL_NUMBER(id)},
	    .count = 2};

	return mirror_sql_ask(session, change, &question);
}

/* Whoever signed with another key of ours signs with this one: the domain, and mailboxes that the
 * panel has a row for. */
static bool
use_key(struct mirror_session *session, struct mirror_change *change, struct there *there,
    const struct row *wanted)
{
	bool good = true;

	for (size_t i = 0; good && i < there->count; i++) {
		const struct row *row = &there->rows[i];

		if (row == wanted || !row->ours)
			continue;
		if (row->used)
			good = say(session, change, S_MOVE_SIGNERS, wanted->id, row->id) &&
			       say(session, change, S_LEAVE_KEY, row->id, 0);
		else if (!row->young)
			good = say(session, change, S_DROP_KEY, row->id, 0);
	}
	if (good && there->signers == 0)
		good = add_signer(session, change, wanted->id);
	return good;
}

static bool
is_foreign(struct mirror_change *change, const struct there *there)
{
	if (there->elsewhere)
		mirror_effect(change, LIFE_CONFLICT,
		    "PostfixAdmin signs for %.*s with a key (selector %.63s of %.80s) that "
		    "Signpost "
		    "neither made nor imported; it was not touched: import it, or remove it there",
		    SPAN_ARG(change->domain), there->selector, there->owner);
	else if (there->taken)
		mirror_effect(change, LIFE_CONFLICT,
		    "PostfixAdmin has another key of %.*s with the selector %.*s that Signpost "
		    "neither made nor imported; it was not touched: remove it there",
		    SPAN_ARG(change->domain), SPAN_ARG(change->selector));
	return there->elsewhere || there->taken;
}

static void
put(struct mirror_session *session, struct mirror_change *change, struct there *there)
{
	if (is_foreign(change, there))
		return;
	if (find_wanted(there) == NULL &&
	    (!add_key(session, change) || !look(session, change, there)))
		return;
	if (find_wanted(there) == NULL)
		mirror_effect(change, LIFE_REFUSED,
		    "PostfixAdmin gives another key back than it was given: check the column "
		    "private_key of dkim, and triggers on it");
	else if (use_key(session, change, there, find_wanted(there)))
		mirror_effect(change, LIFE_DONE, NULL);
}

/* Who refers to it goes with it: no such row can be without a key. */
static void
take_out(struct mirror_session *session, struct mirror_change *change, const struct there *there)
{
	for (size_t i = 0; i < there->count; i++)
		if (there->rows[i].ours &&
		    (!say(session, change, S_DROP_SIGNERS, there->rows[i].id, 0) ||
			!say(session, change, S_DROP_KEY, there->rows[i].id, 0)))
			return;
	mirror_effect(change, LIFE_DONE, NULL);
}

static void
change_tables(struct mirror_session *session, struct mirror_change *change)
{
	struct there there;

	if (!look(session, change, &there))
		return;
	if (change->pem.n > 0)
		put(session, change, &there);
	else
		take_out(session, change, &there);
}

static const struct mirror_panel panel = {
    .kind = "postfixadmin", .statements = statements, .count = S_COUNT, .change = change_tables};

static enum status
open_line(struct mirror *mirror, struct span value, struct err *err)
{
	return mirror_sql_open(mirror, &panel, value, err);
}

const struct mirror_ops mirror_postfixadmin = {.kind = "postfixadmin",
    .open = open_line,
    .close = mirror_sql_close,
    .apply = mirror_sql_apply};
