/*
 * diagnose_header.c - what may have happened to a header on its way, as edits that take it back.
 * Called by diagnose.c for a signature whose b= does not fit. It must never say that something was
 * changed without either z= or the verifier having said so; what is likely is called a guess.
 */
#include "lib/dkim/diagnose_private.h"

#include <string.h>

#include "lib/dkim/signature.h"
#include "lib/dkim/tags.h"

#define SHOWN 60 /* octets of a value in a sentence */
#define DROPS_OF_ONE 4u

static int
shown(struct span value)
{
	return (int)(value.n < SHOWN ? value.n : SHOWN);
}

/* For "%.*s": the beginning of a value. */
#define SHOW(value) shown(span_trim(value)), span_trim(value).n == 0 ? "" : span_trim(value).p

static size_t
field_find(const struct trial *trial, struct span name)
{
	for (size_t i = trial->count; i-- > 0;)
		if (i != trial->own && header_name_eq(trial->fields[i].name, name))
			return i;
	return SIZE_MAX;
}

static size_t
field_count(const struct trial *trial, struct span name)
{
	size_t count = 0;

	for (size_t i = 0; i < trial->count; i++)
		count += i != trial->own && header_name_eq(trial->fields[i].name, name) ? 1 : 0;
	return count;
}

static const struct sigfield *
signed_of(const struct trial *trial)
{
	return &trial->given->signature->field;
}

static size_t
signed_count(const struct trial *trial, struct span name)
{
	const struct sigfield *field = signed_of(trial);
	size_t count = 0;

	for (size_t i = 0; i < field->name_count; i++)
		count += span_ieq(field->names[i], name) ? 1 : 0;
	return count;
}

/* Is names[index] the first one of that name? */
static bool
is_first_name(const struct sigfield *field, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (span_ieq(field->names[i], field->names[index]))
			return false;
	return true;
}

/* ---- z= ---- */

static bool
same_value(struct span name, struct span a, struct span b)
{
	const struct header_field x = {name, a}, y = {name, b};
	struct buf one, other;
	bool same;

	buf_init(&one, name.n + a.n + 8);
	buf_init(&other, name.n + b.n + 8);
	canon_header(CANON_RELAXED, &x, &one);
	canon_header(CANON_RELAXED, &y, &other);
	same = buf_status(&one) == ST_OK && buf_status(&other) == ST_OK &&
	       span_eq(buf_span(&one), buf_span(&other));
	buf_free(&one);
	buf_free(&other);
	return same;
}

static bool
is_there(const struct trial *trial, struct span name, struct span value)
{
	for (size_t i = 0; i < trial->count; i++)
		if (i != trial->own && header_name_eq(trial->fields[i].name, name) &&
		    same_value(name, trial->fields[i].value, value))
			return true;
	return false;
}

static void
add_copied(struct trial *trial, struct span name, struct span value)
{
	size_t at = field_find(trial, name);
	struct trial_edit *edit =
	    trial_add(trial, at == SIZE_MAX ? TRIAL_ADD : TRIAL_VALUE, at, "header-changed");

	if (edit == NULL)
		return;
	edit->with = (struct header_field){name, value};
	if (at == SIZE_MAX) {
		edit->what = "header-removed";
		trial_says(edit, "%.*s was \"%.*s\" when it was signed, and is not there",
		    SHOW(name), SHOW(value));
	} else {
		trial_says(edit, "%.*s was \"%.*s\" when it was signed, and is \"%.*s\"",
		    SHOW(name), SHOW(value), SHOW(trial->fields[at].value));
	}
}

/* One of z=: "Name:value", the value in quoted-printable. */
static void
compare_copied(struct trial *trial, struct span copied)
{
	struct span name, value;
	struct buf text;

	if (!span_cut(&copied, ':', &name))
		return;
	buf_init(&text, SIGFIELD_BYTES_MAX);
	tags_strip_blanks(name, &text);
	name = arena_copy(&trial->arena, buf_span(&text));
	buf_reset(&text);
	if (name.n > 0 && tags_unquote(copied, &text) == ST_OK) {
		value = arena_copy(&trial->arena, buf_span(&text));
		if (value.p != NULL && !is_there(trial, name, value))
			add_copied(trial, name, value);
	}
	buf_free(&text);
}

/* A blank is put in front of values that were copied without one: simple wants it. */
static void
add_all_copied(struct trial *trial)
{
	struct span value = trial->given->list->fields[trial->given->signature->field_index].value;
	struct tag_list *tags = arena_alloc(&trial->arena, sizeof(*tags));
	struct err err = ERR_NONE;
	struct span rest, one;

	if (tags == NULL || tags_parse(value, tags, &err) != ST_OK ||
	    !tags_find(tags, "z", &rest) ||
	    !diagnose_spend(trial->d, rest.n * 2 + trial->given->list->bytes * 2))
		return;
	for (unsigned i = 0; rest.n > 0 && i < TRIAL_EDITS_MAX; i++) {
		(void)span_cut(&rest, '|', &one);
		compare_copied(trial, one);
	}
	trial->copied = trial->edit_count;
}

