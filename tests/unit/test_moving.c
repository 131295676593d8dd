/*
 * test_moving.c - what signpost import reads, and what it makes of it: names of files, maps, what
 * redis-cli prints, configurations of OpenDKIM, and the order of a refile against that of a store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "tests/lib/scratch.h"
#include "tools/moving.h"

#define KEYS 4
static char *pems[KEYS];
static struct scratch scratch;

static int
set_up(void **state)
{
	(void)state;
	for (int i = 0; i < KEYS; i++) {
		struct err err = ERR_NONE;
		struct key *key;
		enum key_algorithm kind = i == KEYS - 1 ? KEY_ED25519_SHA256 : KEY_RSA_SHA256;

		assert_int_equal(key_generate(kind, 1024, &key, &err), ST_OK);
		assert_int_equal(key_private_pem(key, &pems[i], &err), ST_OK);
		key_free(key);
	}
	scratch_begin(&scratch);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < KEYS; i++)
		secret_free(pems[i]);
	scratch_end(&scratch);
	return 0;
}

static void
write_text(const char *name, const char *text)
{
	(void)scratch_write(&scratch, name, text);
}

static size_t
found(const struct moving_site *site, const char *code)
{
	size_t count = 0;

	for (size_t i = 0; i < site->finding_count; i++)
		count += strcmp(site->findings[i].code, code) == 0;
	return count;
}

/* ---- names of files ---- */

