/*
 * test_frame.c - the frames between front-end and keeper: what is encoded comes back, what is cut,
 * lengthened or has a length changed is refused, the limits hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/frame.h"
#include "lib/base/mem.h"

static struct request
full_request(enum request_type type)
{
	struct request request = {.type = type,
	    .frontend = 0x1234,
	    .flags = REQUEST_FLAG_AUTHENTICATED | REQUEST_FLAG_BODY_RELAXED,
	    .family = 6,
	    .id = 0xfedcba9876543210U,
	    .job_id = SPAN_LIT("4Q1"),
	    .host = SPAN_LIT("mx.example.com"),
	    .daemon_name = SPAN_LIT("MTA"),
	    .login = SPAN_LIT("joe@example.com"),
	    .macros = SPAN_LIT("\1\0\0\0x\1\0\0\0y"),
	    .recipients = SPAN_LIT("\3\0\0\0a@b"),
	    .sender_header = SPAN_LIT("From"),
	    .user = SPAN_LIT("Joe"),
	    .domain = SPAN_LIT("example.com"),
	    .body_length = -1};

	if (type == REQUEST_DNS_GET || type == REQUEST_DNS_PUT)
		request = (struct request){.type = type,
		    .frontend = 0x1234,
		    .id = 0xfedcba9876543210U,
		    .key_name = SPAN_LIT("s1._domainkey.example.com"),
		    .body_length = -1};
	if (type == REQUEST_CHECKED)
		request = (struct request){.type = type,
		    .frontend = 0x1234,
		    .id = 0xfedcba9876543210U,
		    .result = CANARY_FAILED,
		    .key_id = SPAN_LIT("key-1"),
		    .why = SPAN_LIT("no key"),
		    .body_length = -1};
	if (type == REQUEST_REPORT)
		request = (struct request){.type = type,
		    .frontend = 0x1234,
		    .id = 0xfedcba9876543210U,
		    .line = SPAN_LIT("{\"shadow\":1}"),
		    .body_length = -1};
	if (type == REQUEST_DNS_PUT) {
		request.octets = SPAN_LIT("\1Xu\0\0\0");
		request.until_ms = INT64_MIN + 77;
	}

	for (size_t i = 0; i < sizeof(request.address); i++)
		request.address[i] = (uint8_t)(0xf0 + i);
	if (type == REQUEST_ROUTE || type == REQUEST_SHADOW)
		request.signers = SPAN_LIT("\x09\0\0\0a.example");
	if (type != REQUEST_SIGN && type != REQUEST_SHADOW)
		return request;
	for (size_t i = 0; i < SHA256_BYTES; i++)
		request.body_hash[i] = (uint8_t)i;
	request.body_length = 1234567890123;
	request.header_names = SPAN_LIT("From:To");
	request.canonical = SPAN_LIT("from:joe\r\nto:x\r\n");
	return request;
}

static void
assert_span(struct span a, struct span b)
{
	assert_int_equal(a.n, b.n);
	if (a.n > 0)
		assert_memory_equal(a.p, b.p, a.n);
}

static void
assert_request(const struct request *a, const struct request *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->frontend, b->frontend);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->family, b->family);
	assert_memory_equal(a->address, b->address, sizeof(a->address));
	assert_true(a->id == b->id);
	assert_span(a->job_id, b->job_id);
	assert_span(a->host, b->host);
	assert_span(a->daemon_name, b->daemon_name);
	assert_span(a->login, b->login);
	assert_span(a->macros, b->macros);
	assert_span(a->recipients, b->recipients);
	assert_span(a->sender_header, b->sender_header);
	assert_span(a->user, b->user);
	assert_span(a->domain, b->domain);
	assert_span(a->signers, b->signers);
	assert_true(a->body_length == b->body_length);
	assert_memory_equal(a->body_hash, b->body_hash, SHA256_BYTES);
	assert_span(a->header_names, b->header_names);
	assert_span(a->canonical, b->canonical);
	assert_span(a->key_name, b->key_name);
	assert_span(a->octets, b->octets);
	assert_true(a->until_ms == b->until_ms);
	assert_int_equal(a->result, b->result);
	assert_span(a->key_id, b->key_id);
	assert_span(a->why, b->why);
	assert_span(a->line, b->line);
}

static void
test_request_round_trip(void **state)
{
	(void)state;
	for (int type = REQUEST_PEER; type <= REQUEST_REPORT; type++) {
		struct request request = full_request((enum request_type)type), back;
		struct buf frame;

		buf_init(&frame, FRAME_MAX);
		assert_int_equal(request_encode(&request, &frame), ST_OK);
		assert_int_equal(request_decode(buf_span(&frame), &back), ST_OK);
		assert_request(&request, &back);
		buf_free(&frame);
	}
}

static struct reply
full_reply(size_t fields)
{
	struct reply reply = {.verdict = VERDICT_SIGN,
	    .id = 0x8000000000000001U,
	    .text = SPAN_LIT("try later"),
	    .field_count = fields};

	for (size_t i = 0; i < fields; i++)
		reply.fields[i] = (struct reply_field){.name = SPAN_LIT("DKIM-Signature"),
		    .value = span_sub(SPAN_LIT(" v=1;\n\tb=AAAA"), 0, i),
		    .check = i % 2 == 1,
		    .record = SPAN_LIT("v=DKIM1; p=AAAA"),
		    .key_id = i % 2 == 1 ? span_sub(SPAN_LIT("key-1"), 0, i / 2) : SPAN_EMPTY};
	return reply;
}

static void
test_reply_round_trip(void **state)
{
	const enum verdict verdicts[] = {VERDICT_PASS, VERDICT_SIGN, VERDICT_PEER, VERDICT_TEMPFAIL,
	    VERDICT_REJECT, VERDICT_DISCARD, VERDICT_QUARANTINE, VERDICT_VERIFY, VERDICT_RESET,
	    VERDICT_SHADOW};
	const size_t counts[] = {0, 1, 2, 16, FRAME_HEADERS_MAX};

	(void)state;
	for (size_t v = 0; v < sizeof(verdicts) / sizeof(verdicts[0]); v++)
		for (size_t c = 0; c < 5; c++) {
			struct reply reply = full_reply(counts[c]), back;
			const bool shadow = verdicts[v] == VERDICT_SHADOW;
			struct buf frame;

			reply.verdict = verdicts[v];
			reply.trusted = verdicts[v] == VERDICT_VERIFY || shadow ? 0x80000005U : 0;
			reply.would = shadow ? VERDICT_DISCARD : (enum verdict)0;
			buf_init(&frame, FRAME_MAX);
			assert_int_equal(reply_encode(&reply, &frame), ST_OK);
			assert_int_equal(reply_decode(buf_span(&frame), &back), ST_OK);
			assert_int_equal(back.verdict, reply.verdict);
			assert_true(back.id == reply.id);
			assert_span(back.text, reply.text);
			assert_true(back.trusted == reply.trusted);
			assert_int_equal(back.would, reply.would);
			assert_int_equal(back.field_count, counts[c]);
			for (size_t i = 0; i < counts[c]; i++) {
				assert_span(back.fields[i].name, reply.fields[i].name);
				assert_span(back.fields[i].value, reply.fields[i].value);
				assert_int_equal(back.fields[i].check, reply.fields[i].check);
				assert_span(back.fields[i].key_id, reply.fields[i].key_id);
				assert_span(back.fields[i].record,
				    shadow ? reply.fields[i].record : SPAN_EMPTY);
			}
			buf_free(&frame);
		}
}

static void
test_dns_reply_round_trip(void **state)
{
	static const int64_t times[] = {0, 1, -1, INT64_MIN, INT64_MAX, 86400000};

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct reply reply = {.verdict = VERDICT_DNS,
		    .id = 0x8000000000000001U,
		    .octets = i == 0 ? SPAN_EMPTY : SPAN_LIT("\1Xu\0\0\0"),
		    .until_ms = times[i]};
		struct reply back = full_reply(2);
		struct buf frame;

		buf_init(&frame, FRAME_MAX);
		assert_int_equal(reply_encode(&reply, &frame), ST_OK);
		assert_int_equal(reply_decode(buf_span(&frame), &back), ST_OK);
		assert_int_equal(back.verdict, VERDICT_DNS);
		assert_true(back.id == reply.id);
		assert_true(back.until_ms == times[i]);
		assert_span(back.octets, reply.octets);
		assert_int_equal(back.field_count, 0);
		assert_int_equal(back.text.n, 0);
		buf_free(&frame);
	}
}

typedef enum status decoder(struct span frame);

static enum status
as_request(struct span frame)
{
	struct request request;

	return request_decode(frame, &request);
}

static enum status
as_reply(struct span frame)
{
	struct reply reply;

	return reply_decode(frame, &reply);
}

/* Each cut, in memory of exactly that size, and one octet more than all. */
static void
assert_only_whole(decoder *decode, struct span frame)
{
	for (size_t n = 0; n <= frame.n + 1; n++) {
		char *piece = mem_alloc(n == 0 ? 1 : n);

		memcpy(piece, frame.p, n < frame.n ? n : frame.n);
		if (n > frame.n)
			piece[frame.n] = '\0';
		assert_int_equal(decode(span_of(piece, n)), n == frame.n ? ST_OK : ST_INVALID);
		mem_free(piece);
	}
}

