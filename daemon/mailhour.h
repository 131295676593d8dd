/*
 * mailhour.h - the mail of the last hour that this gateway did not sign, or deferred, by cause and,
 * where the keeper knows it, by tenant: for the gateway's row of the KeyStore.
 *
 * How much there is of each cause comes from the counters that all processes share (metrics.h); a
 * message that is signed costs nothing here. Only one that is not, and whose tenant is known, is
 * counted by tenant, behind a short lock. What is not: of a tenant that nobody knows, or of more
 * tenants and causes than are remembered, or from before a reload of the keeper.
 */
#ifndef SIGNPOST_DAEMON_MAILHOUR_H
#define SIGNPOST_DAEMON_MAILHOUR_H

#include "lib/base/metrics.h"
#include "lib/base/span.h"

#define MAILHOUR_ENTRIES 256U /* tenants and causes that are told apart */
#define MAILHOUR_TEXT 4096U   /* octets of all lines of a report */

struct mailhour;

struct mailhour *mailhour_new(int64_t now_s);
void mailhour_free(struct mailhour *mailhour); /* NULL is fine */

/* One message of a tenant. metric: METRIC_UNSIGNED or METRIC_TEMPFAIL; reason: of that. now_s: any
 * clock that is not set back, always the same. mailhour NULL and tenant empty are fine. Any thread.
 */
void mailhour_count(struct mailhour *mailhour, struct span tenant, enum metric metric,
    unsigned int reason, int64_t now_s);
/* Appends the lines of lib/keys/mailword.h, MAILHOUR_TEXT octets at most: tenants first, whoever
 * has most before others; and one of what the gateway is like. To be called a few times in
 * HOURCOUNT_SLOT_S. One thread. */
void mailhour_lines(struct mailhour *mailhour, int64_t now_s, struct buf *out);

#endif
