/*
 * fuzz_keystore_ldap.c - any octets as values of an entry: a row within its limits, or a sentence.
 * Each line of the input is a value; its first octet says of which attribute. Names and filters
 * made from the values have the grammar of harmless ones.
 */
#include "tests/fuzz/store_fuzz.h"

#include "backends/keystore_ldap.h"
#include "backends/ldap_many.h"
#include "backends/ldap_url.h"

#define VALUES_MAX 3

struct made {
	struct ldapentry entry;
	struct ldapentry_values values[LDAPSTORE_ATTRIBUTES];
	struct span items[LDAPSTORE_ATTRIBUTES][VALUES_MAX];
};

static void
demand(bool what)
{
	if (!what)
		abort();
}

/* Only who began under a lower fence of the same lease is deposed. */
static void
check_mark(struct span text)
{
	struct store_lease lease = {.name = "reconciler", .fence = 0};
	uint64_t epoch;

	if (ldapstore_pending_mark(text, &epoch) == ST_OK)
		demand(epoch < INT64_MAX);
	demand(!ldapstore_pending_deposed(text, NULL));
	demand(!ldapstore_pending_deposed(text, &lease));
}

static void
check_value(struct span text)
{
	int64_t utc_s, again, number;
	struct store_change change;
	struct span subject;
	char written[16];
	bool yes;

	if (ldapstore_read_time(text, &utc_s) == ST_OK) {
		demand(utc_s >= 0);
		if (utc_s <= INT64_C(253402300799)) {
			ldapstore_write_time(utc_s, written);
			demand(ldapstore_read_time(span_str(written), &again) == ST_OK);
			demand(again == utc_s);
		}
	}
	if (ldapstore_read_number(text, -100, 1000000, &number) == ST_OK)
		demand(number >= -100 && number <= 1000000);
	if (ldapstore_read_bool(text, &yes) == ST_OK)
		demand(text.n == (yes ? 4 : 5));
	if (ldapstore_change(text, &change) == ST_OK)
		demand(
		    change.subject[0] != '\0' && strlen(change.subject) < sizeof(change.subject));
	if (ldapstore_pending(text, &utc_s, &subject) == ST_OK)
		demand(subject.n > 0 && subject.n < sizeof(change.subject));
	check_mark(text);
}

static size_t
count(const struct buf *text, const char *set)
{
	size_t n = 0;

	for (size_t i = 0; i < text->n; i++)
		n += text->p[i] != '\0' && strchr(set, text->p[i]) != NULL;
	return n;
}

static void
check_names(struct span text)
{
	struct buf hostile, plain;
	struct span attribute;

	buf_init(&hostile, LDAPSTORE_TEXT_MAX);
	buf_init(&plain, LDAPSTORE_TEXT_MAX);
	ldapstore_filter_senders(&hostile, &text, 1);
	ldapstore_filter_senders(&plain, &SPAN_LIT("a"), 1);
	demand(count(&hostile, "()*&|!<>~=") == count(&plain, "()*&|!<>~="));
	demand(strlen(buf_text(&hostile)) == hostile.n);
	ldapstore_dn_key(&hostile, "ou=x", text, text);
	ldapstore_dn_key(&plain, "ou=x", SPAN_LIT("a"), SPAN_LIT("a"));
	demand(count(&hostile, ",=+\"<>;#") == count(&plain, ",=+\"<>;#"));
	demand(strlen(buf_text(&hostile)) == hostile.n && hostile.n < 2000);
	if (ldapmany_attribute(text, &attribute))
		demand(attribute.n > 0 && attribute.p > text.p &&
		       attribute.p + attribute.n < text.p + text.n);
	buf_free(&hostile);
	buf_free(&plain);
}

static void
check_reports(const struct ldapentry *entry)
{
	struct err err = ERR_NONE;
	struct store_gateway gateway;
	struct store_lease lease;
	char text[LDAPSTORE_LEASE_BYTES];

	if (ldapstore_gateway(entry, &gateway, &err) == ST_OK)
		demand(gateway.node.n > 0 && gateway.node.n <= KEYSTORE_NODE_MAX &&
		       gateway.at > 0 && gateway.epoch < INT64_MAX &&
		       gateway.failed.n <= KEYSTORE_FAILED_TEXT);
	else
		demand(err.text[0] != '\0');
	if (ldapstore_lease_of(entry, "reconciler", &lease, &err) != ST_OK)
		return;
	demand(strlen(lease.owner) <= KEYSTORE_LEASE_MAX && lease.fence < INT64_MAX &&
	       lease.expires >= 0);
	ldapstore_lease_holder(&lease, text);
	demand(strlen(text) < sizeof(text) - 1 && strncmp(text, "reconciler ", 11) == 0);
	if (lease.expires <= LDAPSTORE_TIME_MAX)
		ldapstore_lease_until(&lease, text);
}

static void
check_rows(const struct ldapentry *entry)
{
	struct err err = ERR_NONE;
	struct store_tenant tenant;
	struct store_policy policy;
	struct store_domain domain;
	struct store_rule rule;
	struct store_key key;
	struct store_binding binding;
	uint64_t epoch;

	(void)ldapstore_kind(entry);
	if (ldapstore_tenant(entry, &tenant, &err) == ST_OK)
		demand(tenant.name.n > 0 && tenant.name.n <= KEYSTORE_TENANT_MAX);
	if (ldapstore_policy(entry, &policy, &err) == ST_OK)
		demand(policy.signature_ttl_s >= -1 && policy.name.n > 0);
	if (ldapstore_domain(entry, &domain, &err) == ST_OK)
		demand(domain.tenant.n > 0 && domain.name.n <= KEYSTORE_DOMAIN_MAX &&
		       domain.due >= 0 && domain.life.n <= KEYSTORE_TEXT_MAX);
	if (ldapstore_rule(entry, &rule, &err) == ST_OK)
		demand(rule.kind <= STORE_RULE_PATTERN && rule.subject.n <= KEYSTORE_SUBJECT_MAX);
	if (ldapstore_binding(entry, &binding, &err) == ST_OK)
		demand(binding.subject.n > 0 && binding.tenant.n > 0);
	if (ldapstore_epoch(entry, &epoch, &err) == ST_OK)
		demand(epoch < INT64_MAX);
	err.text[0] = '\0';
	if (ldapstore_key(entry, &key, &err) != ST_OK)
		demand(err.text[0] != '\0');
	else
		demand(key.private_key.n <= KEYSTORE_TEXT_MAX && key.bits >= 0 &&
		       key.times.active >= 0 && span_is_text(key.selector) && key.lease_s >= 0 &&
		       key.loading < INT64_MAX && key.life.n <= KEYSTORE_TEXT_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data, size), line;
	struct made made;
	bool more = size > 0;

	memset(&made, 0, sizeof(made));
	made.entry.dn = SPAN_LIT("cn=x");
	made.entry.values = made.values;
	while (more) {
		size_t at;

		more = span_cut(&rest, '\n', &line);
		if (line.n == 0)
			continue;
		at = (unsigned char)(line.p[0] - 'A') % LDAPSTORE_ATTRIBUTES;
		line = span_from(line, 1);
		check_value(line);
		check_names(line);
		if (made.values[at].count == VALUES_MAX)
			continue;
		made.items[at][made.values[at].count++] = line;
		made.values[at].items = made.items[at];
	}
	check_rows(&made.entry);
	check_reports(&made.entry);
	return 0;
}
