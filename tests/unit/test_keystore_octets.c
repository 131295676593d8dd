/*
 * test_keystore_octets.c - answers of a key store as octets: all of them come back, and nothing
 * else is read. make check.
 */
#include "tests/unit/store_help.h"

#include "lib/base/secret.h"
#include "lib/store/keystore_octets.h"

#define S(literal) SPAN_LIT(literal)

static const struct store_tenant tenant = {
    .name = S("acme"), .failure = S("tempfail"), .enabled = true, .revision = 3};
static const struct store_domain domain = {.name = S("a.example"),
    .tenant = S("acme"),
    .signs_as = S("b.example"),
    .policy = S("strict"),
    .failure = S("store=unsigned"),
    .signature_ttl_s = -1,
    .subdomains = true,
    .revision = UINT64_MAX};
static const struct store_rule rule = {.kind = STORE_RULE_PATTERN,
    .id = S("R-1"),
    .tenant = S("acme"),
    .subject = S("*@*.a.example"),
    .domain = S("a.example"),
    .identity = S("@a.example"),
    .priority = -7,
    .enabled = true,
    .revision = 9};
static const struct store_key key = {.id = S("k_1"),
    .tenant = S("acme"),
    .domain = S("a.example"),
    .selector = S("s.1"),
    .algorithm = S("ed25519-sha256"),
    .public_key = S("AAAA"),
    .private_key = S("spk1:1:secret"),
    .bits = 256,
    .revision = 4,
    .row_revision = 5,
    .lease_s = 604800,
    .times = {.created = 1,
	.publishing = 2,
	.published = 3,
	.proven = 4,
	.loaded = 5,
	.active = 6,
	.retiring = 7,
	.revoking = 8,
	.revoked = 9,
	.removed = 10,
	.destroyed = 11,
	.held = 12,
	.compromised = -13,
	.failed = 14,
	.sign_until = INT64_MAX}};
static const struct store_binding binding = {.subject = S("login:u"), .tenant = S("acme")};

static struct keystore_rows *
full(void)
{
	struct keystore_rows *rows = keystore_rows_new();
	struct err err = ERR_NONE;

	rows->epoch = 0xfedcba9876543210;
	rows->address_rules = true;
	for (int i = 0; i < 3; i++) {
		keystore_rows_add_tenant(rows, &tenant);
		keystore_rows_add_domain(rows, &domain);
		keystore_rows_add_rule(rows, &rule);
		assert_int_equal(keystore_rows_add_key(rows, &key, &err), ST_OK);
		keystore_rows_add_binding(rows, &binding);
	}
	rows->tenants[1].failure = SPAN_EMPTY;
	rows->domains[2].enabled = true;
	rows->rules[1].kind = STORE_RULE_SUFFIX;
	rows->rules[1].subject = S(".a.example");
	rows->keys[2].times.active = 0;
	return rows;
}

/* In secret memory: secret_free(). */
static struct span
octets_of(const struct keystore_rows *rows)
{
	size_t n = keystore_octets_bytes(rows);
	char *room = secret_malloc(n);

	assert_true(n > 0);
	keystore_octets_write(rows, room);
	return span_of(room, n);
}

static void
octets_free(struct span octets)
{
	secret_free((void *)(uintptr_t)octets.p);
}

static void
assert_same_key(const struct store_key *a, const struct store_key *b)
{
	assert_true(span_eq(a->id, b->id) && span_eq(a->tenant, b->tenant));
	assert_true(span_eq(a->domain, b->domain) && span_eq(a->selector, b->selector));
	assert_true(span_eq(a->algorithm, b->algorithm) && span_eq(a->public_key, b->public_key));
	assert_true(span_eq(a->private_key, b->private_key));
	assert_int_equal(a->bits, b->bits);
	assert_true(a->revision == b->revision && a->row_revision == b->row_revision);
	assert_memory_equal(&a->times, &b->times, sizeof(a->times));
	assert_int_equal(a->lease_s, b->lease_s);
}

