/*
 * zone_seen.c - what is at the name of a record now.
 * Called when records are made. It must never take what could not be asked for what is not there.
 */
#include "lib/dns/authority.h"
#include "tools/zone.h"

bool
zone_key_data(struct span text, struct buf *out)
{
	struct span tag, name;

	while (text.n > 0) {
		(void)span_cut(&text, ';', &tag);
		if (!span_cut(&tag, '=', &name) || !span_eq_str(span_trim(name), "p"))
			continue;
		for (size_t i = 0; i < tag.n; i++)
			if (!ascii_blank(tag.p[i]))
				buf_add_char(out, tag.p[i]);
		return true;
	}
	return false;
}

static bool
same_key(struct span a, struct span b)
{
	struct buf left, right;
	bool same;

	buf_init(&left, DNS_TEXT_BYTES_MAX);
	buf_init(&right, DNS_TEXT_BYTES_MAX);
	same = zone_key_data(a, &left) && zone_key_data(b, &right) &&
	       span_eq(buf_span(&left), buf_span(&right));
	buf_free(&left);
	buf_free(&right);
	return same;
}

/* A key is the same whatever else its record says; the audit looks at that. */
static bool
is_the_record(const struct zone_record *record, struct span text)
{
	struct span value = span_str(record->value);

	return span_eq(value, text) ||
	       (span_starts(value, SPAN_LIT("v=DKIM1")) && same_key(value, text));
}

static void
judge_texts(struct zone_record *record, const struct dns_answer *answer, zone_kind *kind)
{
	size_t others = 0, right = 0;

	for (size_t i = 0; i < answer->count; i++) {
		struct span text = answer->texts[i].joined;
		bool goes = kind == NULL || kind(text);

		zone_record_add_text(record, text, goes);
		record->exact = record->exact && answer->texts[i].strings == 1;
		if (goes && is_the_record(record, text))
			right++;
		else if (goes)
			others++;
	}
	record->seen = right == 1 && others == 0 ? ZONE_THERE
		       : right + others > 0      ? ZONE_OTHER
						 : ZONE_ABSENT;
}

/* Beside an alias nothing can stand. */
static void
judge_alias(struct zone_job *job, struct zone_record *record, struct span alias)
{
	if (record->seen == ZONE_THERE)
		return;
	findings_add(&job->check->findings, SEVERITY_ERROR, span_str(record->name),
	    "the name is an alias (CNAME) of %.*s, so no record can stand beside it; publish it "
	    "there, or take the alias away",
	    SHOWN(alias));
}

static void
judge_target(struct zone_record *record, const struct dns_answer *answer)
{
	if (span_ieq_str(answer->alias, record->value))
		record->seen = ZONE_THERE;
	else
		record->seen = answer->alias.n > 0 || answer->count > 0 ? ZONE_OTHER : ZONE_ABSENT;
}

void
zone_see(struct zone_job *job, struct zone_record *record, zone_kind *kind)
{
	struct span name = span_str(record->name);
	struct dns_answer answer;

	if (job->wanted->offline)
		return;
	answer = dnsclient_txt(job->check->dns, name);
	if (answer.status == ST_OK || answer.status == ST_ABSENT) {
		if (record->type == ZONE_CNAME)
			judge_target(record, &answer);
		else
			judge_texts(record, &answer, kind);
		if (record->type == ZONE_TXT && answer.alias.n > 0)
			judge_alias(job, record, answer.alias);
		return;
	}
	if (answer.status == ST_UNAVAILABLE)
		job->check->unavailable++;
	findings_add(&job->check->findings, SEVERITY_WARNING, name,
	    "what is there now is not known (%s)", answer.why);
}
