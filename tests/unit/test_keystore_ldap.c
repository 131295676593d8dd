/*
 * test_keystore_ldap.c - the key store in a directory without one: values, rows from entries, names
 * of entries, filters, and which queries may be asked together.
 * tests/integration/test_keystore_ldap.py has a server.
 */
#include "tests/unit/store_help.h"

#include "backends/keystore_ldap.h"
#include "backends/ldap_many.h"
#include "backends/ldap_url.h"

/* ---- values ---- */

static void
times_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t utc_s;
	} good[] = {{"19700101000000Z", 0}, {"19700101000001Z", 1}, {"20000229120000Z", 951825600},
	    {"20260901100000Z", 1788256800}, {"202609011000Z", 1788256800},
	    {"2026090110Z", 1788256800}, {"20260901100000.999Z", 1788256800},
	    {"20260901100000,5Z", 1788256800}, {"2026090110.00Z", 1788256800},
	    {"20260901120000+0200", 1788256800}, {"20260901050000-05", 1788256800},
	    {"20261231235960Z", 1798761600}, {"99991231235959Z", 253402300799}};
	int64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (ldapstore_read_time(span_str(good[i].text), &value) != ST_OK ||
		    value != good[i].utc_s)
			fail_msg("%s: %lld", good[i].text, (long long)value);
	}
}

static void
times_that_are_none(void **state)
{
	static const char *const bad[] = {"", "Z", "2026", "20260901", "2026090110",
	    "2026090110000Z", "20260901100000", "20260901100000z", "20260901100000ZZ",
	    "20260901100000Z ", " 20260901100000Z", "20261301100000Z", "20260001100000Z",
	    "20260931100000Z", "20260900100000Z", "20250229100000Z", "21000229100000Z",
	    "20260901240000Z", "20260901106000Z", "20260901100061Z", "20260901100000.Z",
	    "20260901100000.5", "20260901100000.5.5Z", "202609011000.5Z", "20260901100000+2",
	    "20260901100000+02000", "20260901100000+2400", "20260901100000+0060",
	    "20260901100000*0200", "19691231235959Z", "19700101000000+0001", "-0260901100000Z",
	    "+20260901100000Z", "20260901100000\xc2\xa0Z", "\xff"};
	int64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (ldapstore_read_time(span_str(bad[i]), &value) != ST_INVALID)
			fail_msg("\"%s\" is %lld", bad[i], (long long)value);
}

static void
times_are_written(void **state)
{
	static const int64_t some[] = {0, 1, 59, 86399, 86400, 951782399, 951782400, 951868799,
	    951868800, 978307199, 978307200, 1788256800, 4102444799, 4102444800, 13601088000,
	    253402300799};
	char text[16];
	int64_t value;

	(void)state;
	ldapstore_write_time(1788256800, text);
	assert_string_equal(text, "20260901100000Z");
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		ldapstore_write_time(some[i], text);
		assert_int_equal(ldapstore_read_time(span_str(text), &value), ST_OK);
		assert_true(value == some[i]);
	}
	for (int64_t day = 0; day < 400 * 366; day += 13) {
		ldapstore_write_time(day * 86400 + 12345, text);
		assert_int_equal(ldapstore_read_time(span_str(text), &value), ST_OK);
		assert_true(value == day * 86400 + 12345);
	}
}

static void
booleans_and_numbers(void **state)
{
	static const char *const bad[] = {"", "-", "--1", "+1", "1 ", " 1", "0x1", "1.0",
	    "9223372036854775808", "99999999999999999999", "\xef\xbc\x91"};
	bool yes = false;
	int64_t value;

	(void)state;
	assert_true(ldapstore_read_bool(SPAN_LIT("TRUE"), &yes) == ST_OK && yes);
	assert_true(ldapstore_read_bool(SPAN_LIT("FALSE"), &yes) == ST_OK && !yes);
	assert_int_equal(ldapstore_read_bool(SPAN_LIT("true"), &yes), ST_INVALID);
	assert_int_equal(ldapstore_read_bool(SPAN_LIT("TRUE "), &yes), ST_INVALID);
	assert_int_equal(ldapstore_read_bool(SPAN_LIT(""), &yes), ST_INVALID);
	assert_true(
	    ldapstore_read_number(SPAN_LIT("-12"), -12, 5, &value) == ST_OK && value == -12);
	assert_true(ldapstore_read_number(SPAN_LIT("0"), 0, 0, &value) == ST_OK && value == 0);
	assert_int_equal(ldapstore_read_number(SPAN_LIT("-13"), -12, 5, &value), ST_INVALID);
	assert_int_equal(ldapstore_read_number(SPAN_LIT("6"), -12, 5, &value), ST_INVALID);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (ldapstore_read_number(span_str(bad[i]), INT64_MIN, INT64_MAX, &value) == ST_OK)
			fail_msg("\"%s\" is %lld", bad[i], (long long)value);
}

