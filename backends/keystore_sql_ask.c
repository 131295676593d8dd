/*
 * keystore_sql_ask.c - the questions of a key store, each one statement of SQL: its rows and the
 * epoch in it are of one moment.
 * Called by the keeper's threads through lib/store/keystore.h.
 * It must never take anything for "no rows" but an answer without a row.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/keystore_sql.h"

#define DOMAIN_KEYS_MAX 1000U /* that are not revoked */

enum status
sql_store_ask_rows(struct sql_reading *reading, enum keystore_question statement,
    const struct sql_value *values, size_t count, sql_row *row, struct keystore_rows **out)
{
	struct sql_question question = {.statement = statement,
	    .values = values,
	    .count = count,
	    .row = row,
	    .context = reading};
	enum status status =
	    sql_store_ask(reading->store, &question, sql_reading_again, reading->err);

	return sql_reading_end_headed(reading, status, out);
}

size_t
sql_store_fill(struct sql_value *values, const struct span *names, size_t count, size_t slots)
{
	for (size_t i = 0; i < slots; i++) {
		if (count == 0)
			values[i] = sql_text(SPAN_EMPTY);
		else
			values[i] = sql_text(names[i < count ? i : count - 1]);
	}
	return slots;
}

enum status
sql_store_senders(struct keystore *store, const struct span *names, size_t count,
    struct keystore_rows **out, struct err *err)
{
	bool few = count <= KEYSTORE_SQL_FEW;
	size_t slots = few ? KEYSTORE_SQL_FEW : KEYSTORE_NAMES_MAX, n = 0;
	struct sql_value values[2 * KEYSTORE_NAMES_MAX + 3];
	struct sql_reading reading;

	sql_reading_begin(&reading, store->state, err);
	reading.asked = names;
	reading.asked_count = count;
	n += sql_store_fill(values, names, count, slots);
	values[n++] = sql_text(names[0]);
	n += sql_store_fill(values + n, names + 1, count - 1, slots);
	values[n++] = sql_text(names[0]);
	/* All of a good store: the two rows around, the domains, the rules of each subject. */
	values[n++] = sql_number((int64_t)(2 + slots * (1 + KEYSTORE_RULES_MAX)) + 1);
	return sql_store_ask_rows(
	    &reading, few ? Q_SENDERS_FEW : Q_SENDERS, values, n, sql_row_senders, out);
}

enum status
sql_store_address(
    struct keystore *store, struct span address, struct keystore_rows **out, struct err *err)
{
	struct span domain = span_from(address, span_rfind(address, '@') + 1);
	struct sql_value values[] = {sql_text(domain), sql_text(address)};
	struct sql_reading reading;

	sql_reading_begin(&reading, store->state, err);
	reading.asked = &address;
	reading.asked_count = 1;
	return sql_store_ask_rows(&reading, Q_ADDRESS, values, 2, sql_row_rules, out);
}

enum status
sql_store_patterns(
    struct keystore *store, struct span tenant, struct keystore_rows **out, struct err *err)
{
	struct sql_value values[] = {sql_text(tenant)};
	struct sql_reading reading;
	enum status status;

	sql_reading_begin(&reading, store->state, err);
	status = sql_store_ask_rows(&reading, Q_PATTERNS, values, 1, sql_row_rules, out);
	if (status != ST_OK || (*out)->rule_count <= KEYSTORE_PATTERNS_MAX)
		return status;
	keystore_rows_release(*out);
	*out = NULL;
	err_set(err, "%s: tenant %.*s has more than %u patterns", store->where, SPAN_ARG(tenant),
	    KEYSTORE_PATTERNS_MAX);
	return ST_TOO_BIG;
}

/* Newest first. */
static int
compare_keys(const void *a, const void *b)
{
	const struct store_key *x = a, *y = b;

	if (x->times.active != y->times.active)
		return x->times.active > y->times.active ? -1 : 1;
	return strncmp(x->id.p, y->id.p, x->id.n < y->id.n ? x->id.n : y->id.n);
}

enum status
sql_store_keys(
    struct keystore *store, struct span domain, struct keystore_rows **out, struct err *err)
{
	struct sql_value values[] = {sql_text(domain)};
	struct sql_reading reading;
	enum status status;

	sql_reading_begin(&reading, store->state, err);
	reading.asked = &domain;
	reading.asked_count = 1;
	status = sql_store_ask_rows(&reading, Q_KEYS, values, 1, sql_row_keys, out);
	if (status != ST_OK)
		return status;
	if ((*out)->key_count > DOMAIN_KEYS_MAX) {
		keystore_rows_release(*out);
		*out = NULL;
		err_set(err, "%s: %.*s has more than %u keys that are not revoked", store->where,
		    SPAN_ARG(domain), DOMAIN_KEYS_MAX);
		return ST_TOO_BIG;
	}
	if ((*out)->key_count > 1)
		qsort((*out)->keys, (*out)->key_count, sizeof((*out)->keys[0]), compare_keys);
	if ((*out)->key_count > KEYSTORE_KEYS_MAX)
		(*out)->key_count = KEYSTORE_KEYS_MAX;
	return ST_OK;
}

