/*
 * authority_host.c - the servers of zones by their names: their addresses, from glue and from the
 * recursive resolvers. authority_zone.c asks for them. It must never ask a resolver for a name
 * below "_domainkey": its absence would be kept there (RFC 2308, RFC 8020).
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dns/authority_private.h"

#define DNS_PORT 53

static const enum authority_type lookup_types[2] = {TYPE_A, TYPE_AAAA};

/* ---- addresses ---- */

static void
set_address(struct authority_server *server, unsigned family, const uint8_t *octets, uint16_t port)
{
	struct sockaddr_in *four = (struct sockaddr_in *)&server->address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&server->address;

	server->address.ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		four->sin_port = htons(port);
		memcpy(&four->sin_addr, octets, 4);
		server->address_bytes = sizeof(*four);
	} else {
		six->sin6_port = htons(port);
		memcpy(&six->sin6_addr, octets, 16);
		server->address_bytes = sizeof(*six);
	}
	inet_ntop((int)family, octets, server->text, sizeof(server->text));
}

static bool
same_address(const struct authority_server *a, const struct authority_server *b)
{
	return a->address_bytes == b->address_bytes &&
	       memcmp(&a->address, &b->address, a->address_bytes) == 0;
}

struct authority_server *
authority_server_get(
    struct authority_call *call, const char *host, unsigned family, const uint8_t *octets)
{
	struct authority_server *server = mem_zalloc(1, sizeof(*server));
	uint16_t port = call->authority->port == 0 ? DNS_PORT : call->authority->port;

	set_address(server, family, octets, port);
	for (size_t i = 0; i < call->servers.count; i++) {
		struct authority_server *known = call->servers.items[i];

		if (same_address(known, server)) {
			mem_free(server);
			return known;
		}
	}
	snprintf(server->name, sizeof(server->name), "%s", host);
	server->no_route = family == AF_INET6 && call->authority->no_ipv6;
	authority_list_add(&call->servers, server);
	return server;
}

struct authority_server *
authority_server_choose(struct authority_server *const *servers, unsigned count)
{
	struct authority_server *best = NULL;

	for (unsigned i = 0; i < count; i++)
		if (!servers[i]->no_route && (best == NULL || servers[i]->bad < best->bad))
			best = servers[i];
	return best;
}

/* ---- hosts ---- */

struct authority_host *
authority_host_get(struct authority_call *call, const char *name)
{
	struct authority_host *host;

	for (size_t i = 0; i < call->hosts.count; i++) {
		host = call->hosts.items[i];
		if (strcmp(host->name, name) == 0)
			return host;
	}
	host = mem_zalloc(1, sizeof(*host));
	snprintf(host->name, sizeof(host->name), "%s", name);
	authority_list_add(&call->hosts, host);
	return host;
}

void
authority_host_add(struct authority_call *call, struct authority_host *host, unsigned family,
    const uint8_t *octets)
{
	struct authority_server *server = authority_server_get(call, host->name, family, octets);

	for (unsigned i = 0; i < host->count; i++)
		if (host->servers[i] == server)
			return;
	if (host->count < AUTHORITY_ADDRESSES_MAX)
		host->servers[host->count++] = server;
}

/* NXDOMAIN and no address are answers: nobody else reaches such a server either. */
static void
on_addresses(struct authority_call *call, struct authority_exchange *exchange,
    const struct authority_answer *answer)
{
	struct authority_host *host = exchange->owner;

	host->lookups[exchange->index].asked = false;
	if (answer == NULL || (answer->rcode != RCODE_NOERROR && answer->rcode != RCODE_NXDOMAIN)) {
		exchange->server->bad += answer != NULL;
		return;
	}
	host->lookups[exchange->index].known = true;
	for (unsigned i = 0; i < answer->glue_count; i++) {
		unsigned family = exchange->type == TYPE_A ? AF_INET : AF_INET6;

		if (answer->glue[i].family == family)
			authority_host_add(call, host, family, answer->glue[i].octets);
	}
}

static bool
is_secret(const char *name)
{
	for (; *name != '\0'; name = authority_name_up(name))
		if (strncmp(name, "_domainkey.", strlen("_domainkey.")) == 0)
			return true;
	return false;
}

bool
authority_host_step(struct authority_call *call, struct authority_host *host)
{
	bool under_way = false;

	if (is_secret(host->name))
		return false; /* glue or nothing */
	for (size_t i = 0; i < 2; i++) {
		if (!host->lookups[i].known && !host->lookups[i].asked) {
			if (host->lookups[i].tries >= authority_resolver_tries(call)) {
				host->failed = true;
				continue;
			}
			host->lookups[i].tries++;
			host->lookups[i].asked = true;
			authority_call_recurse(
			    call, host->name, lookup_types[i], on_addresses, host, i);
		}
		under_way = under_way || host->lookups[i].asked;
	}
	return under_way;
}
