/*
 * ldap_link.c - opening a connection to a directory server: socket, TLS, bind.
 * Called by ldap.c for a thread that has a question and no connection.
 * It must never wait longer than it was told, go on without the TLS it was told to use, or put a
 * password into a sentence.
 */
#include <fcntl.h>
#include <ldap.h>
#include <sasl/sasl.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "backends/ldap_link.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define ADVICE_BYTES 192U

/* What a server may send in one message; a record may have LDAPURL_FIELDS_MAX long values. */
#define MESSAGE_MAX ((ber_len_t)LDAPURL_FIELDS_MAX * TABLE_LINE_MAX)

/* Each step has what is left of the time of all. */
static void
set_limits(LDAP *ld, int64_t deadline_ms)
{
	int64_t left_ms = deadline_ms - clock_mono_ms();
	struct timeval left;

	if (left_ms < 1)
		left_ms = 1;
	left.tv_sec = left_ms / 1000;
	left.tv_usec = left_ms % 1000 * 1000;
	ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &left);
	ldap_set_option(ld, LDAP_OPT_TIMEOUT, &left);
}

static void
set_number(LDAP *ld, int option, int value)
{
	if (value > 0)
		ldap_set_option(ld, option, &value);
}

static void
set_options(LDAP *ld, const struct ldaplink_config *config)
{
	int version = LDAP_VERSION3;

	ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
	ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	ldap_set_option(ld, LDAP_OPT_RESTART, LDAP_OPT_ON);
	set_number(ld, LDAP_OPT_X_KEEPALIVE_IDLE, config->keepalive_idle);
	set_number(ld, LDAP_OPT_X_KEEPALIVE_PROBES, config->keepalive_probes);
	set_number(ld, LDAP_OPT_X_KEEPALIVE_INTERVAL, config->keepalive_interval);
}

/* What ldap.conf says; a connection with a context of its own forgets it. */
static void
inherit_tls(LDAP *ld)
{
	static const int options[] = {LDAP_OPT_X_TLS_CACERTFILE, LDAP_OPT_X_TLS_CACERTDIR,
	    LDAP_OPT_X_TLS_CERTFILE, LDAP_OPT_X_TLS_KEYFILE, LDAP_OPT_X_TLS_CIPHER_SUITE,
	    LDAP_OPT_X_TLS_CRLFILE};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		char *text = NULL;

		if (ldap_get_option(NULL, options[i], &text) == LDAP_OPT_SUCCESS && text != NULL)
			ldap_set_option(ld, options[i], text);
		ldap_memfree(text);
	}
}

static bool
set_tls(LDAP *ld, const struct ldaplink_config *config)
{
	int demand = config->verify ? LDAP_OPT_X_TLS_DEMAND : LDAP_OPT_X_TLS_NEVER;
	int client = 0;

	inherit_tls(ld);
	return ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) == LDAP_OPT_SUCCESS &&
	       (config->ca_file == NULL || ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE,
					       config->ca_file) == LDAP_OPT_SUCCESS) &&
	       ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &client) == LDAP_OPT_SUCCESS;
}

/* A message that stops in its middle must not keep a thread: libldap then waits with poll(), which
 * has a limit, and not in read(). */
