/*
 * test_route_hostile.c - routes for hostile names, from stores that lie or hold what cannot be.
 */
#include "tests/unit/route_world.h"

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
	(void)memstore_rule(s, STORE_RULE_ADDRESS, "r1", "a", "ceo@a.example", "a.example");
	(void)memstore_rule(s, STORE_RULE_PATTERN, "r2", "a", "*@free.example", "a.example");
	return s;
}

static struct route_question
question(const char *tenant, struct span user, struct span domain)
{
	return (struct route_question){
	    .user = user, .domain = domain, .tenant = span_str(tenant), .now_utc = NOW};
}

/* Names that no row can have are asked for by nobody, and shown as printable text. */
static void
hostile_domains(void **state)
{
	static const struct span names[] = {SPAN_LIT(""), SPAN_LIT("."), SPAN_LIT(".a.example"),
	    SPAN_LIT("a.example."), SPAN_LIT("x..a.example"), SPAN_LIT("x.a.example\0"),
	    SPAN_LIT("\0.a.example"), SPAN_LIT("x\n.a.example"), SPAN_LIT("A.EXAMPLE"),
	    SPAN_LIT("*.a.example"), SPAN_LIT("%.a.example"), SPAN_LIT("x .a.example"),
	    SPAN_LIT("\xc3\xa4.a.example"), SPAN_LIT("\xff.a.example"), SPAN_LIT("[192.0.2.1]"),
	    SPAN_LIT("x@a.example"), SPAN_LIT("x'--.a.example"), SPAN_LIT("x)(uid=*.a.example"),
	    SPAN_LIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.a.example")};
	struct keystore *s = world();

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct route_question q = question("a", SPAN_LIT("x"), names[i]);
		struct err err = ERR_NONE;
		struct route route;

		assert_int_equal(route_find(s, &q, &route, &err), ST_OK);
		assert_int_equal(route.answer, ROUTE_NO_RULE);
		for (const char *p = route.why; *p != '\0'; p++)
			assert_in_range(*p, ' ', '~');
		route_release(&route);
	}
	assert_int_equal(memstore_asked(s, MEMSTORE_SENDERS), 0);
	keystore_close(s);
}

static void
long_domains(void **state)
{
	struct keystore *s = world();
	struct err err = ERR_NONE;
	struct route route;
	char name[300] = "";
	struct route_question q;

	(void)state;
	/* 122 labels above a.example: its shortest parents still count. */
	for (int i = 0; i < 122; i++)
		strcat(name, "x.");
	strcat(name, "a.example");
	assert_int_equal(strlen(name), 253);
	q = question("a", SPAN_LIT("x"), span_str(name));
	assert_int_equal(route_find(s, &q, &route, &err), ST_OK);
	assert_string_equal(world_text(ST_OK, &route), "sign a.example sa (a)");
	route_release(&route);
	/* The domain itself is asked for however long it is. */
	(void)memstore_domain(s, name, "b", false);
	q = question("a", SPAN_LIT("x"), span_str(name));
	assert_int_equal(route_find(s, &q, &route, &err), ST_OK);
	assert_string_equal(world_text(ST_OK, &route), "tenant b (a)");
	assert_true(strlen(route.why) == sizeof(route.why) - 1);
	assert_string_equal(route.why + sizeof(route.why) - 4, "...");
	route_release(&route);
	/* Longer than a domain can be. */
	memmove(name + 2, name, 254);
	memcpy(name, "x.", 2);
	q = question("a", SPAN_LIT("x"), span_str(name));
	assert_int_equal(route_find(s, &q, &route, &err), ST_OK);
	assert_int_equal(route.answer, ROUTE_NO_RULE);
	route_release(&route);
	keystore_close(s);
}

/* Of 17 parents the nearest one is not looked for; of 16 it is. */
static void
parents(void **state)
{
	struct keystore *s = world();
	char sender[80] = "x@y.", parent[64] = "";

	(void)state;
	for (int i = 0; i < 15; i++)
		strcat(parent, "p.");
	strcat(parent, "q");
	strcat(sender, parent);
	(void)memstore_domain(s, parent, "b", true);
	assert_string_equal(world_answer(s, "a", sender), "tenant b (a)");
	memmove(sender + 4, sender + 2, strlen(sender + 2) + 1);
	memcpy(sender, "x@z.", 4);
	assert_string_equal(world_answer(s, "a", sender), "tenant b (a)");
	(void)memstore_domain(s, sender + 4, "a", true);
	(void)memstore_key(s, "a", sender + 4, "near", 10);
	assert_string_equal(world_answer(s, "a", sender), "tenant b (a)");
	keystore_close(s);
}

