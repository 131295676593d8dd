/*
 * keystore_ldap_plan.c - in which order a batch is written, what caches are told about it, and what
 * domains show to Zimbra afterwards.
 * Called by keystore_ldap_check.c for each write, and when all of them have been looked at.
 * It must never put the end of a key before the beginning of the one that follows it.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/keystore_ldap_private.h"

/* ---- what caches are told ---- */

static void
add_subject(struct ldapstore_plan *plan, const char *kind, struct span name)
{
	char *text = plan->subjects[plan->subject_count];
	size_t n = name.n > KEYSTORE_DOMAIN_MAX ? KEYSTORE_DOMAIN_MAX : name.n;

	memcpy(text, kind, 2);
	if (n > 0)
		memcpy(text + 2, name.p, n);
	text[2 + n] = '\0';
	for (size_t i = 0; i < plan->subject_count; i++)
		if (strcmp(plan->subjects[i], text) == 0)
			return;
	plan->subject_count++;
}

/* The domain by which the rule of an address, a domain or a suffix is found. */
static void
add_rule_subject(struct ldapstore_plan *plan, struct span subject)
{
	size_t at = span_rfind(subject, '@');
	struct span domain = at == SIZE_MAX ? subject : span_from(subject, at + 1);

	if (domain.n > 0 && domain.p[0] == '.')
		domain = span_from(domain, 1);
	if (keystore_domain_is_valid(domain))
		add_subject(plan, "d:", domain);
}

void
ldapstore_plan_subjects(
    struct ldapstore_plan *plan, const struct keystore_write *w, const char *old_subject)
{
	switch (w->what) {
	case STORE_TENANT:
		add_subject(plan, "t:", w->row.tenant.name);
		return;
	case STORE_POLICY:
		add_subject(plan, "t:", w->row.policy.tenant);
		return;
	case STORE_DOMAIN:
		if (!w->life)
			add_subject(plan, "d:", w->row.domain.name);
		return;
	case STORE_RULE:
		add_subject(plan, "t:", w->row.rule.tenant);
		add_rule_subject(plan, w->row.rule.subject);
		add_rule_subject(plan, span_str(old_subject));
		return;
	case STORE_KEY:
		add_subject(plan, "d:", w->row.key.domain);
		return;
	case STORE_BINDING:
		add_subject(plan, "b:", SPAN_EMPTY);
		return;
	case STORE_TOKEN:
	case STORE_PROVIDER:
	case STORE_QUOTA:
	case STORE_REPLY:
	case STORE_AUDIT:
		break;
	}
}

/* ---- Zimbra ---- */

/* Does the domain show this very key? One who died may have shown another one of this selector. */
static bool
shows(const struct ldapstore_known *domain, const struct store_key *row)
{
	struct buf record;
	bool same;

	if (domain->mirror_public == NULL)
		return false;
	buf_init(&record, LDAPSTORE_TEXT_MAX * 2);
	ldapstore_mirror_record(row, &record);
	same = span_eq_str(buf_span(&record), domain->mirror_public);
	buf_free(&record);
	return same;
}

/* The one key that a domain may show there is of RSA and signs now. */
enum status
ldapstore_plan_mirror(struct ldapstore_check *c, struct ldapstore_step *step, struct buf *name,
    const struct ldapstore_known *known)
{
	const struct store_key key = ldapstore_step_key(step), *row = &key;
	struct ldapstore_known *domain, *shown = NULL;
	bool has_pem = step->write->mirror_pem.n > 0;
	bool signs, is_shown;
	enum status status;

	if (step->write->what != STORE_KEY)
		return ST_OK;
	ldapstore_dn_domain(name, c->plan->store->base, row->domain);
	status = ldapstore_know(c, buf_text(name), &domain);
	if (status != ST_OK || !domain->mirror)
		return status;
	signs = step->write->how != WRITE_REMOVE && span_eq_str(row->algorithm, "rsa-sha256") &&
		key_may_sign(&row->times, c->plan->now_utc);
	is_shown =
	    domain->mirror_selector != NULL && span_eq_str(row->selector, domain->mirror_selector);
	step->domain = domain;
	step->mirror_class = domain->mirrored;
	step->mirror =
	    signs &&
	    (!is_shown || ((has_pem || ldapstore_is_slot(step->write)) && !shows(domain, row)));
	/* What the life cycle notes of a key that signed before needs no private key. */
	if (step->write->life && !has_pem && key_may_sign(&known->times, c->plan->now_utc))
		step->mirror = false;
	step->unmirror = !signs && is_shown;
	if (!step->mirror || is_shown || domain->mirror_selector == NULL)
		return ST_OK;
	ldapstore_dn_key(
	    name, c->plan->store->base, row->domain, span_str(domain->mirror_selector));
	status = ldapstore_know(c, buf_text(name), &shown);
	step->shown = shown;
	return status;
}

