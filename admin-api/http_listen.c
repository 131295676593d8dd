/*
 * http_listen.c - lets connections in, and cuts those that are too slow.
 * One thread accepts for all addresses and gives connections to libmicrohttpd, so that limits and
 * peers are known before it. It must never wait for a peer, and never let plain HTTP leave the
 * machine.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin-api/http_private.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#define BACKLOG 1024
#define LOOK_MS 250
#define PARTING_MS 2000
#define ACCEPTS_AT_ONCE 64

/* ---- addresses ---- */

bool
http_address_parse(struct span text, struct sockaddr_storage *out, socklen_t *n_out)
{
	size_t colon = span_rfind(text, ':');
	struct sockaddr_in *four = (struct sockaddr_in *)out;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
	char host[INET6_ADDRSTRLEN];
	struct span name;
	uint64_t port;

	memset(out, 0, sizeof(*out));
	if (colon == SIZE_MAX || !span_number(span_from(text, colon + 1), 65535, &port))
		return false;
	name = span_sub(text, 0, colon);
	if (name.n >= sizeof(host) || (name.n > 0 && memchr(name.p, '\0', name.n) != NULL))
		return false;
	if (name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']') {
		snprintf(host, sizeof(host), "%.*s", (int)name.n - 2, name.p + 1);
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
		*n_out = sizeof(*six);
		return inet_pton(AF_INET6, host, &six->sin6_addr) == 1;
	}
	snprintf(host, sizeof(host), "%.*s", SPAN_ARG(name));
	four->sin_family = AF_INET;
	four->sin_port = htons((uint16_t)port);
	*n_out = sizeof(*four);
	return inet_pton(AF_INET, host, &four->sin_addr) == 1;
}

bool
http_address_is_loopback(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;

	if (address->ss_family == AF_INET)
		return ntohl(four->sin_addr.s_addr) >> 24 == 127;
	return address->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t n = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &n) != 0)
		return 0;
	return ntohs(address.ss_family == AF_INET6
			 ? ((const struct sockaddr_in6 *)&address)->sin6_port
			 : ((const struct sockaddr_in *)&address)->sin_port);
}

/* ---- opening ---- */

static int
open_address(const struct sockaddr_storage *address, socklen_t n)
{
	int one = 1;
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    (address->ss_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) != 0) ||
	    bind(fd, (const struct sockaddr *)address, n) != 0 || listen(fd, BACKLOG) != 0) {
		int failed = errno;

		close(fd);
		errno = failed;
		return -1;
	}
	return fd;
}

static enum status
add_address(struct http_server *server, struct span text, struct err *err)
{
	struct sockaddr_storage address;
	struct http_listener *listener = &server->listeners[server->listener_count];
	socklen_t n;

	if (!http_address_parse(text, &address, &n)) {
		err_set(err,
		    "%.*s: an address and a port are needed, as in 127.0.0.1:8080 or [::1]:8080",
		    SPAN_ARG(text));
		return ST_INVALID;
	}
	if (server->listener_count == HTTP_LISTENERS_MAX) {
		err_set(
		    err, "there are more than %u addresses to listen on", HTTP_LISTENERS_MAX - 1);
		return ST_INVALID;
	}
	if (server->tls == NULL && !http_address_is_loopback(&address)) {
		err_set(err,
		    "%.*s: without a certificate only loopback addresses can be listened on: "
		    "tokens would go over the network as they are",
		    SPAN_ARG(text));
		return ST_DENIED;
	}
	listener->fd = open_address(&address, n);
	if (listener->fd < 0) {
		err_set(err, "%.*s: cannot listen: %s", SPAN_ARG(text), strerror(errno));
		return errno == EADDRINUSE ? ST_DENIED : ST_FAILED;
	}
	listener->tls = server->tls != NULL;
	server->listener_count++;
	if (server->port == 0)
		server->port = port_of(listener->fd);
	return ST_OK;
}

enum status
http_listen_open(struct http_server *server, const struct http_config *config, struct err *err)
{
	struct span rest = span_str(config->listen), word;
	enum status status = ST_OK;

	if (config->unix_path != NULL) {
		status = unixsocket_open(
		    &server->local, config->unix_path, config->unix_group, BACKLOG, err);
		if (status == ST_OK)
			server->listeners[server->listener_count++] =
			    (struct http_listener){server->local.fd, false, true};
	}
	while (status == ST_OK && span_word(&rest, &word))
		status = add_address(server, word, err);
	if (status == ST_OK && server->listener_count == 0) {
		err_set(err, "there is no address to listen on");
		status = ST_INVALID;
	}
	return status;
}

