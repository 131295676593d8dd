/*
 * memstore_write.c - changes of the store in memory: all of a batch, or none, which is taken back
 * row by row; and pages of its rows.
 * Called through keystore_ops by tests of what writes to stores. It must never be clever.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "tests/lib/memstore_private.h"

#define NAME_BYTES 1024U

union row {
	struct store_tenant tenant;
	struct store_policy policy;
	struct store_domain domain;
	struct store_rule rule;
	struct store_key key;
	struct store_binding binding;
	struct store_token token;
	struct store_provider provider;
	struct store_quota quota;
	struct store_reply reply;
	struct store_audit audit;
};

/* How a row was before one write; nothing: it was not there. */
struct undo {
	enum { WAS_ADDED, WAS_CHANGED, WAS_REMOVED } what;
	size_t at;
	union row row;
};

/* The rows of a kind. */
struct array {
	char *rows;
	size_t *count;
	size_t bytes;
};

static struct array
array_of(struct keystore_rows *all, enum store_what what)
{
	switch (what) {
	case STORE_TENANT:
		return (struct array){
		    (char *)all->tenants, &all->tenant_count, sizeof(*all->tenants)};
	case STORE_POLICY:
		return (struct array){
		    (char *)all->policies, &all->policy_count, sizeof(*all->policies)};
	case STORE_DOMAIN:
		return (struct array){
		    (char *)all->domains, &all->domain_count, sizeof(*all->domains)};
	case STORE_RULE:
		return (struct array){(char *)all->rules, &all->rule_count, sizeof(*all->rules)};
	case STORE_KEY:
		return (struct array){(char *)all->keys, &all->key_count, sizeof(*all->keys)};
	case STORE_BINDING:
		return (struct array){
		    (char *)all->bindings, &all->binding_count, sizeof(*all->bindings)};
	case STORE_TOKEN:
		return (struct array){(char *)all->tokens, &all->token_count, sizeof(*all->tokens)};
	case STORE_PROVIDER:
		return (struct array){
		    (char *)all->providers, &all->provider_count, sizeof(*all->providers)};
	case STORE_QUOTA:
		return (struct array){(char *)all->quotas, &all->quota_count, sizeof(*all->quotas)};
	case STORE_REPLY:
		return (struct array){
		    (char *)all->replies, &all->reply_count, sizeof(*all->replies)};
	case STORE_AUDIT:
		return (struct array){(char *)all->audits, &all->audit_count, sizeof(*all->audits)};
	}
	abort();
}

/* What list() sorts by and goes on behind. */
static void
name_of(enum store_what what, const void *row, char *text)
{
	const union row *r = row;

	if (what == STORE_TENANT)
		snprintf(text, NAME_BYTES, "%.*s", SPAN_ARG(r->tenant.name));
	else if (what == STORE_POLICY)
		snprintf(text, NAME_BYTES, "%.*s %.*s", SPAN_ARG(r->policy.tenant),
		    SPAN_ARG(r->policy.name));
	else if (what == STORE_DOMAIN)
		snprintf(text, NAME_BYTES, "%.*s", SPAN_ARG(r->domain.name));
	else if (what == STORE_RULE)
		snprintf(
		    text, NAME_BYTES, "%.*s %.*s", SPAN_ARG(r->rule.tenant), SPAN_ARG(r->rule.id));
	else if (what == STORE_KEY)
		snprintf(text, NAME_BYTES, "%.*s %.*s", SPAN_ARG(r->key.domain),
		    SPAN_ARG(r->key.selector));
	else if (what == STORE_TOKEN)
		snprintf(text, NAME_BYTES, "%.*s %.*s", SPAN_ARG(r->token.tenant),
		    SPAN_ARG(r->token.id));
	else if (what == STORE_PROVIDER)
		snprintf(text, NAME_BYTES, "%.*s %.*s", SPAN_ARG(r->provider.tenant),
		    SPAN_ARG(r->provider.name));
	else
		snprintf(text, NAME_BYTES, "%.*s", SPAN_ARG(r->binding.subject));
}

