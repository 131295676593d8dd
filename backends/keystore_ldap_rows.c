/*
 * keystore_ldap_rows.c - entries of a directory as rows of a key store.
 * Called for each entry of an answer.
 * It must never guess: a value that cannot be read makes the row invalid, and its name is told.
 */
#include "backends/keystore_ldap.h"

#define LEASE_S_MAX INT64_C(3162240000) /* as keystore_write_check() has it */

#define SIGNING_ATTRIBUTES                                                                         \
	"objectClass", "signpostOwner", "signpostEnabled", "signpostFailure", "signpostRevision",  \
	    "signpostTenantName", "signpostPolicyName", "signpostSignatureTTL", "signpostPlan",    \
	    "signpostDomainName", "signpostSignsAs", "signpostPolicyUsed", "signpostSubdomains",   \
	    "signpostRuleId", "signpostRuleKind", "signpostSubject", "signpostSigningDomain",      \
	    "signpostIdentity", "signpostPriority", "signpostBindingSubject", "signpostKeyId",     \
	    "signpostKeyDomain", "signpostSelector", "signpostAlgorithm", "signpostKeyBits",       \
	    "signpostPublicKey", "signpostPrivateKey", "signpostKeyRevision", "signpostCreatedAt", \
	    "signpostPublishingAt", "signpostPublishedAt", "signpostProvenAt", "signpostLoadedAt", \
	    "signpostActiveAt", "signpostRetiringAt", "signpostRevokingAt", "signpostRevokedAt",   \
	    "signpostRemovedAt", "signpostDestroyedAt", "signpostHeldAt", "signpostCompromisedAt", \
	    "signpostFailedAt", "signpostSignUntil", "signpostEpoch", "signpostMirrorZimbra",      \
	    "DKIMSelector", "DKIMPublicKey", "modifyTimestamp", "signpostPending",                 \
	    "signpostStoreIdentity", "signpostLease", "signpostNode"
#define ROW_ATTRIBUTES                                                                             \
	SIGNING_ATTRIBUTES, "signpostLife", "signpostLoading", "signpostDueAt",                    \
	    "signpostLeaseHolder", "signpostLeaseUntil"

const char *const ldapstore_attributes[LDAPSTORE_ATTRIBUTES + 1] = {
    ROW_ATTRIBUTES, "signpostChangesFrom", "signpostChange", NULL};
const char *const ldapstore_row_attributes[LDAPSTORE_CHANGES_FROM + 1] = {ROW_ATTRIBUTES, NULL};
const char *const ldapstore_signing_attributes[LDAPSTORE_LIFE + 1] = {SIGNING_ATTRIBUTES, NULL};

int64_t *
ldapstore_time(struct key_times *t, enum ldapstore_attribute attribute)
{
	int64_t *const times[LDAPSTORE_TIMES] = {&t->created, &t->publishing, &t->published,
	    &t->proven, &t->loaded, &t->active, &t->retiring, &t->revoking, &t->revoked,
	    &t->removed, &t->destroyed, &t->held, &t->compromised, &t->failed, &t->sign_until};

	return times[attribute - LDAPSTORE_CREATED];
}

enum ldapstore_kind
ldapstore_kind(const struct ldapentry *entry)
{
	static const struct {
		const char *name;
		enum ldapstore_kind kind;
	} classes[] = {{"signpostStore", LDAPSTORE_STORE}, {"signpostTenant", LDAPSTORE_TENANT},
	    {"signpostPolicy", LDAPSTORE_POLICY_ENTRY}, {"signpostDomain", LDAPSTORE_DOMAIN},
	    {"signpostRule", LDAPSTORE_RULE}, {"signpostKey", LDAPSTORE_KEY},
	    {"signpostBinding", LDAPSTORE_BINDING}};
	const struct ldapentry_values *found = &entry->values[LDAPSTORE_CLASS];

	if (entry->values[LDAPSTORE_NODE].count > 0)
		return LDAPSTORE_GATEWAY;
	for (size_t i = 0; i < found->count; i++)
		for (size_t k = 0; k < sizeof(classes) / sizeof(classes[0]); k++)
			if (span_ieq_str(found->items[i], classes[k].name))
				return classes[k].kind;
	return LDAPSTORE_OTHER;
}

/* ---- values ---- */

/* Reads the values of one entry; the first thing that is wrong stays. */
struct reader {
	const struct ldapentry *entry;
	enum status status;
	struct err *err;
};

static void
wrong(struct reader *r, enum ldapstore_attribute attribute, const char *what)
{
	if (r->status != ST_OK)
		return;
	r->status = ST_INVALID;
	err_set(r->err, "%.*s: %s %s", r->entry->dn.n > 200 ? 200 : (int)r->entry->dn.n,
	    r->entry->dn.n == 0 ? "" : r->entry->dn.p, ldapstore_attributes[attribute], what);
}

/* Empty when there is none. Two are one too many: nobody knows which is meant. */
static struct span
value_of(struct reader *r, enum ldapstore_attribute attribute)
{
	const struct ldapentry_values *found = &r->entry->values[attribute];

	if (found->count == 0)
		return SPAN_EMPTY;
	if (found->count > 1)
		wrong(r, attribute, "has more than one value");
	return found->items[0];
}

