/*
 * keystore_ldap_question.c - one question to a key store in a directory: what is searched for, and
 * the rows of the entries that come.
 * Called by keystore_ldap.c, from the keeper's workers.
 * It must never give a row that was not asked for, or call rows newer than they are.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/keystore_ldap_private.h"

/* The name as it was asked for: the directory compares without case. */
static bool
asked_for(const struct ldapstore_question *q, struct span *name)
{
	for (size_t i = 0; i < q->name_count; i++)
		if (span_ieq(*name, q->names[i])) {
			*name = q->names[i];
			return true;
		}
	return false;
}

static enum status
take_store(struct ldapstore_question *q, const struct ldapentry *entry, struct err *err)
{
	q->has_store = true;
	q->store_first = q->entries == 1;
	return ldapstore_epoch(entry, &q->epoch, err);
}

static enum status
take_domain(struct ldapstore_question *q, const struct ldapentry *entry, struct err *err)
{
	struct store_domain row;
	enum status status = ldapstore_domain(entry, &row, err);

	if (status == ST_OK && asked_for(q, &row.name))
		keystore_rows_add_domain(q->found, &row);
	return status;
}

/* Does the rule belong to the question? The directory may hold more subjects for equal than we. */
static bool
rule_fits(const struct ldapstore_question *q, const struct store_rule *row)
{
	if (row->kind == STORE_RULE_PATTERN)
		return span_eq(row->tenant, q->names[0]);
	if (row->kind == STORE_RULE_DOMAIN || row->kind == STORE_RULE_ADDRESS)
		return span_eq(row->subject, q->names[0]);
	for (size_t i = 1; i < q->name_count; i++)
		if (row->subject.n == q->names[i].n + 1 && row->subject.p[0] == '.' &&
		    span_eq(span_from(row->subject, 1), q->names[i]))
			return true;
	return false;
}

static enum status
take_rule(struct ldapstore_question *q, const struct ldapentry *entry, struct err *err)
{
	struct store_rule row;
	enum status status = ldapstore_rule(entry, &row, err);
	bool wanted =
	    status == ST_OK && (row.kind == q->kind ||
				   (q->kind == STORE_RULE_DOMAIN && row.kind == STORE_RULE_SUFFIX));

	if (wanted && rule_fits(q, &row))
		keystore_rows_add_rule(q->rows, &row);
	return status;
}

static enum status
take_key(struct ldapstore_question *q, const struct ldapentry *entry, struct err *err)
{
	struct store_key row;
	enum status status = ldapstore_key(entry, &row, err);

	if (status != ST_OK || !asked_for(q, &row.domain))
		return status;
	return keystore_rows_add_key(q->rows, &row, err);
}

static enum status
take_binding(struct ldapstore_question *q, const struct ldapentry *entry, struct err *err)
{
	struct store_binding row;
	enum status status = ldapstore_binding(entry, &row, err);

	for (size_t i = 0; i < q->name_count && status == ST_OK; i++)
		if (span_eq(row.subject, q->names[i])) {
			keystore_rows_add_binding(q->rows, &row);
			break;
		}
	return status;
}

static enum status
take_entry(void *context, const struct ldapentry *entry, struct err *err)
{
	struct ldapstore_question *q = context;

	q->entries++;
	switch (ldapstore_kind(entry)) {
	case LDAPSTORE_STORE:
		return take_store(q, entry, err);
	case LDAPSTORE_DOMAIN:
		return take_domain(q, entry, err);
	case LDAPSTORE_RULE:
		return take_rule(q, entry, err);
	case LDAPSTORE_KEY:
		return take_key(q, entry, err);
	case LDAPSTORE_BINDING:
		return take_binding(q, entry, err);
	default:
		return ST_OK;
	}
}

static enum status
take_probe(void *context, const struct ldapentry *entry, struct err *err)
{
	struct ldapstore_question *q = context;

	(void)entry;
	(void)err;
	q->rows->address_rules = true;
	return ST_OK;
}

static int
by_priority(const void *left, const void *right)
{
	const struct store_rule *a = left, *b = right;
	size_t n = a->id.n < b->id.n ? a->id.n : b->id.n;
	int order = n == 0 ? 0 : memcmp(a->id.p, b->id.p, n);

	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	return order != 0 ? order : (a->id.n > b->id.n) - (a->id.n < b->id.n);
}

static int
newest_first(const void *left, const void *right)
{
	const struct store_key *a = left, *b = right;
	size_t n = a->id.n < b->id.n ? a->id.n : b->id.n;
	int order = n == 0 ? 0 : memcmp(a->id.p, b->id.p, n);

	if (a->times.active != b->times.active)
		return a->times.active > b->times.active ? -1 : 1;
	return order != 0 ? order : (a->id.n > b->id.n) - (a->id.n < b->id.n);
}

/* A server gives entries in any order. */
static void
put_in_order(struct keystore_rows *rows)
{
	if (rows->rule_count > 1)
		qsort(rows->rules, rows->rule_count, sizeof(rows->rules[0]), by_priority);
	if (rows->key_count > 1)
		qsort(rows->keys, rows->key_count, sizeof(rows->keys[0]), newest_first);
	if (rows->key_count > KEYSTORE_KEYS_MAX)
		rows->key_count = KEYSTORE_KEYS_MAX;
}

