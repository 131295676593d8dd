/*
 * bulk.c - lines of NDJSON become operations.
 * Called by api_bulk.c with a text as it comes. It must never run a line out of its turn, nor one
 * that was done already, nor hold more than a batch of them.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "admin-api/bulk_private.h"
#include "admin-api/foresight.h"
#include "admin-api/operation_many.h"
#include "lib/base/mem.h"

#define SCOPE_MAX 512U

struct bulk {
	struct admin *admin;
	bool dry_run;
	char scope[SCOPE_MAX + 1]; /* of kept answers; "": none are kept */
	char key[ADMINROW_KEY_MAX + 1];
	struct buf line; /* the beginning of one that is not there as a whole */
	bool skipping;   /* it is too long */
	/* Lines that wait for others of their kind; owned. */
	json_t *lines[MANY_MAX];                         /* domain.add, or key.import */
	char bodies[FORESIGHT_MAX][ADMINROW_HASH_BYTES]; /* of key.import: of its text */
	bool imports;                                    /* which of both */
	size_t count;
	bool stopped;
	uint64_t not_run; /* lines behind the one that stopped it, and that one */
	char stop_detail[ERR_TEXT_MAX];
	struct bulk_results results;
};

/* ---- what may stand in a line ---- */

static json_t *
refusal_of(const char *detail)
{
	return json_pack("{s:s}", "detail", detail);
}

static void
refuse(struct bulk *bulk, const char *detail)
{
	json_t *answer = refusal_of(detail);

	bulk_results_add(&bulk->results, OPERATION_VALIDATION, false, answer);
	json_decref(answer);
}

static const char *const names[] = {
    "domain.add", "domain.set", "key.import", "policy.set", "rotate"};
#define NAMES (sizeof(names) / sizeof(names[0]))

