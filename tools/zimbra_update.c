/*
 * zimbra_update.c - signpost zimbra -u: another key for a domain that has one.
 * Called by zimbra.c for each domain. A key that the stock tool made is imported first, and signs
 * on; only when it is ACTIVE a rotation can be asked for, since a rotation is from one ACTIVE key
 * to the next. It must never take the key that signs away, nor ask for a rotation that would end
 * with another key than the one that is told.
 */
#include "config.h"

#include <string.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "tools/zimbra_api.h"

/* ---- the key of the directory ---- */

/* DNS has no case; the store has small letters. */
static json_t *
import_arguments(const struct zimbra_entry *entry, bool published)
{
	char *selector = span_dup_lower(span_str(entry->selector));
	json_t *out = json_pack(
	    "{s:s, s:s, s:s}", "domain", entry->name, "selector", selector, "pem", entry->key);

	if (published)
		json_object_set_new(out, "published", json_true());
	mem_free(selector);
	return out;
}

/* As one that is in DNS; as one that is to be put there, if it is not. */
static int
import_key(struct zimbra_api *api, const struct zimbra_entry *entry)
{
	int exit_code =
	    zimbra_ask(api, "key.import", import_arguments(entry, true), "dns-unproven", NULL);

	if (strcmp(api->refused, "dns-conflict") == 0)
		cli_say(api->program,
		    "%s: mend the record, with the same p= (\"v=DKIM1; k=rsa; p=...\" is always "
		    "right), and say the same again",
		    entry->name);
	if (exit_code != ZIMBRA_QUIET)
		return exit_code;
	cli_say(api->program,
	    "%s: the record of the key with selector %s is not at all DNS servers: it is published "
	    "first",
	    entry->name, entry->selector);
	return zimbra_ask(api, "key.import", import_arguments(entry, false), NULL, NULL);
}

/* Disabled until the key is there, so that no other key signs in its place. */
static int
add_domain(struct zimbra_api *api, const struct zimbra_entry *entry)
{
	int exit_code = zimbra_add_domain(api, entry->name);

	if (exit_code != EX_OK)
		return exit_code;
	exit_code = import_key(api, entry);
	if (exit_code != EX_OK && exit_code != EX_UNAVAILABLE)
		(void)zimbra_ask(
		    api, "domain.remove", json_pack("{s:s}", "domain", entry->name), NULL, NULL);
	return exit_code;
}

/* The key of the directory is one of signpost-admind's now. shown: NULL if it has not the domain.
 */
static int
take_over(struct zimbra_api *api, const struct zimbra_entry *entry, const json_t *shown)
{
	bool known = shown != NULL && zimbra_key_of(shown, entry->selector) != NULL;
	int exit_code;

	if (known)
		return json_is_true(json_object_get(json_object_get(shown, "domain"), "enabled"))
			   ? EX_OK
			   : zimbra_enable(api, entry->name);
	if (entry->key == NULL) {
		cli_say(api->program,
		    "%s: this user may not read DKIMKey, so that the key with selector %s cannot "
		    "be "
		    "imported; bind as zimbra_ldap_userdn",
		    entry->name, entry->selector);
		return 1;
	}
	exit_code = shown == NULL ? add_domain(api, entry) : import_key(api, entry);
	if (exit_code == EX_OK)
		exit_code = zimbra_enable(api, entry->name);
	if (exit_code == EX_OK)
		cli_say(api->program,
		    "%s: the key with selector %s was imported, and goes on signing", entry->name,
		    entry->selector);
	return exit_code;
}

/* ---- the rotation ---- */

static json_t *
rotate_arguments(const char *domain)
{
	return json_pack("{s:s, s:s}", "domain", domain, "reason", "signpost zimbra -u");
}

/* Of the keys that may become ACTIVE only the one that is told may stay; looked for now, since the
 * reconciler makes some, too. */
