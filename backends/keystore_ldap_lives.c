/*
 * keystore_ldap_lives.c - what the life cycle of keys asks a directory: which domains are due, and
 * all that is to be known of some of them.
 * Called through keystore_ops.due and .lives by the administration.
 * It must never leave out a key of a domain that it answers: who decides with a part of them
 * decides wrongly.
 */
#include <stdlib.h>

#include "backends/keystore_ldap_private.h"
#include "lib/base/mem.h"

#define DOMAINS_AT_ONCE 50U /* of one search */
#define DUE_LOOK_MAX 10000U /* among so many those are found that wait longest */

/* ---- is there room for it? ---- */

struct room {
	bool store, known;
};

static enum status
take_store(void *context, const struct ldapentry *entry, struct err *err)
{
	struct room *room = context;

	(void)err;
	room->store = ldapstore_kind(entry) == LDAPSTORE_STORE;
	return ST_OK;
}

static enum status
take_known(void *context, const struct ldapentry *entry, struct err *err)
{
	struct room *room = context;

	(void)entry;
	(void)err;
	room->known = true;
	return ST_OK;
}

static enum status
no_life(const struct ldapstore *store, struct err *err)
{
	err_set(err,
	    "the schema of \"%.200s\" has no room for the life cycle of keys, or LDAPBindUser may "
	    "not "
	    "see it: load ldif/lifecycle.ldif into the server (with slapd.conf: signpost.schema), "
	    "then run signpost store init",
	    store->base);
	return ST_UNAVAILABLE;
}

/* What is said of an attribute that a server does not know is neither true nor false, and so is the
 * contrary (RFC 4511 section 4.5.1.7); cn=store never has that attribute. */
enum status
ldapstore_need_life(struct ldapstore *store, struct ldaplink *link, int64_t deadline_ms,
    struct ldaplink_end *end, struct err *err)
{
	struct ldapstore_stage stages[2];
	struct room room = {false, false};
	struct buf name;
	enum status status;

	if (atomic_load(&store->has_life))
		return ST_OK;
	buf_init(&name, LDAPSTORE_TEXT_MAX);
	ldapstore_dn_store(&name, store->base);
	stages[0] = (struct ldapstore_stage){
	    .search = {buf_text(&name), "(objectClass=signpostStore)", LDAPURL_BASE,
		ldapstore_signing_attributes, 1, true, false, 0},
	    .visit = take_store,
	    .context = &room};
	stages[1] = stages[0];
	stages[1].search.filter = "(!(signpostDueAt=*))";
	stages[1].visit = take_known;
	status = ldapstore_ask(store, link, stages, 2, deadline_ms, end, err);
	buf_free(&name);
	if (status != ST_OK)
		return status;
	if (!room.store)
		return ldapstore_no_store(store, err);
	if (!room.known)
		return no_life(store, err);
	atomic_store(&store->has_life, true);
	return ST_OK;
}

/* ---- which are due ---- */

struct due {
	struct ldapstore *store;
	int64_t now_utc;
	size_t max;
	struct keystore_rows *rows;
	bool has_store, more;
	size_t entries;
	int64_t *times; /* room for DUE_LOOK_MAX */
	size_t time_count;
};

/* The epoch is told if it came before all rows. */
static enum status
take_epoch(
    const struct ldapentry *entry, bool first, bool *has_out, uint64_t *epoch_out, struct err *err)
{
	uint64_t epoch;
	enum status status = ldapstore_epoch(entry, &epoch, err);

	*has_out = true;
	*epoch_out = first ? epoch : 0;
	return status;
}

static enum status
take_due(void *context, const struct ldapentry *entry, struct err *err)
{
	struct due *due = context;
	struct store_domain row;
	enum status status;

	due->entries++;
	if (ldapstore_kind(entry) == LDAPSTORE_STORE)
		return take_epoch(
		    entry, due->entries == 1, &due->has_store, &due->rows->epoch, err);
	if (ldapstore_kind(entry) != LDAPSTORE_DOMAIN)
		return ST_OK;
	status = ldapstore_domain(entry, &row, err);
	if (status == ST_OK && row.due > 0 && row.due <= due->now_utc)
		keystore_rows_add_domain(due->rows, &row);
	return status;
}

static enum status
take_time(void *context, const struct ldapentry *entry, struct err *err)
{
	struct due *due = context;

	(void)err;
	if (entry->values[0].count == 1 && due->time_count < DUE_LOOK_MAX &&
	    ldapstore_read_time(entry->values[0].items[0], &due->times[due->time_count]) == ST_OK)
		due->time_count++;
	return ST_OK;
}

/* only_times: of as many as may be looked at. */
static enum status
search_due(struct due *due, struct ldaplink *link, bool only_times, int64_t deadline_ms,
    struct ldaplink_end *end, struct err *err)
{
	static const char *const time_only[] = {"signpostDueAt", NULL};
	struct ldapstore_stage stage = {
	    .visit = only_times ? take_time : take_due, .context = due, .any_number = true};
	struct buf filter;
	enum status status;

