/*
 * store_line.c - the lines that load reads, into rows.
 * Called by load for each line. It must never guess: a word that it does not know is a bad line.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/store/failure.h"
#include "lib/store/pattern.h"
#include "tools/store_line.h"

struct words {
	struct span word[STORE_LINE_WORDS_MAX];
	size_t count;
};

static enum status
refuse(struct err *err, const char *what, struct span word, const char *why)
{
	err_set(err, "%s \"%.*s\" %s", what, word.n > 80 ? 80 : (int)word.n,
	    word.n == 0 ? "" : word.p, why);
	return ST_INVALID;
}

/* ---- words ---- */

/* The next word without its quotes, into room; blanks inside quotes belong to it. false: there is
 * none, or a quote without its end (*bad_out). */
static bool
next_word(struct span *rest, char *room, size_t *n_out, bool *bad_out)
{
	bool quoted = false;
	size_t i = 0, n = 0;

	while (rest->n > 0 && ascii_blank(rest->p[0]))
		*rest = span_from(*rest, 1);
	if (rest->n == 0 || rest->p[0] == '#')
		return false;
	for (; i < rest->n && (quoted || !ascii_blank(rest->p[i])); i++) {
		if (rest->p[i] == '"')
			quoted = !quoted;
		else
			room[n++] = rest->p[i];
	}
	*rest = span_from(*rest, i);
	*n_out = n;
	*bad_out = quoted;
	return !quoted;
}

static enum status
split(struct arena *arena, struct span text, struct words *out, struct err *err)
{
	char *room = arena_alloc(arena, text.n + 1);
	bool bad = false;
	size_t n;

	out->count = 0;
	if (room == NULL) {
		err_set(err, "no room for the line");
		return ST_TOO_BIG;
	}
	while (next_word(&text, room, &n, &bad)) {
		if (out->count == STORE_LINE_WORDS_MAX) {
			err_set(err, "more than %u words", STORE_LINE_WORDS_MAX);
			return ST_INVALID;
		}
		out->word[out->count++] = span_of(room, n);
		room += n;
	}
	if (bad)
		err_set(err, "a quote has no end");
	return bad ? ST_INVALID : ST_OK;
}

/* In place: the words are our own copy. */
static void
lower(struct span word)
{
	char *p = (char *)(uintptr_t)word.p;

	for (size_t i = 0; i < word.n; i++)
		p[i] = ascii_lower(p[i]);
}

/* ---- values ---- */

static enum status
take_bool(struct span value, bool *out, struct err *err)
{
	*out = span_eq_str(value, "yes");
	return *out || span_eq_str(value, "no") ? ST_OK
						: refuse(err, "value", value, "is not yes or no");
}

static enum status
take_number(struct span value, int64_t most, bool sign, int64_t *out, struct err *err)
{
	bool minus = sign && value.n > 1 && value.p[0] == '-';
	uint64_t number;

	if (!span_number(span_from(value, minus ? 1 : 0), (uint64_t)most, &number))
		return refuse(err, "value", value, "is no number, or too big a one");
	*out = minus ? -(int64_t)number : (int64_t)number;
	return ST_OK;
}

static enum status
take_failure(struct span value, struct span *out, struct err *err)
{
	struct failure_policy policy;

	*out = value;
	return failure_parse(value, &policy, err);
}

/* "now", seconds since 1970, or 2026-11-22T10:00:00Z. */
static enum status
take_time(struct span value, struct store_line_time *out, struct err *err)
{
	char text[32] = "";
	uint64_t seconds;
	struct tm tm = {.tm_isdst = 0};
	const char *end = NULL;

	out->given = span_eq_str(value, "now") ? TIME_NOW : TIME_AT;
	if (out->given == TIME_NOW)
		return ST_OK;
	if (value.n < sizeof(text) && value.n > 0)
		memcpy(text, value.p, value.n);
	if (span_number(value, 253402300799, &seconds) && seconds > 0) {
		out->at_utc = (int64_t)seconds;
		return ST_OK;
	}
	end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (end == NULL || *end != '\0' || tm.tm_year < 70)
		return refuse(err, "time", value,
		    "is not \"now\", seconds since 1970, or like 2026-11-22T10:00:00Z");
	out->at_utc = (int64_t)timegm(&tm);
	return ST_OK;
}

/* ---- what the lines are ---- */

static enum status
take_tenant(struct store_line *line, const struct span *w, struct err *err)
{
	(void)err;
	line->write.row.tenant = (struct store_tenant){.name = w[0], .enabled = true};
	return ST_OK;
}

static enum status
take_domain(struct store_line *line, const struct span *w, struct err *err)
{
	(void)err;
	lower(w[1]);
	line->write.row.domain = (struct store_domain){
	    .tenant = w[0], .name = w[1], .signature_ttl_s = -1, .enabled = true};
	return ST_OK;
}

