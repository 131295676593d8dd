/*
 * decode.c - octets of the MTA in, events out: the first thing that touches hostile mail.
 * The front-end feeds it what it read from a connection and hands each event to the session.
 * A packet that lies in the input in one piece is not copied; one that comes in parts is kept up to
 * packet_max; a body and a header field that is too long are never kept. It must never show a span
 * that was not checked to lie in the packet, nor hold memory between packets.
 */
#include <string.h>

#include "daemon/milter/milter.h"

#define HEAD_BYTES (MILTER_LENGTH_BYTES + 1)
#define SKIPPED_NAME_MAX 48u /* octets; a longer name of a field that is too long is none */

bool
milter_args_next(struct milter_args *args, struct span *arg_out)
{
	size_t end = span_find(args->rest, '\0');

	if (end == SIZE_MAX)
		return false;
	*arg_out = span_sub(args->rest, 0, end);
	args->rest = span_from(args->rest, end + 1);
	return true;
}

bool
milter_macros_next(struct milter_args *pairs, struct span *name_out, struct span *value_out)
{
	return milter_args_next(pairs, name_out) && milter_args_next(pairs, value_out);
}

static uint32_t
get_u32(const char *p)
{
	const uint8_t *u = (const uint8_t *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

/* The number of strings when the data is nothing but NUL-terminated strings; SIZE_MAX when the last
 * one has no end. */
static size_t
count_strings(struct span data)
{
	struct milter_args args = {data};
	struct span arg;
	size_t n = 0;

	while (milter_args_next(&args, &arg))
		n++;
	return args.rest.n == 0 ? n : SIZE_MAX;
}

static bool
parse_one_string(struct span data, struct span *text_out)
{
	struct milter_args args = {data};

	return count_strings(data) == 1 && milter_args_next(&args, text_out);
}

/* Trailing octets are ignored, as libmilter does: a later version may send more. */
static bool
parse_optneg(struct span data, struct milter_event *event)
{
	if (data.n < MILTER_OPTNEG_BYTES)
		return false;
	event->u.optneg = (struct milter_options){.version = get_u32(data.p),
	    .actions = get_u32(data.p + 4),
	    .protocol = get_u32(data.p + 8)};
	return true;
}

static bool
parse_macro(struct span data, struct milter_event *event)
{
	size_t n;

	if (data.n == 0)
		return false;
	event->u.macro.command = data.p[0];
	event->u.macro.pairs.rest = span_from(data, 1);
	n = count_strings(event->u.macro.pairs.rest);
	return n != SIZE_MAX && n % 2 == 0;
}

static bool
parse_connect(struct span data, struct milter_event *event)
{
	struct milter_args args = {data};
	struct span rest;

	if (!milter_args_next(&args, &event->u.connect.host) || args.rest.n == 0)
		return false;
	event->u.connect.family = args.rest.p[0];
	event->u.connect.port = 0;
	event->u.connect.address = SPAN_EMPTY;
	rest = span_from(args.rest, 1);
	if (event->u.connect.family == SMFIA_UNKNOWN)
		return true;
	if (event->u.connect.family != SMFIA_UNIX && event->u.connect.family != SMFIA_INET &&
	    event->u.connect.family != SMFIA_INET6)
		return false;
	if (rest.n < 3)
		return false;
	event->u.connect.port = (uint16_t)((uint8_t)rest.p[0] << 8 | (uint8_t)rest.p[1]);
	return parse_one_string(span_from(rest, 2), &event->u.connect.address);
}

static bool
parse_helo(struct span data, struct milter_event *event)
{
	return parse_one_string(data, &event->u.helo);
}

static bool
parse_unknown(struct span data, struct milter_event *event)
{
	return parse_one_string(data, &event->u.unknown);
}

/* MAIL and RCPT share their layout. */
static bool
parse_envelope(struct span data, struct milter_event *event)
{
	size_t n = count_strings(data);

	event->u.mail.args.rest = data;
	return n != SIZE_MAX && n > 0 &&
	       milter_args_next(&event->u.mail.args, &event->u.mail.address);
}

static bool
parse_header(struct span data, struct milter_event *event)
{
	struct milter_args args = {data};

	event->u.header.too_big = false;
	return count_strings(data) == 2 && milter_args_next(&args, &event->u.header.name) &&
	       milter_args_next(&args, &event->u.header.value);
}

static bool
parse_body(struct span data, struct milter_event *event)
{
	event->u.body.data = data;
	event->u.body.more = false;
	return true;
}

static bool
parse_eom(struct span data, struct milter_event *event)
{
	event->u.eom.data = data;
	return true;
}

/* Commands without data; what an MTA sends all the same is ignored. */
static bool
parse_nothing(struct span data, struct milter_event *event)
{
	(void)data;
	(void)event;
	return true;
}

static const struct command {
	char letter;
	enum milter_event_type type;
	bool (*parse)(struct span data, struct milter_event *event);
	const char *name;
} commands[] = {
    {SMFIC_BODY, MILTER_BODY, parse_body, "BODY"},
    {SMFIC_HEADER, MILTER_HEADER, parse_header, "HEADER"},
    {SMFIC_MACRO, MILTER_MACRO, parse_macro, "MACRO"},
    {SMFIC_RCPT, MILTER_RCPT, parse_envelope, "RCPT"},
    {SMFIC_MAIL, MILTER_MAIL, parse_envelope, "MAIL"},
    {SMFIC_BODYEOB, MILTER_EOM, parse_eom, "end of message"},
    {SMFIC_EOH, MILTER_EOH, parse_nothing, "end of headers"},
    {SMFIC_ABORT, MILTER_ABORT, parse_nothing, "ABORT"},
    {SMFIC_DATA, MILTER_DATA, parse_nothing, "DATA"},
    {SMFIC_HELO, MILTER_HELO, parse_helo, "HELO"},
    {SMFIC_CONNECT, MILTER_CONNECT, parse_connect, "CONNECT"},
    {SMFIC_OPTNEG, MILTER_OPTNEG, parse_optneg, "option negotiation"},
    {SMFIC_QUIT, MILTER_QUIT, parse_nothing, "QUIT"},
    {SMFIC_QUIT_NC, MILTER_QUIT_NC, parse_nothing, "QUIT_NC"},
    {SMFIC_UNKNOWN, MILTER_UNKNOWN, parse_unknown, "UNKNOWN"},
};

static const struct command *
find_command(uint8_t letter)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if ((uint8_t)commands[i].letter == letter)
			return &commands[i];
	return NULL;
}

void
milter_decoder_init(struct milter_decoder *dec, size_t packet_max)
{
	*dec = (struct milter_decoder){.packet_max = packet_max};
	buf_init(&dec->held, packet_max);
}

void
milter_decoder_free(struct milter_decoder *dec)
{
	buf_free(&dec->held);
	dec->held_out = false;
}

size_t
milter_decoder_held(const struct milter_decoder *dec)
{
	return dec->held.n;
}

static enum status
broken(struct milter_decoder *dec)
{
	milter_decoder_free(dec);
	dec->broken = true;
	return ST_INVALID;
}

static struct span
take(struct span *input, size_t n)
{
	struct span taken = span_sub(*input, 0, n);

	*input = span_from(*input, taken.n);
	return taken;
}

/* Length and letter. The letter counts in the length. */
static enum status
take_head(struct milter_decoder *dec, struct span *input, struct err *err)
{
	struct span part = take(input, HEAD_BYTES - dec->head_n);
	const struct command *command;
	uint32_t length;

	if (part.n > 0)
		memcpy(dec->head + dec->head_n, part.p, part.n);
	dec->head_n += part.n;
	if (dec->head_n < HEAD_BYTES)
		return ST_ABSENT;
	length = get_u32((const char *)dec->head);
	command = find_command(dec->head[4]);
	if (length == 0 || length > MILTER_LENGTH_MAX) {
		err_set(err, "milter: the MTA sent a packet of impossible length %u",
		    (unsigned int)length);
		return broken(dec);
	}
	if (command == NULL) {
		err_set(err, "milter: the MTA sent an unknown command 0x%02x", dec->head[4]);
		return broken(dec);
	}
	if (length > dec->packet_max && command->letter != SMFIC_BODY &&
	    command->letter != SMFIC_BODYEOB && command->letter != SMFIC_HEADER) {
		err_set(err, "milter: the MTA sent a %s packet of %u octets, the limit is %zu",
		    command->name, (unsigned int)length, dec->packet_max);
		return broken(dec);
	}
	dec->left = length - 1;
	return ST_OK;
}

static enum status
finish_packet(struct milter_decoder *dec, const struct command *command, struct span data,
    struct milter_event *event_out, struct err *err)
{
	dec->head_n = 0;
	dec->left = 0;
	event_out->type = command->type;
	if (command->parse(data, event_out))
		return ST_OK;
	err_set(err, "milter: the MTA sent a malformed %s packet of %zu octets", command->name,
	    data.n + 1);
	return broken(dec);
}

/* What has arrived of a body is shown at once. */
static enum status
stream_body(struct milter_decoder *dec, struct span *input, struct milter_event *event_out)
{
	struct span data = take(input, dec->left);

	if (data.n == 0)
		return ST_ABSENT;
	dec->left -= data.n;
	event_out->type = MILTER_BODY;
	event_out->u.body.data = data;
	event_out->u.body.more = true;
	return ST_OK;
}

/* Skips the data of a header field that is too long, but for its name. */
static enum status
skip_header(struct milter_decoder *dec, struct span *input, struct milter_event *event_out)
{
	size_t most = dec->packet_max > SKIPPED_NAME_MAX ? SKIPPED_NAME_MAX : dec->packet_max - 1;
	struct span part = take(input, dec->left), name;
	size_t end;

	dec->left -= part.n;
	if (dec->held.n < most)
		buf_add(&dec->held, span_sub(part, 0, most - dec->held.n));
	if (dec->left > 0)
		return ST_ABSENT;
	dec->head_n = 0;
	dec->held_out = true;
	name = buf_span(&dec->held);
	end = span_find(name, '\0');
	event_out->type = MILTER_HEADER;
	event_out->u.header.name = end == SIZE_MAX ? SPAN_EMPTY : span_sub(name, 0, end);
	event_out->u.header.value = SPAN_EMPTY;
	event_out->u.header.too_big = true;
	return ST_OK;
}

/* Keeps a part; once the packet is whole it is shown from here and freed by the next call. */
static enum status
hold_part(struct milter_decoder *dec, const struct command *command, struct span *input,
    struct milter_event *event_out, struct err *err)
{
	struct span part = take(input, dec->left);

	if (part.n == 0)
		return ST_ABSENT;
	buf_add(&dec->held, part);
	dec->left -= part.n;
	if (dec->left > 0)
		return ST_ABSENT;
	dec->held_out = true;
	return finish_packet(dec, command, buf_span(&dec->held), event_out, err);
}

enum status
milter_decoder_next(
    struct milter_decoder *dec, struct span *input, struct milter_event *event_out, struct err *err)
{
	const struct command *command;
	enum status status;

	if (dec->broken) {
		err_set(err, "milter: the connection has broken the protocol before");
		return ST_INVALID;
	}
	if (dec->held_out)
		milter_decoder_free(dec);
	if (dec->head_n < HEAD_BYTES) {
		status = take_head(dec, input, err);
		if (status != ST_OK)
			return status;
	}
	command = find_command(dec->head[4]);
	if (get_u32((const char *)dec->head) > dec->packet_max && command->letter == SMFIC_HEADER)
		return skip_header(dec, input, event_out);
	if (dec->held.n == 0 && input->n >= dec->left)
		return finish_packet(dec, command, take(input, dec->left), event_out, err);
	if (command->letter == SMFIC_BODY || command->letter == SMFIC_BODYEOB)
		return stream_body(dec, input, event_out);
	return hold_part(dec, command, input, event_out, err);
}
