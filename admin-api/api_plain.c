/*
 * api_plain.c - /healthz, /readyz, /metrics and the paths of other files that no operation answers.
 * Called by api.c before it looks for an operation. It must never ask the store (watcher.h does),
 * nor tell anybody who is not known more than whether this program does its work.
 */
#include "config.h"

#include <string.h>

#include "admin-api/admin_metrics.h"
#include "admin-api/api_document.h"
#include "admin-api/api_plain.h"
#include "admin-api/api_ui.h"
#include "admin-api/reconciler.h"
#include "admin-api/route.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define METRICS_ROOM (4U * 1024U * 1024U) /* KEYSTORE_GATEWAYS_MAX of them with long names fit */

/* ---- /healthz ---- */

static void
answer_healthz(struct api_call *call)
{
	call->response->status = 200;
	buf_add_str(&call->response->fields, "Content-Type: text/plain; charset=utf-8\r\n");
	buf_add_str(&call->response->body, "ok\n");
}

/* ---- who asks ---- */

/* Of figures of all tenants. */
static bool
sees_figures(const struct principal *principal)
{
	return (principal->scopes & SCOPE_METRICS_READ) != 0 && principal->tenant[0] == '\0' &&
	       principal->domains[0] == '\0';
}

static bool
says_who(const struct http_request *request)
{
	bool found;

	(void)http_field_find(request, "Authorization", &found);
	return found || request->peer->local || request->peer->certificate[0] != '\0';
}

/* ---- /readyz ---- */

static json_t *
component(bool ready, const char *state, const char *detail)
{
	json_t *out = json_pack("{s:b, s:s}", "ready", ready ? 1 : 0, "state", state);

	if (detail[0] != '\0')
		json_object_set_new(out, "detail", json_span(span_str(detail)));
	return out;
}

static json_t *
reconciler_component(struct reconciler *reconciler, bool *ready)
{
	struct reconciler_state state;
	json_t *out;

	if (reconciler == NULL)
		return component(true, "none", "");
	memset(&state, 0, sizeof(state));
	reconciler_state(reconciler, &state);
	*ready = *ready && state.frozen[0] == '\0';
	if (state.frozen[0] != '\0')
		return component(false, "frozen", state.frozen);
	out = component(true, state.leader ? "leader" : "follower", "");
	json_object_set_new(out, "leader", json_span(span_str(state.leader_name)));
	return out;
}

static json_t *
store_component(struct watcher *watcher, bool *ready)
{
	struct watched watched;
	json_t *out;

	watcher_read(watcher, &watched);
	*ready = *ready && watched.up;
	out = component(watched.up, watched.up ? "up" : "down", watched.up ? "" : watched.why);
	watched_free(&watched);
	return out;
}

/* {"ready":..., "components":{...}} */
static json_t *
readiness(struct api *api, bool *ready)
{
	const struct admin *admin = api->admin;
	bool site_key = admin->sitekey != NULL;
	json_t *components = json_object(), *publishers;

	*ready = site_key;
	json_object_set_new(components, "store", store_component(api->watcher, ready));
	json_object_set_new(
	    components, "reconciler", reconciler_component(admin->reconciler, ready));
	json_object_set_new(components, "site_key",
	    component(site_key, site_key ? "open" : "none",
		site_key ? "" : "SiteKeyFile is not set: no key can be made or proven"));
	publishers = component(true, "read", "");
	json_object_set_new(publishers, "count", json_integer((json_int_t)admin->publisher_count));
	json_object_set_new(components, "publishers", publishers);
	return json_pack("{s:b, s:o}", "ready", *ready ? 1 : 0, "components", components);
}

