/*
 * moving_survey.c - what of a site is in the store already.
 * Called by import before it reports and before it sends. It only reads; it must never take a key
 * for the same because its selector is.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "tools/moving_admin.h"

#define FEW_DOMAINS 50U /* are asked about one by one; for more all keys are read, in pages */

json_t *
moving_ask(const struct moving_site *site, struct admin_client *client, const char *operation,
    json_t *arguments, bool *gone, char *code_out)
{
	json_t *request = json_pack("{s:s, s:o}", "operation", operation, "arguments", arguments);
	json_t *answer = admin_ask(client, request), *result = NULL;
	const char *code = json_string_value(json_object_get(answer, "code"));

	*gone = answer == NULL;
	if (json_is_true(json_object_get(answer, "ok")))
		result = json_incref(json_object_get(answer, "result"));
	else if (answer != NULL && code_out == NULL)
		(void)admin_show_refusal(site->program, answer);
	if (code_out != NULL)
		snprintf(code_out, MOVING_CODE_BYTES, "%s", code == NULL ? "" : code);
	json_decref(request);
	json_decref(answer);
	return result;
}

static struct span
text_of(const json_t *row, const char *name)
{
	return span_str(json_string_value(json_object_get(row, name)));
}

/* ---- domains ---- */

static void
meet_domain(struct moving_site *site, const json_t *row)
{
	struct moving_domain *domain = moving_domain_of(site, text_of(row, "domain"));

	if (domain == NULL)
		return;
	domain->there = MOVING_SAME;
	if (!span_eq(text_of(row, "tenant"), domain->tenant)) {
		domain->there = MOVING_ELSEWHERE;
		moving_find(site, SEVERITY_ERROR, "other-owner", domain->name, SPAN_EMPTY, 0,
		    "it is tenant %.*s's in the store, not %.*s's", SHOWN(text_of(row, "tenant")),
		    SHOWN(domain->tenant));
	} else if (domain->subdomains && !json_is_true(json_object_get(row, "subdomains"))) {
		moving_find(site, SEVERITY_WARNING, "no-subdomains", domain->name, SPAN_EMPTY, 0,
		    "it is in the store without \"subdomains\": signpost domain set "
		    "--subdomains says otherwise");
	}
}

static bool
meet_domains(struct moving_site *site, struct admin_client *client)
{
	json_t *result, *row, *after = NULL;
	bool gone = false, more = true;
	size_t i;

	while (more) {
		json_t *arguments = json_pack("{s:i}", "limit", 500);

		if (after != NULL)
			json_object_set(arguments, "after", after);
		json_decref(after);
		result = moving_ask(site, client, "domain.list", arguments, &gone, NULL);
		if (result == NULL)
			return false;
		json_array_foreach(json_object_get(result, "domains"), i, row)
		    meet_domain(site, row);
		after = json_incref(json_object_get(result, "next"));
		more = json_is_string(after);
		json_decref(result);
	}
	json_decref(after);
	return true;
}

/* ---- keys ---- */

static bool
is_same(const json_t *row, const struct moving_key *key)
{
	char hex[KEYSTORE_DIGEST_BYTES];

	keystore_digest(key->public_key, hex);
	return span_eq_str(text_of(row, "p_sha256"), hex);
}

static void
meet_key(struct moving_site *site, struct moving_key *key, const json_t *row)
{
	bool signs = json_is_true(json_object_get(row, "signs"));

	if (!span_eq(text_of(row, "selector"), key->selector)) {
		if (signs && key->there == MOVING_NEW && !key->stand_by &&
		    span_eq_str(text_of(row, "algorithm"), key_algorithm_name(key->algorithm))) {
			key->stand_by = true;
			moving_find(site, SEVERITY_WARNING, "signs-already", key->name, key->where,
			    key->line,
			    "key %.*s of the store signs for its domain; this one comes as a key "
			    "that does not sign",
			    SHOWN(text_of(row, "selector")));
		}
		return;
	}
	if (!is_same(row, key)) {
		key->there = MOVING_ELSEWHERE;
		moving_find(site, SEVERITY_ERROR, "other-key", key->name, key->where, key->line,
		    "the store has another key of this name (%.*s); a selector is used once",
		    SHOWN(text_of(row, "state")));
		return;
	}
	key->there =
	    signs || !span_eq_str(text_of(row, "state"), "PREPARED") ? MOVING_SAME : MOVING_WAITING;
	if (!signs && !key->stand_by && key->dns != MOVING_WRONG)
		moving_find(site, SEVERITY_NOTE, "does-not-sign", key->name, key->where, key->line,
		    "it is in the store, and is %.*s", SHOWN(text_of(row, "state")));
}

/* Those whose domain is there already, by the domain. */
struct asked {
	struct moving_site *site;
	struct moving_key **keys;
	size_t count, domains;
};

static int
compare_keys(const void *a, const void *b)
{
	const struct moving_key *left = *(struct moving_key *const *)a;
	const struct moving_key *right = *(struct moving_key *const *)b;
	int order = strcmp(left->domain.p, right->domain.p);

	return order != 0 ? order : left < right ? -1 : left > right;
}

