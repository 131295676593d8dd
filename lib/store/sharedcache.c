/*
 * sharedcache.c - answers that gateways share, by way of servers that nobody trusts: sealed before
 * they leave, opened when they come back. Stands between the caches of the keeper and of the DNS
 * (cached_keystore.c, cached_table.c) and shared.h. It must never give out what does not open for
 * exactly what was asked for, show a server a name or a text, nor leave a secret in ordinary
 * memory.
 */
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"
#include "lib/base/secret.h"
#include "lib/store/sharedcache_private.h"

#define PURPOSE_VALUE "cache"
#define PURPOSE_NAME "cache name"
#define INFO_NAME "signpost tenant key v1" /* sitekey.h */
/* Of a context: two names, a head, a label and the lengths of all. */
#define TEXT_MAX (2U * SHAREDCACHE_NAME_MAX + 512U)

struct sharedcache {
	struct sharedcache_config config;
	struct hmac *hmac;
	struct seal *own_name, *own_value; /* NULL: there is no own_key */
};

/* ---- opening ---- */

/* As sitekey_tenant() derives them; the tenant is empty. */
static enum status
derive_own(const uint8_t *own_key, const char *purpose, struct seal **out, struct err *err)
{
	enum status status;
	struct buf info;

	buf_init(&info, 256);
	seal_add_field(&info, SPAN_LIT(INFO_NAME));
	seal_add_field(&info, span_str(purpose));
	seal_add_field(&info, SPAN_EMPTY);
	status = seal_derive(own_key, SPAN_EMPTY, buf_span(&info), out, err);
	buf_free(&info);
	return status;
}

/* What is missing is as if it had not been configured. */
struct sharedcache *
sharedcache_new(const struct sharedcache_config *config)
{
	struct sharedcache *cache = mem_zalloc(1, sizeof(*cache));
	const uint8_t *own_key = config->own_key;
	struct err err = ERR_NONE;
	enum status status = hmac_new(&cache->hmac, &err);

	cache->config = *config;
	cache->config.own_key = NULL;
	if (config->utc_ms == NULL)
		cache->config.utc_ms = clock_utc_ms;
	if (status == ST_OK && own_key != NULL)
		status = derive_own(own_key, PURPOSE_NAME, &cache->own_name, &err);
	if (status == ST_OK && own_key != NULL)
		status = derive_own(own_key, PURPOSE_VALUE, &cache->own_value, &err);
	if (status == ST_OK)
		return cache;
	log_line(LOG_LEVEL_WARNING, "Memcached: %s; %s", err.text,
	    cache->hmac == NULL ? "nothing is shared"
				: "DNS answers are shared with a site key only");
	return cache;
}

void
sharedcache_close(struct sharedcache *cache)
{
	if (cache == NULL)
		return;
	cache->config.shared->ops->close(cache->config.shared);
	hmac_free(cache->hmac);
	seal_free(cache->own_name);
	seal_free(cache->own_value);
	mem_free(cache);
}

/* ---- keys ---- */

/* The keys of one question. */
struct keys {
	uint32_t version;
	struct seal *name, *value; /* held */
};

static void
keys_end(struct keys *keys)
{
	seal_free(keys->name);
	seal_free(keys->value);
}

static bool
keys_of_site(struct sitekey *sitekey, struct keys *keys)
{
	struct err err = ERR_NONE;
	bool ok;

	keys->version = sitekey_current(sitekey);
	ok = sitekey_tenant(sitekey, keys->version, PURPOSE_NAME, SPAN_EMPTY, &keys->name, &err) ==
		 ST_OK &&
	     sitekey_tenant(
		 sitekey, keys->version, PURPOSE_VALUE, SPAN_EMPTY, &keys->value, &err) == ST_OK;
	if (!ok)
		keys_end(keys);
	return ok;
}

/* false: nothing of this purpose is shared now. */
static bool
keys_begin(struct sharedcache *cache, enum sharedcache_purpose purpose, struct keys *keys)
{
	const struct sharedcache_config *config = &cache->config;
	struct sitekey *sitekey = config->sitekey == NULL ? NULL : config->sitekey(config->context);

	*keys = (struct keys){.version = 0};
	if (cache->hmac == NULL)
		return false;
	if (sitekey != NULL)
		return keys_of_site(sitekey, keys);
	if (purpose != SHAREDCACHE_DNS || cache->own_value == NULL)
		return false;
	keys->name = cache->own_name;
	keys->value = cache->own_value;
	seal_hold(keys->name);
	seal_hold(keys->value);
	return true;
}