static bool
is_named(enum store_what what, const void *row, const void *other)
{
	const union row *a = row, *b = other;

	switch (what) {
	case STORE_TENANT:
		return span_eq(a->tenant.name, b->tenant.name);
	case STORE_POLICY:
		return span_eq(a->policy.tenant, b->policy.tenant) &&
		       span_eq(a->policy.name, b->policy.name);
	case STORE_DOMAIN:
		return span_eq(a->domain.name, b->domain.name);
	case STORE_RULE:
		return span_eq(a->rule.tenant, b->rule.tenant) && span_eq(a->rule.id, b->rule.id);
	case STORE_KEY:
		return span_eq(a->key.id, b->key.id) ||
		       (span_eq(a->key.domain, b->key.domain) &&
			   span_eq(a->key.selector, b->key.selector));
	case STORE_BINDING:
		return span_eq(a->binding.subject, b->binding.subject);
	case STORE_TOKEN:
		return span_eq(a->token.id, b->token.id);
	case STORE_PROVIDER:
		return span_eq(a->provider.tenant, b->provider.tenant) &&
		       span_eq(a->provider.name, b->provider.name);
	case STORE_QUOTA:
		return span_eq(a->quota.tenant, b->quota.tenant);
	case STORE_REPLY:
		return span_eq(a->reply.scope, b->reply.scope) &&
		       span_eq(a->reply.key, b->reply.key);
	case STORE_AUDIT:
		break;
	}
	return false;
}

/* SIZE_MAX: not there. */
static size_t
find(struct keystore_rows *all, enum store_what what, const void *row)
{
	struct array array = array_of(all, what);

	for (size_t i = 0; i < *array.count; i++)
		if (is_named(what, array.rows + i * array.bytes, row))
			return i;
	return SIZE_MAX;
}

static struct span
tenant_of(enum store_what what, const void *row)
{
	const union row *r = row;
	switch (what) {
	case STORE_TENANT:
		return r->tenant.name;
	case STORE_POLICY:
		return r->policy.tenant;
	case STORE_DOMAIN:
		return r->domain.tenant;
	case STORE_RULE:
		return r->rule.tenant;
	case STORE_KEY:
		return r->key.tenant;
	case STORE_BINDING:
		return r->binding.tenant;
	case STORE_TOKEN:
		return r->token.tenant;
	case STORE_PROVIDER:
		return r->provider.tenant;
	case STORE_QUOTA:
		return r->quota.tenant;
	case STORE_REPLY:
	case STORE_AUDIT:
		break;
	}
	return SPAN_EMPTY;
}

static uint64_t *
revision_of(enum store_what what, void *row)
{
	union row *r = row;
	uint64_t *const revisions[] = {[STORE_TENANT] = &r->tenant.revision,
	    [STORE_POLICY] = &r->policy.revision,
	    [STORE_DOMAIN] = &r->domain.revision,
	    [STORE_RULE] = &r->rule.revision,
	    [STORE_KEY] = &r->key.row_revision,
	    [STORE_BINDING] = NULL,
	    [STORE_TOKEN] = &r->token.revision,
	    [STORE_PROVIDER] = &r->provider.revision,
	    [STORE_QUOTA] = &r->quota.revision,
	    [STORE_AUDIT] = NULL};

	return revisions[what];
}

/* ---- one write ---- */

static enum status
refuse(struct err *err, enum status status, const char *why)
{
	err_set(err, "memory: %s", why);
	return status;
}

/* What a row hangs on. */
static bool
has_ground(struct memstore *m, const struct keystore_write *write)
{
	union row above = {.tenant.name = tenant_of(write->what, &write->row)};
	size_t at;

	if (write->what == STORE_TENANT || write->what == STORE_REPLY ||
	    write->what == STORE_AUDIT ||
	    (write->what == STORE_TOKEN && write->row.token.tenant.n == 0))
		return true;
	if (find(m->all, STORE_TENANT, &above) == SIZE_MAX)
		return false;
	if (write->what != STORE_RULE && write->what != STORE_KEY)
		return true;
	above = (union row){.domain.name = write->what == STORE_KEY ? write->row.key.domain
								    : write->row.rule.domain};
	at = find(m->all, STORE_DOMAIN, &above);
	return at != SIZE_MAX &&
	       span_eq(m->all->domains[at].tenant, tenant_of(write->what, &write->row));
}

