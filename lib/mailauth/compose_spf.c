/*
 * compose_spf.c - one SPF record out of what sends and of those that are published, RFC 7208.
 * Called by signpost zone. It must never lose a mechanism that is published, nor make a record that
 * lets through what nobody asked for.
 */
#include "lib/mailauth/compose.h"
#include "lib/mailauth/spf_syntax.h"

struct merge {
	const struct spf_wanted *wanted;
	struct buf *out;
	struct err *err;
	struct span redirect, explanation; /* modifiers of what is there; empty: none */
	char all;                          /* of what is there; 0: none */
};

/* Is the term in the record, with a plain or no qualifier? */
static bool
has_term(const struct buf *out, struct span term)
{
	struct span rest = buf_span(out), word;

	while (span_word(&rest, &word)) {
		if (word.n > 0 && word.p[0] == '+')
			word = span_from(word, 1);
		if (span_ieq(word, term))
			return true;
	}
	return false;
}

static void
add_term(struct merge *merge, const char *kind, struct span argument)
{
	struct buf term;

	buf_init(&term, COMPOSE_TEXT_MAX);
	buf_add_str(&term, kind);
	buf_add(&term, argument);
	if (!has_term(merge->out, buf_span(&term))) {
		buf_add_char(merge->out, ' ');
		buf_add(merge->out, buf_span(&term));
	}
	buf_free(&term);
}

static enum status
wrong(struct merge *merge, struct span text, const char *why)
{
	err_set(merge->err,
	    "the SPF record that is published, \"%.*s\", cannot be taken over: %s; mend it, or say "
	    "with --spf-new that the new one stands for it",
	    SHOWN(text), why);
	return ST_INVALID;
}

static enum status
take_modifier(struct merge *merge, const struct spf_term *term, struct span text)
{
	struct span *kept = term->kind == SPF_REDIRECT ? &merge->redirect : &merge->explanation;

	if (term->kind == SPF_OTHER) {
		add_term(merge, "", term->text);
		return ST_OK;
	}
	if (kept->n > 0 && !span_ieq(*kept, term->text))
		return wrong(merge, text, "redirect= or exp= would be there twice");
	*kept = term->text;
	return ST_OK;
}

/* What is behind "all" is never looked at, section 5.1. */
static enum status
take_record(struct merge *merge, struct span text)
{
	struct spf_record record;
	enum status status = spf_parse(text, &record, NULL);
	size_t all;

	if (status != ST_OK)
		return wrong(merge, text, "it has too many terms");
	all = spf_first_all(&record);
	for (size_t i = 0; i < record.count && status == ST_OK; i++) {
		const struct spf_term *term = &record.terms[i];

		if (term->fault != NULL)
			status = wrong(merge, text, term->fault);
		else if (term->kind == SPF_REDIRECT && all < record.count)
			continue; /* section 6.1: it is ignored */
		else if (term->kind >= SPF_REDIRECT)
			status = take_modifier(merge, term, text);
		else if (i < all)
			add_term(merge, "", term->text);
	}
	if (status == ST_OK && all < record.count && merge->all == 0)
		merge->all = record.terms[all].qualifier == 0 ? '+' : record.terms[all].qualifier;
	return status;
}

static void
add_wanted(struct merge *merge)
{
	const struct spf_wanted *wanted = merge->wanted;

	if (wanted->mx)
		add_term(merge, "mx", SPAN_EMPTY);
	for (size_t i = 0; i < wanted->host_count; i++)
		add_term(merge, "a:", wanted->hosts[i]);
	for (size_t i = 0; i < wanted->network_count; i++)
		add_term(merge, "", wanted->networks[i]);
	for (size_t i = 0; i < wanted->include_count; i++)
		add_term(merge, "include:", wanted->includes[i]);
}

static enum status
add_end(struct merge *merge)
{
	char all = merge->wanted->all != 0 ? merge->wanted->all : merge->all;

	if (merge->redirect.n > 0 && merge->all == 0 && merge->wanted->all == 0) {
		add_term(merge, "", merge->redirect);
	} else if (merge->redirect.n > 0) {
		err_set(merge->err,
		    "the SPF record that is published has %.*s, which counts only without \"all\"; "
		    "leave --spf-all away, or give --spf-new",
		    SHOWN(merge->redirect));
		return ST_INVALID;
	} else if (all == '+') {
		err_set(merge->err, "the SPF record that is published lets every host through "
				    "(+all); give --spf-all=~all or -all");
		return ST_INVALID;
	} else {
		buf_add_fmt(merge->out, " %call", all == 0 ? '~' : all);
	}
	if (merge->explanation.n > 0)
		add_term(merge, "", merge->explanation);
	return buf_status(merge->out);
}

enum status
spf_compose(const struct spf_wanted *wanted, const struct span *texts, size_t count,
    struct buf *out, struct err *err)
{
	struct merge merge = {.wanted = wanted, .out = out, .err = err};
	enum status status = ST_OK;

	buf_add_str(out, "v=spf1");
	for (size_t i = 0; i < count && status == ST_OK; i++)
		status = take_record(&merge, texts[i]);
	if (status != ST_OK)
		return status;
	add_wanted(&merge);
	status = add_end(&merge);
	if (status == ST_TOO_BIG)
		err_set(err, "the SPF record is longer than %u octets", COMPOSE_TEXT_MAX);
	return status;
}
