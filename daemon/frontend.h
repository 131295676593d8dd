/*
 * frontend.h - inside a front-end process: its connections and what they share. connection.c knows
 * one connection, frontend.c accepts them and talks to the keeper.
 */
#ifndef SIGNPOST_DAEMON_FRONTEND_H
#define SIGNPOST_DAEMON_FRONTEND_H

#include "daemon/dnsshare.h"
#include "daemon/process.h"
#include "daemon/selfverify.h"
#include "daemon/session.h"
#include "lib/base/loop.h"

/* One read; also the most input kept of a peer that sends on while it should wait. */
#define READ_BYTES 262144U
/* Packets are kept whole up to MaximumHeaders and this much more: envelope commands, macros. */
#define PACKET_EXTRA 16384U
#define QUESTION_BUCKETS 1024U
/* Until options are negotiated, and for an answer that a peer does not take. */
#define FRESH_TIMEOUT_MS 60000
#define KEEPER_TIMEOUT_MS 20000

struct frontend;

struct connection {
	struct frontend *frontend;
	struct connection *next, *prev;   /* all connections */
	struct connection *question_next; /* asked, by question id */
	struct connection *blocked_next;  /* whose question could not be sent yet */
	bool asked, blocked;
	int64_t asked_ms, deadline_ms;
	struct loop_source source;
	struct milter_decoder decoder;
	struct session session;
	struct buf input; /* what came while a question was open */
};

struct frontend {
	struct session_host host; /* first: its send() finds the rest */
	struct loop loop;
	struct dnsshare dnsshare;
	struct loop_source listen[LISTENERS_MAX];
	struct loop_source replies, requests, signals;
	size_t listen_count;
	bool accepting, draining;
	bool tcp;                /* the listening sockets are not UNIX ones */
	int64_t accept_again_ms; /* after an accept that failed; 0: no need */
	int64_t fixed_time_utc;  /* -F, or -1 */
	int64_t full_said_ms;    /* MaximumConnections was last logged then */
	size_t count;
	size_t asked; /* connections with a question at the keeper */
	struct connection *all;
	struct connection *blocked, **blocked_end; /* first come, first sent */
	struct connection *questions[QUESTION_BUCKETS];
	char *room;       /* READ_BYTES */
	char *reply_room; /* FRAME_MAX */
};

/* Takes fd over. */
void connection_open(struct frontend *frontend, int fd);
void connection_close(struct connection *connection);
/* The session went on: decodes what was kept, writes, reads on. The connection may be gone then. */
void connection_resume(struct connection *connection);
/* host->resume of a connection's session. The connection may be gone then. */
void connection_keys_ready(struct session *session);
/* Called every second. The connection may be gone then. */
void connection_check_time(struct connection *connection, int64_t now_ms);
/* Between two messages: may be closed without harm to a message. */
bool connection_is_idle(const struct connection *connection);

/* Who asked question id, or NULL. */
struct connection *question_find(struct frontend *frontend, uint64_t id);
/* The question is answered, given up, or its connection ends. */
void question_forget(struct connection *connection);
/* Sends the questions that did not fit into the keeper's socket. */
void questions_send_blocked(struct frontend *frontend);

/* A connection ended (frontend.c): accept again, or end with the last one. */
void frontend_connection_gone(struct frontend *frontend);

#endif
