/*
 * publish_message.c - DNS updates and questions as octets, and what an answer says.
 * Called by publish_rfc2136.c. It must never write an update that has no prerequisite on the value
 * that is there, nor take an answer about another name.
 */
#include <ldns/ldns.h>

#include "admin-api/publish_dns.h"
#include "lib/base/mem.h"

#define TYPE_CNAME 5
#define TYPE_SOA 6
#define TYPE_TXT 16
#define CLASS_IN 1
#define CLASS_NONE 254
#define OPCODE_UPDATE 5
#define HEAD_BYTES 12U

static void
put16(struct buf *out, unsigned int value)
{
	buf_add_char(out, (char)(value >> 8));
	buf_add_char(out, (char)value);
}

static void
put32(struct buf *out, uint32_t value)
{
	put16(out, value >> 16);
	put16(out, value & 0xffff);
}

static void
put_name(struct buf *out, struct span name)
{
	struct span label;

	while (name.n > 0) {
		span_cut(&name, '.', &label);
		buf_add_char(out, (char)label.n);
		buf_add(out, label);
	}
	buf_add_char(out, 0);
}

static void
put_record(struct buf *out, struct span name, unsigned int type, unsigned int class, uint32_t ttl_s,
    struct span rdata)
{
	put_name(out, name);
	put16(out, type);
	put16(out, class);
	put32(out, ttl_s);
	put16(out, (unsigned int)rdata.n);
	buf_add(out, rdata);
}

static void
put_value(struct buf *out, struct span name, uint32_t ttl_s, struct span value)
{
	struct span string;
	struct buf rdata;

	buf_init(&rdata, 2 * PUBLISH_VALUE_MAX);
	while (publish_string_next(&value, &string)) {
		buf_add_char(&rdata, (char)string.n);
		buf_add(&rdata, string);
	}
	put_record(out, name, TYPE_TXT, CLASS_IN, ttl_s, buf_span(&rdata));
	buf_free(&rdata);
}

/* ---- updates ---- */

void
wire_update_init(struct wire_update *update)
{
	buf_init(&update->prerequisites, WIRE_UPDATE_MAX);
	buf_init(&update->updates, WIRE_UPDATE_MAX);
	update->prerequisite_count = 0;
	update->update_count = 0;
}

void
wire_update_free(struct wire_update *update)
{
	buf_free(&update->prerequisites);
	buf_free(&update->updates);
}

size_t
wire_update_size(const struct wire_update *update)
{
	return update->prerequisites.n + update->updates.n;
}

/* At most three records, each with the name and ten octets; the text with one octet more for each
 * string. */
size_t
wire_change_size_max(const struct publish_change *change, struct span rdata)
{
	return 3 * (change->name.n + 2 + 10) + 2 * rdata.n + change->value.n +
	       change->value.n / PUBLISH_STRING_MAX + 1;
}

void
wire_update_probe(struct wire_update *update, struct span name)
{
	put_record(&update->prerequisites, name, TYPE_TXT, CLASS_NONE, 0, SPAN_EMPTY);
	put_record(&update->prerequisites, name, TYPE_CNAME, CLASS_NONE, 0, SPAN_EMPTY);
	update->prerequisite_count = (uint16_t)(update->prerequisite_count + 2);
}

/* RFC 2136 section 2.4: "RRset does not exist" for what is added, and no alias, beside which the
 * server would silently add nothing; else "RRset exists (value dependent)" with all of it. Section
 * 2.5.4 deletes that one record, and not the RRset. */
void
wire_update_add(struct wire_update *update, const struct publish_change *change, struct span rdata)
{
	if (change->how == PUBLISH_ADD) {
		wire_update_probe(update, change->name);
	} else {
		put_record(&update->prerequisites, change->name, TYPE_TXT, CLASS_IN, 0, rdata);
		update->prerequisite_count++;
		put_record(&update->updates, change->name, TYPE_TXT, CLASS_NONE, 0, rdata);
		update->update_count++;
	}
	if (change->how != PUBLISH_REMOVE) {
		put_value(&update->updates, change->name, change->ttl_s, change->value);
		update->update_count++;
	}
}

static void
put_head(struct buf *out, uint16_t id, unsigned int opcode, const uint16_t counts[3])
{
	put16(out, id);
	put16(out, opcode << 11);
	put16(out, 1);
	for (size_t i = 0; i < 3; i++)
		put16(out, counts[i]);
}

