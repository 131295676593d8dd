/*
 * memcache_table.c - tables in memcached (memcache:), as OpenDKIM has them: the value of the name
 * "PREFIX:QUERY", its fields separated by ':'. Looked up by the keeper's workers;
 * memcached_pool.h has the servers. It must never tell "could not ask" as "there is none", nor let
 * a query become anything but a part of one name.
 */
#include <string.h>

#include "backends/memcached_pool.h"
#include "backends/registry.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

#define ANSWER_MS 3000 /* as a database has */

struct memcache {
	struct mcpool *pool;
	struct span prefix; /* into the text of the specification */
	char *text;
	bool secret;
};

/* ---- questions ---- */

struct question {
	const struct table *table;
	struct memcache *memcache;
	const struct span *keys;
	size_t count;
	struct shared_value values[TABLE_KEYS_MAX]; /* of keys[i] */
};

_Static_assert(TABLE_KEYS_MAX <= MCPOOL_NAMES_MAX, "all keys of a lookup are one question");

/* The name of a key; empty when memcached can have no such name, so that it is absent. */
static struct span
name_of(const struct question *q, struct span key, bool folded, char room[MCNAME_MAX])
{
	struct span prefix = q->memcache->prefix;
	size_t n = prefix.n + 1 + key.n;

	if (n > MCNAME_MAX)
		return SPAN_EMPTY;
	memcpy(room, prefix.p, prefix.n);
	room[prefix.n] = ':';
	for (size_t i = 0; i < key.n; i++)
		room[prefix.n + 1 + i] = folded ? ascii_lower(key.p[i]) : key.p[i];
	return span_of(room, n);
}

static bool
has_upper(struct span key)
{
	for (size_t i = 0; i < key.n; i++)
		if (ascii_lower(key.p[i]) != key.p[i])
			return true;
	return false;
}

/* All keys as they are written, or those in lower case that were not found as they are written. */
static void
ask(struct question *q, bool folded)
{
	struct shared_value values[TABLE_KEYS_MAX];
	char room[TABLE_KEYS_MAX][MCNAME_MAX];
	struct span names[TABLE_KEYS_MAX];
	size_t at[TABLE_KEYS_MAX], n = 0;

	for (size_t i = 0; i < q->count; i++) {
		if (folded && (q->values[i].status != ST_ABSENT || !has_upper(q->keys[i])))
			continue;
		names[n] = name_of(q, q->keys[i], folded, room[n]);
		at[n++] = i;
	}
	if (n == 0)
		return;
	mcpool_get(q->memcache->pool, names, n, values);
	for (size_t i = 0; i < n; i++)
		q->values[at[i]] = values[i];
}

static void
unavailable(const struct question *q, size_t at, struct err *err)
{
	char room[MCNAME_MAX];
	struct span name = name_of(q, q->keys[at], false, room);

	err_set(err, "%s: memcached %s does not answer; check that it runs and can be reached",
	    q->table->parameter,
	    mcpool_server(q->memcache->pool, mcpool_place(q->memcache->pool, name)));
}

/* Takes the octets over. */
static struct table_value
value_of(const struct memcache *memcache, struct shared_value *from)
{
	char *octets = from->octets;

	from->octets = NULL;
	if (octets == NULL)
		return (struct table_value){.text = span_of("", 0)};
	return (struct table_value){.text = span_of(octets, from->n),
	    .release = memcache->secret ? secret_free : mem_free,
	    .owner = octets};
}

/* As if one had been asked for after the other, until there are max. */
static enum status
hand_out(struct question *q, size_t max, struct table_value *out, size_t *at_out, size_t *count_out,
    struct err *err)
{
	for (size_t i = 0; i < q->count && *count_out < max; i++) {
		if (q->values[i].status == ST_ABSENT)
			continue;
		if (q->values[i].status != ST_OK) {
			unavailable(q, i, err);
			while (*count_out > 0)
				table_value_release(&out[--*count_out]);
			return ST_UNAVAILABLE;
		}
		at_out[*count_out] = i;
		out[(*count_out)++] = value_of(q->memcache, &q->values[i]);
	}
	return *count_out > 0 ? ST_OK : ST_ABSENT;
}

