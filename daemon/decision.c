/*
 * decision.c - who may sign, and with what.
 * Called by the keeper's threads for every message. It must never take a missing answer of a table
 * for "no", and never give out a key that no rule names for this sender.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/decision_private.h"
#include "lib/base/log.h"
#include "lib/dkim/address.h"

void
decision_why(const struct deciding *d, const char *fmt, ...)
{
	char text[512];
	va_list args;

	if (!d->why)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_line(LOG_LEVEL_INFO, "%.*s: %s", SPAN_ARG(d->request->job_id), text);
}

/* Is key in the table? false and failed when the table cannot answer. */
static bool
table_has(struct deciding *d, struct table *table, struct span key)
{
	struct table_value value = TABLE_VALUE_NONE;
	struct err err = ERR_NONE;
	enum status status;

	if (table == NULL || d->failed)
		return false;
	status = table_lookup(table, key, &value, &err);
	table_value_release(&value);
	if (status != ST_OK && status != ST_ABSENT) {
		err_prefix(&err, "error reading %s", table->parameter);
		decision_table_failed(d, status, &err);
	}
	return status == ST_OK;
}

static const struct sockaddr *
client_address(const struct request *request, struct sockaddr_storage *room)
{
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)room;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)room;

	memset(room, 0, sizeof(*room));
	if (request->family == 4) {
		in->sin_family = AF_INET;
		memcpy(&in->sin_addr, request->address, 4);
		return (const struct sockaddr *)room;
	}
	if (request->family == 6) {
		in6->sin6_family = AF_INET6;
		memcpy(&in6->sin6_addr, request->address, 16);
		return (const struct sockaddr *)room;
	}
	return NULL;
}

static enum status
host_listed(struct hostlist *list, const struct request *request, struct err *err)
{
	struct sockaddr_storage room;

	return hostlist_match(list, request->host, client_address(request, &room), err);
}

/* Is the client in the list? false and failed when the table cannot answer. */
static bool
client_listed(struct deciding *d, struct hostlist *list, enum conf_parameter parameter)
{
	struct err err = ERR_NONE;
	enum status status;

	if (list == NULL || d->failed)
		return false;
	status = host_listed(list, d->request, &err);
	if (status != ST_OK && status != ST_ABSENT) {
		err_prefix(&err, "error reading %s", conf_name(parameter));
		decision_table_failed(d, status, &err);
	}
	return status == ST_OK;
}

static void
address_text(const struct request *request, char text[INET6_ADDRSTRLEN])
{
	text[0] = '\0';
	if (request->family == 4 || request->family == 6)
		inet_ntop(request->family == 4 ? AF_INET : AF_INET6, request->address, text,
		    INET6_ADDRSTRLEN);
}

bool
decision_trusts(const struct rules *rules, const struct request *request,
    const struct decision *decision, struct span query)
{
	const struct span between = SPAN_LIT("._domainkey.");
	struct table_value value = TABLE_VALUE_NONE;
	struct span domain = query;
	enum status status;

	while (domain.n > 0 && !span_starts(domain, between))
		domain = span_from(domain, 1);
	if (domain.n == 0)
		return false;
	domain = span_from(domain, between.n);
	if (rules->shadow == NULL)
		return decision->ours && domain_is_within(request->domain, domain);
	status = table_lookup(rules->shadow, domain, &value, NULL);
	table_value_release(&value);
	if (status == ST_OK)
		return true;
	status = table_lookup(rules->shadow, query, &value, NULL);
	table_value_release(&value);
	return status == ST_OK;
}

bool
decision_peer(struct rules *rules, const struct request *request)
{
	struct request client = *request;
	struct err err = ERR_NONE;
	enum status status;

	/* opendkim does not look up literals as names here; the address is asked all the same. */
	if (span_starts(client.host, SPAN_LIT("[")))
		client.host = SPAN_EMPTY;
	status = host_listed(rules->peers, &client, &err);
	if (status != ST_OK && status != ST_ABSENT)
		log_line(LOG_LEVEL_ERROR,
		    "error reading %s: %s; the client %.*s is taken for no peer",
		    conf_name(CONF_PEER_LIST), err.text, SPAN_ARG(request->host));
	return status == ST_OK;
}

