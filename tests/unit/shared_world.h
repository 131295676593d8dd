/*
 * shared_world.h - a key store with a history of changes, gateways in front of it, and the cache
 * that they share: what the tests of cached key stores over a shared cache have in common. A name
 * is a number, and its key has a version, which is its revision; version 0 is no row at all. Every
 * other version is another key in the same slot.
 */
#ifndef SIGNPOST_TESTS_SHARED_WORLD_H
#define SIGNPOST_TESTS_SHARED_WORLD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/store/cached_keystore.h"
#include "tests/lib/memshared.h"
#include "tests/unit/store_help.h"

#define POLL_MS 2000
#define STALE_MS 600000

/* ---- time ---- */

static atomic_llong clock_ms, started_utc_ms;

static inline int64_t
world_clock(void)
{
	return atomic_load(&clock_ms);
}

/* Time only passes when a test says so: nobody has to wait for it. */
static inline void
world_pause(int64_t ms)
{
	(void)ms;
}

static inline int64_t
world_utc_ms(void)
{
	return atomic_load(&started_utc_ms) + atomic_load(&clock_ms);
}

static inline void
later(int64_t ms)
{
	atomic_fetch_add(&clock_ms, ms);
}

/* The monotonic clock begins anew. */
static inline void
start_machine(void)
{
	int64_t utc_ms = world_utc_ms();

	atomic_store(&clock_ms, 1000);
	atomic_store(&started_utc_ms, utc_ms - 1000);
}

/* ---- the store ---- */

struct history_change {
	uint64_t epoch;
	unsigned number;
};

struct history {
	pthread_mutex_t lock;
	char identity[KEYSTORE_IDENTITY_BYTES];
	unsigned renewed; /* in each key, as when it was created */
	uint64_t epoch, trimmed;
	unsigned names;
	unsigned *version;
	struct history_change *log;
	size_t log_count, log_room;
	bool again;      /* the last change is told at each question */
	int64_t lease_s; /* of each key */
	atomic_bool away, polls_fail;
	atomic_uint asked, polled;
	void (*hold)(void *context); /* called in each question, if it is set */
	void *hold_context;
};

static inline unsigned
history_number(struct span name)
{
	unsigned number = 0;

	for (size_t i = 1; i < name.n && name.p[i] >= '0' && name.p[i] <= '9'; i++)
		number = number * 10 + (unsigned)(name.p[i] - '0');
	return number;
}

static inline enum status
history_begin(struct history *h, struct err *err)
{
	atomic_fetch_add(&h->asked, 1);
	if (h->hold != NULL)
		h->hold(h->hold_context);
	if (!atomic_load(&h->away))
		return ST_OK;
	err_set(err, "history: it is away");
	return ST_UNAVAILABLE;
}

#define HISTORY_ID_BYTES 16U

static inline void
history_id(unsigned version, char id[HISTORY_ID_BYTES])
{
	snprintf(id, HISTORY_ID_BYTES, "k%u", version / 2);
}

static inline enum status
history_answer(struct history *h, struct span name, bool key, struct keystore_rows **out)
{
	unsigned number = history_number(name);
	char tenant[16], id[HISTORY_ID_BYTES];
	struct store_domain domain = {
	    .name = name, .signature_ttl_s = -1, .enabled = true, .tenant = SPAN_EMPTY};
	struct store_key row = {.domain = name,
	    .selector = SPAN_LIT("s"),
	    .algorithm = SPAN_LIT("rsa-sha256"),
	    .private_key = SPAN_LIT("spk1:1:AAAA"),
	    .bits = 2048,
	    .lease_s = h->lease_s};
	enum status status = ST_OK;

	snprintf(tenant, sizeof(tenant), "t%u", number % 7);
	domain.tenant = row.tenant = span_str(tenant);
	*out = keystore_rows_new();
	pthread_mutex_lock(&h->lock);
	(*out)->epoch = h->epoch;
	domain.revision = row.revision = row.row_revision = h->version[number % h->names];
	history_id((unsigned)row.revision, id);
	row.id = span_str(id);
	row.times.created = 1 + h->renewed;
	row.times.active = 10 + h->renewed;
	pthread_mutex_unlock(&h->lock);
	if (row.revision == 0)
		return ST_OK;
	keystore_rows_add_tenant(
	    *out, &(struct store_tenant){.name = row.tenant, .enabled = true, .revision = 1});
	keystore_rows_add_domain(*out, &domain);
	if (key)
		status = keystore_rows_add_key(*out, &row, NULL);
	return status;
}

static inline enum status
history_senders(struct keystore *store, const struct span *names, size_t count,
    struct keystore_rows **out, struct err *err)
{
	enum status status = history_begin(store->state, err);

