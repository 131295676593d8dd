/*
 * mailhour.c - counts of the last hour, in slots of five minutes, of mail that was not signed.
 * Keeper threads count where a message fails; the thread that reports reads. It must never be on
 * the way of a message that is signed, nor let a sender make it remember more than it has room for.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/hourcount.h"
#include "daemon/mailhour.h"
#include "lib/base/mem.h"
#include "lib/keys/mailword.h"

#define REASONS_MAX 32U        /* of each of the two metrics */
#define LINES_OF_TENANTS 2560U /* octets; the rest is for what has no tenant */

/* Of one tenant and cause. */
struct entry {
	char tenant[MAILWORD_TENANT_MAX + 1]; /* "": free */
	uint8_t deferred, reason;
	struct hourcount count;
};

struct mailhour {
	pthread_mutex_t lock; /* of entries */
	struct entry entries[MAILHOUR_ENTRIES];
	/* Of the thread that reports: the counters as they were when each slot began. */
	int64_t slot;
	uint64_t begins[HOURCOUNT_SLOTS][2][REASONS_MAX];
};

static const enum metric metrics[2] = {METRIC_UNSIGNED, METRIC_TEMPFAIL};

static void
read_counters(uint64_t out[2][REASONS_MAX])
{
	for (unsigned kind = 0; kind < 2; kind++)
		for (unsigned i = 0; i < REASONS_MAX; i++)
			out[kind][i] = metrics_value(metrics[kind], i, METRIC_NONE);
}

struct mailhour *
mailhour_new(int64_t now_s)
{
	struct mailhour *mailhour = mem_zalloc(1, sizeof(*mailhour));

	pthread_mutex_init(&mailhour->lock, NULL);
	mailhour->slot = now_s / HOURCOUNT_SLOT_S;
	for (unsigned i = 0; i < HOURCOUNT_SLOTS; i++)
		read_counters(mailhour->begins[i]);
	return mailhour;
}

void
mailhour_free(struct mailhour *mailhour)
{
	if (mailhour == NULL)
		return;
	pthread_mutex_destroy(&mailhour->lock);
	mem_free(mailhour);
}

/* ---- of tenants, with the lock ---- */

static bool
is_it(const struct entry *entry, struct span tenant, bool deferred, unsigned int reason)
{
	return entry->deferred == deferred && entry->reason == reason &&
	       span_eq_str(tenant, entry->tenant);
}

/* NULL: all places have counts of the last hour. */
static struct entry *
find(
    struct mailhour *mailhour, struct span tenant, bool deferred, unsigned int reason, int64_t slot)
{
	struct entry *place = NULL;

	for (size_t i = 0; i < MAILHOUR_ENTRIES; i++) {
		struct entry *entry = &mailhour->entries[i];

		if (is_it(entry, tenant, deferred, reason))
			return entry;
		if (place == NULL &&
		    (entry->tenant[0] == '\0' || hourcount_sum(&entry->count, slot) == 0))
			place = entry;
	}
	if (place == NULL)
		return NULL;
	*place = (struct entry){.deferred = deferred, .reason = (uint8_t)reason};
	memcpy(place->tenant, tenant.p, tenant.n);
	return place;
}

void
mailhour_count(struct mailhour *mailhour, struct span tenant, enum metric metric,
    unsigned int reason, int64_t now_s)
{
	int64_t slot = now_s / HOURCOUNT_SLOT_S;
	struct entry *entry;

	if (mailhour == NULL || tenant.n == 0 || tenant.n > MAILWORD_TENANT_MAX ||
	    reason >= REASONS_MAX)
		return;
	pthread_mutex_lock(&mailhour->lock);
	entry = find(mailhour, tenant, metric == METRIC_TEMPFAIL, reason, slot);
	if (entry != NULL)
		hourcount_add(&entry->count, slot);
	pthread_mutex_unlock(&mailhour->lock);
}

/* ---- telling ---- */

struct sum {
	struct entry entry;
	uint64_t count;
};

static int
most_first(const void *a, const void *b)
{
	uint64_t left = ((const struct sum *)a)->count, right = ((const struct sum *)b)->count;

	return left > right ? -1 : left < right ? 1 : 0;
}

