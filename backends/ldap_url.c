/*
 * ldap_url.c - LDAP URLs taken apart, and queries put into their base and filter.
 * Called by ldap.c when a table is opened and for each look-up.
 * It must never let an octet of a query be read as a part of the filter's or the name's grammar.
 */
#include <stdio.h>
#include <string.h>

#include "backends/ldap_url.h"
#include "lib/base/mem.h"

#define DEFAULT_FILTER "(objectClass=*)"

static int
hex_digit(char c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Owned, or NULL: a '%' without two digits, or %00. */
static char *
decode(struct span text)
{
	char *out = mem_alloc(text.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		int high, low;

		if (text.p[i] != '%') {
			out[n++] = text.p[i];
			continue;
		}
		high = i + 2 < text.n ? hex_digit(text.p[i + 1]) : -1;
		low = i + 2 < text.n ? hex_digit(text.p[i + 2]) : -1;
		if (high < 0 || low < 0 || high + low == 0) {
			mem_free(out);
			return NULL;
		}
		out[n++] = (char)(high << 4 | low);
		i += 2;
	}
	out[n] = '\0';
	return out;
}

static bool
varies(const char *text)
{
	return strstr(text, "$d") != NULL || strstr(text, "$D") != NULL;
}

/* "host", "host:port", "[v6]:port", "%2Fpath" or nothing. What a library could take for a second
 * server is refused. */
static bool
place_fits(struct span place, bool local)
{
	size_t colon = span_rfind(place, ':'), bracket = span_rfind(place, ']');
	uint64_t port;

	for (size_t i = 0; i < place.n; i++) {
		char c = place.p[i];

		if (c <= ' ' || c >= 0x7f || strchr(",<>\"\\^`{|}@#", c) != NULL)
			return false;
	}
	if (local)
		return place.n == 0 || span_istarts(place, SPAN_LIT("%2f"));
	if (colon == SIZE_MAX || (bracket != SIZE_MAX && colon < bracket))
		return true;
	return span_number(span_from(place, colon + 1), 65535, &port) && port > 0;
}

static enum status
add_server(struct ldapurl *out, const char *scheme, struct span place, struct err *err)
{
	struct ldapurl_server *server = &out->servers[out->server_count];
	size_t bytes = strlen(scheme) + 3 + place.n + 1;

	server->tls = strcmp(scheme, "ldaps") == 0;
	server->local = strcmp(scheme, "ldapi") == 0;
	/* Somebody's password may stand there: what is in front of the '@' is not shown. */
	if (!server->local && span_find(place, '@') != SIZE_MAX) {
		err_set(err, "the URL names a user; that is for LDAPBindUser and LDAPBindPassword");
		return ST_INVALID;
	}
	if (!place_fits(place, server->local)) {
		err_set(err, "\"%s://%.*s\" names no server; write %s", scheme,
		    place.n > 100 ? 100 : (int)place.n, place.n == 0 ? "" : place.p,
		    server->local ? "the socket's path with %2F for each '/'"
				  : "host, host:port or [address]:port");
		return ST_INVALID;
	}
	server->uri = mem_alloc(bytes);
	snprintf(
	    server->uri, bytes, "%s://%.*s", scheme, (int)place.n, place.n == 0 ? "" : place.p);
	out->server_count++;
	return ST_OK;
}

/* The scheme by its static name, and what follows "://"; NULL: another URL. */
static const char *
cut_scheme(struct span *url)
{
	static const char *const schemes[] = {"ldap", "ldaps", "ldapi"};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		struct span name = span_str(schemes[i]);

		if (span_istarts(*url, name) &&
		    span_starts(span_from(*url, name.n), SPAN_LIT("://"))) {
			*url = span_from(*url, name.n + 3);
			return schemes[i];
		}
	}
	return NULL;
}

static bool
attribute_fits(struct span name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = ascii_lower(name.p[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '.' &&
		    c != ';' && c != '_')
			return false;
	}
	return true;
}

/* Empty names are left out: the lists of others end with a ','. */
static enum status
read_attributes(struct ldapurl *out, struct span list, struct err *err)
{
	struct span name;
	bool more;

	do {
		more = span_cut(&list, ',', &name);
		if (name.n == 0)
			continue;
		if (!attribute_fits(name)) {
			err_set(err, "\"%.*s\" in the URL is no name of an attribute",
			    name.n > 64 ? 64 : (int)name.n, name.p);
			return ST_INVALID;
		}
		if (out->attribute_count == LDAPURL_FIELDS_MAX) {
			err_set(err, "the URL has more than %d attributes", LDAPURL_FIELDS_MAX);
			return ST_INVALID;
		}
		out->attributes[out->attribute_count++] = span_dup(name);
	} while (more);
	if (out->attribute_count > 0)
		return ST_OK;
	err_set(err, "the URL names no attributes; write them behind the first '?', in the order "
		     "of the fields (ldap://host/base?attribute,attribute?sub?(filter))");
	return ST_INVALID;
}

