/*
 * operation_dns.h - looking at the records of keys in DNS, for the operations that show what is
 * there.
 */
#ifndef SIGNPOST_ADMIN_API_OPERATION_DNS_H
#define SIGNPOST_ADMIN_API_OPERATION_DNS_H

#include "admin-api/operation_call.h"

/* The record of one key, and what was found. Too big for a stack of many. */
struct dns_look {
	struct authority_question question;
	char name[KEYSTORE_SELECTOR_MAX + KEYSTORE_DOMAIN_MAX + 16];
	char value[PUBLISH_VALUE_MAX];
};

/* Makes the question: what should be there for this row now (a revoked key: its tombstone, or the
 * record until it is replaced). false: the key has no record that could be. */
bool dns_look_make(
    struct dns_look *look, const struct store_key *row, const struct key_times *times);
/* Asks the authoritative servers about all of them, in one go. */
enum operation_code dns_look_ask(
    struct operation_call *call, struct dns_look *const *looks, size_t count);
/* {"seen":, "servers":, "right":, "why":, "texts":[{"text":, "explained":}], ...} */
json_t *dns_look_row(const struct dns_look *look);
/* As lib/keys/life.h wants it; why is borrowed from look. */
struct life_sight dns_look_sight(const struct dns_look *look);

#endif
