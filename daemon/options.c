/*
 * options.c - opendkim's command line.
 * Called by main.c once at the start and, for the parameters, at every reload. It must never
 * accept a flag and do something else than opendkim does with it.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/options.h"
#include "lib/base/span.h"

/* A flag that is a parameter; value NULL: the flag's argument. */
struct flag {
	char letter;
	enum conf_parameter parameter;
	const char *value;
	const char *argument;
	const char *help;
};

static const struct flag flags[] = {
    {'A', CONF_AUTO_RESTART, "yes", NULL, "auto-restart"},
    {'b', CONF_MODE, NULL, "modes", "operating modes: s (sign), v (verify)"},
    {'c', CONF_CANONICALIZATION, NULL, "canon", "canonicalization to use when signing"},
    {'d', CONF_DOMAIN, NULL, "domlist", "domains to sign"},
    {'D', CONF_SUB_DOMAINS, "yes", NULL, "also sign subdomains"},
    {'k', CONF_KEY_FILE, NULL, "keyfile", "private key file"},
    {'l', CONF_SYSLOG, "yes", NULL, "log to syslog"},
    {'L', CONF_MINIMUM, NULL, "limit", "signature limit requirements"},
    {'o', CONF_OMIT_HEADERS, NULL, "hdrlist", "header fields to omit from signing"},
    {'p', CONF_SOCKET, NULL, "socket", "where to listen: inet:PORT@HOST, local:PATH, ..."},
    {'P', CONF_PID_FILE, NULL, "pidfile", "file for the process id"},
    {'r', CONF_REQUIRED_HEADERS, "yes", NULL, "require basic RFC 5322 header compliance"},
    {'s', CONF_SELECTOR, NULL, "selector", "selector to use when signing"},
    {'S', CONF_SIGNATURE_ALGORITHM, NULL, "signalg", "signature algorithm"},
    {'T', CONF_DNS_TIMEOUT, NULL, "timeout", "DNS time limit in seconds"},
    {'u', CONF_USER_ID, NULL, "userid", "run as this user[:group]"},
    {'W', CONF_LOG_WHY, "yes", NULL, "log why a message is signed or not"},
};

static void
usage(const char *program)
{
	fprintf(stderr, "%s: usage: %s -p socket [options]\n", program, program);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		fprintf(stderr, "\t-%c %-10s\t%s\n", flags[i].letter,
		    flags[i].argument == NULL ? "" : flags[i].argument, flags[i].help);
	fputs("\t-e name     \tprint the value of a parameter and exit\n"
	      "\t-f          \tstay in the foreground\n"
	      "\t-F time     \tfixed time of signatures (tests)\n"
	      "\t-n          \tcheck the configuration and exit\n"
	      "\t-Q          \tquery a data set (standard input)\n"
	      "\t-t file     \tverify the messages in these files\n"
	      "\t-v          \tmore words while testing\n"
	      "\t-V          \tprint the version and exit\n"
	      "\t-x conffile \tread the configuration from this file\n",
	    stderr);
}

static bool
set(struct options *options, const struct flag *flag, const char *argument)
{
	size_t i = options->setting_count;

	if (i == OPTIONS_SETTINGS_MAX) {
		fprintf(stderr, "%s: too many options\n", options->program);
		return false;
	}
	options->settings[i].parameter = flag->parameter;
	options->settings[i].value = flag->value != NULL ? flag->value : argument;
	options->settings[i].origin[0] = '-';
	options->settings[i].origin[1] = flag->letter;
	options->settings[i].origin[2] = '\0';
	options->setting_count++;
	return true;
}

static bool
set_time(struct options *options, const char *text)
{
	uint64_t value;

	if (!span_number(span_str(text), INT64_MAX, &value)) {
		fprintf(
		    stderr, "%s: -F: \"%s\" is not a time in seconds\n", options->program, text);
		return false;
	}
	options->fixed_time_utc = (int64_t)value;
	return true;
}

/* Flags that are no parameters. */
static bool
take(struct options *options, int letter, const char *argument)
{
	switch (letter) {
	case 'e':
		options->show = argument;
		return true;
	case 'f':
		options->foreground = true;
		return true;
	case 'F':
		return set_time(options, argument);
	case 'n':
		options->check_only = true;
		return true;
	case 'Q':
		options->query = true;
		return true;
	case 't':
		options->test_files = argument;
		return true;
	case 'v':
		options->verbose++;
		return true;
	case 'V':
		options->version = true;
		return true;
	case 'x':
		options->conf_path = argument;
		options->conf_named = true;
		return true;
	case 'X':
		return true; /* accepted for old start scripts; there is nothing to tolerate */
	default:
		usage(options->program);
		return false;
	}
}

static bool
take_any(struct options *options, int letter, const char *argument)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (flags[i].letter == letter)
			return set(options, &flags[i], argument);
	return take(options, letter, argument);
}

/* What opendkim would read without -x: its own file when called by its name. */
static const char *
default_conf(const char *program)
{
	static const char *const own[] = {
	    SYSCONFDIR "/signpost/signpostd.conf", SYSCONFDIR "/signpostd.conf", NULL};
	static const char *const opendkim[] = {
	    SYSCONFDIR "/opendkim.conf", "/etc/opendkim.conf", NULL};
	const char *const *paths = strcmp(program, "opendkim") == 0 ? opendkim : own;

	for (; *paths != NULL; paths++)
		if (access(*paths, R_OK) == 0)
			return *paths;
	return NULL;
}

bool
options_parse(int argc, char **argv, struct options *out)
{
	const char *slash = strrchr(argv[0], '/');
	int letter;

	*out =
	    (struct options){.program = slash == NULL ? argv[0] : slash + 1, .fixed_time_utc = -1};
	while ((letter = getopt(argc, argv, "Ab:c:d:De:fF:k:lL:no:p:P:Qrs:S:t:T:u:vVWx:X")) != -1)
		if (!take_any(out, letter, optarg))
			return false;
	if (optind < argc) {
		usage(out->program);
		return false;
	}
	if (out->conf_path == NULL)
		out->conf_path = default_conf(out->program);
	return true;
}

enum status
options_load(const struct options *options, struct conf *conf, struct conf_report *report)
{
	enum status status = ST_OK;

	if (options->conf_path != NULL)
		status = conf_load(conf, options->conf_path, report);
	for (size_t i = 0; i < options->setting_count; i++) {
		enum status each = conf_set(conf, options->settings[i].parameter,
		    options->settings[i].value, options->settings[i].origin, report);

		if (status == ST_OK)
			status = each;
	}
	return status;
}
