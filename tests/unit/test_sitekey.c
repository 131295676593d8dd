/*
 * test_sitekey.c - site key files: read, refused, changed on disk, rotated.
 */
#include "tests/unit/store_help.h"

#include "lib/base/secret.h"
#include "lib/store/sitekey.h"

#define KEY_1 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_2 "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="
#define KEY_3 "////////////////////////////////////////////"
#define KEY_4 "///////////////////////////////////////////="

static void
reads_files(void **state)
{
	static const struct {
		const char *text, *says; /* says: NULL: it is fine */
		uint32_t current;
	} cases[] = {
	    {"1 " KEY_1 "\n", NULL, 1},
	    {"# first\n\n  7\t" KEY_1 "  \r\n# last\n", NULL, 7},
	    {"1 " KEY_1 "\n2 " KEY_2 "\n", NULL, 2},
	    {"3 " KEY_1 "\n2 " KEY_2 "\n", NULL, 3},
	    {"1 " KEY_1 "\n2 " KEY_2 "\ncurrent 1\n", NULL, 1},
	    {"current 2\n1 " KEY_1 "\n2 " KEY_2 "\n", NULL, 2},
	    {"999999 " KEY_1 "\n", NULL, 999999},
	    {"", "no key in it", 0},
	    {"\n", "no key in it", 0},
	    {"# 1 " KEY_1 "\n", "no key in it", 0},
	    {"current 1\n", "no key in it", 0},
	    {"1 " KEY_1, "line 1: has no end", 0},
	    {"1 " KEY_1 "\n2 ", "line 2: has no end", 0},
	    {"1\n", "line 1: is not a version", 0},
	    {KEY_1 "\n", "line 1: is not a version", 0},
	    {"1 " KEY_1 " x\n", "line 1: is not a version", 0},
	    {"0 " KEY_1 "\n", "line 1: does not begin", 0},
	    {"-1 " KEY_1 "\n", "line 1: does not begin", 0},
	    {"1000000 " KEY_1 "\n", "line 1: does not begin", 0},
	    {"one " KEY_1 "\n", "line 1: does not begin", 0},
	    {"1 AAECAwQF\n", "line 1: has no key of 32 octets", 0},
	    {"1 AA" KEY_1 "\n", "line 1: has no key of 32 octets", 0},
	    {"1 " KEY_3 "\n", "line 1: has no key of 32 octets", 0},
	    {"1 !" KEY_4 "\n", "line 1: has no key of 32 octets", 0},
	    {"1 " KEY_1 "\n1 " KEY_2 "\n", "line 2: has a version that was there", 0},
	    {"1 " KEY_1 "\n2 " KEY_1 "\n", "line 2: has the same key", 0},
	    {"current 3\n1 " KEY_1 "\n", "line 1: names a current version that is not", 0},
	    {"1 " KEY_1 "\ncurrent 0\n", "line 2: \"current\" needs", 0},
	    {"1 " KEY_1 "\ncurrent\n", "line 2: is not a version", 0},
	    {"current 1\ncurrent 1\n1 " KEY_1 "\n", "line 2: says a second time", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sitekey *sitekey;
		struct err err = ERR_NONE;
		enum status status = sitekey_parse(span_str(cases[i].text), "file", &sitekey, &err);

		if (status != (cases[i].says == NULL ? ST_OK : ST_INVALID) ||
		    (cases[i].says != NULL && strstr(err.text, cases[i].says) == NULL))
			fail_msg("case %zu: %s", i, err.text);
		assert_null(strstr(err.text, "AAEC"));
		if (status != ST_OK)
			continue;
		assert_int_equal(sitekey_current(sitekey), cases[i].current);
		assert_true(sitekey_has(sitekey, cases[i].current));
		assert_false(sitekey_has(sitekey, 4));
		assert_string_equal(sitekey_name(sitekey), "file");
		sitekey_close(sitekey);
	}
}

/* Cut at every octet, a file of ours is refused, or has whole versions and seals with none that is
 * missing. */
static void
half_written(void **state)
{
	struct sitekey *first, *second, *cut;
	char *one, *two, *text;
	struct err err = ERR_NONE;
	size_t n, fine = 0;

	(void)state;
	assert_int_equal(sitekey_rotate_text(NULL, false, &one, &n, &err), ST_OK);
	assert_int_equal(sitekey_parse(span_of(one, n), "one", &first, &err), ST_OK);
	assert_int_equal(sitekey_rotate_text(first, false, &two, &n, &err), ST_OK);
	assert_int_equal(sitekey_parse(span_of(two, n), "two", &second, &err), ST_OK);
	assert_int_equal(sitekey_rotate_text(second, true, &text, &n, &err), ST_OK);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(sitekey_parse(span_of(text, i), "cut", &cut, &err), ST_INVALID);
	/* Not active yet: the file without its last line is the one from before. */
	for (size_t i = 0; i < strlen(two); i++) {
		if (sitekey_parse(span_of(two, i), "cut", &cut, &err) != ST_OK)
			continue;
		fine++;
		assert_int_equal(sitekey_current(cut), 1);
		assert_string_equal(two + i - 1 - strlen(KEY_1) - 3, strstr(two, "\n1 "));
		sitekey_close(cut);
	}
	assert_int_equal(fine, 1);
	secret_free(one);
	secret_free(two);
	secret_free(text);
	sitekey_close(first);
	sitekey_close(second);
}

static void
too_much(void **state)
{
	struct sitekey *sitekey = NULL, *next;
	struct err err = ERR_NONE;
	static char big[SITEKEY_FILE_MAX + 1];
	char *text;
	size_t n;

	(void)state;
	memset(big, '\n', sizeof(big));
	assert_int_equal(sitekey_parse(span_of(big, sizeof(big)), "big", &next, &err), ST_INVALID);
	for (unsigned i = 1; i <= SITEKEY_VERSIONS_MAX; i++) {
		assert_int_equal(sitekey_rotate_text(sitekey, false, &text, &n, &err), ST_OK);
		assert_int_equal(sitekey_parse(span_of(text, n), "t", &next, &err), ST_OK);
		assert_true(sitekey_has(next, i));
		assert_int_equal(sitekey_current(next), 1);
		secret_free(text);
		sitekey_close(sitekey);
		sitekey = next;
	}
	assert_int_equal(sitekey_rotate_text(sitekey, false, &text, &n, &err), ST_INVALID);
	assert_null(text);
	assert_int_equal(sitekey_rotate_text(sitekey, true, &text, &n, &err), ST_OK);
	snprintf(big, sizeof(big), "%s65 " KEY_1 "\n", text);
	secret_free(text);
	assert_int_equal(sitekey_parse(span_str(big), "t", &next, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "one version too many"));
	sitekey_close(sitekey);
}

static void
activates(void **state)
{
	struct sitekey *sitekey;
	struct err err = ERR_NONE;
	char *text;
	size_t n;

	(void)state;
	assert_int_equal(
	    sitekey_parse(SPAN_LIT("5 " KEY_1 "\n9 " KEY_2 "\ncurrent 5\n"), "t", &sitekey, &err),
	    ST_OK);
	assert_int_equal(sitekey_rotate_text(sitekey, true, &text, &n, &err), ST_OK);
	assert_non_null(strstr(text, "\ncurrent 9\n5 " KEY_1 "\n9 " KEY_2 "\n"));
	sitekey_close(sitekey);
	assert_int_equal(sitekey_parse(span_of(text, n), "t", &sitekey, &err), ST_OK);
	secret_free(text);
	assert_int_equal(sitekey_rotate_text(sitekey, true, &text, &n, &err), ST_ABSENT);
	assert_non_null(strstr(err.text, "version 9 is the highest"));
	sitekey_close(sitekey);
}

static void
opens_files(void **state)
{
	const char *path = help_write("site", "1 " KEY_1 "\n");
	char missing[300];
	struct sitekey *sitekey;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(sitekey_open(path, false, &sitekey, &err), ST_OK);
	assert_string_equal(sitekey_name(sitekey), path);
	sitekey_close(sitekey);
	/* The folder of the test is in one that everybody writes to. */
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(sitekey_open(path, true, &sitekey, &err), ST_DENIED);
	assert_null(sitekey);
	assert_non_null(strstr(err.text, "not secure"));
	snprintf(missing, sizeof(missing), "%s-missing", path);
	assert_int_equal(sitekey_open(missing, true, &sitekey, &err), ST_ABSENT);
	assert_non_null(strstr(err.text, "store sitekey new"));
	assert_int_equal(sitekey_open(help_write("empty", ""), false, &sitekey, &err), ST_INVALID);
	assert_int_equal(
	    sitekey_open(help_write("bad", "1 AA\n"), false, &sitekey, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "bad line 1: "));
	assert_int_equal(sitekey_open(help_folder, false, &sitekey, &err), ST_INVALID);
}

static void
credentials(void **state)
{
	static const char *const bad[] = {"credential:", "credential:..", "credential:../site",
	    "credential:a/b", "credential:.site"};
	struct sitekey *sitekey;
	struct err err = ERR_NONE;

	(void)state;
	help_write("site", "1 " KEY_1 "\n");
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	assert_int_equal(sitekey_open("credential:site", false, &sitekey, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "LoadCredential=site:"));
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "relative", 1), 0);
	assert_int_equal(sitekey_open("credential:site", false, &sitekey, &err), ST_INVALID);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", help_folder, 1), 0);
	assert_int_equal(sitekey_open("credential:site", false, &sitekey, &err), ST_OK);
	sitekey_close(sitekey);
	assert_int_equal(sitekey_open("credential:other", false, &sitekey, &err), ST_ABSENT);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(sitekey_open(bad[i], false, &sitekey, &err), ST_INVALID);
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

