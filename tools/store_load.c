/*
 * store_load.c - signpost store load: the store is made to say what a list of lines says.
 * Operators and scripts call it, as often as they like. It must never hold more than one batch of
 * lines, nor let a bad line pass in silence.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "tools/store_plan.h"

#define ARENA_MAX (2U << 20) /* a batch ends when its words are more */

struct item {
	struct store_line line;
	struct store_plan plan;
	bool refused;
};

struct load {
	struct store_tool tool;
	struct store_finder finder;
	struct store_batch batch;
	struct item *items; /* of the batch, KEYSTORE_BATCH_MAX */
	uint64_t *hashes;   /* what they are about */
	struct arena arena; /* their words */
	int64_t now_utc;    /* by the store's clock, for this batch; 0: not asked yet */
	unsigned long lines, count[STORE_ACTIONS], failed;
	struct item *single; /* tried again, as a batch of one */
};

/* ---- what is told ---- */

static void
tell_bad(struct load *load, unsigned long line, const struct err *err)
{
	struct buf text;

	load->failed++;
	if (!load->tool.json) {
		cli_say(load->tool.program, "line %lu: %s", line, err->text);
		return;
	}
	buf_init(&text, 8192);
	cli_json_string(&text, span_str(err->text));
	printf("{\"line\": %lu, \"error\": %s}\n", line, buf_text(&text));
	buf_free(&text);
}

static void
tell_weak(const struct load *load, const struct store_line *line, const struct store_key *row)
{
	cli_say(load->tool.program,
	    "line %lu: warning: an RSA key of %d bits; verifiers trust 2048 and more", line->number,
	    row->bits);
}

static void
tell_sum(const struct load *load)
{
	const unsigned long *n = load->count;

	if (load->tool.json)
		printf("{\"lines\": %lu, \"added\": %lu, \"changed\": %lu, \"removed\": %lu, "
		       "\"unchanged\": %lu, \"failed\": %lu, \"dry_run\": %s}\n",
		    load->lines, n[STORE_ADD], n[STORE_CHANGE], n[STORE_REMOVE], n[STORE_NOTHING],
		    load->failed, load->tool.dry_run ? "true" : "false");
	else
		cli_tell(load->tool.program,
		    "%lu lines: %lu %sadded, %lu changed, %lu removed, %lu unchanged, %lu failed",
		    load->lines, n[STORE_ADD], load->tool.dry_run ? "would be " : "",
		    n[STORE_CHANGE], n[STORE_REMOVE], n[STORE_NOTHING], load->failed);
}

/* ---- a batch ---- */

static void
free_items(struct load *load, size_t count)
{
	for (size_t i = 0; i < count; i++)
		store_plan_free(&load->items[i].plan);
	arena_reset(&load->arena);
	load->batch.count = 0;
	load->now_utc = 0;
	store_finder_forget(&load->finder);
}

/* A change was written, or refused: then it is tried once more against what is there by now. */
static void
written(void *context, size_t index, enum status status, const struct err *err)
{
	struct load *load = context;
	struct item *item = load->single != NULL ? load->single : &load->items[index];

	item->refused = status != ST_OK;
	if (status == ST_OK)
		load->count[item->plan.action]++;
	else if (load->single != NULL)
		tell_bad(load, item->line.number, err);
}

static enum status
ask_now(struct load *load, struct err *err)
{
	if (load->now_utc != 0)
		return ST_OK;
	return load->tool.store->ops->now(load->tool.store, &load->now_utc, err);
}

/* What a status means for the line (it is told) or for the run (it goes on up). */
static enum status
plan_line(struct load *load, const struct store_line *line, struct store_plan *out)
{
	struct err err = ERR_NONE;
	enum status status;

	if (line->write.what == STORE_KEY) {
		status = ask_now(load, &err);
		if (status != ST_OK) {
			(void)store_tool_failed(&load->tool, status, &err);
			return ST_UNAVAILABLE;
		}
	}
	status = store_plan_make(&load->tool, &load->finder, line, load->now_utc, out, &err);
	if (status == ST_OK || status == ST_UNAVAILABLE) {
		if (status != ST_OK)
			(void)store_tool_failed(&load->tool, status, &err);
		return status;
	}
	tell_bad(load, line->number, &err);
	return ST_INVALID;
}

