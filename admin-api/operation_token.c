/*
 * operation_token.c - tokens: who may ask what by HTTP.
 * Called through the table of operations. It must never answer with a secret but once, when it was
 * made, nor let a token make one that may do more than itself.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/operation_call.h"
#include "admin-api/token.h"
#include "lib/base/secret.h"
#include "lib/crypto/digest.h"

#define TOKEN_ID_BYTES 24U
#define LIFE_DEFAULT_S (90LL * 86400)
#define LIFE_MAX_S (400LL * 86400)

static json_t *
row_token(const struct store_token *row, int64_t now_utc)
{
	bool over = row->expires > 0 && row->expires <= now_utc;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:I}", "token",
	    json_span(row->id), "tenant", row->tenant.n == 0 ? json_null() : json_span(row->tenant),
	    "name", json_span(row->name), "scopes", json_span(row->scopes), "domains",
	    json_span(row->domains), "networks", json_span(row->networks), "maker",
	    json_span(row->maker), "created", json_time(row->created), "expires",
	    json_time(row->expires), "revoked", json_time(row->revoked), "state",
	    row->revoked > 0 ? "revoked"
	    : over           ? "expired"
			     : "valid",
	    "revision", (json_int_t)row->revision);
}

/* Is each pattern within those of who asks? */
static bool
domains_within(const struct operation_call *call, struct span domains)
{
	struct span own = call->caller->domains, word;

	if (own.n == 0)
		return true;
	if (span_trim(domains).n == 0)
		return false;
	while (span_word(&domains, &word))
		if (!scope_pattern_within(own, word))
			return false;
	return true;
}

static bool
networks_within(const struct operation_call *call, struct span networks)
{
	struct span own = call->caller->networks, word;

	if (own.n == 0)
		return true;
	if (span_trim(networks).n == 0)
		return false;
	while (span_word(&networks, &word))
		if (!network_within(own, word))
			return false;
	return true;
}

/* Tokens of other tenants are not there, nor are those that are of all, or of other domains. */
static bool
sees_token(const struct operation_call *call, const struct store_token *row)
{
	return (call->caller->tenant.n == 0 || span_eq(row->tenant, call->caller->tenant)) &&
	       domains_within(call, row->domains);
}

static enum operation_code
no_records(struct operation_call *call)
{
	return call_refuse(call, OPERATION_STORE_UNAVAILABLE,
	    "the store has no room for this yet: run signpost store init");
}

