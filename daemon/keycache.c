/*
 * keycache.c - parsed keys, kept warm.
 * Stands between the decision which key signs and the signature; called by the keeper's worker
 * threads. It must never hold a lock over a read, a parse or a signature, and never give out a key
 * that is not the one its name says now.
 */
#include <string.h>

#include "daemon/cachedkey.h"
#include "daemon/keyload.h"
#include "lib/base/mem.h"
#include "lib/store/keytable.h"

/* Keys do not grow old: their files are looked at, and rows that changed have another name. */
#define FRESH_MS (INT64_MAX / 4)
/* cache.h keeps absences, and names without a key must not drive out keys. No load ends like this.
 */
#define NOT_THERE ST_TOO_BIG
/* First octet of an entry's name. */
#define NAME_PATH 'p'
#define NAME_DIGEST 'd'

struct keycache {
	struct cache *cache;
	bool require_safe;
	struct unsealer *unsealer;
};

/* One keycache_get(), for the loader. */
struct wanted {
	struct keycache *keys;
	const struct keycache_name *name;
	const char *path; /* NULL: it is not in a file */
	int64_t now_ms;
	bool loaded; /* by this caller, just now */
};

static void
hold(void *object)
{
	cached_key_hold(object);
}

static void
release(void *object)
{
	cached_key_release(object);
}

struct keycache *
keycache_new(size_t bytes_max, bool require_safe, struct unsealer *unsealer)
{
	struct keycache *keys = mem_zalloc(1, sizeof(*keys));
	const struct cache_config config = {.bytes_max = bytes_max,
	    .fresh_ms = FRESH_MS,
	    .hold = hold,
	    .release = release,
	    .counted = true,
	    .counted_as = METRIC_CACHE_PARSED};

	keys->cache = cache_new(&config);
	keys->require_safe = require_safe;
	keys->unsealer = unsealer;
	return keys;
}

void
keycache_free(struct keycache *cache)
{
	if (cache == NULL)
		return;
	cache_free(cache->cache);
	mem_free(cache);
}

/* From where the name says; *stamp_out is set for a file. */
static enum status
read_key(const struct wanted *wanted, struct key **key_out, struct keyfile_stamp *stamp_out,
    struct err *err)
{
	const struct keycache_name *name = wanted->name;

	if (name->owner != NULL)
		return keyload_row(
		    wanted->keys->unsealer, name->owner, name->text, wanted->now_ms, key_out, err);
	if (wanted->path != NULL)
		return keyload_file(
		    wanted->path, wanted->keys->require_safe, key_out, stamp_out, err);
	return keyload_text(name->text, key_out, err);
}

/* The new file cannot be used: the old key, held, while it may go on; else NULL. */
static struct cached_key *
old_key(const struct wanted *wanted, struct span entry_name)
{
	struct cached_key *old =
	    wanted->path == NULL ? NULL : cache_known(wanted->keys->cache, entry_name);

	if (old == NULL || cached_key_may_go_on(old, wanted->now_ms))
		return old;
	cached_key_release(old);
	return NULL;
}

/* A cache_loader. */
static enum status
load(void *context, struct span entry_name, struct cache_load *out, struct err *err)
{
	struct wanted *wanted = context;
	struct keyfile_stamp stamp = {0};
	struct cached_key *cached;
	struct key *key = NULL;
	enum status status = read_key(wanted, &key, &stamp, err);

	wanted->loaded = true;
	if (status == ST_OK)
		cached = cached_key_new(key, &stamp, wanted->now_ms);
	else
		cached = old_key(wanted, entry_name);
	if (cached == NULL)
		return status == ST_ABSENT ? NOT_THERE : status;
	out->object = cached;
	out->bytes = cached_key_bytes(cached);
	out->not_after_ms = wanted->name->not_after_ms;
	return ST_OK;
}

/* A file may change again and again: then each round either finds it unchanged or loads it, and who
 * loads is done. */
static enum status
get_by_name(struct wanted *wanted, struct span entry_name, struct cached_key **out, struct err *err)
{
	struct cache *cache = wanted->keys->cache;

	for (;;) {
		void *object = NULL;
		enum status status =
		    cache_get(cache, entry_name, wanted->now_ms, load, wanted, &object, NULL, err);

		if (status != ST_OK)
			return status == NOT_THERE ? ST_ABSENT : status;
		if (wanted->path == NULL || wanted->loaded ||
		    cached_key_still_right(object, wanted->path, wanted->now_ms)) {
			*out = object;
			return ST_OK;
		}
		cache_expire_object(cache, entry_name, object);
		cached_key_release(object);
	}
}

static void
add_field(struct digest *digest, struct span field)
{
	uint64_t bytes = field.n;

	digest_add(digest, span_of(&bytes, sizeof(bytes)));
	digest_add(digest, field);
}

/* What a key that is not in a file is remembered by: its text, and whose it is. A text that opens
 * for one tenant is no key of another. */
static void
name_digest(const struct keycache_name *name, struct digest *digest, uint8_t out[SHA256_BYTES])
{
	const struct sealedkey_owner *owner = name->owner;

	digest_start(digest);
	if (owner != NULL) {
		add_field(digest, owner->tenant);
		add_field(digest, owner->domain);
		add_field(digest, owner->selector);
		add_field(digest, owner->id);
		digest_add(digest, span_of(&owner->revision, sizeof(owner->revision)));
	}
	digest_add(digest, name->text);
	digest_finish(digest, out);
}

enum status
keycache_get(struct keycache *cache, const struct keycache_name *name, struct digest *digest,
    int64_t now_ms, struct cached_key **out, struct err *err)
{
	struct wanted wanted = {.keys = cache, .name = name, .now_ms = now_ms};
	uint8_t of_digest[1 + SHA256_BYTES] = {NAME_DIGEST};
	struct span entry_name = span_of(of_digest, sizeof(of_digest));
	char *of_path = NULL;
	enum status status;

	if (name->owner == NULL && keytable_key_is_path(name->text)) {
		of_path = mem_alloc(1 + name->text.n + 1);
		of_path[0] = NAME_PATH;
		memcpy(of_path + 1, name->text.p, name->text.n);
		of_path[1 + name->text.n] = '\0';
		entry_name = span_of(of_path, 1 + name->text.n);
		wanted.path = of_path + 1;
	} else {
		name_digest(name, digest, of_digest + 1);
	}
	status = get_by_name(&wanted, entry_name, out, err);
	if (status == ST_OK)
		cached_key_note_use(*out, now_ms);
	mem_free(of_path);
	return status;
}

/* A cache_unwanted. */
static bool
is_idle(void *context, const void *object)
{
	const int64_t *now_ms = context;

	return cached_key_idle_ms(object, *now_ms) >= KEYCACHE_IDLE_MS;
}

void
keycache_sweep(struct keycache *cache, int64_t now_ms)
{
	cache_sweep(cache->cache, now_ms, is_idle, &now_ms);
}

void
keycache_stats(struct keycache *cache, struct cache_stats *out)
{
	cache_stats(cache->cache, out);
}
