/*
 * test_milter.c - the milter codec: every command, every malformed form, every chunking; the
 * negotiation; every answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/milter/milter.h"
#include "lib/base/mem.h"
#include "tests/lib/milter_text.h"
#include "tests/lib/mta.h"

#define PACKET_MAX 64U
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DATA(literal)                                                                              \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}

struct packet {
	char letter;
	struct span data;
	const char *text; /* what the decoder shall see */
};

static const struct packet good_packets[] = {
    {'O', DATA("\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"), "optneg 6 0x1ff 0x1fffff\n"},
    {'O', DATA("\xff\xff\xff\xff\x80\0\0\0\x70\0\0\0x"),
	"optneg 4294967295 0x80000000 0x70000000\n"},
    {'D', DATA("C"), "macro|C\n"},
    {'D', DATA("M{auth_authen}\0joe\0"), "macro|M|{auth_authen}=joe\n"},
    {'D', DATA("Ri\0\0j\0mx|\x7f\0"), "macro|R|i=|j=mx\\7c\\7f\n"},
    {'C',
	DATA("mx\0004\x12\x34"
	     "192.0.2.1\0"),
	"connect|mx|4|4660|192.0.2.1\n"},
    {'C', DATA("[x]\0006\xff\xffIPv6:2001:db8::1\0"), "connect|[x]|6|65535|IPv6:2001:db8::1\n"},
    {'C', DATA("\0L\0\0/s\0"), "connect||L|0|/s\n"},
    {'C', DATA("\0L\0\0\0"), "connect||L|0|\n"},
    {'C', DATA("localhost\0U"), "connect|localhost|U|0|\n"},
    {'C', DATA("a\0U\0\0x"), "connect|a|U|0|\n"},
    {'H', DATA("mx\0"), "helo|mx\n"},
    {'H', DATA("\0"), "helo|\n"},
    {'M', DATA("<a@b>\0"), "mail|<a@b>\n"},
    {'M', DATA("<>\0SIZE=9\0BODY=8BITMIME\0"), "mail|<>|SIZE=9|BODY=8BITMIME\n"},
    {'M', DATA("\0"), "mail|\n"},
    {'R', DATA("<a@b>\0"), "rcpt|<a@b>\n"},
    {'R', DATA("<a@b>\0NOTIFY=NEVER\0\0"), "rcpt|<a@b>|NOTIFY=NEVER|\n"},
    {'T', DATA(""), "data\n"},
    {'T', DATA("xx"), "data\n"},
    {'L', DATA("Subject\0 a\n b\0"), "header|Subject| a\\0a b\n"},
    {'L', DATA("X\0\xc3\xa4\r\n\tb\0"), "header|X|\\c3\\a4\\0d\\0a\\09b\n"},
    {'L', DATA("a\0\0"), "header|a|\n"},
    {'L', DATA("\0\0"), "header||\n"},
    {'N', DATA(""), "eoh\n"},
    {'N', DATA("\0"), "eoh\n"},
    {'B', DATA("a\0\r\n"), "body|a\\00\\0d\\0a\n"},
    {'B', DATA(""), "body|\n"},
    {'B', DATA("longer than the limit of these tests, which is 64 octets for one packet"),
	"body|longer than the limit of these tests, which is 64 octets for one packet\n"},
    {'E', DATA(""), "eom|\n"},
    {'E', DATA("last octets"), "eom|last octets\n"},
    {'E', DATA("longer than the limit of these tests, which is 64 octets for one packet"),
	"eom|longer than the limit of these tests, which is 64 octets for one packet\n"},
    {'L', DATA("X-Long\0longer than the limit of these tests, which is 64 octets for a packet\0"),
	"header too big|X-Long|\n"},
    {'L', DATA("not even well-formed, but longer than the limit of these tests of 64"),
	"header too big||\n"},
    {'L', DATA("exactly 64 octets with the letter\0............................\0"),
	"header|exactly 64 octets with the letter|............................\n"},
    {'H', DATA("..............................................................\0"),
	"helo|..............................................................\n"},
    {'A', DATA(""), "abort\n"},
    {'A', DATA("x"), "abort\n"},
    {'K', DATA(""), "quit_nc\n"},
    {'Q', DATA(""), "quit\n"},
    {'U', DATA("XYZZY 1\0"), "unknown|XYZZY 1\n"},
};

