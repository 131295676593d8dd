/*
 * test_store_tables.c - how the type of a table is chosen, and what csl and file make of their
 * text.
 */
#include "tests/unit/store_help.h"

#include "lib/store/list.h"

static void
chooses_type_as_opendkim(void **state)
{
	const char *path = help_write("plain", "a 1\n");
	char file_spec[PATH_MAX + 16], upper_spec[PATH_MAX + 16];
	const struct {
		const char *spec, *type;
	} cases[] = {
	    {"example.com", "csl"},
	    {"", "csl"},
	    {"csl:127.0.0.1,::1", "csl"},
	    {"CSL:a", "csl"},
	    {"127.0.0.1,::1", "csl"},
	    {"a,b:c", "csl"},
	    {path, "file"},
	    {file_spec, "file"},
	    {upper_spec, "refile"},
	};

	(void)state;
	snprintf(file_spec, sizeof(file_spec), "File:%s", path);
	snprintf(upper_spec, sizeof(upper_spec), "ReFile:%s", path);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct table *table = help_open("Domain", cases[i].spec, TABLE_ICASE);

		assert_string_equal(table->ops->type, cases[i].type);
		table_close(table);
	}
}

static void
refuses_with_advice(void **state)
{
	static const struct {
		const char *spec, *says;
	} cases[] = {
	    {"::1,127.0.0.1", "write csl: in front"},
	    {"2001:db8::/32", "write csl: in front"},
	    {"nosuch:abc", "Unknown database type \"nosuch\""},
	    {"dsn:mysql://u:secret@h/d", "the dsn has no table"},
	    {"dsn:pgsql://u:secret@h/d/table=t?keycol=k?datacol=d",
		"\"pgsql\" is not in this build"},
	    {"memcache:x", "memcache"},
	    {"lua:/x", "not in this build"},
	    {"db:/x", "not in this build"},
	    {"/etc/x.db", "\"db\" is not in this build"},
	    {"repute:x", "not in this build"},
	    {"socket:x", "not in this build"},
	    {"mdb:x", "not in this build"},
	    {"erlang:x", "not in this build"},
	    {"file:/nonexistent/x", "/nonexistent/x: No such file or directory"},
	    {"/", "directory"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_NONE;
		struct table *table = (void *)1;

		assert_int_equal(
		    table_open(backend_registry(), "InternalHosts", cases[i].spec, 0, &table, &err),
		    ST_INVALID);
		assert_null(table);
		if (strstr(err.text, cases[i].says) == NULL ||
		    strncmp(err.text, "InternalHosts: ", 15) != 0)
			fail_msg("%s: %s", cases[i].spec, err.text);
		assert_null(strstr(err.text, "u:p"));
	}
}

static void
csl_items(void **state)
{
	static const struct {
		const char *key, *value;
	} cases[] = {
	    {"a", ""},
	    {"A", ""},
	    {"b", "1"},
	    {"c", "x=y"},
	    {"d", "one"},
	    {"", "<absent>"},
	    {"e", "<absent>"},
	    {"n", "p|q"},
	};
	struct table *table =
	    help_open("Domain", " a , b = 1,,c=x=y ,, d=one,d=two,n=p|q", TABLE_ICASE);
	struct table_report report;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(help_ask(table, cases[i].key), cases[i].value);
	table_report(table, &report);
	assert_int_equal(report.entries, 6);
	table_close(table);
	table = help_open("KeyTable", "a", 0);
	assert_string_equal(help_ask(table, "A"), "<absent>");
	table_close(table);
}

static void
value_list_is_split(void **state)
{
	struct table *table = help_open("MacroList", "m=a| b |c,n", TABLE_VALUE_LIST);
	struct err err = ERR_NONE;
	struct list list;

	(void)state;
	assert_int_equal(list_read(table, &list, &err), ST_OK);
	assert_int_equal(list.count, 4);
	assert_string_equal(list.items[1], "m");
	assert_string_equal(list.values[1], "b");
	assert_string_equal(list.items[3], "n");
	assert_string_equal(list.values[3], "");
	list_free(&list);
	table_close(table);
}

static void
file_lines(void **state)
{
	static const struct {
		const char *key, *value;
	} cases[] = {
	    {"a", "1"},
	    {"tab", "x  y"},
	    {"none", ""},
	    {"cr", "v"},
	    {"dup", "first"},
	    {"half", "v"},
	    {"last", "no newline"},
	    {"UPPER", "u"},
	    {"upper", "u"},
	    {"#", "<absent>"},
	    {"", "<absent>"},
	    {"comment", "<absent>"},
	};
	struct table *table = help_table("Domain", "file",
	    "# comment x\n\n  a 1\n\ttab\tx  y  \nnone\ncr v\r\ndup first\ndup second\n"
	    "half v#cut\nUpper u\n  # comment y\nlast no newline",
	    TABLE_ICASE);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(help_ask(table, cases[i].key), cases[i].value);
	table_close(table);
}

static void
bad_line_hurts_itself_only(void **state)
{
	struct table *table = help_table("SigningTable", "refile",
	    "*@a.example key1\n*@b.example\n*@c.example key3\n(x key4\n",
	    TABLE_VALUE_NEEDED | TABLE_ICASE);
	struct table_report report;
	char text[256];

	(void)state;
	assert_string_equal(help_ask(table, "u@a.example"), "key1");
	assert_string_equal(help_ask(table, "u@b.example"), "<invalid>");
	assert_string_equal(help_ask(table, "u@c.example"), "key3");
	table_report(table, &report);
	assert_int_equal(report.problem_count, 2);
	assert_int_equal(report.problems[0].line, 2);
	assert_int_equal(report.problems[1].line, 4);
	table_report_text(&report, text, sizeof(text));
	assert_string_equal(text,
	    "4 entries, 2 bad lines (line 2: nothing stands behind the first word; write a "
	    "key name there (SigningTable) or domain:selector:key (KeyTable); ...)");
	table_close(table);
}

static void
nul_in_line_is_bad(void **state)
{
	static const char text[] = "a 1\nb\0b 2\nc 3\n";
	char spec[PATH_MAX + 16];
	struct table_report report;
	struct table *table;

	(void)state;
	snprintf(spec, sizeof(spec), "file:%s", help_write_n("nul", text, sizeof(text) - 1));
	table = help_open("X", spec, 0);
	assert_string_equal(help_ask(table, "b"), "<absent>");
	assert_string_equal(help_ask(table, "c"), "3");
	table_report(table, &report);
	assert_int_equal(report.problem_count, 1);
	assert_int_equal(report.problems[0].line, 2);
	table_close(table);
}

/* A From domain is asked as A-labels: a line in UTF-8 would wait for it in vain, unsigned. */
static void
unicode_domain_is_reported(void **state)
{
	static const char *const types[] = {"file", "refile"};
	const char *text = "*@b\xc3\xbc"
			   "cher.example k\n"
			   "j\xc3\xb6@example.com k\n"
			   "b\xc3\xbc"
			   "cher.example k\n"
			   "*@xn--bcher-kva.example k\n";
	struct table_report report;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct table *table = help_table("SigningTable", types[i], text, TABLE_ASCII_ONLY);

		table_report(table, &report);
		assert_int_equal(report.problem_count, 2);
		assert_int_equal(report.problems[0].line, 1);
		assert_int_equal(report.problems[1].line, 3);
		assert_non_null(strstr(report.problems[0].text, "xn--"));
		table_close(table);
		table = help_table("KeyTable", types[i], text, 0);
		table_report(table, &report);
		assert_int_equal(report.problem_count, 0);
		table_close(table);
	}
}

