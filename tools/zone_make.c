/*
 * zone_make.c - all records that a domain should have: the zone that it is in, keys, SPF, DMARC,
 * ADSP. Called by signpost zone, which prints them, and by signpost check --compare. It must never
 * guess the zone.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/mem.h"
#include "lib/dkim/address.h"
#include "lib/mailauth/dmarc_syntax.h"
#include "tools/zone.h"

#define NAME_ROOM 600

/* ---- the zone ---- */

/* A SOA at an alias is another name's. */
static enum status
is_zone(struct zone_job *job, struct span name)
{
	struct dns_answer answer = dnsclient_ask(job->check->dns, name, DNS_SOA);

	if (answer.status == ST_OK && answer.alias.n > 0)
		return ST_ABSENT;
	return answer.status;
}

static int
find_zone(struct zone_job *job, struct span *zone_out)
{
	struct span at = job->check->domain, label;
	enum status status = ST_ABSENT;

	while (at.n > 0) {
		status = is_zone(job, at);
		if (status != ST_ABSENT)
			break;
		if (!span_cut(&at, '.', &label))
			at = SPAN_EMPTY;
	}
	*zone_out = at;
	if (status == ST_OK)
		return EX_OK;
	cli_say(job->wanted->program, "%.*s: %s; say it with --zone", SPAN_ARG(job->check->domain),
	    status == ST_ABSENT ? "DNS knows no zone that it is in"
				: "DNS does not tell the zone that it is in");
	return status == ST_ABSENT ? EX_DATAERR : EX_UNAVAILABLE;
}

static int
choose_zone(struct zone_job *job, struct span *zone_out)
{
	const char *given = job->wanted->zone;

	if (given == NULL && job->wanted->offline) {
		cli_say(job->wanted->program, "--offline: say the zone with --zone");
		return EX_USAGE;
	}
	if (given == NULL)
		return find_zone(job, zone_out);
	*zone_out = span_str(given);
	if (span_ends(*zone_out, SPAN_LIT(".")))
		zone_out->n--;
	if (domain_is_valid(*zone_out) && domain_is_within(job->check->domain, *zone_out))
		return EX_OK;
	cli_say(job->wanted->program, "--zone=%s: %.*s is not in it", given,
	    SPAN_ARG(job->check->domain));
	return EX_USAGE;
}

/* Keys are often delegated. */
static void
look_for_cut(struct zone_job *job)
{
	char name[NAME_ROOM];

	if (job->wanted->offline || job->wanted->zone != NULL || job->wanted->no_keys)
		return;
	snprintf(name, sizeof(name), "_domainkey.%s", job->records.domain);
	if (domain_is_valid(span_str(name)) && is_zone(job, span_str(name)) == ST_OK)
		findings_add(&job->check->findings, SEVERITY_WARNING, span_str(name),
		    "this is a zone of its own: the records of keys belong into it; make them "
		    "with --zone=%s --no-spf --no-dmarc",
		    name);
}

/* ---- DMARC ---- */

static bool
is_printable(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < ' ' || text.p[i] > '~')
			return false;
	return true;
}

/* What is published stays when nothing else is asked for, and it can be read. */
static bool
take_published(struct zone_job *job, struct span name, struct buf *value)
{
	struct dns_answer answer;
	size_t count = 0;
	struct dmarc_record record;

	if (job->wanted->offline || !dmarc_wanted_is_empty(&job->wanted->dmarc))
		return false;
	answer = dnsclient_txt(job->check->dns, name);
	for (size_t i = 0; i < answer.count; i++)
		if (dmarc_parse(answer.texts[i].joined, &record, NULL) == ST_OK &&
		    is_printable(answer.texts[i].joined)) {
			buf_reset(value);
			buf_add(value, answer.texts[i].joined);
			count++;
			for (size_t j = 0; j < record.fault_count; j++)
				if (record.faults[j].effect >= DMARC_TAKEN_AS_NONE)
					count = 2;
		}
	if (count != 1)
		buf_reset(value);
	return count == 1;
}

static void
make_dmarc(struct zone_job *job)
{
	static const struct dmarc_wanted nothing = {.policy = "reject"};
	const struct dmarc_wanted *wanted = &job->wanted->dmarc;
	struct zone_record *record;
	struct err err = ERR_NONE;
	struct buf value;
	char name[NAME_ROOM];

	if (job->wanted->no_mail && dmarc_wanted_is_empty(wanted))
		wanted = &nothing;
	snprintf(name, sizeof(name), "_dmarc.%s", job->records.domain);
	buf_init(&value, COMPOSE_TEXT_MAX);
	if ((wanted == &nothing || !take_published(job, span_str(name), &value)) &&
	    dmarc_compose(wanted, &value, &err) != ST_OK) {
		findings_add(&job->check->findings, SEVERITY_ERROR, span_str(name), "%s", err.text);
	} else {
		record = zone_records_add(
		    &job->records, ZONE_TXT, span_str(name), buf_span(&value), job->ttl_s, "DMARC");
		zone_see(job, record, dmarc_is_record);
		if (record->seen != ZONE_THERE && !job->wanted->offline)
			check_dmarc_text(job->check, span_str(name), buf_span(&value));
		if (record->seen == ZONE_ABSENT &&
		    strcmp(job->records.domain, job->records.zone) != 0)
			findings_add(&job->check->findings, SEVERITY_NOTE, span_str(name),
			    "the domain is below %s, whose DMARC record (sp=, p=) holds for it as "
			    "long as it has none of its own",
			    job->records.zone);
	}
	buf_free(&value);
}

/* ---- ADSP ---- */

static bool
is_adsp(struct span text)
{
	return span_starts(text, SPAN_LIT("dkim"));
}

static void
make_adsp(struct zone_job *job)
{
	struct err err = ERR_NONE;
	struct zone_record *record;
	char name[NAME_ROOM];
	struct buf value;

	snprintf(name, sizeof(name), "_adsp._domainkey.%s", job->records.domain);
	buf_init(&value, COMPOSE_TEXT_MAX);
	if (adsp_compose(job->wanted->adsp, &value, &err) != ST_OK) {
		findings_add(&job->check->findings, SEVERITY_ERROR, span_str(name), "%s", err.text);
	} else {
		findings_add(&job->check->findings, SEVERITY_NOTE, span_str(name),
		    "ADSP (RFC 5617) is historic since 2013: hardly anybody looks at it, and DMARC "
		    "says the same");
		record = zone_records_add(&job->records, ZONE_TXT, span_str(name), buf_span(&value),
		    job->ttl_s, "ADSP (historic)");
		zone_see(job, record, is_adsp);
	}
	buf_free(&value);
}

/* ---- all ---- */

int
zone_make(struct zone_job *job)
{
	struct span zone;
	int exit_code = choose_zone(job, &zone);

	if (exit_code != EX_OK)
		return exit_code;
	job->ttl_s = job->wanted->ttl_s != 0 ? job->wanted->ttl_s : ZONE_TTL_DEFAULT_S;
	zone_records_begin(&job->records, job->check->domain, zone);
	look_for_cut(job);
	exit_code = zone_keys(job);
	if (exit_code != EX_OK)
		return exit_code;
	zone_spf(job);
	if (!job->wanted->no_dmarc)
		make_dmarc(job);
	if (job->wanted->adsp != NULL)
		make_adsp(job);
	return EX_OK;
}
