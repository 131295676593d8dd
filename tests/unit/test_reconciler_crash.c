/*
 * test_reconciler_crash.c - the reconciler is killed at every place that crash.h names, at every
 * passage of it on the way from a domain without a key to one whose first key is destroyed; the
 * next process goes on. Then everything is as if nothing had happened: I1 to I7 hold at each look,
 * and nothing is left over in DNS. With slots the way goes on until the first slot has another key.
 */
#include "tests/unit/reconciler_world.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "admin-api/crash.h"

#define PROCESSES_MAX 12
/* A sanitizer makes each process several times as slow: one passage of three then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STRIDE 3U
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STRIDE 3U
#endif
#endif
#ifndef STRIDE
#define STRIDE 1U
#endif

/* Of all processes of one life. */
struct life_log {
	bool had_active, rotated, done;
	char first[LIFE_ID_MAX + 1]; /* the key that is to be replaced */
	unsigned looks;
	int64_t removed[SLOTS + 1]; /* the key of a slot was, when it was seen last */
	char holder[SLOTS + 1][LIFE_ID_MAX + 1];
};
static struct life_log *seen;

/* ---- what holds at each look ---- */

static const char *
value_in_dns(const struct store_key *key)
{
	const struct record *record;
	const char *alias;
	struct buf name;

	buf_init(&name, 400);
	record_name(key->selector, key->domain, &name);
	record = follow(buf_span(&name), &alias);
	buf_free(&name);
	return record == NULL ? NULL : record->value;
}

/* I5: caches have forgotten the last one of a slot before another one is made for it. */
static void
check_slot(const struct store_key *key)
{
	int slot = key->selector.n == 3 ? key->selector.p[2] - '0' : 0;

	if (plan != delegated)
		return;
	assert_in_range(slot, 1, SLOTS);
	if (!span_eq_str(key->id, seen->holder[slot])) {
		if (seen->removed[slot] > 0)
			assert_true(key->times.created >= seen->removed[slot] + 60 + 60 + 10);
		else /* it was not in DNS */
			assert_int_equal(seen->holder[slot][0], '\0');
		snprintf(seen->holder[slot], sizeof(seen->holder[slot]), "%.*s", SPAN_ARG(key->id));
	}
	seen->removed[slot] = key->times.removed;
}

static bool
is_published(const struct store_key *key)
{
	const char *value = value_in_dns(key);
	struct buf wanted;
	bool same;

	buf_init(&wanted, 4000);
	record_value(key->algorithm, key->public_key, &wanted);
	same = value != NULL && span_eq_str(buf_span(&wanted), value);
	buf_free(&wanted);
	return same;
}

static void
check_key(const struct store_key *key)
{
	const struct key_times *t = &key->times;
	enum key_state state = key_state_at(t, world->now_utc);

	if (state == KEY_ACTIVE) {
		assert_true(t->proven > 0 && t->loaded > 0); /* I2 */
		assert_true(is_published(key));              /* I4 */
		assert_true(key->private_key.n > 0);
	}
	if (state == KEY_RETIRING && t->revoking == 0)
		assert_true(is_published(key));
	if (t->revoking > 0) /* I4: the lease, SIG and E are over */
		assert_true(t->revoking >= t->sign_until + 60 + 10);
	if (value_in_dns(key) != NULL) /* I3, I6: nothing in DNS without a row and an intent */
		assert_true(t->publishing > 0);
}

static void
check_all(struct setting *s)
{
	struct keystore_rows *rows = look(s);
	size_t active = 0, known = 0;

	for (size_t i = 0; i < rows->key_count; i++) {
		check_key(&rows->keys[i]);
		check_slot(&rows->keys[i]);
		active += key_may_sign(&rows->keys[i].times, world->now_utc);
		known += value_in_dns(&rows->keys[i]) != NULL;
	}
	assert_true(active <= 1);
	assert_true(active == 1 || !seen->had_active); /* I1 */
	assert_int_equal(known, text_count());         /* no record that no row knows */
	seen->had_active = seen->had_active || active == 1;
	seen->looks++;
	keystore_rows_release(rows);
}

/* ---- one life ---- */

/* The key that signs, or none. */
static void
note_first(struct setting *s)
{
	struct keystore_rows *rows = look(s);

	for (size_t i = 0; i < rows->key_count; i++)
		if (key_may_sign(&rows->keys[i].times, world->now_utc))
			snprintf(
			    seen->first, sizeof(seen->first), "%.*s", SPAN_ARG(rows->keys[i].id));
	keystore_rows_release(rows);
}

