/*
 * publish_talk.h - signed questions and updates to the servers of one rfc2136: publisher, and their
 * answers, checked. One thread.
 */
#ifndef SIGNPOST_ADMIN_API_PUBLISH_TALK_H
#define SIGNPOST_ADMIN_API_PUBLISH_TALK_H

#include "admin-api/publish_dns.h"

#define TALK_WINDOW 16U /* questions that are open at once */

/* One call of apply. */
struct talk {
	struct link *link;
	const struct tsig_key *key; /* NULL: nothing is signed */
	struct arena arena;         /* of what was found at names */
	size_t updates;             /* messages sent */
};

/* What became of one message. */
struct talk_reply {
	/* LIFE_DONE: there is an answer, and it is the server's own; rcode says what. Else err. */
	enum life_effect effect;
	unsigned int rcode;
	bool of_key; /* REFUSED because of the signature: for other updates it would be the same */
	struct err err;
};

/* What was found at a name. */
struct talk_look {
	struct talk_reply reply;
	struct publish_there there; /* reply.effect is LIFE_DONE: of rcode NOERROR and NXDOMAIN */
	struct span rdata;
};

/* Sends an update; when a server does not answer, the next one. */
void talk_update(
    struct talk *talk, const struct wire_update *update, struct span zone, struct talk_reply *out);
/* Asks for the TXT records of all names. */
void talk_look(struct talk *talk, const struct span *names, size_t count, struct talk_look *out);

#endif
