/*
 * keystore_ldap_check.c - may these rows be written? All of them are looked at before the first one
 * is written, as a directory takes nothing back.
 * Called by the writer.
 * It must never let one tenant's row take or name what is another's, nor a published key go.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/keystore_ldap_private.h"
#include "lib/base/mem.h"

/* The questions of a check go over one connection. */
struct check {
	struct ldapstore_plan *plan;
	struct ldaplink *link;
	int64_t deadline_ms;
	struct ldaplink_end *end;
	struct err *err;
};

static enum status
refuse(struct check *c, enum status status, const char *dn, const char *why)
{
	err_set(c->err, "%.200s: %s", dn, why);
	return status;
}

/* ---- what is there ---- */

static char *
copy_value(const struct ldapentry *entry, enum ldapstore_attribute attribute)
{
	const struct ldapentry_values *found = &entry->values[attribute];

	return found->count == 0 ? NULL : span_dup(found->items[0]);
}

static bool
has_class(const struct ldapentry *entry, const char *name)
{
	const struct ldapentry_values *found = &entry->values[LDAPSTORE_CLASS];

	for (size_t i = 0; i < found->count; i++)
		if (span_ieq_str(found->items[i], name))
			return true;
	return false;
}

/* Only what nobody out there can have seen may go. */
static bool
was_published(const struct key_times *t)
{
	return t->published > 0 || t->proven > 0 || t->loaded > 0 || t->active > 0 ||
	       t->retiring > 0 || t->revoking > 0 || t->revoked > 0 || t->removed > 0 ||
	       t->destroyed > 0 || (t->publishing > 0 && t->failed == 0);
}

static enum status
know_key(struct ldapstore_known *known, const struct ldapentry *entry, struct err *err)
{
	struct store_key row;
	enum status status = ldapstore_key(entry, &row, err);

	if (status != ST_OK)
		return status;
	known->key_revision = row.revision;
	known->published = was_published(&row.times);
	known->id = span_dup(row.id);
	return ST_OK;
}

static enum status
know_entry(void *context, const struct ldapentry *entry, struct err *err)
{
	struct ldapstore_known *known = context;
	const struct ldapentry_values *revision = &entry->values[LDAPSTORE_REVISION];
	int64_t number = 0;

	known->there = true;
	if (revision->count > 0 &&
	    ldapstore_read_number(revision->items[0], 0, INT64_MAX - 1, &number) != ST_OK) {
		err_set(err, "%.200s: signpostRevision is no number", known->dn);
		return ST_INVALID;
	}
	known->revision = (uint64_t)number;
	known->owner = copy_value(entry, LDAPSTORE_OWNER);
	known->subject = copy_value(entry, LDAPSTORE_SUBJECT);
	known->mirror_selector = copy_value(entry, LDAPSTORE_MIRROR_SELECTOR);
	known->mirrored = has_class(entry, "DKIM");
	known->mirror = entry->values[LDAPSTORE_MIRROR].count > 0 &&
			span_eq_str(entry->values[LDAPSTORE_MIRROR].items[0], "TRUE");
	return has_class(entry, "signpostKey") ? know_key(known, entry, err) : ST_OK;
}

static enum status
search(struct check *c, const char *base, enum ldapurl_scope scope, const char *filter,
    size_t entries_max, ldapentry_visit *visit, void *context)
{
	struct ldapstore_stage stage = {.search = {base, filter, scope, ldapstore_row_attributes,
					    entries_max, scope == LDAPURL_BASE, true, 0},
	    .visit = visit,
	    .context = context,
	    .any_number = true};

	return ldapstore_ask(c->plan->store, c->link, &stage, 1, c->deadline_ms, c->end, c->err);
}

/* As it will be when the writes before this one are done. */
static enum status
know(struct check *c, const char *dn, struct ldapstore_known **out)
{
	struct ldapstore_plan *plan = c->plan;
	struct ldapstore_known *known;

	for (size_t i = 0; i < plan->known_count; i++)
		if (strcmp(plan->known[i].dn, dn) == 0) {
			*out = &plan->known[i];
			return ST_OK;
		}
	known = &plan->known[plan->known_count++];
	known->dn = mem_strdup(dn);
	*out = known;
	return search(c, dn, LDAPURL_BASE, "(objectClass=*)", 1, know_entry, known);
}

