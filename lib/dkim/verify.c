/*
 * verify.c - the verifier of one message: finds its signatures, chooses, and puts together what
 * body, key and header say. Called by the session of a front-end and by tools. It must never say
 * pass for a signature of which any part was not looked at.
 */
#include "lib/dkim/verify.h"

#include "lib/dkim/signature.h"
#include "lib/dkim/verify_private.h"

/* What can be said before body and key are there; VERIFY_OK: nothing against it. */
static struct verify_verdict
field_verdict(struct verify *verify, const struct sigfield *field)
{
	const struct verify_options *options = verify->options;
	const char *unsigned_name;

	if (field->algorithm == SIGFIELD_UNKNOWN)
		return verify_verdict_of(VERIFY_ALGORITHM);
	if (field->algorithm == SIGFIELD_RSA_SHA1)
		return verify_verdict_of(VERIFY_SHA1);
	if (field->expires_utc >= 0 &&
	    field->expires_utc < options->now_utc - options->clock_drift_s)
		return verify_verdict_of(VERIFY_EXPIRED);
	if (field->time_utc > options->now_utc + options->clock_drift_s)
		return verify_verdict_of(VERIFY_FUTURE);
	unsigned_name = verify_uncovered(verify->list, field, options->must_be_signed);
	if (unsigned_name != NULL)
		return verify_verdict_with(verify, VERIFY_HEADER_UNSIGNED, unsigned_name);
	return verify_verdict_of(VERIFY_OK);
}

static void
signature_read(struct verify *verify, size_t index, size_t field_index)
{
	struct verify_signature *signature = &verify->signatures[index];
	struct verify_verdict verdict;
	struct err err = ERR_NONE;

	*signature = (struct verify_signature){.field_index = field_index, .chosen = true};
	verify->works[index] = (struct verify_work){.wanted = false};
	if (sigfield_parse(verify->list->fields[field_index].value, verify->arena,
		&signature->field, &err) != ST_OK)
		verdict = verify_verdict_with(verify, VERIFY_SYNTAX, err.text);
	else
		verdict = field_verdict(verify, &signature->field);
	verify->works[index].wanted = verdict.reason == VERIFY_OK;
	if (verdict.reason != VERIFY_OK)
		verify_decide(signature, &verdict);
}

static void
signatures_read(struct verify *verify)
{
	size_t index = 0;

	for (size_t i = 0; i < verify->list->count && index < verify->count; i++)
		if (header_name_eq(verify->list->fields[i].name, SPAN_LIT(SIGNATURE_FIELD_NAME)))
			signature_read(verify, index++, i);
}

enum status
verify_new(const struct header_list *list, const struct verify_options *options,
    struct arena *arena, struct verify **verify_out, struct err *err)
{
	size_t all = header_list_count(list, SPAN_LIT(SIGNATURE_FIELD_NAME));
	size_t count = all < VERIFY_SIGNATURES_MAX ? all : VERIFY_SIGNATURES_MAX;
	struct verify *verify = arena_alloc(arena, sizeof *verify);
	struct verify_signature *signatures = arena_alloc(arena, count * sizeof *signatures);
	struct verify_work *works = arena_alloc(arena, count * sizeof *works);
	struct verify_group *groups = arena_alloc(arena, count * sizeof *groups);

	*verify_out = NULL;
	if (verify == NULL || signatures == NULL || works == NULL || groups == NULL) {
		err_set(err, "no room for the signatures of the message");
		return ST_TOO_BIG;
	}
	*verify = (struct verify){.list = list,
	    .options = options,
	    .arena = arena,
	    .signatures = signatures,
	    .works = works,
	    .groups = groups,
	    .count = count,
	    .uncounted = all - count};
	signatures_read(verify);
	*verify_out = verify;
	return ST_OK;
}

void
verify_free(struct verify *verify)
{
	if (verify == NULL)
		return;
	for (size_t i = 0; i < verify->count; i++)
		public_key_free(verify->works[i].key);
	verify_body_free(verify);
	verify_header_free(verify);
}

size_t
verify_count(const struct verify *verify)
{
	return verify->count;
}

size_t
verify_uncounted(const struct verify *verify)
{
	return verify->uncounted;
}

