/*
 * reconciler_private.h - what the files reconciler*.c share: the turn while it is made.
 */
#ifndef SIGNPOST_ADMIN_API_RECONCILER_PRIVATE_H
#define SIGNPOST_ADMIN_API_RECONCILER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "admin-api/liferows.h"
#include "admin-api/makekey.h"
#include "admin-api/reconciler.h"
#include "admin-api/slots.h"
#include "lib/base/arena.h"
#include "lib/base/secretthread.h"
#include "lib/keys/life.h"

#define TURN_TEXT_MAX (256U << 20) /* octets of all texts that one turn makes */
#define RECORD_TEXT_MAX 8192U      /* octets of a record */

/* Why a domain has to wait for somebody. */
enum lane_kind { LANE_DNS, LANE_TROUBLE, LANE_MIRROR, LANE_KEYS };
#define LANE_KINDS 4
#define LANES_MAX 5U

/* One domain of a turn. */
struct work {
	struct life_domain life;
	const struct store_domain *row;
	const struct store_key *rows[LIFE_KEYS_MAX];    /* of life.keys, in their order */
	struct makekey_made *made[PLAN_ALGORITHMS_MAX]; /* new keys; NULL: none */
	char selectors[PLAN_ALGORITHMS_MAX][KEYSTORE_SELECTOR_MAX + 1]; /* theirs */
	struct slot slots[PLAN_ALGORITHMS_MAX]; /* those they get, of a delegation */
	struct life_decision decision;
	int64_t due;         /* to be written; 0: never */
	bool write;          /* something of it is to be written */
	bool stepped;        /* its steps without DNS were made: the rest is for the next turn */
	bool slow;           /* it is in a lane, or about to be */
	bool left;           /* it should be, and there is no room: for another turn */
	enum lane_kind kind; /* of such a one */
};

/* One action that asks or changes DNS. */
struct errand {
	struct work *work;
	size_t key; /* in work->life.keys */
	enum life_what what;
	struct span name, value; /* of its record; in the turn's arena */
	struct span target;      /* where it stands: name, or where the customer's CNAME leads */
	struct authority_question *question; /* about target */
	struct authority_question *way;      /* about name, when that matters, too; NULL */
	/* Of what changes DNS. */
	struct publisher *publisher;
	enum life_effect effect;
	char why[PUBLISH_WHY_BYTES];
	char sight_why[AUTHORITY_WHY_BYTES]; /* of errand_sight() */
	char sight_target[LIFE_TARGET_MAX + 1];
	bool too_long; /* its target would be no name */
	/* Of LIFE_CONFIRM and LIFE_CHECK. */
	enum life_found found;
	bool left; /* there was no time for it: nothing came of it */
};

/* Busy: it is in a lane, and not wanted. */
enum wanted_why { WANTED_BUSY, WANTED_DUE, WANTED_TOLD };

/* A domain that is looked at in this turn. */
struct wanted {
	struct span name;    /* in the turn's arena */
	size_t at;           /* in their order: those that are due first */
	enum wanted_why why; /* busy: in a lane, not wanted */
};

struct turn {
	struct reconciler *reconciler;
	struct arena arena;
	struct wanted *wanted;
	size_t wanted_count, told;      /* told: by load_want() */
	struct keystore_rows **answers; /* of lives(); what the spans of works point into */
	size_t answer_count;
	struct work *works;
	size_t work_count, slow_count;  /* slow: of a lane */
	struct authority **authorities; /* one for each prover */
	struct errand *errands;
	size_t errand_count;
	struct authority_question *questions; /* one for each errand, or two */
	size_t question_count;
	const char **mirrors_away; /* of mirrors_run(): why each is not asked any more; NULL */
	struct turn_provider *providers; /* that were looked up: reconciler_providers.c */
	struct keystore_rows *gateway_rows;
	struct liferows_gateways words;
	struct life_gateways gateways;
	int64_t now_utc; /* the store's, when the turn began */
	int64_t began_mono_ms;
	bool more;             /* there is more to do at once */
	bool crowded;          /* more domains are due than it could look at */
	bool again;            /* another turn finds room for what this one has left */
	bool without_keys;     /* new ones are made in another lane */
	bool full[LANE_KINDS]; /* there was no lane for them */
	bool waits;            /* nothing is wrong, but it has not heard all gateways yet */
};

