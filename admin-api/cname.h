/*
 * cname.h - the CNAME that a customer sets for a slot: where a key's record stands, whether the
 * customer's name leads there, and what to tell them if not. For the reconciler and for operations;
 * pure, any thread.
 */
#ifndef SIGNPOST_ADMIN_API_CNAME_H
#define SIGNPOST_ADMIN_API_CNAME_H

#include "lib/base/buf.h"
#include "lib/dns/authority.h"
#include "lib/keys/life.h"

/* Where the record of a key stands: the target of its row, or, before its publishing is written,
 * that of the plan's slot; empty: at its own name. ST_TOO_BIG: a name cannot be so long; nothing is
 * appended. */
enum status cname_target(
    const struct life_domain *domain, const struct life_key *key, struct buf *out) MUST_USE;
/* Does the CNAME that was seen at the customer's name lead there? */
bool cname_is_right(const struct authority_question *way, struct span target);
/* Appends a sentence for the customer: which record they must set, and what is there in place of
 * it. way: of the customer's name, with the value and "leads_to" of a key; the record is right at
 * target. */
void cname_explain(const struct authority_question *way, struct span target, struct buf *out);

#endif