const struct verify_signature *
verify_signature(const struct verify *verify, size_t index)
{
	return index < verify->count ? &verify->signatures[index] : NULL;
}

/* Takes up to most of those that are wanted, top first, and marks them kept. */
static size_t
choose_some(const struct verify *verify, const bool *trusted, size_t most, bool *kept)
{
	for (size_t i = 0; i < verify->count && most > 0; i++) {
		if (!verify->works[i].wanted || kept[i] || (trusted != NULL && !trusted[i]))
			continue;
		kept[i] = true;
		most--;
	}
	return most;
}

void
verify_choose(struct verify *verify, size_t most, const bool *trusted)
{
	bool kept[VERIFY_SIGNATURES_MAX] = {false};
	struct verify_verdict ignored = verify_verdict_of(VERIFY_IGNORED);

	if (trusted != NULL)
		most = choose_some(verify, trusted, most, kept);
	(void)choose_some(verify, NULL, most, kept);
	for (size_t i = 0; i < verify->count; i++) {
		if (!verify->works[i].wanted || kept[i])
			continue;
		verify->works[i].wanted = false;
		verify->signatures[i].chosen = false;
		verify_decide(&verify->signatures[i], &ignored);
	}
}

struct span
verify_query(const struct verify *verify, size_t index, size_t *same_as_out)
{
	size_t first = 0;
	struct span name;

	if (index >= verify->count || !verify->works[index].wanted || verify->works[index].answered)
		return SPAN_EMPTY;
	name = verify->signatures[index].field.query;
	while (
	    !verify->works[first].wanted || !span_eq(verify->signatures[first].field.query, name))
		first++; /* ends at index at last */
	if (same_as_out != NULL)
		*same_as_out = first;
	return name;
}

static struct verify_verdict
signature_check(struct verify *verify, size_t index)
{
	const struct sigfield *field = &verify->signatures[index].field;
	uint8_t hash[SHA256_BYTES];

	if (verify_header_hash(verify, index, hash) != ST_OK)
		return verify_verdict_of(VERIFY_INTERNAL);
	switch (public_key_verify(verify->works[index].key, hash, field->signature)) {
	case ST_OK:
		return verify_verdict_of(VERIFY_OK);
	case ST_INVALID:
		return verify_verdict_of(VERIFY_SIGNATURE_BAD);
	default:
		return verify_verdict_of(VERIFY_INTERNAL);
	}
}

/* It verifies: do we accept it? */
static struct verify_verdict
policy_verdict(const struct verify *verify, const struct verify_signature *signature)
{
	const struct verify_options *options = verify->options;
	struct verify_verdict verdict = verify_verdict_of(VERIFY_OK);

	if (!verify_covers_enough(options, signature))
		return verify_verdict_of(VERIFY_BODY_PART);
	if (options->unprotected == VERIFY_DNSSEC_ACCEPT ||
	    signature->dnssec == VERIFY_DNSSEC_SECURE)
		return verdict;
	verdict = verify_verdict_of(VERIFY_KEY_UNPROTECTED);
	if (options->unprotected == VERIFY_DNSSEC_NEUTRAL)
		verdict.result = VERIFY_NEUTRAL;
	return verdict;
}

/* The body first: what it says does not depend on when the key came. */
static struct verify_verdict
final_verdict(struct verify *verify, size_t index)
{
	const struct verify_work *work = &verify->works[index];
	struct verify_verdict verdict = verify_body_verdict(verify, index);

	if (verdict.reason != VERIFY_OK)
		return verdict;
	if (!work->answered)
		return verify_verdict_of(VERIFY_DNS_UNAVAILABLE);
	if (work->key_verdict.reason != VERIFY_OK)
		return work->key_verdict;
	verdict = signature_check(verify, index);
	if (verdict.reason != VERIFY_OK)
		return verdict;
	return policy_verdict(verify, &verify->signatures[index]);
}

void
verify_finish(struct verify *verify)
{
	verify_body_done(verify);
	for (size_t i = 0; i < verify->count; i++) {
		struct verify_verdict verdict;

		if (!verify->works[i].wanted)
			continue;
		verdict = final_verdict(verify, i);
		verify_decide(&verify->signatures[i], &verdict);
		verify->works[i].wanted = false;
	}
}
