/*
 * admin_http.h - what admin_client.c asks its neighbours for: a request of an operation as HTTP has
 * it (admin_request.c), and an answer out of octets (admin_answer.c). Pure, but for memory.
 */
#ifndef SIGNPOST_TOOLS_ADMIN_HTTP_H
#define SIGNPOST_TOOLS_ADMIN_HTTP_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/base/buf.h"

#define ADMIN_KEY_MAX 255U   /* octets of an Idempotency-Key */
#define ADMIN_FIELD_MAX 300U /* of a field of the head, with its name */
#define ADMIN_READ_FAILED SIZE_MAX

/* ---- admin_request.c ---- */

struct admin_http {
	const char *method; /* static */
	struct buf target;  /* path and query */
	struct buf body;    /* secret; empty: none */
	const char *type;   /* of the body; static; NULL: application/json */
	bool has_body;      /* Content-Type is sent */
	/* Instead of body, which is read as it is sent, without a length: up to room octets. 0:
	 * that was all; ADMIN_READ_FAILED: said. NULL: body. */
	size_t (*read)(void *context, char *out, size_t room);
	void *read_context;
	bool if_match;   /* If-Match: * */
	bool may_be_new; /* if that does not fit, If-None-Match: * */
	bool if_new;     /* If-None-Match: * */
	bool once;       /* Idempotency-Key: key */
	char key[ADMIN_KEY_MAX + 1];
	const char *last_event; /* Last-Event-ID; borrowed; NULL: none */
	long quiet_s;           /* a connection that is silent for so long is lost; 0: never */
	bool repeatable;        /* asking twice does nothing twice */
};

/* {"operation":..,"arguments":{..},"dry_run":..} by the table of route.h. A tenant that is not said
 * is "-": a domain has one tenant only. If-Match is "*": whoever types a command means what is
 * there now; --revision is for those who mean something else. false: no path leads there. */
bool admin_http_make(const json_t *request, struct admin_http *out);
/* A body as it is for a path of the API (POST), with a new Idempotency-Key. The body is moved. */
void admin_http_raw(const char *path, const char *type, struct buf *body, struct admin_http *out);
void admin_http_free(struct admin_http *http);
/* One of a path that no operation stands behind: {}, and a new Idempotency-Key. */
void admin_http_init(struct admin_http *out, const char *method, const char *path);
/* Adds "?name=value". */
void admin_http_parameter(struct admin_http *http, const char *name, const json_t *value);

/* ---- admin_answer.c ---- */

struct admin_reader {
	struct buf in;  /* what is not read yet */
	json_t *answer; /* owned; NULL: not there yet */
	json_t *rows;   /* lines of an answer that is nothing but lines; NULL: it is another one */
	bool strange;   /* it is none of signpost-admind */
	void (*progress)(void *context, const json_t *report);
	void *context;
};

void admin_reader_init(
    struct admin_reader *reader, void (*progress)(void *, const json_t *), void *context);
void admin_reader_free(struct admin_reader *reader);
/* Octets of a body. lines: application/x-ndjson. false: more need not be read. */
bool admin_reader_take(struct admin_reader *reader, struct span piece, bool lines);
/* All is there: {"ok":true,"result":..} as it came, or
 * {"ok":false,"code":..,"detail":..,"errors":..} of a problem. NULL: it is no answer.
 * json_decref(). */
json_t *admin_reader_end(struct admin_reader *reader, long status, bool lines);

#endif
