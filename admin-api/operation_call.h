/*
 * operation_call.h - one operation while it runs: its arguments, which were checked already, and
 * its answer. For the files operation_*.c; one thread.
 */
#ifndef SIGNPOST_ADMIN_API_OPERATION_CALL_H
#define SIGNPOST_ADMIN_API_OPERATION_CALL_H

#include <stdint.h>

#include "admin-api/operations.h"
#include "lib/base/arena.h"
#include "lib/keys/life.h"

#define OPERATION_WRITES_MAX (KEYSTORE_BATCH_MAX / 2U)
#define OPERATION_ARENA_MAX (4U << 20) /* octets of texts that one call makes */
#define VERSION_BYTES 120U             /* of a version, with its NUL */

struct operation_call {
	struct admin *admin;
	const struct operation_caller *caller;
	const struct operation *operation;
	const json_t *arguments; /* an object; names and types are right */
	bool dry_run;
	operation_progress *progress; /* may be NULL */
	void *context;
	int64_t now_utc; /* the store's, when it began */
	struct arena arena;
	/* The answer. */
	json_t *result;   /* an object, not NULL */
	json_t *plan;     /* an array, not NULL: what is written, or would be; its beginning */
	size_t plan_left; /* lines of it that had no room */
	json_t *fresh;    /* an array, not NULL: lines that are not written yet */
	json_t *errors;   /* an array, not NULL */
	struct err detail;
	char version[VERSION_BYTES]; /* of the object in result; "": none */
	bool late_reply; /* what comes of it is not known before its end: the reply is kept then */
	bool replied;    /* it was kept */
	bool repeated;   /* somebody else keeps one for the same request */
	bool over_quota; /* what was to be written last is more than a tenant may have */
};

/* ---- operation_call.c: arguments ---- */

bool call_has(const struct operation_call *call, const char *name);
/* Empty, 0, false if it is not there. */
struct span call_text(const struct operation_call *call, const char *name);
int64_t call_number(const struct operation_call *call, const char *name);
int64_t call_time(const struct operation_call *call, const char *name);
bool call_switch(const struct operation_call *call, const char *name, bool otherwise);
/* As names of rows: OPERATION_VALIDATION says why not. */
enum operation_code call_domain(struct operation_call *call, const char *name, struct span *out);
enum operation_code call_tenant(struct operation_call *call, const char *name, struct span *out);
enum operation_code call_selector(struct operation_call *call, const char *name, struct span *out);
/* A copy in the arena. */
struct span call_keep(struct operation_call *call, struct span text);

/* How many rows a page has: "limit", at most OPERATION_PAGE. */
size_t call_limit(const struct operation_call *call);

/* ---- who may see what ---- */

/* Do this tenant and this domain exist for who asks? Empty: not asked about. */
bool call_sees(const struct operation_call *call, struct span tenant, struct span domain);
/* All tenants and all domains? The store and the gateways are of all: nobody else is told of one.
 */
bool call_sees_all(const struct operation_call *call);
/* Keeps the version of the object that the answer is about, and compares it with what the caller
 * has seen: OPERATION_PRECONDITION_FAILED. Once in an operation; with what is there, before it is
 * changed. */
enum operation_code call_version(struct operation_call *call, const char *version);
/* That which the object has when the change is there. */
void call_new_version(struct operation_call *call, const char *version);

/* ---- refusals: they answer code ---- */