	(void)count;
	return status == ST_OK ? history_answer(store->state, names[0], false, out) : status;
}

static inline enum status
history_keys(
    struct keystore *store, struct span domain, struct keystore_rows **out, struct err *err)
{
	enum status status = history_begin(store->state, err);

	return status == ST_OK ? history_answer(store->state, domain, true, out) : status;
}

static inline void
history_tell(const struct history_change *from, size_t *count, struct store_change *out)
{
	out[*count].epoch = from->epoch;
	snprintf(out[*count].subject, sizeof(out->subject), "d:n%05u.example", from->number);
	++*count;
}

static inline enum status
history_changes(struct keystore *store, uint64_t since, size_t max, struct store_change *out,
    size_t *count_out, struct store_state *state_out, struct err *err)
{
	struct history *h = store->state;
	enum status status = ST_OK;
	size_t count = 0;

	atomic_fetch_add(&h->polled, 1);
	if (atomic_load(&h->away) || atomic_load(&h->polls_fail)) {
		err_set(err, "history: it is away");
		return ST_UNAVAILABLE;
	}
	pthread_mutex_lock(&h->lock);
	state_out->epoch = h->epoch;
	memcpy(state_out->identity, h->identity, sizeof(state_out->identity));
	if (since < h->trimmed || since > h->epoch)
		status = ST_TOO_BIG;
	for (size_t i = h->log_count; i > 0 && h->log[i - 1].epoch > since; i--)
		count++;
	for (size_t i = h->log_count - count; i < h->log_count && status == ST_OK; i++) {
		if (*count_out == max)
			status = ST_TOO_BIG;
		else
			history_tell(&h->log[i], count_out, out);
	}
	if (h->again && count == 0 && h->log_count > 0 && status == ST_OK)
		history_tell(&h->log[h->log_count - 1], count_out, out);
	pthread_mutex_unlock(&h->lock);
	return status;
}

static inline void
history_close(struct keystore *store)
{
	(void)store;
}

static const struct keystore_ops history_ops = {.scheme = "history",
    .senders = history_senders,
    .keys = history_keys,
    .changes = history_changes,
    .close = history_close};

/* end: two digits, or none. */
static inline void
history_identify(struct history *h, const char *end)
{
	memset(h->identity, 0, sizeof(h->identity));
	if (end[0] != '\0')
		snprintf(
		    h->identity, sizeof(h->identity), "000000000000000000000000000000%.2s", end);
}

static inline void
history_init(struct history *h, unsigned names)
{
	memset(h, 0, sizeof(*h));
	pthread_mutex_init(&h->lock, NULL);
	h->names = names;
	h->epoch = 100;
	h->version = mem_zalloc(names, sizeof(*h->version));
	for (unsigned i = 0; i < names; i++)
		h->version[i] = i % 10 == 9 ? 0 : 1; /* some are not there */
	history_identify(h, "0a");
}

static inline void
history_free(struct history *h)
{
	pthread_mutex_destroy(&h->lock);
	mem_free(h->version);
	mem_free(h->log);
}

/* One transaction that changes count names from this one on. */
static inline void
history_change_many(struct history *h, unsigned number, unsigned count)
{
	pthread_mutex_lock(&h->lock);
	h->epoch++;
	for (unsigned i = number; i < number + count; i++) {
		if (h->log_count == h->log_room) {
			h->log_room = h->log_room == 0 ? 256 : h->log_room * 2;
			h->log = mem_resize(h->log, h->log_room, sizeof(*h->log));
		}
		h->version[i % h->names]++;
		h->log[h->log_count++] =
		    (struct history_change){.epoch = h->epoch, .number = i % h->names};
	}
	pthread_mutex_unlock(&h->lock);
}

static inline void
history_change(struct history *h, unsigned number)
{
	history_change_many(h, number, 1);
}

/* What is before now is not told any more. */
static inline void
history_trim(struct history *h)
{
	pthread_mutex_lock(&h->lock);
	h->log_count = 0;
	h->trimmed = h->epoch;
	pthread_mutex_unlock(&h->lock);
}

static inline void
history_rename(struct history *h, const char *end)
{
	pthread_mutex_lock(&h->lock);
	history_identify(h, end);
	h->renewed++;
	pthread_mutex_unlock(&h->lock);
}

/* "signpost store renew" */
static inline void
history_renew(struct history *h, const char *end)
{
	h->epoch += KEYSTORE_RENEW_STEP;
	history_rename(h, end);
}

/* ---- gateways ---- */

struct world {
	struct history history;
	struct memshared *server;
	struct sitekey *sitekey;
	const char *where, *file; /* of the store; file may be NULL */
};

