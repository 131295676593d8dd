/*
 * authority_name.c - the way of one question: its zone, all servers of it, down referrals and along
 * aliases to the servers that have the record, what a wildcard makes there, and, when nobody has
 * it, the places where customers put it by mistake. authority.c steps it in each round. All of it
 * is asked with RD=0, of authoritative servers only.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/mem.h"
#include "lib/dns/authority_private.h"

enum way_at { WAY_FIND, WAY_ZONE, WAY_ASKED, WAY_SIBLING, WAY_MISPLACED, WAY_DONE };

#define SIBLING_BYTES 8U /* octets of its random label; twice as many digits */

struct authority_way {
	struct authority_question *question;
	enum way_at at;
	char name[AUTHORITY_NAME_BYTES]; /* at first the question's, then where aliases lead */
	struct authority_cut *cut;
	struct authority_zone *zone, *home; /* home: of the name itself */
	struct authority_zone *below;       /* a referral of this stage */
	struct authority_reply *replies;    /* of this stage and what is left of earlier ones */
	size_t count, room;
	unsigned stages;
	bool is_signed;
	const char *mistake;
	char misplaced[AUTHORITY_NAME_BYTES];
};

/* ---- replies ---- */

static struct authority_reply *
add_reply(struct authority_way *way, const struct authority_server *server)
{
	if (way->count == way->room) {
		way->room = way->room == 0 ? 4 : 2 * way->room;
		way->replies = mem_resize(way->replies, way->room, sizeof(*way->replies));
	}
	way->replies[way->count] = (struct authority_reply){.server = server};
	return &way->replies[way->count++];
}

static void
drop_reply(struct authority_way *way, size_t at)
{
	authority_reply_free(&way->replies[at]);
	way->replies[at] = way->replies[--way->count];
}

static void
drop_kind(struct authority_way *way, enum authority_reply_kind kind, const char *alias)
{
	for (size_t i = way->count; i-- > 0;)
		if (way->replies[i].kind == kind &&
		    (alias == NULL || strcmp(way->replies[i].alias, alias) == 0))
			drop_reply(way, i);
}

static void
drop_server(struct authority_way *way, const struct authority_server *server)
{
	for (size_t i = way->count; i-- > 0;)
		if (way->replies[i].server == server && !way->replies[i].kept)
			drop_reply(way, i);
}

static void
fault(struct authority_reply *reply, const char *words)
{
	reply->kind = REPLY_FAULT;
	reply->fault = words;
}

static const char *
rcode_words(unsigned rcode)
{
	static const char *const words[] = {
	    "", "answers FORMERR", "answers SERVFAIL", "", "answers NOTIMP", "answers REFUSED"};

	return rcode < sizeof(words) / sizeof(words[0]) ? words[rcode] : "answers with an error";
}

/* What is no answer with authority; false: it is one. */
static bool
take_fault(struct authority_reply *reply, const struct authority_exchange *exchange,
    const struct authority_answer *answer)
{
	if (answer == NULL && exchange->outcome == AUTHORITY_NO_ROUTE &&
	    exchange->server->address.ss_family == AF_INET6)
		reply->kind = REPLY_NO_ROUTE;
	else if (answer == NULL)
		fault(reply, authority_outcome_words(exchange->outcome));
	else if (answer->rcode != RCODE_NOERROR && answer->rcode != RCODE_NXDOMAIN)
		fault(reply, rcode_words(answer->rcode));
	else if (!answer->authoritative)
		fault(reply, "answers without authority (a lame delegation)");
	else
		return false;
	return true;
}

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
			fault(reply, "refers to another zone than the others");
		return;
	}
	if (take_fault(reply, exchange, answer))
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
		reply = add_reply(way, NULL);
		reply->host = host->name;
		fault(reply, "has no address that a recursive resolver knows");
	}
}

static void
ask_all(struct authority_call *call, struct authority_way *way)
{
	for (unsigned i = 0; i < way->zone->server_count; i++) {
		drop_server(way, way->zone->servers[i]);
		add_reply(way, way->zone->servers[i]);
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
		reply = add_reply(way, NULL);
		reply->host = way->zone->hosts[i]->name;
		fault(reply, "has only addresses to which there is no route from here");
	}
}

/* ---- what a wildcard makes: RFC 4592 ---- */

static bool
is_something(const struct authority_reply *reply)
{
	return !reply->kept && (reply->kind == REPLY_VALUE || reply->kind == REPLY_OTHER ||
				   reply->kind == REPLY_FOREIGN || reply->kind == REPLY_ALIAS);
}

static void
on_sibling(struct authority_call *call, struct authority_exchange *exchange,
    const struct authority_answer *answer)
{
	struct authority_way *way = exchange->owner;
	struct authority_reply *reply = &way->replies[exchange->index];
	struct authority_reply sibling = {.server = reply->server};

	(void)call;
	if (take_fault(&sibling, exchange, answer)) {
		reply->kind = sibling.kind;
		reply->fault = sibling.fault;
		return;
	}
	authority_reply_read(&sibling, answer, way->question->value, way->question->other);
	if (is_something(&sibling) && sibling.ttl_s > way->question->ttl_s)
		way->question->ttl_s = sibling.ttl_s;
	if (is_something(&sibling) && sibling.digest == reply->digest && reply->kind != REPLY_VALUE)
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

static void
ask_siblings(struct authority_call *call, struct authority_way *way)
{
	char name[AUTHORITY_NAME_BYTES];
	bool possible = sibling_name(way->name, name);

	for (size_t i = 0; i < way->count && possible; i++) {
		const struct authority_server *server = way->replies[i].server;

		for (unsigned j = 0; j < way->zone->server_count; j++)
			if (is_something(&way->replies[i]) && way->zone->servers[j] == server)
				authority_call_ask(call, way->zone->servers[j], name, TYPE_TXT,
				    AUTHORITY_TRIES, on_sibling, way, i);
	}
	way->at = WAY_SIBLING;
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
		ask_siblings(call, way);
		return;
	}
	drop_kind(way, REPLY_REFERRAL, NULL);
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
	drop_kind(way, REPLY_ALIAS, way->name);
	for (size_t i = 0; i < way->count; i++)
		way->replies[i].kept = true;
	way->cut = NULL;
	if (next_stage(way))
		way->at = WAY_FIND;
}

/* ---- where it is put by mistake ---- */

static void
on_misplaced(struct authority_call *call, struct authority_exchange *exchange,
    const struct authority_answer *answer)
{
	struct authority_way *way = exchange->owner;

	(void)call;
	if (answer == NULL || !answer->authoritative || way->mistake != NULL ||
	    !authority_mistake_has(answer, way->question->value))
		return;
	way->mistake = authority_mistake_words((unsigned)exchange->index);
	snprintf(way->misplaced, sizeof(way->misplaced), "%s", exchange->name);
}

static void
ask_misplaced(struct authority_call *call, struct authority_way *way)
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
	    question->value.n > 0 && !question->quiet)
		ask_misplaced(call, way);
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