/* ---- does something hang on it? ---- */

struct hanging {
	const struct ldapstore_plan *plan;
	bool some;
};

static void
name_of(const struct ldapentry *entry, const char *base, struct buf *out)
{
	const struct ldapentry_values *v = entry->values;
	struct span names[LDAPSTORE_ATTRIBUTES];

	for (size_t i = 0; i < LDAPSTORE_CHANGES_FROM; i++)
		names[i] = v[i].count == 0 ? SPAN_EMPTY : v[i].items[0];
	buf_reset(out);
	switch (ldapstore_kind(entry)) {
	case LDAPSTORE_POLICY_ENTRY:
		ldapstore_dn_policy(
		    out, base, names[LDAPSTORE_OWNER], names[LDAPSTORE_POLICY_NAME]);
		return;
	case LDAPSTORE_RULE:
		ldapstore_dn_rule(out, base, names[LDAPSTORE_OWNER], names[LDAPSTORE_RULE_ID]);
		return;
	case LDAPSTORE_DOMAIN:
		ldapstore_dn_domain(out, base, names[LDAPSTORE_DOMAIN_NAME]);
		return;
	case LDAPSTORE_KEY:
		ldapstore_dn_key(out, base, names[LDAPSTORE_KEY_DOMAIN], names[LDAPSTORE_SELECTOR]);
		return;
	case LDAPSTORE_BINDING:
		ldapstore_dn_binding(out, base, names[LDAPSTORE_BINDING_SUBJECT]);
		return;
	default:
		return;
	}
}

/* What an earlier write of the batch removes does not hang there any more. */
static enum status
take_hanging(void *context, const struct ldapentry *entry, struct err *err)
{
	struct hanging *h = context;
	struct buf name;
	bool gone = false;

	(void)err;
	buf_init(&name, LDAPSTORE_TEXT_MAX);
	name_of(entry, h->plan->store->base, &name);
	for (size_t i = 0; i < h->plan->known_count; i++)
		gone = gone || (!h->plan->known[i].there &&
				   strcmp(h->plan->known[i].dn, buf_text(&name)) == 0);
	buf_free(&name);
	h->some = h->some || !gone;
	return ST_OK;
}

/* owner: only rows of this tenant count, or all if it is empty. */
static enum status
none_hangs(
    struct check *c, const char *dn, const char *attribute, struct span value, struct span owner)
{
	struct hanging h = {c->plan, false};
	struct buf filter;
	enum status status;

	buf_init(&filter, LDAPSTORE_TEXT_MAX);
	buf_add_str(&filter, "(&(");
	buf_add_str(&filter, attribute);
	buf_add_char(&filter, '=');
	ldapurl_escape_filter(&filter, value);
	buf_add_str(&filter, owner.n > 0 ? ")(signpostOwner=" : "");
	ldapurl_escape_filter(&filter, owner);
	buf_add_str(&filter, "))");
	status = search(c, c->plan->store->base, LDAPURL_SUB, buf_text(&filter),
	    c->plan->known_count + 1, take_hanging, &h);
	buf_free(&filter);
	if (status == ST_OK && h.some)
		return refuse(c, ST_DENIED, dn, "something still hangs on it");
	return status;
}

static enum status
none_added(struct check *c, const char *dn, struct span owner)
{
	for (size_t i = 0; i < c->plan->known_count; i++) {
		const struct ldapstore_known *known = &c->plan->known[i];

		if (known->there && known->owner != NULL && strcmp(known->dn, dn) != 0 &&
		    span_eq_str(owner, known->owner))
			return refuse(c, ST_DENIED, dn, "something still hangs on it");
	}
	return ST_OK;
}

/* ---- rows that are named ---- */

static enum status
need(struct check *c, struct buf *name, struct span tenant, const char *what)
{
	struct ldapstore_known *known;
	enum status status = know(c, buf_text(name), &known);

	if (status != ST_OK)
		return status;
	/* That it is another tenant's is nobody's business. */
	if (!known->there ||
	    (tenant.n > 0 && (known->owner == NULL || !span_eq_str(tenant, known->owner))))
		return refuse(c, ST_ABSENT, known->dn, what);
	return ST_OK;
}

