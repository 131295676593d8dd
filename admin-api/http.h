/*
 * http.h - HTTP/1.1 for signpost-admind: listening, TLS, limits, and threads that run the requests.
 * It knows nothing of what is asked: one function answers all of it (http_answer). libmicrohttpd
 * parses; this file's part is what a server in the open must have besides.
 *
 *   - a unix socket (0660; the peer's credentials are asked for), and TCP: with TLS 1.2 or newer,
 * or plain on loopback addresses only. Anything else is refused at the start
 *   - connections that are slow or silent hold no thread: requests are run, when they are complete,
 * by threads of their own. A request has to be there in time as a whole (HTTP_REQUEST_S), whatever
 * its pace; connections of one address, and all together, are limited
 *   - bodies, fields and paths have a greatest length; a body that is streamed (http_answer said
 * so) is given piece by piece and never held as a whole
 *   - memory of requests and answers is wiped: a request may have a private key or a token in it
 */
#ifndef SIGNPOST_ADMIN_API_HTTP_H
#define SIGNPOST_ADMIN_API_HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/status.h"

#define HTTP_BODY_MAX (1024U * 1024U) /* octets; streamed ones: HTTP_STREAM_MAX */
#define HTTP_STREAM_MAX (1024U * 1024U * 1024U)
#define HTTP_HEAD_MAX 16384U                  /* octets of the request line and all fields */
#define HTTP_TARGET_MAX 4096U                 /* octets of path and query */
#define HTTP_ANSWER_MAX (64U * 1024U * 1024U) /* octets of an answer's body */
#define HTTP_PIECE_BYTES 65536U               /* of a body that is streamed; the last is smaller */
/* Seconds for a head (of a new connection: with TLS), then for the body as a whole, whatever its
 * pace; streamed: for each piece. An answer that is not read has as long, and a second for each
 * 64 kB of it. */
#define HTTP_REQUEST_S 30
#define HTTP_IDLE_S 60 /* from an answer to the whole head of the next request */
#define HTTP_CONNECTIONS_MAX 4096U
#define HTTP_CONNECTIONS_OF_ONE 1024U /* of one address; of the unix socket: of one user */
#define HTTP_FIELDS_MAX 64U
#define HTTP_BODIES_MAX (256U * 1024U * 1024U) /* octets of all bodies held at once; above: 503 */
#define HTTP_SOURCES_MAX 256U                  /* http_response.source at once; above: 503 */
#define HTTP_STOP_S 10                         /* see http_server_free() */

struct http_field {
	struct span name, value; /* names as they came: compare without case */
};

/* Who is at the other end, as far as the connection itself says. */
struct http_peer {
	bool local; /* the unix socket */
	uid_t uid;  /* of local: SO_PEERCRED */
	pid_t pid;
	char address[64]; /* "192.0.2.1", "2001:db8::1", "unix" */
	bool tls;
	char certificate[256]; /* the name in a client certificate that was verified (its first DNS
				  or URI SAN, else its CN); "": none */
};

struct http_request {
	struct span method; /* "GET"; HEAD is given as GET, and its body is not sent */
	struct span path;   /* as it came, not decoded; begins with '/'; no query */
	struct span query;  /* behind '?', not decoded; may be empty */
	const struct http_field *fields;
	size_t field_count;
	struct span body; /* whole; empty of one that is streamed */
	const struct http_peer *peer;
	char id[33];   /* made here, random: for the log, the audit and the answer */
	void *context; /* http_config.context */
	void *stream;  /* set by http_begin */
};
/* The value of a field; empty and *found false if it is not there, or more than once. */
struct span http_field_find(const struct http_request *request, const char *name, bool *found);

/* An answer. Init and free by the server. Every answer has Date, Content-Length, X-Request-Id,
 * X-Content-Type-Options, and Cache-Control: no-store unless fields says otherwise. */
