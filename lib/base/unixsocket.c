/*
 * unixsocket.c - a unix socket that is listened on.
 * Made by what serves signpost-admind's clients. It must never take away a socket on which somebody
 * listens, nor let anybody connect before the mode is set.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/unixsocket.h"

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

bool
unixsocket_lets_in(const struct unixsocket *socket, const struct ucred *peer)
{
	return peer->uid == 0 || peer->uid == geteuid() || peer->gid == socket->group ||
	       is_member(peer->uid, socket->group);
}

bool
unixsocket_peer(int connection_fd, struct ucred *out)
{
	socklen_t n = sizeof(*out);

	return getsockopt(connection_fd, SOL_SOCKET, SO_PEERCRED, out, &n) == 0 &&
	       n == sizeof(*out);
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
listen_on(struct unixsocket *s, const struct sockaddr_un *address, int backlog, struct err *err)
{
	struct stat st;

	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return fail(err, s->path, "socket");
	if (bind(s->fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
		return fail(err, s->path, "bind");
	s->bound = true;
	if (chown(s->path, (uid_t)-1, s->group) != 0 || chmod(s->path, 0660) != 0)
		return fail(err, s->path, "its group and mode cannot be set");
	if (listen(s->fd, backlog) != 0 || lstat(s->path, &st) != 0)
		return fail(err, s->path, "listen");
	s->device = st.st_dev;
	s->inode = st.st_ino;
	return ST_OK;
}

enum status
unixsocket_open(struct unixsocket *out, const char *path, gid_t group, int backlog, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	enum status status;

	*out = (struct unixsocket){.fd = -1};
	if (path[0] != '/' || strlen(path) >= sizeof(address.sun_path)) {
		err_set(err, "%s: an absolute path of at most %zu octets is needed", path,
		    sizeof(address.sun_path) - 1);
		return ST_INVALID;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	out->path = mem_strdup(path);
	out->group = group == (gid_t)-1 ? getegid() : group;
	status = remove_stale(&address, err);
	if (status == ST_OK)
		status = listen_on(out, &address, backlog, err);
	if (status != ST_OK)
		unixsocket_close(out);
	return status;
}

/* Only our own: another process may have put its socket there since. */
static void
remove_ours(const struct unixsocket *s)
{
	struct stat st;

	if (s->bound && lstat(s->path, &st) == 0 &&
	    (s->inode == 0 || (st.st_dev == s->device && st.st_ino == s->inode)))
		unlink(s->path);
}

void
unixsocket_close(struct unixsocket *socket)
{
	if (socket->path == NULL)
		return;
	remove_ours(socket);
	if (socket->fd >= 0)
		close(socket->fd);
	mem_free(socket->path);
	*socket = (struct unixsocket){.fd = -1};
}
