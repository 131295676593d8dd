/*
 * test_route.c - each sentence of lib/store/route.h, on small worlds in memory.
 */
#include "tests/unit/route_world.h"

#include "lib/base/mem.h"

struct expected {
	const char *tenant, *sender, *answer;
};

static void
check(struct keystore *store, const struct expected *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *answer = world_answer(store, cases[i].tenant, cases[i].sender);

		if (strcmp(answer, cases[i].answer) != 0)
			fail_msg("%s as \"%s\": \"%s\", expected \"%s\"", cases[i].sender,
			    cases[i].tenant, answer, cases[i].answer);
	}
}

#define CHECK(store, cases) check(store, cases, sizeof(cases) / sizeof((cases)[0]))

static struct keystore *
world(void)
{
	struct keystore *s = memstore_new();

	(void)memstore_tenant(s, "a");
	(void)memstore_tenant(s, "b");
	(void)memstore_domain(s, "a.example", "a", true);
	(void)memstore_key(s, "a", "a.example", "sa", 10);
	(void)memstore_domain(s, "b.example", "b", true);
	(void)memstore_key(s, "b", "b.example", "sb", 10);
	return s;
}

static void
domains(void **state)
{
	static const struct expected cases[] = {
	    {"a", "x@a.example", "sign a.example sa (a)"},
	    {"a", "x@www.a.example", "sign a.example sa (a)"},
	    {"a", "x@1.2.3.a.example", "sign a.example sa (a)"},
	    {"a", "x@strict.example", "sign strict.example ss (a)"},
	    {"a", "x@www.strict.example", "no-rule (a)"},
	    {"a", "x@off.example", "no-rule (a)"},
	    {"a", "x@www.off.example", "no-rule (a)"},
	    {"a", "x@off.a.example", "sign a.example sa (a)"}, /* as if it were not there */
	    {"a", "x@nobody.example", "no-rule (a)"},
	    {"a", "x@example", "no-rule (a)"},
	    {"a", "x@xa.example", "no-rule (a)"}, /* a name that only ends like another one */
	    {"a", "x@a.example.org", "no-rule (a)"},
	    {"", "x@a.example", "sign a.example sa (a)"},
	    {"", "x@www.b.example", "sign b.example sb (b)"},
	    {"", "x@nobody.example", "no-rule ()"},
	    {"b", "x@b.example", "sign b.example sb (b)"},
	};
	struct keystore *s = world();

	(void)state;
	(void)memstore_domain(s, "strict.example", "a", false);
	(void)memstore_key(s, "a", "strict.example", "ss", 10);
	memstore_domain(s, "off.example", "a", true)->enabled = false;
	memstore_domain(s, "off.a.example", "a", true)->enabled = false;
	CHECK(s, cases);
	keystore_close(s);
}

static void
owners(void **state)
{
	static const struct expected cases[] = {
	    /* Below a's domain with subdomains, but b's. */
	    {"a", "x@shop.a.example", "tenant b (a)"},
	    {"a", "x@www.shop.a.example", "tenant b (a)"},
	    {"b", "x@www.shop.a.example", "no-rule (b)"}, /* not a's key for b */
	    {"b", "x@a.example", "tenant a (b)"},
	    {"b", "x@www.a.example", "tenant a (b)"},
	    /* Its own rules for senders of others do not count. */
	    {"a", "x@b.example", "tenant b (a)"},
	    {"a", "x@www.b.example", "tenant b (a)"},
	    {"a", "ceo@b.example", "tenant b (a)"},
	    /* Without flags it still has its owner. */
	    {"a", "x@dark.example", "tenant b (a)"},
	    {"b", "x@dark.example", "no-rule (b)"},
	    {"a", "x@www.narrow.example", "tenant b (a)"},
	    /* Without a session's tenant the owner is taken for it. */
	    {"", "x@shop.a.example", "no-key shop.a.example (b)"},
	    {"", "x@www.shop.a.example", "no-rule (b)"},
	    {"", "x@dark.example", "no-rule (b)"},
	    /* A tenant that nobody knows is none of those. */
	    {"z", "x@a.example", "tenant a (z)"},
	    {"z", "x@nobody.example", "no-rule (z)"},
	    {"A", "x@a.example", "tenant a (A)"},
	    {"a ", "x@a.example", "tenant a (a )"},
	    /* The session needs a tenant. */
	    {"!", "x@a.example", "tenant a ()"},
	    {"!", "x@www.a.example", "tenant a ()"},
	    {"!", "x@nobody.example", "no-rule ()"},
	    {"!a", "x@a.example", "sign a.example sa (a)"},
	};
	struct keystore *s = world();

	(void)state;
	(void)memstore_domain(s, "shop.a.example", "b", false);
	memstore_domain(s, "dark.example", "b", true)->enabled = false;
	(void)memstore_domain(s, "narrow.example", "b", false);
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "r1", "a", "b.example", "a.example");
	(void)memstore_rule(s, STORE_RULE_SUFFIX, "r2", "a", ".b.example", "a.example");
	(void)memstore_rule(s, STORE_RULE_ADDRESS, "r3", "a", "ceo@b.example", "a.example");
	(void)memstore_rule(s, STORE_RULE_PATTERN, "r4", "a", "*@b.example", "a.example");
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "r5", "a", "dark.example", "a.example");
	CHECK(s, cases);
	keystore_close(s);
}