struct gateway {
	struct world *world;
	struct sharedcache *shared;
	struct keystore *store;
};

static inline struct sitekey *
world_sitekey(void *context)
{
	return ((struct world *)context)->sitekey;
}

static inline void
world_begin(struct world *world, unsigned names)
{
	static const char text[] = "1 MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";
	struct err err = ERR_NONE;

	atomic_store(&clock_ms, 5000000);
	atomic_store(&started_utc_ms, INT64_C(1700000000000));
	memset(world, 0, sizeof(*world));
	history_init(&world->history, names);
	world->server = memshared_new();
	world->where = "history";
	if (sitekey_parse(span_str(text), "test", &world->sitekey, &err) != ST_OK)
		fail_msg("%s", err.text);
}

static inline void
world_end(struct world *world)
{
	history_free(&world->history);
	memshared_free(world->server);
	sitekey_close(world->sitekey);
}

static inline void
gateway_open_as(struct gateway *g, struct world *world, const struct cached_keystore_config *how)
{
	const struct sharedcache_config shared = {.shared = memshared_door(world->server),
	    .sitekey = world_sitekey,
	    .context = world,
	    .utc_ms = world_utc_ms};
	struct cached_keystore_config config = *how;
	struct keystore *inner = mem_zalloc(1, sizeof(*inner));
	struct err err = ERR_NONE;

	g->world = world;
	g->shared = sharedcache_new(&shared);
	inner->ops = &history_ops;
	inner->where = mem_strdup(world->where);
	inner->file = world->file == NULL ? NULL : mem_strdup(world->file);
	inner->state = &world->history;
	config.shared = g->shared;
	if (cached_keystore_new(inner, &config, &g->store, &err) != ST_OK)
		fail_msg("%s", err.text);
}

/* Without what it has seen: as after a restart. No poll yet. */
static inline void
gateway_open(struct gateway *g, struct world *world)
{
	static const struct cached_keystore_config config = {.bytes_max = 64 << 20,
	    .poll_ms = POLL_MS,
	    .absent_ms = 2000,
	    .stale_ms = STALE_MS,
	    .shared_prefix = SPAN_LIT("site"),
	    .now_ms = world_clock,
	    .pause = world_pause,
	    .no_thread = true};

	gateway_open_as(g, world, &config);
}

static inline void
gateway_close(struct gateway *g)
{
	keystore_close(g->store);
	sharedcache_close(g->shared);
}

static inline void
gateway_poll(struct gateway *g)
{
	cached_keystore_poll(g->store);
}

/* The version of a name, 0 for no row; -1: the store cannot be asked, -2: its row is refused. */
static inline int
gateway_ask(struct gateway *g, char question, unsigned number, unsigned *renewed_out)
{
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	char name[32], id[HISTORY_ID_BYTES];
	struct span span;
	enum status status;
	int version;

	snprintf(name, sizeof(name), "n%05u.example", number);
	span = span_str(name);
	status = question == 'k' ? keystore_keys(g->store, span, &rows, &err)
				 : keystore_senders(g->store, &span, 1, &rows, &err);
	if (status != ST_OK)
		return status == ST_UNAVAILABLE ? -1 : -2;
	version = rows->domain_count > 0 ? (int)rows->domains[0].revision : 0;
	if (rows->domain_count > 0 && !span_eq(rows->domains[0].name, span))
		fail_msg("%s: another name's", name);
	if (question == 'k' && rows->key_count != rows->domain_count)
		fail_msg("%s: no key", name);
	if (question == 'k' && version > 0 && (int)rows->keys[0].revision != version)
		fail_msg("%s: of two versions", name);
	history_id((unsigned)version, id);
	if (question == 'k' && version > 0 && !span_eq_str(rows->keys[0].id, id))
		fail_msg("%s: the slot's other key", name);
	if (renewed_out != NULL)
		*renewed_out = rows->key_count > 0 ? (unsigned)rows->keys[0].times.created - 1 : 0;
	keystore_rows_release(rows);
	return version;
}

static inline int
key_of(struct gateway *g, unsigned number)
{
	return gateway_ask(g, 'k', number, NULL);
}

/* How many questions reach the store when this gateway is asked for all keys; each answer must be
 * the store's. */
static inline unsigned
ask_all(struct gateway *g)
{
	struct history *h = &g->world->history;
	unsigned before = atomic_load(&h->asked);

	for (unsigned i = 0; i < h->names; i++)
		if (key_of(g, i) != (int)h->version[i])
			fail_msg("n%05u is at version %d of %u", i, key_of(g, i), h->version[i]);
	return atomic_load(&h->asked) - before;
}

#endif
