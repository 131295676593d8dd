/*
 * socket_serve.c - one connection: a line in, an operation, its answer out, until the peer has no
 * more to ask.
 * The thread that socket.c made for it. It must never keep more of a peer than one request, nor a
 * private key of one in ordinary memory.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin-api/operations.h"
#include "admin-api/socket_private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

#define FIRST_ROOM 4096U
#define ANSWER_MAX (64U * 1024U * 1024U) /* octets of an answer */

/* What was read and not yet asked. */
struct incoming {
	char *p; /* secret memory: a request may have a private key in it */
	size_t n, room;
};

/* ---- writing ---- */

/* false: the peer is gone, or did not read in its time. */
static bool
send_all(struct socket_connection *c, const char *p, size_t n)
{
	int64_t until_ms = clock_mono_ms() + c->server->write_ms;

	while (n > 0 && !c->lost) {
		ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);
		struct pollfd wait = {.fd = c->fd, .events = POLLOUT};
		int64_t left_ms = until_ms - clock_mono_ms();

		if (sent > 0) {
			p += sent;
			n -= (size_t)sent;
		} else if (errno == EAGAIN && left_ms > 0) {
			(void)!poll(&wait, 1, (int)left_ms);
		} else if (errno != EINTR) {
			c->lost = true;
		}
	}
	return !c->lost;
}

static bool
send_json(struct socket_connection *c, const json_t *json)
{
	static const char too_big[] = "{\"ok\":false,\"code\":\"internal\",\"detail\":"
				      "\"the answer is too long\"}";
	struct buf text;
	bool sent;

	buf_init(&text, ANSWER_MAX);
	if (json_write(json, &text) != ST_OK) {
		buf_reset(&text);
		buf_add_str(&text, too_big);
	}
	buf_add_char(&text, '\n');
	sent = send_all(c, text.p, text.n);
	buf_free(&text);
	return sent;
}

/* Also asks whether anybody still wants to know. */
static bool
send_progress(void *context, const json_t *report)
{
	struct socket_connection *c = context;
	json_t *line;

	if (c->lost || atomic_load(&c->server->stopping))
		return false;
	line = json_pack("{s:O}", "progress", (json_t *)report);
	(void)send_json(c, line);
	json_decref(line);
	return !c->lost;
}

/* ---- reading ---- */

static bool
grow(struct incoming *in)
{
	size_t room = in->room == 0 ? FIRST_ROOM : in->room * 2;
	char *p;

	if (in->n < in->room)
		return true;
	if (in->room > OPERATION_TEXT_MAX)
		return false;
	p = secret_malloc(room);
	if (p == NULL)
		return false;
	if (in->n > 0)
		memcpy(p, in->p, in->n);
	secret_free(in->p);
	in->p = p;
	in->room = room;
	return true;
}

/* Waits until there is something. false: the peer has had its time, or all ends. */
static bool
wait_readable(struct socket_connection *c, int64_t until_ms)
{
	struct pollfd wait[2] = {
	    {.fd = c->fd, .events = POLLIN}, {.fd = c->server->wake[0], .events = POLLIN}};
	int64_t left_ms = until_ms - clock_mono_ms();

	if (left_ms <= 0 || atomic_load(&c->server->stopping))
		return false;
	if (poll(wait, 2, (int)left_ms) < 0 && errno != EINTR)
		return false;
	return wait[1].revents == 0;
}

/* The end of the first line, or SIZE_MAX when no more comes or it is too long. looked: octets that
 * have none. */
static size_t
read_line(struct socket_connection *c, struct incoming *in)
{
	int64_t until_ms = clock_mono_ms() + c->server->idle_ms;
	size_t looked = 0;

	for (;;) {
		const char *end =
		    in->n == looked ? NULL : memchr(in->p + looked, '\n', in->n - looked);
		ssize_t got;

		if (end != NULL)
			return (size_t)(end - in->p);
		looked = in->n;
		if (in->n > OPERATION_TEXT_MAX || !grow(in))
			return SIZE_MAX;
		got = recv(c->fd, in->p + in->n, in->room - in->n, 0);
		if (got > 0)
			in->n += (size_t)got;
		else if (got == 0 || (errno != EAGAIN && errno != EINTR) ||
			 !wait_readable(c, until_ms))
			return SIZE_MAX;
	}
}

static void
drop_front(struct incoming *in, size_t n)
{
	memmove(in->p, in->p + n, in->n - n);
	secret_wipe(in->p + in->n - n, n);
	in->n -= n;
}

/* ---- asking ---- */

static bool
answer_line(struct socket_connection *c, struct span line)
{
	json_t *answer;
	bool sent;

	if (span_trim(line).n == 0)
		return true;
	(void)!operation_run_text(c->server->admin, c->actor, line, send_progress, c, &answer);
	sent = send_json(c, answer);
	json_decref(answer);
	return sent;
}

static void
say_too_long(struct socket_connection *c)
{
	static const char line[] = "{\"ok\":false,\"code\":\"validation\",\"detail\":"
				   "\"the request is longer than 1 MiB\"}\n";

	(void)send_all(c, line, sizeof(line) - 1);
}

void *
socket_serve(void *context)
{
	struct socket_connection *c = context;
	struct incoming in = {.p = NULL};

	for (;;) {
		size_t end = read_line(c, &in);
		bool go_on;

		if (end == SIZE_MAX) {
			if (in.n > OPERATION_TEXT_MAX)
				say_too_long(c);
			break;
		}
		go_on = end <= OPERATION_TEXT_MAX && answer_line(c, span_of(in.p, end));
		drop_front(&in, end + 1);
		if (!go_on || atomic_load(&c->server->stopping))
			break;
	}
	secret_free(in.p);
	close(c->fd);
	atomic_store(&c->ended, true);
	return NULL;
}
