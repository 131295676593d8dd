/*
 * authority_read.c - reads what an answer from a name server says: texts, an alias, a referral, the
 * SOA, addresses. Everything that came over the network and fitted its question goes through it;
 * so does the fuzz target. It must never follow an alias, nor believe a name that is not plain.
 */
#include <string.h>

#include "lib/dns/authority_private.h"

#define CLASS_IN 1U
#define FLAG_AUTHORITATIVE 0x0400U
#define FLAG_VALIDATED 0x0020U
#define RCODE_MASK 0x000fU
#define SOA_COUNTERS_BYTES 20U

enum section { SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL };

struct reading {
	struct wire_cursor in;
	struct authority_answer *out;
	struct wire_name name;
	enum section section;
	size_t used; /* of the room */
};

/* ---- names ---- */

static bool
is_plain(char c)
{
	c = ascii_lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool
authority_name_is_plain(struct span name)
{
	size_t label = 0;

	if (name.n == 0 || name.n > AUTHORITY_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '.' ? label == 0 : !is_plain(name.p[i]) || label == 63)
			return false;
		label = name.p[i] == '.' ? 0 : label + 1;
	}
	return label > 0;
}

bool
authority_name_take(struct span name, char out[AUTHORITY_NAME_BYTES])
{
	out[0] = '\0';
	if (!authority_name_is_plain(name))
		return false;
	for (size_t i = 0; i < name.n; i++)
		out[i] = ascii_lower(name.p[i]);
	out[name.n] = '\0';
	return true;
}

bool
authority_name_in(const char *name, const char *parent)
{
	size_t n = strlen(name), p = strlen(parent);

	if (n < p || strcmp(name + (n - p), parent) != 0)
		return false;
	return n == p || p == 0 || name[n - p - 1] == '.';
}

const char *
authority_name_up(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot == NULL ? "" : dot + 1;
}

const char *
authority_name_base(const char *name)
{
	const char *base = authority_name_up(name);

	for (const char *at = name; *at != '\0'; at = authority_name_up(at))
		if (strncmp(at, "_domainkey.", strlen("_domainkey.")) == 0)
			base = authority_name_up(at);
	return base;
}

static bool
take_plain(struct reading *reading, const struct wire_record *record, char *out)
{
	char text[DNS_NAME_TEXT_MAX];
	struct wire_cursor data = reading->in;
	struct wire_name name;

	data.at = record->data_at;
	wire_take_name(&data, &name);
	if (data.torn || data.at != record->data_at + record->data_n) {
		reading->in.torn = true;
		return false;
	}
	return authority_name_take(wire_name_text(&name, text), out);
}

/* ---- records ---- */

static void
note_ttl(struct authority_answer *out, uint32_t ttl_s)
{
	if (ttl_s > out->ttl_s)
		out->ttl_s = ttl_s;
}

static void
take_text(struct reading *reading, const struct wire_record *record)
{
	const uint8_t *data = reading->in.p + record->data_at;
	struct authority_answer *out = reading->out;
	size_t at = 0, begin = reading->used;

	while (at < record->data_n) {
		size_t length = data[at++];

		if (length > record->data_n - at) {
			reading->in.torn = true;
			return;
		}
		memcpy(out->room + reading->used, data + at, length);
		reading->used += length;
		at += length;
	}
	if (out->records < AUTHORITY_RECORDS_MAX)
		out->texts[out->records] = span_of(out->room + begin, reading->used - begin);
	out->records++;
	note_ttl(out, record->ttl_s);
}

static void
take_alias(struct reading *reading, const struct wire_record *record)
{
	if (reading->out->aliased)
		return; /* RFC 2181 section 10.1: there is one */
	reading->out->aliased = true;
	take_plain(reading, record, reading->out->alias);
	note_ttl(reading->out, record->ttl_s);
}

static void
take_soa(struct reading *reading, const struct wire_record *record)
{
	struct wire_cursor data = reading->in;
	uint32_t minimum_s;

	if (record->data_n < SOA_COUNTERS_BYTES)
		return;
	data.at = record->data_at + record->data_n - 4;
	minimum_s = wire_take_u32(&data);
	reading->out->soa = true;
	reading->out->neg_s = minimum_s < record->ttl_s ? minimum_s : record->ttl_s;
}

