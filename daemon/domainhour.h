/*
 * domainhour.h - the mail of the last hour by signing domain: of the domains that have most of it,
 * and of those whose mail fails. For the gateway's row of the KeyStore.
 *
 * A table of DOMAINHOUR_DOMAINS places, whatever the number of domains. One that finds no place
 * takes that of the quietest of a few others (failures weigh more); what that one had is added to
 * what its neighbours may have had unseen, and is told as such: what is told is never more than
 * there was, and with "more" never less.
 */
#ifndef SIGNPOST_DAEMON_DOMAINHOUR_H
#define SIGNPOST_DAEMON_DOMAINHOUR_H

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/keys/mailword.h"

#define DOMAINHOUR_DOMAINS 1024U
/* Octets of all lines of a report, which is written every few seconds. */
#define DOMAINHOUR_TEXT 4096U

struct domainhour;

struct domainhour *domainhour_new(int64_t now_s);
void domainhour_free(struct domainhour *hour); /* NULL is fine */

/* One message of a domain. hour NULL and domain empty are fine. reason: of METRIC_UNSIGNED or
 * METRIC_TEMPFAIL; of MAIL_SIGNED nothing. now_s: any clock that is not set back, always the same.
 * Any thread; a short lock. */
void domainhour_count(struct domainhour *hour, struct span domain, enum mail_fate fate,
    unsigned int reason, int64_t now_s);
/* Appends the lines of lib/keys/mailword.h, DOMAINHOUR_TEXT octets at most: who has most failures
 * first, then who has most mail. Nothing if there is no room for any. */
void domainhour_lines(struct domainhour *hour, int64_t now_s, struct buf *out);

#endif
