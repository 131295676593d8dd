/*
 * test_cached_table.c - a table behind a cache gives the answers that it gives without one, asks
 * less, and goes on while its server is away. make check.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/clock.h"
#include "lib/store/cached_table.h"
#include "tests/unit/store_help.h"

/* A server: which keys it has, what it says, and what it was asked. */
struct server {
	atomic_int status;
	atomic_uint questions, keys_asked, version;
	atomic_long rows_alive;
	atomic_int asking[256]; /* by the first letter of the key, where threads ask */
	bool told, slow;
	struct buf asked;
};

struct row {
	struct server *server;
	struct span columns[2];
	char text[64];
};

static atomic_llong clock_ms;

static int64_t
test_clock(void)
{
	return atomic_load(&clock_ms);
}

static void
row_release(void *owner)
{
	struct row *row = owner;

	atomic_fetch_sub(&row->server->rows_alive, 1);
	mem_free(row);
}

/* Keys that begin with 'f' or 'F' are there; "bad" cannot be used. */
static enum status
row_make(struct server *server, struct span key, struct table_value *out, struct err *err)
{
	struct row *row;

	atomic_fetch_add(&server->keys_asked, 1);
	buf_add(&server->asked, key);
	buf_add_char(&server->asked, ' ');
	if (span_eq_str(key, "bad")) {
		err_set(err, "bad row");
		return ST_INVALID;
	}
	if (key.n == 0 || (key.p[0] != 'f' && key.p[0] != 'F'))
		return ST_ABSENT;
	row = mem_zalloc(1, sizeof(*row));
	atomic_fetch_add(&server->rows_alive, 1);
	row->server = server;
	snprintf(
	    row->text, sizeof(row->text), "%.*s=%u", SPAN_ARG(key), atomic_load(&server->version));
	row->columns[0] = span_str(row->text);
	row->columns[1] = SPAN_LIT("more");
	*out = (struct table_value){.text = row->columns[0],
	    .columns = row->columns,
	    .column_count = 2,
	    .release = row_release,
	    .owner = row};
	return ST_OK;
}

static enum status
server_lookup(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	struct server *server = table->state;

	atomic_fetch_add(&server->questions, 1);
	if (atomic_load(&server->status) != ST_OK) {
		err_set(err, "no way");
		return (enum status)atomic_load(&server->status);
	}
	return row_make(server, key, out, err);
}

static enum status
server_lookup_many(struct table *table, const struct span *keys, size_t count, size_t max,
    struct table_value *out, size_t *at_out, size_t *count_out, struct err *err)
{
	struct server *server = table->state;
	enum status status = (enum status)atomic_load(&server->status);

	atomic_fetch_add(&server->questions, 1);
	if (status != ST_OK)
		err_set(err, "no way");
	for (size_t i = 0; i < count && *count_out < max && status == ST_OK; i++) {
		status = row_make(server, keys[i], &out[*count_out], err);
		if (status == ST_OK)
			at_out[(*count_out)++] = i;
		else if (status == ST_ABSENT)
			status = ST_OK;
	}
	while (status != ST_OK && *count_out > 0)
		table_value_release(&out[--*count_out]);
	return status != ST_OK ? status : *count_out > 0 ? ST_OK : ST_ABSENT;
}

static enum status
server_walk(struct table *table, table_visit *visit, void *context, struct err *err)
{
	(void)table;
	(void)err;
	(void)visit(context, SPAN_LIT("key"), SPAN_LIT("value"), 3);
	return ST_OK;
}

static enum status
server_refresh(struct table *table, struct err *err)
{
	(void)table;
	(void)err;
	return ST_OK;
}

static void
server_close(struct table *table)
{
	struct server *server = table->state;

	server->told = true;
}

static const struct table_ops single_ops = {.type = "server",
    .lookup = server_lookup,
    .close = server_close,
    .no_walk = "it is not listed",
    .distant = true};
static const struct table_ops many_ops = {.type = "server",
    .lookup = server_lookup,
    .lookup_many = server_lookup_many,
    .walk = server_walk,
    .refresh = server_refresh,
    .close = server_close,
    .distant = true};
