/*
 * bench_tables.c - what a flat table costs: time to load, memory per entry, time per lookup, with
 * one line and with 100,000. Prints one line per case, and the ratio of many to one.
 */
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backends/registry.h"
#include "lib/base/secret.h"
#include "lib/store/signing.h"

#define LINES 100000
#define LOOKUPS 2000000

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Octets in use of both allocators. */
static size_t
memory_used(void)
{
	struct mallinfo2 info = mallinfo2();
	bool locked;

	return info.uordblks + info.hblkhd + secret_bytes(&locked);
}

static void
write_table(const char *path, const char *format, size_t lines)
{
	FILE *f = fopen(path, "we");

	if (f == NULL)
		exit(1);
	for (size_t i = 0; i < lines; i++) {
		char name[32];

		snprintf(name, sizeof(name), "d%zu.example", i);
		for (const char *p = format; *p != '\0'; p++)
			if (*p == '%')
				fputs(name, f);
			else
				fputc(*p, f);
		fputc('\n', f);
	}
	fclose(f);
}

static double
lookups(struct table *table, const char *user, size_t lines)
{
	static char keys[1024][64];
	double start;
	size_t found = 0;

	for (size_t i = 0; i < 1024; i++)
		snprintf(keys[i], sizeof(keys[i]), "%sd%zu.example", user, (i * 7919) % lines);
	start = now_s();
	for (size_t i = 0; i < LOOKUPS; i++) {
		struct table_value value;
		struct err err;

		if (table_lookup(table, span_str(keys[i % 1024]), &value, &err) == ST_OK)
			found++;
		table_value_release(&value);
	}
	if (found != LOOKUPS)
		exit(1);
	return (now_s() - start) / LOOKUPS * 1e9;
}

static double
measure(const char *path, const char *type, const char *format, const char *user, unsigned flags,
    size_t lines)
{
	char spec[PATH_MAX + 16];
	struct err err = ERR_NONE;
	struct table *table;
	size_t before;
	double start, load, ns;

	write_table(path, format, lines);
	snprintf(spec, sizeof(spec), "%s:%s", type, path);
	before = memory_used();
	start = now_s();
	if (table_open(backend_registry(), "bench", spec, flags, &table, &err) != ST_OK) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	load = now_s() - start;
	ns = lookups(table, user, lines);
	printf(
	    "%-7s %-34s %6zu lines: load %7.2f ms, %6.1f MB, %5zu octets/entry, %5.0f ns/lookup\n",
	    type, format, lines, load * 1e3, (double)(memory_used() - before) / 1e6,
	    (memory_used() - before) / lines, ns);
	table_close(table);
	return ns;
}

int
main(void)
{
	static const struct {
		const char *type, *format, *user;
		unsigned flags;
	} cases[] = {
	    {"file", "% key-%", "", TABLE_ICASE},
	    {"file", "% %:s1:/etc/keys/%/s1.private", "", TABLE_SECRET},
	    {"refile", "*@% key-%", "user@", TABLE_ICASE},
	    {"refile", "*@*.% key-%", "user@sub.", TABLE_ICASE},
	    {"refile", "% %:s1:/etc/keys/%/s1.private", "", TABLE_SECRET},
	};
	char path[] = "/tmp/signpost-bench-XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0)
		return 1;
	close(fd);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double one =
		    measure(path, cases[i].type, cases[i].format, cases[i].user, cases[i].flags, 1);
		double many = measure(
		    path, cases[i].type, cases[i].format, cases[i].user, cases[i].flags, LINES);

		printf("        ratio of %d lines to one: %.2f\n", LINES, many / one);
	}
	unlink(path);
	return 0;
}