/* Nobody owns the sender: rules say. */
static void
unowned(void **state)
{
	static const struct expected cases[] = {
	    {"a", "x@one.example", "sign a.example sa (a)"},
	    {"b", "x@one.example", "no-rule (b)"},
	    {"", "x@one.example", "sign a.example sa (a)"},
	    {"!", "x@one.example", "tenant ()"},
	    {"a", "x@two.example", "sign a.example sa (a)"},
	    {"b", "x@two.example", "sign b.example sb (b)"},
	    {"", "x@two.example", "tenant ()"},    /* whose? */
	    {"", "x@www.up.example", "tenant ()"}, /* a more specific one does not decide that */
	    {"a", "x@www.up.example", "sign a.example sa (a)"},
	    {"", "ceo@mix.example", "tenant ()"},
	    {"", "x@mix.example", "sign a.example sa (a)"},
	    {"b", "ceo@mix.example", "sign b.example sb (b)"},
	    {"", "x@half.example", "sign a.example sa (a)"}, /* the other rule is disabled */
	    {"", "x@pattern.example", "no-rule ()"},         /* patterns need a tenant */
	    {"a", "x@pattern.example", "sign a.example sa (a)"},
	};
	struct keystore *s = world();

	(void)state;
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "r1", "a", "one.example", "a.example");
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "r2", "a", "two.example", "a.example");
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "r3", "b", "two.example", "b.example");
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "r4", "a", "www.up.example", "a.example");
	(void)memstore_rule(s, STORE_RULE_SUFFIX, "r5", "b", ".up.example", "b.example");
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "r6", "a", "mix.example", "a.example");
	(void)memstore_rule(s, STORE_RULE_ADDRESS, "r7", "b", "ceo@mix.example", "b.example");
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "r8", "a", "half.example", "a.example");
	memstore_rule(s, STORE_RULE_DOMAIN, "r9", "b", "half.example", "b.example")->enabled =
	    false;
	(void)memstore_rule(s, STORE_RULE_PATTERN, "p1", "a", "*@pattern.example", "a.example");
	CHECK(s, cases);
	keystore_close(s);
}

/* One more domain of a with one key, named after it. */
static void
target(struct keystore *s, const char *domain)
{
	char selector[64];

	snprintf(selector, sizeof(selector), "s-%.*s", (int)strcspn(domain, "."), domain);
	(void)memstore_domain(s, domain, "a", false);
	(void)memstore_key(s, "a", domain, selector, 10);
}

