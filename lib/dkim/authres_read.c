/*
 * authres_read.c - whose results an Authentication-Results field says it has, and which. Called by
 * authres_forged.c for each such field that came with a message, so fed by whoever wants to be
 * believed: one pass, no recursion. It must never give up on a value: what cannot be read is
 * malformed, and malformed is an answer.
 */
#include <string.h>

#include "lib/dkim/address.h"
#include "lib/dkim/authres_private.h"

struct reader {
	struct span s;
	size_t at;
	bool malformed;
};

/* What separates words whether RFC 8601 likes it there or not. */
static bool
special(char c)
{
	return ascii_blank(c) || c == '(' || c == ';' || c == '"';
}

static bool
control(char c)
{
	return ((unsigned char)c < ' ' && !ascii_blank(c)) || c == 0x7f;
}

/* at stands on '('; afterwards behind its ')', or at the end. */
static void
comment_skip(struct reader *r)
{
	size_t depth = 0;

	for (; r->at < r->s.n; r->at++) {
		char c = r->s.p[r->at];

		if (c == '\\') {
			r->at++;
		} else if (c == '(' && ++depth > AUTHRES_COMMENT_DEPTH_MAX) {
			break;
		} else if (c == ')' && --depth == 0) {
			r->at++;
			return;
		}
	}
	r->malformed = true;
	r->at = r->s.n;
}

/* Blanks and comments; was there any? */
static bool
blanks_skip(struct reader *r)
{
	size_t began = r->at;

	while (r->at < r->s.n) {
		char c = r->s.p[r->at];

		if (c == '(')
			comment_skip(r);
		else if (ascii_blank(c))
			r->at++;
		else
			break;
	}
	return r->at > began;
}

static bool
at_octet(const struct reader *r, char c)
{
	return r->at < r->s.n && r->s.p[r->at] == c;
}

