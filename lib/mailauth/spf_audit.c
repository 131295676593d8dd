/*
 * spf_audit.c - what an SPF record that verifiers can read (or cannot) means for the domain.
 * Called by signpost check. It must never call a record good that a verifier answers permerror to.
 */
#include "lib/mailauth/spf_syntax.h"

struct audit {
	const struct spf_record *record;
	struct span about;
	struct findings *findings;
	size_t all_at; /* index of the first "all", or count */
	size_t strings;
	bool modified; /* a redirect= is there */
	bool good;
};

static void
check_fault(struct audit *audit, const struct spf_term *term)
{
	if (term->fault == NULL)
		return;
	audit->good = false;
	findings_add(audit->findings, SEVERITY_ERROR, audit->about,
	    "the SPF term \"%.*s\" cannot be read (%s), so verifiers answer permerror; correct it",
	    SHOWN(term->text), term->fault);
}

/* Two strings of one TXT record are joined without a blank. */
static void
check_joint(struct audit *audit, const struct spf_term *term)
{
	size_t colon = span_find(term->argument, ':');

	if (term->kind == SPF_IP6 || term->kind >= SPF_OTHER || colon == SIZE_MAX ||
	    span_starts(span_from(term->argument, colon), SPAN_LIT("://")))
		return;
	audit->good = false;
	findings_add(audit->findings, SEVERITY_ERROR, audit->about,
	    "the SPF term \"%.*s\" has a ':' in its domain: is a blank missing%s?",
	    SHOWN(term->text),
	    audit->strings > 1 ? " where two strings of the record are joined; put it inside the "
				 "quotes"
			       : "");
}

static void
check_network(struct audit *audit, const struct spf_term *term)
{
	int prefix = term->kind == SPF_IP6 ? term->prefix6 : term->prefix4;
	int wide = term->kind == SPF_IP6 ? 32 : 8;

	if ((term->kind != SPF_IP4 && term->kind != SPF_IP6) || prefix < 0 || prefix >= wide ||
	    term->qualifier == '-')
		return;
	audit->good = false;
	findings_add(audit->findings, prefix == 0 ? SEVERITY_ERROR : SEVERITY_WARNING, audit->about,
	    "the SPF term \"%.*s\" lets %s send for the domain; name only your own networks",
	    SHOWN(term->text), prefix == 0 ? "every host of the Internet" : "millions of hosts");
}

/* A domain without a macro that no DNS server can have; include and redirect have it as a fault. */
static void
check_name(struct audit *audit, const struct spf_term *term)
{
	if (term->kind == SPF_IP4 || term->kind == SPF_IP6 || term->kind == SPF_OTHER ||
	    term->argument.n == 0 || span_find(term->argument, ':') != SIZE_MAX ||
	    spf_names_something(term->argument))
		return;
	audit->good = false;
	findings_add(audit->findings, SEVERITY_ERROR, audit->about,
	    "the SPF term \"%.*s\" never matches, because its domain is no name that DNS can have; "
	    "correct it",
	    SHOWN(term->text));
}

static void
check_other(struct audit *audit, const struct spf_term *term)
{
	size_t equals = span_find(term->text, '=');
	struct span name = span_sub(term->text, 0, equals);

	if (term->kind != SPF_OTHER)
		return;
	if (term->mechanism_name) {
		audit->good = false;
		findings_add(audit->findings, SEVERITY_ERROR, audit->about,
		    "the SPF term \"%.*s\" is ignored, because '=' makes no mechanism; write "
		    "%.*s:%.*s",
		    SHOWN(term->text), SHOWN(name), SHOWN(term->argument));
	} else if (span_ieq_str(name, "v")) {
		audit->good = false;
		findings_add(audit->findings, SEVERITY_WARNING, audit->about,
		    "the SPF record begins twice (\"%.*s\" stands in its midst), as if two had "
		    "been "
		    "put together; write each term once, and one \"all\" at the end",
		    SHOWN(term->text));
	} else {
		findings_add(audit->findings, SEVERITY_NOTE, audit->about,
		    "the SPF modifier \"%.*s\" is not one that verifiers know, and is ignored",
		    SHOWN(term->text));
	}
}

