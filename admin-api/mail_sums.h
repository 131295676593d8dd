/*
 * mail_sums.h - how much mail of the last hour went without a signature or was deferred, by tenant
 * and cause, and what became of that of one domain: the sums of what all gateways say in their rows
 * (lib/keys/mailword.h). Pure; any thread.
 */
#ifndef SIGNPOST_ADMIN_API_MAIL_SUMS_H
#define SIGNPOST_ADMIN_API_MAIL_SUMS_H

#include "lib/keys/mailword.h"
#include "lib/store/keystore.h"

#define MAIL_SUMS_MAX 1000U /* tenants and causes that are told apart */

struct mail_sums {
	struct span only; /* in: the only tenant that is spoken of; empty: all */
	struct mail_word words[MAIL_SUMS_MAX]; /* their spans are in the rows */
	size_t count;
	uint64_t total[2]; /* unsigned, deferred: without what is as it was configured */
	size_t gateways, silent;
};

/* Nobody wanted these to be signed. */
bool mail_is_as_configured(const struct mail_word *word);
/* The sums of what these gateways say, less those that are silent. sums: zero, but for only. */
void mail_sums_make(struct mail_sums *sums, const struct keystore_rows *rows, int64_t now_utc);

/* Of one signing domain. */
struct mail_of_domain {
	uint64_t count[MAIL_FATES];    /* messages that were counted */
	struct span cause[MAIL_FATES]; /* as the gateway says that has most of them; in the rows */
	uint64_t more;                 /* so many more at most, whatever became of them */
	uint32_t since_s;              /* that all gateways have counted for */
	size_t gateways, silent;
	size_t without; /* gateways that are not silent, and do not count by domain */
};

/* What this gateway says. false: nothing, it is silent or does not count by domain. */
bool mail_of_gateway(const struct store_gateway *gateway, struct span domain, int64_t now_utc,
    struct domain_word *out, uint32_t *since_s_out);
void mail_of_domain_make(struct mail_of_domain *out, const struct keystore_rows *rows,
    struct span domain, int64_t now_utc);

#endif
