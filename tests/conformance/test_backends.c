/*
 * test_backends.c - what every backend must do, run against each driver of the table below.
 * To add a backend: a driver that puts records into its store, opens a table over it, and breaks
 * and mends it; then its name in drivers[]. A member that is NULL leaves out the tests that need
 * it.
 */
#include "tests/unit/store_help.h"

#include <pthread.h>
#include <stdatomic.h>

#ifdef HAVE_SQLITE
#include <sqlite3.h>
#endif

#include "lib/base/log.h"

struct record {
	const char *key, *value;
};

struct driver {
	const char *name;
	/* Replaces the contents of the store. */
	void (*fill)(const struct record *records, size_t count);
	struct table *(*open)(unsigned flags);
	/* The store cannot be asked any more: lookups answer ST_UNAVAILABLE or, when the table
	 * lives in memory, go on with the old contents. */
	void (*breaks)(void);
	bool in_memory;
	const char *file; /* name of the file it reads, for the tests of files */
	bool patterns;    /* keys of the file are patterns */
};

static void
write_records(const char *name, const struct record *records, size_t count)
{
	FILE *f = fopen(help_path(name), "we");

	assert_non_null(f);
	for (size_t i = 0; i < count; i++)
		fprintf(f, "%s %s\n", records[i].key, records[i].value);
	assert_int_equal(fclose(f), 0);
}

static void
fill_file(const struct record *records, size_t count)
{
	write_records("records", records, count);
}

static struct table *
open_file(unsigned flags)
{
	char spec[PATH_MAX + 16];

	snprintf(spec, sizeof(spec), "file:%s", help_path("records"));
	return help_open("KeyTable", spec, flags);
}

static struct table *
open_refile(unsigned flags)
{
	char spec[PATH_MAX + 16];

	snprintf(spec, sizeof(spec), "refile:%s", help_path("records"));
	return help_open("KeyTable", spec, flags);
}

static void
break_file(void)
{
	assert_int_equal(unlink(help_path("records")), 0);
}

static char csl_text[200000];

static void
fill_csl(const struct record *records, size_t count)
{
	size_t n = (size_t)sprintf(csl_text, "csl:");

	for (size_t i = 0; i < count; i++)
		n += (size_t)snprintf(
		    csl_text + n, sizeof(csl_text) - n, "%s=%s,", records[i].key, records[i].value);
}

static struct table *
open_csl(unsigned flags)
{
	return help_open("KeyTable", csl_text, flags);
}

static struct table *
open_refusing(unsigned flags)
{
	return table_open_refusing("KeyTable", flags, "the store cannot be opened");
}

#ifdef HAVE_SQLITE
static void
sql(sqlite3 *db, const char *text)
{
	char *why = NULL;

	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
}

/* As another process would: one transaction, while others read. */
static void
fill_sqlite(const struct record *records, size_t count)
{
	sqlite3_stmt *insert;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(help_path("records.db"), &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 20000);
	sql(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; BEGIN IMMEDIATE;"
		"CREATE TABLE IF NOT EXISTS keys(k TEXT, v TEXT, live INT);"
		"CREATE INDEX IF NOT EXISTS by_key ON keys(k); DELETE FROM keys");
	assert_int_equal(sqlite3_prepare_v2(db, "INSERT INTO keys VALUES(?,?,1),(?1,'hidden',0)",
			     -1, &insert, NULL),
	    SQLITE_OK);
	for (size_t i = 0; i < count; i++) {
		sqlite3_bind_text(insert, 1, records[i].key, -1, SQLITE_STATIC);
		sqlite3_bind_text(insert, 2, records[i].value, -1, SQLITE_STATIC);
		assert_int_equal(sqlite3_step(insert), SQLITE_DONE);
		sqlite3_reset(insert);
	}
	sqlite3_finalize(insert);
	sql(db, "COMMIT");
	sqlite3_close(db);
}

static struct table *
open_sqlite(unsigned flags)
{
	char spec[PATH_MAX + 80];

	snprintf(spec, sizeof(spec),
	    "dsn:sqlite3://%s/table=keys?keycol=k?datacol=v?filter=live=3D1",
	    help_path("records.db"));
	return help_open("KeyTable", spec, flags);
}

static void
break_sqlite(void)
{
	assert_int_equal(unlink(help_path("records.db")), 0);
	unlink(help_path("records.db-wal"));
	unlink(help_path("records.db-shm"));
}
#endif

static const struct driver drivers[] = {
    {"csl", fill_csl, open_csl, NULL, true, NULL, false},
    {"file", fill_file, open_file, break_file, true, "records", false},
    {"refile", fill_file, open_refile, break_file, true, "records", true},
#ifdef HAVE_SQLITE
    {"sqlite", fill_sqlite, open_sqlite, break_sqlite, false, NULL, false},
#endif
};

static const struct record three[] = {
    {"a.example", "one"}, {"b.example", "two:with:colons"}, {"c.example", "3"}};

static const struct driver *
driver_of(void **state)
{
	return *state;
}

