/*
 * mirror.c - the file of mirrors, a line for each.
 * Called when signpost-admind starts. It must never take a file that others may write to, which
 * named_lines.c refuses: its lines say who gets private keys.
 */
#include <string.h>

#include "admin-api/mirror.h"
#include "lib/base/mem.h"

#define VALUE_MAX 8192U

static const struct mirror_ops *const kinds[] = {
    &mirror_zimbra, &mirror_postfixadmin, &mirror_ispconfig};

struct list {
	struct mirror **all; /* owned, each of them */
	size_t count;
};

static void
mirror_close(struct mirror *mirror)
{
	mirror->ops->close(mirror);
	mem_free(mirror->tenants);
	mem_free(mirror);
}

void
mirrors_close(struct mirror **mirrors, size_t count)
{
	for (size_t i = 0; i < count; i++)
		mirror_close(mirrors[i]);
	mem_free(mirrors);
}

static const struct mirror_ops *
find_kind(struct span kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (span_eq_str(kind, kinds[i]->kind))
			return kinds[i];
	return NULL;
}

static enum status
take_tenants(struct mirror *mirror, struct span list, struct err *err)
{
	if (mirror->tenants != NULL || !mirror_tenants_good(list)) {
		err_set(err, "tenants: %s",
		    mirror->tenants != NULL
			? "is there twice"
			: "names of tenants with commas between them, or \"*\" for all of them");
		return ST_INVALID;
	}
	mirror->tenants = span_dup(list);
	return ST_OK;
}

/* tenants= is of every kind: it is taken out of what the kind gets. */
static enum status
split_options(struct mirror *mirror, struct span value, struct buf *out, struct err *err)
{
	enum status status = ST_OK;
	struct span option;
	char between = '?';

	span_cut(&value, '?', &option);
	buf_add(out, option);
	while (status == ST_OK && value.n > 0) {
		span_cut(&value, '&', &option);
		if (span_starts(option, SPAN_LIT("tenants="))) {
			status =
			    take_tenants(mirror, span_from(option, sizeof("tenants=") - 1), err);
			continue;
		}
		buf_add_char(out, between);
		buf_add(out, option);
		between = '&';
	}
	if (status == ST_OK && buf_status(out) != ST_OK) {
		err_set(err, "longer than %u octets", VALUE_MAX);
		status = ST_INVALID;
	}
	return status;
}

static enum status
open_value(struct mirror *mirror, struct span value, struct err *err)
{
	enum status status;
	struct buf rest;

	buf_init(&rest, VALUE_MAX);
	status = split_options(mirror, value, &rest, err);
	if (status == ST_OK)
		status = mirror->ops->open(mirror, buf_span(&rest), err);
	buf_free(&rest);
	return status;
}

static enum status
open_line(struct span line, struct mirror **out, struct err *err)
{
	struct span rest = line, name, kind;
	enum status status;

	span_word(&rest, &name);
	rest = span_trim(rest);
	if (!span_cut(&rest, ':', &kind) || find_kind(kind) == NULL) {
		err_set(err,
		    "%.*s: behind the name comes \"zimbra:\", \"postfixadmin:\" or \"ispconfig:\"",
		    SPAN_ARG(name));
		return ST_INVALID;
	}
	*out = mem_zalloc(1, sizeof(**out));
	(*out)->ops = find_kind(kind);
	memcpy((*out)->name, name.p, name.n);
	status = open_value(*out, rest, err);
	if (status == ST_OK)
		return ST_OK;
	err_prefix(err, "%.*s", SPAN_ARG(name));
	mirror_close(*out);
	return status;
}

static enum status
take_line(void *context, struct span line, struct err *err)
{
	struct list *list = context;
	struct mirror *mirror;
	enum status status = open_line(line, &mirror, err);

	if (status != ST_OK)
		return status;
	list->all = mem_resize(list->all, list->count + 1, sizeof(struct mirror *));
	list->all[list->count++] = mirror;
	return ST_OK;
}

static struct named_lines
lines_into(struct list *list)
{
	return (struct named_lines){.what = "mirror",
	    .because = "its lines say who gets private keys",
	    .take = take_line,
	    .context = list};
}

/* All was read, or status says what was wrong. */
static enum status
finish(struct list *list, enum status status, struct mirror ***out, size_t *count_out)
{
	if (status != ST_OK) {
		mirrors_close(list->all, list->count);
		*list = (struct list){NULL, 0};
	}
	*out = list->all;
	*count_out = list->count;
	return status;
}

enum status
mirrors_read_text(struct span text, struct mirror ***out, size_t *count_out, struct err *err)
{
	struct list list = {NULL, 0};
	struct named_lines lines = lines_into(&list);

	return finish(&list, named_lines_read_text(&lines, text, err), out, count_out);
}

enum status
mirrors_read(const char *path, struct mirror ***out, size_t *count_out, struct err *err)
{
	struct list list = {NULL, 0};
	struct named_lines lines = lines_into(&list);
	enum status status = ST_OK;

	if (path != NULL && path[0] != '\0')
		status = named_lines_read(&lines, path, err);
	return finish(&list, status, out, count_out);
}
