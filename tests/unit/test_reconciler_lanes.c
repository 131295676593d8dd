/*
 * test_reconciler_lanes.c - which lane a domain waits for, by what is to be done for it.
 */
#include "tests/unit/reconciler_world.h"

#include "admin-api/reconciler_private.h"

#define WORKS 2U

struct scene {
	struct reconciler *reconciler;
	struct turn *turn;
	struct work *works;
	struct life_key *keys; /* one of each */
};

static int
begin(void **state)
{
	struct scene *s = mem_zalloc(1, sizeof(*s));

	s->reconciler = mem_zalloc(1, sizeof(*s->reconciler));
	s->turn = mem_zalloc(1, sizeof(*s->turn));
	s->works = mem_zalloc(WORKS, sizeof(*s->works));
	s->keys = mem_zalloc(WORKS, sizeof(*s->keys));
	for (size_t i = 0; i < WORKS; i++)
		s->works[i].life.keys = &s->keys[i];
	s->turn->reconciler = s->reconciler;
	s->turn->works = s->works;
	s->turn->work_count = WORKS;
	*state = s;
	return 0;
}

static int
end(void **state)
{
	struct scene *s = *state;

	mem_free(s->works);
	mem_free(s->keys);
	mem_free(s->turn);
	mem_free(s->reconciler);
	mem_free(s);
	return 0;
}

static void
wants(struct work *work, enum life_what what)
{
	work->decision.actions[work->decision.count++] = (struct life_action){.what = what};
}

static void
take_all_lanes(struct scene *s, enum lane_kind kind)
{
	for (size_t i = 0; i < LANES_MAX; i++) {
		s->reconciler->lanes[i].used = true;
		s->reconciler->lanes[i].kind = kind;
	}
	s->reconciler->lanes[0].used = false;
}

static void
test_a_new_key_has_a_lane_of_its_own(void **state)
{
	struct scene *s = *state;
	struct lane *lane;

	wants(&s->works[0], LIFE_GENERATE);
	lane = lanes_choose(s->turn);
	assert_non_null(lane);
	assert_int_equal(lane->kind, LANE_KEYS);
	assert_true(s->works[0].slow && !s->works[1].slow && !s->works[1].left);
}

/* A key of the domain was revoked, or is about to be, and the next one is to be made: where many
 * wait for keys, the record does not wait with them. */
static void
test_what_is_asked_of_dns_does_not_wait_for_keys(void **state)
{
	static const enum life_what first[] = {
	    LIFE_REVOKE, LIFE_REMOVE, LIFE_PUBLISH, LIFE_MIRROR, LIFE_UNMIRROR};

	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		struct scene *s;
		struct lane *lane;

		begin(state);
		s = *state;
		take_all_lanes(s, LANE_KEYS);
		wants(&s->works[0], LIFE_GENERATE);
		wants(&s->works[0], first[i]);
		wants(&s->works[1], LIFE_GENERATE);
		lane = lanes_choose(s->turn);
		assert_non_null(lane);
		assert_int_equal(lane->kind, i < 3 ? LANE_DNS : LANE_MIRROR);
		assert_true(s->works[0].slow && !s->works[0].left);
		assert_true(!s->works[1].slow && s->works[1].left);
		assert_int_equal(s->works[1].kind, LANE_KEYS);
		end(state);
	}
}

static void
test_what_failed_before(void **state)
{
	struct scene *s = *state;
	struct lane *lane;

	wants(&s->works[0], LIFE_REVOKE);
	wants(&s->works[0], LIFE_GENERATE);
	s->works[0].life.keys[0].life.tries = 1;
	lane = lanes_choose(s->turn);
	assert_non_null(lane);
	assert_int_equal(lane->kind, LANE_TROUBLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_new_key_has_a_lane_of_its_own, begin, end),
	    cmocka_unit_test(test_what_is_asked_of_dns_does_not_wait_for_keys),
	    cmocka_unit_test_setup_teardown(test_what_failed_before, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
