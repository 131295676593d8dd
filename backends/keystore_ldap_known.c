/*
 * keystore_ldap_known.c - what is in the directory, as far as a batch of writes has to know:
 * entries, and whether something hangs on them. Called by keystore_ldap_check.c before anything is
 * written. It must never forget what an earlier write of the same batch does.
 */
#include <string.h>

#include "backends/keystore_ldap_private.h"
#include "lib/base/mem.h"

enum status
ldapstore_refuse(struct ldapstore_check *c, enum status status, const char *dn, const char *why)
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
bool
ldapstore_was_published(const struct key_times *t)
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
	known->times = row.times;
	known->published = ldapstore_was_published(&row.times);
	known->id = span_dup(row.id);
	known->algorithm = span_dup(row.algorithm);
	known->public_key = span_dup(row.public_key);
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
	known->mirror_public = copy_value(entry, LDAPSTORE_MIRROR_PUBLIC);
	known->mirrored = has_class(entry, "DKIM");
	known->mirror = entry->values[LDAPSTORE_MIRROR].count > 0 &&
			span_eq_str(entry->values[LDAPSTORE_MIRROR].items[0], "TRUE");
	return has_class(entry, "signpostKey") ? know_key(known, entry, err) : ST_OK;
}

enum status
ldapstore_check_search(struct ldapstore_check *c, const char *base, enum ldapurl_scope scope,
    const char *filter, size_t entries_max, ldapentry_visit *visit, void *context)
{
	struct ldapstore_stage stage = {.search = {base, filter, scope, ldapstore_row_attributes,
					    entries_max, scope == LDAPURL_BASE, true, 0},
	    .visit = visit,
	    .context = context,
	    .any_number = true};

	return ldapstore_ask(c->plan->store, c->link, &stage, 1, c->deadline_ms, c->end, c->err);
}

/* As it will be when the writes before this one are done. */
enum status
ldapstore_know(struct ldapstore_check *c, const char *dn, struct ldapstore_known **out)
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
	return ldapstore_check_search(c, dn, LDAPURL_BASE, "(objectClass=*)", 1, know_entry, known);
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
	/* Only a gateway made it. */
	if (ldapstore_kind(entry) == LDAPSTORE_GATEWAY)
		return ST_OK;
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
enum status
ldapstore_none_hangs(struct ldapstore_check *c, const char *dn, const char *attribute,
    struct span value, struct span owner)
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
	status = ldapstore_check_search(c, c->plan->store->base, LDAPURL_SUB, buf_text(&filter),
	    c->plan->known_count + 1, take_hanging, &h);
	buf_free(&filter);
	if (status == ST_OK && h.some)
		return ldapstore_refuse(c, ST_DENIED, dn, "something still hangs on it");
	return status;
}

enum status
ldapstore_none_added(struct ldapstore_check *c, const char *dn, struct span owner)
{
	for (size_t i = 0; i < c->plan->known_count; i++) {
		const struct ldapstore_known *known = &c->plan->known[i];

		if (known->there && known->owner != NULL && strcmp(known->dn, dn) != 0 &&
		    span_eq_str(owner, known->owner))
			return ldapstore_refuse(c, ST_DENIED, dn, "something still hangs on it");
	}
	return ST_OK;
}
