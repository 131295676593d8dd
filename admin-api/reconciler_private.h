/*
 * reconciler_private.h - what the files reconciler*.c share: the turn while it is made.
 */
#ifndef SIGNPOST_ADMIN_API_RECONCILER_PRIVATE_H
#define SIGNPOST_ADMIN_API_RECONCILER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "admin-api/makekey.h"
#include "admin-api/reconciler.h"
#include "lib/base/arena.h"
#include "lib/keys/life.h"

#define TURN_TEXT_MAX (256U << 20) /* octets of all texts that one turn makes */
#define RECORD_TEXT_MAX 8192U      /* octets of a record */

/* One domain of a turn. */
struct work {
	struct life_domain life;
	const struct store_domain *row;
	const struct store_key *rows[LIFE_KEYS_MAX];    /* of life.keys, in their order */
	struct makekey_made *made[PLAN_ALGORITHMS_MAX]; /* new keys; NULL: none */
	char selectors[PLAN_ALGORITHMS_MAX][KEYSTORE_SELECTOR_MAX + 1]; /* theirs */
	struct life_decision decision;
	int64_t due;  /* to be written; 0: never */
	bool write;   /* something of it is to be written */
	bool stepped; /* its steps without DNS were made: the rest is for the next turn */
};

/* One action that asks or changes DNS. */
struct errand {
	struct work *work;
	size_t key; /* in work->life.keys */
	enum life_what what;
	struct span name, value; /* of its record; in the turn's arena */
	struct authority_question *question;
	/* Of what changes DNS. */
	struct publisher *publisher;
	enum life_effect effect;
	char why[PUBLISH_WHY_BYTES];
	/* Of LIFE_CONFIRM. */
	bool confirmed;
	bool left; /* there was no time for it: nothing came of it */
};

struct turn {
	struct reconciler *reconciler;
	struct arena arena;
	struct keystore_rows **answers; /* of lives(); what the spans of works point into */
	size_t answer_count;
	struct work *works;
	size_t work_count;
	struct errand *errands;
	size_t errand_count;
	struct authority_question *questions; /* one for each errand */
	struct keystore_rows *gateway_rows;
	struct life_gateways gateways;
	int64_t now_utc; /* the store's, when the turn began */
	int64_t began_mono_ms;
	bool more; /* there is more to do at once */
};

struct reconciler {
	struct reconciler_config config;
	struct authority **authorities; /* one for each prover */
	pthread_mutex_t lock;           /* of what is below it */
	pthread_cond_t stop;            /* of the thread that renews the lease */
	struct reconciler_state state;
	bool stopping;
	int wake_fd; /* an eventfd */
	/* The lease, renewed by a thread of its own while a turn takes its time. */
	pthread_t keeper;
	bool keeper_runs;
	struct store_lease lease;
	bool leads;
	int64_t lease_until_mono_ms;
	/* Of the thread that makes turns. */
	int64_t clock_utc, clock_mono_ms; /* the store's time, when it was asked last; 0: never */
	int64_t swept_mono_ms;            /* the last walk over all domains ended; 0: none did */
	bool sweeping;
	char swept[KEYSTORE_DOMAIN_MAX + 1]; /* the last one of it */
};

/* ---- reconciler_guard.c: may anything be changed now? ---- */

enum status guard_lease(struct reconciler *reconciler, struct err *err) MUST_USE;
void guard_start(struct reconciler *reconciler); /* the thread that renews it */
void guard_stop(struct reconciler *reconciler);  /* and gives it back */
/* The store's clock into *now_out. ST_FAILED: it went backwards or jumped. */
enum status guard_clock(struct reconciler *reconciler, int64_t *now_out, struct err *err) MUST_USE;
/* What the gateways said, into the turn. ST_FAILED: one has seen more of the store than there is.
 */
enum status guard_gateways(struct turn *turn, struct err *err) MUST_USE;
/* The store's time now, from the turn's and the time since. */
int64_t guard_now(const struct turn *turn);

/* ---- reconciler_load.c: rows into works ---- */

/* ST_OK also if nothing is due. */
enum status load_due(struct turn *turn, struct err *err) MUST_USE;
/* Gives domains that no look was planned for one, a page at a time. */
enum status load_sweep(struct turn *turn, struct err *err) MUST_USE;
void load_free(struct turn *turn);
/* After anything happened: decides anew, and when to look again. */
void load_decide(struct turn *turn, struct work *work);

/* ---- reconciler_commit.c ---- */

/* Writes the works that are to be written. A domain whose rows somebody else has changed is left as
 * it is, and looked at again. ST_DENIED: the lease is gone, nothing more is written;
 * ST_UNAVAILABLE. */
enum status commit_works(struct turn *turn, struct err *err) MUST_USE;

/* ---- reconciler_steps.c: what needs no DNS, and the keys that are made ---- */

void steps_run(struct turn *turn);
void steps_generate(struct turn *turn);

/* ---- reconciler_errands.c: what asks DNS, and what changes it ---- */

void errands_collect(struct turn *turn);
void errands_ask(struct turn *turn);
/* PUBLISH, REVOKE, REMOVE. */
bool errand_changes_dns(enum life_what what);
/* reconciler_deliver.c */
void errands_publish(struct turn *turn);
void errands_confirm(struct turn *turn);
/* What came of them, into the works. */
void errands_take(struct turn *turn);

/* ---- reconciler_proof.c ---- */

/* The key of a row, opened; key_free(). As sealedkey_open() and key_parse(). */
enum status proof_open_key(struct sitekey *sitekey, const struct store_key *row, struct key **out,
    struct err *err) MUST_USE;
/* A message signed with the key verifies with this record. ST_OK; ST_INVALID and a sentence. */
enum status proof_verify(struct sitekey *sitekey, const struct store_key *row, struct span record,
    int64_t now_utc, struct err *err) MUST_USE;

/* ---- parallel.c ---- */

/* Calls run(context, index, thread) for each index below count, in threads many threads. */
typedef void parallel_run(void *context, size_t index, unsigned thread);
void parallel(unsigned threads, size_t count, parallel_run *run, void *context);

#endif
