/*
 * keystore_check.c - what the rows of a key store may look like.
 * Asked before anything is written, and about what was read from a store that others can write.
 * It must never let a name through that could be taken for another one.
 */
#include <string.h>

#include "lib/store/keystore.h"

#define LABEL_MAX 63U
#define PRIORITY_MAX 1000000
#define FAILURE_TEXT_BYTES_MAX 1024U
#define SIGNATURE_TTL_S_MAX (366 * 86400)
#define LEASE_S_MAX INT64_C(3162240000) /* a hundred years: no sum of times overflows */

static bool
lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool
keystore_tenant_is_valid(struct span name)
{
	if (name.n == 0 || name.n > KEYSTORE_TENANT_MAX || !lower_or_digit(name.p[0]) ||
	    !lower_or_digit(name.p[name.n - 1]))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!lower_or_digit(name.p[i]) && strchr("-_.", name.p[i]) == NULL)
			return false;
	return span_find(name, '\0') == SIZE_MAX;
}

bool
keystore_domain_is_valid(struct span name)
{
	size_t label = 0;

	if (name.n == 0 || name.n > KEYSTORE_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (c == '.' && label > 0)
			label = 0;
		else if ((!lower_or_digit(c) && c != '-' && c != '_') || ++label > LABEL_MAX)
			return false;
	}
	return label > 0;
}

static bool
id_is_valid(struct span id)
{
	if (id.n == 0 || id.n > KEYSTORE_ID_MAX)
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (!lower_or_digit(ascii_lower(id.p[i])) && id.p[i] != '-' && id.p[i] != '_')
			return false;
	return true;
}

/* Letters, digits and "-_.:". */
static bool
name_is_plain(struct span name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!lower_or_digit(ascii_lower(name.p[i])) &&
		    (name.p[i] == '\0' || strchr("-_.:", name.p[i]) == NULL))
			return false;
	return true;
}

static enum status
refuse(struct err *err, const char *field, struct span value, const char *want)
{
	err_set(err, "%s \"%.*s\" %s", field, value.n > 80 ? 80 : (int)value.n,
	    value.n == 0 ? "" : value.p, want);
	return ST_INVALID;
}

static enum status
check_tenant(struct span name, struct err *err)
{
	return keystore_tenant_is_valid(name)
		   ? ST_OK
		   : refuse(err, "tenant", name,
			 "is no name of a tenant (a-z, 0-9, and inside also '-', '_' and '.'; at "
			 "most 63 octets)");
}

static enum status
check_domain(const char *field, struct span name, struct err *err)
{
	return keystore_domain_is_valid(name) ? ST_OK
					      : refuse(err, field, name,
						    "is no domain (lower case, A-labels, no dot at "
						    "the end, at most 253 octets)");
}

static enum status
check_text(const char *field, struct span text, size_t max, struct err *err)
{
	if (text.n <= max && span_is_text(text))
		return ST_OK;
	err_set(err, "%s: %zu octets, at most %zu of UTF-8 without NUL can be kept", field, text.n,
	    max);
	return ST_INVALID;
}

static enum status
check_ttl(int64_t ttl_s, struct err *err)
{
	if (ttl_s >= -1 && ttl_s <= SIGNATURE_TTL_S_MAX)
		return ST_OK;
	err_set(err, "signature_ttl %lld: -1 (as configured), 0 (none) or up to %d seconds",
	    (long long)ttl_s, SIGNATURE_TTL_S_MAX);
	return ST_INVALID;
}

static enum status
check_domain_row(const struct store_domain *row, struct err *err)
{
	enum status status = check_domain("domain", row->name, err);

	if (status == ST_OK)
		status = check_tenant(row->tenant, err);
	if (status == ST_OK && row->signs_as.n > 0)
		status = check_domain("signs_as", row->signs_as, err);
	if (status == ST_OK && span_eq(row->signs_as, row->name))
		status = refuse(err, "signs_as", row->signs_as, "is the domain itself");
	if (status == ST_OK && row->policy.n > 0 && !keystore_tenant_is_valid(row->policy))
		status = refuse(err, "policy", row->policy, "is no name of a policy");
	return status;
}

static bool
lower_text(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] != ascii_lower(text.p[i]) || (unsigned char)text.p[i] <= ' ')
			return false;
	return true;
}

