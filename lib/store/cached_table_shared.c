/*
 * cached_table_shared.c - rows that other gateways have read, and rows for them.
 * Called by cached_table.c while it loads what it does not know. It must never call a row younger
 * than the question that brought it, whichever gateway asked, nor leave a row of a table of secrets
 * in ordinary memory.
 */
#include "lib/base/mem.h"
#include "lib/base/metrics.h"
#include "lib/base/secret.h"
#include "lib/store/cached_table_private.h"
#include "lib/store/table_octets.h"

static struct sharedcache_question
question_of(const struct cached_table *cached)
{
	return (struct sharedcache_question){.purpose = SHAREDCACHE_TABLE,
	    .scope = cached->config.shared_scope,
	    .secret = (cached->inner->flags & TABLE_SECRET) != 0};
}

static int64_t
life_ms(const struct cached_table *cached, bool absent)
{
	return absent ? cached->config.absent_ms : cached->config.fresh_ms;
}

/* In the last fifth of a life the source is asked again (cache.h), so nobody goes on with a row of
 * that age without having tried. */
static enum known
known_at(const struct cached_table *cached, int64_t told_ms, bool absent, int64_t now_ms)
{
	int64_t age_ms = now_ms - told_ms, life = life_ms(cached, absent);

	if (age_ms < life - life / 5 && told_ms >= atomic_load(&cached->refreshed_ms))
		return KNOWN_FRESH;
	return age_ms < life || age_ms < cached->config.stale_ms ? KNOWN_OLD : KNOWN_NOTHING;
}

static enum known
take_answer(struct cached_table *cached, const struct sharedcache_answer *answer, int64_t now_ms,
    struct cache_load *load)
{
	struct table_value value;
	struct err err = ERR_NONE;
	enum status status =
	    table_octets_read(span_of(answer->plain, answer->n), answer->secret, &value, &err);
	enum known known;

	if (status == ST_INVALID)
		metrics_count(METRIC_SHARED_REFUSED, METRIC_CACHE_TABLE, METRIC_REFUSED_FORM);
	if (status != ST_OK && status != ST_ABSENT)
		return KNOWN_NOTHING;
	known = known_at(cached, answer->told_ms, status == ST_ABSENT, now_ms);
	if (known == KNOWN_NOTHING) {
		table_value_release(&value);
		return known;
	}
	if (status == ST_OK)
		cached_table_load(&value, load);
	load->known_ms = answer->told_ms;
	load->source = CACHE_SOURCE_SPARED;
	return known;
}

void
cached_table_shared_get(struct cached_table *cached, const struct span *names, size_t count,
    int64_t now_ms, struct cache_load *loads, enum known *known)
{
	const struct sharedcache_question question = question_of(cached);
	struct sharedcache_answer answers[TABLE_KEYS_MAX];

	for (size_t i = 0; i < count; i++)
		known[i] = KNOWN_NOTHING;
	if (cached->config.shared == NULL)
		return;
	sharedcache_get(cached->config.shared, &question, names, count, now_ms, answers);
	for (size_t i = 0; i < count; i++) {
		if (answers[i].status == ST_OK)
			known[i] = take_answer(cached, &answers[i], now_ms, &loads[i]);
		sharedcache_answer_release(&answers[i]);
	}
}

void
cached_table_shared_put(struct cached_table *cached, struct span name,
    const struct table_value *value, int64_t asked_ms)
{
	const struct cached_table_config *config = &cached->config;
	const struct sharedcache_question question = question_of(cached);
	size_t bytes = config->shared == NULL ? 0 : table_octets_bytes(value);
	int64_t kept_ms = life_ms(cached, value == NULL);
	char *room;

	if (bytes == 0 || bytes > SHAREDCACHE_PLAIN_MAX)
		return;
	if (kept_ms < config->stale_ms)
		kept_ms = config->stale_ms;
	room = question.secret ? secret_malloc(bytes) : mem_alloc(bytes);
	if (room == NULL)
		return;
	table_octets_write(value, room);
	sharedcache_put(config->shared, &question,
	    &(struct sharedcache_entry){.name = name,
		.plain = span_of(room, bytes),
		.asked_ms = asked_ms,
		.ttl_s = (kept_ms + 999) / 1000},
	    config->now_ms());
	if (question.secret)
		secret_free(room);
	else
		mem_free(room);
}

void
cached_table_shared_note_stale(
    const struct cached_table *cached, const struct cache_load *load, int64_t now_ms)
{
	if (now_ms - load->known_ms >= life_ms(cached, load->object == NULL))
		metrics_count(METRIC_SHARED_STALE, METRIC_CACHE_TABLE, METRIC_NONE);
}
