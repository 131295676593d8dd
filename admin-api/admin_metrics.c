/*
 * admin_metrics.c - figures as lines of Prometheus' text format.
 * Called for GET /metrics (api_plain.c). It must never ask anybody for anything: what costs time is
 * in the figures already.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin-api/admin_metrics.h"
#include "lib/base/metrics.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const int64_t bounds_us[] = {
#define BOUND(us) us,
    REQUEST_BOUNDS(BOUND)
#undef BOUND
};
_Static_assert(COUNT(bounds_us) + 1 == REQUEST_BUCKETS, "a bucket for each bound and one above");

void
request_counts_add(struct request_counts *counts, int64_t took_us)
{
	size_t bucket = 0;

	while (bucket < COUNT(bounds_us) && took_us > bounds_us[bucket])
		bucket++;
	atomic_fetch_add_explicit(&counts->buckets[bucket], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(
	    &counts->sum_us, took_us > 0 ? (uint64_t)took_us : 0, memory_order_relaxed);
}

/* ---- lines ---- */

static void
family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_add_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
one(struct buf *out, const char *name, const char *type, const char *help, int64_t value)
{
	family(out, name, type, help);
	buf_add_fmt(out, "%s %" PRId64 "\n", name, value);
}

static void
counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
	one(out, name, "counter", help, (int64_t)value);
}

static void
gauge(struct buf *out, const char *name, const char *help, int64_t value)
{
	one(out, name, "gauge", help, value);
}

/* NAME{LABEL="VALUE"} NUMBER */
static void
labelled(struct buf *out, const char *name, const char *label, const char *value, int64_t number)
{
	buf_add_fmt(out, "%s{%s=\"", name, label);
	metrics_label_escape(out, span_str(value));
	buf_add_fmt(out, "\"} %" PRId64 "\n", number);
}

/* ---- the store, and what it says ---- */

static void
write_nodes(const struct watched *watched, struct buf *out)
{
	family(out, "signpost_node_epoch_lag", "gauge",
	    "Changes of the key store that a gateway did not have in force at its last word.");
	for (size_t i = 0; i < watched->node_count; i++)
		labelled(out, "signpost_node_epoch_lag", "node", watched->nodes[i].name,
		    (int64_t)watched->nodes[i].lag);
	family(out, "signpost_node_silent_seconds", "gauge",
	    "Time since the last word of a gateway, when the key store was looked at.");
	for (size_t i = 0; i < watched->node_count; i++)
		labelled(out, "signpost_node_silent_seconds", "node", watched->nodes[i].name,
		    watched->now_utc - watched->nodes[i].said);
	family(out, "signpost_node_clock_offset_seconds", "gauge",
	    "A gateway's clock less that of the key store, as the gateway measured it.");
	for (size_t i = 0; i < watched->node_count; i++) {
		int64_t ms = watched->nodes[i].offset_ms;
		int64_t size = ms < 0 ? -ms : ms;

		buf_add_str(out, "signpost_node_clock_offset_seconds{node=\"");
		metrics_label_escape(out, span_str(watched->nodes[i].name));
		buf_add_fmt(out, "\"} %s%" PRId64 ".%03d\n", ms < 0 ? "-" : "", size / 1000,
		    (int)(size % 1000));
	}
}

static void
write_audit(const struct watched *watched, struct buf *out)
{
	family(out, "signpost_audit_head_info", "gauge",
	    "Where the chain of the audit ends. Who keeps it elsewhere can prove what was before.");
	buf_add_fmt(out, "signpost_audit_head_info{seq=\"%" PRIu64 "\",hash=\"%s\"} 1\n",
	    watched->head.seq, watched->head.hash);
	gauge(out, "signpost_audit_head_seq", "Rows of the audit.", (int64_t)watched->head.seq);
}

static void
write_store(const struct watched *watched, struct buf *out)
{
	family(out, "signpost_store_up", "gauge",
	    "Did the key store answer when it was looked at last?");
	labelled(out, "signpost_store_up", "store", "keystore", watched->up);
	if (!watched->known)
		return;
	gauge(out, "signpost_store_epoch", "Changes of the key store.", (int64_t)watched->epoch);
	write_nodes(watched, out);
	if (watched->audits)
		write_audit(watched, out);
}

/* ---- keys ---- */

/* "ACTIVE" -> "active" */
static void
state_name(enum key_state state, char out[32])
{
	const char *name = key_state_name(state);
	size_t n = 0;

	for (; name[n] != '\0' && n + 1 < 32; n++)
		out[n] = ascii_lower(name[n]);
	out[n] = '\0';
}

