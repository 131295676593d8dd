/*
 * signer.c - writes and signs the DKIM-Signature fields.
 * The last step of the keeper on the way of a message. It must never sign bytes that are not a
 * header block with a From field, and never send out a part of the signatures asked for.
 */
#include <string.h>

#include "daemon/signer.h"
#include "lib/base/clock.h"
#include "lib/base/metrics.h"
#include "lib/dkim/signature.h"

void
signer_init(struct signer *signer, struct keycache *cache, const struct rules *rules)
{
	*signer = (struct signer){.cache = cache, .rules = rules, .digest = digest_new()};
	buf_init(&signer->value, SIGNATURE_VALUE_MAX);
	for (size_t i = 0; i < DECISION_KEYS_MAX; i++)
		buf_init(&signer->fields[i], SIGNATURE_VALUE_MAX);
	for (size_t i = 0; i < DECISION_KEYS_MAX; i++)
		buf_init(&signer->records[i], FRAME_RECORD_MAX);
}

void
signer_free(struct signer *signer)
{
	digest_free(signer->digest);
	buf_free(&signer->value);
	for (size_t i = 0; i < DECISION_KEYS_MAX; i++)
		buf_free(&signer->fields[i]);
	for (size_t i = 0; i < DECISION_KEYS_MAX; i++)
		buf_free(&signer->records[i]);
}

/* The keeper signs header blocks, nothing else: a line "from:" must be there. */
static bool
has_from(struct span canonical)
{
	while (canonical.n > 0) {
		size_t end;

		if (span_istarts(canonical, SPAN_LIT("from:")) ||
		    span_istarts(canonical, SPAN_LIT("from ")))
			return true;
		end = span_find(canonical, '\n');
		if (end == SIZE_MAX)
			return false;
		canonical = span_from(canonical, end + 1);
	}
	return false;
}

static enum status
check_algorithm(const struct decision_key *wanted, struct key *key, struct err *err)
{
	const char *has = key_algorithm_name(key_algorithm(key));

	if (wanted->algorithm.n == 0 || span_ieq_str(wanted->algorithm, has))
		return ST_OK;
	err_set(err, "the KeyTable says %.*s, the key is for %s", SPAN_ARG(wanted->algorithm), has);
	return ST_INVALID;
}

/* x= of the domain's policy, or of SignatureTTL. */
static int64_t
expires(const struct signer *signer, const struct decision *decision, int64_t now_utc)
{
	int64_t ttl_s = decision->signature_ttl_s >= 0 ? decision->signature_ttl_s
						       : signer->rules->signature_ttl_s;

	return ttl_s > 0 ? now_utc + ttl_s : -1;
}

static struct signature_params
params_for(const struct signer *signer, const struct request *request,
    const struct decision_key *wanted, struct key *key, int64_t now_utc, int64_t expires_utc)
{
	struct signature_params params = SIGNATURE_PARAMS_INIT;

	params.algorithm = key_algorithm(key);
	params.header_canon =
	    (request->flags & REQUEST_FLAG_HEADER_RELAXED) != 0 ? CANON_RELAXED : CANON_SIMPLE;
	params.body_canon =
	    (request->flags & REQUEST_FLAG_BODY_RELAXED) != 0 ? CANON_RELAXED : CANON_SIMPLE;
	params.domain = wanted->domain;
	params.selector = wanted->selector;
	params.identity = wanted->identity;
	params.header_names = request->header_names;
	params.body_hash = span_of(request->body_hash, SHA256_BYTES);
	params.time_utc = now_utc;
	params.expires_utc = expires_utc;
	params.body_length = request->body_length;
	params.request_reports = signer->rules->request_reports;
	return params;
}

static void
count_signature(enum key_algorithm algorithm, enum status status, int64_t us)
{
	metrics_count(METRIC_SIGN,
	    algorithm == KEY_RSA_SHA256 ? METRIC_ALGORITHM_RSA_SHA256
					: METRIC_ALGORITHM_ED25519_SHA256,
	    status == ST_OK ? METRIC_SIGN_OK : METRIC_SIGN_FAILED);
	metrics_observe(METRIC_SIGN_SECONDS, us);
}

