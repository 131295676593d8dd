/*
 * test_metrics.c - counting by several processes at once, gauges of processes that died, the text
 * for Prometheus octet by octet where it matters, the file, and the manual page. make check.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"

#define PROCESSES 6
#define ROUNDS 50000

static int
open_metrics(void **state)
{
	struct err err = ERR_NONE;

	(void)state;
	metrics_close();
	return metrics_open(&err) == ST_OK ? 0 : -1;
}

static int
close_metrics(void **state)
{
	(void)state;
	metrics_close();
	return 0;
}

/* Is the line there, as a whole? */
static bool
has_line(const char *line)
{
	struct buf text, wanted;
	bool found;

	buf_init(&text, METRICS_TEXT_MAX);
	buf_init(&wanted, 1024);
	assert_int_equal(metrics_write(&text), ST_OK);
	buf_add_fmt(&wanted, "\n%s\n", line);
	found = strstr(buf_text(&text), buf_text(&wanted)) != NULL;
	if (!found)
		print_message("%s\n", buf_text(&text));
	buf_free(&text);
	buf_free(&wanted);
	return found;
}

static void
test_nothing_happens_when_closed(void **state)
{
	struct err err = ERR_NONE;
	struct buf text;

	(void)state;
	metrics_close();
	assert_false(metrics_are_open());
	metrics_process_began();
	metrics_count(METRIC_MESSAGES, METRIC_ACTION_SIGNED, METRIC_NONE);
	metrics_observe(METRIC_SIGN_SECONDS, 1);
	metrics_gauge_add(METRIC_CONNECTIONS, 1);
	metrics_process_ended(getpid());
	buf_init(&text, METRICS_TEXT_MAX);
	assert_int_equal(metrics_write(&text), ST_ABSENT);
	assert_int_equal(text.n, 0);
	assert_int_equal(metrics_file_write("/nonexistent/m", &err), ST_ABSENT);
	assert_string_not_equal(err.text, "");
}

static void
test_counters(void **state)
{
	(void)state;
	assert_true(has_line("signpost_messages_total{action=\"signed\"} 0"));
	metrics_count(METRIC_MESSAGES, METRIC_ACTION_SIGNED, METRIC_NONE);
	metrics_add(METRIC_MESSAGES, METRIC_ACTION_QUARANTINED, METRIC_NONE, 41);
	metrics_count(METRIC_SIGN, METRIC_ALGORITHM_ED25519_SHA256, METRIC_SIGN_FAILED);
	metrics_count(METRIC_DNS, METRIC_DNS_INVALID, METRIC_NONE);
	metrics_count(METRIC_AUTHRES_REMOVED, METRIC_NONE, METRIC_NONE);
	assert_true(has_line("signpost_messages_total{action=\"signed\"} 1"));
	assert_true(has_line("signpost_messages_total{action=\"verified\"} 0"));
	assert_true(has_line("signpost_messages_total{action=\"quarantined\"} 41"));
	assert_true(has_line("signpost_sign_total{alg=\"rsa-sha256\",result=\"failed\"} 0"));
	assert_true(has_line("signpost_sign_total{alg=\"ed25519-sha256\",result=\"ok\"} 0"));
	assert_true(has_line("signpost_sign_total{alg=\"ed25519-sha256\",result=\"failed\"} 1"));
	assert_true(has_line("signpost_dns_total{result=\"invalid\"} 1"));
	assert_true(has_line("signpost_dns_total{result=\"unavailable\"} 0"));
	assert_true(has_line("signpost_authres_removed_total 1"));
	assert_true(has_line("signpost_signatures_ignored_total 0"));
}

