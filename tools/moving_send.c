/*
 * moving_send.c - brings a site into the store: tenants, then domains with their keys in requests
 * of POST /v1/bulk, then rules.
 * Called by import when the operator said so. It must never send what the store has, nor let a key
 * into memory that is not secret; a refusal is told with the row that it is about.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "tools/cli.h"
#include "tools/moving_admin.h"

#define DOMAINS_AT_ONCE 250U
#define KEYS_OF_BATCH_MAX 2000U
#define RULES_AT_ONCE 400U
#define BODY_MAX (64U * 1024U * 1024U)

struct sending {
	struct moving_site *site;
	struct admin_client *client;
	const struct moving_wish *wish;
	size_t done, refused;
	/* Of one request: what each line is about. */
	struct buf body;
	struct line {
		struct moving_domain *domain;
		struct moving_key *key; /* NULL: the domain itself */
	} lines[DOMAINS_AT_ONCE + KEYS_OF_BATCH_MAX];
	size_t line_count, domain_count;
};

/* ---- lines ---- */

static void
add_pair(struct buf *out, const char *name, struct span value)
{
	buf_add_fmt(out, "%s\"%s\":", out->p[out->n - 1] == '{' ? "" : ",", name);
	cli_json_string(out, value);
}

static void
add_domain(struct sending *sending, struct moving_domain *domain)
{
	struct buf *out = &sending->body;

	buf_add_str(out, "{\"operation\":\"domain.add\",\"arguments\":{");
	add_pair(out, "domain", domain->name);
	add_pair(out, "tenant", domain->tenant);
	if (sending->wish->policy != NULL)
		add_pair(out, "policy", span_str(sending->wish->policy));
	if (domain->subdomains)
		buf_add_str(out, ",\"subdomains\":true");
	buf_add_str(out, "}}\n");
	sending->lines[sending->line_count++] = (struct line){domain, NULL};
	sending->domain_count++;
}

static void
add_key(struct sending *sending, struct moving_domain *domain, struct moving_key *key)
{
	struct buf *out = &sending->body;

	buf_add_str(out, "{\"operation\":\"key.import\",\"arguments\":{");
	add_pair(out, "domain", key->domain);
	add_pair(out, "selector", key->selector);
	add_pair(out, "pem", span_str(key->pem));
	if (!key->stand_by && key->dns != MOVING_WRONG) {
		buf_add_str(out, ",\"active\":true");
		if (sending->wish->unproven)
			buf_add_str(out, ",\"unproven\":true");
	}
	buf_add_str(out, "}}\n");
	sending->lines[sending->line_count++] = (struct line){domain, key};
}

/* ---- results ---- */

static void
refuse(struct sending *sending, const struct line *line, const char *code, const char *detail)
{
	sending->refused++;
	if (line->key == NULL)
		line->domain->failed = true;
	else
		line->key->failed = true;
	moving_find(sending->site, SEVERITY_ERROR, "refused",
	    line->key == NULL ? line->domain->name : line->key->name,
	    line->key == NULL ? SPAN_EMPTY : line->key->where,
	    line->key == NULL ? 0 : line->key->line, "%s: %s", code, detail);
}

/* Somebody was faster: a request of ours that was cut off, or, in a directory, the first half of
 * this one, which signpost-admind began anew because another writer came between. */
static bool
is_there_now(struct sending *sending, const struct moving_key *key, bool signs)
{
	char code[MOVING_CODE_BYTES], hex[KEYSTORE_DIGEST_BYTES];
	const char *digest;
	bool gone, same;
	json_t *row, *result = moving_ask(sending->site, sending->client, "key.show",
			 json_pack("{s:s%, s:s%}", "domain", key->domain.p, key->domain.n,
			     "selector", key->selector.p, key->selector.n),
			 &gone, code);

	keystore_digest(key->public_key, hex);
	row = json_object_get(result, "key");
	digest = json_string_value(json_object_get(row, "p_sha256"));
	same = digest != NULL && strcmp(digest, hex) == 0 &&
	       (!signs || json_is_true(json_object_get(row, "signs")));
	json_decref(result);
	return same;
}

/* Does the refusal only say that it is there, as it was to be? */
static bool
is_no_refusal(struct sending *sending, const struct moving_key *key, const char *code)
{
	bool active;

	if (key == NULL || code == NULL)
		return false;
	active = strcmp(code, "illegal-transition") == 0;
	return (active || strcmp(code, "selector-exists") == 0) &&
	       is_there_now(sending, key, active);
}

