/*
 * test_dns_answer.c - lib/dns: messages from servers, whole and torn; the list of servers; texts in
 * the form of zone files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/dns/answer.h"
#include "lib/dns/nameserver.h"
#include "lib/dns/txt.h"

#define MESSAGE_MAX 65535

static struct dns_room room;
static struct dns_answer answer;

/* ---- messages ---- */

static void
put(struct buf *out, const void *octets, size_t n)
{
	buf_add(out, span_of(octets, n));
}

static void
put16(struct buf *out, unsigned int value)
{
	buf_add_char(out, (char)(value >> 8));
	buf_add_char(out, (char)value);
}

/* "a.b.c", without compression; "*" is a pointer to the question's name. */
static void
put_name(struct buf *out, const char *text)
{
	struct span rest = span_str(text), label;
	bool more = rest.n > 0;

	if (strcmp(text, "*") == 0) {
		put16(out, 0xc00c);
		return;
	}
	while (more) {
		more = span_cut(&rest, '.', &label);
		buf_add_char(out, (char)label.n);
		buf_add(out, label);
	}
	buf_add_char(out, '\0');
}

static void
begin(struct buf *out, unsigned int flags, unsigned int answers, unsigned int authorities)
{
	buf_init(out, MESSAGE_MAX);
	put16(out, 0);
	put16(out, flags);
	put16(out, 1);
	put16(out, answers);
	put16(out, authorities);
	put16(out, 0);
	put_name(out, "s1._domainkey.Example.com");
	put16(out, 16);
	put16(out, 1);
}

static void
put_head(struct buf *out, const char *owner, unsigned int type, unsigned int ttl, size_t data)
{
	put_name(out, owner);
	put16(out, type);
	put16(out, 1);
	put16(out, 0);
	put16(out, ttl);
	put16(out, (unsigned int)data);
}

static void
put_txt(struct buf *out, const char *owner, const char *data, size_t n)
{
	put_head(out, owner, 16, 300, n);
	put(out, data, n);
}

static void
put_cname(struct buf *out, const char *owner, const char *target, unsigned int ttl)
{
	put_head(out, owner, 5, ttl, strlen(target) + 2);
	put_name(out, target);
}

/* From a copy of its exact size, so that AddressSanitizer sees one octet too far. */
static void
read_message(struct buf *message, enum dns_security security)
{
	char *copy = mem_alloc(message->n);

	memcpy(copy, message->p, message->n);
	dns_answer_read(span_of(copy, message->n), security, &room, &answer);
	mem_free(copy);
	buf_free(message);
}

static void
test_strings_are_joined_and_records_kept_apart(void **state)
{
	struct buf message;

	(void)state;
	begin(&message, 0x8180, 3, 0);
	put_txt(&message, "*", "\7v=DKIM1\3; p", 12);
	put_txt(&message, "S1._DomainKey.example.COM", "\0", 1);
	put_txt(&message, "other.example.com", "\1x", 2);
	read_message(&message, DNS_SECURE);
	assert_int_equal(answer.status, ST_OK);
	assert_int_equal(answer.security, DNS_SECURE);
	assert_int_equal(answer.count, 2);
	assert_true(span_eq_str(answer.texts[0].joined, "v=DKIM1; p"));
	assert_int_equal(answer.texts[0].strings, 2);
	assert_int_equal(answer.texts[0].string_bytes_max, 7);
	assert_int_equal(answer.texts[1].joined.n, 0);
	assert_int_equal(answer.texts[1].strings, 1);
	assert_int_equal(answer.ttl_s, 300);
	assert_int_equal(answer.alias.n, 0);
}