static const struct table_ops near_ops = {
    .type = "near", .lookup = server_lookup, .close = server_close};

static const struct cached_table_config config = {.bytes_max = 1000000,
    .fresh_ms = 5000,
    .absent_ms = 3000,
    .stale_ms = 60000,
    .now_ms = test_clock};

static struct table *
open_server(struct server *server, const struct table_ops *ops, unsigned flags)
{
	struct table *table = table_new(ops, "SigningTable", flags);

	buf_init(&server->asked, 1 << 20);
	table->where = mem_strdup("server://x");
	table->state = server;
	return table;
}

static struct table *
open_cached(struct server *server, const struct table_ops *ops, unsigned flags)
{
	atomic_store(&clock_ms, 1000000);
	return cached_table_new(open_server(server, ops, flags), &config);
}

static void
close_cached(struct table *table, struct server *server)
{
	table_close(table);
	buf_free(&server->asked);
	assert_true(server->told);
	assert_int_equal(atomic_load(&server->rows_alive), 0);
}

static void
test_rows_and_absences_are_kept(void **state)
{
	struct server server = {.version = 1};
	struct table *table = open_cached(&server, &single_ops, 0);

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_string_equal(help_ask(table, "found"), "found=1");
		assert_string_equal(help_ask(table, "absent"), "<absent>");
		assert_string_equal(help_ask(table, ""), "<absent>");
	}
	assert_int_equal(atomic_load(&server.questions), 3);
	atomic_store(&server.version, 2);
	atomic_fetch_add(&clock_ms, 3000);
	assert_string_equal(help_ask(table, "found"), "found=1");
	assert_string_equal(help_ask(table, "absent"), "<absent>");
	assert_int_equal(atomic_load(&server.questions), 4);
	atomic_fetch_add(&clock_ms, 2000);
	assert_string_equal(help_ask(table, "found"), "found=2");
	close_cached(table, &server);
}

static void
test_a_value_outlives_its_entry(void **state)
{
	struct server server = {.version = 1};
	struct table *table = open_cached(&server, &single_ops, TABLE_SECRET);
	struct table_value value, again;
	struct span fields[3];
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(table_lookup(table, SPAN_LIT("f"), &value, &err), ST_OK);
	assert_int_equal(table_lookup(table, SPAN_LIT("f"), &again, &err), ST_OK);
	assert_ptr_equal(value.text.p, again.text.p); /* not a copy */
	cache_clear(cached_table_cache(table));
	assert_int_equal(atomic_load(&server.rows_alive), 1);
	table_value_release(&value);
	table_value_release(&value);
	assert_int_equal(table_value_fields(&again, fields, 3), 2);
	assert_true(span_eq_str(fields[0], "f=1"));
	assert_true(span_eq_str(fields[1], "more"));
	table_value_release(&again);
	assert_int_equal(atomic_load(&server.rows_alive), 0);
	close_cached(table, &server);
}

static void
test_an_outage_is_told_once(void **state)
{
	struct server server = {.version = 1};
	struct table *table = open_cached(&server, &many_ops, 0);
	const char *path = help_write("log", "");
	int kept = dup(STDERR_FILENO), fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	(void)state;
	assert_string_equal(help_ask(table, "f1"), "f1=1");
	assert_string_equal(help_ask(table, "f2"), "f2=1");
	assert_string_equal(help_ask(table, "none"), "<absent>");
	dup2(fd, STDERR_FILENO);
	for (int outage = 1; outage <= 2; outage++) {
		atomic_store(&server.status, ST_UNAVAILABLE);
		for (int i = 0; i < 20; i++) {
			atomic_fetch_add(&clock_ms, 1000);
			(void)help_ask(table, "unknown");
			(void)help_ask(table, "none");
			(void)help_ask(table, "f1");
			(void)help_ask(table, "f2");
		}
		assert_int_equal(
		    help_lines_with(path, "no way; rows of SigningTable server://x"), outage);
		assert_string_equal(help_ask(table, "f1"), "f1=1");
		assert_string_equal(help_ask(table, "none"), "<absent>");
		assert_string_equal(help_ask(table, "unknown"), "<unavailable>");
		atomic_store(&server.status, ST_OK);
		atomic_fetch_add(&clock_ms, 1000);
		for (int i = 0; i < 5; i++)
			assert_string_equal(help_ask(table, "f1"), "f1=1");
		assert_int_equal(help_lines_with(path, "server://x answers again"), outage);
		assert_int_equal(help_lines_with(path, ""), 2 * outage);
		(void)help_ask(table, "f2");
		(void)help_ask(table, "none");
	}
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(fd);
	close_cached(table, &server);
}

