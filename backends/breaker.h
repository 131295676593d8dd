/*
 * breaker.h - when to ask a server that did not answer. While it is away nobody waits for it: all
 * are refused at once, but one, who tries again after 1, 2 and then every 3 seconds. Pure: the time
 * is an argument, and the caller has a lock around all calls.
 */
#ifndef SIGNPOST_BACKENDS_BREAKER_H
#define SIGNPOST_BACKENDS_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_FIRST_MS 1000 /* until the first new try */
#define BREAKER_MOST_MS 3000  /* between two tries, and what one may take */
#define BREAKER_PAUSE_MS 250  /* after a try that took all that time */

struct breaker {
	bool open;        /* the server is away */
	bool trying;      /* somebody is asking whether it is back */
	int64_t next_ms;  /* of the next try */
	int64_t delay_ms; /* from the last try to the next */
};

enum breaker_turn {
	BREAKER_ASK,   /* the server is there */
	BREAKER_TRY,   /* ask, for BREAKER_MOST_MS at most: you alone find out */
	BREAKER_REFUSE /* it is away; say so at once */
};

/* Zeroed is a server that is there. Whoever gets BREAKER_TRY ends with good or bad. */
enum breaker_turn breaker_turn(struct breaker *breaker, int64_t now_ms);
/* It answered. true: it was away. */
bool breaker_good(struct breaker *breaker);
/* It did not. began_ms: when the question began; now_ms: now. true: it was there until now. */
bool breaker_bad(struct breaker *breaker, enum breaker_turn turn, int64_t began_ms, int64_t now_ms);

#endif
