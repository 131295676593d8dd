/*
 * zonerecord_json.c - records for the interfaces of DNS services, and for people who type them in.
 * Called by zonerecord.c. It must never leave out a record of others in a notation that replaces
 * all records of a name.
 */
#include <string.h>

#include "lib/dns/txt.h"
#include "lib/mailauth/zonerecord.h"

void
zone_json_string(struct buf *out, struct span text)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c == '"' || c == '\\')
			buf_add_fmt(out, "\\%c", c);
		else if (c < ' ' || c > 0x7e)
			buf_add_fmt(out, "\\u%04x", c);
		else
			buf_add_char(out, (char)c);
	}
	buf_add_char(out, '"');
}

/* The values of the record set as it should be: those of others, then the new one. as: writes one
 * value as the service has it. */
typedef void value_as(struct span text, bool quoted, struct buf *out);

static void
add_values(const struct zone_record *record, const char *member, const char *more, value_as *as,
    struct buf *out)
{
	bool txt = record->type == ZONE_TXT, first = true;
	struct buf value, name;

	buf_init(&value, out->max);
	buf_init(&name, out->max);
	for (size_t i = 0; i <= record->text_count; i++) {
		if (i < record->text_count && record->texts[i].goes)
			continue;
		buf_reset(&value);
		buf_reset(&name);
		if (i < record->text_count || txt) {
			as(i < record->text_count ? record->texts[i].text : span_str(record->value),
			    true, &value);
		} else {
			zone_value_write(record, " ", &name);
			as(buf_span(&name), false, &value);
		}
		buf_add_fmt(out, "%s{\"%s\": ", first ? "" : ", ", member);
		zone_json_string(out, buf_span(&value));
		buf_add_fmt(out, "%s}", more);
		first = false;
	}
	buf_free(&value);
	buf_free(&name);
}

/* ---- PowerDNS ---- */

static void
as_zone_file(struct span text, bool quoted, struct buf *out)
{
	if (quoted)
		(void)!txt_write(text, TXT_STRING_BYTES_MAX, " ", out);
	else
		buf_add(out, text);
}

void
zone_write_powerdns_json(const struct zone_records *records, struct buf *out)
{
	buf_add_str(out, "{\"rrsets\": [");
	for (size_t i = 0; i < records->count; i++) {
		const struct zone_record *record = &records->items[i];

		buf_add_fmt(out,
		    "%s\n  {\"name\": \"%s.\", \"type\": \"%s\", \"ttl\": %u, \"changetype\": "
		    "\"REPLACE\", \"records\": [",
		    i == 0 ? "" : ",", record->name, zone_type_name(record->type), record->ttl_s);
		add_values(record, "content", ", \"disabled\": false", as_zone_file, out);
		buf_add_str(out, "]}");
	}
	buf_add_str(out, "\n]}\n");
}

/* ---- Route 53 ---- */

/* Strings in quotes; what is not printable is \ and three octal digits there. */
static void
as_route53(struct span text, bool quoted, struct buf *out)
{
	if (!quoted) {
		buf_add(out, text);
		return;
	}
	buf_add_char(out, '"');
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (i > 0 && i % TXT_STRING_BYTES_MAX == 0)
			buf_add_str(out, "\" \"");
		if (c == '"' || c == '\\')
			buf_add_fmt(out, "\\%c", c);
		else if (c < ' ' || c > 0x7e)
			buf_add_fmt(out, "\\%03o", c);
		else
			buf_add_char(out, (char)c);
	}
	buf_add_char(out, '"');
}

void
zone_write_route53(const struct zone_records *records, struct buf *out)
{
	buf_add_fmt(out, "{\"Comment\": \"mail of %s\", \"Changes\": [", records->domain);
	for (size_t i = 0; i < records->count; i++) {
		const struct zone_record *record = &records->items[i];

		buf_add_fmt(out,
		    "%s\n  {\"Action\": \"UPSERT\", \"ResourceRecordSet\": {\"Name\": \"%s.\", "
		    "\"Type\": \"%s\", \"TTL\": %u, \"ResourceRecords\": [",
		    i == 0 ? "" : ",", record->name, zone_type_name(record->type), record->ttl_s);
		add_values(record, "Value", "", as_route53, out);
		buf_add_str(out, "]}}");
	}
	buf_add_str(out, "\n]}\n");
}