/* ---- entries ---- */

struct made {
	struct ldapentry entry;
	struct ldapentry_values values[LDAPSTORE_ATTRIBUTES];
	struct span items[LDAPSTORE_ATTRIBUTES][2];
};

static void
give(struct made *made, enum ldapstore_attribute attribute, const char *text)
{
	made->items[attribute][made->values[attribute].count++] = span_str(text);
	made->values[attribute].items = made->items[attribute];
}

static void
make_key(struct made *made)
{
	memset(made, 0, sizeof(*made));
	made->entry.dn = SPAN_LIT("signpostSelector=s,x");
	made->entry.values = made->values;
	give(made, LDAPSTORE_CLASS, "top");
	give(made, LDAPSTORE_CLASS, "SIGNPOSTKEY");
	give(made, LDAPSTORE_OWNER, "acme");
	give(made, LDAPSTORE_KEY_ID, "K1");
	give(made, LDAPSTORE_KEY_DOMAIN, "a.test");
	give(made, LDAPSTORE_SELECTOR, "s");
	give(made, LDAPSTORE_ALGORITHM, "rsa-sha256");
	give(made, LDAPSTORE_PRIVATE_KEY, "spk1:1:AAAA");
	give(made, LDAPSTORE_KEY_REVISION, "3");
	give(made, LDAPSTORE_REVISION, "7");
	give(made, LDAPSTORE_ACTIVE, "20260901100000Z");
}

static void
a_key(void **state)
{
	struct made made;
	struct store_key row;
	struct err err = ERR_NONE;

	(void)state;
	make_key(&made);
	assert_int_equal(ldapstore_kind(&made.entry), LDAPSTORE_KEY);
	assert_int_equal(ldapstore_key(&made.entry, &row, &err), ST_OK);
	assert_true(span_eq_str(row.selector, "s") && span_eq_str(row.private_key, "spk1:1:AAAA"));
	assert_true(row.revision == 3 && row.row_revision == 7 && row.times.active == 1788256800);
	assert_true(row.times.revoked == 0 && row.bits == 0);
}