/* Offsets of all 4-octet lengths from the place where the spans begin. */
static size_t
lengths_of(struct span frame, size_t at, size_t *offsets, size_t spans)
{
	size_t n = 0;

	for (; n < spans; n++) {
		uint8_t low = (uint8_t)frame.p[at], next = (uint8_t)frame.p[at + 1];

		offsets[n] = at;
		at += 4U + low + 256U * next;
	}
	return at;
}

static void
assert_lengths_checked(decoder *decode, struct buf *frame, const size_t *offsets, size_t n)
{
	static const int changes[] = {1, -1, 64, 0x80};

	for (size_t i = 0; i < n; i++)
		for (size_t octet = 0; octet < 4; octet++)
			for (size_t c = 0; c < 4; c++) {
				char *p = frame->p + offsets[i] + octet, was = *p;

				*p = (char)(was + changes[c]);
				assert_int_equal(decode(buf_span(frame)), ST_INVALID);
				*p = was;
			}
	assert_int_equal(decode(buf_span(frame)), ST_OK);
}

#define REQUEST_SPANS_AT (1U + 1 + 2 + 2 + 1 + 16 + 8)

static void
test_request_damaged(void **state)
{
	size_t offsets[11], end;

	static const enum request_type types[] = {
	    REQUEST_PEER, REQUEST_ROUTE, REQUEST_SIGN, REQUEST_SHADOW};

	(void)state;
	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
		const enum request_type type = types[t];
		struct request request = full_request(type);
		const size_t spans = type == REQUEST_ROUTE || type == REQUEST_SHADOW ? 10 : 9;
		struct buf frame;

		buf_init(&frame, FRAME_MAX);
		assert_int_equal(request_encode(&request, &frame), ST_OK);
		assert_only_whole(as_request, buf_span(&frame));
		end = lengths_of(buf_span(&frame), REQUEST_SPANS_AT, offsets, spans);
		assert_lengths_checked(as_request, &frame, offsets, spans);
		if (type == REQUEST_SIGN || type == REQUEST_SHADOW) {
			end = lengths_of(buf_span(&frame), end + 8 + SHA256_BYTES, offsets, 2);
			assert_lengths_checked(as_request, &frame, offsets, 2);
		}
		assert_int_equal(end, frame.n);
		buf_free(&frame);
	}
}

