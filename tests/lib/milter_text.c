/*
 * milter_text.c - what a decoder saw, as text. Used by the unit tests and the fuzz target of the
 * codec. It must copy every chunk into memory of its own, so that AddressSanitizer sees each octet
 * read beyond it or after its time.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "tests/lib/milter_text.h"

#define TEXT_MAX (64U << 20)

void
milter_text_init(struct milter_text *t)
{
	buf_init(&t->text, TEXT_MAX);
	buf_init(&t->body, TEXT_MAX);
}

void
milter_text_free(struct milter_text *t)
{
	buf_free(&t->text);
	buf_free(&t->body);
}

static void
add_octets(struct buf *buf, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~' || s.p[i] == '\\' || s.p[i] == '|')
			buf_add_fmt(buf, "\\%02x", (unsigned int)(uint8_t)s.p[i]);
		else
			buf_add_char(buf, s.p[i]);
}

static void
add_field(struct buf *buf, struct span s)
{
	buf_add_char(buf, '|');
	add_octets(buf, s);
}

static void
add_args(struct buf *buf, struct milter_args args)
{
	struct span arg;

	while (milter_args_next(&args, &arg))
		add_field(buf, arg);
}

static void
add_connect(struct buf *buf, const struct milter_event *event)
{
	buf_add_str(buf, "connect");
	add_field(buf, event->u.connect.host);
	buf_add_fmt(buf, "|%c|%u", event->u.connect.family, (unsigned int)event->u.connect.port);
	add_field(buf, event->u.connect.address);
}

static void
add_macros(struct buf *buf, const struct milter_event *event)
{
	struct milter_args pairs = event->u.macro.pairs;
	struct span name;
	struct span value;

	buf_add_str(buf, "macro");
	add_field(buf, span_of(&event->u.macro.command, 1));
	while (milter_macros_next(&pairs, &name, &value)) {
		add_field(buf, name);
		buf_add_char(buf, '=');
		add_octets(buf, value);
	}
}

static void
add_body_end(struct milter_text *t, const char *what, struct span last)
{
	buf_add(&t->body, last);
	buf_add_str(&t->text, what);
	add_field(&t->text, buf_span(&t->body));
	buf_reset(&t->body);
}

static void
add_event(struct milter_text *t, const struct milter_event *event)
{
	struct buf *buf = &t->text;

	switch (event->type) {
	case MILTER_OPTNEG:
		buf_add_fmt(buf, "optneg %u 0x%x 0x%x", (unsigned int)event->u.optneg.version,
		    (unsigned int)event->u.optneg.actions, (unsigned int)event->u.optneg.protocol);
		break;
	case MILTER_MACRO:
		add_macros(buf, event);
		break;
	case MILTER_CONNECT:
		add_connect(buf, event);
		break;
	case MILTER_HELO:
		buf_add_str(buf, "helo");
		add_field(buf, event->u.helo);
		break;
	case MILTER_MAIL:
	case MILTER_RCPT:
		buf_add_str(buf, event->type == MILTER_MAIL ? "mail" : "rcpt");
		add_field(buf, event->u.mail.address);
		add_args(buf, event->u.mail.args);
		break;
	case MILTER_HEADER:
		buf_add_str(buf, event->u.header.too_big ? "header too big" : "header");
		add_field(buf, event->u.header.name);
		add_field(buf, event->u.header.value);
		break;
	case MILTER_BODY:
		add_body_end(t, "body", event->u.body.data);
		break;
	case MILTER_EOM:
		add_body_end(t, "eom", event->u.eom.data);
		break;
	case MILTER_UNKNOWN:
		buf_add_str(buf, "unknown");
		add_field(buf, event->u.unknown);
		break;
	case MILTER_DATA:
		buf_add_str(buf, "data");
		break;
	case MILTER_EOH:
		buf_add_str(buf, "eoh");
		break;
	case MILTER_ABORT:
		buf_add_str(buf, "abort");
		break;
	case MILTER_QUIT:
		buf_add_str(buf, "quit");
		break;
	case MILTER_QUIT_NC:
		buf_add_str(buf, "quit_nc");
		break;
	}
	buf_add_char(buf, '\n');
}

void
milter_text_add(struct milter_text *t, const struct milter_event *event)
{
	if (event->type == MILTER_BODY && event->u.body.more)
		buf_add(&t->body, event->u.body.data);
	else
		add_event(t, event);
}

/* One chunk, until the decoder wants more. */
static enum status
feed_chunk(struct milter_text *t, struct milter_decoder *dec, struct span chunk)
{
	struct milter_event event;
	struct err err = ERR_NONE;
	enum status status;

	while ((status = milter_decoder_next(dec, &chunk, &event, &err)) == ST_OK)
		milter_text_add(t, &event);
	if (status == ST_INVALID)
		buf_add_str(&t->text, "invalid\n");
	if ((status == ST_INVALID) != (err.text[0] != '\0') || (status == ST_ABSENT && chunk.n > 0))
		abort();
	return status;
}

size_t
milter_text_feed(struct milter_text *t, struct span input, size_t packet_max,
    size_t (*next_size)(void *context), void *context)
{
	struct milter_decoder dec;
	enum status status = ST_ABSENT;
	size_t held_max = 0;

	milter_decoder_init(&dec, packet_max);
	while (status == ST_ABSENT && input.n > 0) {
		size_t size = next_size == NULL ? input.n : next_size(context);
		struct span chunk = span_sub(input, 0, size == 0 ? 1 : size);
		char *copy = mem_alloc(chunk.n);

		memcpy(copy, chunk.p, chunk.n);
		status = feed_chunk(t, &dec, span_of(copy, chunk.n));
		mem_free(copy);
		if (milter_decoder_held(&dec) > held_max)
			held_max = milter_decoder_held(&dec);
		input = span_from(input, chunk.n);
	}
	milter_decoder_free(&dec);
	return held_max;
}
