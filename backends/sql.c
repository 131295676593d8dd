/*
 * sql.c - dsn: tables, whatever server they are on.
 * Called by the keeper's threads through lib/store/table.h.
 * It must never wait for a server without a bound, ask it more than twice, or take anything for
 * "absent" but an answer without a row.
 */
#include <string.h>

#include "backends/registry.h"
#include "backends/sql_pool.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/store/keyindex.h"

/* A connection that breaks sooner than this was cut; the question may be asked once more. One that
 * breaks later was waited for in vain. */
#define RETRY_WITHIN_MS 1000

/* The same statement with so many slots: a server looks at each, also when the same stands in many.
 */
static const unsigned slots_of[] = {1, 2, 4, 8, SQL_SLOTS};
#define STATEMENTS (sizeof(slots_of) / sizeof(slots_of[0]))

struct sql_table {
	struct sql_source source;
	struct sql_pool pool;
	char *where, *statements[STATEMENTS + 1], *tls_ca_file; /* the last one lists */
};

static const struct sql_advice advice = {
    .login = "check user and password of the dsn and the rights of that user",
    .database = "check the database of the dsn",
    .rights = "give the user of the dsn the right to SELECT",
    .schema = "check table, keycol, datacol and filter of the dsn",
    .file = "is it there, and may UserID read it?",
};

/* ---- values ---- */

struct row_texts {
	bool secret;
	size_t bytes; /* of all this */
	struct span columns[DSN_COLUMNS_MAX];
	char text[];
};

static void
value_release(void *owner)
{
	struct row_texts *value = owner;

	if (value->secret)
		secret_free(value);
	else
		mem_free(value);
}

static enum status
value_make(const struct table *table, const struct span *columns, size_t count,
    struct table_value *out, struct err *err)
{
	struct row_texts *value;
	size_t bytes = sizeof(*value);
	char *at;

	for (size_t i = 0; i < count; i++)
		bytes += columns[i].n + 1;
	value = (table->flags & TABLE_SECRET) != 0 ? secret_malloc(bytes) : mem_alloc(bytes);
	if (value == NULL) {
		err_set(err, "no secret memory left for a row");
		return ST_UNAVAILABLE;
	}
	value->secret = (table->flags & TABLE_SECRET) != 0;
	value->bytes = bytes;
	at = value->text;
	for (size_t i = 0; i < count; i++) {
		value->columns[i] = SPAN_EMPTY;
		if (columns[i].p == NULL)
			continue;
		memcpy(at, columns[i].p, columns[i].n);
		value->columns[i] = span_of(at, columns[i].n);
		at += columns[i].n;
		*at++ = '\0';
	}
	*out = (struct table_value){.text = value->columns[0],
	    .columns = value->columns,
	    .column_count = count,
	    .release = value_release,
	    .owner = value};
	return ST_OK;
}

/* ---- one question ---- */

/* The smallest that has at least so many slots. */
static unsigned
statement_for(size_t slot_count)
{
	unsigned at = 0;

	while (slots_of[at] < slot_count)
		at++;
	return at;
}

/* found[i] belongs to keys[i]. */
struct question {
	const struct table *table;
	const struct span *keys;
	size_t count;
	struct table_value found[TABLE_KEYS_MAX];
	enum status trouble;
	struct err *err;
};

static bool
too_long(struct question *q, const struct span *columns, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (columns[i].n <= SQL_VALUE_MAX)
			continue;
		err_set(q->err, "%s: a column of '%.*s' has more than %u octets", q->table->where,
		    columns[0].n > 128 ? 128 : (int)columns[0].n, columns[0].p, SQL_VALUE_MAX);
		q->trouble = ST_INVALID;
		return true;
	}
	return false;
}

/* The key is compared again: collations ignore blanks, accents, or a NUL, and a number is equal to
 * what only begins with it. Of several rows with one key the first counts. */
static void
take_row(void *context, const struct span *columns, size_t count)
{
	struct question *q = context;

	if (q->trouble != ST_OK || count < 2 || count > DSN_COLUMNS_MAX + 1)
		return;
	for (size_t i = 0; i < q->count; i++) {
		if (q->found[i].owner != NULL || !span_ieq(q->keys[i], columns[0]))
			continue;
		if (too_long(q, columns, count))
			return;
		q->trouble = value_make(q->table, columns + 1, count - 1, &q->found[i], q->err);
	}
}

static void
forget_rows(struct question *q)
{
	for (size_t i = 0; i < q->count; i++)
		table_value_release(&q->found[i]);
	q->trouble = ST_OK;
}

