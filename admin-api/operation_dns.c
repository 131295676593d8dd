/*
 * operation_dns.c - key.publish, key.verify and drift: what the authoritative servers have.
 * Called through the table of operations. It must never ask a recursive resolver for the name of a
 * key: what that has not seen yet it would keep as absent.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/cname.h"
#include "admin-api/foresight.h"
#include "admin-api/operation_dns.h"
#include "admin-api/operation_later.h"
#include "admin-api/operation_lives.h"
#include "admin-api/record.h"
#include "lib/base/mem.h"

#define DRIFT_BATCH 100U /* records of one look */

bool
dns_look_make(struct dns_look *look, const struct store_key *row, const struct key_times *times,
    const struct key_life *life)
{
	struct buf name, value;
	bool fits;

	memset(look, 0, sizeof(*look));
	buf_init(&name, sizeof(look->name) - 1);
	buf_init(&value, sizeof(look->value) - 1);
	record_name(row->selector, row->domain, &name);
	record_of_key(row, life, &value);
	fits = buf_status(&name) == ST_OK && buf_status(&value) == ST_OK && row->public_key.n > 0;
	if (fits) {
		memcpy(look->name, buf_text(&name), name.n + 1);
		memcpy(look->value, buf_text(&value), value.n + 1);
		look->question.name = span_of(look->name, name.n);
		look->question.value = span_of(look->value, value.n);
		look->question.other = span_str(RECORD_TOMBSTONE);
		snprintf(look->target, sizeof(look->target), "%s", life->target);
		look->question.leads_to = span_str(look->target);
		if (times->revoked > 0) {
			look->question.value = span_str(RECORD_TOMBSTONE);
			look->question.other = span_of(look->value, value.n);
		}
	}
	buf_free(&name);
	buf_free(&value);
	return fits;
}

bool
dns_look_make_slot(struct dns_look *look, const struct key_plan *plan, int slot, struct span domain)
{
	struct buf selector, name, target;
	bool fits;

	memset(look, 0, sizeof(*look));
	buf_init(&selector, PLAN_SELECTOR_MAX);
	buf_init(&name, sizeof(look->name) - 1);
	buf_init(&target, LIFE_TARGET_MAX);
	fits = plan_slot(plan, slot, &selector) == ST_OK &&
	       plan_target(plan, buf_span(&selector), domain, &target) == ST_OK;
	record_name(buf_span(&selector), domain, &name);
	fits = fits && buf_status(&name) == ST_OK;
	if (fits) {
		memcpy(look->name, buf_text(&name), name.n + 1);
		memcpy(look->target, buf_text(&target), target.n + 1);
		look->slot = true;
		look->question.name = span_of(look->name, name.n);
		look->question.leads_to = span_of(look->target, target.n);
	}
	buf_free(&selector);
	buf_free(&name);
	buf_free(&target);
	return fits;
}

bool
dns_look_is_right(const struct dns_look *look)
{
	const struct authority_question *question = &look->question;
	bool leads = look->target[0] == '\0' || cname_is_right(question, span_str(look->target));

	if (look->slot)
		return leads && question->seen != AUTHORITY_MIXED;
	/* Between the intent to revoke and the record, both are right. */
	return leads && question->seen == AUTHORITY_RIGHT;
}

/* What is wrong with the way is the customer's to mend, and said first. */
static json_t *
why_of(const struct dns_look *look)
{
	const struct authority_question *question = &look->question;
	struct buf words;
	json_t *out;

	if (look->target[0] == '\0' || dns_look_is_right(look) ||
	    cname_is_right(question, span_str(look->target)))
		return json_span(
		    span_str(look->slot && dns_look_is_right(look) ? "the CNAME leads to its target"
								   : question->why));
	buf_init(&words, 4U * AUTHORITY_WHY_BYTES);
	cname_explain(question, span_str(look->target), &words);
	out = json_span(buf_span(&words));
	buf_free(&words);
	return out;
}

void
dns_look_all(struct authority *authority, struct dns_look *const *looks, size_t count)
{
	struct authority_question *questions = mem_zalloc(count + 1, sizeof(*questions));

	for (size_t i = 0; i < count; i++)
		questions[i] = looks[i]->question;
	authority_ask(authority, questions, count);
	for (size_t i = 0; i < count; i++)
		looks[i]->question = questions[i];
	mem_free(questions);
}