static bool
something_hangs_on(struct memstore *m, const struct keystore_write *write)
{
	const struct keystore_rows *all = m->all;
	bool tenant = write->what == STORE_TENANT;
	struct span name = tenant ? write->row.tenant.name : write->row.domain.name;
	size_t n = 0;

	if (!tenant && write->what != STORE_DOMAIN)
		return false;
	for (size_t i = 0; i < all->domain_count && tenant; i++)
		n += span_eq(all->domains[i].tenant, name);
	for (size_t i = 0; i < all->token_count && tenant; i++)
		n += span_eq(all->tokens[i].tenant, name);
	for (size_t i = 0; i < all->provider_count && tenant; i++)
		n += span_eq(all->providers[i].tenant, name);
	for (size_t i = 0; i < all->quota_count && tenant; i++)
		n += span_eq(all->quotas[i].tenant, name);
	for (size_t i = 0; i < all->policy_count && tenant; i++)
		n += span_eq(all->policies[i].tenant, name);
	for (size_t i = 0; i < all->key_count && !tenant; i++)
		n += span_eq(all->keys[i].domain, name);
	for (size_t i = 0; i < all->rule_count && !tenant; i++)
		n += span_eq(all->rules[i].domain, name);
	return n > 0;
}

static bool
was_published(const struct key_times *t)
{
	return t->published > 0 || t->proven > 0 || t->loaded > 0 || t->active > 0 ||
	       t->retiring > 0 || t->revoking > 0 || t->revoked > 0 || t->removed > 0 ||
	       t->destroyed > 0 || (t->publishing > 0 && t->failed <= 0);
}

static void
note(struct memstore *m, const struct keystore_write *write)
{
	char subject[NAME_BYTES];

	if ((write->life && write->what == STORE_DOMAIN) || store_what_is_admin(write->what))
		return;
	if (write->what == STORE_DOMAIN)
		snprintf(subject, sizeof(subject), "d:%.*s", SPAN_ARG(write->row.domain.name));
	else if (write->what == STORE_KEY)
		snprintf(subject, sizeof(subject), "d:%.*s", SPAN_ARG(write->row.key.domain));
	else if (write->what == STORE_BINDING)
		snprintf(subject, sizeof(subject), "b:");
	else
		snprintf(subject, sizeof(subject), "t:%.*s",
		    SPAN_ARG(tenant_of(write->what, &write->row)));
	memstore_note(m, subject);
}

/* A copy of the row at the end of its kind. */
static void
append(struct memstore *m, enum store_what what, const void *row)
{
	const union row *r = row;

	if (what == STORE_TENANT)
		keystore_rows_add_tenant(m->all, &r->tenant);
	else if (what == STORE_POLICY)
		keystore_rows_add_policy(m->all, &r->policy);
	else if (what == STORE_DOMAIN)
		keystore_rows_add_domain(m->all, &r->domain);
	else if (what == STORE_RULE)
		keystore_rows_add_rule(m->all, &r->rule);
	else if (what == STORE_BINDING)
		keystore_rows_add_binding(m->all, &r->binding);
	else if (what == STORE_TOKEN)
		keystore_rows_add_token(m->all, &r->token);
	else if (what == STORE_PROVIDER)
		keystore_rows_add_provider(m->all, &r->provider);
	else if (what == STORE_QUOTA)
		keystore_rows_add_quota(m->all, &r->quota);
	else if (what == STORE_REPLY)
		keystore_rows_add_reply(m->all, &r->reply);
	else if (what == STORE_AUDIT)
		keystore_rows_add_audit(m->all, &r->audit);
	else if (keystore_rows_add_key(m->all, &r->key, NULL) != ST_OK)
		abort();
}

static void
write_life_of_domain(struct memstore *m, const struct store_domain *row, struct store_domain *to)
{
	to->life = memstore_keep(m, row->life);
	to->due = row->due;
	to->revision = m->epoch;
}

static void
write_life_of_key(struct memstore *m, const struct store_key *row, struct store_key *to)
{
	to->life = memstore_keep(m, row->life);
	to->times = row->times;
	to->lease_s = row->lease_s;
	to->loading = row->loading == KEYSTORE_LOADING_NOW ? m->epoch : row->loading;
	to->row_revision = m->epoch;
	if (to->times.destroyed > 0)
		to->private_key = SPAN_EMPTY;
}

/* Another key in a slot: nothing of the former one stays. */
static void
write_slot(struct memstore *m, const struct store_key *row, size_t at)
{
	struct store_key key = *row;

	key.loading = row->loading == KEYSTORE_LOADING_NOW ? m->epoch : row->loading;
	key.row_revision = m->epoch;
	append(m, STORE_KEY, &key);
	m->all->keys[at] = m->all->keys[--m->all->key_count];
}

