/*
 * test_bench.c - the load generator's script against our own decoder: a measurement is worth
 * nothing when the messages are not what they are said to be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/milter/milter.h"
#include "lib/base/mem.h"
#include "tests/bench/address.h"
#include "tests/bench/given.h"
#include "tests/bench/procs.h"
#include "tests/bench/queue.h"
#include "tests/bench/script.h"

struct seen {
	unsigned int counts[MILTER_UNKNOWN + 1];
	struct buf message; /* as a filter would put it together, with CRLF */
};

static void
add_with_crlf(struct buf *buf, struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n')
			buf_add_char(buf, '\r');
		buf_add_char(buf, s.p[i]);
	}
}

static void
see(struct seen *seen, const struct milter_event *event)
{
	seen->counts[event->type]++;
	if (event->type == MILTER_HEADER) {
		buf_add(&seen->message, event->u.header.name);
		buf_add_char(&seen->message, ':');
		add_with_crlf(&seen->message, event->u.header.value);
		buf_add_str(&seen->message, "\r\n");
	} else if (event->type == MILTER_EOH) {
		buf_add_str(&seen->message, "\r\n");
	} else if (event->type == MILTER_BODY) {
		buf_add(&seen->message, event->u.body.data);
	}
}

static void
decode(const struct script *script, unsigned int domain, struct seen *seen)
{
	struct milter_decoder dec;
	struct milter_event event;
	struct err err = ERR_NONE;
	struct span input = buf_span(&script->octets);
	enum status status;
	char *copy = mem_alloc(input.n);

	memset(seen, 0, sizeof(*seen));
	buf_init(&seen->message, 64U << 20);
	memcpy(copy, input.p, input.n);
	script_set_domain(script, copy, domain);
	input.p = copy;
	milter_decoder_init(&dec, 65536);
	while ((status = milter_decoder_next(&dec, &input, &event, &err)) == ST_OK)
		see(seen, &event);
	assert_int_equal(status, ST_ABSENT);
	assert_int_equal(milter_decoder_held(&dec), 0);
	milter_decoder_free(&dec);
	mem_free(copy);
}

static void
expect_message(const struct seen *seen, unsigned int domain, size_t body_bytes)
{
	struct buf file;

	buf_init(&file, 64U << 20);
	script_add_message(&file, SPAN_EMPTY, SPAN_EMPTY, domain, body_bytes);
	assert_int_equal(file.n, seen->message.n);
	assert_memory_equal(file.p, seen->message.p, file.n);
	assert_memory_equal(file.p + file.n - 2, "\r\n", 2);
	buf_free(&file);
}

static void
test_the_filter_sees_the_message(void **state)
{
	static const size_t sizes[] = {0, 2, 3, 79, 80, 81, 82, 4096, 65535, 65536, 1U << 20};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t chunks = (sizes[i] + MILTER_CHUNK_BYTES - 1) / MILTER_CHUNK_BYTES;
		struct script script;
		struct seen seen;

		script_build(&script, SMFIP_HDR_LEADSPC, sizes[i]);
		decode(&script, 123456, &seen);
		expect_message(&seen, 123456, sizes[i]);
		assert_non_null(
		    memmem(seen.message.p, seen.message.n, "<alice@d123456.example>", 23));
		assert_int_equal(seen.counts[MILTER_HEADER], 12);
		assert_int_equal(seen.counts[MILTER_BODY], chunks);
		assert_int_equal(seen.counts[MILTER_EOM], 1);
		assert_int_equal(seen.counts[MILTER_MACRO], 5 + 12 + 1 + chunks + 1);
		assert_int_equal(script.stop_count, 5 + 12 + 1 + chunks + 1);
		buf_free(&seen.message);
		script_free(&script);
	}
}