static const struct packet bad_packets[] = {
    {'O', DATA(""), NULL},
    {'O', DATA("\0\0\0\6\0\0\1\xff\0\x1f\xff"), NULL},
    {'D', DATA(""), NULL},
    {'D', DATA("Ci"), NULL},
    {'D', DATA("Ci\0"), NULL},
    {'D', DATA("Ci\0x"), NULL},
    {'D', DATA("Ci\0x\0j\0"), NULL},
    {'C', DATA(""), NULL},
    {'C', DATA("mx"), NULL},
    {'C', DATA("mx\0"), NULL},
    {'C', DATA("mx\0004"), NULL},
    {'C', DATA("mx\0004\0"), NULL},
    {'C', DATA("mx\0004\0\0"), NULL},
    {'C', DATA("mx\0004\0\0001.2.3.4"), NULL},
    {'C', DATA("mx\0006\0\0::1\0x"), NULL},
    {'C', DATA("mx\0006\0\0::1\0x\0"), NULL},
    {'C', DATA("mx\0X\0\0::1\0"), NULL},
    {'C', DATA("mx\0\0\0\0::1\0"), NULL},
    {'H', DATA(""), NULL},
    {'H', DATA("mx"), NULL},
    {'H', DATA("mx\0x\0"), NULL},
    {'M', DATA(""), NULL},
    {'M', DATA("<>"), NULL},
    {'M', DATA("<>\0SIZE=1"), NULL},
    {'R', DATA(""), NULL},
    {'R', DATA("<a>"), NULL},
    {'L', DATA(""), NULL},
    {'L', DATA("a"), NULL},
    {'L', DATA("a\0"), NULL},
    {'L', DATA("a\0b"), NULL},
    {'L', DATA("a\0b\0c"), NULL},
    {'L', DATA("a\0b\0c\0"), NULL},
    {'U', DATA(""), NULL},
    {'U', DATA("x"), NULL},
    {'H', DATA("...............................................................\0"), NULL},
    {'D', DATA("Mi\0.............................................................\0"), NULL},
    {'X', DATA(""), NULL},
    {'o', DATA("\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"), NULL},
    {'\0', DATA(""), NULL},
    {'\xff', DATA(""), NULL},
};

static void
add_packet(struct buf *buf, const struct packet *packet)
{
	mta_put(buf, (enum milter_command)packet->letter, packet->data);
}

static size_t
constant_size(void *context)
{
	return *(size_t *)context;
}

/* First a chunk of the given size, then all the rest. */
static size_t
two_sizes(void *context)
{
	size_t *first = context;
	size_t size = *first;

	*first = SIZE_MAX;
	return size;
}

static void
expect_text(struct span input, size_t (*next_size)(void *), size_t size, const char *text)
{
	struct milter_text t;
	size_t held;

	milter_text_init(&t);
	held = milter_text_feed(&t, input, PACKET_MAX, next_size, &size);
	assert_string_equal(buf_text(&t.text), text);
	assert_true(held < PACKET_MAX);
	milter_text_free(&t);
}

/* In one piece, in chunks of every size, and cut in two at every place. */
static void
expect_in_every_chunking(struct span input, const char *text)
{
	expect_text(input, NULL, 0, text);
	for (size_t size = 1; size < input.n; size++) {
		expect_text(input, constant_size, size, text);
		expect_text(input, two_sizes, size, text);
	}
}

static void
test_every_command_in_every_chunking(void **state)
{
	struct buf octets;

	(void)state;
	buf_init(&octets, 4096);
	for (size_t i = 0; i < COUNT(good_packets); i++) {
		buf_reset(&octets);
		add_packet(&octets, &good_packets[i]);
		expect_in_every_chunking(buf_span(&octets), good_packets[i].text);
	}
	buf_free(&octets);
}

static void
test_all_commands_in_a_row(void **state)
{
	struct buf octets;
	struct buf text;

	(void)state;
	buf_init(&octets, 1U << 16);
	buf_init(&text, 1U << 16);
	for (size_t i = 0; i < COUNT(good_packets); i++) {
		add_packet(&octets, &good_packets[i]);
		buf_add_str(&text, good_packets[i].text);
	}
	assert_int_equal(buf_status(&octets), ST_OK);
	expect_in_every_chunking(buf_span(&octets), buf_text(&text));
	buf_free(&octets);
	buf_free(&text);
}

/* A good packet before, another behind: the first is seen, the last one never. */
static void
test_malformed_packets_end_the_connection(void **state)
{
	struct packet eoh = {'N', DATA(""), NULL};
	struct buf octets;

	(void)state;
	buf_init(&octets, 4096);
	for (size_t i = 0; i < COUNT(bad_packets); i++) {
		buf_reset(&octets);
		add_packet(&octets, &eoh);
		add_packet(&octets, &bad_packets[i]);
		add_packet(&octets, &eoh);
		expect_in_every_chunking(buf_span(&octets), "eoh\ninvalid\n");
	}
	buf_free(&octets);
}

