/*
 * keystore_ldap_admin.c - tokens and kept answers in a directory: asked for, listed, forgotten.
 * Called through keystore_ops by the administration. It must never take a directory that does not
 * show them for one in which there are none.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/keystore_ldap_admin_private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define TOKENS_MAX 10000U /* that can be listed */

/* ---- asked over one connection ---- */

void
ldapadmin_begin(struct ldapadmin *admin, struct ldapstore *own, struct ldaplink *link,
    struct ldaplink_end *end, struct err *err)
{
	*admin = (struct ldapadmin){.own = own, .link = link, .end = end, .err = err};
	buf_init(&admin->name, LDAPSTORE_TEXT_MAX);
	buf_init(&admin->filter, LDAPSTORE_TEXT_MAX);
}

void
ldapadmin_end(struct ldapadmin *admin)
{
	buf_free(&admin->name);
	buf_free(&admin->filter);
}

static enum status
search(struct ldapadmin *admin, const struct ldaplink_search *search, ldapentry_visit *visit,
    void *context)
{
	int64_t deadline_ms = clock_mono_ms() + admin->own->pool.config.timeout_ms;
	enum status status = ldaplink_search(
	    admin->link, search, deadline_ms, visit, context, admin->end, admin->err);

	if (status == ST_OK && admin->end->referred) {
		err_set(admin->err, "a part of what is below ou=admin is on another server");
		return ST_UNAVAILABLE;
	}
	return status;
}

enum status
ldapadmin_entry(struct ldapadmin *admin, const char *dn, const char *const *attributes,
    ldapentry_visit *visit, void *context)
{
	const struct ldaplink_search asked = {.base = dn,
	    .filter = "(objectClass=*)",
	    .scope = LDAPURL_BASE,
	    .attributes = attributes,
	    .entries_max = 1,
	    .base_varies = true};
	enum status status = search(admin, &asked, visit, context);

	return status == ST_OK && admin->end->entries == 0 ? ST_ABSENT : status;
}

static enum status
take_any(void *context, const struct ldapentry *entry, struct err *err)
{
	(void)context;
	(void)entry;
	(void)err;
	return ST_OK;
}

enum status
ldapadmin_exists(struct ldapadmin *admin, const char *dn)
{
	return ldapadmin_entry(admin, dn, ldapadmin_id_attributes, take_any, NULL);
}

enum status
ldapadmin_children(struct ldapadmin *admin, const char *dn, const char *filter,
    const char *const *attributes, size_t entries_max, ldapentry_visit *visit, void *context)
{
	const struct ldaplink_search asked = {.base = dn,
	    .filter = filter,
	    .scope = LDAPURL_ONE,
	    .attributes = attributes,
	    .entries_max = entries_max,
	    .base_varies = true};

	return search(admin, &asked, visit, context);
}

enum status
ldapadmin_write(struct ldapadmin *admin, enum ldaplink_write what, const char *dn,
    const struct ldaplink_change *changes, size_t count)
{
	return ldaplink_change(admin->link, what, dn, changes, count,
	    clock_mono_ms() + admin->own->pool.config.timeout_ms, admin->end, admin->err);
}

enum status
ldapadmin_add(struct ldapadmin *admin, const struct ldapadmin_kind *kind, const char *dn,
    const char *digest, const void *row)
{
	const struct span classes[2] = {SPAN_LIT("top"), span_str(kind->class)};
	struct ldaplink_change changes[LDAPADMIN_FIELDS_MAX + 2];
	struct span values[LDAPADMIN_FIELDS_MAX], named;
	char rooms[LDAPADMIN_FIELDS_MAX][24];
	size_t n = 0;

	changes[n++] = (struct ldaplink_change){LDAPLINK_ADD, "objectClass", classes, 2};
	if (digest != NULL) {
		named = span_str(digest);
		changes[n++] = (struct ldaplink_change){LDAPLINK_ADD, "signpostDigest", &named, 1};
	}
	for (size_t i = 0; i < kind->count; i++) {
		values[i] = ldapadmin_value(&kind->fields[i], row, rooms[i]);
		if (values[i].n > 0)
			changes[n++] = (struct ldaplink_change){
			    LDAPLINK_ADD, kind->fields[i].attribute, &values[i], 1};
	}
	return ldapadmin_write(admin, LDAPLINK_ADD_ENTRY, dn, changes, n);
}

/* ---- is there room for it? ---- */

struct room {
	struct audit_head head;
	bool shown;
};

static enum status
take_head(void *context, const struct ldapentry *entry, struct err *err)
{
	struct room *room = context;

	room->shown = entry->values[0].count == 1 &&
		      ldapadmin_read_end(entry->values[0].items[0], &room->head) == ST_OK;
	if (!room->shown)
		err_set(err, "\"%.*s\" does not show signpostAuditEnd",
		    SPAN_ARG(span_sub(entry->dn, 0, 200)));
	return room->shown ? ST_OK : ST_UNAVAILABLE;
}