static enum status
need_tenant(struct check *c, struct buf *name, struct span tenant)
{
	ldapstore_dn_tenant(name, c->plan->store->base, tenant);
	return need(c, name, SPAN_EMPTY, "the tenant is not there");
}

static enum status
need_domain(struct check *c, struct buf *name, struct span domain, struct span tenant)
{
	ldapstore_dn_domain(name, c->plan->store->base, domain);
	return need(c, name, tenant, "the tenant has no such domain");
}

static enum status
need_named(struct check *c, const struct keystore_write *w, struct buf *name)
{
	enum status status = ST_OK;

	switch (w->what) {
	case STORE_TENANT:
		return ST_OK;
	case STORE_POLICY:
		return need_tenant(c, name, w->row.policy.tenant);
	case STORE_DOMAIN:
		status = need_tenant(c, name, w->row.domain.tenant);
		if (status == ST_OK && w->row.domain.signs_as.n > 0)
			status = need_domain(c, name, w->row.domain.signs_as, w->row.domain.tenant);
		if (status != ST_OK || w->row.domain.policy.n == 0)
			return status;
		ldapstore_dn_policy(
		    name, c->plan->store->base, w->row.domain.tenant, w->row.domain.policy);
		return need(c, name, w->row.domain.tenant, "the tenant has no such policy");
	case STORE_RULE:
		return need_domain(c, name, w->row.rule.domain, w->row.rule.tenant);
	case STORE_KEY:
		return need_domain(c, name, w->row.key.domain, w->row.key.tenant);
	case STORE_BINDING:
		return need_tenant(c, name, w->row.binding.tenant);
	}
	return status;
}

static enum status
none_hangs_on(struct check *c, const struct keystore_write *w, const char *dn)
{
	enum status status;

	if (w->what == STORE_TENANT) {
		status = none_added(c, dn, w->row.tenant.name);
		return status != ST_OK
			   ? status
			   : none_hangs(c, dn, "signpostOwner", w->row.tenant.name, SPAN_EMPTY);
	}
	if (w->what == STORE_POLICY)
		return none_hangs(
		    c, dn, "signpostPolicyUsed", w->row.policy.name, w->row.policy.tenant);
	if (w->what != STORE_DOMAIN)
		return ST_OK;
	status = none_hangs(c, dn, "signpostKeyDomain", w->row.domain.name, SPAN_EMPTY);
	if (status == ST_OK)
		status = none_hangs(c, dn, "signpostSigningDomain", w->row.domain.name, SPAN_EMPTY);
	return status != ST_OK
		   ? status
		   : none_hangs(c, dn, "signpostSignsAs", w->row.domain.name, SPAN_EMPTY);
}

/* ---- one write ---- */

static struct span
owner_of(const struct keystore_write *w)
{
	switch (w->what) {
	case STORE_POLICY:
		return w->row.policy.tenant;
	case STORE_DOMAIN:
		return w->row.domain.tenant;
	case STORE_RULE:
		return w->row.rule.tenant;
	case STORE_KEY:
		return w->row.key.tenant;
	case STORE_BINDING:
		return w->row.binding.tenant;
	default:
		return SPAN_EMPTY;
	}
}

static uint64_t
revision_of(const struct keystore_write *w)
{
	switch (w->what) {
	case STORE_TENANT:
		return w->row.tenant.revision;
	case STORE_POLICY:
		return w->row.policy.revision;
	case STORE_DOMAIN:
		return w->row.domain.revision;
	case STORE_RULE:
		return w->row.rule.revision;
	case STORE_KEY:
		return w->row.key.row_revision;
	default:
		return 0;
	}
}

