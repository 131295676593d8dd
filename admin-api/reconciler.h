/*
 * reconciler.h - carries out what lib/keys/life.h decides: asks which domains are due, reads their
 * rows, writes intents, changes DNS, looks at DNS, writes what came of it. Level-triggered: it
 * keeps nothing that it could not find again in the store and in DNS, so it may be killed between
 * any two instructions.
 *
 * One turn: lease -> clock -> due, and a page of what others changed -> lives -> decide -> the rows
 * that need no DNS in one transaction for up to KEYSTORE_BATCH_MAX rows -> publishers, a batch for
 * each zone -> proofs, by several threads -> what came of it, in one transaction. Every transaction
 * carries the fence of the lease. With lanes all that waits for somebody is done by threads of its
 * own, and the next turns go on with other domains.
 *
 * It stops changing anything (and says so in its state) when the store's clock steps, when it
 * lost the lease, and in safe mode: the store is behind what gateways or this process have seen of
 * it. Whoever begins to lead hears all gateways first, for gateway_silence_s at most.
 */
#ifndef SIGNPOST_ADMIN_API_RECONCILER_H
#define SIGNPOST_ADMIN_API_RECONCILER_H

#include <stdbool.h>
#include <stdint.h>

#include "admin-api/census.h"
#include "admin-api/publish.h"
#include "lib/dns/authority.h"
#include "lib/store/keystore.h"
#include "lib/store/sitekey.h"

#define RECONCILER_LEASE "reconciler"

struct mirror; /* admin-api/mirror.h */
struct reconciler;

struct reconciler_config {
	struct keystore *store;  /* opened for writing; borrowed, as all else here */
	struct sitekey *sitekey; /* NULL: no key can be made or proven */
	struct publisher *const *publishers;
	size_t publisher_count;
	struct mirror *const *mirrors;
	size_t mirror_count;
	struct authority_config authority;
	const char *owner; /* of the lease: this process */
	int64_t lease_s;   /* 30 */
	int64_t
	    gateway_silence_s; /* a gateway that said nothing for so long is not waited for; 60 */
	bool records;          /* the store has room for an audit */
	bool providers;        /* and for DNS providers of tenants, as it was at the start */
	size_t batch;          /* domains of one turn; 1000 */
	unsigned provers;      /* threads that ask DNS; 8 */
	unsigned makers;       /* threads that generate keys; one for each core */
	/* Domains that wait for DNS, a hook or new keys are worked on by threads of their own, and
	 * other turns are made meanwhile. false: a turn lasts until all of it is done. */
	bool lanes;
};

enum status reconciler_new(
    const struct reconciler_config *config, struct reconciler **out, struct err *err) MUST_USE;
void reconciler_free(struct reconciler *reconciler); /* gives the lease back; NULL is fine */

/* One turn. *next_s_out: in how many seconds another one makes sense (0: at once). ST_OK;
 * ST_DENIED: somebody else has the lease; ST_UNAVAILABLE: the store; ST_FAILED: frozen or safe
 * mode, err says why. One thread. */
enum status reconciler_turn(
    struct reconciler *reconciler, int64_t *next_s_out, struct err *err) MUST_USE;
/* Another turn is wanted soon: an operator changed something. Any thread. */
void reconciler_wake(struct reconciler *reconciler);
/* Can be read when one is wanted; reconciler_woken() makes it quiet again. Of whoever makes turns.
 */
int reconciler_wake_fd(const struct reconciler *reconciler);
void reconciler_woken(struct reconciler *reconciler);

struct reconciler_state {
	bool leader;
	char leader_name[KEYSTORE_LEASE_MAX + 1];
	char frozen[ERR_TEXT_MAX]; /* why nothing is changed; "" */
	uint64_t turns, generated, published, proven, activated, revoked, removed, destroyed,
	    failed, rolled_back, store_errors, publisher_errors;
};
void reconciler_state(struct reconciler *reconciler, struct reconciler_state *out); /* any thread */
/* Counts of keys as of the last turn, at no cost for the store. false: this is not the leader, or
 * has not gone over all domains yet. Any thread. */
bool reconciler_census(struct reconciler *reconciler, struct census_counts *out);

#endif
