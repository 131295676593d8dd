/*
 * admin_metrics.h - the figures of signpost-admind as text for Prometheus (format 0.0.4), for
 * GET /metrics. Pure but for the two sets of counters, which any thread may raise. No label has the
 * name of a domain, a tenant or a key.
 */
#ifndef SIGNPOST_ADMIN_API_ADMIN_METRICS_H
#define SIGNPOST_ADMIN_API_ADMIN_METRICS_H

#include <stdatomic.h>

#include "admin-api/http.h"
#include "admin-api/reconciler.h"
#include "admin-api/watcher.h"
#include "lib/base/buf.h"

/* Upper bounds of the time of a request, microseconds; one bucket more is above all. */
#define REQUEST_BOUNDS(B) B(1000) B(5000) B(25000) B(100000) B(500000) B(2500000) B(10000000)
#define REQUEST_BUCKETS 8U

/* All zero at first. */
struct request_counts {
	atomic_uint_least64_t buckets[REQUEST_BUCKETS], sum_us;
	atomic_uint_least64_t changes; /* requests that changed something */
};
void request_counts_add(struct request_counts *counts, int64_t took_us);

struct admin_figures {
	const struct watched *watched;
	const struct reconciler_state *reconciler; /* NULL: none runs here */
	const struct census_counts *census;        /* NULL: not known here, or not yet */
	const struct http_counts *http;            /* NULL: not known */
	const struct request_counts *requests;
	size_t publishers;
	bool site_key;
	int64_t now_utc; /* the store's clock, as far as it is known */
};

/* Appends all of it. What is not known has no value. ST_TOO_BIG: out is full. */
enum status admin_metrics_write(const struct admin_figures *figures, struct buf *out) MUST_USE;

#endif
