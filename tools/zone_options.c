/*
 * zone_options.c - the options that say what a domain should publish.
 * Called by zone.c and check.c. It must never pass on a name that could end a line of a zone.
 */
#include <stdio.h>
#include <string.h>

#include "lib/dkim/address.h"
#include "tools/zone.h"

const char zone_options_help[] =
    "      --admin                  the keys that signpost-admind knows (--socket, --url)\n"
    "      --key-file=SELECTOR=FILE a private key and its selector; may be given again\n"
    "      --no-keys                no DKIM records\n"
    "      --sending-host=HOST      a host that sends, beside those of MX; again\n"
    "      --sending-address=ADDR   an address or network that sends; again\n"
    "      --spf-include=DOMAIN     a service that sends for the domain; again\n"
    "      --spf-all=~all|-all|?all what is said of all others [~all]\n"
    "      --spf-new                do not take over what is published\n"
    "      --no-spf                 no SPF record\n"
    "      --no-mail                the domain has no mail: null MX, v=spf1 -all, p=reject\n"
    "      --dmarc-policy=POLICY    none, quarantine, reject [none]\n"
    "      --dmarc-sp=POLICY        of subdomains\n"
    "      --dmarc-rua=ADDRESS[,..] who gets reports (--dmarc-ruf: of single messages)\n"
    "      --dmarc-adkim=r|s        alignment of DKIM (--dmarc-aspf: of SPF)\n"
    "      --no-dmarc               no DMARC record\n"
    "      --adsp=PRACTICE          an ADSP record, too (historic): unknown, all, discardable\n"
    "      --ttl=SECONDS            of all records [3600, or that of the key]\n"
    "      --zone=ZONE              the zone that the domain is in, instead of asking DNS\n"
    "      --socket=PATH, --url=URL, --token-file=FILE   where signpost-admind is\n";

static enum cli_answer
add(struct zone_wanted *wanted, struct zone_list *list, const char *option)
{
	if (list->count == ZONE_LIST_MAX) {
		cli_say(wanted->program, "--%s: more than %u", option, ZONE_LIST_MAX);
		return CLI_WRONG;
	}
	list->items[list->count++] = optarg;
	return CLI_GO_ON;
}

static enum cli_answer
add_name(struct zone_wanted *wanted, struct zone_list *list, const char *option)
{
	if (domain_is_valid(span_str(optarg)))
		return add(wanted, list, option);
	cli_say(
	    wanted->program, "--%s: \"%s\" is not the name of a host or domain", option, optarg);
	return CLI_WRONG;
}

static enum cli_answer
add_key_file(struct zone_wanted *wanted)
{
	struct span rest = span_str(optarg), selector;

	if (span_cut(&rest, '=', &selector) && rest.n > 0 && selector_is_valid(selector))
		return add(wanted, &wanted->key_files, "key-file");
	cli_say(wanted->program, "--key-file: \"%s\" is not SELECTOR=FILE", optarg);
	return CLI_WRONG;
}

static enum cli_answer
take_ttl(struct zone_wanted *wanted)
{
	uint64_t value;

	if (span_number(span_str(optarg), ZONE_TTL_MAX_S, &value) && value > 0) {
		wanted->ttl_s = (uint32_t)value;
		return CLI_GO_ON;
	}
	cli_say(wanted->program, "--ttl: \"%s\" is not a number of seconds from 1 to %u", optarg,
	    ZONE_TTL_MAX_S);
	return CLI_WRONG;
}

static enum cli_answer
take_spf_all(struct zone_wanted *wanted)
{
	if (strcmp(optarg, "~all") != 0 && strcmp(optarg, "-all") != 0 &&
	    strcmp(optarg, "?all") != 0) {
		cli_say(wanted->program, "--spf-all: \"%s\" is not ~all, -all or ?all", optarg);
		return CLI_WRONG;
	}
	wanted->spf_all = optarg;
	return CLI_GO_ON;
}

/* Options that are one word, or a switch. */
static void
take_plain(struct zone_wanted *wanted, int option)
{
	const struct {
		int option;
		const char **text;
		bool *on;
	} plain[] = {{ZONE_OPT_ADMIN, NULL, &wanted->admin}, {ZONE_OPT_ADSP, &wanted->adsp, NULL},
	    {ZONE_OPT_ADKIM, &wanted->dmarc.adkim, NULL},
	    {ZONE_OPT_ASPF, &wanted->dmarc.aspf, NULL},
	    {ZONE_OPT_POLICY, &wanted->dmarc.policy, NULL},
	    {ZONE_OPT_RUA, &wanted->dmarc.rua, NULL}, {ZONE_OPT_RUF, &wanted->dmarc.ruf, NULL},
	    {ZONE_OPT_SP, &wanted->dmarc.subdomain_policy, NULL},
	    {ZONE_OPT_NO_DMARC, NULL, &wanted->no_dmarc},
	    {ZONE_OPT_NO_KEYS, NULL, &wanted->no_keys}, {ZONE_OPT_NO_MAIL, NULL, &wanted->no_mail},
	    {ZONE_OPT_NO_SPF, NULL, &wanted->no_spf},
	    {ZONE_OPT_SOCKET, &wanted->socket, &wanted->admin},
	    {ZONE_OPT_SPF_NEW, NULL, &wanted->spf_new},
	    {ZONE_OPT_TOKEN_FILE, &wanted->token_file, NULL},
	    {ZONE_OPT_URL, &wanted->url, &wanted->admin}, {ZONE_OPT_ZONE, &wanted->zone, NULL}};

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (plain[i].option == option) {
			if (plain[i].text != NULL)
				*plain[i].text = optarg;
			if (plain[i].on != NULL)
				*plain[i].on = true;
		}
}

enum cli_answer
zone_option_take(struct zone_wanted *wanted, int option)
{
	wanted->any = true;
	switch (option) {
	case ZONE_OPT_KEY_FILE:
		return add_key_file(wanted);
	case ZONE_OPT_ADDRESS:
		return add(wanted, &wanted->addresses, "sending-address");
	case ZONE_OPT_HOST:
		return add_name(wanted, &wanted->hosts, "sending-host");
	case ZONE_OPT_INCLUDE:
		return add_name(wanted, &wanted->includes, "spf-include");
	case ZONE_OPT_TTL:
		return take_ttl(wanted);
	case ZONE_OPT_SPF_ALL:
		return take_spf_all(wanted);
	default:
		take_plain(wanted, option);
		return CLI_GO_ON;
	}
}
