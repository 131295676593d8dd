/*
 * keystore_ldap_entries.c - rows of a key store as entries of a directory.
 * Called by the writer for each write.
 * It must never write an attribute that has no value, nor change an entry that was changed by
 * somebody else since it was looked at: its old revision is taken out by value.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backends/keystore_ldap_private.h"
#include "lib/base/mem.h"

/* ---- one attribute ---- */

static void
put_change(struct ldapstore_entry *out, int how, const char *attribute, struct span value)
{
	struct ldaplink_change *change = &out->changes[out->count];

	out->values[out->count] = value;
	change->attribute = attribute;
	change->values = &out->values[out->count];
	change->count = value.n > 0 ? 1 : 0;
	if (how == LDAPLINK_ADD)
		change->how = LDAPLINK_ADD;
	else if (how == LDAPLINK_DELETE)
		change->how = LDAPLINK_DELETE;
	else
		change->how = LDAPLINK_REPLACE;
	out->count++;
}

/* step->add: only what has a value; else what has none is taken away. */
static void
put(const struct ldapstore_step *step, struct ldapstore_entry *out,
    enum ldapstore_attribute attribute, struct span value)
{
	if (!step->add)
		put_change(out, LDAPLINK_REPLACE, ldapstore_attributes[attribute], value);
	else if (value.n > 0)
		put_change(out, LDAPLINK_ADD, ldapstore_attributes[attribute], value);
}

static struct span
number(struct ldapstore_entry *out, int64_t value)
{
	char *text = out->texts[out->count];

	(void)snprintf(text, sizeof(out->texts[0]), "%" PRId64, value);
	return span_str(text);
}

static void
put_number(const struct ldapstore_step *step, struct ldapstore_entry *out,
    enum ldapstore_attribute attribute, int64_t value)
{
	put(step, out, attribute, number(out, value));
}

static void
put_bool(const struct ldapstore_step *step, struct ldapstore_entry *out,
    enum ldapstore_attribute attribute, bool value)
{
	put(step, out, attribute, value ? SPAN_LIT("TRUE") : SPAN_LIT("FALSE"));
}

static void
put_time(const struct ldapstore_step *step, struct ldapstore_entry *out,
    enum ldapstore_attribute attribute, int64_t utc_s)
{
	char *text = out->texts[out->count];

	text[0] = '\0';
	if (utc_s > 0)
		ldapstore_write_time(utc_s, text);
	put(step, out, attribute, span_str(text));
}

/* Names of the entry itself do not change. */
static void
put_name(const struct ldapstore_step *step, struct ldapstore_entry *out,
    enum ldapstore_attribute attribute, struct span value)
{
	if (step->add)
		put(step, out, attribute, value);
}

/* The name, when that of the entry is made of its digest. */
static void
put_digest(const struct ldapstore_step *step, struct ldapstore_entry *out, struct span name)
{
	if (step->add && ldapstore_digest(name, out->digest))
		put_change(out, LDAPLINK_ADD, "signpostDigest", span_str(out->digest));
}

/* Compare and set: the old value is taken out by its value. */
static void
put_revision(const struct ldapstore_step *step, struct ldapstore_entry *out)
{
	const char *name = ldapstore_attributes[LDAPSTORE_REVISION];

	if (!step->add && step->old > 0)
		put_change(out, LDAPLINK_DELETE, name, number(out, (int64_t)step->old));
	put_change(out, LDAPLINK_ADD, name, number(out, (int64_t)step->new));
}

static void
put_class(const struct ldapstore_step *step, struct ldapstore_entry *out, const char *name)
{
	struct ldaplink_change *change = &out->changes[out->count];

	if (!step->add)
		return;
	out->classes[0] = SPAN_LIT("top");
	out->classes[1] = span_str(name);
	*change = (struct ldaplink_change){LDAPLINK_ADD, "objectClass", out->classes, 2};
	out->count++;
}

/* ---- one row ---- */

static void
tenant_entry(const struct ldapstore_step *step, struct ldapstore_entry *out)
{
	const struct store_tenant *row = &step->write->row.tenant;

	put_class(step, out, "signpostTenant");
	put_name(step, out, LDAPSTORE_TENANT_NAME, row->name);
	put(step, out, LDAPSTORE_FAILURE, row->failure);
	put_bool(step, out, LDAPSTORE_ENABLED, row->enabled);
}

static void
policy_entry(const struct ldapstore_step *step, struct ldapstore_entry *out)
{
	const struct store_policy *row = &step->write->row.policy;

	put_class(step, out, "signpostPolicy");
	put_name(step, out, LDAPSTORE_POLICY_NAME, row->name);
	put_name(step, out, LDAPSTORE_OWNER, row->tenant);
	put(step, out, LDAPSTORE_FAILURE, row->failure);
	put_number(step, out, LDAPSTORE_SIGNATURE_TTL, row->signature_ttl_s);
	put(step, out, LDAPSTORE_PLAN, row->plan);
}

