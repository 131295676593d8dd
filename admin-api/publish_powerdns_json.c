/*
 * publish_powerdns_json.c - the JSON of the HTTP API of PowerDNS.
 * Called by publish_powerdns.c. It must never take a record that it cannot read for one of ours,
 * nor overlook one.
 */
#include <jansson.h>

#include "admin-api/publish_powerdns.h"

#define ERROR_SHOWN_MAX 200U

/* ---- the content of a TXT record: strings in quotes, as in a zone file ---- */

/* What is behind a backslash: an octet, or three digits. false: neither. */
static bool
read_escape(struct span s, size_t *at, char *out)
{
	uint64_t value;

	if (*at >= s.n)
		return false;
	if (s.p[*at] < '0' || s.p[*at] > '9') {
		*out = s.p[(*at)++];
		return true;
	}
	if (s.n - *at < 3 || !span_number(span_sub(s, *at, 3), 255, &value))
		return false;
	*at += 3;
	*out = (char)value;
	return true;
}

/* Appends one string, from behind its first quote to behind its last. */
static bool
read_string(struct span s, size_t *at, struct buf *room)
{
	while (*at < s.n && s.p[*at] != '"') {
		char c = s.p[(*at)++];

		if (c == '\\' && !read_escape(s, at, &c))
			return false;
		buf_add_char(room, c);
	}
	return (*at)++ < s.n;
}

static bool
read_content(struct span s, struct buf *room)
{
	size_t at = 0, strings = 0;

	while (at < s.n) {
		if (s.p[at] == ' ') {
			at++;
			continue;
		}
		if (s.p[at++] != '"' || !read_string(s, &at, room))
			return false;
		strings++;
	}
	return strings > 0 && buf_status(room) == ST_OK;
}

/* ---- answers ---- */

static void
read_records(const json_t *rrset, struct buf *room, struct publish_there *there)
{
	json_t *records = json_object_get(rrset, "records");

	for (size_t i = 0; i < json_array_size(records); i++) {
		json_t *content = json_object_get(json_array_get(records, i), "content");
		struct span text = span_of(json_string_value(content), json_string_length(content));

		there->records++;
		buf_reset(room);
		if (!read_content(text, room)) {
			/* Not in the form that ours have: a text that no value is. */
			buf_reset(room);
			buf_add_char(room, '\n');
		}
	}
}

/* Is it for name, which has no final dot, while names here have one? */
static bool
is_of(const json_t *rrset, struct span name)
{
	json_t *value = json_object_get(rrset, "name");
	struct span found = span_of(json_string_value(value), json_string_length(value));

	if (found.n > 0 && found.p[found.n - 1] == '.')
		found.n--;
	return span_ieq(found, name);
}

static void
read_rrset(const json_t *rrset, struct buf *room, struct publish_there *there)
{
	struct span type = span_str(json_string_value(json_object_get(rrset, "type")));

	if (span_ieq_str(type, "CNAME"))
		there->alias = true;
	else if (span_ieq_str(type, "TXT"))
		read_records(rrset, room, there);
}

enum status
powerdns_rrsets_read(struct span answer, struct span name, struct buf *room,
    struct publish_there *there_out, struct err *err)
{
	json_error_t error;
	json_t *root =
	    json_loadb(answer.p == NULL ? "" : answer.p, answer.n, JSON_REJECT_DUPLICATES, &error);
	json_t *rrsets = json_object_get(root, "rrsets");
	enum status status = json_is_array(rrsets) ? ST_OK : ST_INVALID;

	*there_out = (struct publish_there){.records = 0};
	buf_reset(room);
	for (size_t i = 0; status == ST_OK && i < json_array_size(rrsets); i++) {
		json_t *rrset = json_array_get(rrsets, i);

		if (!json_is_object(rrset))
			status = ST_INVALID;
		else if (is_of(rrset, name))
			read_rrset(rrset, room, there_out);
	}
	there_out->text = buf_span(room);
	if (status != ST_OK)
		err_set(err, "the answer is not a zone with \"rrsets\"%s%s",
		    root == NULL ? ": " : "", root == NULL ? error.text : "");
	json_decref(root);
	return status;
}

void
powerdns_error_read(struct span answer, struct buf *out)
{
	json_error_t error;
	json_t *root = json_loadb(answer.p == NULL ? "" : answer.p, answer.n, 0, &error);
	const char *said = json_string_value(json_object_get(root, "error"));
	struct span text = span_sub(said == NULL ? answer : span_str(said), 0, ERROR_SHOWN_MAX);

	for (size_t i = 0; i < text.n; i++)
		buf_add_char(out, text.p[i] >= ' ' && text.p[i] <= '~' ? text.p[i] : '?');
	json_decref(root);
}

/* ---- changes ---- */

static void
write_change(const struct publish_change *change, struct buf *quoted, struct buf *out)
{
	buf_add_str(out, "{\"name\":\"");
	buf_add(out, change->name);
	buf_add_str(out, ".\",\"type\":\"TXT\",");
	if (change->how == PUBLISH_REMOVE) {
		buf_add_str(out, "\"changetype\":\"DELETE\"}");
		return;
	}
	buf_reset(quoted);
	publish_quote_all(quoted, change->value, " ");
	buf_add_fmt(out,
	    "\"ttl\":%u,\"changetype\":\"REPLACE\",\"records\":[{\"disabled\":false,\"content\":",
	    (unsigned int)change->ttl_s);
	publish_json_string(out, buf_span(quoted));
	buf_add_str(out, "}]}");
}

void
powerdns_patch_write(struct publish_change *const *changes, size_t count, struct buf *out)
{
	struct buf quoted;

	buf_init(&quoted, 4 * PUBLISH_VALUE_MAX);
	buf_add_str(out, "{\"rrsets\":[");
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		write_change(changes[i], &quoted, out);
	}
	buf_add_str(out, "]}");
	buf_free(&quoted);
}
