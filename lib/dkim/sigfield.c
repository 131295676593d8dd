/*
 * sigfield.c - the value of a DKIM-Signature field into a structure (RFC 6376 3.5, 6.1.1). Called
 * once for each signature of a message, before anything is hashed or asked. It must never let a
 * value through that has not been checked: names go into DNS queries, all of it into logs and
 * Authentication-Results.
 */
#include "lib/dkim/sigfield.h"

#include <string.h>

#include "lib/dkim/sigfield_private.h"

#define SHA1_BYTES 20u
#define LENGTH_DIGITS_MAX 76u

enum status
sigfield_refuse(struct sigfield_reader *r, enum status status, const char *why)
{
	err_set(r->err, "%s", why);
	return status;
}

enum status
sigfield_tag(struct sigfield_reader *r, const char *name, size_t max, struct span *value_out)
{
	bool found = tags_find(&r->tags, name, value_out) && value_out->n > 0;

	if (found && value_out->n <= max)
		return ST_OK;
	err_set(r->err, found ? "%s= is too long" : "there is no %s=", name);
	return ST_INVALID;
}

static enum status
read_version(struct sigfield_reader *r)
{
	struct span value;
	enum status st = sigfield_tag(r, "v", SIGFIELD_TAG_MAX, &value);

	if (st == ST_OK && !span_eq_str(value, "1"))
		return sigfield_refuse(r, ST_INVALID, "v= is not 1");
	return st;
}

static const struct {
	const char *name;
	enum sigfield_algorithm algorithm;
} algorithms[] = {
    {"rsa-sha256", SIGFIELD_RSA_SHA256},
    {"ed25519-sha256", SIGFIELD_ED25519_SHA256},
    {"rsa-sha1", SIGFIELD_RSA_SHA1},
};

static bool
algorithm_octet(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static enum status
read_algorithm(struct sigfield_reader *r)
{
	struct span value;
	enum status st = sigfield_tag(r, "a", SIGFIELD_TAG_MAX, &value);
	char *text;

	if (st != ST_OK)
		return st;
	text = arena_alloc(r->arena, value.n);
	if (text == NULL)
		return sigfield_refuse(r, ST_TOO_BIG, "no room for a=");
	for (size_t i = 0; i < value.n; i++) {
		text[i] = ascii_lower(value.p[i]);
		if (!algorithm_octet(text[i]))
			return sigfield_refuse(r, ST_INVALID, "a= is no name of an algorithm");
	}
	r->out->algorithm_text = span_of(text, value.n);
	for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++)
		if (span_eq_str(r->out->algorithm_text, algorithms[i].name))
			r->out->algorithm = algorithms[i].algorithm;
	return ST_OK;
}

/* c=header[/body]; simple where nothing is said. */
static enum status
read_canon(struct sigfield_reader *r)
{
	struct span body, header;
	bool both;

	if (!tags_find(&r->tags, "c", &body))
		return ST_OK;
	both = span_cut(&body, '/', &header);
	if (canon_by_name(header, &r->out->header_canon) != ST_OK ||
	    (both && canon_by_name(body, &r->out->body_canon) != ST_OK))
		return sigfield_refuse(r, ST_INVALID, "c= is not known");
	return ST_OK;
}

/* q= is a list; one that we know is enough. "dns" alone is what old signers wrote. */
static enum status
read_query_methods(struct sigfield_reader *r)
{
	struct span rest, method;
	bool more;

	if (!tags_find(&r->tags, "q", &rest))
		return ST_OK;
	do {
		more = span_cut(&rest, ':', &method);
		method = span_trim(method);
		if (span_ieq_str(method, "dns/txt") || span_ieq_str(method, "dns"))
			return ST_OK;
	} while (more);
	return sigfield_refuse(r, ST_INVALID, "q= has no method that is known");
}

/* *value_out stays when there is no such tag. */
static enum status
read_number(struct sigfield_reader *r, const char *name, int64_t *value_out)
{
	struct span value;
	uint64_t number;

	if (!tags_find(&r->tags, name, &value))
		return ST_OK;
	if (!span_number(value, INT64_MAX, &number)) {
		err_set(r->err, "%s= is no number, or too long", name);
		return ST_INVALID;
	}
	*value_out = (int64_t)number;
	return ST_OK;
}

/* 1*76DIGIT: more are no length, zeros in front or not. */
static enum status
read_length(struct sigfield_reader *r)
{
	struct span value;

	if (tags_find(&r->tags, "l", &value) && value.n > LENGTH_DIGITS_MAX)
		return sigfield_refuse(r, ST_INVALID, "l= is no number, or too long");
	return read_number(r, "l", &r->out->body_length);
}

