/*
 * api_rate.c - how many requests a tenant may make: what its quota says.
 * Called by api.c and api_bulk.c, once it is known who asks and before anything is done. It must
 * never count what comes over the unix socket, or with a token of no tenant: that is the operator.
 */
#include "config.h"

#include "admin-api/api_private.h"

/* The fields are those of draft-ietf-httpapi-ratelimit-headers. */
bool
api_within_rate(struct api_call *call)
{
	struct quotas *quotas = call->api->admin->quotas;
	const char *tenant = call->principal.tenant;

	call->rate.limit = QUOTA_NONE;
	if (quotas != NULL && tenant[0] != '\0')
		quotas_request(quotas, span_str(tenant), &call->rate);
	if (call->rate.wait_s == 0)
		return true;
	api_problem(
	    call, 429, "rate-limited", "more requests than the quota of this tenant allows", NULL);
	buf_add_fmt(&call->response->fields, "Retry-After: %lld\r\n", (long long)call->rate.wait_s);
	return false;
}

void
api_add_rate(struct api_call *call)
{
	struct buf *fields = &call->response->fields;
	const struct quota_rate *rate = &call->rate;

	if (rate->limit < 0)
		return;
	buf_add_fmt(fields, "RateLimit-Policy: \"requests\";q=%lld;w=%d\r\n",
	    (long long)rate->limit, QUOTA_RATE_S);
	buf_add_fmt(fields, "RateLimit: \"requests\";r=%lld;t=%lld\r\n", (long long)rate->left,
	    (long long)rate->reset_s);
}
