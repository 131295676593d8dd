/*
 * authres.c - our own Authentication-Results field: results of signatures into one folded value.
 * Called by the front-end once a message is verified; the milter inserts what is written here, and
 * filters behind us trust it. Nothing that came with the message may get into it unless it is
 * valid: no line end, no comment, no ';' and no quote of a sender's choice.
 */
#include "lib/dkim/authres.h"

#include <string.h>

#include "lib/dkim/address.h"

/* Longest word between two blanks; every piece that goes into one is bounded far below. */
#define WORD_MAX 4096u
/* Longest a= that is written, octets. */
#define ALGORITHM_MAX 64u

struct writer {
	struct buf *out;
	struct buf word; /* the word being put together */
	size_t column;   /* where the line in out stands */
	bool no_header_b;
};

static bool
is_token(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!authres_token_octet(s.p[i]))
			return false;
	}
	return s.n > 0;
}

static void
quoted_add(struct buf *out, struct span s)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if ((unsigned char)c < ' ' || c == 0x7f)
			c = '?';
		if (c == '"' || c == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, c);
	}
	buf_add_char(out, '"');
}

static void
value_add(struct buf *out, struct span s)
{
	if (is_token(s))
		buf_add(out, s);
	else
		quoted_add(out, s);
}

/* The word goes out, on a new line when this one has no room for it. */
static void
word_end(struct writer *w)
{
	if (w->word.overflow) {
		w->out->overflow = true;
	} else if (w->column + 1 + w->word.n > AUTHRES_FOLD_COLUMN) {
		buf_add_str(w->out, "\n\t");
		w->column = 8;
	} else {
		buf_add_char(w->out, ' ');
		w->column++;
	}
	buf_add(w->out, buf_span(&w->word));
	w->column += w->word.n;
	buf_reset(&w->word);
}

/* The name of the field, ':' and the leading blank; a long id stays in the first line. */
static void
writer_begin(struct writer *w, const struct authres_style *style, struct buf *out)
{
	*w = (struct writer){
	    .out = out, .column = sizeof(AUTHRES_FIELD_NAME), .no_header_b = style->no_header_b};
	buf_init(&w->word, WORD_MAX);
	if (style->job_id.n == 0) {
		value_add(&w->word, style->authserv_id);
	} else if (is_token(style->authserv_id) && is_token(style->job_id)) {
		buf_add(&w->word, style->authserv_id);
		buf_add_char(&w->word, '/');
		buf_add(&w->word, style->job_id);
	} else {
		struct buf both;

		buf_init(&both, WORD_MAX);
		buf_add(&both, style->authserv_id);
		buf_add_char(&both, '/');
		buf_add(&both, style->job_id);
		quoted_add(&w->word, buf_span(&both));
		w->word.overflow = w->word.overflow || both.overflow;
		buf_free(&both);
	}
	buf_add_char(out, ' ');
	buf_add(out, buf_span(&w->word));
	w->column += 1 + w->word.n;
	out->overflow = out->overflow || w->word.overflow;
	buf_reset(&w->word);
}

static enum status
writer_end(struct writer *w)
{
	buf_free(&w->word);
	return buf_status(w->out);
}

static void
result_word(struct writer *w, const char *result)
{
	buf_add_char(w->out, ';');
	w->column++;
	buf_add_str(&w->word, "dkim=");
	buf_add_str(&w->word, result);
	word_end(w);
}

static void
reason_word(struct writer *w, const char *reason)
{
	if (reason == NULL || reason[0] == '\0')
		return;
	buf_add_str(&w->word, "reason=");
	quoted_add(&w->word, span_str(reason));
	word_end(w);
}

static const char *
dnssec_text(enum verify_dnssec dnssec)
{
	switch (dnssec) {
	case VERIFY_DNSSEC_INSECURE:
		return "; unprotected";
	case VERIFY_DNSSEC_SECURE:
		return "; secure";
	case VERIFY_DNSSEC_BOGUS:
		return "; bogus";
	case VERIFY_DNSSEC_UNKNOWN:
		break;
	}
	return "";
}

/* What l= leaves out of the body, whoever wrote it: a reader of "pass" must be able to tell. */
static void
coverage_words(struct writer *w, const struct verify_signature *s)
{
	if (s->body_covered >= s->body_octets)
		return;
	buf_add_char(&w->word, ';');
	word_end(w);
	buf_add_fmt(&w->word, "body hash covers %llu of %llu octets",
	    (unsigned long long)s->body_covered, (unsigned long long)s->body_octets);
}

static void
key_comment(struct writer *w, const struct verify_signature *s)
{
	if (!s->key_known)
		return;
	buf_add_fmt(&w->word, "(%d-bit key%s%s", s->key_bits, dnssec_text(s->dnssec),
	    s->testing ? "; testing" : "");
	coverage_words(w, s);
	buf_add_char(&w->word, ')');
	word_end(w);
}

