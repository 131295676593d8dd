/*
 * memcached_link.c - a connection to a memcached: made, asked, given up in time.
 * Called by the threads of memcached_pool.c, one for each server.
 * It must never wait beyond its deadline for a server that answers one octet now and then, nor
 * believe that a connection is in order after anything went wrong on it.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "backends/memcached_link.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

#define PIECE_OCTETS 16384U
#define QUESTION_MAX (64U << 10) /* octets of "get" and its names */

static char *
plain_room(size_t octets)
{
	return mem_alloc(octets);
}

static char *
secret_room(size_t octets)
{
	return secret_malloc(octets);
}

void
mclink_octets_free(const struct mclink_limits *limits, char *octets)
{
	if (limits->secret)
		secret_free(octets);
	else
		mem_free(octets);
}

void
mclink_close(struct mclink *link)
{
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
}

/* 0: ready, or worth a try. Else an errno. */
static int
wait_ready(const struct mclink *link, short events, int64_t deadline_ms)
{
	struct pollfd fds[2] = {{link->fd, events, 0}, {link->stop, POLLIN, 0}};

	for (;;) {
		int64_t left_ms = deadline_ms - clock_mono_ms();
		int ready;

		if (left_ms <= 0)
			return ETIMEDOUT;
		ready = poll(fds, 2, left_ms > INT16_MAX ? INT16_MAX : (int)left_ms);
		if (ready < 0 && errno != EINTR)
			return errno;
		if (ready > 0 && fds[1].revents != 0)
			return ECANCELED;
		if (ready > 0)
			return 0;
	}
}

/* 0 or an errno; a server that takes no connection is none worse than one that is not there. */
static int
connect_to(struct mclink *link, int family, const struct sockaddr *address, socklen_t n,
    int64_t deadline_ms)
{
	int failed = 0, one = 1;
	socklen_t room = sizeof(failed);

	link->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (link->fd < 0)
		return errno;
	if (family != AF_UNIX)
		setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(link->fd, address, n) != 0) {
		failed = errno;
		if (failed == EINPROGRESS)
			failed = wait_ready(link, POLLOUT, deadline_ms);
		if (failed == 0 && getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &failed, &room) != 0)
			failed = errno;
	}
	if (failed != 0)
		mclink_close(link);
	return failed;
}

static int
open_path(struct mclink *link, const char *path, int64_t deadline_ms)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, path, strnlen(path, sizeof(address.sun_path) - 1));
	return connect_to(
	    link, AF_UNIX, (const struct sockaddr *)&address, sizeof(address), deadline_ms);
}

/* Its addresses in turn, each with its share of the time. */
static int
open_addresses(struct mclink *link, const struct addrinfo *all, int64_t deadline_ms)
{
	int failed = EADDRNOTAVAIL;
	int64_t count = 0;

	for (const struct addrinfo *one = all; one != NULL; one = one->ai_next)
		count++;
	for (const struct addrinfo *one = all; one != NULL; one = one->ai_next, count--) {
		int64_t now_ms = clock_mono_ms();

		failed = connect_to(link, one->ai_family, one->ai_addr, one->ai_addrlen,
		    now_ms + (deadline_ms - now_ms) / count);
		if (failed == 0)
			break;
	}
	return failed;
}

enum status
mclink_open(
    struct mclink *link, const struct mcserver *server, int64_t deadline_ms, struct err *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *all = NULL;
	char port[8];
	int failed;

	if (server->port == 0) {
		failed = open_path(link, server->host, deadline_ms);
	} else {
		snprintf(port, sizeof(port), "%u", (unsigned)server->port);
		failed = getaddrinfo(server->host, port, &hints, &all);
		if (failed != 0) {
			err_set(err, "%s", gai_strerror(failed));
			return ST_UNAVAILABLE;
		}
		failed = open_addresses(link, all, deadline_ms);
		freeaddrinfo(all);
	}
	if (failed != 0)
		err_set(err, "%s", strerror(failed));
	return failed == 0 ? ST_OK : ST_UNAVAILABLE;
}

/* 0 or an errno. */
static int
send_all(const struct mclink *link, struct span octets, int64_t deadline_ms)
{
	while (octets.n > 0) {
		ssize_t n = send(link->fd, octets.p, octets.n, MSG_NOSIGNAL);
		int failed = n < 0 ? errno : 0;

		if (failed == EAGAIN)
			failed = wait_ready(link, POLLOUT, deadline_ms);
		if (failed != 0 && failed != EINTR)
			return failed;
		if (n > 0)
			octets = span_from(octets, (size_t)n);
	}
	return 0;
}

static int
send_question(
    const struct mclink *link, const struct span *names, size_t count, int64_t deadline_ms)
{
	struct buf question;
	int failed;

	buf_init(&question, QUESTION_MAX);
	buf_add_str(&question, "get");
	for (size_t i = 0; i < count; i++) {
		buf_add_char(&question, ' ');
		buf_add(&question, names[i]);
	}
	buf_add_str(&question, "\r\n");
	failed = buf_status(&question) == ST_OK ? send_all(link, buf_span(&question), deadline_ms)
						: EMSGSIZE;
	buf_free(&question);
	return failed;
}

/* One piece of an answer into it. 0, or an errno; EPIPE: the connection was closed. */
static int
receive(const struct mclink *link, const struct mclink_limits *limits, int64_t deadline_ms,
    struct mcanswer *answer, enum mcanswer_state *state_out)
{
	char piece[PIECE_OCTETS];
	ssize_t n = recv(link->fd, piece, sizeof(piece), 0);

	if (n < 0 && errno == EAGAIN)
		return wait_ready(link, POLLIN, deadline_ms);
	if (n < 0)
		return errno == EINTR ? 0 : errno;
	if (n == 0)
		return EPIPE;
	*state_out = mcanswer_feed(answer, span_of(piece, (size_t)n));
	if (limits->secret)
		secret_wipe(piece, (size_t)n);
	/* One that sends without end is not waited for any longer than one that sends nothing. */
	return *state_out == MCANSWER_MORE && clock_mono_ms() >= deadline_ms ? ETIMEDOUT : 0;
}

static bool
is_loss(int failed)
{
	return failed == EPIPE || failed == ECONNRESET || failed == ENOTCONN;
}

enum mclink_end
mclink_get(struct mclink *link, const struct span *names, size_t count,
    const struct mclink_limits *limits, int64_t deadline_ms, struct mcvalue *values,
    struct err *err)
{
	enum mcanswer_state state = MCANSWER_MORE;
	struct mcanswer answer;
	bool any = false;
	int failed;

	mcanswer_init(&answer, names, values, count, limits->value_max,
	    limits->secret ? secret_room : plain_room);
	failed = send_question(link, names, count, deadline_ms);
	while (failed == 0 && state == MCANSWER_MORE) {
		failed = receive(link, limits, deadline_ms, &answer, &state);
		any = any || answer.line_n > 0 || answer.part != MCANSWER_IN_LINE;
	}
	if (failed == 0 && state == MCANSWER_DONE)
		return MCLINK_DONE;
	if (state == MCANSWER_BROKEN)
		err_set(err, "what answers there does not speak as a memcached does");
	else
		err_set(err, "%s", failed == EPIPE ? "it closed the connection" : strerror(failed));
	return is_loss(failed) && !any ? MCLINK_LOST : MCLINK_FAILED;
}
