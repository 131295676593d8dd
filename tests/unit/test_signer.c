/*
 * test_signer.c - from a SIGN request to fields that verify: the signature is derived again from
 * the request and the field as a verifier would, and checked with the public half of the key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/signer.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/dkim/canon.h"
#include "lib/dkim/signature.h"
#include "tests/lib/scratch.h"

#define SIGNED_UTC 1700000000

struct world {
	struct scratch scratch;
	struct rules *rules;
	struct keycache *cache;
	struct signer signer;
	struct decision decision;
	struct reply reply;
	struct key *rsa, *ed25519;
	struct err err;
};

static void
make_key(struct world *w, const char *name, enum key_algorithm algorithm, struct key **key_out)
{
	char *pem = NULL;

	assert_int_equal(key_generate(algorithm, 2048, key_out, NULL), ST_OK);
	assert_int_equal(key_private_pem(*key_out, &pem, NULL), ST_OK);
	scratch_write(&w->scratch, name, pem);
	secret_free(pem);
}

/* table: lines of a KeyTable; '@' in front of a file's name stands for the folder. */
static void
write_table(struct world *w, const char *table)
{
	struct buf text;

	buf_init(&text, 4096);
	for (; *table != '\0'; table++) {
		if (*table == '@')
			buf_add_fmt(&text, "%s/", w->scratch.dir);
		else
			buf_add_char(&text, *table);
	}
	scratch_write(&w->scratch, "keys", buf_text(&text));
	buf_free(&text);
}

static void
begin(struct world *w, const char *table, const char *more)
{
	struct conf *conf = conf_new();
	char text[1024];

	memset(w, 0, sizeof(*w));
	scratch_begin(&w->scratch);
	scratch_log_begin(&w->scratch);
	make_key(w, "rsa", KEY_RSA_SHA256, &w->rsa);
	make_key(w, "ed", KEY_ED25519_SHA256, &w->ed25519);
	write_table(w, table);
	scratch_write(&w->scratch, "signing", "*@example.com k1\n*@example.com k2:@example.com\n");
	snprintf(text, sizeof(text),
	    "KeyTable file:%s/keys\nSigningTable refile:%s/signing\nRequireSafeKeys no\n%s",
	    w->scratch.dir, w->scratch.dir, more);
	assert_int_equal(conf_parse_text(conf, "test", span_str(text), NULL), ST_OK);
	assert_int_equal(rules_open(conf, NULL, &w->rules, &w->err), ST_OK);
	conf_free(conf);
	w->cache = keycache_new(KEYCACHE_BYTES_MIN, false, NULL);
	signer_init(&w->signer, w->cache, w->rules);
}

static void
end(struct world *w)
{
	decision_release(&w->decision);
	signer_free(&w->signer);
	keycache_free(w->cache);
	rules_close(w->rules);
	key_free(w->rsa);
	key_free(w->ed25519);
	scratch_end(&w->scratch);
}

static struct request
request_for(enum canon canon)
{
	struct request request = {.type = REQUEST_SIGN,
	    .family = 4,
	    .address = {127, 0, 0, 1},
	    .job_id = SPAN_LIT("4Q1"),
	    .user = SPAN_LIT("joe"),
	    .domain = SPAN_LIT("example.com"),
	    .body_length = -1,
	    .header_names = SPAN_LIT("From:Subject")};

	memset(request.body_hash, 0x5a, sizeof(request.body_hash));
	if (canon == CANON_RELAXED)
		request.flags = REQUEST_FLAG_HEADER_RELAXED | REQUEST_FLAG_BODY_RELAXED;
	request.canonical = canon == CANON_RELAXED
				? SPAN_LIT("from:joe@example.com\r\nsubject:a b\r\n")
				: SPAN_LIT("From: joe@example.com\r\nSubject: a\r\n  b\r\n");
	return request;
}

