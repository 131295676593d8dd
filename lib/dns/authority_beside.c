/*
 * authority_beside.c - names beside the one that was asked for: what a wildcard makes of a name
 * that nobody has, and the places where customers put a record by mistake. Called by
 * authority_name.c, of servers that have answered. It must never ask a recursive resolver.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "lib/dns/authority_way.h"

#define SIBLING_BYTES 8U /* octets of its random label; twice as many digits */

/* ---- what a wildcard makes: RFC 4592 ---- */

static void
on_sibling(struct authority_call *call, struct authority_exchange *exchange,
    const struct authority_answer *answer)
{
	struct authority_way *way = exchange->owner;
	struct authority_reply *reply = &way->replies[exchange->index];
	struct authority_reply sibling = {.server = reply->server};

	(void)call;
	if (authority_reply_take_fault(&sibling, exchange, answer)) {
		reply->kind = sibling.kind;
		reply->fault = sibling.fault;
		return;
	}
	authority_reply_read(&sibling, answer, way->question->value, way->question->other);
	if (authority_reply_is_something(&sibling) && sibling.ttl_s > way->question->ttl_s)
		way->question->ttl_s = sibling.ttl_s;
	if (authority_reply_is_something(&sibling) && sibling.digest == reply->digest &&
	    reply->kind != REPLY_VALUE)
		reply->kind = REPLY_WILDCARD;
	authority_reply_free(&sibling);
}

static bool
sibling_name(const char *name, char out[AUTHORITY_NAME_BYTES])
{
	uint8_t random[SIBLING_BYTES];
	char label[2 * SIBLING_BYTES + 1];
	int n;

	while (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		continue;
	for (size_t i = 0; i < SIBLING_BYTES; i++)
		snprintf(label + 2 * i, 3, "%02x", random[i]);
	n = snprintf(out, AUTHORITY_NAME_BYTES, "%s.%s", label, authority_name_up(name));
	return n > 0 && (size_t)n <= AUTHORITY_NAME_MAX;
}

void
authority_way_ask_siblings(struct authority_call *call, struct authority_way *way)
{
	char name[AUTHORITY_NAME_BYTES];
	bool possible = sibling_name(way->name, name);

	for (size_t i = 0; i < way->count && possible; i++) {
		const struct authority_server *server = way->replies[i].server;

		for (unsigned j = 0; j < way->zone->server_count; j++)
			if (authority_reply_is_something(&way->replies[i]) &&
			    way->zone->servers[j] == server)
				authority_call_ask(call, way->zone->servers[j], name, TYPE_TXT,
				    AUTHORITY_TRIES, on_sibling, way, i);
	}
	way->at = WAY_SIBLING;
}

/* ---- where it is put by mistake ---- */

static void
on_misplaced(struct authority_call *call, struct authority_exchange *exchange,
    const struct authority_answer *answer)
{
	struct authority_way *way = exchange->owner;

	(void)call;
	if (answer == NULL || !answer->authoritative || way->mistake != NULL ||
	    (!authority_mistake_has(answer, way->question->value) &&
		!authority_mistake_leads(answer, way->question->leads_to)))
		return;
	way->mistake = authority_mistake_words((unsigned)exchange->index);
	snprintf(way->misplaced, sizeof(way->misplaced), "%s", exchange->name);
}

void
authority_way_ask_misplaced(struct authority_call *call, struct authority_way *way)
{
	char name[AUTHORITY_NAME_BYTES], wrong[AUTHORITY_NAME_BYTES];
	struct authority_server *server =
	    authority_server_choose(way->home->servers, way->home->server_count);

	if (server == NULL || !authority_name_take(way->question->name, name) ||
	    strncmp(authority_name_up(name), "_domainkey.", strlen("_domainkey.")) != 0)
		return;
	for (unsigned i = 0; i < AUTHORITY_MISTAKES; i++) {
		authority_mistake_name(i, name, way->home->name, wrong);
		if (wrong[0] != '\0')
			authority_call_ask(call, server, wrong, TYPE_TXT, 1, on_misplaced, way, i);
	}
}
