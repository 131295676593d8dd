/*
 * admin_transport.h - one request of HTTP, and what became of it (admin_transport.c), for what asks
 * with it: admin_client.c, and the words whose body or answer is a stream (admin_bulk.c,
 * admin_events.c). Main thread only.
 */
#ifndef SIGNPOST_TOOLS_ADMIN_TRANSPORT_H
#define SIGNPOST_TOOLS_ADMIN_TRANSPORT_H

#include <curl/curl.h>
#include <stdint.h>

#include "tools/admin.h"
#include "tools/admin_http.h"

/* An answer that is taken as it comes, if it is no refusal. */
struct admin_stream {
	const char *type; /* its Content-Type, without parameters; static */
	/* false: it is none of signpost-admind, and no more is wanted. */
	bool (*take)(void *context, struct span piece);
	void *context;
};

struct admin_client {
	const char *program;
	const struct admin_target *target; /* borrowed */
	CURL *curl;
	char *bearer; /* "Authorization: Bearer ...", secret; NULL: none */
	char trouble[CURL_ERROR_SIZE];
	CURLcode code; /* of the last request */
	struct admin_reader reader;
	bool rows;                         /* the answer is nothing but lines */
	const struct admin_stream *stream; /* borrowed; NULL: an answer for the reader */
	int64_t told_ms;
};

enum admin_fate {
	ADMIN_ANSWERED,
	ADMIN_UNREACHABLE, /* nothing was asked */
	ADMIN_LOST,        /* something may have been done */
	ADMIN_STRANGE,     /* somebody else listens there */
	ADMIN_UNSENT       /* its body cannot be read; said by who reads it */
};

enum admin_fate admin_perform(struct admin_client *client, struct admin_http *http);
/* Of the answer that came last. */
long admin_status(const struct admin_client *client);
bool admin_has_type(const struct admin_client *client, const char *wanted);
/* Says what has gone wrong; lost: what follows from a connection that was lost, "": nothing. */
void admin_say_fate(const struct admin_client *client, enum admin_fate fate, const char *lost);

/* ---- admin_client.c ---- */

/* One try of a request whose answer is a stream. *refusal_out: of a refusal, as admin_ask() has it,
 * json_decref(); NULL: it is none. */
enum admin_fate admin_ask_stream(struct admin_client *client, struct admin_http *http,
    const struct admin_stream *stream, json_t **refusal_out);
/* Nothing was begun: it has no time, or the same request, whose connection was lost, still runs. */
bool admin_is_busy(const json_t *answer);

#endif
