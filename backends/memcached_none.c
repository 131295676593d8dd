/*
 * memcached_none.c - what is shared through memcached, in a build without libmemcached.
 * Called when the configuration names a server. It must never pretend that there is one.
 */
#include "lib/store/shared.h"

enum status
memcached_open(const char *spec, struct shared **out, struct err *err)
{
	(void)spec;
	*out = NULL;
	err_set(err, "memcached is not in this build; build it with libmemcached, or leave "
		     "Memcached out of the configuration");
	return ST_INVALID;
}
