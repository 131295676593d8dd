/*
 * keystore_sql_values.c - from rows of a key store to the bound values of statements that write.
 * Called by keystore_sql_write.c. The order of values is that of sql/STATEMENTS.
 * It must never let a row be changed without the tenant that it belongs to.
 */
#include <stdio.h>

#include "backends/keystore_sql.h"

/* The values of one row while they are put together. */
struct list {
	struct sql_value *values;
	size_t n;
};

static void
text(struct list *list, struct span value)
{
	list->values[list->n++] = sql_text(value);
}

static void
text_or_null(struct list *list, struct span value)
{
	list->values[list->n++] = sql_text_or_null(value);
}

static void
number(struct list *list, int64_t value)
{
	list->values[list->n++] = sql_number(value);
}

/* What the revision that is there must be between. 0: any. */
static void
range(struct list *list, const struct keystore_write *write, uint64_t wanted)
{
	bool any = wanted == 0 || wanted > INT64_MAX || write->how == WRITE_PUT;

	number(list, any ? 0 : (int64_t)wanted);
	number(list, any ? INT64_MAX : (int64_t)wanted);
}

struct span
sql_store_rule_domain(const struct store_rule *rule)
{
	switch (rule->kind) {
	case STORE_RULE_ADDRESS:
		return span_from(rule->subject, span_rfind(rule->subject, '@') + 1);
	case STORE_RULE_DOMAIN:
		return rule->subject;
	case STORE_RULE_SUFFIX:
		return rule->subject.n == 0 ? SPAN_EMPTY : span_from(rule->subject, 1);
	case STORE_RULE_PATTERN:
		return SPAN_EMPTY;
	}
	return SPAN_EMPTY;
}

/* Each of these: the key first where a row is added, last where it is looked for. */

static void
tenant_values(struct list *list, enum write_question question, const struct keystore_write *write,
    int64_t revision)
{
	const struct store_tenant *row = &write->row.tenant;

	if (question == W_ADD)
		text(list, row->name);
	if (question == W_ADD || question == W_CHANGE) {
		text(list, row->failure);
		number(list, row->enabled);
		number(list, revision);
	}
	if (question != W_ADD)
		text(list, row->name);
	if (question == W_CHANGE || question == W_REMOVE)
		range(list, write, row->revision);
}

static void
policy_values(struct list *list, enum write_question question, const struct keystore_write *write,
    int64_t revision)
{
	const struct store_policy *row = &write->row.policy;

	if (question == W_ADD) {
		text(list, row->tenant);
		text(list, row->name);
	}
	if (question == W_ADD || question == W_CHANGE) {
		text(list, row->failure);
		number(list, row->signature_ttl_s);
		text(list, row->plan);
		number(list, revision);
	}
	if (question != W_ADD) {
		text(list, row->tenant);
		text(list, row->name);
	}
	if (question == W_CHANGE || question == W_REMOVE)
		range(list, write, row->revision);
}

static void
domain_values(struct list *list, enum write_question question, const struct keystore_write *write,
    int64_t revision)
{
	const struct store_domain *row = &write->row.domain;

	if (question == W_ADD) {
		text(list, row->name);
		text(list, row->tenant);
	}
	if (question == W_ADD || question == W_CHANGE) {
		text_or_null(list, row->signs_as);
		text_or_null(list, row->policy);
		number(list, row->subdomains);
		number(list, row->enabled);
		number(list, revision);
	}
	if (question != W_ADD)
		text(list, row->name);
	if (question == W_CHANGE || question == W_REMOVE) {
		text(list, row->tenant);
		range(list, write, row->revision);
	}
}

static void
rule_values(struct list *list, enum write_question question, const struct keystore_write *write,
    int64_t revision)
{
	const struct store_rule *row = &write->row.rule;

	if (question == W_ADD) {
		text(list, row->tenant);
		text(list, row->id);
	}
	if (question == W_ADD || question == W_CHANGE) {
		number(list, row->kind);
		text(list, row->subject);
		text(list, sql_store_rule_domain(row));
		text(list, row->domain);
		text(list, row->identity);
		number(list, row->priority);
		number(list, row->enabled);
		number(list, revision);
	}
	if (question != W_ADD) {
		text(list, row->tenant);
		text(list, row->id);
	}
	if (question == W_CHANGE || question == W_REMOVE)
		range(list, write, row->revision);
}

static void
key_times(struct list *list, const struct key_times *t)
{
	const int64_t times[] = {t->created, t->publishing, t->published, t->proven, t->loaded,
	    t->active, t->retiring, t->revoking, t->revoked, t->removed, t->destroyed, t->held,
	    t->compromised, t->failed, t->sign_until};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		number(list, times[i]);
}

static void
key_data(struct list *list, const struct store_key *row, int64_t revision)
{
	text(list, row->algorithm);
	text(list, row->public_key);
	text(list, row->private_key);
	number(list, row->bits);
	number(list, (int64_t)row->revision);
	number(list, revision);
	key_times(list, &row->times);
}

