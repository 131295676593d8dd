/*
 * gateway.h - this signpostd as one of several gateways of a KeyStore: it tries the keys that wait
 * to be used (keytrial.h), and says which changes it has in force and which keys it can use
 * (gateway_report.h). Two threads of the keeper, which no message waits for and which hold nothing
 * that one needs.
 *
 * What it says of an epoch is true of every answer that is given from then on: cached_keystore.h.
 */
#ifndef SIGNPOST_DAEMON_GATEWAY_H
#define SIGNPOST_DAEMON_GATEWAY_H

#include "daemon/canary.h"
#include "daemon/domainhour.h"
#include "daemon/mailhour.h"
#include "daemon/unsealer.h"
#include "lib/conf/conf.h"
#include "lib/store/keystore.h"

struct gateway;

struct gateway_config {
	struct keystore *store;    /* the KeyStore, through the caches of the workers; borrowed */
	struct unsealer *unsealer; /* borrowed */
	struct canary *canary;     /* borrowed; NULL: signatures are not verified */
	struct mailhour *mailhour; /* borrowed; NULL: mail is not spoken of */
	struct domainhour *domainhour; /* the same of mail by domain */
	struct keystore *report; /* opened for writing; taken over. NULL: nothing is reported */
	const char *node;        /* copied, in lower case; NULL: the host's name */
	int64_t poll_ms, report_ms;
};

/* ST_INVALID: the name is none that a gateway can have. Starts nothing. */
enum status gateway_new(
    const struct gateway_config *config, struct gateway **out, struct err *err) MUST_USE;
/* The rest of it by GatewayName, GatewayReport and so on. *out NULL: there is no KeyStore.
 * ST_INVALID: GatewayReport names no store. */
enum status gateway_open(const struct conf *conf, const struct gateway_config *borrowed,
    struct gateway **out, struct err *err) MUST_USE;
/* ST_FAILED: no thread. */
enum status gateway_start(struct gateway *gateway, struct err *err) MUST_USE;
/* There is something to report that should not wait for its time. NULL is fine. Any thread. */
void gateway_news(struct gateway *gateway);
/* A newer keeper of this gateway reports from now on: this one says nothing any more, and tries no
 * keys. It still signs for sessions that end, by what it polls and as far as leases allow. Any
 * thread. */
void gateway_retire(struct gateway *gateway);
/* Ends the threads, which may take as long as one question to a store. NULL is fine. */
void gateway_free(struct gateway *gateway);

/* What was said last, or would be: for tests. */
uint64_t gateway_epoch(const struct gateway *gateway);
uint64_t gateway_tested(struct gateway *gateway, struct buf *failed);
const char *gateway_name(const struct gateway *gateway);

#endif