static int
retire_others(struct zimbra_api *api, const char *domain, const char *keep)
{
	json_t *shown = NULL, *key;
	int exit_code = zimbra_ask_domain(api, domain, &shown);
	size_t i;

	json_array_foreach(json_object_get(shown, "keys"), i, key)
	{
		const char *selector = zimbra_text_of(key, "selector");

		if (exit_code != EX_OK || !zimbra_is_coming(key) || strcmp(selector, keep) == 0 ||
		    strcmp(zimbra_text_of(key, "algorithm"), "rsa-sha256") != 0)
			continue;
		exit_code = zimbra_ask(api, "key.retire",
		    json_pack("{s:s, s:s, s:s}", "domain", domain, "selector", selector, "reason",
			"signpost zimbra -u: another key was wanted"),
		    NULL, NULL);
	}
	json_decref(shown);
	return exit_code;
}

/* The stand-by key that a rotation would take; NULL: none, or one with other properties is
 * wanted. */
static const char *
stand_by(const struct zimbra_api *api, const json_t *shown)
{
	const char *found = NULL;
	json_t *key;
	size_t i;

	if (api->request->selector != NULL || api->request->bits > 0)
		return NULL;
	json_array_foreach(json_object_get(shown, "keys"), i, key)
	{
		if (!zimbra_is_coming(key) ||
		    strcmp(zimbra_text_of(key, "algorithm"), "rsa-sha256") != 0)
			continue;
		found = zimbra_text_of(key, "selector");
		if (strcmp(zimbra_text_of(key, "state"), "LOADED") == 0)
			break;
	}
	return found;
}

static int
choose_key(struct zimbra_api *api, const char *domain, const json_t *shown, char **selector_out)
{
	const char *there = stand_by(api, shown);
	int exit_code = EX_OK;

	if (there != NULL)
		*selector_out = mem_strdup(there);
	else
		exit_code = zimbra_generate(api, domain, selector_out);
	return exit_code == EX_OK ? retire_others(api, domain, *selector_out) : exit_code;
}

static int
rotate(struct zimbra_api *api, const struct zimbra_entry *entry, const json_t *shown)
{
	char *selector = NULL;
	/* First, since what another rotation is about to use must not be retired. */
	int exit_code = zimbra_try(api, "rotate", rotate_arguments(entry->name));

	if (exit_code == EX_OK)
		exit_code = choose_key(api, entry->name, shown, &selector);
	if (exit_code == EX_OK)
		exit_code = zimbra_ask(api, "rotate", rotate_arguments(entry->name), NULL, NULL);
	if (exit_code == EX_OK)
		exit_code = zimbra_tell_key(api, entry->name, selector, entry->selector);
	if (exit_code == EX_OK && api->request->wait)
		exit_code = zimbra_follow(api, entry->name, selector);
	mem_free(selector);
	return exit_code;
}

/* ---- both ---- */

static int
not_yet(const struct zimbra_api *api, const struct zimbra_entry *entry)
{
	cli_say(api->program,
	    "%s: the new key can be asked for when the one with selector %s is ACTIVE (signpost "
	    "status %s): wait for it with --wait, or say the same again then",
	    entry->name, entry->selector, entry->name);
	return EX_TEMPFAIL;
}

static bool
is_active(const json_t *shown, const char *selector)
{
	return strcmp(zimbra_text_of(zimbra_key_of(shown, selector), "state"), "ACTIVE") == 0;
}

/* Everything that can be refused, before anything is changed. */
static int
check(struct zimbra_api *api, const struct zimbra_entry *entry, const json_t *shown)
{
	const json_t *known = shown == NULL ? NULL : zimbra_key_of(shown, entry->selector);
	const json_t *rotation = json_object_get(json_object_get(shown, "domain"), "paused");

	if (json_is_string(rotation)) {
		cli_say(api->program, "%s is paused; signpost domain set --resume %s", entry->name,
		    entry->name);
		return 1;
	}
	if (known == NULL || zimbra_is_coming(known) || is_active(shown, entry->selector))
		return EX_OK;
	cli_say(api->program,
	    "%s: the key with selector %s of the directory is %s, and signs no more for Signpost: "
	    "the mirror has not followed; signpost status %s",
	    entry->name, entry->selector, zimbra_text_of(known, "state"), entry->name);
	return 1;
}

