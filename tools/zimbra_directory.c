/*
 * zimbra_directory.c - Zimbra's directory: domains found, walked through, and their DKIM attributes
 * taken away.
 * Called by zimbra.c and by what adds, rotates and removes. It must never put a value into a filter
 * but through ldapurl_escape_filter(), nor go on without the TLS that it was told to use.
 */
#include "config.h"

#include <string.h>
#include <sysexits.h>

#include "backends/ldap_link.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "tools/cli.h"
#include "tools/zimbra.h"

#define FILTER_MAX 4096U
#define ENTRIES_MAX 10000U /* of one question that is not a walk */
#define WALK_MAX 10000000U /* of a walk */
#define WALK_MS (30 * 60 * 1000)

enum { A_CLASS, A_NAME, A_ID, A_TYPE, A_TARGET, A_SELECTOR, A_DOMAIN, A_IDENTITY, A_PUBLIC, A_KEY };

static const char *const attributes[] = {[A_CLASS] = "objectClass",
    [A_NAME] = "zimbraDomainName",
    [A_ID] = "zimbraId",
    [A_TYPE] = "zimbraDomainType",
    [A_TARGET] = "zimbraDomainAliasTargetID",
    [A_SELECTOR] = "DKIMSelector",
    [A_DOMAIN] = "DKIMDomain",
    [A_IDENTITY] = "DKIMIdentity",
    [A_PUBLIC] = "DKIMPublicKey",
    [A_KEY] = "DKIMKey",
    NULL};
static const char *const without_key[] = {"objectClass", "zimbraDomainName", "zimbraId",
    "zimbraDomainType", "zimbraDomainAliasTargetID", "DKIMSelector", "DKIMDomain", "DKIMIdentity",
    "DKIMPublicKey", NULL};

struct zimbra_directory {
	const char *program;
	struct ldapurl url;
	struct ldaplink_config config;
	struct ldaplink *link;
};

/* ---- opening ---- */

/* What stands behind the last "; " is for people with a signpostd.conf. */
static void
cut_advice(struct err *err)
{
	char *own = strstr(err->text, "; LDAPBindUser may not write");
	size_t n = strlen(err->text);

	while (own == NULL && n > 1 && !(err->text[n - 2] == ';' && err->text[n - 1] == ' '))
		n--;
	if (own != NULL)
		*own = '\0';
	else if (n > 2)
		err->text[n - 2] = '\0';
}

static void
say_trouble(const char *program, struct err *err, const char *from)
{
	cut_advice(err);
	cli_say(program, "%s (where, as whom and with which CA: %s, --ca)", err->text, from);
}

int
zimbra_directory_open(
    const char *program, const struct zimbra_request *request, struct zimbra_directory **out)
{
	struct zimbra_directory *directory = mem_zalloc(1, sizeof(*directory));
	const char *from;
	int exit_code;

	*out = directory;
	directory->program = program;
	exit_code =
	    zimbra_config_read(program, request, &directory->url, &directory->config, &from);
	if (exit_code != EX_OK)
		return exit_code;
	for (size_t i = 0; i < directory->url.server_count; i++) {
		struct err err = ERR_NONE;

		if (ldaplink_open(&directory->config, &directory->url.servers[i],
			clock_mono_ms() + directory->config.timeout_ms, &directory->link,
			&err) == ST_OK)
			return EX_OK;
		say_trouble(program, &err, from);
	}
	return EX_UNAVAILABLE;
}

void
zimbra_directory_close(struct zimbra_directory *directory)
{
	if (directory == NULL)
		return;
	ldaplink_close(directory->link);
	ldaplink_config_free(&directory->config);
	ldapurl_free(&directory->url);
	mem_free(directory);
}

/* ---- entries ---- */

static char *
first(const struct ldapentry *entry, size_t attribute)
{
	const struct ldapentry_values *values = &entry->values[attribute];

	return values->count == 0 ? NULL : span_dup(values->items[0]);
}

static bool
has_class(const struct ldapentry *entry)
{
	const struct ldapentry_values *values = &entry->values[A_CLASS];

	for (size_t i = 0; i < values->count; i++)
		if (span_ieq_str(values->items[i], "DKIM"))
			return true;
	return false;
}

static void
take_entry(const struct ldapentry *entry, struct zimbra_entry *out)
{
	*out = (struct zimbra_entry){.dn = span_dup(entry->dn),
	    .name = first(entry, A_NAME),
	    .id = first(entry, A_ID),
	    .type = first(entry, A_TYPE),
	    .target = first(entry, A_TARGET),
	    .selector = first(entry, A_SELECTOR),
	    .domain = first(entry, A_DOMAIN),
	    .identity = first(entry, A_IDENTITY),
	    .public_text = first(entry, A_PUBLIC),
	    .has_class = has_class(entry)};
}

static void
free_entry(struct zimbra_entry *entry)
{
	mem_free(entry->dn);
	mem_free(entry->name);
	mem_free(entry->id);
	mem_free(entry->type);
	mem_free(entry->target);
	mem_free(entry->selector);
	mem_free(entry->domain);
	mem_free(entry->identity);
	mem_free(entry->public_text);
	secret_free(entry->key);
}

void
zimbra_entries_free(struct zimbra_entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		free_entry(&entries->items[i]);
	mem_free(entries->items);
	*entries = (struct zimbra_entries){NULL, 0};
}

/* ---- questions ---- */

