/*
 * frame.c - the frames between front-ends and keeper.
 * A front-end encodes requests at end of headers and end of message; a keeper thread decodes them,
 * encodes the answer. It must never read past a frame or accept one with a rest.
 */
#include <string.h>

#include "daemon/frame.h"

#define REQUEST_MAGIC 0x52U
#define REPLY_MAGIC 0x41U

static void
put_number(struct buf *out, uint64_t value, size_t octets)
{
	char *room = buf_reserve(out, octets);

	if (room == NULL)
		return;
	for (size_t i = 0; i < octets; i++)
		room[i] = (char)(value >> (8 * i));
	out->n += octets;
}

static void
put_span(struct buf *out, struct span s)
{
	put_number(out, s.n, 4);
	buf_add(out, s);
}

static bool
get_number(struct span *rest, size_t octets, uint64_t *value_out)
{
	uint64_t value = 0;

	if (rest->n < octets)
		return false;
	for (size_t i = 0; i < octets; i++)
		value |= (uint64_t)(uint8_t)rest->p[i] << (8 * i);
	*rest = span_from(*rest, octets);
	*value_out = value;
	return true;
}

static bool
get_octets(struct span *rest, void *to, size_t octets)
{
	if (rest->n < octets)
		return false;
	memcpy(to, rest->p, octets);
	*rest = span_from(*rest, octets);
	return true;
}

static bool
get_span(struct span *rest, size_t max, struct span *out)
{
	uint64_t n;

	if (!get_number(rest, 4, &n) || n > rest->n || n > max)
		return false;
	*out = span_sub(*rest, 0, (size_t)n);
	*rest = span_from(*rest, (size_t)n);
	return true;
}

void
frame_list_add(struct buf *list, struct span element)
{
	put_span(list, element);
}

bool
frame_list_next(struct span *rest, struct span *element_out)
{
	return get_span(rest, FRAME_MAX, element_out);
}

static bool
is_dns(enum request_type type)
{
	return type == REQUEST_DNS_GET || type == REQUEST_DNS_PUT;
}

static enum status
dns_encode(const struct request *request, struct buf *out)
{
	put_span(out, request->key_name);
	if (request->type == REQUEST_DNS_PUT) {
		put_number(out, (uint64_t)request->until_ms, 8);
		put_span(out, request->octets);
	}
	return buf_status(out);
}

static enum status
checked_encode(const struct request *request, struct buf *out)
{
	put_number(out, (uint64_t)request->result, 1);
	put_span(out, request->key_id);
	put_span(out, request->why);
	return buf_status(out);
}

static bool
is_signing(enum request_type type)
{
	return type == REQUEST_SIGN || type == REQUEST_SHADOW;
}

enum status
request_encode(const struct request *request, struct buf *out)
{
	put_number(out, REQUEST_MAGIC, 1);
	put_number(out, (uint64_t)request->type, 1);
	put_number(out, request->frontend, 2);
	put_number(out, request->flags, 2);
	put_number(out, request->family, 1);
	buf_add(out, span_of(request->address, sizeof(request->address)));
	put_number(out, request->id, 8);
	if (is_dns(request->type))
		return dns_encode(request, out);
	if (request->type == REQUEST_CHECKED)
		return checked_encode(request, out);
	if (request->type == REQUEST_REPORT) {
		put_span(out, request->line);
		return buf_status(out);
	}
	put_span(out, request->job_id);
	put_span(out, request->host);
	put_span(out, request->daemon_name);
	put_span(out, request->login);
	put_span(out, request->macros);
	put_span(out, request->recipients);
	put_span(out, request->sender_header);
	put_span(out, request->user);
	put_span(out, request->domain);
	if (request->type == REQUEST_ROUTE || request->type == REQUEST_SHADOW)
		put_span(out, request->signers);
	if (!is_signing(request->type))
		return buf_status(out);
	put_number(out, (uint64_t)request->body_length, 8);
	buf_add(out, span_of(request->body_hash, SHA256_BYTES));
	put_span(out, request->header_names);
	put_span(out, request->canonical);
	return buf_status(out);
}

