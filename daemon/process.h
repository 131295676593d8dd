/*
 * process.h - the processes of signpostd and what each gives up. The parent forks all others and
 * never executes anything: a child begins with the parsed configuration and the sockets that are
 * named here, and first of all forgets and drops what it must not have.
 */
#ifndef SIGNPOST_DAEMON_PROCESS_H
#define SIGNPOST_DAEMON_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/channel.h"
#include "lib/conf/conf.h"

#define LISTENERS_MAX 16

struct listeners {
	size_t count;
	int fds[LISTENERS_MAX];
	char *unix_path; /* to be removed at exit, or NULL */
};

/* What both kinds of children are given. */
struct child_args {
	struct conf *conf; /* the child's copy: a front-end wipes it */
	struct channels *channels;
	struct listeners *listeners; /* the keeper closes them */
	pid_t parent;
	unsigned int index;     /* of a front-end */
	unsigned int threads;   /* of the keeper */
	int control;            /* the keeper tells the parent that it is ready, or why not */
	int64_t fixed_time_utc; /* -F, or -1 */
	bool reload;            /* another generation served before this one */
	bool draining;          /* a newer one serves: a keeper that was started again */
	/* The keeper: what seals answers of DNS for memcached while there is no site key. A
	 * front-end has it not. */
	const uint8_t *cache_key;
};

/* The keeper's word to the parent: one of these letters, then a sentence. */
#define KEEPER_READY 'R'
#define KEEPER_CANNOT 'E'

/* Sent by the parent. SIGUSR1: a newer generation accepts, finish what is open (reload).
 * SIGTERM: finish the messages under way, close what is idle (stop). The keeper: SIGUSR1: another
 * one reports for this gateway from now on. */
void frontend_run(const struct child_args *args) __attribute__((noreturn));
void keeper_run(const struct child_args *args) __attribute__((noreturn));

/* -n: opens and checks everything a keeper would, without serving. Exit status 0 or 78; says what
 * is wrong on the log. */
int keeper_check_only(const struct conf *conf);

/* First steps of a child: name, death with the parent, no core dump of secrets. */
void process_begin(const char *name, pid_t parent, bool holds_keys, bool core_dumps);
/* Front-end: no file can be opened and no program started from now on. ST_FAILED when the kernel
 * refuses; the caller goes on and logs it. */
enum status sandbox_enter(struct err *err) MUST_USE;

/* Opens Socket. exit_code_out: 69 when it is in use, 71, 78. */
enum status listeners_open(const struct conf *conf, struct listeners *listeners, int *exit_code_out,
    struct err *err) MUST_USE;
void listeners_close(struct listeners *listeners);
void listeners_unlink(const struct listeners *listeners);

#endif
