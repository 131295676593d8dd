/*
 * parent.h - the process that starts, restarts and reloads the others. It parses configuration and
 * nothing else, and holds the listening sockets.
 *
 * A generation is one configuration with its keeper, its front-ends and the sockets between them.
 * A reload starts the next generation beside the present one; when its keeper has opened
 * everything, its front-ends accept and the old ones finish what they have. If it fails, nothing
 * has changed.
 */
#ifndef SIGNPOST_DAEMON_PARENT_H
#define SIGNPOST_DAEMON_PARENT_H

#include "daemon/process.h"

struct parent_args {
	struct conf *conf; /* taken over */
	struct listeners *listeners;
	int64_t fixed_time_utc;
	bool detached; /* Background: children write nothing to the starter's stderr */
	/* Reads the configuration again, with the same command line; logs what is wrong and returns
	 * NULL if it cannot be used. The result is owned by the parent. */
	struct conf *(*reload)(void *context);
	void *context;
	/* Called once, when the first generation serves (Background: lets the caller's shell go).
	 */
	void (*serving)(void *context);
};

/* Serves until SIGTERM. The exit status: 0, 69 (restart limit), 71, 78. All signals of the parent
 * are blocked on return. */
int parent_run(const struct parent_args *args);

#endif
