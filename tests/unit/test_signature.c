/*
 * test_signature.c - DKIM-Signature fields written and signed, against the published messages of
 * RFC 6376 and RFC 8463.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/dkim/header.h"
#include "lib/dkim/signature.h"
#include "lib/dkim/tags.h"

#define FILE_MAX 10000
#define RFC_BODY_HASH "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
#define RFC6376_KEY                                                                                \
	"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt"         \
	"IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0"         \
	"fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
#define RFC8463_RSA_KEY                                                                            \
	"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bd"         \
	"OKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4h"         \
	"stT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
#define RFC8463_ED25519_SEED "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
#define RFC8463_ED25519_PUBLIC "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

/* A published message: its first fields are signatures. */
struct message {
	char text[FILE_MAX];
	struct arena arena;
	struct header_list list;
	struct span body;
};

static struct digest *digest;

static void
message_load(struct message *m, const char *name)
{
	const char *top = getenv("SRCDIR");
	char path[1000];
	struct err err = ERR_NONE;
	size_t n, body_at;
	FILE *f;

	snprintf(path, sizeof path, "%s/tests/vectors/%s", top == NULL ? TOP_SRCDIR : top, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(m->text, 1, sizeof m->text, f);
	fclose(f);
	arena_init(&m->arena, 100000);
	assert_int_equal(header_list_init(&m->list, &m->arena, 100000), ST_OK);
	assert_int_equal(header_block_parse(span_of(m->text, n), &m->list, &body_at, &err), ST_OK);
	m->body = span_of(m->text + body_at, n - body_at);
}

/* The value of a signature field up to and with "b=", and what follows the b= value behind. */
static void
split_b(struct span value, struct buf *without_b)
{
	size_t at = SIZE_MAX;

	for (size_t i = 1; i + 1 < value.n; i++)
		if (value.p[i] == 'b' && value.p[i + 1] == '=' && ascii_blank(value.p[i - 1]))
			at = i + 2;
	assert_true(at != SIZE_MAX);
	buf_add(without_b, span_sub(value, 0, at));
	value = span_from(value, at);
	if (span_find(value, ';') != SIZE_MAX)
		buf_add(without_b, span_from(value, span_find(value, ';')));
}

/* As a verifier: for each name of h= the last instance not used yet. */
static void
canonical_by_names(const struct message *m, struct span names, enum canon canon, struct buf *out)
{
	bool used[100] = {false};
	bool more = true;
	struct span name;

	while (more) {
		more = span_cut(&names, ':', &name);
		for (size_t i = m->list.count; i-- > 0;) {
			if (used[i] || !header_name_eq(m->list.fields[i].name, name))
				continue;
			used[i] = true;
			canon_header(canon, &m->list.fields[i], out);
			break;
		}
	}
}

/* The digest that field number index of the message signs. */
static void
message_digest(const struct message *m, size_t index, enum canon canon, struct tag_list *tags,
    uint8_t out[SHA256_BYTES])
{
	struct span value = m->list.fields[index].value;
	struct buf headers, without_b;
	struct span names;

	buf_init(&headers, FILE_MAX);
	buf_init(&without_b, FILE_MAX);
	assert_int_equal(tags_parse(value, tags, NULL), ST_OK);
	assert_true(tags_find(tags, "h", &names));
	canonical_by_names(m, names, canon, &headers);
	split_b(value, &without_b);
	signature_digest(digest, buf_span(&headers), canon, buf_span(&without_b), out);
	buf_free(&headers);
	buf_free(&without_b);
}

static void
check_body_hash(const struct message *m, enum canon canon)
{
	struct canon_body body;
	uint8_t hash[SHA256_BYTES];
	char text[44];

	canon_body_init(&body, canon, digest, -1, true);
	canon_body_update(&body, m->body);
	canon_body_finish(&body, hash, NULL);
	base64_encode(hash, sizeof hash, text);
	assert_memory_equal(text, RFC_BODY_HASH, sizeof text);
}

static void
check_rsa(const char *public_key, const struct tag_list *tags, const uint8_t hash[SHA256_BYTES])
{
	uint8_t der[400], signature[400];
	const uint8_t *p = der;
	size_t der_n, signature_n;
	struct span b;
	EVP_PKEY *key;
	EVP_PKEY_CTX *ctx;

	assert_true(tags_find(tags, "b", &b));
	assert_int_equal(base64_decode(b, signature, &signature_n), ST_OK);
	assert_int_equal(base64_decode(span_str(public_key), der, &der_n), ST_OK);
	key = d2i_PUBKEY(NULL, &p, (long)der_n);
	assert_non_null(key);
	ctx = EVP_PKEY_CTX_new(key, NULL);
	assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()), 1);
	assert_int_equal(EVP_PKEY_verify(ctx, signature, signature_n, hash, SHA256_BYTES), 1);
	signature[5] ^= 1;
	assert_int_not_equal(EVP_PKEY_verify(ctx, signature, signature_n, hash, SHA256_BYTES), 1);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
}

