/*
 * operation_domain.c - domains.
 * Called through the table of operations. It must never say whose domain it is that another tenant
 * has, nor remove one whose keys somebody may still verify with.
 */
#include "config.h"

#include <stdio.h>

#include "admin-api/operation_lives.h"
#include "admin-api/operation_many.h"
#include "lib/base/mem.h"

static enum operation_code
find_domain(struct operation_call *call, struct span name, struct keystore_rows **rows_out,
    struct store_domain *out)
{
	struct err err = ERR_NONE;
	enum status status;
	size_t i;

	status = row_find(call->admin->store, STORE_DOMAIN, name, SPAN_EMPTY, rows_out, &i, &err);
	if (status == ST_ABSENT)
		return call_refuse(
		    call, OPERATION_NOT_FOUND, "there is no domain %.*s", SPAN_ARG(name));
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	*out = (*rows_out)->domains[i];
	if (call_sees(call, out->tenant, name))
		return OPERATION_OK;
	return call_refuse(call, OPERATION_NOT_FOUND, "there is no domain %.*s", SPAN_ARG(name));
}

/* With the version that the caller has seen. */
static enum operation_code
find_to_change(struct operation_call *call, struct span name, struct keystore_rows **rows_out,
    struct store_domain *out)
{
	char version[VERSION_BYTES];
	enum operation_code code = find_domain(call, name, rows_out, out);

	if (code != OPERATION_OK)
		return code;
	version_of_domain(out, version);
	return call_version(call, version);
}

/* "" takes a policy or an alias away. */
static enum operation_code
take_fields(struct operation_call *call, struct store_domain *row)
{
	enum operation_code code = OPERATION_OK;

	if (call_has(call, "policy"))
		row->policy = call_text(call, "policy");
	if (row->policy.n > 0 && !keystore_tenant_is_valid(row->policy))
		return call_wrong(call, "policy", "it is no name of a policy");
	if (call_has(call, "signs_as")) {
		row->signs_as = SPAN_EMPTY;
		if (call_text(call, "signs_as").n > 0)
			code = call_domain(call, "signs_as", &row->signs_as);
	}
	row->subdomains = call_switch(call, "subdomains", row->subdomains);
	row->enabled = call_switch(call, "enabled", row->enabled);
	return code;
}

/* What the store would refuse, said also in a dry run. */
enum operation_code
domain_check_references(struct operation_call *call, const struct store_domain *row)
{
	struct keystore *store = call->admin->store;
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	enum status status;
	size_t i;

	status = row_find(store, STORE_TENANT, row->tenant, SPAN_EMPTY, &rows, &i, &err);
	keystore_rows_release(rows);
	if (status == ST_OK && row->policy.n > 0) {
		status = row_find(store, STORE_POLICY, row->tenant, row->policy, &rows, &i, &err);
		keystore_rows_release(rows);
		if (status == ST_ABSENT)
			return call_refuse(call, OPERATION_NOT_FOUND,
			    "tenant %.*s has no policy %.*s", SPAN_ARG(row->tenant),
			    SPAN_ARG(row->policy));
	}
	if (status == ST_ABSENT)
		return call_refuse(
		    call, OPERATION_NOT_FOUND, "there is no tenant %.*s", SPAN_ARG(row->tenant));
	return status == ST_OK ? OPERATION_OK
			       : call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
}

static enum operation_code
write_domain(struct operation_call *call, const struct store_domain *before,
    const struct keystore_write *write, enum operation_code denied)
{
	struct err err = ERR_NONE;
	char version[VERSION_BYTES];
	enum status status;

	call_plan(call, "domain", before == NULL ? NULL : row_domain(before),
	    row_domain(&write->row.domain));
	json_object_set_new(call->result, "domain", row_domain(&write->row.domain));
	version_of_domain(&write->row.domain, version);
	call_new_version(call, version);
	status = call_apply(call, write, 1, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, denied, &err);
	return row_make_due(call, write->row.domain.name);
}

/* Of a domain that is about to be added: what its customer has to do then. Before it is written,
 * so that it is a part of the answer that is kept. */
