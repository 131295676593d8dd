/*
 * test_shared_keystore_property.c - gateways over one store and one shared cache that lies, in
 * random order and in many threads: an answer is at least as new as the last poll of the gateway
 * that gives it, whatever is repeated, exchanged, lost or away. make check.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "tests/unit/shared_world.h"

/* ---- in random order, against what the store said at each poll ---- */

#define NAMES 12U
#define GATEWAYS 2U
#define SEEDS 150U
#define STEPS 600

/* What a gateway must know. */
struct knows {
	struct gateway g;
	bool polled;
	unsigned renewed;
	unsigned version[NAMES];
};

struct play {
	struct world world;
	struct knows gateways[GATEWAYS];
	uint64_t random;
	int64_t back_ms; /* when the store was away last */
	/* A backup. */
	unsigned saved_version[NAMES];
	uint64_t saved_epoch;
	size_t saved_log;
	unsigned renewals;
	/* What happened. */
	unsigned asked, strict, unavailable;
	char wrong[256]; /* the first thing */
};

static unsigned
draw(struct play *play, unsigned below)
{
	return help_random(&play->random) % below;
}

static void
open_gateway(struct play *play, struct knows *knows)
{
	knows->polled = false;
	gateway_open(&knows->g, &play->world);
}

static void
poll_gateway(struct play *play, struct knows *knows)
{
	struct history *h = &play->world.history;

	gateway_poll(&knows->g);
	if (atomic_load(&h->away) || atomic_load(&h->polls_fail))
		return;
	if (!knows->polled || knows->renewed != h->renewed)
		later(1); /* what was asked for in this millisecond counts as before it */
	knows->polled = true;
	knows->renewed = h->renewed;
	memcpy(knows->version, h->version, sizeof(knows->version));
}

static void
check_answer(struct play *play, const struct knows *knows, unsigned number)
{
	const struct history *h = &play->world.history;
	unsigned renewed = 0;
	int version = gateway_ask((struct gateway *)&knows->g, 'k', number, &renewed);

	play->asked++;
	play->unavailable += version < 0 ? 1 : 0;
	if (atomic_load(&h->away))
		play->back_ms = world_clock();
	if (version > 0 && renewed > h->renewed)
		snprintf(play->wrong, sizeof(play->wrong), "n%02u: from the future", number);
	/* In an outage what there is; a second later the store is asked again. What was renewed is
	 * known after a poll. */
	if (world_clock() - play->back_ms < 1000 || !knows->polled || knows->renewed != h->renewed)
		return;
	play->strict++;
	if (version < 0 || (unsigned)version < knows->version[number] ||
	    (unsigned)version > h->version[number] || (version > 0 && renewed != h->renewed))
		snprintf(play->wrong, sizeof(play->wrong),
		    "n%02u: version %d of history %u; %u at the last poll of history %u, %u in the "
		    "store",
		    number, version, renewed, knows->version[number], h->renewed,
		    h->version[number]);
}

static void
save(struct play *play)
{
	const struct history *h = &play->world.history;

	memcpy(play->saved_version, h->version, sizeof(play->saved_version));
	play->saved_epoch = h->epoch;
	play->saved_log = h->log_count;
}

/* The backup is put back, and renewed: an epoch of its own, and nothing of before it is told. */
static void
put_back(struct play *play)
{
	struct history *h = &play->world.history;
	char end[3];

	if (play->renewals == 200)
		return;
	memcpy(h->version, play->saved_version, sizeof(play->saved_version));
	h->epoch = play->saved_epoch;
	h->log_count = play->saved_log < h->log_count ? play->saved_log : h->log_count;
	if (h->trimmed > h->epoch)
		h->trimmed = h->epoch;
	snprintf(end, sizeof(end), "%02x", 16 + play->renewals++);
	history_renew(h, end);
	save(play);
}

static void
damage(struct play *play)
{
	struct memshared *server = play->world.server;
	size_t count = memshared_count(server);

	if (count < 2)
		return;
	switch (draw(play, 4)) {
	case 0:
		memshared_flip(server, draw(play, (unsigned)count), draw(play, 120), 0x20);
		break;
	case 1:
		memshared_truncate(server, draw(play, (unsigned)count), draw(play, 200));
		break;
	case 2:
		memshared_remove(server, draw(play, (unsigned)count));
		break;
	default:
		memshared_swap(server, draw(play, (unsigned)count), draw(play, (unsigned)count));
		break;
	}
}

static void
step(struct play *play)
{
	struct history *h = &play->world.history;
	struct knows *knows = &play->gateways[draw(play, GATEWAYS)];
	unsigned what = draw(play, 1000);

	if (what < 450) {
		check_answer(play, knows, draw(play, NAMES));
	} else if (what < 600) {
		history_change_many(h, draw(play, NAMES), 1 + draw(play, 3));
	} else if (what < 800) {
		poll_gateway(play, knows);
	} else if (what < 880) {
		later(draw(play, 4000));
	} else if (what < 920) {
		gateway_close(&knows->g);
		open_gateway(play, knows);
	} else if (what < 930) {
		/* Without both a question waits by a real clock; test_shared_keystore.c does that.
		 */
		memshared_set_away(play->world.server, false);
		atomic_store(&h->away, draw(play, 4) == 0);
		play->back_ms = world_clock();
	} else if (what < 940) {
		atomic_store(&h->polls_fail, draw(play, 4) == 0);
	} else if (what < 955) {
		memshared_set_replaying(play->world.server, draw(play, 2) == 0);
	} else if (what < 960) {
		memshared_set_dropping(play->world.server, draw(play, 3) == 0);
	} else if (what < 965) {
		memshared_set_away(
		    play->world.server, draw(play, 3) == 0 && !atomic_load(&h->away));
	} else if (what < 985) {
		damage(play);
	} else if (what < 990) {
		save(play);
	} else if (what < 994) {
		put_back(play);
	} else if (what < 997) {
		history_trim(h);
		save(play);
	} else {
		later(STALE_MS / 2 + draw(play, STALE_MS));
	}
}

