/*
 * generation.h - one configuration with its keeper, its front-ends and the sockets between them:
 * started, restarted, told to end. What happens when is decided in parent.c.
 */
#ifndef SIGNPOST_DAEMON_GENERATION_H
#define SIGNPOST_DAEMON_GENERATION_H

#include <stdint.h>
#include <sys/types.h>

#include "daemon/channel.h"
#include "daemon/parent.h"
#include "lib/store/sharedcache.h"

/* A process that ends right after its start is not started again before this has passed. */
#define RESTART_PAUSE_MS 1000

enum generation_state { STARTING, SERVING, DRAINING };

struct generation {
	struct generation *next; /* the one before it */
	enum generation_state state;
	struct conf *conf; /* owned */
	struct channels channels;
	unsigned int number, frontends, threads;
	pid_t keeper; /* 0: none */
	bool keeper_ready;
	int control;             /* from a keeper that is starting, or -1 */
	int64_t keeper_retry_ms; /* start the keeper then; 0: no need */
	pid_t pids[CHANNEL_FRONTENDS_MAX];
	int64_t started_ms[CHANNEL_FRONTENDS_MAX];
	int64_t retry_ms[CHANNEL_FRONTENDS_MAX]; /* start the front-end then; 0: no need */
	int64_t deadline_ms;                     /* draining ends then */
	bool told_to_stop;
};

struct generations {
	struct generation *newest;
	const struct parent_args *args;
	int signals; /* the parent's signalfd */
	unsigned int last_number;
	uint8_t cache_key[SHAREDCACHE_KEY_BYTES]; /* of all keepers; for sharing.h */
};

/* Takes conf over. NULL when there are no sockets to be had (logged). */
struct generation *generation_start(struct generations *all, struct conf *conf);
/* All its processes have ended. */
void generation_remove(struct generations *all, struct generation *generation);

void generation_start_frontend(
    struct generations *all, struct generation *generation, unsigned int index);
/* It died: at once, or after a pause if it had hardly begun. */
void generation_restart_frontend(
    struct generations *all, struct generation *generation, unsigned int index);
/* Starts what was put off until now. */
void generation_start_due(struct generations *all, struct generation *generation, int64_t now_ms);
/* When that will be next; INT64_MAX: nothing is put off. */
int64_t generation_next_start_ms(const struct generation *generation);

bool generation_has_frontends(const struct generation *generation);
void generation_signal(const struct generation *generation, int sig);
/* sig: SIGUSR1 or SIGTERM, see process.h; timeout_ms: until more is done about it. */
void generation_drain(struct generation *generation, int sig, int64_t timeout_ms);

#endif
