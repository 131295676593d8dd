/*
 * http_request.c - a request from its head to its answer, as libmicrohttpd tells of it.
 * Runs in libmicrohttpd's threads, which read all connections: it must never block, and never wait
 * for the pool. A request that is complete, or a piece of a body that is full, is lent to the pool
 * while its connection is suspended.
 */
#include "config.h"

#include <stdio.h>

#include "admin-api/http_private.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/crypto/digest.h"

/* ---- the beginning ---- */

struct http_connection *
http_connection_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info == NULL ? NULL : info->socket_context;
}

/* The request line is there: the target as it came. libmicrohttpd takes the query in its own copy
 * to pieces, for which it may have no memory: it does not get to see one. */
void *
http_request_target(void *server, const char *target, struct MHD_Connection *mhd)
{
	struct http_connection *c = http_connection_of(mhd);
	size_t n = strnlen(target, HTTP_TARGET_MAX + 1);
	union {
		const char *given;
		char *ours;
	} place = {target};

	(void)server;
	if (c != NULL) {
		mem_free(c->target);
		c->target = mem_strndup(target, n);
		c->target_place = target;
	}
	for (char *p = place.ours; *p != '\0'; p++)
		if (*p == '?' || *p == '&')
			*p = '_';
	return NULL;
}

/* Nor is anything decoded in place. */
size_t
http_request_undecoded(void *server, struct MHD_Connection *mhd, char *text)
{
	(void)server;
	(void)mhd;
	return strlen(text);
}

static void
make_id(char out[33])
{
	unsigned char octets[16];

	random_bytes(octets, sizeof(octets));
	for (size_t i = 0; i < sizeof(octets); i++)
		snprintf(out + 2 * i, 3, "%02x", octets[i]);
}

/* One more than fit tells that there were too many. */
static enum MHD_Result
take_field(void *exchange, enum MHD_ValueKind kind, const char *name, size_t name_n,
    const char *value, size_t value_n)
{
	struct http_exchange *x = exchange;

	(void)kind;
	if (x->request.field_count < HTTP_FIELDS_MAX)
		x->fields[x->request.field_count] =
		    (struct http_field){span_of(name, name_n), span_of(value, value_n)};
	x->request.field_count++;
	return x->request.field_count <= HTTP_FIELDS_MAX ? MHD_YES : MHD_NO;
}

static struct http_exchange *
exchange_new(struct http_server *server, struct MHD_Connection *mhd, const char *method)
{
	struct http_exchange *x = mem_zalloc(1, sizeof(*x));
	struct http_connection *c = http_connection_of(mhd);
	struct span target = span_str(c->target);
	size_t mark = span_find(target, '?');

	x->server = server;
	x->connection = c;
	x->mhd = mhd;
	x->target = c->target;
	c->target = NULL;
	http_response_init(&x->response);
	buf_init_secret(&x->body, HTTP_BODY_MAX);
	x->head_only = strcmp(method, "HEAD") == 0;
	x->request.method = x->head_only ? SPAN_LIT("GET") : span_str(method);
	x->request.path = span_sub(target, 0, mark);
	x->request.query = mark == SIZE_MAX ? SPAN_EMPTY : span_from(target, mark + 1);
	x->request.fields = x->fields;
	x->request.peer = &c->peer;
	x->request.context = server->context;
	make_id(x->request.id);
	MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, take_field, x);
	return x;
}

static struct http_refusal
check_head(struct http_exchange *x, const char *method, const char *version)
{
	const union MHD_ConnectionInfo *size =
	    MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	struct http_head head = {
	    .method = span_str(method),
	    .version = version,
	    .target = span_str(x->target),
	    .octets = size == NULL ? 0 : size->header_size,
	    .fields = x->fields,
	    .field_count = x->request.field_count,
	};
	struct http_refusal refusal = http_head_check(&head);

	if (refusal.status == 0 && strncmp(MHD_get_version(), "0.9.", 4) == 0 &&
	    !http_head_is_whole(&head, method, x->connection->target_place))
		refusal = (struct http_refusal){400, "malformed-request",
		    "there is a NUL in the head, or a line does not end with CR LF"};
	if (x->request.field_count > HTTP_FIELDS_MAX)
		x->request.field_count = head.field_count = HTTP_FIELDS_MAX;
	x->has_body = http_head_has_body(&head, &x->length);
	http_field_find(&x->request, "Expect", &x->expects);
	if (refusal.status == 0 && x->connection->certificate_bad)
		refusal = (struct http_refusal){
		    403, "certificate-refused", "the client certificate cannot be verified"};
	if (refusal.status == 0 && atomic_load(&x->server->stopping))
		refusal = (struct http_refusal){
		    503, "stopping", "the service is about to stop; try again"};
	return refusal;
}