static enum status
memcache_lookup_many(struct table *table, const struct span *keys, size_t count, size_t max,
    struct table_value *out, size_t *at_out, size_t *count_out, struct err *err)
{
	struct question q = {
	    .table = table, .memcache = table->state, .keys = keys, .count = count};
	struct mclink_limits limits = {.secret = q.memcache->secret};
	enum status status;

	*count_out = 0;
	ask(&q, false);
	if ((table->flags & TABLE_ICASE) != 0)
		ask(&q, true);
	status = hand_out(&q, max, out, at_out, count_out, err);
	for (size_t i = 0; i < count; i++)
		mclink_octets_free(&limits, q.values[i].octets);
	return status;
}

static enum status
memcache_lookup(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	size_t at, count;

	*out = TABLE_VALUE_NONE;
	return memcache_lookup_many(table, &key, 1, 1, out, &at, &count, err);
}

/* ---- opening ---- */

/* The first '/' ends the servers, as OpenDKIM has it; the last one if a server is the path of a
 * socket, which OpenDKIM does not know. */
static bool
split(struct span text, struct span *servers_out, struct span *prefix_out)
{
	size_t slash = span_find(text, '/');

	if (slash != SIZE_MAX && (slash == 0 || text.p[slash - 1] == ':' ||
				     text.p[slash - 1] == ',' || ascii_blank(text.p[slash - 1])))
		slash = span_rfind(text, '/');
	if (slash == SIZE_MAX)
		return false;
	*servers_out = span_sub(text, 0, slash);
	*prefix_out = span_from(text, slash + 1);
	return true;
}

static enum status
open_pool(struct table *table, struct memcache *memcache, struct span servers, struct err *err)
{
	const struct mcpool_config config = {.parameter = table->parameter,
	    .cost = "mail that needs it is tempfailed",
	    .patience_ms = ANSWER_MS,
	    .answer_ms = ANSWER_MS,
	    .limits = {.value_max = TABLE_LINE_MAX, .secret = memcache->secret}};
	struct mcspec spec;
	enum status status = mcspec_read(servers, &spec, err);

	return status == ST_OK ? mcpool_open(&spec, &config, &memcache->pool, err) : status;
}

static void
memcache_close(struct table *table)
{
	struct memcache *memcache = table->state;

	mcpool_close(memcache->pool);
	mem_free(memcache->text);
	mem_free(memcache);
	table->state = NULL;
}

static enum status
memcache_open(struct table *table, struct span value, struct err *err)
{
	struct memcache *memcache = mem_zalloc(1, sizeof(*memcache));
	struct span servers;
	enum status status = ST_INVALID;

	table->state = memcache;
	memcache->text = span_dup(span_trim(value));
	memcache->secret = (table->flags & TABLE_SECRET) != 0;
	if (!split(span_str(memcache->text), &servers, &memcache->prefix) ||
	    !mcname_ok(memcache->prefix) || memcache->prefix.n > MCNAME_MAX - 2)
		err_set(err, "memcache: is written memcache:HOST[:PORT][,HOST2...]/PREFIX; a "
			     "prefix has no blank and at most 248 octets");
	else
		status = open_pool(table, memcache, servers, err);
	if (status != ST_OK) {
		memcache_close(table);
		return status;
	}
	table->where = mem_strdup(memcache->text);
	return ST_OK;
}

const struct table_ops memcache_table_ops = {
    .type = "memcache",
    .open = memcache_open,
    .lookup = memcache_lookup,
    .lookup_many = memcache_lookup_many,
    .close = memcache_close,
    .no_walk = "a table in memcached is asked, not listed; write csl: or file: here",
    .distant = true,
};
