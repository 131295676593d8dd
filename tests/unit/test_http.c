/*
 * test_http.c - admin-api/http: addresses, heads that are refused, problems, and what is found in
 * fields. Servers and sockets: tests/integration/test_http.py.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "admin-api/http_private.h"
#include "lib/base/secret.h"

static void
test_addresses(void **state)
{
	static const struct {
		const char *text;
		bool good, loopback;
	} cases[] = {{"127.0.0.1:80", true, true}, {"127.255.0.9:0", true, true},
	    {"[::1]:8443", true, true}, {"192.0.2.1:1", true, false}, {"0.0.0.0:1", true, false},
	    {"[::]:1", true, false}, {"[::ffff:127.0.0.1]:1", true, false},
	    {"[2001:db8::1]:65535", true, false}, {"", false, false}, {":80", false, false},
	    {"80", false, false}, {"127.0.0.1", false, false}, {"127.0.0.1:", false, false},
	    {"127.0.0.1:65536", false, false}, {"127.0.0.1:-1", false, false},
	    {"127.0.0.1:80 ", false, false}, {"127.1:80", false, false}, {"::1:80", false, false},
	    {"[::1]80", false, false}, {"[::1", false, false}, {"[]:80", false, false},
	    {"[127.0.0.1]:80", false, false}, {"localhost:80", false, false},
	    {"[1111:2222:3333:4444:5555:6666:7777:8888:9999:1111]:1", false, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sockaddr_storage address;
		socklen_t n;

		assert_int_equal(
		    http_address_parse(span_str(cases[i].text), &address, &n), cases[i].good);
		if (cases[i].good)
			assert_int_equal(http_address_is_loopback(&address), cases[i].loopback);
	}
	assert_false(http_address_parse(
	    SPAN_LIT("127.0.0.1\0.9:80"), &(struct sockaddr_storage){0}, &(socklen_t){0}));
}

static void
test_heads_that_are_refused(void **state)
{
	static const struct {
		const char *method, *target, *name, *value;
		int status;
	} cases[] = {{"GET", "/", "X", "y", 0}, {"BREW", "/a?b=%20&c", "X", "\t y\xff", 0},
	    {"GET", "/%E3%81%82", "X", "", 0}, {"GE T", "/", "X", "y", 400},
	    {"", "/", "X", "y", 400}, {"GET", "", "X", "y", 400}, {"GET", "a", "X", "y", 400},
	    {"GET", "/ ", "X", "y", 400}, {"GET", "/\x7f", "X", "y", 400},
	    {"GET", "/%", "X", "y", 400}, {"GET", "/%2", "X", "y", 400},
	    {"GET", "/%2g", "X", "y", 400}, {"GET", "/%00", "X", "y", 400},
	    {"GET", "/%1f", "X", "y", 400}, {"GET", "/%7f", "X", "y", 400},
	    {"GET", "/a#b", "X", "y", 400}, {"GET", "/", "", "y", 400},
	    {"GET", "/", "X Y", "y", 400}, {"GET", "/", "X", "a\nb", 400},
	    {"GET", "/", "X", "a\x7f", 400}, {"GET", "/", "host", "b", 400},
	    {"GET", "/", "Transfer-Encoding", "CHUNKED", 0},
	    {"GET", "/", "Transfer-Encoding", "identity", 501},
	    {"GET", "/", "Transfer-Encoding", "chunked, chunked", 501},
	    {"GET", "/", "Content-Length", "0", 0}, {"GET", "/", "Content-Length", "0x1", 400},
	    {"GET", "/", "Content-Length", "18446744073709551616", 400},
	    {"GET", "/", "Expect", "100-Continue", 0}, {"GET", "/", "Expect", "x", 417}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_field fields[] = {{SPAN_LIT("Host"), SPAN_LIT("a")},
		    {span_str(cases[i].name), span_str(cases[i].value)}};
		struct http_head head = {span_str(cases[i].method), "HTTP/1.1",
		    span_str(cases[i].target), 100, fields, 2};
		struct http_refusal refusal = http_head_check(&head);

		assert_int_equal(refusal.status, cases[i].status);
		assert_int_equal(refusal.detail != NULL, refusal.status != 0);
		head.fields++;
		head.field_count--;
		if (refusal.status == 0)
			assert_int_equal(http_head_check(&head).status, 400);
		head.octets = HTTP_HEAD_MAX + 1;
		assert_int_equal(http_head_check(&head).status, 431);
	}
}

static void
test_lengths_of_bodies(void **state)
{
	struct http_field field = {SPAN_LIT("Content-length"), SPAN_LIT("12")};
	struct http_head head = {SPAN_LIT("POST"), "HTTP/1.1", SPAN_LIT("/"), 100, &field, 1};
	uint64_t length;

	(void)state;
	assert_true(http_head_has_body(&head, &length));
	assert_int_equal(length, 12);
	field.value = SPAN_LIT("0");
	assert_false(http_head_has_body(&head, &length));
	field = (struct http_field){SPAN_LIT("transfer-encoding"), SPAN_LIT("chunked")};
	assert_true(http_head_has_body(&head, &length));
	assert_true(length == UINT64_MAX);
	head.field_count = 0;
	assert_false(http_head_has_body(&head, &length));
}

/* As libmicrohttpd leaves a head: "GET", "/a", "HTTP/1.1", "Host", "x". */
static bool
is_whole(const char *text, size_t n, size_t name_at, size_t name_n, size_t value_at)
{
	struct http_field field = {span_of(text + name_at, name_n), span_str(text + value_at)};
	struct http_head head = {span_str(text), text + 7, span_str(text + 4), n, &field, 1};

	return http_head_is_whole(&head, text, text + 4);
}

