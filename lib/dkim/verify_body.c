/*
 * verify_body.c - the body hashes that the signatures of one message share, and what they say.
 * Called for each piece of the body as it comes. Nothing of the body is kept, and no signature
 * makes the body be hashed again that can share with one before it.
 */
#include <string.h>

#include "lib/dkim/verify_private.h"

#define PERCENT_ALL 100u

static size_t
group_for(struct verify *verify, const struct sigfield *field)
{
	struct verify_group *group = verify->groups;
	size_t i;

	for (i = 0; i < verify->group_count; i++, group++)
		if (group->canon == field->body_canon && group->limit == field->body_length)
			return i;
	*group = (struct verify_group){.canon = field->body_canon, .limit = field->body_length};
	group->digest = digest_new();
	canon_body_init(
	    &group->body, group->canon, group->digest, group->limit, verify->options->fix_crlf);
	verify->group_count++;
	return i;
}

static void
body_begin(struct verify *verify)
{
	if (verify->body_begun)
		return;
	verify->body_begun = true;
	for (size_t i = 0; i < verify->count; i++)
		if (verify->works[i].wanted)
			verify->works[i].group = group_for(verify, &verify->signatures[i].field);
}

bool
verify_wants_body(const struct verify *verify)
{
	for (size_t i = 0; i < verify->count; i++)
		if (verify->works[i].wanted)
			return true;
	return false;
}

void
verify_body(struct verify *verify, struct span piece)
{
	if (verify->body_ended)
		return;
	body_begin(verify);
	for (size_t i = 0; i < verify->group_count; i++)
		canon_body_update(&verify->groups[i].body, piece);
}

void
verify_body_done(struct verify *verify)
{
	if (verify->body_ended)
		return;
	body_begin(verify);
	verify->body_ended = true;
	for (size_t i = 0; i < verify->group_count; i++) {
		struct verify_group *group = &verify->groups[i];

		canon_body_finish(&group->body, group->hash, NULL);
		group->octets = canon_body_total(&group->body);
	}
}

/* What was hashed otherwise has no hash, which fits no signature. */
void
verify_body_hashed(
    struct verify *verify, enum canon canon, int64_t length, struct span hash, uint64_t octets)
{
	if (verify->body_ended || hash.n != SHA256_BYTES)
		return;
	body_begin(verify);
	verify->body_ended = true;
	for (size_t i = 0; i < verify->group_count; i++) {
		struct verify_group *group = &verify->groups[i];

		group->octets = octets;
		if (group->canon == canon && group->limit == length)
			memcpy(group->hash, hash.p, SHA256_BYTES);
	}
}

void
verify_body_free(struct verify *verify)
{
	for (size_t i = 0; i < verify->group_count; i++)
		digest_free(verify->groups[i].digest);
}

static struct verify_verdict
body_short(struct verify *verify, const struct verify_signature *signature)
{
	struct err err = ERR_NONE;

	err_set(&err, "l=%lld, but the body has %llu octets",
	    (long long)signature->field.body_length, (unsigned long long)signature->body_octets);
	return verify_verdict_with(verify, VERIFY_BODY_SHORT, err.text);
}

struct verify_verdict
verify_body_verdict(struct verify *verify, size_t index)
{
	struct verify_signature *signature = &verify->signatures[index];
	const struct verify_group *group = &verify->groups[verify->works[index].group];
	const struct sigfield *field = &signature->field;

	signature->body_hash = group->hash;
	signature->body_octets = group->octets;
	signature->body_covered = signature->body_octets;
	if (field->body_length >= 0 && (uint64_t)field->body_length > signature->body_octets)
		return body_short(verify, signature);
	if (field->body_length >= 0)
		signature->body_covered = (uint64_t)field->body_length;
	if (field->body_hash_bytes != SHA256_BYTES ||
	    memcmp(field->body_hash, group->hash, SHA256_BYTES) != 0)
		return verify_verdict_of(VERIFY_BODY_MISMATCH);
	return verify_verdict_of(VERIFY_OK);
}

/* Octets of the body that have to be signed. */
static uint64_t
needed(const struct verify_options *options, uint64_t all)
{
	uint64_t n = options->minimum;

	if (options->minimum_kind == VERIFY_MINIMUM_ALL_BUT)
		return n < all ? all - n : 0;
	if (options->minimum_kind == VERIFY_MINIMUM_BYTES || n >= PERCENT_ALL)
		return n < all && options->minimum_kind == VERIFY_MINIMUM_BYTES ? n : all;
	return all / PERCENT_ALL * n + (all % PERCENT_ALL * n + PERCENT_ALL - 1) / PERCENT_ALL;
}

bool
verify_covers_enough(const struct verify_options *options, const struct verify_signature *signature)
{
	return signature->body_covered >= needed(options, signature->body_octets);
}
