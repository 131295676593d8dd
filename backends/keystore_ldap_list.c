/*
 * keystore_ldap_list.c - rows in the order of their names, page by page, for administrators.
 * Called by the tools until there are no more.
 * It must never be asked by the signing side: a directory knows no order, so the names of all
 * entries of a kind are read once (in pages, RFC 2696) and kept until the listing ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/keystore_ldap_admin_private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define PAGE 500U
#define NAMES_MAX 10000000U /* and 16 octets for each besides the name */
#define NAMES_KEPT_MS 60000

/* What sorts a row, and finds it again: "domain", "domain selector", "tenant id", ... */
struct ldapstore_names {
	enum store_what what;
	struct buf text;
	size_t *ends; /* of each name in text */
	struct span *sorted;
	size_t count, room;
	char *last;                           /* the name that was given out last; owned */
	char tenant[KEYSTORE_TENANT_MAX + 1]; /* only its domains; "": all */
	int64_t read_ms;
	/* while they are read */
	struct ldapstore *store;
};

static bool
can_list(enum store_what what)
{
	return (size_t)what <= STORE_BINDING;
}

void
ldapstore_names_free(struct ldapstore_names *names)
{
	if (names == NULL)
		return;
	buf_free(&names->text);
	mem_free(names->ends);
	mem_free(names->sorted);
	mem_free(names->last);
	mem_free(names);
}

/* ---- the names ---- */

/* entry has just the attributes of the name, and signpostNode, which is no part of one. */
static enum status
take_name(void *context, const struct ldapentry *entry, struct err *err)
{
	struct ldapstore_names *names = context;

	if (entry->values[ldapstore_listings[names->what].second == NULL ? 1 : 2].count > 0)
		return ST_OK;
	for (size_t i = 0; i < 2 && (i == 0 || ldapstore_listings[names->what].second != NULL);
	     i++) {
		if (entry->values[i].count != 1) {
			err_set(err, "%.*s has no name of its own",
			    entry->dn.n > 200 ? 200 : (int)entry->dn.n, entry->dn.p);
			return ST_INVALID;
		}
		if (i > 0)
			buf_add_char(&names->text, ' ');
		buf_add(&names->text, entry->values[i].items[0]);
	}
	if (names->count == names->room) {
		names->room = names->room == 0 ? 1024 : names->room * 2;
		names->ends = mem_resize(names->ends, names->room, sizeof(names->ends[0]));
	}
	names->ends[names->count++] = names->text.n;
	return buf_status(&names->text);
}

static int
by_name(const void *left, const void *right)
{
	const struct span *a = left, *b = right;
	size_t n = a->n < b->n ? a->n : b->n;
	int order = n == 0 ? 0 : memcmp(a->p, b->p, n);

	return order != 0 ? order : (a->n > b->n) - (a->n < b->n);
}

static void
sort_names(struct ldapstore_names *names)
{
	size_t from = 0;

	names->sorted = mem_zalloc(names->count + 1, sizeof(names->sorted[0]));
	for (size_t i = 0; i < names->count; i++) {
		names->sorted[i] = span_sub(buf_span(&names->text), from, names->ends[i] - from);
		from = names->ends[i];
	}
	mem_free(names->ends);
	names->ends = NULL;
	if (names->count > 1)
		qsort(names->sorted, names->count, sizeof(names->sorted[0]), by_name);
}

static void
add_filter(const struct ldapstore_names *names, struct buf *out)
{
	const char *all = ldapstore_listings[names->what].filter;

	if (names->tenant[0] == '\0') {
		buf_add_str(out, all);
		return;
	}
	buf_add_fmt(out, "(&%s(%s=", all, ldapstore_attributes[LDAPSTORE_OWNER]);
	ldapurl_escape_filter(out, span_str(names->tenant));
	buf_add_str(out, "))");
}

static enum status
do_names(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct ldapstore_names *names = context;
	const char *attributes[4] = {ldapstore_listings[names->what].first};
	struct ldaplink_search search = {.base = names->store->base,
	    .scope = LDAPURL_SUB,
	    .attributes = attributes,
	    .entries_max = NAMES_MAX,
	    .page = PAGE};
	size_t n = 1;
	enum status status;
	struct buf filter;

	buf_init(&filter, LDAPSTORE_TEXT_MAX);
	add_filter(names, &filter);
	search.filter = buf_text(&filter);
	if (ldapstore_listings[names->what].second != NULL)
		attributes[n++] = ldapstore_listings[names->what].second;
	attributes[n] = ldapstore_attributes[LDAPSTORE_NODE];
	buf_reset(&names->text);
	names->count = 0;
	status = ldaplink_search(link, &search, deadline_ms, take_name, names, end, err);
	buf_free(&filter);
	if (status == ST_OK && end->limited) {
		err_set(err,
		    "%s gives no more than %zu entries: LDAPBindUser needs no size limit to "
		    "list",
		    link->uri, end->entries);
		status = ST_TOO_BIG;
	}
	return status;
}

static enum status
read_names(struct ldapstore *own, enum store_what what, struct span tenant,
    struct ldapstore_names **out, struct err *err)
{
	struct ldapstore_names *names = mem_zalloc(1, sizeof(*names));
	enum status status;

	names->what = what;
	snprintf(names->tenant, sizeof(names->tenant), "%.*s", SPAN_ARG(tenant));
	names->store = own;
	buf_init(&names->text, SIZE_MAX / 2);
	/* All of them take longer than one row may. */
	status =
	    ldappool_run_once(&own->pool, do_names, names, own->pool.config.timeout_ms * 20, err);
	sort_names(names);
	names->read_ms = clock_mono_ms();
	if (status == ST_OK)
		*out = names;
	else
		ldapstore_names_free(names);
	return status;
}