/* What is wrong is named, and the value of a key is not. */
static void
keys_that_are_none(void **state)
{
	static const struct {
		enum ldapstore_attribute attribute;
		const char *text; /* NULL: missing */
		const char *says;
	} cases[] = {{LDAPSTORE_OWNER, NULL, "signpostOwner is missing"},
	    {LDAPSTORE_KEY_ID, NULL, "signpostKeyId is missing"},
	    {LDAPSTORE_ALGORITHM, "", "signpostAlgorithm is missing"},
	    {LDAPSTORE_ACTIVE, "yesterday", "signpostActiveAt is no time"},
	    {LDAPSTORE_REVISION, "-1", "signpostRevision is no number"},
	    {LDAPSTORE_KEY_BITS, "1e3", "signpostKeyBits is no number"},
	    {LDAPSTORE_PRIVATE_KEY, "secret\xff", "signpostPrivateKey is not UTF-8"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct made made;
		struct store_key row;
		struct err err = ERR_NONE;

		make_key(&made);
		made.values[cases[i].attribute].count = 0;
		if (cases[i].text != NULL)
			give(&made, cases[i].attribute, cases[i].text);
		assert_int_equal(ldapstore_key(&made.entry, &row, &err), ST_INVALID);
		if (strstr(err.text, cases[i].says) == NULL || strstr(err.text, "secret") != NULL ||
		    strstr(err.text, "signpostSelector=s,x") == NULL)
			fail_msg("%s", err.text);
	}
}

static void
two_values_are_one_too_many(void **state)
{
	struct made made;
	struct store_key row;
	struct err err = ERR_NONE;

	(void)state;
	make_key(&made);
	give(&made, LDAPSTORE_OWNER, "bolt");
	assert_int_equal(ldapstore_key(&made.entry, &row, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "signpostOwner has more than one value"));
}

static void
defaults_of_a_domain(void **state)
{
	struct made made;
	struct store_domain row;
	struct err err = ERR_NONE;

	(void)state;
	memset(&made, 0, sizeof(made));
	made.entry.values = made.values;
	give(&made, LDAPSTORE_DOMAIN_NAME, "a.test");
	give(&made, LDAPSTORE_OWNER, "acme");
	assert_int_equal(ldapstore_domain(&made.entry, &row, &err), ST_OK);
	assert_true(row.enabled && !row.subdomains && row.signature_ttl_s == -1);
	give(&made, LDAPSTORE_ENABLED, "FALSE");
	assert_true(ldapstore_domain(&made.entry, &row, &err) == ST_OK && !row.enabled);
	assert_int_equal(ldapstore_kind(&made.entry), LDAPSTORE_OTHER);
}

static void
rules_and_their_kinds(void **state)
{
	static const char *const kinds[] = {"address", "domain", "suffix", "pattern"};
	struct err err = ERR_NONE;

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct made made;
		struct store_rule row;

		memset(&made, 0, sizeof(made));
		made.entry.values = made.values;
		give(&made, LDAPSTORE_RULE_ID, "r");
		give(&made, LDAPSTORE_OWNER, "acme");
		give(&made, LDAPSTORE_SUBJECT, "x");
		give(&made, LDAPSTORE_SIGNING_DOMAIN, "a.test");
		give(&made, LDAPSTORE_PRIORITY, "-4");
		give(&made, LDAPSTORE_RULE_KIND, i < 4 ? kinds[i] : "host");
		assert_int_equal(
		    ldapstore_rule(&made.entry, &row, &err), i < 4 ? ST_OK : ST_INVALID);
		if (i < 4)
			assert_true((int)row.kind == i && row.priority == -4);
	}
}

static void
changes_and_what_is_pending(void **state)
{
	static const char *const bad[] = {"", "1", "1 ", "x d:a", "-1 d:a", " d:a"};
	struct store_change change;
	struct span subject;
	int64_t when;

	(void)state;
	assert_int_equal(ldapstore_change(SPAN_LIT("12 d:a.test"), &change), ST_OK);
	assert_true(change.epoch == 12);
	assert_string_equal(change.subject, "d:a.test");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ldapstore_change(span_str(bad[i]), &change), ST_INVALID);
	assert_int_equal(
	    ldapstore_pending(SPAN_LIT("20260901100000Z n0nce t:acme"), &when, &subject), ST_OK);
	assert_true(when == 1788256800 && span_eq_str(subject, "t:acme"));
	assert_int_equal(
	    ldapstore_pending(SPAN_LIT("20260901100000Z t:acme"), &when, &subject), ST_INVALID);
	assert_int_equal(ldapstore_pending(SPAN_LIT("now n t:acme"), &when, &subject), ST_INVALID);
}

/* ---- the life cycle of keys ---- */

static void
lives_of_rows(void **state)
{
	struct made made;
	struct store_key row;
	struct store_domain domain;
	struct err err = ERR_NONE;

	(void)state;
	make_key(&made);
	give(&made, LDAPSTORE_LEASE, "604800");
	give(&made, LDAPSTORE_LIFE, "{}");
	give(&made, LDAPSTORE_LOADING, "42");
	give(&made, LDAPSTORE_DOMAIN_NAME, "a.test");
	give(&made, LDAPSTORE_DUE, "20260901100000Z");
	assert_int_equal(ldapstore_key(&made.entry, &row, &err), ST_OK);
	assert_true(row.lease_s == 604800 && row.loading == 42 && span_eq_str(row.life, "{}"));
	assert_int_equal(ldapstore_domain(&made.entry, &domain, &err), ST_OK);
	assert_true(domain.due == 1788256800 && span_eq_str(domain.life, "{}"));
	give(&made, LDAPSTORE_LEASE, "1");
	assert_int_equal(ldapstore_key(&made.entry, &row, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "signpostLease has more than one value"));
	/* What a gateway wrote is a gateway's, whatever class it says. */
	give(&made, LDAPSTORE_NODE, "gw1");
	assert_int_equal(ldapstore_kind(&made.entry), LDAPSTORE_GATEWAY);
}

