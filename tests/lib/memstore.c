/*
 * memstore.c - every question is answered by a walk over all rows.
 * Used by the tests of routes, tenants, caches and the keeper. It must never be clever: it is the
 * plain meaning of keystore.h, against which others are compared.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/mem.h"
#include "tests/lib/memstore_private.h"

struct memstore *
memstore_of(struct keystore *store)
{
	return store->state;
}

static enum status
memstore_open(struct keystore *store, struct span value, bool write, struct err *err)
{
	struct memstore *m = mem_zalloc(1, sizeof(*m));

	(void)value;
	(void)write;
	(void)err;
	m->all = keystore_rows_new();
	m->epoch = 1;
	keystore_identity_make(m->identity);
	store->state = m;
	store->where = mem_strdup("memory");
	return ST_OK;
}

static void
memstore_close(struct keystore *store)
{
	struct memstore *m = memstore_of(store);

	keystore_rows_release(m->all);
	memstore_texts_free(m);
	mem_free(m);
}

struct keystore *
memstore_new(void)
{
	static const struct keystore_ops *const ops[] = {&memstore_ops};
	static const struct keystore_registry registry = {.ops = ops, .count = 1};
	struct keystore *store;
	struct err err = ERR_NONE;

	if (keystore_open(&registry, "memory:", true, &store, &err) != ST_OK)
		abort();
	return store;
}

struct keystore *
memstore_make(const char *name)
{
	struct keystore *store = memstore_new();

	(void)name;
	memstore_of(store)->now_utc = 1800000000;
	return store;
}

void
memstore_clear(struct keystore *store)
{
	struct memstore *m = memstore_of(store);
	uint64_t epoch = m->epoch;

	keystore_rows_release(m->all);
	memstore_texts_free(m);
	memset(m, 0, sizeof(*m));
	m->all = keystore_rows_new();
	m->epoch = epoch;
}

void
memstore_fail(struct keystore *store, enum status status)
{
	for (int q = 0; q <= MEMSTORE_BINDINGS; q++)
		memstore_of(store)->status[q] = status;
}

unsigned
memstore_asked(struct keystore *store, enum memstore_question question)
{
	return atomic_load(&memstore_of(store)->asked[question]);
}

void
memstore_forget_asked(struct keystore *store)
{
	for (int q = 0; q < MEMSTORE_QUESTIONS; q++)
		atomic_store(&memstore_of(store)->asked[q], 0);
}

/* ---- what the tests put in ---- */

struct store_tenant *
memstore_tenant(struct keystore *store, const char *name)
{
	struct keystore_rows *all = memstore_of(store)->all;

	keystore_rows_add_tenant(
	    all, &(struct store_tenant){.name = span_str(name), .enabled = true, .revision = 1});
	return &all->tenants[all->tenant_count - 1];
}

struct store_domain *
memstore_domain(struct keystore *store, const char *name, const char *tenant, bool subdomains)
{
	struct keystore_rows *all = memstore_of(store)->all;
	struct store_domain row = {.name = span_str(name),
	    .tenant = span_str(tenant),
	    .signature_ttl_s = -1,
	    .subdomains = subdomains,
	    .enabled = true,
	    .revision = 1};

	keystore_rows_add_domain(all, &row);
	return &all->domains[all->domain_count - 1];
}

struct store_rule *
memstore_rule(struct keystore *store, enum store_rule_kind kind, const char *id, const char *tenant,
    const char *subject, const char *domain)
{
	struct keystore_rows *all = memstore_of(store)->all;
	struct store_rule row = {.kind = kind,
	    .id = span_str(id),
	    .tenant = span_str(tenant),
	    .subject = span_str(subject),
	    .domain = span_str(domain),
	    .enabled = true,
	    .revision = 1};

	keystore_rows_add_rule(all, &row);
	return &all->rules[all->rule_count - 1];
}

