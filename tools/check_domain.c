/*
 * check_domain.c - the questions of an audit.
 * Called by check.c for each part. It must never call absent what could not be asked.
 */
#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/dkim/address.h"
#include "lib/mailauth/dmarc_syntax.h"
#include "lib/mailauth/key_audit.h"
#include "tools/check_domain.h"

#define NAME_BYTES_MAX 600

bool
check_ask(struct domain_check *check, struct span name, struct dns_answer *answer)
{
	if (!domain_is_valid(name)) {
		findings_add(&check->findings, SEVERITY_ERROR, name,
		    "this is no name that DNS can have; correct the domain or the selector");
		*answer = (struct dns_answer){.status = ST_INVALID};
		return false;
	}
	*answer = dnsclient_txt(check->dns, name);
	if (answer->security == DNS_BOGUS) {
		findings_add(&check->findings, SEVERITY_ERROR, name,
		    "DNSSEC validation failed, so validating resolvers see nothing here; mend the "
		    "signatures of the zone");
		return false;
	}
	if (answer->alias.n > 0)
		findings_add(&check->findings, SEVERITY_NOTE, name,
		    "the name is an alias (CNAME) of %.*s", SHOWN(answer->alias));
	if (answer->status == ST_UNAVAILABLE) {
		check->unavailable++;
		findings_add(&check->findings, SEVERITY_WARNING, name,
		    "DNS cannot be asked now (%s); try again", answer->why);
		return false;
	}
	if (answer->status == ST_INVALID || answer->status == ST_TOO_BIG) {
		findings_add(&check->findings, SEVERITY_ERROR, name,
		    "the answer of DNS cannot be used (%s); look at what is published there",
		    answer->why);
		return false;
	}
	return true;
}

/* ---- DKIM ---- */

static void
judge_key(struct domain_check *check, struct span name, const struct dns_answer *answer)
{
	const struct dns_text *text = &answer->texts[0];

	if (answer->count > 1) {
		findings_add(&check->findings, SEVERITY_ERROR, name,
		    "there are %zu TXT records, and verifiers use none; leave one", answer->count);
		return;
	}
	if (text->strings > 1 && text->joined.n <= 255)
		findings_add(&check->findings, SEVERITY_NOTE, name,
		    "the record is cut into %zu strings where one would do, which is allowed",
		    text->strings);
	key_audit(text->joined, name, &check->findings);
}

void
check_selector(struct domain_check *check, struct span selector)
{
	char text[NAME_BYTES_MAX];
	struct dns_answer answer;
	struct span name;

	snprintf(text, sizeof(text), "%.*s._domainkey.%.*s", SPAN_ARG(selector),
	    SPAN_ARG(check->domain));
	name = span_str(text);
	if (!check_ask(check, name, &answer))
		return;
	if (answer.status == ST_ABSENT)
		findings_add(&check->findings, SEVERITY_ERROR, name,
		    "there is no key record%s; publish it, or look whether the name is right",
		    answer.name_exists ? ", only records of other types" : "");
	else
		judge_key(check, name, &answer);
}

/* ---- DMARC ---- */

/* The last two labels are the same. Which domain is an organisational one, a list of the verifiers
 * says. */
static bool
same_top(struct span a, struct span b)
{
	size_t dot = span_rfind(a, '.'), from;
	struct span top;

	if (dot == SIZE_MAX)
		return false;
	from = span_rfind(span_sub(a, 0, dot), '.');
	top = span_from(a, from == SIZE_MAX ? 0 : from + 1);
	return domain_is_within(b, top);
}

/* Reports to another domain go out only if that one agrees (RFC 7489 section 7.1). */
static void
check_report_domain(struct domain_check *check, struct span name, struct span other)
{
	char text[NAME_BYTES_MAX];
	struct dns_answer answer;

	if (domain_is_within(other, check->domain) || domain_is_within(check->domain, other))
		return;
	snprintf(text, sizeof(text), "%.*s._report._dmarc.%.*s", SPAN_ARG(check->domain),
	    SPAN_ARG(other));
	if (!check_ask(check, span_str(text), &answer))
		return;
	for (size_t i = 0; i < answer.count; i++)
		if (dmarc_is_record(answer.texts[i].joined))
			return;
	if (same_top(check->domain, other))
		findings_add(&check->findings, SEVERITY_NOTE, name,
		    "reports to %.*s are sent if that and %.*s are of one organisational domain; "
		    "if "
		    "not, have \"v=DMARC1\" published at %s",
		    SHOWN(other), SHOWN(check->domain), text);
	else
		findings_add(&check->findings, SEVERITY_WARNING, name,
		    "reports to %.*s will not be sent: %s has no record \"v=DMARC1\"; have it "
		    "published there",
		    SHOWN(other), text);
}

