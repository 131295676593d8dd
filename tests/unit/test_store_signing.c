/*
 * test_store_signing.c - the ladder of the SigningTable and the fields of the KeyTable.
 */
#include "tests/unit/store_help.h"

#include "lib/store/keytable.h"
#include "lib/store/signing.h"

/* A backend that writes down what it is asked. */
struct recorder {
	char text[4096];
	size_t fail_at, asked;
};

static enum status
record(struct table *table, struct span key, struct table_value *out, struct err *err)
{
	struct recorder *r = table->state;

	(void)out;
	sprintf(r->text + strlen(r->text), "%.*s ", (int)key.n, key.p);
	if (++r->asked == r->fail_at) {
		err_set(err, "asleep");
		return ST_UNAVAILABLE;
	}
	return ST_ABSENT;
}

static const struct table_ops record_ops = {.type = "record", .lookup = record};

static void
ladder_of_a_b_com(void **state)
{
	struct recorder r = {0};
	char parameter[] = "SigningTable", where[] = "x";
	struct table table = {
	    .ops = &record_ops, .parameter = parameter, .where = where, .state = &r};
	struct signing_match matches[4];
	struct err err = ERR_NONE;
	size_t count;

	(void)state;
	assert_int_equal(
	    signing_lookup(&table, SPAN_LIT("user"), SPAN_LIT("a.b.com"), 4, matches, &count, &err),
	    ST_ABSENT);
	assert_string_equal(
	    r.text, "user@a.b.com a.b.com user@.b.com .b.com user@.com .com user@* * ");
	for (size_t at = 1; at <= 8; at++) {
		memset(&r, 0, sizeof(r));
		r.fail_at = at;
		assert_int_equal(signing_lookup(&table, SPAN_LIT("user"), SPAN_LIT("a.b.com"), 4,
				     matches, &count, &err),
		    ST_UNAVAILABLE);
		assert_int_equal(r.asked, at);
		assert_int_equal(count, 0);
	}
}

/* The same table as one that answers many keys at once. */
static const struct table_ops *one_by_one;
static size_t questions;

static enum status
answer_many(struct table *table, const struct span *keys, size_t count, size_t max,
    struct table_value *out, size_t *at_out, size_t *count_out, struct err *err)
{
	*count_out = 0;
	questions++;
	for (size_t i = 0; i < count && *count_out < max; i++) {
		enum status status = one_by_one->lookup(table, keys[i], &out[*count_out], err);

		if (status == ST_OK)
			at_out[(*count_out)++] = i;
		else if (status != ST_ABSENT)
			fail_msg("%s", err->text);
	}
	return *count_out > 0 ? ST_OK : ST_ABSENT;
}

