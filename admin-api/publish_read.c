/*
 * publish_read.c - the file of publishers, a line for each, and "manual", which is always there.
 * Called when signpost-admind starts and when it is told to read its configuration again. It must
 * never take a file that others may write to: named_lines.c refuses it.
 */
#include "admin-api/publish_private.h"
#include "lib/base/mem.h"

struct list {
	struct publisher **all; /* owned, each of them */
	size_t count;
};

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
take_line(void *context, struct span line, struct err *err)
{
	struct list *list = context;
	struct publisher *publisher;
	enum status status = publisher_open(line, &publisher, err);

	if (status != ST_OK)
		return status;
	list->all = mem_resize(list->all, list->count + 1, sizeof(struct publisher *));
	list->all[list->count++] = publisher;
	return ST_OK;
}

static struct named_lines
lines_into(struct list *list)
{
	return (struct named_lines){.what = "publisher",
	    .because = "its lines name programs that are run",
	    .take = take_line,
	    .context = list};
}

/* All was read, or status says what was wrong. */
static enum status
finish(struct list *list, enum status status, struct publisher ***out, size_t *count_out,
    struct err *err)
{
	if (status == ST_OK && publisher_find(list->all, list->count, SPAN_LIT("manual")) == NULL)
		status = take_line(list, SPAN_LIT("manual manual:"), err);
	if (status != ST_OK) {
		publishers_close(list->all, list->count);
		*list = (struct list){NULL, 0};
	}
	*out = list->all;
	*count_out = list->count;
	return status;
}

enum status
publishers_read_text(struct span text, struct publisher ***out, size_t *count_out, struct err *err)
{
	struct list list = {NULL, 0};
	struct named_lines lines = lines_into(&list);

	return finish(&list, named_lines_read_text(&lines, text, err), out, count_out, err);
}

enum status
publishers_read(const char *path, struct publisher ***out, size_t *count_out, struct err *err)
{
	struct list list = {NULL, 0};
	struct named_lines lines = lines_into(&list);
	enum status status = ST_OK;

	if (path != NULL && path[0] != '\0')
		status = named_lines_read(&lines, path, err);
	return finish(&list, status, out, count_out, err);
}
