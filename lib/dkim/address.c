/*
 * address.c - the one parser of From: and its kin. Called by the session to learn who sends, and
 * therefore fed by whoever sends: one pass, no recursion, one buffer. Where readers of mail could
 * disagree about which address it is, it must never choose: the answer is then "invalid".
 */
#include "lib/dkim/address.h"

#include <string.h>

/* One element of the list while it is read. */
struct reader {
	struct span s;
	size_t at;
	struct arena *arena;
	struct err *err;
	char *text; /* the address so far, without comments and folding; room for all of s */
	size_t n;
	bool blank;     /* white space stands between text and what comes */
	bool angle;     /* inside <> */
	bool had_angle; /* text is what stood inside <> */
	bool debris;    /* words without an address were seen */
	struct address *first_out;
	size_t count;
};

static enum status
reader_invalid(struct reader *r, const char *why)
{
	err_set(r->err, "address list, octet %zu: %s", r->at, why);
	return ST_INVALID;
}

static bool
glues(char c)
{
	return c == '@' || c == '.';
}

/* White space around '@' and '.' is the obsolete syntax and means nothing. */
static void
text_add(struct reader *r, char c)
{
	if (r->blank && r->n > 0 && !glues(c) && !glues(r->text[r->n - 1]))
		r->text[r->n++] = ' ';
	r->blank = false;
	r->text[r->n++] = c;
}

/* at stands on '('; afterwards behind its ')'. */
static enum status
comment_skip(struct reader *r)
{
	size_t depth = 0;

	for (; r->at < r->s.n; r->at++) {
		char c = r->s.p[r->at];

		if (c == '\\') {
			r->at++;
		} else if (c == '(' && ++depth > ADDRESS_COMMENT_DEPTH) {
			return reader_invalid(r, "comments nested too deep");
		} else if (c == ')' && --depth == 0) {
			r->at++;
			r->blank = true;
			return ST_OK;
		}
	}
	return reader_invalid(r, "a comment without its end");
}

/* at stands on the opening octet; copies to close, both included, line ends left out. */
static enum status
enclosed_copy(struct reader *r, char close)
{
	text_add(r, r->s.p[r->at++]);
	while (r->at < r->s.n) {
		char c = r->s.p[r->at++];

		if (c == '\r' || c == '\n')
			continue;
		r->text[r->n++] = c;
		if (c == close)
			return ST_OK;
		if (c == '\\' && r->at < r->s.n)
			r->text[r->n++] = r->s.p[r->at++];
	}
	return reader_invalid(r, "a quoted part without its end");
}

/* The index of the last '@' outside quotes, or SIZE_MAX; *plain_out: the part in front of it has
 * nothing outside quotes that an address cannot have there. */
static size_t
at_sign_find(struct span text, bool *plain_out)
{
	size_t found = SIZE_MAX;
	bool quoted = false;
	bool escaped = false;
	bool plain = true;
	bool before = true;

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c < ' ' || c == 0x7f)
			plain = false; /* behind a backslash, too: no user has these */
		if (escaped)
			escaped = false;
		else if (quoted && c == '\\')
			escaped = true;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && c == '@') {
			before = plain && found == SIZE_MAX;
			found = i;
		} else if (!quoted && memchr(" ,;:<>", c, 6) != NULL)
			plain = false;
	}
	*plain_out = before;
	return found;
}

static bool
literal_is_valid(struct span domain)
{
	if (domain.n < 3 || domain.n > DOMAIN_BYTES_MAX || domain.p[domain.n - 1] != ']')
		return false;
	for (size_t i = 1; i + 1 < domain.n; i++)
		if (domain.p[i] <= ' ' || domain.p[i] >= 0x7f ||
		    memchr("[]\\@", domain.p[i], 4) != NULL)
			return false;
	return true;
}

static enum status
domain_store(struct reader *r, struct span domain, struct span *out)
{
	if (domain.n == 0 || domain.p[0] != '[')
		return domain_normalise(domain, r->arena, out);
	if (!literal_is_valid(domain))
		return ST_INVALID;
	*out = arena_copy(r->arena, domain);
	return out->p == NULL ? ST_TOO_BIG : ST_OK;
}

