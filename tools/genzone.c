/*
 * genzone.c - signpost genzone: the records of all keys of a KeyTable, as a zone file or as input
 * for nsupdate.
 * Operators and their scripts call it, also by the name opendkim-genzone. It must never put half a
 * record into a zone, nor replace a zone file by one from which a key is missing.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

#include "lib/dkim/address.h"
#include "tools/cli.h"
#include "tools/command.h"
#include "tools/genzone.h"
#include "tools/keywalk.h"

enum long_only { OPT_HELP = 256 };

static const char short_options[] = "C:d:DE:FMN:o:r:R:sSt:T:uvVx:";

static const struct option long_options[] = {
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void
print_usage(FILE *to, const char *program)
{
	fprintf(to, "%s: usage: %s [OPTION]... [DATASET]\n", program, program);
	fputs("Writes the DNS records of all keys of a KeyTable.\n"
	      "\t-C user@host	contact address of the SOA record\n"
	      "\t-d domain   	only keys of this domain\n"
	      "\t-D          	add \"._domainkey\" to the names\n"
	      "\t-E secs     	expiration time of the SOA record [604800]\n"
	      "\t-F          	full names: \"._domainkey\" and the domain\n"
	      "\t-M          	the keys are for mail only (s=email)\n"
	      "\t-N ns[,...] 	name servers, for NS records and the SOA record\n"
	      "\t-o file     	write to this file, whole or not at all\n"
	      "\t-r secs     	refresh time of the SOA record [10800]\n"
	      "\t-R secs     	retry time of the SOA record [1800]\n"
	      "\t-s          	with -d, subdomains too\n"
	      "\t-S          	an SOA record at the top\n"
	      "\t-t secs     	TTL of every record\n"
	      "\t-T secs     	default TTL in the SOA record [86400]\n"
	      "\t-u          	input for nsupdate instead of a zone file\n"
	      "\t-v          	tell more\n"
	      "\t-V          	print the version\n"
	      "\t-x conffile 	configuration whose KeyTable is used without DATASET\n",
	    to);
}

/* ---- options ---- */

static bool
take_seconds(struct genzone *request, int option)
{
	uint32_t value;

	if (!cli_seconds(request->program, (char)option, optarg, &value))
		return false;
	switch (option) {
	case 'E':
		request->expire_s = value;
		break;
	case 'r':
		request->refresh_s = value;
		break;
	case 'R':
		request->retry_s = value;
		break;
	case 't':
		request->ttl_s = value;
		request->ttl_set = true;
		break;
	default:
		request->default_ttl_s = value;
		break;
	}
	return true;
}

static bool
take_switch(struct genzone *request, int option)
{
	switch (option) {
	case 'D':
		request->suffix = true;
		return true;
	case 'F':
		request->full_name = true;
		return true;
	case 'M':
		request->mail_only = true;
		return true;
	case 's':
		request->subdomains = true;
		return true;
	case 'S':
		request->soa = true;
		return true;
	case 'u':
		request->update = true;
		return true;
	case 'v':
		request->verbose++;
		return true;
	default:
		return false;
	}
}

static enum cli_answer
take_option(struct genzone *request, int option)
{
	switch (option) {
	case 'C':
		request->contact = optarg;
		return CLI_GO_ON;
	case 'd':
		request->domain = optarg;
		return CLI_GO_ON;
	case 'N':
		request->name_servers = optarg;
		return CLI_GO_ON;
	case 'o':
		request->output = optarg;
		return CLI_GO_ON;
	case 'x':
		request->conf_path = optarg;
		return CLI_GO_ON;
	case 'E':
	case 'r':
	case 'R':
	case 't':
	case 'T':
		return take_seconds(request, option) ? CLI_GO_ON : CLI_WRONG;
	case 'V':
		printf("%s v%s\n", request->program, PACKAGE_VERSION);
		return CLI_DONE;
	case OPT_HELP:
		print_usage(stdout, request->program);
		return CLI_DONE;
	default:
		if (take_switch(request, option))
			return CLI_GO_ON;
		print_usage(stderr, request->program);
		return CLI_WRONG;
	}
}