static enum status
sign(struct world *w, const struct request *request)
{
	decision_release(&w->decision);
	decision_make(w->rules, request, &w->decision);
	assert_int_equal(w->decision.verdict, VERDICT_SIGN);
	w->reply = (struct reply){.verdict = VERDICT_SIGN};
	w->err.text[0] = '\0';
	return signer_sign(&w->signer, request, &w->decision, SIGNED_UTC, 1000, &w->reply, &w->err);
}

/* The field as it arrives: line ends are CRLF. */
static void
arrived(struct span value, struct buf *out)
{
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '\n')
			buf_add_char(out, '\r');
		buf_add_char(out, value.p[i]);
	}
}

/* RFC 6376 section 3.7, from the received field. */
static enum status
verify(struct key *key, const struct request *request, struct span value, enum canon canon)
{
	uint8_t digest[SHA256_BYTES], raw[KEY_SIGNATURE_MAX + 3];
	struct buf field, hashed;
	struct header_field without = {.name = SPAN_LIT("DKIM-Signature")};
	struct digest *sha = digest_new();
	enum status status;
	size_t at, n = 0;

	buf_init(&field, 10000);
	buf_init(&hashed, 20000);
	arrived(value, &field);
	/* b= is the last tag. */
	at = span_rfind(buf_span(&field), ';');
	assert_true(at != SIZE_MAX);
	at += span_find(span_from(buf_span(&field), at), 'b') + 2;
	assert_int_equal(field.p[at - 1], '=');
	assert_int_equal(base64_decode(span_from(buf_span(&field), at), raw, &n), ST_OK);
	without.value = span_sub(buf_span(&field), 0, at);
	buf_add(&hashed, request->canonical);
	canon_header(canon, &without, &hashed);
	digest_start(sha);
	digest_add(sha, span_sub(buf_span(&hashed), 0, hashed.n - 2)); /* no CRLF behind it */
	digest_finish(sha, digest);
	status = key_verify(key, digest, span_of(raw, n));
	digest_free(sha);
	buf_free(&field);
	buf_free(&hashed);
	return status;
}

static bool
holds(struct span value, const char *text)
{
	char *copy = span_dup(value);
	bool found = strstr(copy, text) != NULL;

	mem_free(copy);
	return found;
}

static void
test_verifies(void **state)
{
	static const enum canon canons[] = {CANON_SIMPLE, CANON_RELAXED};
	struct world w;

	(void)state;
	begin(&w, "k1 example.com:s1:@rsa\nk2 example.com:s2:@ed\n", "MultipleSignatures yes\n");
	for (size_t i = 0; i < 2; i++) {
		struct request request = request_for(canons[i]);

		assert_int_equal(sign(&w, &request), ST_OK);
		assert_int_equal(w.reply.field_count, 2);
		for (size_t f = 0; f < 2; f++) {
			struct span value = w.reply.fields[f].value;

			assert_true(span_eq_str(w.reply.fields[f].name, "DKIM-Signature"));
			assert_int_equal(value.p[0], ' ');
			assert_int_equal(
			    verify(f == 0 ? w.rsa : w.ed25519, &request, value, canons[i]), ST_OK);
			assert_int_not_equal(
			    verify(f == 0 ? w.ed25519 : w.rsa, &request, value, canons[i]), ST_OK);
			assert_true(holds(value, f == 0 ? "a=rsa-sha256" : "a=ed25519-sha256"));
			assert_true(holds(value, f == 0 ? "s=s1;" : "s=s2;"));
			assert_true(holds(value, "d=example.com;"));
			assert_true(holds(value, "t=1700000000;"));
			assert_int_equal(holds(value, "i=@example.com;"), f == 1);
			assert_true(
			    holds(value, i == 0 ? "c=simple/simple;" : "c=relaxed/relaxed;"));
			assert_true(holds(value, "h=From:Subject;"));
			assert_true(
			    holds(value, "bh=WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo="));
			assert_false(holds(value, "l="));
			assert_false(holds(value, "\r"));
		}
		/* Another header does not verify. */
		request.canonical = SPAN_LIT("from:eve@example.com\r\n");
		assert_int_not_equal(
		    verify(w.rsa, &request, w.reply.fields[0].value, canons[i]), ST_OK);
	}
	end(&w);
}

