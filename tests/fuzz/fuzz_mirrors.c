/*
 * fuzz_mirrors.c - files of mirrors: what is refused is refused with a line, what is taken has
 * names that are different and lists of tenants that can be read, and no statement is left with a
 * place for a prefix.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "admin-api/mirror_sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_sql(const struct mirror_sql *sql)
{
	if (sql->dsn.password != NULL || sql->password_file == NULL || sql->where == NULL)
		abort();
	for (unsigned i = 0; i < sql->panel->count; i++)
		if (strpbrk(sql->statements[i], "{}\"\\;#") != NULL)
			abort();
}

static void
check(struct mirror *const *mirrors, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct mirror *one = mirrors[i];

		if (mirror_find(mirrors, count, one->name) != one ||
		    strlen(one->name) > NAMED_LINE_NAME_MAX)
			abort();
		if (one->tenants != NULL && !mirror_tenants_good(span_str(one->tenants)))
			abort();
		if (one->tenants != NULL && strcmp(one->tenants, "*") != 0 &&
		    mirror_serves(one, SPAN_EMPTY))
			abort();
		if (strcmp(one->ops->kind, "zimbra") != 0)
			check_sql(one->state);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mirror **mirrors;
	struct err err = ERR_NONE;
	size_t count;

	if (mirrors_read_text(span_of(data, size), &mirrors, &count, &err) == ST_OK)
		check(mirrors, count);
	else if (strncmp(err.text, "line ", 5) != 0)
		abort();
	else if (mirrors != NULL || count != 0)
		abort();
	mirrors_close(mirrors, count);
	return 0;
}