bool
authres_token_octet(char c)
{
	return (unsigned char)c > ' ' && (unsigned char)c < 0x7f &&
	       strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

void
authres_name_add(struct authres_name *name, char c)
{
	if (name->n == sizeof(name->text))
		name->too_long = true;
	else
		name->text[name->n++] = ascii_lower(c);
}

bool
authres_word_octet(char c)
{
	char l = ascii_lower(c);

	return (l >= 'a' && l <= 'z') || (l >= '0' && l <= '9') || l == '-' || l == '_';
}

/* head NULL: not in the head. */
static void
head_add(struct authres_head *head, char c)
{
	if (head == NULL)
		return;
	if (!head->over)
		authres_name_add(&head->strict, c);
	if (authres_word_octet(c) || c == '.' || c == '/' || (unsigned char)c > 0x7f)
		authres_name_add(&head->joined, c);
	authres_name_add(&head->spaced, c);
}

static void
head_break(struct authres_head *head)
{
	if (head != NULL)
		authres_name_add(&head->spaced, ' ');
}

/* at stands on '"'; afterwards behind the closing one. What it says goes into the head. */
static void
quoted_read(struct reader *r, struct authres_head *head)
{
	head_break(head);
	for (r->at++; r->at < r->s.n; r->at++) {
		char c = r->s.p[r->at];

		if (c == '"') {
			r->at++;
			head_break(head);
			return;
		}
		if (c == '\\' && ++r->at < r->s.n)
			c = r->s.p[r->at];
		r->malformed = r->malformed || control(c);
		if (c != '\r' && c != '\n')
			head_add(head, c);
	}
	r->malformed = true;
	r->at = r->s.n;
}

/* Octets up to a blank, comment, quote, ';' or `stop`. */
static struct span
run_read(struct reader *r, char stop, struct authres_head *head)
{
	size_t began = r->at;

	for (; r->at < r->s.n; r->at++) {
		char c = r->s.p[r->at];

		if (special(c) || c == stop)
			break;
		r->malformed = r->malformed || control(c);
		head_add(head, c);
	}
	return span_sub(r->s, began, r->at - began);
}

static bool
glues(char c)
{
	return c == '.' || c == '/';
}

/* Behind blanks: is the id over? Not around a '.', where the obsolete syntax of mail allows them,
 * nor around the '/' of a job id. */
static bool
id_is_over(const struct reader *r, const struct authres_name *name)
{
	if (name->n == 0 || r->at == r->s.n)
		return false;
	return !glues(r->s.p[r->at]) && !glues(name->text[name->n - 1]);
}

/* Everything in front of the first ';'; the version behind the id. */
static struct span
head_read(struct reader *r, struct authres_head *head)
{
	head->strict.n = head->joined.n = head->spaced.n = 0;
	head->strict.too_long = head->joined.too_long = head->spaced.too_long = false;
	head->over = false;
	for (;;) {
		if (blanks_skip(r)) {
			head_break(head);
			if (!head->over && id_is_over(r, &head->strict)) {
				head->over = true;
				head->version_at = r->at;
			}
		}
		if (r->at == r->s.n || at_octet(r, ';'))
			break;
		if (at_octet(r, '"'))
			quoted_read(r, head);
		else
			(void)run_read(r, ';', head);
	}
	if (!head->over)
		return SPAN_EMPTY;
	return span_sub(r->s, head->version_at, r->at - head->version_at);
}

/* 1*DIGIT, and comments behind it. */
static bool
version_is_valid(struct span version)
{
	struct reader r = {version, 0, false};

	while (r.at < version.n && version.p[r.at] >= '0' && version.p[r.at] <= '9')
		r.at++;
	(void)blanks_skip(&r);
	return r.at == version.n && !r.malformed;
}

struct span
authres_name_normalise(const struct authres_name *name, struct arena *arena)
{
	struct span id = span_of(name->text, name->n), normal, head;

	if (name->too_long)
		return SPAN_EMPTY;
	if (span_cut(&id, '/', &head))
		id = head;
	else
		id = span_of(name->text, name->n);
	id = span_trim(id);
	while (id.n > 0 && id.p[id.n - 1] == '.')
		id.n--;
	if (domain_normalise(id, arena, &normal) == ST_OK)
		return normal;
	normal = arena_copy(arena, id);
	return normal.p == NULL ? SPAN_EMPTY : normal;
}

/* "dkim" of "dkim/1". */
static bool
is_dkim_method(struct span key)
{
	struct span rest = key, method;

	(void)span_cut(&rest, '/', &method);
	return span_ieq_str(method, "dkim") || span_ieq_str(method, "domainkeys") ||
	       span_ieq_str(method, "dkim-adsp") || span_ieq_str(method, "dkim-atps");
}

/* The value behind '=': words and quoted strings without a blank between. A sloppy reader finds the
 * result in "spf= dkim=pass", so it is one. */
static bool
value_read(struct reader *r, struct authres_claim *claim)
{
	struct span value, key;
	size_t began;

	(void)blanks_skip(r);
	began = r->at;
	while (r->at < r->s.n && (at_octet(r, '"') || !special(r->s.p[r->at]))) {
		if (at_octet(r, '"'))
			quoted_read(r, NULL);
		else
			(void)run_read(r, ';', NULL);
	}
	value = span_sub(r->s, began, r->at - began);
	if (span_cut(&value, '=', &key))
		claim->has_dkim = claim->has_dkim || is_dkim_method(key);
	return r->at > began;
}

/* Readers disagree about "dkim,": a key with octets that no token has is malformed. */
static bool
is_key(struct span part)
{
	for (size_t i = 0; i < part.n; i++) {
		if (!authres_token_octet(part.p[i]) && part.p[i] != '/')
			return false;
	}
	return part.n > 0;
}

/* at stands on the first octet of what must be KEY "=" VALUE; blanks may stand around the parts of
 * the key ("dkim / 1", "header . d"). */
static void
pair_read(struct reader *r, struct authres_claim *claim)
{
	struct span first = run_read(r, '=', NULL), part = first;

	for (;;) {
		bool blank = blanks_skip(r);
		char last = part.n > 0 ? part.p[part.n - 1] : '=';

		r->malformed = r->malformed || !is_key(part);
		if (r->at == r->s.n || at_octet(r, '=') || special(r->s.p[r->at]))
			break;
		if (blank && !glues(last) && !glues(r->s.p[r->at]))
			break;
		part = run_read(r, '=', NULL);
	}
	if (!at_octet(r, '=')) {
		r->malformed = true;
		return;
	}
	r->at++;
	claim->has_dkim = claim->has_dkim || is_dkim_method(first);
	if (!value_read(r, claim))
		r->malformed = true;
}

/* Of ";" "none". */
static bool
none_read(struct reader *r)
{
	struct reader ahead = *r;

	if (!span_ieq_str(run_read(&ahead, '=', NULL), "none"))
		return false;
	(void)blanks_skip(&ahead);
	if (ahead.at < ahead.s.n && !at_octet(&ahead, ';'))
		return false;
	*r = ahead;
	return true;
}

/* at stands on the first ';', or at the end. After a mistake it goes on one octet further: a
 * result behind it still counts. */
static void
results_read(struct reader *r, struct authres_claim *claim)
{
	size_t results = 0;

	while (r->at < r->s.n) {
		size_t began;

		if (at_octet(r, ';'))
			r->at++;
		(void)blanks_skip(r);
		if (r->at == r->s.n || at_octet(r, ';'))
			continue;
		results++;
		if (none_read(r))
			continue;
		began = r->at;
		pair_read(r, claim);
		if (r->at == began)
			r->at++;
		(void)blanks_skip(r);
	}
	if (results == 0)
		r->malformed = true;
}

struct authres_claim
authres_claim_read(struct span value, struct arena *arena, struct authres_head *head)
{
	struct reader r = {value, 0, value.n > AUTHRES_READ_MAX};
	struct authres_claim claim = {SPAN_EMPTY, false, false};

	if (!version_is_valid(head_read(&r, head)))
		r.malformed = true;
	claim.id = authres_name_normalise(&head->strict, arena);
	if (claim.id.n == 0)
		r.malformed = true;
	results_read(&r, &claim);
	claim.malformed = r.malformed;
	return claim;
}

struct authres_claim
authres_read(struct span value, struct arena *arena)
{
	struct authres_head head;

	return authres_claim_read(value, arena, &head);
}
