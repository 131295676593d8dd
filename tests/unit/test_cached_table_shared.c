/*
 * test_cached_table_shared.c - rows that several gateways share: what one has read another takes,
 * for as long as it would have kept it itself, and what is at the servers is readable by none.
 * make check.
 */
#include <stdatomic.h>

#include "lib/base/secret.h"
#include "lib/store/cached_table.h"
#include "lib/store/table_octets.h"
#include "tests/unit/secret_scan.h"
#include "tests/unit/shared_help.h"

#define FRESH_MS 5000
#define ABSENT_MS 3000
#define STALE_MS 600000

static int64_t now_ms = NOW_MS;

static int64_t
test_clock(void)
{
	return now_ms;
}

/* Time goes on for all. */
static void
pass(int64_t ms)
{
	now_ms += ms;
	help_utc_ms += ms;
}

/* ---- a database, as one gateway sees it ---- */

struct source {
	enum status status;
	unsigned version, questions, keys;
	int64_t takes_ms;
	struct span secret; /* appended to the values of a table of secrets */
};

struct row {
	bool secret;
	struct span columns[3];
	char text[];
};

static void
row_release(void *owner)
{
	struct row *row = owner;

	if (row->secret)
		secret_free(row);
	else
		mem_free(row);
}

/* Keys that begin with 'f' are there, with a column that is NULL and one that is empty; "text" has
 * no columns; "nul" has a NUL. */
static enum status
row_make(struct table *table, struct span key, struct table_value *out)
{
	struct source *source = table->state;
	bool secret = (table->flags & TABLE_SECRET) != 0;
	size_t bytes = sizeof(struct row) + key.n + 32 + source->secret.n;
	struct row *row;
	int n;

	source->keys++;
	if (key.n == 0 || strchr("ftn", key.p[0]) == NULL)
		return ST_ABSENT;
	row = secret ? secret_malloc(bytes) : mem_alloc(bytes);
	row->secret = secret;
	n = snprintf(row->text, key.n + 32, "%.*s=%u ", SPAN_ARG(key), source->version);
	if (source->secret.n > 0)
		memcpy(row->text + n, source->secret.p, source->secret.n);
	if (key.p[0] == 'n')
		row->text[0] = '\0';
	row->columns[0] =
	    span_of(row->text, (size_t)n + source->secret.n - (source->secret.n == 0 ? 1 : 0));
	row->columns[1] = SPAN_EMPTY;
	row->columns[2] = span_of(row->text, 0);
	*out = (struct table_value){
	    .text = row->columns[0], .line = 7, .release = row_release, .owner = row};
	if (key.p[0] != 't') {
		out->columns = row->columns;
		out->column_count = 3;
	}
	return ST_OK;
}

static enum status
ask_source(struct table *table, struct err *err)
{
	struct source *source = table->state;

	source->questions++;
	pass(source->takes_ms);
	if (source->status != ST_OK)
		err_set(err, "no way");
	return source->status;
}

static enum status
source_lookup(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	enum status status = ask_source(table, err);

	return status != ST_OK ? status : row_make(table, key, out);
}

static enum status
source_lookup_many(struct table *table, const struct span *keys, size_t count, size_t max,
    struct table_value *out, size_t *at_out, size_t *count_out, struct err *err)
{
	enum status status = ask_source(table, err);

	for (size_t i = 0; status == ST_OK && i < count && *count_out < max; i++)
		if (row_make(table, keys[i], &out[*count_out]) == ST_OK)
			at_out[(*count_out)++] = i;
	return status != ST_OK ? status : *count_out > 0 ? ST_OK : ST_ABSENT;
}

static enum status
source_refresh(struct table *table, struct err *err)
{
	(void)table;
	(void)err;
	return ST_OK;
}

static void
source_close(struct table *table)
{
	(void)table;
}

static const struct table_ops source_ops = {.type = "source",
    .lookup = source_lookup,
    .lookup_many = source_lookup_many,
    .refresh = source_refresh,
    .close = source_close,
    .distant = true};

/* ---- two gateways ---- */

struct world {
	struct memshared *server;
	struct source sources[2];
	struct gateway *gateways[2];
	struct table *tables[2];
	bool anew; /* tables are opened by a reload */
};

