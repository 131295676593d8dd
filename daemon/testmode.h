/*
 * testmode.h - signpostd -t: messages in files, verified with the configuration's resolver and
 * rules. Main thread, before anything was forked.
 */
#ifndef SIGNPOST_DAEMON_TESTMODE_H
#define SIGNPOST_DAEMON_TESTMODE_H

#include <stdint.h>

#include "lib/conf/conf.h"

/* Borrowed. */
struct testmode {
	const char *program;
	const char *files;      /* names separated by commas; "-" is the standard input */
	int64_t fixed_time_utc; /* -F, or -1: the clock */
	unsigned int verbose;   /* 1 and more: the Authentication-Results field too */
};

/* Prints, as opendkim does, to stdout for each signature
 *   PROGRAM: FILE: verification (s=SEL, d=DOM, N-bit key) succeeded
 * or "failed: WHY", or "PROGRAM: FILE: message not signed". Answers the exit status: 0; EX_DATAERR:
 * a message has signatures and none of them verifies, or is no message; EX_UNAVAILABLE: a file
 * cannot be read; EX_CONFIG: the configuration does not fit. */
int testmode_run(const struct conf *conf, const struct testmode *options);

#endif
