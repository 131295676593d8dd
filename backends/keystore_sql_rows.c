/*
 * keystore_sql_rows.c - from columns of SQL to rows of a key store.
 * Called by the drivers with each row of an answer to a question of keystore_sql_ask.c.
 * It must never take a number for what is none, nor a row that was not asked for.
 */
#include <string.h>

#include "backends/keystore_sql.h"

#define DOMAIN_COLUMNS SQL_DOMAIN_COLUMNS
#define TENANT_COLUMNS SQL_TENANT_COLUMNS
#define RULE_COLUMNS 9U
#define KEY_COLUMNS SQL_KEY_COLUMNS
#define DOMAIN_LIFE_COLUMNS 2U
#define KEY_LIFE_COLUMNS 2U
#define POLICY_COLUMNS 6U

void
sql_reading_begin(struct sql_reading *reading, struct sql_store *store, struct err *err)
{
	*reading = (struct sql_reading){.store = store, .err = err};
	reading->rows = keystore_rows_new();
}

void
sql_reading_again(void *context)
{
	struct sql_reading *reading = context;

	keystore_rows_release(reading->rows);
	reading->rows = keystore_rows_new();
	reading->trouble = ST_OK;
	reading->headed = false;
}

enum status
sql_reading_end(struct sql_reading *reading, enum status status, struct keystore_rows **out)
{
	if (status == ST_OK)
		status = reading->trouble;
	if (status == ST_OK)
		*out = reading->rows;
	else
		keystore_rows_release(reading->rows);
	reading->rows = NULL;
	return status;
}

bool
sql_reading_headed(struct sql_reading *reading)
{
	if (reading->trouble != ST_OK || reading->headed)
		return reading->trouble == ST_OK;
	err_set(reading->err,
	    "%s: the row of the table epoch is not there, and nothing is believed without it; put "
	    "a backup of the store back",
	    reading->store->where);
	reading->trouble = ST_UNAVAILABLE;
	return false;
}

enum status
sql_reading_end_headed(struct sql_reading *reading, enum status status, struct keystore_rows **out)
{
	if (status == ST_OK)
		(void)sql_reading_headed(reading);
	return sql_reading_end(reading, status, out);
}

static bool
parse_number(struct span text, int64_t *out)
{
	bool minus = text.n > 0 && text.p[0] == '-';
	uint64_t number;

	if (!span_number(minus ? span_from(text, 1) : text, INT64_MAX, &number))
		return false;
	*out = minus ? -(int64_t)number : (int64_t)number;
	return true;
}

int64_t
sql_reading_number(struct sql_reading *reading, struct span column)
{
	int64_t number = 0;

	if (parse_number(column, &number) || reading->trouble != ST_OK)
		return number;
	err_set(reading->err, "%s: a row has \"%.*s\" for a number", reading->store->where,
	    column.n > 40 ? 40 : (int)column.n, column.n == 0 ? "" : column.p);
	reading->trouble = ST_INVALID;
	return 0;
}

bool
sql_reading_version(struct sql_reading *reading, struct span version)
{
	int64_t number = 0;

	if (version.p != NULL && parse_number(version, &number) &&
	    number == reading->store->version)
		return true;
	if (number > reading->store->version)
		err_set(reading->err,
		    "%s: the schema is of version %lld and this program knows %d; install the "
		    "Signpost that made it",
		    reading->store->where, (long long)number, reading->store->version);
	else
		err_set(reading->err,
		    "%s: the schema is of version %lld and this program needs %d; run 'signpost "
		    "store init'",
		    reading->store->where, (long long)number, reading->store->version);
	reading->trouble = ST_UNAVAILABLE;
	return false;
}

/* Nothing is copied that is longer than anything we store. */
bool
sql_reading_readable(
    struct sql_reading *reading, const struct span *columns, size_t count, size_t want)
{
	if (reading->trouble != ST_OK)
		return false;
	for (size_t i = 0; i < count && count >= want; i++) {
		if (columns[i].n <= KEYSTORE_TEXT_MAX)
			continue;
		err_set(reading->err, "%s: a column of a row has %zu octets, more than %u",
		    reading->store->where, columns[i].n, KEYSTORE_TEXT_MAX);
		reading->trouble = ST_INVALID;
		return false;
	}
	return count >= want;
}

bool
sql_reading_was_asked(const struct sql_reading *reading, struct span name)
{
	for (size_t i = 0; i < reading->asked_count; i++)
		if (span_eq(name, reading->asked[i]))
			return true;
	return reading->asked_count == 0;
}

bool
sql_take_head(struct sql_reading *reading, const struct span *columns)
{
	if (!sql_reading_version(reading, columns[1]))
		return false;
	reading->headed = true;
	reading->rows->epoch = (uint64_t)sql_reading_number(reading, columns[0]);
	return reading->trouble == ST_OK;
}

