/*
 * authority.c - opens what asks authoritative servers, and answers many questions in rounds: what
 * can be asked now is asked at once, then what follows from the answers. The reconciler calls it.
 * It must never ask a recursive resolver for the name itself (see authority_recursive.c for that).
 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dns/authority_private.h"
#include "lib/dns/nameserver.h"

#define TIMEOUT_MS_DEFAULT 2000
#define ROUNDS_MAX 1000U
#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLV_LINES_MAX 256U

/* ---- lists ---- */

void
authority_list_add(struct authority_list *list, void *item)
{
	if (list->count == list->room) {
		list->room = list->room == 0 ? 64 : 2 * list->room;
		list->items = mem_resize(list->items, list->room, sizeof(*list->items));
	}
	list->items[list->count++] = item;
}

static void
list_free(struct authority_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		mem_free(list->items[i]);
	mem_free(list->items);
	*list = (struct authority_list){.count = 0};
}

/* ---- resolvers ---- */

/* text: "ADDRESS@PORT" of nameserver_next. */
static enum status
add_resolver(struct authority *authority, const char *text, struct err *err)
{
	struct addrinfo hints = {
	    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM};
	struct span port = span_str(text), address;
	struct authority_server *server;
	struct addrinfo *found;
	char *host;
	int error;

	if (authority->resolver_count == AUTHORITY_RESOLVERS_MAX)
		return ST_OK; /* the first ones are enough */
	span_cut(&port, '@', &address);
	host = span_dup(address);
	error = getaddrinfo(host, port.p, &hints, &found);
	mem_free(host);
	if (error != 0) {
		err_set(err, "%s: %s", text, gai_strerror(error));
		return ST_INVALID;
	}
	server = mem_zalloc(1, sizeof(*server));
	memcpy(&server->address, found->ai_addr, found->ai_addrlen);
	server->address_bytes = found->ai_addrlen;
	snprintf(server->text, sizeof(server->text), "%.*s", SPAN_ARG(address));
	freeaddrinfo(found);
	authority->resolver_texts[authority->resolver_count] = mem_strdup(text);
	authority->resolvers[authority->resolver_count++] = server;
	return ST_OK;
}

static enum status
add_resolvers(struct authority *authority, struct span list, struct err *err)
{
	char text[NAMESERVER_TEXT_MAX];
	enum status status;

	while ((status = nameserver_next(&list, text, err)) == ST_OK)
		if ((status = add_resolver(authority, text, err)) != ST_OK)
			return status;
	return status == ST_ABSENT ? ST_OK : status;
}

/* What is no address there (one with a scope) is left out, as the C library's resolver does. */
static void
read_resolv_conf(struct authority *authority)
{
	FILE *f = fopen(RESOLV_CONF, "re");
	struct err unused = ERR_NONE;
	char line[512];

	for (unsigned i = 0; f != NULL && i < RESOLV_LINES_MAX && fgets(line, sizeof(line), f);
	     i++) {
		struct span rest = span_trim(span_str(line)), word, address;

		if (span_word(&rest, &word) && span_eq_str(word, "nameserver") &&
		    span_word(&rest, &address) &&
		    add_resolvers(authority, address, &unused) != ST_OK)
			continue;
	}
	if (f != NULL)
		fclose(f);
}

enum status
authority_open(const struct authority_config *config, struct authority **out, struct err *err)
{
	struct authority *authority = mem_zalloc(1, sizeof(*authority));
	enum status status = ST_OK;

	authority->port = config->port;
	authority->no_ipv6 = config->no_ipv6;
	authority->timeout_ms = config->timeout_ms > 0 ? config->timeout_ms : TIMEOUT_MS_DEFAULT;
	if (config->trust_anchors != NULL)
		authority->trust_anchors = mem_strdup(config->trust_anchors);
	if (config->resolvers != NULL)
		status = add_resolvers(authority, span_str(config->resolvers), err);
	if (status == ST_OK && authority->resolver_count == 0)
		read_resolv_conf(authority);
	if (status == ST_OK && authority->resolver_count == 0) {
		err_set(err, "no recursive resolver is configured, and " RESOLV_CONF " has none");
		status = ST_INVALID;
	}
	if (status != ST_OK) {
		authority_close(authority);
		return status;
	}
	*out = authority;
	return ST_OK;
}