static bool
get_sign_part(struct span *rest, struct request *out)
{
	uint64_t length;

	if (!get_number(rest, 8, &length) || !get_octets(rest, out->body_hash, SHA256_BYTES) ||
	    !get_span(rest, FRAME_MAX, &out->header_names) ||
	    !get_span(rest, FRAME_CANONICAL_MAX, &out->canonical))
		return false;
	out->body_length = (int64_t)length;
	return true;
}

static bool
get_facts(struct span *rest, struct request *out)
{
	return get_span(rest, 256, &out->job_id) && get_span(rest, 1024, &out->host) &&
	       get_span(rest, 1024, &out->daemon_name) &&
	       get_span(rest, FRAME_LOGIN_MAX, &out->login) &&
	       get_span(rest, FRAME_MACROS_MAX, &out->macros) &&
	       get_span(rest, FRAME_RECIPIENTS_MAX, &out->recipients) &&
	       get_span(rest, 1024, &out->sender_header) && get_span(rest, 1024, &out->user) &&
	       get_span(rest, 256, &out->domain);
}

static enum status
dns_decode(struct span frame, struct request *out)
{
	uint64_t until = 0;

	if (!get_span(&frame, 256, &out->key_name))
		return ST_INVALID;
	if (out->type == REQUEST_DNS_PUT &&
	    (!get_number(&frame, 8, &until) || !get_span(&frame, FRAME_DNS_MAX, &out->octets)))
		return ST_INVALID;
	out->until_ms = (int64_t)until;
	return frame.n == 0 ? ST_OK : ST_INVALID;
}

static enum status
checked_decode(struct span frame, struct request *out)
{
	uint64_t result;

	if (!get_number(&frame, 1, &result) || result < CANARY_GOOD ||
	    result > CANARY_UNAVAILABLE || !get_span(&frame, CANARY_ID_MAX, &out->key_id) ||
	    !get_span(&frame, CANARY_WHY_MAX, &out->why) || frame.n != 0)
		return ST_INVALID;
	out->result = (enum canary_result)result;
	return ST_OK;
}

static enum status
report_decode(struct span frame, struct request *out)
{
	if (!get_span(&frame, FRAME_REPORT_MAX, &out->line) || frame.n != 0)
		return ST_INVALID;
	for (size_t i = 0; i < out->line.n; i++)
		if (out->line.p[i] < ' ' || out->line.p[i] > '~')
			return ST_INVALID;
	return ST_OK;
}

enum status
request_decode(struct span frame, struct request *out)
{
	uint64_t magic, type, frontend, flags, family;

	*out = (struct request){.body_length = -1};
	if (!get_number(&frame, 1, &magic) || magic != REQUEST_MAGIC ||
	    !get_number(&frame, 1, &type) || type < REQUEST_PEER || type > REQUEST_REPORT ||
	    !get_number(&frame, 2, &frontend) || !get_number(&frame, 2, &flags) ||
	    !get_number(&frame, 1, &family) ||
	    !get_octets(&frame, out->address, sizeof(out->address)) ||
	    !get_number(&frame, 8, &out->id))
		return ST_INVALID;
	out->type = (enum request_type)type;
	out->frontend = (uint16_t)frontend;
	out->flags = (uint16_t)flags;
	out->family = (uint8_t)family;
	if (is_dns(out->type))
		return dns_decode(frame, out);
	if (out->type == REQUEST_CHECKED)
		return checked_decode(frame, out);
	if (out->type == REQUEST_REPORT)
		return report_decode(frame, out);
	if (!get_facts(&frame, out))
		return ST_INVALID;
	if ((out->type == REQUEST_ROUTE || out->type == REQUEST_SHADOW) &&
	    !get_span(&frame, FRAME_SIGNERS_BYTES_MAX, &out->signers))
		return ST_INVALID;
	if (is_signing(out->type) && !get_sign_part(&frame, out))
		return ST_INVALID;
	return frame.n == 0 ? ST_OK : ST_INVALID;
}

