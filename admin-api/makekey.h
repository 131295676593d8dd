/*
 * makekey.h - a new key for a row: generated or taken from PEM, tried, sealed for its tenant,
 * domain, selector and id. The reconciler and the operations call it. Any thread; nothing is
 * written.
 */
#ifndef SIGNPOST_ADMIN_API_MAKEKEY_H
#define SIGNPOST_ADMIN_API_MAKEKEY_H

#include "lib/crypto/key.h"
#include "lib/keys/life.h"
#include "lib/keys/plan.h"
#include "lib/store/keystore.h"
#include "lib/store/sitekey.h"

#define MAKEKEY_PUBLIC_MAX 2048U /* octets of p=: RSA of 8192 bits has 1400 */
#define MAKEKEY_REVISION 1U      /* what the key of a new row is sealed under */
#define MAKEKEY_RANDOM 8U        /* letters and digits in place of {random} */

struct makekey_wanted {
	struct span tenant, domain, selector; /* lower case; those of the row */
	struct span algorithm;                /* "rsa-sha256", "ed25519-sha256" */
	int bits;                             /* of RSA; of others ignored */
	struct span pem; /* the key itself; algorithm and bits may then be empty and 0 */
	bool mirror;     /* the private key in plain PEM, too: keystore_write.mirror_pem */
	/* What it is sealed for: one more than that of the row whose slot is used again; 0: a row
	 * that is added (MAKEKEY_REVISION). */
	uint64_t revision;
};

struct makekey_made {
	char id[LIFE_ID_MAX + 1];
	const char *algorithm; /* static */
	int bits;
	char public_key[MAKEKEY_PUBLIC_MAX]; /* p=, NUL-terminated */
	char *private_key;                   /* sealed; secret memory; makekey_forget() */
	size_t private_key_bytes;
	char *mirror_pem; /* secret memory; NULL: not asked for */
};

/* ST_OK: makekey_forget(out). ST_INVALID: no such algorithm or length, or no key in pem; ST_DENIED:
 * sitekey is NULL; ST_FAILED, ST_ABSENT, ST_UNAVAILABLE: the site key or the crypto library.
 * Generating takes up to seconds. err never has a part of a key. */
enum status makekey(struct sitekey *sitekey, const struct makekey_wanted *wanted,
    struct makekey_made *out, struct err *err) MUST_USE;
void makekey_forget(struct makekey_made *made); /* may be called twice */

/* The row to be added: names, revision, id, algorithm, bits and keys from wanted and made (which
 * must outlive it), times.created = now_utc. */
void makekey_row(const struct makekey_wanted *wanted, const struct makekey_made *made,
    int64_t now_utc, struct store_key *out);

/* A selector by the plan's template with letters at random. NUL-terminated. ST_TOO_BIG. */
enum status makekey_selector(const struct key_plan *plan, int64_t now_utc,
    char out[KEYSTORE_SELECTOR_MAX + 1], struct err *err) MUST_USE;

#endif