static struct span
text_of(struct reader *r, enum ldapstore_attribute attribute, size_t max)
{
	struct span text = value_of(r, attribute);

	if (text.n > max)
		wrong(r, attribute, "is too long");
	else if (!span_is_text(text))
		wrong(r, attribute, "is not UTF-8 without NUL");
	return text;
}

static struct span
needed(struct reader *r, enum ldapstore_attribute attribute, size_t max)
{
	struct span text = text_of(r, attribute, max);

	if (text.n == 0)
		wrong(r, attribute, "is missing, or may not be read");
	return text;
}

static bool
bool_of(struct reader *r, enum ldapstore_attribute attribute, bool otherwise)
{
	struct span text = value_of(r, attribute);
	bool value = otherwise;

	if (text.n > 0 && ldapstore_read_bool(text, &value) != ST_OK)
		wrong(r, attribute, "is not TRUE or FALSE");
	return value;
}

static int64_t
number_of(struct reader *r, enum ldapstore_attribute attribute, int64_t least, int64_t most,
    int64_t otherwise)
{
	struct span text = value_of(r, attribute);
	int64_t value = otherwise;

	if (text.n > 0 && ldapstore_read_number(text, least, most, &value) != ST_OK)
		wrong(r, attribute, "is no number that it may be");
	return value;
}

static uint64_t
revision_of(struct reader *r, enum ldapstore_attribute attribute)
{
	return (uint64_t)number_of(r, attribute, 0, INT64_MAX - 1, 0);
}

static int64_t
time_of(struct reader *r, enum ldapstore_attribute attribute)
{
	struct span text = value_of(r, attribute);
	int64_t value = 0;

	if (text.n > 0 && ldapstore_read_time(text, &value) != ST_OK)
		wrong(r, attribute, "is no time");
	return value;
}

/* ---- rows ---- */

enum status
ldapstore_tenant(const struct ldapentry *entry, struct store_tenant *out, struct err *err)
{
	struct reader r = {entry, ST_OK, err};

	*out = (struct store_tenant){.name = needed(&r, LDAPSTORE_TENANT_NAME, KEYSTORE_TENANT_MAX),
	    .failure = text_of(&r, LDAPSTORE_FAILURE, KEYSTORE_TEXT_MAX),
	    .enabled = bool_of(&r, LDAPSTORE_ENABLED, true),
	    .revision = revision_of(&r, LDAPSTORE_REVISION)};
	return r.status;
}

enum status
ldapstore_policy(const struct ldapentry *entry, struct store_policy *out, struct err *err)
{
	struct reader r = {entry, ST_OK, err};

	*out = (struct store_policy){.tenant = needed(&r, LDAPSTORE_OWNER, KEYSTORE_TENANT_MAX),
	    .name = needed(&r, LDAPSTORE_POLICY_NAME, KEYSTORE_TENANT_MAX),
	    .failure = text_of(&r, LDAPSTORE_FAILURE, KEYSTORE_TEXT_MAX),
	    .signature_ttl_s = number_of(&r, LDAPSTORE_SIGNATURE_TTL, -1, INT32_MAX, -1),
	    .plan = text_of(&r, LDAPSTORE_PLAN, KEYSTORE_TEXT_MAX),
	    .revision = revision_of(&r, LDAPSTORE_REVISION)};
	return r.status;
}

enum status
ldapstore_domain(const struct ldapentry *entry, struct store_domain *out, struct err *err)
{
	struct reader r = {entry, ST_OK, err};

	*out = (struct store_domain){.name = needed(&r, LDAPSTORE_DOMAIN_NAME, KEYSTORE_DOMAIN_MAX),
	    .tenant = needed(&r, LDAPSTORE_OWNER, KEYSTORE_TENANT_MAX),
	    .signs_as = text_of(&r, LDAPSTORE_SIGNS_AS, KEYSTORE_DOMAIN_MAX),
	    .policy = text_of(&r, LDAPSTORE_POLICY, KEYSTORE_TENANT_MAX),
	    .signature_ttl_s = -1,
	    .subdomains = bool_of(&r, LDAPSTORE_SUBDOMAINS, false),
	    .enabled = bool_of(&r, LDAPSTORE_ENABLED, true),
	    .revision = revision_of(&r, LDAPSTORE_REVISION),
	    .life = text_of(&r, LDAPSTORE_LIFE, KEYSTORE_TEXT_MAX),
	    .due = time_of(&r, LDAPSTORE_DUE)};
	return r.status;
}

static enum store_rule_kind
rule_kind(struct reader *r)
{
	static const char *const kinds[] = {"address", "domain", "suffix", "pattern"};
	struct span text = needed(r, LDAPSTORE_RULE_KIND, 16);

	for (int i = 0; i < 4; i++)
		if (span_ieq_str(text, kinds[i]))
			return (enum store_rule_kind)i;
	wrong(r, LDAPSTORE_RULE_KIND, "is not address, domain, suffix or pattern");
	return STORE_RULE_ADDRESS;
}

