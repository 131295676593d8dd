/*
 * admin_show.c - answers of signpost-admind as lines and tables.
 * Called by admin.c. It must never print an octet of an answer that could do something to a
 * terminal.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "tools/admin.h"

#define COLUMNS_MAX 16U
#define CELL_MAX 300U

struct column {
	const char *head;
	const char *path; /* members, separated by dots */
};

struct table {
	const char *name;
	struct column columns[COLUMNS_MAX];
};

static const struct table tables[] = {
    {"tenants", {{"TENANT", "tenant"}, {"ENABLED", "enabled"}, {"FAILURE", "failure"}}},
    {"policies", {{"TENANT", "tenant"}, {"POLICY", "policy"}, {"MANAGE", "plan.manage"},
		     {"PUBLISHER", "plan.publisher"}, {"ALGORITHMS", "plan.algorithms"},
		     {"INTERVAL", "plan.interval"}, {"SIGNATURE-TTL", "signature_ttl"}}},
    {"providers",
	{{"PROVIDER", "provider"}, {"TENANT", "tenant"}, {"KIND", "kind"}, {"ADDRESS", "address"},
	    {"SECRET", "has_secret"}, {"INSIDE", "allow_private"}, {"OPERATOR", "operator"}}},
    {"steps", {{"STEP", "step"}, {"DONE", "done"}, {"WHY", "why"}}},
    {"domains", {{"DOMAIN", "domain"}, {"TENANT", "tenant"}, {"POLICY", "policy"},
		    {"ENABLED", "enabled"}, {"SIGNS-AS", "signs_as"}, {"DUE", "due"},
		    {"ROTATION", "rotate_asked"}, {"PAUSED", "paused"}}},
    {"keys", {{"SELECTOR", "selector"}, {"ALGORITHM", "algorithm"}, {"BITS", "bits"},
		 {"STATE", "state"}, {"SINCE", "state_since"}, {"NEXT", "next.action"},
		 {"EARLIEST", "next.earliest"}, {"BLOCKED-BY", "next.blocked_by"},
		 {"VERIFIED-BY", "verified_by"}, {"TROUBLE", "trouble"}}},
    {"gateways",
	{{"GATEWAY", "gateway"}, {"VERSION", "version"}, {"EPOCH", "epoch"}, {"TESTED", "tested"},
	    {"OFFSET-MS", "offset_ms"}, {"SILENT-S", "silent_s"}, {"FAILED", "failed"},
	    {"FAILING", "failing_keys"}, {"CACHED-PER-MILLE", "cache_per_mille"},
	    {"SIGN-P99-US", "sign_p99_us"}, {"STARTED", "started"}, {"AT", "at"}}},
    {"mail", {{"MESSAGES", "messages"}, {"WHAT", "what"}, {"CAUSE", "cause"}, {"TENANT", "tenant"},
		 {"AS-CONFIGURED", "as_configured"}}},
    {"operations", {{"OPERATION", "operation"}, {"STATE", "state"}, {"ASKED", "asked"},
		       {"NOT-BEFORE", "not_before"}, {"REASON", "reason"}}},
    {"signatures",
	{{"SIGNATURE", "index"}, {"LINE", "line"}, {"DOMAIN", "domain"}, {"SELECTOR", "selector"},
	    {"ALGORITHM", "algorithm"}, {"BITS", "bits"}, {"RESULT", "result"},
	    {"REASON", "reason"}, {"DNSSEC", "key.dnssec"}, {"IN-STORE", "key.matches_store"}}},
    {"differs", {{"SIGNATURE", "signature"}, {"CHANGE", "what"}, {"LINE", "line"},
		    {"CERTAIN", "certain"}, {"DETAIL", "detail"}}},
    {"selftest", {{"SELECTOR", "selector"}, {"ALGORITHM", "algorithm"}, {"PASSES", "passes"},
		     {"SERVERS", "authoritative.seen"}, {"WHY", "authoritative.why"},
		     {"RESOLVER", "resolver.passes"}, {"REASON", "resolver.reason"},
		     {"DETAIL", "resolver.detail"}}},
    {"stuck", {{"DOMAIN", "domain"}, {"SELECTOR", "selector"}, {"STATE", "state"},
		  {"TRIES", "tries"}, {"NEXT-TRY", "next_try"}, {"TROUBLE", "trouble"}}},
    {"overdue", {{"DOMAIN", "domain"}, {"DUE", "due"}}},
    {"drifted", {{"NAME", "name"}, {"SEEN", "seen"}, {"SERVERS", "servers"}, {"RIGHT", "right"},
		    {"WHY", "why"}}},
    {"cnames", {{"SLOT", "slot"}, {"NAME", "name"}, {"CNAME", "target"}, {"KEY", "key"},
		   {"SEEN", "seen"}, {"WHY", "why"}}},
    {"texts", {{"TEXT", "text"}, {"WHAT IS WRONG", "explained"}}},
};
#define TABLE_COUNT (sizeof(tables) / sizeof(tables[0]))