/* What the name at the servers and the key are made of. false: it has none. */
static bool
make_text(const struct sharedcache_question *question, struct span name, struct buf *text)
{
	if (name.n > SHAREDCACHE_NAME_MAX || question->scope.n > SHAREDCACHE_NAME_MAX)
		return false;
	buf_reset(text);
	sharedcache_name_text(question->purpose, question->scope, name, text);
	return buf_status(text) == ST_OK;
}

static bool
make_name(struct sharedcache *cache, const struct keys *keys,
    const struct sharedcache_question *question, struct span name, struct buf *text,
    char out[SHAREDCACHE_SERVER_NAME_BYTES])
{
	uint8_t digest[SHA256_BYTES];

	if (!make_text(question, name, text) ||
	    seal_name(keys->name, cache->hmac, buf_span(text), digest) != ST_OK)
		return false;
	sharedcache_name_write(digest, out);
	return true;
}

/* The key of one value, and its context in text; NULL: none. */
static struct seal *
make_key(struct sharedcache *cache, const struct keys *keys,
    const struct sharedcache_question *question, struct span name, struct span head,
    struct buf *text)
{
	struct seal *seal = NULL;

	if (!make_text(question, name, text) ||
	    seal_make(keys->value, cache->hmac, buf_span(text), &seal) != ST_OK)
		return NULL;
	buf_reset(text);
	sharedcache_context(question->scope, name, head, text);
	if (buf_status(text) == ST_OK)
		return seal;
	seal_free(seal);
	return NULL;
}

/* ---- counting ---- */

static unsigned
label_of(enum sharedcache_purpose purpose)
{
	switch (purpose) {
	case SHAREDCACHE_RULES:
		return METRIC_CACHE_RULES;
	case SHAREDCACHE_KEYS:
		return METRIC_CACHE_KEYS;
	case SHAREDCACHE_TABLE:
		return METRIC_CACHE_TABLE;
	case SHAREDCACHE_DNS:
		break;
	}
	return METRIC_CACHE_DNS;
}

/* What became of a value. */
enum verdict {
	VERDICT_HIT,
	VERDICT_MISS,
	VERDICT_UNAVAILABLE,
	VERDICT_FORM, /* refused */
	VERDICT_SEAL,
	VERDICT_AGE
};

static void
count(enum sharedcache_purpose purpose, enum verdict verdict)
{
	static const struct {
		enum metric metric;
		unsigned second;
	} metrics[] = {[VERDICT_HIT] = {METRIC_SHARED_HITS, METRIC_NONE},
	    [VERDICT_MISS] = {METRIC_SHARED_MISSES, METRIC_NONE},
	    [VERDICT_UNAVAILABLE] = {METRIC_SHARED_UNAVAILABLE, METRIC_NONE},
	    [VERDICT_FORM] = {METRIC_SHARED_REFUSED, METRIC_REFUSED_FORM},
	    [VERDICT_SEAL] = {METRIC_SHARED_REFUSED, METRIC_REFUSED_SEAL},
	    [VERDICT_AGE] = {METRIC_SHARED_REFUSED, METRIC_REFUSED_AGE}};

	metrics_count(metrics[verdict].metric, label_of(purpose), metrics[verdict].second);
}

/* ---- asking ---- */

/* One question for one piece of the names. */
struct asking {
	struct sharedcache *cache;
	const struct sharedcache_question *question;
	struct keys keys;
	int64_t now_ms, utc_ms;
	struct buf text;
};

static void
free_plain(bool secret, char *plain)
{
	if (secret)
		secret_free(plain);
	else
		mem_free(plain);
}

/* sealed: nonce, ciphertext and tag. */
static enum verdict
open_sealed(
    struct asking *asking, struct seal *seal, struct span sealed, struct sharedcache_answer *answer)
{
	struct span plain, tenant;
	struct err err = ERR_NONE;
	size_t n = 0;

	answer->secret = asking->question->secret;
	answer->plain = answer->secret ? secret_malloc(sealed.n) : mem_alloc(sealed.n);
	if (answer->plain == NULL)
		return VERDICT_MISS;
	if (seal_open(seal, buf_span(&asking->text), sealed, answer->plain, &n, &err) != ST_OK)
		return VERDICT_SEAL;
	if (!sharedcache_plain_read(span_of(answer->plain, n), &plain, &tenant))
		return VERDICT_FORM;
	if (tenant.n > 0)
		memcpy(answer->tenant, tenant.p, tenant.n);
	answer->n = plain.n;
	answer->plain[plain.n] = '\0'; /* where the tenant was */
	return VERDICT_HIT;
}

