/*
 * principal.c - finds out who asks.
 * Called for each HTTP request, by the threads that run them. It must never let a token in whose
 * row is not there, has ended or is for another network, nor say which of these it is.
 */
#include "config.h"

#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "admin-api/principal.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/secret.h"

#define KEPT_MAX 1024U    /* tokens that are remembered, a place for each by its hash */
#define SOURCES_MAX 1024U /* addresses that failed, likewise */

/* What the store said of a hash, and how much its holder asked. */
struct kept {
	char hash[ADMINROW_HASH_BYTES];
	bool found;
	int64_t until_ms; /* monotonic */
	struct principal principal;
	double left; /* requests that it may make at once */
	int64_t counted_ms;
};

struct failures {
	char source[64];
	unsigned count;
	int64_t since_ms;
};

struct principals {
	struct admin *admin;
	pthread_mutex_t lock;
	struct kept kept[KEPT_MAX];
	struct failures failures[SOURCES_MAX];
};

void
principals_new(struct admin *admin, struct principals **out)
{
	struct principals *principals = mem_zalloc(1, sizeof(*principals));

	principals->admin = admin;
	pthread_mutex_init(&principals->lock, NULL);
	*out = principals;
}

void
principals_free(struct principals *principals)
{
	if (principals == NULL)
		return;
	pthread_mutex_destroy(&principals->lock);
	secret_wipe(principals, sizeof(*principals));
	mem_free(principals);
}

/* ---- failures of an address ---- */

static struct failures *
failures_of(struct principals *principals, const char *source)
{
	static const uint8_t key[16] = {0};

	return &principals->failures[span_hash(span_str(source), key) % SOURCES_MAX];
}

static void
note_failure(struct principals *principals, const char *source)
{
	struct failures *f = failures_of(principals, source);
	int64_t now_ms = clock_mono_ms();

	pthread_mutex_lock(&principals->lock);
	if (strcmp(f->source, source) != 0 || f->since_ms + PRINCIPAL_FAILURES_S * 1000 < now_ms) {
		snprintf(f->source, sizeof(f->source), "%s", source);
		f->since_ms = now_ms;
		f->count = 0;
	}
	f->count++;
	pthread_mutex_unlock(&principals->lock);
}

/* 0: it may try; else for how many seconds it has to wait. */
static int64_t
has_to_wait_s(struct principals *principals, const char *source)
{
	struct failures *f = failures_of(principals, source);
	int64_t now_ms = clock_mono_ms(), wait_ms = 0;

	pthread_mutex_lock(&principals->lock);
	if (strcmp(f->source, source) == 0 && f->count >= PRINCIPAL_FAILURES_MAX)
		wait_ms = f->since_ms + PRINCIPAL_FAILURES_S * 1000 - now_ms;
	pthread_mutex_unlock(&principals->lock);
	return wait_ms > 0 ? wait_ms / 1000 + 1 : 0;
}

/* ---- refusals ---- */

static bool
refuse(const struct http_request *request, struct http_response *response, int status,
    const char *code, const char *detail)
{
	http_problem(response, status, code, detail, request->id);
	if (status == 401)
		buf_add_str(&response->fields, "WWW-Authenticate: Bearer realm=\"signpost\"\r\n");
	return false;
}

static bool
refuse_for_now(const struct http_request *request, struct http_response *response, int64_t wait_s,
    const char *detail)
{
	(void)refuse(request, response, 429, "rate-limited", detail);
	buf_add_fmt(&response->fields, "Retry-After: %lld\r\n", (long long)wait_s);
	return false;
}

/* ---- what a request brings ---- */

/* The token of "Authorization: Bearer TOKEN"; empty: none, or no token. */
static struct span
bearer_of(const struct http_request *request)
{
	bool found;
	struct span value = http_field_find(request, "Authorization", &found), scheme;

	if (!found || !span_cut(&value, ' ', &scheme) || !span_ieq_str(scheme, "bearer"))
		return SPAN_EMPTY;
	value = span_trim(value);
	return value.n == TOKEN_BYTES && span_starts(value, SPAN_LIT(TOKEN_PREFIX)) ? value
										    : SPAN_EMPTY;
}