static void
test_dns_damaged(void **state)
{
	struct reply reply = {
	    .verdict = VERDICT_DNS, .id = 1, .octets = SPAN_LIT("\1Xu\0\0\0"), .until_ms = 60000};
	size_t offset;
	struct buf frame;

	(void)state;
	buf_init(&frame, FRAME_MAX);
	for (int type = REQUEST_DNS_GET; type <= REQUEST_DNS_PUT; type++) {
		struct request request = full_request((enum request_type)type);

		buf_reset(&frame);
		assert_int_equal(request_encode(&request, &frame), ST_OK);
		assert_only_whole(as_request, buf_span(&frame));
		offset = REQUEST_SPANS_AT;
		assert_lengths_checked(as_request, &frame, &offset, 1);
		offset += 4 + request.key_name.n + 8;
		if (type == REQUEST_DNS_PUT)
			assert_lengths_checked(as_request, &frame, &offset, 1);
	}
	buf_reset(&frame);
	assert_int_equal(reply_encode(&reply, &frame), ST_OK);
	assert_only_whole(as_reply, buf_span(&frame));
	offset = 1 + 1 + 8 + 8;
	assert_lengths_checked(as_reply, &frame, &offset, 1);
	buf_free(&frame);
}

/* What front-ends want to have written is one line of printable ASCII. */
static void
test_report_damaged(void **state)
{
	static const char *const bad[] = {"a\nb", "a\tb", "a\177", "\xc3\xa9"};
	struct request request = full_request(REQUEST_REPORT), back;
	const size_t offset = REQUEST_SPANS_AT;
	char *text = mem_zalloc(1, FRAME_REPORT_MAX + 1);
	struct buf frame;

	(void)state;
	buf_init(&frame, FRAME_MAX);
	assert_int_equal(request_encode(&request, &frame), ST_OK);
	assert_only_whole(as_request, buf_span(&frame));
	assert_lengths_checked(as_request, &frame, &offset, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		request.line = span_str(bad[i]);
		buf_reset(&frame);
		assert_int_equal(request_encode(&request, &frame), ST_OK);
		assert_int_equal(request_decode(buf_span(&frame), &back), ST_INVALID);
	}
	memset(text, 'x', FRAME_REPORT_MAX + 1);
	for (size_t more = 0; more <= 1; more++) {
		request.line = span_of(text, FRAME_REPORT_MAX + more);
		buf_reset(&frame);
		assert_int_equal(request_encode(&request, &frame), ST_OK);
		assert_int_equal(
		    request_decode(buf_span(&frame), &back), more == 0 ? ST_OK : ST_INVALID);
	}
	mem_free(text);
	buf_free(&frame);
}

