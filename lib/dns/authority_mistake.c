/*
 * authority_mistake.c - the names at which customers put a record by mistake, because a form asks
 * for a part of the name, or puts the domain behind what is entered. authority_name.c asks there
 * when nobody has the record at its own name. Pure.
 */
#include <stdio.h>
#include <string.h>

#include "lib/dns/authority_private.h"

enum mistake { DOMAIN_TWICE, NO_DOMAINKEY, NO_SUBDOMAIN, NO_SELECTOR };

const char *
authority_mistake_words(unsigned mistake)
{
	static const char *const words[AUTHORITY_MISTAKES] = {
	    [DOMAIN_TWICE] = "the domain is in the name twice",
	    [NO_DOMAINKEY] = "\"_domainkey\" is missing in the name",
	    [NO_SUBDOMAIN] = "the subdomain is missing in the name",
	    [NO_SELECTOR] = "the selector is missing in the name"};

	return words[mistake];
}

void
authority_mistake_name(
    unsigned mistake, const char *name, const char *zone, char out[AUTHORITY_NAME_BYTES])
{
	const char *behind = authority_name_up(name), *domain = authority_name_up(behind);
	int selector = (int)(behind - name) - 1, n = 0;

	if (mistake == DOMAIN_TWICE)
		n = snprintf(out, AUTHORITY_NAME_BYTES, "%s.%s", name, zone);
	else if (mistake == NO_DOMAINKEY)
		n = snprintf(out, AUTHORITY_NAME_BYTES, "%.*s.%s", selector, name, domain);
	else if (mistake == NO_SUBDOMAIN && strcmp(domain, zone) != 0)
		n = snprintf(out, AUTHORITY_NAME_BYTES, "%.*s._domainkey.%s", selector, name, zone);
	else if (mistake == NO_SELECTOR)
		n = snprintf(out, AUTHORITY_NAME_BYTES, "%s", behind);
	if (n <= 0 || (size_t)n > AUTHORITY_NAME_MAX)
		out[0] = '\0';
}

bool
authority_mistake_leads(const struct authority_answer *answer, struct span leads_to)
{
	return leads_to.n > 0 && answer->aliased && span_ieq(span_str(answer->alias), leads_to);
}

bool
authority_mistake_has(const struct authority_answer *answer, struct span value)
{
	struct buf wanted, found;
	bool same = false;

	buf_init(&wanted, AUTHORITY_MESSAGE_MAX);
	buf_init(&found, AUTHORITY_MESSAGE_MAX);
	for (unsigned i = 0; i < answer->records && i < AUTHORITY_RECORDS_MAX && !same; i++) {
		buf_reset(&wanted);
		buf_reset(&found);
		same = authority_text_key(value, &wanted) && wanted.n > 0 &&
		       authority_text_key(answer->texts[i], &found) &&
		       span_eq(buf_span(&wanted), buf_span(&found));
	}
	buf_free(&wanted);
	buf_free(&found);
	return same;
}