static enum status
check_subject(const struct store_rule *row, struct err *err)
{
	struct span subject = row->subject;
	size_t at = span_rfind(subject, '@');

	if (subject.n == 0 || subject.n > KEYSTORE_SUBJECT_MAX || !span_is_text(subject) ||
	    !lower_text(subject))
		return refuse(err, "subject", subject,
		    "is empty, too long, not in lower case, or has blanks or control characters");
	switch (row->kind) {
	case STORE_RULE_ADDRESS:
		if (at == SIZE_MAX || !keystore_domain_is_valid(span_from(subject, at + 1)))
			return refuse(err, "subject", subject, "is no address (user@domain)");
		return ST_OK;
	case STORE_RULE_DOMAIN:
		return check_domain("subject", subject, err);
	case STORE_RULE_SUFFIX:
		if (subject.p[0] != '.' || !keystore_domain_is_valid(span_from(subject, 1)))
			return refuse(err, "subject", subject, "is no suffix (.domain)");
		return ST_OK;
	case STORE_RULE_PATTERN:
		return ST_OK;
	}
	return refuse(err, "rule", row->id, "has no kind that exists");
}

static enum status
check_rule(const struct store_rule *row, struct err *err)
{
	enum status status = check_tenant(row->tenant, err);

	if (status == ST_OK && !id_is_valid(row->id))
		status = refuse(err, "rule", row->id, "is no id (letters, digits, '-', '_')");
	if (status == ST_OK)
		status = check_subject(row, err);
	if (status == ST_OK)
		status = check_domain("domain", row->domain, err);
	if (status == ST_OK)
		status = check_text("identity", row->identity, KEYSTORE_SUBJECT_MAX, err);
	if (status == ST_OK && (row->priority < -PRIORITY_MAX || row->priority > PRIORITY_MAX))
		status = refuse(err, "rule", row->id, "has a priority beyond a million");
	return status;
}

static enum status
check_key_name(const struct store_key *row, struct err *err)
{
	enum status status = check_tenant(row->tenant, err);

	if (status == ST_OK)
		status = check_domain("domain", row->domain, err);
	if (status == ST_OK && !keystore_domain_is_valid(row->selector))
		status = refuse(err, "selector", row->selector, "is no selector (lower case)");
	if (status == ST_OK && !id_is_valid(row->id))
		status = refuse(err, "key", row->id, "is no id (letters, digits, '-', '_')");
	if (status == ST_OK && (row->lease_s < 0 || row->lease_s > LEASE_S_MAX))
		status = refuse(err, "key", row->id, "has a lease that cannot be");
	return status;
}

static enum status
check_key(const struct store_key *row, struct err *err)
{
	enum status status = check_key_name(row, err);

	if (status == ST_OK && !span_eq_str(row->algorithm, "rsa-sha256") &&
	    !span_eq_str(row->algorithm, "ed25519-sha256"))
		status =
		    refuse(err, "algorithm", row->algorithm, "is not rsa-sha256 or ed25519-sha256");
	if (status == ST_OK)
		status = check_text("public_key", row->public_key, KEYSTORE_TEXT_MAX, err);
	if (status == ST_OK)
		status = check_text("private_key", row->private_key, KEYSTORE_TEXT_MAX, err);
	return status;
}

static enum status
check_policy(const struct store_policy *row, struct err *err)
{
	enum status status = check_tenant(row->tenant, err);

	if (status == ST_OK && !keystore_tenant_is_valid(row->name))
		status = refuse(err, "policy", row->name, "is no name of a policy");
	if (status == ST_OK)
		status = check_text("failure", row->failure, FAILURE_TEXT_BYTES_MAX, err);
	if (status == ST_OK)
		status = check_text("plan", row->plan, KEYSTORE_TEXT_MAX, err);
	return status == ST_OK ? check_ttl(row->signature_ttl_s, err) : status;
}

/* ---- what the life cycle writes ---- */

/* A member that is forgotten here is one whose time could be below zero. */
#define TIME_COUNT 15U
_Static_assert(sizeof(struct key_times) == TIME_COUNT * sizeof(int64_t), "only times");

static enum status
check_life_key(const struct store_key *row, struct err *err)
{
	enum status status = check_key_name(row, err);
	const struct key_times *t = &row->times;
	const int64_t times[TIME_COUNT] = {t->created, t->publishing, t->published, t->proven,
	    t->loaded, t->active, t->retiring, t->revoking, t->revoked, t->removed, t->destroyed,
	    t->held, t->compromised, t->failed, t->sign_until};

	for (size_t i = 0; i < TIME_COUNT && status == ST_OK; i++)
		if (times[i] < 0)
			status = refuse(err, "key", row->id, "has a time below zero");
	if (status == ST_OK && row->loading > INT64_MAX && row->loading != KEYSTORE_LOADING_NOW)
		status = refuse(err, "key", row->id, "has an epoch that cannot be");
	return status == ST_OK ? check_text("life", row->life, KEYSTORE_TEXT_MAX, err) : status;
}

/* A row that takes a slot over is whole, and of a key that begins. */
static enum status
check_slot(const struct store_key *row, struct err *err)
{
	enum status status = check_key(row, err);

	if (status == ST_OK)
		status = check_life_key(row, err);
	if (status == ST_OK && (row->revision == 0 || row->revision > INT64_MAX))
		status = refuse(err, "key", row->id, "has a revision that cannot be");
	/* Another key's epoch would tell that gateways have tried this one. */
	if (status == ST_OK && row->loading != 0 && row->loading != KEYSTORE_LOADING_NOW)
		status = refuse(err, "key", row->id, "was asked for before it was there");
	if (status == ST_OK && row->times.destroyed != 0)
		status = refuse(err, "key", row->id, "is destroyed, and takes no slot over");
	return status;
}

