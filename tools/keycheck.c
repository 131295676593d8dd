/*
 * keycheck.c - compares what is published with what signs.
 * Called by testkey for each key. It must never say OK when a verifier would not accept the
 * signatures of the key.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/crypto/public_key.h"
#include "lib/dkim/keyrecord.h"
#include "tools/keycheck.h"

#define P_BYTES_MAX 8192 /* octets of p= of our own key */

static void judge(struct keycheck *out, enum keycheck_verdict verdict, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

static void
judge(struct keycheck *out, enum keycheck_verdict verdict, const char *fmt, ...)
{
	va_list args;

	out->verdict = verdict;
	va_start(args, fmt);
	vsnprintf(out->text, sizeof(out->text), fmt, args);
	va_end(args);
}

/* Another encoding of the same key (RSAPublicKey instead of SubjectPublicKeyInfo) is the same key:
 * what the one signs the other verifies. */
static bool
verifies(struct key *key, struct public_key *published)
{
	uint8_t digest[SHA256_BYTES], signature[KEY_SIGNATURE_MAX];
	size_t n;

	random_bytes(digest, sizeof(digest));
	return key_sign(key, digest, signature, &n, NULL) == ST_OK &&
	       public_key_verify(published, digest, span_of(signature, n)) == ST_OK;
}

static bool
same_octets(const struct key *key, struct span published)
{
	uint8_t octets[P_BYTES_MAX / 4 * 3 + 3];
	struct buf text;
	size_t n;
	bool same;

	buf_init(&text, P_BYTES_MAX);
	same = key_public_base64(key, &text) == ST_OK &&
	       base64_decode(buf_span(&text), octets, &n) == ST_OK &&
	       span_eq(span_of(octets, n), published);
	buf_free(&text);
	return same;
}

static void
compare(const struct keyrecord *record, struct span name, struct key *key, struct keycheck *out)
{
	struct public_key *published = NULL;
	struct err err = ERR_NONE;

	if (key != NULL && key_algorithm(key) != record->algorithm) {
		judge(out, KEYCHECK_MISMATCH,
		    "keys do not match: '%.*s' is an %s key, the private key is for %s",
		    SPAN_ARG(name), record->algorithm == KEY_RSA_SHA256 ? "RSA" : "Ed25519",
		    key_algorithm_name(key_algorithm(key)));
		return;
	}
	if (public_key_parse(record->algorithm, record->key, &published, &err) != ST_OK) {
		judge(out, KEYCHECK_RECORD, "'%.*s' is no key that verifiers can use: %s",
		    SPAN_ARG(name), err.text);
		return;
	}
	if (key != NULL && !same_octets(key, record->key) && !verifies(key, published))
		judge(out, KEYCHECK_MISMATCH,
		    "keys do not match: '%.*s' is not the public half of the private key; publish "
		    "that, or sign with the key that is published",
		    SPAN_ARG(name));
	else if (public_key_bits(published) < KEY_RSA_BITS_MIN &&
		 record->algorithm == KEY_RSA_SHA256)
		judge(out, KEYCHECK_RECORD,
		    "'%.*s' is an RSA key of %d bits, which verifiers refuse (RFC 8301)",
		    SPAN_ARG(name), public_key_bits(published));
	public_key_free(published);
}

static void
judge_record(
    const struct keyrecord *record, struct span name, struct key *key, struct keycheck *out)
{
	if (record->revoked)
		judge(out, KEYCHECK_RECORD, "'%.*s' is revoked: its p= is empty", SPAN_ARG(name));
	else if (!record->known_type)
		judge(out, KEYCHECK_RECORD, "'%.*s' has a type of key that is not known: k=%.*s",
		    SPAN_ARG(name), record->type.n > 40 ? 40 : (int)record->type.n, record->type.p);
	else if (!record->sha256)
		judge(out, KEYCHECK_RECORD, "'%.*s' does not allow sha256 (h=)", SPAN_ARG(name));
	else if (!record->email)
		judge(out, KEYCHECK_RECORD, "'%.*s' is not for email (s=)", SPAN_ARG(name));
	else
		compare(record, name, key, out);
	if (out->verdict == KEYCHECK_OK && record->testing)
		snprintf(out->weak, sizeof(out->weak),
		    "'%.*s' says that the domain only tests DKIM (t=y)", SPAN_ARG(name));
}

static void
judge_text(struct span text, struct span name, struct key *key, struct keycheck *out)
{
	struct keyrecord record;
	struct err err = ERR_NONE;
	struct arena arena;

	arena_init(&arena, 2 * KEYRECORD_BYTES_MAX);
	if (keyrecord_parse(text, &arena, &record, &err) == ST_OK) {
		out->same_domain = record.same_domain;
		judge_record(&record, name, key, out);
	} else
		judge(
		    out, KEYCHECK_RECORD, "'%.*s' is no key record: %s", SPAN_ARG(name), err.text);
	arena_free(&arena);
}

void
keycheck_judge(
    const struct dns_answer *answer, struct span name, struct key *key, struct keycheck *out)
{
	*out = (struct keycheck){.verdict = KEYCHECK_OK, .security = answer->security};
	if (answer->security == DNS_BOGUS)
		judge(out, KEYCHECK_DNS, "'%.*s': DNSSEC validation failed", SPAN_ARG(name));
	else if (answer->status == ST_OK && answer->count == 1)
		judge_text(answer->texts[0].joined, name, key, out);
	else if (answer->status == ST_OK)
		judge(out, KEYCHECK_RECORD, "'%.*s' has %zu TXT records, verifiers use none",
		    SPAN_ARG(name), answer->count);
	else if (answer->status == ST_ABSENT)
		judge(out, KEYCHECK_RECORD, "'%.*s' record not found", SPAN_ARG(name));
	else if (answer->status == ST_UNAVAILABLE)
		judge(out, KEYCHECK_DNS, "'%.*s' query failed: %s", SPAN_ARG(name), answer->why);
	else
		judge(out, KEYCHECK_RECORD, "'%.*s' reply cannot be used: %s", SPAN_ARG(name),
		    answer->why);
}
