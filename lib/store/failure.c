/*
 * failure.c - the failure policy as text and as a table.
 * The configuration, the tenants and the policies of a store bring the text; the daemon asks the
 * table when a message cannot be signed. It must never take half of a text, nor an action that
 * cannot be done for its cause.
 */
#include "lib/store/failure.h"

static const char *const cause_names[FAILURE_CAUSES] = {
    [FAILURE_NO_RULE] = "no-rule",
    [FAILURE_TENANT] = "tenant",
    [FAILURE_NO_KEY] = "no-key",
    [FAILURE_STORE] = "store",
    [FAILURE_UNREADABLE] = "unreadable",
    [FAILURE_LEASE] = "lease",
    [FAILURE_CRYPTO] = "crypto",
};

static const char *const action_names[] = {
    [FAILURE_ACTION_UNSET] = "unset",
    [FAILURE_ACTION_TEMPFAIL] = "tempfail",
    [FAILURE_ACTION_STALE] = "stale",
    [FAILURE_ACTION_UNSIGNED] = "unsigned",
    [FAILURE_ACTION_FALLBACK] = "fallback",
    [FAILURE_ACTION_REJECT] = "reject",
};
#define ACTIONS (sizeof(action_names) / sizeof(action_names[0]))

const struct failure_policy failure_defaults = {
    .action =
	{
	    [FAILURE_NO_RULE] = FAILURE_ACTION_UNSIGNED,
	    [FAILURE_TENANT] = FAILURE_ACTION_UNSIGNED,
	    [FAILURE_NO_KEY] = FAILURE_ACTION_TEMPFAIL,
	    [FAILURE_STORE] = FAILURE_ACTION_STALE,
	    [FAILURE_UNREADABLE] = FAILURE_ACTION_TEMPFAIL,
	    [FAILURE_LEASE] = FAILURE_ACTION_TEMPFAIL,
	    [FAILURE_CRYPTO] = FAILURE_ACTION_TEMPFAIL,
	},
};

const char *
failure_cause_name(enum failure_cause cause)
{
	return (size_t)cause < FAILURE_CAUSES ? cause_names[cause] : "?";
}

const char *
failure_action_name(enum failure_action action)
{
	return (size_t)action < ACTIONS ? action_names[action] : "?";
}

static bool
separates(char c)
{
	return ascii_blank(c) || c == ',';
}

static bool
next_word(struct span *rest, struct span *word_out)
{
	size_t n = 0;

	while (rest->n > 0 && separates(rest->p[0]))
		*rest = span_from(*rest, 1);
	while (n < rest->n && !separates(rest->p[n]))
		n++;
	*word_out = span_sub(*rest, 0, n);
	*rest = span_from(*rest, n);
	return n > 0;
}

/* A word for a message: its beginning, without what could do something to a log. */
static void
show_word(struct span word, char shown[48])
{
	size_t n = word.n < 40 ? word.n : 40;

	for (size_t i = 0; i < n; i++)
		shown[i] = word.p[i] > ' ' && word.p[i] <= '~' ? word.p[i] : '?';
	memcpy(shown + n, word.n > n ? "..." : "", word.n > n ? 4 : 1);
}

static enum status
refuse(struct err *err, struct span word, const char *why)
{
	char shown[48];

	show_word(word, shown);
	err_set(err, "failure policy: \"%s\" %s", shown, why);
	return ST_INVALID;
}

static bool
find_cause(struct span name, size_t *cause_out)
{
	for (*cause_out = 0; *cause_out < FAILURE_CAUSES; (*cause_out)++)
		if (span_ieq_str(name, cause_names[*cause_out]))
			return true;
	return false;
}

static bool
find_action(struct span name, size_t *action_out)
{
	for (*action_out = FAILURE_ACTION_UNSET + 1; *action_out < ACTIONS; (*action_out)++)
		if (span_ieq_str(name, action_names[*action_out]))
			return true;
	return false;
}

static bool
name_is_fine(struct span name)
{
	if (name.n == 0 || name.n >= FAILURE_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~')
			return false;
	return true;
}

static enum status
parse_word(struct span word, struct failure_policy *policy, struct err *err)
{
	struct span rest = word, cause_name, action_name;
	size_t cause, action;
	bool named;

	if (!span_cut(&rest, '=', &cause_name))
		return refuse(err, word, "is not cause=action");
	if (!find_cause(cause_name, &cause))
		return refuse(err, word,
		    "names no cause; there are no-rule, tenant, no-key, store, unreadable, lease "
		    "and crypto");
	if (policy->action[cause] != FAILURE_ACTION_UNSET)
		return refuse(err, word, "names a cause that was named before");
	named = span_cut(&rest, ':', &action_name);
	if (!find_action(action_name, &action) || (named && action != FAILURE_ACTION_FALLBACK))
		return refuse(err, word,
		    "names no action; there are tempfail, stale, unsigned, fallback:NAME and "
		    "reject");
	if (action == FAILURE_ACTION_STALE && cause != FAILURE_STORE)
		return refuse(err, word, "cannot be: stale is for store only");
	if (action == FAILURE_ACTION_FALLBACK && !name_is_fine(rest))
		return refuse(err, word,
		    "needs the name of a key of the KeyTable, of at most 63 "
		    "printable octets, as in fallback:NAME");
	policy->action[cause] = (unsigned char)action;
	if (action == FAILURE_ACTION_FALLBACK)
		memcpy(policy->fallback[cause], rest.p, rest.n);
	return ST_OK;
}

enum status
failure_parse(struct span text, struct failure_policy *out, struct err *err)
{
	struct failure_policy policy = {.action = {FAILURE_ACTION_UNSET}};
	enum status status = ST_OK;
	struct span word;

	if (text.n > FAILURE_TEXT_MAX) {
		err_set(err, "failure policy: more than %u octets", FAILURE_TEXT_MAX);
		return ST_INVALID;
	}
	while (status == ST_OK && next_word(&text, &word))
		status = parse_word(word, &policy, err);
	if (status == ST_OK)
		*out = policy;
	return status;
}

void
failure_inherit(struct failure_policy *policy, const struct failure_policy *base)
{
	for (size_t i = 0; i < FAILURE_CAUSES; i++) {
		if (policy->action[i] != FAILURE_ACTION_UNSET)
			continue;
		policy->action[i] = base->action[i];
		memcpy(policy->fallback[i], base->fallback[i], FAILURE_NAME_MAX);
	}
}
