/*
 * store_check.c - signpost store check: every row is read, every key is opened, and what does not
 * fit together is told.
 * Operators and monitors call it. It must never write, and never stop at the first fault.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "lib/store/failure.h"
#include "tools/store_check.h"

#define TOKEN_OLD_S (90 * 86400)

/* ---- names ---- */

static uint64_t
hash_names(struct span first, struct span second)
{
	static const uint8_t key[16];
	char room[KEYSTORE_SUBJECT_MAX * 2 + 2];
	int n = snprintf(room, sizeof(room), "%.*s %.*s", SPAN_ARG(first), SPAN_ARG(second));

	return span_hash(
	    span_of(room, (size_t)n < sizeof(room) ? (size_t)n : sizeof(room) - 1), key);
}

void
store_names_add(struct store_names *names, struct span first, struct span second)
{
	if (names->count == names->room) {
		names->room = names->room == 0 ? 1024 : names->room * 2;
		names->hashes = mem_resize(names->hashes, names->room, sizeof(*names->hashes));
	}
	names->hashes[names->count++] = hash_names(first, second);
	names->sorted = false;
}

static int
compare_hashes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

bool
store_names_have(struct store_names *names, struct span first, struct span second)
{
	uint64_t hash = hash_names(first, second);

	if (names->count == 0)
		return false;
	if (!names->sorted)
		qsort(names->hashes, names->count, sizeof(hash), compare_hashes);
	names->sorted = true;
	return bsearch(&hash, names->hashes, names->count, sizeof(hash), compare_hashes) != NULL;
}

void
store_names_free(struct store_names *names)
{
	mem_free(names->hashes);
	names->hashes = NULL;
}

/* ---- what is told ---- */

static void
tell_json(const char *severity, const char *kind, struct span first, struct span second,
    const char *code, const char *sentence)
{
	struct buf text;

	buf_init(&text, 32768);
	buf_add_fmt(&text, "{\"severity\": \"%s\", \"kind\": \"%s\", \"name\": ", severity, kind);
	cli_json_string(&text, first);
	if (second.n > 0) {
		buf_add_str(&text, ", \"second\": ");
		cli_json_string(&text, second);
	}
	buf_add_fmt(&text, ", \"code\": \"%s\", \"text\": ", code);
	cli_json_string(&text, span_str(sentence));
	printf("%s}\n", buf_text(&text));
	buf_free(&text);
}

void
store_check_found(struct store_check *check, enum store_severity severity, const char *kind,
    struct span first, struct span second, const char *code, const char *sentence)
{
	const char *word = severity == STORE_ERROR ? "error" : "warning";

	if (severity == STORE_ERROR)
		check->errors++;
	else
		check->warnings++;
	if (check->tool.json)
		tell_json(word, kind, first, second, code, sentence);
	else
		cli_tell(check->tool.program, "%s: %s %.*s%s%.*s: %s: %s", word, kind,
		    SPAN_ARG(first), second.n > 0 ? " " : "", SPAN_ARG(second), code, sentence);
}

static void
check_write(struct store_check *check, const struct keystore_write *write, const char *kind,
    struct span first, struct span second)
{
	struct err err = ERR_NONE;

	if (keystore_write_check(write, &err) != ST_OK)
		store_check_found(check, STORE_ERROR, kind, first, second, "invalid", err.text);
}

static void
check_failure(struct store_check *check, struct span text, const char *kind, struct span first,
    struct span second)
{
	struct failure_policy policy;
	struct err err = ERR_NONE;

	if (failure_parse(text, &policy, &err) != ST_OK)
		store_check_found(check, STORE_ERROR, kind, first, second, "invalid", err.text);
}

static void
check_tenant_of(struct store_check *check, struct span tenant, const char *kind, struct span first,
    struct span second)
{
	if (!store_names_have(&check->tenants, tenant, SPAN_EMPTY))
		store_check_found(check, STORE_ERROR, kind, first, second, "no-tenant",
		    "belongs to a tenant that is not there");
}

/* ---- rows of one kind ---- */

static void
take_tenant(struct store_check *check, const struct store_tenant *row)
{
	struct keystore_write write = {.what = STORE_TENANT, .row.tenant = *row};

	check_write(check, &write, "tenant", row->name, SPAN_EMPTY);
	check_failure(check, row->failure, "tenant", row->name, SPAN_EMPTY);
	store_names_add(&check->tenants, row->name, SPAN_EMPTY);
}

static void
take_policy(struct store_check *check, const struct store_policy *row)
{
	struct keystore_write write = {.what = STORE_POLICY, .row.policy = *row};

	check_write(check, &write, "policy", row->tenant, row->name);
	check_failure(check, row->failure, "policy", row->tenant, row->name);
	check_tenant_of(check, row->tenant, "policy", row->tenant, row->name);
	store_names_add(&check->policies, row->tenant, row->name);
}

