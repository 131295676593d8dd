/*
 * zone_compare.c - signpost check --compare: is what signpost zone would print what is published?
 * Called by check.c. It must never call a record right that a verifier would not use.
 */
#include <string.h>
#include <sysexits.h>

#include "lib/dns/authority.h"
#include "tools/zone.h"

static size_t
texts_that_go(const struct zone_record *record, struct span *first_out)
{
	size_t count = 0;

	for (size_t i = 0; i < record->text_count; i++)
		if (record->texts[i].goes) {
			*first_out = count == 0 ? record->texts[i].text : *first_out;
			count++;
		}
	return count;
}

static void
say_missing(struct domain_check *check, const struct zone_record *record)
{
	findings_add(&check->findings, SEVERITY_ERROR, span_str(record->name),
	    "%s: the record is missing; publish \"%.*s%s\" (signpost zone prints it)", record->what,
	    SHOWN(span_str(record->value)), strlen(record->value) > SHOWN_MAX ? "..." : "");
}

static void
say_different(struct domain_check *check, const struct zone_record *record)
{
	struct span value = span_str(record->value), found = SPAN_EMPTY;
	size_t count = texts_that_go(record, &found);
	char why[AUTHORITY_WHY_BYTES] = "";

	if (count > 1) {
		findings_add(&check->findings, SEVERITY_ERROR, span_str(record->name),
		    "%s: there are %zu records, and there may be one; leave \"%.*s%s\" "
		    "(signpost zone prints it)",
		    record->what, count, SHOWN(value), value.n > SHOWN_MAX ? "..." : "");
		return;
	}
	if (span_starts(value, SPAN_LIT("v=DKIM1")))
		authority_explain(value, found, why);
	findings_add(&check->findings, SEVERITY_ERROR, span_str(record->name),
	    "%s: another record is published%s%s; put \"%.*s%s\" in its place (signpost zone "
	    "prints it)",
	    record->what, why[0] == '\0' ? "" : ": ", why, SHOWN(value),
	    value.n > SHOWN_MAX ? "..." : "");
}

/* "As it should be" is the key; what else its record says, the audit of a selector judges. */
static void
audit_key(struct domain_check *check, const struct zone_record *record)
{
	size_t behind = strlen("._domainkey.") + check->domain.n;
	struct span name = span_str(record->name);

	if (record->type == ZONE_TXT && span_starts(span_str(record->value), SPAN_LIT("v=DKIM1")) &&
	    name.n > behind)
		check_selector(check, span_sub(name, 0, name.n - behind));
}

static void
compare_record(struct domain_check *check, const struct zone_record *record)
{
	switch (record->seen) {
	case ZONE_THERE:
		findings_add(&check->findings, SEVERITY_OK, span_str(record->name),
		    "%s: the record is as it should be", record->what);
		audit_key(check, record);
		break;
	case ZONE_ABSENT:
		say_missing(check, record);
		break;
	case ZONE_OTHER:
		say_different(check, record);
		break;
	case ZONE_UNKNOWN:
		break;
	}
}

int
zone_compare(const struct zone_wanted *wanted, const struct conf *conf, struct domain_check *check)
{
	struct domain_check own = {
	    .dns = check->dns, .domain = check->domain, .findings = FINDINGS_NONE};
	struct zone_job job = {.wanted = wanted, .conf = conf, .check = &own};
	int exit_code = zone_make(&job);

	for (size_t i = 0; i < own.findings.count; i++) {
		const struct finding *finding = &own.findings.items[i];

		/* What is said of a record that will be is not said of the one that is. */
		if (finding->severity == SEVERITY_ERROR)
			findings_add(&check->findings, finding->severity, span_str(finding->about),
			    "%s", finding->text);
	}
	for (size_t i = 0; exit_code == EX_OK && i < job.records.count; i++)
		compare_record(check, &job.records.items[i]);
	check->unavailable += own.unavailable;
	zone_records_free(&job.records);
	findings_free(&own.findings);
	return exit_code;
}
