/*
 * pattern.c - glob to ERE to PCRE2, and the matcher of plain globs.
 * Called by refile when a table is loaded and for each query that no index answers, and for the
 * patterns of tenants (pattern_cache.c).
 * It must never let a pattern cost more than its named limits, nor mean anything else than what
 * regcomp() would have made of it in opendkim.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "lib/store/pattern.h"
#include "lib/base/mem.h"

struct pattern_regex {
	pcre2_code *code;
	pcre2_match_context *limits;
	uint32_t options; /* of pcre2_match() */
};

enum pattern_kind
pattern_kind(struct span pattern)
{
	static const bool live[256] = {['['] = true,
	    [']'] = true,
	    ['('] = true,
	    [')'] = true,
	    ['{'] = true,
	    ['}'] = true,
	    ['?'] = true,
	    ['|'] = true,
	    ['^'] = true,
	    ['$'] = true,
	    ['\\'] = true};

	for (size_t i = 0; i < pattern.n; i++)
		if (live[(unsigned char)pattern.p[i]])
			return PATTERN_REGEX;
	return span_find(pattern, '*') == SIZE_MAX ? PATTERN_LITERAL : PATTERN_GLOB;
}

/* The classic two-pointer glob: on a mismatch only the latest '*' takes one octet more. What stands
 * behind the last '*' is compared first: most keys fail there. */
