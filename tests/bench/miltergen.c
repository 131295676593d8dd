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
#include "tests/bench/report.h"

#define DOMAINS_MAX 1000000U
#define FIRST_MAX 1000000000U
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
    "  -z, --zipf            the Nth most frequent sends 1/N as often as the first; --first N "
    "then\n"
    "                        begins with the Nth message of an endless row\n"
    "  -g, --given FILE      send these messages as a client outside; -b -d -a mean nothing then\n"
    "                        (each is a line with its octets in decimal, then the message)\n"
    "  -p, --pid PID         measure the CPU time and memory of this process and its children\n"
    "  -r, --replies         offer none of the no-reply flags\n"
    "  -R, --reconnect N     a message whose connection is refused, reset or silent, or that is\n"
    "                        tempfailed, is tried again up to N times, as a queue would (0)\n"
    "  -P, --pace N          begin N messages a second, whether those before them are answered\n"
    "                        or not; latency is then from when they should have begun\n"
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
	bool unequal;      /* senders */
	struct zipf *zipf; /* owned */
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

/* Options about what is sent. */
static void
parse_mail(struct options *options, int c, const char *value)
{
	struct client_plan *plan = &options->plan;

	switch (c) {
	case 'b':
		plan->body_bytes = (size_t)number(value, 0, SCRIPT_BODY_MAX);
		break;
	case 'd':
		plan->domains = (unsigned int)number(value, 1, DOMAINS_MAX);
		break;
	case 'a':
		plan->active = (unsigned int)number(value, 1, DOMAINS_MAX);
		break;
	case 'f':
		plan->first = number(value, 0, FIRST_MAX);
		break;
	case 'z':
		options->unequal = true;
		break;
	case 'g':
		load_given(options, value);
		break;
	default:
		die(usage, NULL);
	}
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
	case 'p':
		options->pid = (pid_t)number(value, 1, 1U << 22);
		break;
	case 'r':
		plan->refuse_no_reply = true;
		break;
	case 'R':
		plan->tries_more = (unsigned int)number(value, 1, 100000);
		break;
	case 'P':
		plan->per_s = (unsigned int)number(value, 1, 1000000);
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
		parse_mail(options, c, value);
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
	    {"first", required_argument, NULL, 'f'}, {"zipf", no_argument, NULL, 'z'},
	    {"given", required_argument, NULL, 'g'}, {"pid", required_argument, NULL, 'p'},
	    {"replies", no_argument, NULL, 'r'}, {"reconnect", required_argument, NULL, 'R'},
	    {"pace", required_argument, NULL, 'P'}, {"timeout", required_argument, NULL, 't'},
	    {"save", required_argument, NULL, 's'}, {"save-every", required_argument, NULL, 'e'},
	    {"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	struct client_plan *plan = &options->plan;
	int c;

	while (
	    (c = getopt_long(argc, argv, "S:c:m:n:w:b:d:a:f:zg:p:rR:P:t:s:e:j", longs, NULL)) != -1)
		parse_option(options, c, optarg);
	if (plan->address_bytes == 0 || optind != argc || plan->body_bytes == 1)
		die(usage, NULL);
	if (plan->active == 0 || plan->active > plan->domains)
		plan->active = plan->domains;
	if (options->unequal)
		plan->zipf = options->zipf = zipf_new(plan->active);
}

static int
compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
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
		report_print_json(&report);
	else
		report_print_text(&report);
	client_result_free(&result);
	zipf_free(options.zipf);
	return whole && result.errors + result.lost == 0 ? 0 : 1;
}
