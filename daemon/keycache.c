/*
 * keycache.c - parsed keys, kept warm.
 * Stands between the decision which key signs and the signature; called by the keeper's worker
 * threads. It must never hold its lock over a read, a parse or a signature, and never give out a
 * key that is not the one its name says now.
 */
#include <pthread.h>
#include <string.h>

#include "daemon/keycache.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/store/keyfile.h"
#include "lib/store/keytable.h"

#define BUCKETS 4096U

struct cached_key {
	unsigned int references; /* atomic */
	struct key *key;
	struct keyfile_stamp stamp;
};

struct entry {
	struct entry *next;          /* in its bucket */
	struct entry *older, *newer; /* by last use */
	char *name;
	size_t name_bytes;
	bool is_path;
	bool loading;
	unsigned int waiters;
	int64_t looked_ms;        /* the file was last found unchanged then; 0: not yet */
	int64_t failing_since_ms; /* 0: the last load went well */
	struct cached_key *current;
};

struct keycache {
	pthread_mutex_t lock;
	pthread_cond_t loaded;
	uint8_t hash_key[16];
	bool require_safe;
	struct unsealer *unsealer;
	size_t count, max;
	struct entry *oldest, *newest;
	struct entry *buckets[BUCKETS];
};

struct keycache *
keycache_new(size_t keys_max, bool require_safe, struct unsealer *unsealer)
{
	struct keycache *cache = mem_zalloc(1, sizeof(*cache));

	pthread_mutex_init(&cache->lock, NULL);
	pthread_cond_init(&cache->loaded, NULL);
	random_bytes(cache->hash_key, sizeof(cache->hash_key));
	cache->max = keys_max;
	cache->require_safe = require_safe;
	cache->unsealer = unsealer;
	return cache;
}

static void
unlink_by_use(struct keycache *cache, struct entry *entry)
{
	*(entry->older != NULL ? &entry->older->newer : &cache->oldest) = entry->newer;
	*(entry->newer != NULL ? &entry->newer->older : &cache->newest) = entry->older;
}

