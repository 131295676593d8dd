/*
 * publish_dns.h - what RFC 2136 needs: messages, their signatures, a connection to send them on.
 * Messages and signatures are pure, so that tests and a fuzz target can call them.
 */
#ifndef SIGNPOST_ADMIN_API_PUBLISH_DNS_H
#define SIGNPOST_ADMIN_API_PUBLISH_DNS_H

#include "admin-api/publish_private.h"
#include "lib/base/arena.h"
#include "lib/crypto/mac.h"

#define WIRE_MESSAGE_MAX 65535U /* octets on a connection, RFC 1035 section 4.2.2 */
#define WIRE_UPDATE_MAX 60000U  /* of an update, without its signature */

/* Rcodes, RFC 1035 section 4.1.1, RFC 2136 section 2.2. */
enum wire_rcode {
	WIRE_NOERROR = 0,
	WIRE_SERVFAIL = 2,
	WIRE_NXDOMAIN = 3,
	WIRE_NOTIMP = 4,
	WIRE_REFUSED = 5,
	WIRE_YXDOMAIN = 6,
	WIRE_YXRRSET = 7,
	WIRE_NXRRSET = 8,
	WIRE_NOTAUTH = 9,
	WIRE_NOTZONE = 10
};

/* ---- messages (publish_message.c) ---- */

/* An update while it is put together: prerequisites come in front of updates. */
struct wire_update {
	struct buf prerequisites, updates;
	uint16_t prerequisite_count, update_count;
};

void wire_update_init(struct wire_update *update);
void wire_update_free(struct wire_update *update);
/* rdata: of the one record that is there (REPLACE, REMOVE), with the strings as they are there. */
void wire_update_add(
    struct wire_update *update, const struct publish_change *change, struct span rdata);
/* Octets that are in it, without head and zone; what one more change adds at most. */
size_t wire_update_size(const struct wire_update *update);
size_t wire_change_size_max(const struct publish_change *change, struct span rdata);
/* The prerequisites that there is neither a TXT record nor an alias, and no update. */
void wire_update_probe(struct wire_update *update, struct span name);
/* The message without a signature. ST_TOO_BIG: more than WIRE_UPDATE_MAX octets. */
enum status wire_update_write(
    const struct wire_update *update, uint16_t id, struct span zone, struct buf *out) MUST_USE;
/* A question for the TXT records of name, for an authoritative server (RD=0). */
void wire_question_write(uint16_t id, struct span name, struct buf *out);

/* The header of an answer. */
struct wire_head {
	uint16_t id;
	unsigned int opcode, rcode;
	bool answer, authoritative, cut;
};
/* false: too short for one. */
bool wire_head_read(struct span message, struct wire_head *out);
/* What an answer to wire_question_write() says is at name: spans in arena. rdata_out: of the last
 * TXT record. ST_INVALID: not such an answer. */
enum status wire_answer_there(struct span message, struct span name, struct arena *arena,
    struct publish_there *there_out, struct span *rdata_out, struct err *err) MUST_USE;
const char *wire_rcode_text(unsigned int rcode); /* "REFUSED", ...; static */

/* ---- signatures, RFC 8945 (publish_tsig.c) ---- */

#define TSIG_FUDGE_S 300

struct tsig_key {
	struct span name; /* without a final dot */
	enum mac_digest digest;
	struct span secret; /* in secret memory; borrowed */
};

struct tsig_mac {
	uint8_t octets[MAC_BYTES_MAX];
	size_t n;
};

enum tsig_finding {
	TSIG_GOOD,     /* signed by who has the key, now, as the answer to what had mac */
	TSIG_UNSIGNED, /* no signature at all */
	TSIG_ERROR, /* the server could not check ours: *error_out says why, and nobody signed it */
	TSIG_BAD    /* whoever signed it has not the key, or it is another answer's */
};

/* "hmac-sha256", "hmac-sha384", "hmac-sha512". */
bool tsig_digest_by_name(struct span name, enum mac_digest *out);
/* Appends the signature to the message and counts it there. */
enum status tsig_sign(const struct tsig_key *key, int64_t now_utc, struct buf *message,
    struct tsig_mac *mac_out) MUST_USE;
/* mac: of the question. *error_out: the TSIG error, 0 if there is none; with TSIG_GOOD only BADTIME
 * is possible. */
enum tsig_finding tsig_check(const struct tsig_key *key, int64_t now_utc, struct span message,
    const struct tsig_mac *mac, uint16_t *error_out);
const char *tsig_error_text(uint16_t error); /* a part of a sentence; static */

/* ---- a connection (publish_link.c) ---- */

#define LINK_SERVERS_MAX 8U

struct link_server {
	char *host, *port; /* owned */
};

/* One connection at a time, over TCP, to one server of several. */
struct link {
	struct link_server servers[LINK_SERVERS_MAX];
	size_t count, at; /* at: the server that is used */
	int fd;           /* -1: none */
	int timeout_ms;   /* of each of the operations below */
	bool cut;         /* the last failure: the server closed the connection */
	bool guarded;     /* no host inside is connected to */
};

/* "host1,host2:5353,[::1]:53". ST_INVALID: err names the part. link is all zeroes before. */
enum status link_read_servers(struct link *link, struct span text, struct err *err) MUST_USE;
void link_free(struct link *link);
/* Nothing is done while there is a connection. false: err says why. */
bool link_connect(struct link *link, struct err *err);
void link_close(struct link *link);
bool link_send(struct link *link, struct span message, struct err *err);
/* The next message from the server; buf is emptied first. */
bool link_receive(struct link *link, struct buf *message, struct err *err);

#endif
