/*
 * octets.c - numbers and texts one behind the other.
 * Called by the codecs of what gateways share. It must never read behind the end.
 */
#include <string.h>

#include "lib/base/octets.h"

void
octets_put(struct octets_sink *sink, struct span s)
{
	if (sink->room != NULL && s.n > 0)
		memcpy(sink->room + sink->n, s.p, s.n);
	sink->n += s.n;
}

void
octets_put_number(struct octets_sink *sink, uint64_t value, unsigned octets)
{
	char text[8];

	for (unsigned i = 0; i < octets; i++)
		text[i] = (char)(uint8_t)(value >> (8 * (octets - 1 - i)));
	octets_put(sink, span_of(text, octets));
}

void
octets_put_text(struct octets_sink *sink, struct span text)
{
	octets_put_number(sink, text.n, 4);
	octets_put(sink, text);
}

struct span
octets_take(struct octets_source *source, size_t n)
{
	struct span taken;

	if (n > source->rest.n)
		source->ok = false;
	if (!source->ok || n == 0)
		return SPAN_EMPTY;
	taken = span_sub(source->rest, 0, n);
	source->rest = span_from(source->rest, n);
	return taken;
}

uint64_t
octets_take_number(struct octets_source *source, unsigned octets)
{
	struct span text = octets_take(source, octets);
	uint64_t value = 0;

	for (size_t i = 0; i < text.n; i++)
		value = value << 8 | (uint8_t)text.p[i];
	return value;
}

bool
octets_take_bool(struct octets_source *source)
{
	uint64_t value = octets_take_number(source, 1);

	if (value > 1)
		source->ok = false;
	return value == 1;
}

struct span
octets_take_text(struct octets_source *source)
{
	return octets_take(source, (size_t)octets_take_number(source, 4));
}