static bool
macro_matches(const struct rules *rules, struct span name, struct span value)
{
	for (size_t i = 0; i < rules->macros.count; i++) {
		struct span wanted = span_str(rules->macros.items[i]);

		if (span_starts(wanted, SPAN_LIT("{")) && span_ends(wanted, SPAN_LIT("}")))
			wanted = span_sub(wanted, 1, wanted.n - 2);
		if (!span_eq(wanted, name))
			continue;
		if (rules->macros.values[i][0] == '\0' ||
		    span_eq_str(value, rules->macros.values[i]))
			return true;
	}
	return false;
}

static bool
from_listed_macro(struct deciding *d)
{
	struct span rest = d->request->macros, name, value;

	while (frame_list_next(&rest, &name) && frame_list_next(&rest, &value))
		if (macro_matches(d->rules, name, value))
			return true;
	return false;
}

/* SignOnly */
static bool
allowed(const struct deciding *d, enum conf_origin origin)
{
	return (d->rules->origins & 1U << origin) != 0;
}

/* Steps 7 to 9: does the message come from us? */
static bool
origin_ok(struct deciding *d)
{
	const struct request *request = d->request;
	char address[INET6_ADDRSTRLEN];

	if (allowed(d, CONF_ORIGIN_MTA) && d->rules->mta != NULL) {
		if (table_has(d, d->rules->mta, request->daemon_name))
			return true;
		decision_why(d, "no MTA name match (host=%.*s, MTA=%.*s)", SPAN_ARG(request->host),
		    SPAN_ARG(request->daemon_name));
	}
	if (allowed(d, CONF_ORIGIN_MACRO) && d->rules->has_macros) {
		if (from_listed_macro(d))
			return true;
		decision_why(d, "no macros match");
	}
	if (allowed(d, CONF_ORIGIN_INTERNAL)) {
		if (client_listed(d, d->rules->internal, CONF_INTERNAL_HOSTS))
			return true;
		address_text(request, address);
		if (!d->failed)
			decision_why(d, "%.*s [%s] not internal", SPAN_ARG(request->host), address);
	}
	if (d->failed)
		return false;
	if (allowed(d, CONF_ORIGIN_AUTHENTICATED) &&
	    (request->flags & REQUEST_FLAG_AUTHENTICATED) != 0)
		return true;
	decision_why(d, "not authenticated");
	return false;
}

/* Step 10: Domain, "*", and with SubDomains the parents. *matched_out: d=. */
static bool
domain_ok(struct deciding *d, struct span *matched_out)
{
	struct table *table = d->rules->domains;
	struct span domain = d->request->domain, parent = domain, label;

	*matched_out = domain;
	if (table == NULL)
		return false;
	if (table_has(d, table, domain) || table_has(d, table, SPAN_LIT("*")))
		return true;
	decision_why(d, "no signing domain match for '%.*s'", SPAN_ARG(domain));
	while (d->rules->subdomains && span_cut(&parent, '.', &label)) {
		if (table_has(d, table, parent)) {
			*matched_out = parent;
			return true;
		}
	}
	if (d->rules->subdomains)
		decision_why(d, "no signing subdomain match for '%.*s'", SPAN_ARG(domain));
	return false;
}

/* i= only if its domain is d= or below, RFC 6376 section 3.5; opendkim drops it silently. */
struct span
decision_identity(const struct deciding *d, struct span signer, struct span domain)
{
	size_t at = span_rfind(signer, '@');

	if (signer.n == 0)
		return SPAN_EMPTY;
	if (at != SIZE_MAX && domain_is_within(span_from(signer, at + 1), domain))
		return signer;
	decision_why(d, "identity '%.*s' is not within '%.*s', no i= is set", SPAN_ARG(signer),
	    SPAN_ARG(domain));
	return SPAN_EMPTY;
}