/* Each step: what is on disk, what a refresh says, which versions are there then. */
static void
changes_on_disk(void **state)
{
	static const struct {
		const char *text; /* NULL: no file */
		enum status status;
		const char *says;
		bool has_2;
	} steps[] = {
	    {"1 " KEY_1 "\n2 " KEY_2 "\ncurrent 1\n", ST_OK, "", true},
	    {NULL, ST_UNAVAILABLE, "is gone", true},
	    {"1 " KEY_1 "\n2 Hx4dH", ST_INVALID, "half-written", true},
	    {"", ST_INVALID, "empty", true},
	    {"1 " KEY_2 "\n", ST_DENIED, "version 1 is another key", true},
	    {"1 " KEY_1 "\n", ST_OK, "", false},
	    {"2 " KEY_1 "\n", ST_OK, "", true},
	};
	const char *path = help_write("changing", "1 " KEY_1 "\n");
	struct sitekey *sitekey;
	struct err err = ERR_NONE;
	int64_t now = 5000;

	(void)state;
	assert_int_equal(sitekey_open(path, false, &sitekey, &err), ST_OK);
	assert_int_equal(sitekey_refresh(sitekey, now, &err), ST_ABSENT);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		/* Not before a second is over. */
		unlink(path);
		if (steps[i].text != NULL)
			help_write("changing", steps[i].text);
		assert_int_equal(sitekey_refresh(sitekey, now + 999, &err), ST_ABSENT);
		now += 1000;
		memset(&err, 0, sizeof(err));
		if (sitekey_refresh(sitekey, now, &err) != steps[i].status ||
		    (steps[i].says[0] != '\0' && strstr(err.text, steps[i].says) == NULL))
			fail_msg("step %zu: %s", i, err.text);
		assert_int_equal(sitekey_has(sitekey, 2), steps[i].has_2);
	}
	sitekey_close(sitekey);
}

