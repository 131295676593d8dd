/*
 * test_lease.c - for how long a gateway signs with a key without a word of the store: with a clock
 * of the test's to the millisecond, whatever the caches hold, and against a plain model. make
 * check.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/shared_world.h"

#include "lib/store/leaseclock.h"
#include "lib/store/pattern_cache.h"
#include "lib/store/route.h"
#include "tests/lib/memstore.h"

#define LEASE_S 60
#define LEASE_MS (LEASE_S * 1000)
#define NAMES 40U

/* ---- the two clocks ---- */

static atomic_llong slept_ms; /* that the monotonic clock did not see */

static int64_t
utc_of_sleeper(void)
{
	return world_utc_ms() + atomic_load(&slept_ms);
}

static void
test_the_longer_of_two_clocks(void **state)
{
	struct leaseclock lease;
	int64_t began;

	(void)state;
	atomic_store(&clock_ms, 5000000);
	atomic_store(&slept_ms, 0);
	began = world_clock();
	leaseclock_init(&lease, began, utc_of_sleeper);
	later(700);
	assert_int_equal(leaseclock_silent_ms(&lease, began, world_clock()), 700);
	assert_int_equal(leaseclock_silent_ms(&lease, began + 9000, world_clock()), 0);
	/* A day asleep counts for what was known before, and for nothing else. */
	atomic_fetch_add(&slept_ms, 86400000);
	assert_int_equal(leaseclock_silent_ms(&lease, began, world_clock()), 86400700);
	assert_int_equal(leaseclock_silent_ms(&lease, world_clock(), world_clock()), 0);
	later(10);
	assert_int_equal(leaseclock_silent_ms(&lease, world_clock() - 10, world_clock()), 10);
	/* The day's clock set back takes nothing off, and set right again it may count twice. */
	atomic_fetch_sub(&slept_ms, 3600000);
	later(90);
	assert_int_equal(leaseclock_silent_ms(&lease, world_clock() - 90, world_clock()), 90);
	assert_int_equal(leaseclock_silent_ms(&lease, began, world_clock()), 86400800);
	/* Steered by less than a second at a time is no jump. */
	atomic_fetch_add(&slept_ms, LEASECLOCK_JUMP_MS - 1);
	assert_int_equal(leaseclock_silent_ms(&lease, began, world_clock()), 86400800);
}

/* ---- a key ---- */

static const struct store_key active = {.times = {.created = 1, .active = 10}, .lease_s = LEASE_S};

static void
test_one_millisecond_before_and_after(void **state)
{
	struct store_moment moment = {.now_utc = 1000, .silent_ms = LEASE_MS - 1};
	struct store_key key = active;

	(void)state;
	assert_true(store_key_may_sign(&key, &moment));
	assert_false(store_key_lease_over(&key, &moment));
	moment.silent_ms = LEASE_MS;
	assert_false(store_key_may_sign(&key, &moment));
	assert_true(store_key_lease_over(&key, &moment));
	key.lease_s = 0; /* none */
	moment.silent_ms = INT64_MAX;
	assert_true(store_key_may_sign(&key, &moment));
	assert_false(store_key_lease_over(&key, &moment));
	key.lease_s = INT64_MAX;
	assert_true(store_key_may_sign(&key, &moment));
	/* sign_until counts by itself. */
	key.times.sign_until = 1000;
	moment.silent_ms = 0;
	assert_false(store_key_may_sign(&key, &moment));
	assert_true(store_key_lease_over(&key, &moment));
	/* One that would not sign anyway has no lease that could be over. */
	key = active;
	key.times.retiring = 500;
	moment.silent_ms = LEASE_MS;
	assert_false(store_key_may_sign(&key, &moment));
	assert_false(store_key_lease_over(&key, &moment));
}

/* ---- gateways ---- */

static void
gateway_begin(struct gateway *g, struct world *world, int64_t stale_ms)
{
	const struct cached_keystore_config config = {.bytes_max = 64 << 20,
	    .poll_ms = POLL_MS,
	    .absent_ms = 2000,
	    .stale_ms = stale_ms,
	    .shared_prefix = SPAN_LIT("site"),
	    .now_ms = world_clock,
	    .utc_ms = utc_of_sleeper,
	    .pause = world_pause,
	    .no_thread = true};

	gateway_open_as(g, world, &config);
}

