/*
 * keystore_ldap_check.c - may these rows be written? All of them are looked at before the first one
 * is written, as a directory takes nothing back.
 * Called by the writer.
 * It must never let one tenant's row take or name what is another's, nor a published key go.
 */
#include <string.h>

#include "backends/keystore_ldap_private.h"
#include "lib/base/mem.h"

/* ---- rows that are named ---- */

static enum status
need(struct ldapstore_check *c, struct buf *name, struct span tenant, const char *what)
{
	struct ldapstore_known *known;
	enum status status = ldapstore_know(c, buf_text(name), &known);

	if (status != ST_OK)
		return status;
	/* That it is another tenant's is nobody's business. */
	if (!known->there ||
	    (tenant.n > 0 && (known->owner == NULL || !span_eq_str(tenant, known->owner))))
		return ldapstore_refuse(c, ST_ABSENT, known->dn, what);
	return ST_OK;
}

static enum status
need_tenant(struct ldapstore_check *c, struct buf *name, struct span tenant)
{
	ldapstore_dn_tenant(name, c->plan->store->base, tenant);
	return need(c, name, SPAN_EMPTY, "the tenant is not there");
}

static enum status
need_domain(struct ldapstore_check *c, struct buf *name, struct span domain, struct span tenant)
{
	ldapstore_dn_domain(name, c->plan->store->base, domain);
	return need(c, name, tenant, "the tenant has no such domain");
}

static enum status
need_named(struct ldapstore_check *c, const struct keystore_write *w, struct buf *name)
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
	case STORE_TOKEN:
	case STORE_PROVIDER:
	case STORE_QUOTA:
	case STORE_REPLY:
	case STORE_AUDIT:
		break;
	}
	return status;
}

static enum status
none_hangs_on(struct ldapstore_check *c, const struct keystore_write *w, const char *dn)
{
	enum status status;

	if (w->what == STORE_TENANT) {
		status = ldapstore_none_added(c, dn, w->row.tenant.name);
		return status != ST_OK ? status
				       : ldapstore_none_hangs(c, dn, "signpostOwner",
					     w->row.tenant.name, SPAN_EMPTY);
	}
	if (w->what == STORE_POLICY)
		return ldapstore_none_hangs(
		    c, dn, "signpostPolicyUsed", w->row.policy.name, w->row.policy.tenant);
	if (w->what != STORE_DOMAIN)
		return ST_OK;
	status = ldapstore_none_hangs(c, dn, "signpostKeyDomain", w->row.domain.name, SPAN_EMPTY);
	if (status == ST_OK)
		status = ldapstore_none_hangs(
		    c, dn, "signpostSigningDomain", w->row.domain.name, SPAN_EMPTY);
	return status != ST_OK
		   ? status
		   : ldapstore_none_hangs(c, dn, "signpostSignsAs", w->row.domain.name, SPAN_EMPTY);
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
	case STORE_TOKEN:
	case STORE_PROVIDER:
	case STORE_QUOTA:
	case STORE_REPLY:
	case STORE_AUDIT:
		break;
	}
}

/* The ids of keys are one row of names for the whole store. */
static enum status
check_new_id(struct ldapstore_check *c, const struct keystore_write *w, const char *dn)
{
	enum status status;

	if (w->what != STORE_KEY)
		return ST_OK;
	for (size_t i = 0; i < c->plan->known_count; i++) {
		const struct ldapstore_known *known = &c->plan->known[i];

		if (known->there && known->id != NULL && strcmp(known->dn, dn) != 0 &&
		    span_eq_str(w->row.key.id, known->id))
			return ldapstore_refuse(c, ST_DENIED, dn, "another key has this id");
	}
	status = ldapstore_none_hangs(c, dn, "signpostKeyId", w->row.key.id, SPAN_EMPTY);
	return status == ST_DENIED ? ldapstore_refuse(c, ST_DENIED, dn, "another key has this id")
				   : status;
}

/* Its owner and revision are right. The former key's id is found in the entry itself. */
static enum status
check_slot(
    struct ldapstore_check *c, const struct keystore_write *w, const struct ldapstore_known *known)
{
	if (known->times.destroyed <= 0)
		return ldapstore_refuse(
		    c, ST_DENIED, known->dn, "its key is not destroyed, and keeps the slot");
	if (w->row.key.revision <= known->key_revision)
		return ldapstore_refuse(
		    c, ST_DENIED, known->dn, "who takes the slot over needs a higher revision");
	return check_new_id(c, w, known->dn);
}

/* A binding may be given to another tenant by a change; nothing else may. */
static enum status
check_there(
    struct ldapstore_check *c, const struct keystore_write *w, const struct ldapstore_known *known)
{
	struct span owner = owner_of(w);
	bool moves = w->what == STORE_BINDING && w->how != WRITE_REMOVE;

