/*
 * http_private.h - what the files of http.h share.
 *
 * Threads: one that accepts and looks after times (http_listen.c), one of libmicrohttpd for plain
 * connections and one for TLS (http_request.c runs in them), those that run requests (http_pool.c),
 * and one for each event source (http_source.c). An exchange, which is a request and its answer,
 * belongs to the thread of libmicrohttpd; it is lent to the pool while its connection is suspended.
 */
#ifndef SIGNPOST_ADMIN_API_HTTP_PRIVATE_H
#define SIGNPOST_ADMIN_API_HTTP_PRIVATE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "admin-api/http.h"
#include "lib/base/secretthread.h"
#include "lib/base/unixsocket.h"

#define HTTP_LISTENERS_MAX 16U
#define HTTP_PARTING_MAX 64U
#define HTTP_POOL_BYTES 65536U /* libmicrohttpd's memory of a connection; HTTP_HEAD_MAX fits */
#define HTTP_RAW_MAX 16384U    /* an answer that is sent while the request still comes in */
#define HTTP_DRAIN_S 5         /* what is still sent then is read for so long */

#define HTTP_NAME_BYTES sizeof(((struct http_peer *)NULL)->certificate)
#define HTTP_NAMES_MAX 64U /* of a certificate that are looked at */

struct http_tls;
struct http_tls_set;

/* ---- connections: http_listen.c ---- */

struct http_connection {
	struct http_server *server;
	struct http_peer peer;
	struct sockaddr_storage from; /* of TCP */
	int fd;
	bool started; /* under server->lock: libmicrohttpd has it, and will close it */
	atomic_int_fast64_t due_ms; /* when it is cut, monotonic; 0: not */
	char *target;               /* of the request that begins; cut behind HTTP_TARGET_MAX + 1 */
	const char *target_place;   /* where libmicrohttpd has it */
	struct http_tls_set *certificates;      /* of the handshake */
	bool certificate_seen, certificate_bad; /* peer.certificate was looked for */
};

void http_connection_free(struct http_connection *c);
struct http_connection *http_connection_of(struct MHD_Connection *mhd);

struct http_listener {
	int fd;
	bool tls, local;
};

/* "192.0.2.1:8443", "[::1]:8080": a literal address and a port. Pure. */
bool http_address_parse(struct span text, struct sockaddr_storage *out, socklen_t *n_out);
/* An IPv4 or IPv6 address of this machine alone. */
bool http_address_is_loopback(const struct sockaddr_storage *address);
enum status http_listen_open(
    struct http_server *server, const struct http_config *config, struct err *err) MUST_USE;
void http_listen_close(struct http_server *server);
/* The thread. */
void *http_listen_run(void *server);
/* When the connection is cut; ms from now; 0: never. */
void http_connection_due(struct http_connection *c, int64_t in_ms);

/* ---- heads: http_head.c. Pure ---- */

/* Why a request is refused before anybody is asked. status 0: it is not. */
struct http_refusal {
	int status;
	const char *code, *detail;
};

struct http_head {
	struct span method;
	const char *version; /* "HTTP/1.1" */
	struct span target;
	size_t octets;
	const struct http_field *fields;
	size_t field_count;
};

struct http_refusal http_head_check(const struct http_head *head);
/* libmicrohttpd 0.9 gives texts that end with their first NUL, as if nothing were behind it. They
 * lie in its memory one behind the other as they came, with NULs in place of what separated them:
 * this looks at what is between them. method and target: where they begin. false also for lines
 * that end without CR, and for fields of more than one line. */
bool http_head_is_whole(const struct http_head *head, const char *method, const char *target);
/* A body comes. *length_out: UINT64_MAX: nobody knows. */
bool http_head_has_body(const struct http_head *head, uint64_t *length_out);

/* ---- exchanges: http_request.c ---- */

enum http_phase {
	HTTP_PHASE_BODY,     /* comes in */
	HTTP_PHASE_RUNNING,  /* lent to the pool */
	HTTP_PHASE_ANSWERED, /* response is complete, and not given to libmicrohttpd */
	HTTP_PHASE_DRAIN,    /* answered; what still comes in is thrown away */
	HTTP_PHASE_QUEUED    /* libmicrohttpd sends the answer */
};

struct http_exchange {
	struct http_server *server;
	struct http_connection *connection;
	struct MHD_Connection *mhd;
	struct http_request request;
	struct http_response response;
	struct http_field fields[HTTP_FIELDS_MAX];
	char *target;          /* owned: path and query point into it */
	struct buf body;       /* secret: whole, or the piece that comes in */
	uint64_t length, seen; /* of the body; UINT64_MAX: nobody knows */
	size_t counted;        /* of server->body_octets */
	enum http_phase phase;
	bool head_only, streamed, complete, begun, expects, has_body;
	bool busy; /* counted in server->busy: it runs, or its answer is not sent */
	struct http_exchange *next; /* in the pool's queue */
};

enum MHD_Result http_request_handle(void *server, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *data, size_t *data_n, void **slot);
void *http_request_target(void *server, const char *target, struct MHD_Connection *mhd);
size_t http_request_undecoded(void *server, struct MHD_Connection *mhd, char *text);
void http_request_completed(
    void *server, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode why);