static enum status
sign_with(struct signer *signer, const struct request *request, const struct decision_key *wanted,
    struct key *key, int64_t now_utc, int64_t expires_utc, struct buf *out, struct err *err)
{
	struct signature_params params =
	    params_for(signer, request, wanted, key, now_utc, expires_utc);
	uint8_t digest[SHA256_BYTES], raw[KEY_SIGNATURE_MAX];
	enum status status = check_algorithm(wanted, key, err);
	size_t raw_bytes = 0;
	int64_t began_us;

	buf_reset(&signer->value);
	buf_reset(out);
	if (status == ST_OK)
		status = signature_build(&params, &signer->value, err);
	if (status != ST_OK)
		return status;
	began_us = clock_mono_us();
	signature_digest(signer->digest, request->canonical, params.header_canon,
	    buf_span(&signer->value), digest);
	status = key_sign(key, digest, raw, &raw_bytes, err);
	count_signature(params.algorithm, status, clock_mono_us() - began_us);
	if (status == ST_OK)
		status = signature_finish(&signer->value, span_of(raw, raw_bytes));
	if (status == ST_OK)
		status = signature_milter_value(buf_span(&signer->value), true, out);
	return status;
}

/* What DNS should say, for whoever compares. One that is too long is left out. */
static struct span
record_of(struct key *key, struct buf *out)
{
	buf_reset(out);
	buf_add_fmt(
	    out, "v=DKIM1; k=%s; p=", key_algorithm(key) == KEY_RSA_SHA256 ? "rsa" : "ed25519");
	if (key_public_base64(key, out) != ST_OK || buf_status(out) != ST_OK)
		return SPAN_EMPTY;
	return buf_span(out);
}

/* sign_until of a row by the other clock; 0: it has none. A limit that is over, by a clock that was
 * set, is one that is not kept at all. */
static int64_t
not_after_ms(const struct store_key *row, int64_t now_utc, int64_t now_mono_ms)
{
	int64_t until_utc = row->times.sign_until;

	if (until_utc <= 0 || until_utc - now_utc > INT32_MAX)
		return 0;
	return until_utc > now_utc ? now_mono_ms + (until_utc - now_utc) * 1000 : now_mono_ms;
}

static enum status
get_key(struct signer *signer, const struct decision_key *wanted, int64_t now_utc,
    int64_t now_mono_ms, struct cached_key **out, struct err *err)
{
	const struct store_key *row = wanted->stored;
	struct sealedkey_owner owner;
	struct keycache_name name = {.text = wanted->key};

	if (row != NULL) {
		owner = (struct sealedkey_owner){
		    row->tenant, row->domain, row->selector, row->id, row->revision};
		name.owner = &owner;
		name.not_after_ms = not_after_ms(row, now_utc, now_mono_ms);
	}
	return keycache_get(signer->cache, &name, signer->digest, now_mono_ms, out, err);
}

enum status
signer_sign(struct signer *signer, const struct request *request, const struct decision *decision,
    int64_t now_utc, int64_t now_mono_ms, struct reply *reply, struct err *err)
{
	enum status status = ST_OK;

	if (!has_from(request->canonical)) {
		err_set(err, "the header block has no From field");
		return ST_INVALID;
	}
	for (size_t i = 0; i < decision->key_count && status == ST_OK; i++) {
		const struct decision_key *wanted = &decision->keys[i];
		struct cached_key *cached = NULL;
		struct span record = SPAN_EMPTY;

		status = get_key(signer, wanted, now_utc, now_mono_ms, &cached, err);
		if (status == ST_OK)
			status = sign_with(signer, request, wanted, cached_key_key(cached), now_utc,
			    expires(signer, decision, now_utc), &signer->fields[i], err);
		if (status == ST_OK && request->type == REQUEST_SHADOW)
			record = record_of(cached_key_key(cached), &signer->records[i]);
		cached_key_release(cached);
		if (status != ST_OK)
			err_prefix(err, "error loading key '%.*s'", SPAN_ARG(wanted->keyname));
		reply->fields[i] = (struct reply_field){.name = SPAN_LIT(SIGNATURE_FIELD_NAME),
		    .value = buf_span(&signer->fields[i]),
		    .record = record};
	}
	reply->field_count = status == ST_OK ? decision->key_count : 0;
	return status;
}
