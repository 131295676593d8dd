/*
 * Carries out changes through a publisher, for tests/integration/test_publishers.py.
 *
 * publish_driver PUBLISHERS NAME ZONE   reads a JSON list of changes ({"how": "add", "name":,
 *     "value":, "old":, "ttl":}) from stdin, all for one publisher_apply(), and prints a list of
 *     {"effect":, "why":}
 * publish_driver -w NOTATION NAME VALUE TTL   prints the record
 * publish_driver -l PUBLISHERS   prints the publishers of a file, "NAME KIND WHERE" on each line
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin-api/publish.h"
#include "lib/base/mem.h"

#define RECORD_MAX 65536U

static const char *const effects[] = {[LIFE_DONE] = "done",
    [LIFE_PENDING] = "pending",
    [LIFE_CONFLICT] = "conflict",
    [LIFE_UNAVAILABLE] = "unavailable",
    [LIFE_REFUSED] = "refused"};

static void
die(const char *what)
{
	fprintf(stderr, "publish_driver: %s\n", what);
	exit(65);
}

static struct span
text_of(const json_t *object, const char *field)
{
	json_t *value = json_object_get(object, field);

	return span_of(json_string_value(value), json_string_length(value));
}

static void
read_change(const json_t *object, struct publish_change *change)
{
	struct span how = text_of(object, "how");

	change->how = span_eq_str(how, "add")       ? PUBLISH_ADD
		      : span_eq_str(how, "replace") ? PUBLISH_REPLACE
						    : PUBLISH_REMOVE;
	change->name = text_of(object, "name");
	change->value = text_of(object, "value");
	change->old = text_of(object, "old");
	change->ttl_s = (uint32_t)json_integer_value(json_object_get(object, "ttl"));
}

static void
print_effects(const struct publish_change *changes, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_pack("{s:s,s:s}", "effect",
						effects[changes[i].effect], "why", changes[i].why));
	json_dumpf(list, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(list);
}

static int
apply(struct publisher *publisher, const char *zone)
{
	json_error_t error;
	json_t *list = json_loadf(stdin, 0, &error);
	size_t count = json_array_size(list);
	struct publish_change *changes = mem_zalloc(count + 1, sizeof(*changes));

	if (!json_is_array(list))
		die(error.text);
	for (size_t i = 0; i < count; i++)
		read_change(json_array_get(list, i), &changes[i]);
	publisher_apply(publisher, span_str(zone), changes, count);
	print_effects(changes, count);
	mem_free(changes);
	json_decref(list);
	return 0;
}

static int
write_record(char **argv)
{
	enum publish_notation notation;
	struct buf out;

	buf_init(&out, RECORD_MAX);
	if (publish_notation_by_name(span_str(argv[0]), &notation) != ST_OK)
		die("no such notation");
	if (publish_write(notation, span_str(argv[1]), span_str(argv[2]),
		(uint32_t)strtoul(argv[3], NULL, 10), &out) != ST_OK)
		die("cannot be written");
	fwrite(out.p, 1, out.n, stdout);
	buf_free(&out);
	return 0;
}

int
main(int argc, char **argv)
{
	struct publisher **publishers, *publisher;
	struct err err = ERR_NONE;
	size_t count;
	bool list = argc == 3 && strcmp(argv[1], "-l") == 0;
	int status = 0;

	if (argc == 6 && strcmp(argv[1], "-w") == 0)
		return write_record(argv + 2);
	if (argc != 4 && !list)
		die("usage: PUBLISHERS NAME ZONE | -l PUBLISHERS | -w NOTATION NAME VALUE TTL");
	if (publishers_read(argv[list ? 2 : 1], &publishers, &count, &err) != ST_OK)
		die(err.text);
	for (size_t i = 0; list && i < count; i++)
		printf("%s %s %s\n", publishers[i]->name, publishers[i]->ops->kind,
		    publishers[i]->where);
	publisher = list ? NULL : publisher_find(publishers, count, span_str(argv[2]));
	if (!list && publisher == NULL)
		die("no such publisher");
	if (publisher != NULL)
		status = apply(publisher, argv[3]);
	publishers_close(publishers, count);
	return status;
}