bool
principal_may_come(struct principals *principals, const struct http_request *request,
    struct http_response *response)
{
	const struct http_peer *peer = request->peer;
	int64_t wait_s = peer->local ? 0 : has_to_wait_s(principals, peer->address);

	if (wait_s > 0)
		return refuse_for_now(
		    request, response, wait_s, "too many requests without a valid token; wait");
	if (peer->local || peer->certificate[0] != '\0' || bearer_of(request).n > 0)
		return true;
	note_failure(principals, peer->address);
	return refuse(request, response, 401, "unauthorized",
	    "a token is needed: Authorization: Bearer spt_...");
}

static void
local_principal(const struct http_peer *peer, struct principal *out)
{
	struct passwd entry, *found = NULL;
	char names[8192];

	(void)!getpwuid_r(peer->uid, &entry, names, sizeof(names), &found);
	snprintf(out->actor, sizeof(out->actor), "uid:%lu%s%.64s", (unsigned long)peer->uid,
	    found == NULL ? "" : " ", found == NULL ? "" : found->pw_name);
	out->method = "peer";
	out->scopes = SCOPES_ALL;
}

/* ---- what the store says of a hash ---- */

static void
take_row(const struct store_token *row, int64_t now_utc, struct kept *out)
{
	struct err ignored = ERR_NONE;
	struct principal *p = &out->principal;

	out->found = row->revoked == 0 && (row->expires == 0 || row->expires > now_utc) &&
		     row->tenant.n < sizeof(p->tenant) && row->domains.n < sizeof(p->domains) &&
		     row->networks.n < sizeof(p->networks) && row->id.n < sizeof(p->token) &&
		     scopes_parse(row->scopes, &p->scopes, &ignored) == ST_OK;
	if (!out->found)
		return;
	p->expires = row->expires;
	snprintf(p->token, sizeof(p->token), "%.*s", SPAN_ARG(row->id));
	snprintf(p->tenant, sizeof(p->tenant), "%.*s", SPAN_ARG(row->tenant));
	snprintf(p->domains, sizeof(p->domains), "%.*s", SPAN_ARG(row->domains));
	snprintf(p->networks, sizeof(p->networks), "%.*s", SPAN_ARG(row->networks));
}

/* ST_OK: *out has what the store says, also that there is none. */
static enum status
ask_store(struct principals *principals, const char *hash, struct kept *out, struct err *err)
{
	struct keystore *store = principals->admin->store;
	struct keystore_rows *rows = NULL;
	int64_t now_utc = 0;
	enum status status;

	memset(out, 0, sizeof(*out));
	snprintf(out->hash, sizeof(out->hash), "%s", hash);
	status = store->ops->now(store, &now_utc, err);
	if (status == ST_OK)
		status = keystore_token(store, STORE_TOKEN_BY_SECRET, span_str(hash), &rows, err);
	if (status != ST_OK)
		return status;
	if (rows->token_count == 1)
		take_row(&rows->tokens[0], now_utc, out);
	keystore_rows_release(rows);
	out->until_ms = clock_mono_ms() + PRINCIPAL_KEPT_S * 1000;
	if (out->found && out->principal.expires > 0 &&
	    out->principal.expires - now_utc < PRINCIPAL_KEPT_S)
		out->until_ms = clock_mono_ms();
	return ST_OK;
}

static struct kept *
place_of(struct principals *principals, const char *hash)
{
	static const uint8_t key[16] = {0};

	/* The hash of a secret is as random as it is. */
	return &principals->kept[span_hash(span_str(hash), key) % KEPT_MAX];
}

