/*
 * test_options.c - opendkim's command line: every flag, and that a flag wins over the file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/options.h"
#include "tests/lib/scratch.h"

#define ARGS_MAX 16

/* words: separated by one blank. getopt keeps its place in globals. */
static bool
parse(struct scratch *scratch, const char *words, struct options *out)
{
	static char room[1024];
	char *argv[ARGS_MAX + 1], *word;
	int argc = 0;

	scratch_log_begin(scratch);
	assert_true(strlen(words) < sizeof(room));
	memcpy(room, words, strlen(words) + 1);
	for (word = strtok(room, " "); word != NULL && argc < ARGS_MAX; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	optind = 0;
	return options_parse(argc, argv, out);
}

static const struct {
	const char *words;
	enum conf_parameter parameter;
	const char *value, *origin;
} flags[] = {
    {"-A", CONF_AUTO_RESTART, "yes", "-A"},
    {"-b s", CONF_MODE, "s", "-b"},
    {"-c relaxed/simple", CONF_CANONICALIZATION, "relaxed/simple", "-c"},
    {"-d a.example,b.example", CONF_DOMAIN, "a.example,b.example", "-d"},
    {"-D", CONF_SUB_DOMAINS, "yes", "-D"},
    {"-k /k", CONF_KEY_FILE, "/k", "-k"},
    {"-l", CONF_SYSLOG, "yes", "-l"},
    {"-L 90%", CONF_MINIMUM, "90%", "-L"},
    {"-o received", CONF_OMIT_HEADERS, "received", "-o"},
    {"-p inet:8891@localhost", CONF_SOCKET, "inet:8891@localhost", "-p"},
    {"-P /run/x.pid", CONF_PID_FILE, "/run/x.pid", "-P"},
    {"-r", CONF_REQUIRED_HEADERS, "yes", "-r"},
    {"-s sel", CONF_SELECTOR, "sel", "-s"},
    {"-S rsa-sha256", CONF_SIGNATURE_ALGORITHM, "rsa-sha256", "-S"},
    {"-T 5", CONF_DNS_TIMEOUT, "5", "-T"},
    {"-u nobody", CONF_USER_ID, "nobody", "-u"},
    {"-W", CONF_LOG_WHY, "yes", "-W"},
};

static void
test_parameters(void **state)
{
	struct scratch scratch;

	(void)state;
	scratch_begin(&scratch);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		char words[128] = "/usr/sbin/signpostd -f ";
		struct conf *conf = conf_new();
		struct options options;
		const char *path;

		strncat(words, flags[i].words, sizeof(words) - strlen(words) - 1);
		assert_true(parse(&scratch, words, &options));
		assert_string_equal(options.program, "signpostd");
		assert_int_equal(options.setting_count, 1);
		/* Nothing in the file changes what a flag says. */
		path = scratch_write(&scratch, "conf",
		    "Mode v\nDomain file.example\nSelector file\nSocket inet:1@127.0.0.1\n");
		options.conf_path = path;
		assert_int_equal(options_load(&options, conf, NULL), ST_OK);
		assert_string_equal(conf_string(conf, flags[i].parameter), flags[i].value);
		assert_string_equal(conf_origin(conf, flags[i].parameter), flags[i].origin);
		conf_free(conf);
	}
	scratch_end(&scratch);
}

static void
test_others(void **state)
{
	struct options options;
	struct scratch scratch;

	(void)state;
	scratch_begin(&scratch);
	assert_true(
	    parse(&scratch, "opendkim -vvfnQVX -x /c -e Mode -t a,b -F 1700000000", &options));
	assert_string_equal(options.program, "opendkim");
	assert_int_equal(options.verbose, 2);
	assert_true(options.foreground && options.check_only && options.query && options.version);
	assert_string_equal(options.conf_path, "/c");
	assert_string_equal(options.show, "Mode");
	assert_string_equal(options.test_files, "a,b");
	assert_true(options.fixed_time_utc == 1700000000);
	assert_int_equal(options.setting_count, 0);
	assert_true(parse(&scratch, "signpostd", &options));
	assert_true(options.fixed_time_utc == -1);
	scratch_end(&scratch);
}

static void
test_refused(void **state)
{
	static const char *const bad[] = {"x -q", "x -p", "x -x", "x rest", "x -F soon", "x -F -1",
	    "x -F 9223372036854775808", "x -h", "x -F 1x"};
	struct options options;
	struct scratch scratch;

	(void)state;
	scratch_begin(&scratch);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(parse(&scratch, bad[i], &options));
		assert_true(scratch_log_bytes(&scratch) > 0);
	}
	scratch_end(&scratch);
}

/* A bad flag and a bad file are both told; a file that is not there is. */
static void
test_load_faults(void **state)
{
	struct conf_report report = CONF_REPORT_NONE;
	struct conf *conf = conf_new();
	struct options options;
	struct scratch scratch;

	(void)state;
	scratch_begin(&scratch);
	assert_true(parse(&scratch, "x -T soon -s good", &options));
	options.conf_path = scratch_write(&scratch, "conf", "Nonsense 1\n");
	assert_int_equal(options_load(&options, conf, &report), ST_INVALID);
	assert_true(report.errors >= 2);
	assert_string_equal(conf_string(conf, CONF_SELECTOR), "good");
	conf_report_free(&report);
	options.conf_path = scratch_path(&scratch, "none");
	options.setting_count = 0;
	assert_int_equal(options_load(&options, conf, &report), ST_ABSENT);
	conf_report_free(&report);
	conf_free(conf);
	scratch_end(&scratch);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parameters),
	    cmocka_unit_test(test_others),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_load_faults),
	};

	return cmocka_run_group_tests_name("daemon/options", tests, NULL, NULL);
}
