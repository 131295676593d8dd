/*
 * export.c - signpost export: what the store signs, for another signer.
 * Called by signpost.c. It opens the store with the site key itself, since no private key ever
 * comes out of the API; it must never change the store, nor write a key where others can read it.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "lib/base/clock.h"
#include "tools/command.h"
#include "tools/export.h"

static const struct cli_option options[] = {STORE_OPTIONS,
    {"tenant", 't', "TENANT", "only what is this tenant's", offsetof(struct export_site, tenant)}};
static const struct cli_usage usage = {"DIR",
    "Writes KeyTable, SigningTable and key files for OpenDKIM.", options,
    sizeof(options) / sizeof(options[0])};

static bool
make_folders(struct export_site *site)
{
	struct buf keys;
	bool made;

	buf_init(&keys, 65536);
	buf_add_fmt(&keys, "%s/keys", site->folder);
	made = (mkdir(site->folder, 0755) == 0 || errno == EEXIST) &&
	       (mkdir(buf_text(&keys), 0700) == 0 || errno == EEXIST);
	if (made)
		site->real = realpath(site->folder, NULL);
	if (site->real == NULL)
		cli_say(site->tool.program, "%s: %s", site->folder, strerror(errno));
	buf_free(&keys);
	return site->real != NULL;
}

static int
export_all(struct export_site *site)
{
	int exit_code;

	if (!make_folders(site))
		return EX_CANTCREAT;
	exit_code = export_read(site);
	if (exit_code == EX_OK)
		exit_code = export_write(site);
	if (exit_code != EX_OK)
		return exit_code;
	printf(site->tool.json ? "{\"keys\":%zu,\"left_out\":%zu}\n"
			       : "%zu keys written; %zu rows left out\n",
	    site->key_count, site->left_out);
	return site->left_out > 0 ? 1 : EX_OK;
}

static int
run_opendkim(const char *program, int argc, char **argv)
{
	struct export_site site = {.tool = {.program = program}, .now_utc = clock_utc_s()};
	enum cli_answer answer = cli_options(program, &usage, argc, argv, &site);
	int exit_code;

	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EX_USAGE;
	if (argc - optind != 1) {
		cli_say(program, "DIR is needed; --help tells the options");
		return EX_USAGE;
	}
	site.folder = argv[optind];
	exit_code = store_tool_open(&site.tool, true);
	if (exit_code != EX_OK)
		return exit_code;
	arena_init(&site.arena, EXPORT_TEXT_MAX);
	exit_code = export_all(&site);
	export_free(&site);
	store_tool_close(&site.tool);
	return exit_code;
}

static const struct command words[] = {
    {"opendkim", NULL, run_opendkim, "KeyTable, SigningTable and key files"},
};
#define WORDS (sizeof(words) / sizeof(words[0]))

const struct command *
export_words(size_t *count_out)
{
	*count_out = WORDS;
	return words;
}

int
export_run(const char *program, int argc, char **argv)
{
	return command_run_word(program, words, WORDS, argc, argv);
}
