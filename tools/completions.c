/*
 * completions.c - signpost completions: what a shell has to know to complete commands, words and
 * options, out of the tables that the program itself reads.
 * Called by signpost.c; make install calls it for bash and zsh. It must never print a name that a
 * shell could take for something to do: all of them are ours.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "tools/cli.h"
#include "tools/command.h"
#include "tools/completions.h"

static const char *const far[] = {"--url", "--token-file", "--ca", "--cert", "--key"};

/* One function for both shells; zsh has it by bashcompinit. Words behind the command are looked for
 * until one of them is known; what wants a file is left to the shell. */
static const char head[] =
    "%s# Completion of signpost for %s; made by \"signpost completions %s\".\n"
    "%s"
    "_signpost()\n"
    "{\n"
    "\tlocal current=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
    "\tlocal at=1 command= word= words= options=\n"
    "\n"
    "\t# Options in front of the command.\n"
    "\twhile [ \"$at\" -lt \"$COMP_CWORD\" ]; do\n"
    "\t\tcase \"${COMP_WORDS[at]}\" in\n"
    "\t\t--url | --token-file | --ca | --cert | --key)\n"
    "\t\t\tat=$((at + 2))\n"
    "\t\t\t[ \"${COMP_WORDS[at-1]}\" = = ] && at=$((at + 1)) ;;\n"
    "\t\t-*) at=$((at + 1)) ;;\n"
    "\t\t*) break ;;\n"
    "\t\tesac\n"
    "\tdone\n"
    "\t[ \"$at\" -lt \"$COMP_CWORD\" ] && command=\"${COMP_WORDS[at]}\"\n"
    "\t[ -n \"$command\" ] && [ \"$((at + 1))\" -lt \"$COMP_CWORD\" ] && "
    "word=\"${COMP_WORDS[at+1]}\"\n"
    "\tCOMPREPLY=()\n"
    "\t# What stands behind an option that has an argument is a file, or only its owner knows it.\n"
    "\t[ \"$current\" = = ] && current=\n"
    "\t[ \"$before\" = = ] && before=\"${COMP_WORDS[COMP_CWORD-2]}\"\n"
    "\tcase \"$before\" in\n"
    "\t--token-file | --ca | --cert | --key | --conf | --socket | --plan | --macros | -x | -S)\n"
    "\t\tCOMPREPLY=($(compgen -f -- \"$current\"))\n"
    "\t\treturn ;;\n"
    "\tesac\n"
    "\tcase \"$command\" in\n";

static const char tail[] = "\tesac\n"
			   "\tcase \"$current\" in\n"
			   "\t-*) COMPREPLY=($(compgen -W \"$options\" -- \"$current\")) ;;\n"
			   "\t*)\n"
			   "\t\tif [ -n \"$word\" ] || [ -z \"$words\" ]; then\n"
			   "\t\t\tCOMPREPLY=($(compgen -f -- \"$current\"))\n"
			   "\t\telse\n"
			   "\t\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
			   "\t\tfi ;;\n"
			   "\tesac\n"
			   "}\n"
			   "complete -F _signpost signpost\n";

static void
print_commands(const struct command *commands, size_t count)
{
	printf("\t'')\n\t\twords='help");
	for (size_t i = 0; i < count; i++)
		printf(" %s", commands[i].name);
	printf("'\n\t\toptions='--help --version");
	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++)
		printf(" %s=", far[i]);
	printf("' ;;\n\thelp)\n\t\twords='");
	for (size_t i = 0; i < count; i++)
		printf("%s%s", i > 0 ? " " : "", commands[i].name);
	printf("' ;;\n");
}

static void
print_words(const char *command, const struct command *(*of)(size_t *count_out))
{
	size_t count;
	const struct command *words = of(&count);

	printf("\t%s)\n\t\twords='", command);
	for (size_t i = 0; i < count; i++)
		printf("%s%s", i > 0 ? " " : "", words[i].name);
	printf("' ;;\n");
}

int
completions_print(
    const char *program, const char *shell, const struct command *commands, size_t count)
{
	bool zsh = strcmp(shell, "zsh") == 0;

	if (!zsh && strcmp(shell, "bash") != 0) {
		cli_say(program, "\"%s\" is no shell that is known: bash or zsh", shell);
		return EX_USAGE;
	}
	printf(head, zsh ? "#compdef signpost\n" : "", shell, shell,
	    zsh ? "autoload -U +X bashcompinit && bashcompinit\n" : "");
	print_commands(commands, count);
	for (size_t i = 0; i < count; i++)
		completions_of_command(commands[i].name);
	print_words("export", export_words);
	print_words("import", import_words);
	print_words("store", store_words);
	printf("\tcompletions)\n\t\twords='bash zsh' ;;\n");
	fputs(tail, stdout);
	return EX_OK;
}
