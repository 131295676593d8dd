/*
 * authority_query.c - the octets of a question, and whether a message is the answer to it.
 * authority_exchange.c sends and receives them. It must never take a message for the answer that
 * somebody could have written who did not see the question: id, port, spelling, name, type.
 */
#include <string.h>
#include <sys/random.h>

#include "lib/dns/authority_private.h"

#define EDNS_BYTES 1232U /* fits into one packet everywhere */
#define TYPE_OPT 41U
#define CLASS_IN 1U
#define HEADER_BYTES 12U
#define QUERY_AT 2U /* behind the length for TCP */

#define FLAG_RESPONSE 0x8000U
#define OPCODE_MASK 0x7800U
#define FLAG_TRUNCATED 0x0200U
#define FLAG_RECURSE 0x0100U
#define FLAG_VALIDATED 0x0020U
#define RCODE_MASK 0x000fU

struct writer {
	uint8_t *p;
	size_t n;
};

static void
put16(struct writer *to, unsigned value)
{
	to->p[to->n++] = (uint8_t)(value >> 8);
	to->p[to->n++] = (uint8_t)value;
}

/* Each letter large or small by a bit of its own. */
static void
put_name(struct writer *to, const char *name, const uint8_t *bits)
{
	struct span rest = span_str(name), label;
	size_t letter = 0;
	bool more = true;

	while (more) {
		more = span_cut(&rest, '.', &label);
		to->p[to->n++] = (uint8_t)label.n;
		for (size_t i = 0; i < label.n; i++, letter++) {
			bool large = (bits[letter / 8] >> (letter % 8) & 1) != 0;
			char c = label.p[i];

			if (large && c >= 'a' && c <= 'z')
				c = (char)(c - 'a' + 'A');
			to->p[to->n++] = (uint8_t)c;
		}
	}
	to->p[to->n++] = 0;
}

static void
put_opt(struct writer *to)
{
	to->p[to->n++] = 0; /* the root */
	put16(to, TYPE_OPT);
	put16(to, EDNS_BYTES);
	put16(to, 0);
	put16(to, 0);
	put16(to, 0);
}

void
authority_query_build(struct authority_exchange *exchange)
{
	struct writer to = {.p = exchange->query, .n = QUERY_AT};
	uint8_t random[2 + AUTHORITY_NAME_BYTES / 8];

	while (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		continue;
	exchange->id = (uint16_t)(random[0] << 8 | random[1]);
	put16(&to, exchange->id);
	put16(&to, exchange->recursive ? FLAG_RECURSE | FLAG_VALIDATED : 0);
	put16(&to, 1);
	put16(&to, 0);
	put16(&to, 0);
	put16(&to, exchange->plain ? 0 : 1);
	put_name(&to, exchange->name, random + 2);
	put16(&to, exchange->type);
	put16(&to, CLASS_IN);
	if (!exchange->plain)
		put_opt(&to);
	exchange->query_bytes = to.n;
	exchange->query[0] = (uint8_t)((to.n - QUERY_AT) >> 8);
	exchange->query[1] = (uint8_t)(to.n - QUERY_AT);
}

/* ---- the answer ---- */

static unsigned
get16(struct span message, size_t at)
{
	return (unsigned)(uint8_t)message.p[at] << 8 | (uint8_t)message.p[at + 1];
}

/* Name, type and class as they were sent: a server copies the question. */
static size_t
question_bytes(const struct authority_exchange *exchange)
{
	return strlen(exchange->name) + 2 + 4;
}

static enum authority_fit
question_fits(const struct authority_exchange *exchange, struct span message)
{
	size_t n = question_bytes(exchange);
	const char *sent = (const char *)exchange->query + QUERY_AT + HEADER_BYTES, *came;

	if (message.n < HEADER_BYTES + n || get16(message, 4) != 1)
		return AUTHORITY_NOT_OURS;
	came = message.p + HEADER_BYTES;
	if (memcmp(came, sent, n) == 0)
		return AUTHORITY_FIT;
	if (!ascii_ieq(came, sent, n - 4) || memcmp(came + n - 4, sent + n - 4, 4) != 0)
		return AUTHORITY_NOT_OURS;
	return exchange->tcp ? AUTHORITY_FIT : AUTHORITY_RESPELLED;
}

enum authority_fit
authority_query_fits(const struct authority_exchange *exchange, struct span message)
{
	unsigned flags, rcode;
	enum authority_fit fit;

	if (message.n < HEADER_BYTES || get16(message, 0) != exchange->id)
		return AUTHORITY_NOT_OURS;
	flags = get16(message, 2);
	rcode = flags & RCODE_MASK;
	if ((flags & FLAG_RESPONSE) == 0 || (flags & OPCODE_MASK) != 0)
		return AUTHORITY_NOT_OURS;
	if ((rcode == RCODE_FORMERR || rcode == RCODE_NOTIMP) && !exchange->plain &&
	    (get16(message, 4) == 0 || question_fits(exchange, message) != AUTHORITY_NOT_OURS))
		return AUTHORITY_NO_EXTENSION;
	fit = question_fits(exchange, message);
	if (fit == AUTHORITY_FIT && (flags & FLAG_TRUNCATED) != 0)
		return exchange->tcp ? AUTHORITY_NOT_OURS : AUTHORITY_TRUNCATED;
	return fit;
}
