/*
 * gateway_report.h - what this gateway says of itself to the KeyStore, or to another one that is
 * given: its own row (struct store_gateway), by a handle that was opened for writing. Whoever
 * rotates keys waits for it before a new key signs.
 */
#ifndef SIGNPOST_DAEMON_GATEWAY_REPORT_H
#define SIGNPOST_DAEMON_GATEWAY_REPORT_H

#include "lib/store/keystore.h"

#define GATEWAY_DENIED_MS 600000 /* to the next try, where there is no right to report */
#define GATEWAY_LOOK_EVERY 30U   /* reports: is our row still ours? */

struct gateway_reporter {
	struct keystore *store; /* borrowed */
	struct span node;       /* borrowed */
	int64_t started_utc;    /* of this keeper */
	int64_t (*utc_ms)(void);
	/* private; zero at first */
	int64_t offset_ms;
	unsigned reports, foreign;
	bool denied, failing, told_foreign;
};

/* One report; logs what an operator has to know, once. failed: as of keytrial_tested(). ST_OK;
 * ST_DENIED: there is no right to, so gateways are waited for in another way; ST_UNAVAILABLE. One
 * thread. */
enum status gateway_report_send(
    struct gateway_reporter *reporter, uint64_t epoch, uint64_t tested, struct span failed);

#endif
