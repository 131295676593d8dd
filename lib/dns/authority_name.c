/*
 * authority_name.c - the way of one question: its zone, all servers of it, down referrals and along
 * aliases to the servers that have the record, and what is beside it (authority_beside.c).
 * authority.c steps it in each round. All of it is asked with RD=0, of authoritative servers only.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dns/authority_way.h"

/* ---- the question for the record ---- */

static bool
is_referral(const struct authority_way *way, const struct authority_answer *answer)
{
	return answer != NULL && !answer->authoritative && answer->rcode == RCODE_NOERROR &&
	       answer->records == 0 && !answer->aliased && answer->ns_count > 0 &&
	       !answer->ns_answered && strcmp(answer->ns_owner, way->zone->name) != 0 &&
	       authority_name_in(answer->ns_owner, way->zone->name) &&
	       authority_name_in(way->name, answer->ns_owner);
}

static void
note_neg(struct authority_way *way, uint32_t neg_s)
{
	if (neg_s > way->question->neg_s)
		way->question->neg_s = neg_s;
}

static void
on_text(struct authority_call *call, struct authority_exchange *exchange,
    const struct authority_answer *answer)
{
	struct authority_way *way = exchange->owner;
	struct authority_reply *reply = &way->replies[exchange->index];

	if (is_referral(way, answer)) {
		reply->kind = REPLY_REFERRAL;
		if (way->below == NULL || strcmp(way->below->name, answer->ns_owner) == 0)
			way->below = authority_zone_get(call, answer->ns_owner, way->zone, answer);
		else
			authority_reply_fault(reply, "refers to another zone than the others");
		return;
	}
	if (authority_reply_take_fault(reply, exchange, answer))
		return;
	authority_reply_read(reply, answer, way->question->value, way->question->other);
	if (answer->soa)
		note_neg(way, answer->neg_s);
}

/* A server without any address that is known: one that has none is not there for others either. */
static void
add_lost_hosts(struct authority_way *way)
{
	for (unsigned i = 0; i < way->zone->host_count; i++) {
		const struct authority_host *host = way->zone->hosts[i];
		struct authority_reply *reply;

		if (host->count > 0 || !host->failed)
			continue;
		reply = authority_way_reply(way, NULL);
		reply->host = host->name;
		authority_reply_fault(reply, "has no address that a recursive resolver knows");
	}
}

static void
ask_all(struct authority_call *call, struct authority_way *way)
{
	for (unsigned i = 0; i < way->zone->server_count; i++) {
		authority_way_drop_server(way, way->zone->servers[i]);
		authority_way_reply(way, way->zone->servers[i]);
	}
	for (size_t i = 0; i < way->count; i++)
		for (unsigned j = 0; j < way->zone->server_count; j++)
			if (way->replies[i].server == way->zone->servers[j] &&
			    !way->replies[i].kept)
				authority_call_ask(call, way->zone->servers[j], way->name, TYPE_TXT,
				    AUTHORITY_TRIES, on_text, way, i);
	add_lost_hosts(way);
	way->at = WAY_ASKED;
}

/* IPv6 without a route counts as not there, unless a server has nothing else. */
static bool
is_out_of_reach(const struct authority_way *way, const struct authority_host *host)
{
	unsigned out = 0;

	for (unsigned i = 0; i < host->count; i++)
		for (size_t j = 0; j < way->count; j++)
			out += way->replies[j].server == host->servers[i] &&
			       !way->replies[j].kept && way->replies[j].kind == REPLY_NO_ROUTE;
	return host->count > 0 && out == host->count;
}

static void
add_unreachable_hosts(struct authority_way *way)
{
	for (unsigned i = 0; i < way->zone->host_count; i++) {
		struct authority_reply *reply;

		if (!is_out_of_reach(way, way->zone->hosts[i]))
			continue;
		reply = authority_way_reply(way, NULL);
		reply->host = way->zone->hosts[i]->name;
		authority_reply_fault(
		    reply, "has only addresses to which there is no route from here");
	}
}

/* ---- the ways on ---- */

static void
finish(struct authority_way *way, const char *why)
{
	way->question->seen = AUTHORITY_UNAVAILABLE;
	authority_say(way->question->why, "%s", why);
	way->at = WAY_DONE;
}

static void
begin_zone(struct authority_way *way, struct authority_zone *zone)
{
	way->zone = zone;
	way->below = NULL;
	zone->all = true;
	way->at = WAY_ZONE;
}

static void
find(struct authority_call *call, struct authority_way *way)
{
	if (way->cut == NULL) {
		const char *base = authority_name_base(way->name);

		way->cut = *base == '\0' ? NULL : authority_cut_get(call, base);
	}
	if (way->cut == NULL) {
		finish(way, "its name, or that to which it leads, is in no domain");
	} else if (way->cut->done && way->cut->zone == NULL) {
		finish(way, way->cut->why);
	} else if (way->cut->done) {
		begin_zone(way, way->cut->zone);
		way->home = way->home == NULL ? way->zone : way->home;
	}
}

