/*
 * message.h - one message inside a session: its facts, header fields and body hash, the request
 * that is made of them, and the answer put into packets. Called by session.c only.
 */
#ifndef SIGNPOST_DAEMON_MESSAGE_H
#define SIGNPOST_DAEMON_MESSAGE_H

#include "daemon/session.h"

void message_init(struct session *session);
void message_free(struct session *session);
/* Forgets the message; connection facts and the queue id of the next one are kept apart. */
void message_reset(struct session *session);

/* The queue id for log lines; static words when there is none. */
const char *message_job_id(const struct session *session);

/* Keeps a macro in a frame list; a later value of the same name replaces the earlier one. */
void message_macro(struct buf *macros, struct span name, struct span value);
void message_recipient(struct session *session, struct span address);
void message_header(struct session *session, struct span name, struct span value, bool too_big);
/* End of headers: finds the sender; the body digest starts unless the verdict is already clear. */
void message_headers_done(struct session *session);
/* The body digest for signing. */
void message_hashing_start(struct session *session);
void message_hashing_stop(struct session *session);
/* RFC 5322 section 3.6: From and Date once, the others at most once. */
bool message_counts_right(const struct session_message *message);
/* text for the MTA; detail: see struct session_message. */
void message_refuse(
    struct session *session, enum verdict verdict, const char *text, const char *detail);
/* Inserts a field above all others. false: it cannot be put together. */
bool message_put_field(struct session *session, struct span name, struct span value);
/* DKIM-Filter, if SoftwareHeader. */
bool message_put_software_field(struct session *session);
void message_body(struct session *session, struct span data);
/* End of the body: the hash is ready. */
void message_body_done(struct session *session);

/* Puts the open question into session->host->frame. false: it does not fit. May be called again
 * for the same question. */
bool message_frame(struct session *session);

/* Appends the packets of a signing answer to session->out. false: an answer that no MTA takes. */
bool message_put_fields(struct session *session, const struct reply *reply);

#endif
