/*
 * miltergen.c - a load generator that plays the MTA against a milter: the program.
 * bench.py and people call it. It reads the options, warms the server up, runs, and reports
 * messages a second, latency, CPU time and memory of the server's processes, and what became of
 * every message. It must never report a rate without saying how many messages were signed or
 * verified.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/address.h"
#include "tests/bench/client.h"
#include "tests/bench/procs.h"

#define SETTLE_MS 50 /* for the server to end closed connections before its clock is read */

static const char usage[] =
    "usage: miltergen --socket inet:PORT@ADDRESS|unix:PATH [options]\n"
    "  -c, --connections N   at the same time (1)\n"
    "  -m, --messages N      per connection (1)\n"
    "  -n, --total N         messages in all (1000)\n"
    "  -w, --warmup N        messages before, not counted (0)\n"
    "  -b, --body OCTETS     size of the body, 0 or 2 to 16777216 (4096)\n"
    "  -d, --domains N       senders are alice@dNNNNNN.example, NNNNNN below N (1)\n"
    "  -a, --active N        only so many of them send, evenly spread (all)\n"
    "  -f, --first N         begin with the Nth sender that sends (0)\n"
    "  -g, --given FILE      send these messages as a client outside; -b -d -a mean nothing then\n"
    "                        (each is a line with its octets in decimal, then the message)\n"
    "  -p, --pid PID         measure the CPU time and memory of this process and its children\n"
    "  -r, --replies         offer none of the no-reply flags\n"
    "  -R, --reconnect N     a message whose connection is refused, reset or silent, or that is\n"
    "                        tempfailed, is tried again up to N times, as a queue would (0)\n"
    "  -t, --timeout MS      after which a message is lost (30000)\n"
    "  -s, --save FOLDER     write signed messages there\n"
    "  -e, --save-every N    only every Nth (1)\n"
    "  -j, --json            one line of JSON\n";

struct options {
	struct client_plan plan;
	struct given given;
	uint64_t total;
	uint64_t warmup;
	pid_t pid;
	bool json;
};

static void
die(const char *why, const char *what)
{
	fprintf(
	    stderr, "miltergen: %s%s%s\n", what == NULL ? "" : what, what == NULL ? "" : ": ", why);
	exit(64);
}

static uint64_t
number(const char *text, uint64_t min, uint64_t max)
{
	uint64_t value;

	if (!span_number(span_str(text), max, &value) || value < min)
		die("not a number in range", text);
	return value;
}

static void
parse_socket(struct client_plan *plan, const char *text)
{
	const char *why;

	if (!address_of_socket(text, &plan->address, &plan->address_bytes, &why))
		die(why, text);
}

static void
load_given(struct options *options, const char *path)
{
	struct err err = ERR_NONE;

	if (given_load(&options->given, path, &err) != ST_OK)
		die("cannot be used", err.text);
	options->plan.given = &options->given;
}

static void
parse_option(struct options *options, int c, const char *value)
{
	struct client_plan *plan = &options->plan;

	switch (c) {
	case 'S':
		parse_socket(plan, value);
		break;
	case 'c':
		plan->connections = (unsigned int)number(value, 1, 1024);
		break;
	case 'm':
		plan->per_connection = (unsigned int)number(value, 1, 1000000);
		break;
	case 'n':
		options->total = number(value, 1, 10000000);
		break;
	case 'w':
		options->warmup = number(value, 0, 10000000);
		break;
	case 'b':
		plan->body_bytes = (size_t)number(value, 0, SCRIPT_BODY_MAX);
		break;
	case 'd':
		plan->domains = (unsigned int)number(value, 1, 999999);
		break;
	case 'a':
		plan->active = (unsigned int)number(value, 1, 999999);
		break;
	case 'f':
		plan->first = number(value, 0, 999999);
		break;
	case 'g':
		load_given(options, value);
		break;
	case 'p':
		options->pid = (pid_t)number(value, 1, 1U << 22);
		break;
	case 'r':
		plan->refuse_no_reply = true;
		break;
	case 'R':
		plan->tries_more = (unsigned int)number(value, 1, 100000);
		break;
	case 't':
		plan->timeout_ms = (unsigned int)number(value, 1, 3600000);
		break;
	case 's':
		plan->save_folder = value;
		break;
	case 'e':
		plan->save_every = (unsigned int)number(value, 1, 10000000);
		break;
	case 'j':
		options->json = true;
		break;
	default:
		die(usage, NULL);
	}
}