/* What is not written by such a write stays. */
static void
keep_life(enum store_what what, const void *old, union row *row)
{
	const union row *was = old;

	if (what == STORE_DOMAIN) {
		row->domain.life = was == NULL ? SPAN_EMPTY : was->domain.life;
		row->domain.due = was == NULL ? 0 : was->domain.due;
	} else if (what == STORE_KEY) {
		row->key.life = was == NULL ? SPAN_EMPTY : was->key.life;
		row->key.lease_s = was == NULL ? 0 : was->key.lease_s;
		row->key.loading = was == NULL ? 0 : was->key.loading;
	}
}

/* What the store sets itself. hash: room. */
static void
set_admin(struct memstore *m, enum store_what what, size_t at, union row *row, char *hash)
{
	const struct store_provider *old =
	    what == STORE_PROVIDER && at != SIZE_MAX ? &m->all->providers[at] : NULL;
	const struct store_token *was =
	    what == STORE_TOKEN && at != SIZE_MAX ? &m->all->tokens[at] : NULL;
	struct audit_head head;

	if (what == STORE_REPLY) {
		row->reply.at = m->now_utc;
	} else if (what == STORE_PROVIDER) {
		row->provider.revision = old == NULL ? 1 : old->revision + 1;
	} else if (what == STORE_QUOTA) {
		row->quota.revision = at == SIZE_MAX ? 1 : m->all->quotas[at].revision + 1;
	} else if (what == STORE_TOKEN) {
		row->token.revision = was == NULL ? 1 : was->revision + 1;
		row->token.maker = was == NULL ? row->token.maker : was->maker;
		row->token.created = was == NULL ? row->token.created : was->created;
	} else {
		memstore_audit_end(m, &head);
		row->audit.seq = head.seq + 1;
		row->audit.at = m->now_utc;
		row->audit.prev = memstore_keep(m, span_str(head.hash));
		audit_hash(&row->audit, hash);
		row->audit.hash = span_str(hash);
	}
}

static void
write_row(struct memstore *m, const struct keystore_write *write, size_t at)
{
	struct array array = array_of(m->all, write->what);
	char hash[ADMINROW_HASH_BYTES];
	union row row;

	memcpy(&row, &write->row, array.bytes);
	keep_life(write->what, at == SIZE_MAX ? NULL : array.rows + at * array.bytes, &row);
	if (store_what_is_admin(write->what))
		set_admin(m, write->what, at, &row, hash);
	else if (revision_of(write->what, &row) != NULL)
		*revision_of(write->what, &row) = m->epoch;
	append(m, write->what, &row);
	if (at == SIZE_MAX)
		return;
	array = array_of(m->all, write->what);
	memcpy(array.rows + at * array.bytes, array.rows + (*array.count - 1) * array.bytes,
	    array.bytes);
	--*array.count;
}

static bool
is_same_key(const struct store_key *a, const struct store_key *b)
{
	return span_eq(a->id, b->id) && span_eq(a->domain, b->domain) &&
	       span_eq(a->selector, b->selector);
}

static enum status
check_there(struct memstore *m, const struct keystore_write *write, size_t at, struct err *err)
{
	struct array array = array_of(m->all, write->what);
	union row wanted;
	char *row = array.rows + at * array.bytes;
	const uint64_t *there = revision_of(write->what, row), *seen;

	memcpy(&wanted, &write->row, array.bytes);
	seen = revision_of(write->what, &wanted);
	if (write->what == STORE_REPLY &&
	    ((const struct store_reply *)(const void *)row)->at <= m->now_utc - ADMINROW_REPLIES_S)
		return ST_OK;
	if (write->how == WRITE_ADD)
		return refuse(err, ST_DENIED, "there already, or another tenant's");
	if (write->what != STORE_BINDING &&
	    !span_eq(tenant_of(write->what, row), tenant_of(write->what, &wanted)))
		return refuse(err, ST_DENIED, "it is another tenant's");
	if (write->what == STORE_KEY && !is_same_key((const void *)row, &wanted.key))
		return refuse(err, ST_DENIED, "it is the selector or id of another key");
	if (write->how != WRITE_PUT && seen != NULL && *seen != 0 && *seen != *there)
		return refuse(err, ST_DENIED, "it was changed meanwhile");
	if (write->how == WRITE_REMOVE && something_hangs_on(m, write))
		return refuse(err, ST_DENIED, "something still hangs on it");
	if (write->how == WRITE_REMOVE && write->what == STORE_KEY &&
	    was_published(&((const struct store_key *)(const void *)row)->times))
		return refuse(err, ST_DENIED, "it was published");
	return ST_OK;
}

