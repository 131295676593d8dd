/*
 * admin_commands.c - the names of the sub-commands that speak to signpost-admind.
 * Called by signpost.c. Each is a word of the table in admin_words.c; nothing is done here.
 * But for "audit verify", which does not ask it.
 */
#include <stdio.h>
#include <string.h>

#include "tools/command.h"

int
audit_run(const char *program, int argc, char **argv)
{
	char name[96];

	if (argc < 2 || strcmp(argv[1], "verify") != 0)
		return admin_run(program, "audit", argc, argv);
	snprintf(name, sizeof(name), "%s verify", program);
	return audit_verify_run(name, argc - 1, argv + 1);
}

int
bulk_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "bulk", argc, argv);
}

int
domain_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "domain", argc, argv);
}

int
drift_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "drift", argc, argv);
}

int
emergency_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "emergency", argc, argv);
}

int
events_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "events", argc, argv);
}

int
explain_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "explain", argc, argv);
}

int
gateway_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "gateway", argc, argv);
}

int
key_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "key", argc, argv);
}

int
operations_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "operations", argc, argv);
}

int
policy_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "policy", argc, argv);
}

int
provider_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "provider", argc, argv);
}

int
rotate_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "rotate", argc, argv);
}

int
rotation_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "rotation", argc, argv);
}

int
rules_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "rules", argc, argv);
}

int
status_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "status", argc, argv);
}

int
tenant_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "tenant", argc, argv);
}

int
token_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "token", argc, argv);
}

int
unsigned_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "unsigned", argc, argv);
}

int
verify_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "verify", argc, argv);
}
