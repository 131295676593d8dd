/*
 * mirror_zimbra.c - the DKIM attributes on the entry of a domain in Zimbra's directory, where its
 * opendkim reads them for each message.
 * Called through mirror_zimbra when a key is about to sign. All attributes change in one write that
 * names the old values, so that a reader sees one key or the other, and somebody else's change in
 * between makes it fail. It must never overwrite a key that is not ours.
 */
#include <string.h>

#include "admin-api/mirror.h"
#include "admin-api/publish_private.h"
#include "backends/ldap_link.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

#define DN_MAX 4096U
#define PEM_MAX 65536U
#define LINE_MAX 8192U

struct zimbra {
	struct ldapurl url;
	char *bind_dn, *secret_file, *ca_file;
	bool start_tls, tls_said;
};

/* What the entry has. */
struct there {
	struct buf dn, selector, key; /* key: secret */
	size_t entries;
	bool class, identity, domain;
};

static void
zimbra_close(struct mirror *mirror)
{
	struct zimbra *zimbra = mirror->state;

	if (zimbra == NULL)
		return;
	ldapurl_free(&zimbra->url);
	mem_free(zimbra->bind_dn);
	mem_free(zimbra->secret_file);
	mem_free(zimbra->ca_file);
	mem_free(zimbra);
}

/* ---- the line ---- */

static enum status
read_option(struct zimbra *zimbra, struct span text, struct err *err)
{
	struct span value = text, name;
	char **out = NULL;

	if (!span_cut(&value, '=', &name) || value.n == 0) {
		err_set(err, "option \"%.*s\" has no value", SPAN_ARG(span_sub(name, 0, 60)));
		return ST_INVALID;
	}
	if (span_eq_str(name, "starttls")) {
		zimbra->tls_said = true;
		zimbra->start_tls = span_eq_str(value, "yes");
		if (zimbra->start_tls || span_eq_str(value, "no"))
			return ST_OK;
		err_set(err, "starttls: \"yes\" or \"no\"");
		return ST_INVALID;
	}
	if (span_eq_str(name, "binddn"))
		out = &zimbra->bind_dn;
	else if (span_eq_str(name, "secretfile"))
		out = &zimbra->secret_file;
	else if (span_eq_str(name, "cafile"))
		out = &zimbra->ca_file;
	if (out == NULL || *out != NULL) {
		err_set(err, "option \"%.*s\" is %s", SPAN_ARG(span_sub(name, 0, 60)),
		    out == NULL ? "unknown; there are binddn, secretfile, starttls and cafile"
				: "given twice");
		return ST_INVALID;
	}
	*out = span_dup(value);
	if (out == &zimbra->bind_dn || publish_path_good(value))
		return ST_OK;
	err_set(err, "%.*s: an absolute path", SPAN_ARG(name));
	return ST_INVALID;
}

/* "//user@host": what is there may be a password, and is not shown. */
static bool
names_user(struct span url)
{
	struct span place;

	if (!span_starts(url, SPAN_LIT("//")))
		return false; /* and it is none, either */
	url = span_from(url, strlen("//"));
	(void)span_cut(&url, '/', &place);
	return span_find(place, '@') != SIZE_MAX;
}

static enum status
read_url(struct zimbra *zimbra, struct span url, struct err *err)
{
	static const char *const schemes[] = {"ldap", "ldaps", "ldapi"};
	const char *scheme = NULL;
	struct span word;
	struct buf text;
	enum status status = ST_INVALID;

	buf_init(&text, LDAPURL_BYTES_MAX);
	if (span_cut(&url, ':', &word))
		for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
			if (span_eq_str(word, schemes[i]))
				scheme = schemes[i];
	if (scheme != NULL && names_user(url)) {
		err_set(err, "the URL names a user; that is for binddn= and secretfile=");
	} else if (scheme != NULL) {
		buf_add(&text, url);
		buf_add_str(&text, "?DKIMSelector?sub?(objectClass=zimbraDomain)");
		status = ldapurl_parse(scheme, buf_span(&text), &zimbra->url, err);
	} else {
		err_set(err,
		    "zimbra: needs ldap://HOST/BASE, ldaps://HOST/BASE or ldapi://SOCKET/BASE");
	}
	buf_free(&text);
	return status;
}

