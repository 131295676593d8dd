/*
 * shadow_line.c - a comparison as JSON.
 * Called by shadow.c. It must never write anything of a message but its queue id, its author's
 * domain and what DKIM-Signature fields say, and no octet that is not printable ASCII.
 */
#include <time.h>

#include "daemon/shadow_line.h"

static void
put_string(struct buf *out, struct span text)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c == '"' || c == '\\')
			buf_add_char(out, '\\');
		if (c >= ' ' && c <= '~')
			buf_add_char(out, (char)c);
		else
			buf_add_fmt(out, "\\u%04x", c < 0x80 ? c : 0xfffdU);
	}
	buf_add_char(out, '"');
}

static void
put_named(struct buf *out, const char *name, struct span text)
{
	buf_add_fmt(out, ",\"%s\":", name);
	put_string(out, text);
}

static const char *
canon_word(enum canon canon)
{
	return canon == CANON_RELAXED ? "relaxed" : "simple";
}

static void
put_signature(struct buf *out, const struct sigfield *field)
{
	buf_add_str(out, "{\"d\":");
	put_string(out, field->domain);
	put_named(out, "s", field->selector);
	put_named(out, "a", field->algorithm_text);
	buf_add_fmt(out, ",\"c\":\"%s/%s\"", canon_word(field->header_canon),
	    canon_word(field->body_canon));
	put_named(out, "i", field->identity);
	if (field->body_length >= 0)
		buf_add_fmt(out, ",\"l\":%lld", (long long)field->body_length);
	buf_add_str(out, ",\"h\":\"");
	for (size_t i = 0; i < field->name_count; i++)
		for (size_t k = 0; k <= field->names[i].n; k++) {
			char c = k < field->names[i].n ? field->names[i].p[k] : ':';

			if (k == field->names[i].n && i + 1 == field->name_count)
				break;
			buf_add_char(out, c > ' ' && c <= '~' && c != '"' && c != '\\' ? c : '?');
		}
	buf_add_char(out, '"');
}

static void
put_theirs(struct buf *out, const struct shadow_theirs *theirs)
{
	put_signature(out, theirs->field);
	buf_add_fmt(out, ",\"body\":%s", theirs->body_bad ? "false" : "true");
	if (theirs->key_known)
		buf_add_fmt(out, ",\"our_key\":%s", theirs->key_fits ? "true" : "false");
	buf_add_char(out, '}');
}

static void
put_pair(struct buf *out, const struct shadow_pair *pair)
{
	buf_add_fmt(out, "{\"result\":\"%s\"",
	    metrics_label_value(METRIC_SHADOW, (unsigned int)pair->word));
	if (pair->ours != NULL) {
		buf_add_str(out, ",\"ours\":");
		put_signature(out, pair->ours);
		buf_add_char(out, '}');
	}
	if (pair->theirs != NULL) {
		buf_add_str(out, ",\"theirs\":");
		put_theirs(out, pair->theirs);
	}
	buf_add_char(out, '}');
}

enum status
shadow_line_write(const struct shadow_line *line, struct buf *out)
{
	time_t seconds = (time_t)line->time_utc;
	struct tm tm;
	char text[32];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	buf_add_fmt(out, "{\"shadow\":1,\"time\":\"%s\"", text);
	put_named(out, "queue", line->queue);
	put_named(out, "domain", line->domain);
	buf_add_fmt(out, ",\"result\":\"%s\"",
	    metrics_label_value(METRIC_SHADOW, (unsigned int)line->comparison->word));
	if (line->why.n > 0)
		put_named(out, "why", line->why);
	buf_add_fmt(out, ",\"strangers\":%zu,\"signatures\":[", line->strangers);
	for (size_t i = 0; i < line->comparison->count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		put_pair(out, &line->comparison->pairs[i]);
	}
	buf_add_str(out, "]}");
	return buf_status(out);
}