/* ---- searches ---- */

/* One that failed leaves what became of the connection, and its sentence. */
static enum status
take_stage(struct ldapstore *store, struct ldaplink *link, struct ldapstore_stage *stage,
    int64_t deadline_ms, struct ldaplink_end *end, struct err *err)
{
	enum status status = ldaplink_take(
	    link, &stage->search, stage->id, deadline_ms, stage->visit, stage->context, end, err);

	if (status != ST_OK && status != ST_ABSENT)
		return status;
	if (end->limited && !stage->any_number) {
		err_set(err,
		    "%s gives no more than %zu entries of an answer: is there a size limit for "
		    "LDAPBindUser, or are there too many rows?",
		    link->uri, end->entries);
		return ST_TOO_BIG;
	}
	if (!end->referred)
		return ST_OK;
	ldappool_note_referred(&store->pool);
	err_set(err, "%s refers to another server for a part of the store", link->uri);
	return ST_UNAVAILABLE;
}

enum status
ldapstore_ask(struct ldapstore *store, struct ldaplink *link, struct ldapstore_stage *stages,
    size_t count, int64_t deadline_ms, struct ldaplink_end *end, struct err *err)
{
	enum status status = ST_OK;
	struct err other;

	memset(end, 0, sizeof(*end));
	for (size_t i = 0; i < count; i++) {
		status =
		    ldaplink_send(link, &stages[i].search, deadline_ms, &stages[i].id, end, err);
		if (status != ST_OK) {
			/* What was sent would be in the way of the next question. */
			end->lost = true;
			return status;
		}
	}
	for (size_t i = 0; i < count && !end->lost && !end->silent; i++) {
		enum status each = take_stage(
		    store, link, &stages[i], deadline_ms, end, status == ST_OK ? err : &other);

		status = status == ST_OK ? each : status;
	}
	return end->lost || end->silent ? ST_UNAVAILABLE : status;
}

enum status
ldapstore_no_store(const struct ldapstore *store, struct err *err)
{
	err_set(err,
	    "\"%.200s\" shows no entry of class signpostStore: is the base right, is the schema "
	    "of ldif/ loaded, was the store made (signpost store init), and may LDAPBindUser "
	    "read it?",
	    store->base);
	return ST_UNAVAILABLE;
}

static void
forget_answer(struct ldapstore_question *q)
{
	keystore_rows_release(q->rows);
	keystore_rows_release(q->found);
	q->rows = q->found = NULL;
}

static void
begin_answer(struct ldapstore_question *q)
{
	forget_answer(q);
	q->rows = keystore_rows_new();
	q->found = keystore_rows_new();
	q->epoch = q->entries = 0;
	q->has_store = q->store_first = false;
}

static enum status
ask_rows(struct ldapstore_question *q, struct ldaplink *link, int64_t deadline_ms,
    struct ldaplink_end *end, struct err *err)
{
	struct ldapstore_stage stages[2] = {
	    {.search = {q->store->base, q->filter, LDAPURL_SUB, ldapstore_signing_attributes,
		 q->entries_max, false, true, 0},
		.visit = take_entry,
		.context = q},
	    {.search = {q->store->base, q->probe, LDAPURL_SUB, ldapstore_signing_attributes, 1,
		 false, false, 0},
		.visit = take_probe,
		.context = q,
		.any_number = true},
	};

	return ldapstore_ask(
	    q->store, link, stages, q->probe == NULL ? 1 : 2, deadline_ms, end, err);
}

static enum status
do_question(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct ldapstore_question *q = context;
	struct ldapstore_policies policies = {NULL};
	enum status status;

	begin_answer(q);
	status = ask_rows(q, link, deadline_ms, end, err);
	if (status == ST_OK && !q->has_store)
		status = ldapstore_no_store(q->store, err);
	if (status == ST_OK &&
	    (q->found->domain_count > 0 || q->rows->rule_count > 0 || q->tenant.n > 0)) {
		/* Tenants of domains and of rules alike. */
		for (size_t i = 0; i < q->rows->rule_count; i++)
			keystore_rows_add_rule(q->found, &q->rows->rules[i]);
		status = ldapstore_ask_owners(
		    q->store, link, q->found, q->rows, q->tenant, &policies, deadline_ms, end, err);
	}
	if (status == ST_OK)
		ldapstore_add_domains(q->found, &policies, q->rows);
	ldapstore_policies_free(&policies);
	return status;
}

/* An epoch that came behind rows is newer than they may be. */
enum status
ldapstore_answer(struct ldapstore_question *q, struct keystore_rows **out, struct err *err)
{
	enum status status = ldappool_run(&q->store->pool, do_question, q, err);

	if (status == ST_OK) {
		q->rows->epoch = q->store_first ? q->epoch : 0;
		put_in_order(q->rows);
		*out = q->rows;
		q->rows = NULL;
	} else {
		err_prefix(err, "%s", q->store->where);
	}
	forget_answer(q);
	return status;
}
