/*
 * metrics_driver.c - what the two daemons say for Prometheus, for tests/tools/test_metrics_text.py:
 *
 *   metrics_driver signpostd     everything that signpostd can say
 *   metrics_driver admind        everything that signpost-admind can say, of made-up figures
 *   metrics_driver scrape N      what a scrape costs with N domains, in microseconds
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin-api/admin_metrics.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"

#define TEXT_MAX (4U << 20)
#define SCRAPES 100

static int
print(struct buf *text)
{
	fputs(buf_text(text), stdout);
	buf_free(text);
	return 0;
}

static int
print_signpostd(void)
{
	struct err err = ERR_NONE;
	struct buf text;

	buf_init(&text, METRICS_TEXT_MAX);
	if (metrics_open(&err) != ST_OK)
		return 1;
	metrics_process_began();
	metrics_store_opened(METRIC_STORE_KIND_KEYSTORE, 1);
	metrics_store_opened(METRIC_STORE_KIND_TABLE, 1);
	return metrics_write(&text) == ST_OK ? print(&text) : 1;
}

static enum status
write_all(const struct census_counts *census, size_t nodes, struct buf *out)
{
	static struct reconciler_state reconciler = {.leader = true, .turns = 7, .proven = 3};
	static struct http_counts http = {.requests = 5, .answers = {0, 0, 4, 0, 1, 0}};
	static struct request_counts requests;
	struct watched watched = {.up = true,
	    .known = true,
	    .epoch = 42,
	    .now_utc = 1000,
	    .audits = true,
	    .node_count = nodes};
	struct admin_figures figures = {.watched = &watched,
	    .reconciler = &reconciler,
	    .census = census,
	    .http = &http,
	    .requests = &requests,
	    .publishers = 2,
	    .site_key = true,
	    .now_utc = 1000};
	enum status status;

	audit_head_init(&watched.head);
	watched.nodes = mem_zalloc(nodes + 1, sizeof(*watched.nodes));
	for (size_t i = 0; i < nodes; i++) {
		snprintf(watched.nodes[i].name, sizeof(watched.nodes[i].name), "gw-%zu", i + 1);
		watched.nodes[i].lag = i;
		watched.nodes[i].said = 990;
		watched.nodes[i].offset_ms = i % 2 == 0 ? -5 : 1250;
	}
	request_counts_add(&requests, 700);
	request_counts_add(&requests, INT64_C(99000000));
	status = admin_metrics_write(&figures, out);
	mem_free(watched.nodes);
	return status;
}

static int
print_admind(void)
{
	struct census_counts census = {.domains = 3, .stuck = 1, .drifted = 1, .due = 1100};
	struct buf text;

	census.states[KEY_ACTIVE] = 3;
	buf_init(&text, TEXT_MAX);
	return write_all(&census, 3, &text) == ST_OK ? print(&text) : 1;
}

static struct census *
fill(size_t domains)
{
	struct census *census = census_new();
	struct census_domain domain = {.due = 5000};
	char name[64];

	domain.states[KEY_ACTIVE] = domain.states[KEY_LOADED] = 1;
	census_begin(census);
	for (size_t i = 0; i < domains; i++) {
		snprintf(name, sizeof(name), "d%zu.example.com", i);
		domain.due = 5000 + (int64_t)i;
		census_set(census, span_str(name), &domain);
	}
	census_is_complete(census);
	census_end(census);
	return census;
}

static int
measure(size_t domains)
{
	int64_t began_us = clock_mono_us(), filled_us;
	struct census *census = fill(domains);
	struct census_counts counts;
	struct buf text;

	filled_us = clock_mono_us() - began_us;
	began_us = clock_mono_us();
	for (int i = 0; i < SCRAPES; i++) {
		buf_init(&text, TEXT_MAX);
		if (!census_read(census, &counts) || write_all(&counts, 6, &text) != ST_OK)
			return 1;
		if (i + 1 < SCRAPES)
			buf_free(&text);
	}
	printf("%zu domains: counted in %lld us, a scrape %lld us, %zu octets\n", domains,
	    (long long)filled_us, (long long)(clock_mono_us() - began_us) / SCRAPES, text.n);
	buf_free(&text);
	census_free(census);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "signpostd") == 0)
		return print_signpostd();
	if (argc == 2 && strcmp(argv[1], "admind") == 0)
		return print_admind();
	if (argc == 3 && strcmp(argv[1], "scrape") == 0)
		return measure(strtoul(argv[2], NULL, 10));
	fputs("usage: metrics_driver signpostd | admind | scrape DOMAINS\n", stderr);
	return 64;
}
