/*
 * keystore_ldap_changes.c - the entry cn=store: its epoch, what was changed since another one, and
 * the server's clock.
 * Called by the thread that keeps caches up to date, and by the life cycle of keys.
 * It must never call something unchanged that a writer has begun to change.
 *
 * A writer says in signpostPending what it is going to change, changes the entries, and then, in
 * one modification, raises signpostEpoch, adds to signpostChange and takes its words back. So what
 * is between is told as changed at every question, and again for LDAPSTORE_SETTLE_MS after the
 * epoch was first seen: a replica that catches up may show cn=store before the other entries.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/keystore_ldap_private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define CHANGES_READ_MAX 4096U

struct asking {
	struct ldapstore *store;
	bool all; /* also the list */
	/* The answer. */
	bool has_store;
	uint64_t epoch, from;
	char identity[KEYSTORE_IDENTITY_BYTES];
	struct store_change *changes;
	size_t change_count;
	struct store_change *pending; /* their epoch is that of the store */
	size_t pending_count;
	int64_t modified;
};

static void
forget(struct asking *a)
{
	mem_free(a->changes);
	mem_free(a->pending);
	a->changes = a->pending = NULL;
	a->change_count = a->pending_count = 0;
	a->has_store = false;
}

static enum status
bad_value(const struct ldapentry *entry, const char *attribute, struct err *err)
{
	err_set(err, "%.*s: a value of %s cannot be read",
	    entry->dn.n > 200 ? 200 : (int)entry->dn.n, entry->dn.n == 0 ? "" : entry->dn.p,
	    attribute);
	return ST_INVALID;
}

static enum status
take_pending(struct asking *a, const struct ldapentry *entry, struct err *err)
{
	const struct ldapentry_values *values = &entry->values[LDAPSTORE_PENDING];

	a->pending = mem_zalloc(values->count + 1, sizeof(a->pending[0]));
	for (size_t i = 0; i < values->count; i++) {
		struct store_change *change = &a->pending[a->pending_count++];
		struct span subject;
		int64_t when;

		if (ldapstore_pending(values->items[i], &when, &subject) != ST_OK)
			return bad_value(entry, "signpostPending", err);
		change->epoch = a->epoch;
		memcpy(change->subject, subject.p, subject.n);
	}
	return ST_OK;
}

static int
oldest_first(const void *left, const void *right)
{
	const struct store_change *a = left, *b = right;

	if (a->epoch != b->epoch)
		return a->epoch < b->epoch ? -1 : 1;
	return strcmp(a->subject, b->subject);
}

static enum status
take_list(struct asking *a, const struct ldapentry *entry, struct err *err)
{
	const struct ldapentry_values *values = &entry->values[LDAPSTORE_CHANGE],
				      *from = &entry->values[LDAPSTORE_CHANGES_FROM];
	int64_t number = 0;

	if (from->count > 1 || (from->count == 1 && ldapstore_read_number(from->items[0], 0,
							INT64_MAX - 1, &number) != ST_OK))
		return bad_value(entry, "signpostChangesFrom", err);
	/* Without it nobody knows how far back the list goes: to nothing. */
	a->from = from->count == 0 ? a->epoch : (uint64_t)number;
	if (values->count > CHANGES_READ_MAX)
		return bad_value(entry, "signpostChange", err);
	a->changes = mem_zalloc(values->count + 1, sizeof(a->changes[0]));
	for (size_t i = 0; i < values->count; i++)
		if (ldapstore_change(values->items[i], &a->changes[a->change_count++]) != ST_OK)
			return bad_value(entry, "signpostChange", err);
	qsort(a->changes, a->change_count, sizeof(a->changes[0]), oldest_first);
	return ST_OK;
}

static enum status
take_store(void *context, const struct ldapentry *entry, struct err *err)
{
	struct asking *a = context;
	enum status status;

	if (ldapstore_kind(entry) != LDAPSTORE_STORE)
		return ST_OK;
	a->has_store = true;
	status = ldapstore_epoch(entry, &a->epoch, err);
	ldapstore_store_identity(entry, a->identity);
	if (status == ST_OK)
		status = take_pending(a, entry, err);
	if (status == ST_OK && a->all)
		status = take_list(a, entry, err);
	if (status == ST_OK && entry->values[LDAPSTORE_MODIFIED].count == 1 &&
	    ldapstore_read_time(entry->values[LDAPSTORE_MODIFIED].items[0], &a->modified) != ST_OK)
		status = bad_value(entry, "modifyTimestamp", err);
	return status;
}

static enum status
read_store(struct asking *a, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct ldapstore_stage stage = {.visit = take_store, .context = a};
	struct buf name;
	enum status status;

	forget(a);
	buf_init(&name, LDAPSTORE_TEXT_MAX);
	ldapstore_dn_store(&name, a->store->base);
	stage.search = (struct ldaplink_search){.base = buf_text(&name),
	    .filter = "(objectClass=signpostStore)",
	    .scope = LDAPURL_BASE,
	    .attributes = a->all ? ldapstore_attributes : ldapstore_row_attributes,
	    .entries_max = 1,
	    .base_varies = true};
	status = ldapstore_ask(a->store, link, &stage, 1, deadline_ms, end, err);
	buf_free(&name);
	return status == ST_OK && !a->has_store ? ldapstore_no_store(a->store, err) : status;
}

