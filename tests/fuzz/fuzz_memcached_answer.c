/*
 * fuzz_memcached_answer.c - whatever a server answers, a value is one that was asked for and not
 * too long, and it does not matter in which pieces the answer comes.
 */
#include "tests/fuzz/store_fuzz.h"

#include "backends/memcached_answer.h"
#include "lib/base/mem.h"

#define NAMES 3
#define VALUE_MAX 64U

static char *
room(size_t octets)
{
	if (octets == 0 || octets > VALUE_MAX)
		abort();
	return mem_alloc(octets);
}

/* All in pieces of n octets. What is behind the end is broken or not seen. */
static enum mcanswer_state
feed(struct span text, size_t n, struct mcvalue *values)
{
	static const struct span names[NAMES] = {{"a", 1}, {"name:b", 6}, {"a", 1}};
	enum mcanswer_state state = MCANSWER_MORE;
	struct mcanswer answer;

	mcanswer_init(&answer, names, values, NAMES, VALUE_MAX, room);
	for (size_t at = 0; at < text.n && state == MCANSWER_MORE; at += n)
		state = mcanswer_feed(&answer, span_sub(text, at, n));
	return state;
}

static void
compare(const struct mcvalue *a, const struct mcvalue *b)
{
	for (size_t i = 0; i < NAMES; i++)
		if (a[i].found != b[i].found ||
		    !span_eq(span_of(a[i].octets, a[i].n), span_of(b[i].octets, b[i].n)))
			abort();
}

/* The length of the pieces, the answer. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mcvalue whole[NAMES] = {{.found = false}}, pieces[NAMES] = {{.found = false}};
	enum mcanswer_state at_once, in_pieces;
	struct span text;

	if (size < 2)
		return 0;
	text = span_from(span_of(data, size), 1);
	at_once = feed(text, text.n, whole);
	in_pieces = feed(text, data[0] == 0 ? 1 : data[0], pieces);
	if (at_once != in_pieces && !(at_once == MCANSWER_BROKEN && in_pieces == MCANSWER_DONE))
		abort();
	compare(whole, pieces);
	for (size_t i = 0; i < NAMES; i++) {
		mem_free(whole[i].octets);
		mem_free(pieces[i].octets);
	}
	return 0;
}
