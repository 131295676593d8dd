/*
 * options.h - the command line of signpostd: opendkim's flags. Most set a parameter, which then
 * wins over the file, also after a reload.
 */
#ifndef SIGNPOST_DAEMON_OPTIONS_H
#define SIGNPOST_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/conf/conf.h"

#define OPTIONS_SETTINGS_MAX 64

struct options {
	const char *program;    /* argv[0] without its folder */
	const char *conf_path;  /* -x, or the default that is readable, or NULL */
	bool conf_named;        /* -x gave it */
	const char *show;       /* -e */
	const char *test_files; /* -t */
	bool check_only;        /* -n */
	bool query;             /* -Q */
	bool version;           /* -V */
	bool foreground;        /* -f */
	unsigned int verbose;   /* -v */
	int64_t fixed_time_utc; /* -F, or -1 */
	struct {
		enum conf_parameter parameter;
		const char *value; /* of argv, or static */
		char origin[3];    /* "-p" */
	} settings[OPTIONS_SETTINGS_MAX];
	size_t setting_count;
};

/* false: usage was printed to stderr, exit 64. Everything is borrowed from argv. */
bool options_parse(int argc, char **argv, struct options *out);

/* Reads the file (if any) and sets the flags over it. */
enum status options_load(
    const struct options *options, struct conf *conf, struct conf_report *report) MUST_USE;

#endif
