/*
 * command.h - the sub-commands of signpost(1). Each is one file with one function; the table is
 * in signpost.c.
 */
#ifndef SIGNPOST_TOOLS_COMMAND_H
#define SIGNPOST_TOOLS_COMMAND_H

#include <stddef.h>

struct command {
	const char *name;         /* what the operator types after "signpost" */
	const char *drop_in_name; /* program name that means the same (argv[0]), or NULL */
	/* program: the name for messages and usage ("signpost genkey"). argv[0] is the
	 * sub-command's name; options follow. Answers the exit status. Main thread only. */
	int (*run)(const char *program, int argc, char **argv);
	const char *help; /* one line for signpost --help */
};

/* Runs argv[1], a word of a sub-command with words; its exit status. */
int command_run_word(
    const char *program, const struct command *words, size_t count, int argc, char **argv);

/* Makes a key pair: SELECTOR.private and SELECTOR.txt. Exit status 0 or 1, as opendkim-genkey. */
int genkey_run(const char *program, int argc, char **argv);

/* Compares private keys with what is published. Exit status: the man page lists them. */
int testkey_run(const char *program, int argc, char **argv);

/* Signs or verifies a message. */
int testmsg_run(const char *program, int argc, char **argv);

/* The records of a KeyTable as a zone file or as input for nsupdate. */
int genzone_run(const char *program, int argc, char **argv);

/* Makes, fills, checks and seals key stores, and makes site key files. */
int store_run(const char *program, int argc, char **argv);

/* Its words; static. */
const struct command *store_words(size_t *count_out);

/* Brings keys, domains and rules of other signers into the store, and writes them for one. */
int import_run(const char *program, int argc, char **argv);
int export_run(const char *program, int argc, char **argv);
/* Their words; static. */
const struct command *import_words(size_t *count_out);
const struct command *export_words(size_t *count_out);

/* What would sign for a sender, and why. */
int resolve_run(const char *program, int argc, char **argv);

/* Sums a report of shadow mode up. 0: all alike; 1: not; 65: nothing, or not all, could be read. */
int shadow_run(const char *program, int argc, char **argv);

/* What a shell has to know to complete all this. */
int completions_run(const char *program, int argc, char **argv);

/* Audits what a domain publishes: DKIM keys, SPF, DMARC. */
int check_run(const char *program, int argc, char **argv);

/* The records that a domain needs, in the notation of where they are put. */
int zone_run(const char *program, int argc, char **argv);

/* What speaks to signpost-admind: domains, keys and the rest of their administration. */
int bulk_run(const char *program, int argc, char **argv);
int events_run(const char *program, int argc, char **argv);
int operations_run(const char *program, int argc, char **argv);
int unsigned_run(const char *program, int argc, char **argv);
int verify_run(const char *program, int argc, char **argv);
int domain_run(const char *program, int argc, char **argv);
int drift_run(const char *program, int argc, char **argv);
int emergency_run(const char *program, int argc, char **argv);
int explain_run(const char *program, int argc, char **argv);
int gateway_run(const char *program, int argc, char **argv);
int key_run(const char *program, int argc, char **argv);
int policy_run(const char *program, int argc, char **argv);
int provider_run(const char *program, int argc, char **argv);
int rotate_run(const char *program, int argc, char **argv);
int rotation_run(const char *program, int argc, char **argv);
int rules_run(const char *program, int argc, char **argv);
int status_run(const char *program, int argc, char **argv);
int tenant_run(const char *program, int argc, char **argv);
int token_run(const char *program, int argc, char **argv);
int audit_run(const char *program, int argc, char **argv);
/* The word of it that reads the store by itself: 0; 65: the chain is broken. */
int audit_verify_run(const char *program, int argc, char **argv);
/* Zimbra's zmdkimkeyutil. Exit status: the man page lists them. */
int zimbra_run(const char *program, int argc, char **argv);
/* Any of them; command: its name. */
int admin_run(const char *program, const char *command, int argc, char **argv);

#endif