static void
rules(void **state)
{
	static const struct {
		const char *type, *table, *user, *domain;
		size_t max;
		const char *want; /* keyname:signer ... */
	} cases[] = {
	    {"file", "a.com k1\n", "u", "a.com", 1, "k1: "},
	    {"file", "a.com k1\nu@a.com k2\n", "u", "a.com", 1, "k2: "},
	    {"file", "a.com k1\nu@a.com k2\n* k3\n", "u", "a.com", 9, "k2: k1: k3: "},
	    {"file", "a.com k1\n", "u", "b.a.com", 1, "<absent>"},
	    {"file", ".a.com k1\n", "u", "b.a.com", 1, "k1: "},
	    {"file", ".a.com k1\n", "u", "a.com", 1, "<absent>"},
	    {"file", "u@* k1\n", "U", "a.com", 1, "k1: "},
	    {"file", "a.com %\n", "u", "a.com", 1, "a.com: "},
	    {"file", "a.com x%:%\n", "u", "a.com", 1, "x%:a.com "},
	    {"file", "a.com k:me@%.%\n", "u", "a.com", 1, "k:me@a.com.a.com "},
	    {"file", "a.com k:b:c\n", "u", "a.com", 1, "k:b:c "},
	    {"file", "a.com\n", "u", "a.com", 1, "<invalid>"},
	    {"file", "a.com :x\n", "u", "a.com", 1, "<invalid>"},
	    {"file", "u@a.com k\na.com\n", "u", "a.com", 2, "<invalid>"},
	    {"refile", "*@a.com k1\n*@*.a.com k2\n", "u", "b.a.com", 1, "k2: "},
	    {"refile", "a.com k1\n", "u", "a.com", 1, "<absent>"},
	    {"refile", "*@a.com k1\nu@a.com k2:%\n* k3\n", "u", "a.com", 1, "k1: "},
	    {"refile", "*@a.com k1\nu@a.com k2:%\n* k3\n* k4\n", "u", "a.com", 9,
		"k1: k2:a.com k3: k4: "},
	    {"refile", "* %\n", "u", "a.com", 1, "a.com: "},
	    {"refile", "*\n", "u", "a.com", 1, "<invalid>"},
	    {"refile", "*@a.com k\n*\n", "u", "a.com", 2, "<invalid>"},
	};

	(void)state;
	for (size_t n = 0; n < 2 * (sizeof(cases) / sizeof(cases[0])); n++) {
		size_t i = n / 2;
		struct table *table =
		    help_table("SigningTable", cases[i].type, cases[i].table, TABLE_ICASE);
		struct table_ops ops = *table->ops;
		struct signing_match m[9];
		struct err err = ERR_NONE;
		char have[256] = "";
		size_t count;
		enum status status;

		one_by_one = table->ops;
		questions = 0;
		ops.lookup_many = n % 2 == 0 ? NULL : answer_many;
		table->ops = &ops;
		status = signing_lookup(table, span_str(cases[i].user), span_str(cases[i].domain),
		    cases[i].max, m, &count, &err);
		table->ops = one_by_one;
		/* Up to seven labels are one question. */
		assert_true(n % 2 == 0 || questions <= 1);

		for (size_t k = 0; k < count; k++)
			sprintf(have + strlen(have), "%.*s:%.*s ", (int)m[k].keyname.n,
			    m[k].keyname.p, (int)m[k].signer.n,
			    m[k].signer.n == 0 ? "" : m[k].signer.p);
		if (status != ST_OK)
			sprintf(have, "<%s>", status_name(status));
		if (strcmp(have, cases[i].want) != 0)
			fail_msg(
			    "case %zu: want %s have %s (%s)", i, cases[i].want, have, err.text);
		signing_matches_release(m, count);
		table_close(table);
	}
}

static void
hostile_authors(void **state)
{
	struct table *table = help_table("SigningTable", "file", "a.com k\n", TABLE_ICASE);
	struct signing_match match;
	struct err err = ERR_NONE;
	char dots[5000];
	size_t count;

	(void)state;
	memset(dots, '.', sizeof(dots));
	assert_int_equal(
	    signing_lookup(table, SPAN_LIT("u"), span_of(dots, 5000), 1, &match, &count, &err),
	    ST_INVALID);
	assert_int_equal(
	    signing_lookup(table, SPAN_LIT("u"), span_of(dots, 1000), 1, &match, &count, &err),
	    ST_INVALID);
	assert_int_equal(
	    signing_lookup(table, SPAN_EMPTY, SPAN_EMPTY, 1, &match, &count, &err), ST_ABSENT);
	table_close(table);
}

