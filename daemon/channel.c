/*
 * channel.c - SOCK_SEQPACKET pairs between front-ends and keeper.
 * The parent opens them before it forks; each child keeps its ends. It must never block a
 * front-end, nor let one that does not read hold up the keeper's answers to the others.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "daemon/channel.h"
#include "daemon/frame.h"

/* Half a megabyte of frames in flight; the kernel doubles it for its own bookkeeping. */
#define SOCKET_BYTES (2 * (int)FRAME_MAX)

/* How long a keeper's thread waits for a front-end that does not take its answers. */
#define REPLY_WAIT_S 2

static bool
pair_open(int *write_end, int *read_end, int flags_write, int flags_read)
{
	const struct timeval wait = {.tv_sec = REPLY_WAIT_S};
	int fds[2], bytes = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return false;
	if (setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0)
		setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	/* Without O_NONBLOCK only; else it has no effect. */
	setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (fcntl(fds[0], F_SETFL, flags_write) != 0 || fcntl(fds[1], F_SETFL, flags_read) != 0) {
		close(fds[0]);
		close(fds[1]);
		return false;
	}
	*write_end = fds[0];
	*read_end = fds[1];
	return true;
}

enum status
channels_open(struct channels *channels, unsigned int frontends, struct err *err)
{
	*channels = (struct channels){.request_write = -1, .request_read = -1};
	if (!pair_open(&channels->request_write, &channels->request_read, O_NONBLOCK, 0))
		goto failed;
	for (unsigned int i = 0; i < frontends; i++) {
		if (!pair_open(&channels->reply_write[i], &channels->reply_read[i], 0, O_NONBLOCK))
			goto failed;
		channels->frontends = i + 1;
	}
	return ST_OK;
failed:
	err_set(err, "cannot make the sockets between the processes: %s", strerror(errno));
	channels_close(channels);
	return ST_FAILED;
}

static void
shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
channels_close(struct channels *channels)
{
	shut(&channels->request_write);
	shut(&channels->request_read);
	for (unsigned int i = 0; i < channels->frontends; i++) {
		shut(&channels->reply_write[i]);
		shut(&channels->reply_read[i]);
	}
	channels->frontends = 0;
}

void
channels_keep_keeper(struct channels *channels)
{
	shut(&channels->request_write);
	for (unsigned int i = 0; i < channels->frontends; i++)
		shut(&channels->reply_read[i]);
}

void
channels_keep_frontend(struct channels *channels, unsigned int index)
{
	shut(&channels->request_read);
	for (unsigned int i = 0; i < channels->frontends; i++) {
		shut(&channels->reply_write[i]);
		if (i != index)
			shut(&channels->reply_read[i]);
	}
}

enum status
channel_send(int fd, struct span frame)
{
	ssize_t n;

	do
		n = send(fd, frame.p, frame.n, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)frame.n)
		return ST_OK;
	return n < 0 && (errno == EAGAIN || errno == ENOBUFS) ? ST_UNAVAILABLE : ST_FAILED;
}

enum status
channel_receive(int fd, char *room, size_t room_bytes, size_t *n_out)
{
	ssize_t n;

	do
		n = recv(fd, room, room_bytes, MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? ST_UNAVAILABLE : ST_FAILED;
	if (n == 0)
		return ST_ABSENT;
	if ((size_t)n > room_bytes)
		return ST_TOO_BIG;
	*n_out = (size_t)n;
	return ST_OK;
}
