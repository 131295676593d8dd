/*
 * socket_private.h - what socket.c, who lets in, and socket_serve.c, who answers, share.
 */
#ifndef SIGNPOST_ADMIN_API_SOCKET_PRIVATE_H
#define SIGNPOST_ADMIN_API_SOCKET_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "admin-api/socket.h"

#define SOCKET_ACTOR_BYTES 80U

struct socket_connection {
	struct socket_server *server;
	pthread_t thread;
	int fd;            /* the thread's */
	bool used;         /* the accepting thread's: there is a thread to be joined */
	atomic_bool ended; /* the thread has nothing more to do */
	bool lost;         /* the peer takes no more */
	char actor[SOCKET_ACTOR_BYTES];
};

struct socket_server {
	struct admin *admin;
	char *path;
	gid_t group;
	int idle_ms, write_ms;
	int fd;
	int wake[2]; /* readable from when it stops */
	bool bound, runs;
	dev_t device; /* of the socket that we made; 0: unknown */
	ino_t inode;
	pthread_t thread;
	atomic_bool stopping;
	struct socket_connection connections[SOCKET_CONNECTIONS_MAX];
};

/* The thread of a connection. */
void *socket_serve(void *connection);

#endif
