/*
 * answer.c - reads the octets of a DNS message that answers a TXT question.
 * unbound.c gives it what libunbound hands over; the fuzz target gives it anything. It must never
 * read beyond the message, follow a compression pointer forward, or cut a text silently.
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dns/answer.h"
#include "lib/dns/wire.h"

#define TYPE_CNAME 5u
#define TYPE_SOA 6u
#define CLASS_IN 1u

#define FLAG_RESPONSE 0x8000u
#define FLAG_TRUNCATED 0x0200u
#define RCODE_MASK 0x000fu
#define RCODE_NOERROR 0u
#define RCODE_NXDOMAIN 3u

/* "65535 " and a name, each octet of it written \DDD */
#define RECORD_TEXT_MAX (DNS_NAME_TEXT_MAX + 8u)
#define SOA_COUNTERS_BYTES 20u /* serial, refresh, retry, expire, minimum */

/* The strings of one record, which fill its data exactly, joined at to. */
static enum status
read_text(const uint8_t *data, size_t n, char *to, struct dns_text *text)
{
	size_t at = 0, joined = 0;

	*text = (struct dns_text){.strings = 0};
	if (n == 0)
		return ST_INVALID; /* at least one string, RFC 1035 section 3.3.14 */
	while (at < n) {
		size_t length = data[at++];

		if (length > n - at)
			return ST_INVALID;
		memcpy(to + joined, data + at, length);
		at += length;
		joined += length;
		text->strings++;
		if (length > text->string_bytes_max)
			text->string_bytes_max = length;
	}
	text->joined = span_of(to, joined);
	return joined > DNS_TEXT_BYTES_MAX ? ST_TOO_BIG : ST_OK;
}

/* What the answer section has for the name that was asked, aliases followed. Servers and libunbound
 * write a chain in its order. */
struct reading {
	struct wire_cursor in;
	struct dns_room *room;
	struct dns_answer *answer;
	struct wire_name wanted;
	unsigned type;
	unsigned int aliases;
	size_t used; /* of the room */
};

static void
stop(struct dns_answer *answer, enum status status, const char *why)
{
	if (answer->status != ST_OK)
		return;
	answer->status = status;
	answer->why = why;
}

static void
note_ttl(struct reading *reading, uint32_t ttl_s)
{
	bool first = reading->answer->count == 0 && reading->aliases == 0;

	if (first || ttl_s < reading->answer->ttl_s)
		reading->answer->ttl_s = ttl_s;
}

static void
take_alias(struct reading *reading, const struct wire_record *record)
{
	struct wire_cursor data = reading->in;

	data.at = record->data_at;
	wire_take_name(&data, &reading->wanted);
	if (data.torn || data.at != record->data_at + record->data_n)
		stop(reading->answer, ST_INVALID, "a torn CNAME record");
	note_ttl(reading, record->ttl_s);
	if (++reading->aliases > DNS_ALIASES_MAX)
		stop(reading->answer, ST_TOO_BIG, "too many aliases");
	reading->answer->alias = wire_name_text(&reading->wanted, reading->room->alias);
}

static void
take_text(struct reading *reading, const struct wire_record *record)
{
	struct dns_answer *answer = reading->answer;
	struct dns_text *text = &answer->texts[answer->count];
	enum status status;

	if (answer->count == DNS_TEXTS_MAX) {
		stop(answer, ST_TOO_BIG, "too many TXT records");
		return;
	}
	status = read_text(reading->in.p + record->data_at, record->data_n,
	    reading->room->texts + reading->used, text);
	reading->used += text->joined.n;
	if (status == ST_TOO_BIG)
		stop(answer, status, "a TXT record is too long");
	else if (status != ST_OK)
		stop(answer, status, "a torn TXT record");
	note_ttl(reading, record->ttl_s);
	answer->count++;
}

static void
take_other(struct reading *reading, const struct wire_record *record)
{
	struct dns_answer *answer = reading->answer;
	struct dns_text *text = &answer->texts[answer->count];
	struct buf out;

	if (answer->count == DNS_TEXTS_MAX) {
		stop(answer, ST_TOO_BIG, "too many records");
		return;
	}
	buf_init(&out, RECORD_TEXT_MAX);
	if (!dns_record_text(reading->in, record, &out) || buf_status(&out) != ST_OK)
		stop(answer, ST_INVALID, "a torn record");
	else
		memcpy(reading->room->texts + reading->used, out.p, out.n);
	*text = (struct dns_text){
	    .joined = span_of(reading->room->texts + reading->used, out.n), .strings = 1};
	reading->used += out.n;
	note_ttl(reading, record->ttl_s);
	answer->count++;
	buf_free(&out);
}