enum status
sql_store_bindings(struct keystore *store, const struct span *subjects, size_t count,
    struct keystore_rows **out, struct err *err)
{
	struct sql_value values[KEYSTORE_NAMES_MAX];
	struct sql_reading reading;

	sql_reading_begin(&reading, store->state, err);
	reading.asked = subjects;
	reading.asked_count = count;
	sql_store_fill(values, subjects, count, KEYSTORE_NAMES_MAX);
	return sql_store_ask_rows(
	    &reading, Q_BINDINGS, values, KEYSTORE_NAMES_MAX, sql_row_bindings, out);
}

/* ---- changes ---- */

struct changes {
	struct sql_reading reading; /* for its checks */
	struct store_state state;
	uint64_t trimmed;
	size_t max, count;
	struct store_change *out;
	bool too_many;
};

static void
changes_again(void *context)
{
	struct changes *changes = context;

	changes->count = 0;
	changes->too_many = false;
	changes->reading.trouble = ST_OK;
	changes->reading.headed = false;
}

/* columns: epoch, versions that are needed, trimmed, the same with those that only add something as
 * a number below zero, identity. */
static void
take_state(struct changes *changes, const struct span *columns)
{
	struct sql_reading *reading = &changes->reading;
	struct store_state *state = &changes->state;
	int64_t needed, added;

	reading->headed = true;
	if (!sql_reading_version(reading, columns[1]))
		return;
	needed = sql_reading_number(reading, columns[1]);
	added = -sql_reading_number(reading, columns[3]);
	state->schema = (int)(added > needed ? added : needed);
	state->epoch = (uint64_t)sql_reading_number(reading, columns[0]);
	changes->trimmed = (uint64_t)sql_reading_number(reading, columns[2]);
	/* One that somebody wrote and that is none counts as none. */
	(void)keystore_identity_take(columns[4], state->identity);
}

/* Of the store, or the first three are NULL; then of a change its epoch and subject. */
static void
row_changes(void *context, const struct span *columns, size_t count)
{
	struct changes *changes = context;
	struct sql_reading *reading = &changes->reading;
	struct store_change *change = &changes->out[changes->count];

	if (reading->trouble != ST_OK || count < 5)
		return;
	if (columns[0].p != NULL) {
		take_state(changes, columns);
		return;
	}
	/* Those behind the first that does not fit are left out, too. */
	if (changes->too_many || changes->count == changes->max ||
	    columns[4].n >= sizeof(change->subject)) {
		changes->too_many = true;
		return;
	}
	change->epoch = (uint64_t)sql_reading_number(reading, columns[3]);
	memcpy(change->subject, columns[4].p, columns[4].n);
	change->subject[columns[4].n] = '\0';
	changes->count++;
}

enum status
sql_store_changes(struct keystore *store, uint64_t since, size_t max, struct store_change *out,
    size_t *count_out, struct store_state *state_out, struct err *err)
{
	struct changes changes = {.reading = {.store = store->state, .err = err},
	    .max = max < KEYSTORE_CHANGES_MAX ? max : KEYSTORE_CHANGES_MAX,
	    .out = out};
	struct sql_value values[] = {sql_number(since > INT64_MAX ? INT64_MAX : (int64_t)since),
	    sql_number((int64_t)changes.max + 1)};
	struct sql_question question = {.statement = Q_CHANGES,
	    .values = values,
	    .count = 2,
	    .row = row_changes,
	    .context = &changes};
	enum status status = sql_store_ask(store->state, &question, changes_again, err);

	if (status == ST_OK && !sql_reading_headed(&changes.reading))
		status = changes.reading.trouble;
	if (status != ST_OK)
		return status;
	*state_out = changes.state;
	if (changes.too_many || changes.trimmed > since || since > changes.state.epoch) {
		if (changes.count == changes.max && changes.trimmed <= since)
			*count_out = changes.count;
		err_set(err, "%s: more was changed since epoch %llu than can be listed",
		    store->where, (unsigned long long)since);
		return ST_TOO_BIG;
	}
	*count_out = changes.count;
	return ST_OK;
}

/* ---- the clock ---- */

struct clock {
	struct sql_reading reading;
	int64_t utc_s;
};

static void
row_now(void *context, const struct span *columns, size_t count)
{
	struct clock *clock = context;

	if (count == 1)
		clock->utc_s = sql_reading_number(&clock->reading, columns[0]);
}

