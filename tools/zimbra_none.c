/*
 * zimbra_none.c - signpost zimbra in a build without libldap or without signpost-admind.
 * Called by signpost.c in place of zimbra.c. It must never pretend that anything was done.
 */
#include "config.h"

#include <sysexits.h>

#include "tools/cli.h"
#include "tools/command.h"

int
zimbra_run(const char *program, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cli_say(program, "this build was configured without libldap, or --without-admin: it cannot "
			 "look after the keys of Zimbra");
	return EX_UNAVAILABLE;
}