/* columns: failure, enabled, revision. */
void
sql_take_tenant(struct sql_reading *reading, struct span name, const struct span *columns)
{
	struct keystore_rows *rows = reading->rows;
	struct store_tenant row = {.name = name, .failure = columns[0]};

	for (size_t i = 0; i < rows->tenant_count; i++)
		if (span_eq(rows->tenants[i].name, name))
			return;
	row.enabled = sql_reading_number(reading, columns[1]) != 0;
	row.revision = (uint64_t)sql_reading_number(reading, columns[2]);
	if (reading->trouble == ST_OK)
		keystore_rows_add_tenant(rows, &row);
}

void
sql_take_domain(struct sql_reading *reading, const struct span *columns, const struct span *life)
{
	struct store_domain row = {.name = columns[0],
	    .tenant = columns[1],
	    .signs_as = columns[2],
	    .policy = columns[3],
	    .failure = columns[4],
	    .signature_ttl_s = -1};

	if (columns[5].p != NULL)
		row.signature_ttl_s = sql_reading_number(reading, columns[5]);
	row.subdomains = sql_reading_number(reading, columns[6]) != 0;
	row.enabled = sql_reading_number(reading, columns[7]) != 0;
	row.revision = (uint64_t)sql_reading_number(reading, columns[8]);
	if (life != NULL) {
		row.life = life[0];
		row.due = sql_reading_number(reading, life[1]);
	}
	if (reading->trouble == ST_OK)
		keystore_rows_add_domain(reading->rows, &row);
}

static void
take_rule(struct sql_reading *reading, const struct span *columns)
{
	int64_t kind = sql_reading_number(reading, columns[2]),
		priority = sql_reading_number(reading, columns[6]);
	struct store_rule row = {.id = columns[0],
	    .tenant = columns[1],
	    .subject = columns[3],
	    .domain = columns[4],
	    .identity = columns[5]};

	row.enabled = sql_reading_number(reading, columns[7]) != 0;
	row.revision = (uint64_t)sql_reading_number(reading, columns[8]);
	if (reading->trouble != ST_OK)
		return;
	if (kind < 0 || kind > STORE_RULE_PATTERN || priority != (int)priority) {
		err_set(reading->err, "%s: rule \"%.*s\" has a kind or priority that cannot be",
		    reading->store->where, SPAN_ARG(span_sub(row.id, 0, KEYSTORE_ID_MAX)));
		reading->trouble = ST_INVALID;
		return;
	}
	row.kind = (enum store_rule_kind)kind;
	row.priority = (int)priority;
	keystore_rows_add_rule(reading->rows, &row);
}

static void
take_times(struct sql_reading *reading, const struct span *columns, struct key_times *out)
{
	int64_t *const times[] = {&out->created, &out->publishing, &out->published, &out->proven,
	    &out->loaded, &out->active, &out->retiring, &out->revoking, &out->revoked,
	    &out->removed, &out->destroyed, &out->held, &out->compromised, &out->failed,
	    &out->sign_until};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		*times[i] = sql_reading_number(reading, columns[i]);
}

void
sql_take_key(struct sql_reading *reading, const struct span *columns, const struct span *life,
    const struct span *loading)
{
	struct store_key row = {.id = columns[0],
	    .tenant = columns[1],
	    .domain = columns[2],
	    .selector = columns[3],
	    .algorithm = columns[4],
	    .public_key = columns[5],
	    .private_key = columns[6]};
	enum status status;

	row.bits = (int)sql_reading_number(reading, columns[7]);
	row.revision = (uint64_t)sql_reading_number(reading, columns[8]);
	row.row_revision = (uint64_t)sql_reading_number(reading, columns[9]);
	take_times(reading, columns + 10, &row.times);
	row.lease_s = sql_reading_number(reading, columns[25]);
	row.life = life != NULL ? life[0] : SPAN_EMPTY;
	if (loading != NULL)
		row.loading = (uint64_t)sql_reading_number(reading, loading[0]);
	if (reading->trouble != ST_OK)
		return;
	status = keystore_rows_add_key(reading->rows, &row, reading->err);
	if (status != ST_OK)
		reading->trouble = status;
}

/* 'e', 'd', 'r' or 'a', and what belongs to it. */
void
sql_row_senders(void *context, const struct span *columns, size_t count)
{
	struct sql_reading *reading = context;

	if (!sql_reading_readable(reading, columns, count, 1 + DOMAIN_COLUMNS + TENANT_COLUMNS) ||
	    columns[0].n != 1)
		return;
	switch (columns[0].p[0]) {
	case 'e':
		(void)sql_take_head(reading, columns + 1);
		return;
	case 'd':
		if (!sql_reading_was_asked(reading, columns[1]))
			return;
		sql_take_domain(reading, columns + 1, NULL);
		sql_take_tenant(reading, columns[2], columns + 1 + DOMAIN_COLUMNS);
		return;
	case 'r':
		take_rule(reading, columns + 1);
		sql_take_tenant(reading, columns[2], columns + 1 + RULE_COLUMNS);
		return;
	case 'a':
		reading->rows->address_rules = sql_reading_number(reading, columns[1]) != 0;
		return;
	}
}