static enum operation_code
show_cnames(struct operation_call *call, const struct store_domain *row)
{
	struct keystore *store = call->admin->store;
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	enum operation_code code = OPERATION_OK;
	struct lives *lives;
	size_t i;

	if (store->ops->lives == NULL || row->policy.n == 0 ||
	    row_find(store, STORE_POLICY, row->tenant, row->policy, &rows, &i, &err) != ST_OK)
		return OPERATION_OK; /* adding it says what is wrong */
	lives = mem_zalloc(1, sizeof(*lives));
	lives->life.name = row->name;
	if (key_plan_parse(rows->policies[i].plan, rows->policies[i].signature_ttl_s,
		&lives->life.plan, &err) == ST_OK)
		code = cnames_show(call, lives);
	lives_free(lives);
	keystore_rows_release(rows);
	return code;
}

enum operation_code
domain_take_new(struct operation_call *call, struct store_domain *row)
{
	enum operation_code code = call_domain(call, "domain", &row->name);

	row->signature_ttl_s = -1;
	row->enabled = true;
	if (code == OPERATION_OK)
		code = call_tenant(call, "tenant", &row->tenant);
	if (code == OPERATION_OK)
		code = take_fields(call, row);
	return code;
}

enum operation_code
operation_domain_add(struct operation_call *call)
{
	struct keystore_write write = {.what = STORE_DOMAIN, .how = WRITE_ADD};
	struct store_domain *row = &write.row.domain, there;
	struct keystore_rows *rows = NULL;
	enum operation_code code = domain_take_new(call, row);

	if (code == OPERATION_OK)
		code = domain_check_references(call, row);
	if (code != OPERATION_OK)
		return code;
	if (!call_sees(call, row->tenant, row->name))
		return call_refuse(call, OPERATION_FORBIDDEN,
		    "%.*s is none of the domains that you may administer", SPAN_ARG(row->name));
	code = find_domain(call, row->name, &rows, &there);
	keystore_rows_release(rows);
	if (code == OPERATION_OK)
		return call_refuse(
		    call, OPERATION_EXISTS, "there is a domain %.*s already", SPAN_ARG(row->name));
	if (code == OPERATION_NOT_FOUND && rows != NULL)
		return call_refuse(call, OPERATION_OWNED_ELSEWHERE, "%.*s belongs to somebody else",
		    SPAN_ARG(row->name));
	if (code != OPERATION_NOT_FOUND)
		return code;
	code = show_cnames(call, row);
	return code == OPERATION_OK ? write_domain(call, NULL, &write, OPERATION_EXISTS) : code;
}

/* ---- changing one ---- */

/* Not the row, but its life. */
static enum operation_code
set_paused(struct operation_call *call, struct lives *lives, void *context)
{
	bool paused = *(const bool *)context;

	if (paused && lives->life.life.paused == 0)
		lives->life.life.paused = call->now_utc;
	else if (!paused)
		lives->life.life.paused = 0;
	lives->life.changed = true;
	return OPERATION_OK;
}

static enum operation_code
check_revision(struct operation_call *call, uint64_t revision)
{
	if (!call_has(call, "revision") || (uint64_t)call_number(call, "revision") == revision)
		return OPERATION_OK;
	return call_refuse(call, OPERATION_PRECONDITION_FAILED,
	    "it was changed meanwhile; its revision is %llu now", (unsigned long long)revision);
}

static bool
changes_row(const struct operation_call *call)
{
	return call_has(call, "policy") || call_has(call, "signs_as") ||
	       call_has(call, "subdomains") || call_has(call, "enabled");
}

/* OPERATION_EXISTS: somebody wrote the row meanwhile, the reconciler for one. */
static enum operation_code
set_row(struct operation_call *call, const struct store_domain *before)
{
	struct keystore_write write = {.what = STORE_DOMAIN, .how = WRITE_CHANGE};
	enum operation_code code;

	write.row.domain = *before;
	code = take_fields(call, &write.row.domain);
	if (code == OPERATION_OK)
		code = domain_check_references(call, &write.row.domain);
	if (code == OPERATION_OK)
		code = write_domain(call, before, &write, OPERATION_EXISTS);
	return code;
}