/* A wrong value or kind counts nowhere, not in a neighbour. */
static void
test_out_of_range(void **state)
{
	struct buf before, after;

	(void)state;
	buf_init(&before, METRICS_TEXT_MAX);
	buf_init(&after, METRICS_TEXT_MAX);
	assert_int_equal(metrics_write(&before), ST_OK);
	metrics_count(METRIC_MESSAGES, METRIC_ACTION_QUARANTINED + 1, METRIC_NONE);
	metrics_count(METRIC_MESSAGES, METRIC_ACTION_SIGNED, 1);
	metrics_count(METRIC_SIGN, METRIC_ALGORITHM_RSA_SHA256, METRIC_SIGN_FAILED + 1);
	metrics_count(METRIC_SIGN, UINT32_MAX, UINT32_MAX);
	metrics_count(METRIC_SIGN_SECONDS, 0, 0);
	metrics_count(METRIC_CONNECTIONS, 0, 0);
	metrics_observe(METRIC_MESSAGES, 1);
	metrics_gauge_add(METRIC_MESSAGES, 1);
	metrics_process_began();
	metrics_gauge_add_at(METRIC_CONNECTIONS, 1, 1);
	metrics_gauge_add_at(METRIC_PARSED_KEYS, METRIC_KEY_ED25519 + 1, 1);
	metrics_gauge_add_at(METRIC_MESSAGES, 0, 1);
	metrics_process_ended(getpid());
	assert_int_equal(metrics_write(&after), ST_OK);
	assert_string_equal(buf_text(&before), buf_text(&after));
	buf_free(&before);
	buf_free(&after);
}

static void
test_histogram(void **state)
{
	(void)state;
	metrics_observe(METRIC_DNS_SECONDS, -5);
	metrics_observe(METRIC_DNS_SECONDS, 100);
	metrics_observe(METRIC_DNS_SECONDS, 101);
	metrics_observe(METRIC_DNS_SECONDS, 2500000);
	metrics_observe(METRIC_DNS_SECONDS, 30000001);
	assert_true(has_line("# TYPE signpost_dns_seconds histogram\n"
			     "signpost_dns_seconds_bucket{le=\"0.0001\"} 2\n"
			     "signpost_dns_seconds_bucket{le=\"0.00025\"} 3\n"
			     "signpost_dns_seconds_bucket{le=\"0.0005\"} 3"));
	assert_true(has_line("signpost_dns_seconds_bucket{le=\"1\"} 3\n"
			     "signpost_dns_seconds_bucket{le=\"2.5\"} 4\n"
			     "signpost_dns_seconds_bucket{le=\"5\"} 4\n"
			     "signpost_dns_seconds_bucket{le=\"10\"} 4\n"
			     "signpost_dns_seconds_bucket{le=\"30\"} 4\n"
			     "signpost_dns_seconds_bucket{le=\"+Inf\"} 5\n"
			     "signpost_dns_seconds_sum 32.500202\n"
			     "signpost_dns_seconds_count 5"));
	assert_true(has_line("signpost_sign_seconds_sum 0\nsignpost_sign_seconds_count 0"));
}

static void
test_histogram_with_a_label(void **state)
{
	(void)state;
	metrics_observe_at(METRIC_STORE_SECONDS, METRIC_STORE_KEYS, 300);
	metrics_observe_at(METRIC_STORE_SECONDS, METRIC_STORE_TABLE, 70);
	metrics_observe_at(METRIC_STORE_SECONDS, METRIC_STORE_TABLE, 40000000);
	metrics_observe_at(METRIC_STORE_SECONDS, METRIC_STORE_TABLE + 1, 1);
	assert_true(has_line("signpost_store_seconds_bucket{op=\"keys\",le=\"0.00025\"} 0\n"
			     "signpost_store_seconds_bucket{op=\"keys\",le=\"0.0005\"} 1"));
	assert_true(has_line("signpost_store_seconds_sum{op=\"keys\"} 0.0003\n"
			     "signpost_store_seconds_count{op=\"keys\"} 1"));
	assert_true(has_line("signpost_store_seconds_bucket{op=\"table\",le=\"0.0001\"} 1"));
	assert_true(has_line("signpost_store_seconds_bucket{op=\"table\",le=\"+Inf\"} 2\n"
			     "signpost_store_seconds_sum{op=\"table\"} 40.00007\n"
			     "signpost_store_seconds_count{op=\"table\"} 2"));
	assert_true(has_line("signpost_store_seconds_count{op=\"rules\"} 0"));
}