struct http_response {
	int status;        /* 200 to 599 */
	struct buf fields; /* lines "Name: value\r\n", without Date, Content-Length, Connection */
	struct buf body;   /* in secret memory, wiped; Content-Type must be in fields */
	/* Instead of body: called again and again from one thread of its own until it answers
	 * false; appends what there is now (out has room for 64 KiB at least); waits at most
	 * wait_ms for more. For events. source_end: nobody reads any more, or there is no more to
	 * read, or the answer was never begun: once, from any thread; free source_context. */
	bool (*source)(void *source_context, int wait_ms, struct buf *out);
	void (*source_end)(void *source_context);
	void *source_context;
};

void http_response_init(struct http_response *response);
/* Also calls source_end, if it is there. */
void http_response_free(struct http_response *response);
/* Makes the answer a problem (RFC 9457, application/problem+json): status with its title, code (a
 * stable word: "not-found"), detail (a sentence; any octets) and the request's id. What was in body
 * and fields is dropped. */
void http_problem(struct http_response *response, int status, const char *code, const char *detail,
    const char *request_id);

struct http_handler {
	/* The head of a request is there; the body not yet. It may refuse it before anything is
	 * read (response->status is set: 401, 413, 429, ...), or say that the body comes piece by
	 * piece. Must not block: the thread that reads all connections calls it. NULL: reads bodies
	 * whole. */
	enum http_begin {
		HTTP_WHOLE,
		HTTP_STREAMED,
		HTTP_REFUSED
	} (*begin)(struct http_request *request, struct http_response *response);
	/* A piece of a body that is streamed: HTTP_PIECE_BYTES, the last one less. May block: in a
	 * thread of the pool, not the same for each piece, one piece after the other; none is held
	 * while the next piece comes in. false: enough; answer what response says, and answer() is
	 * not called. */
	bool (*piece)(
	    struct http_request *request, struct span piece, struct http_response *response);
	/* The request is complete; body has all of it, or all pieces were given. May block. */
	void (*answer)(struct http_request *request, struct http_response *response);
	/* Whatever became of it, once for each begin() that was called (or would have been, where
	 * it is NULL): after answer(), or when the peer is gone before. Any thread; must not block.
	 * NULL: none. */
	void (*end)(struct http_request *request);
};

struct http_config {
	const char *unix_path; /* NULL: none */
	gid_t unix_group;      /* (gid_t)-1: that of the process */
	const char *listen; /* "192.0.2.1:8443 [::1]:8080", NULL or "": none. With certificate_file
			       all of them have TLS; without, only loopback may be there */
	const char *certificate_file,
	    *key_file; /* PEM; NULL: no TLS. Read again by http_reload() */
	const char
	    *client_ca_file;   /* PEM: client certificates are asked for, and verified; NULL: not */
	unsigned threads;      /* that run requests; 0: 8 */
	int request_s, idle_s; /* 0: HTTP_REQUEST_S, HTTP_IDLE_S; of tests */
	const struct http_handler *handler;
	void *context;
};

struct http_server;

/* ST_INVALID: the configuration; ST_DENIED: somebody listens there, or plain HTTP beyond loopback;
 * ST_FAILED. err says what. */
enum status http_server_new(
    const struct http_config *config, struct http_server **out, struct err *err) MUST_USE;
/* Reads certificate and key again; on failure the old ones stay. */
enum status http_server_reload(struct http_server *server, struct err *err) MUST_USE;
/* The port of the first TCP address: of tests, which say 0. */
uint16_t http_server_port(const struct http_server *server);
/* Takes no request more, lets those that came end and be answered, closes. What has not been begun
 * after HTTP_STOP_S is dropped; a thread that still runs a request is waited for. NULL is fine. */
void http_server_free(struct http_server *server);

/* Is it about to end? Who waits for something should not. Any thread that runs a request. */
bool http_server_stops(struct http_server *server);

struct http_counts {
	uint64_t connections, requests, refused_connections, timeouts, too_big,
	    answers[6]; /* by hundreds */
	unsigned open, running, sources;
};
void http_server_counts(struct http_server *server, struct http_counts *out);

#endif
