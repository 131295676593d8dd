/*
 * channel.h - the sockets between the processes of one generation (one configuration): one request
 * socket that all front-ends write and all keeper threads read, and one reply socket for each
 * front-end. The parent makes them and keeps both ends, so that either side may die and come back
 * on the same sockets.
 */
#ifndef SIGNPOST_DAEMON_CHANNEL_H
#define SIGNPOST_DAEMON_CHANNEL_H

#include "lib/base/span.h"
#include "lib/base/status.h"

#define CHANNEL_FRONTENDS_MAX 64

struct channels {
	int request_write; /* front-ends */
	int request_read;  /* keeper */
	unsigned int frontends;
	int reply_write[CHANNEL_FRONTENDS_MAX]; /* keeper, parent */
	int reply_read[CHANNEL_FRONTENDS_MAX];  /* front-end i */
};

/* Makes all sockets, close-on-exec; the front-ends' ends do not block. ST_FAILED. */
enum status channels_open(
    struct channels *channels, unsigned int frontends, struct err *err) MUST_USE;
void channels_close(struct channels *channels);
/* In a child: closes what it must not have. */
void channels_keep_keeper(struct channels *channels);
void channels_keep_frontend(struct channels *channels, unsigned int index);

/* Sends one frame. ST_UNAVAILABLE: the socket is full (only if it does not block).
 * ST_FAILED: the other side is gone or the frame is larger than the socket allows. */
enum status channel_send(int fd, struct span frame) MUST_USE;
/* Receives one frame into room. ST_UNAVAILABLE: nothing there. ST_ABSENT: closed.
 * ST_TOO_BIG: it did not fit (it is lost). */
enum status channel_receive(int fd, char *room, size_t room_bytes, size_t *n_out) MUST_USE;

#endif