static void
property_word(struct writer *w, char letter, struct span value)
{
	buf_add_fmt(&w->word, "header.%c=", letter);
	value_add(&w->word, value);
	word_end(w);
}

static bool
algorithm_is_valid(struct span a)
{
	for (size_t i = 0; i < a.n; i++) {
		char c = ascii_lower(a.p[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	return a.n > 0 && a.n <= ALGORITHM_MAX;
}

/* Can it be written? Readers are known to give up on the whole field over a quote or a backslash
 * within quotes, which a sender must not be able to bring about. */
static bool
local_is_usable(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if ((unsigned char)c <= ' ' || (unsigned char)c >= 0x7f || c == '"' || c == '\\')
			return false;
	}
	return true;
}

/* May it stand without quotes? RFC 5322 section 3.2.3, atext and dots. */
static bool
local_is_plain(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!authres_token_octet(s.p[i]) && (i == 0 || strchr("/=?", s.p[i]) == NULL))
			return false;
	}
	return true;
}

/* "local@domain" as RFC 8601 has it in pvalue, or all of it quoted; a domain in U-labels is written
 * in A-labels; an identity that has no such form is left out. */
static void
identity_word(struct writer *w, const struct sigfield *field)
{
	size_t at = span_rfind(field->identity, '@');
	struct span local, domain;

	if (at == SIZE_MAX || !domain_is_valid(field->i_domain))
		return;
	local = span_sub(field->identity, 0, at);
	domain = span_from(field->identity, at + 1);
	if (!domain_is_valid(domain))
		domain = field->i_domain;
	if (!local_is_usable(local) || local.n + 1 + domain.n > AUTHRES_IDENTITY_MAX)
		return;
	buf_add_str(&w->word, "header.i=");
	if (local_is_plain(local)) {
		buf_add(&w->word, local);
		buf_add_char(&w->word, '@');
		buf_add(&w->word, domain);
	} else {
		char both[AUTHRES_IDENTITY_MAX];

		memcpy(both, local.p, local.n);
		both[local.n] = '@';
		memcpy(both + local.n + 1, domain.p, domain.n);
		quoted_add(&w->word, span_of(both, local.n + 1 + domain.n));
	}
	word_end(w);
}

static bool
is_base64(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = ascii_lower(s.p[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '+' && c != '/' &&
		    c != '=')
			return false;
	}
	return s.n > 0;
}

/* So many characters that no other signature begins alike, within the limits. */
static size_t
b_length(const struct verify_signature *const *signatures, size_t count, size_t index)
{
	struct span mine = signatures[index]->field.b_text;
	size_t n = AUTHRES_B_MIN;

	for (size_t i = 0; i < count; i++) {
		struct span other = signatures[i]->field.b_text;

		while (i != index && n < AUTHRES_B_MAX &&
		       span_eq(span_sub(mine, 0, n), span_sub(other, 0, n)))
			n++;
	}
	return n;
}

static void
signature_write(
    struct writer *w, const struct verify_signature *const *signatures, size_t count, size_t index)
{
	const struct verify_signature *s = signatures[index];
	struct span b = span_sub(s->field.b_text, 0, b_length(signatures, count, index));

	result_word(w, verify_result_name(s->result));
	if (s->result != VERIFY_PASS)
		reason_word(w, verify_reason_text(s->reason));
	key_comment(w, s);
	if (domain_is_valid(s->field.domain))
		property_word(w, 'd', s->field.domain);
	identity_word(w, &s->field);
	if (algorithm_is_valid(s->field.algorithm_text))
		property_word(w, 'a', s->field.algorithm_text);
	if (selector_is_valid(s->field.selector))
		property_word(w, 's', s->field.selector);
	if (!w->no_header_b && is_base64(b))
		property_word(w, 'b', b);
}

enum status
authres_write_list(const struct authres_style *style,
    const struct verify_signature *const *signatures, size_t count, struct buf *out)
{
	struct writer w;

	if (count == 0)
		return authres_write_plain(style, "none", NULL, out);
	writer_begin(&w, style, out);
	for (size_t i = 0; i < count; i++)
		signature_write(&w, signatures, count, i);
	return writer_end(&w);
}

enum status
authres_write(const struct authres_style *style, const struct verify *verify, struct buf *out)
{
	const struct verify_signature *signatures[VERIFY_SIGNATURES_MAX];
	size_t count = verify_count(verify);

	if (count > VERIFY_SIGNATURES_MAX)
		count = VERIFY_SIGNATURES_MAX;
	for (size_t i = 0; i < count; i++)
		signatures[i] = verify_signature(verify, i);
	return authres_write_list(style, signatures, count, out);
}

enum status
authres_write_plain(
    const struct authres_style *style, const char *result, const char *comment, struct buf *out)
{
	struct writer w;

	writer_begin(&w, style, out);
	result_word(&w, result);
	if (comment != NULL) {
		buf_add_fmt(&w.word, "(%s)", comment);
		word_end(&w);
	}
	return writer_end(&w);
}