	due->has_store = only_times;
	due->entries = due->time_count = 0;
	keystore_rows_release(due->rows);
	due->rows = keystore_rows_new();
	buf_init(&filter, LDAPSTORE_TEXT_MAX);
	ldapstore_filter_due(&filter, due->now_utc);
	stage.search = (struct ldaplink_search){.base = due->store->base,
	    .filter = buf_text(&filter),
	    .scope = LDAPURL_SUB,
	    .attributes = only_times ? time_only : ldapstore_row_attributes,
	    .entries_max = only_times ? DUE_LOOK_MAX : due->max + 1};
	status = ldapstore_ask(due->store, link, &stage, 1, deadline_ms, end, err);
	due->more = end->limited;
	buf_free(&filter);
	return status == ST_OK && !due->has_store && !due->more
		   ? ldapstore_no_store(due->store, err)
		   : status;
}

static int
by_time(const void *left, const void *right)
{
	const int64_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static enum status
do_due(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct due *due = context;
	int64_t now_utc = due->now_utc;
	enum status status = ldapstore_need_life(due->store, link, deadline_ms, end, err);

	if (status == ST_OK)
		status = search_due(due, link, false, deadline_ms, end, err);
	if (status != ST_OK || !due->more)
		return status;
	/* A server that has more of them gives any. */
	status = search_due(due, link, true, deadline_ms, end, err);
	if (status == ST_OK && due->time_count > due->max) {
		qsort(due->times, due->time_count, sizeof(due->times[0]), by_time);
		due->now_utc = due->times[due->max - 1];
	}
	if (status == ST_OK)
		status = search_due(due, link, false, deadline_ms, end, err);
	due->now_utc = now_utc;
	return status;
}

static int
longest_first(const void *left, const void *right)
{
	const struct store_domain *a = left, *b = right;
	size_t n = a->name.n < b->name.n ? a->name.n : b->name.n;
	int order = n == 0 ? 0 : memcmp(a->name.p, b->name.p, n);

	if (a->due != b->due)
		return a->due < b->due ? -1 : 1;
	return order != 0 ? order : (a->name.n > b->name.n) - (a->name.n < b->name.n);
}

enum status
ldapstore_due(struct keystore *store, int64_t now_utc, size_t max, struct keystore_rows **out,
    struct err *err)
{
	struct due due = {.store = store->state, .now_utc = now_utc, .max = max};
	enum status status = ST_OK;

	*out = NULL;
	if (due.max > DUE_LOOK_MAX - 1)
		due.max = DUE_LOOK_MAX - 1;
	due.times = mem_zalloc(DUE_LOOK_MAX, sizeof(due.times[0]));
	if (due.now_utc > LDAPSTORE_DUE_MAX)
		due.now_utc = LDAPSTORE_DUE_MAX;
	if (max > 0 && now_utc > 0)
		status = ldappool_run(&due.store->pool, do_due, &due, err);
	mem_free(due.times);
	if (status != ST_OK) {
		keystore_rows_release(due.rows);
		err_prefix(err, "%s", store->where);
		return status;
	}
	*out = due.rows != NULL ? due.rows : keystore_rows_new();
	if ((*out)->domain_count > 1)
		qsort((*out)->domains, (*out)->domain_count, sizeof((*out)->domains[0]),
		    longest_first);
	/* One entry more may come, when that of the store is not among them. */
	if ((*out)->domain_count > max)
		(*out)->domain_count = max;
	return ST_OK;
}

/* ---- all of some domains ---- */

struct lives {
	struct ldapstore *store;
	const struct span *names;
	size_t count;
	struct keystore_rows *rows, *found;
	bool has_store;
	size_t entries;
	size_t keys[DOMAINS_AT_ONCE]; /* of each of names */
};

static size_t
place_of(const struct lives *lives, struct span name)
{
	size_t i = 0;

	while (i < lives->count && !span_eq(name, lives->names[i]))
		i++;
	return i;
}

static enum status
take_key(struct lives *lives, const struct ldapentry *entry, struct err *err)
{
	struct store_key row;
	enum status status = ldapstore_key(entry, &row, err);
	size_t at;

	if (status != ST_OK || row.times.destroyed > 0)
		return status;
	at = place_of(lives, row.domain);
	if (at == lives->count)
		return ST_OK;
	if (++lives->keys[at] > KEYSTORE_KEYS_MAX) {
		err_set(err, "%.*s has more than %u keys that are not destroyed",
		    SPAN_ARG(row.domain), KEYSTORE_KEYS_MAX);
		return ST_TOO_BIG;
	}
	return keystore_rows_add_key(lives->rows, &row, err);
}

static enum status
take_life(void *context, const struct ldapentry *entry, struct err *err)
{
	struct lives *lives = context;
	struct store_domain row;
	enum status status;

	lives->entries++;
	if (ldapstore_kind(entry) == LDAPSTORE_STORE)
		return take_epoch(
		    entry, lives->entries == 1, &lives->has_store, &lives->rows->epoch, err);
	if (ldapstore_kind(entry) == LDAPSTORE_KEY)
		return take_key(lives, entry, err);
	if (ldapstore_kind(entry) != LDAPSTORE_DOMAIN)
		return ST_OK;
	status = ldapstore_domain(entry, &row, err);
	if (status == ST_OK && place_of(lives, row.name) < lives->count)
		keystore_rows_add_domain(lives->found, &row);
	return status;
}

static enum status
do_lives(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct lives *lives = context;
	struct ldapstore_stage stage = {.visit = take_life, .context = lives};
	struct ldapstore_policies policies = {NULL};
	struct buf filter;
	enum status status = ldapstore_need_life(lives->store, link, deadline_ms, end, err);

	if (status != ST_OK)
		return status;
	keystore_rows_release(lives->rows);
	keystore_rows_release(lives->found);
	lives->rows = keystore_rows_new();
	lives->found = keystore_rows_new();
	lives->has_store = false;
	lives->entries = 0;
	memset(lives->keys, 0, sizeof(lives->keys));
	buf_init(&filter, LDAPSTORE_TEXT_MAX);
	ldapstore_filter_lives(&filter, lives->names, lives->count);
	stage.search = (struct ldaplink_search){.base = lives->store->base,
	    .filter = buf_text(&filter),
	    .scope = LDAPURL_SUB,
	    .attributes = ldapstore_row_attributes,
	    .entries_max = lives->count * (1 + KEYSTORE_KEYS_MAX) + 2 + LDAPSTORE_STRANGERS_MAX,
	    .secret = true};
	status = ldapstore_ask(lives->store, link, &stage, 1, deadline_ms, end, err);
	if (status == ST_OK && !lives->has_store)
		status = ldapstore_no_store(lives->store, err);
	if (status == ST_OK && lives->found->domain_count > 0)
		status = ldapstore_ask_owners(lives->store, link, lives->found, lives->rows,
		    SPAN_EMPTY, &policies, deadline_ms, end, err);
	if (status == ST_OK)
		ldapstore_add_domains(lives->found, &policies, lives->rows);
	for (size_t i = 0;
	     status == ST_OK && policies.rows != NULL && i < policies.rows->policy_count; i++)
		keystore_rows_add_policy(lives->rows, &policies.rows->policies[i]);
	ldapstore_policies_free(&policies);
	buf_free(&filter);
	return status;
}

static bool
has_tenant(const struct keystore_rows *rows, struct span name)
{
	for (size_t i = 0; i < rows->tenant_count; i++)
		if (span_eq(rows->tenants[i].name, name))
			return true;
	return false;
}

static bool
has_policy(const struct keystore_rows *rows, const struct store_policy *row)
{
	for (size_t i = 0; i < rows->policy_count; i++)
		if (span_eq(rows->policies[i].name, row->name) &&
		    span_eq(rows->policies[i].tenant, row->tenant))
			return true;
	return false;
}

/* What two pages have in common comes once. */
static enum status
add_page(const struct keystore_rows *page, struct keystore_rows *out, struct err *err)
{
	enum status status = ST_OK;

	if (page->epoch < out->epoch || out->domain_count + out->key_count == 0)
		out->epoch = page->epoch;
	for (size_t i = 0; i < page->tenant_count; i++)
		if (!has_tenant(out, page->tenants[i].name))
			keystore_rows_add_tenant(out, &page->tenants[i]);
	for (size_t i = 0; i < page->policy_count; i++)
		if (!has_policy(out, &page->policies[i]))
			keystore_rows_add_policy(out, &page->policies[i]);
	for (size_t i = 0; i < page->domain_count; i++)
		keystore_rows_add_domain(out, &page->domains[i]);
	for (size_t i = 0; i < page->key_count && status == ST_OK; i++)
		status = keystore_rows_add_key(out, &page->keys[i], err);
	return status;
}

enum status
ldapstore_lives(struct keystore *store, const struct span *domains, size_t count,
    struct keystore_rows **out, struct err *err)
{
	struct lives lives = {.store = store->state};
	struct keystore_rows *all = keystore_rows_new();
	enum status status = ST_OK;

	*out = NULL;
	if (count > KEYSTORE_LIVES_MAX) {
		err_set(err, "more than %u domains at once", KEYSTORE_LIVES_MAX);
		status = ST_TOO_BIG;
	}
	for (size_t at = 0; at < count && status == ST_OK; at += lives.count) {
		lives.names = domains + at;
		lives.count = count - at < DOMAINS_AT_ONCE ? count - at : DOMAINS_AT_ONCE;
		status = ldappool_run(&lives.store->pool, do_lives, &lives, err);
		if (status == ST_OK)
			status = add_page(lives.rows, all, err);
	}
	keystore_rows_release(lives.rows);
	keystore_rows_release(lives.found);
	if (status == ST_OK) {
		*out = all;
		return ST_OK;
	}
	keystore_rows_release(all);
	err_prefix(err, "%s", store->where);
	return status;
}
