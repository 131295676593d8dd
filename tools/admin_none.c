/*
 * admin_none.c - the sub-commands that speak to signpost-admind, in a build without it.
 * Called by admin_commands.c in place of admin.c. It must never pretend that anything was done.
 */
#include "config.h"

#include <sysexits.h>

#include "tools/cli.h"
#include "tools/command.h"
#include "tools/completions.h"
#include "tools/zone.h"

void
completions_of_command(const char *command)
{
	(void)command;
}

static int
refuse(const char *program)
{
	cli_say(program,
	    "this build was configured --without-admin: it has no signpost-admind, and "
	    "nothing that speaks to it");
	return EX_UNAVAILABLE;
}

int
import_run(const char *program, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return refuse(program);
}

const struct command *
import_words(size_t *count_out)
{
	*count_out = 0;
	return NULL;
}

int
zone_admin_keys(struct zone_job *job)
{
	cli_say(job->wanted->program, "--admin: this build was configured --without-admin");
	return EX_UNAVAILABLE;
}

int
admin_run(const char *program, const char *command, int argc, char **argv)
{
	(void)command;
	(void)argc;
	(void)argv;
	return refuse(program);
}
