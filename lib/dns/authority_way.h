/*
 * authority_way.h - the way of one question while it is gone: what authority_name.c,
 * authority_reply.c and authority_beside.c share. One thread.
 */
#ifndef SIGNPOST_DNS_AUTHORITY_WAY_H
#define SIGNPOST_DNS_AUTHORITY_WAY_H

#include "lib/dns/authority_private.h"

enum way_at { WAY_FIND, WAY_ZONE, WAY_ASKED, WAY_SIBLING, WAY_MISPLACED, WAY_DONE };

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

/* ---- authority_reply.c ---- */

/* A new one, of this server; valid until the next one is made. */
struct authority_reply *authority_way_reply(
    struct authority_way *way, const struct authority_server *server);
void authority_way_drop(struct authority_way *way, size_t at);
/* alias: only those that lead there; NULL: all of this kind. */
void authority_way_drop_kind(
    struct authority_way *way, enum authority_reply_kind kind, const char *alias);
/* All of it but those that are kept. */
void authority_way_drop_server(struct authority_way *way, const struct authority_server *server);
/* words: static. */
void authority_reply_fault(struct authority_reply *reply, const char *words);
/* What is no answer with authority; false: it is one. */
bool authority_reply_take_fault(struct authority_reply *reply,
    const struct authority_exchange *exchange, const struct authority_answer *answer);
/* Records, or an alias, of this stage. */
bool authority_reply_is_something(const struct authority_reply *reply);

/* ---- authority_beside.c ---- */

/* A name beside it that cannot be there (RFC 4592), of those that have something; the way is
 * WAY_SIBLING then. */
void authority_way_ask_siblings(struct authority_call *call, struct authority_way *way);
/* Wrong names: way->mistake and way->misplaced when it is at one of them. */
void authority_way_ask_misplaced(struct authority_call *call, struct authority_way *way);

#endif
