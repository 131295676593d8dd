/*
 * zimbra.h - what the files of "signpost zimbra" share: what was asked for, Zimbra's directory, and
 * signpost-admind. Main thread only.
 */
#ifndef SIGNPOST_TOOLS_ZIMBRA_H
#define SIGNPOST_TOOLS_ZIMBRA_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/status.h"

#define ZIMBRA_BITS_MIN 2048
#define ZIMBRA_PAGE 500U /* entries of a page of --all */
#define ZIMBRA_LOCALCONFIG "/opt/zimbra/conf/localconfig.xml"

enum zimbra_mode { ZIMBRA_ADD, ZIMBRA_UPDATE, ZIMBRA_REMOVE, ZIMBRA_QUERY, ZIMBRA_ALL };

/* Options; what they point to is borrowed from argv. */
struct zimbra_request {
	bool add, update, remove, query, all, usage, no_subdomains;
	bool aliases, json, dry_run, wait, show_key;
	const char *domain, *selector, *bits_text;
	const char *policy, *tenant, *localconfig, *ldap_url, *bind_dn, *password_file, *ca;
	const char *socket, *conf;
	/* Set by zimbra_request_check(). */
	enum zimbra_mode mode;
	int bits; /* 0: as the policy has it */
};

/* ---- zimbra_request.c; pure ---- */

/* Sets mode, bits and defaults. ST_INVALID: the sentence says which options do not go together;
 * ST_DENIED: the stock tool's own sentence about -b. */
enum status zimbra_request_check(struct zimbra_request *request, struct err *err) MUST_USE;
/* Appends the line of a zone file as opendkim-genkey lays it out: strings of at most 252 octets.
 * value: what the record says, "v=DKIM1; k=rsa; p=...". */
void zimbra_record_text(
    struct span selector, struct span domain, struct span value, struct buf *out);
/* Appends what may go to a terminal: line feeds and tabs stay, other controls and what is not ASCII
 * become \xNN. */
void zimbra_safe(struct buf *out, struct span text);
/* The specification that ldapurl_parse() reads, of URLs without attributes: "ldap://a:389
 * ldap://b". ST_INVALID. */
enum status zimbra_ldap_spec(struct span urls, struct buf *out, struct err *err) MUST_USE;

/* ---- zimbra_directory.c ---- */

/* The entry of a domain. All owned; NULL: not there, or this user may not read it. */
struct zimbra_entry {
	char *dn, *name, *id, *type, *target;
	char *selector, *domain, *identity, *public_text;
	char *key;      /* secret memory; only if it was asked for */
	bool has_class; /* objectClass DKIM */
};

struct zimbra_entries {
	struct zimbra_entry *items;
	size_t count;
};

struct zimbra_directory;

/* Asks the servers in their order until one lets us in. An exit status; said if it is not 0. */
int zimbra_directory_open(
    const char *program, const struct zimbra_request *request, struct zimbra_directory **out);
void zimbra_directory_close(struct zimbra_directory *directory); /* NULL is fine */
enum zimbra_by { ZIMBRA_BY_NAME, ZIMBRA_BY_SELECTOR, ZIMBRA_BY_TARGET };
/* Entries of domains with this name, this selector, or that are aliases of the one with this
 * zimbraId. with_key: their private keys, too. ST_OK, also for none; ST_UNAVAILABLE. Free them. */
enum status zimbra_find(struct zimbra_directory *directory, enum zimbra_by by, const char *value,
    bool with_key, struct zimbra_entries *out, struct err *err) MUST_USE;
void zimbra_entries_free(struct zimbra_entries *entries); /* may be called twice; wipes */
/* Each domain, page by page, without keys. */
typedef void zimbra_visit(void *context, const struct zimbra_entry *entry);
enum status zimbra_walk(struct zimbra_directory *directory, zimbra_visit *visit, void *context,
    struct err *err) MUST_USE;
/* Takes the DKIM attributes and class of an entry away in one change, if its selector is still what
 * was read. ST_DENIED: it is not. */
enum status zimbra_strip(
    struct zimbra_directory *directory, const struct zimbra_entry *entry, struct err *err) MUST_USE;

/* ---- zimbra_config.c ---- */

struct ldapurl;
struct ldaplink_config;

/* Servers and how to bind: of options, or of localconfig.xml. An exit status; said if it is not 0.
 * Free both in any case. from_out: what names them, for sentences; borrowed from request. */
int zimbra_config_read(const char *program, const struct zimbra_request *request,
    struct ldapurl *url_out, struct ldaplink_config *config_out, const char **from_out);

/* ---- zimbra_show.c ---- */

/* What -q prints of one. An exit status. */
int zimbra_show_entry(
    const char *program, const struct zimbra_request *request, const struct zimbra_entry *entry);
/* A row of --all. */
void zimbra_show_row(const struct zimbra_request *request, const struct zimbra_entry *entry);
/* "none", "enabled", or "incomplete": attributes that should be there are not. Static. */
const char *zimbra_state(const struct zimbra_entry *entry);
/* A sentence of the stock tool: to stdout, or with --json to stderr. */
void zimbra_tell(const struct zimbra_request *request, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- zimbra_api.c and what stands on it ---- */

struct zimbra_api;

/* signpost-admind; nothing is asked yet. An exit status. Close it in any case. */
int zimbra_api_open(
    const char *program, const struct zimbra_request *request, struct zimbra_api **out);
void zimbra_api_close(struct zimbra_api *api); /* NULL is fine */
/* Each does one domain, and answers an exit status. */
int zimbra_add(
    struct zimbra_api *api, struct zimbra_directory *directory, const struct zimbra_entry *entry);
int zimbra_update(
    struct zimbra_api *api, struct zimbra_directory *directory, const struct zimbra_entry *entry);
int zimbra_remove(
    struct zimbra_api *api, struct zimbra_directory *directory, const struct zimbra_entry *entry);

#endif
