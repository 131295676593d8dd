/*
 * operation_dns.h - looking at the records of keys in DNS, for the operations that show what is
 * there.
 */
#ifndef SIGNPOST_ADMIN_API_OPERATION_DNS_H
#define SIGNPOST_ADMIN_API_OPERATION_DNS_H

#include "admin-api/operation_lives.h"
#include "admin-api/publish.h"

/* The record of one key, and what was found. Too big for a stack of many. */
struct dns_look {
	struct authority_question question;
	char name[KEYSTORE_SELECTOR_MAX + KEYSTORE_DOMAIN_MAX + 16];
	char value[PUBLISH_VALUE_MAX];
	char target[LIFE_TARGET_MAX +
		    1]; /* where the customer's CNAME has to lead; "": there is none */
	bool slot;      /* nothing but that is looked at */
};

/* Makes the question: what should be there for this row now (a revoked key: its tombstone, or the
 * record until it is replaced), and where. false: the key has no record that could be. */
bool dns_look_make(struct dns_look *look, const struct store_key *row,
    const struct key_times *times, const struct key_life *life);
/* The question whether a slot's CNAME leads where it should. false: its names are too long. */
bool dns_look_make_slot(
    struct dns_look *look, const struct key_plan *plan, int slot, struct span domain);
/* Is all as it should be? */
bool dns_look_is_right(const struct dns_look *look);
/* Asks the authoritative servers about all of them, in one go; or the caller's foresight. */
enum operation_code dns_look_ask(
    struct operation_call *call, struct dns_look *const *looks, size_t count);
/* The same for who has an authority open. */
void dns_look_all(struct authority *authority, struct dns_look *const *looks, size_t count);
/* {"seen":, "servers":, "right":, "why":, "texts":[{"text":, "explained":}], ...} */
json_t *dns_look_row(const struct dns_look *look);
/* ---- operation_records.c: records as texts ---- */

/* The notation that an argument names; *out stays as it is without it. */
enum operation_code call_notation(
    struct operation_call *call, const char *argument, enum publish_notation *out) MUST_USE;
/* Appends what should be in DNS for the key now. false: the tombstone. */
bool key_record_value(const struct store_key *row, const struct life_key *key, struct buf *out);
int64_t key_record_ttl(const struct lives *lives, size_t key);

/* As lib/keys/life.h wants it; why is borrowed from look. */
struct life_sight dns_look_sight(const struct dns_look *look);

#endif