static void
count_as_child(void)
{
	metrics_process_began();
	metrics_gauge_add(METRIC_CONNECTIONS, 3);
	for (int i = 0; i < ROUNDS; i++) {
		metrics_count(METRIC_VERIFY, METRIC_VERIFY_PASS, METRIC_NONE);
		metrics_observe(METRIC_SIGN_SECONDS, 200);
	}
	metrics_gauge_add(METRIC_CONNECTIONS, -1);
}

static void
test_several_processes(void **state)
{
	pid_t children[PROCESSES];
	char line[128], go;
	int ready[2];

	(void)state;
	assert_int_equal(pipe(ready), 0);
	for (int i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0) {
			count_as_child();
			if (write(ready[1], "x", 1) != 1)
				_exit(1);
			pause();
			_exit(0);
		}
	}
	for (int i = 0; i < PROCESSES; i++)
		assert_int_equal(read(ready[0], &go, 1), 1);
	snprintf(
	    line, sizeof(line), "signpost_verify_total{result=\"pass\"} %d", PROCESSES * ROUNDS);
	assert_true(has_line(line));
	snprintf(line, sizeof(line), "signpost_sign_seconds_count %d", PROCESSES * ROUNDS);
	assert_true(has_line(line));
	snprintf(line, sizeof(line), "signpost_connections %d", PROCESSES * 2);
	assert_true(has_line(line));
	/* What a process that is killed had open is not open any more; what it counted stays. */
	for (int i = 0; i < PROCESSES; i++) {
		kill(children[i], SIGKILL);
		assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
		metrics_process_ended(children[i]);
		snprintf(line, sizeof(line), "signpost_connections %d", (PROCESSES - 1 - i) * 2);
		assert_true(has_line(line));
	}
	snprintf(line, sizeof(line), "signpost_sign_seconds_count %d", PROCESSES * ROUNDS);
	assert_true(has_line(line));
	close(ready[0]);
	close(ready[1]);
}

/* Places are used again; beyond the last nobody is harmed. */
static void
test_places_of_processes(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < METRICS_PROCESSES_MAX; i++)
		metrics_process_began();
	metrics_gauge_add(METRIC_CONNECTIONS, 5);
	assert_true(has_line("signpost_connections 5"));
	metrics_process_began();
	metrics_gauge_add(METRIC_CONNECTIONS, 7);
	assert_true(has_line("signpost_connections 5"));
	metrics_process_ended(getpid());
	assert_true(has_line("signpost_connections 0"));
	metrics_process_began();
	metrics_gauge_add(METRIC_CONNECTIONS, -1);
	assert_true(has_line("signpost_connections -1"));
}

/* Each value of the label has a gauge of its own, in each process. */
static void
test_gauge_with_label(void **state)
{
	(void)state;
	metrics_process_began();
	metrics_gauge_add_at(METRIC_PARSED_KEYS, METRIC_KEY_RSA_1024, 4);
	metrics_gauge_add_at(METRIC_PARSED_KEYS, METRIC_KEY_ED25519, 3);
	metrics_gauge_add_at(METRIC_PARSED_KEYS, METRIC_KEY_ED25519, -1);
	metrics_gauge_add(METRIC_CONNECTIONS, 1);
	assert_true(has_line("signpost_parsed_keys{alg=\"rsa-1024\"} 4\n"
			     "signpost_parsed_keys{alg=\"rsa-2048\"} 0"));
	assert_true(has_line("signpost_parsed_keys{alg=\"ed25519\"} 2"));
	assert_true(has_line("signpost_parsed_key_bytes{alg=\"rsa-1024\"} 0"));
	assert_true(has_line("signpost_connections 1"));
	metrics_process_ended(getpid());
	assert_true(has_line("signpost_parsed_keys{alg=\"ed25519\"} 0"));
}