static void
world_begin_leased(struct world *world)
{
	world_begin(world, NAMES);
	world->history.lease_s = LEASE_S;
	atomic_store(&slept_ms, 0);
}

/* May it sign as this name? ROUTE_... of a route would be the same; -1: the store is unavailable.
 */
static int
may_sign_as(struct gateway *g, unsigned number, int64_t *silent_ms_out)
{
	struct store_moment moment = {.now_utc = 1000};
	struct keystore_rows *rows = NULL;
	struct err err = ERR_NONE;
	char name[32];
	int may;

	snprintf(name, sizeof(name), "n%05u.example", number);
	if (keystore_keys_heard(g->store, span_str(name), &rows, &moment.silent_ms, &err) != ST_OK)
		return -1;
	*silent_ms_out = moment.silent_ms;
	assert_int_equal(rows->key_count, 1);
	may = store_key_may_sign(&rows->keys[0], &moment) ? 1 : 0;
	assert_int_equal(store_key_lease_over(&rows->keys[0], &moment), !may);
	keystore_rows_release(rows);
	return may;
}

static int
may_sign(struct gateway *g)
{
	int64_t silent_ms;

	return may_sign_as(g, 1, &silent_ms);
}

static void
test_a_store_that_is_away(void **state)
{
	struct gateway g;
	struct world world;
	int64_t heard_ms;

	(void)state;
	world_begin_leased(&world);
	memshared_set_away(world.server, true);
	gateway_begin(&g, &world, 86400000);
	gateway_poll(&g);
	assert_int_equal(may_sign(&g), 1);
	for (int i = 0; i < 100; i++) { /* longer than the lease: each poll renews it */
		later(POLL_MS);
		gateway_poll(&g);
		assert_int_equal(may_sign(&g), 1);
	}
	heard_ms = world_clock();
	atomic_store(&world.history.away, true);
	while (world_clock() < heard_ms + LEASE_MS - 1) {
		assert_int_equal(may_sign(&g), 1);
		gateway_poll(&g);
		later(heard_ms + LEASE_MS - 1 - world_clock() < 777
			  ? heard_ms + LEASE_MS - 1 - world_clock()
			  : 777);
	}
	assert_int_equal(may_sign(&g), 1);
	later(1);
	assert_int_equal(may_sign(&g), 0);
	later(3600000);
	assert_int_equal(may_sign(&g), 0);
	/* The first poll that is answered renews it: nothing has changed. */
	atomic_store(&world.history.away, false);
	gateway_poll(&g);
	assert_int_equal(may_sign(&g), 1);
	gateway_close(&g);
	world_end(&world);
}

/* Polls that fail, while the store answers questions: each answer is a word. */
static void
test_an_answer_is_a_word(void **state)
{
	struct gateway g;
	struct world world;
	int64_t silent_ms;

	(void)state;
	world_begin_leased(&world);
	memshared_set_away(world.server, true);
	gateway_begin(&g, &world, 86400000);
	gateway_poll(&g);
	assert_int_equal(may_sign(&g), 1);
	atomic_store(&world.history.polls_fail, true);
	later(LEASE_MS);
	assert_int_equal(may_sign_as(&g, 1, &silent_ms), 1);
	assert_int_equal(silent_ms, 0);
	gateway_close(&g);
	world_end(&world);
}

/* What changed cannot be asked for: a poll that told of that confirms nothing. */
static void
test_a_change_ends_what_polls_renew(void **state)
{
	struct gateway g;
	struct world world;

	(void)state;
	world_begin_leased(&world);
	memshared_set_away(world.server, true);
	gateway_begin(&g, &world, 86400000);
	gateway_poll(&g);
	assert_int_equal(may_sign(&g), 1);
	history_change(&world.history, 1);
	for (int i = 0; i < 31; i++) {
		later(POLL_MS);
		gateway_poll(&g);
		atomic_store(&world.history.away, true);
		assert_int_equal(may_sign(&g), world_clock() - 5000000 < LEASE_MS);
		atomic_store(&world.history.away, false);
	}
	later(2000);
	assert_int_equal(may_sign(&g), 1); /* asked again */
	gateway_close(&g);
	world_end(&world);
}