/* What the caller has seen is compared again each time. */
static enum operation_code
find_and_set(struct operation_call *call, struct span name)
{
	struct keystore_rows *rows = NULL;
	struct store_domain before;
	enum operation_code code = find_to_change(call, name, &rows, &before);

	if (code == OPERATION_OK)
		code = check_revision(call, before.revision);
	if (code == OPERATION_OK && changes_row(call))
		code = set_row(call, &before);
	keystore_rows_release(rows);
	return code;
}

enum operation_code
operation_domain_set(struct operation_call *call)
{
	bool paused = call_switch(call, "paused", false);
	struct span name;
	enum operation_code code = call_domain(call, "domain", &name);

	if (code == OPERATION_OK)
		code = find_and_set(call, name);
	for (unsigned i = 1; code == OPERATION_EXISTS && i < OPERATION_ATTEMPTS; i++)
		code = find_and_set(call, name);
	if (code == OPERATION_EXISTS)
		code = call_refuse(call, OPERATION_PRECONDITION_FAILED,
		    "somebody else changes this domain, too; try again");
	if (code == OPERATION_OK && call_has(call, "paused"))
		code = lives_update(call, name, set_paused, &paused);
	return code;
}

/* ---- showing ---- */

/* The next key, if it waits for a slot. */
static void
show_new(
    struct operation_call *call, const struct lives *lives, const struct life_decision *decision)
{
	json_t *next = lives_next(lives, LIFE_NO_KEY, decision);

	if (json_is_null(next))
		json_decref(next);
	else
		json_object_set_new(call->result, "new_key", next);
}

static void
show_keys(struct operation_call *call, struct lives *lives)
{
	struct life_decision decision;
	json_t *keys = json_array();

	life_decide(&lives->life, &lives->gateways, call->now_utc, &decision);
	for (size_t i = 0; i < lives->life.count; i++)
		json_array_append_new(keys, lives_row(call, lives, i, &decision));
	json_object_set_new(call->result, "keys", keys);
	show_new(call, lives, &decision);
	json_object_set_new(
	    call->result, "managed", json_boolean(lives->life.plan.manage && lives->life.enabled));
	if (lives->plan_error.text[0] != '\0')
		json_object_set_new(
		    call->result, "trouble", json_span(span_str(lives->plan_error.text)));
}

enum operation_code
operation_domain_show(struct operation_call *call)
{
	struct lives *lives = NULL;
	struct span name;
	enum operation_code code = call_domain(call, "domain", &name);

	char version[VERSION_BYTES];

	if (code == OPERATION_OK)
		code = lives_read(call, name, &lives);
	if (code != OPERATION_OK)
		return code;
	version_of_domain(lives->row, version);
	code = call_version(call, version);
	json_object_set_new(call->result, "domain", row_domain(lives->row));
	show_keys(call, lives);
	if (code == OPERATION_OK)
		code = cnames_show(call, lives);
	lives_free(lives);
	return code;
}

