/*
 * settings.c - from parameters of the configuration to what the backends are told.
 * Called by whoever opens a table for a configuration. It must never copy a password: what opens a
 * table keeps it in secret memory.
 */
#include "backends/settings.h"
#include "backends/registry.h"

static int
number_of(const struct conf *conf, enum conf_parameter parameter)
{
	return conf_is_set(conf, parameter) ? (int)conf_int(conf, parameter) : 0;
}

static void
read_ldap(const struct conf *conf, struct table_settings *out)
{
	out->ldap_mechanism = conf_string(conf, CONF_LDAP_AUTH_MECHANISM);
	out->ldap_bind_user = conf_string(conf, CONF_LDAP_BIND_USER);
	out->ldap_bind_password = conf_string(conf, CONF_LDAP_BIND_PASSWORD);
	out->ldap_auth_name = conf_string(conf, CONF_LDAP_AUTH_NAME);
	out->ldap_auth_realm = conf_string(conf, CONF_LDAP_AUTH_REALM);
	out->ldap_auth_user = conf_string(conf, CONF_LDAP_AUTH_USER);
	out->ldap_tls_ca_file = conf_string(conf, CONF_LDAP_TLS_CA_FILE);
	out->ldap_start_tls = conf_bool(conf, CONF_LDAP_USE_TLS);
	out->ldap_tls_verify = conf_bool(conf, CONF_LDAP_TLS_VERIFY);
	out->ldap_keepalive_idle = number_of(conf, CONF_LDAP_KEEPALIVE_IDLE);
	out->ldap_keepalive_probes = number_of(conf, CONF_LDAP_KEEPALIVE_PROBES);
	out->ldap_keepalive_interval = number_of(conf, CONF_LDAP_KEEPALIVE_INTERVAL);
	out->ldap_timeout_s = conf_int(conf, CONF_LDAP_TIMEOUT);
}

static void
read_settings(const struct conf *conf, struct table_settings *out)
{
	out->sql_tls = conf_bool(conf, CONF_SQL_TLS);
	out->sql_tls_verify = conf_bool(conf, CONF_SQL_TLS_VERIFY);
	out->sql_tls_ca_file = conf_string(conf, CONF_SQL_TLS_CA_FILE);
	read_ldap(conf, out);
}

const struct table_registry *
backend_registry_for(const struct conf *conf, struct backend_settings *room)
{
	read_settings(conf, &room->settings);
	room->registry = *backend_registry();
	room->registry.settings = &room->settings;
	return &room->registry;
}

const struct keystore_registry *
backend_keystores_for(const struct conf *conf, struct backend_settings *room)
{
	read_settings(conf, &room->settings);
	room->keystores = *backend_keystores();
	room->keystores.settings = &room->settings;
	return &room->keystores;
}