static void
test_options(void **state)
{
	struct request request = request_for(CANON_RELAXED);
	struct world w;

	(void)state;
	begin(&w, "k1 example.com:s1:@ed:ed25519-sha256\n", "SignatureTTL 3600\n");
	request.body_length = 77;
	assert_int_equal(sign(&w, &request), ST_OK);
	assert_int_equal(w.reply.field_count, 1);
	assert_true(holds(w.reply.fields[0].value, "x=1700003600;"));
	assert_true(holds(w.reply.fields[0].value, "l=77;"));
	assert_int_equal(
	    verify(w.ed25519, &request, w.reply.fields[0].value, CANON_RELAXED), ST_OK);
	end(&w);
}

static void
test_refused_header_blocks(void **state)
{
	static const struct {
		struct span canonical, names;
		const char *words;
	} rows[] = {
	    {{"subject:a\r\n", 11}, {"Subject", 7}, "no From field"},
	    {{NULL, 0}, {"From", 4}, "no From field"},
	    {{"subject:from:\r\n", 15}, {"From", 4}, "no From field"},
	    {{"x-from:a\r\nfromage:b\r\n", 21}, {"From", 4}, "no From field"},
	    {{"from:a\r\n", 8}, {"Subject", 7}, "From"},
	    {{"from:a\r\n", 8}, {"From:a b", 8}, ""},
	};
	struct world w;

	(void)state;
	begin(&w, "k1 example.com:s1:@ed\n", "");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct request request = request_for(CANON_RELAXED);

		request.canonical = rows[i].canonical;
		request.header_names = rows[i].names;
		assert_int_not_equal(sign(&w, &request), ST_OK);
		assert_int_equal(w.reply.field_count, 0);
		assert_non_null(strstr(w.err.text, rows[i].words));
		assert_true(w.err.text[0] != '\0');
	}
	end(&w);
}

/* What the KeyTable can get wrong; with two keys, none signs. */
static void
test_refused_keys(void **state)
{
	static const struct {
		const char *table, *words;
	} rows[] = {
	    {"k1 example.com:s1:@rsa\nk2 example.com:s2:@ed:rsa-sha256\n",
		"the KeyTable says rsa-sha256, the key is for ed25519-sha256"},
	    {"k1 example.com:s1:@rsa:ed25519-sha256\nk2 example.com:s2:@ed\n",
		"the KeyTable says ed25519-sha256, the key is for rsa-sha256"},
	    {"k1 example.com:s1:@rsa\nk2 example.com:s2:@none\n", "error loading key 'k2'"},
	    {"k1 example.com:s1:@rsa\nk2 example.com:s2:@signing\n", "error loading key 'k2'"},
	    {"k1 example.com:s1:@rsa\nk2 example.com:s2:inlinetext\n", "error loading key 'k2'"},
	    {"k1 example.com:s1:@rsa\nk2 example.com:s_2!:@ed\n", "error loading key 'k2'"},
	    {"k1 example.com:s1:@rsa\nk2 exa;mple.com:s2:@ed\n", "error loading key 'k2'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct request request = request_for(CANON_RELAXED);
		struct world w;

		begin(&w, rows[i].table, "MultipleSignatures yes\n");
		assert_int_not_equal(sign(&w, &request), ST_OK);
		assert_int_equal(w.reply.field_count, 0);
		if (strstr(w.err.text, rows[i].words) == NULL)
			fail_msg("row %zu: %s", i, w.err.text);
		assert_null(strstr(w.err.text, "inlinetext"));
		end(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_verifies),
	    cmocka_unit_test(test_options),
	    cmocka_unit_test(test_refused_header_blocks),
	    cmocka_unit_test(test_refused_keys),
	};

	return cmocka_run_group_tests_name("daemon/signer", tests, NULL, NULL);
}
