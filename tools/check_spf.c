/*
 * check_spf.c - the SPF record of a domain, and what it includes.
 * Called by check.c. It must never follow more than the look-ups that a verifier would do: a record
 * may include itself.
 */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/dkim/address.h"
#include "lib/mailauth/spf_syntax.h"
#include "tools/check_domain.h"
#include "tools/zone.h"

#define VOIDS_MAX 2     /* RFC 7208 section 4.6.4 */
#define MX_HOSTS_MAX 10 /* the same */

static void
say_dnssec(struct domain_check *check, const struct dns_answer *answer)
{
	if (answer->security == DNS_SECURE)
		findings_add(&check->findings, SEVERITY_OK, check->domain,
		    "DNSSEC protects what is published");
	else if (answer->security == DNS_INSECURE)
		findings_add(&check->findings, SEVERITY_NOTE, check->domain,
		    "the zone is not signed with DNSSEC; whoever can forge DNS answers can forge "
		    "your keys, so sign it");
}

/* ---- what is included ---- */

/* Names that are still to be asked: each costs a look-up, so there is an end. */
struct tree {
	struct domain_check *check;
	char *names[SPF_LOOKUPS_MAX + 1];
	size_t count, at;
	unsigned lookups, voids;
	bool whole; /* everything could be read */
};

/* A name that has neither A nor AAAA, or no MX: the third ends the evaluation (RFC 7208 section
 * 4.6.4). */
static void
count_void(struct tree *tree, struct span domain, const struct spf_term *term)
{
	struct span name = term->argument.n > 0 ? term->argument : domain;
	struct zone_hosts hosts = {.count = 0};
	char *names[ZONE_HOSTS_MAX];
	size_t count = 0;

	if (span_ends(name, SPAN_LIT(".")))
		name.n--;
	if (!domain_is_valid(name))
		return; /* a macro: the message decides */
	if (term->kind == SPF_MX) {
		tree->voids += zone_mx(tree->check, name, names, &count) == ST_ABSENT;
		for (size_t i = 0; i < count; i++)
			mem_free(names[i]);
		if (count > MX_HOSTS_MAX)
			findings_add(&tree->check->findings, SEVERITY_ERROR, tree->check->domain,
			    "%.*s has %zu MX records, and mx takes %d, so verifiers answer "
			    "permerror; write ip4: and ip6: in its place",
			    SHOWN(name), count, MX_HOSTS_MAX);
	} else if (zone_host_add(tree->check, name, &hosts) == 0) {
		tree->voids++;
	}
}

/* Names with macros depend on the message. */
static void
add_names(struct tree *tree, struct span domain, const struct spf_record *record)
{
	tree->lookups += spf_lookups(record);
	for (size_t i = 0; i < record->count; i++) {
		const struct spf_term *term = &record->terms[i];
		struct span name = term->argument;

		if ((term->kind == SPF_A || term->kind == SPF_MX) && spf_term_asks(record, i) &&
		    term->fault == NULL && tree->lookups <= SPF_LOOKUPS_MAX)
			count_void(tree, domain, term);
		if ((term->kind != SPF_INCLUDE && term->kind != SPF_REDIRECT) ||
		    !spf_term_asks(record, i) || term->fault != NULL)
			continue;
		if (span_ends(name, SPAN_LIT(".")))
			name.n--;
		if (!domain_is_valid(name))
			tree->whole = false;
		else if (tree->count <= SPF_LOOKUPS_MAX)
			tree->names[tree->count++] = span_dup_lower(name);
	}
}

static const char *
fault_of(const struct dns_answer *answer, struct spf_record *record)
{
	size_t count = 0;

	for (size_t i = 0; i < answer->count; i++)
		if (spf_is_record(answer->texts[i].joined)) {
			if (spf_parse(answer->texts[i].joined, record, NULL) != ST_OK)
				return "has an SPF record with too many terms";
			count++;
		}
	if (count != 1)
		return count == 0 ? "has no SPF record" : "has several SPF records";
	for (size_t i = 0; i < record->count; i++)
		if (record->terms[i].fault != NULL)
			return "has an SPF record with a term that cannot be read";
	if (spf_count(record, SPF_REDIRECT) > 1 || spf_count(record, SPF_EXP) > 1)
		return "has redirect= or exp= twice in its SPF record";
	return NULL;
}

static void
add_copy(struct tree *tree, struct span name, const struct dns_answer *answer)
{
	struct spf_record record;
	char *text = NULL;

	for (size_t i = 0; i < answer->count && text == NULL; i++)
		if (spf_is_record(answer->texts[i].joined))
			text = span_dup(answer->texts[i].joined);
	if (spf_parse(span_str(text), &record, NULL) == ST_OK)
		add_names(tree, name, &record);
	mem_free(text);
}

