/*
 * fake.c - TXT records from a text: TestPublicKeys, TestDNSData, and what tests need a DNS server
 * to do wrong. Questions come by resolver.c. It must never ask anybody.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/dns/private.h"
#include "lib/dns/txt.h"

#define RECORDS_MAX 100000u
#define OCTETS_MAX ((size_t)64 << 20)
#define DELAY_MS_MAX 600000u

enum part { PART_RECORD, PART_SERVFAIL, PART_TIMEOUT, PART_BOGUS };

/* One line. Names and records are in octets, from where they begin. */
struct line {
	size_t name_at, name_n, record_at, record_n;
	struct txt_shape shape;
	enum part part;
	unsigned type; /* enum dns_type */
	enum dns_security security;
	int64_t delay_ms;
	size_t number;
};

struct fake_resolver {
	struct resolver base; /* first */
	struct buf octets;
	struct line *lines; /* sorted by name, then number */
	size_t count, room;
};

/* A question that is answered later. */
struct delayed {
	struct loop_timer timer;
	struct dns_query *query;
};

static struct fake_resolver *
fake_of(struct resolver *resolver)
{
	return (struct fake_resolver *)(void *)resolver;
}

/* ---- answers ---- */

static struct span
line_name(const struct fake_resolver *fake, const struct line *line)
{
	return span_of(fake->octets.p + line->name_at, line->name_n);
}

static int
compare(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;

	for (size_t i = 0; i < n; i++) {
		int difference =
		    (unsigned char)ascii_lower(a.p[i]) - (unsigned char)ascii_lower(b.p[i]);

		if (difference != 0)
			return difference;
	}
	return a.n < b.n ? -1 : a.n > b.n;
}