/* From the most specific to the least: each step goes when what is above is disabled. */
static void
most_specific(void **state)
{
	static const char *const order[] = {"sign t1.example s-t1 (a)", "sign t2.example s-t2 (a)",
	    "sign w.w.up.example self (a)", "sign t3.example s-t3 (a)",
	    "sign w.up.example parent (a)", "sign t4.example s-t4 (a)", "sign up.example s-up (a)",
	    "sign t5.example s-t5 (a)", "no-rule (a)"};
	struct keystore *s = world();
	struct keystore_rows *all = memstore_of(s)->all;
	size_t step = 0;

	(void)state;
	for (int i = 1; i <= 5; i++) {
		char domain[32];

		snprintf(domain, sizeof(domain), "t%d.example", i);
		target(s, domain);
	}
	target(s, "up.example");
	(void)memstore_domain(s, "w.up.example", "a", true);
	(void)memstore_key(s, "a", "w.up.example", "parent", 10);
	(void)memstore_domain(s, "w.w.up.example", "a", false);
	(void)memstore_key(s, "a", "w.w.up.example", "self", 10);
	all->domains[all->domain_count - 3].subdomains = true;
	(void)memstore_rule(s, STORE_RULE_PATTERN, "r5", "a", "*@*.up.example", "t5.example");
	(void)memstore_rule(s, STORE_RULE_SUFFIX, "r4", "a", ".up.example", "t4.example");
	(void)memstore_rule(s, STORE_RULE_SUFFIX, "r3", "a", ".w.up.example", "t3.example");
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "r2", "a", "w.w.up.example", "t2.example");
	(void)memstore_rule(s, STORE_RULE_ADDRESS, "r1", "a", "x@w.w.up.example", "t1.example");
	assert_string_equal(world_answer(s, "a", "x@w.w.up.example"), order[step++]);
	all->rules[4].enabled = false;
	assert_string_equal(world_answer(s, "a", "x@w.w.up.example"), order[step++]);
	all->rules[3].enabled = false;
	assert_string_equal(world_answer(s, "a", "x@w.w.up.example"), order[step++]);
	all->domains[all->domain_count - 1].enabled = false;
	assert_string_equal(world_answer(s, "a", "x@w.w.up.example"), order[step++]);
	all->rules[2].enabled = false;
	assert_string_equal(world_answer(s, "a", "x@w.w.up.example"), order[step++]);
	all->domains[all->domain_count - 2].enabled = false;
	assert_string_equal(world_answer(s, "a", "x@w.w.up.example"), order[step++]);
	all->rules[1].enabled = false;
	assert_string_equal(world_answer(s, "a", "x@w.w.up.example"), order[step++]);
	all->domains[all->domain_count - 3].enabled = false;
	assert_string_equal(world_answer(s, "a", "x@w.w.up.example"), order[step++]);
	all->rules[0].enabled = false;
	assert_string_equal(world_answer(s, "a", "x@w.w.up.example"), order[step++]);
	keystore_close(s);
}

/* A suffix is for what is below, a rule of a domain for the domain only. */
static void
rules(void **state)
{
	static const struct expected cases[] = {
	    {"a", "x@suffix.example", "no-rule (a)"},
	    {"a", "x@w.suffix.example", "sign t1.example s-t1 (a)"},
	    {"a", "x@w.w.suffix.example", "sign t1.example s-t1 (a)"},
	    {"a", "x@wsuffix.example", "no-rule (a)"},
	    {"a", "x@w.domain.example", "no-rule (a)"},
	    {"a", "x@domain.example", "sign t2.example s-t2 (a)"},
	    {"a", "CEO@Addr.example", "no-rule (a)"}, /* the domain comes in lower case */
	    {"a", "CEO@addr.example", "sign t1.example s-t1 (a)"},
	    {"a", "ceo@addr.example", "sign t1.example s-t1 (a)"},
	    {"a", "ceo2@addr.example", "no-rule (a)"},
	    {"a", "\"ceo\"@addr.example", "no-rule (a)"}, /* as written */
	    {"a", "ceo@w.addr.example", "no-rule (a)"},
	    {"a", "x@first.example", "sign t2.example s-t2 (a)"},
	    {"a", "x@id.example", "sign t2.example s-t2 (a)"},
	    {"a", "x@alias.example", "sign t1.example s-t1 (a)"},
	};
	struct keystore *s = world();

	(void)state;
	target(s, "t1.example");
	target(s, "t2.example");
	(void)memstore_rule(s, STORE_RULE_SUFFIX, "r1", "a", ".suffix.example", "t1.example");
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "r2", "a", "domain.example", "t2.example");
	(void)memstore_rule(s, STORE_RULE_ADDRESS, "r3", "a", "ceo@addr.example", "t1.example");
	/* By priority, then by id. */
	memstore_rule(s, STORE_RULE_DOMAIN, "a1", "a", "first.example", "t1.example")->priority = 2;
	memstore_rule(s, STORE_RULE_DOMAIN, "z1", "a", "first.example", "t2.example")->priority =
	    -1;
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "b2", "a", "first.example", "t1.example");
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "ab", "a", "id.example", "t1.example");
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "a", "a", "id.example", "t2.example");
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "b", "a", "id.example", "t1.example");
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "r7", "a", "alias.example", "t1.example");
	CHECK(s, cases);
	keystore_close(s);
}