static void
found_and_absent(void **state)
{
	const struct driver *driver = driver_of(state);
	struct table *table;

	driver->fill(three, 3);
	table = driver->open(0);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(help_ask(table, three[i].key), three[i].value);
	assert_string_equal(help_ask(table, "A.example"), "<absent>");
	assert_string_equal(help_ask(table, "d.example"), "<absent>");
	assert_string_equal(help_ask(table, ""), "<absent>");
	table_close(table);
	table = driver->open(TABLE_ICASE | TABLE_SECRET);
	assert_string_equal(help_ask(table, "A.EXAMPLE"), "one");
	table_close(table);
}

static void
long_value(void **state)
{
	const struct driver *driver = driver_of(state);
	static char value[70001];
	const struct record record = {"k", value};
	struct table_value found;
	struct err err = ERR_NONE;
	struct table *table;

	memset(value, 'M', sizeof(value) - 1);
	driver->fill(&record, 1);
	table = driver->open(TABLE_SECRET);
	assert_int_equal(table_lookup(table, SPAN_LIT("k"), &found, &err), ST_OK);
	assert_true(span_eq_str(found.text, value));
	table_value_release(&found);
	table_close(table);
}

/* Nothing that a client puts into From is anything but a key that is not there. */
static void
hostile_names(void **state)
{
	const struct driver *driver = driver_of(state);
	static const struct {
		const char *p;
		size_t n;
	} names[] = {{"'", 1}, {"' OR '1'='1", 11}, {"\"", 1}, {"*", 1}, {"(", 1}, {"*)(uid=*", 8},
	    {"a.example\0", 10}, {"\0a.example", 10}, {"\xc3\xa9.example", 10}, {"\xff\xfe", 2},
	    {"a.example ", 10}, {"a.example\n", 10}, {"%", 1}, {"_.example", 9}, {"$d", 2},
	    {"\\", 1}, {"?.example", 9}, {"a,b", 3}, {"a=b", 3}};
	static char longest[TABLE_KEY_MAX + 1];
	struct table_value value;
	struct err err = ERR_NONE;
	struct table *table;

	driver->fill(three, 3);
	table = driver->open(TABLE_ICASE);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(
		    table_lookup(table, span_of(names[i].p, names[i].n), &value, &err), ST_ABSENT);
	memset(longest, '.', sizeof(longest));
	assert_int_equal(table_lookup(table, span_of(longest, 1000), &value, &err), ST_ABSENT);
	assert_int_equal(
	    table_lookup(table, span_of(longest, TABLE_KEY_MAX), &value, &err), ST_ABSENT);
	assert_int_equal(
	    table_lookup(table, span_of(longest, TABLE_KEY_MAX + 1), &value, &err), ST_INVALID);
	table_close(table);
}

static void
outage(void **state)
{
	const struct driver *driver = driver_of(state);
	struct err err = ERR_NONE;
	struct table *table;

	driver->fill(three, 3);
	table = driver->open(0);
	driver->breaks();
	assert_string_equal(
	    help_ask(table, "a.example"), driver->in_memory ? "one" : "<unavailable>");
	if (driver->in_memory)
		assert_int_equal(table_refresh(table, &err), ST_UNAVAILABLE);
	assert_string_equal(
	    help_ask(table, "d.example"), driver->in_memory ? "<absent>" : "<unavailable>");
	driver->fill(three, 1);
	if (driver->in_memory)
		assert_int_equal(table_refresh(table, &err), ST_OK);
	assert_string_equal(help_ask(table, "a.example"), "one");
	assert_string_equal(help_ask(table, "c.example"), "<absent>");
	table_close(table);
}

static void
refusing(void **state)
{
	struct table *table = open_refusing(0);

	(void)state;
	assert_string_equal(help_ask(table, "a.example"), "<unavailable>");
	assert_string_equal(help_ask(table, ""), "<unavailable>");
	table_close(table);
}

