/*
 * operation_provider.c - DNS providers of tenants: listed, shown, made, changed, removed.
 * Called through the table of operations. It must never answer with a secret, nor send one to
 * another address than that which it was given for, nor let a tenant speak to hosts inside, have a
 * program run or a file read.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/operation_provider.h"
#include "lib/base/secret.h"
#include "lib/crypto/digest.h"
#include "lib/store/sealedprovider.h"

#define PLACEHOLDER "eA==" /* in place of a secret that stays: a secret, and base64 */

/* ---- as people see it ---- */

json_t *
provider_json(const struct store_provider *row)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:I}", "provider",
	    json_span(row->name), "tenant", json_span(row->tenant), "kind", json_span(row->kind),
	    "address", json_span(row->address), "has_secret", row->secret.n > 0, "allow_private",
	    row->allow_private == 1, "operator", 0, "revision", (json_int_t)row->revision);
}

/* Of the operator's file. Where it is is the operator's business: paths, and hosts inside. */
static json_t *
publisher_json(const struct operation_call *call, const struct publisher *publisher)
{
	bool all = call->caller->platform;

	return json_pack("{s:s, s:n, s:s, s:o, s:n, s:b, s:b, s:i}", "provider", publisher->name,
	    "tenant", "kind", publisher->ops->kind, "address",
	    all && publisher->where != NULL ? json_span(span_str(publisher->where)) : json_null(),
	    "has_secret", "allow_private", 1, "operator", 1, "revision", 0);
}

/* ---- found ---- */

static struct publisher *
operators(const struct operation_call *call)
{
	return publisher_find(
	    call->admin->publishers, call->admin->publisher_count, call_text(call, "provider"));
}