/* ---- our own ---- */

static void
add_texts(const struct zone_record *record, bool go, struct buf *out)
{
	bool first = true;

	for (size_t i = 0; i < record->text_count; i++)
		if (record->texts[i].goes == go) {
			buf_add_str(out, first ? "" : ", ");
			zone_json_string(out, record->texts[i].text);
			first = false;
		}
}

static void
add_strings(const struct zone_record *record, struct buf *out)
{
	struct span value = span_str(record->value);

	for (size_t at = 0; at == 0 || at < value.n; at += TXT_STRING_BYTES_MAX) {
		buf_add_str(out, at == 0 ? "" : ", ");
		zone_json_string(out, span_sub(value, at, TXT_STRING_BYTES_MAX));
	}
}

static const char *
seen_name(enum zone_seen seen)
{
	return seen == ZONE_ABSENT  ? "absent"
	       : seen == ZONE_THERE ? "right"
	       : seen == ZONE_OTHER ? "different"
				    : "unknown";
}

void
zone_write_json(const struct zone_records *records, struct buf *out)
{
	buf_add_fmt(out, "{\"domain\": \"%s\", \"zone\": \"%s\", \"records\": [", records->domain,
	    records->zone);
	for (size_t i = 0; i < records->count; i++) {
		const struct zone_record *record = &records->items[i];

		buf_add_fmt(out,
		    "%s\n  {\"name\": \"%s\", \"relative\": \"%.*s\", \"type\": \"%s\", \"ttl\": "
		    "%u, \"value\": ",
		    i == 0 ? "" : ",", record->name,
		    SPAN_ARG(zone_record_relative(records, record)), zone_type_name(record->type),
		    record->ttl_s);
		zone_json_string(out, span_str(record->value));
		buf_add_str(out, ", \"strings\": [");
		add_strings(record, out);
		buf_add_str(out, "], \"what\": ");
		zone_json_string(out, span_str(record->what));
		buf_add_fmt(
		    out, ", \"published\": \"%s\", \"replaces\": [", seen_name(record->seen));
		add_texts(record, true, out);
		buf_add_str(out, "], \"beside\": [");
		add_texts(record, false, out);
		buf_add_str(out, "]}");
	}
	buf_add_str(out, "\n]}\n");
}

/* ---- a web form ---- */

static void
write_form_record(const struct zone_records *records, size_t at, struct buf *out)
{
	const struct zone_record *record = &records->items[at];
	size_t n = strlen(record->value);

	buf_add_fmt(out, "%s%zu. %s%s\n", at == 0 ? "" : "\n", at + 1, record->what,
	    record->seen == ZONE_THERE ? " (is there already)" : "");
	for (size_t i = 0; i < record->text_count; i++)
		if (record->texts[i].goes && record->seen == ZONE_OTHER) {
			buf_add_str(out, "   In place of  ");
			(void)!txt_write(record->texts[i].text, TXT_STRING_BYTES_MAX, " ", out);
			buf_add_char(out, '\n');
		}
	buf_add_fmt(out, "   Name      %.*s\n   or, whole %s\n   Type      %s\n   TTL       %u\n",
	    SPAN_ARG(zone_record_relative(records, record)), record->name,
	    zone_type_name(record->type), record->ttl_s);
	buf_add_str(out, "   Value     ");
	buf_add_fmt(out, "%s\n", record->value);
	if (record->type != ZONE_TXT)
		return;
	buf_add_str(out, "   in quotes ");
	zone_value_write(record, " ", out);
	buf_add_char(out, '\n');
	if (n > TXT_STRING_BYTES_MAX)
		buf_add_fmt(out,
		    "   The value has %zu octets. If the form takes 255 only, type in the line in "
		    "quotes,\n   with them and the blank between; most forms cut the first line up "
		    "themselves.\n",
		    n);
}

void
zone_write_form(const struct zone_records *records, struct buf *out)
{
	buf_add_fmt(out,
	    "Records for the zone %s. \"@\" is the zone itself; some forms want the "
	    "field empty for it.\nType in the value, or the line in quotes if the form "
	    "asks for quotes; not both.\n\n",
	    records->zone);
	for (size_t i = 0; i < records->count; i++)
		write_form_record(records, i, out);
}