/* The first key is destroyed, another one signs, and one stands by; with slots in the first one. */
static bool
is_over(struct setting *s)
{
	struct keystore_rows *rows = look(s);
	bool there = false, again = plan == plain;

	for (size_t i = 0; i < rows->key_count; i++) {
		there = there || span_eq_str(rows->keys[i].id, seen->first);
		again = again || span_eq_str(rows->keys[i].selector, "sp1");
	}
	keystore_rows_release(rows);
	return seen->rotated && !there && again && in_state(s, KEY_ACTIVE) == 1 &&
	       in_state(s, KEY_LOADED) == 1;
}

static void
one_turn(struct setting *s)
{
	struct err err = ERR_NONE;
	int64_t next_s = 0;

	if (reconciler_turn(s->reconciler, &next_s, &err) != ST_OK)
		fail_msg("%s", err.text);
	check_all(s);
	if (next_s > 0)
		world->now_utc += STEP_S;
}

/* With slots: the first key has left its slot, and a third one stands by. */
static bool
wants_another(struct setting *s)
{
	struct keystore_rows *rows = look(s);
	bool third = false, first = false;

	for (size_t i = 0; i < rows->key_count; i++) {
		const struct store_key *key = &rows->keys[i];

		first = first || span_eq_str(key->selector, "sp1");
		third = third || (span_eq_str(key->selector, "sp3") &&
				     key_state_at(&key->times, world->now_utc) == KEY_LOADED);
	}
	keystore_rows_release(rows);
	return third && !first;
}

static void
go_on(struct setting *s)
{
	for (int i = 0; i < 400 && !seen->done; i++) {
		one_turn(s);
		if (!seen->rotated && in_state(s, KEY_ACTIVE) == 1 &&
		    in_state(s, KEY_LOADED) == 1) {
			note_first(s);
			ask_rotation(s);
			seen->rotated = true;
		} else if (plan == delegated && wants_another(s)) {
			ask_rotation(s);
		}
		seen->done = is_over(s);
	}
}

/* A process that has the store for itself. false: it was killed. */
static bool
run_process(const char *name, const char *crash_at)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		struct setting s;

		if (!crash_setup(crash_at))
			_exit(3);
		setting_open(&s, name);
		go_on(&s);
		if (seen->done)
			check_audit(&s);
		setting_close(&s);
		_exit(seen->done ? 0 : 2);
	}
	assert_true(waitpid(child, &status, 0) == child);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return false;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	return true;
}

static void
new_life(const char *name)
{
	struct setting s;

	memset(world, 0, sizeof(*world));
	memset(seen, 0, sizeof(*seen));
	setting_make(&s, name);
	setting_close(&s);
	for (int slot = 1; plan == delegated && slot <= SLOTS; slot++)
		set_cname(slot, NULL);
}

/* Killed at the passage'th place, then not again. false: there were not so many. */
static bool
killed_once(unsigned passage)
{
	char name[40], where[20];

	snprintf(name, sizeof(name), "%s%u.db", plan == plain ? "crash" : "slots", passage);
	snprintf(where, sizeof(where), "%u", passage);
	new_life(name);
	if (run_process(name, where))
		return false;
	assert_true(run_process(name, NULL));
	assert_true(text_count() == 2 || plan == delegated);
	return true;
}

static void
test_killed_at_each_passage(void **state)
{
	unsigned passage = 1, stride = plan == plain ? STRIDE : 2 * STRIDE - 1;

	(void)state;
	while (killed_once(passage))
		passage += stride;
	print_message("# killed at each of %u places, one in %u\n", passage - stride, stride);
	assert_true(passage > 60);
}

static void
test_killed_with_slots(void **state)
{
	plan = delegated;
	test_killed_at_each_passage(state);
	plan = plain;
}

/* The same place again and again: it comes further each time. */
static void
test_killed_at_the_same_place(void **state)
{
	(void)state;
	/* The last one is of operations. */
	for (int point = 0; point < CRASH_AFTER_OPERATION; point++) {
		char name[40], where[40];
		int n = 0;

		/* There is none here: tests/integration/test_mirror.py. */
		if (point == CRASH_BEFORE_MIRROR || point == CRASH_AFTER_MIRROR)
			continue;
		snprintf(name, sizeof(name), "again%d.db", point);
		snprintf(where, sizeof(where), "%s:2", crash_point_name((enum crash_point)point));
		new_life(name);
		while (!run_process(name, where) && ++n < PROCESSES_MAX)
			;
		if (n == PROCESSES_MAX)
			assert_true(run_process(name, NULL));
		assert_true(n > 0);
		assert_true(text_count() == 2 || plan == delegated);
		print_message("# %s: killed %d times\n", where, n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_killed_at_each_passage),
	    cmocka_unit_test(test_killed_with_slots),
	    cmocka_unit_test(test_killed_at_the_same_place),
	};

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED || !world_share())
		return 1;
	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
