/*
 * milter.h - the milter protocol seen from the filter: octets of the MTA in, events out; answers
 * in, octets for the MTA out. Pure: no socket, no clock, no log. The front-end reads and writes.
 *
 * A decoder holds no memory between packets and never a chunk of a body. What it does not
 * understand is ST_INVALID: the connection must be closed, since the next packet cannot be found.
 * In which order commands may come is the session's business, not the codec's.
 */
#ifndef SIGNPOST_DAEMON_MILTER_MILTER_H
#define SIGNPOST_DAEMON_MILTER_MILTER_H

#include "daemon/milter/protocol.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"

/* A packet that says it is longer is ST_INVALID whatever its command. */
#define MILTER_LENGTH_MAX (256U << 20)

/* Option negotiation: an offer, or what was agreed. */
struct milter_options {
	uint32_t version;
	uint32_t actions;  /* SMFIF_ */
	uint32_t protocol; /* SMFIP_ */
};

/* NUL-terminated strings in a packet, all proved to be terminated. Borrowed from the event. */
struct milter_args {
	struct span rest;
};

/* The next string, without its NUL; false when there is none left. */
bool milter_args_next(struct milter_args *args, struct span *arg_out);
/* The next macro, name as sent ("i", "{auth_authen}"); false when there is none left. */
bool milter_macros_next(struct milter_args *pairs, struct span *name_out, struct span *value_out);

enum milter_event_type {
	MILTER_OPTNEG,
	MILTER_MACRO, /* never answered */
	MILTER_CONNECT,
	MILTER_HELO,
	MILTER_MAIL,
	MILTER_RCPT,
	MILTER_DATA,
	MILTER_HEADER,
	MILTER_EOH,
	MILTER_BODY, /* answered only when more is false */
	MILTER_EOM,
	MILTER_ABORT,   /* never answered */
	MILTER_QUIT,    /* never answered */
	MILTER_QUIT_NC, /* never answered */
	MILTER_UNKNOWN
};

/* One event. All spans are borrowed: from the input when the packet lay in it in one piece, else
 * from the decoder; both are valid until the next call with this decoder. No span contains a NUL
 * except octets of the body. */
struct milter_event {
	enum milter_event_type type;
	union {
		struct milter_options optneg;
		struct {
			char command; /* SMFIC_ letter the macros are for; not checked */
			struct milter_args pairs;
		} macro;
		struct {
			struct span host;
			char family; /* SMFIA_ */
			uint16_t port;
			struct span address; /* text; empty with SMFIA_UNKNOWN */
		} connect;
		struct span helo;
		struct {
			struct span address; /* as sent, usually with < > */
			struct milter_args args;
		} mail, rcpt;
		struct {
			struct span name;
			struct span value; /* folds are LF blank, or CRLF blank, as the MTA sent */
			bool too_big;      /* longer than packet_max: skipped, no value, name cut */
		} header;
		struct {
			struct span data;
			bool more; /* the rest of this packet (a BODY or the EOM) follows */
		} body;
		struct {
			struct span data; /* last octets of the body; usually empty */
		} eom;
		struct span unknown;
	} u;
};

struct milter_decoder {
	size_t packet_max; /* longest packet (letter and data) kept or shown whole */
	uint8_t head[5];   /* length and letter while they are incomplete */
	size_t head_n;     /* octets in head; 5: the packet is known */
	size_t left;       /* octets of the packet's data that have not been taken yet */
	struct buf held;   /* data of a packet that came in parts; freed with the event */
	bool held_out;     /* the event given last points into held */
	bool broken;       /* ST_INVALID was given: nothing more is understood */
};

/* packet_max: at least MILTER_OPTNEG_BYTES + 1. A header field longer than it is too_big, a body of
 * any length is streamed, every other longer packet is ST_INVALID. */