/* Those of one owner: the question's, or that of the first in the authority section. */
static void
take_ns(struct reading *reading, const struct wire_record *record)
{
	struct authority_answer *out = reading->out;
	char owner[AUTHORITY_NAME_BYTES], text[DNS_NAME_TEXT_MAX];

	if (reading->section == SECTION_AUTHORITY && out->ns_answered)
		return;
	if (!authority_name_take(wire_name_text(&record->owner, text), owner))
		return;
	if (out->ns_owner[0] == '\0')
		memcpy(out->ns_owner, owner, sizeof(owner));
	if (strcmp(out->ns_owner, owner) != 0)
		return;
	out->ns_answered = reading->section == SECTION_ANSWER;
	if (out->ns_count == AUTHORITY_HOSTS_MAX)
		out->ns_too_many = true;
	else if (take_plain(reading, record, out->ns[out->ns_count]))
		out->ns_count++;
}

static void
take_address(struct reading *reading, const struct wire_record *record)
{
	struct authority_answer *out = reading->out;
	struct authority_glue *glue = &out->glue[out->glue_count];
	size_t n = record->type == TYPE_A ? 4 : 16;
	char text[DNS_NAME_TEXT_MAX];

	if (record->data_n != n || out->glue_count == AUTHORITY_GLUE_MAX)
		return;
	if (!authority_name_take(wire_name_text(&record->owner, text), glue->name))
		return;
	glue->family = n == 4 ? AF_INET : AF_INET6;
	memcpy(glue->octets, reading->in.p + record->data_at, n);
	out->glue_count++;
}

static void
take_at_name(struct reading *reading, const struct wire_record *record)
{
	if (!wire_name_equal(&record->owner, &reading->name))
		return;
	if (record->type == TYPE_TXT)
		take_text(reading, record);
	else if (record->type == TYPE_CNAME)
		take_alias(reading, record);
	else if (record->type == TYPE_DS)
		reading->out->ds++;
	else if (record->type == TYPE_NS)
		take_ns(reading, record);
	else if (record->type == TYPE_SOA)
		take_soa(reading, record);
}

static void
take_one(struct reading *reading, const struct wire_record *record)
{
	bool address = record->type == TYPE_A || record->type == TYPE_AAAA;

	if (record->class != CLASS_IN)
		return;
	if (address && reading->section != SECTION_AUTHORITY)
		take_address(reading, record);
	else if (reading->section == SECTION_ANSWER)
		take_at_name(reading, record);
	else if (reading->section == SECTION_AUTHORITY && record->type == TYPE_NS)
		take_ns(reading, record);
	else if (reading->section == SECTION_AUTHORITY && record->type == TYPE_SOA)
		take_soa(reading, record);
}

static void
read_section(struct reading *reading, enum section section, unsigned count)
{
	struct wire_record record;

	reading->section = section;
	for (; count > 0 && !reading->in.torn; count--) {
		wire_take_record(&reading->in, &record);
		if (!reading->in.torn)
			take_one(reading, &record);
	}
}

/* ---- the message ---- */

static void
forget(struct authority_answer *out)
{
	out->rcode = out->records = out->ds = out->ns_count = out->glue_count = 0;
	out->authoritative = out->validated = out->aliased = out->soa = false;
	out->ns_too_many = out->ns_answered = false;
	out->alias[0] = out->ns_owner[0] = '\0';
	out->ttl_s = out->neg_s = 0;
}

enum status
authority_answer_read(struct span message, struct authority_answer *out)
{
	struct reading reading = {
	    .in = {.p = (const uint8_t *)message.p, .n = message.n}, .out = out};
	unsigned flags, questions, counts[3];

	forget(out);
	wire_skip(&reading.in, 2);
	flags = wire_take_u16(&reading.in);
	questions = wire_take_u16(&reading.in);
	for (size_t i = 0; i < 3; i++)
		counts[i] = wire_take_u16(&reading.in);
	wire_take_name(&reading.in, &reading.name);
	wire_skip(&reading.in, 4);
	if (reading.in.torn || questions != 1 || message.n > AUTHORITY_MESSAGE_MAX)
		return ST_INVALID;
	out->rcode = flags & RCODE_MASK;
	out->authoritative = (flags & FLAG_AUTHORITATIVE) != 0;
	out->validated = (flags & FLAG_VALIDATED) != 0;
	for (unsigned i = 0; i < 3; i++)
		read_section(&reading, (enum section)i, counts[i]);
	return reading.in.torn ? ST_INVALID : ST_OK;
}
