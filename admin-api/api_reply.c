/*
 * api_reply.c - requests that come twice (Idempotency-Key).
 * Called by api.c before an operation is run. It must never give one caller's answer to another
 * one: who asks, the method and the path are a part of the key.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "admin-api/api_private.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

void
api_name_request(struct api_call *call)
{
	const struct http_request *request = call->request;
	char path[ADMINROW_HASH_BYTES];
	struct buf text;

	if (call->key_scope[0] != '\0')
		return;
	buf_init(&text, HTTP_TARGET_MAX + HTTP_BODY_MAX + 64);
	buf_add_fmt(&text, "%.*s %.*s", SPAN_ARG(request->method), SPAN_ARG(request->path));
	keystore_digest(buf_span(&text), path);
	snprintf(call->key_scope, sizeof(call->key_scope), "%s %s", call->principal.actor, path);
	buf_reset(&text);
	buf_add_fmt(&text, "%zu %.*s ", request->query.n, SPAN_ARG(request->query));
	buf_add(&text, request->body);
	keystore_digest(buf_span(&text), call->body_hash);
	buf_free(&text);
}

/* ---- those that run now ---- */

static char *
running_place(struct api *api, const char *name)
{
	for (size_t i = 0; i < COUNT(api->running.names); i++)
		if (strcmp(api->running.names[i], name) == 0)
			return api->running.names[i];
	return NULL;
}

bool
api_begin_running(struct api_call *call)
{
	struct api *api = call->api;
	char name[ADMINROW_HASH_BYTES];
	char *place = NULL;
	bool there;

	api_name_request(call);
	reply_id(span_str(call->key_scope), call->key, name);
	pthread_mutex_lock(&api->running.lock);
	there = running_place(api, name) != NULL;
	if (!there)
		place = running_place(api, "");
	if (place != NULL)
		memcpy(place, name, sizeof(name));
	pthread_mutex_unlock(&api->running.lock);
	/* There are more places than threads that run requests. */
	return place != NULL;
}

void
api_end_running(struct api_call *call)
{
	struct api *api = call->api;
	char name[ADMINROW_HASH_BYTES];
	char *place;

	reply_id(span_str(call->key_scope), call->key, name);
	pthread_mutex_lock(&api->running.lock);
	place = running_place(api, name);
	if (place != NULL)
		place[0] = '\0';
	pthread_mutex_unlock(&api->running.lock);
}

/* ---- those that ran ---- */

static void
give_again(struct api_call *call, const struct store_reply *reply)
{
	json_t *answer;

	if (reply->status == 0) {
		api_problem(call, 409, "request-in-progress",
		    "a request with this Idempotency-Key runs now, or was cut off a moment ago",
		    NULL);
		buf_add_str(&call->response->fields, "Retry-After: 1\r\n");
		return;
	}
	if (!span_eq_str(reply->body, call->body_hash)) {
		api_problem(call, 422, "idempotency-key-reused",
		    "this Idempotency-Key was used for another request", NULL);
		return;
	}
	answer = json_loadb(reply->answer.p, reply->answer.n, 0, NULL);
	if (answer == NULL)
		answer = json_pack("{s:b, s:{}}", "ok", 1, "result");
	api_answer(call, OPERATION_OK, answer, reply->status, true);
	json_decref(answer);
}

bool
api_replay(struct api_call *call)
{
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	enum status status;
	bool there;

	api_name_request(call);
	status = keystore_reply(
	    call->api->admin->store, span_str(call->key_scope), call->key, &rows, &err);
	if (status != ST_OK) {
		api_problem(call, 503, "store-unavailable", err.text, NULL);
		buf_add_str(&call->response->fields, "Retry-After: 5\r\n");
		return true;
	}
	there = rows->reply_count == 1;
	if (there)
		give_again(call, &rows->replies[0]);
	keystore_rows_release(rows);
	return there;
}