/* What SIGN would have said is one of its verdicts. */
static void
test_shadow_reply_damaged(void **state)
{
	struct reply reply = full_reply(2), back;
	struct buf frame;
	size_t would;

	(void)state;
	reply.verdict = VERDICT_SHADOW;
	reply.would = VERDICT_SIGN;
	buf_init(&frame, FRAME_MAX);
	assert_int_equal(reply_encode(&reply, &frame), ST_OK);
	assert_only_whole(as_reply, buf_span(&frame));
	would = 1 + 1 + 8 + 4 + reply.text.n + 4;
	assert_int_equal(frame.p[would], VERDICT_SIGN);
	for (int verdict = 0; verdict <= VERDICT_SHADOW + 1; verdict++) {
		const bool good = verdict >= VERDICT_PASS && verdict <= VERDICT_QUARANTINE;

		frame.p[would] = (char)verdict;
		assert_int_equal(reply_decode(buf_span(&frame), &back), good ? ST_OK : ST_INVALID);
	}
	buf_free(&frame);
}

/* Also a result that is none, an id and a reason that are too long. */
static void
test_checked_damaged(void **state)
{
	struct request request = full_request(REQUEST_CHECKED);
	char text[CANARY_WHY_MAX + 2];
	size_t offsets[2];
	struct buf frame;

	(void)state;
	buf_init(&frame, FRAME_MAX);
	assert_int_equal(request_encode(&request, &frame), ST_OK);
	assert_only_whole(as_request, buf_span(&frame));
	assert_int_equal(lengths_of(buf_span(&frame), REQUEST_SPANS_AT + 1, offsets, 2), frame.n);
	assert_lengths_checked(as_request, &frame, offsets, 2);
	for (int result = 0; result < 256; result++) {
		frame.p[REQUEST_SPANS_AT] = (char)result;
		assert_int_equal(as_request(buf_span(&frame)),
		    result >= CANARY_GOOD && result <= CANARY_UNAVAILABLE ? ST_OK : ST_INVALID);
	}
	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < 4; i++) {
		buf_reset(&frame);
		request.key_id = span_of(text, i < 2 ? CANARY_ID_MAX + i : 1);
		request.why = span_of(text, i < 2 ? 0 : CANARY_WHY_MAX + i - 2);
		assert_int_equal(request_encode(&request, &frame), ST_OK);
		assert_int_equal(as_request(buf_span(&frame)), i % 2 == 0 ? ST_OK : ST_INVALID);
	}
	buf_free(&frame);
}

static void
test_reply_damaged(void **state)
{
	struct reply reply = full_reply(2);
	size_t offsets[6], at;
	struct buf frame;

	(void)state;
	buf_init(&frame, FRAME_MAX);
	assert_int_equal(reply_encode(&reply, &frame), ST_OK);
	assert_only_whole(as_reply, buf_span(&frame));
	lengths_of(buf_span(&frame), 10, offsets, 1);
	at = lengths_of(buf_span(&frame), 10 + 4 + reply.text.n + 1, offsets + 1, 2);
	assert_int_equal(frame.p[at], 0);
	assert_int_equal(lengths_of(buf_span(&frame), at + 1, offsets + 3, 2) + 1 + 4, frame.n);
	offsets[5] = frame.n - 4;
	assert_lengths_checked(as_reply, &frame, offsets, 6);
	frame.p[at] = 2; /* neither asked for nor not */
	assert_int_equal(as_reply(buf_span(&frame)), ST_INVALID);
	buf_free(&frame);
}

