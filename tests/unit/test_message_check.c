/*
 * test_message_check.c - message files through the verifier: line ends, one question for each name,
 * what is no message; and the resolver that the tools open. Called by make check.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/mailauth/message_check.h"

#define NAME "s._domainkey.example.com"

static void
append(void *context, struct span piece)
{
	buf_add(context, piece);
}

/* Every split of the text into two pieces must give the same. */
static void
test_line_ends(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
	    {"", ""},
	    {"a", "a"},
	    {"\n", "\r\n"},
	    {"\r\n", "\r\n"},
	    {"a\nb\n", "a\r\nb\r\n"},
	    {"a\r\nb\n", "a\r\nb\r\n"},
	    {"a\rb\r\r\n", "a\rb\r\r\n"},
	    {"\n\n\r\n\n", "\r\n\r\n\r\n\r\n"},
	    {"a\r", "a\r"},
	};
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t cut = 0; cut <= strlen(rows[i].in); cut++) {
			char last = '\0';

			buf_reset(&out);
			message_crlf(span_of(rows[i].in, cut), &last, append, &out);
			message_crlf(span_from(span_str(rows[i].in), cut), &last, append, &out);
			assert_string_equal(buf_text(&out), rows[i].out);
		}
	buf_free(&out);
}

/* A file with text; the caller unlinks and frees its name. */
static char *
file_with(const char *text)
{
	char *name = strdup("/tmp/signpost-unit.XXXXXX");
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return name;
}

static void
open_with(struct dnsclient *dns, const char *answers)
{
	char *name = file_with(answers);
	const struct dnsclient_options options = {.answers_file = name};
	struct err err = ERR_NONE;

	assert_int_equal(dnsclient_open(dns, NULL, &options, &err), ST_OK);
	unlink(name);
	free(name);
}

static const struct verify_options options = {
    .now_utc = 1800000000, .clock_drift_s = 300, .minimum_key_bits = 1024};

#define FIELD                                                                                      \
	"DKIM-Signature: v=1; a=ed25519-sha256; d=example.com; s=s; h=from; "                      \
	"bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; c=relaxed/relaxed; b=AAAA\n"

static void
check_results(const char *answers, enum verify_reason reason)
{
	static const char text[] = FIELD FIELD FIELD "From: a@example.com\n\n";
	struct message_check check;
	struct dnsclient dns;
	struct err err = ERR_NONE;

	open_with(&dns, answers);
	assert_int_equal(message_check_run(&check, span_str(text), &options, 2, &dns, &err), ST_OK);
	assert_int_equal(verify_count(check.verify), 3);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(verify_signature(check.verify, i)->reason, reason);
	assert_int_equal(verify_signature(check.verify, 2)->reason, VERIFY_IGNORED);
	message_check_free(&check);
	message_check_free(&check);
	dnsclient_close(&dns);
	dnsclient_close(&dns);
}

static void
test_answers_reach_every_signature(void **state)
{
	(void)state;
	check_results("a.example x\n", VERIFY_KEY_ABSENT);
	check_results(NAME " !SERVFAIL\n", VERIFY_DNS_UNAVAILABLE);
	check_results(NAME " v=DKIM1; k=ed25519; p=\n", VERIFY_KEY_REVOKED);
	check_results(NAME " v=DKIM1; k=ed25519; p=A\n", VERIFY_KEY_SYNTAX);
	check_results(NAME " v=DKIM1; p=\n" NAME " v=DKIM1; p=\n", VERIFY_KEY_MANY);
	check_results(NAME " v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n",
	    VERIFY_SIGNATURE_BAD);
}

static void
test_no_message(void **state)
{
	static const char *const texts[] = {"", "\n", "no field\n\nx", " folded\n\n"};
	struct dnsclient dns;

	(void)state;
	open_with(&dns, "");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct message_check check;
		struct err err = ERR_NONE;

		assert_int_equal(
		    message_check_run(&check, span_str(texts[i]), &options, 20, &dns, &err),
		    ST_INVALID);
		assert_true(err.text[0] != '\0');
		message_check_free(&check);
	}
	dnsclient_close(&dns);
}

static void
test_reading(void **state)
{
	char *name = file_with("hello\n");
	struct err err = ERR_NONE;
	struct buf text;

	(void)state;
	buf_init(&text, MESSAGE_BYTES_MAX);
	assert_int_equal(message_read(name, &text, &err), ST_OK);
	assert_string_equal(buf_text(&text), "hello\n");
	unlink(name);
	assert_int_equal(message_read(name, &text, &err), ST_ABSENT);
	assert_non_null(strstr(err.text, name));
	assert_int_equal(message_read("/", &text, &err), ST_UNAVAILABLE);
	buf_free(&text);
	free(name);
}

/* The command line wins over the configuration, and a source that is not there is no other. */
static void
test_source_of_answers(void **state)
{
	char *name = file_with("a.example from a file\n");
	struct conf *conf = conf_new();
	struct dnsclient_options none = {NULL, NULL};
	struct dnsclient dns;
	struct dns_answer answer;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(conf_set(conf, CONF_TEST_PUBLIC_KEYS, name, "-", NULL), ST_OK);
	assert_int_equal(conf_set(conf, CONF_DNS_TIMEOUT, "7", "-", NULL), ST_OK);
	assert_int_equal(dnsclient_open(&dns, conf, &none, &err), ST_OK);
	assert_int_equal(dns.timeout_ms, 7000);
	answer = dnsclient_txt(&dns, SPAN_LIT("a.example"));
	assert_int_equal(answer.count, 1);
	assert_true(span_eq_str(answer.texts[0].joined, "from a file"));
	dnsclient_close(&dns);
	unlink(name);
	assert_int_equal(dnsclient_open(&dns, conf, &none, &err), ST_INVALID);
	assert_non_null(strstr(err.text, name));
	none.nameservers = "nonsense";
	assert_int_equal(dnsclient_open(&dns, conf, &none, &err), ST_INVALID);
	conf_free(conf);
	free(name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_line_ends),
	    cmocka_unit_test(test_answers_reach_every_signature),
	    cmocka_unit_test(test_no_message),
	    cmocka_unit_test(test_reading),
	    cmocka_unit_test(test_source_of_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