enum status
sql_store_now(struct keystore *store, int64_t *utc_s_out, struct err *err)
{
	struct clock clock = {.reading = {.store = store->state, .err = err}};
	struct sql_question question = {.statement = Q_NOW, .row = row_now, .context = &clock};
	enum status status = sql_store_ask(store->state, &question, NULL, err);

	if (status == ST_OK)
		status = clock.reading.trouble;
	*utc_s_out = clock.utc_s;
	return status;
}

/* ---- pages ---- */

static size_t
rows_count(const struct keystore_rows *rows)
{
	return rows->tenant_count + rows->policy_count + rows->domain_count + rows->rule_count +
	       rows->key_count + rows->binding_count + rows->token_count + rows->provider_count;
}

static enum status
ask_page(struct sql_reading *reading, enum keystore_question statement,
    const struct sql_value *values, size_t count)
{
	struct sql_question question = {.statement = statement,
	    .values = values,
	    .count = count,
	    .row = sql_row_page,
	    .context = reading};
	enum status status = sql_store_ask(reading->store, &question, NULL, reading->err);

	return status == ST_OK ? reading->trouble : status;
}

static const struct {
	enum keystore_question of, all; /* of: what is left below the first half of the name */
} pages[] = {
    [STORE_TENANT] = {Q_COUNT, Q_LIST_TENANTS},
    [STORE_POLICY] = {Q_LIST_POLICIES_OF, Q_LIST_POLICIES},
    [STORE_DOMAIN] = {Q_COUNT, Q_LIST_DOMAINS},
    [STORE_RULE] = {Q_LIST_RULES_OF, Q_LIST_RULES},
    [STORE_KEY] = {Q_LIST_KEYS_OF, Q_LIST_KEYS},
    [STORE_BINDING] = {Q_COUNT, Q_LIST_BINDINGS},
    [STORE_TOKEN] = {Q_LIST_TOKENS_OF, Q_LIST_TOKENS},
    [STORE_PROVIDER] = {Q_LIST_PROVIDERS_OF, Q_LIST_PROVIDERS},
};

enum status
sql_store_list(struct keystore *store, enum store_what what, struct span after, size_t max,
    struct keystore_rows **out, struct err *err)
{
	/* The tokens of all tenants have no tenant, and that comes first. */
	struct span from = what == STORE_TOKEN && after.n == 0 ? SPAN_LIT(" ") : after;
	struct span second = from, first = from;
	struct sql_reading reading;
	enum status status = ST_OK;
	size_t have = 0;

	*out = NULL;
	if (what == STORE_QUOTA || what == STORE_REPLY || what == STORE_AUDIT) {
		err_set(err, "%s: quotas, answers and audit are not listed by name", store->where);
		return ST_INVALID;
	}
	if ((unsigned)what > STORE_PROVIDER || max > KEYSTORE_BATCH_MAX) {
		err_set(err, "%s: a page has at most %u rows", store->where, KEYSTORE_BATCH_MAX);
		return ST_TOO_BIG;
	}
	if (!span_is_text(after)) {
		err_set(err, "%s: a page begins behind a name, and that is none", store->where);
		return ST_INVALID;
	}
	sql_reading_begin(&reading, store->state, err);
	reading.what = what;
	if (pages[what].of != Q_COUNT && span_cut(&second, ' ', &first)) {
		struct sql_value values[] = {
		    sql_text(first), sql_text(second), sql_number((int64_t)max)};

		status = ask_page(&reading, pages[what].of, values, 3);
		have = rows_count(reading.rows);
	}
	if (status == ST_OK && have < max) {
		struct sql_value values[] = {sql_text(first), sql_number((int64_t)(max - have))};

		status = ask_page(&reading, pages[what].all, values, 2);
	}
	return sql_reading_end(&reading, status, out);
}

enum status
sql_store_domains_of(struct keystore *store, struct span tenant, struct span after, size_t max,
    struct keystore_rows **out, struct err *err)
{
	struct sql_value values[] = {sql_text(tenant), sql_text(after), sql_number((int64_t)max)};
	struct sql_reading reading;

	*out = NULL;
	if (max > KEYSTORE_BATCH_MAX) {
		err_set(err, "%s: a page has at most %u rows", store->where, KEYSTORE_BATCH_MAX);
		return ST_TOO_BIG;
	}
	if (!span_is_text(tenant) || !span_is_text(after)) {
		err_set(err, "%s: a page begins behind a name, and that is none", store->where);
		return ST_INVALID;
	}
	sql_reading_begin(&reading, store->state, err);
	reading.what = STORE_DOMAIN;
	return sql_reading_end(&reading, ask_page(&reading, Q_LIST_DOMAINS_OF, values, 3), out);
}
