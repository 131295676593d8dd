/*
 * mta.c - the milter protocol seen from the MTA. Used by the unit tests, the fuzz targets and the
 * load generator against any filter. It must judge a filter strictly: what a real MTA might
 * swallow is an error here.
 */
#include <string.h>

#include "tests/lib/mta.h"

static void
put_u32(struct buf *buf, uint32_t value)
{
	buf_add_char(buf, (char)(value >> 24));
	buf_add_char(buf, (char)(value >> 16));
	buf_add_char(buf, (char)(value >> 8));
	buf_add_char(buf, (char)value);
}

static void
put_string(struct buf *buf, const char *text)
{
	buf_add(buf, span_of(text, strlen(text) + 1));
}

static void
put_head(struct buf *buf, char letter, size_t data_bytes)
{
	put_u32(buf, (uint32_t)(data_bytes + 1));
	buf_add_char(buf, letter);
}

void
mta_put(struct buf *buf, enum milter_command command, struct span data)
{
	put_head(buf, (char)command, data.n);
	buf_add(buf, data);
}

void
mta_put_optneg(struct buf *buf, uint32_t version, uint32_t actions, uint32_t protocol)
{
	put_head(buf, SMFIC_OPTNEG, MILTER_OPTNEG_BYTES);
	put_u32(buf, version);
	put_u32(buf, actions);
	put_u32(buf, protocol);
}

void
mta_put_connect(struct buf *buf, const char *host, char family, uint16_t port, const char *address)
{
	bool known = family != SMFIA_UNKNOWN;

	put_head(buf, SMFIC_CONNECT, strlen(host) + 1 + 1 + (known ? 2 + strlen(address) + 1 : 0));
	put_string(buf, host);
	buf_add_char(buf, family);
	if (!known)
		return;
	buf_add_char(buf, (char)(port >> 8));
	buf_add_char(buf, (char)port);
	put_string(buf, address);
}

static size_t
strings_bytes(const char *const *strings, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += strlen(strings[i]) + 1;
	return bytes;
}

void
mta_put_strings(struct buf *buf, enum milter_command command, const char *const *strings, size_t n)
{
	put_head(buf, (char)command, strings_bytes(strings, n));
	for (size_t i = 0; i < n; i++)
		put_string(buf, strings[i]);
}

void
mta_put_macros(struct buf *buf, enum milter_command command, const char *const *strings, size_t n)
{
	put_head(buf, SMFIC_MACRO, 1 + strings_bytes(strings, n));
	buf_add_char(buf, (char)command);
	for (size_t i = 0; i < n; i++)
		put_string(buf, strings[i]);
}

static uint32_t
get_u32(struct span s)
{
	uint32_t value = 0;

	for (size_t i = 0; i < 4; i++)
		value = value << 8 | (uint8_t)s.p[i];
	return value;
}

static bool
take_string(struct span *data, struct span *text_out)
{
	size_t end = span_find(*data, '\0');

	if (end == SIZE_MAX)
		return false;
	*text_out = span_sub(*data, 0, end);
	*data = span_from(*data, end + 1);
	return true;
}

static bool
take_u32(struct span *data, uint32_t *value_out)
{
	if (data->n < 4)
		return false;
	*value_out = get_u32(*data);
	*data = span_from(*data, 4);
	return true;
}

bool
mta_symlist_next(struct span *symlists, uint32_t *stage_out, struct span *macros_out)
{
	return take_u32(symlists, stage_out) && take_string(symlists, macros_out);
}

static bool
parse_optneg(struct span data, struct mta_reply *reply)
{
	struct span rest;
	struct span macros;
	uint32_t stage;

	if (!take_u32(&data, &reply->version) || !take_u32(&data, &reply->actions) ||
	    !take_u32(&data, &reply->protocol))
		return false;
	reply->symlists = data;
	rest = data;
	while (rest.n > 0)
		if (!mta_symlist_next(&rest, &stage, &macros) || stage >= MILTER_STAGES)
			return false;
	return true;
}

