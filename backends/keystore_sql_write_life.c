/*
 * keystore_sql_write_life.c - what the life cycle of keys writes: times and notes of rows that were
 * seen, and another key in the slot of a destroyed one.
 * Called by keystore_sql_write_rows.c inside a transaction.
 * It must never write over what somebody else wrote meanwhile, nor take a slot from a key that is
 * not destroyed.
 */
#include <stdio.h>
#include <string.h>

#include "backends/keystore_sql_writer.h"
#include "lib/base/mem.h"

#define WHERE_VALUES 5U /* of wipe_key and life_key */

/* A server that makes a text shorter leaves the rest of it on its page. */
static enum status
wipe_key(struct sql_writer *w, const struct keystore_write *write)
{
	size_t n = sql_store_life_values(write, w->epoch, w->values);
	size_t octets = write->row.key.private_key.n;
	char *zeros;
	enum status status;

	w->destroys = true;
	if (octets == 0)
		return ST_OK;
	zeros = mem_alloc(octets);
	memset(zeros, '0', octets);
	memmove(&w->values[1], &w->values[n - WHERE_VALUES], WHERE_VALUES * sizeof(w->values[0]));
	w->values[0] = sql_text(span_of(zeros, octets));
	status = sql_writer_must(w, Q_WIPE_KEY, 1 + WHERE_VALUES);
	mem_free(zeros);
	return status;
}

/* What is in a slot. */
struct slot {
	bool there;
	char tenant[KEYSTORE_TENANT_MAX + 1], id[KEYSTORE_ID_MAX + 1];
	uint64_t revision, destroyed;
};

static void
row_slot(void *context, const struct span *columns, size_t count)
{
	struct slot *slot = context;

	if (count < 4)
		return;
	slot->there = true;
	snprintf(slot->tenant, sizeof(slot->tenant), "%.*s", SPAN_ARG(columns[0]));
	(void)span_number(columns[1], INT64_MAX, &slot->revision);
	snprintf(slot->id, sizeof(slot->id), "%.*s", SPAN_ARG(columns[2]));
	(void)span_number(columns[3], INT64_MAX, &slot->destroyed);
}

/* No slot was taken over. */
static enum status
explain_slot(struct sql_writer *w, const struct keystore_write *write, const char *name)
{
	const struct store_key *row = &write->row.key;
	struct slot slot = {.destroyed = 0};
	struct sql_question question = {.statement = Q_FIND_SLOT,
	    .values = w->values,
	    .count = 2,
	    .row = row_slot,
	    .context = &slot};

	w->values[0] = sql_text(row->domain);
	w->values[1] = sql_text(row->selector);
	w->answer = w->store->dialect->driver->ask(w->link->connection, &question, w->err);
	if (w->answer != SQL_ANSWERED)
		return ST_UNAVAILABLE;
	if (!slot.there) {
		err_set(w->err, "%s: there is none", name);
		return ST_ABSENT;
	}
	if (!span_eq_str(row->tenant, slot.tenant))
		err_set(w->err, "%s: it is another tenant's", name);
	else if (row->row_revision != slot.revision)
		err_set(w->err, "%s: it was changed meanwhile; its revision is %llu now", name,
		    (unsigned long long)slot.revision);
	else if (slot.destroyed == 0)
		err_set(
		    w->err, "%s: its key %s is not destroyed, and keeps the slot", name, slot.id);
	else
		err_set(w->err,
		    "%s: who takes the slot over needs another id than %s and a higher revision",
		    name, slot.id);
	return ST_DENIED;
}

static unsigned
life_statement(const struct keystore_write *write)
{
	if (write->what != STORE_KEY)
		return Q_LIFE_DOMAIN;
	return write->how == WRITE_PUT ? Q_SLOT_KEY : Q_LIFE_KEY;
}

/* Times and notes of a row that was seen, or another key in its slot. Nobody waits for those of a
 * domain. */
enum status
sql_writer_life(struct sql_writer *w, const struct keystore_write *write)
{
	unsigned statement = life_statement(write);
	uint64_t changed = 0;
	char name[512];
	size_t n;

	if (statement == Q_LIFE_KEY && write->row.key.times.destroyed > 0 &&
	    wipe_key(w, write) != ST_OK)
		return ST_UNAVAILABLE;
	n = sql_store_life_values(write, w->epoch, w->values);
	sql_store_row_name(write, name, sizeof(name));
	if (sql_writer_ask(w, statement, n, NULL, &changed) != SQL_ANSWERED)
		return sql_writer_blame(w, write, name);
	if (changed == 0)
		return statement == Q_SLOT_KEY ? explain_slot(w, write, name)
					       : sql_writer_explain(w, write, name);
	if (write->what == STORE_KEY)
		sql_writer_note(w, write);
	return ST_OK;
}
