/*
 * domainhour.c - counts of the last hour by signing domain, in a table that does not grow.
 * Keeper threads count every message that is signed, the thread that reports reads. It must never
 * let mail of many domains push out a domain with much mail, nor call complete what is not.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/domainhour.h"
#include "daemon/hourcount.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"

#define PLACES 8U /* of a shelf: where a domain may be */
#define SHELVES (DOMAINHOUR_DOMAINS / PLACES)
#define FAILURE_WEIGHT 16U /* messages that are signed weigh as much as one that is not */
#define COUNTED_TEXT 48U   /* room for the line about all the others */

struct entry {
	char domain[MAILWORD_DOMAIN_MAX + 1]; /* "": free */
	uint8_t reason[MAIL_FATES];           /* of the newest message of each */
	struct hourcount counts[MAIL_FATES];
};

struct shelf {
	struct entry entries[PLACES];
	struct hourcount lost; /* of domains that had a place here, and of all of them */
};

struct domainhour {
	pthread_mutex_t lock; /* of shelves */
	struct shelf shelves[SHELVES];
	int64_t began_s;
	uint8_t hash_key[16];
};

struct domainhour *
domainhour_new(int64_t now_s)
{
	struct domainhour *hour = mem_zalloc(1, sizeof(*hour));

	pthread_mutex_init(&hour->lock, NULL);
	hour->began_s = now_s;
	(void)!getrandom(hour->hash_key, sizeof(hour->hash_key), 0);
	return hour;
}

void
domainhour_free(struct domainhour *hour)
{
	if (hour == NULL)
		return;
	pthread_mutex_destroy(&hour->lock);
	mem_free(hour);
}

/* ---- counting, with the lock ---- */

static uint64_t
all_of(const struct entry *entry, int64_t slot)
{
	uint64_t sum = 0;

	for (unsigned fate = 0; fate < MAIL_FATES; fate++)
		sum += hourcount_sum(&entry->counts[fate], slot);
	return sum;
}

/* How much it is worth to remember. */
static uint64_t
weight(const struct entry *entry, int64_t slot)
{
	uint64_t mail = all_of(entry, slot);

	return mail + (mail - hourcount_sum(&entry->counts[MAIL_SIGNED], slot)) * FAILURE_WEIGHT;
}

/* A free one, if there is one. */
static struct entry *
lightest(struct shelf *shelf, int64_t slot)
{
	struct entry *least = NULL;
	uint64_t least_weight = UINT64_MAX;

	for (unsigned i = 0; i < PLACES; i++) {
		uint64_t one = weight(&shelf->entries[i], slot);

		if (one < least_weight) {
			least = &shelf->entries[i];
			least_weight = one;
		}
	}
	return least;
}

static struct entry *
take_place(struct shelf *shelf, struct span domain, int64_t slot)
{
	struct entry *entry = lightest(shelf, slot);

	for (unsigned fate = 0; fate < MAIL_FATES; fate++)
		hourcount_merge(&shelf->lost, &entry->counts[fate], slot);
	*entry = (struct entry){.domain = ""};
	memcpy(entry->domain, domain.p, domain.n);
	return entry;
}

static struct entry *
find(struct domainhour *hour, struct span domain, int64_t slot)
{
	struct shelf *shelf = &hour->shelves[span_hash(domain, hour->hash_key) % SHELVES];

	for (unsigned i = 0; i < PLACES; i++)
		if (span_eq_str(domain, shelf->entries[i].domain))
			return &shelf->entries[i];
	return take_place(shelf, domain, slot);
}

void
domainhour_count(struct domainhour *hour, struct span domain, enum mail_fate fate,
    unsigned int reason, int64_t now_s)
{
	int64_t slot = now_s / HOURCOUNT_SLOT_S;
	struct entry *entry;

	if (hour == NULL || domain.n == 0 || domain.n > MAILWORD_DOMAIN_MAX)
		return;
	pthread_mutex_lock(&hour->lock);
	entry = find(hour, domain, slot);
	hourcount_add(&entry->counts[fate], slot);
	entry->reason[fate] = (uint8_t)reason;
	pthread_mutex_unlock(&hour->lock);
}

/* ---- telling ---- */

