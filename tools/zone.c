/*
 * zone.c - signpost zone: the records that a mail server's domain needs, ready to be put into DNS.
 * Operators call it, once for each domain. It must never print records when one of them would harm
 * the domain's mail.
 */
#include "config.h"

#include <stdio.h>
#include <sysexits.h>

#include "lib/crypto/key.h"
#include "lib/dkim/address.h"
#include "tools/command.h"
#include "tools/zone.h"

#define ARENA_BYTES 65536
#define OUTPUT_BYTES_MAX (16U << 20)

struct request {
	struct zone_wanted wanted;
	struct dnsclient_options dns;
	enum zone_notation notation;
};

enum long_only { OPT_HELP = 256, OPT_NAMESERVER, OPT_DNS_FILE, OPT_FORMAT, OPT_OFFLINE };

static const struct option long_options[] = {
    {"dns-file", required_argument, NULL, OPT_DNS_FILE},
    {"format", required_argument, NULL, OPT_FORMAT},
    {"help", no_argument, NULL, OPT_HELP},
    {"nameserver", required_argument, NULL, OPT_NAMESERVER},
    {"offline", no_argument, NULL, OPT_OFFLINE},
    {"version", no_argument, NULL, 'V'},
    ZONE_LONG_OPTIONS,
    {NULL, 0, NULL, 0},
};

static void
print_usage(FILE *to, const char *program)
{
	fprintf(to, "usage: %s [OPTION]... DOMAIN\n", program);
	fprintf(to,
	    "Prints the DKIM, SPF and DMARC records that a domain needs.\n"
	    "  -V, --version                print the version\n"
	    "  -x CONF                      keys and resolver of this configuration\n"
	    "      --dns-file=FILE          answers in place of DNS: lines NAME RECORD\n"
	    "      --format=NOTATION        bind, nsupdate, powerdns, powerdns-json, route53,\n"
	    "                               form, json [bind]\n"
	    "      --help                   this text\n"
	    "      --nameserver=ADDRESS     ask this server\n"
	    "      --offline                ask no DNS; needs --zone\n"
	    "%s",
	    zone_options_help);
}

static enum cli_answer
take_option(struct request *request, int option)
{
	if (option >= ZONE_OPTION_FIRST)
		return zone_option_take(&request->wanted, option);
	switch (option) {
	case 'x':
		request->wanted.conf_path = optarg;
		return CLI_GO_ON;
	case OPT_NAMESERVER:
		request->dns.nameservers = optarg;
		return CLI_GO_ON;
	case OPT_DNS_FILE:
		request->dns.answers_file = optarg;
		return CLI_GO_ON;
	case OPT_OFFLINE:
		request->wanted.offline = true;
		return CLI_GO_ON;
	case OPT_FORMAT:
		if (zone_notation_by_name(span_str(optarg), &request->notation) == ST_OK)
			return CLI_GO_ON;
		cli_say(request->wanted.program,
		    "--format: \"%s\" is not bind, nsupdate, powerdns, powerdns-json, route53, "
		    "form or json",
		    optarg);
		return CLI_WRONG;
	case 'V':
		printf("%s v%s\n", request->wanted.program, PACKAGE_VERSION);
		return CLI_DONE;
	case 'h':
	case OPT_HELP:
		print_usage(stdout, request->wanted.program);
		return CLI_DONE;
	default:
		print_usage(stderr, request->wanted.program);
		return CLI_WRONG;
	}
}

/* What there is nothing to do about is not said. */
static void
say_findings(const char *program, const struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->items[i];

		if (finding->severity != SEVERITY_OK)
			cli_say(program, "%s: %s: %s", severity_name(finding->severity),
			    finding->about, finding->text);
	}
}

static int
print_records(const struct request *request, const struct zone_job *job)
{
	const char *program = request->wanted.program;
	struct err err = ERR_NONE;
	struct buf out;
	int exit_code = EX_OK;

	say_findings(program, &job->check->findings);
	if (job->check->findings.errors > 0) {
		cli_say(program, "no records are printed, because of the errors above");
		return job->check->unavailable > 0 ? EX_UNAVAILABLE : EX_DATAERR;
	}
	buf_init(&out, OUTPUT_BYTES_MAX);
	if (zone_records_write(&job->records, request->notation, &out, &err) != ST_OK) {
		cli_say(program, "%s", err.text);
		exit_code = EX_UNAVAILABLE;
	} else {
		fwrite(out.p, 1, out.n, stdout);
	}
	buf_free(&out);
	return exit_code;
}

static int
make_and_print(const struct request *request, const struct conf *conf, struct span domain)
{
	struct domain_check check = {.domain = domain, .findings = FINDINGS_NONE};
	struct zone_job job = {.wanted = &request->wanted, .conf = conf, .check = &check};
	struct err err = ERR_NONE;
	struct dnsclient dns;
	int exit_code;

	if (!request->wanted.offline) {
		if (dnsclient_open(&dns, conf, &request->dns, &err) != ST_OK) {
			cli_say(request->wanted.program, "%s", err.text);
			return EX_CONFIG;
		}
		check.dns = &dns;
	}
	exit_code = zone_make(&job);
	if (exit_code == EX_OK)
		exit_code = print_records(request, &job);
	if (check.dns != NULL)
		dnsclient_close(&dns);
	zone_records_free(&job.records);
	findings_free(&check.findings);
	return exit_code;
}

static int
run(const struct request *request, const char *name)
{
	const char *program = request->wanted.program;
	struct conf *conf;
	struct arena arena;
	struct span domain;
	int exit_code = EX_USAGE;

	if (key_memory_secure() != ST_OK) {
		cli_say(program, "there is no protected memory for keys");
		return EX_OSERR;
	}
	conf = cli_conf(program, request->wanted.admin ? NULL : request->wanted.conf_path);
	if (conf == NULL)
		return EX_CONFIG;
	arena_init(&arena, ARENA_BYTES);
	if (domain_normalise(span_str(name), &arena, &domain) != ST_OK)
		cli_say(program, "\"%s\" is not the name of a domain", name);
	else
		exit_code = make_and_print(request, conf, domain);
	arena_free(&arena);
	conf_free(conf);
	return cli_end(program, exit_code);
}

int
zone_run(const char *program, int argc, char **argv)
{
	struct request request = {.wanted = {.program = program}, .notation = ZONE_BIND};
	enum cli_answer answer = CLI_GO_ON;
	int option;

	while (answer == CLI_GO_ON &&
	       (option = getopt_long(argc, argv, "hVx:", long_options, NULL)) != -1)
		answer = take_option(&request, option);
	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EX_USAGE;
	if (argc - optind != 1) {
		print_usage(stderr, program);
		return EX_USAGE;
	}
	return run(&request, argv[optind]);
}