static enum status
read_scope(struct ldapurl *out, struct span word, struct err *err)
{
	static const struct {
		const char *name;
		enum ldapurl_scope scope;
	} scopes[] = {{"", LDAPURL_BASE}, {"base", LDAPURL_BASE}, {"one", LDAPURL_ONE},
	    {"onelevel", LDAPURL_ONE}, {"sub", LDAPURL_SUB}, {"subtree", LDAPURL_SUB}};

	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
		if (span_ieq_str(word, scopes[i].name)) {
			out->scope = scopes[i].scope;
			return ST_OK;
		}
	err_set(err, "\"%.*s\" in the URL is no scope; write base, one or sub",
	    word.n > 64 ? 64 : (int)word.n, word.p);
	return ST_INVALID;
}

static enum status
read_texts(struct ldapurl *out, struct span base, struct span filter, struct err *err)
{
	out->base = decode(base);
	out->filter = filter.n == 0 ? mem_strdup(DEFAULT_FILTER) : decode(filter);
	if (out->base == NULL || out->filter == NULL) {
		err_set(err, "a '%%' in the URL is not followed by two hexadecimal digits, or is "
			     "%%00; a '%%' itself is %%25");
		return ST_INVALID;
	}
	if (out->base[0] != '\0' && strchr(out->base, '=') == NULL && !varies(out->base)) {
		err_set(err,
		    "\"%.100s\" in the URL is no base; write dc=example,dc=com, and the path of "
		    "an ldapi: socket with %%2F for each '/'",
		    out->base);
		return ST_INVALID;
	}
	out->base_varies = varies(out->base);
	out->asks = out->base_varies || varies(out->filter);
	return ST_OK;
}

/* No extension is known, so a critical one ('!') cannot be obeyed. */
static enum status
refuse_critical(struct span extensions, struct err *err)
{
	if (span_find(extensions, '!') == SIZE_MAX)
		return ST_OK;
	err_set(err, "the URL has a critical extension ('!'), which is not known here");
	return ST_INVALID;
}

/* base?attributes?scope?filter?extensions */
static enum status
read_first(struct ldapurl *out, struct span rest, struct err *err)
{
	struct span base, attributes, scope, filter;
	enum status status;

	span_cut(&rest, '?', &base);
	span_cut(&rest, '?', &attributes);
	span_cut(&rest, '?', &scope);
	span_cut(&rest, '?', &filter);
	status = read_attributes(out, attributes, err);
	if (status == ST_OK)
		status = read_scope(out, scope, err);
	if (status == ST_OK)
		status = read_texts(out, base, filter, err);
	return status == ST_OK ? refuse_critical(rest, err) : status;
}

/* base, and nothing else */
static enum status
read_base(struct ldapurl *out, struct span rest, struct err *err)
{
	if (span_find(rest, '?') != SIZE_MAX) {
		err_set(err, "behind the base of a key store nothing may follow: %s",
		    "write ldap://host/ou=signpost,dc=example,dc=com");
		return ST_INVALID;
	}
	out->base = decode(rest);
	if (out->base != NULL && strchr(out->base, '=') != NULL)
		return ST_OK;
	err_set(err,
	    "the URL of a key store needs the name of its entry, each '%%' written as %%25: "
	    "ldap://host/ou=signpost,dc=example,dc=com");
	return ST_INVALID;
}

typedef enum status read_rest(struct ldapurl *out, struct span rest, struct err *err);

/* scheme: NULL when none was found. after: what follows it. */
static enum status
read_url(
    struct ldapurl *out, const char *scheme, struct span after, read_rest *first, struct err *err)
{
	struct span place;
	size_t end = 0;
	enum status status;

	if (scheme == NULL) {
		err_set(err, "\"%.*s\" is no LDAP URL; write ldap://, ldaps:// or ldapi://",
		    after.n > 64 ? 64 : (int)after.n, after.n == 0 ? "" : after.p);
		return ST_INVALID;
	}
	if (out->server_count == LDAPURL_MAX) {
		err_set(err, "there are more than %d URLs", LDAPURL_MAX);
		return ST_INVALID;
	}
	while (end < after.n && after.p[end] != '/' && after.p[end] != '?')
		end++;
	place = span_sub(after, 0, end);
	after = span_from(after, end);
	if (after.n > 0 && after.p[0] == '/')
		after = span_from(after, 1);
	status = add_server(out, scheme, place, err);
	return status == ST_OK && out->server_count == 1 ? first(out, after, err) : status;
}

static enum status
read_all(
    struct ldapurl *out, const char *type, struct span value, read_rest *first, struct err *err)
{
	struct span word;
	enum status status;