static void
hostile_users(void **state)
{
	static const struct {
		struct span user;
		const char *answer;
	} cases[] = {
	    {SPAN_LIT(""), "sign a.example sa (a)"},
	    {SPAN_LIT("CEO"), "sign a.example sa (a)"},
	    {SPAN_LIT("\0"), "sign a.example sa (a)"},
	    {SPAN_LIT("\xff\xfe"), "sign a.example sa (a)"},
	    {SPAN_LIT("x@y"), "sign a.example sa (a)"},
	    {SPAN_LIT("' or 1=1 --"), "sign a.example sa (a)"},
	};
	struct keystore *s = world();
	struct err err = ERR_NONE;
	struct route route;
	char text[2000];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct route_question q = question("a", cases[i].user, SPAN_LIT("a.example"));

		assert_int_equal(route_find(s, &q, &route, &err), ST_OK);
		assert_string_equal(world_text(ST_OK, &route), cases[i].answer);
		route_release(&route);
	}
	/* Too long for a rule of an address; the patterns see all of it. */
	memset(text, 'u', sizeof(text));
	for (int free = 0; free < 2; free++) {
		struct route_question q = question("a", span_of(text, sizeof(text)),
		    free == 1 ? SPAN_LIT("free.example") : SPAN_LIT("a.example"));

		assert_int_equal(route_find(s, &q, &route, &err), ST_OK);
		assert_string_equal(world_text(ST_OK, &route), "sign a.example sa (a)");
		route_release(&route);
	}
	assert_int_equal(memstore_asked(s, MEMSTORE_ADDRESS), 4); /* neither NUL, nor no UTF-8 */
	keystore_close(s);
}

