/*
 * authority_exchange.c - asks many servers many questions at once over UDP, and over TCP where the
 * answer does not fit: one poll loop, a socket for each question, so that each has a port of its
 * own and the kernel drops what comes from another address. Called once in each round of a call.
 * It must never wait longer than the tries of what is under way.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/dns/authority_private.h"

#define FLYING_MAX 128U       /* sockets open at once */
#define FLYING_SERVER_MAX 64U /* questions at one address */
/* Tries without answer in a row: the server is gone for this call. One that has answered before may
 * have dropped what was too much for it. */
#define SILENT_MAX AUTHORITY_TRIES
#define SILENT_HEARD_MAX (8U * AUTHORITY_TRIES)
#define UDP_QUERY_AT 2U /* the length in front is for TCP */

struct flight {
	struct authority_call *call;
	int timeout_ms;
	struct authority_exchange *flying[FLYING_MAX];
	struct pollfd polls[FLYING_MAX];
	size_t count;
	bool full; /* no more sockets: others must end first */
	char packet[AUTHORITY_MESSAGE_MAX];
};

/* ---- the end of an exchange ---- */

static void
hang_up(struct authority_exchange *exchange)
{
	if (exchange->fd >= 0)
		close(exchange->fd);
	exchange->fd = -1;
	mem_free(exchange->in);
	exchange->in = NULL;
	exchange->in_bytes = exchange->sent = 0;
	exchange->connected = false;
}

static void
note(struct authority_server *server, enum authority_outcome outcome, unsigned tries)
{
	if (outcome == AUTHORITY_ANSWERED) {
		server->heard = true;
		server->silent = 0;
		return;
	}
	server->bad++;
	if (outcome == AUTHORITY_SILENT)
		server->silent += tries;
	if (outcome == AUTHORITY_NO_ROUTE)
		server->no_route = true;
}

static void
finish(struct flight *flight, struct authority_exchange *exchange, enum authority_outcome outcome)
{
	const struct authority_answer *answer = NULL;

	if (outcome == AUTHORITY_ANSWERED) {
		if (authority_answer_read(exchange->message, flight->call->answer) == ST_OK)
			answer = flight->call->answer;
		else
			outcome = AUTHORITY_TORN;
	}
	exchange->outcome = outcome;
	note(exchange->server, outcome, exchange->tries);
	exchange->done(flight->call, exchange, answer);
	hang_up(exchange);
}

/* It leaves its place to the last one. */
static void
land(struct flight *flight, size_t at, enum authority_outcome outcome)
{
	struct authority_exchange *exchange = flight->flying[at];

	exchange->server->flying--;
	flight->count--;
	flight->flying[at] = flight->flying[flight->count];
	flight->polls[at] = flight->polls[flight->count];
	finish(flight, exchange, outcome);
}

/* ---- a try ---- */

static enum authority_outcome
of_errno(int error)
{
	if (error == ENETUNREACH || error == EHOSTUNREACH || error == EADDRNOTAVAIL ||
	    error == EAFNOSUPPORT || error == EACCES || error == EPERM)
		return AUTHORITY_NO_ROUTE;
	if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM)
		return AUTHORITY_NO_SOCKET;
	return AUTHORITY_REFUSED;
}