static void
assert_same_domain(const struct store_domain *a, const struct store_domain *b)
{
	assert_true(span_eq(a->name, b->name) && span_eq(a->tenant, b->tenant));
	assert_true(span_eq(a->signs_as, b->signs_as) && span_eq(a->policy, b->policy));
	assert_true(span_eq(a->failure, b->failure));
	assert_int_equal(a->signature_ttl_s, b->signature_ttl_s);
	assert_int_equal(a->subdomains, b->subdomains);
	assert_int_equal(a->enabled, b->enabled);
	assert_true(a->revision == b->revision);
}

static void
assert_same_rule(const struct store_rule *a, const struct store_rule *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_true(span_eq(a->id, b->id) && span_eq(a->tenant, b->tenant));
	assert_true(span_eq(a->subject, b->subject) && span_eq(a->domain, b->domain));
	assert_true(span_eq(a->identity, b->identity));
	assert_int_equal(a->priority, b->priority);
	assert_int_equal(a->enabled, b->enabled);
	assert_true(a->revision == b->revision);
}

static void
assert_same(const struct keystore_rows *a, const struct keystore_rows *b)
{
	assert_true(a->epoch == b->epoch);
	assert_int_equal(a->address_rules, b->address_rules);
	assert_int_equal(a->tenant_count, b->tenant_count);
	assert_int_equal(a->domain_count, b->domain_count);
	assert_int_equal(a->rule_count, b->rule_count);
	assert_int_equal(a->key_count, b->key_count);
	assert_int_equal(a->binding_count, b->binding_count);
	for (size_t i = 0; i < a->tenant_count; i++) {
		assert_true(span_eq(a->tenants[i].name, b->tenants[i].name));
		assert_true(span_eq(a->tenants[i].failure, b->tenants[i].failure));
		assert_int_equal(a->tenants[i].enabled, b->tenants[i].enabled);
		assert_true(a->tenants[i].revision == b->tenants[i].revision);
	}
	for (size_t i = 0; i < a->domain_count; i++)
		assert_same_domain(&a->domains[i], &b->domains[i]);
	for (size_t i = 0; i < a->rule_count; i++)
		assert_same_rule(&a->rules[i], &b->rules[i]);
	for (size_t i = 0; i < a->key_count; i++)
		assert_same_key(&a->keys[i], &b->keys[i]);
	for (size_t i = 0; i < a->binding_count; i++) {
		assert_true(span_eq(a->bindings[i].subject, b->bindings[i].subject));
		assert_true(span_eq(a->bindings[i].tenant, b->bindings[i].tenant));
	}
}

static void
test_all_comes_back(void **state)
{
	struct keystore_rows *rows = full(), *empty = keystore_rows_new(), *again;
	struct span octets = octets_of(rows), nothing = octets_of(empty);
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(keystore_octets_read(octets, &again, &err), ST_OK);
	assert_same(rows, again);
	/* Nothing of it points into the octets. */
	secret_wipe((void *)(uintptr_t)octets.p, octets.n);
	assert_same(rows, again);
	keystore_rows_release(again);
	assert_int_equal(keystore_octets_read(nothing, &again, &err), ST_OK);
	assert_same(empty, again);
	keystore_rows_release(again);
	octets_free(octets);
	octets_free(nothing);
	keystore_rows_release(rows);
	keystore_rows_release(empty);
}

/* What is read is written in the same way again; everything else is refused. */
static void
read_either_way(struct span octets)
{
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	enum status status = keystore_octets_read(octets, &rows, &err);
	struct span again;

	if (status != ST_OK) {
		assert_int_equal(status, ST_INVALID);
		assert_null(rows);
		assert_true(err.text[0] != '\0');
		return;
	}
	again = octets_of(rows);
	assert_true(span_eq(again, octets));
	octets_free(again);
	keystore_rows_release(rows);
}

static void
test_one_spelling(void **state)
{
	struct keystore_rows *rows = full(), *none;
	struct span octets = octets_of(rows);
	char *room = secret_malloc(octets.n + 1);
	struct err err = ERR_NONE;

	(void)state;
	for (size_t n = 0; n < octets.n; n++)
		assert_int_equal(
		    keystore_octets_read(span_sub(octets, 0, n), &none, &err), ST_INVALID);
	memcpy(room, octets.p, octets.n);
	room[octets.n] = '\0';
	assert_int_equal(
	    keystore_octets_read(span_of(room, octets.n + 1), &none, &err), ST_INVALID);
	for (size_t at = 0; at < octets.n; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			room[at] = (char)((uint8_t)room[at] ^ 1U << bit);
			read_either_way(span_of(room, octets.n));
			room[at] = (char)((uint8_t)room[at] ^ 1U << bit);
		}
	}
	secret_free(room);
	octets_free(octets);
	keystore_rows_release(rows);
}