void
check_dmarc_text(struct domain_check *check, struct span name, struct span text)
{
	struct dmarc_record record;
	struct dmarc_uri uri;
	size_t count = 0;

	dmarc_audit(text, name, &check->findings);
	if (dmarc_parse(text, &record, NULL) != ST_OK)
		return;
	while (count++ < DMARC_URIS_MAX && dmarc_uri_next(&record.rua, &uri))
		if (uri.fault == NULL && domain_is_valid(uri.domain))
			check_report_domain(check, name, uri.domain);
}

/* The DMARC record of an answer; NULL: none, or several (said). */
static const struct dns_text *
dmarc_of(struct domain_check *check, struct span name, const struct dns_answer *answer)
{
	const struct dns_text *found = NULL;
	size_t count = 0;

	for (size_t i = 0; i < answer->count; i++)
		if (dmarc_is_record(answer->texts[i].joined)) {
			found = &answer->texts[i];
			count++;
		}
	if (count > 1)
		findings_add(&check->findings, SEVERITY_ERROR, name,
		    "there are %zu DMARC records, and verifiers use none; leave one", count);
	return count == 1 ? found : NULL;
}

static bool
looks_like_dmarc(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (span_istarts(span_from(text, i), SPAN_LIT("dmarc")))
			return true;
	return false;
}

static void
say_other(struct domain_check *check, struct span name, struct span text)
{
	if (!looks_like_dmarc(text))
		findings_add(&check->findings, SEVERITY_NOTE, name,
		    "the TXT record \"%.*s\" is not DMARC, and verifiers pass it over; take it "
		    "away",
		    SHOWN(text));
	else
		findings_add(&check->findings, SEVERITY_ERROR, name,
		    "the TXT record \"%.*s\" does not begin with v=DMARC1 (in capitals) and a ';', "
		    "so "
		    "verifiers pass it over; correct it or take it away%s",
		    SHOWN(text),
		    span_find(text, '"') == SIZE_MAX ? "" : ", and enter it without the quotes");
}

static void
say_others(struct domain_check *check, struct span name, const struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->count && i < CHECK_NEAR_MISSES_MAX; i++)
		if (!dmarc_is_record(answer->texts[i].joined))
			say_other(check, name, answer->texts[i].joined);
}

/* Verifiers look at the organisational domain next; which one that is a list of theirs says, so
 * every domain above with two labels or more may be it. */
static void
check_above(struct domain_check *check, struct span name)
{
	struct span above = check->domain, label;
	char text[NAME_BYTES_MAX];
	struct dns_answer answer;

	while (span_cut(&above, '.', &label) && span_find(above, '.') != SIZE_MAX) {
		const struct dns_text *found;

		snprintf(text, sizeof(text), "_dmarc.%.*s", SPAN_ARG(above));
		if (!check_ask(check, span_str(text), &answer))
			return;
		found = answer.status == ST_OK ? dmarc_of(check, span_str(text), &answer) : NULL;
		if (found == NULL)
			continue;
		findings_add(&check->findings, SEVERITY_NOTE, name,
		    "there is no DMARC record of its own; that of %.*s holds, if it is the "
		    "organisational domain (its sp=, or else p=)",
		    SHOWN(above));
		dmarc_audit(found->joined, span_str(text), &check->findings);
		return;
	}
	findings_add(&check->findings, SEVERITY_WARNING, name,
	    "there is no DMARC record here or above; begin with \"v=DMARC1; p=none; "
	    "rua=mailto:ADDRESS\"");
}

void
check_dmarc(struct domain_check *check)
{
	char text[NAME_BYTES_MAX];
	struct dns_answer answer;
	const struct dns_text *found;
	struct span name;
	size_t errors = check->findings.errors;
	struct buf record;

	snprintf(text, sizeof(text), "_dmarc.%.*s", SPAN_ARG(check->domain));
	name = span_str(text);
	if (!check_ask(check, name, &answer))
		return;
	say_others(check, name, &answer);
	found = dmarc_of(check, name, &answer);
	if (found == NULL) {
		if (check->findings.errors == errors)
			check_above(check, name);
		return;
	}
	/* The next question ends the answer's life. */
	buf_init(&record, DNS_TEXT_BYTES_MAX);
	buf_add(&record, found->joined);
	check_dmarc_text(check, name, buf_span(&record));
	buf_free(&record);
}
