/*
 * keystore_sql_life.c - what the life cycle of keys asks of a store in SQL: which domains are due,
 * all of some domains, which keys gateways should try. Each is one statement: of one moment.
 * Called by the administration, and with "loading" by the keeper's threads.
 * It must never cut the keys of a domain, or of an epoch, and say that these are all.
 */
#include "backends/keystore_sql.h"

#define DUE_MAX 100000U /* domains of one answer, whatever is asked for */

/* ---- due ---- */

/* 'e' and the head; 'd' and name, tenant, due, revision. */
static void
row_due(void *context, const struct span *columns, size_t count)
{
	struct sql_reading *reading = context;
	struct store_domain row = {.signature_ttl_s = -1};

	if (!sql_reading_readable(reading, columns, count, 5) || columns[0].n != 1)
		return;
	if (columns[0].p[0] == 'e') {
		(void)sql_take_head(reading, columns + 1);
		return;
	}
	row.name = columns[1];
	row.tenant = columns[2];
	row.due = sql_reading_number(reading, columns[3]);
	row.revision = (uint64_t)sql_reading_number(reading, columns[4]);
	if (reading->trouble == ST_OK)
		keystore_rows_add_domain(reading->rows, &row);
}

enum status
sql_store_due(struct keystore *store, int64_t now_utc, size_t max, struct keystore_rows **out,
    struct err *err)
{
	struct sql_value values[] = {
	    sql_number(now_utc), sql_number((int64_t)(max < DUE_MAX ? max : DUE_MAX))};
	struct sql_reading reading;

	*out = NULL;
	sql_reading_begin(&reading, store->state, err);
	return sql_store_ask_rows(&reading, Q_DUE, values, 2, row_due, out);
}

/* ---- all of some domains ---- */

/* The domain, its tenant's three, life and due, and of its policy tenant, name, plan, revision. */
static void
take_life_of_domain(struct sql_reading *reading, const struct span *columns)
{
	const struct span *tenant = columns + SQL_DOMAIN_COLUMNS,
			  *life = tenant + SQL_TENANT_COLUMNS, *policy = life + 2;
	struct store_policy row = {.failure = columns[4], .signature_ttl_s = -1};

	sql_take_domain(reading, columns, life);
	if (tenant[1].p != NULL)
		sql_take_tenant(reading, columns[1], tenant);
	if (policy[0].p == NULL)
		return;
	row.tenant = policy[0];
	row.name = policy[1];
	row.plan = policy[2];
	row.signature_ttl_s = sql_reading_number(reading, columns[5]);
	row.revision = (uint64_t)sql_reading_number(reading, policy[3]);
	sql_take_policy(reading, &row);
}

/* 'e', 'd' or 'k', and what belongs to it. */
static void
row_lives(void *context, const struct span *columns, size_t count)
{
	const struct span *key = columns + 1;
	struct sql_reading *reading = context;

	if (!sql_reading_readable(reading, columns, count, 1 + SQL_KEY_COLUMNS + 2) ||
	    columns[0].n != 1)
		return;
	switch (columns[0].p[0]) {
	case 'e':
		(void)sql_take_head(reading, columns + 1);
		return;
	case 'd':
		if (sql_reading_was_asked(reading, columns[1]))
			take_life_of_domain(reading, columns + 1);
		return;
	case 'k':
		if (sql_reading_was_asked(reading, key[2]))
			sql_take_key(
			    reading, key, key + SQL_KEY_COLUMNS, key + SQL_KEY_COLUMNS + 1);
		return;
	}
}

/* Of more the server gave as many as prove that there are more. */
static enum status
check_keys(const struct keystore *store, const struct keystore_rows *rows, struct err *err)
{
	for (size_t i = 0; i < rows->domain_count; i++) {
		size_t keys = 0;

		for (size_t k = 0; k < rows->key_count; k++)
			keys += span_eq(rows->keys[k].domain, rows->domains[i].name);
		if (keys <= KEYSTORE_KEYS_MAX)
			continue;
		err_set(err, "%s: %.*s has more than %u keys that are not destroyed", store->where,
		    SPAN_ARG(rows->domains[i].name), KEYSTORE_KEYS_MAX);
		return ST_TOO_BIG;
	}
	return ST_OK;
}

enum status
sql_store_lives(struct keystore *store, const struct span *domains, size_t count,
    struct keystore_rows **out, struct err *err)
{
	bool few = count <= KEYSTORE_SQL_FEW;
	size_t slots = few ? KEYSTORE_SQL_FEW : KEYSTORE_LIVES_MAX, n = 0, asked_count = 0;
	struct sql_value values[2 * KEYSTORE_LIVES_MAX + 1];
	struct span asked[KEYSTORE_LIVES_MAX];
	struct sql_reading reading;
	enum status status;