/* One hop, within the tenant; nothing else is tried when it leads nowhere. */
static void
aliases(void **state)
{
	static const struct expected cases[] = {
	    {"a", "x@brand.example", "sign a.example sa (a)"},
	    {"", "x@brand.example", "sign a.example sa (a)"},
	    {"a", "x@w.brand.example", "sign a.example sa (a)"},
	    {"a", "x@second.example", "sign brand.example own (a)"}, /* not a.example */
	    {"a", "x@stolen.example", "no-key b.example (a)"},
	    {"a", "x@gone.example", "no-key nowhere.example (a)"},
	    {"a", "x@dark.example", "no-key off.example (a)"},
	    {"a", "x@rule-foreign.example", "no-key b.example (a)"},
	    {"a", "x@rule-gone.example", "no-key nowhere.example (a)"},
	    {"a", "x@w.rule-gone.example", "sign a.example sa (a)"},
	    {"a", "x@to-alias.example", "sign brand.example own (a)"},
	};
	struct keystore *s = world();

	(void)state;
	memstore_domain(s, "brand.example", "a", true)->signs_as = SPAN_LIT("a.example");
	(void)memstore_key(s, "a", "brand.example", "own", 10);
	memstore_domain(s, "second.example", "a", false)->signs_as = SPAN_LIT("brand.example");
	memstore_domain(s, "stolen.example", "a", false)->signs_as = SPAN_LIT("b.example");
	memstore_domain(s, "gone.example", "a", false)->signs_as = SPAN_LIT("nowhere.example");
	memstore_domain(s, "dark.example", "a", false)->signs_as = SPAN_LIT("off.example");
	memstore_domain(s, "off.example", "a", false)->enabled = false;
	(void)memstore_key(s, "a", "off.example", "off", 10);
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "r1", "a", "rule-foreign.example", "b.example");
	(void)memstore_rule(
	    s, STORE_RULE_DOMAIN, "r2", "a", "rule-gone.example", "nowhere.example");
	(void)memstore_rule(s, STORE_RULE_SUFFIX, "r3", "a", ".rule-gone.example", "a.example");
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "r4", "a", "to-alias.example", "brand.example");
	CHECK(s, cases);
	keystore_close(s);
}

/* A tenant that is disabled has neither rules nor domains, but owns them. */
static void
disabled_tenants(void **state)
{
	static const struct expected cases[] = {
	    {"c", "x@c.example", "no-rule (c)"},
	    {"", "x@c.example", "no-rule (c)"},
	    {"a", "x@c.example", "tenant c (a)"},
	    {"c", "x@free.example", "no-rule (c)"},
	    {"c", "x@pattern.example", "no-rule (c)"},
	    {"", "x@free.example", "no-rule ()"},
	};
	struct keystore *s = world();

	(void)state;
	memstore_tenant(s, "c")->enabled = false;
	(void)memstore_domain(s, "c.example", "c", true);
	(void)memstore_key(s, "c", "c.example", "sc", 10);
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "r1", "c", "free.example", "c.example");
	(void)memstore_rule(s, STORE_RULE_PATTERN, "r2", "c", "*@pattern.example", "c.example");
	CHECK(s, cases);
	/* If the store does not say it with the rules, the keys do. */
	memstore_of(s)->rules_without_tenants = true;
	assert_string_equal(world_answer(s, "", "x@free.example"), "no-rule (c)");
	assert_string_equal(world_answer(s, "c", "x@free.example"), "no-rule (c)");
	/* Then it does not stand in the way of others. */
	memstore_of(s)->rules_without_tenants = false;
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "r3", "a", "free.example", "a.example");
	(void)memstore_rule(s, STORE_RULE_ADDRESS, "r4", "c", "x@free.example", "c.example");
	assert_string_equal(world_answer(s, "", "x@free.example"), "sign a.example sa (a)");
	keystore_close(s);
}

