/*
 * frontend.c - the process that talks to the MTA: an event loop over many connections, each with a
 * decoder and a session, and the keeper's answers.
 * Between the MTA and session.c on one side, the keeper on the other. It must never hold a key,
 * block, or keep more of a connection than the limits say.
 */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/process.h"
#include "daemon/session.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

/* One read; also the most input kept of a peer that sends on while it should wait. */
#define READ_BYTES 262144U
/* Longest packet kept whole: a header field at its limit, envelope commands. */
#define PACKET_MAX (SETTINGS_HEADER_BYTES_MAX + 4096U)
#define PENDING_BUCKETS 1024U
#define ACCEPT_BATCH 64
/* Before the first option negotiation and while an answer is not taken, a peer gets less time. */
#define FRESH_TIMEOUT_S 60
#define KEEPER_TIMEOUT_MS 20000

struct frontend;

struct connection {
	struct frontend *frontend;
	struct connection *next, *prev;          /* all connections */
	struct connection *pending_next;         /* with a question, by its id */
	struct connection *blocked_next;         /* whose question could not be sent yet */
	int fd;
	bool reading, writing, pending, blocked;
	int64_t asked_ms;
	struct event *on_read, *on_write;
	struct milter_decoder decoder;
	struct session session;
	struct buf input; /* what came while a question was open */
};

struct frontend {
	struct session_host host; /* first: session_host's send() finds the rest */
	struct event_base *base;
	const struct timeval *idle, *fresh;
	struct event *listen[LISTENERS_MAX];
	size_t listen_count;
	bool accepting, draining;
	int request_fd, reply_fd;
	struct event *on_reply, *on_request_room, *on_tick, *accept_again;
	size_t count;
	struct connection *all;
	struct connection *blocked;
	struct connection *questions[PENDING_BUCKETS];
	char *room;       /* READ_BYTES */
	char *reply_room; /* FRAME_MAX */
};

static void connection_run(struct connection *connection, struct span input);

static enum status
send_to_keeper(struct session_host *host)
{
	struct frontend *frontend = (struct frontend *)(void *)host;

	return channel_send(frontend->request_fd, buf_span(&host->frame));
}

static void
listening(struct frontend *frontend, bool on)
{
	if (frontend->accepting == on)
		return;
	frontend->accepting = on;
	for (size_t i = 0; i < frontend->listen_count; i++) {
		if (on)
			event_add(frontend->listen[i], NULL);
		else
			event_del(frontend->listen[i]);
	}
}

/* ---- questions to the keeper ---- */

static struct connection **
question_slot(struct frontend *frontend, uint64_t id)
{
	return &frontend->questions[id % PENDING_BUCKETS];
}

static void
question_remember(struct connection *connection)
{
	struct connection **slot =
	    question_slot(connection->frontend, connection->session.question_id);

	connection->pending_next = *slot;
	*slot = connection;
	connection->pending = true;
}

static void
question_forget(struct connection *connection)
{
	struct connection **at =
	    question_slot(connection->frontend, connection->session.question_id);

	if (!connection->pending)
		return;
	while (*at != connection)
		at = &(*at)->pending_next;
	*at = connection->pending_next;
	connection->pending = false;
}

static void
blocked_add(struct connection *connection)
{
	struct frontend *frontend = connection->frontend;

	if (connection->blocked)
		return;
	connection->blocked = true;
	connection->blocked_next = frontend->blocked;
	if (frontend->blocked == NULL)
		event_add(frontend->on_request_room, NULL);
	frontend->blocked = connection;
}

static void
blocked_remove(struct connection *connection)
{
	struct connection **at = &connection->frontend->blocked;

	if (!connection->blocked)
		return;
	while (*at != connection)
		at = &(*at)->blocked_next;
	*at = connection->blocked_next;
	connection->blocked = false;
}

/* Called when the session has an open question that this front-end has not noted yet. */
static void
question_note(struct connection *connection)
{
	connection->asked_ms = clock_mono_ms();
	if (connection->session.question_sent)
		question_remember(connection);
	else
		blocked_add(connection);
}

/* ---- connections ---- */