static void
check_term(struct audit *audit, size_t at)
{
	const struct spf_term *term = &audit->record->terms[at];

	check_fault(audit, term);
	check_joint(audit, term);
	if (term->fault != NULL)
		return;
	check_network(audit, term);
	check_name(audit, term);
	check_other(audit, term);
	if (term->kind == SPF_PTR) {
		audit->good = false;
		findings_add(audit->findings, SEVERITY_WARNING, audit->about,
		    "the SPF term \"%.*s\" is slow and not to be used (RFC 7208 section 5.5); name "
		    "the addresses with ip4:, ip6: or a",
		    SHOWN(term->text));
	}
	if (at > audit->all_at && term->kind < SPF_REDIRECT) {
		audit->good = false;
		findings_add(audit->findings, SEVERITY_WARNING, audit->about,
		    "the SPF term \"%.*s\" stands behind \"all\" and is never looked at; move it "
		    "to the front",
		    SHOWN(term->text));
	}
}

static void
check_once(struct audit *audit, enum spf_kind kind, const char *name)
{
	unsigned count = spf_count(audit->record, kind);

	if (count <= 1)
		return;
	audit->good = false;
	findings_add(audit->findings, SEVERITY_ERROR, audit->about,
	    "%s stands %u times in the SPF record, so verifiers answer permerror; leave one", name,
	    count);
}

static void
check_modifiers(struct audit *audit)
{
	audit->modified = spf_count(audit->record, SPF_REDIRECT) > 0;
	check_once(audit, SPF_REDIRECT, "redirect=");
	check_once(audit, SPF_EXP, "exp=");
	if (audit->modified && audit->all_at < audit->record->count) {
		audit->good = false;
		findings_add(audit->findings, SEVERITY_WARNING, audit->about,
		    "redirect= is never used beside \"all\" in one SPF record; take one of the two "
		    "away");
	}
}

static void
check_all(struct audit *audit)
{
	const struct spf_term *all;

	if (audit->all_at == audit->record->count) {
		if (audit->modified)
			return;
		audit->good = false;
		findings_add(audit->findings, SEVERITY_WARNING, audit->about,
		    "the SPF record says nothing about other hosts; end it in -all or ~all");
		return;
	}
	all = &audit->record->terms[audit->all_at];
	if (all->qualifier == '+' || all->qualifier == 0) {
		audit->good = false;
		findings_add(audit->findings, SEVERITY_ERROR, audit->about,
		    "\"%.*s\" lets every host of the Internet send for the domain; write -all or "
		    "~all",
		    SHOWN(all->text));
	} else if (all->qualifier == '?') {
		audit->good = false;
		findings_add(audit->findings, SEVERITY_WARNING, audit->about,
		    "\"?all\" says nothing about other hosts; write -all or ~all");
	}
}

static void
check_lookups(struct audit *audit)
{
	unsigned lookups = spf_lookups(audit->record);

	if (lookups > SPF_LOOKUPS_MAX) {
		audit->good = false;
		findings_add(audit->findings, SEVERITY_ERROR, audit->about,
		    "the SPF record needs %u look-ups where %u are allowed, so verifiers answer "
		    "permerror; replace some with ip4: and ip6:",
		    lookups, SPF_LOOKUPS_MAX);
	}
}

/* Blanks of other kinds make the neighbours one term; RFC 7208 knows SP alone. */
static void
check_text(struct audit *audit, struct span text)
{
	if (span_find(text, '"') != SIZE_MAX || span_find(text, '\\') != SIZE_MAX) {
		audit->good = false;
		findings_add(audit->findings, SEVERITY_ERROR, audit->about,
		    "there are quotes or backslashes inside the SPF record; enter it without them, "
		    "the panel of the DNS service adds its own");
	}
	if (text.n > SPF_BYTES_GOOD_MAX)
		findings_add(audit->findings, SEVERITY_NOTE, audit->about,
		    "the SPF record has %zu octets; above %u the answer may not fit into one DNS "
		    "packet",
		    text.n, SPF_BYTES_GOOD_MAX);
}

void
spf_audit(struct span text, size_t strings, struct span about, struct findings *findings)
{
	struct spf_record record;
	struct audit audit = {.record = &record,
	    .about = about,
	    .findings = findings,
	    .strings = strings,
	    .good = true};
	struct err err = ERR_NONE;

	if (spf_parse(text, &record, &err) != ST_OK) {
		findings_add(
		    findings, SEVERITY_ERROR, about, "the SPF record cannot be used: %s", err.text);
		return;
	}
	audit.all_at = spf_first_all(&record);
	check_text(&audit, text);
	for (size_t i = 0; i < record.count; i++)
		check_term(&audit, i);
	check_modifiers(&audit);
	check_all(&audit);
	check_lookups(&audit);
	if (audit.good)
		findings_add(findings, SEVERITY_OK, about,
		    "the SPF record is well-formed (%zu term%s, %u of %u look-ups of its own)",
		    record.count, record.count == 1 ? "" : "s", spf_lookups(&record),
		    SPF_LOOKUPS_MAX);
}
