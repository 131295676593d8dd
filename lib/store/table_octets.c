/*
 * table_octets.c - a row of a table as octets, and back.
 * Called by cached_table_shared.c, which has them sealed (sharedcache.h). "tr1", then "a": there is
 * none; "t", line and text; or "c", line, count and columns. Numbers have the highest octet first,
 * a text its length in four octets in front, one that is NULL the highest of all lengths instead.
 * It must never copy a row of secrets to ordinary memory, nor read one row in two ways.
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/octets.h"
#include "lib/base/secret.h"
#include "lib/store/table_octets.h"

#define MAGIC_BYTES 4U /* with the kind */
#define NULL_LENGTH UINT32_MAX

static const char absent_magic[MAGIC_BYTES] = {'t', 'r', '1', 'a'};
static const char text_magic[MAGIC_BYTES] = {'t', 'r', '1', 't'};
static const char columns_magic[MAGIC_BYTES] = {'t', 'r', '1', 'c'};

/* A row that was read; behind its columns their texts. */
struct owned {
	bool secret;
	struct span columns[];
};

/* ---- writing ---- */

static void
put_value(struct octets_sink *sink, const struct table_value *value)
{
	if (value == NULL) {
		octets_put(sink, span_of(absent_magic, MAGIC_BYTES));
		return;
	}
	octets_put(sink, span_of(value->columns == NULL ? text_magic : columns_magic, MAGIC_BYTES));
	octets_put_number(sink, value->line, 4);
	if (value->columns == NULL) {
		octets_put_text(sink, value->text);
		return;
	}
	octets_put_number(sink, (uint32_t)value->column_count, 4);
	for (size_t i = 0; i < value->column_count; i++) {
		if (value->columns[i].p == NULL)
			octets_put_number(sink, NULL_LENGTH, 4);
		else
			octets_put_text(sink, value->columns[i]);
	}
}

static bool
text_may_be(struct span text)
{
	return text.n <= TABLE_LINE_MAX && span_find(text, '\0') == SIZE_MAX;
}

static bool
value_may_be(const struct table_value *value)
{
	bool ok = text_may_be(value->text);

	if (value->columns == NULL)
		return ok;
	ok = ok && value->column_count > 0 && value->column_count <= TABLE_OCTETS_COLUMNS_MAX &&
	     span_eq(value->text, value->columns[0]);
	for (size_t i = 0; ok && i < value->column_count; i++)
		ok = text_may_be(value->columns[i]);
	return ok;
}

size_t
table_octets_bytes(const struct table_value *value)
{
	struct octets_sink sink = {.room = NULL};

	if (value != NULL && !value_may_be(value))
		return 0;
	put_value(&sink, value);
	return sink.n;
}

void
table_octets_write(const struct table_value *value, char *room)
{
	struct octets_sink sink = {.room = room};

	put_value(&sink, value);
}

/* ---- reading ---- */

/* Behind what is in *at, which moves on. */
static struct span
take_text(struct octets_source *source, bool may_be_null, char **at)
{
	uint32_t n = (uint32_t)octets_take_number(source, 4);
	struct span text;

	if (!source->ok || (may_be_null && n == NULL_LENGTH))
		return SPAN_EMPTY;
	text = span_sub(source->rest, 0, n);
	source->ok = text.n == n && text_may_be(text);
	if (!source->ok)
		return SPAN_EMPTY;
	source->rest = span_from(source->rest, n);
	if (n > 0)
		memcpy(*at, text.p, n);
	text.p = *at;
	*at += n;
	return text;
}

static void
release_owned(void *owner)
{
	struct owned *owned = owner;

	if (owned->secret)
		secret_free(owned);
	else
		mem_free(owned);
}

static struct owned *
owned_new(size_t columns, size_t bytes, bool secret)
{
	size_t all = sizeof(struct owned) + columns * sizeof(struct span) + bytes;
	struct owned *owned = secret ? secret_malloc(all) : mem_alloc(all);

	if (owned != NULL)
		owned->secret = secret;
	return owned;
}

/* What is left of source has all texts, and their lengths besides. count 0: no columns. */
static void
take_value(struct octets_source *source, size_t count, struct owned *owned, struct table_value *out)
{
	char *at = (char *)&owned->columns[count];

	if (count == 0)
		out->text = take_text(source, false, &at);
	for (size_t i = 0; i < count; i++)
		owned->columns[i] = take_text(source, true, &at);
	if (count == 0)
		return;
	out->columns = owned->columns;
	out->column_count = count;
	out->text = owned->columns[0];
}

static enum status
refuse(struct table_value *out, struct err *err)
{
	table_value_release(out);
	err_set(err, "what was kept of a row is none that a table can have");
	return ST_INVALID;
}

enum status
table_octets_read(struct span octets, bool secret, struct table_value *out, struct err *err)
{
	struct octets_source source = {.rest = octets, .ok = true};
	struct span magic = span_sub(octets, 0, MAGIC_BYTES);
	bool columns = span_eq(magic, span_of(columns_magic, MAGIC_BYTES));
	size_t count = 0;

	*out = TABLE_VALUE_NONE;
	if (span_eq(octets, span_of(absent_magic, MAGIC_BYTES)))
		return ST_ABSENT;
	if (!columns && !span_eq(magic, span_of(text_magic, MAGIC_BYTES)))
		return refuse(out, err);
	source.rest = span_from(octets, MAGIC_BYTES);
	out->line = (uint32_t)octets_take_number(&source, 4);
	if (columns)
		count = (uint32_t)octets_take_number(&source, 4);
	if (!source.ok || (columns && count == 0) || count > TABLE_OCTETS_COLUMNS_MAX)
		return refuse(out, err);
	out->owner = owned_new(count, source.rest.n, secret);
	if (out->owner == NULL) {
		err_set(err, "no secret memory left for a row");
		return ST_UNAVAILABLE;
	}
	out->release = release_owned;
	take_value(&source, count, out->owner, out);
	if (source.ok && source.rest.n == 0)
		return ST_OK;
	return refuse(out, err);
}
