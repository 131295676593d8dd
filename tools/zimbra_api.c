/*
 * zimbra_api.c - signpost-admind asked for "signpost zimbra": the policy that domains are put
 * under, and questions about one domain.
 * Called by zimbra.c and its neighbours. It must never go on with a policy that makes no keys, nor
 * keep to itself that the directory will not follow them.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "tools/zimbra_api.h"

const char *
zimbra_text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text == NULL ? "" : text;
}

static int
ask(struct zimbra_api *api, json_t *request, const char *quiet, json_t **result_out)
{
	json_t *answer = admin_ask(api->client, request);
	int exit_code = EX_OK;

	if (result_out != NULL)
		*result_out = NULL;
	json_decref(request);
	if (answer == NULL)
		return EX_UNAVAILABLE;
	api->refused[0] = '\0';
	if (!json_is_true(json_object_get(answer, "ok"))) {
		snprintf(api->refused, sizeof(api->refused), "%s", zimbra_text_of(answer, "code"));
		if (quiet != NULL && strcmp(api->refused, quiet) == 0) {
			exit_code = ZIMBRA_QUIET;
		} else {
			(void)admin_show_refusal(api->program, answer);
			exit_code = 1;
		}
	} else if (result_out != NULL) {
		*result_out = json_incref(json_object_get(answer, "result"));
	}
	json_decref(answer);
	return exit_code;
}

int
zimbra_ask(struct zimbra_api *api, const char *operation, json_t *arguments, const char *quiet,
    json_t **result_out)
{
	return ask(api, json_pack("{s:s, s:o}", "operation", operation, "arguments", arguments),
	    quiet, result_out);
}

int
zimbra_try(struct zimbra_api *api, const char *operation, json_t *arguments)
{
	return ask(api,
	    json_pack(
		"{s:s, s:o, s:b}", "operation", operation, "arguments", arguments, "dry_run", 1),
	    NULL, NULL);
}

int
zimbra_ask_domain(struct zimbra_api *api, const char *domain, json_t **result_out)
{
	return zimbra_ask(
	    api, "domain.show", json_pack("{s:s}", "domain", domain), "not-found", result_out);
}

const json_t *
zimbra_key_of(const json_t *shown, const char *selector)
{
	json_t *key;
	size_t i;

	json_array_foreach(json_object_get(shown, "keys"), i, key)
	{
		if (span_ieq(span_str(zimbra_text_of(key, "selector")), span_str(selector)))
			return key;
	}
	return NULL;
}

bool
zimbra_is_coming(const json_t *key)
{
	static const char *const states[] = {
	    "PREPARED", "PUBLISHING", "PUBLISHED", "PROVEN", "LOADED"};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(zimbra_text_of(key, "state"), states[i]) == 0)
			return true;
	return false;
}

/* ---- the policy ---- */

/* "rsa-3072": 3072; another algorithm: 0. */
static int
rsa_bits(const char *name)
{
	uint64_t bits;

	return strncmp(name, "rsa-", 4) == 0 && span_number(span_str(name + 4), 65536, &bits)
		   ? (int)bits
		   : 0;
}

static void
take_algorithms(struct zimbra_api *api, const json_t *plan, const char *policy)
{
	const json_t *list = json_object_get(plan, "algorithms");
	json_t *name;
	size_t i;

	api->bits = ZIMBRA_BITS_MIN;
	json_array_foreach(list, i, name)
	{
		const char *text = json_string_value(name);
		int bits = text == NULL ? 0 : rsa_bits(text);

		if (bits >= ZIMBRA_BITS_MIN)
			api->bits = bits;
		if (bits == 0)
			cli_say(api->program,
			    "policy %s: Zimbra's directory has room for one RSA key of a domain; "
			    "its keys of the other algorithm sign at Signpost's gateways alone",
			    policy);
	}
}

/* What an operator has to know of it. */
static void
warn_of_plan(const struct zimbra_api *api, const json_t *plan, const char *policy)
{
	if (zimbra_text_of(plan, "delegation")[0] != '\0')
		cli_say(api->program,
		    "policy %s: with a delegation all domains have the same selectors, and in "
		    "Zimbra's directory a selector is one domain's",
		    policy);
	if (!api->mirror)
		cli_say(api->program,
		    "policy %s has no mirror: Zimbra's directory will not follow these keys, and "
		    "Zimbra's opendkim signs on with what is there; name one in the plan "
		    "(\"mirror\")",
		    policy);
}

static int
take_plan(struct zimbra_api *api, const json_t *plan, const char *tenant, const char *policy)
{
	if (!json_is_true(json_object_get(plan, "manage"))) {
		cli_say(api->program,
		    "policy %s of tenant %s does not say \"manage\": true: nothing would publish, "
		    "prove or rotate keys; see signpost-plan(5)",
		    policy, tenant);
		return 1;
	}
	api->manual = strcmp(zimbra_text_of(plan, "publisher"), "manual") == 0;
	api->mirror = zimbra_text_of(plan, "mirror")[0] != '\0';
	take_algorithms(api, plan, policy);
	warn_of_plan(api, plan, policy);
	return EX_OK;
}

int
zimbra_read_policy(struct zimbra_api *api, const char *tenant, const char *policy)
{
	json_t *result = NULL;
	int exit_code;

	/* Once, however many domains have it. */
	if (strcmp(api->tenant, tenant) == 0 && strcmp(api->policy, policy) == 0)
		return EX_OK;
	exit_code = zimbra_ask(api, "policy.show",
	    json_pack("{s:s, s:s}", "tenant", tenant, "policy", policy), "not-found", &result);
	if (exit_code == ZIMBRA_QUIET) {
		cli_say(api->program,
		    "tenant %s has no policy %s (--tenant, --policy); make it: signpost tenant add "
		    "%s; signpost policy set --plan=FILE %s %s",
		    tenant, policy, tenant, tenant, policy);
		return 1;
	}
	if (exit_code == EX_OK)
		exit_code = take_plan(api,
		    json_object_get(json_object_get(result, "policy"), "plan"), tenant, policy);
	if (exit_code == EX_OK) {
		snprintf(api->tenant, sizeof(api->tenant), "%s", tenant);
		snprintf(api->policy, sizeof(api->policy), "%s", policy);
	}
	json_decref(result);
	return exit_code;
}

int
zimbra_add_domain(struct zimbra_api *api, const char *domain)
{
	return zimbra_ask(api, "domain.add",
	    json_pack("{s:s, s:s, s:s, s:b}", "domain", domain, "tenant", api->request->tenant,
		"policy", api->request->policy, "enabled", 0),
	    NULL, NULL);
}

int
zimbra_enable(struct zimbra_api *api, const char *domain)
{
	return zimbra_ask(
	    api, "domain.set", json_pack("{s:s, s:b}", "domain", domain, "enabled", 1), NULL, NULL);
}

int
zimbra_api_open(const char *program, const struct zimbra_request *request, struct zimbra_api **out)
{
	struct admin_request given = {.socket = request->socket, .conf = request->conf};
	struct zimbra_api *api = mem_zalloc(1, sizeof(*api));
	int exit_code;

	*out = api;
	api->program = program;
	api->request = request;
	admin_json_in_secret();
	exit_code = admin_target_find(program, &given, &api->target);
	if (exit_code != EX_OK)
		return exit_code;
	api->client = admin_connect(program, &api->target);
	return api->client == NULL ? EX_UNAVAILABLE : EX_OK;
}

void
zimbra_api_close(struct zimbra_api *api)
{
	if (api == NULL)
		return;
	admin_disconnect(api->client);
	admin_target_free(&api->target);
	mem_free(api);
}
