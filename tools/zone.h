/*
 * zone.h - what signpost zone and signpost check --compare share: what a domain should publish,
 * made of its keys, its hosts and the options. Main thread only.
 */
#ifndef SIGNPOST_TOOLS_ZONE_H
#define SIGNPOST_TOOLS_ZONE_H

#include <getopt.h>

#include "lib/mailauth/compose.h"
#include "lib/mailauth/zonerecord.h"
#include "tools/check_domain.h"
#include "tools/cli.h"

#define ZONE_LIST_MAX 50U /* of an option that may be given again */
#define ZONE_TTL_DEFAULT_S 3600U
#define ZONE_TTL_MAX_S 604800U
#define ZONE_HOSTS_MAX 50U     /* names whose addresses are looked up */
#define ZONE_ADDRESSES_MAX 64U /* of all of them */

struct zone_list {
	const char *items[ZONE_LIST_MAX];
	size_t count;
};

/* The options; everything borrowed from argv. */
struct zone_wanted {
	const char *program, *conf_path;
	struct zone_list key_files, hosts, addresses, includes;
	struct dmarc_wanted dmarc;
	const char *adsp, *zone, *spf_all;
	const char *socket, *url, *token_file; /* of signpost-admind */
	uint32_t ttl_s;                        /* 0: not given */
	bool admin, no_mail, no_keys, no_spf, no_dmarc, spf_new, offline;
	bool any; /* one of these was given */
};

/* A part of long_options and of the help; values from ZONE_OPTION_FIRST on. */
#define ZONE_OPTION_FIRST 1000
enum zone_option {
	ZONE_OPT_ADMIN = ZONE_OPTION_FIRST,
	ZONE_OPT_ADSP,
	ZONE_OPT_ADKIM,
	ZONE_OPT_ASPF,
	ZONE_OPT_POLICY,
	ZONE_OPT_RUA,
	ZONE_OPT_RUF,
	ZONE_OPT_SP,
	ZONE_OPT_KEY_FILE,
	ZONE_OPT_NO_DMARC,
	ZONE_OPT_NO_KEYS,
	ZONE_OPT_NO_MAIL,
	ZONE_OPT_NO_SPF,
	ZONE_OPT_ADDRESS,
	ZONE_OPT_HOST,
	ZONE_OPT_SOCKET,
	ZONE_OPT_SPF_ALL,
	ZONE_OPT_INCLUDE,
	ZONE_OPT_SPF_NEW,
	ZONE_OPT_TOKEN_FILE,
	ZONE_OPT_TTL,
	ZONE_OPT_URL,
	ZONE_OPT_ZONE
};
#define ZONE_LONG_OPTIONS                                                                          \
	{"admin", no_argument, NULL, ZONE_OPT_ADMIN},                                              \
	    {"adsp", required_argument, NULL, ZONE_OPT_ADSP},                                      \
	    {"dmarc-adkim", required_argument, NULL, ZONE_OPT_ADKIM},                              \
	    {"dmarc-aspf", required_argument, NULL, ZONE_OPT_ASPF},                                \
	    {"dmarc-policy", required_argument, NULL, ZONE_OPT_POLICY},                            \
	    {"dmarc-rua", required_argument, NULL, ZONE_OPT_RUA},                                  \
	    {"dmarc-ruf", required_argument, NULL, ZONE_OPT_RUF},                                  \
	    {"dmarc-sp", required_argument, NULL, ZONE_OPT_SP},                                    \
	    {"key-file", required_argument, NULL, ZONE_OPT_KEY_FILE},                              \
	    {"no-dmarc", no_argument, NULL, ZONE_OPT_NO_DMARC},                                    \
	    {"no-keys", no_argument, NULL, ZONE_OPT_NO_KEYS},                                      \
	    {"no-mail", no_argument, NULL, ZONE_OPT_NO_MAIL},                                      \
	    {"no-spf", no_argument, NULL, ZONE_OPT_NO_SPF},                                        \
	    {"sending-address", required_argument, NULL, ZONE_OPT_ADDRESS},                        \
	    {"sending-host", required_argument, NULL, ZONE_OPT_HOST},                              \
	    {"socket", required_argument, NULL, ZONE_OPT_SOCKET},                                  \
	    {"spf-all", required_argument, NULL, ZONE_OPT_SPF_ALL},                                \
	    {"spf-include", required_argument, NULL, ZONE_OPT_INCLUDE},                            \
	    {"spf-new", no_argument, NULL, ZONE_OPT_SPF_NEW},                                      \
	    {"token-file", required_argument, NULL, ZONE_OPT_TOKEN_FILE},                          \
	    {"ttl", required_argument, NULL, ZONE_OPT_TTL},                                        \
	    {"url", required_argument, NULL, ZONE_OPT_URL},                                        \
	{                                                                                          \
		"zone", required_argument, NULL, ZONE_OPT_ZONE                                     \
	}
