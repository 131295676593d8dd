/*
 * operation_record.c - what goes into the store with every change that an operation makes: a row of
 * the audit for each object, and the answer that is kept for a request that may come twice.
 * Called by call_apply(). It must never put anything of a private key there: rows as people see
 * them are all it knows.
 */
#include "config.h"

#include <stdio.h>

#include "admin-api/audit_step.h"
#include "admin-api/operation_record.h"
#include "lib/base/mem.h"

#define RECORD_TEXTS_MAX (8U << 20) /* octets of the texts of one transaction */
#define NOTHING "-"

static struct span
keep(struct record *record, struct span text)
{
	struct span kept = arena_copy(&record->texts, text);

	if (kept.p == NULL)
		record->full = true;
	return kept;
}

/* ---- lines of the plan, those of one object together ---- */

static const json_t *
shown(const json_t *line)
{
	const json_t *after = json_object_get(line, "after");

	return json_is_object(after) ? after : json_object_get(line, "before");
}

/* By what an object is called: "example.org", "acme std", "gw1". */
static struct span
name_of(struct record *record, const json_t *line)
{
	static const char *const names[][2] = {{"domain", NULL}, {"policy", "tenant"},
	    {"token", NULL}, {"provider", "tenant"}, {"rule", "tenant"}, {"gateway", NULL},
	    {"tenant", NULL}};
	const json_t *row = shown(line);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *name = json_string_value(json_object_get(row, names[i][0]));
		const char *of = names[i][1] == NULL
				     ? NULL
				     : json_string_value(json_object_get(row, names[i][1]));

		if (name != NULL && of != NULL) {
			char both[2 * KEYSTORE_TENANT_MAX + 2];
			int n = snprintf(both, sizeof(both), "%s %s", of, name);

			return n > 0 && (size_t)n < sizeof(both) ? keep(record, span_str(both))
								 : SPAN_EMPTY;
		}
		if (name != NULL)
			return keep(record, span_str(name));
	}
	return SPAN_EMPTY;
}

static void
add_step(struct buf *out, const json_t *line)
{
	const char *selector = json_string_value(json_object_get(shown(line), "selector"));
	const char *before =
	    json_string_value(json_object_get(json_object_get(line, "before"), "state"));
	const char *after =
	    json_string_value(json_object_get(json_object_get(line, "after"), "state"));

	if (selector == NULL)
		return;
	buf_add_fmt(out, "%s%s: %s to %s", out->n > 0 ? "; " : "", selector,
	    before == NULL ? NOTHING : before, after == NULL ? NOTHING : after);
}

/* Of one side ("before", "after") of lines first to end. "": nothing was, or will be, there. */
static struct span
hash_of(struct record *record, const json_t *lines, size_t first, size_t end, const char *side)
{
	char hex[KEYSTORE_DIGEST_BYTES];
	bool any = false;
	struct buf text;

	buf_init(&text, RECORD_TEXTS_MAX);
	for (size_t i = first; i < end; i++) {
		const json_t *row = json_object_get(json_array_get(lines, i), side);

		any = any || json_is_object(row);
		if (json_write(row, &text) != ST_OK)
			break;
		buf_add_char(&text, '\n');
	}
	if (any)
		keystore_digest(buf_span(&text), hex);
	buf_free(&text);
	return any ? keep(record, span_str(hex)) : SPAN_EMPTY;
}

static struct span
detail_of(struct record *record, const struct operation_call *call, const json_t *lines,
    size_t first, size_t end)
{
	struct span reason = call_text(call, "reason"), kept;
	struct buf text;

	buf_init(&text, ADMINROW_DETAIL_MAX);
	for (size_t i = first; i < end; i++)
		add_step(&text, json_array_get(lines, i));
	if (reason.n > 0 && text.n > 0)
		buf_add_str(&text, "; ");
	audit_step_add_words(&text, reason);
	kept = keep(record, buf_span(&text));
	buf_free(&text);
	return kept;
}

static struct span
text_of(struct record *record, const json_t *row, const char *name)
{
	return keep(record, span_str(json_string_value(json_object_get(row, name))));
}

static void
add_audit(struct record *record, const struct operation_call *call, const json_t *lines,
    size_t first, size_t end)
{
	const struct operation_caller *caller = call->caller;
	const json_t *line = json_array_get(lines, first);
	struct keystore_write *write = &record->writes[record->count++];

	*write = (struct keystore_write){.what = STORE_AUDIT, .how = WRITE_ADD};
	write->row.audit = (struct store_audit){.actor = span_str(caller->actor),
	    .method = span_str(caller->method),
	    .source = span_str(caller->source),
	    .tenant = text_of(record, shown(line), "tenant"),
	    .action = span_str(call->operation->name),
	    .object = name_of(record, line),
	    .before = hash_of(record, lines, first, end, "before"),
	    .after = hash_of(record, lines, first, end, "after"),
	    .request = span_str(caller->request),
	    .key = caller->reply == NULL ? SPAN_EMPTY : caller->reply->key,
	    .detail = detail_of(record, call, lines, first, end),
	    .result = SPAN_LIT("ok")};
}

static bool
same_object(struct record *record, const json_t *a, const json_t *b)
{
	return span_eq(name_of(record, a), name_of(record, b));
}

static void
add_audits(struct record *record, const struct operation_call *call)
{
	const json_t *lines = call->fresh;
	size_t count = json_array_size(lines);

	for (size_t first = 0, end; first < count; first = end) {
		for (end = first + 1; end < count; end++)
			if (!same_object(
				record, json_array_get(lines, first), json_array_get(lines, end)))
				break;
		add_audit(record, call, lines, first, end);
	}
}

/* ---- the answer that is kept ---- */

static void
add_reply(struct record *record, struct operation_call *call)
{
	const struct operation_reply *reply = call->caller->reply;
	json_t *answer = call_answer(call, OPERATION_OK);
	struct keystore_write *write;
	struct buf text;

	buf_init(&text, ADMINROW_ANSWER_MAX);
	if (json_write(answer, &text) != ST_OK) {
		/* Too long to be kept: that it was done is what counts. */
		buf_reset(&text);
		buf_add_str(&text, "{\"ok\":true,\"result\":{}}");
	}
	json_decref(answer);
	record->reply_at = record->count;
	write = &record->writes[record->count++];
	*write = (struct keystore_write){.what = STORE_REPLY, .how = WRITE_ADD};
	write->row.reply = (struct store_reply){.scope = reply->scope,
	    .key = reply->key,
	    .body = reply->body,
	    .status = reply->status,
	    .answer = keep(record, buf_span(&text))};
	buf_free(&text);
}

/* ---- a transaction ---- */

void
record_begin(struct record *record, struct operation_call *call,
    const struct keystore_write *writes, size_t count)
{
	bool reply = call->caller->reply != NULL && !call->late_reply && !call->replied;

	*record = (struct record){.count = count, .reply_at = SIZE_MAX};
	arena_init(&record->texts, RECORD_TEXTS_MAX);
	record->writes =
	    mem_zalloc(count + json_array_size(call->fresh) + 2, sizeof(*record->writes));
	for (size_t i = 0; i < count; i++)
		record->writes[i] = writes[i];
	if (!call->admin->records)
		return;
	add_audits(record, call);
	if (reply)
		add_reply(record, call);
}

void
record_end(struct record *record)
{
	arena_free(&record->texts);
	mem_free(record->writes);
}
