/*
 * socket.c - listens on the unix socket, and lets in who may come.
 * Made by signpost-admind's main, and by the drivers of tests. It must never let a peer wait or
 * hold anything longer than its time, nor ask what a peer says of itself who it is.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin-api/socket_private.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#define BACKLOG 64
#define IDLE_S 300
#define WRITE_S 10
#define GROUPS_MAX 256

/* ---- who may ---- */

static bool
is_member(uid_t uid, gid_t wanted)
{
	gid_t groups[GROUPS_MAX];
	struct passwd entry, *found = NULL;
	char room[8192];
	int count = GROUPS_MAX;

	if (getpwuid_r(uid, &entry, room, sizeof(room), &found) != 0 || found == NULL ||
	    getgrouplist(found->pw_name, found->pw_gid, groups, &count) < 0)
		return false;
	for (int i = 0; i < count; i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

/* The mode of the socket says it, too; it may be on a file system that does not heed it. */
static bool
may_come(const struct socket_server *server, const struct ucred *peer)
{
	return peer->uid == 0 || peer->uid == geteuid() || peer->gid == server->group ||
	       is_member(peer->uid, server->group);
}

static bool
take_credentials(int fd, struct ucred *out)
{
	socklen_t n = sizeof(*out);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, out, &n) == 0 && n == sizeof(*out);
}

static void
name_peer(const struct ucred *peer, char *out, size_t room)
{
	struct passwd entry, *found = NULL;
	char names[8192];

	(void)!getpwuid_r(peer->uid, &entry, names, sizeof(names), &found);
	snprintf(out, room, "uid:%lu%s%s", (unsigned long)peer->uid, found == NULL ? "" : " ",
	    found == NULL ? "" : found->pw_name);
}

/* ---- connections ---- */

/* A place that is free; those that ended are joined. NULL: none. */
static struct socket_connection *
free_place(struct socket_server *server)
{
	for (size_t i = 0; i < SOCKET_CONNECTIONS_MAX; i++) {
		struct socket_connection *c = &server->connections[i];

		if (c->used && atomic_load(&c->ended)) {
			pthread_join(c->thread, NULL);
			c->used = false;
		}
		if (!c->used)
			return c;
	}
	return NULL;
}

static void
refuse(int fd, const char *code, const char *detail)
{
	char line[200];
	int n = snprintf(
	    line, sizeof(line), "{\"ok\":false,\"code\":\"%s\",\"detail\":\"%s\"}\n", code, detail);

	(void)!send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void
let_in(struct socket_server *server, int fd)
{
	struct socket_connection *c;
	struct ucred peer;

	if (!take_credentials(fd, &peer) || !may_come(server, &peer)) {
		refuse(fd, "forbidden", "this user may not use the socket");
		return;
	}
	c = free_place(server);
	if (c == NULL) {
		refuse(fd, "busy", "there are too many connections; try again");
		return;
	}
	*c = (struct socket_connection){.server = server, .fd = fd, .used = true};
	atomic_init(&c->ended, false);
	name_peer(&peer, c->actor, sizeof(c->actor));
	if (pthread_create(&c->thread, NULL, socket_serve, c) == 0)
		return;
	c->used = false;
	refuse(fd, "busy", "no thread can be made; try again");
}

static void *
accept_all(void *context)
{
	struct socket_server *server = context;
	struct pollfd wait[2] = {
	    {.fd = server->fd, .events = POLLIN}, {.fd = server->wake[0], .events = POLLIN}};

	while (!atomic_load(&server->stopping)) {
		int fd;

		if (poll(wait, 2, -1) < 0 && errno != EINTR)
			break;
		fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			let_in(server, fd);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			usleep(100000); /* whoever waits, waits a little longer */
	}
	return NULL;
}

/* ---- the socket ---- */

static enum status
fail(struct err *err, const char *path, const char *what)
{
	err_set(err, "%s: %s: %s", path, what, strerror(errno));
	return ST_FAILED;
}

/* Is somebody there? What nobody listens on is left from one that was killed. */
static enum status
remove_stale(const struct sockaddr_un *address, struct err *err)
{
	struct stat st;
	int fd, failed;

	if (lstat(address->sun_path, &st) != 0)
		return errno == ENOENT ? ST_OK : fail(err, address->sun_path, "stat");
	if (!S_ISSOCK(st.st_mode)) {
		err_set(err, "%s: is there, and is no socket", address->sun_path);
		return ST_DENIED;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(err, address->sun_path, "socket");
	failed = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
	close(fd);
	if (failed != ECONNREFUSED) {
		err_set(err, "%s: another program listens there", address->sun_path);
		return ST_DENIED;
	}
	return unlink(address->sun_path) == 0 ? ST_OK : fail(err, address->sun_path, "unlink");
}

/* Nobody gets in between the making and the mode: it listens only then. */
static enum status
listen_on(struct socket_server *server, const struct sockaddr_un *address, struct err *err)
{
	struct stat st;

	server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->fd < 0)
		return fail(err, server->path, "socket");
	if (bind(server->fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
		return fail(err, server->path, "bind");
	server->bound = true;
	if (chown(server->path, (uid_t)-1, server->group) != 0 || chmod(server->path, 0660) != 0)
		return fail(err, server->path, "its group and mode cannot be set");
	if (listen(server->fd, BACKLOG) != 0 || lstat(server->path, &st) != 0)
		return fail(err, server->path, "listen");
	server->device = st.st_dev;
	server->inode = st.st_ino;
	return ST_OK;
}

static enum status
open_socket(struct socket_server *server, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	enum status status;

	if (server->path[0] != '/' || strlen(server->path) >= sizeof(address.sun_path)) {
		err_set(err, "%s: an absolute path of at most %zu octets is needed", server->path,
		    sizeof(address.sun_path) - 1);
		return ST_INVALID;
	}
	memcpy(address.sun_path, server->path, strlen(server->path) + 1);
	status = remove_stale(&address, err);
	if (status == ST_OK)
		status = listen_on(server, &address, err);
	if (status == ST_OK && pipe2(server->wake, O_CLOEXEC | O_NONBLOCK) != 0)
		status = fail(err, server->path, "pipe");
	return status;
}

enum status
socket_server_new(const struct socket_config *config, struct admin *admin,
    struct socket_server **out, struct err *err)
{
	struct socket_server *server = mem_zalloc(1, sizeof(*server));
	enum status status;

	*out = NULL;
	server->admin = admin;
	server->path = mem_strdup(config->path);
	server->group = config->group == (gid_t)-1 ? getegid() : config->group;
	server->idle_ms = (config->idle_s > 0 ? config->idle_s : IDLE_S) * 1000;
	server->write_ms = (config->write_s > 0 ? config->write_s : WRITE_S) * 1000;
	server->fd = server->wake[0] = server->wake[1] = -1;
	atomic_init(&server->stopping, false);
	status = open_socket(server, err);
	if (status == ST_OK && pthread_create(&server->thread, NULL, accept_all, server) != 0)
		status = fail(err, server->path, "no thread can be made");
	server->runs = status == ST_OK;
	if (status == ST_OK)
		*out = server;
	else
		socket_server_free(server);
	return status;
}

/* Only our own: another process may have put its socket there since. */
static void
remove_socket(const struct socket_server *server)
{
	struct stat st;

	if (server->bound && lstat(server->path, &st) == 0 &&
	    (server->inode == 0 || (st.st_dev == server->device && st.st_ino == server->inode)))
		unlink(server->path);
}

void
socket_server_free(struct socket_server *server)
{
	if (server == NULL)
		return;
	atomic_store(&server->stopping, true);
	if (server->wake[1] >= 0)
		(void)!write(server->wake[1], "", 1);
	if (server->runs)
		pthread_join(server->thread, NULL);
	for (size_t i = 0; i < SOCKET_CONNECTIONS_MAX; i++)
		if (server->connections[i].used)
			pthread_join(server->connections[i].thread, NULL);
	remove_socket(server);
	if (server->fd >= 0)
		close(server->fd);
	for (int i = 0; i < 2; i++)
		if (server->wake[i] >= 0)
			close(server->wake[i]);
	mem_free(server->path);
	mem_free(server);
}