static void
key_values(struct list *list, enum write_question question, const struct keystore_write *write,
    int64_t revision)
{
	const struct store_key *row = &write->row.key;

	if (question == W_CHANGE)
		key_data(list, row, revision);
	text(list, row->id);
	if (question != W_FIND)
		text(list, row->tenant);
	text(list, row->domain);
	text(list, row->selector);
	if (question == W_ADD)
		key_data(list, row, revision);
	if (question == W_CHANGE || question == W_REMOVE)
		range(list, write, row->row_revision);
	if (question == W_CHANGE)
		number(list, (int64_t)row->revision);
}

static void
binding_values(struct list *list, enum write_question question, const struct keystore_write *write,
    int64_t revision)
{
	const struct store_binding *row = &write->row.binding;

	(void)revision;
	if (question == W_CHANGE)
		text(list, row->tenant);
	text(list, row->subject);
	if (question == W_ADD || question == W_REMOVE)
		text(list, row->tenant);
}

size_t
sql_store_values(enum write_question question, const struct keystore_write *write, int64_t revision,
    struct sql_value *out)
{
	static void (*const makers[])(
	    struct list *, enum write_question, const struct keystore_write *, int64_t) = {
	    [STORE_TENANT] = tenant_values,
	    [STORE_POLICY] = policy_values,
	    [STORE_DOMAIN] = domain_values,
	    [STORE_RULE] = rule_values,
	    [STORE_KEY] = key_values,
	    [STORE_BINDING] = binding_values,
	};
	struct list list = {.values = out};

	makers[write->what](&list, question == W_ADD_MANY ? W_ADD : question, write, revision);
	return list.n;
}

static void
life_of_key(struct list *list, const struct store_key *row, int64_t epoch)
{
	bool now = row->loading == KEYSTORE_LOADING_NOW;

	key_times(list, &row->times);
	number(list, row->lease_s);
	text(list, row->life);
	number(list, now ? epoch : (int64_t)row->loading);
	number(list, row->times.destroyed);
	number(list, epoch);
	text(list, row->id);
	text(list, row->tenant);
	text(list, row->domain);
	text(list, row->selector);
	number(list, (int64_t)row->row_revision);
}

/* All of a row, then which one it is to be put in place of. */
static void
slot_of_key(struct list *list, const struct store_key *row, int64_t epoch)
{
	bool now = row->loading == KEYSTORE_LOADING_NOW;

	key_data(list, row, epoch);
	number(list, row->lease_s);
	text(list, row->life);
	number(list, now ? epoch : (int64_t)row->loading);
	text(list, row->id);
	text(list, row->tenant);
	text(list, row->domain);
	text(list, row->selector);
	number(list, (int64_t)row->row_revision);
	number(list, (int64_t)row->revision);
	text(list, row->id);
}

static void
life_of_domain(struct list *list, const struct store_domain *row, int64_t epoch)
{
	text(list, row->life);
	number(list, row->due);
	number(list, epoch);
	text(list, row->name);
	text(list, row->tenant);
	number(list, (int64_t)row->revision);
}

size_t
sql_store_life_values(const struct keystore_write *write, int64_t epoch, struct sql_value *out)
{
	struct list list = {.values = out};

	if (write->what == STORE_KEY && write->how == WRITE_PUT)
		slot_of_key(&list, &write->row.key, epoch);
	else if (write->what == STORE_KEY)
		life_of_key(&list, &write->row.key, epoch);
	else
		life_of_domain(&list, &write->row.domain, epoch);
	return list.n;
}

void
sql_store_row_name(const struct keystore_write *write, char *name, size_t bytes)
{
	static const char *const kinds[] = {[STORE_TENANT] = "tenant",
	    [STORE_POLICY] = "policy",
	    [STORE_DOMAIN] = "domain",
	    [STORE_RULE] = "rule",
	    [STORE_KEY] = "key",
	    [STORE_BINDING] = "binding"};
	const struct span names[] = {[STORE_TENANT] = write->row.tenant.name,
	    [STORE_POLICY] = write->row.policy.name,
	    [STORE_DOMAIN] = write->row.domain.name,
	    [STORE_RULE] = write->row.rule.id,
	    [STORE_KEY] = write->row.key.selector,
	    [STORE_BINDING] = write->row.binding.subject};
	struct span row = span_sub(names[write->what], 0, 200);

	if (write->what == STORE_KEY)
		snprintf(name, bytes, "key %.*s of %.*s", SPAN_ARG(row),
		    SPAN_ARG(span_sub(write->row.key.domain, 0, KEYSTORE_DOMAIN_MAX)));
	else
		snprintf(name, bytes, "%s %.*s", kinds[write->what], SPAN_ARG(row));
}