static bool
is_slot(const struct keystore_write *write)
{
	return write->life && write->what == STORE_KEY && write->how == WRITE_PUT;
}

static size_t
find_slot(struct memstore *m, const struct store_key *row)
{
	for (size_t i = 0; i < m->all->key_count; i++)
		if (span_eq(m->all->keys[i].domain, row->domain) &&
		    span_eq(m->all->keys[i].selector, row->selector))
			return i;
	return SIZE_MAX;
}

static enum status
check_slot(struct memstore *m, const struct store_key *row, size_t at, struct err *err)
{
	const struct store_key *there = &m->all->keys[at];

	if (!span_eq(row->tenant, there->tenant))
		return refuse(err, ST_DENIED, "it is another tenant's");
	if (row->row_revision != there->row_revision)
		return refuse(err, ST_DENIED, "it was changed meanwhile");
	if (there->times.destroyed <= 0)
		return refuse(err, ST_DENIED, "its key is not destroyed, and keeps the slot");
	if (row->revision <= there->revision)
		return refuse(err, ST_DENIED, "who takes the slot over needs a higher revision");
	for (size_t i = 0; i < m->all->key_count; i++)
		if (span_eq(m->all->keys[i].id, row->id))
			return refuse(err, ST_DENIED, "there already, or another tenant's");
	return ST_OK;
}

static enum status
check(struct memstore *m, const struct keystore_write *write, size_t at, struct err *err)
{
	bool looked_at = write->how != WRITE_REMOVE || store_what_is_admin(write->what);
	enum status status = looked_at ? keystore_write_check(write, err) : ST_OK;

	if (status == ST_OK && write->what == STORE_TOKEN && write->how != WRITE_REMOVE &&
	    memstore_has_secret(m, &write->row.token))
		status = refuse(err, ST_DENIED, "another one has its secret");
	if (status != ST_OK)
		return status;
	if (is_slot(write))
		return at == SIZE_MAX ? refuse(err, ST_ABSENT, "there is none")
				      : check_slot(m, &write->row.key, at, err);
	if (at != SIZE_MAX)
		return check_there(m, write, at, err);
	if (write->how == WRITE_CHANGE || write->how == WRITE_REMOVE)
		return refuse(err, ST_ABSENT, "there is none");
	return has_ground(m, write) ? ST_OK
				    : refuse(err, ST_ABSENT, "the tenant has no such domain");
}

static enum status
write_one(
    struct memstore *m, const struct keystore_write *write, struct undo *undo, struct err *err)
{
	size_t at =
	    is_slot(write) ? find_slot(m, &write->row.key) : find(m->all, write->what, &write->row);
	enum status status = check(m, write, at, err);
	struct array array = array_of(m->all, write->what);
	char *row = at == SIZE_MAX ? NULL : array.rows + at * array.bytes;

	if (status != ST_OK)
		return status;
	undo->at = at;
	undo->what = at == SIZE_MAX               ? WAS_ADDED
		     : write->how == WRITE_REMOVE ? WAS_REMOVED
						  : WAS_CHANGED;
	if (at != SIZE_MAX)
		memcpy(&undo->row, row, array.bytes);
	if (write->how == WRITE_REMOVE) {
		memmove(row, row + array.bytes, (*array.count - at - 1) * array.bytes);
		--*array.count;
	} else if (is_slot(write)) {
		write_slot(m, &write->row.key, at);
	} else if (write->life) {
		if (write->what == STORE_DOMAIN)
			write_life_of_domain(m, &write->row.domain, &m->all->domains[at]);
		else
			write_life_of_key(m, &write->row.key, &m->all->keys[at]);
	} else {
		write_row(m, write, at);
	}
	return ST_OK;
}

static void
take_back(struct memstore *m, enum store_what what, const struct undo *undo)
{
	struct array array = array_of(m->all, what);
	char *row;

	if (undo->what == WAS_ADDED) {
		--*array.count;
		return;
	}
	row = array.rows + undo->at * array.bytes;
	if (undo->what == WAS_REMOVED) {
		memmove(row + array.bytes, row, (*array.count - undo->at) * array.bytes);
		++*array.count;
	}
	memcpy(row, &undo->row, array.bytes);
}