/* Is each of them foreseen? */
static bool
is_foreseen(const struct operation_call *call, struct dns_look *const *looks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!foresight_answers(call->caller->foresight, &looks[i]->question))
			return false;
	return true;
}

enum operation_code
dns_look_ask(struct operation_call *call, struct dns_look *const *looks, size_t count)
{
	struct authority *authority;
	struct err err = ERR_NONE;

	if (is_foreseen(call, looks, count))
		return OPERATION_OK;
	if (authority_open(&call->admin->authority, &authority, &err) != ST_OK)
		return call_refuse(call, OPERATION_INTERNAL, "DNS cannot be asked: %s", err.text);
	dns_look_all(authority, looks, count);
	authority_close(authority);
	return OPERATION_OK;
}

static const char *
seen_name(enum authority_seen seen)
{
	static const char *const names[] = {
	    [AUTHORITY_RIGHT] = "right",
	    [AUTHORITY_ABSENT] = "absent",
	    [AUTHORITY_OTHER] = "other",
	    [AUTHORITY_WILDCARD] = "wildcard",
	    [AUTHORITY_MIXED] = "mixed",
	    [AUTHORITY_FOREIGN] = "foreign",
	    [AUTHORITY_UNAVAILABLE] = "unavailable",
	};

	return (size_t)seen < sizeof(names) / sizeof(names[0]) ? names[seen] : "unavailable";
}

json_t *
dns_look_row(const struct dns_look *look)
{
	const struct authority_question *q = &look->question;
	json_t *texts = json_array();

	for (unsigned i = 0; i < q->text_count && i < AUTHORITY_TEXTS_MAX; i++) {
		char why[AUTHORITY_WHY_BYTES] = "";

		authority_explain(q->value, span_str(q->texts[i]), why);
		json_array_append_new(
		    texts, json_pack("{s:o, s:o}", "text", json_span(span_str(q->texts[i])),
			       "explained", json_span(span_str(why))));
	}
	return json_pack("{s:o, s:o, s:s, s:I, s:I, s:o, s:o, s:o, s:b, s:I, s:I, s:o}", "name",
	    json_span(q->name), "target",
	    look->target[0] == '\0' ? json_null() : json_span(span_str(look->target)), "seen",
	    look->slot && dns_look_is_right(look) ? "right" : seen_name(q->seen), "servers",
	    (json_int_t)q->servers, "right", (json_int_t)q->right, "why", why_of(look), "zone",
	    json_span(span_str(q->zone)), "alias",
	    q->alias[0] == '\0' ? json_null() : json_span(span_str(q->alias)), "signed_zone",
	    q->signed_zone ? 1 : 0, "ttl", (json_int_t)q->ttl_s, "negative_ttl",
	    (json_int_t)q->neg_s, "texts", texts);
}

struct life_sight
dns_look_sight(const struct dns_look *look)
{
	static const enum life_seen seen[] = {
	    [AUTHORITY_RIGHT] = LIFE_SEEN_RIGHT,
	    [AUTHORITY_ABSENT] = LIFE_SEEN_ABSENT,
	    [AUTHORITY_OTHER] = LIFE_SEEN_TOMBSTONE,
	    [AUTHORITY_WILDCARD] = LIFE_SEEN_WILDCARD,
	    [AUTHORITY_MIXED] = LIFE_SEEN_MIXED,
	    [AUTHORITY_FOREIGN] = LIFE_SEEN_FOREIGN,
	    [AUTHORITY_UNAVAILABLE] = LIFE_SEEN_UNAVAILABLE,
	};

	return (struct life_sight){.seen = seen[look->question.seen],
	    .neg_s = look->question.neg_s,
	    .prev_s = look->question.ttl_s,
	    .why = look->question.why};
}

/* ---- one key ---- */

