/*
 * test_shared_keystore.c - key stores behind caches that share what they read: what one gateway
 * knows spares the store the other's question, and nothing that the shared cache repeats, exchanges
 * or loses makes an answer wrong. make check.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "lib/base/metrics.h"
#include "tests/unit/shared_world.h"

#define NAMES 100U

/* Two gateways that have polled; the first knows all names, and so does what they share. */
static void
begin_warm(struct world *world, struct gateway *one, struct gateway *two, unsigned names)
{
	world_begin(world, names);
	gateway_open(one, world);
	gateway_open(two, world);
	gateway_poll(one);
	gateway_poll(two);
	later(100);
	assert_int_equal(ask_all(one), names);
}

static void
end_warm(struct world *world, struct gateway *one, struct gateway *two)
{
	gateway_close(one);
	gateway_close(two);
	world_end(world);
}

static void
restart(struct gateway *g)
{
	struct world *world = g->world;

	gateway_close(g);
	gateway_open(g, world);
}

/* ---- what it spares ---- */

static void
test_what_one_knows_spares_the_other(void **state)
{
	struct gateway one, two;
	struct world world;

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	/* What is not there is shared like what is. */
	assert_int_equal(ask_all(&two), 0);
	assert_int_equal(gateway_ask(&one, 's', 3, NULL), 1);
	assert_int_equal(gateway_ask(&two, 's', 3, NULL), 1);
	assert_int_equal(atomic_load(&world.history.asked), NAMES + 1);
	/* It goes on without any more questions to anybody. */
	for (int i = 0; i < 500; i++) {
		later(POLL_MS);
		gateway_poll(&two);
		memshared_forget_counts(world.server);
		if (i % 50 == 0)
			assert_int_equal(ask_all(&two), 0);
		assert_int_equal(memshared_counts(world.server).gets, 0);
	}
	end_warm(&world, &one, &two);
}

static void
test_what_changed_is_asked_of_the_store(void **state)
{
	struct gateway one, two;
	struct world world;

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	for (int i = 0; i < 30; i++) {
		history_change(&world.history, (unsigned)i * 3);
		history_change(&world.history, (unsigned)i);
		later(POLL_MS);
		gateway_poll(&one);
		gateway_poll(&two);
		/* The one asks the store, the other what the one has left there. */
		assert_int_equal(ask_all(&one), i == 0 ? 1 : 2);
		assert_int_equal(ask_all(&two), 0);
	}
	end_warm(&world, &one, &two);
}

/* A gateway that has polled later than another one has newer answers than that knows of. */
static void
test_an_answer_from_ahead(void **state)
{
	struct gateway one, two;
	struct world world;

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	history_change(&world.history, 5);
	later(POLL_MS);
	gateway_poll(&one);
	assert_int_equal(key_of(&one, 5), 2);
	assert_int_equal(key_of(&two, 5), 2);
	assert_int_equal(ask_all(&two), 0);
	later(POLL_MS);
	gateway_poll(&two);
	assert_int_equal(ask_all(&two), 0);
	end_warm(&world, &one, &two);
}

/* ---- restarts ---- */

static void
test_a_restart_asks_for_what_changed(void **state)
{
	struct gateway one, two;
	struct world world;

	(void)state;
	begin_warm(&world, &one, &two, 10000);
	for (unsigned i = 0; i < 200; i++)
		history_change(&world.history, i * 47);
	later(3600000);
	restart(&two);
	gateway_poll(&two);
	assert_int_equal(ask_all(&two), 200);
	/* And all of that is there for the next one, also on a machine that was just started. */
	later(15000);
	start_machine();
	restart(&one);
	gateway_poll(&one);
	assert_int_equal(ask_all(&one), 0);
	/* Before the first poll nobody knows what changed. */
	restart(&two);
	assert_int_equal(key_of(&two, 4), 1);
	assert_int_equal(atomic_load(&world.history.asked), 10000 + 200 + 1);
	end_warm(&world, &one, &two);
}