static void
take_domain(struct store_check *check, const struct store_domain *row)
{
	struct keystore_write write = {.what = STORE_DOMAIN, .row.domain = *row};

	check_write(check, &write, "domain", row->name, SPAN_EMPTY);
	check_tenant_of(check, row->tenant, "domain", row->name, SPAN_EMPTY);
	if (row->policy.n > 0 && !store_names_have(&check->policies, row->tenant, row->policy))
		store_check_found(check, STORE_ERROR, "domain", row->name, SPAN_EMPTY, "no-policy",
		    "names a policy that its tenant has not");
	store_names_add(&check->domains, row->tenant, row->name);
}

static void
take_rule(struct store_check *check, const struct store_rule *row)
{
	struct keystore_write write = {.what = STORE_RULE, .row.rule = *row};

	check_write(check, &write, "rule", row->tenant, row->id);
	check_tenant_of(check, row->tenant, "rule", row->tenant, row->id);
	if (!store_names_have(&check->domains, row->tenant, row->domain))
		store_check_found(check, STORE_ERROR, "rule", row->tenant, row->id, "no-domain",
		    "signs as a domain that its tenant has not");
}

static void
take_binding(struct store_check *check, const struct store_binding *row)
{
	struct keystore_write write = {.what = STORE_BINDING, .row.binding = *row};

	check_write(check, &write, "binding", row->subject, SPAN_EMPTY);
	check_tenant_of(check, row->tenant, "binding", row->subject, SPAN_EMPTY);
}

static void
take_key(struct store_check *check, const struct store_key *row)
{
	if (!store_names_have(&check->domains, row->tenant, row->domain))
		store_check_found(check, STORE_ERROR, "key", row->domain, row->selector,
		    "no-domain",
		    "is of a tenant and domain that are not there together: its domain is missing "
		    "or another tenant's");
	if (store_check_key(check, row))
		store_names_add(&check->signing, row->tenant, row->domain);
}

/* After all keys: has every domain one that signs? */
static void
take_domain_again(struct store_check *check, const struct store_domain *row)
{
	struct span signs = row->signs_as.n > 0 ? row->signs_as : row->name;

	if (row->signs_as.n > 0 && !store_names_have(&check->domains, row->tenant, signs)) {
		store_check_found(check, STORE_ERROR, "domain", row->name, SPAN_EMPTY, "no-domain",
		    "signs as a domain that its tenant has not");
		return;
	}
	if (row->enabled && !store_names_have(&check->signing, row->tenant, signs))
		store_check_found(check, STORE_ERROR, "domain", row->name, SPAN_EMPTY,
		    "no-active-key",
		    "has no key that signs now: its mail is handled as the failure policy says "
		    "(no-key)");
}

/* A token that has ended does no harm, but whoever reads the list takes it for one that is used. */
static void
take_token(struct store_check *check, const struct store_token *row)
{
	struct keystore_write write = {.what = STORE_TOKEN, .row.token = *row};

	check_write(check, &write, "token", row->id, SPAN_EMPTY);
	if (row->tenant.n > 0)
		check_tenant_of(check, row->tenant, "token", row->id, SPAN_EMPTY);
	if (row->expires > 0 && row->expires + TOKEN_OLD_S < check->now_utc)
		store_check_found(check, STORE_WARNING, "token", row->id, SPAN_EMPTY, "expired",
		    "expired more than 90 days ago; nobody can use it, and it can be revoked");
}

/* ---- the walks ---- */

static void
take_row(struct store_check *check, const struct store_walk *walk, size_t i, bool again)
{
	switch (walk->what) {
	case STORE_TENANT:
		take_tenant(check, &walk->page->tenants[i]);
		break;
	case STORE_POLICY:
		take_policy(check, &walk->page->policies[i]);
		break;
	case STORE_DOMAIN:
		if (again)
			take_domain_again(check, &walk->page->domains[i]);
		else
			take_domain(check, &walk->page->domains[i]);
		break;
	case STORE_RULE:
		take_rule(check, &walk->page->rules[i]);
		break;
	case STORE_KEY:
		take_key(check, &walk->page->keys[i]);
		break;
	case STORE_BINDING:
		take_binding(check, &walk->page->bindings[i]);
		break;
	case STORE_PROVIDER:
		store_check_provider(check, &walk->page->providers[i]);
		break;
	case STORE_TOKEN:
		take_token(check, &walk->page->tokens[i]);
		break;
	case STORE_QUOTA:
	case STORE_REPLY:
	case STORE_AUDIT:
		break;
	}
}

