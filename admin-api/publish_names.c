/*
 * publish_names.c - which names and texts go into DNS, and how a text is written as strings.
 * Called for every change before a publisher sees it, and by everything that writes a record.
 * It must never let an octet through that means something to a zone file, to JSON, or to a shell.
 */
#include "admin-api/publish_private.h"

#define LABEL_MAX 63U /* RFC 1035 section 2.3.4 */

static bool
label_octet(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

bool
publish_name_good(struct span name)
{
	size_t label = 0;

	if (name.n == 0 || name.n > PUBLISH_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!label_octet(name.p[i]) || ++label > LABEL_MAX) {
			return false;
		}
	}
	return label > 0;
}

bool
publish_value_good(struct span value)
{
	if (value.n == 0 || value.n > PUBLISH_VALUE_MAX)
		return false;
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] < ' ' || value.p[i] > '~')
			return false;
	return true;
}

bool
publish_name_within(struct span name, struct span zone)
{
	if (name.n == zone.n)
		return span_ieq(name, zone);
	return name.n > zone.n && name.p[name.n - zone.n - 1] == '.' && span_iends(name, zone);
}

bool
publish_string_next(struct span *rest, struct span *string_out)
{
	*string_out = span_sub(*rest, 0, PUBLISH_STRING_MAX);
	*rest = span_from(*rest, string_out->n);
	return string_out->n > 0;
}

static void
add_escaped(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, text.p[i]);
	}
}

void
publish_quote(struct buf *out, struct span string)
{
	buf_add_char(out, '"');
	add_escaped(out, string);
	buf_add_char(out, '"');
}

void
publish_quote_all(struct buf *out, struct span text, const char *between)
{
	struct span rest = text, string;

	while (publish_string_next(&rest, &string)) {
		publish_quote(out, string);
		if (rest.n > 0)
			buf_add_str(out, between);
	}
}

/* What has to be escaped in a JSON string of printable ASCII is just what has to be in a zone file.
 */
void
publish_json_string(struct buf *out, struct span text)
{
	publish_quote(out, text);
}
