/*
 * operation_domain_put.c - a domain as it is to be, whole: made if there is none, or in place of
 * what it was.
 * Called through the table of operations. It must never leave anything as it was that the caller
 * did not say, but for whether it is paused: that may be ours.
 */
#include "config.h"

#include "admin-api/operation_call.h"

/* What is not said is as of a new domain. */
static json_t *
whole(const json_t *given)
{
	json_t *out = json_pack(
	    "{s:s, s:s, s:b, s:b}", "policy", "", "signs_as", "", "subdomains", 0, "enabled", 1);

	json_object_update(out, (json_t *)given);
	return out;
}

static enum operation_code
replace(struct operation_call *call)
{
	const json_t *given = call->arguments;
	json_t *all = whole(given);
	enum operation_code code;

	call->arguments = all;
	code = operation_domain_set(call);
	call->arguments = given;
	json_decref(all);
	return code;
}

enum operation_code
operation_domain_put(struct operation_call *call)
{
	enum operation_code code;

	if (!call_switch(call, "new", false))
		return replace(call);
	code = operation_domain_add(call);
	if (code == OPERATION_EXISTS)
		return call_refuse(
		    call, OPERATION_PRECONDITION_FAILED, "there is such a domain already");
	return code;
}
