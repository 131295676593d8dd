/*
 * decision.h - may this session sign as this sender, and with which keys? The order is opendkim's
 * (mlfi_eoh): ExemptDomains, MTA, MacroList, InternalHosts, {auth_type}, Domain, SigningTable,
 * KeyTable, DontSignMailTo; with a KeyStore that one before the SigningTable. Runs in the keeper,
 * once per ROUTE and once per SIGN request.
 */
#ifndef SIGNPOST_DAEMON_DECISION_H
#define SIGNPOST_DAEMON_DECISION_H

#include "daemon/frame.h"
#include "daemon/rules.h"
#include "lib/base/metrics.h"
#include "lib/store/keytable.h"
#include "lib/store/route.h"
#include "lib/store/signing.h"

/* Signatures on one message at most (MultipleSignatures). */
#define DECISION_KEYS_MAX 16
/* Keys of the KeyTable that one decision may need: those, and one to fall back to. */
#define DECISION_ENTRIES_MAX (DECISION_KEYS_MAX + 1)

/* One signature to be made; everything borrowed from the decision. */
struct decision_key {
	struct span domain;             /* d= */
	struct span selector;           /* s= */
	struct span identity;           /* i=, or empty */
	struct span key;                /* the KeyTable's third field, or the path of KeyFile */
	struct span algorithm;          /* wanted by the KeyTable, or empty */
	struct span keyname;            /* for messages */
	const struct store_key *stored; /* of the KeyStore; NULL: of the KeyTable, or KeyFile */
};

struct decision {
	enum verdict verdict;               /* VERDICT_PASS, _SIGN, _VERIFY, _TEMPFAIL */
	enum metric_unsigned_reason reason; /* why it is not signed, unless it is */
	struct failure_policy failure;      /* of this message */
	int64_t signature_ttl_s;            /* x=; -1: as configured */
	bool ours;                          /* the mail comes from us */
	bool fell_back;                     /* the key is the one of "fallback" */
	uint32_t trusted; /* VERDICT_VERIFY: signers of the request in TrustSignaturesFrom */
	size_t key_count;
	struct decision_key keys[DECISION_KEYS_MAX];
	/* private: what the spans above live in */
	size_t match_count, entry_count;
	struct signing_match matches[DECISION_KEYS_MAX];
	struct keytable_entry entries[DECISION_ENTRIES_MAX];
	char identity[DECISION_KEYS_MAX][256];
	struct route route;
	bool routed;
};

/* Fills decision and logs why (LogWhy; not again for a message that was routed). Never fails:
 * trouble with a table is what the failure policy says, VERDICT_TEMPFAIL by default. Free with
 * decision_release. Any thread. */
void decision_make(struct rules *rules, const struct request *request, struct decision *decision);
void decision_release(struct decision *decision);

/* The signature could not be made. true: the decision is now to sign with the fallback key; else
 * its verdict says what is done. Counted and logged. */
bool decision_sign_failed(struct rules *rules, const struct request *request,
    struct decision *decision, enum failure_cause cause, const char *why);

/* It was signed: one message more of the domain that the KeyStore signs it as, if it does. */
void decision_count_signed(struct rules *rules, const struct decision *decision);

/* Shadow mode: is a signature whose key is found under this name ("SELECTOR._domainkey.DOMAIN") of
 * the signer that Signpost is compared with? By ShadowSigner; without it, of mail that comes from
 * us, those of the author's domain and of the domains above it. decision: of the request. */
bool decision_trusts(const struct rules *rules, const struct request *request,
    const struct decision *decision, struct span query);

/* Is the client in PeerList? A list that cannot be asked is logged, and the client is no peer: its
 * mail goes the way of all mail. */
bool decision_peer(struct rules *rules, const struct request *request);

#endif
