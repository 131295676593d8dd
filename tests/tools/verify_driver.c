/*
 * verify_driver.c - lib/dkim/verify.h behind a pipe: messages and key records in, one line of JSON
 * a message out, so that thousands of cases are judged in seconds. Run by tests/interop and by
 * nobody else. It knows no DNS and no clock: both come with the message.
 *
 * A request is a line "NOW_UTC MESSAGE_OCTETS RECORDS_OCTETS [MINIMUM_KEY_BITS]", then the octets
 * of both. Records are lines "NAME blank RECORD"; a name twice is two records; "NAME !SERVFAIL" is
 * none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dkim/verify.h"

#define ARENA_BYTES (8U << 20)
#define OCTETS_MAX (64U << 20)
#define TEXTS_MAX 32U

struct request {
	int64_t now_utc;
	int minimum_key_bits;
	struct span message;
	struct span records;
};

static char *
read_octets(size_t n)
{
	char *octets = mem_alloc(n + 1);

	if (n > OCTETS_MAX || fread(octets, 1, n, stdin) != n) {
		fprintf(stderr, "verify_driver: the request ends early\n");
		exit(65);
	}
	octets[n] = '\0';
	return octets;
}

/* false: the end. */
static bool
read_request(struct request *request)
{
	char line[128];
	size_t message_n, records_n;

	if (fgets(line, sizeof(line), stdin) == NULL)
		return false;
	request->minimum_key_bits = 1024;
	if (sscanf(line, "%" SCNd64 " %zu %zu %d", &request->now_utc, &message_n, &records_n,
		&request->minimum_key_bits) < 3) {
		fprintf(stderr, "verify_driver: not a request: %s", line);
		exit(65);
	}
	request->message = span_of(read_octets(message_n), message_n);
	request->records = span_of(read_octets(records_n), records_n);
	return true;
}

static void
print_text(const char *name, struct span text)
{
	printf("\"%s\": \"", name);
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ' || c > '~')
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

/* The records of one name, as a resolver would give them. */
static void
answer_query(struct verify *verify, size_t index, struct span name, struct span records)
{
	struct span texts[TEXTS_MAX];
	struct verify_key answer = {.status = ST_ABSENT, .texts = texts};
	struct span line;

	while (records.n > 0) {
		struct span owner;

		span_cut(&records, '\n', &line);
		span_cut(&line, ' ', &owner);
		if (!span_ieq(owner, name) || answer.count == TEXTS_MAX)
			continue;
		texts[answer.count++] = line;
		answer.status = span_eq_str(line, "!SERVFAIL") ? ST_UNAVAILABLE : ST_OK;
	}
	if (answer.status != ST_OK)
		answer.count = 0;
	verify_key(verify, index, &answer);
}

static void
print_signature(const struct verify_signature *signature)
{
	printf("{\"result\": \"%s\", ", verify_result_name(signature->result));
	print_text("reason", span_str(verify_reason_text(signature->reason)));
	printf(", ");
	print_text("detail", signature->detail);
	printf(", ");
	print_text("domain", signature->field.domain);
	printf(", ");
	print_text("selector", signature->field.selector);
	printf(", \"key_bits\": %d, \"testing\": %s, \"octets\": %" PRIu64 ", \"covered\": %" PRIu64
	       "}",
	    signature->key_bits, signature->testing ? "true" : "false", signature->body_octets,
	    signature->body_covered);
}

/* In pieces, so that every border in the body is met sooner or later. */
static void
feed_body(struct verify *verify, struct span body)
{
	size_t piece = 1 + body.n / 3;

	for (size_t at = 0; at < body.n; at += piece)
		verify_body(verify, span_sub(body, at, piece));
	verify_body_done(verify);
}

static void
judge_list(const struct request *request, const struct header_list *list, struct span body,
    struct arena *arena)
{
	struct verify_options options = {.now_utc = request->now_utc,
	    .clock_drift_s = 300,
	    .minimum_key_bits = request->minimum_key_bits};
	struct verify *verify = NULL;
	struct err err = ERR_NONE;
	enum status status = verify_new(list, &options, arena, &verify, &err);

	if (status != ST_OK) {
		print_text("error", span_str(err.text));
		return;
	}
	feed_body(verify, body);
	for (size_t i = 0; i < verify_count(verify); i++) {
		size_t same;
		struct span name = verify_query(verify, i, &same);

		if (name.n > 0)
			answer_query(verify, i, name, request->records);
	}
	verify_finish(verify);
	printf("\"uncounted\": %zu, \"signatures\": [", verify_uncounted(verify));
	for (size_t i = 0; i < verify_count(verify); i++) {
		printf("%s", i > 0 ? ", " : "");
		print_signature(verify_signature(verify, i));
	}
	printf("]");
	verify_free(verify);
}

static void
judge(const struct request *request, struct arena *arena)
{
	struct header_list list;
	struct err err = ERR_NONE;
	size_t body_at = 0;

	printf("{");
	if (header_list_init(&list, arena, HEADER_BYTES_DEFAULT) != ST_OK ||
	    header_block_parse(request->message, &list, &body_at, &err) != ST_OK)
		print_text("error", span_str(err.text));
	else
		judge_list(request, &list, span_from(request->message, body_at), arena);
	printf("}\n");
}

int
main(void)
{
	struct request request;
	struct arena arena;

	arena_init(&arena, ARENA_BYTES);
	while (read_request(&request)) {
		judge(&request, &arena);
		fflush(stdout);
		mem_free((char *)(uintptr_t)request.message.p);
		mem_free((char *)(uintptr_t)request.records.p);
		arena_reset(&arena);
	}
	arena_free(&arena);
	return 0;
}
