/*
 * test_store_refile.c - patterns mean what regcomp() made of them in opendkim, and the index finds
 * the line that trying all lines in order would find.
 */
#include "tests/unit/store_help.h"

#include <regex.h>

#include "lib/base/log.h"
#include "lib/store/pattern.h"

static void
matches(void **state)
{
	static const struct {
		const char *pattern, *key;
		bool match;
	} cases[] = {
	    {"*@example.com", "a@example.com", true},
	    {"*@example.com", "a@b@example.com", true},
	    {"*@example.com", "@example.com", true},
	    {"*@example.com", "a@sub.example.com", false},
	    {"*@example.com", "a@exampleXcom", false},
	    {"*@example.com", "A@EXAMPLE.COM", true},
	    {"*@*.example.com", "a@sub.example.com", true},
	    {"*@*.example.com", "a@example.com", false},
	    {"*@*.example.com", "a.example.com", false},
	    {"*.example.com", "a.example.com", true},
	    {"*.example.com", "a@b.example.com", true},
	    {"*", "", true},
	    {"*", "x", true},
	    {"user+tag@a", "user+tag@a", true},
	    {"user+tag@a", "userrtag@a", false},
	    {"user@*", "user@any", true},
	    {"[ab]@x", "b@x", true},
	    {"[ab]@x", "c@x", false},
	    {"[a.b]@x", "\\@x", true}, /* the dot's escape is an octet of the bracket */
	    {"(a|b)@x", "a@x", true},
	    {"a|b@x", "anything-b@x", true}, /* the anchors belong to one branch each */
	    {"ab?@x", "a@x", true},
	    {"a{2,3}@x", "aaa@x", true},
	    {"a{2,3}@x", "a@x", false},
	    {"a{,2}@x", "@x", true},
	    {"a\\$@x", "a$@x", true},
	    {"a\\d@x", "ad@x", true}, /* no Perl classes */
	    {"a\\d@x", "a1@x", false},
	    {"a\\.b", "a\\b", false}, /* the escape escapes the escape: '\' and any octet */
	    {"a\\.b", "a\\xb", true},
	    {"[[:digit:]]@x", "7@x", true},
	    {"[]]@x", "]@x", true},
	    {"[^]]@x", "]@x", false},
	    {"*@x", "a\nb@x", true},
	    {"*@x", "a@x\n", false},
	    {"(a)b\\1", "aba", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[128];
		struct table *table;
		bool match;

		snprintf(text, sizeof(text), "%s v\n", cases[i].pattern);
		table = help_table("T", "refile", text, TABLE_ICASE);
		match = strcmp(help_ask(table, cases[i].key), "v") == 0;
		if (match != cases[i].match)
			fail_msg("%s on %s: %d", cases[i].pattern, cases[i].key, match);
		table_close(table);
	}
}

static void
case_counts_without_icase(void **state)
{
	struct table *table = help_table("KeyTable", "refile", "Abc 1\n*@Ex.com 2\n[X]y 3\n", 0);

	(void)state;
	assert_string_equal(help_ask(table, "Abc"), "1");
	assert_string_equal(help_ask(table, "abc"), "<absent>");
	assert_string_equal(help_ask(table, "a@Ex.com"), "2");
	assert_string_equal(help_ask(table, "a@ex.com"), "<absent>");
	assert_string_equal(help_ask(table, "Xy"), "3");
	assert_string_equal(help_ask(table, "xy"), "<absent>");
	table_close(table);
}

static void
first_line_wins(void **state)
{
	static const char *const lines[] = {"u@a.com", "*@a.com", "*.com", "*", "u@*", "[u]@a.com",
	    "*@*.com", "u@a.co[m]", "*u@a.com"};
	enum { COUNT = sizeof(lines) / sizeof(lines[0]) };

	(void)state;
	/* Every rotation of the lines: the first always wins, whatever class it is. */
	for (size_t turn = 0; turn < COUNT; turn++) {
		char text[512] = "";
		struct table *table;

		for (size_t i = 0; i < COUNT; i++) {
			sprintf(text + strlen(text), "%s %zu\n", lines[(i + turn) % COUNT], i);
		}
		table = help_table("T", "refile", text, TABLE_ICASE);
		assert_string_equal(help_ask(table, "u@a.com"), "0");
		table_close(table);
	}
}

static void
all_matches_in_order(void **state)
{
	struct table *table = help_table("T", "refile",
	    "*@a.com 1\nx 2\nu@a.com 3\nu@a.com 4\n* 5\n[u]@a.com 6\n*@a.com 7\n", TABLE_ICASE);
	static const char want[] = "134567";
	struct table_value values[8];
	struct err err = ERR_NONE;
	size_t count;

	(void)state;
	for (size_t max = 1; max <= 8; max++) {
		assert_int_equal(
		    table_lookup_all(table, SPAN_LIT("u@a.com"), max, values, &count, &err), ST_OK);
		assert_int_equal(count, max < 6 ? max : 6);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(values[i].text.p[0], want[i]);
			table_value_release(&values[i]);
		}
	}
	table_close(table);
}

