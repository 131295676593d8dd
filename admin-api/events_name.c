/*
 * events_name.c - which events a row of the audit is.
 * Called for each row and each listener that catches up. It must never answer another number of
 * events for the same row: the number of an event is a part of its id.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin-api/audit_step.h"
#include "admin-api/events_private.h"
#include "admin-api/operation_call.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define WHOLE UINT64_MAX

/* Sets of types are bits in this order. */
static const struct type {
	const char *name;
	uint32_t scope;
	const char *action; /* the operation that it is; NULL: none alone */
} types[] = {
    {"key.generated", SCOPE_KEYS_READ, NULL},
    {"key.publishing", SCOPE_KEYS_READ, NULL},
    {"key.published", SCOPE_KEYS_READ, NULL},
    {"key.verified", SCOPE_KEYS_READ, NULL},
    {"key.loaded", SCOPE_KEYS_READ, NULL},
    {"key.activated", SCOPE_KEYS_READ, NULL},
    {"key.retired", SCOPE_KEYS_READ, NULL},
    {"key.revoked", SCOPE_KEYS_READ, NULL},
    {"key.removed", SCOPE_KEYS_READ, NULL},
    {"key.destroyed", SCOPE_KEYS_READ, NULL},
    {"key.held", SCOPE_KEYS_READ, NULL},
    {"key.compromised", SCOPE_KEYS_READ, NULL},
    {"key.failed", SCOPE_KEYS_READ, NULL},
    {"rotation.started", SCOPE_KEYS_READ, "rotate"},
    {"rotation.finished", SCOPE_KEYS_READ, NULL},
    {"rotation.stuck", SCOPE_KEYS_READ, NULL},
    {"rotation.paused", SCOPE_KEYS_READ, "rotation.pause"},
    {"rotation.resumed", SCOPE_KEYS_READ, "rotation.resume"},
    {"rotation.aborted", SCOPE_KEYS_READ, "rotation.abort"},
    {"rotation.aborted", SCOPE_KEYS_READ, "operation.cancel"},
    {"rotation.rolled-back", SCOPE_KEYS_READ, "rotation.rollback"},
    {"dns.drift", SCOPE_KEYS_READ, NULL},
    {"dns.restored", SCOPE_KEYS_READ, NULL},
    {"domain.added", SCOPE_DOMAINS_READ, "domain.add"},
    {"domain.changed", SCOPE_DOMAINS_READ, "domain.set"},
    {"domain.changed", SCOPE_DOMAINS_READ, "domain.put"},
    {"domain.changed", SCOPE_DOMAINS_READ, "domain.policy.set"},
    {"domain.removed", SCOPE_DOMAINS_READ, "domain.remove"},
    {"tenant.added", SCOPE_TENANTS_READ, "tenant.add"},
    {"tenant.changed", SCOPE_TENANTS_READ, "tenant.set"},
    {"tenant.removed", SCOPE_TENANTS_READ, "tenant.remove"},
    {"policy.changed", SCOPE_POLICY_READ, "policy.set"},
    {"policy.removed", SCOPE_POLICY_READ, "policy.remove"},
    {"rules.changed", SCOPE_RULES_READ, "rules.replace"},
    {"rules.changed", SCOPE_RULES_READ, "rules.change"},
    {"provider.added", SCOPE_DNS_READ, "provider.add"},
    {"provider.changed", SCOPE_DNS_READ, "provider.set"},
    {"provider.removed", SCOPE_DNS_READ, "provider.remove"},
    {"provider.tested", SCOPE_DNS_READ, "provider.test"},
    {"token.added", SCOPE_TOKENS_ADMIN, "token.add"},
    {"token.revoked", SCOPE_TOKENS_ADMIN, "token.revoke"},
    {"token.rotated", SCOPE_TOKENS_ADMIN, "token.rotate"},
    {"node.removed", SCOPE_NODES_READ, "gateway.forget"},
    {"store.degraded", SCOPE_KEYS_READ, NULL},
    {"store.recovered", SCOPE_KEYS_READ, NULL},
    {"events.reset", SCOPE_KEYS_READ, NULL},
    {"unsigned.mail", SCOPE_NODES_READ, NULL},
};

unsigned
event_type_bit(const char *type)
{
	for (unsigned i = 0; i < COUNT(types); i++)
		if (strcmp(types[i].name, type) == 0)
			return i;
	return 63;
}

/* ---- a row ---- */

static const char *
type_of_step(const struct audit_step *step)
{
	static const char *const by_state[][2] = {{"PREPARED", "key.generated"},
	    {"PUBLISHING", "key.publishing"}, {"PUBLISHED", "key.published"},
	    {"PROVEN", "key.verified"}, {"LOADED", "key.loaded"}, {"ACTIVE", "key.activated"},
	    {"RETIRING", "key.retired"}, {"REVOKED", "key.revoked"}, {"REMOVED", "key.removed"},
	    {"DESTROYED", "key.destroyed"}, {"HELD", "key.held"},
	    {"COMPROMISED", "key.compromised"}, {"FAILED", "key.failed"}};
	static const char *const by_word[][2] = {{"finished", "rotation.finished"},
	    {"stuck", "rotation.stuck"}, {"drifted", "dns.drift"}, {"right", "dns.restored"}};

	for (size_t i = 0; i < COUNT(by_state) && step->word.n == 0; i++)
		if (span_eq_str(step->to, by_state[i][0]))
			return by_state[i][1];
	for (size_t i = 0; i < COUNT(by_word) && step->word.n > 0; i++)
		if (span_eq_str(step->word, by_word[i][0]))
			return by_word[i][1];
	return NULL;
}

