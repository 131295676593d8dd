/*
 * parse.c - the grammar of a configuration file: lines, names, Include.
 * conf_load() reads files; conf_parse_text() and conf_parse_with() take text, for tests and other
 * sources. Includes are a stack of bounded depth, not recursion. It must never stop at the first
 * error, and never cut a line.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/secret.h"
#include "lib/conf/private.h"

struct source {
	const char *name;  /* of conf_file_name() */
	struct span rest;  /* what is not read yet */
	unsigned int line; /* of the line read last */
	struct buf text;   /* owned; empty for the outermost, which is borrowed */
};

struct parser {
	struct conf *conf;
	struct conf_report *report;
	conf_fetch *fetch;
	void *context;
	struct source sources[CONF_INCLUDE_DEPTH_MAX + 1];
	size_t depth; /* sources in use */
	size_t files; /* read so far */
	bool failed;
};

#define PARSER_ERROR(parser, place, ...)                                                           \
	do {                                                                                       \
		(parser)->failed = true;                                                           \
		conf_report_add(                                                                   \
		    (parser)->report, CONF_ERROR, (place).file, (place).line, __VA_ARGS__);        \
	} while (0)

static void
source_close(struct source *source)
{
	if (source->text.p != NULL)
		secret_wipe(source->text.p, source->text.cap);
	buf_free(&source->text);
}

static struct source *
source_push(struct parser *parser, const char *name)
{
	struct source *source = &parser->sources[parser->depth++];

	*source = (struct source){.name = conf_file_name(parser->conf, name)};
	buf_init(&source->text, CONF_FILE_MAX);
	parser->files++;
	return source;
}

static bool
is_open(const struct parser *parser, struct span path)
{
	for (size_t i = 0; i < parser->depth; i++)
		if (span_eq_str(path, parser->sources[i].name))
			return true;
	return false;
}

static void
parse_include(struct parser *parser, struct conf_place place, struct span path)
{
	struct err err = ERR_NONE;
	struct source *source;
	char *name;

	if (parser->fetch == NULL) {
		PARSER_ERROR(parser, place, "Include is not possible here");
		return;
	}
	if (is_open(parser, path)) {
		PARSER_ERROR(parser, place,
		    "%.*s includes itself, here or by way of others; remove this line",
		    path.n > 300 ? 300 : (int)path.n, path.p);
		return;
	}
	if (parser->depth > CONF_INCLUDE_DEPTH_MAX || parser->files >= CONF_FILES_MAX) {
		PARSER_ERROR(parser, place,
		    "nesting too deep: at most %d levels of Include and %d files",
		    CONF_INCLUDE_DEPTH_MAX, CONF_FILES_MAX);
		return;
	}
	name = span_dup(path);
	source = source_push(parser, name);
	if (parser->fetch(parser->context, name, &source->text, &err) != ST_OK ||
	    buf_status(&source->text) != ST_OK) {
		PARSER_ERROR(parser, place, "error reading configuration file %.300s: %s", name,
		    buf_status(&source->text) != ST_OK ? "it is too long" : err.text);
		source_close(source);
		parser->depth--;
	} else {
		source->rest = buf_span(&source->text);
	}
	mem_free(name);
}

static void
parse_unknown(struct parser *parser, struct conf_place place, struct span name)
{
	bool full = parser->report == NULL || parser->report->count == CONF_MESSAGES_MAX;
	enum conf_parameter nearest = full ? CONF_COUNT : conf_nearest(name);
	int shown = name.n > 100 ? 100 : (int)name.n;

	if (nearest == CONF_COUNT)
		PARSER_ERROR(parser, place, "unrecognized parameter \"%.*s\"", shown, name.p);
	else
		PARSER_ERROR(parser, place,
		    "unrecognized parameter \"%.*s\" (did you mean \"%s\"?)", shown, name.p,
		    conf_name(nearest));
}

/* What no text file has: says the first such octet of a line. NUL is refused in comments too. */
static bool
line_is_text(struct parser *parser, struct conf_place place, struct span line, size_t end)
{
	if (line.n > CONF_LINE_MAX) {
		PARSER_ERROR(parser, place, "the line is longer than %u octets", CONF_LINE_MAX);
		return false;
	}
	if (place.line == 1 && (span_starts(line, SPAN_LIT("\xef\xbb\xbf")) ||
				   span_starts(line, SPAN_LIT("\xff\xfe")) ||
				   span_starts(line, SPAN_LIT("\xfe\xff")))) {
		PARSER_ERROR(parser, place,
		    "a byte order mark begins the file; save it as plain text without one");
		return false;
	}
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if (c != 0 && (i >= end || (c >= 0x20 && c != 0x7f) || c == '\t'))
			continue;
		PARSER_ERROR(parser, place,
		    "illegal octet 0x%02x at column %zu; is this a text file?", c, i + 1);
		return false;
	}
	return true;
}

static void
parse_assignment(
    struct parser *parser, struct conf_place place, struct span name, struct span value)
{
	enum conf_parameter parameter = conf_by_name(name);