static void
connection_close(struct connection *connection)
{
	struct frontend *frontend = connection->frontend;

	question_forget(connection);
	blocked_remove(connection);
	event_free(connection->on_read);
	event_free(connection->on_write);
	close(connection->fd);
	milter_decoder_free(&connection->decoder);
	session_free(&connection->session);
	buf_free(&connection->input);
	*(connection->prev != NULL ? &connection->prev->next : &frontend->all) = connection->next;
	if (connection->next != NULL)
		connection->next->prev = connection->prev;
	mem_free(connection);
	frontend->count--;
	if (frontend->draining && frontend->count == 0)
		event_base_loopbreak(frontend->base);
	else if (!frontend->draining)
		listening(frontend, true);
}

static void
set_reading(struct connection *connection, bool on)
{
	const struct frontend *frontend = connection->frontend;

	if (connection->reading == on)
		return;
	connection->reading = on;
	if (on)
		event_add(connection->on_read,
		    connection->session.state == SESSION_FRESH ? frontend->fresh : frontend->idle);
	else
		event_del(connection->on_read);
}

static bool
between_messages(const struct connection *connection)
{
	return connection->session.question == QUESTION_NONE &&
	       connection->session.state <= SESSION_CONNECTED;
}

/* Writes what is there. false: the connection is gone. */
static bool
connection_flush(struct connection *connection)
{
	struct buf *out = &connection->session.out;
	ssize_t n = 0;

	if (out->n > 0) {
		n = send(connection->fd, out->p, out->n, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			connection_close(connection);
			return false;
		}
		if (n > 0)
			buf_drop_front(out, (size_t)n);
	}
	if (out->n > 0) {
		/* A peer that does not read is not read from either. */
		set_reading(connection, false);
		if (!connection->writing)
			event_add(connection->on_write, connection->frontend->fresh);
		connection->writing = true;
		return true;
	}
	if (connection->session.state == SESSION_DONE) {
		connection_close(connection);
		return false;
	}
	return true;
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

/* Input is borrowed and is not connection->input. */
static void
connection_run(struct connection *connection, struct span input)
{
	struct span rest = connection_decode(connection, input);
	struct session *session = &connection->session;

	if (session->question != QUESTION_NONE) {
		if (!connection->pending && !connection->blocked)
			question_note(connection);
		buf_add(&connection->input, rest);
		if (buf_status(&connection->input) != ST_OK) {
			question_forget(connection);
			blocked_remove(connection);
			session_abandon(session, "the MTA sends on without waiting for answers");
		} else if (rest.n > 0) {
			set_reading(connection, false);
		}
	}
	if (!connection_flush(connection))
		return;
	if (session->question == QUESTION_NONE && !connection->writing)
		set_reading(connection, true);
}

/* Goes on with what came while the question was open. */
static void
connection_resume(struct connection *connection)
{
	struct buf kept = connection->input;

	if (kept.n == 0) {
		connection_run(connection, SPAN_EMPTY);
		return;
	}
	buf_init(&connection->input, READ_BYTES);
	connection_run(connection, buf_span(&kept));
	buf_free(&kept);
}

static void
connection_timed_out(struct connection *connection)
{
	if (connection->session.question != QUESTION_NONE) {
		/* The keeper's turn, and its own time limit. */
		connection->reading = false;
		set_reading(connection, true);
		return;
	}
	session_abandon(&connection->session, "nothing came from the MTA for too long");
	connection_flush(connection);
}

static void
on_read(evutil_socket_t fd, short what, void *arg)
{
	struct connection *connection = arg;
	struct frontend *frontend = connection->frontend;
	ssize_t n;

	if ((what & EV_READ) == 0) {
		connection_timed_out(connection);
		return;
	}
	n = recv(fd, frontend->room, READ_BYTES, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		connection_close(connection);
	else
		connection_run(connection, span_of(frontend->room, (size_t)n));
}

static void
on_write(evutil_socket_t fd, short what, void *arg)
{
	struct connection *connection = arg;

	(void)fd;
	connection->writing = false;
	if ((what & EV_WRITE) == 0) {
		log_line(LOG_LEVEL_WARNING, "an MTA does not read its answers; connection closed");
		connection_close(connection);
		return;
	}
	if (connection_flush(connection) && !connection->writing)
		connection_resume(connection);
}

static void
connection_open(struct frontend *frontend, int fd)
{
	struct connection *connection = mem_zalloc(1, sizeof(*connection));

	connection->frontend = frontend;
	connection->fd = fd;
	connection->on_read =
	    event_new(frontend->base, fd, EV_READ | EV_PERSIST, on_read, connection);
	connection->on_write = event_new(frontend->base, fd, EV_WRITE, on_write, connection);
	milter_decoder_init(&connection->decoder, PACKET_MAX);
	session_init(&connection->session, &frontend->host);
	buf_init(&connection->input, READ_BYTES);
	connection->next = frontend->all;
	if (frontend->all != NULL)
		frontend->all->prev = connection;
	frontend->all = connection;
	frontend->count++;
	set_reading(connection, true);
}

/* ---- accepting ---- */

static void
on_accept_again(evutil_socket_t fd, short what, void *arg)
{
	struct frontend *frontend = arg;

	(void)fd;
	(void)what;
	if (!frontend->draining)
		listening(frontend, true);
}

/* Out of descriptors or memory: others may close something meanwhile. */
static void
accept_failed(struct frontend *frontend)
{
	const struct timeval pause = {0, 200000};

	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	log_line(LOG_LEVEL_ERROR, "cannot accept a connection: %s; trying again in 200 ms",
	    strerror(errno));
	listening(frontend, false);
	event_add(frontend->accept_again, &pause);
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct frontend *frontend = arg;

	(void)what;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int client;

		if (frontend->count >= frontend->host.settings->connections_max) {
			log_line(LOG_LEVEL_WARNING,
			    "MaximumConnections (%zu) reached; others wait to be accepted",
			    frontend->host.settings->connections_max);
			listening(frontend, false);
			return;
		}
		client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client < 0) {
			accept_failed(frontend);
			return;
		}
		connection_open(frontend, client);
	}
}

