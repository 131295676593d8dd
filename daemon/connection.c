/*
 * connection.c - one connection from an MTA: octets in, events to the session, octets out, and its
 * question to the keeper.
 * Called by the loop when the socket is ready and by frontend.c when the keeper answered. It must
 * never keep more input than READ_BYTES, nor read from a peer that does not read.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/frontend.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/metrics.h"

static struct connection **
question_slot(struct frontend *frontend, uint64_t id)
{
	return &frontend->questions[id % QUESTION_BUCKETS];
}

struct connection *
question_find(struct frontend *frontend, uint64_t id)
{
	struct connection *connection = *question_slot(frontend, id);

	while (connection != NULL && connection->session.question_id != id)
		connection = connection->question_next;
	return connection;
}

static void
question_remember(struct connection *connection)
{
	struct frontend *frontend = connection->frontend;
	struct connection **slot = question_slot(frontend, connection->session.question_id);

	connection->question_next = *slot;
	*slot = connection;
	connection->asked = true;
	frontend->asked++;
}

static void
blocked_add(struct connection *connection)
{
	struct frontend *frontend = connection->frontend;

	connection->blocked = true;
	connection->blocked_next = NULL;
	if (frontend->blocked == NULL)
		frontend->blocked_end = &frontend->blocked;
	*frontend->blocked_end = connection;
	frontend->blocked_end = &connection->blocked_next;
	if (loop_arm(&frontend->loop, &frontend->requests, EPOLLOUT) != ST_OK)
		log_line(LOG_LEVEL_ERROR, "cannot wait for the keeper: %s", strerror(errno));
}

static void
blocked_remove(struct connection *connection)
{
	struct connection **at = &connection->frontend->blocked;

	while (*at != connection)
		at = &(*at)->blocked_next;
	*at = connection->blocked_next;
	if (*at == NULL)
		connection->frontend->blocked_end = at;
	connection->blocked = false;
}

void
question_forget(struct connection *connection)
{
	struct connection **at =
	    question_slot(connection->frontend, connection->session.question_id);

	if (connection->blocked)
		blocked_remove(connection);
	if (!connection->asked)
		return;
	while (*at != connection)
		at = &(*at)->question_next;
	*at = connection->question_next;
	connection->asked = false;
	connection->frontend->asked--;
}

/* The session has opened a question. */
static void
question_note(struct connection *connection)
{
	connection->asked_ms = connection->frontend->loop.now_ms;
	if (connection->session.question_sent)
		question_remember(connection);
	else
		blocked_add(connection);
}

void
questions_send_blocked(struct frontend *frontend)
{
	while (frontend->blocked != NULL) {
		struct connection *connection = frontend->blocked;

		if (!session_ask(&connection->session))
			return;
		blocked_remove(connection);
		if (connection->session.question == QUESTION_NONE)
			connection_resume(connection);
		else
			question_remember(connection);
	}
	if (loop_arm(&frontend->loop, &frontend->requests, 0) != ST_OK)
		log_line(LOG_LEVEL_ERROR, "cannot change what is waited for: %s", strerror(errno));
}

void
connection_close(struct connection *connection)
{
	struct frontend *frontend = connection->frontend;

	question_forget(connection);
	loop_forget(&frontend->loop, &connection->source);
	close(connection->source.fd);
	milter_decoder_free(&connection->decoder);
	session_free(&connection->session);
	buf_free(&connection->input);
	*(connection->prev != NULL ? &connection->prev->next : &frontend->all) = connection->next;
	if (connection->next != NULL)
		connection->next->prev = connection->prev;
	mem_free(connection);
	frontend->count--;
	metrics_gauge_add(METRIC_CONNECTIONS, -1);
	frontend_connection_gone(frontend);
}

bool
connection_is_idle(const struct connection *connection)
{
	return connection->session.question == QUESTION_NONE &&
	       connection->session.state <= SESSION_CONNECTED && connection->session.out.n == 0;
}

static void
set_deadline(struct connection *connection)
{
	const struct frontend *frontend = connection->frontend;
	bool hurry = connection->session.state == SESSION_FRESH || connection->session.out.n > 0;

	connection->deadline_ms =
	    frontend->loop.now_ms +
	    (hurry ? FRESH_TIMEOUT_MS : frontend->host.settings->idle_timeout_s * 1000);
}

/* Writes what is there. false: the connection is gone. */
static bool
connection_flush(struct connection *connection)
{
	struct buf *out = &connection->session.out;
	ssize_t n;

	if (out->n > 0) {
		n = send(connection->source.fd, out->p, out->n, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			connection_close(connection);
			return false;
		}
		if (n > 0)
			buf_drop_front(out, (size_t)n);
	}
	if (out->n == 0 && connection->session.state == SESSION_DONE) {
		connection_close(connection);
		return false;
	}
	return true;
}

/* The connection is gone when the kernel has no room for it. */
static void
wait_for(struct connection *connection, uint32_t events)
{
	if (loop_arm(&connection->frontend->loop, &connection->source, events) == ST_OK)
		return;
	log_line(LOG_LEVEL_ERROR, "cannot wait for an MTA: %s; connection closed", strerror(errno));
	connection_close(connection);
}