static void
add(struct event *out, size_t *count, unsigned bit, const struct audit_step *step)
{
	struct event *event = &out[*count];

	if (*count == EVENTS_OF_ROW_MAX)
		return;
	*event = (struct event){.type = types[bit].name,
	    .bit = event_type_bit(types[bit].name),
	    .scope = types[bit].scope,
	    .of_domain =
		types[bit].scope == SCOPE_KEYS_READ || types[bit].scope == SCOPE_DOMAINS_READ};
	if (step != NULL) {
		event->subject = step->subject;
		event->from = step->from;
		event->to = step->to;
		event->why = step->why;
	}
	(*count)++;
}

static bool
has_steps(struct span action)
{
	return span_eq_str(action, "life") || span_eq_str(action, "emergency") ||
	       span_starts(action, SPAN_LIT("key.")) ||
	       span_starts(action, SPAN_LIT("rotation.")) || span_eq_str(action, "domain.add");
}

size_t
events_of_row(const struct store_audit *row, struct event out[EVENTS_OF_ROW_MAX])
{
	struct span rest = row->detail;
	struct audit_step step;
	size_t count = 0;

	if (!span_eq_str(row->result, "ok"))
		return 0;
	for (unsigned i = 0; i < COUNT(types); i++)
		if (types[i].action != NULL && span_eq_str(row->action, types[i].action))
			add(out, &count, i, NULL);
	while (has_steps(row->action) && audit_step_next(&rest, &step)) {
		const char *type = type_of_step(&step);

		if (type != NULL)
			add(out, &count, event_type_bit(type), &step);
	}
	return count;
}

/* ---- as text ---- */

void
event_place_write(const struct event_place *place, char out[48])
{
	if (place->more == 0)
		snprintf(out, 48, "%" PRIu64, place->seq);
	else
		snprintf(out, 48, "%" PRIu64 ".%u", place->seq + 1, place->more);
}

bool
event_place_parse(struct span text, struct event_place *out)
{
	struct span seq;
	uint64_t number, more = 0;
	bool dot = span_cut(&text, '.', &seq);

	if (!span_number(seq, INT64_MAX, &number) || (dot && !span_number(text, 1000, &more)) ||
	    (dot && (number == 0 || more == 0)))
		return false;
	*out = (struct event_place){
	    .seq = dot ? number - 1 : number, .more = dot ? (unsigned)more : 0};
	return true;
}

static void
set_text(json_t *json, const char *name, struct span text)
{
	if (text.n > 0)
		json_object_set_new(json, name, json_span(text));
}

static json_t *
event_json(const struct store_audit *row, const struct event *event)
{
	struct span name = event->subject, word;
	json_t *out = json_pack("{s:s, s:o, s:I}", "type", event->type, "at", json_time(row->at),
	    "seq", (json_int_t)row->seq);
	bool rotation = span_starts(name, SPAN_LIT("rotation "));

	if (rotation)
		(void)span_word(&name, &word);
	set_text(out, "tenant", row->tenant);
	set_text(out, event->of_domain ? "domain" : "object", row->object);
	set_text(out, rotation ? "rotation" : "selector", span_trim(name));
	set_text(out, "from", event->from);
	set_text(out, "to", event->to);
	set_text(out, "why", event->why);
	return out;
}

void
event_write(const struct store_audit *row, const struct event *event, unsigned n, unsigned count,
    struct buf *out)
{
	struct event_place place = {.seq = row->seq - 1, .more = n + 1};
	json_t *json = event_json(row, event);
	char id[48];

	if (n + 1 == count)
		place = (struct event_place){.seq = row->seq};
	event_place_write(&place, id);
	buf_add_fmt(out, "event: %s\nid: %s\ndata: ", event->type, id);
	(void)!json_write(json, out);
	buf_add_str(out, "\n\n");
	json_decref(json);
}

/* ---- which are wanted ---- */

static bool
add_types(struct span word, uint64_t *out)
{
	bool all = span_ends(word, SPAN_LIT(".*")), any = false;
	struct span kind = all ? span_of(word.p, word.n - 1) : word;

	for (unsigned i = 0; i < COUNT(types); i++)
		if (all ? span_starts(span_str(types[i].name), kind)
			: span_eq_str(word, types[i].name)) {
			*out |= UINT64_C(1) << event_type_bit(types[i].name);
			any = true;
		}
	return any;
}

bool
event_types_parse(struct span text, uint64_t *out)
{
	struct span word;

	*out = text.n == 0 ? WHOLE : 0;
	while (text.n > 0) {
		(void)span_cut(&text, ',', &word);
		if (!add_types(span_trim(word), out))
			return false;
	}
	return true;
}