static void
domain_entry(const struct ldapstore_step *step, struct ldapstore_entry *out)
{
	const struct store_domain *row = &step->write->row.domain;

	put_class(step, out, "signpostDomain");
	put_name(step, out, LDAPSTORE_DOMAIN_NAME, row->name);
	put_digest(step, out, row->name);
	put_name(step, out, LDAPSTORE_OWNER, row->tenant);
	put(step, out, LDAPSTORE_SIGNS_AS, row->signs_as);
	put(step, out, LDAPSTORE_POLICY, row->policy);
	put_bool(step, out, LDAPSTORE_SUBDOMAINS, row->subdomains);
	put_bool(step, out, LDAPSTORE_ENABLED, row->enabled);
}

/* signpostAddressDomain and signpostPatternTenant are there for their indexes alone. */
static void
rule_entry(const struct ldapstore_step *step, struct ldapstore_entry *out)
{
	static const char *const kinds[] = {"address", "domain", "suffix", "pattern"};
	const struct store_rule *row = &step->write->row.rule;
	size_t at = span_rfind(row->subject, '@');
	struct span domain = SPAN_EMPTY, tenant = SPAN_EMPTY;
	int how = step->add ? LDAPLINK_ADD : LDAPLINK_REPLACE;

	if (row->kind == STORE_RULE_ADDRESS && at != SIZE_MAX)
		domain = span_from(row->subject, at + 1);
	if (row->kind == STORE_RULE_PATTERN)
		tenant = row->tenant;
	put_class(step, out, "signpostRule");
	put_name(step, out, LDAPSTORE_RULE_ID, row->id);
	put_name(step, out, LDAPSTORE_OWNER, row->tenant);
	put(step, out, LDAPSTORE_RULE_KIND, span_str(kinds[row->kind]));
	put(step, out, LDAPSTORE_SUBJECT, row->subject);
	if (!step->add || domain.n > 0)
		put_change(out, how, "signpostAddressDomain", domain);
	if (!step->add || tenant.n > 0)
		put_change(out, how, "signpostPatternTenant", tenant);
	put(step, out, LDAPSTORE_SIGNING_DOMAIN, row->domain);
	put(step, out, LDAPSTORE_IDENTITY, row->identity);
	put_number(step, out, LDAPSTORE_PRIORITY, row->priority);
	put_bool(step, out, LDAPSTORE_ENABLED, row->enabled);
}

static void
put_times(const struct ldapstore_step *step, struct ldapstore_entry *out)
{
	struct key_times times = step->write->row.key.times;

	for (int a = LDAPSTORE_CREATED; a <= LDAPSTORE_SIGN_UNTIL; a++)
		put_time(step, out, (enum ldapstore_attribute)a,
		    *ldapstore_time(&times, (enum ldapstore_attribute)a));
}

static void
key_entry(const struct ldapstore_step *step, struct ldapstore_entry *out)
{
	const struct store_key *row = &step->write->row.key;

	put_class(step, out, "signpostKey");
	put_name(step, out, LDAPSTORE_KEY_ID, row->id);
	put_name(step, out, LDAPSTORE_OWNER, row->tenant);
	put_name(step, out, LDAPSTORE_KEY_DOMAIN, row->domain);
	put_name(step, out, LDAPSTORE_SELECTOR, row->selector);
	put_digest(step, out, row->selector);
	put(step, out, LDAPSTORE_ALGORITHM, row->algorithm);
	put_number(step, out, LDAPSTORE_KEY_BITS, row->bits);
	put(step, out, LDAPSTORE_PUBLIC_KEY, row->public_key);
	put(step, out, LDAPSTORE_PRIVATE_KEY, row->private_key);
	put_number(step, out, LDAPSTORE_KEY_REVISION, (int64_t)row->revision);
	put_times(step, out);
}

static void
put_notes(const struct ldapstore_step *step, struct ldapstore_entry *out)
{
	const struct store_key *row = &step->write->row.key;

	put(step, out, LDAPSTORE_LIFE, row->life);
	put(step, out, LDAPSTORE_LEASE, row->lease_s > 0 ? number(out, row->lease_s) : SPAN_EMPTY);
	put(step, out, LDAPSTORE_LOADING,
	    step->loading > 0 ? number(out, (int64_t)step->loading) : SPAN_EMPTY);
}

/* What the life cycle writes of a key; a destroyed one has no private key any more. */
static void
key_life_entry(const struct ldapstore_step *step, struct ldapstore_entry *out)
{
	put_times(step, out);
	put_notes(step, out);
	if (step->write->row.key.times.destroyed > 0)
		put(step, out, LDAPSTORE_PRIVATE_KEY, SPAN_EMPTY);
}

