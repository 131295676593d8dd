/*
 * zone_host.c - the hosts of MX records, and addresses of hosts.
 * Called by zone_spf.c, zone_covers.c and check_spf.c. It must never take a question that DNS did
 * not answer for a host without addresses.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/dkim/address.h"
#include "tools/zone.h"

static void
add_address(struct zone_hosts *hosts, int family, struct span text)
{
	struct zone_address *address = &hosts->addresses[hosts->count];
	char word[INET6_ADDRSTRLEN];

	if (hosts->count == ZONE_ADDRESSES_MAX)
		return;
	snprintf(word, sizeof(word), "%.*s", SPAN_ARG(text));
	*address = (struct zone_address){.family = family};
	if (inet_pton(family, word, address->octets) == 1)
		hosts->count++;
}

size_t
zone_host_add(struct domain_check *check, struct span name, struct zone_hosts *hosts)
{
	static const struct {
		enum dns_type type;
		int family;
	} types[] = {{DNS_A, AF_INET}, {DNS_AAAA, AF_INET6}};
	size_t found = 0;

	if (!domain_is_valid(name))
		return 0;
	for (size_t i = 0; i < 2; i++) {
		struct dns_answer answer = dnsclient_ask(check->dns, name, types[i].type);

		if (answer.status != ST_OK && answer.status != ST_ABSENT) {
			hosts->unavailable = true;
			return SIZE_MAX;
		}
		for (size_t j = 0; j < answer.count; j++)
			add_address(hosts, types[i].family, answer.texts[j].joined);
		found += answer.count;
	}
	return found;
}

enum status
zone_mx(
    struct domain_check *check, struct span name, char *names[ZONE_HOSTS_MAX], size_t *count_out)
{
	struct dns_answer answer = dnsclient_ask(check->dns, name, DNS_MX);

	*count_out = 0;
	if (answer.status != ST_OK)
		return answer.status == ST_ABSENT ? ST_ABSENT : ST_UNAVAILABLE;
	for (size_t i = 0; i < answer.count && i < ZONE_HOSTS_MAX; i++) {
		struct span rest = answer.texts[i].joined, preference;

		(void)span_word(&rest, &preference);
		rest = span_trim(rest);
		names[(*count_out)++] = span_dup_lower(span_eq_str(rest, ".") ? SPAN_EMPTY : rest);
	}
	return ST_OK;
}