/* The list is longer than one question tells; a transaction is longer than that. */
static void
test_a_restart_after_many_changes(void **state)
{
	static const struct {
		const char *label;
		unsigned transactions, changes; /* in each */
		bool trimmed;                   /* only the second half is told */
		unsigned names, asked_max;
	} cases[] = {
	    {"none", 0, 0, false, 500, 0},
	    {"a page", 1000, 1, false, 2000, 1000},
	    {"many pages", 5000, 1, false, 6000, 5000},
	    {"many long transactions", 100, 50, false, 6000, 5000},
	    {"longer than a page", 2, 1500, false, 3000, 3000},
	    {"more than is remembered", 7, 2000, false, 14000, 14000},
	    {"cut off", 2000, 1, true, 3000, 3000},
	};
	struct gateway one, two;
	struct world world;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned number = 0, asked, polled;

		begin_warm(&world, &one, &two, cases[i].names);
		for (unsigned t = 0; t < cases[i].transactions; t++) {
			if (t == cases[i].transactions / 2 && cases[i].trimmed)
				history_trim(&world.history);
			history_change_many(&world.history, number, cases[i].changes);
			number += cases[i].changes;
		}
		later(60000);
		restart(&two);
		polled = atomic_load(&world.history.polled);
		gateway_poll(&two);
		polled = atomic_load(&world.history.polled) - polled;
		asked = ask_all(&two);
		print_message("# %s: %u polls, %u asked\n", cases[i].label, polled, asked);
		assert_true(asked <= cases[i].asked_max);
		assert_true(polled < 140);
		/* There is room for changes to come. */
		history_change(&world.history, 1);
		gateway_poll(&two);
		assert_int_equal(ask_all(&two), 1);
		end_warm(&world, &one, &two);
	}
}

/* Not all of the list can be read: what was read counts, and no more. */
static void
test_a_restart_while_the_list_fails(void **state)
{
	struct gateway one, two;
	struct world world;

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	history_change(&world.history, 1);
	restart(&two);
	atomic_store(&world.history.polls_fail, true);
	gateway_poll(&two);
	assert_int_equal(ask_all(&two), NAMES);
	atomic_store(&world.history.polls_fail, false);
	later(POLL_MS);
	gateway_poll(&two);
	assert_int_equal(ask_all(&two), 1);
	end_warm(&world, &one, &two);
}

/* ---- lies ---- */

static void
test_what_is_repeated_is_not_believed(void **state)
{
	struct gateway one, two;
	struct world world;

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	memshared_set_replaying(world.server, true);
	for (int i = 0; i < 10; i++) {
		history_change_many(&world.history, 0, NAMES / 2);
		later(POLL_MS);
		gateway_poll(&one);
		gateway_poll(&two);
		assert_int_equal(ask_all(&one), NAMES / 2);
		assert_int_equal(ask_all(&two), NAMES / 2);
		restart(&two);
		gateway_poll(&two);
		assert_int_equal(ask_all(&two), NAMES / 2);
	}
	end_warm(&world, &one, &two);
}

/* What was put into the shared cache when a slot had its former key is not believed, nor what is
 * put back into the store. */
static void
test_the_former_key_of_a_slot(void **state)
{
	struct history *history;
	struct gateway one, two;
	struct world world;

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	history = &world.history;
	memshared_set_replaying(world.server, true);
	history_change(history, 5);
	/* Until it hears of the change, a gateway has the one that it knew. */
	assert_int_equal(key_of(&two, 5), 1);
	later(POLL_MS);
	gateway_poll(&two);
	assert_int_equal(key_of(&two, 5), 2);
	restart(&two);
	gateway_poll(&two);
	assert_int_equal(key_of(&two, 5), 2);
	/* Told as a new change, so that only the revisions speak against it. */
	history->version[5] = 0;
	history_change(history, 5);
	assert_int_equal(history->version[5], 1);
	later(POLL_MS);
	gateway_poll(&two);
	assert_int_equal(key_of(&two, 5), -2);
	restart(&two);
	gateway_poll(&two);
	assert_int_equal(key_of(&two, 5), 1);
	history->version[5] = 2;
	history_change(history, 5);
	later(POLL_MS);
	gateway_poll(&two);
	assert_int_equal(key_of(&two, 5), 3);
	end_warm(&world, &one, &two);
}