/* ---- values ---- */

/* Printable ASCII; other octets become \xNN. lines: line feeds and tabs stay. */
static void
add_safe(struct buf *out, const char *text, bool lines)
{
	for (; *text != '\0'; text++)
		if ((*text >= ' ' && *text <= '~') || (lines && (*text == '\n' || *text == '\t')))
			buf_add_char(out, *text);
		else
			buf_add_fmt(out, "\\x%02x", (unsigned char)*text);
}

void
admin_add_safe(struct buf *out, const char *text)
{
	add_safe(out, text, false);
}

static bool
is_scalar(const json_t *value)
{
	return !json_is_object(value) && !json_is_array(value);
}

static void
add_scalar(struct buf *out, const json_t *value)
{
	if (json_is_string(value) && json_string_length(value) > 0)
		add_safe(out, json_string_value(value), false);
	else if (json_is_integer(value))
		buf_add_fmt(out, "%lld", (long long)json_integer_value(value));
	else if (json_is_boolean(value))
		buf_add_str(out, json_is_true(value) ? "yes" : "no");
	else
		buf_add_char(out, '-');
}

static void
add_value(struct buf *out, const json_t *value)
{
	size_t i;
	const json_t *item;

	if (!json_is_array(value) || json_array_size(value) == 0) {
		add_scalar(out, is_scalar(value) ? value : NULL);
		return;
	}
	json_array_foreach(value, i, item)
	{
		if (i > 0)
			buf_add_char(out, ',');
		add_scalar(out, is_scalar(item) ? item : NULL);
	}
}

static const json_t *
at_path(const json_t *row, const char *path)
{
	char name[64];

	while (row != NULL) {
		size_t n = strcspn(path, ".");

		if (n >= sizeof(name))
			return NULL;
		memcpy(name, path, n);
		name[n] = '\0';
		row = json_object_get(row, name);
		if (path[n] == '\0')
			return row;
		path += n + 1;
	}
	return NULL;
}

/* ---- tables ---- */

static const struct table *
table_find(const char *name)
{
	for (size_t i = 0; i < TABLE_COUNT; i++)
		if (strcmp(tables[i].name, name) == 0)
			return &tables[i];
	return NULL;
}

/* One of a list that nobody has made columns for: what is in its first row. */
static void
table_guess(const json_t *list, struct table *out)
{
	const char *name;
	json_t *value;
	size_t n = 0;

	memset(out, 0, sizeof(*out));
	json_object_foreach(json_array_get(list, 0), name, value)
	{
		if (n < COLUMNS_MAX && is_scalar(value))
			out->columns[n++] = (struct column){name, name};
	}
}

struct grid {
	char *cells; /* rows of COLUMNS_MAX texts of CELL_MAX */
	size_t rows, columns;
	size_t width[COLUMNS_MAX];
};

static char *
cell_of(const struct grid *grid, size_t row, size_t column)
{
	return grid->cells + (row * COLUMNS_MAX + column) * CELL_MAX;
}

static void
put_cell(struct grid *grid, size_t row, size_t column, const char *text)
{
	size_t n = strlen(text);

	snprintf(cell_of(grid, row, column), CELL_MAX, "%s%s", "", text);
	if (n >= CELL_MAX)
		n = CELL_MAX - 1;
	if (n > grid->width[column])
		grid->width[column] = n;
}

