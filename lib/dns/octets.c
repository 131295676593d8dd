/*
 * octets.c - an answer as octets and back.
 * kept.c keeps them, cached.c gives them to others, the keeper looks at what a front-end wants to
 * give away. It must never take octets that it would not have written itself.
 */
#include "lib/dns/answer.h"
#include "lib/dns/octets.h"

#define VERSION 1u

/* ---- what may be kept ---- */

uint32_t
dns_answer_keep_s(const struct dns_answer *answer)
{
	uint32_t most_s;

	if (answer->status == ST_OK)
		most_s = DNS_KEEP_S_MAX;
	else if (answer->status == ST_ABSENT)
		most_s = DNS_KEEP_ABSENT_S_MAX;
	else
		return 0;
	if (answer->security == DNS_BOGUS)
		return 0;
	return answer->ttl_s < most_s ? answer->ttl_s : most_s;
}

/* ---- words ---- */

static const char securities[] = {[DNS_UNKNOWN] = 'u', [DNS_INSECURE] = 'i', [DNS_SECURE] = 's'};

static bool
security_read(unsigned int letter, enum dns_security *out)
{
	for (size_t i = 0; i < sizeof(securities); i++)
		if ((unsigned char)securities[i] == letter) {
			*out = (enum dns_security)i;
			return true;
		}
	return false;
}

static char
what_of(const struct dns_answer *answer)
{
	if (answer->status == ST_OK)
		return 'T';
	return answer->name_exists ? 'N' : 'X';
}

static bool
what_read(unsigned int letter, struct dns_answer *answer)
{
	if (letter == 'T')
		*answer = dns_answer_none(ST_OK, DNS_UNKNOWN, "");
	else if (letter == 'N')
		*answer = dns_answer_none(ST_ABSENT, DNS_UNKNOWN, "no TXT record");
	else if (letter == 'X')
		*answer = dns_answer_none(ST_ABSENT, DNS_UNKNOWN, "NXDOMAIN");
	else
		return false;
	answer->name_exists = letter == 'N';
	return true;
}

/* ---- writing ---- */

static void
put_number(struct buf *out, size_t value, unsigned int octets)
{
	for (unsigned int i = octets; i > 0; i--)
		buf_add_char(out, (char)(value >> (8 * (i - 1))));
}

static void
put_span(struct buf *out, struct span s)
{
	put_number(out, s.n, 2);
	buf_add(out, s);
}

enum status
dns_octets_write(const struct dns_answer *answer, struct buf *out)
{
	size_t count = answer->status == ST_OK ? answer->count : 0;

	put_number(out, VERSION, 1);
	buf_add_char(out, what_of(answer));
	buf_add_char(out, securities[answer->security]);
	put_span(out, answer->alias);
	put_number(out, count, 1);
	for (size_t i = 0; i < count; i++) {
		put_number(out, answer->texts[i].strings, 2);
		put_number(out, answer->texts[i].string_bytes_max, 1);
		put_span(out, answer->texts[i].joined);
	}
	return buf_status(out);
}

/* ---- reading ---- */

static bool
get_number(struct span *rest, unsigned int octets, size_t *out)
{
	*out = 0;
	if (rest->n < octets)
		return false;
	for (unsigned int i = 0; i < octets; i++)
		*out = *out << 8 | (unsigned char)rest->p[i];
	*rest = span_from(*rest, octets);
	return true;
}

static bool
get_span(struct span *rest, size_t max, struct span *out)
{
	size_t n;

	if (!get_number(rest, 2, &n) || n > max || n > rest->n)
		return false;
	*out = span_sub(*rest, 0, n);
	*rest = span_from(*rest, n);
	return true;
}

/* As answer.c writes a name: what is not printable is \DDD there. */
static bool
get_alias(struct span *rest, struct span *out)
{
	if (!get_span(rest, DNS_NAME_TEXT_MAX, out))
		return false;
	for (size_t i = 0; i < out->n; i++)
		if (out->p[i] <= ' ' || out->p[i] > 0x7e)
			return false;
	return true;
}

/* The longest string is one of them, and no other is longer. */
static bool
get_text(struct span *rest, struct dns_text *text)
{
	return get_number(rest, 2, &text->strings) && text->strings > 0 &&
	       get_number(rest, 1, &text->string_bytes_max) &&
	       get_span(rest, DNS_TEXT_BYTES_MAX, &text->joined) &&
	       text->joined.n >= text->string_bytes_max &&
	       text->joined.n <= text->strings * text->string_bytes_max;
}

static bool
get_texts(struct span *rest, struct dns_answer *answer)
{
	if (!get_number(rest, 1, &answer->count) || answer->count > DNS_TEXTS_MAX ||
	    (answer->count > 0) != (answer->status == ST_OK))
		return false;
	for (size_t i = 0; i < answer->count; i++)
		if (!get_text(rest, &answer->texts[i]))
			return false;
	return rest->n == 0;
}

enum status
dns_octets_read(struct span octets, struct dns_answer *answer_out)
{
	struct span rest = octets;
	size_t version, what, security;

	if (get_number(&rest, 1, &version) && version == VERSION && get_number(&rest, 1, &what) &&
	    what_read((unsigned int)what, answer_out) && get_number(&rest, 1, &security) &&
	    security_read((unsigned int)security, &answer_out->security) &&
	    get_alias(&rest, &answer_out->alias) && get_texts(&rest, answer_out))
		return ST_OK;
	*answer_out = dns_answer_none(ST_INVALID, DNS_UNKNOWN, "a torn answer");
	return ST_INVALID;
}
