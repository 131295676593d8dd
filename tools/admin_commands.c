/*
 * admin_commands.c - the names of the sub-commands that speak to signpost-admind.
 * Called by signpost.c. Each is a word of the table in admin_words.c; nothing is done here.
 */
#include "tools/command.h"

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
policy_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "policy", argc, argv);
}

int
rotate_run(const char *program, int argc, char **argv)
{
	return admin_run(program, "rotate", argc, argv);
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
