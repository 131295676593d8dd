/*
 * domain.c - what a domain name and a selector may look like, and U-labels made A-labels. Called
 * wherever a name leaves the message for a lookup, a log or a signature: nothing else may get
 * through (a "d=example.net(.example.com" has fooled others). It must never touch the network.
 */
#include "lib/dkim/address.h"

#include <idn2.h>
#include <string.h>

#define DOMAIN_UTF8_BYTES_MAX (DOMAIN_BYTES_MAX * 4)

static bool
label_octet(char c)
{
	c = ascii_lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool
domain_is_valid(struct span domain)
{
	size_t label = 0;

	if (domain.n == 0 || domain.n > DOMAIN_BYTES_MAX)
		return false;
	for (size_t i = 0; i < domain.n; i++) {
		if (domain.p[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!label_octet(domain.p[i]) || ++label > DOMAIN_LABEL_BYTES_MAX) {
			return false;
		}
	}
	return label > 0;
}

bool
selector_is_valid(struct span selector)
{
	return domain_is_valid(selector);
}

bool
domain_is_within(struct span child, struct span parent)
{
	if (span_ieq(child, parent))
		return true;
	return parent.n > 0 && child.n > parent.n + 1 && span_iends(child, parent) &&
	       child.p[child.n - parent.n - 1] == '.';
}

static bool
all_ascii(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 0x7e || (unsigned char)s.p[i] <= ' ')
			return false;
	return true;
}

/* A lower-cased copy, if it is a domain. */
static enum status
domain_copy(struct span domain, struct arena *arena, struct span *out)
{
	char *p;

	if (!domain_is_valid(domain))
		return ST_INVALID;
	p = arena_alloc(arena, domain.n + 1);
	if (p == NULL)
		return ST_TOO_BIG;
	for (size_t i = 0; i < domain.n; i++)
		p[i] = ascii_lower(domain.p[i]);
	p[domain.n] = '\0';
	*out = span_of(p, domain.n);
	return ST_OK;
}

static struct span
without_final_dot(struct span domain)
{
	return span_ends(domain, SPAN_LIT(".")) ? span_sub(domain, 0, domain.n - 1) : domain;
}

enum status
domain_normalise(struct span domain, struct arena *arena, struct span *out)
{
	char text[DOMAIN_UTF8_BYTES_MAX + 1];
	uint8_t *ascii = NULL;
	enum status st;

	if (all_ascii(domain))
		return domain_copy(without_final_dot(domain), arena, out);
	if (domain.n > DOMAIN_UTF8_BYTES_MAX || memchr(domain.p, '\0', domain.n) != NULL)
		return ST_INVALID;
	memcpy(text, domain.p, domain.n);
	text[domain.n] = '\0';
	if (idn2_lookup_u8((const uint8_t *)text, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) !=
	    IDN2_OK)
		return ST_INVALID;
	st = domain_copy(without_final_dot(span_str((const char *)ascii)), arena, out);
	idn2_free(ascii);
	return st;
}