enum status
ldapadmin_need(struct ldapadmin *admin, struct audit_head *out)
{
	struct room room = {.shown = false};
	enum status status;

	ldapadmin_dn_head(&admin->name, admin->own->base);
	status = ldapadmin_entry(
	    admin, buf_text(&admin->name), ldapadmin_end_attributes, take_head, &room);
	if (status == ST_OK && out != NULL)
		*out = room.head;
	if (status != ST_ABSENT)
		return status;
	err_set(admin->err,
	    "there is no \"cn=audit,ou=admin,%.200s\", or LDAPBindUser may not see it: load "
	    "ldif/admin.ldif into the server (with slapd.conf: signpost.schema), then run signpost "
	    "store init",
	    admin->own->base);
	return ST_UNAVAILABLE;
}

/* ---- one row, or some ---- */

struct asked;

/* What is asked for, once it is known that there is room for it. ST_ABSENT: none. */
typedef enum status question(struct ldapadmin *admin, struct asked *asked);

struct asked {
	struct ldapstore *own;
	question *question;
	struct keystore_rows *rows;
	enum store_token_by by;
	struct span name;
	char id[ADMINROW_HASH_BYTES]; /* of an answer */
	size_t max, count;            /* to be forgotten; forgotten */
};

static enum status
take_token(void *context, const struct ldapentry *entry, struct err *err)
{
	struct asked *asked = context;
	struct store_token row = {.created = 0};
	enum status status = ldapadmin_read(&ldapadmin_token, entry, &row, err);

	if (status == ST_OK && row.id.n > 0)
		keystore_rows_add_token(asked->rows, &row);
	return status;
}

static void
renew(struct asked *asked)
{
	keystore_rows_release(asked->rows);
	asked->rows = keystore_rows_new();
}

/* Each time that it is asked over another connection, from the beginning. */
static enum status
do_ask(void *context, struct ldaplink *link, int64_t deadline_ms, struct ldaplink_end *end,
    struct err *err)
{
	struct asked *asked = context;
	struct ldapadmin admin;
	enum status status;

	(void)deadline_ms;
	renew(asked);
	ldapadmin_begin(&admin, asked->own, link, end, err);
	status = ldapadmin_need(&admin, NULL);
	if (status == ST_OK)
		status = asked->question(&admin, asked);
	ldapadmin_end(&admin);
	return status == ST_ABSENT ? ST_OK : status;
}

/* The rows, or why there are none. */
static enum status
answer(struct keystore *store, struct asked *asked, struct keystore_rows **out, struct err *err)
{
	enum status status = ldappool_run(&asked->own->pool, do_ask, asked, err);

	*out = NULL;
	if (status == ST_OK) {
		*out = asked->rows;
		return ST_OK;
	}
	keystore_rows_release(asked->rows);
	err_prefix(err, "%s", store->where);
	return status;
}

static enum status
token_by_id(struct ldapadmin *admin, struct asked *asked)
{
	ldapadmin_dn_token(&admin->name, asked->own->base, asked->name);
	return ldapadmin_entry(
	    admin, buf_text(&admin->name), ldapadmin_token.attributes, take_token, asked);
}

static enum status
token_by_secret(struct ldapadmin *admin, struct asked *asked)
{
	ldapadmin_dn_tokens(&admin->name, asked->own->base);
	buf_add_str(&admin->filter, "(signpostSecretHash=");
	ldapurl_escape_filter(&admin->filter, asked->name);
	buf_add_char(&admin->filter, ')');
	return ldapadmin_children(admin, buf_text(&admin->name), buf_text(&admin->filter),
	    ldapadmin_token.attributes, 2, take_token, asked);
}

/* Names of entries are compared without blanks around them, and some without case. */
static void
keep_exact(struct asked *asked)
{
	struct keystore_rows *rows = asked->rows;
	size_t kept = 0;

	for (size_t i = 0; i < rows->token_count; i++) {
		const struct store_token *row = &rows->tokens[i];

		if (span_eq(asked->by == STORE_TOKEN_BY_ID ? row->id : row->secret, asked->name))
			rows->tokens[kept++] = *row;
	}
	rows->token_count = kept;
}

enum status
ldapadmin_ask_token(struct keystore *store, enum store_token_by by, struct span name,
    struct keystore_rows **out, struct err *err)
{
	struct asked asked = {.own = store->state,
	    .question = by == STORE_TOKEN_BY_ID ? token_by_id : token_by_secret,
	    .by = by,
	    .name = name};
	enum status status = answer(store, &asked, out, err);

	if (status == ST_OK)
		keep_exact(&asked);
	return status;
}

/* ---- all tokens ---- */

static enum status
tokens(struct ldapadmin *admin, struct asked *asked)
{
	enum status status;

	ldapadmin_dn_tokens(&admin->name, asked->own->base);
	status = ldapadmin_children(admin, buf_text(&admin->name), "(objectClass=signpostToken)",
	    ldapadmin_token.attributes, TOKENS_MAX, take_token, asked);
	if (status != ST_OK || !admin->end->limited)
		return status;
	err_set(admin->err,
	    "there are more than %u tokens; remove some, or raise the limits of LDAPBindUser in "
	    "the server",
	    TOKENS_MAX);
	return ST_TOO_BIG;
}