static void
test_impossible_lengths(void **state)
{
	static const struct span heads[] = {DATA("\0\0\0\0A"),
	    DATA("\xff\xff\xff\xff"
		 "B"),
	    DATA("\x10\0\0\1B"), DATA("\x10\0\0\1L"), DATA("\x80\0\0\0L"), DATA("\0\0\0\x41H"),
	    DATA("\0\1\0\0M"), DATA("\0\1\0\0A"), DATA("\0\0\0\0\0")};

	(void)state;
	for (size_t i = 0; i < COUNT(heads); i++)
		expect_in_every_chunking(heads[i], "invalid\n");
	expect_in_every_chunking((struct span)DATA("\x10\0\0\0L"), "");
	expect_in_every_chunking((struct span)DATA("\x10\0\0\0B"), "");
}

static void
test_a_broken_decoder_stays_broken(void **state)
{
	struct milter_decoder dec;
	struct milter_event event;
	struct err err = ERR_NONE;
	struct span input = SPAN_LIT("\0\0\0\1X\0\0\0\1N");

	(void)state;
	milter_decoder_init(&dec, PACKET_MAX);
	assert_int_equal(milter_decoder_next(&dec, &input, &event, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "unknown command 0x58"));
	assert_int_equal(milter_decoder_next(&dec, &input, &event, &err), ST_INVALID);
	input = SPAN_LIT("\0\0\0\1N");
	assert_int_equal(milter_decoder_next(&dec, &input, &event, &err), ST_INVALID);
	assert_int_equal(milter_decoder_next(&dec, &input, &event, NULL), ST_INVALID);
	milter_decoder_free(&dec);
	milter_decoder_free(&dec);
}

static void
test_whole_packets_are_not_copied(void **state)
{
	struct milter_decoder dec;
	struct milter_event event;
	struct err err = ERR_NONE;
	struct span whole = SPAN_LIT("\0\0\0\7Lab\0cd\0\0\0\0\3Bxy");
	struct span input = whole;

	(void)state;
	milter_decoder_init(&dec, PACKET_MAX);
	assert_int_equal(milter_decoder_next(&dec, &input, &event, &err), ST_OK);
	assert_ptr_equal(event.u.header.name.p, whole.p + 5);
	assert_ptr_equal(event.u.header.value.p, whole.p + 8);
	assert_int_equal(milter_decoder_next(&dec, &input, &event, &err), ST_OK);
	assert_ptr_equal(event.u.body.data.p, whole.p + 16);
	assert_false(event.u.body.more);
	assert_null(dec.held.p);
	milter_decoder_free(&dec);
}

/* A packet in two parts takes memory, which the next call gives back. */
static void
test_no_memory_between_packets(void **state)
{
	struct milter_decoder dec;
	struct milter_event event;
	struct err err = ERR_NONE;
	struct span input = SPAN_LIT("\0\0\0\7Lab");

	(void)state;
	milter_decoder_init(&dec, PACKET_MAX);
	assert_int_equal(milter_decoder_next(&dec, &input, &event, &err), ST_ABSENT);
	assert_int_equal(milter_decoder_held(&dec), 2);
	input = SPAN_LIT("\0cd\0");
	assert_int_equal(milter_decoder_next(&dec, &input, &event, &err), ST_OK);
	assert_true(span_eq_str(event.u.header.value, "cd"));
	assert_int_equal(milter_decoder_next(&dec, &input, &event, &err), ST_ABSENT);
	assert_null(dec.held.p);
	/* The head alone, then an empty input, then the rest at once: nothing is kept. */
	input = SPAN_LIT("\0\0\0\4H");
	assert_int_equal(milter_decoder_next(&dec, &input, &event, &err), ST_ABSENT);
	assert_null(dec.held.p);
	input = SPAN_LIT("mx\0");
	assert_int_equal(milter_decoder_next(&dec, &input, &event, &err), ST_OK);
	assert_null(dec.held.p);
	milter_decoder_free(&dec);
}

/* Feeds n octets of data in chunks behind a head; counts events and body octets. */
static void
feed_zeros(struct milter_decoder *dec, size_t n, size_t *body_bytes, struct milter_event *last)
{
	static const char zeros[65536];
	struct err err = ERR_NONE;
	enum status status;

	while (n > 0) {
		struct span chunk = span_of(zeros, n < sizeof(zeros) ? n : sizeof(zeros));

		n -= chunk.n;
		while ((status = milter_decoder_next(dec, &chunk, last, &err)) == ST_OK)
			if (last->type == MILTER_BODY)
				*body_bytes += last->u.body.data.n;
		assert_int_equal(status, ST_ABSENT);
		assert_true(dec->held.n < 64);
	}
}