/* With a password, and with private keys. */
static bool
goes_in_clear(const struct zimbra *zimbra)
{
	struct span rest = span_str(zimbra->url.servers[0].uri), host;

	if (zimbra->url.servers[0].tls || zimbra->url.servers[0].local || zimbra->tls_said)
		return false;
	rest = span_from(rest, strlen("ldap://"));
	if (span_starts(rest, SPAN_LIT("["))) {
		rest = span_from(rest, 1);
		(void)span_cut(&rest, ']', &host);
	} else {
		(void)span_cut(&rest, ':', &host);
	}
	return !mirror_is_near(host);
}

static enum status
zimbra_open(struct mirror *mirror, struct span value, struct err *err)
{
	struct zimbra *zimbra = mem_zalloc(1, sizeof(*zimbra));
	struct span url, option;
	enum status status;

	mirror->state = zimbra;
	span_cut(&value, '?', &url);
	status = read_url(zimbra, url, err);
	while (status == ST_OK && value.n > 0) {
		span_cut(&value, '&', &option);
		status = read_option(zimbra, option, err);
	}
	if (status == ST_OK && (zimbra->bind_dn == NULL || zimbra->secret_file == NULL)) {
		err_set(err, "binddn= and secretfile= are needed: who may write DKIM attributes");
		status = ST_INVALID;
	} else if (status == ST_OK && zimbra->url.servers[0].local && zimbra->start_tls) {
		err_set(err, "starttls: there is no TLS on a socket of this machine (ldapi://)");
		status = ST_INVALID;
	} else if (status == ST_OK && goes_in_clear(zimbra)) {
		err_set(err, "private keys would cross the network in clear: ldaps:// or "
			     "starttls=yes; starttls=no, if that is meant");
		status = ST_INVALID;
	}
	return status;
}

/* ---- the server ---- */

static const struct ldaplink_words words = {.user = "binddn=",
    .login = "binddn= and the password in secretfile=",
    .mechanism = "binddn= and secretfile=",
    .tls = "starttls=yes",
    .ca_file = "cafile=",
    .timeout = "a mirror has 10 seconds",
    .rights = "the user of binddn= may not write there",
    .schema = "has the directory the DKIM attributes of Zimbra?"};

static enum status
connect_to(const struct zimbra *zimbra, int64_t deadline, struct ldaplink_config *config,
    struct ldaplink **out, struct err *err)
{
	struct table_settings settings = {.ldap_mechanism = "simple",
	    .ldap_bind_user = zimbra->bind_dn,
	    .ldap_tls_ca_file = zimbra->ca_file,
	    .ldap_start_tls = zimbra->start_tls,
	    .ldap_tls_verify = true,
	    .ldap_timeout_s = MIRROR_TIMEOUT_S};
	struct span password;
	char *room = NULL, *word;
	enum status status = publish_secret_read(zimbra->secret_file, &room, &password, err);

	if (status != ST_OK)
		return status;
	word = secret_malloc(password.n + 1);
	if (word != NULL) {
		memcpy(word, password.p, password.n);
		word[password.n] = '\0';
	}
	secret_free(room);
	settings.ldap_bind_password = word;
	status = word == NULL ? ST_UNAVAILABLE : ldaplink_config_read(&settings, config, err);
	secret_free(word);
	config->words = &words;
	if (status == ST_OK)
		status = ldaplink_open(config, &zimbra->url.servers[0], deadline, out, err);
	return status;
}

static enum status
visit(void *context, const struct ldapentry *entry, struct err *err)
{
	struct there *there = context;

	if (++there->entries > 1)
		return ST_OK;
	buf_add(&there->dn, entry->dn);
	if (entry->values[0].count > 0)
		buf_add(&there->selector, entry->values[0].items[0]);
	if (entry->values[1].count > 0)
		buf_add(&there->key, entry->values[1].items[0]);
	there->identity = entry->values[2].count > 0;
	there->domain = entry->values[3].count > 0;
	for (size_t i = 0; i < entry->values[4].count; i++)
		there->class =
		    there->class || span_ieq(entry->values[4].items[i], SPAN_LIT("DKIM"));
	if (buf_status(&there->dn) == ST_OK && buf_status(&there->key) == ST_OK &&
	    buf_status(&there->selector) == ST_OK)
		return ST_OK;
	err_set(err, "the DKIM attributes of %.100s are too long", buf_text(&there->dn));
	return ST_INVALID;
}