/* What else may stand at the path; none may block, crash or empty the table. */
static void
path_turns_strange(void **state)
{
	const struct driver *driver = driver_of(state);
	struct err err = ERR_NONE;
	struct table *table;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", help_path(driver->file));
	driver->fill(three, 3);
	table = driver->open(0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(table_refresh(table, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "not a regular file"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(table_refresh(table, &err), ST_INVALID);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink(path, path), 0);
	assert_int_equal(table_refresh(table, &err), ST_UNAVAILABLE);
	assert_int_equal(unlink(path), 0);
	if (geteuid() != 0) {
		driver->fill(three, 1);
		assert_int_equal(chmod(path, 0), 0);
		assert_int_equal(table_refresh(table, &err), ST_UNAVAILABLE);
		assert_int_equal(unlink(path), 0);
	}
	assert_string_equal(help_ask(table, "c.example"), "3");
	help_write("other", "a.example new\n");
	assert_int_equal(rename(help_path("other"), path), 0);
	assert_int_equal(table_refresh(table, &err), ST_OK);
	assert_int_equal(table_refresh(table, &err), ST_ABSENT);
	assert_string_equal(help_ask(table, "a.example"), "new");
	driver->fill(three, 2);
	assert_int_equal(table_refresh(table, &err), ST_OK);
	assert_string_equal(help_ask(table, "b.example"), "two:with:colons");
	driver->fill(three, 0);
	assert_int_equal(table_refresh(table, &err), ST_OK);
	assert_string_equal(help_ask(table, "a.example"), "<absent>");
	table_close(table);
}

struct crowd {
	struct table *table;
	atomic_bool stop;
	atomic_uint wrong, asked;
};

static void *
ask_for_ever(void *context)
{
	struct crowd *crowd = context;

	while (!atomic_load(&crowd->stop)) {
		struct table_value value;
		struct err err = ERR_NONE;
		enum status status =
		    table_lookup(crowd->table, SPAN_LIT("b.example"), &value, &err);
		bool right = status == ST_OK && (span_eq_str(value.text, "two:with:colons") ||
						    span_eq_str(value.text, "second"));

		if (!right)
			atomic_fetch_add(&crowd->wrong, 1);
		atomic_fetch_add(&crowd->asked, 1);
		table_value_release(&value);
	}
	return NULL;
}

static void
concurrent_refresh(void **state)
{
	static const struct record other[] = {{"b.example", "second"}, {"x", "y"}};
	const struct driver *driver = driver_of(state);
	struct crowd crowd = {0};
	pthread_t threads[4];

	driver->fill(three, 3);
	crowd.table = driver->open(0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_for_ever, &crowd), 0);
	for (int i = 0; i < 200; i++) {
		struct err err = ERR_NONE;
		enum status status;

		driver->fill(i % 2 == 0 ? other : three, 2 + (size_t)(i % 2));
		status = table_refresh(crowd.table, &err);
		assert_true(status == ST_OK || status == ST_ABSENT);
	}
	while (atomic_load(&crowd.asked) < 1000)
		usleep(1000);
	atomic_store(&crowd.stop, true);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&crowd.wrong), 0);
	table_close(crowd.table);
}

static void
many_records(void **state)
{
	enum { COUNT = 100000 };
	const struct driver *driver = driver_of(state);
	struct record *records;
	struct table *table;
	char *text;

	records = mem_alloc(COUNT * sizeof(*records));
	text = mem_alloc(COUNT * 32);
	for (size_t i = 0; i < COUNT; i++) {
		snprintf(text + i * 32, 32, "%s@d%zu.example", driver->patterns ? "*" : "u", i);
		records[i] = (struct record){text + i * 32, text + i * 32};
	}
	driver->fill(records, COUNT);
	table = driver->open(TABLE_ICASE | TABLE_VALUE_NEEDED);
	assert_string_equal(help_ask(table, "u@d0.example"), records[0].value);
	assert_string_equal(help_ask(table, "u@d99999.example"), records[COUNT - 1].value);
	assert_string_equal(help_ask(table, "u@d100000.example"), "<absent>");
	table_close(table);
	mem_free(records);
	mem_free(text);
}

/* What a test needs of a driver; a test that does not apply is not in the list. */
enum needs { NEEDS_NOTHING, NEEDS_BREAKS, NEEDS_FILE };

static bool
applies(const struct driver *driver, enum needs needs)
{
	return needs == NEEDS_NOTHING || (needs == NEEDS_BREAKS && driver->breaks != NULL) ||
	       (needs == NEEDS_FILE && driver->file != NULL);
}

static int
setup(void **state)
{
	(void)state;
	log_threshold(LOG_LEVEL_ERROR);
	return help_setup(NULL);
}

int
main(void)
{
	static const struct {
		const char *name;
		CMUnitTestFunction test;
		enum needs needs;
	} suite[] = {
	    {"found_and_absent", found_and_absent, NEEDS_NOTHING},
	    {"long_value", long_value, NEEDS_NOTHING},
	    {"hostile_names", hostile_names, NEEDS_NOTHING},
	    {"outage", outage, NEEDS_BREAKS},
	    {"refusing", refusing, NEEDS_NOTHING},
	    {"path_turns_strange", path_turns_strange, NEEDS_FILE},
	    {"concurrent_refresh", concurrent_refresh, NEEDS_NOTHING},
	    {"many_records", many_records, NEEDS_FILE},
	};
	enum {
		TESTS = sizeof(suite) / sizeof(suite[0]),
		DRIVERS = sizeof(drivers) / sizeof(drivers[0])
	};
	static struct CMUnitTest tests[TESTS * DRIVERS];
	static char names[TESTS * DRIVERS][64];
	size_t count = 0;

	for (size_t i = 0; i < TESTS * DRIVERS; i++) {
		const struct driver *driver = &drivers[i / TESTS];

		if (!applies(driver, suite[i % TESTS].needs))
			continue;
		snprintf(names[count], sizeof(names[count]), "%s_%s", driver->name,
		    suite[i % TESTS].name);
		tests[count].name = names[count];
		tests[count].test_func = suite[i % TESTS].test;
		tests[count++].initial_state = (void *)(uintptr_t)driver;
	}
	/* cmocka takes an array of fixed length; what is left over has no function and is not run.
	 */
	return cmocka_run_group_tests(tests, setup, help_teardown);
}