static void
test_agreed_flags_leave_steps_and_answers_out(void **state)
{
	struct script script;
	struct seen seen;

	(void)state;
	script_build(&script,
	    SMFIP_NR_ALL | SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOUNKNOWN | SMFIP_HDR_LEADSPC, 4096);
	decode(&script, 0, &seen);
	expect_message(&seen, 0, 4096);
	assert_int_equal(seen.counts[MILTER_HELO], 0);
	assert_int_equal(seen.counts[MILTER_DATA], 0);
	assert_int_equal(script.stop_count, 1);
	assert_int_equal(script.stops[0].command, SMFIC_BODYEOB);
	assert_int_equal(script.stops[0].at, script.octets.n);
	buf_free(&seen.message);
	script_free(&script);
}

/* A given message goes through as it is; an MTA that keeps no blank in front loses one of them. */
static void
test_a_given_message_is_sent_as_it_is(void **state)
{
	static const char *const messages[] = {
	    "From: a@b.example\r\nSubject:  two\r\n folded\r\n\tmore\r\nX:\r\n\r\nbody\r\n.\r\n",
	    "From: a@b.example\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		struct span message = span_str(messages[i]);
		struct script script;
		struct seen seen;

		script_build_given(&script, SMFIP_HDR_LEADSPC, message);
		decode(&script, 0, &seen);
		assert_true(span_eq(buf_span(&seen.message), message));
		assert_int_equal(seen.counts[MILTER_EOM], 1);
		buf_free(&seen.message);
		script_free(&script);
	}
}

static void
test_given_messages_are_read_from_a_file(void **state)
{
	static const char text[] = "3\nabc0\n12\n5\nlast\n";
	char path[] = "/tmp/signpost-test-XXXXXX";
	struct err err = ERR_NONE;
	struct given given;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	assert_int_equal(given_load(&given, path, &err), ST_INVALID); /* 12 octets are not there */
	given_free(&given);
	assert_int_equal(ftruncate(fd, 7), 0);
	assert_int_equal(given_load(&given, path, &err), ST_OK);
	assert_int_equal(given.count, 2);
	assert_true(span_eq_str(given_message(&given, 4), "abc"));
	assert_int_equal(given_message(&given, 1).n, 0);
	given_free(&given);
	close(fd);
	unlink(path);
	assert_int_equal(given_load(&given, path, &err), ST_FAILED);
	given_free(&given);
}

/* Our own process: what it burns shows, within what the clock could do. */
static void
test_cpu_time_of_a_process(void **state)
{
	struct procs_usage before;
	struct procs_usage after;
	clock_t end;

	(void)state;
	assert_true(procs_sample(getpid(), &before));
	end = clock() + CLOCKS_PER_SEC / 50;
	while (clock() < end)
		continue;
	assert_true(procs_sample(getpid(), &after));
	assert_true(after.cpu_ns - before.cpu_ns >= 19000000);
	assert_true(after.rss_bytes > 500000);
	assert_int_equal(after.processes, 1);
	assert_false(procs_sample(0, &after));
}

static struct queue_item
take(struct queue *queue, uint64_t now_ns)
{
	struct queue_item item = {.number = UINT64_MAX};

	assert_true(queue_take(queue, now_ns, &item));
	return item;
}

static void
test_failed_messages_come_again(void **state)
{
	uint64_t later = QUEUE_PAUSE_NS + 5;
	struct queue queue;
	struct queue_item item;

	(void)state;
	queue_init(&queue, 3, 2);
	assert_int_equal(queue_ready(&queue, 5, 2), 2);
	assert_int_equal(queue_ready(&queue, 5, 9), 3);
	assert_int_equal(take(&queue, 5).number, 0);
	item = take(&queue, 5);
	assert_true(queue_again(&queue, item, 5));
	assert_int_equal(queue_ready(&queue, 5, 9), 1);     /* number 2 */
	assert_int_equal(queue_ready(&queue, later, 9), 2); /* and number 1 */
	item = take(&queue, later);
	assert_int_equal(item.number, 1); /* before the fresh one */
	assert_int_equal(item.failures, 1);
	assert_int_equal(take(&queue, later).number, 2);
	assert_false(queue_pending(&queue));
	assert_true(queue_again(&queue, item, later));
	assert_true(queue_pending(&queue));
	assert_int_equal(queue_ready(&queue, later, 9), 0);
	assert_false(queue_take(&queue, later, &item));
	item = take(&queue, later + QUEUE_PAUSE_NS);
	assert_int_equal(item.failures, 2);
	assert_false(queue_again(&queue, item, later)); /* lost */
	assert_false(queue_pending(&queue));
	queue_free(&queue);
}