static enum cli_answer
read_options(struct genzone *request, int argc, char **argv)
{
	enum cli_answer answer = CLI_GO_ON;
	int option;

	while (answer == CLI_GO_ON &&
	       (option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1)
		answer = take_option(request, option);
	if (answer != CLI_GO_ON)
		return answer;
	if (argc - optind > 1) {
		print_usage(stderr, request->program);
		return CLI_WRONG;
	}
	if (!genzone_names_fit(request))
		return CLI_WRONG;
	if (optind < argc)
		request->dataset = argv[optind];
	if (request->domain != NULL && !domain_is_valid(span_str(request->domain))) {
		cli_say(
		    request->program, "-d: \"%s\" is not the name of a domain", request->domain);
		return CLI_WRONG;
	}
	return CLI_GO_ON;
}

/* ---- the walk ---- */

static bool
wanted(const struct genzone *request, struct span domain)
{
	struct span only = span_str(request->domain);

	if (only.n == 0 || span_ieq(domain, only))
		return true;
	return request->subdomains && domain_is_within(domain, only);
}

static bool
visit(void *context, struct keywalk_key *key)
{
	struct genzone_records *records = context;
	const struct genzone *request = records->request;

	if (key->open) {
		cli_say(request->program,
		    "key '%.*s' (%s line %u) left out: %s; give the domain with -d",
		    SPAN_ARG(key->name), key->where, key->line, key->why);
		records->failed += key->unknown;
		return true;
	}
	if (key->domain.n > 0 && !wanted(request, key->domain)) {
		if (request->verbose > 1)
			cli_say(request->program, "key '%.*s' skipped", SPAN_ARG(key->name));
		return true;
	}
	if (request->verbose > 0 && key->warning[0] != '\0')
		cli_say(request->program, "warning: %s", key->warning);
	if (key->key == NULL) {
		cli_say(request->program, "key '%.*s' left out: %s", SPAN_ARG(key->name), key->why);
		records->failed++;
	} else {
		genzone_record_add(records, key);
		if (request->verbose > 2)
			cli_say(request->program, "key '%.*s' loaded", SPAN_ARG(key->name));
	}
	return true;
}

static int
write_output(const struct genzone *request, struct genzone_records *records, struct buf *text)
{
	struct err err = ERR_NONE;

	genzone_write(records, text);
	if (buf_status(text) != ST_OK) {
		cli_say(request->program, "the output is bigger than %u octets", GENZONE_BYTES_MAX);
		return 1;
	}
	if (request->output == NULL) {
		return fwrite(text->p, 1, text->n, stdout) == text->n && fflush(stdout) == 0 ? 0
											     : 1;
	}
	if (records->failed > 0) {
		cli_say(request->program, "%s is left as it was, because keys are missing",
		    request->output);
		return 1;
	}
	if (cli_write_file(request->output, buf_span(text), &err) == ST_OK)
		return 0;
	cli_say(request->program, "%s", err.text);
	return 1;
}

static int
generate(const struct genzone *request, const struct conf *conf)
{
	const struct keywalk_options options = {
	    .conf = conf, .dataset = request->dataset, .domain = request->domain};
	struct genzone_records records = {.request = request};
	struct err err = ERR_NONE;
	struct buf text;
	int exit_code = 1;

	if (keywalk_run(&options, visit, &records, &err) != ST_OK) {
		cli_say(request->program, "%s", err.text);
		genzone_records_free(&records);
		return 1;
	}
	buf_init(&text, GENZONE_BYTES_MAX);
	genzone_records_settle(&records);
	exit_code = write_output(request, &records, &text);
	if (request->verbose > 0)
		cli_say(request->program, "%zu record%s written", records.written,
		    records.written == 1 ? "" : "s");
	if (records.failed > 0)
		exit_code = 1;
	buf_free(&text);
	genzone_records_free(&records);
	return exit_code;
}

int
genzone_run(const char *program, int argc, char **argv)
{
	struct genzone request = {.program = program,
	    .expire_s = 604800,
	    .refresh_s = 10800,
	    .retry_s = 1800,
	    .default_ttl_s = 86400};
	enum cli_answer answer = read_options(&request, argc, argv);
	struct conf *conf;
	int exit_code;

	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? 0 : EX_USAGE;
	if (key_memory_secure() != ST_OK) {
		cli_say(program, "there is no protected memory for keys");
		return EX_OSERR;
	}
	conf = cli_conf(program, request.conf_path);
	if (conf == NULL)
		return EX_CONFIG;
	if (request.dataset == NULL && conf_string(conf, CONF_KEY_TABLE) == NULL) {
		print_usage(stderr, program);
		exit_code = EX_USAGE;
	} else {
		exit_code = generate(&request, conf);
	}
	conf_free(conf);
	return exit_code;
}