/* "f1=1@0 f2=1@2", or the status. */
static const char *
ask_keys(struct table *table, const char *names, size_t max)
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
	status = table_lookup_many(table, keys, count, max, values, at, &n, &err);
	buf_init(&out, sizeof(text));
	if (status != ST_OK)
		buf_add_str(&out, status_name(status));
	assert_int_equal(status == ST_OK, n > 0);
	for (size_t i = 0; i < n; i++) {
		buf_add_fmt(&out, "%.*s@%zu ", SPAN_ARG(values[i].text), at[i]);
		table_value_release(&values[i]);
	}
	snprintf(text, sizeof(text), "%s", buf_text(&out));
	buf_free(&out);
	return text;
}

static void
test_only_missing_keys_are_asked(void **state)
{
	struct server server = {.version = 1};
	struct table *table = open_cached(&server, &many_ops, 0);

	(void)state;
	assert_int_equal(table_keys_at_once(table), TABLE_KEYS_MAX);
	assert_string_equal(ask_keys(table, "a f1 b f2", 9), "f1=1@1 f2=1@3 ");
	assert_string_equal(buf_text(&server.asked), "a f1 b f2 ");
	buf_reset(&server.asked);
	assert_string_equal(ask_keys(table, "a f1 c f2 f3", 9), "f1=1@1 f2=1@3 f3=1@4 ");
	assert_string_equal(buf_text(&server.asked), "c f3 ");
	buf_reset(&server.asked);
	assert_string_equal(ask_keys(table, "a f1 new f9", 1), "f1=1@1 ");
	assert_string_equal(ask_keys(table, "a b c", 9), "absent");
	assert_string_equal(help_ask(table, "f3"), "f3=1");
	assert_string_equal(buf_text(&server.asked), "");
	assert_string_equal(ask_keys(table, "a f1 new f9", 2), "f1=1@1 f9=1@3 ");
	/* One that cannot be used is an answer, and not kept. */
	for (int i = 0; i < 2; i++) {
		assert_string_equal(ask_keys(table, "f1 bad f2", 9), "invalid");
		assert_string_equal(ask_keys(table, "f1 f2", 9), "f1=1@0 f2=1@1 ");
	}
	atomic_store(&server.status, ST_UNAVAILABLE);
	atomic_fetch_add(&clock_ms, 6000);
	assert_string_equal(ask_keys(table, "a f1 f2", 9), "f1=1@1 f2=1@2 ");
	assert_string_equal(ask_keys(table, "f1 unknown f2", 9), "unavailable");
	assert_string_equal(ask_keys(table, "f1 unknown f2", 1), "f1=1@0 ");
	close_cached(table, &server);
}