/* OPERATION_NOT_FOUND with rows_out NULL: there is no such row; the sentence says so. */
static enum operation_code
find_row(struct operation_call *call, struct keystore_rows **rows_out, struct store_provider *out)
{
	struct span tenant, name = call_text(call, "provider");
	enum operation_code code = call_tenant(call, "tenant", &tenant);
	struct err err = ERR_NONE;
	enum status status;

	*rows_out = NULL;
	if (code != OPERATION_OK)
		return code;
	status = keystore_provider(call->admin->store, tenant, name, rows_out, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	if ((*rows_out)->provider_count == 1) {
		*out = (*rows_out)->providers[0];
		return OPERATION_OK;
	}
	keystore_rows_release(*rows_out);
	*rows_out = NULL;
	return call_refuse(call, OPERATION_NOT_FOUND, "tenant %.*s has no DNS provider %.*s",
	    SPAN_ARG(tenant), SPAN_ARG(name));
}

static enum operation_code
keep_version(struct operation_call *call, const struct store_provider *row)
{
	char version[VERSION_BYTES];

	version_of_revision(row->revision, version);
	return call_version(call, version);
}

enum operation_code
provider_row(
    struct operation_call *call, struct keystore_rows **rows_out, struct store_provider *out)
{
	enum operation_code code = find_row(call, rows_out, out);

	if (code == OPERATION_OK)
		return keep_version(call, out);
	if (code == OPERATION_NOT_FOUND && operators(call) != NULL)
		return call_refuse(call, OPERATION_FORBIDDEN,
		    "%s is the operator's: it stands in the file that DNSPublishers of "
		    "signpost-admind.conf names",
		    operators(call)->name);
	return code;
}

enum operation_code
operation_provider_show(struct operation_call *call)
{
	struct keystore_rows *rows;
	struct store_provider row;
	enum operation_code code = find_row(call, &rows, &row);

	if (code == OPERATION_OK) {
		code = keep_version(call, &row);
		json_object_set_new(call->result, "provider", provider_json(&row));
	} else if (code == OPERATION_NOT_FOUND && operators(call) != NULL) {
		code = call_version(call, "r0");
		json_object_set_new(
		    call->result, "provider", publisher_json(call, operators(call)));
	}
	keystore_rows_release(rows);
	return code;
}

/* ---- listed ---- */

/* The operator's stand behind all others. */
static void
add_operators(const struct operation_call *call, json_t *list)
{
	for (size_t i = 0; i < call->admin->publisher_count; i++)
		json_array_append_new(list, publisher_json(call, call->admin->publishers[i]));
}

enum operation_code
operation_provider_list(struct operation_call *call)
{
	struct keystore *store = call->admin->store;
	struct span tenant, after = call_text(call, "after");
	char from[KEYSTORE_TENANT_MAX + PROVIDER_NAME_MAX + 3];
	json_t *list = json_array();
	size_t limit = call_limit(call), n = 0;
	struct keystore_rows *page;
	struct err err = ERR_NONE;
	enum operation_code code = call_tenant(call, "tenant", &tenant);
	enum status status;

	json_object_set_new(call->result, "providers", list);
	if (code != OPERATION_OK)
		return code;
	if (after.n > PROVIDER_NAME_MAX)
		return call_wrong(call, "after", "no provider has such a name");
	(void)snprintf(from, sizeof(from), "%.*s %.*s", SPAN_ARG(tenant), SPAN_ARG(after));
	status = store->ops->list(store, STORE_PROVIDER, span_str(from), limit, &page, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	for (size_t i = 0; i < page->provider_count; i++)
		if (span_eq(page->providers[i].tenant, tenant)) {
			json_array_append_new(list, provider_json(&page->providers[i]));
			n++;
		}
	if (n > 0 && n == limit)
		json_object_set_new(
		    call->result, "next", json_span(page->providers[limit - 1].name));
	else
		add_operators(call, list);
	keystore_rows_release(page);
	return OPERATION_OK;
}

/* ---- what it is given ---- */

enum operation_code
provider_wrong(struct operation_call *call, const struct err *err)
{
	struct span text = span_str(err->text);
	const char *argument = "address";

	if (span_starts(text, SPAN_LIT("kind:")))
		argument = "kind";
	else if (span_starts(text, SPAN_LIT("name:")))
		argument = "provider";
	else if (span_starts(text, SPAN_LIT("the secret")) ||
		 span_starts(text, SPAN_LIT("there is a secret")) ||
		 span_starts(text, SPAN_LIT("secret:")))
		argument = "secret";
	return call_wrong(call, argument, "%s", err->text);
}

/* Could a publisher be made of it? */
static enum operation_code
check_opens(struct operation_call *call, const struct store_provider *row, struct span secret)
{
	struct publisher_given given = {.name = row->name,
	    .kind = row->kind,
	    .address = row->address,
	    .secret = secret,
	    .allow_private = row->allow_private == 1};
	struct publisher *publisher = NULL;
	struct err err = ERR_NONE;
	enum status status = publisher_open_of_tenant(&given, &publisher, &err);

	publisher_close(publisher);
	if (status == ST_INVALID)
		return provider_wrong(call, &err);
	return status == ST_OK ? OPERATION_OK
			       : call_refuse(call, OPERATION_INTERNAL, "%s", err.text);
}

static bool
is_base64(struct span text)
{
	char *room = secret_malloc(text.n / 4 * 3 + 3);
	size_t n = 0;
	bool is = room != NULL && base64_decode(text, room, &n) == ST_OK && n > 0;

	secret_free(room);
	return is;
}

/* Without a site key there is nothing that it could be sealed with. */
static enum operation_code
seal_secret(struct operation_call *call, struct store_provider *row, struct span secret)
{
	struct err err = ERR_NONE;
	enum status status;
	struct buf sealed;

	if (span_eq_str(row->kind, "rfc2136") && !is_base64(secret))
		return call_wrong(call, "secret", "it is not base64");
	if (call->admin->sitekey == NULL)
		return call_refuse(call, OPERATION_FORBIDDEN,
		    "there is no site key that the secret could be sealed with: set SiteKeyFile "
		    "in signpost-admind.conf");
	buf_init(&sealed, PROVIDER_SECRET_MAX);
	status = sealedprovider_close(call->admin->sitekey, row, secret, &sealed, &err);
	row->secret = call_keep(call, buf_span(&sealed));
	buf_free(&sealed);
	return status == ST_OK ? OPERATION_OK
			       : call_refuse(call, OPERATION_INTERNAL, "%s", err.text);
}

/* Only who is of no tenant may say so. */
static enum operation_code
take_private(struct operation_call *call, struct store_provider *row)
{
	bool wanted = call_switch(call, "allow_private", row->allow_private == 1);

	if (wanted != (row->allow_private == 1) && !call->caller->platform)
		return call_refuse(call, OPERATION_FORBIDDEN,
		    "allow_private: only the operator says whether a provider may be a host "
		    "inside");
	row->allow_private = wanted;
	return OPERATION_OK;
}

/* It is all of the tenant's: not for who may administer some of its domains. */
static enum operation_code
may_change(struct operation_call *call)
{
	return call->caller->domains.n == 0
		   ? OPERATION_OK
		   : call_refuse(call, OPERATION_FORBIDDEN,
			 "a DNS provider is of all domains of its tenant, and you may administer "
			 "some of them");
}

static enum operation_code
write_provider(struct operation_call *call, const struct store_provider *before,
    const struct keystore_write *write)
{
	struct store_provider after = write->row.provider;
	struct err err = ERR_NONE;
	char version[VERSION_BYTES];
	enum status status;

	after.revision += write->how != WRITE_REMOVE;
	call_plan(call, "provider", before == NULL ? NULL : provider_json(before),
	    write->how == WRITE_REMOVE ? NULL : provider_json(&after));
	json_object_set_new(call->result, "provider", provider_json(&after));
	version_of_revision(after.revision, version);
	call_new_version(call, version);
	status = call_apply(call, write, 1, &err);
	if (status == ST_ABSENT && before == NULL)
		return call_refuse(
		    call, OPERATION_NOT_FOUND, "there is no tenant %.*s", SPAN_ARG(after.tenant));
	return status == ST_OK
		   ? OPERATION_OK
		   : call_store_failed(call, status,
			 before == NULL ? OPERATION_EXISTS : OPERATION_PRECONDITION_FAILED, &err);
}

/* A dry run finds out, too, what writing would. */
static enum operation_code
nothing_there(struct operation_call *call, const struct store_provider *row)
{
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	enum status status;
	bool there;
	size_t i;

	status =
	    row_find(call->admin->store, STORE_TENANT, row->tenant, SPAN_EMPTY, &rows, &i, &err);
	keystore_rows_release(rows);
	if (status == ST_ABSENT)
		return call_refuse(
		    call, OPERATION_NOT_FOUND, "there is no tenant %.*s", SPAN_ARG(row->tenant));
	if (status == ST_OK)
		status = keystore_provider(call->admin->store, row->tenant, row->name, &rows, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	there = rows->provider_count > 0;
	keystore_rows_release(rows);
	return there ? call_refuse(call, OPERATION_EXISTS, "there is a DNS provider %.*s already",
			   SPAN_ARG(row->name))
		     : OPERATION_OK;
}

/* ---- changes ---- */

enum operation_code
operation_provider_add(struct operation_call *call)
{
	struct keystore_write write = {.what = STORE_PROVIDER, .how = WRITE_ADD};
	struct store_provider *row = &write.row.provider;
	struct span secret = span_trim(call_text(call, "secret"));
	enum operation_code code = call_tenant(call, "tenant", &row->tenant);

	row->name = call_text(call, "provider");
	row->kind = call_text(call, "kind");
	row->address = call_text(call, "address");
	if (code == OPERATION_OK && span_eq_str(row->name, "manual"))
		code = call_wrong(
		    call, "provider", "manual is always there, and means that people do it");
	if (code == OPERATION_OK)
		code = may_change(call);
	if (code == OPERATION_OK)
		code = take_private(call, row);
	if (code == OPERATION_OK)
		code = check_opens(call, row, secret);
	if (code == OPERATION_OK)
		code = nothing_there(call, row);
	if (code == OPERATION_OK && secret.n > 0)
		code = seal_secret(call, row, secret);
	if (code == OPERATION_OK)
		code = write_provider(call, NULL, &write);
	/* Domains may have named it before it was there. */
	if (code == OPERATION_OK)
		provider_hurry(call, row->tenant, row->name);
	return code;
}

/* A secret goes nowhere else than where it was given for: with another address it is given anew.
 * Nor does what the operator allowed of one address hold for another one. */
static enum operation_code
take_change(struct operation_call *call, struct store_provider *row)
{
	struct span secret = span_trim(call_text(call, "secret"));
	bool moves =
	    call_has(call, "address") && !span_eq(call_text(call, "address"), row->address);
	enum operation_code code;

	if (call_has(call, "secret") && secret.n == 0)
		return call_wrong(call, "secret", "it is empty");
	if (moves && row->secret.n > 0 && secret.n == 0)
		return call_wrong(call, "secret",
		    "with another address the secret has to be given anew: it is kept for the one "
		    "it was given for");
	if (moves && !call->caller->platform)
		row->allow_private = 0;
	if (moves)
		row->address = call_text(call, "address");
	code = take_private(call, row);
	if (code == OPERATION_OK)
		code = check_opens(
		    call, row, secret.n > 0 || row->secret.n == 0 ? secret : SPAN_LIT(PLACEHOLDER));
	return code == OPERATION_OK && secret.n > 0 ? seal_secret(call, row, secret) : code;
}

enum operation_code
operation_provider_set(struct operation_call *call)
{
	struct keystore_write write = {.what = STORE_PROVIDER, .how = WRITE_CHANGE};
	struct keystore_rows *rows;
	struct store_provider before;
	enum operation_code code = provider_row(call, &rows, &before);

	write.row.provider = before;
	if (code == OPERATION_OK)
		code = may_change(call);
	if (code == OPERATION_OK)
		code = take_change(call, &write.row.provider);
	if (code == OPERATION_OK)
		code = write_provider(call, &before, &write);
	if (code == OPERATION_OK)
		provider_hurry(call, before.tenant, before.name);
	keystore_rows_release(rows);
	return code;
}

enum operation_code
operation_provider_remove(struct operation_call *call)
{
	struct keystore_write write = {.what = STORE_PROVIDER, .how = WRITE_REMOVE};
	struct keystore_rows *rows;
	struct store_provider before;
	enum operation_code code = provider_row(call, &rows, &before);

	write.row.provider = before;
	if (code == OPERATION_OK)
		code = may_change(call);
	if (code == OPERATION_OK)
		code = provider_unused(call, before.tenant, before.name);
	if (code == OPERATION_OK)
		code = write_provider(call, &before, &write);
	keystore_rows_release(rows);
	return code;
}