/* What was changed by others: see reconciler_follow.c. Of the thread that makes turns. */
#define FOLLOW_SWEEP_PAGE 500U
#define FOLLOW_OWN_MAX 16384U
#define FOLLOW_LATER_MAX 256U
#define FOLLOW_TENANTS_MAX 64U

struct follow {
	uint64_t fence; /* of the lease when it began; 0: it has not */
	uint64_t since; /* the epoch up to which all changes were taken */
	struct store_change changes[KEYSTORE_CHANGES_MAX];
	/* How often this process has written a domain since then: that is told, too. */
	struct follow_own {
		uint64_t name; /* its number; 0: free */
		unsigned times;
	} own[FOLLOW_OWN_MAX];
	size_t own_count;
	/* Changes of a tenant for which all domains were looked at. A directory tells a change
	 * again and again until it has come to rest: then they are looked at again, but not at
	 * once. */
	struct follow_tenant {
		uint64_t epoch, name;
	} tenants[FOLLOW_TENANTS_MAX];
	size_t tenant_next;
	int64_t swept_all_mono_ms; /* when that was begun last */
	bool told_again;
};

/* Of the thread that makes turns, but for ended; the turn is the lane's until then. */
struct lane {
	struct reconciler *reconciler;
	struct secret_thread thread;
	struct turn *turn;
	enum lane_kind kind;
	bool used;
	atomic_bool ended;
};

struct reconciler {
	struct reconciler_config config;
	struct authority **authorities; /* for each prover one, and as many for each lane */
	pthread_mutex_t *publishing;    /* for each publisher: it is used by one thread at a time */
	pthread_mutex_t *mirroring;     /* for each mirror: likewise */
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
	bool newly; /* it became the leader, and made no turn since */
	/* Of the thread that makes turns. */
	int64_t clock_utc, clock_mono_ms; /* the store's time, when it was asked last; 0: never */
	int64_t failing_mono_ms;          /* domains of failing keys were looked for then */
	size_t failing_at;                /* the next one of them */
	int64_t led_since;                /* the store's time of its first turn as the leader */
	uint64_t epoch;                   /* of the store, the last that was seen */
	int64_t swept_mono_ms;            /* the last walk over all domains ended; 0: none did */
	bool sweeping, sweeps_all;        /* all: not only those that nobody planned a look at */
	bool sweeps_again;
	char swept[KEYSTORE_DOMAIN_MAX + 1]; /* the last one of it */
	struct follow follow;
	struct lane lanes[LANES_MAX];
	/* Of which a change was told while they were in a lane. */
	char later[FOLLOW_LATER_MAX][KEYSTORE_DOMAIN_MAX + 1];
	size_t later_count;
	struct census *census; /* of all domains, while this is the leader */
	uint64_t census_fence; /* of the lease under which it was begun; 0: it is empty */
};

/* ---- reconciler_guard.c: may anything be changed now? ---- */

enum status guard_lease(struct reconciler *reconciler, struct err *err) MUST_USE;
/* For what no transaction with a fence protects: will nobody else have the lease for so long? The
 * store is not asked. */
bool guard_leads(struct reconciler *reconciler, int64_t ms);
void guard_start(struct reconciler *reconciler); /* the thread that renews it */
void guard_stop(struct reconciler *reconciler);  /* and gives it back */
/* The store's clock into *now_out. ST_FAILED: it went backwards or jumped. */
enum status guard_clock(struct reconciler *reconciler, int64_t *now_out, struct err *err) MUST_USE;
/* What the gateways said, into the turn. ST_FAILED: one (or this program) has seen more of the
 * store than there is, or one that is known has said nothing since this is the leader, and may yet:
 * its row may be of a backup. */
enum status guard_gateways(struct turn *turn, struct err *err) MUST_USE;
/* The store's time now, from the turn's and the time since. */
int64_t guard_now(const struct turn *turn);