static void
read_answers(struct reading *reading, unsigned int count)
{
	struct wire_record record;

	for (; count > 0 && reading->answer->status == ST_OK; count--) {
		wire_take_record(&reading->in, &record);
		if (reading->in.torn)
			stop(reading->answer, ST_INVALID, "a torn answer");
		else if (record.class != CLASS_IN ||
			 !wire_name_equal(&record.owner, &reading->wanted))
			continue;
		else if (record.type == TYPE_CNAME)
			take_alias(reading, &record);
		else if (record.type == reading->type && record.type == DNS_TXT)
			take_text(reading, &record);
		else if (record.type == reading->type)
			take_other(reading, &record);
	}
}

/* How long there will be none: RFC 2308 section 5. Without a SOA nobody said so, however long an
 * alias may be kept. */
static void
read_authority(struct reading *reading, unsigned int count)
{
	struct wire_record record;
	struct wire_cursor data;
	uint32_t minimum_s;

	for (; count > 0; count--) {
		wire_take_record(&reading->in, &record);
		if (reading->in.torn)
			break;
		if (record.type != TYPE_SOA || record.class != CLASS_IN)
			continue;
		if (record.data_n < SOA_COUNTERS_BYTES)
			break;
		data = reading->in;
		data.at = record.data_at + record.data_n - 4;
		minimum_s = wire_take_u32(&data);
		note_ttl(reading, minimum_s < record.ttl_s ? minimum_s : record.ttl_s);
		return;
	}
	reading->answer->ttl_s = 0;
}

/* ---- the message ---- */

static void
room_reserve(struct dns_room *room, size_t bytes)
{
	if (room->bytes >= bytes)
		return;
	room->texts = mem_resize(room->texts, bytes, 1);
	room->bytes = bytes;
}

void
dns_room_free(struct dns_room *room)
{
	mem_free(room->texts);
	room->texts = NULL;
	room->bytes = 0;
}

static void
read_question(struct reading *reading, unsigned int count)
{
	unsigned int type, class;

	wire_take_name(&reading->in, &reading->wanted);
	type = wire_take_u16(&reading->in);
	class = wire_take_u16(&reading->in);
	if (reading->in.torn || count != 1 || type != reading->type || class != CLASS_IN)
		stop(reading->answer, ST_INVALID,
		    reading->type == DNS_TXT ? "not the answer to a TXT question"
					     : "not the answer to the question");
}

static void
judge(struct dns_answer *answer, unsigned int rcode)
{
	if (rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN)
		stop(answer, ST_UNAVAILABLE, dns_rcode_name(rcode));
	if (rcode == RCODE_NOERROR && answer->count > 0)
		return;
	answer->name_exists = answer->status == ST_OK && rcode == RCODE_NOERROR;
	stop(answer, ST_ABSENT, rcode == RCODE_NOERROR ? "no TXT record" : "NXDOMAIN");
}

void
dns_answer_read(struct span packet, enum dns_security security, struct dns_room *room,
    struct dns_answer *answer)
{
	dns_answer_read_type(packet, DNS_TXT, security, room, answer);
}

void
dns_answer_read_type(struct span packet, unsigned type, enum dns_security security,
    struct dns_room *room, struct dns_answer *answer)
{
	struct reading reading = {.in = {.p = (const uint8_t *)packet.p, .n = packet.n},
	    .room = room,
	    .answer = answer,
	    .type = type};
	unsigned int flags, questions, answers, authorities;

	*answer = dns_answer_none(ST_OK, security, "");
	room_reserve(room, packet.n + 1 + (type == DNS_TXT ? 0 : DNS_TEXTS_MAX * RECORD_TEXT_MAX));
	wire_take_u16(&reading.in); /* the id: libunbound's business */
	flags = wire_take_u16(&reading.in);
	questions = wire_take_u16(&reading.in);
	answers = wire_take_u16(&reading.in);
	authorities = wire_take_u16(&reading.in);
	wire_take_u16(&reading.in);
	read_question(&reading, questions);
	if ((flags & FLAG_RESPONSE) == 0 || (flags & FLAG_TRUNCATED) != 0)
		stop(answer, ST_INVALID, "a truncated answer");
	read_answers(&reading, answers);
	if (answer->status == ST_OK && answer->count == 0)
		read_authority(&reading, authorities);
	judge(answer, flags & RCODE_MASK);
	if (security == DNS_BOGUS)
		*answer = dns_answer_none(ST_UNAVAILABLE, DNS_BOGUS, "DNSSEC validation failed");
	else if (answer->status != ST_OK)
		answer->count = 0;
}

struct dns_answer
dns_answer_none(enum status status, enum dns_security security, const char *why)
{
	return (struct dns_answer){.status = status, .security = security, .why = why};
}

const char *
dns_rcode_name(unsigned int rcode)
{
	static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",
	    "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"};

	return rcode < sizeof(names) / sizeof(names[0]) ? names[rcode] : "an unknown error code";
}