static void
test_aliases_are_followed(void **state)
{
	char name[32], target[32];
	struct buf message;

	(void)state;
	begin(&message, 0x8180, 3, 0);
	put_cname(&message, "*", "k.esp.example.net", 60);
	put_cname(&message, "K.ESP.example.net", "last.Example.org", 600);
	put_txt(&message, "last.example.org", "\2ok", 3);
	read_message(&message, DNS_INSECURE);
	assert_int_equal(answer.status, ST_OK);
	assert_true(span_eq_str(answer.alias, "last.example.org"));
	assert_true(span_eq_str(answer.texts[0].joined, "ok"));
	assert_int_equal(answer.ttl_s, 60);
	for (unsigned int count = DNS_ALIASES_MAX; count <= DNS_ALIASES_MAX + 1; count++) {
		begin(&message, 0x8180, count + 1, 0);
		put_cname(&message, "*", "n0.example", 60);
		for (unsigned int i = 1; i < count; i++) {
			snprintf(name, sizeof(name), "n%u.example", i - 1);
			snprintf(target, sizeof(target), "n%u.example", i);
			put_cname(&message, name, target, 60);
		}
		put_txt(&message, target, "\2ok", 3);
		read_message(&message, DNS_UNKNOWN);
		assert_int_equal(answer.status, count <= DNS_ALIASES_MAX ? ST_OK : ST_TOO_BIG);
	}
	begin(&message, 0x8180, 1, 0); /* to itself */
	put_cname(&message, "*", "s1._domainkey.example.com", 60);
	read_message(&message, DNS_UNKNOWN);
	assert_int_equal(answer.status, ST_ABSENT);
}

static void
test_what_is_not_there(void **state)
{
	static const struct {
		unsigned int flags;
		enum status status;
		bool exists;
		const char *why;
	} cases[] = {
	    {0x8180, ST_ABSENT, true, "no TXT record"},
	    {0x8183, ST_ABSENT, false, "NXDOMAIN"},
	    {0x8182, ST_UNAVAILABLE, false, "SERVFAIL"},
	    {0x8185, ST_UNAVAILABLE, false, "REFUSED"},
	    {0x818f, ST_UNAVAILABLE, false, "an unknown error code"},
	    {0x8380, ST_INVALID, false, "a truncated answer"},
	    {0x0100, ST_INVALID, false, "a truncated answer"},
	};
	struct buf message;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(&message, cases[i].flags, 0, 1);
		put_head(&message, "example.com", 6, 900, 24);
		put(&message, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x78", 24);
		read_message(&message, DNS_UNKNOWN);
		assert_int_equal(answer.status, cases[i].status);
		assert_int_equal(answer.name_exists, cases[i].exists);
		assert_string_equal(answer.why, cases[i].why);
		if (answer.status == ST_ABSENT)
			assert_int_equal(answer.ttl_s, 120);
		assert_int_equal(answer.count, 0);
	}
}

/* How long there will be none is said by the SOA, at most for as long as an alias holds; where
 * there is none nobody said so. RFC 2308 section 5. */
static void
test_how_long_it_is_not_there(void **state)
{
	static const struct {
		unsigned int alias_ttl, soa_ttl; /* 0: there is none */
		uint8_t minimum;
		uint32_t ttl_s;
	} cases[] = {
	    {0, 900, 120, 120},
	    {0, 60, 120, 60},
	    {0, 900, 0, 0},
	    {0, 0, 0, 0},
	    {30, 900, 120, 30},
	    {300, 900, 120, 120},
	    {300, 0, 0, 0},
	};
	struct buf message;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char soa[24] = {0};

		soa[23] = (char)cases[i].minimum;
		begin(&message, 0x8183, cases[i].alias_ttl > 0, 2);
		if (cases[i].alias_ttl > 0)
			put_cname(&message, "*", "n.example", cases[i].alias_ttl);
		put_head(&message, "example.com", 2, 1, 2);
		put16(&message, 0xc00c);
		put_head(&message, "example", cases[i].soa_ttl > 0 ? 6 : 99, cases[i].soa_ttl, 24);
		put(&message, soa, sizeof(soa));
		read_message(&message, DNS_UNKNOWN);
		assert_int_equal(answer.status, ST_ABSENT);
		assert_int_equal(answer.ttl_s, cases[i].ttl_s);
	}
}

static void
test_bogus_texts_are_not_given(void **state)
{
	struct buf message;

	(void)state;
	begin(&message, 0x8180, 1, 0);
	put_txt(&message, "*", "\2ok", 3);
	read_message(&message, DNS_BOGUS);
	assert_int_equal(answer.status, ST_UNAVAILABLE);
	assert_int_equal(answer.security, DNS_BOGUS);
	assert_int_equal(answer.count, 0);
}

