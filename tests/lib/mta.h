/*
 * mta.h - the milter protocol seen from the MTA, for tests and the load generator: commands out,
 * replies in. Pure, no sockets. The daemon never uses it.
 */
#ifndef SIGNPOST_TESTS_LIB_MTA_H
#define SIGNPOST_TESTS_LIB_MTA_H

#include "daemon/milter/protocol.h"
#include "lib/base/buf.h"

/* A reply that says it is longer is malformed. */
#define MTA_REPLY_MAX (1U << 20)

/* Each appends one packet; ask buf_status() at the end. */
void mta_put(struct buf *buf, enum milter_command command, struct span data);
void mta_put_optneg(struct buf *buf, uint32_t version, uint32_t actions, uint32_t protocol);
/* family SMFIA_UNKNOWN: port and address are not sent. */
void mta_put_connect(
    struct buf *buf, const char *host, char family, uint16_t port, const char *address);
/* HELO, MAIL, RCPT, HEADER, UNKNOWN: one to n strings. */
void mta_put_strings(
    struct buf *buf, enum milter_command command, const char *const *strings, size_t n);
/* Names and values in turn; n counts strings. */
void mta_put_macros(
    struct buf *buf, enum milter_command command, const char *const *strings, size_t n);

struct mta_reply {
	char code;        /* SMFIR_ letter, or SMFIC_OPTNEG */
	uint32_t version; /* of OPTNEG */
	uint32_t actions;
	uint32_t protocol;
	struct span symlists; /* of OPTNEG: {stage, macros NUL}..., proved to be whole */
	uint32_t index;       /* of INSHEADER, CHGHEADER */
	struct span name;     /* of ADDHEADER, INSHEADER, CHGHEADER */
	struct span value;
	struct span
	    text; /* of REPLYCODE, QUARANTINE, ADDRCPT, DELRCPT, ...; the octets of REPLBODY */
};

/* Takes one reply from the front of *input; spans point into it. ST_ABSENT: it is not whole yet,
 * nothing was taken. ST_INVALID: the filter broke the protocol. */
enum status mta_reply_next(
    struct span *input, struct mta_reply *reply_out, struct err *err) MUST_USE;
/* The next list of the answer to OPTNEG; false when there is none left. */
bool mta_symlist_next(struct span *symlists, uint32_t *stage_out, struct span *macros_out);
/* Does this reply end the answer to a command (or do PROGRESS and modifications go before it)? */
bool mta_reply_is_final(char code);

#endif
