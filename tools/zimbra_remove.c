/*
 * zimbra_remove.c - signpost zimbra -r: a domain is signed for no more.
 * Called by zimbra.c for each domain. First signpost-admind begins nothing new for it and lets its
 * keys retire (their records stay in DNS for as long as mail is on its way), then the directory
 * loses them. It must never take a record out of DNS itself.
 */
#include "config.h"

#include <string.h>
#include <sysexits.h>

#include "tools/zimbra_api.h"

static bool
may_retire(const json_t *key)
{
	const char *state = zimbra_text_of(key, "state");

	return zimbra_is_coming(key) || strcmp(state, "ACTIVE") == 0 || strcmp(state, "HELD") == 0;
}

static int
retire_keys(struct zimbra_api *api, const char *domain)
{
	json_t *shown = NULL, *key;
	int exit_code = zimbra_ask_domain(api, domain, &shown);
	size_t i;

	json_array_foreach(json_object_get(shown, "keys"), i, key)
	{
		if (exit_code != EX_OK || !may_retire(key))
			continue;
		exit_code = zimbra_ask(api, "key.retire",
		    json_pack("{s:s, s:s, s:s}", "domain", domain, "selector",
			zimbra_text_of(key, "selector"), "reason", "signpost zimbra -r"),
		    NULL, NULL);
	}
	json_decref(shown);
	return exit_code;
}

/* One that never published a key goes at once. */
static int
end_domain(struct zimbra_api *api, const char *domain)
{
	int exit_code = zimbra_ask(
	    api, "domain.set", json_pack("{s:s, s:b}", "domain", domain, "enabled", 0), NULL, NULL);

	if (exit_code == EX_OK)
		exit_code = zimbra_ask(
		    api, "domain.remove", json_pack("{s:s}", "domain", domain), "in-use", NULL);
	return exit_code == ZIMBRA_QUIET ? retire_keys(api, domain) : exit_code;
}

/* The mirror of a domain that was disabled takes its key out as well, and may have been first. */
static bool
is_gone(struct zimbra_directory *directory, const char *name)
{
	struct zimbra_entries found = {.count = 0};
	struct err err = ERR_NONE;
	bool gone = zimbra_find(directory, ZIMBRA_BY_NAME, name, false, &found, &err) == ST_OK &&
		    found.count == 1 && found.items[0].selector == NULL;

	zimbra_entries_free(&found);
	return gone;
}

static int
strip(struct zimbra_api *api, struct zimbra_directory *directory, const struct zimbra_entry *entry)
{
	struct err err = ERR_NONE;
	enum status status = zimbra_strip(directory, entry, &err);

	if (status == ST_OK || is_gone(directory, entry->name))
		return EX_OK;
	if (status == ST_DENIED || status == ST_INVALID) {
		zimbra_tell(api->request, "Error: Failed to update LDAP: %s", err.text);
		return 1;
	}
	cli_say(api->program, "%s", err.text);
	return EX_UNAVAILABLE;
}

static void
tell_removed(const struct zimbra_api *api, const struct zimbra_entry *entry, bool known)
{
	const char *selector = entry->selector;

	zimbra_tell(api->request, "DKIM Data deleted in LDAP for domain %s", entry->name);
	if (!known && selector != NULL)
		cli_say(api->program,
		    "leave %s._domainkey.%s in DNS for two weeks: mail that was signed is still on "
		    "its way; its private key is gone",
		    selector, entry->name);
	else if (known)
		cli_say(api->program,
		    "its records go from DNS when no mail needs them any more: signpost status %s",
		    entry->name);
}

int
zimbra_remove(
    struct zimbra_api *api, struct zimbra_directory *directory, const struct zimbra_entry *entry)
{
	json_t *shown = NULL;
	int exit_code = zimbra_ask_domain(api, entry->name, &shown);
	bool known = exit_code == EX_OK &&
		     (json_is_true(json_object_get(json_object_get(shown, "domain"), "enabled")) ||
			 entry->selector != NULL);

	json_decref(shown);
	if (exit_code != EX_OK && exit_code != ZIMBRA_QUIET)
		return exit_code;
	if (!known && entry->selector == NULL) {
		zimbra_tell(api->request, "No DKIM Information for domain %s", entry->name);
		return 1;
	}
	if (api->request->dry_run) {
		zimbra_tell(
		    api->request, "DKIM Data would be deleted in LDAP for domain %s", entry->name);
		return EX_OK;
	}
	exit_code = known ? end_domain(api, entry->name) : EX_OK;
	if (exit_code == EX_OK && entry->selector != NULL) {
		exit_code = strip(api, directory, entry);
		if (exit_code != EX_OK && known)
			cli_say(api->program,
			    "%s: signpost-admind has disabled the domain and lets its keys retire "
			    "all the same; the same command takes the key out of the directory",
			    entry->name);
	}
	if (exit_code == EX_OK)
		tell_removed(api, entry, known);
	return exit_code;
}