void
sql_row_rules(void *context, const struct span *columns, size_t count)
{
	struct sql_reading *reading = context;

	if (!sql_reading_readable(reading, columns, count, 2 + RULE_COLUMNS + TENANT_COLUMNS) ||
	    !sql_take_head(reading, columns) || columns[2].p == NULL ||
	    !sql_reading_was_asked(reading, columns[5]))
		return;
	take_rule(reading, columns + 2);
	sql_take_tenant(reading, columns[3], columns + 2 + RULE_COLUMNS);
}

void
sql_row_keys(void *context, const struct span *columns, size_t count)
{
	struct sql_reading *reading = context;
	const struct span *domain = columns + 2, *tenant = domain + DOMAIN_COLUMNS,
			  *key = tenant + TENANT_COLUMNS;

	if (!sql_reading_readable(
		reading, columns, count, 2 + DOMAIN_COLUMNS + TENANT_COLUMNS + KEY_COLUMNS) ||
	    !sql_take_head(reading, columns) || domain[0].p == NULL ||
	    !sql_reading_was_asked(reading, domain[0]))
		return;
	if (reading->rows->domain_count == 0) {
		sql_take_domain(reading, domain, NULL);
		sql_take_tenant(reading, domain[1], tenant);
	}
	if (key[0].p != NULL)
		sql_take_key(reading, key, NULL, NULL);
}

void
sql_row_bindings(void *context, const struct span *columns, size_t count)
{
	struct sql_reading *reading = context;
	struct store_binding row;

	if (!sql_reading_readable(reading, columns, count, 4) || !sql_take_head(reading, columns) ||
	    columns[2].p == NULL || !sql_reading_was_asked(reading, columns[2]))
		return;
	row = (struct store_binding){.subject = columns[2], .tenant = columns[3]};
	keystore_rows_add_binding(reading->rows, &row);
}

void
sql_take_policy(struct sql_reading *reading, const struct store_policy *row)
{
	const struct keystore_rows *rows = reading->rows;

	for (size_t i = 0; i < rows->policy_count; i++)
		if (span_eq(rows->policies[i].tenant, row->tenant) &&
		    span_eq(rows->policies[i].name, row->name))
			return;
	if (reading->trouble == ST_OK)
		keystore_rows_add_policy(reading->rows, row);
}

static void
take_policy(struct sql_reading *reading, const struct span *columns)
{
	struct store_policy row = {.tenant = columns[0],
	    .name = columns[1],
	    .failure = columns[2],
	    .signature_ttl_s = sql_reading_number(reading, columns[3]),
	    .plan = columns[4],
	    .revision = (uint64_t)sql_reading_number(reading, columns[5])};

	if (reading->trouble == ST_OK)
		keystore_rows_add_policy(reading->rows, &row);
}

void
sql_row_page(void *context, const struct span *columns, size_t count)
{
	static const size_t want[] = {[STORE_TENANT] = 1 + TENANT_COLUMNS,
	    [STORE_POLICY] = POLICY_COLUMNS,
	    [STORE_DOMAIN] = DOMAIN_COLUMNS + DOMAIN_LIFE_COLUMNS,
	    [STORE_RULE] = RULE_COLUMNS,
	    [STORE_KEY] = KEY_COLUMNS + KEY_LIFE_COLUMNS,
	    [STORE_BINDING] = 2,
	    [STORE_TOKEN] = SQL_TOKEN_COLUMNS,
	    [STORE_PROVIDER] = SQL_PROVIDER_COLUMNS};
	struct sql_reading *reading = context;
	struct store_binding binding;

	if (!sql_reading_readable(reading, columns, count, want[reading->what]))
		return;
	switch (reading->what) {
	case STORE_TENANT:
		sql_take_tenant(reading, columns[0], columns + 1);
		return;
	case STORE_POLICY:
		take_policy(reading, columns);
		return;
	case STORE_DOMAIN:
		sql_take_domain(reading, columns, columns + DOMAIN_COLUMNS);
		return;
	case STORE_RULE:
		take_rule(reading, columns);
		return;
	case STORE_KEY:
		sql_take_key(reading, columns, columns + KEY_COLUMNS, columns + KEY_COLUMNS + 1);
		return;
	case STORE_BINDING:
		binding = (struct store_binding){.subject = columns[0], .tenant = columns[1]};
		keystore_rows_add_binding(reading->rows, &binding);
		return;
	case STORE_TOKEN:
		sql_take_token(reading, columns);
		return;
	case STORE_PROVIDER:
		sql_take_provider(reading, columns);
		return;
	case STORE_QUOTA:
	case STORE_REPLY:
	case STORE_AUDIT:
		break;
	}
}