struct store_key *
memstore_key(struct keystore *store, const char *tenant, const char *domain, const char *selector,
    int64_t active)
{
	struct keystore_rows *all = memstore_of(store)->all;
	struct store_key row = {.id = span_str(selector),
	    .tenant = span_str(tenant),
	    .domain = span_str(domain),
	    .selector = span_str(selector),
	    .algorithm = SPAN_LIT("rsa-sha256"),
	    .private_key = SPAN_LIT("spk1:1:AAAA"),
	    .bits = 2048,
	    .revision = 1,
	    .times = {.created = 1, .active = active}};

	if (keystore_rows_add_key(all, &row, NULL) != ST_OK)
		abort();
	return &all->keys[all->key_count - 1];
}

void
memstore_binding(struct keystore *store, const char *subject, const char *tenant)
{
	keystore_rows_add_binding(memstore_of(store)->all,
	    &(struct store_binding){.subject = span_str(subject), .tenant = span_str(tenant)});
}

void
memstore_note(struct memstore *m, const char *subject)
{
	struct store_change *change;

	if (m->change_count == MEMSTORE_CHANGES_KEPT) {
		memmove(
		    m->changes, m->changes + 1, (MEMSTORE_CHANGES_KEPT - 1) * sizeof(*m->changes));
		m->change_count--;
	}
	change = &m->changes[m->change_count++];
	memset(change, 0, sizeof(*change));
	change->epoch = m->epoch;
	memcpy(change->subject, subject, strnlen(subject, sizeof(change->subject) - 1));
}

void
memstore_changed(struct keystore *store, const char *subject)
{
	memstore_of(store)->epoch++;
	memstore_note(memstore_of(store), subject);
}

/* ---- one answer ---- */

struct answer {
	struct memstore *m;
	enum memstore_question question;
	struct keystore_rows *rows;
	bool everything; /* a lie: whatever was asked for */
};

enum status
memstore_begin(struct memstore *m, enum memstore_question question, struct err *err)
{
	struct timespec delay = {.tv_sec = m->delay_ms[question] / 1000,
	    .tv_nsec = (long)(m->delay_ms[question] % 1000) * 1000000};

	atomic_fetch_add(&m->asked[question], 1);
	if (m->delay_ms[question] > 0)
		nanosleep(&delay, NULL);
	if (m->status[question] != ST_OK)
		err_set(err, "memory: question %d fails as the test says", (int)question);
	return m->status[question];
}

static enum status
begin(struct keystore *store, enum memstore_question question, struct answer *a, struct err *err)
{
	struct memstore *m = memstore_of(store);
	enum status status = memstore_begin(m, question, err);

	if (status != ST_OK)
		return status;
	*a = (struct answer){.m = m, .question = question};
	a->everything = (m->lies & MEMSTORE_OTHER_NAMES) != 0;
	a->rows = keystore_rows_new();
	a->rows->epoch = m->epoch;
	return ST_OK;
}

static enum status
finish(struct answer *a, struct keystore_rows **out)
{
	if (a->m->tamper != NULL)
		a->m->tamper(a->m->tamper_context, a->question, a->rows);
	*out = a->rows;
	return ST_OK;
}

static bool
intruder(const struct answer *a)
{
	return (a->m->lies & MEMSTORE_OTHER_TENANTS) != 0;
}

static bool
is_one_of(struct span name, const struct span *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_eq(name, names[i]))
			return true;
	return false;
}

static void
give_tenant(struct answer *a, struct span name)
{
	for (size_t i = 0; i < a->rows->tenant_count; i++)
		if (span_eq(a->rows->tenants[i].name, name))
			return;
	for (size_t i = 0; i < a->m->all->tenant_count; i++)
		if (span_eq(a->m->all->tenants[i].name, name))
			keystore_rows_add_tenant(a->rows, &a->m->all->tenants[i]);
}

static void
give_domain(struct answer *a, const struct store_domain *row)
{
	struct store_domain other = *row;

	other.tenant = SPAN_LIT("intruder");
	if (intruder(a))
		keystore_rows_add_domain(a->rows, &other);
	keystore_rows_add_domain(a->rows, row);
	give_tenant(a, row->tenant);
}