	if (w->how == WRITE_ADD)
		return ldapstore_refuse(
		    c, ST_DENIED, known->dn, "there already, or another tenant's");
	if (owner.n > 0 && !moves && (known->owner == NULL || !span_eq_str(owner, known->owner)))
		return ldapstore_refuse(c, ST_DENIED, known->dn, "it is another tenant's");
	if (revision_of(w) != 0 && revision_of(w) != known->revision) {
		err_set(c->err, "%.200s: it was changed meanwhile; its revision is %llu now",
		    known->dn, (unsigned long long)known->revision);
		return ST_DENIED;
	}
	if (w->what != STORE_KEY)
		return ST_OK;
	if (ldapstore_is_slot(w))
		return check_slot(c, w, known);
	if (known->id == NULL || !span_eq_str(w->row.key.id, known->id))
		return ldapstore_refuse(
		    c, ST_DENIED, known->dn, "it is the selector of another key");
	if (w->life)
		return ST_OK;
	if (w->how == WRITE_REMOVE)
		return known->published
			   ? ldapstore_refuse(c, ST_DENIED, known->dn,
				 "it was published; its entry stays, so that the selector cannot "
				 "come back")
			   : ST_OK;
	return w->row.key.revision < known->key_revision
		   ? ldapstore_refuse(c, ST_DENIED, known->dn, "it was sealed anew meanwhile")
		   : ST_OK;
}

