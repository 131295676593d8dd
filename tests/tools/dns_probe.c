/*
 * Asks names through resolver_unbound (or resolver_fake) and prints each answer as one line of
 * JSON; tests/integration/test_dns.py reads them. Options say what the resolver and the process are
 * like.
 *
 * dns_probe [-n NAMESERVERS] [-r CONF] [-a ANCHORS] [-f FAKEFILE] [-c CACHE_BYTES] [-T] [-s] [-t
 * MS]
 *     [-p PARALLEL] [-k COUNT] [-i MS] [-w MS] NAME...
 *  -T TCP only   -s enter the sandbox after opening   -t time limit of each question
 *  -p this many open at once (default 1)   -k ask each name COUNT times; "%d" in it is the number
 *  -i pause MS after each answer
 *  -w afterwards run the loop until there are as few descriptors as at the beginning, MS at most,
 *     and print descriptors and memory again
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "daemon/process.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/dns/dns.h"

#define TEXT_SHOWN_MAX 60
#define FAKE_BYTES_MAX (1 << 20)
#define LOOK_MS 200

struct probe {
	struct loop loop;
	struct loop_timer pause;
	int64_t pause_ms;
	struct resolver *resolver;
	char **names;
	size_t name_count, each, asked, answered, open, parallel;
	int64_t timeout_ms, opened_ms;
	bool sandbox, quiet;
	int64_t idle_ms;
	int status;
};

struct question {
	struct probe *probe;
	struct dns_query *query;
	struct timespec begun;
	char name[256];
};

static int64_t
elapsed_us(struct timespec since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since.tv_sec) * 1000000 + (now.tv_nsec - since.tv_nsec) / 1000;
}

static void
print_string(const char *key, struct span s)
{
	printf(",\"%s\":\"", key);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ' || c > 0x7e)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void
print_answer(const struct question *question, const struct dns_answer *answer)
{
	static const char *const securities[] = {"unknown", "insecure", "secure", "bogus"};

	printf("{\"name\":\"%s\",\"status\":\"%s\",\"security\":\"%s\",\"exists\":%s,\"ttl\":%u",
	    question->name, status_name(answer->status), securities[answer->security],
	    answer->name_exists ? "true" : "false", answer->ttl_s);
	print_string("why", span_str(answer->why));
	print_string("alias", answer->alias);
	printf(",\"us\":%lld,\"texts\":[", (long long)elapsed_us(question->begun));
	for (size_t i = 0; i < answer->count; i++) {
		const struct dns_text *text = &answer->texts[i];

		printf("%s{\"bytes\":%zu,\"strings\":%zu,\"longest\":%zu", i == 0 ? "" : ",",
		    text->joined.n, text->strings, text->string_bytes_max);
		print_string("text", span_sub(text->joined, 0, TEXT_SHOWN_MAX));
		putchar('}');
	}
	printf("]}\n");
	fflush(stdout);
}

static void ask_more(struct probe *probe);

static void
on_answer(void *owner, const struct dns_answer *answer)
{
	struct question *question = owner;
	struct probe *probe = question->probe;

	if (!probe->quiet)
		print_answer(question, answer);
	if (question->query != NULL)
		abort();
	mem_free(question);
	probe->answered++;
	probe->open--;
	if (probe->pause_ms > 0)
		loop_timer_set(&probe->loop, &probe->pause, probe->pause_ms);
	else
		ask_more(probe);
}

static void
ask_more(struct probe *probe)
{
	while (probe->pause.place == 0 && probe->open < probe->parallel &&
	       probe->asked < probe->name_count * probe->each) {
		struct question *question = mem_zalloc(1, sizeof(*question));
		const char *name = probe->names[probe->asked % probe->name_count];
		const char *digit = strstr(name, "%d");

		question->probe = probe;
		if (digit != NULL)
			snprintf(question->name, sizeof(question->name), "%.*s%zu%s",
			    (int)(digit - name), name, probe->asked, digit + 2);
		else
			snprintf(question->name, sizeof(question->name), "%s", name);
		clock_gettime(CLOCK_MONOTONIC, &question->begun);
		probe->asked++;
		probe->open++;
		resolver_txt(probe->resolver, span_str(question->name), probe->timeout_ms,
		    on_answer, question, &question->query);
	}
}

static void
on_pause_over(struct loop_timer *timer)
{
	ask_more(timer->owner);
}

/* ---- what the process costs ---- */

