/*
 * rowfind.c - a row of the store by its name.
 * Called by the operations, and where a slot is chosen. It must never take what it finds behind a
 * name for the row of that name.
 */
#include "config.h"

#include <stdio.h>

#include "admin-api/operation_call.h"

#define NAMES_MAX (KEYSTORE_SUBJECT_MAX * 2 + 4)

static bool
is_row(const struct keystore_rows *rows, enum store_what what, size_t i, struct span first,
    struct span second)
{
	switch (what) {
	case STORE_TENANT:
		return span_eq(rows->tenants[i].name, first);
	case STORE_POLICY:
		return span_eq(rows->policies[i].tenant, first) &&
		       span_eq(rows->policies[i].name, second);
	case STORE_DOMAIN:
		return span_eq(rows->domains[i].name, first);
	case STORE_KEY:
		return span_eq(rows->keys[i].domain, first) &&
		       span_eq(rows->keys[i].selector, second);
	default:
		return false;
	}
}

static size_t
count_of(const struct keystore_rows *rows, enum store_what what)
{
	switch (what) {
	case STORE_TENANT:
		return rows->tenant_count;
	case STORE_POLICY:
		return rows->policy_count;
	case STORE_DOMAIN:
		return rows->domain_count;
	case STORE_KEY:
		return rows->key_count;
	default:
		return 0;
	}
}

/* A text that no row can have as its name, in front of name and behind all that come before it: the
 * last octet less one, and '~', which is behind every letter of a name. */
static void
just_before(char *name, size_t n, size_t room)
{
	if (n == 0 || n + 2 > room)
		return;
	name[n - 1]--;
	name[n] = '~';
	name[n + 1] = '\0';
}

static enum status
ask(struct keystore *store, enum store_what what, char *name, size_t n, struct keystore_rows **out,
    struct err *err)
{
	struct span names[1] = {span_of(name, n)};

	if (store->ops->find != NULL)
		return store->ops->find(store, what, names, 1, out, err);
	if (store->ops->list == NULL) {
		err_set(err, "%s: this store cannot be administered", store->where);
		return ST_UNAVAILABLE;
	}
	just_before(name, n, NAMES_MAX);
	return store->ops->list(store, what, span_str(name), 1, out, err);
}

enum status
row_find(struct keystore *store, enum store_what what, struct span first, struct span second,
    struct keystore_rows **rows_out, size_t *index_out, struct err *err)
{
	char name[NAMES_MAX];
	enum status status;
	int n = snprintf(name, sizeof(name) - 2, "%.*s%s%.*s", SPAN_ARG(first),
	    second.n > 0 ? " " : "", SPAN_ARG(second));

	*rows_out = NULL;
	err_set(err, "%.*s%s%.*s: there is none", SPAN_ARG(first), second.n > 0 ? " " : "",
	    SPAN_ARG(second));
	if (n <= 0 || (size_t)n >= sizeof(name) - 2)
		return ST_ABSENT;
	status = ask(store, what, name, (size_t)n, rows_out, err);
	if (status != ST_OK) {
		*rows_out = NULL;
		return status == ST_ABSENT ? ST_FAILED : status;
	}
	for (*index_out = 0; *index_out < count_of(*rows_out, what); (*index_out)++)
		if (is_row(*rows_out, what, *index_out, first, second))
			return ST_OK;
	keystore_rows_release(*rows_out);
	*rows_out = NULL;
	return ST_ABSENT;
}
