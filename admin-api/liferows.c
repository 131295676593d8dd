/*
 * liferows.c - rows into what lib/keys/life.h works on.
 * Called by the reconciler and by operations on keys. It must never leave out a key of a domain:
 * what is decided for the others depends on all of them.
 */
#include <stdio.h>

#include "admin-api/liferows.h"
#include "lib/base/mem.h"

static const struct store_policy *
policy_of(const struct keystore_rows *rows, const struct store_domain *domain)
{
	for (size_t i = 0; i < rows->policy_count; i++)
		if (span_eq(rows->policies[i].name, domain->policy) &&
		    span_eq(rows->policies[i].tenant, domain->tenant))
			return &rows->policies[i];
	return NULL;
}

static void
take_plan(const struct keystore_rows *rows, const struct store_domain *domain, struct key_plan *out,
    struct err *error)
{
	const struct store_policy *policy = policy_of(rows, domain);

	error->text[0] = '\0';
	key_plan_default(out);
	if (policy != NULL &&
	    key_plan_parse(policy->plan, policy->signature_ttl_s, out, error) != ST_OK)
		key_plan_default(out);
}

static bool
tenant_enabled(const struct keystore_rows *rows, struct span name)
{
	for (size_t i = 0; i < rows->tenant_count; i++)
		if (span_eq(rows->tenants[i].name, name))
			return rows->tenants[i].enabled;
	return false;
}

static enum status
take_key(const struct store_key *row, struct life_domain *out, struct err *err)
{
	struct life_key *key = &out->keys[out->count];

	if (row->id.n > LIFE_ID_MAX || row->algorithm.n >= sizeof(key->algorithm)) {
		err_set(
		    err, "key %.*s: it cannot be looked at: a long name", SPAN_ARG(row->selector));
		return ST_TOO_BIG;
	}
	if (key_life_parse(row->life, &key->life, err) != ST_OK) {
		err_prefix(err, "key %.*s", SPAN_ARG(row->selector));
		return ST_INVALID;
	}
	snprintf(key->id, sizeof(key->id), "%.*s", SPAN_ARG(row->id));
	snprintf(key->algorithm, sizeof(key->algorithm), "%.*s", SPAN_ARG(row->algorithm));
	key->selector = row->selector;
	key->bits = row->bits;
	key->times = row->times;
	key->loading = row->loading;
	out->count++;
	return ST_OK;
}

static bool
is_of(const struct store_key *key, const struct store_domain *domain)
{
	return span_eq(key->domain, domain->name) && span_eq(key->tenant, domain->tenant);
}

/* Most domains have one or two keys, and turns have very many domains: no room for more. */
static enum status
make_room(const struct keystore_rows *answer, const struct store_domain *row,
    struct life_domain *out, struct err *err)
{
	size_t count = 0;

	for (size_t i = 0; i < answer->key_count; i++)
		count += is_of(&answer->keys[i], row);
	if (count > LIFE_KEYS_MAX) {
		err_set(err, "it has %zu keys: %u can be looked at", count, LIFE_KEYS_MAX);
		return ST_TOO_BIG;
	}
	out->keys = mem_zalloc(count, sizeof(*out->keys));
	return ST_OK;
}

enum status
liferows_domain(const struct keystore_rows *answer, const struct store_domain *row,
    struct life_domain *out, const struct store_key *rows_out[LIFE_KEYS_MAX],
    struct err *plan_error, struct err *err)
{
	enum status status;

	out->name = row->name;
	out->enabled = row->enabled && tenant_enabled(answer, row->tenant);
	take_plan(answer, row, &out->plan, plan_error);
	status = domain_life_parse(row->life, &out->life, err);
	if (status == ST_OK)
		status = make_room(answer, row, out, err);
	for (size_t i = 0; status == ST_OK && i < answer->key_count; i++) {
		const struct store_key *key = &answer->keys[i];

		if (!is_of(key, row))
			continue;
		status = take_key(key, out, err);
		if (status == ST_OK)
			rows_out[out->count - 1] = key;
	}
	return status;
}

