/*
 * bench_verify.c - what verifying a message costs beside the arithmetic it cannot do without: one
 * public-key operation with a key that is ready, and SHA-256 of the octets. Prints microseconds and
 * ratios of one run; single figures of one machine mean little. `make tests/bench/bench_verify`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/dkim/keyrecord.h"
#include "tests/lib/signed_mail.h"

#define ROUNDS 7
#define REPEAT 400
#define NOW 1800000000
#define BODY_LINE                                                                                  \
	"The quick brown fox jumps over the lazy dog, and the dog does not mind at all.\r\n"
#define RECEIVED                                                                                   \
	"Received: from mail-a.example.org (mail-a.example.org [192.0.2.25])\r\n"                  \
	"\tby mx.example.net (Postfix) with ESMTPS id 4XyZ0123456789\r\n"                          \
	"\tfor <bob@example.net>; Sat,  1 Jan 2028 12:00:00 +0000 (UTC)\r\n"
#define HEADERS                                                                                    \
	RECEIVED RECEIVED RECEIVED                                                                 \
	    "From: Alice Example <alice@example.org>\r\nTo: Bob <bob@example.net>\r\n"             \
	    "Subject: what verifying a message costs\r\n"                                          \
	    "Date: Sat, 01 Jan 2028 12:00:00 +0000\r\nMessage-ID: <1234@mail-a.example.org>\r\n"   \
	    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"                     \
	    "Content-Transfer-Encoding: 7bit\r\nReply-To: alice@example.org\r\n"                   \
	    "List-Id: <list.example.org>\r\nX-Mailer: a program of some kind 1.2.3\r\n"

/* What is measured; each has the same inputs. */
struct work {
	struct buf message, record;
	struct header_list list;
	struct arena list_arena, arena;
	struct span body, key_octets;
	struct verify_options options;
	enum key_algorithm algorithm;
	struct public_key *key; /* ready */
	struct digest *digest;
	struct span signature;
	uint8_t hash[SHA256_BYTES];
};

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Best of a few rounds, microseconds. */
static double
measure(struct work *w, void (*run)(struct work *))
{
	double best = 1e12;

	for (int round = 0; round < ROUNDS; round++) {
		double start = now_us();

		for (int i = 0; i < REPEAT; i++)
			run(w);
		if (now_us() - start < best)
			best = now_us() - start;
	}
	return best / REPEAT;
}

static void
run_floor(struct work *w)
{
	uint8_t hash[SHA256_BYTES];

	digest_start(w->digest);
	digest_add(w->digest, w->body);
	digest_finish(w->digest, hash);
	must(public_key_verify(w->key, w->hash, w->signature) != ST_FAILED);
}

static void
run_sha(struct work *w)
{
	digest_start(w->digest);
	digest_add(w->digest, w->body);
	digest_finish(w->digest, w->hash);
}

static void
run_parse_key(struct work *w)
{
	struct public_key *key;

	must(public_key_parse(w->algorithm, w->key_octets, &key, NULL) == ST_OK);
	public_key_free(key);
}

static void
run_parse_and_verify(struct work *w)
{
	struct public_key *key;

	must(public_key_parse(w->algorithm, w->key_octets, &key, NULL) == ST_OK);
	must(public_key_verify(key, w->hash, w->signature) != ST_FAILED);
	public_key_free(key);
}

static void
run_record(struct work *w)
{
	struct keyrecord record;

	must(keyrecord_parse(buf_span(&w->record), &w->arena, &record, NULL) == ST_OK);
	arena_reset(&w->arena);
}

static void
run_field(struct work *w)
{
	struct sigfield field;

	must(sigfield_parse(w->list.fields[0].value, &w->arena, &field, NULL) == ST_OK);
	arena_reset(&w->arena);
}