/* CacheStaleTTL is not made longer by a lease, and a lease not by CacheStaleTTL. */
static void
test_beside_the_stale_time(void **state)
{
	struct gateway g;
	struct world world;

	(void)state;
	world_begin_leased(&world);
	memshared_set_away(world.server, true);
	gateway_begin(&g, &world, LEASE_MS / 2);
	gateway_poll(&g);
	assert_int_equal(may_sign(&g), 1);
	atomic_store(&world.history.away, true);
	later(LEASE_MS / 2 - 1);
	assert_int_equal(may_sign(&g), 1);
	later(1);
	assert_int_equal(may_sign(&g), -1);
	gateway_close(&g);
	world_end(&world);
}

static void
test_a_machine_that_slept(void **state)
{
	struct gateway g;
	struct world world;

	(void)state;
	world_begin_leased(&world);
	memshared_set_away(world.server, true);
	gateway_begin(&g, &world, 86400000);
	gateway_poll(&g);
	assert_int_equal(may_sign(&g), 1);
	atomic_store(&world.history.away, true);
	later(1000);
	atomic_fetch_add(&slept_ms, LEASE_MS);
	assert_int_equal(may_sign(&g), 0);
	/* The next poll knows what the clock has done. */
	atomic_store(&world.history.away, false);
	gateway_poll(&g);
	assert_int_equal(may_sign(&g), 1);
	atomic_fetch_add(&slept_ms, LEASE_MS);
	gateway_poll(&g);
	assert_int_equal(may_sign(&g), 1);
	gateway_close(&g);
	world_end(&world);
}

/* The store is away from the second gateway, which has what the first one asked for. */
static void
test_what_another_gateway_heard(void **state)
{
	struct gateway one, two;
	struct world world;
	int64_t heard_ms, silent_ms;

	(void)state;
	world_begin_leased(&world);
	gateway_begin(&one, &world, 86400000);
	gateway_begin(&two, &world, 86400000);
	gateway_poll(&one);
	gateway_poll(&two);
	later(SHAREDCACHE_SKEW_MS + 500); /* or else that poll confirms it */
	heard_ms = world_clock();
	assert_int_equal(may_sign(&one), 1);
	atomic_store(&world.history.away, true);
	later(LEASE_MS - SHAREDCACHE_SKEW_MS - 1);
	assert_int_equal(may_sign_as(&two, 1, &silent_ms), 1);
	assert_true(silent_ms >= world_clock() - heard_ms);
	later(1); /* the clocks of the two may differ by that much */
	assert_int_equal(may_sign_as(&two, 1, &silent_ms), 0);
	/* A poll of its own confirms what it has from the other. */
	atomic_store(&world.history.away, false);
	gateway_poll(&two);
	assert_int_equal(may_sign_as(&two, 1, &silent_ms), 1);
	assert_int_equal(silent_ms, 0);
	gateway_close(&one);
	gateway_close(&two);
	world_end(&world);
}

/* An old value that nothing changed since is as good as new for who polls: a restart in the morning
 * finds what was asked for in the evening. */
static void
test_an_old_value_that_a_poll_confirms(void **state)
{
	struct gateway one, two;
	struct world world;
	int64_t silent_ms;
	unsigned asked;

	(void)state;
	world_begin_leased(&world);
	gateway_begin(&one, &world, 86400000);
	gateway_poll(&one);
	assert_int_equal(may_sign(&one), 1);
	later(10 * LEASE_MS);
	asked = atomic_load(&world.history.asked);
	gateway_begin(&two, &world, 86400000);
	gateway_poll(&two);
	later(100);
	assert_int_equal(may_sign_as(&two, 1, &silent_ms), 1);
	assert_int_equal(silent_ms, 100);
	assert_int_equal(atomic_load(&world.history.asked), asked);
	gateway_close(&one);
	gateway_close(&two);
	world_end(&world);
}

/* One that starts in the middle of a rotation: before its first poll nothing is taken from others
 * while the store answers, so it does not sign with what was before. */