static enum operation_code
look_at_key(struct operation_call *call, const struct lives *lives, size_t key)
{
	struct dns_look *look = mem_zalloc(1, sizeof(*look));
	enum operation_code code = OPERATION_OK;

	if (dns_look_make(
		look, lives->rows[key], &lives->life.keys[key].times, &lives->life.keys[key].life))
		code = dns_look_ask(call, &look, 1);
	else
		code = call_refuse(call, OPERATION_ILLEGAL_TRANSITION,
		    "key %.*s has no public key in its row", SPAN_ARG(lives->rows[key]->selector));
	if (code == OPERATION_OK)
		json_object_set_new(call->result, "dns", dns_look_row(look));
	mem_free(look);
	return code;
}

static enum operation_code
look_at(struct operation_call *call, struct span domain)
{
	struct lives *lives;
	enum operation_code code = lives_read(call, domain, &lives);
	size_t key;

	if (code != OPERATION_OK)
		return code;
	key = lives_key(lives, call_text(call, "selector"));
	code = key == SIZE_MAX
		   ? call_refuse(call, OPERATION_NOT_FOUND, "domain %.*s has no key %.*s",
			 SPAN_ARG(domain), SPAN_ARG(call_text(call, "selector")))
		   : look_at_key(call, lives, key);
	if (code == OPERATION_OK)
		json_object_set_new(call->result, "state",
		    json_string(
			key_state_name(key_state_at(&lives->life.keys[key].times, call->now_utc))));
	lives_free(lives);
	return code;
}

enum operation_code
operation_key_verify(struct operation_call *call)
{
	struct span domain;
	enum operation_code code = call_domain(call, "domain", &domain);

	return code == OPERATION_OK ? look_at(call, domain) : code;
}

/* What was put off after a failure is tried now. */
static enum operation_code
hurry(struct operation_call *call, struct lives *lives, void *context)
{
	size_t i = lives_key(lives, call_text(call, "selector"));
	char version[VERSION_BYTES];
	enum operation_code code;
	struct life_key *key;
	enum key_state state;

	(void)context;
	if (i == SIZE_MAX)
		return call_refuse(call, OPERATION_NOT_FOUND, "domain %.*s has no key %.*s",
		    SPAN_ARG(lives->life.name), SPAN_ARG(call_text(call, "selector")));
	key = &lives->life.keys[i];
	version_of_key(lives->rows[i], &key->times, call->now_utc, version);
	code = call_version(call, version);
	if (code != OPERATION_OK)
		return code;
	state = key_state_at(&key->times, call->now_utc);
	if (state != KEY_PREPARED && state != KEY_PUBLISHING && state != KEY_PUBLISHED)
		return call_refuse(call, OPERATION_ILLEGAL_TRANSITION,
		    "key %.*s is %s: it has been published", SPAN_ARG(lives->rows[i]->selector),
		    key_state_name(state));
	if (!lives->life.plan.manage || !lives->life.enabled)
		return call_refuse(call, OPERATION_ILLEGAL_TRANSITION,
		    "nothing publishes keys of %.*s: %s", SPAN_ARG(lives->life.name),
		    lives->life.enabled ? "its policy has no plan with \"manage\": true"
					: "the domain, or its tenant, is not enabled");
	key->life.next_try = 0;
	key->changed = true;
	later_begun_key(call, OPERATION_KIND_PUBLISH, lives, i);
	return OPERATION_OK;
}

enum operation_code
operation_key_publish(struct operation_call *call)
{
	struct span domain;
	enum operation_code code = call_domain(call, "domain", &domain);

	if (code == OPERATION_OK)
		code = lives_update(call, domain, hurry, NULL);
	return code == OPERATION_OK ? look_at(call, domain) : code;
}

/* ---- drift ---- */

struct drift {
	struct dns_look *looks[DRIFT_BATCH];
	size_t count;
	json_t *drifted;
	uint64_t domains, keys, right, waiting;
};

static bool
should_be_there(const struct key_times *t, int64_t now_utc)
{
	switch (key_state_at(t, now_utc)) {
	case KEY_PUBLISHED:
	case KEY_PROVEN:
	case KEY_LOADED:
	case KEY_ACTIVE:
	case KEY_RETIRING:
	case KEY_REVOKED:
	case KEY_COMPROMISED:
		return t->removed == 0;
	case KEY_HELD:
		return t->published > 0;
	default:
		return false;
	}
}