/* http_handler.end, once. */
void http_exchange_end(struct http_exchange *x);

/* ---- answers: http_answer.c ---- */

/* Gives the answer to libmicrohttpd. */
enum MHD_Result http_answer_queue(struct http_exchange *x);
/* Writes it as it is, while the request still comes in, and says that no more is read. false: it
 * could not. */
bool http_answer_raw(struct http_exchange *x);
/* Of a connection that is not let in: no request was read. */
void http_answer_unasked(int fd, const struct http_refusal *refusal);
void http_refuse(struct http_exchange *x, const struct http_refusal *refusal);

/* ---- the pools: http_pool.c ---- */

/* Pieces of bodies that are streamed have threads of their own, at a low priority: however many
 * come, there are threads for the others, and the CPU is theirs first. A thread that has become
 * nice cannot go back without a privilege. */
#define HTTP_STREAM_THREADS 4U
#define HTTP_STREAM_NICE 10

enum http_pool_which { HTTP_POOL_WHOLE, HTTP_POOL_STREAMED, HTTP_POOLS };

struct http_pool {
	struct http_server *server;
	int nice; /* of its threads, above that of the process */
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct http_exchange *first, **last;
	bool stopping, dropping;
	struct secret_thread *threads; /* requests have private keys and tokens in them */
	unsigned thread_count;
};

void http_pools_init(struct http_server *server);
/* threads: of those that run whole requests; 0: 8. */
enum status http_pools_start(
    struct http_server *server, unsigned threads, struct err *err) MUST_USE;
void http_pools_stop(struct http_server *server);
void http_pools_drop(struct http_server *server); /* what waits is answered 503 */
void http_pools_free(struct http_server *server);
void http_pool_add(struct http_server *server, struct http_exchange *x);

/* ---- event sources: http_source.c ---- */

/* Takes the source of x->response over; NULL: there are too many (nothing is taken). */
struct MHD_Response *http_source_make(struct http_exchange *x);
/* Until all of their threads have ended; the server is stopping. */
void http_sources_wait(struct http_server *server);

/* ---- TLS: http_tls.c ---- */

enum status http_tls_new(
    const struct http_config *config, struct http_tls **out, struct err *err) MUST_USE;
enum status http_tls_reload(struct http_tls *tls, struct err *err) MUST_USE;
void http_tls_free(struct http_tls *tls);
/* A connection is closed. NULL is fine. */
void http_tls_put(struct http_tls *tls, struct http_tls_set *set);
/* Looks at the client certificate of a connection, once. */
void http_tls_look(struct http_connection *c, struct MHD_Connection *mhd);
/* The first DNS name or URI in a certificate, else its common name. false: there is none that could
 * be used; out is "". Pure. */
bool http_certificate_name(struct span der, char out[HTTP_NAME_BYTES]);
enum status http_tls_daemon(struct http_server *server, struct err *err) MUST_USE;

/* ---- all of it: http_server.c ---- */

struct http_server {
	const struct http_handler *handler;
	void *context;
	struct MHD_Daemon *plain, *secure;
	struct http_tls *tls;
	struct unixsocket local;
	struct http_listener listeners[HTTP_LISTENERS_MAX];
	size_t listener_count;
	uint16_t port;
	int64_t request_ms, idle_ms;
	int wake[2];
	bool listens;
	pthread_t listen_thread;
	struct {
		int fd; /* 0: none */
		int64_t due_ms;
	} parting[HTTP_PARTING_MAX]; /* the thread's that accepts: answered, and not closed yet */
	size_t next_parting;
	atomic_bool stopping, listening_ends;

	pthread_mutex_t lock;                 /* of what follows */
	struct http_connection **connections; /* by descriptor */
	size_t connection_room, connections_max;

	struct http_pool pools[HTTP_POOLS];
	atomic_size_t body_octets;
	atomic_uint open, running, busy, source_count, source_threads;
	atomic_uint_fast64_t accepted, requests, refused, timeouts, too_big, answers[6];
};

#define HTTP_DAEMON_FLAGS                                                                          \
	(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET |       \
	    MHD_USE_ERROR_LOG)
/* Of each of libmicrohttpd's daemons. Its own limit of connections is never reached: ours is. */
#define HTTP_DAEMON_OPTIONS(server)                                                                \
	MHD_OPTION_EXTERNAL_LOGGER, http_server_log, (server), MHD_OPTION_URI_LOG_CALLBACK,        \
	    http_request_target, (server), MHD_OPTION_UNESCAPE_CALLBACK, http_request_undecoded,   \
	    (server), MHD_OPTION_NOTIFY_COMPLETED, http_request_completed, (server),               \
	    MHD_OPTION_NOTIFY_CONNECTION, http_connection_changed, (server),                       \
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_POOL_BYTES,                           \
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)(HTTP_CONNECTIONS_MAX * 2),                     \
	    MHD_OPTION_STRICT_FOR_CLIENT, 1

/* What libmicrohttpd says itself: to the log. */
void http_server_log(void *server, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
void http_connection_changed(void *server, struct MHD_Connection *mhd, void **slot,
    enum MHD_ConnectionNotificationCode what);

#endif
