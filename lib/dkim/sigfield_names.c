/*
 * sigfield_names.c - the names in a DKIM-Signature field: d=, s=, i= and h=. Called by sigfield.c.
 * "d=example.net(.example.com" has fooled others: nothing but a domain name in A-labels may leave
 * here as one, before any query or header field is made of it.
 */
#include <string.h>

#include "lib/dkim/address.h"
#include "lib/dkim/header.h"
#include "lib/dkim/sigfield_private.h"

#define QUERY_LABEL "._domainkey."

/* Lower-case A-labels. A final dot is no part of the grammar here. */
static enum status
read_name(struct sigfield_reader *r, const char *tag, struct span text, struct span *out)
{
	enum status st = ST_INVALID;

	if (!span_ends(text, SPAN_LIT(".")))
		st = domain_normalise(text, r->arena, out);
	if (st == ST_INVALID)
		err_set(r->err, "%s= is not a domain name", tag);
	else if (st != ST_OK)
		err_set(r->err, "no room for %s=", tag);
	return st;
}

enum status
sigfield_read_domain(struct sigfield_reader *r)
{
	struct span text;
	enum status st = sigfield_tag(r, "d", SIGFIELD_TAG_MAX, &text);

	return st == ST_OK ? read_name(r, "d", text, &r->out->domain) : st;
}

static enum status
make_query(struct sigfield_reader *r)
{
	struct sigfield *out = r->out;
	struct span label = SPAN_LIT(QUERY_LABEL);
	size_t n = out->selector.n + label.n + out->domain.n;
	char *p = arena_alloc(r->arena, n);

	if (p == NULL)
		return sigfield_refuse(r, ST_TOO_BIG, "no room for the query");
	memcpy(p, out->selector.p, out->selector.n);
	memcpy(p + out->selector.n, label.p, label.n);
	memcpy(p + out->selector.n + label.n, out->domain.p, out->domain.n);
	if (!domain_is_valid(span_of(p, n)))
		return sigfield_refuse(r, ST_INVALID, "s= and d= are too long for the DNS");
	out->query = span_of(p, n);
	return ST_OK;
}

enum status
sigfield_read_selector(struct sigfield_reader *r)
{
	struct span text;
	enum status st = sigfield_tag(r, "s", SIGFIELD_TAG_MAX, &text);

	if (st == ST_OK)
		st = read_name(r, "s", text, &r->out->selector);
	if (st == ST_OK && r->out->domain.n > 0)
		st = make_query(r);
	return st;
}

/* Octets of the UTF-8 character in front of s, 0 when it is none or a control character. */
static size_t
utf8_length(struct span s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if (p[0] < 0xc2 || p[0] > 0xf4 || n > s.n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* overlong, surrogates, above U+10FFFF; U+0080 to U+009F */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f) ||
	    (p[0] == 0xc2 && p[1] < 0xa0))
		return 0;
	return n;
}

static bool
atom_octet(char c)
{
	return c > ' ' && c < 0x7f && strchr("()<>[]:;@\\,\"", c) == NULL;
}

/* One character of a local part, 0 when it may not stand there; quoted: between quotes. */
static size_t
user_step(struct span s, bool quoted)
{
	if ((unsigned char)s.p[0] >= 0x80)
		return utf8_length(s);
	if (!quoted)
		return atom_octet(s.p[0]) ? 1 : 0;
	if (s.p[0] == '\\')
		return s.n > 1 && s.p[1] > ' ' && s.p[1] < 0x7f ? 2 : 0;
	return s.p[0] > ' ' && s.p[0] < 0x7f && s.p[0] != '"' ? 1 : 0;
}

/* Atoms and dots, or a quoted string, or nothing; printable and without a blank. */
static bool
user_is_valid(struct span user)
{
	bool quoted = user.n >= 2 && user.p[0] == '"' && user.p[user.n - 1] == '"';

	if (quoted)
		user = span_sub(user, 1, user.n - 2);
	while (user.n > 0) {
		size_t step = user_step(user, quoted);

		if (step == 0)
			return false;
		user = span_from(user, step);
	}
	return true;
}