static void
test_what_is_damaged_is_not_believed(void **state)
{
	struct gateway one, two;
	struct world world;
	size_t count;

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	count = memshared_count(world.server);
	assert_true(count >= NAMES);
	for (size_t i = 0; i + 1 < count; i += 2)
		memshared_swap(world.server, i, i + 1);
	assert_true(ask_all(&two) >= NAMES - 1);
	for (size_t i = 0; i < count; i++)
		memshared_flip(world.server, i, (size_t)i % 60, 0x10);
	restart(&two);
	gateway_poll(&two);
	assert_true(ask_all(&two) >= NAMES - 1);
	for (size_t i = 0; i < count; i++)
		memshared_truncate(world.server, i, i % 90);
	restart(&two);
	gateway_poll(&two);
	assert_true(ask_all(&two) >= NAMES - 1);
	/* It was left there again each time. */
	restart(&two);
	gateway_poll(&two);
	assert_int_equal(ask_all(&two), 0);
	end_warm(&world, &one, &two);
}

/* Rows and the epoch that is sealed with them must be the same, and the tenant. */
static void
test_without_a_shared_cache(void **state)
{
	struct gateway one, two;
	struct world world;

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	memshared_set_away(world.server, true);
	assert_int_equal(ask_all(&two), NAMES);
	assert_int_equal(ask_all(&two), 0);
	history_change(&world.history, 7);
	later(POLL_MS);
	gateway_poll(&two);
	assert_int_equal(ask_all(&two), 1);
	/* What was left before it went away is older than that. */
	memshared_set_away(world.server, false);
	gateway_poll(&one);
	assert_int_equal(ask_all(&one), 1);
	memshared_set_dropping(world.server, true);
	history_change(&world.history, 8);
	later(POLL_MS);
	gateway_poll(&two);
	gateway_poll(&one);
	assert_int_equal(ask_all(&two), 1);
	assert_int_equal(ask_all(&one), 1);
	end_warm(&world, &one, &two);
}

/* ---- outages ---- */

static void
test_a_store_that_is_away(void **state)
{
	const char *path = help_write("away", "");
	struct gateway one, two;
	struct world world;
	int kept = help_log_to(path);

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	history_change(&world.history, 3);
	later(POLL_MS);
	gateway_poll(&two); /* it knows of the change, and has no answer */
	atomic_store(&world.history.away, true);
	for (int i = 0; i < 3; i++) {
		later(POLL_MS);
		gateway_poll(&two);
	}
	assert_int_equal(key_of(&two, 1), 1);
	assert_true(cached_keystore_away(two.store));
	assert_int_equal(key_of(&two, 9), 0);
	assert_int_equal(key_of(&two, 3), -1); /* the answer that is there is known to be old */
	/* Until STALE_MS after the last word of the store. */
	later(STALE_MS - 4 * POLL_MS);
	assert_int_equal(key_of(&two, 1), 1);
	assert_int_equal(key_of(&two, 2), 1);
	later(POLL_MS);
	assert_int_equal(key_of(&two, 1), -1);
	assert_int_equal(key_of(&two, 4), -1);
	history_change(&world.history, 2);
	atomic_store(&world.history.away, false);
	later(POLL_MS);
	gateway_poll(&two);
	assert_int_equal(key_of(&two, 2), 2);
	assert_int_equal(key_of(&two, 4), 1);
	end_warm(&world, &one, &two);
	help_log_back(kept);
}

