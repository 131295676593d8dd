/*
 * memshared.c - a cache that gateways share, in the memory of a test.
 * Tests give a door of it to sharedcache_new(). It must never know anything about what it keeps.
 */
#include <pthread.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "tests/lib/memshared.h"

#define SAW_MAX (64U << 20)

struct item {
	struct span name, value, first; /* owned; no value: p NULL */
	uint32_t ttl_s;
	size_t next; /* of its bucket, from 1; 0: none */
};

#define BUCKETS 4096U

struct memshared {
	pthread_mutex_t lock;
	struct item *items;
	size_t count, last;
	size_t buckets[BUCKETS]; /* the newest in each, from 1 */
	struct memshared_counts counts;
	bool away, dropping, replaying;
	unsigned late;      /* questions */
	struct span answer; /* owned */
	struct buf saw;     /* all that was put, behind each other */
};

struct door {
	struct shared shared;
	struct memshared *server;
};

static struct span
copy(struct span s)
{
	char *p = mem_alloc(s.n + 1);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return span_of(p, s.n);
}

static void
drop(struct span *s)
{
	mem_free((void *)(uintptr_t)s->p);
	*s = SPAN_EMPTY;
}

static void
replace(struct span *s, struct span by)
{
	struct span fresh = copy(by);

	drop(s);
	*s = fresh;
}

static size_t *
bucket_of(const struct memshared *server, struct span name)
{
	static const uint8_t key[16];

	return (size_t *)&server->buckets[span_hash(name, key) % BUCKETS];
}

/* Locked. SIZE_MAX: it is not there. */
static size_t
find(const struct memshared *server, struct span name)
{
	for (size_t i = *bucket_of(server, name); i != 0; i = server->items[i - 1].next)
		if (span_eq(server->items[i - 1].name, name))
			return i - 1;
	return SIZE_MAX;
}

static size_t
find_or_add(struct memshared *server, struct span name)
{
	size_t i = find(server, name);

	if (i != SIZE_MAX)
		return i;
	server->items = mem_resize(server->items, server->count + 1, sizeof(server->items[0]));
	server->items[server->count] =
	    (struct item){.name = copy(name), .next = *bucket_of(server, name)};
	*bucket_of(server, name) = ++server->count;
	return server->count - 1;
}

/* ---- the door ---- */

static struct span
value_of(const struct memshared *server, struct span name)
{
	size_t i;

	if (server->answer.p != NULL)
		return server->answer;
	i = find(server, name);
	if (i == SIZE_MAX)
		return SPAN_EMPTY;
	return server->replaying ? server->items[i].first : server->items[i].value;
}

static void
door_get(struct shared *shared, const struct span *names, size_t count, struct shared_value *out)
{
	struct memshared *server = ((struct door *)shared)->server;
	bool silent;

	pthread_mutex_lock(&server->lock);
	silent = server->away || server->late > 0;
	server->late -= server->late > 0 ? 1 : 0;
	server->counts.gets++;
	server->counts.names += (unsigned)count;
	for (size_t i = 0; i < count; i++) {
		struct span value = silent ? SPAN_EMPTY : value_of(server, names[i]);

		out[i] = (struct shared_value){
		    .status = silent ? ST_UNAVAILABLE : ST_ABSENT, .late = silent && !server->away};
		if (value.p == NULL)
			continue;
		value = copy(value);
		out[i] = (struct shared_value){
		    .status = ST_OK, .octets = (char *)(uintptr_t)value.p, .n = value.n};
	}
	pthread_mutex_unlock(&server->lock);
}

static void
door_put(struct shared *shared, struct span name, struct span value, uint32_t ttl_s)
{
	struct memshared *server = ((struct door *)shared)->server;
	struct item *item;

	pthread_mutex_lock(&server->lock);
	server->counts.puts++;
	buf_add(&server->saw, name);
	buf_add(&server->saw, value);
	if (!server->away && !server->dropping) {
		server->last = find_or_add(server, name);
		item = &server->items[server->last];
		replace(&item->value, value);
		if (item->first.p == NULL)
			replace(&item->first, value);
		item->ttl_s = ttl_s;
	}
	pthread_mutex_unlock(&server->lock);
}

static void
door_close(struct shared *shared)
{
	mem_free(shared);
}

static const struct shared_ops door_ops = {.get = door_get, .put = door_put, .close = door_close};

struct memshared *
memshared_new(void)
{
	struct memshared *server = mem_zalloc(1, sizeof(*server));

	pthread_mutex_init(&server->lock, NULL);
	server->last = SIZE_MAX;
	buf_init(&server->saw, SAW_MAX);
	return server;
}

struct shared *
memshared_door(struct memshared *server)
{
	struct door *door = mem_zalloc(1, sizeof(*door));

	door->shared.ops = &door_ops;
	door->server = server;
	return &door->shared;
}

/* ---- faults ---- */

static void
set(struct memshared *server, bool *what, bool to)
{
	pthread_mutex_lock(&server->lock);
	*what = to;
	pthread_mutex_unlock(&server->lock);
}