static void
identities(void **state)
{
	static const struct {
		const char *identity, *answer;
	} cases[] = {
	    {"", "sign a.example sa (a)"},
	    {"@a.example", "sign a.example sa <@a.example> (a)"},
	    {"news@a.example", "sign a.example sa <news@a.example> (a)"},
	    {"news@w.a.example", "sign a.example sa <news@w.a.example> (a)"},
	    {"\"a@b\"@a.example", "sign a.example sa <\"a@b\"@a.example> (a)"},
	    {"news@b.example", "sign a.example sa (a)"},
	    {"news@xa.example", "sign a.example sa (a)"},
	    {"news@example", "sign a.example sa (a)"},
	    {"news@.a.example", "sign a.example sa (a)"},
	    {"news@a.example.org", "sign a.example sa (a)"},
	    {"news@b.example@a.example", "sign a.example sa <news@b.example@a.example> (a)"},
	    {"a.example", "sign a.example sa (a)"},
	    {"x\r\ny: z@a.example", "sign a.example sa (a)"},
	    {"news@A.example", "sign a.example sa (a)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct keystore *s = world();

		memstore_rule(s, STORE_RULE_DOMAIN, "r1", "a", "i.example", "a.example")->identity =
		    span_str(cases[i].identity);
		assert_string_equal(world_answer(s, "a", "x@i.example"), cases[i].answer);
		keystore_close(s);
	}
}

static void
ed25519(struct store_key *key)
{
	key->algorithm = SPAN_LIT("ed25519-sha256");
}

static void
keys(void **state)
{
	static const struct expected cases[] = {
	    {"a", "x@none.example", "no-key none.example (a)"},
	    {"a", "x@both.example", "sign both.example r2 e1 (a)"},
	    {"a", "x@ed.example", "sign ed.example e1 (a)"},
	    {"a", "x@tie.example", "sign tie.example k1 (a)"},
	    {"a", "x@lease.example", "lease lease.example (a)"},
	    {"a", "x@older.example", "sign older.example old (a)"},
	    {"a", "x@half.example", "sign half.example e1 (a)"},
	    {"a", "x@retired.example", "no-key retired.example (a)"},
	    {"a", "x@held.example", "no-key held.example (a)"},
	    {"a", "x@soon.example", "no-key soon.example (a)"},
	    {"a", "x@exact.example", "sign exact.example k1 (a)"},
	    {"a", "x@last.example", "sign last.example k1 (a)"},
	    {"a", "x@over.example", "lease over.example (a)"},
	    {"a", "x@other.example", "no-key other.example (a)"},
	};
	static const char *const names[] = {"none.example", "both.example", "ed.example",
	    "tie.example", "lease.example", "older.example", "half.example", "retired.example",
	    "held.example", "soon.example", "exact.example", "last.example", "over.example",
	    "other.example"};
	struct keystore *s = world();

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)memstore_domain(s, names[i], "a", false);
	(void)memstore_key(s, "a", "none.example", "k1", 0);
	(void)memstore_key(s, "a", "both.example", "r1", 10);
	(void)memstore_key(s, "a", "both.example", "r2", 30);
	(void)memstore_key(s, "a", "both.example", "r3", 20);
	ed25519(memstore_key(s, "a", "both.example", "e1", 25));
	ed25519(memstore_key(s, "a", "ed.example", "e1", 25));
	(void)memstore_key(s, "a", "tie.example", "k2", 25);
	(void)memstore_key(s, "a", "tie.example", "k1", 25);
	memstore_key(s, "a", "lease.example", "k1", 10)->times.sign_until = 100;
	memstore_key(s, "a", "older.example", "new", 20)->times.sign_until = 100;
	(void)memstore_key(s, "a", "older.example", "old", 10);
	memstore_key(s, "a", "half.example", "r1", 20)->times.sign_until = 100;
	ed25519(memstore_key(s, "a", "half.example", "e1", 10));
	memstore_key(s, "a", "retired.example", "k1", 20)->times.retiring = 30;
	memstore_key(s, "a", "held.example", "k1", 20)->times.held = 30;
	(void)memstore_key(s, "a", "soon.example", "k1", NOW + 1);
	(void)memstore_key(s, "a", "exact.example", "k1", NOW);
	memstore_key(s, "a", "last.example", "k1", 1)->times.sign_until = NOW + 1;
	memstore_key(s, "a", "over.example", "k1", 1)->times.sign_until = NOW;
	memstore_key(s, "a", "other.example", "k1", 1)->algorithm = SPAN_LIT("rsa-sha1");
	CHECK(s, cases);
	keystore_close(s);
}