static void
test_rfc6376_appendix_a(void **state)
{
	struct message m;
	struct tag_list tags;
	uint8_t hash[SHA256_BYTES];

	(void)state;
	message_load(&m, "rfc6376-a.eml");
	check_body_hash(&m, CANON_SIMPLE);
	message_digest(&m, 0, CANON_SIMPLE, &tags, hash);
	check_rsa(RFC6376_KEY, &tags, hash);
	arena_free(&m.arena);
}

/* The seed of the RFC in the PKCS#8 frame of RFC 8410. */
static struct key *
rfc8463_ed25519_key(void)
{
	uint8_t der[16 + 40] = {
	    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20};
	struct err err = ERR_NONE;
	struct key *key = NULL;
	char text[64];
	size_t n;

	assert_int_equal(base64_decode(SPAN_LIT(RFC8463_ED25519_SEED), der + 16, &n), ST_OK);
	assert_int_equal(n, 32);
	base64_encode(der, 48, text);
	assert_int_equal(key_parse(span_of(text, sizeof text), &key, &err), ST_OK);
	return key;
}

static void
test_rfc8463_appendix_a(void **state)
{
	struct message m;
	struct tag_list tags;
	uint8_t hash[SHA256_BYTES], signature[KEY_SIGNATURE_MAX];
	struct key *key = rfc8463_ed25519_key();
	struct err err = ERR_NONE;
	struct buf text, b;
	struct span published;
	size_t n;

	(void)state;
	buf_init(&text, 1000);
	buf_init(&b, 1000);
	assert_int_equal(key_public_base64(key, &b), ST_OK);
	assert_string_equal(buf_text(&b), RFC8463_ED25519_PUBLIC);
	buf_reset(&b);
	message_load(&m, "rfc8463-a.eml");
	check_body_hash(&m, CANON_RELAXED);
	message_digest(&m, 0, CANON_RELAXED, &tags, hash);
	assert_int_equal(key_sign(key, hash, signature, &n, &err), ST_OK);
	assert_int_equal(signature_finish(&text, span_of(signature, n)), ST_OK);
	tags_strip_blanks(buf_span(&text), &b);
	buf_reset(&text);
	assert_true(tags_find(&tags, "b", &published));
	tags_strip_blanks(published, &text);
	assert_string_equal(buf_text(&b), buf_text(&text));
	message_digest(&m, 1, CANON_RELAXED, &tags, hash);
	check_rsa(RFC8463_RSA_KEY, &tags, hash);
	key_free(key);
	buf_free(&text);
	buf_free(&b);
	arena_free(&m.arena);
}

static const uint8_t hash32[SHA256_BYTES] = {1, 2, 3, 250};

static struct signature_params
some_params(void)
{
	struct signature_params p = SIGNATURE_PARAMS_INIT;

	p.algorithm = KEY_RSA_SHA256;
	p.domain = SPAN_LIT("example.com");
	p.selector = SPAN_LIT("s1");
	p.header_names = SPAN_LIT("From:To:Subject");
	p.body_hash = span_of(hash32, sizeof hash32);
	return p;
}

static void
test_build_exact(void **state)
{
	struct signature_params p = some_params();
	struct err err = ERR_NONE;
	struct buf value, milter;

	(void)state;
	buf_init(&value, SIGNATURE_VALUE_MAX);
	buf_init(&milter, SIGNATURE_VALUE_MAX);
	assert_int_equal(signature_build(&p, &value, &err), ST_OK);
	assert_string_equal(buf_text(&value),
	    " v=1; a=rsa-sha256; c=relaxed/simple; d=example.com; s=s1;\r\n"
	    "\tbh=AQID+gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; h=From:To:Subject;\r\n"
	    "\tb=");
	buf_reset(&value);
	p.algorithm = KEY_ED25519_SHA256;
	p.body_canon = CANON_RELAXED;
	p.time_utc = 1700000000;
	p.expires_utc = 1700000600;
	p.identity = SPAN_LIT("a;b=\xc3\xa4 c@sub.example.com");
	p.request_reports = true;
	p.body_length = 0;
	p.copied_headers = SPAN_LIT("From:a=20b|To:c");
	assert_int_equal(signature_build(&p, &value, &err), ST_OK);
	assert_int_equal(signature_finish(&value, SPAN_LIT("0123456789abcdef")), ST_OK);
	assert_string_equal(buf_text(&value),
	    " v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com;\r\n"
	    "\ts=s1; t=1700000000; x=1700000600;\r\n"
	    "\ti=a=3Bb=3D=C3=A4=20c@sub.example.com; r=y;\r\n"
	    "\tbh=AQID+gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; l=0; h=From:To:\r\n"
	    "\tSubject; z=From:a=20b|To:c; b=MDEyMzQ1Njc4OWFiY2RlZg==");
	assert_int_equal(signature_milter_value(buf_span(&value), false, &milter), ST_OK);
	assert_int_equal(milter.p[0], 'v');
	assert_int_equal(span_find(buf_span(&milter), '\r'), SIZE_MAX);
	assert_int_equal(milter.n, value.n - 1 - 4);
	buf_reset(&milter);
	assert_int_equal(signature_milter_value(buf_span(&value), true, &milter), ST_OK);
	assert_int_equal(milter.p[0], ' ');
	buf_free(&value);
	buf_free(&milter);
}

