/*
 * signature.c - writes the DKIM-Signature field. Called in the keeper, for each signature: build
 * without b=, hash, sign elsewhere, append b=. No octet in front of the signature may change
 * between the hash and the message: folds are written once, here, and simple signs them.
 */
#include "lib/dkim/signature_private.h"

#include <string.h>

#define FIELD_PREFIX SIGNATURE_FIELD_NAME ":"
#define TAB_COLUMNS 8u
#define QUOTED_PIECE 60u /* octets of z= in one line */
#define B_ROOM 20u       /* columns that b= leaves for the first of the signature */

/* Where the writing stands; columns as a reader with tab stops of 8 sees them. */
struct folder {
	struct buf *out;
	size_t column;
};

static void
fold_break(struct folder *f)
{
	buf_add_str(f->out, "\r\n\t");
	f->column = TAB_COLUMNS;
}

/* A piece that is never split. */
static void
fold_add(struct folder *f, struct span piece)
{
	buf_add(f->out, piece);
	f->column += piece.n;
}

/* Begins a tag of which the first n octets belong together. */
static void
fold_tag_start(struct folder *f, size_t n)
{
	bool first = f->out->n == 0;

	if (!first)
		fold_add(f, SPAN_LIT(";"));
	/* blank in front, ';' behind */
	if (!first && f->column + n + 2 > SIGNATURE_FOLD_COLUMN)
		fold_break(f);
	else
		fold_add(f, SPAN_LIT(" "));
}

static void
tag_add(struct folder *f, const char *name, struct span value)
{
	fold_tag_start(f, strlen(name) + 1 + value.n);
	fold_add(f, span_str(name));
	fold_add(f, SPAN_LIT("="));
	fold_add(f, value);
}

static void
tag_add_number(struct folder *f, const char *name, int64_t value)
{
	struct buf text;

	if (value < 0)
		return;
	buf_init(&text, 32);
	buf_add_u64(&text, (uint64_t)value);
	tag_add(f, name, buf_span(&text));
	buf_free(&text);
}

/* h=: a line may end behind any colon, never inside a name. */
static void
tag_add_names(struct folder *f, struct span names)
{
	struct span name;
	bool more = span_cut(&names, ':', &name);

	tag_add(f, "h", name);
	while (more) {
		more = span_cut(&names, ':', &name);
		fold_add(f, SPAN_LIT(":"));
		if (f->column + name.n + 1 > SIGNATURE_FOLD_COLUMN)
			fold_break(f);
		fold_add(f, name);
	}
}

/* z=: white space may stand anywhere but inside an =XX. */
static void
tag_add_copied(struct folder *f, struct span copied)
{
	const char *name = "z=";

	while (copied.n > 0) {
		size_t n = copied.n < QUOTED_PIECE ? copied.n : QUOTED_PIECE;

		if (n < copied.n && copied.p[n - 1] == '=')
			n -= 1;
		else if (n < copied.n && n >= 2 && copied.p[n - 2] == '=')
			n -= 2;
		if (name != NULL) {
			fold_tag_start(f, n + 2);
			fold_add(f, span_str(name));
		} else {
			fold_break(f);
		}
		name = NULL;
		fold_add(f, span_sub(copied, 0, n));
		copied = span_from(copied, n);
	}
}

static void
tag_add_algorithms(struct folder *f, const struct signature_params *p)
{
	struct buf text;

	buf_init(&text, 32);
	buf_add_str(&text, canon_name(p->header_canon));
	buf_add_char(&text, '/');
	buf_add_str(&text, canon_name(p->body_canon));
	tag_add(f, "v", SPAN_LIT("1"));
	tag_add(f, "a", span_str(key_algorithm_name(p->algorithm)));
	tag_add(f, "c", buf_span(&text));
	buf_free(&text);
}

static void
tag_add_identity(struct folder *f, struct span identity)
{
	struct buf text;

	if (identity.n == 0)
		return;
	buf_init(&text, SIGNATURE_IDENTITY_MAX * 3);
	signature_quote(identity, false, &text);
	tag_add(f, "i", buf_span(&text));
	buf_free(&text);
}

