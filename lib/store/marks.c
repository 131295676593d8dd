/*
 * marks.c - a bounded memory of numbers by name, that only grow.
 * Used by the cached key store, under its locks. It must never forget a single name, which would
 * let something old pass for new: it is cleared as a whole, by who knows what that means.
 */
#include <string.h>
#include <sys/random.h>

#include "lib/base/mem.h"
#include "lib/store/marks.h"

struct place {
	uint64_t hash; /* 0: free */
	struct mark mark;
};

struct marks {
	uint8_t hash_key[16];
	size_t count, max;
	size_t place_count; /* a power of 2, at least twice max */
	struct place places[];
};

struct marks *
marks_new(size_t max)
{
	struct marks *marks;
	size_t places = 2;

	while (places < max * 2)
		places *= 2;
	marks = mem_zalloc(1, sizeof(*marks) + places * sizeof(struct place));
	marks->max = max;
	marks->place_count = places;
	if (getrandom(marks->hash_key, sizeof(marks->hash_key), 0) !=
	    (ssize_t)sizeof(marks->hash_key))
		memset(marks->hash_key, 0x5a, sizeof(marks->hash_key));
	return marks;
}

void
marks_free(struct marks *marks)
{
	mem_free(marks);
}

/* Where name is, or would be. */
static size_t
find(const struct marks *marks, uint64_t hash)
{
	size_t at = hash & (marks->place_count - 1);

	while (marks->places[at].hash != 0 && marks->places[at].hash != hash)
		at = (at + 1) & (marks->place_count - 1);
	return at;
}

static uint64_t
hash_of(const struct marks *marks, struct span name)
{
	uint64_t hash = span_hash(name, marks->hash_key);

	return hash == 0 ? 1 : hash;
}

bool
marks_raise(struct marks *marks, struct span name, struct mark mark)
{
	uint64_t hash = hash_of(marks, name);
	struct place *place = &marks->places[find(marks, hash)];

	if (place->hash == 0) {
		if (marks->count == marks->max)
			return false;
		place->hash = hash;
		marks->count++;
	}
	if (mark.number > place->mark.number)
		place->mark.number = mark.number;
	if (mark.at_ms > place->mark.at_ms)
		place->mark.at_ms = mark.at_ms;
	return true;
}

struct mark
marks_get(const struct marks *marks, struct span name)
{
	return marks->places[find(marks, hash_of(marks, name))].mark;
}

void
marks_clear(struct marks *marks)
{
	memset(marks->places, 0, marks->place_count * sizeof(struct place));
	marks->count = 0;
}

size_t
marks_count(const struct marks *marks)
{
	return marks->count;
}
