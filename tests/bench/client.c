/*
 * client.c - the load generator's connections: one thread, one epoll. Called by miltergen.c for the
 * warm-up and for the run. It sends up to the next command that must be answered in one system
 * call, so that the generator itself costs little. It must judge each message: signed, unsigned,
 * refused, broken or lost, and every message has exactly one outcome.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "lib/base/mem.h"
#include "tests/bench/client.h"
#include "tests/bench/queue.h"
#include "tests/lib/mta.h"

#define OFFER_ACTIONS 0x1ffU /* Postfix 3.7: 6, 0x1ff, 0x1fffff */
#define OFFER_PROTOCOL 0x1fffffU
#define INPUT_BYTES 16384U
#define FIELDS_MAX 65536U
#define EVENTS 64
#define SETUPS_MAX(messages) (2 * (messages) + 2048U)
#define REFUSED_PAUSE_NS 10000000U /* before the next connection is tried */
#define WAITING_MS 10              /* at most, while messages wait to be tried again */
#define PACED_MS 1                 /* or to be begun */

enum conn_state { CONN_CLOSED, CONN_OFFERED, CONN_MESSAGE };

struct conn {
	enum conn_state state;
	int fd;
	bool wants_out;
	char *head;             /* this connection's copy of the script's head */
	size_t at;              /* next octet of the script to send */
	size_t stop;            /* next stop */
	unsigned int left;      /* messages still to send on this connection */
	unsigned int domain;    /* of the message under way */
	struct script *script;  /* of the message under way */
	struct queue_item item; /* the message under way */
	bool gone;              /* the server closed or reset the connection */
	uint64_t since_ns;      /* first octet of the message, or connect */
	unsigned int signatures;
	unsigned int passes; /* dkim=pass in what was inserted */
	bool save;
	struct buf first, last; /* inserted and appended fields, only when saving */
	char input[INPUT_BYTES];
	size_t input_n;
};

struct client {
	const struct client_plan *plan;
	struct client_result *result;
	struct script *scripts; /* one, or one for each given message */
	size_t script_count;    /* 0: not built yet */
	int epoll;
	struct conn *conns;
	struct queue queue;
	uint64_t refused_until_ns;
	uint64_t last_signed_ns;
	unsigned int open;
	struct err *err;
	bool failed;
};

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void
conn_watch(struct client *client, struct conn *conn, bool out)
{
	struct epoll_event event = {.events = out ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = conn};

	if (conn->wants_out == out)
		return;
	conn->wants_out = out;
	epoll_ctl(client->epoll, EPOLL_CTL_MOD, conn->fd, &event);
}

static void
conn_close(struct client *client, struct conn *conn)
{
	close(conn->fd);
	conn->state = CONN_CLOSED;
	client->open--;
}

/* The longest time without a signed message is how long the service was away. */
static void
count_gap(struct client *client, uint64_t now)
{
	uint64_t gap_us = (now - client->last_signed_ns) / 1000;

	if (client->last_signed_ns != 0 && gap_us > client->result->gap_us)
		client->result->gap_us = gap_us;
	client->last_signed_ns = now;
}

/* The message under way has its outcome. */
static void
count_outcome(struct client *client, struct conn *conn, uint64_t *counter)
{
	struct client_result *result = client->result;
	uint64_t now = now_ns();

	(*counter)++;
	result->done++;
	if (counter == &result->signed_messages)
		count_gap(client, now);
	if (counter != &result->errors && counter != &result->lost)
		result->latency_us[result->latencies++] = (uint32_t)((now - conn->since_ns) / 1000);
}

/* An MTA with a queue: what this connection had, or would have had, is tried again later. */
static void
retry(struct client *client, struct queue_item item)
{
	if (queue_again(&client->queue, item, now_ns())) {
		client->result->retried++;
		return;
	}
	client->result->lost++;
	client->result->done++;
}

static void
conn_retry(struct client *client, struct conn *conn)
{
	if (conn->state == CONN_MESSAGE || queue_take(&client->queue, now_ns(), &conn->item))
		retry(client, conn->item);
	conn_close(client, conn);
}

