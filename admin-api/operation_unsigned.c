/*
 * operation_unsigned.c - how much mail of the last hour went without a signature or was deferred,
 * by tenant and cause (mail_sums.h).
 * Called through the table of operations. It must never tell one tenant of another's mail.
 */
#include "config.h"

#include <stdlib.h>

#include "admin-api/mail_sums.h"
#include "admin-api/operation_call.h"
#include "lib/base/mem.h"

static int
most_first(const void *a, const void *b)
{
	uint64_t left = ((const struct mail_word *)a)->count;
	uint64_t right = ((const struct mail_word *)b)->count;

	return left > right ? -1 : left < right ? 1 : 0;
}

static void
show(struct operation_call *call, struct mail_sums *sums)
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
			      "as_configured", mail_is_as_configured(word) ? 1 : 0));
	}
	json_object_set_new(call->result, "mail", list);
	json_object_set_new(call->result, "unsigned", json_integer((json_int_t)sums->total[0]));
	json_object_set_new(call->result, "deferred", json_integer((json_int_t)sums->total[1]));
	json_object_set_new(call->result, "gateways", json_integer((json_int_t)sums->gateways));
	json_object_set_new(call->result, "silent", json_integer((json_int_t)sums->silent));
}

static enum operation_code
read_and_show(struct operation_call *call, struct mail_sums *sums)
{
	struct keystore_rows *rows;
	enum operation_code code = call_gateways(call, &rows);

	if (code != OPERATION_OK)
		return code;
	if (rows != NULL)
		mail_sums_make(sums, rows, call->now_utc);
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
	struct mail_sums *sums;

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