/* ---- reconciler.c ---- */

/* All that asks and changes DNS, new keys, and writes what came of it. */
enum status turn_finish(struct turn *turn, struct err *err) MUST_USE;

/* ---- reconciler_lanes.c: who has to be waited for ---- */

/* Gives lanes back that have ended. */
void lanes_reap(struct reconciler *reconciler);
void lanes_stop(struct reconciler *reconciler);
/* Domains that are in lanes: how many; each. */
size_t lanes_busy(const struct reconciler *reconciler);
void lanes_each_busy(const struct reconciler *reconciler,
    void (*visit)(struct turn *turn, struct span name), struct turn *turn);
/* Marks works that go into the lane; NULL: none does. */
struct lane *lanes_choose(struct turn *turn);
/* The turn is the lane's from now on. false: no thread can be had. */
bool lanes_start(struct lane *lane, struct turn *turn) MUST_USE;

/* ---- reconciler_load.c: rows into works ---- */

/* What is due, and what follow_changes() tells. ST_OK also if that is nothing. */
enum status load_works(struct turn *turn, struct err *err) MUST_USE;
/* This domain is looked at in this turn, too; as often as it is said, once. A copy is made. */
void load_want(struct turn *turn, struct span name);
void load_free(struct turn *turn); /* and the turn */
/* After anything happened: decides anew, and when to look again. */
void load_decide(struct turn *turn, struct work *work);

/* ---- reconciler_follow.c: what others changed ---- */

/* Calls load_want() for a page of it; turn->more: there are more. */
enum status follow_changes(struct turn *turn, struct err *err) MUST_USE;
/* A transaction of this process changed keys of the domain. */
void follow_wrote(struct reconciler *reconciler, struct span domain);
/* It was not written after all. */
void follow_did_not_write(struct reconciler *reconciler, struct span domain);
/* It was told, and is in a lane: it is told again. */
void follow_later(struct reconciler *reconciler, struct span domain);

/* ---- reconciler_census.c ---- */

/* A turn that went well; those of its domains that are for a lane as they are before. */
void census_turn(struct turn *turn);
/* The lane of a turn has ended. */
void census_lane(const struct turn *turn);
/* One that did not: what others changed may be lost with it, so that all is walked over again. */
void census_turn_failed(struct turn *turn);
/* Somebody else leads. */
void census_forget(struct reconciler *reconciler);

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
/* reconciler_sight.c: what was seen, as lib/keys/life.h wants it; its words are the errand's. */
struct life_sight errand_sight(struct errand *errand);
void errands_ask(struct turn *turn);
/* Is somebody to be asked? */
bool errand_asks_dns(enum life_what what);
/* PUBLISH, REVOKE, REMOVE. */
bool errand_changes_dns(enum life_what what);
/* reconciler_deliver.c */
void errands_publish(struct turn *turn);
/* Its publisher, read now or before in this turn. false: there is none, or nobody knows; effect and
 * why say it. One thread. */
bool errand_find_publisher(struct turn *turn, struct errand *errand);
void providers_close(struct turn *turn);
void errands_confirm(struct turn *turn);
/* What came of them, into the works. */
void errands_take(struct turn *turn);

/* ---- reconciler_mirror.c: foreign stores of plain keys ---- */

/* MIRROR, UNMIRROR. */
bool errand_mirrors(enum life_what what);
/* The intent, if the mirror can be had at all: what is refused here was never begun. */
bool mirror_intend(struct turn *turn, struct work *work, size_t index);
void mirrors_run(struct turn *turn);

/* ---- parallel.c ---- */

/* Calls run(context, index, thread) for each index below count, in threads many threads. */
typedef void parallel_run(void *context, size_t index, unsigned thread);
void parallel(unsigned threads, size_t count, parallel_run *run, void *context);

/* ---- reconciler_audit.c ---- */

/* The row of the audit for what work changes, in the turn's memory. false: nothing is recorded. */
bool audit_write(struct turn *turn, const struct work *work, struct keystore_write *out);

#endif