static void
test_a_new_gateway_asks_the_store(void **state)
{
	struct gateway one, two;
	struct world world;
	int64_t silent_ms;

	(void)state;
	world_begin_leased(&world);
	gateway_begin(&one, &world, 86400000);
	gateway_poll(&one);
	assert_int_equal(key_of(&one, 1), 1);
	history_change(&world.history, 1);
	gateway_begin(&two, &world, 86400000);
	assert_int_equal(key_of(&two, 1), 2);
	assert_int_equal(may_sign_as(&two, 1, &silent_ms), 1);
	assert_int_equal(silent_ms, 0);
	/* And does not say that it has anything before it has. */
	assert_int_equal(cached_keystore_epoch(two.store), 0);
	gateway_poll(&two);
	assert_int_equal(cached_keystore_epoch(two.store), world.history.epoch);
	atomic_store(&world.history.away, true);
	gateway_poll(&two);
	assert_int_equal(cached_keystore_epoch(two.store), world.history.epoch);
	gateway_close(&one);
	gateway_close(&two);
	world_end(&world);
}

/* ---- by a model ---- */

struct model {
	struct world world;
	struct gateway gateways[2];
	int64_t polled_ms[2];           /* the last poll that was answered */
	int64_t confirmed_ms[2][NAMES]; /* and what was asked for had not changed */
	int64_t asked_ms[NAMES];        /* the last answer to anybody */
	unsigned asked[NAMES];          /* its version */
	uint64_t random;
};

static unsigned
chance(struct model *m, unsigned of)
{
	m->random = m->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(m->random >> 33) % of;
}

/* The latest word that there can have been about what is held of this name. */
static int64_t
latest_word(const struct model *m, unsigned g, unsigned name)
{
	return m->confirmed_ms[g][name] > m->asked_ms[name] ? m->confirmed_ms[g][name]
							    : m->asked_ms[name];
}

static void
step_poll(struct model *m, unsigned g)
{
	struct history *h = &m->world.history;

	gateway_poll(&m->gateways[g]);
	if (atomic_load(&h->away) || atomic_load(&h->polls_fail))
		return;
	m->polled_ms[g] = world_clock();
	for (unsigned name = 0; name < NAMES; name++)
		if (m->asked[name] == h->version[name])
			m->confirmed_ms[g][name] = world_clock();
}

static unsigned
step_ask(struct model *m, unsigned g)
{
	unsigned name = chance(m, NAMES / 10) * 10 + chance(m, 9), before, after;
	struct history *h = &m->world.history;
	int64_t silent_ms = 0;
	int may;

	before = atomic_load(&h->asked);
	may = may_sign_as(&m->gateways[g], name, &silent_ms);
	after = atomic_load(&h->asked);
	if (after != before && !atomic_load(&h->away)) {
		m->asked_ms[name] = world_clock();
		m->asked[name] = h->version[name];
	}
	if (may < 0)
		return 0;
	if (silent_ms < world_clock() - latest_word(m, g, name))
		fail_msg("n%05u: silent for %lld ms, and it is %lld", name, (long long)silent_ms,
		    (long long)(world_clock() - latest_word(m, g, name)));
	assert_int_equal(may, silent_ms < LEASE_MS);
	/* With a store that answers nobody waits for a lease. */
	if (!atomic_load(&h->away) && world_clock() - m->polled_ms[g] < POLL_MS)
		assert_int_equal(may, 1);
	return (unsigned)may;
}

static void
test_never_longer_than_a_model_says(void **state)
{
	struct model m = {.random = 7};
	struct history *h = &m.world.history;
	unsigned yes = 0, asked = 0;

	(void)state;
	world_begin_leased(&m.world);
	for (unsigned g = 0; g < 2; g++) {
		gateway_begin(&m.gateways[g], &m.world, 10 * LEASE_MS);
		step_poll(&m, g);
	}
	for (int i = 0; i < 60000; i++) {
		unsigned what = chance(&m, 100), g = chance(&m, 2);

		later(chance(&m, 400));
		if (what < 20)
			step_poll(&m, g);
		else if (what < 22)
			history_change(h, chance(&m, NAMES / 10) * 10 + chance(&m, 9));
		else if (what == 22 && chance(&m, 10) == 0)
			atomic_store(&h->away, chance(&m, 3) > 0);
		else if (what == 23 && chance(&m, 10) == 0)
			atomic_store(&h->polls_fail, chance(&m, 3) == 0);
		else if (what == 24 && chance(&m, 10) == 0)
			memshared_set_away(m.world.server, chance(&m, 2) == 0);
		else
			asked++, yes += step_ask(&m, g);
	}
	/* It would prove nothing if it always said the same. */
	assert_true(yes > asked / 4 && yes < asked * 9 / 10);
	for (unsigned g = 0; g < 2; g++)
		gateway_close(&m.gateways[g]);
	world_end(&m.world);
}