void
http_listen_close(struct http_server *server)
{
	for (size_t i = 0; i < server->listener_count; i++)
		if (!server->listeners[i].local)
			close(server->listeners[i].fd);
	server->listener_count = 0;
	unixsocket_close(&server->local);
}

/* ---- who may come ---- */

/* Connections of one: of one user, of one IPv4 address, of one IPv6 network of 64 bits, which one
 * machine usually has. */
static bool
are_of_one(const struct http_connection *a, const struct http_connection *b)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&a->from;
	const struct sockaddr_in6 *other = (const struct sockaddr_in6 *)&b->from;

	if (a->peer.local || b->peer.local)
		return a->peer.local && b->peer.local && a->peer.uid == b->peer.uid;
	if (a->from.ss_family != b->from.ss_family)
		return false;
	if (a->from.ss_family == AF_INET6)
		return memcmp(&six->sin6_addr, &other->sin6_addr, 8) == 0;
	return ((const struct sockaddr_in *)&a->from)->sin_addr.s_addr ==
	       ((const struct sockaddr_in *)&b->from)->sin_addr.s_addr;
}

/* Under the lock. */
static bool
too_many(const struct http_server *server, const struct http_connection *fresh)
{
	size_t of_one = 0;

	if (atomic_load(&server->open) >= server->connections_max)
		return true;
	if (atomic_load(&server->open) < HTTP_CONNECTIONS_OF_ONE)
		return false;
	for (size_t i = 0; i < server->connection_room; i++)
		if (server->connections[i] != NULL && are_of_one(server->connections[i], fresh))
			of_one++;
	return of_one >= HTTP_CONNECTIONS_OF_ONE;
}

static bool
name_peer(struct http_connection *c)
{
	struct ucred user;

	if (c->peer.local) {
		snprintf(c->peer.address, sizeof(c->peer.address), "unix");
		if (!unixsocket_peer(c->fd, &user) || !unixsocket_lets_in(&c->server->local, &user))
			return false;
		c->peer.uid = user.uid;
		c->peer.pid = user.pid;
		return true;
	}
	if (c->from.ss_family == AF_INET6)
		return inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&c->from)->sin6_addr,
			   c->peer.address, sizeof(c->peer.address)) != NULL;
	return inet_ntop(AF_INET, &((struct sockaddr_in *)&c->from)->sin_addr, c->peer.address,
		   sizeof(c->peer.address)) != NULL;
}

/* ---- connections ---- */

void
http_connection_due(struct http_connection *c, int64_t in_ms)
{
	atomic_store(&c->due_ms, in_ms == 0 ? 0 : clock_mono_ms() + in_ms);
}

void
http_connection_free(struct http_connection *c)
{
	http_tls_put(c->server->tls, c->certificates);
	mem_free(c->target);
	mem_free(c);
}

/* Under the lock. */
static void
forget(struct http_server *server, struct http_connection *c)
{
	server->connections[c->fd] = NULL;
	atomic_fetch_sub(&server->open, 1);
	http_connection_free(c);
}

/* It is known from before libmicrohttpd has it until it is about to close the descriptor. What is
 * there with the same descriptor was closed without a word. */
static bool
remember(struct http_server *server, struct http_connection *c)
{
	bool fits;

	pthread_mutex_lock(&server->lock);
	if ((size_t)c->fd < server->connection_room && server->connections[c->fd] != NULL)
		forget(server, server->connections[c->fd]);
	fits = (size_t)c->fd < server->connection_room && !too_many(server, c);
	if (fits) {
		server->connections[c->fd] = c;
		atomic_fetch_add(&server->open, 1);
	}
	pthread_mutex_unlock(&server->lock);
	return fits;
}

void
http_connection_changed(void *context, struct MHD_Connection *mhd, void **slot,
    enum MHD_ConnectionNotificationCode what)
{
	struct http_server *server = context;
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http_connection *c = *slot;

	pthread_mutex_lock(&server->lock);
	if (what == MHD_CONNECTION_NOTIFY_STARTED && info != NULL) {
		*slot = c = server->connections[info->connect_fd];
		if (c != NULL)
			c->started = true;
	} else if (c != NULL) {
		forget(server, c);
		*slot = NULL;
	}
	pthread_mutex_unlock(&server->lock);
}

/* A peer whose request finds the connection closed may not look for an answer: it stays open for a
 * moment, or until so many others were turned away. */
