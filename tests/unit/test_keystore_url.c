/*
 * test_keystore_url.c - the grammar of "KeyStore mysql://...": what is taken, what is refused, and
 * that no message shows a password.
 */
#include "tests/unit/store_help.h"

#include "backends/keystore_url.h"

static void
accepted(void **state)
{
	static const struct {
		const char *text, *user, *password, *host;
		unsigned port;
		const char *database, *password_file, *describes;
	} cases[] = {
	    {"//h/d", NULL, NULL, "h", 0, "d", NULL, "mysql://h/d"},
	    {"//u@h:3307/d", "u", NULL, "h", 3307, "d", NULL, "mysql://h:3307/d"},
	    {"//u:p@h/d", "u", "p", "h", 0, "d", NULL, "mysql://h/d"},
	    {"//u:@h/d", "u", "", "h", 0, "d", NULL, "mysql://h/d"},
	    {"//u:a:b@h/d", "u", "a:b", "h", 0, "d", NULL, "mysql://h/d"},
	    {"//%75:%2f%40%3A%3f%25@h/%64", "u", "/@:?%", "h", 0, "d", NULL, "mysql://h/d"},
	    {"//u@[::1]:5/d", "u", NULL, "::1", 5, "d", NULL, "mysql://[::1]:5/d"},
	    {"//u@[::1]/d", "u", NULL, "::1", 0, "d", NULL, "mysql://[::1]/d"},
	    {"///d", NULL, NULL, "localhost", 0, "d", NULL, "mysql://localhost/d"},
	    {"//u@/d?socket=/run/s.sock", "u", NULL, "/run/s.sock", 0, "d", NULL,
		"mysql:///run/s.sock/d"},
	    {"//u@h/d?passwordfile=/etc/p%20w", "u", NULL, "h", 0, "d", "/etc/p w", "mysql://h/d"},
	    {"//u@/d?socket=/s&passwordfile=/p", "u", NULL, "/s", 0, "d", "/p", "mysql:///s/d"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dsn dsn;
		struct err err = ERR_NONE;
		char *password_file;
		struct buf text;

		if (keystore_url_parse(span_str(cases[i].text), &dsn, &password_file, &err) !=
		    ST_OK)
			fail_msg("%s: %s", cases[i].text, err.text);
		assert_true(span_eq(span_str(dsn.user), span_str(cases[i].user)));
		assert_true((dsn.password == NULL) == (cases[i].password == NULL));
		assert_true(span_eq(span_str(dsn.password), span_str(cases[i].password)));
		assert_string_equal(dsn.host, cases[i].host);
		assert_int_equal(dsn.port, cases[i].port);
		assert_string_equal(dsn.database, cases[i].database);
		assert_true(span_eq(span_str(password_file), span_str(cases[i].password_file)));
		buf_init(&text, 1000);
		keystore_url_describe(&dsn, &text);
		assert_string_equal(buf_text(&text), cases[i].describes);
		buf_free(&text);
		mem_free(password_file);
		dsn_free(&dsn);
	}
}

static void
refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
	    {"", "begin with mysql://"},
	    {"u:S3CRET@h/d", "begin with mysql://"},
	    {"//u:S3CRET@h", "database is empty"},
	    {"//u:S3CRET@h/", "database is empty"},
	    {"//u:S3CRET/x@h/d", "'/' or a '@'"},
	    {"//u:S3CRET@h/d/e", "'/' or a '@'"},
	    {"//u:S3CRET%zz@h/d", "hexadecimal"},
	    {"//u:S3CRET%00@h/d", "NUL"},
	    {"//u:S3CRET%4@h/d", "hexadecimal"},
	    {"//:S3CRET@h/d", "user is empty"},
	    {"//u:S3CRET@h:0/d", "port"},
	    {"//u:S3CRET@h:65536/d", "port"},
	    {"//u:S3CRET@h:x/d", "port"},
	    {"//u:S3CRET@[::1/d", "does not end"},
	    {"//u:S3CRET@[::1]x/d", "does not end"},
	    {"//u:S3CRET@h%0a/d", "control"},
	    {"//u:S3CRET@h/d?password=x", "none of"},
	    {"//u:S3CRET@h/d?socket=/s", "both"},
	    {"//u:S3CRET@/d?socket=s", "slash"},
	    {"//u:S3CRET@/d?socket=/s&socket=/t", "twice"},
	    {"//u:S3CRET@h/d?passwordfile=/p", "twice"},
	    {"//u:S3CRET@h/d?", "none of"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dsn dsn;
		struct err err = ERR_NONE;
		char *password_file;

		if (keystore_url_parse(span_str(cases[i].text), &dsn, &password_file, &err) !=
			ST_INVALID ||
		    strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s: \"%s\"", cases[i].text, err.text);
		assert_null(strstr(err.text, "S3CRET"));
		assert_null(password_file);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(accepted),
	    cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
