/*
 * operation_cname.c - the CNAMEs that the customer of a domain with delegated slots has to set, for
 * the operations that show a domain. It must never show one for a slot that the plan does not have:
 * a customer sets it once, and nobody looks at it again.
 */
#include "config.h"

#include "admin-api/operation_dns.h"
#include "admin-api/operation_lives.h"
#include "lib/base/mem.h"

#define TEXTS_MAX 65536U

/* Whose slot it is. */
static const char *
state_in(const struct operation_call *call, const struct lives *lives, int slot)
{
	for (size_t i = 0; i < lives->life.count; i++)
		if (plan_slot_of(&lives->life.plan, lives->life.keys[i].selector) == slot)
			return key_state_name(
			    key_state_at(&lives->life.keys[i].times, call->now_utc));
	return NULL;
}

static json_t *
cname_row(const struct operation_call *call, const struct lives *lives, int slot,
    const struct dns_look *look)
{
	const char *state = state_in(call, lives, slot);

	return json_pack("{s:i, s:o, s:o, s:o}", "slot", slot, "name",
	    json_span(look->question.name), "target", json_span(look->question.leads_to), "key",
	    state == NULL ? json_null() : json_string(state));
}

static void
add_seen(json_t *row, const struct dns_look *look)
{
	json_t *seen = dns_look_row(look);

	json_object_set_new(row, "seen", json_string(dns_look_is_right(look) ? "yes" : "no"));
	json_object_set(row, "why", json_object_get(seen, "why"));
	json_decref(seen);
}

/* All of them as one text. */
static enum operation_code
add_texts(struct operation_call *call, const struct lives *lives, struct dns_look *const *looks,
    size_t count)
{
	uint32_t ttl_s = (uint32_t)lives->life.plan.ttl_s;
	enum publish_notation notation = PUBLISH_RFC1035;
	enum operation_code code = call_notation(call, "notation", &notation);
	enum status status = ST_OK;
	struct buf text;

	if (code != OPERATION_OK)
		return code;
	buf_init(&text, TEXTS_MAX);
	for (size_t i = 0; status == ST_OK && i < count; i++) {
		status = publish_write_cname(
		    notation, looks[i]->question.name, looks[i]->question.leads_to, ttl_s, &text);
		if (notation == PUBLISH_SINGLE)
			buf_add_char(&text, '\n');
	}
	json_object_set_new(call->result, "record",
	    json_pack("{s:s, s:s, s:I, s:s, s:o}", "name", "", "type", "CNAME", "ttl",
		(json_int_t)ttl_s, "notation", publish_notation_name(notation), "text",
		json_span(buf_span(&text))));
	buf_free(&text);
	return status == ST_OK ? OPERATION_OK
			       : call_refuse(call, OPERATION_INTERNAL,
				     "the CNAMEs cannot be written: a name is too long");
}

static enum operation_code
show_all(struct operation_call *call, const struct lives *lives, struct dns_look *const *looks,
    const int *slots, size_t count)
{
	bool look = call_switch(call, "look", false);
	enum operation_code code = look ? dns_look_ask(call, looks, count) : OPERATION_OK;
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *row = cname_row(call, lives, slots[i], looks[i]);

		if (look && code == OPERATION_OK)
			add_seen(row, looks[i]);
		json_array_append_new(list, row);
	}
	json_object_set_new(call->result, "cnames", list);
	return code == OPERATION_OK && call_has(call, "notation")
		   ? add_texts(call, lives, looks, count)
		   : code;
}

enum operation_code
cnames_show(struct operation_call *call, const struct lives *lives)
{
	struct dns_look *looks[PLAN_SLOTS_MAX];
	int slots[PLAN_SLOTS_MAX];
	enum operation_code code;
	size_t count = 0;

	if (lives->life.plan.delegation[0] == '\0')
		return OPERATION_OK;
	for (int slot = 1; slot <= lives->life.plan.slots; slot++) {
		looks[count] = mem_alloc(sizeof(*looks[count]));
		slots[count] = slot;
		if (dns_look_make_slot(looks[count], &lives->life.plan, slot, lives->life.name))
			count++;
		else
			mem_free(looks[count]);
	}
	if (count < (size_t)lives->life.plan.slots)
		json_object_set_new(call->result, "trouble",
		    json_string("the names of its CNAMEs would be longer than a name can be"));
	code = show_all(call, lives, looks, slots, count);
	for (size_t i = 0; i < count; i++)
		mem_free(looks[i]);
	return code;
}