static enum status
take_policy(struct store_line *line, const struct span *w, struct err *err)
{
	(void)err;
	line->write.row.policy =
	    (struct store_policy){.tenant = w[0], .name = w[1], .signature_ttl_s = -1};
	return ST_OK;
}

static enum status
take_rule(struct store_line *line, const struct span *w, struct err *err)
{
	static const char *const kinds[] = {"address", "domain", "suffix", "pattern"};
	struct store_rule rule = {.tenant = w[0], .id = w[1], .enabled = true};
	size_t kind = 0;

	line->write.row.rule = rule;
	if (line->remove)
		return ST_OK;
	while (kind < 4 && !span_eq_str(w[2], kinds[kind]))
		kind++;
	if (kind == 4)
		return refuse(err, "kind", w[2], "is not address, domain, suffix or pattern");
	lower(w[3]);
	lower(w[4]);
	rule.kind = (enum store_rule_kind)kind;
	rule.subject = w[3];
	rule.domain = w[4];
	line->write.row.rule = rule;
	return rule.kind == STORE_RULE_PATTERN ? pattern_check(rule.subject, err) : ST_OK;
}

static enum status
take_key(struct store_line *line, const struct span *w, struct err *err)
{
	(void)err;
	lower(w[1]);
	lower(w[2]);
	line->write.row.key =
	    (struct store_key){.tenant = w[0], .domain = w[1], .selector = w[2], .revision = 1};
	if (!line->remove)
		line->source = w[3];
	return ST_OK;
}

static enum status
take_binding(struct store_line *line, const struct span *w, struct err *err)
{
	enum status status;

	lower(w[0]);
	status = store_binding_subject(line->arena, w[0], &line->write.row.binding.subject, err);
	line->write.row.binding.tenant = line->remove ? SPAN_EMPTY : w[1];
	return status;
}

static const struct shape {
	const char *name;
	enum store_what what;
	size_t words, words_remove; /* behind the name */
	const char *usage, *usage_remove;
	enum status (*take)(struct store_line *line, const struct span *words, struct err *err);
} shapes[] = {
    {"tenant", STORE_TENANT, 1, 1, "tenant NAME", "remove tenant NAME", take_tenant},
    {"domain", STORE_DOMAIN, 2, 2, "domain TENANT NAME", "remove domain TENANT NAME", take_domain},
    {"policy", STORE_POLICY, 2, 2, "policy TENANT NAME", "remove policy TENANT NAME", take_policy},
    {"rule", STORE_RULE, 5, 2, "rule TENANT ID address|domain|suffix|pattern SUBJECT DOMAIN",
	"remove rule TENANT ID", take_rule},
    {"key", STORE_KEY, 4, 3, "key TENANT DOMAIN SELECTOR FILE|generate:...",
	"remove key TENANT DOMAIN SELECTOR", take_key},
    {"binding", STORE_BINDING, 2, 1, "binding SUBJECT TENANT", "remove binding SUBJECT",
	take_binding},
};

/* ---- options ---- */

static enum status
option_tenant(struct store_line *line, struct span name, struct span value, struct err *err)
{
	struct store_tenant *row = &line->write.row.tenant;

	if (span_eq_str(name, "failure"))
		return take_failure(value, &row->failure, err);
	if (span_eq_str(name, "enabled"))
		return take_bool(value, &row->enabled, err);
	return ST_ABSENT;
}

static enum status
option_domain(struct store_line *line, struct span name, struct span value, struct err *err)
{
	struct store_domain *row = &line->write.row.domain;

	if (span_eq_str(name, "subdomains"))
		return take_bool(value, &row->subdomains, err);
	if (span_eq_str(name, "enabled"))
		return take_bool(value, &row->enabled, err);
	if (span_eq_str(name, "signs-as")) {
		lower(value);
		row->signs_as = value;
		return ST_OK;
	}
	if (!span_eq_str(name, "policy"))
		return ST_ABSENT;
	row->policy = value;
	return ST_OK;
}

static enum status
option_policy(struct store_line *line, struct span name, struct span value, struct err *err)
{
	struct store_policy *row = &line->write.row.policy;

	if (span_eq_str(name, "failure"))
		return take_failure(value, &row->failure, err);
	if (span_eq_str(name, "signature-ttl"))
		return take_number(value, INT32_MAX, true, &row->signature_ttl_s, err);
	if (!span_eq_str(name, "plan"))
		return ST_ABSENT;
	row->plan = value;
	line->plan_given = true;
	return ST_OK;
}

static enum status
option_rule(struct store_line *line, struct span name, struct span value, struct err *err)
{
	struct store_rule *row = &line->write.row.rule;
	enum status status;
	int64_t number;

	if (span_eq_str(name, "enabled"))
		return take_bool(value, &row->enabled, err);
	if (span_eq_str(name, "priority")) {
		status = take_number(value, INT32_MAX, true, &number, err);
		if (status == ST_OK)
			row->priority = (int)number;
		return status;
	}
	if (!span_eq_str(name, "identity"))
		return ST_ABSENT;
	row->identity = value;
	return ST_OK;
}