static void
patterns(void **state)
{
	static const struct expected cases[] = {
	    {"a", "x@lit.example", "no-rule (a)"},
	    {"a", "me@lit.example", "sign t1.example s-t1 (a)"},
	    {"a", "ME@lit.example", "sign t1.example s-t1 (a)"},
	    {"a", "x@glob.example", "sign t2.example s-t2 (a)"},
	    {"a", "x@w.glob.example", "no-rule (a)"},
	    {"a", "news-7@n.example", "sign t1.example s-t1 (a)"},
	    {"a", "news-77@n.example", "no-rule (a)"},
	    /* Whole addresses, whatever '|' means in opendkim's expressions. */
	    {"a", "al@or.example", "sign t2.example s-t2 (a)"},
	    {"a", "bo@or.example", "sign t2.example s-t2 (a)"},
	    {"a", "al@or.example.org", "no-rule (a)"}, {"a", "al@evil.example", "no-rule (a)"},
	    {"a", "xbo@or.example", "no-rule (a)"},
	    {"a", "x@pri.example", "sign t2.example s-t2 (a)"},
	    {"b", "x@glob.example", "no-rule (b)"}, /* another tenant's pattern */
	};
	struct keystore *s = world();
	struct pattern_cache *cache = pattern_cache_new();

	(void)state;
	target(s, "t1.example");
	target(s, "t2.example");
	(void)memstore_rule(s, STORE_RULE_PATTERN, "p1", "a", "me@lit.example", "t1.example");
	(void)memstore_rule(s, STORE_RULE_PATTERN, "p2", "a", "*@glob.example", "t2.example");
	(void)memstore_rule(s, STORE_RULE_PATTERN, "p3", "a", "news-[0-9]@n.example", "t1.example");
	(void)memstore_rule(
	    s, STORE_RULE_PATTERN, "p4", "a", "al@or.example|bo@or.example", "t2.example");
	memstore_rule(s, STORE_RULE_PATTERN, "p5", "a", "*@pri.example", "t1.example")->priority =
	    5;
	memstore_rule(s, STORE_RULE_PATTERN, "p6", "a", "?x@pri.example", "t1.example")->enabled =
	    false;
	memstore_rule(s, STORE_RULE_PATTERN, "p7", "a", "x@pri.[e]xample", "t2.example")->priority =
	    4;
	CHECK(s, cases);
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct err err = ERR_NONE;
			struct route route;
			enum status status = world_ask_with(
			    s, cases[i].tenant, cases[i].sender, cache, &route, &err);

			assert_string_equal(world_text(status, &route), cases[i].answer);
			route_release(&route);
		}
	pattern_cache_free(cache);
	keystore_close(s);
}

static void
bad_patterns(void **state)
{
	static const struct expected cases[] = {
	    {"a", "x@after.example", "invalid (a)"},
	    {"a", "x@before.example", "sign a.example sa (a)"},
	    {"a", "x@nobody.example", "invalid (a)"},
	    {"b", "x@nobody.example", "no-rule (b)"}, /* hurts its tenant only */
	    {"a", "x@a.example", "sign a.example sa (a)"},
	};
	struct keystore *s = world();
	char slow[600];

	(void)state;
	memstore_rule(s, STORE_RULE_PATTERN, "bad", "a", "(@x.example", "a.example")->priority = 5;
	(void)memstore_rule(s, STORE_RULE_PATTERN, "p1", "a", "x@before.example", "a.example");
	memstore_rule(s, STORE_RULE_PATTERN, "p2", "a", "x@after.example", "a.example")->priority =
	    9;
	CHECK(s, cases);
	memstore_of(s)->all->rules[0].subject = SPAN_LIT("(a?)(a?)(a?)(a|aa|aaa){9}b");
	memset(slow, 'a', 300);
	memcpy(slow + 300, "@slow.example", sizeof("@slow.example"));
	assert_string_equal(world_answer(s, "a", slow), "no-rule (a)");
	memstore_of(s)->all->rules[0].subject = SPAN_LIT("(a|aa|aaa){0,99}b@slow.example");
	assert_string_equal(world_answer(s, "a", slow), "invalid (a)");
	keystore_close(s);
}

