/*
 * frontend.c - the process that talks to the MTA.
 * Accepts connections (connection.c takes them from there) and gives them the keeper's answers. It
 * must never hold a key, open a file once it serves, or block.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/frontend.h"
#include "daemon/shadow.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#define ACCEPT_PAUSE_MS 1000
#define REPLY_BATCH 32
#define FULL_SAID_EVERY_MS 60000
/* Public keys kept parsed: at about 5 KB each, 10 MB for each front-end at most. */
#define PUBLIC_KEYS_MAX 2048

static enum status
send_to_keeper(struct session_host *host)
{
	struct frontend *frontend = (struct frontend *)(void *)host;

	return channel_send(frontend->requests.fd, buf_span(&host->frame));
}

/* A new connection wakes one of the front-ends that listen. */
static void
listening(struct frontend *frontend, bool on)
{
	const uint32_t events = EPOLLIN | EPOLLEXCLUSIVE;

	if (frontend->accepting == on)
		return;
	frontend->accepting = on;
	for (size_t i = 0; i < frontend->listen_count; i++)
		if (loop_arm(&frontend->loop, &frontend->listen[i], on ? events : 0) != ST_OK)
			log_line(
			    LOG_LEVEL_ERROR, "cannot wait for connections: %s", strerror(errno));
}

void
frontend_connection_gone(struct frontend *frontend)
{
	if (!frontend->draining)
		listening(frontend, frontend->accept_again_ms == 0);
	else if (frontend->count == 0)
		loop_stop(&frontend->loop);
}

/* ---- accepting ---- */

/* Out of descriptors or memory: others may close something meanwhile. */
static void
accept_failed(struct frontend *frontend)
{
	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	log_line(LOG_LEVEL_ERROR, "cannot accept a connection: %s; trying again in a second",
	    strerror(errno));
	listening(frontend, false);
	frontend->accept_again_ms = frontend->loop.now_ms + ACCEPT_PAUSE_MS;
}

/* Once a minute at most: it may be reached a thousand times a second. */
static void
log_full(struct frontend *frontend)
{
	if (frontend->loop.now_ms < frontend->full_said_ms + FULL_SAID_EVERY_MS)
		return;
	frontend->full_said_ms = frontend->loop.now_ms;
	log_line(LOG_LEVEL_WARNING,
	    "MaximumConnections (%zu for each front-end) reached; others wait to be accepted",
	    frontend->host.settings->connections_max);
}

static bool
accept_one(struct frontend *frontend, int fd)
{
	int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (client < 0)
		accept_failed(frontend);
	else
		connection_open(frontend, client);
	return client >= 0;
}

/* One for each wake-up: the loop comes back at once if there are more, and another front-end may
 * take them meanwhile. */
static void
on_accept(struct loop_source *source, uint32_t events)
{
	struct frontend *frontend = source->owner;

	(void)events;
	if (!frontend->accepting)
		return; /* told to drain in the same round */
	if (frontend->count >= frontend->host.settings->connections_max) {
		log_full(frontend);
		listening(frontend, false);
		return;
	}
	accept_one(frontend, source->fd);
}

/* Of a connection that woke this front-end no other was told. */
static void
accept_waiting(struct frontend *frontend)
{
	size_t most = frontend->host.settings->connections_max;

	for (size_t i = 0; i < frontend->listen_count; i++)
		while (frontend->accepting && frontend->count < most &&
		       accept_one(frontend, frontend->listen[i].fd))
			continue;
}

/* ---- the keeper's answers ---- */

/* The keeper died: what had been sent to it is tempfailed. */
static void
keeper_lost(struct frontend *frontend)
{
	struct connection *connection = frontend->all, *next;

	for (; connection != NULL; connection = next) {
		next = connection->next;
		if (!connection->asked)
			continue;
		question_forget(connection);
		session_keeper_lost(
		    &connection->session, "the keeper died while it had the message");
		connection_resume(connection);
	}
}