/* ---- the keeper's answers ---- */

static struct connection *
question_find(struct frontend *frontend, uint64_t id)
{
	struct connection *connection = *question_slot(frontend, id);

	while (connection != NULL && connection->session.question_id != id)
		connection = connection->pending_next;
	return connection;
}

static void
connection_lost_keeper(struct connection *connection, const char *why)
{
	question_forget(connection);
	blocked_remove(connection);
	session_keeper_lost(&connection->session, why);
	connection_resume(connection);
}

/* Every question asked until latest_ms is tempfailed; those not sent yet only if unsent_too. */
static void
questions_give_up(
    struct frontend *frontend, int64_t latest_ms, bool unsent_too, const char *why)
{
	struct connection *connection = frontend->all, *next;

	for (; connection != NULL; connection = next) {
		next = connection->next;
		if ((connection->pending || (connection->blocked && unsent_too)) &&
		    connection->asked_ms <= latest_ms)
			connection_lost_keeper(connection, why);
	}
}

static void
take_answer(struct frontend *frontend, struct span frame)
{
	struct connection *connection;
	static const char lost[] = "the keeper died while it had the message";
	struct reply reply;

	if (reply_decode(frame, &reply) != ST_OK) {
		log_line(LOG_LEVEL_ERROR, "a malformed answer of the keeper is ignored");
		return;
	}
	if (reply.verdict == VERDICT_RESET) {
		questions_give_up(frontend, INT64_MAX, false, lost);
		return;
	}
	connection = question_find(frontend, reply.id);
	if (connection == NULL)
		return; /* closed meanwhile, or given up */
	question_forget(connection);
	session_answer(&connection->session, &reply);
	connection_resume(connection);
}

static void
on_reply(evutil_socket_t fd, short what, void *arg)
{
	struct frontend *frontend = arg;
	size_t n;

	(void)what;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		enum status status = channel_receive(fd, frontend->reply_room, FRAME_MAX, &n);

		if (status == ST_OK)
			take_answer(frontend, span_of(frontend->reply_room, n));
		else if (status == ST_ABSENT)
			_exit(EX_SOFTWARE); /* the parent is gone */
		else if (status != ST_TOO_BIG)
			return;
	}
}

