/*
 * zone_keys.c - the public keys of a domain, wherever they are: files, a KeyTable, a key store.
 * Called when records are made. It must never print a key that DNS must not have any more, nor
 * anything of a private one.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/dkim/address.h"
#include "tools/keywalk.h"
#include "tools/publication.h"
#include "tools/store.h"
#include "tools/zone.h"

/* ---- a record ---- */

static struct zone_record *
find_record(struct zone_records *records, struct span name)
{
	for (size_t i = 0; i < records->count; i++)
		if (span_ieq_str(name, records->items[i].name))
			return &records->items[i];
	return NULL;
}

void
zone_keys_add(
    struct zone_job *job, enum zone_type type, struct span name, struct span value, uint32_t ttl_s)
{
	struct zone_record *record = find_record(&job->records, name);
	struct span rest = name, selector = name;
	size_t at = SIZE_MAX;
	char what[300];

	if (record != NULL) {
		if (record->type != type || !span_eq_str(value, record->value))
			findings_add(&job->check->findings, SEVERITY_ERROR, name,
			    "two different keys have this name; give one of them another selector");
		return;
	}
	if (!domain_is_valid(name) || !domain_is_within(name, span_str(job->records.zone))) {
		findings_add(&job->check->findings,
		    domain_is_valid(name) ? SEVERITY_NOTE : SEVERITY_ERROR, name,
		    domain_is_valid(name) ? "this record of the domain is in another zone than %s, "
					    "and not in the output"
					  : "this is no name that the zone %s can have",
		    job->records.zone);
		return;
	}
	for (size_t i = 0; i + 12 <= rest.n && at == SIZE_MAX; i++)
		if (span_istarts(span_from(rest, i), SPAN_LIT("._domainkey.")))
			at = i;
	if (at != SIZE_MAX)
		selector = span_sub(name, 0, at);
	snprintf(what, sizeof(what), "DKIM key %.*s%s", SPAN_ARG(selector),
	    type == ZONE_CNAME ? " (alias)" : "");
	record = zone_records_add(&job->records, type, name, value,
	    job->wanted->ttl_s != 0 || ttl_s == 0 ? job->ttl_s : ttl_s, what);
	zone_see(job, record, NULL);
}

static void
add_selector(struct zone_job *job, struct span selector, const struct key *key, const char *from)
{
	const struct publication shape = {.hashes = ""};
	char name[600];
	struct buf value;

	snprintf(name, sizeof(name), "%.*s._domainkey.%s", SPAN_ARG(selector), job->records.domain);
	buf_init(&value, PUBLICATION_TEXT_MAX);
	if (!selector_is_valid(selector) || publication_value(&shape, key, &value) != ST_OK)
		findings_add(&job->check->findings, SEVERITY_ERROR, span_str(name),
		    "no record can be made of the key of %s", from);
	else
		zone_keys_add(job, ZONE_TXT, span_str(name), buf_span(&value), 0);
	buf_free(&value);
}

/* ---- files ---- */

static bool
add_file(struct zone_job *job, struct span selector, const char *path)
{
	struct err warning = ERR_NONE, err = ERR_NONE;
	struct key *key = NULL;

	if (keywalk_load(path, &key, &warning, &err) != ST_OK) {
		cli_say(job->wanted->program, "%s", err.text);
		return false;
	}
	if (warning.text[0] != '\0')
		cli_say(job->wanted->program, "warning: %s", warning.text);
	add_selector(job, selector, key, path);
	key_free(key);
	return true;
}

static bool
add_key_files(struct zone_job *job)
{
	const struct zone_list *files = &job->wanted->key_files;
	bool good = true;

	for (size_t i = 0; i < files->count; i++) {
		struct span path = span_str(files->items[i]), selector;

		(void)span_cut(&path, '=', &selector);
		good = add_file(job, selector, path.p) && good;
	}
	return good;
}

/* ---- the configuration ---- */

static bool
visit(void *context, struct keywalk_key *key)
{
	struct zone_job *job = context;

	if (!span_ieq_str(key->domain, job->records.domain))
		return true;
	if (key->key == NULL) {
		cli_say(job->wanted->program, "key '%.*s' (%s line %u): %s", SPAN_ARG(key->name),
		    key->where, key->line, key->why);
		job->refused = true;
		return true;
	}
	add_selector(job, key->selector, key->key, key->where);
	return true;
}

