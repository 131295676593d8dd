/*
 * api_private.h - what the files of api.h share. One struct api_call for each request, in one
 * thread.
 */
#ifndef SIGNPOST_ADMIN_API_API_PRIVATE_H
#define SIGNPOST_ADMIN_API_API_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "admin-api/admin_metrics.h"
#include "admin-api/api.h"
#include "admin-api/events.h"
#include "admin-api/operation_call.h"
#include "admin-api/principal.h"
#include "admin-api/quota.h"
#include "admin-api/route.h"
#include "lib/crypto/seal.h"

#define API_QUERY_MAX 32U /* parts of a query */
#define API_KEY_SCOPE_MAX 512U
#define API_BULKS_MAX 4U /* POST /v1/bulk at once */
#define API_OPERATIONS "/v1/operations/"
#define API_WAIT_MAX_S 30 /* of "Prefer: wait" */
#define API_WAITS_MAX 2U  /* answers at once that are held for it: each holds a thread */
#define API_SLOW_MAX 4U   /* requests at once that wait for DNS or walk over the store */

struct api {
	struct admin *admin;
	struct principals *principals;
	struct watcher *watcher;
	struct events *events;
	struct http_server *_Atomic server; /* borrowed; NULL: not told */
	struct request_counts requests;
	struct seal *cursors; /* seals them */
	atomic_uint slow;     /* such requests that run now */
	atomic_uint bulks;    /* API_BULKS_MAX */
	atomic_uint waits;    /* answers that are held now */
	struct {
		pthread_mutex_t lock;
		char names[64][ADMINROW_HASH_BYTES]; /* of requests with an Idempotency-Key that run
							now */
	} running;
};

struct api_call {
	struct api *api;
	const struct http_request *request;
	struct http_response *response;
	struct principal principal;
	struct quota_rate rate; /* of its tenant; limit QUOTA_NONE: none */
	struct route_match match;
	const char *operation; /* of the route, or what the body makes of it */
	json_t *arguments;     /* owned */
	json_t *errors;        /* owned: what is wrong with the request; an array */
	bool dry_run, dry_run_given;
	bool answered;                /* response says what is wrong */
	bool lines;                   /* Accept: application/x-ndjson */
	operation_progress *progress; /* NULL: nobody wants to know */
	void *progress_context;
	bool bulk;         /* POST /v1/bulk */
	char version[200]; /* of If-Match, without quotes; "": none */
	char key_scope[API_KEY_SCOPE_MAX];
	char body_hash[ADMINROW_HASH_BYTES];
	struct span key; /* Idempotency-Key; empty: none */
};

/* ---- api_request.c: what was asked; false: response says what is wrong with it ---- */

bool api_take_request(struct api_call *call);
/* The same of POST /v1/bulk, without its body. */
bool api_take_bulk(struct api_call *call);

/* ---- api.c ---- */

/* Runs what was asked, unless it was done before; response has the answer. */
void api_run(struct api_call *call);

/* ---- api_rate.c ---- */

/* Counts a request of a tenant. false: it is one too many; response is 429. */
bool api_within_rate(struct api_call *call);
/* Says in the response, when all else stands in it, how many are left. */
void api_add_rate(struct api_call *call);

/* ---- api_stream.c: answers that tell how far it is ---- */

/* The answer is made of lines from now on, by a thread of its own, which runs what was asked. Takes
 * over what call owns. */
void api_stream(struct api_call *call);

/* ---- api_reply.c: what was answered before, and what is kept ---- */

/* Makes key_scope and body_hash of the request, while it is there. */
void api_name_request(struct api_call *call);

/* true: response has the kept answer, or says why there is none (409, 422, 503): nothing is to be
 * run. */
bool api_replay(struct api_call *call);
/* The same request runs now in another thread. */
bool api_begin_running(struct api_call *call);
void api_end_running(struct api_call *call);

/* ---- api_answer.c ---- */

/* operation_run()'s answer as HTTP. replayed: it is a kept one. */
void api_answer(
    struct api_call *call, enum operation_code code, json_t *answer, int status, bool replayed);
/* A problem with the members "errors" and "retryable". */
void api_problem(
    struct api_call *call, int status, const char *code, const char *detail, const json_t *errors);
int api_status_of(const char *code);
/* Pointers into the request: "/arguments/x" becomes "/x". */
json_t *api_errors(const json_t *errors);

/* ---- api_bulk.c: POST /v1/bulk, as struct http_handler has them ---- */

bool api_bulk_is_asked(const struct http_request *request);
enum http_begin api_bulk_begin(struct http_request *request);
bool api_bulk_piece(
    struct http_request *request, struct span piece, struct http_response *response);
void api_bulk_answer(struct http_request *request, struct http_response *response);
/* Of every request. */
void api_bulk_end(struct http_request *request);

/* ---- api_wait.c: "Prefer: wait" (RFC 7240) ---- */

/* Seconds, at most API_WAIT_MAX_S; 0: none are asked for, or in a way that nobody understands,
 * which is as if it was not there. */
unsigned api_prefer_wait(struct span value);
/* After the answer: if it is about an operation that runs, and the request prefers to wait, waits
 * until that ends, and answers that. */
void api_wait(struct api_call *call);
/* Runs another operation for who asks. */
enum operation_code api_run_again(
    struct api_call *call, const char *operation, json_t *arguments, json_t **answer_out);

/* ---- api_cursor.c ---- */

/* Seals "next" for the list of this request; json_decref(). */
json_t *api_cursor_close(struct api_call *call, const char *after);
/* false: it is none of ours, or of another list. after: ROUTE_PART_MAX + 1 octets. */
bool api_cursor_open(struct api_call *call, struct span text, char *after);

#endif
