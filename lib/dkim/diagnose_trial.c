/*
 * diagnose_trial.c - the header of a message with a few things taken back, and what the verifier
 * says of it. Called by diagnose_header.c. It must never change the message itself, nor look at a
 * body: the verifier is told that it is as it was signed.
 */
#include "lib/dkim/diagnose_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dkim/signature.h"

#define TRIAL_ARENA_BYTES (4u << 20)
#define VERIFY_ARENA_BYTES (8u << 20)

static bool
names_field(const struct sigfield *field, struct span name)
{
	for (size_t i = 0; i < field->name_count; i++)
		if (span_ieq(field->names[i], name))
			return true;
	return false;
}

/* The other signatures are taken out of it, unless this one signs them. */
static void
take_fields(struct trial *trial)
{
	const struct header_list *list = trial->given->list;
	const struct verify_signature *signature = trial->given->signature;
	bool all = names_field(&signature->field, SPAN_LIT(SIGNATURE_FIELD_NAME));
	size_t line = trial->given->header_line;

	for (size_t i = 0; i < list->count; i++) {
		struct span rest = list->fields[i].value, part;
		bool other = i != signature->field_index &&
			     header_name_eq(list->fields[i].name, SPAN_LIT(SIGNATURE_FIELD_NAME));

		if (i == signature->field_index)
			trial->own = trial->count;
		if (all || !other) {
			trial->lines[trial->count] = line;
			trial->fields[trial->count++] = list->fields[i];
			trial->cost += list->fields[i].name.n + list->fields[i].value.n;
		}
		line++;
		while (span_cut(&rest, '\n', &part))
			line++;
	}
}

enum status
trial_begin(struct trial *trial, struct diagnose *d, const struct diagnose_case *given)
{
	size_t count = given->list->count;

	*trial = (struct trial){.d = d, .given = given, .cost = TRIAL_KEY_OCTETS};
	arena_init(&trial->arena, TRIAL_ARENA_BYTES);
	trial->fields = arena_alloc(&trial->arena, count * sizeof(*trial->fields));
	trial->lines = arena_alloc(&trial->arena, count * sizeof(*trial->lines));
	if (trial->fields == NULL || trial->lines == NULL)
		return ST_TOO_BIG;
	take_fields(trial);
	return ST_OK;
}

void
trial_free(struct trial *trial)
{
	arena_free(&trial->arena);
}

struct trial_edit *
trial_add(struct trial *trial, enum trial_kind kind, size_t field, const char *what)
{
	struct trial_edit *edit = &trial->edits[trial->edit_count];

	if (trial->edit_count == TRIAL_EDITS_MAX)
		return NULL;
	trial->edit_count++;
	*edit = (struct trial_edit){.kind = kind,
	    .field = field,
	    .what = what,
	    .line = field < trial->count ? trial->lines[field] : 0};
	return edit;
}

void
trial_says(struct trial_edit *edit, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(edit->detail, sizeof(edit->detail), fmt, args);
	va_end(args);
}

/* ---- one try ---- */

/* Without line ends; squeezed: one blank for each run of white space, and one in front. */
static struct span
unfolded(struct arena *arena, struct span value, bool squeezed)
{
	char *out = arena_alloc(arena, value.n + 2);
	size_t n = 0;

	if (out == NULL)
		return value;
	if (squeezed) {
		value = span_trim(value);
		out[n++] = ' ';
	}
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];

		if (c == '\n' || (c == '\r' && i + 1 < value.n && value.p[i + 1] == '\n'))
			continue;
		if (squeezed && ascii_blank(c)) {
			if (out[n - 1] != ' ')
				out[n++] = ' ';
			continue;
		}
		out[n++] = c;
	}
	return span_of(out, n);
}

struct header_try {
	struct arena arena;
	struct header_field *fields;
	size_t count, own;
};

static void
apply(const struct trial *trial, const struct trial_edit *edit, struct header_try *header)
{
	struct header_field *fields = header->fields, swapped;

	switch (edit->kind) {
	case TRIAL_VALUE:
		fields[edit->field].value = edit->with.value;
		break;
	case TRIAL_DROP:
		fields[edit->field].name = SPAN_EMPTY;
		break;
	case TRIAL_ADD:
		fields[header->count++] = edit->with;
		break;
	case TRIAL_SWAP:
		swapped = fields[edit->field];
		fields[edit->field] = fields[edit->other];
		fields[edit->other] = swapped;
		break;
	case TRIAL_UNFOLD:
	case TRIAL_SQUEEZE:
		for (size_t i = 0; i < header->count; i++)
			if (i != trial->own)
				fields[i].value = unfolded(
				    &header->arena, fields[i].value, edit->kind == TRIAL_SQUEEZE);
		break;
	}
}

/* Those that were dropped have no name. */
static void
close_gaps(struct header_try *header)
{
	size_t kept = 0, own = header->own;

	for (size_t i = 0; i < header->count; i++) {
		if (i == own)
			header->own = kept;
		if (header->fields[i].name.n > 0)
			header->fields[kept++] = header->fields[i];
	}
	header->count = kept;
}

static bool
verifier_says(const struct trial *trial, struct header_try *header)
{
	const struct verify_signature *signature = trial->given->signature;
	const struct header_list list = {.arena = &header->arena,
	    .fields = header->fields,
	    .count = header->count,
	    .bytes = trial->cost + 2 * SIGFIELD_BYTES_MAX + 4 * header->count,
	    .max_bytes = SIZE_MAX};
	/* Whatever came of the body: as many as l= wants. */
	uint64_t octets =
	    signature->body_octets +
	    (signature->field.body_length > 0 ? (uint64_t)signature->field.body_length : 0);
	bool trusted[VERIFY_SIGNATURES_MAX] = {false}, fits = false;
	struct err err = ERR_NONE;
	struct verify *verify;
	size_t own = 0;

	if (verify_new(&list, trial->given->options, &header->arena, &verify, &err) != ST_OK)
		return false;
	while (
	    own < verify_count(verify) && verify_signature(verify, own)->field_index != header->own)
		own++;
	if (own < verify_count(verify)) {
		trusted[own] = true;
		verify_choose(verify, 1, trusted);
		verify_body_hashed(verify, signature->field.body_canon,
		    signature->field.body_length,
		    span_of(signature->field.body_hash, signature->field.body_hash_bytes), octets);
		verify_key(verify, own, trial->given->key);
		verify_finish(verify);
		fits = verify_signature(verify, own)->result == VERIFY_PASS;
	}
	verify_free(verify);
	return fits;
}

bool
trial_fits(struct trial *trial, const size_t *edits, size_t count)
{
	struct header_try header = {.count = trial->count, .own = trial->own};
	bool fits = false;

	if (!diagnose_spend(trial->d, trial->cost))
		return false;
	arena_init(&header.arena, VERIFY_ARENA_BYTES);
	header.fields =
	    arena_alloc(&header.arena, (trial->count + TRIAL_EDITS_MAX) * sizeof(*header.fields));
	if (header.fields != NULL) {
		memcpy(header.fields, trial->fields, trial->count * sizeof(*header.fields));
		for (size_t i = 0; i < count; i++)
			apply(trial, &trial->edits[edits[i]], &header);
		close_gaps(&header);
		fits = verifier_says(trial, &header);
	}
	arena_free(&header.arena);
	return fits;
}
