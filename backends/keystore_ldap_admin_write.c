/*
 * keystore_ldap_admin_write.c - tokens, kept answers and the audit in a batch of writes to a
 * directory: taken out of it, looked at with the rest, and written before and behind it.
 * Called by keystore_ldap_write.c.
 * It must never let anything be written that the audit does not speak of: a directory has no
 * transactions, so its rows come first, and may speak of what then was not done.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backends/keystore_ldap_admin_private.h"
#include "lib/base/mem.h"

#define HANGING_MAX 1000U

/* ---- taken apart ---- */

static bool
removes_tenant(const struct keystore_write *write)
{
	return write->what == STORE_TENANT && write->how == WRITE_REMOVE;
}

bool
ldapadmin_batch_begin(
    struct ldapadmin_batch *batch, const struct keystore_write *writes, size_t count)
{
	bool tenants = false;

	*batch = (struct ldapadmin_batch){.writes = writes, .count = count, .at = SIZE_MAX};
	for (size_t i = 0; i < count; i++) {
		batch->any = batch->any || store_what_is_admin(writes[i].what);
		tenants = tenants || removes_tenant(&writes[i]);
	}
	if (!batch->any && !tenants)
		return false;
	batch->rest = mem_alloc((count + 1) * sizeof(batch->rest[0]));
	batch->place = mem_zalloc(count + 1, sizeof(batch->place[0]));
	for (size_t i = 0; i < count; i++) {
		if (store_what_is_admin(writes[i].what))
			continue;
		batch->place[batch->rest_count] = i;
		batch->rest[batch->rest_count++] = writes[i];
	}
	batch->place[batch->rest_count] = count;
	return true;
}

void
ldapadmin_batch_free(struct ldapadmin_batch *batch)
{
	mem_free(batch->rest);
	mem_free(batch->place);
	batch->rest = NULL;
	batch->place = NULL;
}

size_t
ldapadmin_batch_at(const struct ldapadmin_batch *batch, size_t at)
{
	if (batch->at != SIZE_MAX)
		return batch->at;
	return at <= batch->rest_count ? batch->place[at] : batch->count;
}

/* ---- looked at ---- */

static enum status
refuse(struct ldapadmin *admin, enum status status, struct span id, const char *why)
{
	err_set(admin->err, "token %.*s: %s", SPAN_ARG(id), why);
	return status;
}

struct found {
	bool there, same_tenant;
	uint64_t revision;
	int64_t at, until; /* of a kept answer: when, and until when it counts */
	const struct store_token *row;
};

static enum status
take_token(void *context, const struct ldapentry *entry, struct err *err)
{
	struct found *found = context;
	struct store_token row = {.created = 0};
	enum status status = ldapadmin_read(&ldapadmin_token, entry, &row, err);

	found->there = true;
	found->same_tenant = span_eq(row.tenant, found->row->tenant);
	found->revision = row.revision;
	return status;
}

static enum status
find_token(struct ldapadmin *admin, const struct store_token *row, struct found *found)
{
	enum status status;

	*found = (struct found){.row = row};
	ldapadmin_dn_token(&admin->name, admin->own->base, row->id);
	status = ldapadmin_entry(
	    admin, buf_text(&admin->name), ldapadmin_token.attributes, take_token, found);
	return status == ST_ABSENT ? ST_OK : status;
}

/* Another one with the secret of this one. */
static enum status
take_secret(void *context, const struct ldapentry *entry, struct err *err)
{
	struct found *found = context;
	const struct ldapentry_values *id = &entry->values[0];

	(void)err;
	if (id->count != 1 || !span_eq(id->items[0], found->row->id))
		found->there = true;
	return ST_OK;
}

static enum status
check_secret(struct ldapadmin *admin, const struct store_token *row)
{
	struct found found = {.row = row};
	enum status status;

	ldapadmin_dn_tokens(&admin->name, admin->own->base);
	buf_reset(&admin->filter);
	buf_add_str(&admin->filter, "(signpostSecretHash=");
	buf_add(&admin->filter, row->secret);
	buf_add_char(&admin->filter, ')');
	status = ldapadmin_children(admin, buf_text(&admin->name), buf_text(&admin->filter),
	    ldapadmin_id_attributes, HANGING_MAX, take_secret, &found);
	if (status == ST_OK && found.there)
		return refuse(admin, ST_DENIED, row->id, "another one has its secret");
	return status == ST_ABSENT ? ST_UNAVAILABLE : status;
}

/* In the directory, or made by the same batch. */
enum status
ldapadmin_need_tenant(
    struct ldapadmin *admin, const struct ldapadmin_batch *batch, size_t at, struct span tenant)
{
	for (size_t i = 0; i < at; i++)
		if (batch->writes[i].what == STORE_TENANT && batch->writes[i].how != WRITE_REMOVE &&
		    span_eq(batch->writes[i].row.tenant.name, tenant))
			return ST_OK;
	ldapstore_dn_tenant(&admin->name, admin->own->base, tenant);
	return ldapadmin_exists(admin, buf_text(&admin->name));
}

