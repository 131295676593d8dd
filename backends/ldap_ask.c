/*
 * ldap_ask.c - a question to a directory server, and the entries of its answer one by one.
 * Called by ldap.c and the key store in LDAP with a connection that no other thread uses.
 * It must never take an answer that did not come for "there is none", nor leave a key in memory
 * that is not wiped when it can be reached.
 */
#include <ldap.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>

#include "backends/ldap_link.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

/* ---- an entry ---- */

/* Spans of all values of an entry, and where each attribute has its own. */
struct collected {
	struct ldapentry_values values[LDAPENTRY_ATTRIBUTES_MAX];
	size_t first[LDAPENTRY_ATTRIBUTES_MAX];
	struct span *items;
	size_t count, room;
};

static bool
is_attribute(const struct berval *found, const char *wanted)
{
	return found->bv_len == strlen(wanted) &&
	       strncasecmp(found->bv_val, wanted, found->bv_len) == 0;
}

static void
add_items(struct collected *all, size_t at, const struct berval *found)
{
	size_t n = 0;

	while (found[n].bv_val != NULL)
		n++;
	if (all->count + n > all->room) {
		all->room = (all->count + n) * 2;
		all->items = mem_resize(all->items, all->room, sizeof(all->items[0]));
	}
	all->first[at] = all->count;
	all->values[at].count = n;
	for (size_t i = 0; i < n; i++)
		all->items[all->count++] = span_of(found[i].bv_val, found[i].bv_len);
}

static void
collect_attribute(struct collected *all, const struct ldaplink_search *search,
    const struct berval *name, const struct berval *found)
{
	for (size_t i = 0; search->attributes[i] != NULL && i < LDAPENTRY_ATTRIBUTES_MAX; i++)
		if (all->values[i].count == 0 && is_attribute(name, search->attributes[i]))
			add_items(all, i, found);
}

/* The spans point into the message. */
static enum status
collect(LDAP *ld, LDAPMessage *message, const struct ldaplink_search *search, struct collected *all,
    struct span *dn_out)
{
	BerElement *ber = NULL;
	struct berval name, *found = NULL;
	int code = ldap_get_dn_ber(ld, message, &ber, &name);

	if (code != LDAP_SUCCESS)
		return ST_UNAVAILABLE;
	*dn_out = span_of(name.bv_val, name.bv_len);
	while ((code = ldap_get_attribute_ber(ld, message, ber, &name, &found)) == LDAP_SUCCESS &&
	       name.bv_val != NULL) {
		if (found != NULL)
			collect_attribute(all, search, &name, found);
		ber_memfree(found);
	}
	ber_free(ber, 0);
	for (size_t i = 0; i < LDAPENTRY_ATTRIBUTES_MAX; i++)
		all->values[i].items =
		    all->values[i].count == 0 ? NULL : &all->items[all->first[i]];
	return code == LDAP_SUCCESS ? ST_OK : ST_UNAVAILABLE;
}

/* Where libldap has them. */
static void
wipe_values(LDAP *ld, LDAPMessage *message)
{
	BerElement *ber = NULL;
	struct berval name, *found;

	if (ldap_get_dn_ber(ld, message, &ber, &name) != LDAP_SUCCESS)
		return;
	while (ldap_get_attribute_ber(ld, message, ber, &name, &found) == LDAP_SUCCESS &&
	       name.bv_val != NULL) {
		for (size_t i = 0; found != NULL && found[i].bv_val != NULL; i++)
			secret_wipe(found[i].bv_val, found[i].bv_len);
		ber_memfree(found);
	}
	ber_free(ber, 0);
}

static enum status
give_entry(struct ldaplink *link, LDAPMessage *message, const struct ldaplink_search *search,
    ldapentry_visit *visit, void *context, struct err *err)
{
	struct collected all = {.count = 0};
	struct ldapentry entry = {.values = all.values};
	enum status status = collect(link->ld, message, search, &all, &entry.dn);

	if (status == ST_OK)
		status = visit(context, &entry, err);
	else
		err_set(err, "%s sent an entry that cannot be read", link->uri);
	mem_free(all.items);
	if (search->secret)
		wipe_values(link->ld, message);
	return status;
}

/* ---- the end of an answer ---- */

