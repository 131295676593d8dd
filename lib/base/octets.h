/*
 * octets.h - numbers and texts one behind the other: how answers are written for other gateways.
 * The highest octet of a number is first; a text has its length in front, in four octets. Pure.
 */
#ifndef SIGNPOST_BASE_OCTETS_H
#define SIGNPOST_BASE_OCTETS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/span.h"

/* Where octets go to: room has place for all of them; NULL: they are only counted. Begin with
 * zeroes. */
struct octets_sink {
	char *room;
	size_t n;
};

void octets_put(struct octets_sink *sink, struct span s);
void octets_put_number(struct octets_sink *sink, uint64_t value, unsigned octets); /* 1 to 8 */
void octets_put_text(struct octets_sink *sink, struct span text);

/* Where they come from. What ends too early makes ok false, and everything after it is nothing. */
struct octets_source {
	struct span rest;
	bool ok;
};

uint64_t octets_take_number(struct octets_source *source, unsigned octets);
bool octets_take_bool(struct octets_source *source); /* one octet, 0 or 1 */
/* Borrowed from what is read. */
struct span octets_take(struct octets_source *source, size_t n);
struct span octets_take_text(struct octets_source *source);

#endif