static enum status
first_store(struct reader *r, struct span text, size_t at_sign)
{
	struct span user = span_sub(text, 0, at_sign);
	enum status st = domain_store(r, span_from(text, at_sign + 1), &r->first_out->domain);

	if (st == ST_INVALID)
		return reader_invalid(r, "what follows the @ is no domain name");
	if (st != ST_OK)
		return st;
	r->first_out->user = arena_copy(r->arena, user);
	return r->first_out->user.p == NULL ? ST_TOO_BIG : ST_OK;
}

/* The end of one element: ',', ';' or the end of the list. */
static enum status
element_end(struct reader *r)
{
	struct span text = span_of(r->text, r->n);
	bool plain;
	size_t at_sign = at_sign_find(text, &plain);
	bool had_angle = r->had_angle;

	r->n = 0;
	r->blank = r->angle = r->had_angle = false;
	if (at_sign == SIZE_MAX) {
		r->debris = r->debris || (text.n > 0 && !had_angle);
		return had_angle && text.n > 0 ? reader_invalid(r, "an address without a domain")
					       : ST_OK;
	}
	if (!plain || at_sign == 0)
		return reader_invalid(r, "not one address but something else in front of the @");
	if (at_sign > ADDRESS_USER_MAX || r->count == ADDRESS_COUNT_MAX)
		return ST_TOO_BIG;
	return r->count++ == 0 ? first_store(r, text, at_sign) : ST_OK;
}

/* '<': what stood before was a display name. A second one in the same element is a trap. */
static enum status
angle_open(struct reader *r)
{
	if (r->had_angle && (!r->angle || r->n > 0))
		return reader_invalid(r, "a second < in one address");
	r->n = 0;
	r->blank = false;
	r->angle = r->had_angle = true;
	return ST_OK;
}

/* Text behind '>' is ignored unless it could be an address too. */
static enum status
ordinary_octet(struct reader *r, char c)
{
	if (!r->had_angle || r->angle)
		text_add(r, c);
	else if (c == '@')
		return reader_invalid(r, "an @ behind the address in <>");
	return ST_OK;
}

/* ',', ':', ';' */
static enum status
separator(struct reader *r, char c)
{
	if (r->angle && c == ':' && r->n > 0 && r->text[0] == '@') {
		r->n = 0; /* the obsolete source route ends */
		return ST_OK;
	}
	if (r->angle)
		return ordinary_octet(r, c);
	if (c == ':' && !r->had_angle) {
		bool plain;

		if (at_sign_find(span_of(r->text, r->n), &plain) != SIZE_MAX)
			return reader_invalid(r, "an address where the name of a group should be");
		r->n = 0; /* what stood before was the name of a group */
		r->blank = false;
		return ST_OK;
	}
	return c == ':' ? ST_OK : element_end(r);
}

static enum status
octet_read(struct reader *r, char c)
{
	r->at++;
	switch (c) {
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		r->blank = true;
		return ST_OK;
	case '<':
		return angle_open(r);
	case '>':
		r->angle = false;
		return ST_OK;
	case ',':
	case ':':
	case ';':
		return separator(r, c);
	default:
		return ordinary_octet(r, c);
	}
}

static enum status
token_read(struct reader *r)
{
	char c = r->s.p[r->at];
	bool behind = r->had_angle && !r->angle;
	size_t n = r->n;
	enum status st;

	if (c == '(')
		return comment_skip(r);
	if (c == '"' || (c == '[' && n > 0 && r->text[n - 1] == '@')) {
		st = enclosed_copy(r, c == '"' ? '"' : ']');
		if (behind)
			r->n = n; /* words behind the address */
		return st;
	}
	return octet_read(r, c);
}

enum status
address_parse(struct span header_value, struct arena *arena, struct address *first_out,
    size_t *count_out, struct err *err)
{
	struct reader r = {.s = header_value, .arena = arena, .err = err, .first_out = first_out};
	enum status st = ST_OK;

	*count_out = 0;
	memset(first_out, 0, sizeof *first_out);
	if (header_value.n > ADDRESS_VALUE_MAX)
		return ST_TOO_BIG;
	/* Each octet adds at most itself and one blank in front of it. */
	r.text = arena_alloc(arena, header_value.n * 2 + 1);
	if (r.text == NULL)
		return ST_TOO_BIG;
	while (st == ST_OK && r.at < r.s.n)
		st = token_read(&r);
	if (st == ST_OK)
		st = element_end(&r);
	if (st == ST_OK && r.count == 0)
		st = r.debris ? reader_invalid(&r, "words, but no address") : ST_ABSENT;
	*count_out = r.count;
	return st;
}