static void
take_result(struct sending *sending, const json_t *row)
{
	json_int_t first = json_integer_value(json_object_get(row, "line"));
	json_int_t count = json_integer_value(json_object_get(row, "count"));
	const char *code = json_string_value(json_object_get(row, "code"));
	const char *detail = json_string_value(json_object_get(row, "detail"));

	for (json_int_t i = 0; i < count; i++) {
		const struct line *line;

		if (first + i < 1 || (size_t)(first + i) > sending->line_count)
			return;
		line = &sending->lines[first + i - 1];
		if (json_is_true(json_object_get(row, "ok")))
			sending->done++;
		else if (is_no_refusal(sending, line->key, code))
			continue;
		else if (line->key == NULL || !line->domain->failed)
			refuse(sending, line, code == NULL ? "?" : code,
			    detail == NULL ? "it was refused" : detail);
		else
			line->key->failed = true; /* for want of its domain */
	}
}

static int
take_results(struct sending *sending, const json_t *answer)
{
	const json_t *lines = json_object_get(json_object_get(answer, "result"), "lines");
	const json_t *row, *summary = NULL;
	size_t i;

	json_array_foreach(lines, i, row)
	{
		const json_t *sum = json_object_get(row, "summary");

		if (sum != NULL)
			summary = sum;
		else
			take_result(sending, row);
	}
	if (json_is_true(json_object_get(summary, "complete")))
		return EX_OK;
	row = json_object_get(summary, "detail");
	cli_say(sending->site->program, "signpost-admind stopped: %s; run this again",
	    json_is_string(row) ? json_string_value(row) : "it did not say why");
	return EX_UNAVAILABLE;
}

static int
send_lines(struct sending *sending)
{
	json_t *answer;
	int exit_code;

	if (sending->line_count == 0)
		return EX_OK;
	if (buf_status(&sending->body) != ST_OK) {
		cli_say(sending->site->program, "there is no memory left for keys");
		return EX_OSERR;
	}
	answer =
	    admin_post_lines(sending->client, "/v1/bulk", "application/x-ndjson", &sending->body);
	if (answer == NULL)
		exit_code = EX_UNAVAILABLE;
	else if (json_is_true(json_object_get(answer, "ok")))
		exit_code = take_results(sending, answer);
	else
		exit_code = admin_show_refusal(sending->site->program, answer);
	json_decref(answer);
	buf_free(&sending->body);
	buf_init_secret(&sending->body, BODY_MAX);
	sending->line_count = sending->domain_count = 0;
	return exit_code;
}

/* ---- domains and keys ---- */

struct order {
	const struct moving_site *site;
	size_t key;
};

static int
compare_orders(const void *a, const void *b)
{
	const struct order *left = a, *right = b;
	int order =
	    strcmp(left->site->keys[left->key].domain.p, right->site->keys[right->key].domain.p);

	return order != 0 ? order : left->key < right->key ? -1 : left->key > right->key;
}

static bool
is_wanted(const struct moving_key *key)
{
	return !key->left_out && key->pem != NULL &&
	       (key->there == MOVING_NEW ||
		   (key->there == MOVING_WAITING && !key->stand_by && key->dns != MOVING_WRONG));
}

/* Keys of a batch, from all[first] on; domains of a request go before its keys, since those that
 * stand behind each other share transactions. The first one that is not in it. */
static size_t
add_batch(struct sending *sending, const struct order *all, size_t count, size_t first)
{
	struct moving_domain *domain = NULL;
	size_t end = first, domains = 0;

	for (; end < count && end - first < KEYS_OF_BATCH_MAX; end++) {
		struct moving_domain *next =
		    moving_domain_of(sending->site, sending->site->keys[all[end].key].domain);

		if (next != domain && domains++ == DOMAINS_AT_ONCE)
			break;
		if (next != domain && next->there == MOVING_NEW)
			add_domain(sending, next);
		domain = next;
	}
	for (size_t i = first; i < end; i++) {
		struct moving_key *key = &sending->site->keys[all[i].key];

		domain = moving_domain_of(sending->site, key->domain);
		if (!domain->failed)
			add_key(sending, domain, key);
	}
	return end;
}

static int
send_keys(struct sending *sending)
{
	struct moving_site *site = sending->site;
	struct order *all = mem_zalloc(site->key_count + 1, sizeof(*all));
	size_t count = 0, at = 0;
	int exit_code = EX_OK;

	for (size_t i = 0; i < site->key_count; i++)
		if (is_wanted(&site->keys[i]))
			all[count++] = (struct order){site, i};
	qsort(all, count, sizeof(*all), compare_orders);
	while (at < count && exit_code == EX_OK) {
		at = add_batch(sending, all, count, at);
		exit_code = send_lines(sending);
		if (exit_code == EX_OK && at < count)
			cli_say(site->program, "%zu of %zu keys ...", at, count);
	}
	mem_free(all);
	return exit_code;
}

