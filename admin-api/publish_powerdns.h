/*
 * publish_powerdns.h - what PowerDNS is sent and what it answers, apart from sending it, so that
 * tests and a fuzz target can call it. Pure.
 */
#ifndef SIGNPOST_ADMIN_API_PUBLISH_POWERDNS_H
#define SIGNPOST_ADMIN_API_PUBLISH_POWERDNS_H

#include "admin-api/publish_private.h"

#define POWERDNS_ANSWER_MAX (1U << 20) /* octets */

/* What an answer about a zone says is at name. room: of there_out->text; it is emptied first.
 * ST_INVALID: it is not such an answer. */
enum status powerdns_rrsets_read(struct span answer, struct span name, struct buf *room,
    struct publish_there *there_out, struct err *err) MUST_USE;
/* Appends what is said to be wrong, printable: "error" of an answer, or its beginning. */
void powerdns_error_read(struct span answer, struct buf *out);
/* Appends the body of a PATCH that makes all these changes. */
void powerdns_patch_write(struct publish_change *const *changes, size_t count, struct buf *out);

#endif
