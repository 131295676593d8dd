/*
 * testkey.c - signpost testkey: is the public half of the key that signs in DNS?
 * Operators and their monitoring call it, also by the name opendkim-testkey. It must never print
 * anything of a private key, nor answer 0 when a key was not seen to be right.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/dkim/address.h"
#include "tools/cli.h"
#include "tools/command.h"
#include "tools/keywalk.h"
#include "tools/testkey.h"

#define NAME_BYTES_MAX 600

enum long_only { OPT_HELP = 256, OPT_NAMESERVER, OPT_DNS_FILE, OPT_JSON };

static const char short_options[] = "d:k:s:vVx:";

static const struct option long_options[] = {
    {"dns-file", required_argument, NULL, OPT_DNS_FILE},
    {"help", no_argument, NULL, OPT_HELP},
    {"json", no_argument, NULL, OPT_JSON},
    {"nameserver", required_argument, NULL, OPT_NAMESERVER},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void
print_usage(FILE *to, const char *program)
{
	fprintf(to, "%s: usage: %s [OPTION]...\n", program, program);
	fputs("Compares private keys with the records in DNS: one, or all of a KeyTable.\n"
	      "\t-d domain   	domain name\n"
	      "\t-k keypath  	path to the private key\n"
	      "\t-s selector 	selector\n"
	      "\t-v          	tell more; twice, three times: still more\n"
	      "\t-V          	print the version\n"
	      "\t-x conffile 	configuration file\n"
	      "\t--dns-file=FILE	answers in place of DNS: lines NAME RECORD\n"
	      "\t--json      	one JSON object for each key\n"
	      "\t--nameserver=ADDRESS	ask this server\n",
	    to);
}

static enum cli_answer
take_option(struct testkey *request, int option)
{
	switch (option) {
	case 'd':
		request->domain = optarg;
		request->single = true;
		return CLI_GO_ON;
	case 'k':
		request->key_path = optarg;
		request->single = true;
		return CLI_GO_ON;
	case 's':
		request->selector = optarg;
		request->single = true;
		return CLI_GO_ON;
	case 'v':
		request->verbose++;
		return CLI_GO_ON;
	case 'x':
		request->conf_path = optarg;
		return CLI_GO_ON;
	case OPT_NAMESERVER:
		request->dns.nameservers = optarg;
		return CLI_GO_ON;
	case OPT_DNS_FILE:
		request->dns.answers_file = optarg;
		return CLI_GO_ON;
	case OPT_JSON:
		request->json = true;
		return CLI_GO_ON;
	case 'V':
		printf("%s v%s\n", request->program, PACKAGE_VERSION);
		return CLI_DONE;
	case OPT_HELP:
		print_usage(stdout, request->program);
		return CLI_DONE;
	default:
		print_usage(stderr, request->program);
		return CLI_WRONG;
	}
}

static enum cli_answer
read_options(struct testkey *request, int argc, char **argv)
{
	enum cli_answer answer = CLI_GO_ON;
	int option;

	while (answer == CLI_GO_ON &&
	       (option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1)
		answer = take_option(request, option);
	if (answer == CLI_GO_ON && optind < argc) {
		print_usage(stderr, request->program);
		answer = CLI_WRONG;
	}
	return answer;
}

const char *
testkey_security(enum dns_security security)
{
	switch (security) {
	case DNS_INSECURE:
		return "not secure";
	case DNS_SECURE:
		return "secure";
	case DNS_BOGUS:
		return "bogus (DNSSEC failed)";
	case DNS_UNKNOWN:
		break;
	}
	return NULL;
}

void
testkey_print_json(struct span keyname, struct span name, const struct keycheck *check)
{
	static const char *const results[] = {"ok", "mismatch", "record", "dns", "key"};
	static const char *const securities[] = {"unknown", "insecure", "secure", "bogus"};
	struct buf line;

	buf_init(&line, 65536);
	buf_add_str(&line, "{\"key\":");
	cli_json_string(&line, keyname);
	buf_add_str(&line, ",\"name\":");
	cli_json_string(&line, name);
	buf_add_fmt(&line,
	    ",\"result\":\"%s\",\"dnssec\":\"%s\",\"reason\":", results[check->verdict],
	    securities[check->security]);
	cli_json_string(&line, span_str(check->text));
	buf_add_str(&line, ",\"warning\":");
	cli_json_string(&line, span_str(check->weak));
	buf_add_str(&line, "}\n");
	fputs(buf_text(&line), stdout);
	buf_free(&line);
}

/* ---- one key ---- */