static enum status
look(const struct zimbra *zimbra, int64_t deadline, struct ldaplink *link,
    const struct mirror_change *change, struct there *there, struct err *err)
{
	static const char *const attributes[] = {
	    "DKIMSelector", "DKIMKey", "DKIMIdentity", "DKIMDomain", "objectClass", NULL};
	struct ldaplink_end end;
	struct buf filter;
	enum status status;

	buf_init(&filter, LDAPURL_TEXT_MAX);
	buf_add_str(&filter, "(&(objectClass=zimbraDomain)(zimbraDomainName=");
	ldapurl_escape_filter(&filter, change->domain);
	buf_add_str(&filter, "))");
	status = ldaplink_search(link,
	    &(struct ldaplink_search){.base = zimbra->url.base,
		.filter = buf_text(&filter),
		.scope = LDAPURL_SUB,
		.attributes = attributes,
		.entries_max = 2,
		.secret = true},
	    deadline, visit, there, &end, err);
	buf_free(&filter);
	return status;
}

/* ---- the write ---- */

struct write {
	struct ldaplink_change list[10];
	struct span values[10];
	size_t count;
};

static void
add(struct write *write, enum ldaplink_how how, const char *attribute, struct span value)
{
	struct ldaplink_change *change = &write->list[write->count];

	write->values[write->count] = value;
	change->how = how;
	change->attribute = attribute;
	change->values = value.p == NULL ? NULL : &write->values[write->count];
	change->count = value.p == NULL ? 0 : 1;
	write->count++;
}

/* As opendkim-genkey writes it: a line of a zone. */
static void
zone_line(const struct mirror_change *change, struct buf *out)
{
	buf_add_fmt(out, "%.*s._domainkey\tIN\tTXT\t( ", SPAN_ARG(change->selector));
	publish_quote_all(out, change->record, "\n\t  ");
	buf_add_fmt(out, " )  ; ----- DKIM key %.*s for %.*s\n", SPAN_ARG(change->selector),
	    SPAN_ARG(change->domain));
}

static void
plan_put(
    struct write *write, const struct mirror_change *change, struct there *there, struct span line)
{
	if (!there->class)
		add(write, LDAPLINK_ADD, "objectClass", SPAN_LIT("DKIM"));
	if (there->selector.n > 0)
		add(write, LDAPLINK_DELETE, "DKIMSelector", buf_span(&there->selector));
	add(write, LDAPLINK_ADD, "DKIMSelector", change->selector);
	if (there->key.n > 0)
		add(write, LDAPLINK_DELETE, "DKIMKey", buf_span(&there->key));
	add(write, LDAPLINK_ADD, "DKIMKey", change->pem);
	add(write, LDAPLINK_REPLACE, "DKIMPublicKey", line);
	if (!there->identity)
		add(write, LDAPLINK_ADD, "DKIMIdentity", change->domain);
	if (!there->domain)
		add(write, LDAPLINK_ADD, "DKIMDomain", change->domain);
}

static void
plan_remove(struct write *write, struct there *there)
{
	add(write, LDAPLINK_DELETE, "DKIMSelector", buf_span(&there->selector));
	add(write, LDAPLINK_DELETE, "DKIMKey", buf_span(&there->key));
	add(write, LDAPLINK_REPLACE, "DKIMPublicKey", SPAN_EMPTY);
	add(write, LDAPLINK_REPLACE, "DKIMIdentity", SPAN_EMPTY);
	add(write, LDAPLINK_REPLACE, "DKIMDomain", SPAN_EMPTY);
	if (there->class)
		add(write, LDAPLINK_DELETE, "objectClass", SPAN_LIT("DKIM"));
}