enum status
decision_add_table_key(struct deciding *d, struct span keyname, struct span signer, struct err *err)
{
	struct decision *decision = d->decision;
	struct keytable_entry *entry = &decision->entries[decision->entry_count];
	enum status status =
	    keytable_lookup(d->rules->keys, keyname, d->request->domain, entry, err);

	if (status != ST_OK)
		return status;
	decision->entry_count++;
	/* "%" and an address literal: no signature could be verified, now or when it is tried
	 * again. */
	if (span_eq(entry->domain, d->request->domain) && !domain_is_valid(entry->domain)) {
		log_line(LOG_LEVEL_NOTICE,
		    "%.*s: the author's domain '%.*s' is no domain name; not signed with key "
		    "'%.*s'",
		    SPAN_ARG(d->request->job_id), SPAN_ARG(entry->domain), SPAN_ARG(keyname));
		return ST_OK;
	}
	decision->keys[decision->key_count++] = (struct decision_key){.domain = entry->domain,
	    .selector = entry->selector,
	    .identity = decision_identity(d, signer, entry->domain),
	    .key = entry->key,
	    .algorithm = entry->algorithm,
	    .keyname = keyname};
	return ST_OK;
}

static bool
add_key(struct deciding *d, const struct signing_match *match)
{
	struct err err = ERR_NONE;
	enum status status = decision_add_table_key(d, match->keyname, match->signer, &err);

	if (status == ST_OK)
		return true;
	decision_failed(d, status == ST_UNAVAILABLE ? FAILURE_STORE : FAILURE_NO_KEY, err.text);
	return false;
}

/* Step 12. */
static void
apply_signing_table(struct deciding *d)
{
	struct decision *decision = d->decision;
	const struct request *request = d->request;
	struct err err = ERR_NONE;
	enum status status;

	status = signing_lookup(d->rules->signing, request->user, request->domain,
	    d->rules->multiple ? DECISION_KEYS_MAX : 1, decision->matches, &decision->match_count,
	    &err);
	if (status == ST_ABSENT) {
		char why[1400];

		snprintf(why, sizeof(why), "no signing table match for '%.*s@%.*s'",
		    SPAN_ARG(request->user), SPAN_ARG(request->domain));
		decision_failed(d, FAILURE_NO_RULE, why);
		return;
	}
	if (status != ST_OK) {
		decision->match_count = 0;
		err_prefix(&err, "error reading signing table");
		decision_table_failed(d, status, &err);
		return;
	}
	for (size_t i = 0; i < decision->match_count; i++)
		if (!add_key(d, &decision->matches[i]))
			return;
}

/* Step 14: the single key. */
static void
apply_default_key(struct deciding *d, struct span domain)
{
	struct decision *decision = d->decision;
	struct decision_key *key = &decision->keys[0];

	if (d->rules->key_file == NULL || d->rules->selector == NULL)
		return;
	*key = (struct decision_key){.domain = domain,
	    .selector = span_str(d->rules->selector),
	    .key = span_str(d->rules->key_file),
	    .keyname = SPAN_LIT("KeyFile")};
	if (domain.n != d->request->domain.n) {
		snprintf(decision->identity[0], sizeof(decision->identity[0]), "@%.*s",
		    SPAN_ARG(domain));
		key->identity = span_str(decision->identity[0]);
	}
	decision->key_count = 1;
}

/* Step 16. */
static bool
recipient_listed(struct deciding *d)
{
	struct span rest = d->request->recipients, recipient;

	while (d->rules->dont_sign != NULL && frame_list_next(&rest, &recipient)) {
		if (!table_has(d, d->rules->dont_sign, recipient))
			continue;
		decision_why(d, "recipient '%.*s' is in DontSignMailTo", SPAN_ARG(recipient));
		return true;
	}
	return false;
}

