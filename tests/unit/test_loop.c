/*
 * test_loop.c - lib/base/loop: timers in order and on time, also while callbacks change them;
 * sources that are removed while their events wait; a tick that is nobody's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/loop.h"
#include "lib/base/mem.h"

#define MANY 2000

static struct loop loop;

static int
open_loop(void **state)
{
	struct err err = ERR_NONE;

	(void)state;
	return loop_open(&loop, &err) == ST_OK ? 0 : -1;
}

static int
close_loop(void **state)
{
	(void)state;
	loop_close(&loop);
	loop_close(&loop);
	return 0;
}

/* ---- timers ---- */

struct fired {
	struct loop_timer timer;
	unsigned int times;
	int64_t at_ms;
};

static void
note(struct loop_timer *timer)
{
	struct fired *fired = timer->owner;

	fired->times++;
	fired->at_ms = clock_mono_ms();
}

static void
fired_init(struct fired *fired)
{
	*fired = (struct fired){.timer = {.fire = note, .owner = fired}};
}

static void
test_a_timer_fires_once_and_not_early(void **state)
{
	struct fired one, later;
	int64_t begun_ms = clock_mono_ms();

	(void)state;
	fired_init(&one);
	fired_init(&later);
	loop_timer_set(&loop, &later.timer, 60000);
	loop_timer_set(&loop, &one.timer, 20);
	while (one.times == 0)
		loop_step(&loop);
	assert_true(one.at_ms - begun_ms >= 20);
	assert_int_equal(loop.timer_count, 1);
	loop_timer_clear(&loop, &later.timer);
	loop_timer_clear(&loop, &later.timer);
	assert_int_equal(loop.timer_count, 0);
	loop_timer_set(&loop, &one.timer, 0);
	loop_step(&loop);
	assert_int_equal(one.times, 2);
	assert_int_equal(later.times, 0);
}

static void
test_setting_again_moves_a_timer(void **state)
{
	struct fired a, b;

	(void)state;
	fired_init(&a);
	fired_init(&b);
	loop_timer_set(&loop, &a.timer, 60000);
	loop_timer_set(&loop, &b.timer, 50000);
	loop_timer_set(&loop, &a.timer, 1);
	assert_int_equal(loop.timer_count, 2);
	while (a.times == 0)
		loop_step(&loop);
	loop_timer_set(&loop, &a.timer, 1);
	loop_timer_set(&loop, &a.timer, 70000);
	loop_timer_set(&loop, &b.timer, 1);
	while (b.times == 0)
		loop_step(&loop);
	assert_int_equal(a.times, 1);
	loop_timer_clear(&loop, &a.timer);
}

/* A chain of timers that are set for now costs rounds and no time: a millisecond for each would be
 * ten seconds in all. */
#define ROUNDS 10000U

static void
set_again(struct loop_timer *timer)
{
	if (++*(unsigned int *)timer->owner < ROUNDS)
		loop_timer_set(&loop, timer, 0);
}

static void
test_now_is_now(void **state)
{
	unsigned int times = 0;
	struct loop_timer timer = {.fire = set_again, .owner = &times};
	int64_t begun_ms = clock_mono_ms();

	(void)state;
	loop_timer_set(&loop, &timer, 0);
	for (unsigned int round = 1; round <= ROUNDS; round++) {
		loop_step(&loop);
		assert_int_equal(times, round);
	}
	assert_true(clock_mono_ms() - begun_ms < 8000);
}

static int64_t last_due_ms;

static void
note_order(struct loop_timer *timer)
{
	unsigned int *left = timer->owner;

	assert_true(timer->due_ms >= last_due_ms);
	last_due_ms = timer->due_ms;
	assert_int_equal(timer->place, 0);
	--*left;
}

/* Set, moved and cleared in no order: what remains fires by its time. */
static void
test_many_timers_fire_in_order(void **state)
{
	struct loop_timer *timers = mem_zalloc(MANY, sizeof(*timers));
	unsigned int left = 0, seed = 7;

	(void)state;
	last_due_ms = 0;
	for (size_t i = 0; i < MANY * 3; i++) {
		struct loop_timer *timer = &timers[(seed = seed * 1103515245 + 12345) % MANY];

		timer->fire = note_order;
		timer->owner = &left;
		if (timer->place != 0 && i % 3 == 0)
			loop_timer_clear(&loop, timer);
		else
			loop_timer_set(&loop, timer, 1 + (seed >> 16) % 50);
	}
	for (size_t i = 0; i < MANY; i++)
		left += timers[i].place != 0;
	assert_int_equal(loop.timer_count, left);
	assert_true(left > MANY / 4);
	while (left > 0)
		loop_step(&loop);
	assert_int_equal(loop.timer_count, 0);
	mem_free(timers);
}

