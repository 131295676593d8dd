/*
 * ldap_config.c - the LDAP parameters of a configuration, kept for the life of a table.
 * Called by ldap.c when a table is opened.
 * It must never leave the password outside of secret memory, nor keep a pointer into the
 * configuration, which is gone when servers are asked.
 */
#include <string.h>

#include "backends/ldap_link.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/conf/conf.h"

#define TIMEOUT_DEFAULT_S 5
#define TIMEOUT_MOST_S 3600

static char *
copy_of(const struct conf *conf, enum conf_parameter parameter)
{
	const char *text = conf_string(conf, parameter);

	return text == NULL || text[0] == '\0' ? NULL : mem_strdup(text);
}

static enum status
read_password(const struct conf *conf, struct ldaplink_config *out, struct err *err)
{
	const char *text = conf_string(conf, CONF_LDAP_BIND_PASSWORD);

	if (text == NULL)
		return ST_OK;
	out->password = secret_malloc(strlen(text) + 1);
	if (out->password == NULL) {
		err_set(err, "no secret memory left for LDAPBindPassword");
		return ST_UNAVAILABLE;
	}
	memcpy(out->password, text, strlen(text) + 1);
	return ST_OK;
}

static int
number_of(const struct conf *conf, enum conf_parameter parameter)
{
	return conf_is_set(conf, parameter) ? (int)conf_int(conf, parameter) : 0;
}

static enum status
read_conf(const struct conf *conf, struct ldaplink_config *out, struct err *err)
{
	int64_t timeout_s = conf_int(conf, CONF_LDAP_TIMEOUT);

	mem_free(out->mechanism);
	out->mechanism = mem_strdup(conf_string(conf, CONF_LDAP_AUTH_MECHANISM));
	out->bind_dn = copy_of(conf, CONF_LDAP_BIND_USER);
	out->auth_name = copy_of(conf, CONF_LDAP_AUTH_NAME);
	out->auth_realm = copy_of(conf, CONF_LDAP_AUTH_REALM);
	out->auth_user = copy_of(conf, CONF_LDAP_AUTH_USER);
	out->ca_file = copy_of(conf, CONF_LDAP_TLS_CA_FILE);
	out->start_tls = conf_bool(conf, CONF_LDAP_USE_TLS);
	out->verify = conf_bool(conf, CONF_LDAP_TLS_VERIFY);
	out->keepalive_idle = number_of(conf, CONF_LDAP_KEEPALIVE_IDLE);
	out->keepalive_probes = number_of(conf, CONF_LDAP_KEEPALIVE_PROBES);
	out->keepalive_interval = number_of(conf, CONF_LDAP_KEEPALIVE_INTERVAL);
	if (timeout_s > 0)
		out->timeout_ms = (timeout_s > TIMEOUT_MOST_S ? TIMEOUT_MOST_S : timeout_s) * 1000;
	return read_password(conf, out, err);
}

enum status
ldaplink_config_read(const struct conf *conf, struct ldaplink_config *out, struct err *err)
{
	memset(out, 0, sizeof(*out));
	out->mechanism = mem_strdup("simple");
	out->verify = true;
	out->timeout_ms = TIMEOUT_DEFAULT_S * 1000;
	return conf == NULL ? ST_OK : read_conf(conf, out, err);
}

void
ldaplink_config_free(struct ldaplink_config *config)
{
	mem_free(config->mechanism);
	mem_free(config->bind_dn);
	secret_free(config->password);
	mem_free(config->auth_name);
	mem_free(config->auth_realm);
	mem_free(config->auth_user);
	mem_free(config->ca_file);
	memset(config, 0, sizeof(*config));
}
