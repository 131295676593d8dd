/*
 * bench_http.c - requests of keep-alive connections in a second: of http.h, with its threads and
 * checks, and of libmicrohttpd alone, which answers "hello" from its own thread.
 *
 *   bench_http [SECONDS [CONNECTIONS]]
 *
 * The client is a process of its own; the CPU is the server's. One line for each server:
 * "NAME REQUESTS_PER_SECOND CPU_US_OF_ONE".
 */
#include "config.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin-api/http.h"
#include "lib/base/clock.h"

#define CONNECTIONS_MAX 1000
#define REQUEST "GET /hello HTTP/1.1\r\nHost: bench\r\nAccept: */*\r\n\r\n"
#define BODY "hello\n"

static _Noreturn void
end(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- the client ---- */

static int
connect_to(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		end("connect");
	return fd;
}

static void
ask(int fd)
{
	if (send(fd, REQUEST, sizeof(REQUEST) - 1, MSG_NOSIGNAL) != sizeof(REQUEST) - 1)
		end("send");
}

/* true: an answer is there as a whole; it comes in one piece nearly always. */
static bool
took(int fd)
{
	static const size_t n = sizeof(BODY) - 1;
	char answer[4096];
	ssize_t got = recv(fd, answer, sizeof(answer), 0);

	if (got <= 0)
		end("recv");
	return (size_t)got >= n && memcmp(answer + (size_t)got - n, BODY, n) == 0;
}

static uint64_t
run_client(uint16_t port, int64_t ms, nfds_t connections)
{
	struct pollfd wait[CONNECTIONS_MAX];
	int64_t until_ms = clock_mono_ms() + ms;
	uint64_t answers = 0;

	for (nfds_t i = 0; i < connections; i++) {
		wait[i] = (struct pollfd){.fd = connect_to(port), .events = POLLIN};
		ask(wait[i].fd);
	}
	while (clock_mono_ms() < until_ms) {
		if (poll(wait, connections, 1000) <= 0)
			end("no answer");
		for (nfds_t i = 0; i < connections; i++)
			if (wait[i].revents != 0 && took(wait[i].fd)) {
				answers++;
				ask(wait[i].fd);
			}
	}
	return answers;
}

/* ---- servers ---- */

static enum MHD_Result
answer_bare(void *context, struct MHD_Connection *mhd, const char *url, const char *method,
    const char *version, const char *data, size_t *data_n, void **slot)
{
	static char body[] = BODY;
	struct MHD_Response *made;
	enum MHD_Result queued;

	(void)context, (void)url, (void)method, (void)version, (void)data, (void)data_n;
	if (*slot == NULL) {
		*slot = body;
		return MHD_YES;
	}
	made = MHD_create_response_from_buffer(sizeof(body) - 1, body, MHD_RESPMEM_PERSISTENT);
	queued = MHD_queue_response(mhd, 200, made);
	MHD_destroy_response(made);
	return queued;
}

static void
answer_ours(struct http_request *request, struct http_response *response)
{
	(void)request;
	response->status = 200;
	buf_add_str(&response->fields, "Content-Type: text/plain\r\n");
	buf_add_str(&response->body, BODY);
}

static struct MHD_Daemon *
start_bare(uint16_t *port_out)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	struct MHD_Daemon *bare;

	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bare = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer_bare, NULL,
	    MHD_OPTION_SOCK_ADDR, &any, MHD_OPTION_END);
	if (bare == NULL)
		end("libmicrohttpd");
	*port_out = MHD_get_daemon_info(bare, MHD_DAEMON_INFO_BIND_PORT)->port;
	return bare;
}

static struct http_server *
start_ours(uint16_t *port_out)
{
	static const struct http_handler handler = {.answer = answer_ours};
	struct http_config config = {
	    .listen = "127.0.0.1:0", .handler = &handler, .unix_group = (gid_t)-1};
	struct http_server *server;
	struct err err = ERR_NONE;

	if (http_server_new(&config, &server, &err) != ST_OK) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	*port_out = http_server_port(server);
	return server;
}

/* ---- measuring ---- */

static double
cpu_us(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/* The client is forked before there is a thread. */
static void
measure(bool ours, int64_t ms, nfds_t connections)
{
	int to[2], from[2];
	uint64_t answers = 0;
	uint16_t port = 0;
	struct MHD_Daemon *bare = NULL;
	struct http_server *server = NULL;
	double before;

	if (pipe(to) != 0 || pipe(from) != 0)
		end("pipe");
	if (fork() == 0) {
		if (read(to[0], &port, sizeof(port)) != sizeof(port))
			_exit(1);
		answers = run_client(port, ms, connections);
		_exit(write(from[1], &answers, sizeof(answers)) == sizeof(answers) ? 0 : 1);
	}
	close(from[1]);
	if (ours)
		server = start_ours(&port);
	else
		bare = start_bare(&port);
	before = cpu_us();
	if (write(to[1], &port, sizeof(port)) != sizeof(port) ||
	    read(from[0], &answers, sizeof(answers)) != sizeof(answers) || answers == 0)
		end("the client");
	printf("%s %.0f %.1f\n", ours ? "ours" : "bare", (double)answers * 1000 / (double)ms,
	    (cpu_us() - before) / (double)answers);
	fflush(stdout);
	wait(NULL);
	close(to[0]), close(to[1]), close(from[0]);
	http_server_free(server);
	if (bare != NULL)
		MHD_stop_daemon(bare);
}

int
main(int argc, char **argv)
{
	int64_t ms = argc > 1 ? (int64_t)(strtod(argv[1], NULL) * 1000) : 2000;
	unsigned long connections = argc > 2 ? strtoul(argv[2], NULL, 10) : 64;

	if (ms < 1 || connections < 1 || connections > CONNECTIONS_MAX)
		return 2;
	measure(false, ms, connections);
	measure(true, ms, connections);
	return 0;
}
