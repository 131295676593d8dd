/*
 * shared_driver.c - one cache that gateways share, driven by lines on standard input; the
 * integration tests use it with real and with lying servers.
 *   get NAME...               one line: microseconds, then for each name "ok LENGTH OCTETS" (hex,
 * at most 32 octets), "absent" or "unavailable" put NAME SECONDS TEXT     stores; "-" is a value
 * without octets fill NAME SECONDS LENGTH  stores LENGTH octets storm THREADS TIMES NAME  asks from
 * many threads at once: "ok absent unavailable slowest_us" Each answers with one line. It must
 * never judge: that is for the tests.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/store/shared.h"

#define LINE_OCTETS 65536
#define SHOWN_OCTETS 32U
#define THREADS_MAX 64U

struct storm {
	struct shared *shared;
	struct span name;
	uint64_t times;
	uint64_t counts[ST_FAILED + 1];
	int64_t slowest_us;
};

static void
show(const struct shared_value *value)
{
	printf(" %s", status_name(value->status));
	if (value->status != ST_OK)
		return;
	printf(" %zu ", value->n);
	for (size_t i = 0; i < value->n && i < SHOWN_OCTETS; i++)
		printf("%02x", (unsigned char)value->octets[i]);
	if (value->n == 0)
		printf("-");
}

static void
get(struct shared *shared, struct span rest)
{
	struct shared_value out[SHARED_MANY_MAX];
	struct span names[SHARED_MANY_MAX];
	size_t count = 0;
	int64_t began_us;

	while (count < SHARED_MANY_MAX && span_word(&rest, &names[count]))
		count++;
	began_us = clock_mono_us();
	shared->ops->get(shared, names, count, out);
	printf("%lld", (long long)(clock_mono_us() - began_us));
	for (size_t i = 0; i < count; i++) {
		show(&out[i]);
		mem_free(out[i].octets);
	}
	printf("\n");
}

static void *
ask_often(void *arg)
{
	struct storm *storm = arg;

	for (uint64_t i = 0; i < storm->times; i++) {
		struct shared_value value;
		int64_t began_us = clock_mono_us(), took_us;

		storm->shared->ops->get(storm->shared, &storm->name, 1, &value);
		took_us = clock_mono_us() - began_us;
		storm->counts[value.status]++;
		if (took_us > storm->slowest_us)
			storm->slowest_us = took_us;
		mem_free(value.octets);
	}
	return NULL;
}

static void
run_storm(struct shared *shared, struct span rest)
{
	struct storm storms[THREADS_MAX] = {{.shared = NULL}}, all = {.shared = NULL};
	struct span threads_text, times_text, name;
	pthread_t threads[THREADS_MAX];
	uint64_t count = 0, times = 0;

	span_word(&rest, &threads_text);
	span_word(&rest, &times_text);
	span_word(&rest, &name);
	if (!span_number(threads_text, THREADS_MAX, &count) ||
	    !span_number(times_text, 1000000, &times))
		return;
	for (size_t i = 0; i < count; i++) {
		storms[i] = (struct storm){.shared = shared, .name = name, .times = times};
		pthread_create(&threads[i], NULL, ask_often, &storms[i]);
	}
	for (size_t i = 0; i < count; i++) {
		pthread_join(threads[i], NULL);
		for (size_t s = 0; s <= ST_FAILED; s++)
			all.counts[s] += storms[i].counts[s];
		if (storms[i].slowest_us > all.slowest_us)
			all.slowest_us = storms[i].slowest_us;
	}
	printf("%llu %llu %llu %lld\n", (unsigned long long)all.counts[ST_OK],
	    (unsigned long long)all.counts[ST_ABSENT],
	    (unsigned long long)all.counts[ST_UNAVAILABLE], (long long)all.slowest_us);
}

static void
put(struct shared *shared, struct span rest, bool fill)
{
	struct span name, seconds_text;
	uint64_t seconds = 0, length = 0;
	char *octets;

	span_word(&rest, &name);
	span_word(&rest, &seconds_text);
	if (!span_number(seconds_text, UINT32_MAX, &seconds) ||
	    (fill && !span_number(span_trim(rest), 1U << 24, &length))) {
		printf("what?\n");
		return;
	}
	if (!fill) {
		rest = span_trim(rest);
		shared->ops->put(
		    shared, name, span_eq_str(rest, "-") ? SPAN_EMPTY : rest, (uint32_t)seconds);
	} else {
		octets = mem_alloc(length + 1);
		memset(octets, 'x', length);
		shared->ops->put(shared, name, span_of(octets, length), (uint32_t)seconds);
		mem_free(octets);
	}
	printf("put\n");
}

static void
run_line(struct shared *shared, struct span line)
{
	struct span verb;

	if (!span_word(&line, &verb))
		return;
	if (span_eq_str(verb, "get"))
		get(shared, line);
	else if (span_eq_str(verb, "storm"))
		run_storm(shared, line);
	else
		put(shared, line, span_eq_str(verb, "fill"));
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct err err = ERR_NONE;
	struct shared *shared;
	static char line[LINE_OCTETS];

	if (argc != 2 || memcached_open(argv[1], &shared, &err) != ST_OK) {
		printf("not open: %s\n", err.text);
		return 1;
	}
	printf("open\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL)
		run_line(shared, span_trim(span_str(line)));
	shared->ops->close(shared);
	printf("closed\n");
	return 0;
}