static void
follow(struct tree *tree, struct span name)
{
	struct domain_check *check = tree->check;
	struct spf_record record;
	struct dns_answer answer;
	const char *fault;

	if (!check_ask(check, name, &answer)) {
		tree->whole = false;
		return;
	}
	fault = fault_of(&answer, &record);
	if (fault == NULL) {
		/* The answer is gone with the next question. */
		add_copy(tree, name, &answer);
		return;
	}
	tree->whole = false;
	findings_add(&check->findings, SEVERITY_ERROR, check->domain,
	    "%.*s, which the SPF record includes, %s, so verifiers answer permerror; take it out, "
	    "or have it mended there",
	    SHOWN(name), fault);
}

static void
say_lookups(struct tree *tree)
{
	struct findings *findings = &tree->check->findings;

	if (tree->lookups > SPF_LOOKUPS_MAX)
		findings_add(findings, SEVERITY_ERROR, tree->check->domain,
		    "with what it includes the SPF record needs more than %u look-ups, so "
		    "verifiers "
		    "answer permerror; replace some with ip4: and ip6:",
		    SPF_LOOKUPS_MAX);
	else if (tree->whole)
		findings_add(findings, SEVERITY_OK, tree->check->domain,
		    "with what it includes the SPF record needs %u of %u look-ups", tree->lookups,
		    SPF_LOOKUPS_MAX);
}

static void
check_includes(struct domain_check *check, const struct spf_record *record)
{
	struct tree tree = {.check = check, .whole = true};

	add_names(&tree, check->domain, record);
	if (tree.count > 0 && tree.lookups <= SPF_LOOKUPS_MAX) {
		while (tree.at < tree.count && tree.lookups <= SPF_LOOKUPS_MAX)
			follow(&tree, span_str(tree.names[tree.at++]));
		say_lookups(&tree);
	}
	if (tree.voids > VOIDS_MAX)
		findings_add(&check->findings, SEVERITY_ERROR, check->domain,
		    "%u names of the SPF record have no address or no MX record, and with more "
		    "than %d verifiers answer permerror; take them out",
		    tree.voids, VOIDS_MAX);
	else if (tree.voids > 0)
		findings_add(&check->findings, SEVERITY_NOTE, check->domain,
		    "%u name%s of the SPF record has no address or no MX record; take it out",
		    tree.voids, tree.voids == 1 ? "" : "s");
	for (size_t i = 0; i < tree.count; i++)
		mem_free(tree.names[i]);
}

void
check_spf_text(struct domain_check *check, struct span text, size_t strings)
{
	struct spf_record record;
	struct buf copy;

	/* The next question ends the life of an answer. */
	buf_init(&copy, DNS_TEXT_BYTES_MAX);
	buf_add(&copy, text);
	spf_audit(text, strings, check->domain, &check->findings);
	if (spf_parse(buf_span(&copy), &record, NULL) == ST_OK)
		check_includes(check, &record);
	buf_free(&copy);
}

/* ---- the record ---- */

static bool
looks_like_spf(struct span text)
{
	for (size_t i = 0; i + 4 <= text.n && i < 12; i++)
		if (span_istarts(span_from(text, i), SPAN_LIT("spf1")))
			return true;
	return false;
}

static void
say_near_misses(struct domain_check *check, const struct dns_answer *answer)
{
	size_t said = 0;

	for (size_t i = 0; i < answer->count && said < CHECK_NEAR_MISSES_MAX; i++)
		if (!spf_is_record(answer->texts[i].joined) &&
		    looks_like_spf(answer->texts[i].joined)) {
			findings_add(&check->findings, SEVERITY_ERROR, check->domain,
			    "the TXT record \"%.*s\" looks like SPF but does not begin with "
			    "v=spf1 and a blank, so verifiers pass it over; correct it%s",
			    SHOWN(answer->texts[i].joined),
			    span_find(answer->texts[i].joined, '"') == SIZE_MAX
				? ""
				: ", and enter it without the quotes");
			said++;
		}
}

void
check_spf(struct domain_check *check)
{
	const struct dns_text *found = NULL;
	struct dns_answer answer;
	size_t count = 0;

	if (!check_ask(check, check->domain, &answer))
		return;
	say_dnssec(check, &answer);
	for (size_t i = 0; i < answer.count; i++)
		if (spf_is_record(answer.texts[i].joined)) {
			found = &answer.texts[i];
			count++;
		}
	say_near_misses(check, &answer);
	if (count > 1)
		findings_add(&check->findings, SEVERITY_ERROR, check->domain,
		    "there are %zu SPF records, so verifiers answer permerror; merge them into one",
		    count);
	else if (found == NULL)
		findings_add(&check->findings, SEVERITY_WARNING, check->domain,
		    "there is no SPF record; publish one (\"v=spf1 -all\" for a domain that sends "
		    "no mail)");
	else
		check_spf_text(check, found->joined, found->strings);
}
