/*
 * keystore_ldap_crowd.c - how many rules have one subject: everybody's mail that has it reads all
 * of them. Called by the check of a batch for each rule. It must never count one twice that another
 * write of the batch has brought.
 */
#include "backends/keystore_ldap_private.h"
#include "backends/ldap_url.h"
#include "lib/base/mem.h"

static enum status
count_one(void *context, const struct ldapentry *entry, struct err *err)
{
	size_t *count = context;

	(void)err;
	*count += ldapstore_kind(entry) == LDAPSTORE_RULE;
	return ST_OK;
}

static enum status
count_there(struct ldapstore_check *c, const struct store_rule *rule, size_t *count)
{
	static const char *const kinds[] = {[STORE_RULE_ADDRESS] = "address",
	    [STORE_RULE_DOMAIN] = "domain",
	    [STORE_RULE_SUFFIX] = "suffix"};
	struct buf filter;
	enum status status;

	*count = 0;
	buf_init(&filter, LDAPSTORE_TEXT_MAX);
	buf_add_fmt(&filter, "(&(signpostRuleKind=%s)(signpostSubject=", kinds[rule->kind]);
	ldapurl_escape_filter(&filter, rule->subject);
	buf_add_str(&filter, "))");
	status = ldapstore_check_search(c, c->plan->store->base, LDAPURL_SUB, buf_text(&filter),
	    KEYSTORE_RULES_MAX, count_one, count);
	buf_free(&filter);
	return status;
}

static bool
same_subject(const struct store_rule *a, const struct store_rule *b)
{
	return a->kind == b->kind && span_eq(a->subject, b->subject);
}

/* Those in the directory, and those that the batch has brought so far. */
static enum status
count_crowd(struct ldapstore_check *c, const struct store_rule *rule)
{
	struct ldapstore_plan *plan = c->plan;
	enum status status;

	if (plan->crowd_subject != NULL && plan->crowd_kind == rule->kind &&
	    span_eq_str(rule->subject, plan->crowd_subject))
		return ST_OK;
	mem_free(plan->crowd_subject);
	plan->crowd_subject = span_dup(rule->subject);
	plan->crowd_kind = rule->kind;
	status = count_there(c, rule, &plan->crowd);
	for (size_t i = 0; i < plan->at; i++)
		plan->crowd +=
		    plan->steps[i].arrives && same_subject(&plan->steps[i].write->row.rule, rule);
	return status;
}

enum status
ldapstore_check_crowd(
    struct ldapstore_check *c, struct ldapstore_step *step, const struct ldapstore_known *known)
{
	const struct store_rule *rule = &step->write->row.rule;
	enum status status;

	if (step->write->what != STORE_RULE || step->write->how == WRITE_REMOVE ||
	    rule->kind == STORE_RULE_PATTERN)
		return ST_OK;
	step->arrives =
	    !known->there || known->subject == NULL || !span_eq_str(rule->subject, known->subject);
	if (!step->arrives)
		return ST_OK;
	status = count_crowd(c, rule);
	if (status != ST_OK)
		return status;
	if (c->plan->crowd >= KEYSTORE_RULES_MAX) {
		err_set(c->err, "%.200s: " KEYSTORE_RULES_MAX_SAYS, known->dn, KEYSTORE_RULES_MAX,
		    SPAN_ARG(rule->subject));
		return ST_DENIED;
	}
	c->plan->crowd++;
	return ST_OK;
}