static void
leases(void **state)
{
	static const struct {
		const char *holder, *until;
		enum status status;
		const char *owner;
		uint64_t fence;
		int64_t expires;
	} cases[] = {{NULL, NULL, ST_OK, "", 0, 0}, {"one 7 me", NULL, ST_OK, "me", 7, 0},
	    {"one 7 me", "one 20260901100000Z", ST_OK, "me", 7, 1788256800},
	    {"one 7", NULL, ST_OK, "", 7, 0}, {"onetwo 7 me", "ones x", ST_OK, "", 0, 0},
	    {"one x me", NULL, ST_INVALID, "", 0, 0}, {"one ", NULL, ST_INVALID, "", 0, 0},
	    {"one 7 me", "one soon", ST_INVALID, "", 0, 0},
	    {"one 7 1234567890123456789012345678901234567890123456789012345678901234", NULL,
		ST_INVALID, "", 0, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct made made = {.entry = {.dn = SPAN_LIT("cn=store")}};
		struct store_lease lease;
		struct err err = ERR_NONE;
		char text[LDAPSTORE_LEASE_BYTES];

		made.entry.values = made.values;
		give(&made, LDAPSTORE_LEASE_HOLDER, "other 3 them");
		if (cases[i].holder != NULL)
			give(&made, LDAPSTORE_LEASE_HOLDER, cases[i].holder);
		if (cases[i].until != NULL)
			give(&made, LDAPSTORE_LEASE_UNTIL, cases[i].until);
		assert_int_equal(
		    ldapstore_lease_of(&made.entry, "one", &lease, &err), cases[i].status);
		if (cases[i].status != ST_OK)
			continue;
		assert_string_equal(lease.owner, cases[i].owner);
		assert_true(lease.fence == cases[i].fence && lease.expires == cases[i].expires);
		ldapstore_lease_holder(&lease, text);
		if (lease.fence > 0)
			assert_string_equal(text, cases[i].holder);
		ldapstore_lease_until(&lease, text);
		if (lease.expires > 0)
			assert_string_equal(text, cases[i].until);
	}
}

static void
who_was_deposed(void **state)
{
	static const struct {
		const char *value;
		enum status marked;
		uint64_t mark;
		bool deposed; /* by fence 8 of "one" */
	} cases[] = {{"20260901100000Z n d:a", ST_ABSENT, 0, false},
	    {"20260901100000Z n/41 d:a", ST_OK, 41, false},
	    {"20260901100000Z n/41/7/one d:a", ST_OK, 41, true},
	    {"20260901100000Z n/41/8/one d:a", ST_OK, 41, false},
	    {"20260901100000Z n/41/7/two d:a", ST_OK, 41, false},
	    {"20260901100000Z n//7/one d:a", ST_ABSENT, 0, true},
	    {"20260901100000Z n/x/7/one d:a", ST_INVALID, 0, true},
	    {"20260901100000Z n/41/x/one d:a", ST_OK, 41, false},
	    {"n/41/7/one", ST_ABSENT, 0, false}};
	const struct store_lease lease = {.name = "one", .fence = 8};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span subject, value = span_str(cases[i].value);
		uint64_t mark;
		int64_t when;

		assert_int_equal(ldapstore_pending_mark(value, &mark), cases[i].marked);
		assert_true(cases[i].marked != ST_OK || mark == cases[i].mark);
		assert_true(ldapstore_pending_deposed(value, &lease) == cases[i].deposed);
		assert_false(ldapstore_pending_deposed(value, NULL));
		/* Programs of before read it as they did. */
		if (value.p[0] == '2')
			assert_true(ldapstore_pending(value, &when, &subject) == ST_OK &&
				    span_eq_str(subject, "d:a"));
	}
}