/* A store is up as long as no process says that it is away; one that nobody has is not told of. */
static void
test_stores(void **state)
{
	atomic_bool first = false, second = false;
	struct buf text;

	(void)state;
	metrics_process_began();
	buf_init(&text, METRICS_TEXT_MAX);
	assert_int_equal(metrics_write(&text), ST_OK);
	assert_null(strstr(buf_text(&text), "signpost_store_up{"));
	buf_free(&text);
	metrics_store_opened(METRIC_STORE_KIND_KEYSTORE, 1);
	metrics_store_opened(METRIC_STORE_KIND_TABLE, 2);
	metrics_store_away(METRIC_STORE_KIND_TABLE, &first, true);
	metrics_store_away(METRIC_STORE_KIND_TABLE, &first, true);
	metrics_store_away(METRIC_STORE_KIND_TABLE, &second, true);
	assert_true(has_line("signpost_stores_away{store=\"table\"} 2"));
	assert_true(has_line("signpost_store_up{store=\"keystore\"} 1\n"
			     "signpost_store_up{store=\"table\"} 0"));
	metrics_store_away(METRIC_STORE_KIND_TABLE, &first, false);
	assert_true(has_line("signpost_store_up{store=\"table\"} 0"));
	metrics_store_away(METRIC_STORE_KIND_TABLE, &second, false);
	assert_true(has_line("signpost_store_up{store=\"table\"} 1"));
}

static void
test_open_again_keeps_counts(void **state)
{
	(void)state;
	metrics_count(METRIC_UNSIGNED, METRIC_UNSIGNED_PEER, METRIC_NONE);
	assert_int_equal(metrics_open(NULL), ST_OK);
	assert_true(has_line("signpost_unsigned_total{reason=\"peer\"} 1"));
	assert_int_equal(metrics_value(METRIC_UNSIGNED, METRIC_UNSIGNED_PEER, METRIC_NONE), 1);
	assert_int_equal(metrics_value(METRIC_UNSIGNED, 1000, METRIC_NONE), 0);
	assert_int_equal(metrics_value(METRIC_CONNECTIONS, METRIC_NONE, METRIC_NONE), 0);
	assert_string_equal(metrics_label_value(METRIC_UNSIGNED, METRIC_UNSIGNED_PEER), "peer");
	assert_null(metrics_label_value(METRIC_UNSIGNED, 1000));
	assert_int_equal(metrics_quantile_us(METRIC_UNSIGNED, 990), -1);
	assert_int_equal(metrics_quantile_us(METRIC_SIGN_SECONDS, 990), -1);
	for (unsigned int i = 0; i < 99; i++)
		metrics_observe(METRIC_SIGN_SECONDS, 240);
	metrics_observe(METRIC_SIGN_SECONDS, 99000000);
	assert_int_equal(metrics_quantile_us(METRIC_SIGN_SECONDS, 990), 250);
	assert_int_equal(metrics_quantile_us(METRIC_SIGN_SECONDS, 995), 30000000);
}

/* HELP and TYPE once for each, in front of its samples; nothing but such lines. */
static void
test_text_is_well_formed(void **state)
{
	struct buf text, small;
	struct span rest, line;
	size_t helps = 0, types = 0;

	(void)state;
	buf_init(&text, METRICS_TEXT_MAX);
	assert_int_equal(metrics_write(&text), ST_OK);
	assert_int_equal(text.p[text.n - 1], '\n');
	rest = span_sub(buf_span(&text), 0, text.n - 1);
	while (rest.n > 0) {
		size_t blank;
		uint64_t number;

		(void)span_cut(&rest, '\n', &line);
		helps += span_starts(line, SPAN_LIT("# HELP signpost_"));
		types += span_starts(line, SPAN_LIT("# TYPE signpost_"));
		if (line.p[0] == '#')
			continue;
		assert_int_equal(helps, types);
		blank = span_rfind(line, ' ');
		assert_true(span_starts(
		    line, helps > METRIC_COUNT ? SPAN_LIT("signpost_store_up{")
					       : span_str(metrics_name((enum metric)(helps - 1)))));
		assert_true(span_number(span_from(line, blank + 1), UINT64_MAX, &number));
	}
	assert_int_equal(helps, METRIC_COUNT + 1); /* and signpost_store_up */
	buf_init(&small, 100);
	assert_int_equal(metrics_write(&small), ST_TOO_BIG);
	buf_free(&small);
	buf_free(&text);
}