static void
test_case(void **state)
{
	struct server server = {.version = 1}, exact = {.version = 1};
	struct table *table = open_cached(&server, &many_ops, TABLE_ICASE);

	(void)state;
	/* A column may compare with case: an absence is of one spelling. */
	assert_string_equal(help_ask(table, "x"), "<absent>");
	assert_string_equal(help_ask(table, "X"), "<absent>");
	assert_int_equal(atomic_load(&server.questions), 2);
	assert_string_equal(help_ask(table, "found"), "found=1");
	for (int i = 0; i < 3; i++) {
		assert_string_equal(help_ask(table, "FOUND"), "found=1");
		assert_string_equal(ask_keys(table, "x Found X fOUND", 9), "found=1@1 found=1@3 ");
		assert_string_equal(ask_keys(table, "x Found new fOUND", 1), "found=1@1 ");
	}
	assert_int_equal(atomic_load(&server.questions), 4);
	/* Asked as it is written. */
	assert_string_equal(help_ask(table, "F2"), "F2=1");
	assert_string_equal(help_ask(table, "F2"), "F2=1");
	assert_int_equal(atomic_load(&server.questions), 5);
	close_cached(table, &server);
	table = open_cached(&exact, &many_ops, 0);
	assert_string_equal(help_ask(table, "found"), "found=1");
	assert_string_equal(help_ask(table, "Found"), "Found=1");
	close_cached(table, &exact);
}

static bool
count_visit(void *context, struct span key, struct span value, unsigned line)
{
	(void)key;
	(void)value;
	*(unsigned *)context += line;
	return true;
}

static void
note_change(void *context)
{
	++*(int *)context;
}

static void
test_what_goes_through(void **state)
{
	struct server server = {.version = 1}, near_server = {.version = 1},
		      single = {.version = 1};
	struct table *inner = open_server(&near_server, &near_ops, 0), *table;
	int changes = 0, inner_changes = 0;
	struct table_listener outer_listener = {note_change, &changes, NULL};
	struct table_listener inner_listener = {note_change, &inner_changes, NULL};
	struct cached_table_config none = config;
	struct err err = ERR_NONE;
	unsigned lines = 0;

	(void)state;
	assert_ptr_equal(cached_table_new(inner, &config), inner);
	assert_null(cached_table_cache(inner));
	close_cached(inner, &near_server);
	none.bytes_max = 0;
	inner = open_server(&server, &many_ops, 0);
	assert_ptr_equal(cached_table_new(inner, &none), inner);
	table_listen(inner, &inner_listener);
	table = cached_table_new(inner, &config);
	table_listen(table, &outer_listener);
	assert_string_equal(table->where, "server://x");
	assert_string_equal(table->parameter, "SigningTable");
	assert_string_equal(help_ask(table, "f"), "f=1");
	assert_int_equal(table_walk(table, count_visit, &lines, &err), ST_OK);
	assert_int_equal(lines, 3);
	atomic_store(&server.version, 2);
	assert_int_equal(table_refresh(table, &err), ST_OK);
	assert_int_equal(changes, 1);
	assert_int_equal(inner_changes, 1);
	assert_string_equal(help_ask(table, "f"), "f=2");
	table_unlisten(table, &outer_listener);
	close_cached(table, &server);
	table = open_cached(&single, &single_ops, 0);
	assert_int_equal(table_keys_at_once(table), 1);
	assert_int_equal(table_walk(table, count_visit, &lines, &err), ST_INVALID);
	assert_string_equal(err.text, "SigningTable: it is not listed");
	assert_int_equal(table_refresh(table, &err), ST_ABSENT);
	close_cached(table, &single);
}

/* The built-in ones: which of them are worth a cache. */
static void
test_which_tables_are_distant(void **state)
{
	const struct table_registry *registry = backend_registry();

	(void)state;
	for (size_t i = 0; i < registry->count; i++) {
		const struct table_ops *ops = registry->ops[i];
		bool distant = strncmp(ops->type, "ldap", 4) == 0 ||
			       strcmp(ops->type, "dsn") == 0 || strcmp(ops->type, "memcache") == 0;

		if (ops->lookup != NULL)
			assert_int_equal(ops->distant, distant);
	}
}

static void
random_keys(uint64_t *random, char *text, size_t size)
{
	size_t n = 1 + help_random(random) % 8, used = 0;

	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, size - used, "%c%u ",
		    "fFaA"[help_random(random) % 4], help_random(random) % 6);
}