/* Those of the listing that goes on behind after, taken out of the store; NULL: to be read. */
static struct ldapstore_names *
take_names(struct ldapstore *own, enum store_what what, struct span tenant, struct span after)
{
	struct ldapstore_names *names;

	pthread_mutex_lock(&own->lock);
	names = own->names;
	own->names = NULL;
	pthread_mutex_unlock(&own->lock);
	if (names != NULL && names->what == what && span_eq_str(tenant, names->tenant) &&
	    span_eq_str(after, names->last) && clock_mono_ms() - names->read_ms < NAMES_KEPT_MS)
		return names;
	ldapstore_names_free(names);
	return NULL;
}

void
ldapstore_keep_names(struct ldapstore *own, struct ldapstore_names *names)
{
	struct ldapstore_names *other;

	pthread_mutex_lock(&own->lock);
	other = own->names;
	own->names = names;
	pthread_mutex_unlock(&own->lock);
	ldapstore_names_free(other);
}

static size_t
first_behind(const struct ldapstore_names *names, struct span after)
{
	size_t low = 0, high = names->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (by_name(&names->sorted[middle], &after) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Reads on while all that was named is gone: an empty page is the end. */
static enum status
read_some(struct ldapstore *own, const struct ldapstore_names *names, struct span after, size_t max,
    struct keystore_rows *out, struct err *err)
{
	size_t at = first_behind(names, after);
	enum status status = ST_OK;

	while (at < names->count && status == ST_OK && ldapstore_row_count(out, names->what) == 0) {
		size_t n = names->count - at < max ? names->count - at : max;

		status = ldapstore_read_rows(own, names->what, names->sorted + at, n, out, err);
		at += n;
	}
	return status;
}

/* A page that is not full is the last one. */
static void
remember_last(struct ldapstore_names *names, const struct keystore_rows *rows)
{
	struct span second, first;
	struct buf text;

	first = ldapstore_row_name(
	    rows, names->what, ldapstore_row_count(rows, names->what) - 1, &second);
	buf_init(&text, KEYSTORE_TEXT_MAX);
	buf_add(&text, first);
	buf_add_str(&text, second.n > 0 ? " " : "");
	buf_add(&text, second);
	names->last = mem_strdup(buf_text(&text));
	buf_free(&text);
}

/* tenant: of domains, only of this one; empty: all. */
static enum status
list_rows(struct keystore *store, enum store_what what, struct span tenant, struct span after,
    size_t max, struct keystore_rows **out, struct err *err)
{
	struct ldapstore *own = store->state;
	struct ldapstore_names *names;
	struct keystore_rows *rows = keystore_rows_new();
	enum status status = ST_OK;

	if (!can_list(what) || max == 0) {
		*out = rows;
		return ST_OK;
	}
	names = take_names(own, what, tenant, after);
	if (names == NULL)
		status = read_names(own, what, tenant, &names, err);
	if (status == ST_OK) {
		mem_free(names->last);
		names->last = NULL;
	}
	if (status == ST_OK)
		status = read_some(own, names, after, max, rows, err);
	if (status == ST_OK && ldapstore_row_count(rows, what) == max)
		remember_last(names, rows);
	if (status == ST_OK && names->last != NULL)
		ldapstore_keep_names(own, names);
	else
		ldapstore_names_free(names);
	if (status == ST_OK) {
		*out = rows;
		return ST_OK;
	}
	keystore_rows_release(rows);
	err_prefix(err, "%s", store->where);
	return status;
}

enum status
ldapstore_list(struct keystore *store, enum store_what what, struct span after, size_t max,
    struct keystore_rows **out, struct err *err)
{
	*out = NULL;
	if (!span_is_text(after) || what == STORE_QUOTA || what == STORE_REPLY ||
	    what == STORE_AUDIT) {
		err_set(err, "%s: no row has a name like that", store->where);
		return ST_INVALID;
	}
	if (what == STORE_TOKEN)
		return ldapadmin_list_tokens(store, after, max, out, err);
	if (what == STORE_PROVIDER)
		return ldapadmin_list_providers(store, after, max, out, err);
	return list_rows(store, what, SPAN_EMPTY, after, max, out, err);
}

enum status
ldapstore_domains_of(struct keystore *store, struct span tenant, struct span after, size_t max,
    struct keystore_rows **out, struct err *err)
{
	*out = NULL;
	if (!span_is_text(after) || !keystore_tenant_is_valid(tenant)) {
		err_set(err, "%s: no row has a name like that", store->where);
		return ST_INVALID;
	}
	return list_rows(store, STORE_DOMAIN, tenant, after, max, out, err);
}

/* ---- rows by name ---- */

static bool
are_names(const struct span *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (names[i].n == 0 || !span_is_text(names[i]))
			return false;
	return true;
}

enum status
ldapstore_find(struct keystore *store, enum store_what what, const struct span *names, size_t count,
    struct keystore_rows **out, struct err *err)
{
	struct keystore_rows *rows;
	enum status status;

	*out = NULL;
	if (count > KEYSTORE_BATCH_MAX || !can_list(what) || !are_names(names, count)) {
		err_set(err, "%s: %s", store->where,
		    count > KEYSTORE_BATCH_MAX ? "too many names at once"
					       : "no row has a name like that");
		return count > KEYSTORE_BATCH_MAX ? ST_TOO_BIG : ST_INVALID;
	}
	rows = keystore_rows_new();
	status = ldapstore_read_rows(store->state, what, names, count, rows, err);
	if (status == ST_OK) {
		*out = rows;
		return ST_OK;
	}
	keystore_rows_release(rows);
	err_prefix(err, "%s", store->where);
	return status;
}
