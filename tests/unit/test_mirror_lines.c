/*
 * test_mirror_lines.c - files of named lines, and those of mirrors: what is taken, what is refused
 * and how it is said, who may write to them, whose policies may name a mirror, and the keys as
 * panels have them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin-api/mirror_sql.h"
#include "lib/base/mem.h"

/* ---- named lines ---- */

struct taken {
	size_t count;
	char last[100];
};

static enum status
take(void *context, struct span line, struct err *err)
{
	struct taken *taken = context;

	if (span_ends(line, SPAN_LIT("bad:"))) {
		err_set(err, "it is bad");
		return ST_INVALID;
	}
	taken->count++;
	snprintf(taken->last, sizeof(taken->last), "%.*s", SPAN_ARG(line));
	return ST_OK;
}

static enum status
read_text(const char *text, struct taken *taken, struct err *err)
{
	struct named_lines lines = {
	    .what = "thing", .because = "they matter", .take = take, .context = taken};

	*taken = (struct taken){.count = 0};
	return named_lines_read_text(&lines, span_str(text), err);
}

static void
lines_are_taken(void **state)
{
	struct taken taken;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(read_text("", &taken, &err), ST_OK);
	assert_int_equal(taken.count, 0);
	assert_int_equal(read_text("# one\n\n \t\r\n  a x:1\r\nA y:2", &taken, &err), ST_OK);
	assert_int_equal(taken.count, 2);
	assert_string_equal(taken.last, "A y:2");
}

static void
lines_are_refused(void **state)
{
	static const struct {
		const char *text, *says;
		size_t count;
	} cases[] = {
	    {"a x:\na y:\n", "line 2: there is a thing a above", 1},
	    {"a x:\n\n$ y:", "line 3: the name of a thing is 1 to 63 of", 1},
	    {"a x:\nb bad:\nc x:", "line 2: it is bad", 1},
	    {"0123456789012345678901234567890123456789012345678901234567890123 x:", "line 1: ", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct taken taken;
		struct err err = ERR_NONE;

		assert_int_equal(read_text(cases[i].text, &taken, &err), ST_INVALID);
		assert_memory_equal(err.text, cases[i].says, strlen(cases[i].says));
		assert_int_equal(taken.count, cases[i].count);
	}
}

static void
there_are_not_too_many_lines(void **state)
{
	struct buf text;
	struct taken taken;
	struct err err = ERR_NONE;

	(void)state;
	buf_init(&text, 100000);
	for (unsigned i = 0; i < NAMED_LINES_MAX; i++)
		buf_add_fmt(&text, "n%u x:\n", i);
	assert_int_equal(read_text(buf_text(&text), &taken, &err), ST_OK);
	assert_int_equal(taken.count, NAMED_LINES_MAX);
	buf_add_str(&text, "more x:\n");
	assert_int_equal(read_text(buf_text(&text), &taken, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "line 1001: more than 1000 things"));
	buf_free(&text);
}

static void
files_of_others_are_refused(void **state)
{
	struct mirror **mirrors;
	struct err err = ERR_NONE;
	char path[] = "/tmp/signpost-mirrors-XXXXXX";
	int fd = mkstemp(path);
	size_t count = 7;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "# nothing\nx y:\n", 15), 15);
	close(fd);
	assert_int_equal(chmod(path, 0620), 0);
	assert_int_equal(mirrors_read(path, &mirrors, &count, &err), ST_DENIED);
	assert_non_null(strstr(err.text, "who gets private keys; chown it, and chmod go-w"));
	assert_null(mirrors);
	assert_int_equal(count, 0);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(mirrors_read(path, &mirrors, &count, &err), ST_INVALID);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, ": line 2: x: behind the name"));
	unlink(path);
	assert_int_equal(mirrors_read(path, &mirrors, &count, &err), ST_ABSENT);
	assert_int_equal(mirrors_read(NULL, &mirrors, &count, &err), ST_OK);
	assert_int_equal(count, 0);
}

/* ---- lines of mirrors ---- */