/* A machine with too much to do: servers that have the answer are late with it. */
static void
test_a_shared_cache_that_is_late(void **state)
{
	struct gateway one, two;
	struct world world;
	int kept = help_log_to(help_write("late", ""));

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	atomic_store(&world.history.away, true);
	memshared_set_late(world.server, 3);
	assert_int_equal(key_of(&two, 1), 1);
	memshared_set_late(world.server, 100);
	assert_int_equal(key_of(&two, 2), -1);
	memshared_set_late(world.server, 0);
	/* Just restarted: also the identity comes late. */
	restart(&two);
	gateway_poll(&two);
	memshared_set_late(world.server, 3);
	assert_int_equal(key_of(&two, 2), 1);
	/* Nobody waits for servers that have not answered for a while. */
	memshared_forget_counts(world.server);
	memshared_set_late(world.server, 0);
	memshared_set_away(world.server, true);
	assert_int_equal(key_of(&two, 3), -1);
	assert_in_range(memshared_counts(world.server).gets, 1, 2);
	end_warm(&world, &one, &two);
	help_log_back(kept);
}

/* A gateway that is restarted while the store is away does not know what it would be. */
static void
test_a_restart_while_the_store_is_away(void **state)
{
	struct gateway one, two, other;
	struct world world, elsewhere;
	int kept = help_log_to(help_write("cold", ""));

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	elsewhere = world;
	elsewhere.where = "another store";
	atomic_store(&world.history.away, true);
	later(15000);
	start_machine();
	restart(&two);
	gateway_poll(&two);
	assert_int_equal(key_of(&two, 1), 1);
	assert_int_equal(key_of(&two, 9), 0);
	assert_int_equal(gateway_ask(&two, 's', 1, NULL), -1); /* nobody has asked for it */
	assert_true(cached_keystore_away(two.store));
	/* Whoever has heard of no store of that name has no right to these answers. */
	gateway_open(&other, &elsewhere);
	atomic_store(&elsewhere.history.away, true);
	assert_int_equal(key_of(&other, 1), -1);
	/* It comes back, and something was changed. */
	history_change(&world.history, 1);
	atomic_store(&world.history.away, false);
	later(1000);
	gateway_poll(&two);
	assert_int_equal(key_of(&two, 1), 2);
	assert_int_equal(ask_all(&two), 0);
	/* Once more, and much later: nothing is as young as it must be. */
	atomic_store(&world.history.away, true);
	later(STALE_MS);
	restart(&two);
	gateway_poll(&two);
	assert_int_equal(key_of(&two, 1), -1);
	gateway_close(&other);
	end_warm(&world, &one, &two);
	help_log_back(kept);
}

/* It comes back as another one: nothing that was guessed is right. */
static void
test_a_restart_before_another_store(void **state)
{
	struct gateway one, two;
	struct world world;
	int kept = help_log_to(help_write("other", ""));
	unsigned renewed;

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	atomic_store(&world.history.away, true);
	restart(&two);
	gateway_poll(&two);
	assert_int_equal(gateway_ask(&two, 'k', 1, &renewed), 1);
	assert_int_equal(renewed, 0);
	history_rename(&world.history, "0b");
	atomic_store(&world.history.away, false);
	later(POLL_MS);
	gateway_poll(&two);
	assert_int_equal(gateway_ask(&two, 'k', 1, &renewed), 1);
	assert_int_equal(renewed, 1);
	assert_int_equal(gateway_ask(&two, 'k', 2, &renewed), 1);
	assert_int_equal(renewed, 1);
	end_warm(&world, &one, &two);
	help_log_back(kept);
}

/* Answers are asked for, and changes are not told: nothing that is shared is known to be right. */
static void
test_without_polls_nothing_shared_is_fresh(void **state)
{
	struct gateway one, two;
	struct world world;
	int kept = help_log_to(help_write("deaf", ""));

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	atomic_store(&world.history.polls_fail, true);
	history_change_many(&world.history, 0, NAMES);
	for (int i = 0; i < 3; i++) {
		later(POLL_MS);
		gateway_poll(&two);
	}
	assert_int_equal(ask_all(&two), NAMES);
	end_warm(&world, &one, &two);
	help_log_back(kept);
}

