/*
 * mailword.h - how much mail of the last hour a gateway signed, did not sign, or deferred, and why:
 * how it tells of that in its row of the store (store_gateway.failed). Pure; any thread.
 *
 * There one line stands for each tenant and cause:  =! unsigned|deferred TENANT CAUSE COUNT
 * TENANT is "-" where nobody knows it, and of what had no line of its own. One stands for each of
 * some signing domains:  =! domain DOMAIN SIGNED UNSIGNED CAUSE DEFERRED CAUSE MORE
 * and one for all others:  =! counted SECONDS MORE
 * No id of a key is "!": readers of the other lines (canary.h) pass over these, whatever their age.
 */
#ifndef SIGNPOST_KEYS_MAILWORD_H
#define SIGNPOST_KEYS_MAILWORD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"

#define MAILWORD_TENANT_MAX 63U
#define MAILWORD_DOMAIN_MAX 253U
#define MAILWORD_CAUSE_MAX 31U
#define MAILWORD_COUNT_MAX 1000000000000U

struct mail_word {
	bool deferred;      /* else it went without a signature */
	struct span tenant; /* empty: see above */
	struct span cause;  /* as in the labels of metrics: [a-z_] */
	uint64_t count;     /* messages; never 0 */
};

/* Appends its line. false: there is no room, or it is none; nothing is appended. */
bool mail_word_write(const struct mail_word *word, struct buf *out);
/* The next such line of *lines; other lines, and what is none, are passed over. false: no more. */
bool mail_word_next(struct span *lines, struct mail_word *out);

/* What has become of a message. */
enum mail_fate { MAIL_SIGNED, MAIL_UNSIGNED, MAIL_DEFERRED };
#define MAIL_FATES 3U

/* Of a signing domain. */
struct domain_word {
	struct span domain;            /* lower-case A-labels */
	uint64_t count[MAIL_FATES];    /* messages */
	struct span cause[MAIL_FATES]; /* of the newest such message; empty: none, or signed */
	uint64_t more;                 /* so many at most were there, too, and are not counted */
};

/* false: there is no room, or it is none; nothing is appended. */
bool domain_word_write(const struct domain_word *word, struct buf *out);
/* As mail_word_next(). */
bool domain_word_next(struct span *lines, struct domain_word *out);

/* Of every domain that has no line. */
struct counted_word {
	uint32_t since_s; /* the counts are of so many seconds; an hour at most */
	uint64_t more;    /* messages of each of them, at most */
};

/* false: there is no room. */
bool counted_word_write(const struct counted_word *word, struct buf *out);
/* false: the gateway does not count by domain. */
bool counted_word_read(struct span lines, struct counted_word *out);

/* Of the gateway since it was started, in one line more:  =! figures CACHE SIGN */
struct gateway_figures {
	uint32_t cache_per_mille; /* questions about rules and keys whose answer was known */
	int64_t sign_p99_us;      /* 99 of 100 signatures took no longer */
};

/* false: there is no room. */
bool gateway_figures_write(const struct gateway_figures *figures, struct buf *out);
/* false: it says nothing of that. */
bool gateway_figures_read(struct span lines, struct gateway_figures *out);

#endif