static void
external_sender(struct deciding *d)
{
	if (client_listed(d, d->rules->ignored, CONF_EXTERNAL_IGNORE_LIST) || d->failed ||
	    (d->request->flags & REQUEST_FLAG_ROUTED) != 0)
		return;
	log_line(LOG_LEVEL_NOTICE, "%.*s: external host %.*s attempted to send as %.*s",
	    SPAN_ARG(d->request->job_id), SPAN_ARG(d->request->host), SPAN_ARG(d->request->domain));
}

/* domain: of Domain, or empty. */
static void
by_tables(struct deciding *d, struct span domain)
{
	bool tables = d->rules->keys != NULL && d->rules->signing != NULL;

	if ((tables || domain.n > 0) && !decision_sender_matches(d))
		return;
	if (tables)
		apply_signing_table(d);
	else if (domain.n > 0)
		apply_default_key(d, domain);
	else if (d->rules->store != NULL)
		decision_failed(d, FAILURE_NO_RULE, "the KeyStore says nothing about this sender");
}

static void
find_keys(struct deciding *d)
{
	struct span domain;
	bool ours = origin_ok(d);
	bool signing_domain = domain_ok(d, &domain);

	if (signing_domain && !ours && !d->failed)
		external_sender(d);
	d->decision->reason = ours ? METRIC_UNSIGNED_NO_DOMAIN : METRIC_UNSIGNED_NOT_OURS;
	if (!ours || d->failed)
		return;
	d->ours = d->decision->ours = true;
	if (d->rules->store != NULL && decision_by_store(d))
		return;
	by_tables(d, signing_domain ? domain : SPAN_EMPTY);
}

/* Nothing signs it, so it is somebody else's. */
static void
decide_verify(struct deciding *d)
{
	struct span rest = d->request->signers, signer;

	d->decision->verdict = VERDICT_VERIFY;
	for (uint32_t bit = 0; bit < FRAME_SIGNERS_MAX; bit++)
		if (frame_list_next(&rest, &signer) && table_has(d, d->rules->trusted, signer))
			d->decision->trusted |= (uint32_t)1 << bit;
}

/* Sets the verdict, and with VERDICT_PASS and _VERIFY the reason. */
static void
decide(struct deciding *d)
{
	struct decision *decision = d->decision;

	if (table_has(d, d->rules->exempt, d->request->domain)) {
		decision_why(d, "domain '%.*s' exempted, accepting", SPAN_ARG(d->request->domain));
		decision->reason = METRIC_UNSIGNED_EXEMPT;
		return;
	}
	if (!d->failed)
		find_keys(d);
	if (d->failed)
		return;
	if (decision->key_count == 0) {
		if (d->rules->verify)
			decide_verify(d);
	} else if (!d->rules->sign) {
		decision->reason = METRIC_UNSIGNED_MODE;
	} else if (recipient_listed(d)) {
		decision->reason = METRIC_UNSIGNED_RECIPIENT;
	} else if (!d->failed) {
		decision->verdict = VERDICT_SIGN;
	}
}

void
decision_make(struct rules *rules, const struct request *request, struct decision *decision)
{
	struct deciding d = {.rules = rules, .request = request, .decision = decision};

	decision->verdict = VERDICT_PASS;
	decision->trusted = 0;
	decision->key_count = decision->match_count = decision->entry_count = 0;
	decision->failure = rules->failure;
	decision->signature_ttl_s = -1;
	decision->ours = decision->fell_back = decision->routed = false;
	d.why = rules->log_why && (request->flags & REQUEST_FLAG_ROUTED) == 0;
	decide(&d);
	if (decision->verdict == VERDICT_PASS || decision->verdict == VERDICT_VERIFY)
		decision_count(&d, METRIC_UNSIGNED, (unsigned int)decision->reason);
}

void
decision_release(struct decision *decision)
{
	for (size_t i = 0; i < decision->entry_count; i++)
		keytable_entry_release(&decision->entries[i]);
	if (decision->match_count > 0)
		signing_matches_release(decision->matches, decision->match_count);
	if (decision->routed)
		route_release(&decision->route);
	decision->routed = false;
	decision->entry_count = decision->match_count = decision->key_count = 0;
}
