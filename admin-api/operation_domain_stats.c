/*
 * operation_domain_stats.c - what became of the mail of a domain in the last hour (mail_sums.h).
 * Called through the table of operations. It must never tell of a domain that the caller does not
 * see, nor whose gateways they are to one who sees a tenant only.
 */
#include "config.h"

#include "admin-api/mail_sums.h"
#include "admin-api/operation_call.h"
#include "admin-api/scope.h"

static json_t *
cause_or_null(struct span cause)
{
	return cause.n > 0 ? json_span(cause) : json_null();
}

/* What was counted, by what became of it. */
static void
show_counts(json_t *into, const uint64_t count[MAIL_FATES], const struct span cause[MAIL_FATES],
    uint64_t more, uint32_t since_s)
{
	json_object_set_new(into, "signed", json_integer((json_int_t)count[MAIL_SIGNED]));
	json_object_set_new(into, "unsigned", json_integer((json_int_t)count[MAIL_UNSIGNED]));
	json_object_set_new(into, "unsigned_cause", cause_or_null(cause[MAIL_UNSIGNED]));
	json_object_set_new(into, "deferred", json_integer((json_int_t)count[MAIL_DEFERRED]));
	json_object_set_new(into, "deferred_cause", cause_or_null(cause[MAIL_DEFERRED]));
	json_object_set_new(into, "more_at_most", json_integer((json_int_t)more));
	json_object_set_new(into, "counted_s", json_integer(since_s));
}

/* Gateways are of all tenants: also one who asks about one tenant may be who has them. */
static bool
sees_gateways(const struct operation_caller *caller)
{
	return caller->platform && caller->domains.n == 0 &&
	       (caller->scopes & SCOPE_NODES_READ) != 0;
}

static void
show_gateways(struct operation_call *call, const struct keystore_rows *rows, struct span domain)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rows->gateway_count; i++) {
		struct domain_word word;
		uint32_t since_s;
		json_t *one;

		if (!mail_of_gateway(&rows->gateways[i], domain, call->now_utc, &word, &since_s))
			continue;
		one = json_pack("{s:o}", "gateway", json_span(rows->gateways[i].node));
		show_counts(one, word.count, word.cause, word.more, since_s);
		json_array_append_new(list, one);
	}
	json_object_set_new(call->result, "by_gateway", list);
}

static void
show(struct operation_call *call, const struct store_domain *row, const struct keystore_rows *rows)
{
	struct mail_of_domain mail;

	mail_of_domain_make(&mail, rows, row->name, call->now_utc);
	json_object_set_new(call->result, "domain", json_span(row->name));
	json_object_set_new(call->result, "tenant", json_span(row->tenant));
	show_counts(call->result, mail.count, mail.cause, mail.more, mail.since_s);
	json_object_set_new(call->result, "gateways", json_integer((json_int_t)mail.gateways));
	json_object_set_new(call->result, "silent", json_integer((json_int_t)mail.silent));
	json_object_set_new(call->result, "without", json_integer((json_int_t)mail.without));
	if (sees_gateways(call->caller))
		show_gateways(call, rows, row->name);
}

static enum operation_code
read_and_show(struct operation_call *call, const struct store_domain *row)
{
	struct keystore_rows *rows, none = {.gateway_count = 0};
	enum operation_code code = call_gateways(call, &rows);

	if (code != OPERATION_OK)
		return code;
	show(call, row, rows == NULL ? &none : rows); /* causes are in the rows */
	keystore_rows_release(rows);
	return OPERATION_OK;
}

enum operation_code
operation_domain_stats(struct operation_call *call)
{
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	enum status status;
	struct span name;
	size_t i;
	enum operation_code code = call_domain(call, "domain", &name);

	if (code != OPERATION_OK)
		return code;
	status = row_find(call->admin->store, STORE_DOMAIN, name, SPAN_EMPTY, &rows, &i, &err);
	if (status == ST_ABSENT ||
	    (status == ST_OK && !call_sees(call, rows->domains[i].tenant, name)))
		code = call_refuse(
		    call, OPERATION_NOT_FOUND, "there is no domain %.*s", SPAN_ARG(name));
	else if (status != ST_OK)
		code = call_store_failed(call, status, OPERATION_FORBIDDEN, &err);
	else
		code = read_and_show(call, &rows->domains[i]);
	keystore_rows_release(rows);
	return code;
}
