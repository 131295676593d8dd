/*
 * audit_step.c - steps of keys in the audit, read back.
 * Called for events, and where free text is written beside steps. It must never take a reason that
 * somebody gave for a step that was made.
 */
#include "config.h"

#include <string.h>

#include "admin-api/audit_step.h"
#include "lib/keys/state.h"

#define ROTATION "rotation "

static bool
is_state(struct span text)
{
	for (int i = 0; i <= KEY_FAILED; i++)
		if (span_eq_str(text, key_state_name((enum key_state)i)))
			return true;
	return span_eq_str(text, "-");
}

static bool
is_word(struct span text)
{
	return span_eq_str(text, "finished") || span_eq_str(text, "stuck") ||
	       span_eq_str(text, "drifted") || span_eq_str(text, "right");
}

static bool
is_subject(struct span text)
{
	if (span_starts(text, SPAN_LIT(ROTATION)))
		text = span_from(text, sizeof(ROTATION) - 1);
	for (size_t i = 0; i < text.n; i++) {
		char c = ascii_lower(text.p[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' &&
		    c != '-')
			return false;
	}
	return text.n > 0;
}

/* What stands before a mark of two letters; all, if it is not there: then *rest becomes empty. */
static struct span
before_mark(struct span *rest, char first, char second)
{
	struct span text = *rest;

	for (size_t i = 0; i + 1 < text.n; i++)
		if (text.p[i] == first && text.p[i + 1] == second) {
			*rest = span_from(text, i + 2);
			return span_of(text.p, i);
		}
	*rest = span_from(text, text.n);
	return text;
}

/* "A to B" */
static bool
take_states(struct span text, struct audit_step *out)
{
	static const char between[] = " to ";
	size_t at = span_find(text, ' ');

	if (at == SIZE_MAX || !span_starts(span_from(text, at), span_str(between)))
		return false;
	out->from = span_of(text.p, at);
	out->to = span_from(text, at + sizeof(between) - 1);
	return is_state(out->from) && is_state(out->to) && !span_eq(out->from, out->to);
}

static bool
take_piece(struct span piece, struct audit_step *out)
{
	struct span what;

	memset(out, 0, sizeof(*out));
	out->subject = before_mark(&piece, ':', ' ');
	what = before_mark(&piece, ':', ' ');
	out->why = piece;
	if (!is_subject(out->subject))
		return false;
	if (!is_word(what))
		return take_states(what, out);
	out->word = what;
	return true;
}

bool
audit_step_next(struct span *rest, struct audit_step *out)
{
	while (rest->n > 0)
		if (take_piece(before_mark(rest, ';', ' '), out))
			return true;
	return false;
}

void
audit_step_add_words(struct buf *out, struct span text)
{
	struct audit_step ignored;

	if (take_piece(text, &ignored))
		buf_add_char(out, '"');
	for (size_t i = 0; i < text.n; i++)
		buf_add_char(out, text.p[i] == ';' ? ',' : text.p[i]);
}
