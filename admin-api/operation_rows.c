/*
 * operation_rows.c - rows of the store as JSON.
 * Called by the operations for answers and plans. It must never put a private key into one.
 */
#include "config.h"

#include "admin-api/operation_call.h"
#include "admin-api/operation_table.h"
#include "admin-api/record.h"
#include "lib/crypto/digest.h"
#include "lib/keys/canary.h"
#include "lib/keys/mailword.h"

#define JSON_TEXT_MAX (256U * 1024U)
#define FAILING_MAX 100U /* keys of a gateway that are named */

json_t *
json_span(struct span text)
{
	json_t *value = json_stringn(text.p == NULL ? "" : text.p, text.n);
	struct buf plain;

	if (value != NULL)
		return value;
	buf_init(&plain, JSON_TEXT_MAX);
	for (size_t i = 0; i < text.n && i < JSON_TEXT_MAX; i++)
		buf_add_char(&plain, text.p[i] < ' ' || text.p[i] > '~' ? '?' : text.p[i]);
	value = json_stringn(plain.p == NULL ? "" : plain.p, plain.n);
	buf_free(&plain);
	return value;
}

json_t *
json_time(int64_t at_utc)
{
	char text[TIME_TEXT_BYTES];

	if (at_utc <= 0)
		return json_null();
	time_write(at_utc, text);
	return json_string(text);
}

json_t *
row_tenant(const struct store_tenant *row)
{
	return json_pack("{s:o, s:b, s:o, s:I}", "tenant", json_span(row->name), "enabled",
	    row->enabled ? 1 : 0, "failure", json_span(row->failure), "revision",
	    (json_int_t)row->revision);
}

json_t *
row_policy(const struct store_policy *row)
{
	json_t *plan = row->plan.n == 0
			   ? json_null()
			   : json_loadb(row->plan.p, row->plan.n, JSON_REJECT_DUPLICATES, NULL);

	/* Whoever wrote one that is none should see it. */
	if (plan == NULL)
		plan = json_span(row->plan);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I}", "tenant", json_span(row->tenant),
	    "policy", json_span(row->name), "failure", json_span(row->failure), "signature_ttl",
	    row->signature_ttl_s < 0 ? json_null() : json_integer((json_int_t)row->signature_ttl_s),
	    "plan", plan, "revision", (json_int_t)row->revision);
}

static void
add_domain_life(json_t *out, struct span text)
{
	struct domain_life life;
	struct err err = ERR_NONE;

	if (domain_life_parse(text, &life, &err) != ST_OK) {
		json_object_set_new(out, "trouble", json_span(span_str(err.text)));
		return;
	}
	json_object_set_new(out, "rotate_asked", json_time(life.rotate_asked));
	json_object_set_new(out, "rotate_at", json_time(life.rotate_at));
	json_object_set_new(out, "paused", json_time(life.paused));
	json_object_set_new(out, "reason", json_span(span_str(life.reason)));
	json_object_set_new(out, "rolled_back", json_time(life.rolled_back));
}

json_t *
row_domain(const struct store_domain *row)
{
	json_t *out = json_pack("{s:o, s:o, s:o, s:o, s:b, s:b, s:I, s:o}", "domain",
	    json_span(row->name), "tenant", json_span(row->tenant), "policy",
	    row->policy.n == 0 ? json_null() : json_span(row->policy), "signs_as",
	    row->signs_as.n == 0 ? json_null() : json_span(row->signs_as), "subdomains",
	    row->subdomains ? 1 : 0, "enabled", row->enabled ? 1 : 0, "revision",
	    (json_int_t)row->revision, "due", json_time(row->due));

	add_domain_life(out, row->life);
	return out;
}

/* The keys that it cannot use, as it says. */
static json_t *
failed_json(struct span lines)
{
	struct buf text;
	struct span line;
	json_t *out;

	buf_init(&text, KEYSTORE_FAILED_TEXT + 1);
	while (canary_other_next(&lines, &line)) {
		buf_add(&text, line);
		buf_add_char(&text, '\n');
	}
	out = json_span(buf_span(&text));
	buf_free(&text);
	return out;
}