/* ---- identities ---- */

/* A backup was put back, and the store was renewed: rows, revisions and epochs are older. */
static void
test_a_store_that_was_renewed(void **state)
{
	const char *path = help_write("renewed", "");
	struct gateway one, two;
	struct world world;
	unsigned renewed, lower;
	int kept = help_log_to(path);

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	for (int i = 0; i < 3; i++)
		history_change_many(&world.history, 0, NAMES);
	later(POLL_MS);
	gateway_poll(&one);
	gateway_poll(&two);
	assert_int_equal(ask_all(&one), NAMES);
	for (lower = 0; lower < NAMES; lower++)
		world.history.version[lower] -= 2;
	world.history.epoch -= 2;
	world.history.log_count = 0;
	world.history.trimmed = world.history.epoch;
	history_renew(&world.history, "0b");
	later(POLL_MS);
	gateway_poll(&one);
	gateway_poll(&two);
	assert_false(cached_keystore_away(one.store));
	assert_int_equal(help_lines_with(path, "has another identity than before"), 2);
	assert_int_equal(help_lines_with(path, ""), 2);
	/* What is held is not right, and neither is what is shared, nor what was asked for in the
	 * same millisecond. */
	later(1);
	assert_int_equal(ask_all(&one), NAMES);
	assert_int_equal(gateway_ask(&one, 'k', 1, &renewed), (int)world.history.version[1]);
	assert_int_equal(renewed, 1);
	later(20000);
	gateway_poll(&two);
	assert_int_equal(gateway_ask(&two, 'k', 2, &renewed), (int)world.history.version[2]);
	assert_int_equal(renewed, 1);
	/* It goes on from there as any store does. */
	history_change(&world.history, 5);
	later(POLL_MS);
	gateway_poll(&one);
	assert_int_equal(ask_all(&one), 1);
	restart(&two);
	gateway_poll(&two);
	assert_int_equal(ask_all(&two), 0);
	end_warm(&world, &one, &two);
	help_log_back(kept);
}

/* The same without: nothing is believed that a gateway can know to be of the history that is gone.
 */
static void
test_a_store_that_was_not_renewed(void **state)
{
	const char *path = help_write("undone", "");
	struct gateway one, two;
	struct world world;
	int kept = help_log_to(path);

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	for (int i = 0; i < 20; i++)
		history_change_many(&world.history, 0, NAMES);
	later(POLL_MS);
	gateway_poll(&one);
	assert_int_equal(ask_all(&one), NAMES); /* left with epoch 120 */
	for (unsigned i = 0; i < NAMES; i++)
		world.history.version[i] -= 10;
	world.history.epoch -= 10;
	world.history.log_count -= 10 * (size_t)NAMES;
	later(60000);
	gateway_poll(&one);
	assert_true(cached_keystore_away(one.store));
	assert_int_equal(help_lines_with(path, "run: signpost store renew"), 1);
	/* Who is restarted finds the store as it is, and what is shared from beyond it. */
	restart(&two);
	gateway_poll(&two);
	assert_int_equal(ask_all(&two), NAMES);
	for (int i = 0; i < 15; i++) {
		history_change_many(&world.history, 0, NAMES / 10);
		later(60000);
		gateway_poll(&two);
		(void)ask_all(&two);
	}
	restart(&two);
	gateway_poll(&two);
	(void)ask_all(&two);
	end_warm(&world, &one, &two);
	help_log_back(kept);
}

