/* query.h - signpostd -Q: look something up in a data set, as opendkim -Q does. */
#ifndef SIGNPOST_DAEMON_QUERY_H
#define SIGNPOST_DAEMON_QUERY_H

#include "lib/conf/conf.h"

/* conf: what servers are asked with, or NULL. Line 1 of standard input names the data set, each
 * following line is "query" or "query/fields". Answers on standard output. The exit status. */
int query_run(const char *program, const struct conf *conf);

#endif
