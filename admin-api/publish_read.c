/*
 * publish_read.c - the file of publishers, a line for each.
 * Called when signpost-admind starts and when it is told to read its configuration again. It must
 * never read a file that others may write to: its lines name programs that are run.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin-api/publish_private.h"
#include "lib/base/mem.h"
#include "lib/store/slurp.h"

struct list {
	struct publisher **all; /* owned, each of them */
	size_t count;
};

static void
list_add(struct list *list, struct publisher *publisher)
{
	list->all = mem_resize(list->all, list->count + 1, sizeof(struct publisher *));
	list->all[list->count++] = publisher;
}

struct publisher *
publisher_find(struct publisher *const *publishers, size_t count, struct span name)
{
	for (size_t i = 0; i < count; i++)
		if (span_eq_str(name, publishers[i]->name))
			return publishers[i];
	return NULL;
}

void
publishers_close(struct publisher **publishers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		publisher_close(publishers[i]);
	mem_free(publishers);
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
	    "user, and its lines name programs that are run; chown it, and chmod go-w",
	    path);
	return ST_DENIED;
}

static enum status
read_line(struct list *list, struct span line, struct err *err)
{
	struct publisher *publisher;
	enum status status;

	line = span_trim(line);
	if (line.n == 0 || line.p[0] == '#')
		return ST_OK;
	if (list->count == PUBLISH_PUBLISHERS_MAX) {
		err_set(err, "more than %u publishers", PUBLISH_PUBLISHERS_MAX);
		return ST_INVALID;
	}
	status = publisher_open(line, &publisher, err);
	if (status != ST_OK)
		return status;
	if (publisher_find(list->all, list->count, span_str(publisher->name)) != NULL) {
		err_set(err, "there is a publisher %s above", publisher->name);
		publisher_close(publisher);
		return ST_INVALID;
	}
	list_add(list, publisher);
	return ST_OK;
}

enum status
publishers_read_text(struct span text, struct publisher ***out, size_t *count_out, struct err *err)
{
	struct list list = {NULL, 0};
	enum status status = ST_OK;
	struct publisher *manual;
	struct span line;

	*out = NULL;
	*count_out = 0;
	for (size_t number = 1; status == ST_OK && text.n > 0; number++) {
		span_cut(&text, '\n', &line);
		status = read_line(&list, line, err);
		if (status != ST_OK)
			err_prefix(err, "line %zu", number);
	}
	if (status == ST_OK && publisher_find(list.all, list.count, SPAN_LIT("manual")) == NULL) {
		status = publisher_open(SPAN_LIT("manual manual:"), &manual, err);
		if (status == ST_OK)
			list_add(&list, manual);
	}
	if (status != ST_OK) {
		publishers_close(list.all, list.count);
		return status;
	}
	*out = list.all;
	*count_out = list.count;
	return ST_OK;
}

enum status
publishers_read(const char *path, struct publisher ***out, size_t *count_out, struct err *err)
{
	enum status status;
	struct slurp slurp;

	*out = NULL;
	*count_out = 0;
	if (path == NULL || path[0] == '\0')
		return publishers_read_text(SPAN_EMPTY, out, count_out, err);
	status = check_writers(path, err);
	if (status == ST_OK)
		status = slurp_file(path, PUBLISH_FILE_MAX, false, &slurp, err);
	if (status != ST_OK)
		return status;
	status = publishers_read_text(span_of(slurp.text, slurp.n), out, count_out, err);
	if (status != ST_OK)
		err_prefix(err, "%s", path);
	slurp_free(&slurp);
	return status;
}
