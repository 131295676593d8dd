/*
 * milter_text.h - what a decoder saw, as text: for comparing one way of feeding with another and
 * with what a test expects.
 */
#ifndef SIGNPOST_TESTS_LIB_MILTER_TEXT_H
#define SIGNPOST_TESTS_LIB_MILTER_TEXT_H

#include "daemon/milter/milter.h"

/* Events of one connection. Pieces of a body packet are put together. */
struct milter_text {
	struct buf text; /* one event a line; octets outside ' ' to '~', \ and | are \xx */
	struct buf body; /* pieces of the packet under way */
};

void milter_text_init(struct milter_text *t);
void milter_text_free(struct milter_text *t);
void milter_text_add(struct milter_text *t, const struct milter_event *event);

/* Feeds chunks of the input until its end or ST_INVALID ("invalid" becomes the last line). The i-th
 * chunk has next_size(context) octets (0 counts as 1), each in memory of exactly its size. NULL:
 * all in one piece. The largest number of octets held is returned. */
size_t milter_text_feed(struct milter_text *t, struct span input, size_t packet_max,
    size_t (*next_size)(void *context), void *context);

#endif
