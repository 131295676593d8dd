/*
 * verification.h - one message of a session being verified: its signatures, the questions to the
 * DNS, and what comes of it. Called by message.c and session.c; outcome.c holds the policy.
 *
 * verification_read at the end of the headers; verification_start when it is known that the message
 * is not ours to sign: keys are asked for while the body comes; verification_end at the end of the
 * message waits for those that are missing (QUESTION_KEYS), then verification_conclude decides and
 * writes the Authentication-Results.
 */
#ifndef SIGNPOST_DAEMON_VERIFICATION_H
#define SIGNPOST_DAEMON_VERIFICATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/dkim/verify.h"
#include "lib/dns/dns.h"

struct session;

/* The key of one signature, asked for. */
struct verification_question {
	struct session *session;
	size_t index;
	struct dns_query *query; /* NULL: not asked, or answered */
};

struct verification {
	struct verify *verify; /* NULL: there is no signature, or the message is malformed */
	struct verify_options options;
	struct span author; /* the domain of From; empty when malformed */
	bool read;          /* verification_read has been called */
	bool malformed;     /* From missing, twice or unreadable; StrictHeaders */
	bool lost;          /* the signatures did not fit into memory: On-Security */
	bool cut;           /* lost, because the header goes beyond MaximumHeaders */
	size_t results_cut; /* Authentication-Results fields behind the cut */
	size_t waiting;     /* questions without an answer */
	struct verification_question questions[VERIFY_SIGNATURES_MAX];
};

/* Looks at the header and parses the DKIM-Signature fields of the message. */
void verification_read(struct session *session);
/* On-Security lets a message through whose header is beyond MaximumHeaders: it is not verified, but
 * forged results must not get through for that. */
void verification_cut(struct session *session);
/* A field behind the cut. */
void verification_count_cut(struct session *session, struct span name);
/* Is there any? Cheap: most mail that is to be signed has none and needs no more. */
bool verification_has_signatures(const struct session *session);
/* Appends the d= of each signature to a frame list, "" for one without. */
void verification_signers(const struct verification *verification, struct buf *list);
/* The message is to be verified. trusted: bit i for signature i, of TrustSignaturesFrom. */
void verification_start(struct session *session, uint32_t trusted);
bool verification_wants_body(const struct verification *verification);
void verification_body(struct verification *verification, struct span piece);
/* The whole message has come. true: all keys are there; false: session->question is QUESTION_KEYS
 * until host->resume(session) is called. */
bool verification_end(struct session *session) MUST_USE;
/* Sets the message's verdict and refusal; appends the packets of a message that is let go. */
void verification_conclude(struct session *session);
/* Gives up open questions and forgets everything. */
void verification_reset(struct session *session);

#endif