static struct table *
open_table(struct world *world, int i, unsigned flags, const char *scope)
{
	const struct cached_table_config config = {.bytes_max = 1000000,
	    .fresh_ms = FRESH_MS,
	    .absent_ms = ABSENT_MS,
	    .stale_ms = STALE_MS,
	    .shared = world->gateways[i] == NULL ? NULL : world->gateways[i]->cache,
	    .shared_scope = span_str(scope),
	    .shared_anew = world->anew,
	    .now_ms = test_clock};
	struct table *inner = table_new(&source_ops, "KeyTable", flags);

	inner->where = mem_strdup("source://x");
	inner->state = &world->sources[i];
	return cached_table_new(inner, &config);
}

static void
world_begin(struct world *world, unsigned flags)
{
	*world = (struct world){.server = memshared_new()};
	now_ms = NOW_MS;
	help_utc_ms = UTC_MS;
	help_counters_begin();
	for (int i = 0; i < 2; i++) {
		world->sources[i].version = 1;
		world->gateways[i] = gateway_open(world->server, SITE_1, NULL);
		world->tables[i] = open_table(world, i, flags, "dsn:x");
	}
}

static void
world_end(struct world *world)
{
	for (int i = 0; i < 2; i++) {
		table_close(world->tables[i]);
		gateway_close(world->gateways[i]);
	}
	memshared_free(world->server);
	metrics_close();
	now_ms = NOW_MS;
	help_utc_ms = UTC_MS;
}

/* "f1=1@0 f2=1@2", or the status. */
static const char *
ask_keys(struct table *table, const char *names)
{
	static char text[1024];
	struct span keys[TABLE_KEYS_MAX], rest = span_str(names);
	struct table_value values[TABLE_KEYS_MAX];
	size_t at[TABLE_KEYS_MAX], count = 0, n = 0;
	struct err err = ERR_NONE;
	enum status status;
	struct buf out;

	while (count < TABLE_KEYS_MAX && span_word(&rest, &keys[count]))
		count++;
	status = table_lookup_many(table, keys, count, count, values, at, &n, &err);
	buf_init(&out, sizeof(text));
	if (status != ST_OK)
		buf_add_str(&out, status_name(status));
	for (size_t i = 0; i < n; i++) {
		buf_add_fmt(&out, "%.*s@%zu ", SPAN_ARG(values[i].text), at[i]);
		table_value_release(&values[i]);
	}
	snprintf(text, sizeof(text), "%s", buf_text(&out));
	buf_free(&out);
	return text;
}

static void
test_one_asks_for_both(void **state)
{
	struct world world;
	struct table_value value;
	struct span fields[4];
	struct err err = ERR_NONE;

	(void)state;
	world_begin(&world, 0);
	assert_string_equal(help_ask(world.tables[0], "found"), "found=1");
	assert_string_equal(help_ask(world.tables[0], "absent"), "<absent>");
	assert_string_equal(help_ask(world.tables[0], "text"), "text=1");
	assert_int_equal(help_counted("misses_total{cache=\"table\"}"), 3);
	assert_int_equal(help_counted("stored_total{cache=\"table\"}"), 3);
	assert_int_equal(memshared_ttl_s(world.server, 0), STALE_MS / 1000);
	assert_int_equal(table_lookup(world.tables[1], S("found"), &value, &err), ST_OK);
	assert_int_equal(value.line, 7);
	assert_int_equal(table_value_fields(&value, fields, 4), 3);
	assert_true(span_eq_str(fields[0], "found=1"));
	assert_null(fields[1].p);
	assert_non_null(fields[2].p);
	assert_int_equal(fields[2].n, 0);
	table_value_release(&value);
	assert_string_equal(help_ask(world.tables[1], "absent"), "<absent>");
	assert_int_equal(table_lookup(world.tables[1], S("text"), &value, &err), ST_OK);
	assert_null(value.columns);
	assert_true(span_eq_str(value.text, "text=1"));
	table_value_release(&value);
	assert_int_equal(world.sources[1].questions, 0);
	assert_int_equal(help_counted("hits_total{cache=\"table\"}"), 3);
	/* Once known, the server is not asked either. */
	memshared_forget_counts(world.server);
	assert_string_equal(help_ask(world.tables[1], "found"), "found=1");
	assert_int_equal(memshared_counts(world.server).gets, 0);
	world_end(&world);
}