enum status
reply_encode(const struct reply *reply, struct buf *out)
{
	put_number(out, REPLY_MAGIC, 1);
	put_number(out, (uint64_t)reply->verdict, 1);
	put_number(out, reply->id, 8);
	if (reply->verdict == VERDICT_DNS) {
		put_number(out, (uint64_t)reply->until_ms, 8);
		put_span(out, reply->octets);
		return buf_status(out);
	}
	put_span(out, reply->text);
	if (reply->verdict == VERDICT_VERIFY || reply->verdict == VERDICT_SHADOW)
		put_number(out, reply->trusted, 4);
	if (reply->verdict == VERDICT_SHADOW)
		put_number(out, (uint64_t)reply->would, 1);
	put_number(out, reply->field_count, 1);
	for (size_t i = 0; i < reply->field_count; i++) {
		put_span(out, reply->fields[i].name);
		put_span(out, reply->fields[i].value);
		put_number(out, reply->fields[i].check, 1);
		if (reply->fields[i].check)
			put_span(out, reply->fields[i].key_id);
		if (reply->verdict == VERDICT_SHADOW)
			put_span(out, reply->fields[i].record);
	}
	return buf_status(out);
}

static bool
verdict_known(uint64_t verdict)
{
	return verdict >= VERDICT_PASS && verdict <= VERDICT_SHADOW;
}

static enum status
dns_reply_decode(struct span frame, struct reply *out)
{
	uint64_t until;

	if (!get_number(&frame, 8, &until) || !get_span(&frame, FRAME_DNS_MAX, &out->octets) ||
	    frame.n != 0)
		return ST_INVALID;
	out->until_ms = (int64_t)until;
	out->field_count = 0;
	return ST_OK;
}

static bool
field_decode(struct span *rest, bool shadow, struct reply_field *out)
{
	uint64_t check;

	out->key_id = out->record = SPAN_EMPTY;
	if (!get_span(rest, 256, &out->name) || !get_span(rest, FRAME_MAX, &out->value) ||
	    !get_number(rest, 1, &check) || check > 1)
		return false;
	out->check = check == 1;
	return (!out->check || get_span(rest, CANARY_ID_MAX, &out->key_id)) &&
	       (!shadow || get_span(rest, FRAME_RECORD_MAX, &out->record));
}

enum status
reply_decode(struct span frame, struct reply *out)
{
	uint64_t magic, verdict, count, trusted = 0, would = 0;
	bool shadow;

	if (!get_number(&frame, 1, &magic) || magic != REPLY_MAGIC ||
	    !get_number(&frame, 1, &verdict) || !verdict_known(verdict) ||
	    !get_number(&frame, 8, &out->id))
		return ST_INVALID;
	out->verdict = (enum verdict)verdict;
	out->text = SPAN_EMPTY;
	if (out->verdict == VERDICT_DNS)
		return dns_reply_decode(frame, out);
	shadow = out->verdict == VERDICT_SHADOW;
	if (!get_span(&frame, 1024, &out->text) ||
	    ((verdict == VERDICT_VERIFY || shadow) && !get_number(&frame, 4, &trusted)) ||
	    (shadow && (!get_number(&frame, 1, &would) || would < VERDICT_PASS ||
			   would > VERDICT_QUARANTINE)) ||
	    !get_number(&frame, 1, &count) || count > FRAME_HEADERS_MAX)
		return ST_INVALID;
	out->trusted = (uint32_t)trusted;
	out->would = (enum verdict)would;
	out->field_count = (size_t)count;
	for (size_t i = 0; i < out->field_count; i++)
		if (!field_decode(&frame, shadow, &out->fields[i]))
			return ST_INVALID;
	return frame.n == 0 ? ST_OK : ST_INVALID;
}