enum operation_code call_refuse(
    struct operation_call *call, enum operation_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* OPERATION_VALIDATION of one argument. */
enum operation_code call_wrong(
    struct operation_call *call, const char *argument, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* What a store's answer (not ST_OK) is; denied: what ST_DENIED means here. */
enum operation_code call_store_failed(struct operation_call *call, enum status status,
    enum operation_code denied, const struct err *err);

/* ---- what is written ---- */

/* A line of the plan: a row before and after; either may be NULL; both are taken over. It is said
 * before it is written: call_apply() records it, and forgets it if nothing was written. There is
 * room for OPERATION_PAGE of them; the others are counted. */
void call_plan(struct operation_call *call, const char *row, json_t *before, json_t *after);
/* Writes all or none, unless this is a dry run, together with the record of it; wakes the
 * reconciler. What adds something is held to the quota of its tenant, in a dry run, too:
 * ST_TOO_BIG, and call->over_quota is set. At most KEYSTORE_BATCH_MAX / 2 changes, which leaves
 * room for the record. What the operation answers should stand in call->result by then: it is kept
 * for a repetition. Without changes it writes only the record: of what is done by other means than
 * writing rows, before it is done. */
enum status call_apply(struct operation_call *call, const struct keystore_write *writes,
    size_t count, struct err *err) MUST_USE;
void call_wake(struct operation_call *call);
/* Reports the object and gives it back to jansson. false: end soon. */
bool call_progress(struct operation_call *call, json_t *report);

/* ---- operation_rows.c: rows as JSON, and found by name ---- */

json_t *json_span(struct span text); /* not UTF-8: with '?' in the place of octets */
json_t *json_time(int64_t at_utc);   /* RFC 3339; null for 0 */
json_t *row_tenant(const struct store_tenant *row);
json_t *row_domain(const struct store_domain *row);
json_t *row_policy(const struct store_policy *row);
json_t *row_gateway(const struct store_gateway *row, int64_t now_utc);
/* Never the private key. */
json_t *row_key(const struct store_key *row, const struct key_times *times, int64_t now_utc);
json_t *row_times(const struct key_times *times);

/* The versions of rows, as call_version() wants them. */
void version_of_revision(uint64_t revision, char out[VERSION_BYTES]);
void version_of_tenant(
    const struct store_tenant *row, const struct store_quota *quota, char out[VERSION_BYTES]);
void version_of_policy(const struct store_policy *row, char out[VERSION_BYTES]);
/* Which policy a domain has, and what is in it; NULL: none. */
void version_of_choice(const struct store_policy *row, char out[VERSION_BYTES]);
void version_of_gateway(const struct store_gateway *row, char out[VERSION_BYTES]);
void version_of_domain(const struct store_domain *row, char out[VERSION_BYTES]);
void version_of_key(const struct store_key *row, const struct key_times *times, int64_t now_utc,
    char out[VERSION_BYTES]);

/* rowfind.c: the row of this name. second: of keys the selector, of policies the name (first: the
 * tenant); else empty. ST_OK: *rows_out (release) has it at *index_out. ST_ABSENT, ST_UNAVAILABLE,
 * ... */
enum status row_find(struct keystore *store, enum store_what what, struct span first,
    struct span second, struct keystore_rows **rows_out, size_t *index_out,
    struct err *err) MUST_USE;

/* What all gateways say; *rows is to be released. NULL: they cannot report to this store. */
enum operation_code call_gateways(struct operation_call *call, struct keystore_rows **rows);
/* Of lists: the tenant whose rows are asked for, or the only one whose rows exist for who asks;
 * empty: all. Others' rows may be among them: call_sees(), and look at each. */
struct span call_only_tenant(const struct operation_call *call);
/* Where a list of rows that are named after their tenant begins: "after", else before the first one
 * of the only tenant. The answer is valid as long as begin. */
struct span call_list_begin(
    const struct operation_call *call, struct span only, char begin[KEYSTORE_TENANT_MAX + 2]);

/* Calls visit for the domains of this tenant (empty: of all; there may be others among them), in
 * the order of names, a page (OPERATION_PAGE) at a time. A code but OPERATION_OK ends the walk, and
 * is the answer. */
typedef enum operation_code row_visit_page(
    struct operation_call *call, const struct keystore_rows *page, void *context);
enum operation_code row_walk_pages(
    struct operation_call *call, struct span tenant, row_visit_page *visit, void *context);
/* The same for each domain (of this tenant; empty: of all). */
typedef enum operation_code row_visit(
    struct operation_call *call, const struct store_domain *row, void *context);
enum operation_code row_walk_domains(
    struct operation_call *call, struct span tenant, row_visit *visit, void *context);
/* operation_policy.c: puts it into the answer, with all defaults, and what is to be said of it. */
void policy_show(struct operation_call *call, const struct store_policy *row);
/* A life-cycle look at the domain is due now. */
enum operation_code row_make_due(struct operation_call *call, struct span domain);

/* ---- the operations, by their files ---- */

enum operation_code operation_tenant_add(struct operation_call *call);
enum operation_code operation_tenant_list(struct operation_call *call);
enum operation_code operation_tenant_remove(struct operation_call *call);
enum operation_code operation_tenant_set(struct operation_call *call);
enum operation_code operation_tenant_show(struct operation_call *call);
enum operation_code operation_policy_list(struct operation_call *call);
enum operation_code operation_policy_remove(struct operation_call *call);
enum operation_code operation_policy_set(struct operation_call *call);
enum operation_code operation_policy_show(struct operation_call *call);
enum operation_code operation_domain_add(struct operation_call *call);
enum operation_code operation_domain_list(struct operation_call *call);
enum operation_code operation_domain_policy_set(struct operation_call *call);
enum operation_code operation_domain_policy_show(struct operation_call *call);
enum operation_code operation_domain_put(struct operation_call *call);
enum operation_code operation_domain_remove(struct operation_call *call);
enum operation_code operation_domain_set(struct operation_call *call);
enum operation_code operation_domain_show(struct operation_call *call);
enum operation_code operation_domain_stats(struct operation_call *call);
enum operation_code operation_key_activate(struct operation_call *call);
enum operation_code operation_key_generate(struct operation_call *call);
enum operation_code operation_key_hold(struct operation_call *call);
enum operation_code operation_key_import(struct operation_call *call);
enum operation_code operation_key_list(struct operation_call *call);
enum operation_code operation_keys_list(struct operation_call *call);
enum operation_code operation_key_publish(struct operation_call *call);
enum operation_code operation_key_record(struct operation_call *call);
enum operation_code operation_key_release(struct operation_call *call);
enum operation_code operation_key_remove(struct operation_call *call);
enum operation_code operation_key_retire(struct operation_call *call);
enum operation_code operation_key_revoke(struct operation_call *call);
enum operation_code operation_key_rollback(struct operation_call *call);
enum operation_code operation_key_show(struct operation_call *call);
enum operation_code operation_key_verify(struct operation_call *call);
enum operation_code operation_rotate(struct operation_call *call);
enum operation_code operation_rotation_abort(struct operation_call *call);
enum operation_code operation_rotation_list(struct operation_call *call);
enum operation_code operation_rotation_pause(struct operation_call *call);
enum operation_code operation_rotation_resume(struct operation_call *call);
enum operation_code operation_rotation_rollback(struct operation_call *call);
enum operation_code operation_rotation_show(struct operation_call *call);
enum operation_code operation_rules_change(struct operation_call *call);
enum operation_code operation_rules_replace(struct operation_call *call);
enum operation_code operation_rules_show(struct operation_call *call);
enum operation_code operation_domain_records(struct operation_call *call);
enum operation_code operation_resolve(struct operation_call *call);
enum operation_code operation_emergency(struct operation_call *call);
enum operation_code operation_status(struct operation_call *call);
enum operation_code operation_unsigned(struct operation_call *call);
enum operation_code operation_audit_head(struct operation_call *call);
enum operation_code operation_audit_list(struct operation_call *call);
enum operation_code operation_provider_add(struct operation_call *call);
enum operation_code operation_provider_list(struct operation_call *call);
enum operation_code operation_provider_remove(struct operation_call *call);
enum operation_code operation_provider_set(struct operation_call *call);
enum operation_code operation_provider_show(struct operation_call *call);
enum operation_code operation_provider_test(struct operation_call *call);
enum operation_code operation_token_add(struct operation_call *call);
enum operation_code operation_token_list(struct operation_call *call);
enum operation_code operation_token_revoke(struct operation_call *call);
enum operation_code operation_token_rotate(struct operation_call *call);
enum operation_code operation_token_show(struct operation_call *call);
enum operation_code operation_drift(struct operation_call *call);
enum operation_code operation_gateway_list(struct operation_call *call);
enum operation_code operation_gateway_show(struct operation_call *call);
enum operation_code operation_gateway_forget(struct operation_call *call);
enum operation_code operation_operation_show(struct operation_call *call);
enum operation_code operation_operation_cancel(struct operation_call *call);

enum operation_code operation_verify(struct operation_call *call);
enum operation_code operation_selftest(struct operation_call *call);

#endif