static int
quiet(void)
{
	int kept = dup(STDERR_FILENO), fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	assert_true(kept >= 0 && fd >= 0);
	dup2(fd, STDERR_FILENO);
	close(fd);
	return kept;
}

static void
loud(int kept)
{
	dup2(kept, STDERR_FILENO);
	close(kept);
}

static void
test_at_least_as_new_as_the_last_poll(void **state)
{
	unsigned asked = 0, strict = 0, unavailable = 0;
	int kept = quiet();

	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct play play = {.random = seed};

		world_begin(&play.world, NAMES);
		save(&play);
		for (unsigned i = 0; i < GATEWAYS; i++)
			open_gateway(&play, &play.gateways[i]);
		for (int i = 0; i < STEPS && play.wrong[0] == '\0'; i++)
			step(&play);
		if (play.wrong[0] != '\0') {
			loud(kept);
			fail_msg("seed %u: %s", seed, play.wrong);
		}
		for (unsigned i = 0; i < GATEWAYS; i++)
			gateway_close(&play.gateways[i].g);
		world_end(&play.world);
		asked += play.asked;
		strict += play.strict;
		unavailable += play.unavailable;
	}
	loud(kept);
	print_message(
	    "# %u asked, %u of them checked, %u unavailable\n", asked, strict, unavailable);
	assert_true(strict > asked / 3);
}

/* ---- in many threads ---- */

#define RACE_NAMES 64U
#define RUNNERS 8U

struct race {
	struct world world;
	struct gateway gateways[GATEWAYS];
	atomic_uint in_force[GATEWAYS][RACE_NAMES]; /* at least this version */
	atomic_bool stop;
	atomic_ulong gets;
};

struct runner {
	pthread_t thread;
	struct race *race;
	unsigned gateway;
	uint64_t random;
};

static void *
run_race(void *context)
{
	struct runner *me = context;
	struct race *race = me->race;

	while (!atomic_load(&race->stop)) {
		unsigned number = help_random(&me->random) % RACE_NAMES;
		unsigned least = atomic_load(&race->in_force[me->gateway][number]);
		int version = key_of(&race->gateways[me->gateway], number);

		if (version < 0 || (unsigned)version < least)
			abort();
		atomic_fetch_add(&race->gets, 1);
	}
	return NULL;
}

static void
disturb(struct race *race, uint64_t *random)
{
	size_t count = memshared_count(race->world.server);

	if (count > 0 && help_random(random) % 4 == 0)
		memshared_remove(race->world.server, help_random(random) % count);
	if (count > 0 && help_random(random) % 4 == 0)
		memshared_flip(
		    race->world.server, help_random(random) % count, help_random(random) % 90, 1);
	if (help_random(random) % 8 == 0)
		memshared_set_replaying(race->world.server, help_random(random) % 2 == 0);
}

/* A gateway that was started just now. */
static void
look_anew(struct race *race)
{
	struct gateway g;

	gateway_open(&g, &race->world);
	gateway_poll(&g);
	for (unsigned i = 0; i < RACE_NAMES; i++)
		if (key_of(&g, i) != (int)race->world.history.version[i])
			fail_msg("n%02u is old", i);
	gateway_close(&g);
}

static void
run_round(struct race *race, uint64_t *random)
{
	unsigned long gets = atomic_load(&race->gets);
	unsigned changed[4], count = 1 + help_random(random) % 4;

	for (unsigned i = 0; i < count; i++) {
		changed[i] = help_random(random) % RACE_NAMES;
		history_change(&race->world.history, changed[i]);
	}
	later(help_random(random) % 40);
	disturb(race, random);
	for (unsigned g = 0; g < GATEWAYS; g++) {
		if (help_random(random) % 4 == 0)
			continue; /* this one stays behind */
		gateway_poll(&race->gateways[g]);
		for (unsigned i = 0; i < RACE_NAMES; i++)
			atomic_store(&race->in_force[g][i], race->world.history.version[i]);
	}
	while (atomic_load(&race->gets) < gets + 30)
		sched_yield();
}

static void
test_in_many_threads(void **state)
{
	static struct race race;
	struct runner runners[RUNNERS];
	uint64_t random = 5;

	(void)state;
	world_begin(&race.world, RACE_NAMES);
	for (unsigned g = 0; g < GATEWAYS; g++) {
		gateway_open(&race.gateways[g], &race.world);
		gateway_poll(&race.gateways[g]);
	}
	for (unsigned i = 0; i < RUNNERS; i++) {
		runners[i] =
		    (struct runner){.race = &race, .gateway = i % GATEWAYS, .random = i + 1};
		if (pthread_create(&runners[i].thread, NULL, run_race, &runners[i]) != 0)
			abort();
	}
	for (int round = 0; round < 400; round++) {
		run_round(&race, &random);
		if (round % 20 == 0)
			look_anew(&race);
	}
	atomic_store(&race.stop, true);
	for (unsigned i = 0; i < RUNNERS; i++)
		pthread_join(runners[i].thread, NULL);
	print_message("# %lu gets, %u questions to the store, %u to the shared cache\n",
	    atomic_load(&race.gets), atomic_load(&race.world.history.asked),
	    memshared_counts(race.world.server).gets);
	for (unsigned g = 0; g < GATEWAYS; g++)
		gateway_close(&race.gateways[g]);
	world_end(&race.world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_at_least_as_new_as_the_last_poll),
	    cmocka_unit_test(test_in_many_threads),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
