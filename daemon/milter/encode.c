/*
 * encode.c - answers of the filter, octets for the MTA out: the end of a message's way.
 * Called by the session with what the keeper signed and by the front-end for plain replies.
 * Each packet is appended whole or not at all. It must never let a NUL, a bare CR or a line end
 * that is not a fold into a header field: that would be a header of the writer's choice.
 */
#include <string.h>

#include "daemon/milter/milter.h"

static char *
put_octets(char *to, struct span s)
{
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	return to + s.n;
}

static char *
put_u32(char *to, uint32_t value)
{
	to[0] = (char)(value >> 24);
	to[1] = (char)(value >> 16);
	to[2] = (char)(value >> 8);
	to[3] = (char)value;
	return to + 4;
}

static char *
put_string(char *to, struct span s)
{
	to = put_octets(to, s);
	*to = '\0';
	return to + 1;
}

/* Room for a packet with so many octets of data, its head written; NULL: it does not fit. The
 * octets do not count before put_end. */
static char *
put_head(struct buf *buf, char letter, size_t data_bytes)
{
	char *at = NULL;

	if (data_bytes >= MILTER_LENGTH_MAX)
		buf->overflow = true;
	else
		at = buf_reserve(buf, MILTER_LENGTH_BYTES + 1 + data_bytes);
	if (at == NULL)
		return NULL;
	at = put_u32(at, (uint32_t)(data_bytes + 1));
	*at = letter;
	return at + 1;
}

static enum status
put_end(struct buf *buf, const char *end)
{
	buf->n = (size_t)(end - buf->p);
	return ST_OK;
}

static size_t
symlist_bytes(const struct milter_symlist *lists, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += 4 + strlen(lists[i].macros) + 1;
	return bytes;
}

enum status
milter_put_optneg(struct buf *buf, const struct milter_options *agreed,
    const struct milter_symlist *lists, size_t n)
{
	char *at;

	if ((agreed->actions & SMFIF_SETSYMLIST) == 0)
		n = 0;
	at = put_head(buf, SMFIC_OPTNEG, MILTER_OPTNEG_BYTES + symlist_bytes(lists, n));
	if (at == NULL)
		return ST_TOO_BIG;
	at = put_u32(at, agreed->version);
	at = put_u32(at, agreed->actions);
	at = put_u32(at, agreed->protocol);
	for (size_t i = 0; i < n; i++) {
		at = put_u32(at, (uint32_t)lists[i].stage);
		at = put_string(at, span_str(lists[i].macros));
	}
	return put_end(buf, at);
}

enum status
milter_put_reply(struct buf *buf, enum milter_reply reply)
{
	char *at;

	if (strchr("cartdspf4", (int)reply) == NULL || (int)reply == 0)
		return ST_INVALID;
	at = put_head(buf, (char)reply, 0);
	return at == NULL ? ST_TOO_BIG : put_end(buf, at);
}

/* One line of printable ASCII; *percents_out counts the % in it. */
static bool
text_ok(struct span text, size_t *percents_out)
{
	*percents_out = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < ' ' || text.p[i] > '~')
			return false;
		*percents_out += text.p[i] == '%';
	}
	return true;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
code_ok(const char *code)
{
	return (code[0] == '4' || code[0] == '5') && is_digit(code[1]) && is_digit(code[2]) &&
	       code[3] == '\0';
}

/* "class.subject.detail", RFC 3463 2: one digit, then one to three digits twice. */
static bool
xcode_ok(struct span xcode, char class)
{
	struct span rest = xcode;
	struct span part;
	uint64_t value;

	if (!span_cut(&rest, '.', &part) || part.n != 1 || part.p[0] != class)
		return false;
	if (!span_cut(&rest, '.', &part) || part.n > 3 || !span_number(part, 999, &value))
		return false;
	return rest.n <= 3 && span_number(rest, 999, &value);
}

static char *
put_doubling_percent(char *to, struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '%')
			*to++ = '%';
		*to++ = text.p[i];
	}
	return to;
}

enum status
milter_put_replycode(struct buf *buf, const char *code, const char *xcode, const char *text)
{
	struct span x = span_str(xcode);
	struct span t = span_str(text);
	size_t percents;
	char *at;

	if (!code_ok(code) || (xcode != NULL && !xcode_ok(x, code[0])) || !text_ok(t, &percents))
		return ST_INVALID;
	if (t.n > MILTER_REPLY_TEXT_MAX)
		return ST_TOO_BIG;
	at = put_head(buf, SMFIR_REPLYCODE,
	    3 + (x.n > 0 ? 1 + x.n : 0) + (t.n > 0 ? 1 + t.n + percents : 0) + 1);
	if (at == NULL)
		return ST_TOO_BIG;
	at = put_octets(at, span_of(code, 3));
	if (x.n > 0) {
		*at++ = ' ';
		at = put_octets(at, x);
	}
	if (t.n > 0) {
		*at++ = ' ';
		at = put_doubling_percent(at, t);
	}
	return put_end(buf, put_string(at, SPAN_EMPTY));
}

/* RFC 5322 2.2: printable ASCII without the colon. */
static bool
name_ok(struct span name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == ':')
			return false;
	return name.n > 0;
}

/* No NUL, no CR but before LF, no LF but before a blank. *crs_out counts the CR, which are dropped.
 */
static bool
value_ok(struct span value, size_t *crs_out)
{
	*crs_out = 0;
	for (size_t i = 0; i < value.n; i++) {
		char next = i + 1 < value.n ? value.p[i + 1] : '\0';

		if (value.p[i] == '\0' || (value.p[i] == '\r' && next != '\n') ||
		    (value.p[i] == '\n' && next != ' ' && next != '\t'))
			return false;
		*crs_out += value.p[i] == '\r';
	}
	return true;
}

static char *
put_value(char *to, struct span value)
{
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] != '\r')
			*to++ = value.p[i];
	*to++ = '\0';
	return to;
}

/* index NULL: the reply has none. */
static enum status
put_field(struct buf *buf, char letter, const uint32_t *index, struct span name, struct span value)
{
	size_t crs;
	char *at;

	if (!name_ok(name) || !value_ok(value, &crs))
		return ST_INVALID;
	at = put_head(buf, letter, (index != NULL ? 4U : 0U) + name.n + 1 + value.n - crs + 1);
	if (at == NULL)
		return ST_TOO_BIG;
	if (index != NULL)
		at = put_u32(at, *index);
	return put_end(buf, put_value(put_string(at, name), value));
}

enum status
milter_put_insheader(struct buf *buf, uint32_t index, struct span name, struct span value)
{
	return put_field(buf, SMFIR_INSHEADER, &index, name, value);
}

enum status
milter_put_addheader(struct buf *buf, struct span name, struct span value)
{
	return put_field(buf, SMFIR_ADDHEADER, NULL, name, value);
}

enum status
milter_put_chgheader(struct buf *buf, uint32_t index, struct span name, struct span value)
{
	return put_field(buf, SMFIR_CHGHEADER, &index, name, value);
}

enum status
milter_put_quarantine(struct buf *buf, const char *reason)
{
	struct span text = span_str(reason);
	size_t percents;
	char *at;

	if (text.n == 0 || !text_ok(text, &percents))
		return ST_INVALID;
	if (text.n > MILTER_REPLY_TEXT_MAX)
		return ST_TOO_BIG;
	at = put_head(buf, SMFIR_QUARANTINE, text.n + 1);
	return at == NULL ? ST_TOO_BIG : put_end(buf, put_string(at, text));
}