/* ---- refusals ---- */

static const struct http_refusal too_big = {413, "too-large", "the body is too long"};
static const struct http_refusal no_room = {
    503, "busy", "there are too many requests with long bodies; try again"};
static const struct http_refusal stopping = {
    503, "stopping", "the service is about to stop; try again"};

void
http_refuse(struct http_exchange *x, const struct http_refusal *refusal)
{
	http_problem(&x->response, refusal->status, refusal->code, refusal->detail, x->request.id);
	x->phase = HTTP_PHASE_ANSWERED;
}

/* The answer is there, and the body is not: it is sent at once, and what still comes is read for a
 * while, since a peer that is cut while it writes may lose what was sent to it. One that waits for
 * "100 Continue" is answered in the usual way. */
static enum MHD_Result
answer_early(struct http_exchange *x, size_t *data_n)
{
	bool waits = x->expects && x->seen == 0 && *data_n == 0;

	*data_n = 0;
	if (waits)
		return http_answer_queue(x);
	if (http_answer_raw(x)) {
		x->phase = HTTP_PHASE_DRAIN;
		http_connection_due(x->connection, HTTP_DRAIN_S * 1000);
	}
	return MHD_YES;
}

/* ---- begin ---- */

static enum http_begin
ask_begin(struct http_exchange *x)
{
	x->begun = true;
	if (x->server->handler->begin == NULL)
		return HTTP_WHOLE;
	return x->server->handler->begin(&x->request, &x->response);
}

static enum MHD_Result
begin(struct http_server *server, struct MHD_Connection *mhd, const char *method,
    const char *version, void **slot)
{
	struct http_exchange *x;
	struct http_refusal refusal;
	enum http_begin how = HTTP_WHOLE;
	size_t none = 0;

	if (http_connection_of(mhd) == NULL || http_connection_of(mhd)->target == NULL)
		return MHD_NO;
	x = exchange_new(server, mhd, method);
	*slot = x;
	atomic_fetch_add(&server->requests, 1);
	http_tls_look(x->connection, mhd);
	http_connection_due(x->connection, server->request_ms);
	refusal = check_head(x, method, version);
	if (refusal.status == 0)
		how = ask_begin(x);
	x->streamed = how == HTTP_STREAMED;
	if (refusal.status == 0 && how != HTTP_REFUSED && x->has_body && x->length != UINT64_MAX &&
	    x->length > (x->streamed ? HTTP_STREAM_MAX : HTTP_BODY_MAX))
		refusal = too_big;
	x->phase = how == HTTP_REFUSED ? HTTP_PHASE_ANSWERED : HTTP_PHASE_BODY;
	if (refusal.status != 0)
		http_refuse(x, &refusal);
	/* Without a body the next call is soon; an answer from here would end the connection. */
	return x->phase == HTTP_PHASE_ANSWERED && x->has_body ? answer_early(x, &none) : MHD_YES;
}

/* ---- the body ---- */

static void
lend(struct http_exchange *x)
{
	if (!x->busy) {
		x->busy = true;
		atomic_fetch_add(&x->server->busy, 1);
	}
	x->phase = HTTP_PHASE_RUNNING;
	http_connection_due(x->connection, 0);
	MHD_suspend_connection(x->mhd);
	http_pool_add(x->server, x);
}

/* So many octets more are held, of all bodies. */
static bool
count_octets(struct http_exchange *x, size_t n)
{
	x->counted += n;
	return atomic_fetch_add(&x->server->body_octets, n) + n <= HTTP_BODIES_MAX;
}

/* What was taken is wiped in libmicrohttpd's memory, which is not looked at again. */
static bool
keep(struct http_exchange *x, const char *data, size_t n)
{
	union {
		const char *given;
		char *ours;
	} octets = {data};

	buf_add(&x->body, span_of(data, n));
	secret_wipe(octets.ours, n);
	x->seen += n;
	return buf_status(&x->body) == ST_OK;
}

