/*
 * keyindex.c - open addressing, linear probing, never more than half full.
 * Called by the flat tables and the host lists when a snapshot is built, and for every lookup.
 * It must never keep text of its own (the text may be secret) nor grow after it was made.
 */
#include <string.h>
#include <sys/random.h>

#include "lib/base/mem.h"
#include "lib/store/keyindex.h"

struct keyindex_slot {
	uint32_t
	    tag; /* upper half of the hash: most foreign keys are told apart without their text */
	uint32_t id;
};

struct span
keyindex_fold(struct span s, bool icase, char *room)
{
	if (!icase)
		return s;
	for (size_t i = 0; i < s.n; i++)
		room[i] = ascii_lower(s.p[i]);
	return span_of(room, s.n);
}

void
keyindex_init(
    struct keyindex *index, size_t capacity, bool icase, keyindex_key *key_of, const void *context)
{
	size_t count = 8;

	while (count < capacity * 2)
		count *= 2;
	index->slots = mem_alloc(count * sizeof(*index->slots));
	for (size_t i = 0; i < count; i++)
		index->slots[i] = (struct keyindex_slot){0, KEYINDEX_NONE};
	index->mask = count - 1;
	index->icase = icase;
	index->key_of = key_of;
	index->context = context;
	/* Without random octets the order is only guessable, not wrong. */
	if (getrandom(index->hash_key, sizeof(index->hash_key), 0) !=
	    (ssize_t)sizeof(index->hash_key))
		memset(index->hash_key, 0x5a, sizeof(index->hash_key));
}

void
keyindex_free(struct keyindex *index)
{
	mem_free(index->slots);
	index->slots = NULL;
}

/* query is folded already when the index ignores case. */
static bool
key_equal(const struct keyindex *index, struct span key, struct span query)
{
	if (key.n != query.n)
		return false;
	if (!index->icase)
		return key.n == 0 || memcmp(key.p, query.p, key.n) == 0;
	for (size_t i = 0; i < key.n; i++)
		if (ascii_lower(key.p[i]) != query.p[i])
			return false;
	return true;
}

/* The slot of an equal key, or the free slot where it would go. */
static struct keyindex_slot *
slot_for(const struct keyindex *index, struct span query, uint32_t *tag_out)
{
	uint64_t hash = span_hash(query, index->hash_key);
	uint32_t tag = (uint32_t)(hash >> 32);
	size_t at = (size_t)hash & index->mask;

	*tag_out = tag;
	for (;; at = (at + 1) & index->mask) {
		struct keyindex_slot *slot = &index->slots[at];

		if (slot->id == KEYINDEX_NONE)
			return slot;
		if (slot->tag == tag &&
		    key_equal(index, index->key_of(index->context, slot->id), query))
			return slot;
	}
}

uint32_t
keyindex_put(struct keyindex *index, uint32_t id)
{
	char room[TABLE_KEY_MAX];
	struct span key = keyindex_fold(index->key_of(index->context, id), index->icase, room);
	uint32_t tag;
	struct keyindex_slot *slot = slot_for(index, key, &tag);

	if (slot->id == KEYINDEX_NONE) {
		slot->id = id;
		slot->tag = tag;
	}
	return slot->id;
}

uint32_t
keyindex_find(const struct keyindex *index, struct span query)
{
	uint32_t tag;

	return slot_for(index, query, &tag)->id;
}
