/*
 * fuzz_memcached_spec.c - any text is a list of servers that can be written and read again, or a
 * sentence.
 */
#include "tests/fuzz/store_fuzz.h"

#include "backends/memcached_spec.h"
#include "lib/base/buf.h"

static void
check(const struct mcserver *server)
{
	if (server->host[0] == '\0' || server->text[0] == '\0')
		abort();
	if ((server->port == 0) != (server->host[0] == '/'))
		abort();
}

static void
compare(const struct mcspec *spec, const struct mcspec *again)
{
	if (spec->count != again->count)
		abort();
	for (size_t i = 0; i < spec->count; i++)
		if (spec->servers[i].port != again->servers[i].port ||
		    strcmp(spec->servers[i].host, again->servers[i].host) != 0)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mcspec spec, again;
	struct err err = ERR_NONE;
	struct buf text;

	if (mcspec_read(span_of(data, size), &spec, &err) != ST_OK) {
		if (err.text[0] == '\0' || spec.count != 0)
			abort();
		return 0;
	}
	buf_init(&text, 1U << 20);
	for (size_t i = 0; i < spec.count; i++) {
		check(&spec.servers[i]);
		buf_add_fmt(&text, "%s,", spec.servers[i].text);
	}
	if (mcspec_read(buf_span(&text), &again, &err) != ST_OK)
		abort();
	compare(&spec, &again);
	mcspec_free(&spec);
	mcspec_free(&again);
	buf_free(&text);
	return 0;
}