/* ---- rows that no store may hold ---- */

enum what { TENANT, DOMAIN, RULE, KEY, BINDING };

static struct keystore_rows *
one_row(enum what what)
{
	struct keystore_rows *rows = keystore_rows_new();
	struct err err = ERR_NONE;

	if (what == TENANT)
		keystore_rows_add_tenant(rows, &tenant);
	if (what == DOMAIN)
		keystore_rows_add_domain(rows, &domain);
	if (what == RULE)
		keystore_rows_add_rule(rows, &rule);
	if (what == KEY)
		assert_int_equal(keystore_rows_add_key(rows, &key, &err), ST_OK);
	if (what == BINDING)
		keystore_rows_add_binding(rows, &binding);
	return rows;
}

/* write() writes what bytes() refuses, so that what read() does with it is seen. */
static void
refuse(struct keystore_rows *rows, size_t bytes)
{
	char *room = secret_malloc(bytes + 200000);
	struct keystore_rows *none;
	struct err err = ERR_NONE;

	assert_int_equal(keystore_octets_bytes(rows), 0);
	keystore_octets_write(rows, room);
	assert_int_equal(keystore_octets_read(span_of(room, bytes), &none, &err), ST_INVALID);
	assert_null(none);
	secret_free(room);
	keystore_rows_release(rows);
}

#define REFUSE(what, change)                                                                       \
	do {                                                                                       \
		struct keystore_rows *rows = one_row(what);                                        \
		size_t bytes = keystore_octets_bytes(rows);                                        \
		assert_true(bytes > 0);                                                            \
		change;                                                                            \
		refuse(rows, bytes);                                                               \
	} while (0)

/* Each change keeps the length. */
static void
test_rows_that_cannot_be(void **state)
{
	(void)state;
	REFUSE(TENANT, rows->tenants[0].name = S("Acme"));
	REFUSE(TENANT, rows->tenants[0].name = S("ac\0e"));
	REFUSE(TENANT, rows->tenants[0].failure = S("tempf\xff\xff\xff"));
	REFUSE(DOMAIN, rows->domains[0].name = S("a..xample"));
	REFUSE(DOMAIN, rows->domains[0].tenant = S("ac e"));
	REFUSE(DOMAIN, rows->domains[0].signs_as = rows->domains[0].name);
	REFUSE(DOMAIN, rows->domains[0].policy = S("strIct"));
	REFUSE(DOMAIN, rows->domains[0].failure = S("store=unsigne\0"));
	REFUSE(DOMAIN, rows->domains[0].signature_ttl_s = -2);
	REFUSE(DOMAIN, rows->domains[0].signature_ttl_s = INT64_MAX);
	REFUSE(RULE, rows->rules[0].kind = (enum store_rule_kind)4);
	REFUSE(RULE, rows->rules[0].kind = STORE_RULE_ADDRESS);
	REFUSE(RULE, rows->rules[0].id = S("R 1"));
	REFUSE(RULE, rows->rules[0].subject = S("*@*.A.example"));
	REFUSE(RULE, rows->rules[0].domain = S("a_example."));
	REFUSE(RULE, rows->rules[0].identity = S("@a.exampl\x80"));
	REFUSE(RULE, rows->rules[0].priority = INT32_MIN);
	REFUSE(KEY, rows->keys[0].id = S("k 1"));
	REFUSE(KEY, rows->keys[0].tenant = S("-cme"));
	REFUSE(KEY, rows->keys[0].selector = S("s.."));
	REFUSE(KEY, rows->keys[0].domain = S("A.example"));
	REFUSE(KEY, rows->keys[0].algorithm = S("ed25519-sha512"));
	REFUSE(KEY, rows->keys[0].public_key = S("AA\0A"));
	REFUSE(KEY, rows->keys[0].private_key = S("spk1:1:secre\xc0"));
	REFUSE(KEY, rows->keys[0].lease_s = -1);
	REFUSE(KEY, rows->keys[0].lease_s = INT64_MAX);
	REFUSE(BINDING, rows->bindings[0].subject = S("login U"));
	REFUSE(BINDING, rows->bindings[0].tenant = S("ACME"));
}