static void
files_have_names(void **state)
{
	static const struct {
		const char *folder, *name, *selector, *domain, *expected;
	} cases[] = {
	    {"a.example", "s1.private", "", "a.example", "s1"},
	    {"a.example", "s1.x.private", "", "a.example", "s1.x"},
	    {"a.example", "s1.txt", "", NULL, NULL},
	    {"", "a.example.s1.key", "", "a.example", "s1"},
	    {"", "a.example.s1.key", "other", "a.example", "s1"},
	    {"", "s1.key", "", NULL, NULL},
	    {"", "a.example.pem", "", NULL, NULL},
	    {"", "a.example.pem", "s9", "a.example", "s9"},
	    {"", "a.example.dkim", "", "a.example", "dkim"},
	    {"", "a.example.dkim", "s9", "a.example", "s9"},
	    {"", ".key", "", NULL, NULL},
	    {"", "README", "s9", NULL, NULL},
	    {"..", "s1.private", "", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span domain, selector;
		bool good = moving_name_of_file(span_str(cases[i].folder), span_str(cases[i].name),
		    span_str(cases[i].selector), &domain, &selector);

		assert_int_equal(good, cases[i].domain != NULL);
		if (good) {
			assert_true(span_eq_str(domain, cases[i].domain));
			assert_true(span_eq_str(selector, cases[i].expected));
		}
	}
}

static void
a_folder_is_read(void **state)
{
	struct moving_site site;
	char path[512];

	(void)state;
	snprintf(path, sizeof(path), "%s/a.example", scratch.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	write_text("a.example/s1.private", pems[0]);
	write_text("a.example/s1.txt", "a record");
	write_text("b.example.s2.key", pems[1]);
	write_text("c.example.s3.key", "no key");
	write_text("notes", "no key");
	moving_begin(&site, "test");
	assert_int_equal(moving_read_directory(&site, scratch.dir, NULL), 0);
	moving_plan(&site, "acme");
	assert_int_equal(site.domain_count, 2);
	assert_int_equal(found(&site, "bad-key"), 1);
	assert_int_equal(found(&site, "not-a-key"), 1);
	assert_int_equal(found(&site, "small-key"), 2);
	moving_end(&site);
	/* The folder goes by itself, but for what is in folders of it. */
	snprintf(path, sizeof(path), "%s/a.example/s1.private", scratch.dir);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/a.example/s1.txt", scratch.dir);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/a.example", scratch.dir);
	assert_int_equal(rmdir(path), 0);
}

/* ---- maps and Redis ---- */

static void
add_words(void *context, struct span name, struct span value, unsigned line)
{
	buf_add_fmt(context, "%u:%.*s=%.*s;", line, SPAN_ARG(name), SPAN_ARG(value));
}

static void
maps_are_read(void **state)
{
	struct buf said;

	(void)state;
	buf_init(&said, 1000);
	moving_parse_map(
	    SPAN_LIT("# c\n\na.example  /p/$domain.key\r\n \"b.example\"\t'x y'\nalone"), add_words,
	    &said);
	assert_string_equal(
	    buf_text(&said), "3:a.example=/p/$domain.key;4:b.example=x y;5:alone=;");
	buf_free(&said);
}

static void
redis_is_read(void **state)
{
	static const struct {
		const char *text, *said; /* NULL: refused */
	} cases[] = {
	    {"{\"a\":\"b\",\"c\":\"d\"}", "1:a=b;1:c=d;"},
	    {"\"a\",\"x\\ny\"\n\"c\",\"\\\"\\\\\\x41\\u0042\\/\"\n", "1:a=x\ny;2:c=\"\\AB/;"},
	    {"1) \"a\"\n2) \"b\"\n", "2:a=b;"},
	    {"1# \"a\" => \"b\"\n2# \"c\" => \"d\"", "1:a=b;2:c=d;"},
	    {"", ""},
	    {"(empty array)", NULL},
	    {"\"a\"", NULL},
	    {"\"a\",\"b", NULL},
	    {"\"a\",\"\\q\"", NULL},
	    {"\"a\",\"\\u20ac\"", NULL},
	    {"\"a\",\"\\x4\"", NULL},
	    {"a b", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_NONE;
		struct buf said;
		bool good;

		buf_init(&said, 1000);
		good = moving_parse_redis(span_str(cases[i].text), add_words, &said, &err);
		assert_int_equal(good, cases[i].said != NULL);
		assert_int_equal(good, err.text[0] == '\0');
		if (good)
			assert_string_equal(buf_text(&said), cases[i].said);
		buf_free(&said);
	}
}

static void
add_json(struct buf *out, const char *name, const char *value)
{
	buf_add_fmt(out, "{\"%s\":\"", name);
	for (; *value != '\0'; value++)
		if (*value == '\n')
			buf_add_str(out, "\\n");
		else
			buf_add_char(out, *value);
	buf_add_str(out, "\"}\n");
}

static void
redis_has_selectors_with_dots(void **state)
{
	struct moving_site site;
	struct err err = ERR_NONE;
	struct buf text;

	(void)state;
	buf_init_secret(&text, 1 << 20);
	add_json(&text, "s.1.a.example", pems[0]);
	add_json(&text, "a.example", "s.1");
	add_json(&text, "old.a.example", pems[1]); /* another selector signs */
	add_json(&text, "s2.b.example", pems[2]);  /* no selector is said */
	add_json(&text, "c.example", "gone");
	moving_begin(&site, "test");
	assert_true(moving_take_redis(&site, buf_span(&text), SPAN_LIT("here"), &err));
	moving_plan(&site, "acme");
	assert_int_equal(site.key_count, 3);
	assert_true(span_eq_str(site.keys[0].selector, "s.1"));
	assert_true(span_eq_str(site.keys[0].domain, "a.example"));
	assert_false(site.keys[0].stand_by);
	assert_true(span_eq_str(site.keys[1].selector, "old"));
	assert_true(site.keys[1].stand_by);
	assert_false(site.keys[2].stand_by);
	assert_int_equal(site.sender_count, 2);
	assert_int_equal(found(&site, "no-key"), 1);
	assert_int_equal(found(&site, "unused-key"), 1);
	moving_end(&site);
	buf_free(&text);
}

static void
maps_of_rspamd_name_files(void **state)
{
	char text[1024], paths[512], selectors[512];
	char *both[] = {paths, selectors};
	struct moving_site site;

	(void)state;
	write_text("m.example.s7.key", pems[0]);
	snprintf(text, sizeof(text), "m.example %s/$domain.$selector.key\n*.x.example /k\n",
	    scratch.dir);
	write_text("paths", text);
	write_text("selectors", "m.example s7\nn.example s8\n");
	snprintf(paths, sizeof(paths), "%s/paths", scratch.dir);
	snprintf(selectors, sizeof(selectors), "%s/selectors", scratch.dir);
	moving_begin(&site, "test");
	assert_int_equal(moving_read_rspamd(&site, both, 2, NULL), 0);
	assert_int_equal(site.key_count, 1);
	assert_true(span_eq_str(site.keys[0].name, "s7._domainkey.m.example"));
	assert_int_equal(found(&site, "bad-name"), 1);
	assert_int_equal(found(&site, "bad-key"), 1); /* n.example, at the usual path */
	moving_end(&site);
}

/* ---- rows of a SigningTable ---- */

static void
rows_have_kinds(void **state)
{
	static const struct {
		bool first_wins;
		const char *written, *subject;
		enum moving_kind kind;
	} cases[] = {
	    {false, "User@A.Example", "user@a.example", MOVING_ADDRESS},
	    {false, "a.example", "a.example", MOVING_DOMAIN},
	    {false, ".a.example", ".a.example", MOVING_SUFFIX},
	    {false, "user@.a.example", "user@*.a.example", MOVING_PATTERN},
	    {false, "user@*", "user@*", MOVING_PATTERN},
	    {false, "*", "*", MOVING_ALL},
	    {true, "*@a.example", "a.example", MOVING_DOMAIN},
	    {true, "*@*.a.example", ".a.example", MOVING_SUFFIX},
	    {true, "user@a.example", "user@a.example", MOVING_ADDRESS},
	    {true, "u*@a.example", "u*@a.example", MOVING_PATTERN},
	    {true, "*a.example", "*a.example", MOVING_PATTERN},
	    {true, "(a|b)@a.example", "(a|b)@a.example", MOVING_PATTERN},
	    {true, "a.example", "a.example", MOVING_PATTERN},
	    {true, "*", "*", MOVING_ALL},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena, 65536);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span subject;

		assert_int_equal(moving_kind_of(&arena, span_str(cases[i].written),
				     cases[i].first_wins, &subject),
		    cases[i].kind);
		assert_true(span_eq_str(subject, cases[i].subject));
	}
	arena_free(&arena);
}

/* ---- the plan ---- */

struct row {
	const char *written;
	const char *domain, *selector;
	int key;
	const char
	    *becomes; /* "row", "rule", or the finding for which it is left out; "": silence */
};

static void
check_plan(const struct row *rows, size_t count, bool first_wins, bool many, const char *tenant)
{
	struct moving_site site;

	moving_begin(&site, "test");
	site.first_wins = first_wins;
	site.many = many;
	for (size_t i = 0; i < count; i++) {
		struct moving_place place = {SPAN_LIT("table"), (unsigned)i + 1};
		size_t key = moving_add_key(&site, span_str(rows[i].domain),
		    span_str(rows[i].selector), span_str(pems[rows[i].key]), place);
		struct span subject;
		enum moving_kind kind =
		    moving_kind_of(&site.arena, span_str(rows[i].written), first_wins, &subject);

		moving_add_sender(
		    &site, kind, span_str(rows[i].written), subject, SPAN_EMPTY, key, place);
	}
	moving_plan(&site, tenant);
	for (size_t i = 0; i < count; i++) {
		const struct moving_sender *row = &site.senders[i];
		bool said = false;

		for (size_t k = 0; k < site.finding_count; k++)
			said = said || (site.findings[k].line == i + 1 &&
					   strcmp(site.findings[k].code, rows[i].becomes) == 0);
		if (strcmp(rows[i].becomes, "row") == 0)
			assert_true(!row->left_out && !row->rule);
		else if (strcmp(rows[i].becomes, "rule") == 0)
			assert_true(!row->left_out && row->rule);
		else
			assert_true(row->left_out && (said || rows[i].becomes[0] == '\0'));
	}
	moving_end(&site);
}

static void
tables_of_names_become_rules(void **state)
{
	static const struct row rows[] = {
	    {"a.example", "a.example", "s1", 0, "row"},
	    {"news@a.example", "a.example", "s1", 0, "row"},
	    {"boss@a.example", "b.example", "s1", 1, "rule"},
	    {"b.example", "b.example", "s1", 1, "row"},
	    {".b.example", "b.example", "s1", 1, "row"},
	    {".c.example", "b.example", "s1", 1, "rule"},
	    {"c.example", "a.example", "s1", 0, "rule"},
	    {"x@c.example", "a.example", "s1", 0, "rule"},
	    {"x@.c.example", "a.example", "s1", 0, "order"},
	    {"x@.d.example", "a.example", "s1", 0, "rule"},
	    {"*", "a.example", "s1", 0, "rule"},
	    {"a.example", "b.example", "s1", 1, "two-rules"},
	};

	(void)state;
	check_plan(rows, sizeof(rows) / sizeof(rows[0]), false, false, "acme");
}

static void
the_first_row_of_a_refile_wins(void **state)
{
	static const struct row rows[] = {
	    {"boss@a.example", "b.example", "s1", 1, "rule"},
	    {"n*@c.example", "b.example", "s1", 1, "order"},
	    {"*@c.example", "a.example", "s1", 0, "rule"},
	    {"late@c.example", "b.example", "s1", 1, "rule"},
	    {"*@*.d.example", "a.example", "s1", 0, "rule"},
	    {"*@x.d.example", "b.example", "s1", 1, "never-matched"},
	    {"u@x.d.example", "b.example", "s1", 1, "never-matched"},
	    {"(x|y)@e.example", "b.example", "s1", 1, "order"},
	    {"*@e.example", "a.example", "s1", 0, "rule"},
	    {"*e2.example", "b.example", "s1", 1, "rule"},
	    {"*@e2.example", "a.example", "s1", 0, "never-matched"},
	    {"*", "a.example", "s1", 0, "rule"},
	    {"*@b.example", "b.example", "s1", 1, "never-matched"},
	};

	(void)state;
	check_plan(rows, sizeof(rows) / sizeof(rows[0]), true, false, "acme");
}

static void
two_algorithms_sign_together(void **state)
{
	static const struct row together[] = {
	    {"a.example", "a.example", "s1", 0, "row"}, {"a.example", "a.example", "e1", 3, ""}};
	static const struct row apart[] = {{"a.example", "a.example", "s1", 0, "row"},
	    {"a.example", "a.example", "e1", 3, "two-rules"}};

	(void)state;
	check_plan(together, 2, false, true, "acme");
	check_plan(apart, 2, false, false, "acme");
}

static void
tenants_are_apart(void **state)
{
	static const struct row rows[] = {{"a.example", "a.example", "s1", 0, "row"},
	    {"boss@a.example", "b.example", "s1", 1, "other-tenant"},
	    {"c.example", "b.example", "s1", 1, "rule"}};

	(void)state;
	check_plan(rows, 3, false, false, NULL);
}

static void
keys_are_chosen(void **state)
{
	struct moving_place place = {SPAN_LIT("table"), 1};
	struct moving_site site;
	struct span a = SPAN_LIT("a.example"), boss = SPAN_LIT("boss@a.example");
	size_t first, second, third;

	(void)state;
	moving_begin(&site, "test");
	first = moving_add_key(&site, a, SPAN_LIT("s1"), span_str(pems[0]), place);
	second =
	    moving_add_key(&site, SPAN_LIT("A.Example"), SPAN_LIT("S2"), span_str(pems[1]), place);
	third = moving_add_key(&site, a, SPAN_LIT("s1"), span_str(pems[2]), place);
	assert_int_equal(
	    moving_add_key(&site, a, SPAN_LIT("s 3"), span_str(pems[0]), place), MOVING_NONE);
	moving_add_sender(&site, MOVING_ADDRESS, boss, boss, SPAN_EMPTY, first, place);
	moving_add_sender(&site, MOVING_DOMAIN, a, a, SPAN_EMPTY, second, place);
	moving_plan(&site, "acme");
	assert_true(site.keys[first].stand_by); /* the other one is for all of the domain */
	assert_false(site.keys[second].stand_by);
	assert_true(site.keys[third].left_out);
	assert_int_equal(found(&site, "two-keys"), 1);
	assert_int_equal(found(&site, "one-selector"), 1);
	assert_int_equal(found(&site, "bad-name"), 1);
	assert_int_equal(found(&site, "wider"), 0);
	moving_end(&site);
}

static void
a_domain_that_gets_wider_is_said(void **state)
{
	struct moving_place place = {SPAN_LIT("table"), 1};
	struct span boss = SPAN_LIT("boss@a.example");
	struct moving_site site;

	(void)state;
	moving_begin(&site, "test");
	moving_add_sender(&site, MOVING_ADDRESS, boss, boss, SPAN_EMPTY,
	    moving_add_key(&site, SPAN_LIT("a.example"), SPAN_LIT("s1"), span_str(pems[0]), place),
	    place);
	moving_plan(&site, "acme");
	assert_int_equal(found(&site, "wider"), 1);
	moving_end(&site);
}

/* ---- configurations ---- */

static void
read_conf(struct moving_site *site, const char *text)
{
	char path[512];

	write_text("opendkim.conf", text);
	snprintf(path, sizeof(path), "%s/opendkim.conf", scratch.dir);
	moving_begin(site, "test");
	assert_int_equal(moving_read_opendkim(site, path, NULL), 0);
	moving_plan(site, "acme");
}

static void
one_key_for_domains(void **state)
{
	struct moving_site site;
	char text[1024];

	(void)state;
	write_text("one.pem", pems[0]);
	snprintf(text, sizeof(text),
	    "Domain a.example, b.example\nSelector s1\nKeyFile %s/one.pem\nSubDomains yes\n",
	    scratch.dir);
	read_conf(&site, text);
	assert_int_equal(site.domain_count, 2);
	assert_true(site.domains[0].subdomains && site.domains[1].subdomains);
	assert_int_equal(site.weights[SEVERITY_ERROR], 0);
	moving_end(&site);
}

static void
tables_with_percent_signs(void **state)
{
	struct moving_site site;
	char text[2048];

	(void)state;
	write_text("p.example.pem", pems[0]);
	snprintf(text, sizeof(text),
	    "SigningTable csl:p.example=all,.q.example=all,*=all,b.example=gone\n"
	    "KeyTable csl:all=%%:s1:%s/%%.pem\n",
	    scratch.dir);
	read_conf(&site, text);
	assert_int_equal(site.domain_count, 1);
	assert_true(span_eq_str(site.domains[0].name, "p.example"));
	assert_int_equal(found(&site, "no-key") + found(&site, "many-domains"), 3);
	moving_end(&site);
}

/* As of a table that is asked and not listed. */
static void
names_are_asked_for(void **state)
{
	struct moving_site site;
	char text[1024], path[512], names[512];

	(void)state;
	write_text("one.pem", pems[0]);
	write_text("names", "# customers\n\na.example\r\nnone.example\n");
	snprintf(text, sizeof(text),
	    "SigningTable csl:a.example=k,b.example=k\nKeyTable csl:k=a.example:s1:%s/one.pem\n",
	    scratch.dir);
	write_text("opendkim.conf", text);
	snprintf(path, sizeof(path), "%s/opendkim.conf", scratch.dir);
	snprintf(names, sizeof(names), "%s/names", scratch.dir);
	moving_begin(&site, "test");
	assert_int_equal(moving_read_opendkim(&site, path, names), 0);
	assert_int_equal(site.sender_count, 1);
	assert_true(span_eq_str(site.senders[0].subject, "a.example"));
	assert_int_equal(found(&site, "no-row"), 1);
	moving_end(&site);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(files_have_names),
	    cmocka_unit_test(a_folder_is_read),
	    cmocka_unit_test(maps_are_read),
	    cmocka_unit_test(redis_is_read),
	    cmocka_unit_test(redis_has_selectors_with_dots),
	    cmocka_unit_test(maps_of_rspamd_name_files),
	    cmocka_unit_test(rows_have_kinds),
	    cmocka_unit_test(tables_of_names_become_rules),
	    cmocka_unit_test(the_first_row_of_a_refile_wins),
	    cmocka_unit_test(two_algorithms_sign_together),
	    cmocka_unit_test(tenants_are_apart),
	    cmocka_unit_test(keys_are_chosen),
	    cmocka_unit_test(a_domain_that_gets_wider_is_said),
	    cmocka_unit_test(one_key_for_domains),
	    cmocka_unit_test(tables_with_percent_signs),
	    cmocka_unit_test(names_are_asked_for),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
