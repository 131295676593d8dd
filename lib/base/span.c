/*
 * span.c - comparing and cutting borrowed bytes.
 * Called by every parser on the way of a message and of a configuration. It must never read past
 * a span, look for a NUL or use the locale.
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/span.h"

bool
ascii_ieq(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ascii_lower(a[i]) != ascii_lower(b[i]))
			return false;
	return true;
}

int
span_compare(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n == 0 ? 0 : memcmp(a.p, b.p, n);

	return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

bool
span_starts(struct span s, struct span prefix)
{
	return s.n >= prefix.n && span_eq(span_sub(s, 0, prefix.n), prefix);
}

bool
span_istarts(struct span s, struct span prefix)
{
	return s.n >= prefix.n && span_ieq(span_sub(s, 0, prefix.n), prefix);
}

bool
span_ends(struct span s, struct span suffix)
{
	return s.n >= suffix.n && span_eq(span_from(s, s.n - suffix.n), suffix);
}

bool
span_iends(struct span s, struct span suffix)
{
	return s.n >= suffix.n && span_ieq(span_from(s, s.n - suffix.n), suffix);
}

size_t
span_rfind(struct span s, char c)
{
	for (size_t i = s.n; i > 0; i--)
		if (s.p[i - 1] == c)
			return i - 1;
	return SIZE_MAX;
}

struct span
span_trim(struct span s)
{
	while (s.n > 0 && ascii_blank(s.p[0]))
		s = span_from(s, 1);
	while (s.n > 0 && ascii_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool
span_cut(struct span *rest, char c, struct span *head_out)
{
	size_t at = span_find(*rest, c);

	if (at == SIZE_MAX) {
		*head_out = *rest;
		*rest = SPAN_EMPTY;
		return false;
	}
	*head_out = span_sub(*rest, 0, at);
	*rest = span_from(*rest, at + 1);
	return true;
}

bool
span_word(struct span *rest, struct span *word_out)
{
	size_t n = 0;

	while (rest->n > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t'))
		*rest = span_from(*rest, 1);
	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
		n++;
	*word_out = span_sub(*rest, 0, n);
	*rest = span_from(*rest, n);
	return n > 0;
}

char *
span_dup(struct span s)
{
	return mem_strndup(s.p, s.n);
}

char *
span_dup_lower(struct span s)
{
	char *copy = span_dup(s);

	for (size_t i = 0; i < s.n; i++)
		copy[i] = ascii_lower(copy[i]);
	return copy;
}

bool
span_number(struct span s, uint64_t max, uint64_t *value_out)
{
	uint64_t value = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint64_t digit;

		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		digit = (uint64_t)(s.p[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
		if (value > max)
			return false;
	}
	*value_out = value;
	return true;
}

static uint64_t
rotl(uint64_t x, unsigned int b)
{
	return (x << b) | (x >> (64 - b));
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static uint64_t
load_le(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value |= (uint64_t)b[i] << (8 * i);
	return value;
}

static void
sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

uint64_t
span_hash(struct span s, const uint8_t key[16])
{
	uint64_t k0 = load_le(key, 8), k1 = load_le(key + 8, 8);
	uint64_t v[4] = {k0 ^ 0x736f6d6570736575U, k1 ^ 0x646f72616e646f6dU,
	    k0 ^ 0x6c7967656e657261U, k1 ^ 0x7465646279746573U};
	size_t at = 0;

	for (; s.n - at >= 8; at += 8)
		sip_word(v, load_le(s.p + at, 8));
	sip_word(v, load_le(s.n == at ? "" : s.p + at, s.n - at) | (uint64_t)s.n << 56);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

bool
span_is_text(struct span s)
{
	unsigned char least = 0x80, most = 0xbf; /* of the next octet of a character */
	size_t more = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (more > 0) {
			if (c < least || c > most)
				return false;
			more--;
			least = 0x80;
			most = 0xbf;
		} else if (c == 0 || (c >= 0x80 && c < 0xc2) || c > 0xf4) {
			return false;
		} else if (c >= 0xc2) {
			more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
			least = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
			most = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
		}
	}
	return more == 0;
}
