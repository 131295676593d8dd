/*
 * servers.c - does a configuration make the keeper ask servers for messages?
 * The parent asks, to know how many threads the keeper needs. It must never open anything.
 */
#include "lib/base/span.h"
#include "lib/conf/conf.h"

static bool
names_server(const char *text)
{
	static const char *const prefixes[] = {
	    "dsn:mysql:", "ldap:", "ldaps:", "ldapi:", "mysql:", "memcache:"};

	for (size_t i = 0; text != NULL && i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (span_istarts(span_trim(span_str(text)), span_str(prefixes[i])))
			return true;
	return false;
}

bool
conf_asks_servers(const struct conf *conf)
{
	if (conf_is_set(conf, CONF_MEMCACHED))
		return true;
	for (size_t i = 0; i < CONF_COUNT; i++) {
		enum conf_parameter parameter = (enum conf_parameter)i;

		if ((conf_type_of(parameter) == CONF_TYPE_DATASET || parameter == CONF_KEY_STORE) &&
		    names_server(conf_string(conf, parameter)))
			return true;
	}
	return false;
}