/* Whoever asks, a row is FRESH_MS old at most. */
static void
test_a_change_is_in_force_everywhere(void **state)
{
	(void)state;
	for (int64_t later = 0; later < FRESH_MS; later += 250) {
		struct world world;

		world_begin(&world, 0);
		assert_string_equal(help_ask(world.tables[0], "found"), "found=1");
		assert_string_equal(help_ask(world.tables[0], "x"), "<absent>");
		world.sources[0].version = world.sources[1].version = 2;
		pass(later);
		assert_string_equal(help_ask(world.tables[1], "found"),
		    later < FRESH_MS - FRESH_MS / 5 ? "found=1" : "found=2");
		(void)help_ask(world.tables[1], "x");
		assert_int_equal(
		    world.sources[1].keys, (later < FRESH_MS - FRESH_MS / 5 ? 0 : 1) +
					       (later < ABSENT_MS - ABSENT_MS / 5 ? 0 : 1));
		pass(FRESH_MS - later);
		for (int i = 0; i < 2; i++)
			assert_string_equal(help_ask(world.tables[i], "found"), "found=2");
		world_end(&world);
	}
}

/* The age counts from the question, not from the answer. */
static void
test_a_slow_answer(void **state)
{
	struct world world;

	(void)state;
	world_begin(&world, 0);
	world.sources[0].takes_ms = 2000;
	assert_string_equal(help_ask(world.tables[0], "found"), "found=1");
	world.sources[0].takes_ms = 0;
	world.sources[1].version = 2;
	pass(1999);
	assert_string_equal(help_ask(world.tables[1], "found"), "found=1");
	pass(1001);
	assert_string_equal(help_ask(world.tables[1], "found"), "found=2");
	world_end(&world);
}

static void
test_many_in_one_question(void **state)
{
	struct world world;

	(void)state;
	world_begin(&world, 0);
	assert_string_equal(ask_keys(world.tables[0], "f1 a f2"), "f1=1@0 f2=1@2 ");
	assert_int_equal(memshared_counts(world.server).gets, 1);
	world.sources[1].version = 2;
	assert_string_equal(ask_keys(world.tables[1], "f0 f1 a b f2"), "f0=2@0 f1=1@1 f2=1@4 ");
	assert_int_equal(memshared_counts(world.server).gets, 2);
	assert_int_equal(world.sources[1].questions, 1);
	assert_int_equal(world.sources[1].keys, 2);
	assert_string_equal(ask_keys(world.tables[0], "b f0"), "f0=2@1 ");
	assert_int_equal(world.sources[0].questions, 1);
	/* One of many cannot be answered. */
	world.sources[1].status = ST_UNAVAILABLE;
	assert_string_equal(ask_keys(world.tables[0], "f3 c"), "f3=1@0 ");
	assert_string_equal(ask_keys(world.tables[1], "f3 c new"), "unavailable");
	assert_string_equal(ask_keys(world.tables[1], "f3 c"), "f3=1@0 ");
	assert_string_equal(ask_keys(world.tables[1], "c"), "absent");
	/* And one that is malformed. */
	world.sources[1].status = ST_INVALID;
	assert_string_equal(ask_keys(world.tables[0], "f4"), "f4=1@0 ");
	assert_string_equal(ask_keys(world.tables[1], "f4 new"), "invalid");
	assert_string_equal(ask_keys(world.tables[1], "f4"), "f4=1@0 ");
	world_end(&world);
}

static void
test_old_rows_while_the_source_is_away(void **state)
{
	struct world world;

	(void)state;
	world_begin(&world, 0);
	assert_string_equal(ask_keys(world.tables[0], "f1 f2 a"), "f1=1@0 f2=1@1 ");
	pass(FRESH_MS);
	world.sources[0].status = world.sources[1].status = ST_UNAVAILABLE;
	assert_string_equal(help_ask(world.tables[1], "f1"), "f1=1");
	assert_string_equal(help_ask(world.tables[1], "a"), "<absent>");
	assert_string_equal(help_ask(world.tables[1], "new"), "<unavailable>");
	assert_string_equal(ask_keys(world.tables[1], "f1 f2 a"), "f1=1@0 f2=1@1 ");
	assert_string_equal(ask_keys(world.tables[1], "f2 new"), "unavailable");
	assert_int_equal(help_counted("stale_served_total{cache=\"table\"}"), 3);
	/* It is back. */
	world.sources[1].status = ST_OK;
	world.sources[1].version = 2;
	pass(CACHE_PAUSE_MS);
	assert_string_equal(ask_keys(world.tables[1], "f1 f2 a"), "f1=2@0 f2=2@1 ");
	/* And the other one, whose way is still cut, takes that, and goes on with it. */
	assert_string_equal(ask_keys(world.tables[0], "f1 f2 a"), "f1=2@0 f2=2@1 ");
	pass(STALE_MS - 1);
	world.sources[1].status = ST_UNAVAILABLE;
	for (int i = 0; i < 2; i++)
		assert_string_equal(ask_keys(world.tables[i], "f1 f2 a"), "f1=2@0 f2=2@1 ");
	pass(1);
	for (int i = 0; i < 2; i++)
		assert_string_equal(help_ask(world.tables[i], "f1"), "<unavailable>");
	world_end(&world);
}