/* Its own, if it has one. */
static int
read_policy(struct zimbra_api *api, const json_t *shown)
{
	const json_t *row = json_object_get(shown, "domain");

	if (row == NULL)
		return zimbra_read_policy(api, api->request->tenant, api->request->policy);
	if (zimbra_text_of(row, "policy")[0] != '\0')
		return zimbra_read_policy(
		    api, zimbra_text_of(row, "tenant"), zimbra_text_of(row, "policy"));
	cli_say(api->program,
	    "%s has no policy: nothing rotates its keys; signpost domain set --policy=%s %s",
	    zimbra_text_of(row, "domain"), api->request->policy, zimbra_text_of(row, "domain"));
	return 1;
}

static int
say_disabled(struct zimbra_api *api, const struct zimbra_entry *entry)
{
	json_t *shown = NULL;
	int exit_code = zimbra_ask_domain(api, entry->name, &shown);

	if (exit_code == EX_OK || exit_code == ZIMBRA_QUIET) {
		zimbra_tell(
		    api->request, "Error: Domain %s doesn't have DKIM enabled.", entry->name);
		if (json_array_size(json_object_get(shown, "keys")) > 0)
			cli_say(api->program,
			    "signpost-admind has keys of it that are not in the directory: "
			    "signpost "
			    "status %s",
			    entry->name);
		exit_code = 1;
	}
	json_decref(shown);
	return exit_code;
}

/* Takes the key over, and waits for it if that is wanted; then *shown is fresh. */
static int
prepare(struct zimbra_api *api, const struct zimbra_entry *entry, json_t **shown)
{
	int exit_code = take_over(api, entry, *shown);

	json_decref(*shown);
	*shown = NULL;
	if (exit_code == EX_OK)
		exit_code = zimbra_ask_domain(api, entry->name, shown);
	if (exit_code != EX_OK || is_active(*shown, entry->selector))
		return exit_code;
	if (!api->request->wait)
		return not_yet(api, entry);
	exit_code = zimbra_follow(
	    api, entry->name, zimbra_text_of(zimbra_key_of(*shown, entry->selector), "selector"));
	json_decref(*shown);
	*shown = NULL;
	return exit_code == EX_OK ? zimbra_ask_domain(api, entry->name, shown) : exit_code;
}

int
zimbra_update(
    struct zimbra_api *api, struct zimbra_directory *directory, const struct zimbra_entry *entry)
{
	json_t *shown = NULL;
	int exit_code;

	if (entry->selector == NULL)
		return say_disabled(api, entry);
	exit_code = zimbra_check_selector(api, directory);
	if (exit_code == EX_OK)
		exit_code = zimbra_ask_domain(api, entry->name, &shown);
	if (exit_code == ZIMBRA_QUIET)
		exit_code = EX_OK;
	if (exit_code == EX_OK)
		exit_code = read_policy(api, shown);
	if (exit_code == EX_OK)
		exit_code = check(api, entry, shown);
	if (exit_code == EX_OK && api->request->dry_run)
		zimbra_tell(api->request,
		    "Domain %s would be rotated; the key with selector %s goes on signing until "
		    "the "
		    "new one is in DNS and proven",
		    entry->name, entry->selector);
	else if (exit_code == EX_OK) {
		exit_code = prepare(api, entry, &shown);
		if (exit_code == EX_OK)
			exit_code = rotate(api, entry, shown);
	}
	json_decref(shown);
	return exit_code;
}