static void
conn_fail(struct client *client, struct conn *conn, uint64_t *counter)
{
	if (client->plan->tries_more > 0 && (conn->gone || counter == &client->result->lost)) {
		conn_retry(client, conn);
		return;
	}
	if (conn->state == CONN_MESSAGE)
		count_outcome(client, conn, counter);
	else
		(*counter)++;
	conn_close(client, conn);
}

static unsigned int
domain_of(const struct client_plan *plan, uint64_t number)
{
	uint64_t sender = plan->zipf != NULL ? zipf_sender(plan->zipf, plan->first + number)
					     : (plan->first + number) % plan->active;

	return (unsigned int)(sender * (plan->domains / plan->active));
}

/* false: nothing is left to be sent now. */
static bool
prepare_message(struct client *client, struct conn *conn)
{
	const struct client_plan *plan = client->plan;
	uint64_t number;

	conn->since_ns = now_ns();
	if (!queue_take(&client->queue, conn->since_ns, &conn->item))
		return false;
	if (plan->per_s > 0 && conn->item.failures == 0)
		conn->since_ns = conn->item.due_ns;
	number = conn->item.number;
	conn->domain = domain_of(plan, number);
	conn->script =
	    &client
		 ->scripts[plan->given == NULL ? 0 : (plan->first + number) % client->script_count];
	conn->left--;
	conn->signatures = conn->passes = 0;
	conn->save = plan->save_folder != NULL && number % plan->save_every == 0;
	buf_reset(&conn->first);
	buf_reset(&conn->last);
	script_set_domain(conn->script, conn->head, conn->domain);
	conn->state = CONN_MESSAGE;
	return true;
}

/* Sends up to the next stop. false: the connection is broken. */
static bool
conn_send(struct client *client, struct conn *conn)
{
	const struct script *script = conn->script;
	size_t end = script->stops[conn->stop].at;

	while (conn->at < end) {
		struct iovec parts[2];
		int n = 0;
		ssize_t sent;

		if (conn->at < script->head_end) {
			size_t head = end < script->head_end ? end : script->head_end;

			parts[n++] = (struct iovec){conn->head + conn->at, head - conn->at};
		}
		if (end > script->head_end) {
			size_t from = conn->at > script->head_end ? conn->at : script->head_end;

			parts[n++] = (struct iovec){script->octets.p + from, end - from};
		}
		sent = writev(conn->fd, parts, n);
		if (sent < 0 && errno == EAGAIN) {
			conn_watch(client, conn, true);
			return true;
		}
		if (sent < 0) {
			conn->gone = true;
			return false;
		}
		conn->at += (size_t)sent;
	}
	conn_watch(client, conn, false);
	return true;
}

static bool
conn_finish(struct client *client, struct conn *conn)
{
	static const char end_packets[] = "\0\0\0\1A\0\0\0\1A\0\0\0\1Q";
	ssize_t sent = send(conn->fd, end_packets, sizeof(end_packets) - 1, MSG_NOSIGNAL);

	if (sent < 0 && client->plan->tries_more == 0)
		client->result->errors++;
	conn_close(client, conn);
	return true;
}

static bool
start_message(struct client *client, struct conn *conn, bool first)
{
	size_t at;

	if (!prepare_message(client, conn))
		return conn_finish(client, conn);
	at = first ? 0 : conn->script->message_at;
	conn->at = at;
	conn->stop = 0;
	while (conn->script->stops[conn->stop].at <= at)
		conn->stop++;
	return conn_send(client, conn);
}

static void
save_message(struct client *client, struct conn *conn)
{
	struct buf text;
	char path[4096];
	FILE *f;

	buf_init(&text, SCRIPT_BODY_MAX + (1U << 20));
	script_add_message(&text, buf_span(&conn->first), buf_span(&conn->last), conn->domain,
	    client->plan->body_bytes);
	snprintf(path, sizeof(path), "%s/%08llu.eml", client->plan->save_folder,
	    (unsigned long long)conn->item.number);
	f = fopen(path, "we");
	if (f == NULL || fwrite(text.p, 1, text.n, f) != text.n) {
		err_set(client->err, "%s: %s", path, strerror(errno));
		client->failed = true;
	}
	if (f != NULL)
		fclose(f);
	buf_free(&text);
}

