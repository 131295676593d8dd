/*
 * operation_unsigned.c - how much mail of the last hour went without a signature or was deferred,
 * by tenant and cause: the sum of what all gateways say in their rows (lib/keys/mailword.h).
 * Called through the table of operations. It must never tell one tenant of another's mail, nor
 * count what a gateway said that is silent since.
 */
#include "config.h"

#include <stdlib.h>

#include "admin-api/operation_lives.h"
#include "lib/base/mem.h"
#include "lib/keys/mailword.h"

#define SUMS_MAX 1000U /* tenants and causes that are told apart */

struct sums {
	struct span only; /* the only tenant that is spoken of; empty: all */
	struct mail_word words[SUMS_MAX];
	size_t count;
	uint64_t total[2]; /* without what is as it was configured */
	json_int_t gateways, silent;
};

/* Nobody wanted these to be signed. */
static bool
is_as_configured(const struct mail_word *word)
{
	static const char *const causes[] = {"not_ours", "exempt", "recipient", "peer", "mode"};

	for (size_t i = 0; !word->deferred && i < sizeof(causes) / sizeof(causes[0]); i++)
		if (span_eq_str(word->cause, causes[i]))
			return true;
	return false;
}

static void
add_word(struct sums *sums, const struct mail_word *word)
{
	size_t i = 0;

	if (!is_as_configured(word))
		sums->total[word->deferred] += word->count;
	while (i < sums->count && (sums->words[i].deferred != word->deferred ||
				      !span_eq(sums->words[i].cause, word->cause) ||
				      !span_eq(sums->words[i].tenant, word->tenant)))
		i++;
	if (i < sums->count)
		sums->words[i].count += word->count;
	else if (sums->count < SUMS_MAX)
		sums->words[sums->count++] = *word;
}

static void
add_gateway(struct sums *sums, const struct store_gateway *gateway, int64_t now_utc)
{
	struct span lines = gateway->failed;
	struct mail_word word;

	if (gateway->at + GATEWAY_SILENCE_S < now_utc) {
		sums->silent++;
		return;
	}
	sums->gateways++;
	while (mail_word_next(&lines, &word))
		if (sums->only.n == 0 || span_eq(sums->only, word.tenant))
			add_word(sums, &word);
}

static int
most_first(const void *a, const void *b)
{
	uint64_t left = ((const struct mail_word *)a)->count;
	uint64_t right = ((const struct mail_word *)b)->count;

	return left > right ? -1 : left < right ? 1 : 0;
}

static void
show(struct operation_call *call, struct sums *sums)
{
	json_t *list = json_array();

	qsort(sums->words, sums->count, sizeof(sums->words[0]), most_first);
	for (size_t i = 0; i < sums->count; i++) {
		const struct mail_word *word = &sums->words[i];

		json_array_append_new(
		    list, json_pack("{s:o, s:s, s:o, s:I, s:b}", "tenant",
			      word->tenant.n == 0 ? json_null() : json_span(word->tenant), "what",
			      word->deferred ? "deferred" : "unsigned", "cause",
			      json_span(word->cause), "messages", (json_int_t)word->count,
			      "as_configured", is_as_configured(word) ? 1 : 0));
	}
	json_object_set_new(call->result, "mail", list);
	json_object_set_new(call->result, "unsigned", json_integer((json_int_t)sums->total[0]));
	json_object_set_new(call->result, "deferred", json_integer((json_int_t)sums->total[1]));
	json_object_set_new(call->result, "gateways", json_integer(sums->gateways));
	json_object_set_new(call->result, "silent", json_integer(sums->silent));
}

static enum operation_code
read_and_show(struct operation_call *call, struct sums *sums)
{
	struct keystore *store = call->admin->store;
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	enum status status = ST_OK;

	if (store->ops->gateways != NULL)
		status = store->ops->gateways(store, &rows, &err);
	if (status != ST_OK)
		return call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	for (size_t i = 0; rows != NULL && i < rows->gateway_count; i++)
		add_gateway(sums, &rows->gateways[i], call->now_utc);
	show(call, sums); /* its words are in the rows */
	keystore_rows_release(rows);
	return OPERATION_OK;
}

enum operation_code
operation_unsigned(struct operation_call *call)
{
	struct span ignored;
	enum operation_code code =
	    call_has(call, "tenant") ? call_tenant(call, "tenant", &ignored) : OPERATION_OK;
	struct sums *sums;

	if (code == OPERATION_OK && call->caller->domains.n > 0)
		code = call_refuse(call, OPERATION_FORBIDDEN,
		    "these are figures of all domains, and you may see some of them only");
	if (code != OPERATION_OK)
		return code;
	sums = mem_zalloc(1, sizeof(*sums));
	sums->only = call_only_tenant(call);
	code = read_and_show(call, sums);
	mem_free(sums);
	return code;
}
