/*
 * adminrows.h - rows of a managed store that only administrators see: tokens, the record of what
 * was done (audit), answers that are kept for requests that come twice, and the DNS providers and
 * quotas of tenants. Gateways never ask for them, and may not read them. They are written by
 * keystore_ops.apply() and apply_fenced() in the same transaction as what they speak of.
 *
 * The audit is a chain: each row has the hash of the one before it, so that nobody changes, removes
 * or inserts a row unseen. audit_hash() says what is hashed.
 */
#ifndef SIGNPOST_STORE_ADMINROWS_H
#define SIGNPOST_STORE_ADMINROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/span.h"
#include "lib/base/status.h"

#define ADMINROW_HASH_BYTES 65U    /* SHA-256 in hexadecimal, lower case, with its NUL */
#define ADMINROW_NAME_MAX 200U     /* octets of names and addresses in these rows */
#define ADMINROW_KEY_MAX 255U      /* octets of an Idempotency-Key, as it was sent */
#define ADMINROW_ANSWER_MAX 65536U /* octets of an answer that is kept */
#define ADMINROW_DETAIL_MAX 1024U  /* octets of store_audit.detail */
#define ADMINROW_REPLIES_S 172800  /* for so long answers are kept: 48 hours */
#define ADMINROW_AUDIT_PAGE 1000U  /* rows of one answer of the audit */

/* Who may do what. The secret itself is nowhere: only its hash. */
struct store_token {
	struct span id;     /* [A-Za-z0-9_-], at most KEYSTORE_ID_MAX; public, for lists and logs */
	struct span tenant; /* what it may see; empty: all tenants */
	struct span name;   /* what it is for, in words; any UTF-8 without control characters */
	struct span secret; /* SHA-256 of the secret, hexadecimal; no two tokens have the same */
	struct span scopes; /* "keys:read keys:rotate"; unread here */
	struct span
	    domains; /* "*.example.org example.com"; empty: all of the tenant's. Unread here */
	struct span networks;     /* "192.0.2.0/24 2001:db8::/32"; empty: anywhere. Unread here */
	struct span maker;        /* the actor that made it */
	int64_t created, expires; /* expires 0: never */
	int64_t revoked;          /* 0: not */
	uint64_t revision;
};

/* Where records of a tenant's domains are put: what DNSPublishers has for everybody, for one
 * tenant.
 */
#define PROVIDER_NAME_MAX 63U      /* octets: [A-Za-z0-9._-] */
#define PROVIDER_KIND_MAX 32U      /* octets of store_provider.kind */
#define PROVIDER_ADDRESS_MAX 1024U /* octets of store_provider.address */
#define PROVIDER_SECRET_MAX 8192U  /* octets of store_provider.secret */
struct store_provider {
	struct span tenant, name;
	struct span kind;    /* "rfc2136", ...; unread here */
	struct span address; /* where, and how; never a secret. May be empty. Unread here */
	struct span secret;  /* sealed (sealedkey.h), or empty */
	int allow_private;   /* 1: the address may be one of hosts inside; else 0 */
	uint64_t revision;
};

/* How much a tenant may have and do. A limit below zero (QUOTA_NONE): there is none. Whoever makes
 * something that is limited writes the row in the same transaction under the revision that was read
 * before it was counted: so of two that would be one too many together one is refused. */
#define QUOTA_NONE (-1)
#define QUOTA_MAX 1000000000 /* the highest limit */
struct store_quota {
	struct span tenant;
	int64_t domains;      /* rows */
	int64_t keys;         /* rows, of all domains, that are not destroyed */
	int64_t rotations;    /* in one day of UTC, asked for by the tenant's requests */
	int64_t requests;     /* of the HTTP API, in one minute */
	int64_t day, rotated; /* so many rotations on this day (since 1970) */
	uint64_t revision;
};

/* What a tenant has of it. */
struct store_count {
	uint64_t domains, keys;
};