static void
test_limits(void **state)
{
	char *data = mem_zalloc(2, DNS_TEXT_BYTES_MAX);
	size_t n = 0;
	struct buf message;

	(void)state;
	for (unsigned int count = DNS_TEXTS_MAX; count <= DNS_TEXTS_MAX + 1; count++) {
		begin(&message, 0x8180, count, 0);
		for (unsigned int i = 0; i < count; i++)
			put_txt(&message, "*", "\1x", 2);
		read_message(&message, DNS_UNKNOWN);
		assert_int_equal(answer.status, count <= DNS_TEXTS_MAX ? ST_OK : ST_TOO_BIG);
		assert_int_equal(answer.count, count <= DNS_TEXTS_MAX ? count : 0);
	}
	for (size_t left = DNS_TEXT_BYTES_MAX; left > 0; left -= left < 255 ? left : 255) {
		data[n] = (char)(unsigned char)(left < 255 ? left : 255);
		n += 1 + (unsigned char)data[n];
	}
	begin(&message, 0x8180, 1, 0);
	put_txt(&message, "*", data, n);
	read_message(&message, DNS_UNKNOWN);
	assert_int_equal(answer.status, ST_OK);
	assert_int_equal(answer.texts[0].joined.n, DNS_TEXT_BYTES_MAX);
	memcpy(data + n, "\1x", 2);
	begin(&message, 0x8180, 1, 0);
	put_txt(&message, "*", data, n + 2);
	read_message(&message, DNS_UNKNOWN);
	assert_int_equal(answer.status, ST_TOO_BIG);
	mem_free(data);
}

/* Every prefix of a good message, and one with each octet behind the header made 0xff. */
static void
test_torn_messages(void **state)
{
	struct buf message, part;
	size_t whole;

	(void)state;
	begin(&message, 0x8180, 2, 0);
	put_cname(&message, "*", "k.example.net", 60);
	put_txt(&message, "k.example.net", "\3one\3two", 8);
	whole = message.n;
	for (size_t n = 1; n < whole; n++) {
		buf_init(&part, MESSAGE_MAX);
		put(&part, message.p, n);
		read_message(&part, DNS_UNKNOWN);
		assert_int_equal(answer.status, ST_INVALID);
		assert_int_equal(answer.count, 0);
	}
	for (size_t n = 12; n < whole; n++) {
		buf_init(&part, MESSAGE_MAX);
		put(&part, message.p, whole);
		part.p[n] = (char)0xff;
		read_message(&part, DNS_UNKNOWN);
	}
	buf_free(&message);
}

static void
test_torn_texts(void **state)
{
	static const struct {
		const char *data;
		size_t n;
	} cases[] = {{"", 0}, {"\3ab", 3}, {"\2ab\1", 4}, {"\xff", 1}};
	struct buf message;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(&message, 0x8180, 2, 0);
		put_txt(&message, "*", "\4good", 5);
		put_txt(&message, "*", cases[i].data, cases[i].n);
		read_message(&message, DNS_UNKNOWN);
		assert_int_equal(answer.status, ST_INVALID);
		assert_int_equal(answer.count, 0);
	}
}

/* Pointers forward, to themselves, to each other, and labels of no kind. */
static void
test_names_that_do_not_end(void **state)
{
	static const struct {
		const char *octets;
		size_t n;
	} names[] = {{"\xc0\x2b", 2}, {"\xc0\x2d", 2}, {"\xc0\xff", 2}, {"\xff\xff", 2},
	    {"\1a\xc0\x2b", 4},
	    {"\x40"
	     "a",
		2},
	    {"\x80"
	     "a",
		2},
	    {"\xc0", 1}, {"\77", 1}};
	struct buf message;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		begin(&message, 0x8180, 1, 0);
		assert_int_equal(message.n, 0x2b);
		put(&message, names[i].octets, names[i].n);
		put(&message, "\0\20\0\1\0\0\0\0\0\2\1x", names[i].n == 1 ? 0 : 12);
		read_message(&message, DNS_UNKNOWN);
		assert_int_equal(answer.status, ST_INVALID);
	}
}

/* A name of 255 octets is one, of 256 is none; a chain of pointers backwards ends. */
static void
test_long_names(void **state)
{
	char label[64];
	struct buf message;

	(void)state;
	memset(label, 'a', sizeof(label));
	for (size_t last = 61; last <= 62; last++) {
		begin(&message, 0x8180, 1, 0);
		put_head(&message, "*", 5, 60, 3 * 64 + last + 2);
		for (int i = 0; i < 3; i++) {
			buf_add_char(&message, 63);
			put(&message, label, 63);
		}
		buf_add_char(&message, (char)last);
		put(&message, label, last);
		buf_add_char(&message, 0);
		read_message(&message, DNS_UNKNOWN);
		assert_int_equal(answer.status, last == 61 ? ST_ABSENT : ST_INVALID);
	}
}

