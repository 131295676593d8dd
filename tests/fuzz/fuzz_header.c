/* A whole message header: parse, select, canonicalize; what came out keeps its promises. */
#include <stdlib.h>

#include "lib/dkim/select.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const over[] = {"From", "X-Over", NULL};
static const char *const wild[] = {"*-*", "s*", NULL};

/* Each instance of a name is hashed after the ones below it, and none is left out. */
static void
check_order(const struct header_selection *s, const struct header_list *list)
{
	for (size_t i = 0; i < s->index_count; i++) {
		struct span name = list->fields[s->indices[i]].name;

		if (!header_name_eq(name, s->names[i]))
			abort();
		for (size_t j = i + 1; j < s->index_count && j < i + 50; j++)
			if (header_name_eq(name, s->names[j]) && s->indices[j] >= s->indices[i])
				abort();
	}
	if (s->index_count == 0 && header_list_find(list, SPAN_LIT("from")) != NULL)
		abort();
}

static void
check_policy(
    const struct header_policy_config *config, const struct header_list *list, struct arena *arena)
{
	struct header_policy *policy;
	struct header_selection selection;
	struct buf out;

	if (header_policy_new(config, &policy, NULL) != ST_OK)
		abort();
	buf_init(&out, 1u << 22);
	if (header_policy_select(policy, list, arena, &selection) == ST_OK) {
		check_order(&selection, list);
		header_selection_canon(&selection, list, CANON_SIMPLE, &out);
		header_selection_canon(&selection, list, CANON_RELAXED, &out);
		header_selection_names(&selection, &out);
		if (buf_status(&out) != ST_OK)
			abort();
	}
	buf_free(&out);
	header_policy_free(policy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct header_policy_config none = {NULL, NULL, NULL};
	const struct header_policy_config odd = {wild, NULL, over};
	struct arena arena;
	struct header_list list;
	struct err err = ERR_NONE;
	size_t body;

	arena_init(&arena, 1u << 22);
	if (header_list_init(&list, &arena, 1u << 20) != ST_OK)
		abort();
	if (header_block_parse(span_of(data, size), &list, &body, &err) == ST_OK && body > size)
		abort();
	check_policy(&none, &list, &arena);
	check_policy(&odd, &list, &arena);
	arena_free(&arena);
	return 0;
}