	if (value.n > LDAPURL_BYTES_MAX) {
		err_set(err, "the URLs have more than %d octets", LDAPURL_BYTES_MAX);
		return ST_INVALID;
	}
	if (!span_word(&value, &word) || !span_starts(word, SPAN_LIT("//"))) {
		err_set(err, "an LDAP URL is needed: %s://host/base%s", type,
		    first == read_base ? "" : "?attributes?scope?filter");
		return ST_INVALID;
	}
	status = read_url(out, type, span_from(word, 2), first, err);
	while (status == ST_OK && span_word(&value, &word)) {
		const char *scheme = cut_scheme(&word);

		status = read_url(out, scheme, word, first, err);
	}
	return status;
}

enum status
ldapurl_parse(const char *type, struct span value, struct ldapurl *out, struct err *err)
{
	enum status status;

	memset(out, 0, sizeof(*out));
	status = read_all(out, type, value, read_first, err);
	if (status != ST_OK)
		ldapurl_free(out);
	return status;
}

enum status
ldapurl_parse_store(const char *type, struct span value, struct ldapurl *out, struct err *err)
{
	enum status status;

	memset(out, 0, sizeof(*out));
	status = read_all(out, type, value, read_base, err);
	if (status != ST_OK)
		ldapurl_free(out);
	return status;
}

void
ldapurl_free(struct ldapurl *url)
{
	for (size_t i = 0; i < url->server_count; i++)
		mem_free(url->servers[i].uri);
	for (size_t i = 0; i < url->attribute_count; i++)
		mem_free(url->attributes[i]);
	mem_free(url->base);
	mem_free(url->filter);
	memset(url, 0, sizeof(*url));
}

static bool
plain(char c)
{
	char lower = ascii_lower(c);

	return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
}

/* Names and addresses stay as they are: they are what an administrator looks for in the logs of
 * the server. */
static void
escape(struct buf *out, struct span text, const char *harmless)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (plain(text.p[i]) || (c != 0 && strchr(harmless, c) != NULL)) {
			buf_add_char(out, text.p[i]);
			continue;
		}
		buf_add_char(out, '\\');
		buf_add_char(out, digits[c >> 4]);
		buf_add_char(out, digits[c & 15]);
	}
}

void
ldapurl_escape_filter(struct buf *out, struct span text)
{
	escape(out, text, "@.-_");
}

void
ldapurl_escape_dn(struct buf *out, struct span text)
{
	escape(out, text, "@.-_");
}

typedef void escape_text(struct buf *out, struct span text);

/* false: an empty label. */
static bool
add_labels(struct buf *out, struct span query)
{
	struct span label;
	bool more, first = true;

	do {
		more = span_cut(&query, '.', &label);
		if (label.n == 0)
			return false;
		buf_add_str(out, first ? "dc=" : ",dc=");
		ldapurl_escape_dn(out, label);
		first = false;
	} while (more);
	return true;
}

/* $D in a filter is a value there, so its escapes are escaped again. */
static bool
add_components(struct buf *out, struct span query, escape_text *escaped)
{
	struct buf labels;
	bool named;

	if (escaped != ldapurl_escape_filter)
		return add_labels(out, query);
	buf_init(&labels, LDAPURL_TEXT_MAX);
	named = add_labels(&labels, query);
	for (size_t i = 0; i < labels.n; i++) {
		if (labels.p[i] == '\\')
			buf_add_str(out, "\\5c");
		else
			buf_add_char(out, labels.p[i]);
	}
	buf_free(&labels);
	return named;
}

/* A directory leaves control characters out when it compares (RFC 4518 section 2.2), so that
 * "a.test" and a NUL would be "a.test". */
static bool
has_controls(struct span query)
{
	for (size_t i = 0; i < query.n; i++)
		if ((unsigned char)query.p[i] < ' ' || query.p[i] == 0x7f)
			return true;
	return false;
}

static enum status
substitute(const char *text, struct span query, escape_text *escaped, struct buf *out)
{
	enum status status;

	buf_reset(out);
	for (; *text != '\0'; text++) {
		if (text[0] == '$' && (text[1] == 'd' || text[1] == 'D') && has_controls(query))
			return ST_ABSENT;
		if (text[0] == '$' && text[1] == 'd') {
			escaped(out, query);
			text++;
		} else if (text[0] == '$' && text[1] == 'D') {
			if (!add_components(out, query, escaped))
				return ST_ABSENT;
			text++;
		} else {
			buf_add_char(out, *text);
		}
	}
	buf_add_char(out, '\0');
	status = buf_status(out);
	if (status == ST_OK)
		out->n--;
	return status;
}

enum status
ldapurl_base(const struct ldapurl *url, struct span query, struct buf *out)
{
	return substitute(url->base, query, ldapurl_escape_dn, out);
}

enum status
ldapurl_filter(const struct ldapurl *url, struct span query, struct buf *out)
{
	return substitute(url->filter, query, ldapurl_escape_filter, out);
}
