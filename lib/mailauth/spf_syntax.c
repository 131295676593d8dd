/*
 * spf_syntax.c - the grammar of SPF records, RFC 7208 section 12.
 * Called by the audit of a domain and by the fuzzer. The text is a stranger's: it must never read
 * behind it, and a term that it calls well-formed must be one.
 */
#include <arpa/inet.h>
#include <string.h>

#include "lib/dkim/address.h"
#include "lib/mailauth/spf_syntax.h"

#define VERSION SPAN_LIT("v=spf1")

bool
spf_is_record(struct span text)
{
	return span_istarts(text, VERSION) && (text.n == VERSION.n || text.p[VERSION.n] == ' ');
}

static bool
is_letter(char c)
{
	c = ascii_lower(c);
	return c >= 'a' && c <= 'z';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ---- macros, section 7.1 ---- */

/* What stands in "%{...}": a letter, digits, "r", delimiters. *at is behind the brace. */
static bool
macro_body(struct span text, size_t *at, bool explanation)
{
	const char *letters = explanation ? "slodiphcrtv" : "slodiphv";
	size_t i = *at;
	unsigned parts = 0;
	char letter = i < text.n ? ascii_lower(text.p[i]) : '\0';

	if (letter == '\0' || strchr(letters, letter) == NULL)
		return false;
	for (i++; i < text.n && is_digit(text.p[i]); i++) {
		if (i - *at > 3)
			return false;
		parts = parts * 10 + (unsigned)(text.p[i] - '0');
	}
	if (i > *at + 1 && parts == 0)
		return false; /* section 7.3: not zero */
	if (i < text.n && ascii_lower(text.p[i]) == 'r')
		i++;
	while (i < text.n && text.p[i] != '\0' && strchr(".-+,/_=", text.p[i]) != NULL)
		i++;
	if (i == text.n || text.p[i] != '}')
		return false;
	*at = i + 1;
	return true;
}

/* macro-string; *literal_end_out: the text ends in letters and not in a macro. */
static const char *
macro_string(struct span text, bool explanation, bool *literal_end_out)
{
	size_t i = 0;

	*literal_end_out = true;
	while (i < text.n) {
		unsigned char c = (unsigned char)text.p[i++];

		*literal_end_out = c != '%';
		if (c <= ' ' || c > 0x7e)
			return "it has an octet that is not printable ASCII";
		if (c != '%')
			continue;
		if (i < text.n && strchr("%_-", text.p[i]) != NULL && text.p[i] != '\0')
			i++;
		else if (i == text.n || text.p[i++] != '{' || !macro_body(text, &i, explanation))
			return "it has a '%' that begins no macro; write %% for the sign itself";
	}
	return NULL;
}

/* The last label is a name: letters, digits and hyphens, and not digits alone. */
static bool
top_label(struct span label)
{
	bool digits_only = true;

	if (label.n == 0 || label.p[0] == '-' || label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++) {
		if (!is_letter(label.p[i]) && !is_digit(label.p[i]) && label.p[i] != '-')
			return false;
		digits_only = digits_only && is_digit(label.p[i]);
	}
	return !digits_only;
}

static const char *
domain_spec(struct span text)
{
	bool literal_end;
	const char *fault = macro_string(text, false, &literal_end);
	size_t dot;

	if (fault != NULL)
		return fault;
	if (text.n == 0)
		return "the domain is missing";
	if (!literal_end)
		return NULL;
	if (text.p[text.n - 1] == '.')
		text.n--;
	dot = span_rfind(text, '.');
	if (dot == SIZE_MAX)
		return "its domain has no dot: it takes a full name";
	if (!top_label(span_from(text, dot + 1)))
		return "its domain does not end in the name of a top-level domain";
	return NULL;
}

/* Whether DNS can be asked for it; what has a macro, the message decides. */
bool
spf_names_something(struct span domain)
{
	if (span_find(domain, '%') != SIZE_MAX)
		return true;
	if (span_ends(domain, SPAN_LIT(".")))
		domain.n--;
	return domain_is_valid(domain);
}

/* What a record must be behind: without a name there is none, and that is permerror (sections 4.3,
 * 5.2 and 6.1). */
static const char *
record_domain(struct span text)
{
	const char *fault = domain_spec(text);

	if (fault != NULL || spf_names_something(text))
		return fault;
	return "its domain is no name that DNS can have";
}

/* ---- networks ---- */

/* Decimal without leading zeros, at most most; -1. */
static int
prefix_number(struct span text, unsigned most)
{
	uint64_t value;

	if (!span_number(text, most, &value) || (text.n > 1 && text.p[0] == '0'))
		return -1;
	return (int)value;
}

/* Cuts "/N", "//N" or "/N//N" off the end; a '/' inside a macro is not one. */
static const char *
cut_prefixes(struct span *text, struct spf_term *term, bool dual)
{
	size_t macro = span_rfind(*text, '}'), begin = macro == SIZE_MAX ? 0 : macro + 1;
	size_t slash = span_find(span_from(*text, begin), '/');
	struct span rest;

	if (slash == SIZE_MAX)
		return NULL;
	slash += begin;
	rest = span_from(*text, slash);
	*text = span_sub(*text, 0, slash);
	if (!span_starts(rest, SPAN_LIT("//"))) {
		struct span four = span_from(rest, 1);

		slash = span_find(four, '/');
		rest = slash == SIZE_MAX ? SPAN_EMPTY : span_from(four, slash);
		term->prefix4 = prefix_number(
		    slash == SIZE_MAX ? four : span_sub(four, 0, slash), dual ? 32 : 128);
		if (term->prefix4 < 0)
			return "its prefix length is not a number in range";
	}
	if (rest.n == 0)
		return NULL;
	if (!dual || !span_starts(rest, SPAN_LIT("//")))
		return "there is something behind its prefix length";
	term->prefix6 = prefix_number(span_from(rest, 2), 128);
	return term->prefix6 < 0 ? "its IPv6 prefix length is not a number from 0 to 128" : NULL;
}

static bool
is_address(int family, struct span text)
{
	char copy[INET6_ADDRSTRLEN];
	unsigned char octets[16];

	if (text.n == 0 || text.n >= sizeof(copy) || memchr(text.p, '\0', text.n) != NULL)
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	return inet_pton(family, copy, octets) == 1;
}

static const char *
network(struct spf_term *term)
{
	struct span text = term->argument;
	const char *fault = cut_prefixes(&text, term, false);

	term->argument = text;
	if (fault != NULL)
		return fault;
	if (term->kind == SPF_IP6) {
		term->prefix6 = term->prefix4;
		term->prefix4 = -1;
		return is_address(AF_INET6, text) ? NULL
						  : "what follows ip6: is not an IPv6 address";
	}
	if (!is_address(AF_INET, text))
		return "what follows ip4: is not an IPv4 address";
	return term->prefix4 > 32 ? "its prefix length is above 32" : NULL;
}

/* ---- terms ---- */

struct mechanism {
	const char *name;
	enum spf_kind kind;
	bool needs_argument, takes_argument, takes_prefix;
};

static const struct mechanism mechanisms[] = {
    {"all", SPF_ALL, false, false, false},
    {"include", SPF_INCLUDE, true, true, false},
    {"a", SPF_A, false, true, true},
    {"mx", SPF_MX, false, true, true},
    {"ptr", SPF_PTR, false, true, false},
    {"ip4", SPF_IP4, true, true, false},
    {"ip6", SPF_IP6, true, true, false},
    {"exists", SPF_EXISTS, true, true, false},
};

static const struct mechanism *
mechanism_find(struct span name)
{
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (span_ieq_str(name, mechanisms[i].name))
			return &mechanisms[i];
	return NULL;
}

static const char *
read_argument(const struct mechanism *mechanism, struct span rest, struct spf_term *term)
{
	const char *fault = NULL;

	term->argument = rest.n > 0 && rest.p[0] == ':' ? span_from(rest, 1) : SPAN_EMPTY;
	if (mechanism->needs_argument && (rest.n == 0 || rest.p[0] != ':'))
		return "it takes a ':' and a value";
	if (span_starts(term->argument, SPAN_LIT("http://")) ||
	    span_starts(term->argument, SPAN_LIT("https://")))
		return "it takes the name of a domain and no URL";
	if (mechanism->kind == SPF_IP4 || mechanism->kind == SPF_IP6)
		return network(term);
	if (!mechanism->takes_argument)
		return rest.n == 0 ? NULL : "it takes no value";
	if (!mechanism->takes_prefix && rest.n > 0 && rest.p[0] == '/')
		return "it takes no prefix length";
	if (mechanism->takes_prefix) {
		struct span text = rest.n > 0 && rest.p[0] == ':' ? term->argument : rest;

		fault = cut_prefixes(&text, term, true);
		term->argument = rest.n > 0 && rest.p[0] == ':' ? text : SPAN_EMPTY;
	}
	if (fault == NULL && rest.n > 0 && rest.p[0] == ':')
		fault = mechanism->kind == SPF_INCLUDE ? record_domain(term->argument)
						       : domain_spec(term->argument);
	return fault;
}

/* name "=" macro-string */
static bool
modifier_name(struct span name)
{
	if (name.n == 0 || !is_letter(name.p[0]))
		return false;
	for (size_t i = 1; i < name.n; i++)
		if (!is_letter(name.p[i]) && !is_digit(name.p[i]) && name.p[i] != '-' &&
		    name.p[i] != '_' && name.p[i] != '.')
			return false;
	return true;
}

static const char *
read_modifier(struct span name, struct span value, struct spf_term *term)
{
	bool literal_end;

	term->argument = value;
	term->kind = SPF_OTHER;
	if (span_ieq_str(name, "redirect"))
		term->kind = SPF_REDIRECT;
	else if (span_ieq_str(name, "exp"))
		term->kind = SPF_EXP;
	term->mechanism_name = mechanism_find(name) != NULL;
	if (term->kind == SPF_OTHER)
		return macro_string(value, true, &literal_end);
	return term->kind == SPF_REDIRECT ? record_domain(value) : domain_spec(value);
}

static const char *
read_mechanism(struct span text, struct spf_term *term)
{
	const struct mechanism *mechanism;
	size_t end = 0;

	if (text.n > 0 && strchr("+-~?", text.p[0]) != NULL && text.p[0] != '\0') {
		term->qualifier = text.p[0];
		text = span_from(text, 1);
	}
	while (end < text.n && text.p[end] != ':' && text.p[end] != '/')
		end++;
	mechanism = mechanism_find(span_sub(text, 0, end));
	if (mechanism == NULL)
		return span_ieq_str(span_sub(text, 0, end), "redirect") ||
			       span_ieq_str(span_sub(text, 0, end), "exp")
			   ? "it is a modifier and takes '=', not ':'"
			   : "there is no mechanism of that name";
	term->kind = mechanism->kind;
	return read_argument(mechanism, span_from(text, end), term);
}

static void
read_term(struct span text, struct spf_term *term)
{
	size_t equals = span_find(text, '=');

	*term = (struct spf_term){
	    .text = text, .kind = SPF_UNKNOWN, .prefix4 = -1, .prefix6 = -1, .fault = NULL};
	if (equals != SIZE_MAX && modifier_name(span_sub(text, 0, equals)))
		term->fault =
		    read_modifier(span_sub(text, 0, equals), span_from(text, equals + 1), term);
	else
		term->fault = read_mechanism(text, term);
}

enum status
spf_parse(struct span text, struct spf_record *out, struct err *err)
{
	struct span term;
	bool more = true;

	out->count = 0;
	if (!spf_is_record(text)) {
		err_set(err, "it does not begin with v=spf1 and a blank");
		return ST_ABSENT;
	}
	text = span_from(text, VERSION.n);
	while (more) {
		more = span_cut(&text, ' ', &term);
		if (term.n == 0)
			continue;
		if (out->count == SPF_TERMS_MAX) {
			err_set(err, "it has more than %u terms", SPF_TERMS_MAX);
			return ST_TOO_BIG;
		}
		read_term(term, &out->terms[out->count++]);
	}
	return ST_OK;
}

size_t
spf_first_all(const struct spf_record *record)
{
	size_t at = 0;

	while (at < record->count && record->terms[at].kind != SPF_ALL)
		at++;
	return at;
}

bool
spf_term_asks(const struct spf_record *record, size_t at)
{
	size_t all = spf_first_all(record);

	switch (record->terms[at].kind) {
	case SPF_INCLUDE:
	case SPF_A:
	case SPF_MX:
	case SPF_PTR:
	case SPF_EXISTS:
		return at < all;
	case SPF_REDIRECT:
		return all == record->count;
	default:
		return false;
	}
}

unsigned
spf_lookups(const struct spf_record *record)
{
	unsigned count = 0;

	for (size_t i = 0; i < record->count; i++)
		count += spf_term_asks(record, i);
	return count;
}

unsigned
spf_count(const struct spf_record *record, enum spf_kind kind)
{
	unsigned count = 0;

	for (size_t i = 0; i < record->count; i++)
		count += record->terms[i].kind == kind;
	return count;
}
