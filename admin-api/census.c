/*
 * census.c - counts of keys, from 32 octets for each domain, found by a hash of its name.
 * Written by the thread that makes turns, read by whoever writes metrics. It must never ask a
 * store, nor keep a name: two domains whose 64 bits agree count as one.
 */
#include <pthread.h>
#include <string.h>

#include "admin-api/census.h"
#include "lib/base/mem.h"

#define PLACES_MIN 1024U

struct entry {
	uint64_t name; /* its number; 0: free */
	struct census_domain domain;
};

struct census {
	pthread_mutex_t lock;
	struct entry *places; /* a power of two, half of it free at least */
	size_t place_count, used;
	struct census_counts counts; /* without due */
	bool complete;
};

static const uint8_t hash_key[16] = "signpost census";

struct census *
census_new(void)
{
	struct census *census = mem_zalloc(1, sizeof(*census));

	pthread_mutex_init(&census->lock, NULL);
	census->place_count = PLACES_MIN;
	census->places = mem_zalloc(PLACES_MIN, sizeof(*census->places));
	return census;
}

void
census_free(struct census *census)
{
	if (census == NULL)
		return;
	pthread_mutex_destroy(&census->lock);
	mem_free(census->places);
	mem_free(census);
}

void
census_begin(struct census *census)
{
	pthread_mutex_lock(&census->lock);
}

void
census_end(struct census *census)
{
	pthread_mutex_unlock(&census->lock);
}

/* ---- places ---- */

/* Where it is, or would be. */
static struct entry *
place_of(const struct census *census, uint64_t name)
{
	size_t at = (size_t)name & (census->place_count - 1);

	while (census->places[at].name != 0 && census->places[at].name != name)
		at = (at + 1) & (census->place_count - 1);
	return &census->places[at];
}

static void
grow(struct census *census)
{
	struct entry *before = census->places;
	size_t count = census->place_count;

	if (census->used < count / 2)
		return;
	census->place_count = count * 2;
	census->places = mem_zalloc(census->place_count, sizeof(*census->places));
	for (size_t i = 0; i < count; i++)
		if (before[i].name != 0)
			*place_of(census, before[i].name) = before[i];
	mem_free(before);
}

/* Those behind it move up, if they may, so that each is found without a gap. */
static void
take_out(struct census *census, struct entry *entry)
{
	size_t mask = census->place_count - 1, hole = (size_t)(entry - census->places);

	for (size_t at = (hole + 1) & mask; census->places[at].name != 0; at = (at + 1) & mask) {
		size_t home = (size_t)census->places[at].name & mask;

		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		census->places[hole] = census->places[at];
		hole = at;
	}
	memset(&census->places[hole], 0, sizeof(census->places[hole]));
	census->used--;
}

/* ---- counting ---- */

static void
count(struct census_counts *counts, const struct census_domain *domain, uint64_t by)
{
	counts->domains += by;
	for (unsigned i = 0; i < CENSUS_STATES; i++)
		counts->states[i] += domain->states[i] * by;
	counts->stuck += domain->stuck * by;
	counts->drifted += domain->drifted > 0 ? by : 0;
}

void
census_set(struct census *census, struct span name, const struct census_domain *domain)
{
	uint64_t number = span_hash(name, hash_key);
	struct entry *entry;

	if (number == 0)
		number = 1;
	entry = place_of(census, number);
	if (entry->name != 0)
		count(&census->counts, &entry->domain, UINT64_MAX); /* less one */
	if (domain == NULL) {
		if (entry->name != 0)
			take_out(census, entry);
		return;
	}
	census->used += entry->name == 0;
	*entry = (struct entry){.name = number, .domain = *domain};
	count(&census->counts, domain, 1);
	grow(census);
}

void
census_clear(struct census *census)
{
	memset(census->places, 0, census->place_count * sizeof(*census->places));
	memset(&census->counts, 0, sizeof(census->counts));
	census->used = 0;
	census->complete = false;
}

void
census_is_complete(struct census *census)
{
	census->complete = true;
}

bool
census_read(struct census *census, struct census_counts *out)
{
	bool complete;

	memset(out, 0, sizeof(*out));
	pthread_mutex_lock(&census->lock);
	complete = census->complete;
	if (complete)
		*out = census->counts;
	for (size_t i = 0; complete && i < census->place_count; i++) {
		int64_t due = census->places[i].domain.due;

		if (due != 0 && (out->due == 0 || due < out->due))
			out->due = due;
	}
	pthread_mutex_unlock(&census->lock);
	return complete;
}