static void
fill(struct grid *grid, const struct table *table, const json_t *list)
{
	for (size_t c = 0; c < COLUMNS_MAX && table->columns[c].head != NULL; c++) {
		struct buf head;

		buf_init(&head, 65536);
		add_safe(&head, table->columns[c].head, false);
		put_cell(grid, 0, c, buf_text(&head));
		buf_free(&head);
		grid->columns = c + 1;
	}
	for (size_t r = 0; r + 1 < grid->rows; r++)
		for (size_t c = 0; c < grid->columns; c++) {
			struct buf text;

			buf_init(&text, 65536);
			add_value(&text, at_path(json_array_get(list, r), table->columns[c].path));
			put_cell(grid, r + 1, c, buf_text(&text));
			buf_free(&text);
		}
}

void
admin_show_list(const char *name, const json_t *list, bool header)
{
	const struct table *table = table_find(name);
	struct grid grid = {.rows = json_array_size(list) + 1};
	struct table guess;

	if (table == NULL) {
		table_guess(list, &guess);
		table = &guess;
	}
	grid.cells = mem_zalloc(grid.rows, COLUMNS_MAX * CELL_MAX);
	fill(&grid, table, list);
	for (size_t r = header ? 0 : 1; r < grid.rows; r++)
		for (size_t c = 0; c < grid.columns; c++) {
			bool last = c + 1 == grid.columns;

			printf("%-*s%s", last ? 0 : (int)grid.width[c], cell_of(&grid, r, c),
			    last ? "\n" : "  ");
		}
	mem_free(grid.cells);
}

/* ---- objects ---- */

static void
show_line(const char *prefix, const char *name, const json_t *value)
{
	struct buf text;

	buf_init(&text, 1U << 20);
	add_safe(&text, prefix, false);
	add_safe(&text, name, false);
	buf_add_str(&text, ": ");
	if (json_is_array(value) && json_array_size(value) == 0)
		buf_add_str(&text, "none");
	else
		add_value(&text, value);
	printf("%s\n", buf_text(&text));
	buf_free(&text);
}

void
admin_show_scalar(const char *name, const json_t *value)
{
	show_line("", name, value);
}

static bool
is_table(const json_t *value)
{
	return json_is_array(value) && json_is_object(json_array_get(value, 0));
}

/* Scalars, and those of objects one level below as "name.member". */
static void
show_scalars(const char *prefix, const json_t *object)
{
	const char *name, *inner;
	json_t *value, *below;

	json_object_foreach((json_t *)object, name, value)
	{
		char path[80];

		if (!json_is_object(value)) {
			if (!is_table(value))
				show_line(prefix, name, value);
			continue;
		}
		snprintf(path, sizeof(path), "%s%s.", prefix, name);
		json_object_foreach(value, inner, below)
		{
			if (!json_is_object(below) && !is_table(below))
				show_line(path, inner, below);
		}
	}
}

static void
show_title(const char *name)
{
	struct buf text;

	buf_init(&text, 65536);
	add_safe(&text, name, false);
	printf("%s:\n", buf_text(&text));
	buf_free(&text);
}

static void
show_tables(const json_t *object)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)object, name, value)
	{
		if (is_table(value)) {
			putchar('\n');
			show_title(name);
			admin_show_list(name, value, true);
		} else if (json_is_object(value)) {
			show_tables(value);
		}
	}
}