static bool
is_allowed(const char *name)
{
	for (size_t i = 0; name != NULL && i < NAMES; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

uint32_t
bulk_scopes(void)
{
	uint32_t scopes = 0;

	for (size_t i = 0; i < NAMES; i++)
		scopes |= (uint32_t)operation_find(span_str(names[i]))->scope;
	return scopes;
}

/* NULL: operation_run() may look at it. */
static const char *
what_is_wrong(const json_t *line)
{
	const char *name = json_string_value(json_object_get(line, "operation"));

	if (!json_is_object(line))
		return "a line is an object";
	if (!is_allowed(name))
		return "the operation is none of domain.add, domain.set, key.import, policy.set "
		       "and rotate";
	if (json_object_get(line, "dry_run") != NULL)
		return "a line has no \"dry_run\": the whole request has it";
	if (strcmp(name, "rotate") == 0 &&
	    json_object_get(json_object_get(line, "arguments"), "domain") == NULL)
		return "rotate of one domain is needed: \"domain\"";
	return NULL;
}

/* ---- one line ---- */

static void
stop(struct bulk *bulk, const json_t *answer)
{
	const char *detail = json_string_value(json_object_get(answer, "detail"));

	bulk->stopped = true;
	bulk->not_run++;
	snprintf(bulk->stop_detail, sizeof(bulk->stop_detail), "%s", detail == NULL ? "" : detail);
}

static void
stop_for(struct bulk *bulk, const char *detail)
{
	json_t *answer = refusal_of(detail);

	stop(bulk, answer);
	json_decref(answer);
}

/* Was the line with this number done already? true: its result is there. */
static bool
is_replayed(struct bulk *bulk, const struct operation_reply *reply)
{
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	bool there, same, done;

	if (keystore_reply(bulk->admin->store, reply->scope, reply->key, &rows, &err) != ST_OK) {
		stop_for(bulk, err.text);
		return true;
	}
	there = rows->reply_count == 1;
	same = there && span_eq(rows->replies[0].body, reply->body);
	done = there && rows->replies[0].status != 0;
	keystore_rows_release(rows);
	if (there && !done)
		stop_for(
		    bulk, "a line is being done by another request with the same key; try again");
	else if (there && same)
		bulk_results_add(&bulk->results, OPERATION_OK, true, NULL);
	else if (there)
		refuse(bulk,
		    "this Idempotency-Key was used with another line in this place: the same "
		    "key is for the same text");
	return there;
}

static void
run_line(struct bulk *bulk, const struct operation_caller *caller, json_t *line)
{
	enum operation_code code;
	json_t *answer;

	if (bulk->dry_run)
		json_object_set_new(line, "dry_run", json_true());
	code = operation_run(bulk->admin, caller, line, NULL, NULL, &answer);
	if (code == OPERATION_STORE_UNAVAILABLE)
		stop(bulk, answer);
	else if (code == OPERATION_REPLAYED) {
		if (!is_replayed(bulk, caller->reply))
			stop_for(bulk, "the answer to a line is not kept any more; try again");
	} else
		bulk_results_add(&bulk->results, code, false, code == OPERATION_OK ? NULL : answer);
	json_decref(answer);
}

/* Under which the answer of the line that is this much behind the last result is kept. */
static void
key_of_line(const struct bulk *bulk, size_t behind, char key[ADMINROW_KEY_MAX + 1])
{
	snprintf(key, ADMINROW_KEY_MAX + 1, "%.200s line %llu", bulk->key,
	    (unsigned long long)(bulk->results.lines + 1 + behind));
}

/* One that is not domain.add, with an answer that is kept. body: the digest of its text. */
static void
run_alone(struct bulk *bulk, const struct operation_caller *given, json_t *line, const char *body)
{
	char key[ADMINROW_KEY_MAX + 1];
	struct operation_caller caller = *given;
	struct operation_reply reply = {.scope = span_str(bulk->scope), .status = 200};

	key_of_line(bulk, 0, key);
	reply.key = span_str(key);
	reply.body = span_str(body);
	caller.version = SPAN_EMPTY;
	caller.reply = bulk->scope[0] == '\0' ? NULL : &reply;
	if (caller.reply == NULL || !is_replayed(bulk, &reply))
		run_line(bulk, &caller, line);
}

/* ---- key.import of lines behind each other: DNS is asked for all of them at once ---- */

/* How many of the lines at the beginning have an answer from when this text came before: DNS needs
 * not be asked about them. What it says is looked at again when each is run. */
static size_t
answered_before(const struct bulk *bulk)
{
	struct keystore_rows *rows = NULL;
	struct err ignored = ERR_NONE;
	char key[ADMINROW_KEY_MAX + 1];
	bool there = bulk->scope[0] != '\0';
	size_t n = 0;

	for (; there && n < bulk->count; n += there) {
		key_of_line(bulk, n, key);
		there = keystore_reply(bulk->admin->store, span_str(bulk->scope), span_str(key),
			    &rows, &ignored) == ST_OK &&
			rows->reply_count == 1;
		keystore_rows_release(rows);
		rows = NULL;
	}
	return n;
}

static void
flush_imports(struct bulk *bulk, const struct operation_caller *given)
{
	struct operation_caller caller = *given;
	struct foresight *foresight = NULL;
	size_t before = bulk->stopped ? bulk->count : answered_before(bulk);

	if (before < bulk->count)
		foresight =
		    foresight_new(bulk->admin, given, bulk->lines + before, bulk->count - before);
	caller.foresight = foresight;
	for (size_t i = 0; i < bulk->count; i++) {
		if (bulk->stopped)
			bulk->not_run++;
		else
			run_alone(bulk, &caller, bulk->lines[i], bulk->bodies[i]);
		json_decref(bulk->lines[i]);
	}
	bulk->count = 0;
	foresight_free(foresight);
}

static bool
is_import(const json_t *line)
{
	return strcmp(json_string_value(json_object_get(line, "operation")), "key.import") == 0;
}

/* ---- domain.add of lines behind each other ---- */

static void
flush_adds(struct bulk *bulk, const struct operation_caller *given)
{
	struct operation_caller caller = *given;
	enum many_result results[MANY_MAX];
	json_t *arguments[MANY_MAX];

	caller.version = SPAN_EMPTY;
	caller.reply = NULL;
	for (size_t i = 0; i < bulk->count; i++)
		arguments[i] = json_object_get(bulk->lines[i], "arguments");
	if (bulk->count > 0 && !bulk->stopped)
		operation_domains_add(
		    bulk->admin, &caller, arguments, bulk->count, bulk->dry_run, results);
	for (size_t i = 0; i < bulk->count; i++) {
		if (bulk->stopped)
			bulk->not_run++;
		else if (results[i] == MANY_ALONE)
			run_line(bulk, &caller, bulk->lines[i]);
		else
			bulk_results_add(
			    &bulk->results, OPERATION_OK, results[i] == MANY_REPLAYED, NULL);
		json_decref(bulk->lines[i]);
	}
	bulk->count = 0;
}

static const char *
domain_of(const json_t *line)
{
	return json_string_value(json_object_get(json_object_get(line, "arguments"), "domain"));
}

/* Only fields of a line; anything else is refused by operation_run(). */
static bool
is_plain_add(const json_t *line)
{
	return strcmp(json_string_value(json_object_get(line, "operation")), "domain.add") == 0 &&
	       json_object_size(line) == 2 && domain_of(line) != NULL;
}

static bool
waits_already(const struct bulk *bulk, const char *domain)
{
	for (size_t i = 0; i < bulk->count; i++)
		if (strcmp(domain_of(bulk->lines[i]), domain) == 0)
			return true;
	return false;
}

/* ---- lines ---- */

static void
flush(struct bulk *bulk, const struct operation_caller *caller)
{
	if (bulk->imports)
		flush_imports(bulk, caller);
	else
		flush_adds(bulk, caller);
}

/* line is taken over. */
static void
add_domain(struct bulk *bulk, const struct operation_caller *caller, json_t *line)
{
	if (bulk->imports || waits_already(bulk, domain_of(line)))
		flush(bulk, caller);
	bulk->imports = false;
	bulk->lines[bulk->count++] = line;
	if (bulk->count == MANY_MAX)
		flush(bulk, caller);
}

/* line is taken over. */
static void
add_import(struct bulk *bulk, const struct operation_caller *caller, json_t *line, struct span text)
{
	if (!bulk->imports)
		flush(bulk, caller);
	bulk->imports = true;
	keystore_digest(text, bulk->bodies[bulk->count]);
	bulk->lines[bulk->count++] = line;
	if (bulk->count == FORESIGHT_MAX)
		flush(bulk, caller);
}

static void
add_other(struct bulk *bulk, const struct operation_caller *caller, json_t *line, struct span text)
{
	char body[ADMINROW_HASH_BYTES];

	flush(bulk, caller);
	keystore_digest(text, body);
	if (bulk->stopped)
		bulk->not_run++;
	else
		run_alone(bulk, caller, line, body);
	json_decref(line);
}

static void
refuse_line(struct bulk *bulk, const struct operation_caller *caller, const char *detail)
{
	flush(bulk, caller);
	if (bulk->stopped)
		bulk->not_run++;
	else
		refuse(bulk, detail);
}

static void
take_line(struct bulk *bulk, const struct operation_caller *caller, struct span text)
{
	const char *wrong = "the line is no JSON, or is nested too deep";
	json_t *line = NULL;

	if (bulk->stopped) {
		bulk->not_run++;
		return;
	}
	if (operation_text_is_flat(text))
		line =
		    json_loadb(text.p == NULL ? "" : text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	if (line != NULL)
		wrong = what_is_wrong(line);
	if (wrong != NULL)
		refuse_line(bulk, caller, wrong);
	else if (is_plain_add(line))
		add_domain(bulk, caller, json_incref(line));
	else if (is_import(line))
		add_import(bulk, caller, json_incref(line), text);
	else
		add_other(bulk, caller, json_incref(line), text);
	json_decref(line);
}

/* The rest of a line that began before. */
static void
end_line(struct bulk *bulk, const struct operation_caller *caller, struct span rest)
{
	buf_add(&bulk->line, rest);
	if (bulk->skipping || bulk->line.overflow || bulk->line.n > BULK_LINE_MAX)
		refuse_line(bulk, caller, "the line is longer than 64 KiB");
	else
		take_line(bulk, caller, buf_span(&bulk->line));
	bulk->skipping = false;
	buf_reset(&bulk->line);
}

void
bulk_take(struct bulk *bulk, const struct operation_caller *caller, struct span octets)
{
	size_t end;

	while ((end = span_find(octets, '\n')) != SIZE_MAX) {
		struct span line = span_of(octets.p, end);

		octets = span_from(octets, end + 1);
		if (bulk->line.n > 0 || bulk->skipping || line.n > BULK_LINE_MAX)
			end_line(bulk, caller, line);
		else
			take_line(bulk, caller, line);
	}
	if (bulk->skipping || octets.n == 0)
		return;
	buf_add(&bulk->line, octets);
	bulk->skipping = bulk->line.overflow;
	if (bulk->skipping)
		buf_reset(&bulk->line);
}

void
bulk_end(struct bulk *bulk, const struct operation_caller *caller)
{
	if (bulk->line.n > 0 || bulk->skipping)
		end_line(bulk, caller, SPAN_EMPTY);
	flush(bulk, caller);
}

/* ---- all ---- */

struct bulk *
bulk_new(struct admin *admin, struct span scope, struct span key, bool dry_run)
{
	struct bulk *bulk = mem_zalloc(1, sizeof(*bulk));
	char hash[KEYSTORE_DIGEST_BYTES];

	bulk->admin = admin;
	bulk->dry_run = dry_run;
	buf_init_secret(&bulk->line, BULK_LINE_MAX);
	snprintf(bulk->key, sizeof(bulk->key), "%.*s", SPAN_ARG(key));
	keystore_digest(key, hash);
	if (key.n > 0 && admin->records && !dry_run)
		snprintf(bulk->scope, sizeof(bulk->scope), "%.*s %s",
		    SPAN_ARG(span_sub(scope, 0, SCOPE_MAX - sizeof(hash))), hash);
	return bulk;
}

void
bulk_free(struct bulk *bulk)
{
	if (bulk == NULL)
		return;
	for (size_t i = 0; i < bulk->count; i++)
		json_decref(bulk->lines[i]);
	bulk_results_free(&bulk->results);
	buf_free(&bulk->line);
	mem_free(bulk);
}

static void
write_summary(const struct bulk *bulk, struct buf *out)
{
	const struct bulk_results *results = &bulk->results;
	json_t *line,
	    *summary = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b}", "lines",
		(json_int_t)(results->lines + bulk->not_run), "done", (json_int_t)results->done,
		"replayed", (json_int_t)results->replayed, "failed", (json_int_t)results->failed,
		"not_run", (json_int_t)bulk->not_run, "results_left", (json_int_t)results->left,
		"complete", bulk->not_run == 0, "dry_run", bulk->dry_run);

	if (bulk->stopped) {
		json_object_set_new(
		    summary, "code", json_string(operation_code_name(OPERATION_STORE_UNAVAILABLE)));
		json_object_set_new(summary, "detail", json_span(span_str(bulk->stop_detail)));
	}
	line = json_pack("{s:o}", "summary", summary);
	(void)!json_write(line, out);
	buf_add_char(out, '\n');
	json_decref(line);
}

void
bulk_results(const struct bulk *bulk, struct buf *out)
{
	bulk_results_write(&bulk->results, out);
	write_summary(bulk, out);
}
