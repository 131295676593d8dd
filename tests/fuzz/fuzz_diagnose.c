/*
 * A key record that ends in NUL, and a whole message: each of its signatures is looked at. What is
 * said of it has a place in the message, and there is an end.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dkim/diagnose.h"
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
look(struct diagnose *diagnose, const struct signed_mail *mail,
    const struct verify_options *options, const struct verify_key *key, size_t index)
{
	const struct diagnose_case given = {.list = &mail->list,
	    .body = mail->body,
	    .header_line = 1,
	    .body_line = 2 + diagnose_field_line(&mail->list, 1, mail->list.count),
	    .options = options,
	    .signature = verify_signature(mail->verify, index),
	    .key = key};

	diagnose_signature(diagnose, &given);
	must(diagnose->count <= DIAGNOSE_FINDINGS_MAX);
	must(given.signature->result != VERIFY_PASS || diagnose->count == 0);
	for (size_t i = 0; i < diagnose->count; i++) {
		must(diagnose->findings[i].what != NULL);
		must(memchr(diagnose->findings[i].detail, '\0', DIAGNOSE_DETAIL_BYTES) != NULL);
		must(diagnose->findings[i].line <= given.body_line + mail->body.n);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct verify_options options = {.now_utc = NOW, .clock_drift_s = 300};
	struct diagnose *diagnose = mem_alloc(sizeof(*diagnose));
	struct span rest = span_of(data, size), text;
	struct verify_key answer = {.status = ST_OK, .texts = &text, .count = 1};
	struct signed_mail mail;

	(void)span_cut(&rest, '\0', &text);
	diagnose_begin(diagnose);
	if (signed_mail_open(&mail, rest, &options) == ST_OK) {
		signed_mail_finish(&mail, 0, &answer);
		for (size_t i = 0; i < verify_count(mail.verify); i++)
			look(diagnose, &mail, &options, &answer, i);
	}
	signed_mail_close(&mail);
	mem_free(diagnose);
	return 0;
}
