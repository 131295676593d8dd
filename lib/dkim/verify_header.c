/*
 * verify_header.c - the header hash of a signature (RFC 6376 3.7, 5.4.2): the fields that h= names,
 * each name taking the last one that is not taken yet, then the DKIM-Signature without the value of
 * its b=. Called when the body hash fits and the key is there. A message may have 2,000 fields and
 * a signature 1,000 names: it must never search all of the one for each of the other.
 */
#include <stdlib.h>

#include "lib/dkim/verify_private.h"

#define FLUSH_BYTES 4096u /* canonical octets that go to the digest at once */

/* By length, then by octets without case. */
static int
name_order(struct span a, struct span b)
{
	if (a.n != b.n)
		return a.n < b.n ? -1 : 1;
	for (size_t i = 0; i < a.n; i++) {
		char x = ascii_lower(a.p[i]), y = ascii_lower(b.p[i]);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

struct entry {
	struct span name;
	size_t field;
};

static int
entry_order(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = name_order(x->name, y->name);

	if (order != 0)
		return order;
	return x->field < y->field ? -1 : 1;
}

static struct entry *
entries_sorted(const struct verify *verify)
{
	size_t count = verify->list->count;
	struct entry *entries = arena_alloc(verify->arena, count * sizeof *entries);

	if (entries == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		entries[i].name = span_trim(verify->list->fields[i].name);
		entries[i].field = i;
	}
	qsort(entries, count, sizeof *entries, entry_order);
	return entries;
}

/* All of it or nothing: a header hash over half an index would leave fields out. */
static enum status
index_make(struct verify *verify)
{
	struct verify_index index = {.range_count = 0};
	size_t count = verify->list->count;
	const struct entry *entries = entries_sorted(verify);

	index.ranges = arena_alloc(verify->arena, count * sizeof *index.ranges);
	index.fields = arena_alloc(verify->arena, count * sizeof *index.fields);
	if (entries == NULL || index.ranges == NULL || index.fields == NULL)
		return ST_TOO_BIG;
	for (size_t i = 0; i < count; i++) {
		index.fields[i] = entries[i].field;
		if (i == 0 || name_order(entries[i].name, entries[i - 1].name) != 0)
			index.ranges[index.range_count++] =
			    (struct verify_range){.name = entries[i].name, .first = i};
		index.ranges[index.range_count - 1].count++;
	}
	verify->index = index;
	return ST_OK;
}

static struct verify_range *
range_find(const struct verify_index *index, struct span name)
{
	size_t low = 0, high = index->range_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = name_order(index->ranges[middle].name, name);

		if (order == 0)
			return &index->ranges[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* The last field of that name not used yet, NULL when there is none. The signature being verified
 * was not there when it was made, so it never counts. */
static const struct header_field *
field_take(struct verify *verify, struct span name, size_t own)
{
	const struct verify_index *index = &verify->index;
	struct verify_range *range = range_find(index, name);

	while (range != NULL && range->used < range->count) {
		size_t number = index->fields[range->first + range->count - ++range->used];

		if (number != own)
			return &verify->list->fields[number];
	}
	return NULL;
}

static void
hash_flush(struct verify *verify)
{
	digest_add(verify->digest, buf_span(&verify->canonical));
	buf_reset(&verify->canonical);
}

static enum status
hash_prepare(struct verify *verify)
{
	if (verify->index.fields == NULL && index_make(verify) != ST_OK)
		return ST_TOO_BIG;
	if (verify->digest == NULL) {
		verify->digest = digest_new();
		buf_init(&verify->canonical, verify->list->bytes + 2 * FLUSH_BYTES);
		(void)buf_reserve(&verify->canonical, FLUSH_BYTES);
	}
	for (size_t i = 0; i < verify->index.range_count; i++)
		verify->index.ranges[i].used = 0;
	buf_reset(&verify->canonical);
	digest_start(verify->digest);
	return ST_OK;
}

/* The field itself: without the value of b=, without the final CRLF. */
static void
hash_own(struct verify *verify, const struct verify_signature *signature)
{
	struct header_field field = verify->list->fields[signature->field_index];
	size_t end = signature->field.b_at + signature->field.b_bytes;
	struct buf value;

	buf_init(&value, field.value.n + 1);
	buf_add(&value, span_sub(field.value, 0, signature->field.b_at));
	buf_add(&value, span_from(field.value, end));
	field.value = buf_span(&value);
	canon_header(signature->field.header_canon, &field, &verify->canonical);
	if (verify->canonical.n >= 2)
		verify->canonical.n -= 2;
	buf_free(&value);
}

enum status
verify_header_hash(struct verify *verify, size_t index, uint8_t out[SHA256_BYTES])
{
	const struct verify_signature *signature = &verify->signatures[index];
	const struct sigfield *field = &signature->field;
	enum status st = hash_prepare(verify);

	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < field->name_count; i++) {
		const struct header_field *found =
		    field_take(verify, field->names[i], signature->field_index);

		if (found != NULL)
			canon_header(field->header_canon, found, &verify->canonical);
		if (verify->canonical.n >= FLUSH_BYTES && !verify->canonical.overflow)
			hash_flush(verify);
	}
	hash_own(verify, signature);
	st = buf_status(&verify->canonical); /* asked before the reset */
	hash_flush(verify);
	digest_finish(verify->digest, out);
	return st;
}

void
verify_header_free(struct verify *verify)
{
	if (verify->digest == NULL)
		return;
	digest_free(verify->digest);
	buf_free(&verify->canonical);
}

static size_t
count_signed(const struct sigfield *field, struct span name)
{
	size_t count = 0;

	for (size_t i = 0; i < field->name_count; i++)
		count += span_ieq(field->names[i], name) ? 1 : 0;
	return count;
}

const char *
verify_uncovered(
    const struct header_list *list, const struct sigfield *field, const char *const *must_be_signed)
{
	for (; must_be_signed != NULL && *must_be_signed != NULL; must_be_signed++) {
		struct span name = span_str(*must_be_signed);

		if (header_list_count(list, name) > count_signed(field, name))
			return *must_be_signed;
	}
	return NULL;
}
