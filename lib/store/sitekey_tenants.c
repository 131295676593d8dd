/*
 * sitekey_tenants.c - the derived keys that were used last, found by name.
 * sitekey.c asks it under its lock before it derives one. It must never hold more than
 * SITEKEY_TENANTS_MAX, nor free a key that somebody still uses (seal.h counts).
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/crypto/digest.h"
#include "lib/store/sitekey_private.h"

#define BUCKETS 1024U

struct entry {
	struct entry *chain;         /* of the bucket */
	struct entry *newer, *older; /* by use */
	struct seal *seal;
	uint64_t hash;
	size_t name_n;
	char name[];
};

struct sitekey_tenants {
	uint8_t hash_key[16]; /* tenants choose their names */
	struct entry *buckets[BUCKETS];
	struct entry *newest, *oldest;
	size_t count;
};

struct sitekey_tenants *
sitekey_tenants_new(void)
{
	struct sitekey_tenants *tenants = mem_zalloc(1, sizeof(*tenants));

	random_bytes(tenants->hash_key, sizeof(tenants->hash_key));
	return tenants;
}

static void
take_out(struct sitekey_tenants *tenants, struct entry *entry)
{
	*(entry->newer == NULL ? &tenants->newest : &entry->newer->older) = entry->older;
	*(entry->older == NULL ? &tenants->oldest : &entry->older->newer) = entry->newer;
}

static void
put_first(struct sitekey_tenants *tenants, struct entry *entry)
{
	entry->newer = NULL;
	entry->older = tenants->newest;
	*(tenants->newest == NULL ? &tenants->oldest : &tenants->newest->newer) = entry;
	tenants->newest = entry;
}

struct seal *
sitekey_tenants_find(struct sitekey_tenants *tenants, struct span name)
{
	uint64_t hash = span_hash(name, tenants->hash_key);
	struct entry *entry = tenants->buckets[hash % BUCKETS];

	while (entry != NULL &&
	       (entry->hash != hash || !span_eq(span_of(entry->name, entry->name_n), name)))
		entry = entry->chain;
	if (entry == NULL)
		return NULL;
	take_out(tenants, entry);
	put_first(tenants, entry);
	seal_hold(entry->seal);
	return entry->seal;
}

static void
drop(struct sitekey_tenants *tenants, struct entry *entry)
{
	struct entry **at = &tenants->buckets[entry->hash % BUCKETS];

	while (*at != entry)
		at = &(*at)->chain;
	*at = entry->chain;
	take_out(tenants, entry);
	tenants->count--;
	seal_free(entry->seal);
	mem_free(entry);
}

void
sitekey_tenants_add(struct sitekey_tenants *tenants, struct span name, struct seal *seal)
{
	struct entry *entry = mem_alloc(sizeof(*entry) + name.n);
	struct entry **bucket;

	if (tenants->count == SITEKEY_TENANTS_MAX)
		drop(tenants, tenants->oldest);
	entry->seal = seal;
	seal_hold(seal);
	entry->hash = span_hash(name, tenants->hash_key);
	entry->name_n = name.n;
	if (name.n > 0)
		memcpy(entry->name, name.p, name.n);
	bucket = &tenants->buckets[entry->hash % BUCKETS];
	entry->chain = *bucket;
	*bucket = entry;
	put_first(tenants, entry);
	tenants->count++;
}

void
sitekey_tenants_clear(struct sitekey_tenants *tenants)
{
	while (tenants->oldest != NULL)
		drop(tenants, tenants->oldest);
}

void
sitekey_tenants_free(struct sitekey_tenants *tenants)
{
	if (tenants == NULL)
		return;
	sitekey_tenants_clear(tenants);
	mem_free(tenants);
}