static void
not_written(struct mirror_change *change, enum status status, const struct ldaplink_end *end,
    const struct err *err)
{
	if (end->constrained)
		mirror_effect(change, LIFE_REFUSED,
		    "DKIMSelector %.*s: has another entry this selector? %.220s",
		    SPAN_ARG(change->selector), err->text);
	else if ((status == ST_UNAVAILABLE && !end->forbidden) || status == ST_DENIED)
		mirror_effect(change, LIFE_UNAVAILABLE, "%.290s", err->text);
	else
		mirror_effect(change, LIFE_REFUSED, "%.290s", err->text);
	change->away = end->lost || end->silent;
}

static void
write_entry(
    struct ldaplink *link, int64_t deadline, struct mirror_change *change, struct there *there)
{
	struct write write = {.count = 0};
	struct err err = ERR_NONE;
	struct ldaplink_end end;
	struct buf line;
	enum status status;

	buf_init(&line, LINE_MAX);
	zone_line(change, &line);
	if (change->pem.n > 0 && buf_status(&line) != ST_OK) {
		mirror_effect(change, LIFE_REFUSED,
		    "DKIMPublicKey: the record has more than %u octets as a line of a zone",
		    LINE_MAX);
		buf_free(&line);
		return;
	}
	if (change->pem.n > 0)
		plan_put(&write, change, there, buf_span(&line));
	else
		plan_remove(&write, there);
	status = ldaplink_change(link, LDAPLINK_MODIFY_ENTRY, buf_text(&there->dn), write.list,
	    write.count, deadline, &end, &err);
	buf_free(&line);
	if (status == ST_OK)
		mirror_effect(change, LIFE_DONE, NULL);
	else
		not_written(change, status, &end, &err);
}

/* Seen what is there. true: it is to be written. */
static bool
compare(struct mirror_change *change, struct there *there)
{
	struct span selector = buf_span(&there->selector), key = buf_span(&there->key);
	bool none = selector.n == 0 && key.n == 0;

	if (there->entries != 1) {
		if (change->pem.n == 0 && there->entries == 0)
			mirror_effect(change, LIFE_DONE, NULL);
		else
			mirror_effect(change, LIFE_REFUSED,
			    "the directory has %s zimbraDomain %.*s that this user may read",
			    there->entries == 0 ? "no" : "more than one", SPAN_ARG(change->domain));
		return false;
	}
	if (none ? change->pem.n == 0
		 : mirror_is_wanted(change, selector, key) && there->class && there->identity &&
		       there->domain) {
		mirror_effect(change, LIFE_DONE, NULL);
		return false;
	}
	if (none || mirror_is_ours(change, selector, key))
		return true;
	mirror_effect(change, LIFE_CONFLICT,
	    "the directory has another key for %.*s (selector %.*s) that Signpost neither made nor "
	    "imported; it was not touched: import it, or remove it there",
	    SPAN_ARG(change->domain), SPAN_ARG(span_sub(selector, 0, 63)));
	return false;
}

static void
zimbra_apply(struct mirror *mirror, struct mirror_change *change)
{
	const struct zimbra *zimbra = mirror->state;
	int64_t deadline = clock_mono_ms() + MIRROR_TIMEOUT_S * 1000; /* of all of it */
	struct there there = {.entries = 0};
	struct ldaplink_config config = {.mechanism = NULL};
	struct ldaplink *link = NULL;
	struct err err = ERR_NONE;
	enum status status;

	buf_init(&there.dn, DN_MAX);
	buf_init(&there.selector, DN_MAX);
	buf_init_secret(&there.key, PEM_MAX);
	status = connect_to(zimbra, deadline, &config, &link, &err);
	if (status == ST_OK)
		status = look(zimbra, deadline, link, change, &there, &err);
	if (status != ST_OK) {
		mirror_effect(change, status == ST_UNAVAILABLE ? LIFE_UNAVAILABLE : LIFE_REFUSED,
		    "%.290s", err.text);
		change->away = status == ST_UNAVAILABLE;
	} else if (compare(change, &there)) {
		write_entry(link, deadline, change, &there);
	}
	ldaplink_close(link);
	ldaplink_config_free(&config);
	buf_free(&there.dn);
	buf_free(&there.selector);
	buf_free(&there.key);
}

const struct mirror_ops mirror_zimbra = {
    .kind = "zimbra", .open = zimbra_open, .close = zimbra_close, .apply = zimbra_apply};