/* What is shown stays so while it signs and nothing newer begins to: a key that is only sealed anew
 * takes no other one's place. */
static bool
stays_shown(const struct ldapstore_plan *plan, const struct ldapstore_step *step)
{
	const struct ldapstore_known *shown = step->shown;

	return shown != NULL && shown->there && key_may_sign(&shown->times, plan->now_utc) &&
	       shown->times.active >= step->write->row.key.times.active;
}

/* Of several keys of a domain that begin to sign the newest is shown; and what ends is not taken
 * away when another one comes in its place. */
static void
settle_mirror(struct ldapstore_plan *plan, struct ldapstore_step *step)
{
	const struct store_key *row = &step->write->row.key;

	for (size_t k = 0; k < plan->count && (step->mirror || step->unmirror); k++) {
		const struct ldapstore_step *other = &plan->steps[k];

		if (other == step || !other->mirror ||
		    !span_eq(other->write->row.key.domain, row->domain))
			continue;
		if (step->unmirror || other->write->row.key.times.active >= row->times.active)
			step->mirror = step->unmirror = false;
	}
}

enum status
ldapstore_plan_mirrors(struct ldapstore_check *c)
{
	struct ldapstore_plan *plan = c->plan;

	for (size_t i = 0; i < plan->count; i++)
		if (plan->steps[i].mirror && stays_shown(plan, &plan->steps[i]))
			plan->steps[i].mirror = false;
	for (size_t i = 0; i < plan->count; i++)
		settle_mirror(plan, &plan->steps[i]);
	for (size_t i = 0; i < plan->count; i++) {
		const struct ldapstore_step *step = &plan->steps[i];

		if (!step->mirror || step->write->mirror_pem.n > 0)
			continue;
		plan->at = step->at;
		return ldapstore_refuse(c, ST_INVALID, step->domain->dn,
		    "signpostMirrorZimbra is TRUE, so the key that becomes active is needed as PEM "
		    "too (mirror_pem), for DKIMKey; can the site key open it?");
	}
	return ST_OK;
}

/* ---- the order ---- */

enum phase {
	PHASE_TENANT,
	PHASE_POLICY,
	PHASE_DOMAIN,
	PHASE_KEY_SIGNS, /* first who may sign from now on ... */
	PHASE_NAMES,
	PHASE_KEY_STOPS, /* ... then who may not any more */
	PHASE_DUE,       /* that all of this was done */
	PHASE_REMOVE_BINDING,
	PHASE_REMOVE_RULE,
	PHASE_REMOVE_KEY,
	PHASE_REMOVE_DOMAIN,
	PHASE_REMOVE_POLICY,
	PHASE_REMOVE_TENANT
};

int
ldapstore_plan_phase(const struct keystore_write *w, int64_t now_utc)
{
	static const int removes[] = {[STORE_TENANT] = PHASE_REMOVE_TENANT,
	    [STORE_POLICY] = PHASE_REMOVE_POLICY,
	    [STORE_DOMAIN] = PHASE_REMOVE_DOMAIN,
	    [STORE_RULE] = PHASE_REMOVE_RULE,
	    [STORE_KEY] = PHASE_REMOVE_KEY,
	    [STORE_BINDING] = PHASE_REMOVE_BINDING};

	if (w->how == WRITE_REMOVE)
		return removes[w->what];
	switch (w->what) {
	case STORE_TENANT:
		return PHASE_TENANT;
	case STORE_POLICY:
		return PHASE_POLICY;
	case STORE_DOMAIN:
		if (w->life)
			return PHASE_DUE;
		return w->row.domain.signs_as.n > 0 ? PHASE_NAMES : PHASE_DOMAIN;
	case STORE_KEY:
		return key_may_sign(&w->row.key.times, now_utc) ? PHASE_KEY_SIGNS : PHASE_KEY_STOPS;
	default:
		return PHASE_NAMES;
	}
}

/* What is written twice is written in the order of the batch, and so is all around it. */
static void
keep_order_of_twins(struct ldapstore_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		for (size_t k = i + 1; k < plan->count; k++)
			if (strcmp(plan->steps[i].dn, plan->steps[k].dn) == 0) {
				for (size_t s = 0; s < plan->count; s++)
					plan->steps[s].phase = 0;
				return;
			}
}

static int
by_phase(const void *left, const void *right)
{
	const struct ldapstore_step *a = left, *b = right;

	if (a->phase != b->phase)
		return a->phase < b->phase ? -1 : 1;
	return (a->at > b->at) - (a->at < b->at);
}

void
ldapstore_plan_order(struct ldapstore_plan *plan)
{
	keep_order_of_twins(plan);
	qsort(plan->steps, plan->count, sizeof(plan->steps[0]), by_phase);
}
