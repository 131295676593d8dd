/*
 * frame.h - what a front-end and the keeper say to each other. One frame is one record of a
 * SOCK_SEQPACKET socket, so that many keeper threads can take requests from one socket and a torn
 * frame cannot exist. Both directions are decoded with every length checked: neither side trusts
 * the other. Pure: bytes in, structures out.
 *
 * A request carries all facts of its message, so the keeper keeps nothing between two requests and
 * can be killed at any time: ROUTE asks "would you sign this?", SIGN asks the same and for the
 * signatures. The keeper is no digest oracle: it gets canonical headers, writes the
 * DKIM-Signature itself and hashes itself.
 *
 * DNS_GET and DNS_PUT belong to no message: they ask for an answer about a public key that another
 * gateway has had, and give one away (dnsshare.h). PUT has no reply, nor has CHECKED: what came of
 * a signature that the keeper wanted to be verified (canary.h). In shadow mode (shadow.h) SHADOW
 * takes the place of SIGN, and REPORT carries a line of the report; it has no reply either.
 */
#ifndef SIGNPOST_DAEMON_FRAME_H
#define SIGNPOST_DAEMON_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"
#include "lib/crypto/digest.h"
#include "lib/keys/canary.h"

#define FRAME_MAX 409600U           /* octets of any frame; fits an unprivileged socket buffer */
#define FRAME_CANONICAL_MAX 270336U /* octets of canonical headers in a SIGN frame */
#define FRAME_MACROS_MAX 16384U     /* octets of MTA macros in a frame */
#define FRAME_LOGIN_MAX 512U        /* octets of a login */
#define FRAME_RECIPIENTS_MAX 98304U /* octets of recipients in a frame */
#define FRAME_HEADERS_MAX 32U       /* header fields in one answer */
#define FRAME_SIGNERS_MAX 32U       /* signing domains in a ROUTE frame: bits of trusted */
#define FRAME_SIGNERS_BYTES_MAX (FRAME_SIGNERS_MAX * (4U + 256U))
#define FRAME_DNS_MAX 8192U     /* octets of an answer of DNS that is shared */
#define FRAME_REPORT_MAX 65536U /* octets of a line of the shadow report */
#define FRAME_RECORD_MAX 2048U  /* octets of the record of a public key */

enum request_type {
	REQUEST_PEER = 1, /* is this client in PeerList? */
	REQUEST_ROUTE,    /* would this message be signed? */
	REQUEST_SIGN,     /* sign it */
	REQUEST_DNS_GET,  /* what do others know of this name? */
	REQUEST_DNS_PUT,  /* this is known of it */
	REQUEST_CHECKED,  /* this came of a signature */
	REQUEST_SHADOW,   /* what would SIGN have said? */
	REQUEST_REPORT    /* a line for ShadowReport */
};

#define REQUEST_FLAG_AUTHENTICATED 1U /* {auth_type} was not empty */
#define REQUEST_FLAG_ROUTED 2U        /* a ROUTE of this message was answered: do not log again */
#define REQUEST_FLAG_HEADER_RELAXED 4U
#define REQUEST_FLAG_BODY_RELAXED 8U
#define REQUEST_FLAG_WHY 16U /* reserved for explaining requests */

/* family of the client: 0 unknown, 4, 6, 'U' for a UNIX socket. */
struct request {
	enum request_type type;
	uint16_t frontend; /* which reply socket */
	uint16_t flags;    /* REQUEST_FLAG_* */
	uint8_t family;
	uint8_t address[16]; /* network order, 4 or 16 octets used */
	uint64_t id;         /* the front-end's name for it, never used twice */

	struct span job_id;        /* queue id, or "(unknown-jobid)" */
	struct span host;          /* client host name as the MTA says */
	struct span daemon_name;   /* macro {daemon_name} */
	struct span login;         /* macro {auth_authen}, if the client has logged in */
	struct span macros;        /* list: name, value, name, value */
	struct span recipients;    /* list of envelope recipients without brackets */
	struct span sender_header; /* name of the field that decided the sender */
	struct span user;          /* of the sender, as written */
	struct span domain;        /* of the sender, lower-case A-labels */

	/* ROUTE: the d= of each DKIM-Signature, for TrustSignaturesFrom. SHADOW: for each the name
	 * of its key, "SELECTOR._domainkey.DOMAIN", or nothing if it has none. */
	struct span signers; /* list, at most FRAME_SIGNERS_MAX */

	/* SIGN and SHADOW only. */
	int64_t body_length; /* l=, or -1 */
	uint8_t body_hash[SHA256_BYTES];
	struct span header_names; /* h= */
	struct span canonical;    /* the canonical headers, in the order of h= */

	/* DNS_GET and DNS_PUT only, in which nothing of the above is used but frontend and id. */
	struct span key_name; /* in small letters */
	struct span octets;   /* PUT: lib/dns/octets.h */
	int64_t until_ms;     /* PUT: monotonic; both sides have the same clock */

	/* CHECKED only, of the same kind. */
	enum canary_result result;
	struct span key_id; /* as it was in the reply */
	struct span why;

	/* REPORT only, of the same kind. */
	struct span line; /* printable ASCII */
};

enum verdict {
	VERDICT_PASS = 1, /* leave the message alone */
	VERDICT_SIGN,     /* ROUTE: will be signed. SIGN: the fields are in the answer */
	VERDICT_PEER,     /* PEER: accept everything of this connection */
	VERDICT_TEMPFAIL, /* with the text for the MTA */
	VERDICT_REJECT,
	VERDICT_DISCARD,
	VERDICT_QUARANTINE, /* let go, into the MTA's quarantine */
	VERDICT_VERIFY,     /* not ours to sign: verify it */
	VERDICT_RESET,      /* from the parent: the keeper died, whatever it had is lost */
	VERDICT_DNS,        /* DNS_GET */
	VERDICT_SHADOW      /* SHADOW */
};

struct reply_field {
	struct span name;
	struct span value;  /* as on the wire behind the colon, folds as bare LF */
	bool check;         /* the keeper wants to know whether it verifies */
	struct span key_id; /* of the KeyStore; empty: check is for the log */
	struct span record; /* VERDICT_SHADOW: of the public key, as DNS has it */
};

struct reply {
	enum verdict verdict;
	uint64_t id;
	struct span text; /* for the MTA; empty: the front-end's own words */
	/* VERDICT_VERIFY, VERDICT_SHADOW: bit i for signer i of the request */
	uint32_t trusted;
	enum verdict would; /* VERDICT_SHADOW: what SIGN would have said */
	size_t field_count;
	struct reply_field fields[FRAME_HEADERS_MAX];
	/* VERDICT_DNS, which has none of the above but id: lib/dns/octets.h; empty: nothing. */
	struct span octets;
	int64_t until_ms; /* monotonic */
};

/* Lists inside a span: each element with a 4-octet length. */
void frame_list_add(struct buf *list, struct span element);
/* The next element; false at the end and when the list is malformed. */
bool frame_list_next(struct span *rest, struct span *element_out);

/* Appends the frame to out, whose maximum is FRAME_MAX. ST_TOO_BIG. */
enum status request_encode(const struct request *request, struct buf *out) MUST_USE;
enum status reply_encode(const struct reply *reply, struct buf *out) MUST_USE;
/* The spans of the result point into frame. ST_INVALID. */
enum status request_decode(struct span frame, struct request *out) MUST_USE;
enum status reply_decode(struct span frame, struct reply *out) MUST_USE;

#endif
