/*
 * publish_guard.c - which addresses are hosts inside, that a tenant's provider is not to reach.
 * Called when a provider is set, and again with each address that its name has when it is used: who
 * owns a name can change what it leads to. It must never take an address for a public one because
 * it is written in another way.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "admin-api/publish_private.h"
#include "lib/base/mem.h"

/* Networks that are not of the Internet (RFC 6890 and its registries). */
static const struct {
	uint32_t address;
	unsigned bits;
} inside[] = {
    {0x00000000, 8},  /* "this network" */
    {0x0a000000, 8},  /* private */
    {0x64400000, 10}, /* behind carriers' NAT */
    {0x7f000000, 8},  /* loopback */
    {0xa9fe0000, 16}, /* link-local, and where clouds tell secrets */
    {0xac100000, 12}, /* private */
    {0xc0000000, 24}, /* protocol assignments */
    {0xc0a80000, 16}, /* private */
    {0xc6120000, 15}, /* benchmarks */
    {0xe0000000, 4},  /* multicast */
    {0xf0000000, 4},  /* reserved, broadcast */
};

static bool
is_public_4(uint32_t address)
{
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
		if ((address ^ inside[i].address) >> (32 - inside[i].bits) == 0)
			return false;
	return true;
}

static uint32_t
word_at(const uint8_t *octets)
{
	return (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 |
	       octets[3];
}

static bool
is_public_6(const uint8_t a[16])
{
	static const uint8_t zeros[12], mapped[12] = {[10] = 0xff, [11] = 0xff},
					nat64[12] = {0x00, 0x64, 0xff, 0x9b};

	/* ::, ::1, and those with an address of IPv4 in them. */
	if (memcmp(a, zeros, 12) == 0)
		return word_at(a + 12) > 1 && is_public_4(word_at(a + 12));
	if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
		return is_public_4(word_at(a + 12));
	if (a[0] == 0x20 && a[1] == 0x02) /* 6to4 */
		return is_public_4(word_at(a + 2));
	/* Global unicast is 2000::/3 (RFC 4291, IANA); Teredo (2001::/32) wraps addresses, too. */
	return (a[0] & 0xe0) == 0x20 && word_at(a) != 0x20010000;
}

bool
publish_address_is_public(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, address, sizeof(in));
		return is_public_4(ntohl(in.sin_addr.s_addr));
	}
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, address, sizeof(in6));
		return is_public_6(in6.sin6_addr.s6_addr);
	}
	return false;
}

static bool
is_localhost(struct span host)
{
	while (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	return span_ieq(host, SPAN_LIT("localhost")) ||
	       (host.n > 10 && span_ieq(span_from(host, host.n - 10), SPAN_LIT(".localhost")));
}

enum status
publish_host_check(struct span host, struct err *err)
{
	/* "127.1", "0x7f000001" and "2130706433" are addresses, too. */
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST},
			*list = NULL;
	char *text = span_dup(host);
	bool outside = !is_localhost(host);

	if (getaddrinfo(text, NULL, &hints, &list) == 0) {
		for (const struct addrinfo *info = list; info != NULL; info = info->ai_next)
			outside = outside && publish_address_is_public(info->ai_addr);
		freeaddrinfo(list);
	}
	mem_free(text);
	if (outside)
		return ST_OK;
	err_set(err, "%.*s: " PUBLISH_INSIDE_SAYS, SPAN_ARG(span_sub(host, 0, 100)));
	return ST_INVALID;
}