/* The cache changes no answer, only how often the server is asked. */
static void
test_same_answers_as_without(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 40; round++) {
		const struct table_ops *ops = round % 2 == 0 ? &many_ops : &single_ops;
		struct server plain = {.version = 1}, server = {.version = 1};
		struct table *without = open_server(&plain, ops, 0);
		struct table *with = open_cached(&server, ops, 0);
		uint64_t random = round + 1;
		char keys[128], expected[1024];

		for (int i = 0; i < 200; i++) {
			size_t max = 1 + help_random(&random) % 8;

			random_keys(&random, keys, sizeof(keys));
			snprintf(expected, sizeof(expected), "%s", ask_keys(without, keys, max));
			assert_string_equal(ask_keys(with, keys, max), expected);
		}
		assert_true(atomic_load(&server.keys_asked) <= 24);
		close_cached(with, &server);
		close_cached(without, &plain);
	}
}

/* ---- threads that ask for the same keys, each in another order ---- */

static enum status
crowd_lookup_many(struct table *table, const struct span *keys, size_t count, size_t max,
    struct table_value *out, size_t *at_out, size_t *count_out, struct err *err)
{
	static const struct timespec moment = {.tv_nsec = 200000};
	struct server *server = table->state;

	(void)max;
	(void)err;
	atomic_fetch_add(&server->questions, 1);
	for (size_t i = 0; i < count; i++)
		if (atomic_fetch_add(&server->asking[(unsigned char)keys[i].p[0]], 1) != 0)
			abort();
	nanosleep(&moment, NULL);
	for (size_t i = 0; i < count; i++) {
		struct row *row = mem_zalloc(1, sizeof(*row));

		atomic_fetch_add(&server->rows_alive, 1);
		row->server = server;
		row->text[0] = keys[i].p[0];
		out[i] = (struct table_value){
		    .text = span_of(row->text, 1), .release = row_release, .owner = row};
		at_out[i] = i;
		atomic_fetch_sub(&server->asking[(unsigned char)keys[i].p[0]], 1);
	}
	*count_out = count;
	return ST_OK;
}

static const struct table_ops crowd_ops = {.type = "server",
    .lookup = server_lookup,
    .lookup_many = crowd_lookup_many,
    .close = server_close,
    .distant = true};

struct member {
	pthread_t thread;
	struct table *table;
	uint64_t random;
};

static void *
crowd_run(void *context)
{
	struct member *me = context;

	for (int round = 0; round < 300; round++) {
		struct table_value values[8];
		struct span keys[8];
		char names[8];
		size_t at[8], n = 0;

		for (size_t i = 0; i < 8; i++) {
			names[i] = (char)('a' + help_random(&me->random) % 20);
			keys[i] = span_of(&names[i], 1);
		}
		if (table_lookup_many(me->table, keys, 8, 8, values, at, &n, NULL) != ST_OK ||
		    n != 8)
			abort();
		for (size_t i = 0; i < n; i++) {
			if (at[i] != i || values[i].text.p[0] != names[i])
				abort();
			table_value_release(&values[i]);
		}
		if (round % 10 == 0)
			atomic_fetch_add(&clock_ms, 1000);
	}
	return NULL;
}

static void
test_a_crowd(void **state)
{
	struct server server = {.version = 1};
	struct table *table = open_cached(&server, &crowd_ops, 0);
	struct member members[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		members[i] = (struct member){.table = table, .random = i + 1};
		if (pthread_create(&members[i].thread, NULL, crowd_run, &members[i]) != 0)
			abort();
	}
	for (unsigned i = 0; i < 8; i++)
		pthread_join(members[i].thread, NULL);
	close_cached(table, &server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows_and_absences_are_kept),
	    cmocka_unit_test(test_a_value_outlives_its_entry),
	    cmocka_unit_test(test_an_outage_is_told_once),
	    cmocka_unit_test(test_only_missing_keys_are_asked),
	    cmocka_unit_test(test_case),
	    cmocka_unit_test(test_what_goes_through),
	    cmocka_unit_test(test_which_tables_are_distant),
	    cmocka_unit_test(test_same_answers_as_without),
	    cmocka_unit_test(test_a_crowd),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
