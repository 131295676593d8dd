/*
 * completions.h - signpost completions: the scripts for shells. Main thread only.
 */
#ifndef SIGNPOST_TOOLS_COMPLETIONS_H
#define SIGNPOST_TOOLS_COMPLETIONS_H

#include <stddef.h>

#include "tools/command.h"

/* Prints the script for "bash" or "zsh" to stdout; an exit status. */
int completions_print(
    const char *program, const char *shell, const struct command *commands, size_t count);
/* Prints the branch of a "case" for a command that speaks to signpost-admind: its words, and their
 * options. Of the others, and in a build without it, nothing. */
void completions_of_command(const char *command);

#endif
