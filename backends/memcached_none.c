/*
 * memcached_none.c - what needs memcached, in a build without libmemcached.
 * Called when the configuration names a server or a memcache: data set. It must never pretend that
 * there is one.
 */
#include "backends/registry.h"
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

static enum status
refuse(struct table *table, struct span value, struct err *err)
{
	(void)value;
	err_set(err,
	    "table type \"%s\" is not in this build; build it with libmemcached, or convert the "
	    "data to file: or refile:",
	    table->ops->type);
	return ST_INVALID;
}

const struct table_ops memcache_table_ops = {.type = "memcache", .open = refuse};