/* ABORT after every message; a connection ends with A A Q, as Postfix does. */
static bool
end_message(struct client *client, struct conn *conn)
{
	static const char abort_packet[] = "\0\0\0\1A";

	conn->state = CONN_OFFERED; /* nothing is under way */
	if (conn->save)
		save_message(client, conn);
	if (conn->left == 0 || client->failed || queue_ready(&client->queue, now_ns(), 1) == 0)
		return conn_finish(client, conn);
	if (send(conn->fd, abort_packet, sizeof(abort_packet) - 1, MSG_NOSIGNAL) != 5) {
		conn->gone = true;
		return false;
	}
	return start_message(client, conn, false);
}

static void
keep_field(struct conn *conn, const struct mta_reply *reply)
{
	struct buf *to = reply->code == SMFIR_INSHEADER ? &conn->first : &conn->last;

	if (span_ieq(reply->name, SPAN_LIT("DKIM-Signature")))
		conn->signatures++;
	if (span_ieq(reply->name, SPAN_LIT("Authentication-Results")) &&
	    memmem(reply->value.p, reply->value.n, "dkim=pass", 9) != NULL)
		conn->passes++;
	if (!conn->save)
		return;
	buf_add(to, reply->name);
	buf_add_str(to, conn->script->leading_space ? ":" : ": ");
	for (size_t i = 0; i < reply->value.n; i++) {
		if (reply->value.p[i] == '\n')
			buf_add_char(to, '\r');
		buf_add_char(to, reply->value.p[i]);
	}
	buf_add_str(to, "\r\n");
}

static uint64_t *
outcome_of(struct client_result *result, const struct conn *conn, const struct mta_reply *reply)
{
	switch (reply->code) {
	case SMFIR_CONTINUE:
	case SMFIR_ACCEPT:
		if (conn->passes > 0)
			return &result->verified;
		return conn->signatures > 0 ? &result->signed_messages : &result->unsigned_messages;
	case SMFIR_TEMPFAIL:
	case SMFIR_SHUTDOWN:
	case SMFIR_CONN_FAIL:
		return &result->tempfailed;
	case SMFIR_REPLYCODE:
		return reply->text.n > 0 && reply->text.p[0] == '4' ? &result->tempfailed
								    : &result->rejected;
	default:
		return &result->rejected;
	}
}

/* A final answer to the command of the stop we are at. */
static bool
take_answer(struct client *client, struct conn *conn, const struct mta_reply *reply)
{
	const struct script *script = conn->script;
	char command = script->stops[conn->stop].command;
	uint64_t *outcome;

	if (conn->at < script->stops[conn->stop].at)
		return false; /* an answer before the question was out */
	if (command != SMFIC_BODYEOB && reply->code == SMFIR_CONTINUE) {
		conn->stop++;
		return conn_send(client, conn);
	}
	if (command == SMFIC_BODY && reply->code == SMFIR_SKIP) {
		conn->at = script->eom_at;
		conn->stop = script->stop_count - 1;
		return conn_send(client, conn);
	}
	outcome = outcome_of(client->result, conn, reply);
	client->result->signatures += conn->signatures;
	if (outcome == &client->result->tempfailed && client->plan->tries_more > 0)
		retry(client, conn->item);
	else
		count_outcome(client, conn, outcome);
	return end_message(client, conn);
}

static void
build_scripts(struct client *client, uint32_t protocol)
{
	const struct given *given = client->plan->given;

	client->script_count = given == NULL ? 1 : given->count;
	client->scripts = mem_zalloc(client->script_count, sizeof(struct script));
	if (given == NULL)
		script_build(client->scripts, protocol, client->plan->body_bytes);
	for (size_t i = 0; given != NULL && i < given->count; i++)
		script_build_given(&client->scripts[i], protocol, given_message(given, i));
}

