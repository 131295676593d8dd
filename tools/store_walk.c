/*
 * store_walk.c - all rows of a kind, page by page.
 * Called by check and reseal. It must never hold more than a page, nor go on with what was read
 * when the store fails in between.
 */
#include <stdio.h>
#include <string.h>

#include "tools/store.h"

void
store_walk_begin(struct store_walk *walk, struct keystore *store, enum store_what what)
{
	memset(walk, 0, sizeof(*walk));
	walk->store = store;
	walk->what = what;
}

void
store_walk_end(struct store_walk *walk)
{
	keystore_rows_release(walk->page);
	walk->page = NULL;
}

size_t
store_row_count(const struct keystore_rows *rows, enum store_what what)
{
	switch (what) {
	case STORE_TENANT:
		return rows->tenant_count;
	case STORE_POLICY:
		return rows->policy_count;
	case STORE_DOMAIN:
		return rows->domain_count;
	case STORE_RULE:
		return rows->rule_count;
	case STORE_KEY:
		return rows->key_count;
	case STORE_BINDING:
		return rows->binding_count;
	case STORE_PROVIDER:
		return rows->provider_count;
	case STORE_TOKEN:
		return rows->token_count;
	case STORE_QUOTA:
	case STORE_REPLY:
	case STORE_AUDIT:
		break;
	}
	return 0;
}

void
store_row_names(const struct keystore_rows *rows, enum store_what what, size_t index,
    struct span *first_out, struct span *second_out)
{
	*first_out = *second_out = SPAN_EMPTY;
	switch (what) {
	case STORE_TENANT:
		*first_out = rows->tenants[index].name;
		break;
	case STORE_POLICY:
		*first_out = rows->policies[index].tenant;
		*second_out = rows->policies[index].name;
		break;
	case STORE_DOMAIN:
		*first_out = rows->domains[index].name;
		break;
	case STORE_RULE:
		*first_out = rows->rules[index].tenant;
		*second_out = rows->rules[index].id;
		break;
	case STORE_KEY:
		*first_out = rows->keys[index].domain;
		*second_out = rows->keys[index].selector;
		break;
	case STORE_BINDING:
		*first_out = rows->bindings[index].subject;
		break;
	case STORE_PROVIDER:
		*first_out = rows->providers[index].tenant;
		*second_out = rows->providers[index].name;
		break;
	case STORE_TOKEN:
		*first_out = rows->tokens[index].tenant; /* empty: of all */
		*second_out = rows->tokens[index].id;
		break;
	case STORE_QUOTA:
	case STORE_REPLY:
	case STORE_AUDIT:
		break;
	}
}

/* Behind the last row of the page. */
static enum status
remember(struct store_walk *walk, size_t count, struct err *err)
{
	struct span first, second;
	int n;

	store_row_names(walk->page, walk->what, count - 1, &first, &second);
	if (first.n > KEYSTORE_SUBJECT_MAX || second.n > KEYSTORE_SUBJECT_MAX) {
		err_set(err, "%s: a row has a name that is too long to go on from it",
		    walk->store->where);
		return ST_INVALID;
	}
	n = snprintf(walk->after, sizeof(walk->after), "%.*s%s%.*s", SPAN_ARG(first),
	    second.n == 0 ? "" : " ", SPAN_ARG(second));
	return n >= 0 && (size_t)n < sizeof(walk->after) ? ST_OK : ST_INVALID;
}

enum status
store_walk_next(struct store_walk *walk, size_t *index_out, struct err *err)
{
	enum status status;
	size_t count;

	if (walk->page != NULL && walk->next < store_row_count(walk->page, walk->what)) {
		*index_out = walk->next++;
		return ST_OK;
	}
	store_walk_end(walk);
	if (walk->ended)
		return ST_ABSENT;
	status = walk->store->ops->list(
	    walk->store, walk->what, span_str(walk->after), STORE_PAGE, &walk->page, err);
	if (status != ST_OK) {
		walk->page = NULL;
		return status == ST_ABSENT ? ST_FAILED : status;
	}
	count = store_row_count(walk->page, walk->what);
	walk->ended = count == 0;
	walk->next = 1;
	*index_out = 0;
	return count == 0 ? ST_ABSENT : remember(walk, count, err);
}