static void
give_report(struct made *made, enum ldapstore_gateway_attribute attribute, const char *text)
{
	give(made, (enum ldapstore_attribute)attribute, text);
}

static void
reports(void **state)
{
	struct made made = {.entry = {.dn = SPAN_LIT("signpostNode=gw1")}};
	struct store_gateway row;
	struct err err = ERR_NONE;

	(void)state;
	made.entry.values = made.values;
	give_report(&made, LDAPGATEWAY_NODE, "gw1");
	assert_int_equal(ldapstore_gateway(&made.entry, &row, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "modifyTimestamp"));
	give_report(&made, LDAPGATEWAY_MODIFIED, "20260901100000Z");
	give_report(&made, LDAPGATEWAY_EPOCH, "42");
	give_report(&made, LDAPGATEWAY_OFFSET, "-12");
	assert_int_equal(ldapstore_gateway(&made.entry, &row, &err), ST_OK);
	assert_true(row.at == 1788256800 && row.epoch == 42 && row.tested == 0 &&
		    row.offset_ms == -12 && span_eq_str(row.node, "gw1"));
	give_report(&made, LDAPGATEWAY_TESTED, "-1");
	assert_int_equal(ldapstore_gateway(&made.entry, &row, &err), ST_INVALID);
	assert_non_null(strstr(err.text, "signpostTested"));
}

/* ---- filters and names ---- */

static size_t
count_of(const struct buf *text, char c)
{
	size_t n = 0;

	for (size_t i = 0; i < text->n; i++)
		n += text->p[i] == c;
	return n;
}

/* However hostile a name is, the grammar around it stays as it is. */
static void
names_stay_names(void **state)
{
	static const struct span nasty[] = {{"*", 1}, {"a)(b=c", 6}, {"\\", 1}, {"a\0b", 3},
	    {"a,b=c", 5}, {"\"", 1}, {"#x", 2}, {"a+b", 3}, {"\xff\xc3\xa9", 3}, {" a ", 3}};
	struct buf text, plain;

	(void)state;
	buf_init(&text, LDAPSTORE_TEXT_MAX);
	buf_init(&plain, LDAPSTORE_TEXT_MAX);
	ldapstore_filter_keys(&plain, SPAN_LIT("a"));
	assert_string_equal(buf_text(&plain),
	    "(|(objectClass=signpostStore)(signpostDomainName=a)(&(signpostKeyDomain=a)"
	    "(signpostActiveAt=*)(!(signpostRevokedAt=*))(!(signpostRemovedAt=*))"
	    "(!(signpostDestroyedAt=*))))");
	for (size_t i = 0; i < sizeof(nasty) / sizeof(nasty[0]); i++) {
		ldapstore_filter_keys(&text, nasty[i]);
		for (const char *c = "()*&|!="; *c != '\0'; c++)
			assert_int_equal(count_of(&text, *c), count_of(&plain, *c));
		assert_true(strlen(buf_text(&text)) == text.n);
		ldapstore_dn_key(&text, "ou=x", nasty[i], nasty[i]);
		assert_int_equal(count_of(&text, ','), 3);
		assert_int_equal(count_of(&text, '='), 4);
		assert_true(
		    count_of(&text, '"') + count_of(&text, '#') + count_of(&text, '+') == 0);
	}
	buf_free(&text);
	buf_free(&plain);
}

