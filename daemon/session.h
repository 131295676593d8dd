/*
 * session.h - one milter connection as a state machine: events of the codec in, packets for the MTA
 * and questions for the keeper out. It reads no socket and no clock, so tests drive it without
 * either. One session belongs to one front-end; nothing here is shared between threads.
 *
 * The life of a message: MAIL, RCPT and HEADER events collect facts and fields; at EOH the fields
 * are parsed and the body digest starts; when the MTA waits for a reply there, or when the body is
 * long, the keeper is asked whether this will be signed (ROUTE), so that no long body is hashed in
 * vain; at EOM it is asked for the signatures (SIGN). A message that already has signatures is
 * asked about at EOH too, since one that is not ours to sign is verified (verification.h); what it
 * then waits for at EOM is the DNS (QUESTION_KEYS). While a question is open no further event may
 * be given.
 */
#ifndef SIGNPOST_DAEMON_SESSION_H
#define SIGNPOST_DAEMON_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/frame.h"
#include "daemon/milter/milter.h"
#include "daemon/settings.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/dkim/address.h"
#include "lib/dkim/canon.h"
#include "lib/dkim/header.h"
#include "lib/dkim/select.h"
#include "daemon/verification.h"

/* Octets of answers that may wait for a peer that does not read. */
#define SESSION_OUT_MAX (FRAME_MAX + 65536U)

/* Octets of a body that are hashed before the keeper is asked whether it will be signed. */
#define SESSION_ROUTE_AFTER 65536U

struct session;
struct shadow;
struct shadow_job;

/* What all sessions of a front-end share. */
struct session_host {
	const struct settings *settings;
	struct buf frame;         /* room for one frame, maximum FRAME_MAX */
	struct buf scratch;       /* canonical headers */
	struct digest *spare[64]; /* digests at rest */
	unsigned int spare_count;
	uint16_t frontend;
	uint64_t next_id;
	/* Sends host->frame. ST_UNAVAILABLE: the keeper's socket is full, ask again by
	 * session_ask(). */
	enum status (*send)(struct session_host *host);
	/* The keys that a session waited for (QUESTION_KEYS) have come. */
	void (*resume)(struct session *session);
	struct resolver *resolver; /* when the configuration verifies */
	struct public_key_cache *keys;
	struct selfverify *selfverify; /* NULL: our own signatures are not verified */
	struct shadow *shadow;         /* NULL: not in shadow mode */
	int64_t now_utc;               /* seconds; at most one old */
};

enum session_state {
	SESSION_FRESH,      /* nothing agreed */
	SESSION_NEGOTIATED, /* options agreed */
	SESSION_CONNECTED,  /* between messages */
	SESSION_ENVELOPE,
	SESSION_HEADERS,
	SESSION_BODY,
	SESSION_DONE /* to be closed when out is written */
};

/* To the keeper; QUESTION_KEYS: to the DNS. QUESTION_SHADOW is open while it is asked only: no
 * session waits for its answer. */
enum session_question {
	QUESTION_NONE,
	QUESTION_PEER,
	QUESTION_ROUTE,
	QUESTION_SIGN,
	QUESTION_KEYS,
	QUESTION_SHADOW
};

enum message_role { MESSAGE_UNDECIDED, MESSAGE_VERIFY };

/* What is known of the current message. */
struct session_message {
	struct arena arena;
	struct header_list headers;
	struct header_selection selection;
	bool headers_ready;   /* the list has been made */
	bool selected;        /* and what of it is signed */
	bool hashing;         /* body and digest are in use */
	bool routed;          /* a ROUTE was answered VERDICT_SIGN */
	bool recipients_lost; /* too many to carry */
	bool defective;       /* RequiredHeaders: the field counts break RFC 5322 */
	bool ask_role;        /* ROUTE is to be asked before the body comes */
	bool unsignable;      /* StrictHeaders */
	bool asked_at_eoh;    /* the MTA waits for the answer to ROUTE */
	bool at_end;          /* the ROUTE question was asked at the end of the message */
	enum verdict verdict; /* 0 until decided */
	char refusal[128];    /* for the MTA, with a temporary or permanent refusal */
	const char *detail;   /* of its enhanced status code: "7.0"; NULL for that. Static */
	enum message_role role;
	struct verification verification;
	struct shadow_job *shadow_job; /* shadow.h; owned, or NULL */
	struct digest *digest;
	struct canon_body body;
	enum canon header_canon, body_canon;
	uint64_t body_bytes;  /* hashed so far, as they came */
	uint64_t body_octets; /* canonical octets that the hash covers */
	uint8_t body_hash[SHA256_BYTES];
	const char *sender_header;
	struct address sender;
	char job_id[64];
	struct buf recipients; /* frame list */
	struct buf macros;     /* frame list */
};

struct session {
	struct session_host *host;
	enum session_state state;
	enum session_question question; /* what is being asked */
	bool question_sent;             /* false: the keeper's socket was full */
	bool replied;                   /* the step of the MTA has had its reply */
	uint64_t question_id;
	uint32_t protocol; /* agreed SMFIP_ */
	uint32_t actions;  /* agreed SMFIF_ */
	uint32_t version;
	bool peer; /* in PeerList: everything passes */
	uint8_t family;
	uint8_t address[16];
	char client_host[256];
	char daemon_name[128];
	char mta_name[256]; /* macro j: the authserv-id unless AuthservID says another */
	bool authenticated;
	bool login_lost; /* {auth_authen} did not fit: nobody knows who it is */
	char login[FRAME_LOGIN_MAX + 1];
	struct buf macros; /* of CONNECT and HELO: frame list */
	struct session_message message;
	struct buf out; /* packets for the MTA */
};

void session_init(struct session *session, struct session_host *host);
void session_free(struct session *session);

/* The next event; not while a question is open (session->question != QUESTION_NONE). */
void session_event(struct session *session, const struct milter_event *event);
/* Sends the open question (again). false: the keeper's socket is full. */
bool session_ask(struct session *session);
/* The keeper's answer to session->question_id. */
void session_answer(struct session *session, const struct reply *reply);
/* host->resume's part: all keys of QUESTION_KEYS are there. */
void session_keys_ready(struct session *session);
/* The keeper died or did not answer in time: the message is tempfailed. */
void session_keeper_lost(struct session *session, const char *why);
/* The MTA broke the protocol or went silent; logs and ends. */
void session_abandon(struct session *session, const char *why);

#endif