	*out = NULL;
	if (count > KEYSTORE_LIVES_MAX) {
		err_set(err, "%s: more than %u domains in one question", store->where,
		    KEYSTORE_LIVES_MAX);
		return ST_TOO_BIG;
	}
	for (size_t i = 0; i < count; i++)
		if (keystore_domain_is_valid(domains[i]))
			asked[asked_count++] = domains[i];
	sql_reading_begin(&reading, store->state, err);
	reading.asked = asked;
	reading.asked_count = asked_count;
	n += sql_store_fill(values, asked, asked_count, slots);
	n += sql_store_fill(values + n, asked, asked_count, slots);
	/* The head, the domains, and of the keys so many that one more is too many of a domain. */
	values[n++] = sql_number((int64_t)(1 + asked_count * (1 + KEYSTORE_KEYS_MAX) + 1));
	status =
	    sql_store_ask_rows(&reading, few ? Q_LIVES_FEW : Q_LIVES, values, n, row_lives, out);
	if (status == ST_OK)
		status = check_keys(store, *out, err);
	if (status != ST_OK) {
		keystore_rows_release(*out);
		*out = NULL;
	}
	return status;
}

/* ---- keys that gateways should try ---- */

struct loading {
	struct sql_reading reading; /* the first member */
	uint64_t epoch;             /* of the store, before it was asked for keys */
	size_t max, seen;
	bool full; /* what comes now is of an epoch of which nothing is given */
};

static void
loading_again(void *context)
{
	struct loading *loading = context;

	sql_reading_again(&loading->reading);
	loading->reading.headed = true;
	loading->reading.rows->epoch = loading->epoch;
	loading->seen = 0;
	loading->full = false;
}

static void
row_head(void *context, const struct span *columns, size_t count)
{
	struct loading *loading = context;
	struct sql_reading *reading = &loading->reading;

	if (sql_reading_readable(reading, columns, count, 2) && sql_take_head(reading, columns))
		loading->epoch = reading->rows->epoch;
}

static void
row_loading(void *context, const struct span *columns, size_t count)
{
	const struct span *epoch = columns + SQL_KEY_COLUMNS;
	struct loading *loading = context;
	struct sql_reading *reading = &loading->reading;
	const struct keystore_rows *rows = reading->rows;

	if (!sql_reading_readable(reading, columns, count, SQL_KEY_COLUMNS + 1))
		return;
	loading->seen++;
	if (rows->key_count >= loading->max && (uint64_t)sql_reading_number(reading, *epoch) !=
						   rows->keys[rows->key_count - 1].loading)
		loading->full = true;
	if (!loading->full)
		sql_take_key(reading, columns, NULL, epoch);
}

static enum status
ask_head(struct loading *loading)
{
	struct sql_question question = {.statement = Q_EPOCH, .row = row_head, .context = loading};
	enum status status =
	    sql_store_ask(loading->reading.store, &question, NULL, loading->reading.err);

	if (status == ST_OK && !sql_reading_headed(&loading->reading))
		status = loading->reading.trouble;
	return status;
}

static enum status
ask_loading(struct loading *loading, uint64_t since)
{
	struct sql_reading *reading = &loading->reading;
	size_t limit = loading->max + KEYSTORE_BATCH_MAX;
	struct sql_value values[] = {
	    sql_number(since > INT64_MAX ? INT64_MAX : (int64_t)since), sql_number((int64_t)limit)};
	struct sql_question question = {.statement = Q_LOADING,
	    .values = values,
	    .count = 2,
	    .row = row_loading,
	    .context = loading};
	enum status status = sql_store_ask(reading->store, &question, loading_again, reading->err);

	if (status != ST_OK || reading->trouble != ST_OK || loading->seen < limit || loading->full)
		return status;
	err_set(reading->err, "%s: more than %u keys are to be tried since one epoch",
	    reading->store->where, KEYSTORE_BATCH_MAX);
	return ST_TOO_BIG;
}

enum status
sql_store_loading(
    struct keystore *store, uint64_t since, size_t max, struct keystore_rows **out, struct err *err)
{
	struct loading loading = {.max = max == 0                     ? 1
					 : max < KEYSTORE_LOADING_MAX ? max
								      : KEYSTORE_LOADING_MAX};
	enum status status;

	*out = NULL;
	sql_reading_begin(&loading.reading, store->state, err);
	status = ask_head(&loading);
	if (status == ST_OK)
		status = ask_loading(&loading, since);
	return sql_reading_end_headed(&loading.reading, status, out);
}