static size_t
count_fds(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 4096; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* status: /proc/self/status, opened before the sandbox. */
static long
rss_kib(int status)
{
	char text[4096];
	ssize_t n = pread(status, text, sizeof(text) - 1, 0);
	const char *at;

	text[n < 0 ? 0 : n] = '\0';
	at = strstr(text, "VmRSS:");
	return at == NULL ? 0 : strtol(at + strlen("VmRSS:"), NULL, 10);
}

static void
print_cost(const struct probe *probe, const char *when, int64_t begun_ms)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	printf("{\"cost\":\"%s\",\"fds\":%zu,\"rss_kib\":%ld,\"cpu_us\":%lld,\"wall_ms\":%lld,"
	       "\"open\":%zu,\"answered\":%zu}\n",
	    when, count_fds(), rss_kib(probe->status),
	    (long long)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
		usage.ru_utime.tv_usec + usage.ru_stime.tv_usec,
	    (long long)(clock_mono_ms() - begun_ms),
	    probe->resolver == NULL ? 0 : resolver_open_count(probe->resolver), probe->answered);
	fflush(stdout);
}

static void
on_look(struct loop_timer *timer)
{
	(void)timer; /* the loop has made a step */
}

/* Until those of the questions are closed. */
static void
run_idle(struct probe *probe, size_t fds_before)
{
	struct loop_timer look = {.fire = on_look};
	int64_t end_ms = clock_mono_ms() + probe->idle_ms;

	while (count_fds() > fds_before && clock_mono_ms() < end_ms) {
		loop_timer_set(&probe->loop, &look, LOOK_MS);
		loop_step(&probe->loop);
	}
	loop_timer_clear(&probe->loop, &look);
}

static char *
read_file(const char *path, size_t *n_out)
{
	char *text = mem_alloc(FAKE_BYTES_MAX);
	FILE *f = fopen(path, "rb");

	if (f == NULL)
		exit(2);
	*n_out = fread(text, 1, FAKE_BYTES_MAX, f);
	fclose(f);
	return text;
}

static enum status
open_resolver(
    struct probe *probe, const struct resolver_config *config, const char *fake, struct err *err)
{
	enum status status;
	size_t n;
	char *text;

	if (fake == NULL)
		return resolver_unbound(&probe->loop, config, &probe->resolver, err);
	text = read_file(fake, &n);
	status = resolver_fake(&probe->loop, span_of(text, n), &probe->resolver, err);
	mem_free(text);
	return status;
}

static const char *
parse(int argc, char **argv, struct probe *probe, struct resolver_config *config)
{
	const char *fake = NULL;
	int option;

	while ((option = getopt(argc, argv, "n:r:a:f:c:Tst:p:k:i:w:q")) != -1)
		switch (option) {
		case 'n':
			config->nameservers = optarg;
			break;
		case 'r':
			config->configuration = optarg;
			break;
		case 'a':
			config->trust_anchors = optarg;
			break;
		case 'f':
			fake = optarg;
			break;
		case 'c':
			config->cache_bytes = strtoul(optarg, NULL, 10);
			break;
		case 'T':
			config->tcp_only = true;
			break;
		case 's':
			probe->sandbox = true;
			break;
		case 't':
			probe->timeout_ms = strtol(optarg, NULL, 10);
			break;
		case 'p':
			probe->parallel = strtoul(optarg, NULL, 10);
			break;
		case 'k':
			probe->each = strtoul(optarg, NULL, 10);
			break;
		case 'i':
			probe->pause_ms = strtol(optarg, NULL, 10);
			break;
		case 'w':
			probe->idle_ms = strtol(optarg, NULL, 10);
			break;
		case 'q':
			probe->quiet = true;
			break;
		default:
			exit(2);
		}
	probe->names = argv + optind;
	probe->name_count = (size_t)(argc - optind);
	return fake;
}

int
main(int argc, char **argv)
{
	struct probe probe = {.parallel = 1, .each = 1, .timeout_ms = 5000};
	struct resolver_config config = {.nameservers = NULL};
	struct err err = ERR_NONE;
	const char *fake = parse(argc, argv, &probe, &config);
	int64_t begun_ms = clock_mono_ms();
	size_t fds_before;

	probe.pause = (struct loop_timer){.fire = on_pause_over, .owner = &probe};
	probe.status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	if (loop_open(&probe.loop, &err) != ST_OK)
		return 2;
	print_cost(&probe, "before", begun_ms);
	if (open_resolver(&probe, &config, fake, &err) != ST_OK) {
		fprintf(stderr, "%s\n", err.text);
		loop_close(&probe.loop);
		return 1;
	}
	if (probe.sandbox && sandbox_enter(&err) != ST_OK)
		return 3;
	print_cost(&probe, "opened", begun_ms);
	fds_before = count_fds();
	begun_ms = clock_mono_ms();
	ask_more(&probe);
	while (probe.answered < probe.name_count * probe.each)
		loop_step(&probe.loop);
	print_cost(&probe, "answered", begun_ms);
	if (probe.idle_ms > 0) {
		run_idle(&probe, fds_before);
		print_cost(&probe, "idle", begun_ms);
	}
	resolver_free(probe.resolver);
	loop_close(&probe.loop);
	return 0;
}