static size_t
sum_up(struct mailhour *mailhour, int64_t slot, struct sum sums[])
{
	size_t n = 0;

	pthread_mutex_lock(&mailhour->lock);
	for (size_t i = 0; i < MAILHOUR_ENTRIES; i++) {
		struct sum *sum = &sums[n];

		if (mailhour->entries[i].tenant[0] == '\0')
			continue;
		*sum = (struct sum){.entry = mailhour->entries[i]};
		sum->count = hourcount_sum(&sum->entry.count, slot);
		n += sum->count > 0;
	}
	pthread_mutex_unlock(&mailhour->lock);
	qsort(sums, n, sizeof(*sums), most_first);
	return n;
}

/* left: by cause what is not told of, less what is told of tenants. */
static void
tell_tenants(
    struct mailhour *mailhour, int64_t slot, uint64_t left[2][REASONS_MAX], struct buf *out)
{
	struct sum *sums = mem_zalloc(MAILHOUR_ENTRIES, sizeof(*sums));
	size_t n = sum_up(mailhour, slot, sums);

	for (size_t i = 0; i < n; i++) {
		const struct entry *entry = &sums[i].entry;
		const char *cause = metrics_label_value(metrics[entry->deferred], entry->reason);
		uint64_t *rest = &left[entry->deferred][entry->reason];

		if (!mail_word_write(&(struct mail_word){entry->deferred, span_str(entry->tenant),
					 span_str(cause), sums[i].count},
			out))
			break;
		*rest -= sums[i].count < *rest ? sums[i].count : *rest;
	}
	mem_free(sums);
}

/* What the counters have gained in the last hour. */
static void
gains(struct mailhour *mailhour, int64_t slot, uint64_t out[2][REASONS_MAX])
{
	uint64_t(*before)[REASONS_MAX];

	read_counters(out);
	for (int64_t i = 1; i <= slot - mailhour->slot && i <= HOURCOUNT_SLOTS; i++)
		memcpy(mailhour->begins[(mailhour->slot + i) % HOURCOUNT_SLOTS], out,
		    sizeof(mailhour->begins[0]));
	mailhour->slot = slot > mailhour->slot ? slot : mailhour->slot;
	before = mailhour->begins[(mailhour->slot + 1) % HOURCOUNT_SLOTS];
	for (unsigned kind = 0; kind < 2; kind++)
		for (unsigned i = 0; i < REASONS_MAX; i++)
			out[kind][i] -= before[kind][i];
}

static uint64_t
of_rules_and_keys(enum metric metric)
{
	return metrics_value(metric, METRIC_CACHE_RULES, METRIC_NONE) +
	       metrics_value(metric, METRIC_CACHE_KEYS, METRIC_NONE);
}

/* Nothing before something was signed. */
static void
tell_figures(struct buf *out)
{
	uint64_t known =
	    of_rules_and_keys(METRIC_CACHE_HITS) + of_rules_and_keys(METRIC_CACHE_NEGATIVE_HITS);
	uint64_t all = known + of_rules_and_keys(METRIC_CACHE_MISSES);
	const struct gateway_figures figures = {
	    .cache_per_mille = all == 0 ? 0 : (uint32_t)(known * 1000 / all),
	    .sign_p99_us = metrics_quantile_us(METRIC_SIGN_SECONDS, 990)};

	if (figures.sign_p99_us >= 0)
		(void)gateway_figures_write(&figures, out);
}

void
mailhour_lines(struct mailhour *mailhour, int64_t now_s, struct buf *out)
{
	uint64_t left[2][REASONS_MAX];
	size_t max = out->max, room = max - out->n;

	tell_figures(out);
	gains(mailhour, now_s / HOURCOUNT_SLOT_S, left);
	out->max = out->n + (room < LINES_OF_TENANTS ? room : LINES_OF_TENANTS);
	tell_tenants(mailhour, now_s / HOURCOUNT_SLOT_S, left, out);
	out->max = max;
	for (unsigned kind = 0; kind < 2; kind++) {
		const char *cause;

		for (unsigned i = 0;
		     i < REASONS_MAX && (cause = metrics_label_value(metrics[kind], i)) != NULL;
		     i++)
			(void)mail_word_write(&(struct mail_word){kind == 1, SPAN_EMPTY,
						  span_str(cause), left[kind][i]},
			    out);
	}
}