static void
part(struct http_server *server, int fd)
{
	size_t i = server->next_parting++ % HTTP_PARTING_MAX;

	(void)shutdown(fd, SHUT_WR);
	if (server->parting[i].fd > 0)
		close(server->parting[i].fd);
	server->parting[i].fd = fd;
	server->parting[i].due_ms = clock_mono_ms() + PARTING_MS;
}

/* Those whose time is over. */
static void
close_parted(struct http_server *server, int64_t now_ms)
{
	for (size_t i = 0; i < HTTP_PARTING_MAX; i++)
		if (server->parting[i].fd > 0 && server->parting[i].due_ms <= now_ms) {
			close(server->parting[i].fd);
			server->parting[i].fd = 0;
		}
}

static void
turn_away(struct http_connection *c, const struct http_refusal *refusal)
{
	atomic_fetch_add(&c->server->refused, 1);
	if (!c->peer.tls)
		http_answer_unasked(c->fd, refusal);
	if (c->peer.local)
		part(c->server, c->fd);
	else
		close(c->fd);
	http_connection_free(c);
}

static void
let_in(struct http_server *server, const struct http_listener *listener, int fd,
    const struct sockaddr_storage *from, socklen_t n)
{
	static const struct http_refusal denied = {
	    403, "forbidden", "this user may not use the socket"};
	static const struct http_refusal busy = {
	    503, "busy", "there are too many connections; try again"};
	struct http_connection *c = mem_zalloc(1, sizeof(*c));
	int one = 1;

	c->server = server;
	c->fd = fd;
	c->from = *from;
	c->peer.local = listener->local;
	c->peer.tls = listener->tls;
	http_connection_due(c, server->request_ms);
	atomic_fetch_add(&server->accepted, 1);
	if (!name_peer(c)) {
		turn_away(c, &denied);
		return;
	}
	if (!remember(server, c)) {
		turn_away(c, &busy);
		return;
	}
	if (!listener->local)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* It closes the descriptor when it does not take it. */
	if (MHD_add_connection(listener->tls ? server->secure : server->plain, fd,
		(const struct sockaddr *)from, n) == MHD_YES)
		return;
	pthread_mutex_lock(&server->lock);
	if (server->connections[fd] == c)
		forget(server, c);
	pthread_mutex_unlock(&server->lock);
}

static void
accept_some(struct http_server *server, const struct http_listener *listener)
{
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
		socklen_t n = sizeof(from);
		int fd = accept4(
		    listener->fd, (struct sockaddr *)&from, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0)
			let_in(server, listener, fd, &from, n);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			usleep(50000); /* whoever waits, waits a little longer */
		if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

/* libmicrohttpd sees the end, and closes. The lock: not before that the descriptor is closed. One
 * that it never took may be somebody else's descriptor by now. */
static void
cut_slow(struct http_server *server)
{
	int64_t now_ms = clock_mono_ms();

	pthread_mutex_lock(&server->lock);
	for (size_t i = 0; i < server->connection_room; i++) {
		struct http_connection *c = server->connections[i];
		int64_t due_ms = c == NULL ? 0 : atomic_load(&c->due_ms);

		if (due_ms == 0 || due_ms > now_ms)
			continue;
		atomic_store(&c->due_ms, 0);
		atomic_fetch_add(&server->timeouts, 1);
		if (c->started)
			(void)shutdown(c->fd, SHUT_RDWR);
		else
			forget(server, c);
	}
	pthread_mutex_unlock(&server->lock);
}

void *
http_listen_run(void *context)
{
	struct http_server *server = context;
	struct pollfd wait[HTTP_LISTENERS_MAX + 1];
	nfds_t count = server->listener_count;
	int64_t looked_ms = 0;

	for (nfds_t i = 0; i < count; i++)
		wait[i] = (struct pollfd){.fd = server->listeners[i].fd, .events = POLLIN};
	wait[count] = (struct pollfd){.fd = server->wake[0], .events = POLLIN};
	for (;;) {
		bool stopping = atomic_load(&server->stopping);

		if (atomic_load(&server->listening_ends)) {
			close_parted(server, INT64_MAX);
			return NULL;
		}
		/* Nobody is let in any more; slow ones are still cut. */
		if (poll(stopping ? wait + count : wait, stopping ? 1 : count + 1, LOOK_MS) > 0 &&
		    !stopping)
			for (nfds_t i = 0; i < count; i++)
				if (wait[i].revents != 0)
					accept_some(server, &server->listeners[i]);
		if (clock_mono_ms() - looked_ms >= LOOK_MS) {
			looked_ms = clock_mono_ms();
			cut_slow(server);
			close_parted(server, looked_ms);
		}
	}
}