static void
test_huge_packets_take_no_memory(void **state)
{
	struct milter_decoder dec;
	struct milter_event event = {.type = MILTER_QUIT};
	struct err err = ERR_NONE;
	struct span body = SPAN_LIT("\0\x10\0\1B");           /* 1 MiB */
	struct span eom = SPAN_LIT("\0\x20\0\1E");            /* 2 MiB */
	struct span header = SPAN_LIT("\x06\x40\0\1LX-Long"); /* 100 MiB */
	size_t body_bytes = 0;

	(void)state;
	milter_decoder_init(&dec, 65536);
	assert_int_equal(milter_decoder_next(&dec, &body, &event, &err), ST_ABSENT);
	feed_zeros(&dec, 1U << 20, &body_bytes, &event);
	assert_int_equal(event.type, MILTER_BODY);
	assert_false(event.u.body.more);
	assert_int_equal(body_bytes, 1U << 20);
	body_bytes = 0;
	assert_int_equal(milter_decoder_next(&dec, &eom, &event, &err), ST_ABSENT);
	feed_zeros(&dec, 2U << 20, &body_bytes, &event);
	assert_int_equal(event.type, MILTER_EOM);
	assert_int_equal(body_bytes + event.u.eom.data.n, 2U << 20);
	event.type = MILTER_QUIT;
	assert_int_equal(milter_decoder_next(&dec, &header, &event, &err), ST_ABSENT);
	feed_zeros(&dec, (100U << 20) - 7, &body_bytes, &event);
	assert_int_equal(event.type, MILTER_QUIT);
	feed_zeros(&dec, 1, &body_bytes, &event);
	assert_int_equal(event.type, MILTER_HEADER);
	assert_true(event.u.header.too_big);
	milter_decoder_free(&dec);
}

#define SIGNER_PROTOCOL                                                                            \
	(SMFIP_NOHELO | SMFIP_NOUNKNOWN | SMFIP_NODATA | SMFIP_NR_ALL | SMFIP_SKIP |               \
	    SMFIP_HDR_LEADSPC | SMFIP_MDS_256K | SMFIP_MDS_1M)
#define POSTFIX_OFFER 6, 0x1ff, 0x1fffff