struct collection {
	struct zimbra_entries *entries;
	bool with_key;
};

static enum status
take_key(const struct ldapentry *entry, char **out, struct err *err)
{
	const struct ldapentry_values *values = &entry->values[A_KEY];

	if (values->count == 0)
		return ST_OK;
	*out = secret_malloc(values->items[0].n + 1);
	if (*out == NULL) {
		err_set(err, "no secret memory is left for a key");
		return ST_FAILED;
	}
	if (values->items[0].n > 0)
		memcpy(*out, values->items[0].p, values->items[0].n);
	(*out)[values->items[0].n] = '\0';
	return ST_OK;
}

static enum status
collect(void *context, const struct ldapentry *entry, struct err *err)
{
	struct collection *collection = context;
	struct zimbra_entries *entries = collection->entries;

	entries->items = mem_resize(entries->items, entries->count + 1, sizeof(*entries->items));
	take_entry(entry, &entries->items[entries->count++]);
	return collection->with_key ? take_key(entry, &entries->items[entries->count - 1].key, err)
				    : ST_OK;
}

static void
make_filter(enum zimbra_by by, const char *value, struct buf *out)
{
	static const char *const names[] = {[ZIMBRA_BY_NAME] = "zimbraDomainName",
	    [ZIMBRA_BY_SELECTOR] = "DKIMSelector",
	    [ZIMBRA_BY_TARGET] = "zimbraDomainAliasTargetID"};

	buf_add_fmt(out, "(&(objectClass=zimbraDomain)(%s=", names[by]);
	ldapurl_escape_filter(out, span_str(value));
	buf_add_str(out, "))");
}

static enum status
explain(const struct zimbra_directory *directory, enum status status,
    const struct ldaplink_end *end, struct err *err)
{
	if (status == ST_OK && end->limited) {
		err_set(err, "%s does not give all that was asked for (a limit of the server)",
		    directory->link->uri);
		return ST_UNAVAILABLE;
	}
	return status;
}

enum status
zimbra_find(struct zimbra_directory *directory, enum zimbra_by by, const char *value, bool with_key,
    struct zimbra_entries *out, struct err *err)
{
	struct collection collection = {.entries = out, .with_key = with_key};
	struct ldaplink_search search = {.base = directory->url.base,
	    .scope = LDAPURL_SUB,
	    .attributes = with_key ? attributes : without_key,
	    .entries_max = ENTRIES_MAX,
	    .secret = with_key};
	struct ldaplink_end end = {.lost = false};
	enum status status = ST_INVALID;
	struct buf filter;

	*out = (struct zimbra_entries){NULL, 0};
	buf_init(&filter, FILTER_MAX);
	make_filter(by, value, &filter);
	search.filter = buf_text(&filter);
	if (buf_status(&filter) != ST_OK) /* nothing can have such a name */
		status = ST_OK;
	else
		status = ldaplink_search(directory->link, &search,
		    clock_mono_ms() + directory->config.timeout_ms, collect, &collection, &end,
		    err);
	status = explain(directory, status, &end, err);
	buf_free(&filter);
	if (status != ST_OK)
		zimbra_entries_free(out);
	return status;
}

struct walk {
	zimbra_visit *visit;
	void *context;
};

static enum status
visit_one(void *context, const struct ldapentry *entry, struct err *err)
{
	const struct walk *walk = context;
	struct zimbra_entry one;

	(void)err;
	take_entry(entry, &one);
	walk->visit(walk->context, &one);
	free_entry(&one);
	return ST_OK;
}

enum status
zimbra_walk(struct zimbra_directory *directory, zimbra_visit *visit, void *context, struct err *err)
{
	struct walk walk = {.visit = visit, .context = context};
	struct ldaplink_search search = {.base = directory->url.base,
	    .filter = "(objectClass=zimbraDomain)",
	    .scope = LDAPURL_SUB,
	    .attributes = without_key,
	    .entries_max = WALK_MAX,
	    .page = ZIMBRA_PAGE};
	struct ldaplink_end end = {.lost = false};
	enum status status = ldaplink_search(
	    directory->link, &search, clock_mono_ms() + WALK_MS, visit_one, &walk, &end, err);

	return explain(directory, status, &end, err);
}

/* ---- removing ---- */

enum status
zimbra_strip(struct zimbra_directory *directory, const struct zimbra_entry *entry, struct err *err)
{
	struct span class = SPAN_LIT("DKIM"), selector = span_str(entry->selector);
	struct ldaplink_change changes[] = {
	    {LDAPLINK_DELETE, "DKIMSelector", &selector, 1},
	    {LDAPLINK_REPLACE, "DKIMKey", NULL, 0},
	    {LDAPLINK_REPLACE, "DKIMPublicKey", NULL, 0},
	    {LDAPLINK_REPLACE, "DKIMDomain", NULL, 0},
	    {LDAPLINK_REPLACE, "DKIMIdentity", NULL, 0},
	    {LDAPLINK_DELETE, "objectClass", &class, 1},
	};
	struct ldaplink_end end = {.lost = false};
	size_t count = sizeof(changes) / sizeof(changes[0]) - (entry->has_class ? 0 : 1);
	enum status status = ldaplink_change(directory->link, LDAPLINK_MODIFY_ENTRY, entry->dn,
	    changes, count, clock_mono_ms() + directory->config.timeout_ms, &end, err);

	if (status != ST_OK && !end.lost && !end.silent)
		cut_advice(err);
	return status;
}