/* A server that is silent costs one caller in a second its time-out, also a gateway that has just
 * started and knows nothing itself. */
static void
test_a_silent_source_is_spared(void **state)
{
	struct world world;
	char name[8];

	(void)state;
	world_begin(&world, 0);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		(void)help_ask(world.tables[0], name);
	}
	pass(FRESH_MS);
	world.sources[1].status = ST_UNAVAILABLE;
	world.sources[1].takes_ms = 3000;
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		pass(50);
		assert_memory_equal(help_ask(world.tables[1], name), name, strlen(name));
	}
	assert_int_equal(world.sources[1].questions, 2);
	assert_int_equal(help_counted("stale_served_total{cache=\"table\"}"), 40);
	world.sources[1].status = ST_OK;
	world.sources[1].takes_ms = 0;
	pass(CACHE_PAUSE_MS);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		(void)help_ask(world.tables[1], name);
	}
	assert_int_equal(world.sources[1].questions, 42);
	world_end(&world);
}

static void
test_refreshed(void **state)
{
	struct world world;
	struct err err = ERR_NONE;

	(void)state;
	world_begin(&world, 0);
	assert_string_equal(help_ask(world.tables[0], "f"), "f=1");
	pass(10);
	world.sources[1].version = 2;
	assert_int_equal(table_refresh(world.tables[1], &err), ST_OK);
	assert_string_equal(help_ask(world.tables[1], "f"), "f=2");
	world_end(&world);
}

/* A gateway that was started again takes what others have asked for; one that was told to read its
 * tables again does not. */
static void
test_started_again_and_reloaded(void **state)
{
	(void)state;
	for (int reload = 0; reload < 2; reload++) {
		struct world world;

		world_begin(&world, 0);
		assert_string_equal(help_ask(world.tables[0], "f"), "f=1");
		world.sources[1].version = 2;
		pass(10);
		table_close(world.tables[1]);
		world.anew = reload == 1;
		world.tables[1] = open_table(&world, 1, 0, "dsn:x");
		assert_string_equal(help_ask(world.tables[1], "f"), reload == 1 ? "f=2" : "f=1");
		world_end(&world);
	}
}

static void
test_without_the_server(void **state)
{
	struct world world;

	(void)state;
	world_begin(&world, 0);
	memshared_set_away(world.server, true);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(help_ask(world.tables[i], "f"), "f=1");
		assert_string_equal(help_ask(world.tables[i], "a"), "<absent>");
	}
	assert_int_equal(help_counted("unavailable_total{cache=\"table\"}"), 4);
	world_end(&world);
}

static void
test_scopes(void **state)
{
	struct world world;
	struct table *other;

	(void)state;
	world_begin(&world, 0);
	assert_string_equal(help_ask(world.tables[0], "f"), "f=1");
	other = open_table(&world, 1, 0, "dsn:y");
	world.sources[1].version = 2;
	assert_string_equal(help_ask(other, "f"), "f=2");
	assert_string_equal(help_ask(world.tables[1], "f"), "f=1");
	table_close(other);
	world_end(&world);
}

/* ---- a server that lies ---- */

