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

struct span {
	const char *p;
	size_t n;
};

#define SPAN_EMPTY ((struct span){NULL, 0})
/* A span over a string literal, without its NUL. */
#define SPAN_LIT(literal) ((struct span){(literal), sizeof(literal) - 1})
/* The two arguments of printf's "%.*s". */
#define SPAN_ARG(s) (int)(s).n, ((s).p == NULL ? "" : (s).p)

struct span span_str(const char *text); /* strlen(); NULL gives the empty span */
struct span span_of(const void *p, size_t n);
struct span span_from(struct span s, size_t at);               /* from at to the end; at <= n */
struct span span_sub(struct span s, size_t at, size_t length); /* clipped to s */

bool span_eq(struct span a, struct span b);
bool span_ieq(struct span a, struct span b); /* ASCII letters without case */
bool span_eq_str(struct span a, const char *text);
bool span_ieq_str(struct span a, const char *text);
bool span_starts(struct span s, struct span prefix);
bool span_istarts(struct span s, struct span prefix);
bool span_ends(struct span s, struct span suffix);
bool span_iends(struct span s, struct span suffix);

/* Index of the first / last byte c, or SIZE_MAX. */
size_t span_find(struct span s, char c);
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

static inline char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* SP, TAB, CR, LF */
static inline bool
ascii_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* SipHash-2-4 (64 bit) of s under a 16-octet key: for tables whose keys a peer may choose. */
uint64_t span_hash(struct span s, const uint8_t key[16]);

#endif
