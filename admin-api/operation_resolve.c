/*
 * operation_resolve.c - what would sign a message of this sender, or why nothing would: what
 * "signpost resolve" says at a gateway, of the store alone.
 * Called through the table of operations. It must never open a private key, nor let somebody who
 * has one tenant learn that another one has this sender, client or domain.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/operation_rules.h"
#include "lib/dkim/address.h"
#include "lib/store/route.h"
#include "lib/store/tenant.h"

struct explain {
	struct address sender;
	const char *used; /* "from", "mail_from" */
	bool any;         /* something is said about the session */
	char tenant[KEYSTORE_TENANT_MAX + 1];
	struct route route;
	const char *answer;
	char why[400];
};

static const char *const answers[] = {
    [ROUTE_SIGN] = "sign",
    [ROUTE_NO_RULE] = "no-rule",
    [ROUTE_TENANT] = "tenant",
    [ROUTE_NO_KEY] = "no-key",
    [ROUTE_LEASE] = "lease-over",
};

/* ---- what is asked ---- */

static enum operation_code
take_sender(struct operation_call *call, struct explain *explain)
{
	struct err err = ERR_NONE;
	struct span text;
	size_t count;

	explain->used = call_has(call, "from") ? "from" : "mail_from";
	text = call_text(call, explain->used);
	if (text.n == 0)
		return call_wrong(call, "from", "an address is needed: \"from\" or \"mail_from\"");
	if (address_parse(text, &call->arena, &explain->sender, &count, &err) != ST_OK ||
	    count != 1)
		return call_wrong(call, explain->used, "it is not one address");
	return OPERATION_OK;
}

/* "{auth_authen}" or "auth_authen". */
static bool
is_macro(const char *name, const char *wanted)
{
	size_t n = strlen(wanted);

	return strcmp(name, wanted) == 0 || (name[0] == '{' && strncmp(name + 1, wanted, n) == 0 &&
						strcmp(name + 1 + n, "}") == 0);
}

static enum operation_code
take_facts(struct operation_call *call, struct tenant_facts *facts)
{
	const struct {
		const char *name;
		const char **out;
	} macros[] = {{"auth_authen", &facts->login}, {"daemon_name", &facts->listener},
	    {"client_addr", &facts->client}, {"client_name", &facts->host}};
	const char *name;
	json_t *value;

	facts->client = json_string_value(json_object_get(call->arguments, "client"));
	json_object_foreach(json_object_get(call->arguments, "macros"), name, value)
	{
		size_t i = 0;

		while (i < sizeof(macros) / sizeof(macros[0]) && !is_macro(name, macros[i].name))
			i++;
		if (i == sizeof(macros) / sizeof(macros[0]))
			return call_wrong(call, "macros",
			    "only auth_authen, daemon_name, client_addr and client_name say "
			    "anything here");
		if (!json_is_string(value) || json_string_length(value) > OPERATION_PAGE)
			return call_wrong(
			    call, "macros", "%s: a short text is needed", macros[i].name);
		*macros[i].out = json_string_value(value);
	}
	return OPERATION_OK;
}

/* ---- what a tenant may hear ---- */

/* Is it nothing but this tenant's, if it is asked for one? */
static bool
is_own(const struct operation_call *call, struct span tenant)
{
	return call->caller->tenant.n == 0 || span_eq(call->caller->tenant, tenant);
}

/* The same sentence, whoever else has it, or nobody. */
static void
say_nothing(struct explain *explain)
{
	explain->answer = answers[ROUTE_NO_RULE];
	snprintf(explain->why, sizeof(explain->why),
	    "nothing of the tenant is about this sender and this client");
	route_release(&explain->route);
	explain->route.answer = ROUTE_NO_RULE;
}

/* Is there a row of this domain, and is it one that who asks may see? */
static enum operation_code
find_own(struct operation_call *call, struct span domain, bool *own_out)
{
	struct keystore_rows *rows;
	struct err err = ERR_NONE;
	size_t i;
	enum status status =
	    row_find(call->admin->store, STORE_DOMAIN, domain, SPAN_EMPTY, &rows, &i, &err);

	*own_out = status == ST_OK && is_own(call, rows->domains[i].tenant);
	if (status == ST_OK)
		keystore_rows_release(rows);
	return status == ST_OK || status == ST_ABSENT
		   ? OPERATION_OK
		   : call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
}

/* Whose the domain is that a rule of the tenant signs as, if it is not the tenant's; whether a
 * sender that nothing of the tenant is about is somebody else's. */
static enum operation_code
hide_owner(struct operation_call *call, struct explain *explain)
{
	bool target = explain->route.answer == ROUTE_NO_KEY, own = false;
	struct span domain = target ? explain->route.domain : explain->sender.domain;
	enum operation_code code =
	    keystore_domain_is_valid(domain) ? find_own(call, domain, &own) : OPERATION_OK;

	if (code != OPERATION_OK || own)
		return code;
	if (target)
		snprintf(explain->why, sizeof(explain->why),
		    "it signs as %.*s, which the tenant does not have", SPAN_ARG(domain));
	else
		say_nothing(explain);
	return OPERATION_OK;
}

