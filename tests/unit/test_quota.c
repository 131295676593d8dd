/*
 * test_quota.c - what is remembered of tenants with a quota: rates by a clock of our own, and
 * counts that are believed no longer than they are right.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin-api/quota.h"
#include "tests/lib/memstore.h"

#define S(text) SPAN_LIT(text)
#define SECOND 1000000
#define MINUTE (60 * (int64_t)SECOND)

/* ---- rates ---- */

/* How many of count requests, each step_us behind the other, may come. */
static int
let_in(int64_t limit, int64_t *now_us, int64_t step_us, int count, int64_t *full_us)
{
	struct quota_rate rate;
	int good = 0;

	for (int i = 0; i < count; i++, *now_us += step_us) {
		quota_rate_take(limit, *now_us, full_us, &rate);
		assert_int_equal(rate.limit, limit);
		assert_true(rate.left >= 0 && rate.left < limit);
		assert_true(rate.reset_s >= 0 && rate.reset_s <= QUOTA_RATE_S);
		assert_true(rate.wait_s >= 0 && rate.wait_s <= QUOTA_RATE_S);
		good += rate.wait_s == 0;
	}
	return good;
}

static void
as_many_at_once_as_in_a_minute(void **state)
{
	static const int limits[] = {1, 2, 7, 59, 60, 61, 600, 100000};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		int64_t now = 77 * MINUTE, full = 0;

		assert_int_equal(let_in(limits[i], &now, 0, limits[i], &full), limits[i]);
		assert_int_equal(let_in(limits[i], &now, 0, 5, &full), 0);
		/* After a minute all of them again; and in the long run no more than that. */
		now += MINUTE + SECOND;
		assert_int_equal(let_in(limits[i], &now, 0, limits[i] + 5, &full), limits[i]);
	}
}

static void
in_the_long_run(void **state)
{
	int64_t now = MINUTE, full = 0, began;

	(void)state;
	(void)let_in(60, &now, 0, 100, &full);
	began = now;
	/* Ten a second for ten minutes: one a second is let in. */
	assert_in_range(let_in(60, &now, SECOND / 10, 6000, &full), 599, 601);
	assert_int_equal(now - began, 10 * MINUTE);
	/* Slower than the limit: all of them. */
	assert_int_equal(let_in(60, &now, 2 * SECOND, 100, &full), 100);
}

static void
what_is_said_is_true(void **state)
{
	struct quota_rate rate;
	int64_t now = MINUTE, full = 0;

	(void)state;
	quota_rate_take(5, now, &full, &rate);
	assert_int_equal(rate.left, 4);
	assert_int_equal(rate.reset_s, 12);
	for (int i = 0; i < 4; i++)
		quota_rate_take(5, now, &full, &rate);
	assert_int_equal(rate.left, 0);
	quota_rate_take(5, now, &full, &rate);
	assert_int_equal(rate.wait_s, 12);
	/* Whoever waits as long as that is let in, and not before. */
	quota_rate_take(5, now + 11 * SECOND, &full, &rate);
	assert_int_equal(rate.wait_s, 1);
	quota_rate_take(5, now + 12 * SECOND, &full, &rate);
	assert_int_equal(rate.wait_s, 0);
	/* A limit that became lower, and none at all. */
	quota_rate_take(1, now + 12 * SECOND, &full, &rate);
	assert_true(rate.wait_s > 0 && rate.wait_s <= QUOTA_RATE_S);
	full = 0;
	quota_rate_take(0, now, &full, &rate);
	assert_true(rate.wait_s > 0 && rate.left == 0);
	/* One that is none. */
	full = 0;
	for (int i = 0; i < 10; i++) {
		quota_rate_take(QUOTA_MAX, now, &full, &rate);
		assert_true(rate.wait_s == 0 && rate.left > 50000000 && rate.left <= QUOTA_MAX);
	}
	/* A clock that went back far. */
	full = 1000 * MINUTE;
	quota_rate_take(60, now, &full, &rate);
	assert_true(rate.wait_s > 0 && rate.wait_s <= 1);
}

