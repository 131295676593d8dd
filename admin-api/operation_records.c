/*
 * operation_records.c - all records that should be in DNS for a domain now: those of its keys, by
 * their states, and the CNAMEs of its slots.
 * Called through the table of operations. It must never show a record of a key whose removal has
 * begun, nor one that nothing was decided about yet.
 */
#include "config.h"

#include "admin-api/cname.h"
#include "admin-api/operation_dns.h"
#include "admin-api/operation_lives.h"
#include "admin-api/record.h"
#include "lib/base/mem.h"

#define TEXTS_MAX (1U << 20) /* octets of all records as one text */

/* ---- what operations that show a record share ---- */

enum operation_code
call_notation(struct operation_call *call, const char *argument, enum publish_notation *out)
{
	if (!call_has(call, argument) ||
	    publish_notation_by_name(call_text(call, argument), out) == ST_OK)
		return OPERATION_OK;
	return call_wrong(call, argument,
	    "there is none of that name: single, rfc1035, bind, nsupdate, route53, terraform or "
	    "json");
}

bool
key_record_value(const struct store_key *row, const struct life_key *key, struct buf *out)
{
	bool revoked = key->times.revoking > 0;

	if (revoked)
		buf_add_str(out, RECORD_TOMBSTONE);
	else
		record_of_key(row, &key->life, out);
	return !revoked;
}

int64_t
key_record_ttl(const struct lives *lives, size_t key)
{
	int64_t ttl_s = lives->life.keys[key].life.ttl_s;

	return ttl_s > 0 ? ttl_s : lives->life.plan.ttl_s;
}

/* ---- all of a domain ---- */

struct records {
	enum publish_notation notation;
	json_t *list;
	struct buf text; /* all of them */
};

/* What nobody manages is published by hand, as soon as it is there. */
static bool
is_wanted(const struct operation_call *call, const struct lives *lives, size_t key)
{
	const struct life_key *k = &lives->life.keys[key];
	enum key_state state = key_state_at(&k->times, call->now_utc);
	bool begun = k->times.publishing > 0 || k->times.published > 0 || k->times.active > 0 ||
		     k->times.sign_until > 0;

	if (state == KEY_REMOVED || state == KEY_DESTROYED || state == KEY_FAILED ||
	    k->life.removing > 0 || lives->rows[key]->public_key.n == 0)
		return false;
	return begun || !lives->life.plan.manage;
}

/* value: of a CNAME its target. */
static json_t *
record_row(
    struct records *records, const char *type, struct span name, struct span value, uint32_t ttl_s)
{
	bool cname = type[0] == 'C';
	struct buf text;
	enum status status;
	json_t *row;

	buf_init(&text, 4U * PUBLISH_VALUE_MAX);
	status = cname ? publish_write_cname(records->notation, name, value, ttl_s, &text)
		       : publish_write(records->notation, name, value, ttl_s, &text);
	if (status == ST_OK) {
		buf_add(&records->text, buf_span(&text));
		if (records->notation == PUBLISH_SINGLE)
			buf_add_char(&records->text, '\n');
	}
	row = json_pack("{s:o, s:s, s:o, s:I, s:o}", "name", json_span(name), "type", type, "value",
	    json_span(value), "ttl", (json_int_t)ttl_s, "text",
	    status == ST_OK ? json_span(buf_span(&text)) : json_null());
	buf_free(&text);
	return row;
}

static bool
is_listed(const struct records *records, struct span name)
{
	size_t i;
	json_t *row;

	json_array_foreach(records->list, i,
	    row) if (span_eq_str(name,
			 json_string_value(json_object_get(row, "name")))) return true;
	return false;
}

/* Where it stands, and the CNAME that leads there if that is not its own name. */
static void
add_key(struct operation_call *call, const struct lives *lives, size_t key, struct records *records)
{
	const struct store_key *row = lives->rows[key];
	const struct key_times *times = &lives->life.keys[key].times;
	uint32_t ttl_s = (uint32_t)key_record_ttl(lives, key);
	char hex[KEYSTORE_DIGEST_BYTES];
	struct buf own, target, value;
	json_t *out;

	buf_init(&own, PUBLISH_VALUE_MAX);
	buf_init(&target, PUBLISH_VALUE_MAX);
	buf_init(&value, PUBLISH_VALUE_MAX);
	record_name(row->selector, row->domain, &own);
	if (cname_target(&lives->life, &lives->life.keys[key], &target) == ST_OK) {
		bool whole = key_record_value(row, &lives->life.keys[key], &value);

		out = record_row(records, "TXT", buf_span(target.n > 0 ? &target : &own),
		    buf_span(&value), ttl_s);
		keystore_digest(row->public_key, hex);
		json_object_set_new(out, "selector", json_span(row->selector));
		json_object_set_new(
		    out, "state", json_string(key_state_name(key_state_at(times, call->now_utc))));
		json_object_set_new(out, "p_sha256", whole ? json_string(hex) : json_null());
		json_array_append_new(records->list, out);
		if (target.n > 0 && !is_listed(records, buf_span(&own)))
			json_array_append_new(records->list,
			    record_row(records, "CNAME", buf_span(&own), buf_span(&target), ttl_s));
	}
	buf_free(&own);
	buf_free(&target);
	buf_free(&value);
}

/* A customer sets them once; also of those that have no key yet. */
static void
add_slots(const struct lives *lives, struct records *records)
{
	const struct key_plan *plan = &lives->life.plan;
	struct dns_look *look;

	if (plan->delegation[0] == '\0')
		return;
	look = mem_alloc(sizeof(*look));
	for (int slot = 1; slot <= plan->slots; slot++)
		if (dns_look_make_slot(look, plan, slot, lives->life.name))
			json_array_append_new(
			    records->list, record_row(records, "CNAME", look->question.name,
					       look->question.leads_to, (uint32_t)plan->ttl_s));
	mem_free(look);
}

enum operation_code
operation_domain_records(struct operation_call *call)
{
	struct records records = {.notation = PUBLISH_RFC1035};
	enum operation_code code = call_notation(call, "format", &records.notation);
	struct lives *lives;
	struct span domain;

	if (code == OPERATION_OK)
		code = call_domain(call, "domain", &domain);
	if (code == OPERATION_OK)
		code = lives_read(call, domain, &lives);
	if (code != OPERATION_OK)
		return code;
	records.list = json_array();
	buf_init(&records.text, TEXTS_MAX);
	add_slots(lives, &records);
	for (size_t i = 0; i < lives->life.count; i++)
		if (is_wanted(call, lives, i))
			add_key(call, lives, i, &records);
	json_object_set_new(call->result, "domain", json_span(lives->row->name));
	json_object_set_new(call->result, "tenant", json_span(lives->row->tenant));
	json_object_set_new(
	    call->result, "format", json_string(publish_notation_name(records.notation)));
	json_object_set_new(call->result, "records", records.list);
	json_object_set_new(call->result, "text", json_span(buf_span(&records.text)));
	buf_free(&records.text);
	lives_free(lives);
	return OPERATION_OK;
}
