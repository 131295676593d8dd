/* signed_mail.c - see signed_mail.h. */
#include "tests/lib/signed_mail.h"

#include <stdlib.h>
#include <string.h>

static void
must(bool ok)
{
	if (!ok)
		abort();
}

/* The slow and obvious way: for each name the last field not used yet. */
static void
canonical_headers(
    const struct header_list *list, struct span names, enum canon canon, struct buf *out)
{
	bool used[HEADER_FIELDS_MAX] = {false};
	bool more = true;
	struct span name;

	while (more) {
		more = span_cut(&names, ':', &name);
		for (size_t i = list->count; i-- > 0;) {
			if (used[i] || !header_name_eq(list->fields[i].name, name))
				continue;
			used[i] = true;
			canon_header(canon, &list->fields[i], out);
			break;
		}
	}
}

static void
body_hash(
    struct span body, const struct signature_params *params, struct digest *digest, uint8_t *out)
{
	struct canon_body canon;

	canon_body_init(&canon, params->body_canon, digest, params->body_length, false);
	canon_body_update(&canon, body);
	canon_body_finish(&canon, out, NULL);
}

static void
sign_value(struct key *key, const struct signature_params *params, const struct header_list *list,
    struct digest *digest, struct buf *value)
{
	uint8_t hash[SHA256_BYTES], raw[KEY_SIGNATURE_MAX];
	struct buf headers;
	size_t n;

	buf_init(&headers, SIGNED_MAIL_MAX);
	canonical_headers(list, params->header_names, params->header_canon, &headers);
	must(signature_build(params, value, NULL) == ST_OK);
	signature_digest(digest, buf_span(&headers), params->header_canon, buf_span(value), hash);
	must(key_sign(key, hash, raw, &n, NULL) == ST_OK);
	must(signature_finish(value, span_of(raw, n)) == ST_OK);
	buf_free(&headers);
}

void
signed_mail_sign(struct buf *message, struct key *key, const struct signature_params *params)
{
	struct signature_params all = *params;
	struct digest *digest = digest_new();
	uint8_t hash[SHA256_BYTES];
	struct signed_mail mail;
	struct buf value, signed_message;

	buf_init(&value, SIGNATURE_VALUE_MAX);
	buf_init(&signed_message, SIGNED_MAIL_MAX);
	must(signed_mail_open(&mail, buf_span(message), NULL) == ST_OK);
	body_hash(mail.body, params, digest, hash);
	all.algorithm = key_algorithm(key);
	all.body_hash = span_of(hash, sizeof hash);
	sign_value(key, &all, &mail.list, digest, &value);
	buf_add_str(&signed_message, SIGNATURE_FIELD_NAME ":");
	buf_add(&signed_message, buf_span(&value));
	buf_add_str(&signed_message, "\r\n");
	buf_add(&signed_message, buf_span(message));
	buf_reset(message);
	buf_add(message, buf_span(&signed_message));
	must(buf_status(message) == ST_OK);
	signed_mail_close(&mail);
	buf_free(&value);
	buf_free(&signed_message);
	digest_free(digest);
}

void
signed_mail_record(const struct key *key, const char *extra, struct buf *out)
{
	buf_add_fmt(out,
	    "v=DKIM1; k=%s; %sp=", key_algorithm(key) == KEY_RSA_SHA256 ? "rsa" : "ed25519", extra);
	must(key_public_base64(key, out) == ST_OK);
}

enum status
signed_mail_open(
    struct signed_mail *mail, struct span message, const struct verify_options *options)
{
	enum status st;
	size_t body_at;

	memset(mail, 0, sizeof *mail);
	arena_init(&mail->arena, 8 * SIGNED_MAIL_MAX);
	must(header_list_init(&mail->list, &mail->arena, SIGNED_MAIL_MAX) == ST_OK);
	st = header_block_parse(message, &mail->list, &body_at, NULL);
	if (st == ST_OK)
		mail->body = span_from(message, body_at);
	if (st == ST_OK && options != NULL)
		st = verify_new(&mail->list, options, &mail->arena, &mail->verify, NULL);
	if (st != ST_OK)
		signed_mail_close(mail);
	return st;
}

void
signed_mail_close(struct signed_mail *mail)
{
	verify_free(mail->verify);
	mail->verify = NULL;
	arena_free(&mail->arena);
}

void
signed_mail_finish(struct signed_mail *mail, size_t piece, const struct verify_key *answer)
{
	size_t step = piece > 0 ? piece : mail->body.n + 1;

	for (size_t at = 0; at < mail->body.n; at += step)
		verify_body(mail->verify, span_sub(mail->body, at, step));
	verify_body_done(mail->verify);
	for (size_t i = 0; i < verify_count(mail->verify); i++)
		if (verify_query(mail->verify, i, NULL).n > 0)
			verify_key(mail->verify, i, answer);
	verify_finish(mail->verify);
}