static void
parse_options(struct options *options, int argc, char **argv)
{
	static const struct option longs[] = {{"socket", required_argument, NULL, 'S'},
	    {"connections", required_argument, NULL, 'c'},
	    {"messages", required_argument, NULL, 'm'}, {"total", required_argument, NULL, 'n'},
	    {"warmup", required_argument, NULL, 'w'}, {"body", required_argument, NULL, 'b'},
	    {"domains", required_argument, NULL, 'd'}, {"active", required_argument, NULL, 'a'},
	    {"first", required_argument, NULL, 'f'}, {"given", required_argument, NULL, 'g'},
	    {"pid", required_argument, NULL, 'p'}, {"replies", no_argument, NULL, 'r'},
	    {"reconnect", required_argument, NULL, 'R'}, {"timeout", required_argument, NULL, 't'},
	    {"save", required_argument, NULL, 's'}, {"save-every", required_argument, NULL, 'e'},
	    {"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	struct client_plan *plan = &options->plan;
	int c;

	while ((c = getopt_long(argc, argv, "S:c:m:n:w:b:d:a:f:g:p:rR:t:s:e:j", longs, NULL)) != -1)
		parse_option(options, c, optarg);
	if (plan->address_bytes == 0 || optind != argc || plan->body_bytes == 1)
		die(usage, NULL);
	if (plan->active == 0 || plan->active > plan->domains)
		plan->active = plan->domains;
}

static int
compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* values are sorted; share 0 to 1. */
static uint32_t
percentile(const uint32_t *values, size_t n, double share)
{
	size_t at = (size_t)(share * (double)n);

	return n == 0 ? 0 : values[at < n ? at : n - 1];
}

struct report {
	const struct client_result *result;
	struct procs_usage before;
	struct procs_usage after;
	bool measured;
	double rate;
	double cpu_us; /* per message */
};

static void
print_json(const struct report *report)
{
	const struct client_result *r = report->result;

	printf("{\"done\": %llu, \"signed\": %llu, \"signatures\": %llu, \"verified\": %llu, "
	       "\"unsigned\": %llu, "
	       "\"tempfail\": %llu, \"reject\": %llu, \"errors\": %llu, \"lost\": %llu, "
	       "\"retried\": %llu, \"gap_us\": %llu, "
	       "\"connections\": %llu, \"wall_s\": %.6f, \"messages_per_s\": %.1f, ",
	    (unsigned long long)r->done, (unsigned long long)r->signed_messages,
	    (unsigned long long)r->signatures, (unsigned long long)r->verified,
	    (unsigned long long)r->unsigned_messages, (unsigned long long)r->tempfailed,
	    (unsigned long long)r->rejected, (unsigned long long)r->errors,
	    (unsigned long long)r->lost, (unsigned long long)r->retried,
	    (unsigned long long)r->gap_us, (unsigned long long)r->connections,
	    (double)r->wall_ns / 1e9, report->rate);
	printf("\"latency_us\": {\"p50\": %u, \"p90\": %u, \"p99\": %u, \"max\": %u}, "
	       "\"setup_us\": {\"p50\": %u, \"p99\": %u, \"max\": %u}, "
	       "\"version\": %u, \"actions\": %u, \"protocol\": %u",
	    percentile(r->latency_us, r->latencies, 0.5),
	    percentile(r->latency_us, r->latencies, 0.9),
	    percentile(r->latency_us, r->latencies, 0.99),
	    percentile(r->latency_us, r->latencies, 1.0), percentile(r->setup_us, r->setups, 0.5),
	    percentile(r->setup_us, r->setups, 0.99), percentile(r->setup_us, r->setups, 1.0),
	    r->version, r->actions, r->protocol);
	if (report->measured)
		printf(", \"cpu_us\": %.2f, \"processes\": %u, \"rss_before\": %llu, "
		       "\"rss_after\": %llu, \"pss_before\": %llu, \"pss_after\": %llu",
		    report->cpu_us, report->after.processes,
		    (unsigned long long)report->before.rss_bytes,
		    (unsigned long long)report->after.rss_bytes,
		    (unsigned long long)report->before.pss_bytes,
		    (unsigned long long)report->after.pss_bytes);
	printf("}\n");
}

static void
print_text(const struct report *report)
{
	const struct client_result *r = report->result;

	printf("messages   %llu done: %llu signed (%llu signatures), %llu verified, %llu unsigned, "
	       "%llu tempfailed, "
	       "%llu rejected, %llu errors, %llu lost\n",
	    (unsigned long long)r->done, (unsigned long long)r->signed_messages,
	    (unsigned long long)r->signatures, (unsigned long long)r->verified,
	    (unsigned long long)r->unsigned_messages, (unsigned long long)r->tempfailed,
	    (unsigned long long)r->rejected, (unsigned long long)r->errors,
	    (unsigned long long)r->lost);
	printf("tried again %llu times; longest time without a signed message %.1f ms\n",
	    (unsigned long long)r->retried, (double)r->gap_us / 1e3);
	printf("rate       %.1f messages/s in %.3f s over %llu connections\n", report->rate,
	    (double)r->wall_ns / 1e9, (unsigned long long)r->connections);
	printf("latency    p50 %u  p90 %u  p99 %u  max %u us\n",
	    percentile(r->latency_us, r->latencies, 0.5),
	    percentile(r->latency_us, r->latencies, 0.9),
	    percentile(r->latency_us, r->latencies, 0.99),
	    percentile(r->latency_us, r->latencies, 1.0));
	printf("setup      p50 %u  p99 %u  max %u us (connect and option negotiation)\n",
	    percentile(r->setup_us, r->setups, 0.5), percentile(r->setup_us, r->setups, 0.99),
	    percentile(r->setup_us, r->setups, 1.0));
	printf("agreed     version %u, actions 0x%x, protocol 0x%x\n", r->version, r->actions,
	    r->protocol);
	if (report->measured)
		printf("server     %.1f us CPU a message, %u processes, RSS %.1f -> %.1f MB, PSS "
		       "%.1f -> %.1f MB\n",
		    report->cpu_us, report->after.processes, (double)report->before.rss_bytes / 1e6,
		    (double)report->after.rss_bytes / 1e6, (double)report->before.pss_bytes / 1e6,
		    (double)report->after.pss_bytes / 1e6);
}

static void
settle(void)
{
	struct timespec pause = {.tv_nsec = SETTLE_MS * 1000000L};

	nanosleep(&pause, NULL);
}

/* What was done before a failure is still reported. */
static bool
run(const struct options *options, uint64_t messages, struct client_result *result)
{
	struct err err = ERR_NONE;
	enum status status = client_run(&options->plan, messages, result, &err);

	if (status != ST_OK)
		fprintf(stderr, "miltergen: %s\n", err.text);
	settle();
	return status == ST_OK;
}

int
main(int argc, char **argv)
{
	struct options options = {.total = 1000,
	    .plan = {.connections = 1,
		.per_connection = 1,
		.domains = 1,
		.body_bytes = 4096,
		.timeout_ms = 30000,
		.save_every = 1}};
	struct client_result result;
	struct report report = {.result = &result};
	bool whole;

	parse_options(&options, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	if (options.warmup > 0) {
		if (!run(&options, options.warmup, &result))
			return 1;
		client_result_free(&result);
	}
	report.measured = options.pid > 0 && procs_sample(options.pid, &report.before);
	whole = run(&options, options.total, &result);
	if (options.pid > 0 && (!report.measured || !procs_sample(options.pid, &report.after))) {
		fprintf(stderr, "miltergen: process %d is not there\n", (int)options.pid);
		return 1;
	}
	qsort(result.latency_us, result.latencies, sizeof(uint32_t), compare_u32);
	qsort(result.setup_us, result.setups, sizeof(uint32_t), compare_u32);
	report.rate = (double)result.done * 1e9 / (double)result.wall_ns;
	report.cpu_us = result.done == 0 ? 0
					 : (double)(report.after.cpu_ns - report.before.cpu_ns) /
					       1e3 / (double)result.done;
	if (options.json)
		print_json(&report);
	else
		print_text(&report);
	client_result_free(&result);
	return whole && result.errors + result.lost == 0 ? 0 : 1;
}