/* AUTHORITY_ANSWERED: under way. */
static enum authority_outcome
open_socket(struct authority_exchange *exchange)
{
	const struct authority_server *server = exchange->server;
	int kind = exchange->tcp ? SOCK_STREAM : SOCK_DGRAM;

	exchange->fd = socket(server->address.ss_family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (exchange->fd < 0)
		return of_errno(errno);
	if (connect(exchange->fd, (const struct sockaddr *)&server->address,
		server->address_bytes) != 0 &&
	    errno != EINPROGRESS)
		return exchange->tcp ? AUTHORITY_NO_TCP : of_errno(errno);
	return AUTHORITY_ANSWERED;
}

static enum authority_outcome
begin_try(struct flight *flight, struct authority_exchange *exchange)
{
	enum authority_outcome outcome;
	size_t n;

	hang_up(exchange);
	exchange->until_ms = clock_mono_ms() + flight->timeout_ms;
	authority_query_build(exchange);
	outcome = open_socket(exchange);
	if (outcome != AUTHORITY_ANSWERED || exchange->tcp)
		return outcome;
	n = exchange->query_bytes - UDP_QUERY_AT;
	if (send(exchange->fd, exchange->query + UDP_QUERY_AT, n, MSG_NOSIGNAL) < 0 &&
	    errno != EAGAIN && errno != EINTR)
		return of_errno(errno);
	return AUTHORITY_ANSWERED;
}

/* The same exchange once more, with a socket of its own. */
static void
again(struct flight *flight, size_t at)
{
	struct authority_exchange *exchange = flight->flying[at];
	enum authority_outcome outcome = begin_try(flight, exchange);

	if (outcome != AUTHORITY_ANSWERED) {
		land(flight, at, outcome);
		return;
	}
	flight->polls[at] =
	    (struct pollfd){.fd = exchange->fd, .events = exchange->tcp ? POLLOUT : POLLIN};
}

static void
failed_try(struct flight *flight, size_t at, enum authority_outcome outcome)
{
	struct authority_exchange *exchange = flight->flying[at];

	if (++exchange->tried >= exchange->tries)
		land(flight, at, outcome);
	else
		again(flight, at);
}

static void
over_tcp(struct flight *flight, size_t at)
{
	flight->flying[at]->tcp = true;
	again(flight, at);
}

/* true: the exchange went on or ended. */
static bool
take_message(struct flight *flight, size_t at, struct span message)
{
	struct authority_exchange *exchange = flight->flying[at];

	switch (authority_query_fits(exchange, message)) {
	case AUTHORITY_FIT:
		exchange->message = message;
		land(flight, at, AUTHORITY_ANSWERED);
		return true;
	case AUTHORITY_TRUNCATED:
	case AUTHORITY_RESPELLED:
		over_tcp(flight, at);
		return true;
	case AUTHORITY_NO_EXTENSION:
		exchange->plain = true;
		again(flight, at);
		return true;
	case AUTHORITY_NOT_OURS:
	default:
		return false;
	}
}

/* ---- UDP ---- */

static void
on_udp(struct flight *flight, size_t at)
{
	struct authority_exchange *exchange = flight->flying[at];
	ssize_t n = recv(exchange->fd, flight->packet, sizeof(flight->packet), 0);

	if (n >= 0)
		take_message(flight, at, span_of(flight->packet, (size_t)n));
	else if (errno != EAGAIN && errno != EINTR)
		failed_try(flight, at, AUTHORITY_REFUSED);
}

/* ---- TCP, RFC 7766 ---- */

/* false: the try is over. */
static bool
tcp_send(struct flight *flight, size_t at)
{
	struct authority_exchange *exchange = flight->flying[at];
	int error = 0;
	socklen_t length = sizeof(error);
	ssize_t n;

	if (!exchange->connected &&
	    (getsockopt(exchange->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0))
		return false;
	exchange->connected = true;
	n = send(exchange->fd, exchange->query + exchange->sent,
	    exchange->query_bytes - exchange->sent, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	exchange->sent += (size_t)n;
	if (exchange->sent == exchange->query_bytes)
		flight->polls[at].events = POLLIN;
	return true;
}

/* Octets of the message that are missing; its length comes first. */
static size_t
tcp_missing(const struct authority_exchange *exchange)
{
	if (exchange->in_bytes < 2)
		return 2 - exchange->in_bytes;
	return (size_t)(exchange->in[0] << 8 | exchange->in[1]) + 2 - exchange->in_bytes;
}

static bool
tcp_receive(struct authority_exchange *exchange)
{
	ssize_t n;

	if (exchange->in == NULL)
		exchange->in = mem_alloc(AUTHORITY_MESSAGE_MAX + 2);
	while (tcp_missing(exchange) > 0) {
		n = recv(exchange->fd, exchange->in + exchange->in_bytes, tcp_missing(exchange), 0);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (n == 0)
			return false;
		exchange->in_bytes += (size_t)n;
	}
	return true;
}

static void
on_tcp(struct flight *flight, size_t at)
{
	struct authority_exchange *exchange = flight->flying[at];
	bool good =
	    exchange->sent < exchange->query_bytes ? tcp_send(flight, at) : tcp_receive(exchange);

	if (!good) {
		failed_try(flight, at, AUTHORITY_NO_TCP);
		return;
	}
	if (exchange->in_bytes < 2 || tcp_missing(exchange) > 0)
		return;
	if (!take_message(flight, at, span_of(exchange->in + 2, exchange->in_bytes - 2)))
		failed_try(flight, at, AUTHORITY_TORN);
}

/* ---- all of them ---- */

static bool
is_gone(const struct authority_server *server)
{
	return server->silent >= (server->heard ? SILENT_HEARD_MAX : SILENT_MAX);
}

/* true: it has been begun, or is at its end. */
static bool
start(struct flight *flight, struct authority_exchange *exchange)
{
	struct authority_server *server = exchange->server;
	enum authority_outcome outcome;

	if (server->no_route || is_gone(server)) {
		finish(flight, exchange, server->no_route ? AUTHORITY_NO_ROUTE : AUTHORITY_SILENT);
		return true;
	}
	if (server->flying >= FLYING_SERVER_MAX)
		return false;
	outcome = begin_try(flight, exchange);
	flight->full = outcome == AUTHORITY_NO_SOCKET && flight->count > 0;
	if (flight->full)
		return false;
	if (outcome != AUTHORITY_ANSWERED) {
		finish(flight, exchange, outcome);
		return true;
	}
	server->flying++;
	flight->flying[flight->count] = exchange;
	flight->polls[flight->count] = (struct pollfd){.fd = exchange->fd, .events = POLLIN};
	flight->count++;
	return true;
}

/* What has been begun becomes NULL; *first is the first that has not. */
static void
start_more(struct flight *flight, struct authority_exchange **waiting, size_t count, size_t *first)
{
	flight->full = false;
	for (size_t i = *first; i < count && flight->count < FLYING_MAX && !flight->full; i++) {
		if (waiting[i] != NULL && start(flight, waiting[i]))
			waiting[i] = NULL;
	}
	while (*first < count && waiting[*first] == NULL)
		++*first;
}

static int
wait_ms(const struct flight *flight)
{
	int64_t first = INT64_MAX, left;

	for (size_t i = 0; i < flight->count; i++)
		if (flight->flying[i]->until_ms < first)
			first = flight->flying[i]->until_ms;
	left = first - clock_mono_ms();
	return left < 0 ? 0 : left > 10000 ? 10000 : (int)left;
}

/* From the last to the first: who lands leaves its place to one that has been seen. Whoever sends
 * what is no answer does not make it wait longer. */
static void
serve(struct flight *flight)
{
	int64_t now_ms = clock_mono_ms();

	for (size_t at = flight->count; at-- > 0;) {
		struct authority_exchange *exchange = flight->flying[at];

		if (flight->polls[at].revents != 0 && exchange->tcp)
			on_tcp(flight, at);
		else if (flight->polls[at].revents != 0)
			on_udp(flight, at);
		if (at < flight->count && flight->flying[at] == exchange &&
		    exchange->until_ms <= now_ms)
			failed_try(flight, at, exchange->tcp ? AUTHORITY_NO_TCP : AUTHORITY_SILENT);
	}
}

void
authority_exchange_run(struct authority_call *call, struct authority_exchange **exchanges,
    size_t count, int timeout_ms)
{
	struct flight *flight = mem_zalloc(1, sizeof(*flight));
	size_t first = 0;

	flight->call = call;
	flight->timeout_ms = timeout_ms;
	for (start_more(flight, exchanges, count, &first); flight->count > 0;
	     start_more(flight, exchanges, count, &first)) {
		if (poll(flight->polls, flight->count, wait_ms(flight)) >= 0)
			serve(flight);
	}
	mem_free(flight);
}

const char *
authority_outcome_words(enum authority_outcome outcome)
{
	static const char *const words[] = {[AUTHORITY_ANSWERED] = "answers",
	    [AUTHORITY_SILENT] = "does not answer",
	    [AUTHORITY_REFUSED] = "refuses connections",
	    [AUTHORITY_NO_TCP] = "has no whole answer over UDP, and none over TCP",
	    [AUTHORITY_NO_ROUTE] = "cannot be reached from here: no route",
	    [AUTHORITY_TORN] = "answers with a torn message",
	    [AUTHORITY_NO_SOCKET] = "cannot be asked: no more sockets"};

	return words[outcome];
}
