/*
 * span.h - bytes from outside: a pointer and a length, borrowed, never NUL-terminated, never
 * owned. A span is valid as long as what it points into. {NULL, 0} is the empty span.
 * ASCII only: nothing here looks at the locale.
 */
#ifndef SIGNPOST_BASE_SPAN_H
#define SIGNPOST_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const char *p;
	size_t n;
};

#define SPAN_EMPTY ((struct span){NULL, 0})
/* A span over a string literal, without its NUL. */
#define SPAN_LIT(literal) ((struct span){(literal), sizeof(literal) - 1})
/* The two arguments of printf's "%.*s". */
#define SPAN_ARG(s) (int)(s).n, ((s).p == NULL ? "" : (s).p)

/* The smallest ones are defined here: a message needs thousands of them, and most comparisons end
 * with the lengths. */

/* strlen(); NULL gives the empty span. */
static inline struct span
span_str(const char *text)
{
	return (struct span){text, text == NULL ? 0 : strlen(text)};
}

static inline struct span
span_of(const void *p, size_t n)
{
	return (struct span){p, n};
}

/* From at to the end; at <= n. */
static inline struct span
span_from(struct span s, size_t at)
{
	return (struct span){s.p == NULL ? NULL : s.p + at, s.n - at};
}

/* Clipped to s. */
static inline struct span
span_sub(struct span s, size_t at, size_t length)
{
	if (at > s.n)
		at = s.n;
	if (length > s.n - at)
		length = s.n - at;
	return (struct span){s.p == NULL ? NULL : s.p + at, length};
}

static inline char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* SP, TAB, CR, LF. */
static inline bool
ascii_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline bool
span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* n octets at a and b, ASCII letters without case. */
bool ascii_ieq(const char *a, const char *b, size_t n);

/* ASCII letters without case. */
static inline bool
span_ieq(struct span a, struct span b)
{
	return a.n == b.n && ascii_ieq(a.p, b.p, a.n);
}

static inline bool
span_eq_str(struct span a, const char *text)
{
	return span_eq(a, span_str(text));
}

static inline bool
span_ieq_str(struct span a, const char *text)
{
	return span_ieq(a, span_str(text));
}

/* As memcmp(), octet by octet; of two that begin alike the shorter one is less. */
int span_compare(struct span a, struct span b);
bool span_starts(struct span s, struct span prefix);
bool span_istarts(struct span s, struct span prefix);
bool span_ends(struct span s, struct span suffix);
bool span_iends(struct span s, struct span suffix);

/* Index of the first / last byte c, or SIZE_MAX. */
static inline size_t
span_find(struct span s, char c)
{
	const char *hit = s.n == 0 ? NULL : memchr(s.p, c, s.n);

	return hit == NULL ? SIZE_MAX : (size_t)(hit - s.p);
}

size_t span_rfind(struct span s, char c);

/* Without leading and trailing blanks (SP, TAB, CR, LF). */
struct span span_trim(struct span s);
/* The part before the first c into head; what follows c stays in *rest. false: no c, head is all
 * and *rest is empty. */
bool span_cut(struct span *rest, char c, struct span *head_out);
/* The next word separated by SP or TAB; false when there is none. */
bool span_word(struct span *rest, struct span *word_out);

/* Owned, NUL-terminated copy (mem_free); a lower-cased one. */
char *span_dup(struct span s);
char *span_dup_lower(struct span s);

/* Decimal digits only, no sign, no blanks, at most max. */
bool span_number(struct span s, uint64_t max, uint64_t *value_out);

/* UTF-8 (RFC 3629) without a NUL. */
bool span_is_text(struct span s);

/* SipHash-2-4 (64 bit) of s under a 16-octet key: for tables whose keys a peer may choose. */
uint64_t span_hash(struct span s, const uint8_t key[16]);

#endif