/* ---- what a message meets ---- */

static void
expect_route(struct keystore *store, enum route_answer answer, const char *says)
{
	struct pattern_cache *patterns = pattern_cache_new();
	const struct route_question question = {.user = SPAN_LIT("x"),
	    .domain = SPAN_LIT("a.example"),
	    .patterns = patterns,
	    .now_utc = 1000};
	struct err err = ERR_NONE;
	struct route route;

	if (route_find(store, &question, &route, &err) != ST_OK)
		fail_msg("%s", err.text);
	if (route.answer != answer || strstr(route.why, says) == NULL)
		fail_msg("\"%s\", not \"%s\"", route.why, says);
	route_release(&route);
	pattern_cache_free(patterns);
}

static void
test_the_cause_is_the_lease(void **state)
{
	const struct cached_keystore_config config = {.bytes_max = 8 << 20,
	    .poll_ms = POLL_MS,
	    .absent_ms = 2000,
	    .stale_ms = 86400000,
	    .now_ms = world_clock,
	    .utc_ms = world_utc_ms,
	    .no_thread = true};
	struct keystore *inner = memstore_new(), *store;
	struct err err = ERR_NONE;

	(void)state;
	atomic_store(&clock_ms, 5000000);
	(void)memstore_tenant(inner, "t");
	(void)memstore_domain(inner, "a.example", "t", false);
	memstore_key(inner, "t", "a.example", "old", 10);
	memstore_key(inner, "t", "a.example", "new", 20)->lease_s = LEASE_S;
	assert_int_equal(cached_keystore_new(inner, &config, &store, &err), ST_OK);
	cached_keystore_poll(store);
	expect_route(store, ROUTE_SIGN, "with new");
	memstore_fail(inner, ST_UNAVAILABLE);
	memstore_of(inner)->status[MEMSTORE_CHANGES] = ST_UNAVAILABLE;
	later(LEASE_MS - 1);
	expect_route(store, ROUTE_SIGN, "with new");
	later(1);
	expect_route(store, ROUTE_SIGN, "with old"); /* which has none */
	memstore_of(inner)->all->keys[0].times.held = 5;
	memstore_fail(inner, ST_OK);
	memstore_of(inner)->status[MEMSTORE_CHANGES] = ST_OK;
	memstore_changed(inner, "d:a.example");
	cached_keystore_poll(store);
	expect_route(store, ROUTE_SIGN, "with new");
	memstore_fail(inner, ST_UNAVAILABLE);
	later(LEASE_MS + 1500);
	expect_route(store, ROUTE_LEASE,
	    "key new of a.example may be used for 60 s without a word of the KeyStore, and the "
	    "last "
	    "one came 61 s ago");
	keystore_close(store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_longer_of_two_clocks),
	    cmocka_unit_test(test_one_millisecond_before_and_after),
	    cmocka_unit_test(test_a_store_that_is_away),
	    cmocka_unit_test(test_an_answer_is_a_word),
	    cmocka_unit_test(test_a_change_ends_what_polls_renew),
	    cmocka_unit_test(test_beside_the_stale_time),
	    cmocka_unit_test(test_a_machine_that_slept),
	    cmocka_unit_test(test_what_another_gateway_heard),
	    cmocka_unit_test(test_an_old_value_that_a_poll_confirms),
	    cmocka_unit_test(test_a_new_gateway_asks_the_store),
	    cmocka_unit_test(test_never_longer_than_a_model_says),
	    cmocka_unit_test(test_the_cause_is_the_lease),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