enum status
wire_update_write(const struct wire_update *update, uint16_t id, struct span zone, struct buf *out)
{
	uint16_t counts[3] = {update->prerequisite_count, update->update_count, 0};

	if (buf_status(&update->prerequisites) != ST_OK || buf_status(&update->updates) != ST_OK)
		return ST_TOO_BIG;
	put_head(out, id, OPCODE_UPDATE, counts);
	put_name(out, zone);
	put16(out, TYPE_SOA);
	put16(out, CLASS_IN);
	buf_add(out, buf_span(&update->prerequisites));
	buf_add(out, buf_span(&update->updates));
	return out->n > WIRE_UPDATE_MAX ? ST_TOO_BIG : buf_status(out);
}

void
wire_question_write(uint16_t id, struct span name, struct buf *out)
{
	static const uint16_t none[3];

	put_head(out, id, 0, none);
	put_name(out, name);
	put16(out, TYPE_TXT);
	put16(out, CLASS_IN);
}

/* ---- answers ---- */

bool
wire_head_read(struct span message, struct wire_head *out)
{
	const unsigned char *p = (const unsigned char *)message.p;

	if (message.n < HEAD_BYTES)
		return false;
	out->id = (uint16_t)(p[0] << 8 | p[1]);
	out->answer = (p[2] & 0x80) != 0;
	out->opcode = (p[2] >> 3) & 0xf;
	out->authoritative = (p[2] & 0x04) != 0;
	out->cut = (p[2] & 0x02) != 0;
	out->rcode = p[3] & 0xf;
	return true;
}

static bool
is_name(const ldns_rdf *owner, struct span name)
{
	char *text = owner == NULL ? NULL : ldns_rdf2str(owner);
	struct span found = span_str(text);
	bool same;

	if (found.n > 0 && found.p[found.n - 1] == '.')
		found.n--;
	same = found.n > 0 && span_ieq(found, name);
	LDNS_FREE(text);
	return same;
}

/* The strings of a TXT record, as they are on the wire and joined. */
static bool
read_strings(const ldns_rr *rr, struct arena *arena, struct span *rdata_out, struct span *text_out)
{
	struct buf rdata, text;
	bool good = true;

	buf_init(&rdata, WIRE_MESSAGE_MAX);
	buf_init(&text, WIRE_MESSAGE_MAX);
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		const ldns_rdf *rdf = ldns_rr_rdf(rr, i);
		struct span string = span_of(ldns_rdf_data(rdf), ldns_rdf_size(rdf));

		good = good && string.n > 0;
		if (!good)
			break;
		buf_add(&rdata, string);
		buf_add(&text, span_from(string, 1));
	}
	*rdata_out = arena_copy(arena, buf_span(&rdata));
	*text_out = arena_copy(arena, buf_span(&text));
	good = good && rdata_out->p != NULL && text_out->p != NULL;
	buf_free(&rdata);
	buf_free(&text);
	return good;
}

static bool
read_answers(const ldns_pkt *packet, struct span name, struct arena *arena,
    struct publish_there *there, struct span *rdata_out)
{
	const ldns_rr_list *list = ldns_pkt_answer(packet);

	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);

		if (!is_name(ldns_rr_owner(rr), name) || ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN)
			continue;
		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_CNAME)
			there->alias = true;
		if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_TXT)
			continue;
		there->records++;
		if (!read_strings(rr, arena, rdata_out, &there->text))
			return false;
	}
	return true;
}

static bool
asks_for(const ldns_pkt *packet, struct span name)
{
	const ldns_rr_list *list = ldns_pkt_question(packet);

	return ldns_rr_list_rr_count(list) == 1 &&
	       ldns_rr_get_type(ldns_rr_list_rr(list, 0)) == LDNS_RR_TYPE_TXT &&
	       is_name(ldns_rr_owner(ldns_rr_list_rr(list, 0)), name);
}

enum status
wire_answer_there(struct span message, struct span name, struct arena *arena,
    struct publish_there *there_out, struct span *rdata_out, struct err *err)
{
	ldns_pkt *packet = NULL;
	bool good;

	*there_out = (struct publish_there){.records = 0};
	*rdata_out = SPAN_EMPTY;
	if (ldns_wire2pkt(&packet, (const uint8_t *)message.p, message.n) != LDNS_STATUS_OK) {
		err_set(err, "the answer cannot be read");
		return ST_INVALID;
	}
	good = asks_for(packet, name) && read_answers(packet, name, arena, there_out, rdata_out);
	ldns_pkt_free(packet);
	if (!good)
		err_set(err, "the answer is not one about %.*s", SPAN_ARG(name));
	return good ? ST_OK : ST_INVALID;
}

const char *
wire_rcode_text(unsigned int rcode)
{
	static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",
	    "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"};

	return rcode < sizeof(names) / sizeof(names[0]) ? names[rcode] : "an unknown rcode";
}
