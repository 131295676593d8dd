/*
 * mirror.c - the file of mirrors, a line for each.
 * Called when signpost-admind starts. It must never read a file that others may write to: its lines
 * say who gets private keys.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin-api/mirror.h"
#include "lib/base/mem.h"
#include "lib/store/slurp.h"

static const struct mirror_ops *const kinds[] = {&mirror_zimbra};

struct list {
	struct mirror **all; /* owned, each of them */
	size_t count;
};

void
mirrors_close(struct mirror **mirrors, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		mirrors[i]->ops->close(mirrors[i]);
		mem_free(mirrors[i]);
	}
	mem_free(mirrors);
}

static bool
name_is_good(struct span name)
{
	bool good = name.n > 0 && name.n <= PUBLISH_NAME_MAX;

	for (size_t i = 0; good && i < name.n; i++) {
		char c = ascii_lower(name.p[i]);

		good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
		       c == '-';
	}
	return good;
}

static enum status
open_line(struct span line, struct mirror **out, struct err *err)
{
	struct span rest = line, name, kind;
	enum status status;

	if (!span_word(&rest, &name) || !name_is_good(name)) {
		err_set(
		    err, "the name of a mirror is 1 to %u of A-Z a-z 0-9 . _ -", PUBLISH_NAME_MAX);
		return ST_INVALID;
	}
	rest = span_trim(rest);
	if (!span_cut(&rest, ':', &kind) || !span_eq_str(kind, kinds[0]->kind)) {
		err_set(err, "%.*s: behind the name comes \"zimbra:\"", SPAN_ARG(name));
		return ST_INVALID;
	}
	*out = mem_zalloc(1, sizeof(**out));
	(*out)->ops = kinds[0];
	memcpy((*out)->name, name.p, name.n);
	status = (*out)->ops->open(*out, rest, err);
	if (status == ST_OK)
		return ST_OK;
	err_prefix(err, "%.*s", SPAN_ARG(name));
	(*out)->ops->close(*out);
	mem_free(*out);
	return status;
}

static enum status
read_line(struct list *list, struct span line, struct err *err)
{
	struct mirror *mirror;
	enum status status;

	line = span_trim(line);
	if (line.n == 0 || line.p[0] == '#')
		return ST_OK;
	if (list->count == MIRROR_MIRRORS_MAX) {
		err_set(err, "more than %u mirrors", MIRROR_MIRRORS_MAX);
		return ST_INVALID;
	}
	status = open_line(line, &mirror, err);
	if (status != ST_OK)
		return status;
	list->all = mem_resize(list->all, list->count + 1, sizeof(struct mirror *));
	list->all[list->count++] = mirror;
	for (size_t i = 0; i + 1 < list->count; i++)
		if (strcmp(list->all[i]->name, mirror->name) == 0) {
			err_set(err, "there is a mirror %s above", mirror->name);
			return ST_INVALID;
		}
	return ST_OK;
}

enum status
mirrors_read_text(struct span text, struct mirror ***out, size_t *count_out, struct err *err)
{
	struct list list = {NULL, 0};
	enum status status = ST_OK;
	struct span line;

	*out = NULL;
	*count_out = 0;
	for (size_t number = 1; status == ST_OK && text.n > 0; number++) {
		span_cut(&text, '\n', &line);
		status = read_line(&list, line, err);
		if (status != ST_OK)
			err_prefix(err, "line %zu", number);
	}
	if (status != ST_OK) {
		mirrors_close(list.all, list.count);
		return status;
	}
	*out = list.all;
	*count_out = list.count;
	return ST_OK;
}

static enum status
check_writers(const char *path, struct err *err)
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
	    "user, and its lines say who gets private keys; chown it, and chmod go-w",
	    path);
	return ST_DENIED;
}

enum status
mirrors_read(const char *path, struct mirror ***out, size_t *count_out, struct err *err)
{
	enum status status;
	struct slurp slurp;

	*out = NULL;
	*count_out = 0;
	if (path == NULL || path[0] == '\0')
		return ST_OK;
	status = check_writers(path, err);
	if (status == ST_OK)
		status = slurp_file(path, PUBLISH_FILE_MAX, false, &slurp, err);
	if (status != ST_OK)
		return status;
	status = mirrors_read_text(span_of(slurp.text, slurp.n), out, count_out, err);
	if (status != ST_OK)
		err_prefix(err, "%s", path);
	slurp_free(&slurp);
	return status;
}
