/*
 * authority_reply.c - what servers said in one stage of the way of a question: kept, dropped, and
 * what is no answer. Called by authority_name.c and authority_beside.c. It must never take for an
 * answer what a server says without authority.
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dns/authority_way.h"

struct authority_reply *
authority_way_reply(struct authority_way *way, const struct authority_server *server)
{
	if (way->count == way->room) {
		way->room = way->room == 0 ? 4 : 2 * way->room;
		way->replies = mem_resize(way->replies, way->room, sizeof(*way->replies));
	}
	way->replies[way->count] = (struct authority_reply){.server = server};
	return &way->replies[way->count++];
}

void
authority_way_drop(struct authority_way *way, size_t at)
{
	authority_reply_free(&way->replies[at]);
	way->replies[at] = way->replies[--way->count];
}

void
authority_way_drop_kind(
    struct authority_way *way, enum authority_reply_kind kind, const char *alias)
{
	for (size_t i = way->count; i-- > 0;)
		if (way->replies[i].kind == kind &&
		    (alias == NULL || strcmp(way->replies[i].alias, alias) == 0))
			authority_way_drop(way, i);
}

void
authority_way_drop_server(struct authority_way *way, const struct authority_server *server)
{
	for (size_t i = way->count; i-- > 0;)
		if (way->replies[i].server == server && !way->replies[i].kept)
			authority_way_drop(way, i);
}

void
authority_reply_fault(struct authority_reply *reply, const char *words)
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
bool
authority_reply_take_fault(struct authority_reply *reply, const struct authority_exchange *exchange,
    const struct authority_answer *answer)
{
	if (answer == NULL && exchange->outcome == AUTHORITY_NO_ROUTE &&
	    exchange->server->address.ss_family == AF_INET6)
		reply->kind = REPLY_NO_ROUTE;
	else if (answer == NULL)
		authority_reply_fault(reply, authority_outcome_words(exchange->outcome));
	else if (answer->rcode != RCODE_NOERROR && answer->rcode != RCODE_NXDOMAIN)
		authority_reply_fault(reply, rcode_words(answer->rcode));
	else if (!answer->authoritative)
		authority_reply_fault(reply, "answers without authority (a lame delegation)");
	else
		return false;
	return true;
}

bool
authority_reply_is_something(const struct authority_reply *reply)
{
	return !reply->kept && (reply->kind == REPLY_VALUE || reply->kind == REPLY_OTHER ||
				   reply->kind == REPLY_FOREIGN || reply->kind == REPLY_ALIAS);
}
