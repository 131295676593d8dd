/*
 * steps.h - between session.c, steps.c and client.c only.
 */
#ifndef SIGNPOST_DAEMON_STEPS_H
#define SIGNPOST_DAEMON_STEPS_H

#include "daemon/session.h"

/* An answer that cannot be written (a bug, or a peer that reads nothing) ends the connection. */
void session_sent(struct session *session, enum status status);
void session_put_reply(struct session *session, enum milter_reply reply);
/* The reply to a step, unless the MTA does not wait for one (no_reply: its SMFIP_NR_ bit). */
void session_step_done(struct session *session, uint32_t no_reply);
/* The reply that a decided message gets. */
void session_put_verdict(struct session *session);
void session_message_over(struct session *session);
/* The body is complete: asks, waits or answers. */
void session_end_of_message(struct session *session);
void session_begin(struct session *session, enum session_question question);
/* NUL-terminated; what does not fit is left out. */
void session_copy_text(char *to, size_t size, struct span s);

void client_optneg(struct session *session, const struct milter_event *event);
void client_macro(struct session *session, const struct milter_event *event);
void client_connect(struct session *session, const struct milter_event *event);
void client_quit_nc(struct session *session, const struct milter_event *event);

#endif