static void
test_answers_that_are_not_shared(void **state)
{
	static char text[KEYSTORE_TEXT_MAX + 1];
	const struct store_policy policy = {.tenant = S("acme"), .name = S("p")};
	struct keystore_rows *rows = keystore_rows_new(), *none;
	struct store_key big = key;
	struct err err = ERR_NONE;
	char counts[22];

	(void)state;
	keystore_rows_add_policy(rows, &policy);
	assert_int_equal(keystore_octets_bytes(rows), 0);
	keystore_rows_release(rows);
	rows = keystore_rows_new();
	for (unsigned i = 0; i < KEYSTORE_KEYS_MAX; i++)
		assert_int_equal(keystore_rows_add_key(rows, &key, &err), ST_OK);
	assert_true(keystore_octets_bytes(rows) > 0);
	assert_int_equal(keystore_rows_add_key(rows, &key, &err), ST_OK);
	assert_int_equal(keystore_octets_bytes(rows), 0);
	keystore_rows_release(rows);
	rows = keystore_rows_new();
	memset(text, 'x', sizeof(text));
	big.private_key = span_of(text, sizeof(text) - 1);
	assert_int_equal(keystore_rows_add_key(rows, &big, &err), ST_OK);
	assert_true(keystore_octets_bytes(rows) > KEYSTORE_TEXT_MAX);
	big.private_key.n++;
	assert_int_equal(keystore_rows_add_key(rows, &big, &err), ST_OK);
	assert_int_equal(keystore_octets_bytes(rows), 0);
	keystore_rows_release(rows);
	/* Counts without rows cost nothing. */
	memset(counts, 0x10, sizeof(counts));
	memcpy(counts, "kr2", 3);
	counts[11] = 0;
	assert_int_equal(keystore_octets_read(span_of(counts, 22), &none, &err), ST_INVALID);
}

/* The row, and with it what only signing does without. */
static void
test_packed(void **state)
{
	size_t secret_before = secret_used_bytes();
	struct keystore_rows *rows = full(), *wanted = full(), *loose, *empty;
	const struct store_policy policy = {.tenant = S("acme"), .name = S("strict")};
	const struct store_key all = {.id = S("k"), .life = S("1"), .loading = 7};
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(keystore_rows_add_key(rows, &all, &err), ST_OK);
	assert_int_equal(
	    keystore_rows_add_key(wanted, &(struct store_key){.id = S("k")}, &err), ST_OK);
	for (size_t i = 0; i < wanted->key_count; i++)
		wanted->keys[i].public_key = SPAN_EMPTY;
	loose = rows;
	rows = keystore_rows_pack(rows);
	assert_ptr_not_equal(rows, loose);
	assert_same(wanted, rows);
	assert_true(rows->keys[3].life.n == 0 && rows->keys[3].loading == 0);
	assert_true(rows->bytes < wanted->bytes);
	assert_ptr_equal(keystore_rows_pack(rows), rows);
	keystore_rows_release(wanted);
	assert_true(secret_used_bytes() > secret_before); /* the private keys */
	keystore_rows_hold(rows);
	keystore_rows_release(rows);
	keystore_rows_release(rows);
	assert_int_equal(secret_used_bytes(), secret_before);
	empty = keystore_rows_pack(keystore_rows_new());
	assert_true(empty->key_count == 0 && empty->keys == NULL);
	keystore_rows_add_policy(loose = keystore_rows_new(), &policy);
	assert_ptr_equal(keystore_rows_pack(loose), loose);
	keystore_rows_release(loose);
	keystore_rows_release(empty);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_comes_back),
	    cmocka_unit_test(test_one_spelling),
	    cmocka_unit_test(test_rows_that_cannot_be),
	    cmocka_unit_test(test_answers_that_are_not_shared),
	    cmocka_unit_test(test_packed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