void
liferows_forget(struct life_domain *domain)
{
	mem_free(domain->keys);
	domain->keys = NULL;
	domain->count = 0;
}

/* ---- gateways ---- */

bool
liferows_is_live(const struct liferows_gateways *words, const struct store_gateway *gateway)
{
	return gateway->at + words->silence_s >= words->now_utc;
}

/* Is there a line "ID why"? */
static bool
names_key(struct span lines, struct span id)
{
	struct span line, word;

	while (lines.n > 0) {
		(void)span_cut(&lines, '\n', &line);
		if (span_word(&line, &word) && span_eq(word, id))
			return true;
	}
	return false;
}

static bool
gateway_failed(const void *context, const char *id, const char **node_out)
{
	const struct liferows_gateways *words = context;
	static _Thread_local char node[KEYSTORE_NODE_MAX + 1];

	*node_out = NULL;
	for (size_t i = 0; i < words->rows->gateway_count; i++) {
		const struct store_gateway *gateway = &words->rows->gateways[i];

		if (!liferows_is_live(words, gateway) || !names_key(gateway->failed, span_str(id)))
			continue;
		snprintf(node, sizeof(node), "%.*s", SPAN_ARG(gateway->node));
		*node_out = node;
		return true;
	}
	return false;
}

/* ---- signatures that gateways verified ---- */

static void
collect_failing(struct liferows_gateways *words, const struct store_gateway *gateway)
{
	struct span lines = gateway->failed;
	struct canary_word word;

	while (words->failing_count < LIFEROWS_FAILING_MAX && canary_word_next(&lines, &word))
		if (word.failures >= CANARY_FAILURES)
			words->failing[words->failing_count++] =
			    (struct liferows_failing){word, gateway};
}

static bool
says(const struct canary_word *word, const char *id, int64_t active)
{
	return word->active == active && span_eq_str(word->id, id);
}

static bool
key_failing(const void *context, const struct life_key *key, struct life_failing *out)
{
	const struct liferows_gateways *words = context;
	static _Thread_local char node[KEYSTORE_NODE_MAX + 1], why[CANARY_WHY_MAX + 1];

	*out = (struct life_failing){.of = words->live, .node = node, .why = why};
	for (size_t i = 0; i < words->failing_count; i++) {
		const struct liferows_failing *one = &words->failing[i];

		if (!says(&one->word, key->id, key->times.active))
			continue;
		if (out->gateways++ > 0)
			continue;
		snprintf(node, sizeof(node), "%.*s", SPAN_ARG(one->gateway->node));
		snprintf(why, sizeof(why), "%.*s", SPAN_ARG(one->word.why));
	}
	return out->gateways > 0;
}

void
liferows_seen(const struct liferows_gateways *words, const char *id, int64_t active,
    size_t *good_out, size_t *failing_out)
{
	*good_out = *failing_out = 0;
	for (size_t i = 0; active > 0 && i < words->rows->gateway_count; i++) {
		const struct store_gateway *gateway = &words->rows->gateways[i];
		struct span lines = gateway->failed;
		struct canary_word word;

		if (!liferows_is_live(words, gateway))
			continue;
		while (canary_word_next(&lines, &word)) {
			if (!says(&word, id, active))
				continue;
			*good_out += word.failures == 0;
			*failing_out += word.failures > 0;
		}
	}
}

/* ---- all ---- */

void
liferows_count(struct liferows_gateways *words, struct life_gateways *out)
{
	*out = (struct life_gateways){.tested = UINT64_MAX,
	    .failed = gateway_failed,
	    .failing = key_failing,
	    .context = words};
	words->live = words->failing_count = 0;
	for (size_t i = 0; i < words->rows->gateway_count; i++) {
		const struct store_gateway *gateway = &words->rows->gateways[i];

		if (!liferows_is_live(words, gateway))
			continue;
		out->live++;
		if (gateway->tested < out->tested)
			out->tested = gateway->tested;
		collect_failing(words, gateway);
	}
	words->live = out->live;
	if (out->live == 0)
		out->tested = 0;
}