static enum operation_code
hide_others(struct operation_call *call, struct explain *explain)
{
	const struct route *route = &explain->route;

	if (!call_sees(call, SPAN_EMPTY, explain->sender.domain) ||
	    !call_sees(call, SPAN_EMPTY, route->domain)) {
		say_nothing(explain);
		return OPERATION_OK;
	}
	if (call->caller->tenant.n == 0)
		return OPERATION_OK;
	if (route->answer == ROUTE_TENANT || !is_own(call, route->tenant)) {
		say_nothing(explain);
		return OPERATION_OK;
	}
	return route->answer == ROUTE_NO_KEY || route->answer == ROUTE_NO_RULE
		   ? hide_owner(call, explain)
		   : OPERATION_OK;
}

/* ---- finding out ---- */

/* Without a word about the session it is taken for one that may send as this sender. */
static enum operation_code
find_tenant(struct operation_call *call, struct explain *explain)
{
	struct tenant_facts facts = {.login = NULL};
	enum operation_code code = take_facts(call, &facts);
	struct err err = ERR_NONE;
	struct span given;
	enum status status;

	if (code == OPERATION_OK && call_has(call, "tenant"))
		code = call_tenant(call, "tenant", &given);
	if (code != OPERATION_OK)
		return code;
	explain->any = call_has(call, "tenant") || call_has(call, "client") ||
		       json_object_size(json_object_get(call->arguments, "macros")) > 0;
	if (!explain->any)
		given = call->caller->tenant;
	if (call_has(call, "tenant") || !explain->any) {
		snprintf(explain->tenant, sizeof(explain->tenant), "%.*s", SPAN_ARG(given));
		return OPERATION_OK;
	}
	status = tenant_of_facts(NULL, call->admin->store, &facts, explain->tenant, &err);
	if (status == ST_OK || status == ST_ABSENT)
		return OPERATION_OK;
	return status == ST_INVALID ? call_refuse(call, OPERATION_ILLEGAL_TRANSITION,
					  "nothing of this client is signed: %s", err.text)
				    : call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
}

/* Rows that a store may not hold are an answer, too: that is why nothing is signed. */
static enum operation_code
find_route(struct operation_call *call, struct explain *explain)
{
	const struct route_question question = {.user = explain->sender.user,
	    .domain = explain->sender.domain,
	    .tenant = span_str(explain->tenant),
	    .required = explain->any && call->admin->require_tenant,
	    .now_utc = call->now_utc};
	struct err err = ERR_NONE;
	enum status status;

	status = route_find(call->admin->store, &question, &explain->route, &err);
	if (status == ST_UNAVAILABLE)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	explain->answer = status == ST_OK ? answers[explain->route.answer] : "invalid";
	snprintf(explain->why, sizeof(explain->why), "%s",
	    status == ST_OK ? explain->route.why : err.text);
	return hide_others(call, explain);
}

/* ---- saying it ---- */

static json_t *
span_or_null(struct span text)
{
	return text.n == 0 ? json_null() : json_span(text);
}

static json_t *
keys_of(const struct operation_call *call, const struct route *route)
{
	json_t *list = json_array();

	for (size_t i = 0; i < route->key_count; i++) {
		const struct store_key *key = route->keys[i];

		json_array_append_new(
		    list, json_pack("{s:o, s:o, s:i, s:s}", "selector", json_span(key->selector),
			      "algorithm", json_span(key->algorithm), "bits", key->bits, "state",
			      key_state_name(key_state_at(&key->times, call->now_utc))));
	}
	return list;
}

static void
show(struct operation_call *call, const struct explain *explain)
{
	const struct route *route = &explain->route;
	const char *canonicalization = call->admin->canonicalization;
	bool own = is_own(call, span_str(explain->tenant));
	struct buf sender;

	buf_init(&sender, OPERATION_TEXT_MAX);
	buf_add_fmt(
	    &sender, "%.*s@%.*s", SPAN_ARG(explain->sender.user), SPAN_ARG(explain->sender.domain));
	json_object_set_new(call->result, "sender", json_span(buf_span(&sender)));
	buf_free(&sender);
	json_object_set_new(call->result, "used", json_string(explain->used));
	json_object_set_new(call->result, "session_tenant",
	    own ? span_or_null(span_str(explain->tenant)) : json_null());
	json_object_set_new(call->result, "answer", json_string(explain->answer));
	json_object_set_new(call->result, "why", json_span(span_str(explain->why)));
	json_object_set_new(call->result, "tenant", span_or_null(route->tenant));
	json_object_set_new(
	    call->result, "rule", route->rule == NULL ? json_null() : rules_row(route->rule));
	json_object_set_new(
	    call->result, "row", route->row == NULL ? json_null() : json_span(route->row->name));
	json_object_set_new(call->result, "domain", span_or_null(route->domain));
	json_object_set_new(call->result, "identity", span_or_null(route->identity));
	json_object_set_new(call->result, "keys", keys_of(call, route));
	json_object_set_new(call->result, "signature_ttl",
	    route->signature_ttl_s < 0 || route->answer != ROUTE_SIGN
		? json_null()
		: json_integer((json_int_t)route->signature_ttl_s));
	json_object_set_new(call->result, "canonicalization",
	    canonicalization == NULL ? json_null() : json_string(canonicalization));
}

enum operation_code
operation_resolve(struct operation_call *call)
{
	struct explain explain = {.used = NULL};
	enum operation_code code = take_sender(call, &explain);

	if (code == OPERATION_OK)
		code = find_tenant(call, &explain);
	if (code != OPERATION_OK)
		return code;
	if (explain.tenant[0] != '\0' && !is_own(call, span_str(explain.tenant)))
		say_nothing(&explain);
	else
		code = find_route(call, &explain);
	if (code == OPERATION_OK)
		show(call, &explain);
	route_release(&explain.route);
	return code;
}