static enum MHD_Result
refuse_body(struct http_exchange *x, const struct http_refusal *refusal, size_t *data_n)
{
	http_refuse(x, refusal);
	x->seen += *data_n;
	return answer_early(x, data_n);
}

/* A full piece is lent when more comes, which then is left: libmicrohttpd goes on with the next
 * chunk of a connection that was suspended, unless something of this one was not taken. */
static enum MHD_Result
take_piece(struct http_exchange *x, const char *data, size_t *data_n)
{
	size_t n = HTTP_PIECE_BYTES - x->body.n;

	if (n > *data_n)
		n = *data_n;
	if (atomic_load(&x->server->stopping))
		return refuse_body(x, &stopping, data_n);
	if (x->seen + n > HTTP_STREAM_MAX)
		return refuse_body(x, &too_big, data_n);
	if ((x->counted == 0 && !count_octets(x, HTTP_PIECE_BYTES)) || !keep(x, data, n))
		return refuse_body(x, &no_room, data_n);
	*data_n -= n;
	if (x->body.n == HTTP_PIECE_BYTES && *data_n > 0)
		lend(x);
	return MHD_YES;
}

static enum MHD_Result
take_body(struct http_exchange *x, const char *data, size_t *data_n)
{
	if (x->streamed)
		return take_piece(x, data, data_n);
	if (*data_n > HTTP_BODY_MAX - x->body.n)
		return refuse_body(x, &too_big, data_n);
	if (!count_octets(x, *data_n) || !keep(x, data, *data_n))
		return refuse_body(x, &no_room, data_n);
	*data_n = 0;
	return MHD_YES;
}

static enum MHD_Result
complete(struct http_exchange *x)
{
	x->complete = true;
	if (atomic_load(&x->server->stopping)) {
		http_refuse(x, &stopping);
		return http_answer_queue(x);
	}
	if (!x->streamed)
		x->request.body = buf_span(&x->body);
	lend(x);
	return MHD_YES;
}

/* Called for the head, then for the body as it comes, then once with no more data; and again after
 * the pool has resumed the connection. */
enum MHD_Result
http_request_handle(void *server, struct MHD_Connection *mhd, const char *url, const char *method,
    const char *version, const char *data, size_t *data_n, void **slot)
{
	struct http_exchange *x = *slot;
	bool more = *data_n > 0;

	(void)url;
	if (x == NULL)
		return begin(server, mhd, method, version, slot);
	switch (x->phase) {
	case HTTP_PHASE_BODY:
		return more ? take_body(x, data, data_n) : complete(x);
	case HTTP_PHASE_ANSWERED:
		return more ? answer_early(x, data_n) : http_answer_queue(x);
	case HTTP_PHASE_DRAIN:
		*data_n = 0;
		return more ? MHD_YES : MHD_NO;
	case HTTP_PHASE_RUNNING:
	case HTTP_PHASE_QUEUED:
		break;
	}
	return MHD_NO;
}

/* ---- the end ---- */

void
http_exchange_end(struct http_exchange *x)
{
	if (x->begun && x->server->handler->end != NULL)
		x->server->handler->end(&x->request);
	x->begun = false;
}

/* The fields are in libmicrohttpd's memory until it has another use for it: a token is wiped. */
static void
wipe_fields(struct http_exchange *x)
{
	for (size_t i = 0; i < x->request.field_count; i++) {
		union {
			const char *given;
			char *ours;
		} value = {x->fields[i].value.p};

		if (span_ieq_str(x->fields[i].name, "Authorization"))
			secret_wipe(value.ours, x->fields[i].value.n);
	}
}

void
http_request_completed(
    void *server, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode why)
{
	struct http_exchange *x = *slot;

	(void)server;
	(void)mhd;
	(void)why;
	if (x == NULL)
		return;
	*slot = NULL;
	http_exchange_end(x);
	wipe_fields(x);
	http_connection_due(x->connection, x->server->idle_ms);
	atomic_fetch_sub(&x->server->body_octets, x->counted);
	if (x->busy)
		atomic_fetch_sub(&x->server->busy, 1);
	http_response_free(&x->response);
	buf_free(&x->body);
	mem_free(x->target);
	mem_free(x);
}