static const struct negotiation {
	const char *name;
	struct milter_options offer;
	struct milter_want want;
	enum status status;
	struct milter_options result;
} negotiations[] = {
    {"Postfix 3.7", {POSTFIX_OFFER},
	{SMFIF_ADDHDRS, SMFIF_CHGHDRS | SMFIF_SETSYMLIST, SIGNER_PROTOCOL, true}, ST_OK,
	{6, 0x111, 0x1ff782}},
    {"Postfix 3.7, every command answered", {POSTFIX_OFFER},
	{SMFIF_ADDHDRS, SMFIF_CHGHDRS | SMFIF_SETSYMLIST, SIGNER_PROTOCOL, false}, ST_OK,
	{6, 0x111, 0x100702}},
    {"Sendmail 8.14 to 8.17", {6, 0x1ff, 0x1fffff},
	{SMFIF_ADDHDRS, SMFIF_QUARANTINE, SIGNER_PROTOCOL, true}, ST_OK, {6, 0x21, 0x1ff782}},
    {"Sendmail with packets of 1 MiB", {6, 0x1ff, 0x301fffff},
	{SMFIF_ADDHDRS, 0, SIGNER_PROTOCOL, true}, ST_OK, {6, 0x1, 0x201ff782}},
    {"Sendmail with packets of 256 KiB", {6, 0x1ff, 0x101fffff},
	{SMFIF_ADDHDRS, 0, SIGNER_PROTOCOL, true}, ST_OK, {6, 0x1, 0x101ff782}},
    {"only 256 KiB wanted", {6, 0x1ff, 0x301fffff}, {SMFIF_ADDHDRS, 0, SMFIP_MDS_256K, true}, ST_OK,
	{6, 0x1, 0x10000000}},
    {"reserved bits are not answered", {6, 0xffffffff, 0xffffffff},
	{SMFIF_ADDHDRS, 0xffffffff, 0xffffffff, true}, ST_OK, {6, 0x1ff, 0x201fffff}},
    {"a later version", {7, 0x3ff, 0x3fffff}, {SMFIF_ADDHDRS, 0x3ff, 0xffffffff, true}, ST_OK,
	{6, 0x1ff, 0x1fffff}},
    {"version 5 is as 4", {5, 0x1ff, 0x1fffff}, {SMFIF_ADDHDRS, 0x1ff, SIGNER_PROTOCOL, true},
	ST_OK, {5, 0x3f, 0x302}},
    {"version 4", {4, 0x3f, 0x3ff}, {SMFIF_ADDHDRS, SMFIF_SETSYMLIST, SIGNER_PROTOCOL, true}, ST_OK,
	{4, 0x1, 0x302}},
    {"version 3", {3, 0x3f, 0x1ff}, {SMFIF_ADDHDRS, 0, SIGNER_PROTOCOL, true}, ST_OK,
	{3, 0x1, 0x102}},
    {"version 3 that offers what 4 brought", {3, 0x3f, 0x3ff},
	{SMFIF_ADDHDRS, 0, SIGNER_PROTOCOL, true}, ST_OK, {3, 0x1, 0x102}},
    {"version 2, Sendmail 8.12 and 8.13", {2, 0x3f, 0x7f},
	{SMFIF_ADDHDRS, 0x1ff, SIGNER_PROTOCOL, true}, ST_OK, {2, 0x3f, 0x2}},
    {"version 2 that offers everything", {2, 0xffffffff, 0xffffffff},
	{SMFIF_ADDHDRS, 0xffffffff, 0xffffffff, true}, ST_OK, {2, 0x3f, 0x7f}},
    {"nothing wanted", {POSTFIX_OFFER}, {0, 0, 0, true}, ST_OK, {6, 0, 0}},
    {"nothing offered, nothing needed", {6, 0, 0}, {0, 0x1ff, SIGNER_PROTOCOL, true}, ST_OK,
	{6, 0, 0}},
    {"a needed action is not offered", {6, 0x1fe, 0x1fffff},
	{SMFIF_ADDHDRS, 0, SIGNER_PROTOCOL, true}, ST_DENIED, {0, 0, 0}},
    {"one of two needed actions", {6, 0x1, 0x1fffff},
	{SMFIF_ADDHDRS | SMFIF_CHGHDRS, 0, SIGNER_PROTOCOL, true}, ST_DENIED, {0, 0, 0}},
    {"needed, offered, but not known to the version", {2, 0x1ff, 0x7f}, {SMFIF_CHGFROM, 0, 0, true},
	ST_DENIED, {0, 0, 0}},
    {"version 1", {1, 0xf, 0x3f}, {SMFIF_ADDHDRS, 0, 0, true}, ST_DENIED, {0, 0, 0}},
    {"version 0", {0, 0xf, 0x3f}, {0, 0, 0, true}, ST_DENIED, {0, 0, 0}},
};

static void
test_negotiations(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(negotiations); i++) {
		const struct negotiation *n = &negotiations[i];
		struct milter_options result = {0, 0, 0};
		struct err err = ERR_NONE;
		enum status status = milter_negotiate(&n->offer, &n->want, &result, &err);

		if (status != n->status || result.version != n->result.version ||
		    result.actions != n->result.actions || result.protocol != n->result.protocol)
			fail_msg("%s: %s, %u 0x%x 0x%x", n->name, status_name(status),
			    result.version, result.actions, result.protocol);
		assert_int_equal(err.text[0] != '\0', status == ST_DENIED);
	}
}

/* No answer has a bit that was not offered, whatever is offered and wanted. */
static void
test_negotiation_never_exceeds_the_offer(void **state)
{
	(void)state;
	for (uint32_t version = 2; version < 9; version++)
		for (unsigned int bit = 0; bit < 32; bit++) {
			uint32_t mask = 1U << bit;
			struct milter_options offer = {version, ~mask, ~mask};
			struct milter_want want = {0, 0xffffffff, 0xffffffff, true};
			struct milter_options result;

			assert_int_equal(milter_negotiate(&offer, &want, &result, NULL), ST_OK);
			assert_int_equal(result.actions & mask, 0);
			assert_int_equal(result.protocol & mask, 0);
			assert_true(result.version <= 6);
			offer = (struct milter_options){version, mask, mask};
			assert_int_equal(milter_negotiate(&offer, &want, &result, NULL), ST_OK);
			assert_int_equal(result.actions & ~mask, 0);
			assert_int_equal(result.protocol & ~mask, 0);
		}
}