static void
own_name(const struct keystore_write *w, const char *base, struct buf *name)
{
	switch (w->what) {
	case STORE_TENANT:
		ldapstore_dn_tenant(name, base, w->row.tenant.name);
		return;
	case STORE_POLICY:
		ldapstore_dn_policy(name, base, w->row.policy.tenant, w->row.policy.name);
		return;
	case STORE_DOMAIN:
		ldapstore_dn_domain(name, base, w->row.domain.name);
		return;
	case STORE_RULE:
		ldapstore_dn_rule(name, base, w->row.rule.tenant, w->row.rule.id);
		return;
	case STORE_KEY:
		ldapstore_dn_key(name, base, w->row.key.domain, w->row.key.selector);
		return;
	case STORE_BINDING:
		ldapstore_dn_binding(name, base, w->row.binding.subject);
		return;
	}
}

/* A binding may be given to another tenant by a change; nothing else may. */
static enum status
check_there(struct check *c, const struct keystore_write *w, const struct ldapstore_known *known)
{
	struct span owner = owner_of(w);
	bool moves = w->what == STORE_BINDING && w->how != WRITE_REMOVE;

	if (w->how == WRITE_ADD)
		return refuse(c, ST_DENIED, known->dn, "there already, or another tenant's");
	if (owner.n > 0 && !moves && (known->owner == NULL || !span_eq_str(owner, known->owner)))
		return refuse(c, ST_DENIED, known->dn, "it is another tenant's");
	if (revision_of(w) != 0 && revision_of(w) != known->revision) {
		err_set(c->err, "%.200s: it was changed meanwhile; its revision is %llu now",
		    known->dn, (unsigned long long)known->revision);
		return ST_DENIED;
	}
	if (w->what != STORE_KEY)
		return ST_OK;
	if (known->id == NULL || !span_eq_str(w->row.key.id, known->id))
		return refuse(c, ST_DENIED, known->dn, "it is the selector of another key");
	if (w->how == WRITE_REMOVE)
		return known->published
			   ? refuse(c, ST_DENIED, known->dn,
				 "it was published; its entry stays, so that the selector cannot "
				 "come back")
			   : ST_OK;
	return w->row.key.revision < known->key_revision
		   ? refuse(c, ST_DENIED, known->dn, "it was sealed anew meanwhile")
		   : ST_OK;
}

/* The ids of keys are one row of names for the whole store. */
static enum status
check_new_id(struct check *c, const struct keystore_write *w, const char *dn)
{
	enum status status;

	if (w->what != STORE_KEY)
		return ST_OK;
	for (size_t i = 0; i < c->plan->known_count; i++) {
		const struct ldapstore_known *known = &c->plan->known[i];

		if (known->there && known->id != NULL && strcmp(known->dn, dn) != 0 &&
		    span_eq_str(w->row.key.id, known->id))
			return refuse(c, ST_DENIED, dn, "another key has this id");
	}
	status = none_hangs(c, dn, "signpostKeyId", w->row.key.id, SPAN_EMPTY);
	return status == ST_DENIED ? refuse(c, ST_DENIED, dn, "another key has this id") : status;
}

/* A name that cannot be is not there. */
static bool
may_be_there(const struct keystore_write *w)
{
	switch (w->what) {
	case STORE_TENANT:
		return keystore_tenant_is_valid(w->row.tenant.name);
	case STORE_POLICY:
		return keystore_tenant_is_valid(w->row.policy.tenant) &&
		       keystore_tenant_is_valid(w->row.policy.name);
	case STORE_DOMAIN:
		return keystore_domain_is_valid(w->row.domain.name);
	case STORE_RULE:
		return keystore_tenant_is_valid(w->row.rule.tenant) && w->row.rule.id.n > 0 &&
		       span_is_text(w->row.rule.id);
	case STORE_KEY:
		return keystore_domain_is_valid(w->row.key.domain) &&
		       keystore_domain_is_valid(w->row.key.selector);
	case STORE_BINDING:
		return w->row.binding.subject.n > 0 && span_is_text(w->row.binding.subject) &&
		       w->row.binding.subject.n <= KEYSTORE_SUBJECT_MAX;
	}
	return false;
}

static void
replace_text(char **to, struct span text)
{
	mem_free(*to);
	*to = text.n == 0 ? NULL : span_dup(text);
}