static void
hostile_tenants(void **state)
{
	static const struct span tenants[] = {SPAN_LIT("A"), SPAN_LIT("a\0"), SPAN_LIT("\0"),
	    SPAN_LIT(" a"), SPAN_LIT("a\n"), SPAN_LIT("*"), SPAN_LIT("a' or 'a'='a"),
	    SPAN_LIT(
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")};
	struct keystore *s = world();

	(void)state;
	for (size_t i = 0; i < sizeof(tenants) / sizeof(tenants[0]); i++) {
		struct route_question q = question("", SPAN_LIT("x"), SPAN_LIT("a.example"));
		struct err err = ERR_NONE;
		struct route route;

		q.tenant = tenants[i];
		assert_int_equal(route_find(s, &q, &route, &err), ST_OK);
		assert_int_equal(route.answer, ROUTE_TENANT);
		assert_true(route.tenant.n <= KEYSTORE_TENANT_MAX);
		for (const char *p = route.why; *p != '\0'; p++)
			assert_in_range(*p, ' ', '~');
		route_release(&route);
		q.domain = SPAN_LIT("free.example");
		assert_int_equal(route_find(s, &q, &route, &err), ST_OK);
		assert_int_equal(route.answer, ROUTE_NO_RULE);
		assert_true(route.tenant.n <= KEYSTORE_TENANT_MAX);
		route_release(&route);
	}
	keystore_close(s);
}

static void
lies(void **state)
{
	static const struct {
		unsigned lies;
		const char *tenant, *sender, *answer;
	} cases[] = {
	    /* Everything the store has, whatever was asked for, changes nothing. */
	    {MEMSTORE_OTHER_NAMES, "a", "x@a.example", "sign a.example sa (a)"},
	    {MEMSTORE_OTHER_NAMES, "b", "x@a.example", "tenant a (b)"},
	    {MEMSTORE_OTHER_NAMES, "a", "ceo@a.example", "sign a.example sa (a)"},
	    {MEMSTORE_OTHER_NAMES, "a", "x@free.example", "sign a.example sa (a)"},
	    {MEMSTORE_OTHER_NAMES, "b", "x@free.example", "no-rule (b)"},
	    {MEMSTORE_OTHER_NAMES, "", "x@nobody.example", "no-rule ()"},
	    /* Whose it is is not known any more. */
	    {MEMSTORE_OTHER_TENANTS, "a", "x@a.example", "invalid (a)"},
	    {MEMSTORE_OTHER_TENANTS, "intruder", "x@a.example", "invalid (intruder)"},
	    {MEMSTORE_OTHER_TENANTS, "intruder", "x@free.example", "no-rule (intruder)"},
	    {MEMSTORE_OTHER_TENANTS, "", "x@a.example", "invalid ()"},
	    {MEMSTORE_WRONG_SELECTORS, "a", "x@a.example", "invalid (a)"},
	    {MEMSTORE_OTHER_NAMES | MEMSTORE_OTHER_TENANTS, "b", "x@a.example", "invalid (b)"},
	};
	struct keystore *s = world();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memstore_of(s)->lies = cases[i].lies;
		assert_string_equal(
		    world_answer(s, cases[i].tenant, cases[i].sender), cases[i].answer);
	}
	keystore_close(s);
}

/* Keys of others in the answer: newer ones, and the only ones. */
static void
other_keys(void *context, enum memstore_question asked, struct keystore_rows *rows)
{
	const struct keystore_rows *all = context;

	if (asked != MEMSTORE_KEYS)
		return;
	for (size_t i = 0; i < all->key_count; i++) {
		struct store_key key = all->keys[i];

		key.times.active = NOW;
		key.tenant = SPAN_LIT("b");
		assert_int_equal(keystore_rows_add_key(rows, &key, NULL), ST_OK);
		key.tenant = SPAN_LIT("a");
		key.domain = SPAN_LIT("b.example");
		assert_int_equal(keystore_rows_add_key(rows, &key, NULL), ST_OK);
	}
}

static void
keys_of_others(void **state)
{
	struct keystore *s = world();
	struct memstore *m = memstore_of(s);

	(void)state;
	m->tamper = other_keys;
	m->tamper_context = m->all;
	assert_string_equal(world_answer(s, "a", "x@a.example"), "sign a.example sa (a)");
	m->all->keys[0].times.active = 0;
	assert_string_equal(world_answer(s, "a", "x@a.example"), "no-key a.example (a)");
	keystore_close(s);
}

static void
set_nothing(struct keystore_rows *all)
{
	(void)all;
}

static void
break_owner(struct keystore_rows *all)
{
	all->domains[0].tenant = SPAN_EMPTY;
}

static void
break_other_owner(struct keystore_rows *all)
{
	all->domains[1].tenant = SPAN_EMPTY;
}

static void
break_alias(struct keystore_rows *all)
{
	all->domains[0].signs_as = SPAN_LIT("B.example");
}

static void
break_self_alias(struct keystore_rows *all)
{
	all->domains[0].signs_as = SPAN_LIT("a.example");
}

static void
break_rule(struct keystore_rows *all)
{
	all->rules[0].domain = SPAN_LIT("a.example;");
}

static void
break_rule_id(struct keystore_rows *all)
{
	all->rules[1].id = SPAN_LIT("r 2");
}

static void
break_key(struct keystore_rows *all)
{
	all->keys[0].selector = SPAN_LIT("s; h=x");
}

static void
break_key_id(struct keystore_rows *all)
{
	all->keys[0].id = SPAN_EMPTY;
}

static void
break_tenant(struct keystore_rows *all)
{
	all->tenants[0].name = SPAN_LIT("c");
}

static void
break_double(struct keystore_rows *all)
{
	keystore_rows_add_domain(all, &all->domains[0]);
}

static void
break_rule_tenant(struct keystore_rows *all)
{
	all->rules[1].tenant = SPAN_EMPTY;
	all->rules[1].kind = STORE_RULE_DOMAIN;
	all->rules[1].subject = SPAN_LIT("free.example");
}

/* What no store may hold is not skipped; what is another tenant's hurts nobody else. */
static void
malformed_rows(void **state)
{
	static const struct {
		void (*change)(struct keystore_rows *all);
		const char *tenant, *sender, *answer;
	} cases[] = {
	    {set_nothing, "a", "x@a.example", "sign a.example sa (a)"},
	    {break_owner, "a", "x@a.example", "invalid (a)"},
	    {break_owner, "", "x@w.a.example", "invalid ()"},
	    {break_owner, "b", "x@b.example", "sign b.example sb (b)"},
	    {break_other_owner, "a", "x@a.example", "sign a.example sa (a)"},
	    {break_alias, "a", "x@a.example", "invalid (a)"},
	    {break_self_alias, "a", "x@a.example", "invalid (a)"},
	    {break_rule, "a", "ceo@a.example", "invalid (a)"},
	    {break_rule, "a", "x@a.example", "sign a.example sa (a)"},
	    {break_rule_id, "a", "x@free.example", "invalid (a)"},
	    {break_key, "a", "x@a.example", "invalid (a)"},
	    {break_key, "b", "x@b.example", "sign b.example sb (b)"},
	    {break_key_id, "a", "x@a.example", "invalid (a)"},
	    {break_tenant, "a", "x@a.example", "invalid (a)"},
	    {break_double, "a", "x@a.example", "invalid (a)"},
	    {break_double, "b", "x@b.example", "sign b.example sb (b)"},
	    {break_rule_tenant, "", "x@free.example", "invalid ()"},
	    {break_rule_tenant, "a", "x@free.example", "no-rule (a)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct keystore *s = world();
		const char *answer;

		cases[i].change(memstore_of(s)->all);
		answer = world_answer(s, cases[i].tenant, cases[i].sender);
		if (strcmp(answer, cases[i].answer) != 0)
			fail_msg("case %zu: \"%s\", expected \"%s\"", i, answer, cases[i].answer);
		keystore_close(s);
	}
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(hostile_domains),
    cmocka_unit_test(long_domains),
    cmocka_unit_test(parents),
    cmocka_unit_test(hostile_users),
    cmocka_unit_test(hostile_tenants),
    cmocka_unit_test(lies),
    cmocka_unit_test(keys_of_others),
    cmocka_unit_test(malformed_rows),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