static bool
take_options(struct client *client, struct conn *conn, const struct mta_reply *reply)
{
	struct client_result *result = client->result;

	if (reply->code != SMFIC_OPTNEG)
		return false;
	if (client->script_count == 0) {
		build_scripts(client, reply->protocol);
		result->protocol = reply->protocol;
		result->actions = reply->actions;
		result->version = reply->version;
	}
	if (reply->protocol != result->protocol)
		return false;
	if (result->setups < SETUPS_MAX(client->queue.messages))
		result->setup_us[result->setups++] = (uint32_t)((now_ns() - conn->since_ns) / 1000);
	if (conn->head == NULL) {
		conn->head = mem_alloc(client->scripts->head_end + 1);
		memcpy(conn->head, client->scripts->octets.p, client->scripts->head_end);
	}
	return start_message(client, conn, true);
}

static bool
take_reply(struct client *client, struct conn *conn, const struct mta_reply *reply)
{
	if (conn->state == CONN_OFFERED)
		return take_options(client, conn, reply);
	if (mta_reply_is_final(reply->code))
		return take_answer(client, conn, reply);
	if (reply->code == SMFIR_INSHEADER || reply->code == SMFIR_ADDHEADER)
		keep_field(conn, reply);
	return true;
}

static bool
conn_receive(struct client *client, struct conn *conn)
{
	ssize_t n = read(conn->fd, conn->input + conn->input_n, INPUT_BYTES - conn->input_n);
	struct mta_reply reply;
	struct span input;
	enum status status;

	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0) {
		conn->gone = true;
		return false;
	}
	input = span_of(conn->input, conn->input_n + (size_t)n);
	while ((status = mta_reply_next(&input, &reply, client->err)) == ST_OK) {
		if (!take_reply(client, conn, &reply))
			return false;
		if (conn->state == CONN_CLOSED)
			return true;
	}
	if (status != ST_ABSENT || input.n == INPUT_BYTES)
		return false;
	memmove(conn->input, input.p, input.n);
	conn->input_n = input.n;
	return true;
}

/* Nobody listens, or nobody accepts. */
static void
conn_refused(struct client *client, struct conn *conn)
{
	struct queue_item item;

	if (conn->fd >= 0)
		close(conn->fd);
	if (client->plan->tries_more == 0) {
		err_set(client->err, "cannot connect to the server: %s", strerror(errno));
		client->failed = true;
		return;
	}
	client->refused_until_ns = now_ns() + REFUSED_PAUSE_NS;
	if (queue_take(&client->queue, now_ns(), &item))
		retry(client, item);
}

