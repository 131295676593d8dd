/*
 * dmarc_audit.c - what a DMARC record means for the mail of the domain.
 * Called by signpost check. It must never call a record good that verifiers ignore.
 */
#include "lib/mailauth/dmarc_syntax.h"

static const char *
policy_name(enum dmarc_policy policy)
{
	static const char *const names[] = {"(none given)", "none", "quarantine", "reject"};

	return names[policy];
}

static void
add_faults(const struct dmarc_record *record, struct span about, struct findings *findings)
{
	static const char *const effects[] = {[DMARC_UNKNOWN_TAG] = "ignore it",
	    [DMARC_TAG_IGNORED] = "ignore it",
	    [DMARC_TAKEN_AS_NONE] = "take p=none in place of the policy",
	    [DMARC_RECORD_IGNORED] = "ignore the whole record"};

	for (size_t i = 0; i < record->fault_count; i++) {
		const struct dmarc_fault *fault = &record->faults[i];

		findings_add(findings,
		    fault->effect == DMARC_UNKNOWN_TAG ? SEVERITY_WARNING : SEVERITY_ERROR, about,
		    "\"%.*s\" in the DMARC record: %s; verifiers %s, so correct it",
		    SHOWN(fault->tag), fault->why, effects[fault->effect]);
	}
}

static void
add_weaknesses(const struct dmarc_record *record, struct span about, struct findings *findings)
{
	bool acts = record->policy == DMARC_QUARANTINE || record->policy == DMARC_REJECT;

	if (record->policy == DMARC_NONE)
		findings_add(findings, SEVERITY_NOTE, about,
		    "p=none only asks for reports; when they show that all of your mail passes, go "
		    "on to quarantine and reject");
	if (acts && record->subdomain_policy == DMARC_NONE)
		findings_add(findings, SEVERITY_WARNING, about,
		    "sp=none leaves subdomains open to forgery, also those that do not exist; take "
		    "it away or raise it");
	if (record->policy_late)
		findings_add(findings, SEVERITY_NOTE, about,
		    "p= should stand right behind v=DMARC1 (RFC 7489 section 6.4), and some "
		    "verifiers "
		    "look for it there; move it");
	if (record->percent < 100)
		findings_add(findings, SEVERITY_NOTE, about,
		    "pct=%u applies the policy to a part of the mail, and newer verifiers ignore "
		    "pct=; plan to take it away",
		    record->percent);
	if (record->testing)
		findings_add(findings, SEVERITY_NOTE, about,
		    "t=y asks verifiers not to apply the policy; take it away when you are ready");
	if (record->rua.n == 0)
		findings_add(findings, SEVERITY_NOTE, about,
		    "without rua= you get no reports; add rua=mailto:ADDRESS to see who sends in "
		    "your name");
}

void
dmarc_audit(struct span text, struct span about, struct findings *findings)
{
	struct dmarc_record record;
	struct err err = ERR_NONE;

	if (span_find(text, '"') != SIZE_MAX || span_find(text, '\\') != SIZE_MAX)
		findings_add(findings, SEVERITY_ERROR, about,
		    "there are quotes or backslashes inside the DMARC record; enter it without "
		    "them, the panel of the DNS service adds its own");
	if (dmarc_parse(text, &record, &err) != ST_OK) {
		findings_add(
		    findings, SEVERITY_ERROR, about, "this is no DMARC record: %s", err.text);
		return;
	}
	add_faults(&record, about, findings);
	add_weaknesses(&record, about, findings);
	if (record.fault_count == 0)
		findings_add(findings, SEVERITY_OK, about,
		    "the DMARC record is well-formed (p=%s, alignment of DKIM %s, of SPF %s)",
		    policy_name(record.policy), record.strict_dkim ? "strict" : "relaxed",
		    record.strict_spf ? "strict" : "relaxed");
}