/* The first line of name, or where it would be. */
static size_t
find(const struct fake_resolver *fake, struct span name)
{
	size_t low = 0, high = fake->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(line_name(fake, &fake->lines[middle]), name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
add_record(const struct fake_resolver *fake, const struct line *line, struct dns_answer *answer)
{
	if (answer->status != ST_OK)
		return;
	if (answer->count == DNS_TEXTS_MAX || line->record_n > DNS_TEXT_BYTES_MAX) {
		*answer = dns_answer_none(ST_TOO_BIG, line->security,
		    answer->count == DNS_TEXTS_MAX ? "too many TXT records"
						   : "a TXT record is too long");
		return;
	}
	answer->security = line->security;
	answer->texts[answer->count++] =
	    (struct dns_text){.joined = span_of(fake->octets.p + line->record_at, line->record_n),
		.strings = line->shape.strings,
		.string_bytes_max = line->shape.string_bytes_max};
}

/* first is of name, which has one at least. */
static void
make_answer(
    const struct fake_resolver *fake, size_t first, unsigned type, struct dns_answer *answer)
{
	struct span name = line_name(fake, &fake->lines[first]);

	*answer = dns_answer_none(ST_OK, DNS_UNKNOWN, "");
	for (size_t i = first;
	     i < fake->count && compare(line_name(fake, &fake->lines[i]), name) == 0; i++)
		switch (fake->lines[i].part) {
		case PART_RECORD:
			if (fake->lines[i].type == type)
				add_record(fake, &fake->lines[i], answer);
			break;
		case PART_SERVFAIL:
			*answer = dns_answer_none(ST_UNAVAILABLE, DNS_UNKNOWN, "SERVFAIL");
			return;
		case PART_BOGUS:
			*answer =
			    dns_answer_none(ST_UNAVAILABLE, DNS_BOGUS, "DNSSEC validation failed");
			return;
		case PART_TIMEOUT:
			*answer = dns_answer_none(ST_UNAVAILABLE, DNS_UNKNOWN, "no answer");
			return;
		}
	if (answer->status == ST_OK && answer->count == 0) {
		*answer = dns_answer_none(ST_ABSENT, DNS_UNKNOWN, "no such record");
		answer->name_exists = true;
	}
}

static void
answer_now(struct dns_query *query)
{
	struct fake_resolver *fake = fake_of(query->resolver);
	struct span name = span_of(query->name, query->name_bytes);
	size_t first = find(fake, name);
	struct dns_answer answer = dns_answer_none(ST_ABSENT, DNS_UNKNOWN, "NXDOMAIN");

	if (first < fake->count && compare(line_name(fake, &fake->lines[first]), name) == 0)
		make_answer(fake, first, query->type, &answer);
	dns_query_answer(query, &answer);
}

static void
on_delay(struct loop_timer *timer)
{
	struct delayed *delayed = timer->owner;
	struct dns_query *query = delayed->query;
	struct resolver *resolver = query->resolver;

	mem_free(delayed);
	resolver_enter(resolver);
	answer_now(query);
	resolver_leave(resolver);
}

/* A time-out needs somebody who stops waiting; without one the answer is that there was one. */
static void
fake_ask(struct resolver *resolver, struct dns_query *query)
{
	struct fake_resolver *fake = fake_of(resolver);
	struct span name = span_of(query->name, query->name_bytes);
	size_t first = find(fake, name);
	const struct line *line = first < fake->count ? &fake->lines[first] : NULL;
	struct delayed *delayed;

	if (line == NULL || compare(line_name(fake, line), name) != 0) {
		answer_now(query);
	} else if (line->delay_ms > 0) {
		delayed = mem_zalloc(1, sizeof(*delayed));
		delayed->query = query;
		delayed->timer = (struct loop_timer){.fire = on_delay, .owner = delayed};
		query->filling = delayed;
		loop_timer_set(resolver->loop, &delayed->timer, line->delay_ms);
	} else if (line->part != PART_TIMEOUT || resolver->loop == NULL || query->timeout_ms <= 0) {
		answer_now(query);
	}
}

static bool
fake_drop(struct resolver *resolver, struct dns_query *query)
{
	struct delayed *delayed = query->filling;

	if (delayed != NULL)
		loop_timer_clear(resolver->loop, &delayed->timer);
	mem_free(delayed);
	return true;
}

static void
fake_free(struct resolver *resolver)
{
	struct fake_resolver *fake = fake_of(resolver);

	resolver_close(resolver);
	buf_free(&fake->octets);
	mem_free(fake->lines);
	mem_free(fake);
}

/* ---- the text ---- */

/* What "!WORD" says; the rest is the record. */
static enum status
read_part(struct span *rest, struct line *line, struct err *err)
{
	struct span word;
	uint64_t delay_ms;

	if (rest->n == 0 || rest->p[0] != '!')
		return ST_OK;
	(void)span_word(rest, &word);
	if (span_eq_str(word, "!SERVFAIL")) {
		line->part = PART_SERVFAIL;
	} else if (span_eq_str(word, "!TIMEOUT")) {
		line->part = PART_TIMEOUT;
	} else if (span_eq_str(word, "!BOGUS")) {
		line->part = PART_BOGUS;
	} else if (span_eq_str(word, "!A")) {
		line->type = DNS_A;
	} else if (span_eq_str(word, "!AAAA")) {
		line->type = DNS_AAAA;
	} else if (span_eq_str(word, "!MX")) {
		line->type = DNS_MX;
	} else if (span_eq_str(word, "!SOA")) {
		line->type = DNS_SOA;
	} else if (span_eq_str(word, "!SECURE")) {
		line->security = DNS_SECURE;
	} else if (span_eq_str(word, "!DELAY") && span_word(rest, &word) &&
		   span_number(word, DELAY_MS_MAX, &delay_ms)) {
		line->delay_ms = (int64_t)delay_ms;
	} else {
		err_set(err, "\"%.*s\" is not something to play", SPAN_ARG(word));
		return ST_INVALID;
	}
	*rest = span_trim(*rest);
	return ST_OK;
}

static enum status
read_record(struct fake_resolver *fake, struct span text, struct line *line, struct err *err)
{
	enum status status = ST_OK;

	line->record_at = fake->octets.n;
	if (text.n > 0 && text.p[0] == '"') {
		status = txt_read(text, &fake->octets, &line->shape, err);
	} else {
		buf_add(&fake->octets, text);
		line->shape.string_bytes_max =
		    text.n < TXT_STRING_BYTES_MAX ? text.n : TXT_STRING_BYTES_MAX;
		line->shape.strings =
		    text.n == 0 ? 1 : (text.n + TXT_STRING_BYTES_MAX - 1) / TXT_STRING_BYTES_MAX;
	}
	line->record_n = fake->octets.n - line->record_at;
	return status;
}

static struct line *
line_new(struct fake_resolver *fake, size_t number)
{
	struct line *line;

	if (fake->count == fake->room) {
		fake->room = fake->room == 0 ? 64 : fake->room * 2;
		fake->lines = mem_resize(fake->lines, fake->room, sizeof(fake->lines[0]));
	}
	line = &fake->lines[fake->count++];
	*line = (struct line){.number = number, .type = DNS_TXT};
	return line;
}

static enum status
read_line(struct fake_resolver *fake, struct span text, size_t number, struct err *err)
{
	struct span rest = span_trim(text), name;
	struct line *line;
	enum status status;

	if (!span_word(&rest, &name) || name.p[0] == '#')
		return ST_OK;
	if (fake->count == RECORDS_MAX)
		return ST_TOO_BIG;
	line = line_new(fake, number);
	if (name.n > 1 && name.p[name.n - 1] == '.')
		name.n--;
	line->name_at = fake->octets.n;
	line->name_n = name.n;
	buf_add(&fake->octets, name);
	rest = span_trim(rest);
	status = read_part(&rest, line, err);
	if (status == ST_OK && line->delay_ms > 0 && fake->base.loop == NULL) {
		err_set(err, "nothing can be delayed here");
		status = ST_INVALID;
	}
	return status == ST_OK ? read_record(fake, rest, line, err) : status;
}

static int
by_name(const void *a, const void *b, void *fake)
{
	const struct line *x = a, *y = b;
	int order = compare(line_name(fake, x), line_name(fake, y));

	if (order != 0)
		return order;
	return x->number < y->number ? -1 : 1;
}

static enum status
read_lines(struct fake_resolver *fake, struct span text, struct err *err)
{
	enum status status = ST_OK;
	struct span line;
	bool more = text.n > 0;

	for (size_t number = 1; more && status == ST_OK; number++) {
		more = span_cut(&text, '\n', &line);
		status = read_line(fake, line, number, err);
		if (status == ST_OK)
			status = buf_status(&fake->octets);
		if (status == ST_TOO_BIG)
			err_set(err, "this is more than %u records or %zu octets", RECORDS_MAX,
			    OCTETS_MAX);
		if (status != ST_OK)
			err_prefix(err, "line %zu", number);
	}
	if (fake->count > 1)
		qsort_r(fake->lines, fake->count, sizeof(fake->lines[0]), by_name, fake);
	return status == ST_OK ? ST_OK : ST_INVALID;
}

enum status
resolver_fake(struct loop *loop, struct span text, struct resolver **resolver_out, struct err *err)
{
	static const struct resolver_ops ops = {
	    .ask = fake_ask, .drop = fake_drop, .free = fake_free};
	struct fake_resolver *fake = mem_zalloc(1, sizeof(*fake));
	enum status status;

	resolver_init(&fake->base, &ops, loop);
	buf_init(&fake->octets, OCTETS_MAX);
	status = read_lines(fake, text, err);
	if (status == ST_OK)
		*resolver_out = &fake->base;
	else
		resolver_free(&fake->base);
	return status;
}
