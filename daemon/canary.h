/*
 * canary.h - the keeper's part of SelfVerify: of which messages the signatures are to be verified,
 * by the front-end that has the message (selfverify.h), and what came of it for each key.
 *
 * Asked for are: one message in SelfVerify; the first SelfVerifyFirst signatures of each key that
 * is active for less than CANARY_YOUNG_S (of each process: after a restart again); and of a key
 * whose last one failed, one a second until it is known what is the matter. All of that at most
 * CANARY_EACH_SECOND times a second. Signing itself costs one comparison more.
 *
 * A front-end is not believed more than it has to be: only what was asked for is counted, once. It
 * can at most say that a key is bad which is good. What that can lead to is in lib/keys/life.h: an
 * alert, and nothing else unless signpost-admind sees the same.
 */
#ifndef SIGNPOST_DAEMON_CANARY_H
#define SIGNPOST_DAEMON_CANARY_H

#include "daemon/decision.h"
#include "daemon/frame.h"
#include "lib/keys/canary.h"

#define CANARY_YOUNG_S 604800
#define CANARY_EACH_SECOND 200U
#define CANARY_AGAIN_MS 1000        /* between two looks at a key whose last one failed */
#define CANARY_UNAVAILABLE_MS 10000 /* the same after DNS did not answer */
#define CANARY_TEXT 4096U           /* octets of all lines of a report */

struct canary;

/* every: one message in so many; first: of each key. 0: none. news(context) is called without a
 * lock when CANARY_FAILURES are reached, and when they are over; NULL: nobody wants to know. */
struct canary_config {
	uint32_t every, first;
	void (*news)(void *context);
	void *context;
};

struct canary *canary_new(const struct canary_config *config);
void canary_free(struct canary *canary); /* NULL is fine */

/* The fields of reply were signed with the keys of decision, in their order: marks those that the
 * front-end shall verify; their key_id is of the decision. Any thread. canary NULL is fine. */
void canary_mark(struct canary *canary, const struct decision *decision, struct reply *reply,
    int64_t now_utc, int64_t now_ms);
/* REQUEST_CHECKED of a front-end. false: that was not asked for. Any thread. */
bool canary_take(struct canary *canary, const struct request *request, int64_t now_ms);
/* Appends the lines of lib/keys/canary.h: keys that fail, then young ones that verified; as many as
 * have room. Any thread. */
void canary_lines(struct canary *canary, int64_t now_utc, struct buf *out);

#endif