static void
expect_octets(struct buf *buf, enum status status, struct span octets)
{
	assert_int_equal(status, ST_OK);
	assert_int_equal(buf->n, octets.n);
	assert_memory_equal(buf->p, octets.p, octets.n);
	buf_reset(buf);
}

static void
test_put_optneg(void **state)
{
	static const struct milter_symlist lists[] = {
	    {SMFIM_ENVFROM, "i {auth_authen}"}, {SMFIM_EOM, "i"}};
	struct milter_options agreed = {6, SMFIF_ADDHDRS | SMFIF_SETSYMLIST, 0x1ff782};
	struct buf buf;

	(void)state;
	buf_init(&buf, 100);
	expect_octets(&buf, milter_put_optneg(&buf, &agreed, NULL, 0),
	    SPAN_LIT("\0\0\0\x0dO\0\0\0\6\0\0\1\1\0\x1f\xf7\x82"));
	expect_octets(&buf, milter_put_optneg(&buf, &agreed, lists, 2),
	    SPAN_LIT("\0\0\0\x27O\0\0\0\6\0\0\1\1\0\x1f\xf7\x82"
		     "\0\0\0\2i {auth_authen}\0\0\0\0\5i\0"));
	agreed.actions = SMFIF_ADDHDRS;
	expect_octets(&buf, milter_put_optneg(&buf, &agreed, lists, 2),
	    SPAN_LIT("\0\0\0\x0dO\0\0\0\6\0\0\0\1\0\x1f\xf7\x82"));
	buf_free(&buf);
}

static void
test_put_reply(void **state)
{
	static const enum milter_reply plain[] = {SMFIR_CONTINUE, SMFIR_ACCEPT, SMFIR_REJECT,
	    SMFIR_TEMPFAIL, SMFIR_DISCARD, SMFIR_SKIP, SMFIR_PROGRESS, SMFIR_CONN_FAIL,
	    SMFIR_SHUTDOWN};
	static const int others[] = {SMFIR_INSHEADER, SMFIR_REPLYCODE, SMFIR_QUARANTINE, 0, 'X'};
	struct buf buf;

	(void)state;
	buf_init(&buf, 100);
	for (size_t i = 0; i < COUNT(plain); i++) {
		char octets[] = {0, 0, 0, 1, (char)plain[i]};

		expect_octets(
		    &buf, milter_put_reply(&buf, plain[i]), span_of(octets, sizeof(octets)));
	}
	for (size_t i = 0; i < COUNT(others); i++) {
		assert_int_equal(milter_put_reply(&buf, (enum milter_reply)others[i]), ST_INVALID);
		assert_int_equal(buf.n, 0);
	}
	buf_free(&buf);
}

