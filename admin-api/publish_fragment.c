/*
 * publish_fragment.c - finds our records in a fragment of a zone file, changes them, writes it
 * again. Called by publish_zonefile.c under a lock. It must never lose or change a line that is not
 * ours, nor give one another owner by where it puts it.
 */
#include <stdlib.h>

#include "admin-api/publish_fragment.h"
#include "lib/base/mem.h"

#define HEADER ";; signpost:"

/* What is known while lines are read. */
struct reader {
	struct fragment *fragment;
	struct span origin;
	struct span owner;       /* of the line before; empty: none yet */
	struct span record_line; /* and that line, if it is the newest record */
	unsigned int depth;      /* parentheses that are open */
};

static struct span
lower(struct fragment *fragment, struct span s)
{
	struct span copy = arena_copy(&fragment->arena, s);

	for (size_t i = 0; copy.p != NULL && i < copy.n; i++)
		((char *)(uintptr_t)copy.p)[i] = ascii_lower(copy.p[i]);
	return copy;
}

/* Room for one more, doubled when a power of two is full. */
static void *
grow(void *all, size_t count, size_t bytes)
{
	return (count & (count - 1)) != 0 ? all
					  : mem_resize(all, count == 0 ? 1 : 2 * count, bytes);
}

static void
add_record(struct fragment *fragment, struct fragment_record record)
{
	fragment->records = grow(fragment->records, fragment->count, sizeof(record));
	fragment->records[fragment->count++] = record;
}

static void
add_line(struct fragment *fragment, struct span text, struct span name)
{
	fragment->lines = grow(fragment->lines, fragment->line_count, sizeof(struct fragment_line));
	fragment->lines[fragment->line_count++] = (struct fragment_line){text, name};
}

/* ---- a line of ours ---- */

/* A string in quotes behind blanks, with only '\"' and '\\' escaped; appended to room. */
static bool
read_string(struct span *rest, char *room, size_t *n)
{
	struct span s = *rest;
	size_t i = 0, begun = *n;

	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
		i++;
	if (i == s.n || s.p[i++] != '"')
		return false;
	for (; i < s.n && s.p[i] != '"'; i++) {
		if (s.p[i] == '\\' && (++i == s.n || (s.p[i] != '"' && s.p[i] != '\\')))
			return false;
		if (s.p[i] < ' ' || s.p[i] > '~' || *n == PUBLISH_VALUE_MAX ||
		    *n - begun == PUBLISH_STRING_MAX)
			return false;
		room[(*n)++] = s.p[i];
	}
	if (i == s.n)
		return false;
	*rest = span_from(s, i + 1);
	return true;
}

static bool
read_value(struct fragment *fragment, struct span rest, struct span *value_out)
{
	char room[PUBLISH_VALUE_MAX];
	size_t n = 0;

	do {
		if (!read_string(&rest, room, &n))
			return false;
		/* A string ends with a blank or with the line. */
		if (rest.n > 0 && rest.p[0] != ' ' && rest.p[0] != '\t')
			return false;
	} while (span_trim(rest).n > 0);
	*value_out = arena_copy(&fragment->arena, span_of(room, n));
	return n > 0 && value_out->p != NULL;
}

static bool
read_record(struct fragment *fragment, struct span line, struct fragment_record *out)
{
	struct span rest = line, name, ttl, class, type;
	uint64_t seconds;

	*out = (struct fragment_record){.gone = false};
	if (!span_word(&rest, &name) || !span_word(&rest, &ttl) || !span_word(&rest, &class) ||
	    !span_word(&rest, &type))
		return false;
	if (name.n < 2 || name.p[name.n - 1] != '.' ||
	    !publish_name_good(span_sub(name, 0, name.n - 1)))
		return false;
	if (!span_number(ttl, INT32_MAX, &seconds) || !span_ieq_str(class, "IN") ||
	    !span_ieq_str(type, "TXT") || !read_value(fragment, rest, &out->value))
		return false;
	out->ttl_s = (uint32_t)seconds;
	out->name = lower(fragment, span_sub(name, 0, name.n - 1));
	return out->name.p != NULL;
}

