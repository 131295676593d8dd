/*
 * listener.c - the Socket parameter as listening sockets.
 * Opened once by the parent, before it drops its privileges, and kept over every reload. It must
 * never take a socket away from a live server.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/process.h"
#include "lib/base/mem.h"
#include "lib/conf/values.h"

/* A socket file that nobody answers is left over from a crash; a live one is not ours. */
static enum status
remove_stale(const struct sockaddr_un *address, struct err *err)
{
	struct stat st;
	int fd, failed;

	if (lstat(address->sun_path, &st) != 0)
		return ST_OK;
	if (!S_ISSOCK(st.st_mode)) {
		err_set(err, "%s is there already and is not a socket", address->sun_path);
		return ST_DENIED;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	failed = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	failed = failed == 0 ? 0 : errno;
	close(fd);
	if (failed == ECONNREFUSED && unlink(address->sun_path) == 0)
		return ST_OK;
	err_set(err, "%s is in use by another process", address->sun_path);
	return ST_DENIED;
}

static int
listen_on(const struct conf_address *address, int backlog)
{
	int family = address->address.ss_family, one = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (family != AF_UNIX) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		/* Inherited by the accepted sockets. */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&address->address, address->length) != 0 ||
	    listen(fd, backlog) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static enum status
listen_all(const struct conf *conf, const struct conf_socket *wanted, struct listeners *listeners,
    int *exit_code_out, struct err *err)
{
	struct conf_address addresses[CONF_SOCKET_ADDRESSES_MAX];
	size_t count = 0;

	*exit_code_out = EX_CONFIG;
	if (conf_socket_resolve(wanted, addresses, &count, err) != ST_OK)
		return ST_INVALID;
	*exit_code_out = EX_UNAVAILABLE;
	if (wanted->kind == CONF_SOCKET_UNIX &&
	    remove_stale((const struct sockaddr_un *)(const void *)&addresses[0].address, err) !=
		ST_OK)
		return ST_DENIED;
	for (size_t i = 0; i < count && i < LISTENERS_MAX; i++) {
		int fd = listen_on(&addresses[i], (int)conf_int(conf, CONF_LISTEN_BACKLOG));

		if (fd < 0) {
			err_set(err, "cannot listen on %s: %s", conf_string(conf, CONF_SOCKET),
			    strerror(errno));
			return ST_DENIED;
		}
		listeners->fds[listeners->count++] = fd;
	}
	return ST_OK;
}

enum status
listeners_open(
    const struct conf *conf, struct listeners *listeners, int *exit_code_out, struct err *err)
{
	struct conf_socket wanted;
	mode_t old_mask = 0;
	enum status status;

	*listeners = (struct listeners){.count = 0};
	*exit_code_out = EX_CONFIG;
	if (conf_socket(conf_string(conf, CONF_SOCKET), &wanted, err) != ST_OK)
		return ST_INVALID;
	if (conf_is_set(conf, CONF_UMASK))
		old_mask = umask((mode_t)conf_int(conf, CONF_UMASK));
	status = listen_all(conf, &wanted, listeners, exit_code_out, err);
	if (conf_is_set(conf, CONF_UMASK))
		umask(old_mask);
	if (status == ST_OK && wanted.kind == CONF_SOCKET_UNIX)
		listeners->unix_path = mem_strdup(wanted.path);
	if (status != ST_OK)
		listeners_close(listeners);
	return status;
}

void
listeners_close(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->count; i++)
		close(listeners->fds[i]);
	listeners->count = 0;
	mem_free(listeners->unix_path);
	listeners->unix_path = NULL;
}

void
listeners_unlink(const struct listeners *listeners)
{
	if (listeners->unix_path != NULL)
		unlink(listeners->unix_path);
}
