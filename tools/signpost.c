/*
 * signpost.c - signpost(1): finds the sub-command and runs it.
 * An operator or a script calls it, by its own name or by the name of the OpenDKIM tool that a
 * sub-command replaces. It must never do the work of a sub-command itself: a new one is a file
 * with a run function and a row in the table below.
 */
#include "config.h"

#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "tools/cli.h"
#include "tools/command.h"
#include "tools/completions.h"

#define PROGRAM_NAME_MAX 64

static const struct command commands[] = {
    {"audit", NULL, audit_run, "what was done, and by whom (signpost-admind)"},
    {"bulk", NULL, bulk_run, "run many operations out of a file (signpost-admind)"},
    {"check", NULL, check_run, "audit the DKIM keys, SPF and DMARC that a domain publishes"},
    {"completions", NULL, completions_run,
	"print what bash or zsh has to know to complete all this"},
    {"domain", NULL, domain_run, "add, show and remove domains (signpost-admind)"},
    {"drift", NULL, drift_run, "compare what is published with DNS (signpost-admind)"},
    {"emergency", NULL, emergency_run, "a key is known to others (signpost-admind)"},
    {"events", NULL, events_run, "show what happens, as it happens (signpost-admind)"},
    {"explain", NULL, explain_run, "say what would sign, by the store (signpost-admind)"},
    {"export", NULL, export_run, "write keys and tables for another signer"},
    {"gateway", NULL, gateway_run, "gateways that report (signpost-admind)"},
    {"genkey", "opendkim-genkey", genkey_run,
	"make a key pair and the DNS record that goes with it"},
    {"genzone", "opendkim-genzone", genzone_run, "write the DNS records of all keys of a KeyTable"},
    {"import", NULL, import_run, "bring keys and rules of other signers into the store"},
    {"key", NULL, key_run, "show, make and move keys (signpost-admind)"},
    {"operations", NULL, operations_run, "what was begun and has not ended (signpost-admind)"},
    {"policy", NULL, policy_run, "what keys should be like (signpost-admind)"},
    {"provider", NULL, provider_run, "DNS providers of tenants (signpost-admind)"},
    {"resolve", NULL, resolve_run, "say what would sign for a sender, and why"},
    {"rotate", NULL, rotate_run, "ask for new keys (signpost-admind)"},
    {"rotation", NULL, rotation_run, "rotations, and what they wait for (signpost-admind)"},
    {"rules", NULL, rules_run, "signing rules of a tenant (signpost-admind)"},
    {"shadow", NULL, shadow_run, "sum a report of shadow mode up"},
    {"status", NULL, status_run, "what all keys are like (signpost-admind)"},
    {"store", NULL, store_run, "make, fill, check and seal key stores, and site key files"},
    {"tenant", NULL, tenant_run, "add, show and remove tenants (signpost-admind)"},
    {"testkey", "opendkim-testkey", testkey_run, "compare private keys with the records in DNS"},
    {"testmsg", "opendkim-testmsg", testmsg_run, "sign or verify a message"},
    {"token", NULL, token_run, "add, show and revoke tokens for HTTP (signpost-admind)"},
    {"unsigned", NULL, unsigned_run, "mail that went unsigned, and why (signpost-admind)"},
    {"verify", NULL, verify_run, "say what broke the signatures of a message (signpost-admind)"},
    {"zimbra", "zmdkimkeyutil", zimbra_run, "Zimbra's zmdkimkeyutil (signpost-admind)"},
    {"zone", NULL, zone_run, "print the DKIM, SPF and DMARC records that a domain needs"},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

int
completions_run(const char *program, int argc, char **argv)
{
	static const struct cli_usage usage = {.words = "bash|zsh",
	    .purpose = "Prints the script that completes commands in this shell."};
	enum cli_answer answer = cli_options(program, &usage, argc, argv, NULL);

	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EX_USAGE;
	if (argc - optind == 1)
		return completions_print(program, argv[optind], commands, COMMAND_COUNT);
	cli_say(program, "bash or zsh is needed");
	return EX_USAGE;
}

static void
print_help(FILE *to)
{
	fprintf(to, "usage: signpost COMMAND [OPTION]...\n"
		    "       signpost help COMMAND\n"
		    "       signpost --version\n"
		    "\ncommands:\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].help);
	fprintf(to, "\nsignpost help COMMAND tells the options; signpost(1) tells the rest.\n");
}

static const struct command *
command_find(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static const struct command *
command_find_drop_in(const char *program)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (commands[i].drop_in_name != NULL &&
		    strcmp(commands[i].drop_in_name, program) == 0)
			return &commands[i];
	return NULL;
}

static int
command_run(const struct command *command, int argc, char **argv)
{
	char program[PROGRAM_NAME_MAX];

	snprintf(program, sizeof(program), "signpost %s", command->name);
	return command->run(program, argc, argv);
}

/* signpost help [COMMAND]: the sub-command itself knows its options. */
static int
run_help(int argc, char **argv)
{
	const struct command *command;
	char option[] = "--help";
	char *help_argv[3] = {NULL, option, NULL};

	if (argc < 2) {
		print_help(stdout);
		return EX_OK;
	}
	command = command_find(argv[1]);
	if (command == NULL) {
		fprintf(stderr,
		    "signpost: there is no command \"%s\"; signpost --help lists them\n", argv[1]);
		return EX_USAGE;
	}
	help_argv[0] = argv[1];
	return command_run(command, 2, help_argv);
}

static int
run_word(int argc, char **argv)
{
	const struct command *command = command_find(argv[0]);

	if (command != NULL)
		return command_run(command, argc, argv);
	if (strcmp(argv[0], "help") == 0)
		return run_help(argc, argv);
	if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
		return run_help(1, argv);
	if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0) {
		printf("signpost %s\n", PACKAGE_VERSION);
		return EX_OK;
	}
	fprintf(
	    stderr, "signpost: there is no command \"%s\"; signpost --help lists them\n", argv[0]);
	return EX_USAGE;
}

static int
run(const char *program, int argc, char **argv)
{
	const struct command *command = command_find_drop_in(program);

	if (command != NULL)
		return command->run(program, argc, argv);
	if (argc < 2) {
		print_help(stderr);
		return EX_USAGE;
	}
	return run_word(argc - 1, argv + 1);
}

/* Options in front of the command say where signpost-admind is: the environment of the command.
 * What is not one of them is left. */
static int
take_options(int argc, char **argv)
{
	static const struct {
		const char *option, *variable;
	} known[] = {{"--url", "SIGNPOST_URL"}, {"--token-file", "SIGNPOST_TOKEN_FILE"},
	    {"--ca", "SIGNPOST_CA"}, {"--cert", "SIGNPOST_CERT"}, {"--key", "SIGNPOST_KEY"}};
	int at = 1;

	for (size_t i = 0; at < argc && i < sizeof(known) / sizeof(known[0]); i++) {
		size_t n = strlen(known[i].option);

		if (strncmp(argv[at], known[i].option, n) != 0 ||
		    (argv[at][n] != '=' && (argv[at][n] != '\0' || at + 1 == argc)))
			continue;
		setenv(known[i].variable, argv[at][n] == '=' ? argv[at] + n + 1 : argv[at + 1], 1);
		at += argv[at][n] == '=' ? 1 : 2;
		i = SIZE_MAX;
	}
	return at - 1;
}

int
main(int argc, char **argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *program = slash != NULL ? slash + 1 : argc > 0 ? argv[0] : "signpost";

	int taken;

	cli_begin();
	taken = take_options(argc, argv);
	return cli_end(program, run(program, argc - taken, argv + taken));
}
