/*
 * test_record.c - the record of a key, and which records of others may stand for it.
 */
#include "config.h"

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <string.h>

#include "admin-api/record.h"

#define P "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static struct store_key
a_row(void)
{
	return (struct store_key){.algorithm = SPAN_LIT("rsa-sha256"), .public_key = SPAN_LIT(P)};
}

static void
takes(const char *text)
{
	struct store_key row = a_row();
	struct key_life life = {.ttl_s = 5};
	struct err err = ERR_NONE;
	struct buf out;

	if (record_adopt(span_str(text), &row, &life, &err) != ST_OK)
		fail_msg("%s: %s", text, err.text);
	buf_init(&out, 4096);
	record_of_key(&row, &life, &out);
	assert_string_equal(buf_text(&out), text);
	assert_int_equal(life.ttl_s, 5);
	buf_free(&out);
}

static void
refuses(const char *text, const char *why)
{
	struct store_key row = a_row();
	struct key_life life = {.ttl_s = 5};
	struct err err = ERR_NONE;

	assert_int_equal(record_adopt(span_str(text), &row, &life, &err), ST_INVALID);
	if (strstr(err.text, why) == NULL)
		fail_msg("%s: %s", text, err.text);
	assert_true(life.head[0] == '\0' && life.tail[0] == '\0');
}

static void
test_records_of_others(void **state)
{
	(void)state;
	takes("v=DKIM1; h=sha256; k=rsa; p=" P);
	takes("v=DKIM1;k=rsa;h=sha1:sha256;s=email;t=s;p=" P ";");
	takes("p=" P);
	takes("k=rsa; t=y; p=" P " ; n=as it was");
	refuses("", "no key record");
	refuses("v=spf1 -all", "no key record");
	refuses("v=DKIM1; p=", "revoked");
	refuses("v=DKIM1; p=AAAA", "another key");
	refuses("v=DKIM1; k=ed25519; p=" P, "k=");
	refuses("v=DKIM1; h=sha1; p=" P, "h=");
	refuses("v=DKIM1; s=tlsrpt; p=" P, "s=");
	/* The key is there, but not as the key. */
	refuses("v=DKIM1; n=" P "; p=AAAA", "another key");
	refuses("v=DKIM1; p=MCow BQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "p=");
	refuses("v=DKIM1; n=\x01; p=" P, "");
}

static void
test_tags_that_are_too_long(void **state)
{
	char text[600];

	(void)state;
	snprintf(text, sizeof(text), "n=%0*d; p=" P, (int)LIFE_TAGS_MAX - 6, 1);
	takes(text);
	snprintf(text, sizeof(text), "n=%0*d; p=" P, (int)LIFE_TAGS_MAX - 5, 1);
	refuses(text, "127");
	snprintf(text, sizeof(text), "p=" P "; n=%0*d", (int)LIFE_TAGS_MAX - 4, 1);
	takes(text);
	snprintf(text, sizeof(text), "p=" P "; n=%0*d", (int)LIFE_TAGS_MAX - 3, 1);
	refuses(text, "127");
}

static void
test_our_own(void **state)
{
	struct store_key row = a_row();
	struct key_life life = {.tail = ";"}; /* without a head it is as we write it */
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	record_of_key(&row, &life, &out);
	assert_string_equal(buf_text(&out), "v=DKIM1; k=rsa; p=" P);
	buf_reset(&out);
	record_of_key(&row, NULL, &out);
	assert_string_equal(buf_text(&out), "v=DKIM1; k=rsa; p=" P);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_records_of_others),
	    cmocka_unit_test(test_tags_that_are_too_long),
	    cmocka_unit_test(test_our_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