/* ---- counts, and limits of a store ---- */

struct world {
	struct keystore *store;
	struct quotas *quotas;
};

static void
write_one(struct keystore *store, struct keystore_write write)
{
	struct err err = ERR_NONE;
	size_t at;

	if (store->ops->apply(store, &write, 1, &at, &err) != ST_OK)
		fail_msg("%s", err.text);
}

static struct keystore_write
quota_of(const char *tenant, enum store_how how, int64_t domains, int64_t requests)
{
	return (struct keystore_write){.what = STORE_QUOTA,
	    .how = how,
	    .row.quota = {.tenant = span_str(tenant),
		.domains = domains,
		.keys = QUOTA_NONE,
		.rotations = QUOTA_NONE,
		.requests = requests}};
}

static struct keystore_write
domain_of(const char *name, enum store_how how)
{
	return (struct keystore_write){.what = STORE_DOMAIN,
	    .how = how,
	    .row.domain = {.name = span_str(name),
		.tenant = S("acme"),
		.signature_ttl_s = -1,
		.enabled = true}};
}

static int
begin(void **state)
{
	static struct world world;

	world.store = memstore_new();
	write_one(world.store, (struct keystore_write){.what = STORE_TENANT,
				   .how = WRITE_ADD,
				   .row.tenant = {.name = S("acme"), .enabled = true}});
	write_one(world.store, domain_of("a.test", WRITE_ADD));
	quotas_new(world.store, &world.quotas);
	*state = &world;
	return 0;
}

static int
end(void **state)
{
	struct world *world = *state;

	quotas_free(world->quotas);
	keystore_close(world->store);
	return 0;
}

static bool
find(const struct world *world, const char *tenant, struct store_quota *out)
{
	struct err err = ERR_NONE;
	bool found;

	if (quotas_find(world->quotas, span_str(tenant), out, &found, &err) != ST_OK)
		fail_msg("%s", err.text);
	return found;
}

static uint64_t
domains_of(const struct world *world, const struct store_quota *row)
{
	struct store_count count = {.domains = 99};
	struct err err = ERR_NONE;

	if (quotas_count(world->quotas, row, &count, &err) != ST_OK)
		fail_msg("%s", err.text);
	return count.domains;
}

static void
counts(void **state)
{
	const struct store_count one = {.domains = 1};
	struct world *world = *state;
	struct store_quota row;

	assert_false(find(world, "acme", &row));
	write_one(world->store, quota_of("acme", WRITE_ADD, 5, QUOTA_NONE));
	assert_true(find(world, "acme", &row));
	assert_int_equal(row.domains, 5);
	assert_int_equal(domains_of(world, &row), 1);
	/* Somebody else adds without a quota: it is found when the count is old. */
	write_one(world->store, domain_of("b.test", WRITE_ADD));
	assert_int_equal(domains_of(world, &row), 1);
	quotas_forget(world->quotas, S("acme"));
	assert_int_equal(domains_of(world, &row), 2);
	/* What was written with the row counts under its next revision, and not under its own. */
	write_one(world->store, domain_of("c.test", WRITE_ADD));
	write_one(world->store, quota_of("acme", WRITE_CHANGE, 5, QUOTA_NONE));
	quotas_added(world->quotas, &row, &one);
	assert_true(find(world, "acme", &row));
	assert_int_equal(row.revision, 2);
	assert_int_equal(domains_of(world, &row), 3);
	/* Somebody else wrote the row: it is counted anew. */
	write_one(world->store, domain_of("d.test", WRITE_ADD));
	write_one(world->store, quota_of("acme", WRITE_CHANGE, 5, QUOTA_NONE));
	assert_true(find(world, "acme", &row));
	assert_int_equal(domains_of(world, &row), 4);
}

static int64_t
limit_of(const struct world *world, const char *tenant)
{
	struct quota_rate rate;

	quotas_request(world->quotas, span_str(tenant), &rate);
	return rate.limit;
}

