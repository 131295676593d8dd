/*
 * fuzz_ldap_url.c - any text after "ldap:" is a list of URLs or a sentence; any query leaves the
 * grammar of filter and base as it is: as many parentheses and commas as without it.
 */
#include "tests/fuzz/store_fuzz.h"

#include "backends/ldap_url.h"

static size_t
count(const struct buf *text, const char *set)
{
	size_t n = 0;

	for (size_t i = 0; i < text->n; i++)
		n += strchr(set, text->p[i]) != NULL && text->p[i] != '\0';
	return n;
}

/* The same with a harmless query of as many labels. */
static void
compare(const struct ldapurl *url, struct span query)
{
	struct buf text, plain, name;

	buf_init(&text, LDAPURL_TEXT_MAX);
	buf_init(&plain, LDAPURL_TEXT_MAX);
	buf_init(&name, LDAPURL_TEXT_MAX);
	for (size_t i = 0; i < query.n; i++)
		buf_add_char(&name, query.p[i] == '.' ? '.' : 'a');
	if (ldapurl_filter(url, query, &text) == ST_OK &&
	    ldapurl_filter(url, buf_span(&name), &plain) == ST_OK &&
	    (count(&text, "()*&|!<>~\"") != count(&plain, "()*&|!<>~\"") ||
		text.p[text.n] != '\0' || strlen(text.p) != text.n))
		abort();
	if (ldapurl_base(url, query, &text) == ST_OK &&
	    ldapurl_base(url, buf_span(&name), &plain) == ST_OK &&
	    (count(&text, ",=+\"<>;#") != count(&plain, ",=+\"<>;#") || strlen(text.p) != text.n))
		abort();
	buf_free(&text);
	buf_free(&plain);
	buf_free(&name);
}

/* The same text as the place of a key store. */
static void
compare_store(const char *type, struct span urls)
{
	struct err err = ERR_NONE;
	struct ldapurl url;

	if (ldapurl_parse_store(type, urls, &url, &err) != ST_OK) {
		if (err.text[0] == '\0' || url.server_count != 0)
			abort();
		return;
	}
	if (url.server_count == 0 || url.attribute_count != 0 || strchr(url.base, '=') == NULL)
		abort();
	ldapurl_free(&url);
}

/* The query, a newline, the URLs. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = {"ldap", "ldaps", "ldapi"};
	struct span urls = span_of(data, size), query;
	struct err err = ERR_NONE;
	struct ldapurl url;

	span_cut(&urls, '\n', &query);
	if (query.n > TABLE_KEY_MAX || memchr(data, '\0', size) != NULL)
		return 0;
	compare_store(types[size % 3], urls);
	if (ldapurl_parse(types[size % 3], urls, &url, &err) != ST_OK) {
		if (err.text[0] == '\0' || url.server_count != 0)
			abort();
		return 0;
	}
	if (url.server_count == 0 || url.attribute_count == 0)
		abort();
	compare(&url, query);
	ldapurl_free(&url);
	return 0;
}