static bool
is_id(struct span id)
{
	for (size_t i = 0; i < id.n; i++) {
		char c = ascii_lower(id.p[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return id.n > 0 && id.n <= KEYSTORE_ID_MAX;
}

/* A name that cannot be is not there; the directory might hold it for that of another row, as it
 * overlooks blanks. */
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
		return keystore_tenant_is_valid(w->row.rule.tenant) && is_id(w->row.rule.id);
	case STORE_KEY:
		return keystore_domain_is_valid(w->row.key.domain) &&
		       keystore_domain_is_valid(w->row.key.selector);
	case STORE_BINDING:
		return keystore_write_check(w, NULL) == ST_OK;
	case STORE_TOKEN:
	case STORE_PROVIDER:
	case STORE_QUOTA:
	case STORE_REPLY:
	case STORE_AUDIT:
		break;
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
	known->published = (known->published && !ldapstore_is_slot(w)) ||
			   ldapstore_was_published(&w->row.key.times);
	known->times = w->row.key.times;
	if (w->life && !ldapstore_is_slot(w))
		return;
	known->key_revision = w->row.key.revision;
	replace_text(&known->id, w->row.key.id);
	replace_text(&known->algorithm, w->row.key.algorithm);
	replace_text(&known->public_key, w->row.key.public_key);
}

/* The life cycle does not say what it does not change. */
static void
keep_rest(struct ldapstore_step *step, const struct ldapstore_known *known)
{
	const struct keystore_write *w = step->write;

	if (!w->life || w->what != STORE_KEY)
		return;
	step->loading = w->row.key.loading == KEYSTORE_LOADING_NOW ? 0 : w->row.key.loading;
	if (ldapstore_is_slot(w))
		return;
	step->algorithm = mem_strdup(known->algorithm == NULL ? "" : known->algorithm);
	step->public_key = mem_strdup(known->public_key == NULL ? "" : known->public_key);
}

/* ---- the batch ---- */

static enum status
check_write(struct ldapstore_check *c, const struct keystore_write *w, struct ldapstore_step *step,
    struct buf *name)
{
	struct ldapstore_known *known;
	enum status status = ST_OK;

	if (w->how == WRITE_REMOVE && !may_be_there(w))
		return ldapstore_refuse(
		    c, ST_ABSENT, "the row to be removed", "no row has such a name");
	own_name(w, c->plan->store->base, name);
	step->write = w;
	step->dn = mem_strdup(buf_text(name));
	step->phase = ldapstore_plan_phase(w, c->plan->now_utc);
	status = ldapstore_know(c, step->dn, &known);
	if (status != ST_OK)
		return status;
	if (known->there)
		status = check_there(c, w, known);
	else if (w->how == WRITE_CHANGE || w->how == WRITE_REMOVE || w->life)
		return ldapstore_refuse(c, ST_ABSENT, known->dn, "there is none");
	else
		status = check_new_id(c, w, known->dn);
	if (status == ST_OK && !w->life)
		status =
		    w->how == WRITE_REMOVE ? none_hangs_on(c, w, step->dn) : need_named(c, w, name);
	if (status == ST_OK)
		keep_rest(step, known);
	if (status == ST_OK)
		status = ldapstore_check_crowd(c, step, known);
	if (status == ST_OK)
		status = ldapstore_plan_mirror(c, step, name, known);
	if (status != ST_OK)
		return status;
	c->plan->loads = c->plan->loads || (w->life && w->what == STORE_KEY &&
					       w->row.key.loading == KEYSTORE_LOADING_NOW);
	step->add = !known->there;
	step->old = known->revision;
	/* That of the epoch to come, if nobody is faster: what is made anew does not begin anew. */
	step->new = (step->old > c->plan->epoch ? step->old : c->plan->epoch) + 1;
	ldapstore_plan_subjects(c->plan, w, known->subject);
	suppose(known, w, step->new);
	return ST_OK;
}

struct epoch {
	struct ldapstore_plan *plan;
	bool there;
};

static enum status
take_epoch(void *context, const struct ldapentry *entry, struct err *err)
{
	const struct ldapentry_values *modified = &entry->values[LDAPSTORE_MODIFIED];
	struct epoch *e = context;
	int64_t now_utc;
	enum status status;

	e->there = ldapstore_kind(entry) == LDAPSTORE_STORE;
	if (!e->there)
		return ST_OK;
	status = ldapstore_epoch(entry, &e->plan->epoch, err);
	if (status != ST_OK || e->plan->lease == NULL)
		return status;
	/* It was touched just now. */
	if (modified->count == 1 && ldapstore_read_time(modified->items[0], &now_utc) == ST_OK) {
		ldapstore_set_clock(e->plan->store, now_utc);
		e->plan->now_utc = now_utc;
	}
	return ldapstore_check_lease(e->plan, entry, err);
}

static enum status
read_epoch(struct ldapstore_check *c, struct buf *name)
{
	struct epoch e = {c->plan, false};
	enum status status = ST_OK;

	if (c->plan->lease != NULL)
		status = ldapstore_touch(c->plan->store, c->link, c->deadline_ms, c->end, c->err);
	if (status != ST_OK)
		return status;
	ldapstore_dn_store(name, c->plan->store->base);
	status = ldapstore_check_search(
	    c, buf_text(name), LDAPURL_BASE, "(objectClass=signpostStore)", 1, take_epoch, &e);
	return status == ST_OK && !e.there ? ldapstore_no_store(c->plan->store, c->err) : status;
}

/* Of a directory with the schema of before. */
static enum status
check_room(struct ldapstore_check *c)
{
	bool life = c->plan->lease != NULL;

	for (size_t i = 0; i < c->plan->count; i++)
		life = life || c->plan->writes[i].life;
	return life ? ldapstore_need_life(c->plan->store, c->link, c->deadline_ms, c->end, c->err)
		    : ST_OK;
}

enum status
ldapstore_check(struct ldapstore_plan *plan, struct ldaplink *link, int64_t deadline_ms,
    struct ldaplink_end *end, struct err *err)
{
	struct ldapstore_check c = {plan, link, deadline_ms, end, err};
	enum status status = ST_OK;
	struct buf name;

	/* Of one write at most: itself, tenant, domain, policy, and the key that is shown. */
	plan->steps = mem_zalloc(plan->count, sizeof(plan->steps[0]));
	plan->known = mem_zalloc(plan->count * 5, sizeof(plan->known[0]));
	plan->subjects = mem_zalloc(plan->count * 3 + 1, sizeof(plan->subjects[0]));
	buf_init(&name, LDAPSTORE_TEXT_MAX);
	status = check_room(&c);
	if (status == ST_OK)
		status = read_epoch(&c, &name);
	for (plan->at = status == ST_OK ? 0 : plan->count;
	     plan->at < plan->count && status == ST_OK;) {
		plan->steps[plan->at].at = plan->at;
		status = check_write(&c, &plan->writes[plan->at], &plan->steps[plan->at], &name);
		plan->at += status == ST_OK;
	}
	buf_free(&name);
	if (status == ST_OK)
		status = ldapstore_plan_mirrors(&c);
	if (status != ST_OK)
		return status;
	ldapstore_plan_order(plan);
	return ST_OK;
}

void
ldapstore_plan_free(struct ldapstore_plan *plan)
{
	for (size_t i = 0; i < plan->count && plan->steps != NULL; i++) {
		mem_free(plan->steps[i].dn);
		mem_free(plan->steps[i].algorithm);
		mem_free(plan->steps[i].public_key);
	}
	for (size_t i = 0; i < plan->known_count; i++) {
		mem_free(plan->known[i].dn);
		mem_free(plan->known[i].owner);
		mem_free(plan->known[i].id);
		mem_free(plan->known[i].subject);
		mem_free(plan->known[i].mirror_selector);
		mem_free(plan->known[i].mirror_public);
		mem_free(plan->known[i].algorithm);
		mem_free(plan->known[i].public_key);
	}
	mem_free(plan->steps);
	mem_free(plan->known);
	mem_free(plan->subjects);
	mem_free(plan->crowd_subject);
	plan->crowd_subject = NULL;
	plan->steps = NULL;
	plan->known = NULL;
	plan->subjects = NULL;
	plan->known_count = plan->subject_count = 0;
}
