/*
 * fuzz_hostlist.c - the index of a host list answers what opendkim's probes, made one by one, do.
 */
#include "tests/fuzz/store_fuzz.h"

#include <arpa/inet.h>

#include "lib/store/hostlist.h"

static void
compare(
    struct hostlist *fast, struct hostlist *slow, struct span host, const struct sockaddr *address)
{
	struct err err = ERR_NONE;

	/* A name that begins with '!' is no name: opendkim would take an entry "!name" for it. */
	if (host.n > 0 && host.p[0] == '!')
		return;
	if (hostlist_match(fast, host, address, &err) != hostlist_match(slow, host, address, &err))
		abort();
}

/* One query a run (an IPv6 address costs the slow way 520 lookups). The address is written in it,
 * or made of its octets. */
static void
ask(struct hostlist *fast, struct hostlist *slow, struct span query)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct span host;
	char text[64] = "";

	span_cut(&query, ' ', &host);
	memcpy(text, query.n == 0 ? "" : query.p, query.n < 63 ? query.n : 63);
	if (inet_pton(AF_INET, text, &in4.sin_addr) != 1)
		memcpy(&in4.sin_addr, text, 4);
	if (inet_pton(AF_INET6, text, &in6.sin6_addr) != 1)
		memcpy(&in6.sin6_addr, text, 16);
	if (query.n == 0)
		compare(fast, slow, host, NULL);
	else if (query.p[0] % 2 == 0)
		compare(fast, slow, host, (const struct sockaddr *)(const void *)&in4);
	else
		compare(fast, slow, host, (const struct sockaddr *)(const void *)&in6);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span queries, query, text = fuzz_split(data, size, &queries);
	struct table *table = fuzz_table("file", text, TABLE_ICASE);
	struct table *plain = fuzz_table("file", text, TABLE_ICASE);
	struct table_ops probing = *plain->ops;
	struct hostlist *fast, *slow;
	struct err err = ERR_NONE;

	probing.walk = NULL;
	plain->ops = &probing;
	if (hostlist_open("fuzz", table, &fast, &err) != ST_OK ||
	    hostlist_open("fuzz", plain, &slow, &err) != ST_OK)
		abort();
	span_cut(&queries, '\n', &query);
	ask(fast, slow, query);
	hostlist_close(fast);
	hostlist_close(slow);
	table_close(table);
	table_close(plain);
	return 0;
}
