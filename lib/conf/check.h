/*
 * check.h - do the parameters fit together, and does each value say something? On the text alone:
 * keys, tables and sockets are opened elsewhere. Called after conf_load() and the flags, by the
 * parent at the start, at a reload and for -n.
 */
#ifndef SIGNPOST_CONF_CHECK_H
#define SIGNPOST_CONF_CHECK_H

#include "lib/conf/conf.h"

/* Adds errors and warnings to the report, in a fixed order. ST_OK when there is no error (of this
 * check), else ST_INVALID. A Socket is checked when it is there. */
enum status conf_check(const struct conf *conf, struct conf_report *report) MUST_USE;

/* What only serving needs, and -n, -t and -Q do not: a Socket. */
enum status conf_check_serving(const struct conf *conf, struct conf_report *report) MUST_USE;

#endif