/* How often the store is asked. */
static void
questions(void **state)
{
	static const struct {
		const char *tenant, *sender;
		unsigned senders, addresses, patterns, keys;
	} cases[] = {
	    {"a", "x@a.example", 1, 0, 0, 1},
	    {"a", "x@addr.example", 1, 1, 0, 1},
	    {"a", "ceo@addr.example", 1, 1, 0, 1},
	    {"b", "ceo@addr.example", 1, 0, 0, 0}, /* another's */
	    {"", "x@addr.example", 1, 1, 0, 1},
	    {"!", "x@addr.example", 1, 0, 0, 0},
	    {"a", "x@nobody.example", 1, 0, 1, 0},
	    {"", "x@nobody.example", 1, 0, 0, 0},
	    {"", "x@free.example", 1, 1, 0, 1},
	    {"a", "x@pattern.example", 1, 0, 1, 1},
	    {"a", "x@no name", 0, 0, 0, 0},
	    {"a", "x@[192.0.2.1]", 0, 0, 0, 0},
	};
	struct keystore *s = world();

	(void)state;
	(void)memstore_domain(s, "addr.example", "a", false);
	(void)memstore_rule(s, STORE_RULE_ADDRESS, "r1", "a", "ceo@addr.example", "a.example");
	(void)memstore_rule(s, STORE_RULE_DOMAIN, "r2", "a", "free.example", "a.example");
	(void)memstore_rule(s, STORE_RULE_ADDRESS, "r3", "a", "ceo@free.example", "a.example");
	(void)memstore_rule(s, STORE_RULE_PATTERN, "r4", "a", "*@pattern.example", "a.example");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memstore_forget_asked(s);
		(void)world_answer(s, cases[i].tenant, cases[i].sender);
		print_message("# %s as \"%s\"\n", cases[i].sender, cases[i].tenant);
		assert_int_equal(memstore_asked(s, MEMSTORE_SENDERS), cases[i].senders);
		assert_int_equal(memstore_asked(s, MEMSTORE_ADDRESS), cases[i].addresses);
		assert_int_equal(memstore_asked(s, MEMSTORE_PATTERNS), cases[i].patterns);
		assert_int_equal(memstore_asked(s, MEMSTORE_KEYS), cases[i].keys);
	}
	keystore_close(s);
}

/* A question that could not be asked is never "no". */
static void
faults(void **state)
{
	static const struct {
		enum status status;
		const char *text;
	} answers[] = {{ST_UNAVAILABLE, "unavailable (a)"}, {ST_INVALID, "invalid (a)"},
	    {ST_TOO_BIG, "invalid (a)"}, {ST_FAILED, "unavailable (a)"}, {ST_ABSENT, "invalid (a)"},
	    {ST_DENIED, "invalid (a)"}};
	static const struct {
		const char *sender;
		enum memstore_question question;
	} cases[] = {{"x@a.example", MEMSTORE_SENDERS}, {"x@addr.example", MEMSTORE_ADDRESS},
	    {"x@nobody.example", MEMSTORE_SENDERS}, {"x@nobody.example", MEMSTORE_PATTERNS},
	    {"x@a.example", MEMSTORE_KEYS}, {"x@addr.example", MEMSTORE_KEYS},
	    {"x@pattern.example", MEMSTORE_KEYS}};
	struct keystore *s = world();
	struct memstore *m = memstore_of(s);

	(void)state;
	(void)memstore_domain(s, "addr.example", "a", false);
	(void)memstore_rule(s, STORE_RULE_ADDRESS, "r1", "a", "ceo@addr.example", "a.example");
	(void)memstore_rule(s, STORE_RULE_PATTERN, "r4", "a", "*@pattern.example", "a.example");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t k = 0; k < sizeof(answers) / sizeof(answers[0]); k++) {
			m->status[cases[i].question] = answers[k].status;
			assert_string_equal(world_answer(s, "a", cases[i].sender), answers[k].text);
			m->status[cases[i].question] = ST_OK;
		}
	/* Without a session's tenant it is known as soon as the owner is. */
	m->status[MEMSTORE_KEYS] = ST_UNAVAILABLE;
	assert_string_equal(world_answer(s, "", "x@a.example"), "unavailable (a)");
	m->status[MEMSTORE_SENDERS] = ST_UNAVAILABLE;
	assert_string_equal(world_answer(s, "", "x@a.example"), "unavailable ()");
	keystore_close(s);
}

