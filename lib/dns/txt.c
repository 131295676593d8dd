/*
 * txt.c - TXT record values to and from the form of zone files.
 * Tools print records with it and fake.c reads them. It must never lose or change an octet.
 */
#include "lib/dns/txt.h"

static void
add_octet(struct buf *out, unsigned char c)
{
	if (c == '"' || c == '\\') {
		buf_add_char(out, '\\');
		buf_add_char(out, (char)c);
	} else if (c < ' ' || c > 0x7e) {
		buf_add_fmt(out, "\\%03u", c);
	} else {
		buf_add_char(out, (char)c);
	}
}

enum status
txt_write(struct span record, size_t string_bytes, const char *between, struct buf *out)
{
	size_t at = 0;

	if (string_bytes == 0 || string_bytes > TXT_STRING_BYTES_MAX)
		string_bytes = TXT_STRING_BYTES_MAX;
	do {
		struct span string = span_sub(record, at, string_bytes);

		if (at > 0)
			buf_add_str(out, between);
		buf_add_char(out, '"');
		for (size_t i = 0; i < string.n; i++)
			add_octet(out, (unsigned char)string.p[i]);
		buf_add_char(out, '"');
		at += string.n;
	} while (at < record.n);
	return buf_status(out);
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What stands behind a backslash; *at is on it and goes behind. */
static bool
take_escape(struct span text, size_t *at, char *c_out)
{
	unsigned int value = 0;

	if (*at >= text.n)
		return false;
	if (!is_digit(text.p[*at])) {
		*c_out = text.p[(*at)++];
		return true;
	}
	for (int i = 0; i < 3; i++, (*at)++) {
		if (*at >= text.n || !is_digit(text.p[*at]))
			return false;
		value = value * 10 + (unsigned int)(text.p[*at] - '0');
	}
	*c_out = (char)(unsigned char)value;
	return value <= 255;
}

/* One string that begins at *at; its octets go to out. */
static enum status
take_string(struct span text, size_t *at, struct buf *out, size_t *bytes_out, struct err *err)
{
	bool quoted = text.p[*at] == '"';
	size_t bytes = 0;

	for (*at += quoted; *at < text.n; bytes++) {
		char c = text.p[(*at)++];

		if (quoted ? c == '"' : ascii_blank(c)) {
			*bytes_out = bytes;
			return ST_OK;
		}
		if (c == '\\' && !take_escape(text, at, &c)) {
			err_set(err, "a broken escape at octet %zu", *at);
			return ST_INVALID;
		}
		buf_add_char(out, c);
	}
	*bytes_out = bytes;
	if (!quoted)
		return ST_OK;
	err_set(err, "a quoted string does not end");
	return ST_INVALID;
}

enum status
txt_read(struct span text, struct buf *out, struct txt_shape *shape_out, struct err *err)
{
	struct txt_shape shape = {.strings = 0};
	enum status status = ST_OK;
	size_t at = 0, bytes = 0;

	while (status == ST_OK && at < text.n) {
		if (ascii_blank(text.p[at])) {
			at++;
			continue;
		}
		status = take_string(text, &at, out, &bytes, err);
		if (status == ST_OK && bytes > TXT_STRING_BYTES_MAX) {
			err_set(err, "a string of %zu octets; at most %u are allowed", bytes,
			    TXT_STRING_BYTES_MAX);
			status = ST_INVALID;
		}
		shape.strings++;
		if (bytes > shape.string_bytes_max)
			shape.string_bytes_max = bytes;
	}
	if (status == ST_OK && shape.strings == 0) {
		err_set(err, "there is no string");
		status = ST_INVALID;
	}
	if (shape_out != NULL)
		*shape_out = shape;
	return status == ST_OK ? buf_status(out) : status;
}