static void
refuse(const struct signature_params *p, enum status want)
{
	struct err err = ERR_NONE;
	struct buf value;

	buf_init(&value, SIGNATURE_VALUE_MAX);
	assert_int_equal(signature_build(p, &value, &err), want);
	if (want != ST_OK)
		assert_true(err.text[0] != '\0');
	buf_free(&value);
}

static void
test_build_refuses(void **state)
{
	static const char *const identities[] = {"joe", "joe@other.example", "@notexample.com",
	    "joe@", "j\roe@example.com", "joe@example.com(.x", "joe@com"};
	static const char *const names[] = {"", "To", "From:", ":From", "From::To", "From:a b",
	    "From:a;b", "From:\r\n To", "From:x\x80"};
	static const char *const domains[] = {"", "a..b", "a b", "example.net(.example.com", "a;b"};
	struct signature_params p = some_params();

	(void)state;
	refuse(&p, ST_OK);
	for (size_t i = 0; i < sizeof identities / sizeof *identities; i++) {
		p.identity = span_str(identities[i]);
		refuse(&p, ST_INVALID);
	}
	p = some_params();
	p.identity = SPAN_LIT("@example.com");
	refuse(&p, ST_OK);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		p.header_names = span_str(names[i]);
		refuse(&p, ST_INVALID);
	}
	p = some_params();
	for (size_t i = 0; i < sizeof domains / sizeof *domains; i++) {
		p.domain = span_str(domains[i]);
		refuse(&p, ST_INVALID);
		p.domain = SPAN_LIT("example.com");
		p.selector = span_str(domains[i]);
		refuse(&p, ST_INVALID);
		p = some_params();
	}
	p.body_hash.n = 31;
	refuse(&p, ST_INVALID);
	p = some_params();
	p.time_utc = p.expires_utc = 5;
	refuse(&p, ST_INVALID);
	p = some_params();
	p.copied_headers = SPAN_LIT("From:a;b");
	refuse(&p, ST_INVALID);
}

/* Every line short, and cutting the b= value gives back what was hashed, whatever the sizes. */
static void
check_finished(const struct signature_params *p, size_t signature_n)
{
	static uint8_t raw[KEY_SIGNATURE_MAX];
	struct err err = ERR_NONE;
	struct buf value, without_b, unfolded;
	struct span rest, line;
	struct tag_list tags;
	size_t hashed, prefix = sizeof SIGNATURE_FIELD_NAME;
	bool more = true;

	buf_init(&value, SIGNATURE_VALUE_MAX);
	buf_init(&without_b, SIGNATURE_VALUE_MAX);
	buf_init(&unfolded, SIGNATURE_VALUE_MAX);
	assert_int_equal(signature_build(p, &value, &err), ST_OK);
	hashed = value.n;
	assert_int_equal(signature_finish(&value, span_of(raw, signature_n)), ST_OK);
	split_b(buf_span(&value), &without_b);
	assert_int_equal(without_b.n, hashed);
	assert_memory_equal(without_b.p, value.p, hashed);
	for (rest = buf_span(&value); more; prefix = 7) {
		more = span_cut(&rest, '\n', &line);
		assert_true(line.n + prefix <= SIGNATURE_LINE_MAX);
		if (p->domain.n < 20 && p->selector.n < 20)
			assert_true(line.n + prefix <= 95);
	}
	assert_int_equal(tags_parse(buf_span(&value), &tags, &err), ST_OK);
	assert_true(tags_find(&tags, "h", &line));
	tags_strip_blanks(line, &unfolded);
	assert_true(span_eq(buf_span(&unfolded), p->header_names));
	buf_free(&value);
	buf_free(&without_b);
	buf_free(&unfolded);
}