static int64_t
not_zero(int64_t ms)
{
	return ms == 0 ? -1 : ms;
}

/* From the clock of another gateway to ours; false: not a time to believe, or past. */
static bool
set_times(const struct asking *asking, const struct sharedcache_head *head,
    struct sharedcache_answer *answer)
{
	int64_t age_ms = asking->utc_ms - head->asked_utc_ms;
	int64_t left_ms = head->not_after_utc_ms - asking->utc_ms - SHAREDCACHE_SKEW_MS;

	if (age_ms < -SHAREDCACHE_SKEW_MS || (head->not_after_utc_ms != 0 && left_ms <= 0))
		return false;
	answer->told_ms = not_zero(asking->now_ms - (age_ms > 0 ? age_ms : 0));
	answer->asked_ms = not_zero(asking->now_ms - age_ms - SHAREDCACHE_SKEW_MS);
	answer->not_after_ms = head->not_after_utc_ms == 0 ? 0 : asking->now_ms + left_ms;
	return true;
}

static enum verdict
open_value(
    struct asking *asking, struct span name, struct span value, struct sharedcache_answer *answer)
{
	struct sharedcache_head head;
	enum verdict verdict;
	struct seal *seal;

	if (!sharedcache_head_read(value, &head))
		return VERDICT_FORM;
	if (head.purpose != asking->question->purpose || head.version != asking->keys.version)
		return VERDICT_SEAL;
	seal = make_key(asking->cache, &asking->keys, asking->question, name,
	    span_sub(value, 0, SHAREDCACHE_HEAD_BYTES), &asking->text);
	if (seal == NULL)
		return VERDICT_MISS;
	verdict = open_sealed(asking, seal, span_from(value, SHAREDCACHE_HEAD_BYTES), answer);
	seal_free(seal);
	if (verdict == VERDICT_HIT && !set_times(asking, &head, answer))
		verdict = VERDICT_AGE;
	if (verdict == VERDICT_HIT)
		answer->epoch = head.epoch;
	else
		sharedcache_answer_release(answer);
	return verdict;
}

static void
take_value(struct asking *asking, struct span name, const struct shared_value *value,
    struct sharedcache_answer *answer)
{
	enum verdict verdict = VERDICT_MISS;

	if (value->status == ST_OK)
		verdict = open_value(asking, name, span_of(value->octets, value->n), answer);
	else if (value->status == ST_UNAVAILABLE)
		verdict = VERDICT_UNAVAILABLE;
	if (verdict == VERDICT_HIT)
		answer->status = ST_OK;
	else if (verdict == VERDICT_UNAVAILABLE)
		answer->status = ST_UNAVAILABLE;
	answer->late = verdict == VERDICT_UNAVAILABLE && value->late;
	count(asking->question->purpose, verdict);
}

/* At most SHARED_MANY_MAX. Names that are too long are not asked for. */
static void
get_some(struct asking *asking, const struct span *names, size_t count,
    struct sharedcache_answer *answers)
{
	char rooms[SHARED_MANY_MAX][SHAREDCACHE_SERVER_NAME_BYTES];
	struct shared_value values[SHARED_MANY_MAX];
	struct span asked[SHARED_MANY_MAX];
	struct shared *shared = asking->cache->config.shared;
	size_t at[SHARED_MANY_MAX], n = 0;

	for (size_t i = 0; i < count; i++) {
		if (!make_name(asking->cache, &asking->keys, asking->question, names[i],
			&asking->text, rooms[n]))
			continue;
		values[n] = (struct shared_value){.status = ST_ABSENT};
		asked[n] = span_of(rooms[n], sizeof(rooms[n]));
		at[n++] = i;
	}
	if (n > 0)
		shared->ops->get(shared, asked, n, values);
	for (size_t i = 0; i < n; i++) {
		take_value(asking, names[at[i]], &values[i], &answers[at[i]]);
		mem_free(values[i].octets);
	}
}