void
authority_close(struct authority *authority)
{
	if (authority == NULL)
		return;
	for (unsigned i = 0; i < authority->resolver_count; i++) {
		mem_free(authority->resolvers[i]);
		mem_free(authority->resolver_texts[i]);
	}
	mem_free(authority->trust_anchors);
	mem_free(authority);
}

/* ---- a call ---- */

void
authority_call_ask(struct authority_call *call, struct authority_server *server, const char *name,
    enum authority_type type, unsigned tries, authority_done *done, void *owner, size_t index)
{
	struct authority_exchange *exchange = mem_zalloc(1, sizeof(*exchange));

	exchange->server = server;
	snprintf(exchange->name, sizeof(exchange->name), "%s", name);
	exchange->type = type;
	exchange->tries = tries;
	exchange->done = done;
	exchange->owner = owner;
	exchange->index = index;
	exchange->fd = -1;
	authority_list_add(&call->waiting, exchange);
}

void
authority_call_recurse(struct authority_call *call, const char *name, enum authority_type type,
    authority_done *done, void *owner, size_t index)
{
	struct authority *authority = call->authority;
	struct authority_server *server =
	    authority_server_choose(authority->resolvers, authority->resolver_count);
	struct authority_exchange *exchange;

	if (server == NULL)
		server = authority->resolvers[0]; /* no route to any: it says so */
	authority_call_ask(call, server, name, type, AUTHORITY_TRIES, done, owner, index);
	exchange = call->waiting.items[call->waiting.count - 1];
	exchange->recursive = true;
}

unsigned
authority_resolver_tries(const struct authority_call *call)
{
	return AUTHORITY_RESOLVER_ROUNDS * call->authority->resolver_count;
}

static void
run_round(struct authority_call *call)
{
	struct authority_list now = call->waiting;
	struct authority_exchange **exchanges =
	    mem_zalloc(now.count, sizeof(struct authority_exchange *));

	call->waiting = (struct authority_list){.count = 0};
	memcpy(exchanges, now.items, now.count * sizeof(*exchanges));
	authority_exchange_run(call, exchanges, now.count, call->authority->timeout_ms);
	mem_free(exchanges);
	list_free(&now);
}

static void
step_all(struct authority_call *call)
{
	call->moved = false;
	for (size_t i = 0; i < call->names.count; i++)
		authority_way_step(call, call->names.items[i]);
	for (size_t i = 0; i < call->cuts.count; i++)
		authority_cut_step(call, call->cuts.items[i]);
	for (size_t i = 0; i < call->zones.count; i++)
		authority_zone_step(call, call->zones.items[i]);
}

/* A resolver that was bad in an earlier call is asked after the others, once. */
static void
begin_call(struct authority_call *call)
{
	for (unsigned i = 0; i < call->authority->resolver_count; i++) {
		struct authority_server *server = call->authority->resolvers[i];

		server->bad = server->bad > 0 ? 1 : 0;
		server->silent = 0;
		server->heard = server->no_route = false;
	}
}

static void
ask_some(struct authority *authority, struct authority_question *questions, size_t count)
{
	struct authority_call call = {.authority = authority};

	call.answer = mem_zalloc(1, sizeof(*call.answer));
	begin_call(&call);
	for (size_t i = 0; i < count; i++)
		authority_list_add(&call.names, authority_way_begin(&call, &questions[i]));
	for (unsigned rounds = 0; rounds < ROUNDS_MAX; rounds++) {
		step_all(&call);
		if (call.waiting.count > 0)
			run_round(&call);
		else if (!call.moved)
			break;
	}
	for (size_t i = 0; i < call.names.count; i++)
		authority_way_end(call.names.items[i]);
	list_free(&call.names);
	list_free(&call.waiting);
	list_free(&call.cuts);
	list_free(&call.zones);
	list_free(&call.hosts);
	list_free(&call.servers);
	mem_free(call.answer);
}

void
authority_ask(struct authority *authority, struct authority_question *questions, size_t count)
{
	for (size_t at = 0; at < count; at += AUTHORITY_BATCH_MAX) {
		size_t left = count - at;

		ask_some(authority, questions + at,
		    left < AUTHORITY_BATCH_MAX ? left : AUTHORITY_BATCH_MAX);
	}
}