enum status
ldapstore_rule(const struct ldapentry *entry, struct store_rule *out, struct err *err)
{
	struct reader r = {entry, ST_OK, err};

	*out = (struct store_rule){.kind = rule_kind(&r),
	    .id = needed(&r, LDAPSTORE_RULE_ID, KEYSTORE_ID_MAX),
	    .tenant = needed(&r, LDAPSTORE_OWNER, KEYSTORE_TENANT_MAX),
	    .subject = needed(&r, LDAPSTORE_SUBJECT, KEYSTORE_SUBJECT_MAX),
	    .domain = needed(&r, LDAPSTORE_SIGNING_DOMAIN, KEYSTORE_DOMAIN_MAX),
	    .identity = text_of(&r, LDAPSTORE_IDENTITY, KEYSTORE_SUBJECT_MAX),
	    .priority = (int)number_of(&r, LDAPSTORE_PRIORITY, INT32_MIN, INT32_MAX, 0),
	    .enabled = bool_of(&r, LDAPSTORE_ENABLED, true),
	    .revision = revision_of(&r, LDAPSTORE_REVISION)};
	return r.status;
}

enum status
ldapstore_key(const struct ldapentry *entry, struct store_key *out, struct err *err)
{
	struct reader r = {entry, ST_OK, err};

	*out = (struct store_key){.id = needed(&r, LDAPSTORE_KEY_ID, KEYSTORE_ID_MAX),
	    .tenant = needed(&r, LDAPSTORE_OWNER, KEYSTORE_TENANT_MAX),
	    .domain = needed(&r, LDAPSTORE_KEY_DOMAIN, KEYSTORE_DOMAIN_MAX),
	    .selector = needed(&r, LDAPSTORE_SELECTOR, KEYSTORE_SELECTOR_MAX),
	    .algorithm = needed(&r, LDAPSTORE_ALGORITHM, 32),
	    .public_key = text_of(&r, LDAPSTORE_PUBLIC_KEY, KEYSTORE_TEXT_MAX),
	    .private_key = text_of(&r, LDAPSTORE_PRIVATE_KEY, KEYSTORE_TEXT_MAX),
	    .bits = (int)number_of(&r, LDAPSTORE_KEY_BITS, 0, 65536, 0),
	    .revision = revision_of(&r, LDAPSTORE_KEY_REVISION),
	    .row_revision = revision_of(&r, LDAPSTORE_REVISION),
	    .lease_s = number_of(&r, LDAPSTORE_LEASE, 0, LEASE_S_MAX, 0),
	    .life = text_of(&r, LDAPSTORE_LIFE, KEYSTORE_TEXT_MAX),
	    .loading = revision_of(&r, LDAPSTORE_LOADING)};
	for (int a = LDAPSTORE_CREATED; a <= LDAPSTORE_SIGN_UNTIL; a++)
		*ldapstore_time(&out->times, (enum ldapstore_attribute)a) =
		    time_of(&r, (enum ldapstore_attribute)a);
	return r.status;
}

enum status
ldapstore_binding(const struct ldapentry *entry, struct store_binding *out, struct err *err)
{
	struct reader r = {entry, ST_OK, err};

	*out = (struct store_binding){
	    .subject = needed(&r, LDAPSTORE_BINDING_SUBJECT, KEYSTORE_SUBJECT_MAX),
	    .tenant = needed(&r, LDAPSTORE_OWNER, KEYSTORE_TENANT_MAX)};
	return r.status;
}

enum status
ldapstore_epoch(const struct ldapentry *entry, uint64_t *epoch_out, struct err *err)
{
	struct reader r = {entry, ST_OK, err};

	(void)needed(&r, LDAPSTORE_EPOCH, 32);
	*epoch_out = revision_of(&r, LDAPSTORE_EPOCH);
	return r.status;
}

void
ldapstore_store_identity(const struct ldapentry *entry, char out[KEYSTORE_IDENTITY_BYTES])
{
	const struct ldapentry_values *values = &entry->values[LDAPSTORE_STORE_IDENTITY];

	(void)keystore_identity_take(values->count == 1 ? values->items[0] : SPAN_EMPTY, out);
}

/* ---- the list of changes ---- */

enum status
ldapstore_change(struct span value, struct store_change *out)
{
	struct span epoch;

	memset(out, 0, sizeof(*out));
	if (!span_cut(&value, ' ', &epoch) || !span_number(epoch, INT64_MAX, &out->epoch) ||
	    value.n == 0 || value.n >= sizeof(out->subject) || span_find(value, '\0') != SIZE_MAX)
		return ST_INVALID;
	memcpy(out->subject, value.p, value.n);
	return ST_OK;
}

enum status
ldapstore_pending(struct span value, int64_t *when_out, struct span *subject_out)
{
	struct span when, nonce;

	*when_out = 0;
	if (!span_cut(&value, ' ', &when) || !span_cut(&value, ' ', &nonce) || nonce.n == 0 ||
	    value.n == 0 || value.n > KEYSTORE_DOMAIN_MAX + 2)
		return ST_INVALID;
	*subject_out = value;
	return ldapstore_read_time(when, when_out);
}