static void
questions_of_senders(void **state)
{
	const struct span names[] = {SPAN_LIT("a.b.test"), SPAN_LIT("b.test"), SPAN_LIT("test")};
	struct buf text;

	(void)state;
	buf_init(&text, LDAPSTORE_TEXT_MAX);
	ldapstore_filter_senders(&text, names, 3);
	assert_string_equal(buf_text(&text),
	    "(|(objectClass=signpostStore)(signpostDomainName=a.b.test)(signpostDomainName=b.test)"
	    "(signpostDomainName=test)(&(signpostRuleKind=domain)(signpostSubject=a.b.test))"
	    "(&(signpostRuleKind=suffix)(|(signpostSubject=.b.test)(signpostSubject=.test))))");
	ldapstore_filter_senders(&text, names, 1);
	assert_string_equal(buf_text(&text),
	    "(|(objectClass=signpostStore)(signpostDomainName=a.b.test)"
	    "(&(signpostRuleKind=domain)(signpostSubject=a.b.test)))");
	ldapstore_filter_due(&text, 1788256800);
	assert_string_equal(
	    buf_text(&text), "(|(objectClass=signpostStore)(signpostDueAt<=20260901100000Z))");
	ldapstore_filter_lives(&text, names, 2);
	assert_string_equal(buf_text(&text),
	    "(|(objectClass=signpostStore)(signpostDomainName=a.b.test)(signpostDomainName=b.test)"
	    "(&(|(signpostKeyDomain=a.b.test)(signpostKeyDomain=b.test))"
	    "(!(signpostDestroyedAt=*))))");
	ldapstore_filter_loading(&text, 41, 99);
	assert_string_equal(buf_text(&text),
	    "(&(signpostLoading>=42)(signpostLoading<=99)(!(signpostDestroyedAt=*)))");
	ldapstore_filter_bindings(&text, names, 2);
	assert_string_equal(buf_text(&text),
	    "(|(objectClass=signpostStore)(signpostBindingSubject=a.b.test)"
	    "(signpostBindingSubject=b.test))");
	buf_free(&text);
}

static void
long_names_have_a_digest(void **state)
{
	char name[253], digest[KEYSTORE_DIGEST_BYTES];
	struct buf text;

	(void)state;
	memset(name, 'a', sizeof(name));
	buf_init(&text, LDAPSTORE_TEXT_MAX);
	assert_false(ldapstore_digest(span_of(name, 180), digest));
	assert_true(ldapstore_digest(span_of(name, 181), digest));
	assert_int_equal(strlen(digest), 64);
	ldapstore_dn_domain(&text, "ou=x", span_of(name, 253));
	assert_memory_equal(buf_text(&text), "signpostDigest=", 15);
	assert_true(text.n < 120);
	assert_true(ldapstore_digest(SPAN_LIT("\xc3\xa9"), digest));
	assert_string_equal(
	    digest, "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c");
	buf_free(&text);
}

/* ---- several queries ---- */

static void
which_filters_can_be_joined(void **state)
{
	static const struct {
		const char *filter, *attribute; /* NULL: it cannot be told whose an entry is */
	} cases[] = {{"(DKIMIdentity=$d)", "DKIMIdentity"}, {" (a=$d) ", "a"},
	    {"(&(objectClass=DKIM)(a=$d))", "a"}, {"(&(a=$d)(|(b=1)(c=2))(!(d=3)))", "a"},
	    {"(|(a=$d)(b=1))", NULL}, {"(!(a=$d))", NULL}, {"(&(|(a=$d)(b=1))(c=2))", NULL},
	    {"(&(!(a=$d))(b=1))", NULL}, {"(&(a=$d)(b=$d))", NULL}, {"(&(a=$d)(b=$D))", NULL},
	    {"(a=$D)", NULL}, {"(a=*$d)", NULL}, {"(a=$d*)", NULL}, {"(a=@$d)", NULL},
	    {"(a~=$d)", NULL}, {"(a>=$d)", NULL}, {"(a:dn:=$d)", NULL}, {"(a:=$d)", NULL},
	    {"(a;lang-de=$d)", NULL}, {"(=$d)", NULL}, {"a=$d", NULL}, {"(a=1)", NULL}, {"", NULL},
	    {"(a=$d))(b=1)", NULL}, {"(a=$d)(b=1)", NULL}, {"(&(b=1)(a=$d)", NULL},
	    {"(&(b=1))(&(a=$d))", NULL}, {")(a=$d)(", NULL}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span attribute = SPAN_EMPTY;
		bool found = ldapmany_attribute(span_str(cases[i].filter), &attribute);

		if (found != (cases[i].attribute != NULL) ||
		    (found && !span_eq_str(attribute, cases[i].attribute)))
			fail_msg("%s: %.*s", cases[i].filter, SPAN_ARG(attribute));
	}
}