/* The row that covers the sender, over the signing domain's, over the tenant's. */
static void
failures(void **state)
{
	static const struct {
		const char *tenant, *sender;
		enum memstore_question down;
		const char *no_rule, *tenant_action, *no_key, *store, *lease;
	} cases[] = {
	    {"a", "x@brand.example", MEMSTORE_NOW, "reject", "unset", "tempfail", "unsigned",
		"reject"},
	    {"a", "x@a.example", MEMSTORE_NOW, "reject", "unset", "reject", "unsigned", "reject"},
	    {"a", "x@brand.example", MEMSTORE_KEYS, "reject", "unset", "tempfail", "unsigned",
		"unset"},
	    {"a", "x@off.example", MEMSTORE_NOW, "reject", "unset", "unset", "stale", "unset"},
	    {"a", "x@nobody.example", MEMSTORE_NOW, "reject", "unset", "unset", "stale", "unset"},
	    {"a", "x@brand.example", MEMSTORE_SENDERS, "unset", "unset", "unset", "unset", "unset"},
	    {"a", "x@b.example", MEMSTORE_NOW, "unset", "unset", "unset", "unset", "unset"},
	    {"b", "x@a.example", MEMSTORE_NOW, "unset", "unset", "unset", "unset", "unset"},
	    {"!", "x@a.example", MEMSTORE_NOW, "unset", "unset", "unset", "unset", "unset"},
	    {"", "x@a.example", MEMSTORE_NOW, "reject", "unset", "reject", "unsigned", "reject"},
	};
	struct keystore *s = world();
	struct memstore *m = memstore_of(s);

	(void)state;
	m->all->tenants[0].failure = SPAN_LIT("no-rule=reject store=stale");
	m->all->tenants[1].failure = SPAN_LIT("tenant=reject");
	m->all->domains[0].failure = SPAN_LIT("no-key=reject store=unsigned lease=reject");
	m->all->domains[1].failure = SPAN_LIT("tenant=reject lease=reject");
	memstore_domain(s, "brand.example", "a", true)->signs_as = SPAN_LIT("a.example");
	m->all->domains[2].failure = SPAN_LIT("no-key=tempfail store=unsigned");
	memstore_domain(s, "off.example", "a", true)->enabled = false;
	m->all->domains[3].failure = SPAN_LIT("no-key=reject");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_NONE;
		struct route r;

		m->status[cases[i].down] = ST_UNAVAILABLE;
		(void)world_ask(s, cases[i].tenant, cases[i].sender, &r, &err);
		m->status[cases[i].down] = ST_OK;
		print_message("# case %zu: %s\n", i, cases[i].sender);
#define ACTION(cause) failure_action_name((enum failure_action)r.failure.action[cause])
		assert_string_equal(ACTION(FAILURE_NO_RULE), cases[i].no_rule);
		assert_string_equal(ACTION(FAILURE_TENANT), cases[i].tenant_action);
		assert_string_equal(ACTION(FAILURE_NO_KEY), cases[i].no_key);
		assert_string_equal(ACTION(FAILURE_STORE), cases[i].store);
		assert_string_equal(ACTION(FAILURE_LEASE), cases[i].lease);
		route_release(&r);
	}
	keystore_close(s);
}

static void
ttl_of_the_signing_domain(void **state)
{
	struct keystore *s = world();
	struct err err = ERR_NONE;
	struct route r;

	(void)state;
	memstore_domain(s, "brand.example", "a", true)->signs_as = SPAN_LIT("a.example");
	memstore_of(s)->all->domains[2].signature_ttl_s = 60;
	assert_int_equal(world_ask(s, "a", "x@brand.example", &r, &err), ST_OK);
	assert_int_equal(r.signature_ttl_s, -1);
	route_release(&r);
	memstore_of(s)->all->domains[0].signature_ttl_s = 3600;
	assert_int_equal(world_ask(s, "a", "x@brand.example", &r, &err), ST_OK);
	assert_int_equal(r.signature_ttl_s, 3600);
	route_release(&r);
	assert_int_equal(world_ask(s, "a", "x@nobody.example", &r, &err), ST_OK);
	assert_int_equal(r.signature_ttl_s, -1);
	route_release(&r);
	keystore_close(s);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(domains),
    cmocka_unit_test(owners),
    cmocka_unit_test(unowned),
    cmocka_unit_test(most_specific),
    cmocka_unit_test(rules),
    cmocka_unit_test(aliases),
    cmocka_unit_test(disabled_tenants),
    cmocka_unit_test(identities),
    cmocka_unit_test(keys),
    cmocka_unit_test(patterns),
    cmocka_unit_test(bad_patterns),
    cmocka_unit_test(questions),
    cmocka_unit_test(faults),
    cmocka_unit_test(failures),
    cmocka_unit_test(ttl_of_the_signing_domain),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