static void
give_rule(struct answer *a, const struct store_rule *row)
{
	struct store_rule other = *row;

	other.tenant = SPAN_LIT("intruder");
	if (intruder(a))
		keystore_rows_add_rule(a->rows, &other);
	keystore_rows_add_rule(a->rows, row);
	if (!a->m->rules_without_tenants)
		give_tenant(a, row->tenant);
}

static enum status
give_key(struct answer *a, const struct store_key *row, struct err *err)
{
	struct store_key other = *row, given = *row;
	enum status status = ST_OK;

	if ((a->m->lies & MEMSTORE_WRONG_SELECTORS) != 0)
		given.selector = other.selector = SPAN_LIT("wrong selector;");
	other.tenant = SPAN_LIT("intruder");
	if (intruder(a))
		status = keystore_rows_add_key(a->rows, &other, err);
	return status == ST_OK ? keystore_rows_add_key(a->rows, &given, err) : status;
}

/* ---- the questions ---- */

/* Is this the rule of a domain or suffix that covers names[0]? */
static bool
covers(const struct store_rule *rule, const struct span *names, size_t count)
{
	if (rule->kind == STORE_RULE_DOMAIN)
		return span_eq(rule->subject, names[0]);
	return rule->kind == STORE_RULE_SUFFIX && rule->subject.n > 0 &&
	       rule->subject.p[0] == '.' &&
	       is_one_of(span_from(rule->subject, 1), names + 1, count - 1);
}

static enum status
memstore_senders(struct keystore *store, const struct span *names, size_t count,
    struct keystore_rows **out, struct err *err)
{
	struct answer a;
	enum status status = begin(store, MEMSTORE_SENDERS, &a, err);

	if (status != ST_OK)
		return status;
	for (size_t i = 0; i < a.m->all->domain_count; i++)
		if (a.everything || is_one_of(a.m->all->domains[i].name, names, count))
			give_domain(&a, &a.m->all->domains[i]);
	for (size_t i = 0; i < a.m->all->rule_count; i++) {
		const struct store_rule *rule = &a.m->all->rules[i];
		size_t at = span_rfind(rule->subject, '@');

		if (a.everything || covers(rule, names, count))
			give_rule(&a, rule);
		if (rule->kind == STORE_RULE_ADDRESS && at != SIZE_MAX &&
		    span_eq(span_from(rule->subject, at + 1), names[0]))
			a.rows->address_rules = true;
	}
	return finish(&a, out);
}

static enum status
memstore_address(
    struct keystore *store, struct span address, struct keystore_rows **out, struct err *err)
{
	struct answer a;
	enum status status = begin(store, MEMSTORE_ADDRESS, &a, err);

	if (status != ST_OK)
		return status;
	for (size_t i = 0; i < a.m->all->rule_count; i++) {
		const struct store_rule *rule = &a.m->all->rules[i];

		if (a.everything ||
		    (rule->kind == STORE_RULE_ADDRESS && span_eq(rule->subject, address)))
			give_rule(&a, rule);
	}
	return finish(&a, out);
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

static enum status
memstore_patterns(
    struct keystore *store, struct span tenant, struct keystore_rows **out, struct err *err)
{
	struct answer a;
	enum status status = begin(store, MEMSTORE_PATTERNS, &a, err);

	if (status != ST_OK)
		return status;
	for (size_t i = 0; i < a.m->all->rule_count; i++) {
		const struct store_rule *rule = &a.m->all->rules[i];

		if (a.everything ||
		    (rule->kind == STORE_RULE_PATTERN && span_eq(rule->tenant, tenant)))
			give_rule(&a, rule);
	}
	if (a.rows->rule_count > 1)
		qsort(a.rows->rules, a.rows->rule_count, sizeof(*a.rows->rules), by_priority);
	if (a.rows->rule_count > KEYSTORE_PATTERNS_MAX) {
		err_set(err, "memory: more than %u patterns", KEYSTORE_PATTERNS_MAX);
		keystore_rows_release(a.rows);
		return ST_TOO_BIG;
	}
	give_tenant(&a, tenant);
	return finish(&a, out);
}

static int
newest_first(const void *left, const void *right)
{
	const struct store_key *a = left, *b = right;

	return (a->times.active < b->times.active) - (a->times.active > b->times.active);
}

static enum status
memstore_keys(
    struct keystore *store, struct span domain, struct keystore_rows **out, struct err *err)
{
	struct answer a;
	enum status status = begin(store, MEMSTORE_KEYS, &a, err);

