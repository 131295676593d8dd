/*
 * authres_private.h - shared by authres_read.c and authres_forged.c only.
 */
#ifndef SIGNPOST_DKIM_AUTHRES_PRIVATE_H
#define SIGNPOST_DKIM_AUTHRES_PRIVATE_H

#include "lib/dkim/authres.h"

/* An authserv-id while it is read, in lower case. */
struct authres_name {
	char text[AUTHRES_ID_MAX];
	size_t n;
	bool too_long;
};

/* What stands in front of the first ';', as different readers take it. */
struct authres_head {
	struct authres_name strict; /* the id by RFC 8601 */
	struct authres_name joined; /* everything, only octets that names have */
	struct authres_name spaced; /* everything, with a blank for each blank, comment and quote */
	bool over;                  /* the id is; what follows is its version */
	size_t version_at;
};

void authres_name_add(struct authres_name *name, char c);
/* Without a job id, blanks around it and dots behind it; A-labels where it is a name. In the arena;
 * empty when that is full. */
struct span authres_name_normalise(const struct authres_name *name, struct arena *arena);
/* May a label of a name have it? */
bool authres_word_octet(char c);
/* authres_read, and what stands in front of the results. */
struct authres_claim authres_claim_read(
    struct span value, struct arena *arena, struct authres_head *head);

#endif