/* The first to fire clears one, sets itself again, and frees the memory of a third. */
struct meddler {
	struct loop_timer timer;
	struct loop_timer *cleared;
	struct fired *freed;
	unsigned int times;
};

static void
meddle(struct loop_timer *timer)
{
	struct meddler *meddler = timer->owner;

	meddler->times++;
	loop_timer_clear(&loop, meddler->cleared);
	if (meddler->freed != NULL)
		loop_timer_clear(&loop, &meddler->freed->timer);
	mem_free(meddler->freed);
	meddler->freed = NULL;
	loop_timer_set(&loop, timer, 0);
}

static void
test_callbacks_may_change_timers(void **state)
{
	struct fired cleared;
	struct meddler meddler = {.timer = {.fire = meddle, .owner = &meddler},
	    .cleared = &cleared.timer,
	    .freed = mem_alloc(sizeof(struct fired))};

	(void)state;
	fired_init(&cleared);
	fired_init(meddler.freed);
	loop_timer_set(&loop, &meddler.timer, 1);
	loop_timer_set(&loop, &cleared.timer, 2);
	loop_timer_set(&loop, &meddler.freed->timer, 2);
	usleep(5000);
	loop_step(&loop);
	assert_int_equal(meddler.times, 1); /* not again in the same round */
	loop_step(&loop);
	assert_int_equal(meddler.times, 2);
	assert_int_equal(cleared.times, 0);
	loop_timer_clear(&loop, &meddler.timer);
}

/* ---- sources ---- */

struct end {
	struct loop_source source;
	struct end *victim;
	unsigned int times;
	int other;
};

static void
remove_victim(struct loop_source *source, uint32_t events)
{
	struct end *end = source->owner;

	assert_true((events & EPOLLIN) != 0);
	end->times++;
	if (end->victim != NULL)
		loop_remove(&loop, &end->victim->source);
}

static void
end_open(struct end *end)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	*end = (struct end){.other = fds[1]};
	end->source = (struct loop_source){.fd = fds[0], .ready = remove_victim, .owner = end};
	assert_int_equal(write(fds[1], "x", 1), 1);
}

static void
end_close(struct end *end)
{
	loop_remove(&loop, &end->source);
	close(end->source.fd);
	close(end->other);
}

/* Two are ready in one round; the first takes the second away, whose descriptor stays open. */
static void
test_a_removed_source_is_not_called(void **state)
{
	struct fired soon;
	struct end a, b;

	(void)state;
	fired_init(&soon);
	end_open(&a);
	end_open(&b);
	a.victim = &b;
	b.victim = &a;
	loop_remove(&loop, &a.source); /* never armed */
	assert_int_equal(loop_arm(&loop, &a.source, EPOLLIN), ST_OK);
	assert_int_equal(loop_arm(&loop, &b.source, EPOLLIN), ST_OK);
	loop_step(&loop);
	assert_int_equal(a.times + b.times, 1);
	loop_remove(&loop, &a.source);
	loop_remove(&loop, &b.source);
	loop_timer_set(&loop, &soon.timer, 5);
	while (soon.times == 0)
		loop_step(&loop);
	assert_int_equal(a.times + b.times, 1);
	a.victim = NULL;
	assert_int_equal(loop_arm(&loop, &a.source, EPOLLIN), ST_OK);
	loop_step(&loop);
	assert_int_equal(a.times + b.times, 2);
	end_close(&a);
	end_close(&b);
}

/* ---- the tick ---- */

static unsigned int ticks;

static void
on_tick(struct loop *of)
{
	if (++ticks == 2)
		loop_stop(of);
}

static void
test_the_tick_comes_beside_timers(void **state)
{
	struct fired one;

	(void)state;
	fired_init(&one);
	ticks = 0;
	loop.tick = on_tick;
	loop_timer_set(&loop, &one.timer, 1);
	loop_run(&loop);
	assert_int_equal(one.times, 1);
	assert_int_equal(ticks, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_a_timer_fires_once_and_not_early, open_loop, close_loop),
	    cmocka_unit_test_setup_teardown(
		test_setting_again_moves_a_timer, open_loop, close_loop),
	    cmocka_unit_test_setup_teardown(test_now_is_now, open_loop, close_loop),
	    cmocka_unit_test_setup_teardown(test_many_timers_fire_in_order, open_loop, close_loop),
	    cmocka_unit_test_setup_teardown(
		test_callbacks_may_change_timers, open_loop, close_loop),
	    cmocka_unit_test_setup_teardown(
		test_a_removed_source_is_not_called, open_loop, close_loop),
	    cmocka_unit_test_setup_teardown(
		test_the_tick_comes_beside_timers, open_loop, close_loop),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