	if (status != ST_OK)
		return status;
	for (size_t i = 0; i < a.m->all->domain_count; i++)
		if (a.everything || span_eq(a.m->all->domains[i].name, domain))
			give_domain(&a, &a.m->all->domains[i]);
	for (size_t i = 0; i < a.m->all->key_count && status == ST_OK; i++) {
		const struct store_key *key = &a.m->all->keys[i];

		if (a.everything || (span_eq(key->domain, domain) && key->times.active > 0 &&
					key->times.revoked == 0))
			status = give_key(&a, key, err);
	}
	if (status != ST_OK) {
		keystore_rows_release(a.rows);
		return status;
	}
	if (a.rows->key_count > 1)
		qsort(a.rows->keys, a.rows->key_count, sizeof(*a.rows->keys), newest_first);
	return finish(&a, out);
}

static enum status
memstore_bindings(struct keystore *store, const struct span *subjects, size_t count,
    struct keystore_rows **out, struct err *err)
{
	struct answer a;
	enum status status = begin(store, MEMSTORE_BINDINGS, &a, err);

	if (status != ST_OK)
		return status;
	for (size_t i = 0; i < a.m->all->binding_count; i++) {
		struct store_binding row = a.m->all->bindings[i];

		if (!a.everything && !is_one_of(row.subject, subjects, count))
			continue;
		keystore_rows_add_binding(a.rows, &row);
		row.tenant = SPAN_LIT("intruder");
		if (intruder(&a))
			keystore_rows_add_binding(a.rows, &row);
	}
	return finish(&a, out);
}

static enum status
memstore_changes(struct keystore *store, uint64_t since, size_t max, struct store_change *out,
    size_t *count_out, struct store_state *state_out, struct err *err)
{
	struct answer a;
	enum status status = begin(store, MEMSTORE_CHANGES, &a, err);

	if (status != ST_OK)
		return status;
	keystore_rows_release(a.rows);
	*count_out = 0;
	state_out->epoch = a.m->epoch;
	memcpy(state_out->identity, a.m->identity, sizeof(state_out->identity));
	for (size_t i = 0; i < a.m->change_count; i++) {
		if (a.m->changes[i].epoch <= since)
			continue;
		if (*count_out == max || (i == 0 && a.m->changes[0].epoch > since + 1)) {
			err_set(
			    err, "memory: too many changes since %llu", (unsigned long long)since);
			return ST_TOO_BIG;
		}
		out[(*count_out)++] = a.m->changes[i];
	}
	return ST_OK;
}

static enum status
memstore_now(struct keystore *store, int64_t *utc_s_out, struct err *err)
{
	struct answer a;
	enum status status = begin(store, MEMSTORE_NOW, &a, err);

	if (status != ST_OK)
		return status;
	keystore_rows_release(a.rows);
	*utc_s_out = a.m->now_utc;
	return ST_OK;
}

const struct keystore_ops memstore_ops = {.scheme = "memory",
    .open = memstore_open,
    .close = memstore_close,
    .senders = memstore_senders,
    .address = memstore_address,
    .patterns = memstore_patterns,
    .keys = memstore_keys,
    .bindings = memstore_bindings,
    .changes = memstore_changes,
    .now = memstore_now,
    .apply = memstore_apply,
    .list = memstore_list,
    .domains_of = memstore_domains_of,
    .apply_fenced = memstore_apply_fenced,
    .due = memstore_due,
    .lives = memstore_lives,
    .loading = memstore_loading,
    .gateways = memstore_gateways,
    .forget = memstore_forget,
    .report = memstore_report,
    .lease = memstore_lease,
    .token = memstore_token,
    .provider = memstore_provider,
    .quota = memstore_quota,
    .count = memstore_count,
    .reply = memstore_reply,
    .forget_replies = memstore_forget_replies,
    .audits = memstore_audits,
    .audit_head = memstore_audit_head};
