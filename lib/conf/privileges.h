/*
 * privileges.h - ChangeRootDirectory and UserID: a daemon becomes somebody who can do less, for
 * good.
 */
#ifndef SIGNPOST_CONF_PRIVILEGES_H
#define SIGNPOST_CONF_PRIVILEGES_H

#include "lib/conf/conf.h"

/* Once, before threads start. 0, or the exit status, and a sentence. */
int privileges_drop(const struct conf *conf, struct err *err);

#endif