static void
which_queries_can_be_joined(void **state)
{
	static const struct {
		const char *a, *b;
		bool distinct;
	} cases[] = {{"bob@a.test", "a.test", true}, {"a.test", ".test", true}, {"a", "a", true},
	    {"bob@.test", "Bob@a.test", true}, {"*", "bob@*", true},
	    {"192.0.2.1", "192.0.2.0/24", true}, {"a", "A", false}, {"Bob@a", "bob@a", false},
	    {"a-b", "ab", false}, {"a b", "ab", false}, {"a", "a ", false}, {"12", "012", false},
	    {"a", "12", false}, {"a", "", false}, {"\xc3\xa9", "a", false}, {"a\\", "a", false},
	    {"a", "-", false}, {"a=b", "a", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct span queries[] = {span_str(cases[i].a), span_str(cases[i].b)};
		const struct span turned[] = {queries[1], queries[0]};

		if (ldapmany_distinct(queries, 2) != cases[i].distinct ||
		    ldapmany_distinct(turned, 2) != cases[i].distinct)
			fail_msg("%s, %s", cases[i].a, cases[i].b);
	}
}

static void
whose_is_an_entry(void **state)
{
	const struct span queries[] = {
	    SPAN_LIT("bob@a"), SPAN_LIT("a"), SPAN_LIT(".a"), SPAN_LIT("a")};
	const struct span both[] = {SPAN_LIT("a"), SPAN_LIT(".a")};
	const struct span loose[] = {SPAN_LIT("a"), SPAN_LIT("BOB@A")};

	(void)state;
	assert_int_equal(ldapmany_owners(both, 1, queries, 4), 2 | 8);
	assert_int_equal(ldapmany_owners(both, 2, queries, 4), 2 | 4 | 8);
	/* The server may hold it for equal, or not: nobody knows here. */
	assert_int_equal(ldapmany_owners(loose, 2, queries, 4), 0);
	assert_int_equal(ldapmany_owners(loose + 1, 1, queries, 4), 0);
	assert_int_equal(ldapmany_owners(NULL, 0, queries, 4), 0);
}

static void
specifications(void **state)
{
	static const char *const bad[] = {"", "x", "//h", "//h/", "//h/x", "//h/ou=x?",
	    "//h/ou=x??sub", "//h/ou=%zz", "//h/ou=%00", "//u:p@h/ou=x", "//h:0/ou=x",
	    "//h/ou=x http://h"};
	struct ldapurl url;
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(
	    ldapurl_parse_store(
		"ldap", SPAN_LIT("//h:389/ou=a%20b,dc=x ldaps://two ldapi://%2Fs"), &url, &err),
	    ST_OK);
	assert_string_equal(url.base, "ou=a b,dc=x");
	assert_int_equal(url.server_count, 3);
	assert_int_equal(url.attribute_count, 0);
	ldapurl_free(&url);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (ldapurl_parse_store("ldap", span_str(bad[i]), &url, &err) != ST_INVALID)
			fail_msg("%s", bad[i]);
		assert_null(strstr(err.text, ":p@"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(times_are_read),
	    cmocka_unit_test(times_that_are_none),
	    cmocka_unit_test(times_are_written),
	    cmocka_unit_test(booleans_and_numbers),
	    cmocka_unit_test(a_key),
	    cmocka_unit_test(keys_that_are_none),
	    cmocka_unit_test(two_values_are_one_too_many),
	    cmocka_unit_test(defaults_of_a_domain),
	    cmocka_unit_test(rules_and_their_kinds),
	    cmocka_unit_test(changes_and_what_is_pending),
	    cmocka_unit_test(lives_of_rows),
	    cmocka_unit_test(leases),
	    cmocka_unit_test(who_was_deposed),
	    cmocka_unit_test(reports),
	    cmocka_unit_test(names_stay_names),
	    cmocka_unit_test(questions_of_senders),
	    cmocka_unit_test(long_names_have_a_digest),
	    cmocka_unit_test(which_filters_can_be_joined),
	    cmocka_unit_test(which_queries_can_be_joined),
	    cmocka_unit_test(whose_is_an_entry),
	    cmocka_unit_test(specifications),
	};

	return cmocka_run_group_tests_name("keystore_ldap", tests, NULL, NULL);
}
