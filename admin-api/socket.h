/*
 * socket.h - the unix socket of signpost-admind. One JSON object a line comes in (operations.h);
 * lines {"progress":{...}} and then one answer go out. A connection may ask again after its answer.
 *
 * Who may connect: root, the user that the daemon runs as, and members of the group of the socket
 * (its mode is 0660, and the peer's credentials are asked for besides: SO_PEERCRED). Nobody waits
 * for a peer that does not read or write: both have a time.
 */
#ifndef SIGNPOST_ADMIN_API_SOCKET_H
#define SIGNPOST_ADMIN_API_SOCKET_H

#include <sys/types.h>

#include "admin-api/admin.h"
#include "lib/base/status.h"

#define SOCKET_CONNECTIONS_MAX 32U
#define SOCKET_DEFAULT "/run/signpost/admin.sock"

struct socket_server;

struct socket_config {
	const char *path; /* at most 107 octets; its folder is there */
	gid_t group;      /* of the socket; (gid_t)-1: that of the process */
	int idle_s;       /* a connection that asks nothing for so long is closed; 0: 300 */
	int write_s;      /* one that does not take its answer for so long is cut; 0: 10 */
};

/* Begins to listen, and a thread that accepts; each connection has one of its own. A socket on
 * which nobody listens any more is replaced. ST_DENIED: somebody listens there, or it is no socket.
 * ST_FAILED: err says what. admin is borrowed until socket_server_free(). */
enum status socket_server_new(const struct socket_config *config, struct admin *admin,
    struct socket_server **out, struct err *err) MUST_USE;
/* Takes no connection and no request more; an operation that runs is ended and answered (one that
 * asks DNS soon, see operation_progress). Removes the socket. NULL is fine. */
void socket_server_free(struct socket_server *server);

#endif
