/*
 * wire.c - takes numbers, names and records out of the octets of a DNS message, one after the
 * other. answer.c and the asking of authoritative servers read with it. It must never read beyond
 * the message or follow a compression pointer forward, so that reading ends.
 */
#include <string.h>

#include "lib/dns/wire.h"

#define TTL_MAX 0x7fffffffu /* RFC 2181 section 8: more is taken as 0 */

/* ---- octets ---- */

unsigned int
wire_take_u8(struct wire_cursor *in)
{
	if (in->torn || in->at >= in->n) {
		in->torn = true;
		return 0;
	}
	return in->p[in->at++];
}

unsigned int
wire_take_u16(struct wire_cursor *in)
{
	unsigned int high = wire_take_u8(in);

	return high << 8 | wire_take_u8(in);
}

uint32_t
wire_take_u32(struct wire_cursor *in)
{
	uint32_t high = wire_take_u16(in);

	return high << 16 | wire_take_u16(in);
}

void
wire_skip(struct wire_cursor *in, size_t n)
{
	if (in->torn || n > in->n - in->at)
		in->torn = true;
	else
		in->at += n;
}

/* ---- names ---- */

static void
name_add_label(struct wire_cursor *in, size_t n, struct wire_name *name)
{
	if (n > in->n - in->at || name->n + 1 + n > DNS_NAME_BYTES_MAX) {
		in->torn = true;
		return;
	}
	name->p[name->n++] = (uint8_t)n;
	for (size_t i = 0; i < n; i++)
		name->p[name->n++] = (uint8_t)ascii_lower((char)in->p[in->at++]);
}

/* A pointer leads to before the part that it ends, so that reading ends. Two high bits: RFC 1035
 * section 4.1.4; 01 and 10 are nothing. */
void
wire_take_name(struct wire_cursor *in, struct wire_name *name)
{
	struct wire_cursor at = *in;
	size_t part_begins = in->at, octet;
	bool jumped = false;

	name->n = 0;
	while ((octet = wire_take_u8(&at)) != 0 && !at.torn) {
		if ((octet & 0xc0u) == 0xc0u) {
			size_t target = (octet & 0x3fu) << 8 | wire_take_u8(&at);

			if (!jumped)
				*in = at;
			jumped = true;
			at.torn = at.torn || target >= part_begins;
			at.at = part_begins = target;
		} else if ((octet & 0xc0u) != 0) {
			at.torn = true;
		} else {
			name_add_label(&at, octet, name);
		}
	}
	if (name->n == DNS_NAME_BYTES_MAX)
		at.torn = true; /* no room for the root */
	if (!jumped)
		*in = at;
	in->torn = at.torn;
}

bool
wire_name_equal(const struct wire_name *a, const struct wire_name *b)
{
	return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

static size_t
put_octet(uint8_t c, char *to)
{
	bool plain = c > ' ' && c < 0x7f && c != '.' && c != '\\';

	if (plain) {
		to[0] = (char)c;
		return 1;
	}
	to[0] = '\\';
	to[1] = (char)('0' + c / 100);
	to[2] = (char)('0' + c / 10 % 10);
	to[3] = (char)('0' + c % 10);
	return 4;
}

/* Without a final dot; what is no letter of a host name is written \DDD. */
struct span
wire_name_text(const struct wire_name *name, char text[DNS_NAME_TEXT_MAX])
{
	size_t n = 0;

	for (size_t at = 0; at < name->n;) {
		size_t label = name->p[at++];

		if (n > 0)
			text[n++] = '.';
		for (; label > 0; label--)
			n += put_octet(name->p[at++], text + n);
	}
	return span_of(text, n);
}

/* ---- records ---- */

void
wire_take_record(struct wire_cursor *in, struct wire_record *record)
{
	wire_take_name(in, &record->owner);
	record->type = wire_take_u16(in);
	record->class = wire_take_u16(in);
	record->ttl_s = wire_take_u32(in);
	if (record->ttl_s > TTL_MAX)
		record->ttl_s = 0;
	record->data_n = wire_take_u16(in);
	record->data_at = in->at;
	wire_skip(in, record->data_n);
}
