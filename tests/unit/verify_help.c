/* verify_help.c - see verify_help.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/verify_help.h"

struct key *ed25519, *rsa, *rsa2048;
struct digest *digest;

const struct verify_options plain = {.now_utc = NOW, .clock_drift_s = 300};

struct signature_params
params_plain(void)
{
	struct signature_params p = SIGNATURE_PARAMS_INIT;

	p.domain = SPAN_LIT("example.org");
	p.selector = SPAN_LIT("sel");
	p.header_names = SPAN_LIT("From:To:Subject:From");
	p.time_utc = NOW;
	return p;
}

void
message_signed(struct buf *out, struct key *key, const struct signature_params *p)
{
	buf_init(out, SIGNED_MAIL_MAX);
	buf_add_str(out, MESSAGE);
	signed_mail_sign(out, key, p);
}

/* What a verifier says of the first signature, with that record. */
struct verify_signature
check_record(struct span message, const struct verify_options *options, struct span record)
{
	const struct verify_key answer = {.status = ST_OK, .texts = &record, .count = 1};
	struct verify_signature result = {.result = VERIFY_NONE};
	struct signed_mail mail;

	if (signed_mail_open(&mail, message, options) != ST_OK)
		return result;
	signed_mail_finish(&mail, 0, &answer);
	if (verify_count(mail.verify) > 0) {
		result = *verify_signature(mail.verify, 0);
		result.detail = SPAN_EMPTY;
		memset(&result.field, 0, sizeof result.field);
	}
	signed_mail_close(&mail);
	return result;
}

enum verify_reason
check_key(struct span message, const struct verify_options *options, const struct key *key,
    const char *extra)
{
	struct verify_signature result;
	struct buf record;

	buf_init(&record, 5000);
	signed_mail_record(key, extra, &record);
	result = check_record(message, options, buf_span(&record));
	buf_free(&record);
	assert_true((result.result == VERIFY_PASS) == (result.reason == VERIFY_OK));
	return result.reason;
}

enum verify_reason
sign_and_check(const struct signature_params *p, const struct verify_options *options,
    struct key *key, const char *extra)
{
	enum verify_reason reason;
	struct buf message;

	message_signed(&message, key, p);
	reason = check_key(buf_span(&message), options, key, extra);
	buf_free(&message);
	return reason;
}

int
keys_make(void **state)
{
	(void)state;
	digest = digest_new();
	return key_generate(KEY_ED25519_SHA256, 0, &ed25519, NULL) != ST_OK ||
	       key_generate(KEY_RSA_SHA256, 1024, &rsa, NULL) != ST_OK ||
	       key_generate(KEY_RSA_SHA256, 2048, &rsa2048, NULL) != ST_OK;
}

int
keys_free(void **state)
{
	(void)state;
	digest_free(digest);
	key_free(ed25519);
	key_free(rsa);
	key_free(rsa2048);
	return 0;
}
