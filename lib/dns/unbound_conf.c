/*
 * unbound_conf.c - copies an unbound.conf, includes and all, without automatic trust anchors.
 * unbound.c uses it when ResolverConfiguration names such an anchor. It must keep every other word
 * as it is: libunbound has read the original without complaint.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dns/unbound_conf.h"

#define READ_BYTES 4096u

/* What an include stands for, all files of it: being copied. */
struct level {
	struct buf text;
	size_t at;
};

struct copier {
	struct level levels[UNBOUND_CONF_DEPTH_MAX];
	size_t depth;
	struct buf *out;
	struct err *err;
};

static enum status
add_file(struct copier *copier, const char *path, struct buf *text)
{
	FILE *f = fopen(path, "re");
	char *to;

	if (f == NULL) {
		err_set(copier->err, "%s: %s", path, strerror(errno));
		return ST_UNAVAILABLE;
	}
	while ((to = buf_reserve(text, READ_BYTES)) != NULL) {
		size_t n = fread(to, 1, READ_BYTES, f);

		text->n += n;
		if (n == 0)
			break;
	}
	fclose(f);
	buf_add_char(text, '\n');
	if (buf_status(text) != ST_OK)
		err_set(copier->err, "%s: more than %u octets", path, UNBOUND_CONF_BYTES_MAX);
	return buf_status(text);
}

/* All files of a pattern are one level. */
static enum status
include(struct copier *copier, const char *pattern)
{
	struct level *level = &copier->levels[copier->depth];
	enum status status = ST_OK;
	glob_t found;

	if (copier->depth == UNBOUND_CONF_DEPTH_MAX) {
		err_set(copier->err, "%s: included by too many files in each other", pattern);
		return ST_INVALID;
	}
	copier->depth++;
	level->at = 0;
	buf_init(&level->text, UNBOUND_CONF_BYTES_MAX);
	if (glob(pattern, GLOB_NOCHECK, NULL, &found) != 0)
		return ST_OK;
	for (size_t i = 0; i < found.gl_pathc && status == ST_OK; i++)
		status = add_file(copier, found.gl_pathv[i], &level->text);
	globfree(&found);
	return status;
}

/* The next piece: blanks, a comment, a quoted string, or a word. */
static struct span
next_piece(struct level *level)
{
	const char *p = level->text.p + level->at;
	size_t left = level->text.n - level->at, n = 1;

	if (*p == '#') {
		while (n < left && p[n] != '\n')
			n++;
	} else if (*p == '"' || *p == '\'') {
		while (n < left && p[n] != *p && p[n] != '\n')
			n++;
		n += n < left && p[n] == *p;
	} else if (!ascii_blank(*p)) {
		while (
		    n < left && !ascii_blank(p[n]) && p[n] != '#' && p[n] != '"' && p[n - 1] != ':')
			n++;
	}
	level->at += n;
	return span_of(p, n);
}

static struct span
next_value(struct level *level)
{
	struct span piece = SPAN_EMPTY;

	while (level->at < level->text.n) {
		piece = next_piece(level);
		if (!ascii_blank(piece.p[0]))
			break;
	}
	if (piece.n >= 2 && (piece.p[0] == '"' || piece.p[0] == '\''))
		piece = span_sub(piece, 1, piece.n - 2);
	return piece;
}

/* "include: PATTERN" */
static enum status
copy_include(struct copier *copier, struct level *level)
{
	char *pattern = span_dup(next_value(level));
	enum status status = include(copier, pattern);

	mem_free(pattern);
	return status;
}

static enum status
copy_piece(struct copier *copier)
{
	struct level *level = &copier->levels[copier->depth - 1];
	struct span piece;

	if (level->at == level->text.n) {
		buf_free(&level->text);
		copier->depth--;
		return ST_OK;
	}
	piece = next_piece(level);
	if (span_eq_str(piece, "include:") || span_eq_str(piece, "include-toplevel:"))
		return copy_include(copier, level);
	if (span_eq_str(piece, "auto-trust-anchor-file:"))
		piece = span_from(piece, strlen("auto-"));
	buf_add(copier->out, piece);
	return buf_status(copier->out);
}

enum status
unbound_conf_copy(const char *path, struct buf *out, struct err *err)
{
	struct copier copier = {.out = out, .err = err};
	enum status status = include(&copier, path);

	while (status == ST_OK && copier.depth > 0)
		status = copy_piece(&copier);
	if (status == ST_TOO_BIG)
		err_set(err, "%s: more than %u octets with what it includes", path,
		    UNBOUND_CONF_BYTES_MAX);
	while (copier.depth > 0)
		buf_free(&copier.levels[--copier.depth].text);
	return status;
}