enum status
memstore_apply_fenced(struct keystore *store, const struct store_lease *lease,
    const struct keystore_write *writes, size_t count, size_t *at_out, struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = memstore_begin(m, MEMSTORE_APPLY, err);
	struct undo *undo;
	bool raises = false;
	size_t at = 0;

	*at_out = count;
	if (status != ST_OK)
		return status;
	if (count > KEYSTORE_BATCH_MAX)
		return refuse(err, ST_TOO_BIG, "too many changes");
	if (lease != NULL && !memstore_holds(m, lease))
		return refuse(err, ST_DENIED, "the lease is not held any more");
	undo = mem_zalloc(count + 1, sizeof(*undo));
	for (size_t i = 0; i < count; i++)
		raises = raises || !store_what_is_admin(writes[i].what);
	m->epoch += raises;
	while (at < count && status == ST_OK) {
		status = write_one(m, &writes[at], &undo[at], err);
		at += status == ST_OK;
	}
	*at_out = at;
	if (status != ST_OK) {
		while (at-- > 0)
			take_back(m, writes[at].what, &undo[at]);
		m->epoch -= raises;
	}
	for (size_t i = 0; i < count && status == ST_OK; i++)
		note(m, &writes[i]);
	mem_free(undo);
	if (status != ST_OK || m->lost_answers == 0)
		return status;
	m->lost_answers--;
	return refuse(err, ST_UNAVAILABLE, "it is not known whether the change was made");
}

enum status
memstore_apply(struct keystore *store, const struct keystore_write *writes, size_t count,
    size_t *at_out, struct err *err)
{
	return memstore_apply_fenced(store, NULL, writes, count, at_out, err);
}

/* ---- pages ---- */

/* The row whose name is the next one behind after. SIZE_MAX: none. */
static size_t
next_of(struct keystore_rows *all, enum store_what what, const char *after)
{
	struct array array = array_of(all, what);
	char name[NAME_BYTES], best[NAME_BYTES];
	size_t at = SIZE_MAX;

	for (size_t i = 0; i < *array.count; i++) {
		name_of(what, array.rows + i * array.bytes, name);
		if (strcmp(name, after) <= 0 || (at != SIZE_MAX && strcmp(name, best) >= 0))
			continue;
		memcpy(best, name, sizeof(best));
		at = i;
	}
	return at;
}

enum status
memstore_list(struct keystore *store, enum store_what what, struct span after, size_t max,
    struct keystore_rows **out, struct err *err)
{
	struct memstore *m = memstore_of(store);
	struct memstore answer = {.all = NULL};
	enum status status = memstore_begin(m, MEMSTORE_LIST, err);
	char last[NAME_BYTES];
	size_t at;

	*out = NULL;
	if (status != ST_OK)
		return status;
	answer.all = keystore_rows_new();
	answer.all->epoch = m->epoch;
	snprintf(last, sizeof(last), "%.*s", SPAN_ARG(after));
	for (size_t n = 0; n < max; n++) {
		struct array array = array_of(m->all, what);

		at = next_of(m->all, what, last);
		if (at == SIZE_MAX)
			break;
		append(&answer, what, array.rows + at * array.bytes);
		name_of(what, array.rows + at * array.bytes, last);
	}
	*out = answer.all;
	return ST_OK;
}

enum status
memstore_domains_of(struct keystore *store, struct span tenant, struct span after, size_t max,
    struct keystore_rows **out, struct err *err)
{
	struct memstore *m = memstore_of(store);
	struct memstore answer = {.all = NULL};
	enum status status = memstore_begin(m, MEMSTORE_LIST, err);
	char last[NAME_BYTES];

	*out = NULL;
	if (status != ST_OK)
		return status;
	answer.all = keystore_rows_new();
	answer.all->epoch = m->epoch;
	snprintf(last, sizeof(last), "%.*s", SPAN_ARG(after));
	while (answer.all->domain_count < max) {
		size_t at = next_of(m->all, STORE_DOMAIN, last);

		if (at == SIZE_MAX)
			break;
		name_of(STORE_DOMAIN, &m->all->domains[at], last);
		if (span_eq(m->all->domains[at].tenant, tenant))
			append(&answer, STORE_DOMAIN, &m->all->domains[at]);
	}
	*out = answer.all;
	return ST_OK;
}
