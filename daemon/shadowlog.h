/*
 * shadowlog.h - the keeper's part of ShadowReport: lines of front-ends go into a queue, and a
 * thread writes them. A disk that is slow or full costs lines, which are counted
 * (signpost_shadow_lines_lost_total) and said, and nobody waits for it.
 *
 * The file is opened when a configuration is loaded, so SIGHUP after a rename begins a new one.
 */
#ifndef SIGNPOST_DAEMON_SHADOWLOG_H
#define SIGNPOST_DAEMON_SHADOWLOG_H

#include <stdint.h>

#include "lib/base/span.h"
#include "lib/base/status.h"

#define SHADOWLOG_LINES_MAX 2048U    /* that wait to be written */
#define SHADOWLOG_BYTES_MAX 4194304U /* in all */
#define SHADOWLOG_SAY_EVERY_MS 60000 /* that lines are lost */
#define SHADOWLOG_SYSLOG "syslog"    /* in place of a file */

struct shadowlog;

/* where: a path, or "syslog"; bytes_max: the file does not grow beyond it. ST_INVALID: the file
 * cannot be opened. */
enum status shadowlog_open(
    const char *where, int64_t bytes_max, struct shadowlog **log_out, struct err *err) MUST_USE;
/* Starts the thread. ST_FAILED. */
enum status shadowlog_start(struct shadowlog *log, struct err *err) MUST_USE;
/* Takes a copy, or drops the line. Any thread; waits for nothing. */
void shadowlog_put(struct shadowlog *log, struct span line);
/* Writes what is in the queue and ends the thread. NULL is fine. */
void shadowlog_close(struct shadowlog *log);

#endif
