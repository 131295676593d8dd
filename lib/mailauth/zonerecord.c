/*
 * zonerecord.c - a list of records, and the notations that are lines: zone file, nsupdate,
 * pdnsutil. Called by signpost zone. It must never take away a record of others at a name (a site's
 * proof of ownership stands beside SPF), nor write what came from DNS so that it ends a line or a
 * string.
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dns/txt.h"
#include "lib/mailauth/zonerecord.h"

/* ---- the list ---- */

void
zone_records_begin(struct zone_records *records, struct span domain, struct span zone)
{
	*records =
	    (struct zone_records){.domain = span_dup_lower(domain), .zone = span_dup_lower(zone)};
}

static void
record_free(struct zone_record *record)
{
	for (size_t i = 0; i < record->text_count; i++)
		mem_free((void *)(uintptr_t)record->texts[i].text.p);
	mem_free(record->texts);
	mem_free(record->name);
	mem_free(record->value);
	mem_free(record->what);
}

void
zone_records_free(struct zone_records *records)
{
	for (size_t i = 0; i < records->count; i++)
		record_free(&records->items[i]);
	mem_free(records->items);
	mem_free(records->domain);
	mem_free(records->zone);
	*records = (struct zone_records){.count = 0};
}

struct zone_record *
zone_records_add(struct zone_records *records, enum zone_type type, struct span name,
    struct span value, uint32_t ttl_s, const char *what)
{
	struct zone_record *record;

	if (records->count == records->room) {
		records->room = records->room == 0 ? 16 : records->room * 2;
		records->items = mem_resize(records->items, records->room, sizeof(*records->items));
	}
	record = &records->items[records->count++];
	*record = (struct zone_record){.name = span_dup_lower(name),
	    .type = type,
	    .value = span_dup(value),
	    .what = mem_strdup(what),
	    .ttl_s = ttl_s,
	    .exact = true};
	return record;
}

void
zone_record_add_text(struct zone_record *record, struct span text, bool goes)
{
	record->texts = mem_resize(record->texts, record->text_count + 1, sizeof(*record->texts));
	record->texts[record->text_count++] =
	    (struct zone_text){.text = span_of(span_dup(text), text.n), .goes = goes};
}

struct span
zone_record_relative(const struct zone_records *records, const struct zone_record *record)
{
	struct span name = span_str(record->name), zone = span_str(records->zone);

	if (name.n <= zone.n)
		return SPAN_LIT("@");
	return span_sub(name, 0, name.n - zone.n - 1);
}

enum status
zone_notation_by_name(struct span name, enum zone_notation *out)
{
	static const char *const names[] = {
	    "bind", "nsupdate", "powerdns", "powerdns-json", "route53", "form", "json"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_eq_str(name, names[i])) {
			*out = (enum zone_notation)i;
			return ST_OK;
		}
	return ST_ABSENT;
}

const char *
zone_type_name(enum zone_type type)
{
	return type == ZONE_TXT ? "TXT" : type == ZONE_MX ? "MX" : "CNAME";
}

void
zone_value_write(const struct zone_record *record, const char *between, struct buf *out)
{
	if (record->type == ZONE_TXT)
		(void)!txt_write(span_str(record->value), TXT_STRING_BYTES_MAX, between, out);
	else
		buf_add_fmt(out, "%s%s", record->value, record->type == ZONE_CNAME ? "." : "");
}

static void
add_text(struct span text, struct buf *out)
{
	(void)!txt_write(text, TXT_STRING_BYTES_MAX, " ", out);
}

/* ---- lines of a zone file ---- */

static void
write_bind_record(const struct zone_record *record, struct buf *out)
{
	bool longer = strlen(record->value) > TXT_STRING_BYTES_MAX;

	buf_add_fmt(out, "; %s\n", record->what);
	for (size_t i = 0; i < record->text_count; i++)
		if (record->texts[i].goes && record->seen == ZONE_OTHER) {
			buf_add_fmt(out, "; take this one out: %s. TXT ", record->name);
			add_text(record->texts[i].text, out);
			buf_add_char(out, '\n');
		}
	if (record->seen == ZONE_THERE)
		buf_add_str(out, "; is there already: ");
	buf_add_fmt(
	    out, "%s.\t%u\tIN\t%s\t", record->name, record->ttl_s, zone_type_name(record->type));
	if (longer)
		buf_add_str(out, "( ");
	zone_value_write(record, record->seen == ZONE_THERE ? " " : "\n\t\t", out);
	buf_add_str(out, longer ? " )\n" : "\n");
}

/* ---- nsupdate ---- */

/* What was seen has to be there still, as a whole; else nothing is changed. */
static void
write_prerequisite(const struct zone_record *record, struct buf *out)
{
	const char *type = zone_type_name(record->type);

	if (record->text_count == 0) {
		buf_add_fmt(out, "prereq nxrrset %s. IN %s\n", record->name, type);
	} else if (!record->exact) {
		buf_add_fmt(out, "prereq yxrrset %s. IN %s\n", record->name, type);
	} else {
		for (size_t i = 0; i < record->text_count; i++) {
			buf_add_fmt(out, "prereq yxrrset %s. IN TXT ", record->name);
			add_text(record->texts[i].text, out);
			buf_add_char(out, '\n');
		}
	}
}