/* Members of the one thing that an answer is about need no name in front. */
static bool
is_subject(const char *name)
{
	static const char *const names[] = {
	    "tenant", "policy", "domain", "key", "gateway", "provider"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

void
admin_show_result(const char *program, const json_t *result)
{
	const char *name;
	json_t *value;

	(void)program;
	json_object_foreach((json_t *)result, name, value)
	{
		char prefix[80] = "";

		if (!is_subject(name))
			snprintf(prefix, sizeof(prefix), "%s.", name);
		if (json_is_object(value) && strcmp(name, "record") != 0)
			show_scalars(prefix, value);
		else if (!json_is_object(value) && !is_table(value))
			show_line("", name, value);
	}
	if (json_object_get(result, "record") != NULL)
		admin_show_record(program, result);
	show_tables(result);
}

/* Lines as they are, with nothing that could harm a terminal. */
static void
show_text(const char *text)
{
	struct buf out;

	buf_init(&out, 1U << 20);
	add_safe(&out, text == NULL ? "" : text, true);
	printf("%s%s", buf_text(&out), span_ends(buf_span(&out), SPAN_LIT("\n")) ? "" : "\n");
	buf_free(&out);
}

void
admin_show_record(const char *program, const json_t *result)
{
	(void)program;
	show_text(json_string_value(at_path(result, "record.text")));
}

void
admin_show_text(const char *program, const json_t *result)
{
	(void)program;
	show_text(json_string_value(json_object_get(result, "text")));
}

/* ---- plans ---- */

/* "key s1 of example.org", "domain example.org". */
static void
add_name(struct buf *out, const char *kind, const json_t *row)
{
	bool key = strcmp(kind, "key") == 0;

	add_safe(out, kind, false);
	buf_add_char(out, ' ');
	add_value(out, json_object_get(row, key ? "selector" : kind));
	if (key)
		buf_add_str(out, " of ");
	if (key)
		add_value(out, json_object_get(row, "domain"));
}

static void
add_change(struct buf *out, const char *prefix, const char *name, const json_t *before,
    const json_t *after)
{
	if (json_equal(before, after) || strcmp(name, "revision") == 0)
		return;
	buf_add_fmt(out, "%s%s%s ", out->n > 0 ? ", " : "", prefix, name);
	add_value(out, before);
	buf_add_str(out, " -> ");
	add_value(out, after);
}

/* In "times", members that only one side has. */
static void
add_changes(struct buf *out, const char *prefix, const json_t *before, const json_t *after)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)after, name, value)
	{
		if (is_scalar(value))
			add_change(out, prefix, name, json_object_get(before, name), value);
	}
	json_object_foreach((json_t *)before, name, value)
	{
		if (is_scalar(value) && json_object_get(after, name) == NULL)
			add_change(out, prefix, name, value, NULL);
	}
}

static void
show_step(const json_t *step, bool dry_run)
{
	const json_t *before = json_object_get(step, "before");
	const json_t *after = json_object_get(step, "after");
	const char *kind = json_string_value(json_object_get(step, "row"));
	const char *how = dry_run ? "would be " : "";
	struct buf head, text;

	buf_init(&head, 4096);
	buf_init(&text, 65536);
	add_name(&head, kind == NULL ? "row" : kind, json_is_object(after) ? after : before);
	add_changes(&text, "", before, after);
	add_changes(&text, "", json_object_get(before, "times"), json_object_get(after, "times"));
	if (!json_is_object(before))
		printf("%s: %sadded\n", buf_text(&head), how);
	else if (!json_is_object(after))
		printf("%s: %sremoved\n", buf_text(&head), how);
	else
		printf("%s: %schanged: %s\n", buf_text(&head), how,
		    text.n == 0 ? "its plan or its life" : buf_text(&text));
	buf_free(&head);
	buf_free(&text);
}

/* What somebody has to know, or to do, after a change. */
static void
show_advice(const json_t *result)
{
	const json_t *warning = json_object_get(result, "warning");
	const json_t *cnames = json_object_get(result, "cnames");

	if (warning != NULL)
		show_line("", "warning", warning);
	if (json_array_size(cnames) == 0)
		return;
	printf("\nits customer has to set these, once:\n");
	admin_show_list("cnames", cnames, true);
}

void
admin_show_plan(const json_t *answer, bool dry_run)
{
	const json_t *plan = json_object_get(answer, "plan"), *step;
	json_int_t left = json_integer_value(json_object_get(answer, "plan_left"));
	size_t i;

	json_array_foreach(plan, i, step) show_step(step, dry_run);
	if (json_array_size(plan) == 0)
		printf("nothing %schanged\n", dry_run ? "would be " : "was ");
	if (left > 0)
		printf("and %" JSON_INTEGER_FORMAT " more\n", left);
	show_advice(json_object_get(answer, "result"));
}

/* ---- refusals ---- */

int
admin_show_refusal(const char *program, const json_t *answer)
{
	const char *code = json_string_value(json_object_get(answer, "code"));
	const char *detail = json_string_value(json_object_get(answer, "detail"));
	size_t i;
	const json_t *error;

	cli_say(program, "%s: %s", code == NULL ? "refused" : code, detail == NULL ? "" : detail);
	json_array_foreach(json_object_get(answer, "errors"), i, error)
	{
		const char *pointer = json_string_value(json_object_get(error, "pointer"));
		const char *why = json_string_value(json_object_get(error, "detail"));

		cli_say(program, "%s: %s", pointer == NULL ? "" : pointer, why == NULL ? "" : why);
	}
	return code != NULL && strcmp(code, "validation") == 0 ? EX_USAGE : 1;
}