/* ---- what mailing lists do ---- */

/* "[list] " at at, with the blank behind it: its length; 0: none. */
static size_t
prefix_bytes(struct span value, size_t at)
{
	size_t end;

	if (at >= value.n || value.p[at] != '[')
		return 0;
	end = span_find(span_from(value, at), ']');
	if (end == SIZE_MAX || end > 100)
		return 0;
	end++;
	while (at + end < value.n && ascii_blank(value.p[at + end]))
		end++;
	return end;
}

static void
add_subject_at(struct trial *trial, size_t field, size_t at)
{
	struct span value = trial->fields[field].value;
	size_t n = prefix_bytes(value, at);
	struct trial_edit *edit;
	char *out;

	if (n == 0)
		return;
	out = arena_alloc(&trial->arena, value.n);
	edit = out == NULL ? NULL : trial_add(trial, TRIAL_VALUE, field, "header-subject");
	if (edit == NULL)
		return;
	memcpy(out, value.p, at);
	memcpy(out + at, value.p + at + n, value.n - at - n);
	edit->with.value = span_of(out, value.n - n);
	trial_says(edit, "\"%.*s\" was put into the subject", SHOW(span_sub(value, at, n)));
}

/* At its beginning, or behind "Re: ". */
static void
add_subject(struct trial *trial)
{
	size_t field = field_find(trial, SPAN_LIT("Subject"));
	struct span value;
	size_t at = 0, colon;

	if (field == SIZE_MAX)
		return;
	value = trial->fields[field].value;
	while (at < value.n && ascii_blank(value.p[at]))
		at++;
	add_subject_at(trial, field, at);
	colon = span_find(value, ':');
	if (colon == SIZE_MAX || colon > at + 4)
		return;
	for (colon++; colon < value.n && ascii_blank(value.p[colon]);)
		colon++;
	add_subject_at(trial, field, colon);
}

static void
add_from(struct trial *trial)
{
	static const char *const names[] = {
	    "X-Original-From", "Original-From", "X-Google-Original-From", "X-MailFrom", "Reply-To"};
	size_t from = field_find(trial, SPAN_LIT("From"));

	for (size_t i = 0; from != SIZE_MAX && i < sizeof(names) / sizeof(names[0]); i++) {
		size_t original = field_find(trial, span_str(names[i]));
		struct trial_edit *edit;

		if (original == SIZE_MAX ||
		    span_eq(trial->fields[original].value, trial->fields[from].value))
			continue;
		edit = trial_add(trial, TRIAL_VALUE, from, "header-from");
		if (edit == NULL)
			return;
		edit->with.value = trial->fields[original].value;
		trial_says(edit, "From is \"%.*s\"; %s still has the one that was signed",
		    SHOW(trial->fields[from].value), names[i]);
	}
}

/* ---- other encodings ---- */

static void
add_encoding(struct trial *trial)
{
	static const char *const values[] = {" 8bit", " 7bit", " quoted-printable", " base64"};
	size_t field = field_find(trial, SPAN_LIT("Content-Transfer-Encoding"));

	for (size_t i = 0; field != SIZE_MAX && i < sizeof(values) / sizeof(values[0]); i++) {
		struct trial_edit *edit;

		if (span_ieq(span_trim(trial->fields[field].value), span_trim(span_str(values[i]))))
			continue;
		edit = trial_add(trial, TRIAL_VALUE, field, "header-transfer-encoding");
		if (edit == NULL)
			return;
		edit->with.value = span_str(values[i]);
		trial_says(edit, "Content-Transfer-Encoding was%s, and is \"%.*s\"", values[i],
		    SHOW(trial->fields[field].value));
	}
}

/* ---- fields that were added, and order ---- */

static void
add_drops(struct trial *trial, struct span name)
{
	size_t present = field_count(trial, name), in_h = signed_count(trial, name), done = 0;

	for (size_t i = 0; i < trial->count && done < DROPS_OF_ONE; i++) {
		struct trial_edit *edit;

		if (i == trial->own || !header_name_eq(trial->fields[i].name, name))
			continue;
		edit = trial_add(trial, TRIAL_DROP, i, "header-added");
		if (edit == NULL)
			return;
		done++;
		trial_says(edit,
		    "%.*s \"%.*s\" was added: h= names it %zu times, and it is there %zu times",
		    SHOW(name), SHOW(trial->fields[i].value), in_h, present);
	}
}