static void
test_what_is_behind_a_nul(void **state)
{
	static const char good[] = "GET\0/a\0HTTP/1.1\0\0Host\0 x\0\0\0";
	static const char blank[] = "GET\0/a\0HTTP/1.1\0\0Host\0 x\0 \0\0";
	static const char hidden[] = "GET\0/a\0HTTP/1.1\0\0Host\0 x\0y\0\0\0";
	static const char ended[] = "GET\0/a\0HTTP/1.1\0\0Host\0 x\0\0\0\0";
	static const char no_cr[] = "GET\0/a\0HTTP/1.1\0Host\0 x\0\0";

	(void)state;
	assert_true(is_whole(good, sizeof(good), 17, 4, 23));
	assert_false(is_whole(blank, sizeof(blank) - 1, 17, 4, 23));
	assert_false(is_whole(hidden, sizeof(hidden), 17, 4, 23));
	assert_false(is_whole(ended, sizeof(ended), 17, 4, 23));
	assert_false(is_whole(no_cr, sizeof(no_cr), 16, 4, 22));
	assert_false(is_whole(good, sizeof(good), 2, 1, 23));
	assert_false(is_whole(good, HTTP_HEAD_MAX + 1, 17, 4, 23));
}

static void
test_problems(void **state)
{
	struct http_response response;

	(void)state;
	http_response_init(&response);
	buf_add_str(&response.fields, "X-Old: 1\r\n");
	buf_add_str(&response.body, "old");
	http_problem(&response, 404, "not-found", "no \"x\\\"\n\x01", "ab12");
	assert_int_equal(response.status, 404);
	assert_true(
	    span_eq_str(buf_span(&response.fields), "Content-Type: application/problem+json\r\n"));
	assert_string_equal(buf_text(&response.body),
	    "{\"type\":\"urn:signpost:problem:not-found\",\"title\":\"Not Found\",\"status\":404,"
	    "\"detail\":\"no \\\"x\\\\\\\"\\u000a\\u0001\",\"code\":\"not-found\","
	    "\"request_id\":\"ab12\"}\n");
	http_problem(&response, 400, "x", "\xff\xc3\xa4", "");
	assert_non_null(strstr(buf_text(&response.body), "\"detail\":\"???\""));
	http_response_free(&response);
}

static void
end_source(void *context)
{
	++*(int *)context;
}

static bool
no_source(void *context, int wait_ms, struct buf *out)
{
	(void)context;
	(void)wait_ms;
	(void)out;
	return false;
}

static void
test_a_source_that_was_not_begun_is_ended_once(void **state)
{
	struct http_response response;
	int ended = 0;

	(void)state;
	http_response_init(&response);
	response.source = no_source;
	response.source_end = end_source;
	response.source_context = &ended;
	http_problem(&response, 503, "busy", "busy", "");
	http_response_free(&response);
	assert_int_equal(ended, 1);
}

static void
test_fields_are_found_once(void **state)
{
	struct http_field fields[] = {{SPAN_LIT("One"), SPAN_LIT("1")},
	    {SPAN_LIT("two"), SPAN_LIT("2")}, {SPAN_LIT("TWO"), SPAN_LIT("3")}};
	struct http_request request = {.fields = fields, .field_count = 3};
	bool found;

	(void)state;
	assert_true(span_eq_str(http_field_find(&request, "oNE", &found), "1"));
	assert_true(found);
	assert_int_equal(http_field_find(&request, "Two", &found).n, 0);
	assert_false(found);
	http_field_find(&request, "Three", &found);
	assert_false(found);
}

static void
test_secret_text_grows_and_is_wiped(void **state)
{
	struct buf text;
	size_t before = secret_used_bytes();

	(void)state;
	buf_init_secret(&text, 100000);
	assert_string_equal(buf_text(&text), "");
	for (int i = 0; i < 10000; i++)
		buf_add_str(&text, "0123456789");
	assert_int_equal(buf_status(&text), ST_OK);
	assert_int_equal(text.n, 100000);
	assert_true(secret_used_bytes() > before);
	buf_add_char(&text, 'x');
	assert_int_equal(buf_status(&text), ST_TOO_BIG);
	buf_free(&text);
	assert_true(text.secret);
	assert_int_equal(secret_used_bytes(), before);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_heads_that_are_refused),
	    cmocka_unit_test(test_lengths_of_bodies),
	    cmocka_unit_test(test_what_is_behind_a_nul),
	    cmocka_unit_test(test_problems),
	    cmocka_unit_test(test_a_source_that_was_not_begun_is_ended_once),
	    cmocka_unit_test(test_fields_are_found_once),
	    cmocka_unit_test(test_secret_text_grows_and_is_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
