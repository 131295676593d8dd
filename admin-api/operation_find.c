/*
 * operation_find.c - rows by their names, and walks over domains.
 * Called by the operations. It must never hold more than a page, nor go on with what was read when
 * the store fails in between.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

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
	case STORE_RULE:
	case STORE_BINDING:
		break;
	}
	return false;
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
	case STORE_RULE:
	case STORE_BINDING:
		break;
	}
	return 0;
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

/* ---- walks ---- */

enum operation_code
row_walk_pages(struct operation_call *call, row_visit_page *visit, void *context)
{
	struct keystore *store = call->admin->store;
	enum operation_code code = OPERATION_OK;
	char after[KEYSTORE_DOMAIN_MAX + 1] = "";
	struct err err = ERR_NONE;
	bool ended = false;

	while (code == OPERATION_OK && !ended) {
		struct keystore_rows *page = NULL;
		enum status status = store->ops->list(
		    store, STORE_DOMAIN, span_str(after), OPERATION_PAGE, &page, &err);

		if (status != ST_OK)
			return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
		ended = page->domain_count == 0;
		if (!ended)
			snprintf(after, sizeof(after), "%.*s",
			    SPAN_ARG(page->domains[page->domain_count - 1].name));
		if (!ended)
			code = visit(call, page, context);
		keystore_rows_release(page);
	}
	return code;
}

struct walk {
	struct span tenant;
	row_visit *visit;
	void *context;
};

static enum operation_code
visit_each(struct operation_call *call, const struct keystore_rows *page, void *context)
{
	const struct walk *walk = context;
	enum operation_code code = OPERATION_OK;

	for (size_t i = 0; code == OPERATION_OK && i < page->domain_count; i++)
		if (walk->tenant.n == 0 || span_eq(page->domains[i].tenant, walk->tenant))
			code = walk->visit(call, &page->domains[i], walk->context);
	return code;
}

enum operation_code
row_walk_domains(struct operation_call *call, struct span tenant, row_visit *visit, void *context)
{
	struct walk walk = {.tenant = tenant, .visit = visit, .context = context};

	return row_walk_pages(call, visit_each, &walk);
}

/* ---- due ---- */

/* ST_DENIED: somebody changed the row meanwhile. */
static enum status
write_due(struct operation_call *call, struct span domain, struct err *err)
{
	struct keystore_write write = {.what = STORE_DOMAIN, .how = WRITE_CHANGE, .life = true};
	struct keystore_rows *rows;
	enum status status;
	size_t i;

	status = row_find(call->admin->store, STORE_DOMAIN, domain, SPAN_EMPTY, &rows, &i, err);
	if (status != ST_OK)
		return status;
	write.row.domain = rows->domains[i];
	write.row.domain.due = call->now_utc;
	status = call_apply(call, &write, 1, err);
	keystore_rows_release(rows);
	return status;
}

enum operation_code
row_make_due(struct operation_call *call, struct span domain)
{
	enum status status = ST_DENIED;
	struct err err = ERR_NONE;

	if (call->dry_run)
		return OPERATION_OK;
	for (unsigned i = 0; status == ST_DENIED && i < OPERATION_ATTEMPTS; i++)
		status = write_due(call, domain, &err);
	/* Somebody writes this row again and again: the reconciler, who looks at it, then. */
	return status == ST_OK || status == ST_DENIED
		   ? OPERATION_OK
		   : call_store_failed(call, status, OPERATION_PRECONDITION_FAILED, &err);
}