/* Gives events to the session until the input is used up or a question is open. */
static struct span
connection_decode(struct connection *connection, struct span input)
{
	struct session *session = &connection->session;
	struct milter_event event;
	struct err err = ERR_NONE;
	enum status status = ST_OK;

	while (session->question == QUESTION_NONE && session->state != SESSION_DONE) {
		status = milter_decoder_next(&connection->decoder, &input, &event, &err);
		if (status == ST_INVALID)
			session_abandon(session, err.text);
		if (status != ST_OK)
			break;
		session_event(session, &event);
	}
	return input;
}

/* A question is open: what comes now waits, within a limit. true: some input is waiting. */
static bool
keep_input(struct connection *connection, struct span rest)
{
	if (!connection->asked && !connection->blocked &&
	    connection->session.question != QUESTION_KEYS)
		question_note(connection);
	buf_add(&connection->input, rest);
	if (buf_status(&connection->input) != ST_OK) {
		question_forget(connection);
		session_abandon(
		    &connection->session, "the MTA sends on without waiting for answers");
	}
	return connection->input.n > 0;
}

/* Nothing to say, more to come: acknowledge now. Where no step is answered an MTA writes several
 * times before it reads, and with Nagle's algorithm each of those writes but the first waits for
 * the acknowledgement of the one before, which the kernel puts off for 40 ms (seen with Postfix).
 */
static void
acknowledge(const struct connection *connection)
{
	const int one = 1;

	if (connection->frontend->tcp)
		setsockopt(connection->source.fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
}

/* Input is borrowed and is not connection->input. The connection may be gone afterwards. */
static void
connection_run(struct connection *connection, struct span input)
{
	struct span rest = connection_decode(connection, input);
	bool silent = connection->session.question == QUESTION_NONE &&
		      connection->session.out.n == 0 && input.n > 0;
	uint32_t events = EPOLLIN;

	if (connection->session.question != QUESTION_NONE && keep_input(connection, rest))
		events = 0;
	if (!connection_flush(connection))
		return;
	if (connection->session.out.n > 0)
		events = EPOLLOUT;
	if (silent)
		acknowledge(connection);
	set_deadline(connection);
	wait_for(connection, events);
}

void
connection_resume(struct connection *connection)
{
	struct buf kept = connection->input;

	buf_init(&connection->input, READ_BYTES);
	connection_run(connection, buf_span(&kept));
	buf_free(&kept);
}

/* host->resume: the keys that a message waited for are there. */
void
connection_keys_ready(struct session *session)
{
	struct connection *connection =
	    (struct connection *)(void *)((char *)session - offsetof(struct connection, session));

	session_keys_ready(session);
	connection_resume(connection);
}

void
connection_check_time(struct connection *connection, int64_t now_ms)
{
	struct session *session = &connection->session;

	if ((connection->asked || connection->blocked) &&
	    now_ms - connection->asked_ms > KEEPER_TIMEOUT_MS) {
		question_forget(connection);
		session_keeper_lost(session, "the keeper did not answer in time");
		connection_resume(connection);
		return;
	}
	if (session->question != QUESTION_NONE || now_ms < connection->deadline_ms)
		return;
	session_abandon(session, session->out.n > 0 ? "it does not read its answers"
						    : "nothing came from it for too long");
	connection_close(connection);
}

static void
on_readable(struct connection *connection)
{
	struct frontend *frontend = connection->frontend;
	ssize_t n = recv(connection->source.fd, frontend->room, READ_BYTES, 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		connection_close(connection);
	else if (n > 0)
		connection_run(connection, span_of(frontend->room, (size_t)n));
	else
		wait_for(connection, EPOLLIN);
}

static void
on_ready(struct loop_source *source, uint32_t events)
{
	struct connection *connection = source->owner;

	if ((source->events & EPOLLOUT) != 0) {
		if (connection_flush(connection) && connection->session.out.n == 0)
			connection_resume(connection);
	} else if ((source->events & EPOLLIN) != 0) {
		on_readable(connection);
	} else if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
		connection_close(connection);
	}
}

void
connection_open(struct frontend *frontend, int fd)
{
	struct connection *connection = mem_zalloc(1, sizeof(*connection));

	connection->frontend = frontend;
	connection->source = (struct loop_source){.fd = fd, .ready = on_ready, .owner = connection};
	milter_decoder_init(
	    &connection->decoder, frontend->host.settings->header_bytes_max + PACKET_EXTRA);
	session_init(&connection->session, &frontend->host);
	buf_init(&connection->input, READ_BYTES);
	connection->next = frontend->all;
	if (frontend->all != NULL)
		frontend->all->prev = connection;
	frontend->all = connection;
	frontend->count++;
	metrics_gauge_add(METRIC_CONNECTIONS, 1);
	set_deadline(connection);
	/* The options have usually come with the connection. */
	on_readable(connection);
}
