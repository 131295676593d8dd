/*
 * http_server.c - the server: made, asked how it is, and ended.
 * Called by signpost-admind's main and by tests. It must never end while a request runs, nor leave
 * libmicrohttpd a connection that is suspended.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin-api/http_private.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#define OTHER_DESCRIPTORS 128U /* that are not connections: stores, DNS, files */
#define WAIT_MS 10

void
http_server_log(void *server, const char *format, va_list arguments)
{
	char line[256];

	(void)server;
	vsnprintf(line, sizeof(line), format, arguments);
	line[strcspn(line, "\n")] = '\0';
	log_line(LOG_LEVEL_DEBUG, "http: %s", line);
}

/* ---- beginning ---- */

/* As many connections as there may be descriptors. */
static void
make_room(struct http_server *server)
{
	struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};
	rlim_t wanted = HTTP_CONNECTIONS_MAX + OTHER_DESCRIPTORS;

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < wanted) {
		limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
		(void)getrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur > 4 * wanted)
		limit.rlim_cur = 4 * wanted;
	server->connection_room = (size_t)limit.rlim_cur;
	server->connections_max = HTTP_CONNECTIONS_MAX;
	if (server->connection_room < wanted) {
		server->connections_max = server->connection_room > 2 * OTHER_DESCRIPTORS
					      ? server->connection_room - OTHER_DESCRIPTORS
					      : server->connection_room / 2;
		log_line(LOG_LEVEL_WARNING,
		    "http: at most %zu connections are served, since there may be %zu open files",
		    server->connections_max, server->connection_room);
	}
	server->connections = mem_zalloc(server->connection_room, sizeof(struct http_connection *));
}

static enum status
start_daemon(struct http_server *server, struct err *err)
{
	server->plain = MHD_start_daemon(HTTP_DAEMON_FLAGS, 0, NULL, NULL, http_request_handle,
	    server, HTTP_DAEMON_OPTIONS(server), MHD_OPTION_END);
	if (server->plain != NULL)
		return server->tls == NULL ? ST_OK : http_tls_daemon(server, err);
	err_set(err, "libmicrohttpd could not be started");
	return ST_FAILED;
}

static enum status
start(struct http_server *server, const struct http_config *config, struct err *err)
{
	enum status status = ST_OK;
	int failed;

	if (config->certificate_file == NULL && config->client_ca_file != NULL) {
		err_set(err, "client certificates need TLS: no certificate of ours is named");
		return ST_INVALID;
	}
	if (config->certificate_file != NULL)
		status = http_tls_new(config, &server->tls, err);
	if (status == ST_OK)
		status = http_listen_open(server, config, err);
	if (status == ST_OK)
		status = http_pools_start(server, config->threads, err);
	if (status == ST_OK)
		status = start_daemon(server, err);
	if (status != ST_OK)
		return status;
	if (pipe2(server->wake, O_CLOEXEC | O_NONBLOCK) != 0) {
		err_set(err, "pipe: %s", strerror(errno));
		return ST_FAILED;
	}
	failed = pthread_create(&server->listen_thread, NULL, http_listen_run, server);
	server->listens = failed == 0;
	if (failed != 0)
		err_set(err, "no thread can be made: %s", strerror(failed));
	return failed == 0 ? ST_OK : ST_FAILED;
}

enum status
http_server_new(const struct http_config *config, struct http_server **out, struct err *err)
{
	struct http_server *server = mem_zalloc(1, sizeof(*server));
	enum status status;

	*out = NULL;
	server->handler = config->handler;
	server->context = config->context;
	server->request_ms = (config->request_s > 0 ? config->request_s : HTTP_REQUEST_S) * 1000;
	server->idle_ms = (config->idle_s > 0 ? config->idle_s : HTTP_IDLE_S) * 1000;
	server->local.fd = server->wake[0] = server->wake[1] = -1;
	pthread_mutex_init(&server->lock, NULL);
	http_pools_init(server);
	make_room(server);
	status = start(server, config, err);
	if (status == ST_OK)
		*out = server;
	else
		http_server_free(server);
	return status;
}

/* ---- while it runs ---- */

enum status
http_server_reload(struct http_server *server, struct err *err)
{
	return server->tls == NULL ? ST_OK : http_tls_reload(server->tls, err);
}

uint16_t
http_server_port(const struct http_server *server)
{
	return server->port;
}

bool
http_server_stops(struct http_server *server)
{
	return server != NULL && atomic_load(&server->stopping);
}

void
http_server_counts(struct http_server *server, struct http_counts *out)
{
	*out = (struct http_counts){
	    .connections = atomic_load(&server->accepted),
	    .requests = atomic_load(&server->requests),
	    .refused_connections = atomic_load(&server->refused),
	    .timeouts = atomic_load(&server->timeouts),
	    .too_big = atomic_load(&server->too_big),
	    .open = atomic_load(&server->open),
	    .running = atomic_load(&server->running),
	    .sources = atomic_load(&server->source_count),
	};
	for (size_t i = 0; i < 6; i++)
		out->answers[i] = atomic_load(&server->answers[i]);
}

/* ---- the end ---- */

static void
wake_listener(struct http_server *server)
{
	if (server->wake[1] >= 0)
		(void)!write(server->wake[1], "", 1);
}

static void
wait_for_answers(struct http_server *server, int64_t ms)
{
	int64_t until_ms = clock_mono_ms() + ms;

	while (atomic_load(&server->busy) > 0 && clock_mono_ms() < until_ms)
		usleep(WAIT_MS * 1000);
}

static void
stop(struct http_server *server)
{
	atomic_store(&server->stopping, true);
	wake_listener(server);
	if (server->plain != NULL)
		wait_for_answers(server, HTTP_STOP_S * 1000);
	http_pools_drop(server);
	http_pools_stop(server);
	http_sources_wait(server);
	if (server->plain != NULL)
		wait_for_answers(server, 1000);
	atomic_store(&server->listening_ends, true);
	wake_listener(server);
	if (server->listens)
		pthread_join(server->listen_thread, NULL);
	if (server->secure != NULL)
		MHD_stop_daemon(server->secure);
	if (server->plain != NULL)
		MHD_stop_daemon(server->plain);
}

void
http_server_free(struct http_server *server)
{
	if (server == NULL)
		return;
	stop(server);
	http_listen_close(server);
	for (int i = 0; i < 2; i++)
		if (server->wake[i] >= 0)
			close(server->wake[i]);
	for (size_t i = 0; i < server->connection_room; i++)
		if (server->connections[i] != NULL)
			http_connection_free(server->connections[i]);
	mem_free(server->connections);
	http_tls_free(server->tls);
	http_pools_free(server);
	pthread_mutex_destroy(&server->lock);
	mem_free(server);
}