struct sum {
	char domain[MAILWORD_DOMAIN_MAX + 1];
	uint8_t reason[MAIL_FATES];
	uint64_t count[MAIL_FATES];
	uint64_t more;
};

static uint64_t
failures(const struct sum *sum)
{
	return sum->count[MAIL_UNSIGNED] + sum->count[MAIL_DEFERRED];
}

static int
most_first(const void *a, const void *b)
{
	const struct sum *left = a, *right = b;

	if (failures(left) != failures(right))
		return failures(left) > failures(right) ? -1 : 1;
	if (left->count[MAIL_SIGNED] != right->count[MAIL_SIGNED])
		return left->count[MAIL_SIGNED] > right->count[MAIL_SIGNED] ? -1 : 1;
	return strcmp(left->domain, right->domain);
}

/* *lost_out: the most that a domain without a place may have had. */
static size_t
sum_up_shelf(const struct shelf *shelf, int64_t slot, struct sum sums[], uint64_t *lost_out)
{
	uint64_t lost = hourcount_sum(&shelf->lost, slot);
	size_t n = 0;

	for (unsigned i = 0; i < PLACES; i++) {
		const struct entry *entry = &shelf->entries[i];
		struct sum *sum = &sums[n];

		if (all_of(entry, slot) == 0)
			continue;
		memcpy(sum->domain, entry->domain, sizeof(sum->domain));
		memcpy(sum->reason, entry->reason, sizeof(sum->reason));
		for (unsigned fate = 0; fate < MAIL_FATES; fate++)
			sum->count[fate] = hourcount_sum(&entry->counts[fate], slot);
		sum->more = lost;
		n++;
	}
	*lost_out = lost > *lost_out ? lost : *lost_out;
	return n;
}

static size_t
sum_up(struct domainhour *hour, int64_t slot, struct sum sums[], uint64_t *lost_out)
{
	size_t n = 0;

	*lost_out = 0;
	pthread_mutex_lock(&hour->lock);
	for (size_t i = 0; i < SHELVES; i++)
		n += sum_up_shelf(&hour->shelves[i], slot, &sums[n], lost_out);
	pthread_mutex_unlock(&hour->lock);
	qsort(sums, n, sizeof(*sums), most_first);
	return n;
}

static bool
tell(const struct sum *sum, struct buf *out)
{
	static const enum metric metrics[MAIL_FATES] = {
	    [MAIL_UNSIGNED] = METRIC_UNSIGNED, [MAIL_DEFERRED] = METRIC_TEMPFAIL};
	struct domain_word word = {.domain = span_str(sum->domain), .more = sum->more};

	for (unsigned fate = 0; fate < MAIL_FATES; fate++) {
		word.count[fate] = sum->count[fate];
		if (fate != MAIL_SIGNED && sum->count[fate] > 0)
			word.cause[fate] =
			    span_str(metrics_label_value(metrics[fate], sum->reason[fate]));
	}
	return domain_word_write(&word, out);
}

/* An hour, or since the first of the slots that are kept, or since it was started. */
static uint32_t
counted_s(const struct domainhour *hour, int64_t now_s)
{
	int64_t first_s = (now_s / HOURCOUNT_SLOT_S - HOURCOUNT_SLOTS + 1) * HOURCOUNT_SLOT_S;

	return (uint32_t)(now_s - (first_s > hour->began_s ? first_s : hour->began_s));
}

void
domainhour_lines(struct domainhour *hour, int64_t now_s, struct buf *out)
{
	struct counted_word others = {.since_s = counted_s(hour, now_s)};
	size_t max = out->max, room = max - out->n, n;
	struct sum *sums;

	if (room < COUNTED_TEXT)
		return;
	sums = mem_zalloc(DOMAINHOUR_DOMAINS, sizeof(*sums));
	n = sum_up(hour, now_s / HOURCOUNT_SLOT_S, sums, &others.more);
	out->max = out->n + (room < DOMAINHOUR_TEXT ? room : DOMAINHOUR_TEXT) - COUNTED_TEXT;
	for (size_t i = 0; i < n; i++) {
		uint64_t mail = failures(&sums[i]) + sums[i].count[MAIL_SIGNED] + sums[i].more;

		if (!tell(&sums[i], out) && mail > others.more)
			others.more = mail;
	}
	out->max = max;
	(void)counted_word_write(&others, out);
	mem_free(sums);
}
