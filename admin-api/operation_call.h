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

#define OPERATION_ARENA_MAX (4U << 20) /* octets of texts that one call makes */

struct operation_call {
	struct admin *admin;
	const char *actor;
	const struct operation *operation;
	const json_t *arguments; /* an object; names and types are right */
	bool dry_run;
	operation_progress *progress; /* may be NULL */
	void *context;
	int64_t now_utc; /* the store's, when it began */
	struct arena arena;
	/* The answer. */
	json_t *result; /* an object, not NULL */
	json_t *plan;   /* an array, not NULL: what is written, or would be */
	json_t *errors; /* an array, not NULL */
	struct err detail;
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

/* A line of the plan: a row before and after; either may be NULL; both are taken over. */
void call_plan(struct operation_call *call, const char *row, json_t *before, json_t *after);
/* Writes all or none, unless this is a dry run; wakes the reconciler. */
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

/* The row of this name. second: of keys the selector, of policies the name (first: the tenant);
 * else empty. ST_OK: *rows_out (release) has it at *index_out. ST_ABSENT, ST_UNAVAILABLE, ... */
enum status row_find(struct keystore *store, enum store_what what, struct span first,
    struct span second, struct keystore_rows **rows_out, size_t *index_out,
    struct err *err) MUST_USE;

/* Calls visit for all domains in the order of names, a page (OPERATION_PAGE) at a time. A code but
 * OPERATION_OK ends the walk, and is the answer. */
typedef enum operation_code row_visit_page(
    struct operation_call *call, const struct keystore_rows *page, void *context);
enum operation_code row_walk_pages(
    struct operation_call *call, row_visit_page *visit, void *context);
/* The same for each domain (of this tenant; empty: of all). */
typedef enum operation_code row_visit(
    struct operation_call *call, const struct store_domain *row, void *context);
enum operation_code row_walk_domains(
    struct operation_call *call, struct span tenant, row_visit *visit, void *context);
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
enum operation_code operation_domain_remove(struct operation_call *call);
enum operation_code operation_domain_set(struct operation_call *call);
enum operation_code operation_domain_show(struct operation_call *call);
enum operation_code operation_key_activate(struct operation_call *call);
enum operation_code operation_key_generate(struct operation_call *call);
enum operation_code operation_key_hold(struct operation_call *call);
enum operation_code operation_key_import(struct operation_call *call);
enum operation_code operation_key_list(struct operation_call *call);
enum operation_code operation_key_publish(struct operation_call *call);
enum operation_code operation_key_record(struct operation_call *call);
enum operation_code operation_key_release(struct operation_call *call);
enum operation_code operation_key_retire(struct operation_call *call);
enum operation_code operation_key_revoke(struct operation_call *call);
enum operation_code operation_key_rollback(struct operation_call *call);
enum operation_code operation_key_show(struct operation_call *call);
enum operation_code operation_key_verify(struct operation_call *call);
enum operation_code operation_rotate(struct operation_call *call);
enum operation_code operation_emergency(struct operation_call *call);
enum operation_code operation_status(struct operation_call *call);
enum operation_code operation_drift(struct operation_call *call);
enum operation_code operation_gateway_list(struct operation_call *call);
enum operation_code operation_gateway_forget(struct operation_call *call);

#endif
