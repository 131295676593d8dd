/*
 * sigfield_private.h - shared by sigfield.c and sigfield_names.c only.
 */
#ifndef SIGNPOST_DKIM_SIGFIELD_PRIVATE_H
#define SIGNPOST_DKIM_SIGFIELD_PRIVATE_H

#include "lib/dkim/sigfield.h"
#include "lib/dkim/tags.h"

/* One field while it is read. */
struct sigfield_reader {
	struct span value;
	struct tag_list tags;
	struct arena *arena;
	struct sigfield *out;
	struct err *err;
};

/* Each reads some tags into out: ST_OK, or ST_INVALID or ST_TOO_BIG with the reason. */
enum status sigfield_read_domain(struct sigfield_reader *r) MUST_USE;   /* d= */
enum status sigfield_read_selector(struct sigfield_reader *r) MUST_USE; /* s=; behind d= */
enum status sigfield_read_identity(struct sigfield_reader *r) MUST_USE; /* i=; behind d= */
enum status sigfield_read_names(struct sigfield_reader *r) MUST_USE;    /* h= */

/* Octets of one tag with its folding, h= apart: what is copied into the arena stays small. */
#define SIGFIELD_TAG_MAX 8192u

/* A required tag. ST_INVALID: there is none, it is empty or longer than max octets. */
enum status sigfield_tag(
    struct sigfield_reader *r, const char *name, size_t max, struct span *value_out) MUST_USE;
/* ST_INVALID or ST_TOO_BIG with that reason. */
enum status sigfield_refuse(struct sigfield_reader *r, enum status status, const char *why);

#endif