static void
key_entries(void **state)
{
	static const struct {
		const char *value, *from, *want; /* domain|selector|key|algorithm|path */
	} cases[] = {
	    {"d.com:s:/k/x", "f.com", "d.com|s|/k/x||1"},
	    {"%:s:/k/%/%.pem", "f.com", "f.com|s|/k/f.com/f.com.pem||1"},
	    {"d:s:./%", "f.com", "d|s|./%||1"},
	    {"d:s:../k", "f.com", "d|s|../k||1"},
	    {"d:s:MII%A", "f.com", "d|s|MII%A||0"},
	    {"d:s:MIIA:rsa-sha256", "f.com", "d|s|MIIA|rsa-sha256|0"},
	    {"d:s:/k:ED25519-SHA256", "f.com", "d|s|/k|ED25519-SHA256|1"},
	    {"d:s:/k:b:c", "f.com", "d|s|/k:b:c||1"},
	    {"d:s:/k:rsa-sha1", "f.com", "d|s|/k:rsa-sha1||1"},
	    {"d:%:x", "f.com", "d|%|x||0"},
	    {"d:s:/k/%", "../../etc", "<denied>"},
	    {"d:s:/k/%", "a/b", "<denied>"},
	    {"d:s:/k/%", ".", "<denied>"},
	    {"d:s:/k/%", "a..b", "<denied>"},
	    {"d:s:/k/%", "", "<denied>"},
	    {"d:s:/k/x", "a/b", "d|s|/k/x||1"},
	    {"d", "f", "<invalid>one field"},
	    {"d:s", "f", "<invalid>two fields"},
	    {":s:k", "f", "<invalid>first field"},
	    {"d::k", "f", "<invalid>second field"},
	    {"d:s:", "f", "<invalid>third field"},
	    {"d:s::rsa-sha256", "f", "<invalid>third field"},
	    {"", "f", "<invalid>"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256], have[512];
		struct keytable_entry e;
		struct err err = ERR_NONE;
		struct table *table;
		enum status status;

		snprintf(text, sizeof(text), "name %s\n", cases[i].value);
		table = help_table("KeyTable", "file", text, TABLE_SECRET);
		status =
		    keytable_lookup(table, SPAN_LIT("name"), span_str(cases[i].from), &e, &err);
		if (status == ST_OK)
			snprintf(have, sizeof(have), "%.*s|%.*s|%.*s|%.*s|%d", (int)e.domain.n,
			    e.domain.p, (int)e.selector.n, e.selector.p, (int)e.key.n, e.key.p,
			    (int)e.algorithm.n, e.algorithm.n == 0 ? "" : e.algorithm.p,
			    e.key_is_path);
		else
			snprintf(have, sizeof(have), "<%s>", status_name(status));
		if (strncmp(have, cases[i].want, strlen(have)) != 0)
			fail_msg("%s: want %s have %s (%s)", cases[i].value, cases[i].want, have,
			    err.text);
		if (status == ST_INVALID)
			assert_non_null(strstr(err.text, cases[i].want + strlen("<invalid>")));
		if (status == ST_INVALID)
			assert_non_null(strstr(err.text, "KeyTable entry for 'name' corrupt"));
		keytable_entry_release(&e);
		keytable_entry_release(&e);
		table_close(table);
	}
}

static void
unknown_key(void **state)
{
	struct table *table = help_table("KeyTable", "file", "name d:s:k\n", TABLE_SECRET);
	struct keytable_entry entry;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(
	    keytable_lookup(table, SPAN_LIT("Name"), SPAN_LIT("f"), &entry, &err), ST_ABSENT);
	assert_non_null(strstr(err.text, "signing table references unknown key 'Name'"));
	table_close(table);
}

/* What a walk sees of a row: "KEY DOMAIN|SELECTOR|KEY|line;" or "KEY !;" */
struct walked {
	struct table *table;
	char text[1024];
};

static bool
write_row(void *context, struct span key, struct span value, unsigned line)
{
	struct walked *walked = context;
	struct keytable_entry entry;
	struct err err = ERR_NONE;
	size_t n = strlen(walked->text);

	if (keytable_row_read(
		walked->table, key, value, line, SPAN_LIT("from.example"), &entry, &err) == ST_OK)
		snprintf(walked->text + n, sizeof(walked->text) - n, "%.*s %.*s|%.*s|%.*s|%u;",
		    SPAN_ARG(key), SPAN_ARG(entry.domain), SPAN_ARG(entry.selector),
		    SPAN_ARG(entry.key), entry.line);
	else
		snprintf(walked->text + n, sizeof(walked->text) - n, "%.*s !;", SPAN_ARG(key));
	keytable_entry_release(&entry);
	return true;
}

static void
walk_of_names_and_patterns(void **state)
{
	static const char *const types[] = {"file", "refile"};
	struct err err = ERR_NONE;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct walked walked = {.text = ""};

		walked.table = help_table("KeyTable", types[i],
		    "A.* d:s:k\n\nb %:s:/keys/%/x\nc bad\nd d:s:/%\n", TABLE_SECRET);
		assert_int_equal(keytable_walk(walked.table, write_row, &walked, &err), ST_OK);
		assert_string_equal(walked.text,
		    "A.* d|s|k|1;b from.example|s|/keys/from.example/x|3;c !;"
		    "d d|s|/from.example|5;");
		table_close(walked.table);
	}
	assert_true(span_eq_str(keytable_row_domain(SPAN_LIT("%:s:k")), "%"));
	assert_int_equal(keytable_row_domain(SPAN_LIT("bad")).n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(walk_of_names_and_patterns),
	    cmocka_unit_test(ladder_of_a_b_com),
	    cmocka_unit_test(rules),
	    cmocka_unit_test(hostile_authors),
	    cmocka_unit_test(key_entries),
	    cmocka_unit_test(unknown_key),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