static void
conn_open(struct client *client, struct conn *conn)
{
	const struct client_plan *plan = client->plan;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
	struct buf offer;
	int one = 1;

	conn->since_ns = now_ns();
	conn->fd = socket(plan->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (conn->fd < 0 ||
	    connect(conn->fd, (const struct sockaddr *)&plan->address, plan->address_bytes) < 0) {
		conn_refused(client, conn);
		return;
	}
	if (plan->address.ss_family != AF_UNIX)
		setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(conn->fd, F_SETFL, fcntl(conn->fd, F_GETFL) | O_NONBLOCK);
	conn->state = CONN_OFFERED;
	conn->wants_out = false;
	conn->gone = false;
	conn->input_n = 0;
	conn->left = plan->per_connection;
	client->open++;
	client->result->connections++;
	epoll_ctl(client->epoll, EPOLL_CTL_ADD, conn->fd, &event);
	buf_init(&offer, 64);
	mta_put_optneg(&offer, MILTER_VERSION_MAX, OFFER_ACTIONS,
	    plan->refuse_no_reply ? OFFER_PROTOCOL & ~SMFIP_NR_ALL : OFFER_PROTOCOL);
	if (send(conn->fd, offer.p, offer.n, MSG_NOSIGNAL) != (ssize_t)offer.n) {
		conn->gone = true;
		conn_fail(client, conn, &client->result->errors);
	}
	buf_free(&offer);
}

/* So many connections as there are messages that may be begun. */
static void
open_connections(struct client *client)
{
	unsigned int all = client->plan->connections;
	size_t promised = 0;

	for (unsigned int i = 0; i < all; i++)
		promised += client->conns[i].state == CONN_OFFERED;
	for (unsigned int i = 0; i < all && !client->failed; i++) {
		uint64_t now = now_ns();

		if (client->conns[i].state != CONN_CLOSED)
			continue;
		if (now < client->refused_until_ns ||
		    queue_ready(&client->queue, now, promised + 1) <= promised)
			return;
		conn_open(client, &client->conns[i]);
		promised += client->conns[i].state == CONN_OFFERED;
	}
}

static void
close_late_ones(struct client *client)
{
	uint64_t limit_ns = (uint64_t)client->plan->timeout_ms * 1000000U;
	uint64_t now = now_ns();

	for (unsigned int i = 0; i < client->plan->connections; i++) {
		struct conn *conn = &client->conns[i];

		if (conn->state != CONN_CLOSED && now - conn->since_ns > limit_ns)
			conn_fail(client, conn, &client->result->lost);
	}
}

static void
handle(struct client *client, const struct epoll_event *event)
{
	struct conn *conn = event->data.ptr;
	bool whole = true;

	if (conn->state == CONN_CLOSED)
		return;
	if ((event->events & EPOLLOUT) != 0)
		whole = conn_send(client, conn);
	if (whole && (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		whole = conn_receive(client, conn);
	if (!whole && conn->state != CONN_CLOSED)
		conn_fail(client, conn, &client->result->errors);
}

/* A server that only fails must not keep us for ever. */
static bool
is_hopeless(const struct client *client)
{
	const struct client_result *result = client->result;

	return result->errors + result->lost > 1000 + result->done / 2;
}

static void
loop(struct client *client)
{
	struct epoll_event events[EVENTS];
	uint64_t next_check = now_ns() + 1000000000U;
	int waiting_ms = client->plan->per_s > 0 ? PACED_MS : WAITING_MS;

	open_connections(client);
	while (client->open > 0 || (queue_pending(&client->queue) && !client->failed)) {
		unsigned int open = client->open;
		bool waiting = open < client->plan->connections && queue_pending(&client->queue);
		int n = epoll_wait(client->epoll, events, EVENTS, waiting ? waiting_ms : 1000);

		for (int i = 0; i < n; i++)
			handle(client, &events[i]);
		if (now_ns() >= next_check) {
			close_late_ones(client);
			next_check = now_ns() + 1000000000U;
		}
		if (is_hopeless(client)) {
			err_set(client->err, "most messages end in an error or are lost");
			client->failed = true;
		}
		if (client->open < open || waiting)
			open_connections(client);
	}
}

enum status
client_run(const struct client_plan *plan, uint64_t messages, struct client_result *result_out,
    struct err *err)
{
	struct client client = {.plan = plan, .result = result_out, .err = err};
	uint64_t begin;

	memset(result_out, 0, sizeof(*result_out));
	result_out->latency_us = mem_zalloc(messages + 1, sizeof(uint32_t));
	result_out->setup_us = mem_zalloc(SETUPS_MAX(messages), sizeof(uint32_t));
	client.conns = mem_zalloc(plan->connections, sizeof(struct conn));
	for (unsigned int i = 0; i < plan->connections; i++) {
		buf_init(&client.conns[i].first, FIELDS_MAX);
		buf_init(&client.conns[i].last, FIELDS_MAX);
	}
	queue_init(&client.queue, messages, plan->tries_more);
	client.epoll = epoll_create1(EPOLL_CLOEXEC);
	begin = now_ns();
	queue_pace(&client.queue, plan->per_s, begin);
	loop(&client);
	result_out->wall_ns = now_ns() - begin;
	close(client.epoll);
	for (unsigned int i = 0; i < plan->connections; i++) {
		buf_free(&client.conns[i].first);
		buf_free(&client.conns[i].last);
		mem_free(client.conns[i].head);
	}
	mem_free(client.conns);
	queue_free(&client.queue);
	for (size_t i = 0; i < client.script_count; i++)
		script_free(&client.scripts[i]);
	mem_free(client.scripts);
	return client.failed ? ST_FAILED : ST_OK;
}

void
client_result_free(struct client_result *result)
{
	mem_free(result->latency_us);
	mem_free(result->setup_us);
	result->latency_us = NULL;
	result->setup_us = NULL;
}
