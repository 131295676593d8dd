/*
 * testmsg.c - signpost testmsg: signs one message, or says what a verifier thinks of it.
 * Operators and their scripts call it, also by the name opendkim-testmsg; no MTA and no
 * configuration is between them and the library. It must never print anything of a private key.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/conf/values.h"
#include "tools/cli.h"
#include "tools/command.h"
#include "tools/testmsg.h"

enum long_only { OPT_HELP = 256, OPT_NAMESERVER, OPT_DNS_FILE, OPT_JSON, OPT_AUTHRES, OPT_TTL };

static const char short_options[] = "a:c:Cd:i:Kk:s:t:V";

static const struct option long_options[] = {
    {"algorithm", required_argument, NULL, 'a'},
    {"authres", optional_argument, NULL, OPT_AUTHRES},
    {"canonicalization", required_argument, NULL, 'c'},
    {"dns-file", required_argument, NULL, OPT_DNS_FILE},
    {"domain", required_argument, NULL, 'd'},
    {"help", no_argument, NULL, OPT_HELP},
    {"identity", required_argument, NULL, 'i'},
    {"json", no_argument, NULL, OPT_JSON},
    {"nameserver", required_argument, NULL, OPT_NAMESERVER},
    {"selector", required_argument, NULL, 's'},
    {"ttl", required_argument, NULL, OPT_TTL},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void
print_usage(FILE *to, const char *program)
{
	fprintf(to, "%s: usage: %s [OPTION]... [FILE]...\n", program, program);
	fputs("Signs a message (with -d, -k and -s) or verifies messages (without them).\n"
	      "\t-a algorithm	rsa-sha256 or ed25519-sha256 [what the key is]\n"
	      "\t-c canon    	HEADER/BODY, each simple or relaxed [relaxed/simple]\n"
	      "\t-C          	end the lines of the signature in CRLF whatever the message does\n"
	      "\t-d domain   	signing domain (d=)\n"
	      "\t-i identity 	user@domain or @domain (i=)\n"
	      "\t-K          	accepted: there are no temporary files to keep\n"
	      "\t-k keyfile  	private key file\n"
	      "\t-s selector 	selector (s=)\n"
	      "\t-t path     	accepted: there are no temporary files\n"
	      "\t-V          	print the version\n"
	      "\t--authres[=ID]	print the Authentication-Results field\n"
	      "\t--dns-file=FILE	answers in place of DNS: lines NAME RECORD\n"
	      "\t--json      	one JSON object for each signature\n"
	      "\t--nameserver=ADDRESS	ask this server\n"
	      "\t--ttl=SECS  	the signature expires then (x=)\n",
	    to);
}

static bool
set_canon(struct testmsg *request)
{
	bool header, body;
	struct err err = ERR_NONE;

	if (conf_canonicalization(optarg, &header, &body, &err) != ST_OK) {
		cli_say(request->program, "-c: %s", err.text);
		return false;
	}
	request->header_canon = header ? CANON_RELAXED : CANON_SIMPLE;
	request->body_canon = body ? CANON_RELAXED : CANON_SIMPLE;
	return true;
}

static bool
set_ttl(struct testmsg *request)
{
	uint64_t value;

	if (!span_number(span_str(optarg), INT32_MAX, &value) || value == 0) {
		cli_say(request->program, "--ttl: \"%s\" is not a number of seconds", optarg);
		return false;
	}
	request->ttl_s = (int64_t)value;
	return true;
}

/* Options of verifying and of both. */
static enum cli_answer
take_common(struct testmsg *request, int option)
{
	switch (option) {
	case 'K':
	case 't':
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
	case OPT_AUTHRES:
		request->authres = true;
		request->authserv_id = optarg;
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
take_option(struct testmsg *request, int option)
{
	switch (option) {
	case 'a':
		request->algorithm = optarg;
		return CLI_GO_ON;
	case 'c':
		return set_canon(request) ? CLI_GO_ON : CLI_WRONG;
	case 'C':
		request->crlf = true;
		return CLI_GO_ON;
	case 'd':
		request->domain = optarg;
		return CLI_GO_ON;
	case 'i':
		request->identity = optarg;
		return CLI_GO_ON;
	case 'k':
		request->key_path = optarg;
		return CLI_GO_ON;
	case 's':
		request->selector = optarg;
		return CLI_GO_ON;
	case OPT_TTL:
		return set_ttl(request) ? CLI_GO_ON : CLI_WRONG;
	default:
		return take_common(request, option);
	}
}

/* All of -d, -k, -s, or none of them and nothing that only signing needs. */
static bool
fits_together(const struct testmsg *request, bool *sign_out)
{
	int count =
	    (request->domain != NULL) + (request->key_path != NULL) + (request->selector != NULL);

	*sign_out = count == 3;
	if (count != 0 && count != 3)
		return false;
	if (count == 3)
		return request->files[0] == NULL || request->files[1] == NULL;
	return request->algorithm == NULL && request->identity == NULL && request->ttl_s == 0;
}

int
testmsg_run(const char *program, int argc, char **argv)
{
	struct testmsg request = {
	    .program = program, .header_canon = CANON_RELAXED, .body_canon = CANON_SIMPLE};
	enum cli_answer answer = CLI_GO_ON;
	bool sign;
	int option;

	while (answer == CLI_GO_ON &&
	       (option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1)
		answer = take_option(&request, option);
	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EX_CONFIG;
	request.files = argv + optind;
	if (!fits_together(&request, &sign)) {
		print_usage(stderr, program);
		return EX_CONFIG;
	}
	return sign ? testmsg_sign(&request) : testmsg_verify(&request);
}