/* Octets with few values: all others are refused. */
static void
test_letters(void **state)
{
	struct request request = full_request(REQUEST_PEER);
	struct reply reply = full_reply(0);
	struct buf frame;

	(void)state;
	buf_init(&frame, FRAME_MAX);
	assert_int_equal(request_encode(&request, &frame), ST_OK);
	for (int c = 0; c < 256; c++) {
		frame.p[1] = (char)c;
		/* The frames of the others have more behind it. */
		assert_int_equal(
		    as_request(buf_span(&frame)), c == REQUEST_PEER ? ST_OK : ST_INVALID);
	}
	frame.p[1] = REQUEST_PEER;
	assert_int_equal(as_reply(buf_span(&frame)), ST_INVALID);
	frame.p[0] = 'x';
	assert_int_equal(as_request(buf_span(&frame)), ST_INVALID);
	buf_reset(&frame);
	assert_int_equal(reply_encode(&reply, &frame), ST_OK);
	for (int c = 0; c < 256; c++) {
		frame.p[1] = (char)c;
		assert_int_equal(as_reply(buf_span(&frame)),
		    (c >= 1 && c <= VERDICT_QUARANTINE) || c == VERDICT_RESET ? ST_OK : ST_INVALID);
	}
	frame.p[1] = VERDICT_PASS;
	frame.p[frame.n - 1] = FRAME_HEADERS_MAX + 1;
	assert_int_equal(as_reply(buf_span(&frame)), ST_INVALID);
	buf_free(&frame);
}

struct limit {
	size_t at; /* offset of a span in struct request */
	size_t max;
};

static void
test_limits(void **state)
{
	static const struct limit limits[] = {{offsetof(struct request, job_id), 256},
	    {offsetof(struct request, host), 1024}, {offsetof(struct request, daemon_name), 1024},
	    {offsetof(struct request, login), FRAME_LOGIN_MAX},
	    {offsetof(struct request, macros), FRAME_MACROS_MAX},
	    {offsetof(struct request, recipients), FRAME_RECIPIENTS_MAX},
	    {offsetof(struct request, sender_header), 1024}, {offsetof(struct request, user), 1024},
	    {offsetof(struct request, domain), 256},
	    {offsetof(struct request, canonical), FRAME_CANONICAL_MAX},
	    {offsetof(struct request, key_name), 256},
	    {offsetof(struct request, octets), FRAME_DNS_MAX}};
	char *big = mem_zalloc(1, FRAME_MAX + 1);
	struct buf frame;

	(void)state;
	buf_init(&frame, FRAME_MAX);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		for (size_t over = 0; over < 2; over++) {
			struct request request = full_request(
			    limits[i].at >= offsetof(struct request, key_name) ? REQUEST_DNS_PUT
									       : REQUEST_SIGN);

			*(struct span *)(void *)((char *)&request + limits[i].at) =
			    span_of(big, limits[i].max + over);
			buf_reset(&frame);
			assert_int_equal(request_encode(&request, &frame), ST_OK);
			assert_int_equal(
			    as_request(buf_span(&frame)), over == 0 ? ST_OK : ST_INVALID);
		}
	buf_reset(&frame);
	{
		struct request request = full_request(REQUEST_SIGN);

		request.header_names = span_of(big, FRAME_MAX);
		assert_int_equal(request_encode(&request, &frame), ST_TOO_BIG);
	}
	buf_free(&frame);
	mem_free(big);
}

static void
test_list(void **state)
{
	static const char *const elements[] = {"a", "", "two words", "@"};
	struct span rest, element;
	struct buf list;

	(void)state;
	buf_init(&list, 1000);
	for (size_t i = 0; i < 4; i++)
		frame_list_add(&list, span_str(elements[i]));
	rest = buf_span(&list);
	for (size_t i = 0; i < 4; i++) {
		assert_true(frame_list_next(&rest, &element));
		assert_true(span_eq_str(element, elements[i]));
	}
	assert_false(frame_list_next(&rest, &element));
	for (size_t n = 0; n < 4; n++) {
		rest = span_of("\2\0\0\0a", n + 2);
		assert_false(frame_list_next(&rest, &element));
	}
	buf_free(&list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_request_round_trip),
	    cmocka_unit_test(test_reply_round_trip),
	    cmocka_unit_test(test_dns_reply_round_trip),
	    cmocka_unit_test(test_dns_damaged),
	    cmocka_unit_test(test_request_damaged),
	    cmocka_unit_test(test_checked_damaged),
	    cmocka_unit_test(test_report_damaged),
	    cmocka_unit_test(test_shadow_reply_damaged),
	    cmocka_unit_test(test_reply_damaged),
	    cmocka_unit_test(test_letters),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests_name("daemon/frame", tests, NULL, NULL);
}