static enum status
check_tenant(struct ldapadmin *admin, const struct ldapadmin_batch *batch, size_t at)
{
	const struct store_token *row = &batch->writes[at].row.token;
	enum status status =
	    row->tenant.n == 0 ? ST_OK : ldapadmin_need_tenant(admin, batch, at, row->tenant);

	return status != ST_ABSENT ? status
				   : refuse(admin, ST_ABSENT, row->id, "there is no such tenant");
}

static enum status
check_token(struct ldapadmin *admin, const struct ldapadmin_batch *batch, size_t at)
{
	const struct keystore_write *write = &batch->writes[at];
	const struct store_token *row = &write->row.token;
	struct found found;
	enum status status = find_token(admin, row, &found);

	if (status == ST_OK && write->how == WRITE_ADD && found.there)
		return refuse(admin, ST_DENIED, row->id, "there already");
	if (status == ST_OK && write->how == WRITE_ADD)
		status = check_tenant(admin, batch, at);
	else if (status == ST_OK && !found.there)
		return refuse(admin, ST_ABSENT, row->id, "there is none");
	else if (status == ST_OK && !found.same_tenant)
		return refuse(admin, ST_DENIED, row->id, "it is another tenant's");
	else if (status == ST_OK && row->revision != 0 && row->revision != found.revision)
		return refuse(admin, ST_DENIED, row->id, "it was changed meanwhile");
	return status == ST_OK && write->how != WRITE_REMOVE ? check_secret(admin, row) : status;
}

static enum status
take_time(void *context, const struct ldapentry *entry, struct err *err)
{
	struct found *found = context;
	struct store_reply row = {.status = 0};
	enum status status = ldapadmin_read(&ldapadmin_reply, entry, &row, err);

	found->there = true;
	found->at = row.at;
	found->until = row.at + (row.status == 0 ? LDAPADMIN_CLAIM_S : ADMINROW_REPLIES_S);
	return status;
}

static enum status
find_reply(struct ldapadmin *admin, const struct store_reply *row, struct found *found,
    char id[ADMINROW_HASH_BYTES])
{
	enum status status;

	*found = (struct found){.there = false};
	reply_id(row->scope, row->key, id);
	ldapadmin_dn_reply(&admin->name, admin->own->base, id);
	status = ldapadmin_entry(
	    admin, buf_text(&admin->name), ldapadmin_reply.attributes, take_time, found);
	return status == ST_ABSENT ? ST_OK : status;
}

static enum status
kept_already(struct ldapadmin *admin)
{
	err_set(admin->err, "an answer is kept for this key already");
	return ST_DENIED;
}

static enum status
check_reply(struct ldapadmin *admin, const struct store_reply *row, int64_t now_utc)
{
	char id[ADMINROW_HASH_BYTES];
	struct found found;
	enum status status = find_reply(admin, row, &found, id);

	return status == ST_OK && found.there && now_utc < found.until ? kept_already(admin)
								       : status;
}

/* ---- tenants that go ---- */

struct hanging {
	const struct ldapadmin_batch *batch;
	size_t at;
	bool hangs;
};

/* A token of the tenant that the batch does not remove before. */
static enum status
take_hanging(void *context, const struct ldapentry *entry, struct err *err)
{
	struct hanging *hanging = context;
	const struct ldapentry_values *id = &entry->values[0];
	bool goes = false;

	(void)err;
	for (size_t i = 0; i < hanging->at && id->count == 1; i++) {
		const struct keystore_write *write = &hanging->batch->writes[i];

		goes = goes || (write->what == STORE_TOKEN && write->how == WRITE_REMOVE &&
				   span_eq(write->row.token.id, id->items[0]));
	}
	hanging->hangs = hanging->hangs || !goes;
	return ST_OK;
}

static enum status
check_gone_tenant(struct ldapadmin *admin, const struct ldapadmin_batch *batch, size_t at)
{
	struct span tenant = batch->writes[at].row.tenant.name;
	struct hanging hanging = {batch, at, false};
	enum status status;

	ldapadmin_dn_tokens(&admin->name, admin->own->base);
	buf_reset(&admin->filter);
	buf_add_str(&admin->filter, "(signpostTokenTenant=");
	ldapurl_escape_filter(&admin->filter, tenant);
	buf_add_char(&admin->filter, ')');
	status = ldapadmin_children(admin, buf_text(&admin->name), buf_text(&admin->filter),
	    ldapadmin_id_attributes, HANGING_MAX, take_hanging, &hanging);
	if (status == ST_OK && (hanging.hangs || admin->end->limited)) {
		err_set(admin->err, "tenant %.*s: it has tokens", SPAN_ARG(tenant));
		return ST_DENIED;
	}
	/* A directory of before has no tokens. */
	return status == ST_ABSENT ? ST_OK : status;
}

