/*
 * signing.c - from an author to key names.
 * Called by the keeper once per message that may be signed.
 * It must never go on after an answer it did not get: a lower rung of the ladder could sign with
 * another key, or nothing would be signed although a rule exists.
 */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/store/signing.h"

/* More labels than a domain name can have (RFC 1035 section 2.3.4): two queries for each. */
#define LABELS_MAX 128

struct search {
	struct table *table;
	struct span user, domain;
	size_t max;
	struct signing_match *out;
	size_t count;
	/* Rungs that are not asked yet: their texts one behind the other. */
	struct buf query;
	size_t ends[TABLE_KEYS_MAX];
	size_t waiting, at_once;
	struct err *err;
};

/* '%' anywhere in the signer is the From domain. */
static void
set_signer(struct signing_match *match, struct span signer, struct span domain)
{
	struct buf text;

	match->signer = signer;
	if (span_find(signer, '%') == SIZE_MAX)
		return;
	buf_init(&text, signer.n * (domain.n + 1));
	for (size_t i = 0; i < signer.n; i++) {
		if (signer.p[i] == '%')
			buf_add(&text, domain);
		else
			buf_add_char(&text, signer.p[i]);
	}
	match->signer_owned = text.p;
	match->signer = buf_span(&text);
}

/* Takes over value; "keyname[:signer]". */
static enum status
add_match(struct search *s, struct table_value *value)
{
	struct signing_match *match = &s->out[s->count];
	struct span fields[2], keyname;

	(void)table_value_fields(value, fields, 2);
	keyname = fields[0];
	if (keyname.n == 0) {
		err_set(s->err,
		    "%s %s line %u: the entry has no key name; write it behind the pattern",
		    s->table->parameter, s->table->where, value->line);
		table_value_release(value);
		return ST_INVALID;
	}
	memset(match, 0, sizeof(*match));
	match->keyname = span_eq_str(keyname, "%") ? s->domain : keyname;
	match->line = value->line;
	match->value = *value;
	set_signer(match, fields[1], s->domain);
	s->count++;
	return ST_OK;
}

/* Asks the rungs that wait. */
static enum status
ask_rungs(struct search *s)
{
	struct span keys[TABLE_KEYS_MAX], text = buf_span(&s->query);
	struct table_value values[TABLE_KEYS_MAX];
	size_t at[TABLE_KEYS_MAX], count = 0, i = 0, from = 0, room = s->max - s->count;
	enum status status;

	for (size_t k = 0; k < s->waiting; from = s->ends[k++])
		keys[k] = span_sub(text, from, s->ends[k] - from);
	status = s->waiting == 0 ? ST_ABSENT
				 : table_lookup_many(s->table, keys, s->waiting,
				       room < TABLE_KEYS_MAX ? room : TABLE_KEYS_MAX, values, at,
				       &count, s->err);
	buf_reset(&s->query);
	s->waiting = 0;
	if (status != ST_OK)
		return status == ST_ABSENT ? ST_OK : status;
	for (; i < count && status == ST_OK; i++)
		status = add_match(s, &values[i]);
	for (; i < count; i++)
		table_value_release(&values[i]);
	return status;
}

/* One rung: user, middle, domain make the query. */
static enum status
rung(struct search *s, struct span user, const char *middle, struct span domain)
{
	if (s->count == s->max)
		return ST_OK;
	buf_add(&s->query, user);
	buf_add_str(&s->query, middle);
	buf_add(&s->query, domain);
	s->ends[s->waiting++] = s->query.n;
	return s->waiting == s->at_once ? ask_rungs(s) : ST_OK;
}

/* For each '.' of the domain: user@.sup, then .sup. */
static enum status
climb(struct search *s)
{
	enum status status = ST_OK;
	size_t labels = 0;

	for (size_t i = 0; i < s->domain.n && status == ST_OK; i++) {
		if (s->domain.p[i] != '.')
			continue;
		if (++labels > LABELS_MAX) {
			err_set(s->err, "the From domain has more than %d labels", LABELS_MAX);
			return ST_INVALID;
		}
		status = rung(s, s->user, "@", span_from(s->domain, i));
		if (status == ST_OK)
			status = rung(s, SPAN_EMPTY, "", span_from(s->domain, i));
	}
	return status;
}

/* Semantics 2.1: user@host, host, the parents, user@*, *. */
static enum status
ladder(struct search *s)
{
	enum status status = rung(s, s->user, "@", s->domain);

	if (status == ST_OK)
		status = rung(s, SPAN_EMPTY, "", s->domain);
	if (status == ST_OK)
		status = climb(s);
	if (status == ST_OK)
		status = rung(s, s->user, "@*", SPAN_EMPTY);
	if (status == ST_OK)
		status = rung(s, SPAN_EMPTY, "*", SPAN_EMPTY);
	return status == ST_OK ? ask_rungs(s) : status;
}

static enum status
patterns(struct search *s)
{
	struct table_value values[SIGNING_MATCHES_MAX];
	enum status status;
	size_t count, i;

	buf_add(&s->query, s->user);
	buf_add_char(&s->query, '@');
	buf_add(&s->query, s->domain);
	status = table_lookup_all(s->table, buf_span(&s->query), s->max, values, &count, s->err);
	if (status != ST_OK)
		return status == ST_ABSENT ? ST_OK : status;
	for (i = 0; i < count && status == ST_OK; i++)
		status = add_match(s, &values[i]);
	for (; i < count; i++)
		table_value_release(&values[i]);
	return status;
}

enum status
signing_lookup(struct table *signing, struct span user, struct span domain, size_t max,
    struct signing_match *out, size_t *count_out, struct err *err)
{
	struct search s = {
	    .table = signing, .user = user, .domain = domain, .out = out, .err = err};
	enum status status;

	*count_out = 0;
	s.max = max > SIGNING_MATCHES_MAX ? SIGNING_MATCHES_MAX : max;
	if (user.n + domain.n + 2 > TABLE_KEY_MAX) {
		err_set(err, "the author's address has more than %d octets", TABLE_KEY_MAX - 2);
		return ST_INVALID;
	}
	s.at_once = table_keys_at_once(signing);
	buf_init(&s.query, (size_t)TABLE_KEY_MAX * TABLE_KEYS_MAX);
	status = table_has_patterns(signing) ? patterns(&s) : ladder(&s);
	buf_free(&s.query);
	if (status != ST_OK) {
		signing_matches_release(out, s.count);
		return status;
	}
	*count_out = s.count;
	return s.count > 0 ? ST_OK : ST_ABSENT;
}

void
signing_matches_release(struct signing_match *matches, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		table_value_release(&matches[i].value);
		mem_free(matches[i].signer_owned);
		memset(&matches[i], 0, sizeof(matches[i]));
	}
}