static void
test_folding(void **state)
{
	char names[3000] = "From", selector[64];
	struct signature_params p = some_params();

	(void)state;
	memset(selector, 's', sizeof selector);
	for (size_t n = 1; n <= 63; n++) {
		p.selector = span_of(selector, n);
		for (size_t sig = 0; sig <= 256; sig += 32)
			check_finished(&p, sig);
	}
	p = some_params();
	for (unsigned i = 0; i < 60; i++) {
		p.header_names = span_str(names);
		p.time_utc = i;
		check_finished(&p, 256);
		sprintf(names + strlen(names), ":X-%.*s", (int)(i % 40),
		    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnop");
	}
	p.copied_headers = span_of(names, strlen(names));
	check_finished(&p, KEY_SIGNATURE_MAX);
}

static void
test_tags(void **state)
{
	static const struct {
		const char *text;
		enum status st;
		size_t count;
	} table[] = {
	    {"v=1", ST_OK, 1},
	    {"v=1;", ST_OK, 1},
	    {" v = 1 ; \r\n\ta=b ; ", ST_OK, 2},
	    {"a=;b=", ST_OK, 2},
	    {"a==;b=x=y", ST_OK, 2},
	    {"a=1;A=2", ST_OK, 2},
	    {"a_1=x", ST_OK, 1},
	    {"n=\xc3\xa4", ST_OK, 1},
	    {"", ST_INVALID, 0},
	    {";", ST_INVALID, 0},
	    {"a=1;;b=2", ST_INVALID, 0},
	    {"a=1;a=2", ST_INVALID, 0},
	    {"a", ST_INVALID, 0},
	    {"=1", ST_INVALID, 0},
	    {"1a=1", ST_INVALID, 0},
	    {"_a=1", ST_INVALID, 0},
	    {"a b=1", ST_INVALID, 0},
	    {"a=\x01", ST_INVALID, 0},
	};
	struct tag_list tags;
	struct span value = SPAN_EMPTY;

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		assert_int_equal(tags_parse(span_str(table[i].text), &tags, NULL), table[i].st);
		if (table[i].st == ST_OK)
			assert_int_equal(tags.count, table[i].count);
	}
	assert_int_equal(tags_parse(SPAN_LIT(" a = x y ;b=z"), &tags, NULL), ST_OK);
	assert_true(tags_find(&tags, "a", &value));
	assert_true(span_eq_str(value, "x y"));
	assert_false(tags_find(&tags, "A", &value));
}

static void
test_tags_many(void **state)
{
	char text[1000] = "";
	struct tag_list tags;

	(void)state;
	for (unsigned i = 0; i < TAGS_MAX; i++)
		sprintf(text + strlen(text), "t%u=x;", i);
	assert_int_equal(tags_parse(span_str(text), &tags, NULL), ST_OK);
	strcat(text, "more=x");
	assert_int_equal(tags_parse(span_str(text), &tags, NULL), ST_TOO_BIG);
}

static void
test_quoting(void **state)
{
	struct buf quoted, plain;
	char all[256];

	(void)state;
	buf_init(&quoted, 1000);
	buf_init(&plain, 1000);
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (char)i;
	for (int pipe = 0; pipe < 2; pipe++) {
		signature_quote(span_of(all, sizeof all), pipe, &quoted);
		assert_int_equal(span_find(buf_span(&quoted), ';'), SIZE_MAX);
		assert_int_equal(tags_unquote(buf_span(&quoted), &plain), ST_OK);
		assert_true(span_eq(buf_span(&plain), span_of(all, sizeof all)));
		buf_reset(&quoted);
		buf_reset(&plain);
	}
	assert_int_equal(tags_unquote(SPAN_LIT("a=4"), &plain), ST_INVALID);
	assert_int_equal(tags_unquote(SPAN_LIT("a=4g"), &plain), ST_INVALID);
	assert_int_equal(tags_unquote(SPAN_LIT("a=4a"), &plain), ST_INVALID);
	buf_free(&quoted);
	buf_free(&plain);
}

static int
setup(void **state)
{
	(void)state;
	digest = digest_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	digest_free(digest);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rfc6376_appendix_a),
	    cmocka_unit_test(test_rfc8463_appendix_a),
	    cmocka_unit_test(test_build_exact),
	    cmocka_unit_test(test_build_refuses),
	    cmocka_unit_test(test_folding),
	    cmocka_unit_test(test_tags),
	    cmocka_unit_test(test_tags_many),
	    cmocka_unit_test(test_quoting),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