/* May it ask once more? Else *wait_s is when. With the lock. */
static bool
spend(struct kept *kept, int64_t *wait_s)
{
	int64_t now_ms = clock_mono_ms();

	if (kept->counted_ms == 0)
		kept->left = PRINCIPAL_BURST;
	else
		kept->left += (double)(now_ms - kept->counted_ms) * PRINCIPAL_RATE / 1000;
	if (kept->left > PRINCIPAL_BURST)
		kept->left = PRINCIPAL_BURST;
	kept->counted_ms = now_ms;
	*wait_s = 1;
	if (kept->left < 1)
		return false;
	kept->left -= 1;
	return true;
}

enum looked { LOOKED_FOUND, LOOKED_NONE, LOOKED_TOO_OFTEN, LOOKED_UNAVAILABLE };

static void
keep(struct principals *principals, const struct kept *fresh)
{
	struct kept *place = place_of(principals, fresh->hash);
	bool same = strcmp(place->hash, fresh->hash) == 0;
	double left = place->left;
	int64_t counted_ms = place->counted_ms;

	*place = *fresh;
	place->left = same ? left : 0;
	place->counted_ms = same ? counted_ms : 0;
}

static enum looked
look_up(struct principals *principals, const char *hash, struct kept *out, int64_t *wait_s)
{
	struct kept *place = place_of(principals, hash);
	struct err ignored = ERR_NONE;
	enum looked looked;

	pthread_mutex_lock(&principals->lock);
	*out = *place;
	pthread_mutex_unlock(&principals->lock);
	/* No lock is held while the store is asked. */
	if ((strcmp(out->hash, hash) != 0 || out->until_ms <= clock_mono_ms()) &&
	    ask_store(principals, hash, out, &ignored) != ST_OK)
		return LOOKED_UNAVAILABLE;
	pthread_mutex_lock(&principals->lock);
	if (strcmp(place->hash, hash) != 0 || place->until_ms < out->until_ms)
		keep(principals, out);
	looked = !out->found ? LOOKED_NONE : spend(place, wait_s) ? LOOKED_FOUND : LOOKED_TOO_OFTEN;
	pthread_mutex_unlock(&principals->lock);
	return looked;
}

static bool
take_kept(const struct kept *kept, const struct http_request *request, struct principal *out)
{
	const struct http_peer *peer = request->peer;

	if (!networks_fit(span_str(kept->principal.networks), peer->address))
		return false;
	*out = kept->principal;
	out->method =
	    peer->certificate[0] != '\0' && bearer_of(request).n == 0 ? "certificate" : "token";
	snprintf(out->actor, sizeof(out->actor), "%s:%.180s", out->method,
	    out->method[0] == 'c' ? peer->certificate : out->token);
	return true;
}

static bool
find_remote(struct principals *principals, const struct http_request *request,
    struct principal *out, struct http_response *response)
{
	struct span bearer = bearer_of(request);
	char hash[ADMINROW_HASH_BYTES];
	struct kept kept;
	int64_t wait_s = 0;

	if (bearer.n > 0)
		token_hash(bearer, hash);
	else
		certificate_hash(span_str(request->peer->certificate), hash);
	switch (look_up(principals, hash, &kept, &wait_s)) {
	case LOOKED_UNAVAILABLE:
		(void)refuse(
		    request, response, 503, "store-unavailable", "tokens cannot be looked up now");
		buf_add_str(&response->fields, "Retry-After: 5\r\n");
		return false;
	case LOOKED_TOO_OFTEN:
		return refuse_for_now(
		    request, response, wait_s, "more requests than this token may make");
	case LOOKED_FOUND:
		if (take_kept(&kept, request, out))
			return true;
		break;
	case LOOKED_NONE:
		break;
	}
	note_failure(principals, request->peer->address);
	return refuse(
	    request, response, 401, "unauthorized", "the token or certificate is not known");
}

bool
principal_find(struct principals *principals, const struct http_request *request,
    struct principal *out, struct http_response *response)
{
	memset(out, 0, sizeof(*out));
	if (request->peer->local) {
		local_principal(request->peer, out);
	} else {
		if (!principal_may_come(principals, request, response))
			return false;
		if (!find_remote(principals, request, out, response))
			return false;
	}
	snprintf(out->source, sizeof(out->source), "%s", request->peer->address);
	return true;
}