/* One try. *again_out: the connection was cut, a new one may do better. */
static enum status
ask_once(struct sql_table *sql, struct question *q, const struct sql_value *slots,
    size_t slot_count, bool *again_out)
{
	struct sql_question asked = {.statement = statement_for(slot_count),
	    .values = slots,
	    .count = slot_count,
	    .row = take_row,
	    .context = q};
	struct sql_pool *pool = &sql->pool;
	int64_t began = clock_mono_ms();
	struct sql_link *link;
	enum sql_answer answer;
	enum status status = sql_pool_take(pool, &link, q->err);

	*again_out = false;
	if (status != ST_OK)
		return status;
	answer = pool->driver->ask(link->connection, &asked, q->err);
	if (answer != SQL_GONE) {
		sql_pool_give(pool, link);
		return answer == SQL_ANSWERED ? q->trouble : ST_UNAVAILABLE;
	}
	*again_out = !link->fresh && clock_mono_ms() - began < RETRY_WITHIN_MS;
	sql_pool_lose(pool, link);
	if (!*again_out)
		sql_pool_trip(pool, q->err);
	return ST_UNAVAILABLE;
}

static enum status
ask_slots(
    struct sql_table *sql, struct question *q, const struct sql_value *slots, size_t slot_count)
{
	bool again;
	enum status status = ask_once(sql, q, slots, slot_count, &again);

	if (again) {
		forget_rows(q);
		status = ask_once(sql, q, slots, slot_count, &again);
	}
	if (status != ST_OK)
		forget_rows(q);
	return status;
}

/* ---- keys ---- */

/* Keys from *at on, as they are written and, where case does not matter, in lower case: an index of
 * the server finds both, which it would not if the column were folded. As many as fit. */
static size_t
fill_slots(const struct question *q, size_t *at, struct sql_value slots[SQL_SLOTS], char *room)
{
	size_t n = 0;

	for (; *at < q->count && n + 2 <= SQL_SLOTS; ++*at, room += TABLE_KEY_MAX) {
		struct span key = q->keys[*at], folded = keyindex_fold(key, true, room);

		if (!span_is_text(key))
			continue; /* no text of a server is such: the key is in no row */
		slots[n++] = (struct sql_value){.kind = SQL_TEXT, .text = key};
		if ((q->table->flags & TABLE_ICASE) != 0 && !span_eq(folded, key))
			slots[n++] = (struct sql_value){.kind = SQL_TEXT, .text = folded};
	}
	if (n == 0)
		return 0;
	for (size_t count = slots_of[statement_for(n)]; n < count; n++)
		slots[n] = slots[n - 1];
	return n;
}

static enum status
ask(struct table *table, struct question *q)
{
	struct sql_value slots[SQL_SLOTS];
	char *room = mem_alloc(q->count * TABLE_KEY_MAX);
	enum status status = ST_OK;
	size_t at = 0;

	while (at < q->count && status == ST_OK) {
		size_t slot_count = fill_slots(q, &at, slots, room);

		if (slot_count > 0)
			status = ask_slots(table->state, q, slots, slot_count);
	}
	mem_free(room);
	return status;
}

static enum status
sql_lookup_many(struct table *table, const struct span *keys, size_t count, size_t max,
    struct table_value *out, size_t *at_out, size_t *count_out, struct err *err)
{
	struct question q = {.table = table, .keys = keys, .count = count, .err = err};
	enum status status = ask(table, &q);

	*count_out = 0;
	for (size_t i = 0; i < count; i++) {
		if (q.found[i].owner == NULL)
			continue;
		if (*count_out == max) {
			table_value_release(&q.found[i]);
			continue;
		}
		at_out[*count_out] = i;
		out[(*count_out)++] = q.found[i];
	}
	if (status != ST_OK)
		return status;
	return *count_out > 0 ? ST_OK : ST_ABSENT;
}

static enum status
sql_lookup(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	size_t at, count;

	return sql_lookup_many(table, &key, 1, 1, out, &at, &count, err);
}

/* ---- all keys ---- */

struct listing {
	table_visit *visit;
	void *context;
	bool ended;
};

static void
list_row(void *context, const struct span *columns, size_t count)
{
	struct listing *listing = context;

	if (!listing->ended && count > 0 && columns[0].p != NULL && columns[0].n <= TABLE_KEY_MAX)
		listing->ended = !listing->visit(listing->context, columns[0], SPAN_EMPTY, 0);
}

static enum status
sql_list(struct table *table, table_visit *visit, void *context, struct err *err)
{
	struct sql_table *sql = table->state;
	struct listing listing = {.visit = visit, .context = context};
	struct sql_question asked = {.statement = STATEMENTS, .row = list_row, .context = &listing};
	struct sql_link *link;
	enum sql_answer answer;
	enum status status = sql_pool_take(&sql->pool, &link, err);

	if (status != ST_OK)
		return status;
	answer = sql->pool.driver->ask(link->connection, &asked, err);
	if (answer == SQL_GONE)
		sql_pool_lose(&sql->pool, link);
	else
		sql_pool_give(&sql->pool, link);
	return answer == SQL_ANSWERED ? ST_OK : ST_UNAVAILABLE;
}

/* ---- opening ---- */

static const struct sql_driver *const drivers[] = {&mysql_driver, &sqlite_driver};

