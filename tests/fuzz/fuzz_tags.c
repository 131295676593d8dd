/* Tag lists: what was parsed lies inside the text, names are unique. */
#include <stdlib.h>

#include "lib/dkim/tags.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_tag(const struct tag_list *list, size_t i, struct span text)
{
	struct tag tag = list->tags[i];
	struct buf out;

	if (tag.name.n == 0 || tag.name.p < text.p || tag.name.p + tag.name.n > text.p + text.n)
		abort();
	if (tag.value.n > 0 && tag.value.p + tag.value.n > text.p + text.n)
		abort();
	for (size_t j = 0; j < i; j++)
		if (span_eq(list->tags[j].name, tag.name))
			abort();
	buf_init(&out, text.n + 1);
	tags_strip_blanks(tag.value, &out);
	buf_reset(&out);
	if (tags_unquote(tag.value, &out) == ST_TOO_BIG || out.n > tag.value.n)
		abort();
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct tag_list list;
	struct err err = ERR_NONE;

	if (tags_parse(text, &list, &err) != ST_OK)
		return 0;
	if (list.count == 0 || list.count > TAGS_MAX)
		abort();
	for (size_t i = 0; i < list.count; i++)
		check_tag(&list, i, text);
	return 0;
}
