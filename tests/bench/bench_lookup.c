/*
 * bench_lookup.c - what one question to a table costs: a program for bench.py and people.
 *   bench_lookup SPEC DOMAINS QUESTIONS     asks for dNNNNNN.example, NNNNNN below DOMAINS
 * SPEC is a table, or a key store (sqlite:, mysql:), which is asked who the sender is and then for
 * the keys it signs with. One thread asks one after the other, in an order that jumps about, and
 * every name is another one while QUESTIONS is not above DOMAINS. It prints one line of JSON:
 * microseconds of time and of this process's CPU for each, and what the opening took. It must never
 * report a time when an answer was missing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "backends/registry.h"
#include "lib/store/keystore.h"
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

/* One of them is open. */
struct source {
	struct table *table;
	struct keystore *store;
};

static void
not_there(const char *name, const struct err *err)
{
	fprintf(stderr, "bench_lookup: %s is not there: %s\n", name, err->text);
	exit(1);
}

static void
ask_table(struct table *table, const char *name)
{
	struct table_value value = TABLE_VALUE_NONE;
	struct err err = ERR_NONE;

	if (table_lookup(table, span_str(name), &value, &err) != ST_OK)
		not_there(name, &err);
	table_value_release(&value);
}

static void
ask_store(struct keystore *store, const char *name)
{
	const struct span names[] = {span_str(name), SPAN_LIT("example")};
	struct keystore_rows *senders = NULL, *keys = NULL;
	struct err err = ERR_NONE;

	if (keystore_senders(store, names, 2, &senders, &err) != ST_OK ||
	    senders->domain_count == 0 ||
	    keystore_keys(store, senders->domains[0].signs_as, &keys, &err) != ST_OK ||
	    keys->key_count == 0)
		not_there(name, &err);
	keystore_rows_release(senders);
	keystore_rows_release(keys);
}

static void
ask(const struct source *source, uint64_t domain)
{
	char name[32];

	snprintf(name, sizeof(name), "d%06u.example", (unsigned)domain);
	if (source->store != NULL)
		ask_store(source->store, name);
	else
		ask_table(source->table, name);
}

static bool
source_open(struct source *source, const char *spec)
{
	struct span words = span_str(spec);
	struct err err = ERR_NONE;
	enum status status;

	if (span_starts(words, SPAN_LIT("sqlite:")) || span_starts(words, SPAN_LIT("mysql:")))
		status = keystore_open(backend_keystores(), spec, false, &source->store, &err);
	else
		status = table_open(
		    backend_registry(), "bench", spec, TABLE_ICASE, &source->table, &err);
	if (status != ST_OK)
		fprintf(stderr, "bench_lookup: %s\n", err.text);
	return status == ST_OK;
}

int
main(int argc, char **argv)
{
	uint64_t domains, questions;
	struct source source = {.table = NULL};
	double begin, opened, cpu;

	if (argc != 4) {
		fprintf(stderr, "usage: bench_lookup SPEC DOMAINS QUESTIONS\n");
		return 64;
	}
	domains = number(argv[2], DOMAINS_MAX);
	questions = number(argv[3], QUESTIONS_MAX);
	begin = clock_us(CLOCK_MONOTONIC);
	if (!source_open(&source, argv[1]))
		return 1;
	ask(&source, 0); /* makes the connection */
	opened = clock_us(CLOCK_MONOTONIC);
	cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID);
	for (uint64_t i = 0; i < questions; i++)
		ask(&source, (i + 1) * STEP % domains);
	printf("{\"open_us\": %.1f, \"wall_us\": %.3f, \"cpu_us\": %.3f}\n", opened - begin,
	    (clock_us(CLOCK_MONOTONIC) - opened) / (double)questions,
	    (clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)questions);
	if (source.table != NULL)
		table_close(source.table);
	keystore_close(source.store);
	return 0;
}