enum status
ldapadmin_batch_check(struct ldapadmin_batch *batch, struct ldapadmin *admin, int64_t now_utc)
{
	enum status status = batch->any ? ldapadmin_need(admin, NULL) : ST_OK;

	for (size_t i = 0; i < batch->count && status == ST_OK; i++) {
		const struct keystore_write *write = &batch->writes[i];

		if (write->what == STORE_TOKEN)
			status = check_token(admin, batch, i);
		else if (write->what == STORE_PROVIDER)
			status = ldapadmin_provider_check(admin, batch, i);
		else if (write->what == STORE_QUOTA)
			status = ldapadmin_quota_check(admin, batch, i);
		else if (write->what == STORE_REPLY)
			status = check_reply(admin, &write->row.reply, now_utc);
		else if (removes_tenant(write))
			status = check_gone_tenant(admin, batch, i);
		if (status == ST_OK && removes_tenant(write))
			status = ldapadmin_provider_gone_tenant(admin, batch, i);
		if (status == ST_OK && removes_tenant(write))
			status = ldapadmin_quota_gone_tenant(admin, batch, i);
		if (status != ST_OK)
			batch->at = i;
	}
	return status;
}

/* ---- written ---- */

/* The old revision is taken out by its value: who was faster is not written over. */
enum status
ldapadmin_change(struct ldapadmin *admin, const struct ldapadmin_kind *kind, const void *row,
    uint64_t revision, const struct ldaplink_change *more)
{
	struct ldaplink_change changes[LDAPADMIN_FIELDS_MAX + 2];
	struct span values[LDAPADMIN_FIELDS_MAX + 1];
	char rooms[LDAPADMIN_FIELDS_MAX + 1][24];
	size_t n = 0, last = kind->count - 1; /* of the revision */

	for (size_t i = 0; i < last; i++) {
		if (kind->fields[i].stays)
			continue;
		values[i] = ldapadmin_value(&kind->fields[i], row, rooms[i]);
		changes[n++] = (struct ldaplink_change){LDAPLINK_REPLACE, kind->fields[i].attribute,
		    &values[i], values[i].n > 0 ? 1 : 0};
	}
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(rooms[last + i], sizeof(rooms[0]), "%" PRIu64, revision + i);
		values[last + i] = span_str(rooms[last + i]);
		changes[n++] = (struct ldaplink_change){i == 0 ? LDAPLINK_DELETE : LDAPLINK_ADD,
		    kind->fields[last].attribute, &values[last + i], 1};
	}
	if (more != NULL)
		changes[n++] = *more;
	return ldapadmin_write(admin, LDAPLINK_MODIFY_ENTRY, buf_text(&admin->name), changes, n);
}

static enum status
write_token(struct ldapadmin *admin, const struct keystore_write *write)
{
	struct store_token row = write->row.token;
	struct found found = {.revision = row.revision};
	enum status status = ST_OK;

	if (write->how == WRITE_ADD) {
		row.revision = 1;
		ldapadmin_dn_token(&admin->name, admin->own->base, row.id);
		return ldapadmin_add(admin, &ldapadmin_token, buf_text(&admin->name), NULL, &row);
	}
	if (row.revision == 0)
		status = find_token(admin, &row, &found);
	ldapadmin_dn_token(&admin->name, admin->own->base, row.id);
	if (status == ST_OK && write->how == WRITE_REMOVE)
		return ldapadmin_write(
		    admin, LDAPLINK_DELETE_ENTRY, buf_text(&admin->name), NULL, 0);
	return status == ST_OK
		   ? ldapadmin_change(admin, &ldapadmin_token, &row, found.revision, NULL)
		   : status;
}

/* ---- answers that are kept ---- */

/* All of it but scope and key. The old time is taken out by its value: one of two is faster. */
static enum status
change_reply(struct ldapadmin *admin, const struct store_reply *row, int64_t was_at)
{
	const struct ldapadmin_kind *kind = &ldapadmin_reply;
	const struct store_reply was = {.at = was_at};
	struct ldaplink_change changes[LDAPADMIN_FIELDS_MAX + 1];
	struct span values[LDAPADMIN_FIELDS_MAX + 1];
	char rooms[LDAPADMIN_FIELDS_MAX + 1][24];
	size_t n = 0, last = kind->count - 1; /* of the time */

	values[last] = ldapadmin_value(&kind->fields[last], &was, rooms[last]);
	values[last + 1] = ldapadmin_value(&kind->fields[last], row, rooms[last + 1]);
	changes[n++] = (struct ldaplink_change){
	    LDAPLINK_DELETE, kind->fields[last].attribute, &values[last], 1};
	changes[n++] = (struct ldaplink_change){
	    LDAPLINK_ADD, kind->fields[last].attribute, &values[last + 1], 1};
	for (size_t i = 2; i < last; i++) {
		values[i] = ldapadmin_value(&kind->fields[i], row, rooms[i]);
		changes[n++] = (struct ldaplink_change){LDAPLINK_REPLACE, kind->fields[i].attribute,
		    &values[i], values[i].n > 0 ? 1 : 0};
	}
	return ldapadmin_write(admin, LDAPLINK_MODIFY_ENTRY, buf_text(&admin->name), changes, n);
}

