/*
 * publish_write.c - a TXT record in the notations that people and their tools want it in.
 * Called by the operations that show a record ("signpost key show"), and by the manual page's
 * examples. It must never write a record that another program reads as another text, nor one that
 * puts itself in the place of a record that is there.
 */
#include "admin-api/publish_private.h"

struct record {
	struct span name, value;
	uint32_t ttl_s;
};

static void
write_single(const struct record *record, struct buf *out)
{
	buf_add(out, record->value);
}

static void
write_rfc1035(const struct record *record, struct buf *out)
{
	buf_add(out, record->name);
	buf_add_fmt(out, ". %u IN TXT ", (unsigned int)record->ttl_s);
	publish_quote_all(out, record->value, " ");
	buf_add_char(out, '\n');
}

static void
write_bind(const struct record *record, struct buf *out)
{
	buf_add(out, record->name);
	buf_add_fmt(out, ".\t%u\tIN\tTXT\t( ", (unsigned int)record->ttl_s);
	publish_quote_all(out, record->value, "\n\t\t");
	buf_add_str(out, " )\n");
}

static void
write_nsupdate(const struct record *record, struct buf *out)
{
	buf_add_str(out, "prereq nxrrset ");
	buf_add(out, record->name);
	buf_add_str(out, ". IN TXT\nupdate add ");
	write_rfc1035(record, out);
	buf_add_str(out, "send\n");
}

/* CREATE, not UPSERT: it fails where there is a record. */
static void
write_route53(const struct record *record, struct buf *out)
{
	struct buf quoted;

	buf_init(&quoted, 4 * PUBLISH_VALUE_MAX);
	publish_quote_all(&quoted, record->value, " ");
	buf_add_str(out, "{\"Comment\":\"DKIM key\",\"Changes\":[{\"Action\":\"CREATE\","
			 "\"ResourceRecordSet\":{\"Name\":\"");
	buf_add(out, record->name);
	buf_add_fmt(out, ".\",\"Type\":\"TXT\",\"TTL\":%u,\"ResourceRecords\":[{\"Value\":",
	    (unsigned int)record->ttl_s);
	publish_json_string(out, buf_span(&quoted));
	buf_add_str(out, "}]}}]}\n");
	buf_free(&quoted);
}

/* A string of HCL: "${" and "%{" would begin a template. */
static void
add_hcl_escaped(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c == '"' || c == '\\')
			buf_add_char(out, '\\');
		else if ((c == '$' || c == '%') && i + 1 < text.n && text.p[i + 1] == '{')
			buf_add_char(out, c);
		buf_add_char(out, c);
	}
}

/* The provider puts quotes around the text and sends it on, so that a string ends with \"\" and the
 * next begins; what is in them is escaped for a zone file first. */
static void
write_terraform(const struct record *record, struct buf *out)
{
	struct span rest = record->value, string;
	struct buf zone_text;

	buf_init(&zone_text, 4 * PUBLISH_VALUE_MAX);
	buf_add_str(out, "resource \"aws_route53_record\" \"dkim_");
	for (size_t i = 0; i < record->name.n; i++)
		buf_add_char(out, record->name.p[i] == '.' ? '_' : record->name.p[i]);
	buf_add_str(out, "\" {\n  zone_id = var.zone_id\n  name    = \"");
	buf_add(out, record->name);
	buf_add_fmt(out, "\"\n  type    = \"TXT\"\n  ttl     = %u\n  records = [\"",
	    (unsigned int)record->ttl_s);
	while (publish_string_next(&rest, &string)) {
		buf_reset(&zone_text);
		publish_quote(&zone_text, string);
		add_hcl_escaped(out, span_sub(buf_span(&zone_text), 1, zone_text.n - 2));
		if (rest.n > 0)
			buf_add_str(out, "\\\"\\\"");
	}
	buf_add_str(out, "\"]\n}\n");
	buf_free(&zone_text);
}

static void
write_json(const struct record *record, struct buf *out)
{
	struct span rest = record->value, string;

	buf_add_str(out, "{\"name\":\"");
	buf_add(out, record->name);
	buf_add_fmt(
	    out, "\",\"type\":\"TXT\",\"ttl\":%u,\"strings\":[", (unsigned int)record->ttl_s);
	while (publish_string_next(&rest, &string)) {
		publish_json_string(out, string);
		if (rest.n > 0)
			buf_add_char(out, ',');
	}
	buf_add_str(out, "]}\n");
}

static const struct {
	const char *name;
	void (*write)(const struct record *record, struct buf *out);
} notations[PUBLISH_NOTATIONS] = {
    [PUBLISH_SINGLE] = {"single", write_single},
    [PUBLISH_RFC1035] = {"rfc1035", write_rfc1035},
    [PUBLISH_BIND] = {"bind", write_bind},
    [PUBLISH_NSUPDATE] = {"nsupdate", write_nsupdate},
    [PUBLISH_ROUTE53] = {"route53", write_route53},
    [PUBLISH_TERRAFORM] = {"terraform", write_terraform},
    [PUBLISH_JSON] = {"json", write_json},
};

enum status
publish_notation_by_name(struct span name, enum publish_notation *out)
{
	for (size_t i = 0; i < PUBLISH_NOTATIONS; i++) {
		if (span_ieq_str(name, notations[i].name)) {
			*out = (enum publish_notation)i;
			return ST_OK;
		}
	}
	return ST_ABSENT;
}

const char *
publish_notation_name(enum publish_notation notation)
{
	return (size_t)notation < PUBLISH_NOTATIONS ? notations[notation].name : "?";
}

enum status
publish_write(enum publish_notation notation, struct span name, struct span value, uint32_t ttl_s,
    struct buf *out)
{
	struct record record = {name, value, ttl_s};

	if ((size_t)notation >= PUBLISH_NOTATIONS || !publish_name_good(name) ||
	    !publish_value_good(value))
		return ST_INVALID;
	notations[notation].write(&record, out);
	return buf_status(out);
}