static enum status
check_life_domain(const struct store_domain *row, struct err *err)
{
	enum status status = check_domain("domain", row->name, err);

	if (status == ST_OK)
		status = check_tenant(row->tenant, err);
	if (status == ST_OK && row->due < 0)
		status = refuse(err, "domain", row->name, "is due before the year 1970");
	return status == ST_OK ? check_text("life", row->life, KEYSTORE_TEXT_MAX, err) : status;
}

/* Only rows that were seen: a revision that is forgotten would write over somebody's work. */
static enum status
check_life(const struct keystore_write *write, struct err *err)
{
	bool key = write->what == STORE_KEY, slot = key && write->how == WRITE_PUT;

	if ((write->how != WRITE_CHANGE && !slot) || (!key && write->what != STORE_DOMAIN)) {
		err_set(err, "the life cycle changes keys and domains, and nothing else");
		return ST_INVALID;
	}
	if ((key ? write->row.key.row_revision : write->row.domain.revision) == 0) {
		err_set(err, "the life of a key or domain is written with the revision it had");
		return ST_INVALID;
	}
	if (slot)
		return check_slot(&write->row.key, err);
	return key ? check_life_key(&write->row.key, err)
		   : check_life_domain(&write->row.domain, err);
}

enum status
keystore_gateway_check(const struct store_gateway *row, struct err *err)
{
	enum status status = ST_OK;

	if (row->node.n == 0 || row->node.n > KEYSTORE_NODE_MAX || !name_is_plain(row->node))
		status = refuse(err, "node", row->node,
		    "is no name of a gateway (letters, digits, '-', '_', '.', ':'; at most 255 "
		    "octets)");
	if (status == ST_OK)
		status = check_text("version", row->version, KEYSTORE_VERSION_MAX, err);
	if (status == ST_OK && (row->epoch > INT64_MAX || row->tested > INT64_MAX))
		status = refuse(err, "node", row->node, "has an epoch that cannot be");
	return status == ST_OK ? check_text("failed", row->failed, KEYSTORE_FAILED_TEXT, err)
			       : status;
}

enum status
keystore_lease_check(const struct store_lease *lease, int64_t ttl_s, struct err *err)
{
	const struct span names[] = {
	    span_of(lease->name, strnlen(lease->name, sizeof(lease->name))),
	    span_of(lease->owner, strnlen(lease->owner, sizeof(lease->owner)))};

	for (size_t i = 0; i < 2; i++)
		if (names[i].n == 0 || names[i].n > KEYSTORE_LEASE_MAX ||
		    !name_is_plain(names[i]) || span_find(names[i], ':') != SIZE_MAX)
			return refuse(err, i == 0 ? "lease" : "owner", names[i],
			    "is no name (letters, digits, '-', '_', '.'; at most 63 octets)");
	if (ttl_s >= 0 && ttl_s <= LEASE_S_MAX && lease->fence <= INT64_MAX)
		return ST_OK;
	return refuse(err, "lease", names[0], "has a time or fence that cannot be");
}

enum status
keystore_write_check(const struct keystore_write *write, struct err *err)
{
	enum status status;

	if (write->life)
		return check_life(write, err);
	switch (write->what) {
	case STORE_TENANT:
		status = check_tenant(write->row.tenant.name, err);
		return status != ST_OK ? status
				       : check_text("failure", write->row.tenant.failure,
					     FAILURE_TEXT_BYTES_MAX, err);
	case STORE_POLICY:
		return check_policy(&write->row.policy, err);
	case STORE_DOMAIN:
		return check_domain_row(&write->row.domain, err);
	case STORE_RULE:
		return check_rule(&write->row.rule, err);
	case STORE_KEY:
		return check_key(&write->row.key, err);
	case STORE_BINDING:
		status = check_tenant(write->row.binding.tenant, err);
		if (status == ST_OK &&
		    (write->row.binding.subject.n == 0 || !lower_text(write->row.binding.subject)))
			status = refuse(err, "subject", write->row.binding.subject,
			    "is empty, not in lower case, or has blanks");
		return status != ST_OK ? status
				       : check_text("subject", write->row.binding.subject,
					     KEYSTORE_SUBJECT_MAX, err);
	case STORE_TOKEN:
	case STORE_PROVIDER:
	case STORE_QUOTA:
	case STORE_REPLY:
	case STORE_AUDIT:
		return keystore_admin_check(write, err);
	}
	err_set(err, "no such kind of row");
	return ST_INVALID;
}