void
memshared_set_late(struct memshared *server, unsigned questions)
{
	pthread_mutex_lock(&server->lock);
	server->late = questions;
	pthread_mutex_unlock(&server->lock);
}

void
memshared_set_away(struct memshared *server, bool away)
{
	set(server, &server->away, away);
}

void
memshared_set_dropping(struct memshared *server, bool dropping)
{
	set(server, &server->dropping, dropping);
}

void
memshared_set_replaying(struct memshared *server, bool replaying)
{
	set(server, &server->replaying, replaying);
}

void
memshared_set_answer(struct memshared *server, struct span value)
{
	pthread_mutex_lock(&server->lock);
	if (value.p == NULL)
		drop(&server->answer);
	else
		replace(&server->answer, value);
	pthread_mutex_unlock(&server->lock);
}

struct memshared_counts
memshared_counts(struct memshared *server)
{
	struct memshared_counts counts;

	pthread_mutex_lock(&server->lock);
	counts = server->counts;
	pthread_mutex_unlock(&server->lock);
	return counts;
}

void
memshared_forget_counts(struct memshared *server)
{
	pthread_mutex_lock(&server->lock);
	server->counts = (struct memshared_counts){.gets = 0};
	pthread_mutex_unlock(&server->lock);
}

/* ---- what is inside ---- */

/* With the lock until leave(); NULL: there is no such one. */
static struct item *
enter(struct memshared *server, size_t i)
{
	pthread_mutex_lock(&server->lock);
	return i < server->count ? &server->items[i] : NULL;
}

static void
leave(struct memshared *server)
{
	pthread_mutex_unlock(&server->lock);
}

static char *
copy_out(struct span s, size_t *n_out)
{
	if (n_out != NULL)
		*n_out = s.n;
	return s.p == NULL ? NULL : (char *)(uintptr_t)copy(s).p;
}

size_t
memshared_count(struct memshared *server)
{
	size_t count;

	(void)enter(server, 0);
	count = server->count;
	leave(server);
	return count;
}

size_t
memshared_last(struct memshared *server)
{
	size_t last;

	(void)enter(server, 0);
	last = server->last;
	leave(server);
	return last;
}

char *
memshared_name(struct memshared *server, size_t i, size_t *n_out)
{
	const struct item *item = enter(server, i);
	char *name = copy_out(item == NULL ? SPAN_EMPTY : item->name, n_out);

	leave(server);
	return name;
}

char *
memshared_value(struct memshared *server, size_t i, size_t *n_out)
{
	const struct item *item = enter(server, i);
	char *value = copy_out(item == NULL ? SPAN_EMPTY : item->value, n_out);

	leave(server);
	return value;
}

uint32_t
memshared_ttl_s(struct memshared *server, size_t i)
{
	const struct item *item = enter(server, i);
	uint32_t ttl_s = item == NULL ? 0 : item->ttl_s;

	leave(server);
	return ttl_s;
}

void
memshared_set(struct memshared *server, size_t i, struct span value)
{
	struct item *item = enter(server, i);

	if (item != NULL)
		replace(&item->value, value);
	leave(server);
}

void
memshared_swap(struct memshared *server, size_t i, size_t j)
{
	struct item *item = enter(server, i);

	if (item != NULL && j < server->count) {
		struct span value = item->value;

		item->value = server->items[j].value;
		server->items[j].value = value;
	}
	leave(server);
}

void
memshared_flip(struct memshared *server, size_t i, size_t at, uint8_t mask)
{
	struct item *item = enter(server, i);

	if (item != NULL && at < item->value.n) {
		char *octet = (char *)(uintptr_t)item->value.p + at;

		*octet = (char)((uint8_t)*octet ^ mask);
	}
	leave(server);
}

void
memshared_truncate(struct memshared *server, size_t i, size_t n)
{
	struct item *item = enter(server, i);

	if (item != NULL)
		replace(&item->value, span_sub(item->value, 0, n));
	leave(server);
}

void
memshared_remove(struct memshared *server, size_t i)
{
	struct item *item = enter(server, i);

	if (item != NULL)
		drop(&item->value);
	leave(server);
}

void
memshared_clear(struct memshared *server)
{
	pthread_mutex_lock(&server->lock);
	for (size_t i = 0; i < server->count; i++) {
		drop(&server->items[i].name);
		drop(&server->items[i].value);
		drop(&server->items[i].first);
	}
	mem_free(server->items);
	server->items = NULL;
	memset(server->buckets, 0, sizeof(server->buckets));
	server->count = 0;
	server->last = SIZE_MAX;
	leave(server);
}

bool
memshared_saw(struct memshared *server, struct span text)
{
	bool saw;

	(void)enter(server, 0);
	saw = server->saw.n > 0 && memmem(server->saw.p, server->saw.n, text.p, text.n) != NULL;
	leave(server);
	return saw;
}

void
memshared_free(struct memshared *server)
{
	memshared_clear(server);
	drop(&server->answer);
	buf_free(&server->saw);
	pthread_mutex_destroy(&server->lock);
	mem_free(server);
}