/* By tenant, then by id. */
static int
by_name(const void *left, const void *right)
{
	const struct store_token *a = left, *b = right;
	int order = span_compare(a->tenant, b->tenant);

	return order != 0 ? order : span_compare(a->id, b->id);
}

enum status
ldapadmin_list_tokens(struct keystore *store, struct span after, size_t max,
    struct keystore_rows **out, struct err *err)
{
	struct asked asked = {.own = store->state, .question = tokens};
	struct store_token last = {.id = after};
	struct keystore_rows *all;
	enum status status = answer(store, &asked, &all, err);

	*out = NULL;
	if (status != ST_OK)
		return status;
	(void)span_cut(&last.id, ' ', &last.tenant);
	if (all->token_count > 0)
		qsort(all->tokens, all->token_count, sizeof(all->tokens[0]), by_name);
	*out = keystore_rows_new();
	for (size_t i = 0; i < all->token_count && (*out)->token_count < max; i++)
		if (after.n == 0 || by_name(&all->tokens[i], &last) > 0)
			keystore_rows_add_token(*out, &all->tokens[i]);
	keystore_rows_release(all);
	return ST_OK;
}

/* ---- answers ---- */

static enum status
take_reply(void *context, const struct ldapentry *entry, struct err *err)
{
	struct asked *asked = context;
	struct store_reply row = {.status = 0};
	enum status status = ldapadmin_read(&ldapadmin_reply, entry, &row, err);

	if (status == ST_OK && ldapstore_clock(asked->own) - row.at <
				   (row.status == 0 ? LDAPADMIN_CLAIM_S : ADMINROW_REPLIES_S))
		keystore_rows_add_reply(asked->rows, &row);
	return status;
}

static enum status
reply(struct ldapadmin *admin, struct asked *asked)
{
	ldapadmin_dn_reply(&admin->name, asked->own->base, asked->id);
	return ldapadmin_entry(
	    admin, buf_text(&admin->name), ldapadmin_reply.attributes, take_reply, asked);
}

enum status
ldapadmin_ask_reply(struct keystore *store, struct span scope, struct span key,
    struct keystore_rows **out, struct err *err)
{
	struct asked asked = {.own = store->state, .question = reply};

	reply_id(scope, key, asked.id);
	return answer(store, &asked, out, err);
}

/* The scope of an old one and its key, by which it is named. */
static enum status
take_old(void *context, const struct ldapentry *entry, struct err *err)
{
	struct asked *asked = context;
	struct store_reply row = {.status = 0};
	enum status status = ldapadmin_read(&ldapadmin_reply, entry, &row, err);

	if (status == ST_OK)
		keystore_rows_add_reply(asked->rows, &row);
	return status;
}

static enum status
forget_found(struct ldapadmin *admin, struct asked *asked)
{
	enum status status = ST_OK;

	for (size_t i = 0; i < asked->rows->reply_count && asked->count < asked->max; i++) {
		const struct store_reply *row = &asked->rows->replies[i];

		reply_id(row->scope, row->key, asked->id);
		ldapadmin_dn_reply(&admin->name, asked->own->base, asked->id);
		status =
		    ldapadmin_write(admin, LDAPLINK_DELETE_ENTRY, buf_text(&admin->name), NULL, 0);
		if (status != ST_OK && status != ST_ABSENT)
			return status;
		asked->count++;
	}
	return ST_OK;
}

static enum status
forget(struct ldapadmin *admin, struct asked *asked)
{
	enum status status = ST_OK;
	char time[16];

	ldapstore_write_time(ldapstore_clock(asked->own) - ADMINROW_REPLIES_S, time);
	buf_add_fmt(&admin->filter, "(signpostReplyAt<=%s)", time);
	ldapadmin_dn_replies(&admin->name, asked->own->base);
	if (asked->max > 0)
		status = ldapadmin_children(admin, buf_text(&admin->name), buf_text(&admin->filter),
		    ldapadmin_reply.attributes, asked->max, take_old, asked);
	return status == ST_OK ? forget_found(admin, asked) : status;
}

enum status
ldapadmin_forget_replies(struct keystore *store, size_t max, size_t *count_out, struct err *err)
{
	struct asked asked = {.own = store->state, .question = forget, .max = max};
	enum status status;

	*count_out = 0;
	if (!asked.own->write) {
		err_set(err, "%s: opened for reading", store->where);
		return ST_DENIED;
	}
	status = ldappool_run_once(&asked.own->pool, do_ask, &asked,
	    asked.own->pool.config.timeout_ms * (int64_t)(2 + max / 10), err);
	keystore_rows_release(asked.rows);
	*count_out = asked.count;
	if (status != ST_OK)
		err_prefix(err, "%s", store->where);
	return status;
}
