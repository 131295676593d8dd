/*
 * test_authority.c - lib/dns: what the replies of all servers mean together, and in which words a
 * record that is there differs from the one that should be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dns/authority_private.h"

#define VALUE "v=DKIM1; k=rsa; p=MIGfAbCd"
#define OTHER "v=DKIM1; p="
#define LONG_BYTES 740U

/* ---- replies ---- */

static const struct authority_server servers[] = {
    {.name = "ns1.a.example", .text = "192.0.2.1"},
    {.name = "ns2.a.example", .text = "192.0.2.2"},
    {.name = "ns3.a.example", .text = "2001:db8::3"},
};

#define TTL 77U

/* A letter for each server: V value, O other, N NXDOMAIN, E no TXT, F foreign, S two records,
 * W wildcard, C alias, R referral, U fault, I no route, - not asked. */
static void
make_reply(char what, const struct authority_server *server, struct authority_reply *reply)
{
	struct authority_answer *answer = mem_zalloc(1, sizeof(*answer));

	*reply = (struct authority_reply){.server = server};
	answer->rcode = what == 'N' ? RCODE_NXDOMAIN : RCODE_NOERROR;
	answer->ttl_s = strchr("VOFSWC", what) != NULL ? TTL : 0;
	answer->records = what == 'S' ? 2 : strchr("VOFW", what) != NULL ? 1 : 0;
	answer->aliased = what == 'C';
	answer->texts[0] = span_str(what == 'V' ? VALUE : what == 'O' ? OTHER : "foreign\n");
	answer->texts[1] = SPAN_LIT("second");
	authority_reply_read(reply, answer, SPAN_LIT(VALUE), SPAN_LIT(OTHER));
	if (what == 'W')
		reply->kind = REPLY_WILDCARD;
	else if (what == 'R')
		reply->kind = REPLY_REFERRAL;
	else if (what == 'I')
		reply->kind = REPLY_NO_ROUTE;
	else if (what == '-')
		reply->kind = REPLY_NOTHING_YET;
	else if (what == 'U')
		*reply = (struct authority_reply){
		    .server = server, .kind = REPLY_FAULT, .fault = "does not answer"};
	mem_free(answer);
}

static void
test_judge(void **state)
{
	static const struct {
		const char *replies;
		enum authority_seen seen;
		unsigned servers, right, ttl_s;
		const char *why;
	} cases[] = {
	    {"VVV", AUTHORITY_RIGHT, 3, 3, TTL, "all 3 servers have it"},
	    {"VVI", AUTHORITY_RIGHT, 2, 2, TTL, "all 2 servers have it"},
	    {"NNN", AUTHORITY_ABSENT, 3, 0, 0, "none of 3 servers has it"},
	    {"NEN", AUTHORITY_ABSENT, 3, 0, 0, "none of 3"},
	    {"OO", AUTHORITY_OTHER, 2, 0, TTL, "all 2 servers have the other text"},
	    {"WW", AUTHORITY_WILDCARD, 2, 0, TTL, "made by a wildcard: \"foreign\\010\""},
	    {"WN", AUTHORITY_WILDCARD, 2, 0, TTL, "wildcard"},
	    {"VNV", AUTHORITY_MIXED, 3, 2, TTL,
		"ns2.a.example (192.0.2.2) answers NXDOMAIN, 2 of 3 servers have it"},
	    {"VE", AUTHORITY_MIXED, 2, 1, TTL, "has no TXT record there, 1 of 2"},
	    {"VW", AUTHORITY_MIXED, 2, 1, TTL, "only what a wildcard makes, 1 of 2"},
	    {"VO", AUTHORITY_MIXED, 2, 1, TTL, "still has the other text, 1 of 2"},
	    {"ON", AUTHORITY_MIXED, 2, 0, TTL, "0 of 2"},
	    {"VC", AUTHORITY_MIXED, 2, 1, TTL, "a CNAME that leads elsewhere"},
	    {"VF", AUTHORITY_FOREIGN, 2, 1, TTL, "ns2.a.example (192.0.2.2): it"},
	    {"NS", AUTHORITY_FOREIGN, 2, 0, TTL, "there are 2 TXT records"},
	    {"UF", AUTHORITY_FOREIGN, 2, 0, TTL, "ns2.a.example"},
	    {"VVU", AUTHORITY_UNAVAILABLE, 3, 2, TTL,
		"ns3.a.example (2001:db8::3) does not answer; 2 of 3 servers have it"},
	    {"NNU", AUTHORITY_UNAVAILABLE, 3, 0, 0, "does not answer"},
	    {"U", AUTHORITY_UNAVAILABLE, 1, 0, 0, "does not answer"},
	    {"V-", AUTHORITY_UNAVAILABLE, 2, 1, TTL, ""},
	    {"VR", AUTHORITY_UNAVAILABLE, 2, 1, TTL, ""},
	    {"II", AUTHORITY_UNAVAILABLE, 0, 0, 0, "no server could be asked"},
	    {"", AUTHORITY_UNAVAILABLE, 0, 0, 0, "no server could be asked"},
	};
	struct authority_question *question = mem_zalloc(1, sizeof(*question));

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct authority_reply replies[3];
		size_t count = strlen(cases[i].replies);

		memset(question, 0, sizeof(*question));
		question->value = SPAN_LIT(VALUE);
		for (size_t j = 0; j < count; j++)
			make_reply(cases[i].replies[j], &servers[j], &replies[j]);
		authority_judge(question, replies, count);
		if (question->seen != cases[i].seen || question->servers != cases[i].servers ||
		    question->right != cases[i].right || question->ttl_s != cases[i].ttl_s ||
		    strstr(question->why, cases[i].why) == NULL)
			fail_msg("%s: %d, %u of %u, %u s: %s", cases[i].replies,
			    (int)question->seen, question->right, question->servers,
			    question->ttl_s, question->why);
		for (size_t j = 0; j < count; j++)
			authority_reply_free(&replies[j]);
	}
	mem_free(question);
}