/* All but reading the header fields into the list, which the session does anyway. */
static void
run_message(struct work *w)
{
	struct span record = buf_span(&w->record);
	struct verify_key answer = {.status = ST_OK, .texts = &record, .count = 1};
	struct verify *verify;

	must(verify_new(&w->list, &w->options, &w->arena, &verify, NULL) == ST_OK);
	verify_body(verify, w->body);
	verify_body_done(verify);
	for (size_t i = 0; i < verify_count(verify); i++)
		verify_key(verify, i, &answer);
	verify_finish(verify);
	must(verify_signature(verify, 0)->result == VERIFY_PASS);
	verify_free(verify);
	arena_reset(&w->arena);
}

static void
work_open(struct work *w, struct key *key, size_t body_bytes)
{
	struct signature_params p = SIGNATURE_PARAMS_INIT;
	struct keyrecord record;
	struct sigfield field;
	size_t body_at;

	p.domain = SPAN_LIT("example.org");
	p.selector = SPAN_LIT("sel");
	p.body_canon = CANON_RELAXED;
	p.header_names =
	    SPAN_LIT("From:To:Subject:Date:Message-ID:MIME-Version:Content-Type:Reply-To:List-Id");
	memset(w, 0, sizeof *w);
	w->algorithm = key_algorithm(key);
	w->options = (struct verify_options){.now_utc = NOW, .clock_drift_s = 300};
	w->digest = digest_new();
	buf_init(&w->message, SIGNED_MAIL_MAX);
	buf_add_str(&w->message, HEADERS "\r\n");
	while (w->message.n < body_bytes + sizeof HEADERS)
		buf_add_str(&w->message, BODY_LINE);
	signed_mail_sign(&w->message, key, &p);
	buf_init(&w->record, 5000);
	signed_mail_record(key, "", &w->record);
	arena_init(&w->arena, SIGNED_MAIL_MAX);
	arena_init(&w->list_arena, SIGNED_MAIL_MAX);
	must(header_list_init(&w->list, &w->list_arena, SIGNED_MAIL_MAX) == ST_OK);
	must(header_block_parse(buf_span(&w->message), &w->list, &body_at, NULL) == ST_OK);
	w->body = span_from(buf_span(&w->message), body_at);
	must(keyrecord_parse(buf_span(&w->record), &w->list_arena, &record, NULL) == ST_OK);
	w->key_octets = record.key;
	must(public_key_parse(w->algorithm, record.key, &w->key, NULL) == ST_OK);
	must(sigfield_parse(w->list.fields[0].value, &w->list_arena, &field, NULL) == ST_OK);
	w->signature = field.signature;
}

static void
work_close(struct work *w)
{
	public_key_free(w->key);
	digest_free(w->digest);
	arena_free(&w->arena);
	arena_free(&w->list_arena);
	buf_free(&w->message);
	buf_free(&w->record);
}

static void
report(const char *what, enum key_algorithm algorithm, int bits, size_t body_bytes)
{
	struct key *key;
	struct work w;
	double floor;

	must(key_generate(algorithm, bits, &key, NULL) == ST_OK);
	work_open(&w, key, body_bytes);
	floor = measure(&w, run_floor);
	printf("%s, body of %zu octets: floor %.2f us (SHA-256 of the body %.2f)\n", what, w.body.n,
	    floor, measure(&w, run_sha));
	printf("  key: parse %.2f us, parse and verify %.2f\n", measure(&w, run_parse_key),
	    measure(&w, run_parse_and_verify));
	printf("  key record %.2f us, signature field %.2f\n", measure(&w, run_record),
	    measure(&w, run_field));
	printf("  message, key parsed anew   %.2f us, %.2f of the floor\n",
	    measure(&w, run_message), measure(&w, run_message) / floor);
	w.options.keys = public_key_cache_new(16);
	printf("  message, key in the cache  %.2f us, %.2f of the floor\n",
	    measure(&w, run_message), measure(&w, run_message) / floor);
	public_key_cache_free(w.options.keys);
	work_close(&w);
	key_free(key);
}

int
main(void)
{
	report("rsa-2048", KEY_RSA_SHA256, 2048, 4096);
	report("rsa-1024", KEY_RSA_SHA256, 1024, 4096);
	report("ed25519", KEY_ED25519_SHA256, 0, 4096);
	report("rsa-2048", KEY_RSA_SHA256, 2048, 1048576);
	return 0;
}