static void
answer_readyz(struct api_call *call)
{
	struct http_response *response = call->response;
	bool ready, known = says_who(call->request);
	json_t *body;

	if (known &&
	    !principal_find(call->api->principals, call->request, &call->principal, response))
		return;
	body = readiness(call->api, &ready);
	if (!known || !sees_figures(&call->principal))
		json_object_del(body, "components");
	response->status = ready ? 200 : 503;
	buf_add_str(&response->fields, "Content-Type: application/json\r\n");
	if (!ready)
		buf_add_str(&response->fields, "Retry-After: 5\r\n");
	if (json_write(body, &response->body) == ST_OK)
		buf_add_char(&response->body, '\n');
	else
		api_problem(call, 500, "internal", "there is no memory for the answer", NULL);
	json_decref(body);
}

/* ---- /metrics ---- */

static enum status
write_figures(struct api *api, struct buf *out)
{
	const struct admin *admin = api->admin;
	struct http_server *server = atomic_load(&api->server);
	struct reconciler_state state;
	struct census_counts census;
	struct http_counts http;
	struct watched watched;
	struct admin_figures figures = {.watched = &watched,
	    .requests = &api->requests,
	    .publishers = admin->publisher_count,
	    .site_key = admin->sitekey != NULL};
	enum status status;

	watcher_read(api->watcher, &watched);
	if (watched.known)
		figures.now_utc = watched.now_utc + (clock_mono_ms() - watched.looked_ms) / 1000;
	memset(&state, 0, sizeof(state));
	if (admin->reconciler != NULL) {
		reconciler_state(admin->reconciler, &state);
		figures.reconciler = &state;
		if (reconciler_census(admin->reconciler, &census))
			figures.census = &census;
	}
	if (server != NULL) {
		http_server_counts(server, &http);
		figures.http = &http;
	}
	status = admin_metrics_write(&figures, out);
	watched_free(&watched);
	return status;
}

static void
answer_metrics(struct api_call *call)
{
	struct http_response *response = call->response;
	struct buf text;

	if (!principal_find(call->api->principals, call->request, &call->principal, response))
		return;
	if (!sees_figures(&call->principal)) {
		api_problem(call, 403, "forbidden",
		    "metrics:read is needed, for all tenants: figures are of all of them", NULL);
		return;
	}
	/* There is nothing secret in it, and too much of it for secret memory to grow through. */
	buf_init(&text, METRICS_ROOM);
	if (write_figures(call->api, &text) == ST_OK) {
		response->status = 200;
		buf_add_str(&response->fields, "Content-Type: text/plain; version=0.0.4\r\n");
		buf_add(&response->body, buf_span(&text));
	} else {
		api_problem(call, 500, "internal", "there is no room for all figures", NULL);
	}
	buf_free(&text);
}

/* ---- the table ---- */

static const struct plain {
	const char *path;
	bool open; /* to everybody */
	void (*answer)(struct api_call *call);
} plains[] = {
    {"/healthz", true, answer_healthz},
    {"/readyz", true, answer_readyz},
    {"/metrics", false, answer_metrics},
    {"/openapi.json", true, api_document_answer},
    {"/ui/", true, api_ui_answer},
    {"/v1/events", false, api_events_answer},
};

static const struct plain *
plain_of(const struct http_request *request, struct route_match *match)
{
	if (route_of_path(request->method, request->path, match) != ROUTE_FOUND ||
	    match->route->operation != NULL)
		return NULL;
	for (size_t i = 0; i < COUNT(plains); i++)
		if (strcmp(plains[i].path, match->route->path) == 0)
			return &plains[i];
	return NULL;
}

bool
api_plain_is_open(const struct http_request *request)
{
	struct route_match match;
	const struct plain *plain = plain_of(request, &match);

	return plain != NULL && plain->open;
}

bool
api_plain_answer(struct api_call *call)
{
	const struct plain *plain = plain_of(call->request, &call->match);

	if (plain == NULL)
		return false;
	if (call->request->query.n > 0 && plain->answer != api_events_answer)
		api_problem(call, 400, "validation", "this path takes no parameters", NULL);
	else
		plain->answer(call);
	return true;
}