/* A version that is not there is looked for on disk before that is said. */
static void
looks_again_for_a_version(void **state)
{
	const char *path = help_write("again", "1 " KEY_1 "\n");
	struct err err = ERR_NONE;
	struct sitekey *sitekey;
	struct seal *seal, *held;

	(void)state;
	assert_int_equal(sitekey_open(path, false, &sitekey, &err), ST_OK);
	assert_int_equal(sitekey_tenant(sitekey, 1, "key", SPAN_LIT("a"), &held, &err), ST_OK);
	assert_int_equal(sitekey_tenant(sitekey, 2, "key", SPAN_LIT("a"), &seal, &err), ST_ABSENT);
	assert_null(seal);
	assert_non_null(strstr(err.text, "has the version 1, and version 2 sealed"));
	help_write("again", "current 1\n1 " KEY_1 "\n3 " KEY_2 "\n");
	assert_int_equal(sitekey_tenant(sitekey, 3, "key", SPAN_LIT("a"), &seal, &err), ST_OK);
	sitekey_release(sitekey, seal);
	assert_int_equal(sitekey_tenant(sitekey, 2, "key", SPAN_LIT("a"), &seal, &err), ST_ABSENT);
	assert_non_null(strstr(err.text, "has the versions 1, 3, and version 2"));
	help_write("again", "broken");
	assert_int_equal(sitekey_tenant(sitekey, 2, "key", SPAN_LIT("a"), &seal, &err), ST_ABSENT);
	assert_non_null(strstr(err.text, "could not be read again: "));
	sitekey_release(sitekey, held);
	sitekey_close(sitekey);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_files),
	    cmocka_unit_test(half_written),
	    cmocka_unit_test(too_much),
	    cmocka_unit_test(activates),
	    cmocka_unit_test(opens_files),
	    cmocka_unit_test(credentials),
	    cmocka_unit_test(changes_on_disk),
	    cmocka_unit_test(looks_again_for_a_version),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
