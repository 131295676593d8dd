/*
 * rules.h - the keeper's tables: who may send, which key signs. Opened once per configuration;
 * edited files are taken over by the watcher. Immutable otherwise, any number of threads may read.
 */
#ifndef SIGNPOST_DAEMON_RULES_H
#define SIGNPOST_DAEMON_RULES_H

#include "daemon/domainhour.h"
#include "daemon/frame.h"
#include "daemon/mailhour.h"
#include "lib/conf/conf.h"
#include "lib/conf/values.h"
#include "lib/store/failure.h"
#include "lib/store/hostlist.h"
#include "lib/store/keystore.h"
#include "lib/store/list.h"
#include "lib/store/sharedcache.h"
#include "lib/store/table.h"
#include "lib/store/watch.h"

struct rules {
	bool sign, verify;       /* Mode has s, v */
	bool shadowing;          /* ShadowReport is set */
	unsigned origins;        /* SignOnly: 1 << enum conf_origin */
	struct table *signing;   /* SigningTable */
	struct table *keys;      /* KeyTable */
	struct table *domains;   /* Domain; only without a KeyTable */
	struct table *exempt;    /* ExemptDomains */
	struct table *mta;       /* MTA */
	struct table *dont_sign; /* DontSignMailTo */
	struct table *trusted;   /* TrustSignaturesFrom */
	struct table *shadow;    /* ShadowSigner */
	struct table *host_tables[3];
	struct hostlist *peers;    /* PeerList */
	struct hostlist *internal; /* InternalHosts */
	struct hostlist *ignored;  /* ExternalIgnoreList */
	struct list macros;        /* MacroList: name, value or "" */
	bool has_macros;
	char *key_file, *selector; /* the single key */
	struct keystore *store;    /* KeyStore, or NULL */
	struct pattern_cache *patterns;
	struct table *tenant_map; /* TenantMap, or NULL */
	bool require_tenant;
	enum conf_sender_match sender_match;
	struct failure_policy failure;             /* FailurePolicy */
	enum verdict failure_else[FAILURE_CAUSES]; /* where nothing is set */
	bool subdomains, multiple, log_why, require_safe, request_reports;
	int64_t signature_ttl_s;       /* 0: no x= */
	int64_t fixed_time_utc;        /* -F; -1: the clock */
	struct mailhour *mailhour;     /* of mail that is not signed; borrowed, or NULL */
	struct domainhour *domainhour; /* of mail by domain; borrowed; NULL with mailhour */
	struct watcher *watcher;
};

/* What other gateways have read. */
struct rules_sharing {
	struct sharedcache *cache; /* borrowed; NULL: nothing is shared */
	bool anew;                 /* a reload: what they have read of tables does not count */
};

/* Opens every table that conf names. sharing: NULL is nothing. ST_INVALID, ST_UNAVAILABLE: err
 * names parameter and file. */
enum status rules_open(const struct conf *conf, const struct rules_sharing *sharing,
    struct rules **rules_out, struct err *err) MUST_USE;
void rules_close(struct rules *rules); /* NULL is fine */
/* Takes edited files over from now on. */
enum status rules_watch(struct rules *rules, struct err *err) MUST_USE;

/* Does every rule of a flat SigningTable name a key of the KeyTable that can be used
 * (CheckSigningTable)? Each fault is logged as a warning; the number of faults. deep: read and
 * parse the keys too. */
size_t rules_check(struct rules *rules, bool deep);

/* All items of a table that can be walked, in order, NULL-terminated; free with rules_list_free.
 * For SignHeaders and the like. *items_out is NULL when the parameter is not set. */
enum status rules_list(const struct conf *conf, enum conf_parameter parameter, char ***items_out,
    struct err *err) MUST_USE;
void rules_list_free(char **items);

#endif