extern const char zone_options_help[];

/* Takes optarg. CLI_WRONG: said. */
enum cli_answer zone_option_take(struct zone_wanted *wanted, int option);

/* ---- making records ---- */

struct zone_job {
	const struct zone_wanted *wanted;
	const struct conf *conf; /* borrowed */
	/* DNS, the domain, and what is wrong: errors mean that the records must not be used. */
	struct domain_check *check;
	struct zone_records records;
	uint32_t ttl_s;
	bool refused; /* a question about keys failed; said in findings or to stderr */
};

/* Makes all records and says of each what is there. The caller frees job->records. An exit status:
 * EX_OK, or what went wrong, after a message. Faults of records are in job->check->findings. */
int zone_make(struct zone_job *job);

/* zone_compare.c: makes the records and says of each whether it is published. An exit status; what
 * differs is in check->findings. */
int zone_compare(
    const struct zone_wanted *wanted, const struct conf *conf, struct domain_check *check);

/* zone_keys.c: the records of all keys that are, or will be, in DNS. An exit status; said. */
int zone_keys(struct zone_job *job);
/* The record of a key; what: "DKIM key s1". */
void zone_keys_add(
    struct zone_job *job, enum zone_type type, struct span name, struct span value, uint32_t ttl_s);
/* zone_admin.c: those that signpost-admind knows of. An exit status; said. */
int zone_admin_keys(struct zone_job *job);

/* zone_seen.c: what is at the name of a record now. kind: is a text that is there of the same kind?
 */
typedef bool zone_kind(struct span text);
void zone_see(struct zone_job *job, struct zone_record *record, zone_kind *kind);
/* The value of p=, without blanks, into out. false: none. */
bool zone_key_data(struct span text, struct buf *out);

/* zone_spf.c: the SPF record, and the MX record of a domain without mail. */
void zone_spf(struct zone_job *job);

/* ---- hosts (zone_host.c) ---- */

struct zone_address {
	int family; /* AF_INET, AF_INET6 */
	uint8_t octets[16];
};
struct zone_hosts {
	struct zone_address addresses[ZONE_ADDRESSES_MAX];
	size_t count;
	bool unavailable; /* a question was not answered */
};
/* Adds the addresses of a name. Answers how many there were; SIZE_MAX: an answer is missing. */
size_t zone_host_add(struct domain_check *check, struct span name, struct zone_hosts *hosts);

/* Names of the hosts of MX records, with the null MX as "". ST_ABSENT, ST_UNAVAILABLE. Free each.
 */
enum status zone_mx(
    struct domain_check *check, struct span name, char *names[ZONE_HOSTS_MAX], size_t *count_out);

/* zone_covers.c: does this SPF record of a domain let all of these through? Follows what it
 * includes, at most SPF_LOOKUPS_MAX of it. */
bool zone_covers(struct domain_check *check, struct span domain, struct span text,
    const struct zone_hosts *hosts);

#endif
