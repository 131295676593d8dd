/*
 * unixsocket.h - a unix socket that is listened on: made, given its mode, asked who is at the other
 * end, and removed. One on which nobody listens any more is replaced; a living one never.
 */
#ifndef SIGNPOST_BASE_UNIXSOCKET_H
#define SIGNPOST_BASE_UNIXSOCKET_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "lib/base/status.h"

struct unixsocket {
	int fd; /* listens; non-blocking, closed by exec; -1: none */
	char *path;
	gid_t group;
	bool bound;
	dev_t device; /* of the socket that we made */
	ino_t inode;  /* 0: unknown */
};

/* path: absolute, at most 107 octets; its folder is there. group: of the socket, whose mode is
 * 0660; (gid_t)-1: that of the process. ST_INVALID: the path; ST_DENIED: somebody listens there, or
 * it is no socket; ST_FAILED. On failure nothing is left open. */
enum status unixsocket_open(
    struct unixsocket *out, const char *path, gid_t group, int backlog, struct err *err) MUST_USE;
/* Closes it, and removes it if it is still ours. Fine after a failed open, and twice. */
void unixsocket_close(struct unixsocket *socket);

/* Who is at the other end, as the kernel says (SO_PEERCRED). */
bool unixsocket_peer(int connection_fd, struct ucred *out);
/* root, the user that this process runs as, and members of the socket's group. The mode says it,
 * too; the socket may be on a file system that does not heed it. Asks for a user's groups, which
 * may take as long as the system's name service takes. */
bool unixsocket_lets_in(const struct unixsocket *socket, const struct ucred *peer);

#endif