/* ---- lines of others ---- */

/* The owner as a whole name, in small letters. */
static struct span
resolve(struct reader *reader, struct span name)
{
	char room[1024];
	size_t n = name.n;

	if (span_eq_str(name, "@"))
		return lower(reader->fragment, reader->origin);
	if (n > 0 && name.p[n - 1] == '.')
		return lower(reader->fragment, span_sub(name, 0, n - 1));
	if (n + 1 + reader->origin.n > sizeof(room))
		return lower(reader->fragment, name);
	memcpy(room, name.p, n);
	room[n++] = '.';
	memcpy(room + n, reader->origin.p, reader->origin.n);
	return lower(reader->fragment, span_of(room, n + reader->origin.n));
}

/* Parentheses outside of quotes and comments. */
static void
count_parentheses(struct reader *reader, struct span line)
{
	bool quoted = false;

	for (size_t i = 0; i < line.n; i++) {
		char c = line.p[i];

		if (c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (c == ';')
			return;
		else if (c == '(')
			reader->depth++;
		else if (c == ')' && reader->depth > 0)
			reader->depth--;
	}
}

/* A line without an owner belongs to the one before, which then is not ours to move. */
static void
give_up_record(struct reader *reader)
{
	struct fragment *fragment = reader->fragment;

	if (reader->record_line.n == 0)
		return;
	fragment->count--;
	add_line(fragment, reader->record_line, reader->owner);
	reader->record_line = SPAN_EMPTY;
}

/* A directive is for no name; $ORIGIN changes what the names behind it mean. */
static void
read_directive(struct reader *reader, struct span line)
{
	struct span rest = line, word, origin;

	if (span_word(&rest, &word) && span_ieq_str(word, "$ORIGIN") && span_word(&rest, &origin))
		reader->origin = resolve(reader, origin);
	add_line(reader->fragment, line, SPAN_EMPTY);
}

static void
read_foreign(struct reader *reader, struct span line)
{
	struct span rest = line, word;

	if (reader->depth == 0 && line.p[0] == '$') {
		read_directive(reader, line);
		return;
	}
	if (reader->depth == 0 && ascii_blank(line.p[0])) {
		give_up_record(reader);
	} else if (reader->depth == 0 && span_word(&rest, &word)) {
		reader->record_line = SPAN_EMPTY;
		reader->owner = resolve(reader, word);
	}
	add_line(reader->fragment, line, reader->owner);
	count_parentheses(reader, line);
}

static void
read_line(struct reader *reader, struct span line)
{
	struct span shown = span_trim(line);
	struct fragment_record record;

	if (reader->depth == 0 && (shown.n == 0 || span_starts(shown, SPAN_LIT(HEADER))))
		return;
	if (reader->depth == 0 && shown.p[0] == ';') {
		add_line(reader->fragment, line, SPAN_EMPTY);
	} else if (reader->depth == 0 && !ascii_blank(line.p[0]) &&
		   read_record(reader->fragment, line, &record)) {
		add_record(reader->fragment, record);
		reader->owner = record.name;
		reader->record_line = line;
	} else {
		read_foreign(reader, line);
	}
}

static int
compare_records(const void *a, const void *b)
{
	const struct fragment_record *x = a, *y = b;
	size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
	int order = memcmp(x->name.p, y->name.p, n);

	if (order != 0)
		return order;
	return x->name.n < y->name.n ? -1 : x->name.n > y->name.n;
}

static void
sort(struct fragment *fragment)
{
	if (fragment->count > 1)
		qsort(fragment->records, fragment->count, sizeof(*fragment->records),
		    compare_records);
	fragment->sorted = fragment->count;
}

enum status
fragment_read(struct span text, struct span zone, struct fragment *out, struct err *err)
{
	struct reader reader = {.fragment = out, .origin = zone};
	struct span line;

	*out = (struct fragment){.count = 0};
	arena_init(&out->arena, 4 * FRAGMENT_MAX);
	if (text.n > FRAGMENT_MAX) {
		err_set(err, "it has more than %u octets", FRAGMENT_MAX);
		return ST_TOO_BIG;
	}
	while (text.n > 0) {
		span_cut(&text, '\n', &line);
		read_line(&reader, line);
	}
	if (reader.depth > 0) {
		err_set(err, "a parenthesis is open at its end; nothing can be put behind it");
		return ST_INVALID;
	}
	sort(out);
	return ST_OK;
}

void
fragment_free(struct fragment *fragment)
{
	arena_free(&fragment->arena);
	mem_free(fragment->records);
	mem_free(fragment->lines);
	*fragment = (struct fragment){.count = 0};
}

/* ---- changes ---- */

static bool
is_foreign(const struct fragment *fragment, struct span name)
{
	for (size_t i = 0; i < fragment->line_count; i++)
		if (span_ieq(fragment->lines[i].name, name))
			return true;
	return false;
}

/* The first record of a name, or sorted if there is none. */
static size_t
first_of(const struct fragment *fragment, struct span name)
{
	struct fragment_record wanted = {.name = name};
	size_t low = 0, high = fragment->sorted;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_records(&fragment->records[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < fragment->sorted && span_eq(fragment->records[low].name, name)
		   ? low
		   : fragment->sorted;
}

static void
carry_out(struct fragment *fragment, struct publish_change *change, struct span name, size_t at)
{
	if (change->how != PUBLISH_ADD)
		fragment->records[at].gone = true;
	if (change->how != PUBLISH_REMOVE)
		add_record(
		    fragment, (struct fragment_record){
				  .name = name, .value = change->value, .ttl_s = change->ttl_s});
	publish_effect(change, LIFE_DONE, NULL);
}

static bool
apply_one(struct fragment *fragment, struct publish_change *change)
{
	struct span name = lower(fragment, change->name);
	struct publish_there there = {.records = 0};
	size_t at;

	if (name.p == NULL) {
		publish_effect(change, LIFE_UNAVAILABLE, "the file is too big");
		return false;
	}
	if (is_foreign(fragment, name)) {
		publish_effect(change, LIFE_CONFLICT,
		    "%.*s has a line that is not in the form of ours; it was not touched",
		    SPAN_ARG(change->name));
		return false;
	}
	at = first_of(fragment, name);
	for (size_t i = at; i < fragment->sorted && span_eq(fragment->records[i].name, name); i++) {
		there.records++;
		there.text = fragment->records[i].value;
	}
	if (!publish_compare(change, &there))
		return false;
	carry_out(fragment, change, name, at);
	return true;
}

bool
fragment_apply(struct fragment *fragment, struct publish_change *changes, size_t count)
{
	bool changed = false;

	for (size_t i = 0; i < count; i++)
		if (apply_one(fragment, &changes[i]))
			changed = true;
	return changed;
}

enum status
fragment_write(struct fragment *fragment, struct buf *out)
{
	buf_add_str(out,
	    HEADER " DKIM keys. The TXT records are written by it, in order of their "
		   "names;\n" HEADER " other lines are kept, and their names left alone.\n");
	for (size_t i = 0; i < fragment->line_count; i++) {
		buf_add(out, fragment->lines[i].text);
		buf_add_char(out, '\n');
	}
	sort(fragment);
	for (size_t i = 0; i < fragment->count; i++) {
		const struct fragment_record *record = &fragment->records[i];

		if (!record->gone && publish_write(PUBLISH_RFC1035, record->name, record->value,
					 record->ttl_s, out) != ST_OK)
			return ST_TOO_BIG;
	}
	return buf_status(out);
}
