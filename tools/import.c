/*
 * import.c - signpost import: brings keys, domains and rules of other signers into the store.
 * Called by signpost.c. It must never change anything unless --apply is given: first comes the
 * report.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/store/keystore.h"
#include "tools/command.h"
#include "tools/moving_admin.h"

#define PATHS_MAX 2

struct import {
	const char *program;
	struct admin_request given;
	const char *tenant, *policy, *selector, *names, *keys_to;
	bool tenant_per_domain, apply, store_lines, no_dns, offline;
	struct dnsclient_options dns;
};

#define AT(member) offsetof(struct import, member)
static const struct cli_option options[] = {
    {"tenant", 't', "TENANT", "whose all of it will be", AT(tenant)},
    {"tenant-per-domain", 0, NULL, "a tenant for each domain, of its name", AT(tenant_per_domain)},
    {"policy", 'p', "POLICY", "of the tenant, for new domains", AT(policy)},
    {"selector", 's', "NAME", "where the source tells none", AT(selector)},
    {"names", 0, "FILE", "names to ask tables for that cannot be listed", AT(names)},
    {"apply", 0, NULL, "do it; without this nothing is changed", AT(apply)},
    {"dry-run", 'n', NULL, "report only, as without --apply", AT(given.dry_run)},
    {"offline", 0, NULL, "do not compare with the store", AT(offline)},
    {"store-lines", 'l', NULL, "print lines for \"signpost store load\"", AT(store_lines)},
    {"keys-to", 0, "FOLDER", "for --store-lines: keys that are in no file", AT(keys_to)},
    {"no-dns", 0, NULL, "do not look for the records of keys", AT(no_dns)},
    {"nameserver", 0, "ADDRESS", "ask this server", AT(dns.nameservers)},
    {"dns-file", 0, "FILE", "answers in place of DNS", AT(dns.answers_file)},
    {"json", 'j', NULL, "one JSON object a line", AT(given.json)},
    {"socket", 'S', "PATH", "the socket instead of AdminSocket", AT(given.socket)},
    {"conf", 'x', "FILE", "configuration with AdminSocket, Nameservers", AT(given.conf)},
    {"url", 0, "URL", "a daemon elsewhere: https://HOST:PORT", AT(given.url)},
    {"token-file", 0, "FILE", "with the token for it", AT(given.token_file)},
    {"ca", 0, "FILE", "who may have signed its certificate", AT(given.ca)},
    {"cert", 0, "FILE", "a client certificate", AT(given.cert)},
    {"key", 0, "FILE", "the key of --cert", AT(given.key)},
};

/* ---- what a site is read from ---- */

static int
read_opendkim(struct moving_site *site, const struct import *import, char *const *paths, size_t n)
{
	(void)n;
	return moving_read_opendkim(site, paths[0], import->names);
}

static int
read_directory(struct moving_site *site, const struct import *import, char *const *paths, size_t n)
{
	(void)n;
	return moving_read_directory(site, paths[0], import->selector);
}

static int
read_rspamd(struct moving_site *site, const struct import *import, char *const *paths, size_t n)
{
	return moving_read_rspamd(site, paths, n, import->selector);
}

static int
read_redis(struct moving_site *site, const struct import *import, char *const *paths, size_t n)
{
	(void)import;
	(void)n;
	return moving_read_redis(site, paths[0]);
}

static const struct source {
	int (*read)(struct moving_site *site, const struct import *import, char *const *paths,
	    size_t count);
	size_t paths_max;
	struct cli_usage usage;
} sources[] = {
    {read_directory, 1, {.words = "DIR", .purpose = "Brings keys that are files in a folder."}},
    {read_opendkim, 1,
	{.words = "FILE", .purpose = "Brings the site of an opendkim.conf, with its tables."}},
    {read_redis, 1,
	{.words = "FILE",
	    .purpose = "Brings the hashes of rspamd or mailcow as redis-cli prints them."}},
    {read_rspamd, 2,
	{.words = "DIR|PATH_MAP [SELECTOR_MAP]",
	    .purpose = "Brings what the maps of rspamd's dkim_signing name."}},
};

static int run_directory(const char *program, int argc, char **argv);
static int run_opendkim(const char *program, int argc, char **argv);
static int run_redis(const char *program, int argc, char **argv);
static int run_rspamd(const char *program, int argc, char **argv);

static const struct command words[] = {
    {"directory", NULL, run_directory, "files of keys"},
    {"opendkim", NULL, run_opendkim, "an opendkim.conf"},
    {"redis", NULL, run_redis, "what redis-cli prints of rspamd's and mailcow's hashes"},
    {"rspamd", NULL, run_rspamd, "maps of rspamd's dkim_signing"},
};
#define WORDS (sizeof(words) / sizeof(words[0]))