/* The batch goes on as if this write had been done. */
static void
suppose(struct ldapstore_known *known, const struct keystore_write *w, uint64_t revision)
{
	if (w->how == WRITE_REMOVE) {
		known->there = false;
		known->revision = known->key_revision = 0;
		return;
	}
	known->revision = revision;
	known->there = true;
	replace_text(&known->owner, owner_of(w));
	if (w->what == STORE_RULE)
		replace_text(&known->subject, w->row.rule.subject);
	if (w->what != STORE_KEY)
		return;
	known->published = known->published || was_published(&w->row.key.times);
	known->key_revision = w->row.key.revision;
	replace_text(&known->id, w->row.key.id);
}

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

static void
add_subjects(struct ldapstore_plan *plan, const struct keystore_write *w, const char *old_subject)
{
	switch (w->what) {
	case STORE_TENANT:
		add_subject(plan, "t:", w->row.tenant.name);
		return;
	case STORE_POLICY:
		add_subject(plan, "t:", w->row.policy.tenant);
		return;
	case STORE_DOMAIN:
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
	}
}

/* ---- Zimbra ---- */

/* The one key that a domain may show there is of RSA, signs now, and its PEM is known. */
static enum status
check_mirror(struct check *c, struct ldapstore_step *step, struct buf *name)
{
	const struct store_key *row = &step->write->row.key;
	struct ldapstore_known *domain;
	bool signs, shown;
	enum status status;

	if (step->write->what != STORE_KEY)
		return ST_OK;
	ldapstore_dn_domain(name, c->plan->store->base, row->domain);
	status = know(c, buf_text(name), &domain);
	if (status != ST_OK || !domain->mirror)
		return status;
	signs = step->write->how != WRITE_REMOVE && span_eq_str(row->algorithm, "rsa-sha256") &&
		key_may_sign(&row->times, c->plan->now_utc);
	shown =
	    domain->mirror_selector != NULL && span_eq_str(row->selector, domain->mirror_selector);
	step->mirror_class = domain->mirrored;
	step->mirror = signs && !shown;
	step->unmirror = !signs && shown;
	if (step->mirror && step->write->mirror_pem.n == 0)
		return refuse(c, ST_INVALID, domain->dn,
		    "signpostMirrorZimbra is TRUE, so the key that becomes active is needed as PEM "
		    "too (mirror_pem), for DKIMKey");
	return ST_OK;
}

/* Of several keys of a domain that begin to sign the newest is shown; and what ends is not taken
 * away when another one comes in its place. */
static void
settle_mirrors(struct ldapstore_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		struct ldapstore_step *step = &plan->steps[i];
		const struct store_key *row = &step->write->row.key;

		for (size_t k = 0; k < plan->count && (step->mirror || step->unmirror); k++) {
			const struct ldapstore_step *other = &plan->steps[k];

			if (k == i || !other->mirror ||
			    !span_eq(other->write->row.key.domain, row->domain))
				continue;
			if (step->unmirror ||
			    other->write->row.key.times.active >= row->times.active)
				step->mirror = step->unmirror = false;
		}
	}
}

/* ---- the batch ---- */

enum phase {
	PHASE_TENANT,
	PHASE_POLICY,
	PHASE_DOMAIN,
	PHASE_KEY_SIGNS, /* first who may sign from now on ... */
	PHASE_NAMES,
	PHASE_KEY_STOPS, /* ... then who may not any more */
	PHASE_REMOVE_BINDING,
	PHASE_REMOVE_RULE,
	PHASE_REMOVE_KEY,
	PHASE_REMOVE_DOMAIN,
	PHASE_REMOVE_POLICY,
	PHASE_REMOVE_TENANT
};

static int
phase_of(const struct keystore_write *w, int64_t now_utc)
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
		return w->row.domain.signs_as.n > 0 ? PHASE_NAMES : PHASE_DOMAIN;
	case STORE_KEY:
		return key_may_sign(&w->row.key.times, now_utc) ? PHASE_KEY_SIGNS : PHASE_KEY_STOPS;
	default:
		return PHASE_NAMES;
	}
}

static enum status
check_write(
    struct check *c, const struct keystore_write *w, struct ldapstore_step *step, struct buf *name)
{
	struct ldapstore_known *known;
	enum status status = ST_OK;

