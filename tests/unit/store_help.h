/*
 * store_help.h - what the tests of the store share: a folder of their own, files in it, tables
 * opened from them. Each test program has one folder, removed at its end.
 */
#ifndef SIGNPOST_TESTS_STORE_HELP_H
#define SIGNPOST_TESTS_STORE_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/registry.h"
#include "lib/base/mem.h"
#include "lib/store/table.h"

static char help_folder[64];

static inline int
help_setup(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	snprintf(help_folder, sizeof(help_folder), "%.40s/signpost-XXXXXX",
	    base == NULL || strlen(base) > 40 ? "/tmp" : base);
	return mkdtemp(help_folder) == NULL ? -1 : 0;
}

static inline int
help_remove(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static inline int
help_teardown(void **state)
{
	(void)state;
	return nftw(help_folder, help_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* Four paths may be in use at once. */
static inline const char *
help_path(const char *name)
{
	static _Thread_local char paths[4][PATH_MAX];
	static _Thread_local unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", help_folder, name);
	return path;
}

static inline const char *
help_write_n(const char *name, const char *text, size_t n)
{
	const char *path = help_path(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	for (size_t at = 0; at < n;) {
		ssize_t wrote = write(fd, text + at, n - at);

		assert_true(wrote > 0);
		at += (size_t)wrote;
	}
	assert_int_equal(close(fd), 0);
	return path;
}

static inline const char *
help_write(const char *name, const char *text)
{
	return help_write_n(name, text, strlen(text));
}

static inline struct table *
help_open(const char *parameter, const char *spec, unsigned flags)
{
	struct err err = ERR_NONE;
	struct table *table = NULL;

	if (table_open(backend_registry(), parameter, spec, flags, &table, &err) != ST_OK)
		fail_msg("%s", err.text);
	return table;
}

/* A file of type ("file", "refile") with this text. */
static inline struct table *
help_table(const char *parameter, const char *type, const char *text, unsigned flags)
{
	static unsigned number;
	char name[32], spec[PATH_MAX + 16];

	snprintf(name, sizeof(name), "table-%u", number++);
	snprintf(spec, sizeof(spec), "%s:%s", type, help_write(name, text));
	return help_open(parameter, spec, flags);
}

/* The value's text, or the name of the status; static. */
static inline const char *
help_ask(struct table *table, const char *key)
{
	static char text[256];
	struct table_value value;
	struct err err = ERR_NONE;
	enum status status = table_lookup(table, span_str(key), &value, &err);

	if (status != ST_OK)
		snprintf(text, sizeof(text), "<%s>", status_name(status));
	else
		snprintf(text, sizeof(text), "%.*s", (int)value.text.n,
		    value.text.n == 0 ? "" : value.text.p);
	table_value_release(&value);
	return text;
}

/* A small generator with a fixed start: a failure can be repeated. */
static inline uint32_t
help_random(uint64_t *state)
{
	*state = *state * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(*state >> 33);
}

/* Lines of a file that have text. */
static inline int
help_lines_with(const char *path, const char *text)
{
	char line[2048];
	FILE *f = fopen(path, "re");
	int n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, text) != NULL ? 1 : 0;
	fclose(f);
	return n;
}

/* The log goes to the end of a file that is there, until help_log_back() with what this answers. */
static inline int
help_log_to(const char *path)
{
	int kept = dup(STDERR_FILENO), fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_true(kept >= 0 && fd >= 0);
	dup2(fd, STDERR_FILENO);
	close(fd);
	return kept;
}

static inline void
help_log_back(int kept)
{
	dup2(kept, STDERR_FILENO);
	close(kept);
}

#endif
