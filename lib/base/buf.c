/*
 * buf.c - growing strings with a maximum.
 * Used wherever text is put together: headers, frames, answers. It must never grow past its
 * maximum, and never hold a part of what was asked to be appended.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

void
buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){.max = max};
}

void
buf_init_secret(struct buf *buf, size_t max)
{
	*buf = (struct buf){.max = max, .secret = true};
}

void
buf_free(struct buf *buf)
{
	if (buf->secret)
		secret_free(buf->p);
	else
		mem_free(buf->p);
	*buf = (struct buf){.max = buf->max, .secret = buf->secret};
}

void
buf_reset(struct buf *buf)
{
	buf->n = 0;
	buf->overflow = false;
}

char *
buf_reserve(struct buf *buf, size_t n)
{
	size_t cap;
	char *p;

	if (buf->overflow || n > buf->max - buf->n) {
		buf->overflow = true;
		return NULL;
	}
	/* One octet more than asked, so that buf_text() never has to move anything. */
	if (buf->cap - buf->n > n && buf->p != NULL)
		return buf->p + buf->n;
	cap = buf->cap < 64 ? 64 : buf->cap;
	while (cap - buf->n <= n)
		cap *= 2;
	if (cap > buf->max + 1)
		cap = buf->max + 1;
	p = buf->secret ? secret_realloc(buf->p, cap) : mem_resize(buf->p, cap, 1);
	if (p == NULL) {
		buf->overflow = true;
		return NULL;
	}
	buf->p = p;
	buf->cap = cap;
	return buf->p + buf->n;
}

void
buf_add(struct buf *buf, struct span s)
{
	char *room = buf_reserve(buf, s.n);

	if (room == NULL || s.n == 0)
		return;
	memcpy(room, s.p, s.n);
	buf->n += s.n;
}

void
buf_add_str(struct buf *buf, const char *text)
{
	buf_add(buf, span_str(text));
}

void
buf_add_char(struct buf *buf, char c)
{
	char *room = buf_reserve(buf, 1);

	if (room == NULL)
		return;
	*room = c;
	buf->n++;
}

void
buf_add_u64(struct buf *buf, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	buf_add(buf, span_of(digits + at, sizeof(digits) - at));
}

void
buf_add_fmt(struct buf *buf, const char *fmt, ...)
{
	va_list args;
	char *room;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	room = n < 0 ? NULL : buf_reserve(buf, (size_t)n);
	if (room == NULL)
		return;
	va_start(args, fmt);
	vsnprintf(room, (size_t)n + 1, fmt, args);
	va_end(args);
	buf->n += (size_t)n;
}

void
buf_drop_front(struct buf *buf, size_t n)
{
	if (n == 0)
		return;
	memmove(buf->p, buf->p + n, buf->n - n);
	buf->n -= n;
}

enum status
buf_status(const struct buf *buf)
{
	return buf->overflow ? ST_TOO_BIG : ST_OK;
}

struct span
buf_span(const struct buf *buf)
{
	return span_of(buf->p, buf->n);
}

const char *
buf_text(struct buf *buf)
{
	if (buf->p == NULL && buf->secret)
		return ""; /* nothing could be added either */
	if (buf->p == NULL) {
		buf->p = mem_alloc(1);
		buf->cap = 1;
	}
	buf->p[buf->n] = '\0';
	return buf->p;
}