/* ---- tenants ---- */

static int
make_tenants(struct sending *sending)
{
	struct moving_site *site = sending->site;
	char code[MOVING_CODE_BYTES];
	struct span last = SPAN_EMPTY;
	bool gone = false;

	for (size_t i = 0; i < site->domain_count && !gone; i++) {
		struct span tenant = site->domains[i].tenant;
		json_t *result;

		if (span_eq(tenant, last) || site->domains[i].there != MOVING_NEW)
			continue;
		last = tenant;
		result = moving_ask(site, sending->client, "tenant.add",
		    json_pack("{s:s%}", "tenant", tenant.p, tenant.n), &gone, code);
		sending->done += result != NULL;
		/* Who may not add tenants may still add domains to one. */
		if (result == NULL && !gone && strcmp(code, "exists") != 0 &&
		    strcmp(code, "forbidden") != 0)
			moving_find(site, SEVERITY_ERROR, "refused", tenant, SPAN_EMPTY, 0,
			    "the tenant cannot be made: %s", code);
		json_decref(result);
	}
	return gone ? EX_UNAVAILABLE : EX_OK;
}

/* ---- rules ---- */

static json_t *
rule_of(const struct moving_site *site, const struct moving_sender *row)
{
	static const char *const kinds[] = {"address", "domain", "suffix", "pattern", "pattern"};
	struct span domain = site->keys[row->key].domain;
	json_t *rule =
	    json_pack("{s:s, s:s, s:s%, s:s%, s:I}", "rule", row->id, "kind", kinds[row->kind],
		"subject", row->subject.p, row->subject.n, "domain", domain.p, domain.n, "priority",
		row->kind >= MOVING_PATTERN ? (json_int_t)row->line : (json_int_t)0);

	if (rule != NULL && row->identity.n > 0)
		json_object_set_new(
		    rule, "identity", json_stringn(row->identity.p, row->identity.n));
	return rule;
}

static int
send_some_rules(struct sending *sending, struct span tenant, json_t *rules)
{
	size_t count = json_array_size(rules);
	char code[MOVING_CODE_BYTES];
	json_t *result;
	bool gone = false;

	if (count == 0) {
		json_decref(rules);
		return EX_OK;
	}
	result = moving_ask(sending->site, sending->client, "rules.change",
	    json_pack("{s:s%, s:o}", "tenant", tenant.p, tenant.n, "rules", rules), &gone, code);
	if (result == NULL && !gone) {
		sending->refused += count;
		moving_find(sending->site, SEVERITY_ERROR, "refused", tenant, SPAN_EMPTY, 0,
		    "%zu rules of the tenant: %s; \"signpost store load\" takes more of them "
		    "(--store-lines)",
		    count, code);
	}
	sending->done += result == NULL ? 0 : count;
	json_decref(result);
	return gone ? EX_UNAVAILABLE : EX_OK;
}

static int
send_rules(struct sending *sending)
{
	const struct moving_site *site = sending->site;
	struct span tenant = SPAN_EMPTY;
	json_t *rules = json_array();
	int exit_code = EX_OK;

	for (size_t i = 0; i < site->sender_count && exit_code == EX_OK; i++) {
		const struct moving_sender *row = &site->senders[i];
		const struct moving_domain *domain = NULL;

		if (row->left_out || !row->rule || row->there != MOVING_NEW)
			continue;
		domain = moving_domain_of(site, site->keys[row->key].domain);
		if (domain->failed || domain->there == MOVING_ELSEWHERE)
			continue;
		if (!span_eq(domain->tenant, tenant) || json_array_size(rules) == RULES_AT_ONCE) {
			exit_code = send_some_rules(sending, tenant, rules);
			rules = json_array();
		}
		tenant = domain->tenant;
		json_array_append_new(rules, rule_of(site, row));
	}
	if (exit_code == EX_OK)
		return send_some_rules(sending, tenant, rules);
	json_decref(rules);
	return exit_code;
}

int
moving_send(struct moving_site *site, struct admin_client *client, const struct moving_wish *wish)
{
	struct sending *sending = mem_zalloc(1, sizeof(*sending));
	int exit_code;

	*sending = (struct sending){.site = site, .client = client, .wish = wish};
	buf_init_secret(&sending->body, BODY_MAX);
	exit_code = make_tenants(sending);
	if (exit_code == EX_OK)
		exit_code = send_keys(sending);
	if (exit_code == EX_OK)
		exit_code = send_rules(sending);
	cli_say(site->program, "%zu rows written, %zu refused", sending->done, sending->refused);
	buf_free(&sending->body);
	mem_free(sending);
	return exit_code;
}