static void
enter_zone(struct authority_call *call, struct authority_way *way)
{
	struct authority_question *question = way->question;
	char why[AUTHORITY_WHY_BYTES];

	if (!way->zone->ready || !way->zone->ready_all)
		return;
	snprintf(question->zone, sizeof(question->zone), "%s", way->zone->name);
	question->signed_zone = way->is_signed =
	    way->is_signed && authority_zone_is_signed(way->zone);
	note_neg(way, way->zone->neg_s);
	if (way->zone->server_count == 0 || way->zone->too_many) {
		authority_say(why,
		    way->zone->too_many ? "the zone %s has more servers than can be asked"
					: "no server of the zone %s has an address",
		    way->zone->name);
		finish(way, why);
		return;
	}
	ask_all(call, way);
}

static bool
next_stage(struct authority_way *way)
{
	if (++way->stages <= AUTHORITY_STAGES_MAX)
		return true;
	finish(way, "too many aliases and referrals, or a loop of them");
	return false;
}

static void
after_asked(struct authority_call *call, struct authority_way *way)
{
	add_unreachable_hosts(way);
	if (way->below == NULL) {
		authority_way_ask_siblings(call, way);
		return;
	}
	authority_way_drop_kind(way, REPLY_REFERRAL, NULL);
	if (next_stage(way))
		begin_zone(way, way->below);
}

static const struct authority_reply *
first_alias(const struct authority_way *way)
{
	for (size_t i = 0; i < way->count; i++)
		if (way->replies[i].kind == REPLY_ALIAS && !way->replies[i].kept)
			return &way->replies[i];
	return NULL;
}

static void
follow(struct authority_way *way, const struct authority_reply *reply)
{
	struct authority_question *question = way->question;

	if (reply->alias[0] == '\0') {
		finish(way, "its CNAME leads to something that is no name of a host");
		return;
	}
	if (reply->ttl_s > question->ttl_s)
		question->ttl_s = reply->ttl_s;
	snprintf(way->name, sizeof(way->name), "%s", reply->alias);
	snprintf(question->alias, sizeof(question->alias), "%s", way->name);
	authority_way_drop_kind(way, REPLY_ALIAS, way->name);
	for (size_t i = 0; i < way->count; i++)
		way->replies[i].kept = true;
	way->cut = NULL;
	if (next_stage(way))
		way->at = WAY_FIND;
}

static void
add_mistake(struct authority_way *way)
{
	char *why = way->question->why;
	size_t n = strlen(why);

	if (way->mistake != NULL)
		snprintf(why + n, AUTHORITY_WHY_BYTES - n, "; but it is at %s: %s", way->misplaced,
		    way->mistake);
	way->at = WAY_DONE;
}

static void
after_siblings(struct authority_call *call, struct authority_way *way)
{
	const struct authority_reply *alias = first_alias(way);
	struct authority_question *question = way->question;

	if (alias != NULL) {
		follow(way, alias);
		return;
	}
	authority_judge(question, way->replies, way->count);
	way->at = WAY_MISPLACED;
	if ((question->seen == AUTHORITY_ABSENT || question->seen == AUTHORITY_WILDCARD) &&
	    (question->value.n > 0 || question->leads_to.n > 0) && !question->quiet)
		authority_way_ask_misplaced(call, way);
}

/* ---- steps ---- */

void
authority_way_step(struct authority_call *call, struct authority_way *way)
{
	enum way_at before = way->at;

	switch (way->at) {
	case WAY_FIND:
		find(call, way);
		break;
	case WAY_ZONE:
		enter_zone(call, way);
		break;
	case WAY_ASKED:
		after_asked(call, way);
		break;
	case WAY_SIBLING:
		after_siblings(call, way);
		break;
	case WAY_MISPLACED:
		add_mistake(way);
		break;
	case WAY_DONE:
	default:
		break;
	}
	call->moved = call->moved || way->at != before || call->waiting.count > 0;
}

struct authority_way *
authority_way_begin(struct authority_call *call, struct authority_question *question)
{
	struct authority_way *way = mem_zalloc(1, sizeof(*way));

	way->question = question;
	way->is_signed = true;
	question->seen = AUTHORITY_UNAVAILABLE;
	question->servers = question->right = question->text_count = 0;
	question->ttl_s = question->neg_s = 0;
	question->signed_zone = false;
	question->zone[0] = question->alias[0] = question->why[0] = '\0';
	if (!authority_name_take(question->name, way->name))
		finish(way, "this is no name that can be asked for");
	(void)call;
	return way;
}

void
authority_way_end(struct authority_way *way)
{
	if (way->at != WAY_DONE && way->at != WAY_MISPLACED)
		finish(way, "it was given up: too many steps");
	for (size_t i = 0; i < way->count; i++)
		authority_reply_free(&way->replies[i]);
	mem_free(way->replies);
	way->replies = NULL;
}
