/*
 * select_policy.c - SignHeaders, OmitHeaders and OverSignHeaders made ready, once per
 * configuration. Delta lists are resolved here, as OpenDKIM reads them: a list with "*" in it is
 * nothing but changes to the default list. Must never be called per message.
 */
#include "lib/dkim/select_private.h"

#include <string.h>

#include "lib/base/mem.h"

static const char *const default_sign[] = {"from", "reply-to", "subject", "date", "to", "cc",
    "resent-date", "resent-from", "resent-sender", "resent-to", "resent-cc", "in-reply-to",
    "references", "list-id", "list-help", "list-unsubscribe", "list-subscribe", "list-post",
    "list-owner", "list-archive", NULL};
static const char *const default_omit[] = {"return-path", "received", "comments", "keywords", NULL};
static const char *const default_over[] = {NULL};

bool
header_name_signable(struct span name)
{
	if (name.n == 0 || name.n > HEADER_POLICY_NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] >= 0x7f || name.p[i] == ':' || name.p[i] == ';')
			return false;
	return true;
}

static size_t
list_length(const char *const *list)
{
	size_t n = 0;

	while (n <= HEADER_POLICY_NAMES_MAX && list[n] != NULL)
		n++;
	return n;
}

static enum status
list_add(struct name_list *list, struct span name, struct err *err)
{
	if (!header_name_signable(name)) {
		err_set(err, "\"%.*s\" cannot be the name of a header field",
		    (int)(name.n > 80 ? 80 : name.n), name.p == NULL ? "" : name.p);
		return ST_INVALID;
	}
	list->names[list->count++] = (struct name_pattern){
	    .text = span_dup(name), .n = name.n, .wild = span_find(name, '*') != SIZE_MAX};
	return ST_OK;
}

static bool
has_star(const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, "*") == 0)
			return true;
	return false;
}

static bool
delta_drops(const char *const *list, const char *name)
{
	for (; *list != NULL; list++)
		if (**list == '-' && span_ieq_str(span_str(*list + 1), name))
			return true;
	return false;
}

/* The default list, changed. */
static enum status
list_add_delta(struct name_list *out, const char *const *base, const char *const *list,
    size_t *ignored, struct err *err)
{
	enum status st = ST_OK;

	for (; *base != NULL && st == ST_OK; base++)
		if (!delta_drops(list, *base))
			st = list_add(out, span_str(*base), err);
	for (; *list != NULL && st == ST_OK; list++) {
		if (**list == '+')
			st = list_add(out, span_str(*list + 1), err);
		else if (**list != '-' && strcmp(*list, "*") != 0)
			(*ignored)++;
	}
	return st;
}

/* list: as configured or NULL; delta: a "*" in it has its special meaning. */
static enum status
list_compile(struct name_list *out, const char *const *list, const char *const *base, bool delta,
    size_t *ignored, struct err *err)
{
	enum status st = ST_OK;

	if (list == NULL)
		list = base;
	if (list_length(list) > HEADER_POLICY_NAMES_MAX) {
		err_set(err, "more than %u header names in one list", HEADER_POLICY_NAMES_MAX);
		return ST_TOO_BIG;
	}
	out->names = mem_zalloc(list_length(list) + list_length(base) + 1, sizeof *out->names);
	if (delta && has_star(list))
		return list_add_delta(out, base, list, ignored, err);
	for (; *list != NULL && st == ST_OK; list++)
		st = list_add(out, span_str(*list), err);
	return st;
}

enum status
header_policy_new(
    const struct header_policy_config *config, struct header_policy **policy_out, struct err *err)
{
	struct header_policy *policy = mem_zalloc(1, sizeof *policy);
	enum status st;

	*policy_out = NULL;
	st = list_compile(
	    &policy->sign, config->sign_headers, default_sign, true, &policy->ignored, err);
	if (st == ST_OK)
		st = list_compile(
		    &policy->omit, config->omit_headers, default_omit, true, &policy->ignored, err);
	if (st == ST_OK)
		st = list_compile(&policy->over, config->over_sign_headers, default_over, false,
		    &policy->ignored, err);
	if (st != ST_OK)
		header_policy_free(policy);
	else
		*policy_out = policy;
	return st;
}

static void
list_free(struct name_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		mem_free(list->names[i].text);
	mem_free(list->names);
}

void
header_policy_free(struct header_policy *policy)
{
	if (policy == NULL)
		return;
	list_free(&policy->sign);
	list_free(&policy->omit);
	list_free(&policy->over);
	mem_free(policy);
}

size_t
header_policy_ignored(const struct header_policy *policy)
{
	return policy->ignored;
}