enum operation_code
operation_domain_list(struct operation_call *call)
{
	struct keystore *store = call->admin->store;
	struct span tenant = call_text(call, "tenant");
	int64_t before = call_has(call, "due_before") ? call_time(call, "due_before") : INT64_MAX;
	json_t *list = json_array();
	struct keystore_rows *page;
	struct err err = ERR_NONE;
	enum status status;

	json_object_set_new(call->result, "domains", list);
	status = keystore_domains(
	    store, call_only_tenant(call), call_text(call, "after"), call_limit(call), &page, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	for (size_t i = 0; i < page->domain_count; i++) {
		const struct store_domain *row = &page->domains[i];

		if ((tenant.n == 0 || span_eq(row->tenant, tenant)) &&
		    call_sees(call, row->tenant, row->name) &&
		    (before == INT64_MAX || (row->due != 0 && row->due < before)))
			json_array_append_new(list, row_domain(row));
	}
	if (page->domain_count == call_limit(call))
		json_object_set_new(
		    call->result, "next", json_span(page->domains[page->domain_count - 1].name));
	keystore_rows_release(page);
	return OPERATION_OK;
}

/* ---- removing ---- */

/* Was anything of it ever in DNS? Then its row stays, so that the selector cannot come back. */
static bool
was_published(const struct key_times *t)
{
	return t->published > 0 || t->proven > 0 || t->loaded > 0 || t->active > 0 ||
	       t->retiring > 0 || t->revoking > 0 || t->revoked > 0 || t->removed > 0 ||
	       t->destroyed > 0 || (t->publishing > 0 && t->failed == 0);
}

static enum operation_code
refuse_published(struct operation_call *call, const struct store_key *key, enum key_state state)
{
	if (state == KEY_DESTROYED)
		return call_refuse(call, OPERATION_IN_USE,
		    "key %.*s was published once; its row stays, so that nobody can use the "
		    "selector again, and the domain with it: disable the domain instead",
		    SPAN_ARG(key->selector));
	return call_refuse(call, OPERATION_IN_USE,
	    "key %.*s is %s: disable the domain (domain.set enabled=false), revoke its keys and "
	    "wait "
	    "until they are DESTROYED; until then somebody may still verify with them",
	    SPAN_ARG(key->selector), key_state_name(state));
}

/* Its keys, which all can go, and then the domain. OPERATION_EXISTS: something hangs on it, or
 * somebody wrote one of the rows meanwhile. */
static enum operation_code
remove_all(struct operation_call *call, const struct store_domain *before,
    const struct keystore_rows *keys)
{
	struct keystore_write writes[KEYSTORE_KEYS_MAX + 1];
	struct err err = ERR_NONE;
	enum status status;
	size_t count = 0;

	for (size_t i = 0; i < keys->key_count; i++) {
		const struct store_key *key = &keys->keys[i];

		if (!span_eq(key->domain, before->name))
			continue;
		if (was_published(&key->times) || count == KEYSTORE_KEYS_MAX)
			return refuse_published(
			    call, key, key_state_at(&key->times, call->now_utc));
		writes[count++] = (struct keystore_write){
		    .what = STORE_KEY, .how = WRITE_REMOVE, .row.key = *key};
	}
	writes[count++] = (struct keystore_write){
	    .what = STORE_DOMAIN, .how = WRITE_REMOVE, .row.domain = *before};
	for (size_t i = 0; i + 1 < count; i++)
		call_plan(call, "key",
		    row_key(&writes[i].row.key, &writes[i].row.key.times, call->now_utc), NULL);
	call_plan(call, "domain", row_domain(before), NULL);
	json_object_set_new(call->result, "domain", row_domain(before));
	status = call_apply(call, writes, count, &err);
	return status == ST_OK ? OPERATION_OK
			       : call_store_failed(call, status, OPERATION_EXISTS, &err);
}

static enum operation_code
find_and_remove(struct operation_call *call, struct span name)
{
	struct keystore *store = call->admin->store;
	struct keystore_rows *rows = NULL, *keys = NULL;
	struct store_domain before;
	struct err err = ERR_NONE;
	enum operation_code code = find_to_change(call, name, &rows, &before);
	char after[KEYSTORE_DOMAIN_MAX + 2];
	enum status status;

	if (code != OPERATION_OK) {
		keystore_rows_release(rows);
		return code;
	}
	/* All of them, also those that are destroyed. */
	snprintf(after, sizeof(after), "%.*s ", SPAN_ARG(name));
	status =
	    store->ops->list(store, STORE_KEY, span_str(after), KEYSTORE_KEYS_MAX + 1, &keys, &err);
	code = status == ST_OK ? remove_all(call, &before, keys)
			       : call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	keystore_rows_release(status == ST_OK ? keys : NULL);
	keystore_rows_release(rows);
	return code;
}

/* The reconciler writes these rows, too. */
enum operation_code
operation_domain_remove(struct operation_call *call)
{
	struct span name;
	enum operation_code code = call_domain(call, "domain", &name);

	if (code == OPERATION_OK)
		code = find_and_remove(call, name);
	for (unsigned i = 1; code == OPERATION_EXISTS && i < OPERATION_ATTEMPTS; i++)
		code = find_and_remove(call, name);
	return code == OPERATION_EXISTS ? OPERATION_IN_USE : code;
}