/* All fail at once, again and again: the ring holds them all, in order. */
static void
test_all_messages_fail(void **state)
{
	struct queue queue;

	(void)state;
	queue_init(&queue, 100, 5);
	for (uint64_t now = 0; now <= 5U * QUEUE_PAUSE_NS; now += QUEUE_PAUSE_NS) {
		struct queue_item items[100];

		for (uint64_t i = 0; i < 100; i++) {
			items[i] = take(&queue, now);
			assert_int_equal(items[i].number, i);
		}
		for (size_t i = 0; i < 100; i++)
			assert_int_equal(
			    queue_again(&queue, items[i], now), now < 5U * QUEUE_PAUSE_NS);
	}
	assert_false(queue_pending(&queue));
	queue_free(&queue);
	queue_init(&queue, 1, 0);
	assert_false(queue_again(&queue, take(&queue, 0), 0)); /* nothing is tried again */
	queue_free(&queue);
}

/* Two a second: none is begun too early, and what was late says since when it was due. */
static void
test_messages_with_a_pace(void **state)
{
	uint64_t begin = 7, half = 500000000;
	struct queue queue;
	struct queue_item item;

	(void)state;
	queue_init(&queue, 3, 0);
	queue_pace(&queue, 2, begin);
	assert_int_equal(queue_ready(&queue, begin, 9), 1);
	assert_int_equal(take(&queue, begin).due_ns, begin);
	assert_int_equal(queue_ready(&queue, begin + half - 1, 9), 0);
	assert_false(queue_take(&queue, begin + half - 1, &item));
	assert_true(queue_pending(&queue));
	assert_int_equal(queue_ready(&queue, begin + half, 9), 1);
	assert_int_equal(queue_ready(&queue, begin + 9 * half, 9), 2);
	item = take(&queue, begin + 9 * half);
	assert_int_equal(item.number, 1);
	assert_int_equal(item.due_ns, begin + half);
	assert_int_equal(take(&queue, begin + 9 * half).due_ns, begin + 2 * half);
	assert_false(queue_pending(&queue));
	queue_free(&queue);
}

static void
test_sockets(void **state)
{
	static const struct {
		const char *text;
		int family;
	} cases[] = {{"inet:8891@127.0.0.1", AF_INET}, {"unix:/run/x", AF_UNIX},
	    {"local:/run/x", AF_UNIX}, {"inet:8891", 0}, {"inet:0@127.0.0.1", 0},
	    {"inet:65536@127.0.0.1", 0}, {"inet:1@localhost", 0}, {"/run/x", 0}, {"", 0}};
	struct sockaddr_storage address;
	char too_long[256] = "unix:/";
	socklen_t bytes;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool good = address_of_socket(cases[i].text, &address, &bytes, &why);

		assert_int_equal(good, cases[i].family != 0);
		if (good)
			assert_int_equal(address.ss_family, cases[i].family);
	}
	memset(too_long + 6, 'x', sizeof(too_long) - 7);
	assert_false(address_of_socket(too_long, &address, &bytes, &why));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_filter_sees_the_message),
	    cmocka_unit_test(test_agreed_flags_leave_steps_and_answers_out),
	    cmocka_unit_test(test_a_given_message_is_sent_as_it_is),
	    cmocka_unit_test(test_given_messages_are_read_from_a_file),
	    cmocka_unit_test(test_failed_messages_come_again),
	    cmocka_unit_test(test_all_messages_fail),
	    cmocka_unit_test(test_messages_with_a_pace),
	    cmocka_unit_test(test_sockets),
	    cmocka_unit_test(test_cpu_time_of_a_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