/* Somebody has deleted the store and made a new one: it is not taken for the old one. */
static void
test_an_empty_store_in_its_place(void **state)
{
	const char *path = help_write("empty", "");
	struct gateway one, two;
	struct world world;
	int kept = help_log_to(path);

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	history_rename(&world.history, "0d");
	memset(world.history.version, 0, NAMES * sizeof(*world.history.version));
	world.history.epoch = 1;
	for (int i = 0; i < 5; i++) {
		later(POLL_MS);
		gateway_poll(&one);
		assert_true(cached_keystore_away(one.store));
		assert_int_equal(key_of(&one, 1), 1);
	}
	assert_int_equal(help_lines_with(path, "is at epoch 1, and 100 was seen before"), 1);
	/* Nor when somebody begins to fill it. */
	history_change(&world.history, 2);
	later(POLL_MS);
	gateway_poll(&one);
	assert_true(cached_keystore_away(one.store));
	assert_int_equal(key_of(&one, 1), 1);
	/* But when the operator says so. */
	history_renew(&world.history, "0e");
	later(POLL_MS);
	gateway_poll(&one);
	assert_int_equal(ask_all(&one), NAMES);
	assert_int_equal(help_lines_with(path, "has another identity than before"), 1);
	end_warm(&world, &one, &two);
	help_log_back(kept);
}

static void
test_an_identity_that_appears(void **state)
{
	const char *path = help_write("appears", "");
	struct gateway one, two;
	struct world world;
	int kept = help_log_to(path);

	(void)state;
	world_begin(&world, NAMES);
	world.history.identity[0] = '\0';
	gateway_open(&one, &world);
	gateway_open(&two, &world);
	gateway_poll(&one);
	gateway_poll(&two);
	assert_int_equal(ask_all(&one), NAMES);
	assert_int_equal(ask_all(&two), NAMES);
	assert_int_equal(memshared_counts(world.server).gets, 0);
	assert_int_equal(memshared_counts(world.server).puts, 0);
	/* The schema has got one: nothing changed. */
	history_rename(&world.history, "0c");
	later(POLL_MS);
	gateway_poll(&one);
	gateway_poll(&two);
	assert_int_equal(ask_all(&one), 0);
	history_change(&world.history, 4);
	later(POLL_MS);
	gateway_poll(&one);
	gateway_poll(&two);
	assert_int_equal(ask_all(&one), 1);
	assert_int_equal(ask_all(&two), 0);
	assert_int_equal(help_lines_with(path, "has another identity"), 0);
	/* It goes: another store is there, and nothing is shared any more. */
	history_rename(&world.history, "");
	later(POLL_MS);
	gateway_poll(&one);
	gateway_poll(&two);
	memshared_forget_counts(world.server);
	assert_int_equal(ask_all(&one), NAMES);
	assert_int_equal(ask_all(&two), NAMES);
	assert_int_equal(memshared_counts(world.server).gets, 0);
	end_warm(&world, &one, &two);
	help_log_back(kept);
}

/* ---- a change that is told again ---- */

static void
test_what_is_told_again_is_not_shared(void **state)
{
	struct gateway one, two;
	struct world world;

	(void)state;
	begin_warm(&world, &one, &two, NAMES);
	history_change(&world.history, 5);
	later(POLL_MS);
	gateway_poll(&one);
	gateway_poll(&two);
	assert_int_equal(key_of(&one, 5), 2);
	world.history.again = true;
	for (unsigned version = 3; version < 10; version++) {
		world.history.version[5] = version; /* without a new epoch */
		later(POLL_MS);
		gateway_poll(&one);
		gateway_poll(&two);
		assert_int_equal(key_of(&one, 5), version);
		assert_int_equal(key_of(&two, 5), version);
		assert_int_equal(ask_all(&one), 0);
	}
	end_warm(&world, &one, &two);
}

/* ---- a file ---- */