static void
take_answer(struct frontend *frontend, struct span frame)
{
	struct connection *connection;
	struct reply reply;

	if (reply_decode(frame, &reply) != ST_OK) {
		log_line(LOG_LEVEL_ERROR, "a malformed answer of the keeper is ignored");
		return;
	}
	if (reply.verdict == VERDICT_RESET) {
		shadow_keeper_lost(frontend->host.shadow);
		keeper_lost(frontend);
		return;
	}
	if (reply.verdict == VERDICT_SHADOW) {
		shadow_take(frontend->host.shadow, &reply);
		return;
	}
	if (reply.verdict == VERDICT_DNS) {
		dnsshare_take(&frontend->dnsshare, &reply);
		return;
	}
	connection = question_find(frontend, reply.id);
	if (connection == NULL)
		return; /* closed meanwhile, or given up */
	question_forget(connection);
	session_answer(&connection->session, &reply);
	connection_resume(connection);
}

static void
on_reply(struct loop_source *source, uint32_t events)
{
	struct frontend *frontend = source->owner;
	size_t n;

	(void)events;
	for (int i = 0; i < REPLY_BATCH; i++) {
		enum status status =
		    channel_receive(source->fd, frontend->reply_room, FRAME_MAX, &n);

		if (status == ST_OK)
			take_answer(frontend, span_of(frontend->reply_room, n));
		else if (status == ST_ABSENT)
			_exit(EX_SOFTWARE); /* the parent is gone */
		/* Nobody waits for more: the look that would find nothing is spared. */
		if (status != ST_OK || (frontend->asked == 0 && frontend->host.shadow == NULL))
			return;
	}
}

static void
on_request_room(struct loop_source *source, uint32_t events)
{
	(void)events;
	questions_send_blocked(source->owner);
}

/* ---- time and signals ---- */

/* -F stops the clock for x= and t=. */
static void
tell_time(struct frontend *frontend)
{
	frontend->host.now_utc =
	    frontend->fixed_time_utc >= 0 ? frontend->fixed_time_utc : clock_utc_s();
}

static void
on_tick(struct loop *loop)
{
	struct frontend *frontend = loop->owner;
	struct connection *connection = frontend->all, *next;

	tell_time(frontend);
	shadow_tick(frontend->host.shadow, loop->now_ms);
	dnsshare_tick(&frontend->dnsshare, loop->now_ms);
	if (frontend->accept_again_ms != 0 && frontend->accept_again_ms <= loop->now_ms) {
		frontend->accept_again_ms = 0;
		listening(frontend, !frontend->draining);
	}
	for (; connection != NULL; connection = next) {
		next = connection->next;
		connection_check_time(connection, loop->now_ms);
	}
}

/* Nobody will accept any more: who is waiting shall know now. */
static void
close_listeners(struct frontend *frontend)
{
	for (size_t i = 0; i < frontend->listen_count; i++)
		close(frontend->listen[i].fd);
	frontend->listen_count = 0;
}

/* SIGUSR1: a newer configuration serves; SIGTERM (ending): the service ends. */
static void
drain(struct frontend *frontend, bool ending)
{
	struct connection *connection = frontend->all, *next;

	if (!ending)
		accept_waiting(frontend);
	listening(frontend, false);
	frontend->draining = true;
	if (ending)
		close_listeners(frontend);
	for (; connection != NULL && ending; connection = next) {
		next = connection->next;
		if (connection_is_idle(connection))
			connection_close(connection);
	}
	if (frontend->count == 0)
		loop_stop(&frontend->loop);
}

static void
on_signal(struct loop_source *source, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		drain(source->owner, info.ssi_signo == SIGTERM);
}

/* ---- the process ---- */

static int
signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static enum status
open_sources(struct frontend *frontend, const struct child_args *args, struct err *err)
{
	const struct channels *channels = args->channels;

	frontend->listen_count = args->listeners->count;
	frontend->tcp = args->listeners->unix_path == NULL;
	for (size_t i = 0; i < frontend->listen_count; i++)
		frontend->listen[i] = (struct loop_source){
		    .fd = args->listeners->fds[i], .ready = on_accept, .owner = frontend};
	frontend->replies = (struct loop_source){
	    .fd = channels->reply_read[args->index], .ready = on_reply, .owner = frontend};
	frontend->requests = (struct loop_source){
	    .fd = channels->request_write, .ready = on_request_room, .owner = frontend};
	frontend->signals =
	    (struct loop_source){.fd = signals_open(), .ready = on_signal, .owner = frontend};
	if (loop_arm(&frontend->loop, &frontend->replies, EPOLLIN) == ST_OK &&
	    loop_arm(&frontend->loop, &frontend->signals, EPOLLIN) == ST_OK)
		return ST_OK;
	err_set(err, "cannot wait for events: %s", strerror(errno));
	return ST_FAILED;
}