static enum operation_code
find_token(struct operation_call *call, struct keystore_rows **rows_out, struct store_token *out)
{
	struct span id = call_text(call, "token");
	char version[VERSION_BYTES];
	struct err err = ERR_NONE;
	enum status status;

	*rows_out = NULL;
	if (!call->admin->records)
		return no_records(call);
	status = keystore_token(call->admin->store, STORE_TOKEN_BY_ID, id, rows_out, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	if ((*rows_out)->token_count != 1 || !sees_token(call, &(*rows_out)->tokens[0]))
		return call_refuse(
		    call, OPERATION_NOT_FOUND, "there is no token %.*s", SPAN_ARG(id));
	*out = (*rows_out)->tokens[0];
	version_of_revision(out->revision, version);
	return call_version(call, version);
}

/* ---- making one ---- */

static enum operation_code
take_scopes(struct operation_call *call, struct store_token *row)
{
	struct err err = ERR_NONE;
	uint32_t scopes, missing;
	struct buf text;

	if (scopes_parse(call_text(call, "scopes"), &scopes, &err) != ST_OK)
		return call_wrong(call, "scopes", "%s", err.text);
	missing = scopes & ~call->caller->scopes;
	buf_init(&text, SCOPES_TEXT_MAX);
	scopes_write(missing != 0 ? missing : scopes, &text);
	row->scopes = call_keep(call, buf_span(&text));
	buf_free(&text);
	return missing == 0 ? OPERATION_OK
			    : call_refuse(call, OPERATION_FORBIDDEN,
				  "nobody makes a token that may do more than he himself: %.*s",
				  SPAN_ARG(row->scopes));
}

/* Patterns of a token that makes another one hold for that one, too. */
static enum operation_code
take_domains(struct operation_call *call, struct store_token *row)
{
	struct err err = ERR_NONE;

	row->domains = call_text(call, "domains");
	if (scope_domains_check(row->domains, &err) != ST_OK)
		return call_wrong(call, "domains", "%s", err.text);
	if (span_trim(row->domains).n == 0)
		row->domains = call->caller->domains;
	return domains_within(call, row->domains)
		   ? OPERATION_OK
		   : call_refuse(call, OPERATION_FORBIDDEN,
			 "%.*s is not within the domains that you may administer",
			 SPAN_ARG(row->domains));
}

/* So do its networks: who has the other one's secret is not elsewhere. */
static enum operation_code
take_networks(struct operation_call *call, struct store_token *row)
{
	struct err err = ERR_NONE;

	row->networks = call_text(call, "networks");
	if (networks_check(row->networks, &err) != ST_OK)
		return call_wrong(call, "networks", "%s", err.text);
	if (span_trim(row->networks).n == 0)
		row->networks = call->caller->networks;
	return networks_within(call, row->networks)
		   ? OPERATION_OK
		   : call_refuse(call, OPERATION_FORBIDDEN,
			 "%.*s is not within the networks from which you may ask",
			 SPAN_ARG(row->networks));
}

/* And its end. */
static enum operation_code
take_end(struct operation_call *call, struct store_token *row)
{
	int64_t own = call->caller->expires;

	row->created = call->now_utc;
	row->expires =
	    call_has(call, "expires") ? call_time(call, "expires") : call->now_utc + LIFE_DEFAULT_S;
	if (row->expires <= call->now_utc || row->expires > call->now_utc + LIFE_MAX_S)
		return call_wrong(
		    call, "expires", "it has to be within %lld days from now", LIFE_MAX_S / 86400);
	if (own == 0 || row->expires <= own)
		return OPERATION_OK;
	if (call_has(call, "expires"))
		return call_refuse(call, OPERATION_FORBIDDEN,
		    "no token is valid longer than the one that makes it");
	row->expires = own;
	return OPERATION_OK;
}

static enum operation_code
take_tenant(struct operation_call *call, struct store_token *row)
{
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	enum operation_code code;
	enum status status;
	size_t i;

	row->tenant = call->caller->tenant;
	if (!call_has(call, "tenant"))
		return OPERATION_OK;
	code = call_tenant(call, "tenant", &row->tenant);
	if (code != OPERATION_OK)
		return code;
	status =
	    row_find(call->admin->store, STORE_TENANT, row->tenant, SPAN_EMPTY, &rows, &i, &err);
	keystore_rows_release(rows);
	if (status == ST_ABSENT)
		return call_refuse(
		    call, OPERATION_NOT_FOUND, "there is no tenant %.*s", SPAN_ARG(row->tenant));
	return status == ST_OK ? OPERATION_OK
			       : call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
}

static enum operation_code
take_rest(struct operation_call *call, struct store_token *row)
{
	enum operation_code code = take_networks(call, row);

	row->name = call_text(call, "name");
	if (row->name.n > ADMINROW_NAME_MAX)
		return call_wrong(call, "name", "at most %u octets", ADMINROW_NAME_MAX);
	return code == OPERATION_OK ? take_end(call, row) : code;
}

static void
make_id(char out[TOKEN_ID_BYTES])
{
	static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint8_t random[16];

	random_bytes(random, sizeof(random));
	snprintf(out, TOKEN_ID_BYTES, "t_");
	for (size_t i = 0; i < sizeof(random); i++)
		out[2 + i] = letters[random[i] % 32];
	out[2 + sizeof(random)] = '\0';
}

/* A new secret; certificate: the name of one that stands in its place. */
static void
make_secret(struct operation_call *call, struct store_token *row, char *hash)
{
	char secret[TOKEN_BYTES + 1];

	if (call_has(call, "certificate")) {
		certificate_hash(call_text(call, "certificate"), hash);
	} else {
		token_make(secret);
		token_hash(span_of(secret, TOKEN_BYTES), hash);
		/* Of a dry run it would be a secret of nothing. */
		if (!call->dry_run)
			json_object_set_new(call->result, "secret", json_string(secret));
		secret_wipe(secret, sizeof(secret));
	}
	row->secret = span_str(hash);
}

static enum operation_code
write_token(struct operation_call *call, const struct store_token *before,
    const struct keystore_write *write)
{
	const struct store_token *after = &write->row.token;
	struct store_token shown = *after;
	struct err err = ERR_NONE;
	char version[VERSION_BYTES];
	enum status status;

	shown.revision++;
	call_plan(call, "token", before == NULL ? NULL : row_token(before, call->now_utc),
	    row_token(&shown, call->now_utc));
	json_object_set_new(call->result, "token", row_token(&shown, call->now_utc));
	version_of_revision(shown.revision, version);
	call_new_version(call, version);
	status = call_apply(call, write, 1, &err);
	return status == ST_OK
		   ? OPERATION_OK
		   : call_store_failed(call, status,
			 before == NULL ? OPERATION_EXISTS : OPERATION_PRECONDITION_FAILED, &err);
}

enum operation_code
operation_token_add(struct operation_call *call)
{
	struct keystore_write write = {.what = STORE_TOKEN, .how = WRITE_ADD};
	struct store_token *row = &write.row.token;
	char id[TOKEN_ID_BYTES], hash[ADMINROW_HASH_BYTES];
	enum operation_code code;

	if (!call->admin->records)
		return no_records(call);
	if (call_has(call, "certificate") && call_text(call, "certificate").n == 0)
		return call_wrong(call, "certificate", "a name is needed");
	code = take_scopes(call, row);
	if (code == OPERATION_OK)
		code = take_tenant(call, row);
	if (code == OPERATION_OK)
		code = take_domains(call, row);
	if (code == OPERATION_OK)
		code = take_rest(call, row);
	if (code != OPERATION_OK)
		return code;
	make_id(id);
	row->id = span_str(id);
	row->maker = span_str(call->caller->actor);
	make_secret(call, row, hash);
	return write_token(call, NULL, &write);
}

/* ---- showing ---- */

enum operation_code
operation_token_show(struct operation_call *call)
{
	struct keystore_rows *rows;
	struct store_token row;
	enum operation_code code = find_token(call, &rows, &row);

	if (code == OPERATION_OK)
		json_object_set_new(call->result, "token", row_token(&row, call->now_utc));
	keystore_rows_release(rows);
	return code;
}

enum operation_code
operation_token_list(struct operation_call *call)
{
	struct keystore *store = call->admin->store;
	struct span only = call->caller->tenant;
	char begin[KEYSTORE_TENANT_MAX + 2];
	json_t *list = json_array();
	struct keystore_rows *page;
	struct err err = ERR_NONE;
	enum status status;

	json_object_set_new(call->result, "tokens", list);
	if (!call->admin->records)
		return no_records(call);
	status = store->ops->list(
	    store, STORE_TOKEN, call_list_begin(call, only, begin), call_limit(call), &page, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	for (size_t i = 0; i < page->token_count; i++)
		if (sees_token(call, &page->tokens[i]))
			json_array_append_new(list, row_token(&page->tokens[i], call->now_utc));
	if (page->token_count == call_limit(call) &&
	    (only.n == 0 || span_eq(page->tokens[page->token_count - 1].tenant, only))) {
		const struct store_token *last = &page->tokens[page->token_count - 1];
		char next[KEYSTORE_TENANT_MAX + KEYSTORE_ID_MAX + 2];

		snprintf(
		    next, sizeof(next), "%.*s %.*s", SPAN_ARG(last->tenant), SPAN_ARG(last->id));
		json_object_set_new(call->result, "next", json_string(next));
	}
	keystore_rows_release(page);
	return OPERATION_OK;
}

/* ---- ending ---- */

enum operation_code
operation_token_revoke(struct operation_call *call)
{
	struct keystore_write write = {.what = STORE_TOKEN, .how = WRITE_CHANGE};
	struct keystore_rows *rows;
	struct store_token before;
	enum operation_code code = find_token(call, &rows, &before);

	if (code == OPERATION_OK) {
		write.row.token = before;
		if (before.revoked == 0)
			write.row.token.revoked = call->now_utc;
		code = write_token(call, &before, &write);
	}
	keystore_rows_release(rows);
	return code;
}

/* Whoever gets its secret may do what it may. */
static enum operation_code
may_have(struct operation_call *call, const struct store_token *row)
{
	int64_t own = call->caller->expires;
	struct err ignored = ERR_NONE;
	uint32_t scopes = 0;
	bool may = scopes_parse(row->scopes, &scopes, &ignored) == ST_OK &&
		   (scopes & ~call->caller->scopes) == 0 && domains_within(call, row->domains) &&
		   networks_within(call, row->networks) &&
		   (own == 0 || (row->expires > 0 && row->expires <= own));

	return may ? OPERATION_OK
		   : call_refuse(
			 call, OPERATION_FORBIDDEN, "the token may do more than who asks for it");
}

/* Another secret for the same rights; the old one ends at once. */
enum operation_code
operation_token_rotate(struct operation_call *call)
{
	struct keystore_write write = {.what = STORE_TOKEN, .how = WRITE_CHANGE};
	char hash[ADMINROW_HASH_BYTES];
	struct keystore_rows *rows;
	struct store_token before;
	enum operation_code code = find_token(call, &rows, &before);

	if (code == OPERATION_OK && before.revoked > 0)
		code = call_refuse(call, OPERATION_ILLEGAL_TRANSITION, "the token is revoked");
	if (code == OPERATION_OK)
		code = may_have(call, &before);
	if (code == OPERATION_OK) {
		write.row.token = before;
		make_secret(call, &write.row.token, hash);
		code = write_token(call, &before, &write);
	}
	keystore_rows_release(rows);
	return code;
}