static void
append(const char *path)
{
	FILE *f = fopen(path, "ae");

	assert_non_null(f);
	assert_true(fputs("x", f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static bool
comes_to_version(struct gateway *g, unsigned number, int version)
{
	int waited = 0;

	while (key_of(g, number) != version && waited++ < 60000)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	return key_of(g, number) == version;
}

/* The interval is an hour; whoever writes to the file, or beside it, is heard at once. */
static void
test_a_file_that_is_written_to(void **state)
{
	static const char *const names[] = {"store.db", "store.db-wal", "store.db-journal"};
	const struct cached_keystore_config config = {
	    .bytes_max = 1 << 20, .poll_ms = 3600000, .absent_ms = 2000, .stale_ms = STALE_MS};
	struct gateway g;
	struct world world;

	(void)state;
	world_begin(&world, NAMES);
	world.file = help_write("store.db", "");
	gateway_open_as(&g, &world, &config);
	/* The first poll, and the first answer. */
	while (atomic_load(&world.history.polled) == 0)
		sched_yield();
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(key_of(&g, 5), i + 1);
		history_change(&world.history, 5);
		append(help_path(names[i % 3]));
		assert_true(comes_to_version(&g, 5, (int)i + 2));
	}
	gateway_close(&g);
	world_end(&world);
}

/* ---- one question ---- */

#define CALLERS 1000U

struct crowd {
	struct gateway *g;
	atomic_uint right;
	unsigned callers;
};

/* The store answers when all have asked. */
static void
wait_for_all(void *context)
{
	struct crowd *crowd = context;
	struct cache_stats stats = {.misses = 0};

	for (int i = 0; i < 60000 && stats.misses < crowd->callers; i++) {
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		cached_keystore_stats(crowd->g->store, &stats);
	}
}

static void *
run_caller(void *context)
{
	struct crowd *crowd = context;

	atomic_fetch_add(&crowd->right, key_of(crowd->g, 5) == 1 ? 1 : 0);
	return NULL;
}

static void
test_many_callers_are_one_question(void **state)
{
	static pthread_t threads[CALLERS];
	pthread_attr_t attributes;
	struct gateway g;
	struct world world;
	struct crowd crowd = {.g = &g, .callers = CALLERS};
	unsigned started = 0;

	(void)state;
	world_begin(&world, NAMES);
	gateway_open(&g, &world);
	gateway_poll(&g);
	memshared_forget_counts(world.server);
	world.history.hold = wait_for_all;
	world.history.hold_context = &crowd;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256 << 10);
	while (started < CALLERS &&
	       pthread_create(&threads[started], &attributes, run_caller, &crowd) == 0)
		started++;
	pthread_attr_destroy(&attributes);
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	assert_true(started == CALLERS);
	assert_int_equal(atomic_load(&crowd.right), CALLERS);
	assert_int_equal(atomic_load(&world.history.asked), 1);
	assert_int_equal(memshared_counts(world.server).gets, 1);
	assert_int_equal(memshared_counts(world.server).puts, 1);
	gateway_close(&g);
	world_end(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_one_knows_spares_the_other),
	    cmocka_unit_test(test_what_changed_is_asked_of_the_store),
	    cmocka_unit_test(test_an_answer_from_ahead),
	    cmocka_unit_test(test_a_restart_asks_for_what_changed),
	    cmocka_unit_test(test_a_restart_after_many_changes),
	    cmocka_unit_test(test_a_restart_while_the_list_fails),
	    cmocka_unit_test(test_what_is_repeated_is_not_believed),
	    cmocka_unit_test(test_the_former_key_of_a_slot),
	    cmocka_unit_test(test_what_is_damaged_is_not_believed),
	    cmocka_unit_test(test_without_a_shared_cache),
	    cmocka_unit_test(test_a_store_that_is_away),
	    cmocka_unit_test(test_a_shared_cache_that_is_late),
	    cmocka_unit_test(test_a_restart_while_the_store_is_away),
	    cmocka_unit_test(test_a_restart_before_another_store),
	    cmocka_unit_test(test_without_polls_nothing_shared_is_fresh),
	    cmocka_unit_test(test_a_store_that_was_renewed),
	    cmocka_unit_test(test_a_store_that_was_not_renewed),
	    cmocka_unit_test(test_an_empty_store_in_its_place),
	    cmocka_unit_test(test_an_identity_that_appears),
	    cmocka_unit_test(test_what_is_told_again_is_not_shared),
	    cmocka_unit_test(test_a_file_that_is_written_to),
	    cmocka_unit_test(test_many_callers_are_one_question),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
