/*
 * cli_options.c - the options of a sub-command, read from a table.
 * Called by the sub-commands of signpost store. It must never know one of them: what an option
 * does stands in the request that it fills.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/cli.h"

enum { OPT_HELP = 1000, OPT_VERSION, OPT_FIRST };

static void
print_usage(FILE *to, const char *program, const struct cli_usage *usage)
{
	fprintf(to, "%s: usage: %s [OPTION]... %s\n%s\n", program, program, usage->words,
	    usage->purpose);
	for (size_t i = 0; i < usage->count; i++) {
		const struct cli_option *option = &usage->options[i];
		char shown[64], letter[8] = "    ";

		if (option->letter != '\0')
			snprintf(letter, sizeof(letter), "-%c, ", option->letter);
		snprintf(shown, sizeof(shown), "--%s%s%s", option->name,
		    option->argument == NULL ? "" : "=",
		    option->argument == NULL ? "" : option->argument);
		fprintf(to, "  %s%-22s %s\n", letter, shown, option->help);
	}
	fputs("      --help                 these lines\n"
	      "  -V, --version              the version\n",
	    to);
}

/* The table in getopt's form. */
struct forms {
	struct option words[CLI_OPTIONS_MAX + 3];
	char letters[CLI_OPTIONS_MAX * 2 + 2];
};

static void
make_forms(const struct cli_usage *usage, struct forms *forms)
{
	size_t n = 0, letters = 0;

	memset(forms, 0, sizeof(*forms));
	forms->words[n++] = (struct option){"help", no_argument, NULL, OPT_HELP};
	forms->words[n++] = (struct option){"version", no_argument, NULL, OPT_VERSION};
	forms->letters[letters++] = 'V';
	for (size_t i = 0; i < usage->count && i < CLI_OPTIONS_MAX; i++) {
		const struct cli_option *option = &usage->options[i];
		bool argument = option->argument != NULL;

		forms->words[n++] = (struct option){option->name,
		    argument ? required_argument : no_argument, NULL, OPT_FIRST + (int)i};
		if (option->letter == '\0')
			continue;
		forms->letters[letters++] = option->letter;
		if (argument)
			forms->letters[letters++] = ':';
	}
}

static const struct cli_option *
find_option(const struct cli_usage *usage, int code)
{
	if (code >= OPT_FIRST && (size_t)(code - OPT_FIRST) < usage->count)
		return &usage->options[code - OPT_FIRST];
	for (size_t i = 0; i < usage->count; i++)
		if (usage->options[i].letter != '\0' && usage->options[i].letter == code)
			return &usage->options[i];
	return NULL;
}

static void
set_option(const struct cli_option *option, void *request)
{
	void *at = (char *)request + option->offset;

	if (option->argument == NULL)
		*(bool *)at = true;
	else
		*(const char **)at = optarg;
}

enum cli_answer
cli_options(
    const char *program, const struct cli_usage *usage, int argc, char **argv, void *request)
{
	struct forms forms;
	int code;

	make_forms(usage, &forms);
	optind = 0; /* the words before were looked at too */
	while ((code = getopt_long(argc, argv, forms.letters, forms.words, NULL)) != -1) {
		const struct cli_option *option = find_option(usage, code);

		if (option != NULL) {
			set_option(option, request);
		} else if (code == OPT_HELP) {
			print_usage(stdout, program, usage);
			return CLI_DONE;
		} else if (code == OPT_VERSION || code == 'V') {
			printf("%s %s\n", program, PACKAGE_VERSION);
			return CLI_DONE;
		} else {
			print_usage(stderr, program, usage);
			return CLI_WRONG;
		}
	}
	return CLI_GO_ON;
}
