/*
 * memstore_private.h - what the files memstore*.c share.
 */
#ifndef SIGNPOST_TESTS_LIB_MEMSTORE_PRIVATE_H
#define SIGNPOST_TESTS_LIB_MEMSTORE_PRIVATE_H

#include "tests/lib/memstore.h"

/* A text that a row points to; kept until the store is cleared, for a row may come back. */
struct memstore_text {
	struct memstore_text *next;
	char text[];
};

/* Counts the question, waits, fails: as the test says. */
enum status memstore_begin(struct memstore *m, enum memstore_question question, struct err *err);
struct span memstore_keep(struct memstore *m, struct span text);
void memstore_texts_free(struct memstore *m);
/* A change of the present epoch. */
void memstore_note(struct memstore *m, const char *subject);
/* Is it held by its owner under its fence at this moment? */
bool memstore_holds(const struct memstore *m, const struct store_lease *lease);

enum status memstore_apply(struct keystore *store, const struct keystore_write *writes,
    size_t count, size_t *at_out, struct err *err);
enum status memstore_apply_fenced(struct keystore *store, const struct store_lease *lease,
    const struct keystore_write *writes, size_t count, size_t *at_out, struct err *err);
enum status memstore_domains_of(struct keystore *store, struct span tenant, struct span after,
    size_t max, struct keystore_rows **out, struct err *err);
enum status memstore_list(struct keystore *store, enum store_what what, struct span after,
    size_t max, struct keystore_rows **out, struct err *err);
enum status memstore_due(struct keystore *store, int64_t now_utc, size_t max,
    struct keystore_rows **out, struct err *err);
enum status memstore_lives(struct keystore *store, const struct span *domains, size_t count,
    struct keystore_rows **out, struct err *err);
enum status memstore_loading(struct keystore *store, uint64_t since, size_t max,
    struct keystore_rows **out, struct err *err);
enum status memstore_gateways(struct keystore *store, struct keystore_rows **out, struct err *err);
enum status memstore_forget(struct keystore *store, struct span node, struct err *err);
enum status memstore_report(
    struct keystore *store, const struct store_gateway *row, struct err *err);
enum status memstore_lease(struct keystore *store, const struct store_lease *wanted, int64_t ttl_s,
    struct store_lease *out, struct err *err);

/* ---- memstore_admin.c ---- */

/* The end of the chain. */
void memstore_audit_end(const struct memstore *m, struct audit_head *out);
/* Has another token the secret of this one? */
bool memstore_has_secret(const struct memstore *m, const struct store_token *row);

enum status memstore_token(struct keystore *store, enum store_token_by by, struct span name,
    struct keystore_rows **out, struct err *err);
enum status memstore_provider(struct keystore *store, struct span tenant, struct span name,
    struct keystore_rows **out, struct err *err);
enum status memstore_quota(
    struct keystore *store, struct span tenant, struct keystore_rows **out, struct err *err);
enum status memstore_count(
    struct keystore *store, struct span tenant, struct store_count *out, struct err *err);
enum status memstore_reply(struct keystore *store, struct span scope, struct span key,
    struct keystore_rows **out, struct err *err);
enum status memstore_forget_replies(
    struct keystore *store, size_t max, size_t *count_out, struct err *err);
enum status memstore_audits(struct keystore *store, const struct audit_question *question,
    struct keystore_rows **out, struct err *err);
enum status memstore_audit_head(struct keystore *store, struct audit_head *out, struct err *err);

#endif
