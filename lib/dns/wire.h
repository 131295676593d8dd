/*
 * wire.h - the octets of a DNS message, taken one after the other: numbers, names, records. Pure;
 * any thread. RFC 1035 section 4.1.
 */
#ifndef SIGNPOST_DNS_WIRE_H
#define SIGNPOST_DNS_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/span.h"

#define DNS_NAME_BYTES_MAX 255u /* on the wire, RFC 1035 section 2.3.4 */
#define DNS_NAME_TEXT_MAX 1024u /* as text: four octets for one that is written \DDD */

/* What was torn stays torn: later reads give nothing. */
struct wire_cursor {
	const uint8_t *p; /* the whole message, borrowed */
	size_t n, at;
	bool torn;
};

/* A name in wire form, lower case, without compression and without the root. */
struct wire_name {
	uint8_t p[DNS_NAME_BYTES_MAX];
	size_t n;
};

struct wire_record {
	struct wire_name owner;
	unsigned int type, class;
	uint32_t ttl_s; /* RFC 2181 section 8 */
	size_t data_at, data_n;
};

unsigned int wire_take_u8(struct wire_cursor *in);
unsigned int wire_take_u16(struct wire_cursor *in);
uint32_t wire_take_u32(struct wire_cursor *in);
void wire_skip(struct wire_cursor *in, size_t n);
void wire_take_name(struct wire_cursor *in, struct wire_name *name);
/* Its data is in the message, at data_at. */
void wire_take_record(struct wire_cursor *in, struct wire_record *record);

bool wire_name_equal(const struct wire_name *a, const struct wire_name *b);
/* Without a final dot; what is no letter of a host name is written \DDD. Points into text. */
struct span wire_name_text(const struct wire_name *name, char text[DNS_NAME_TEXT_MAX]);

#endif