static void
limits_of_requests(void **state)
{
	struct world *world = *state;
	struct quota_rate rate;

	assert_int_equal(limit_of(world, "acme"), QUOTA_NONE);
	write_one(world->store, quota_of("acme", WRITE_ADD, 5, 3));
	assert_int_equal(limit_of(world, "acme"), QUOTA_NONE); /* as it was just now */
	quotas_forget(world->quotas, S("acme"));
	for (int i = 0; i < 3; i++) {
		quotas_request(world->quotas, S("acme"), &rate);
		assert_true(rate.limit == 3 && rate.wait_s == 0 && rate.left == 2 - i);
	}
	quotas_request(world->quotas, S("acme"), &rate);
	assert_true(rate.wait_s > 0);
	/* What was asked stays asked when something else is forgotten; others have their own. */
	quotas_forget(world->quotas, S("acme"));
	quotas_request(world->quotas, S("acme"), &rate);
	assert_true(rate.wait_s > 0);
	assert_int_equal(limit_of(world, "other"), QUOTA_NONE);
	/* A store that is away changes nothing, and refuses nobody. (Here it still tells the time,
	 * as one that has no room for quotas does; but there was room before.) */
	quotas_forget(world->quotas, S("acme"));
	memstore_fail(world->store, ST_UNAVAILABLE);
	quotas_request(world->quotas, S("acme"), &rate);
	assert_true(rate.limit == 3 && rate.wait_s > 0);
	assert_int_equal(limit_of(world, "third"), QUOTA_NONE);
	memstore_fail(world->store, ST_OK);
}

/* More tenants than there are places: each is asked for again, and none has another one's. */
static void
many_tenants(void **state)
{
	struct world *world = *state;
	char name[32];

	for (int i = 0; i < 30; i++) {
		struct keystore_write tenant = {.what = STORE_TENANT, .how = WRITE_ADD};

		snprintf(name, sizeof(name), "t%d", i);
		tenant.row.tenant = (struct store_tenant){.name = span_str(name), .enabled = true};
		write_one(world->store, tenant);
		write_one(world->store, quota_of(name, WRITE_ADD, 1, 100 + i));
	}
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 20000; i++) {
			snprintf(name, sizeof(name), "u%d", i);
			assert_int_equal(limit_of(world, name), QUOTA_NONE);
		}
		for (int i = 0; i < 30; i++) {
			snprintf(name, sizeof(name), "t%d", i);
			assert_int_equal(limit_of(world, name), 100 + i);
		}
	}
}

static void *
ask_often(void *context)
{
	const struct world *world = context;
	struct quota_rate rate;
	uintptr_t good = 0;

	for (int i = 0; i < 2000; i++) {
		quotas_request(world->quotas, S("acme"), &rate);
		good += rate.wait_s == 0;
		if (i % 100 == 0)
			quotas_forget(world->quotas, S("other"));
	}
	return (void *)good; /* NOLINT */
}

/* Together no more than one of them alone. */
static void
many_threads(void **state)
{
	struct world *world = *state;
	pthread_t threads[8];
	uintptr_t good = 0;

	write_one(world->store, quota_of("acme", WRITE_ADD, 5, 1000));
	assert_int_equal(limit_of(world, "acme"), 1000);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, world), 0);
	for (size_t i = 0; i < 8; i++) {
		void *some;

		pthread_join(threads[i], &some);
		good += (uintptr_t)some;
	}
	/* 999 at once, and one each 60 ms while it ran. */
	assert_in_range(good, 999, 999 + 16 * 120);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(as_many_at_once_as_in_a_minute),
	    cmocka_unit_test(in_the_long_run),
	    cmocka_unit_test(what_is_said_is_true),
	    cmocka_unit_test_setup_teardown(counts, begin, end),
	    cmocka_unit_test_setup_teardown(limits_of_requests, begin, end),
	    cmocka_unit_test_setup_teardown(many_tenants, begin, end),
	    cmocka_unit_test_setup_teardown(many_threads, begin, end),
	};

	return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