static enum status
find_driver(const char *name, const struct sql_driver **out, struct err *err)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		if (strcmp(drivers[i]->name, name) != 0)
			continue;
		*out = drivers[i];
		if (drivers[i]->connect != NULL)
			return ST_OK;
	}
	err_set(err,
	    "a dsn of kind \"%s\" is not in this build; Signpost knows mysql and sqlite3, each "
	    "when it "
	    "is built with its library",
	    name);
	return ST_INVALID;
}

static enum status
make_statement(const struct dsn *dsn, unsigned slots, char **out, struct err *err)
{
	struct buf text;
	enum status status;

	buf_init(&text, DSN_STATEMENT_MAX);
	status = dsn_statement(dsn, slots, &text, err);
	if (status == ST_OK)
		*out = mem_strndup(text.p, text.n);
	buf_free(&text);
	return status == ST_OK ? ST_OK : ST_INVALID;
}

static enum status
make_listing(const struct dsn *dsn, char **out, struct err *err)
{
	struct buf text;
	enum status status;

	buf_init(&text, DSN_STATEMENT_MAX);
	status = dsn_list_statement(dsn, &text, err);
	if (status == ST_OK)
		*out = mem_strndup(text.p, text.n);
	buf_free(&text);
	return status == ST_OK ? ST_OK : ST_INVALID;
}

static void
describe(struct table *table, struct sql_table *sql)
{
	struct buf text;

	buf_init(&text, DSN_MAX * 2);
	dsn_describe(&sql->source.dsn, &text);
	sql->where = mem_strdup(buf_text(&text));
	table->where = mem_strdup(sql->where);
	buf_free(&text);
}

static void
apply_settings(const struct table *table, struct sql_table *sql)
{
	const struct table_settings *settings = table->settings;

	if (settings == NULL)
		return;
	sql->source.tls = settings->sql_tls;
	sql->source.tls_verify = settings->sql_tls_verify;
	if (settings->sql_tls_ca_file != NULL)
		sql->tls_ca_file = mem_strdup(settings->sql_tls_ca_file);
}

static void
sql_free(struct sql_table *sql)
{
	dsn_free(&sql->source.dsn);
	mem_free(sql->where);
	for (size_t i = 0; i < STATEMENTS + 1; i++)
		mem_free(sql->statements[i]);
	mem_free(sql->tls_ca_file);
	mem_free(sql);
}

static enum status
prepare(struct table *table, struct sql_table *sql, struct span value,
    const struct sql_driver **driver, struct err *err)
{
	const struct dsn *dsn = &sql->source.dsn;
	enum status status = dsn_parse(value, &sql->source.dsn, err);

	if (status == ST_OK && dsn->preset != NULL)
		status = dsn_preset_apply(&sql->source.dsn, table->parameter, err);
	if (status == ST_OK)
		status = find_driver(dsn->backend, driver, err);
	for (size_t i = 0; i < STATEMENTS && status == ST_OK; i++)
		status = make_statement(dsn, slots_of[i], &sql->statements[i], err);
	if (status == ST_OK)
		status = make_listing(dsn, &sql->statements[STATEMENTS], err);
	if (status != ST_OK)
		return status;
	describe(table, sql);
	apply_settings(table, sql);
	sql->source.where = sql->where;
	sql->source.statements = (const char *const *)sql->statements;
	sql->source.statement_count = STATEMENTS + 1;
	sql->source.at_once = 1;
	sql->source.columns_max = DSN_COLUMNS_MAX + 1;
	sql->source.advice = &advice;
	sql->source.tls_ca_file = sql->tls_ca_file;
	return ST_OK;
}

/* A server that cannot be asked now is no reason not to start: mail waits for it. */
static void
try_server(struct table *table, struct sql_table *sql)
{
	struct err err = ERR_NONE;
	struct sql_link *link;

	if (sql_pool_take(&sql->pool, &link, &err) == ST_OK)
		sql_pool_give(&sql->pool, link);
	else if (sql->pool.driver->pause_min_ms == 0)
		log_line(LOG_LEVEL_WARNING, "%s: %s; until then the table is unavailable",
		    table->parameter, err.text);
}

static enum status
sql_open(struct table *table, struct span value, struct err *err)
{
	struct sql_table *sql = mem_zalloc(1, sizeof(*sql));
	const struct sql_driver *driver = NULL;
	enum status status = prepare(table, sql, value, &driver, err);

	if (status != ST_OK) {
		sql_free(sql);
		return status;
	}
	sql_pool_init(&sql->pool, driver, &sql->source, table->parameter);
	table->state = sql;
	table->together = driver->pause_min_ms > 0;
	try_server(table, sql);
	return ST_OK;
}

static void
sql_close(struct table *table)
{
	struct sql_table *sql = table->state;

	sql_pool_free(&sql->pool);
	sql_free(sql);
	table->state = NULL;
}

const struct table_ops dsn_table_ops = {
    .type = "dsn",
    .open = sql_open,
    .lookup = sql_lookup,
    .lookup_many = sql_lookup_many,
    .list = sql_list,
    .close = sql_close,
    .no_walk = "a table of a database is not listed; write csl: or file: here",
    .distant = true,
};