/* An entry is added at once or not at all: of two with the same key one goes on. Status 0 says that
 * it is being done. */
static enum status
claim_reply(struct ldapadmin *admin, const struct store_reply *given, int64_t now_utc)
{
	struct store_reply row = {
	    .scope = given->scope, .key = given->key, .body = given->body, .at = now_utc};
	char id[ADMINROW_HASH_BYTES];
	struct found found;
	enum status status = find_reply(admin, &row, &found, id);

	if (status != ST_OK)
		return status;
	if (found.there && now_utc < found.until)
		return kept_already(admin);
	ldapadmin_dn_reply(&admin->name, admin->own->base, id);
	return found.there
		   ? change_reply(admin, &row, found.at)
		   : ldapadmin_add(admin, &ldapadmin_reply, buf_text(&admin->name), id, &row);
}

static enum status
claim_replies(struct ldapadmin_batch *batch, struct ldapadmin *admin, int64_t now_utc)
{
	enum status status = ST_OK;

	for (size_t i = 0; i < batch->count && status == ST_OK; i++) {
		if (batch->writes[i].what != STORE_REPLY)
			continue;
		status = claim_reply(admin, &batch->writes[i].row.reply, now_utc);
		if (status == ST_OK)
			batch->claimed = i + 1;
		else
			batch->at = i;
	}
	return status;
}

void
ldapadmin_batch_undo(struct ldapadmin_batch *batch, struct ldapadmin *admin)
{
	struct err ignored = ERR_NONE, *err = admin->err;
	char id[ADMINROW_HASH_BYTES];

	admin->err = &ignored;
	for (size_t i = 0; i < batch->claimed; i++) {
		const struct store_reply *row = &batch->writes[i].row.reply;

		if (batch->writes[i].what != STORE_REPLY)
			continue;
		reply_id(row->scope, row->key, id);
		ldapadmin_dn_reply(&admin->name, admin->own->base, id);
		if (ldapadmin_write(
			admin, LDAPLINK_DELETE_ENTRY, buf_text(&admin->name), NULL, 0) != ST_OK)
			break; /* it ends by itself */
	}
	admin->err = err;
}

/* ---- before all else, and behind it ---- */

enum status
ldapadmin_batch_before(struct ldapadmin_batch *batch, struct ldapadmin *admin, int64_t now_utc)
{
	enum status status = claim_replies(batch, admin, now_utc);

	/* Somebody else may be faster with a quota: then nothing is said of what was not done. */
	for (size_t i = 0; i < batch->count && status == ST_OK; i++) {
		if (batch->writes[i].what == STORE_QUOTA)
			status = ldapadmin_quota_write(admin, batch, &batch->writes[i], now_utc);
		if (status != ST_OK)
			batch->at = i;
	}
	if (status == ST_OK)
		status = ldapadmin_append(admin, batch->writes, batch->count, now_utc);
	for (size_t i = 0; i < batch->count && status == ST_OK; i++) {
		const struct keystore_write *write = &batch->writes[i];

		if (write->what == STORE_TOKEN)
			status = write_token(admin, write);
		else if (write->what == STORE_PROVIDER)
			status = ldapadmin_provider_write(admin, write);
		if (status != ST_OK)
			batch->at = i;
	}
	return status;
}

static enum status
write_reply(struct ldapadmin *admin, const struct store_reply *given, int64_t now_utc)
{
	struct store_reply row = *given;
	char id[ADMINROW_HASH_BYTES];

	row.at = now_utc;
	reply_id(row.scope, row.key, id);
	ldapadmin_dn_reply(&admin->name, admin->own->base, id);
	return change_reply(admin, &row, now_utc);
}

enum status
ldapadmin_batch_after(struct ldapadmin_batch *batch, struct ldapadmin *admin, int64_t now_utc)
{
	enum status status = ST_OK;

	for (size_t i = 0; i < batch->count && status == ST_OK; i++) {
		if (batch->writes[i].what != STORE_REPLY)
			continue;
		status = write_reply(admin, &batch->writes[i].row.reply, now_utc);
		if (status != ST_OK)
			batch->at = i;
	}
	return status;
}