static int
report_single(const struct testkey *request, struct span name, const struct keycheck *check)
{
	const char *security = testkey_security(check->security);

	if (request->json)
		testkey_print_json(SPAN_EMPTY, name, check);
	if (security != NULL && (request->verbose > 0 || check->security == DNS_BOGUS))
		cli_say(request->program, "key %s", security);
	if (check->weak[0] != '\0')
		cli_say(request->program, "warning: %s", check->weak);
	switch (check->verdict) {
	case KEYCHECK_OK:
		if (request->verbose > 2 && !request->json)
			cli_tell(request->program, "key OK");
		return EX_OK;
	case KEYCHECK_MISMATCH:
		if (!request->json)
			cli_tell(request->program, "%s", check->text);
		return EX_DATAERR;
	default:
		cli_say(request->program, "%s", check->text);
		return EX_UNAVAILABLE;
	}
}

static int
check_name(const struct testkey *request, struct key *key, struct dnsclient *dns)
{
	char name[NAME_BYTES_MAX];
	struct dns_answer answer;
	struct keycheck check;

	snprintf(name, sizeof(name), "%s._domainkey.%s", request->selector, request->domain);
	if (!domain_is_valid(span_str(name))) {
		cli_say(request->program, "'%s' is no name that DNS can have", name);
		return EX_CONFIG;
	}
	if (request->verbose > 1)
		cli_say(request->program, "checking key '%s'", name);
	answer = dnsclient_txt(dns, span_str(name));
	keycheck_judge(&answer, span_str(name), key, &check);
	return report_single(request, span_str(name), &check);
}

static int
check_single(const struct testkey *request, struct dnsclient *dns)
{
	struct err warning = ERR_NONE, err = ERR_NONE;
	struct key *key = NULL;
	int exit_code;

	if (request->key_path != NULL) {
		if (keywalk_load(request->key_path, &key, &warning, &err) != ST_OK) {
			cli_say(request->program, "%s", err.text);
			return EX_OSERR;
		}
		if (warning.text[0] != '\0')
			cli_say(request->program, "WARNING: %s", warning.text);
		if (request->verbose > 1)
			cli_say(request->program, "key loaded from %s", request->key_path);
	}
	exit_code = check_name(request, key, dns);
	key_free(key);
	return exit_code;
}

/* ---- which of the two ---- */

/* What the command line leaves open, the configuration says. */
static void
fill_from_conf(struct testkey *request, const struct conf *conf)
{
	if (request->domain == NULL)
		request->domain = conf_string(conf, CONF_DOMAIN);
	if (request->selector == NULL)
		request->selector = conf_string(conf, CONF_SELECTOR);
	if (request->key_path == NULL)
		request->key_path = conf_string(conf, CONF_KEY_FILE);
}

static int
run(struct testkey *request, const struct conf *conf)
{
	bool table = !request->single && conf_string(conf, CONF_KEY_TABLE) != NULL;
	struct err err = ERR_NONE;
	struct dnsclient dns;
	int exit_code;

	if (!table) {
		fill_from_conf(request, conf);
		if (request->domain == NULL || request->selector == NULL) {
			print_usage(stderr, request->program);
			return EX_CONFIG;
		}
	}
	if (dnsclient_open(&dns, conf, &request->dns, &err) != ST_OK) {
		cli_say(request->program, "%s", err.text);
		return EX_CONFIG;
	}
	exit_code = table ? testkey_table(request, conf, &dns) : check_single(request, &dns);
	dnsclient_close(&dns);
	return exit_code;
}

int
testkey_run(const char *program, int argc, char **argv)
{
	struct testkey request = {.program = program};
	enum cli_answer answer = read_options(&request, argc, argv);
	struct conf *conf;
	int exit_code;

	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EX_CONFIG;
	if (key_memory_secure() != ST_OK) {
		cli_say(program, "there is no protected memory for keys");
		return EX_OSERR;
	}
	conf = cli_conf(program, request.conf_path);
	if (conf == NULL)
		return EX_CONFIG;
	exit_code = run(&request, conf);
	conf_free(conf);
	return exit_code;
}
