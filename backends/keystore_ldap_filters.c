/*
 * keystore_ldap_filters.c - what the key store in a directory asks for: filters and names.
 * Called by the questions of keystore_ldap.c and by the writer.
 * It must never put a text from outside into a filter or a name but through ldapurl_escape_*(),
 * nor make a filter that no index serves (ldif/README).
 */
#include "backends/keystore_ldap.h"
#include "backends/ldap_url.h"

/* OpenLDAP's mdb takes no name of an entry that has more than about 220 octets. */
#define NAME_PLAIN_MAX 180U

/* The entry with the epoch is a part of each answer: without it there was none to be had, whatever
 * the reason (no schema, no right, another base). */
static void
begin(struct buf *out)
{
	buf_reset(out);
	buf_add_str(out, "(|(objectClass=signpostStore)");
}

static void
add_equal(struct buf *out, const char *attribute, const char *prefix, struct span value)
{
	buf_add_char(out, '(');
	buf_add_str(out, attribute);
	buf_add_char(out, '=');
	buf_add_str(out, prefix);
	ldapurl_escape_filter(out, value);
	buf_add_char(out, ')');
}

void
ldapstore_filter_senders(struct buf *out, const struct span *names, size_t count)
{
	begin(out);
	for (size_t i = 0; i < count; i++)
		add_equal(out, "signpostDomainName", "", names[i]);
	buf_add_str(out, "(&(signpostRuleKind=domain)");
	add_equal(out, "signpostSubject", "", count == 0 ? SPAN_EMPTY : names[0]);
	buf_add_char(out, ')');
	if (count > 1) {
		buf_add_str(out, "(&(signpostRuleKind=suffix)(|");
		for (size_t i = 1; i < count; i++)
			add_equal(out, "signpostSubject", ".", names[i]);
		buf_add_str(out, "))");
	}
	buf_add_char(out, ')');
}

void
ldapstore_filter_address_rules(struct buf *out, struct span domain)
{
	buf_reset(out);
	add_equal(out, "signpostAddressDomain", "", domain);
}

void
ldapstore_filter_address(struct buf *out, struct span address)
{
	begin(out);
	buf_add_str(out, "(&(signpostRuleKind=address)");
	add_equal(out, "signpostSubject", "", address);
	buf_add_str(out, "))");
}

void
ldapstore_filter_patterns(struct buf *out, struct span tenant)
{
	begin(out);
	add_equal(out, "signpostPatternTenant", "", tenant);
	buf_add_char(out, ')');
}

void
ldapstore_filter_keys(struct buf *out, struct span domain)
{
	begin(out);
	add_equal(out, "signpostDomainName", "", domain);
	buf_add_str(out, "(&");
	add_equal(out, "signpostKeyDomain", "", domain);
	buf_add_str(out, "(signpostActiveAt=*)(!(signpostRevokedAt=*))(!(signpostRemovedAt=*))"
			 "(!(signpostDestroyedAt=*))))");
}

void
ldapstore_filter_bindings(struct buf *out, const struct span *subjects, size_t count)
{
	begin(out);
	for (size_t i = 0; i < count; i++)
		add_equal(out, "signpostBindingSubject", "", subjects[i]);
	buf_add_char(out, ')');
}

void
ldapstore_filter_due(struct buf *out, int64_t now_utc)
{
	char text[16];

	ldapstore_write_time(now_utc, text);
	begin(out);
	buf_add_fmt(out, "(signpostDueAt<=%s))", text);
}

void
ldapstore_filter_lives(struct buf *out, const struct span *domains, size_t count)
{
	begin(out);
	for (size_t i = 0; i < count; i++)
		add_equal(out, "signpostDomainName", "", domains[i]);
	buf_add_str(out, "(&(|");
	for (size_t i = 0; i < count; i++)
		add_equal(out, "signpostKeyDomain", "", domains[i]);
	buf_add_str(out, ")(!(signpostDestroyedAt=*))))");
}

void
ldapstore_filter_loading(struct buf *out, uint64_t since, uint64_t until)
{
	buf_reset(out);
	buf_add_fmt(out, "(&(signpostLoading>=%llu)", (unsigned long long)since + 1);
	buf_add_fmt(
	    out, "(signpostLoading<=%llu)(!(signpostDestroyedAt=*)))", (unsigned long long)until);
}

bool
ldapstore_digest(struct span name, char text[KEYSTORE_DIGEST_BYTES])
{
	bool plain = name.n <= NAME_PLAIN_MAX;

	for (size_t i = 0; i < name.n && plain; i++)
		plain = (unsigned char)name.p[i] < 0x80;
	text[0] = '\0';
	if (!plain)
		keystore_digest(name, text);
	return !plain;
}

static void
add_rdn(struct buf *out, const char *attribute, struct span value)
{
	char digest[KEYSTORE_DIGEST_BYTES];

	if (ldapstore_digest(value, digest)) {
		attribute = "signpostDigest";
		value = span_str(digest);
	}
	buf_add_str(out, attribute);
	buf_add_char(out, '=');
	ldapurl_escape_dn(out, value);
	buf_add_char(out, ',');
}

void
ldapstore_dn_store(struct buf *out, const char *base)
{
	buf_reset(out);
	buf_add_str(out, "cn=store,");
	buf_add_str(out, base);
}

/* Behind what is there. */
static void
add_tenant(struct buf *out, const char *base, struct span tenant)
{
	add_rdn(out, "signpostTenantName", tenant);
	buf_add_str(out, "ou=tenants,");
	buf_add_str(out, base);
}

static void
add_domain(struct buf *out, const char *base, struct span domain)
{
	add_rdn(out, "signpostDomainName", domain);
	buf_add_str(out, "ou=domains,");
	buf_add_str(out, base);
}

void
ldapstore_dn_tenant(struct buf *out, const char *base, struct span tenant)
{
	buf_reset(out);
	add_tenant(out, base, tenant);
}

void
ldapstore_dn_policy(struct buf *out, const char *base, struct span tenant, struct span name)
{
	buf_reset(out);
	add_rdn(out, "signpostPolicyName", name);
	add_tenant(out, base, tenant);
}

void
ldapstore_dn_rule(struct buf *out, const char *base, struct span tenant, struct span id)
{
	buf_reset(out);
	add_rdn(out, "signpostRuleId", id);
	add_tenant(out, base, tenant);
}

void
ldapstore_dn_domain(struct buf *out, const char *base, struct span domain)
{
	buf_reset(out);
	add_domain(out, base, domain);
}

void
ldapstore_dn_key(struct buf *out, const char *base, struct span domain, struct span selector)
{
	buf_reset(out);
	add_rdn(out, "signpostSelector", selector);
	add_domain(out, base, domain);
}

void
ldapstore_dn_binding(struct buf *out, const char *base, struct span subject)
{
	buf_reset(out);
	add_rdn(out, "signpostBindingSubject", subject);
	buf_add_str(out, "ou=bindings,");
	buf_add_str(out, base);
}

void
ldapstore_dn_gateways(struct buf *out, const char *base)
{
	buf_reset(out);
	buf_add_str(out, "ou=gateways,");
	buf_add_str(out, base);
}

void
ldapstore_dn_gateway(struct buf *out, const char *base, struct span node)
{
	buf_reset(out);
	add_rdn(out, "signpostNode", node);
	buf_add_str(out, "ou=gateways,");
	buf_add_str(out, base);
}