static void
mirrors_are_taken(void **state)
{
	static const char text[] =
	    "one postfixadmin:mysql://w@127.0.0.1:3307/pa?passwordfile=/p&prefix=pa_\n"
	    "two ispconfig:mysql://w@/isp?socket=/run/s.sock&passwordfile=/p&tenants=acme,b-2\n"
	    "three "
	    "ispconfig:mysql://w@db.example/isp?tenants=*&tls=yes&cafile=/ca&passwordfile=/p\n"
	    "four ispconfig:mysql://w@db.example/isp?passwordfile=/p&tls=no\n"
	    "five zimbra:ldapi://%2Frun%2Fslapd%2Fldapi/?binddn=cn=x&secretfile=/s\n";
	struct mirror **all;
	struct err err = ERR_NONE;
	size_t count;

	(void)state;
	if (mysql_driver.connect == NULL)
		skip();
	if (mirrors_read_text(span_str(text), &all, &count, &err) != ST_OK)
		fail_msg("%s", err.text);
	assert_int_equal(count, 5);
	assert_string_equal(all[0]->ops->kind, "postfixadmin");
	assert_non_null(strstr(((struct mirror_sql *)all[0]->state)->statements[0], " `pa_dkim` "));
	assert_null(strchr(((struct mirror_sql *)all[0]->state)->statements[0], '{'));
	assert_string_equal(((struct mirror_sql *)all[1]->state)->where, "mysql:///run/s.sock/isp");
	assert_true(((struct mirror_sql *)all[2]->state)->tls);
	assert_false(((struct mirror_sql *)all[3]->state)->tls);
	assert_ptr_equal(mirror_find(all, count, "three"), all[2]);
	assert_null(mirror_find(all, count, "thre"));
	assert_null(all[0]->tenants);
	assert_true(mirror_serves(all[0], SPAN_LIT("acme")));
	assert_true(mirror_serves(all[1], SPAN_LIT("acme")));
	assert_true(mirror_serves(all[1], SPAN_LIT("b-2")));
	assert_false(mirror_serves(all[1], SPAN_LIT("b")));
	assert_false(mirror_serves(all[1], SPAN_LIT("")));
	assert_false(mirror_serves(all[1], SPAN_LIT("acme,b-2")));
	assert_true(mirror_serves(all[2], SPAN_LIT("any")));
	mirrors_close(all, count);
}

