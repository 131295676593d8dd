/*
 * store_reseal.c - signpost store reseal: every key is sealed with the current version of the site
 * key.
 * Operators call it after `sitekey activate`, and again if it was interrupted. It must never write
 * a key that changed since it was read, nor one that it could not open.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/store/sealedprovider.h"
#include "tools/store.h"

#define TRIES_MAX 3 /* passes over the store, when others write to it meanwhile */

struct reseal {
	struct store_tool tool;
	struct store_batch batch;
	char **texts; /* sealed anew, of the batch */
	char **pems;  /* plain, of the batch, where the store shows them */
	unsigned long keys, sealed, plain, failed, changed_meanwhile;
	unsigned long providers; /* whose secret was sealed anew */
};

static void
tell_bad(struct reseal *reseal, const struct store_key *row, const struct err *err)
{
	struct buf text;

	reseal->failed++;
	if (!reseal->tool.json) {
		cli_say(reseal->tool.program, "key %.*s %.*s: %s", SPAN_ARG(row->domain),
		    SPAN_ARG(row->selector), err->text);
		return;
	}
	buf_init(&text, 16384);
	buf_add_str(&text, "{\"domain\": ");
	cli_json_string(&text, row->domain);
	buf_add_str(&text, ", \"selector\": ");
	cli_json_string(&text, row->selector);
	buf_add_str(&text, ", \"error\": ");
	cli_json_string(&text, span_str(err->text));
	printf("%s}\n", buf_text(&text));
	buf_free(&text);
}

static void
written(void *context, size_t index, enum status status, const struct err *err)
{
	struct reseal *reseal = context;

	if (status == ST_OK)
		reseal->sealed++;
	else if (status == ST_INVALID)
		tell_bad(reseal, &reseal->batch.writes[index].row.key, err);
	else
		reseal->changed_meanwhile++;
}

/* Is there anything to do with the key? */
static bool
is_due(struct reseal *reseal, const struct store_key *row)
{
	struct err err = ERR_NONE;
	uint32_t version;

	switch (sealedkey_form(row->private_key)) {
	case SEALEDKEY_EMPTY:
		return false;
	case SEALEDKEY_PLAIN:
		reseal->plain += !reseal->tool.seal_plain;
		return reseal->tool.seal_plain;
	case SEALEDKEY_SEALED:
		return sealedkey_version(row->private_key, &version, &err) != ST_OK ||
		       version != sitekey_current(reseal->tool.sitekey);
	case SEALEDKEY_UNKNOWN:
		break;
	}
	return true;
}

/* Opens the key and seals it for the next revision of the row. */
static void
take_key(struct reseal *reseal, const struct store_key *row)
{
	size_t at = reseal->batch.count, n = 0;
	struct keystore_write *write = &reseal->batch.writes[at];
	struct err err = ERR_NONE;
	struct key *key = NULL;
	enum status status;

	*write = (struct keystore_write){.what = STORE_KEY, .how = WRITE_CHANGE, .row.key = *row};
	write->row.key.revision++;
	status = store_key_open(&reseal->tool, row, &key, &err);
	if (status == ST_OK)
		status = store_key_close(
		    &reseal->tool, &write->row.key, key, &reseal->texts[at], &n, &err);
	if (status == ST_OK && !reseal->tool.dry_run)
		store_key_mirror(&reseal->tool, write, key, &reseal->pems[at]);
	key_free(key);
	if (status != ST_OK) {
		tell_bad(reseal, row, &err);
		return;
	}
	write->row.key.private_key = span_of(reseal->texts[at], n);
	reseal->batch.count++;
}

/* The rows of the batch are those of the page. */
static enum status
flush(struct reseal *reseal, struct err *err)
{
	enum status status = ST_OK;
	size_t count = reseal->batch.count;

	if (reseal->tool.dry_run) {
		reseal->sealed += count;
		reseal->batch.count = 0;
	} else if (count > 0) {
		status = store_batch_write(&reseal->batch, err);
	}
	for (size_t i = 0; i < count; i++) {
		secret_free(reseal->texts[i]);
		secret_free(reseal->pems[i]);
		reseal->pems[i] = NULL;
	}
	return status;
}

static enum status
walk_once(struct reseal *reseal, struct err *err)
{
	struct store_walk walk;
	enum status status;
	size_t i;

	store_walk_begin(&walk, reseal->tool.store, STORE_KEY);
	while ((status = store_walk_next(&walk, &i, err)) == ST_OK) {
		const struct store_key *row = &walk.page->keys[i];

		reseal->keys++;
		if (is_due(reseal, row))
			take_key(reseal, row);
		if (i + 1 == walk.page->key_count)
			status = flush(reseal, err);
		if (status != ST_OK)
			break;
	}
	store_walk_end(&walk);
	return status == ST_ABSENT ? ST_OK : status;
}

/* ---- secrets of DNS providers ---- */

static void
tell_bad_provider(struct reseal *reseal, const struct store_provider *row, const struct err *err)
{
	reseal->failed++;
	cli_say(reseal->tool.program, "provider %.*s %.*s: %s", SPAN_ARG(row->tenant),
	    SPAN_ARG(row->name), err->text);
}