static void
link_newest(struct keycache *cache, struct entry *entry)
{
	entry->newer = NULL;
	entry->older = cache->newest;
	*(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = entry;
	cache->newest = entry;
}

static void
link_oldest(struct keycache *cache, struct entry *entry)
{
	entry->older = NULL;
	entry->newer = cache->oldest;
	*(cache->oldest != NULL ? &cache->oldest->older : &cache->newest) = entry;
	cache->oldest = entry;
}

static struct entry **
bucket_of(struct keycache *cache, struct span name)
{
	return &cache->buckets[span_hash(name, cache->hash_key) % BUCKETS];
}

static void
entry_free(struct entry *entry)
{
	cached_key_release(entry->current);
	mem_free(entry->name);
	mem_free(entry);
}

static void
entry_remove(struct keycache *cache, struct entry *entry)
{
	struct entry **at = bucket_of(cache, span_of(entry->name, entry->name_bytes));

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	unlink_by_use(cache, entry);
	cache->count--;
	entry_free(entry);
}

void
keycache_free(struct keycache *cache)
{
	if (cache == NULL)
		return;
	while (cache->oldest != NULL)
		entry_remove(cache, cache->oldest);
	pthread_cond_destroy(&cache->loaded);
	pthread_mutex_destroy(&cache->lock);
	mem_free(cache);
}

/* Drops the least recently used keys that nobody is loading until there is room. */
static void
make_room(struct keycache *cache)
{
	struct entry *entry = cache->oldest;

	while (cache->count > cache->max && entry != NULL) {
		struct entry *newer = entry->newer;

		if (!entry->loading && entry->waiters == 0)
			entry_remove(cache, entry);
		entry = newer;
	}
}

static struct entry *
entry_find_or_add(struct keycache *cache, struct span name, bool is_path)
{
	struct entry **bucket = bucket_of(cache, name), *entry;

	for (entry = *bucket; entry != NULL; entry = entry->next)
		if (entry->is_path == is_path &&
		    span_eq(span_of(entry->name, entry->name_bytes), name))
			break;
	if (entry != NULL) {
		unlink_by_use(cache, entry);
		link_newest(cache, entry);
		return entry;
	}
	entry = mem_zalloc(1, sizeof(*entry));
	entry->name = span_dup(name);
	entry->name_bytes = name.n;
	entry->is_path = is_path;
	entry->next = *bucket;
	*bucket = entry;
	link_newest(cache, entry);
	cache->count++;
	return entry;
}

static struct cached_key *
hold(struct cached_key *cached)
{
	__atomic_add_fetch(&cached->references, 1, __ATOMIC_RELAXED);
	return cached;
}

void
cached_key_release(struct cached_key *cached)
{
	if (cached == NULL || __atomic_sub_fetch(&cached->references, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	key_free(cached->key);
	mem_free(cached);
}

struct key *
cached_key_key(const struct cached_key *cached)
{
	return cached->key;
}

static const char *
what_helps(enum status status)
{
	switch (status) {
	case ST_ABSENT:
		return "; make the key with signpost-genkey or correct the path";
	case ST_INVALID:
		return "; put a private key there, as signpost-genkey makes it";
	default:
		return ""; /* the sentence says what to do, or there is nothing to do here */
	}
}

/* The file of a KeyTable's path. */
static enum status
load_file(struct keycache *cache, struct span text, struct cached_key *cached, struct err *err)
{
	char *path = span_dup(text), *pem = NULL;
	size_t n = 0;
	enum status status = keyfile_read(path, cache->require_safe, &pem, &n, &cached->stamp, err);

	/* RequireSafeKeys no: once for each edition of the file. */
	if (status == ST_OK && err != NULL && err->text[0] != '\0')
		log_line(LOG_LEVEL_WARNING, "%s", err->text);
	if (status == ST_OK) {
		status = key_parse(span_of(pem, n), &cached->key, err);
		if (status != ST_OK)
			err_prefix(err, "%s", path);
	}
	if (status != ST_OK && err != NULL) {
		struct err why = *err;

		err_set(err, "%s%s", why.text, what_helps(status));
	}
	secret_free(pem);
	mem_free(path);
	return status;
}

/* The private key of a row of the KeyStore. */
static enum status
load_row(struct keycache *cache, const struct keycache_name *name, int64_t now_ms,
    struct cached_key *cached, struct err *err)
{
	const struct sealedkey_owner *owner = name->owner;
	char *text = NULL;
	size_t n = 0;
	enum status status = cache->unsealer == NULL ? ST_ABSENT
						     : unsealer_open(cache->unsealer, owner,
							   name->text, now_ms, &text, &n, err);

	if (status == ST_OK)
		status = key_parse(span_of(text, n), &cached->key, err);
	if (status != ST_OK)
		err_prefix(err, "key '%.*s' of %.*s in the KeyStore", SPAN_ARG(owner->selector),
		    SPAN_ARG(owner->domain));
	secret_free(text);
	return status;
}

static enum status
load_text(struct span text, struct cached_key *cached, struct err *err)
{
	enum status status = key_parse(text, &cached->key, err);
	struct err why;

	if (status == ST_OK || err == NULL)
		return status;
	why = *err;
	err_set(err, "key in the KeyTable: %s%s", why.text, what_helps(status));
	return status;
}

/* Without the lock. */
static enum status
load(struct keycache *cache, const struct keycache_name *name, bool is_path, int64_t now_ms,
    struct cached_key **out, struct err *err)
{
	struct cached_key *cached = mem_zalloc(1, sizeof(*cached));
	enum status status;

	cached->references = 1;
	if (name->owner != NULL)
		status = load_row(cache, name, now_ms, cached, err);
	else if (is_path)
		status = load_file(cache, name->text, cached, err);
	else
		status = load_text(name->text, cached, err);
	if (status == ST_OK)
		*out = cached;
	else
		mem_free(cached);
	return status;
}

/* Called with the lock, by the thread that set entry->loading. Takes fresh over. */
static enum status
loaded(struct keycache *cache, struct entry *entry, enum status status, struct cached_key *fresh,
    int64_t now_ms, struct cached_key **out)
{
	entry->loading = false;
	pthread_cond_broadcast(&cache->loaded);
	if (status == ST_OK) {
		cached_key_release(entry->current);
		entry->current = fresh;
		entry->failing_since_ms = 0;
		*out = hold(fresh);
		return ST_OK;
	}
	if (entry->failing_since_ms == 0)
		entry->failing_since_ms = now_ms;
	if (entry->current != NULL && now_ms - entry->failing_since_ms < KEYCACHE_SETTLE_MS) {
		*out = hold(entry->current);
		return ST_OK;
	}
	cached_key_release(entry->current);
	entry->current = NULL;
	/* First to go: names without a key (a '%' in the path makes one of any From domain) must
	 * not drive out keys. */
	unlink_by_use(cache, entry);
	link_oldest(cache, entry);
	return status;
}

/* The entry's key if it is still what the file holds; *out is held. Under load several messages
 * come in a millisecond, and one look does for them. */
static bool
still_right(struct keycache *cache, struct entry *entry, const char *path, int64_t now_ms,
    struct cached_key **out)
{
	struct cached_key *cached = entry->current;
	bool right;

	if (cached == NULL)
		return false;
	hold(cached);
	if (path == NULL || entry->looked_ms == now_ms) {
		*out = cached;
		return true;
	}
	/* The caller's reference on the entry keeps it while the lock is away. */
	entry->waiters++;
	pthread_mutex_unlock(&cache->lock);
	right = !keyfile_changed(path, &cached->stamp);
	pthread_mutex_lock(&cache->lock);
	entry->waiters--;
	if (!right) {
		cached_key_release(cached);
		return false;
	}
	entry->looked_ms = now_ms;
	*out = cached;
	return true;
}

static enum status
get_locked(struct keycache *cache, struct entry *entry, const struct keycache_name *name,
    const char *path, int64_t now_ms, struct cached_key **out, struct err *err)
{
	struct cached_key *fresh = NULL;
	enum status status;

	for (;;) {
		if (!entry->loading && still_right(cache, entry, path, now_ms, out))
			return ST_OK;
		if (!entry->loading)
			break;
		entry->waiters++;
		while (entry->loading)
			pthread_cond_wait(&cache->loaded, &cache->lock);
		entry->waiters--;
	}
	entry->loading = true;
	pthread_mutex_unlock(&cache->lock);
	status = load(cache, name, path != NULL, now_ms, &fresh, err);
	pthread_mutex_lock(&cache->lock);
	return loaded(cache, entry, status, fresh, now_ms, out);
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
	bool is_path = name->owner == NULL && keytable_key_is_path(name->text);
	uint8_t inline_name[SHA256_BYTES];
	struct span entry_name = name->text;
	struct entry *entry;
	char *path = NULL;
	enum status status;

	if (is_path) {
		path = span_dup(name->text);
	} else {
		name_digest(name, digest, inline_name);
		entry_name = span_of(inline_name, sizeof(inline_name));
	}
	pthread_mutex_lock(&cache->lock);
	entry = entry_find_or_add(cache, entry_name, is_path);
	status = get_locked(cache, entry, name, path, now_ms, out, err);
	make_room(cache);
	pthread_mutex_unlock(&cache->lock);
	mem_free(path);
	return status;
}

size_t
keycache_count(struct keycache *cache)
{
	size_t count;

	pthread_mutex_lock(&cache->lock);
	count = cache->count;
	pthread_mutex_unlock(&cache->lock);
	return count;
}