static bool
parse_field(struct span data, struct mta_reply *reply)
{
	return take_string(&data, &reply->name) && reply->name.n > 0 &&
	       take_string(&data, &reply->value) && data.n == 0;
}

static bool
parse_indexed_field(struct span data, struct mta_reply *reply)
{
	return take_u32(&data, &reply->index) && parse_field(data, reply);
}

static bool
parse_text(struct span data, struct mta_reply *reply)
{
	return take_string(&data, &reply->text) && data.n == 0;
}

/* An address and perhaps arguments. */
static bool
parse_address(struct span data, struct mta_reply *reply)
{
	struct span args;

	return take_string(&data, &reply->text) &&
	       (data.n == 0 || (take_string(&data, &args) && data.n == 0));
}

static bool
parse_octets(struct span data, struct mta_reply *reply)
{
	reply->text = data;
	return true;
}

static bool
parse_nothing(struct span data, struct mta_reply *reply)
{
	(void)reply;
	return data.n == 0;
}

static const struct reply {
	char code;
	bool final;
	bool (*parse)(struct span data, struct mta_reply *reply);
} replies[] = {
    {SMFIC_OPTNEG, true, parse_optneg},
    {SMFIR_CONTINUE, true, parse_nothing},
    {SMFIR_ACCEPT, true, parse_nothing},
    {SMFIR_REJECT, true, parse_nothing},
    {SMFIR_TEMPFAIL, true, parse_nothing},
    {SMFIR_DISCARD, true, parse_nothing},
    {SMFIR_SKIP, true, parse_nothing},
    {SMFIR_CONN_FAIL, true, parse_nothing},
    {SMFIR_SHUTDOWN, true, parse_nothing},
    {SMFIR_REPLYCODE, true, parse_text},
    {SMFIR_PROGRESS, false, parse_nothing},
    {SMFIR_INSHEADER, false, parse_indexed_field},
    {SMFIR_CHGHEADER, false, parse_indexed_field},
    {SMFIR_ADDHEADER, false, parse_field},
    {SMFIR_QUARANTINE, false, parse_text},
    {SMFIR_ADDRCPT, false, parse_text},
    {SMFIR_DELRCPT, false, parse_text},
    {SMFIR_ADDRCPT_PAR, false, parse_address},
    {SMFIR_CHGFROM, false, parse_address},
    {SMFIR_REPLBODY, false, parse_octets},
};

static const struct reply *
find_reply(char code)
{
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
		if (replies[i].code == code)
			return &replies[i];
	return NULL;
}

bool
mta_reply_is_final(char code)
{
	const struct reply *reply = find_reply(code);

	return reply != NULL && reply->final;
}

enum status
mta_reply_next(struct span *input, struct mta_reply *reply_out, struct err *err)
{
	const struct reply *reply;
	uint32_t length;

	if (input->n < MILTER_LENGTH_BYTES)
		return ST_ABSENT;
	length = get_u32(*input);
	if (length == 0 || length > MTA_REPLY_MAX) {
		err_set(
		    err, "the filter sent a reply of impossible length %u", (unsigned int)length);
		return ST_INVALID;
	}
	if (input->n - MILTER_LENGTH_BYTES < length)
		return ST_ABSENT;
	memset(reply_out, 0, sizeof(*reply_out));
	reply_out->code = input->p[MILTER_LENGTH_BYTES];
	reply = find_reply(reply_out->code);
	if (reply == NULL ||
	    !reply->parse(span_sub(*input, MILTER_LENGTH_BYTES + 1, length - 1), reply_out)) {
		err_set(err, "the filter sent a malformed reply 0x%02x of %u octets",
		    (unsigned int)(uint8_t)reply_out->code, (unsigned int)length);
		return ST_INVALID;
	}
	*input = span_from(*input, MILTER_LENGTH_BYTES + length);
	return ST_OK;
}