/* What was answered to a request with an Idempotency-Key, for its repetition. */
struct store_reply {
	struct span scope;  /* of which tenant, actor and route the key is; at most 512 octets */
	struct span key;    /* Idempotency-Key */
	struct span body;   /* SHA-256 of the request, hexadecimal */
	int status;         /* of HTTP; 0 (a directory): it is being done, or was cut off in it */
	struct span answer; /* head fields and body, JSON; never with a private key or a secret */
	int64_t at;         /* the store's clock; set by the store */
};

/* One thing that was done. Set by the store when it is added: seq, at, prev, hash. */
struct store_audit {
	uint64_t seq;       /* 1, 2, 3, ...: none is left out */
	int64_t at;         /* the store's clock */
	struct span actor;  /* "token:t_...", "uid:0 root", "system:reconciler" */
	struct span method; /* how that is known: "token", "certificate", "peer", "system" */
	struct span source; /* an address, "unix"; may be empty */
	struct span tenant; /* whose; empty: of nobody in particular */
	struct span action; /* "domain.add", "key.activate" */
	struct span object; /* "example.org", "example.org s1"; may be empty */
	struct span before,
	    after;           /* SHA-256 of the object as JSON, hexadecimal; empty: there is none */
	struct span request; /* the id of the request */
	struct span key;     /* its Idempotency-Key; may be empty */
	struct span detail;  /* a reason, a cause, a scope; may be empty */
	struct span result;  /* "ok", or the code of the refusal */
	struct span prev, hash; /* hexadecimal; of the first row prev is 64 zeros */
};

/* Which rows of the audit are asked for. */
struct audit_question {
	uint64_t seq; /* rows behind it; newest_first: before it (0: from the last one on) */
	bool newest_first;
	size_t max; /* at most ADMINROW_AUDIT_PAGE */
	/* Only those of this tenant, actor, object; empty: of all. Not both actor and object. */
	struct span tenant, actor, object;
};

/* Where the chain ends. Who keeps it elsewhere can say later whether all before it is still there.
 */
struct audit_head {
	uint64_t seq; /* 0: there is no row, and hash is 64 zeros */
	char hash[ADMINROW_HASH_BYTES];
};

/* The head of an empty chain. */
void audit_head_init(struct audit_head *head);

/* The hash of a row: SHA-256 of prev as it stands (64 octets), then of each other field but hash in
 * the order of the struct, each as a netstring ("3:abc,"), numbers in decimal. Any thread. */
void audit_hash(const struct store_audit *row, char out[ADMINROW_HASH_BYTES]);

/* Where somebody stands who reads the chain. */
struct audit_verifier {
	struct audit_head head;  /* all up to here is right, if it was where it began */
	struct audit_head known; /* the row of this seq has this hash; seq 0: not asked for */
	uint64_t broken;         /* seq of the first row that is wrong or missing; 0: none yet */
};

/* from: a head that is trusted; NULL: before the first row. known: one that was kept elsewhere, and
 * that rows are to agree with; NULL: none. */
void audit_verify_begin(
    struct audit_verifier *verifier, const struct audit_head *from, const struct audit_head *known);
/* The next rows, oldest first, as audits() answers them without a filter. ST_INVALID: the chain is
 * broken at verifier->broken, *err says why; it stays so. Reads nothing but its arguments. */
enum status audit_verify(struct audit_verifier *verifier, const struct store_audit *rows,
    size_t count, struct err *err) MUST_USE;
/* All rows were given: is the last one the head that the store says, and was known reached?
 * store_head: read before the last page; NULL: not compared. */
enum status audit_verify_end(
    struct audit_verifier *verifier, const struct audit_head *store_head, struct err *err) MUST_USE;

/* What a kept answer is found by in stores: SHA-256 of scope and key, hexadecimal. */
void reply_id(struct span scope, struct span key, char out[ADMINROW_HASH_BYTES]);

#endif