bool
pattern_glob_match(struct span pattern, struct span key)
{
	size_t p = 0, k = 0, star = SIZE_MAX, resume = 0;

	while (pattern.n > 0 && pattern.p[pattern.n - 1] != '*') {
		if (key.n == 0 || key.p[key.n - 1] != pattern.p[pattern.n - 1])
			return false;
		pattern.n--;
		key.n--;
	}
	while (k < key.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			resume = k;
		} else if (p < pattern.n && pattern.p[p] == key.p[k]) {
			p++;
			k++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			k = ++resume;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

struct span
pattern_glob_suffix(struct span pattern)
{
	size_t star = span_rfind(pattern, '*');

	for (size_t i = star == SIZE_MAX ? 0 : star + 1; i < pattern.n; i++)
		if (pattern.p[i] == '@' || pattern.p[i] == '.')
			return span_from(pattern, i);
	return SPAN_EMPTY;
}

void
pattern_to_ere(struct span pattern, struct buf *ere)
{
	buf_add_char(ere, '^');
	for (size_t i = 0; i < pattern.n; i++) {
		if (pattern.p[i] == '*')
			buf_add_char(ere, '.');
		else if (pattern.p[i] == '.' || pattern.p[i] == '+')
			buf_add_char(ere, '\\');
		buf_add_char(ere, pattern.p[i]);
	}
	buf_add_char(ere, '$');
}

/* In a bracket a backslash is an octet like any other in an ERE; in PCRE2 it escapes. Answers the
 * index behind the closing bracket, or SIZE_MAX. */
static size_t
copy_bracket(struct span ere, size_t at, struct buf *pcre)
{
	size_t first;

	buf_add_char(pcre, ere.p[at++]);
	if (at < ere.n && ere.p[at] == '^')
		buf_add_char(pcre, ere.p[at++]);
	for (first = at; at < ere.n; at++) {
		char c = ere.p[at];
		struct span rest = span_from(ere, at);

		if (c == ']' && at > first) {
			buf_add_char(pcre, c);
			return at + 1;
		}
		if (span_starts(rest, SPAN_LIT("[:"))) {
			size_t end = span_find(span_from(rest, 2), ':');

			if (end == SIZE_MAX || end + 3 >= rest.n || rest.p[end + 3] != ']')
				return SIZE_MAX;
			buf_add(pcre, span_sub(rest, 0, end + 4));
			at += end + 3;
			continue;
		}
		if (span_starts(rest, SPAN_LIT("[.")) || span_starts(rest, SPAN_LIT("[=")))
			return SIZE_MAX;
		if (c == '\\' || c == '[' || (c == ']' && at == first))
			buf_add_char(pcre, '\\');
		buf_add_char(pcre, c);
	}
	return SIZE_MAX;
}

/* An escape as glibc's regcomp() reads it: \w \W \s \S \b \B \< \> \` \' and \1 to \9 are live, all
 * others are the octet itself. */
static void
copy_escape(char c, struct buf *pcre)
{
	if (c == '<')
		buf_add_str(pcre, "\\b(?=\\w)");
	else if (c == '>')
		buf_add_str(pcre, "\\b(?<=\\w)");
	else if (c == '`')
		buf_add_str(pcre, "\\A");
	else if (c == '\'')
		buf_add_str(pcre, "\\z");
	else if (c >= '1' && c <= '9')
		buf_add_fmt(pcre, "\\g{%c}", c);
	else if (memchr("wWsSbB", c, 6) != NULL)
		buf_add_fmt(pcre, "\\%c", c);
	else
		buf_add_fmt(pcre, "\\x{%02x}", (unsigned int)(unsigned char)c);
}

/* "{m}", "{m,}", "{m,n}", "{,n}" at at; 0 when it is not one. */
static size_t
interval_bytes(struct span ere, size_t at)
{
	size_t i = at + 1, digits = 0;

	while (i < ere.n && ((ere.p[i] >= '0' && ere.p[i] <= '9') || ere.p[i] == ',')) {
		digits += ere.p[i] != ',';
		i++;
	}
	return i < ere.n && ere.p[i] == '}' && digits > 0 ? i + 1 - at : 0;
}

static enum status
refuse(struct err *err, const char *why)
{
	err_set(err, "%s", why);
	return ST_INVALID;
}

/* What kind of thing was copied last: PCRE2 gives a second quantifier another meaning. */
enum copied {
	COPIED_ATOM,
	COPIED_OPTIONAL, /* ".*" or "?": a further '?' changes nothing */
	COPIED_INTERVAL,
	COPIED_OPEN
};

static enum status
copy_quantifier(struct span ere, size_t *at, enum copied *last, struct buf *pcre, struct err *err)
{
	char c = ere.p[*at];
	size_t interval = c == '{' ? interval_bytes(ere, *at) : 1;

	if (interval == 0)
		return refuse(err, "'{' without a number and '}'");
	if (*last == COPIED_OPEN)
		return refuse(err, "nothing stands before a repetition");
	if (*last == COPIED_INTERVAL || (*last == COPIED_OPTIONAL && c == '{'))
		return refuse(err, "two repetitions in a row");
	if (*last == COPIED_ATOM) {
		buf_add(pcre, span_sub(ere, *at, interval));
		if (c == '{' && ere.p[*at + 1] == ',') {
			pcre->n -= interval;
			buf_add_str(pcre, "{0");
			buf_add(pcre, span_sub(ere, *at + 1, interval - 1));
		}
		*last = c == '{' ? COPIED_INTERVAL : COPIED_OPTIONAL;
	}
	*at += interval;
	return ST_OK;
}

static enum status
copy_atom(struct span ere, size_t *at, enum copied *last, struct buf *pcre, struct err *err)
{
	char c = ere.p[*at];

	*last = c == '(' || c == '|' || c == '^' ? COPIED_OPEN : COPIED_ATOM;
	if (c == '[') {
		*at = copy_bracket(ere, *at, pcre);
		return *at == SIZE_MAX ? refuse(err, "a '[' that is not closed as it should be")
				       : ST_OK;
	}
	if (c == '\\') {
		if (*at + 1 >= ere.n)
			return refuse(err, "a '\\' at the end");
		copy_escape(ere.p[*at + 1], pcre);
		*at += 2;
		return ST_OK;
	}
	if (span_starts(span_from(ere, *at), SPAN_LIT(".*"))) {
		buf_add_str(pcre, ".*");
		*last = COPIED_OPTIONAL;
		*at += 2;
		return ST_OK;
	}
	buf_add_char(pcre, c);
	*at += 1;
	return ST_OK;
}

enum status
pattern_ere_to_pcre(struct span ere, struct buf *pcre, struct err *err)
{
	enum copied last = COPIED_OPEN;
	enum status status = ST_OK;

	for (size_t at = 0; at < ere.n && status == ST_OK;) {
		if (ere.p[at] == '?' || ere.p[at] == '{')
			status = copy_quantifier(ere, &at, &last, pcre, err);
		else
			status = copy_atom(ere, &at, &last, pcre, err);
	}
	return status == ST_OK ? buf_status(pcre) : status;
}

static enum status
compile(struct span pcre, bool icase, pcre2_code **code_out, struct err *err)
{
	uint32_t options = PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP |
			   PCRE2_NEVER_BACKSLASH_C | (icase ? PCRE2_CASELESS : 0);
	PCRE2_UCHAR text[128];
	PCRE2_SIZE at;
	int number;

	*code_out = pcre2_compile((PCRE2_SPTR)pcre.p, pcre.n, options, &number, &at, NULL);
	if (*code_out != NULL)
		return ST_OK;
	pcre2_get_error_message(number, text, sizeof(text));
	err_set(err, "%s", (const char *)text);
	return ST_INVALID;
}

enum status
pattern_regex_compile(struct span pattern, bool icase, struct pattern_regex **out, struct err *err)
{
	struct pattern_regex *regex;
	struct buf ere, pcre;
	pcre2_code *code;
	enum status status;

	buf_init(&ere, pattern.n * 2 + 2);
	buf_init(&pcre, pattern.n * 16 + 64);
	pattern_to_ere(pattern, &ere);
	status = pattern_ere_to_pcre(buf_span(&ere), &pcre, err);
	if (status == ST_OK)
		status = compile(buf_span(&pcre), icase, &code, err);
	buf_free(&ere);
	buf_free(&pcre);
	if (status != ST_OK)
		return ST_INVALID;
	regex = mem_alloc(sizeof(*regex));
	regex->code = code;
	regex->options = 0;
	regex->limits = pcre2_match_context_create(NULL);
	if (regex->limits != NULL) {
		pcre2_set_match_limit(regex->limits, PATTERN_MATCH_LIMIT);
		pcre2_set_depth_limit(regex->limits, PATTERN_DEPTH_LIMIT);
		pcre2_set_heap_limit(regex->limits, PATTERN_HEAP_LIMIT_KIB);
	}
	*out = regex;
	return ST_OK;
}

void
pattern_regex_free(struct pattern_regex *regex)
{
	if (regex == NULL)
		return;
	pcre2_match_context_free(regex->limits);
	pcre2_code_free(regex->code);
	mem_free(regex);
}

void
pattern_regex_whole(struct pattern_regex *regex, unsigned steps)
{
	regex->options = PCRE2_ANCHORED | PCRE2_ENDANCHORED;
	if (regex->limits != NULL)
		pcre2_set_match_limit(regex->limits, steps);
}

size_t
pattern_regex_bytes(const struct pattern_regex *regex)
{
	size_t bytes = 0;

	(void)pcre2_pattern_info(regex->code, PCRE2_INFO_SIZE, &bytes);
	return bytes;
}

enum status
pattern_regex_match(const struct pattern_regex *regex, struct span key)
{
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int answer;

	if (data == NULL || regex->limits == NULL)
		return ST_INVALID;
	answer = pcre2_match(regex->code, (PCRE2_SPTR)(key.n == 0 ? "" : key.p), key.n, 0,
	    regex->options, data, regex->limits);
	pcre2_match_data_free(data);
	if (answer == PCRE2_ERROR_NOMATCH)
		return ST_ABSENT;
	return answer >= 0 ? ST_OK : ST_INVALID;
}

enum status
pattern_check(struct span pattern, struct err *err)
{
	struct pattern_regex *regex = NULL;
	enum status status = ST_OK;

	if (pattern_kind(pattern) == PATTERN_REGEX)
		status = pattern_regex_compile(pattern, false, &regex, err);
	if (status != ST_OK)
		err_prefix(
		    err, "pattern \"%.*s\"", pattern.n > 80 ? 80 : (int)pattern.n, pattern.p);
	pattern_regex_free(regex);
	return status;
}
