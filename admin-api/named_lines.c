/*
 * named_lines.c - the reader of files with a named line for each publisher, or each mirror.
 * Called by publish_read.c and mirror.c when signpost-admind starts. It must never read a file that
 * others may write to: such lines name programs that are run, and who gets private keys.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin-api/named_lines.h"
#include "lib/store/slurp.h"

struct seen {
	struct span names[NAMED_LINES_MAX]; /* borrowed from the text */
	size_t count;
};

static bool
name_octet(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

enum status
named_line_check(const char *what, struct span name, struct err *err)
{
	bool good = name.n > 0 && name.n <= NAMED_LINE_NAME_MAX;

	for (size_t i = 0; good && i < name.n; i++)
		good = name_octet(name.p[i]);
	if (good)
		return ST_OK;
	err_set(err, "the name of a %s is 1 to %u of A-Z a-z 0-9 . _ -", what, NAMED_LINE_NAME_MAX);
	return ST_INVALID;
}

static enum status
check_new(const struct named_lines *lines, struct seen *seen, struct span name, struct err *err)
{
	if (seen->count == NAMED_LINES_MAX) {
		err_set(err, "more than %u %ss", NAMED_LINES_MAX, lines->what);
		return ST_INVALID;
	}
	for (size_t i = 0; i < seen->count; i++)
		if (span_eq(seen->names[i], name)) {
			err_set(err, "there is a %s %.*s above", lines->what, SPAN_ARG(name));
			return ST_INVALID;
		}
	seen->names[seen->count++] = name;
	return ST_OK;
}

static enum status
read_line(const struct named_lines *lines, struct seen *seen, struct span line, struct err *err)
{
	struct span rest, name;
	enum status status;

	line = span_trim(line);
	if (line.n == 0 || line.p[0] == '#')
		return ST_OK;
	rest = line;
	if (!span_word(&rest, &name))
		name = SPAN_EMPTY;
	status = named_line_check(lines->what, name, err);
	if (status == ST_OK)
		status = check_new(lines, seen, name, err);
	return status == ST_OK ? lines->take(lines->context, line, err) : status;
}

enum status
named_lines_read_text(const struct named_lines *lines, struct span text, struct err *err)
{
	struct seen seen = {.count = 0};
	enum status status = ST_OK;
	struct span line;

	for (size_t number = 1; status == ST_OK && text.n > 0; number++) {
		span_cut(&text, '\n', &line);
		status = read_line(lines, &seen, line, err);
		if (status != ST_OK)
			err_prefix(err, "line %zu", number);
	}
	return status;
}

static enum status
check_writers(const struct named_lines *lines, const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		err_set(err, "%s: %s", path, strerror(errno));
		return errno == ENOENT || errno == ENOTDIR ? ST_ABSENT : ST_UNAVAILABLE;
	}
	if ((st.st_uid == 0 || st.st_uid == geteuid()) && (st.st_mode & 022) == 0)
		return ST_OK;
	err_set(err,
	    "%s: others than its owner may write to it, or the owner is neither root nor this "
	    "user, and %s; chown it, and chmod go-w",
	    path, lines->because);
	return ST_DENIED;
}

enum status
named_lines_read(const struct named_lines *lines, const char *path, struct err *err)
{
	enum status status = check_writers(lines, path, err);
	struct slurp slurp;

	if (status == ST_OK)
		status = slurp_file(path, NAMED_LINES_FILE_MAX, false, &slurp, err);
	if (status != ST_OK)
		return status;
	status = named_lines_read_text(lines, span_of(slurp.text, slurp.n), err);
	if (status != ST_OK)
		err_prefix(err, "%s", path);
	slurp_free(&slurp);
	return status;
}
