/*
 * Whole messages: two octets of choices, two key records that end in NUL, a message. It is verified
 * twice, in pieces of another size, with and without a cache of keys, keys before and after the
 * body: every signature has a result, and the same one.
 */
#include <stdlib.h>

#include "lib/dkim/address.h"
#include "tests/lib/signed_mail.h"

#define NOW 1800000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
set_options(struct verify_options *options, uint8_t flags)
{
	static const char *const names[] = {"Subject", "dkim-signature", NULL};

	*options = (struct verify_options){.now_utc = NOW, .clock_drift_s = 300};
	options->fix_crlf = (flags & 1) != 0;
	options->must_be_signed = flags & 2 ? names : NULL;
	options->minimum_kind = (enum verify_minimum)(flags >> 2 & 1);
	options->minimum = flags & 8 ? 50 : 0;
	options->unprotected = flags & 16 ? VERIFY_DNSSEC_FAIL : VERIFY_DNSSEC_ACCEPT;
}

static void
give_keys(struct verify *verify, const struct verify_key *answer)
{
	size_t same = 0;

	for (size_t i = 0; i < verify_count(verify); i++) {
		struct span query = verify_query(verify, i, &same);

		if (query.n == 0)
			continue;
		must(domain_is_valid(query) && same <= i);
		must(span_eq(query, verify_signature(verify, same)->field.query));
		verify_key(verify, i, answer);
	}
}

static void
check_signature(const struct verify_signature *s)
{
	must(s != NULL && s->result != VERIFY_NONE);
	must((s->result == VERIFY_PASS) == (s->reason == VERIFY_OK));
	must(verify_reason_text(s->reason) != NULL && verify_result_name(s->result) != NULL);
	must(s->body_covered <= s->body_octets);
	if (s->result != VERIFY_PASS)
		return;
	must(s->chosen && s->key_known && s->key_bits > 0);
	must(s->field.algorithm == SIGFIELD_ED25519_SHA256 || s->key_bits >= 1024);
	must(s->field.domain.n > 0 && domain_is_valid(s->field.domain));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum verify_reason reasons[VERIFY_SIGNATURES_MAX] = {VERIFY_OK};
	struct span rest = span_of(data, size), texts[2];
	struct verify_options options;
	struct verify_key answer = {.texts = texts};

	if (size < 4)
		return 0;
	set_options(&options, data[0]);
	answer.dnssec = (enum verify_dnssec)(data[0] >> 6);
	rest = span_from(rest, 2);
	(void)span_cut(&rest, '\0', &texts[0]);
	(void)span_cut(&rest, '\0', &texts[1]);
	answer.count = texts[1].n > 0 ? 2 : 1;
	for (int again = 0; again < 2; again++) {
		struct signed_mail mail;

		options.keys = again ? public_key_cache_new(1) : NULL;
		if (signed_mail_open(&mail, rest, &options) == ST_OK) {
			if (data[1] & 0x80)
				verify_choose(mail.verify, 2, NULL);
			if (again)
				give_keys(mail.verify, &answer);
			signed_mail_finish(&mail, again ? data[1] & 0x7f : 0, &answer);
			for (size_t i = 0; i < verify_count(mail.verify); i++) {
				const struct verify_signature *s = verify_signature(mail.verify, i);

				check_signature(s);
				must(!again || s->reason == reasons[i]);
				reasons[i] = s->reason;
			}
			signed_mail_close(&mail);
		}
		public_key_cache_free(options.keys);
	}
	return 0;
}
