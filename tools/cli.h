/*
 * cli.h - what the sub-commands that stand in for OpenDKIM's tools share: the configuration, the
 * way to complain, JSON strings. Main thread only.
 */
#ifndef SIGNPOST_TOOLS_CLI_H
#define SIGNPOST_TOOLS_CLI_H

#include "lib/base/buf.h"
#include "lib/conf/conf.h"

/* What reading options came to. */
enum cli_answer { CLI_GO_ON, CLI_DONE, CLI_WRONG };

/* One option of a sub-command: a switch sets a bool of the request, an option with an argument a
 * const char * (borrowed from argv). */
struct cli_option {
	const char *name;     /* --name */
	char letter;          /* -l, or 0 */
	const char *argument; /* what the help calls it; NULL: a switch */
	const char *help;
	size_t offset; /* in the request */
};

#define CLI_OPTIONS_MAX 24

struct cli_usage {
	const char *words;   /* what follows the options: "FILE" */
	const char *purpose; /* one line */
	const struct cli_option *options;
	size_t count; /* at most CLI_OPTIONS_MAX */
};

/* Reads the options of usage into *request; optind is then behind them. Every sub-command has
 * --help and --version (CLI_DONE). CLI_WRONG: said. */
enum cli_answer cli_options(
    const char *program, const struct cli_usage *usage, int argc, char **argv, void *request);

/* "PROGRAM: ...\n" to stderr; octets that are not printable ASCII become \xNN. */
void cli_say(const char *program, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same to stdout. */
void cli_tell(const char *program, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Makes descriptors 0 to 2 exist, so that no file or socket that is opened later takes the place of
 * one that the caller had closed, and stdout's lines go there. First thing of the program. */
void cli_begin(void);
/* exit_code, or EX_IOERR in place of EX_OK when not all of stdout could be written (said). Last
 * thing of the program. */
int cli_end(const char *program, int exit_code);

/* Reads path, or without one the file that the daemon would read (opendkim's when program is an
 * OpenDKIM tool's name), or nothing when that is not there. Faults are printed. NULL: the
 * configuration cannot be used (exit 78). conf_free. */
struct conf *cli_conf(const char *program, const char *path);

/* "TEXT" with quotes, escaped for JSON, in ASCII: what is UTF-8 becomes \uNNNN, another octet
 * \ufffd.
 */
void cli_json_string(struct buf *out, struct span text);

/* A number of seconds. false: a message was printed. */
bool cli_seconds(const char *program, char option, const char *text, uint32_t *seconds_out);

/* Writes a file whole or not at all: what is there under that name is replaced at the end, when
 * all is on disk, and keeps its mode; a new one gets the umask's. ST_FAILED. */
enum status cli_write_file(const char *path, struct span content, struct err *err) MUST_USE;

#endif