static enum status
read_times(struct sigfield_reader *r)
{
	struct sigfield *out = r->out;
	enum status st = read_number(r, "t", &out->time_utc);

	if (st == ST_OK)
		st = read_number(r, "x", &out->expires_utc);
	if (st == ST_OK && out->expires_utc >= 0 && out->expires_utc <= out->time_utc)
		return sigfield_refuse(r, ST_INVALID, "x= is not behind t=");
	return st;
}

/* The value without blanks, in the arena. */
static enum status
strip(struct sigfield_reader *r, struct span value, struct span *out)
{
	char *text = arena_alloc(r->arena, value.n + 1);
	size_t n = 0;

	if (text == NULL)
		return sigfield_refuse(r, ST_TOO_BIG, "no room for the field");
	for (size_t i = 0; i < value.n; i++)
		if (!ascii_blank(value.p[i]))
			text[n++] = value.p[i];
	*out = span_of(text, n);
	return ST_OK;
}

static bool
body_hash_size_fits(enum sigfield_algorithm algorithm, size_t bytes)
{
	if (algorithm == SIGFIELD_UNKNOWN)
		return bytes > 0;
	return bytes == (algorithm == SIGFIELD_RSA_SHA1 ? SHA1_BYTES : SHA256_BYTES);
}

static enum status
read_body_hash(struct sigfield_reader *r)
{
	struct sigfield *out = r->out;
	uint8_t room[sizeof out->body_hash / 3 * 4 + 8];
	struct span value, text = SPAN_EMPTY;
	enum status st = sigfield_tag(r, "bh", SIGFIELD_TAG_MAX, &value);
	size_t n = 0;

	if (st == ST_OK)
		st = strip(r, value, &text);
	if (st != ST_OK)
		return st;
	if (text.n > sizeof room || base64_decode(text, room, &n) != ST_OK)
		return sigfield_refuse(r, ST_INVALID, "bh= is not base64, or too long");
	if (n > sizeof out->body_hash || !body_hash_size_fits(out->algorithm, n))
		return sigfield_refuse(r, ST_INVALID, "bh= has the wrong size");
	memcpy(out->body_hash, room, n);
	out->body_hash_bytes = n;
	return ST_OK;
}

/* All between "b=" and the next ';', with the white space around it: RFC 6376 3.7. */
static void
locate_signature(struct sigfield_reader *r, struct span b)
{
	size_t start = (size_t)(b.p - r->value.p), end = start + b.n;

	while (start > 0 && r->value.p[start - 1] != '=')
		start--;
	while (end < r->value.n && r->value.p[end] != ';')
		end++;
	r->out->b_at = start;
	r->out->b_bytes = end - start;
}

static enum status
read_signature(struct sigfield_reader *r)
{
	struct span b, text = SPAN_EMPTY;
	enum status st = sigfield_tag(r, "b", SIGFIELD_TAG_MAX, &b);
	uint8_t *room = NULL;
	size_t n = 0;

	if (st == ST_OK)
		st = strip(r, b, &text);
	if (st != ST_OK)
		return st;
	room = arena_alloc(r->arena, text.n / 4 * 3 + 3);
	if (room == NULL)
		return sigfield_refuse(r, ST_TOO_BIG, "no room for b=");
	if (base64_decode(text, room, &n) != ST_OK || n == 0)
		return sigfield_refuse(r, ST_INVALID, "b= is not base64");
	if (n > KEY_SIGNATURE_MAX)
		return sigfield_refuse(r, ST_INVALID, "b= is longer than any signature");
	r->out->signature = span_of(room, n);
	r->out->b_text = text;
	locate_signature(r, b);
	return ST_OK;
}

/* Who signed comes first, so that it is known of broken fields too. */
static enum status (*const steps[])(struct sigfield_reader *r) = {
    sigfield_read_domain,
    sigfield_read_selector,
    sigfield_read_identity,
    read_signature,
    read_version,
    read_algorithm,
    read_canon,
    read_query_methods,
    read_length,
    read_times,
    sigfield_read_names,
    read_body_hash,
};

enum status
sigfield_parse(struct span value, struct arena *arena, struct sigfield *out, struct err *err)
{
	struct sigfield_reader r = {.value = value, .arena = arena, .out = out, .err = err};
	enum status first;

	*out = (struct sigfield){.algorithm = SIGFIELD_UNKNOWN,
	    .header_canon = CANON_SIMPLE,
	    .body_canon = CANON_SIMPLE,
	    .body_length = -1,
	    .time_utc = -1,
	    .expires_utc = -1};
	if (value.n > SIGFIELD_BYTES_MAX) {
		err_set(err, "the field is longer than %u octets", SIGFIELD_BYTES_MAX);
		return ST_TOO_BIG;
	}
	first = tags_parse(value, &r.tags, err);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		/* The first mistake is the one that is told; the rest is for the log. */
		enum status st;

		r.err = first == ST_OK ? err : NULL;
		st = steps[i](&r);
		first = first == ST_OK ? st : first;
	}
	return first;
}
