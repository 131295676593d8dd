/*
 * select.h - which header fields are signed, in which order, under which names. RFC 6376 sections
 * 3.5 (h=), 5.4 and 5.4.2; SignHeaders, OmitHeaders, OverSignHeaders of the configuration.
 */
#ifndef SIGNPOST_DKIM_SELECT_H
#define SIGNPOST_DKIM_SELECT_H

#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/dkim/canon.h"
#include "lib/dkim/header.h"

#define HEADER_POLICY_NAMES_MAX 1000u    /* names in one list */
#define HEADER_POLICY_NAME_BYTES_MAX 76u /* octets of one name: a folded h= never splits one */

/* Each list: NULL-terminated array of names, borrowed for the call; NULL: not configured.
 * sign_headers, omit_headers: names may contain '*' (any run of octets). A list that contains the
 * element "*" is a delta list: the default list, with each "+name" added and each "-name" removed;
 * its other elements are ignored (see header_policy_ignored). over_sign_headers: plain names. */
struct header_policy_config {
	const char *const *sign_headers;
	const char *const *omit_headers;
	const char *const *over_sign_headers;
};

struct header_policy;

/* Compiles the lists; immutable afterwards, any number of threads may select with it. Defaults:
 * the 20 names of RFC 6376 5.4.1 practice are signed, return-path received comments keywords never,
 * nothing is oversigned. From is always signed. ST_INVALID: a name that cannot be one.
 * ST_TOO_BIG. Free with header_policy_free. */
enum status header_policy_new(const struct header_policy_config *config,
    struct header_policy **policy_out, struct err *err) MUST_USE;
void header_policy_free(struct header_policy *policy); /* NULL is fine */
/* How many elements of delta lists were ignored, for a warning at start-up. */
size_t header_policy_ignored(const struct header_policy *policy);

/* Everything in the arena and borrowed from the list and the policy. */
struct header_selection {
	size_t *indices;    /* fields of the list in the order they are hashed */
	size_t index_count; /* 0: nothing to sign */
	struct span *names; /* h=: one per index, then the oversigned ones */
	size_t name_count;
};

/* All instances of each signed name, h= in message order with the message's spelling, instances of
 * one name hashed bottom-up; then each oversigned name once. An oversigned name that is present is
 * always signed as well, whatever the lists say: a verifier would otherwise hash an instance that
 * we did not. Fields with ';' or other octets that h= cannot carry in the name are never signed.
 * ST_TOO_BIG (arena). */
enum status header_policy_select(const struct header_policy *policy, const struct header_list *list,
    struct arena *arena, struct header_selection *out) MUST_USE;

/* Appends the canonical fields in hashing order. Overflow shows in buf_status(out). */
void header_selection_canon(const struct header_selection *selection,
    const struct header_list *list, enum canon canon, struct buf *out);
/* Appends "From:To:Subject". */
void header_selection_names(const struct header_selection *selection, struct buf *out);

#endif