/* A base that stands fast must exist; that it does not, or may not be seen, says nothing about the
 * name that was asked for. */
static enum status
no_base(const struct ldaplink *link, const struct ldaplink_search *search, struct err *err)
{
	if (search->base_varies)
		return ST_ABSENT;
	err_set(err,
	    "%s has no base \"%.100s\", or does not show it to %s: correct the URL or the "
	    "rights",
	    link->uri, search->base, link->words->user);
	return ST_UNAVAILABLE;
}

/* The cookie of the next page, owned; none: the last one. */
static void
take_cookie(LDAP *ld, LDAPControl **controls, struct berval *cookie)
{
	LDAPControl *page = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
	ber_int_t estimate;

	ber_memfree(cookie->bv_val);
	*cookie = (struct berval){0, NULL};
	if (page != NULL &&
	    ldap_parse_pageresponse_control(ld, page, &estimate, cookie) != LDAP_SUCCESS)
		*cookie = (struct berval){0, NULL};
}

static enum status
judge(struct ldaplink *link, const struct ldaplink_search *search, LDAPMessage *message,
    struct berval *cookie, struct ldaplink_end *end, struct err *err)
{
	LDAPControl **controls = NULL;
	char *words = NULL;
	int code = LDAP_OTHER;

	if (ldap_parse_result(link->ld, message, &code, NULL, &words, NULL, &controls, 0) !=
	    LDAP_SUCCESS)
		code = LDAP_DECODING_ERROR;
	if (cookie != NULL)
		take_cookie(link->ld, controls, cookie);
	ldap_controls_free(controls);
	end->lost = code == LDAP_UNAVAILABLE || code == LDAP_DECODING_ERROR;
	end->limited = end->limited || code == LDAP_SIZELIMIT_EXCEEDED;
	if (code == LDAP_SUCCESS || (code == LDAP_SIZELIMIT_EXCEEDED && end->entries > 0)) {
		ldap_memfree(words);
		return ST_OK;
	}
	if (code == LDAP_NO_SUCH_OBJECT ||
	    (code == LDAP_INVALID_DN_SYNTAX && search->base_varies)) {
		ldap_memfree(words);
		return no_base(link, search, err);
	}
	err_set(err, "%s does not answer the question: %s%s%.120s%s; may %s read %s?", link->uri,
	    ldap_err2string(code), words != NULL && words[0] != '\0' ? " (" : "",
	    words == NULL ? "" : words, words != NULL && words[0] != '\0' ? ")" : "",
	    link->words->user, search->attributes[0]);
	ldap_memfree(words);
	return ST_UNAVAILABLE;
}

/* ---- asking ---- */

static enum status
cannot_ask(struct ldaplink *link, const struct ldaplink_search *search, int code,
    struct ldaplink_end *end, struct err *err)
{
	if (code == LDAP_FILTER_ERROR) {
		err_set(err, "the filter \"%.200s\" is none: correct the URL", search->filter);
		return ST_INVALID;
	}
	end->lost = true;
	err_set(
	    err, "%s: the connection was lost: %s; does it run?", link->uri, ldap_err2string(code));
	return ST_UNAVAILABLE;
}

static int
scope_of(enum ldapurl_scope scope)
{
	static const int scopes[] = {LDAP_SCOPE_BASE, LDAP_SCOPE_ONELEVEL, LDAP_SCOPE_SUBTREE};

	return scopes[scope];
}

static struct timeval
time_left(int64_t deadline_ms)
{
	int64_t left_ms = deadline_ms - clock_mono_ms();

	if (left_ms < 1)
		left_ms = 1;
	return (struct timeval){left_ms / 1000, left_ms % 1000 * 1000};
}

