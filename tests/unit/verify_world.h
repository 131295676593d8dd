/*
 * verify_world.h - session_world.h with mail that is signed by a key of the test, and a resolver
 * that answers from a text: for test_session_verify.c and test_session_results.c.
 */
#ifndef SIGNPOST_TESTS_UNIT_VERIFY_WORLD_H
#define SIGNPOST_TESTS_UNIT_VERIFY_WORLD_H
#include "tests/unit/session_world.h"

#include "lib/base/clock.h"
#include "lib/crypto/key.h"
#include "lib/dkim/signature.h"
#include "lib/dns/dns.h"

#define BODY "Hello\r\n"
#define ZONE "s._domainkey.example.com $K\n"
#define NOW INT64_C(1790000000)
#define DOMAINS_MAX 4

struct vworld {
	struct world w; /* first: its host is the session's */
	struct loop loop;
	struct key *key;
	struct buf record; /* v=DKIM1; k=ed25519; p=... */
	unsigned int resumed;
	int64_t covered; /* l= of what vsign makes; 0: none */
};

static __attribute__((unused)) void
vresume(struct session *session)
{
	struct vworld *v = (struct vworld *)(void *)session->host;

	v->resumed++;
	session_keys_ready(session);
}

/* zone: lines "NAME RECORD", each "$K" in it is the record of the key. */
static __attribute__((unused)) void
vbegin_as(struct vworld *v, const char *conf, const char *zone, uint32_t version, uint32_t protocol)
{
	struct err err = ERR_NONE;
	struct buf text;
	const char *at;

	memset(v, 0, sizeof(*v));
	begin(&v->w, conf);
	assert_int_equal(loop_open(&v->loop, &err), ST_OK);
	assert_int_equal(key_generate(KEY_ED25519_SHA256, 0, &v->key, &err), ST_OK);
	buf_init(&v->record, 4096);
	buf_add_str(&v->record, "v=DKIM1; k=ed25519; p=");
	assert_int_equal(key_public_base64(v->key, &v->record), ST_OK);
	buf_init(&text, 65536);
	while ((at = strstr(zone, "$K")) != NULL) {
		buf_add(&text, span_of(zone, (size_t)(at - zone)));
		buf_add(&text, buf_span(&v->record));
		zone = at + 2;
	}
	buf_add_str(&text, zone);
	assert_int_equal(
	    resolver_fake(&v->loop, buf_span(&text), &v->w.host.resolver, &err), ST_OK);
	buf_free(&text);
	v->w.host.resume = vresume;
	v->w.host.now_utc = NOW;
	negotiate(&v->w, version, protocol);
	MACROS(&v->w, SMFIC_CONNECT, "j", "mx.Example.NET");
	connect_from(&v->w, SMFIA_INET, "192.0.2.9");
	(void)replies(&v->w);
}

static __attribute__((unused)) void
vbegin(struct vworld *v, const char *conf, const char *zone)
{
	vbegin_as(v, conf, zone, 6, SMFIP_V6);
}

static __attribute__((unused)) void
vend(struct vworld *v)
{
	resolver_free(v->w.host.resolver);
	v->w.host.resolver = NULL;
	end(&v->w);
	loop_close(&v->loop);
	key_free(v->key);
	buf_free(&v->record);
}

/* The DKIM-Signature of "From: FROM" and BODY, for d=domain s=s, as a milter delivers its value. */
static __attribute__((unused)) char *
vsign(struct vworld *v, const char *domain, const char *body)
{
	struct signature_params params = SIGNATURE_PARAMS_INIT;
	struct digest *digest = digest_new();
	uint8_t hash[SHA256_BYTES], signature[KEY_SIGNATURE_MAX];
	struct err err = ERR_NONE;
	struct buf value, out;
	size_t n;
	char *text;

	buf_init(&value, SIGNATURE_VALUE_MAX);
	buf_init(&out, SIGNATURE_VALUE_MAX);
	sha256(body, hash);
	params.algorithm = KEY_ED25519_SHA256;
	params.domain = span_str(domain);
	params.selector = SPAN_LIT("s");
	params.header_names = SPAN_LIT("From");
	params.body_hash = span_of(hash, sizeof(hash));
	params.time_utc = NOW - 60;
	params.body_length = v->covered > 0 ? v->covered : -1;
	assert_int_equal(signature_build(&params, &value, &err), ST_OK);
	signature_digest(digest, SPAN_LIT("from:Joe <joe@Example.COM>\r\n"), CANON_RELAXED,
	    buf_span(&value), hash);
	assert_int_equal(key_sign(v->key, hash, signature, &n, &err), ST_OK);
	assert_int_equal(signature_finish(&value, span_of(signature, n)), ST_OK);
	assert_int_equal(signature_milter_value(buf_span(&value), true, &out), ST_OK);
	text = span_dup(buf_span(&out));
	buf_free(&value);
	buf_free(&out);
	digest_free(digest);
	return text;
}

/* A message from outside, up to the end of its headers, with a signature of each domain. */
static __attribute__((unused)) void
vheaders(struct vworld *v, const char *const *domains)
{
	MACROS(&v->w, SMFIC_MAIL, "i", "4Q1");
	step(&v->w, MILTER_MAIL);
	for (; *domains != NULL; domains++) {
		char *value = vsign(v, *domains, BODY);

		header(&v->w, "DKIM-Signature", value);
		mem_free(value);
	}
	header(&v->w, "From", FROM);
	header(&v->w, "X-Other", " no");
	step(&v->w, MILTER_EOH);
}
#define VHEADERS(v, ...) vheaders(v, (const char *const[]){__VA_ARGS__, NULL})

static __attribute__((unused)) void
body_and_end(struct vworld *v, const char *text)
{
	body(&v->w, span_str(text), false);
	eom(&v->w, "");
}

/* One round of the loop after the other until the session waits for nothing. */
static __attribute__((unused)) void
vwait(struct vworld *v)
{
	while (v->w.session.question == QUESTION_KEYS)
		loop_step(&v->loop);
}

/* Inserted as the i-th reply: a field of that name whose value has the text. */
static __attribute__((unused)) void
assert_inserted(struct vworld *v, size_t i, const char *name, const char *text)
{
	struct mta_reply reply = reply_at(&v->w, i);
	char *value = span_dup(reply.value), *fold;

	assert_int_equal(reply.code, SMFIR_INSHEADER);
	assert_int_equal(reply.index, 0);
	assert_text(reply.name, name);
	while ((fold = strstr(value, "\n\t")) != NULL) {
		memmove(fold, fold + 1, strlen(fold));
		*fold = ' ';
	}
	if (strstr(value, text) == NULL)
		fail_msg("'%s' is not in '%s'", text, value);
	mem_free(value);
}

#endif
