/*
 * memstore.h - a key store in memory for tests: honest, or with faults that are switched on. It
 * answers by walking over all rows, so it shares nothing with an index or a statement.
 */
#ifndef SIGNPOST_TESTS_LIB_MEMSTORE_H
#define SIGNPOST_TESTS_LIB_MEMSTORE_H

#include "lib/store/keystore.h"

enum memstore_question {
	MEMSTORE_SENDERS,
	MEMSTORE_ADDRESS,
	MEMSTORE_PATTERNS,
	MEMSTORE_KEYS,
	MEMSTORE_BINDINGS,
	MEMSTORE_CHANGES,
	MEMSTORE_NOW,
	MEMSTORE_APPLY, /* and apply_fenced */
	MEMSTORE_LIST,
	MEMSTORE_DUE,
	MEMSTORE_LIVES,
	MEMSTORE_LOADING,
	MEMSTORE_GATEWAYS, /* and forget */
	MEMSTORE_REPORT,
	MEMSTORE_LEASE,
	MEMSTORE_ADMIN, /* token, reply, forget_replies, audits, audit_head */
	MEMSTORE_QUESTIONS
};

/* What a store that was broken or taken over might answer. May be combined. */
enum memstore_lie {
	MEMSTORE_OTHER_NAMES = 1U << 0,    /* all rows, whatever was asked for */
	MEMSTORE_OTHER_TENANTS = 1U << 1,  /* each row again, as tenant "intruder"'s, in front */
	MEMSTORE_WRONG_SELECTORS = 1U << 2 /* keys with a selector that cannot be */
};

#define MEMSTORE_CHANGES_KEPT 256U
#define MEMSTORE_LEASES_MAX 8U

struct memstore {
	/* The world. Add with the functions below or keystore_rows_add_*(); fields of rows may be
	 * changed in place while nobody asks. */
	struct keystore_rows *all;
	int64_t now_utc; /* what "now" answers */
	uint64_t epoch;
	char identity[KEYSTORE_IDENTITY_BYTES]; /* at random; may be changed, or emptied */
	struct store_change changes[MEMSTORE_CHANGES_KEPT];
	size_t change_count;
	struct store_lease leases[MEMSTORE_LEASES_MAX];
	size_t lease_count;
	struct memstore_text *texts; /* of lives that were written; private */
	/* Faults, each switched while nobody asks. */
	enum status status[MEMSTORE_QUESTIONS]; /* other than ST_OK: the answer */
	unsigned delay_ms[MEMSTORE_QUESTIONS];
	/* What apply() writes is written, and then it answers ST_UNAVAILABLE all the same, as when
	 * a connection is cut before the answer. So often; counts down. */
	unsigned lost_answers;
	unsigned lies;              /* enum memstore_lie */
	bool rules_without_tenants; /* the tenants of rules are not in the answers */
	/* Called with each answer before it is given out; may add to it and change it. */
	void (*tamper)(
	    void *context, enum memstore_question question, struct keystore_rows *answer);
	void *tamper_context;
	/* How often each question was asked. */
	atomic_uint asked[MEMSTORE_QUESTIONS];
};

/* Scheme "memory"; opens empty. Writes one after the other, while nobody asks; pointers to rows are
 * of no use after one. Its clock is now_utc. */
extern const struct keystore_ops memstore_ops;

/* An empty store; keystore_close() frees it. */
struct keystore *memstore_new(void);
/* The same with a clock that stands; for tables of makers, whose stores in files have a name. */
struct keystore *memstore_make(const char *name);
struct memstore *memstore_of(struct keystore *store);
/* Forgets all rows, changes and faults; the epoch goes on. */
void memstore_clear(struct keystore *store);
/* Every question but "changes" and "now" answers status; ST_OK: as it should. */
void memstore_fail(struct keystore *store, enum status status);
unsigned memstore_asked(struct keystore *store, enum memstore_question question);
void memstore_forget_asked(struct keystore *store);

/* Rows by the fields that most tests need; the others can be set in the row that is answered, until
 * the next one of its kind is added. */
struct store_tenant *memstore_tenant(struct keystore *store, const char *name);
struct store_domain *memstore_domain(
    struct keystore *store, const char *name, const char *tenant, bool subdomains);
struct store_rule *memstore_rule(struct keystore *store, enum store_rule_kind kind, const char *id,
    const char *tenant, const char *subject, const char *domain);
/* An RSA key that has been active since `active` (0: PREPARED). */
struct store_key *memstore_key(struct keystore *store, const char *tenant, const char *domain,
    const char *selector, int64_t active);
void memstore_binding(struct keystore *store, const char *subject, const char *tenant);
/* "d:DOMAIN", "t:TENANT", "b:": the next epoch. Adding rows does not say this by itself. */
void memstore_changed(struct keystore *store, const char *subject);

#endif