static void
test_label_escape(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 100);
	metrics_label_escape(&text, SPAN_LIT("a\"b\\c\nd"));
	assert_string_equal(buf_text(&text), "a\\\"b\\\\c\\nd");
	buf_free(&text);
}

static char *
file_text(const char *path)
{
	static char text[METRICS_TEXT_MAX];
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void
test_file(void **state)
{
	char folder[] = "metrics-XXXXXX", path[64], beside[80], elsewhere[64];
	struct err err = ERR_NONE;
	struct stat st;
	mode_t mask = umask(077);

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/a.prom", folder);
	snprintf(beside, sizeof(beside), "%s.new", path);
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", folder);
	metrics_count(METRIC_TEMPFAIL, METRIC_TEMPFAIL_DNS, METRIC_NONE);
	assert_int_equal(metrics_file_write(path, &err), ST_OK);
	assert_non_null(strstr(file_text(path), "signpost_tempfail_total{reason=\"dns\"} 1\n"));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_int_not_equal(access(beside, F_OK), 0);
	/* What a killed writer or somebody else left beside is no obstacle and no way out. */
	assert_int_equal(symlink("elsewhere", beside), 0);
	metrics_count(METRIC_TEMPFAIL, METRIC_TEMPFAIL_DNS, METRIC_NONE);
	assert_int_equal(metrics_file_write(path, &err), ST_OK);
	assert_non_null(strstr(file_text(path), "signpost_tempfail_total{reason=\"dns\"} 2\n"));
	assert_int_not_equal(access(elsewhere, F_OK), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_string_equal(err.text, "");
	unlink(path);
	/* A folder in its place cannot be renamed over. */
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(metrics_file_write(path, &err), ST_FAILED);
	assert_non_null(strstr(err.text, path));
	assert_int_not_equal(access(beside, F_OK), 0);
	rmdir(path);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(metrics_file_write(path, &err), ST_FAILED);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, "No such file or directory"));
	umask(mask);
}

static void
test_the_clock_agrees_with_itself(void **state)
{
	int64_t ms = clock_mono_ms(), us = clock_mono_us(), after_ms = clock_mono_ms();

	(void)state;
	assert_true(us / 1000 >= ms && us / 1000 <= after_ms);
}

static void
test_the_manual_page_has_every_metric(void **state)
{
	char path[4096], line[128];
	struct buf page;
	FILE *f;
	int c;

	(void)state;
	snprintf(path, sizeof(path), "%s/man/signpostd.8", getenv("SRCDIR"));
	f = fopen(path, "r");
	assert_non_null(f);
	buf_init(&page, 1U << 20);
	while ((c = getc(f)) != EOF)
		buf_add_char(&page, (char)c);
	fclose(f);
	for (int m = 0; m < METRIC_COUNT; m++) {
		snprintf(line, sizeof(line), ".It Li %s\n", metrics_name((enum metric)m));
		if (strstr(buf_text(&page), line) == NULL)
			fail_msg("signpostd(8) lacks: %s", line);
	}
	buf_free(&page);
}

int
main(void)
{
#define OPENED(test) cmocka_unit_test_setup_teardown(test, open_metrics, close_metrics)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing_happens_when_closed),
	    OPENED(test_counters),
	    OPENED(test_out_of_range),
	    OPENED(test_histogram),
	    OPENED(test_histogram_with_a_label),
	    OPENED(test_several_processes),
	    OPENED(test_places_of_processes),
	    OPENED(test_gauge_with_label),
	    OPENED(test_stores),
	    OPENED(test_open_again_keeps_counts),
	    OPENED(test_text_is_well_formed),
	    cmocka_unit_test(test_label_escape),
	    OPENED(test_file),
	    cmocka_unit_test(test_the_clock_agrees_with_itself),
	    cmocka_unit_test(test_the_manual_page_has_every_metric),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
