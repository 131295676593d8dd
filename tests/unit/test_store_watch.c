/*
 * test_store_watch.c - edited files take effect, by every way of editing; an emptied file does not
 * at once. These are the only tests of the store that wait for the real clock.
 */
#include "tests/unit/store_help.h"

#include <dirent.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/store/watch.h"

#define PATIENCE_MS 60000
#define LINES 400 /* of a log */

struct fixture {
	struct table *table;
	struct watcher *watcher;
};

static void
start(struct fixture *f, const char *path)
{
	char spec[PATH_MAX + 16];
	struct err err = ERR_NONE;

	log_threshold(LOG_LEVEL_ERROR - 1);
	snprintf(spec, sizeof(spec), "file:%s", path);
	f->table = help_open("SigningTable", spec, 0);
	assert_int_equal(watcher_start(&f->watcher, &err), ST_OK);
	watcher_add(f->watcher, f->table);
}

static void
stop(struct fixture *f)
{
	watcher_stop(f->watcher);
	table_close(f->table);
}

static void
expect(struct fixture *f, const char *value)
{
	int64_t end = clock_mono_ms() + PATIENCE_MS;

	while (strcmp(help_ask(f->table, "k"), value) != 0 && clock_mono_ms() < end)
		usleep(5000);
	assert_string_equal(help_ask(f->table, "k"), value);
}

static void
rewritten_in_place_and_renamed(void **state)
{
	const char *path = help_write("w1", "k 1\n");
	struct fixture f;

	(void)state;
	start(&f, path);
	expect(&f, "1");
	help_write("w1", "k 2\n");
	expect(&f, "2");
	help_write("w1.new", "k 3\n");
	assert_int_equal(rename(help_path("w1.new"), help_path("w1")), 0);
	expect(&f, "3");
	assert_int_equal(unlink(help_path("w1")), 0);
	usleep(300000);
	assert_string_equal(help_ask(f.table, "k"), "3");
	help_write("w1", "k 4\n");
	expect(&f, "4");
	stop(&f);
}

static void
emptied_for_a_moment(void **state)
{
	const char *path = help_write("w2", "k 1\n"), *value;
	struct fixture f;
	int64_t begun_ms;
	bool rested;

	(void)state;
	start(&f, path);
	begun_ms = clock_mono_ms();
	help_write("w2", "");
	do {
		value = help_ask(f.table, "k");
		/* Where this process was not let run, it may have been believed already. */
		rested = clock_mono_ms() - begun_ms >= WATCH_SETTLE_EMPTY_MS;
		if (!rested)
			assert_string_equal(value, "1");
		usleep(10000);
	} while (clock_mono_ms() - begun_ms < WATCH_SETTLE_EMPTY_MS / 2);
	help_write("w2", "k 2\n");
	expect(&f, "2");
	help_write("w2", "");
	expect(&f, "<absent>"); /* emptied for good is believed in the end */
	stop(&f);
}

/* Kubernetes: the file is a link through a link that is replaced. */
static void
link_swapped(void **state)
{
	struct fixture f;
	char path[PATH_MAX];

	(void)state;
	assert_int_equal(mkdir(help_path("v1"), 0700), 0);
	assert_int_equal(mkdir(help_path("v2"), 0700), 0);
	help_write("v1/t", "k 1\n");
	help_write("v2/t", "k 2\n");
	assert_int_equal(symlink("v1", help_path("..data")), 0);
	assert_int_equal(symlink("..data/t", help_path("link")), 0);
	snprintf(path, sizeof(path), "%s", help_path("link"));
	start(&f, path);
	expect(&f, "1");
	assert_int_equal(symlink("v2", help_path("..data_tmp")), 0);
	assert_int_equal(rename(help_path("..data_tmp"), help_path("..data")), 0);
	expect(&f, "2");
	help_write("v2/t", "k 3\n");
	expect(&f, "3");
	stop(&f);
}

/* Voluntary switches of all threads but this one: how often the watcher slept. */
static long
sleeps_of_others(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	long sum = 0;

	assert_non_null(tasks);
	while ((entry = readdir(tasks)) != NULL) {
		char path[PATH_MAX], line[128];
		FILE *status;
		long n;

		if (entry->d_name[0] == '.' || atol(entry->d_name) == (long)getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", entry->d_name);
		status = fopen(path, "re");
		while (status != NULL && fgets(line, sizeof(line), status) != NULL)
			if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
				sum += n;
		if (status != NULL)
			fclose(status);
	}
	closedir(tasks);
	return sum;
}

/* A log in the same directory that is written all the time costs nothing: the watcher looks now and
 * then, and a sanitizer's thread too, but nobody is woken by each line. */
static void
busy_neighbour(void **state)
{
	const char *path = help_write("w3", "k 1\n");
	struct fixture f;
	int64_t begun_ms;
	long before;
	int log;

	(void)state;
	start(&f, path);
	log = open(help_path("log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(log >= 0);
	usleep(300000);
	before = sleeps_of_others();
	begun_ms = clock_mono_ms();
	for (int i = 0; i < LINES; i++) {
		assert_int_equal(write(log, "x\n", 2), 2);
		usleep(1000);
	}
	assert_in_range(
	    sleeps_of_others() - before, 0, LINES / 10 + (clock_mono_ms() - begun_ms) / 50);
	/* The table's own file, written and kept open, is seen by the poll. */
	close(log);
	log = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(log, "k 22\n", 5), 5);
	expect(&f, "22");
	close(log);
	stop(&f);
}

static void
nothing_to_watch(void **state)
{
	struct table *table = help_open("Domain", "a,b", 0);
	struct watcher *watcher;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(watcher_start(&watcher, &err), ST_OK);
	watcher_add(watcher, table);
	watcher_add(watcher, NULL);
	watcher_stop(watcher);
	watcher_stop(NULL);
	table_close(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rewritten_in_place_and_renamed),
	    cmocka_unit_test(emptied_for_a_moment),
	    cmocka_unit_test(link_swapped),
	    cmocka_unit_test(busy_neighbour),
	    cmocka_unit_test(nothing_to_watch),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