void milter_decoder_init(struct milter_decoder *dec, size_t packet_max);
/* Frees what a packet in parts holds. May be called twice. */
void milter_decoder_free(struct milter_decoder *dec);
/* Octets held for an incomplete packet now; 0 between packets. */
size_t milter_decoder_held(const struct milter_decoder *dec);

/* Takes octets from the front of *input. ST_OK: one event; call again, with what is left in *input.
 * ST_ABSENT: all of *input was taken, more is needed. ST_INVALID: the MTA broke the protocol, err
 * says how; every later call says so too. One thread at a time per decoder. */
enum status milter_decoder_next(struct milter_decoder *dec, struct span *input,
    struct milter_event *event_out, struct err *err) MUST_USE;

/* What the filter wants to agree upon. */
struct milter_want {
	uint32_t actions_needed; /* without one of them there is no service */
	uint32_t actions_liked;  /* taken when offered */
	uint32_t protocol;       /* SMFIP_ bits, each taken when offered and known to the version */
	bool pipelining;         /* false: no SMFIP_NR_ is taken, every command is answered */
};

/* Pure. version = the smaller one; of the two SMFIP_MDS_ the larger that both have. ST_OK: answer
 * *result_out. ST_DENIED: the MTA is too old or does not allow a needed action; err says which. */
enum status milter_negotiate(const struct milter_options *offer, const struct milter_want *want,
    struct milter_options *result_out, struct err *err) MUST_USE;

/* The macros wanted at one stage, separated by blanks: "i {auth_authen}". */
struct milter_symlist {
	enum milter_stage stage;
	const char *macros;
};

/*
 * Answers. Each appends one whole packet to buf or nothing: ST_OK; ST_TOO_BIG: it does not fit (buf
 * stays as it was, its overflow set); ST_INVALID: a value that must not go out. Nobody's memory
 * changes. Header values go out with CRLF as LF. A NUL, a CR or LF that is not part of a fold (line
 * end and then a blank), an empty name or one with a colon, blank or control octet is ST_INVALID.
 * With SMFIP_HDR_LEADSPC agreed the value must begin with the blank that follows the colon; without
 * it the MTA adds one.
 */

/* lists may be NULL (n 0); they are sent only when actions has SMFIF_SETSYMLIST. */
enum status milter_put_optneg(struct buf *buf, const struct milter_options *agreed,
    const struct milter_symlist *lists, size_t n) MUST_USE;
/* A reply without data: SMFIR_CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD, SKIP, PROGRESS,
 * SHUTDOWN, CONN_FAIL. */
enum status milter_put_reply(struct buf *buf, enum milter_reply reply) MUST_USE;

/* Longest text of milter_put_replycode, octets, before % is doubled. */
#define MILTER_REPLY_TEXT_MAX 480

/* code "4xx" or "5xx"; xcode "5.7.1" (same class as code) or NULL; text one line of printable
 * ASCII, NULL for none. A longer text is ST_TOO_BIG, another octet ST_INVALID. RFC 5321 4.2, RFC
 * 2034. */
enum status milter_put_replycode(
    struct buf *buf, const char *code, const char *xcode, const char *text) MUST_USE;
/* index 0 is above all fields. Needs SMFIF_ADDHDRS. */
enum status milter_put_insheader(
    struct buf *buf, uint32_t index, struct span name, struct span value) MUST_USE;
/* Below all fields; version 2 MTAs know only this one. Needs SMFIF_ADDHDRS. */
enum status milter_put_addheader(struct buf *buf, struct span name, struct span value) MUST_USE;
/* The index-th field of that name, counted from 1; an empty value deletes it. Needs SMFIF_CHGHDRS.
 */
enum status milter_put_chgheader(
    struct buf *buf, uint32_t index, struct span name, struct span value) MUST_USE;
/* reason: like text above. Needs SMFIF_QUARANTINE. */
enum status milter_put_quarantine(struct buf *buf, const char *reason) MUST_USE;

#endif