static void
test_odd_octets_in_an_alias(void **state)
{
	struct buf message;

	(void)state;
	begin(&message, 0x8180, 1, 0);
	put_head(&message, "*", 5, 60, 8);
	put(&message, "\6a.\\\n\xffZ", 8);
	read_message(&message, DNS_UNKNOWN);
	assert_true(span_eq_str(answer.alias, "a\\046\\092\\010\\255z"));
}

/* ---- Nameservers ---- */

static void
test_nameservers(void **state)
{
	static const struct {
		const char *list, *expected;
	} cases[] = {
	    {"192.0.2.1", "192.0.2.1@53 "},
	    {"192.0.2.1:5353, 192.0.2.2@54\t,, 2001:db8::1 ",
		"192.0.2.1@5353 192.0.2.2@54 2001:db8::1@53 "},
	    {"[2001:db8::1] [::1]:5353 [::1]@5 ::1@6", "2001:db8::1@53 ::1@5353 ::1@5 ::1@6 "},
	    {"", ""},
	    {" , ", ""},
	    {"dns.example.com", "!"},
	    {"192.0.2.1:0", "!"},
	    {"192.0.2.1:65536", "!"},
	    {"192.0.2.1:", "!"},
	    {"192.0.2.1@", "!"},
	    {"[192.0.2.1]", "!"},
	    {"[::1", "!"},
	    {"[::1]53", "!"},
	    {"[::1]:", "!"},
	    {"192.0.2.256", "!"},
	    {"[]", "!"},
	    {"@53", "!"},
	    {"1.1.1.1 nonsense", "1.1.1.1@53 !"},
	};
	char server[NAMESERVER_TEXT_MAX];
	struct err err = ERR_NONE;
	enum status status;
	struct buf got;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span rest = span_str(cases[i].list);

		buf_init(&got, 1000);
		while ((status = nameserver_next(&rest, server, &err)) == ST_OK)
			buf_add_fmt(&got, "%s ", server);
		if (status == ST_INVALID)
			buf_add_str(&got, "!");
		assert_string_equal(buf_text(&got), cases[i].expected);
		buf_free(&got);
	}
}

/* ---- texts ---- */

static void
test_txt_there_and_back(void **state)
{
	char octets[600];
	struct txt_shape shape;
	struct err err = ERR_NONE;
	struct buf text, back;

	(void)state;
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (char)(unsigned char)i;
	for (size_t n = 0; n <= sizeof(octets); n += 5) {
		buf_init(&text, 10000);
		buf_init(&back, 10000);
		assert_int_equal(txt_write(span_of(octets, n), 255, " ", &text), ST_OK);
		assert_int_equal(txt_read(buf_span(&text), &back, &shape, &err), ST_OK);
		assert_true(span_eq(buf_span(&back), span_of(octets, n)));
		assert_int_equal(shape.strings, n == 0 ? 1 : (n + 254) / 255);
		assert_int_equal(shape.string_bytes_max, n < 255 ? n : 255);
		buf_free(&text);
		buf_free(&back);
	}
}

static void
test_txt_forms(void **state)
{
	static const struct {
		const char *text, *joined;
	} cases[] = {
	    {"\"v=DKIM1; \" \"p=\"", "v=DKIM1; p="},
	    {"  one\ttwo\n\"three\"four ", "onetwothreefour"},
	    {"\"a\\\"b\\\\c\\059\"", "a\"b\\c;"},
	    {"\"\"", ""},
	    {"", NULL},
	    {"  ", NULL},
	    {"\"open", NULL},
	    {"\"\\", NULL},
	    {"\\2", NULL},
	    {"\\25x", NULL},
	    {"\\256", NULL},
	};
	struct err err = ERR_NONE;
	enum status status;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_init(&out, 1000);
		status = txt_read(span_str(cases[i].text), &out, NULL, &err);
		assert_int_equal(status, cases[i].joined == NULL ? ST_INVALID : ST_OK);
		if (cases[i].joined != NULL)
			assert_string_equal(buf_text(&out), cases[i].joined);
		buf_free(&out);
	}
	buf_init(&out, 10);
	assert_int_equal(txt_write(SPAN_LIT("12345678"), 4, "\n\t", &out), ST_TOO_BIG);
	buf_free(&out);
	buf_init(&out, 100);
	assert_int_equal(txt_write(SPAN_LIT("12345678"), 4, "\n\t", &out), ST_OK);
	assert_string_equal(buf_text(&out), "\"1234\"\n\t\"5678\"");
	buf_free(&out);
}