static bool
add_key_table(struct zone_job *job)
{
	const struct keywalk_options options = {.conf = job->conf, .domain = job->records.domain};
	struct err err = ERR_NONE;

	if (conf_string(job->conf, CONF_KEY_TABLE) == NULL)
		return true;
	if (keywalk_run(&options, visit, job, &err) == ST_OK)
		return !job->refused;
	cli_say(job->wanted->program, "%s", err.text);
	return false;
}

/* Domain, Selector and KeyFile. */
static bool
add_single(struct zone_job *job)
{
	const char *selector = conf_string(job->conf, CONF_SELECTOR);
	const char *path = conf_string(job->conf, CONF_KEY_FILE);
	struct span rest = span_str(conf_string(job->conf, CONF_DOMAIN)), domain;

	if (selector == NULL || path == NULL)
		return true;
	while (rest.n > 0) {
		(void)span_cut(&rest, ',', &domain);
		if (span_ieq_str(span_trim(domain), job->records.domain))
			return add_file(job, span_str(selector), path);
	}
	return true;
}

/* ---- a key store ---- */

static bool
is_for_dns(const struct store_key *key, int64_t now_utc)
{
	switch (key_state_at(&key->times, now_utc)) {
	case KEY_REVOKED:
	case KEY_REMOVED:
	case KEY_DESTROYED:
	case KEY_COMPROMISED:
	case KEY_FAILED:
		return false;
	default:
		return key->times.revoking <= 0;
	}
}

static void
add_row(struct zone_job *job, const struct store_key *key)
{
	char name[600];
	struct buf value;

	snprintf(name, sizeof(name), "%.*s._domainkey.%.*s", SPAN_ARG(key->selector),
	    SPAN_ARG(key->domain));
	if (key->public_key.n == 0) {
		findings_add(&job->check->findings, SEVERITY_ERROR, span_str(name),
		    "there is no public key in its row of the key store");
		return;
	}
	buf_init(&value, PUBLICATION_TEXT_MAX);
	buf_add_fmt(&value, "v=DKIM1; k=%s; p=%.*s",
	    span_eq_str(key->algorithm, "rsa-sha256") ? "rsa" : "ed25519",
	    SPAN_ARG(key->public_key));
	zone_keys_add(job, ZONE_TXT, span_str(name), buf_span(&value), 0);
	buf_free(&value);
}

static int
add_store_rows(struct zone_job *job, struct store_tool *tool)
{
	struct store_walk walk;
	struct err err = ERR_NONE;
	int64_t now_utc = clock_utc_s();
	enum status status;
	size_t i;

	if (!store_tool_can(tool, tool->store->ops->list != NULL, "listed"))
		return EX_UNAVAILABLE;
	store_walk_begin(&walk, tool->store, STORE_KEY);
	snprintf(walk.after, sizeof(walk.after), "%s ", job->records.domain);
	while ((status = store_walk_next(&walk, &i, &err)) == ST_OK) {
		const struct store_key *key = &walk.page->keys[i];

		if (!span_eq_str(key->domain, job->records.domain))
			break;
		if (is_for_dns(key, now_utc))
			add_row(job, key);
	}
	store_walk_end(&walk);
	return status == ST_OK || status == ST_ABSENT ? EX_OK
						      : store_tool_failed(tool, status, &err);
}

static int
add_store(struct zone_job *job)
{
	struct store_tool tool = {
	    .program = job->wanted->program, .conf_path = job->wanted->conf_path};
	int exit_code;

	if (conf_string(job->conf, CONF_KEY_STORE) == NULL)
		return EX_OK;
	exit_code = store_tool_open(&tool, false);
	if (exit_code != EX_OK)
		return exit_code;
	exit_code = add_store_rows(job, &tool);
	store_tool_close(&tool);
	return exit_code;
}

/* ---- all ---- */

int
zone_keys(struct zone_job *job)
{
	const struct zone_wanted *wanted = job->wanted;
	bool only_files = wanted->key_files.count > 0 && wanted->conf_path == NULL;
	int exit_code = EX_OK;

	if (wanted->no_keys || wanted->no_mail)
		return EX_OK;
	if (!add_key_files(job))
		return EX_DATAERR;
	if (wanted->admin)
		exit_code = zone_admin_keys(job);
	else if (!only_files)
		exit_code = add_store(job);
	if (exit_code != EX_OK)
		return exit_code;
	if (!wanted->admin && !only_files && (!add_key_table(job) || !add_single(job)))
		return EX_DATAERR;
	if (job->records.count > 0)
		return EX_OK;
	findings_add(&job->check->findings, SEVERITY_ERROR, job->check->domain,
	    "no key of this domain was found; name the configuration with -x, a key with "
	    "--key-file, ask signpost-admind with --admin, or give --no-keys");
	return EX_OK;
}