/* Another key in a slot: the entry keeps its name, and nothing else of the former one. */
static void
slot_entry(const struct ldapstore_step *step, struct ldapstore_entry *out)
{
	put(step, out, LDAPSTORE_KEY_ID, step->write->row.key.id);
	key_entry(step, out);
	put_notes(step, out);
}

static void
domain_life_entry(const struct ldapstore_step *step, struct ldapstore_entry *out)
{
	const struct store_domain *row = &step->write->row.domain;

	put(step, out, LDAPSTORE_LIFE, row->life);
	put_time(
	    step, out, LDAPSTORE_DUE, row->due < LDAPSTORE_DUE_MAX ? row->due : LDAPSTORE_DUE_MAX);
}

static void
binding_entry(const struct ldapstore_step *step, struct ldapstore_entry *out)
{
	const struct store_binding *row = &step->write->row.binding;

	put_class(step, out, "signpostBinding");
	put_name(step, out, LDAPSTORE_BINDING_SUBJECT, row->subject);
	put_digest(step, out, row->subject);
	put(step, out, LDAPSTORE_OWNER, row->tenant);
}

void
ldapstore_entry(const struct ldapstore_step *step, struct ldapstore_entry *out)
{
	memset(out, 0, sizeof(*out));
	put_revision(step, out);
	if (step->write->life) {
		if (ldapstore_is_slot(step->write))
			slot_entry(step, out);
		else if (step->write->what == STORE_KEY)
			key_life_entry(step, out);
		else
			domain_life_entry(step, out);
		return;
	}
	switch (step->write->what) {
	case STORE_TENANT:
		tenant_entry(step, out);
		break;
	case STORE_POLICY:
		policy_entry(step, out);
		break;
	case STORE_DOMAIN:
		domain_entry(step, out);
		break;
	case STORE_RULE:
		rule_entry(step, out);
		break;
	case STORE_KEY:
		key_entry(step, out);
		break;
	case STORE_BINDING:
		binding_entry(step, out);
		break;
	case STORE_TOKEN:
	case STORE_PROVIDER:
	case STORE_QUOTA:
	case STORE_REPLY:
	case STORE_AUDIT:
		break;
	}
}

/* ---- what Zimbra reads ---- */

#define CHUNK 250U /* octets of one string of a TXT record there */

struct store_key
ldapstore_step_key(const struct ldapstore_step *step)
{
	struct store_key row = step->write->row.key;

	if (step->algorithm != NULL)
		row.algorithm = span_str(step->algorithm);
	if (step->public_key != NULL)
		row.public_key = span_str(step->public_key);
	return row;
}

/* As zmdkimkeyutil keeps it: the line for a zone file. */
void
ldapstore_mirror_record(const struct store_key *row, struct buf *out)
{
	buf_add(out, row->selector);
	buf_add_str(out, "._domainkey\tIN\tTXT\t( \"v=DKIM1; k=rsa; \"\n\t  \"p=");
	for (size_t at = 0; at < row->public_key.n; at += CHUNK) {
		buf_add_str(out, at == 0 ? "" : "\"\n\t  \"");
		buf_add(out, span_sub(row->public_key, at, CHUNK));
	}
	buf_add_str(out, "\" )  ; ----- DKIM key ");
	buf_add(out, row->selector);
	buf_add_str(out, " for ");
	buf_add(out, row->domain);
	buf_add_char(out, '\n');
}

void
ldapstore_entry_mirror(
    const struct ldapstore_step *step, struct buf *record, struct ldapstore_entry *out)
{
	const struct store_key key = ldapstore_step_key(step), *row = &key;
	bool shown = step->mirror;

	memset(out, 0, sizeof(*out));
	buf_reset(record);
	if (shown)
		ldapstore_mirror_record(row, record);
	if (shown != step->mirror_class)
		put_change(
		    out, shown ? LDAPLINK_ADD : LDAPLINK_DELETE, "objectClass", SPAN_LIT("DKIM"));
	put_change(out, LDAPLINK_REPLACE, "DKIMSelector", shown ? row->selector : SPAN_EMPTY);
	put_change(out, LDAPLINK_REPLACE, "DKIMKey", shown ? step->write->mirror_pem : SPAN_EMPTY);
	put_change(out, LDAPLINK_REPLACE, "DKIMPublicKey", shown ? buf_span(record) : SPAN_EMPTY);
	put_change(out, LDAPLINK_REPLACE, "DKIMDomain", shown ? row->domain : SPAN_EMPTY);
	put_change(out, LDAPLINK_REPLACE, "DKIMIdentity", shown ? row->domain : SPAN_EMPTY);
}