/* i= was not given: "@" and d=. */
static enum status
identity_default(struct sigfield_reader *r)
{
	struct sigfield *out = r->out;
	char *p;

	if (out->domain.n == 0)
		return ST_OK; /* d= has been complained of */
	p = arena_alloc(r->arena, out->domain.n + 1);
	if (p == NULL)
		return sigfield_refuse(r, ST_TOO_BIG, "no room for i=");
	p[0] = '@';
	memcpy(p + 1, out->domain.p, out->domain.n);
	out->identity = span_of(p, out->domain.n + 1);
	out->i_domain = out->domain;
	return ST_OK;
}

/* Decoded, in the arena. */
static enum status
identity_decode(struct sigfield_reader *r, struct span value, struct span *out)
{
	struct buf text;
	enum status st;

	buf_init(&text, value.n + 1);
	st = tags_unquote(value, &text);
	if (st == ST_OK) {
		*out = arena_copy(r->arena, buf_span(&text));
		st = out->p == NULL ? ST_TOO_BIG : ST_OK;
	}
	buf_free(&text);
	if (st != ST_OK)
		err_set(r->err, "i= cannot be decoded");
	return st;
}

enum status
sigfield_read_identity(struct sigfield_reader *r)
{
	struct span value, text = SPAN_EMPTY, domain = SPAN_EMPTY;
	enum status st;
	size_t at;

	if (!tags_find(&r->tags, "i", &value))
		return identity_default(r);
	if (value.n > SIGFIELD_TAG_MAX)
		return sigfield_refuse(r, ST_INVALID, "i= is too long");
	st = identity_decode(r, value, &text);
	if (st != ST_OK)
		return st;
	at = span_rfind(text, '@');
	if (at == SIZE_MAX || !user_is_valid(span_sub(text, 0, at)))
		return sigfield_refuse(r, ST_INVALID, "i= is not an address");
	st = read_name(r, "i", span_from(text, at + 1), &domain);
	if (st != ST_OK)
		return st;
	if (r->out->domain.n == 0)
		return ST_OK; /* d= has been complained of */
	if (!domain_is_within(domain, r->out->domain))
		return sigfield_refuse(r, ST_INVALID, "i= is not within d=");
	r->out->identity = text;
	r->out->i_domain = domain;
	return ST_OK;
}

/* RFC 5322 2.2: printable ASCII but the colon. */
static bool
field_name_is_valid(struct span name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] >= 0x7f)
			return false;
	return name.n > 0;
}

static size_t
count_names(struct span list)
{
	size_t count = 1;

	for (size_t i = 0; i < list.n; i++)
		count += list.p[i] == ':' ? 1 : 0;
	return count;
}

enum status
sigfield_read_names(struct sigfield_reader *r)
{
	struct sigfield *out = r->out;
	struct span rest;
	enum status st = sigfield_tag(r, "h", SIGFIELD_BYTES_MAX, &rest);
	bool from = false;
	size_t count;

	if (st != ST_OK)
		return st;
	count = count_names(rest);
	if (count > SIGFIELD_NAMES_MAX)
		return sigfield_refuse(r, ST_TOO_BIG, "h= has too many names");
	out->names = arena_alloc(r->arena, count * sizeof *out->names);
	if (out->names == NULL)
		return sigfield_refuse(r, ST_TOO_BIG, "no room for h=");
	for (out->name_count = 0; out->name_count < count; out->name_count++) {
		struct span name;

		(void)span_cut(&rest, ':', &name);
		name = span_trim(name);
		if (!field_name_is_valid(name))
			return sigfield_refuse(r, ST_INVALID, "h= has something that is no name");
		from = from || span_ieq_str(name, "From");
		out->names[out->name_count] = name;
	}
	return from ? ST_OK : sigfield_refuse(r, ST_INVALID, "From is not in h=");
}
