/*
 * zone_covers.c - would a verifier let a host through by this SPF record? RFC 7208 section 4.
 * Called by zone_spf.c, so that nothing is added to a record that needs nothing. The records are
 * strangers': it must never follow more than a verifier would, and what depends on the message
 * (macros, exists, ptr) lets nobody through here.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dkim/address.h"
#include "lib/mailauth/spf_syntax.h"
#include "tools/zone.h"

#define MX_HOSTS_MAX 10U /* section 4.6.4 */

struct evaluation {
	struct domain_check *check;
	const struct zone_address *address;
	unsigned lookups;
	bool broken; /* a verifier would answer permerror, or nobody knows */
};

static bool evaluate(
    struct evaluation *evaluation, struct span domain, struct span text, unsigned depth);

static bool
in_network(const struct zone_address *a, const struct zone_address *b, int prefix)
{
	int most = a->family == AF_INET ? 32 : 128;

	if (a->family != b->family)
		return false;
	if (prefix < 0 || prefix > most)
		prefix = most;
	for (int bit = 0; bit < prefix; bit++) {
		int shift = 7 - bit % 8;

		if (((a->octets[bit / 8] ^ b->octets[bit / 8]) >> shift & 1) != 0)
			return false;
	}
	return true;
}

static bool
is_in_term(const struct evaluation *evaluation, const struct spf_term *term)
{
	struct zone_address network = {.family = term->kind == SPF_IP4 ? AF_INET : AF_INET6};
	char word[INET6_ADDRSTRLEN];

	if (term->argument.n >= sizeof(word))
		return false;
	snprintf(word, sizeof(word), "%.*s", SPAN_ARG(term->argument));
	return inet_pton(network.family, word, network.octets) == 1 &&
	       in_network(evaluation->address, &network,
		   term->kind == SPF_IP4 ? term->prefix4 : term->prefix6);
}

static bool
host_matches(struct evaluation *evaluation, struct span name, const struct spf_term *term)
{
	struct zone_hosts hosts = {.count = 0};

	if (zone_host_add(evaluation->check, name, &hosts) == SIZE_MAX)
		evaluation->broken = true;
	for (size_t i = 0; i < hosts.count; i++)
		if (in_network(evaluation->address, &hosts.addresses[i],
			evaluation->address->family == AF_INET ? term->prefix4 : term->prefix6))
			return true;
	return false;
}

static bool
mx_matches(struct evaluation *evaluation, struct span name, const struct spf_term *term)
{
	char *names[ZONE_HOSTS_MAX];
	size_t count;
	bool matches = false;

	if (zone_mx(evaluation->check, name, names, &count) == ST_UNAVAILABLE ||
	    count > MX_HOSTS_MAX)
		evaluation->broken = true;
	for (size_t i = 0; i < count; i++) {
		if (!matches && !evaluation->broken)
			matches = host_matches(evaluation, span_str(names[i]), term);
		mem_free(names[i]);
	}
	return matches;
}

static bool
include_matches(struct evaluation *evaluation, struct span name, unsigned depth)
{
	struct dns_answer answer = dnsclient_txt(evaluation->check->dns, name);
	char *text = NULL;
	size_t count = 0;
	bool matches = false;

	for (size_t i = 0; i < answer.count; i++)
		if (spf_is_record(answer.texts[i].joined)) {
			mem_free(text);
			text = span_dup(answer.texts[i].joined);
			count++;
		}
	if (count == 1)
		matches = evaluate(evaluation, name, span_str(text), depth + 1);
	else
		evaluation->broken = true;
	mem_free(text);
	return matches;
}

static bool
term_matches(
    struct evaluation *evaluation, struct span domain, const struct spf_term *term, unsigned depth)
{
	struct span name = term->argument.n > 0 ? term->argument : domain;

	if (term->kind == SPF_ALL)
		return true;
	if (term->kind == SPF_IP4 || term->kind == SPF_IP6)
		return is_in_term(evaluation, term);
	if (span_ends(name, SPAN_LIT(".")))
		name.n--;
	if (++evaluation->lookups > SPF_LOOKUPS_MAX)
		evaluation->broken = true;
	if (evaluation->broken || !domain_is_valid(name))
		return false;
	switch (term->kind) {
	case SPF_A:
		return host_matches(evaluation, name, term);
	case SPF_MX:
		return mx_matches(evaluation, name, term);
	case SPF_INCLUDE:
	case SPF_REDIRECT:
		return include_matches(evaluation, name, depth);
	default:
		return false;
	}
}

/* depth is bounded: each step down is a look-up. */
static bool
evaluate(struct evaluation *evaluation, struct span domain, struct span text, unsigned depth)
{
	struct spf_record *record = mem_alloc(sizeof(*record));
	bool passes = false, decided = false;

	if (depth > SPF_LOOKUPS_MAX || spf_parse(text, record, NULL) != ST_OK) {
		evaluation->broken = true;
		record->count = 0;
	}
	for (size_t i = 0; i < record->count; i++)
		evaluation->broken = evaluation->broken || record->terms[i].fault != NULL;
	for (size_t i = 0; i < record->count && !decided && !evaluation->broken; i++) {
		const struct spf_term *term = &record->terms[i];

		if (term->kind < SPF_REDIRECT && term_matches(evaluation, domain, term, depth)) {
			decided = true;
			passes = term->qualifier == 0 || term->qualifier == '+';
		}
	}
	for (size_t i = 0; i < record->count && !decided && !evaluation->broken; i++)
		if (record->terms[i].kind == SPF_REDIRECT)
			passes = term_matches(evaluation, domain, &record->terms[i], depth);
	mem_free(record);
	return passes && !evaluation->broken;
}

bool
zone_covers(struct domain_check *check, struct span domain, struct span text,
    const struct zone_hosts *hosts)
{
	for (size_t i = 0; i < hosts->count; i++) {
		struct evaluation evaluation = {.check = check, .address = &hosts->addresses[i]};

		if (!evaluate(&evaluation, domain, text, 0))
			return false;
	}
	/* Of more, nobody knows. */
	return hosts->count > 0 && hosts->count < ZONE_ADDRESSES_MAX;
}