/* Opens the secret, and seals it for the same row. */
static void
take_provider(struct reseal *reseal, const struct store_provider *row)
{
	struct keystore_write write = {
	    .what = STORE_PROVIDER, .how = WRITE_CHANGE, .row.provider = *row};
	struct err err = ERR_NONE;
	enum status status;
	struct buf sealed;
	char *plain = NULL;
	size_t n = 0, at;

	buf_init(&sealed, PROVIDER_SECRET_MAX);
	status = sealedprovider_open(reseal->tool.sitekey, row, &plain, &n, &err);
	if (status == ST_OK)
		status = sealedprovider_close(
		    reseal->tool.sitekey, row, span_of(plain, n), &sealed, &err);
	secret_free(plain);
	write.row.provider.secret = buf_span(&sealed);
	if (status == ST_OK && !reseal->tool.dry_run)
		status = reseal->tool.store->ops->apply(reseal->tool.store, &write, 1, &at, &err);
	buf_free(&sealed);
	if (status == ST_OK)
		reseal->providers++;
	else if (status == ST_DENIED && write.row.provider.secret.n > 0)
		reseal->changed_meanwhile++;
	else
		tell_bad_provider(reseal, row, &err);
}

static bool
provider_is_due(struct reseal *reseal, const struct store_provider *row)
{
	struct err err = ERR_NONE;
	uint32_t version;

	return row->secret.n > 0 && (sealedkey_version(row->secret, &version, &err) != ST_OK ||
					version != sitekey_current(reseal->tool.sitekey));
}

/* A schema of before has no room for them. */
static enum status
walk_providers(struct reseal *reseal, struct err *err)
{
	struct err ignored = ERR_NONE;
	struct store_walk walk;
	enum status status;
	size_t i;

	if (!store_tool_has_providers(&reseal->tool, &ignored))
		return ST_OK;
	store_walk_begin(&walk, reseal->tool.store, STORE_PROVIDER);
	while ((status = store_walk_next(&walk, &i, err)) == ST_OK)
		if (provider_is_due(reseal, &walk.page->providers[i]))
			take_provider(reseal, &walk.page->providers[i]);
	store_walk_end(&walk);
	return status == ST_ABSENT ? ST_OK : status;
}

static void
tell_sum(const struct reseal *reseal)
{
	unsigned version = sitekey_current(reseal->tool.sitekey);

	if (reseal->tool.json)
		printf("{\"version\": %u, \"keys\": %lu, \"sealed\": %lu, \"plain\": %lu, "
		       "\"failed\": %lu, \"providers\": %lu, \"dry_run\": %s}\n",
		    version, reseal->keys, reseal->sealed, reseal->plain,
		    reseal->failed + reseal->changed_meanwhile, reseal->providers,
		    reseal->tool.dry_run ? "true" : "false");
	else
		cli_tell(reseal->tool.program,
		    "%lu keys: %lu %ssealed with version %u, %lu left plain, %lu failed",
		    reseal->keys, reseal->sealed, reseal->tool.dry_run ? "would be " : "", version,
		    reseal->plain, reseal->failed + reseal->changed_meanwhile);
	if (!reseal->tool.json && reseal->providers > 0)
		cli_tell(reseal->tool.program, "%lu secrets of DNS providers %ssealed with it",
		    reseal->providers, reseal->tool.dry_run ? "would be " : "");
}

static int
reseal_all(struct reseal *reseal)
{
	struct err err = ERR_NONE;
	enum status status = ST_OK;
	bool again = true;

	reseal->batch = (struct store_batch){.store = reseal->tool.store,
	    .writes = mem_zalloc(STORE_PAGE, sizeof(*reseal->batch.writes)),
	    .done = written,
	    .context = reseal};
	reseal->texts = mem_zalloc(STORE_PAGE, sizeof(*reseal->texts));
	reseal->pems = mem_zalloc(STORE_PAGE, sizeof(*reseal->pems));
	for (int i = 0; i < TRIES_MAX && again && status == ST_OK; i++) {
		reseal->keys = reseal->plain = reseal->failed = reseal->changed_meanwhile = 0;
		status = walk_once(reseal, &err);
		if (status == ST_OK)
			status = walk_providers(reseal, &err);
		again = reseal->changed_meanwhile > 0;
	}
	mem_free(reseal->texts);
	mem_free(reseal->pems);
	mem_free(reseal->batch.writes);
	tell_sum(reseal);
	if (status != ST_OK) {
		cli_say(reseal->tool.program,
		    "stopped; run the same command again: what is done is not done twice");
		return store_tool_failed(&reseal->tool, status, &err);
	}
	return reseal->failed + reseal->changed_meanwhile > 0 ? EX_DATAERR : EX_OK;
}

static int
reseal_opened(struct reseal *reseal)
{
	const struct keystore_ops *ops = reseal->tool.store->ops;

	if (reseal->tool.sitekey == NULL) {
		cli_say(reseal->tool.program,
		    "there is no site key: give --site-key=FILE or set SiteKeyFile");
		return EX_CONFIG;
	}
	if (!store_tool_can(&reseal->tool, ops->apply != NULL && ops->list != NULL, "written"))
		return EX_UNAVAILABLE;
	return reseal_all(reseal);
}

int
store_reseal_run(const char *program, int argc, char **argv)
{
	static const struct cli_option options[] = {
	    STORE_OPTIONS,
	    {"dry-run", 'n', NULL, "write nothing, tell what would be",
		offsetof(struct store_tool, dry_run)},
	    {"seal-plain", 0, NULL, "seal plain keys too", offsetof(struct store_tool, seal_plain)},
	};
	static const struct cli_usage usage = {"",
	    "Seals every key of a key store with the current version of the site key.", options,
	    sizeof(options) / sizeof(options[0])};
	struct reseal reseal = {.tool.program = program, .tool.write = true};
	enum cli_answer answer = cli_options(program, &usage, argc, argv, &reseal.tool);
	int exit_code;

	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EX_USAGE;
	if (optind < argc) {
		cli_say(program, "\"%s\" is one word too many", argv[optind]);
		return EX_USAGE;
	}
	exit_code = store_tool_open(&reseal.tool, true);
	if (exit_code != EX_OK)
		return exit_code;
	exit_code = reseal_opened(&reseal);
	store_tool_close(&reseal.tool);
	return exit_code;
}
