/*
 * verify_key.c - from the answer of the DNS to a key that may verify this signature, or the reason
 * why there is none (RFC 6376 6.1.2, RFC 8301 3.2). Called for each signature once its answer is
 * there. It must never choose among several key records: whoever can add one would choose.
 */
#include "lib/dkim/keyrecord.h"
#include "lib/dkim/verify_private.h"

/* One question asked of a record; false: that is the reason. */
static bool
service_fits(const struct keyrecord *record, const struct sigfield *field)
{
	(void)field;
	return record->email;
}

static bool
hash_fits(const struct keyrecord *record, const struct sigfield *field)
{
	(void)field;
	return record->sha256;
}

static bool
not_revoked(const struct keyrecord *record, const struct sigfield *field)
{
	(void)field;
	return !record->revoked;
}

static bool
type_fits(const struct keyrecord *record, const struct sigfield *field)
{
	return record->known_type &&
	       (record->algorithm == KEY_RSA_SHA256) == (field->algorithm == SIGFIELD_RSA_SHA256);
}

static bool
identity_fits(const struct keyrecord *record, const struct sigfield *field)
{
	return !record->same_domain || span_ieq(field->i_domain, field->domain);
}

static const struct {
	bool (*fits)(const struct keyrecord *record, const struct sigfield *field);
	enum verify_reason reason;
} rules[] = {
    {not_revoked, VERIFY_KEY_REVOKED},
    {type_fits, VERIFY_KEY_TYPE},
    {hash_fits, VERIFY_KEY_HASH},
    {service_fits, VERIFY_KEY_SERVICE},
    {identity_fits, VERIFY_KEY_SUBDOMAIN},
};

/* RSA below 1024 bits never passes, RFC 8301 3.2. */
static bool
key_is_small(const struct verify_options *options, const struct public_key *key)
{
	int least = options->minimum_key_bits > KEY_RSA_BITS_MIN ? options->minimum_key_bits
								 : KEY_RSA_BITS_MIN;

	return public_key_algorithm(key) == KEY_RSA_SHA256 && public_key_bits(key) < least;
}

static struct verify_verdict
key_make(struct verify *verify, size_t index, const struct keyrecord *record)
{
	struct verify_signature *signature = &verify->signatures[index];
	struct public_key_cache *cache = verify->options->keys;
	struct public_key *key = NULL;
	struct err err = ERR_NONE;
	enum status st;

	if (cache != NULL)
		st = public_key_cache_get(cache, record->algorithm, record->key, &key, &err);
	else
		st = public_key_parse(record->algorithm, record->key, &key, &err);
	if (st != ST_OK)
		return verify_verdict_with(
		    verify, st == ST_TOO_BIG ? VERIFY_KEY_BIG : VERIFY_KEY_SYNTAX, err.text);
	verify->works[index].key = key;
	signature->key_bits = public_key_bits(key);
	signature->key_known = true;
	return verify_verdict_of(key_is_small(verify->options, key) ? VERIFY_KEY_SMALL : VERIFY_OK);
}

static struct verify_verdict
record_verdict(struct verify *verify, size_t index, const struct keyrecord *record)
{
	struct verify_signature *signature = &verify->signatures[index];

	signature->testing = record->testing;
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		if (!rules[i].fits(record, &signature->field))
			return verify_verdict_of(rules[i].reason);
	return key_make(verify, index, record);
}

/* Of the TXT records exactly one may be a key record; others may stand beside it. One with more
 * tags than are read may be a key record. scratch: for what the records take. */
static struct verify_verdict
records_verdict(
    struct verify *verify, size_t index, const struct verify_key *answer, struct arena *scratch)
{
	struct keyrecord record, found = {.version = false};
	struct err err = ERR_NONE;
	size_t count = 0;

	for (size_t i = 0; i < answer->count && count < 2; i++) {
		struct span text = answer->texts[i];
		enum status st = keyrecord_parse(text, scratch, &record, &err);
		if (st == ST_TOO_BIG && text.n <= KEYRECORD_BYTES_MAX)
			return verify_verdict_with(verify, VERIFY_KEY_SYNTAX, err.text);
		if (st != ST_OK)
			continue;
		found = record;
		count++;
	}
	if (count > 1)
		return verify_verdict_of(VERIFY_KEY_MANY);
	if (answer->count == 0)
		return verify_verdict_of(VERIFY_KEY_ABSENT);
	if (count == 0)
		return verify_verdict_with(verify, VERIFY_KEY_SYNTAX, err.text);
	return record_verdict(verify, index, &found);
}

static struct verify_verdict
bogus_verdict(const struct verify_options *options)
{
	struct verify_verdict verdict = verify_verdict_of(VERIFY_KEY_BOGUS);

	if (options->bogus == VERIFY_DNSSEC_NEUTRAL)
		verdict.result = VERIFY_NEUTRAL;
	return verdict;
}

static struct verify_verdict
answer_verdict(
    struct verify *verify, size_t index, const struct verify_key *answer, struct arena *scratch)
{
	if (answer->dnssec == VERIFY_DNSSEC_BOGUS && verify->options->bogus != VERIFY_DNSSEC_ACCEPT)
		return bogus_verdict(verify->options);
	switch (answer->status) {
	case ST_OK:
		return records_verdict(verify, index, answer, scratch);
	case ST_ABSENT:
		return verify_verdict_of(VERIFY_KEY_ABSENT);
	case ST_INVALID:
	case ST_TOO_BIG:
		return verify_verdict_of(VERIFY_DNS_SYNTAX);
	case ST_UNAVAILABLE:
	case ST_DENIED:
	case ST_FAILED:
		break;
	}
	return verify_verdict_of(VERIFY_DNS_UNAVAILABLE);
}

void
verify_key(struct verify *verify, size_t index, const struct verify_key *answer)
{
	struct verify_work *work;
	struct arena scratch;

	if (index >= verify->count)
		return;
	work = &verify->works[index];
	if (!work->wanted || work->answered)
		return;
	work->answered = true;
	verify->signatures[index].dnssec = answer->dnssec;
	/* Not the arena of the message: what strangers publish must not fill that. */
	arena_init(&scratch, answer->count * KEYRECORD_BYTES_MAX);
	work->key_verdict = answer_verdict(verify, index, answer, &scratch);
	arena_free(&scratch);
}
