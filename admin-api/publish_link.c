/*
 * publish_link.c - messages to a DNS server and back, over TCP.
 * Called by publish_rfc2136.c. It must never wait longer than its time limit for one message, nor
 * hand on half of one.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin-api/publish_dns.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

/* ---- servers ---- */

static bool
host_good(struct span host)
{
	for (size_t i = 0; i < host.n; i++) {
		char c = ascii_lower(host.p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
			c == '_' || c == ':' || c == '%'))
			return false;
	}
	return host.n > 0 && host.n <= PUBLISH_DOMAIN_MAX;
}

/* "host", "host:port", "[address]", "[address]:port". */
static bool
split_server(struct span text, struct span *host_out, struct span *port_out)
{
	size_t end = text.n > 0 && text.p[0] == '[' ? span_find(text, ']') : 0;
	struct span rest;
	uint64_t port;

	if (end == SIZE_MAX)
		return false;
	if (end > 0) {
		*host_out = span_sub(text, 1, end - 1);
		rest = span_from(text, end + 1);
	} else {
		end = span_find(text, ':');
		*host_out = end == SIZE_MAX ? text : span_sub(text, 0, end);
		rest = span_from(text, host_out->n);
	}
	*port_out = rest.n == 0 ? SPAN_LIT("53") : span_from(rest, 1);
	return host_good(*host_out) && (rest.n == 0 || rest.p[0] == ':') &&
	       span_number(*port_out, 65535, &port) && port > 0;
}

enum status
link_read_servers(struct link *link, struct span text, struct err *err)
{
	struct span one, host, port;

	link->fd = -1;
	while (text.n > 0) {
		span_cut(&text, ',', &one);
		if (!split_server(one, &host, &port)) {
			err_set(err,
			    "\"%.*s\" is not a server: host, host:port, [address] or "
			    "[address]:port, several with ',' between them",
			    SPAN_ARG(span_sub(one, 0, 100)));
			return ST_INVALID;
		}
		if (link->count == LINK_SERVERS_MAX) {
			err_set(err, "more than %u servers", LINK_SERVERS_MAX);
			return ST_INVALID;
		}
		link->servers[link->count].host = span_dup(host);
		link->servers[link->count++].port = span_dup(port);
	}
	return ST_OK;
}

void
link_free(struct link *link)
{
	if (link->count > 0)
		link_close(link);
	for (size_t i = 0; i < link->count; i++) {
		mem_free(link->servers[i].host);
		mem_free(link->servers[i].port);
	}
	link->count = 0;
}

void
link_close(struct link *link)
{
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
}

/* ---- octets ---- */

/* false: errno says why. */
static bool
await(int fd, short events, int64_t until_ms)
{
	for (;;) {
		struct pollfd polled = {.fd = fd, .events = events};
		int64_t left = until_ms - clock_mono_ms();
		int ready = poll(&polled, 1, left < 0 ? 0 : (int)left);

		if (ready > 0)
			return true;
		if (ready == 0)
			errno = ETIMEDOUT;
		if (ready == 0 || errno != EINTR)
			return false;
	}
}

/* A failure ends the connection: nobody knows where in a message it is. */
static bool
fail(struct link *link, const char *what, struct err *err)
{
	const struct link_server *server = &link->servers[link->at];

	err_set(err, "%s port %s: %s: %s", server->host, server->port, what,
	    errno == 0 ? "it closed the connection" : strerror(errno));
	link->cut = errno == 0 || errno == ECONNRESET || errno == EPIPE;
	link_close(link);
	return false;
}

static bool
connect_to(struct link *link, const struct addrinfo *info, int64_t until_ms)
{
	socklen_t length = sizeof(int);
	int error = 0, on = 1;

	link->fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (link->fd < 0)
		return false;
	setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(link->fd, info->ai_addr, info->ai_addrlen) == 0)
		return true;
	if (errno == EINPROGRESS && await(link->fd, POLLOUT, until_ms) &&
	    getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0) {
		if (error == 0)
			return true;
		errno = error;
	}
	error = errno;
	link_close(link);
	errno = error;
	return false;
}

bool
link_connect(struct link *link, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
	const struct link_server *server = &link->servers[link->at];
	int64_t until_ms = clock_mono_ms() + link->timeout_ms;
	bool tried = false;
	int error;

	if (link->fd >= 0)
		return true;
	error = getaddrinfo(server->host, server->port, &hints, &list);
	if (error != 0) {
		err_set(err, "%s: has no address: %s", server->host, gai_strerror(error));
		return false;
	}
	errno = EACCES;
	for (const struct addrinfo *info = list; info != NULL; info = info->ai_next)
		if (!link->guarded || publish_address_is_public(info->ai_addr)) {
			tried = true;
			if (connect_to(link, info, until_ms))
				break;
		}
	error = errno;
	freeaddrinfo(list);
	errno = error;
	if (!tried) {
		err_set(err, "%s: " PUBLISH_INSIDE_SAYS, server->host);
		return false;
	}
	return link->fd >= 0 || fail(link, "cannot be reached", err);
}

static bool
send_octets(struct link *link, struct span s, int64_t until_ms)
{
	while (s.n > 0) {
		ssize_t put = send(link->fd, s.p, s.n, MSG_NOSIGNAL);

		if (put >= 0)
			s = span_from(s, (size_t)put);
		else if (errno != EINTR && (errno != EAGAIN || !await(link->fd, POLLOUT, until_ms)))
			return false;
	}
	return true;
}

static bool
receive_octets(struct link *link, char *to, size_t n, int64_t until_ms)
{
	while (n > 0) {
		ssize_t got = recv(link->fd, to, n, 0);

		if (got > 0) {
			to += got;
			n -= (size_t)got;
		} else if (got == 0) {
			errno = 0;
			return false;
		} else if (errno != EINTR &&
			   (errno != EAGAIN || !await(link->fd, POLLIN, until_ms))) {
			return false;
		}
	}
	return true;
}

/* ---- messages ---- */

bool
link_send(struct link *link, struct span message, struct err *err)
{
	int64_t until_ms = clock_mono_ms() + link->timeout_ms;
	struct buf framed;
	bool sent;

	buf_init(&framed, WIRE_MESSAGE_MAX + 2);
	buf_add_char(&framed, (char)(message.n >> 8));
	buf_add_char(&framed, (char)message.n);
	buf_add(&framed, message);
	errno = EMSGSIZE;
	sent = buf_status(&framed) == ST_OK && send_octets(link, buf_span(&framed), until_ms);
	if (!sent)
		fail(link, "takes no more", err);
	buf_free(&framed);
	return sent;
}

bool
link_receive(struct link *link, struct buf *message, struct err *err)
{
	int64_t until_ms = clock_mono_ms() + link->timeout_ms;
	char head[2], *room;
	size_t n;

	buf_reset(message);
	if (!receive_octets(link, head, sizeof(head), until_ms))
		return fail(link, "does not answer", err);
	n = (size_t)(unsigned char)head[0] << 8 | (unsigned char)head[1];
	room = buf_reserve(message, n);
	if (room == NULL || !receive_octets(link, room, n, until_ms))
		return fail(link, "does not answer", err);
	message->n += n;
	return true;
}