void
sharedcache_get(struct sharedcache *cache, const struct sharedcache_question *question,
    const struct span *names, size_t count, int64_t now_ms, struct sharedcache_answer *answers)
{
	struct asking asking = {.cache = cache,
	    .question = question,
	    .now_ms = now_ms,
	    .utc_ms = cache->config.utc_ms()};

	for (size_t i = 0; i < count; i++)
		answers[i] = (struct sharedcache_answer){.status = ST_ABSENT};
	if (!keys_begin(cache, question->purpose, &asking.keys))
		return;
	buf_init(&asking.text, TEXT_MAX);
	for (size_t i = 0; i < count; i += SHARED_MANY_MAX)
		get_some(&asking, names + i,
		    count - i < SHARED_MANY_MAX ? count - i : SHARED_MANY_MAX, answers + i);
	buf_free(&asking.text);
	keys_end(&asking.keys);
}

void
sharedcache_answer_release(struct sharedcache_answer *answer)
{
	free_plain(answer->secret, answer->plain);
	*answer = (struct sharedcache_answer){.status = ST_ABSENT};
}

/* ---- storing ---- */

/* How long the servers keep it; 0: not at all. */
static uint32_t
ttl_of(const struct sharedcache_entry *entry, int64_t now_ms)
{
	int64_t ttl_s = entry->ttl_s;

	if (ttl_s > SHARED_TTL_S_MAX)
		ttl_s = SHARED_TTL_S_MAX;
	if (entry->not_after_ms != 0 && (entry->not_after_ms - now_ms) / 1000 < ttl_s)
		ttl_s = (entry->not_after_ms - now_ms) / 1000;
	return ttl_s > 0 ? (uint32_t)ttl_s : 0;
}

static void
add_head(const struct sharedcache *cache, const struct keys *keys,
    const struct sharedcache_question *question, const struct sharedcache_entry *entry,
    int64_t now_ms, struct buf *value)
{
	int64_t offset_ms = cache->config.utc_ms() - now_ms;
	const struct sharedcache_head head = {.purpose = question->purpose,
	    .version = keys->version,
	    .epoch = entry->epoch,
	    .asked_utc_ms = entry->asked_ms + offset_ms,
	    .not_after_utc_ms = entry->not_after_ms == 0 ? 0 : entry->not_after_ms + offset_ms};

	sharedcache_head_write(&head, value);
}

/* Behind the head that value has. */
static bool
add_sealed(struct seal *seal, struct span context, const struct sharedcache_entry *entry,
    bool secret, struct buf *value)
{
	size_t bytes = entry->plain.n + SHAREDCACHE_TENANT_MAX + 1, n;
	char *plain = secret ? secret_malloc(bytes) : mem_alloc(bytes);
	struct err err = ERR_NONE;
	bool made;

	if (plain == NULL)
		return false;
	n = sharedcache_plain_write(entry->plain, entry->tenant, plain);
	made = n > 0 && seal_close(seal, context, span_of(plain, n), value, &err) == ST_OK;
	free_plain(secret, plain);
	return made;
}

/* value: empty. false: it cannot be. */
static bool
make_value(struct sharedcache *cache, const struct keys *keys,
    const struct sharedcache_question *question, const struct sharedcache_entry *entry,
    int64_t now_ms, struct buf *text, struct buf *value)
{
	bool secret = question->secret || question->purpose == SHAREDCACHE_KEYS;
	struct sharedcache_head head;
	struct seal *seal;
	bool made;

	add_head(cache, keys, question, entry, now_ms, value);
	seal = make_key(cache, keys, question, entry->name, buf_span(value), text);
	made = seal != NULL && add_sealed(seal, buf_span(text), entry, secret, value) &&
	       sharedcache_head_read(buf_span(value), &head);
	seal_free(seal);
	return made;
}

void
sharedcache_put(struct sharedcache *cache, const struct sharedcache_question *question,
    const struct sharedcache_entry *entry, int64_t now_ms)
{
	struct shared *shared = cache->config.shared;
	char name[SHAREDCACHE_SERVER_NAME_BYTES];
	uint32_t ttl_s = ttl_of(entry, now_ms);
	struct buf text, value;
	struct keys keys;

	if (ttl_s == 0 || entry->plain.n > SHAREDCACHE_PLAIN_MAX ||
	    !keys_begin(cache, question->purpose, &keys))
		return;
	buf_init(&text, TEXT_MAX);
	buf_init(&value, SHARED_VALUE_MAX);
	if (make_name(cache, &keys, question, entry->name, &text, name) &&
	    make_value(cache, &keys, question, entry, now_ms, &text, &value)) {
		shared->ops->put(shared, span_of(name, sizeof(name)), buf_span(&value), ttl_s);
		metrics_count(METRIC_SHARED_STORED, label_of(question->purpose), METRIC_NONE);
	}
	buf_free(&value);
	buf_free(&text);
	keys_end(&keys);
}