static void
never_block(LDAP *ld)
{
	ber_len_t most = MESSAGE_MAX;
	Sockbuf *buffer = NULL;
	int fd = -1, flags;

	if (ldap_get_option(ld, LDAP_OPT_DESC, &fd) == LDAP_OPT_SUCCESS && fd >= 0) {
		flags = fcntl(fd, F_GETFL);
		if (flags >= 0)
			(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	}
	if (ldap_get_option(ld, LDAP_OPT_SOCKBUF, &buffer) == LDAP_OPT_SUCCESS && buffer != NULL)
		ber_sockbuf_ctrl(buffer, LBER_SB_OPT_SET_MAX_INCOMING, &most);
}

static void
advise(const struct ldaplink_words *words, int code, bool tls, char out[ADVICE_BYTES])
{
	switch (code) {
	case LDAP_INVALID_CREDENTIALS:
		snprintf(out, ADVICE_BYTES, "correct %s", words->login);
		break;
	case LDAP_INAPPROPRIATE_AUTH:
	case LDAP_UNWILLING_TO_PERFORM:
	case LDAP_AUTH_METHOD_NOT_SUPPORTED:
	case LDAP_AUTH_UNKNOWN:
		snprintf(out, ADVICE_BYTES, "see %s", words->mechanism);
		break;
	case LDAP_STRONG_AUTH_REQUIRED:
	case LDAP_CONFIDENTIALITY_REQUIRED:
		snprintf(out, ADVICE_BYTES, "use %s or an ldaps: URL", words->tls);
		break;
	case LDAP_TIMEOUT:
		snprintf(out, ADVICE_BYTES, "it does not answer");
		break;
	default:
		snprintf(out, ADVICE_BYTES,
		    tls ? "does it run, and do the dates of its certificate, its name (that of "
			  "the URL) and its issuer (%s) fit?"
			: "does it run, and is the URL right?",
		    words->ca_file);
	}
}

/* what: "cannot be reached", ... The server's own words, when there are any. */
static enum status
refuse(struct ldaplink *link, const char *what, int code, bool tls, struct err *err)
{
	char *words = NULL, what_now[ADVICE_BYTES];
	bool said;

	ldap_get_option(link->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &words);
	/* What libldap says of GnuTLS' reasons. */
	said = words != NULL && words[0] != '\0' && strcmp(words, "(unknown error code)") != 0;
	advise(link->words, code, tls, what_now);
	err_set(err, "%s %s: %s%s%.120s%s; %s", link->uri, what, ldap_err2string(code),
	    said ? " (" : "", said ? words : "", said ? ")" : "", what_now);
	ldap_memfree(words);
	return ST_UNAVAILABLE;
}

static enum status
connect_to(struct ldaplink *link, const struct ldaplink_config *config,
    const struct ldapurl_server *server, int64_t deadline_ms, struct err *err)
{
	bool start = config->start_tls && !server->tls && !server->local;
	int code;

	if ((server->tls || start) && !set_tls(link->ld, config)) {
		err_set(err, "%s: TLS cannot be used: can %s %s be read?", link->uri,
		    config->words->ca_file,
		    config->ca_file == NULL ? "(not set)" : config->ca_file);
		return ST_UNAVAILABLE;
	}
	set_limits(link->ld, deadline_ms);
	code = ldap_connect(link->ld);
	if (code != LDAP_SUCCESS)
		return refuse(link, "cannot be reached", code, server->tls, err);
	never_block(link->ld);
	if (!start)
		return ST_OK;
	set_limits(link->ld, deadline_ms);
	code = ldap_start_tls_s(link->ld, NULL, NULL);
	if (code != LDAP_SUCCESS)
		return refuse(link, "does not start TLS", code, true, err);
	never_block(link->ld);
	return ST_OK;
}

static int
give_word(LDAP *ld, unsigned flags, void *context, void *asked)
{
	const struct ldaplink_config *config = context;

	(void)ld;
	(void)flags;
	for (sasl_interact_t *item = asked; item->id != SASL_CB_LIST_END; item++) {
		const char *word = NULL;

		if (item->id == SASL_CB_USER)
			word = config->auth_user;
		else if (item->id == SASL_CB_AUTHNAME)
			word = config->auth_name;
		else if (item->id == SASL_CB_PASS)
			word = config->password;
		else if (item->id == SASL_CB_GETREALM)
			word = config->auth_realm;
		if (word == NULL)
			word = item->defresult == NULL ? "" : item->defresult;
		item->result = word;
		item->len = (unsigned)strlen(word);
	}
	return LDAP_SUCCESS;
}

static int
bind_by(LDAP *ld, const struct ldaplink_config *config)
{
	bool simple = strcasecmp(config->mechanism, "simple") == 0;
	char *secret = simple ? config->password : config->auth_user;
	struct berval word = {0, secret};
	char empty[1] = "";

	if (strcasecmp(config->mechanism, "none") == 0)
		return LDAP_SUCCESS;
	if (secret != NULL)
		word.bv_len = strlen(secret);
	/* Without a name a password would be sent for nobody (RFC 4513 section 5.1.2). */
	if (simple && config->bind_dn == NULL)
		word = (struct berval){0, NULL};
	if (simple)
		return ldap_sasl_bind_s(
		    ld, config->bind_dn, LDAP_SASL_SIMPLE, &word, NULL, NULL, NULL);
	/* Without any, the server would ask for it: an empty name is that of the connection. */
	if (word.bv_val == NULL)
		word.bv_val = empty;
	if (strcasecmp(config->mechanism, "EXTERNAL") == 0)
		return ldap_sasl_bind_s(ld, NULL, "EXTERNAL", &word, NULL, NULL, NULL);
	return ldap_sasl_interactive_bind_s(ld, config->bind_dn, config->mechanism, NULL, NULL,
	    LDAP_SASL_QUIET, give_word, (void *)(uintptr_t)config);
}

enum status
ldaplink_open(const struct ldaplink_config *config, const struct ldapurl_server *server,
    int64_t deadline_ms, struct ldaplink **out, struct err *err)
{
	struct ldaplink *link = mem_zalloc(1, sizeof(*link));
	LDAP *ld = NULL;
	enum status status;
	int code = ldap_initialize(&ld, server->uri);

	*out = NULL;
	link->uri = server->uri;
	link->words = config->words;
	link->ld = ld;
	if (code != LDAP_SUCCESS) {
		err_set(err, "%s cannot be used: %s", server->uri, ldap_err2string(code));
		mem_free(link);
		return ST_UNAVAILABLE;
	}
	set_options(ld, config);
	status = connect_to(link, config, server, deadline_ms, err);
	if (status == ST_OK) {
		set_limits(ld, deadline_ms);
		code = bind_by(ld, config);
		if (code != LDAP_SUCCESS)
			status = refuse(link, "refuses the bind", code, false, err);
	}
	if (status != ST_OK) {
		ldaplink_close(link);
		return status;
	}
	never_block(ld);
	*out = link;
	return ST_OK;
}

void
ldaplink_close(struct ldaplink *link)
{
	if (link == NULL)
		return;
	ldap_unbind_ext(link->ld, NULL, NULL);
	mem_free(link);
}
