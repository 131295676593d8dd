/*
 * zimbra_config.c - where Zimbra's directory is, and as whom it is asked: options, else
 * localconfig.xml.
 * Called by zimbra_directory.c. It must never put a password into ordinary memory or a sentence,
 * nor take one from a file for a user that the command line names.
 */
#include "config.h"

#include <string.h>
#include <sysexits.h>

#include "backends/ldap_link.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/store/keyfile.h"
#include "tools/cli.h"
#include "tools/zimbra.h"
#include "tools/zimbra_localconfig.h"

#define TIMEOUT_S 30 /* as Zimbra has it for opendkim */

/* What is known so far; all borrowed. */
struct found {
	const char *urls, *user, *password;
	bool start_tls;
};

/* secret_free it. NULL: said. */
static char *
read_secret_file(const char *program, const char *path, size_t *n_out)
{
	struct keyfile_stamp stamp;
	struct err err = ERR_NONE;
	char *text = NULL;

	if (keyfile_read(path, false, &text, n_out, &stamp, &err) == ST_OK)
		return text;
	cli_say(program, "%s", err.text[0] != '\0' ? err.text : path);
	return NULL;
}

static int
read_localconfig(const char *program, const struct zimbra_request *request, struct localconfig *out)
{
	struct err err = ERR_NONE;
	enum status status;
	size_t n = 0;
	char *text = read_secret_file(program, request->localconfig, &n);

	if (text == NULL) {
		cli_say(program, "--localconfig=FILE, or --ldap-url, --bind-dn and "
				 "--bind-password-file, say where Zimbra's directory is");
		return EX_CONFIG;
	}
	status = localconfig_parse(span_of(text, n), out, &err);
	secret_free(text);
	if (status == ST_OK)
		return EX_OK;
	cli_say(program, "%s: %s", request->localconfig, err.text);
	return status == ST_INVALID ? EX_CONFIG : EX_OSERR;
}

/* One line. */
static int
read_password(const char *program, const char *path, char **out)
{
	size_t n = 0;

	*out = read_secret_file(program, path, &n);
	if (*out == NULL)
		return EX_CONFIG;
	(*out)[strcspn(*out, "\r\n")] = '\0';
	if ((*out)[0] != '\0')
		return EX_OK;
	cli_say(program, "%s: there is no password in its first line", path);
	return EX_CONFIG;
}

/* Writes go to a master; replicas answer what is only read when there is no master named. */
static void
take_localconfig(const struct localconfig *config, struct found *found)
{
	const char *start = config->values[LOCALCONFIG_START_TLS];

	found->urls = config->values[LOCALCONFIG_MASTER_URL];
	if (found->urls == NULL || found->urls[0] == '\0')
		found->urls = config->values[LOCALCONFIG_URL];
	found->user = config->values[LOCALCONFIG_USER_DN];
	found->password = config->values[LOCALCONFIG_PASSWORD];
	found->start_tls = start == NULL || strcmp(start, "0") != 0;
}

static int
parse_urls(const char *program, const char *urls, const char *from, struct ldapurl *out)
{
	struct err err = ERR_NONE;
	enum status status;
	struct span rest, type;
	struct buf spec;

	buf_init(&spec, LDAPURL_BYTES_MAX);
	status = zimbra_ldap_spec(span_str(urls), &spec, &err);
	rest = buf_span(&spec);
	if (status == ST_OK && buf_status(&spec) == ST_OK && span_cut(&rest, ':', &type)) {
		char *name = span_dup_lower(type);

		if (strcmp(name, "ldap") != 0 && strcmp(name, "ldaps") != 0 &&
		    strcmp(name, "ldapi") != 0) {
			err_set(&err,
			    "\"%.20s\" is no LDAP URL; write ldap://, ldaps:// or ldapi://", name);
			status = ST_INVALID;
		} else {
			status = ldapurl_parse(name, rest, out, &err);
		}
		mem_free(name);
	} else if (status == ST_OK) {
		err_set(&err, "an LDAP URL is needed: ldap://host:389");
		status = ST_INVALID;
	}
	buf_free(&spec);
	if (status == ST_OK)
		return EX_OK;
	cli_say(program, "%s: %s", from, err.text);
	return EX_CONFIG;
}

static int
make_config(const char *program, const struct zimbra_request *request, const struct found *found,
    struct ldaplink_config *out)
{
	struct table_settings settings = {.ldap_mechanism = "simple",
	    .ldap_bind_user = found->user,
	    .ldap_bind_password = found->password,
	    .ldap_tls_ca_file = request->ca,
	    .ldap_start_tls = found->start_tls,
	    .ldap_tls_verify = true,
	    .ldap_timeout_s = TIMEOUT_S};
	struct err err = ERR_NONE;

	if (ldaplink_config_read(&settings, out, &err) == ST_OK)
		return EX_OK;
	cli_say(program, "%s", err.text);
	return EX_OSERR;
}

int
zimbra_config_read(const char *program, const struct zimbra_request *request,
    struct ldapurl *url_out, struct ldaplink_config *config_out, const char **from_out)
{
	/* Whoever names the server on the command line may have none of Zimbra's files; a bind DN
	 * alone does not make its password somebody else's. */
	bool alone = request->ldap_url != NULL;
	struct localconfig config = {{NULL}};
	struct found found = {.start_tls = true};
	char *password = NULL;
	int exit_code = EX_OK;

	memset(url_out, 0, sizeof(*url_out));
	memset(config_out, 0, sizeof(*config_out));
	*from_out = alone ? "--ldap-url" : request->localconfig;
	if (!alone)
		exit_code = read_localconfig(program, request, &config);
	if (exit_code == EX_OK && !alone)
		take_localconfig(&config, &found);
	if (request->ldap_url != NULL)
		found.urls = request->ldap_url;
	if (request->bind_dn != NULL) {
		found.user = request->bind_dn;
		found.password = NULL;
	}
	if (exit_code == EX_OK && request->password_file != NULL) {
		exit_code = read_password(program, request->password_file, &password);
		found.password = password;
	}
	if (exit_code == EX_OK && (found.urls == NULL || found.urls[0] == '\0')) {
		cli_say(program, "%s: neither ldap_master_url nor ldap_url is there", *from_out);
		exit_code = EX_CONFIG;
	}
	if (exit_code == EX_OK)
		exit_code = parse_urls(program, found.urls, *from_out, url_out);
	if (exit_code == EX_OK)
		exit_code = make_config(program, request, &found, config_out);
	secret_free(password);
	localconfig_free(&config);
	return exit_code;
}
