/*
 * bench_lookup.c - what one question to a table costs: a program for bench.py and people.
 *   bench_lookup SPEC DOMAINS QUESTIONS     asks for dNNNNNN.example, NNNNNN below DOMAINS
 * One thread asks one after the other, in an order that jumps about, and every name is another one
 * while QUESTIONS is not above DOMAINS. It prints one line of JSON: microseconds of time and of
 * this process's CPU for each, and what the opening took. It must never report a time when an
 * answer was missing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "backends/registry.h"
#include "lib/store/table.h"

#define DOMAINS_MAX 1000000U
#define QUESTIONS_MAX 10000000U
#define STEP 2654435761U /* a prime above any count: steps by it meet each domain once */

static double
clock_us(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static uint64_t
number(const char *text, uint64_t max)
{
	uint64_t value;

	if (!span_number(span_str(text), max, &value) || value == 0) {
		fprintf(stderr, "bench_lookup: %s: not a number in range\n", text);
		exit(64);
	}
	return value;
}

static void
ask(struct table *table, uint64_t domain)
{
	struct table_value value = TABLE_VALUE_NONE;
	struct err err = ERR_NONE;
	char name[32];
	int n = snprintf(name, sizeof(name), "d%06u.example", (unsigned)domain);

	if (table_lookup(table, (struct span){name, (size_t)n}, &value, &err) != ST_OK) {
		fprintf(stderr, "bench_lookup: %s is not there: %s\n", name, err.text);
		exit(1);
	}
	table_value_release(&value);
}

int
main(int argc, char **argv)
{
	uint64_t domains, questions;
	struct table *table;
	struct err err = ERR_NONE;
	double begin, opened, cpu;

	if (argc != 4) {
		fprintf(stderr, "usage: bench_lookup SPEC DOMAINS QUESTIONS\n");
		return 64;
	}
	domains = number(argv[2], DOMAINS_MAX);
	questions = number(argv[3], QUESTIONS_MAX);
	begin = clock_us(CLOCK_MONOTONIC);
	if (table_open(backend_registry(), "bench", argv[1], TABLE_ICASE, &table, &err) != ST_OK) {
		fprintf(stderr, "bench_lookup: %s\n", err.text);
		return 1;
	}
	ask(table, 0); /* makes the connection */
	opened = clock_us(CLOCK_MONOTONIC);
	cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID);
	for (uint64_t i = 0; i < questions; i++)
		ask(table, (i + 1) * STEP % domains);
	printf("{\"open_us\": %.1f, \"wall_us\": %.3f, \"cpu_us\": %.3f}\n", opened - begin,
	    (clock_us(CLOCK_MONOTONIC) - opened) / (double)questions,
	    (clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)questions);
	table_close(table);
	return 0;
}
