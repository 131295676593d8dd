/*
 * check.c - signpost check: an audit of what a domain publishes for its mail.
 * Operators and their monitoring call it. It must never answer 0 when a question was not answered.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

#include "lib/crypto/key.h"
#include "lib/dkim/address.h"
#include "tools/check_domain.h"
#include "tools/cli.h"
#include "tools/command.h"
#include "tools/zone.h"

#define SELECTORS_MAX 100
#define ARENA_BYTES 65536

struct request {
	const char *program;
	const char *conf_path;
	const char *selectors[SELECTORS_MAX];
	size_t selector_count;
	struct dnsclient_options dns;
	struct zone_wanted wanted;
	bool json, compare;
};

enum long_only { OPT_HELP = 256, OPT_NAMESERVER, OPT_DNS_FILE, OPT_JSON, OPT_COMPARE };

static const char short_options[] = "hs:Vx:";

static const struct option long_options[] = {
    {"compare", no_argument, NULL, OPT_COMPARE},
    {"dns-file", required_argument, NULL, OPT_DNS_FILE},
    {"help", no_argument, NULL, OPT_HELP},
    {"json", no_argument, NULL, OPT_JSON},
    {"nameserver", required_argument, NULL, OPT_NAMESERVER},
    {"selector", required_argument, NULL, 's'},
    {"version", no_argument, NULL, 'V'},
    ZONE_LONG_OPTIONS,
    {NULL, 0, NULL, 0},
};

static void
print_usage(FILE *to, const char *program)
{
	fprintf(to, "usage: %s [OPTION]... DOMAIN\n", program);
	fputs(
	    "Audits the DKIM keys, the SPF record and the DMARC record of a domain.\n"
	    "  -s, --selector=NAME        a selector of its keys; may be given again\n"
	    "  -V, --version              print the version\n"
	    "  -x CONF                    take the resolver from this configuration\n"
	    "      --compare              compare with the records that signpost zone would make\n"
	    "      --dns-file=FILE        answers in place of DNS: lines NAME RECORD\n"
	    "      --help                 this text\n"
	    "      --json                 one JSON object\n"
	    "      --nameserver=ADDRESS   ask this server\n",
	    to);
	fputs("What should be there (--compare goes without saying):\n", to);
	fputs(zone_options_help, to);
}

static enum cli_answer
take_option(struct request *request, int option)
{
	if (option >= ZONE_OPTION_FIRST)
		return zone_option_take(&request->wanted, option);
	switch (option) {
	case 's':
		if (request->selector_count == SELECTORS_MAX) {
			cli_say(request->program, "more than %d selectors", SELECTORS_MAX);
			return CLI_WRONG;
		}
		request->selectors[request->selector_count++] = optarg;
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
	case OPT_COMPARE:
		request->compare = true;
		return CLI_GO_ON;
	case OPT_JSON:
		request->json = true;
		return CLI_GO_ON;
	case 'V':
		printf("%s v%s\n", request->program, PACKAGE_VERSION);
		return CLI_DONE;
	case 'h':
	case OPT_HELP:
		print_usage(stdout, request->program);
		return CLI_DONE;
	default:
		print_usage(stderr, request->program);
		return CLI_WRONG;
	}
}

static void
print_text(const struct domain_check *check)
{
	for (size_t i = 0; i < check->findings.count; i++) {
		const struct finding *finding = &check->findings.items[i];

		printf("%-8s %s: %s\n", severity_name(finding->severity), finding->about,
		    finding->text);
	}
	if (check->findings.left_out > 0)
		printf("note     and %zu more\n", check->findings.left_out);
}

static void
print_json(const struct domain_check *check)
{
	struct buf line;

	buf_init(&line, 4u << 20);
	buf_add_str(&line, "{\"domain\":");
	cli_json_string(&line, check->domain);
	buf_add_fmt(&line, ",\"errors\":%zu,\"unavailable\":%zu,\"findings\":[",
	    check->findings.errors, check->unavailable);
	for (size_t i = 0; i < check->findings.count; i++) {
		const struct finding *finding = &check->findings.items[i];

		buf_add_fmt(&line, "%s{\"severity\":\"%s\",\"name\":", i == 0 ? "" : ",",
		    severity_name(finding->severity));
		cli_json_string(&line, span_str(finding->about));
		buf_add_str(&line, ",\"text\":");
		cli_json_string(&line, span_str(finding->text));
		buf_add_char(&line, '}');
	}
	buf_add_str(&line, "]}\n");
	fputs(buf_text(&line), stdout);
	buf_free(&line);
}

static int
compare(const struct request *request, const struct conf *conf, struct domain_check *check)
{
	struct zone_wanted wanted = request->wanted;

	if (!request->compare && !request->wanted.any)
		return EX_OK;
	wanted.program = request->program;
	wanted.conf_path = request->conf_path;
	return zone_compare(&wanted, conf, check);
}

static int
check_all(const struct request *request, const struct conf *conf, struct span domain,
    struct dnsclient *dns)
{
	struct domain_check check = {.dns = dns, .domain = domain, .findings = FINDINGS_NONE};
	int exit_code = compare(request, conf, &check);

	for (size_t i = 0; i < request->selector_count; i++)
		check_selector(&check, span_str(request->selectors[i]));
	if (request->selector_count == 0 && !request->compare && !request->wanted.any)
		findings_add(&check.findings, SEVERITY_NOTE, domain,
		    "no DKIM key was looked at, because DNS does not list them; name the selectors "
		    "with -s");
	check_spf(&check);
	check_dmarc(&check);
	if (request->json)
		print_json(&check);
	else
		print_text(&check);
	if (exit_code == EX_OK && check.findings.errors > 0)
		exit_code = EX_DATAERR;
	else if (exit_code == EX_OK && check.unavailable > 0)
		exit_code = EX_UNAVAILABLE;
	findings_free(&check.findings);
	return exit_code;
}

static int
run(const struct request *request, const char *name)
{
	struct conf *conf = cli_conf(request->program, request->conf_path);
	struct err err = ERR_NONE;
	struct dnsclient dns;
	struct arena arena;
	struct span domain;
	int exit_code = EX_USAGE;

	if (conf == NULL)
		return EX_CONFIG;
	arena_init(&arena, ARENA_BYTES);
	if (domain_normalise(span_str(name), &arena, &domain) != ST_OK) {
		cli_say(request->program, "\"%s\" is not the name of a domain", name);
	} else if (dnsclient_open(&dns, conf, &request->dns, &err) != ST_OK) {
		cli_say(request->program, "%s", err.text);
		exit_code = EX_CONFIG;
	} else {
		exit_code = check_all(request, conf, domain, &dns);
		dnsclient_close(&dns);
	}
	arena_free(&arena);
	conf_free(conf);
	return exit_code;
}

int
check_run(const char *program, int argc, char **argv)
{
	struct request request = {.program = program, .wanted = {.program = program}};
	enum cli_answer answer = CLI_GO_ON;
	int option;

	while (answer == CLI_GO_ON &&
	       (option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1)
		answer = take_option(&request, option);
	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EX_USAGE;
	if (argc - optind != 1) {
		print_usage(stderr, program);
		return EX_USAGE;
	}
	if ((request.compare || request.wanted.any) && key_memory_secure() != ST_OK) {
		cli_say(program, "there is no protected memory for keys");
		return EX_OSERR;
	}
	return run(&request, argv[optind]);
}