/* ---- other types ---- */

static void
read_record(unsigned int type, const char *data, size_t n, unsigned int asked)
{
	struct buf message;
	char *copy;

	buf_init(&message, MESSAGE_MAX);
	put(&message, "\0\0\x81\x80\0\1\0\1\0\0\0\0", 12);
	put_name(&message, "example.com");
	put16(&message, asked);
	put16(&message, 1);
	put_head(&message, "*", type, 300, n);
	put(&message, data, n);
	copy = mem_alloc(message.n);
	memcpy(copy, message.p, message.n);
	dns_answer_read_type(span_of(copy, message.n), asked, DNS_INSECURE, &room, &answer);
	mem_free(copy);
	buf_free(&message);
}

static void
test_records_of_other_types(void **state)
{
	static const struct {
		unsigned int type;
		const char *data;
		size_t n;
		const char *text; /* NULL: torn */
	} rows[] = {
	    {DNS_A, "\xc0\0\2\1", 4, "192.0.2.1"},
	    {DNS_A, "\xc0\0\2", 3, NULL},
	    {DNS_A, "\xc0\0\2\1\0", 5, NULL},
	    {DNS_AAAA, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16, "2001:db8::1"},
	    {DNS_AAAA, "\xc0\0\2\1", 4, NULL},
	    {DNS_MX, "\0\x0a\4mail\xc0\x0c", 9, "10 mail.example.com"},
	    {DNS_MX, "\0\0\0", 3, "0 ."},
	    {DNS_MX, "\xff\xff\4a\"\n.\0", 8, "65535 a\"\\010\\046"},
	    {DNS_MX, "\0", 1, NULL},
	    {DNS_MX, "\0\x0a\4mai", 6, NULL},
	    {DNS_MX, "\0\x0a\1a\0x", 6, NULL},
	    {DNS_SOA, "\2ns\xc0\x0c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 26,
		"ns.example.com"},
	    {DNS_SOA, "\2ns\xc0\x0c\0\0\0\0\0\0", 11, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		read_record(rows[i].type, rows[i].data, rows[i].n, rows[i].type);
		assert_int_equal(answer.status, rows[i].text == NULL ? ST_INVALID : ST_OK);
		if (rows[i].text == NULL)
			continue;
		assert_int_equal(answer.count, 1);
		assert_int_equal(answer.ttl_s, 300);
		if (!span_eq_str(answer.texts[0].joined, rows[i].text))
			fail_msg("%zu: %.*s", i, SPAN_ARG(answer.texts[0].joined));
	}
	read_record(DNS_A, "\xc0\0\2\1", 4, DNS_MX); /* not what was asked for */
	assert_int_equal(answer.status, ST_ABSENT);
	read_record(DNS_TXT, "\2ok", 3, DNS_TXT);
	assert_true(span_eq_str(answer.texts[0].joined, "ok"));
}

static int
free_room(void **state)
{
	(void)state;
	dns_room_free(&room);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_strings_are_joined_and_records_kept_apart),
	    cmocka_unit_test(test_aliases_are_followed),
	    cmocka_unit_test(test_what_is_not_there),
	    cmocka_unit_test(test_how_long_it_is_not_there),
	    cmocka_unit_test(test_bogus_texts_are_not_given),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_torn_messages),
	    cmocka_unit_test(test_torn_texts),
	    cmocka_unit_test(test_names_that_do_not_end),
	    cmocka_unit_test(test_long_names),
	    cmocka_unit_test(test_odd_octets_in_an_alias),
	    cmocka_unit_test(test_records_of_other_types),
	    cmocka_unit_test(test_nameservers),
	    cmocka_unit_test(test_txt_there_and_back),
	    cmocka_unit_test(test_txt_forms),
	};

	return cmocka_run_group_tests_name("dns_answer", tests, NULL, free_room);
}