static void
test_lies(void **state)
{
	static const uint8_t masks[] = {0x01, 0x80};
	struct world world;
	size_t n;

	(void)state;
	world_begin(&world, 0);
	assert_string_equal(help_ask(world.tables[0], "f1"), "f1=1");
	assert_string_equal(help_ask(world.tables[0], "absent"), "<absent>");
	world.sources[1].version = 2;
	mem_free(memshared_value(world.server, 0, &n));
	memshared_set_dropping(world.server, true);
	for (size_t at = 0; at < n; at++) {
		for (size_t i = 0; i < sizeof(masks); i++) {
			memshared_flip(world.server, 0, at, masks[i]);
			cache_clear(cached_table_cache(world.tables[1]));
			assert_string_equal(help_ask(world.tables[1], "f1"), "f1=2");
			memshared_flip(world.server, 0, at, masks[i]);
		}
	}
	memshared_swap(world.server, 0, 1);
	cache_clear(cached_table_cache(world.tables[1]));
	assert_string_equal(help_ask(world.tables[1], "f1"), "f1=2");
	assert_string_equal(help_ask(world.tables[1], "absent"), "<absent>");
	memshared_swap(world.server, 0, 1);
	cache_clear(cached_table_cache(world.tables[1]));
	assert_string_equal(help_ask(world.tables[1], "f1"), "f1=1");
	/* What it repeats is as old as it is. */
	memshared_set_dropping(world.server, false);
	pass(FRESH_MS);
	world.sources[0].version = 3;
	assert_string_equal(help_ask(world.tables[0], "f1"), "f1=3");
	memshared_set_replaying(world.server, true);
	assert_string_equal(help_ask(world.tables[1], "f1"), "f1=2");
	world_end(&world);
}

/* Sealed with our key, by a newer version of this program. */
static void
test_another_way_of_writing(void **state)
{
	const struct sharedcache_question question = {
	    .purpose = SHAREDCACHE_TABLE, .scope = S("dsn:x")};
	const struct sharedcache_entry entry = {
	    .name = S("f"), .plain = S("tr2 something else"), .asked_ms = NOW_MS, .ttl_s = 10};
	struct world world;

	(void)state;
	world_begin(&world, 0);
	sharedcache_put(world.gateways[0]->cache, &question, &entry, NOW_MS);
	assert_string_equal(help_ask(world.tables[1], "f"), "f=1");
	assert_int_equal(help_counted("refused_total{cache=\"table\",reason=\"form\"}"), 1);
	assert_string_equal(help_ask(world.tables[0], "f"), "f=1"); /* the better one is there */
	assert_int_equal(world.sources[0].questions, 0);
	/* What cannot be written is not shared. */
	assert_string_equal(help_ask(world.tables[0], "nul"), "");
	assert_int_equal(help_counted("stored_total{cache=\"table\"}"), 2);
	world_end(&world);
}

/* ---- secrets ---- */

static void
test_secrets_stay_in_secret_memory(void **state)
{
	char *secret = secret_malloc(32);
	struct table_value values[2];
	struct world world;
	struct err err = ERR_NONE;

	(void)state;
	for (size_t i = 0; i < 32; i++)
		secret[i] = (char)('A' + (i * i * 7 + (size_t)getpid()) % 53);
	world_begin(&world, TABLE_SECRET);
	world.sources[0].secret = span_of(secret, 32);
	for (int i = 0; i < 2; i++)
		assert_int_equal(table_lookup(world.tables[i], S("f"), &values[i], &err), ST_OK);
	assert_int_equal(world.sources[1].questions, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(values[i].text.n, 4 + 32);
		assert_memory_equal(values[i].text.p + 4, secret, 32);
	}
	if (SCAN_POSSIBLE)
		assert_false(scan_finds(span_of(secret, 32)));
	for (int i = 0; i < 2; i++)
		table_value_release(&values[i]);
	assert_false(memshared_saw(world.server, span_of(secret, 8)));
	world_end(&world);
	if (SCAN_POSSIBLE) {
		char *copy = mem_strndup(secret, 32); /* it would have been found */

		assert_true(scan_finds(span_of(secret, 32)));
		secret_wipe(copy, 32);
		mem_free(copy);
	}
	secret_free(secret);
}

/* ---- rows as octets ---- */

static void
read_either_way(struct span octets)
{
	struct table_value value;
	struct err err = ERR_NONE;
	enum status status = table_octets_read(octets, true, &value, &err);
	size_t n;
	char *room;

	if (status == ST_INVALID) {
		assert_null(value.owner);
		assert_int_equal(value.line, 0);
		return;
	}
	assert_int_equal(status, ST_OK);
	n = table_octets_bytes(&value);
	assert_int_equal(n, octets.n);
	room = secret_malloc(n);
	table_octets_write(&value, room);
	assert_memory_equal(room, octets.p, n);
	secret_free(room);
	table_value_release(&value);
}

