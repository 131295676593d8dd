/*
 * keystore_sql_lease.c - who alone may do something, until when: one row for each lease, taken and
 * renewed by compare-and-set with the server's clock.
 * Called by the administration's reconciler; what it then writes is fenced by apply_fenced().
 * It must never believe a clock of this machine, nor a lock that ends with a connection.
 */
#include <stdio.h>
#include <string.h>

#include "backends/keystore_sql_writer.h"

#define LEASE_VALUES 3U

struct taking {
	const struct store_lease *wanted;
	int64_t ttl_s;
	struct store_lease found;
	bool there, alive;
};

static void
copy_text(char *to, size_t bytes, struct span text)
{
	snprintf(to, bytes, "%.*s", SPAN_ARG(text));
}

/* columns: owner, fence, expires, whether that is still to come. */
static void
row_lease(void *context, const struct span *columns, size_t count)
{
	struct sql_writer *w = context;
	struct taking *taking = w->context;
	struct sql_reading reading = {.store = w->store, .err = w->err};

	if (count < 4)
		return;
	taking->there = true;
	copy_text(taking->found.owner, sizeof(taking->found.owner), columns[0]);
	taking->found.fence = (uint64_t)sql_reading_number(&reading, columns[1]);
	taking->found.expires = sql_reading_number(&reading, columns[2]);
	taking->alive = sql_reading_number(&reading, columns[3]) != 0;
}

static enum status
find(struct sql_writer *w)
{
	struct taking *taking = w->context;

	taking->found = (struct store_lease){.fence = 0};
	taking->there = taking->alive = false;
	copy_text(taking->found.name, sizeof(taking->found.name), span_str(taking->wanted->name));
	w->values[0] = sql_text(span_str(taking->wanted->name));
	return sql_writer_ask(w, Q_FIND_LEASE, 1, row_lease, NULL) == SQL_ANSWERED ? ST_OK
										   : ST_UNAVAILABLE;
}

static bool
is_mine(const struct taking *taking)
{
	return taking->there && strcmp(taking->found.owner, taking->wanted->owner) == 0;
}

/* One that met no row: another one was faster since the lease was looked at. */
static enum status
set(struct sql_writer *w, unsigned statement, size_t count)
{
	uint64_t changed = 0;

	if (sql_writer_ask(w, statement, count, NULL, &changed) == SQL_ANSWERED && changed == 1)
		return ST_OK;
	if (w->answer == SQL_ANSWERED || w->answer == SQL_TAKEN) {
		err_set(
		    w->err, "%s: another one takes the lease at the same moment", w->store->where);
		w->answer = SQL_AGAIN;
	}
	return ST_UNAVAILABLE;
}

static enum status
make_or_take(struct sql_writer *w, const struct taking *taking)
{
	struct sql_value name = sql_text(span_str(taking->wanted->name)),
			 owner = sql_text(span_str(taking->wanted->owner)),
			 ttl = sql_number(taking->ttl_s);

	if (!taking->there) {
		w->values[0] = name;
		w->values[1] = owner;
		w->values[2] = ttl;
		return set(w, Q_MAKE_LEASE, LEASE_VALUES);
	}
	w->values[0] = taking->alive ? ttl : owner;
	w->values[1] = taking->alive ? name : ttl;
	w->values[2] = taking->alive ? owner : name;
	return set(w, taking->alive ? Q_RENEW_LEASE : Q_TAKE_LEASE, LEASE_VALUES);
}

static enum status
give_back(struct sql_writer *w, const struct taking *taking)
{
	if (!is_mine(taking))
		return ST_OK;
	w->values[0] = sql_text(span_str(taking->wanted->name));
	w->values[1] = sql_text(span_str(taking->wanted->owner));
	return set(w, Q_GIVE_LEASE, 2);
}

static enum status
write_lease(struct sql_writer *w)
{
	struct taking *taking = w->context;
	enum status status = find(w);

	if (status != ST_OK)
		return status;
	/* Who waits for it asks without a lock on the row: its owner may be writing. */
	if (taking->alive && !is_mine(taking)) {
		err_set(w->err, "the lease %s is held by %s, under fence %llu", taking->found.name,
		    taking->found.owner, (unsigned long long)taking->found.fence);
		return ST_DENIED;
	}
	status = taking->ttl_s == 0 ? give_back(w, taking) : make_or_take(w, taking);
	return status == ST_OK ? find(w) : status;
}

enum status
sql_store_lease(struct keystore *store, const struct store_lease *wanted, int64_t ttl_s,
    struct store_lease *out, struct err *err)
{
	struct sql_value values[LEASE_VALUES];
	struct taking taking = {.wanted = wanted, .ttl_s = ttl_s};
	struct sql_writer w = {.store = store->state,
	    .body = write_lease,
	    .context = &taking,
	    .one_by_one = true,
	    .values = values,
	    .err = err};
	enum status status = keystore_lease_check(wanted, ttl_s, err);

	*out = (struct store_lease){.fence = 0};
	if (status != ST_OK)
		return status;
	if (w.store->source.use != SQL_WRITER) {
		err_set(err, "%s: opened for reading, where no lease can be taken", store->where);
		return ST_UNAVAILABLE;
	}
	status = sql_writer_transact(&w);
	if (status == ST_OK || status == ST_DENIED)
		*out = taking.found;
	return status;
}