	if (w->how == WRITE_REMOVE && !may_be_there(w))
		return refuse(c, ST_ABSENT, "the row to be removed", "no row has such a name");
	own_name(w, c->plan->store->base, name);
	step->write = w;
	step->dn = mem_strdup(buf_text(name));
	step->phase = phase_of(w, c->plan->now_utc);
	status = know(c, step->dn, &known);
	if (status != ST_OK)
		return status;
	if (known->there)
		status = check_there(c, w, known);
	else if (w->how == WRITE_CHANGE || w->how == WRITE_REMOVE)
		return refuse(c, ST_ABSENT, known->dn, "there is none");
	else
		status = check_new_id(c, w, known->dn);
	if (status == ST_OK)
		status =
		    w->how == WRITE_REMOVE ? none_hangs_on(c, w, step->dn) : need_named(c, w, name);
	if (status == ST_OK)
		status = check_mirror(c, step, name);
	if (status != ST_OK)
		return status;
	step->add = !known->there;
	step->old = known->revision;
	/* That of the epoch to come, if nobody is faster: what is made anew does not begin anew. */
	step->new = (step->old > c->plan->epoch ? step->old : c->plan->epoch) + 1;
	add_subjects(c->plan, w, known->subject);
	suppose(known, w, step->new);
	return ST_OK;
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

struct epoch {
	uint64_t epoch;
	bool there;
};

static enum status
take_epoch(void *context, const struct ldapentry *entry, struct err *err)
{
	struct epoch *e = context;

	e->there = ldapstore_kind(entry) == LDAPSTORE_STORE;
	return e->there ? ldapstore_epoch(entry, &e->epoch, err) : ST_OK;
}

static enum status
read_epoch(struct check *c, struct buf *name)
{
	struct epoch e = {0, false};
	enum status status;

	ldapstore_dn_store(name, c->plan->store->base);
	status = search(
	    c, buf_text(name), LDAPURL_BASE, "(objectClass=signpostStore)", 1, take_epoch, &e);
	c->plan->epoch = e.epoch;
	return status == ST_OK && !e.there ? ldapstore_no_store(c->plan->store, c->err) : status;
}

enum status
ldapstore_check(struct ldapstore_plan *plan, struct ldaplink *link, int64_t deadline_ms,
    struct ldaplink_end *end, struct err *err)
{
	struct check c = {plan, link, deadline_ms, end, err};
	enum status status = ST_OK;
	struct buf name;

	/* Of one write at most: itself, tenant, domain, policy, and the domain again. */
	plan->steps = mem_zalloc(plan->count, sizeof(plan->steps[0]));
	plan->known = mem_zalloc(plan->count * 5, sizeof(plan->known[0]));
	plan->subjects = mem_zalloc(plan->count * 3 + 1, sizeof(plan->subjects[0]));
	buf_init(&name, LDAPSTORE_TEXT_MAX);
	status = read_epoch(&c, &name);
	for (plan->at = status == ST_OK ? 0 : plan->count;
	     plan->at < plan->count && status == ST_OK;) {
		plan->steps[plan->at].at = plan->at;
		status = check_write(&c, &plan->writes[plan->at], &plan->steps[plan->at], &name);
		plan->at += status == ST_OK;
	}
	buf_free(&name);
	if (status != ST_OK)
		return status;
	settle_mirrors(plan);
	keep_order_of_twins(plan);
	qsort(plan->steps, plan->count, sizeof(plan->steps[0]), by_phase);
	return ST_OK;
}

void
ldapstore_plan_free(struct ldapstore_plan *plan)
{
	for (size_t i = 0; i < plan->count && plan->steps != NULL; i++)
		mem_free(plan->steps[i].dn);
	for (size_t i = 0; i < plan->known_count; i++) {
		mem_free(plan->known[i].dn);
		mem_free(plan->known[i].owner);
		mem_free(plan->known[i].id);
		mem_free(plan->known[i].subject);
		mem_free(plan->known[i].mirror_selector);
	}
	mem_free(plan->steps);
	mem_free(plan->known);
	mem_free(plan->subjects);
	plan->steps = NULL;
	plan->known = NULL;
	plan->subjects = NULL;
	plan->known_count = plan->subject_count = 0;
}