static void
test_put_replycode(void **state)
{
	static const struct {
		const char *code, *xcode, *text;
	} bad[] = {{"250", NULL, "x"}, {"55", NULL, "x"}, {"5500", NULL, "x"}, {"5a0", NULL, "x"},
	    {"", NULL, "x"}, {"550", "4.7.1", "x"}, {"550", "5.7", "x"}, {"550", "5.7.1.1", "x"},
	    {"550", "5.7.", "x"}, {"550", "5..1", "x"}, {"550", "5.7.1000", "x"}, {"550", "", "x"},
	    {"550", NULL, "a\r\nb"}, {"550", NULL, "\x7f"}, {"550", NULL, "\xc3\xa4"},
	    {"550", NULL, "\t"}};
	char longest[MILTER_REPLY_TEXT_MAX + 2];
	struct buf buf;

	(void)state;
	buf_init(&buf, 2048);
	expect_octets(&buf, milter_put_replycode(&buf, "550", "5.7.1", "100% of it"),
	    SPAN_LIT("\0\0\0\x17y550 5.7.1 100%% of it\0"));
	expect_octets(&buf, milter_put_replycode(&buf, "451", NULL, "later"),
	    SPAN_LIT("\0\0\0\x0by451 later\0"));
	expect_octets(
	    &buf, milter_put_replycode(&buf, "451", NULL, NULL), SPAN_LIT("\0\0\0\5y451\0"));
	expect_octets(&buf, milter_put_replycode(&buf, "451", "4.7.123", ""),
	    SPAN_LIT("\0\0\0\x0dy451 4.7.123\0"));
	for (size_t i = 0; i < COUNT(bad); i++)
		if (milter_put_replycode(&buf, bad[i].code, bad[i].xcode, bad[i].text) !=
		    ST_INVALID)
			fail_msg("%s %s %s", bad[i].code, bad[i].xcode, bad[i].text);
	assert_int_equal(buf.n, 0);
	memset(longest, '%', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(milter_put_replycode(&buf, "550", "5.999.999", longest), ST_TOO_BIG);
	longest[sizeof(longest) - 2] = '\0';
	assert_int_equal(milter_put_replycode(&buf, "550", "5.999.999", longest), ST_OK);
	assert_int_equal(buf.n, 4 + 1 + 3 + 10 + 1 + 2 * MILTER_REPLY_TEXT_MAX + 1);
	buf_free(&buf);
}

static void
test_put_fields(void **state)
{
	struct span dkim = SPAN_LIT("DKIM-Signature");
	struct buf buf;

	(void)state;
	buf_init(&buf, 200);
	expect_octets(&buf,
	    milter_put_insheader(&buf, 0, dkim, SPAN_LIT(" v=1;\r\n\td=x;\r\n b=%y")),
	    SPAN_LIT("\0\0\0\x26i\0\0\0\0DKIM-Signature\0 v=1;\n\td=x;\n b=%y\0"));
	expect_octets(&buf, milter_put_insheader(&buf, 0x01020304, SPAN_LIT("A"), SPAN_LIT("\n b")),
	    SPAN_LIT("\0\0\0\x0bi\1\2\3\4A\0\n b\0"));
	expect_octets(&buf, milter_put_addheader(&buf, SPAN_LIT("X-A"), SPAN_LIT("\xc3\xa4")),
	    SPAN_LIT("\0\0\0\x08hX-A\0\xc3\xa4\0"));
	expect_octets(&buf, milter_put_chgheader(&buf, 2, SPAN_LIT("X-A"), SPAN_EMPTY),
	    SPAN_LIT("\0\0\0\x0am\0\0\0\2X-A\0\0"));
	expect_octets(
	    &buf, milter_put_quarantine(&buf, "held: 50%"), SPAN_LIT("\0\0\0\x0bqheld: 50%\0"));
	assert_int_equal(milter_put_quarantine(&buf, ""), ST_INVALID);
	assert_int_equal(milter_put_quarantine(&buf, NULL), ST_INVALID);
	assert_int_equal(milter_put_quarantine(&buf, "a\nb"), ST_INVALID);
	assert_int_equal(buf.n, 0);
	buf_free(&buf);
}

static void
test_put_fields_refuses_injections(void **state)
{
	static const struct span names[] = {DATA(""), DATA("A:"), DATA("A B"), DATA("A\0B"),
	    DATA("A\n"), DATA("\xc3\xa4"), DATA("\x7f")};
	static const struct span values[] = {DATA("a\0b"), DATA("\0"), DATA("a\nBcc: x"),
	    DATA("a\r\nBcc: x"), DATA("a\n"), DATA("a\r\n"), DATA("a\n\n b"), DATA("a\r b"),
	    DATA("a\r"), DATA("a\r\r\n b"), DATA("a\n\r\n b")};
	struct buf buf;

	(void)state;
	buf_init(&buf, 200);
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_int_equal(
		    milter_put_insheader(&buf, 0, names[i], SPAN_LIT("v")), ST_INVALID);
		assert_int_equal(milter_put_addheader(&buf, names[i], SPAN_LIT("v")), ST_INVALID);
		assert_int_equal(
		    milter_put_chgheader(&buf, 1, names[i], SPAN_LIT("v")), ST_INVALID);
	}
	for (size_t i = 0; i < COUNT(values); i++) {
		assert_int_equal(
		    milter_put_insheader(&buf, 0, SPAN_LIT("A"), values[i]), ST_INVALID);
		assert_int_equal(milter_put_addheader(&buf, SPAN_LIT("A"), values[i]), ST_INVALID);
	}
	assert_int_equal(buf.n, 0);
	assert_int_equal(buf_status(&buf), ST_OK);
	buf_free(&buf);
}

/* At every size of the buffer: the whole packet or nothing of it. */
static void
test_put_is_all_or_nothing(void **state)
{
	(void)state;
	for (size_t max = 0; max < 60; max++) {
		struct buf buf;
		enum status status;
		size_t kept;

		buf_init(&buf, max);
		kept = milter_put_reply(&buf, SMFIR_CONTINUE) == ST_OK ? 5 : 0;
		assert_int_equal(buf.n, kept);
		status = milter_put_insheader(&buf, 0, SPAN_LIT("Name"), SPAN_LIT("value\r\n x"));
		assert_int_equal(status, max >= 5 + 23 ? ST_OK : ST_TOO_BIG);
		assert_int_equal(buf.n, status == ST_OK ? 5 + 23 : kept);
		assert_int_equal(buf_status(&buf), status);
		buf_free(&buf);
	}
}

