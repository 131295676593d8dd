/*
 * log.h - one event, one line. Control characters and bytes above 0x7e are written as \xNN
 * whatever the caller passes, so that hostile bytes cannot forge a line. Never give it keys,
 * tokens, passwords or message text. A process that did not call log_open() logs to stderr.
 */
#ifndef SIGNPOST_BASE_LOG_H
#define SIGNPOST_BASE_LOG_H

#include <stdbool.h>

#include "lib/base/status.h"

/* The levels of syslog(3), by their values there. */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

/* Longest line, octets; a longer one ends in "...". */
#define LOG_LINE_MAX 2048

/* ident: program name in front of each line (copied). facility: a syslog(3) facility (LOG_MAIL);
 * to_syslog false means stderr. Call once per process before threads start. */
void log_open(const char *ident, int facility, bool to_syslog);
/* Also to stderr (foreground start-up errors). */
void log_also_stderr(bool on);
void log_threshold(enum log_level least);

/* Any thread. errno is kept. */
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A syslog facility's number by name ("mail", "LOCAL0"), or -1. */
int log_facility_number(const char *name);

#endif