static void
test_one_spelling(void **state)
{
	const struct span columns[] = {S("one"), SPAN_EMPTY, {"", 0}, S("four")};
	const struct table_value values[] = {
	    {.text = columns[0], .columns = columns, .column_count = 4, .line = 99},
	    {.text = S("text"), .line = 1}, {.text = SPAN_EMPTY},
	    {.text = columns[1], .columns = columns + 1, .column_count = 1}};
	struct table_value none;
	struct err err = ERR_NONE;
	char room[256];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		size_t n = table_octets_bytes(&values[i]);

		assert_in_range(n, 1, sizeof(room) - 1);
		table_octets_write(&values[i], room);
		read_either_way(span_of(room, n));
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(
			    table_octets_read(span_of(room, cut), false, &none, &err), ST_INVALID);
		room[n] = '\0';
		assert_int_equal(
		    table_octets_read(span_of(room, n + 1), false, &none, &err), ST_INVALID);
		for (size_t at = 4; at < n; at++) {
			for (unsigned bit = 0; bit < 8; bit++) {
				room[at] = (char)((uint8_t)room[at] ^ 1U << bit);
				read_either_way(span_of(room, n));
				room[at] = (char)((uint8_t)room[at] ^ 1U << bit);
			}
		}
	}
	assert_int_equal(table_octets_bytes(NULL), 4);
	table_octets_write(NULL, room);
	assert_int_equal(table_octets_read(span_of(room, 4), true, &none, &err), ST_ABSENT);
	room[4] = '\0';
	assert_int_equal(table_octets_read(span_of(room, 5), true, &none, &err), ST_INVALID);
}

static void
test_rows_that_are_not_shared(void **state)
{
	static struct span columns[TABLE_OCTETS_COLUMNS_MAX + 1];
	struct table_value value = {.text = S("a\0b")};

	(void)state;
	assert_int_equal(table_octets_bytes(&value), 0);
	value = (struct table_value){.columns = columns, .column_count = 0};
	assert_int_equal(table_octets_bytes(&value), 0);
	value.column_count = TABLE_OCTETS_COLUMNS_MAX + 1;
	assert_int_equal(table_octets_bytes(&value), 0);
	value.column_count--;
	assert_true(table_octets_bytes(&value) > 0);
	value.text = S("another");
	assert_int_equal(table_octets_bytes(&value), 0);
	columns[0] = value.text;
	assert_true(table_octets_bytes(&value) > 0);
	columns[5] = S("\0");
	assert_int_equal(table_octets_bytes(&value), 0);
}

/* ---- sharing changes no answer ---- */

static void
random_keys(uint64_t *random, char *text, size_t size)
{
	size_t n = 1 + help_random(random) % 8, used = 0;

	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, size - used, "%c%u ",
		    "fa"[help_random(random) % 2], help_random(random) % 6);
}

static void
test_same_answers_as_without(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		struct world world, alone = {.server = NULL};
		uint64_t random = round + 1;
		char keys[128], expected[1024];

		world_begin(&world, 0);
		alone.sources[0].version = 1;
		alone.tables[0] = open_table(&alone, 0, 0, "");
		for (int i = 0; i < 300; i++) {
			unsigned r = help_random(&random);

			random_keys(&random, keys, sizeof(keys));
			if (r % 16 == 0)
				memshared_set_away(world.server, r / 16 % 2 == 0);
			if (r % 16 == 1)
				memshared_flip(world.server, r / 16 % 12, r / 256 % 80, 1);
			if (r % 16 == 2)
				memshared_swap(world.server, r / 16 % 12, r / 256 % 12);
			pass(r % 900);
			snprintf(expected, sizeof(expected), "%s", ask_keys(alone.tables[0], keys));
			assert_string_equal(ask_keys(world.tables[r / 4096 % 2], keys), expected);
		}
		table_close(alone.tables[0]);
		world_end(&world);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_asks_for_both),
	    cmocka_unit_test(test_a_change_is_in_force_everywhere),
	    cmocka_unit_test(test_a_slow_answer),
	    cmocka_unit_test(test_many_in_one_question),
	    cmocka_unit_test(test_old_rows_while_the_source_is_away),
	    cmocka_unit_test(test_a_silent_source_is_spared),
	    cmocka_unit_test(test_refreshed),
	    cmocka_unit_test(test_started_again_and_reloaded),
	    cmocka_unit_test(test_without_the_server),
	    cmocka_unit_test(test_scopes),
	    cmocka_unit_test(test_lies),
	    cmocka_unit_test(test_another_way_of_writing),
	    cmocka_unit_test(test_secrets_stay_in_secret_memory),
	    cmocka_unit_test(test_one_spelling),
	    cmocka_unit_test(test_rows_that_are_not_shared),
	    cmocka_unit_test(test_same_answers_as_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
