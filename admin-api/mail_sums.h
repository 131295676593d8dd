/*
 * mail_sums.h - how much mail of the last hour went without a signature or was deferred, by tenant
 * and cause: the sum of what all gateways say in their rows (lib/keys/mailword.h). Pure; any
 * thread.
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

#endif
