/*
 * buf.h - a growing string with a maximum. Reaching the maximum is an answer (ST_TOO_BIG) that
 * stays until buf_reset(): nothing more is appended, so a text is never cut silently and a caller
 * may append many pieces and ask once. For secrets: buf_init_secret().
 */
#ifndef SIGNPOST_BASE_BUF_H
#define SIGNPOST_BASE_BUF_H

#include "lib/base/span.h"
#include "lib/base/status.h"

struct buf {
	char *p;       /* owned; not NUL-terminated unless buf_text() was asked */
	size_t n;      /* octets held */
	size_t cap;    /* octets allocated */
	size_t max;    /* most octets this buffer may ever hold */
	bool overflow; /* something did not fit */
	bool secret;   /* p is in secret memory */
};

void buf_init(struct buf *buf, size_t max);
/* In secret memory (secret.h), wiped when it grows, and when it is freed. Where the system has no
 * pages left for it, it overflows. */
void buf_init_secret(struct buf *buf, size_t max);
void buf_free(struct buf *buf);  /* may be called twice */
void buf_reset(struct buf *buf); /* empty, keeps the memory, clears the overflow */

void buf_add(struct buf *buf, struct span s);
void buf_add_str(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
void buf_add_u64(struct buf *buf, uint64_t value); /* decimal */
void buf_add_fmt(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Room for n more octets at buf->p + buf->n, to be counted by the caller with buf->n += used; NULL
 * when they do not fit (overflow is set). */
char *buf_reserve(struct buf *buf, size_t n);
/* Removes the first n octets (n <= buf->n), moving the rest. */
void buf_drop_front(struct buf *buf, size_t n);

enum status buf_status(const struct buf *buf) MUST_USE; /* ST_OK or ST_TOO_BIG */
struct span buf_span(const struct buf *buf);            /* borrowed until the next change */
const char *buf_text(struct buf *buf);                  /* NUL-terminated, borrowed likewise */

#endif