static enum status
option_key(struct store_line *line, struct span name, struct span value, struct err *err)
{
	if (span_eq_str(name, "active"))
		return take_time(value, &line->active, err);
	if (span_eq_str(name, "retiring"))
		return take_time(value, &line->retiring, err);
	if (span_eq_str(name, "sign-until"))
		return take_time(value, &line->sign_until, err);
	if (!span_eq_str(name, "id"))
		return ST_ABSENT;
	line->write.row.key.id = value;
	return ST_OK;
}

static enum status
set_option(struct store_line *line, struct span name, struct span value, struct err *err)
{
	switch (line->write.what) {
	case STORE_TENANT:
		return option_tenant(line, name, value, err);
	case STORE_POLICY:
		return option_policy(line, name, value, err);
	case STORE_DOMAIN:
		return option_domain(line, name, value, err);
	case STORE_RULE:
		return option_rule(line, name, value, err);
	case STORE_KEY:
		return option_key(line, name, value, err);
	case STORE_BINDING:
	case STORE_TOKEN:
	case STORE_PROVIDER:
	case STORE_QUOTA:
	case STORE_REPLY:
	case STORE_AUDIT:
		break;
	}
	return ST_ABSENT;
}

static enum status
take_options(struct store_line *line, const struct span *words, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		struct span rest = words[i], name;
		enum status status = ST_ABSENT;

		for (size_t k = 0; k < i; k++) {
			size_t n = span_find(words[i], '=');

			if (n != SIZE_MAX && n < words[k].n &&
			    span_eq(span_sub(words[k], 0, n + 1), span_sub(words[i], 0, n + 1)))
				return refuse(err, "option", words[i], "is there twice");
		}
		if (!line->remove && span_cut(&rest, '=', &name))
			status = set_option(line, name, rest, err);
		if (status == ST_ABSENT)
			return refuse(err, "word", words[i], "is no option of this line");
		if (status != ST_OK)
			return status;
	}
	return ST_OK;
}

static const struct shape *
find_shape(struct span name)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (span_eq_str(name, shapes[i].name))
			return &shapes[i];
	return NULL;
}

static enum status
take_line(const struct words *words, struct store_line *out, struct err *err)
{
	size_t at = span_eq_str(words->word[0], "remove") ? 1 : 0, need;
	const struct shape *shape = at < words->count ? find_shape(words->word[at]) : NULL;
	enum status status;

	if (shape == NULL)
		return refuse(err, "word", words->word[at < words->count ? at : 0],
		    "is not tenant, domain, policy, rule, key, binding or remove");
	out->remove = at == 1;
	out->write.what = shape->what;
	need = out->remove ? shape->words_remove : shape->words;
	if (words->count - at - 1 < need) {
		err_set(err, "too few words: %s", out->remove ? shape->usage_remove : shape->usage);
		return ST_INVALID;
	}
	status = shape->take(out, words->word + at + 1, err);
	if (status != ST_OK)
		return status;
	return take_options(out, words->word + at + 1 + need, words->count - at - 1 - need, err);
}

enum status
store_line_parse(struct arena *arena, struct span text, struct store_line *out, struct err *err)
{
	struct words words;
	enum status status;

	memset(out, 0, sizeof(*out));
	out->arena = arena;
	text = span_trim(text);
	if (text.n == 0 || text.p[0] == '#')
		return ST_ABSENT;
	if (text.n > STORE_LINE_MAX) {
		err_set(err, "longer than %u octets", STORE_LINE_MAX);
		return ST_INVALID;
	}
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' && text.p[i] != '\t') {
			err_set(err, "has a control character");
			return ST_INVALID;
		}
	status = split(arena, text, &words, err);
	if (status != ST_OK)
		return status;
	return words.count == 0 ? ST_ABSENT : take_line(&words, out, err);
}

void
store_line_names(const struct store_line *line, struct span *first_out, struct span *second_out)
{
	*second_out = SPAN_EMPTY;
	switch (line->write.what) {
	case STORE_TENANT:
		*first_out = line->write.row.tenant.name;
		break;
	case STORE_POLICY:
		*first_out = line->write.row.policy.tenant;
		*second_out = line->write.row.policy.name;
		break;
	case STORE_DOMAIN:
		*first_out = line->write.row.domain.name;
		break;
	case STORE_RULE:
		*first_out = line->write.row.rule.tenant;
		*second_out = line->write.row.rule.id;
		break;
	case STORE_KEY:
		*first_out = line->write.row.key.domain;
		*second_out = line->write.row.key.selector;
		break;
	case STORE_BINDING:
		*first_out = line->write.row.binding.subject;
		break;
	case STORE_TOKEN:
	case STORE_PROVIDER:
	case STORE_QUOTA:
	case STORE_REPLY:
	case STORE_AUDIT:
		break;
	}
}