/* The order of records is not the same twice. */
static void
test_digest(void **state)
{
	struct authority_answer *answer = mem_zalloc(1, sizeof(*answer));
	struct authority_reply one = {.server = NULL}, two = one, three = one;

	(void)state;
	answer->records = 2;
	answer->texts[0] = SPAN_LIT("a");
	answer->texts[1] = SPAN_LIT("b");
	authority_reply_read(&one, answer, SPAN_EMPTY, SPAN_EMPTY);
	answer->texts[0] = SPAN_LIT("b");
	answer->texts[1] = SPAN_LIT("a");
	authority_reply_read(&two, answer, SPAN_EMPTY, SPAN_EMPTY);
	answer->texts[1] = SPAN_LIT("c");
	authority_reply_read(&three, answer, SPAN_EMPTY, SPAN_EMPTY);
	assert_true(one.digest == two.digest);
	assert_true(one.digest != three.digest);
	authority_reply_free(&one);
	authority_reply_free(&two);
	authority_reply_free(&three);
	mem_free(answer);
}

/* ---- words ---- */

static void
expect(const char *wanted, const char *found, const char *words)
{
	char out[AUTHORITY_WHY_BYTES];

	authority_explain(span_str(wanted), span_str(found), out);
	if (strstr(out, words) == NULL)
		fail_msg("\"%s\": %s", found, out);
}