static enum status
walk_all(struct store_check *check, enum store_what what, bool again, struct err *err)
{
	struct store_walk walk;
	enum status status;
	size_t i;

	store_walk_begin(&walk, check->tool.store, what);
	while ((status = store_walk_next(&walk, &i, err)) == ST_OK) {
		check->rows[what] += !again;
		take_row(check, &walk, i, again);
	}
	store_walk_end(&walk);
	return status == ST_ABSENT ? ST_OK : status;
}

/* What others belong to comes first. */
static enum status
check_all(struct store_check *check, struct err *err)
{
	static const enum store_what order[] = {
	    STORE_TENANT, STORE_POLICY, STORE_DOMAIN, STORE_RULE, STORE_BINDING, STORE_KEY};
	enum status status = check->tool.store->ops->now(check->tool.store, &check->now_utc, err);
	struct err ignored = ERR_NONE;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && status == ST_OK; i++)
		status = walk_all(check, order[i], false, err);
	if (status == ST_OK)
		status = walk_all(check, STORE_DOMAIN, true, err);
	/* A schema of before has no room for them. */
	if (status == ST_OK && store_tool_has_providers(&check->tool, &ignored))
		status = walk_all(check, STORE_PROVIDER, false, err);
	if (status == ST_OK && store_tool_has_tokens(&check->tool, &ignored))
		status = walk_all(check, STORE_TOKEN, false, err);
	return status;
}

/* ---- the sum ---- */

static void
add_versions(const struct store_check *check, struct buf *to)
{
	for (size_t i = 0; i < check->version_count; i++)
		buf_add_fmt(to, "%s\"%u\": %lu", i == 0 ? "" : ", ", check->versions[i],
		    check->by_version[i]);
}

static void
tell_versions(const struct store_check *check)
{
	uint32_t current = check->tool.sitekey == NULL ? 0 : sitekey_current(check->tool.sitekey);

	for (size_t i = 0; i < check->version_count; i++)
		cli_tell(check->tool.program, "version %u of the site key: %lu keys%s",
		    check->versions[i], check->by_version[i],
		    check->versions[i] == current ? " (it seals now)" : "");
	if (check->plain > 0)
		cli_tell(check->tool.program, "plain: %lu keys", check->plain);
}

static void
tell_sum(const struct store_check *check)
{
	const unsigned long *n = check->rows;
	struct buf versions;

	if (!check->tool.json) {
		tell_versions(check);
		cli_tell(check->tool.program,
		    "%lu tenants, %lu policies, %lu domains, %lu rules, %lu bindings, %lu keys: "
		    "%lu "
		    "errors, %lu warnings",
		    n[STORE_TENANT], n[STORE_POLICY], n[STORE_DOMAIN], n[STORE_RULE],
		    n[STORE_BINDING], n[STORE_KEY], check->errors, check->warnings);
		return;
	}
	buf_init(&versions, 8192);
	add_versions(check, &versions);
	printf("{\"tenants\": %lu, \"policies\": %lu, \"domains\": %lu, \"rules\": %lu, "
	       "\"bindings\": %lu, \"keys\": %lu, \"tokens\": %lu, \"plain\": %lu, "
	       "\"site_key_versions\": {%s}, "
	       "\"errors\": %lu, \"warnings\": %lu}\n",
	    n[STORE_TENANT], n[STORE_POLICY], n[STORE_DOMAIN], n[STORE_RULE], n[STORE_BINDING],
	    n[STORE_KEY], n[STORE_TOKEN], check->plain, buf_text(&versions), check->errors,
	    check->warnings);
	buf_free(&versions);
}

static int
check_opened(struct store_check *check)
{
	struct err err = ERR_NONE;
	enum status status;

	if (!store_tool_can(&check->tool, check->tool.store->ops->list != NULL, "listed"))
		return EX_UNAVAILABLE;
	status = check_all(check, &err);
	store_names_free(&check->tenants);
	store_names_free(&check->policies);
	store_names_free(&check->domains);
	store_names_free(&check->signing);
	if (status != ST_OK)
		return store_tool_failed(&check->tool, status, &err);
	tell_sum(check);
	return check->errors > 0 ? EX_DATAERR : EX_OK;
}

int
store_check_run(const char *program, int argc, char **argv)
{
	static const struct cli_option options[] = {STORE_OPTIONS};
	static const struct cli_usage usage = {"",
	    "Reads every row of a key store, opens every key, and tells what is wrong.", options,
	    sizeof(options) / sizeof(options[0])};
	struct store_check check = {.tool.program = program};
	enum cli_answer answer = cli_options(program, &usage, argc, argv, &check.tool);
	int exit_code;

	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EX_USAGE;
	if (optind < argc) {
		cli_say(program, "\"%s\" is one word too many", argv[optind]);
		return EX_USAGE;
	}
	exit_code = store_tool_open(&check.tool, true);
	if (exit_code != EX_OK)
		return exit_code;
	exit_code = check_opened(&check);
	store_tool_close(&check.tool);
	return exit_code;
}