static void
add_swap(struct trial *trial, struct span name)
{
	size_t last = field_find(trial, name), first = 0;
	struct trial_edit *edit;

	while (first < trial->count &&
	       (first == trial->own || !header_name_eq(trial->fields[first].name, name)))
		first++;
	if (last == SIZE_MAX || first >= last)
		return;
	edit = trial_add(trial, TRIAL_SWAP, first, "header-order");
	if (edit == NULL)
		return;
	edit->other = last;
	trial_says(edit, "the fields %.*s stood in another order", SHOW(name));
}

/* Those of which there are more than one come first: they are the likely ones. */
static void
add_names(struct trial *trial, bool many)
{
	const struct sigfield *field = signed_of(trial);

	for (size_t i = 0; i < field->name_count && trial->edit_count < TRIAL_EDITS_MAX; i++) {
		size_t present = field_count(trial, field->names[i]);

		if ((present > 1) != many || present == 0 || !is_first_name(field, i) ||
		    (!many && span_ieq_str(field->names[i], "From")))
			continue;
		add_drops(trial, field->names[i]);
		if (many)
			add_swap(trial, field->names[i]);
	}
}

static void
add_folds(struct trial *trial)
{
	struct trial_edit *edit;

	if (signed_of(trial)->header_canon != CANON_SIMPLE)
		return;
	edit = trial_add(trial, TRIAL_UNFOLD, SIZE_MAX, "header-folding");
	if (edit != NULL)
		trial_says(edit, "header fields were folded into lines, which c=simple does not "
				 "allow");
	edit = trial_add(trial, TRIAL_SQUEEZE, SIZE_MAX, "header-folding");
	if (edit != NULL)
		trial_says(edit,
		    "white space in header fields was changed, which c=simple does not "
		    "allow");
}

/* ---- trying ---- */

static void
say(const struct trial *trial, size_t index, bool certain)
{
	const struct trial_edit *edit = &trial->edits[index];

	diagnose_add(trial->d, edit->what, certain, edit->line, "%s", edit->detail);
}

static bool
try_some(struct trial *trial, const size_t *edits, size_t count)
{
	if (!trial_fits(trial, edits, count))
		return false;
	for (size_t i = 0; i < count; i++)
		say(trial, edits[i], true);
	return true;
}

static bool
try_copied(struct trial *trial)
{
	size_t all[TRIAL_EDITS_MAX];

	for (size_t i = 0; i < trial->copied; i++)
		all[i] = i;
	return trial->copied > 0 && try_some(trial, all, trial->copied);
}

static bool
try_singles(struct trial *trial)
{
	for (size_t i = 0; i < trial->edit_count; i++)
		if (try_some(trial, &i, 1))
			return true;
	return false;
}

static bool
try_pairs(struct trial *trial)
{
	size_t most = trial->edit_count < TRIAL_PAIRS_MAX ? trial->edit_count : TRIAL_PAIRS_MAX;

	for (size_t i = 0; i < most; i++)
		for (size_t j = i + 1; j < most; j++) {
			const size_t pair[] = {i, j};
			bool one_field = trial->edits[i].field == trial->edits[j].field;

			if (!one_field && try_some(trial, pair, 2))
				return true;
		}
	return false;
}

/* Of one field the last word of z= counts; a drop and a new value cannot both be. */
static void
say_copied(const struct trial *trial)
{
	for (size_t i = 0; i < trial->copied; i++)
		say(trial, i, false);
}

static bool
is_common(struct span name)
{
	static const char *const names[] = {"Date", "Subject", "To", "Message-ID", "MIME-Version",
	    "Content-Type", "Content-Transfer-Encoding", "From"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_ieq_str(name, names[i]))
			return true;
	return false;
}

static void
guess(const struct trial *trial)
{
	const struct sigfield *field = signed_of(trial);

	for (size_t i = 0; i < field->name_count; i++)
		if (is_common(field->names[i]) && is_first_name(field, i) &&
		    field_count(trial, field->names[i]) == 0)
			diagnose_add(trial->d, "header-removed", false, 0,
			    "%.*s is signed, and is not there", SPAN_ARG(field->names[i]));
	diagnose_add(trial->d, "header-changed", false, 0,
	    "a signed header field, or the signature itself, is not as it was signed; nothing that "
	    "was tried explains it");
}

void
diagnose_header(struct trial *trial)
{
	if (!diagnose_spend(trial->d,
		trial->given->list->bytes + (uint64_t)signed_of(trial)->name_count * trial->count))
		return;
	add_all_copied(trial);
	if (try_copied(trial))
		return;
	add_subject(trial);
	add_from(trial);
	add_folds(trial);
	add_names(trial, true);
	add_encoding(trial);
	add_names(trial, false);
	if (try_singles(trial) || try_pairs(trial))
		return;
	say_copied(trial);
	if (trial->copied == 0)
		guess(trial);
}

void
diagnose_copied(struct trial *trial)
{
	add_all_copied(trial);
	say_copied(trial);
}
