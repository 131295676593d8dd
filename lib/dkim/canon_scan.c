/*
 * canon_scan.c - the inner loop of relaxed canonicalization: ordinary text has single blanks and
 * clean line ends, so nearly all of it is hashed where it stands. 64 octets a turn with SSE2 (every
 * x86-64 has it), octet by octet elsewhere. It must never read outside the span.
 */
#include "lib/dkim/canon_scan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static bool
changes_at(struct span s, size_t at)
{
	if (s.p[at] == '\t')
		return true;
	if (s.p[at] != ' ')
		return false;
	if (at + 1 == s.n)
		return true;
	return s.p[at + 1] == ' ' || s.p[at + 1] == '\t' || s.p[at + 1] == '\r';
}

size_t
canon_scan_portable(struct span s, size_t at)
{
	while (at < s.n && !changes_at(s, at))
		at++;
	return at;
}

#ifdef __SSE2__
/* A bit for each of the 16 octets at p that may change; reads p[0] to p[16]. A control character
 * other than TAB and CR behind a blank is a false alarm that the caller sorts out. */
static uint64_t
candidates_16(__m128i here, __m128i next)
{
	const __m128i blank = _mm_set1_epi8(' ');
	__m128i tab = _mm_cmpeq_epi8(here, _mm_set1_epi8('\t'));
	__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(next, blank), next);

	return (unsigned)_mm_movemask_epi8(
	    _mm_or_si128(tab, _mm_and_si128(_mm_cmpeq_epi8(here, blank), low)));
}

static __m128i
load_16(const char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* The first candidate of mask that really changes, or SIZE_MAX; bit 0 is at offset at. */
static size_t
first_change(struct span s, size_t at, uint64_t mask)
{
	for (; mask != 0; mask &= mask - 1) {
		size_t candidate = at + (size_t)__builtin_ctzll(mask);

		if (changes_at(s, candidate))
			return candidate;
	}
	return SIZE_MAX;
}

size_t
canon_scan(struct span s, size_t at)
{
	size_t found;

	/* Where changes stand close together the next one is near. */
	if (s.n - at > 16) {
		found =
		    first_change(s, at, candidates_16(load_16(s.p + at), load_16(s.p + at + 1)));
		if (found != SIZE_MAX)
			return found;
		at += 16;
	}
	for (; s.n - at > 64; at += 64) {
		const char *p = s.p + at;
		uint64_t mask = candidates_16(load_16(p), load_16(p + 1)) |
				candidates_16(load_16(p + 16), load_16(p + 17)) << 16 |
				candidates_16(load_16(p + 32), load_16(p + 33)) << 32 |
				candidates_16(load_16(p + 48), load_16(p + 49)) << 48;

		found = first_change(s, at, mask);
		if (found != SIZE_MAX)
			return found;
	}
	return canon_scan_portable(s, at);
}

size_t
canon_scan_line_end(struct span s, size_t at)
{
	const __m128i cr = _mm_set1_epi8('\r');
	const __m128i lf = _mm_set1_epi8('\n');

	for (; s.n - at >= 16; at += 16) {
		__m128i v = load_16(s.p + at);
		int mask =
		    _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, cr), _mm_cmpeq_epi8(v, lf)));

		if (mask != 0)
			return at + (size_t)__builtin_ctz((unsigned)mask);
	}
	while (at < s.n && s.p[at] != '\r' && s.p[at] != '\n')
		at++;
	return at;
}
#else
size_t
canon_scan(struct span s, size_t at)
{
	return canon_scan_portable(s, at);
}

size_t
canon_scan_line_end(struct span s, size_t at)
{
	while (at < s.n && s.p[at] != '\r' && s.p[at] != '\n')
		at++;
	return at;
}
#endif
