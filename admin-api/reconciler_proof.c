/*
 * reconciler_proof.c - the last proof of a key: a message signed with the private key of the row
 * verifies with the record that the world sees, by our own verifier. Called by the reconciler
 * before a key is PROVEN. The message goes nowhere. It must never let a part of the key out, not in
 * a sentence either.
 */
#include <stdio.h>
#include <string.h>

#include "admin-api/proof.h"
#include "admin-api/reconciler_private.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/crypto/key.h"
#include "lib/dkim/signature.h"
#include "lib/dkim/verify.h"
#include "lib/store/sealedkey.h"

#define ARENA_MAX (1U << 20)
#define BODY "Does what is in DNS belong to the key?\r\n"

enum status
proof_open_key(
    struct sitekey *sitekey, const struct store_key *row, struct key **out, struct err *err)
{
	struct sealedkey_owner owner = {.tenant = row->tenant,
	    .domain = row->domain,
	    .selector = row->selector,
	    .id = row->id,
	    .revision = row->revision};
	enum status status;
	char *plain;
	size_t n;

	if (sealedkey_form(row->private_key) == SEALEDKEY_PLAIN)
		return key_parse(row->private_key, out, err);
	status = sealedkey_open(sitekey, &owner, row->private_key, &plain, &n, err);
	if (status != ST_OK)
		return status;
	status = key_parse(span_of(plain, n), out, err);
	secret_free(plain);
	return status;
}

static void
body_hash(uint8_t out[SHA256_BYTES])
{
	struct digest *digest = digest_new();

	digest_start(digest);
	digest_add(digest, SPAN_LIT(BODY));
	digest_finish(digest, out);
	digest_free(digest);
}

/* From and Date, and then the signature, into list. */
static enum status
write_message(struct key *key, const struct store_key *row, int64_t now_utc,
    struct header_list *list, struct err *err)
{
	uint8_t hash[SHA256_BYTES], signature[KEY_SIGNATURE_MAX];
	struct signature_params params = SIGNATURE_PARAMS_INIT;
	struct buf canonical, value, from;
	struct digest *digest;
	enum status status;
	size_t n;

	buf_init(&canonical, 4096);
	buf_init(&from, 1024);
	buf_init(&value, SIGNATURE_VALUE_MAX);
	body_hash(hash);
	buf_add_fmt(&from, " postmaster@%.*s", SPAN_ARG(row->domain));
	status = header_list_add(list, SPAN_LIT("From"), buf_span(&from), true);
	if (status == ST_OK)
		canon_header(CANON_RELAXED, &list->fields[0], &canonical);
	params.algorithm = key_algorithm(key);
	params.domain = row->domain;
	params.selector = row->selector;
	params.header_names = SPAN_LIT("From");
	params.body_hash = span_of(hash, sizeof(hash));
	params.time_utc = now_utc;
	if (status == ST_OK)
		status = signature_build(&params, &value, err);
	if (status == ST_OK) {
		digest = digest_new();
		signature_digest(
		    digest, buf_span(&canonical), CANON_RELAXED, buf_span(&value), hash);
		digest_free(digest);
		status = key_sign(key, hash, signature, &n, err);
	}
	if (status == ST_OK)
		status = signature_finish(&value, span_of(signature, n));
	if (status == ST_OK)
		status =
		    header_list_add(list, SPAN_LIT(SIGNATURE_FIELD_NAME), buf_span(&value), true);
	buf_free(&canonical);
	buf_free(&from);
	buf_free(&value);
	return status;
}

static enum status
judge(const struct header_list *list, const struct verify_key *answer, int64_t now_utc,
    struct arena *arena, enum verify_reason *reason_out, struct err *err)
{
	struct verify_options options = {.now_utc = now_utc, .clock_drift_s = 300};
	struct verify *verify;
	enum status status = verify_new(list, &options, arena, &verify, err);

	if (status != ST_OK)
		return status;
	verify_body(verify, SPAN_LIT(BODY));
	verify_body_done(verify);
	if (verify_count(verify) == 1 && verify_query(verify, 0, NULL).n > 0)
		verify_key(verify, 0, answer);
	verify_finish(verify);
	*reason_out =
	    verify_count(verify) == 1 ? verify_signature(verify, 0)->reason : VERIFY_INTERNAL;
	verify_free(verify);
	return ST_OK;
}

enum status
proof_judge(struct sitekey *sitekey, const struct store_key *row, const struct verify_key *answer,
    int64_t now_utc, enum verify_reason *reason_out, struct err *err)
{
	struct header_list list;
	struct key *key = NULL;
	struct arena arena;
	enum status status = proof_open_key(sitekey, row, &key, err);

	if (status != ST_OK) {
		err_prefix(err, "the private key cannot be used");
		return status;
	}
	arena_init(&arena, ARENA_MAX);
	status = header_list_init(&list, &arena, HEADER_BYTES_DEFAULT);
	if (status == ST_OK)
		status = write_message(key, row, now_utc, &list, err);
	if (status == ST_OK)
		status = judge(&list, answer, now_utc, &arena, reason_out, err);
	key_free(key);
	arena_free(&arena);
	return status;
}

enum status
proof_verify(struct sitekey *sitekey, const struct store_key *row, struct span record,
    int64_t now_utc, struct err *err)
{
	struct verify_key answer = {.status = ST_OK, .texts = &record, .count = 1};
	enum verify_reason reason = VERIFY_INTERNAL;
	enum status status = proof_judge(sitekey, row, &answer, now_utc, &reason, err);

	if (status != ST_OK || reason == VERIFY_OK)
		return status;
	err_set(err, "a message that was signed with it does not verify with what is in DNS: %s",
	    verify_reason_text(reason));
	return ST_INVALID;
}