static void
ascii_only(void **state)
{
	struct table *file = help_table("SigningTable", "file", "\xc3\xa9@a k\n", TABLE_ASCII_ONLY);
	struct table *refile =
	    help_table("SigningTable", "refile", "\xc3\xa9@a k\n", TABLE_ASCII_ONLY);

	(void)state;
	assert_string_equal(help_ask(file, "\xc3\xa9@a"), "<absent>");
	assert_string_equal(help_ask(refile, "\xc3\xa9@a"), "k");
	table_close(file);
	table_close(refile);
}

static void
refile_is_no_list(void **state)
{
	struct table *table = help_table("SignHeaders", "refile", "a\n", 0);
	struct err err = ERR_NONE;
	struct list list;

	(void)state;
	assert_int_equal(list_read(table, &list, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "failed to generate DB array"));
	table_close(table);
}

static void
refusing_says_why(void **state)
{
	struct table *table = table_open_refusing("KeyTable", 0, "the server sleeps");
	struct table_value value;
	struct err err = ERR_NONE;
	struct list list;

	(void)state;
	assert_int_equal(table_lookup(table, SPAN_LIT("x"), &value, &err), ST_UNAVAILABLE);
	assert_string_equal(err.text, "KeyTable: the server sleeps");
	assert_int_equal(list_read(table, &list, &err), ST_UNAVAILABLE);
	assert_int_equal(table_refresh(table, &err), ST_UNAVAILABLE);
	table_close(table);
}

/* A value keeps its snapshot when the table goes on without it. */
static void
value_outlives_refresh(void **state)
{
	char spec[PATH_MAX + 16];
	struct table_value value;
	struct err err = ERR_NONE;
	struct table *table;

	(void)state;
	snprintf(spec, sizeof(spec), "file:%s", help_write("live", "k old\n"));
	table = help_open("KeyTable", spec, TABLE_SECRET);
	assert_int_equal(table_lookup(table, SPAN_LIT("k"), &value, &err), ST_OK);
	assert_int_equal(table_refresh(table, &err), ST_ABSENT);
	help_write("live", "k newer\n");
	assert_int_equal(table_refresh(table, &err), ST_OK);
	assert_true(span_eq_str(value.text, "old"));
	assert_string_equal(help_ask(table, "k"), "newer");
	table_value_release(&value);
	table_value_release(&value);
	table_close(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(chooses_type_as_opendkim),
	    cmocka_unit_test(refuses_with_advice),
	    cmocka_unit_test(csl_items),
	    cmocka_unit_test(value_list_is_split),
	    cmocka_unit_test(file_lines),
	    cmocka_unit_test(bad_line_hurts_itself_only),
	    cmocka_unit_test(nul_in_line_is_bad),
	    cmocka_unit_test(unicode_domain_is_reported),
	    cmocka_unit_test(ascii_only),
	    cmocka_unit_test(refile_is_no_list),
	    cmocka_unit_test(refusing_says_why),
	    cmocka_unit_test(value_outlives_refresh),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