/* What cannot be sent now is not told: there will be other messages. */
static void
tell_keeper(void *context, struct span id, enum canary_result result, struct span why)
{
	struct frontend *frontend = context;
	const struct request request = {.type = REQUEST_CHECKED,
	    .frontend = frontend->host.frontend,
	    .key_id = id,
	    .result = result,
	    .why = why};
	struct buf frame;

	buf_init(&frame, 1024);
	if (request_encode(&request, &frame) == ST_OK)
		(void)!channel_send(frontend->requests.fd, buf_span(&frame));
	buf_free(&frame);
}

/* For mail of others, and for signatures of our own. The keeper has tried to open one, too. */
static enum status
open_resolver(struct frontend *frontend, const struct child_args *args, struct err *err)
{
	const struct settings *settings = frontend->host.settings;
	struct selfverify_config config = {.loop = &frontend->loop,
	    .timeout_ms = settings->verifying.dns_timeout_ms,
	    .tell = tell_keeper,
	    .context = frontend};
	enum status status;

	if (!settings->verify && settings->self_verify == 0)
		return ST_OK;
	frontend->host.keys = public_key_cache_new(PUBLIC_KEYS_MAX);
	status = dnsshare_open(&frontend->dnsshare, args->conf, &frontend->loop,
	    args->channels->request_write, frontend->host.frontend, &frontend->host.resolver, err);
	if (status != ST_OK)
		return settings->verify || settings->self_verify_asked ? status : ST_OK;
	config.resolver = frontend->host.resolver;
	config.keys = frontend->host.keys;
	if (settings->self_verify > 0)
		frontend->host.selfverify = selfverify_new(&config);
	return ST_OK;
}

static enum status
frontend_open(struct frontend *frontend, const struct child_args *args, struct err *err)
{
	struct settings *settings = NULL;
	enum status status = settings_new(args->conf, &settings, err);

	if (status == ST_OK)
		status = loop_open(&frontend->loop, err);
	if (status != ST_OK)
		return status;
	frontend->host.settings = settings;
	frontend->host.frontend = (uint16_t)args->index;
	frontend->host.send = send_to_keeper;
	frontend->host.resume = connection_keys_ready;
	if (settings->shadow)
		frontend->host.shadow = shadow_new(&frontend->host);
	frontend->fixed_time_utc = args->fixed_time_utc;
	tell_time(frontend);
	buf_init(&frontend->host.frame, FRAME_MAX);
	buf_init(&frontend->host.scratch, FRAME_CANONICAL_MAX);
	/* Answers to a front-end that died must not be taken for ours. */
	random_bytes(&frontend->host.next_id, sizeof(frontend->host.next_id));
	frontend->loop.tick = on_tick;
	frontend->loop.owner = frontend;
	frontend->room = mem_alloc(READ_BYTES);
	frontend->reply_room = mem_alloc(FRAME_MAX);
	status = open_resolver(frontend, args, err);
	if (status != ST_OK)
		return status;
	return open_sources(frontend, args, err);
}

void
frontend_run(const struct child_args *args)
{
	struct frontend *frontend = mem_zalloc(1, sizeof(*frontend));
	struct err err = ERR_NONE;

	process_begin(
	    "sp-frontend", args->parent, false, conf_bool(args->conf, CONF_ENABLE_COREDUMPS));
	channels_keep_frontend(args->channels, args->index);
	if (frontend_open(frontend, args, &err) != ST_OK) {
		log_line(LOG_LEVEL_ERROR, "%s", err.text);
		_exit(EX_CONFIG);
	}
	/* Passwords of stores are for the keeper. */
	conf_free(args->conf);
	if (sandbox_enter(&err) != ST_OK)
		log_line(LOG_LEVEL_WARNING, "%s; going on without it", err.text);
	listening(frontend, true);
	loop_run(&frontend->loop);
	_exit(0);
}
