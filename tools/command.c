/*
 * command.c - a sub-command that has words of its own: finds the word and runs it.
 * Called by store.c, import.c and export.c. It must never know a word: they stand in tables.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "tools/command.h"

#define NAME_BYTES 96U

/* The manual page of "signpost store" is signpost-store(1). */
static void
print_words(FILE *to, const char *program, const struct command *words, size_t count)
{
	char page[NAME_BYTES];

	snprintf(page, sizeof(page), "%s", program);
	for (char *at = page; *at != '\0'; at++)
		*at = *at == ' ' ? '-' : *at;
	fprintf(to, "%s: usage: %s WORD [OPTION]...\n", program, program);
	for (size_t i = 0; i < count; i++)
		fprintf(to, "  %-10s %s\n", words[i].name, words[i].help);
	fprintf(to, "%s WORD --help tells the options; %s(1) tells the rest.\n", program, page);
}

int
command_run_word(
    const char *program, const struct command *words, size_t count, int argc, char **argv)
{
	char name[NAME_BYTES];

	for (size_t i = 0; argc > 1 && i < count; i++) {
		if (strcmp(argv[1], words[i].name) != 0)
			continue;
		snprintf(name, sizeof(name), "%s %s", program, words[i].name);
		return words[i].run(name, argc - 1, argv + 1);
	}
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
		print_words(stdout, program, words, count);
		return EX_OK;
	}
	if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
		printf("%s %s\n", program, PACKAGE_VERSION);
		return EX_OK;
	}
	print_words(stderr, program, words, count);
	return EX_USAGE;
}
