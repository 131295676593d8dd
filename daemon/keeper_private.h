/*
 * keeper_private.h - what the files of the keeper share: all that its threads use, and shadow
 * mode. For keeper*.c only.
 */
#ifndef SIGNPOST_DAEMON_KEEPER_PRIVATE_H
#define SIGNPOST_DAEMON_KEEPER_PRIVATE_H

#include "daemon/canary.h"
#include "daemon/decision.h"
#include "daemon/dnsshare.h"
#include "daemon/frame.h"
#include "daemon/gateway.h"
#include "daemon/keycache.h"
#include "daemon/settings.h"
#include "daemon/shadowlog.h"
#include "daemon/sharing.h"

/* Does not change once it is open. */
struct keeper {
	struct settings *settings;
	struct rules *rules;
	struct keycache *cache;
	struct unsealer *unsealer;
	struct gateway *gateway;   /* of the KeyStore, or NULL */
	struct canary *canary;     /* SelfVerify, or NULL */
	struct mailhour *mailhour; /* with a KeyStore, or NULL */
	struct domainhour *domainhour;
	struct sharedcache *shared; /* Memcached, or NULL */
	struct shadowlog *report;   /* ShadowReport, or NULL */
	bool reload;
	struct dnsshare_site dns; /* whose answers of DNS are shared */
	const struct channels *channels;
	int64_t fixed_time_utc;
};

/* Reads the configuration and opens all that it names; zeroed before, but for channels, reload and
 * fixed_time_utc. Before any thread. What was opened is in keeper whatever the answer; err: what an
 * operator has to mend. cache_key: of generations before, or NULL. */
enum status keeper_open(struct keeper *keeper, const struct conf *conf, const uint8_t *cache_key,
    struct err *err) MUST_USE;

/* ---- shadow mode (ShadowReport) ---- */

/* The file is opened. Without the parameter nothing is. */
enum status keeper_shadow_open(
    struct keeper *keeper, const struct conf *conf, struct err *err) MUST_USE;
/* Its thread, and a word to the operator. ST_FAILED. */
enum status keeper_shadow_start(
    struct keeper *keeper, const struct conf *conf, struct err *err) MUST_USE;
/* As decision_make(), for REQUEST_SHADOW; decision_release(). Any thread. */
void keeper_shadow_decide(
    const struct keeper *keeper, const struct request *request, struct decision *decision);
/* What the answer would have been becomes a report. Any thread. */
void keeper_shadow_answer(const struct keeper *keeper, const struct request *request,
    const struct decision *decision, struct reply *reply);

#endif