/* The keys whose signatures it cannot verify. */
static json_t *
failing_json(struct span lines)
{
	json_t *out = json_array();
	struct canary_word word;

	while (canary_word_next(&lines, &word))
		if (word.failures > 0 && json_array_size(out) < FAILING_MAX)
			json_array_append_new(
			    out, json_pack("{s:o, s:o, s:I, s:o}", "key", json_span(word.id),
				     "domain", json_span(word.domain), "failures",
				     (json_int_t)word.failures, "why", json_span(word.why)));
	return out;
}

/* What the gateway says of itself, if it does. */
static void
add_figures(json_t *out, struct span lines)
{
	struct gateway_figures figures;
	bool says = gateway_figures_read(lines, &figures);

	json_object_set_new(out, "cache_per_mille",
	    says ? json_integer((json_int_t)figures.cache_per_mille) : json_null());
	json_object_set_new(
	    out, "sign_p99_us", says ? json_integer((json_int_t)figures.sign_p99_us) : json_null());
}

json_t *
row_gateway(const struct store_gateway *row, int64_t now_utc)
{
	json_t *failing = failing_json(row->failed);
	json_t *out = json_pack("{s:o, s:o, s:I, s:I, s:o, s:I, s:o, s:o, s:I}", "gateway",
	    json_span(row->node), "version", json_span(row->version), "epoch",
	    (json_int_t)row->epoch, "tested", (json_int_t)row->tested, "failed",
	    failed_json(row->failed), "offset_ms", (json_int_t)row->offset_ms, "started",
	    json_time(row->started), "at", json_time(row->at), "silent_s",
	    (json_int_t)(now_utc > row->at ? now_utc - row->at : 0));

	json_object_set_new(
	    out, "failing_keys", json_integer((json_int_t)json_array_size(failing)));
	json_object_set_new(out, "failing", failing);
	add_figures(out, row->failed);
	return out;
}

json_t *
row_times(const struct key_times *t)
{
	const struct {
		const char *name;
		int64_t at;
	} times[] = {{"created", t->created}, {"publishing", t->publishing},
	    {"published", t->published}, {"proven", t->proven}, {"loaded", t->loaded},
	    {"active", t->active}, {"retiring", t->retiring}, {"revoking", t->revoking},
	    {"revoked", t->revoked}, {"removed", t->removed}, {"destroyed", t->destroyed},
	    {"held", t->held}, {"compromised", t->compromised}, {"failed", t->failed},
	    {"sign_until", t->sign_until}};
	json_t *out = json_object();

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (times[i].at > 0)
			json_object_set_new(out, times[i].name, json_time(times[i].at));
	return out;
}

/* When it came into the state it is in. */
static int64_t
state_since(const struct key_times *t, enum key_state state)
{
	const int64_t since[] = {
	    [KEY_PREPARED] = t->created,
	    [KEY_PUBLISHING] = t->publishing,
	    [KEY_PUBLISHED] = t->published,
	    [KEY_PROVEN] = t->proven,
	    [KEY_LOADED] = t->loaded,
	    [KEY_ACTIVE] = t->active,
	    [KEY_RETIRING] = t->revoking > 0 ? t->revoking : t->retiring,
	    [KEY_REVOKED] = t->revoked,
	    [KEY_REMOVED] = t->removed,
	    [KEY_DESTROYED] = t->destroyed,
	    [KEY_HELD] = t->held,
	    [KEY_COMPROMISED] = t->compromised,
	    [KEY_FAILED] = t->failed,
	};

	return (size_t)state < sizeof(since) / sizeof(since[0]) ? since[state] : 0;
}

static json_t *
digest_of(struct span text)
{
	char hex[KEYSTORE_DIGEST_BYTES];

	if (text.n == 0)
		return json_null();
	keystore_digest(text, hex);
	return json_string(hex);
}

json_t *
row_key(const struct store_key *row, const struct key_times *times, int64_t now_utc)
{
	enum key_state state = key_state_at(times, now_utc);

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:i, s:s, s:o, s:b, s:o, s:I, s:o}", "domain",
	    json_span(row->domain), "selector", json_span(row->selector), "id", json_span(row->id),
	    "tenant", json_span(row->tenant), "algorithm", json_span(row->algorithm), "bits",
	    row->bits, "state", key_state_name(state), "state_since",
	    json_time(state_since(times, state)), "signs", key_may_sign(times, now_utc) ? 1 : 0,
	    "p_sha256", digest_of(row->public_key), "revision", (json_int_t)row->row_revision,
	    "times", row_times(times));
}