static enum operation_code
look_at_batch(struct operation_call *call, struct drift *drift)
{
	enum operation_code code = dns_look_ask(call, drift->looks, drift->count);

	for (size_t i = 0; i < drift->count; i++) {
		if (code == OPERATION_OK && dns_look_is_right(drift->looks[i]))
			drift->right++;
		else if (code == OPERATION_OK && json_array_size(drift->drifted) < OPERATION_PAGE)
			json_array_append_new(drift->drifted, dns_look_row(drift->looks[i]));
		mem_free(drift->looks[i]);
	}
	drift->count = 0;
	if (code == OPERATION_OK &&
	    !call_progress(call,
		json_pack("{s:I, s:I, s:I}", "domains", (json_int_t)drift->domains, "keys",
		    (json_int_t)drift->keys, "drifted", (json_int_t)(drift->keys - drift->right))))
		return call_refuse(call, OPERATION_PRECONDITION_FAILED, "nobody listens any more");
	return code;
}

/* look: memory of its own; ok: it is a question. */
static enum operation_code
drift_add(struct operation_call *call, struct drift *drift, struct dns_look *look, bool ok)
{
	if (!ok) {
		mem_free(look);
		return OPERATION_OK;
	}
	drift->keys++;
	drift->looks[drift->count++] = look;
	return drift->count == DRIFT_BATCH ? look_at_batch(call, drift) : OPERATION_OK;
}

/* A slot that no key has is needed by the next one. */
static enum operation_code
drift_of_slots(struct operation_call *call, const struct lives *lives, struct drift *drift)
{
	enum operation_code code = OPERATION_OK;

	for (int slot = 1; code == OPERATION_OK && slot <= lives->life.plan.slots; slot++) {
		struct dns_look *look;

		if (life_slot_is_taken(&lives->life, slot, call->now_utc))
			continue;
		look = mem_alloc(sizeof(*look));
		code = drift_add(call, drift, look,
		    dns_look_make_slot(look, &lives->life.plan, slot, lives->life.name));
	}
	return code;
}

static enum operation_code
drift_of_domain(struct operation_call *call, const struct store_domain *row, void *context)
{
	struct drift *drift = context;
	struct lives *lives;
	enum operation_code code = lives_read(call, row->name, &lives);

	if (code != OPERATION_OK)
		return code;
	drift->domains++;
	for (size_t i = 0; code == OPERATION_OK && i < lives->life.count; i++) {
		const struct life_key *key = &lives->life.keys[i];
		struct dns_look *look;

		if (!should_be_there(&key->times, call->now_utc))
			continue;
		look = mem_alloc(sizeof(*look));
		code = drift_add(call, drift, look,
		    dns_look_make(look, lives->rows[i], &key->times, &key->life));
	}
	if (code == OPERATION_OK && lives->life.plan.manage)
		code = drift_of_slots(call, lives, drift);
	lives_free(lives);
	return code;
}

static enum operation_code
drift_of(struct operation_call *call, struct drift *drift)
{
	struct store_domain one = {.enabled = true};
	struct span tenant = SPAN_EMPTY;
	enum operation_code code = OPERATION_OK;

	if (call_has(call, "domain")) {
		code = call_domain(call, "domain", &one.name);
		return code == OPERATION_OK ? drift_of_domain(call, &one, drift) : code;
	}
	if (call_has(call, "tenant"))
		code = call_tenant(call, "tenant", &tenant);
	return code == OPERATION_OK ? row_walk_domains(call, tenant, drift_of_domain, drift) : code;
}

enum operation_code
operation_drift(struct operation_call *call)
{
	struct drift drift = {.drifted = json_array()};
	enum operation_code code = drift_of(call, &drift);

	if (code == OPERATION_OK && drift.count > 0)
		code = look_at_batch(call, &drift);
	for (size_t i = 0; i < drift.count; i++)
		mem_free(drift.looks[i]);
	json_object_set_new(call->result, "drifted", drift.drifted);
	json_object_set_new(call->result, "domains", json_integer((json_int_t)drift.domains));
	json_object_set_new(call->result, "keys", json_integer((json_int_t)drift.keys));
	json_object_set_new(call->result, "right", json_integer((json_int_t)drift.right));
	return code;
}