static void
mirrors_are_refused(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
	    {"x", "behind the name"},
	    {"x zimbra:ldap://ldap.example/?binddn=cn=x&secretfile=/s", "in clear"},
	    {"x zimbra:ldap://127.evil.example:389/?binddn=cn=x&secretfile=/s", "in clear"},
	    {"x zimbra:ldap://[2001:db8::1]/?binddn=cn=x&secretfile=/s", "in clear"},
	    {"x zimbra:ldapi:///run/ldapi?binddn=cn=x&secretfile=/s", "%2F"},
	    {"x zimbra:ldapi://%2Frun%2Fldapi/?binddn=cn=x&secretfile=/s&starttls=yes",
		"starttls: there is no TLS"},
	    {"x zimbra:ldaps://S3CRET@h/?binddn=cn=x&secretfile=/s", "binddn= and secretfile="},
	    {"x zimbra:http://h/?binddn=cn=x&secretfile=/s", "ldapi://SOCKET/BASE"},
	    {"x zimbra:ldap:", "//"},
	    {"x zimbra:ldaps:/?binddn=cn=x&secretfile=/s", "//"},
	    {"x froxlor:mysql://w@/d", "\"zimbra:\", \"postfixadmin:\" or \"ispconfig:\""},
	    {"x ispconfig:pgsql://w@/d", "needs mysql://"},
	    {"x ispconfig:mysql://w@/d", "passwordfile=/path"},
	    {"x ispconfig:mysql:///d?passwordfile=/p", "mysql://USER@"},
	    {"x ispconfig:mysql://w:S3CRET@/d", "belongs into the file"},
	    {"x ispconfig:mysql://w:S3CRET@/d?passwordfile=/p", "twice"},
	    {"x ispconfig:mysql://w@/d?password=S3CRET", "option \"password\" is unknown"},
	    {"x ispconfig:mysql://w@/d?passwordfile=p", "slash"},
	    {"x ispconfig:mysql://w@h/d?passwordfile=/p", "tls: private keys go over a network"},
	    {"x ispconfig:mysql://w@h/d?passwordfile=/p&tls=maybe", "\"yes\" or \"no\""},
	    {"x ispconfig:mysql://w@h/d?passwordfile=/p&tls=no&tls=yes", "tls: is there twice"},
	    {"x ispconfig:mysql://w@h/d?passwordfile=/p&tls=no&cafile=/c", "nothing without"},
	    {"x ispconfig:mysql://w@h/d?passwordfile=/p&tls=yes&cafile=c", "absolute path"},
	    {"x ispconfig:mysql://w@/d?passwordfile=/p&prefix=a`b", "prefix: 1 to 40"},
	    {"x ispconfig:mysql://w@/d?passwordfile=/p&prefix=", "prefix: 1 to 40"},
	    {"x ispconfig:mysql://w@/d?passwordfile=/p&prefix=a&prefix=b", "twice"},
	    {"x ispconfig:mysql://w@/d?passwordfile=/p&tenants=", "tenants: names"},
	    {"x ispconfig:mysql://w@/d?passwordfile=/p&tenants=a,,b", "tenants: names"},
	    {"x ispconfig:mysql://w@/d?passwordfile=/p&tenants=Acme", "tenants: names"},
	    {"x ispconfig:mysql://w@/d?passwordfile=/p&tenants=*,a", "tenants: names"},
	    {"x ispconfig:mysql://w@/d?passwordfile=/p&tenants=a&tenants=b", "twice"},
	};

	(void)state;
	if (mysql_driver.connect == NULL)
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mirror **all;
		struct err err = ERR_NONE;
		size_t count;

		assert_int_equal(
		    mirrors_read_text(span_str(cases[i].line), &all, &count, &err), ST_INVALID);
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].line, err.text);
		assert_memory_equal(err.text, "line 1: x: ", 11);
		assert_null(strstr(err.text, "S3CRET"));
		assert_null(all);
	}
}

/* ---- public keys ---- */

static void
public_keys_have_two_forms(void **state)
{
	static const char p[] = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2M"
				"o4lgOEePzNm0tRgeLezV6";
	struct buf pem;

	(void)state;
	buf_init(&pem, MIRROR_SQL_PUBLIC_MAX);
	assert_int_equal(mirror_sql_public_pem(span_str(p), &pem), ST_OK);
	assert_string_equal(buf_text(&pem),
	    "-----BEGIN PUBLIC KEY-----\n"
	    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo\n"
	    "4lgOEePzNm0tRgeLezV6\n-----END PUBLIC KEY-----\n");
	assert_true(mirror_sql_is_public_pem(buf_span(&pem), span_str(p)));
	assert_false(mirror_sql_is_public_pem(buf_span(&pem), SPAN_LIT("MIIB")));
	assert_false(mirror_sql_is_public_pem(buf_span(&pem), SPAN_EMPTY));
	assert_true(mirror_sql_is_public_pem(
	    SPAN_LIT("\r\n-----BEGIN PUBLIC KEY-----\r\nMI\r\nIB-----END PUBLIC KEY-----"),
	    SPAN_LIT("MIIB")));
	assert_false(mirror_sql_is_public_pem(
	    SPAN_LIT("-----BEGIN PUBLIC KEY-----MII-----END PUBLIC KEY-----"), SPAN_LIT("MIIB")));
	assert_false(mirror_sql_is_public_pem(SPAN_EMPTY, SPAN_LIT("MIIB")));
	assert_false(mirror_sql_is_public_pem(SPAN_LIT("-----BEGIN PUBLIC KEY----------END PUBLIC "
						       "KEY----"),
	    SPAN_EMPTY));
	buf_free(&pem);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_are_taken),
	    cmocka_unit_test(lines_are_refused),
	    cmocka_unit_test(there_are_not_too_many_lines),
	    cmocka_unit_test(files_of_others_are_refused),
	    cmocka_unit_test(mirrors_are_taken),
	    cmocka_unit_test(mirrors_are_refused),
	    cmocka_unit_test(public_keys_have_two_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