const struct command *
import_words(size_t *count_out)
{
	*count_out = WORDS;
	return words;
}

/* ---- what is done with it ---- */

static int
ask_dns(struct moving_site *site, const struct import *import)
{
	struct conf *conf = cli_conf(import->program, import->given.conf);
	struct err err = ERR_NONE;
	struct dnsclient dns;

	if (conf == NULL)
		return EX_CONFIG;
	if (dnsclient_open(&dns, conf, &import->dns, &err) != ST_OK) {
		cli_say(import->program, "%s", err.text);
		conf_free(conf);
		return EX_CONFIG;
	}
	moving_ask_dns(site, &dns);
	dnsclient_close(&dns);
	conf_free(conf);
	return EX_OK;
}

static int
meet_store(struct moving_site *site, const struct import *import)
{
	const struct moving_wish wish = {.policy = import->policy, .unproven = import->no_dns};
	struct admin_target target;
	int exit_code = admin_target_find(import->program, &import->given, &target);
	struct admin_client *client =
	    exit_code == EX_OK ? admin_connect(import->program, &target) : NULL;

	if (exit_code == EX_OK)
		exit_code = client == NULL ? EX_UNAVAILABLE : moving_survey(site, client);
	if (exit_code == EX_OK && import->apply)
		exit_code = moving_send(site, client, &wish);
	admin_disconnect(client);
	admin_target_free(&target);
	return exit_code;
}

static int
finish(struct moving_site *site, const struct import *import)
{
	int exit_code = EX_OK;

	moving_plan(site, import->tenant);
	if (!import->no_dns)
		exit_code = ask_dns(site, import);
	if (exit_code == EX_OK && !import->offline && !import->store_lines)
		exit_code = meet_store(site, import);
	if (import->store_lines && exit_code == EX_OK)
		exit_code =
		    moving_print_lines(site, import->tenant, import->policy, import->keys_to);
	else if (!import->store_lines)
		moving_show(site, import->given.json);
	if (exit_code != EX_OK)
		return exit_code;
	return site->weights[SEVERITY_ERROR] > 0 ? 1 : EX_OK;
}

/* NULL: nothing. */
static const char *
what_is_wrong(const struct import *import)
{
	if ((import->tenant == NULL) == !import->tenant_per_domain)
		return "one of --tenant=TENANT and --tenant-per-domain is needed";
	if (import->apply && import->given.dry_run)
		return "--apply and --dry-run exclude each other";
	if (import->apply && (import->store_lines || import->offline))
		return "--apply does not go with --store-lines or --offline";
	if (import->tenant != NULL && strlen(import->tenant) > KEYSTORE_TENANT_MAX)
		return "the name of the tenant is too long";
	if (import->policy != NULL && import->tenant_per_domain)
		return "a policy belongs to one tenant: --policy needs --tenant";
	return NULL;
}

static int
run_source(const char *program, int argc, char **argv, const struct source *source)
{
	struct cli_usage usage = source->usage;
	struct import import = {.program = program};
	struct moving_site site;
	enum cli_answer answer;
	const char *wrong;
	int exit_code, count;

	usage.options = options;
	usage.count = sizeof(options) / sizeof(options[0]);
	answer = cli_options(program, &usage, argc, argv, &import);
	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EX_USAGE;
	count = argc - optind;
	wrong =
	    count < 1 || (size_t)count > source->paths_max ? usage.words : what_is_wrong(&import);
	if (wrong != NULL) {
		cli_say(program, wrong == usage.words ? "%s is needed" : "%s", wrong);
		return EX_USAGE;
	}
	moving_begin(&site, program);
	exit_code = source->read(&site, &import, argv + optind, (size_t)count);
	if (exit_code == EX_OK)
		exit_code = finish(&site, &import);
	moving_end(&site);
	return exit_code;
}

static int
run_directory(const char *program, int argc, char **argv)
{
	return run_source(program, argc, argv, &sources[0]);
}

static int
run_opendkim(const char *program, int argc, char **argv)
{
	return run_source(program, argc, argv, &sources[1]);
}

static int
run_redis(const char *program, int argc, char **argv)
{
	return run_source(program, argc, argv, &sources[2]);
}

static int
run_rspamd(const char *program, int argc, char **argv)
{
	return run_source(program, argc, argv, &sources[3]);
}

int
import_run(const char *program, int argc, char **argv)
{
	return command_run_word(program, words, WORDS, argc, argv);
}
