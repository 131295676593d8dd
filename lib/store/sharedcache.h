/*
 * sharedcache.h - answers of key stores, tables and the DNS that gateways share, sealed: a cache
 * that authenticates nobody can lose them and repeat them, but neither read nor change nor exchange
 * them, and what it repeats has its age and epoch in it.
 *
 * A value on the wire, for whoever writes this in another language; numbers have the highest octet
 * first:
 *
 *   "sc1"  purpose (1 octet)  site key version (4)  epoch (8)  asked (8)  not after (8)
 *   nonce (12)  ciphertext  tag (16)
 *
 * and what is enciphered is the plain text, the tenant (the name of one, or empty) and the length
 * of the tenant (1 octet). asked and not after are milliseconds since 1970 UTC by the clock of the
 * gateway that stored it; none is above 2^47, and not after may be 0. The version is the current
 * one of whoever asks; a value of another version is not believed. Each name has a key of its own,
 * so that no key meets so many nonces that two may be the same:
 *
 *   HMAC-SHA256(K, F(purpose, 1 octet) F(scope) F(name))
 *
 * where K is the key of the empty tenant of that version for the purpose "cache" (sitekey.h), and F
 * is as there. The additional authenticated data are F("signpost shared cache v1") F(scope) F(name)
 * F(all octets before the nonce). The name at the server is
 *
 *   "sc1:" base64url(first 24 octets of HMAC-SHA256(K', F(purpose, 1 octet) F(scope) F(name)))
 *
 * where K' is that key for the purpose "cache name": a server sees neither what is asked for, nor
 * for whom. Where there is no site key only DNS answers are kept, with the version 0 and keys that
 * are derived in the same way from own_key.
 *
 * What cannot be opened is as good as not there; it is counted, and nothing is done about it.
 */
#ifndef SIGNPOST_STORE_SHAREDCACHE_H
#define SIGNPOST_STORE_SHAREDCACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/store/shared.h"
#include "lib/store/sitekey.h"

#define SHAREDCACHE_KEY_BYTES 32U
#define SHAREDCACHE_SKEW_MS 10000 /* the clocks of two gateways may differ by that */
#define SHAREDCACHE_PLAIN_MAX (SHARED_VALUE_MAX - 512U)
#define SHAREDCACHE_NAME_MAX 16384U /* octets of a name, or a scope; longer ones are not shared */

enum sharedcache_purpose {
	SHAREDCACHE_RULES = 1, /* of a key store: senders, addresses, patterns, bindings */
	SHAREDCACHE_KEYS,      /* of a key store: keys of a domain */
	SHAREDCACHE_TABLE,     /* a row of a data set */
	SHAREDCACHE_DNS        /* an answer about a public key */
};

struct sharedcache;

struct sharedcache_config {
	struct shared *shared; /* taken over */
	/* The site key, or NULL while there is none; called for each question, so cheap. It stays
	 * as long as the cache. Any thread. NULL: there is never one. */
	struct sitekey *(*sitekey)(void *context);
	void *context;
	/* For DNS answers while there is no site key: the same in all processes of this gateway.
	 * Copied. NULL: none is kept then. */
	const uint8_t *own_key;  /* SHAREDCACHE_KEY_BYTES */
	int64_t (*utc_ms)(void); /* NULL: clock_utc_ms(); tests own the time */
};

/* Without secret memory, or when the crypto library fails, nothing is shared, which is logged. */
struct sharedcache *sharedcache_new(const struct sharedcache_config *config);
void sharedcache_close(struct sharedcache *cache); /* NULL is fine */

/* What is asked for. scope: whose names they are (the identity of a key store, the specification of
 * a table): the same name in another scope is another one. */
struct sharedcache_question {
	enum sharedcache_purpose purpose;
	struct span scope;
	bool secret; /* the answer goes to secret memory */
};

struct sharedcache_answer {
	bool late;          /* with ST_UNAVAILABLE: worth another question in a moment */
	enum status status; /* ST_OK, ST_ABSENT: nothing that can be believed, ST_UNAVAILABLE */
	char tenant[64];    /* NUL-terminated */
	uint64_t epoch;     /* of the store when it was asked; 0: it has none */
	/* By this machine's monotonic clock, so they may be below 0: when the question to the store
	 * began. told_ms: as the clocks of both gateways say, never after now. asked_ms: that, and
	 * SHAREDCACHE_SKEW_MS before: the question began then or later, however the clocks differ.
	 * not_after_ms: never to be used from then on, moved before it likewise; 0: no limit. None
	 * of the others is 0. */
	int64_t told_ms, asked_ms, not_after_ms;
	char *plain; /* of n octets and a NUL; until sharedcache_answer_release() */
	size_t n;
	bool secret;
};

/* answers[i] for names[i], SHARED_MANY_MAX of them in one question. now_ms: monotonic. Counts each
 * as a hit, a miss, unavailable or refused: what did not open, what is past its not after, what was
 * asked in the future (beyond the skew). Without a key all are absent, uncounted. Any thread. */
void sharedcache_get(struct sharedcache *cache, const struct sharedcache_question *question,
    const struct span *names, size_t count, int64_t now_ms, struct sharedcache_answer *answers);
void sharedcache_answer_release(struct sharedcache_answer *answer); /* wipes what is secret */

/* What is stored: members as in the answer, times exact (not moved), plain in secret memory where
 * it is secret. ttl_s: how long it is worth keeping; 0: not at all, and more than SHARED_TTL_S_MAX
 * is that. What is too big, or when there is no key, is not stored. Never waits. */
struct sharedcache_entry {
	struct span name, tenant, plain;
	uint64_t epoch;
	int64_t asked_ms, not_after_ms; /* monotonic; not_after_ms 0: no limit */
	int64_t ttl_s;
};
void sharedcache_put(struct sharedcache *cache, const struct sharedcache_question *question,
    const struct sharedcache_entry *entry, int64_t now_ms);

#endif