static void
write_change(const struct zone_record *record, struct buf *out)
{
	if (!record->exact)
		buf_add_fmt(out, "update delete %s. IN TXT\n", record->name);
	for (size_t i = 0; i < record->text_count; i++) {
		if (record->texts[i].goes == !record->exact)
			continue;
		if (record->exact)
			buf_add_fmt(out, "update delete %s. IN TXT ", record->name);
		else
			buf_add_fmt(out, "update add %s. %u IN TXT ", record->name, record->ttl_s);
		add_text(record->texts[i].text, out);
		buf_add_char(out, '\n');
	}
	buf_add_fmt(out, "update add %s. %u IN %s ", record->name, record->ttl_s,
	    zone_type_name(record->type));
	zone_value_write(record, " ", out);
	buf_add_char(out, '\n');
}

static void
write_nsupdate(const struct zone_records *records, struct buf *out)
{
	size_t changes = 0;

	for (size_t i = 0; i < records->count; i++)
		if (records->items[i].seen == ZONE_THERE)
			buf_add_fmt(out, "; is there already: %s\n", records->items[i].name);
		else
			changes++;
	if (changes == 0)
		return;
	buf_add_fmt(out, "zone %s.\n", records->zone);
	for (size_t i = 0; i < records->count; i++)
		if (records->items[i].seen != ZONE_THERE)
			write_prerequisite(&records->items[i], out);
	for (size_t i = 0; i < records->count; i++)
		if (records->items[i].seen != ZONE_THERE) {
			buf_add_fmt(out, "; %s\n", records->items[i].what);
			write_change(&records->items[i], out);
		}
	buf_add_str(out, "send\nanswer\n");
}

/* ---- pdnsutil ---- */

/* 'TEXT' for a shell. */
static void
add_word(struct span text, struct buf *out)
{
	buf_add_char(out, '\'');
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\'')
			buf_add_str(out, "'\\''");
		else
			buf_add_char(out, text.p[i]);
	buf_add_char(out, '\'');
}

static void
write_pdnsutil(
    const struct zone_records *records, const struct zone_record *record, struct buf *out)
{
	struct span relative = zone_record_relative(records, record);
	struct buf value;

	if (record->seen == ZONE_THERE) {
		buf_add_fmt(out, "# is there already: %s\n", record->name);
		return;
	}
	buf_init(&value, out->max);
	buf_add_fmt(out, "# %s\npdnsutil replace-rrset '%s' '%.*s' %s %u", record->what,
	    records->zone, SPAN_ARG(relative), zone_type_name(record->type), record->ttl_s);
	for (size_t i = 0; i < record->text_count; i++)
		if (!record->texts[i].goes) {
			buf_reset(&value);
			add_text(record->texts[i].text, &value);
			buf_add_char(out, ' ');
			add_word(buf_span(&value), out);
		}
	buf_reset(&value);
	zone_value_write(record, " ", &value);
	buf_add_char(out, ' ');
	add_word(buf_span(&value), out);
	buf_add_char(out, '\n');
	buf_free(&value);
}

/* ---- all ---- */

/* Names with a label of ours ("_dmarc", "_domainkey") hold nothing else. */
static enum status
may_replace(const struct zone_records *records, enum zone_notation notation, struct err *err)
{
	if (notation != ZONE_POWERDNS && notation != ZONE_POWERDNS_JSON && notation != ZONE_ROUTE53)
		return ST_OK;
	for (size_t i = 0; i < records->count; i++)
		if (records->items[i].seen == ZONE_UNKNOWN &&
		    strchr(records->items[i].name, '_') == NULL) {
			err_set(err,
			    "%s: this notation replaces all %s records of a name, and what is "
			    "there now is not known; ask DNS, or take bind, nsupdate or form",
			    records->items[i].name, zone_type_name(records->items[i].type));
			return ST_DENIED;
		}
	return ST_OK;
}

enum status
zone_records_write(const struct zone_records *records, enum zone_notation notation, struct buf *out,
    struct err *err)
{
	enum status status = may_replace(records, notation, err);

	if (status != ST_OK)
		return status;
	switch (notation) {
	case ZONE_BIND:
		for (size_t i = 0; i < records->count; i++)
			write_bind_record(&records->items[i], out);
		break;
	case ZONE_NSUPDATE:
		write_nsupdate(records, out);
		break;
	case ZONE_POWERDNS:
		for (size_t i = 0; i < records->count; i++)
			write_pdnsutil(records, &records->items[i], out);
		break;
	case ZONE_POWERDNS_JSON:
		zone_write_powerdns_json(records, out);
		break;
	case ZONE_ROUTE53:
		zone_write_route53(records, out);
		break;
	case ZONE_FORM:
		zone_write_form(records, out);
		break;
	case ZONE_JSON:
		zone_write_json(records, out);
		break;
	}
	if (buf_status(out) != ST_OK)
		err_set(err, "the output is bigger than %zu octets", out->max);
	return buf_status(out);
}
