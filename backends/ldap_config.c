/*
 * ldap_config.c - what the configuration says about directories, kept for the life of a table.
 * Called by ldap.c when a table is opened.
 * It must never leave the password outside of secret memory, nor keep a pointer into the
 * configuration, which is gone when servers are asked.
 */
#include <string.h>

#include "backends/ldap_link.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

const struct ldaplink_words ldaplink_words = {.user = "LDAPBindUser",
    .login = "LDAPBindUser and LDAPBindPassword",
    .mechanism = "LDAPAuthMechanism, LDAPBindUser and LDAPBindPassword",
    .tls = "LDAPUseTLS yes",
    .ca_file = "LDAPTLSCAFile",
    .timeout = "LDAPTimeout",
    .rights = "LDAPBindUser may not write there; see ldif/acl.ldif",
    .schema = "is the schema of ldif/ loaded?"};

#define TIMEOUT_DEFAULT_S 5
#define TIMEOUT_MOST_S 3600

static char *
copy_of(const char *text)
{
	return text == NULL || text[0] == '\0' ? NULL : mem_strdup(text);
}

static enum status
copy_password(const char *text, struct ldaplink_config *out, struct err *err)
{
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

enum status
ldaplink_config_read(
    const struct table_settings *settings, struct ldaplink_config *out, struct err *err)
{
	static const struct table_settings defaults = {
	    .ldap_mechanism = "simple", .ldap_tls_verify = true};
	int64_t timeout_s;

	if (settings == NULL)
		settings = &defaults;
	memset(out, 0, sizeof(*out));
	out->words = &ldaplink_words;
	out->mechanism =
	    mem_strdup(settings->ldap_mechanism == NULL ? "simple" : settings->ldap_mechanism);
	out->bind_dn = copy_of(settings->ldap_bind_user);
	out->auth_name = copy_of(settings->ldap_auth_name);
	out->auth_realm = copy_of(settings->ldap_auth_realm);
	out->auth_user = copy_of(settings->ldap_auth_user);
	out->ca_file = copy_of(settings->ldap_tls_ca_file);
	out->start_tls = settings->ldap_start_tls;
	out->verify = settings->ldap_tls_verify;
	out->keepalive_idle = settings->ldap_keepalive_idle;
	out->keepalive_probes = settings->ldap_keepalive_probes;
	out->keepalive_interval = settings->ldap_keepalive_interval;
	timeout_s = settings->ldap_timeout_s > 0 ? settings->ldap_timeout_s : TIMEOUT_DEFAULT_S;
	out->timeout_ms = (timeout_s > TIMEOUT_MOST_S ? TIMEOUT_MOST_S : timeout_s) * 1000;
	return copy_password(settings->ldap_bind_password, out, err);
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