static enum status
write_batch(struct load *load)
{
	struct err err = ERR_NONE;
	enum status status = ST_OK;

	if (load->tool.dry_run) {
		for (size_t i = 0; i < load->batch.count; i++)
			written(load, i, ST_OK, NULL);
		load->batch.count = 0;
	} else {
		status = store_batch_write(&load->batch, &err);
	}
	if (status != ST_OK)
		(void)store_tool_failed(&load->tool, status, &err);
	return status;
}

/* Somebody else may have changed the row between our look and our write. */
static enum status
try_again(struct load *load, struct item *item)
{
	enum status status;

	store_plan_free(&item->plan);
	store_finder_forget(&load->finder);
	status = plan_line(load, &item->line, &item->plan);
	if (status == ST_INVALID)
		return ST_OK;
	if (status != ST_OK)
		return status;
	if (item->plan.action == STORE_NOTHING) {
		load->count[STORE_NOTHING]++;
		return ST_OK;
	}
	load->single = item;
	load->batch.writes[0] = item->plan.write;
	load->batch.count = 1;
	status = write_batch(load);
	load->single = NULL;
	return status;
}

static bool
gives_up(const struct load *load)
{
	return load->tool.strict && load->failed > 0;
}

static enum status
flush(struct load *load)
{
	size_t count = load->batch.count;
	enum status status = ST_OK;

	if (count > 0)
		status = write_batch(load);
	for (size_t i = 0; i < count && status == ST_OK && !gives_up(load); i++)
		if (load->items[i].refused)
			status = try_again(load, &load->items[i]);
	free_items(load, count);
	return status;
}

/* ---- lines ---- */

static uint64_t
hash_names(const struct store_line *line)
{
	static const uint8_t key[16];
	char room[KEYSTORE_SUBJECT_MAX * 2 + 8];
	struct span first, second;
	int n;

	store_line_names(line, &first, &second);
	n = snprintf(room, sizeof(room), "%d %.*s %.*s", (int)line->write.what, SPAN_ARG(first),
	    SPAN_ARG(second));
	return span_hash(span_of(room, n < (int)sizeof(room) ? (size_t)n : sizeof(room) - 1), key);
}

static bool
in_batch(const struct load *load, uint64_t hash)
{
	for (size_t i = 0; i < load->batch.count; i++)
		if (load->hashes[i] == hash)
			return true;
	return false;
}

static enum status
take_row(struct load *load, struct item *item)
{
	enum status status = plan_line(load, &item->line, &item->plan);

	if (status != ST_OK)
		return status;
	if (item->plan.action == STORE_NOTHING) {
		load->count[STORE_NOTHING]++;
		return ST_OK;
	}
	if (item->plan.weak && item->plan.action == STORE_ADD)
		tell_weak(load, &item->line, &item->plan.write.row.key);
	load->batch.writes[load->batch.count++] = item->plan.write;
	return ST_OK;
}

/* The line is parsed into the arena of the batch, which ends when the batch is written: so a line
 * about the same row as an earlier one of the batch is parsed again behind it. */
static enum status
take_line(struct load *load, struct span text)
{
	struct item *item = &load->items[load->batch.count];
	struct err err = ERR_NONE;
	enum status status;
	uint64_t hash;

	for (int turn = 0; turn < 2; turn++) {
		memset(item, 0, sizeof(*item));
		status = store_line_parse(&load->arena, text, &item->line, &err);
		item->line.number = load->lines;
		if (status == ST_ABSENT)
			return ST_OK;
		if (status != ST_OK && status != ST_TOO_BIG) {
			tell_bad(load, load->lines, &err);
			return ST_INVALID;
		}
		hash = status == ST_OK ? hash_names(&item->line) : 0;
		if (status == ST_OK && !in_batch(load, hash)) {
			load->hashes[load->batch.count] = hash;
			return take_row(load, item);
		}
		status = flush(load);
		if (status != ST_OK)
			return status;
		item = &load->items[0];
	}
	return ST_FAILED;
}

/* ---- the list ---- */

