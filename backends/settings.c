/*
 * settings.c - from parameters of the configuration to what the backends are told.
 * Called by whoever opens a table for a configuration. It must never hold a password.
 */
#include "backends/settings.h"
#include "backends/registry.h"

const struct table_registry *
backend_registry_for(const struct conf *conf, struct backend_settings *room)
{
	room->settings.sql_tls = conf_bool(conf, CONF_SQL_TLS);
	room->settings.sql_tls_verify = conf_bool(conf, CONF_SQL_TLS_VERIFY);
	room->settings.sql_tls_ca_file = conf_string(conf, CONF_SQL_TLS_CA_FILE);
	room->registry = *backend_registry();
	room->registry.settings = &room->settings;
	return &room->registry;
}