static void
on_request_room(evutil_socket_t fd, short what, void *arg)
{
	struct frontend *frontend = arg;

	(void)fd;
	(void)what;
	while (frontend->blocked != NULL) {
		struct connection *connection = frontend->blocked;

		if (!session_ask(&connection->session)) {
			event_add(frontend->on_request_room, NULL);
			return;
		}
		blocked_remove(connection);
		if (connection->session.question == QUESTION_NONE)
			connection_resume(connection);
		else
			question_remember(connection);
	}
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	questions_give_up(
	    arg, clock_mono_ms() - KEEPER_TIMEOUT_MS, true, "the keeper did not answer in time");
}

/* ---- the process ---- */

/* SIGUSR1: a newer configuration serves; SIGTERM: the service ends. */
static void
on_drain(evutil_socket_t sig, short what, void *arg)
{
	struct frontend *frontend = arg;
	struct connection *connection = frontend->all, *next;

	(void)what;
	listening(frontend, false);
	frontend->draining = true;
	for (; connection != NULL && sig == SIGTERM; connection = next) {
		next = connection->next;
		if (between_messages(connection))
			connection_close(connection);
	}
	if (frontend->count == 0)
		event_base_loopbreak(frontend->base);
}

static const struct timeval *
common_timeout(struct frontend *frontend, int64_t seconds)
{
	const struct timeval wanted = {seconds, 0};

	return event_base_init_common_timeout(frontend->base, &wanted);
}

static void
frontend_events(struct frontend *frontend, const struct listeners *listeners)
{
	const struct timeval second = {1, 0};
	struct event_base *base = frontend->base;

	frontend->idle = common_timeout(frontend, frontend->host.settings->idle_timeout_s);
	frontend->fresh = common_timeout(frontend, FRESH_TIMEOUT_S);
	for (size_t i = 0; i < listeners->count; i++)
		frontend->listen[i] = event_new(
		    base, listeners->fds[i], EV_READ | EV_PERSIST, on_accept, frontend);
	frontend->listen_count = listeners->count;
	frontend->accept_again = event_new(base, -1, 0, on_accept_again, frontend);
	frontend->on_reply =
	    event_new(base, frontend->reply_fd, EV_READ | EV_PERSIST, on_reply, frontend);
	frontend->on_request_room =
	    event_new(base, frontend->request_fd, EV_WRITE, on_request_room, frontend);
	frontend->on_tick = event_new(base, -1, EV_PERSIST, on_tick, frontend);
	event_add(frontend->on_reply, NULL);
	event_add(frontend->on_tick, &second);
	event_add(event_new(base, SIGTERM, EV_SIGNAL | EV_PERSIST, on_drain, frontend), NULL);
	event_add(event_new(base, SIGUSR1, EV_SIGNAL | EV_PERSIST, on_drain, frontend), NULL);
}

static void
frontend_start(struct frontend *frontend, const struct child_args *args)
{
	struct settings *settings = NULL;
	struct err err = ERR_NONE;

	if (settings_new(args->conf, &settings, &err) != ST_OK) {
		log_line(LOG_LEVEL_ERROR, "%s", err.text);
		_exit(EX_CONFIG);
	}
	frontend->host.settings = settings;
	frontend->host.frontend = (uint16_t)args->index;
	frontend->host.send = send_to_keeper;
	buf_init(&frontend->host.frame, FRAME_MAX);
	buf_init(&frontend->host.scratch, FRAME_CANONICAL_MAX);
	/* Answers to a front-end that died must not be taken for ours. */
	random_bytes(&frontend->host.next_id, sizeof(frontend->host.next_id));
	frontend->request_fd = args->channels->request_write;
	frontend->reply_fd = args->channels->reply_read[args->index];
	frontend->room = mem_alloc(READ_BYTES);
	frontend->reply_room = mem_alloc(FRAME_MAX);
	frontend->base = event_base_new();
	frontend_events(frontend, args->listeners);
}

void
frontend_run(const struct child_args *args)
{
	struct frontend *frontend = mem_zalloc(1, sizeof(*frontend));
	struct err err = ERR_NONE;
	sigset_t none;

	process_begin("sp-frontend", false, conf_bool(args->conf, CONF_ENABLE_COREDUMPS));
	channels_keep_frontend(args->channels, args->index);
	frontend_start(frontend, args);
	if (sandbox_enter(&err) != ST_OK)
		log_line(LOG_LEVEL_WARNING, "%s; going on without it", err.text);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	listening(frontend, true);
	event_base_dispatch(frontend->base);
	_exit(0);
}