/* The first one of a domain that is not before it. */
static size_t
first_of(const struct asked *asked, const char *domain)
{
	size_t low = 0, high = asked->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(asked->keys[middle]->domain.p, domain) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
meet_row(const struct asked *asked, const json_t *row)
{
	const char *domain = json_string_value(json_object_get(row, "domain"));

	if (domain == NULL)
		return;
	for (size_t i = first_of(asked, domain);
	     i < asked->count && strcmp(asked->keys[i]->domain.p, domain) == 0; i++)
		meet_key(asked->site, asked->keys[i], row);
}

/* One answer. *after: in, where it begins, or NULL; out, where the next one does, or NULL. Takes
 * arguments. */
static bool
meet_page(const struct asked *asked, struct admin_client *client, const char *operation,
    json_t *arguments, json_t **after)
{
	json_t *result, *row;
	bool gone;
	size_t i;

	json_object_set_new(arguments, "destroyed", json_true());
	if (*after != NULL)
		json_object_set_new(arguments, "after", *after);
	*after = NULL;
	result = moving_ask(asked->site, client, operation, arguments, &gone, NULL);
	if (result == NULL)
		return false;
	json_array_foreach(json_object_get(result, "keys"), i, row) meet_row(asked, row);
	if (json_is_string(json_object_get(result, "next")))
		*after = json_incref(json_object_get(result, "next"));
	json_decref(result);
	return true;
}

static bool
meet_each_domain(const struct asked *asked, struct admin_client *client)
{
	json_t *after = NULL;

	for (size_t i = 0; i < asked->count; i++) {
		struct span domain = asked->keys[i]->domain;

		if (i > 0 && span_eq(asked->keys[i - 1]->domain, domain))
			continue;
		if (!meet_page(asked, client, "key.list",
			json_pack("{s:s%}", "domain", domain.p, domain.n), &after))
			return false;
	}
	return true;
}

/* tenant: of all of them; empty: they have several. */
static bool
meet_all_keys(const struct asked *asked, struct admin_client *client, struct span tenant)
{
	json_t *after = NULL;

	do {
		json_t *arguments = json_pack("{s:i}", "limit", 500);

		if (tenant.n > 0)
			json_object_set_new(arguments, "tenant", json_stringn(tenant.p, tenant.n));
		if (!meet_page(asked, client, "keys.list", arguments, &after))
			return false;
	} while (after != NULL);
	return true;
}

/* The tenant that all domains of the site have, or empty. */
static struct span
only_tenant(const struct moving_site *site)
{
	for (size_t i = 1; i < site->domain_count; i++)
		if (!span_eq(site->domains[i].tenant, site->domains[0].tenant))
			return SPAN_EMPTY;
	return site->domain_count > 0 ? site->domains[0].tenant : SPAN_EMPTY;
}

static void
ask_about(struct asked *asked, struct moving_key *key)
{
	const struct moving_domain *domain =
	    key->pem == NULL ? NULL : moving_domain_of(asked->site, key->domain);

	if (domain == NULL || key->left_out)
		return;
	if (domain->there == MOVING_ELSEWHERE)
		key->there = MOVING_ELSEWHERE;
	else if (domain->there == MOVING_SAME)
		asked->keys[asked->count++] = key;
}

static bool
meet_keys(struct moving_site *site, struct admin_client *client)
{
	struct asked asked = {
	    .site = site, .keys = mem_zalloc(site->key_count + 1, sizeof(*asked.keys))};
	bool met;

	for (size_t i = 0; i < site->key_count; i++)
		ask_about(&asked, &site->keys[i]);
	if (asked.count > 0)
		qsort(asked.keys, asked.count, sizeof(*asked.keys), compare_keys);
	for (size_t i = 0; i < asked.count; i++)
		asked.domains +=
		    i == 0 || !span_eq(asked.keys[i]->domain, asked.keys[i - 1]->domain);
	met = asked.domains <= FEW_DOMAINS ? meet_each_domain(&asked, client)
					   : meet_all_keys(&asked, client, only_tenant(site));
	mem_free(asked.keys);
	return met;
}

/* ---- rules ---- */

static void
meet_rule(struct moving_site *site, struct moving_sender *row, const json_t *rule)
{
	bool same = span_eq(text_of(rule, "subject"), row->subject) &&
		    span_eq(text_of(rule, "domain"), site->keys[row->key].domain) &&
		    span_eq(text_of(rule, "identity"), row->identity);

	row->there = same ? MOVING_SAME : MOVING_ELSEWHERE;
	if (!same)
		moving_find(site, SEVERITY_ERROR, "other-rule", row->written, row->where, row->line,
		    "the store has another rule %s", row->id);
}

static bool
meet_rules(struct moving_site *site, struct admin_client *client, struct span tenant)
{
	json_t *result, *rule;
	char code[MOVING_CODE_BYTES];
	bool gone;
	size_t i;

	result = moving_ask(site, client, "rules.show",
	    json_pack("{s:s%}", "tenant", tenant.p, tenant.n), &gone, code);
	if (result == NULL)
		return !gone; /* there is no such tenant yet */
	json_array_foreach(json_object_get(result, "rules"), i, rule)
	{
		for (size_t k = 0; k < site->sender_count; k++)
			if (site->senders[k].rule && !site->senders[k].left_out &&
			    span_eq_str(text_of(rule, "rule"), site->senders[k].id))
				meet_rule(site, &site->senders[k], rule);
	}
	json_decref(result);
	return true;
}

int
moving_survey(struct moving_site *site, struct admin_client *client)
{
	struct span tenant = SPAN_EMPTY;

	if (!meet_domains(site, client) || !meet_keys(site, client))
		return EX_UNAVAILABLE;
	for (size_t i = 0; i < site->sender_count; i++) {
		const struct moving_sender *row = &site->senders[i];
		struct span owner;

		if (row->left_out || !row->rule)
			continue;
		owner = moving_domain_of(site, site->keys[row->key].domain)->tenant;
		if (!span_eq(owner, tenant) && !meet_rules(site, client, owner))
			return EX_UNAVAILABLE;
		tenant = owner;
	}
	return EX_OK;
}
