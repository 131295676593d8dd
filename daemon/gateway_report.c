/*
 * gateway_report.c - one report of this gateway, and what the store thinks of it.
 * Called by a thread of the keeper that does nothing else (gateway.c), so that a store that is slow
 * or away delays the next report and nothing else. It must never fill a log with the same line.
 */
#include "config.h"

#include <string.h>

#include "daemon/gateway_report.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"

/* Our clock less the store's, which counts in seconds: in the middle of one and of the question. */
static void
measure_offset(struct gateway_reporter *reporter)
{
	int64_t before_ms = reporter->utc_ms(), after_ms, store_s = 0;
	struct keystore *store = reporter->store;
	struct err err = ERR_NONE;

	if (store->ops->now == NULL || store->ops->now(store, &store_s, &err) != ST_OK)
		return; /* what was measured last */
	after_ms = reporter->utc_ms();
	reporter->offset_ms = before_ms + (after_ms - before_ms) / 2 - (store_s * 1000 + 500);
}

/* Has another one written our row since we did? Twice in a row, because one that is going down may
 * have its last word. */
static void
look_for_others(struct gateway_reporter *reporter)
{
	struct keystore *store = reporter->store;
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	bool foreign = false;

	if (store->ops->gateways == NULL || store->ops->gateways(store, &rows, &err) != ST_OK)
		return;
	for (size_t i = 0; i < rows->gateway_count; i++)
		foreign = foreign || (span_eq(rows->gateways[i].node, reporter->node) &&
					 rows->gateways[i].started != reporter->started_utc);
	keystore_rows_release(rows);
	reporter->foreign = foreign ? reporter->foreign + 1 : 0;
	if (reporter->foreign < 2 || reporter->told_foreign)
		return;
	reporter->told_foreign = true;
	log_line(LOG_LEVEL_ERROR,
	    "another gateway reports to KeyStore %s as %.*s, too: give each its own GatewayName, "
	    "or "
	    "keys are used before all gateways have them",
	    store->where, SPAN_ARG(reporter->node));
}

static void
note(struct gateway_reporter *reporter, enum status status, const struct err *err)
{
	const char *where = reporter->store->where;

	if (status == ST_OK) {
		if (reporter->denied || reporter->failing)
			log_line(
			    LOG_LEVEL_NOTICE, "this gateway reports to KeyStore %s again", where);
		reporter->denied = reporter->failing = false;
	} else if (status == ST_DENIED) {
		if (!reporter->denied)
			log_line(LOG_LEVEL_WARNING,
			    "GatewayReport: no right to report to KeyStore %s: %s; whoever rotates "
			    "keys "
			    "waits a fixed time for this gateway; it is tried again every %d "
			    "minutes",
			    where, err->text, GATEWAY_DENIED_MS / 60000);
		reporter->denied = true;
	} else {
		if (!reporter->failing)
			log_line(LOG_LEVEL_NOTICE,
			    "GatewayReport: cannot report to KeyStore %s: %s; mail is signed as "
			    "before, and it is tried again",
			    where, err->text);
		reporter->failing = true;
	}
}

static void
count(enum status status)
{
	metrics_count(METRIC_GATEWAY_REPORTS,
	    status == ST_OK       ? METRIC_REPORTED_OK
	    : status == ST_DENIED ? METRIC_REPORTED_DENIED
				  : METRIC_REPORTED_UNAVAILABLE,
	    METRIC_NONE);
}

enum status
gateway_report_send(
    struct gateway_reporter *reporter, uint64_t epoch, uint64_t tested, struct span failed)
{
	struct keystore *store = reporter->store;
	struct store_gateway row = {.node = reporter->node,
	    .version = SPAN_LIT(PACKAGE_VERSION),
	    .epoch = epoch,
	    .tested = tested,
	    .failed = failed,
	    .started = reporter->started_utc};
	struct err err = ERR_NONE;
	enum status status;

	/* Between two looks there is at least one report of ours. */
	if (reporter->reports > 0 &&
	    (reporter->foreign > 0 || reporter->reports % GATEWAY_LOOK_EVERY == 1))
		look_for_others(reporter);
	measure_offset(reporter);
	row.offset_ms = reporter->offset_ms;
	status = store->ops->report(store, &row, &err);
	if (status == ST_OK)
		reporter->reports++;
	else if (status != ST_DENIED)
		status = ST_UNAVAILABLE;
	count(status);
	note(reporter, status, &err);
	return status;
}