static enum status
do_read(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	return read_store(context, link, deadline_ms, end, err);
}

/* From which epoch on changes are told, as some have not come to rest. */
static uint64_t
told_from(const struct asking *a, uint64_t since, int64_t now_ms)
{
	struct ldapstore *own = a->store;
	uint64_t epoch = a->epoch, from;

	pthread_mutex_lock(&own->lock);
	if (!own->asked_changes || epoch < own->settled ||
	    strcmp(own->identity, a->identity) != 0) {
		own->settled = since < epoch ? since : epoch;
		own->seen = epoch;
		own->seen_ms = now_ms;
		own->asked_changes = true;
		memcpy(own->identity, a->identity, sizeof(own->identity));
	}
	if (now_ms - own->seen_ms >= LDAPSTORE_SETTLE_MS)
		own->settled = own->seen;
	if (epoch != own->seen) {
		own->seen = epoch;
		own->seen_ms = now_ms;
	}
	from = since < own->settled ? since : own->settled;
	pthread_mutex_unlock(&own->lock);
	return from;
}

/* Those after from, then what is under way. */
static enum status
tell(const struct asking *a, uint64_t from, size_t max, struct store_change *out, size_t *count_out,
    struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < a->change_count + a->pending_count; i++) {
		const struct store_change *change =
		    i < a->change_count ? &a->changes[i] : &a->pending[i - a->change_count];

		if (i < a->change_count && change->epoch <= from)
			continue;
		if (n == max) {
			err_set(err, "more than %zu changes", max);
			*count_out = n;
			return ST_TOO_BIG;
		}
		out[n++] = *change;
	}
	*count_out = n;
	return ST_OK;
}

static enum status
ask_changes(struct asking *a, uint64_t since, size_t max, struct store_change *out,
    size_t *count_out, struct err *err)
{
	struct ldappool *pool = &a->store->pool;
	enum status status = ldappool_run(pool, do_read, a, err);
	uint64_t from = 0;

	if (status == ST_OK)
		from = told_from(a, since, clock_mono_ms());
	if (status == ST_OK && a->epoch > from) {
		a->all = true;
		status = ldappool_run(pool, do_read, a, err);
	}
	if (status != ST_OK)
		return status;
	if (a->epoch < since || (a->all && since < a->from)) {
		err_set(err, "the list of changes does not go from %llu to %llu",
		    (unsigned long long)since, (unsigned long long)a->epoch);
		return ST_TOO_BIG;
	}
	return tell(a, from, max, out, count_out, err);
}

enum status
ldapstore_changes(struct keystore *store, uint64_t since, size_t max, struct store_change *out,
    size_t *count_out, struct store_state *state_out, struct err *err)
{
	struct asking a = {.store = store->state};
	enum status status = ask_changes(&a, since, max, out, count_out, err);

	if (status == ST_OK || status == ST_TOO_BIG) {
		state_out->epoch = a.epoch;
		memcpy(state_out->identity, a.identity, sizeof(state_out->identity));
	}
	if (status != ST_OK)
		err_prefix(err, "%s", store->where);
	forget(&a);
	return status;
}

/* ---- the clock ---- */

enum status
ldapstore_touch(struct ldapstore *store, struct ldaplink *link, int64_t deadline_ms,
    struct ldaplink_end *end, struct err *err)
{
	char text[16];
	struct span value;
	struct ldaplink_change change = {LDAPLINK_REPLACE, "signpostTouched", &value, 1};
	struct buf name;
	enum status status;

	ldapstore_write_time(clock_utc_s(), text);
	value = span_str(text);
	buf_init(&name, LDAPSTORE_TEXT_MAX);
	ldapstore_dn_store(&name, store->base);
	status = ldaplink_change(
	    link, LDAPLINK_MODIFY_ENTRY, buf_text(&name), &change, 1, deadline_ms, end, err);
	buf_free(&name);
	return status == ST_OK ? ST_OK : ST_UNAVAILABLE;
}

static enum status
do_now(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct asking *a = context;
	enum status status = ldapstore_touch(a->store, link, deadline_ms, end, err);

	a->modified = 0;
	/* A gateway, that writes nothing but what it says of itself. */
	if (status != ST_OK && end->forbidden) {
		a->modified = clock_utc_s();
		return ST_OK;
	}
	if (status == ST_OK)
		status = read_store(a, link, deadline_ms, end, err);
	if (status == ST_OK && a->modified == 0) {
		err_set(err, "%s does not show modifyTimestamp", link->uri);
		status = ST_UNAVAILABLE;
	}
	return status;
}

/* A directory has no clock that can be asked for; an entry that was just changed has its time. Who
 * only reads, or may not change that entry, takes his own. */
enum status
ldapstore_now(struct keystore *store, int64_t *utc_s_out, struct err *err)
{
	struct asking a = {.store = store->state};
	enum status status = ST_OK;

	if (a.store->write)
		status = ldappool_run(&a.store->pool, do_now, &a, err);
	if (a.store->write && status == ST_OK)
		ldapstore_set_clock(a.store, a.modified);
	*utc_s_out = a.store->write ? a.modified : clock_utc_s();
	if (status != ST_OK)
		err_prefix(err, "%s", store->where);
	forget(&a);
	return status;
}
