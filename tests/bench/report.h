/*
 * report.h - what the load generator tells at the end.
 */
#ifndef SIGNPOST_TESTS_BENCH_REPORT_H
#define SIGNPOST_TESTS_BENCH_REPORT_H

#include "tests/bench/client.h"
#include "tests/bench/procs.h"

/* The latencies of the result are sorted. */
struct report {
	const struct client_result *result;
	struct procs_usage before;
	struct procs_usage after;
	bool measured; /* before and after are set */
	double rate;
	double cpu_us; /* per message */
};

void report_print_json(const struct report *report); /* one line */
void report_print_text(const struct report *report);

#endif
