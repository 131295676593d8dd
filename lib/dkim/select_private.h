/*
 * select_private.h - the compiled lists, shared by select_policy.c and select.c only.
 */
#ifndef SIGNPOST_DKIM_SELECT_PRIVATE_H
#define SIGNPOST_DKIM_SELECT_PRIVATE_H

#include "lib/dkim/select.h"

struct name_pattern {
	char *text; /* owned */
	size_t n;
	bool wild; /* holds a '*' */
};

struct name_list {
	struct name_pattern *names; /* owned */
	size_t count;
};

struct header_policy {
	struct name_list sign; /* patterns */
	struct name_list omit; /* patterns */
	struct name_list over; /* names */
	size_t ignored;
};

/* Octets that a name in h= can have, RFC 6376 3.5 (hdr-name without ';'), and its length. */
bool header_name_signable(struct span name);

#endif