/* What the filter's side writes is what the MTA's side reads. */
static void
test_replies_are_understood(void **state)
{
	static const struct milter_symlist lists[] = {{SMFIM_HELO, ""}, {SMFIM_EOM, "i j"}};
	struct milter_options agreed = {6, SMFIF_SETSYMLIST, 7};
	struct mta_reply reply;
	struct err err = ERR_NONE;
	struct span input, name;
	struct buf buf;
	uint32_t stage;

	(void)state;
	buf_init(&buf, 1000);
	assert_int_equal(milter_put_optneg(&buf, &agreed, lists, 2), ST_OK);
	assert_int_equal(milter_put_insheader(&buf, 3, SPAN_LIT("A"), SPAN_LIT("v\r\n w")), ST_OK);
	assert_int_equal(milter_put_replycode(&buf, "450", "4.0.0", "50%"), ST_OK);
	input = buf_span(&buf);
	assert_int_equal(mta_reply_next(&input, &reply, &err), ST_OK);
	assert_int_equal(reply.code, 'O');
	assert_int_equal(reply.protocol, 7);
	assert_true(mta_symlist_next(&reply.symlists, &stage, &name));
	assert_int_equal(stage, SMFIM_HELO);
	assert_int_equal(name.n, 0);
	assert_true(mta_symlist_next(&reply.symlists, &stage, &name));
	assert_true(span_eq_str(name, "i j"));
	assert_false(mta_symlist_next(&reply.symlists, &stage, &name));
	assert_int_equal(mta_reply_next(&input, &reply, &err), ST_OK);
	assert_int_equal(reply.index, 3);
	assert_true(span_eq_str(reply.value, "v\n w"));
	assert_int_equal(mta_reply_next(&input, &reply, &err), ST_OK);
	assert_true(span_eq_str(reply.text, "450 4.0.0 50%%"));
	assert_int_equal(mta_reply_next(&input, &reply, &err), ST_ABSENT);
	buf_free(&buf);
}

static void
test_malformed_replies(void **state)
{
	static const struct packet bad[] = {{'O', DATA("\0\0\0\6\0\0\0\1\0\0\0"), NULL},
	    {'O', DATA("\0\0\0\6\0\0\0\1\0\0\0\0\0\0\0\7i\0"), NULL},
	    {'O', DATA("\0\0\0\6\0\0\0\1\0\0\0\0\0\0\0\1i"), NULL}, {'c', DATA("x"), NULL},
	    {'i', DATA("\0\0\0"), NULL}, {'i', DATA("\0\0\0\0A\0b"), NULL},
	    {'i', DATA("\0\0\0\0\0b\0"), NULL}, {'h', DATA("A\0b\0c"), NULL},
	    {'h', DATA("A\0"), NULL}, {'y', DATA("550 x"), NULL}, {'y', DATA("550\0x\0"), NULL},
	    {'q', DATA(""), NULL}, {'e', DATA("<a>\0x"), NULL}, {'l', DATA(""), NULL},
	    {'?', DATA(""), NULL}};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err err = ERR_NONE;
		struct mta_reply reply;
		struct span input;
		struct buf buf;

		buf_init(&buf, 100);
		add_packet(&buf, &bad[i]);
		input = buf_span(&buf);
		assert_int_equal(mta_reply_next(&input, &reply, &err), ST_INVALID);
		assert_true(err.text[0] != '\0');
		buf_free(&buf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_command_in_every_chunking),
	    cmocka_unit_test(test_all_commands_in_a_row),
	    cmocka_unit_test(test_malformed_packets_end_the_connection),
	    cmocka_unit_test(test_impossible_lengths),
	    cmocka_unit_test(test_a_broken_decoder_stays_broken),
	    cmocka_unit_test(test_whole_packets_are_not_copied),
	    cmocka_unit_test(test_no_memory_between_packets),
	    cmocka_unit_test(test_huge_packets_take_no_memory),
	    cmocka_unit_test(test_negotiations),
	    cmocka_unit_test(test_negotiation_never_exceeds_the_offer),
	    cmocka_unit_test(test_put_optneg),
	    cmocka_unit_test(test_put_reply),
	    cmocka_unit_test(test_put_replycode),
	    cmocka_unit_test(test_put_fields),
	    cmocka_unit_test(test_put_fields_refuses_injections),
	    cmocka_unit_test(test_put_is_all_or_nothing),
	    cmocka_unit_test(test_replies_are_understood),
	    cmocka_unit_test(test_malformed_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