	if (parameter == CONF_COUNT)
		parse_unknown(parser, place, name);
	else if (value.n == 0)
		PARSER_ERROR(
		    parser, place, "required value missing for \"%s\"", conf_name(parameter));
	else if (parameter == CONF_INCLUDE)
		parse_include(parser, place, value);
	else if (conf_assign(parser->conf, parameter, value, place, parser->report) != ST_OK)
		parser->failed = true;
}

/* Where the line ends for the grammar: at the first '#' or CR. */
static size_t
line_end(struct span line)
{
	size_t end = span_find(line, '#');
	size_t cr = span_find(span_sub(line, 0, end == SIZE_MAX ? line.n : end), '\r');

	if (cr != SIZE_MAX)
		return cr;
	return end == SIZE_MAX ? line.n : end;
}

static void
parse_line(struct parser *parser, struct conf_place place, struct span line)
{
	size_t end = line_end(line);
	struct span rest = span_sub(line, 0, end), name;

	if (!line_is_text(parser, place, line, end) || !span_word(&rest, &name))
		return;
	if (end > 0 && end < line.n && line.p[end] == '#' && !ascii_blank(line.p[end - 1]))
		conf_report_add(parser->report, CONF_WARNING, place.file, place.line,
		    "the line ends at its first '#', inside a value too; a blank before '#' says "
		    "that this is meant");
	parse_assignment(parser, place, name, span_trim(rest));
}

static void
parse_all(struct parser *parser)
{
	while (parser->depth > 0) {
		struct source *source = &parser->sources[parser->depth - 1];
		struct conf_place place;
		struct span line;

		if (source->rest.n == 0) {
			source_close(source);
			parser->depth--;
			continue;
		}
		(void)span_cut(&source->rest, '\n', &line);
		place = (struct conf_place){source->name, ++source->line};
		parse_line(parser, place, line);
	}
}

enum status
conf_parse_with(struct conf *conf, const char *name, struct span text, conf_fetch *fetch,
    void *context, struct conf_report *report)
{
	struct parser parser = {.conf = conf, .report = report, .fetch = fetch, .context = context};
	struct source *source = source_push(&parser, name);

	if (conf->main_file == NULL)
		conf->main_file = source->name;
	if (text.n > CONF_FILE_MAX) {
		conf_report_add(report, CONF_ERROR, name, 0,
		    "error reading configuration file: it is longer than %u octets", CONF_FILE_MAX);
		return ST_TOO_BIG;
	}
	source->rest = text;
	parse_all(&parser);
	return parser.failed ? ST_INVALID : ST_OK;
}

enum status
conf_parse_text(struct conf *conf, const char *name, struct span text, struct conf_report *report)
{
	return conf_parse_with(conf, name, text, NULL, NULL, report);
}

/* The next octets; the one past the maximum is asked for only to see that it is not there. */
static ssize_t
read_some(int fd, struct buf *text_out, enum status *status_out)
{
	size_t room = text_out->max - text_out->n, want = room < 4096 ? room : 4096;
	char past;
	ssize_t n;

	if (want == 0) {
		n = read(fd, &past, 1);
		if (n > 0)
			*status_out = ST_TOO_BIG;
		return n > 0 ? 0 : n;
	}
	n = read(fd, buf_reserve(text_out, want), want);
	if (n > 0)
		text_out->n += (size_t)n;
	return n;
}

static enum status
read_all(int fd, struct buf *text_out)
{
	enum status status = ST_OK;
	struct stat st;
	ssize_t n;

	/* All of it at once where the length is known: growing would leave copies behind. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
	    (size_t)st.st_size <= text_out->max)
		(void)buf_reserve(text_out, (size_t)st.st_size);
	do {
		n = read_some(fd, text_out, &status);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? ST_UNAVAILABLE : status;
}

/* A conf_fetch that reads files. */
static enum status
fetch_file(void *context, const char *path, struct buf *text_out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	enum status status;

	(void)context;
	if (fd < 0) {
		err_set(err, "%s", strerror(errno));
		return errno == ENOENT || errno == ENOTDIR ? ST_ABSENT : ST_UNAVAILABLE;
	}
	status = read_all(fd, text_out);
	if (status == ST_TOO_BIG)
		err_set(err, "it is longer than %u octets", CONF_FILE_MAX);
	else if (status != ST_OK)
		err_set(err, "%s", strerror(errno));
	close(fd);
	return status;
}

enum status
conf_load(struct conf *conf, const char *path, struct conf_report *report)
{
	struct err err = ERR_NONE;
	enum status status;
	struct buf text;

	buf_init(&text, CONF_FILE_MAX);
	status = fetch_file(NULL, path, &text, &err);
	if (status != ST_OK)
		conf_report_add(
		    report, CONF_ERROR, path, 0, "error reading configuration file: %s", err.text);
	else
		status = conf_parse_with(conf, path, buf_span(&text), fetch_file, NULL, report);
	if (text.p != NULL)
		secret_wipe(text.p, text.cap);
	buf_free(&text);
	return status;
}