static void
write_keys(const struct census_counts *census, int64_t now_utc, struct buf *out)
{
	char name[32];

	family(out, "signpost_key_state", "gauge",
	    "Keys in each state; those that were destroyed are not counted.");
	for (unsigned i = 0; i < CENSUS_STATES; i++) {
		if (i == KEY_DESTROYED)
			continue;
		state_name((enum key_state)i, name);
		labelled(out, "signpost_key_state", "state", name, (int64_t)census->states[i]);
	}
	gauge(out, "signpost_domains", "Domains of the key store.", (int64_t)census->domains);
	gauge(out, "signpost_rotation_stuck", "Keys with something in the way of their next step.",
	    (int64_t)census->stuck);
	gauge(out, "signpost_dns_drift", "Domains of which DNS does not have what it should.",
	    (int64_t)census->drifted);
	if (census->due != 0 && now_utc != 0)
		gauge(out, "signpost_key_next_due_seconds",
		    "Time until the next domain is to be looked at; below 0: it is overdue.",
		    census->due - now_utc);
}

static void
write_steps(const struct reconciler_state *state, struct buf *out)
{
	const struct {
		const char *name;
		uint64_t number;
	} steps[] = {{"generated", state->generated}, {"published", state->published},
	    {"proven", state->proven}, {"activated", state->activated}, {"revoked", state->revoked},
	    {"removed", state->removed}, {"destroyed", state->destroyed},
	    {"failed", state->failed}};

	family(out, "signpost_reconciler_steps_total", "counter",
	    "What this reconciler did in the life of keys.");
	for (size_t i = 0; i < COUNT(steps); i++)
		labelled(out, "signpost_reconciler_steps_total", "step", steps[i].name,
		    (int64_t)steps[i].number);
}

static void
write_reconciler(const struct reconciler_state *state, struct buf *out)
{
	gauge(out, "signpost_reconciler_leader", "1: this one changes keys; 0: another one does.",
	    state->leader);
	gauge(out, "signpost_reconciler_frozen",
	    "1: it changes nothing until something is put right; its log says what.",
	    state->frozen[0] != '\0');
	counter(out, "signpost_reconciler_turns_total", "Turns of the reconciler.", state->turns);
	write_steps(state, out);
	counter(out, "signpost_reconciler_store_errors_total",
	    "Turns that ended because the key store did not answer.", state->store_errors);
	counter(out, "signpost_publisher_errors_total",
	    "Changes of DNS that a publisher could not make.", state->publisher_errors);
}

/* ---- HTTP ---- */

static void
write_http(const struct http_counts *http, struct buf *out)
{
	static const char *const classes[] = {NULL, "1xx", "2xx", "3xx", "4xx", "5xx"};

	counter(
	    out, "signpost_http_connections_total", "Connections of clients.", http->connections);
	counter(out, "signpost_http_refused_connections_total",
	    "Connections that were one too many.", http->refused_connections);
	counter(out, "signpost_http_requests_total", "Requests.", http->requests);
	family(out, "signpost_http_answers_total", "counter", "Answers, by the hundreds.");
	for (size_t i = 1; i < COUNT(classes); i++)
		labelled(out, "signpost_http_answers_total", "class", classes[i],
		    (int64_t)http->answers[i]);
	counter(out, "signpost_http_timeouts_total", "Requests that were not there in time.",
	    http->timeouts);
	counter(out, "signpost_http_too_big_total", "Requests that were too big.", http->too_big);
	gauge(out, "signpost_http_connections", "Connections that are open now.", http->open);
	gauge(out, "signpost_http_running", "Requests that run now.", http->running);
	gauge(out, "signpost_http_event_streams", "Clients that listen to events now.",
	    http->sources);
}

static void
seconds(struct buf *out, uint64_t us)
{
	buf_add_fmt(out, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
}

static void
write_requests(const struct request_counts *counts, struct buf *out)
{
	uint64_t sum = 0;

	family(out, "signpost_http_request_seconds", "histogram",
	    "Time of a request, from its last octet to its answer.");
	for (size_t i = 0; i < REQUEST_BUCKETS; i++) {
		sum += atomic_load_explicit(&counts->buckets[i], memory_order_relaxed);
		buf_add_str(out, "signpost_http_request_seconds_bucket{le=\"");
		if (i < COUNT(bounds_us))
			seconds(out, (uint64_t)bounds_us[i]);
		else
			buf_add_str(out, "+Inf");
		buf_add_fmt(out, "\"} %" PRIu64 "\n", sum);
	}
	buf_add_str(out, "signpost_http_request_seconds_sum ");
	seconds(out, atomic_load_explicit(&counts->sum_us, memory_order_relaxed));
	buf_add_fmt(out, "\nsignpost_http_request_seconds_count %" PRIu64 "\n", sum);
	counter(out, "signpost_http_changes_total", "Requests that changed something.",
	    atomic_load_explicit(&counts->changes, memory_order_relaxed));
}

enum status
admin_metrics_write(const struct admin_figures *figures, struct buf *out)
{
	write_store(figures->watched, out);
	if (figures->census != NULL)
		write_keys(figures->census, figures->now_utc, out);
	if (figures->reconciler != NULL)
		write_reconciler(figures->reconciler, out);
	gauge(out, "signpost_publishers", "Publishers that are configured.",
	    (int64_t)figures->publishers);
	gauge(out, "signpost_site_key", "1: there is a site key; 0: no key can be made.",
	    figures->site_key);
	if (figures->http != NULL)
		write_http(figures->http, out);
	write_requests(figures->requests, out);
	return buf_status(out);
}