static enum status
send_page(struct ldaplink *link, const struct ldaplink_search *search, struct berval *cookie,
    int64_t deadline_ms, int *id_out, struct ldaplink_end *end, struct err *err)
{
	struct timeval left = time_left(deadline_ms);
	LDAPControl *page = NULL, *controls[2] = {NULL, NULL};
	int code = LDAP_SUCCESS;

	left.tv_sec++; /* the server counts whole seconds */
	if (search->page > 0)
		code =
		    ldap_create_page_control(link->ld, (ber_int_t)search->page, cookie, 1, &page);
	controls[0] = page;
	if (code == LDAP_SUCCESS)
		code = ldap_search_ext(link->ld, search->base, scope_of(search->scope),
		    search->filter, (char **)(uintptr_t)search->attributes, 0, controls, NULL,
		    &left, search->page > 0 ? LDAP_NO_LIMIT : (int)search->entries_max, id_out);
	ldap_control_free(page);
	return code == LDAP_SUCCESS ? ST_OK : cannot_ask(link, search, code, end, err);
}

enum status
ldaplink_send(struct ldaplink *link, const struct ldaplink_search *search, int64_t deadline_ms,
    int *id_out, struct ldaplink_end *end, struct err *err)
{
	memset(end, 0, sizeof(*end));
	return send_page(link, search, NULL, deadline_ms, id_out, end, err);
}

/* The kind of the next message of an answer, or 0: *end and *err say why there is none. */
static int
wait_for(struct ldaplink *link, int id, int64_t deadline_ms, LDAPMessage **message_out,
    struct ldaplink_end *end, struct err *err)
{
	struct timeval left = time_left(deadline_ms);
	int kind, code = LDAP_OTHER;

	*message_out = NULL;
	kind = ldap_result(link->ld, id, LDAP_MSG_ONE, &left, message_out);
	if (kind > 0)
		return kind;
	ldap_msgfree(*message_out);
	if (kind < 0)
		ldap_get_option(link->ld, LDAP_OPT_RESULT_CODE, &code);
	end->silent = kind == 0 || code == LDAP_TIMEOUT;
	end->lost = !end->silent;
	if (end->silent)
		err_set(err, "%s did not answer in time (%s); is it overloaded or stopped?",
		    link->uri, link->words->timeout);
	else
		err_set(err, "%s: the connection was lost: %s; does it run?", link->uri,
		    ldap_err2string(code));
	return 0;
}

static enum status
take_page(struct ldaplink *link, const struct ldaplink_search *search, int id, int64_t deadline_ms,
    ldapentry_visit *visit, void *context, struct berval *cookie, struct ldaplink_end *end,
    struct err *err)
{
	enum status status = ST_OK, last;
	LDAPMessage *message;
	int kind;

	while ((kind = wait_for(link, id, deadline_ms, &message, end, err)) !=
	       LDAP_RES_SEARCH_RESULT) {
		if (kind == 0)
			return ST_UNAVAILABLE;
		end->referred = end->referred || kind == LDAP_RES_SEARCH_REFERENCE;
		if (kind == LDAP_RES_SEARCH_ENTRY && end->entries == search->entries_max)
			end->limited = true;
		else if (kind == LDAP_RES_SEARCH_ENTRY && status == ST_OK) {
			end->entries++;
			status = give_entry(link, message, search, visit, context, err);
		}
		ldap_msgfree(message);
	}
	last = judge(link, search, message, cookie, end, status == ST_OK ? err : NULL);
	ldap_msgfree(message);
	link->used_ms = clock_mono_ms();
	return status == ST_OK ? last : status;
}

enum status
ldaplink_take(struct ldaplink *link, const struct ldaplink_search *search, int id,
    int64_t deadline_ms, ldapentry_visit *visit, void *context, struct ldaplink_end *end,
    struct err *err)
{
	memset(end, 0, sizeof(*end));
	return take_page(link, search, id, deadline_ms, visit, context, NULL, end, err);
}

enum status
ldaplink_search(struct ldaplink *link, const struct ldaplink_search *search, int64_t deadline_ms,
    ldapentry_visit *visit, void *context, struct ldaplink_end *end, struct err *err)
{
	struct berval cookie = {0, NULL};
	enum status status;
	int id;

	memset(end, 0, sizeof(*end));
	do {
		status = send_page(
		    link, search, cookie.bv_len > 0 ? &cookie : NULL, deadline_ms, &id, end, err);
		if (status == ST_OK)
			status = take_page(link, search, id, deadline_ms, visit, context,
			    search->page > 0 ? &cookie : NULL, end, err);
	} while (status == ST_OK && cookie.bv_len > 0 && !end->limited);
	ber_memfree(cookie.bv_val);
	return status;
}