static void
costly_pattern_is_invalid(void **state)
{
	struct table *table =
	    help_table("T", "refile", "cheap 1\n((a?){20}){20}b 2\n* 3\n", TABLE_ICASE);
	struct table_value value;
	struct err err = ERR_NONE;
	char key[1000];

	(void)state;
	log_threshold(LOG_LEVEL_ERROR - 1);
	memset(key, 'a', sizeof(key));
	memcpy(key + 198, "bc", 2);
	assert_string_equal(help_ask(table, "cheap"), "1");
	assert_int_equal(table_lookup(table, span_of(key, 200), &value, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "line 2"));
	table_close(table);
}

/* The reference: the translation as a text, and regcomp(). */
static bool
posix_compile(const char *pattern, regex_t *regex)
{
	char ere[512];
	size_t n = 0;

	ere[n++] = '^';
	for (; *pattern != '\0'; pattern++) {
		if (*pattern == '*')
			ere[n++] = '.';
		if (*pattern == '.' || *pattern == '+')
			ere[n++] = '\\';
		ere[n++] = *pattern;
	}
	ere[n++] = '$';
	ere[n] = '\0';
	return regcomp(regex, ere, REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0;
}

static void
random_text(uint64_t *seed, const char *alphabet, size_t max, char *out)
{
	size_t n = help_random(seed) % (max + 1);

	for (size_t i = 0; i < n; i++)
		out[i] = alphabet[help_random(seed) % strlen(alphabet)];
	out[n] = '\0';
}

/* glibc forgets to ignore case behind a '\\'; "\\a" then matches nothing at all. Not copied. */
static bool
meets_glibc_fault(const char *pattern)
{
	const char *at = strchr(pattern, '\\');

	for (; at != NULL; at = strchr(at + 1, '\\'))
		if (at[1] == 'a' || at[1] == 'b' || at[1] == 'A')
			return true;
	return false;
}

/* One pattern against regexec(): the same language, or refused. */
static void
same_language_as_regcomp(void **state)
{
	uint64_t seed = 20260101;
	size_t compared = 0, refused = 0, both = 0;

	(void)state;
	for (int i = 0; i < 30000; i++) {
		char pattern[16], key[12];
		struct pattern_regex *ours;
		struct err err = ERR_NONE;
		regex_t posix;

		random_text(&seed, "aab.@**+[]()?|^$\\{1,2}w-", 10, pattern);
		if (pattern[0] == '\0' || meets_glibc_fault(pattern) ||
		    !posix_compile(pattern, &posix))
			continue;
		if (pattern_regex_compile(span_str(pattern), true, &ours, &err) != ST_OK) {
			refused++;
			regfree(&posix);
			continue;
		}
		both++;
		for (int k = 0; k < 12; k++) {
			bool want, have;

			random_text(&seed, "aab.@A\\1w+-", 8, key);
			want = regexec(&posix, key, 0, NULL, 0) == 0;
			have = pattern_regex_match(ours, span_str(key)) == ST_OK;
			if (want != have)
				fail_msg("pattern %s on %s: regexec %d, ours %d", pattern, key,
				    want, have);
			compared++;
		}
		pattern_regex_free(ours);
		regfree(&posix);
	}
	print_message("# %zu patterns, %zu comparisons, %zu that only regcomp takes\n", both,
	    compared, refused);
	assert_true(both > 3000);
	assert_true(refused * 2 < both);
}

/* Whole files against trying every line with regexec(). */
static void
index_equals_scan(void **state)
{
	static const char *const parts[] = {
	    "*", "@", ".", "a", "b", "*@", "*@*.", "*.", "b.a", "@a.b", "[ab]", "(a|b)", "a?", "+"};
	uint64_t seed = 7;
	size_t hits = 0, misses = 0;

	(void)state;
	for (int file = 0; file < 1500; file++) {
		char text[2048] = "", patterns[24][32];
		size_t count = 1 + help_random(&seed) % 24;
		struct table *table;
		regex_t posix[24];

		for (size_t i = 0; i < count; i++) {
			patterns[i][0] = '\0';
			for (size_t p = 1 + help_random(&seed) % 4; p > 0; p--)
				strcat(patterns[i], parts[help_random(&seed) % 14]);
			assert_true(posix_compile(patterns[i], &posix[i]));
			sprintf(text + strlen(text), "%s %zu\n", patterns[i], i);
		}
		table = help_table("T", "refile", text, TABLE_ICASE);
		for (int k = 0; k < 60; k++) {
			char key[12], want[16] = "<absent>";

			random_text(&seed, "ab.@aB@.+", 9, key);
			for (size_t i = count; i-- > 0;)
				if (regexec(&posix[i], key, 0, NULL, 0) == 0)
					sprintf(want, "%zu", i);
			if (strcmp(help_ask(table, key), want) != 0)
				fail_msg("%s: want %s, have %s in\n%s", key, want,
				    help_ask(table, key), text);
			*(want[0] == '<' ? &misses : &hits) += 1;
		}
		for (size_t i = 0; i < count; i++)
			regfree(&posix[i]);
		table_close(table);
	}
	print_message("# %zu hits, %zu misses\n", hits, misses);
	assert_true(hits > 1000 && misses > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(matches),
	    cmocka_unit_test(case_counts_without_icase),
	    cmocka_unit_test(first_line_wins),
	    cmocka_unit_test(all_matches_in_order),
	    cmocka_unit_test(costly_pattern_is_invalid),
	    cmocka_unit_test(same_language_as_regcomp),
	    cmocka_unit_test(index_equals_scan),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