static void
tag_add_hash(struct folder *f, struct span hash)
{
	char text[(SHA256_BYTES + 2) / 3 * 4];

	base64_encode(hash.p, hash.n, text);
	tag_add(f, "bh", span_of(text, sizeof text));
}

enum status
signature_build(const struct signature_params *params, struct buf *value_out, struct err *err)
{
	struct folder f = {.out = value_out, .column = sizeof FIELD_PREFIX - 1};
	enum status st = value_out->n == 0 ? signature_check(params, err) : ST_FAILED;

	if (st != ST_OK)
		return st;
	tag_add_algorithms(&f, params);
	tag_add(&f, "d", params->domain);
	tag_add(&f, "s", params->selector);
	tag_add_number(&f, "t", params->time_utc);
	tag_add_number(&f, "x", params->expires_utc);
	tag_add_identity(&f, params->identity);
	if (params->request_reports)
		tag_add(&f, "r", SPAN_LIT("y"));
	tag_add_hash(&f, params->body_hash);
	tag_add_number(&f, "l", params->body_length);
	tag_add_names(&f, params->header_names);
	tag_add_copied(&f, params->copied_headers);
	fold_tag_start(&f, B_ROOM);
	fold_add(&f, SPAN_LIT("b="));
	if (buf_status(value_out) != ST_OK)
		err_set(err, "the DKIM-Signature is longer than %zu octets", value_out->max);
	return buf_status(value_out);
}

void
signature_digest(struct digest *digest, struct span canonical_headers, enum canon canon,
    struct span value_without_b, uint8_t out[SHA256_BYTES])
{
	struct header_field field = {SPAN_LIT(SIGNATURE_FIELD_NAME), value_without_b};
	struct buf text;

	/* name, colon, CRLF and one octet more than relaxed or simple can need */
	buf_init(&text, sizeof FIELD_PREFIX + value_without_b.n + 3);
	canon_header(canon, &field, &text);
	digest_start(digest);
	digest_add(digest, canonical_headers);
	digest_add(digest, span_sub(buf_span(&text), 0, text.n - 2));
	digest_finish(digest, out);
	buf_free(&text);
}

/* Columns of the last line of the value. */
static size_t
last_column(struct span value)
{
	size_t lf = span_rfind(value, '\n');

	if (lf == SIZE_MAX)
		return value.n + sizeof FIELD_PREFIX - 1;
	return value.n - lf - 2 + TAB_COLUMNS;
}

enum status
signature_finish(struct buf *value, struct span raw_signature)
{
	char text[(KEY_SIGNATURE_MAX + 2) / 3 * 4];
	struct folder f = {.out = value, .column = last_column(buf_span(value))};
	struct span left = span_of(text, (raw_signature.n + 2) / 3 * 4);

	if (raw_signature.n > KEY_SIGNATURE_MAX)
		return ST_TOO_BIG;
	base64_encode(raw_signature.p, raw_signature.n, text);
	while (left.n > 0) {
		size_t room =
		    f.column < SIGNATURE_FOLD_COLUMN ? SIGNATURE_FOLD_COLUMN - f.column : 0;
		struct span piece = span_sub(left, 0, room);

		fold_add(&f, piece);
		left = span_from(left, piece.n);
		if (left.n > 0)
			fold_break(&f);
	}
	return buf_status(value);
}

enum status
signature_milter_value(struct span value, bool keep_leading_blank, struct buf *out)
{
	struct span line;
	bool more = true;

	if (!keep_leading_blank && span_starts(value, SPAN_LIT(" ")))
		value = span_from(value, 1);
	while (more) {
		more = span_cut(&value, '\n', &line);
		if (more && span_ends(line, SPAN_LIT("\r")))
			line = span_sub(line, 0, line.n - 1);
		buf_add(out, line);
		if (more)
			buf_add_char(out, '\n');
	}
	return buf_status(out);
}

void
signature_quote(struct span text, bool pipe_too, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		char coded[3] = {'=', hex[c >> 4], hex[c & 15]};

		if (c <= ' ' || c >= 0x7f || c == ';' || c == '=' || (pipe_too && c == '|'))
			buf_add(out, span_of(coded, sizeof coded));
		else
			buf_add_char(out, text.p[i]);
	}
}