static void
test_explain(void **state)
{
	static const struct {
		const char *found, *words;
	} cases[] = {
	    {VALUE, "the record is right"},
	    {"v=DKIM1; k=rsa; p=MIG", "cut off after 21 of 26 octets"},
	    {"", "is empty"},
	    {"p=MIGfAbCd", "only the last 10 of 26"},
	    {"MIGfAbCdv=DKIM1; k=rsa; p=", "wrong order: the one of 18 octets"},
	    {"\"v=DKIM1; k=rsa; p=MIGfAbCd\"", "quotation marks in it"},
	    {"v=DKIM1; k=rsa; p=MIGf\" \"AbCd", "quotation marks in it"},
	    {"v=DKIM1\\; k=rsa\\; p=MIGfAbCd", "backslashes in it"},
	    {"\\\"v=DKIM1\\\"", "quotation marks and backslashes"},
	    {"v=DKIM1; k=rsa; p=MIGf AbCd", "blanks in the key"},
	    {"v=DKIM1;  k=rsa; p=MIGfAbCd", "more blanks"},
	    {"v=DKIM1;k=rsa;p=MIGfAbCd", "blanks are missing"},
	    {"v=dkim1; k=rsa; p=MIGfAbCd", "another spelling of v=DKIM1"},
	    {"V=DKIM1; k=rsa; p=MIGFABCD", "capital and small letters"},
	    {"v=DKIM1; k=rsa; p=MIGfXXXX", "it is another key"},
	    {"v=DKIM1; k=ed25519; p=MIGfAbCd", "the key is right, and other parts"},
	    {"v=DKIM1; k=rsa; t=s; p=MIGfA", "the key (p=) is cut off after 5 of 8"},
	    {"v=DKIM1; p=", "revoked"},
	    {"v=DKIM1; k=rsa; MIGfAbCd", "p= is missing"},
	    {"v=spf1 -all", "no key record: it begins with v=spf1"},
	    {"hello", "p= is missing"},
	    {VALUE " IN TXT", "something behind"},
	    {"s._domainkey TXT " VALUE, "something in front"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(VALUE, cases[i].found, cases[i].words);
	expect("", "anything", "there should be none");
	expect(OTHER, VALUE, "p= should be empty");
	expect("some text", "another", "it is another text");
}

static char
letter(size_t i)
{
	return (char)('a' + (i * 7 + i / 26) % 26);
}

static void
make_strings(const char *order, const char *wanted, char *out)
{
	size_t n = 0;

	for (; *order != '\0'; order++) {
		size_t at = (size_t)(*order - '0') * 255, left = LONG_BYTES - at;

		left = left < 255 ? left : 255;
		memcpy(out + n, wanted + at, left);
		n += left;
	}
	out[n] = '\0';
}

static void
test_explain_strings(void **state)
{
	char wanted[LONG_BYTES + 1] = "v=DKIM1; k=rsa; p=", found[2 * LONG_BYTES];

	(void)state;
	for (size_t i = strlen(wanted); i < LONG_BYTES; i++)
		wanted[i] = letter(i);
	wanted[LONG_BYTES] = '\0';
	make_strings("0", wanted, found);
	expect(wanted, found, "cut off after 255 of 740 octets: only the first strings");
	make_strings("01", wanted, found);
	expect(wanted, found, "cut off after 510 of 740 octets: only the first strings");
	make_strings("102", wanted, found);
	expect(wanted, found, "its strings are in the wrong order");
	make_strings("210", wanted, found);
	expect(wanted, found, "its strings are in the wrong order");
	make_strings("120", wanted, found);
	expect(wanted, found, "its two strings are in the wrong order: the one of 255 octets");
	make_strings("201", wanted, found);
	expect(wanted, found, "its two strings are in the wrong order: the one of 510 octets");
	make_strings("12", wanted, found);
	expect(wanted, found, "the beginning of the record is missing");
}

static void
test_printable(void **state)
{
	char out[12];

	(void)state;
	authority_printable(SPAN_LIT("a\n\"\x80"), out, sizeof(out));
	assert_string_equal(out, "a\\010\"\\128");
	authority_printable(SPAN_LIT("0123456789abcdef"), out, sizeof(out));
	assert_true(strlen(out) < sizeof(out) && strncmp(out, "0123456", 7) == 0);
}

/* ---- names ---- */

static void
test_names(void **state)
{
	char out[AUTHORITY_NAME_BYTES];

	(void)state;
	assert_true(authority_name_take(SPAN_LIT("S._DomainKey.a-1.Example"), out));
	assert_string_equal(out, "s._domainkey.a-1.example");
	assert_false(authority_name_take(SPAN_LIT("a..b"), out));
	assert_false(authority_name_take(SPAN_LIT("a.b."), out));
	assert_false(authority_name_take(SPAN_LIT(".a"), out));
	assert_false(authority_name_take(SPAN_LIT("a b"), out));
	assert_false(authority_name_take(SPAN_EMPTY, out));
	assert_true(authority_name_in("a.b", "b") && authority_name_in("b", "b"));
	assert_false(authority_name_in("ab", "b") || authority_name_in("b", "a.b"));
	assert_string_equal(authority_name_base("s._domainkey.a.example"), "a.example");
	assert_string_equal(authority_name_base("_domainkey.a.example"), "a.example");
	assert_string_equal(
	    authority_name_base("s._domainkey.x._domainkey.a.example"), "a.example");
	assert_string_equal(authority_name_base("slot1.keys.provider"), "keys.provider");
	assert_string_equal(authority_name_base("single"), "");
}

static void
test_mistakes(void **state)
{
	static const struct {
		unsigned mistake;
		const char *name, *zone, *wrong;
	} cases[] = {
	    {0, "s._domainkey.a.example", "a.example", "s._domainkey.a.example.a.example"},
	    {0, "s._domainkey.m.a.example", "a.example", "s._domainkey.m.a.example.a.example"},
	    {1, "s._domainkey.a.example", "a.example", "s.a.example"},
	    {2, "s._domainkey.m.a.example", "a.example", "s._domainkey.a.example"},
	    {2, "s._domainkey.a.example", "a.example", ""},
	    {3, "s._domainkey.a.example", "a.example", "_domainkey.a.example"},
	};
	char out[AUTHORITY_NAME_BYTES], label[64], deep[AUTHORITY_NAME_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		authority_mistake_name(cases[i].mistake, cases[i].name, cases[i].zone, out);
		assert_string_equal(out, cases[i].wrong);
	}
	memset(label, 'a', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	snprintf(deep, sizeof(deep), "s._domainkey.%s.%s.%s.example", label, label, label);
	authority_mistake_name(0, deep, deep + strlen("s._domainkey."), out);
	assert_string_equal(out, ""); /* longer than a name can be */
}

/* ---- questions on the wire ---- */

static void
test_fits(void **state)
{
	struct authority_exchange exchange = {.type = TYPE_TXT, .name = "abcdefghij.example"};
	char message[AUTHORITY_QUERY_BYTES];
	struct span span;
	bool changed = false;

	(void)state;
	for (int i = 0; i < 64 && !changed; i++) { /* some letter of it is large */
		authority_query_build(&exchange);
		changed = exchange.query[15] >= 'A' && exchange.query[15] <= 'Z';
	}
	assert_true(changed);
	span = span_of(message, exchange.query_bytes - 2);
	memcpy(message, exchange.query + 2, span.n);
	assert_int_equal(authority_query_fits(&exchange, span), AUTHORITY_NOT_OURS); /* QR=0 */
	message[2] = (char)0x84;
	assert_int_equal(authority_query_fits(&exchange, span), AUTHORITY_FIT);
	message[2] = (char)0x86;
	assert_int_equal(authority_query_fits(&exchange, span), AUTHORITY_TRUNCATED);
	message[2] = (char)0x84;
	message[3] = 1;
	assert_int_equal(authority_query_fits(&exchange, span), AUTHORITY_NO_EXTENSION);
	exchange.plain = true;
	assert_int_equal(authority_query_fits(&exchange, span), AUTHORITY_FIT);
	message[3] = 0;
	message[13] = ascii_lower(message[13]);
	assert_int_equal(authority_query_fits(&exchange, span), AUTHORITY_RESPELLED);
	exchange.tcp = true;
	assert_int_equal(authority_query_fits(&exchange, span), AUTHORITY_FIT);
	message[13] = 'x';
	assert_int_equal(authority_query_fits(&exchange, span), AUTHORITY_NOT_OURS);
	message[0] = (char)(message[0] ^ 1);
	assert_int_equal(authority_query_fits(&exchange, span), AUTHORITY_NOT_OURS);
	assert_int_equal(
	    authority_query_fits(&exchange, span_sub(span, 0, 20)), AUTHORITY_NOT_OURS);
}

/* ---- opening ---- */

static void
test_open(void **state)
{
	struct authority_config config = {
	    .resolvers = "192.0.2.1, [2001:db8::1]:53 192.0.2.3@5353"};
	struct authority *authority = NULL;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(authority_open(&config, &authority, &err), ST_OK);
	assert_int_equal(authority->resolver_count, 3);
	assert_string_equal(authority->resolvers[1]->text, "2001:db8::1");
	authority_close(authority);
	config.resolvers = "192.0.2.1 example.com";
	assert_int_equal(authority_open(&config, &authority, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "example.com"));
	authority_close(NULL);
}

/* What cannot be a name is answered without asking anybody. */
static void
test_no_name(void **state)
{
	struct authority_config config = {.resolvers = "192.0.2.1"};
	struct authority_question *question = mem_zalloc(1, sizeof(*question));
	struct authority *authority = NULL;
	struct err err = ERR_NONE;

	(void)state;
	question->name = SPAN_LIT("a b");
	assert_int_equal(authority_open(&config, &authority, &err), ST_OK);
	authority_ask(authority, question, 1);
	assert_int_equal(question->seen, AUTHORITY_UNAVAILABLE);
	assert_non_null(strstr(question->why, "no name"));
	authority_close(authority);
	mem_free(question);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_judge),
	    cmocka_unit_test(test_digest),
	    cmocka_unit_test(test_explain),
	    cmocka_unit_test(test_explain_strings),
	    cmocka_unit_test(test_printable),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_fits),
	    cmocka_unit_test(test_open),
	    cmocka_unit_test(test_no_name),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
