/*
 * admin_client.c - the unix socket of signpost-admind, from the other side.
 * Called by admin.c. It must never keep a request, which may have a private key in it, in ordinary
 * memory.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "tools/admin.h"

#define ANSWER_MAX (65U * 1024U * 1024U) /* octets of a line that comes back */
#define READ_BYTES 65536U
#define PROGRESS_EVERY_MS 1000

struct admin_client {
	const char *program;
	int fd;
	struct buf in;
	int64_t told_ms;
};

struct admin_client *
admin_connect(const char *program, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct admin_client *client;
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		cli_say(program, "%s: the path of a socket has at most %zu octets", path,
		    sizeof(address.sun_path) - 1);
		return NULL;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		cli_say(program,
		    "%s: signpost-admind cannot be reached: %s (AdminSocket, or --socket=PATH)",
		    path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	client = mem_zalloc(1, sizeof(*client));
	client->program = program;
	client->fd = fd;
	buf_init(&client->in, ANSWER_MAX);
	return client;
}

void
admin_disconnect(struct admin_client *client)
{
	if (client == NULL)
		return;
	close(client->fd);
	buf_free(&client->in);
	mem_free(client);
}

/* ---- sending ---- */

/* In secret memory. */
struct outgoing {
	char *p;
	size_t n, room;
};

static int
take_text(const char *text, size_t n, void *context)
{
	struct outgoing *out = context;

	if (out->n + n > out->room) {
		size_t room = (out->n + n) * 2 + 256;
		char *p = secret_malloc(room);

		if (p == NULL)
			return -1;
		if (out->n > 0)
			memcpy(p, out->p, out->n);
		secret_free(out->p);
		out->p = p;
		out->room = room;
	}
	memcpy(out->p + out->n, text, n);
	out->n += n;
	return 0;
}

static bool
send_text(const struct admin_client *client, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(client->fd, p, n, MSG_NOSIGNAL);

		if (sent > 0) {
			p += sent;
			n -= (size_t)sent;
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

static bool
send_request(const struct admin_client *client, const json_t *request)
{
	struct outgoing out = {.p = NULL};
	bool sent = json_dump_callback(request, take_text, &out, JSON_COMPACT) == 0 &&
		    take_text("\n", 1, &out) == 0 && send_text(client, out.p, out.n);

	secret_free(out.p);
	return sent;
}

/* ---- receiving ---- */

static void
tell_progress(struct admin_client *client, const json_t *report)
{
	int64_t now_ms = clock_mono_ms();
	struct buf text;
	const char *name;
	json_t *value;

	if (client->told_ms != 0 && now_ms - client->told_ms < PROGRESS_EVERY_MS)
		return;
	client->told_ms = now_ms;
	buf_init(&text, 1000);
	json_object_foreach((json_t *)report, name, value)
	{
		if (text.n > 0)
			buf_add_str(&text, ", ");
		if (json_is_integer(value))
			buf_add_fmt(&text, "%s %lld", name, (long long)json_integer_value(value));
		else if (json_is_string(value))
			buf_add_fmt(&text, "%s %s", name, json_string_value(value));
	}
	cli_say(client->program, "%s ...", buf_text(&text));
	buf_free(&text);
}

/* The next line, without its end. false: no more comes. */
static bool
read_line(struct admin_client *client, size_t *n_out)
{
	size_t looked = 0;

	for (;;) {
		const char *end = client->in.n == looked
				      ? NULL
				      : memchr(client->in.p + looked, '\n', client->in.n - looked);
		ssize_t got;
		char *room;

		if (end != NULL) {
			*n_out = (size_t)(end - client->in.p);
			return true;
		}
		looked = client->in.n;
		room = buf_reserve(&client->in, READ_BYTES);
		if (room == NULL)
			return false;
		got = recv(client->fd, room, READ_BYTES, 0);
		if (got > 0)
			client->in.n += (size_t)got;
		else if (got == 0 || errno != EINTR)
			return false;
	}
}

json_t *
admin_ask(struct admin_client *client, const json_t *request)
{
	size_t n;

	/* One that is refused has its answer waiting although nothing can be sent. */
	(void)send_request(client, request);
	while (read_line(client, &n)) {
		json_t *line = json_loadb(client->in.p, n, JSON_REJECT_DUPLICATES, NULL);
		const json_t *progress = json_object_get(line, "progress");

		buf_drop_front(&client->in, n + 1);
		if (!json_is_object(line)) {
			json_decref(line);
			cli_say(client->program, "what answers there is not signpost-admind");
			return NULL;
		}
		if (progress == NULL)
			return line;
		tell_progress(client, progress);
		json_decref(line);
	}
	cli_say(client->program,
	    "signpost-admind ended, or cut the connection, before it answered; what was asked may "
	    "have been done: look before you ask again");
	return NULL;
}
