/*
 * store.c - signpost store: finds the word, opens what the words work on.
 * Operators and their scripts call it. It must never do the work of a word itself, nor print where
 * a store is with its password.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "tools/command.h"
#include "tools/store.h"

static const struct command words[] = {
    {"init", NULL, store_init_run, "make the tables of a store, or bring them up to date"},
    {"status", NULL, store_status_run, "ask a store how it is"},
    {"renew", NULL, store_renew_run, "say that a backup was put back into a store"},
    {"load", NULL, store_load_run, "write what a list says into a store"},
    {"check", NULL, store_check_run, "read every row and open every key"},
    {"records", NULL, store_records_run, "print what DNS has to say about keys"},
    {"reseal", NULL, store_reseal_run, "seal every key with the current site key"},
    {"sitekey", NULL, store_sitekey_run, "make a site key file, add a version, activate it"},
};
#define WORD_COUNT (sizeof(words) / sizeof(words[0]))

const struct command *
store_words(size_t *count_out)
{
	*count_out = WORD_COUNT;
	return words;
}

/* ---- what the words work on ---- */

static bool
read_conf(struct store_tool *tool)
{
	/* A store named on the command line needs no configuration, but may have one. */
	if (tool->spec != NULL && tool->conf_path == NULL)
		tool->conf = conf_new();
	else
		tool->conf = cli_conf(tool->program, tool->conf_path);
	return tool->conf != NULL;
}

static bool
open_site_key(struct store_tool *tool)
{
	const char *path = tool->site_key_path;
	struct err err = ERR_NONE;

	tool->require_safe = conf_bool(tool->conf, CONF_REQUIRE_SAFE_KEYS);
	if (path == NULL)
		path = conf_string(tool->conf, CONF_SITE_KEY_FILE);
	if (path == NULL)
		return true;
	if (sitekey_open(path, tool->require_safe, &tool->sitekey, &err) != ST_OK) {
		cli_say(tool->program, "%s", err.text);
		return false;
	}
	if (err.text[0] != '\0')
		cli_say(tool->program, "warning: %s", err.text);
	return true;
}

static bool
open_store(struct store_tool *tool)
{
	const char *spec = tool->spec;
	struct err err = ERR_NONE;

	if (spec == NULL)
		spec = conf_string(tool->conf, CONF_KEY_STORE);
	if (spec == NULL) {
		cli_say(tool->program, "no key store is named: set KeyStore in the configuration "
				       "(-x FILE), or give --store=SPEC");
		return false;
	}
	if (keystore_open(backend_keystores_for(tool->conf, &tool->settings), spec, tool->write,
		&tool->store, &err) == ST_OK)
		return true;
	cli_say(tool->program, "%s", err.text);
	return false;
}

int
store_tool_open(struct store_tool *tool, bool keys)
{
	if (keys && key_memory_secure() != ST_OK) {
		cli_say(tool->program, "the crypto library takes no protected memory for keys");
		return EX_OSERR;
	}
	if (read_conf(tool) && (!keys || open_site_key(tool)) && open_store(tool))
		return EX_OK;
	store_tool_close(tool);
	return EX_CONFIG;
}

void
store_tool_close(struct store_tool *tool)
{
	keystore_close(tool->store);
	sitekey_close(tool->sitekey);
	if (tool->conf != NULL)
		conf_free(tool->conf);
	tool->store = NULL;
	tool->sitekey = NULL;
	tool->conf = NULL;
}

bool
store_tool_has_providers(const struct store_tool *tool, struct err *err)
{
	struct keystore_rows *rows = NULL;
	enum status status =
	    keystore_provider(tool->store, SPAN_LIT("x"), SPAN_LIT("x"), &rows, err);

	keystore_rows_release(rows);
	return status == ST_OK;
}

bool
store_tool_has_tokens(const struct store_tool *tool, struct err *err)
{
	struct keystore_rows *rows = NULL;
	enum status status =
	    keystore_token(tool->store, STORE_TOKEN_BY_ID, SPAN_LIT("x"), &rows, err);

	keystore_rows_release(rows);
	return status == ST_OK;
}

bool
store_tool_can(const struct store_tool *tool, bool can, const char *what)
{
	if (!can)
		cli_say(tool->program, "%s: a store of this kind cannot be %s", tool->store->where,
		    what);
	return can;
}

int
store_tool_failed(const struct store_tool *tool, enum status status, const struct err *err)
{
	cli_say(tool->program, "%s",
	    err->text[0] != '\0' ? err->text : "the store answers without a reason");
	return status == ST_UNAVAILABLE ? EX_UNAVAILABLE : EX_SOFTWARE;
}

/* ---- init ---- */

static const struct cli_option plain_options[] = {STORE_OPTIONS};

bool
store_tool_no_words(const struct store_tool *tool, int argc, char **argv)
{
	if (optind >= argc)
		return true;
	cli_say(tool->program, "\"%s\" is one word too many", argv[optind]);
	return false;
}

static void
print_versions(const struct store_tool *tool, int from, int to)
{
	if (tool->json)
		printf("{\"from\": %d, \"to\": %d}\n", from, to);
	else if (from == to)
		cli_tell(tool->program, "%s: is at version %d", tool->store->where, to);
	else
		cli_tell(tool->program, "%s: brought from version %d to %d", tool->store->where,
		    from, to);
}

int
store_init_run(const char *program, int argc, char **argv)
{
	static const struct cli_usage usage = {"",
	    "Makes the tables of a key store, or brings them up to date.", plain_options,
	    sizeof(plain_options) / sizeof(plain_options[0])};
	struct store_tool tool = {.program = program, .write = true};
	enum cli_answer answer = cli_options(program, &usage, argc, argv, &tool);
	struct err err = ERR_NONE;
	int exit_code, from = 0, to = 0;
	enum status status;

	if (answer != CLI_GO_ON || !store_tool_no_words(&tool, argc, argv))
		return answer == CLI_DONE ? EX_OK : EX_USAGE;
	exit_code = store_tool_open(&tool, false);
	if (exit_code != EX_OK)
		return exit_code;
	if (!store_tool_can(&tool, tool.store->ops->migrate != NULL, "made by this command")) {
		exit_code = EX_UNAVAILABLE;
	} else {
		status = tool.store->ops->migrate(tool.store, &from, &to, &err);
		if (status == ST_OK)
			print_versions(&tool, from, to);
		else
			exit_code = store_tool_failed(&tool, status, &err);
	}
	store_tool_close(&tool);
	return exit_code;
}

/* ---- the words ---- */

int
store_run(const char *program, int argc, char **argv)
{
	return command_run_word(program, words, WORD_COUNT, argc, argv);
}
