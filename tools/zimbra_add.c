/*
 * zimbra_add.c - signpost zimbra -a: a domain of Zimbra gets its first key.
 * Called by zimbra.c for each domain. The domain is disabled until its key is made, so that nobody
 * else makes one meanwhile. It must never leave a domain behind that it could not finish, nor touch
 * one that has keys already.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "tools/zimbra_api.h"

/* Is the selector free in the directory? What is free there may be taken when the key signs. */
int
zimbra_check_selector(struct zimbra_api *api, struct zimbra_directory *directory)
{
	const char *selector = api->request->selector;
	struct zimbra_entries found = {NULL, 0};
	struct err err = ERR_NONE;
	int exit_code = EX_OK;

	if (selector == NULL)
		return EX_OK;
	if (zimbra_find(directory, ZIMBRA_BY_SELECTOR, selector, false, &found, &err) != ST_OK) {
		cli_say(api->program, "%s", err.text);
		return EX_UNAVAILABLE;
	}
	if (found.count > 0) {
		zimbra_tell(api->request,
		    "Error: Failed to update LDAP: Selector %s is already in use.", selector);
		exit_code = 1;
	}
	zimbra_entries_free(&found);
	return exit_code;
}

/* One that signs; else one that will, or is held. NULL: none. */
static const json_t *
living_key(const json_t *shown)
{
	const json_t *found = NULL;
	json_t *key;
	size_t i;

	json_array_foreach(json_object_get(shown, "keys"), i, key)
	{
		const char *state = zimbra_text_of(key, "state");

		if (strcmp(state, "ACTIVE") == 0)
			return key;
		if (zimbra_is_coming(key) || strcmp(state, "HELD") == 0)
			found = key;
	}
	return found;
}

static int
say_enabled(const struct zimbra_api *api, const char *domain, const json_t *key)
{
	zimbra_tell(api->request, "Error: Domain %s already has DKIM enabled.", domain);
	if (key != NULL)
		cli_say(api->program,
		    "signpost-admind has its key %s, which is %s; signpost status %s",
		    zimbra_text_of(key, "selector"), zimbra_text_of(key, "state"), domain);
	return 1;
}

/* What was there before. */
struct before {
	bool added, enabled;
	char *selector; /* of a key that was made, when somebody was interrupted then; mem_free() */
};

static int
disable(struct zimbra_api *api, const char *domain)
{
	return zimbra_ask(api, "domain.set",
	    json_pack(
		"{s:s, s:s, s:b}", "domain", domain, "policy", api->request->policy, "enabled", 0),
	    NULL, NULL);
}

/* Of a domain that is there: it may have no key that signs, or will; but for one whose domain was
 * not enabled any more. */
static int
look_at_domain(
    struct zimbra_api *api, const char *domain, const json_t *shown, struct before *before)
{
	const json_t *row = json_object_get(shown, "domain"), *key = living_key(shown);

	before->enabled = json_is_true(json_object_get(row, "enabled"));
	if (key != NULL && (before->enabled || !zimbra_is_coming(key)))
		return say_enabled(api, domain, key);
	if (key != NULL)
		before->selector = mem_strdup(zimbra_text_of(key, "selector"));
	if (strcmp(zimbra_text_of(row, "tenant"), api->request->tenant) != 0) {
		cli_say(api->program, "%s belongs to tenant %s: give --tenant=%s", domain,
		    zimbra_text_of(row, "tenant"), zimbra_text_of(row, "tenant"));
		return 1;
	}
	return api->request->dry_run ? EX_OK : disable(api, domain);
}

/* It is in signpost-admind then, and disabled. */
static int
find_or_add(struct zimbra_api *api, const char *domain, struct before *before)
{
	const struct zimbra_request *request = api->request;
	json_t *shown = NULL;
	int exit_code = zimbra_ask_domain(api, domain, &shown);

	if (exit_code == EX_OK) {
		exit_code = look_at_domain(api, domain, shown, before);
	} else if (exit_code == ZIMBRA_QUIET) {
		exit_code = request->dry_run ? EX_OK : zimbra_add_domain(api, domain);
		before->added = exit_code == EX_OK;
	}
	json_decref(shown);
	return exit_code;
}

static json_t *
generate_arguments(const struct zimbra_api *api, const char *domain)
{
	const struct zimbra_request *request = api->request;
	json_t *arguments = json_pack("{s:s, s:s, s:i}", "domain", domain, "algorithm",
	    "rsa-sha256", "bits", request->bits > 0 ? request->bits : api->bits);

	if (request->selector != NULL)
		json_object_set_new(arguments, "selector", json_string(request->selector));
	return arguments;
}

int
zimbra_generate(struct zimbra_api *api, const char *domain, char **selector_out)
{
	json_t *result = NULL;
	int exit_code =
	    zimbra_ask(api, "key.generate", generate_arguments(api, domain), NULL, &result);

	*selector_out = NULL;
	if (exit_code == EX_OK)
		*selector_out =
		    mem_strdup(zimbra_text_of(json_object_get(result, "key"), "selector"));
	json_decref(result);
	return exit_code;
}

/* As it was before. */
static void
undo(struct zimbra_api *api, const char *domain, const struct before *before)
{
	if (before->added)
		(void)zimbra_ask(
		    api, "domain.remove", json_pack("{s:s}", "domain", domain), NULL, NULL);
	else if (before->enabled)
		(void)zimbra_enable(api, domain);
}

static int
make_key(struct zimbra_api *api, const char *domain, struct before *before)
{
	int exit_code = EX_OK;

	if (before->selector == NULL)
		exit_code = zimbra_generate(api, domain, &before->selector);
	if (exit_code != EX_OK && exit_code != EX_UNAVAILABLE)
		undo(api, domain, before);
	if (exit_code == EX_OK)
		exit_code = zimbra_enable(api, domain);
	if (exit_code == EX_OK)
		exit_code = zimbra_tell_key(api, domain, before->selector, NULL);
	if (exit_code == EX_OK && api->request->wait)
		exit_code = zimbra_follow(api, domain, before->selector);
	return exit_code;
}

int
zimbra_add(
    struct zimbra_api *api, struct zimbra_directory *directory, const struct zimbra_entry *entry)
{
	const struct zimbra_request *request = api->request;
	struct before before = {.added = false};
	int exit_code;

	if (entry->selector != NULL)
		return say_enabled(api, entry->name, NULL);
	exit_code = zimbra_check_selector(api, directory);
	if (exit_code == EX_OK)
		exit_code = zimbra_read_policy(api, request->tenant, request->policy);
	if (exit_code == EX_OK)
		exit_code = find_or_add(api, entry->name, &before);
	if (exit_code == EX_OK && request->dry_run)
		zimbra_tell(request,
		    "A key would be made for domain %s, under policy %s of tenant %s", entry->name,
		    request->policy, request->tenant);
	else if (exit_code == EX_OK)
		exit_code = make_key(api, entry->name, &before);
	mem_free(before.selector);
	return exit_code;
}
