/*
 * test_reconciler_crash.c - the reconciler is killed at every place that crash.h names, at every
 * passage of it on the way from a domain without a key to one whose first key is destroyed; the
 * next process goes on. Then everything is as if nothing had happened: I1 to I7 hold at each look,
 * and nothing is left over in DNS.
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
};
static struct life_log *seen;

/* ---- what holds at each look ---- */

static const char *
value_in_dns(const struct store_key *key)
{
	const struct record *record;
	struct buf name;

	buf_init(&name, 400);
	record_name(key->selector, key->domain, &name);
	record = find(buf_span(&name));
	buf_free(&name);
	return record == NULL ? NULL : record->value;
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
		active += key_may_sign(&rows->keys[i].times, world->now_utc);
		known += value_in_dns(&rows->keys[i]) != NULL;
	}
	assert_true(active <= 1);
	assert_true(active == 1 || !seen->had_active); /* I1 */
	assert_int_equal(known, world->count);         /* no record that no row knows */
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

/* The first key is destroyed, another one signs, and one stands by. */
static bool
is_over(struct setting *s)
{
	struct keystore_rows *rows = look(s);
	bool there = false;

	for (size_t i = 0; i < rows->key_count; i++)
		there = there || span_eq_str(rows->keys[i].id, seen->first);
	keystore_rows_release(rows);
	return seen->rotated && !there && in_state(s, KEY_ACTIVE) == 1 &&
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
}

/* Killed at the passage'th place, then not again. false: there were not so many. */
static bool
killed_once(unsigned passage)
{
	char name[40], where[20];

	snprintf(name, sizeof(name), "crash%u.db", passage);
	snprintf(where, sizeof(where), "%u", passage);
	new_life(name);
	if (run_process(name, where))
		return false;
	assert_true(run_process(name, NULL));
	assert_int_equal(world->count, 2);
	return true;
}

static void
test_killed_at_each_passage(void **state)
{
	unsigned passage = 1;

	(void)state;
	while (killed_once(passage))
		passage += STRIDE;
	print_message("# killed at each of %u places, one in %u\n", passage - STRIDE, STRIDE);
	assert_true(passage > 60);
}

/* The same place again and again: it comes further each time. */
static void
test_killed_at_the_same_place(void **state)
{
	(void)state;
	for (int point = 0; point < CRASH_POINTS; point++) {
		char name[40], where[40];
		int n = 0;

		snprintf(name, sizeof(name), "again%d.db", point);
		snprintf(where, sizeof(where), "%s:2", crash_point_name((enum crash_point)point));
		new_life(name);
		while (!run_process(name, where) && ++n < PROCESSES_MAX)
			;
		if (n == PROCESSES_MAX)
			assert_true(run_process(name, NULL));
		assert_true(n > 0);
		assert_int_equal(world->count, 2);
		print_message("# %s: killed %d times\n", where, n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_killed_at_each_passage),
	    cmocka_unit_test(test_killed_at_the_same_place),
	};

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED || !world_share())
		return 1;
	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
