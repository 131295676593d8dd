/*
 * fuzz_sharedcache.c - what a server of memcached may answer. 'r' and octets: as they are; only the
 * one value that was sealed is believed. 's', a head and a plain text: sealed with the right key,
 * as another version of this program might, so that what is behind the seal is reached.
 */
#include <stdlib.h>

#include "lib/crypto/digest.h"
#include "lib/store/keystore_octets.h"
#include "lib/store/sharedcache_private.h"
#include "lib/store/table_octets.h"
#include "tests/lib/memshared.h"

#define SITE "1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
#define UTC_MS 1800000000000
#define NOW_MS 1000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The seed "sealed", without its 'r', in base64: of this question. */
#define SEALED                                                                                     \
	"c2MxAQAAAAEAAAAAAAAABwAAAaMYXEwYAAAAAAAAAAAAAQIDBAUGBwgJCgt1Hn35MkjvvEUZlOYNE1GY6gX7ahPP" \
	"3mfU3g=="

static const struct sharedcache_question question = {
    .purpose = SHAREDCACHE_RULES, .scope = {"scope", 5}, .secret = true};
static const struct span name = {"name", 4};

static int64_t
utc(void)
{
	return UTC_MS;
}

static struct sitekey *
the_sitekey(void *context)
{
	return context;
}

/* octets: a head, and behind it what is to be sealed; else as they are. */
static void
make_value(struct sitekey *sitekey, struct span octets, struct buf *out)
{
	struct span head = span_sub(octets, 0, SHAREDCACHE_HEAD_BYTES);
	struct seal *site, *seal;
	struct err err = ERR_NONE;
	struct hmac *hmac;
	struct buf text;

	if (head.n < SHAREDCACHE_HEAD_BYTES) {
		buf_add(out, octets);
		return;
	}
	buf_init(&text, 4096);
	sharedcache_name_text(question.purpose, question.scope, name, &text);
	if (sitekey_tenant(sitekey, 1, "cache", SPAN_EMPTY, &site, &err) != ST_OK ||
	    hmac_new(&hmac, &err) != ST_OK ||
	    seal_make(site, hmac, buf_span(&text), &seal) != ST_OK)
		abort();
	buf_reset(&text);
	sharedcache_context(question.scope, name, head, &text);
	buf_add(out, head);
	if (seal_close(seal, buf_span(&text), span_from(octets, head.n), out, &err) != ST_OK)
		abort();
	buf_free(&text);
	hmac_free(hmac);
	seal_free(seal);
	sitekey_release(sitekey, site);
}

static void
read_plain(const struct sharedcache_answer *answer)
{
	struct span plain = span_of(answer->plain, answer->n);
	struct keystore_rows *rows = NULL;
	struct table_value value;
	struct err err = ERR_NONE;

	if (keystore_octets_read(plain, &rows, &err) == ST_OK)
		keystore_rows_release(rows);
	if (table_octets_read(plain, true, &value, &err) == ST_OK)
		table_value_release(&value);
}

static bool
is_sealed(struct span octets)
{
	char room[sizeof(SEALED)];
	size_t n;

	return base64_decode(SPAN_LIT(SEALED), room, &n) == ST_OK &&
	       span_eq(octets, span_of(room, n));
}

static void
check_answer(const struct sharedcache_answer *answer, bool raw, struct span octets)
{
	if (answer->status == ST_ABSENT) {
		if (answer->plain != NULL || answer->n != 0)
			abort();
		return;
	}
	if (answer->status != ST_OK || answer->told_ms > NOW_MS || answer->told_ms == 0 ||
	    answer->asked_ms > answer->told_ms || answer->asked_ms == 0 ||
	    (answer->not_after_ms != 0 && answer->not_after_ms <= NOW_MS) ||
	    answer->plain[answer->n] != '\0')
		abort();
	if (raw && !is_sealed(octets))
		abort();
	if (!raw && !span_starts(span_from(octets, SHAREDCACHE_HEAD_BYTES),
			span_of(answer->plain, answer->n)))
		abort();
	read_plain(answer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span octets = size == 0 ? SPAN_EMPTY : span_from(span_of(data, size), 1);
	bool raw = size == 0 || data[0] != 's';
	struct memshared *server = memshared_new();
	struct sharedcache_config config = {
	    .shared = memshared_door(server), .sitekey = the_sitekey, .utc_ms = utc};
	struct sharedcache_answer answer;
	struct sharedcache *cache;
	struct sitekey *sitekey;
	struct err err = ERR_NONE;
	struct buf value;

	if (sitekey_parse(SPAN_LIT(SITE), "fuzz", &sitekey, &err) != ST_OK)
		abort();
	config.context = sitekey;
	cache = sharedcache_new(&config);
	buf_init(&value, SHARED_VALUE_MAX);
	if (raw)
		buf_add(&value, octets);
	else
		make_value(sitekey, octets, &value);
	memshared_set_answer(server, value.n == 0 ? span_str("") : buf_span(&value));
	sharedcache_get(cache, &question, &name, 1, NOW_MS, &answer);
	check_answer(&answer, raw, octets);
	sharedcache_answer_release(&answer);
	buf_free(&value);
	sharedcache_close(cache);
	sitekey_close(sitekey);
	memshared_free(server);
	return 0;
}