/* The next line without its end; one octet more than can be is enough of a longer one. */
static bool
read_line(FILE *from, char line[STORE_LINE_MAX + 1], size_t *n_out)
{
	int c = getc(from);
	size_t n = 0;

	if (c == EOF)
		return false;
	for (; c != EOF && c != '\n'; c = getc(from))
		if (n <= STORE_LINE_MAX)
			line[n++] = (char)c;
	*n_out = n;
	return true;
}

static enum status
read_list(struct load *load, FILE *from)
{
	char line[STORE_LINE_MAX + 1];
	enum status status = ST_OK;
	size_t n;

	while (read_line(from, line, &n)) {
		load->lines++;
		status = take_line(load, span_of(line, n));
		/* A bad line was told. */
		if (status == ST_INVALID)
			status = ST_OK;
		if (status != ST_OK || gives_up(load))
			break;
		if (load->batch.count == KEYSTORE_BATCH_MAX)
			status = flush(load);
		if (status != ST_OK || gives_up(load))
			break;
	}
	if (status == ST_OK)
		status = flush(load);
	return status;
}

static int
load_from(struct load *load, FILE *from)
{
	enum status status;

	load->items = mem_zalloc(KEYSTORE_BATCH_MAX, sizeof(*load->items));
	load->hashes = mem_zalloc(KEYSTORE_BATCH_MAX, sizeof(*load->hashes));
	load->batch.writes = mem_zalloc(KEYSTORE_BATCH_MAX, sizeof(*load->batch.writes));
	load->batch.store = load->tool.store;
	load->batch.done = written;
	load->batch.context = load;
	arena_init(&load->arena, ARENA_MAX);
	store_finder_begin(&load->finder, load->tool.store);
	status = read_list(load, from);
	free_items(load, KEYSTORE_BATCH_MAX);
	arena_free(&load->arena);
	mem_free(load->batch.writes);
	mem_free(load->hashes);
	mem_free(load->items);
	tell_sum(load);
	if (status != ST_OK) {
		cli_say(load->tool.program,
		    "stopped at line %lu; run the same command again: what is there already is not "
		    "written twice",
		    load->lines);
		return status == ST_UNAVAILABLE ? EX_UNAVAILABLE : EX_SOFTWARE;
	}
	if (ferror(from)) {
		cli_say(
		    load->tool.program, "the list cannot be read to its end: %s", strerror(errno));
		return EX_IOERR;
	}
	return load->failed > 0 ? EX_DATAERR : EX_OK;
}

static int
load_list(struct load *load, const char *path)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *from = standard ? stdin : fopen(path, "re");
	const struct keystore_ops *ops;
	int exit_code;

	if (from == NULL) {
		cli_say(load->tool.program, "%s: %s", path, strerror(errno));
		return EX_NOINPUT;
	}
	exit_code = store_tool_open(&load->tool, true);
	if (exit_code == EX_OK) {
		ops = load->tool.store->ops;
		exit_code = EX_UNAVAILABLE;
		if (store_tool_can(&load->tool, ops->apply != NULL && ops->list != NULL, "written"))
			exit_code = load_from(load, from);
		store_tool_close(&load->tool);
	}
	if (!standard)
		fclose(from);
	return exit_code;
}

int
store_load_run(const char *program, int argc, char **argv)
{
	static const struct cli_option options[] = {
	    STORE_OPTIONS,
	    {"dry-run", 'n', NULL, "write nothing, tell what would be",
		offsetof(struct store_tool, dry_run)},
	    {"plain", 0, NULL, "without a site key: store private keys unsealed",
		offsetof(struct store_tool, plain)},
	    {"strict", 0, NULL, "stop at the first bad line", offsetof(struct store_tool, strict)},
	};
	static const struct cli_usage usage = {"FILE|-",
	    "Makes a key store say what the lines of FILE say.", options,
	    sizeof(options) / sizeof(options[0])};
	struct load load = {.tool.program = program, .tool.write = true};
	enum cli_answer answer = cli_options(program, &usage, argc, argv, &load.tool);

	if (answer != CLI_GO_ON)
		return answer == CLI_DONE ? EX_OK : EX_USAGE;
	if (argc - optind != 1) {
		cli_say(program, "one file, or - for standard input, is needed");
		return EX_USAGE;
	}
	return load_list(&load, argv[optind]);
}
